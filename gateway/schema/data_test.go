package schema_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/schemas"
)

// loadSchemas gives every schema file as plain JSON.
func loadSchemas(t *testing.T) map[string]map[string]any {
	t.Helper()
	names, err := fs.Glob(schemas.FS(), "*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	all := map[string]map[string]any{}
	for _, name := range names {
		data, err := fs.ReadFile(schemas.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = doc
	}
	return all
}

// visit calls f for every schema inside a schema, with where it stands.
func visit(where string, part any, f func(where string, schema map[string]any)) {
	switch part := part.(type) {
	case map[string]any:
		f(where, part)
		for name, inner := range part {
			visit(where+"/"+name, inner, f)
		}
	case []any:
		for i, inner := range part {
			visit(fmt.Sprintf("%s/%d", where, i), inner, f)
		}
	}
}

// definition is what a $ref in a file refers to.
func definition(all map[string]map[string]any, file, ref string) map[string]any {
	home, name, _ := strings.Cut(ref, "#/$defs/")
	if home == "" {
		home = file
	}
	return all[home]["$defs"].(map[string]any)[name].(map[string]any)
}

// conditional tells whether a schema only restates properties to constrain them.
func conditional(where string) bool {
	return strings.Contains(where, "/if") || strings.Contains(where, "/then") || strings.Contains(where, "/dependentSchemas")
}

func TestEveryPropertyIsDescribed(t *testing.T) {
	classes := []string{"gewoon", "persoon", "bijzonder", "strafrechtelijk"}
	lists := newValidator(t).Lists()
	seen := 0
	for file, doc := range loadSchemas(t) {
		if doc["$id"] != "https://doorstroom.example/schemas/"+file || doc["title"] == nil || doc["description"] == nil {
			t.Errorf("%s: got $id %v, title %v, want its own address, a title and a description", file, doc["$id"], doc["title"])
		}
		visit(file, doc, func(where string, s map[string]any) {
			if list, ok := s["x-codelist"].(string); ok && len(lists[list].Codes) == 0 {
				t.Errorf("%s: code list %s does not exist", where, list)
			}
			if conditional(where) {
				return
			}
			for _, group := range []string{"properties", "patternProperties"} {
				members, _ := s[group].(map[string]any)
				if strings.HasSuffix(where, "/properties") {
					continue // a property that is called so
				}
				for name, p := range members {
					seen++
					property, _ := p.(map[string]any)
					title, _ := property["title"].(string)
					description, _ := property["description"].(string)
					class, _ := property["x-class"].(string)
					if title == "" || description == "" || !slices.Contains(classes, class) {
						t.Errorf("%s: property %s: got title %q, description %q, class %q, want all three", where, name, title, description, class)
					}
				}
			}
		})
	}
	if seen < 100 {
		t.Errorf("got %d properties, want all of them", seen)
	}
}

func TestEverythingIsBounded(t *testing.T) {
	for file, doc := range loadSchemas(t) {
		visit(file, doc, func(where string, s map[string]any) {
			if conditional(where) {
				return
			}
			has := func(keyword string) bool { _, ok := s[keyword]; return ok }
			switch s["type"] {
			case "object":
				if s["additionalProperties"] != false && where != "envelope.v1.json/properties/data" {
					t.Errorf("%s: an object admits unknown properties", where)
				}
			case "array":
				if !has("maxItems") || !has("items") {
					t.Errorf("%s: an array has no bound or no items", where)
				}
			case "string":
				if !has("maxLength") && !has("enum") && !has("const") {
					t.Errorf("%s: a string has no bound", where)
				}
			case "integer", "number":
				if !has("minimum") || !has("maximum") {
					t.Errorf("%s: a number has no bounds", where)
				}
			}
			if has("pattern") && !has("x-shape") {
				t.Errorf("%s: a pattern is not explained", where)
			}
		})
	}
}

// What stands beside a $ref is put over the definition by this package, and
// added to it by others: the two are one only if it is never wider.
func TestKeywordsBesideRef(t *testing.T) {
	all := loadSchemas(t)
	for file, doc := range all {
		visit(file, doc, func(where string, s map[string]any) {
			ref, ok := s["$ref"].(string)
			if !ok {
				return
			}
			target := definition(all, file, ref)
			for keyword, value := range s {
				switch keyword {
				case "$ref", "title", "description", "x-class", "x-codelist":
				case "maxLength":
					if value.(float64) > target[keyword].(float64) {
						t.Errorf("%s: maxLength is wider than that of %s", where, ref)
					}
				case "minLength":
					if _, ok := target[keyword]; ok {
						t.Errorf("%s: minLength is also in %s", where, ref)
					}
				default:
					t.Errorf("%s: keyword %s beside a $ref", where, keyword)
				}
			}
		})
	}
}

func TestOrderAndUniqueNameWhatTheyMay(t *testing.T) {
	all := loadSchemas(t)
	orders, uniques := 0, 0
	for file, doc := range all {
		visit(file, doc, func(where string, s map[string]any) {
			pairs, _ := s["x-order"].([]any)
			for _, pair := range pairs {
				orders++
				for _, name := range pair.([]any) {
					property, _ := s["properties"].(map[string]any)[name.(string)].(map[string]any)
					ref, _ := property["$ref"].(string)
					if property["type"] != "integer" && !strings.HasSuffix(ref, "/count") && !strings.HasSuffix(ref, "/date") {
						t.Errorf("%s: x-order names %v, which is no whole number and no date", where, name)
					}
				}
			}
			if name, ok := s["x-unique-by"].(string); ok {
				uniques++
				items := s["items"].(map[string]any)
				if ref, ok := items["$ref"].(string); ok {
					items = definition(all, file, ref)
				}
				property, _ := items["properties"].(map[string]any)[name].(map[string]any)
				if property == nil || property["type"] != nil && property["type"] != "string" {
					t.Errorf("%s: x-unique-by names %s, which is no string of the items", where, name)
				}
			}
		})
	}
	if orders == 0 || uniques == 0 {
		t.Errorf("got %d x-order and %d x-unique-by, want some of both", orders, uniques)
	}
}

func TestEveryFieldIsInTheSchema(t *testing.T) {
	v := newValidator(t)
	properties := loadSchemas(t)["capacity.v1.json"]["properties"].(map[string]any)
	for _, f := range gateway.Fields() {
		top, _, _ := strings.Cut(string(f), ".")
		if _, ok := properties[top]; !ok {
			t.Errorf("field %s is not in the schema of capacity", f)
		}
	}
	for field, want := range map[gateway.Field]gateway.DataClass{
		gateway.FieldTitle:               gateway.Gewoon,
		gateway.FieldContact:             gateway.Persoon,
		gateway.FieldDoelgroepen:         gateway.Bijzonder,
		gateway.FieldGemeente:            gateway.Gewoon,
		gateway.FieldCoordinates:         gateway.Gewoon,
		gateway.FieldMaximum:             gateway.Gewoon,
		gateway.FieldAvailable:           gateway.Persoon,
		gateway.FieldAllotmentsAvailable: gateway.Persoon,
		"no.such.field":                  gateway.Bijzonder,
	} {
		if got := v.Class(field); got != want {
			t.Errorf("Class(%s): got %s, want %s", field, got, want)
		}
	}
	// Only doelgroepen is special, so any other special field is one that Class
	// did not find.
	for _, f := range gateway.Fields() {
		if got := v.Class(f); f != gateway.FieldDoelgroepen && got != gateway.Gewoon && got != gateway.Persoon {
			t.Errorf("Class(%s): got %s, want gewoon or persoon", f, got)
		}
	}
}

// constants gives the values of every constant of a type in the domain package.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), "../"+entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName {
				for _, value := range spec.Values {
					if literal, ok := value.(*ast.BasicLit); ok {
						text, err := strconv.Unquote(literal.Value)
						if err != nil {
							t.Fatal(err)
						}
						values = append(values, text)
					}
				}
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("no constants of type %s", typeName)
	}
	slices.Sort(values)
	return values
}

