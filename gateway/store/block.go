package store

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// What is kept by sequence, the messages of a queue and the answers to those that
// were confirmed, is kept in blocks: rows of a few entries that follow each other,
// as they came together. A block stands under a number that none of its entries
// exceeds and that all entries of the next exceed; so the block to look in for an
// entry is the first from its number on.

const (
	blockSize = 900  // bytes of entries at which a block is full: four or so fill a page
	blockMark = 0xff // what a block begins with; a row that does not is one entry under its own number
)

// codec is how the entries of one kind of block are written. What it appends
// never begins with blockMark.
type codec[E any] struct {
	size     func(*E) int // at least that of what is appended
	appendTo func(*E, []byte) []byte
	decode   func(table, []byte) (E, error)
}

func entryCodec() codec[entry] {
	return codec[entry]{(*entry).size, (*entry).appendTo, decodeEntry}
}

func answerCodec() codec[answer] {
	return codec[answer]{(*answer).size, (*answer).appendTo, decodeAnswer}
}

// numbered is an entry with its sequence.
type numbered[E any] struct {
	sequence uint64
	entry    E
}

func (c codec[E]) encodeBlock(key uint64, entries []numbered[E]) []byte {
	if len(entries) == 1 && entries[0].sequence == key {
		return c.appendTo(&entries[0].entry, make([]byte, 0, c.size(&entries[0].entry)))
	}
	size := 1
	for i := range entries {
		size += 2*binary.MaxVarintLen64 + c.size(&entries[i].entry)
	}
	b := append(make([]byte, 0, size), blockMark)
	one := make([]byte, 0, 256)
	for i := range entries {
		one = c.appendTo(&entries[i].entry, one[:0])
		b = binary.AppendUvarint(b, key-entries[i].sequence)
		b = appendBytes(b, one)
	}
	return b
}

func (c codec[E]) decodeBlock(in table, key, value []byte) ([]numbered[E], error) {
	last := sequenceOf(key)
	if len(value) == 0 || value[0] != blockMark {
		e, err := c.decode(in, value)
		return []numbered[E]{{last, e}}, err
	}
	var all []numbered[E]
	for d := (decoder{b: value[1:]}); len(d.b) > 0; {
		one := numbered[E]{sequence: last - d.uint()}
		value := d.bytes()
		if err := d.err(in); err != nil {
			return nil, err
		}
		var err error
		if one.entry, err = c.decode(in, value); err != nil {
			return nil, err
		}
		if one.sequence > last || len(all) > 0 && one.sequence <= all[len(all)-1].sequence {
			return nil, corrupt(in, "the messages of a block are out of order")
		}
		all = append(all, one)
	}
	return all, nil
}

// eachEntry visits the entries of a queue in order. It does not see what the
// transaction of r has changed since it was last flushed.
func eachEntry(r reader, in table, visit func(sequence uint64, e *entry) (more bool, err error)) error {
	c := entryCodec()
	return r.ascend(in, nil, func(key, value []byte) (bool, error) {
		all, err := c.decodeBlock(in, key, value)
		for i := range all {
			if more, err := visit(all[i].sequence, &all[i].entry); err != nil || !more {
				return false, err
			}
		}
		return true, err
	})
}

// find looks for an entry in a table of blocks.
func (c codec[E]) find(r reader, in table, sequence uint64) (e E, ok bool, err error) {
	err = r.ascend(in, number(sequence), func(key, value []byte) (bool, error) {
		all, err := c.decodeBlock(in, key, value)
		if i, found := slices.BinarySearchFunc(all, sequence, bySequence[E]); found {
			e, ok = all[i].entry, true
		}
		return false, err
	})
	return e, ok, err
}

func bySequence[E any](n numbered[E], sequence uint64) int { return cmp.Compare(n.sequence, sequence) }

// block is one row, in a transaction.
type block[E any] struct {
	key     uint64
	low     uint64 // from here to key it is the block to look in
	entries []numbered[E]
	bytes   int  // of the entries that were appended
	stored  bool // there is a row of it
	changed bool // and it is not as here
}

// blocks are those of one table that a transaction has come across.
type blocks[E any] struct {
	codec[E]
	t      *txn
	in     table
	loaded []*block[E] // by key
	open   *block[E]   // the last, to which entries are appended; nil: to a new one
}

// queue is the queue of a table, out or held, of one party.
func (t *txn) queue(in table) *blocks[entry] {
	q := t.queues[in]
	if q == nil {
		q = &blocks[entry]{codec: entryCodec(), t: t, in: in}
		t.queues[in] = q
	}
	return q
}

