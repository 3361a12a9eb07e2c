package register_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const (
	smile = gateway.OIN("00000099000000001000")
	dordt = gateway.OIN("00000099000000002000")
	grs   = gateway.OIN("00000099000000003000")
)

type fataler interface {
	Helper()
	Fatal(...any)
}

func must[T any](t fataler, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newKey(t fataler) *seal.Key {
	t.Helper()
	k, err := seal.GenerateKey()
	return must(t, k, err)
}

// member is a party with a key of its own and a statement by it.
func member(t fataler, oin gateway.OIN, key *seal.Key) gateway.Party {
	t.Helper()
	enc, err := seal.GenerateEncryptionKey()
	must(t, enc, err)
	public := enc.Public(now)
	return stated(t, gateway.Party{
		OIN: oin, Name: "Partij " + string(oin), Kind: gateway.Leerwerkbedrijf,
		Endpoint:    "https://node.example:8443",
		SigningKeys: []gateway.Key{key.Public(now)}, Encryption: &public,
		TLSPins: []string{strings.Repeat(string(oin)[16:], 16)},
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@partij.example"},
	}, key)
}

// stated gives the party a new statement.
func stated(t fataler, p gateway.Party, by *seal.Key) gateway.Party {
	t.Helper()
	s, err := register.MakeKeyStatement(p, by)
	p.KeyStatement = must(t, s, err)
	return p
}

func signer(k *seal.Key) register.Signer {
	return register.Signer{Name: "GRS secretariaat", Key: k.Public(now.AddDate(0, -1, 0))}
}

func signed(t fataler, doc register.Document, keys ...*seal.Key) []byte {
	t.Helper()
	file, err := register.Encode(doc)
	must(t, file, err)
	for _, k := range keys {
		file, err = register.Sign(file, k)
		must(t, file, err)
	}
	return file
}

func kids(keys ...*seal.Key) []string {
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.KID())
	}
	return ids
}

// region is a first register with two parties, two signers, both needed.
type region struct {
	a, b     *seal.Key // signers
	smileKey *seal.Key
	smile    gateway.Party
	doc      register.Document
	reg      *register.Register
}

func newRegion(t fataler) region {
	t.Helper()
	r := region{a: newKey(t), b: newKey(t), smileKey: newKey(t)}
	r.smile = member(t, smile, r.smileKey)
	r.doc = register.New([]register.Signer{signer(r.a), signer(r.b)}, 2, now)
	r.doc = register.Add(register.Add(r.doc, member(t, dordt, newKey(t))), r.smile)
	reg, err := register.Parse(signed(t, r.doc, r.a, r.b), kids(r.a, r.b))
	r.reg = must(t, reg, err)
	return r
}

// next drafts a successor an hour later.
func (r region) next() register.Document { return register.NextOf(r.reg, now.Add(time.Hour)) }

// accept applies a draft that both signers sign.
func (r region) accept(t fataler, doc register.Document) (*register.Register, error) {
	t.Helper()
	return register.Successor(r.reg, signed(t, doc, r.a, r.b), now.Add(time.Hour))
}

// with is doc with one party changed.
func with(doc register.Document, oin gateway.OIN, change func(*gateway.Party)) register.Document {
	for _, p := range doc.Parties {
		if p.OIN == oin {
			p.SigningKeys = slices.Clone(p.SigningKeys)
			change(&p)
			return register.Add(doc, p)
		}
	}
	panic("no such party")
}

// wantError checks that the message shown says what is wrong.
func wantError(t *testing.T, err error, kind gateway.Kind, part string) {
	t.Helper()
	if err == nil || gateway.KindOf(err) != kind || !strings.Contains(gateway.SafeMessage(err), part) {
		t.Errorf("got kind %d %q, want kind %d with %q", gateway.KindOf(err), gateway.SafeMessage(err), kind, part)
	}
}

