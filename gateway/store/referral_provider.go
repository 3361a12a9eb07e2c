package store

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// ReferralEffect is what a message about a referral says: one of Request, State,
// Handover, Rights and Answer.
type ReferralEffect struct {
	Request  *gateway.ReferralRequest // of a referrer, to this node as provider
	Handover *gateway.Handover        // likewise
	State    *gateway.Referral        // of a provider, to this node as referrer
	Rights   *gateway.SubjectRequest  // of either side, for the inhabitant
	Answer   *gateway.SubjectAnswer   // to such a request of this node
	Signed   string                   // the message as its sender signed it
	// Recovered is the state in a request to recover, once it was verified that
	// this node signed it; nil: it did not.
	Recovered   *gateway.Referral
	RecoveredIn uint64 // the incarnation of this node that signed it
	Terms       ReferralTerms
}

// Commitment is one step of the provider's staff in a referral.
type Commitment struct {
	Referral string
	Seen     uint64 // the number of the state that they saw; 0: they do not say
	Act      gateway.ReferralAct
	Reason   string
	Date     gateway.Date
	Dagdelen []gateway.Dagdeel // with accept, for a referral that names none
	Reserve  bool              // with plan-introduction: the places, until its date
	Passing  string            // why those who wait longer are passed over
	Terms    ReferralTerms
	Entry    journal.Entry // who did it; the rest is filled in
}

// CommitReferral commits a step of the provider's in a referral, books or frees
// its places, and queues the new state for the referrer. Accepting books all
// dagdelen of the referral in one allotment, or is ErrNoPlace; it is ErrPassing
// when others have waited longer for these places and no reason is given.
func (s *Store) CommitReferral(ctx context.Context, now time.Time, c Commitment) (state gateway.Referral, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		row, err := t.provided(keyOf(c.Referral))
		if err != nil {
			return err
		}
		if row == nil {
			return errNoReferral()
		}
		if c.Seen != 0 && c.Seen != row.Referral.Number {
			return gateway.Errorf(gateway.Conflict, "the referral has changed since: its state is number %d", row.Referral.Number)
		}
		life, err := readLife(t)
		if err != nil {
			return err
		}
		if row.provided().Awaits(life, t.now) {
			return errAwaited(row.Referral, life)
		}
		next, err := row.stands(row.provided().GoOn(life)).Commit(gateway.Step{
			By: gateway.ProviderSide, Act: c.Act, Reason: c.Reason, Date: c.Date, At: t.now,
		})
		if err != nil {
			return err
		}
		if c.Act == gateway.ActAccept && len(next.Dagdelen) == 0 {
			next.Dagdelen = slices.Clone(c.Dagdelen)
		} else if len(c.Dagdelen) > 0 {
			return gateway.Errorf(gateway.Invalid, "the referral says itself on which dagdelen")
		}
		row.Undone = ""
		state, err = t.commit(row, next, &c, journal.KindReferralCommitted, string(c.Act), nil)
		return err
	})
	return state, err
}

func errNoReferral() error { return gateway.Errorf(gateway.NotFound, "no such referral") }

func errAwaited(r gateway.Referral, l gateway.Life) error {
	return gateway.Errorf(gateway.Conflict, "this node was put back from a backup at %s, and the referral may have gone on since: the node of its referrer, %s, "+
		"was asked what it knows. Wait until that has answered, until %s at the latest, or call them", l.Restored.Format(time.RFC3339), r.Referrer, l.Until().Format(time.RFC3339))
}

// commit writes the next state of a referral: its places, when it is due, the
// journal, and the message to the referrer.
func (t *txn) commit(row *providedRow, next gateway.Referral, c *Commitment, kind, outcome string, fields []gateway.Field) (gateway.Referral, error) {
	if next.Status != row.Referral.Status || c.Act == gateway.ActPlan {
		if err := t.movePlaces(row, &next, c); err != nil {
			return next, err
		}
	}
	return t.keep(row, next, c, kind, outcome, fields)
}

