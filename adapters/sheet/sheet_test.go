package sheet_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

func utf16Bytes(order binary.AppendByteOrder, s string) []byte {
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

func windows1252(t testing.TB, s string) []byte {
	t.Helper()
	b, err := charmap.Windows1252.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cells(t testing.TB, b []byte) [][]string {
	t.Helper()
	sheets, err := sheet.Parse(b)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	var all [][]string
	for _, r := range sheets[0].Rows {
		all = append(all, r.Cells)
	}
	return all
}

func TestEncodings(t *testing.T) {
	const text = "Kenmerk;Naam\nA1;Café “’t Hoekje” – €5\n"
	want := [][]string{{"Kenmerk", "Naam"}, {"A1", "Café “’t Hoekje” – €5"}}
	for name, b := range map[string][]byte{
		"UTF-8":          []byte(text),
		"UTF-8 with BOM": []byte("\ufeff" + text),
		"UTF-16 LE":      utf16Bytes(binary.LittleEndian, text),
		"UTF-16 BE":      utf16Bytes(binary.BigEndian, text),
		"Windows-1252":   windows1252(t, text),
	} {
		if got := cells(t, b); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestSeparatorsAndLineEndings(t *testing.T) {
	want := [][]string{{"Kenmerk", "Werk, soort"}, {"A1", "x;y"}}
	for name, text := range map[string]string{
		"semicolon":     "Kenmerk;\"Werk, soort\"\nA1;\"x;y\"\n",
		"comma":         "Kenmerk,\"Werk, soort\"\nA1,x;y\n",
		"tab":           "Kenmerk\tWerk, soort\nA1\tx;y\n",
		"declared":      "sep=,\nKenmerk,\"Werk, soort\"\nA1,x;y\n",
		"declared tab":  "\"sep=\t\"\r\nKenmerk\tWerk, soort\r\nA1\tx;y\r\n",
		"CRLF":          "Kenmerk;\"Werk, soort\"\r\nA1;\"x;y\"\r\n",
		"CR":            "Kenmerk;\"Werk, soort\"\rA1;\"x;y\"\r",
		"no end":        "Kenmerk;\"Werk, soort\"\nA1;\"x;y\"",
		"empty columns": "Kenmerk;\"Werk, soort\";;\nA1;\"x;y\"; ;\n",
	} {
		if got := cells(t, []byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestLineNumbers(t *testing.T) {
	for _, start := range []string{"", "sep=;\n"} {
		sheets, err := sheet.Parse([]byte(start + "a;b\n1;\"twee\nregels\"\n\n3;x\"y\n4;\"nooit dicht\n5;e\n6;f\n"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range sheets[0].Rows {
			got = append(got, fmt.Sprintf("%d %q %t", r.Line, r.Cells, r.Broken != ""))
		}
		n := strings.Count(start, "\n")
		want := []string{
			fmt.Sprintf(`%d ["a" "b"] false`, n+1), fmt.Sprintf(`%d ["1" "twee\nregels"] false`, n+2),
			fmt.Sprintf(`%d [] true`, n+5), fmt.Sprintf(`%d [] true`, n+6), // one stray quote, one never closed
			fmt.Sprintf(`%d ["5" "e"] false`, n+7), fmt.Sprintf(`%d ["6" "f"] false`, n+8),
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	for name, test := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":               {nil, "leeg"},
		"only blanks":         {[]byte(" \r\n\t\r\n"), "leeg"},
		"old Excel":           {[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on"), ".xlsx"},
		"NUL":                 {[]byte("a;b\n1;\x00\n"), "NUL"},
		"UTF-16 without BOM":  {utf16Bytes(binary.LittleEndian, "a;b\n")[2:], "NUL"},
		"half a UTF-16 unit":  {append(utf16Bytes(binary.LittleEndian, "a;b\n"), 'x'), "afgebroken"},
		"BOM but not UTF-8":   {[]byte("\xef\xbb\xbfa;caf\xe9\n"), "beschadigd"},
		"UTF-8 with bad byte": {[]byte("naïef;café;één\n\xff;b;c\n"), "tekensets"},
		"zip, no workbook":    {zipped(t, map[string]string{"readme.txt": "hello"}), "geen Excel"},
		"cut off":             {workbook(t, nil)[:2000], "beschadigd"},
	} {
		_, err := sheet.Parse(test.b)
		if err == nil || !strings.Contains(gateway.SafeMessage(err), test.want) || gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want Invalid with %q", name, err, test.want)
		}
	}
}

func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// workbook makes a workbook with one sheet, Blad1, on which fill may work.
func workbook(t testing.TB, fill func(*excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	if err := f.SetSheetName("Sheet1", "Blad1"); err != nil {
		t.Fatal(err)
	}
	if fill != nil {
		fill(f)
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkbook(t *testing.T) {
	b := workbook(t, func(f *excelize.File) {
		zeros, err := f.NewStyle(&excelize.Style{NumFmt: 0, CustomNumFmt: new("0000000000")})
		must(t, err)
		date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		must(t, err)
		must(t,
			f.SetSheetRow("Blad1", "A3", &[]any{"Kenmerk", "Telefoon", "Datum", "Aantal", "Som"}),
			f.SetSheetRow("Blad1", "A5", &[]any{"0012", 612345678, 46357, 12.5, nil}),
			f.SetCellStyle("Blad1", "B5", "B5", zeros),
			f.SetCellStyle("Blad1", "C5", "C5", date),
			f.SetCellValue("Blad1", "E5", 15), f.SetCellFormula("Blad1", "E5", "7+8"),
			f.MergeCell("Blad1", "A9", "E9"),
		)
		_, err = f.NewSheet("Verborgen")
		must(t, err, f.SetSheetVisible("Verborgen", false), f.SetCellValue("Verborgen", "A1", "x"))
	})
	sheets, err := sheet.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(sheets) != 2 || sheets[0].Hidden || !sheets[1].Hidden || sheets[0].Name != "Blad1" || !sheets[0].Excel {
		t.Fatalf("got %+v, want Blad1 and a hidden sheet", sheets)
	}
	want := []sheet.Row{
		{Line: 3, Cells: []string{"Kenmerk", "Telefoon", "Datum", "Aantal", "Som"}, Width: 5},
		{Line: 5, Cells: []string{"0012", "0612345678", "46357", "12.5", "15"}, Width: 5},
	}
	if !reflect.DeepEqual(sheets[0].Rows, want) {
		t.Errorf("got %+v, want %+v", sheets[0].Rows, want)
	}
}

func TestSerialDates(t *testing.T) {
	parse := func(since1904 bool) sheet.Sheet {
		sheets, err := sheet.Parse(workbook(t, func(f *excelize.File) {
			must(t, f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &since1904}))
		}))
		must(t, err)
		return sheets[0]
	}
	for _, test := range []struct {
		since1904 bool
		serial    float64
		want      string
	}{
		{false, 46357, "2026-12-01T00:00:00+01:00"}, {false, 46204.5, "2026-07-01T12:00:00+02:00"}, {true, 44895, "2026-12-01T00:00:00+01:00"},
	} {
		got, ok := parse(test.since1904).Time(test.serial)
		if !ok || got.Format("2006-01-02T15:04:05-07:00") != test.want {
			t.Errorf("%v since 1904 %t: got %v %t, want %s", test.serial, test.since1904, got, ok, test.want)
		}
	}
	for _, serial := range []float64{-1, 3, 15, 1e300, 200_001} {
		if got, ok := parse(false).Time(serial); ok {
			t.Errorf("%v: got %v, want none", serial, got)
		}
	}
}

// TestDamagedWorkbook: Excelize gives the rows before the damage without an
// error, and what is missing would be withdrawn.
func TestDamagedWorkbook(t *testing.T) {
	good := workbook(t, func(f *excelize.File) {
		for i := range 50 {
			must(t, f.SetSheetRow("Blad1", fmt.Sprintf("A%d", i+1), &[]any{fmt.Sprintf("R%d", i), i}))
		}
	})
	if sheets, err := sheet.Parse(good); err != nil || len(sheets[0].Rows) != 50 {
		t.Fatalf("got %v, want 50 rows", err)
	}
	for name, damage := range map[string]func(string) string{
		"cut XML":           func(s string) string { return s[:len(s)/2] },
		"mismatched tags":   func(s string) string { return strings.Replace(s, "</row>", "</wor>", 1) },
		"rows in disorder":  func(s string) string { return strings.Replace(s, `<row r="9"`, `<row r="7"`, 1) },
		"cells in disorder": func(s string) string { return strings.Replace(s, `r="B9"`, `r="A9"`, 1) },
		"control in value":  func(s string) string { return strings.Replace(s, "<v>7</v>", "<v>&#0;</v>", 1) },
	} {
		changed := false
		b := rezip(t, good, "xl/worksheets/sheet1.xml", func(s string) string {
			after := damage(s)
			changed = after != s
			return after
		})
		if !changed {
			t.Errorf("%s: the test damages nothing", name)
		}
		if _, err := sheet.Parse(b); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
	flipped := bytes.Clone(good)
	at := bytes.Index(flipped, []byte("xl/worksheets/sheet1.xml")) + len("xl/worksheets/sheet1.xml") + 60
	flipped[at] ^= 0xff
	if _, err := sheet.Parse(flipped); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("flipped byte: got %v, want Invalid", err)
	}
}

// rezip changes one part of a workbook.
func rezip(t testing.TB, b []byte, part string, change func(string) string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		var text bytes.Buffer
		_, err = text.ReadFrom(r)
		must(t, err, r.Close())
		files[f.Name] = text.String()
	}
	files[part] = change(files[part])
	return zipped(t, files)
}

func TestZipBombs(t *testing.T) {
	for name, size := range map[string]uint64{"300 MB": 300 << 20, "more than int64 holds": 1<<63 + 1} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: "xl/worksheets/sheet1.xml", Method: zip.Deflate, UncompressedSize64: size, CompressedSize64: 1, CRC32: crc32.ChecksumIEEE(nil),
		})
		must(t, err)
		_, err = w.Write([]byte{0})
		must(t, err, z.Close())
		if _, err := sheet.Parse(b.Bytes()); gateway.KindOf(err) != gateway.Limit {
			t.Errorf("%s: got %v, want Limit", name, err)
		}
	}
	// A part that says it is small and is not.
	lying := zipped(t, map[string]string{"xl/workbook.xml": "<a/>", "xl/worksheets/sheet1.xml": "<a>" + strings.Repeat(" ", 1<<20) + "</a>"})
	size := binary.LittleEndian.AppendUint32(nil, 1<<20+7)
	if !bytes.Contains(lying, size) {
		t.Fatal("the size is not where the test thinks")
	}
	lying = bytes.ReplaceAll(lying, size, []byte{9, 0, 0, 0})
	if _, err := sheet.Parse(lying); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("a lying size: got %v, want Invalid", err)
	}
}

func TestOpenLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "export.csv")
	must(t, os.WriteFile(path, []byte("a;b\n1;"+strings.Repeat("x", 10<<20)+"\n"), 0o600))
	sheets, err := sheet.Open(path, 0)
	if err != nil || len(sheets[0].Rows[1].Cells[1]) != 10<<20 {
		t.Errorf("a cell of 10 MB: got %v, want it read", err)
	}
	if _, err := sheet.Open(path, 10<<20); gateway.KindOf(err) != gateway.Limit {
		t.Errorf("above the limit: got %v, want Limit", err)
	}
	if _, err := sheet.Open(path+".no", 0); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("no file: got %v, want NotFound", err)
	}
	if _, err := sheet.Open(t.TempDir(), 0); err == nil {
		t.Error("a folder: got no error")
	}
	if _, err := sheet.Parse([]byte(strings.Repeat("a;b\n", 200_002))); gateway.KindOf(err) != gateway.Limit {
		t.Errorf("too many rows: got %v, want Limit", err)
	}
}

func TestComplete(t *testing.T) {
	xlsx := workbook(t, nil)
	for name, test := range map[string]struct {
		b    []byte
		want bool
	}{
		"empty": {nil, false}, "one byte": {[]byte("a"), false}, "newline": {[]byte("a;b\n1;2\n"), true}, "CR": {[]byte("a;b\r1;2\r"), true},
		"cut": {[]byte("a;b\n1;2"), false}, "UTF-16 LE": {utf16Bytes(binary.LittleEndian, "a\n"), true},
		"UTF-16 BE": {utf16Bytes(binary.BigEndian, "a\n"), true}, "UTF-16 cut": {utf16Bytes(binary.LittleEndian, "a\nb"), false},
		"UTF-16 ending in U+0A00": {utf16Bytes(binary.LittleEndian, "a\u0a00"), false},
		"workbook":                {xlsx, true}, "half a workbook": {xlsx[:len(xlsx)/2], false}, "old Excel": {[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), true},
	} {
		path := filepath.Join(t.TempDir(), "export")
		must(t, os.WriteFile(path, test.b, 0o600))
		if got, err := sheet.Complete(path); err != nil || got != test.want {
			t.Errorf("%s: got %t %v, want %t", name, got, err, test.want)
		}
	}
	if _, err := sheet.Complete(filepath.Join(t.TempDir(), "no")); err == nil {
		t.Error("no file: got no error")
	}
}

func TestUnfinished(t *testing.T) {
	for text, want := range map[string]bool{"a;b\n1;2\n": false, "a;b\n1;2": true, "a;b\r1;2\r": false} {
		sheets, err := sheet.Parse([]byte(text))
		if err != nil || sheets[0].Unfinished != want {
			t.Errorf("%q: got %v %v, want %t", text, sheets, err, want)
		}
	}
}

// TestRowsRoundTrip writes any table in any dialect and reads it back.
func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		comma := rapid.SampledFrom([]string{";", ",", "\t"}).Draw(t, "separator")
		newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline")
		encode := rapid.SampledFrom([]func(string) []byte{
			func(s string) []byte { return []byte(s) },
			func(s string) []byte { return []byte("\ufeff" + s) },
			func(s string) []byte { return utf16Bytes(binary.LittleEndian, s) },
			func(s string) []byte { return utf16Bytes(binary.BigEndian, s) },
		}).Draw(t, "encoding")
		value := rapid.StringOf(rapid.RuneFrom([]rune("ab1é€ \"';,\t|\n🌱")))
		want := rapid.SliceOfN(rapid.SliceOfN(value, 2, 5), 0, 8).Draw(t, "rows")
		var text strings.Builder
		text.WriteString("kop1" + comma + "kop2" + newline)
		for _, row := range want {
			quoted := make([]string, len(row))
			for i, c := range row {
				quoted[i] = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
			}
			text.WriteString(strings.Join(quoted, comma) + newline)
		}
		sheets, err := sheet.Parse(encode(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		rows := sheets[0].Rows[1:]
		if len(rows) != len(want) {
			t.Fatalf("got %d rows, want %d", len(rows), len(want))
		}
		line := 2
		for i, row := range want {
			if rows[i].Line != line || rows[i].Width != len(row) {
				t.Fatalf("row %d: got line %d width %d, want %d and %d", i, rows[i].Line, rows[i].Width, line, len(row))
			}
			for j, c := range row {
				got := ""
				if j < len(rows[i].Cells) {
					got = rows[i].Cells[j]
				}
				if got != c && strings.TrimSpace(c) != "" {
					t.Fatalf("row %d: got %q, want %q", i, got, c)
				}
			}
			line += 1 + strings.Count(strings.Join(row, ""), "\n")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("sep=;\na;b\n1;\"x\n2;y\n"))
	f.Add([]byte("\xff\xfea\x00;\x00"))
	f.Add([]byte("naam;caf\xe9\n"))
	f.Add(utf16Bytes(binary.BigEndian, "a;b\n\"c\"\"\n;d"))
	f.Add([]byte("PK\x03\x04"))
	f.Add(workbook(f, nil))
	f.Add(workbook(f, func(file *excelize.File) {
		must(f, file.SetSheetRow("Blad1", "A1", &[]any{"a", 1, true}), file.SetCellFormula("Blad1", "B2", "1/0"))
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		sheets, err := sheet.Parse(b)
		if err != nil {
			if k := gateway.KindOf(err); k != gateway.Invalid && k != gateway.Limit {
				t.Fatalf("got kind %v of %v, want Invalid or Limit", k, err)
			}
			return
		}
		for _, s := range sheets {
			last := 0
			for _, r := range s.Rows {
				if r.Line <= last {
					t.Fatalf("got line %d after %d, want them to rise", r.Line, last)
				}
				if r.Broken != "" && len(r.Cells) > 0 {
					t.Fatalf("got a broken row with cells")
				}
				last = r.Line
			}
		}
	})
}

// FuzzWorksheet puts any XML where Excelize expects a worksheet.
func FuzzWorksheet(f *testing.F) {
	base := workbook(f, func(file *excelize.File) {
		must(f, file.SetSheetRow("Blad1", "A1", &[]any{"Kenmerk", 1, true}), file.SetCellFormula("Blad1", "B2", "1+1"))
	})
	rezip(f, base, "xl/worksheets/sheet1.xml", func(s string) string {
		f.Add(s)
		return s
	})
	f.Add(`<worksheet><sheetData><row r="3"><c r="B3" t="s"><v>99</v></c><c t="b"><v>1</v></c></row></sheetData></worksheet>`)
	f.Add(`<worksheet><sheetData><row r="9999999"><c t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>`)
	f.Add(`<worksheet><sheetData><row><c r="XFD1" s="77"><v>1e309</v></c></row></sheetData></worksheet>`)
	f.Fuzz(func(t *testing.T, xml string) {
		b := rezip(t, base, "xl/worksheets/sheet1.xml", func(string) string { return xml })
		if _, err := sheet.Parse(b); err != nil && gateway.KindOf(err) != gateway.Invalid && gateway.KindOf(err) != gateway.Limit {
			t.Fatalf("got %v, want Invalid or Limit", err)
		}
	})
}
