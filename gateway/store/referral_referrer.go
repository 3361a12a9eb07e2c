package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// NewReferral is what a referrer's staff asks of a provider for somebody.
type NewReferral struct {
	Provider  gateway.OIN
	Principal gateway.OIN // for whom the referrer acts
	Need      gateway.Need
	Reference string // the referrer's own: it stays here
	Terms     ReferralTerms
	Basis     Basis
	Entry     journal.Entry // who did it; the rest is filled in
}

// Asking is one request of the referrer's staff about a referral. With refer it
// asks again what the provider refused, with Need.
type Asking struct {
	Referral string
	Act      gateway.ReferralAct
	Reason   string
	Need     *gateway.Need     // with refer
	Handover *gateway.Handover // with handover: Referral, Request and Seen are filled in
	Terms    ReferralTerms
	Basis    Basis
	Entry    journal.Entry
}

// AskNewReferral makes a referral under a fresh id and queues its request. A
// referral that follows another must be known to follow one that ended so; only the
// provider of that one is told which.
func (s *Store) AskNewReferral(ctx context.Context, now time.Time, self gateway.OIN, n NewReferral) (follow gateway.Follow, err error) {
	id := freshID()
	err = s.grow(ctx, now, func(t *txn) error {
		need := n.Need
		if n.Need.Follows != "" {
			before, err := t.followed(keyOf(n.Need.Follows))
			if err != nil {
				return err
			}
			if before == nil || !followable(before.Follow.Referral) {
				return gateway.Errorf(gateway.Invalid, "the referral to follow is none that ended so")
			}
			if before.Follow.Provider != n.Provider {
				need.Follows = "" // the number of another provider's referral is nothing to this one
			}
		}
		row := &followedRow{Need: &need, Reference: n.Reference, After: n.Need.Follows, Salt: newSalt(), Follow: gateway.Follow{Referral: gateway.Referral{
			ID: id, Follows: need.Follows, Offer: need.Offer, Provider: n.Provider, Referrer: self, Principal: n.Principal,
			Dagdelen: need.Dagdelen,
		}}}
		if err := t.ask(row, Asking{Act: gateway.ActRefer, Terms: n.Terms, Basis: n.Basis, Entry: n.Entry}); err != nil {
			return err
		}
		follow = row.Follow
		return t.putFollowed(row)
	})
	return follow, err
}

// AskReferral queues one more request about a referral. At most one can be open.
func (s *Store) AskReferral(ctx context.Context, now time.Time, a Asking) (follow gateway.Follow, err error) {
	err = s.grow(ctx, now, func(t *txn) error {
		row, err := t.followed(keyOf(a.Referral))
		if err != nil {
			return err
		}
		switch {
		case row == nil:
			return errNoReferral()
		case row.Orphan:
			return gateway.Errorf(gateway.Conflict, "of this referral only its state is known here: ask the provider by telephone")
		case (a.Act == gateway.ActHandover) != (a.Handover != nil):
			return gateway.Errorf(gateway.Invalid, "a handover, and nothing else, has handover data")
		case (a.Act == gateway.ActRefer) != (a.Need != nil):
			return gateway.Errorf(gateway.Invalid, "a referral, and nothing else, has a need")
		}
		if a.Need != nil {
			row.Need = a.Need
			row.Follow.Offer, row.Follow.Dagdelen, row.Follow.Follows = a.Need.Offer, a.Need.Dagdelen, a.Need.Follows
		}
		if err := t.ask(row, a); err != nil {
			return err
		}
		follow = row.Follow
		return t.putFollowed(row)
	})
	return follow, err
}

