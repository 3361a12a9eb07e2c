package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

const (
	tlsFile  = "tls.pem"  // certificate and private key
	nodeFile = "node.key" // hex

	nodeKeySize   = 32
	certValidity  = 10 // years
	maxCommonName = 64
	maxSecretSize = 1 << 20
)

// Keys are a node's own, apart from those for signing and encryption.
type Keys struct {
	TLS  tls.Certificate
	Node []byte // 32 secret bytes for keyed digests
}

// Create makes the keys of a node in dir, and dir: a key pair with a certificate
// of its own for TLS, which the register pins, and the node secret. All is
// accessible only to its owner and on disk when it returns. Where keys are
// already, it is a Conflict and changes nothing.
func Create(dir string, oin gateway.OIN, name string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return gateway.Wrap(gateway.Internal, err, "the directory for keys could not be made")
	}
	if err := errors.Join(os.Chmod(dir, 0o700), syncDir(filepath.Dir(dir))); err != nil {
		return gateway.Wrap(gateway.Internal, err, "the directory for keys could not be made")
	}
	for _, file := range []string{tlsFile, nodeFile} {
		if _, err := os.Lstat(filepath.Join(dir, file)); err == nil {
			return gateway.Errorf(gateway.Conflict, "there are keys already: %s", file)
		}
	}
	pair, err := selfSigned(oin, name, now)
	if err != nil {
		return err
	}
	secret := make([]byte, nodeKeySize)
	rand.Read(secret)
	if err := WriteSecret(filepath.Join(dir, tlsFile), pair); err != nil {
		return err
	}
	return WriteSecret(filepath.Join(dir, nodeFile), []byte(hex.EncodeToString(secret)+"\n"))
}

// Load reads what Create made.
func Load(dir string) (Keys, error) {
	pair, err := ReadSecret(filepath.Join(dir, tlsFile))
	if err != nil {
		return Keys{}, err
	}
	node, err := ReadSecret(filepath.Join(dir, nodeFile))
	if err != nil {
		return Keys{}, err
	}
	var keys Keys
	if keys.TLS, err = tls.X509KeyPair(pair, pair); err != nil {
		return Keys{}, gateway.Wrap(gateway.Invalid, err, tlsFile+" does not hold a certificate and its key")
	}
	if keys.Node, err = hex.DecodeString(strings.TrimSpace(string(node))); err != nil || len(keys.Node) != nodeKeySize {
		return Keys{}, gateway.Errorf(gateway.Invalid, "%s does not hold %d bytes in hex", nodeFile, nodeKeySize)
	}
	return keys, nil
}

// selfSigned makes a P-256 key and a certificate for both sides of TLS, in PEM.
func selfSigned(oin gateway.OIN, name string, now time.Time) ([]byte, error) {
	if _, err := gateway.ParseOIN(string(oin)); err != nil {
		return nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the TLS key could not be made")
	}
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] &= 0x7f // positive, at most 20 octets: RFC 5280 §4.1.2.2
	now = now.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{SerialNumber: string(oin), CommonName: commonName(name)},
		NotBefore:             now.Add(-gateway.ClockSkew),
		NotAfter:              now.AddDate(certValidity, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the certificate could not be made")
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the TLS key could not be written")
	}
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return b.Bytes(), nil
}

// commonName cuts a name to what a certificate has room for (RFC 5280 appendix
// A.1, ub-common-name).
func commonName(name string) string {
	runes := []rune(name)
	return string(runes[:min(len(runes), maxCommonName)])
}

// WriteSecret makes a file that only its owner can read, and refuses with a
// Conflict when it exists. When it returns nil, the file is on disk under its
// name. After an error there is no such file, unless it was there before.
func WriteSecret(path string, secret []byte) error {
	name := filepath.Base(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return gateway.Wrap(gateway.Conflict, err, "there is a file already: "+name)
	}
	if err != nil {
		return gateway.Wrap(gateway.Internal, err, "the secret could not be written: "+name)
	}
	_, err = f.Write(secret)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return gateway.Wrap(gateway.Internal, errors.Join(err, os.Remove(path)), "the secret could not be written: "+name)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadSecret reads a file that only its owner can read. One that others can
// read is refused as Denied: whoever could read it may have its keys.
func ReadSecret(path string) ([]byte, error) {
	name := filepath.Base(path)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gateway.Wrap(gateway.NotFound, err, "there is no file "+path)
	}
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the secret could not be read: "+name)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the secret could not be read: "+name)
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() > maxSecretSize:
		return nil, gateway.Errorf(gateway.Invalid, "%s is not a file with a secret", name)
	case info.Mode().Perm()&0o077 != 0:
		return nil, gateway.Errorf(gateway.Denied, "%s can be read by others than its owner (mode %04o): make it 0600, and replace the keys if someone may have read it", name, info.Mode().Perm())
	}
	secret := make([]byte, info.Size())
	if _, err := f.ReadAt(secret, 0); err != nil && len(secret) > 0 {
		return nil, gateway.Wrap(gateway.Internal, err, "the secret could not be read: "+name)
	}
	return secret, nil
}
