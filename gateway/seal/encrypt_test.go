package seal_test

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/go-jose/go-jose/v4"
)

const somebody = gateway.OIN("00000099000000001000")

func encryptionKey(t testing.TB) *seal.EncryptionKey {
	t.Helper()
	key, err := seal.GenerateEncryptionKey()
	fatal(t, err)
	return key
}

func has(keys ...*seal.EncryptionKey) func(string) *seal.EncryptionKey {
	return func(kid string) *seal.EncryptionKey {
		for _, k := range keys {
			if k.KID() == kid {
				return k
			}
		}
		return nil
	}
}

func confidential() gateway.Message {
	return gateway.Message{
		ID: "019a3b1e-5c00-7000-8000-000000000001", Recipient: somebody, Expires: day.Add(gateway.Lifetime),
	}
}

func encrypted(t testing.TB, to *seal.EncryptionKey, token string) string {
	t.Helper()
	sealed, err := new(seal.Keys).Encrypt(to.Public(day), confidential(), token)
	fatal(t, err)
	return sealed
}

func TestEncrypt(t *testing.T) {
	key, m := encryptionKey(t), confidential()
	again, err := seal.ParseEncryptionKey(key.PEM())
	fatal(t, err)
	sealed := encrypted(t, key, "a.b.c")
	inner, outer, err := seal.Decrypt(sealed, has(again))
	fatal(t, err)
	if inner != "a.b.c" || !outer.Of(m) || outer.KID != key.KID() {
		t.Errorf("got %q in %+v, want what was encrypted", inner, outer)
	}
	if !seal.IsEncrypted(sealed) || seal.IsEncrypted("a.b.c") {
		t.Error("an encrypted token is not told from a signed one")
	}
	if sealed == encrypted(t, key, "a.b.c") {
		t.Error("the same token twice: got the same bytes")
	}
	for i, change := range []func(*gateway.Message){
		func(m *gateway.Message) { m.ID = "other" },
		func(m *gateway.Message) { m.Recipient = "00000099000000002000" },
		func(m *gateway.Message) { m.Expires = m.Expires.Add(time.Second) },
	} {
		other := m
		if change(&other); outer.Of(other) {
			t.Errorf("change %d: got the header of another message", i)
		}
	}
	var members map[string]any
	fatal(t, json.Unmarshal(unb64(t, sealed[:strings.IndexByte(sealed, '.')]), &members))
	if len(members) != 7 {
		t.Errorf("got header %v, want alg, enc, epk, expires, id, kid and recipient", members)
	}
	jwe, err := jose.ParseEncryptedCompact(sealed, []jose.KeyAlgorithm{jose.ECDH_ES_A256KW}, []jose.ContentEncryption{jose.A256GCM})
	fatal(t, err)
	if compact, err := jwe.CompactSerialize(); err != nil || compact != sealed {
		t.Errorf("got %q, %v written again, want the same", compact, err)
	}
}

// TestSizesTellNothing: what goes over the wire has one of three lengths.
func TestSizesTellNothing(t *testing.T) {
	sizes := map[int]bool{}
	key, to := edKey(t), encryptionKey(t)
	for _, n := range []int{0, 1, 500, 3000, 9000, 40000, gateway.MaxConfidential - 20} {
		m := confidential()
		m.Kind, m.Nonce = gateway.KindHandover, gateway.NonceOf([16]byte{1})
		m.Data = gateway.RawJSON(`{"x":"` + strings.Repeat("é", n/2) + `"}`)
		token, err := seal.Sign(key, seal.Message, m.Encode())
		fatal(t, err)
		sizes[len(encrypted(t, to, token))] = true
	}
	if len(sizes) != 3 {
		t.Errorf("got lengths %v, want three", sizes)
	}
}

