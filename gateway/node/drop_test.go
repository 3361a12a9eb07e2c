package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
)

const mapping = `layout: per-aanbod
full: true
fields:
  id: Kenmerk
  title: Naam
  werksoorten: {default: groen}
  trajectsoort: {default: leerwerkplek}
  dienstverband: {default: geen}
  grondslag: {default: participatiewet}
  functionaliteit: {default: G}
  location.gemeente: {default: Alblasserdam}
  validFrom: {default: "2026-01-01"}
  validUntil: {default: "2099-12-31"}
places: {dagdeel: {default: ma ochtend}, maximum: Plekken, occupied: {default: "0"}}
`

const header = "Kenmerk;Naam;Plekken\n"

// dropSite is a node with a drop folder.
type dropSite struct {
	*site
	*node.Node
}

func newDropSite(t *testing.T) *dropSite {
	t.Helper()
	s := newSite(t, [2]string{`folder: ""`, `folder: drop`}, [2]string{`mapping: ""`, `mapping: m.yaml`}, [2]string{"poll: 30s", "poll: 1s"})
	must(t, os.Mkdir(s.config.Drop.Folder, 0o755))
	must(t, os.WriteFile(s.file("m.yaml"), []byte(mapping), 0o600))
	return &dropSite{site: s, Node: s.start(t)}
}

func (s *dropSite) put(t *testing.T, name, content string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.config.Drop.Folder, name), []byte(content), 0o600))
}

// titles are what the node offers, by id.
func (s *dropSite) titles(t *testing.T) map[string]string {
	t.Helper()
	offers, err := s.Store.OwnOffers(context.WithoutCancel(t.Context()))
	must(t, err)
	titles := map[string]string{}
	for _, o := range offers {
		titles[o.Offer.ID] = o.Offer.Title
	}
	return titles
}

// offers waits until the node offers exactly this.
func (s *dropSite) offers(t *testing.T, want map[string]string) {
	t.Helper()
	within(t, time.Minute, "these offers: "+gt.Dump(want)+"\n"+s.log.String(), func() bool {
		return gt.Dump(s.titles(t)) == gt.Dump(want)
	})
}

// report waits until the report on a file has all the words.
func (s *dropSite) report(t *testing.T, name string, words ...string) {
	t.Helper()
	var text []byte
	within(t, time.Minute, name+" is reported with "+strings.Join(words, ", "), func() bool {
		text, _ = os.ReadFile(filepath.Join(s.config.Drop.Folder, "verslagen", name+".txt")) // not there yet
		for _, w := range words {
			if !strings.Contains(string(text), w) {
				return false
			}
		}
		return true
	})
}

// imports counts how many exports were taken.
func (s *dropSite) imports(t *testing.T) int {
	t.Helper()
	return strings.Count(s.log.String(), "export imported")
}

func TestDropTakesTheNewest(t *testing.T) {
	t.Parallel()
	s := newDropSite(t)
	s.put(t, "maandag.csv", header+"A-1;Groen;8\nA-2;Bakkerij;5\n")
	for _, temporary := range []string{"~$maandag.csv", ".maandag.csv", "maandag.csv.part"} {
		s.put(t, temporary, header+"X-1;Tijdelijk;1\n")
	}
	s.offers(t, map[string]string{"A-1": "Groen", "A-2": "Bakkerij"})
	s.report(t, "maandag.csv", "Verslag van maandag.csv", "2 aanbiedingen (2 nieuw")
	s.put(t, "dinsdag.csv", header+"A-1;Groen in de wijk;8\n")
	s.offers(t, map[string]string{"A-1": "Groen in de wijk"})
	s.report(t, "dinsdag.csv", "1 gewijzigd", "1 ingetrokken")
	s.put(t, "dinsdag.csv", header+"A-1;Groen in de stad;8\n") // the same name again
	s.offers(t, map[string]string{"A-1": "Groen in de stad"})
}

// An export that is written slowly, with pauses, is taken when it is complete
// and not before: a part would withdraw what is still to come.
func TestDropWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	s, f := slowExport(t)
	s.report(t, "traag.csv", "Nog niet ingelezen", "midden in een regel")
	if got := s.imports(t); got != 0 {
		t.Fatalf("got %d imports, want that the unfinished export waits", got)
	}
	_, err := f.WriteString("\n")
	must(t, err)
	s.offers(t, map[string]string{"A-1": "Groen", "A-2": "Bakkerij", "A-3": "Keuken"})
	s.report(t, "traag.csv", "3 aanbiedingen (3 nieuw")
	if got := s.imports(t); got != 1 {
		t.Errorf("got %d imports, want 1", got)
	}
}

