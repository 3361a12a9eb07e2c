package rest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// Parties of the vectors. Alblasserdam receives.
const (
	vSmile        gateway.OIN = "00000099000000001000" // signs with Ed25519
	vDrechtwerk   gateway.OIN = "00000099000000002000" // signs with ES256, has a mandate of Smile
	vAlblasserdam gateway.OIN = "00000099000000003000"
	vDordrecht    gateway.OIN = "00000099000000004000" // a gemeente: nobody wants capacity of it
	vNobody       gateway.OIN = "00000099000000009000" // not in the register
)

// vectorTime is when messages arrive, unless a vector says otherwise.
func vectorTime() time.Time { return time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC) }

// testKey is a private key that everybody knows.
type testKey struct {
	private crypto.Signer
	pem     []byte
	alg     string
	kid     string
	t       testing.TB
}

// world is the federation of the vectors.
type world struct {
	t        testing.TB
	keys     map[string]testKey
	document register.Document
	register []byte
}

// seed makes the same bytes of a name each time.
func seed(name string) []byte {
	sum := sha256.Sum256([]byte("doorstroom test vectors: " + name))
	return sum[:]
}

func newTestKey(t testing.TB, name, alg string) testKey {
	t.Helper()
	k := testKey{t: t, alg: alg, private: ed25519.NewKeyFromSeed(seed(name))}
	if alg != "EdDSA" {
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed(name))
		if err != nil {
			t.Fatal(err)
		}
		k.private = private
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		t.Fatal(err)
	}
	k.pem = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if alg != "TLS" {
		k.kid = k.seal().KID()
	}
	return k
}

// seal is the key as the code under test has it.
func (k testKey) seal() *seal.Key {
	k.t.Helper()
	key, err := seal.ParseKey(k.pem)
	if err != nil {
		k.t.Fatal(err)
	}
	return key
}

// pin is the SHA-256 of the SubjectPublicKeyInfo.
func (k testKey) pin() string {
	k.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		k.t.Fatal(err)
	}
	return gateway.Hash(der)
}

// header is the only header that is right.
func (k testKey) header(typ string) string {
	return `{"alg":"` + k.alg + `","kid":"` + k.kid + `","typ":"` + typ + `"}`
}

// sign makes a token by hand: the vectors shall not be what our own code makes
// of itself.
func (k testKey) sign(header string, payload []byte) string {
	k.t.Helper()
	signed := base64url([]byte(header)) + "." + base64url(payload)
	if k.alg == "EdDSA" {
		signature, err := k.private.Sign(nil, []byte(signed), crypto.Hash(0))
		if err != nil {
			k.t.Fatal(err)
		}
		return signed + "." + base64url(signature)
	}
	digest := sha256.Sum256([]byte(signed))
	der, err := k.private.Sign(nil, digest[:], crypto.SHA256) // without randomness: RFC 6979
	if err != nil {
		k.t.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		k.t.Fatal(err)
	}
	return signed + "." + base64url(append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...))
}

func (k testKey) message(payload []byte) string { return k.sign(k.header("cloudevents+json"), payload) }

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, keys: map[string]testKey{}}
	for _, name := range []string{
		"registrar-1", "registrar-2", "registrar-3", "smile", "smile-rotated", "smile-expired", "smile-compromised", "smile-next",
		"alblasserdam", "dordrecht", "stranger",
	} {
		w.keys[name] = newTestKey(t, name, "EdDSA")
	}
	w.keys["drechtwerk"] = newTestKey(t, "drechtwerk", "ES256")
	for _, name := range []string{"smile-tls", "drechtwerk-tls", "alblasserdam-tls", "dordrecht-tls"} {
		w.keys[name] = newTestKey(t, name, "TLS")
	}
	w.document = w.firstRegister()
	w.register = w.signRegister(w.document, "registrar-1", "registrar-2")
	return w
}

func (w *world) keyFiles() map[string][]byte {
	files := map[string][]byte{}
	for name, key := range w.keys {
		files["keys/"+name+".pem"] = key.pem
	}
	return files
}

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic("a date of this test: " + err.Error())
	}
	return t
}

// public is a key as the register holds it; until may be "".
func (w *world) public(name, from, until string) gateway.Key {
	key := w.keys[name].seal().Public(day(from))
	if until != "" {
		key.ValidUntil = day(until)
	}
	return key
}

