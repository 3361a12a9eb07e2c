package policy_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

const people = `
policy: mensen
party: "00000099000000001000"
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
rules:
  - id: verwijzen
    effect: show
    kinds: [referral]
    to: {roles: [leerwerkbedrijf]}
    fields: {exact: [fase, note]}
  - id: verwijzen-wmo
    effect: show
    kinds: [referral]
    to: {roles: [leerwerkbedrijf]}
    when: {grondslag: [wmo-2015]}
    fields: {exact: [begeleiding]}
  - id: verwijzen-bijzonder
    effect: show
    kinds: [referral]
    to: {parties: ["00000099000000001001"]}
    exception: [avg-9-2-h]
    fields: {exact: [fase]}
  - id: overdracht
    effect: show
    kinds: [handover]
    to: {roles: [leerwerkbedrijf]}
    when: {referral-state: [geaccepteerd, overdracht-gevraagd]}
    fields: {exact: [phone, guidance]}
  - id: rechten
    effect: show
    kinds: [subject-request, subject-answer]
    to: {roles: [leerwerkbedrijf]}
    fields: {exact: [explanation]}
  - id: nooit-trede
    effect: never
    kinds: [referral]
    to: everyone
    fields: [trede, note]
  - id: nooit-uwv
    effect: never
    to: {parties: ["00000099000000004001"]}
    fields: all
`

func TestTell(t *testing.T) {
	p := load(t, env(t), policy.File{Name: "p.yaml", Data: []byte(people)})
	to := func(oin gateway.OIN) gateway.Recipient { return recipient(t, oin, today) }
	for _, c := range []struct {
		name   string
		q      policy.Personal
		fields string
		by     string
	}{
		{"a referral", policy.Personal{Kind: gateway.KindReferral, Recipient: to(drechtwerk)}, "fase", ""},
		{"under another law", policy.Personal{Kind: gateway.KindReferral, Recipient: to(drechtwerk), Grondslag: "wmo-2015"}, "fase begeleiding", ""},
		{"to a gemeente", policy.Personal{Kind: gateway.KindReferral, Recipient: to(dordrecht)}, "", "default"},
		{"to the public", policy.Personal{Kind: gateway.KindReferral, Recipient: gateway.Recipient{Public: true}}, "", "default"},
		{"who is forbidden", policy.Personal{Kind: gateway.KindReferral, Recipient: to(uwv)}, "", "nooit-uwv"},
		{"a special class", policy.Personal{Kind: gateway.KindReferral, Recipient: to(drechtwerk), Classes: []gateway.DataClass{gateway.Bijzonder}}, "fase", ""},
		{"a criminal class", policy.Personal{Kind: gateway.KindReferral, Recipient: to(drechtwerk), Classes: []gateway.DataClass{gateway.Strafrechtelijk}}, "", "default"},
		{"what an inhabitant of a class asks", policy.Personal{Kind: gateway.KindSubjectRequest, Recipient: to(drechtwerk), Classes: []gateway.DataClass{gateway.Strafrechtelijk}}, "explanation", ""},
		{"a handover too soon", policy.Personal{Kind: gateway.KindHandover, Recipient: to(drechtwerk), Status: gateway.Requested}, "", "default"},
		{"a handover of nothing yet", policy.Personal{Kind: gateway.KindHandover, Recipient: to(drechtwerk)}, "", "default"},
		{"a handover", policy.Personal{Kind: gateway.KindHandover, Recipient: to(drechtwerk), Status: gateway.Accepted}, "phone guidance", ""},
		{"a state", policy.Personal{Kind: gateway.KindReferralState, Recipient: to(dordrecht)}, "", "default"},
		{"an offer", policy.Personal{Kind: gateway.KindCapacity, Recipient: to(drechtwerk)}, "", "default"},
	} {
		c.q.Day = today
		told := p.Tell(c.q)
		var fields []string
		for _, f := range told.Fields {
			fields = append(fields, string(f))
		}
		if got := strings.Join(fields, " "); told.Allowed != (c.by == "") || got != c.fields || told.DeniedBy != c.by {
			t.Errorf("%s: got %t %q by %q, want %q by %q", c.name, told.Allowed, got, told.DeniedBy, c.fields, c.by)
		}
		if told.Allowed && (len(told.Rules) == 0 || told.Purpose == "" || told.Retention == "" || len(told.Basis) == 0) {
			t.Errorf("%s: got %v, want rules, purpose, basis and retention", c.name, told.Decision)
		}
	}
	if policy.DenyAll().Tell(policy.Personal{Kind: gateway.KindReferral, Recipient: to(drechtwerk), Day: today}).Allowed {
		t.Error("a policy that could not be loaded tells of a person")
	}
}

