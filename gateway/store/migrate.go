package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// A new format is one more line in migrations and a golden database of it in
// testdata, made by the program that is released with it: see TestMakeGolden.

// migration turns the rows of one format into those of the next, in one
// transaction. It changes only what the new format has otherwise: what it puts
// and deletes is held in memory until it is committed.
type migration func(*txn) error

// migrations are in order: the first is from format 1 to format 2.
func migrations() []migration {
	return []migration{
		func(*txn) error { return nil }, // queues have rows of several messages, which format 1 does not know
		func(*txn) error { return nil }, // what was shown is in blocks and confirmed by sequence, own offers have compact rows: format 2 does not know these
		func(*txn) error { return nil }, // what is about persons is sealed, also in queues: format 3 would send it so
	}
}

// Migrated says that opening a database brought it from an older format to the
// present one. The file as it was is kept, for good, under the name KeptAs.
type Migrated struct {
	From, To uint64
	KeptAs   string
}

// Migrated tells what Open did; the zero value if there was nothing to do.
func (s *Store) Migrated() Migrated { return s.migrated }

// prepare writes the format into a new database, brings that of an old one up to
// date, and refuses a later one.
func (s *Store) prepare(ctx context.Context, steps []migration) error {
	version, err := s.start(ctx, uint64(len(steps)+1))
	if err != nil {
		return err
	}
	if from, to := version, uint64(len(steps)+1); from < to {
		kept, err := s.keepCopy(ctx, from)
		if err != nil {
			return fmt.Errorf("keep the database as it is: %w", diskError(err))
		}
		for ; version < to; version++ {
			if err := s.migrate(ctx, version, steps[version-1]); err != nil {
				return fmt.Errorf("migrate the database from format %d, which is kept as %s: %w", version, kept, err)
			}
		}
		s.migrated = Migrated{From: from, To: to, KeptAs: kept}
	}
	return s.view(ctx, func(r reader) error {
		incarnation, err := getUint(r, keyIncarnation())
		if err != nil {
			return err
		}
		highest, err := getUint(r, keyHighest())
		if err != nil {
			return err
		}
		life, err := readLife(r)
		s.incarnation.Store(incarnation)
		s.life.Store(&life)
		s.highest.Store(int64(highest))
		return err
	})
}

// start gives the format of the database, which it writes into a new one.
func (s *Store) start(ctx context.Context, newest uint64) (version uint64, err error) {
	err = s.engine.update(ctx, false, func(r reader) (batch, error) {
		o := overlay{reader: r, changes: batch{}}
		if version, err = getUint(&o, keyFormat()); err != nil {
			return nil, err
		}
		if version > newest {
			return nil, gateway.Wrap(gateway.Conflict, ErrFormat, fmt.Sprintf(
				"the database has format %d and this program knows %d: run the newer program, or restore the backup from before it", version, newest))
		}
		if version == 0 {
			version = newest
			o.put(table{name: tableMeta}, keyFormat(), binary.AppendUvarint(nil, newest))
			o.put(table{name: tableMeta}, keyIncarnation(), binary.AppendUvarint(nil, uint64(time.Now().Unix())))
		}
		return o.changes, nil
	})
	return version, err
}

// migrate takes one step. Whatever ends it leaves the format from before it.
func (s *Store) migrate(ctx context.Context, from uint64, step migration) error {
	return s.engine.update(ctx, false, func(r reader) (batch, error) {
		t, err := newTxn(r, time.Time{}, &rooms{}) // at the time of the last transaction
		if err != nil {
			return nil, err
		}
		if err := step(t); err != nil {
			return nil, err
		}
		t.putUint(keyFormat(), from+1)
		if err := t.record(journal.Entry{Kind: journal.KindMigrated, Count: int(from + 1)}); err != nil {
			return nil, err
		}
		return t.finish()
	})
}

// keepCopy makes a copy of the file beside it, unless it is one that is thrown
// away or replaced anyway.
func (s *Store) keepCopy(ctx context.Context, version uint64) (name string, err error) {
	path := s.engine.path()
	if s.uncopied {
		return path, nil
	}
	if name, err = s.keptBefore(ctx, version); name != "" || err != nil {
		return name, err
	}
	base := fmt.Sprintf("%s.format%d-%s", path, version, time.Now().UTC().Format("20060102T150405Z"))
	name = base
	for n := 1; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
	if err := s.engine.snapshot(ctx, snapshotFile(path)); err != nil {
		return "", errors.Join(err, removeFile(snapshotFile(path)))
	}
	return name, errors.Join(os.Rename(snapshotFile(path), name), syncDir(filepath.Dir(path)))
}

// keptBefore finds the copy that an earlier attempt made, if nothing was written
// since: a start that fails is tried again and again, and would fill the disk. An
// older program that ran in between has journaled its start.
func (s *Store) keptBefore(ctx context.Context, version uint64) (name string, err error) {
	var now Remains
	if err := s.view(ctx, func(r reader) error {
		now, err = readRemains(r)
		return err
	}); err != nil {
		return "", err
	}
	names, err := filepath.Glob(fmt.Sprintf("%s.format%d-*", s.engine.path(), version))
	for _, name := range names {
		was, err := describe(name)
		if err == nil && was.Journal == now.Journal && was.Incarnation == now.Incarnation && was.Highest.Equal(now.Highest) {
			return name, nil
		}
	}
	return "", err
}
