package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

func keyOrder() []byte    { return []byte("order") }
func keySubjects() []byte { return []byte("subjects") }

// Accept takes a batch of verified messages, in order, in one transaction, and
// gives the receipt item of each.
//
// A message whose id is known from its sender gets the item of the first time
// and has no effect, or, if its digest differs, is refused as id-reused; the
// caller counts those. A received message that comes after a later one of its
// subject is superseded; the order is that of (incarnation, sequence). Everything
// else takes effect and is journaled. Items with outcome received, superseded or
// refused are kept until expiry plus gateway.DedupeMargin, so that the answer
// stays the same; a message that was told to come again is forgotten.
//
// What exceeds the sender's Quota is to come again later, with the reason
// overload and without a trace; so is, while the database is nearly full,
// everything that does not shrink it; and so is a second list of all subjects in
// one batch, and one that comes too soon after the last: each reads all that is
// held of the sender.
func (s *Store) Accept(ctx context.Context, now time.Time, self, peer gateway.OIN, in []Inbound) (items []gateway.ReceiptItem, err error) {
	if slices.ContainsFunc(in, asksRights) {
		s.renewing.Lock() // it may be answered under a key that is spent
		defer s.renewing.Unlock()
	}
	rows, at := 0, now
	batch := func(tight bool) func(*txn) error {
		return func(t *txn) error {
			t.scanned[peer] = s.scans.wait(peer, t.now)
			defer func() { rows, at = t.rows, t.now }()
			items = make([]gateway.ReceiptItem, 0, len(in))
			for _, one := range in {
				item, err := t.accept(self, one, s.quota, tight)
				if err != nil {
					return err
				}
				items = append(items, item)
			}
			return t.contact(peer)
		}
	}
	err = s.grow(ctx, now, batch(false))
	if errors.Is(err, ErrFull) {
		err = s.update(ctx, now, batch(true))
	}
	s.scans.read(peer, rows, at)
	if err != nil {
		return nil, err
	}
	return items, nil
}

func (t *txn) accept(self gateway.OIN, in Inbound, quota Quota, tight bool) (gateway.ReceiptItem, error) {
	m := in.Message
	answer := gateway.ReceiptItem{
		Sender: m.Source, Recipient: self, ID: m.ID, Digest: in.Digest,
		Outcome: in.Outcome, Reason: in.Reason, Received: t.now.Truncate(time.Second),
	}
	if _, err := parseDigest(in.Digest); err != nil {
		return answer, err
	}
	if m.Source == "" || m.ID == "" {
		return answer, gateway.Errorf(gateway.Internal, "a message without source or id")
	}
	inbox := table{tableInbox, m.Source}
	key := idKey(m.ID)
	stored, err := t.get(inbox, key)
	if err != nil {
		return answer, err
	}
	if stored != nil {
		first, err := decodeItem(inbox, stored)
		if err != nil {
			return answer, err
		}
		if first.digest == in.Digest {
			answer.Outcome, answer.Reason, answer.Received = first.outcome, first.reason, first.received
			return answer, nil
		}
		answer.Outcome, answer.Reason = gateway.Refused, gateway.ReasonIDReused
		return answer, nil
	}
	var c change
	if answer.Outcome == gateway.Received && in.Effect.Referral == nil {
		if c, answer.Outcome, answer.Reason, err = t.decide(in); err != nil {
			return answer, err
		}
	}
	if answer.Outcome == gateway.RetryLater || answer.Outcome == gateway.Unsupported {
		if in.Outcome == gateway.Received { // decided here: no trace
			return answer, nil
		}
		return answer, t.recordInbound(in, answer)
	}
	kept, err := t.intake(m.Source)
	if err != nil {
		return answer, err
	}
	if !quota.room(*kept, c, tight) {
		answer.Outcome, answer.Reason = gateway.RetryLater, gateway.ReasonOverload
		return answer, nil
	}
	if in.Effect.Referral != nil && answer.Outcome == gateway.Received {
		if answer.Outcome, answer.Reason, err = t.applyReferral(in); err != nil || answer.Outcome == gateway.RetryLater {
			return answer, err
		}
	}
	kept.apply(c)
	t.change(m.Source, c)
	first := item{
		digest: in.Digest, outcome: answer.Outcome, reason: answer.Reason,
		received: answer.Received, until: t.rememberUntil(m.Expires),
	}
	t.put(inbox, key, first.appendTo(t.room(first.size())))
	return answer, t.recordInbound(in, answer)
}

