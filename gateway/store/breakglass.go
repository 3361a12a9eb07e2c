package store

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// saidLife is for how long after a break-glass was acknowledged it is kept who
// asked for it and why.
const saidLife = 365 * 24 * time.Hour

// BreakGlass is one time that somebody was given to read what their roles do not
// give. Name and Reason are kept apart and are erased in time; then they are "".
type BreakGlass struct {
	Number       uint64    `json:"number"` // from 1, without gaps
	Caller       string    `json:"caller"` // pseudonym
	Since        time.Time `json:"since"`
	Until        time.Time `json:"until"`
	Ended        time.Time `json:"ended,omitzero"`
	Reads        int       `json:"reads"` // under it
	Acknowledged time.Time `json:"acknowledged,omitzero"`
	By           string    `json:"by,omitempty"` // pseudonym of who acknowledged it

	Name   string `json:"-"`
	Reason string `json:"-"`
	Key    []byte `json:"-"` // of the digest in the journal
}

// Open tells whether it gives access now.
func (b BreakGlass) Open(now time.Time) bool { return b.Ended.IsZero() && now.Before(b.Until) }

// Ends is when it ended, or will at the latest.
func (b BreakGlass) Ends() time.Time {
	if b.Ended.IsZero() {
		return b.Until
	}
	return b.Ended
}

// said is what of a break-glass is erased.
type said struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason"`
	Key    []byte    `json:"key"`
	Until  time.Time `json:"until,omitzero"` // zero: not acknowledged yet, and kept
}

func keyBreakGlass() []byte { return []byte("break-glass-number") } // of the last

// OpenBreakGlass keeps and journals a new one; its number is filled in. A Conflict
// if the caller has one that is open.
func (s *Store) OpenBreakGlass(ctx context.Context, now time.Time, b BreakGlass, entry journal.Entry) (BreakGlass, error) {
	err := s.update(ctx, now, func(t *txn) error {
		if _, ok, err := openBreakGlass(t, b.Caller, t.now); err != nil {
			return err
		} else if ok {
			return gateway.Errorf(gateway.Conflict, "you have break-glass access already; see doorstroom break-glass end")
		}
		var err error
		if b.Number, err = t.addBreakGlass(b); err != nil {
			return err
		}
		entry.Count = int(b.Number)
		return t.record(entry)
	})
	return b, err
}

// addBreakGlass keeps one under the next number.
func (t *txn) addBreakGlass(b BreakGlass) (uint64, error) {
	last, err := getUint(t, keyBreakGlass())
	if err != nil {
		return 0, err
	}
	b.Number = last + 1
	t.putUint(keyBreakGlass(), b.Number)
	t.putBreakGlass(b)
	if b.Name != "" || b.Reason != "" {
		t.putSaid(b)
	}
	return b.Number, nil
}

func (t *txn) putBreakGlass(b BreakGlass) {
	t.put(table{name: tableBreakGlass}, number(b.Number), encodeJSON(b))
}

func (t *txn) putSaid(b BreakGlass) {
	row := said{Name: b.Name, Reason: b.Reason, Key: b.Key}
	if !b.Acknowledged.IsZero() {
		row.Until = b.Acknowledged.Add(saidLife)
	}
	t.put(table{name: tableBreakGlassSaid}, number(b.Number), encodeJSON(row))
}

// UnderBreakGlass journals a reading that the caller may do only because he has
// break-glass access now; Denied if he has not.
func (s *Store) UnderBreakGlass(ctx context.Context, now time.Time, caller string, entry journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error {
		b, ok, err := openBreakGlass(t, caller, t.now)
		if err != nil {
			return err
		}
		if !ok {
			return gateway.Errorf(gateway.Denied, "you have no break-glass access now")
		}
		b.Reads++
		t.putBreakGlass(b)
		entry.Outcome, entry.Count = journal.OutcomeBreakGlass, int(b.Number)
		return t.record(entry)
	})
}

// EndBreakGlass ends that of the caller before its time; NotFound if none is open.
func (s *Store) EndBreakGlass(ctx context.Context, now time.Time, caller string, entry journal.Entry) (b BreakGlass, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		var ok bool
		if b, ok, err = openBreakGlass(t, caller, t.now); err != nil {
			return err
		}
		if !ok {
			return gateway.Errorf(gateway.NotFound, "you have no break-glass access now")
		}
		b.Ended = t.now
		return t.endBreakGlass(b, entry)
	})
	return b, err
}

func (t *txn) endBreakGlass(b BreakGlass, entry journal.Entry) error {
	t.putBreakGlass(b)
	entry.Kind, entry.Outcome, entry.Count = journal.KindBreakGlass, journal.OutcomeEnded, int(b.Number)
	return t.record(entry)
}

