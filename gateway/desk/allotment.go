package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Allot is how a node signs requests about allotments, and sends letters about
// them: Send gives what the other node answers.
type Allot struct {
	Sign func(p seal.Purpose, payload []byte) (string, error)
	Send func(ctx context.Context, to gateway.Party, token string) (string, error)
}

// NewShift asks the provider of an offer to release or swap places of allotments.
type NewShift struct {
	Provider gateway.OIN     `json:"provider,omitempty"` // may be left out where one provider only has an offer of that id
	Offer    string          `json:"offer"`
	Shifts   []gateway.Shift `json:"shifts"`         // from and to: an allotment, the OIN or name of a party, or nothing
	Days     int             `json:"days,omitempty"` // for which it waits for signatures; 0: two weeks
}

// ShiftLine is one request about allotments.
type ShiftLine struct {
	ID           string                  `json:"id"`
	Side         string                  `json:"side"` // in: to this node, uit: to another
	Provider     gateway.OIN             `json:"provider"`
	ProviderName string                  `json:"providerName,omitempty"`
	Offer        string                  `json:"offer"`
	Shifts       []gateway.Shift         `json:"shifts"`
	Asked        gateway.OIN             `json:"asked"`
	AskedName    string                  `json:"askedName,omitempty"`
	Givers       []ShiftGiver            `json:"givers"`
	Status       gateway.AllotmentStatus `json:"status"` // empty: the provider has not answered yet
	Reason       gateway.AllotmentReason `json:"reason,omitempty"`
	By           gateway.OIN             `json:"by,omitempty"` // who refused
	Made         time.Time               `json:"made"`
	Until        time.Time               `json:"until"`
	Ended        time.Time               `json:"ended,omitzero"`
	Mine         bool                    `json:"mine,omitempty"`  // it waits for this node
	Waits        bool                    `json:"waits,omitempty"` // what this node said is still on its way
}

// ShiftGiver is a party that gives places, and whether it has signed.
type ShiftGiver struct {
	Party  gateway.OIN `json:"party"`
	Name   string      `json:"name,omitempty"`
	Signed bool        `json:"signed"`
}

// AskShift asks a provider, or has this node as provider ask itself, to release or
// swap places of allotments. The provider commits it once every party that gives
// places has signed; one that this party gives itself is signed with the request.
func (d *Desk) AskShift(ctx context.Context, caller gateway.Caller, n NewShift) (ShiftLine, error) {
	if err := caller.Authorize(gateway.OpAskAllotment); err != nil {
		return ShiftLine{}, err
	}
	ask, err := d.newAsk(ctx, n)
	if err != nil {
		return ShiftLine{}, err
	}
	payload, err := json.Marshal(ask)
	if err != nil {
		return ShiftLine{}, fmt.Errorf("write request: %w", err)
	}
	token, err := d.Allot.Sign(seal.Allotment, payload)
	if err != nil {
		return ShiftLine{}, fmt.Errorf("sign request: %w", err)
	}
	now := d.now()
	if ask.Provider == d.Self {
		row, reason, err := d.takeAsk(ctx, ask, token, d.entry(caller, "", now))
		switch {
		case err != nil:
			return ShiftLine{}, err
		case reason != "":
			return ShiftLine{}, askRefused(reason)
		}
		return d.shiftIn(row), nil
	}
	heard := store.HeardShift{Request: ask, Ask: token, Says: gateway.ShiftAsk}
	if err := d.Store.SayShift(ctx, now, heard, d.entry(caller, "", now)); err != nil {
		return ShiftLine{}, err
	}
	return d.saidShift(ctx, heard)
}

func askRefused(reason gateway.AllotmentReason) error {
	switch reason {
	case gateway.AllotmentNobody:
		return gateway.Errorf(gateway.Conflict, "nobody in the register can sign for an allotment that gives: change it in the export")
	case gateway.AllotmentLimit:
		return gateway.Errorf(gateway.Limit, "there are too many requests already: withdraw some")
	}
	return gateway.Errorf(gateway.NotFound, "there is no such offer or allotment")
}

// newAsk reads what is asked, as far as this node can tell.
func (d *Desk) newAsk(ctx context.Context, n NewShift) (gateway.AllotmentAsk, error) {
	now := d.now().UTC().Truncate(time.Second)
	ask := gateway.AllotmentAsk{
		ID: uuid.NewString(), Asked: d.Self, Offer: n.Offer, Shifts: slices.Clone(n.Shifts), Made: now, Until: now.Add(gateway.ShiftLife),
	}
	if n.Days != 0 {
		ask.Until = now.AddDate(0, 0, n.Days)
	}
	var mine []string
	var err error
	if ask.Provider, mine, err = d.shiftedOffer(ctx, n); err != nil {
		return ask, err
	}
	own := ask.Provider == d.Self
	for i := range ask.Shifts {
		for _, side := range []*string{&ask.Shifts[i].From, &ask.Shifts[i].To} {
			known := *side == "" || slices.Contains(mine, *side)
			if party, err := d.findParty(*side); !known && err == nil {
				*side = string(party)
			}
			own = own || known && *side != "" || *side == string(d.Self)
		}
	}
	if err := ask.Check(); err != nil {
		return ask, err
	}
	if !own {
		return ask, gateway.Errorf(gateway.Invalid, "none of these allotments is of this party; yours are: %s", strings.Join(mine, ", "))
	}
	return ask, nil
}

