package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Sealing makes a backup unreadable to others, and readable again.
type Sealing struct {
	Encrypt func(to io.Writer) (io.WriteCloser, error)
	Decrypt func(from io.Reader) (io.Reader, error)
	// OpenCheckpoint verifies the signed heads of the journal in a backup.
	OpenCheckpoint func(note []byte) (journal.Checkpoint, error)
}

// BackupReport is one backup that was made and verified.
type BackupReport struct {
	Path     string        `json:"path"`
	At       time.Time     `json:"at"`       // of what is in it
	Bytes    int64         `json:"bytes"`    // of the file
	Database int64         `json:"database"` // bytes of the compacted database in it
	Journal  uint64        `json:"journal"`  // entries
	Root     string        `json:"root"`     // of the journal, hex
	Took     time.Duration `json:"took"`
}

// Files beside the database while a backup is made or read. They hold it
// readable, so they never leave its folder, and Open removes what a crash left.
func snapshotFile(path string) string { return path + ".snapshot" }
func compactFile(path string) string  { return path + ".compact" }
func verifyFile(path string) string   { return path + ".verify" }

// restoreFolders are those of restores under way: each has its own, because dry
// runs hold no lock.
func restoreFolders(path string) string { return path + ".restore-*" }

// leftBehind is how old the folder of a restore is that nobody works in any more.
const leftBehind = 24 * time.Hour

// removeLeftovers deletes what an interrupted backup or restore left behind. The
// caller holds the lock on the database, or will not go on without it.
func removeLeftovers(path string) error {
	var errs []error
	for _, name := range []string{snapshotFile(path), compactFile(path), verifyFile(path), path + ".restore", compactedFile(path)} {
		errs = append(errs, removeFile(name))
	}
	folders, err := filepath.Glob(restoreFolders(path))
	for _, name := range folders {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > leftBehind {
			errs = append(errs, os.RemoveAll(name))
		}
	}
	return errors.Join(append(errs, err)...)
}

// Backup writes the whole database, as it is at one moment, to a file that must
// not exist. The copy is taken at the speed of the disk, because the database
// grows while it is read; compacting and encrypting come after. The file gets
// its name only after it was decrypted again, opened, checked, and found to hold
// the journal of that moment. Other transactions go on meanwhile; a second
// backup at the same time is a Conflict.
func (s *Store) Backup(ctx context.Context, now time.Time, file string, sealing Sealing) (report BackupReport, err error) {
	if !s.backingUp.CompareAndSwap(false, true) {
		return report, gateway.Errorf(gateway.Conflict, "a backup is being made already")
	}
	defer s.backingUp.Store(false)
	began := time.Now()
	path, part := s.engine.path(), file+".part"
	defer func() {
		err = diskError(errors.Join(err, removeLeftovers(path)))
		if err != nil {
			_ = os.Remove(part) // nothing that was not verified stays
		}
	}()
	if _, err := os.Lstat(file); err == nil {
		return report, gateway.Errorf(gateway.Conflict, "there is a backup of this second already")
	}
	if err := s.roomForBackup(path, file); err != nil {
		return report, err
	}
	if err := s.engine.snapshot(ctx, snapshotFile(path)); err != nil {
		return report, fmt.Errorf("copy the database: %w", err)
	}
	if err := compact(ctx, compactFile(path), snapshotFile(path)); err != nil {
		return report, fmt.Errorf("compact the copy: %w", err)
	}
	if err := os.Remove(snapshotFile(path)); err != nil {
		return report, err
	}
	want, err := describe(compactFile(path))
	if err != nil {
		return report, fmt.Errorf("read the copy: %w", err)
	}
	if err := encryptFile(ctx, part, compactFile(path), sealing); err != nil {
		return report, fmt.Errorf("encrypt the copy: %w", err)
	}
	if err := os.Remove(compactFile(path)); err != nil {
		return report, err
	}
	if report, err = verifyBackup(ctx, part, verifyFile(path), sealing); err != nil {
		return report, fmt.Errorf("verify the backup: %w", err)
	}
	if got := (Remains{Journal: report.Journal, Highest: report.At}); got.Journal != want.Journal || !got.Highest.Equal(want.Highest) {
		return report, gateway.Errorf(gateway.Internal, "the backup does not hold what was backed up")
	}
	if err := errors.Join(os.Rename(part, file), syncDir(filepath.Dir(file))); err != nil {
		return report, err
	}
	report.Path, report.Took = file, time.Since(began)
	return report, s.update(ctx, now, func(t *txn) error {
		t.put(table{name: tableMeta}, keyBackup(), encodeJSON(report))
		return nil
	})
}

