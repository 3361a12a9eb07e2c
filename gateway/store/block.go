package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// What there is very much of is kept in blocks, rows of a few entries that follow
// each other: the messages of a queue and the answers to those that were
// confirmed, by sequence, and the slots of capacities, by subject. A block stands
// under a key that none of its entries exceeds and that all entries of the next
// exceed; so the block to look in for an entry is the first from its key on.

const (
	oneMore = 256 // room for an entry that is tried for size

	blockSize = 900  // bytes at which a block is full: four or so fill a page
	blockMark = 0xfe // what a block begins with; one of format 2 begins with oldMark
	oldMark   = 0xff // and any other row is one entry under its own key
)

// keyed is an entry with its sequence or subject.
type keyed[K cmp.Ordered, E any] struct {
	key   K
	entry E
}

// codec is how one kind of block is written: each entry says in what it differs
// from the one before, the first from a zero entry.
type codec[K cmp.Ordered, E any] struct {
	size   int            // of an entry, about: to set memory aside
	row    func(K) []byte // key of the row
	key    func([]byte) K // of a row
	after  func(K) K      // the first key that exceeds this one
	append func(b []byte, before, one *keyed[K, E]) []byte
	decode func(d *decoder, before, one *keyed[K, E])               // one is zero
	old    func(in table, key, value []byte) ([]keyed[K, E], error) // a row from before format 3
}

// encodeBlock appends entries to b, which is empty.
func (c *codec[K, E]) encodeBlock(b []byte, entries []keyed[K, E]) []byte {
	b = append(b, blockMark)
	var before keyed[K, E]
	for i := range entries {
		b = c.append(b, &before, &entries[i])
		before = entries[i]
	}
	return b
}

// decodeBlock reads a row into all, which is empty, and keeps nothing of the row.
func (c *codec[K, E]) decodeBlock(in table, key, value []byte, all []keyed[K, E]) ([]keyed[K, E], error) {
	if len(value) == 0 || value[0] != blockMark {
		return c.old(in, key, bytes.Clone(value))
	}
	all = slices.Grow(all, 1+len(value)/c.size)
	before, last := new(keyed[K, E]), c.key(key)
	for d := (decoder{b: value[1:]}); len(d.b) > 0; {
		all = append(all, keyed[K, E]{})
		one := &all[len(all)-1]
		c.decode(&d, before, one)
		if err := d.err(in); err != nil {
			return nil, err
		}
		if one.key > last || len(all) > 1 && one.key <= before.key {
			return nil, corrupt(in, "the entries of a block are out of order")
		}
		before = one
	}
	return all, nil
}

// each visits the entries from a key on, in order; they are lent to visit. It does
// not see what the transaction of r has changed since it was last flushed.
func (c *codec[K, E]) each(r reader, in table, from []byte, visit func(key K, e *E) (more bool, err error)) error {
	first := c.key(from)
	var room []keyed[K, E]
	return r.ascend(in, from, func(key, value []byte) (bool, error) {
		all, err := c.decodeBlock(in, key, value, room[:0])
		room = all
		for i := range all {
			if all[i].key < first {
				continue
			}
			if more, err := visit(all[i].key, &all[i].entry); err != nil || !more {
				return false, err
			}
		}
		return true, err
	})
}

// eachOf visits each of some keys, which ascend, with its entry, which is lent, or
// nil. It sees what each does.
func (c *codec[K, E]) eachOf(r reader, in table, keys []K, visit func(i int, e *E) error) error {
	var all []keyed[K, E]
	last, ended := keys[0], false
	for i, key := range keys {
		if !ended && (i == 0 || last < key) {
			at, value, err := r.seek(in, c.row(key))
			if ended = at == nil; err == nil && !ended {
				last = c.key(at)
				all, err = c.decodeBlock(in, at, value, all[:0])
			}
			if err != nil {
				return err
			}
		}
		var found *E
		if n, ok := slices.BinarySearchFunc(all, key, byKey[K, E]); ok && !ended {
			found = &all[n].entry
		}
		if err := visit(i, found); err != nil {
			return err
		}
	}
	return nil
}

