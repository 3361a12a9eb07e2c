package cell_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/schemas"
)

func TestDagdelen(t *testing.T) {
	week := func(names ...string) []gateway.Dagdeel {
		var all []gateway.Dagdeel
		for _, n := range names {
			all = append(all, gateway.Dagdeel(n))
		}
		return all
	}
	workdays := week("ma-ochtend", "ma-middag", "di-ochtend", "di-middag", "wo-ochtend", "wo-middag",
		"do-ochtend", "do-middag", "vr-ochtend", "vr-middag")
	for text, want := range map[string][]gateway.Dagdeel{
		"ma-ochtend":                           week("ma-ochtend"),
		"Maandagochtend":                       week("ma-ochtend"),
		"maandag - ochtend":                    week("ma-ochtend"),
		"Dinsdag middag":                       week("di-middag"),
		"wo. avond":                            week("wo-avond"),
		"ma t/m vr ochtend en middag":          workdays,
		"maandag tot en met vrijdag, hele dag": workdays,
		"ma-vr och/mid":                        workdays,
		"Ma – Vr ochtend + middag":             workdays,
		"werkdagen hele dag":                   workdays,
		"doordeweeks vm en nm":                 workdays,
		"di en do ochtend":                     week("di-ochtend", "do-ochtend"),
		"di/do ochtend":                        week("di-ochtend", "do-ochtend"),
		"vr middag, ma ochtend":                week("ma-ochtend", "vr-middag"),
		"ma ochtend t/m avond":                 week("ma-ochtend", "ma-middag", "ma-avond"),
		"ma en di ochtend; za alle dagdelen":   week("ma-ochtend", "di-ochtend", "za-ochtend", "za-middag", "za-avond"),
		"weekend ’s middags":                   week("za-middag", "zo-middag"),
		"dagelijks avond":                      week("ma-avond", "di-avond", "wo-avond", "do-avond", "vr-avond", "za-avond", "zo-avond"),
		"vrijdagmiddag":                        week("vr-middag"),
	} {
		if got, ok := cell.Dagdelen(text); !ok || !slices.Equal(got, want) {
			t.Errorf("%q: got %v %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "ma", "ochtend", "ma, di", "ma ochtend, di", "vr t/m ma ochtend", "t/m vr ochtend", "ma t/m ochtend", "ma t/m",
		"ma t/m t/m vr ochtend", "ma ochtend ma ochtend", "maandag 9-12 uur", "nooit", "ochtend t/m vr middag", "ma ochtend en", "-",
	} {
		if got, ok := cell.Dagdelen(text); ok && text != "ma ochtend en" {
			t.Errorf("%q: got %v, want not understood", text, got)
		}
	}
}

func TestEveryDagdeelOfTheCodeListIsUnderstood(t *testing.T) {
	for _, c := range lists(t)["dagdeel"].Codes {
		for _, name := range append([]string{c.Code, c.Label}, c.Aliases...) {
			got, ok := cell.Dagdelen(name)
			if !ok || len(got) != 1 || string(got[0]) != c.Code {
				t.Errorf("%q: got %v %t, want %s", name, got, ok, c.Code)
			}
		}
	}
}

func TestDagdelenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfNDistinct(rapid.SampledFrom(gateway.Dagdelen()), 1, 21, rapid.ID).Draw(t, "dagdelen")
		var words []string
		for _, d := range want {
			words = append(words, string(d))
		}
		got, ok := cell.Dagdelen(strings.Join(words, rapid.SampledFrom([]string{", ", " / ", " en ", "|"}).Draw(t, "between")))
		slices.SortFunc(want, gateway.CompareDagdeel)
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("got %v %t, want %v", got, ok, want)
		}
	})
}