func TestBadPersonalRules(t *testing.T) {
	for name, c := range map[string][3]string{
		"handover without a state":   {"when: {referral-state: [geaccepteerd, overdracht-gevraagd]}", "", "referral-state"},
		"handover before acceptance": {"[geaccepteerd, overdracht-gevraagd]", "[aangemeld]", "aangemeld"},
		"a field of another kind":    {"[phone, guidance]", "[phone, fase]", "fase"},
		"a band":                     {"fields: {exact: [fase, note]}", "fields: {band: [fase]}", "exact"},
		"to the public":              {"to: {roles: [leerwerkbedrijf]}", "to: {public: true}", "genoemde partij"},
		"to everyone":                {"to: {roles: [leerwerkbedrijf]}", "to: everyone", "genoemde partij"},
		"an offer's condition":       {"when: {grondslag: [wmo-2015]}", "when: {allotment: [own]}", "allotment"},
		"two sorts of kinds":         {"kinds: [referral]", "kinds: [referral, capacity]", "capacity"},
		"no retention":               {", retention: P90D", "", "retention"},
	} {
		_, _, err := policy.Load([]policy.File{{Name: "p.yaml", Data: []byte(strings.Replace(people, c[0], c[1], 1))}}, env(t))
		problems, _ := err.(policy.Problems)
		if !slices.ContainsFunc(problems, func(p policy.Problem) bool { return strings.Contains(p.Dutch, c[2]) && p.Line > 0 }) {
			t.Errorf("%s: got %v, want a problem about %q with its line", name, err, c[2])
		}
	}
}

// TestExplainPersonal holds that an explanation says of each rule and field what
// Tell answers, and why not.
func TestExplainPersonal(t *testing.T) {
	p := load(t, env(t), policy.File{Name: "p.yaml", Data: []byte(people)})
	parties := []gateway.OIN{drechtwerk, dordrecht, uwv}
	rapid.Check(t, func(r *rapid.T) {
		q := policy.Personal{
			Kind:      rapid.SampledFrom([]string{gateway.KindReferral, gateway.KindReferralState, gateway.KindHandover}).Draw(r, "kind"),
			Recipient: recipient(t, rapid.SampledFrom(parties).Draw(r, "to"), today), Day: today,
			Status:    rapid.SampledFrom([]gateway.ReferralStatus{"", gateway.Requested, gateway.Accepted}).Draw(r, "status"),
			Grondslag: rapid.SampledFrom([]string{"", "wmo-2015", "participatiewet"}).Draw(r, "grondslag"),
			Classes:   rapid.SampledFrom([][]gateway.DataClass{nil, {gateway.Bijzonder}, {gateway.Strafrechtelijk}}).Draw(r, "classes"),
		}
		told, x := p.Tell(q), p.ExplainPersonal(q)
		if x.Allowed != told.Allowed || x.DeniedBy != told.DeniedBy || !strings.Contains(x.Text(), "over een persoon") {
			t.Fatalf("got %+v, want %+v", x, told)
		}
		for _, f := range x.Fields {
			shown := slices.Contains(told.Fields, f.Field)
			if (f.Form == gateway.Exact) != shown || shown != (f.Needs == "") || shown && len(f.Rules) == 0 {
				t.Fatalf("%+v: got %+v, want shown %t", q, f, shown)
			}
		}
		for _, rule := range x.Rules {
			if rule.Applies && rule.Effect == "show" && told.DeniedBy != "nooit-uwv" && !slices.Contains(told.Rules, rule.ID) ||
				rule.Applies != (len(rule.Because) == 0) || !rule.Applies && slices.Contains(told.Rules, rule.ID) {
				t.Fatalf("%+v: got %+v, but the answer is by %v", q, rule, told.Rules)
			}
		}
	})
	x := p.ExplainPersonal(policy.Personal{Kind: gateway.KindHandover, Recipient: recipient(t, drechtwerk, today), Day: today, Status: gateway.Requested})
	for _, want := range []string{
		"dit mag niet; geen enkele regel staat het toe", "telefoon, e-mail, adres, postcode, bereikbaarheid, begeleiding: geen regel die hier geldt, toont dit",
		"Regel overdracht zou dit tonen, maar geldt hier niet: de regel gaat over verwijzingen in de stand Geaccepteerd (geaccepteerd)",
	} {
		if !strings.Contains(x.Text(), want) {
			t.Errorf("got\n%s\nwant %q", x.Text(), want)
		}
	}
}
