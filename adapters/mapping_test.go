package adapters_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
)

func TestParseMappingDefaults(t *testing.T) {
	m := mapping(t, fmt.Sprintf(small, "per-aanbod"))
	if !m.Full || m.Separators != ",;|/" || m.Fields["id"].Column != "Kenmerk" || m.Fields["validUntil"].Default != "2027-12-31" {
		t.Errorf("got %+v, want a full export, the usual separators and the fields", m)
	}
	if m := mapping(t, fmt.Sprintf(small, "per-aanbod")+"full: false\n"); m.Full {
		t.Error("got full, want what the file says")
	}
}

func TestParseMappingErrors(t *testing.T) {
	good := fmt.Sprintf(small, "per-aanbod")
	replace := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the mapping", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":              {"", "k.yaml:1:1: de koppeling is leeg"},
		"not YAML":           {"layout: [\n", "k.yaml:2:1: dit is geen geldige YAML"},
		"a list":             {"- a\n", "k.yaml:1:1: hier hoort een ander soort waarde"},
		"unknown key":        {good + "colour: red\n", "k.yaml:15:1: onbekende sleutel colour"},
		"unknown in field":   {replace("{ default: stage }", "{ defualt: stage }"), "k.yaml:7:19: onbekende sleutel defualt"},
		"key twice":          {good + "layout: per-aanbod\n", "k.yaml:15:1: deze sleutel staat er twee keer"},
		"two documents":      {good + "---\nlayout: per-aanbod\n", "k.yaml:1:1: dit is geen geldige YAML"},
		"wrong kind":         {good + "full: misschien\n", "k.yaml:15:7: hier hoort een ander soort waarde"},
		"layout":             {replace("per-aanbod", "per-week"), "k.yaml:2:9: layout: kies per-dagdeel of per-aanbod"},
		"unknown field":      {replace("title: Naam", "title: Naam\n  colour: Kleur"), "k.yaml:6:11: fields.colour: onbekend veld"},
		"missing field":      {replace("  title: Naam\n", ""), "fields.title: geef een kolom of een vaste waarde (default)"},
		"constant reference": {replace("id: Kenmerk", "id: { default: A }"), "k.yaml:4:7: fields.id: moet een kolom zijn"},
		"empty translation": {replace("werksoorten: Werksoort", "werksoorten: { column: W, values: { Tuin: \"\" } }"),
			"k.yaml:6:45: fields.werksoorten.values.Tuin: vul in wat deze waarde betekent"},
		"flags for text": {replace("title: Naam", "title: { flags: { a: b } }"), "fields.title: flags kan alleen bij"},
		"no occupied":    {replace(", occupied: Bezet", ""), "places.occupied: geef een kolom"},
		"both kinds of places": {replace("occupied: Bezet", "occupied: Bezet, columns: [{ dagdeel: ma-ochtend, maximum: x, occupied: y }]"),
			"places: kies kolommen per dagdeel"},
		"unknown dagdeel": {replace("{ dagdeel: Dagdeel, maximum: Plekken, occupied: Bezet }", "{ columns: [{ dagdeel: ma-nacht, maximum: x, occupied: y }] }"),
			"k.yaml:14:32: places.columns.1.dagdeel: onbekend dagdeel"},
		"columns per dagdeel in the other layout": {strings.Replace(replace("{ dagdeel: Dagdeel, maximum: Plekken, occupied: Bezet }",
			"{ columns: [{ dagdeel: ma-ochtend, maximum: x, occupied: y }] }"), "per-aanbod", "per-dagdeel", 1), "horen bij layout per-aanbod"},
		"allotment for nobody":   {good + "allotments: [{ id: a, maximum: x, occupied: y }]\n", "allotments.1.gemeenten: noem gemeenten of partijen"},
		"allotment twice":        {good + "allotments:\n- { id: a, gemeenten: [gm0482], maximum: x, occupied: y }\n- { id: a, gemeenten: [gm0505], maximum: x, occupied: y }\n", "k.yaml:17:9: allotments.2.id"},
		"not a gemeente":         {good + "allotments: [{ id: a, gemeenten: [Dordrecht], maximum: x, occupied: y }]\n", "k.yaml:15:35: allotments.1.gemeenten.1: schrijf een gemeente"},
		"not a party":            {good + "allotments: [{ id: a, parties: [smile], maximum: x, occupied: y }]\n", "allotments.1.parties.1: schrijf een partij"},
		"not a date":             {good + "allotments: [{ id: a, gemeenten: [gm0482], maximum: x, occupied: y, validFrom: morgen }]\n", "k.yaml:15:80: allotments.1.validFrom"},
		"an alias to oneself":    {"layout: &a [*a]\n", "k.yaml:1"},
		"no separators":          {good + "separators: \"\"\n", "k.yaml:15:13: separators"},
		"a field that is a list": {replace("title: Naam", "title: [Naam]"), "k.yaml:5:10: hier hoort een ander soort waarde"},
	} {
		_, err := adapters.ParseMapping("k.yaml", []byte(test.text))
		if err == nil || gateway.KindOf(err) != gateway.Invalid || !strings.Contains(gateway.SafeMessage(err), test.want) {
			t.Errorf("%s: got %v, want Invalid with %q", name, err, test.want)
		}
	}
}

