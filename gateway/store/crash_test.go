package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// envCrash makes the test binary the child that is killed.
const envCrash = "DOORSTROOM_CRASH_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(envFaults); path != "" {
		if err := writeWithFaults(path, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if path := os.Getenv(envCrash); path != "" {
		if err := writeUntilKilled(path, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled publishes, delivers and receives, and says on out what was
// answered: a line is written only after the store said it is done.
func writeUntilKilled(path string, out io.Writer) error {
	s, err := store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	first, err := s.JournalSize(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	errs := make(chan error)
	for w := range 3 {
		go func() {
			for i := int(first)*10 + w; ; i += 3 {
				if err := step(s, i, say); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func step(s *store.Store, i int, say func(string, ...any)) error {
	offer := fmt.Sprint("o", i)
	in := inbound(peerA, offer, uint64(i+1), "a")
	if _, err := s.Accept(ctx, start(), self, peerA, []store.Inbound{in}); err != nil {
		return err
	}
	say("accepted %s", offer)
	entry := journal.Entry{Kind: journal.KindPublish, Count: i}
	if err := s.Publish(ctx, start(), store.Publication{
		Sends: []store.Send{capacity(peerB, offer, offer)}, Journal: []journal.Entry{entry},
	}); err != nil {
		return err
	}
	say("published %s", offer)
	due, err := s.Due(ctx, start(), peerB, 2, 1<<20, nil)
	if err != nil {
		return err
	}
	if err := s.BeginAttempt(ctx, start(), peerB, sequences(due), start()); gateway.KindOf(err) == gateway.Conflict {
		return nil // the other writer took it
	} else if err != nil {
		return err
	}
	var all []store.Settlement
	for _, o := range due {
		all = append(all, settlement(peerB, o.Sequence, gateway.Received))
	}
	err = s.Settle(ctx, start(), peerB, all, "head", time.Time{}, nil)
	if err != nil && gateway.KindOf(err) != gateway.Conflict {
		return err
	}
	return nil
}

// TestKilledProcessLosesNothing kills a process that writes, at random moments,
// and looks for everything that it was told is done.
func TestKilledProcessLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.db")
	said := map[string]bool{}
	for cycle := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), envCrash+"="+path)
		child.Stderr = os.Stderr
		pipe := get(child.StdoutPipe())(t)
		must(t, child.Start())
		lines, wanted := bufio.NewScanner(pipe), 20+rand.IntN(100)
		for n := 0; lines.Scan(); n++ {
			said[lines.Text()] = true
			if n == wanted {
				must(t, child.Process.Kill())
			}
		}
		if err := child.Wait(); child.ProcessState.ExitCode() != -1 {
			t.Fatalf("cycle %d: the child was not killed: %v", cycle, err)
		}
		checkSaid(t, path, said)
	}
	if len(said) < 100 {
		t.Errorf("answered operations: got %d, want at least 100", len(said))
	}
}

func checkSaid(t *testing.T, path string, said map[string]bool) {
	t.Helper()
	s := &testStore{path: path}
	s.Store = get(store.Open(path, store.Options{}))(t)
	defer func() { must(t, s.Close()) }()
	s.sound(t)
	have := map[string]int{}
	for _, o := range get(s.ReceivedOffers(ctx))(t) {
		have["accepted "+o.Subject]++
	}
	for _, one := range get(s.Shown(ctx, peerB))(t) {
		have["published "+one.Subject]++
	}
	for _, record := range get(s.Journal(ctx, 0, 1<<20))(t) {
		if record.Kind == journal.KindPublish {
			have[fmt.Sprint("journaled o", record.Count)]++
		}
	}
	for what := range said {
		if have[what] != 1 {
			t.Errorf("%s: got %d times, want once", what, have[what])
		}
		if offer, ok := strings.CutPrefix(what, "published "); ok && have["journaled "+offer] != 1 {
			t.Errorf("%s: journaled %d times, want once", what, have["journaled "+offer])
		}
	}
}

// TestEveryImageOfTheFileIsSound takes a copy of the file just before and just
// after each commit, as a power cut would leave it, and opens each.
func TestEveryImageOfTheFileIsSound(t *testing.T) {
	dir := t.TempDir()
	var images []string
	var taking atomic.Bool
	var s *testStore
	s = open(t, store.Options{Fault: func(point string) error {
		if !taking.Load() {
			return nil
		}
		image := filepath.Join(dir, fmt.Sprintf("%03d-%s.db", len(images), point))
		images = append(images, image)
		data, err := os.ReadFile(s.path)
		return errors.Join(err, os.WriteFile(image, data, 0o600))
	}})
	taking.Store(true)
	done := 0
	for i := range 10 {
		must(t, step(s.Store, i, func(string, ...any) { done++ }))
	}
	sizes := map[uint64]bool{}
	for i, image := range images {
		opened := &testStore{path: image}
		opened.Store = get(store.Open(image, store.Options{}))(t)
		opened.sound(t)
		sizes[get(opened.JournalSize(ctx))(t)] = true
		if i%2 == 1 && len(due(t, opened, start(), peerB)) > 2 {
			t.Errorf("%s: more waits than was published", image)
		}
		must(t, opened.Close())
	}
	if len(images) != 80 || len(sizes) != 21 || done != 20 {
		t.Errorf("got %d images with %d states after %d answers, want one for every commit", len(images), len(sizes), done)
	}
}
