package policy_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// within tells whether a shows nothing that b does not show at least as wide.
func within(a, b gateway.Disclosure) bool {
	for f, form := range a {
		if b[f] == "" || b[f].Wider(form) {
			return false
		}
	}
	return true
}

func TestDecideIsTheReference(t *testing.T) {
	e := env(t)
	for name, most := range map[string]int{"few rules": 8, "more than a word": 140} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := drawPolicy(t, most)
				loaded := p.load(t, e)
				for range 10 {
					q := drawRequest(t)
					got := loaded.Decide(q)
					show, rules, deniedBy := p.decide(q)
					if !maps.Equal(got.Show, show) || !slices.Equal(got.Rules, rules) || got.DeniedBy != deniedBy || got.Allowed != (deniedBy == "") {
						t.Fatalf("got %v by %v denied by %q\nwant %v by %v denied by %q\n%s", got.Show, got.Rules, got.DeniedBy, show, rules, deniedBy, p.yaml())
					}
				}
			})
		})
	}
}

func TestNeverNeverWidens(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 8)
		more := append(slices.Clone(p), drawRule(t, "extra", true))
		before, after := p.load(t, e), more.load(t, e)
		for range 5 {
			q := drawRequest(t)
			if b, a := before.Decide(q).Show, after.Decide(q).Show; !within(a, b) {
				t.Fatalf("got %v after %v\n%s", a, b, more.yaml())
			}
		}
	})
}

func TestRemovingShowNeverWidens(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := append(drawPolicy(t, 8), drawRule(t, "extra", false))
		fewer := p[:len(p)-1]
		before, after := p.load(t, e), fewer.load(t, e)
		for range 5 {
			q := drawRequest(t)
			if b, a := before.Decide(q).Show, after.Decide(q).Show; !within(a, b) {
				t.Fatalf("got %v after %v\n%s", a, b, p.yaml())
			}
		}
	})
}

func TestOrderAndFilesDoNotMatter(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 8)
		shuffled := refPolicy(rapid.Permutation(p).Draw(t, "order"))
		cut := rapid.IntRange(0, len(p)).Draw(t, "cut")
		one := p.load(t, e)
		second := refPolicy(shuffled[cut:]).yaml()
		two, _, err := policy.Load([]policy.File{
			{Name: "b.yaml", Data: refPolicy(shuffled[:cut]).yaml()}, {Name: "a.yaml", Data: withoutRelations(second)},
		}, e)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			q := drawRequest(t)
			a, b := one.Decide(q), two.Decide(q)
			if !maps.Equal(a.Show, b.Show) || !slices.Equal(a.Rules, b.Rules) || a.DeniedBy != b.DeniedBy {
				t.Fatalf("got %v, want %v\n%s", b, a, p.yaml())
			}
		}
	})
}

func TestNothingBeyondTheUnion(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 8)
		union := gateway.Disclosure{}
		for _, r := range p {
			for f, form := range r.fields {
				if union[f] == "" || union[f].Wider(form) {
					union[f] = form
				}
			}
		}
		q := drawRequest(t)
		if got := p.load(t, e).Decide(q).Show; !within(got, union) {
			t.Fatalf("got %v, want within %v\n%s", got, union, p.yaml())
		}
	})
}

// TestMandateDoesNotHelp adds a rule that shows everything to every party, so
// that only never rules are left to hide anything: whoever acts for a party must
// then miss at least what that party misses.
func TestMandateDoesNotHelp(t *testing.T) {
	e := env(t)
	open := refRule{
		id: "open", to: refSet{roles: gateway.PartyKinds()}, exceptions: []string{"uavg-30-1", "uavg-33"},
		fields: map[gateway.Field]gateway.Form{},
	}
	for _, f := range vocabulary() {
		open.fields[f] = f.Forms()[len(f.Forms())-1]
	}
	rapid.Check(t, func(t *rapid.T) {
		loaded := append(drawPolicy(t, 8), open).load(t, e)
		q := drawRequest(t)
		q.Recipient = drawRecipient(t, 1)
		principal := q
		principal.Recipient = drawRecipient(t, 1)
		q.Recipient.ActsFor = append(q.Recipient.ActsFor, principal.Recipient)
		if holder, own := loaded.Decide(q).Show, loaded.Decide(principal).Show; !within(holder, own) {
			t.Fatalf("got %v for the holder, %v for the principal", holder, own)
		}
	})
}

// TestExplainAgrees holds every line of an explanation against the decision.
func TestExplainAgrees(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 8)
		loaded := p.load(t, e)
		q := drawRequest(t)
		d, x := loaded.Decide(q), loaded.Explain(q)
		if x.Allowed != d.Allowed || x.DeniedBy != d.DeniedBy || x.Text() == "" {
			t.Fatalf("got %v by %q, want %v by %q", x.Allowed, x.DeniedBy, d.Allowed, d.DeniedBy)
		}
		for _, f := range x.Fields {
			want := d.Show[f.Field]
			if want == "" {
				want = gateway.None
			}
			if f.Form != want || (want != gateway.None) == (f.Needs != "") || want != gateway.None && len(f.Rules) == 0 {
				t.Fatalf("field %s: got %s by %v, want %s", f.Field, f.Form, f.Rules, want)
			}
		}
		for _, r := range x.Rules {
			i := slices.IndexFunc(p, func(o refRule) bool { return o.id == r.ID })
			if want := p[i].matches(q); r.Applies != want || r.Applies != (len(r.Because) == 0) {
				t.Fatalf("rule %s: got applies %t (%v), want %t\n%s", r.ID, r.Applies, r.Because, want, p.yaml())
			}
		}
	})
}

// withoutRelations leaves out what a second file may not say again.
func withoutRelations(data []byte) []byte {
	start, end := slices.Index(lines(data), "relations:"), slices.Index(lines(data), "rules:")
	return []byte(join(slices.Delete(lines(data), start, end)))
}
