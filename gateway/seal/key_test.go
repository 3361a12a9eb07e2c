package seal_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/go-jose/go-jose/v4"
)

func TestKeyOnDisk(t *testing.T) {
	for alg, key := range bothKeys(t) {
		again, err := seal.ParseKey(key.PEM())
		fatal(t, err)
		token, err := seal.Sign(again, seal.Message, []byte("{}"))
		fatal(t, err)
		if _, _, err := seal.Open(token, seal.Message, knows(key)); err != nil {
			t.Errorf("%s: got %v, want none", alg, err)
		}
		if err := seal.CheckSigningKey(key.Public(day)); err != nil {
			t.Errorf("%s: public key: got %v, want none", alg, err)
		}
		if got := key.Public(day.Add(999)); !got.ValidFrom.Equal(day) || strings.Contains(string(got.JWK), `"d"`) {
			t.Errorf("%s: got %s from %s, want a public key from %s", alg, got.JWK, got.ValidFrom, day)
		}
		if err := seal.CheckEncryptionKey(key.Public(day)); err == nil {
			t.Errorf("%s: as encryption key: got none, want an error", alg)
		}
	}
	enc, err := seal.GenerateEncryptionKey()
	fatal(t, err)
	again, err := seal.ParseEncryptionKey(enc.PEM())
	fatal(t, err)
	if again.KID() != enc.KID() || again.Public(time.Time{}).KID != enc.KID() {
		t.Errorf("got %s, want %s", again.KID(), enc.KID())
	}
	if err := seal.CheckEncryptionKey(enc.Public(day)); err != nil {
		t.Errorf("encryption key: got %v, want none", err)
	}
	if err := seal.CheckSigningKey(enc.Public(day)); err == nil {
		t.Error("encryption key as signing key: got none, want an error")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	fatal(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(t, err)
	enc, err := seal.GenerateEncryptionKey()
	fatal(t, err)
	good := string(edKey(t).PEM())
	for name, data := range map[string]string{
		"P-384":        string(pkcs8(t, p384)),
		"RSA":          string(pkcs8(t, rsaKey)),
		"empty":        "",
		"not PEM":      "secret",
		"other type":   strings.ReplaceAll(good, "PRIVATE", "PUBLIC"),
		"two blocks":   good + good,
		"broken DER":   "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"trailing key": good + "x",
	} {
		if _, err := seal.ParseKey([]byte(data)); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
		if _, err := seal.ParseEncryptionKey([]byte(data)); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s as encryption key: got %v, want Invalid", name, err)
		}
	}
	if _, err := seal.ParseEncryptionKey([]byte(good)); err == nil {
		t.Error("Ed25519 as encryption key: got none, want an error")
	}
	if _, err := seal.ParseKey(enc.PEM()); err != nil {
		t.Errorf("any P-256 key can sign: got %v, want none", err)
	}
}

func TestCheckSigningKeyRefuses(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	fatal(t, err)
	key, err := seal.ParseKey(pkcs8(t, private))
	fatal(t, err)
	secret := jose.JSONWebKey{Key: private}
	withSecret, err := secret.MarshalJSON()
	fatal(t, err)
	good := key.Public(day)
	change := func(old, new string) gateway.Key {
		if !strings.Contains(string(good.JWK), old) {
			t.Fatalf("%s is not in %s", old, good.JWK)
		}
		k := good
		k.JWK = gateway.RawJSON(strings.Replace(string(k.JWK), old, new, 1))
		return k
	}
	wrongID := good
	wrongID.KID = edKey(t).KID()
	for name, k := range map[string]gateway.Key{
		"private":        {KID: good.KID, JWK: withSecret},
		"other id":       wrongID,
		"other inner id": change(`"kid":"`, `"kid":"x`),
		"for encryption": change(`"sig"`, `"enc"`),
		"other alg":      change(`"EdDSA"`, `"ES256"`),
		"x5u":            change(`{`, `{"x5u":"https://keys.example/",`),
		"kty twice":      change(`{`, `{"kty":"OKP",`),
		"KTY":            change(`{`, `{"KTY":"EC",`),
		"other curve":    change(`"Ed25519"`, `"X25519"`),
		"symmetric":      {KID: good.KID, JWK: gateway.RawJSON(`{"kty":"oct","k":"AAAA"}`)},
		"low order":      {KID: good.KID, JWK: gateway.RawJSON(`{"kty":"OKP","crv":"Ed25519","x":"` + b64("\x01"+strings.Repeat("\x00", 31)) + `"}`)},
		"short":          {KID: good.KID, JWK: gateway.RawJSON(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`)},
		"not on curve":   {KID: good.KID, JWK: gateway.RawJSON(`{"kty":"EC","crv":"P-256","x":"` + b64(strings.Repeat("\x01", 32)) + `","y":"` + b64(strings.Repeat("\x02", 32)) + `"}`)},
		"null":           {KID: good.KID, JWK: gateway.RawJSON(`null`)},
		"empty":          {KID: good.KID},
	} {
		if err := seal.CheckSigningKey(k); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
}

// TestKeysAreReadOnce and are no way around what is asked of a key.
func TestKeysAreReadOnce(t *testing.T) {
	key, other := edKey(t), edKey(t)
	token, err := seal.Sign(key, seal.Message, []byte("{}"))
	fatal(t, err)
	good := key.Public(day)
	var keys seal.Keys
	open := func(k gateway.Key) error {
		_, _, err := keys.Open(token, seal.Message, func(string) (gateway.Key, error) { return k, nil })
		return err
	}
	good.JWK = bytes.Clone(good.JWK)
	changed, compromised, absent := good, good, good
	changed.JWK = other.Public(day).JWK
	compromised.Compromised = true
	absent.JWK = nil
	for range 2 {
		fatal(t, open(good))
		wantReason(t, open(changed), gateway.ReasonSignature)
		wantReason(t, open(absent), gateway.ReasonSignature)
		wantReason(t, open(compromised), gateway.ReasonCompromised)
	}
	good.JWK[0] = ' ' // the caller's own
	wantReason(t, open(good), gateway.ReasonSignature)
	if got := testing.AllocsPerRun(10, func() { fatal(t, open(key.Public(day))) }); got > 12 {
		t.Errorf("got %v allocations for a key that is known, want 12 at most", got)
	}
}
