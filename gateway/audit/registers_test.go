package audit_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/logbook"
)

func logged(name string) string { return logbook.Activity("https://register.example/", smile, name) }

func TestRegistersAsWritten(t *testing.T) {
	e := env(t)
	p := small(t, e)
	r := audit.NewRegisters(p, e, matrix(t, e, p), logged)
	r.Approval = "one-person"
	golden(t, "art30.txt", written(t, audit.NewArt30(r).Text))
	golden(t, "art30.csv", written(t, audit.NewArt30(r).CSV))
	golden(t, "dpia.txt", written(t, audit.DPIA{Registers: r}.Text))
	golden(t, "dpia.html", written(t, audit.DPIA{Registers: r}.HTML))
	data, err := json.MarshalIndent(audit.NewArt30(r), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "art30.json", string(data)+"\n")
}

// TestRegistersOfAMandatary is the register of a party that acts for others.
func TestRegistersOfAMandatary(t *testing.T) {
	e := env(t)
	e.Self = grs
	p := load(t, e, []byte("policy: grs\nparty: \""+string(grs)+"\"\nrules: []\n"))
	r := audit.NewRegisters(p, e, matrix(t, e, p), logged)
	if len(r.Activities) > 0 || len(r.Mandates) != 2 || r.Mandates[0].Basis != "mandaat" || !strings.HasPrefix(r.Mandates[1].Party, "Molenlanden") {
		t.Errorf("got %+v", r)
	}
	e.Self = alblasserdam
	p = load(t, e, []byte("policy: a\nparty: \""+string(alblasserdam)+"\"\nrules: []\n"))
	if r = audit.NewRegisters(p, e, matrix(t, e, p), logged); len(r.ActedFor) != 1 || !strings.HasPrefix(r.ActedFor[0].Party, "GR Sociaal") {
		t.Errorf("got %+v", r)
	}
}

// TestRegistersAreTheMatrix: what somebody can see stands in the registers, and
// nothing else does.
func TestRegistersAreTheMatrix(t *testing.T) {
	e := env(t)
	p := small(t, e)
	m := matrix(t, e, p)
	seen, registered := map[gateway.Field]bool{}, map[gateway.Field]bool{}
	for _, s := range m.Recipients {
		for _, row := range s.Rows {
			for f := range row.Show {
				seen[f] = true
			}
		}
	}
	r := audit.NewRegisters(p, e, m, logged)
	for _, a := range r.Activities {
		for _, d := range a.Data {
			for _, f := range d.Fields {
				registered[f] = true
			}
		}
	}
	if !maps.Equal(seen, registered) {
		t.Errorf("got %v, want %v", slices.Collect(maps.Keys(registered)), slices.Collect(maps.Keys(seen)))
	}
	for _, d := range r.Disclosed {
		special := d.Class == gateway.Bijzonder
		if special != slices.ContainsFunc(d.Risks, func(s string) bool { return strings.Contains(s, "UAVG art. 30 lid 3") }) {
			t.Errorf("%s of class %s: got risks %v", d.Field, d.Class, d.Risks)
		}
		if d.Field == gateway.FieldContact && slices.ContainsFunc(d.Recipients, func(s string) bool { return strings.HasPrefix(s, "Papendrecht") }) {
			t.Error("contact stands as disclosed to Papendrecht, to whom a never rule forbids it")
		}
	}
}

// TestRegistersOfPeople: what parties are told of persons stands in the registers
// with the least that a message always holds, under the classes and risks of it.
func TestRegistersOfPeople(t *testing.T) {
	e := env(t)
	p := load(t, e, []byte(people+`  - {id: nooit-adres, description: Waar iemand woont blijft hier., effect: never, kinds: [handover], to: everyone, fields: [address]}
`))
	r := audit.NewRegisters(p, e, matrix(t, e, p), logged)
	art30, dpia := written(t, audit.NewArt30(r).Text), written(t, audit.DPIA{Registers: r}.Text)
	for report, wants := range map[string][]string{
		art30: {
			"persoon (inwoners die worden verwezen), verwijzing: nummer van de verwijzing, aanbod,", "fase, begeleiding",
			"persoon (inwoners die worden verwezen), warme overdracht: nummer van de verwijzing, naam van de inwoner, wie overdraagt, telefoon",
			"UWV (verwijzer, 00000099000000004001)", "https://register.example/overdracht",
		},
		dpia: {
			"Warme overdracht: nummer van de verwijzing, naam van de inwoner", "De naam maakt herleidbaar",
			"Warme overdracht: telefoon", "Verwijzing: begeleiding", "Kan iets zeggen over gezondheid",
			"nooit-adres", "Warme overdracht: adres",
		},
	} {
		for _, want := range wants {
			if !strings.Contains(report, want) {
				t.Errorf("got\n%s\nwant it to hold %q", report, want)
			}
		}
	}
	for _, d := range r.Disclosed {
		if d.Field == "phone" && (d.Class != gateway.Persoon || len(d.Recipients) != 1 || !slices.Equal(d.Rules, []string{"overdracht"})) {
			t.Errorf("got %+v, want the telephone for the one verwijzer, by its rule", d)
		}
	}
}
