package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// maxAllotmentLetter bounds a letter about allotments.
const maxAllotmentLetter = 64 << 10

// Schemas of letters and of what is asked in them. They say what each value may
// be; what they cannot say is checked where it is used.
const (
	schemaLetter       = "allotment-letter"
	schemaAsk          = "allotment-ask"
	schemaPolicyLetter = "policy-letter"
)

// ReceiveAllotmentLetter takes a letter about allotments of the node of a peer, and
// answers, to what is asked of this node as provider, where the request stands.
func (d *Desk) ReceiveAllotmentLetter(ctx context.Context, peer gateway.OIN, token string) (answer string, err error) {
	party, ok := d.peer(peer)
	if !ok {
		return "", gateway.Errorf(gateway.Unauthenticated, "the party is not in the register")
	}
	letter, ask, err := d.openShiftLetter(party, token)
	if err != nil {
		return "", err
	}
	if letter.Says == gateway.ShiftState {
		return "", d.hearShift(ctx, party, letter, ask, token, "")
	}
	if ask.Provider != d.Self {
		return "", gateway.Errorf(gateway.Invalid, "the request is to another party")
	}
	row, reason, err := d.takeLetter(ctx, party, letter, ask)
	if err != nil {
		return "", err
	}
	d.shiftsMoved()
	state := gateway.AllotmentState{ID: ask.ID, Incarnation: d.Store.Incarnation(), Status: gateway.ShiftRefused, Reason: reason}
	if reason == "" {
		state = row.State(d.Store.Incarnation())
	}
	return d.sealShift(gateway.AllotmentLetter{Audience: peer, Says: gateway.ShiftState, Ask: letter.Ask, State: &state})
}

// openShiftLetter verifies a letter of a party, and reads it and what it is about,
// by the schemas of both. Whether who asks has signed that is not looked at.
func (d *Desk) openShiftLetter(party gateway.Party, token string) (letter gateway.AllotmentLetter, ask gateway.AllotmentAsk, err error) {
	if len(token) > maxAllotmentLetter {
		return letter, ask, gateway.Errorf(gateway.Limit, "the letter is too large")
	}
	payload, _, err := seal.Open(token, seal.AllotmentLetter, keyNow(party, d.now()))
	if err != nil {
		return letter, ask, err
	}
	if err := d.readBody(schemaLetter, payload, &letter); err != nil {
		return letter, ask, err
	}
	if letter.Issuer != party.OIN || letter.Audience != d.Self {
		return letter, ask, gateway.Errorf(gateway.Invalid, "the letter is between other parties")
	}
	if _, payload, err = seal.PeekUnverified(letter.Ask); err != nil {
		return letter, ask, err
	}
	if err := d.readBody(schemaAsk, payload, &ask); err != nil {
		return letter, ask, err
	}
	if letter.State != nil && letter.State.ID != ask.ID {
		return letter, ask, gateway.Errorf(gateway.Invalid, "the letter is about another request")
	}
	return letter, ask, ask.Check()
}

// readBody reads what fits its schema into what it is about.
func (d *Desk) readBody(schema string, payload []byte, into any) error {
	if err := d.fitsSchema(schema, payload); err != nil {
		return err
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the letter does not fit its schema")
	}
	return nil
}

// fitsSchema refuses, with Invalid and the first thing that is wrong, what does not fit
// a schema. That repeats nothing of the payload.
func (d *Desk) fitsSchema(schema string, payload []byte) error {
	violations, err := d.Schema.Validate(schema, payload)
	if len(violations) > 0 {
		return gateway.Errorf(gateway.Invalid, "the letter does not fit the schema %s: %s", schema, violations[0])
	}
	return err
}

// keyNow finds the keys of a party that are good at a moment.
func keyNow(party gateway.Party, now time.Time) seal.Lookup {
	return func(kid string) (gateway.Key, error) {
		if key, ok := party.SigningKey(kid); ok && key.ValidAt(now, 0) {
			return key, nil
		}
		return gateway.Key{}, gateway.Errorf(gateway.Unauthenticated, "it is not signed by a key of the party")
	}
}

