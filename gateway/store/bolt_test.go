package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

var errBusy = errors.New("the busy operation has no effect")

// busy holds the committer in an operation of its own until release is called,
// so that whatever is started meanwhile shares the next transaction.
func busy(t *testing.T, s *testStore) (release func()) {
	t.Helper()
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	go func() {
		defer close(done)
		_, err := s.Checkpoint(ctx, start(), func(journal.Checkpoint) ([]byte, error) {
			once.Do(func() { close(entered); <-leave })
			return nil, errBusy
		})
		if !errors.Is(err, errBusy) {
			t.Errorf("the busy operation: %v", err)
		}
	}()
	<-entered
	return func() { close(leave); <-done }
}

// together runs operations that arrive while the committer is busy and gives
// their errors.
func together(t *testing.T, s *testStore, operations ...func() error) []error {
	t.Helper()
	release := busy(t, s)
	errs := make([]error, len(operations))
	var wg sync.WaitGroup
	for i, operation := range operations {
		wg.Go(func() { errs[i] = operation() })
	}
	time.Sleep(20 * time.Millisecond) // until all wait for the committer; if one is late it shares nothing
	release()
	wg.Wait()
	return errs
}

func appendEntry(s *testStore, n int) func() error {
	return func() error { return s.Append(ctx, start(), journal.Entry{Kind: "x", Count: n}) }
}

func counts(t *testing.T, s *testStore) map[int]int {
	t.Helper()
	n := map[int]int{}
	for _, record := range get(s.Journal(ctx, 0, 1_000_000))(t) {
		n[record.Count]++
	}
	return n
}

func TestOperationsShareATransaction(t *testing.T) {
	var commits atomic.Int32
	s := open(t, store.Options{Fault: func(point string) error {
		if point == "before-commit" {
			commits.Add(1)
		}
		return nil
	}})
	commits.Store(0)
	var operations []func() error
	for i := range 50 {
		operations = append(operations, appendEntry(s, i))
	}
	for i, err := range together(t, s, operations...) {
		if err != nil {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if got := commits.Load(); got > 10 { // 2 but for stragglers
		t.Errorf("transactions: got %d for 50 operations, want few", got)
	}
	if got := counts(t, s); len(got) != 50 {
		t.Errorf("entries: got %d, want 50", len(got))
	}
	s.sound(t)
}

func TestAFailingNeighbourDoesNoHarm(t *testing.T) {
	s := open(t, store.Options{})
	entry := func(n int) journal.Entry { return journal.Entry{Kind: "x", Count: n} }
	must(t, s.SaveRegister(ctx, start(), [][]byte{[]byte("five")}, 5, entry(0)))
	broken := errors.New("no key")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	errs := together(t, s,
		appendEntry(s, 1),
		func() error { return s.SaveRegister(ctx, start(), [][]byte{[]byte("four")}, 4, entry(2)) },
		func() error {
			_, err := s.Checkpoint(ctx, start(), func(journal.Checkpoint) ([]byte, error) { return nil, broken })
			return err
		},
		func() error {
			_, err := s.Checkpoint(ctx, start(), func(journal.Checkpoint) ([]byte, error) { panic("in a neighbour") })
			return err
		},
		func() error { return s.Append(cancelled, start(), entry(3)) },
		func() error { // fails after it has written to its own batch
			return s.Publish(ctx, start(), store.Publication{
				Put: []store.OwnOffer{{Offer: gateway.Offer{ID: "o1"}}}, Journal: []journal.Entry{entry(4)},
				Sends: []store.Send{capacity(peerA, "o1", "a"), {Recipients: []gateway.OIN{peerA}, Kind: gateway.KindCapacity, Hash: "wrong"}},
			})
		},
		func() error { return s.Append(ctx, start(), journal.Entry{Kind: "y"}, journal.Entry{}) },
		appendEntry(s, 5),
		// These write what the failed publication would have written.
		func() error {
			return s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, "o1", "b")}})
		},
		func() error {
			return s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, "o1", "c")}})
		},
	)
	if out := due(t, s, start(), peerA); len(out) != 1 || out[0].Sequence != 2 {
		t.Errorf("messages: got %v, want the second of two", sequences(out))
	}
	for i, ok := range []bool{true, false, false, false, false, false, false, true, true, true} {
		if (errs[i] == nil) != ok {
			t.Errorf("operation %d: got %v, want success: %t", i, errs[i], ok)
		}
	}
	if !errors.Is(errs[2], broken) || !errors.Is(errs[4], context.Canceled) {
		t.Errorf("got %v and %v, want the operation's own errors", errs[2], errs[4])
	}
	if strings.Contains(gateway.SafeMessage(errs[3]), "neighbour") || gateway.KindOf(errs[3]) != gateway.Internal {
		t.Errorf("a panic: got %q, want an internal error without details", gateway.SafeMessage(errs[3]))
	}
	if got, want := fmt.Sprint(counts(t, s)), "map[0:1 1:1 5:1]"; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	if got := len(get(s.OwnOffers(ctx))(t)); got != 0 {
		t.Errorf("offers of a failed publication: got %d, want 0", got)
	}
	s.sound(t)
}

func TestOperationsSeeThoseBeforeThem(t *testing.T) {
	s := open(t, store.Options{})
	var operations []func() error
	for i := range 20 {
		operations = append(operations, func() error {
			return s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, "o", fmt.Sprint("title ", i))}})
		})
	}
	for _, err := range together(t, s, operations...) {
		must(t, err)
	}
	out := due(t, s, start(), peerA)
	if len(out) != 1 || out[0].Sequence != 20 {
		t.Errorf("got %v, want the last of 20 snapshots alone", sequences(out))
	}
	s.sound(t)
}

