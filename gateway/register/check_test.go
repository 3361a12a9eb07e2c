package register_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

func TestCheckDocument(t *testing.T) {
	r := newRegion(t)
	if err := register.Check(r.doc); err != nil {
		t.Fatalf("control: got %v, want none", err)
	}
	for name, c := range map[string]struct {
		change func(*register.Document)
		part   string
	}{
		"no version":         {func(d *register.Document) { d.Version = 0 }, "no version"},
		"first with parent":  {func(d *register.Document) { d.Previous = strings.Repeat("a", 64) }, "no predecessor"},
		"no parent":          {func(d *register.Document) { d.Version = 2 }, "predecessor"},
		"upper-case parent":  {func(d *register.Document) { d.Version = 2; d.Previous = strings.Repeat("A", 64) }, "predecessor"},
		"not issued":         {func(d *register.Document) { d.Issued = time.Time{} }, "valid until after"},
		"ends at its start":  {func(d *register.Document) { d.ValidUntil = d.Issued }, "valid until after"},
		"negative grace":     {func(d *register.Document) { d.GraceDays = -1 }, "grace"},
		"long grace":         {func(d *register.Document) { d.GraceDays = 1000 }, "grace"},
		"no signers":         {func(d *register.Document) { d.Signers = nil }, "signers"},
		"many signers":       {func(d *register.Document) { d.Signers = make([]register.Signer, 17) }, "signers"},
		"no threshold":       {func(d *register.Document) { d.Threshold = 0 }, "threshold"},
		"threshold too high": {func(d *register.Document) { d.Threshold = 3 }, "threshold"},
		"signer twice":       {func(d *register.Document) { d.Signers = append(d.Signers, d.Signers[0]) }, "another signer"},
		"nameless signer":    {func(d *register.Document) { d.Signers[1].Name = "" }, "signer 2"},
		"signer's key":       {func(d *register.Document) { d.Signers[1].Key.JWK = gateway.RawJSON(`{}`) }, "signer 2"},
		"many parties":       {func(d *register.Document) { d.Parties = make([]gateway.Party, 5001) }, "parties"},
		"party twice":        {func(d *register.Document) { d.Parties = append(d.Parties, d.Parties[0]) }, "occurs twice"},
		"one gemeente, two parties": {func(d *register.Document) {
			code := []gateway.GemeenteFor{{Code: "gm0482", ValidFrom: "2020-01-01"}}
			d.Parties = slices.Clone(d.Parties)
			d.Parties[0].Gemeenten, d.Parties[1].Gemeenten = code, code
		}, "another party's at the same time"},
		"bad OIN": {func(d *register.Document) { d.Parties[1].OIN = "123" }, "party 2"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := r.doc
			doc.Signers, doc.Parties = slices.Clone(doc.Signers), slices.Clone(doc.Parties)
			c.change(&doc)
			wantError(t, register.Check(doc), gateway.Invalid, c.part)
			if _, err := register.Encode(doc); err == nil {
				t.Error("encoded: got none, want an error")
			}
		})
	}
}

