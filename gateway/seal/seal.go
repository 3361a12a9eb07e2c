// Package seal signs and opens what parties send one another: compact JWS
// (RFC 7515 §7.1) for messages, receipts, hellos and key statements, and JWS
// with several signatures (§7.2.1) for the register. Use it wherever bytes
// leave or enter a party; it knows keys only through look-up functions.
//
// A token is never an identity. ECDSA allows a second valid signature to be
// made from a first without the key, and a signer may sign twice, so tell
// messages apart by (sender, id, SHA-256 of the payload), never by their token.
//
// Which Ed25519 signatures hold is said by RFC 8032 section 5.1.7: the points and
// S are written in their only spelling, and the equation holds with the cofactor,
// [8][S]B = [8]R + [8][k]A. crypto/ed25519 asks for more, the equation without the
// cofactor, and so does what goes by it; every honest signature fulfils both. In
// the difference lie signatures whose maker, the holder of the key, added a point
// of small order to R. They count here, because OpenAll verifies many signatures
// by one sum, in which points of small order can cancel out: otherwise one could be
// made that holds in one company and not in another, to be denied afterwards. So a
// signature is accepted alone if and only if it is accepted among others.
//
// Everything here is safe for concurrent use.
package seal

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// Purpose is the "typ" of a token: what was signed for one purpose is not
// accepted for another.
type Purpose string

const (
	Message      Purpose = "cloudevents+json"
	Receipt      Purpose = "doorstroom-receipt+json"
	Hello        Purpose = "doorstroom-hello+json"
	Register     Purpose = "doorstroom-register+json"
	KeyStatement Purpose = "doorstroom-keys+json"

	PolicyApproval Purpose = "doorstroom-policy-approval+json" // of a person; it never leaves as a message
	PolicyLetter   Purpose = "doorstroom-policy-letter+json"   // of a node, about what persons sign

	Allotment       Purpose = "doorstroom-allotment+json"        // of who asks to shift places, and of who gives them
	AllotmentLetter Purpose = "doorstroom-allotment-letter+json" // of a node, about that
)

const (
	// MaxPayload bounds the bytes that Sign signs.
	MaxPayload = 1 << 20
	// MaxToken bounds what Open looks at: the largest payload in base64url and
	// room for header and signature.
	MaxToken = MaxPayload/3*4 + 1024

	maxKID = 128
)

// Failure says for which reason of the table in docs/protocol.md a token is
// refused. Err is a *gateway.Error that repeats nothing of the token.
type Failure struct {
	Reason gateway.Reason
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// ReasonOf is the reason in the chain of err, or "" when it has none.
func ReasonOf(err error) gateway.Reason {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Reason
	}
	return ""
}

func malformed(message string) error {
	return &Failure{gateway.ReasonMalformed, gateway.Errorf(gateway.Invalid, "%s", message)}
}

func badSignature(message string) error {
	return &Failure{gateway.ReasonSignature, gateway.Errorf(gateway.Unauthenticated, "%s", message)}
}

// Sign makes a compact JWS whose header holds alg, kid and typ and nothing
// else. A payload that is empty or over MaxPayload is refused.
func Sign(key *Key, p Purpose, payload []byte) (string, error) {
	if len(payload) == 0 || len(payload) > MaxPayload {
		return "", gateway.Errorf(gateway.Limit, "a sealed payload has 1 to %d bytes", MaxPayload)
	}
	return key.sign(p, payload)
}

// Lookup finds a public key by its id. It decides what "known" means, including
// whether a key is valid now: Open looks at no clock. To have a token refused
// for a reason of its own, such as key-expired, it returns a *Failure; any
// other error counts as key-unknown.
type Lookup func(kid string) (gateway.Key, error)

