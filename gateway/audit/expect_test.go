package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/schemas"
)

const (
	today = gateway.Date("2026-11-22")

	self     = gateway.OIN("00000099000000001000")
	rijswijk = gateway.OIN("00000099000000002007")
	dordt    = gateway.OIN("00000099000000002002")
	grs      = gateway.OIN("00000099000000003001")
)

// world is a register with Rijswijk, Dordrecht, and a GRS that acts for Dordrecht
// until the end of the year, and from 2027 for Rijswijk.
func world(t testing.TB) policy.Env {
	t.Helper()
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	capacity := []string{gateway.KindCapacity}
	return policy.Env{Self: self, Lists: lists, Today: today, Parties: []gateway.Party{
		{OIN: self, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		{OIN: rijswijk, Name: "Rijswijk", Kind: gateway.GemeenteKind, Gemeenten: []gateway.GemeenteFor{{Code: "gm0603"}}},
		{OIN: dordt, Name: "Dordrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.GemeenteFor{{Code: "gm0505"}}},
		{OIN: grs, Name: "GR Sociaal", Kind: gateway.GRS, Mandates: []gateway.Mandate{
			{Principal: dordt, Kinds: capacity, ValidUntil: "2026-12-31"}, {Principal: rijswijk, Kinds: capacity, ValidFrom: "2027-01-01"},
		}},
	}}
}

const rules = `policy: smile
party: "00000099000000001000"
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e}, retention: P90D}
relations:
  - {gemeente: gm0603, functionaliteiten: [I]}
  - {gemeente: gm0505, functionaliteiten: [A, I]}
rules:
  - id: relatie
    effect: show
    kinds: [capacity]
    to: {roles: [gemeente]}
    when: {functionaliteit: [A, I]}
    fields: {title: exact, trede: exact, places.available: band}
  - id: toedeling
    effect: show
    kinds: [capacity]
    to: {gemeenten: [gm0505]}
    acting: [own, mandate]
    when: {allotment: sole}
    fields: {allotments: exact, allotments.available: exact, contact: exact}
  - id: later
    effect: show
    kinds: [capacity]
    to: {roles: [grs]}
    when: {from: 2027-03-01, fase: [3]}
    fields: {title: exact}
  - id: nooit-trede
    effect: never
    to: {gemeenten: [gm0603]}
    when: {trajectsoort: [stage, praktijkleren]}
    fields: [trede]
`

func files(expectations string) []policy.File {
	return []policy.File{
		{Name: "policy.yaml", Data: []byte(rules)},
		{Name: "policy_test.yaml", Data: []byte("verwacht:\n" + expectations)},
	}
}

func expect(t testing.TB, expectations string) audit.Expected {
	t.Helper()
	return expectIn(t, files(expectations))
}

func expectIn(t testing.TB, all []policy.File) audit.Expected {
	t.Helper()
	env := world(t)
	p, _, err := policy.Load(all, env)
	if err != nil {
		t.Fatal(err)
	}
	read, err := policy.Expectations(all, env)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Expect(p, read, env)
}

func TestExpectations(t *testing.T) {
	tests := []struct {
		name, row string
		want      []string // problems, in English, without their place
	}{
		{"exact forms", "aan: gm0505, bij: {functionaliteit: A}, ziet: {title: exact, places.available: band, contact: niet}", nil},
		{"another form", "aan: gm0603, bij: {functionaliteit: A}, ziet: {title: exact}",
			[]string{"Rijswijk sees title as none, not as exact (functionaliteit A)"}},
		{"nothing else", "aan: gm0505, bij: {functionaliteit: A}, ziet: {exact: [title, trede], band: places.available}, verder: niets", nil},
		{"something else", "aan: gm0505, bij: {functionaliteit: A}, ziet: {exact: [title, trede]}, verder: niets",
			[]string{"Dordrecht sees places.available as band, not as none (functionaliteit A)"}},
		{"each value of a list", "aan: gm0603, bij: {functionaliteit: [I, A]}, ziet: {title: exact}",
			[]string{"Rijswijk sees title as none, not as exact (functionaliteit A)"}},
		{"a party for which an offer is silent", "aan: gm0603, bij: {functionaliteit: I}, ziet: {trede: exact}", // trajectsoort
			[]string{"Rijswijk sees trede as none, not as exact (functionaliteit I)"}},
		{"a gemeente that is in no register", "aan: gm0637, niets: true", nil},
		{"any gemeente", "aan: gemeente, nooit: [title]", []string{"Rijswijk sees title as exact (functionaliteit I), by rule relatie"}},
		{"an allotment that is shared", "aan: gm0505, bij: {allotment: own}, ziet: {contact: niet}", nil},
		{"an own allotment, which may be the only one", "aan: gm0505, bij: {allotment: own}, nooit: [contact]",
			[]string{"Dordrecht sees contact as exact (allotment sole), by rule toedeling"}},
		{"no allotment", "aan: gm0505, bij: {allotment: none}, nooit: [contact]", nil},
		{"the holder of a mandate", "aan: \"00000099000000003001\", nooit: [contact]",
			[]string{"GR Sociaal sees contact as exact (allotment sole), by rule toedeling"}},
		{"after the mandate", "aan: \"00000099000000003001\", op: 2027-01-01, nooit: [contact]", nil},
		{"a mandate that is only expected", "aan: grs, namens: gm0505, bij: {allotment: sole}, ziet: {contact: exact}", nil},
		{"forbidden under a condition only", "aan: gm0603, nooit: [trede]",
			[]string{"Rijswijk sees trede as exact (trajectsoort participatieplaats, functionaliteit I), by rule relatie"}},
		{"forbidden under that condition", "aan: gm0603, bij: {trajectsoort: [stage, praktijkleren]}, nooit: [trede]", nil},
		{"a rule of a later day", "aan: grs, nooit: [title]", []string{"any grs sees title as exact (fase 3) [2027-03-01], by rule later"}},
		{"not today", "aan: grs, op: 2026-11-22, nooit: [title]", nil},
		{"not for other offers", "aan: grs, bij: {fase: [1]}, nooit: [title]",
			[]string{"any grs sees title as exact (fase 1-3) [2027-03-01], by rule later"}},
		{"at most", "aan: gm0505, hooguit: {places.available: band}", nil},
		{"more than at most", "aan: gm0505, hooguit: {places.available: plek}",
			[]string{"Dordrecht sees places.available as band (functionaliteit A), by rule relatie"}},
		{"nothing", "aan: [public, leerwerkbedrijf, verwijzer], niets: true", nil},
		{"not nothing", "aan: gm0603, bij: {trajectsoort: stage}, niets: true",
			[]string{"Rijswijk sees fields [title places.available] (trajectsoort stage, functionaliteit I), by rule relatie"}},
		{"everyone", "aan: everyone, nooit: [doelgroepen, status]", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, p := range expect(t, "  - {naam: x, "+test.row+"}\n").Failed() {
				if p.Line != 2 || p.File != "policy_test.yaml" || !strings.HasPrefix(p.Dutch, "verwachting komt niet uit: ") {
					t.Errorf("got problem %+v, want one of the row", p)
				}
				got = append(got, strings.TrimPrefix(p.Message, "expectation not met: "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestUncoveredRules(t *testing.T) {
	all := []string{"later", "nooit-trede", "relatie", "toedeling"}
	tests := []struct {
		name, row string
		covers    []string
	}{
		{"an example covers what shows", "aan: gm0505, bij: {functionaliteit: A}, ziet: {title: exact}", []string{"relatie"}},
		{"not what shows other fields", "aan: gm0505, bij: {allotment: sole}, ziet: {title: niet}", nil},
		{"an example covers what forbids", "aan: gm0603, bij: {functionaliteit: I, trajectsoort: stage}, ziet: {trede: niet}", []string{"nooit-trede"}},
		{"an invariant covers what forbids", "aan: gm0603, bij: {trajectsoort: stage}, nooit: [trede]", []string{"nooit-trede"}},
		{"a bound covers what shows", "aan: gm0505, hooguit: {places.available: band}", []string{"relatie"}},
		{"what does not hold covers nothing", "aan: gm0603, bij: {functionaliteit: A}, ziet: {title: exact}", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range expect(t, "  - {naam: x, "+test.row+"}\n").Uncovered {
				got = append(got, r.ID)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(test.covers, id) })
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestLoadExpected(t *testing.T) {
	for _, test := range []struct{ name, row, want string }{
		{"met", "aan: grs, bij: {allotment: none}, op: 2026-11-22, niets: true", ""},
		{"not met", "aan: grs, nooit: [title]", "policy_test.yaml:2:33: expectation not met: any grs sees title as exact (fase 3) [2027-03-01], by rule later"},
		{"not readable", "aan: gm0505, nooit: [tilte]", `policy_test.yaml:2:36: unknown field "tilte" (did you mean title?)`},
	} {
		p, _, err := audit.LoadExpected(files("  - {naam: x, "+test.row+"}\n"), world(t))
		if problems, _ := errors.AsType[policy.Problems](err); (p != nil) != (test.want == "") || problems.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	if _, _, err := audit.LoadExpected(files("")[:1], world(t)); err != nil {
		t.Errorf("without expectations: %v", err)
	}
}

// TestTooMuchToDecide fails what it cannot decide.
func TestTooMuchToDecide(t *testing.T) {
	env := world(t)
	var b strings.Builder
	b.WriteString(rules)
	for i, g := range env.Lists["gemeente"].Codes {
		list := func(name string) string { return env.Lists[name].Codes[i%len(env.Lists[name].Codes)].Code }
		fmt.Fprintf(&b, "  - {id: r%d, effect: never, to: everyone, fields: [title], when: {trajectsoort: %s, grondslag: %s, doelgroep: %s, location-gemeente: %s, functionaliteit: %s, fase: 1, allotment: own}}\n",
			i, list("trajectsoort"), list("grondslag"), list("doelgroep"), g.Code, list("functionaliteit"))
	}
	all := files("  - {naam: x, aan: gm0505, nooit: [title]}\n")
	all[0].Data = []byte(b.String())
	_, _, err := audit.LoadExpected(all, env)
	if err == nil || !strings.Contains(err.Error(), "combinations to decide") {
		t.Errorf("got %v, want too many combinations", err)
	}
}
