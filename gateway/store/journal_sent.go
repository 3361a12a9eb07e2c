package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

func keySent() []byte { return []byte("journal-sent") } // entries that the receiver of the journal has taken, and one

// Sent tells how far the receiver of the journal has taken it: the number of the
// first entry that it has not. false: nothing was ever sent.
func (s *Store) Sent(ctx context.Context) (next uint64, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		stored, err := getUint(r, keySent())
		next, ok = max(stored, 1)-1, stored > 0
		return err
	})
	return next, ok, err
}

// SetSent keeps that all entries before next were taken. Nothing is entered in
// the journal: that would be the next thing to send.
func (s *Store) SetSent(ctx context.Context, now time.Time, next uint64) error {
	return s.update(ctx, now, func(t *txn) error {
		size, err := getUint(t, keyJournal())
		if err != nil {
			return err
		}
		if next > size {
			return gateway.Errorf(gateway.Internal, "more of the journal was sent than there is")
		}
		t.putUint(keySent(), next+1)
		return nil
	})
}

// Lag is what the receiver of the journal has not taken yet: how many entries, and
// the time of the first of them; the zero time without any.
func (s *Store) Lag(ctx context.Context) (entries uint64, since time.Time, err error) {
	next, ok, err := s.Sent(ctx)
	if err != nil || !ok {
		return 0, time.Time{}, err
	}
	size, err := s.JournalSize(ctx)
	if err != nil || next >= size {
		return 0, time.Time{}, err
	}
	first, err := s.Journal(ctx, next, 1)
	if err != nil || len(first) == 0 {
		return 0, time.Time{}, err
	}
	return size - next, first[0].Time, nil
}
