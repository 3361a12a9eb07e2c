package main_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBadWeather runs three nodes in network namespaces of their own, between
// which packets get lost, come late, or do not come at all. The near gemeente
// gets all it is sent meanwhile; the far one too, in the end and once.
//
// The namespaces are joined by two TUN devices each, between which this process
// carries the packets: netem, which could do the same, is not in every kernel.
func TestBadWeather(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for many seconds")
	}
	mayMakeNetworks(t)
	smile, far, near := newNetns(t), newNetns(t), newNetns(t)
	toFar, toNear := join(t, smile, far, "far", "10.77.0.1", "10.77.1.1"), join(t, smile, near, "near", "10.77.0.1", "10.77.2.1")
	r := newRegion(t, 8*time.Second,
		place{listen: "10.77.0.1:8443", ops: "127.0.0.1:8080", wrap: smile.enter()},
		place{folder: "far", listen: "10.77.1.1:8443", ops: "127.0.0.1:8080", wrap: far.enter()},
		place{folder: "near", listen: "10.77.2.1:8443", ops: "127.0.0.1:8080", wrap: near.enter()},
	)
	toFar.set(weather{})
	toNear.set(weather{})
	r.publish(t)
	r.served(t, "far")
	r.served(t, "near")
	for _, w := range []struct {
		name string
		weather
	}{
		{"a packet in five is lost", weather{loss: 0.2}},
		{"half a second late", weather{delay: 500 * time.Millisecond}},
		{"nothing passes", weather{cut: true}},
	} {
		toFar.set(w.weather)
		for range 3 {
			r.publish(t)
			r.served(t, "near")
		}
		waits := r.waits(t)["far"]
		t.Logf("%s: near has all; %d wait for far", w.name, waits)
		if w.cut {
			if waits == 0 {
				t.Error("nothing waits for whom nothing reaches: the test shows nothing")
			}
			toFar.set(weather{})
		}
		r.served(t, "far")
	}
	t.Logf("packets dropped on the way to far: %d of %d", toFar.dropped.Load(), toFar.carried.Load()+toFar.dropped.Load())
	if toFar.dropped.Load() == 0 || toNear.dropped.Load() > 0 {
		t.Error("want packets lost on the way to far only")
	}
	r.settle(t)
}

func mayMakeNetworks(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("unshare", "--net", "test", "-c", "/dev/net/tun").CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here, or no /dev/net/tun: %v %s", err, out)
	}
	for _, tool := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
}

// netns is a network namespace, kept by a process that sleeps in it.
type netns struct{ pid int }

func newNetns(t *testing.T) netns {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	keeper := exec.Command("unshare", "--net", "sleep", "infinity")
	must(t, keeper.Start())
	t.Cleanup(func() { _ = keeper.Process.Kill(); _ = keeper.Wait() })
	n := netns{keeper.Process.Pid}
	within(t, time.Minute, "a namespace of its own", func() bool {
		now, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", n.pid))
		return err == nil && now != own
	})
	n.run(t, "ip", "link", "set", "lo", "up")
	return n
}

// enter is what stands before a command that is to run in the namespace.
func (n netns) enter() []string { return []string{"nsenter", "--net", "--target", strconv.Itoa(n.pid)} }

func (n netns) run(t *testing.T, command ...string) {
	t.Helper()
	command = append(n.enter(), command...)
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
	}
}

// weather is what happens to packets.
type weather struct {
	loss  float64
	delay time.Duration // each way
	cut   bool
}

// wire carries packets between two namespaces, both ways.
type wire struct {
	weather          atomic.Pointer[weather]
	carried, dropped atomic.Int64
}

func (w *wire) set(now weather) { w.weather.Store(&now) }

// join lays a wire, which ends with the test.
func join(t *testing.T, a, b netns, name, addressA, addressB string) *wire {
	t.Helper()
	w := &wire{}
	w.set(weather{})
	atA, atB := a.tun(t, name, addressA, addressB), b.tun(t, name, addressB, addressA)
	var carrying sync.WaitGroup
	carrying.Go(func() { w.carry(atA, atB) })
	carrying.Go(func() { w.carry(atB, atA) })
	t.Cleanup(func() { _, _ = atA.Close(), atB.Close(); carrying.Wait() })
	return w
}

type packet struct {
	data []byte
	due  time.Time
}

// carry ends when a device is closed.
func (w *wire) carry(from, to *os.File) {
	late := make(chan packet, 10_000)
	var writing sync.WaitGroup
	writing.Go(func() {
		for p := range late {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err == nil {
				w.carried.Add(1)
			} // else a device that is closed, or that is not up yet
		}
	})
	defer writing.Wait()
	defer close(late)
	for {
		data := make([]byte, 1<<16)
		n, err := from.Read(data)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		now := *w.weather.Load()
		if err != nil || now.cut || rand.Float64() < now.loss {
			w.dropped.Add(1)
			continue
		}
		late <- packet{data[:n], time.Now().Add(now.delay)}
	}
}

// tun makes a TUN device in the namespace. Only the thread that does so goes
// there, and it ends with its goroutine.
func (n netns) tun(t *testing.T, name, address, peer string) *os.File {
	t.Helper()
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread()
		file, err := n.open(name)
		done <- made{file, err}
	}()
	m := <-done
	must(t, m.err)
	n.run(t, "ip", "addr", "add", address, "peer", peer, "dev", name)
	n.run(t, "ip", "link", "set", name, "up")
	return m.file
}

func (n netns) open(name string) (*os.File, error) {
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter the namespace: %w", err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	device, err := unix.NewIfreq(name)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	device.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, device); err != nil {
		return nil, errors.Join(fmt.Errorf("make a device: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}
