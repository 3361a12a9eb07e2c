package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func sealing(t testing.TB) store.Sealing {
	t.Helper()
	keys := get(seal.ParseBackupKeys(get(seal.GenerateBackupKey())(t), nil))(t)
	return store.Sealing{Encrypt: keys.Encrypt, Decrypt: keys.Decrypt, OpenCheckpoint: openNote}
}

// Notes in these tests are the size and root themselves.
func signNote(c journal.Checkpoint) ([]byte, error) {
	return append([]byte{byte(c.Size)}, c.Root[:]...), nil
}

func openNote(note []byte) (journal.Checkpoint, error) {
	return journal.Checkpoint{Size: uint64(note[0]), Root: journal.Hash(note[1:])}, nil
}

// files lists the names in a folder.
func files(t testing.TB, dir string) string {
	t.Helper()
	var names []string
	for _, f := range get(os.ReadDir(dir))(t) {
		names = append(names, f.Name())
	}
	return strings.Join(names, " ")
}

// filled is a store with an offer that is shown to a peer, and a checkpoint.
func filled(t testing.TB) *testStore {
	s := open(t, store.Options{})
	must(t, s.Publish(ctx, start(), store.Publication{
		Put:    []store.OwnOffer{{Offer: gateway.Offer{ID: "o1", Provider: self, Title: "herkenbare titel"}, Source: "admin"}},
		Sends:  []store.Send{capacity(peerA, "o1", "herkenbare inhoud")},
		Import: &store.ImportState{Source: "admin", At: start()}, Journal: []journal.Entry{{Kind: "x"}},
	}))
	must(t, s.SaveRegister(ctx, start(), [][]byte{[]byte("one")}, 1, journal.Entry{Kind: "x"}))
	get(s.Checkpoint(ctx, start(), signNote))(t)
	return s
}

func TestBackupAndRestore(t *testing.T) {
	s, sealed := filled(t), sealing(t)
	file := filepath.Join(t.TempDir(), "one.backup")

	stop, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() { // the node goes on meanwhile
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				must(t, appendEntry(s, n)())
			}
		}
	})
	made := get(s.Backup(ctx, start(), file, sealed))(t)
	close(stop)
	wg.Wait()
	if made.Journal < 2 || made.Path != file || made.Bytes == 0 || len(made.Root) != 64 {
		t.Errorf("report: got %+v", made)
	}
	if last, ok, err := s.LastBackup(ctx); err != nil || !ok || last.Root != made.Root {
		t.Errorf("last backup: got %+v, %v, %v", last, ok, err)
	}
	if got, want := files(t, filepath.Dir(file))+"; "+files(t, filepath.Dir(s.path)), "one.backup; node.db"; got != want {
		t.Errorf("files: got %q, want %q", got, want)
	}
	if content := get(os.ReadFile(file))(t); bytes.Contains(content, []byte("herkenbare")) {
		t.Error("the backup can be read without a key")
	}

	must(t, s.Publish(ctx, start().Add(time.Hour), store.Publication{Delete: []string{"o1"}}))
	must(t, s.SaveRegister(ctx, start().Add(time.Hour), [][]byte{[]byte("two")}, 2, journal.Entry{Kind: "x"}))
	note := get(s.Checkpoint(ctx, start().Add(time.Hour), func(c journal.Checkpoint) ([]byte, error) { return []byte("the last note"), nil }))(t)
	lost, before := get(s.JournalSize(ctx))(t), s.Incarnation()
	must(t, s.Close())

	restore := store.Restore{Backup: file, Path: s.path, Sealing: sealed, Caller: "somebody", Await: time.Hour}
	dry := restore
	dry.DryRun = true
	if report := get(dry.Run(ctx, start()))(t); report.Backup.Root != made.Root || report.Journal != lost || report.KeptAs != "" {
		t.Errorf("dry run: got %+v", report)
	}
	if got := files(t, filepath.Dir(s.path)); got != "node.db" {
		t.Errorf("a dry run left %q", got)
	}
	now := start().Add(2 * time.Hour)
	report := get(restore.Run(ctx, now))(t)
	if report.Present != store.PresentSound || report.Journal != lost || report.Backup.Journal != made.Journal {
		t.Errorf("restore: got %+v", report)
	}
	kept := get(store.Open(report.KeptAs, store.Options{}))(t)
	if got := get(kept.JournalSize(ctx))(t); got != lost {
		t.Errorf("the database that was replaced: got %d entries, want %d", got, lost)
	}
	must(t, kept.Close())

	restored := get(store.Open(s.path, store.Options{}))(t)
	s.Store = restored
	s.sound(t)
	if got := restored.Incarnation(); got <= before || got != report.Incarnation {
		t.Errorf("incarnation: got %d, want that of the report, above %d", got, before)
	}
	entries := get(restored.Journal(ctx, made.Journal, 9))(t)
	if len(entries) != 1 || entries[0].Kind != journal.KindRestore || entries[0].Count != int(made.Journal) ||
		!entries[0].Since.Equal(made.At) || entries[0].Caller != "somebody" || entries[0].Digest != gateway.Hash(note) {
		t.Errorf("journal after the backup: got %+v, want the restore", entries)
	}
	if _, ok, err := restored.OwnOffer(ctx, "o1"); err != nil || !ok {
		t.Errorf("the offer of the backup: %v, %v", ok, err)
	}
	if owed := get(restored.Owed(ctx, peerA))(t); !owed {
		t.Error("the peer is not owed the present state")
	}
	if got := string(get(restored.Register(ctx))(t)); got != "two" {
		t.Errorf("register: got %q, want the newer one of the database that was replaced", got)
	}
	if a := get(restored.Awaiting(ctx, now))(t); len(a.Sources) != 1 || a.Sources[0] != "admin" || !a.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("awaited: got %+v", a)
	}
	if a := get(restored.Awaiting(ctx, now.Add(time.Hour)))(t); a.Sources != nil {
		t.Errorf("awaited when the time is over: got %+v", a)
	}
	must(t, restored.Publish(ctx, now, store.Publication{Import: &store.ImportState{Source: "admin"}, Fresh: true, Repays: peerA}))
	if a, owed := get(restored.Awaiting(ctx, now))(t), get(restored.Owed(ctx, peerA))(t); a.Sources != nil || owed {
		t.Errorf("after an export: awaited %+v, owed %v", a, owed)
	}
}