func TestEnumsAreTheDomainsConstants(t *testing.T) {
	all := loadSchemas(t)
	at := func(file string, path ...string) any {
		var part any = all[file]
		for _, name := range path {
			part = part.(map[string]any)[name]
		}
		return part
	}
	texts := func(values any) []string {
		var got []string
		for _, v := range values.([]any) {
			got = append(got, v.(string))
		}
		slices.Sort(got)
		return got
	}
	var dagdelen []string
	for _, d := range gateway.Dagdelen() {
		dagdelen = append(dagdelen, string(d))
	}
	slices.Sort(dagdelen)
	for _, c := range []struct {
		name string
		got  any
		want []string
	}{
		{"status", at("common.v1.json", "$defs", "status", "enum"), constants(t, "Status")},
		{"dagdeel", at("common.v1.json", "$defs", "dagdeel", "enum"), dagdelen},
		{"band", at("capacity.v1.json", "properties", "places", "items", "properties", "band", "enum"), constants(t, "Band")},
		{"outcome", at("receipts.v1.json", "properties", "items", "items", "properties", "outcome", "enum"), constants(t, "Outcome")},
		{"reason", at("receipts.v1.json", "properties", "items", "items", "properties", "reason", "enum"), constants(t, "Reason")},
		{"referral status", at("referral-state.v1.json", "properties", "status", "enum"), constants(t, "ReferralStatus")},
		{"answer", at("referral-state.v1.json", "properties", "answer", "properties", "result", "enum"), constants(t, "AnswerResult")},
		{"request about allotments", at("allotment-letter.v1.json", "properties", "state", "properties", "status", "enum"), constants(t, "AllotmentStatus")},
		{"refused request", at("allotment-letter.v1.json", "properties", "state", "properties", "reason", "enum"), constants(t, "AllotmentReason")},
		{"party kind", at("register.v1.json", "properties", "parties", "items", "properties", "kind", "enum"), constants(t, "PartyKind")},
	} {
		if got := texts(c.got); !slices.Equal(got, c.want) {
			t.Errorf("%s: the schema has %v, the domain %v", c.name, got, c.want)
		}
	}
	lists := newValidator(t).Lists()
	for name, want := range map[string][]string{"status": constants(t, "Status"), "dagdeel": dagdelen, "band": constants(t, "Band"), "verwijsstatus": constants(t, "ReferralStatus")} {
		var got []string
		for _, c := range lists[name].Codes {
			got = append(got, c.Code)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("code list %s has %v, the domain %v", name, got, want)
		}
	}
}