// signedBy verifies a token over what a request asks, by a key of a party that is
// good now.
func (d *Desk) signedBy(oin gateway.OIN, token, ask string) error {
	_, want, err := seal.PeekUnverified(ask)
	if err != nil {
		return err
	}
	party, ok := gateway.Party{}, false
	if reg := d.Rules().Register; reg != nil {
		party, ok = reg.Party(oin)
	}
	if !ok {
		return gateway.Errorf(gateway.Unauthenticated, "who signed is not in the register")
	}
	payload, _, err := seal.Open(token, seal.Allotment, keyNow(party, d.now()))
	if err == nil && string(payload) != string(want) {
		err = gateway.Errorf(gateway.Denied, "what was signed is another request")
	}
	return err
}

// takeLetter does what a party asks of this node as provider. A reason says why it
// is refused without anything being kept: to who is no party to a request it is as
// if there were none.
func (d *Desk) takeLetter(ctx context.Context, party gateway.Party, letter gateway.AllotmentLetter, ask gateway.AllotmentAsk) (row gateway.AllotmentRequest, reason gateway.AllotmentReason, err error) {
	row, ok, err := d.Store.AllotmentRequest(ctx, ask.ID)
	if err != nil {
		return row, "", fmt.Errorf("read request: %w", err)
	}
	entry := journal.Entry{Party: party.OIN}
	if said := d.recovered(letter, ask); said != nil && ask.Asked == party.OIN && (!ok || row.Number < said.Number) {
		if err := d.signedBy(ask.Asked, letter.Ask, letter.Ask); err != nil {
			return row, "", err
		}
		if row, err = d.recoverShift(ctx, ask, letter.Ask, *said, entry); err != nil {
			return row, "", err
		}
		ok = true
	}
	if !ok && letter.Says == gateway.ShiftAsk && ask.Asked == party.OIN {
		if err := d.signedBy(ask.Asked, letter.Ask, letter.Ask); err != nil {
			return row, "", err
		}
		return d.takeAsk(ctx, ask, letter.Ask, entry)
	}
	if !ok || !slices.Contains(row.Parties(), party.OIN) || !samePayload(row.Ask, letter.Ask) {
		return row, gateway.AllotmentUnknown, nil
	}
	after, err := d.takeAnswer(ctx, party.OIN, letter, row, entry)
	if kind := gateway.KindOf(err); err != nil && (kind == gateway.Conflict || kind == gateway.NotFound) {
		return row, "", nil // it has ended: the state says how
	}
	return after, "", err
}

func samePayload(a, b string) bool {
	_, one, err := seal.PeekUnverified(a)
	if err != nil {
		return false
	}
	_, other, err := seal.PeekUnverified(b)
	return err == nil && string(one) == string(other)
}

func (d *Desk) takeAnswer(ctx context.Context, peer gateway.OIN, letter gateway.AllotmentLetter, row gateway.AllotmentRequest, entry journal.Entry) (gateway.AllotmentRequest, error) {
	switch {
	case letter.Says == gateway.ShiftSign:
		if err := d.signedBy(peer, letter.Signed, row.Ask); err != nil {
			return row, err
		}
		return d.commitShift(ctx, row.Offer, func() (gateway.AllotmentRequest, error) {
			return d.Store.SignShift(ctx, d.now(), row.ID, peer, letter.Signed, entry)
		})
	case letter.Says == gateway.ShiftRefuse && slices.Contains(row.Givers, peer):
		return d.Store.DropShift(ctx, d.now(), row.ID, gateway.ShiftRefused, peer, entry)
	case letter.Says == gateway.ShiftWithdraw && row.Asked == peer:
		return d.Store.DropShift(ctx, d.now(), row.ID, gateway.ShiftDropped, peer, entry)
	case letter.Says == gateway.ShiftAsk && row.Asked == peer:
		return row, nil
	}
	return row, gateway.Errorf(gateway.Denied, "that is not for this party to say")
}

