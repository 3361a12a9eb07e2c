package rest_test

// What begins with "third" is the program of a third party: a node written from
// docs/protocol.md, openapi.json, schemas/ and the sealed vectors, with nothing
// but the standard library. TestThirdPartyStandsAlone holds it to that.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Purposes of tokens, §3.
const (
	thirdMessage   = "cloudevents+json"
	thirdReceipt   = "doorstroom-receipt+json"
	thirdHelloType = "doorstroom-hello+json"
	thirdRegisters = "doorstroom-register+json"
	thirdKeys      = "doorstroom-keys+json"
)

// thirdRefusal is a reason of the table of §5.
type thirdRefusal string

func (r thirdRefusal) Error() string { return string(r) }

func thirdHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// thirdToken is a compact JWS taken apart.
type thirdToken struct {
	alg, kid, typ string
	signed        string
	payload       []byte
	signature     []byte
}

// thirdSplit takes a token apart. Every part has one spelling.
func thirdSplit(token string) (t thirdToken, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 1_400_000 {
		return t, thirdRefusal("malformed")
	}
	decoded := make([][]byte, 3)
	for i, part := range parts {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || part == "" || strings.ContainsAny(part, "\r\n") {
			return t, thirdRefusal("malformed")
		}
	}
	value, err := thirdParse(decoded[0])
	header, ok := value.(map[string]any)
	if err != nil || !ok {
		return t, thirdRefusal("signature")
	}
	for name, value := range header {
		text, ok := value.(string)
		switch {
		case !ok:
			return t, thirdRefusal("signature")
		case name == "alg":
			t.alg = text
		case name == "kid":
			t.kid = text
		case name == "typ":
			t.typ = text
		default:
			return t, thirdRefusal("signature")
		}
	}
	if t.kid == "" {
		return t, thirdRefusal("signature")
	}
	t.signed, t.payload, t.signature = parts[0]+"."+parts[1], decoded[1], decoded[2]
	return t, nil
}

// open verifies a token; find gives the key or a reason why there is none.
func (t thirdToken) open(typ string, find func(kid string) (thirdKey, error)) ([]byte, error) {
	if t.typ != typ || t.alg != "EdDSA" && t.alg != "ES256" {
		return nil, thirdRefusal("signature")
	}
	key, err := find(t.kid)
	if err != nil {
		return nil, err
	}
	if !key.verifies(t.alg, []byte(t.signed), t.signature) {
		return nil, thirdRefusal("signature")
	}
	return t.payload, nil
}

// thirdKey is a public key of the register.
type thirdKey struct {
	KID         string            `json:"kid"`
	JWK         map[string]string `json:"jwk"`
	ValidFrom   time.Time         `json:"validFrom"`
	ValidUntil  time.Time         `json:"validUntil"`
	Compromised bool              `json:"compromised"`
}

func (k thirdKey) validAt(t time.Time, overlap time.Duration) bool {
	return !k.Compromised && !t.Before(k.ValidFrom) && (k.ValidUntil.IsZero() || t.Before(k.ValidUntil.Add(overlap)))
}

func (k thirdKey) verifies(alg string, signed, signature []byte) bool {
	x, err := base64.RawURLEncoding.DecodeString(k.JWK["x"])
	if err != nil || k.KID != k.thumbprint() {
		return false
	}
	switch {
	case alg == "EdDSA" && k.JWK["kty"] == "OKP" && k.JWK["crv"] == "Ed25519" && len(x) == ed25519.PublicKeySize:
		return ed25519.Verify(x, signed, signature)
	case alg == "ES256" && k.JWK["kty"] == "EC" && k.JWK["crv"] == "P-256" && len(signature) == 64:
		y, err := base64.RawURLEncoding.DecodeString(k.JWK["y"])
		if err != nil {
			return false
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return false
		}
		digest := sha256.Sum256(signed)
		return ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	}
	return false
}