// Whatever goes wrong while a backup is made, nothing stays of it.
func TestBackupThatFailsLeavesNothing(t *testing.T) {
	s, good := filled(t), sealing(t)
	cancelled, cancel := context.WithCancel(ctx)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		ctx  context.Context
		seal func(*store.Sealing)
	}{
		"cancelled": {cancelled, func(s *store.Sealing) {
			s.Encrypt = func(io.Writer) (io.WriteCloser, error) { cancel(); return nil, context.Canceled }
		}},
		"encryption":  {ctx, func(s *store.Sealing) { s.Encrypt = func(io.Writer) (io.WriteCloser, error) { return nil, broken } }},
		"decryption":  {ctx, func(s *store.Sealing) { s.Decrypt = func(io.Reader) (io.Reader, error) { return nil, broken } }},
		"another key": {ctx, func(s *store.Sealing) { s.Decrypt = sealing(t).Decrypt }},
		"a false head": {ctx, func(s *store.Sealing) {
			s.OpenCheckpoint = func([]byte) (journal.Checkpoint, error) { return journal.Checkpoint{}, broken }
		}},
		"other content": {ctx, func(s *store.Sealing) {
			s.Decrypt = func(io.Reader) (io.Reader, error) { return strings.NewReader("not a database at all"), nil }
		}},
	} {
		dir, sealed := t.TempDir(), good
		test.seal(&sealed)
		_, err := s.Backup(test.ctx, start(), filepath.Join(dir, "one.backup"), sealed)
		if err == nil {
			t.Errorf("%s: the backup was made", name)
		}
		if got := files(t, dir) + files(t, filepath.Dir(s.path)); got != "node.db" {
			t.Errorf("%s: left %q", name, got)
		}
	}
	if _, ok, err := s.LastBackup(ctx); ok || err != nil {
		t.Errorf("last backup: got %v, %v, want none", ok, err)
	}
	file := filepath.Join(t.TempDir(), "one.backup")
	get(s.Backup(ctx, start(), file, good))(t)
	if _, err := s.Backup(ctx, start(), file, good); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("over another backup: got %v, want Conflict", err)
	}
	if _, err := s.Backup(ctx, start(), filepath.Join(t.TempDir(), "none", "one.backup"), good); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("in a folder that is not there: got %v, want NotFound", err)
	}
	s.sound(t)
}

