package adapters_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
)

// table writes the same rows as CSV or as a workbook.
func table(t testing.TB, excel bool, rows [][]string) []byte {
	if excel {
		return workbook(t, func(f *excelize.File) {
			for i, row := range rows {
				must(t, f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row))
			}
		})
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = ';'
	must(t, w.WriteAll(rows))
	return b.Bytes()
}

// TestOffersRoundTrip writes offers as an admin would and reads them back.
func TestOffersRoundTrip(t *testing.T) {
	m := mapping(t, testdata(t, "per-dagdeel.yaml"))
	opt := options(t, m)
	dir := t.TempDir()
	header := strings.Split(strings.SplitN(testdata(t, "per-dagdeel.csv"), "\n", 2)[0], ";")
	code := func(list string) *rapid.Generator[gateway.Code] {
		var valid []gateway.Code
		for _, c := range opt.Lists[list].Codes {
			if today.Within(c.ValidFrom, c.ValidUntil) {
				valid = append(valid, c)
			}
		}
		return rapid.SampledFrom(valid)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var want []gateway.Offer
		var rows [][]string
		count := rapid.IntRange(1, 4).Draw(rt, "offers")
		for i := range count {
			kind, work := code("trajectsoort").Draw(rt, "traject"), code("werksoort").Draw(rt, "werk")
			o := gateway.Offer{
				ID: fmt.Sprintf("R-%d", i), Provider: provider, Title: rapid.StringMatching(`[A-Z][a-zé’ ]{0,20}[a-z]`).Draw(rt, "title"),
				Werksoorten: []string{work.Code}, Trajectsoort: kind.Code, Dienstverband: "geen", Grondslag: "participatiewet", Functionaliteit: "D",
				Location: gateway.Location{Gemeente: "gm0482"}, ValidFrom: "2026-01-01", ValidUntil: "2027-12-31",
			}
			o.Title = strings.Join(strings.Fields(o.Title), " ")
			dagdelen := rapid.SliceOfNDistinct(rapid.SampledFrom(gateway.Dagdelen()), 1, 4, rapid.ID).Draw(rt, "dagdelen")
			allotted := rapid.IntRange(0, 3).Draw(rt, "allotted")
			for _, d := range dagdelen {
				p := gateway.Places{Dagdeel: d, Maximum: rapid.IntRange(3, 2000).Draw(rt, "maximum"), Occupied: rapid.IntRange(0, 2000).Draw(rt, "occupied")}
				o.Places = append(o.Places, p)
				cells := map[string]string{
					"Referentie": o.ID, "Naam": o.Title, "Werksoort": work.Label, "Traject": kind.Code, "Dienstverband": "Geen dienstverband",
					"Wet": "PW", "Functionaliteit": "d", "Gemeente": "ALBLASSERDAM", "Dagdeel": string(d), "Plekken": strconv.Itoa(p.Maximum),
					"Bezet": strconv.Itoa(p.Occupied), "Geldig van": "1-1-2026", "Geldig tot": "2027-12-31",
				}
				if allotted > 0 {
					cells["Toegekend Alblasserdam"], cells["Bezet Alblasserdam"] = strconv.Itoa(allotted), "1"
				}
				row := make([]string, len(header))
				for j, name := range header {
					row[j] = cells[name]
				}
				rows = append(rows, row)
			}
			o = sorted(o)
			if allotted > 0 {
				a := gateway.Allotment{ID: "alblasserdam", Gemeenten: []gateway.Gemeente{"gm0482"}}
				for _, p := range o.Places {
					a.Places = append(a.Places, gateway.Places{Dagdeel: p.Dagdeel, Maximum: allotted, Occupied: 1})
				}
				o.Allotments = []gateway.Allotment{a}
			}
			want = append(want, o)
		}
		path := filepath.Join(dir, "export")
		must(t, os.WriteFile(path, table(t, rapid.Bool().Draw(rt, "excel"), append([][]string{header}, rows...)), 0o600))
		got, err := adapters.Read(t.Context(), path, opt)
		if err != nil || !got.Full || !reflect.DeepEqual(got.Offers, want) {
			rt.Fatalf("got %+v %v, want %+v", got, err, want)
		}
	})
}

func sorted(o gateway.Offer) gateway.Offer {
	var places []gateway.Places
	for _, d := range gateway.Dagdelen() {
		for _, p := range o.Places {
			if p.Dagdeel == d {
				places = append(places, p)
			}
		}
	}
	o.Places = places
	return o
}

