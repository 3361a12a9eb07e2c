package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Compacting. The rows are copied to a new file beside the database, a few at a
// time, while transactions go on; the committer notes which rows these change,
// and those are copied again until few are left. Then the committer stops,
// copies the last, syncs the new file and renames it, so that there is one whole
// database under the name at any moment.

const (
	copyBytes   = 4 << 20 // copied in one transaction
	fewRows     = 1000    // that the committer copies itself
	maxTouched  = 1 << 20 // rows changed meanwhile, beyond which it is given up
	wasteful    = 64 << 20
	wastedShare = 60 // per cent
)

// Compacted is what compacting did.
type Compacted struct {
	At            time.Time
	Before, After int64 // bytes of the file
	Took          time.Duration
}

func keyCompacted() []byte { return []byte("last-compaction") }

// LastCompaction is what the last Compact did; false if there was none.
func (s *Store) LastCompaction(ctx context.Context) (did Compacted, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err = getJSON(r, table{name: tableMeta}, keyCompacted(), &did)
		return err
	})
	return did, ok, err
}

// Wasteful tells whether compacting is worth its while.
func (u Usage) Wasteful() bool {
	return u.FileBytes > wasteful && u.FreeBytes > u.FileBytes/100*wastedShare
}

// Compact gives the disk back what the database no longer needs, while it is in
// use. It takes as much room on the disk as is in use in the file, and is a
// Limit if there is not. While a backup is made it is a Conflict. A failure at
// any point leaves the database as it was.
func (s *Store) Compact(ctx context.Context, now time.Time) (did Compacted, err error) {
	if !s.backingUp.CompareAndSwap(false, true) {
		return did, gateway.Errorf(gateway.Conflict, "the database is being copied already")
	}
	defer s.backingUp.Store(false)
	began := time.Now()
	did.Before = s.Usage().FileBytes
	if err := s.engine.compact(ctx); err != nil {
		return did, fmt.Errorf("compact the database: %w", err)
	}
	did.After, did.Took = s.Usage().FileBytes, time.Since(began)
	err = s.update(ctx, now, func(t *txn) error {
		did.At = t.now
		t.put(table{name: tableMeta}, keyCompacted(), encodeJSON(did))
		return t.record(journal.Entry{Kind: journal.KindCompacted, Count: int(max(0, did.Before-did.After))})
	})
	return did, err
}

func compactedFile(path string) string { return path + ".compacted" }

// touched is which rows were changed; nil notes nothing.
type touched struct {
	rows map[table]map[string]bool
	n    int
}

func newTouched() *touched { return &touched{rows: map[table]map[string]bool{}} }

func (c *touched) add(changes batch) {
	if c == nil || c.n > maxTouched {
		return
	}
	for t, all := range changes {
		if c.rows[t] == nil {
			c.rows[t] = map[string]bool{}
		}
		for _, r := range all.sorted {
			c.rows[t][string(r.key)] = true
		}
		for key := range all.loose {
			c.rows[t][key] = true
		}
		c.n += all.len()
	}
}

// alone has the committer do something between two transactions.
func (e *boltEngine) alone(ctx context.Context, do func() error) error {
	answer := make(chan error, 1)
	select {
	case e.between <- func() { answer <- do() }:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	case <-e.quit:
		return errClosed()
	}
}