func TestDecryptRefuses(t *testing.T) {
	key, other := encryptionKey(t), encryptionKey(t)
	good := encrypted(t, key, "a.b.c")
	parts := strings.Split(good, ".")
	with := func(i int, part string) string {
		changed := append([]string{}, parts...)
		changed[i] = part
		return strings.Join(changed, ".")
	}
	head := string(unb64(t, parts[0]))
	header := func(old, new string) string {
		if !strings.Contains(head, old) {
			t.Fatalf("%s is not in %s", old, head)
		}
		return with(0, b64(strings.Replace(head, old, new, 1)))
	}
	flip := func(i int) string {
		b := unb64(t, parts[i])
		b[len(b)/2] ^= 1
		return with(i, b64(string(b)))
	}
	noncurve := `"x":"` + b64(strings.Repeat("\x01", 32)) + `","y":"` + b64(strings.Repeat("\x02", 32)) + `"`
	epk := head[strings.Index(head, `"x":`):strings.Index(head, `},"expires"`)]
	for name, c := range map[string]struct {
		token string
		want  gateway.Reason
	}{
		"key of another":        {encrypted(t, other, "a.b.c"), gateway.ReasonUnreadable},
		"kid of another":        {header(key.KID(), other.KID()), gateway.ReasonUnreadable},
		"other id":              {header("000000000001", "000000000002"), gateway.ReasonUnreadable},
		"other recipient":       {header("0001000", "0002000"), gateway.ReasonUnreadable},
		"later":                 {header("2026-11-15", "2026-11-16"), gateway.ReasonUnreadable},
		"changed key":           {flip(1), gateway.ReasonUnreadable},
		"changed nonce":         {flip(2), gateway.ReasonUnreadable},
		"changed text":          {flip(3), gateway.ReasonUnreadable},
		"changed tag":           {flip(4), gateway.ReasonUnreadable},
		"white space in header": {header(`{"alg"`, `{ "alg"`), gateway.ReasonUnreadable}, // it is what was authenticated
		"ephemeral off curve":   {header(epk, noncurve), ""},
		"compressed":            {header(`"enc"`, `"zip":"DEF","enc"`), gateway.ReasonMalformed},
		"type":                  {header(`"enc"`, `"typ":"JOSE","enc"`), gateway.ReasonMalformed},
		"content type":          {header(`"enc"`, `"cty":"JWT","enc"`), gateway.ReasonMalformed},
		"critical":              {header(`"enc"`, `"crit":[],"enc"`), gateway.ReasonMalformed},
		"party info":            {header(`"enc"`, `"apu":"QQ","enc"`), gateway.ReasonMalformed},
		"alg twice":             {header(`"enc"`, `"alg":"ECDH-ES+A256KW","enc"`), gateway.ReasonMalformed},
		"Alg":                   {header(`"alg"`, `"Alg"`), gateway.ReasonMalformed},
		"direct":                {header("ECDH-ES+A256KW", "ECDH-ES"), gateway.ReasonMalformed},
		"weaker wrapping":       {header("ECDH-ES+A256KW", "ECDH-ES+A128KW"), gateway.ReasonMalformed},
		"password":              {header("ECDH-ES+A256KW", "PBES2-HS256+A128KW"), gateway.ReasonMalformed},
		"other encryption":      {header("A256GCM", "A256CBC-HS512"), gateway.ReasonMalformed},
		"other curve":           {header("P-256", "P-384"), gateway.ReasonMalformed},
		"private ephemeral":     {header(`"crv"`, `"d":"AA","crv"`), gateway.ReasonMalformed},
		"without kid":           {header(`"kid":"`+key.KID()+`",`, ""), gateway.ReasonMalformed},
		"without expiry":        {header(`"expires"`, `"exp"`), gateway.ReasonMalformed},
		"expiry is no time":     {header("2026-11-15T", "2026-11-15 "), gateway.ReasonMalformed},
		"recipient is no party": {header("urn:nld:oin:", "urn:nld:kvk:"), gateway.ReasonMalformed},
		"long id":               {header("019a3b1e", strings.Repeat("0", 200)), gateway.ReasonMalformed},
		"header is an array":    {with(0, b64("[]")), gateway.ReasonMalformed},
		"padded base64":         {with(0, parts[0]+"="), gateway.ReasonMalformed},
		"line end":              {with(3, parts[3]+"\n"), gateway.ReasonMalformed},
		"no key":                {with(1, ""), gateway.ReasonMalformed},
		"short key":             {with(1, b64(strings.Repeat("k", 24))), gateway.ReasonMalformed},
		"short nonce":           {with(2, b64("abcdefgh")), gateway.ReasonMalformed},
		"short tag":             {with(4, b64("abcdefgh")), gateway.ReasonMalformed},
		"empty":                 {"....", gateway.ReasonMalformed},
		"four parts":            {strings.Join(parts[:4], "."), gateway.ReasonMalformed},
		"six parts":             {good + ".x", gateway.ReasonMalformed},
		"too large":             {with(3, strings.Repeat("A", seal.MaxEncrypted)), gateway.ReasonMalformed},
		"signed":                {"a.b.c", gateway.ReasonMalformed},
		"stray bits at the end": {good[:len(good)-1] + string(good[len(good)-1]+1), gateway.ReasonMalformed},
		"JSON with two of them": {several(t, key, other), gateway.ReasonMalformed},
		"compressed by go-jose": {joined(t, key, jose.ECDH_ES_A256KW, jose.A256GCM, jose.DEFLATE), gateway.ReasonMalformed},
		"direct by go-jose":     {joined(t, key, jose.ECDH_ES, jose.A256GCM, jose.NONE), gateway.ReasonMalformed},
		"A128GCM by go-jose":    {joined(t, key, jose.ECDH_ES_A256KW, jose.A128GCM, jose.NONE), gateway.ReasonMalformed},
		"our header, other alg": {joined(t, key, jose.ECDH_ES_A128KW, jose.A256GCM, jose.NONE), gateway.ReasonMalformed},
		"to an RSA key":         {toRSA(t), gateway.ReasonMalformed},
	} {
		inner, _, err := seal.Decrypt(c.token, has(key))
		if err == nil || inner != "" {
			t.Errorf("%s: got %q, %v, want an error", name, inner, err)
		} else if got := seal.ReasonOf(err); c.want != "" && got != c.want || got == "" {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// several is a JWE for two recipients, which only JSON has a form for.
func several(t testing.TB, keys ...*seal.EncryptionKey) string {
	t.Helper()
	var to []jose.Recipient
	for _, k := range keys {
		to = append(to, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: publicOf(t, k.Public(day))})
	}
	e, err := jose.NewMultiEncrypter(jose.A256GCM, to, nil)
	fatal(t, err)
	jwe, err := e.Encrypt([]byte("a.b.c"))
	fatal(t, err)
	return jwe.FullSerialize()
}

// joined is what go-jose makes with our header and the algorithms given.
func joined(t testing.TB, key *seal.EncryptionKey, alg jose.KeyAlgorithm, enc jose.ContentEncryption, zip jose.CompressionAlgorithm) string {
	t.Helper()
	options := (&jose.EncrypterOptions{Compression: zip}).WithHeader("id", "1").WithHeader("recipient", somebody.URN()).
		WithHeader("expires", "2026-11-15T00:00:00Z")
	e, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: publicOf(t, key.Public(day)).Key, KeyID: key.KID()}, options)
	fatal(t, err)
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	fatal(t, err)
	_, err = w.Write(make([]byte, 1<<20))
	fatal(t, err)
	jwe, err := e.Encrypt(bomb.Bytes())
	fatal(t, err)
	token, err := jwe.CompactSerialize()
	fatal(t, err)
	return token
}

