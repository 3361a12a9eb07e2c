package audit_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

func ruled(rules string) []byte {
	return []byte(`policy: p
party: "00000099000000001000"
description: test
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
` + rules)
}

const before = `rules:
  - {id: a, effect: show, kinds: [capacity], to: {roles: [gemeente]}, fields: {exact: [title, contact], band: [places.available]}}
  - {id: g, effect: show, kinds: [capacity], to: {roles: [grs]}, fields: {exact: [title]}}
accept:
  - {id: c, from: {roles: [verwijzer]}, kinds: [capacity]}
`

func diffOf(t *testing.T, e policy.Env, old, next string) audit.Diff {
	t.Helper()
	d, err := audit.NewDiff(load(t, e, ruled(old)), load(t, e, ruled(next)), today, audit.Recipients(e, today))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each kind of change: what is said of it, and whether it widens.
func TestDiff(t *testing.T) {
	e := env(t)
	for _, test := range []struct {
		name, old, new string // in the text of before
		widens         bool
		want           []string
	}{
		{"field more", "exact: [title, contact]", "exact: [title, contact, trede]", true,
			[]string{"Alblasserdam, Molenlanden en Papendrecht\n  [ruimer] trede: was niet te zien, wordt zoals het is"}},
		{"field less", "exact: [title, contact]", "exact: [title]", false,
			[]string{"[beperkter] contactpersoon: was zoals het is, wordt niet te zien", "toont nergens meer"}},
		{"under a condition", "accept:", "  - {id: n, effect: never, to: {gemeenten: [gm0482]}, when: {trajectsoort: [stage]}, fields: [title]}\naccept:", false,
			[]string{"Alblasserdam\n  als trajectsoort: Stage (stage), of niet ingevuld\n", "GR Sociaal\n  als trajectsoort: ", "[beperkter] titel"}},
		{"purpose", "exact: [title]}", "exact: [title]}, purpose: afstemming", true, []string{"GR Sociaal\n  [anders] doel: was "}},
		{"basis", "exact: [title]}", "exact: [title]}, basis: {avg: avg-6-1-c}", true, []string{"[anders] grondslag: was "}},
		{"longer", "exact: [title]}", "exact: [title]}, retention: P1Y", true, []string{"[ruimer] bewaren: was ten hoogste 90 dagen, wordt ten hoogste 1 jaar"}},
		{"shorter", "exact: [title]}", "exact: [title]}, retention: P30D", false, []string{"[beperkter] bewaren"}},
		{"nobody left", "{roles: [grs]}", "{roles: [verwijzer]}", true, []string{"UWV\n  [ruimer] titel", "GR Sociaal\n", "[beperkter] titel"}},
		{"accept more", "kinds: [capacity]}\n\x00", "kinds: [capacity, capacity-state]}\n\x00", false,
			[]string{"[ruimer] berichten van soort capacity-state van UWV nemen wij nu aan"}},
		{"accept less", "{roles: [verwijzer]}", "{roles: [grs]}", false,
			[]string{"[beperkter] berichten van soort capacity van UWV nemen wij niet meer aan", "van GR Sociaal nemen wij nu aan"}},
		{"accept for a principal", "from: {roles: [verwijzer]}", "from: {gemeenten: [gm0482]}, acting: [own, mandate]", false,
			[]string{"berichten van soort capacity van GR Sociaal namens Alblasserdam nemen wij nu aan"}},
		{"form", "rules:", "# niets\nrules:", false, []string{"Er verandert niets"}},
		{"renamed", "{id: a,", "{id: heel-anders,", false, []string{"Er verandert niets"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			next := strings.TrimSuffix(strings.Replace(before+"\x00", test.old, test.new, 1), "\x00")
			if next == before {
				t.Fatal("the test changes nothing")
			}
			d := diffOf(t, e, before, next)
			for _, want := range test.want {
				if !strings.Contains(d.Text(), want) {
					t.Errorf("got\n%s\nwant it to hold %q", d.Text(), want)
				}
			}
			if d.Widens() != test.widens || d.Empty() != (test.want[0] == "Er verandert niets") {
				t.Errorf("got widens %t, empty %t", d.Widens(), d.Empty())
			}
		})
	}
}

// Of real offers only what differs for one of them is told, once for all who see
// it so.
func TestDiffOfOffers(t *testing.T) {
	e := env(t)
	next := strings.Replace(before, "accept:", "  - {id: n, effect: never, to: {roles: [gemeente]}, when: {trajectsoort: [stage]}, fields: [contact]}\naccept:", 1)
	offers := []gateway.Offer{
		{ID: "a-1", Provider: smile, Trajectsoort: "stage"}, {ID: "a-2", Provider: smile, Trajectsoort: "leerwerkplek"}, {ID: "a-3", Provider: smile},
	}
	d := audit.NewOffersDiff(load(t, e, ruled(before)), load(t, e, ruled(next)), today, audit.Recipients(e, today), offers)
	if got, want := d.Text(), "Alblasserdam, Molenlanden en Papendrecht\n  van aanbod a-1 en a-3\n  [beperkter] contactpersoon: was zoals het is, wordt niet te zien"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %q", got, want)
	}
	if strings.Contains(d.Text(), "a-2") {
		t.Errorf("got a-2, which changes for nobody:\n%s", d.Text())
	}
}

// Whom the register does not have yet is looked at as well: what a policy gives to a
// gemeente that may join widens it.
func TestDiffForNewcomers(t *testing.T) {
	e := env(t)
	next := strings.Replace(before, "accept:", "  - {id: n, effect: show, kinds: [capacity], to: {gemeenten: [gm0637]}, fields: {exact: [trede]}}\naccept:", 1)
	was, is := load(t, e, ruled(before)), load(t, e, ruled(next))
	for who, recipients := range map[string][]gateway.Recipient{
		"": audit.Recipients(e, today), "een nieuwe partij voor gemeente Zoetermeer": append(audit.Recipients(e, today), audit.Newcomers(today, was, is)...),
	} {
		d, err := audit.NewDiff(was, is, today, recipients)
		if err != nil {
			t.Fatal(err)
		}
		if d.Widens() != (who != "") || !strings.Contains(d.Text(), who) {
			t.Errorf("got widens %t\n%s\nwant a change for %q", d.Widens(), d.Text(), who)
		}
	}
}

// The same for machines: lists are there when they are empty.
func TestDiffAsJSON(t *testing.T) {
	e := env(t)
	data, err := json.Marshal(diffOf(t, e, before, before))
	if err != nil || !bytes.Contains(data, []byte(`"changes":[]`)) || !bytes.Contains(data, []byte(`"accept":[]`)) {
		t.Errorf("got %s %v, want empty lists", data, err)
	}
}