// keep is commit when the places are as they should be.
func (t *txn) keep(row *providedRow, next gateway.Referral, c *Commitment, kind, outcome string, fields []gateway.Field) (gateway.Referral, error) {
	before := row.Referral
	next.Due = ""
	if !next.Status.Final() {
		var err error
		if next.Due, err = c.Terms.due(next, &row.Need); err != nil {
			return next, err
		}
	}
	row.Referral = next
	if err := t.putProvided(row); err != nil {
		return next, err
	}
	if err := t.providedChanged(row, before, c.Act); err != nil {
		return next, err
	}
	told, err := t.sendState(next, c.Terms)
	if err != nil {
		return next, err
	}
	key, entry := keyOf(next.ID), c.Entry
	told.explain(&entry)
	return next, t.recordReferral(entry, kind, next.Referrer, next.Principal, outcome, digestOf(row.Salt, key), fields)
}

// sendState queues as much of a state as policy lets its referrer know.
func (t *txn) sendState(r gateway.Referral, terms ReferralTerms) (ToldState, error) {
	return t.queueState(r, keyOf(r.ID).subject(), terms)
}

func (t *txn) queueState(r gateway.Referral, subject string, terms ReferralTerms) (ToldState, error) {
	told := terms.tell(r)
	if told.DeniedBy != "" {
		row, err := t.peer(r.Referrer)
		if err == nil {
			row.Untold = true
		}
		return told, err
	}
	return told, t.queueSealed(queuedReferral{
		to: r.Referrer, kind: gateway.KindReferralState, subject: subject, value: told.Referral, basis: told.Basis,
	})
}

// applyReferral is what a message about a referral does.
func (t *txn) applyReferral(in Inbound) (gateway.Outcome, gateway.Reason, error) {
	switch e := in.Effect.Referral; {
	case e.Request != nil:
		return t.takeRequest(in.Message, *e.Request, e)
	case e.Handover != nil:
		return t.takeHandover(in.Message, e.Handover, e)
	case e.State != nil:
		return t.hearState(in.Message, *e.State, e)
	case e.Rights != nil:
		return t.takeRights(in.Message, *e.Rights)
	case e.Answer != nil:
		return t.hearRights(in.Message, *e.Answer, e.Signed)
	}
	return "", "", gateway.Errorf(gateway.Internal, "a message about a referral says nothing")
}

// takeRequest is what the provider makes of a request: it answers each with a
// state, also of what it refuses or does not know.
func (t *txn) takeRequest(m gateway.Message, q gateway.ReferralRequest, e *ReferralEffect) (gateway.Outcome, gateway.Reason, error) {
	if (q.Act == gateway.ActRefer || q.Act == gateway.ActRecover) && q.Need == nil {
		return gateway.Refused, gateway.ReasonSchema, nil
	}
	row, why, err := t.asked(m, q.Referral)
	if err != nil {
		return "", "", err
	}
	life, err := readLife(t)
	if err != nil {
		return "", "", err
	}
	switch {
	case why != "":
		err = t.refuse(m, q, why, e.Terms)
	case q.Act == gateway.ActRecover || q.Act == gateway.ActRefer && row == nil:
		if tooEarly(q, life) {
			return gateway.RetryLater, gateway.ReasonIncarnation, nil
		}
		if row == nil && !t.hasRoom(gateway.ProviderSide, m.Source) {
			return gateway.RetryLater, gateway.ReasonOverload, nil
		}
		if q.Act == gateway.ActRecover {
			err = t.adopt(m, row, q, e, life)
		} else {
			err = t.takeNew(m, q, e, life)
		}
	case row == nil:
		err = t.refuse(m, q, gateway.WhyUnknown, e.Terms)
	default:
		return t.takeKnown(row, q, e, life)
	}
	return gateway.Received, "", err
}

// tooEarly tells whether a request that begins a referral, or recovers one, was
// made without knowing that this node was restored: its referrer makes another when
// it hears of that.
func tooEarly(q gateway.ReferralRequest, l gateway.Life) bool {
	return !l.Restored.IsZero() && q.Incarnation != 0 && q.Incarnation != l.Incarnation
}

