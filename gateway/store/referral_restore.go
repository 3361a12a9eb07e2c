package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// giveBack queues for a provider, of which an incarnation was heard, the last
// state that it signed, which it may have lost with a restore. What is open is
// asked again when it has answered. What it has erased when it was asked to it does
// not get again. The caller writes row.
func (t *txn) giveBack(row *followedRow, incarnation uint64, basis Basis) error {
	gone, all, err := t.erasedThere(keyOf(row.Follow.ID))
	if err != nil {
		return err
	}
	if !row.canGiveBack() || all {
		row.Forgotten = true
		return nil
	}
	need := row.Need.Erased(gone)
	row.Recovering, row.Gave = formatID(t.newID()), incarnation
	q := gateway.ReferralRequest{
		Referral: row.Follow.ID, Request: row.Recovering, Act: gateway.ActRecover, Seen: row.Follow.Number, Incarnation: incarnation,
		Need: &need, State: row.Signed,
	}
	if err := t.readable(row.Follow.Provider, &q.Incarnation); err != nil {
		return err
	}
	err = t.queueSealed(queuedReferral{
		to: row.Follow.Provider, principal: row.Follow.Principal, kind: gateway.KindReferral, subject: keyOf(row.Follow.ID).subject(),
		basis: basis, value: q,
	})
	if err != nil {
		return err
	}
	return t.recordAsked(row, journal.Entry{}, string(gateway.ActRecover), fieldsOf(&need))
}

func (r *followedRow) canGiveBack() bool { return r.Need != nil && r.Signed != "" }

// givenUp tells whether what a provider of an incarnation may have lost was not given
// back to it after all: policy did not let it go, or it was refused. What it says
// counts then.
func (r *followedRow) givenUp(incarnation uint64) bool {
	return r.Recovering == "" && r.Gave >= incarnation && r.Follow.Restored(incarnation)
}

// readable takes an incarnation out of a request to a party that is not known to
// read one: it would refuse the whole message.
func (t *txn) readable(party gateway.OIN, incarnation *uint64) error {
	hello, err := t.helloOf(party)
	if _, known := hello.Recovered(); !known {
		*incarnation = 0
	}
	return err
}

// helloOf is the last hello of a party; the zero Hello if there was none.
func (t *txn) helloOf(party gateway.OIN) (*gateway.Hello, error) {
	var row helloRow
	_, err := getJSON(t, table{name: tableHello}, []byte(party), &row)
	return &row.Hello, err
}

// adopt takes a state back that this node signed before it was restored, and its
// places, also when they are not free any more.
func (t *txn) adopt(m gateway.Message, row *providedRow, q gateway.ReferralRequest, e *ReferralEffect, l gateway.Life) error {
	signed := e.Recovered
	if signed != nil && (signed.ID != q.Referral || signed.Provider != m.Recipient || signed.Referrer != m.Source ||
		signed.Principal != m.Principal || signed.Status == "") {
		signed = nil
	}
	switch {
	case row == nil && signed == nil:
		return t.refuse(m, q, gateway.WhyUnknown, e.Terms)
	case row == nil:
		row = &providedRow{Need: *q.Need, Salt: newSalt()}
		row.Referral.ID, row.Referral.Offer = signed.ID, signed.Offer
	case row.Referral.Answer.Request == q.Request:
		_, err := t.sendState(row.Referral, e.Terms)
		return err
	}
	p, undone := row.provided().TakeBack(q, signed, e.RecoveredIn, l)
	next := row.stands(p)
	if undone != "" {
		row.Undone = undone
	}
	outcome, fields := string(q.Act), fieldsOf(q.Need)
	if next.Answer.Result != gateway.Committed {
		outcome, fields = string(next.Answer.Result), nil
	} else if err := t.rebook(row, &next, e.Terms); err != nil {
		return err
	}
	_, err := t.keep(row, next, &Commitment{Act: q.Act, Terms: e.Terms}, journal.KindReferralTaken, outcome, fields)
	return err
}

// rebook gives a referral the places of the state that it is brought to. It takes
// them from the allotment of that state, and is in conflict if they are not free.
func (t *txn) rebook(row *providedRow, next *gateway.Referral, terms ReferralTerms) error {
	before := row.Referral
	if before.Status == next.Status && before.Allotment == next.Allotment && slices.Equal(before.Dagdelen, next.Dagdelen) {
		return nil
	}
	if err := t.dropReservation(row, next); err != nil {
		return err
	}
	if before.Status.Booked() {
		if err := t.book(&before, -1); err != nil {
			return err
		}
	}
	row.Conflict = false
	if next.Status.Booked() {
		free, err := t.stillFree(next)
		if err != nil {
			return err
		}
		row.Conflict = !free
		if err := t.book(next, 1); err != nil {
			return err
		}
	}
	if next.Status == gateway.Waitlisted {
		return t.enterWaiting(row, next, terms)
	}
	if next.Status.Booked() || next.Status.Final() {
		return t.leaveWaiting(row)
	}
	return nil
}

