package adapters_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
)

// proposal renders what matters of a proposal: the mapping as a file, then the
// questions.
func proposal(t *testing.T, name string, b []byte) string {
	t.Helper()
	p, err := adapters.Propose(export(t, name, b), lists(t))
	must(t, err)
	text := string(p.Mapping.Encode())
	for _, q := range p.Questions {
		text += fmt.Sprintf("? %s %q %s %q\n", q.Field, q.Column, q.Reason, q.Candidates)
	}
	return text
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %q in it", text, want)
		}
	}
}

// TestProposePerDagdeel: of 33 columns one word and one allotment are asked.
func TestProposePerDagdeel(t *testing.T) {
	b := windows1252(t, testdata(t, "per-dagdeel.csv"))
	p, err := adapters.Propose(export(t, "a.csv", b), lists(t))
	must(t, err)
	var asked []string
	for _, q := range p.Questions {
		asked = append(asked, q.Field+" "+q.Column)
	}
	if want := []string{"fields.werksoorten.values Werksoort", "allotments.3.gemeenten Toegekend overige Drechtsteden"}; !slices.Equal(asked, want) {
		t.Errorf("got questions %q, want %q", asked, want)
	}
	if _, err := adapters.ParseMapping("k.yaml", p.Mapping.Encode()); err == nil {
		t.Error("got a mapping that parses, want its open questions refused")
	}
	answered := strings.Replace(string(p.Mapping.Encode()), `"Slopen": ""`, `"Slopen": onderhoud`, 1)
	answered = strings.Replace(answered, "gemeenten: []", "gemeenten: [gm0523, gm0531, gm0590, gm0610, gm0642]", 1)
	opt := options(t, mapping(t, answered))
	got, err := adapters.Read(t.Context(), export(t, "a.csv", b), opt)
	must(t, err)
	by, err := adapters.Read(t.Context(), export(t, "a.csv", b), options(t, mapping(t, testdata(t, "per-dagdeel.yaml"))))
	must(t, err)
	if len(got.Offers) != len(by.Offers)+1 || len(got.Offers[0].Allotments) != 3 || len(got.Offers[0].Accessibility) != 1 {
		t.Errorf("got %+v, want what the mapping by hand gives, and the offer whose word is now known", got.Offers)
	}
}

func TestProposePerAanbod(t *testing.T) {
	contains(t, proposal(t, "b.xlsx", workplaces(t)),
		"layout: per-aanbod\n", `id: "Nr."`, `title: "Werkplek"`, `"Buitendienst": ""`, `location.latitude: "Breedtegraad"`,
		"- dagdeel: ma-middag\n      maximum: \"ma middag\"\n      occupied:\n        column: \"ma middag bezet\"\n        default: \"0\"",
		`? fields.dienstverband ""`, `["geen" "in-dienst" "detachering"]`, `? fields.functionaliteit`, `? fields.validUntil`)
}