// slowExport writes an export whose last line does not end, in pieces with pauses
// that are shorter than a file must be still. Where the machine itself paused for
// that long, the node was right to take a part: then it does so again elsewhere.
func slowExport(t *testing.T) (*dropSite, *os.File) {
	t.Helper()
	for range 10 {
		s := newDropSite(t)
		f, err := os.Create(filepath.Join(s.config.Drop.Folder, "traag.csv"))
		must(t, err)
		t.Cleanup(func() { _ = f.Close() })
		last, longest := time.Now(), time.Duration(0)
		for _, part := range []string{"Ken", "merk;Naam;Plekken\n", "A-1", ";Groen;8\n", "A-2", ";Bakkerij;5\n", "A-3;Keuken;3"} {
			before := last
			last = time.Now()
			_, err := f.WriteString(part)
			must(t, err)
			longest = max(longest, time.Since(before))
			s.put(t, "~$traag.csv", "slot") // the file system gives a sign, and the export is as it was
			within(t, time.Minute, "a pause", func() bool { return time.Since(last) > 400*time.Millisecond })
		}
		if longest < 2*time.Second {
			return s, f
		}
	}
	t.Fatal("this machine pauses too often")
	return nil, nil
}

func TestDropReportsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content, mapping string
		words            []string
		offers           map[string]string
	}{
		"rijen.csv": {
			header + "A-1;Groen;8\nA-2;Bakkerij;veel\n", mapping,
			[]string{"1 aanbieding (1 nieuw", "regel 3, kolom Plekken"}, map[string]string{"A-1": "Groen"},
		},
		"anders.csv": {"Iets;Anders\n1;2\n", mapping, []string{"Niet ingelezen", "Kenmerk", "Er is niets veranderd"}, nil},
		"half.xlsx":  {"PK\x03\x04 dit is geen werkmap", mapping, []string{"Nog niet ingelezen", "niet te openen"}, nil},
		"zonder.csv": {header + "A-1;Groen;8\n", "", []string{"Niet ingelezen", "koppeling"}, nil},
		"foute.csv":  {header + "A-1;Groen;8\n", "veld: x\n", []string{"Niet ingelezen", "m.yaml:1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDropSite(t)
			must(t, os.Remove(s.file("m.yaml")))
			if test.mapping != "" {
				must(t, os.WriteFile(s.file("m.yaml"), []byte(test.mapping), 0o600))
			}
			s.put(t, name, test.content)
			s.report(t, name, append(test.words, "Verslag van "+name)...)
			if got := s.titles(t); len(got) != len(test.offers) || got["A-1"] != test.offers["A-1"] {
				t.Errorf("the node offers %v, want %v", got, test.offers)
			}
		})
	}
}

func TestDropHoldsWhatWouldVanish(t *testing.T) {
	t.Parallel()
	s := newDropSite(t)
	full := header + "A-1;Groen;8\nA-2;Bakkerij;5\nA-3;Keuken;3\nA-4;Fietsen;2\nA-5;Hout;2\n"
	s.put(t, "vol.csv", full)
	s.report(t, "vol.csv", "5 nieuw")
	s.put(t, "leeg.csv", header+"A-1;Groen;8\n")
	s.report(t, "leeg.csv", "VASTGEHOUDEN: 4 ", "--confirm")
	if got := s.titles(t); len(got) != 5 {
		t.Errorf("the node offers %v, want all five", got)
	}
	status, err := s.Desk.Status(t.Context(), gt.Everyone())
	must(t, err)
	if !strings.Contains(strings.Join(status.Alarms, "\n"), "wacht op bevestiging") {
		t.Errorf("got alarms %q, want one on the held import", status.Alarms)
	}
	_, err = s.Desk.ConfirmImport(t.Context(), gt.Everyone(), s.config.Drop.Source)
	must(t, err)
	s.offers(t, map[string]string{"A-1": "Groen"})
}

// A node that starts again does not bring back an old export over what was
// published since, and takes one that was left while it was away.
func TestDropAfterARestart(t *testing.T) {
	t.Parallel()
	s := newDropSite(t)
	s.put(t, "oud.csv", header+"A-1;Oud;8\n")
	s.offers(t, map[string]string{"A-1": "Oud"})
	newer := gt.Offer("A-1")
	newer.Title = "Nieuw"
	_, err := s.Desk.PublishCapacity(t.Context(), gt.Everyone(), gateway.Import{Source: s.config.Drop.Source, Offers: []gateway.Offer{newer}}, false)
	must(t, err)
	must(t, s.Stop(t.Context()))

	s.Node = s.start(t)
	within(t, time.Minute, "it says that it does not take it", func() bool {
		return strings.Contains(s.log.String(), "not taken again")
	})
	if got := s.titles(t)["A-1"]; got != "Nieuw" || s.imports(t) != 1 {
		t.Errorf("after the restart: got %q and %d imports, want Nieuw and 1", got, s.imports(t))
	}
	must(t, s.Stop(t.Context()))

	s.put(t, "nieuwer.csv", header+"A-1;Nieuwer;8\n")
	s.Node = s.start(t)
	s.offers(t, map[string]string{"A-1": "Nieuwer"})
}
