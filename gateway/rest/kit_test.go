package rest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

const (
	smile    gateway.OIN = "00000099000000001000"
	dordt    gateway.OIN = "00000099000000002000"
	stranger gateway.OIN = "00000099000000009000"
)

// exchange is a peer's other side that answers what a test tells it to.
type exchange struct {
	accept func(context.Context, gateway.OIN, gateway.Batch) (gateway.Receipts, error)

	mu    sync.Mutex
	calls []gateway.OIN // guarded by mu
}

func (e *exchange) called(peer gateway.OIN) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, peer)
}

func (e *exchange) Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	e.called(peer)
	if e.accept != nil {
		return e.accept(ctx, peer, batch)
	}
	receipts := gateway.Receipts{Head: "head"}
	for _, m := range batch.Messages {
		receipts.Items = append(receipts.Items, gateway.ReceiptItem{
			Sender: peer, Recipient: dordt, ID: m, Outcome: gateway.Received, Received: time.Unix(1_800_000_000, 0).UTC(),
		})
	}
	return receipts, nil
}

func (e *exchange) Hello(_ context.Context, peer gateway.OIN, token string) (string, error) {
	e.called(peer)
	return "answer to " + token, nil
}

// RegisterFile has versions 1 to 3.
func (e *exchange) RegisterFile(_ context.Context, version uint64) ([]byte, error) {
	if version > 3 {
		return nil, gateway.Errorf(gateway.NotFound, "no such version")
	}
	return fmt.Appendf(nil, `{"payload":"%d"}`, version), nil
}

func testLimits() rest.Limits {
	return rest.Limits{
		BodyBytes: 1e6, BatchItems: 3, Connections: 1000, RequestsPerPeer: 4, RequestsPerSecond: 1000,
		HeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
	}
}

// log collects what a node logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// node is the peer API behind real mTLS on loopback.
type node struct {
	party gateway.Party
	log   *log
}

func serve(t *testing.T, h http.Handler, limits rest.Limits, logger *slog.Logger) (address string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := rest.NewServer(h, limits, logger)
	listener := tls.NewListener(limits.Limit(inner), &tls.Config{
		Certificates: []tls.Certificate{certificate(t, dordt)}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
	})
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return "https://" + inner.Addr().String()
}

func startNode(t *testing.T, ex rest.Exchange, limits rest.Limits) node {
	t.Helper()
	l := &log{}
	h := rest.NewPeerHandler(ex, nil, nil, peerOf, limits, l.logger())
	return node{party: gateway.Party{OIN: dordt, Endpoint: serve(t, h, limits, l.logger())}, log: l}
}

// peerOf trusts any certificate that names a party but the stranger.
func peerOf(state *tls.ConnectionState) (gateway.OIN, error) {
	oin := gateway.OIN(state.PeerCertificates[0].Subject.SerialNumber)
	if oin == stranger {
		return "", gateway.Errorf(gateway.Unauthenticated, "this certificate is of no party in the register")
	}
	return oin, nil
}

var certificates sync.Map // by OIN: tls.Certificate; made once for all tests

func certificate(t *testing.T, oin gateway.OIN) tls.Certificate {
	t.Helper()
	if c, ok := certificates.Load(oin); ok {
		return c.(tls.Certificate)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{SerialNumber: string(oin)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	certificates.Store(oin, c)
	return c
}

// clientTLS checks nothing of the server: that is identity's work, not ours.
func clientTLS(t *testing.T, as gateway.OIN) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate(t, as)}, InsecureSkipVerify: true}
}

func client(t *testing.T, as gateway.OIN, limits rest.Limits) *rest.PeerClient {
	c := rest.NewPeerClient(rest.PeerOptions{
		TLS: func(gateway.Party) *tls.Config { return clientTLS(t, as) }, Limits: limits, Timeout: time.Minute,
	})
	t.Cleanup(c.Close)
	return c
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, as gateway.OIN, req *http.Request) answer {
	t.Helper()
	c := http.Client{
		Transport:     &http.Transport{TLSClientConfig: clientTLS(t, as), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func request(t *testing.T, method, url, contentType string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

// local serves a handler without TLS.
func local(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"API-Version":               rest.Version,
		"Cache-Control":             "no-store",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		"X-Content-Type-Options":    "nosniff",
		"X-Frame-Options":           "DENY",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("header %s: got %q, want %q", name, got, want)
		}
	}
	if got := h.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("header Content-Security-Policy: got %q", got)
	}
}