// stillFree tells whether the places that a state names can be booked.
func (t *txn) stillFree(r *gateway.Referral) (bool, error) {
	today := gateway.DateOf(t.now)
	offer, ok, err := t.ownOffer(r.Offer, today)
	if err != nil || !ok {
		return false, err
	}
	counts, err := readTaken(t, r.Offer)
	if err != nil || counts.counts(r.ID) {
		return true, err
	}
	taken := counts.on(today)
	return !slices.ContainsFunc(r.Dagdelen, func(d gateway.Dagdeel) bool {
		return offer.Free(r.Allotment, d, taken, today) < 1
	}), nil
}

// confirmReferrals is for a party that says that it has given back all that it
// knows: what it gave nothing back of can go on. It may know none of that because it
// was restored as well, and is told where all stands once more.
func (t *txn) confirmReferrals(x *index, party gateway.OIN) error {
	life, err := readLife(t)
	if err != nil {
		return err
	}
	n := 0
	for _, key := range x.doubtful(party, life) {
		row, err := t.provided(key)
		if err != nil {
			return err
		}
		if row == nil || !row.provided().Doubtful(life) {
			continue
		}
		row.Referral = row.stands(row.provided().GoOn(life))
		if err := t.putProvided(row); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		return nil
	}
	peer, err := t.peer(party)
	if err != nil {
		return err
	}
	peer.Referrals = true
	return t.record(journal.Entry{Kind: journal.KindReferralsReconciled, Party: party, Count: n})
}

// GivenBack is the incarnation of a provider for which all that is known here was
// given back, those aside that ended before a moment; 0 if there is none.
func (s *Store) GivenBack(ctx context.Context, provider gateway.OIN, endedSince time.Time) (given uint64, err error) {
	err = s.view(ctx, func(r reader) error {
		var hello helloRow
		if _, err := getJSON(r, table{name: tableHello}, []byte(provider), &hello); err != nil {
			return err
		}
		if given = hello.Hello.Incarnation; given == 0 {
			return nil
		}
		row, err := readPeer(r, provider)
		if err != nil || row.Referrals {
			given = 0
			return err
		}
		left := s.Referrals(func(f ReferralFacts) bool {
			return f.Side == gateway.ReferrerSide && f.Party == provider && !f.Orphan && !f.Forgotten && f.Number > 0 && f.Status != "" &&
				f.incarnation < given && (f.gave < given || f.Recovering) && (!f.Final() || !f.Since.Before(endedSince))
		})
		if len(left) > 0 {
			given = 0
		}
		return nil
	})
	return given, err
}