// takeKnown takes a request about a referral that is here.
func (t *txn) takeKnown(row *providedRow, q gateway.ReferralRequest, e *ReferralEffect, l gateway.Life) (gateway.Outcome, gateway.Reason, error) {
	p, ok := row.provided().Take(q, l, gateway.Step{At: t.now})
	if !ok {
		return gateway.RetryLater, gateway.ReasonIncarnation, nil
	}
	if next := &p.Answer; q.Act == gateway.ActRefer && row.Referral.Answer.Request != q.Request && row.Referral.Status != "" {
		next.Result, next.Why = gateway.NotDone, gateway.WhyOpen
	}
	next := row.stands(p)
	_, err := t.commit(row, next, &Commitment{Act: q.Act, Terms: e.Terms}, journal.KindReferralTaken, taken(next, q), nil)
	return gateway.Received, "", err
}

// taken is what became of a request, for the journal.
func taken(r gateway.Referral, q gateway.ReferralRequest) string {
	if r.Answer.Request == q.Request && r.Answer.Result != gateway.Committed {
		return string(r.Answer.Result)
	}
	return string(q.Act)
}

// asked finds the referral that a request is about. To anybody but its referrer,
// and once it was erased, it is unknown.
func (t *txn) asked(m gateway.Message, id string) (row *providedRow, why string, err error) {
	key := keyOf(id)
	if erased, err := t.wasErased(key); err != nil || erased {
		return nil, gateway.WhyUnknown, err
	}
	row, err = t.provided(key)
	if row != nil && (row.Referral.Referrer != m.Source || row.Referral.Principal != m.Principal) {
		return nil, gateway.WhyUnknown, err
	}
	return row, "", err
}

// maxSeen bounds the number that a stranger to us may make us count on from.
const maxSeen = 1 << 40

// refuse answers a request about what is no referral here. Nothing of it stays:
// the answer is a state without status, under the number after the one that the
// referrer knows.
func (t *txn) refuse(m gateway.Message, q gateway.ReferralRequest, why string, terms ReferralTerms) error {
	none := gateway.Referral{
		ID: q.Referral, Provider: m.Recipient, Referrer: m.Source, Principal: m.Principal,
		Number: min(q.Seen, maxSeen), Since: t.now.Truncate(time.Second),
	}
	if q.Need != nil {
		none.Offer, none.Follows = q.Need.Offer, q.Need.Follows
	}
	none = none.Reply(gateway.Answer{Request: q.Request, Result: gateway.NotDone, Why: why})
	told, err := t.queueState(none, subjectNone+keyOf(q.Referral).subject(), terms)
	if err != nil {
		return err
	}
	var entry journal.Entry
	told.explain(&entry)
	return t.recordReferral(entry, journal.KindReferralTaken, m.Source, m.Principal, why, "", fieldsOf(q.Need))
}

// takeNew makes a referral of a request to refer, or says why not.
func (t *txn) takeNew(m gateway.Message, q gateway.ReferralRequest, e *ReferralEffect, l gateway.Life) error {
	why, err := t.whyNot(m, q.Need, e.Terms)
	if err != nil {
		return err
	}
	if why != "" {
		return t.refuse(m, q, why, e.Terms)
	}
	none := gateway.Referral{
		ID: q.Referral, Follows: q.Need.Follows, Offer: q.Need.Offer, Provider: m.Recipient, Referrer: m.Source,
		Principal: m.Principal, Dagdelen: q.Need.Dagdelen, Number: min(q.Seen, maxSeen),
	}
	q.Seen, q.Incarnation = none.Number, 0
	row := &providedRow{Referral: none, Need: *q.Need, Salt: newSalt(), Incarnation: l.Incarnation}
	next := none.Take(q, l.Incarnation, gateway.Step{At: t.now})
	if next.Status == "" {
		return t.refuse(m, q, gateway.WhyNotNow, e.Terms)
	}
	_, err = t.commit(row, next, &Commitment{Act: q.Act, Terms: e.Terms}, journal.KindReferralTaken, string(q.Act), fieldsOf(q.Need))
	return err
}

