package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// drained is a store that sent most of what it had.
func drained(t *testing.T, opt store.Options) *testStore {
	t.Helper()
	s := open(t, opt)
	for n := range 10 {
		var sends []store.Send
		for i := range 100 {
			sends = append(sends, capacity(peerA, fmt.Sprint("o", n, "-", i), fmt.Sprint(n, i, strings.Repeat("x", 4000))))
		}
		publish(t, s, start(), sends...)
	}
	for range 9 {
		deliver(t, s, start(), peerA, 100, gateway.Received)
	}
	return s
}

func TestCompactGivesRoomBack(t *testing.T) {
	s := drained(t, store.Options{NoSync: true, MaxBytes: 64 << 20})
	want := contents(t, s.Store)
	before := s.Usage()
	did := get(s.Compact(ctx, start()))(t)
	after := s.Usage()
	if did.Before != before.FileBytes || did.After > before.FileBytes/3 || after.MaxBytes != 64<<20 {
		t.Errorf("got %+v, then %+v, want a third of %+v or less", did, after, before)
	}
	if files := get(filepath.Glob(s.path + ".*"))(t); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	entries := get(s.Journal(ctx, 0, 10))(t)
	if last := entries[len(entries)-1]; last.Kind != journal.KindCompacted || last.Count <= 0 {
		t.Errorf("journal: got %+v, want the compacting", last)
	}
	if last, ok, err := s.LastCompaction(ctx); err != nil || !ok || last != did || !last.At.Equal(start()) {
		t.Errorf("last compaction: got %+v, %v, %v, want %+v", last, ok, err, did)
	}
	for range 2 {
		s.sound(t)
		got := contents(t, s.Store)
		if got = got[:strings.LastIndex(got, "journal\t")]; !strings.HasPrefix(want, got) {
			t.Error("the contents changed")
		}
		s.reopen(t)
	}
	publish(t, s, start(), capacity(peerA, "new", "a"))
	s.sound(t)
}

// TestCompactWhileInUse writes, empties and reads while the file is compacted
// again and again.
func TestCompactWhileInUse(t *testing.T) {
	s := drained(t, store.Options{NoSync: true})
	var stop atomic.Bool
	var wg sync.WaitGroup
	done := make([]int, 3)
	for w := range done {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				must := func(err error) {
					if err != nil && gateway.KindOf(err) != gateway.Conflict {
						t.Error(err)
						stop.Store(true)
					}
				}
				must(s.Append(ctx, start(), journal.Entry{Kind: "w", Count: w}))
				done[w]++
				must(s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerB, fmt.Sprint("w", w), fmt.Sprint(i))}}))
				if w == 0 { // alone: two would take each other's messages
					out, err := s.Due(ctx, start(), peerB, 2, 1<<20, nil)
					must(err)
					must(s.BeginAttempt(ctx, start(), peerB, sequences(out), start()))
				}
			}
		})
	}
	for range 5 {
		get(s.Compact(ctx, start()))(t)
	}
	stop.Store(true)
	wg.Wait()
	for range 2 {
		s.sound(t)
		got := make([]int, len(done))
		for _, record := range get(s.Journal(ctx, 0, 1<<20))(t) {
			if record.Kind == "w" {
				got[record.Count]++
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(done) || done[0] < 10 {
			t.Errorf("journal: got %v, want what was answered, %v", got, done)
		}
		s.reopen(t)
	}
}

// TestCompactIsCrashSafe opens what a crash would leave at each point, and goes
// on after a fault at each.
func TestCompactIsCrashSafe(t *testing.T) {
	for _, at := range []string{"before-swap", "after-swap"} {
		var armed atomic.Bool
		broken := errors.New("power cut")
		image := t.TempDir()
		var s *testStore
		s = drained(t, store.Options{NoSync: true, Fault: func(point string) error {
			if point != at || !armed.Load() {
				return nil
			}
			return errors.Join(broken, os.CopyFS(image, os.DirFS(filepath.Dir(s.path))))
		}})
		want := contents(t, s.Store)
		armed.Store(true)
		if _, err := s.Compact(ctx, start()); !errors.Is(err, broken) {
			t.Fatalf("%s: got %v, want the fault", at, err)
		}
		armed.Store(false)
		if files := get(filepath.Glob(s.path + ".*"))(t); len(files) > 0 {
			t.Errorf("%s: left behind: %v", at, files)
		}
		crashed := &testStore{path: filepath.Join(image, filepath.Base(s.path))}
		crashed.reopen(t)
		for _, one := range []*testStore{s, crashed} {
			for range 2 {
				one.sound(t)
				if got := contents(t, one.Store); got != want {
					t.Errorf("%s: the contents changed", at)
				}
				one.reopen(t)
			}
			must(t, one.Append(ctx, start(), journal.Entry{Kind: "x"}))
			get(one.Compact(ctx, start()))(t)
			one.sound(t)
		}
		if files := get(filepath.Glob(crashed.path + ".*"))(t); len(files) > 0 {
			t.Errorf("%s: left behind after a crash: %v", at, files)
		}
		must(t, crashed.Close())
	}
}

func TestCompactIsRefused(t *testing.T) {
	s := drained(t, store.Options{NoSync: true})
	want := contents(t, s.Store)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Compact(cancelled, start()); err == nil {
		t.Error("cancelled: got no error, want one")
	}
	must(t, os.Mkdir(s.path+".compacted", 0o700))
	must(t, os.WriteFile(s.path+".compacted/x", nil, 0o600))
	if _, err := s.Compact(ctx, start()); err == nil {
		t.Error("with a folder in the way: got no error, want one")
	}
	must(t, os.RemoveAll(s.path+".compacted"))
	if got := contents(t, s.Store); got != want {
		t.Error("the contents changed")
	}
	get(s.Compact(ctx, start()))(t)
	must(t, s.Close())
	_, err := s.Compact(ctx, start())
	wantKind(t, err, gateway.Unavailable)
}

func TestWasteful(t *testing.T) {
	for _, c := range []struct {
		u    store.Usage
		want bool
	}{
		{store.Usage{FileBytes: 65 << 20, FreeBytes: 40 << 20}, true},
		{store.Usage{FileBytes: 65 << 20, FreeBytes: 38 << 20}, false},
		{store.Usage{FileBytes: 64 << 20, FreeBytes: 63 << 20}, false},
		{store.Usage{FileBytes: 1 << 40, FreeBytes: -1}, false},
	} {
		if got := c.u.Wasteful(); got != c.want {
			t.Errorf("%+v: got %t, want %t", c.u, got, c.want)
		}
	}
}
