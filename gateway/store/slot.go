package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
)

// slotOf tells where the slot of a subject is: those of capacities stay as long
// as the recipient may hold something, those of other kinds while under way.
func slotOf(peer gateway.OIN, kind, subject string) (table, []byte) {
	if kind == gateway.KindCapacity {
		return table{tableShown, peer}, []byte(subject)
	}
	return table{tableLatest, peer}, []byte(kind + "\x00" + subject)
}

// keepSlot writes a slot as long as it says something: a message is under way,
// the peer may hold a snapshot, or the last message came to an end that people
// or the next publication must know.
func (t *txn) keepSlot(in table, key []byte, kind string, sl slot) error {
	nothingShown := !sl.exposed && sl.delivered == 0
	switch {
	case sl.underWay():
	case kind != gateway.KindCapacity, sl.state == gateway.Delivered && sl.withdrawal, sl.state == gateway.Withdrawn && nothingShown:
		t.release(sl.terms)
		if in.name == tableShown {
			return t.shown(in).remove(string(key))
		}
		t.delete(in, key)
		return nil
	}
	return t.putSlot(in, key, sl)
}

// readSlot is txn.slot for who only reads.
func readSlot(r reader, in table, key []byte) (slot, bool, error) {
	if in.name == tableShown {
		return slotCodec().find(r, in, string(key))
	}
	value, err := r.get(in, key)
	if err != nil || value == nil {
		return slot{}, false, err
	}
	sl, err := decodeSlot(in, value)
	return sl, true, err
}

// slot reads a slot; false if there is none.
func (t *txn) slot(in table, key []byte) (slot, bool, error) {
	if in.name == tableShown {
		return t.shown(in).get(string(key))
	}
	return readSlot(t, in, key)
}

func (t *txn) putSlot(in table, key []byte, sl slot) error {
	if in.name == tableShown {
		return t.shown(in).put(string(key), sl)
	}
	t.put(in, key, sl.encode())
	return nil
}

// findUnderWay looks for an entry in the queue and among the held.
func findUnderWay(r reader, peer gateway.OIN, sequence uint64) (e entry, ok bool, err error) {
	if e, ok, err = messageCodec().find(r, table{tableOut, peer}, sequence); ok || err != nil {
		return e, ok, err
	}
	return messageCodec().find(r, table{tableHeld, peer}, sequence)
}

// underWay is findUnderWay in a transaction that may have changed the queue.
func (t *txn) underWay(peer gateway.OIN, sequence uint64) (e entry, ok bool, err error) {
	if e, ok, err = t.queue(table{tableOut, peer}).get(sequence); ok || err != nil {
		return e, ok, err
	}
	return t.queue(table{tableHeld, peer}).get(sequence)
}

// takeAnswer moves the answer to the last message into its slot, which the caller
// writes.
func (t *txn) takeAnswer(peer gateway.OIN, sl *slot) error {
	if !sl.underWay() {
		return nil
	}
	q := t.confirmed(table{tableConfirmed, peer})
	a, ok, err := q.get(sl.last)
	if err != nil || !ok {
		return err
	}
	sl.confirm(a)
	return q.remove(sl.last)
}

// readAnswer is takeAnswer for who only reads.
func readAnswer(r reader, peer gateway.OIN, sl *slot) error {
	if !sl.underWay() {
		return nil
	}
	a, ok, err := answerCodec().find(r, table{tableConfirmed, peer}, sl.last)
	if ok {
		sl.confirm(a)
	}
	return err
}

func (sl *slot) confirm(a answer) {
	sl.state = gateway.Delivered
	sl.answered(a.digest[:], true)
}

// end takes the message that is under way out of its queue with an event that
// ends it and notes the end in its slot, which the caller writes.
func (t *txn) end(peer gateway.OIN, sl *slot, event gateway.DeliveryEvent) error {
	e, ok, err := t.underWay(peer, sl.last)
	if err != nil {
		return err
	}
	if !ok {
		return corrupt(table{tableOut, peer}, "a message that is under way is missing")
	}
	return t.endEntry(peer, sl, &e, event)
}

// endEntry is end for an entry that was read.
func (t *txn) endEntry(peer gateway.OIN, sl *slot, e *entry, event gateway.DeliveryEvent) error {
	state, err := e.state.On(event)
	if err != nil {
		return err
	}
	sl.state, sl.exposed = state, sl.exposed || e.shows()
	return t.leave(peer, sl.last, e)
}

// leave takes a message out of its queue for good.
func (t *txn) leave(peer gateway.OIN, sequence uint64, e *entry) error {
	row, err := t.peer(peer)
	if err != nil {
		return err
	}
	in := table{tableOut, peer}
	if e.state == gateway.Held {
		row.Held--
		in.name = tableHeld
	} else {
		row.Queued--
	}
	if e.confidential {
		row.Confidential--
	}
	t.release(e.content)
	t.release(e.terms)
	return t.queue(in).remove(sequence)
}

// answered notes in a slot what the peer said of the last message: confirmed
// means that this, and no later one, is now what it has.
func (sl *slot) answered(digest []byte, confirmed bool) {
	sl.digest = digest
	switch {
	case !confirmed:
	case sl.withdrawal:
		sl.exposed, sl.delivered, sl.deliveredDigest = false, 0, nil
	default:
		sl.exposed, sl.delivered, sl.deliveredDigest = true, sl.last, digest
	}
}

// Shown gives what one recipient was, or will be, shown of each capacity
// subject, in the order of the subjects. A subject is absent if the recipient
// never saw anything of it or has confirmed its withdrawal, and nothing is under
// way.
func (s *Store) Shown(ctx context.Context, recipient gateway.OIN) (all []Shown, err error) {
	err = s.view(ctx, func(r reader) error {
		all, err = readShown(r, recipient)
		return err
	})
	return all, err
}

