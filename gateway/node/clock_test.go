package node

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// A clock that goes ahead by a day is journaled; one that is set back, or does
// what clocks do, is not: that is told of otherwise.
func TestClockLeap(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "node.db"), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := &Node{Store: s, log: slog.New(slog.DiscardHandler)}
	const passed = 5 * time.Minute
	from := time.Now()
	leaps := 0
	for _, jump := range []time.Duration{0, time.Second, gateway.ClockSkew, 24 * time.Hour, -24 * time.Hour, time.Hour} {
		last, now := readClock(from), readClock(from.Add(passed))
		now.wall = now.wall.Add(jump)
		want := jump
		if jump <= gateway.ClockSkew {
			want = 0
		}
		if got := now.ahead(last); got != want {
			t.Errorf("a jump of %v: got %v ahead, want %v", jump, got, want)
		}
		if n.leapt(t.Context(), last, now); want > 0 {
			leaps++
		}
		records, err := s.Journal(t.Context(), 0, 100)
		if err != nil || len(records) != leaps {
			t.Fatalf("after a jump of %v: got %d entries and %v, want %d", jump, len(records), err, leaps)
		}
		if leaps > 0 && records[leaps-1].Kind != journal.KindClockLeap {
			t.Errorf("got entry %q, want %q", records[leaps-1].Kind, journal.KindClockLeap)
		}
	}
}
