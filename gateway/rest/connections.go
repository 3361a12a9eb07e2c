package rest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Of all connections, what one address, and one peer for every request that it
// may have running, can have.
const (
	shareOfAddress      = 4 // one in four
	connectionsARequest = 2

	// A connection counts for its address at least so long, also when it is closed
	// at once: handshakes cost more than what is kept open.
	leastCounted = 2 * time.Second
)

// perAddress lets no address have more than its share of the connections of a
// listener: whoever has one machine cannot keep all others out. What is more is
// closed before anything is read of it.
type perAddress struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[string]int // guarded by mu; by host
}

// Accept gives the next connection that is not one too many.
func (l *perAddress) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil {
			host = "" // all that have no address are one
		}
		if l.add(host, 1) {
			opened := time.Now()
			return &hostConn{Conn: conn, closed: sync.OnceFunc(func() {
				time.AfterFunc(leastCounted-time.Since(opened), func() { l.add(host, -1) })
			})}, nil
		}
		_ = conn.Close() // of no use to anybody
	}
}

func (l *perAddress) add(host string, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 && l.open[host] >= l.most {
		return false
	}
	if l.open[host] += n; l.open[host] == 0 {
		delete(l.open, host)
	}
	return true
}

type hostConn struct {
	net.Conn
	closed func()
}

// Close counts the connection out.
func (c *hostConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// link is a connection as the handlers of its requests see it.
type link struct {
	mu     sync.Mutex
	peer   gateway.OIN // guarded by mu; whose it was counted as
	closed func()      // guarded by mu; counts it out
}

type linkKey struct{}

// track lets handlers know their connection, and what they counted end with it.
func track(server *http.Server) {
	var mu sync.Mutex
	links := map[net.Conn]*link{} // guarded by mu
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		l := &link{}
		mu.Lock()
		links[conn] = l
		mu.Unlock()
		return context.WithValue(ctx, linkKey{}, l)
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if state != http.StateClosed && state != http.StateHijacked {
			return
		}
		mu.Lock()
		l := links[conn]
		delete(links, conn)
		mu.Unlock()
		if l == nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed != nil {
			l.closed()
		}
	}
}

// connected counts the connection of a request as one of the peer's, once; it
// is false if the peer has too many.
func (l *limiter) connected(ctx context.Context, peer gateway.OIN) bool {
	conn, ok := ctx.Value(linkKey{}).(*link)
	if !ok {
		return true // a server that was not made by NewServer
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if conn.peer == peer {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connections[peer] >= connectionsARequest*l.limits.RequestsPerPeer {
		return false
	}
	if conn.closed == nil { // a connection stays its first peer's; certificates do not change
		l.connections[peer]++
		conn.peer = peer
		conn.closed = func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.connections[peer]--; l.connections[peer] == 0 {
				delete(l.connections, peer)
			}
		}
	}
	return true
}
