package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// settling is a message in a queue with its slot, as they are before an event.
type settling struct {
	Settlement
	entry
	kind string
	in   table // of the slot
	key  []byte
	slot slot // not read if the peer took it
}

// took tells whether the peer says that it now has the snapshot. What else may
// become of a message is noted in its slot.
func (w *settling) took() bool {
	state, err := w.state.On(w.Event)
	return err == nil && state == gateway.Delivered && w.kind == gateway.KindCapacity && !w.withdrawal &&
		w.Item.Outcome != gateway.Superseded
}

// settleAll applies one event to each of some messages, in order. Messages that
// are gone are passed over.
func (t *txn) settleAll(peer gateway.OIN, all []Settlement) error {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n-1].Sequence < all[n].Sequence {
			n++
		}
		found, err := t.find(peer, all[:n])
		if err != nil {
			return err
		}
		for i := range found {
			if err := t.settle(peer, &found[i]); err != nil {
				return err
			}
		}
		all = all[n:]
	}
	return nil
}

// allOf is one event for many messages.
func allOf(sequences []uint64, event gateway.DeliveryEvent) []Settlement {
	all := make([]Settlement, len(sequences))
	for i, sequence := range sequences {
		all[i] = Settlement{Sequence: sequence, Event: event}
	}
	return all
}

// find reads those of some messages, whose sequences ascend, that are under way.
func (t *txn) find(peer gateway.OIN, some []Settlement) ([]settling, error) {
	found := make([]settling, 0, len(some))
	for _, one := range some {
		e, ok, err := t.underWay(peer, one.Sequence)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		common, err := t.termsOf(e.terms)
		if err != nil {
			return nil, err
		}
		in, key := slotOf(peer, common.Kind, e.subject)
		found = append(found, settling{Settlement: one, entry: e, kind: common.Kind, in: in, key: key})
	}
	return found, t.findSlots(found)
}

// findSlots reads the slots of messages in the order of their keys.
func (t *txn) findSlots(found []settling) error {
	order := make([]*settling, 0, len(found))
	for i := range found {
		if !found[i].took() {
			order = append(order, &found[i])
		}
	}
	slices.SortFunc(order, func(a, b *settling) int {
		return cmp.Or(cmp.Compare(a.in.name, b.in.name), bytes.Compare(a.key, b.key))
	})
	for _, w := range order {
		var err error
		if w.slot, _, err = t.slot(w.in, w.key); err != nil {
			return err
		}
	}
	return nil
}

// settle applies an event to a message.
func (t *txn) settle(peer gateway.OIN, w *settling) error {
	if w.took() {
		return t.settleTaken(peer, w)
	}
	state, err := w.state.On(w.Event)
	if err != nil {
		return err
	}
	if w.slot.last != w.Sequence {
		return corrupt(w.in, "a message is unknown to its slot")
	}
	if state == gateway.Held || state == gateway.RefusedBy || state == gateway.Unconfirmed {
		t.notDelivered(peer, w.kind, state)
	}
	if !state.Final() {
		return t.move(peer, w.Sequence, w.entry, state)
	}
	if err := t.endEntry(peer, &w.slot, &w.entry, w.Event); err != nil {
		return err
	}
	if state == gateway.Delivered || state == gateway.RefusedBy {
		digest, err := parseDigest(w.Digest)
		if err != nil {
			return err
		}
		w.slot.answered(digest, state == gateway.Delivered && w.Item.Outcome != gateway.Superseded)
	}
	if gateway.Confidential(w.kind) {
		if err := t.letterEnded(peer, w.kind, w.subject, state); err != nil {
			return err
		}
	}
	return t.keepSlot(w.in, w.key, w.kind, w.slot)
}

// settleTaken ends a message whose snapshot the peer took.
func (t *txn) settleTaken(peer gateway.OIN, w *settling) error {
	digest, err := parseDigest(w.Digest)
	if err != nil {
		return err
	}
	if err := t.leave(peer, w.Sequence, &w.entry); err != nil {
		return err
	}
	return t.confirmed(table{tableConfirmed, peer}).put(w.Sequence, answer{[sha256.Size]byte(digest)})
}

// move puts an entry that goes on in the table of its new state.
func (t *txn) move(peer gateway.OIN, sequence uint64, e entry, state gateway.DeliveryState) error {
	row, err := t.peer(peer)
	if err != nil {
		return err
	}
	from, to := table{tableOut, peer}, table{tableOut, peer}
	if e.state == gateway.Held {
		from.name = tableHeld
		row.Held--
	} else {
		row.Queued--
	}
	if state == gateway.Held {
		to.name = tableHeld
		row.Held++
	} else {
		row.Queued++
	}
	if from != to {
		if err := t.queue(from).remove(sequence); err != nil {
			return err
		}
	}
	e.state = state
	return t.queue(to).put(sequence, e)
}
