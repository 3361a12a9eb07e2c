package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/doorstroom/doorstroom/gateway"
)

const suffixNew = ".new" // of a database that is being made

// dbFile is one open file of bbolt.
type dbFile struct {
	db    *bbolt.DB
	file  *os.File // the same that db has open, and closes
	sync  bool
	solid int64 // of the committer: up to here the disk has given room; see reserve
	max   int64 // bytes; 0: no limit

	unreserved bool // see Options
}

// openBolt opens or creates the file and starts the committer, which close
// waits for.
func openBolt(path string, opt Options) (*boltEngine, error) {
	if opt.LockTimeout <= 0 {
		opt.LockTimeout = defaultLockTimeout
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, createError(errors.Join(err, removeFile(path+suffixNew)))
		}
	}
	file, err := openFile(path, opt)
	if err != nil {
		return nil, err
	}
	e := &boltEngine{
		name: path, opt: opt, file: file, limit: opt.MaxBytes / 4 * 3, told: opt.Committed, fault: opt.Fault,
		requests: make(chan *request), between: make(chan func()), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go e.run()
	return e, nil
}

func createError(err error) error {
	if isFull(err) {
		return diskFullError(err)
	}
	if named := systemError(err); named != nil {
		return named
	}
	return gateway.Wrap(gateway.Internal, err, "the database cannot be created")
}

// openFile opens a file that exists.
func openFile(path string, opt Options) (*dbFile, error) {
	if err := examine(path, opt.LockTimeout); err != nil {
		return nil, openError(err)
	}
	f, err := openDB(path, &bbolt.Options{
		Timeout: opt.LockTimeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
		MaxSize: int(opt.MaxBytes), NoSync: opt.NoSync,
	})
	if err != nil {
		return nil, openError(err)
	}
	f.max, f.sync, f.unreserved = opt.MaxBytes, !opt.NoSync, opt.unreserved
	if opt.MaxBytes > 0 {
		f.db.AllocSize = int(min(maxAllocStep, opt.MaxBytes/16))
	}
	return f, nil
}

func (f *dbFile) close() error { return f.db.Close() }

func (f *dbFile) freeBytes() int64 {
	stats := f.db.Stats()
	return int64(stats.FreePageN+stats.PendingPageN) * int64(os.Getpagesize())
}

// openDB is bbolt.Open, with a panic over a damaged file as an error and
// without leaving that file open and locked. A file that was replaced while this
// waited for its lock is in use.
func openDB(path string, opt *bbolt.Options) (f *dbFile, err error) {
	f = &dbFile{}
	opt.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		f.file, err = os.OpenFile(name, flag, mode)
		return f.file, err
	}
	defer func() {
		if err != nil && f.file != nil {
			_ = f.file.Close()
		}
	}()
	defer recoverCorrupt(&err, table{name: "file"})()
	f.db, err = bbolt.Open(path, 0o600, opt)
	if err == nil && !f.named(path) {
		err = errors.Join(bolterrors.ErrTimeout, f.close())
	}
	return f, err
}

// named tells whether the open file is still the one of that name: a restore or
// compacting may have put another there while this one waited for the lock.
func (f *dbFile) named(path string) bool {
	here, err := f.file.Stat()
	there, gone := os.Stat(path)
	return err == nil && gone == nil && os.SameFile(here, there)
}

// create makes an empty database under another name first, so that a power cut
// leaves either none or a whole one.
func create(path string) error {
	fresh := path + suffixNew
	if err := removeFile(fresh); err != nil {
		return err
	}
	f, err := openDB(fresh, &bbolt.Options{Timeout: defaultLockTimeout, NoFreelistSync: true})
	if err != nil {
		return err
	}
	if err := f.close(); err != nil {
		return err
	}
	return rename(fresh, path)
}

// rename puts a synced file in its place for good.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// examine reads every page before bbolt does so in a goroutine of its own, where
// a panic over a damaged page could not be caught. It holds the lock meanwhile.
// After a clean end bbolt visits none, and those with rows only are left out.
func examine(path string, timeout time.Duration) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() < 4*int64(os.Getpagesize()) { // as many as create writes
		return damaged("the file is shorter than an empty database")
	}
	clean, err := leftClean(path)
	if err == nil && !clean {
		err = readAhead(path)
	}
	if err != nil {
		return err
	}
	f, err := openDB(path, &bbolt.Options{Timeout: timeout, ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(checkPages(path, f.db.Info().PageSize, clean), f.close())
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
	if named := systemError(err); named != nil {
		return named
	}
	return gateway.Wrap(gateway.Internal, err, "the database cannot be opened")
}

// systemError names what somebody who looks after the computer can change; nil
// if it is something else.
func systemError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return gateway.Wrap(gateway.Denied, err, "the system does not let this user write the database: see to whom the file and its folder belong")
	case errors.Is(err, syscall.EROFS):
		return gateway.Wrap(gateway.Denied, err, "the database is on a disk that is read-only: see whether the disk is damaged")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return gateway.Wrap(gateway.Unavailable, err, "this process may open no more files: raise its limit")
	}
	return nil
}