func TestCheckParty(t *testing.T) {
	r := newRegion(t)
	enc := must2(seal.GenerateEncryptionKey()).Public(now)
	other, _ := r.reg.Party(dordt)
	mandate := gateway.Mandate{Principal: dordt, Kinds: []string{"capacity"}, Basis: "mandaat"}
	mandated := func(f func(*gateway.Mandate)) func(*gateway.Party) {
		return func(p *gateway.Party) {
			m := mandate
			f(&m)
			p.Mandates = []gateway.Mandate{m}
		}
	}
	for name, c := range map[string]struct {
		change func(*gateway.Party)
		part   string
	}{
		"good":               {func(p *gateway.Party) {}, ""},
		"good mandate":       {mandated(func(*gateway.Mandate) {}), ""},
		"good gemeente":      {func(p *gateway.Party) { p.Gemeenten = []gateway.GemeenteFor{{Code: "gm0482", ValidFrom: "2026-01-01"}} }, ""},
		"good deputy":        {func(p *gateway.Party) { p.Deputy = gateway.Functional{Name: "Balie", Phone: "+31 78 000 00 00"} }, ""},
		"no name":            {func(p *gateway.Party) { p.Name = "" }, "name"},
		"long name":          {func(p *gateway.Party) { p.Name = strings.Repeat("x", 201) }, "name"},
		"name on two lines":  {func(p *gateway.Party) { p.Name = "a\nb" }, "name"},
		"name with override": {func(p *gateway.Party) { p.Name = "a\u202eb" }, "name"},
		"kind":               {func(p *gateway.Party) { p.Kind = "bank" }, "kind"},
		"no contact":         {func(p *gateway.Party) { p.Contact = gateway.Functional{} }, "contact"},
		"contact by nothing": {func(p *gateway.Party) { p.Contact = gateway.Functional{Name: "Balie"} }, "contact"},
		"e-mail":             {func(p *gateway.Party) { p.Contact.Email = "a b@c" }, "contact"},
		"telephone":          {func(p *gateway.Party) { p.Contact.Phone = "bel ons" }, "contact"},
		"deputy":             {func(p *gateway.Party) { p.Deputy.Phone = "078 000 0000" }, "deputy"},
		"no keys":            {func(p *gateway.Party) { p.SigningKeys = nil }, "keys"},
		"many keys":          {func(p *gateway.Party) { p.SigningKeys = make([]gateway.Key, 17) }, "keys"},
		"broken key":         {func(p *gateway.Party) { p.SigningKeys[0].JWK = nil }, "signing key"},
		"key of another":     {func(p *gateway.Party) { p.SigningKeys = other.SigningKeys }, "key occurs twice"},
		"key twice":          {func(p *gateway.Party) { p.SigningKeys = append(p.SigningKeys, p.SigningKeys[0]) }, "key occurs twice"},
		"key without start":  {func(p *gateway.Party) { p.SigningKeys[0].ValidFrom = time.Time{} }, "dates of a signing key"},
		"key ends first":     {func(p *gateway.Party) { p.SigningKeys[0].ValidUntil = now.Add(-1e9) }, "dates of a signing key"},
		"part of a second":   {func(p *gateway.Party) { p.SigningKeys[0].ValidFrom = now.Add(1) }, "dates of a signing key"},
		"encryption to sign": {func(p *gateway.Party) { p.SigningKeys[0] = enc }, "signing key"},
		"sign to encrypt":    {func(p *gateway.Party) { p.Encryption = &p.SigningKeys[0] }, "encryption key"},
		"others' encryption": {func(p *gateway.Party) { p.Encryption = other.Encryption }, "key occurs twice"},
		"pin of another":     {func(p *gateway.Party) { p.TLSPins = other.TLSPins }, "pin occurs twice"},
		"short pin":          {func(p *gateway.Party) { p.TLSPins = []string{"abc"} }, "pin"},
		"upper-case pin":     {func(p *gateway.Party) { p.TLSPins = []string{strings.Repeat("A", 64)} }, "pin"},
		"many pins":          {func(p *gateway.Party) { p.TLSPins = make([]string, 9) }, "keys"},
		"gemeente":           {func(p *gateway.Party) { p.Gemeenten = []gateway.GemeenteFor{{Code: "0482"}} }, "gemeente"},
		"gemeente dates": {func(p *gateway.Party) {
			p.Gemeenten = []gateway.GemeenteFor{{Code: "gm0482", ValidFrom: "2026-02-01", ValidUntil: "2026-01-01"}}
		}, "gemeente"},
		"gemeente date":     {func(p *gateway.Party) { p.Gemeenten = []gateway.GemeenteFor{{Code: "gm0482", ValidFrom: "2026-2-1"}} }, "gemeente"},
		"mandate of nobody": {mandated(func(m *gateway.Mandate) { m.Principal = grs }), "mandate"},
		"mandate of itself": {mandated(func(m *gateway.Mandate) { m.Principal = smile }), "mandate"},
		"mandate for none":  {mandated(func(m *gateway.Mandate) { m.Kinds = nil }), "mandate"},
		"mandate for odd":   {mandated(func(m *gateway.Mandate) { m.Kinds = []string{"*"} }), "mandate"},
		"mandate on none":   {mandated(func(m *gateway.Mandate) { m.Basis = "" }), "mandate"},
	} {
		t.Run(name, func(t *testing.T) {
			err := register.Check(with(r.doc, smile, c.change))
			if c.part == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			wantError(t, err, gateway.Invalid, c.part)
			wantError(t, err, gateway.Invalid, "party 00000099")
		})
	}
}

