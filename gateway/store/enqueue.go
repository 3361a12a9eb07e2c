package store

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// message is a Send as its rows have it.
type message struct {
	Send
	number  int    // among the sends
	like    int    // the number of the first with the same data
	in      string // the kind of table of its slot
	key     []byte // there
	hash    [32]byte
	content sharedKey // where its data is; enqueue says so
	terms   sharedKey
	common  []byte // what terms names
}

// messages are the sends of one publication, and whose they are, in order.
type messages struct {
	all []message
	to  map[gateway.OIN][]*message
}

// narrows tells whether a message only takes away: it is never refused for lack
// of room.
func narrows(s Send) bool { return s.Withdrawal || s.Kind != gateway.KindCapacity }

// Prepare does of Publish what needs no transaction, for who has time for it
// before: it checks the messages and names what they share. Sends is not to be
// changed after it.
func (p *Publication) Prepare() (err error) {
	p.prepared, err = prepare(p.Sends)
	return err
}

func prepare(sends []Send) (*messages, error) {
	p := &messages{make([]message, len(sends)), map[gateway.OIN][]*message{}}
	first := map[[32]byte]int{}
	var lately namedTerms
	for i := range sends {
		send, m := &sends[i], &p.all[i]
		in, key := slotOf("", send.Kind, send.Subject)
		*m = message{Send: *send, number: i, in: in.name, key: key, hash: sha256.Sum256(send.Data)}
		var text [2 * sha256.Size]byte
		if hex.Encode(text[:], m.hash[:]); string(text[:]) != send.Hash {
			return nil, gateway.Errorf(gateway.Internal, "the hash of a message is not that of its data")
		}
		if _, known := first[m.hash]; !known {
			first[m.hash] = i
		}
		m.like = first[m.hash]
		m.terms, m.common = lately.name(terms{Kind: send.Kind, Principal: send.Principal, Basis: send.Basis})
		for _, to := range send.Recipients {
			p.to[to] = append(p.to[to], m)
		}
	}
	return p, nil
}

// namedTerms are terms with their names and as they are stored. Most messages of a
// publication go under one of a few.
type namedTerms struct {
	all [4]struct {
		terms
		key    sharedKey
		common []byte
	}
	next int
}

func (n *namedTerms) name(under terms) (key sharedKey, common []byte) {
	for i := range n.all {
		if one := &n.all[i]; one.common != nil && one.terms.equal(&under) {
			return one.key, one.common
		}
	}
	one := &n.all[n.next]
	n.next = (n.next + 1) % len(n.all)
	one.terms, one.common = under, encodeJSON(under)
	sum := sha256.Sum256(one.common)
	one.key = sharedKey(sum[:len(one.key)])
	return one.key, one.common
}

func (t *terms) equal(o *terms) bool {
	return t.Kind == o.Kind && t.Principal == o.Principal && t.Basis.Policy == o.Basis.Policy &&
		t.Basis.Register == o.Basis.Register && t.Basis.Day == o.Basis.Day && slices.Equal(t.Basis.Rules, o.Basis.Rules)
}

// enqueue queues all messages, and gives the recipients for whom there was no
// room for some.
func (t *txn) enqueue(p *messages, maxQueue int) (refused []gateway.OIN, err error) {
	at, err := t.journalSize()
	if err != nil {
		return nil, err
	}
	for i := range p.all {
		m := &p.all[i]
		m.content = contentKey(t.now, at+uint64(m.like), m.hash)
	}
	queued := make([]int, len(p.all))
	for _, to := range slices.Sorted(maps.Keys(p.to)) {
		q, err := t.recipient(to, maxQueue)
		if err != nil {
			return nil, err
		}
		if err := q.add(p.to[to], queued); err != nil {
			return nil, err
		}
		if q.refused {
			refused = append(refused, to)
		}
	}
	for i := range p.all {
		m := &p.all[i]
		t.share(m.content, m.Data, queued[i])
		t.share(m.terms, m.common, 2*queued[i]) // the entry's and the slot's
	}
	return refused, nil
}

