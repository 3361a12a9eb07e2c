package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// network is a node's listeners and its client for other nodes.
type network struct {
	n        *Node
	resolver *identity.Resolver
	client   *rest.PeerClient
	limits   rest.Limits
	roots    *x509.CertPool // of servers that are not pinned; nil: only pins count
}

func newNetwork(n *Node) (*network, error) {
	c := n.opt.Config
	roots, err := readPool(c.TLS.Anchors)
	if err != nil {
		return nil, err
	}
	w := &network{n: n, roots: roots, limits: rest.Limits{
		BodyBytes: gateway.MaxBody, BatchItems: gateway.MaxBatch,
		Connections: c.Limits.Connections, RequestsPerPeer: c.Limits.ConnectionsPerPeer,
		RequestsPerSecond: c.Limits.RequestsPerSecond,
		HeaderTimeout:     c.Limits.HeaderTimeout, ReadTimeout: c.Limits.ReadTimeout, IdleTimeout: c.Limits.IdleTimeout,
	}}
	w.resolver = identity.NewResolver(w.parties, roots)
	w.client = rest.NewPeerClient(rest.PeerOptions{TLS: w.clientTLS, Limits: w.limits, Timeout: c.Delivery.Timeout})
	return w, nil
}

func (w *network) parties() []gateway.Party {
	if reg := w.n.Desk.Rules().Register; reg != nil {
		return reg.Parties()
	}
	return nil
}

func (w *network) clientTLS(peer gateway.Party) *tls.Config {
	return identity.ClientTLS(w.n.keys.tls, func() (gateway.Party, bool) {
		reg := w.n.Desk.Rules().Register
		if reg == nil {
			return gateway.Party{}, false
		}
		return reg.Party(peer.OIN)
	}, w.roots)
}

// peerOf asks the register in force at every request: a connection may outlive
// its party's place in it.
func (w *network) peerOf(state *tls.ConnectionState) (gateway.OIN, error) {
	if state == nil {
		return "", gateway.Errorf(gateway.Unauthenticated, "a peer speaks TLS")
	}
	return w.resolver.Party(*state)
}

// listen opens every listener of the configuration, the local socket first: a
// node that cannot be asked how it is must not serve others.
func (w *network) listen(ctx context.Context) error {
	n, c := w.n, w.n.opt.Config
	local, err := listenLocal(ctx, c.Local.Socket)
	if err != nil {
		return err
	}
	n.serve("local API", w.limits.Limit(local), rest.Observe(rest.NewLocalHandler(n.Desk, n.callers, n.log), n.traceRequest), w.limits)
	serverTLS, err := w.serverTLS(ctx)
	if err != nil {
		return err
	}
	peers, err := listenTCP(ctx, c.Listen.Peers)
	if err != nil {
		return err
	}
	n.serve("peer API", tls.NewListener(w.limits.Limit(peers), serverTLS),
		rest.Observe(rest.NewPeerHandler(n.Exchange, n.Witness, n.Desk, w.peerOf, w.limits, n.log), n.meters.request), w.limits)
	n.running.push("peer client", func(context.Context) error { w.client.Close(); return nil })
	for _, l := range []struct {
		name, address string
		handler       http.Handler
	}{
		{"public API", c.Listen.Public, rest.NewPublicHandler(n.ready, n.log)},
		{"ops", c.Listen.Ops, rest.NewOpsHandler(n.ready, n.handler(), n.log)},
	} {
		if l.address == "" {
			continue
		}
		listener, err := listenTCP(ctx, l.address)
		if err != nil {
			return err
		}
		n.serve(l.name, w.limits.Limit(listener), l.handler, w.limits)
	}
	return nil
}

// serverTLS is the peer listener's: with the node's own pinned certificate, or
// one from an ACME server where the configuration names one.
func (w *network) serverTLS(ctx context.Context) (*tls.Config, error) {
	n, c := w.n, w.n.opt.Config
	if c.TLS.ACME.Directory == "" {
		return identity.ServerTLS(n.keys.tls, w.resolver), nil
	}
	roots, err := readPool(c.TLS.ACME.Roots)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.Listen.Peers)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "listen.peers is not host:port")
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "listen.peers has no port number")
	}
	acme, err := identity.NewACME(identity.ACMEConfig{
		Directory: c.TLS.ACME.Directory, Domain: c.TLS.ACME.Domain, Email: c.TLS.ACME.Email, TrustedRoots: roots,
		StorageDir: filepath.Join(c.Data, "acme"), ListenHost: host, ListenPort: number,
	}, n.log)
	if err != nil {
		return nil, err
	}
	if err := acme.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start ACME: %w", err)
	}
	n.running.push("ACME", acme.Stop)
	n.acme = acme
	return acme.ServerTLS(n.keys.tls, w.resolver), nil
}

// serve runs a server until Stop, which lets requests under way finish.
func (n *Node) serve(name string, l net.Listener, h http.Handler, limits rest.Limits) {
	server := rest.NewServer(h, limits, n.log)
	n.log.Info("listening", "for", name, "address", l.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.log.Error("listener ended", "for", name, "error", err)
		}
	}()
	n.running.push(name, func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		<-done
		return err
	})
}

// callers are those of the configuration in force.
func (n *Node) callers() []rest.LocalCaller {
	n.mu.Lock()
	defer n.mu.Unlock()
	var callers []rest.LocalCaller
	for _, c := range n.config.Callers {
		callers = append(callers, rest.LocalCaller{Caller: gateway.Caller{Name: c.Name, Roles: c.Roles}, TokenSHA256: c.SHA256})
	}
	return callers
}

// ready: the database answers and there is a register.
func (n *Node) ready(ctx context.Context) error {
	if n.Desk.Rules().Register == nil {
		return gateway.Errorf(gateway.Unavailable, "no register has been installed yet")
	}
	_, err := n.Store.JournalSize(ctx)
	return err
}

func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, gateway.Wrap(gateway.Unavailable, err, "cannot listen on "+address)
	}
	return l, nil
}

// listenLocal opens the socket for programs on this machine. A socket file that
// nobody listens on is what a killed node left.
func listenLocal(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > 100 { // sockaddr_un has room for 104 bytes on some systems
		return nil, gateway.Errorf(gateway.Invalid, "the path of the local socket is too long: set local.socket to a shorter one")
	}
	if conn, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(gateway.Errorf(gateway.Conflict, "another node is running on this data directory"), conn.Close())
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, gateway.Errorf(gateway.Invalid, "local.socket names a file that is no socket: give the socket a path of its own")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, gateway.Wrap(gateway.Unavailable, err, "the old local socket cannot be removed")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, gateway.Wrap(gateway.Unavailable, err, "cannot open the local socket")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(gateway.Wrap(gateway.Internal, err, "cannot protect the local socket"), l.Close())
	}
	return l, nil
}

// readPool reads certificates; no files give nil.
func readPool(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	for _, name := range files {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, gateway.Wrap(gateway.NotFound, err, "cannot read the certificates in "+name)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, gateway.Errorf(gateway.Invalid, "%s holds no certificates", name)
		}
	}
	return pool, nil
}