func TestCheckEndpoint(t *testing.T) {
	r := newRegion(t)
	for endpoint, ok := range map[string]bool{
		"https://node.example":          true,
		"https://node.example:8443":     true,
		"https://127.0.0.1:8443":        true,
		"https://[::1]:8443":            true,
		"https://localhost:1":           true,
		"":                              false,
		"node.example:8443":             false,
		"http://node.example":           false,
		"HTTPS://node.example":          false,
		"https://Node.example":          false,
		"https://node.example/":         false,
		"https://node.example/v1":       false,
		"https://node.example?x=1":      false,
		"https://node.example?":         false,
		"https://node.example#x":        false,
		"https://user@node.example":     false,
		"https://user:pw@node.example":  false,
		"https://node.example:":         false,
		"https://node.example:0":        false,
		"https://node.example:08443":    false,
		"https://node.example:65536":    false,
		"https://:8443":                 false,
		"https://":                      false,
		"https://node example":          false,
		"https://node.example%00:1":     false,
		"https://-node.example":         false,
		"https://[fe80::1%25eth0]:8443": false,
		" https://node.example":         false,
	} {
		err := register.Check(with(r.doc, smile, func(p *gateway.Party) { p.Endpoint = endpoint }))
		if (err == nil) != ok {
			t.Errorf("%q: got %v, want accepted %t", endpoint, err, ok)
		}
	}
}

