package audit_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
)

// TestMatrixAsWritten compares the report in each format with golden files.
func TestMatrixAsWritten(t *testing.T) {
	e := env(t)
	m := matrix(t, e, small(t, e))
	golden(t, "matrix.txt", written(t, m.Text))
	golden(t, "matrix.csv", written(t, m.CSV))
	golden(t, "matrix.html", written(t, m.HTML))
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "matrix.json", string(data)+"\n")
}

// TestOffersAsWritten is the table of real offers; one of them has expired.
func TestOffersAsWritten(t *testing.T) {
	e := env(t)
	offer := func(id, grondslag string, until gateway.Date) gateway.Offer {
		return gateway.Offer{
			ID: id, Provider: smile, Grondslag: grondslag, Trajectsoort: "leerwerkplek", Fase: gateway.Range{Min: 2, Max: 3}, ValidUntil: until,
			Allotments: []gateway.Allotment{{ID: "a", Gemeenten: []gateway.Gemeente{"gm0482"}}},
		}
	}
	p := small(t, e)
	m := audit.NewOffers(p, audit.NewAbout(p, e, 3, today), audit.Recipients(e, today), []gateway.Offer{
		offer("groen-01", "participatiewet", "2027-12-31"), offer("groen-02", "participatiewet", "2027-12-31"),
		offer("wmo-01", "wmo-2015", "2027-12-31"), offer("oud-01", "wmo-2015", "2026-11-21"),
	})
	golden(t, "offers.txt", written(t, m.Text))
}

// TestHostileNames writes a name that tries to be markup, a formula and a command
// to a terminal.
func TestHostileNames(t *testing.T) {
	const name = "=HYPERLINK(\"http://x\")<script>alert(1)</script>'\"&\x1b[2J\u202e"
	e := env(t)
	for i := range e.Parties {
		e.Parties[i].Name = name
	}
	m := matrix(t, e, small(t, e))
	page := written(t, m.HTML)
	for _, wrong := range []string{"<script", "\"http://x\"", "onerror"} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page holds %q", wrong)
		}
	}
	if !strings.Contains(page, "=HYPERLINK(&#34;http://x&#34;)&lt;script&gt;") {
		t.Error("the page does not show the name")
	}
	r := csv.NewReader(strings.NewReader(written(t, m.CSV)))
	r.Comma = ';'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Fatalf("a spreadsheet would take %q for a formula", cell)
			}
		}
	}
	if text := written(t, m.Text); strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("the text can steer a terminal")
	}
}

func TestNoFormulas(t *testing.T) {
	for _, cell := range []string{"=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "＝1", "|cmd", "%0"} {
		if got := audit.NoFormula(cell); got != "'"+cell {
			t.Errorf("%q: got %q", cell, got)
		}
	}
	for _, cell := range []string{"", "gm0482", "a=1", "'t Hart", "2026-11-22"} {
		if got := audit.NoFormula(cell); got != cell {
			t.Errorf("%q: got %q", cell, got)
		}
	}
}

// TestPageIsAccessible checks what a machine can: language, heads that say what
// they are heads of, a caption for every table, one main heading, and no colour
// without its word.
func TestPageIsAccessible(t *testing.T) {
	e := env(t)
	page := written(t, matrix(t, e, small(t, e)).HTML)
	count := func(part string) int { return strings.Count(page, part) }
	if count(`<html lang="nl">`) != 1 || count("<h1>") != 1 || count("<main>") != 1 || count("@media print") != 1 {
		t.Error("no language, main heading, main part or rules for printing")
	}
	if tables := count("<table>"); tables < 6 || count("<caption>") != tables || count("<thead>") != tables {
		t.Errorf("got %d captions and %d heads of %d tables", count("<caption>"), count("<thead>"), tables)
	}
	if heads := count("<th>") + count("<th "); heads != count(`<th scope="col">`)+count(`<th scope="row">`) {
		t.Errorf("got %d heads, not all with a scope", heads)
	}
	for _, m := range regexp.MustCompile(`<td class="(\w+)">([^<]*)</td>`).FindAllStringSubmatch(page, -1) {
		if m[1] != m[2] {
			t.Errorf("a cell is coloured %s and says %s", m[1], m[2])
		}
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if count(`id="`+link[1]+`"`) != 1 {
			t.Errorf("a link to %s leads nowhere", link[1])
		}
	}
	if regexp.MustCompile(`(?i)<script|<link|<img|src=|url\(`).MatchString(page) {
		t.Error("the page needs something that is not in it")
	}
}