func TestParse(t *testing.T) {
	r := newRegion(t)
	file := signed(t, r.doc, r.a, r.b)
	if got := r.reg.Version(); got != 1 {
		t.Errorf("got version %d, want 1", got)
	}
	p, ok := r.reg.Party(smile)
	if !ok || p.Name != r.smile.Name {
		t.Errorf("got %v, want %s", p, r.smile.Name)
	}
	key, owner, ok := r.reg.SigningKey(r.smileKey.KID())
	if !ok || key.KID != r.smileKey.KID() || owner.OIN != smile {
		t.Errorf("got key %s of %s, want %s of %s", key.KID, owner.OIN, r.smileKey.KID(), smile)
	}
	if _, _, ok := r.reg.SigningKey(r.a.KID()); ok {
		t.Error("a signer's key is not a party's: got found, want not")
	}
	var oins []gateway.OIN
	for _, p := range r.reg.Parties() {
		oins = append(oins, p.OIN)
	}
	if want := []gateway.OIN{smile, dordt}; !slices.Equal(oins, want) {
		t.Errorf("got %v, want %v", oins, want)
	}
	backwards := r.doc
	backwards.Parties = slices.Clone(r.doc.Parties)
	slices.Reverse(backwards.Parties)
	unsorted, err := register.Parse(signed(t, backwards, r.a, r.b), kids(r.a, r.b))
	must(t, unsorted, err)
	if got := unsorted.Parties()[0].OIN; got != smile {
		t.Errorf("unsorted: got %s first, want %s", got, smile)
	}
	if p, ok := unsorted.Party(dordt); !ok || p.OIN != dordt {
		t.Errorf("unsorted: got %s, want %s", p.OIN, dordt)
	}
	if !r.reg.SameAs(file) || !r.reg.SameAs(signed(t, r.doc)) || r.reg.SameAs(signed(t, r.next())) || r.reg.SameAs(nil) {
		t.Error("SameAs must look at the document and nothing else")
	}
	again, err := register.Restore(r.reg.Bytes())
	if err != nil || again.Hash() != r.reg.Hash() {
		t.Errorf("restored: got %v, want the same register", err)
	}
}