// takeAsk keeps a request that its asker has signed, and commits it if nobody else
// gives places.
func (d *Desk) takeAsk(ctx context.Context, ask gateway.AllotmentAsk, token string, entry journal.Entry) (row gateway.AllotmentRequest, reason gateway.AllotmentReason, err error) {
	row, reason, err = d.resolveAsk(ctx, ask, token)
	if err != nil || reason != "" {
		return row, reason, err
	}
	row, err = d.commitShift(ctx, row.Offer, func() (gateway.AllotmentRequest, error) {
		return d.Store.ProposeShift(ctx, d.now(), row, d.givers(), entry)
	})
	switch gateway.KindOf(err) {
	case gateway.NotFound:
		return row, gateway.AllotmentUnknown, nil
	case gateway.Conflict:
		return row, gateway.AllotmentNobody, nil
	case gateway.Limit:
		return row, gateway.AllotmentLimit, nil
	}
	d.shiftsMoved()
	return row, "", err
}

// resolveAsk finds the allotments of a request. Its asker must be shown the
// allotments of the offer, and one of those that are named must be its own: so it
// learns of others only what they sign.
func (d *Desk) resolveAsk(ctx context.Context, ask gateway.AllotmentAsk, token string) (row gateway.AllotmentRequest, reason gateway.AllotmentReason, err error) {
	row = gateway.AllotmentRequest{
		ID: ask.ID, Offer: ask.Offer, Asked: ask.Asked, Ask: token, Signed: map[gateway.OIN]string{ask.Asked: token}, Made: ask.Made, Until: ask.Until,
	}
	own, ok, err := d.Store.OwnOffer(ctx, ask.Offer)
	if err != nil {
		return row, "", fmt.Errorf("read own offer: %w", err)
	}
	day := gateway.DateOf(d.now())
	rules := d.Rules()
	if !ok || own.Offer.Expired(day) || rules.Register == nil {
		return row, gateway.AllotmentUnknown, nil
	}
	asker, ok := rules.Register.Recipient(ask.Asked, gateway.KindCapacity, day)
	if !ok {
		return row, gateway.AllotmentUnknown, nil
	}
	self := ask.Asked == d.Self
	if !self {
		shows := rules.Policy.Decide(policy.Request{Kind: gateway.KindCapacity, Offer: &own.Offer, Recipient: asker, Day: day})
		if !shows.Allowed || shows.Show[gateway.FieldAllotments] != gateway.Exact {
			return row, gateway.AllotmentUnknown, nil
		}
	}
	for _, s := range ask.Shifts {
		for _, side := range []*string{&s.From, &s.To} {
			a, known := d.allotmentNamed(own.Offer, *side, day)
			if !known {
				return row, gateway.AllotmentUnknown, nil
			}
			*side = a.ID
			self = self || a.ID != "" && a.Names(asker)
		}
		row.Shifts = append(row.Shifts, s)
	}
	if !self {
		return row, gateway.AllotmentUnknown, nil
	}
	return row, "", nil
}

// allotmentNamed finds an allotment by its id, or as the only one of a party in
// force; "" is none, and known.
func (d *Desk) allotmentNamed(o gateway.Offer, name string, day gateway.Date) (found gateway.Allotment, ok bool) {
	if name == "" {
		return found, true
	}
	if i := slices.IndexFunc(o.Allotments, func(a gateway.Allotment) bool { return a.ID == name }); i >= 0 {
		return o.Allotments[i], true
	}
	party, ok := d.Rules().Register.Recipient(gateway.OIN(name), gateway.KindCapacity, day)
	if !ok {
		return found, false
	}
	n := 0
	for _, a := range o.Allotments {
		if a.Names(party) && day.Within(a.ValidFrom, a.ValidUntil) {
			found, n = a, n+1
		}
	}
	return found, n == 1
}

