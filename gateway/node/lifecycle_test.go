package node_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
)

// Not parallel: the goroutines of others would count.
func TestStartAndStopLeaveNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := newSite(t, [2]string{`folder: ""`, `folder: drop`}, [2]string{`mapping: ""`, `mapping: m.yaml`})
	must(t, os.Mkdir(s.config.Drop.Folder, 0o755))
	for range 2 {
		n := s.start(t)
		_, err := s.local(t).Status(t.Context())
		must(t, err)
		must(t, n.Stop(t.Context()))
		s.checkGone(t)
	}
	goleak.VerifyNone(t, before)
	n := s.open(t)
	records, err := n.Store.Journal(t.Context(), 0, 100)
	must(t, err)
	var kinds []string
	for _, r := range records {
		if r.Kind == journal.KindStart || r.Kind == journal.KindStop {
			kinds = append(kinds, r.Kind)
		}
	}
	if got := strings.Join(kinds, " "); got != "start stop start stop" {
		t.Errorf("got %s in the journal, want start stop start stop", got)
	}
}

// checkGone wants that nothing of a stopped node holds on: ports, socket,
// database.
func (s *site) checkGone(t *testing.T) {
	t.Helper()
	for _, address := range []string{s.config.Listen.Peers, s.config.Listen.Public, s.config.Listen.Ops} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("%s is still taken: %v", address, err)
			continue
		}
		must(t, l.Close())
	}
	if _, err := os.Lstat(s.config.Local.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the local socket: got %v, want it gone", err)
	}
	n, err := node.New(t.Context(), s.options())
	if err != nil {
		t.Errorf("open again: %v", err)
		return
	}
	if problems := n.Store.Check(t.Context()); len(problems) > 0 {
		t.Errorf("the database: %v", problems)
	}
	must(t, n.Stop(t.Context()))
}

func TestStopInAnyPhase(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, phase := range map[string]func(*testing.T, *site, *node.Node){
		"before the start": func(*testing.T, *site, *node.Node) {},
		"right after the start": func(t *testing.T, _ *site, n *node.Node) {
			must(t, n.Start(t.Context()))
		},
		"after a start under a context that is over": func(t *testing.T, _ *site, n *node.Node) {
			if err := n.Start(over); err == nil {
				t.Error("got no error, want that the start failed")
			}
		},
		"after a start that failed": func(t *testing.T, s *site, n *node.Node) {
			must(t, os.WriteFile(s.config.Local.Socket, []byte("kostbaar"), 0o600))
			if err := n.Start(t.Context()); err == nil {
				t.Error("got no error, want that the start failed")
			}
			must(t, os.Remove(s.config.Local.Socket))
		},
		"while a peer is being tried": func(t *testing.T, _ *site, n *node.Node) {
			must(t, n.Start(t.Context()))
			within(t, time.Minute, "a first failure", func() bool { return n.Exchange.Counters().Failures.Load() > 0 })
		},
		"while somebody holds a connection": func(t *testing.T, s *site, n *node.Node) {
			must(t, n.Start(t.Context()))
			conn, err := net.Dial("unix", s.config.Local.Socket)
			must(t, err)
			t.Cleanup(func() { must(t, conn.Close()) })
		},
		"after a stop": func(t *testing.T, _ *site, n *node.Node) {
			must(t, n.Start(t.Context()))
			must(t, n.Stop(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			n, err := node.New(t.Context(), s.options())
			must(t, err)
			phase(t, s, n)
			if err := n.Stop(over); err != nil {
				t.Errorf("stop: %v", err)
			}
			s.checkGone(t)
		})
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(*site) string{
		"peers":  func(s *site) string { return s.config.Listen.Peers },
		"public": func(s *site) string { return s.config.Listen.Public },
		"ops":    func(s *site) string { return s.config.Listen.Ops },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			taken, err := net.Listen("tcp", address(s))
			must(t, err)
			n, err := node.New(t.Context(), s.options())
			must(t, err)
			wantError(t, n.Start(t.Context()), gateway.Unavailable, "cannot listen on "+address(s))
			must(t, n.Stop(t.Context()))
			must(t, taken.Close())
			s.checkGone(t)
			s.start(t)
		})
	}
}

// The second node says so and harms neither the first nor its socket.
func TestSecondNodeOnTheSameData(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t)
	_, err := node.New(t.Context(), s.options())
	wantError(t, err, gateway.Unavailable, "in use by another process")
	if _, err := s.local(t).Status(t.Context()); err != nil {
		t.Errorf("the first node: %v", err)
	}
}