// The limits of an offer are in gateway.Offer.Check and in the schema; both must
// draw the line at the same value.
func TestLimitsAreTheDomains(t *testing.T) {
	v := newValidator(t)
	for _, c := range []struct {
		name string
		edit func(*gateway.Offer)
		ok   bool
	}{
		{"as it is", func(o *gateway.Offer) {}, true},
		{"most places", func(o *gateway.Offer) { o.Places[0].Maximum = gateway.MaxPlaces }, true},
		{"too many places", func(o *gateway.Offer) { o.Places[0].Maximum = gateway.MaxPlaces + 1 }, false},
		{"negative places", func(o *gateway.Offer) { o.Places[0].Maximum = -1 }, false},
		{"negative occupation", func(o *gateway.Offer) { o.Places[0].Occupied = -1 }, false},
		{"more taken than there are", func(o *gateway.Offer) { o.Places[0].Occupied = 999 }, true},
		{"dagdeel twice", func(o *gateway.Offer) { o.Places = append(o.Places, o.Places[0]) }, false},
		{"no places", func(o *gateway.Offer) { o.Places = []gateway.Places{} }, false},
		{"longest title", func(o *gateway.Offer) { o.Title = strings.Repeat("x", 200) }, true},
		{"title too long", func(o *gateway.Offer) { o.Title = strings.Repeat("x", 201) }, false},
		{"no title", func(o *gateway.Offer) { o.Title = "" }, false},
		{"longest id", func(o *gateway.Offer) { o.ID = strings.Repeat("x", 64) }, true},
		{"id too long", func(o *gateway.Offer) { o.ID = strings.Repeat("x", 65) }, false},
		{"id of a dash", func(o *gateway.Offer) { o.ID = "-" }, false},
		{"most allotments", func(o *gateway.Offer) { o.Allotments = allotments(gateway.MaxAllotments) }, true},
		{"too many allotments", func(o *gateway.Offer) { o.Allotments = allotments(gateway.MaxAllotments + 1) }, false},
		{"last fase", func(o *gateway.Offer) { o.Fase = gateway.Range{Min: 1, Max: 3} }, true},
		{"fase 4", func(o *gateway.Offer) { o.Fase = gateway.Range{Min: 1, Max: 4} }, false},
		{"fase backwards", func(o *gateway.Offer) { o.Fase = gateway.Range{Min: 2, Max: 1} }, false},
		{"last trede", func(o *gateway.Offer) { o.Trede = gateway.Range{Min: 1, Max: 6} }, true},
		{"trede 7", func(o *gateway.Offer) { o.Trede = gateway.Range{Min: 1, Max: 7} }, false},
		{"ratio 100", func(o *gateway.Offer) { o.Begeleiding = gateway.Begeleiding{Soort: "jobcoach", Ratio: 100} }, true},
		{"ratio 101", func(o *gateway.Offer) { o.Begeleiding = gateway.Begeleiding{Soort: "jobcoach", Ratio: 101} }, false},
		{"a corner", func(o *gateway.Offer) { o.Location.Coordinates = &gateway.Coordinates{Lat: 54, Lon: 3} }, true},
		{"too far north", func(o *gateway.Offer) { o.Location.Coordinates = &gateway.Coordinates{Lat: 54.1, Lon: 5} }, false},
		{"too far east", func(o *gateway.Offer) { o.Location.Coordinates = &gateway.Coordinates{Lat: 52, Lon: 8.1} }, false},
		{"postcode with a space", func(o *gateway.Offer) { o.Location.Postcode = "2952 AB" }, false},
		{"unknown status", func(o *gateway.Offer) { o.Status = "vol" }, false},
		{"one day", func(o *gateway.Offer) { o.ValidUntil = o.ValidFrom }, true},
		{"validity backwards", func(o *gateway.Offer) { o.ValidUntil = "2025-12-31" }, false},
	} {
		offer := gateway.Offer{
			ID: "a", Provider: "00000099000000001000", Title: "A", Werksoorten: []string{"groen"}, Trajectsoort: "stage",
			Dienstverband: "geen", Grondslag: "participatiewet", Functionaliteit: "G", Location: gateway.Location{Gemeente: "gm0482"},
			Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 5}}, ValidFrom: "2026-01-01", ValidUntil: "2026-12-31",
		}
		c.edit(&offer)
		data, err := json.Marshal(offer)
		if err != nil {
			t.Fatal(err)
		}
		violations, err := v.Validate("offer", data)
		if got := len(violations) == 0 && err == nil; got != c.ok {
			t.Errorf("%s: the schema says ok %v %v, want %v", c.name, got, violations, c.ok)
		}
		if problems := offer.Check(v.Lists(), today); (len(problems) == 0) != c.ok {
			t.Errorf("%s: the domain says %v, want ok %v", c.name, problems, c.ok)
		}
	}
}