// confirmed are the answers of a party to what its slots still take for under
// way.
func (t *txn) confirmed(peer gateway.OIN) *blocks[answer] {
	q := t.answers[peer]
	if q == nil {
		q = &blocks[answer]{codec: answerCodec(), t: t, in: table{tableConfirmed, peer}}
		t.answers[peer] = q
	}
	return q
}

// flush puts what has changed in blocks among the changes of tables.
func (t *txn) flush() {
	for _, q := range t.queues {
		q.flush()
	}
	for _, q := range t.answers {
		q.flush()
	}
}

func (q *blocks[E]) flush() {
	q.open = nil
	for _, b := range q.loaded {
		switch {
		case !b.changed:
			continue
		case len(b.entries) > 0:
			q.t.put(q.in, number(b.key), q.encodeBlock(b.key, b.entries))
			b.stored = true
		case b.stored:
			q.t.delete(q.in, number(b.key))
			b.stored = false
		}
		b.changed = false
	}
}

// look gives the block to look in for an entry; nil if all entries come before.
func (q *blocks[E]) look(sequence uint64) (*block[E], error) {
	i, _ := slices.BinarySearchFunc(q.loaded, sequence, func(b *block[E], s uint64) int { return cmp.Compare(b.key, s) })
	var next *block[E]
	if i < len(q.loaded) {
		next = q.loaded[i]
		if next.low <= sequence {
			return next, nil
		}
	}
	err := q.t.reader.ascend(q.in, number(sequence), func(key, value []byte) (bool, error) {
		if next != nil && next.key <= sequenceOf(key) {
			return false, nil
		}
		entries, err := q.decodeBlock(q.in, key, value)
		next = &block[E]{key: sequenceOf(key), entries: entries, stored: true}
		q.loaded = slices.Insert(q.loaded, i, next)
		if len(entries) > 0 {
			sequence = min(sequence, entries[0].sequence)
		}
		return false, err
	})
	if next != nil {
		next.low = sequence
	}
	return next, err
}

// at gives the block and the place in it of an entry; nil if it is not there.
func (q *blocks[E]) at(sequence uint64) (b *block[E], i int, err error) {
	if b, err = q.look(sequence); err != nil || b == nil {
		return nil, 0, err
	}
	i, ok := slices.BinarySearchFunc(b.entries, sequence, bySequence[E])
	if !ok {
		return nil, 0, nil
	}
	return b, i, nil
}

// get gives an entry; false if it is not in the queue.
func (q *blocks[E]) get(sequence uint64) (e E, ok bool, err error) {
	b, i, err := q.at(sequence)
	if err != nil || b == nil {
		return e, false, err
	}
	return b.entries[i].entry, true, nil
}

// put replaces an entry, or adds it in its place.
func (q *blocks[E]) put(sequence uint64, e E) error {
	q.open = nil
	b, err := q.look(sequence)
	if err != nil {
		return err
	}
	if b == nil {
		q.loaded = append(q.loaded, &block[E]{key: sequence, low: sequence, entries: []numbered[E]{{sequence, e}}, changed: true})
		return nil
	}
	b.changed = true
	i, ok := slices.BinarySearchFunc(b.entries, sequence, bySequence[E])
	if ok {
		b.entries[i].entry = e
		return nil
	}
	if sequence == b.key {
		b.entries = append(b.entries, numbered[E]{sequence, e})
		return nil
	}
	// A new block takes what comes before, so that none ever grows.
	first := &block[E]{key: sequence, low: b.low, entries: append(slices.Clone(b.entries[:i]), numbered[E]{sequence, e}), changed: true}
	b.entries, b.low = b.entries[i:], sequence+1
	at := slices.Index(q.loaded, b)
	q.loaded = slices.Insert(q.loaded, at, first)
	return nil
}

// remove takes an entry away that is there.
func (q *blocks[E]) remove(sequence uint64) error {
	b, i, err := q.at(sequence)
	if err != nil || b == nil {
		return err
	}
	b.entries, b.changed = slices.Delete(b.entries, i, i+1), true
	return nil
}

// add puts an entry in its place. Entries that come one after another, after all
// others, share blocks.
func (q *blocks[E]) add(sequence uint64, e E) error {
	last := q.open != nil && q.open.key < sequence
	if !last {
		b, err := q.look(sequence)
		if err != nil {
			return err
		}
		last = b == nil
	}
	if !last {
		return q.put(sequence, e)
	}
	q.append(sequence, e)
	return nil
}

// append adds an entry after all others.
func (q *blocks[E]) append(sequence uint64, e E) {
	b := q.open
	if b == nil || b.bytes+q.size(&e) > blockSize {
		b = &block[E]{low: sequence}
		q.open, q.loaded = b, append(q.loaded, b)
	}
	b.key, b.changed, b.bytes = sequence, true, b.bytes+q.size(&e)
	b.entries = append(b.entries, numbered[E]{sequence, e})
}
