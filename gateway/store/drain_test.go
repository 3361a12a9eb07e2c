package store_test

import (
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestPublicationsOfOneTime: the data of messages lie in the order of the queue,
// also where all publications have the same time, as those of one import have. If
// they did not, letting go of each message would write a page or more.
func TestPublicationsOfOneTime(t *testing.T) {
	const batches = 20
	pages := func(step time.Duration) int64 {
		s := open(t, store.Options{NoSync: true})
		next := 0
		for i := range batches {
			must(t, s.Publish(ctx, start().Add(time.Duration(i)*step), journaled(opaque(peerA, &next, gateway.MaxBatch))))
		}
		before := s.PagesWritten()
		for range batches {
			settleBatch(t, s, peerA, gateway.MaxBatch)
		}
		return s.PagesWritten() - before
	}
	if one, rising := pages(0), pages(time.Second); one > rising*11/10 {
		t.Errorf("pages written to settle %d batches: got %d after publications of one time, want about %d as after those of rising times", batches, one, rising)
	}
}

// journaled is a publication of some messages as a node makes it, with an entry each.
func journaled(sends []store.Send) store.Publication {
	p := store.Publication{Sends: sends}
	for range sends {
		p.Journal = append(p.Journal, journal.Entry{Kind: journal.KindPublish, Count: 1})
	}
	return p
}