// ReconcileReferrals goes through the referrals with one party, in one
// transaction, and gives the number of messages that it queued. As provider it
// queues the present state of all that have not ended, or ended since a moment.
// As referrer it gives back what a provider of a later incarnation than was heard
// may have lost, and asks again what is open and not under way.
func (s *Store) ReconcileReferrals(ctx context.Context, now time.Time, party gateway.OIN, endedSince time.Time, terms ReferralTerms) (n int, err error) {
	s.renewing.Lock() // requests and answers are queued under keys that may be spent
	defer s.renewing.Unlock()
	err = s.update(ctx, now, func(t *txn) error {
		n = 0
		hello, err := t.helloOf(party)
		if err != nil {
			return err
		}
		life, err := readLife(t)
		if err != nil {
			return err
		}
		matters := func(r gateway.Referral) bool { return !r.Status.Final() || !r.Since.Before(endedSince) }
		var stated []gateway.Referral
		err = eachProvided(t, t.vault, func(_ referralKey, row *providedRow) error {
			if row.Referral.Referrer == party && matters(row.Referral) && !row.provided().Awaits(life, t.now) {
				stated = append(stated, row.Referral)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, r := range stated {
			if _, err := t.sendState(r, terms); err != nil {
				return err
			}
		}
		asked, err := t.reconcileFollowed(party, hello.Incarnation, life, matters, terms)
		if err != nil {
			return err
		}
		rights, err := t.reconcileRights(party, hello.Incarnation, endedSince)
		if err != nil {
			return err
		}
		n = len(stated) + asked + rights
		row, err := t.peer(party)
		if err != nil {
			return err
		}
		row.Referrals, row.Reconciled = false, t.now
		return t.record(journal.Entry{Kind: journal.KindReferralsReconciled, Party: party, Count: n})
	})
	return n, err
}

func (t *txn) reconcileFollowed(party gateway.OIN, incarnation uint64, life gateway.Life, matters func(gateway.Referral) bool, terms ReferralTerms) (n int, err error) {
	var rows []*followedRow
	err = eachFollowed(t, t.vault, func(_ referralKey, row *followedRow) error {
		if row.Follow.Provider == party && !row.Orphan && matters(row.Follow.Referral) {
			rows = append(rows, row)
		}
		return nil
	})
	for _, row := range rows {
		if err != nil {
			return n, err
		}
		again, lost := false, false
		if lost, err = t.isLost(row, life); err != nil {
			return n, err
		}
		switch {
		case row.Follow.Restored(incarnation), row.Recovering != "" && lost:
			again, err = true, t.giveBack(row, max(incarnation, row.Follow.Incarnation), Basis{})
		case row.Follow.Open != nil:
			again, err = t.openAgain(row, lost, incarnation, terms)
		}
		if again && err == nil {
			n++
			err = t.putFollowed(row)
		}
	}
	return n, err
}

// openAgain queues an open request again that waits in no queue, or that was made
// before its provider was restored: what of that arrives is not taken. It changes
// row.
func (t *txn) openAgain(row *followedRow, lost bool, incarnation uint64, terms ReferralTerms) (bool, error) {
	if !lost && row.Follow.Incarnation >= incarnation {
		return false, nil
	}
	open := *row.Follow.Open
	row.Follow.Incarnation = max(row.Follow.Incarnation, incarnation)
	open.Incarnation = row.Follow.Incarnation
	row.Follow.Open = &open
	return true, t.queueSame(row, terms)
}

// queueSame queues an open request again: its answer is due when it was. The caller
// writes row.
func (t *txn) queueSame(row *followedRow, terms ReferralTerms) error {
	by := row.AnswerBy
	err := t.queueOpen(row, terms, Basis{})
	if by != "" {
		row.AnswerBy = by
	}
	return err
}

// isLost tells whether what a referral has open, a request or what it gives back,
// must be queued again: it waits in no queue, or it waits since before this database
// was put back from a backup. That message may have come to its provider, which
// answers none twice, and the answer was lost with what came after the backup.
func (t *txn) isLost(row *followedRow, life gateway.Life) (bool, error) {
	sl, waits, err := t.openSlot(row)
	if err != nil || !waits || life.Restored.IsZero() {
		return !waits, err
	}
	e, ok, err := t.underWay(row.Follow.Provider, sl.last)
	return !ok || !e.time.After(life.Restored), err
}

// openKind is that of the message by which a referral has something open; "" if it
// has nothing.
func (r *followedRow) openKind() string {
	switch {
	case r.Recovering == "" && r.Follow.Open == nil:
		return ""
	case r.Recovering == "" && r.Follow.Open.Act == gateway.ActHandover:
		return gateway.KindHandover
	}
	return gateway.KindReferral
}

// openSlot is the slot of what a referral has open; false if it waits in no queue.
func (t *txn) openSlot(row *followedRow) (slot, bool, error) {
	kind := cmp.Or(row.openKind(), gateway.KindReferral)
	in, key := slotOf(row.Follow.Provider, kind, keyOf(row.Follow.ID).subject())
	return t.slot(in, key)
}

// letterEnded is told of the end of a message about a referral. A request that its
// provider does not take, or that may not be sent, is open no longer; what was
// given up is gone through again with the party.
func (t *txn) letterEnded(party gateway.OIN, kind, subject string, state gateway.DeliveryState) error {
	switch {
	case state == gateway.Unconfirmed:
		row, err := t.peer(party)
		if err == nil {
			row.Referrals = true
		}
		return err
	case kind == gateway.KindSubjectRequest:
		return t.rightsEnded(subject, state)
	case kind != gateway.KindReferral && kind != gateway.KindHandover, state != gateway.RefusedBy && state != gateway.Withdrawn:
		return nil
	}
	key, ok, err := t.bySubject(tableFollowed, subject)
	if err != nil || !ok {
		return err
	}
	row, err := t.followed(key)
	if err != nil || row == nil {
		return err
	}
	if row.openKind() != kind {
		return nil
	}
	row.Follow.Open, row.AnswerBy, row.Recovering, row.Failed = nil, "", "", string(state)
	if err := t.putFollowed(row); err != nil {
		return err
	}
	data := row.facts().eventData(row.Follow.Referrer)
	data.State = state
	return t.referralEvent(gateway.EventReferralFailed, tableFollowed, key, data)
}

// bySubject finds the row of a referral by the subject of its messages.
func (t *txn) bySubject(in, subject string) (key referralKey, ok bool, err error) {
	prefix, err := hex.DecodeString(subject)
	if err != nil || len(prefix) != subjectBytes {
		return key, false, nil // none of ours
	}
	err = t.ascend(table{name: in}, prefix, func(k, _ []byte) (bool, error) {
		if ok = bytes.HasPrefix(k, prefix) && len(k) == len(key); ok {
			copy(key[:], k)
		}
		return false, nil
	})
	return key, ok, err
}