// ask makes a request and queues it; the caller writes row. What begins a referral
// names the provider's incarnation of now, also after one that was refused before.
func (t *txn) ask(row *followedRow, a Asking) error {
	if a.Act == gateway.ActRefer {
		hello, err := t.helloOf(row.Follow.Provider)
		if err != nil {
			return err
		}
		row.Follow.Incarnation = max(row.Follow.Incarnation, hello.Incarnation)
	}
	next, q, err := row.Follow.Ask(gateway.ReferralRequest{Request: formatID(t.newID()), Act: a.Act, Reason: a.Reason})
	if err != nil {
		return err
	}
	row.Follow, row.Failed, row.Undone = next, "", ""
	var fields []gateway.Field
	switch a.Act {
	case gateway.ActHandover:
		h := *a.Handover
		h.Referral, h.Request, h.Seen = q.Referral, q.Request, q.Seen
		fields = handoverFields(&h)
		if err := t.putSealed(tableHandovers, keyOf(q.Referral), h); err != nil {
			return err
		}
	case gateway.ActRefer:
		fields = fieldsOf(row.Need)
	}
	if err := t.queueOpen(row, a.Terms, a.Basis); err != nil {
		return err
	}
	entry := a.Entry
	a.Basis.explain(&entry)
	return t.recordAsked(row, entry, string(a.Act), fields)
}

// queueOpen queues the open request of a referral, with what it carries, and says
// by when it must be answered. While its provider is given back what it lost it
// waits here: its answer to that comes first. The caller writes row.
func (t *txn) queueOpen(row *followedRow, terms ReferralTerms, basis Basis) error {
	q, key := *row.Follow.Open, keyOf(row.Follow.ID)
	r, err := row.Follow.Referral, error(nil)
	r.Status, r.Since, r.Date = gateway.Requested, t.now.Truncate(time.Second), ""
	if row.AnswerBy, err = terms.due(r, row.Need); err != nil {
		return err
	}
	if row.Recovering != "" {
		return nil
	}
	if err := t.readable(row.Follow.Provider, &q.Incarnation); err != nil {
		return err
	}
	m := queuedReferral{
		to: row.Follow.Provider, principal: row.Follow.Principal, kind: gateway.KindReferral, subject: key.subject(), basis: basis,
	}
	switch q.Act {
	case gateway.ActHandover:
		var h gateway.Handover
		ok, err := openSealed(t, t.vault, tableHandovers, key, &h)
		if err != nil {
			return err
		}
		if !ok {
			return gateway.Errorf(gateway.NotFound, "the handover data are not there any more")
		}
		h.Request, h.Seen, h.Incarnation = q.Request, q.Seen, q.Incarnation
		m.kind, m.value = gateway.KindHandover, h
	case gateway.ActRefer:
		q.Need = row.Need
		m.value = q
	default:
		m.value = q
	}
	return t.queueSealed(m)
}

func (t *txn) recordAsked(row *followedRow, e journal.Entry, outcome string, fields []gateway.Field) error {
	return t.recordReferral(e, journal.KindReferralAsked, row.Follow.Provider, row.Follow.Principal, outcome,
		digestOf(row.Salt, keyOf(row.Follow.ID)), fields)
}

// hearState is what the referrer makes of a state of the provider. A request that
// was answered as stale and is still possible is asked again at once; a provider
// that has lost what it said before is told.
func (t *txn) hearState(m gateway.Message, r gateway.Referral, e *ReferralEffect) (gateway.Outcome, gateway.Reason, error) {
	if r.Provider != m.Source || r.Referrer != m.Recipient {
		return gateway.Refused, gateway.ReasonProvider, nil
	}
	hello, err := t.helloOf(m.Source)
	if err != nil {
		return "", "", err
	}
	if m.Incarnation < hello.Incarnation { // its provider was restored since, and may not know of it
		return gateway.Superseded, gateway.ReasonIncarnation, nil
	}
	key := keyOf(r.ID)
	if erased, err := t.wasErased(key); err != nil || erased {
		return gateway.Received, "", err
	}
	row, err := t.followed(key)
	switch {
	case err != nil:
		return "", "", err
	case row == nil && r.Status == "": // an answer to nothing that is known
		return gateway.Received, "", nil
	case row == nil && !t.hasRoom(gateway.ReferrerSide, m.Source):
		return gateway.RetryLater, gateway.ReasonOverload, nil
	case row == nil:
		row = &followedRow{Orphan: true, Salt: newSalt(), Follow: gateway.Follow{Referral: gateway.Referral{
			ID: r.ID, Provider: r.Provider, Referrer: r.Referrer, Principal: r.Principal,
		}}}
	case row.Follow.Provider != m.Source:
		return gateway.Refused, gateway.ReasonProvider, nil
	}
	if m.Incarnation < row.Gave {
		return gateway.Superseded, gateway.ReasonIncarnation, nil
	}
	if row.Orphan && row.Follow.Number > 0 && !row.Follow.Later(m.Incarnation, r) {
		return gateway.Received, "", nil
	}
	before, forgotten := row.Follow, row.Forgotten
	if err := t.hear(row, m.Incarnation, r, e); err != nil {
		return "", "", err
	}
	if err := t.putFollowed(row); err != nil {
		return "", "", err
	}
	if err := t.followedChanged(row, before, forgotten); err != nil {
		return "", "", err
	}
	return gateway.Received, "", t.recordReferral(journal.Entry{}, journal.KindReferralHeard, m.Source, row.Follow.Principal,
		string(r.Status), digestOf(row.Salt, key), nil)
}

