package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

const (
	tableShifts  = "shifts"  // id → gateway.AllotmentRequest
	tableShifted = "shifted" // own offer id → shiftedRow
)

// shiftedRow is what the allotments of an own offer are, by requests that were
// committed, for as long as its export says what it said when they were. An export
// that says otherwise is the admin's own word, and ends it.
type shiftedRow struct {
	Base       string              `json:"base"` // hash of the allotments in the export
	Allotments []gateway.Allotment `json:"allotments"`
}

func hashAllotments(all []gateway.Allotment) string { return gateway.Hash(encodeJSON(all)) }

// ProposeShift keeps a request to release or swap places of allotments of an own
// offer until those who give places have signed it. givers says who signs for an
// allotment; it is pure. What is not free now is a Conflict.
func (s *Store) ProposeShift(ctx context.Context, now time.Time, r gateway.AllotmentRequest, givers func(gateway.Allotment) []gateway.OIN, entry journal.Entry) (gateway.AllotmentRequest, error) {
	r.ID = uuid.NewString()
	err := s.grow(ctx, now, func(t *txn) error {
		offer, _, err := t.shiftedBy(r)
		if err != nil {
			return err
		}
		r.Givers = nil
		for _, shift := range r.Shifts {
			i := slices.IndexFunc(offer.Allotments, func(a gateway.Allotment) bool { return a.ID == shift.From })
			if i < 0 {
				continue // nobody's: the provider itself gives
			}
			who := givers(offer.Allotments[i])
			if len(who) == 0 {
				return gateway.Errorf(gateway.Conflict, "nobody can sign for one of the allotments")
			}
			r.Givers = append(r.Givers, who...)
		}
		slices.Sort(r.Givers)
		r.Givers = slices.Compact(r.Givers)
		r.Signed, r.Status, r.Made, r.Ended = nil, gateway.ShiftPending, t.now.Truncate(time.Second), time.Time{}
		return t.keepShift(&r, entry)
	})
	return r, err
}

// SignShift keeps the signature of a party that gives places. The last one commits
// the request, in the same transaction: the allotments of the offer change, and
// places that were taken meanwhile end it as "in-gebruik".
func (s *Store) SignShift(ctx context.Context, now time.Time, id string, party gateway.OIN, signed string, entry journal.Entry) (r gateway.AllotmentRequest, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		if r, err = t.pendingShift(id); err != nil {
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

// DropShift ends a request that was not committed.
func (s *Store) DropShift(ctx context.Context, now time.Time, id string, entry journal.Entry) (r gateway.AllotmentRequest, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		if r, err = t.pendingShift(id); err != nil {
			return err
		}
		r.Status, r.Ended = gateway.ShiftDropped, t.now.Truncate(time.Second)
		return t.keepShift(&r, entry)
	})
	return r, err
}

// AllotmentRequests gives all requests about allotments, by id.
func (s *Store) AllotmentRequests(ctx context.Context) ([]gateway.AllotmentRequest, error) {
	return allJSON[gateway.AllotmentRequest](ctx, s, table{name: tableShifts})
}

// Shifted gives offers as an import brings them with the allotments that committed
// requests gave them: what is compared, published and stored is this.
func (s *Store) Shifted(ctx context.Context, offers []gateway.Offer) ([]gateway.Offer, error) {
	out := slices.Clone(offers)
	err := s.view(ctx, func(r reader) error {
		for i := range out {
			row, ok, err := readShifted(r, out[i].ID)
			if err != nil {
				return err
			}
			if ok && row.Base == hashAllotments(offers[i].Allotments) {
				out[i].Allotments = row.Allotments
			}
		}
		return nil
	})
	return out, err
}

func readShifted(r reader, offer string) (row shiftedRow, ok bool, err error) {
	ok, err = getJSON(r, table{name: tableShifted}, []byte(offer), &row)
	return row, ok, err
}

