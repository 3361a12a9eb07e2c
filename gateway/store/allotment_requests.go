package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

const tableShifts = "shifts" // id → gateway.AllotmentRequest, at the provider

// Bounds of what is kept of requests of one party, and how long after its end a
// request is forgotten of which nothing is in force.
const (
	maxShifts     = 200
	maxOpenShifts = 20
	shiftsKept    = 90 * 24 * time.Hour
)

// Givers are who signs for places of an allotment, or, of the zero Allotment, for
// those that are nobody's. It is pure.
type Givers func(gateway.Allotment) []gateway.OIN

// ProposeShift keeps a request to release or swap places of allotments of an own
// offer until those who give places have signed it; Signed holds the signatures
// that come with it. One of the same id is given as it is. NotFound: there is no
// such offer or allotment. Conflict: nobody can sign. Limit: the asker has too
// many. Whether places are free is looked at when all have signed: who asks would
// otherwise learn it of others.
func (s *Store) ProposeShift(ctx context.Context, now time.Time, r gateway.AllotmentRequest, givers Givers, entry journal.Entry) (gateway.AllotmentRequest, error) {
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	out := r
	err := s.grow(ctx, now, func(t *txn) error {
		known, ok, err := t.knownShift(r.ID)
		if out = known; err != nil || ok {
			return err
		}
		out, err = t.newShift(r, givers)
		if err != nil {
			return err
		}
		return t.keepShift(&out, entry)
	})
	return out, err
}

// newShift makes the row of a request that is not known.
func (t *txn) newShift(r gateway.AllotmentRequest, givers Givers) (gateway.AllotmentRequest, error) {
	offer, ok, err := t.ownOffer(r.Offer, gateway.DateOf(t.now))
	if err != nil {
		return r, err
	}
	if !ok {
		return r, gateway.Errorf(gateway.NotFound, "no such offer")
	}
	if err := t.roomForShift(r.Asked); err != nil {
		return r, err
	}
	if r.Givers, err = giversOf(offer, r.Shifts, givers); err != nil {
		return r, err
	}
	signed := map[gateway.OIN]string{}
	for oin, token := range r.Signed {
		if token != "" && slices.Contains(r.Givers, oin) {
			signed[oin] = token
		}
	}
	r.Signed, r.Status, r.Number, r.By, r.Told, r.Ended = signed, gateway.ShiftPending, 0, "", nil, time.Time{}
	if r.Made.IsZero() {
		r.Made = t.now.Truncate(time.Second)
	}
	return r, nil
}

func giversOf(offer gateway.Offer, shifts []gateway.Shift, givers Givers) (all []gateway.OIN, err error) {
	find := func(id string) (gateway.Allotment, bool) {
		i := slices.IndexFunc(offer.Allotments, func(a gateway.Allotment) bool { return a.ID == id })
		if i < 0 {
			return gateway.Allotment{}, id == ""
		}
		return offer.Allotments[i], true
	}
	for _, shift := range shifts {
		from, known := find(shift.From)
		if _, ok := find(shift.To); !known || !ok {
			return nil, gateway.Errorf(gateway.NotFound, "an allotment is not one of the offer")
		}
		who := givers(from)
		if len(who) == 0 {
			return nil, gateway.Errorf(gateway.Conflict, "nobody can sign for one of the allotments")
		}
		all = append(all, who...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (t *txn) roomForShift(asked gateway.OIN) error {
	rows, err := allRows[gateway.AllotmentRequest](t, table{name: tableShifts})
	all, open := 0, 0
	for _, row := range rows {
		if row.Asked != asked {
			continue
		}
		if all++; row.Status == gateway.ShiftPending {
			open++
		}
	}
	if all >= maxShifts || open >= maxOpenShifts {
		return gateway.Errorf(gateway.Limit, "there are too many requests already: withdraw some")
	}
	return err
}

// SignShift keeps the signature of a party that gives places. The last one commits
// the request, in the same transaction: the allotments of the offer change, and
// places that were taken meanwhile end it as "in-gebruik". Signed again, it is as
// it was.
func (s *Store) SignShift(ctx context.Context, now time.Time, id string, party gateway.OIN, signed string, entry journal.Entry) (r gateway.AllotmentRequest, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		var ok bool
		if r, ok, err = t.knownShift(id); err != nil {
			return err
		}
		if ok && r.Signed[party] != "" {
			return nil
		}
		if err := pendingShift(r, ok); err != nil {
			return err
		}
		if signed == "" || !slices.Contains(r.Givers, party) {
			return gateway.Errorf(gateway.Denied, "the party gives no places in this request")
		}
		if r.Signed == nil {
			r.Signed = map[gateway.OIN]string{}
		}
		r.Signed[party] = signed
		entry.Party = party
		return t.keepShift(&r, entry)
	})
	return r, err
}

// DropShift ends a request that was not committed: its asker withdraws it, or who
// must sign, or the provider, refuses. Ended so already it stays as it is.
func (s *Store) DropShift(ctx context.Context, now time.Time, id string, status gateway.AllotmentStatus, by gateway.OIN, entry journal.Entry) (r gateway.AllotmentRequest, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		var ok bool
		if r, ok, err = t.knownShift(id); err != nil || ok && r.Status == status {
			return err
		}
		if err := pendingShift(r, ok); err != nil {
			return err
		}
		r.Status, r.Ended, r.By = status, t.now.Truncate(time.Second), by
		entry.Party = by
		return t.keepShift(&r, entry)
	})
	return r, err
}