// What a crash left readable beside the database goes at the next start.
func TestOpenRemovesWhatAnInterruptedBackupLeft(t *testing.T) {
	s := filled(t)
	for _, suffix := range []string{".snapshot", ".compact", ".verify", ".restore"} {
		must(t, os.WriteFile(s.path+suffix, []byte("readable"), 0o600))
	}
	old, under := s.path+".restore-1", s.path+".restore-2"
	for _, folder := range []string{old, under} {
		must(t, os.Mkdir(folder, 0o700))
		must(t, os.WriteFile(filepath.Join(folder, "node.db"), []byte("readable"), 0o600))
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	must(t, os.Chtimes(old, yesterday, yesterday))
	s.reopen(t)
	if got, want := files(t, filepath.Dir(s.path)), "node.db "+filepath.Base(under); got != want {
		t.Errorf("got %q, want the database and the restore that may be under way", got)
	}
}

// Dry runs do not know of each other, nor of the node that runs and makes a
// backup meanwhile.
func TestDryRunsAtOnce(t *testing.T) {
	s, sealed := filled(t), sealing(t)
	file := filepath.Join(t.TempDir(), "one.backup")
	get(s.Backup(ctx, start(), file, sealed))(t)
	arrived, others := make(chan bool), make(chan bool)
	meeting := sealed
	meeting.Decrypt = func(from io.Reader) (io.Reader, error) {
		arrived <- true
		<-others
		return sealed.Decrypt(from)
	}
	meeting.OpenCheckpoint = func(note []byte) (journal.Checkpoint, error) { // its file has been opened
		arrived <- true
		<-others
		return openNote(note)
	}
	const runs = 3
	done := make(chan error)
	for range runs {
		go func() {
			_, err := store.Restore{Backup: file, Path: s.path, Sealing: meeting, DryRun: true}.Run(ctx, start())
			done <- err
		}()
	}
	for range 2 { // all have come as far before any goes on
		for range runs {
			select {
			case <-arrived:
			case err := <-done:
				t.Fatalf("a dry run ended early: %v", err)
			}
		}
		get(s.Backup(ctx, start(), filepath.Join(t.TempDir(), "more.backup"), sealed))(t)
		for range runs {
			others <- true
		}
	}
	for range runs {
		if err := <-done; err != nil {
			t.Errorf("dry run: %v", err)
		}
	}
	if got := files(t, filepath.Dir(s.path)); got != "node.db" {
		t.Errorf("left %q", got)
	}
}

// A restore that cannot be done changes nothing.
func TestRestoreRefuses(t *testing.T) {
	s, sealed := filled(t), sealing(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "one.backup")
	get(s.Backup(ctx, start(), file, sealed))(t)
	restore := store.Restore{Backup: file, Path: s.path, Sealing: sealed}
	if _, err := restore.Run(ctx, start()); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("under a running node: got %v, want Conflict", err)
	}
	restore.DryRun = true
	if report, err := restore.Run(ctx, start()); err != nil || report.Present != store.PresentRunning {
		t.Errorf("dry run under a running node: got %+v, %v", report, err)
	}
	restore.DryRun = false
	must(t, s.Close())
	database, backup := get(os.ReadFile(s.path))(t), get(os.ReadFile(file))(t)
	flipped := bytes.Clone(backup)
	flipped[len(flipped)/2] ^= 1
	for name, content := range map[string][]byte{
		"a flipped bit": flipped, "a flipped head": append([]byte("b"), backup[1:]...), "cut off": backup[:len(backup)-1],
		"cut off at a chunk": backup[:len(backup)/2], "empty": nil, "text": []byte("age? no"),
	} {
		bad := filepath.Join(dir, "bad.backup")
		must(t, os.WriteFile(bad, content, 0o600))
		restore.Backup = bad
		if _, err := restore.Run(ctx, start()); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
	restore.Backup = filepath.Join(dir, "none.backup")
	if _, err := restore.Run(ctx, start()); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("no such file: got %v, want NotFound", err)
	}
	restore.Backup, restore.Sealing = file, sealing(t)
	if _, err := restore.Run(ctx, start()); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("another key: got %v, want Invalid", err)
	}
	if got := get(os.ReadFile(s.path))(t); !bytes.Equal(got, database) || files(t, filepath.Dir(s.path)) != "node.db" {
		t.Errorf("something changed: %q", files(t, filepath.Dir(s.path)))
	}
}