func TestParseMappingGivesAllErrors(t *testing.T) {
	_, err := adapters.ParseMapping("k.yaml", []byte("fields: { id: Kenmerk }\n"))
	if lines := strings.Count(gateway.SafeMessage(err), "\n") + 1; lines < 10 {
		t.Errorf("got %d errors, want all of them: %v", lines, err)
	}
}

// TestMappingAgainstCodeLists: constants are refused once, not in every row.
func TestMappingAgainstCodeLists(t *testing.T) {
	good := fmt.Sprintf(small, "per-aanbod")
	path := export(t, "a.csv", []byte(smallHeader+"A;Groen;Groen;ma ochtend;5;1;\n"))
	for from, to := range map[string]string{
		"default: geen":           "default: nulurencontract",
		"default: \"2026-01-01\"": "default: nieuwjaar",
		"werksoorten: Werksoort":  "werksoorten: { column: Werksoort, values: { Tuin: onbekend } }",
		"occupied: Bezet":         "occupied: { column: Bezet, default: niemand }",
		"dagdeel: Dagdeel":        "dagdeel: { column: Dagdeel, default: overdag }",
		"layout:":                 "allotments: [{ id: a, gemeenten: [gm9999], maximum: Plekken, occupied: Bezet }]\nlayout:",
		"layout: ":                "allotments: [{ id: a, gemeenten: [gm0482], grondslag: x, maximum: Plekken, occupied: Bezet }]\nlayout: ",
	} {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the mapping", from)
		}
		_, err := adapters.Read(t.Context(), path, options(t, mapping(t, strings.Replace(good, from, to, 1))))
		if gateway.KindOf(err) != gateway.Invalid || err == nil || !strings.HasPrefix(gateway.SafeMessage(err), "koppeling: ") {
			t.Errorf("%s: got %v, want Invalid about the mapping", to, err)
		}
	}
	var zero adapters.Mapping
	if _, err := adapters.Read(t.Context(), path, options(t, zero)); gateway.KindOf(err) != gateway.Invalid || err == nil {
		t.Errorf("the zero mapping: got %v, want Invalid", err)
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("ab \"':#{}[]\\&*!|>%@`é,-0\n")), 1, 12, -1)
	field := rapid.Custom(func(t *rapid.T) adapters.Field {
		f := adapters.Field{Column: word.Draw(t, "column"), Default: rapid.OneOf(rapid.Just(""), word).Draw(t, "default")}
		if rapid.Bool().Draw(t, "translates") {
			f.Values = rapid.MapOfN(word, word, 1, 3).Draw(t, "values")
		}
		return f
	})
	rapid.Check(t, func(t *rapid.T) {
		want := adapters.Mapping{
			Layout: adapters.PerAanbod, Full: rapid.Bool().Draw(t, "full"), Sheet: rapid.OneOf(rapid.Just(""), word).Draw(t, "sheet"),
			Separators: word.Draw(t, "separators"), Fields: map[string]adapters.Field{},
		}
		for _, key := range []string{"id", "title", "werksoorten", "trajectsoort", "dienstverband", "grondslag", "functionaliteit",
			"location.gemeente", "validFrom", "validUntil", "fase", "contact.email"} {
			want.Fields[key] = field.Draw(t, key)
		}
		f := want.Fields["werksoorten"]
		f.Flags = rapid.SampledFrom([]map[string]string{nil, {"groen": "Tuin?"}}).Draw(t, "flags")
		want.Fields["werksoorten"] = f
		if rapid.Bool().Draw(t, "columns") {
			want.Places.Columns = []adapters.DagdeelColumn{{Dagdeel: "ma-ochtend", Maximum: field.Draw(t, "m"), Occupied: field.Draw(t, "o")}}
		} else {
			want.Layout = adapters.PerDagdeel
			want.Places = adapters.Places{Weekday: field.Draw(t, "w"), Dagdeel: field.Draw(t, "d"), Maximum: field.Draw(t, "m"), Occupied: field.Draw(t, "o")}
		}
		if rapid.Bool().Draw(t, "allots") {
			want.Allotments = []adapters.Allotment{{ID: "a", Gemeenten: []gateway.Gemeente{"gm0482"}, Maximum: field.Draw(t, "m"),
				Occupied: field.Draw(t, "o"), Grondslag: word.Draw(t, "g"), ValidFrom: "2026-01-01"},
				{ID: "b", Parties: []gateway.OIN{provider}, Maximum: field.Draw(t, "m"), Occupied: field.Draw(t, "o")}}
		}
		got, err := adapters.ParseMapping("k.yaml", want.Encode())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v %v, want %+v from\n%s", got, err, want, want.Encode())
		}
	})
}

func FuzzParseMapping(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(small, "per-aanbod")))
	f.Add([]byte(testdata(f, "per-dagdeel.yaml")))
	f.Add([]byte(testdata(f, "per-aanbod.yaml")))
	f.Add([]byte("a: &a [*a, *a]\nfields: {id: !!int x}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := adapters.ParseMapping("k.yaml", b)
		if err != nil {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != gateway.Invalid || e.Message == "" {
				t.Fatalf("got %v, want Invalid with a message", err)
			}
			return
		}
		again, err := adapters.ParseMapping("k.yaml", m.Encode())
		if err != nil {
			t.Fatalf("got %v for what was written of a good mapping:\n%s", err, m.Encode())
		}
		if a, b := string(m.Encode()), string(again.Encode()); a != b {
			t.Fatalf("got\n%s\nwant\n%s", b, a)
		}
	})
}