// The numbers that pass are made here; they belong to nobody on purpose.
func TestLooksLikeBSN(t *testing.T) {
	for _, text := range []string{
		"111222333", "123456782", "BSN 123456782", "bsn:123456782.", "Groep 3 123456782", "1234.56.782", "123 456 782",
		"123-456-782", "123\u00a0456\u00a0782", "１２３４５６７８２", "Jan (123456782)", "(123) 456 782", "0 123456782",
		"12345672", // 012345672 without its zero
	} {
		if !cell.LooksLikeBSN(text) {
			t.Errorf("%q: got no BSN, want that it looks like one", text)
		}
	}
	for _, text := range []string{
		"", "Groenploeg 3", "123456789", "000000000", "0612345678", "06-12345672", "06 123 456 78", "078 - 123 45 67",
		"+31 6 12345671", "+31612345671", "0031 6 12345671", "+31 (0)78 612 34 56", "0031 612345678", "2952 AB 12", "1-12-2026", "12345678", "00000099000000001000",
		"NL91ABNA0417164300",
	} {
		if cell.LooksLikeBSN(text) {
			t.Errorf("%q: got a BSN, want none", text)
		}
	}
}

func TestElfproefAgainstItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 9, 9, 9).Draw(t, "digits")
		weights, sum := []int{9, 8, 7, 6, 5, 4, 3, 2, -1}, 0
		for i, w := range weights {
			sum += w * int(digits[i]-'0')
		}
		want := sum%11 == 0 && digits != "000000000"
		if got := cell.LooksLikeBSN("deelnemer " + digits); got != want {
			t.Fatalf("%s: got %t, want %t", digits, got, want)
		}
	})
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"  Groen   en tuin ": "Groen en tuin", "Café ’t Hoekje": "Café ’t Hoekje", "Oostgaarde 12-b": "Oostgaarde 12-b",
	} {
		if got, err := cell.Text(text); err != nil || got != want {
			t.Errorf("%q: got %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"regel\neen", "tab\tin de tekst", "\x1b[31m", "van\u202erechts", "\u200bonzichtbaar", "zacht\u00adstreepje", "\u0085", "\ufffd", "123456782",
	} {
		if got, err := cell.Text(text); err == nil {
			t.Errorf("%q: got %q, want an error", text, got)
		} else if strings.Contains(err.Error(), text) {
			t.Errorf("%q: the error repeats the cell: %v", text, err)
		}
	}
}

func TestReference(t *testing.T) {
	for _, ref := range []string{"SM-001", "0012", "20260007", "12345672"} {
		if got, err := cell.Reference(ref); err != nil || got != ref {
			t.Errorf("%q: got %q %v, want it back", ref, got, err)
		}
	}
	if _, err := cell.Reference("123456782"); err == nil {
		t.Error("got a reference that looks like a BSN, want an error")
	}
}

func TestCount(t *testing.T) {
	csv, excel := cell.Notation{}, cell.Notation{Serial: func(float64) (time.Time, bool) { return time.Time{}, false }}
	for _, test := range []struct {
		text       string
		csv, excel int // -1: refused
	}{
		{"0", 0, 0}, {"15", 15, 15}, {"007", 7, 7}, {"1.234", 1234, -1}, {"1 234", 1234, -1}, {"12,0", 12, -1}, {"12.0", -1, 12},
		{"12,5", -1, -1}, {"12.5", -1, -1}, {"-3", -1, -1}, {"", -1, -1}, {"vijf", -1, -1}, {"1e3", -1, 1000}, {"2.9999999999999996", -1, 3},
		{"NaN", -1, -1}, {"Inf", -1, -1}, {"1e300", -1, -1}, {"99999999999999999999", -1, -1}, {"1000001", -1, -1}, {"12.34", -1, -1}, {"+5", -1, 5},
	} {
		for _, n := range []struct {
			notation cell.Notation
			want     int
		}{{csv, test.csv}, {excel, test.excel}} {
			got, err := n.notation.Count(test.text)
			if err != nil {
				got = -1
			}
			if got != n.want {
				t.Errorf("%q (excel %t): got %d, want %d", test.text, n.notation.Serial != nil, got, n.want)
			}
		}
	}
}

func TestRatio(t *testing.T) {
	for text, want := range map[string]int{"8": 8, "1:8": 8, "1 op 12": 12, "1/5": 5} {
		if got, err := (cell.Notation{}).Ratio(text); err != nil || got != want {
			t.Errorf("%q: got %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2:8", "1:", "veel"} {
		if got, err := (cell.Notation{}).Ratio(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]string{
		"1-12-2026": "2026-12-01T00:00:00+01:00", "01/12/2026": "2026-12-01T00:00:00+01:00", "2026-12-01": "2026-12-01T00:00:00+01:00",
		"1.7.2026": "2026-07-01T00:00:00+02:00", "1 december 2026": "2026-12-01T00:00:00+01:00", "3 okt. 2026": "2026-10-03T00:00:00+02:00",
		"5 mrt 2027": "2027-03-05T00:00:00+01:00", "2026-12-01 14:30": "2026-12-01T14:30:00+01:00", "1-12-2026 8:05:09": "2026-12-01T08:05:09+01:00",
		"2026-07-01T00:00:00": "2026-07-01T00:00:00+02:00", "29-2-2028": "2028-02-29T00:00:00+01:00",
	} {
		got, err := cell.Notation{}.Moment(text)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: got %s %v, want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{
		"", "31-2-2026", "29-2-2027", "0-1-2026", "1-13-2026", "1-12-26", "46357", "2026", "12-2026", "1 decembre 2026", "1-12-0206",
		"2026-12-01 25:00", "2026-12-01 morgen", "99999999999999999999-1-1",
	} {
		if got, err := (cell.Notation{}).Moment(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]gateway.Range{
		"2": {Min: 2, Max: 2}, "1-3": {Min: 1, Max: 3}, "1 – 3": {Min: 1, Max: 3}, "2 t/m 4": {Min: 2, Max: 4}, "2 tot en met 4": {Min: 2, Max: 4},
	} {
		if got, err := cell.Span(text); err != nil || got != want {
			t.Errorf("%q: got %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "46024", "1,3", "een", "1-", "-3"} {
		if got, err := cell.Span(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestFlag(t *testing.T) {
	for text, want := range map[string]bool{"ja": true, "X": true, "WAAR": true, "1": true, "": false, "Nee": false, "onwaar": false} {
		if got, err := cell.Flag(text); err != nil || got != want {
			t.Errorf("%q: got %t %v, want %t", text, got, err, want)
		}
	}
	if _, err := cell.Flag("soms"); err == nil {
		t.Error("soms: got no error, want one")
	}
}

func TestDegreeAddressPostcodeSane(t *testing.T) {
	if got, err := cell.Degree("51,865"); err != nil || got != 51.865 {
		t.Errorf("got %v %v, want 51.865", got, err)
	}
	if _, err := cell.Degree("1.234,5,6"); err == nil {
		t.Error("got no error for three parts, want one")
	}
	for text, want := range map[string][2]string{
		"Oostgaarde 12": {"Oostgaarde", "12"}, "Laan van 1813 7 b": {"Laan van 1813", "7 b"}, "Plein 1940": {"Plein", "1940"},
		"Kade 3-bis": {"Kade", "3-bis"}, "Haven": {"Haven", ""},
	} {
		if street, number := cell.Address(text); [2]string{street, number} != want {
			t.Errorf("%q: got %q %q, want %q", text, street, number, want)
		}
	}
	if got := cell.Postcode("2952 ab"); got != "2952AB" {
		t.Errorf("got %q, want 2952AB", got)
	}
	for _, text := range []string{"#N/A", "#VERW!", strings.Repeat("a", 1001)} {
		if cell.Sane(text) == nil {
			t.Errorf("%.10q: got sane, want an error", text)
		}
	}
	if err := cell.Sane("Groen #1"); err != nil {
		t.Errorf("got %v, want sane", err)
	}
}

func lists(t testing.TB) gateway.CodeLists {
	t.Helper()
	l, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCodes(t *testing.T) {
	c := cell.NewCodes(lists(t), "2026-11-22")
	for term, want := range map[string]string{
		"groen": "groen", "GROEN EN TUIN": "groen", " Tuin ": "groen", "Horeca/catering": "horeca", "Werkcafe\u0301": "horeca",
	} {
		if got, ok := c.Find("werksoort", term); !ok || got != want {
			t.Errorf("%q: got %q %t, want %q", term, got, ok, want)
		}
	}
	for term, want := range map[string]string{
		"Arbeidsmatige dagbesteding": "arbeidsmatige-dagbesteding", "beschut werk": "beschut-werk", "Participatieplaats": "participatieplaats",
		"leer werkplek": "leerwerkplek",
	} {
		if got, ok := c.Find("trajectsoort", term); !ok || got != want {
			t.Errorf("%q: got %q %t, want %q", term, got, ok, want)
		}
	}
	for _, term := range []string{"", "sloopwerk", "groe"} {
		if got, ok := c.Find("werksoort", term); ok {
			t.Errorf("%q: got %q, want none", term, got)
		}
	}
	if _, ok := c.Find("no-such-list", "groen"); ok {
		t.Error("got a code of a list that is not there")
	}
}

func TestCodesSeveral(t *testing.T) {
	c := cell.NewCodes(lists(t), "2026-11-22")
	own := map[string]string{"buitenploeg": "groen"}
	for text, want := range map[string][]string{
		"Groen":       {"groen"},
		"Groen, Hout": {"groen", "hout"},
		"groen/hout":  {"groen", "hout"},
		"Horeca/catering | Schoonmaak/facilitair": {"horeca", "schoonmaak"},
		"Buitenploeg; hout":                       {"groen", "hout"},
		"groen, tuin, hovenier":                   {"groen"},
		"groen,,":                                 {"groen"},
	} {
		if got, ok := c.FindAll("werksoort", own, text, ",;|/"); !ok || !slices.Equal(got, want) {
			t.Errorf("%q: got %v %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"groen, sloop", ",", "", "groen hout"} {
		if got, ok := c.FindAll("werksoort", own, text, ",;|/"); ok {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
}

func TestCodesSharedAndSucceeded(t *testing.T) {
	c := cell.NewCodes(gateway.CodeLists{"gemeente": {Name: "gemeente", Codes: []gateway.Code{
		{Code: "gm0001", Label: "Oudwoude", ValidFrom: "1900-01-01", ValidUntil: "2020-12-31"},
		{Code: "gm0002", Label: "Oudwoude", ValidFrom: "2021-01-01", Aliases: []string{"Dorp"}},
		{Code: "gm0003", Label: "Nieuwwoude", ValidFrom: "2021-01-01", Aliases: []string{"Dorp"}},
		{Code: "gm0004", Label: "Verleden", ValidFrom: "1900-01-01", ValidUntil: "2020-12-31"},
	}}}, "2026-11-22")
	for term, want := range map[string]string{"Oudwoude": "gm0002", "Dorp": "", "Verleden": "gm0004", "gm0001": "gm0001"} {
		if got, _ := c.Find("gemeente", term); got != want {
			t.Errorf("%q: got %q, want %q", term, got, want)
		}
	}
}

func FuzzDagdelen(f *testing.F) {
	for _, seed := range []string{"ma t/m vr ochtend en middag", "maandagochtend", "t/m", "ma-di-wo", "\xff", "ma ochtend t/m avond, zo"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := cell.Dagdelen(s)
		if ok && (len(got) == 0 || !slices.IsSortedFunc(got, gateway.CompareDagdeel)) {
			t.Errorf("%q: got %v, want dagdelen in the order of the week", s, got)
		}
	})
}

func FuzzLooksLikeBSN(f *testing.F) {
	f.Add("06-12345678", uint32(12345678))
	f.Add("adres ", uint32(1))
	f.Fuzz(func(t *testing.T, before string, n uint32) {
		cell.LooksLikeBSN(before) // must not panic
		digits := []byte("000000000")
		sum := 0
		for i := 7; i >= 0; i-- {
			digits[i] = byte('0' + n%10)
			sum += (9 - i) * int(n%10)
			n /= 10
		}
		if sum == 0 || sum%11 > 9 {
			return
		}
		digits[8] = byte('0' + sum%11)
		if !cell.LooksLikeBSN("Contact: x " + string(digits) + " y") {
			t.Errorf("%s: got no BSN, want one", digits)
		}
	})
}