func (e *boltEngine) compact(ctx context.Context) (err error) {
	u := e.usage()
	if free, ok := diskFree(e.name); ok && free < u.FileBytes-u.FreeBytes {
		return gateway.Errorf(gateway.Limit, "there is not enough room on the disk to compact the database")
	}
	name := compactedFile(e.name)
	if err := removeFile(name); err != nil {
		return err
	}
	to, err := openDB(name, &bbolt.Options{
		Timeout: defaultLockTimeout, NoSync: true, NoGrowSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return writeError(err)
	}
	swapped := false
	defer func() {
		if !swapped {
			err = errors.Join(err, to.close(), removeFile(name))
		}
	}()
	if err := e.alone(ctx, func() error { e.touched = newTouched(); return nil }); err != nil {
		return err
	}
	defer func() {
		_ = e.alone(context.WithoutCancel(ctx), func() error { e.touched = nil; return nil })
	}()
	if err := e.copyAll(ctx, to); err != nil {
		return err
	}
	for !swapped {
		var again *touched
		err := e.alone(ctx, func() (err error) {
			if again = e.touched; again.n <= fewRows {
				swapped, err = e.swap(ctx, to, again)
				return err
			}
			e.touched = newTouched()
			return nil
		})
		if err == nil && !swapped {
			err = e.copyTouched(ctx, to, again)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// swap puts the new file in the place of the old one. The committer runs it. It
// tells whether that happened: an error may come after it.
func (e *boltEngine) swap(ctx context.Context, to *dbFile, last *touched) (done bool, err error) {
	if err := e.ready(); err != nil {
		return false, err
	}
	if err := e.copyTouched(ctx, to, last); err != nil {
		return false, err
	}
	if err := sameEdges(e.file, to); err != nil {
		return false, err
	}
	to.sync, to.max, to.unreserved = e.file.sync, e.file.max, e.file.unreserved
	to.db.NoSync, to.db.NoGrowSync, to.db.MaxSize, to.db.AllocSize = e.file.db.NoSync, false, e.file.db.MaxSize, e.file.db.AllocSize
	if err := errors.Join(to.db.Sync(), e.faultAt("before-swap")); err != nil {
		return false, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := os.Rename(compactedFile(e.name), e.name); err != nil {
		return false, err
	}
	old := e.file
	e.file = to
	_ = old.close() // it has no name any more
	if err := syncDir(filepath.Dir(e.name)); err != nil {
		return true, e.giveUp(err) // which file comes back after a power cut is unknown
	}
	return true, e.faultAt("after-swap")
}

// sameEdges compares the first and the last row of every table: cheap proof that
// none was passed over.
func sameEdges(a, b *dbFile) (err error) {
	defer recoverCorrupt(&err, table{name: "file"})()
	return a.db.View(func(from *bbolt.Tx) error {
		return b.db.View(func(to *bbolt.Tx) error {
			x, y := newBoltTx(from), newBoltTx(to)
			tables, err := x.tables()
			for _, t := range tables {
				for _, move := range []func(*bbolt.Cursor) ([]byte, []byte){(*bbolt.Cursor).First, (*bbolt.Cursor).Last} {
					key, framed := move(x.bucket(t).Cursor())
					if framed == nil { // empty, or the buckets of parties
						continue
					}
					var copied []byte
					if b := y.bucket(t); b != nil {
						copied = b.Get(key)
					}
					if !bytes.Equal(copied, framed) {
						return gateway.Errorf(gateway.Internal, "the compacted database lacks rows and was thrown away")
					}
				}
			}
			return err
		})
	})
}

// rawRow is a row with its checksum before the value.
type rawRow struct{ key, framed []byte }

// copyAll copies every table.
func (e *boltEngine) copyAll(ctx context.Context, to *dbFile) error {
	var tables []table
	err := e.view(ctx, func(r reader) (err error) {
		tables, err = r.tables()
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		var from []byte
		for more := true; more && err == nil; {
			var some []rawRow
			err = e.view(ctx, func(r reader) (err error) {
				some, more, err = r.(*boltTx).raw(t, from, copyBytes)
				return err
			})
			if err == nil && len(some) > 0 {
				from = append(bytes.Clone(some[len(some)-1].key), 0)
				err = to.putRaw(t, some)
			}
		}
		if err != nil {
			return err
		}
	}
	return to.db.Sync() // so that little is left to sync while others wait
}

// raw gives rows from a key on until they are so many bytes.
func (x *boltTx) raw(t table, from []byte, limit int) (all []rawRow, more bool, err error) {
	defer recoverCorrupt(&err, t)()
	b := x.bucket(t)
	if b == nil {
		return nil, false, nil
	}
	c, n := b.Cursor(), 0
	for key, framed := c.Seek(from); key != nil; key, framed = c.Next() {
		if framed == nil {
			continue // the bucket of a party
		}
		if n > limit {
			return all, true, nil
		}
		all = append(all, rawRow{bytes.Clone(key), bytes.Clone(framed)})
		n += len(key) + len(framed)
	}
	return all, false, nil
}

// copyTouched copies again what was changed meanwhile.
func (e *boltEngine) copyTouched(ctx context.Context, to *dbFile, changed *touched) error {
	if changed.n > maxTouched {
		return gateway.Errorf(gateway.Unavailable, "too much changes at this moment to compact the database")
	}
	for t, keys := range changed.rows {
		sorted := make([]string, 0, len(keys))
		for key := range keys {
			sorted = append(sorted, key)
		}
		slices.Sort(sorted)
		for some := range slices.Chunk(sorted, fewRows) {
			var rows []rawRow
			err := e.view(ctx, func(r reader) (err error) {
				rows, err = r.(*boltTx).rawOf(t, some)
				return err
			})
			if err == nil {
				err = to.putRaw(t, rows)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rawOf gives the rows of some keys; one that is not there has no value.
func (x *boltTx) rawOf(t table, keys []string) (all []rawRow, err error) {
	defer recoverCorrupt(&err, t)()
	b := x.bucket(t)
	for _, key := range keys {
		one := rawRow{key: []byte(key)}
		if b != nil {
			one.framed = bytes.Clone(b.Get(one.key))
		}
		all = append(all, one)
	}
	return all, nil
}

// putRaw writes rows that are in order. A row without value is deleted.
func (f *dbFile) putRaw(t table, rows []rawRow) (err error) {
	defer recoverCorrupt(&err, t)()
	err = f.db.Update(func(tx *bbolt.Tx) error {
		b, err := newBoltTx(tx).makeBucket(t)
		if err != nil {
			return err
		}
		b.FillPercent = full
		for _, r := range rows {
			if r.framed == nil {
				err = b.Delete(r.key)
			} else {
				err = b.Put(r.key, r.framed)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return writeError(err)
	}
	return nil
}
