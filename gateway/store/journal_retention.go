package store

import (
	"context"
	"sort"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

func keyReduced() []byte { return []byte("journal-reduced") } // entries of which only hashes are left

// ReduceJournal deletes the leaves of the entries from before a moment and keeps
// their hashes, so that all that comes after still verifies, with its proofs and
// checkpoints. It takes only entries that a checkpoint covers, a thousand in each
// transaction, each with an entry of its own. While now lies more than
// gateway.ClockSkew behind the highest committed time it does nothing but give
// ErrClock.
func (s *Store) ReduceJournal(ctx context.Context, now, before time.Time) (n int, err error) {
	if by := s.EffectiveTime(now).Sub(now); by > gateway.ClockSkew {
		return 0, clockRanBack(by)
	}
	s.reducing.Lock()
	defer s.reducing.Unlock()
	for {
		did := 0
		err := s.update(ctx, now, func(t *txn) error {
			did, err = t.reduce(before)
			return err
		})
		if n += did; err != nil || did == 0 {
			return n, err
		}
	}
}

// reduce takes the leaves of the next entries and gives their number.
func (t *txn) reduce(before time.Time) (int, error) {
	from, err := getUint(t, keyReduced())
	if err != nil {
		return 0, err
	}
	signed, err := getUint(t, keyCheckpoint())
	if err != nil {
		return 0, err
	}
	size, err := getUint(t, keyJournal())
	if err != nil {
		return 0, err
	}
	end, err := firstAt(t, from, min(size, signed, from+rowsPerWrite), before)
	if err != nil || end <= from {
		return 0, err
	}
	in := table{name: tableJournal}
	for i := from; i < end; i++ {
		value, err := t.get(in, number(i))
		if err != nil {
			return 0, err
		}
		stored, err := decodeStored(value)
		if err != nil {
			return 0, err
		}
		t.put(in, number(i), encodeStored(journal.Stored{Hashes: stored.Hashes}))
	}
	for block := from / indexBlock; block < end/indexBlock; block++ {
		t.delete(table{name: tableJournalIndex}, number(block))
	}
	t.putUint(keyReduced(), end)
	return int(end - from), t.record(journal.Entry{Kind: journal.KindReduced, Count: int(end), Since: before.UTC()})
}

// firstAt is the first entry from low on, and before high, that is not from before
// a moment; high if there is none. The time of entries never falls.
func firstAt(r reader, low, high uint64, at time.Time) (first uint64, err error) {
	if low >= high {
		return high, nil
	}
	return low + uint64(sort.Search(int(high-low), func(i int) bool {
		e, _, problem := entryAt(r, low+uint64(i))
		if problem != nil {
			err = problem
		}
		return !e.Time.Before(at)
	})), err
}

// entryAt is one entry of the journal; false if only its hashes are left.
func entryAt(r reader, i uint64) (e journal.Entry, ok bool, err error) {
	value, err := r.get(table{name: tableJournal}, number(i))
	if err != nil {
		return e, false, err
	}
	return decodeEntryOf(value)
}

// Reduced is the number of the oldest entries of which only hashes are left.
func (s *Store) Reduced(ctx context.Context) (n uint64, err error) {
	err = s.view(ctx, func(r reader) error {
		n, err = getUint(r, keyReduced())
		return err
	})
	return n, err
}