// shiftedOffer finds the offer of a request and the allotments that this party
// knows of it: its own, or of an own offer all.
func (d *Desk) shiftedOffer(ctx context.Context, n NewShift) (provider gateway.OIN, allotments []string, err error) {
	if n.Provider == "" || n.Provider == d.Self {
		own, ok, err := d.Store.OwnOffer(ctx, n.Offer)
		if err != nil {
			return "", nil, fmt.Errorf("read own offer: %w", err)
		}
		for _, a := range own.Offer.Allotments {
			allotments = append(allotments, a.ID)
		}
		if ok {
			return d.Self, allotments, nil
		}
	}
	offer, err := d.offerToRefer(ctx, NewReferral{Provider: n.Provider, Need: gateway.Need{Offer: n.Offer}})
	if err != nil {
		return "", nil, err
	}
	for _, a := range offer.Capacity.Allotments {
		allotments = append(allotments, a.ID)
	}
	if len(allotments) == 0 {
		return "", nil, gateway.Errorf(gateway.Denied, "the provider shows this party no allotment of that offer")
	}
	return offer.Sender, allotments, nil
}

// WithdrawShift takes back a request of this party.
func (d *Desk) WithdrawShift(ctx context.Context, caller gateway.Caller, id string) (ShiftLine, error) {
	if err := caller.Authorize(gateway.OpAskAllotment); err != nil {
		return ShiftLine{}, err
	}
	row, heard, err := d.findShift(ctx, id)
	now := d.now()
	switch {
	case err != nil:
		return ShiftLine{}, err
	case row != nil && row.Asked == d.Self:
		done, err := d.Store.DropShift(ctx, now, row.ID, gateway.ShiftDropped, d.Self, d.entry(caller, "", now))
		d.shiftsMoved()
		return d.shiftIn(done), err
	case heard != nil && heard.Request.Asked == d.Self:
		return d.sayShift(ctx, caller, *heard, gateway.ShiftWithdraw)
	}
	return ShiftLine{}, gateway.Errorf(gateway.Denied, "who asked withdraws it; you can refuse to sign")
}

// AnswerShift signs for places that this party gives, or refuses; a provider can
// refuse any.
func (d *Desk) AnswerShift(ctx context.Context, caller gateway.Caller, id string, sign bool) (ShiftLine, error) {
	if err := caller.Authorize(gateway.OpAnswerAllotment); err != nil {
		return ShiftLine{}, err
	}
	row, heard, err := d.findShift(ctx, id)
	now := d.now()
	switch {
	case err != nil:
		return ShiftLine{}, err
	case row != nil && sign:
		return d.signOwn(ctx, caller, *row)
	case row != nil:
		done, err := d.Store.DropShift(ctx, now, row.ID, gateway.ShiftRefused, d.Self, d.entry(caller, "", now))
		d.shiftsMoved()
		return d.shiftIn(done), err
	case !slices.Contains(heard.State.Givers, d.Self):
		return ShiftLine{}, gateway.Errorf(gateway.Denied, "this party gives no places in that request")
	case sign:
		return d.sayShift(ctx, caller, *heard, gateway.ShiftSign)
	}
	return d.sayShift(ctx, caller, *heard, gateway.ShiftRefuse)
}

// signOwn signs for the provider itself, of what is nobody's.
func (d *Desk) signOwn(ctx context.Context, caller gateway.Caller, row gateway.AllotmentRequest) (ShiftLine, error) {
	_, payload, err := seal.PeekUnverified(row.Ask) // it was verified before it was kept
	if err != nil {
		return ShiftLine{}, fmt.Errorf("read request: %w", err)
	}
	token, err := d.Allot.Sign(seal.Allotment, payload)
	if err != nil {
		return ShiftLine{}, fmt.Errorf("sign request: %w", err)
	}
	done, err := d.commitShift(ctx, row.Offer, func() (gateway.AllotmentRequest, error) {
		now := d.now()
		return d.Store.SignShift(ctx, now, row.ID, d.Self, token, d.entry(caller, "", now))
	})
	return d.shiftIn(done), err
}