// Last gives what was last queued of some subjects, which ascend, for some
// recipients: by recipient and subject, nil where a recipient was shown none of
// them, and without Subject where it was not shown this one.
func (s *Store) Last(ctx context.Context, recipients []gateway.OIN, subjects []string) (all [][]Last, err error) {
	err = s.view(ctx, func(r reader) error {
		all = make([][]Last, len(recipients))
		for n, recipient := range recipients {
			err := slotCodec().eachOf(r, table{tableShown, recipient}, subjects, func(i int, sl *slot) error {
				if sl == nil {
					return nil
				}
				if all[n] == nil {
					all[n] = make([]Last, len(subjects))
				}
				all[n][i] = lastOf(subjects[i], sl)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// LastAfter gives what was last queued for a recipient of the first subjects
// after one, at most limit.
func (s *Store) LastAfter(ctx context.Context, recipient gateway.OIN, after string, limit int) (all []Last, err error) {
	in := table{tableShown, recipient}
	err = s.view(ctx, func(r reader) error {
		all = nil
		return slotCodec().each(r, in, []byte(after), func(subject string, sl *slot) (bool, error) {
			if subject != after {
				all = append(all, lastOf(subject, sl))
			}
			return len(all) < limit, nil
		})
	})
	return all, err
}

func lastOf(subject string, sl *slot) Last {
	last := Last{Subject: subject, Hash: sl.hash, Withdrawal: sl.withdrawal, State: sl.state}
	if last.State == gateway.Delivered && !last.Withdrawal {
		last.State = "" // as for those whose answers stand elsewhere
	}
	return last
}

func readShown(r reader, peer gateway.OIN) (all []Shown, err error) {
	in, bases := table{tableShown, peer}, map[sharedKey]Basis{}
	err = slotCodec().each(r, in, nil, func(subject string, sl *slot) (bool, error) {
		if err := readAnswer(r, peer, sl); err != nil {
			return false, err
		}
		basis, known := bases[sl.terms]
		if !known {
			common, err := readTerms(r, sl.terms)
			if err != nil {
				return false, err
			}
			basis = common.Basis
			bases[sl.terms] = basis
		}
		one := Shown{
			Subject: subject, Hash: hex.EncodeToString(sl.hash[:]), Sequence: sl.last, ID: formatID(sl.id),
			Digest: hex.EncodeToString(sl.digest), Withdrawal: sl.withdrawal, Exposed: sl.exposed, State: sl.state, Basis: basis,
		}
		if sl.underWay() {
			e, _, err := findUnderWay(r, peer, sl.last)
			if err != nil {
				return false, err
			}
			one.State, one.Exposed = e.state, sl.exposed || e.shows()
		}
		all = append(all, one)
		return true, nil
	})
	return all, err
}

// ShownDigest is the digest of what the recipient confirmed and was not
// withdrawn since: equal to its Holds once settled, that is when nothing is
// under way. What is held is not: the recipient has said that it left it.
func (s *Store) ShownDigest(ctx context.Context, recipient gateway.OIN) (d gateway.StateDigest, settled bool, err error) {
	err = s.view(ctx, func(r reader) error {
		row, err := readPeer(r, recipient)
		if err != nil {
			return err
		}
		settled = row.Queued == 0
		in, sum := table{tableShown, recipient}, newStateSum()
		err = slotCodec().each(r, in, nil, func(subject string, sl *slot) (bool, error) {
			err := readAnswer(r, recipient, sl)
			if err == nil && sl.delivered != 0 {
				sum.add(subject, sl.delivered, hex.EncodeToString(sl.deliveredDigest))
			}
			return true, err
		})
		d = sum.digest()
		return err
	})
	return d, settled, err
}

// UnderWay tells whether anything is queued for a peer, or being attempted, but
// for what the peer has said to take later.
func (s *Store) UnderWay(ctx context.Context, peer gateway.OIN, later func(sequence uint64) bool) (found bool, err error) {
	err = s.view(ctx, func(r reader) error {
		found = false
		return eachMessage(r, table{tableOut, peer}, func(sequence uint64, _ *entry) (bool, error) {
			found = !later(sequence)
			return !found, nil
		})
	})
	return found, err
}

// stateSum makes a gateway.StateDigest: the SHA-256, in lower-case hex, of one
// line for each current snapshot, in ascending byte order of the subjects:
// subject, space, sequence in decimal, space, SHA-256 of the signed payload in
// lower-case hex, line feed. Of no snapshots it is the SHA-256 of nothing.
type stateSum struct {
	sum   hash.Hash
	count int
}

func newStateSum() *stateSum { return &stateSum{sum: sha256.New()} }

func (s *stateSum) add(subject string, sequence uint64, digest string) {
	s.count++
	fmt.Fprintf(s.sum, "%s %d %s\n", subject, sequence, digest)
}

func (s *stateSum) digest() gateway.StateDigest {
	return gateway.StateDigest{Count: s.count, Digest: hex.EncodeToString(s.sum.Sum(nil))}
}

func formatID(id [16]byte) string { return uuid.UUID(id).String() }

// parseDigest reads a SHA-256 in lower-case hex.
func parseDigest(digest string) ([]byte, error) {
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw) != sha256.Size || !bytes.Equal(hex.AppendEncode(nil, raw), []byte(digest)) {
		return nil, gateway.Errorf(gateway.Internal, "a digest is a SHA-256 in lower-case hex")
	}
	return raw, nil
}
