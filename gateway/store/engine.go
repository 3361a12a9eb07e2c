package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"

	"github.com/doorstroom/doorstroom/gateway"
)

// table is one ordered key space. Tables that are kept per party carry its OIN.
type table struct {
	name  string
	party gateway.OIN
}

// reader is a consistent view of all tables. What it hands out belongs to the
// caller, unless it says that it is lent.
type reader interface {
	// get gives the value of a key, or nil.
	get(t table, key []byte) ([]byte, error)
	// seek gives the first row whose key does not come before from, or nil. It is
	// lent: the next seek in the same table may change it.
	seek(t table, from []byte) (key, value []byte, err error)
	// each visits the value, or nil, of each of some keys, which ascend. It costs
	// little where the keys lie together, and next to nothing beyond the end of
	// the table.
	each(t table, keys [][]byte, visit func(i int, value []byte) error) error
	// ascend visits the keys from from on, in order, until visit says it has
	// enough.
	ascend(t table, from []byte, visit func(key, value []byte) (more bool, err error)) error
	// pass visits all rows in order. They are lent: the next one may change them.
	pass(t table, visit func(key, value []byte) error) error
	// tables lists every table that was ever written, in order.
	tables() ([]table, error)
}

// engine is the seam between the transactions of this package and what keeps
// them. An engine has one writer; it is safe for concurrent use.
type engine interface {
	view(ctx context.Context, read func(reader) error) error
	// update runs decide on a view that includes everything decided before it
	// and answers when its batch is on disk. Operations that arrive together
	// may share a transaction: one that fails or panics leaves no trace and
	// does not harm the others. decide may run more than once. An operation
	// that grows the database is refused when it is nearly full, so that there
	// is room for those that empty it.
	update(ctx context.Context, grows bool, decide func(reader) (batch, error)) error
	usage() Usage
	path() string
	// snapshot writes the whole database, as it is at one moment, to a file.
	snapshot(ctx context.Context, to string) error
	// compact makes the file as small as what is in it, while it is used.
	compact(ctx context.Context) error
	close() error
}

const checksumSize = 4

// seed is where the checksums of a table's rows start: a value in the wrong
// table is as bad as a wrong value.
func (t table) seed() uint32 {
	return crc32.Checksum([]byte(t.name+"/"+string(t.party)), castagnoli())
}

// appendFrame appends a value after a checksum over table, key and value: the
// pages of the file have none.
func appendFrame(to []byte, seed uint32, key, value []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, checksum(seed, key, value))
	return append(to, value...)
}

// unframe gives the value in a frame, which is never nil.
func unframe(t table, seed uint32, key, framed []byte) ([]byte, error) {
	if len(framed) < checksumSize || binary.BigEndian.Uint32(framed) != checksum(seed, key, framed[checksumSize:]) {
		return nil, corrupt(t, "a checksum does not match")
	}
	return framed[checksumSize:], nil
}

func checksum(seed uint32, key, value []byte) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli(), key), castagnoli(), value) ^ uint32(len(key))
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// overlay is a reader that sees its own writes before they are stored.
type overlay struct {
	reader
	changes batch
}

// put keeps key and value.
func (o *overlay) put(t table, key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	o.change(t, key, value)
}

func (o *overlay) delete(t table, key []byte) { o.change(t, key, nil) }

func (o *overlay) change(t table, key, value []byte) { o.changes.rows(t).set(key, value) }

func (o *overlay) get(t table, key []byte) ([]byte, error) {
	if value, ok := o.changes[t].get(key); ok {
		return bytes.Clone(value), nil
	}
	return o.reader.get(t, key)
}

func (o *overlay) seek(t table, from []byte) (key, value []byte, err error) {
	err = o.ascend(t, from, func(k, v []byte) (bool, error) {
		key, value = k, v
		return false, nil
	})
	return key, value, err
}

func (o *overlay) each(t table, keys [][]byte, visit func(i int, value []byte) error) error {
	return o.reader.each(t, keys, func(i int, value []byte) error {
		if changed, ok := o.changes[t].get(keys[i]); ok {
			value = bytes.Clone(changed)
		}
		return visit(i, value)
	})
}

func (o *overlay) pass(t table, visit func(key, value []byte) error) error {
	return o.ascend(t, nil, func(key, value []byte) (bool, error) { return true, visit(key, value) })
}

func (o *overlay) ascend(t table, from []byte, visit func(key, value []byte) (bool, error)) error {
	changed := o.changes[t].from(from)
	more := true
	// visitBefore visits the changed keys that come before key, or all.
	visitBefore := func(key []byte) (err error) {
		for more && len(changed) > 0 && (key == nil || bytes.Compare(changed[0].key, key) < 0) {
			if value := changed[0].value; value != nil {
				more, err = visit(bytes.Clone(changed[0].key), bytes.Clone(value))
			}
			changed = changed[1:]
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := o.reader.ascend(t, from, func(key, value []byte) (bool, error) {
		if err := visitBefore(key); err != nil || !more {
			return false, err
		}
		if len(changed) > 0 && bytes.Equal(changed[0].key, key) {
			value = bytes.Clone(changed[0].value)
			if changed = changed[1:]; value == nil {
				return true, nil
			}
		}
		var err error
		more, err = visit(key, value)
		return more, err
	})
	if err != nil || !more {
		return err
	}
	return visitBefore(nil)
}