// The limits of a request about allotments are in gateway.AllotmentAsk.Check, for
// what people here ask, and in the schema, for what comes from others.
func TestLimitsOfAsksAreTheDomains(t *testing.T) {
	v := newValidator(t)
	shift := gateway.Shift{From: "a", To: "b", Dagdeel: "ma-ochtend", Places: 1}
	one := func(edit func(*gateway.Shift)) func(*gateway.AllotmentAsk) {
		return func(a *gateway.AllotmentAsk) { edit(&a.Shifts[0]) }
	}
	for _, c := range []struct {
		name string
		edit func(*gateway.AllotmentAsk)
		ok   bool
	}{
		{"as it is", func(*gateway.AllotmentAsk) {}, true},
		{"most shifts", func(a *gateway.AllotmentAsk) { a.Shifts = slices.Repeat(a.Shifts, gateway.MaxShifts) }, true},
		{"too many shifts", func(a *gateway.AllotmentAsk) { a.Shifts = slices.Repeat(a.Shifts, gateway.MaxShifts+1) }, false},
		{"no shifts", func(a *gateway.AllotmentAsk) { a.Shifts = []gateway.Shift{} }, false},
		{"most places", one(func(s *gateway.Shift) { s.Places = gateway.MaxPlaces }), true},
		{"too many places", one(func(s *gateway.Shift) { s.Places = gateway.MaxPlaces + 1 }), false},
		{"no places", one(func(s *gateway.Shift) { s.Places = 0 }), false},
		{"to what is nobody's", one(func(s *gateway.Shift) { s.To = "" }), true},
		{"from nothing to nothing", one(func(s *gateway.Shift) { s.From, s.To = "", "" }), false},
		{"unknown dagdeel", one(func(s *gateway.Shift) { s.Dagdeel = "ma" }), false},
		{"longest allotment", one(func(s *gateway.Shift) { s.From = strings.Repeat("x", 64) }), true},
		{"allotment too long", one(func(s *gateway.Shift) { s.From = strings.Repeat("x", 65) }), false},
		{"offer of a dash", func(a *gateway.AllotmentAsk) { a.Offer = "-" }, false},
		{"id in capitals", func(a *gateway.AllotmentAsk) { a.ID = strings.ToUpper(a.ID) }, false},
	} {
		made := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
		ask := gateway.AllotmentAsk{
			ID: "5b0c5b8e-5c2a-4d41-9b11-0a1b2c3d4e5f", Provider: "00000099000000001000", Asked: "00000099000000003000", Offer: "groen",
			Shifts: []gateway.Shift{shift}, Made: made, Until: made.Add(gateway.MaxShiftLife),
		}
		c.edit(&ask)
		data, err := json.Marshal(ask)
		if err != nil {
			t.Fatal(err)
		}
		violations, err := v.Validate("allotment-ask", data)
		if got := len(violations) == 0 && err == nil; got != c.ok {
			t.Errorf("%s: the schema says ok %v %v, want %v", c.name, got, violations, c.ok)
		}
		if err := ask.Check(); (err == nil) != c.ok {
			t.Errorf("%s: the domain says %v, want ok %v", c.name, err, c.ok)
		}
	}
}