func TestFaultBeforeCommitTakesNoEffect(t *testing.T) { testFault(t, "before-commit", false) }
func TestFaultAfterCommitTakesEffect(t *testing.T)    { testFault(t, "after-commit", true) }

// testFault lets one transaction fail at a point while several share it.
func testFault(t *testing.T, at string, effect bool) {
	var armed atomic.Bool
	broken := errors.New("power cut")
	s := open(t, store.Options{Fault: func(point string) error {
		if point == at && armed.Load() {
			return broken
		}
		return nil
	}})
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	armed.Store(true)
	errs := []error{
		s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, "o1", "b"), capacity(peerB, "o1", "b")}}),
		s.Append(ctx, start(), journal.Entry{Kind: "x"}),
		s.BeginAttempt(ctx, start(), peerA, sequences(due(t, s, start(), peerA)), start().Add(time.Hour)),
	}
	armed.Store(false)
	for i, err := range errs {
		if !errors.Is(err, broken) {
			t.Errorf("operation %d: got %v, want %v", i, err, broken)
		}
	}
	for range 2 {
		s.sound(t)
		if got := get(s.JournalSize(ctx))(t) == 1; got != effect {
			t.Errorf("entry in the journal: got %t, want %t", got, effect)
		}
		if got := get(s.Peer(ctx, peerB))(t).Queued == 1; got != effect {
			t.Errorf("message in the queue: got %t, want %t", got, effect)
		}
		if got := get(s.Peer(ctx, peerA))(t).LastAttempt.Equal(start()); got != effect {
			t.Errorf("attempt recorded: got %t, want %t", got, effect)
		}
		s.reopen(t)
	}
	must(t, s.Append(ctx, start(), journal.Entry{Kind: "y"}))
	s.sound(t)
}

func TestWhatWasAnsweredIsThereAfterClose(t *testing.T) {
	s := open(t, store.Options{})
	var answered sync.Map
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				n := w*1_000_000 + i
				if err := appendEntry(s, n)(); err != nil {
					if gateway.KindOf(err) != gateway.Unavailable {
						t.Errorf("got %v, want Unavailable", err)
					}
					return
				}
				answered.Store(n, true)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	must(t, s.Close())
	wg.Wait()
	s.Store = get(store.Open(s.path, s.opt))(t)
	got := counts(t, s)
	answered.Range(func(n, _ any) bool {
		if got[n.(int)] != 1 {
			t.Errorf("entry %d: got %d times, want once", n, got[n.(int)])
		}
		return true
	})
	s.sound(t)
}

func TestFullIsLimitAndCanBeEmptied(t *testing.T) {
	s := open(t, store.Options{MaxBytes: 4 << 20, NoSync: true})
	title := strings.Repeat("x", 4000)
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ {
		err = s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, title))}})
	}
	wantKind(t, err, gateway.Limit)
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if u := s.Usage(); u.FileBytes > u.MaxBytes || n < 100 {
		t.Errorf("got %+v after %d messages, want a file within its limit and some messages", u, n)
	}
	s.reopen(t)
	s.sound(t)
	// What takes away still goes through, and makes room.
	must(t, s.Publish(ctx, start(), store.Publication{Sends: []store.Send{withdrawal(peerA, "o0")}}))
	for len(deliver(t, s, start(), peerA, 10, gateway.Received)) > 0 {
		continue
	}
	must(t, s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, "new", title)}}))
	s.sound(t)
}

// One operation that is too large for the file must not take its neighbours
// down with it.
func TestTooLargeIsTheOwnersError(t *testing.T) {
	s := open(t, store.Options{MaxBytes: 4 << 20})
	errs := together(t, s,
		appendEntry(s, 1),
		func() error {
			return s.SaveRegister(ctx, start(), [][]byte{make([]byte, 8<<20)}, 1, journal.Entry{Kind: "x"})
		},
		appendEntry(s, 2),
	)
	if errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], store.ErrFull) {
		t.Errorf("got %v, want ErrFull for the second alone", errs)
	}
	must(t, appendEntry(s, 3)())
	s.sound(t)
}

// A database with a damaged page must be reported, never bring the process down.
func TestDamagedPagesAreReported(t *testing.T) {
	s := open(t, store.Options{})
	for i := range 200 {
		publish(t, s, start(), capacity(peerA, fmt.Sprint("o", i), strings.Repeat("x", 300)))
	}
	must(t, s.Close())
	whole := get(os.ReadFile(s.path))(t)
	used := len(bytes.TrimRight(whole, "\x00")) // the file is longer than what is in it
	found := 0
	for page := range used/os.Getpagesize() + 1 {
		damaged := append([]byte{}, whole...)
		for i := range 64 {
			damaged[page*os.Getpagesize()+i] ^= 0xa5
		}
		must(t, os.WriteFile(s.path, damaged, 0o600))
		opened, err := store.Open(s.path, store.Options{})
		if err != nil {
			found++
			continue
		}
		if len(opened.Check(ctx)) > 0 {
			found++
		}
		must(t, opened.Close())
	}
	if found < 10 {
		t.Errorf("damaged pages found: got %d, want those in use", found)
	}
	must(t, os.WriteFile(s.path, whole[:used/2], 0o600))
	if opened, err := store.Open(s.path, store.Options{}); err == nil {
		if len(opened.Check(ctx)) == 0 {
			t.Error("half a file: got no problem, want one")
		}
		must(t, opened.Close())
	}
	must(t, os.WriteFile(s.path, whole, 0o600))
	s.Store = get(store.Open(s.path, store.Options{}))(t)
	s.sound(t)
}
