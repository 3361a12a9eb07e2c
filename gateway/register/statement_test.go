package register_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"pgregory.net/rapid"
)

// rotate is what a party hands in: a second key, stated by the one in force.
func rotate(t fataler, p gateway.Party, by, next *seal.Key) gateway.Party {
	t.Helper()
	p.SigningKeys = append(slices.Clone(p.SigningKeys), next.Public(now))
	return stated(t, p, by)
}

func TestKeyRotation(t *testing.T) {
	r := newRegion(t)
	next := newKey(t)
	reg, err := r.accept(t, register.Add(r.next(), rotate(t, r.smile, r.smileKey, next)))
	must(t, reg, err)
	if _, owner, ok := reg.SigningKey(next.KID()); !ok || owner.OIN != smile {
		t.Errorf("got %s, want the new key with %s", owner.OIN, smile)
	}
}

func TestChangesWithoutStatement(t *testing.T) {
	r := newRegion(t)
	rename := func(p *gateway.Party) { p.Name = "Andere naam"; p.Contact.Phone = "078 000 0000" }
	if _, err := r.accept(t, with(r.next(), smile, rename)); err != nil {
		t.Errorf("name and contact: got %v, want none", err)
	}
	report := func(p *gateway.Party) {
		p.SigningKeys[0].Compromised = true
		enc := *p.Encryption
		enc.Compromised = true
		p.Encryption = &enc
	}
	second, err := r.accept(t, with(r.next(), smile, report))
	must(t, second, err)

	later := register.NextOf(second, now.Add(time.Hour))
	_, err = register.Successor(second, signed(t, with(later, smile, func(p *gateway.Party) { p.SigningKeys[0].Compromised = false }), r.a, r.b), now.Add(time.Hour))
	wantError(t, err, gateway.Invalid, "was reported as compromised")
	_, err = register.Successor(second, signed(t, with(later, smile, func(p *gateway.Party) { p.Encryption = r.smile.Encryption }), r.a, r.b), now.Add(time.Hour))
	wantError(t, err, gateway.Invalid, "was reported as compromised")
	_, err = register.Successor(second, signed(t, register.Add(later, rotate(t, second.Parties()[0], r.smileKey, newKey(t))), r.a, r.b), now.Add(time.Hour))
	wantError(t, err, gateway.Unauthenticated, "previous key")

	// Enrolling anew takes two versions, so everyone sees it.
	out, err := register.Successor(second, signed(t, register.Remove(later, smile), r.a, r.b), now.Add(time.Hour))
	must(t, out, err)
	back := register.Add(register.NextOf(out, now.Add(time.Hour)), member(t, smile, newKey(t)))
	if _, err := register.Successor(out, signed(t, back, r.a, r.b), now.Add(time.Hour)); err != nil {
		t.Errorf("enrolled anew: got %v, want none", err)
	}
}

// Both signers together cannot put a key, pin or address in a party's place.
func TestSubstitution(t *testing.T) {
	r := newRegion(t)
	thief := newKey(t)
	encryption := must2(seal.GenerateEncryptionKey()).Public(now)
	other := member(t, grs, thief)
	for name, c := range map[string]struct {
		change func(*gateway.Party)
		part   string
	}{
		"key added":          {func(p *gateway.Party) { p.SigningKeys = append(p.SigningKeys, thief.Public(now)) }, "without a statement"},
		"key replaced":       {func(p *gateway.Party) { p.SigningKeys = []gateway.Key{thief.Public(now)} }, "without a statement"},
		"key prolonged":      {func(p *gateway.Party) { p.SigningKeys[0].ValidFrom = now.AddDate(-1, 0, 0) }, "without a statement"},
		"key ended":          {func(p *gateway.Party) { p.SigningKeys[0].ValidUntil = now.AddDate(1, 0, 0) }, "without a statement"},
		"encryption key":     {func(p *gateway.Party) { p.Encryption = &encryption }, "without a statement"},
		"no encryption key":  {func(p *gateway.Party) { p.Encryption = nil }, "without a statement"},
		"pin":                {func(p *gateway.Party) { p.TLSPins = []string{strings.Repeat("f", 64)} }, "without a statement"},
		"no pin":             {func(p *gateway.Party) { p.TLSPins = nil }, "without a statement"},
		"endpoint":           {func(p *gateway.Party) { p.Endpoint = "https://thief.example" }, "without a statement"},
		"stated by new key":  {func(p *gateway.Party) { *p = rotate(t, *p, thief, thief) }, "previous key"},
		"stated by a signer": {func(p *gateway.Party) { *p = rotate(t, *p, r.a, thief) }, "previous key"},
		"first again": {func(p *gateway.Party) {
			p.SigningKeys, p.KeyStatement = []gateway.Key{thief.Public(now)}, ""
			*p = stated(t, *p, thief)
		}, "previous key"},
		"statement of another": {func(p *gateway.Party) { p.KeyStatement = other.KeyStatement }, "previous key"},
		"no statement":         {func(p *gateway.Party) { p.KeyStatement = "" }, "previous key"},
		"stating key dropped": {func(p *gateway.Party) {
			p.SigningKeys = []gateway.Key{thief.Public(now)}
			*p = stated(t, *p, r.smileKey)
		}, "must stay listed"},
		"changed after stated":       {func(p *gateway.Party) { *p = rotate(t, *p, r.smileKey, newKey(t)); p.TLSPins = nil }, "not about these keys"},
		"does not follow":            {func(p *gateway.Party) { p.KeyStatement = ""; *p = rotate(t, *p, r.smileKey, newKey(t)) }, "does not follow"},
		"signed for another purpose": {func(p *gateway.Party) { p.KeyStatement = must2(seal.Sign(r.smileKey, seal.Message, []byte("{}"))) }, "previous key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.accept(t, with(r.next(), smile, c.change))
			wantError(t, err, gateway.Unauthenticated, c.part)
			if !strings.Contains(err.Error(), string(smile)) {
				t.Errorf("got %v, want the party named", err)
			}
		})
	}
}