// checkImport holds for whatever was read.
func checkImport(t testing.TB, got gateway.Import, l gateway.CodeLists) {
	t.Helper()
	good := map[string]bool{}
	for _, o := range got.Offers {
		if good[o.ID] {
			t.Errorf("got offer %s twice", o.ID)
		}
		good[o.ID] = true
		if p := o.Check(l, today); len(p) > 0 {
			t.Errorf("got offer %s with problems %v", o.ID, p)
		}
	}
	last := 0
	for _, p := range got.Problems {
		if p.Line < 1 || p.Line < last || p.Message == "" || p.File == "" {
			t.Errorf("got problem %+v after line %d, want a line, in order, and a message", p, last)
		}
		last = p.Line
		if good[p.Offer] && !p.Warning {
			t.Errorf("got offer %s in spite of %+v", p.Offer, p)
		}
		if p.Offer == "" && !p.Warning && got.Full {
			t.Errorf("got a full import in spite of %+v", p)
		}
	}
}

// TestNothingIsRepeated puts a marked value in any cell and looks for the mark
// in every message.
func TestNothingIsRepeated(t *testing.T) {
	const mark = "zqxjv"
	opt := options(t, mapping(t, testdata(t, "per-dagdeel.yaml")))
	lines := strings.Split(strings.TrimSpace(testdata(t, "per-dagdeel.csv")), "\n")
	width := len(strings.Split(lines[0], ";"))
	problems := 0
	for column := range width {
		for _, value := range []string{mark, mark + " 111222333", mark + "\x07", "\"" + mark, "-" + mark, mark + strings.Repeat("a", 2000)} {
			cells := strings.Split(lines[1], ";")
			cells[column] = value
			text := strings.Join([]string{lines[0], strings.Join(cells, ";"), lines[2], ""}, "\n")
			got, err := adapters.Read(t.Context(), export(t, "a.csv", []byte(text)), opt)
			must(t, err)
			checkImport(t, got, opt.Lists)
			for _, p := range got.Problems {
				problems++
				if strings.Contains(p.Message+p.Column, mark) {
					t.Errorf("column %d: got %+v, which repeats the cell", column, p)
				}
			}
		}
	}
	if problems < 100 {
		t.Errorf("got only %d problems: the test puts its mark in the wrong place", problems)
	}
}

// TestAllotments: what is allotted holds on the dagdelen that have places.
func TestAllotments(t *testing.T) {
	m := mapping(t, fmt.Sprintf(small, "per-dagdeel")+
		"allotments: [{ id: a, gemeenten: [gm0482], maximum: Voor A, occupied: { column: Bezet A, default: \"0\" } }]\n")
	header := strings.TrimSpace(smallHeader) + ";Voor A;Bezet A\n"
	for name, test := range map[string]struct {
		rows string
		want []gateway.Places // nil: no allotment
		bad  bool
	}{
		"on each dagdeel of a row": {"A;Groen;Groen;ma hele dag;5;1;;2;1\n", []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 2, Occupied: 1}, {Dagdeel: "ma-middag", Maximum: 2, Occupied: 1}}, false},
		"not where there is no place": {"A;Groen;Groen;ma ochtend;5;1;;2;\nA;Groen;Groen;ma middag;0;0;;2;\n",
			[]gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 2, Occupied: 0}}, false},
		"not where the cell is empty": {"A;Groen;Groen;ma ochtend;5;1;;;\nA;Groen;Groen;ma middag;5;0;;2;\n",
			[]gateway.Places{{Dagdeel: "ma-middag", Maximum: 2, Occupied: 0}}, false},
		"nothing at all":      {"A;Groen;Groen;ma ochtend;5;1;;0;\n", nil, false},
		"more than there are": {"A;Groen;Groen;ma ochtend;5;1;;6;\n", nil, true},
		"occupied of nothing": {"A;Groen;Groen;ma ochtend;5;1;;;1\n", nil, true},
	} {
		got, err := adapters.Read(t.Context(), export(t, "a.csv", []byte(header+test.rows)), options(t, m))
		must(t, err)
		if test.bad {
			if len(got.Offers) != 0 || len(got.Problems) != 1 || got.Problems[0].Warning {
				t.Errorf("%s: got %+v, want one problem and no offer", name, got)
			}
			continue
		}
		var places []gateway.Places
		if len(got.Offers) == 1 && len(got.Offers[0].Allotments) == 1 {
			places = got.Offers[0].Allotments[0].Places
		}
		if len(got.Problems) > 0 || len(got.Offers) != 1 || !reflect.DeepEqual(places, test.want) {
			t.Errorf("%s: got %+v, want allotted %v", name, got, test.want)
		}
	}
}