// Open verifies a compact JWS and returns the bytes that were signed and the id
// of the key. It accepts only EdDSA and ES256, the algorithm that the key is
// for, exactly the purpose asked, a header of exactly alg, kid and typ, and one
// spelling of each part: base64url without padding, line ends or stray bits
// (RFC 7515 §2, RFC 4648 §3.5). A key marked as compromised is refused. Which
// Ed25519 signatures hold is said in the package comment. Every error is a
// *Failure.
func Open(token string, p Purpose, lookup Lookup) (payload []byte, kid string, err error) {
	return new(Keys).Open(token, p, lookup)
}

// Open is the function Open, with keys that are read once.
func (k *Keys) Open(token string, p Purpose, lookup Lookup) (payload []byte, kid string, err error) {
	t, err := split(token, MaxToken)
	if err != nil {
		return nil, "", err
	}
	if err := t.verify(p, lookup, k); err != nil {
		return nil, "", err
	}
	return t.payload, t.header.KID, nil
}

// Opened is what Open gives of one token.
type Opened struct {
	Payload []byte
	KID     string
	Err     error
}

// OpenAll gives for each token exactly what Open gives for it alone, in less time
// where one key has signed many of them. A token that is refused never harms
// another.
func (k *Keys) OpenAll(tokens []string, p Purpose, lookup Lookup) []Opened {
	all := make([]Opened, len(tokens))
	byKey := map[*edKey][]int{} // places in all
	taken := make([]*parts, len(tokens))
	for i, token := range tokens {
		t, err := split(token, MaxToken)
		var key any
		if err == nil {
			taken[i] = t
			key, err = t.key(p, lookup, k)
		}
		if ed, ok := key.(*edKey); ok {
			byKey[ed] = append(byKey[ed], i)
		} else if err == nil {
			err = t.check(key)
		}
		all[i].Err = err
	}
	for key, places := range byKey {
		some := make([]signed, len(places))
		for j, i := range places {
			some[j] = taken[i].inner()
		}
		for j, holds := range key.holdAll(some) {
			if !holds {
				all[places[j]].Err = wrongSignature()
			}
		}
	}
	for i, t := range taken {
		if all[i].Err == nil {
			all[i].Payload, all[i].KID = t.payload, t.header.KID
		}
	}
	return all
}

// PeekUnverified reads a token that nobody has verified: anyone can have
// written what it returns. It serves to say which message a refusal is about,
// never to decide anything.
func PeekUnverified(token string) (kid string, payload []byte, err error) {
	t, err := split(token, MaxToken)
	if err != nil {
		return "", nil, err
	}
	return t.header.KID, t.payload, nil
}

// header is the whole protected header.
type header struct {
	Alg string `json:"alg"`
	KID string `json:"kid"`
	Typ string `json:"typ"`
}

// encode writes a header whose members need no escaping, which is so for ours.
func (h header) encode() string {
	return `{"alg":"` + h.Alg + `","kid":"` + h.KID + `","typ":"` + h.Typ + `"}`
}

