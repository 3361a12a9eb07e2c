package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// A file that was cut off anywhere is named as damaged, or what was cut off was
// never used.
func TestCutOffFile(t *testing.T) {
	s := openGolden(t, 1, store.Options{})
	want := get(s.Everything(ctx))(t)
	must(t, s.Close())
	whole := get(os.ReadFile(s.path))(t)
	refused := 0
	for length := 0; length < len(whole); length += 1531 { // any that is no part of a page
		must(t, os.WriteFile(s.path, whole[:length], 0o600))
		opened, err := store.Open(s.path, s.opt)
		if err != nil {
			refused++
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(gateway.SafeMessage(err), "doorstroom restore") {
				t.Fatalf("%d bytes: got %v, want ErrCorrupt and what to do", length, err)
			}
			if info := get(os.Stat(s.path))(t); info.Size() != int64(length) {
				t.Fatalf("%d bytes: the file was changed to %d", length, info.Size())
			}
			continue
		}
		if got := get(opened.Everything(ctx))(t); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%d bytes: it opens with something missing", length)
		}
		must(t, opened.Close())
	}
	if refused < 20 {
		t.Errorf("refused: got %d lengths, want most of those in use", refused)
	}
}

// unprivileged runs f as a user who owns nothing, on a thread of its own.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
		if err := syscall.Setfsuid(65534); err != nil {
			t.Error(err)
		}
		f()
	}()
	<-done
}

func TestRightsAreNamed(t *testing.T) {
	s := open(t, store.Options{})
	must(t, s.Close())
	for name, c := range map[string]struct {
		path string
		file os.FileMode
		dir  os.FileMode
	}{
		"file that cannot be read":     {s.path, 0o000, 0o755},
		"file that cannot be written":  {s.path, 0o444, 0o755},
		"folder that cannot be read":   {s.path, 0o444, 0o000},
		"folder that takes no new one": {filepath.Join(filepath.Dir(s.path), "new.db"), 0o444, 0o555},
	} {
		must(t, os.Chmod(s.path, c.file))
		must(t, os.Chmod(filepath.Dir(filepath.Dir(s.path)), 0o755))
		must(t, os.Chmod(filepath.Dir(s.path), c.dir))
		unprivileged(t, func() {
			_, err := store.Open(c.path, store.Options{})
			if err == nil || gateway.KindOf(err) != gateway.Denied || !strings.Contains(gateway.SafeMessage(err), "belong") {
				t.Errorf("%s: got %v, want Denied that says why", name, err)
			}
		})
		must(t, os.Chmod(filepath.Dir(s.path), 0o700))
	}
	must(t, os.Chmod(s.path, 0o600))
	s.openAgain(t)
	s.sound(t)
}

func TestReadOnlyDiskIsNamed(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	s := &testStore{path: filepath.Join(dir, "node.db")}
	s.reopen(t)
	must(t, s.Close())
	must(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	for _, name := range []string{"node.db", "other.db"} {
		_, err := store.Open(filepath.Join(dir, name), store.Options{})
		if err == nil || gateway.KindOf(err) != gateway.Denied || !strings.Contains(gateway.SafeMessage(err), "read-only") {
			t.Errorf("%s: got %v, want Denied that says why", name, err)
		}
	}
	must(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	s.openAgain(t)
	s.sound(t)
	must(t, s.Close())
}

// A process that may open no more files cannot open a database; one that is open
// goes on, and what needs another file waits.
func TestOutOfFileDescriptors(t *testing.T) {
	if !alone(t) {
		return
	}
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	none := syscall.Rlimit{Cur: 3, Max: before.Max} // what is open stays so
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	for _, path := range []string{s.path, s.path + "2"} {
		_, err := store.Open(path, store.Options{})
		if err == nil || gateway.KindOf(err) != gateway.Unavailable || !strings.Contains(gateway.SafeMessage(err), "limit") {
			t.Errorf("open: got %v, want Unavailable that names the limit", err)
		}
	}
	for n := range 300 {
		must(t, s.Append(ctx, start(), journal.Entry{Kind: "x", Count: n}))
	}
	if _, err := s.Compact(ctx, start()); err == nil {
		t.Error("compact: got no error, want one")
	}
	s.sound(t)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
	get(s.Compact(ctx, start()))(t)
	s.sound(t)
	s.reopen(t)
	if got := get(s.JournalSize(ctx))(t); got != 301 {
		t.Errorf("journal: got %d entries, want 301", got)
	}
}

// A record that is damaged harms those who need it and nobody else.
func TestADamagedRecordHarmsItsOwn(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"), capacity(peerA, "o2", "a"), capacity(peerB, "o1", "a"))
	get(s.Accept(ctx, start(), self, peerA, []store.Inbound{inbound(peerA, "p1", 1, "a")}))(t)
	must(t, s.SaveImport(ctx, start(), store.ImportState{Source: "s"}, nil))
	must(t, s.Close())
	flip(t, s.path, "imports", "s")
	s.openAgain(t)
	if _, err := s.ImportStates(ctx); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("what needs it: got %v, want ErrCorrupt", err)
	}
	errs := together(t, s,
		appendEntry(s, 1),
		func() error { _, _, err := s.ImportState(ctx, "s"); return err },
		func() error {
			_, err := s.Accept(ctx, start(), self, peerA, []store.Inbound{inbound(peerA, "p2", 2, "a")})
			return err
		},
	)
	if errs[0] != nil || !errors.Is(errs[1], store.ErrCorrupt) || errs[2] != nil {
		t.Errorf("got %v, want ErrCorrupt for the second alone", errs)
	}
	deliver(t, s, start(), peerA, 10, gateway.Received)
	must(t, s.SaveImport(ctx, start(), store.ImportState{Source: "s"}, nil)) // a new one heals it
	s.sound(t)
}
