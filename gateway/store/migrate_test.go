package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// The formats of these tests are no real ones.
func toTwo(t store.Txn) error { t.Put("own2", "a", "made by 2"); return nil }
func toThree(t store.Txn) error {
	value, err := t.Get("own2", "a")
	t.Put("own3", "a", value+" and 3")
	return err
}

func toFour(store.Txn) error { return nil }

func toFive(store.Txn) error { return nil }

func copies(t *testing.T, s *testStore, format int) []string {
	t.Helper()
	return get(filepath.Glob(fmt.Sprintf("%s.format%d-*", s.path, format)))(t)
}

func TestFormatIsTheNumberOfMigrations(t *testing.T) {
	if store.Formats() != store.Format {
		t.Errorf("got %d, want %d", store.Formats(), store.Format)
	}
}

func TestMigratesInSteps(t *testing.T) {
	s := &testStore{path: filepath.Join(t.TempDir(), "node.db")}
	unpackGolden(t, 1, s.path)
	size := uint64(0)
	for round, steps := range [][]func(store.Txn) error{{toTwo, toThree, toFour, toFive}, {toTwo, toThree, toFour, toFive}} {
		s.Store = get(store.OpenWith(s.path, s.opt, steps...))(t)
		if got := get(s.Row(ctx, "own3", "a"))(t); got != "made by 2 and 3" {
			t.Errorf("got %q, want both migrations", got)
		}
		did := s.Migrated()
		if round == 0 && (did.From != 1 || did.To != 5 || len(copies(t, s, 1)) != 1 || did.KeptAs != copies(t, s, 1)[0]) {
			t.Errorf("got %+v and %v, want a copy of format 1", did, copies(t, s, 1))
		}
		if round == 1 && did != (store.Migrated{}) {
			t.Errorf("the second time: got %+v, want nothing", did)
		}
		s.sound(t)
		compareGolden(t, s, 1)
		records := get(s.Journal(ctx, 0, 1000))(t)
		if round == 1 && uint64(len(records)) != size {
			t.Errorf("journal: got %d entries, want %d", len(records), size)
		}
		size = uint64(len(records))
		for i, want := range []int{2, 3, 4, 5} {
			if got := records[len(records)-4+i]; got.Kind != journal.KindMigrated || got.Count != want {
				t.Errorf("journal: got %+v, want the migration to %d", got, want)
			}
		}
		must(t, s.Close())
	}
	_, err := store.Open(s.path, s.opt)
	if !errors.Is(err, store.ErrFormat) {
		t.Errorf("the older program: got %v, want ErrFormat", err)
	}
	kept := &testStore{path: copies(t, s, 1)[0]}
	kept.Store = get(store.OpenWith(kept.path, kept.opt))(t)
	kept.sound(t)
	compareGolden(t, kept, 1)
	must(t, kept.Close())
}

// Whatever goes wrong, the older program finds what it left.
func TestAFailedMigrationChangesNothing(t *testing.T) {
	broken := errors.New("no")
	fail := func(at string) func(string) error {
		return func(point string) error {
			if point == at {
				return broken
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		opt   store.Options
		steps []func(store.Txn) error
		left  uint64 // format
	}{
		"fails":         {store.Options{}, []func(store.Txn) error{func(tx store.Txn) error { tx.Put("own", "o1", "{}"); return broken }}, 1},
		"panics":        {store.Options{}, []func(store.Txn) error{func(tx store.Txn) error { tx.Put("own", "o1", "{}"); panic("no") }}, 1},
		"before commit": {store.Options{Fault: fail("before-commit")}, []func(store.Txn) error{toTwo}, 1},
		"after commit":  {store.Options{Fault: fail("after-commit")}, []func(store.Txn) error{toTwo, toThree}, 2},
		"the second":    {store.Options{}, []func(store.Txn) error{toTwo, func(store.Txn) error { return broken }}, 2},
	} {
		s := &testStore{path: filepath.Join(t.TempDir(), "node.db")}
		unpackGolden(t, 1, s.path)
		if _, err := store.OpenWith(s.path, c.opt, c.steps...); err == nil {
			t.Fatalf("%s: got no error, want one", name)
		}
		if len(copies(t, s, 1)) != 1 {
			t.Errorf("%s: got copies %v, want one", name, copies(t, s, 1))
		}
		s.Store = get(store.OpenWith(s.path, s.opt, []func(store.Txn) error{toTwo}[:c.left-1]...))(t)
		s.sound(t)
		compareGolden(t, s, 1)
		if s.Migrated() != (store.Migrated{}) {
			t.Errorf("%s: got %+v, want format %d", name, s.Migrated(), c.left)
		}
		must(t, s.Close())
		s.Store = get(store.OpenWith(s.path, s.opt, toTwo, toThree))(t) // the next time it works
		if got := get(s.Row(ctx, "own3", "a"))(t); got != "made by 2 and 3" {
			t.Errorf("%s: got %q, want both migrations", name, got)
		}
		s.sound(t)
		must(t, s.Close())
	}
}

// TestKilledMigration ends a process in the middle of each step.
func TestKilledMigration(t *testing.T) {
	const env = "DOORSTROOM_MIGRATE_DB"
	if path := os.Getenv(env); path != "" {
		die := func(store.Txn) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }
		steps := map[string][]func(store.Txn) error{
			"1": {func(tx store.Txn) error { return errors.Join(toTwo(tx), die(tx)) }},
			"2": {toTwo, func(tx store.Txn) error { return errors.Join(toThree(tx), die(tx)) }},
		}
		_, err := store.OpenWith(path, store.Options{}, steps[os.Getenv(env+"_AT")]...)
		t.Fatalf("not killed: %v", err)
	}
	for left, at := range []string{"1", "2"} {
		s := &testStore{path: filepath.Join(t.TempDir(), "node.db")}
		unpackGolden(t, 1, s.path)
		child := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^TestKilledMigration$")
		child.Env = append(os.Environ(), env+"="+s.path, env+"_AT="+at)
		if out, err := child.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("got %v, want the child to be killed\n%s", err, out)
		}
		s.Store = get(store.OpenWith(s.path, s.opt, []func(store.Txn) error{toTwo}[:left]...))(t)
		if s.Migrated() != (store.Migrated{}) {
			t.Errorf("killed in step %s: got %+v, want format %d", at, s.Migrated(), left+1)
		}
		s.sound(t)
		compareGolden(t, s, 1)
		must(t, s.Close())
	}
}

// Who starts a program that fails again and again must not fill the disk.
func TestFailedMigrationsKeepOneCopy(t *testing.T) {
	s := &testStore{path: filepath.Join(t.TempDir(), "node.db")}
	unpackGolden(t, 1, s.path)
	broken := func(store.Txn) error { return errors.New("no") }
	for range 3 {
		if _, err := store.OpenWith(s.path, s.opt, broken); err == nil {
			t.Fatal("got no error, want one")
		}
	}
	if got := copies(t, s, 1); len(got) != 1 {
		t.Errorf("got copies %v, want one", got)
	}
	s.Store = get(store.OpenWith(s.path, s.opt))(t) // the older program works on
	must(t, s.Append(ctx, start(), journal.Entry{Kind: journal.KindStart}))
	must(t, s.Close())
	if _, err := store.OpenWith(s.path, s.opt, broken); err == nil || len(copies(t, s, 1)) != 2 {
		t.Errorf("got %v and copies %v, want another copy of what was written since", err, copies(t, s, 1))
	}
}
