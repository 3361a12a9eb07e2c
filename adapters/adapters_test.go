package adapters_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/schemas"
)

var update = flag.Bool("update", false, "write golden files anew")

const (
	provider = gateway.OIN("00000099000000001000")
	today    = gateway.Date("2026-11-22")
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func lists(t testing.TB) gateway.CodeLists {
	t.Helper()
	l, err := gateway.LoadCodeLists(schemas.FS())
	must(t, err)
	return l
}

func mapping(t testing.TB, text string) adapters.Mapping {
	t.Helper()
	m, err := adapters.ParseMapping("koppeling.yaml", []byte(text))
	must(t, err)
	return m
}

func testdata(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	must(t, err)
	return string(b)
}

func options(t testing.TB, m adapters.Mapping) adapters.Options {
	t.Helper()
	return adapters.Options{Mapping: m, Provider: provider, Lists: lists(t), Day: today, Source: "test"}
}

// export writes a file for one test.
func export(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, b, 0o600))
	return path
}

func windows1252(t testing.TB, text string) []byte {
	t.Helper()
	b, err := charmap.Windows1252.NewEncoder().Bytes([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	must(t, err)
	return b
}

func workbook(t testing.TB, fill func(*excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	b, err := f.WriteToBuffer()
	must(t, err)
	return b.Bytes()
}

func compareGolden(t *testing.T, name string, got any) {
	t.Helper()
	b, err := json.MarshalIndent(got, "", "  ")
	must(t, err)
	b = append(b, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, b, 0o600))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(b, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, b, want)
	}
}

func TestReadCSVGolden(t *testing.T) {
	path := export(t, "aanbod.csv", windows1252(t, testdata(t, "per-dagdeel.csv")))
	got, err := adapters.Read(t.Context(), path, options(t, mapping(t, testdata(t, "per-dagdeel.yaml"))))
	must(t, err)
	compareGolden(t, "per-dagdeel.golden.json", got)
}

// workplaces is an Excel file as people make them: a title above the header, a
// hidden sheet first, dates as dates, formulas, a telephone number as a number,
// and a note below the rows.
func workplaces(t testing.TB) []byte {
	return workbook(t, func(f *excelize.File) {
		_, err := f.NewSheet("Werkplekken")
		must(t, err)
		f.SetActiveSheet(1)
		date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		must(t, err)
		phone, err := f.NewStyle(&excelize.Style{CustomNumFmt: new("0000000000")})
		must(t, err)
		header := []any{"Nr.", "Werkplek", "Soort werk", "Soort traject", "Wet", "Gemeente", "Breedtegraad", "Lengtegraad", "Telefoon",
			"Status", "Ingangsdatum", "ma ochtend", "ma ochtend bezet", "ma middag", "ma middag bezet", "Wmo", "Opmerking"}
		const sheet = "Werkplekken"
		must(t, f.SetSheetVisible("Sheet1", false), f.SetSheetRow("Sheet1", "A1", &header), f.SetSheetRow("Sheet1", "A2", &[]any{"verborgen"}),
			f.SetCellValue(sheet, "A1", "Werkplekken van een fictief leerwerkbedrijf"),
			f.SetSheetRow(sheet, "A3", &header),
			f.SetSheetRow(sheet, "A4", &[]any{"007", "Ontwikkelplek", "Buitendienst|Hout", "Ontwikkelplek", nil, "Groningen", 53.219, 6.567,
				600000001, "Wachtlijst", 46023, 100, 80, 100, nil, 20, "wordt niet gelezen"}),
			f.SetSheetRow(sheet, "A5", &[]any{8, "Naaiatelier", "Textiel en kringloop", "Stage", "Wmo", "Groningen", nil, nil,
				nil, nil, "1 maart 2026", 10, 0, nil, nil, nil}),
			f.SetSheetRow(sheet, "A6", &[]any{9, "Fietsenmaker", "Fietsen", "Stage", "Wmo", "Groningen", nil, nil,
				nil, nil, "binnenkort", 2.5, 0, nil, 1, 3}),
			f.SetCellStyle(sheet, "I4", "I4", phone), f.SetCellStyle(sheet, "K4", "K4", date),
			f.SetCellFormula(sheet, "L4", "50+50"),
			f.MergeCell(sheet, "A9", "Q9"), f.SetCellValue(sheet, "A9", "Bijgewerkt door de administratie"),
		)
	})
}

func TestReadXLSXGolden(t *testing.T) {
	path := export(t, "plekken.csv", workplaces(t)) // a wrong name does not matter
	got, err := adapters.Read(t.Context(), path, options(t, mapping(t, testdata(t, "per-aanbod.yaml"))))
	must(t, err)
	compareGolden(t, "per-aanbod.golden.json", got)
}

// small is the least that a mapping needs, for one cell with dagdelen.
const small = `
layout: %s
fields:
  id: Kenmerk
  title: Naam
  werksoorten: Werksoort
  trajectsoort: { default: stage }
  dienstverband: { default: geen }
  grondslag: { default: participatiewet }
  functionaliteit: { default: D }
  location.gemeente: { default: gm0482 }
  validFrom: { default: "2026-01-01" }
  validUntil: { column: Tot, default: "2027-12-31" }
places: { dagdeel: Dagdeel, maximum: Plekken, occupied: Bezet }
`

const smallHeader = "Kenmerk;Naam;Werksoort;Dagdeel;Plekken;Bezet;Tot\n"

// TestProblems shows for each kind of bad row what the office worker reads, and
// what becomes of the offer.
func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		layout   string
		rows     string
		problems []string // line, column, offer, ! for bad or ? for a warning, message
		offers   string
		full     bool
	}{
		"good":        {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;\n", nil, "A B", true},
		"empty lines": {"per-aanbod", "\n;;;;;;\nA;Groen;Groen;ma ochtend;5;1;\n;;;\n\n", nil, "A", true},
		"required cells empty": {"per-aanbod", "A;;;;;;\n",
			[]string{`2 "Naam" A ! is leeg`, `2 "Werksoort" A ! is leeg`, `2 "Plekken" A ! is leeg`, `2 "Dagdeel" A ! is leeg`}, "", true},
		"occupied empty": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;;\n", []string{`2 "Bezet" A ! is leeg; vul 0 in als er niemand is`}, "", true},
		"no reference": {"per-aanbod", ";Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`2 "Kenmerk" - ! is leeg`}, "B", false},
		"reference of the wrong form": {"per-aanbod", "A/1;Groen;Groen;ma ochtend;5;1;\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`2 "Kenmerk" - ! moet 1–64 letters, cijfers, punten of streepjes zijn`}, "", false},
		"reference that looks like a BSN": {"per-aanbod", "111222333;Groen;Groen;ma ochtend;5;1;\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`2 "Kenmerk" - ! lijkt op een BSN; een BSN mag hier nooit staan`}, "", false},
		"too many cells": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;;x\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`2 "" A ! de regel heeft meer dan 7 kolommen; staat er een scheidingsteken of aanhalingsteken te veel?`}, "", false},
		"too few cells": {"per-aanbod", "A;Groen;Groen\nB;Hout;Hout;di middag;3;0;\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`2 "" A ! de regel heeft maar 3 van de 7 kolommen`}, "B", false},
		"a quote too many": {"per-aanbod", "A;\"Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`2 "" - ! de aanhalingstekens in deze regel kloppen niet`}, "B", false},
		"a note below": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;\n\nBijgewerkt door de administratie\n",
			[]string{`4 "" - ? deze regel is overgeslagen: er is maar één cel ingevuld`}, "A", true},
		"cut off": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`3 "" - ? het bestand eindigt midden in deze regel; is de export afgebroken?`}, "A B", false},
		"unknown code": {"per-aanbod", "A;Groen;Groen, Vliegen;ma ochtend;5;1;\n",
			[]string{`2 "Werksoort" A ! noemt iets dat niet in codelijst werksoort staat`}, "", true},
		"unknown dagdeel": {"per-aanbod", "A;Groen;Groen;overdag;5;1;\n",
			[]string{`2 "Dagdeel" A ! noemt geen dagdelen die wij kennen; schrijf bijvoorbeeld: ma t/m vr ochtend en middag`}, "", true},
		"numbers": {"per-aanbod", "A;Groen;Groen;ma ochtend;5,5;-1;\n",
			[]string{`2 "Plekken" A ! moet een heel getal zijn`, `2 "Bezet" A ! mag niet negatief zijn`}, "", true},
		"spreadsheet error": {"per-aanbod", "A;#VERW!;Groen;ma ochtend;#N/B;1;\n",
			[]string{`2 "Naam" A ! bevat een fout uit het rekenblad`, `2 "Plekken" A ! bevat een fout uit het rekenblad`}, "", true},
		"more occupied than there is": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;6;\n",
			[]string{`2 "Bezet" A ? er is meer bezet dan er plekken zijn`}, "A", true},
		"expired": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;1-6-2026\n",
			[]string{`2 "Tot" A ? is voorbij: dit aanbod telt niet meer als beschikbaar`}, "A", true},
		"validity backwards": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;1-6-2025\n",
			[]string{`2 "Tot" A ! moet een datum zijn, niet vóór validFrom`}, "", true},
		"BSN in the title": {"per-aanbod", "A;Plek van 1112.22.333;Groen;ma ochtend;5;1;\n",
			[]string{`2 "Naam" A ! lijkt op een BSN; een BSN mag hier nooit staan`}, "", true},
		"line break in the title": {"per-aanbod", "A;\"Groen\nen meer\";Groen;ma ochtend;5;1;\nB;Hout;Vliegen;di middag;3;0;\n",
			[]string{`2 "Naam" A ! bevat een regeleinde of een onzichtbaar teken`, `4 "Werksoort" B ! noemt iets dat niet in codelijst werksoort staat`}, "", true},
		"10 MB in a cell": {"per-aanbod", "A;" + strings.Repeat("x", 10<<20) + ";Groen;ma ochtend;5;1;\n",
			[]string{`2 "Naam" A ! is langer dan 1000 tekens`}, "", true},
		"title too long": {"per-aanbod", "A;" + strings.Repeat("x", 201) + ";Groen;ma ochtend;5;1;\n",
			[]string{`2 "Naam" A ! moet 1–200 tekens zijn`}, "", true},
		"same reference twice": {"per-aanbod", "A;Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;\nA;Groen;Groen;ma middag;5;1;\n",
			[]string{`4 "Kenmerk" A ! dit kenmerk staat ook in regel 2`}, "B", true},
		"rows of one offer": {"per-dagdeel", "A;Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;\nA;Groen;Groen;ma middag;5;1;\n", nil, "A B", true},
		"rows that disagree": {"per-dagdeel", "A;Groen;Groen;ma ochtend;5;1;\nA;Groenploeg;Groen;ma middag;5;1;\n",
			[]string{`3 "Naam" A ! is anders dan in regel 2 van hetzelfde aanbod`}, "", true},
		"same dagdeel twice": {"per-dagdeel", "A;Groen;Groen;ma ochtend;5;1;\nA;Groen;Groen;ma hele dag;5;1;\n",
			[]string{`3 "Dagdeel" A ! dit dagdeel staat ook in regel 2 van hetzelfde aanbod`}, "", true},
		"one bad row spoils its offer only": {"per-dagdeel", "A;Groen;Groen;ma ochtend;5;1;\nB;Hout;Hout;di middag;3;0;\nA;Groen;Groen;ma middag;x;1;\n",
			[]string{`4 "Plekken" A ! moet een heel getal zijn`}, "B", true},
		"a ragged row spoils its offer": {"per-dagdeel", "A;Groen;Groen;ma ochtend;5;1;\nA;Groen;Groen\n", []string{
			`1 "" - ? er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken`,
			`3 "" A ! de regel heeft maar 3 van de 7 kolommen`}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := export(t, "aanbod.csv", []byte(smallHeader+test.rows))
			got, err := adapters.Read(t.Context(), path, options(t, mapping(t, fmt.Sprintf(small, test.layout))))
			must(t, err)
			var problems, offers []string
			for _, p := range got.Problems {
				if p.File != "aanbod.csv" {
					t.Errorf("got file %q, want aanbod.csv", p.File)
				}
				offer, mark := p.Offer, "!"
				if offer == "" {
					offer = "-"
				}
				if p.Warning {
					mark = "?"
				}
				problems = append(problems, fmt.Sprintf("%d %q %s %s %s", p.Line, p.Column, offer, mark, p.Message))
			}
			for _, o := range got.Offers {
				offers = append(offers, o.ID)
			}
			if !slices.Equal(problems, test.problems) {
				t.Errorf("got problems %q, want %q", problems, test.problems)
			}
			if s := strings.Join(offers, " "); s != test.offers {
				t.Errorf("got offers %q, want %q", s, test.offers)
			}
			if got.Full != test.full {
				t.Errorf("got full %t, want %t", got.Full, test.full)
			}
		})
	}
}

func TestFilesRefusedAsAWhole(t *testing.T) {
	const row = "A;Groen;Groen;ma ochtend;5;1;\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":            {"", "leeg"},
		"only a header":    {smallHeader + "\n;;;\n", "alleen een kopregel"},
		"columns missing":  {"Kenmerk;Naam;Dagdeel;Plekken;Tot\n" + row, "regel 1: deze kolommen uit de koppeling ontbreken: Werksoort, Bezet"},
		"a column twice":   {"Kenmerk;Naam;Werksoort;Dagdeel;Plekken;Bezet;Tot; naam\n" + row, "regel 1: deze kolommen staan er meer dan één keer: Naam"},
		"something else":   {"Beste collega,\nhierbij het aanbod.\n", "ontbreken: Kenmerk"},
		"broken from line": {"\"\n", "leeg"},
	} {
		_, err := adapters.Read(t.Context(), export(t, "x.csv", []byte(test.text)), options(t, mapping(t, fmt.Sprintf(small, "per-aanbod"))))
		if err == nil || gateway.KindOf(err) != gateway.Invalid || !strings.Contains(gateway.SafeMessage(err), test.want) {
			t.Errorf("%s: got %v, want Invalid with %q", name, err, test.want)
		}
	}
}