// rememberUntil is when a message can be forgotten. A wrong expiry neither
// shortens nor prolongs that beyond what a right one could.
func (t *txn) rememberUntil(expires time.Time) time.Time {
	if longest := t.now.Add(gateway.MaxLifetime + gateway.ClockSkew); expires.After(longest) {
		expires = longest
	}
	return later(expires, t.now).Add(gateway.DedupeMargin)
}

func (t *txn) recordInbound(in Inbound, answer gateway.ReceiptItem) error {
	if in.Entry.Kind == "" {
		return nil
	}
	if answer.Outcome == gateway.Refused {
		in.Entry.Kind = journal.KindRejected
	}
	in.Entry.Outcome, in.Entry.Reason = string(answer.Outcome), answer.Reason
	return t.record(in.Entry)
}

// change is what a received message does to what is kept of its sender.
type change struct {
	rows    []changedRow // each of another subject
	state   []string     // not nil: the list of a capacity-state, which has its place at order
	order   order
	shrinks bool // there is less of the sender after it
}

type changedRow struct {
	subject string
	before  *snapshot // nil: nothing was known of the subject
	after   snapshot
}

// change writes what decide decided.
func (t *txn) change(sender gateway.OIN, c change) {
	for i := range c.rows {
		row := &c.rows[i]
		t.put(table{tableReceived, sender}, []byte(row.subject), row.after.appendTo(t.room(row.after.size())))
		t.offerChanged(sender, row.subject)
	}
	if c.state != nil {
		t.lists[sender] = c.state
		t.put(table{tableStates, sender}, keyOrder(), appendOrder(nil, c.order))
		t.put(table{tableStates, sender}, keySubjects(), encodeJSON(c.state))
	}
}

// decide tells what a message does, unless a later one was here first.
func (t *txn) decide(in Inbound) (change, gateway.Outcome, gateway.Reason, error) {
	m, at := in.Message, order{in.Message.Incarnation, in.Message.Sequence}
	stateOrder, err := t.stateOrder(m.Source)
	if err != nil {
		return change{}, "", "", err
	}
	if m.Kind == gateway.KindCapacityState || in.Effect.State != nil {
		if !stateOrder.before(at) {
			return change{}, gateway.Superseded, older(at, stateOrder), nil
		}
		if t.scanned[m.Source] {
			return change{}, gateway.RetryLater, gateway.ReasonOverload, nil
		}
		t.scanned[m.Source] = true
		c, err := t.decideState(m.Source, at, in.Effect.State)
		return c, gateway.Received, "", err
	}
	if !in.Effect.Drop && in.Effect.Put == nil {
		return change{}, gateway.Received, "", nil
	}
	held, err := t.snapshot(m.Source, in.Effect.Subject)
	if err != nil {
		return change{}, "", "", err
	}
	if held != nil && !held.order.before(at) {
		return change{}, gateway.Superseded, older(at, held.order), nil
	}
	if at.before(stateOrder) {
		listed, err := t.listed(m.Source, in.Effect.Subject)
		if err != nil {
			return change{}, "", "", err
		}
		if !listed {
			return change{}, gateway.Superseded, older(at, stateOrder), nil
		}
	}
	now := snapshot{order: at, digest: in.Digest, received: t.now, data: in.Effect.Put}
	if in.Effect.Drop {
		now.data, now.until = nil, t.goneUntil()
	}
	return change{
		rows:    []changedRow{{in.Effect.Subject, held, now}},
		shrinks: held != nil && len(now.data) < len(held.data),
	}, gateway.Received, "", nil
}

