package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
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
    to: {roles: [gemeente, verwijzer]}
    fields: {exact: [fase]}
  - id: wmo
    effect: show
    kinds: [referral]
    to: {roles: [gemeente]}
    when: {grondslag: [wmo-2015]}
    fields: {exact: [begeleiding]}
  - id: overdracht
    effect: show
    kinds: [handover]
    to: {roles: [verwijzer]}
    exception: [avg-9-2-h]
    when: {referral-state: [geaccepteerd, gestart]}
    fields: {exact: [phone]}
`

// TestPeople holds that the rows of the matrix about persons are what policy
// answers, for everybody in every case, and each case in one row at most.
func TestPeople(t *testing.T) {
	e := env(t)
	p, _, err := policy.Load([]policy.File{{Name: "p.yaml", Data: []byte(people)}}, e)
	if err != nil {
		t.Fatal(err)
	}
	recipients := audit.Recipients(e, e.Today)
	m, err := audit.NewMatrix(p, audit.NewAbout(p, e, 1, e.Today), recipients)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := m.Text(&b); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "## Over personen\n")
	for _, want := range []string{
		"Verwijzing aan ", "grondslag: " + e.Lists.Label("grondslag", "wmo-2015"), "een andere of niet genoemd",
		"stand: Geaccepteerd of Gestart; niet naar aanbod dat alleen voor doelgroepen van klasse strafrechtelijk is",
		"het minste dat nodig is, en telefoon", "bewaren: ten hoogste 90 dagen na afloop",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q in it", got, want)
		}
	}
	if strings.Contains(got, "publiek") {
		t.Error("the public is told of persons")
	}
	for _, r := range recipients {
		for _, grondslag := range []string{"wmo-2015", "participatiewet", ""} {
			told := p.Tell(policy.Personal{Kind: gateway.KindReferral, Recipient: r, Day: e.Today, Grondslag: grondslag})
			want := 0
			if told.Allowed {
				want = 1
			}
			if n := rowsFor(m, p, r, grondslag, told.Fields); n != want {
				t.Errorf("%s, grondslag %q: got %d rows, want %d", r.Party, grondslag, n, want)
			}
		}
	}
}

// rowsFor counts the rows of referrals to a recipient under a grondslag that show
// some fields.
func rowsFor(m audit.Matrix, p *policy.Policy, r gateway.Recipient, grondslag string, fields []gateway.Field) (n int) {
	for _, row := range m.People {
		when := strings.Join(row.Conditions, ";")
		wmo := strings.Contains(when, "grondslag: "+p.Env().Lists.Label("grondslag", "wmo-2015"))
		fits := !strings.Contains(when, "grondslag:") || wmo == (grondslag == "wmo-2015")
		if row.Kind == gateway.KindReferral && slices.Contains(row.Recipients, p.PartyName(r.Party)) && fits &&
			fmt.Sprint(row.Fields) == fmt.Sprint(fields) {
			n++
		}
	}
	return n
}
