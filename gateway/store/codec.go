package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Rows of which there are very many have a compact form: numbers as varints,
// times in Unix seconds, hashes and message ids raw.

// entry is one message in a queue, under its sequence.
type entry struct {
	state      gateway.DeliveryState
	withdrawal bool
	traced     bool // carries a trace context

	confidential bool // about a person; its data are sealed

	attempts uint64
	id       [16]byte
	time     time.Time
	expires  time.Time
	content  sharedKey
	terms    sharedKey
	subject  string
}

// shows tells whether the peer may have seen a snapshot by this message.
func (e *entry) shows() bool { return e.attempts > 0 && !e.withdrawal }

// slot is what is known of one subject for one recipient.
type slot struct {
	last       uint64                // sequence of the message last queued; 0: none yet
	state      gateway.DeliveryState // its end; "" while it is under way
	withdrawal bool                  // it is a withdrawal
	exposed    bool                  // an ended entry may have shown the peer something
	hash       [32]byte              // of its data
	terms      sharedKey
	id         [16]byte
	digest     []byte // of its signed payload, once the peer has answered

	delivered       uint64 // sequence of the snapshot the peer has; 0: none
	deliveredDigest []byte
}

// answer is what a peer said of a snapshot that it took, under the sequence of the
// message. Until the next message of the subject is queued its slot says that it
// is under way: slots lie in the order of the subjects, and the answers to one
// batch would change as many pages as there are messages in it.
type answer struct{ digest [sha256.Size]byte }

// item is what a message was answered with.
type item struct {
	digest   string // hex
	outcome  gateway.Outcome
	reason   gateway.Reason
	received time.Time
	until    time.Time // how long it is remembered
}

// snapshot is what this node holds of one subject of a sender. Without data it
// says that the subject is gone.
type snapshot struct {
	order    order
	digest   string // hex
	received time.Time
	until    time.Time // how long a subject that is gone is remembered
	data     []byte
}

// underWay tells whether the message last queued is in a queue, or was answered
// by an answer of its own. There is never more than one of a subject.
func (s *slot) underWay() bool { return s.last != 0 && s.state == "" }

// order is the place of a message among those of its sender.
type order struct{ incarnation, sequence uint64 }

func (a order) before(b order) bool {
	return a.incarnation < b.incarnation || (a.incarnation == b.incarnation && a.sequence < b.sequence)
}

// deliveryStates gives a state the byte it is stored as; the list only grows.
func deliveryStates() [9]gateway.DeliveryState {
	return [9]gateway.DeliveryState{
		"", gateway.Queued, gateway.Attempting, gateway.Held, gateway.Delivered, gateway.RefusedBy,
		gateway.Withdrawn, gateway.Overtaken, gateway.Unconfirmed,
	}
}

func stateCode(s gateway.DeliveryState) byte {
	states := deliveryStates()
	return byte(slices.Index(states[:], s))
}

const (
	flagWithdrawal = 1 << iota
	flagExposed
	flagTraced
	flagConfidential
)

func (e *entry) flags() byte {
	b := flags(e.withdrawal, false, e.traced)
	if e.confidential {
		b |= flagConfidential
	}
	return b
}

// size is at least that of what appendTo appends.
func (e *entry) size() int { return 2 + 2*16 + 16 + 3*binary.MaxVarintLen64 + len(e.subject) }

func (e *entry) encode() []byte { return e.appendTo(make([]byte, 0, e.size())) }

func (e *entry) appendTo(b []byte) []byte {
	b = append(b, stateCode(e.state), e.flags())
	b = binary.AppendUvarint(b, e.attempts)
	b = append(b, e.id[:]...)
	b = appendTime(b, e.time)
	b = appendTime(b, e.expires)
	b = append(b, e.content[:]...)
	b = append(b, e.terms[:]...)
	return append(b, e.subject...)
}

// What a message or slot may have in common with the one before it in a block,
// and then lacks.
const (
	sameTimes   = 1 << 4
	sameTerms   = 1 << 5
	sameContent = 1 << 6 // of the name of its data, the time
	sameID      = 1 << 7 // of its id, the time
)

const timePart = 6 // bytes of the time at the beginning of an id and of the name of data

// appendAfter is appendTo for an entry that stands in a block after another.
func (e *entry) appendAfter(b []byte, before *entry) []byte {
	same := e.flags()
	if e.time.Equal(before.time) && e.expires.Equal(before.expires) {
		same |= sameTimes
	}
	if e.terms == before.terms {
		same |= sameTerms
	}
	if bytes.Equal(e.content[:timePart], before.content[:timePart]) {
		same |= sameContent
	}
	if bytes.Equal(e.id[:timePart], before.id[:timePart]) {
		same |= sameID
	}
	b = append(b, stateCode(e.state), same)
	b = binary.AppendUvarint(b, e.attempts)
	if same&sameTimes == 0 {
		b = appendTime(appendTime(b, e.time), e.expires)
	}
	b = appendShort(b, e.id, same&sameID != 0)
	b = appendShort(b, e.content, same&sameContent != 0)
	if same&sameTerms == 0 {
		b = append(b, e.terms[:]...)
	}
	return append(binary.AppendUvarint(b, uint64(len(e.subject))), e.subject...)
}