// whyNot is why an offer cannot be referred to; "" if it can.
func (t *txn) whyNot(m gateway.Message, need *gateway.Need, terms ReferralTerms) (string, error) {
	offer, ok, err := t.ownOffer(need.Offer, gateway.DateOf(t.now))
	if err != nil {
		return "", err
	}
	shown := false
	if ok {
		if shown, err = t.isShown(m.Source, need.Offer, terms); err != nil {
			return "", err
		}
	}
	switch {
	case !ok || !shown:
		return gateway.WhyNoOffer, nil
	case !offer.Has(need.Dagdelen):
		return gateway.WhyDagdeel, nil
	case !need.InReach(gateway.DateOf(t.now)):
		return gateway.WhyDate, nil
	case need.Follows == "":
		return "", nil
	}
	return t.whyNotFollow(m, need.Follows)
}

// whyNotFollow looks at the referral after which another comes, where that was
// one to this node.
func (t *txn) whyNotFollow(m gateway.Message, id string) (string, error) {
	row, err := t.provided(keyOf(id))
	if err != nil || row == nil {
		return "", err
	}
	if row.Referral.Referrer != m.Source || !followable(row.Referral) {
		return gateway.WhyFollows, nil
	}
	return "", nil
}

// followable tells whether another referral can come after one.
func followable(r gateway.Referral) bool {
	return r.Status == gateway.Ended && (r.Reason == "doorstroom" || r.Reason == "terugval")
}

// isShown tells whether a party may know of an own offer.
func (t *txn) isShown(to gateway.OIN, offer string, terms ReferralTerms) (bool, error) {
	if terms.Subject != nil {
		offer = terms.Subject(offer)
	}
	sl, ok, err := t.slot(table{tableShown, to}, []byte(offer))
	return ok && !sl.withdrawal, err
}

// takeHandover is what the provider makes of handover data: they are kept only if
// the step is committed, or if they were lost and are due.
func (t *txn) takeHandover(m gateway.Message, h *gateway.Handover, e *ReferralEffect) (gateway.Outcome, gateway.Reason, error) {
	q := gateway.ReferralRequest{
		Referral: h.Referral, Request: h.Request, Act: gateway.ActHandover, Seen: h.Seen, Incarnation: h.Incarnation,
	}
	row, why, err := t.asked(m, h.Referral)
	if err != nil {
		return "", "", err
	}
	if row == nil {
		if why == "" {
			why = gateway.WhyUnknown
		}
		return gateway.Received, "", t.refuse(m, q, why, e.Terms)
	}
	life, err := readLife(t)
	if err != nil {
		return "", "", err
	}
	key, before := keyOf(h.Referral), row.Referral.Number
	p, ok := row.provided().Take(q, life, gateway.Step{At: t.now})
	if !ok {
		return gateway.RetryLater, gateway.ReasonIncarnation, nil
	}
	next := row.stands(p)
	if next.Answer.Why == gateway.WhyNotNow && afterHandover(next.Status) {
		held, err := t.get(table{name: tableHandovers}, key[:])
		if err != nil {
			return "", "", err
		}
		if held == nil { // a backup from before it was put back
			next.Answer = gateway.Answer{Request: q.Request, Result: gateway.Committed}
		}
	}
	var fields []gateway.Field
	if next.Answer.Result == gateway.Committed && next.Number != before {
		fields = handoverFields(h)
		if err := t.putSealed(tableHandovers, key, h); err != nil {
			return "", "", err
		}
	}
	_, err = t.commit(row, next, &Commitment{Act: q.Act, Terms: e.Terms}, journal.KindReferralTaken, taken(next, q), fields)
	return gateway.Received, "", err
}

// afterHandover tells whether a provider needs handover data in a state.
func afterHandover(s gateway.ReferralStatus) bool {
	switch s {
	case gateway.HandedOver, gateway.Started, gateway.OnHold, gateway.Resumed:
		return true
	}
	return false
}
