package seal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// Messages about a person travel as JWE(JWS): the token that Sign made is the
// plaintext of a compact JWE (RFC 7516 §7.1) to the recipient's key, by ECDH-ES
// on P-256 with A256KW and A256GCM. Who carries it learns from the header to whom
// it goes, until when and under which id, and from its size one of three. An
// encrypted token proves nothing of who made it: that is for the JWS inside.

const (
	contentEncryption = string(jose.A256GCM)

	// MaxEncrypted bounds what Decrypt looks at: the largest padded payload,
	// signed and encrypted, with its headers.
	MaxEncrypted = (gateway.LargestPadded/3*4+1024)/3*4 + 2048

	maxMember = 128 // bytes of each text in the header

	wrappedSize = 40 // bytes of a 32-byte key under A256KW
	nonceSize   = 12 // of AES-GCM
	tagSize     = 16
)

// Outer is what the header of an encrypted message says to whoever carries it.
// Nothing of it is proven but by comparing it with the message inside.
type Outer struct {
	KID       string // of the key that it is encrypted to
	ID        string // of the message
	Recipient gateway.OIN
	Expires   time.Time
}

// outerHeader is the whole protected header.
type outerHeader struct {
	Alg       string       `json:"alg"`
	Enc       string       `json:"enc"`
	EPK       ephemeralKey `json:"epk"`
	Expires   string       `json:"expires"`
	ID        string       `json:"id"`
	KID       string       `json:"kid"`
	Recipient string       `json:"recipient"`
}

type ephemeralKey struct {
	KTY string `json:"kty"`
	CRV string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// IsEncrypted tells whether a token has the form of an encrypted one: five parts
// where a signed one has three.
func IsEncrypted(token string) bool { return strings.Count(token, ".") == 4 }

// Encrypt makes a compact JWE to a recipient's key, around a token that Sign
// made. The id, recipient and expiry of m go in the header. Every call gives
// another token.
func (k *Keys) Encrypt(to gateway.Key, m gateway.Message, token string) (string, error) {
	public, err := k.encryption(to)
	if err != nil {
		return "", err
	}
	options := (&jose.EncrypterOptions{}).
		WithHeader("id", m.ID).WithHeader("recipient", m.Recipient.URN()).WithHeader("expires", gateway.FormatTime(m.Expires))
	e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: public, KeyID: to.KID}, options)
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the encryption key cannot be used")
	}
	jwe, err := e.Encrypt([]byte(token))
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "encrypting failed")
	}
	sealed, err := jwe.CompactSerialize()
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the encrypted token could not be written")
	}
	if len(sealed) > MaxEncrypted {
		return "", gateway.Errorf(gateway.Limit, "an encrypted message has at most %d bytes", MaxEncrypted)
	}
	return sealed, nil
}

// Decrypt opens a compact JWE with the private key that find gives for its kid,
// and gives the token inside, which nobody has verified yet. It accepts only
// ECDH-ES+A256KW on P-256 and A256GCM, a header of exactly the members that
// Encrypt writes, each once and in any order, and one spelling of each part; so
// no compression, no second recipient, no unprotected header.
//
// Every error is a *Failure: ReasonMalformed for what is no such token, and
// ReasonUnreadable for what is, but cannot be opened, whatever the cause. The
// Outer is given wherever the header could be read.
func Decrypt(token string, find func(kid string) *EncryptionKey) (inner string, outer Outer, err error) {
	outer, err = PeekOuter(token)
	if err != nil {
		return "", outer, err
	}
	key := find(outer.KID)
	if key == nil {
		return "", outer, unreadable()
	}
	jwe, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.ECDH_ES_A256KW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return "", outer, malformed("the encrypted token cannot be read")
	}
	plain, err := jwe.Decrypt(key.private)
	if err != nil {
		return "", outer, unreadable()
	}
	return string(plain), outer, nil
}

func unreadable() error {
	return &Failure{gateway.ReasonUnreadable, gateway.Errorf(gateway.Unauthenticated, "the message cannot be decrypted here")}
}

// PeekOuter reads the header of an encrypted token, as who carries it can.
func PeekOuter(token string) (Outer, error) {
	if len(token) > MaxEncrypted {
		return Outer{}, malformed("the encrypted token is too large")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 5 {
		return Outer{}, malformed("an encrypted token has five parts")
	}
	var head []byte
	for i, part := range parts {
		b, err := decode(part)
		if err != nil {
			return Outer{}, err
		}
		if want := [...]int{0, wrappedSize, nonceSize, 0, tagSize}[i]; want > 0 && len(b) != want {
			return Outer{}, malformed("a part of the encrypted token has another size")
		}
		if i == 0 {
			head = b
		}
	}
	var h outerHeader
	if err := json.Unmarshal(head, &h, json.RejectUnknownMembers(true)); err != nil {
		return Outer{}, malformed("the header of an encrypted token holds alg, enc, epk, expires, id, kid and recipient, each once, and nothing else")
	}
	return h.read()
}

func (h outerHeader) read() (Outer, error) {
	for _, text := range []string{h.ID, h.KID, h.Recipient, h.Expires, h.EPK.X, h.EPK.Y} {
		if text == "" || len(text) > maxMember {
			return Outer{}, malformed("a member of the header of an encrypted token is empty or too long")
		}
	}
	if h.Alg != keyAgreement || h.Enc != contentEncryption || h.EPK.KTY != "EC" || h.EPK.CRV != elliptic.P256().Params().Name {
		return Outer{}, malformed("an encrypted token is made with ECDH-ES+A256KW on P-256 and A256GCM")
	}
	recipient, err := gateway.ParseURN(h.Recipient)
	if err != nil {
		return Outer{}, malformed("the recipient of an encrypted token is not a party")
	}
	expires, err := time.Parse(time.RFC3339, h.Expires)
	if err != nil {
		return Outer{}, malformed("the expiry of an encrypted token is not a time")
	}
	return Outer{KID: h.KID, ID: h.ID, Recipient: recipient, Expires: expires}, nil
}

// Of tells whether the header is that of the message that was found inside.
func (o Outer) Of(m gateway.Message) bool {
	return o.ID == m.ID && o.Recipient == m.Recipient && o.Expires.Equal(m.Expires)
}

// encryption is the public key to encrypt to, read once.
func (k *Keys) encryption(known gateway.Key) (*ecdsa.PublicKey, error) {
	if known.Compromised {
		return nil, gateway.Errorf(gateway.Unauthenticated, "the encryption key was reported as compromised")
	}
	k.mu.RLock()
	found, ok := k.read[known.KID]
	k.mu.RUnlock()
	if public, isOf := found.key.(*ecdsa.PublicKey); ok && isOf && found.use == useEncrypt && bytes.Equal(found.jwk, known.JWK) {
		return public, nil
	}
	public, err := encryptionKey(known)
	if err != nil {
		return nil, err
	}
	k.remember(known, public, useEncrypt)
	return public, nil
}