// find looks for an entry in a table of blocks.
func (c *codec[K, E]) find(r reader, in table, key K) (e E, ok bool, err error) {
	at, value, err := r.seek(in, c.row(key))
	if err != nil || at == nil {
		return e, false, err
	}
	all, err := c.decodeBlock(in, at, value, nil)
	if i, found := slices.BinarySearchFunc(all, key, byKey[K, E]); found {
		e, ok = all[i].entry, true
	}
	return e, ok, err
}

func byKey[K cmp.Ordered, E any](e keyed[K, E], key K) int { return cmp.Compare(e.key, key) }

// block is one row, in a transaction.
type block[K cmp.Ordered, E any] struct {
	key     K
	low     K             // from here to key it is the block to look in
	entries []keyed[K, E] // nil if they stand in raw only
	raw     []byte        // as it is written; nil if entries were changed since
	last    keyed[K, E]   // in raw, of a block that is appended to
	stored  bool          // there is a row of it
	changed bool          // and it is not as here
}

// change is to be told before entries are changed.
func (b *block[K, E]) change() { b.changed, b.raw = true, nil }

// blocks are those of one table that a transaction has come across.
type blocks[K cmp.Ordered, E any] struct {
	codec[K, E]
	t      *txn
	in     table
	loaded []*block[K, E] // by key
	open   *block[K, E]   // the last, to which entries are appended; nil: to a new one
	end    K              // no row that was there before is under this key, or a later one,
	ended  bool           // if this says so

	one, zero keyed[K, E] // room for append
}

// flush puts what has changed in blocks among the changes of tables.
func (t *txn) flush() {
	for _, q := range t.queues {
		q.flush()
	}
	for _, q := range t.answers {
		q.flush()
	}
	for _, q := range t.slots {
		q.flush()
	}
}

func (q *blocks[K, E]) flush() {
	q.open = nil
	q.t.changes.rows(q.in).grow(len(q.loaded))
	for _, b := range q.loaded {
		switch {
		case !b.changed:
			continue
		case b.raw != nil:
			q.t.put(q.in, q.row(b.key), b.raw)
			b.stored = true
		case len(b.entries) > 0:
			q.t.put(q.in, q.row(b.key), q.encodeBlock(q.t.room(blockSize+oneMore), b.entries))
			b.stored = true
		case b.stored:
			q.t.delete(q.in, q.row(b.key))
			b.stored = false
		}
		b.changed = false
	}
}

// look gives the block to look in for an entry; nil if all entries come before.
func (q *blocks[K, E]) look(key K) (*block[K, E], error) {
	if q.ended && q.end <= key && (len(q.loaded) == 0 || q.loaded[len(q.loaded)-1].key < key) {
		return nil, nil
	}
	i, _ := slices.BinarySearchFunc(q.loaded, key, func(b *block[K, E], k K) int { return cmp.Compare(b.key, k) })
	var next *block[K, E]
	if i < len(q.loaded) {
		next = q.loaded[i]
		if next.low <= key {
			return next, q.read(next)
		}
	}
	if q.ended && q.end <= key {
		return next, q.lower(next, key)
	}
	at, value, err := q.t.reader.seek(q.in, q.row(key))
	switch {
	case err != nil:
		return nil, err
	case at == nil && (!q.ended || key < q.end):
		q.end, q.ended = key, true
	case at != nil && (next == nil || q.key(at) < next.key):
		entries, err := q.decodeBlock(q.in, at, value, nil)
		if err != nil {
			return nil, err
		}
		next = &block[K, E]{key: q.key(at), low: key, entries: entries, stored: true}
		q.loaded = slices.Insert(q.loaded, i, next)
		if len(entries) > 0 {
			next.low = min(key, entries[0].key)
		}
	}
	return next, q.lower(next, key)
}