// TestTooMany: a policy that tells too much apart for one recipient is refused
// with a bound, and the others can still be listed.
func TestTooMany(t *testing.T) {
	var b strings.Builder
	b.WriteString("policy: veel\nparty: \"00000099000000001000\"\ndefaults: {purpose: toeleiding, basis: {avg: avg-6-1-e}, retention: P90D}\nrules:\n")
	show := func(i int, when string) {
		fmt.Fprintf(&b, "  - {id: r%d, effect: show, kinds: [capacity], to: {gemeenten: [gm0482]}, retention: P%dD, when: {%s}, fields: {%s: exact}}\n",
			i, i+1, when, gateway.Fields()[i%5])
	}
	codes := []string{"nieuw-beschut", "banenafspraak", "wsw", "ggz", "beschermd-wonen", "verslavingszorg", "wmo-dagbesteding", "jeugdzorg", "vso", "pro", "entree"}
	for i, c := range codes {
		fmt.Fprintf(&b, "  - {id: n%d, effect: never, to: {gemeenten: [gm0482]}, when: {doelgroep: [%s]}, fields: [%s]}\n", i, c, gateway.Fields()[i])
	}
	show(0, "allotment: own")
	e := env(t)
	p := load(t, e, []byte(b.String()))
	about := audit.NewAbout(p, e, 1, today)
	one := func(oin gateway.OIN) error {
		party, _ := e.Lookup(oin)
		_, err := audit.NewMatrix(p, about, []gateway.Recipient{party.RecipientOn(today, gateway.KindCapacity, e.Lookup)})
		return err
	}
	if err := one(alblasserdam); gateway.KindOf(err) != gateway.Invalid || !strings.Contains(gateway.SafeMessage(err), "more than 10 sets of codes of doelgroep") {
		t.Errorf("got %v, want a bound", err)
	}
	if err := one(papendrecht); err != nil {
		t.Errorf("got %v for a recipient whom these rules do not reach", err)
	}
}

// TestRowsDifferByGrounds: what is shown on another ground, or for longer, stands in
// a row of its own.
func TestRowsDifferByGrounds(t *testing.T) {
	e := env(t)
	for name, other := range map[string]string{
		"basis": "basis: {avg: avg-6-1-c}", "purpose": "purpose: afstemming", "retention": "retention: P30D",
	} {
		p := load(t, e, ruled(`rules:
  - {id: a, effect: show, kinds: [capacity], to: {gemeenten: [gm0482]}, when: {trajectsoort: [stage]}, fields: {exact: [title]}}
  - {id: b, effect: show, kinds: [capacity], to: {gemeenten: [gm0482]}, when: {trajectsoort: [leerwerkplek]}, fields: {exact: [title]}, `+other+`}
`))
		m, err := audit.NewMatrix(p, audit.NewAbout(p, e, 1, today), audit.Recipients(e, today)[:1])
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, row := range m.Recipients[0].Rows {
			if row.Allowed && row.Kind == gateway.KindCapacity {
				shown++
			}
		}
		if m.Recipients[0].Name != "Alblasserdam" || shown != 2 {
			t.Errorf("another %s: got %d rows for %s, want two for Alblasserdam: %+v", name, shown, m.Recipients[0].Name, m.Recipients[0].Rows)
		}
	}
}
