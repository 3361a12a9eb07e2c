package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/doorstroom/doorstroom/gateway"
)

const (
	defaultLockTimeout = time.Second
	maxGroup           = 512      // operations in one transaction
	maxGroupBytes      = 16 << 20 // written by one transaction, unless one operation writes more
	allocStep          = 16 << 20 // by which the file grows
	maxKey             = 1 << 10
)

// boltEngine keeps the tables in one bbolt file: a bucket per table name, and in
// it a bucket per party where the table has parties. One goroutine, the
// committer, writes: while a transaction is being synced the next operations
// collect, and then share one.
type boltEngine struct {
	db       *bbolt.DB
	limit    int64                    // bytes at which growing may stop; 0: none
	told     func(Commit)             // nil, or told of each transaction
	fault    func(point string) error // nil but in tests
	requests chan *request
	quit     chan struct{} // closed by close
	closing  sync.Once
	done     chan struct{} // closed when the committer has ended
	broken   error         // of the committer: nothing is written after a failed write
	commits  atomic.Uint64
}

type request struct {
	ctx    context.Context
	grows  bool
	decide func(reader) (batch, error)
	answer chan error // one answer, buffered
}

// openBolt opens or creates the file and starts the committer, which close
// waits for.
func openBolt(path string, opt Options) (e *boltEngine, err error) {
	timeout := opt.LockTimeout
	if timeout <= 0 {
		timeout = defaultLockTimeout
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, gateway.Wrap(gateway.Internal, err, "the database cannot be created")
		}
	} else if err := walk(path, timeout); err != nil {
		return nil, openError(err)
	}
	db, err := openFile(path, &bbolt.Options{
		Timeout: timeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, MaxSize: int(opt.MaxBytes), NoSync: opt.NoSync,
	})
	if err != nil {
		return nil, openError(err)
	}
	e = &boltEngine{
		db: db, limit: opt.MaxBytes / 4 * 3, told: opt.Committed, fault: opt.Fault,
		requests: make(chan *request), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if opt.MaxBytes > 0 {
		db.AllocSize = int(min(allocStep, opt.MaxBytes/16))
	}
	go e.run()
	return e, nil
}

// openFile is bbolt.Open, with a panic over a damaged file as an error and
// without leaving that file open and locked.
func openFile(path string, opt *bbolt.Options) (db *bbolt.DB, err error) {
	var file *os.File
	opt.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	defer func() {
		if err != nil && file != nil {
			_ = file.Close()
		}
	}()
	defer recoverCorrupt(&err, table{name: "file"})()
	return bbolt.Open(path, 0o600, opt)
}

// create makes an empty database under another name first, so that a power cut
// leaves either none or a whole one.
func create(path string) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openFile(fresh, &bbolt.Options{Timeout: defaultLockTimeout, NoFreelistSync: true})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// walk visits every page before bbolt does so in a goroutine of its own, where a
// panic over a damaged page could not be caught.
func walk(path string, timeout time.Duration) (err error) {
	db, err := openFile(path, &bbolt.Options{Timeout: timeout, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	defer recoverCorrupt(&err, table{name: "file"})()
	return db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return walkBucket(b) })
	})
}

func walkBucket(b *bbolt.Bucket) error {
	return b.ForEach(func(key, value []byte) error {
		if value == nil {
			return walkBucket(b.Bucket(key))
		}
		return nil
	})
}

func openError(err error) error {
	switch {
	case errors.Is(err, ErrCorrupt):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return gateway.Wrap(gateway.Unavailable, err, "the database is in use by another process")
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return gateway.Wrap(gateway.Internal, errors.Join(ErrCorrupt, err), "the database file is damaged: put back the last backup with doorstroom restore")
	}
	return gateway.Wrap(gateway.Internal, err, "the database cannot be opened")
}

// recoverCorrupt turns a panic over a damaged page, and a fault in the mapped
// file, into ErrCorrupt. Defer what it returns.
func recoverCorrupt(err *error, t table) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			*err = corrupt(t, fmt.Sprint(p))
		}
	}
}

