package policy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

const header = "policy: smile\nparty: \"00000099000000001000\"\n" +
	"defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e}, retention: P90D}\n"

func text(rules string) policy.File {
	return policy.File{Name: "p.yaml", Data: []byte(header + "rules:\n" + rules)}
}

// TestWarnings loads rules that are right and match nothing today.
func TestWarnings(t *testing.T) {
	show := "  - {id: a, effect: show, kinds: [capacity], to: {%s}, when: {%s}, fields: {title: exact}}\n"
	tests := []struct{ name, to, when, want string }{
		{"gemeente that merged", "gemeenten: [gm0501, gm0482]", "fase: [1]",
			`p.yaml:5:63: code "gm0501" of code list gemeente is not valid today and matches nothing`},
		{"law that ended", "roles: [gemeente]", "grondslag: [wwb]",
			`p.yaml:5:90: code "wwb" of code list grondslag is not valid today and matches nothing`},
		{"rule that ended", "roles: [gemeente]", "until: 2026-11-21", "p.yaml:5:85: this rule ended before today"},
		{"referral state", "roles: [gemeente]", "referral-state: [gestart]",
			"p.yaml:5:5: an offer has no referral state: this rule matches nothing"},
		{"nothing performed", "roles: [gemeente]", "functionaliteit: [A]",
			"p.yaml:5:5: no relation has one of these functionaliteiten: this rule matches nobody"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, warnings, err := policy.Load([]policy.File{text(fmt.Sprintf(show, test.to, test.when))}, env(t))
			if err != nil || len(warnings) != 1 || warnings[0].String() != test.want {
				t.Errorf("got %v and %v, want %s", warnings, err, test.want)
			}
		})
	}
}

// TestExpiredTermsMatchNothing shows by a term that has no meaning any more, and
// forbids by one.
func TestExpiredTermsMatchNothing(t *testing.T) {
	p := load(t, env(t), text(`
  - {id: merged, effect: show, kinds: [capacity], to: {gemeenten: [gm0501]}, fields: {title: exact}}
  - {id: law, effect: show, kinds: [capacity], to: {roles: [gemeente]}, when: {grondslag: [wwb]}, fields: {title: exact}}
  - {id: fine, effect: show, kinds: [capacity], to: {roles: [gemeente]}, fields: {title: exact, contact: exact}}
  - {id: never, effect: never, to: {gemeenten: [gm0501]}, when: {grondslag: [wwb]}, fields: [contact]}
`))
	offer := groen()
	offer.Grondslag = "wwb"
	brielle := gateway.Recipient{Party: dordrecht, Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0501"}}
	d := p.Decide(policy.Request{Kind: gateway.KindCapacity, Offer: offer, Recipient: brielle, Day: today})
	if got, want := sight(d)+" by "+strings.Join(d.Rules, " "), "exact: title by fine"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRebind reads a good policy again after the world has changed.
func TestRebind(t *testing.T) {
	e := env(t)
	p := load(t, e, text(`
  - {id: a, effect: show, kinds: [capacity], to: {parties: ["00000099000000002002"]}, fields: {title: exact}}
  - {id: b, effect: show, kinds: [capacity], to: {gemeenten: [gm0482]}, fields: {title: exact}}
  - {id: c, effect: show, kinds: [capacity], to: {gemeenten: [gm0590]}, purpose: inkoop, fields: {title: exact}}
  - {id: d, effect: show, kinds: [capacity], to: {gemeenten: [gm1978, gm0505]}, fields: {title: exact, contact: exact}}
  - {id: e, effect: never, to: {parties: ["00000099000000002002"]}, fields: [contact]}
`))
	decide := func(p *policy.Policy, to gateway.OIN) string {
		d := p.Decide(policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, to, today), Day: today})
		return strings.TrimSpace(sight(d) + " " + strings.Join(d.Rules, " "))
	}
	before := map[gateway.OIN]string{
		dordrecht: "exact: title a d", alblasserdam: "exact: title b", papendrecht: "exact: title c", molenlanden: "exact: title contact d",
	}
	for to, want := range before {
		if got := decide(p, to); got != want {
			t.Errorf("before: %s got %s, want %s", to, got, want)
		}
	}
	e.Party = func(oin gateway.OIN) (gateway.Party, bool) {
		if oin == dordrecht {
			return gateway.Party{}, false
		}
		return lookup(oin)
	}
	e.Lists = gateway.CodeLists{}
	for name, l := range env(t).Lists {
		var kept []gateway.Code
		for _, c := range l.Codes {
			switch {
			case name == "gemeente" && c.Code == "gm0482": // gone
				continue
			case name == "doel" && c.Code == "inkoop": // ended
				c.ValidUntil = "2026-11-21"
			}
			kept = append(kept, c)
		}
		l.Codes = kept
		e.Lists[name] = l
	}
	e.Class = func(f gateway.Field) gateway.DataClass { return gateway.Gewoon }
	again, warnings := p.Rebind(e)
	want := []string{
		`p.yaml:6:61: party "00000099000000002002" is not in the register any more; it matches nothing`,
		`p.yaml:7:63: code "gm0482" is not in code list gemeente any more; it matches nothing`,
		`p.yaml:8:82: code "inkoop" of code list doel is not valid today and matches nothing`,
		`p.yaml:10:43: party "00000099000000002002" is not in the register any more; it matches nothing`,
	}
	if len(warnings) != len(want) {
		t.Fatalf("got %d warnings %v, want %d", len(warnings), warnings, len(want))
	}
	for i := range want {
		if got := warnings[i].String(); got != want[i] {
			t.Errorf("warning %d: got %s, want %s", i, got, want[i])
		}
	}
	for to, want := range map[gateway.OIN]string{
		dordrecht: "exact: title d", alblasserdam: "denied by default",
		papendrecht: "denied by default", molenlanden: "exact: title contact d",
	} {
		if got := decide(again, to); got != want {
			t.Errorf("after: %s got %s, want %s", to, got, want)
		}
	}
	if again.Version() != p.Version() {
		t.Errorf("version: got %s, want %s", again.Version(), p.Version())
	}
	if got := decide(p, dordrecht); got != before[dordrecht] {
		t.Errorf("the old policy changed: got %s", got)
	}
}