func TestStrictDocument(t *testing.T) {
	r := newRegion(t)
	good := string(payload(t, r.doc))
	parse := func(doc string) error {
		file, err := seal.SignMulti(seal.Register, []byte(doc), r.a, r.b)
		must(t, file, err)
		_, err = register.Parse(file, kids(r.a, r.b))
		return err
	}
	if err := parse(good); err != nil {
		t.Fatalf("control: got %v, want none", err)
	}
	for name, doc := range map[string]string{
		"unknown member":        strings.Replace(good, `{`, `{"extra":1,`, 1),
		"unknown in a party":    strings.Replace(good, `{"oin"`, `{"admin":true,"oin"`, 1),
		"version twice":         strings.Replace(good, `{`, `{"version":1,`, 1),
		"parties twice":         strings.Replace(good, `{`, `{"parties":[],`, 1),
		"name twice":            strings.Replace(good, `"name":`, `"name":"x","name":`, 1),
		"member in other case":  strings.Replace(good, `"threshold"`, `"Threshold"`, 1),
		"invalid UTF-8":         strings.Replace(good, `"Partij`, "\"\xffPartij", 1),
		"version as text":       strings.Replace(good, `"version":1`, `"version":"1"`, 1),
		"version with fraction": strings.Replace(good, `"version":1`, `"version":1.5`, 1),
		"huge version":          strings.Replace(good, `"version":1`, `"version":1e10000000`, 1),
		"negative version":      strings.Replace(good, `"version":1`, `"version":-1`, 1),
		"trailing data":         good + "{}",
		"array":                 "[" + good + "]",
		"null":                  "null",
		"depth bomb":            strings.Repeat("[", 100_000),
		"date for time":         strings.Replace(good, r.doc.Issued.Format(time.RFC3339), "2026-11-01", 1),
	} {
		if doc == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if err := parse(doc); gateway.KindOf(err) != gateway.Invalid || err == nil {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
}

func TestManyParties(t *testing.T) {
	a := newKey(t)
	doc := register.New([]register.Signer{signer(a)}, 1, now)
	for i := range 200 {
		key := newKey(t)
		p := gateway.Party{
			OIN: gateway.OIN(fmt.Sprintf("00000099%08d0000", i)), Name: "Partij", Kind: gateway.Verwijzer,
			Endpoint: "https://node.example", SigningKeys: []gateway.Key{key.Public(now)},
			Contact: gateway.Functional{Name: "Balie", Phone: "078 000 0000"},
		}
		doc.Parties = append(doc.Parties, stated(t, p, key))
	}
	reg, err := register.Parse(signed(t, doc, a), kids(a))
	if err != nil || len(reg.Parties()) != 200 {
		t.Errorf("got %v, want 200 parties", err)
	}
}

func FuzzParse(f *testing.F) {
	r := newRegion(f)
	file := signed(f, r.doc, r.a, r.b)
	f.Add(file)
	f.Add(signed(f, r.next(), r.a, r.b))
	f.Add([]byte(`{"payload":"e30","signatures":[]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		reg, err := register.Parse(file, kids(r.a, r.b))
		if err == nil && reg.Hash() != r.reg.Hash() && reg.Version() != 2 {
			t.Fatalf("got version %d accepted, which nobody has signed", reg.Version())
		}
		if next, err := register.Successor(r.reg, file, now.Add(time.Hour)); err == nil && next.Version() != 2 {
			t.Fatalf("got version %d accepted, want 2", next.Version())
		}
	})
}

// FuzzDocument lets the document be anything, signed by those who may.
func FuzzDocument(f *testing.F) {
	r := newRegion(f)
	f.Add(payload(f, r.doc))
	f.Add([]byte(`{"version":1,"parties":[{"oin":"00000099000000001000"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) == 0 {
			return
		}
		file, err := seal.SignMulti(seal.Register, doc, r.a, r.b)
		must(t, file, err)
		reg, err := register.Parse(file, kids(r.a, r.b))
		if err != nil {
			if gateway.KindOf(err) == gateway.Internal {
				t.Fatalf("got %v, want a kind", err)
			}
			return
		}
		if err := register.Check(reg.Document()); err != nil || !json.Valid(doc) {
			t.Fatalf("got accepted, want %v", err)
		}
	})
}

// TestRegisterAtItsLimits: as many parties as a register may have, and as many
// as its file has room for.
func TestRegisterAtItsLimits(t *testing.T) {
	r := newRegion(t)
	doc := r.doc
	doc.Parties = nil
	for i := range 5000 {
		key := newKey(t)
		p := r.smile
		p.OIN = gateway.OIN(fmt.Sprintf("0000009900000%07d", i))
		p.SigningKeys, p.Encryption = []gateway.Key{key.Public(now)}, nil
		p.TLSPins, p.KeyStatement = []string{gateway.Hash([]byte(p.OIN))}, ""
		if i < 2000 {
			encryption := must2(seal.GenerateEncryptionKey()).Public(now)
			p.Encryption = &encryption
			p.KeyStatement = must2(register.MakeKeyStatement(p, key))
		}
		doc.Parties = append(doc.Parties, p)
	}
	if err := register.Check(doc); err != nil {
		t.Errorf("5,000 parties: got %v, want none", err)
	}
	one := r.smile
	one.OIN = "00000099000009999999"
	more := doc
	more.Parties = append(slices.Clone(doc.Parties), one)
	wantError(t, register.Check(more), gateway.Invalid, "at most 5000 parties")
	_, err := register.Encode(doc)
	wantError(t, err, gateway.Limit, "4194304 bytes")
	doc.Parties = doc.Parties[:2000]
	reg, err := register.Parse(signed(t, doc, r.a, r.b), kids(r.a, r.b))
	if err != nil || len(reg.Parties()) != 2000 {
		t.Errorf("2,000 parties: got %v, want a register", err)
	}
}
