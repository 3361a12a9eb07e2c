package store_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// smallDisk mounts a file system of its own.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", bytes)); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ballast fills the disk but for some bytes, until it is removed.
func ballast(t *testing.T, dir string, left int64) (remove func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	file := get(os.Create(path))(t)
	var disk syscall.Statfs_t
	must(t, syscall.Statfs(dir, &disk))
	if size := int64(disk.Bavail)*disk.Bsize - left; size > 0 {
		must(t, syscall.Fallocate(int(file.Fd()), 0, 0, size))
	}
	must(t, file.Close())
	return func() { must(t, os.Remove(path)) }
}

// TestFullDiskPutsOff lets the disk run full at every page that a transaction
// writes, with the room asked for beforehand and without.
func TestFullDiskPutsOff(t *testing.T) {
	for name, opt := range map[string]store.Options{"reserved": {}, "unreserved": store.Unreserved(store.Options{})} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, 8<<20)
			refused := map[int64]bool{}
			for left := int64(0); left < 48; left++ {
				n := fillDisk(t, filepath.Join(dir, "node.db"), opt, left*int64(os.Getpagesize()))
				refused[n] = true
				must(t, os.Remove(filepath.Join(dir, "node.db")))
			}
			if len(refused) < 3 {
				t.Errorf("the disk ran full after %v messages, want several moments", refused)
			}
		})
	}
}

// fillDisk publishes on a disk with so many bytes left until it is full, and
// gives the number of messages that went in.
func fillDisk(t *testing.T, path string, opt store.Options, left int64) (n int64) {
	t.Helper()
	s := &testStore{path: path, opt: opt}
	s.reopen(t)
	defer func() { must(t, s.Close()) }()
	title := strings.Repeat("x", 2000)
	send := func(n int64) error {
		return s.Publish(ctx, start(), store.Publication{
			Sends:   []store.Send{capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, title))},
			Journal: []journal.Entry{{Kind: "x", Count: int(n)}},
		})
	}
	for n < 5 {
		must(t, send(n))
		n++
	}
	remove := ballast(t, filepath.Dir(path), left)
	for failures := 0; failures < 3 && n < 2000; { // the next may find a free page yet
		err := send(n)
		if err == nil {
			n++
			continue
		}
		failures++
		wantKind(t, err, gateway.Limit)
		if !errors.Is(err, store.ErrFull) || !strings.Contains(gateway.SafeMessage(err), "disk is full") {
			t.Fatalf("%d bytes left: got %v, want ErrFull that names the disk", left, err)
		}
	}
	waiting(t, s, n)
	remove()
	must(t, send(n)) // without being opened again
	n++
	if u := s.Usage(); u.Full || u.Broken {
		t.Errorf("there is room again: got %+v", u)
	}
	waiting(t, s, n)
	s.reopen(t)
	waiting(t, s, n)
	return n
}

// waiting checks that exactly the first n messages are there.
func waiting(t *testing.T, s *testStore, n int64) {
	t.Helper()
	s.sound(t)
	if got := int64(get(s.Peer(ctx, peerA))(t).Queued); got != n {
		t.Fatalf("messages that wait: got %d, want the %d that were taken", got, n)
	}
	if got := int64(get(s.JournalSize(ctx))(t)); got != n {
		t.Fatalf("journal: got %d entries, want %d", got, n)
	}
}

// What takes away goes on when the disk is full, and makes room in the file.
func TestFullDiskCanBeEmptied(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	s := &testStore{path: filepath.Join(dir, "node.db")}
	s.reopen(t)
	defer func() { must(t, s.Close()) }()
	ballast(t, dir, 100<<10)
	title, n := strings.Repeat("x", 3000), 0
	var err error
	for ; err == nil && n < 2000; n++ {
		err = s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, title))}})
	}
	wantKind(t, err, gateway.Limit)
	for len(deliver(t, s, start(), peerA, 10, gateway.Received)) > 0 {
		continue
	}
	publish(t, s, start(), withdrawal(peerA, "o0"))
	if u := s.Usage(); !u.Full || u.Broken {
		t.Errorf("only what takes away was written since: got %+v, want it full", u)
	}
	s.sound(t)
}

// alone tells whether the test has a process to itself; if not, it runs the test
// in one.
func alone(t *testing.T) bool {
	t.Helper()
	const env = "DOORSTROOM_ALONE"
	if os.Getenv(env) == t.Name() {
		return true
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=1m")
	child.Env = append(os.Environ(), env+"="+t.Name())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// TestFileSizeLimit is the same for a limit that is set on the process.
func TestFileSizeLimit(t *testing.T) {
	if !alone(t) {
		return
	}
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	defer func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }()
	for name, opt := range map[string]store.Options{"reserved": {}, "unreserved": store.Unreserved(store.Options{})} {
		s := open(t, opt)
		limit := syscall.Rlimit{Cur: 1<<20 + 100, Max: before.Max} // not at the edge of a page
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
		var n int64
		var err error
		send := func() error {
			return s.Publish(ctx, start(), store.Publication{
				Sends:   []store.Send{capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, strings.Repeat("x", 3000)))},
				Journal: []journal.Entry{{Kind: "x"}},
			})
		}
		for ; n < 2000; n++ {
			if err = send(); err != nil {
				break
			}
		}
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("%s: got %v, want ErrFull", name, err)
		}
		waiting(t, s, n)
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
		must(t, send())
		waiting(t, s, n+1)
		s.reopen(t)
		waiting(t, s, n+1)
	}
}

