package seal_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pkcs8(t testing.TB, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	fatal(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func edKey(t testing.TB) *seal.Key {
	t.Helper()
	key, err := seal.GenerateKey()
	fatal(t, err)
	return key
}

func ecKey(t testing.TB) *seal.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, err)
	key, err := seal.ParseKey(pkcs8(t, private))
	fatal(t, err)
	return key
}

func bothKeys(t testing.TB) map[string]*seal.Key {
	return map[string]*seal.Key{"EdDSA": edKey(t), "ES256": ecKey(t)}
}

// knows looks up the given keys and no others.
func knows(keys ...*seal.Key) seal.Lookup {
	return func(kid string) (gateway.Key, error) {
		for _, k := range keys {
			if k.KID() == kid {
				return k.Public(day), nil
			}
		}
		return gateway.Key{}, errors.New("no such key")
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs any header with any algorithm that the private key can do.
func forge(t testing.TB, private crypto.Signer, head, payload string) string {
	t.Helper()
	signed := b64(head) + "." + b64(payload)
	var sig []byte
	digest := crypto.SHA256.New()
	digest.Write([]byte(signed))
	switch k := private.(type) {
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(signed))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest.Sum(nil))
		fatal(t, err)
		sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		var err error
		sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest.Sum(nil))
		fatal(t, err)
	}
	return signed + "." + b64(string(sig))
}

func wantReason(t *testing.T, err error, want gateway.Reason) {
	t.Helper()
	if got := seal.ReasonOf(err); got != want {
		t.Errorf("got reason %q (%v), want %q", got, err, want)
	}
	if _, ok := errors.AsType[*gateway.Error](err); !ok {
		t.Errorf("got %T, want a gateway.Error in the chain", err)
	}
}

func TestSignOpen(t *testing.T) {
	for alg, key := range bothKeys(t) {
		payload := []byte(`{"id":"1"}`)
		token, err := seal.Sign(key, seal.Message, payload)
		fatal(t, err)
		got, kid, err := seal.Open(token, seal.Message, knows(edKey(t), key))
		fatal(t, err)
		if !bytes.Equal(got, payload) || kid != key.KID() {
			t.Errorf("%s: got %s by %s, want %s by %s", alg, got, kid, payload, key.KID())
		}
		head, _, _ := strings.Cut(token, ".")
		if want := b64(`{"alg":"` + alg + `","kid":"` + key.KID() + `","typ":"cloudevents+json"}`); head != want {
			t.Errorf("%s: got header %s, want %s", alg, head, want)
		}
		kid, got, err = seal.PeekUnverified(token)
		if err != nil || kid != key.KID() || !bytes.Equal(got, payload) {
			t.Errorf("%s: peek got %s by %s (%v), want %s by %s", alg, got, kid, err, payload, key.KID())
		}
	}
}

func TestSignBounds(t *testing.T) {
	key := edKey(t)
	for _, n := range []int{0, seal.MaxPayload + 1} {
		if _, err := seal.Sign(key, seal.Message, make([]byte, n)); gateway.KindOf(err) != gateway.Limit {
			t.Errorf("%d bytes: got %v, want a Limit", n, err)
		}
	}
	for alg, key := range bothKeys(t) {
		token, err := seal.Sign(key, seal.Message, make([]byte, seal.MaxPayload))
		fatal(t, err)
		if _, _, err := seal.Open(token, seal.Message, knows(key)); err != nil {
			t.Errorf("%s: largest payload: got %v, want none", alg, err)
		}
	}
}

