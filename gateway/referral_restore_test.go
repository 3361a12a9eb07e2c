package gateway_test

import (
	"flag"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// events is how many TestRestoredReferralConverges goes through all orders of: make
// model takes more.
var events = flag.Int("events", 6, "events of which all orders are gone through, with restores")

// TestRestoredReferralConverges goes through every order of events of which one or
// two put a side back to anything that it was before, with the provider's time
// that runs out: nothing that a referrer was told is undone unless both lost it,
// or the provider went on alone, which then shows.
func TestRestoredReferralConverges(t *testing.T) {
	for _, tc := range []struct {
		restores, depth int
		mayAlone        bool
	}{{1, *events, false}, {2, *events - 1, false}, {1, *events - 1, true}} {
		least := 1000
		if testing.Short() {
			tc.depth, least = tc.depth-1, 100
		}
		w := newWorld()
		w.restores, w.mayAlone = tc.restores, tc.mayAlone
		began := time.Now()
		if looked := explore(t, w, tc.depth); looked < least {
			t.Errorf("looked at %d worlds, want many", looked)
		} else {
			t.Logf("%d restores, %d events: %d worlds in %s", tc.restores, tc.depth, looked, time.Since(began))
		}
	}
}

// TestReferralConvergesAfterRestores draws long stories in which either side goes
// back to something that it was before now and then.
func TestReferralConvergesAfterRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.restores = rapid.IntRange(1, 4).Draw(t, "restores")
		for range rapid.IntRange(1, 80).Draw(t, "events") {
			if all := w.events(); len(all) > 0 {
				all[rapid.IntRange(0, len(all)-1).Draw(t, "event")](&w)
			}
		}
		w.settle()
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
	})
}
