package store

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"
	"sort"
)

// batch is everything one operation writes, by table.
type batch map[table]*rows

func (b batch) rows(t table) *rows {
	all := b[t]
	if all == nil {
		all = &rows{}
		b[t] = all
	}
	return all
}

func (b batch) empty() bool {
	for _, all := range b {
		if all.len() > 0 {
			return false
		}
	}
	return true
}

// rows are the changes of one table by key; nil as value deletes. Keys that come
// in ascending order, as those of a large publication do, need no map.
type rows struct {
	sorted []row             // ascending
	loose  map[string][]byte // keys that came out of order, none of which is in sorted
}

type row struct{ key, value []byte }

// grow makes room for n more keys that come in order.
func (r *rows) grow(n int) { r.sorted = slices.Grow(r.sorted, n) }

// set keeps key and value.
func (r *rows) set(key, value []byte) {
	if n := len(r.sorted); n == 0 || bytes.Compare(r.sorted[n-1].key, key) < 0 {
		r.sorted = append(r.sorted, row{key, value})
		return
	}
	if i, ok := r.find(key); ok {
		r.sorted[i].value = value
		return
	}
	if r.loose == nil {
		r.loose = map[string][]byte{}
	}
	r.loose[string(key)] = value
}

// get gives the value that was set; a nil value with ok is a deletion.
func (r *rows) get(key []byte) (value []byte, ok bool) {
	if r == nil {
		return nil, false
	}
	if i, ok := r.find(key); ok {
		return r.sorted[i].value, true
	}
	value, ok = r.loose[string(key)]
	return value, ok
}

func (r *rows) find(key []byte) (int, bool) {
	if n := len(r.sorted); n == 0 || bytes.Compare(r.sorted[n-1].key, key) < 0 {
		return n, false
	}
	return sort.Find(len(r.sorted), func(i int) int { return bytes.Compare(key, r.sorted[i].key) })
}

func (r *rows) len() int { return len(r.sorted) + len(r.loose) }

// from gives the changes in the order of their keys, from a key on.
func (r *rows) from(key []byte) []row {
	if r == nil {
		return nil
	}
	all := r.sorted
	if len(r.loose) > 0 {
		all = slices.AppendSeq(slices.Clone(all), looseRows(r.loose))
		slices.SortFunc(all, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	start, _ := slices.BinarySearchFunc(all, key, func(r row, key []byte) int { return bytes.Compare(r.key, key) })
	return all[start:]
}

func looseRows(loose map[string][]byte) iter.Seq[row] {
	return func(yield func(row) bool) {
		for key, value := range loose {
			if !yield(row{[]byte(key), value}) {
				return
			}
		}
	}
}

// tables lists the tables of a batch in order.
func (b batch) tables() []table {
	return slices.SortedFunc(maps.Keys(b), func(x, y table) int {
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.party, y.party))
	})
}
