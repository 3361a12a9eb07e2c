package store

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/doorstroom/doorstroom/gateway"
)

// A full disk. bbolt finds out while it writes pages, and then reads the whole
// file to know again which pages are free. So the room that a transaction may
// need is asked of the disk beforehand, when refusing costs nothing, and what
// fails all the same (some file systems promise nothing) is settled by opening
// the file again: what is in it decides.
//
// A sync that fails is another thing: the kernel forgets what it could not
// write and then says that all is well, so only a restart of the node, by
// somebody who looked at the disk, may go on.

const (
	minAllocStep = 128 << 10 // by which the file grows, at least
	maxAllocStep = 16 << 20  // and at most
	sparePages   = 64        // that a small transaction rewrites on the way to the root
)

// errBroken is that of every transaction after which only a restart may go on.
var errBroken = errors.New("the database is not written any more")

// errNoRoom is that of a transaction that was not begun for lack of room.
var errNoRoom = errors.New("no room on the disk")

// size is what a transaction writes.
type size struct {
	bytes, rows int
	grows       bool // some of it refuses to take the last room
}

func (s *size) add(changes batch, bytes int, grows bool) {
	for _, rows := range changes {
		s.rows += rows.len()
	}
	s.bytes += bytes
	s.grows = s.grows || grows && len(changes) > 0
}

// reserve makes sure that there is room on the disk for a transaction that
// takes all its pages from the end of the file. If there is not, what grows the
// database is refused, and what empties it may take free pages and the rest.
func (f *dbFile) reserve(tx *bbolt.Tx, wrote size) error {
	if f.unreserved {
		return nil
	}
	page := int64(os.Getpagesize())
	least := int64(2*wrote.bytes) + sparePages*page
	need := least + int64(wrote.rows)*page // every row may lie on a page of its own
	err := f.extend(tx.Size(), need)
	if err == nil || !isFull(err) {
		return nil // whatever else is wrong with the disk, the writing tells
	}
	if wrote.grows {
		least = need + spare(tx.Size())
	}
	if f.freeBytes()+f.solid-tx.Size() >= least {
		return nil
	}
	return errors.Join(errNoRoom, err)
}

// spare is the room that is left for what empties the database.
func spare(fileBytes int64) int64 { return min(max(fileBytes/16, 256<<10), 4<<20) }

// extend has the disk give room for need bytes after those that are in use.
func (f *dbFile) extend(used, need int64) error {
	f.solid = max(f.solid, used)
	want := used + need
	if f.max > 0 {
		want = min(want, f.max)
	}
	if want <= f.solid {
		return nil
	}
	step := min(max(used/4, minAllocStep), maxAllocStep) / minAllocStep * minAllocStep
	if f.max > 0 {
		step = min(step, f.max-want)
	}
	err := f.allocate(f.solid, want+step)
	if err == nil {
		f.solid = want + step
		return nil
	}
	if err := f.allocate(f.solid, want); err != nil {
		return err
	}
	f.solid = want
	return nil
}

// allocate has the disk give room for the bytes from one offset to another, by
// asking, or else by writing them: nothing is there yet.
func (f *dbFile) allocate(from, to int64) error {
	err := fallocate(f.file, from, to-from)
	if errors.Is(err, errors.ErrUnsupported) {
		err = f.fill(from, to)
	}
	if err != nil || !f.sync {
		return err
	}
	return f.file.Sync()
}

func (f *dbFile) fill(from, to int64) error {
	zeros := make([]byte, 1<<20)
	for from < to {
		n, err := f.file.WriteAt(zeros[:min(to-from, int64(len(zeros)))], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// ready opens the file again if that failed after a failed write.
func (e *boltEngine) ready() error {
	if e.broken != nil || e.file != nil {
		return e.broken
	}
	return e.reopen()
}

func (e *boltEngine) reopen() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file != nil {
		_ = e.file.close() // whatever it says, the next line finds out
		e.file = nil
	}
	file, err := openFile(e.name, e.opt)
	if err != nil {
		return err
	}
	e.file = file
	return nil
}

// failed finds out what a failed commit of transaction id left behind and gives
// the error for those who waited for it.
func (e *boltEngine) failed(id int, err error) error {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return err // before anything was written
	}
	if isSync(err) && !isFull(err) {
		return e.giveUp(err)
	}
	if again := e.reopen(); again != nil { // the next write tries again
		return errors.Join(writeError(err), again)
	}
	if e.file.last() >= id && (isSync(err) || e.file.sync && e.file.db.Sync() != nil) {
		return e.giveUp(err) // it can be read but may not be on the disk
	}
	return writeError(err)
}

func (e *boltEngine) giveUp(err error) error {
	e.broken = gateway.Wrap(gateway.Internal, errors.Join(errBroken, err), "writing the database failed: check the disk and restart")
	return e.broken
}

// last is the number of the last transaction.
func (f *dbFile) last() (id int) {
	_ = f.db.View(func(tx *bbolt.Tx) error {
		id = tx.ID()
		return nil
	})
	return id
}

func writeError(err error) error {
	if isFull(err) {
		return diskFullError(err)
	}
	return gateway.Wrap(gateway.Internal, err, "writing the database failed")
}

func diskFullError(err error) error {
	return gateway.Wrap(gateway.Limit, errors.Join(ErrFull, err), "the disk is full")
}

// errAway is for reads while the file could not be opened again.
func errAway(err error) error {
	return gateway.Wrap(gateway.Unavailable, err, "the database cannot be read at this moment")
}

// isFull tells whether the disk, a quota or a limit has no room. bbolt gives
// some errors on as text only.
func isFull(err error) bool {
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, no) || strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return false
}

// isSync tells whether it was a sync that failed: bbolt gives that error bare,
// or as text where it had made the file larger.
func isSync(err error) bool {
	_, file := errors.AsType[*fs.PathError](err)
	_, bare := errors.AsType[syscall.Errno](err)
	return bare && !file || strings.HasPrefix(err.Error(), "file sync error")
}