func TestParseTrust(t *testing.T) {
	r := newRegion(t)
	c := newKey(t)
	lowered := r.doc
	lowered.Threshold = 1
	rogue := register.New([]register.Signer{signer(c)}, 1, now)
	for name, c := range map[string]struct {
		file    []byte
		anchors []string
		kind    gateway.Kind
		part    string
	}{
		"unsigned":                   {signed(t, r.doc), kids(r.a, r.b), gateway.Unauthenticated, "too few signatures: 0 of 2"},
		"one of two":                 {signed(t, r.doc, r.a), kids(r.a, r.b), gateway.Unauthenticated, "too few signatures: 1 of 2"},
		"no anchors":                 {signed(t, r.doc, r.a, r.b), nil, gateway.Unauthenticated, "unknown signer"},
		"one is no anchor":           {signed(t, r.doc, r.a, r.b), kids(r.a), gateway.Unauthenticated, "unknown signer"},
		"anchor is no signer":        {signed(t, r.doc, r.a, r.b, c), kids(r.a, r.b, c), gateway.Unauthenticated, "unknown signer"},
		"others":                     {signed(t, rogue, c), kids(r.a, r.b), gateway.Unauthenticated, "unknown signer"},
		"one anchor lowers the bar":  {signed(t, lowered, r.a), kids(r.a, r.b), gateway.Unauthenticated, "too few signatures: 1 of 2"},
		"the same anchor, repeated":  {signed(t, lowered, r.a), append(kids(r.a, r.a), kids(r.b, r.b)...), gateway.Unauthenticated, "too few"},
		"not a register":             {[]byte("hello"), kids(r.a), gateway.Invalid, ""},
		"empty":                      {nil, kids(r.a), gateway.Invalid, ""},
		"signed for something else":  {must2(seal.SignMulti(seal.Message, payload(t, r.doc), r.a, r.b)), kids(r.a, r.b), gateway.Unauthenticated, "purpose"},
		"a message token":            {[]byte(must2(seal.Sign(r.a, seal.Register, []byte("{}")))), kids(r.a), gateway.Invalid, ""},
		"payload changed afterwards": {[]byte(strings.Replace(string(signed(t, r.doc, r.a, r.b)), `"payload":"e`, `"payload":"f`, 1)), kids(r.a, r.b), gateway.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := register.Parse(c.file, c.anchors)
			wantError(t, err, c.kind, c.part)
		})
	}
	if _, err := register.Parse(signed(t, lowered, r.a), kids(r.a)); err != nil {
		t.Errorf("one anchor, threshold one: got %v, want none", err)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func payload(t fataler, doc register.Document) []byte {
	t.Helper()
	b, err := seal.PeekGeneralUnverified(signed(t, doc))
	return must(t, b, err)
}

// A later version can be the start of a node that joins then.
func TestParseLaterVersion(t *testing.T) {
	r := newRegion(t)
	next := newKey(t)
	doc := with(r.next(), smile, func(p *gateway.Party) {
		p.SigningKeys = append(p.SigningKeys, next.Public(now))
		*p = stated(t, *p, r.smileKey)
	})
	file := signed(t, doc, r.a, r.b)
	reg, err := register.Parse(file, kids(r.a, r.b))
	if err != nil || reg.Version() != 2 {
		t.Fatalf("got %v, want version 2", err)
	}
	forged := with(doc, smile, func(p *gateway.Party) { p.SigningKeys = append(p.SigningKeys, newKey(t).Public(now)) })
	_, err = register.Parse(signed(t, forged, r.a, r.b), kids(r.a, r.b))
	wantError(t, err, gateway.Unauthenticated, "not about these keys")
}

func TestSuccessor(t *testing.T) {
	r := newRegion(t)
	doc := register.Add(r.next(), member(t, grs, newKey(t)))
	reg, err := r.accept(t, doc)
	must(t, reg, err)
	if _, ok := reg.Party(grs); !ok || reg.Version() != 2 {
		t.Errorf("got version %d, want 2 with the new party", reg.Version())
	}
	if _, ok := r.reg.Party(grs); ok {
		t.Error("the register in force has changed")
	}
	third, err := register.Successor(reg, signed(t, register.Remove(register.NextOf(reg, now.Add(2*time.Hour)), smile), r.a, r.b), now.Add(2*time.Hour))
	must(t, third, err)
	if _, ok := third.Party(smile); ok {
		t.Error("got the removed party, want none")
	}
}

func TestSuccessorChain(t *testing.T) {
	r := newRegion(t)
	stranger := newKey(t)
	change := func(f func(*register.Document)) register.Document {
		doc := r.next()
		f(&doc)
		return doc
	}
	other := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		file []byte
		kind gateway.Kind
		part string
	}{
		"same version":        {signed(t, r.doc, r.a, r.b), gateway.Conflict, "version 1 is not newer"},
		"gap":                 {signed(t, change(func(d *register.Document) { d.Version = 3 }), r.a, r.b), gateway.Conflict, "does not follow"},
		"other predecessor":   {signed(t, change(func(d *register.Document) { d.Previous = other }), r.a, r.b), gateway.Conflict, "another predecessor"},
		"unsigned":            {signed(t, r.next()), gateway.Unauthenticated, "too few signatures: 0 of 2"},
		"too few":             {signed(t, r.next(), r.b), gateway.Unauthenticated, "too few signatures: 1 of 2"},
		"unknown signer":      {signed(t, r.next(), r.a, stranger), gateway.Unauthenticated, "unknown signer"},
		"party's key":         {signed(t, r.next(), r.a, r.smileKey), gateway.Unauthenticated, "unknown signer"},
		"own new signer":      {signed(t, change(func(d *register.Document) { d.Signers = []register.Signer{signer(stranger)}; d.Threshold = 1 }), stranger), gateway.Unauthenticated, "unknown signer"},
		"own lower threshold": {signed(t, change(func(d *register.Document) { d.Threshold = 1 }), r.a), gateway.Unauthenticated, "too few signatures: 1 of 2"},
		"expired":             {signed(t, change(func(d *register.Document) { d.Issued, d.ValidUntil = now, now.Add(time.Hour) }), r.a, r.b), gateway.Invalid, "version 2 has expired"},
		"issued earlier":      {signed(t, change(func(d *register.Document) { d.Issued = now.Add(-time.Second) }), r.a, r.b), gateway.Invalid, "before its predecessor"},
		"issued later":        {signed(t, change(func(d *register.Document) { d.Issued = now.Add(2 * time.Hour) }), r.a, r.b), gateway.Invalid, "in the future"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := register.Successor(r.reg, c.file, now.Add(time.Hour))
			wantError(t, err, c.kind, c.part)
		})
	}
}