func (w *world) firstRegister() register.Document {
	var signers []register.Signer
	for _, name := range []string{"registrar-1", "registrar-2", "registrar-3"} {
		signers = append(signers, register.Signer{Name: name, Key: w.public(name, "2026-01-01", "")})
	}
	doc := register.New(signers, 2, day("2026-11-01"))
	compromised := w.public("smile-compromised", "2026-01-01", "")
	compromised.Compromised = true
	smile := w.party(vSmile, "smile", gateway.Leerwerkbedrijf,
		w.public("smile", "2026-10-01", ""), w.public("smile-rotated", "2026-01-01", "2026-11-05"),
		w.public("smile-expired", "2026-01-01", "2026-10-15"), compromised, w.public("smile-next", "2026-12-01", ""))
	drechtwerk := w.party(vDrechtwerk, "drechtwerk", gateway.Leerwerkbedrijf, w.public("drechtwerk", "2026-01-01", ""))
	drechtwerk.Mandates = []gateway.Mandate{{Principal: vSmile, Kinds: []string{gateway.KindCapacity}, Basis: "mandaat"}}
	alblasserdam := w.party(vAlblasserdam, "alblasserdam", gateway.GemeenteKind, w.public("alblasserdam", "2026-01-01", ""))
	alblasserdam.Gemeenten = []gateway.GemeenteFor{{Code: "gm0482"}}
	dordrecht := w.party(vDordrecht, "dordrecht", gateway.GemeenteKind, w.public("dordrecht", "2026-01-01", ""))
	dordrecht.Gemeenten = []gateway.GemeenteFor{{Code: "gm0505"}}
	for _, p := range []gateway.Party{smile, drechtwerk, alblasserdam, dordrecht} {
		doc = register.Add(doc, w.state(p, p.Name))
	}
	return doc
}

func (w *world) party(oin gateway.OIN, name string, kind gateway.PartyKind, keys ...gateway.Key) gateway.Party {
	return gateway.Party{
		OIN: oin, Name: name, Kind: kind, Endpoint: "https://" + name + ".example:8443", SigningKeys: keys,
		TLSPins: []string{w.keys[name+"-tls"].pin()},
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@" + name + ".example"},
	}
}

// state lets a party state its keys, signed by hand: the code under test signs
// ES256 with randomness.
func (w *world) state(p gateway.Party, by string) gateway.Party {
	w.t.Helper()
	token, err := register.MakeKeyStatement(p, w.keys[by].seal())
	if err != nil {
		w.t.Fatal(err)
	}
	_, payload, err := seal.PeekUnverified(token)
	if err != nil {
		w.t.Fatal(err)
	}
	p.KeyStatement = w.keys[by].sign(w.keys[by].header("doorstroom-keys+json"), payload)
	return p
}

// jwsJSON is a document with several signatures.
type jwsJSON struct {
	Payload    string         `json:"payload"`
	Signatures []jwsSignature `json:"signatures"`
}

type jwsSignature struct {
	Protected string `json:"protected"`
	Signature string `json:"signature"`
}