// Each header is signed with the right key, so that only the header is wrong.
func TestOpenRefusesHeaders(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	fatal(t, err)
	key, err := seal.ParseKey(pkcs8(t, private))
	fatal(t, err)
	kid := key.KID()
	good := `{"alg":"EdDSA","kid":"` + kid + `","typ":"cloudevents+json"}`
	if _, _, err := seal.Open(forge(t, private, good, "{}"), seal.Message, knows(key)); err != nil {
		t.Fatalf("control: got %v, want none", err)
	}
	reordered := `{"typ":"cloudevents+json", "kid":"` + kid + `", "alg":"EdDSA"}`
	if _, _, err := seal.Open(forge(t, private, reordered, "{}"), seal.Message, knows(key)); err != nil {
		t.Errorf("members in another order: got %v, want none", err)
	}
	add := func(member string) string { return good[:len(good)-1] + "," + member + "}" }
	for name, head := range map[string]string{
		"none":               strings.Replace(good, "EdDSA", "none", 1),
		"HS256":              strings.Replace(good, "EdDSA", "HS256", 1),
		"RS256":              strings.Replace(good, "EdDSA", "RS256", 1),
		"ES256 for Ed25519":  strings.Replace(good, "EdDSA", "ES256", 1),
		"Ed448":              strings.Replace(good, "EdDSA", "Ed448", 1),
		"lower case alg":     strings.Replace(good, "EdDSA", "eddsa", 1),
		"no alg":             `{"kid":"` + kid + `","typ":"cloudevents+json"}`,
		"alg null":           `{"alg":null,"kid":"` + kid + `","typ":"cloudevents+json"}`,
		"alg number":         `{"alg":1,"kid":"` + kid + `","typ":"cloudevents+json"}`,
		"no kid":             `{"alg":"EdDSA","typ":"cloudevents+json"}`,
		"empty kid":          `{"alg":"EdDSA","kid":"","typ":"cloudevents+json"}`,
		"long kid":           strings.Replace(good, kid, strings.Repeat("k", 200), 1),
		"no typ":             `{"alg":"EdDSA","kid":"` + kid + `"}`,
		"other typ":          strings.Replace(good, "cloudevents+json", "doorstroom-receipt+json", 1),
		"typ with prefix":    strings.Replace(good, "cloudevents", "application/cloudevents", 1),
		"typ in other case":  strings.Replace(good, "cloudevents", "CloudEvents", 1),
		"crit":               add(`"crit":["exp"]`),
		"empty crit":         add(`"crit":[]`),
		"b64 false":          add(`"b64":false`),
		"b64 false and crit": add(`"b64":false,"crit":["b64"]`),
		"jwk":                add(`"jwk":` + string(key.Public(day).JWK)),
		"jku":                add(`"jku":"https://keys.example/"`),
		"x5u":                add(`"x5u":"https://keys.example/"`),
		"x5c":                add(`"x5c":[]`),
		"zip":                add(`"zip":"DEF"`),
		"cty":                add(`"cty":"json"`),
		"unknown":            add(`"x":1`),
		"ALG as well":        add(`"ALG":"none"`),
		"alg twice":          add(`"alg":"none"`),
		"same alg twice":     add(`"alg":"EdDSA"`),
		"escaped alg twice":  add(`"\u0061lg":"none"`),
		"trailing data":      good + `{}`,
		"array":              `["EdDSA"]`,
		"not JSON":           `alg`,
		"invalid UTF-8":      strings.Replace(good, kid, "\xff"+kid, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := seal.Open(forge(t, private, head, "{}"), seal.Message, knows(key))
			wantReason(t, err, gateway.ReasonSignature)
		})
	}
}

func TestOpenRefusesForms(t *testing.T) {
	for alg, key := range bothKeys(t) {
		token, err := seal.Sign(key, seal.Message, []byte(`{"a":1}`))
		fatal(t, err)
		other, err := seal.Sign(key, seal.Message, []byte(`{"a":2}`))
		fatal(t, err)
		p, q := strings.Split(token, "."), strings.Split(other, ".")
		last := token[len(token)-1]
		for name, bad := range map[string]string{
			"empty":                 "",
			"truncated":             token[:len(token)-2], // whole bytes
			"no signature":          p[0] + "." + p[1] + ".",
			"no payload":            p[0] + ".." + p[2],
			"two parts":             p[0] + "." + p[1],
			"trailing dot":          token + ".",
			"trailing newline":      token + "\n",
			"leading space":         " " + token,
			"newline within":        p[0] + "." + p[1][:2] + "\n" + p[1][2:] + "." + p[2],
			"return within":         p[0] + "." + p[1] + "." + p[2][:2] + "\r" + p[2][2:],
			"padding":               token + "=",
			"stray bits":            token[:len(token)-1] + string(last+1),
			"standard alphabet":     p[0] + "." + p[1] + ".+/" + p[2][2:],
			"JWE form":              token + "." + p[0] + "." + p[1],
			"JSON form":             `{"payload":"` + p[1] + `","protected":"` + p[0] + `","signature":"` + p[2] + `"}`,
			"huge":                  p[0] + "." + strings.Repeat("A", seal.MaxToken) + "." + p[2],
			"ten million bytes":     strings.Repeat("A", 10_000_000),
			"many dots":             strings.Repeat(".", 1000),
			"payload of another":    p[0] + "." + q[1] + "." + p[2],
			"signature of another":  p[0] + "." + p[1] + "." + q[2],
			"empty signature bytes": p[0] + "." + p[1] + "." + b64(strings.Repeat("\x00", 64)),
			"long signature":        token + "AAAA",
		} {
			_, _, err := seal.Open(bad, seal.Message, knows(key))
			if err == nil {
				t.Errorf("%s %s: got none, want an error", alg, name)
				continue
			}
			want := gateway.ReasonMalformed
			if strings.Contains(name, "another") || strings.Contains(name, "signature bytes") || name == "truncated" || name == "long signature" {
				want = gateway.ReasonSignature
			}
			if got := seal.ReasonOf(err); got != want {
				t.Errorf("%s %s: got reason %s, want %s", alg, name, got, want)
			}
			if p[1] != "" && strings.Contains(err.Error(), p[1]) {
				t.Errorf("%s %s: the error repeats the token", alg, name)
			}
		}
	}
}