func (t *txn) pendingShift(id string) (r gateway.AllotmentRequest, err error) {
	ok, err := getJSON(t, table{name: tableShifts}, []byte(id), &r)
	switch {
	case err != nil:
	case !ok:
		err = gateway.Errorf(gateway.NotFound, "no such request")
	case r.Status != gateway.ShiftPending:
		err = gateway.Errorf(gateway.Conflict, "the request has ended")
	}
	return r, err
}

// shiftedBy gives the offer of a request, as it is and as it would be.
func (t *txn) shiftedBy(r gateway.AllotmentRequest) (before, after gateway.Offer, err error) {
	today := gateway.DateOf(t.now)
	before, ok, err := t.ownOffer(r.Offer, today)
	if err != nil {
		return before, after, err
	}
	if !ok {
		return before, after, gateway.Errorf(gateway.NotFound, "no such offer")
	}
	counts, err := readTaken(t, r.Offer)
	if err != nil {
		return before, after, err
	}
	after, err = before.Shifted(r.Shifts, counts.on(today), today)
	return before, after, err
}

// keepShift writes a request; one that nobody has to sign any more is committed.
func (t *txn) keepShift(r *gateway.AllotmentRequest, entry journal.Entry) error {
	if r.Status == gateway.ShiftPending && len(r.Waits()) == 0 {
		if err := t.commitShift(r); err != nil {
			return err
		}
	}
	t.put(table{name: tableShifts}, []byte(r.ID), encodeJSON(r))
	if entry.Kind == "" {
		entry.Kind = journal.KindAllotmentRequest
	}
	entry.Outcome, entry.Count = string(r.Status), len(r.Shifts)
	return t.record(entry)
}

func (t *txn) commitShift(r *gateway.AllotmentRequest) error {
	r.Ended = t.now.Truncate(time.Second)
	before, after, err := t.shiftedBy(*r)
	if kind := gateway.KindOf(err); err != nil && (kind == gateway.Conflict || kind == gateway.NotFound) {
		r.Status = gateway.ShiftInUse
		return nil
	}
	if err != nil {
		return err
	}
	row, ok, err := readShifted(t, r.Offer)
	if err != nil {
		return err
	}
	if !ok {
		row.Base = hashAllotments(before.Allotments)
	}
	row.Allotments = after.Allotments
	t.put(table{name: tableShifted}, []byte(r.Offer), encodeJSON(row))
	value, err := t.get(table{name: tableOwn}, []byte(r.Offer))
	if err != nil {
		return err
	}
	own, err := decodeOwn([]byte(r.Offer), value)
	if err != nil {
		return err
	}
	own.Offer.Allotments, own.Changed = after.Allotments, t.now
	t.put(table{name: tableOwn}, []byte(r.Offer), encodeOwn(&own))
	t.delete(table{name: tableMeta}, keyPlanned()) // what others are shown was not decided since
	r.Status = gateway.ShiftCommitted
	return nil
}

// shiftOwn gives the offers of a publication with their allotments as requests have
// shifted them, and forgets what was shifted of those whose export says otherwise
// now. The offers of p stay as they are.
func (t *txn) shiftOwn(p *Publication) ([]OwnOffer, error) {
	rows := map[string]shiftedRow{}
	in := table{name: tableShifted}
	err := t.ascend(in, nil, func(key, value []byte) (bool, error) {
		var row shiftedRow
		err := readJSON(in, value, &row)
		rows[string(key)] = row
		return true, err
	})
	if err != nil || len(rows) == 0 {
		return p.Put, err
	}
	put := slices.Clone(p.Put)
	for i := range put {
		row, ok := rows[put[i].Offer.ID]
		if !ok {
			continue
		}
		switch hashAllotments(put[i].Offer.Allotments) {
		case hashAllotments(row.Allotments):
		case row.Base:
			put[i].Offer.Allotments = row.Allotments
		default:
			t.delete(in, []byte(put[i].Offer.ID))
		}
	}
	for _, id := range p.Delete {
		if _, ok := rows[id]; ok {
			t.delete(in, []byte(id))
		}
	}
	return put, nil
}