func (e *boltEngine) view(ctx context.Context, read func(reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := e.db.View(func(tx *bbolt.Tx) error { return read(newBoltTx(tx)) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errClosed()
	}
	return err
}

func (e *boltEngine) update(ctx context.Context, grows bool, decide func(reader) (batch, error)) error {
	r := &request{ctx: ctx, grows: grows, decide: decide, answer: make(chan error, 1)}
	select {
	case e.requests <- r:
		return <-r.answer // it is soon done, and only then is it known whether it took effect
	case <-ctx.Done():
		return ctx.Err()
	case <-e.quit:
		return errClosed()
	}
}

func (e *boltEngine) close() error {
	e.closing.Do(func() { close(e.quit) })
	<-e.done
	return e.db.Close()
}

func (e *boltEngine) freeBytes() int64 {
	stats := e.db.Stats()
	return int64(stats.FreePageN+stats.PendingPageN) * int64(e.db.Info().PageSize)
}

func (e *boltEngine) usage() Usage {
	u := Usage{FreeBytes: e.freeBytes(), MaxBytes: int64(e.db.MaxSize), Commits: e.commits.Load()}
	if info, err := os.Stat(e.db.Path()); err == nil {
		u.FileBytes = info.Size()
	}
	return u
}

// run is the committer. A request that was handed over is always answered.
func (e *boltEngine) run() {
	defer close(e.done)
	for {
		select {
		case r := <-e.requests:
			e.commitGroup(e.collect(r))
		case <-e.quit:
			return
		}
	}
}

func (e *boltEngine) collect(first *request) []*request {
	group := []*request{first}
	for len(group) < maxGroup {
		select {
		case r := <-e.requests:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commitGroup answers every request of the group. When together they do not fit
// in the file, each tries alone.
func (e *boltEngine) commitGroup(group []*request) {
	for len(group) > 0 {
		rest, err := e.commit(group)
		switch {
		case errors.Is(err, bolterrors.ErrMaxSizeReached) && len(group)-len(rest) > 1:
			for _, r := range group[:len(group)-len(rest)] {
				e.commitGroup([]*request{r})
			}
		case err != nil:
			for _, r := range group[:len(group)-len(rest)] {
				r.answer <- commitError(err)
			}
		}
		group = rest
	}
}

// commit runs as many requests of the group as go in one transaction and
// answers them once it is on disk. On an error it has answered none of them.
func (e *boltEngine) commit(group []*request) (rest []*request, err error) {
	if e.broken != nil {
		return nil, e.broken
	}
	began := time.Now()
	var tx *bbolt.Tx
	defer func() {
		if p := recover(); p != nil {
			err = corrupt(table{name: "file"}, fmt.Sprint(p))
			rest, e.broken = nil, err
			abandon(tx)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if tx, err = e.db.Begin(true); err != nil {
		return nil, err
	}
	view := newBoltTx(tx)
	now, written := Usage{FileBytes: tx.Size(), FreeBytes: e.freeBytes()}, 0
	var answers []error
	for len(answers) < len(group) && written < maxGroupBytes {
		changes, err := e.decide(group[len(answers)], view, now)
		answers = append(answers, err)
		if err != nil {
			continue
		}
		n, err := view.write(changes)
		if err != nil {
			abandon(tx)
			return group[len(answers):], err
		}
		written += n
		now.FileBytes += int64(n)
	}
	rest = group[len(answers):]
	if err := e.finish(tx, written > 0); err != nil {
		return rest, err
	}
	if written > 0 && e.told != nil {
		e.told(Commit{Operations: len(answers), Took: time.Since(began)})
	}
	for i, err := range answers {
		group[i].answer <- err
	}
	return rest, nil
}

// finish commits the transaction if there is anything in it.
func (e *boltEngine) finish(tx *bbolt.Tx, wrote bool) error {
	if !wrote {
		return tx.Rollback()
	}
	if err := e.faultAt("before-commit"); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		if !errors.Is(err, bolterrors.ErrMaxSizeReached) {
			// Whether it is on disk is unknown until the file is opened again.
			e.broken = gateway.Wrap(gateway.Internal, err, "writing the database failed: check the disk and restart")
		}
		return err
	}
	e.commits.Add(1)
	return e.faultAt("after-commit")
}

func (e *boltEngine) faultAt(point string) error {
	if e.fault == nil {
		return nil
	}
	return e.fault(point)
}

// decide asks one request what it writes; its error and its panic are its own.
func (e *boltEngine) decide(r *request, view reader, u Usage) (changes batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gateway.Wrap(gateway.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "internal error in a transaction")
		}
	}()
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if r.grows && e.full(u) {
		return nil, fullError(nil)
	}
	if changes, err = r.decide(view); err != nil {
		return nil, err
	}
	return changes, checkBatch(changes)
}

// full tells whether what is left of the file is for those that take away: it
// has grown nearly as far as it may, and its free pages are too few to be sure
// that a large value finds some that lie together.
func (e *boltEngine) full(u Usage) bool {
	return e.limit > 0 && u.FileBytes > e.limit && u.FileBytes-u.FreeBytes > e.limit/2
}

func abandon(tx *bbolt.Tx) {
	defer func() { _ = recover() }() // a transaction over damaged pages may not even end
	if tx != nil {
		_ = tx.Rollback()
	}
}

func commitError(err error) error {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return fullError(err)
	}
	if _, ok := errors.AsType[*gateway.Error](err); ok {
		return err
	}
	return gateway.Wrap(gateway.Internal, err, "the transaction was not confirmed")
}