func TestSecondNodeOnTheSameSocket(t *testing.T) {
	t.Parallel()
	first := newSite(t)
	first.start(t)
	second := newSite(t, [2]string{"socket: data/node.sock", "socket: " + first.config.Local.Socket})
	n := second.open(t)
	wantError(t, n.Start(t.Context()), gateway.Conflict, "another node is running")
	must(t, n.Stop(t.Context()))
	if _, err := first.local(t).Status(t.Context()); err != nil {
		t.Errorf("the first node: %v", err)
	}
}

func TestSocketOfAKilledNode(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	left, err := net.Listen("unix", s.config.Local.Socket)
	must(t, err)
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, left.Close())
	s.start(t)
	if _, err := s.local(t).Status(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := os.Lstat(s.config.Local.Socket)
	must(t, err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("got socket mode %v, want that only its owner can use it", mode)
	}
}

func TestSocketWhereAFileIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	must(t, os.WriteFile(s.config.Local.Socket, []byte("kostbaar"), 0o600))
	wantError(t, s.open(t).Start(t.Context()), gateway.Invalid, "local.socket")
	if kept, err := os.ReadFile(s.config.Local.Socket); string(kept) != "kostbaar" {
		t.Errorf("got %q and %v, want the file as it was", kept, err)
	}
}

func TestSocketPathTooLong(t *testing.T) {
	t.Parallel()
	s := newSite(t, [2]string{"socket: data/node.sock", "socket: data/" + strings.Repeat("x", 100)})
	wantError(t, s.open(t).Start(t.Context()), gateway.Invalid, "too long", "local.socket")
}

func TestKeysThatAreNoSecret(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"signing.pem", "tls.pem", "node.key"} {
		for _, mode := range []os.FileMode{0o640, 0o604} {
			s := newSite(t)
			must(t, os.Chmod(s.file("data/keys/"+file), mode))
			_, err := node.New(t.Context(), s.options())
			wantError(t, err, gateway.Denied, file, "by others")
		}
		s := newSite(t)
		must(t, os.WriteFile(s.file("data/keys/"+file), []byte("geen sleutel"), 0o600))
		_, err := node.New(t.Context(), s.options())
		wantError(t, err, gateway.Invalid)
		must(t, os.Remove(s.file("data/keys/"+file)))
		_, err = node.New(t.Context(), s.options())
		wantError(t, err, gateway.NotFound, file)
		if strings.Contains(err.Error(), "geen sleutel") {
			t.Errorf("%s: the error repeats the file", file)
		}
	}
}

// Run is stopped and reloaded by signals to this process. Not parallel.
func TestSignals(t *testing.T) {
	s := newSite(t)
	ready, ended := make(chan *node.Node, 1), make(chan error, 1)
	go func() {
		ended <- node.Run(t.Context(), s.options(), func(n *node.Node) { ready <- n })
	}()
	var n *node.Node
	select {
	case n = <-ready:
	case err := <-ended:
		t.Fatalf("ended before it was ready: %v", err)
	}
	before := n.Desk.PolicyStatus().Version
	s.edit(t, node.PolicyFile, "retention: P90D", "retention: P60D")
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	within(t, time.Minute, "another policy is in force", func() bool { return n.Desk.PolicyStatus().Version != before })
	s.edit(t, node.PolicyFile, "rules:", "regels:")
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	within(t, time.Minute, "the wrong policy is told of", func() bool { return n.Desk.PolicyStatus().Error != "" })
	must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("got %v, want a clean end", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	s.checkGone(t)
}

func TestRunTellsWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	taken, err := net.Listen("tcp", s.config.Listen.Ops)
	must(t, err)
	err = node.Run(t.Context(), s.options(), func(*node.Node) { t.Error("it says that it is ready") })
	wantError(t, err, gateway.Unavailable, "cannot listen on")
	must(t, taken.Close())
	s.checkGone(t)
}

// Five nodes in one process share nothing: no registry, no default, no socket.
func TestFiveNodesInOneProcess(t *testing.T) {
	t.Parallel()
	for range 5 {
		s := newSite(t)
		n := s.start(t)
		status, err := n.Desk.Status(t.Context(), gt.Everyone())
		must(t, err)
		if len(status.Peers) != 1 || status.Register.Version != 1 {
			t.Errorf("got %d peers under register %d, want one under 1", len(status.Peers), status.Register.Version)
		}
	}
}
