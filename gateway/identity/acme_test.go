package identity_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"go.uber.org/goleak"
)

const domain = "node.example"

// foreverGoroutines are those that libraries never end: of the test server,
// and one of certmagic for each account, which keeps its pace of requests.
func foreverGoroutines() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
	}
}

// pebble is an ACME server that finds domain on port of loopback. It answers
// its directory, the roots of its own web server and those it issues under.
func pebble(t *testing.T, port, httpPort int) (directory string, roots, issued *x509.CertPool) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "20") // a client has to cope
	quiet := log.New(io.Discard, "", 0)
	dnsAddr := freeAddr(t)
	dns, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{dnsAddr}, Log: quiet})
	fatal(t, err)
	dns.SetDefaultDNSIPv4("127.0.0.1")
	dns.SetDefaultDNSIPv6("")
	dns.Run()
	t.Cleanup(dns.Shutdown)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, port, true, dnsAddr, store), authority, []string{"pebble.example"}, true, false, 1, 1)
	web := httptest.NewTLSServer(front.Handler())
	t.Cleanup(web.Close)
	roots, issued = x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(web.Certificate())
	if !issued.AppendCertsFromPEM(authority.GetRootCert(0).PEM()) {
		t.Fatal("no root certificate")
	}
	return web.URL + wfe.DirectoryPath, roots, issued
}

// freeAddr is an address that is free for TCP and, likely, for UDP.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer l.Close()
	return l.Addr().String()
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a peer listener with a certificate from an ACME server.
type node struct {
	acme     *identity.ACME
	own      cert
	addr     string
	issued   *x509.CertPool
	storage  string
	log      *logBuffer
	requests chan *http.Request
}

func startNode(t *testing.T, overHTTP bool) node {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	httpPort := 0
	if overHTTP {
		_, p, err := net.SplitHostPort(freeAddr(t))
		fatal(t, err)
		httpPort, err = net.LookupPort("tcp", p)
		fatal(t, err)
	}
	challengePort := port
	if overHTTP {
		challengePort = 1 // nobody answers TLS-ALPN there
	}
	directory, roots, issued := pebble(t, challengePort, httpPort)
	n := node{
		own: issue(t, nil, named(smile)), addr: listener.Addr().String(), issued: issued,
		storage: filepath.Join(t.TempDir(), "acme"), log: &logBuffer{}, requests: make(chan *http.Request, 100),
	}
	n.acme, err = identity.NewACME(identity.ACMEConfig{
		Directory: directory, Domain: domain, Email: "beheer@partij.example", TrustedRoots: roots,
		StorageDir: n.storage, ListenHost: "127.0.0.1", ListenPort: port, HTTPPort: httpPort,
	}, slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	fatal(t, err)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.requests <- r
			w.WriteHeader(http.StatusNoContent)
		}),
		TLSConfig: n.acme.ServerTLS(n.own.tls(), resolver(nil, partyOf(smile, n.own.pin()))),
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go srv.ServeTLS(listener, "", "")
	t.Cleanup(func() { srv.Close() })
	return n
}

// dial connects as a party that knows the server by peer.
func (n node) dial(peer gateway.Party, roots *x509.CertPool) (*x509.Certificate, error) {
	conf := identity.ClientTLS(n.own.tls(), func() (gateway.Party, bool) { return peer, true }, roots)
	conf.ServerName = domain
	conn, err := tls.Dial("tcp", n.addr, conf)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// issuedCert waits until the server shows a certificate of the ACME server.
func (n node) issuedCert(t *testing.T) *x509.Certificate {
	t.Helper()
	var err error
	for range 1200 {
		var c *x509.Certificate
		if c, err = n.dial(partyOf(smile), n.issued); err == nil {
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("got no certificate (%v), want one\n%s", err, n.log)
	return nil
}

func stop(t *testing.T, a *identity.ACME) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fatal(t, a.Stop(ctx))
}

func TestACME(t *testing.T) {
	n := startNode(t, false)
	pinned := partyOf(smile, n.own.pin())
	if c, err := n.dial(pinned, nil); err != nil || !c.Equal(n.own.x509) {
		t.Fatalf("before: got %v, want our own certificate", err)
	}
	fatal(t, n.acme.Start(t.Context()))
	if err := n.acme.Start(t.Context()); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("started twice: got %v, want Conflict", err)
	}
	c := n.issuedCert(t)
	if err := c.VerifyHostname(domain); err != nil {
		t.Errorf("got %v, want a certificate for the domain", err)
	}
	if _, err := n.dial(partyOf(smile), nil); err == nil {
		t.Error("without roots: got a connection, want it refused")
	}
	err := filepath.WalkDir(n.storage, func(path string, d fs.DirEntry, err error) error {
		fatal(t, err)
		info, err := d.Info()
		fatal(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: got mode %o, want it closed to others", path, info.Mode().Perm())
		}
		return nil
	})
	fatal(t, err)
	if got := n.log.String(); !strings.Contains(got, "component=acme") || strings.Contains(got, "beheer@") || strings.Contains(got, "127.0.0.1:") {
		t.Errorf("want lines of acme without addresses, got\n%s", got)
	}
	stop(t, n.acme)
	stop(t, n.acme)
	if _, err := n.dial(partyOf(smile), n.issued); err != nil {
		t.Errorf("after Stop: got %v, want the certificate still shown", err)
	}
	if err := n.acme.Start(t.Context()); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("started after Stop: got %v, want Conflict", err)
	}
}