// decodeAfter reads into a zero entry what appendAfter wrote.
func (e *entry) decodeAfter(d *decoder, before *entry) {
	e.state = d.state()
	same := d.byte()
	e.withdrawal, e.traced, e.confidential = same&flagWithdrawal != 0, same&flagTraced != 0, same&flagConfidential != 0
	e.attempts = d.uint()
	e.time, e.expires = before.time, before.expires
	if same&sameTimes == 0 {
		e.time, e.expires = d.time(), d.time()
	}
	e.id = d.short(before.id, same&sameID != 0)
	e.content = d.short(before.content, same&sameContent != 0)
	e.terms = before.terms
	if same&sameTerms == 0 {
		copy(e.terms[:], d.take(len(e.terms)))
	}
	e.subject = string(d.bytes())
}

// appendShort leaves out the time of an id or the name of data.
func appendShort(b []byte, id [16]byte, short bool) []byte {
	if short {
		return append(b, id[timePart:]...)
	}
	return append(b, id[:]...)
}

func (d *decoder) short(before [16]byte, short bool) (id [16]byte) {
	rest := id[:]
	if short {
		id = before
		rest = id[timePart:]
	}
	copy(rest, d.take(len(rest)))
	return id
}

func decodeEntry(t table, value []byte) (entry, error) {
	d := decoder{b: value}
	e := entry{state: d.state()}
	f := d.byte()
	e.withdrawal, e.traced, e.confidential = f&flagWithdrawal != 0, f&flagTraced != 0, f&flagConfidential != 0
	e.attempts = d.uint()
	copy(e.id[:], d.take(16))
	e.time, e.expires = d.time(), d.time()
	copy(e.content[:], d.take(16))
	copy(e.terms[:], d.take(16))
	e.subject = string(d.rest())
	return e, d.err(t)
}

// size is at least that of what appendTo appends.
func (s *slot) size() int {
	return 2 + 32 + 16 + 16 + len(s.digest) + len(s.deliveredDigest) + 4*binary.MaxVarintLen64
}

func (s *slot) encode() []byte { return s.appendTo(make([]byte, 0, s.size())) }

func (s *slot) appendTo(b []byte) []byte {
	b = append(b, stateCode(s.state), flags(s.withdrawal, s.exposed, false))
	b = binary.AppendUvarint(b, s.last)
	b = append(b, s.hash[:]...)
	b = append(b, s.terms[:]...)
	b = append(b, s.id[:]...)
	b = appendBytes(b, s.digest)
	b = binary.AppendUvarint(b, s.delivered)
	return appendBytes(b, s.deliveredDigest)
}

// appendAfter is appendTo for a slot that stands in a block after another.
func (s *slot) appendAfter(b []byte, before *slot) []byte {
	same := flags(s.withdrawal, s.exposed, false)
	if s.terms == before.terms {
		same |= sameTerms
	}
	if bytes.Equal(s.id[:timePart], before.id[:timePart]) {
		same |= sameID
	}
	b = append(b, stateCode(s.state), same)
	b = binary.AppendVarint(b, int64(s.last-before.last))
	b = append(b, s.hash[:]...)
	if same&sameTerms == 0 {
		b = append(b, s.terms[:]...)
	}
	b = appendShort(b, s.id, same&sameID != 0)
	b = appendBytes(b, s.digest)
	b = binary.AppendUvarint(b, s.delivered)
	return appendBytes(b, s.deliveredDigest)
}

// decodeAfter reads into a zero slot what appendAfter wrote.
func (s *slot) decodeAfter(d *decoder, before *slot) {
	s.state = d.state()
	same := d.byte()
	s.withdrawal, s.exposed = same&flagWithdrawal != 0, same&flagExposed != 0
	s.last = before.last + uint64(d.varint())
	copy(s.hash[:], d.take(len(s.hash)))
	s.terms = before.terms
	if same&sameTerms == 0 {
		copy(s.terms[:], d.take(len(s.terms)))
	}
	s.id = d.short(before.id, same&sameID != 0)
	s.digest = bytes.Clone(d.bytes())
	s.delivered = d.uint()
	s.deliveredDigest = bytes.Clone(d.bytes())
}

func decodeSlot(t table, value []byte) (slot, error) {
	d := decoder{b: value}
	s := slot{state: d.state()}
	s.withdrawal, s.exposed, _ = d.flags()
	s.last = d.uint()
	copy(s.hash[:], d.take(32))
	copy(s.terms[:], d.take(16))
	copy(s.id[:], d.take(16))
	s.digest = d.bytes()
	s.delivered = d.uint()
	s.deliveredDigest = d.bytes()
	return s, d.err(t)
}

// size is at least that of what appendTo appends.
func (i *item) size() int {
	return len(i.digest)/2 + len(i.outcome) + len(i.reason) + 5*binary.MaxVarintLen64
}

