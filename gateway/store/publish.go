package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

func keyPolicy() []byte { return []byte("policy") }

// Policy names the rules that the journal last accounted for, as the Publication
// did; "" before the first.
func (s *Store) Policy(ctx context.Context) (version string, err error) {
	err = s.view(ctx, func(r reader) error {
		value, err := r.get(table{name: tableMeta}, keyPolicy())
		version = string(value)
		return err
	})
	return version, err
}

func keyPlanned() []byte { return []byte("planned") }

// Planned is under what everything that is shown to anybody was last decided.
type Planned struct {
	Rules string    `json:"rules"` // as the planner names them; "" if something has not been decided since
	Next  time.Time `json:"next"`  // when the first sample is due
}

// Planned is what SetPlanned kept, unless something was published since that was
// not decided, or did not fit the queue of its recipient.
func (s *Store) Planned(ctx context.Context) (p Planned, err error) {
	err = s.view(ctx, func(r reader) error {
		p = Planned{}
		_, err := getJSON(r, table{name: tableMeta}, keyPlanned(), &p)
		return err
	})
	return p, err
}

// SetPlanned keeps under what all was decided, for the next start.
func (s *Store) SetPlanned(ctx context.Context, now time.Time, p Planned) error {
	return s.update(ctx, now, func(t *txn) error {
		t.put(table{name: tableMeta}, keyPlanned(), encodeJSON(p))
		return nil
	})
}

// Publish stores a publication: the offers, what is queued for whom, what is no
// longer sent, and the journal entries. A message gets the next sequence of its
// recipient, a new UUIDv7, the effective time and gateway.Lifetime. It overtakes
// whatever of the same recipient and subject was under way, also what is being
// attempted, so that nothing from before is sent after Publish has returned;
// the receipt of an attempt that was in flight is then passed over. A withdrawal
// of what cannot have reached the recipient is not queued: it only ends what
// waits.
//
// It is refused with ErrQueueFull, unless Full is there to be told, if the
// snapshot of a subject that the recipient is not shown yet does not fit its
// queue, and with ErrFull. What replaces or withdraws always fits the queue.
func (s *Store) Publish(ctx context.Context, now time.Time, p Publication) error {
	if p.prepared == nil {
		if err := p.Prepare(); err != nil {
			return err
		}
	}
	write := s.grow
	if p.Correct || len(p.Put) == 0 && !slices.ContainsFunc(p.Sends, func(send Send) bool { return !narrows(send) }) {
		write = s.update // what shows less must also go when the database is nearly full
	}
	var queued []Queued
	err := write(ctx, now, func(t *txn) error {
		t.traced = s.traced
		defer func() { queued = t.queued }()
		put, err := t.shiftOwn(&p)
		if err != nil {
			return err
		}
		for i := range put {
			t.putOwn(&put[i])
		}
		for _, id := range p.Delete {
			if err := t.deleteOwn(id); err != nil {
				return err
			}
		}
		if err := t.offersChanged(put, p.Counted, s.referrals.byPseudonym); err != nil {
			return err
		}
		refused, err := t.enqueue(p.prepared, s.maxQueue)
		if err != nil {
			return err
		}
		for _, to := range refused {
			if p.Full == nil {
				return gateway.Wrap(gateway.Limit, ErrQueueFull, fmt.Sprintf("the queue of party %s is full", to))
			}
			p.Full(to)
		}
		if p.Undecided || len(refused) > 0 {
			t.delete(table{name: tableMeta}, keyPlanned())
		}
		if p.Import != nil {
			t.put(table{name: tableImports}, []byte(p.Import.Source), encodeJSON(p.Import))
			if p.Fresh {
				if err := t.fresh(p.Import.Source); err != nil {
					return err
				}
			}
		}
		if p.Repays != "" {
			row, err := t.peer(p.Repays)
			if err != nil {
				return err
			}
			row.Owed = false
		}
		if p.Policy != "" {
			t.put(table{name: tableMeta}, keyPolicy(), []byte(p.Policy))
			if err := t.rulesChanged(); err != nil {
				return err
			}
		}
		return t.record(p.Journal...)
	})
	if err == nil && len(queued) > 0 {
		s.queued(ctx, queued)
	}
	return err
}
