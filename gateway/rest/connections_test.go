package rest_test

import (
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
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
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
// closes makes room.
func TestConnectionsOfOneAddress(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limits := testLimits()
	limits.Connections = 16
	l := limits.Limit(inner)
	t.Cleanup(func() { _ = l.Close() })
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func(from string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Skipf("this system has no second loopback address: %v", err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var first net.Conn
	for i := range 4 {
		dial("127.0.0.1")
		if conn := <-accepted; i == 0 {
			first = conn
		}
	}
	extra := dial("127.0.0.1")
	_ = extra.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := extra.Read(make([]byte, 1)); err == nil {
		t.Error("the fifth of one address: got an answer, want it closed")
	}
	dial("127.0.0.2")
	<-accepted
	_ = first.Close()
	dial("127.0.0.1")
	<-accepted
}
