package store

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway/journal"
)

// The index of the journal is a table beside it that can be thrown away: a row
// for each block of indexBlock entries, made once the block is full and never in
// the transaction that appends. A row says of each thing that can be searched
// for, by a short hash of it, in which entries of the block it is; what the hash
// finds is compared with the entry itself.
const indexBlock = 1024

func keyIndexed() []byte { return []byte("journal-indexed") } // blocks that have a row

// A term is one thing that entries can be searched for.
type term uint32

// Dimensions of terms.
const (
	byParty byte = iota
	byField
	byRule
	byKind
	byOutcome
	byMessage
	byPolicy
)

func termOf(dimension byte, value string) term {
	h := fnv.New32a()
	_, _ = h.Write([]byte{dimension})
	_, _ = h.Write([]byte(value))
	return term(h.Sum32())
}

// PolicyPrefix is how much of the version of a policy a search must be given.
const PolicyPrefix = 12

// eachTerm visits what an entry can be found by; some more than once.
func eachTerm(e *journal.Entry, visit func(term)) {
	put := func(dimension byte, value string) {
		if value != "" {
			visit(termOf(dimension, value))
		}
	}
	put(byKind, e.Kind)
	put(byParty, string(e.Party))
	put(byParty, string(e.Principal))
	for oin := range strings.FieldsSeq(e.Recipients) {
		put(byParty, oin)
	}
	for _, f := range e.Fields {
		put(byField, string(f))
	}
	put(byRule, e.Rule)
	for _, r := range e.Rules {
		put(byRule, r)
	}
	put(byOutcome, e.Outcome)
	put(byOutcome, string(e.Reason))
	put(byMessage, e.Message)
	put(byPolicy, e.Policy[:min(PolicyPrefix, len(e.Policy))])
}

// places are entries of one block, a bit for each.
type places [indexBlock / 8]byte

func (p *places) set(i int)      { p[i/8] |= 1 << (i % 8) }
func (p *places) has(i int) bool { return p[i/8]&(1<<(i%8)) != 0 }

func (p *places) and(q *places) {
	for i := range p {
		p[i] &= q[i]
	}
}

// listed is the number of places up to which they are written one by one.
const listed = len(places{}) / 2

// encodeIndex writes, in the order of the terms, each with its number of places,
// and after them the places: two bytes each, or all as bits.
func encodeIndex(found map[term][]uint16) []byte {
	terms := slices.Sorted(maps.Keys(found))
	b := binary.AppendUvarint(make([]byte, 0, 16*len(terms)), uint64(len(terms)))
	for _, t := range terms {
		b = binary.BigEndian.AppendUint32(b, uint32(t))
		b = binary.BigEndian.AppendUint16(b, uint16(len(found[t])))
	}
	for _, t := range terms {
		if at := found[t]; len(at) <= listed {
			for _, i := range at {
				b = binary.BigEndian.AppendUint16(b, i)
			}
			continue
		}
		var all places
		for _, i := range found[t] {
			all.set(int(i))
		}
		b = append(b, all[:]...)
	}
	return b
}

// lookUp finds the places of a term in a row of the index.
func lookUp(row []byte, want term) (at places, err error) {
	damaged := corrupt(table{name: tableJournalIndex}, "a row cannot be read")
	n, size := binary.Uvarint(row)
	if size <= 0 || n > uint64(len(row))/6 {
		return at, damaged
	}
	heads, rest := row[size:size+6*int(n)], row[size+6*int(n):]
	offset := 0
	for ; len(heads) > 0; heads = heads[6:] {
		count := int(binary.BigEndian.Uint16(heads[4:]))
		width := 2 * count
		if count > listed {
			width = len(at)
		}
		if t := term(binary.BigEndian.Uint32(heads)); t != want {
			if offset += width; t > want {
				return at, nil
			}
			continue
		}
		if offset+width > len(rest) {
			return at, damaged
		}
		if count > listed {
			return places(rest[offset:]), nil
		}
		for i := range count {
			place := binary.BigEndian.Uint16(rest[offset+2*i:])
			if place >= indexBlock {
				return at, damaged
			}
			at.set(int(place))
		}
		return at, nil
	}
	return at, nil
}

// blocksPerWrite bounds a transaction of IndexJournal.
const blocksPerWrite = 16

// IndexJournal makes the rows of the index of the blocks that are full, a few in
// each transaction, and gives their number. Nothing is entered in the journal: it
// tells nothing that the journal does not.
func (s *Store) IndexJournal(ctx context.Context, now time.Time) (n int, err error) {
	for {
		first, rows, err := s.unindexed(ctx)
		if err != nil || len(rows) == 0 {
			return n, err
		}
		err = s.update(ctx, now, func(t *txn) error {
			indexed, err := getUint(t, keyIndexed())
			if err != nil || indexed != first {
				return err // somebody else was first
			}
			for i, row := range rows {
				t.put(table{name: tableJournalIndex}, number(first+uint64(i)), row)
			}
			t.putUint(keyIndexed(), first+uint64(len(rows)))
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(rows)
	}
}

// unindexed makes the next rows, each from one view of the database.
func (s *Store) unindexed(ctx context.Context) (first uint64, rows [][]byte, err error) {
	var size uint64
	err = s.view(ctx, func(r reader) error {
		if first, err = getUint(r, keyIndexed()); err != nil {
			return err
		}
		size, err = getUint(r, keyJournal())
		return err
	})
	for block := first; err == nil && (block+1)*indexBlock <= size && len(rows) < blocksPerWrite; block++ {
		found := map[term][]uint16{}
		err = s.view(ctx, func(r reader) error {
			clear(found)
			return eachEntry(r, block*indexBlock, indexBlock, func(i uint64, e *journal.Entry) (bool, error) {
				place := uint16(i - block*indexBlock)
				eachTerm(e, func(t term) {
					if at := found[t]; len(at) == 0 || at[len(at)-1] != place {
						found[t] = append(at, place)
					}
				})
				return true, nil
			})
		})
		rows = append(rows, encodeIndex(found))
	}
	return first, rows, err
}

// eachEntry visits the entries that are still there of at most n from a place on.
func eachEntry(r reader, from uint64, n int, visit func(uint64, *journal.Entry) (more bool, err error)) error {
	end := from + uint64(n)
	if n <= 0 {
		return nil
	}
	return r.ascend(table{name: tableJournal}, number(from), func(key, value []byte) (bool, error) {
		i := sequenceOf(key)
		if i >= end {
			return false, nil
		}
		e, ok, err := decodeEntryOf(value)
		if err != nil || !ok {
			return i+1 < end, err
		}
		more, err := visit(i, &e)
		return more && i+1 < end, err
	})
}

// decodeEntryOf reads the entry of a row of the journal; false if only its hashes
// are left.
func decodeEntryOf(value []byte) (e journal.Entry, ok bool, err error) {
	in := table{name: tableJournal}
	d := decoder{b: value}
	if n := d.take(1); !d.failed {
		d.take(32 * int(n[0]))
	}
	leaf := d.rest()
	if err := d.err(in); err != nil || len(leaf) == 0 {
		return e, false, err
	}
	return e, true, readJSON(in, leaf, &e)
}