// roomForBackup refuses a backup for which a disk has no room, before anything is
// written: beside the database two copies at a time, one of them as it is, the
// others compacted, and where the backup goes one more.
func (s *Store) roomForBackup(path, file string) error {
	u := s.Usage()
	compacted := compactedSize(u.FileBytes - max(0, u.FreeBytes))
	for _, disk := range []struct {
		name, at string
		need     int64
	}{
		{"of the database", filepath.Dir(path), max(u.FileBytes, compacted) + compacted},
		{"of the backups", filepath.Dir(file), compacted},
	} {
		if free, ok := diskFree(disk.at); ok && free < disk.need {
			return gateway.Errorf(gateway.Limit, "there is no room for a backup: it needs %d bytes on the disk %s, and %d are free", disk.need, disk.name, free)
		}
	}
	return nil
}

// compactedSize is how large a copy of so many used bytes may become: bbolt leaves
// a tenth of each page free, and makes its file larger by doubling it at first and
// by a fixed step later.
func compactedSize(used int64) int64 {
	const growStep = 16 << 20
	used += used/8 + sparePages*int64(os.Getpagesize())
	if used > growStep {
		return used + growStep
	}
	size := int64(32 << 10)
	for size < used {
		size *= 2
	}
	return size
}

func keyBackup() []byte { return []byte("last-backup") }

// LastBackup is the last good backup; false if there was none.
func (s *Store) LastBackup(ctx context.Context) (report BackupReport, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err = getJSON(r, table{name: tableMeta}, keyBackup(), &report)
		return err
	})
	return report, ok, err
}

// diskError says in words what a person can do about a write that failed.
func diskError(err error) error {
	if _, known := errors.AsType[*gateway.Error](err); known {
		return err
	}
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC):
		return gateway.Wrap(gateway.Limit, err, "the disk is full: making or reading a backup takes twice the size of the database beside it")
	case errors.Is(err, fs.ErrPermission):
		return gateway.Wrap(gateway.Denied, err, "the system does not let this user read or write the backup")
	case errors.Is(err, fs.ErrNotExist):
		return gateway.Wrap(gateway.NotFound, err, "there is no such file or folder for the backup")
	}
	return gateway.Wrap(gateway.Internal, err, "reading or writing the backup failed")
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// whileIn ends a copy when its context ends.
type whileIn struct {
	ctx context.Context
	w   io.Writer
}

func (w whileIn) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}

// writeNew makes a file that only its owner can read, on disk when it returns.
func writeNew(ctx context.Context, name string, fill func(io.Writer) error) error {
	if err := removeFile(name); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(fill(whileIn{ctx, f}), f.Sync(), f.Close())
}

// snapshot streams the file as it is at one moment.
func (e *boltEngine) snapshot(ctx context.Context, to string) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.file == nil {
		return errAway(nil)
	}
	return e.file.db.View(func(tx *bbolt.Tx) (err error) {
		return writeNew(ctx, to, func(w io.Writer) error {
			told := &failure{to: w} // bbolt keeps only its text
			_, err := tx.WriteTo(told)
			return cmp.Or(told.err, err)
		})
	})
}

// failure remembers what went wrong with writing.
type failure struct {
	to  io.Writer
	err error
}

func (f *failure) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
	f.err = cmp.Or(f.err, err)
	return n, err
}

func (e *boltEngine) path() string { return e.name }

// compact writes the rows of one database file, which nobody changes, to a new
// one, without free pages and the remains of what was deleted.
func compact(ctx context.Context, to, from string) (err error) {
	if err := removeFile(to); err != nil {
		return err
	}
	source, err := openDB(from, &bbolt.Options{Timeout: defaultLockTimeout, ReadOnly: true})
	if err != nil {
		return openError(err)
	}
	defer func() { err = errors.Join(err, source.close()) }()
	target, err := openDB(to, &bbolt.Options{Timeout: defaultLockTimeout, NoFreelistSync: true, NoSync: true})
	if err != nil {
		return openError(err)
	}
	defer func() { err = errors.Join(err, target.db.Sync(), target.close()) }()
	defer recoverCorrupt(&err, table{name: "file"})()
	if err := ctx.Err(); err != nil {
		return err
	}
	return bbolt.Compact(target.db, source.db, maxGroupBytes)
}

func encryptFile(ctx context.Context, to, from string, sealing Sealing) error {
	plain, err := os.Open(from)
	if err != nil {
		return err
	}
	defer plain.Close()
	return writeNew(ctx, to, func(w io.Writer) error {
		sealed, err := sealing.Encrypt(w)
		if err != nil {
			return err
		}
		_, err = io.Copy(sealed, plain)
		return errors.Join(err, sealed.Close())
	})
}