// snapshot reads what is held of a subject; nil if nothing is known of it.
func (t *txn) snapshot(sender gateway.OIN, subject string) (*snapshot, error) {
	in := table{tableReceived, sender}
	value, err := t.get(in, []byte(subject))
	if err != nil || value == nil {
		return nil, err
	}
	held, err := decodeSnapshot(in, value)
	return &held, err
}

func older(at, held order) gateway.Reason {
	if at.incarnation < held.incarnation {
		return gateway.ReasonIncarnation
	}
	return gateway.ReasonOlder
}

// goneUntil is how long a subject that is gone is remembered: until every
// message from before has expired and been forgotten.
func (t *txn) goneUntil() time.Time {
	return t.now.Add(gateway.MaxLifetime + gateway.ClockSkew + gateway.DedupeMargin)
}

// stateOrder is the place of the last capacity-state of a sender.
func (t *txn) stateOrder(sender gateway.OIN) (order, error) {
	in := table{tableStates, sender}
	value, err := t.get(in, keyOrder())
	if err != nil || value == nil {
		return order{}, err
	}
	d := decoder{b: value}
	return d.order(), d.err(in)
}

// listed tells whether the last capacity-state names a subject. A snapshot from
// before that state, arriving late, may only come in if it does.
func (t *txn) listed(sender gateway.OIN, subject string) (bool, error) {
	subjects, known := t.lists[sender]
	if !known {
		if _, err := getJSON(t, table{tableStates, sender}, keySubjects(), &subjects); err != nil {
			return false, err
		}
		t.lists[sender] = subjects
	}
	_, found := slices.BinarySearch(subjects, subject)
	return found, nil
}

// decideState drops every older subject of the sender that is not in the list.
func (t *txn) decideState(sender gateway.OIN, at order, subjects []string) (change, error) {
	c := change{order: at}
	c.state = append([]string{}, slices.Compact(slices.Sorted(slices.Values(subjects)))...)
	received := table{tableReceived, sender}
	err := t.ascend(received, nil, func(key, value []byte) (bool, error) {
		t.rows++
		held, err := decodeSnapshot(received, value)
		if err != nil {
			return false, err
		}
		if _, stays := slices.BinarySearch(c.state, string(key)); !stays && !held.gone() && held.order.before(at) {
			after := snapshot{order: at, digest: held.digest, received: t.now, until: t.goneUntil()}
			c.rows = append(c.rows, changedRow{string(key), &held, after})
		}
		return true, nil
	})
	c.shrinks = len(c.rows) > 0
	return c, err
}

// ReceivedOffers gives the current snapshot of every offer of every other party,
// by sender and subject.
func (s *Store) ReceivedOffers(ctx context.Context) (all []ReceivedOffer, err error) {
	err = s.view(ctx, func(r reader) error {
		all = nil
		return eachPartyTable(r, tableReceived, func(in table) error {
			return r.pass(in, func(subject, value []byte) error {
				one, err := decodeReceived(in, subject, value)
				if err == nil && one != nil {
					all = append(all, one.offer)
				}
				return err
			})
		})
	})
	return all, err
}

// Holds is the digest of the current snapshots of a sender's offers. See
// stateSum for the exact bytes.
func (s *Store) Holds(ctx context.Context, sender gateway.OIN) (d gateway.StateDigest, err error) {
	err = s.view(ctx, func(r reader) error {
		sum := newStateSum()
		err := eachSnapshot(r, table{tableReceived, sender}, func(subject string, held snapshot) error {
			sum.add(subject, held.order.sequence, held.digest)
			return nil
		})
		d = sum.digest()
		return err
	})
	return d, err
}

// eachSnapshot visits the subjects of one sender that are not gone.
func eachSnapshot(r reader, in table, visit func(subject string, held snapshot) error) error {
	return r.ascend(in, nil, func(key, value []byte) (bool, error) {
		held, err := decodeSnapshot(in, value)
		if err != nil || held.gone() {
			return true, err
		}
		return true, visit(string(key), held)
	})
}

func eachPartyTable(r reader, name string, visit func(table) error) error {
	all, err := r.tables()
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.name == name && t.party != "" {
			if err := visit(t); err != nil {
				return err
			}
		}
	}
	return nil
}