func allotments(n int) []gateway.Allotment {
	var all []gateway.Allotment
	for i := range n {
		all = append(all, gateway.Allotment{
			ID: fmt.Sprintf("a%d", i), Gemeenten: []gateway.Gemeente{"gm0482"}, Places: []gateway.Places{{Dagdeel: "ma-ochtend"}},
		})
	}
	return all
}

func TestCodeLists(t *testing.T) {
	lists := newValidator(t).Lists()
	want := []string{
		"afwijsreden", "antwoordreden", "avg-grondslag", "band", "begeleiding", "dagdeel", "dienstverband", "doel", "doelgroep",
		"functionaliteit", "gemeente", "grondslag", "informatiewijze", "intensiteit", "intrekreden", "onderbrekingsreden", "status",
		"toegankelijkheid", "trajectsoort", "uitkomst", "vervolgstap", "verwijsstatus", "verzoekgrond", "verzoekreden", "werksoort",
	}
	if got := slices.Sorted(maps.Keys(lists)); !slices.Equal(got, want) {
		t.Errorf("got lists %v, want %v", got, want)
	}
	for name, list := range lists {
		if list.Label == "" || list.Version == "" || list.Source == "" || len(list.Codes) == 0 {
			t.Errorf("list %s lacks a label, a version, a source or codes", name)
		}
		checkCodes(t, list)
	}
	for _, c := range []struct {
		list, code string
		day        gateway.Date
		ok         bool
	}{
		{"gemeente", "gm1927", "2018-12-31", true}, // Molenwaard became part of Molenlanden
		{"gemeente", "gm1927", "2019-01-01", false},
		{"gemeente", "gm1978", "2018-12-31", false},
		{"gemeente", "gm1978", "2019-01-01", true},
		{"grondslag", "wwb", today, false},
		{"grondslag", "participatiewet", today, true},
	} {
		if err := lists.Check(c.list, c.code, c.day); (err == nil) != c.ok {
			t.Errorf("%s %s on %s: got %v, want ok %v", c.list, c.code, c.day, err, c.ok)
		}
	}
	for code, want := range map[string]gateway.DataClass{
		"ggz": gateway.Bijzonder, "verslavingszorg": gateway.Bijzonder, "nieuw-beschut": gateway.Bijzonder,
		"gedetineerden": gateway.Strafrechtelijk, "ex-gedetineerden": gateway.Strafrechtelijk, "taakgestraften": gateway.Strafrechtelijk,
	} {
		if c, _ := lists.Find("doelgroep", code); c.Class != want {
			t.Errorf("doelgroep %s: got class %q, want %s", code, c.Class, want)
		}
	}
}

// checkCodes holds that a code, label or other spelling, in whatever case, leads
// to one code of its list.
func checkCodes(t *testing.T, list gateway.CodeList) {
	t.Helper()
	classes := []gateway.DataClass{gateway.Gewoon, gateway.Persoon, gateway.Bijzonder, gateway.Strafrechtelijk}
	meaning := map[string]string{}
	for _, c := range list.Codes {
		if c.Label == "" || !slices.Contains(classes, c.Class) || len(c.Code) > 64 {
			t.Errorf("%s: code %s lacks a label or a class", list.Name, c.Code)
		}
		if _, err := gateway.ParseDate(string(c.ValidFrom)); err != nil {
			t.Errorf("%s: code %s: got validFrom %q, want a date", list.Name, c.Code, c.ValidFrom)
		}
		if c.ValidUntil != "" && c.ValidUntil < c.ValidFrom {
			t.Errorf("%s: code %s ends before it begins", list.Name, c.Code)
		}
		for _, spelling := range append([]string{c.Code, c.Label}, c.Aliases...) {
			key := strings.ToLower(spelling)
			if other, ok := meaning[key]; ok && other != c.Code {
				t.Errorf("%s: %q means both %s and %s", list.Name, spelling, other, c.Code)
			}
			meaning[key] = c.Code
		}
	}
}
