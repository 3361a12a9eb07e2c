package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"go.uber.org/goleak"
)

const (
	smile = gateway.OIN("00000099000000001000")
	dordt = gateway.OIN("00000099000000002000")
	day   = 24 * time.Hour
)

// webRoot is the one authority that this process takes for a public web root.
// The roots of the system are read once, so it is set before any test.
var webRoot cert

type mainT struct{ testing.TB }

func (mainT) Helper()           {}
func (mainT) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func TestMain(m *testing.M) {
	var t mainT
	webRoot = authority(t, nil)
	dir, err := os.MkdirTemp("", "roots")
	fatal(t, err)
	file := filepath.Join(dir, "roots.pem")
	fatal(t, os.WriteFile(file, pemOf(webRoot), 0o600))
	fatal(t, os.Setenv("SSL_CERT_FILE", file))
	fatal(t, os.Setenv("SSL_CERT_DIR", dir))
	goleak.VerifyTestMain(m, append(foreverGoroutines(), goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))...)
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cert is one certificate with its key, and those above it.
type cert struct {
	key   *ecdsa.PrivateKey
	x509  *x509.Certificate
	chain [][]byte
}

func (c cert) tls() tls.Certificate {
	return tls.Certificate{Certificate: c.chain, PrivateKey: c.key, Leaf: c.x509}
}

func (c cert) pin() string { return identity.Pin(c.x509) }

func (c cert) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.x509)
	return pool
}

// issue makes a certificate valid from yesterday until tomorrow, signed by
// parent or by itself.
func issue(t testing.TB, parent *cert, change func(*x509.Certificate)) cert {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	fatal(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(day),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	change(template)
	signer, above := cert{key: key, x509: template}, [][]byte(nil)
	if parent != nil {
		signer, above = *parent, parent.chain
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.x509, key.Public(), signer.key)
	fatal(t, err)
	parsed, err := x509.ParseCertificate(der)
	fatal(t, err)
	return cert{key: key, x509: parsed, chain: append([][]byte{der}, above...)}
}

func authority(t testing.TB, parent *cert) cert {
	return issue(t, parent, func(c *x509.Certificate) {
		c.Subject.CommonName = "Test CA"
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	})
}

func named(oin gateway.OIN) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject = pkix.Name{SerialNumber: string(oin), CommonName: "Partij"} }
}

func partyOf(oin gateway.OIN, pins ...string) gateway.Party {
	return gateway.Party{OIN: oin, TLSPins: pins, Endpoint: "https://node.example:8443"}
}

func resolver(anchors *x509.CertPool, parties ...gateway.Party) *identity.Resolver {
	return identity.NewResolver(func() []gateway.Party { return parties }, anchors)
}

// client is a TLS client that believes any server.
func client(certs ...tls.Certificate) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true}
	if len(certs) > 0 {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
	}
	return c
}

// server is a TLS server that believes any client.
func server(c cert) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.tls()}, ClientAuth: tls.RequestClientCert}
}

// connect makes a connection over loopback, has one byte go each way, and
// answers what either side saw.
func connect(t testing.TB, serverConf, clientConf *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer listener.Close()
	type result struct {
		state tls.ConnectionState
		err   error
	}
	done := make(chan result, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			done <- result{err: err}
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(time.Minute))
		conn := tls.Server(raw, serverConf)
		if err = conn.Handshake(); err == nil {
			_, err = conn.Write([]byte("x"))
			io.ReadFull(conn, make([]byte, 1))
		}
		done <- result{conn.ConnectionState(), err}
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	fatal(t, err)
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(time.Minute))
	conn := tls.Client(raw, clientConf)
	if clientErr = conn.Handshake(); clientErr == nil {
		if _, clientErr = io.ReadFull(conn, make([]byte, 1)); clientErr == nil {
			_, clientErr = conn.Write([]byte("x"))
		}
	}
	raw.Close()
	r := <-done
	return r.state, r.err, clientErr
}

