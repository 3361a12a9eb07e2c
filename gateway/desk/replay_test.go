package desk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// What was shown is asked of a draft by the policy of then, also when another is
// in force since; what the journal cannot say is not said to be certain.
func TestReplay(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := approving(t, "title, contact", "none")
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		time.Sleep(24 * time.Hour)
		if err := f.SetPolicy(gt.Smile, showing("title")); err != nil {
			t.Fatal(err)
		}
		replay := func(text string, days int) (out struct {
			events, same, changes int
			certain               bool
			text                  string
		}) {
			t.Helper()
			r, err := f.Node(gt.Smile).Desk.Replay(context.Background(), gt.Everyone(), []policy.File{{Name: "policy.yaml", Data: []byte(text)}}, days)
			if err != nil {
				t.Fatal(err)
			}
			out.events, out.same, out.changes, out.text = r.Events, r.Same, len(r.Changes), r.Text()
			if len(r.Changes) > 0 {
				out.certain = r.Changes[0].Certain
			}
			if r.Unknown > 0 {
				t.Errorf("got %d unknown, want none: every policy is kept", r.Unknown)
			}
			return out
		}
		if got := replay(showing("title"), 30); got.events != 2 || got.same != 1 || got.changes != 1 || !got.certain ||
			!strings.Contains(got.text, "[beperkter] contactpersoon: was zoals het is, wordt niet te zien") {
			t.Errorf("the policy in force: got %+v, want that of two decisions the first would be another", got)
		}
		on := strings.Replace(showing("title, contact"), "to: ", "when: {trajectsoort: [stage]}, to: ", 1)
		if got := replay(on, 30); got.changes == 0 || got.certain || !strings.Contains(got.text, "hangt af van het aanbod van toen") {
			t.Errorf("under a condition: got %+v, want changes that are not certain", got)
		}
		time.Sleep(40 * 24 * time.Hour)
		if got := replay(showing("title"), 30); got.events != 0 || got.changes != 0 {
			t.Errorf("40 days later: got %+v, want nothing", got)
		}
		consulent := gateway.Caller{Name: "c", Roles: []gateway.Role{gateway.Consulent}}
		if _, err := f.Node(gt.Smile).Desk.Replay(context.Background(), consulent, nil, 30); gateway.KindOf(err) != gateway.Denied {
			t.Errorf("got %v, want Denied", err)
		}
	})
}