// A full disk is no reason not to start and to read.
func TestOpensOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	s := &testStore{path: filepath.Join(dir, "node.db")}
	s.reopen(t)
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	must(t, s.Close())
	remove := ballast(t, dir, 0)
	s.Store = get(store.Open(s.path, s.opt))(t)
	if got := len(due(t, s, start().Add(time.Minute), peerA)); got != 1 {
		t.Errorf("messages: got %d, want 1", got)
	}
	s.sound(t)
	remove()
	publish(t, s, start(), capacity(peerA, "o2", "a"))
	must(t, s.Close())

	// And one that cannot even be made says so, and leaves nothing behind.
	ballast(t, dir, 0)
	_, err := store.Open(filepath.Join(dir, "other.db"), store.Options{})
	wantKind(t, err, gateway.Limit)
	if matches := get(filepath.Glob(filepath.Join(dir, "other*")))(t); len(matches) > 0 {
		t.Errorf("left behind: %v", matches)
	}
}

// Compacting a database on a disk that has no room for a second file changes
// nothing; where free space is promised in vain, neither.
func TestCompactOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 24<<20)
	s := &testStore{path: filepath.Join(dir, "node.db")}
	s.reopen(t)
	defer func() { must(t, s.Close()) }()
	for n := range 5 {
		publish(t, s, start(), capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, strings.Repeat("x", 100_000))))
	}
	remove := ballast(t, dir, 300<<10)
	want := contents(t, s.Store)
	_, err := s.Compact(ctx, start())
	wantKind(t, err, gateway.Limit)
	if files := get(filepath.Glob(s.path + ".*"))(t); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	if got := contents(t, s.Store); got != want {
		t.Error("the contents changed")
	}
	remove()
	get(s.Compact(ctx, start()))(t)
	s.sound(t)
}

// A backup that finds no room beside the database says that, at whatever step.
func TestBackupOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 24<<20)
	s := &testStore{path: filepath.Join(dir, "node.db")}
	s.reopen(t)
	defer func() { must(t, s.Close()) }()
	for n := range 5 {
		publish(t, s, start(), capacity(peerA, fmt.Sprint("o", n), fmt.Sprint(n, strings.Repeat("x", 100_000))))
	}
	size := get(os.Stat(s.path))(t).Size()
	for _, left := range []int64{0, 64 << 10, size / 2} {
		remove := ballast(t, dir, left)
		_, err := s.Backup(ctx, start(), filepath.Join(t.TempDir(), "one.backup"), sealing(t))
		wantKind(t, err, gateway.Limit)
		if files := get(filepath.Glob(s.path + ".*"))(t); len(files) > 0 {
			t.Errorf("with %d bytes, left behind: %v", left, files)
		}
		remove()
	}
	s.sound(t)
}

// A backup for which there is no room is not begun, on whichever disk that is, and
// says how much is needed and free.
func TestBackupAsksForRoomFirst(t *testing.T) {
	for _, full := range []string{"database", "backups"} {
		t.Run(full, func(t *testing.T) {
			data, backups := smallDisk(t, 32<<20), smallDisk(t, 32<<20)
			s := get(store.Open(filepath.Join(data, "node.db"), store.Options{}))(t)
			defer s.Close()
			must(t, s.SetMeta(ctx, "large", make([]byte, 3<<20)))
			u, sealed := s.Usage(), sealing(t)
			compacted, page := store.CompactedSize(u.FileBytes-u.FreeBytes), int64(os.Getpagesize())
			need, dir := max(u.FileBytes, compacted)+compacted, data
			if full == "backups" {
				need, dir = compacted, backups
			}
			need = (need + page - 1) / page * page
			remove := ballast(t, dir, need-page)
			began := false
			watched := sealed
			watched.Encrypt = func(to io.Writer) (io.WriteCloser, error) { began = true; return sealed.Encrypt(to) }
			file := filepath.Join(backups, "one.backup")
			_, err := s.Backup(ctx, start(), file, watched)
			if text := gateway.SafeMessage(err); gateway.KindOf(err) != gateway.Limit || began ||
				!strings.Contains(text, "of the "+full) || !strings.Contains(text, fmt.Sprint(need-page, " are free")) {
				t.Errorf("one page too few: got %v (begun: %v), want that %d are free", err, began, need-page)
			}
			remove()
			if got, want := strings.TrimSpace(files(t, data)+" "+files(t, backups)), "node.db"; got != want {
				t.Errorf("left %q, want %q", got, want)
			}
			defer ballast(t, dir, need+page)() // encrypted it is a little larger; compacted mostly less
			if _, err := s.Backup(ctx, start(), file, sealed); err != nil {
				t.Errorf("with enough room: %v", err)
			}
		})
	}
}
