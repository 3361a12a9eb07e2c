// Package identity is who is at the other end of a TLS connection, and who we
// are: own keys on disk, TLS configurations for both sides, and the way from a
// peer's certificate to a party of the register. Use it wherever a connection
// between nodes is made or accepted.
//
// A client is a party because the register pins its public key, or because its
// certificate chains to an anchor that the operator configured and carries the
// OIN of a party in Subject.serialNumber. A certificate for a web site is never
// an identity of a client. A server is a party because the register pins its
// public key, or because its certificate is for the host of the party's
// endpoint and chains to configured roots.
package identity

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/url"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Pin is the SHA-256 of the certificate's SubjectPublicKeyInfo in lower-case
// hex, as a party's TLSPins hold it (RFC 7469 §2.4 pins the same bytes).
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Resolver finds the party behind a connection. It is safe for concurrent use.
type Resolver struct {
	parties func() []gateway.Party
	anchors *x509.CertPool
}

// NewResolver makes a resolver over the parties of the register in force, which
// it asks for each time. Without anchors only pins count.
func NewResolver(parties func() []gateway.Party, anchors *x509.CertPool) *Resolver {
	return &Resolver{parties: parties, anchors: anchors}
}

// Party is the party that the client of a connection is. Ask again for every
// request: a connection may outlive the party's place in the register. The
// error is Unauthenticated and names nothing of the certificate.
func (r *Resolver) Party(state tls.ConnectionState) (gateway.OIN, error) {
	return r.party(state, time.Now())
}

func (r *Resolver) party(state tls.ConnectionState, now time.Time) (gateway.OIN, error) {
	leaf, err := leafOf(state, now)
	if err != nil {
		return "", err
	}
	parties := r.parties()
	pin := Pin(leaf)
	for _, p := range parties {
		if slices.Contains(p.TLSPins, pin) {
			return p.OIN, nil
		}
	}
	if r.anchors == nil { // x509 would take the roots of the system instead
		return "", gateway.Errorf(gateway.Unauthenticated, "the certificate is not pinned in the register")
	}
	if err := verifyChain(state, r.anchors, now, x509.ExtKeyUsageClientAuth, ""); err != nil {
		return "", gateway.Wrap(gateway.Unauthenticated, err, "the certificate is not pinned in the register and does not chain to an anchor")
	}
	for _, p := range parties {
		if string(p.OIN) != leaf.Subject.SerialNumber {
			continue
		}
		if len(p.TLSPins) > 0 {
			return "", gateway.Errorf(gateway.Unauthenticated, "the party is known by pins, and the certificate is not one of them")
		}
		return p.OIN, nil
	}
	return "", gateway.Errorf(gateway.Unauthenticated, "the certificate does not carry the OIN of a party in the register")
}

// verifyServer says whether the server of a connection is peer.
func verifyServer(state tls.ConnectionState, peer gateway.Party, roots *x509.CertPool, now time.Time) error {
	leaf, err := leafOf(state, now)
	if err != nil {
		return err
	}
	if slices.Contains(peer.TLSPins, Pin(leaf)) {
		return nil
	}
	if roots == nil {
		return gateway.Errorf(gateway.Unauthenticated, "the server's certificate is not pinned for this party")
	}
	endpoint, err := url.Parse(peer.Endpoint)
	if err != nil || endpoint.Hostname() == "" { // without a name, x509 would not compare names
		return gateway.Errorf(gateway.Invalid, "the party has no endpoint")
	}
	if err := verifyChain(state, roots, now, x509.ExtKeyUsageServerAuth, endpoint.Hostname()); err != nil {
		return gateway.Wrap(gateway.Unauthenticated, err, "the server's certificate is neither pinned for this party nor a trusted one for its host")
	}
	return nil
}

// leafOf is the peer's own certificate, if it is valid now.
func leafOf(state tls.ConnectionState, now time.Time) (*x509.Certificate, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, gateway.Errorf(gateway.Unauthenticated, "the peer shows no certificate")
	}
	leaf := state.PeerCertificates[0]
	if now.After(leaf.NotAfter.Add(gateway.ClockSkew)) {
		return nil, gateway.Errorf(gateway.Unauthenticated, "the certificate has expired")
	}
	if now.Before(leaf.NotBefore.Add(-gateway.ClockSkew)) {
		return nil, gateway.Errorf(gateway.Unauthenticated, "the certificate is not valid yet")
	}
	return leaf, nil
}

// verifyChain verifies the chain at a moment within the leaf's validity, which
// leafOf has compared with the clock, skew included.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool, now time.Time, usage x509.ExtKeyUsage, host string) error {
	leaf := state.PeerCertificates[0]
	if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	if now.After(leaf.NotAfter) {
		now = leaf.NotAfter
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}
