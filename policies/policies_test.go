package policies_test

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/policies"
	"github.com/doorstroom/doorstroom/schemas"
)

const (
	self  = gateway.OIN("00000099000000001000")
	other = gateway.OIN("00000099000000002000")
	today = gateway.Date("2026-11-22")
)

// load fills in a template as init does, and loads it without a warning.
func load(t *testing.T, name string) *policy.Policy {
	t.Helper()
	data, err := fs.ReadFile(policies.FS(), name+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("{{party}}")); n != 1 {
		t.Errorf("got token {{party}} %d times, want once", n)
	}
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte("{{party}}"), []byte(self))
	p, warnings, err := policy.Load([]policy.File{{Name: name + ".yaml", Data: data}}, policy.Env{Self: self, Lists: lists, Today: today})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v", err, warnings)
	}
	return p
}

func offer() *gateway.Offer {
	return &gateway.Offer{
		ID: "groen-01", Provider: self, Trajectsoort: "leerwerkplek", Grondslag: "participatiewet", Doelgroepen: []string{"entree"},
		Allotments: []gateway.Allotment{{ID: "a", Gemeenten: []gateway.Gemeente{"gm0482"}}},
	}
}

// TestLeerwerkbedrijf checks who sees the fields that matter most.
func TestLeerwerkbedrijf(t *testing.T) {
	p := load(t, "leerwerkbedrijf")
	party := func(kind gateway.PartyKind, gemeenten ...gateway.Gemeente) gateway.Recipient {
		return gateway.Recipient{Party: other, Kind: kind, Gemeenten: gemeenten}
	}
	tests := []struct {
		name                          string
		to                            gateway.Recipient
		title, available, own, person gateway.Form
	}{
		{"gemeente with an allotment", party(gateway.GemeenteKind, "gm0482"), gateway.Exact, gateway.Banded, gateway.Exact, gateway.Exact},
		{"gemeente without", party(gateway.GemeenteKind, "gm0505"), gateway.Exact, gateway.Banded, "", ""},
		{"verwijzer", party(gateway.Verwijzer), gateway.Exact, gateway.Banded, "", ""},
		{"grs", party(gateway.GRS), gateway.Exact, gateway.Banded, "", ""},
		{"colleague", party(gateway.Leerwerkbedrijf), gateway.Exact, "", "", ""},
		{"public", gateway.Recipient{Public: true}, gateway.Exact, gateway.Public, "", ""},
	}
	for _, test := range tests {
		d := p.Decide(policy.Request{Kind: gateway.KindCapacity, Offer: offer(), Recipient: test.to, Day: today})
		for field, want := range map[gateway.Field]gateway.Form{
			gateway.FieldTitle: test.title, gateway.FieldAvailable: test.available, gateway.FieldAllotmentsAvailable: test.own,
			gateway.FieldContact: test.person, gateway.FieldDoelgroepen: "", gateway.FieldCoordinates: "",
		} {
			if got := d.Show[field]; got != want {
				t.Errorf("%s, %s: got %q, want %q", test.name, field, got, want)
			}
		}
	}
}

// TestTemplates has one for every kind of party. Who offers nothing shows
// nothing; offers of leerwerkbedrijven come in, those of others do not.
func TestTemplates(t *testing.T) {
	for _, kind := range gateway.PartyKinds() {
		p := load(t, string(kind))
		for _, sender := range gateway.PartyKinds() {
			r := gateway.Recipient{Party: other, Kind: sender}
			if got, want := p.Admit(r, "", gateway.KindCapacity, today).Allowed, sender == gateway.Leerwerkbedrijf; got != want {
				t.Errorf("%s admits %s: got %t, want %t", kind, sender, got, want)
			}
			q := policy.Request{Kind: gateway.KindCapacity, Offer: offer(), Recipient: r, Day: today}
			if got, want := p.Decide(q).Allowed, kind == gateway.Leerwerkbedrijf; got != want {
				t.Errorf("%s shows to %s: got %t, want %t", kind, sender, got, want)
			}
		}
	}
}

// names are all templates.
func names() []string {
	all := policies.Models()
	for _, k := range gateway.PartyKinds() {
		all = append(all, string(k))
	}
	return all
}

// TestExpectations fills in each template with its expectations, as init does:
// these hold, and leave no rule uncovered.
func TestExpectations(t *testing.T) {
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	env := policy.Env{Self: self, Lists: lists, Today: today}
	for _, name := range names() {
		n, err := policies.Gemeenten(name)
		if err != nil {
			t.Fatal(err)
		}
		gemeenten := []string{"gm0637", "gm1916", "gm0603"}
		if n >= 0 {
			gemeenten = gemeenten[:n]
		}
		data, expectations, err := policies.Template(name, string(self), gemeenten)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("{{")) || bytes.Contains(expectations, []byte("{{")) {
			t.Errorf("%s: a token is left", name)
		}
		files := []policy.File{{Name: name + ".yaml", Data: data}, {Name: name + "_test.yaml", Data: expectations}}
		p, warnings, err := audit.LoadExpected(files, env)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", name, err, warnings)
			continue
		}
		read, err := policy.Expectations(files, env)
		if err != nil {
			t.Fatal(err)
		}
		if got := audit.Expect(p, read, env).Uncovered; len(got) > 0 {
			t.Errorf("%s: no expectation covers %v", name, got)
		}
	}
}

// TestNeitherTooFewNorTooMany gemeenten are filled in.
func TestNeitherTooFewNorTooMany(t *testing.T) {
	for _, test := range []struct {
		name      string
		gemeenten []string
	}{{"wsw", nil}, {"gemengd", []string{"gm0637"}}, {"gemeente", []string{"gm0637"}}, {"none", nil}} {
		if _, _, err := policies.Template(test.name, string(self), test.gemeenten); err == nil {
			t.Errorf("%s for %v: got no error", test.name, test.gemeenten)
		}
	}
}

// TestModelsDiscloseMinimally looks at what no model may show.
func TestModelsDiscloseMinimally(t *testing.T) {
	for _, name := range policies.Models() {
		data, err := fs.ReadFile(policies.FS(), name+".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte("to: everyone\n    fields: [doelgroepen]\n")) {
			t.Errorf("%s does not forbid doelgroepen", name)
		}
		if bytes.Contains(data, []byte("exact: [places.available")) || bytes.Contains(data, []byte("exception:")) {
			t.Errorf("%s shows more than a band, or names an exception", name)
		}
	}
}

// TestReadmeIsComplete finds every field and form in the page for writers.
func TestReadmeIsComplete(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"own", "mandate", "show", "never", "everyone", "all", "public: true", "exact", "band", "plek"}
	for _, f := range gateway.Fields() {
		words = append(words, string(f))
	}
	for _, k := range gateway.PartyKinds() {
		words = append(words, string(k))
	}
	words = append(words, names()...)
	words = append(words, "verwacht", "naam", "aan", "namens", "op", "bij", "ziet", "verder: niets", "niets: true", "nooit", "hooguit", "niet")
	for _, w := range words {
		if !strings.Contains(string(page), "`"+w+"`") {
			t.Errorf("README.md does not explain %s", w)
		}
	}
}
