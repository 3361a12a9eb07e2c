package store_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// envFaults makes the test binary the child of which system calls fail.
const envFaults = "DOORSTROOM_FAULTS_DB"

// writeWithFaults says of each of its writes what came of it.
func writeWithFaults(path string, out io.Writer) error {
	s, err := store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	for n := range 40 {
		err := s.Publish(ctx, start(), store.Publication{
			Sends: []store.Send{capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, strings.Repeat("x", 3000)))},
		})
		switch {
		case err == nil:
			fmt.Fprintf(out, "o%d\n", n)
		case errors.Is(err, store.ErrFull):
			fmt.Fprintln(out, "full")
		default:
			fmt.Fprintln(out, "error", gateway.SafeMessage(err))
		}
		if _, err := s.Shown(ctx, peerA); err != nil {
			return fmt.Errorf("reading after %v: %w", err, err)
		}
	}
	return s.Close()
}

// TestFailingSystemCalls has single system calls of a store fail in earnest. A
// write that fails is over with the next; after a sync that failed nothing is
// written until a restart. What was answered is there, each time.
func TestFailingSystemCalls(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	if out, err := exec.Command(strace, "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace is not permitted: %s", out)
	}
	for _, c := range []struct {
		call, errno, said string
		goesOn            bool
	}{
		{"pwrite64", "ENOSPC", "full", true},
		{"pwrite64", "EIO", "error writing the database failed", true},
		{"fdatasync", "EIO", "error writing the database failed: check the disk and restart", false},
		{"fdatasync", "ENOSPC", "full", true}, // or not, where the head was written already
	} {
		for _, when := range []int{1, 2, 3, 6} {
			name := fmt.Sprintf("%s %s %d", c.call, c.errno, when)
			s := open(t, store.Options{})
			publish(t, s, start(), capacity(peerA, "before", "a"))
			must(t, s.Close())
			child := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace="+c.call,
				"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", c.call, c.errno, when), os.Args[0])
			child.Env = append(os.Environ(), envFaults+"="+s.path, "GOMAXPROCS=1")
			child.Stderr = os.Stderr
			lines := strings.Split(strings.TrimSpace(string(get(child.Output())(t))), "\n")
			checkFaults(t, name, lines, c.said, c.goesOn)
			s.openAgain(t)
			s.sound(t)
			have := map[string]bool{}
			for _, one := range get(s.Shown(ctx, peerA))(t) {
				have[one.Subject] = true
			}
			for _, line := range append(lines, "before") {
				if !have[line] && line != "full" && !strings.HasPrefix(line, "error") {
					t.Errorf("%s: %s was answered and is not there", name, line)
				}
			}
			if files := get(filepath.Glob(s.path + ".*"))(t); len(files) > 0 {
				t.Errorf("%s: left behind: %v", name, files)
			}
		}
	}
}

func checkFaults(t *testing.T, name string, lines []string, said string, goesOn bool) {
	t.Helper()
	failed := 0
	for _, line := range lines {
		if !strings.HasPrefix(line, "o") {
			failed++
			if line != said && !strings.Contains(line, "check the disk") {
				t.Errorf("%s: got %q, want %q", name, line, said)
			}
		}
	}
	last := lines[len(lines)-1]
	switch {
	case len(lines) != 40 || failed == 0:
		t.Errorf("%s: got %d answers and %d failures, want 40 and at least 1", name, len(lines), failed)
	case goesOn && failed > 20 && !strings.Contains(last, "check the disk"):
		t.Errorf("%s: got %d failures, want it to go on", name, failed)
	case !goesOn && last != said:
		t.Errorf("%s: at the end got %q, want %q", name, last, said)
	}
}
