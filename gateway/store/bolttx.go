package store

import (
	"bytes"
	"fmt"
	"math"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
)

// boltTx reads and writes in one transaction of bbolt. It finds each bucket once.
type boltTx struct {
	tx      *bbolt.Tx
	buckets map[table]*boltTable
	rooms   *rooms // for what is written; kept until the transaction has ended
}

type boltTable struct {
	*bbolt.Bucket
	name table
	seed uint32
	at   *bbolt.Cursor // of get and seek
	lent []byte        // what seek gave
}

func newBoltTx(tx *bbolt.Tx) *boltTx { return &boltTx{tx: tx, buckets: map[table]*boltTable{}} }

// bucket gives the bucket of a table, or nil.
func (x *boltTx) bucket(t table) *boltTable {
	if b := x.buckets[t]; b != nil {
		return b
	}
	found := x.tx.Bucket([]byte(t.name))
	if found != nil && t.party != "" {
		found = found.Bucket([]byte(t.party))
	}
	if found == nil {
		return nil
	}
	return x.keep(t, found)
}

func (x *boltTx) keep(t table, b *bbolt.Bucket) *boltTable {
	kept := &boltTable{Bucket: b, name: t, seed: t.seed()}
	x.buckets[t] = kept
	return kept
}

func (x *boltTx) makeBucket(t table) (*boltTable, error) {
	if b := x.bucket(t); b != nil {
		return b, nil
	}
	b, err := x.tx.CreateBucketIfNotExists([]byte(t.name))
	if err == nil && t.party != "" {
		b, err = b.CreateBucketIfNotExists([]byte(t.party))
	}
	if err != nil {
		return nil, err
	}
	return x.keep(t, b), nil
}

// unframe gives a copy of the framed value; nil of nil.
func (b *boltTable) unframe(key, framed []byte) ([]byte, error) {
	if framed == nil {
		return nil, nil
	}
	value, err := unframe(b.name, b.seed, key, framed)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(value)), value...), nil
}

// find gives the first row, still in its frame, whose key does not come before
// from.
func (b *boltTable) find(from []byte) (key, framed []byte) {
	if b.at == nil {
		b.at = b.Cursor()
	}
	return b.at.Seek(from)
}

func (x *boltTx) get(t table, key []byte) (value []byte, err error) {
	defer recoverCorrupt(&err, t)()
	b := x.bucket(t)
	if b == nil {
		return nil, nil
	}
	found, framed := b.find(key)
	if !bytes.Equal(found, key) {
		return nil, nil
	}
	return b.unframe(key, framed)
}

func (x *boltTx) seek(t table, from []byte) (key, value []byte, err error) {
	defer recoverCorrupt(&err, t)()
	b := x.bucket(t)
	if b == nil {
		return nil, nil, nil
	}
	found, framed := b.find(from)
	for found != nil && framed == nil { // a bucket
		found, framed = b.at.Next()
	}
	if found == nil {
		return nil, nil, nil
	}
	if value, err = unframe(b.name, b.seed, found, framed); err != nil {
		return nil, nil, err
	}
	b.lent = append(append(b.lent[:0], found...), value...)
	n := len(found)
	return b.lent[:n:n], b.lent[n:], nil
}

func (x *boltTx) each(t table, keys [][]byte, visit func(i int, value []byte) error) error {
	seek, err := x.seeker(t, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		var value []byte
		if seek != nil {
			if value, err = seek.value(key); err != nil {
				return err
			}
		}
		if err := visit(i, value); err != nil {
			return err
		}
	}
	return nil
}

// seeker finds ascending keys in a bucket.
type seeker struct {
	b           *boltTable
	c           *bbolt.Cursor
	key, framed []byte // where the cursor stands; a nil key is the end
	started     bool
}

// maxSteps is how far a seeker steps before it looks for a key from the top.
const maxSteps = 8

// seeker is nil if none of the keys can be there.
func (x *boltTx) seeker(t table, keys [][]byte) (s *seeker, err error) {
	defer recoverCorrupt(&err, t)()
	b := x.bucket(t)
	if b == nil || len(keys) == 0 {
		return nil, nil
	}
	c := b.Cursor()
	if last, _ := c.Last(); last == nil || bytes.Compare(last, keys[0]) < 0 {
		return nil, nil
	}
	return &seeker{b: b, c: c}, nil
}