// sayShift keeps what this node says of a request at another party, and sends it.
func (d *Desk) sayShift(ctx context.Context, caller gateway.Caller, h store.HeardShift, says string) (ShiftLine, error) {
	if h.State.Status != gateway.ShiftPending && h.State.Number > 0 {
		return ShiftLine{}, gateway.Errorf(gateway.Conflict, "the request has ended")
	}
	h.Says, h.Signed = says, ""
	if says == gateway.ShiftSign {
		_, payload, err := seal.PeekUnverified(h.Ask) // it was verified before it was kept
		if err == nil {
			h.Signed, err = d.Allot.Sign(seal.Allotment, payload)
		}
		if err != nil {
			return ShiftLine{}, fmt.Errorf("sign request: %w", err)
		}
	}
	now := d.now()
	if err := d.Store.SayShift(ctx, now, h, d.entry(caller, "", now)); err != nil {
		return ShiftLine{}, err
	}
	return d.saidShift(ctx, h)
}

// saidShift sends what this node says now; what cannot be sent now goes later.
func (d *Desk) saidShift(ctx context.Context, h store.HeardShift) (ShiftLine, error) {
	err := d.postShift(ctx, h)
	d.shiftsMoved()
	if kind := gateway.KindOf(err); err != nil && kind != gateway.Unavailable && kind != gateway.Limit && kind != gateway.NotFound {
		return ShiftLine{}, err
	}
	_, heard, err := d.findShift(ctx, h.Request.ID)
	if err != nil {
		return ShiftLine{}, err
	}
	return d.shiftOut(*heard), nil
}

// ListShifts lists the requests about allotments to this node, and those that this
// party makes or is asked to sign, the latest first.
func (d *Desk) ListShifts(ctx context.Context, caller gateway.Caller) ([]ShiftLine, error) {
	if err := d.read(ctx, caller, gateway.OpListAllotments); err != nil {
		return nil, err
	}
	rows, err := d.Store.AllotmentRequests(ctx)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	heard, err := d.Store.HeardShifts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	list := []ShiftLine{}
	for _, row := range rows {
		list = append(list, d.shiftIn(row))
	}
	for _, h := range heard {
		list = append(list, d.shiftOut(h))
	}
	slices.SortFunc(list, func(a, b ShiftLine) int { return cmp.Or(b.Made.Compare(a.Made), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

func (d *Desk) shiftIn(r gateway.AllotmentRequest) ShiftLine {
	l := d.shiftLine(r.Asked, d.Self, r.State(0))
	l.ID, l.Side, l.Offer, l.Shifts, l.Made, l.Until = r.ID, "in", r.Offer, r.Shifts, r.Made, r.Until
	return l
}

func (d *Desk) shiftOut(h store.HeardShift) ShiftLine {
	q := h.Request
	l := d.shiftLine(q.Asked, q.Provider, h.State)
	l.ID, l.Side, l.Offer, l.Shifts, l.Made, l.Until, l.Waits = q.ID, "uit", q.Offer, q.Shifts, q.Made, q.Until, !h.Sent
	l.Mine = l.Mine && h.Says != gateway.ShiftSign && h.Says != gateway.ShiftRefuse
	return l
}

func (d *Desk) shiftLine(asked, provider gateway.OIN, s gateway.AllotmentState) ShiftLine {
	l := ShiftLine{
		Provider: provider, ProviderName: d.partyName(provider), Asked: asked, AskedName: d.partyName(asked), Givers: []ShiftGiver{},
		Status: s.Status, Reason: s.Reason, By: s.By, Ended: s.Ended,
	}
	for _, oin := range s.Givers {
		signed := slices.Contains(s.Signed, oin)
		l.Givers = append(l.Givers, ShiftGiver{oin, d.partyName(oin), signed})
		l.Mine = l.Mine || oin == d.Self && !signed && s.Status == gateway.ShiftPending
	}
	return l
}

// findShift finds a request by its id or the beginning of one: to this node, or to
// another.
func (d *Desk) findShift(ctx context.Context, id string) (row *gateway.AllotmentRequest, heard *store.HeardShift, err error) {
	rows, err := d.Store.AllotmentRequests(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read requests: %w", err)
	}
	all, err := d.Store.HeardShifts(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read requests: %w", err)
	}
	found := 0
	for i := range rows {
		if strings.HasPrefix(rows[i].ID, id) {
			row, found = &rows[i], found+1
		}
	}
	for i := range all {
		if strings.HasPrefix(all[i].Request.ID, id) {
			heard, found = &all[i], found+1
		}
	}
	switch {
	case found == 0 || id == "":
		return nil, nil, gateway.Errorf(gateway.NotFound, "there is no such request; see doorstroom allotments list")
	case found > 1:
		return nil, nil, gateway.Errorf(gateway.Invalid, "%d requests begin so; give more of the id", found)
	}
	return row, heard, nil
}