// BreakGlassOver journals the end of each whose time is over.
func (s *Store) BreakGlassOver(ctx context.Context, now time.Time) error {
	over := func(b BreakGlass, now time.Time) bool { return b.Ended.IsZero() && !b.Open(now) }
	all, err := s.BreakGlasses(ctx)
	if err != nil || !slices.ContainsFunc(all, func(b BreakGlass) bool { return over(b, now) }) {
		return err
	}
	return s.update(ctx, now, func(t *txn) error {
		return eachBreakGlass(t, func(b BreakGlass) error {
			if !over(b, t.now) {
				return nil
			}
			b.Ended = b.Until
			return t.endBreakGlass(b, journal.Entry{Caller: b.Caller})
		})
	})
}

// AcknowledgeBreakGlass marks that somebody else has seen it. From then on it does
// not show any more, and what was said is erased in time.
func (s *Store) AcknowledgeBreakGlass(ctx context.Context, now time.Time, n uint64, entry journal.Entry) (b BreakGlass, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		var ok bool
		if b, ok, err = oneBreakGlass(t, n); err != nil {
			return err
		}
		switch {
		case !ok:
			return gateway.Errorf(gateway.NotFound, "there is no break-glass with that number; see doorstroom break-glass list")
		case b.Caller == entry.Caller:
			return gateway.Errorf(gateway.Denied, "it was yours: somebody else acknowledges it")
		case b.Open(t.now):
			return gateway.Errorf(gateway.Conflict, "it is still open: acknowledge it when it is over")
		case !b.Acknowledged.IsZero():
			return gateway.Errorf(gateway.Conflict, "it has been acknowledged already")
		}
		b.Acknowledged, b.By = t.now, entry.Caller
		t.putBreakGlass(b)
		if b.Key != nil {
			t.putSaid(b)
		}
		entry.Count = int(n)
		return t.record(entry)
	})
	return b, err
}

// BreakGlasses gives all that ever were, the first one first.
func (s *Store) BreakGlasses(ctx context.Context) (all []BreakGlass, err error) {
	err = s.view(ctx, func(r reader) error {
		all, err = allBreakGlasses(r)
		return err
	})
	return all, err
}

func allBreakGlasses(r reader) (all []BreakGlass, err error) {
	err = eachBreakGlass(r, func(b BreakGlass) error {
		all = append(all, b)
		return nil
	})
	return all, err
}

func eachBreakGlass(r reader, visit func(BreakGlass) error) error {
	last, err := getUint(r, keyBreakGlass())
	for n := uint64(1); n <= last && err == nil; n++ {
		var b BreakGlass
		var ok bool
		if b, ok, err = oneBreakGlass(r, n); err == nil && ok {
			err = visit(b)
		}
	}
	return err
}

func oneBreakGlass(r reader, n uint64) (b BreakGlass, ok bool, err error) {
	if ok, err = getJSON(r, table{name: tableBreakGlass}, number(n), &b); err != nil || !ok {
		return b, ok, err
	}
	var about said
	_, err = getJSON(r, table{name: tableBreakGlassSaid}, number(n), &about)
	b.Name, b.Reason, b.Key = about.Name, about.Reason, about.Key
	return b, true, err
}

func openBreakGlass(r reader, caller string, now time.Time) (found BreakGlass, ok bool, err error) {
	err = eachBreakGlass(r, func(b BreakGlass) error {
		if b.Caller == caller && b.Open(now) {
			found, ok = b, true
		}
		return nil
	})
	return found, ok, err
}

// keepBreakGlass takes over what a database that is replaced tells of them, so
// that putting back an older one hides none, and opens none again.
func (t *txn) keepBreakGlass(before []BreakGlass) error {
	ours, err := allBreakGlasses(t)
	if err != nil {
		return err
	}
	for _, b := range before {
		i := slices.IndexFunc(ours, func(o BreakGlass) bool { return o.Caller == b.Caller && o.Since.Equal(b.Since) })
		if i < 0 {
			if b.Number, err = t.addBreakGlass(b); err != nil {
				return err
			}
			continue
		}
		b.Number = ours[i].Number
		t.putBreakGlass(b)
		if b.Key == nil {
			t.delete(table{name: tableBreakGlassSaid}, number(b.Number))
		} else {
			t.putSaid(b)
		}
	}
	return eachBreakGlass(t, func(b BreakGlass) error {
		if !b.Ended.IsZero() {
			return nil
		}
		if b.Ended = t.now; b.Until.Before(t.now) {
			b.Ended = b.Until
		}
		return t.endBreakGlass(b, journal.Entry{Caller: b.Caller})
	})
}