// recipient is one whose messages are queued, in one transaction.
type recipient struct {
	*txn
	to      gateway.OIN
	peer    *peerRow
	out     *blocks[uint64, entry]
	shown   *blocks[string, slot]
	max     int
	refused bool // there was no room for some
}

func (t *txn) recipient(to gateway.OIN, maxQueue int) (*recipient, error) {
	peer, err := t.peer(to)
	return &recipient{
		txn: t, to: to, peer: peer, out: t.queue(table{tableOut, to}), shown: t.shown(table{tableShown, to}), max: maxQueue,
	}, err
}

// add queues messages, and counts those that it queued by their number.
func (q *recipient) add(some []*message, queued []int) error {
	for _, m := range some {
		sl, err := q.slotOf(m)
		if err != nil {
			return err
		}
		ok, err := q.addOne(m, table{m.in, q.to}, &sl)
		if err != nil {
			return err
		}
		if ok {
			queued[m.number]++
			if err := q.keep(m, sl); err != nil {
				return err
			}
		}
	}
	return nil
}

func (q *recipient) slotOf(m *message) (sl slot, err error) {
	if m.in == tableShown {
		sl, _, err = q.shown.get(m.Subject)
	} else {
		sl, _, err = q.slot(table{m.in, q.to}, m.key)
	}
	return sl, err
}

func (q *recipient) keep(m *message, sl slot) error {
	if m.in == tableShown {
		return q.shown.put(m.Subject, sl)
	}
	return q.putSlot(table{m.in, q.to}, m.key, sl)
}

// addOne queues a message, and changes its slot for the caller to write; false if
// there is nothing to queue, or no room.
func (q *recipient) addOne(m *message, in table, sl *slot) (bool, error) {
	if err := q.takeAnswer(q.to, sl); err != nil {
		return false, err
	}
	if sl.underWay() {
		if err := q.end(q.to, sl, gateway.EventOvertake); err != nil {
			return false, err
		}
	}
	if m.Withdrawal && !sl.exposed && sl.delivered == 0 {
		return false, q.neverSeen(m, in, *sl)
	}
	if sl.last == 0 && q.peer.Queued+q.peer.Held >= q.max && !narrows(m.Send) { // what replaces takes no more room
		q.refused = true
		return false, nil
	}
	if sl.last != 0 {
		q.release(sl.terms)
	}
	at := q.now.Truncate(time.Second)
	e := entry{
		state: gateway.Queued, withdrawal: m.Withdrawal, id: q.newID(), time: at, expires: at.Add(gateway.Lifetime),
		content: m.content, terms: m.terms, subject: m.Subject, confidential: gateway.Confidential(m.Kind),
	}
	if q.traced != nil && q.traced(e.id) {
		e.traced = true
		q.queued = append(q.queued, Queued{ID: e.id, Recipient: q.to, Kind: m.Kind})
	}
	q.peer.Sequence++
	q.peer.Queued++
	if e.confidential {
		q.peer.Confidential++
	}
	q.out.append(q.peer.Sequence, e)
	sl.last, sl.state, sl.withdrawal, sl.hash, sl.terms, sl.id, sl.digest = q.peer.Sequence, "", m.Withdrawal, m.hash, m.terms, e.id, nil
	return true, nil
}

// neverSeen closes a subject whose withdrawal need not be sent, because nothing
// of it can have reached the recipient. Only the transaction knows: an attempt
// may have begun since the withdrawal was planned.
func (q *recipient) neverSeen(m *message, in table, sl slot) error {
	if sl.last == 0 {
		return nil
	}
	sl.state = gateway.Withdrawn
	if err := q.keepSlot(in, m.key, m.Kind, sl); err != nil {
		return err
	}
	return q.record(journal.Entry{
		Kind: journal.KindWithdrawn, Party: q.to, Message: formatID(sl.id), Policy: m.Basis.Policy,
	})
}
