package store_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestSlotsOfManySubjects fills, splits and empties blocks of slots, in order and
// not, and finds each subject again as it was last published. Subjects are long,
// so that there are few in a block.
func TestSlotsOfManySubjects(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		s := &testStore{path: fmt.Sprintf("%s/%d.db", dir, runs), opt: store.Options{NoSync: true}}
		s.reopen(t)
		defer func() { _ = s.Close(); _ = os.Remove(s.path) }()
		shown := map[string]string{} // subject → hash of what was published last, unless that was a withdrawal
		some := func(t *rapid.T) (sends []store.Send) {
			first, step := rapid.IntRange(0, 30).Draw(t, "first"), rapid.IntRange(1, 5).Draw(t, "step")
			title := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "title")
			for i := first; i < 40; i += step {
				sends = append(sends, capacity(peerA, fmt.Sprintf("%0100d", i), title))
			}
			if rapid.Bool().Draw(t, "backwards") {
				slices.Reverse(sends)
			}
			return sends
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { compareShown(t, s, shown) },
			"publish": func(t *rapid.T) {
				sends := some(t)
				if rapid.Bool().Draw(t, "twice") {
					sends = append(sends, some(t)...)
				}
				publish(t, s, start(), sends...)
				for _, send := range sends {
					if shown[send.Subject] = send.Hash; send.Withdrawal {
						delete(shown, send.Subject)
					}
				}
			},
			"deliver": func(t *rapid.T) {
				n := rapid.IntRange(1, 30).Draw(t, "limit")
				deliver(t, s, start(), peerA, n, rapid.SampledFrom([]gateway.Outcome{gateway.Received, gateway.Refused}).Draw(t, "outcome"))
			},
			"reopen": func(t *rapid.T) {
				s.reopen(t)
				s.sound(t)
			},
		})
	})
}

func compareShown(t *rapid.T, s *testStore, want map[string]string) {
	compareLast(t, s)
	got := map[string]string{}
	for _, one := range get(s.Shown(ctx, peerA))(t) {
		if !one.Withdrawal && one.State != gateway.Withdrawn {
			got[one.Subject] = one.Hash
		}
	}
	if !maps.Equal(got, want) {
		t.Fatalf("shown: got %v, want %v", got, want)
	}
}