// thumbprint is that of RFC 7638.
func (k thirdKey) thumbprint() string {
	text := fmt.Sprintf(`{"crv":%q,"kty":%q,"x":%q}`, k.JWK["crv"], k.JWK["kty"], k.JWK["x"])
	if k.JWK["kty"] == "EC" {
		text = fmt.Sprintf(`{"crv":%q,"kty":%q,"x":%q,"y":%q}`, k.JWK["crv"], k.JWK["kty"], k.JWK["x"], k.JWK["y"])
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// thirdEntry is a party as the register describes it.
type thirdEntry struct {
	OIN           string     `json:"oin"`
	Name          string     `json:"name"`
	Kind          string     `json:"kind"`
	Endpoint      string     `json:"endpoint"`
	SigningKeys   []thirdKey `json:"signingKeys"`
	EncryptionKey *thirdKey  `json:"encryptionKey"`
	TLSPins       []string   `json:"tlsPins"`
	KeyStatement  string     `json:"keyStatement"`
	Mandates      []struct {
		Principal  string   `json:"principal"`
		Kinds      []string `json:"kinds"`
		ValidFrom  string   `json:"validFrom"`
		ValidUntil string   `json:"validUntil"`
	} `json:"mandates"`
}

func (p thirdEntry) key(kid string) (thirdKey, bool) {
	i := slices.IndexFunc(p.SigningKeys, func(k thirdKey) bool { return k.KID == kid })
	if i < 0 {
		return thirdKey{}, false
	}
	return p.SigningKeys[i], true
}

// statement is what a party states of its keys, in canonical JSON.
func (p thirdEntry) statement(previous string) []byte {
	type key struct {
		KID        string `json:"kid"`
		ValidFrom  string `json:"validFrom"`
		ValidUntil string `json:"validUntil"`
	}
	s := struct {
		EncryptionKey string   `json:"encryptionKey"`
		Endpoint      string   `json:"endpoint"`
		OIN           string   `json:"oin"`
		Previous      string   `json:"previous"`
		SigningKeys   []key    `json:"signingKeys"`
		TLSPins       []string `json:"tlsPins"`
	}{Endpoint: p.Endpoint, OIN: p.OIN, Previous: previous, TLSPins: append([]string{}, p.TLSPins...)}
	if p.EncryptionKey != nil {
		s.EncryptionKey = p.EncryptionKey.KID
	}
	for _, k := range p.SigningKeys {
		one := key{KID: k.KID, ValidFrom: thirdTime(k.ValidFrom)}
		if !k.ValidUntil.IsZero() {
			one.ValidUntil = thirdTime(k.ValidUntil)
		}
		s.SigningKeys = append(s.SigningKeys, one)
	}
	slices.SortFunc(s.SigningKeys, func(a, b key) int { return strings.Compare(a.KID, b.KID) })
	slices.Sort(s.TLSPins)
	return thirdJSON(s)
}

func thirdTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// thirdJSON writes a value of this program, whose texts need no escapes. The
// members come in the order of the type.
func thirdJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a value of this program: " + err.Error())
	}
	return b
}

// thirdRegister is a verified register.
type thirdRegister struct {
	Version    uint64    `json:"version"`
	Previous   string    `json:"previous"`
	Issued     time.Time `json:"issued"`
	ValidUntil time.Time `json:"validUntil"`
	Threshold  int       `json:"threshold"`
	Signers    []struct {
		Key thirdKey `json:"key"`
	} `json:"signers"`
	Parties []thirdEntry `json:"parties"`

	hash    string   // of the payload
	signers []string // who signed it
}

func (r *thirdRegister) party(oin string) (thirdEntry, bool) {
	i := slices.IndexFunc(r.Parties, func(p thirdEntry) bool { return p.OIN == oin })
	if i < 0 {
		return thirdEntry{}, false
	}
	return r.Parties[i], true
}