// value leaves the cursor at the first key that does not come before this one.
func (s *seeker) value(key []byte) (value []byte, err error) {
	defer recoverCorrupt(&err, s.b.name)()
	for steps := 0; s.started && s.key != nil && steps < maxSteps && bytes.Compare(s.key, key) < 0; steps++ {
		s.key, s.framed = s.c.Next()
	}
	if !s.started || s.key != nil && bytes.Compare(s.key, key) < 0 {
		s.key, s.framed = s.c.Seek(key)
		s.started = true
	}
	if !bytes.Equal(s.key, key) {
		return nil, nil
	}
	return s.b.unframe(key, s.framed)
}

func (x *boltTx) ascend(t table, from []byte, visit func(key, value []byte) (bool, error)) error {
	return x.walk(t, from, func(key, value []byte) ([]byte, []byte) {
		return bytes.Clone(key), append(make([]byte, 0, len(value)), value...)
	}, visit)
}

func (x *boltTx) pass(t table, visit func(key, value []byte) error) error {
	room := []byte{}
	return x.walk(t, nil, func(key, value []byte) ([]byte, []byte) {
		room = append(append(room[:0], key...), value...)
		return room[:len(key):len(key)], room[len(key):]
	}, func(key, value []byte) (bool, error) { return true, visit(key, value) })
}

// walk visits copies of the rows from a key on.
func (x *boltTx) walk(t table, from []byte, copied func(key, value []byte) (k, v []byte), visit func(key, value []byte) (bool, error)) error {
	var b *boltTable
	var c *bbolt.Cursor
	// step is all that touches pages, so that a panic of visit is not mistaken
	// for a damaged page.
	step := func(first bool) (key, value []byte, err error) {
		defer recoverCorrupt(&err, t)()
		var framed []byte
		if first {
			if b = x.bucket(t); b == nil {
				return nil, nil, nil
			}
			c = b.Cursor()
			key, framed = c.Seek(from)
		} else {
			key, framed = c.Next()
		}
		if key == nil || framed == nil { // the end, or a bucket
			return key, nil, nil
		}
		if value, err = unframe(b.name, b.seed, key, framed); err == nil {
			key, value = copied(key, value)
		}
		return key, value, err
	}
	key, value, err := step(true)
	for ; err == nil && key != nil; key, value, err = step(false) {
		if value == nil {
			continue
		}
		if more, err := visit(key, value); err != nil || !more {
			return err
		}
	}
	return err
}

func (x *boltTx) tables() (all []table, err error) {
	defer recoverCorrupt(&err, table{name: "file"})()
	err = x.tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		all = append(all, table{name: string(name)})
		return b.ForEachBucket(func(party []byte) error {
			all = append(all, table{name: string(name), party: gateway.OIN(party)})
			return nil
		})
	})
	return all, err
}

// write gives the number of bytes written. After an error the transaction is of
// no use.
func (x *boltTx) write(changes batch) (n int, err error) {
	for _, t := range changes.tables() {
		if changes[t].len() == 0 {
			continue
		}
		b, err := x.makeBucket(t)
		if err != nil {
			return n, err
		}
		written, err := b.write(changes[t].from(nil), x.rooms)
		n += written
		if err != nil {
			return n, fmt.Errorf("write table %s: %w", t.name, err)
		}
	}
	return n, nil
}

// sparse and full are how full bbolt leaves the pages that it splits: sparse
// where keys come anywhere, full where they come at the end only.
const (
	sparse = bbolt.DefaultFillPercent
	full   = 0.95
)

func (b *boltTable) write(changes []row, rooms *rooms) (n int, err error) {
	b.FillPercent = sparse
	if appendOnly(b.name.name) || b.endsBefore(changes[0].key) {
		b.FillPercent = full
	}
	for _, r := range changes {
		n += len(r.key) + len(r.value)
		if r.value == nil {
			err = b.Delete(r.key)
		} else { // bbolt keeps the value until it commits
			err = b.Put(r.key, appendFrame(rooms.room(checksumSize+len(r.value)), b.seed, r.key, r.value))
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// endsBefore tells whether all keys of the bucket come before key.
func (b *boltTable) endsBefore(key []byte) bool {
	last, _ := b.Cursor().Last()
	return last != nil && bytes.Compare(last, key) < 0
}

// checkBatch refuses what bbolt would refuse half-way through a batch.
func checkBatch(changes batch) error {
	for _, all := range changes {
		for _, r := range all.sorted {
			if !storable(len(r.key), r.value) {
				return tooLong()
			}
		}
		for key, value := range all.loose {
			if !storable(len(key), value) {
				return tooLong()
			}
		}
	}
	return nil
}

func storable(key int, value []byte) bool {
	return key > 0 && key <= maxKey && len(value) <= math.MaxInt32-checksumSize
}

func tooLong() error { return gateway.Errorf(gateway.Invalid, "a key or value is too long to store") }
