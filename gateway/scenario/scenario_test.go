package scenario_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/scenario"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

var update = flag.Bool("update", false, "write golden files anew")

// once: schemas take a while to compile, and a scenario is read-only.
var once = sync.OnceValues(func() (*scenario.Scenario, error) { return scenario.Load("drechtsteden") })

// load gives the Drechtsteden.
func load(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func today() gateway.Date { return gateway.DateOf(time.Now()) }

func offers(t *testing.T, oin gateway.OIN) map[string]gateway.Offer {
	t.Helper()
	list, err := load(t).Offers(t.Context(), oin, today())
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]gateway.Offer{}
	for _, o := range list {
		byID[o.ID] = o
	}
	return byID
}

func TestEveryScenarioLoads(t *testing.T) {
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, m := range s.Members() {
			if !m.OIN.IsTest() {
				t.Errorf("%s: %s has OIN %s, want a test OIN", name, m.Name, m.OIN)
			}
			if _, err := s.Policy(m.OIN, today()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			list, err := s.Offers(t.Context(), m.OIN, today())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got, want := len(list) > 0, m.Kind == gateway.Leerwerkbedrijf; got != want {
				t.Errorf("%s: %s offers something: got %v, want %v", name, m.Name, got, want)
			}
			for _, o := range list {
				if !strings.Contains(o.Contact.Role, "verzonnen") || !strings.HasSuffix(o.Contact.Email, ".example") {
					t.Errorf("%s: the contact of %s does not say that it is made up", name, o.ID)
				}
			}
		}
	}
	if _, err := scenario.Load("atlantis"); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("load an unknown scenario: got %v, want NotFound", err)
	}
}

func TestMembersAreThoseOfTheTestKit(t *testing.T) {
	var got []gateway.OIN
	for _, m := range load(t).Members() {
		got = append(got, m.OIN)
	}
	want := []gateway.OIN{
		gatewaytest.Alblasserdam, gatewaytest.Dordrecht, gatewaytest.Molenlanden, gatewaytest.GRS,
		gatewaytest.Smile, gatewaytest.Drechtwerk,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got members %v, want %v", got, want)
	}
	if _, err := load(t).Policy(gatewaytest.Sliedrecht, today()); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("policy of a stranger: got %v, want NotFound", err)
	}
	if _, err := load(t).Offers(t.Context(), gatewaytest.Sliedrecht, today()); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("offers of a stranger: got %v, want NotFound", err)
	}
}

// TestAllotmentDilemma: fifteen places, five each for two gemeenten and five for
// the other Drechtsteden together; Alblasserdam's are taken on most days.
func TestAllotmentDilemma(t *testing.T) {
	o := offers(t, gatewaytest.Smile)["SM-101"]
	owners := [][]gateway.Gemeente{{"gm0482"}, {"gm0505"}, {"gm0523", "gm0531", "gm0590", "gm0610", "gm0642"}}
	if len(o.Allotments) != len(owners) {
		t.Fatalf("got %d allotments, want %d", len(o.Allotments), len(owners))
	}
	for i, a := range o.Allotments {
		if !slices.Equal(a.Gemeenten, owners[i]) {
			t.Errorf("allotment %s: got %v, want %v", a.ID, a.Gemeenten, owners[i])
		}
		for j, p := range a.Places {
			if p.Maximum != 5 || o.Places[j].Dagdeel != p.Dagdeel || o.Places[j].Maximum != 15 {
				t.Errorf("allotment %s: got %d of %d on %s, want 5 of 15", a.ID, p.Maximum, o.Places[j].Maximum, p.Dagdeel)
			}
		}
	}
	if got := o.Allotments[0].Places[0].Available(); got != 0 {
		t.Errorf("free for Alblasserdam on Monday morning: got %d, want 0", got)
	}
	for i, p := range o.Places {
		taken := 0
		for _, a := range o.Allotments {
			taken += a.Places[i].Occupied
		}
		if taken != p.Occupied {
			t.Errorf("%s: %d taken by allotments, but %d of the whole", p.Dagdeel, taken, p.Occupied)
		}
	}
}

// TestDevelopmentPlaces: a hundred per dagdeel, of which twenty are allotted to
// parties, not gemeenten, for the Wmo.
func TestDevelopmentPlaces(t *testing.T) {
	o := offers(t, gatewaytest.Drechtwerk)["DW-01"]
	if len(o.Places) != 10 || len(o.Allotments) != 1 {
		t.Fatalf("got %d dagdelen and %d allotments, want 10 and 1", len(o.Places), len(o.Allotments))
	}
	a := o.Allotments[0]
	if a.Grondslag != "wmo-2015" || len(a.Gemeenten) > 0 || !slices.Equal(a.Parties, []gateway.OIN{gatewaytest.Dordrecht, gatewaytest.GRS}) {
		t.Errorf("got an allotment by %q for %v and %v, want one by wmo-2015 for two parties", a.Grondslag, a.Gemeenten, a.Parties)
	}
	for i, p := range o.Places {
		if p.Maximum != 100 || a.Places[i].Maximum != 20 {
			t.Errorf("%s: got %d of %d, want 20 of 100", p.Dagdeel, a.Places[i].Maximum, p.Maximum)
		}
	}
}

