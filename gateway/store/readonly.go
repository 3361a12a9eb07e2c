package store

import (
	"context"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
)

// readOnly is a database that is looked at while no node runs on it. Nothing in
// the file changes, and no older format is brought up to date.
type readOnly struct{ db *bbolt.DB }

// OpenReadOnly opens a database to look at it. What writes is Denied.
func OpenReadOnly(path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, gateway.Wrap(gateway.NotFound, err, "this node has no database yet")
	}
	db, err := openDB(path, &bbolt.Options{Timeout: defaultLockTimeout, ReadOnly: true})
	if err != nil {
		return nil, openError(err)
	}
	s := &Store{engine: readOnly{db.db}, referrals: newIndex()}
	err = s.view(context.Background(), func(r reader) error {
		version, err := getUint(r, keyFormat())
		if err != nil {
			return err
		}
		if version > format {
			return gateway.Wrap(gateway.Conflict, ErrFormat, fmt.Sprintf("the database has format %d and this program knows %d: run the newer program", version, format))
		}
		life, err := readLife(r)
		if err != nil {
			return err
		}
		s.life.Store(&life)
		found, err := readRemains(r)
		s.incarnation.Store(found.Incarnation)
		if !found.Highest.IsZero() {
			s.highest.Store(found.Highest.UnixNano())
		}
		return err
	})
	if err != nil {
		_ = db.close()
		return nil, err
	}
	return s, nil
}

func (e readOnly) view(ctx context.Context, read func(reader) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer recoverCorrupt(&err, table{name: "file"})()
	return e.db.View(func(tx *bbolt.Tx) error { return read(newBoltTx(tx)) })
}

func (e readOnly) update(context.Context, bool, func(reader) (batch, error)) error {
	return gateway.Errorf(gateway.Denied, "the database is open for reading only")
}

func (e readOnly) snapshot(context.Context, string) error {
	return gateway.Errorf(gateway.Denied, "the database is open for reading only")
}

func (e readOnly) compact(context.Context) error {
	return gateway.Errorf(gateway.Denied, "the database is open for reading only")
}

func (e readOnly) path() string { return e.db.Path() }

func (e readOnly) usage() Usage {
	u := Usage{FreeBytes: -1} // not known without reading all of it
	if info, err := os.Stat(e.db.Path()); err == nil {
		u.FileBytes = info.Size()
	}
	return u
}

func (e readOnly) close() error { return e.db.Close() }
