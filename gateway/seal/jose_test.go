package seal_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/go-jose/go-jose/v4"
)

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	fatal(t, err)
	return b
}

func publicOf(t testing.TB, k gateway.Key) jose.JSONWebKey {
	t.Helper()
	var jwk jose.JSONWebKey
	fatal(t, jwk.UnmarshalJSON(k.JWK))
	return jwk
}

// joseAccepts is what go-jose makes of a token, under the rules of Open.
func joseAccepts(token string, p seal.Purpose, key jose.JSONWebKey, kid string) ([]byte, bool) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		return nil, false
	}
	again, err := jws.CompactSerialize()
	if err != nil || again != token {
		return nil, false
	}
	head, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if err != nil {
		return nil, false
	}
	var members map[string]any
	if json.Unmarshal(head, &members) != nil || len(members) != 3 || members["typ"] != string(p) || members["kid"] != kid {
		return nil, false
	}
	payload, err := jws.Verify(key)
	return payload, err == nil && len(payload) > 0
}

// What one accepts the other accepts, but for what TestAloneAsAmongOthers makes. Open also takes headers whose members
// stand in another order, so there only the signature is compared.
func FuzzSameAsJOSE(f *testing.F) {
	keys := bothKeys(f)
	public := map[string]jose.JSONWebKey{}
	for alg, key := range keys {
		public[alg] = publicOf(f, key.Public(day))
		token, err := seal.Sign(key, seal.Message, []byte(`{"id":"1"}`))
		fatal(f, err)
		p := strings.Split(token, ".")
		f.Add(p[0], p[1], p[2])
		f.Add(p[0], p[1], p[2]+"=")
		f.Add(p[0], p[1]+"\n", p[2])
		f.Add(b64(`{"alg":"none","kid":"`+key.KID()+`","typ":"cloudevents+json"}`), p[1], "")
	}
	f.Fuzz(func(t *testing.T, head, payload, signature string) {
		for alg, key := range keys {
			// As given, and signed afresh over the header and payload given.
			tokens := []string{head + "." + payload + "." + signature}
			if raw, err := base64.RawURLEncoding.DecodeString(payload); err == nil && len(raw) > 0 {
				token, err := seal.Sign(key, seal.Message, raw)
				fatal(t, err)
				tokens = append(tokens, token, token[:strings.LastIndexByte(token, '.')+1]+signature)
			}
			for _, token := range tokens {
				got, kid, err := seal.Open(token, seal.Message, knows(key))
				want, ok := joseAccepts(token, seal.Message, public[alg], key.KID())
				if ok && (err != nil || !bytes.Equal(got, want)) {
					t.Fatalf("%s: got %q, %v; go-jose accepts %q", alg, got, err, want)
				}
				if err != nil {
					if seal.ReasonOf(err) == "" {
						t.Fatalf("got %v, want a Failure", err)
					}
					continue
				}
				jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
				fatal(t, err)
				want, err = jws.Verify(public[alg])
				if err != nil || !bytes.Equal(got, want) || kid != key.KID() {
					t.Fatalf("%s: got %q by %s; go-jose has %q, %v", alg, got, kid, want, err)
				}
			}
		}
	})
}

func TestOpensWhatJOSESigns(t *testing.T) {
	for alg, key := range bothKeys(t) {
		var private any
		if alg == "EdDSA" {
			private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
		} else {
			k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
			fatal(t, err)
			private = k
		}
		key, _ = seal.ParseKey(pkcs8(t, private))
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: private, KeyID: key.KID()}},
			(&jose.SignerOptions{}).WithType("doorstroom-hello+json"))
		fatal(t, err)
		jws, err := signer.Sign([]byte(`{"x":1}`))
		fatal(t, err)
		theirs, err := jws.CompactSerialize()
		fatal(t, err)
		if _, _, err := seal.Open(theirs, seal.Hello, knows(key)); err != nil {
			t.Errorf("%s: got %v, want none", alg, err)
		}
		ours, err := seal.Sign(key, seal.Hello, []byte(`{"x":1}`))
		fatal(t, err)
		if alg == "EdDSA" && ours != theirs { // Ed25519 has no randomness
			t.Errorf("got %s, want %s", ours, theirs)
		}
	}
}

// RFC 8037 appendix A: key, thumbprint and signature.
func TestRFC8037(t *testing.T) {
	seed := unb64(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	key, err := seal.ParseKey(pkcs8(t, ed25519.NewKeyFromSeed(seed)))
	fatal(t, err)
	if got, want := key.KID(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("thumbprint: got %s, want %s", got, want)
	}
	public := publicOf(t, key.Public(day))
	want := unb64(t, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if got, ok := public.Key.(ed25519.PublicKey); !ok || !bytes.Equal(got, want) {
		t.Errorf("public key: got %x, want %x", public.Key, want)
	}
	// The example has no kid or typ, so its signature is good and Open refuses it.
	token := "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	fatal(t, err)
	if _, err := jws.Verify(public); err != nil {
		t.Errorf("signature: got %v, want none", err)
	}
	if _, _, err := seal.Open(token, seal.Message, knows(key)); err == nil {
		t.Error("token without kid: got none, want an error")
	}
}

// RFC 7515 appendix A.3: an ES256 key and signature.
func TestRFC7515(t *testing.T) {
	d := unb64(t, "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	fatal(t, err)
	key, err := seal.ParseKey(pkcs8(t, private))
	fatal(t, err)
	public := publicOf(t, key.Public(day))
	got, err := public.Key.(*ecdsa.PublicKey).Bytes() // 04 ‖ x ‖ y
	fatal(t, err)
	want := append(unb64(t, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), unb64(t, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")...)
	if !bytes.Equal(got[1:], want) {
		t.Errorf("public key: got %x, want %x", got[1:], want)
	}
	token := "eyJhbGciOiJFUzI1NiJ9." +
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	fatal(t, err)
	if _, err := jws.Verify(public); err != nil {
		t.Errorf("signature: got %v, want none", err)
	}
	if _, _, err := seal.Open(token, seal.Message, knows(key)); err == nil {
		t.Error("token without kid: got none, want an error")
	}
}

func BenchmarkSign(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 1024)
	for alg, key := range bothKeys(b) {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := seal.Sign(key, seal.Message, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 1024)
	for alg, key := range bothKeys(b) {
		token, err := seal.Sign(key, seal.Message, payload)
		fatal(b, err)
		public := key.Public(day)
		lookup := func(string) (gateway.Key, error) { return public, nil }
		b.Run(alg, func(b *testing.B) {
			var keys seal.Keys
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := keys.Open(token, seal.Message, lookup); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+" by go-jose", func(b *testing.B) {
			jwk := publicOf(b, public)
			for b.Loop() {
				if _, ok := joseAccepts(token, seal.Message, jwk, key.KID()); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}