// LapseShifts ends the requests that have waited too long, and gives how many.
func (s *Store) LapseShifts(ctx context.Context, now time.Time) (n int, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		n = 0
		rows, err := allRows[gateway.AllotmentRequest](t, table{name: tableShifts})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Status != gateway.ShiftPending || !lapsed(r, t.now) {
				continue
			}
			n++
			r.Status, r.Ended = gateway.ShiftLapsed, t.now.Truncate(time.Second)
			if err := t.keepShift(&r, journal.Entry{Party: r.Asked}); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func lapsed(r gateway.AllotmentRequest, now time.Time) bool {
	return !r.Until.IsZero() && now.After(r.Until)
}

// RecoverShift takes back what this node said of a request before it was restored.
// What it said was committed is committed again, if the places are still free; who
// had signed what still waits must sign again.
func (s *Store) RecoverShift(ctx context.Context, now time.Time, r gateway.AllotmentRequest, said gateway.AllotmentState, givers Givers, entry journal.Entry) (gateway.AllotmentRequest, error) {
	out := r
	err := s.grow(ctx, now, func(t *txn) error {
		known, ok, err := t.knownShift(r.ID)
		if out = known; err != nil || ok && known.Number >= said.Number {
			return err
		}
		if !ok {
			if out, err = t.newShift(r, givers); err != nil {
				return err
			}
		}
		before := out.Status
		out.Number, out.By, out.Ended = said.Number, said.By, said.Ended
		switch {
		case said.Status == gateway.ShiftCommitted && before == gateway.ShiftPending:
			if err := t.commitShift(&out); err != nil {
				return err
			}
		default:
			out.Status = said.Status
		}
		return t.keepShift(&out, entry)
	})
	return out, err
}

// ToldShift notes what a party was told of a request last.
func (s *Store) ToldShift(ctx context.Context, now time.Time, id string, party gateway.OIN, what string, entry journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error {
		r, ok, err := t.knownShift(id)
		if err != nil || !ok {
			return err
		}
		if r.Told == nil {
			r.Told = map[gateway.OIN]string{}
		}
		r.Told[party] = what
		t.put(table{name: tableShifts}, []byte(r.ID), encodeJSON(r))
		entry.Kind, entry.Party, entry.Outcome = journal.KindAllotmentTold, party, string(r.Status)
		return t.record(entry)
	})
}

// AllotmentRequests gives all requests about allotments to this node, by id.
func (s *Store) AllotmentRequests(ctx context.Context) ([]gateway.AllotmentRequest, error) {
	return allJSON[gateway.AllotmentRequest](ctx, s, table{name: tableShifts})
}

// AllotmentRequest gives one of them; false if there is none.
func (s *Store) AllotmentRequest(ctx context.Context, id string) (row gateway.AllotmentRequest, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err = getJSON(r, table{name: tableShifts}, []byte(id), &row)
		return err
	})
	return row, ok, err
}

func (t *txn) knownShift(id string) (r gateway.AllotmentRequest, ok bool, err error) {
	ok, err = getJSON(t, table{name: tableShifts}, []byte(id), &r)
	return r, ok, err
}

func pendingShift(r gateway.AllotmentRequest, ok bool) error {
	switch {
	case !ok:
		return gateway.Errorf(gateway.NotFound, "no such request")
	case r.Status != gateway.ShiftPending:
		return gateway.Errorf(gateway.Conflict, "the request has ended")
	}
	return nil
}

// keepShift writes a request that changed; one that nobody has to sign any more is
// committed, unless it lapsed before.
func (t *txn) keepShift(r *gateway.AllotmentRequest, entry journal.Entry) error {
	switch {
	case r.Status != gateway.ShiftPending:
	case lapsed(*r, t.now):
		r.Status, r.Ended = gateway.ShiftLapsed, t.now.Truncate(time.Second)
	case len(r.Waits()) == 0:
		if err := t.commitShift(r); err != nil {
			return err
		}
	}
	r.Number++
	known, _, err := t.knownShift(r.ID)
	if err != nil {
		return err
	}
	t.shiftChanged(r.Asked, r.Offer, known.State(0), r.State(0))
	t.put(table{name: tableShifts}, []byte(r.ID), encodeJSON(r))
	if entry.Kind == "" {
		entry.Kind = journal.KindAllotmentRequest
	}
	entry.Outcome, entry.Count = string(r.Status), len(r.Shifts)
	return t.record(entry)
}

// commitShift changes the allotments of the offer, or ends the request where that
// cannot be.
func (t *txn) commitShift(r *gateway.AllotmentRequest) error {
	r.Ended = t.now.Truncate(time.Second)
	today := gateway.DateOf(t.now)
	before, ok, err := t.ownOffer(r.Offer, today)
	if err != nil {
		return err
	}
	if !ok {
		r.Status = gateway.ShiftReplaced
		return nil
	}
	counts, err := readTaken(t, r.Offer)
	if err != nil {
		return err
	}
	after, err := before.Shifted(r.Shifts, counts.on(today), today)
	switch gateway.KindOf(err) {
	case gateway.Conflict:
		r.Status = gateway.ShiftInUse
		return nil
	case gateway.Invalid:
		r.Status = gateway.ShiftReplaced // an allotment is gone
		return nil
	}
	if err != nil {
		return err
	}
	r.Status = gateway.ShiftCommitted
	return t.layShift(*r, before, after)
}