// Signers come and go by the rules of the version before.
func TestSignersChange(t *testing.T) {
	r := newRegion(t)
	c := newKey(t)
	doc := r.next()
	doc.Signers, doc.Threshold = []register.Signer{signer(c)}, 1
	second, err := r.accept(t, doc)
	must(t, second, err)
	third := register.NextOf(second, now.Add(time.Hour))
	_, err = register.Successor(second, signed(t, third, r.a, r.b), now.Add(time.Hour))
	wantError(t, err, gateway.Unauthenticated, "unknown signer")
	if _, err := register.Successor(second, signed(t, third, c), now.Add(time.Hour)); err != nil {
		t.Errorf("got %v, want none", err)
	}

	doc = r.next()
	doc.Signers = slices.Clone(doc.Signers)
	doc.Signers[0].Key.Compromised = true
	doc.Threshold = 1
	second, err = r.accept(t, doc)
	must(t, second, err)
	third = register.NextOf(second, now.Add(time.Hour))
	_, err = register.Successor(second, signed(t, third, r.a), now.Add(time.Hour))
	wantError(t, err, gateway.Unauthenticated, "unknown signer")
}

// A node that was away catches up over registers that have expired since.
func TestFollow(t *testing.T) {
	r := newRegion(t)
	var files [][]byte
	reg, at := r.reg, now
	for range 3 {
		at = at.AddDate(1, 0, 0)
		file := signed(t, register.NextOf(reg, at), r.a, r.b)
		next, err := register.Successor(reg, file, at)
		reg = must(t, next, err)
		files = append(files, file)
	}
	got, err := register.Follow(r.reg, files, at)
	if err != nil || got.Hash() != reg.Hash() {
		t.Errorf("got %v, want version %d", err, reg.Version())
	}
	_, err = register.Follow(r.reg, files[:2], at)
	wantError(t, err, gateway.Invalid, "version 3 has expired")
	_, err = register.Follow(r.reg, files[1:], at)
	wantError(t, err, gateway.Conflict, "does not follow")
}

func TestState(t *testing.T) {
	r := newRegion(t)
	end := r.doc.ValidUntil
	for at, want := range map[time.Time]register.State{
		now:                            register.Current,
		end.Add(-30*24*time.Hour - 1):  register.Current,
		end.Add(-30 * 24 * time.Hour):  register.Expiring,
		end.Add(-1):                    register.Expiring,
		end:                            register.Grace,
		end.AddDate(0, 0, 90).Add(-1):  register.Grace,
		end.AddDate(0, 0, 90):          register.Expired,
		end.AddDate(0, 0, 90).Add(1e9): register.Expired,
	} {
		if got := r.reg.State(at); got != want {
			t.Errorf("at %s: got %s, want %s", at, got, want)
		}
	}
}

func TestRecipient(t *testing.T) {
	r := newRegion(t)
	doc := with(r.doc, dordt, func(p *gateway.Party) {
		p.Kind = gateway.GemeenteKind
		p.Gemeenten = []gateway.GemeenteFor{{Code: "gm0505"}}
	})
	body := member(t, grs, newKey(t))
	body.Kind = gateway.GRS
	body.Mandates = []gateway.Mandate{{Principal: dordt, Kinds: []string{gateway.KindCapacity}, Basis: "mandaat", ValidUntil: "2026-12-31"}}
	doc = register.Add(doc, body)
	reg, err := register.Parse(signed(t, doc, r.a, r.b), kids(r.a, r.b))
	must(t, reg, err)
	for _, c := range []struct {
		kind string
		day  gateway.Date
		want string
	}{
		{gateway.KindCapacity, "2026-12-31", "[gm0505]"},
		{gateway.KindCapacity, "2027-01-01", "[]"},
		{gateway.KindCapacityState, "2026-12-31", "[]"},
	} {
		got, ok := reg.Recipient(grs, c.kind, c.day)
		var codes []gateway.Gemeente
		for _, p := range got.ActsFor {
			codes = append(codes, p.Gemeenten...)
		}
		if !ok || got.Kind != gateway.GRS || fmt.Sprint(codes) != c.want {
			t.Errorf("%s on %s: got %v for %v, want grs for %s", c.kind, c.day, got, codes, c.want)
		}
	}
	if _, ok := reg.Recipient("00000099000000009000", gateway.KindCapacity, "2026-12-31"); ok {
		t.Error("unknown party: got a recipient, want none")
	}
}