// givers says who signs for places, by the register of now: all whom an allotment
// names, and nobody if one of these has no node; for those that are nobody's the
// provider.
func (d *Desk) givers() store.Givers {
	reg, day := d.Rules().Register, gateway.DateOf(d.now())
	return func(a gateway.Allotment) (all []gateway.OIN) {
		if a.ID == "" {
			return []gateway.OIN{d.Self}
		}
		found := map[gateway.Gemeente]bool{}
		for _, p := range reg.Parties() {
			codes := p.GemeentenOn(day)
			if !a.Names(gateway.Recipient{Party: p.OIN, Gemeenten: codes}) {
				continue
			}
			all = append(all, p.OIN)
			for _, g := range codes {
				found[g] = true
			}
		}
		unknown := func(g gateway.Gemeente) bool { return !found[g] }
		absent := func(oin gateway.OIN) bool { return !slices.Contains(all, oin) }
		if slices.ContainsFunc(a.Gemeenten, unknown) || slices.ContainsFunc(a.Parties, absent) {
			return nil
		}
		return all
	}
}

// commitShift carries out what may change the allotments of an own offer, while no
// import or plan is under way, and shows them at once.
func (d *Desk) commitShift(ctx context.Context, offer string, change func() (gateway.AllotmentRequest, error)) (row gateway.AllotmentRequest, err error) {
	d.importing.Lock()
	defer d.importing.Unlock()
	done := false
	result, err := d.publisher.Redivide(ctx, d.now(), offer, func() (err error) {
		row, err = change()
		done = err == nil
		return err
	})
	d.wake(result)
	d.shiftsMoved()
	if done && err != nil {
		d.Log.Error("allotments were shifted, and could not be shown at once", "error", err)
		err = nil // the next plan shows them
	}
	return row, err
}

// recovered is what this node itself said of a request, and may have lost since;
// nil if it is not that.
func (d *Desk) recovered(letter gateway.AllotmentLetter, ask gateway.AllotmentAsk) *gateway.AllotmentState {
	if letter.Known == "" || d.Rules().Register == nil {
		return nil
	}
	self, ok := d.Rules().Register.Party(d.Self)
	if !ok {
		return nil
	}
	payload, _, err := seal.Open(letter.Known, seal.AllotmentLetter, func(kid string) (gateway.Key, error) {
		if key, ok := self.SigningKey(kid); ok { // its time may be long over
			return key, nil
		}
		return gateway.Key{}, gateway.Errorf(gateway.NotFound, "not a key of this node")
	})
	var known gateway.AllotmentLetter
	if err != nil || json.Unmarshal(payload, &known) != nil || known.State == nil || known.Issuer != d.Self || known.Audience != letter.Issuer {
		return nil
	}
	if known.State.ID != ask.ID || !samePayload(known.Ask, letter.Ask) || known.State.Number == 0 {
		return nil
	}
	return known.State
}

// recoverShift takes back what this node said before it was restored; of an offer
// that is not there any more that it was replaced.
func (d *Desk) recoverShift(ctx context.Context, ask gateway.AllotmentAsk, token string, said gateway.AllotmentState, entry journal.Entry) (gateway.AllotmentRequest, error) {
	row, reason, err := d.resolveAsk(ctx, ask, token)
	if err != nil {
		return row, err
	}
	if reason == "" {
		row, err = d.commitShift(ctx, row.Offer, func() (gateway.AllotmentRequest, error) {
			return d.Store.RecoverShift(ctx, d.now(), row, said, d.givers(), entry)
		})
		if kind := gateway.KindOf(err); err == nil || kind != gateway.NotFound && kind != gateway.Conflict {
			return row, err
		}
	}
	row.Number, row.Status, row.Ended = said.Number+1, gateway.ShiftReplaced, said.Ended
	return row, nil
}