func TestReadStopsWhenAsked(t *testing.T) {
	path := export(t, "a.csv", []byte(smallHeader+"A;Groen;Groen;ma ochtend;5;1;\n"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := adapters.Read(ctx, path, options(t, mapping(t, fmt.Sprintf(small, "per-aanbod")))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestReadLimitAndSource(t *testing.T) {
	opt := options(t, mapping(t, fmt.Sprintf(small, "per-aanbod")))
	opt.Source = ""
	path := export(t, "a.csv", []byte(smallHeader+"A;Groen;Groen;ma ochtend;5;1;\n"))
	if got, err := adapters.Read(t.Context(), path, opt); err != nil || got.Source != "a.csv" {
		t.Errorf("got source %q %v, want the name of the file", got.Source, err)
	}
	opt.MaxBytes = 10
	if _, err := adapters.Read(t.Context(), path, opt); gateway.KindOf(err) != gateway.Limit {
		t.Errorf("got %v, want Limit", err)
	}
	if ok, err := adapters.Complete(path); err != nil || !ok {
		t.Errorf("got %t %v, want complete", ok, err)
	}
}

// TestNamedSheet: a mapping may name its worksheet, also a hidden one.
func TestNamedSheet(t *testing.T) {
	m := mapping(t, testdata(t, "per-aanbod.yaml"))
	path := export(t, "a.xlsx", workplaces(t))
	m.Sheet = "sheet1"
	got, err := adapters.Read(t.Context(), path, options(t, m))
	must(t, err)
	if len(got.Offers) != 0 || len(got.Problems) == 0 || got.Problems[0].Offer != "verborgen" {
		t.Errorf("got %+v, want only what is wrong on the hidden sheet", got)
	}
	m.Sheet = "Blad7"
	if _, err := adapters.Read(t.Context(), path, options(t, m)); gateway.KindOf(err) != gateway.Invalid || err == nil {
		t.Errorf("got %v, want Invalid for a sheet that is not there", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(smallHeader+"A;Groen;Groen;ma ochtend;5;1;\nA;Groen;Groen;ma middag;5;1;\n"), true)
	f.Add([]byte(smallHeader+"A;\"Groen;Groen;ma t/m vr ochtend;5;9;1-6-2026\nB;;\n;;;;;;\n"), false)
	f.Add([]byte("sep=,\n"+strings.ReplaceAll(smallHeader, ";", ",")+"A,Groen,\"Groen,Hout\",ma ochtend,1.000,0,\n"), false)
	f.Add([]byte(smallHeader+"Totaal\n111222333;caf\xe9;x;#REF!;-1;x;31-2-2026\n"), true)
	m := map[bool]adapters.Mapping{true: mapping(f, fmt.Sprintf(small, "per-dagdeel")), false: mapping(f, fmt.Sprintf(small, "per-aanbod"))}
	opt := options(f, m[true])
	path := filepath.Join(f.TempDir(), "a.csv")
	f.Fuzz(func(t *testing.T, b []byte, perDagdeel bool) {
		must(t, os.WriteFile(path, b, 0o600))
		opt := opt
		opt.Mapping = m[perDagdeel]
		got, err := adapters.Read(t.Context(), path, opt)
		if err != nil {
			if k := gateway.KindOf(err); k != gateway.Invalid && k != gateway.Limit {
				t.Fatalf("got %v, want Invalid or Limit", err)
			}
			return
		}
		checkImport(t, got, opt.Lists)
		if _, err := adapters.Propose(path, opt.Lists); err != nil && gateway.KindOf(err) != gateway.Invalid {
			t.Fatalf("propose: got %v, want Invalid", err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	lines := strings.Split(strings.TrimSpace(testdata(b, "per-dagdeel.csv")), "\n")
	rows := [][]string{strings.Split(lines[0], ";")}
	dagdelen := gateway.Dagdelen()
	for i := range 20_000 {
		row := strings.Split(lines[1], ";")
		row[0], row[17] = fmt.Sprintf("R-%d", i/10), string(dagdelen[i%10])
		rows = append(rows, row)
	}
	opt := options(b, mapping(b, testdata(b, "per-dagdeel.yaml")))
	for _, excel := range []bool{false, true} {
		path := export(b, "a", table(b, excel, rows))
		b.Run(map[bool]string{false: "csv", true: "xlsx"}[excel], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got, err := adapters.Read(b.Context(), path, opt)
				if err != nil || len(got.Offers) != 2000 {
					b.Fatalf("got %d offers %v, want 2000; %v", len(got.Offers), err, got.Problems)
				}
			}
			b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
