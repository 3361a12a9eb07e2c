package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// message is a Send as its rows have it.
type message struct {
	Send
	in      string // the kind of table of its slot
	key     []byte // there
	hash    [32]byte
	content sharedKey
	terms   sharedKey
	common  []byte // what terms names
}

// narrows tells whether a message only takes away: it is never refused for lack
// of room.
func narrows(s Send) bool { return s.Withdrawal || s.Kind != gateway.KindCapacity }

// prepare does what needs no transaction: it checks and names the shared values
// once for all recipients, and gives each recipient its messages in order.
func prepare(sends []Send) (map[gateway.OIN][]*message, error) {
	all := make([]message, len(sends))
	byRecipient := map[gateway.OIN][]*message{}
	for i, send := range sends {
		in, key := slotOf("", send.Kind, send.Subject)
		m := &all[i]
		*m = message{Send: send, in: in.name, key: key, hash: sha256.Sum256(send.Data)}
		if hex.EncodeToString(m.hash[:]) != send.Hash {
			return nil, gateway.Errorf(gateway.Internal, "the hash of a message is not that of its data")
		}
		m.content = contentKey(send.Subject, m.hash)
		m.common = encodeJSON(terms{Kind: send.Kind, Principal: send.Principal, Basis: send.Basis})
		sum := sha256.Sum256(m.common)
		m.terms = sharedKey(sum[:16])
		for _, to := range send.Recipients {
			byRecipient[to] = append(byRecipient[to], m)
		}
	}
	return byRecipient, nil
}

// enqueue queues messages for one recipient, in order. It passes over those for
// which there is no room, and tells whether there were any.
func (t *txn) enqueue(to gateway.OIN, messages []*message, maxQueue int) (refused bool, err error) {
	peer, err := t.peer(to)
	if err != nil {
		return false, err
	}
	keys := make([][]byte, 0, len(messages))
	for len(messages) > 0 {
		n := ascending(messages)
		keys = keys[:0]
		for _, m := range messages[:n] {
			keys = append(keys, m.key)
		}
		in := table{messages[0].in, to}
		err := t.each(in, keys, func(i int, value []byte) error {
			queued, err := t.enqueueOne(to, peer, messages[i], value, maxQueue)
			refused = refused || !queued
			return err
		})
		if err != nil {
			return false, err
		}
		messages = messages[n:]
	}
	return refused, nil
}

// ascending counts the first messages whose slots are in one table and ascend.
func ascending(messages []*message) int {
	n := 1
	for n < len(messages) && messages[n].in == messages[0].in && bytes.Compare(messages[n-1].key, messages[n].key) < 0 {
		n++
	}
	return n
}

// enqueueOne queues a message whose slot is stored as value, nil if there is
// none, and tells whether there was room.
func (t *txn) enqueueOne(to gateway.OIN, peer *peerRow, m *message, value []byte, maxQueue int) (queued bool, err error) {
	in := table{m.in, to}
	var sl slot
	if value != nil {
		if sl, err = decodeSlot(in, value); err != nil {
			return false, err
		}
	}
	if sl.underWay() {
		if err := t.end(to, &sl, gateway.EventOvertake); err != nil {
			return false, err
		}
	}
	if m.Withdrawal && !sl.exposed && sl.delivered == 0 {
		return true, t.neverSeen(to, m, in, sl)
	}
	if sl.last == 0 && peer.Queued+peer.Held >= maxQueue && !narrows(m.Send) { // what replaces takes no more room
		return false, nil
	}
	at := t.now.Truncate(time.Second)
	e := entry{
		state: gateway.Queued, withdrawal: m.Withdrawal, id: t.newID(), time: at, expires: at.Add(gateway.Lifetime),
		content: m.content, terms: m.terms, subject: m.Subject,
	}
	t.share(m.content, m.Data, 1)
	t.share(m.terms, m.common, 2) // the entry's and the slot's
	if sl.last != 0 {
		t.release(sl.terms)
	}
	peer.Sequence++
	peer.Queued++
	t.put(table{tableOut, to}, number(peer.Sequence), e.encode())
	sl.last, sl.state, sl.withdrawal, sl.hash, sl.terms, sl.id, sl.digest = peer.Sequence, "", m.Withdrawal, m.hash, m.terms, e.id, nil
	t.put(in, m.key, sl.encode())
	return true, nil
}

// neverSeen closes a subject whose withdrawal need not be sent, because nothing
// of it can have reached the recipient. Only the transaction knows: an attempt
// may have begun since the withdrawal was planned.
func (t *txn) neverSeen(to gateway.OIN, m *message, in table, sl slot) error {
	if sl.last == 0 {
		return nil
	}
	sl.state = gateway.Withdrawn
	if err := t.keepSlot(in, m.key, m.Kind, sl); err != nil {
		return err
	}
	return t.record(journal.Entry{
		Kind: journal.KindWithdrawn, Party: to, Message: formatID(sl.id), Policy: m.Basis.Policy,
	})
}