func TestClientIdentity(t *testing.T) {
	ca, web := authority(t, nil), authority(t, nil)
	middle := authority(t, &ca)
	pinned := issue(t, nil, named(smile))
	chained := issue(t, &middle, named(dordt))
	anchors := ca.pool()
	// Smile is known by its pin, Dordrecht by the authority.
	known := []gateway.Party{partyOf(smile, strings.Repeat("0", 64), pinned.pin()), partyOf(dordt)}
	valid := func(from, until time.Duration, more func(*x509.Certificate)) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(until)
			more(c)
		}
	}
	selfMade := func(change func(*x509.Certificate)) (cert, []gateway.Party) {
		c := issue(t, nil, change)
		return c, []gateway.Party{partyOf(smile, c.pin())}
	}
	expired, expiredParties := selfMade(valid(-2*day, -10*time.Minute, named(smile)))
	justExpired, justExpiredParties := selfMade(valid(-2*day, -time.Minute, named(smile)))
	future, futureParties := selfMade(valid(10*time.Minute, day, named(smile)))
	nearFuture, nearFutureParties := selfMade(valid(time.Minute, day, named(smile)))
	bothPinned, bothParties := selfMade(named(dordt)) // the pin counts, not the name in it

	for name, c := range map[string]struct {
		shown   cert
		anchors *x509.CertPool
		parties []gateway.Party
		want    gateway.OIN // "" for refused
	}{
		"pin":                      {pinned, anchors, known, smile},
		"pin without anchors":      {pinned, nil, known, smile},
		"chain":                    {chained, anchors, known, dordt},
		"chain without anchors":    {chained, nil, known, ""},
		"pin says another name":    {bothPinned, nil, bothParties, smile},
		"nobody in the register":   {pinned, anchors, nil, ""},
		"unknown":                  {issue(t, nil, named(smile)), anchors, known, ""},
		"same name, other key":     {issue(t, nil, named(dordt)), anchors, known, ""},
		"expired pin":              {expired, anchors, expiredParties, ""},
		"expired within skew":      {justExpired, anchors, justExpiredParties, smile},
		"pin not valid yet":        {future, anchors, futureParties, ""},
		"not valid yet, in skew":   {nearFuture, anchors, nearFutureParties, smile},
		"expired chain":            {issue(t, &middle, valid(-2*day, -10*time.Minute, named(dordt))), anchors, known, ""},
		"chain within skew":        {issue(t, &middle, valid(-day, -time.Minute, named(dordt))), anchors, known, dordt},
		"chain not valid yet":      {issue(t, &middle, valid(10*time.Minute, day, named(dordt))), anchors, known, ""},
		"chain, nobody's OIN":      {issue(t, &middle, named("00000099000000009000")), anchors, known, ""},
		"chain without OIN":        {issue(t, &middle, func(c *x509.Certificate) { c.Subject.CommonName = string(dordt) }), anchors, known, ""},
		"chain, OIN of the pinned": {issue(t, &middle, named(smile)), anchors, known, ""},
		"other authority":          {issue(t, &web, named(dordt)), anchors, known, ""},
		"chain for servers only": {issue(t, &middle, func(c *x509.Certificate) {
			named(dordt)(c)
			c.DNSNames = []string{"node.example"}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), anchors, known, ""},
		"chain by a leaf": {issue(t, &chained, named(dordt)), anchors, known, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := resolver(c.anchors, c.parties...)
			state, serverErr, clientErr := connect(t, identity.ServerTLS(pinned.tls(), r), client(c.shown.tls()))
			if c.want == "" {
				if serverErr == nil || clientErr == nil {
					t.Fatalf("got a connection (%v, %v), want it refused", serverErr, clientErr)
				}
				return
			}
			if serverErr != nil || clientErr != nil {
				t.Fatalf("got %v, %v, want a connection", serverErr, clientErr)
			}
			if got, err := r.Party(state); err != nil || got != c.want {
				t.Errorf("got %s (%v), want %s", got, err, c.want)
			}
		})
	}
}

// Without anchors or roots of ours, x509 would fall back on those of the system.
func TestSystemRootsAreNoAnchors(t *testing.T) {
	shown := issue(t, &webRoot, func(c *x509.Certificate) { named(dordt)(c); c.DNSNames = []string{"node.example"} })
	if _, err := shown.x509.Verify(x509.VerifyOptions{DNSName: "node.example"}); err != nil {
		t.Fatalf("control: got %v, want a good web certificate", err)
	}
	_, serverErr, _ := connect(t, identity.ServerTLS(shown.tls(), resolver(nil, partyOf(dordt))), client(shown.tls()))
	if serverErr == nil {
		t.Error("as client: got a connection, want it refused")
	}
	peer := func() (gateway.Party, bool) { return partyOf(dordt), true }
	_, _, clientErr := connect(t, server(shown), identity.ClientTLS(shown.tls(), peer, nil))
	if clientErr == nil {
		t.Error("as server: got a connection, want it refused")
	}
}

