package rest_test

import (
	"sync"
	"testing/synctest"

	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// hold opens a connection as a peer, asks one thing on it, and keeps it open.
func hold(t *testing.T, n node, peer gateway.OIN) (status int, alive bool) {
	t.Helper()
	at, err := url.Parse(n.party.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", at.Host, &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate(t, peer)}, //nolint:gosec // the test is about the other side
	})
	if err != nil {
		return 0, false
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(conn, "GET /v1/register HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0, false
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, false
	}
	_ = res.Body.Close()
	return res.StatusCode, !res.Close
}

// A peer may keep twice as many connections open as it may have requests
// running; one more is refused and closed, and another peer's is not.
func TestConnectionsOfOnePeer(t *testing.T) {
	limits := testLimits()
	limits.Connections = 400
	n := startNode(t, &exchange{}, limits)
	for i := range 2 * limits.RequestsPerPeer {
		if status, alive := hold(t, n, smile); status != http.StatusOK || !alive {
			t.Fatalf("connection %d: got status %d, alive %t", i+1, status, alive)
		}
	}
	if status, alive := hold(t, n, smile); status != http.StatusTooManyRequests || alive {
		t.Errorf("one more: got status %d, alive %t, want 429 and closed", status, alive)
	}
	if status, alive := hold(t, n, dordt); status != http.StatusOK || !alive {
		t.Errorf("another peer: got status %d, alive %t, want 200", status, alive)
	}
}

// One address has a quarter of all connections; what is more is closed, and what
// closes makes room, but not at once.
func TestConnectionsOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		limits := testLimits()
		limits.Connections = 16
		l := limits.Limit(inner)
		var accepted []net.Conn
		var accepting sync.WaitGroup
		accepting.Go(func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				accepted = append(accepted, conn)
			}
		})
		dial := func(from string) (ok bool) {
			server, _ := net.Pipe()
			before := len(accepted)
			inner.conns <- fakeConn{server, from}
			synctest.Wait()
			return len(accepted) > before
		}
		for i := range 4 {
			if !dial("10.0.0.1") {
				t.Fatalf("connection %d of an address: got it closed", i+1)
			}
		}
		if dial("10.0.0.1") {
			t.Error("the fifth of one address: got it accepted, want it closed")
		}
		if !dial("10.0.0.2") {
			t.Error("another address: got it closed")
		}
		_ = accepted[0].Close()
		if dial("10.0.0.1") {
			t.Error("one was opened and closed at once: got room, want it to count for a while")
		}
		time.Sleep(2 * time.Second)
		_ = accepted[1].Close()
		synctest.Wait()
		for i := range 2 {
			if !dial("10.0.0.1") {
				t.Errorf("a while after two were closed: connection %d: got it closed", i+1)
			}
		}
		if dial("10.0.0.1") {
			t.Error("and a third: got it accepted")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		accepting.Wait()
	})
}

// fakeListener gives the connections that a test puts in.
type fakeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error   { close(l.closed); return nil }
func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

type fakeConn struct {
	net.Conn
	from string
}

func (c fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.from), Port: 1} }
