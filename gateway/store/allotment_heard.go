package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

const tableShiftsHeard = "shifts-heard" // id → HeardShift, at who asks or gives

// maxHeardShifts bounds what is kept of one provider.
const maxHeardShifts = 1000

// HeardShift is a request about allotments at another party, which this node makes
// or is asked to sign.
type HeardShift struct {
	Request gateway.AllotmentAsk   `json:"request"`
	Ask     string                 `json:"ask"`              // as who asks signed it
	State   gateway.AllotmentState `json:"state"`            // as the provider last said; Number 0: nothing yet
	Letter  string                 `json:"letter,omitempty"` // in which it said so
	Says    string                 `json:"says,omitempty"`   // what this node says of it: gateway.ShiftAsk and so on
	Signed  string                 `json:"signed,omitempty"` // with gateway.ShiftSign
	Sent    bool                   `json:"sent,omitempty"`   // the provider has what this node says
}

// SayShift keeps what this node says of a request, until the provider has it.
func (s *Store) SayShift(ctx context.Context, now time.Time, h HeardShift, entry journal.Entry) error {
	return s.grow(ctx, now, func(t *txn) error {
		known, ok, err := t.heardShift(h.Request.ID)
		if err != nil {
			return err
		}
		if !ok {
			if err := t.roomForHeard(h.Request.Provider); err != nil {
				return err
			}
			known = h
		}
		known.Says, known.Signed, known.Sent = h.Says, h.Signed, false
		return t.keepHeard(known, h.Says, entry)
	})
}

// HearShift takes what the provider says of a request, in a letter. It answers what
// this node said, "" for nothing. What is older than what is known changes nothing;
// if it comes from after a restore of the provider, it is given back what it lost.
func (s *Store) HearShift(ctx context.Context, now time.Time, h HeardShift, answers string, entry journal.Entry) (err error) {
	return s.grow(ctx, now, func(t *txn) error {
		known, ok, err := t.heardShift(h.Request.ID)
		if err != nil {
			return err
		}
		before := known
		if !ok {
			if err := t.roomForHeard(h.Request.Provider); err != nil {
				return err
			}
			known = HeardShift{Request: h.Request, Ask: h.Ask, Says: h.Says, Sent: true}
		}
		kept := h.State.Number > 0 || known.State.Number == 0
		switch {
		case h.State.Newer(known.State) || known.Letter == "" && kept:
			known.State, known.Letter = h.State, h.Letter
		case h.State.Incarnation > known.State.Incarnation && known.Says != "":
			known.Sent = false
		}
		if answers != "" && answers == known.Says && kept && !known.State.Newer(h.State) {
			known.Sent = true
		}
		if ok && known.Letter == before.Letter && known.Sent == before.Sent {
			return nil
		}
		return t.keepHeard(known, string(known.State.Status), entry)
	})
}

// HeardShifts gives all requests to other parties that this node knows of, by id.
func (s *Store) HeardShifts(ctx context.Context) ([]HeardShift, error) {
	return allJSON[HeardShift](ctx, s, table{name: tableShiftsHeard})
}

func (t *txn) heardShift(id string) (h HeardShift, ok bool, err error) {
	ok, err = getJSON(t, table{name: tableShiftsHeard}, []byte(id), &h)
	return h, ok, err
}

func (t *txn) roomForHeard(provider gateway.OIN) error {
	rows, err := allRows[HeardShift](t, table{name: tableShiftsHeard})
	n := 0
	for _, row := range rows {
		if row.Request.Provider == provider {
			n++
		}
	}
	if n >= maxHeardShifts {
		return gateway.Errorf(gateway.Limit, "there are too many requests about allotments of that party already")
	}
	return err
}

func (t *txn) keepHeard(h HeardShift, outcome string, entry journal.Entry) error {
	known, _, err := t.heardShift(h.Request.ID)
	if err != nil {
		return err
	}
	t.shiftChanged(h.Request.Provider, h.Request.Offer, known.State, h.State)
	t.put(table{name: tableShiftsHeard}, []byte(h.Request.ID), encodeJSON(h))
	if entry.Kind == "" {
		entry.Kind = journal.KindAllotmentRequest
	}
	entry.Party, entry.Outcome, entry.Count = h.Request.Provider, outcome, len(h.Request.Shifts)
	return t.record(entry)
}
