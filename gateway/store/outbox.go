package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

const (
	receiptLife  = 30 * 24 * time.Hour // how long signed receipts are kept
	rowsPerWrite = 1000                // of methods that take several transactions
)

// Due gives the next messages for a peer in the order of their sequences: at
// most limit, and at most maxBytes of data unless the first alone is larger. It
// leaves out what is held and what has expired. Messages that a crash left in
// attempting come again. When to attempt is for the caller: see
// PeerStatus.NextAttempt; skip, if not nil, leaves out messages that it must not
// try yet; grows tells whether the peer may need more room for one. A message about
// a person counts by the size that it is padded to.
func (s *Store) Due(ctx context.Context, now time.Time, peer gateway.OIN, limit, maxBytes int, skip func(sequence uint64, kind string, grows bool) bool) (due []Outgoing, err error) {
	now = s.EffectiveTime(now)
	err = s.view(ctx, func(r reader) error {
		due = nil
		row, err := readPeer(r, peer)
		if err != nil || row.Queued == 0 {
			return err
		}
		in, size, common := table{tableOut, peer}, 0, map[sharedKey]terms{}
		due = make([]Outgoing, 0, min(limit, row.Queued))
		return eachMessage(r, in, func(sequence uint64, e *entry) (bool, error) {
			if !now.Before(e.expires) {
				return true, nil
			}
			under, err := termsOf(r, e.terms, common)
			if err != nil {
				return false, err
			}
			grows := !e.withdrawal && under.Kind != gateway.KindCapacityState
			if skip != nil && skip(sequence, under.Kind, grows) {
				return true, nil
			}
			out, err := s.outgoing(r, sequence, e, under)
			if err == nil && out.Data == nil { // it was erased
				return true, nil
			}
			if err != nil || (len(due) > 0 && size+out.weight() > maxBytes) {
				return false, err
			}
			size += out.weight()
			due = append(due, out)
			return len(due) < limit, nil
		})
	})
	return due, err
}

// termsOf reads terms, or finds them among those that were read before.
func termsOf(r reader, key sharedKey, known map[sharedKey]terms) (terms, error) {
	under, ok := known[key]
	if ok {
		return under, nil
	}
	under, err := readTerms(r, key)
	known[key] = under
	return under, err
}

func (s *Store) outgoing(r reader, sequence uint64, e *entry, under terms) (Outgoing, error) {
	var nonce string
	data, err := shared(r, e.content)
	if err == nil {
		data, nonce, err = openQueued(s.vault, under.Kind, e.subject, data)
	}
	if err != nil {
		return Outgoing{}, err
	}
	return Outgoing{
		Nonce:    nonce,
		Sequence: sequence, ID: formatID(e.id), Kind: under.Kind, Subject: e.subject, Principal: under.Principal,
		Time: e.time, Expires: e.expires, Data: data, Attempts: int(e.attempts), State: e.state,
		Withdrawal: e.withdrawal, Traced: e.traced, Basis: under.Basis,
	}, nil
}

// weight is what a message counts for in a batch: its data, which is nearly all of
// it, or what it is padded to, and half as much again because it is encrypted.
func (o *Outgoing) weight() int {
	if o.Nonce == "" {
		return len(o.Data)
	}
	const envelope = 2000 // at most
	for _, size := range gateway.PaddedSizes() {
		if len(o.Data)+envelope <= size {
			return size + size/2
		}
	}
	return gateway.LargestPadded + gateway.LargestPadded/2
}

