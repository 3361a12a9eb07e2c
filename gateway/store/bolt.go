package store

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	maxKey             = 1 << 10
)

// boltEngine keeps the tables in one bbolt file: a bucket per table name, and in
// it a bucket per party where the table has parties. One goroutine, the
// committer, writes: while a transaction is being synced the next operations
// collect, and then share one.
type boltEngine struct {
	name     string // path of the file
	opt      Options
	limit    int64                    // bytes at which growing may stop; 0: none
	told     func(Commit)             // nil, or told of each transaction
	fault    func(point string) error // nil but in tests
	requests chan *request
	quit     chan struct{} // closed by close
	closing  sync.Once
	done     chan struct{} // closed when the committer has ended

	// mu is held for reading while db is read, and for writing while the
	// committer, who alone does so, puts another in its place.
	mu   sync.RWMutex
	file *dbFile // guarded by mu, but not for the committer; nil if it could not be opened again

	between chan func()
	touched *touched // of the committer, while the file is compacted; nil otherwise

	rooms   rooms // of the committer: what it writes in one transaction
	broken  error // of the committer: nothing is written any more
	commits atomic.Uint64
}

type request struct {
	ctx    context.Context
	grows  bool
	decide func(reader) (batch, error)
	answer chan error // one answer, buffered
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
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.file == nil {
		return errAway(nil)
	}
	err := e.file.db.View(func(tx *bbolt.Tx) error { return read(newBoltTx(tx)) })
	switch {
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return errClosed()
	case errors.Is(err, bolterrors.ErrInvalidMapping):
		return errAway(err)
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

// close ends the committer and closes the file. Only the first call does.
func (e *boltEngine) close() error {
	e.closing.Do(func() { close(e.quit) })
	<-e.done
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	if e.broken == nil && !e.opt.uncopied {
		e.file.leaveClean(e.name)
	}
	return e.file.close()
}

func (e *boltEngine) usage() Usage {
	e.mu.RLock()
	defer e.mu.RUnlock()
	u := Usage{MaxBytes: e.opt.MaxBytes, Commits: e.commits.Load()}
	if info, err := os.Stat(e.name); err == nil {
		u.FileBytes = info.Size()
	}
	if e.file != nil {
		u.FreeBytes = e.file.freeBytes()
		_ = e.file.db.View(func(tx *bbolt.Tx) error {
			u.FreeBytes += max(0, u.FileBytes-tx.Size()) // never written yet
			return nil
		})
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
		case do := <-e.between:
			do()
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
// in the file or on the disk, each tries alone.
func (e *boltEngine) commitGroup(group []*request) {
	for len(group) > 0 {
		rest, err := e.commit(group)
		switch {
		case errors.Is(err, bolterrors.ErrMaxSizeReached) && len(group)-len(rest) > 1,
			errors.Is(err, errNoRoom) && len(group)-len(rest) > 1:
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
	if err := e.ready(); err != nil {
		return nil, err
	}
	began := time.Now()
	e.rooms.clear() // the transaction before has ended
	var tx *bbolt.Tx
	defer func() {
		if p := recover(); p != nil {
			err = corrupt(table{name: "file"}, fmt.Sprint(p))
			rest, e.broken = nil, err
			abandon(tx)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if tx, err = e.file.db.Begin(true); err != nil {
		return nil, err
	}
	view := newBoltTx(tx)
	view.rooms = &e.rooms
	now := Usage{FileBytes: tx.Size(), FreeBytes: e.file.freeBytes()}
	var wrote size
	var answers []error
	for len(answers) < len(group) && wrote.bytes < maxGroupBytes {
		r := group[len(answers)]
		changes, err := e.decide(r, view, now)
		answers = append(answers, err)
		if err != nil {
			continue
		}
		n, err := view.write(changes)
		if err != nil {
			abandon(tx)
			return group[len(answers):], err
		}
		wrote.add(changes, n, r.grows)
		e.touched.add(changes)
		now.FileBytes += int64(n)
	}
	rest = group[len(answers):]
	if err := e.finish(tx, wrote); err != nil {
		return rest, err
	}
	if wrote.bytes > 0 && e.told != nil {
		e.told(Commit{Operations: len(answers), Took: time.Since(began)})
	}
	for i, err := range answers {
		group[i].answer <- err
	}
	return rest, nil
}

// finish commits the transaction if there is anything in it.
func (e *boltEngine) finish(tx *bbolt.Tx, wrote size) error {
	if wrote.bytes == 0 {
		return tx.Rollback()
	}
	if err := e.file.reserve(tx, wrote); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := e.faultAt("before-commit"); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	id := tx.ID()
	if err := tx.Commit(); err != nil {
		return e.failed(id, err)
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
	switch {
	case errors.Is(err, bolterrors.ErrMaxSizeReached):
		return fullError(err)
	case errors.Is(err, errNoRoom):
		return diskFullError(err)
	}
	if _, ok := errors.AsType[*gateway.Error](err); ok {
		return err
	}
	return gateway.Wrap(gateway.Internal, err, "the transaction was not confirmed")
}
