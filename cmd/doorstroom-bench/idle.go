package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// usedMemory is anonymous memory in MB: at the end, and the most there was.
type usedMemory struct {
	End  float64 `json:"end"`
	Peak float64 `json:"peak"`
}

// fresh measures a new node that has nothing to do.
func fresh(ctx context.Context, b *bench) error {
	f, err := lay(b.folder("fresh"), shape{})
	if err != nil {
		return err
	}
	b.say("leaving a new node alone for %s", b.rest())
	b.figures.MemoryIdle, err = b.idle(ctx, f.sender)
	return err
}

// rest is how long a node is left alone: a minute, unless the run is a short one.
func (b *bench) rest() time.Duration { return min(time.Minute, b.length()) }

// idle starts a node, leaves it alone, and measures its memory from the start.
func (b *bench) idle(ctx context.Context, m *member) (*usedMemory, error) {
	p, err := launch(m)
	if err != nil {
		return nil, err
	}
	peak, err := p.peak(func() error {
		if _, err := p.ready(ctx); err != nil {
			return err
		}
		return sleep(ctx, b.rest())
	})
	end, err2 := p.rssAnon()
	if err = errors.Join(err, err2, p.stop()); err != nil {
		return nil, err
	}
	return &usedMemory{mb(end), mb(peak)}, nil
}

// peak is the most anonymous memory that was seen while do ran.
func (p *process) peak(do func() error) (most int64, err error) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			now, _ := p.rssAnon() // 0 when it has ended
			most = max(most, now)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	err = do()
	close(done)
	wg.Wait()
	return most, err
}

// cold is how many seconds nodes took until they listened, with their database
// out of the page cache, and their stores alone.
type cold struct {
	JournalOpen   float64 `json:"journal_open,omitzero"`  // the store
	JournalClean  float64 `json:"journal_clean,omitzero"` // a journal of so many entries, after a stop in good order
	JournalKilled float64 `json:"journal_killed,omitzero"`
	DrainedOpen   float64 `json:"drained_open,omitzero"`
	DrainedClean  float64 `json:"drained_clean,omitzero"` // a queue of so many that has been drained
	DrainedKilled float64 `json:"drained_killed,omitzero"`
}

// journalled measures the start of a node with a long journal.
func journalled(ctx context.Context, b *bench) error {
	f, err := lay(b.folder("journal"), bigShape())
	if err != nil {
		return err
	}
	if err := b.restart(ctx, f.sender); err != nil { // it gets its register
		return err
	}
	b.say("writing %d journal entries", b.queued)
	err = withStore(f.sender, func(s *store.Store) error {
		now := time.Now()
		for from := 0; from < b.queued; from += seedChunk {
			entries := make([]journal.Entry, min(seedChunk, b.queued-from))
			for i := range entries {
				entries[i] = journal.Entry{
					Time: now, Kind: journal.KindDelivered, Party: receiverOIN, Message: fmt.Sprintf("01900000-0000-7000-8000-%012d", from+i),
					Outcome: "received", Rules: []string{"verwijzers-zien-aanbod", "eigen-toedeling"}, Policy: fmt.Sprintf("%064d", 0), Register: 1,
				}
			}
			if err := s.Append(ctx, now, entries...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c := b.coldFigures()
	c.JournalOpen, c.JournalClean, c.JournalKilled, err = b.coldStarts(ctx, f.sender)
	return err
}

func (b *bench) coldFigures() *cold {
	if b.figures.Cold == nil {
		b.figures.Cold = &cold{}
	}
	return b.figures.Cold
}

// coldDrained drains what waits in the store, and measures the start after it.
func (b *bench) coldDrained(ctx context.Context, f *federation) error {
	b.say("draining all that waits")
	err := withStore(f.sender, func(s *store.Store) error {
		_, err := settle(ctx, s, receiverOIN, b.queued, seedChunk)
		return err
	})
	if err != nil {
		return err
	}
	c := b.coldFigures()
	c.DrainedOpen, c.DrainedClean, c.DrainedKilled, err = b.coldStarts(ctx, f.sender)
	return err
}

// coldStarts opens a store, and starts its node after a stop in good order and
// after a kill.
func (b *bench) coldStarts(ctx context.Context, m *member) (open, clean, killed float64, err error) {
	b.say("starting a node whose database is not in memory")
	if err := errors.Join(b.restart(ctx, m), evict(m.database())); err != nil {
		return 0, 0, 0, err
	}
	begin := time.Now()
	err = withStore(m, func(*store.Store) error {
		open = time.Since(begin).Seconds()
		return nil
	})
	if err = errors.Join(err, evict(m.database())); err != nil {
		return 0, 0, 0, err
	}
	p, took, err := start(ctx, m)
	if err != nil {
		return 0, 0, 0, err
	}
	clean = took.Seconds()
	if err := errors.Join(p.kill(), evict(m.database())); err != nil {
		return 0, 0, 0, err
	}
	if p, took, err = start(ctx, m); err != nil {
		return 0, 0, 0, err
	}
	return open, clean, took.Seconds(), p.stop()
}

func (b *bench) restart(ctx context.Context, m *member) error {
	p, _, err := start(ctx, m)
	if err != nil {
		return err
	}
	return p.stop()
}