// plain reads a header that is byte for byte as encode writes it; any other is
// for a JSON decoder.
func (h *header) plain(head string) bool {
	rest, ok := strings.CutPrefix(head, `{"alg":"`)
	alg, rest, ok1 := strings.Cut(rest, `","kid":"`)
	kid, rest, ok2 := strings.Cut(rest, `","typ":"`)
	typ, ok3 := strings.CutSuffix(rest, `"}`)
	for i := range len(head) {
		if c := head[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	if !ok || !ok1 || !ok2 || !ok3 || strings.Count(head, `"`) != 12 {
		return false
	}
	h.Alg, h.KID, h.Typ = alg, kid, typ
	return true
}

// parts is a compact JWS taken apart; nothing in it is verified.
type parts struct {
	token     string
	signed    string // protected header and payload as they were signed
	header    header
	payload   []byte
	signature []byte
}

func split(token string, limit int) (*parts, error) {
	if len(token) > limit {
		return nil, malformed("the token is too large")
	}
	if strings.Count(token, ".") != 2 {
		return nil, malformed("a token has three parts")
	}
	end := strings.LastIndexByte(token, '.')
	protected, payload, _ := strings.Cut(token[:end], ".")

	t := &parts{token: token, signed: token[:end]}
	head, err := decode(protected)
	if err != nil {
		return nil, err
	}
	if t.payload, err = decode(payload); err != nil {
		return nil, err
	}
	if t.signature, err = decode(token[end+1:]); err != nil {
		return nil, err
	}
	if t.header.plain(string(head)) {
		// as Sign writes it
	} else if err := json.Unmarshal(head, &t.header, json.RejectUnknownMembers(true)); err != nil {
		return nil, badSignature("the header of a token holds alg, kid and typ, each once, and nothing else")
	}
	if t.header.KID == "" || len(t.header.KID) > maxKID {
		return nil, badSignature("the token does not name its key")
	}
	return t, nil
}

// base64url is never changed.
var base64url = base64.RawURLEncoding.Strict()

// decode reads base64url as RFC 7515 writes it, in its only spelling: Strict
// refuses stray bits, and line ends, which the decoder skips, are not base64.
func decode(s string) ([]byte, error) {
	if s == "" || strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 { // each at the speed of memory, unlike ContainsAny
		return nil, malformed("a part of the token is not base64url")
	}
	b, err := base64url.DecodeString(s)
	if err != nil {
		return nil, malformed("a part of the token is not base64url")
	}
	return b, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// key finds the key that is said to have signed: *edKey or *ecdsa.PublicKey, as
// the algorithm asks.
func (t *parts) key(p Purpose, lookup Lookup, keys *Keys) (any, error) {
	if t.header.Typ != string(p) {
		return nil, badSignature("the token was made for another purpose")
	}
	alg := jose.SignatureAlgorithm(t.header.Alg)
	if alg != jose.EdDSA && alg != jose.ES256 {
		return nil, badSignature("the signature algorithm is not EdDSA or ES256")
	}
	key, err := find(t.header.KID, lookup, keys)
	if err != nil {
		return nil, err
	}
	if _, ok := key.(*edKey); ok != (alg == jose.EdDSA) {
		return nil, wrongSignature()
	}
	return key, nil
}

func (t *parts) verify(p Purpose, lookup Lookup, keys *Keys) error {
	key, err := t.key(p, lookup, keys)
	if err != nil {
		return err
	}
	return t.check(key)
}

// find asks lookup for a key and reads it.
func find(kid string, lookup Lookup, keys *Keys) (any, error) {
	known, err := lookup(kid)
	if err != nil {
		if ReasonOf(err) != "" {
			return nil, err
		}
		return nil, &Failure{gateway.ReasonKeyUnknown, gateway.Wrap(gateway.Unauthenticated, err, "the signing key is unknown")}
	}
	if known.KID != kid {
		return nil, &Failure{gateway.ReasonKeyUnknown, gateway.Errorf(gateway.Unauthenticated, "the signing key is unknown")}
	}
	if known.Compromised {
		return nil, &Failure{gateway.ReasonCompromised, gateway.Errorf(gateway.Unauthenticated, "the signing key was reported as compromised")}
	}
	key, err := keys.signing(known)
	if err != nil {
		return nil, &Failure{gateway.ReasonSignature, err}
	}
	return key, nil
}

// check verifies the signature. Ed25519, the common case, goes past go-jose.
func (t *parts) check(key any) error {
	ok := false
	switch pub := key.(type) {
	case *edKey:
		ok = pub.holds(t.inner())
	default:
		ok = verifyJOSE(t.token, jose.ES256, pub)
	}
	if !ok {
		return wrongSignature()
	}
	return nil
}

// inner is what was signed, and the signature.
func (t *parts) inner() signed { return signed{t.signed, t.signature} }

func wrongSignature() error { return badSignature("the signature does not verify") }

func verifyJOSE(token string, alg jose.SignatureAlgorithm, key any) bool {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return false
	}
	_, err = jws.Verify(key)
	return err == nil
}