func TestProposeGuesses(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a place that is a gemeente": {"Kenmerk;Naam;Plaats\nA;x;Dordrecht\n", []string{`location.city: "Plaats"`, `location.gemeente: "Plaats"`}},
		"a place that is not":        {"Kenmerk;Naam;Plaats\nA;x;Kinderdijk\n", []string{`location.city: "Plaats"`, `? fields.location.gemeente`}},
		"street and number apart":    {"Kenmerk;Adres;Huisnummer\nA;x;1\n", []string{`location.street: "Adres"`, `location.number: "Huisnummer"`}},
		"street with its number":     {"Kenmerk;Straat\nA;x 1\n", []string{`location.address: "Straat"`}},
		"two equal candidates": {"Kenmerk;Contactpersoon noord;Contactpersoon zuid\nA;x;y\n",
			[]string{`? fields.contact.name "" meer dan één kolom kan dit zijn ["Contactpersoon noord" "Contactpersoon zuid"]`}},
		"dagdelen in one cell": {"Kenmerk;Naam;Dagdelen;Max. aantal plekken;Bezette plaatsen\nA;x;ma t/m vr ochtend;5;\n",
			[]string{"layout: per-aanbod", `dagdeel: "Dagdelen"`, `maximum: "Max. aantal plekken"`, "column: \"Bezette plaatsen\"\n    default: \"0\""}},
		"day and part apart": {"Kenmerk;Dag;Dagdeel;Capaciteit\nA;maandag;ochtend;5\nA;maandag;middag;5\n",
			[]string{"layout: per-dagdeel", `weekday: "Dag"`, `dagdeel: "Dagdeel"`, `maximum: "Capaciteit"`, `? places.occupied`}},
		"words for dagdelen": {"Kenmerk;Dagdeel;Plekken\nA;standaardrooster;5\n", []string{`"standaardrooster": "" # nog invullen`, `? places.dagdeel.values`}},
		"no dagdelen":        {"Kenmerk;Plekken;Bezet\nA;5;1\n", []string{"layout: per-aanbod", `? places.dagdeel`}},
		"allotments by name": {"Kenmerk;Plekken;Dordrecht;Dordrecht bezet;Gereserveerd H.I. Ambacht\nA;5;1;1;2\n", []string{
			`gemeenten: ["gm0505"]`, `maximum: "Dordrecht"`, `occupied: "Dordrecht bezet"`, `gemeenten: ["gm0531"]`, `? allotments.2.occupied`}},
		"a column per dagdeel, maximum in words": {"Kenmerk;Max ma-ochtend;Bezet ma-ochtend;Plekken dinsdagmiddag\nA;5;1;3\n", []string{
			`maximum: "Max ma-ochtend"`, `occupied: "Bezet ma-ochtend"`, `maximum: "Plekken dinsdagmiddag"`, `? places.columns.2.occupied "Plekken dinsdagmiddag"`}},
		"ja and nee": {"Kenmerk;Naam;Rolstoeltoegankelijk;Statushouders in een taal- of werktraject\nA;x;ja;\nB;y;nee;x\n",
			[]string{"rolstoel\": \"Rolstoeltoegankelijk\"", "statushouders\": \"Statushouders in een"}},
		"persons":                       {"Kenmerk;Naam;BSN\nA;x;111222333\n", []string{`? "BSN"`, "over personen"}},
		"a code column by another name": {"Kenmerk;Naam;Werksoort 2026\nA;x;Groen\n", []string{`werksoorten: "Werksoort 2026"`}},
		"a header that only seems one":  {"Kenmerk;Naam;Oude status\nA;x;iets anders\n", []string{"location.gemeente:"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := proposal(t, "a.csv", []byte(test.text))
			contains(t, strings.ReplaceAll(text, `?  "`, `? "`), test.want...)
			if name == "a header that only seems one" && strings.Contains(text, "Oude status\"\n") {
				t.Errorf("got\n%s\nwant no status", text)
			}
			if strings.Contains(text, "111222333") {
				t.Error("the proposal repeats what looks like a BSN")
			}
		})
	}
}

// TestProposeCopiesNoPersons: terms of a column of codes are copied for the
// company to translate, but not what cannot be a term.
func TestProposeCopiesNoPersons(t *testing.T) {
	text := "Kenmerk;Naam;Werksoort;Doelgroep\nA;x;plek van 111222333;" + strings.Repeat("lang ", 30) + "\n"
	for i := range 30 {
		text += fmt.Sprintf("B%d;x;Groen;Naam%d\n", i, i)
	}
	got := proposal(t, "a.csv", []byte(text))
	contains(t, got, "meer dan 20 waarden staan niet in codelijst doelgroep; is dit de goede kolom?")
	for _, secret := range []string{"111222333", "lang lang", "Naam1"} {
		if strings.Contains(got, secret) {
			t.Errorf("got %q in\n%s", secret, got)
		}
	}
}

func TestProposeRefuses(t *testing.T) {
	for _, text := range []string{"", "een;twee\n1;2\n", "Beste collega,\nhierbij.\n"} {
		if p, err := adapters.Propose(export(t, "a.csv", []byte(text)), lists(t)); gateway.KindOf(err) != gateway.Invalid || err == nil {
			t.Errorf("%q: got %+v %v, want Invalid", text, p, err)
		}
	}
}
