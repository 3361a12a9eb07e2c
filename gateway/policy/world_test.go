package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	today = gateway.Date("2026-11-22")

	smile        = gateway.OIN("00000099000000001000")
	drechtwerk   = gateway.OIN("00000099000000001001")
	alblasserdam = gateway.OIN("00000099000000002001")
	dordrecht    = gateway.OIN("00000099000000002002")
	papendrecht  = gateway.OIN("00000099000000002003")
	molenlanden  = gateway.OIN("00000099000000002004")
	zoetermeer   = gateway.OIN("00000099000000002005")
	leidschendam = gateway.OIN("00000099000000002006")
	rijswijk     = gateway.OIN("00000099000000002007")
	grs          = gateway.OIN("00000099000000003001")
	uwv          = gateway.OIN("00000099000000004001")
)

// parties is the register of these tests.
func parties() []gateway.Party {
	gemeente := func(oin gateway.OIN, name string, code gateway.Gemeente) gateway.Party {
		return gateway.Party{
			OIN: oin, Name: name, Kind: gateway.GemeenteKind, Gemeenten: []gateway.GemeenteFor{{Code: code}},
		}
	}
	capacity := []string{gateway.KindCapacity}
	return []gateway.Party{
		{OIN: smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		{OIN: drechtwerk, Name: "Drechtwerk", Kind: gateway.Leerwerkbedrijf},
		gemeente(alblasserdam, "Alblasserdam", "gm0482"),
		gemeente(dordrecht, "Dordrecht", "gm0505"),
		gemeente(papendrecht, "Papendrecht", "gm0590"),
		gemeente(molenlanden, "Molenlanden", "gm1978"),
		gemeente(zoetermeer, "Zoetermeer", "gm0637"),
		gemeente(leidschendam, "Leidschendam-Voorburg", "gm1916"),
		gemeente(rijswijk, "Rijswijk", "gm0603"),
		{OIN: grs, Name: "GR Sociaal", Kind: gateway.GRS, Mandates: []gateway.Mandate{
			{Principal: alblasserdam, Kinds: capacity},
			{Principal: papendrecht, Kinds: capacity, ValidFrom: "2027-01-01"},
			{Principal: drechtwerk, Kinds: capacity},
		}},
		{OIN: uwv, Name: "UWV", Kind: gateway.Verwijzer},
	}
}

func lookup(oin gateway.OIN) (gateway.Party, bool) {
	all := parties()
	i := slices.IndexFunc(all, func(p gateway.Party) bool { return p.OIN == oin })
	if i < 0 {
		return gateway.Party{}, false
	}
	return all[i], true
}

func recipient(t testing.TB, oin gateway.OIN, day gateway.Date) gateway.Recipient {
	t.Helper()
	if oin == "" {
		return gateway.Recipient{Public: true}
	}
	p, ok := lookup(oin)
	if !ok {
		t.Fatalf("no party %s", oin)
	}
	return p.RecipientOn(day, gateway.KindCapacity, lookup)
}

func env(t testing.TB) policy.Env {
	t.Helper()
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	return policy.Env{Self: smile, Party: lookup, Parties: parties(), Lists: lists, Today: today}
}

func load(t testing.TB, e policy.Env, files ...policy.File) *policy.Policy {
	t.Helper()
	p, _, err := policy.Load(files, e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func file(t testing.TB, name string) policy.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return policy.File{Name: filepath.Base(name), Data: data}
}

// groen is the offer of 15 places of which 5 are for Alblasserdam, 5 for
// Dordrecht and 5 for the other Drechtsteden together.
func groen() *gateway.Offer {
	allotted := func(id string, gemeenten ...gateway.Gemeente) gateway.Allotment {
		return gateway.Allotment{
			ID: id, Gemeenten: gemeenten, Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 5, Occupied: 2}},
		}
	}
	return &gateway.Offer{
		ID: "groen-01", Provider: smile, Title: "Groenploeg", Werksoorten: []string{"groen"},
		Trajectsoort: "leerwerkplek", Dienstverband: "geen", Grondslag: "participatiewet", Functionaliteit: "D",
		Fase: gateway.Range{Min: 2, Max: 3}, Location: gateway.Location{Gemeente: "gm0482"},
		Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 15, Occupied: 6}},
		Allotments: []gateway.Allotment{
			allotted("a1", "gm0482"), allotted("a2", "gm0505"),
			allotted("a3", "gm0523", "gm0531", "gm0590", "gm0610", "gm0642"),
		},
		ValidFrom: "2026-01-01", ValidUntil: "2027-12-31",
	}
}

// golden compares got with a file, or writes it under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func lines(data []byte) []string { return strings.Split(string(data), "\n") }

func join(lines []string) string { return strings.Join(lines, "\n") }
