package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/go-jose/go-jose/v4"
)

func TestGeneral(t *testing.T) {
	a, b, c := edKey(t), ecKey(t), edKey(t)
	payload := []byte(`{"version":1}`)
	doc, err := seal.SignMulti(seal.Register, payload)
	fatal(t, err)
	got, kids, err := seal.OpenGeneral(doc, seal.Register, knows())
	if err != nil || !bytes.Equal(got, payload) || len(kids) != 0 {
		t.Errorf("unsigned: got %s by %v (%v), want %s by nobody", got, kids, err, payload)
	}
	doc, err = seal.SignMulti(seal.Register, payload, a, b)
	fatal(t, err)
	doc, err = seal.AddSignature(doc, seal.Register, c)
	fatal(t, err)
	got, kids, err = seal.OpenGeneral(doc, seal.Register, knows(a, b, c))
	fatal(t, err)
	if want := []string{a.KID(), b.KID(), c.KID()}; !bytes.Equal(got, payload) || !slices.Equal(kids, want) {
		t.Errorf("got %s by %v, want %s by %v", got, kids, payload, want)
	}
	if peek, err := seal.PeekGeneralUnverified(doc); err != nil || !bytes.Equal(peek, payload) {
		t.Errorf("peek: got %s (%v), want %s", peek, err, payload)
	}

	jws, err := jose.ParseSignedJSON(string(doc), []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	fatal(t, err)
	for i, key := range []*seal.Key{a, b, c} {
		if j, _, _, err := jws.VerifyMulti(publicOf(t, key.Public(day))); err != nil || i != j {
			t.Errorf("go-jose on signature %d: got %d, %v", i, j, err)
		}
	}

	if _, err := seal.AddSignature(doc, seal.Register, a); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("twice: got %v, want Conflict", err)
	}
	if _, _, err := seal.OpenGeneral(doc, seal.Register, knows(a, b)); seal.ReasonOf(err) != gateway.ReasonKeyUnknown {
		t.Errorf("one unknown: got %v, want key-unknown", err)
	}
	if _, _, err := seal.OpenGeneral(doc, seal.KeyStatement, knows(a, b, c)); seal.ReasonOf(err) != gateway.ReasonSignature {
		t.Errorf("other purpose: got %v, want signature", err)
	}
	if _, _, err := seal.Open(string(doc), seal.Register, knows(a, b, c)); err == nil {
		t.Error("as compact token: got none, want an error")
	}
}

func TestGeneralBounds(t *testing.T) {
	for _, n := range []int{0, seal.MaxDocument + 1} {
		if _, err := seal.SignMulti(seal.Register, make([]byte, n)); gateway.KindOf(err) != gateway.Limit {
			t.Errorf("%d bytes: got %v, want a Limit", n, err)
		}
	}
	ed, ec := edKey(t), ecKey(t)
	doc, err := seal.SignMulti(seal.Register, make([]byte, seal.MaxDocument), ed, ec)
	fatal(t, err)
	if _, kids, err := seal.OpenGeneral(doc, seal.Register, knows(ed, ec)); err != nil || len(kids) != 2 {
		t.Errorf("largest: got %v, %v, want two signatures", kids, err)
	}
	doc, err = seal.SignMulti(seal.Register, []byte("{}"))
	fatal(t, err)
	for range seal.MaxSignatures {
		doc, err = seal.AddSignature(doc, seal.Register, edKey(t))
		fatal(t, err)
	}
	if _, err = seal.AddSignature(doc, seal.Register, ed); gateway.KindOf(err) != gateway.Limit {
		t.Errorf("too many: got %v, want a Limit", err)
	}
}

func TestOpenGeneralRefuses(t *testing.T) {
	key := edKey(t)
	token, err := seal.Sign(key, seal.Register, []byte(`{"version":1}`))
	fatal(t, err)
	other, err := seal.Sign(key, seal.Register, []byte(`{"version":2}`))
	fatal(t, err)
	p, q := strings.Split(token, "."), strings.Split(other, ".")
	sig := func(protected, signature string) string {
		return fmt.Sprintf(`{"protected":%q,"signature":%q}`, protected, signature)
	}
	doc := func(payload string, signatures ...string) string {
		return fmt.Sprintf(`{"payload":%q,"signatures":[%s]}`, payload, strings.Join(signatures, ","))
	}
	good := sig(p[0], p[2])
	if _, _, err := seal.OpenGeneral([]byte(doc(p[1], good)), seal.Register, knows(key)); err != nil {
		t.Fatalf("control: got %v, want none", err)
	}
	for name, bad := range map[string]string{
		"compact":              token,
		"flattened":            fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2]),
		"flattened as well":    strings.Replace(doc(p[1], good), `{`, fmt.Sprintf(`{"protected":%q,`, p[0]), 1),
		"unprotected header":   doc(p[1], strings.Replace(good, `{`, `{"header":{"kid":"x"},`, 1)),
		"unknown member":       strings.Replace(doc(p[1], good), `{`, `{"x":1,`, 1),
		"payload twice":        strings.Replace(doc(p[1], good), `{`, fmt.Sprintf(`{"payload":%q,`, q[1]), 1),
		"Payload":              strings.Replace(doc(p[1], good), `payload`, `Payload`, 1),
		"payload of another":   doc(q[1], good),
		"signature of another": doc(p[1], sig(q[0], q[2])),
		"same twice":           doc(p[1], good, good),
		"no payload":           doc("", good),
		"no signature":         doc(p[1], sig(p[0], "")),
		"no protected":         doc(p[1], sig("", p[2])),
		"dot in protected":     doc(p[1], sig(p[0]+".", p[2])),
		"newline in payload":   doc(p[1]+"\n", good),
		"bad one after good":   doc(p[1], good, sig(q[0], p[2][:8])),
		"trailing data":        doc(p[1], good) + "{}",
		"too many":             doc(p[1], strings.Repeat(good+",", seal.MaxSignatures)+good),
		"huge":                 doc(strings.Repeat("A", 2*seal.MaxDocument)),
		"null":                 "null",
		"empty":                "",
		"depth":                strings.Repeat("[", 100_000),
	} {
		_, _, err := seal.OpenGeneral([]byte(bad), seal.Register, knows(key))
		if err == nil || seal.ReasonOf(err) == "" {
			t.Errorf("%s: got %v, want a Failure", name, err)
		}
	}
}

func FuzzOpenGeneral(f *testing.F) {
	key, ec := edKey(f), ecKey(f)
	doc, err := seal.SignMulti(seal.Register, []byte(`{"version":1}`), key, ec)
	fatal(f, err)
	f.Add(doc)
	f.Add([]byte(`{"payload":"e30","signatures":[]}`))
	f.Add([]byte(`{"payload":"e30","signatures":[{"protected":"e30","signature":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		payload, kids, err := seal.OpenGeneral(doc, seal.Register, knows(key, ec))
		if err != nil {
			return
		}
		if len(kids) > 0 && string(payload) != `{"version":1}` {
			t.Fatalf("got %s by %v, which nobody has signed", payload, kids)
		}
		if !json.Valid(doc) {
			t.Fatalf("got %s accepted, which is not JSON", doc)
		}
	})
}
