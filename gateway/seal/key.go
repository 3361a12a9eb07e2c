package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256" // thumbprints
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

const (
	pemType = "PRIVATE KEY" // PKCS #8, RFC 5958

	useSign    = "sig"
	useEncrypt = "enc"

	// keyAgreement is how confidential messages are encrypted.
	keyAgreement = string(jose.ECDH_ES_A256KW)
)

// Key is a private signing key.
type Key struct {
	private crypto.Signer // ed25519.PrivateKey or *ecdsa.PrivateKey on P-256
	alg     jose.SignatureAlgorithm
	public  gateway.Key
}

// GenerateKey makes an Ed25519 signing key (RFC 8037).
func GenerateKey() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the signing key could not be made")
	}
	return newKey(private)
}

// ParseKey reads a signing key, Ed25519 or P-256, from PKCS #8 in PEM.
func ParseKey(pemPKCS8 []byte) (*Key, error) {
	private, err := parsePrivate(pemPKCS8)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, gateway.Errorf(gateway.Invalid, "a signing key is Ed25519 or P-256")
	}
	return newKey(signer)
}

func newKey(private crypto.Signer) (*Key, error) {
	alg := jose.EdDSA
	switch k := private.(type) {
	case ed25519.PrivateKey:
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, gateway.Errorf(gateway.Invalid, "a signing key is Ed25519 or P-256")
		}
		alg = jose.ES256
	default:
		return nil, gateway.Errorf(gateway.Invalid, "a signing key is Ed25519 or P-256")
	}
	public, err := publicKey(private.Public(), useSign, string(alg))
	if err != nil {
		return nil, err
	}
	return &Key{private: private, alg: alg, public: public}, nil
}

// KID is the id of the key: its RFC 7638 thumbprint with SHA-256.
func (k *Key) KID() string { return k.public.KID }

// PEM is the private key in PKCS #8, to be kept secret.
func (k *Key) PEM() []byte { return encodePrivate(k.private) }

// Public is the key as the register holds it, valid from a whole second.
func (k *Key) Public(validFrom time.Time) gateway.Key {
	public := k.public
	public.ValidFrom = validFrom.UTC().Truncate(time.Second)
	return public
}

func (k *Key) sign(p Purpose, payload []byte) (string, error) {
	private, ok := k.private.(ed25519.PrivateKey)
	if !ok {
		return k.signJOSE(p, payload)
	}
	head := header{Alg: string(k.alg), KID: k.KID(), Typ: string(p)}.encode()
	var room [4096]byte // enough for most
	token := base64.RawURLEncoding.AppendEncode(room[:0], []byte(head))
	token = append(token, '.')
	token = base64.RawURLEncoding.AppendEncode(token, payload)
	signature := ed25519.Sign(private, token)
	token = append(token, '.')
	return string(base64.RawURLEncoding.AppendEncode(token, signature)), nil
}

func (k *Key) signJOSE(p Purpose, payload []byte) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: k.alg, Key: jose.JSONWebKey{Key: k.private, KeyID: k.KID()}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(p)))
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the signing key cannot be used")
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "signing failed")
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the token could not be written")
	}
	return token, nil
}

// EncryptionKey is the private key by which a party reads what is encrypted to
// it: ECDH-ES on P-256.
type EncryptionKey struct {
	private *ecdsa.PrivateKey
	public  gateway.Key
}

// GenerateEncryptionKey makes a P-256 key.
func GenerateEncryptionKey() (*EncryptionKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the encryption key could not be made")
	}
	return newEncryptionKey(private)
}

// ParseEncryptionKey reads a P-256 key from PKCS #8 in PEM.
func ParseEncryptionKey(pemPKCS8 []byte) (*EncryptionKey, error) {
	private, err := parsePrivate(pemPKCS8)
	if err != nil {
		return nil, err
	}
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, gateway.Errorf(gateway.Invalid, "an encryption key is P-256")
	}
	return newEncryptionKey(key)
}

func newEncryptionKey(key *ecdsa.PrivateKey) (*EncryptionKey, error) {
	public, err := publicKey(key.Public(), useEncrypt, keyAgreement)
	if err != nil {
		return nil, err
	}
	return &EncryptionKey{private: key, public: public}, nil
}

// KID is the id of the key: its RFC 7638 thumbprint with SHA-256.
func (k *EncryptionKey) KID() string { return k.public.KID }

// PEM is the private key in PKCS #8, to be kept secret.
func (k *EncryptionKey) PEM() []byte { return encodePrivate(k.private) }

// Public is the key as the register holds it, valid from a whole second.
func (k *EncryptionKey) Public(validFrom time.Time) gateway.Key {
	public := k.public
	public.ValidFrom = validFrom.UTC().Truncate(time.Second)
	return public
}

func parsePrivate(data []byte) (any, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemType || len(rest) > 0 {
		return nil, gateway.Errorf(gateway.Invalid, "a private key is one PEM block of type %s", pemType)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "the private key is not PKCS #8") // err may describe the secret
	}
	return private, nil
}