// signRegister writes and signs a document by hand, also one that is not right.
func (w *world) signRegister(doc register.Document, signers ...string) []byte {
	w.t.Helper()
	payload, err := json.Marshal(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	file := jwsJSON{Payload: base64url(payload)}
	for _, name := range signers {
		key := w.keys[name]
		parts := strings.Split(key.sign(key.header("doorstroom-register+json"), payload), ".")
		file.Signatures = append(file.Signatures, jwsSignature{parts[0], parts[2]})
	}
	b, err := json.Marshal(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return append(b, '\n')
}

// successor is the second register, changed.
func (w *world) successor(change func(*register.Document)) register.Document {
	w.t.Helper()
	first, err := register.Restore(w.register)
	if err != nil {
		w.t.Fatal(err)
	}
	doc := register.NextOf(first, day("2026-11-08"))
	if change != nil {
		change(&doc)
	}
	return doc
}

// rotate gives Smile a new key, stated by an old one.
func (w *world) rotate(doc *register.Document, by string) {
	for _, p := range doc.Parties {
		if p.OIN == vSmile {
			p.SigningKeys = append(append([]gateway.Key{}, p.SigningKeys...), w.public("stranger", "2026-11-08", ""))
			*doc = register.Add(*doc, w.state(p, by))
		}
	}
}

func (w *world) registerVectors() []registerVector {
	at := vectorTime()
	var all []registerVector
	add := func(name, describes string, accepted bool, file []byte) {
		all = append(all, registerVector{Name: name, Describes: describes, At: at, File: string(file), Accepted: accepted})
	}
	next := func(name, describes string, accepted bool, change func(*register.Document)) {
		add(name, describes, accepted, w.signRegister(w.successor(change), "registrar-1", "registrar-3"))
	}
	next("successor", "version 2, nothing changed", true, nil)
	next("rotation", "a party's new key, stated by the key it had", true, func(d *register.Document) { w.rotate(d, "smile") })
	next("removal", "a party is gone", true, func(d *register.Document) { *d = register.Remove(*d, vDordrecht) })
	next("compromise", "a key is marked as compromised, which needs no statement", true, func(d *register.Document) {
		w.editKey(d, "smile", func(k *gateway.Key) { k.Compromised = true })
	})
	add("same-version", "the register in force itself", false, w.register)
	next("gap", "version 3 does not follow version 1", false, func(d *register.Document) { d.Version = 3 })
	next("wrong-predecessor", "previous is of another register", false, func(d *register.Document) { d.Previous = gateway.Hash(nil) })
	next("expired", "over before it came", false, func(d *register.Document) { d.ValidUntil = at })
	next("future", "issued more than five minutes ahead", false, func(d *register.Document) { d.Issued = at.Add(6 * time.Minute) })
	next("before-predecessor", "issued before its predecessor", false, func(d *register.Document) { d.Issued = day("2026-10-31") })
	next("unstated-key", "a party's new key without its statement", false, func(d *register.Document) {
		for i := range d.Parties {
			if d.Parties[i].OIN == vSmile {
				d.Parties[i].SigningKeys = append(append([]gateway.Key{}, d.Parties[i].SigningKeys...), w.public("stranger", "2026-11-08", ""))
			}
		}
	})
	next("unstated-endpoint", "a party's new address without its statement", false, func(d *register.Document) {
		d.Parties[0].Endpoint = "https://elsewhere.example"
	})
	next("statement-by-new-key", "the new key states itself", false, func(d *register.Document) { w.rotate(d, "stranger") })
	next("statement-by-expired-key", "stated by a key whose validity was over when the register was issued", false,
		func(d *register.Document) { w.rotate(d, "smile-rotated") })
	next("statement-again", "a statement that does not name the one in force", false, func(d *register.Document) {
		for _, p := range d.Parties {
			if p.OIN == vSmile {
				p.KeyStatement = ""
				p.TLSPins = nil
				*d = register.Add(*d, w.state(p, "smile"))
			}
		}
	})
	next("revived-key", "a compromised key is good again", false, func(d *register.Document) {
		w.editKey(d, "smile-compromised", func(k *gateway.Key) { k.Compromised = false })
	})
	plain := w.successor(nil)
	add("too-few-signatures", "one signature where version 1 demands two", false, w.signRegister(plain, "registrar-1"))
	add("twice-the-same", "two signatures by one key", false, w.signRegister(plain, "registrar-1", "registrar-1"))
	add("unknown-signer", "enough signatures, and one of a stranger", false, w.signRegister(plain, "registrar-1", "registrar-2", "stranger"))
	add("changed-after-signing", "signatures of another document", false, w.patched(plain))
	for _, first := range []registerVector{
		{Name: "first", Describes: "register.jws, for whose anchors the keys of all three registrars are", Accepted: true, File: string(w.register)},
		{Name: "first-too-few", Describes: "one signature where the threshold is two", File: string(w.signRegister(w.document, "registrar-1"))},
		{Name: "first-unknown-signer", Describes: "a signer who is not an anchor", File: string(w.signRegister(w.document, "registrar-1", "stranger"))},
	} {
		first.First, first.At = true, at
		all = append(all, first)
	}
	return all
}

func (w *world) editKey(doc *register.Document, name string, change func(*gateway.Key)) {
	for i := range doc.Parties {
		keys := append([]gateway.Key{}, doc.Parties[i].SigningKeys...)
		for j := range keys {
			if keys[j].KID == w.keys[name].kid {
				change(&keys[j])
			}
		}
		doc.Parties[i].SigningKeys = keys
	}
}

// patched is a register whose payload was changed under its signatures.
func (w *world) patched(doc register.Document) []byte {
	w.t.Helper()
	var file jwsJSON
	if err := json.Unmarshal(w.signRegister(doc, "registrar-1", "registrar-2"), &file); err != nil {
		w.t.Fatal(err)
	}
	doc.GraceDays++
	payload, err := json.Marshal(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	file.Payload = base64url(payload)
	b, err := json.Marshal(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return append(b, '\n')
}

// uuid7 is a UUIDv7 of a moment, the same for the same name.
func uuid7(at time.Time, name string) string {
	b := seed("id " + name)[:16]
	ms := at.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
