package exchange_test

import (
	"slices"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// TestClosingPeriodsReachOthers: those of the configuration, after a start and
// after a reload, and no longer when they are over.
func TestClosingPeriodsReachOthers(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Settled(time.Hour)
		peer := func() desk.Peer {
			for _, p := range status(f, gt.Dordrecht).Peers {
				if p.OIN == gt.Smile {
					return p
				}
			}
			t.Fatal("Dordrecht does not know Smile")
			return desk.Peer{}
		}
		if got := peer().Hello.Closed(); got != nil {
			t.Fatalf("got %v, want none", got)
		}
		today := gateway.DateOf(time.Now())
		until := today.Next().Next()
		f.SetConfig(gt.Smile, "closed: []", "closed: ["+string(today)+"/"+string(until)+"]")
		time.Sleep(time.Minute)
		f.Settled(time.Hour)
		if got, want := peer().Hello.Closed(), []gateway.Closing{{From: today, Until: until}}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, want := notesOf(f, gt.Dordrecht, gt.Smile), "Smile is closed until "+string(until); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		time.Sleep(4 * 24 * time.Hour)
		if got := peer().Hello.Closed(); got != nil {
			t.Errorf("afterwards: got %v, want none", got)
		}
	})
}
