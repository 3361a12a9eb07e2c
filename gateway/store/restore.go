package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Restore says which backup replaces which database.
type Restore struct {
	Backup string // the file
	Path   string // of the database, which need not be there or readable
	Sealing
	Caller string        // pseudonym of who does it
	Await  time.Duration // see Restoration
	DryRun bool          // verify the backup and change nothing
	// TrustClock lets the node go by the present clock although the database that
	// is replaced went by a later time: the clock was ahead then.
	TrustClock bool
}

// What a restore found in the place of the database.
const (
	PresentNone    = "none"
	PresentSound   = "readable"
	PresentDamaged = "damaged"
	PresentRunning = "running" // for a dry run only
)

// RestoreReport is what a restore did, or would do.
type RestoreReport struct {
	Backup      BackupReport `json:"backup"` // as verified now
	Present     string       `json:"present"`
	Journal     uint64       `json:"journal"`               // entries of the database that was replaced, if it could be read
	KeptAs      string       `json:"keptAs,omitempty"`      // where the database that was replaced is now
	Incarnation uint64       `json:"incarnation,omitempty"` // new
	Awaited     Awaited      `json:"awaited,omitzero"`
}

// Run verifies the backup and puts the database in it in the place of the
// present one, which is kept beside it under another name and never changed. Run
// stops before it changes anything when a node has the database open, or when
// the backup is not whole. There is no moment at which there is no database:
// after a crash in it, it can be run again.
func (r Restore) Run(ctx context.Context, now time.Time) (report RestoreReport, err error) {
	defer func() { err = diskError(err) }()
	present, before, err := openPresent(r.Path)
	switch {
	case present != nil:
		defer func() { err = errors.Join(err, present.close()) }() // until then nobody else opens it
		report.Present, report.Journal = PresentSound, before.Journal
	case err == nil:
		report.Present = PresentNone
	case errors.Is(err, ErrCorrupt):
		report.Present = PresentDamaged
	case r.DryRun && gateway.KindOf(err) == gateway.Unavailable:
		report.Present = PresentRunning
	case gateway.KindOf(err) == gateway.Unavailable:
		return report, gateway.Wrap(gateway.Conflict, err, "a node is running on this database: stop it first")
	default:
		return report, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(r.Path), filepath.Base(restoreFolders(r.Path)))
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	fresh := filepath.Join(folder, filepath.Base(r.Path))
	s, backup, err := openBackup(ctx, r.Backup, fresh, r.Sealing)
	report.Backup = backup
	if err == nil && r.TrustClock && backup.At.After(now.Add(gateway.ClockSkew)) {
		err = errors.Join(gateway.Errorf(gateway.Invalid, "the backup is of a time that has not come by this clock: take one from before the clock went ahead"), s.Close())
	}
	if err != nil {
		return report, err
	}
	if r.DryRun {
		return report, s.Close()
	}
	if r.TrustClock {
		before.Highest = time.Time{}
	}
	report.Incarnation, err = s.Restored(ctx, now, Restoration{Caller: r.Caller, Await: r.Await, Before: before})
	if err == nil {
		report.Awaited, err = s.Awaiting(ctx, now)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return report, err
	}
	if report.Present != PresentNone {
		if report.KeptAs, err = keepAside(r.Path, now); err != nil {
			return report, fmt.Errorf("keep the present database: %w", err)
		}
	}
	return report, errors.Join(os.Rename(fresh, r.Path), syncDir(filepath.Dir(r.Path)))
}

// openPresent opens the database that is to be replaced, so that no node can,
// and reads what the new one must know of it. No file is no error.
func openPresent(path string) (*boltEngine, Remains, error) {
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, Remains{}, nil
	} else if err == nil && info.Size() == 0 {
		return nil, Remains{}, corrupt(table{name: "file"}, "the file is empty")
	}
	e, err := openBolt(path, Options{uncopied: true}) // and changes nothing in it
	if err != nil {
		return nil, Remains{}, err
	}
	var before Remains
	if err := e.view(context.Background(), func(r reader) error {
		before, err = readRemains(r)
		return err
	}); err != nil {
		return nil, Remains{}, errors.Join(err, e.close())
	}
	return e, before, nil
}

// keepAside gives the present file a second name, under which it stays.
func keepAside(path string, now time.Time) (string, error) {
	for n := 0; ; n++ {
		aside := fmt.Sprintf("%s.before-restore-%s", path, now.UTC().Format("20060102T150405Z"))
		if n > 0 {
			aside += fmt.Sprintf("-%d", n)
		}
		err := os.Link(path, aside)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			return aside, nil
		}
		return aside, copyFile(aside, path) // a file system without second names
	}
}

func copyFile(to, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return writeNew(context.Background(), to, func(w io.Writer) error {
		_, err := io.Copy(w, source)
		return err
	})
}