// BeginAttempt records, before dialling, that these messages may reach the peer
// from now on, and when to try again if nothing more is heard. If one of them no
// longer waits, because it was overtaken or withdrawn since Due, it is a
// Conflict and nothing may be sent: ask Due again.
func (s *Store) BeginAttempt(ctx context.Context, now time.Time, peer gateway.OIN, sequences []uint64, next time.Time) error {
	return s.update(ctx, now, func(t *txn) error {
		q := t.queue(table{tableOut, peer})
		for _, sequence := range sequences {
			b, i, err := q.at(sequence)
			if err != nil {
				return err
			}
			if b == nil {
				return gateway.Errorf(gateway.Conflict, "a message no longer waits to be sent")
			}
			b.change()
			e := &b.entries[i].entry
			if e.state, err = e.state.On(gateway.EventAttempt); err != nil {
				return err
			}
			e.attempts++
		}
		row, err := t.peer(peer)
		if err != nil {
			return err
		}
		row.LastAttempt, row.NextAttempt = t.now, utc(next)
		return nil
	})
}

// Recover is for a peer's first attempt after a start: what a crash left in
// attempting goes back to the queue, or ends if a newer snapshot waits, and the
// backoff of before the start no longer counts.
func (s *Store) Recover(ctx context.Context, now time.Time, peer gateway.OIN) error {
	left, err := s.attempting(ctx, s.EffectiveTime(now), peer)
	if err != nil {
		return err
	}
	return s.update(ctx, now, func(t *txn) error {
		if err := t.settleAll(peer, allOf(left, gateway.EventFailed)); err != nil {
			return err
		}
		row, err := t.peer(peer)
		if err != nil {
			return err
		}
		row.NextAttempt = time.Time{}
		return nil
	})
}

// attempting lists the messages of the last attempt. Attempts take the first
// that wait, so one that still lives and was never tried ends the search.
func (s *Store) attempting(ctx context.Context, now time.Time, peer gateway.OIN) (sequences []uint64, err error) {
	err = s.view(ctx, func(r reader) error {
		sequences = nil
		return eachMessage(r, table{tableOut, peer}, func(sequence uint64, e *entry) (bool, error) {
			if e.attempts == 0 && now.Before(e.expires) {
				return false, nil
			}
			if e.state == gateway.Attempting {
				sequences = append(sequences, sequence)
			}
			return true, nil
		})
	})
	return sequences, err
}

// AttemptFailed puts messages back in the queue and counts one failure of the
// peer. reason is a code or a fixed text, never a peer's own words. Messages
// that are gone are passed over.
func (s *Store) AttemptFailed(ctx context.Context, now time.Time, peer gateway.OIN, sequences []uint64, reason string, next time.Time) error {
	return s.update(ctx, now, func(t *txn) error {
		if err := t.settleAll(peer, allOf(sequences, gateway.EventFailed)); err != nil {
			return err
		}
		row, err := t.peer(peer)
		if err != nil {
			return err
		}
		row.Failures++
		row.Reason, row.NextAttempt = reason, utc(next)
		return nil
	})
}

// Settle ends, holds or requeues the messages of one attempt by what the peer's
// receipts say of them, stores the receipts for 30 days in the order of
// settlements, which is that of the signed batch, and resets the peer's
// failures. Messages that are gone are passed over, so that the same receipts
// may come twice.
func (s *Store) Settle(ctx context.Context, now time.Time, peer gateway.OIN, settlements []Settlement, head string, next time.Time, entries []journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error {
		if err := t.settleAll(peer, settlements); err != nil {
			return err
		}
		batch := gateway.Receipts{Head: head, Items: make([]gateway.ReceiptItem, len(settlements))}
		for i := range settlements {
			batch.Items[i] = settlements[i].Item
		}
		row, err := t.peer(peer)
		if err != nil {
			return err
		}
		row.Failures, row.Reason, row.LastContact, row.NextAttempt = 0, "", t.now, utc(next)
		row.Later = reasonLater(settlements)
		if len(settlements) > 0 {
			key := append(number(uint64(t.now.UnixNano())), number(settlements[0].Sequence)...)
			t.put(table{tableReceipts, peer}, key, encodeJSON(batch))
		}
		return t.record(entries...)
	})
}

// reasonLater is why a peer takes some messages only later, if it said so.
func reasonLater(settlements []Settlement) (reason gateway.Reason) {
	for _, one := range settlements {
		if one.Event == gateway.EventRetryLater {
			reason = one.Item.Reason
		}
	}
	return reason
}