func (i *item) appendTo(b []byte) []byte {
	b = appendDigest(b, i.digest)
	b = appendBytes(b, []byte(i.outcome))
	b = appendBytes(b, []byte(i.reason))
	b = appendTime(b, i.received)
	return appendTime(b, i.until)
}

func decodeItem(t table, value []byte) (item, error) {
	d := decoder{b: value}
	i := item{digest: d.digest(), outcome: gateway.Outcome(d.bytes()), reason: gateway.Reason(d.bytes())}
	i.received, i.until = d.time(), d.time()
	return i, d.err(t)
}

// size is at least that of what appendTo appends.
func (s *snapshot) size() int { return len(s.digest)/2 + len(s.data) + 5*binary.MaxVarintLen64 }

func (s *snapshot) appendTo(b []byte) []byte {
	b = appendOrder(b, s.order)
	b = appendDigest(b, s.digest)
	b = appendTime(b, s.received)
	b = appendTime(b, s.until)
	return append(b, s.data...)
}

func decodeSnapshot(t table, value []byte) (snapshot, error) {
	d := decoder{b: value}
	s := snapshot{order: d.order(), digest: d.digest(), received: d.time(), until: d.time(), data: d.rest()}
	return s, d.err(t)
}

// gone tells whether the snapshot only says that its subject is no more.
func (s *snapshot) gone() bool { return len(s.data) == 0 }

func encodeStored(s journal.Stored) []byte {
	return appendStored(make([]byte, 0, sizeOfStored(s)), s)
}

func sizeOfStored(s journal.Stored) int { return 1 + 32*len(s.Hashes) + len(s.Leaf) }

func appendStored(b []byte, s journal.Stored) []byte {
	b = append(b, byte(len(s.Hashes)))
	for _, h := range s.Hashes {
		b = append(b, h[:]...)
	}
	return append(b, s.Leaf...)
}

func decodeStored(value []byte) (journal.Stored, error) {
	d := decoder{b: value}
	var s journal.Stored
	if n := d.take(1); !d.failed {
		for range n[0] {
			var h journal.Hash
			copy(h[:], d.take(32))
			s.Hashes = append(s.Hashes, h)
		}
	}
	s.Leaf = d.rest()
	return s, d.err(table{name: tableJournal})
}

// number is a key that sorts by value.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// newID is a UUIDv7 (RFC 9562 section 5.7).
func (t *txn) newID() (id [16]byte) {
	const random = 10
	if len(t.random) < random {
		t.random = make([]byte, 512*random)
		_, _ = rand.Read(t.random) // never fails
	}
	copy(id[6:], t.random[:random])
	t.random = t.random[random:]
	binary.BigEndian.PutUint16(id[0:], uint16(t.now.UnixMilli()>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(t.now.UnixMilli()))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// idKey is the key of a message id: 16 bytes for a UUID as RFC 9562 writes it,
// anything else after a byte that no UUIDv7 starts with.
func idKey(id string) []byte {
	if u, err := uuid.Parse(id); err == nil && u.String() == id && u[0] != 0xff {
		return u[:]
	}
	return append([]byte{0xff}, id...)
}

func flags(withdrawal, exposed, traced bool) (b byte) {
	if withdrawal {
		b |= flagWithdrawal
	}
	if exposed {
		b |= flagExposed
	}
	if traced {
		b |= flagTraced
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendVarint(b, t.Unix()) }

func appendBytes(b, value []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

func appendDigest(b []byte, digest string) []byte {
	b = binary.AppendUvarint(b, uint64(len(digest)/2))
	b, err := hex.AppendDecode(b, []byte(digest))
	if err != nil {
		panic("digests are checked before they are stored: " + err.Error())
	}
	return b
}

func appendOrder(b []byte, o order) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, o.incarnation), o.sequence)
}

// decoder reads the compact form; after the first failure it gives zeros.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) err(t table) error {
	if d.failed {
		return corrupt(t, "a row cannot be read")
	}
	return nil
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.failed = true
		return nil
	}
	taken := d.b[:n:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) rest() []byte { return d.take(len(d.b)) }

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	d.take(max(size, 0))
	d.failed = d.failed || size <= 0
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.b)
	d.take(max(size, 0))
	d.failed = d.failed || size <= 0
	return n
}

func (d *decoder) time() time.Time { return time.Unix(d.varint(), 0).UTC() }

func (d *decoder) byte() byte {
	b := d.take(1)
	if d.failed {
		return 0
	}
	return b[0]
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	return d.take(int(min(n, uint64(len(d.b))+1)))
}

func (d *decoder) digest() string { return hex.EncodeToString(d.bytes()) }

func (d *decoder) order() order { return order{incarnation: d.uint(), sequence: d.uint()} }

func (d *decoder) state() gateway.DeliveryState {
	code, states := d.take(1), deliveryStates()
	if d.failed || int(code[0]) >= len(states) {
		d.failed = true
		return ""
	}
	return states[code[0]]
}

func (d *decoder) flags() (withdrawal, exposed, traced bool) {
	b := d.take(1)
	if d.failed {
		return false, false, false
	}
	return b[0]&flagWithdrawal != 0, b[0]&flagExposed != 0, b[0]&flagTraced != 0
}
