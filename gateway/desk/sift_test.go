package desk_test

import (
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// When the admin said it makes no change, but what it says of that must be a
// time that fits a message.
func TestUpdatedIsNoChange(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		offer := gt.Offer("een")
		f.Publish(gt.Smile, offer)
		for _, c := range []struct {
			name                    string
			change                  func(*gateway.Offer)
			unchanged, changed, bad int
		}{
			{"said again", func(*gateway.Offer) {}, 1, 0, 0},
			{"said later", func(o *gateway.Offer) { o.Updated = time.Now().In(gateway.Amsterdam()) }, 1, 0, 0},
			{"an empty list", func(o *gateway.Offer) { o.Accessibility = []string{} }, 1, 0, 0},
			{"another person", func(o *gateway.Offer) { o.Contact.Name = "Iemand anders" }, 0, 1, 0},
			{"said in no time of ours", func(o *gateway.Offer) { o.Updated = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC) }, 0, 0, 1},
		} {
			o := offer
			c.change(&o)
			r := f.Publish(gt.Smile, o)
			if r.Unchanged != c.unchanged || r.Changed != c.changed || r.Bad != c.bad {
				t.Errorf("%s: got %d unchanged, %d changed, %d bad; want %d, %d, %d",
					c.name, r.Unchanged, r.Changed, r.Bad, c.unchanged, c.changed, c.bad)
			}
		}
	})
}