// lower notes that a block, if there is one, is that to look in from a key on.
func (q *blocks[K, E]) lower(b *block[K, E], key K) error {
	if b == nil {
		return nil
	}
	b.low = min(b.low, key)
	return q.read(b)
}

// read makes the entries of a block known.
func (q *blocks[K, E]) read(b *block[K, E]) (err error) {
	if b.entries == nil && b.raw != nil {
		b.entries, err = q.decodeBlock(q.in, q.row(b.key), b.raw, nil)
	}
	return err
}

// at gives the block and the place in it of an entry; nil if it is not there.
func (q *blocks[K, E]) at(key K) (b *block[K, E], i int, err error) {
	if b, err = q.look(key); err != nil || b == nil {
		return nil, 0, err
	}
	i, ok := slices.BinarySearchFunc(b.entries, key, byKey[K, E])
	if !ok {
		return nil, 0, nil
	}
	return b, i, nil
}

// get gives an entry; false if it is not there.
func (q *blocks[K, E]) get(key K) (e E, ok bool, err error) {
	b, i, err := q.at(key)
	if err != nil || b == nil {
		return e, false, err
	}
	return b.entries[i].entry, true, nil
}

// put replaces an entry, or adds it in its place. Entries that come one after
// another, after all others, share blocks.
func (q *blocks[K, E]) put(key K, e E) error {
	if q.open != nil && q.open.key < key {
		q.append(key, e)
		return nil
	}
	b, err := q.look(key)
	if err != nil {
		return err
	}
	if b == nil {
		q.append(key, e)
		return nil
	}
	b.change()
	i, ok := slices.BinarySearchFunc(b.entries, key, byKey[K, E])
	if ok {
		b.entries[i].entry = e
		return nil
	}
	b.entries = slices.Insert(b.entries, i, keyed[K, E]{key, e})
	q.split(b)
	return nil
}

// split makes two blocks of one that has grown too large.
func (q *blocks[K, E]) split(b *block[K, E]) {
	half := len(b.entries) / 2
	if half == 0 || len(q.encodeBlock(nil, b.entries)) <= blockSize {
		return
	}
	last := b.entries[half-1].key
	first := &block[K, E]{key: last, low: b.low, entries: slices.Clone(b.entries[:half]), changed: true}
	b.entries, b.low = b.entries[half:], q.after(last)
	q.loaded = slices.Insert(q.loaded, slices.Index(q.loaded, b), first)
}

// remove takes an entry away that is there.
func (q *blocks[K, E]) remove(key K) error {
	b, i, err := q.at(key)
	if err != nil || b == nil {
		return err
	}
	b.change()
	b.entries = slices.Delete(b.entries, i, i+1)
	return nil
}

// append adds an entry after all others.
func (q *blocks[K, E]) append(key K, e E) {
	q.one = keyed[K, E]{key, e}
	if b := q.open; b != nil && b.raw != nil {
		if longer := q.codec.append(b.raw, &b.last, &q.one); len(longer) <= blockSize {
			b.key, b.raw, b.entries, b.last = key, longer, nil, q.one
			return
		}
	}
	b := &block[K, E]{key: key, low: key, last: q.one, changed: true}
	b.raw = q.codec.append(append(q.t.room(blockSize+oneMore), blockMark), &q.zero, &q.one)
	q.open, q.loaded = b, append(q.loaded, b)
}

// messageCodec is of the messages in a queue, by sequence.
func messageCodec() *codec[uint64, entry] {
	return &codec[uint64, entry]{
		size: 50, row: number, key: sequenceOf, after: func(n uint64) uint64 { return n + 1 },
		append: appendMessage, decode: decodeMessage, old: decodeOldMessages,
	}
}

func appendMessage(b []byte, before, one *keyed[uint64, entry]) []byte {
	return one.entry.appendAfter(binary.AppendUvarint(b, one.key-before.key), &before.entry)
}

