package identity

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// base is what both sides hold to: TLS 1.3, or 1.2 with forward secrecy and
// authenticated encryption, and full handshakes only, so that every connection
// is compared with the register in force.
func base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:             []string{"http/1.1"}, // the servers of a node speak nothing else
		SessionTicketsDisabled: true,
	}
}

// ServerTLS is the configuration of the peer listener: it shows own and refuses
// every client that resolver does not know as a party.
func ServerTLS(own tls.Certificate, resolver *Resolver) *tls.Config {
	c := base()
	c.Certificates = []tls.Certificate{own}
	c.ClientAuth = tls.RequireAnyClientCert
	c.VerifyConnection = func(state tls.ConnectionState) error {
		_, err := resolver.Party(state)
		return err
	}
	return c
}

// ClientTLS is the configuration for connections to one party: it shows own and
// refuses every server that is not that party. peer is asked at each handshake
// and answers the party as the register in force has it. roots are for servers
// that show a web certificate for their host; without them only pins count.
func ClientTLS(own tls.Certificate, peer func() (gateway.Party, bool), roots *x509.CertPool) *tls.Config {
	c := base()
	// Whatever authorities the server names: this is the identity the register
	// knows us by.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	c.InsecureSkipVerify = true // VerifyConnection does it, with pins
	c.VerifyConnection = func(state tls.ConnectionState) error {
		party, ok := peer()
		if !ok {
			return gateway.Errorf(gateway.Unauthenticated, "the party is not in the register")
		}
		return verifyServer(state, party, roots, time.Now())
	}
	return c
}