// thirdReadRegister reads a register and verifies all its signatures by the
// keys of the signers of authority; nil is the register itself.
func thirdReadRegister(schemas thirdSchemas, file []byte, authority *thirdRegister) (*thirdRegister, error) {
	if _, err := thirdParse(file); err != nil {
		return nil, err
	}
	var doc struct {
		Payload    string
		Signatures []struct{ Protected, Signature string }
	}
	if err := json.Unmarshal(file, &doc); err != nil {
		return nil, err
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(doc.Payload)
	if err != nil {
		return nil, err
	}
	if reason := schemas.judge("register.v1.json", payload, ""); reason != "" {
		return nil, thirdRefusal(reason)
	}
	r := &thirdRegister{hash: thirdHash(payload)}
	if err := json.Unmarshal(payload, r); err != nil {
		return nil, err
	}
	if authority == nil {
		authority = r
	}
	for _, s := range doc.Signatures {
		token, err := thirdSplit(s.Protected + "." + doc.Payload + "." + s.Signature)
		if err != nil {
			return nil, err
		}
		_, err = token.open(thirdRegisters, func(kid string) (thirdKey, error) {
			for _, signer := range authority.Signers {
				if signer.Key.KID == kid && signer.Key.validAt(r.Issued, 0) && !slices.Contains(r.signers, kid) {
					return signer.Key, nil
				}
			}
			return thirdKey{}, errors.New("not a signer, or twice the same")
		})
		if err != nil {
			return nil, err
		}
		r.signers = append(r.signers, token.kid)
	}
	return r, nil
}

// thirdFirstRegister verifies the register to start from.
func thirdFirstRegister(schemas thirdSchemas, file []byte, anchors []string) (*thirdRegister, error) {
	r, err := thirdReadRegister(schemas, file, nil)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.signers, func(kid string) bool { return !slices.Contains(anchors, kid) }) {
		return nil, errors.New("a signer is not an anchor")
	}
	if len(r.signers) < max(r.Threshold, len(anchors)/2+1) {
		return nil, errors.New("too few signatures")
	}
	for _, p := range r.Parties {
		if err := p.stated(p, "", r.Issued); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// stated verifies p's key statement by a key that the party had before.
func (p thirdEntry) stated(before thirdEntry, previous string, issued time.Time) error {
	token, err := thirdSplit(p.KeyStatement)
	if err != nil {
		return err
	}
	payload, err := token.open(thirdKeys, func(kid string) (thirdKey, error) {
		k, had := before.key(kid)
		if _, has := p.key(kid); !had || !has || !k.validAt(issued, 0) {
			return k, errors.New("stated by a key that the party had not, or has no longer")
		}
		return k, nil
	})
	if err != nil {
		return err
	}
	if string(payload) != string(p.statement(previous)) {
		return errors.New("the statement is about other keys")
	}
	return nil
}

// next verifies the register that comes after r.
func (r *thirdRegister) next(schemas thirdSchemas, file []byte, now time.Time) (*thirdRegister, error) {
	n, err := thirdReadRegister(schemas, file, r)
	if err != nil {
		return nil, err
	}
	if n.Version != r.Version+1 || n.Previous != r.hash || len(n.signers) < r.Threshold || n.Issued.Before(r.Issued) ||
		n.Issued.After(now.Add(5*time.Minute)) || !now.Before(n.ValidUntil) {
		return nil, errors.New("not a successor")
	}
	for _, p := range n.Parties {
		before, known := r.party(p.OIN)
		switch {
		case !known:
			err = p.stated(p, "", n.Issued)
		case p.KeyStatement != before.KeyStatement:
			err = p.stated(before, thirdHash([]byte(before.KeyStatement)), n.Issued)
		case string(p.statement("")) != string(before.statement("")):
			err = errors.New("keys without a statement")
		}
		for _, k := range before.SigningKeys {
			if after, ok := p.key(k.KID); ok && k.Compromised && !after.Compromised {
				err = errors.New("a compromised key came back")
			}
		}
		if err != nil {
			return nil, fmt.Errorf("party %s: %w", p.OIN, err)
		}
	}
	return n, nil
}

// thirdSigner is the program's own signing key.
type thirdSigner struct {
	private ed25519.PrivateKey
	public  thirdKey
}

func newThirdSigner(private ed25519.PrivateKey, from time.Time) thirdSigner {
	k := thirdKey{ValidFrom: from, JWK: map[string]string{
		"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey)),
	}}
	k.KID = k.thumbprint()
	return thirdSigner{private, k}
}

func (s thirdSigner) sign(typ string, payload []byte) string {
	header := thirdJSON(map[string]string{"alg": "EdDSA", "kid": s.public.KID, "typ": typ})
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := s.private.Sign(nil, []byte(signed), crypto.Hash(0))
	if err != nil {
		panic("a key of this program: " + err.Error())
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