func toRSA(t testing.TB) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(t, err)
	e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: &private.PublicKey}, nil)
	fatal(t, err)
	jwe, err := e.Encrypt([]byte("a.b.c"))
	fatal(t, err)
	token, err := jwe.CompactSerialize()
	fatal(t, err)
	return token
}

func TestEncryptRefuses(t *testing.T) {
	var keys seal.Keys
	good := encryptionKey(t).Public(day)
	compromised := good
	compromised.Compromised = true
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	fatal(t, err)
	wide := jose.JSONWebKey{Key: p384.Public()}
	raw, err := wide.MarshalJSON()
	fatal(t, err)
	for name, to := range map[string]gateway.Key{
		"compromised": compromised, "for signing": edKey(t).Public(day), "P-256 for signing": ecKey(t).Public(day),
		"P-384": {KID: good.KID, JWK: raw}, "none": {},
	} {
		if _, err := keys.Encrypt(to, confidential(), "a.b.c"); err == nil {
			t.Errorf("%s: got none, want an error", name)
		}
	}
	if _, err := keys.Encrypt(good, confidential(), strings.Repeat("x", seal.MaxEncrypted)); gateway.KindOf(err) != gateway.Limit {
		t.Errorf("too large: got %v, want Limit", err)
	}
	// A key that verified signatures is not one to encrypt to, also once it is known.
	sign := ecKey(t)
	token, err := seal.Sign(sign, seal.Message, []byte("{}"))
	fatal(t, err)
	_, _, err = keys.Open(token, seal.Message, knows(sign))
	fatal(t, err)
	if _, err := keys.Encrypt(sign.Public(day), confidential(), token); err == nil {
		t.Error("a signing key that is known: got none, want an error")
	}
}

// FuzzDecrypt: nothing that is not byte for byte what Encrypt wrote opens, and
// nothing panics.
func FuzzDecrypt(f *testing.F) {
	key := encryptionKey(f)
	good := encrypted(f, key, "a.b.c")
	f.Add(good)
	f.Add("....")
	f.Add(strings.Replace(good, ".", ".A", 1))
	f.Fuzz(func(t *testing.T, token string) {
		inner, outer, err := seal.Decrypt(token, func(string) *seal.EncryptionKey { return key })
		switch {
		case err == nil && (token != good || inner != "a.b.c"):
			t.Errorf("%q: got %q, want an error", token, inner)
		case err != nil && seal.ReasonOf(err) == "":
			t.Errorf("%q: got %v, want a reason", token, err)
		case outer.KID == "" && seal.ReasonOf(err) == gateway.ReasonUnreadable:
			t.Errorf("%q: got no header of what could be taken apart", token)
		}
	})
}