func encodePrivate(private any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic("the kinds of key made here have a PKCS #8 form: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
}

// publicKey writes a public key as a JWK (RFC 7517) named by its thumbprint.
func publicKey(public crypto.PublicKey, use, alg string) (gateway.Key, error) {
	jwk := jose.JSONWebKey{Key: public, Use: use, Algorithm: alg}
	var err error
	if jwk.KeyID, err = thumbprint(jwk); err != nil {
		return gateway.Key{}, err
	}
	raw, err := jwk.MarshalJSON()
	if err != nil {
		return gateway.Key{}, gateway.Wrap(gateway.Internal, err, "the public key could not be written")
	}
	return gateway.Key{KID: jwk.KeyID, JWK: raw}, nil
}

func thumbprint(jwk jose.JSONWebKey) (string, error) {
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", gateway.Wrap(gateway.Invalid, err, "the public key has no thumbprint")
	}
	return encode(sum), nil
}

// jwkMembers are all the members a JWK in the register may have: certificates
// and URLs would be a second way to say which key is meant, and private
// members have no business there.
type jwkMembers struct {
	KTY string `json:"kty"`
	CRV string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	KID string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

// CheckSigningKey says whether k can verify signatures: a public Ed25519 or
// P-256 JWK, meant for signing, whose thumbprint is its id. An Ed25519 key is a
// point in its only spelling (RFC 8032 section 5.1.3) and not of small order.
func CheckSigningKey(k gateway.Key) error {
	_, err := signingKey(k)
	return err
}

// CheckEncryptionKey says whether k can be encrypted to: a public P-256 JWK,
// meant for encryption, whose thumbprint is its id.
func CheckEncryptionKey(k gateway.Key) error {
	_, err := encryptionKey(k)
	return err
}

func encryptionKey(k gateway.Key) (*ecdsa.PublicKey, error) {
	public, err := parsePublic(k, useEncrypt)
	if err != nil {
		return nil, err
	}
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, gateway.Errorf(gateway.Invalid, "an encryption key is P-256")
	}
	return key, nil
}

// Keys remembers the public keys that it has read and found good, so that a key
// is taken apart once and not for every message. The zero Keys is empty and
// ready for use.
type Keys struct {
	mu   sync.RWMutex
	read map[string]readKey // by id; guarded by mu
}

type readKey struct {
	use string
	jwk []byte
	key any
}

// maxKeys bounds what is remembered; a register holds fewer.
const maxKeys = 10_000

func (k *Keys) signing(known gateway.Key) (any, error) {
	k.mu.RLock()
	found, ok := k.read[known.KID]
	k.mu.RUnlock()
	if ok && found.use == useSign && bytes.Equal(found.jwk, known.JWK) {
		return found.key, nil
	}
	key, err := signingKey(known)
	if err != nil {
		return nil, err
	}
	k.remember(known, key, useSign)
	return key, nil
}

// remember keeps a key that was found good for a use.
func (k *Keys) remember(known gateway.Key, key any, use string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.read == nil || len(k.read) == maxKeys {
		k.read = map[string]readKey{}
	}
	k.read[known.KID] = readKey{use, bytes.Clone(known.JWK), key}
}

// signingKey gives *edKey or *ecdsa.PublicKey.
func signingKey(k gateway.Key) (any, error) {
	public, err := parsePublic(k, useSign)
	if ed, ok := public.(ed25519.PublicKey); ok && err == nil {
		return readEd25519(ed)
	}
	return public, err
}

func parsePublic(k gateway.Key, use string) (any, error) {
	var members jwkMembers
	if err := json.Unmarshal(k.JWK, &members, json.RejectUnknownMembers(true)); err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "a public key is a JWK with kty, crv, x, y, kid, use and alg at most")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(k.JWK); err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "the public key cannot be read")
	}
	alg := keyAgreement
	switch pub := jwk.Key.(type) {
	case ed25519.PublicKey:
		if use == useSign {
			alg = string(jose.EdDSA)
		}
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() {
			return nil, gateway.Errorf(gateway.Invalid, "a public key is Ed25519 or P-256")
		}
		if use == useSign {
			alg = string(jose.ES256)
		}
	default:
		return nil, gateway.Errorf(gateway.Invalid, "a public key is Ed25519 or P-256")
	}
	if (members.Use != "" && members.Use != use) || (members.Alg != "" && members.Alg != alg) {
		return nil, gateway.Errorf(gateway.Invalid, "the public key is meant for something else")
	}
	kid, err := thumbprint(jwk)
	if err != nil {
		return nil, err
	}
	if kid != k.KID || (members.KID != "" && members.KID != kid) {
		return nil, gateway.Errorf(gateway.Invalid, "the id of a key is its RFC 7638 thumbprint")
	}
	return jwk.Key, nil
}