func TestClientWithoutCertificate(t *testing.T) {
	own := issue(t, nil, named(smile))
	_, serverErr, _ := connect(t, identity.ServerTLS(own.tls(), resolver(nil, partyOf(smile, own.pin()))), client())
	if serverErr == nil {
		t.Error("got a connection, want it refused")
	}
	if _, err := resolver(nil).Party(tls.ConnectionState{}); gateway.KindOf(err) != gateway.Unauthenticated {
		t.Errorf("got %v, want Unauthenticated", err)
	}
}

func TestVersionsAndCiphers(t *testing.T) {
	own := issue(t, nil, named(smile))
	conf := identity.ServerTLS(own.tls(), resolver(nil, partyOf(smile, own.pin())))
	try := func(change func(*tls.Config)) (tls.ConnectionState, error) {
		c := client(own.tls())
		change(c)
		state, err, _ := connect(t, conf, c)
		return state, err
	}
	if state, err := try(func(*tls.Config) {}); err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("best: got %s (%v), want TLS 1.3", tls.VersionName(state.Version), err)
	}
	for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
		state, err := try(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12; c.CipherSuites = []uint16{suite} })
		if err != nil || state.Version != tls.VersionTLS12 {
			t.Errorf("%s: got %v, want TLS 1.2", tls.CipherSuiteName(suite), err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := try(func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }); err == nil {
			t.Errorf("%s: got a connection, want it refused", tls.VersionName(version))
		}
	}
	for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256} {
		if _, err := try(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12; c.CipherSuites = []uint16{suite} }); err == nil {
			t.Errorf("%s: got a connection, want it refused", tls.CipherSuiteName(suite))
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(t, err)
	template := *own.x509
	template.SignatureAlgorithm, template.PublicKey = 0, key.Public()
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	fatal(t, err)
	withRSA := identity.ServerTLS(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, resolver(nil, partyOf(smile, own.pin())))
	c := client(own.tls())
	c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	if _, err, _ := connect(t, withRSA, c); err == nil {
		t.Error("without forward secrecy: got a connection, want it refused")
	}
	if got, want := conf.NextProtos, []string{"http/1.1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Once a party is out of the register, neither a new nor a resumed connection
// is accepted, and a connection that lives on is seen through.
func TestRemovedParty(t *testing.T) {
	own := issue(t, nil, named(smile))
	var removed atomic.Bool
	r := identity.NewResolver(func() []gateway.Party {
		if removed.Load() {
			return nil
		}
		return []gateway.Party{partyOf(smile, own.pin())}
	}, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		removed.Store(false)
		resuming := client(own.tls())
		resuming.MaxVersion = version
		resuming.ServerName = "node.example"
		resuming.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		conf := identity.ServerTLS(own.tls(), r)
		var state tls.ConnectionState
		for range 2 {
			var serverErr, clientErr error
			state, serverErr, clientErr = connect(t, conf, resuming)
			if serverErr != nil || clientErr != nil {
				t.Fatalf("got %v, %v, want a connection", serverErr, clientErr)
			}
		}
		if state.DidResume {
			t.Error("got a resumed connection, want a full handshake each time")
		}
		removed.Store(true)
		if _, err, _ := connect(t, conf, resuming); err == nil {
			t.Errorf("%s: got a connection, want it refused", tls.VersionName(version))
		}
		if oin, err := r.Party(state); gateway.KindOf(err) != gateway.Unauthenticated {
			t.Errorf("on the old connection: got %s (%v), want Unauthenticated", oin, err)
		}
	}
}

// Sessions that another configuration with the same keys would resume are
// checked all the same: VerifyConnection runs on resumption too.
func TestResumedIsCheckedToo(t *testing.T) {
	own := issue(t, nil, named(smile))
	var removed atomic.Bool
	conf := identity.ServerTLS(own.tls(), identity.NewResolver(func() []gateway.Party {
		if removed.Load() {
			return nil
		}
		return []gateway.Party{partyOf(smile, own.pin())}
	}, nil))
	conf.SessionTicketsDisabled = false
	resuming := client(own.tls())
	resuming.ServerName = "node.example"
	resuming.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	_, err, _ := connect(t, conf, resuming)
	fatal(t, err)
	if state, err, _ := connect(t, conf, resuming); err != nil || !state.DidResume {
		t.Fatalf("control: got resumed %t (%v), want true", state.DidResume, err)
	}
	removed.Store(true)
	if _, err, _ := connect(t, conf, resuming); err == nil {
		t.Error("got a resumed connection, want it refused")
	}
}

func TestServerIdentity(t *testing.T) {
	ca := authority(t, nil)
	own := issue(t, nil, named(smile))
	pinned := issue(t, nil, named(dordt))
	web := func(host string, more func(*x509.Certificate)) cert {
		return issue(t, &ca, func(c *x509.Certificate) {
			c.DNSNames = []string{host}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			more(c)
		})
	}
	plain := func(*x509.Certificate) {}
	late := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-10 * time.Minute) }
	good := web("node.example", plain)
	byPin, byName := partyOf(dordt, pinned.pin()), partyOf(dordt)
	latePin := issue(t, nil, late)
	nameless := byName
	nameless.Endpoint = ""
	for name, c := range map[string]struct {
		shown cert
		peer  gateway.Party
		roots *x509.CertPool
		ok    bool
	}{
		"pin":                     {pinned, byPin, nil, true},
		"other pin":               {own, byPin, nil, false},
		"impersonation by name":   {issue(t, nil, named(dordt)), byPin, nil, false},
		"no pin and no roots":     {pinned, byName, nil, false},
		"web certificate":         {good, byName, ca.pool(), true},
		"web beside pins":         {good, byPin, ca.pool(), true},
		"web without roots":       {good, byPin, nil, false},
		"web of another host":     {web("other.example", plain), byName, ca.pool(), false},
		"web by another root":     {good, byName, own.pool(), false},
		"web expired":             {web("node.example", late), byName, ca.pool(), false},
		"pin expired":             {latePin, partyOf(dordt, latePin.pin()), nil, false},
		"party without endpoint":  {good, nameless, ca.pool(), false},
		"client certificate only": {issue(t, &ca, func(c *x509.Certificate) { c.DNSNames = []string{"node.example"}; c.ExtKeyUsage = c.ExtKeyUsage[:1] }), byName, ca.pool(), false},
	} {
		t.Run(name, func(t *testing.T) {
			conf := identity.ClientTLS(own.tls(), func() (gateway.Party, bool) { return c.peer, true }, c.roots)
			state, serverErr, clientErr := connect(t, server(c.shown), conf)
			if ok := clientErr == nil; ok != c.ok {
				t.Fatalf("got %v, want accepted %t", clientErr, c.ok)
			}
			if c.ok && (serverErr != nil || len(state.PeerCertificates) != 1 || !state.PeerCertificates[0].Equal(own.x509)) {
				t.Errorf("got %v, want our certificate shown", serverErr)
			}
		})
	}
	gone := identity.ClientTLS(own.tls(), func() (gateway.Party, bool) { return gateway.Party{}, false }, ca.pool())
	if _, _, err := connect(t, server(good), gone); err == nil {
		t.Error("party out of the register: got a connection, want it refused")
	}
	old := server(pinned)
	old.MaxVersion, old.MinVersion = tls.VersionTLS11, tls.VersionTLS10
	if _, _, err := connect(t, old, identity.ClientTLS(own.tls(), func() (gateway.Party, bool) { return byPin, true }, nil)); err == nil {
		t.Error("TLS 1.1 server: got a connection, want it refused")
	}
}

// Both sides as nodes use them, and a server that names authorities of which
// ours is none.
func TestBothSides(t *testing.T) {
	a, b := issue(t, nil, named(smile)), issue(t, nil, named(dordt))
	parties := []gateway.Party{partyOf(smile, a.pin()), partyOf(dordt, b.pin())}
	r := resolver(nil, parties...)
	serverConf := identity.ServerTLS(b.tls(), r)
	serverConf.ClientCAs = authority(t, nil).pool()
	state, serverErr, clientErr := connect(t, serverConf, identity.ClientTLS(a.tls(), func() (gateway.Party, bool) { return parties[1], true }, nil))
	if serverErr != nil || clientErr != nil {
		t.Fatalf("got %v, %v, want a connection", serverErr, clientErr)
	}
	if got, err := r.Party(state); err != nil || got != smile || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("got %s over %s (%v), want %s over http/1.1", got, state.NegotiatedProtocol, err, smile)
	}
}