func decryptFile(ctx context.Context, to, from string, sealing Sealing) error {
	sealed, err := os.Open(from)
	if err != nil {
		return err
	}
	defer sealed.Close()
	plain, err := sealing.Decrypt(sealed)
	if err != nil {
		return err
	}
	return writeNew(ctx, to, func(w io.Writer) error {
		if _, err := io.Copy(w, plain); err != nil {
			return gateway.Wrap(gateway.Invalid, err, "the backup is damaged: take another one")
		}
		return nil
	})
}

// verifyBackup decrypts a backup to a file beside the database and finds out
// whether it is sound. It removes that file.
func verifyBackup(ctx context.Context, file, to string, sealing Sealing) (BackupReport, error) {
	s, report, err := openBackup(ctx, file, to, sealing)
	if err != nil {
		return report, errors.Join(err, removeFile(to))
	}
	return report, errors.Join(s.Close(), os.Remove(to))
}

// removeFile removes what may not be there.
func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// openBackup decrypts a backup to a file and opens that as a database, of an
// older format if need be, after everything in it was checked.
func openBackup(ctx context.Context, file, to string, sealing Sealing) (s *Store, report BackupReport, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, report, err
	}
	report.Path, report.Bytes = file, info.Size()
	if err := decryptFile(ctx, to, file, sealing); err != nil {
		return nil, report, err
	}
	if info, err = os.Stat(to); err != nil {
		return nil, report, err
	}
	report.Database = info.Size()
	was, err := describe(to)
	if err != nil {
		return nil, report, gateway.Wrap(gateway.Invalid, err, "the file is no backup and no database of a node, or it is damaged: take another one")
	}
	report.At = was.Highest
	if s, err = Open(to, Options{uncopied: true}); err != nil {
		return nil, report, err
	}
	if report.Journal, report.Root, err = s.sound(ctx, sealing); err != nil {
		return nil, report, errors.Join(err, s.Close())
	}
	return s, report, nil
}

// sound checks all of a database and gives size and root of its journal.
func (s *Store) sound(ctx context.Context, sealing Sealing) (size uint64, root string, err error) {
	if problems := s.Check(ctx); len(problems) > 0 {
		return 0, "", gateway.Wrap(gateway.Internal, errors.Join(ErrCorrupt, fmt.Errorf("%d problems: %s", len(problems), problems[0])),
			"the database in the backup is not sound")
	}
	found, err := s.VerifyJournal(ctx, sealing.OpenCheckpoint)
	if gateway.KindOf(err) == gateway.Invalid {
		err = gateway.Wrap(gateway.Invalid, err, "the journal in the backup was not signed by this node: it is of another node, or somebody changed it")
	}
	return found.Size, found.Root, err
}

// describe reads the heads of a database file that nobody changes, without
// checking the rest of it.
func describe(path string) (found Remains, err error) {
	f, err := openDB(path, &bbolt.Options{Timeout: defaultLockTimeout, ReadOnly: true})
	if err != nil {
		return found, openError(err)
	}
	defer func() { err = errors.Join(err, f.close()) }()
	err = f.db.View(func(tx *bbolt.Tx) error {
		found, err = readRemains(newBoltTx(tx))
		return err
	})
	return found, err
}

func readRemains(r reader) (found Remains, err error) {
	var highest uint64
	for key, to := range map[string]*uint64{
		string(keyIncarnation()): &found.Incarnation, string(keyHighest()): &highest, string(keyJournal()): &found.Journal,
		string(keyCheckpoint()): &found.Size, string(keyRegisterVersion()): &found.Register,
	} {
		if *to, err = getUint(r, []byte(key)); err != nil {
			return found, err
		}
	}
	found.Highest = unixTime(highest)
	if found.Checkpoint, err = r.get(table{name: tableCheckpoints}, number(found.Size)); err != nil {
		return found, err
	}
	if found.BreakGlass, err = allBreakGlasses(r); err != nil {
		return found, err
	}
	if found.Policies, err = allRows[PolicyRecord](r, table{name: tablePolicies}); err != nil {
		return found, err
	}
	found.Registers = map[uint64][]byte{}
	err = r.ascend(table{name: tableRegisters}, nil, func(key, value []byte) (bool, error) {
		found.Registers[sequenceOf(key)] = value
		return true, nil
	})
	if err != nil {
		return found, err
	}
	for name, to := range map[string]*[]row{tableErased: &found.Erased, tableRenewed: &found.Renewed, tableDoomed: &found.Doomed} {
		if *to, err = marks(r, name); err != nil {
			return found, err
		}
	}
	return found, nil
}

// marks are the rows of a small table, as they are.
func marks(r reader, name string) (all []row, err error) {
	err = r.ascend(table{name: name}, nil, func(key, value []byte) (bool, error) {
		all = append(all, row{key, value})
		return true, nil
	})
	return all, err
}
