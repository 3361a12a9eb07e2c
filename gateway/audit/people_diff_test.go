package audit_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

const peopleBefore = `rules:
  - {id: v, effect: show, kinds: [referral], to: {roles: [leerwerkbedrijf]}, fields: {exact: [fase, note]}}
  - {id: o, effect: show, kinds: [handover], to: {roles: [leerwerkbedrijf]}, when: {referral-state: [geaccepteerd]}, fields: {exact: [phone]}}
  - {id: n, effect: never, kinds: [referral], to: everyone, fields: [note]}
accept:
  - {id: c, from: {roles: [leerwerkbedrijf]}, kinds: [capacity]}
`

// TestDiffOfPeople has each kind of change in what is told of persons.
func TestDiffOfPeople(t *testing.T) {
	e := env(t)
	for _, test := range []struct {
		name, old, new string // in the text of peopleBefore
		widens         bool
		want           []string
	}{
		{"field more", "[fase, note]", "[fase, trede, note]", true, []string{"Verwijzing aan Smile", "[ruimer] trede gaat nu mee"}},
		{"field less", "[phone]", "[email]", true, []string{"Warme overdracht aan", "als stand: Geaccepteerd", "[beperkter] telefoon gaat niet meer mee", "[ruimer] e-mail gaat nu mee", "wordt teruggevraagd"}},
		{"state more", "[geaccepteerd]", "[geaccepteerd, gestart]", true, []string{"als stand: Gestart", "[ruimer] mag nu gaan"}},
		{"never no more", "fields: [note]}", "fields: [trede]}", true, []string{"[ruimer] toelichting gaat nu mee"}},
		{"class more", "fields: {exact: [fase, note]}}", "fields: {exact: [fase, note]}, exception: [avg-9-2-h]}", true,
			[]string{"als naar aanbod dat alleen voor bijzondere doelgroepen is: klasse bijzonder", "mag nu gaan"}},
		{"later", "fields: {exact: [phone]}}", "fields: {exact: [phone]}}\n  - {id: l, effect: show, kinds: [handover], to: {roles: [leerwerkbedrijf]}, " +
			"when: {referral-state: [geaccepteerd], from: 2027-01-01, until: 2027-03-31}, fields: {exact: [address]}}", true,
			[]string{"vanaf 2027-01-01 en vóór 2027-04-01", "[ruimer] adres gaat nu mee"}},
		{"under a law", "{id: n, effect: never, kinds: [referral]", "{id: n2, effect: never, kinds: [referral], to: everyone, when: {grondslag: [wmo-2015]}, fields: [fase]}\n  - {id: n, effect: never, kinds: [referral]",
			false, []string{"als grondslag: ", " of niet genoemd", "[beperkter] fase gaat niet meer mee"}},
		{"whole kind less", "{id: n, effect: never, kinds: [referral], to: everyone, fields: [note]}", "{id: n, effect: never, to: everyone, fields: all}", false,
			[]string{"Verwijzing aan", "[beperkter] mag niet meer gaan", "wordt teruggevraagd", "toont nergens meer"}},
		{"longer", "[phone]}}", "[phone]}, retention: P1Y}", true, []string{"[ruimer] bewaren: was ten hoogste 90 dagen, wordt ten hoogste 1 jaar"}},
		{"purpose", "[phone]}}", "[phone]}, purpose: afstemming}", true, []string{"[anders] doel: was "}},
		{"accept states", "kinds: [capacity]}", "kinds: [capacity, referral-state]}", false, []string{"berichten van soort referral-state van Smile nemen wij nu aan"}},
		{"order", "rules:", "# anders\nrules:", false, []string{"Er verandert niets"}},
		{"renamed", "{id: v,", "{id: verwijzen,", false, []string{"Er verandert niets"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			next := strings.Replace(peopleBefore, test.old, test.new, 1)
			if next == peopleBefore {
				t.Fatal("the test changes nothing")
			}
			d := peopleDiff(t, e, peopleBefore, next)
			for _, want := range test.want {
				if !strings.Contains(d.Text(), want) {
					t.Errorf("got\n%s\nwant it to hold %q", d.Text(), want)
				}
			}
			if d.Widens() != test.widens || d.Empty() != (test.want[0] == "Er verandert niets") {
				t.Errorf("got widens %t, empty %t\n%s", d.Widens(), d.Empty(), d.Text())
			}
		})
	}
}

