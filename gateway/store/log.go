package store

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

func keyCheckpoint() []byte { return []byte("checkpoint-size") }

// Append writes entries to the journal that tell of nothing else in the store.
func (s *Store) Append(ctx context.Context, now time.Time, entries ...journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error { return t.record(entries...) })
}

// Journal gives entries from a place on, at most limit, and none that are only
// hashes any more.
func (s *Store) Journal(ctx context.Context, from uint64, limit int) (all []JournalRecord, err error) {
	err = s.view(ctx, func(r reader) error {
		all = nil
		reduced, err := getUint(r, keyReduced())
		if err != nil {
			return err
		}
		return eachStored(r, max(from, reduced), limit, func(i uint64, stored journal.Stored) error {
			e, err := journal.Decode(stored.Leaf)
			all = append(all, JournalRecord{Index: i, Entry: e})
			return err
		})
	})
	return all, err
}

func eachStored(r reader, from uint64, limit int, visit func(uint64, journal.Stored) error) error {
	n := 0
	if limit <= 0 {
		return nil
	}
	return r.ascend(table{name: tableJournal}, number(from), func(key, value []byte) (bool, error) {
		stored, err := decodeStored(value)
		if err != nil {
			return false, err
		}
		n++
		return n < limit, visit(sequenceOf(key), stored)
	})
}

// JournalSize is the number of entries.
func (s *Store) JournalSize(ctx context.Context) (size uint64, err error) {
	err = s.view(ctx, func(r reader) error {
		size, err = getUint(r, keyJournal())
		return err
	})
	return size, err
}

// Checkpoint signs the head of the journal and keeps the note. sign gets size
// and root and fills in the origin; it may be called more than once. If the
// journal has not grown since the last checkpoint, that one is given.
func (s *Store) Checkpoint(ctx context.Context, now time.Time, sign func(journal.Checkpoint) ([]byte, error)) (note []byte, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		size, err := getUint(t, keyJournal())
		if err != nil {
			return err
		}
		if note, err = t.get(table{name: tableCheckpoints}, number(size)); err != nil || note != nil {
			return err
		}
		root, err := journal.Root(size, hashReader(t))
		if err != nil {
			return err
		}
		if note, err = sign(journal.Checkpoint{Size: size, Root: root}); err != nil {
			return err
		}
		t.put(table{name: tableCheckpoints}, number(size), note)
		t.putUint(keyCheckpoint(), size)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return note, nil
}

// LatestCheckpoint is the note that was signed last, or nil.
func (s *Store) LatestCheckpoint(ctx context.Context) (note []byte, err error) {
	err = s.view(ctx, func(r reader) error {
		size, err := getUint(r, keyCheckpoint())
		if err != nil {
			return err
		}
		note, err = r.get(table{name: tableCheckpoints}, number(size))
		return err
	})
	return note, err
}

// VerifyJournal recomputes the journal from its entries and compares it with
// the stored hashes and with every checkpoint, which open verifies; nil leaves
// the checkpoints out. The error names the first entry that does not fit.
// Entries written meanwhile are not looked at.
func (s *Store) VerifyJournal(ctx context.Context, open func(note []byte) (journal.Checkpoint, error)) (JournalReport, error) {
	s.reducing.RLock()
	defer s.reducing.RUnlock()
	var size, reduced uint64
	var signed []journal.Checkpoint
	err := s.view(ctx, func(r reader) (err error) {
		if size, err = getUint(r, keyJournal()); err != nil {
			return err
		}
		if reduced, err = getUint(r, keyReduced()); err != nil || open == nil {
			return err
		}
		signed = nil
		return r.ascend(table{name: tableCheckpoints}, nil, func(_, note []byte) (bool, error) {
			c, err := open(note)
			signed = append(signed, c)
			return true, err
		})
	})
	if err != nil {
		return JournalReport{}, err
	}
	root, err := journal.Verify(size, s.stored(ctx, size), signed)
	if err != nil {
		return JournalReport{Size: size}, err
	}
	return JournalReport{Size: size, Root: hex.EncodeToString(root[:]), Checkpoints: len(signed), Reduced: reduced}, nil
}

// errGap ends a pass over records of which one is missing.
var errGap = errors.New("a record is missing")

// stored reads the first size records a few at a time, so that a long journal
// does not keep one transaction open.
func (s *Store) stored(ctx context.Context, size uint64) iter.Seq2[journal.Stored, error] {
	return func(yield func(journal.Stored, error) bool) {
		for next := uint64(0); next < size; {
			var some []journal.Stored
			err := s.view(ctx, func(r reader) error {
				some = nil
				limit := int(min(rowsPerWrite, size-next))
				return eachStored(r, next, limit, func(i uint64, one journal.Stored) error {
					if i != next+uint64(len(some)) {
						return errGap
					}
					some = append(some, one)
					return nil
				})
			})
			for _, one := range some {
				if !yield(one, nil) {
					return
				}
			}
			switch {
			case errors.Is(err, errGap), err == nil && len(some) == 0:
				return // Verify tells which record is missing
			case err != nil:
				yield(journal.Stored{}, err)
				return
			}
			next += uint64(len(some))
		}
	}
}

// clockRanBack is what purging waits for.
func clockRanBack(by time.Duration) error {
	return gateway.Wrap(gateway.Unavailable, ErrClock,
		"the clock is "+by.Round(time.Second).String()+" behind the last transaction: nothing is purged until it is right")
}