// TestExportsAreThoseOfAnOffice: the formats that the adapters must cope with.
func TestExportsAreThoseOfAnOffice(t *testing.T) {
	csv, err := os.ReadFile("drechtsteden/smile/aanbod.csv")
	if err != nil {
		t.Fatal(err)
	}
	for what, bytes := range map[string]string{"é in Windows-1252": "Werkcaf\xe9", "ë in Windows-1252": "Zo\xeb", "semicolons": "Referentie;Naam aanbod;"} {
		if !strings.Contains(string(csv), bytes) {
			t.Errorf("the CSV has no %s", what)
		}
	}
	if got := offers(t, gatewaytest.Smile)["SM-103"]; got.Title != "Industriële montage, beschut" || got.Contact.Name != "René Proefmodel" {
		t.Errorf("got %q and %q, want accents as they were", got.Title, got.Contact.Name)
	}
	xlsx, err := os.ReadFile("drechtsteden/drechtwerk/ontwikkelplekken.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(xlsx), "PK") {
		t.Error("the Excel file is no Excel file")
	}
}

func TestLay(t *testing.T) {
	s := load(t)
	dir := t.TempDir()
	now := time.Now()
	laid, err := s.Lay(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{}
	for _, m := range laid.Members {
		c, err := config.Load(m.ConfigFile())
		if err != nil {
			t.Fatal(err)
		}
		if len(config.Diff(c, m.Config)) > 0 || c.Party != m.OIN || c.Name != m.Name {
			t.Errorf("%s: the configuration on disk is another", m.Name)
		}
		for _, a := range []string{c.Listen.Peers, c.Listen.Public, c.Listen.Ops} {
			if addresses[a] || !strings.HasPrefix(a, "127.0.0.1:") {
				t.Errorf("%s: got address %s, want one of its own on loopback", m.Name, a)
			}
			addresses[a] = true
		}
		checkRegister(t, m, s)
		checkToken(t, m)
	}
	if _, err := s.Lay(dir, now); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("lay out again in the same folder: got %v, want Conflict", err)
	}
}

// checkRegister checks that the node can start from its register.
func checkRegister(t *testing.T, m scenario.LaidMember, s *scenario.Scenario) {
	t.Helper()
	file, err := os.ReadFile(m.Config.Register.File)
	if err != nil {
		t.Fatal(err)
	}
	reg, err := register.Parse(file, m.Config.Register.Anchors)
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	if got, want := len(reg.Parties()), len(s.Members()); got != want {
		t.Errorf("%s: got %d parties in the register, want %d", m.Name, got, want)
	}
	p, ok := reg.Party(m.OIN)
	if !ok || p.Endpoint != "https://"+m.Config.Listen.Peers || p.Kind != m.Kind || len(p.Mandates) != len(m.Mandates) {
		t.Errorf("%s: the register does not describe it", m.Name)
	}
	pem, err := os.ReadFile(filepath.Join(m.Config.Keys, "signing.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.ParseKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	if _, known := p.SigningKey(key.KID()); !known {
		t.Errorf("%s: its signing key is not in the register", m.Name)
	}
}

func checkToken(t *testing.T, m scenario.LaidMember) {
	t.Helper()
	token, err := node.ReadToken(filepath.Join(m.Dir, node.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Config.Callers[0].SHA256; got != gateway.Hash([]byte(token)) {
		t.Errorf("%s: the token is not that of the configuration", m.Name)
	}
}

func TestRegistrarCanSignTheNextRegister(t *testing.T) {
	dir := t.TempDir()
	laid, err := load(t).Lay(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "register.jws"))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "registrar", "signing.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.ParseKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	first, err := register.Parse(file, laid.Members[0].Config.Register.Anchors)
	if err != nil {
		t.Fatal(err)
	}
	next, err := register.Encode(register.NextOf(first, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if next, err = register.Sign(next, key); err != nil {
		t.Fatal(err)
	}
	if _, err := register.Successor(first, next, time.Now()); err != nil {
		t.Errorf("the successor is refused: %v", err)
	}
}

func TestLayRefusesWhereSocketsCannotBe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("lang", 25))
	if _, err := load(t).Lay(dir, time.Now()); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("got %v, want Invalid", err)
	}
	file := filepath.Join(t.TempDir(), "bestand")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t).Lay(file, time.Now()); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("lay out in a file: got %v, want Invalid", err)
	}
	if _, err := os.Stat(filepath.Join(file, "registrar")); err == nil {
		t.Error("something was made in a file")
	}
}