// peopleDiff compares for all parties but the one whose policy it is: here a
// gemeente refers.
func peopleDiff(t testing.TB, e policy.Env, old, next string) audit.Diff {
	t.Helper()
	e.Self = alblasserdam
	was, is := load(t, e, referrer(old)), load(t, e, referrer(next))
	d, err := audit.NewDiff(was, is, today, slices.Concat(audit.Recipients(e, today), audit.Newcomers(today, was, is)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func referrer(rules string) []byte {
	return []byte(strings.Replace(string(ruled(rules)), string(smile), string(alblasserdam), 1))
}

// TestNoDiffOfPeopleIsNone draws changes of the rules and questions: where one is
// answered otherwise, the difference says so; and wider where it is.
func TestNoDiffOfPeopleIsNone(t *testing.T) {
	e := env(t)
	e.Self = alblasserdam
	recipients := audit.Recipients(e, today)
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) (*policy.Policy, string) {
			text := "rules:\n"
			for i := range rapid.IntRange(1, 4).Draw(r, name) {
				text += "  - {id: r" + string(rune('a'+i)) + ", " + rapid.SampledFrom([]string{
					"effect: show, kinds: [referral], to: {roles: [leerwerkbedrijf]}, fields: {exact: [fase]}",
					"effect: show, kinds: [referral], to: {roles: [leerwerkbedrijf]}, exception: [avg-9-2-h], fields: {exact: [trede, note]}",
					"effect: show, kinds: [referral], to: {roles: [leerwerkbedrijf]}, when: {grondslag: [wmo-2015]}, fields: {exact: [note]}",
					"effect: show, kinds: [handover], to: {roles: [leerwerkbedrijf]}, when: {referral-state: [geaccepteerd, gestart]}, fields: {exact: [phone]}",
					"effect: show, kinds: [handover], to: {roles: [leerwerkbedrijf]}, when: {referral-state: [gestart], until: 2027-01-31}, fields: {exact: [email]}",
					"effect: never, kinds: [referral], to: everyone, when: {trajectsoort: [stage]}, fields: [note]",
					"effect: never, to: {roles: [leerwerkbedrijf]}, when: {from: 2027-02-01}, fields: all",
				}).Draw(r, name) + "}\n"
			}
			return load(t, e, referrer(text)), text
		}
		was, old := draw("old")
		is, next := draw("next")
		d, err := audit.NewDiff(was, is, today, recipients)
		if err != nil {
			t.Fatal(err)
		}
		q := policy.Personal{
			Kind:         rapid.SampledFrom([]string{gateway.KindReferral, gateway.KindHandover}).Draw(r, "kind"),
			Recipient:    rapid.SampledFrom(recipients).Draw(r, "to"),
			Day:          rapid.SampledFrom([]gateway.Date{today, "2027-01-31", "2027-02-01", "2030-01-01"}).Draw(r, "day"),
			Grondslag:    rapid.SampledFrom([]string{"", "wmo-2015", "participatiewet"}).Draw(r, "grondslag"),
			Trajectsoort: rapid.SampledFrom([]string{"", "stage", "leerwerkplek"}).Draw(r, "trajectsoort"),
			Classes:      rapid.SampledFrom([][]gateway.DataClass{nil, {gateway.Bijzonder}, {gateway.Strafrechtelijk}}).Draw(r, "classes"),
		}
		if q.Kind == gateway.KindHandover {
			q.Status = rapid.SampledFrom(gateway.ReferralStatuses()).Draw(r, "status")
		}
		a, b := was.Tell(q), is.Tell(q)
		more := b.Allowed && !a.Allowed || slices.ContainsFunc(b.Fields, func(f gateway.Field) bool { return !slices.Contains(a.Fields, f) })
		less := a.Allowed && !b.Allowed || slices.ContainsFunc(a.Fields, func(f gateway.Field) bool { return !slices.Contains(b.Fields, f) })
		if (more || less) && len(d.People) == 0 || more && !d.Widens() {
			t.Fatalf("got\n%s\nbut %+v is answered %v, then %v, by\n%s\n%s", d.Text(), q, a, b, old, next)
		}
	})
}