func TestNewPartyStatesItself(t *testing.T) {
	r := newRegion(t)
	key, thief := newKey(t), newKey(t)
	good := member(t, grs, key)
	follows := good // names a statement before it, though there is none
	follows = stated(t, follows, key)
	byOther := good
	byOther.KeyStatement = ""
	byOther = stated(t, byOther, thief)
	missing := good
	missing.KeyStatement = ""
	for name, p := range map[string]gateway.Party{"by another": byOther, "missing": missing, "following": follows} {
		_, err := r.accept(t, register.Add(r.next(), p))
		wantError(t, err, gateway.Unauthenticated, "key statement")
		doc := register.Add(r.doc, p)
		if _, err := register.Parse(signed(t, doc, r.a, r.b), kids(r.a, r.b)); err == nil {
			t.Errorf("%s in a first register: got none, want an error", name)
		}
	}
	if _, err := r.accept(t, register.Add(r.next(), good)); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// An old statement, though signed by a key that is still good, is not valid
// again.
func TestOldStatementDoesNotComeBack(t *testing.T) {
	r := newRegion(t)
	second, err := r.accept(t, register.Add(r.next(), rotate(t, r.smile, r.smileKey, newKey(t))))
	must(t, second, err)
	back := register.Add(register.NextOf(second, now.Add(time.Hour)), r.smile)
	_, err = register.Successor(second, signed(t, back, r.a, r.b), now.Add(time.Hour))
	wantError(t, err, gateway.Unauthenticated, "does not follow")
}

// An expired key cannot state new ones, also not by an earlier date of issue.
func TestExpiredKeyStatesNothing(t *testing.T) {
	r := newRegion(t)
	next := newKey(t)
	p := r.smile
	p.SigningKeys = slices.Clone(p.SigningKeys)
	p.SigningKeys[0].ValidUntil = now.Add(time.Hour)
	second, err := r.accept(t, register.Add(r.next(), rotate(t, p, r.smileKey, next)))
	must(t, second, err)
	in, _ := second.Party(smile)
	third := register.Add(register.NextOf(second, now.Add(time.Hour)), rotate(t, in, r.smileKey, newKey(t)))
	_, err = register.Successor(second, signed(t, third, r.a, r.b), now.Add(time.Hour))
	wantError(t, err, gateway.Unauthenticated, "previous key")
	third = register.Add(register.NextOf(second, now.Add(time.Hour)), rotate(t, in, next, newKey(t)))
	if _, err = register.Successor(second, signed(t, third, r.a, r.b), now.Add(time.Hour)); err != nil {
		t.Errorf("by the new key: got %v, want none", err)
	}
}

// Whatever the signers and the parties do by the rules is accepted, leaves the
// versions before as they were, and can be followed from the start; a chain
// with one link left out cannot.
func TestAnyChain(t *testing.T) {
	r := newRegion(t)
	rapid.Check(t, func(t *rapid.T) {
		keys := map[gateway.OIN]*seal.Key{smile: r.smileKey}
		reg, at := r.reg, now
		var files [][]byte
		for range rapid.IntRange(2, 5).Draw(t, "links") {
			at = at.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "hours")) * time.Hour)
			doc := register.NextOf(reg, at)
			doc.ValidUntil = at.AddDate(5, 0, 0)
			switch p, ok := reg.Party(smile); rapid.SampledFrom([]string{"rotate", "remove", "none"}).Draw(t, "change") {
			case "rotate":
				next := newKey(t)
				if ok {
					p = rotate(t, p, keys[smile], next)
				} else {
					p = member(t, smile, next)
				}
				keys[smile] = next
				doc = register.Add(doc, p)
			case "remove":
				doc = register.Remove(doc, smile)
			}
			file := signed(t, doc, r.a, r.b)
			before := reg.Hash()
			next, err := register.Successor(reg, file, at)
			if err != nil {
				t.Fatalf("version %d: got %v, want none", doc.Version, err)
			}
			if again, err := register.Restore(reg.Bytes()); err != nil || again.Hash() != before {
				t.Fatalf("version %d has changed: %v", reg.Version(), err)
			}
			reg, files = next, append(files, file)
		}
		got, err := register.Follow(r.reg, files, at)
		if err != nil || got.Hash() != reg.Hash() {
			t.Fatalf("got %v, want version %d", err, reg.Version())
		}
		i := rapid.IntRange(0, len(files)-2).Draw(t, "left out")
		if _, err := register.Follow(r.reg, slices.Delete(slices.Clone(files), i, i+1), at); err == nil {
			t.Fatalf("without link %d: got none, want an error", i)
		}
	})
}