// A backup from a program of an earlier version is brought up to date when it is
// put back.
func TestRestoreOfEveryReleasedFormat(t *testing.T) {
	for _, format := range []int{1} {
		sealed, dir := sealing(t), t.TempDir()
		sealed.OpenCheckpoint = openHead
		old, file := filepath.Join(dir, "old.db"), filepath.Join(dir, "old.backup")
		unpackGolden(t, format, old)
		encrypted := get(os.Create(file))(t)
		w := get(sealed.Encrypt(encrypted))(t)
		get(w.Write(get(os.ReadFile(old))(t)))(t)
		must(t, errors.Join(w.Close(), encrypted.Close()))
		s := &testStore{path: filepath.Join(t.TempDir(), "node.db")}
		get(store.Restore{Backup: file, Path: s.path, Sealing: sealed}.Run(ctx, start()))(t)
		s.reopen(t)
		s.sound(t)
		entries := get(s.Journal(ctx, get(s.JournalSize(ctx))(t)-1, 1))(t)
		if entries[0].Kind != journal.KindRestore || entries[0].Since.IsZero() {
			t.Errorf("format %d: the journal ends with %+v, want the restore", format, entries)
		}
		must(t, s.Close())
	}
}

// A database that is looked at does not change.
func TestOpenReadOnly(t *testing.T) {
	s := filled(t)
	if _, err := store.OpenReadOnly(s.path); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("while it is in use: got %v, want Unavailable", err)
	}
	incarnation := s.Incarnation()
	must(t, s.Close())
	before := get(os.ReadFile(s.path))(t)
	looked := get(store.OpenReadOnly(s.path))(t)
	if problems := looked.Check(ctx); problems != nil || looked.Incarnation() != incarnation || looked.Usage().FileBytes == 0 {
		t.Errorf("got %v, incarnation %d", problems, looked.Incarnation())
	}
	if err := looked.Append(ctx, start(), journal.Entry{Kind: "x"}); gateway.KindOf(err) != gateway.Denied {
		t.Errorf("writing: got %v, want Denied", err)
	}
	must(t, looked.Close())
	if !bytes.Equal(get(os.ReadFile(s.path))(t), before) {
		t.Error("the file has changed")
	}
	must(t, os.Truncate(s.path, 10_000))
	if _, err := store.OpenReadOnly(s.path); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a damaged file: got %v, want ErrCorrupt", err)
	}
	if _, err := store.OpenReadOnly(s.path + ".none"); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("no file: got %v, want NotFound", err)
	}
}

// A database that cannot be opened, or is not there, is no obstacle, and what is
// left of it stays.
func TestRestoreOverADamagedDatabase(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"no file": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"cut off": func(path string) error { return os.Truncate(path, 10_000) },
		"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600) },
	} {
		s, sealed := filled(t), sealing(t)
		file := filepath.Join(t.TempDir(), "one.backup")
		made := get(s.Backup(ctx, start(), file, sealed))(t)
		must(t, s.Close())
		must(t, damage(s.path))
		left, _ := os.ReadFile(s.path)
		report, err := store.Restore{Backup: file, Path: s.path, Sealing: sealed}.Run(ctx, start())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := get(store.Open(s.path, store.Options{}))(t); get(got.JournalSize(ctx))(t) != made.Journal+1 {
			t.Errorf("%s: got another journal than the backup's and the restore", name)
		} else {
			s.Store = got
			s.sound(t)
		}
		if name == "no file" {
			if report.Present != store.PresentNone || report.KeptAs != "" {
				t.Errorf("%s: got %+v", name, report)
			}
			continue
		}
		if kept := get(os.ReadFile(report.KeptAs))(t); report.Present != store.PresentDamaged || !bytes.Equal(kept, left) {
			t.Errorf("%s: present %q, kept %d bytes of %d", name, report.Present, len(kept), len(left))
		}
	}
}
