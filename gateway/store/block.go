package store

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// The messages of a queue are kept in blocks: rows of a few entries that follow
// each other, as they were queued together. A block stands under a number that
// none of its entries exceeds and that all entries of the next exceed; so the
// block to look in for an entry is the first from its number on.

const (
	blockSize = 900  // bytes of entries at which a block is full: four or so fill a page
	blockMark = 0xff // what a block begins with; a row that does not is one entry under its own number
)

// numbered is an entry with its sequence.
type numbered struct {
	sequence uint64
	entry
}

func encodeBlock(key uint64, entries []numbered) []byte {
	if len(entries) == 1 && entries[0].sequence == key {
		return entries[0].encode()
	}
	size := 1
	for i := range entries {
		size += 2*binary.MaxVarintLen64 + entries[i].size()
	}
	b := append(make([]byte, 0, size), blockMark)
	one := make([]byte, 0, 256)
	for i := range entries {
		one = entries[i].appendTo(one[:0])
		b = binary.AppendUvarint(b, key-entries[i].sequence)
		b = appendBytes(b, one)
	}
	return b
}

func decodeBlock(in table, key, value []byte) ([]numbered, error) {
	last := sequenceOf(key)
	if len(value) == 0 || value[0] != blockMark {
		e, err := decodeEntry(in, value)
		return []numbered{{last, e}}, err
	}
	var all []numbered
	for d := (decoder{b: value[1:]}); len(d.b) > 0; {
		one := numbered{sequence: last - d.uint()}
		value := d.bytes()
		if err := d.err(in); err != nil {
			return nil, err
		}
		var err error
		if one.entry, err = decodeEntry(in, value); err != nil {
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
	return r.ascend(in, nil, func(key, value []byte) (bool, error) {
		all, err := decodeBlock(in, key, value)
		for i := range all {
			if more, err := visit(all[i].sequence, &all[i].entry); err != nil || !more {
				return false, err
			}
		}
		return true, err
	})
}

// findEntry looks for an entry in one queue.
func findEntry(r reader, in table, sequence uint64) (e entry, ok bool, err error) {
	err = r.ascend(in, number(sequence), func(key, value []byte) (bool, error) {
		all, err := decodeBlock(in, key, value)
		if i, found := slices.BinarySearchFunc(all, sequence, bySequence); found {
			e, ok = all[i].entry, true
		}
		return false, err
	})
	return e, ok, err
}

func bySequence(n numbered, sequence uint64) int { return cmp.Compare(n.sequence, sequence) }

// block is one row of a queue, in a transaction.
type block struct {
	key     uint64
	low     uint64 // from here to key it is the block to look in
	entries []numbered
	bytes   int  // of the entries that were appended
	stored  bool // there is a row of it
	changed bool // and it is not as here
}

// blocks are those of one queue that a transaction has come across.
type blocks struct {
	t      *txn
	in     table
	loaded []*block // by key
	open   *block   // to which entries are appended; nil: to a new one
}

// queue is the queue of a table, out or held, of one party.
func (t *txn) queue(in table) *blocks {
	q := t.queues[in]
	if q == nil {
		q = &blocks{t: t, in: in}
		t.queues[in] = q
	}
	return q
}

// flush puts what has changed in the queues among the changes of tables.
func (t *txn) flush() {
	for _, q := range t.queues {
		q.open = nil
		for _, b := range q.loaded {
			switch {
			case !b.changed:
				continue
			case len(b.entries) > 0:
				t.put(q.in, number(b.key), encodeBlock(b.key, b.entries))
				b.stored = true
			case b.stored:
				t.delete(q.in, number(b.key))
				b.stored = false
			}
			b.changed = false
		}
	}
}

// find gives the block to look in for an entry; nil if all entries come before.
func (q *blocks) find(sequence uint64) (*block, error) {
	i, _ := slices.BinarySearchFunc(q.loaded, sequence, func(b *block, s uint64) int { return cmp.Compare(b.key, s) })
	var next *block
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
		entries, err := decodeBlock(q.in, key, value)
		next = &block{key: sequenceOf(key), entries: entries, stored: true}
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
func (q *blocks) at(sequence uint64) (b *block, i int, err error) {
	if b, err = q.find(sequence); err != nil || b == nil {
		return nil, 0, err
	}
	i, ok := slices.BinarySearchFunc(b.entries, sequence, bySequence)
	if !ok {
		return nil, 0, nil
	}
	return b, i, nil
}

// get gives an entry; false if it is not in the queue.
func (q *blocks) get(sequence uint64) (entry, bool, error) {
	b, i, err := q.at(sequence)
	if err != nil || b == nil {
		return entry{}, false, err
	}
	return b.entries[i].entry, true, nil
}

// put replaces an entry, or adds it in its place.
func (q *blocks) put(sequence uint64, e entry) error {
	q.open = nil
	b, err := q.find(sequence)
	if err != nil {
		return err
	}
	if b == nil {
		q.loaded = append(q.loaded, &block{key: sequence, low: sequence, entries: []numbered{{sequence, e}}, changed: true})
		return nil
	}
	b.changed = true
	i, ok := slices.BinarySearchFunc(b.entries, sequence, bySequence)
	if ok {
		b.entries[i].entry = e
		return nil
	}
	if sequence == b.key {
		b.entries = append(b.entries, numbered{sequence, e})
		return nil
	}
	// A new block takes what comes before, so that none ever grows.
	first := &block{key: sequence, low: b.low, entries: append(slices.Clone(b.entries[:i]), numbered{sequence, e}), changed: true}
	b.entries, b.low = b.entries[i:], sequence+1
	at := slices.Index(q.loaded, b)
	q.loaded = slices.Insert(q.loaded, at, first)
	return nil
}

// remove takes an entry away that is there.
func (q *blocks) remove(sequence uint64) error {
	b, i, err := q.at(sequence)
	if err != nil || b == nil {
		return err
	}
	b.entries, b.changed = slices.Delete(b.entries, i, i+1), true
	return nil
}

// append adds an entry after all others.
func (q *blocks) append(sequence uint64, e entry) {
	b := q.open
	if b == nil || b.bytes+e.size() > blockSize {
		b = &block{low: sequence}
		q.open, q.loaded = b, append(q.loaded, b)
	}
	b.key, b.changed, b.bytes = sequence, true, b.bytes+e.size()
	b.entries = append(b.entries, numbered{sequence, e})
}