// hear changes row, which the caller writes.
func (t *txn) hear(row *followedRow, incarnation uint64, r gateway.Referral, e *ReferralEffect) error {
	_, waits, err := t.openSlot(row)
	if err != nil {
		return err
	}
	lost := r.Status == "" && r.Answer.Why == gateway.WhyUnknown
	switch {
	case lost && row.Recovering != "" && r.Answer.Request == row.Recovering: // it does not want it back
		row.Recovering, row.Forgotten, row.Follow.Open, row.AnswerBy = "", true, nil, ""
		return nil
	case lost && row.Follow.Number == 0: // nothing to give back: nothing was ever said
		if row.Follow.Open != nil && row.Follow.Open.Request == r.Answer.Request {
			row.Forgotten, row.Follow.Open, row.AnswerBy = true, nil, ""
		}
		return nil
	case lost || row.canGiveBack() && row.Recovering == "" && row.Follow.Restored(incarnation) && !row.givenUp(incarnation):
		if row.Recovering != "" {
			return nil
		}
		return t.giveBack(row, incarnation, Basis{})
	case row.Recovering != "" && row.Recovering != r.Answer.Request && row.Follow.Restored(incarnation) &&
		(waits || row.Follow.Behind(incarnation, r)), !row.Follow.Later(incarnation, r):
		return nil
	}
	open, recovering, before, givenUp := row.Follow.Open, row.Recovering, row.Follow.Status, row.givenUp(incarnation)
	next, again := row.Follow.Hear(incarnation, r, formatID(t.newID()))
	row.Follow, row.Signed, row.Forgotten, row.Recovering = next, e.Signed, false, ""
	if next.Open == nil {
		row.AnswerBy = ""
	}
	if before != r.Status && (givenUp || recovering != "" && r.Answer.Request == recovering && r.Answer.Result == gateway.NotDone) {
		row.Undone = before
	}
	switch {
	case again != nil:
		return t.askAgain(row, e.Terms)
	case recovering != "": // what took the place of the open request
		return t.reopen(row, next.Open, e.Terms)
	case open != nil && next.Open == nil && r.Answer.Request == open.Request && r.Answer.Result == gateway.Stale:
		return t.reopen(row, open, e.Terms)
	}
	return nil
}

// reopen asks a request anew under the number that is known now, with what it
// carries, if it is still possible.
func (t *txn) reopen(row *followedRow, open *gateway.ReferralRequest, terms ReferralTerms) error {
	row.Follow.Open, row.AnswerBy = nil, ""
	if open == nil || row.Orphan {
		return nil
	}
	next, _, err := row.Follow.Ask(gateway.ReferralRequest{Request: formatID(t.newID()), Act: open.Act, Reason: open.Reason})
	if err != nil {
		return nil // it is not possible any more
	}
	row.Follow = next
	return t.askAgain(row, terms)
}

func (t *txn) askAgain(row *followedRow, terms ReferralTerms) error {
	err := t.queueOpen(row, terms, Basis{})
	if gateway.KindOf(err) == gateway.NotFound { // the handover data were erased
		row.Follow.Open, row.AnswerBy = nil, ""
		return nil
	}
	if err != nil {
		return err
	}
	return t.recordAsked(row, journal.Entry{}, string(row.Follow.Open.Act), nil)
}
