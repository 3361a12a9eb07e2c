package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/doorstroom/doorstroom/gateway"
	"go.uber.org/zap"
)

const (
	challengeProto = "acme-tls/1" // RFC 8737 §6.2

	firstRetry = 10 * time.Second
	maxRetry   = time.Hour
	listenPoll = 100 * time.Millisecond
)

// ACMEConfig says where the certificate of the server side comes from (RFC
// 8555). Taking part means agreeing to the terms of that ACME server.
type ACMEConfig struct {
	Directory    string         // URL of the directory, https
	Domain       string         // host name to be certified: that of the endpoint
	Email        string         // functional address of the account
	TrustedRoots *x509.CertPool // for the ACME server itself; nil: those of the system
	StorageDir   string         // for account, keys and certificates, within the data directory
	ListenHost   string         // of the peer listener
	ListenPort   int            // of the peer listener, to which port 443 of Domain must lead
	HTTPPort     int            // answer HTTP-01 as well, here, to which port 80 must lead; 0: no
}

// ACME keeps the certificate of the server side up to date. Its challenges
// (TLS-ALPN-01, RFC 8737) come in on the peer listener, which must use ServerTLS
// of this ACME.
type ACME struct {
	conf   ACMEConfig
	logger *slog.Logger

	mu      sync.Mutex // guards what follows
	config  *certmagic.Config
	cache   *certmagic.Cache
	cancel  context.CancelFunc
	managed chan struct{} // closed when the goroutine of Start has ended
}

// NewACME checks a configuration. It starts nothing and touches no disk.
func NewACME(conf ACMEConfig, logger *slog.Logger) (*ACME, error) {
	u, err := url.Parse(conf.Directory)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return nil, gateway.Errorf(gateway.Invalid, "the ACME directory must be an https URL")
	case !certmagic.SubjectQualifiesForCert(conf.Domain):
		return nil, gateway.Errorf(gateway.Invalid, "the ACME domain is not a host name")
	case conf.Email == "": // certmagic would ask for one on standard input
		return nil, gateway.Errorf(gateway.Invalid, "ACME needs an e-mail address")
	case conf.StorageDir == "" || conf.ListenPort == 0:
		return nil, gateway.Errorf(gateway.Invalid, "ACME needs a storage directory and the port of the peer listener")
	}
	return &ACME{conf: conf, logger: logger}, nil
}

// Start begins to obtain and renew the certificate and returns at once; failures
// are logged and tried again until Stop. ctx bounds nothing after Start returns.
func (a *ACME) Start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cancel != nil {
		return gateway.Errorf(gateway.Conflict, "ACME has been started already")
	}
	logger := zap.New(&slogCore{logger: a.logger})
	var config *certmagic.Config
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil },
		Logger:           logger,
	})
	config = certmagic.New(a.cache, certmagic.Config{
		Storage:           newACMEStorage(a.conf.StorageDir),
		OCSP:              certmagic.OCSPConfig{DisableStapling: true},
		DefaultServerName: a.conf.Domain,
		Logger:            logger,
	})
	config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(config, certmagic.ACMEIssuer{
		CA: a.conf.Directory, TestCA: a.conf.Directory, Email: a.conf.Email, Agreed: true,
		TrustedRoots: a.conf.TrustedRoots, ListenHost: a.conf.ListenHost, AltTLSALPNPort: a.conf.ListenPort,
		DisableHTTPChallenge: a.conf.HTTPPort == 0, AltHTTPPort: a.conf.HTTPPort, Logger: logger,
	})}
	a.config = config

	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.managed = make(chan struct{})
	go a.manage(ctx, config, a.managed)
	return nil
}

// manage obtains the certificate; from then on the cache renews it. ManageAsync
// would do the same in goroutines that nobody can wait for.
func (a *ACME) manage(ctx context.Context, config *certmagic.Config, done chan<- struct{}) {
	defer close(done)
	if !a.listening(ctx) {
		return
	}
	for wait := firstRetry; ; wait = min(2*wait, maxRetry) {
		err := config.ManageSync(ctx, []string{a.conf.Domain})
		if err == nil || ctx.Err() != nil {
			return
		}
		a.logger.Error("no certificate from the ACME server yet", "error", err, "retry", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// listening waits for the peer listener: were it not there, certmagic would open
// one of its own in its place, and the node could not.
func (a *ACME) listening(ctx context.Context) bool {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a.conf.ListenHost, strconv.Itoa(a.conf.ListenPort)))
		if err == nil {
			conn.Close()
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(listenPoll):
		}
	}
}

// Stop ends what Start began and waits for it, no longer than ctx. A stopped
// ACME goes on answering handshakes with what it has; it is not started again.
func (a *ACME) Stop(ctx context.Context) error {
	a.mu.Lock()
	cancel, managed, cache := a.cancel, a.managed, a.cache
	a.cache = nil
	a.mu.Unlock()
	if cache == nil {
		return nil
	}
	cancel()
	cache.Stop()
	select {
	case <-managed:
		return nil
	case <-ctx.Done():
		return gateway.Wrap(gateway.Internal, ctx.Err(), "ACME did not stop in time")
	}
}

// ServerTLS is ServerTLS with the certificate of the ACME server, or with own
// while there is none that is valid. On top it answers the ACME server's challenges, which
// come without a client certificate: such a connection has negotiated
// acme-tls/1, so an http.Server closes it and no handler ever sees it.
func (a *ACME) ServerTLS(own tls.Certificate, resolver *Resolver) *tls.Config {
	c := ServerTLS(own, resolver)
	c.Certificates = nil
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := a.certificate(hello)
		if err != nil || (cert.Leaf != nil && time.Now().After(cert.Leaf.NotAfter)) {
			return &own, nil
		}
		return cert, nil
	}
	challenge := base()
	challenge.NextProtos = []string{challengeProto}
	challenge.GetCertificate = a.certificate
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == challengeProto {
			return challenge, nil
		}
		return nil, nil // the one above
	}
	return c
}

// Expiry is when the certificate of the ACME server ends; false while there is
// none.
func (a *ACME) Expiry() (time.Time, bool) {
	a.mu.Lock()
	cache := a.cache
	a.mu.Unlock()
	if cache == nil {
		return time.Time{}, false
	}
	for _, cert := range cache.AllMatchingCertificates(a.conf.Domain) {
		if cert.Leaf != nil {
			return cert.Leaf.NotAfter, true
		}
	}
	return time.Time{}, false
}

// certificate is certmagic's answer, also to a challenge.
func (a *ACME) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	config := a.config
	a.mu.Unlock()
	if config == nil {
		return nil, errors.New("ACME has not been started")
	}
	return config.GetCertificate(hello)
}