// TestRebindToStricterClass takes a field away from rules without an exception.
func TestRebindToStricterClass(t *testing.T) {
	e := env(t)
	p := load(t, e, text("  - {id: a, effect: show, kinds: [capacity], to: {gemeenten: [gm0505]}, fields: {title: exact}}\n"))
	e.Class = func(gateway.Field) gateway.DataClass { return gateway.Strafrechtelijk }
	again, warnings := p.Rebind(e)
	if len(warnings) != 1 || !strings.Contains(warnings[0].Message, "class strafrechtelijk") {
		t.Errorf("got warnings %v", warnings)
	}
	q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, dordrecht, today), Day: today}
	if got := sight(again.Decide(q)); got != "denied by default" {
		t.Errorf("got %s", got)
	}
}

// TestVersion is what a shell computes: sha256sum *.yaml | sha256sum.
func TestVersion(t *testing.T) {
	e := env(t)
	a := policy.File{Name: "a.yaml", Data: []byte(header)}
	b := policy.File{Name: "b.yaml", Data: []byte(header + "# second\n")}
	expectations := policy.File{Name: "a_test.yaml", Data: []byte("not a policy")}
	shell := func(files ...policy.File) string {
		out := ""
		for _, f := range files {
			out += fmt.Sprintf("%x  %s\n", sha256.Sum256(f.Data), f.Name)
		}
		sum := sha256.Sum256([]byte(out))
		return hex.EncodeToString(sum[:])
	}
	if got, want := load(t, e, b, expectations, a).Version(), shell(a, b); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := load(t, e, a).Version(); got == load(t, e, policy.File{Name: "a.yaml", Data: b.Data}).Version() {
		t.Error("another file has the same version")
	}
}

func TestEmptyPolicyDeniesAll(t *testing.T) {
	for name, files := range map[string][]policy.File{
		"no files": nil, "no rules": {{Name: "p.yaml", Data: []byte(header)}}, "empty lists": {text("  []\naccept: []\n")},
	} {
		p := load(t, env(t), files...)
		q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, dordrecht, today), Day: today}
		if d := p.Decide(q); d.Allowed || d.DeniedBy != "default" {
			t.Errorf("%s: got %v by %q", name, d.Allowed, d.DeniedBy)
		}
		if d := p.Admit(q.Recipient, "", gateway.KindCapacity, today); d.Allowed || d.DeniedBy != "default" {
			t.Errorf("%s: admits %v by %q", name, d.Allowed, d.DeniedBy)
		}
	}
}

func TestShortestRetentionCounts(t *testing.T) {
	rule := "  - {id: %s, effect: show, kinds: [capacity], to: {roles: [gemeente]}, retention: %s, fields: {title: exact}}\n"
	for _, test := range [][2]string{{"P1W", "P8D"}, {"P31D", "P2M"}, {"P1M", "P31D"}, {"P364D", "P1Y"}, {"P1Y", "P53W"}} {
		for _, ids := range [][2]string{{"a", "b"}, {"b", "a"}} {
			p := load(t, env(t), text(fmt.Sprintf(rule, ids[0], test[0])+fmt.Sprintf(rule, ids[1], test[1])))
			q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, dordrecht, today), Day: today}
			if got := p.Decide(q).Retention; got != test[0] {
				t.Errorf("%s and %s: got %s, want %s", test[0], test[1], got, test[0])
			}
		}
	}
}