func TestACMEOverHTTP(t *testing.T) {
	n := startNode(t, true)
	fatal(t, n.acme.Start(t.Context()))
	defer stop(t, n.acme)
	n.issuedCert(t)
}

// The way in for challenges needs no client certificate, so it must lead
// nowhere: no handshake without a challenge, and with one no request.
func TestChallengeIsNoWayIn(t *testing.T) {
	n := startNode(t, false)
	ask := func(protos ...string) error {
		conn, err := tls.Dial("tcp", n.addr, &tls.Config{InsecureSkipVerify: true, ServerName: domain, NextProtos: protos})
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: node.example\r\n\r\n"); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	}
	try := func() {
		for _, protos := range [][]string{{"acme-tls/1"}, {"acme-tls/1", "http/1.1"}, {"http/1.1", "acme-tls/1"}, {"h2"}, nil} {
			if err := ask(protos...); err == nil {
				t.Errorf("%v: got an answer, want none", protos)
			}
		}
	}
	try()
	fatal(t, n.acme.Start(t.Context()))
	defer stop(t, n.acme)
	for range 20 { // while the challenge is being answered
		try()
	}
	n.issuedCert(t)
	try()
	if len(n.requests) != 0 {
		t.Errorf("got %d requests at the handler, want 0", len(n.requests))
	}
}

// A server that cannot be reached is tried again, and Stop does not wait for it.
func TestACMEUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer listener.Close()
	logs := &logBuffer{}
	conf := identity.ACMEConfig{
		Directory: "https://" + freeAddr(t) + "/dir", Domain: domain, Email: "beheer@partij.example",
		StorageDir: t.TempDir(), ListenHost: "127.0.0.1", ListenPort: listener.Addr().(*net.TCPAddr).Port,
	}
	a, err := identity.NewACME(conf, slog.New(slog.NewTextHandler(logs, nil)))
	fatal(t, err)
	stop(t, a) // before Start there is nothing to do
	fatal(t, a.Start(t.Context()))
	for range 1200 {
		if strings.Contains(logs.String(), "retry=10s") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop(t, a) // it would wait for ever for a certificate
	if !strings.Contains(logs.String(), "no certificate from the ACME server yet") {
		t.Errorf("got %s, want the failure and when it is tried again", logs)
	}
}

// While the peer listener is not there, its place is left free for it.
func TestACMEWaitsForTheListener(t *testing.T) {
	addr := freeAddr(t)
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	fatal(t, err)
	logs := &logBuffer{}
	a, err := identity.NewACME(identity.ACMEConfig{
		Directory: "https://" + freeAddr(t) + "/dir", Domain: domain, Email: "beheer@partij.example",
		StorageDir: t.TempDir(), ListenHost: "127.0.0.1", ListenPort: tcp.Port,
	}, slog.New(slog.NewTextHandler(logs, nil)))
	fatal(t, err)
	fatal(t, a.Start(t.Context()))
	time.Sleep(200 * time.Millisecond)
	if got := logs.String(); strings.Contains(got, "obtaining") {
		t.Errorf("got %s, want nothing begun without a listener", got)
	}
	listener, err := net.Listen("tcp", addr)
	fatal(t, err)
	defer listener.Close()
	fatal(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)))
	looked, err := listener.Accept()
	fatal(t, err)
	looked.Close()
	stop(t, a)
}

func TestNewACMERefuses(t *testing.T) {
	good := identity.ACMEConfig{Directory: "https://acme.example/dir", Domain: domain, Email: "beheer@partij.example", StorageDir: "acme", ListenPort: 8443}
	if _, err := identity.NewACME(good, slog.Default()); err != nil {
		t.Fatalf("control: got %v, want none", err)
	}
	for name, change := range map[string]func(*identity.ACMEConfig){
		"http":         func(c *identity.ACMEConfig) { c.Directory = "http://acme.example/dir" },
		"no directory": func(c *identity.ACMEConfig) { c.Directory = "" },
		"no domain":    func(c *identity.ACMEConfig) { c.Domain = "" },
		"odd domain":   func(c *identity.ACMEConfig) { c.Domain = "a b" },
		"no e-mail":    func(c *identity.ACMEConfig) { c.Email = "" },
		"no storage":   func(c *identity.ACMEConfig) { c.StorageDir = "" },
		"no port":      func(c *identity.ACMEConfig) { c.ListenPort = 0 },
	} {
		c := good
		change(&c)
		if _, err := identity.NewACME(c, slog.Default()); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
}