func decodeMessage(d *decoder, before, one *keyed[uint64, entry]) {
	one.key = before.key + d.uint()
	one.entry.decodeAfter(d, &before.entry)
}

// decodeOldMessages reads one message, or the blocks of format 2, which count
// down to the key.
func decodeOldMessages(in table, key, value []byte) ([]keyed[uint64, entry], error) {
	last := sequenceOf(key)
	if len(value) == 0 || value[0] != oldMark {
		e, err := decodeEntry(in, value)
		return []keyed[uint64, entry]{{last, e}}, err
	}
	var all []keyed[uint64, entry]
	for d := (decoder{b: value[1:]}); len(d.b) > 0; {
		one := keyed[uint64, entry]{key: last - d.uint()}
		value := d.bytes()
		if err := d.err(in); err != nil {
			return nil, err
		}
		var err error
		if one.entry, err = decodeEntry(in, value); err != nil {
			return nil, err
		}
		if one.key > last || len(all) > 0 && one.key <= all[len(all)-1].key {
			return nil, corrupt(in, "the messages of a block are out of order")
		}
		all = append(all, one)
	}
	return all, nil
}

// answerCodec is of answers, by sequence.
func answerCodec() *codec[uint64, answer] {
	return &codec[uint64, answer]{
		size: 32, row: number, key: sequenceOf, after: func(n uint64) uint64 { return n + 1 },
		append: func(b []byte, before, one *keyed[uint64, answer]) []byte {
			return append(binary.AppendUvarint(b, one.key-before.key), one.entry.digest[:]...)
		},
		decode: func(d *decoder, before, one *keyed[uint64, answer]) {
			one.key = before.key + d.uint()
			copy(one.entry.digest[:], d.take(len(one.entry.digest)))
		},
		old: func(in table, _, _ []byte) ([]keyed[uint64, answer], error) {
			return nil, corrupt(in, "a row cannot be read")
		},
	}
}

// slotCodec is of the slots of capacities, by subject.
func slotCodec() *codec[string, slot] {
	return &codec[string, slot]{
		size: 80,
		row:  func(subject string) []byte { return []byte(subject) }, key: func(b []byte) string { return string(b) },
		after: func(subject string) string { return subject + "\x00" },
		append: func(b []byte, before, one *keyed[string, slot]) []byte {
			return one.entry.appendAfter(append(binary.AppendUvarint(b, uint64(len(one.key))), one.key...), &before.entry)
		},
		decode: func(d *decoder, before, one *keyed[string, slot]) {
			one.key = string(d.bytes())
			one.entry.decodeAfter(d, &before.entry)
		},
		old: func(in table, key, value []byte) ([]keyed[string, slot], error) {
			sl, err := decodeSlot(in, value)
			return []keyed[string, slot]{{string(key), sl}}, err
		},
	}
}

// eachMessage visits the messages of a queue in order.
func eachMessage(r reader, in table, visit func(sequence uint64, e *entry) (more bool, err error)) error {
	return messageCodec().each(r, in, number(0), visit)
}

// queue is the queue of a table, out or held, of one party.
func (t *txn) queue(in table) *blocks[uint64, entry] {
	q := t.queues[in]
	if q == nil {
		q = &blocks[uint64, entry]{codec: *messageCodec(), t: t, in: in}
		t.queues[in] = q
	}
	return q
}

// confirmed are the answers of a party to what its slots still take for under
// way.
func (t *txn) confirmed(in table) *blocks[uint64, answer] {
	q := t.answers[in]
	if q == nil {
		q = &blocks[uint64, answer]{codec: *answerCodec(), t: t, in: in}
		t.answers[in] = q
	}
	return q
}

// shown are the slots of the capacities of one party.
func (t *txn) shown(in table) *blocks[string, slot] {
	q := t.slots[in]
	if q == nil {
		q = &blocks[string, slot]{codec: *slotCodec(), t: t, in: in}
		t.slots[in] = q
	}
	return q
}