func TestOpenKeys(t *testing.T) {
	key, ec := edKey(t), ecKey(t)
	token, err := seal.Sign(key, seal.Message, []byte("{}"))
	fatal(t, err)
	public := key.Public(day)
	answer := func(k gateway.Key, err error) seal.Lookup {
		return func(string) (gateway.Key, error) { return k, err }
	}
	compromised := public
	compromised.Compromised = true
	disguised := ec.Public(day) // another key under this id
	disguised.KID = key.KID()
	expired := &seal.Failure{Reason: gateway.ReasonKeyExpired, Err: gateway.Errorf(gateway.Unauthenticated, "expired")}
	for name, c := range map[string]struct {
		lookup seal.Lookup
		want   gateway.Reason
	}{
		"unknown":               {knows(ec), gateway.ReasonKeyUnknown},
		"other key answered":    {answer(ec.Public(day), nil), gateway.ReasonKeyUnknown},
		"compromised":           {answer(compromised, nil), gateway.ReasonCompromised},
		"not its thumbprint":    {answer(disguised, nil), gateway.ReasonSignature},
		"no JWK":                {answer(gateway.Key{KID: key.KID()}, nil), gateway.ReasonSignature},
		"reason of the look-up": {answer(gateway.Key{}, expired), gateway.ReasonKeyExpired},
	} {
		_, _, err := seal.Open(token, seal.Message, c.lookup)
		if got := seal.ReasonOf(err); got != c.want {
			t.Errorf("%s: got reason %q (%v), want %q", name, got, err, c.want)
		}
	}
	for _, p := range []seal.Purpose{seal.Receipt, seal.Hello, seal.Register, seal.KeyStatement, ""} {
		_, _, err := seal.Open(token, p, knows(key))
		wantReason(t, err, gateway.ReasonSignature)
	}
}

// An RSA key in the register, and a MAC made with a public key, get nowhere.
func TestOpenOtherAlgorithms(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(t, err)
	jwk := jose.JSONWebKey{Key: &private.PublicKey}
	raw, err := jwk.MarshalJSON()
	fatal(t, err)
	sum, err := jwk.Thumbprint(crypto.SHA256)
	fatal(t, err)
	kid := base64.RawURLEncoding.EncodeToString(sum)
	lookup := func(string) (gateway.Key, error) { return gateway.Key{KID: kid, JWK: raw, ValidFrom: day}, nil }
	for _, alg := range []string{"RS256", "PS256", "EdDSA", "ES256"} {
		token := forge(t, private, `{"alg":"`+alg+`","kid":"`+kid+`","typ":"cloudevents+json"}`, "{}")
		_, _, err := seal.Open(token, seal.Message, lookup)
		wantReason(t, err, gateway.ReasonSignature)
	}

	key := edKey(t)
	public := key.Public(day).JWK
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(public), KeyID: key.KID()}},
		(&jose.SignerOptions{}).WithType("cloudevents+json"))
	fatal(t, err)
	jws, err := signer.Sign([]byte("{}"))
	fatal(t, err)
	token, err := jws.CompactSerialize()
	fatal(t, err)
	_, _, err = seal.Open(token, seal.Message, knows(key))
	wantReason(t, err, gateway.ReasonSignature)
}

// ECDSA lets anyone turn (r, s) into (r, n−s). Many signers make either, so both
// are accepted; this is why a token is never an identity.
func TestECDSATwinIsTheSameMessage(t *testing.T) {
	key := ecKey(t)
	token, err := seal.Sign(key, seal.Message, []byte(`{"id":"1"}`))
	fatal(t, err)
	end := strings.LastIndexByte(token, '.') + 1
	sig, err := base64.RawURLEncoding.DecodeString(token[end:])
	fatal(t, err)
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	twin := token[:end] + base64.RawURLEncoding.EncodeToString(sig)
	payload, kid, err := seal.Open(twin, seal.Message, knows(key))
	if err != nil || string(payload) != `{"id":"1"}` || kid != key.KID() {
		t.Errorf("got %s by %s (%v), want the same payload by the same key", payload, kid, err)
	}
}

func TestAnyPayloadAndAnyChange(t *testing.T) {
	keys := bothKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		key := keys[rapid.SampledFrom([]string{"EdDSA", "ES256"}).Draw(t, "alg")]
		payload := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "payload")
		token, err := seal.Sign(key, seal.Message, payload)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := seal.Open(token, seal.Message, knows(key))
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("got %x (%v), want %x", got, err, payload)
		}
		i := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		c := rapid.SampledFrom(strings.Split("ABCDEFabcdef0123456789-_.=+/ \n", "")).Draw(t, "by")
		var bad string
		switch rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			bad = token[:i] + c + token[i+1:]
		case 1:
			bad = token[:i] + c + token[i:]
		case 2:
			bad = token[:i] + token[i+1:]
		}
		if bad == token {
			return
		}
		if _, _, err := seal.Open(bad, seal.Message, knows(key)); err == nil || seal.ReasonOf(err) == "" {
			t.Fatalf("changed at %d: got %v, want a Failure", i, err)
		}
	})
}