// Expire ends every message whose time is over as expired-unconfirmed, with a
// journal entry each, and gives their number. It takes as many transactions as
// it needs. It also has those parties gone through again that are late with an answer.
func (s *Store) Expire(ctx context.Context, now time.Time) (n int, err error) {
	peers, err := s.peersWith(ctx, func(row peerRow) bool { return row.Queued+row.Held > 0 })
	if err != nil {
		return 0, err
	}
	for _, peer := range peers {
		for _, name := range []string{tableOut, tableHeld} {
			for more := true; more; {
				var ended int
				if ended, err = s.expireSome(ctx, now, table{name, peer}); err != nil {
					return n, err
				}
				n += ended
				more = ended == rowsPerWrite
			}
		}
	}
	return n, s.unanswered(ctx, now)
}

// expireSome ends the first expired messages of one queue. Sequences rise with
// time and all live equally long, so the first that has not expired is the end.
func (s *Store) expireSome(ctx context.Context, now time.Time, in table) (n int, err error) {
	at := s.EffectiveTime(now)
	expired := func(r reader) (sequences []uint64, entries []journal.Entry, err error) {
		err = eachMessage(r, in, func(sequence uint64, e *entry) (bool, error) {
			if at.Before(e.expires) {
				return false, nil
			}
			sequences = append(sequences, sequence)
			entries = append(entries, journal.Entry{
				Kind: journal.KindExpired, Party: in.party, Message: formatID(e.id), Outcome: string(gateway.Unconfirmed),
			})
			return len(sequences) < rowsPerWrite, nil
		})
		return sequences, entries, err
	}
	err = s.view(ctx, func(r reader) error {
		found, _, err := expired(r)
		n = len(found)
		return err
	})
	if err != nil || n == 0 {
		return 0, err
	}
	err = s.update(ctx, now, func(t *txn) error {
		sequences, entries, err := expired(t)
		if err != nil {
			return err
		}
		n = len(sequences)
		if err := t.settleAll(in.party, allOf(sequences, gateway.EventExpire)); err != nil {
			return err
		}
		return t.record(entries...)
	})
	return n, err
}

// ReleaseHeld queues again what a peer did not support, to be tried at once, and
// gives the number of messages. It takes as many transactions as it needs.
func (s *Store) ReleaseHeld(ctx context.Context, now time.Time, peer gateway.OIN) (n int, err error) {
	for more := true; more; {
		var released int
		err = s.update(ctx, now, func(t *txn) error {
			released = 0
			sequences, err := firstSequences(t, table{tableHeld, peer})
			if err != nil || len(sequences) == 0 {
				return err
			}
			if err := t.settleAll(peer, allOf(sequences, gateway.EventHello)); err != nil {
				return err
			}
			released = len(sequences)
			row, err := t.peer(peer)
			if err != nil {
				return err
			}
			row.NextAttempt = time.Time{}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += released
		more = released == rowsPerWrite
	}
	return n, nil
}

func firstSequences(r reader, in table) (sequences []uint64, err error) {
	err = eachMessage(r, in, func(sequence uint64, _ *entry) (bool, error) {
		sequences = append(sequences, sequence)
		return len(sequences) < rowsPerWrite, nil
	})
	return sequences, err
}

// Receipts gives the batches of receipts that a peer signed since a moment, at
// most limit, oldest first. They are kept for 30 days.
func (s *Store) Receipts(ctx context.Context, peer gateway.OIN, since time.Time, limit int) (all []gateway.Receipts, err error) {
	in := table{tableReceipts, peer}
	err = s.view(ctx, func(r reader) error {
		all = nil
		return r.ascend(in, number(uint64(max(0, since.UnixNano()))), func(_, value []byte) (bool, error) {
			var batch gateway.Receipts
			if err := readJSON(in, value, &batch); err != nil {
				return false, err
			}
			all = append(all, batch)
			return len(all) < limit, nil
		})
	})
	return all, err
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
