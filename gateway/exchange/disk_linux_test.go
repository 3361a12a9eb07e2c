package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestNodeOnAFullDisk: a node whose disk is full tells its peers to wait, goes
// on showing what it has, and takes everything in once there is room again,
// without a restart.
func TestNodeOnAFullDisk(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Publish(gt.Smile, gt.Offer("first"))
		f.Settled(time.Hour)
		f.Stop(gt.Alblasserdam)
		data := filepath.Join(f.Dir(gt.Alblasserdam), "data")
		onSmallDisk(t, data)
		f.Start(gt.Alblasserdam)
		f.Settled(time.Hour)
		full := fillUp(t, data)

		var offers []gateway.Offer
		for i := range 200 {
			offers = append(offers, gt.Offer(fmt.Sprint("offer-", i)))
		}
		f.Publish(gt.Smile, append(offers, gt.Offer("first"))...)
		time.Sleep(time.Hour)
		waits := peerOf(t, f, gt.Smile, gt.Alblasserdam)
		if waits.Queued == 0 || waits.Later != gateway.ReasonOverload {
			t.Fatalf("the disk is full: got %+v, want messages that wait", waits)
		}
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got == 0 {
			t.Error("offers that can be read on the full disk: got none")
		}
		s := f.Node(gt.Alblasserdam).Store
		var err error
		for range 2000 { // what makes no room ends too
			if err = s.Append(context.Background(), time.Now(), journal.Entry{Kind: "x"}); err != nil {
				break
			}
		}
		if !errors.Is(err, store.ErrFull) || gateway.KindOf(err) != gateway.Limit {
			t.Errorf("got %v, want ErrFull", err)
		}

		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		f.Settled(24 * time.Hour)
		f.Converged()
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 201 {
			t.Errorf("offers: got %d, want 201", got)
		}
	})
}

func peerOf(t *testing.T, f *gt.Federation, oin, peer gateway.OIN) store.PeerStatus {
	t.Helper()
	status, err := f.Node(oin).Store.Peer(context.Background(), peer)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// onSmallDisk moves the data of a stopped node to a file system of its own.
func onSmallDisk(t *testing.T, data string) {
	t.Helper()
	aside := t.TempDir()
	if err := os.CopyFS(aside, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=16m,mode=700"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	err := errors.Join(os.CopyFS(data, os.DirFS(aside)), filepath.WalkDir(data, func(name string, entry os.DirEntry, err error) error {
		if entry.IsDir() || err != nil {
			return err
		}
		return os.Chmod(name, 0o600)
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// fillUp takes all room of the disk and names the file that does.
func fillUp(t *testing.T, dir string) (file string) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(disk.Bavail)*disk.Bsize); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
