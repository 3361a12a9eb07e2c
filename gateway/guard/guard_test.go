package guard_test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/guard"
)

// Every number here is synthetic: numbers that documentation everywhere uses as
// examples, or that were made by counting up from 0 until one passes.

func whats(found []guard.Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, string(f.What))
	}
	return strings.Join(all, " ")
}

func TestScan(t *testing.T) {
	for text, want := range map[string]string{
		// BSN
		"111222333":                   "bsn",
		"BSN 111222333.":              "bsn",
		"bsn:123456782":               "bsn",
		"bsn123456782x":               "bsn",
		"111.222.333":                 "bsn",
		"111 222 333":                 "bsn",
		"111-222-333":                 "bsn",
		"111/222/333":                 "bsn",
		"111_222_333":                 "bsn",
		"111,222,333":                 "bsn",
		"111 - 222 - 333":             "bsn",
		"1112.22.333":                 "bsn",
		"11 12 22 33 3":               "bsn",
		"1 1 1 2 2 2 3 3 3":           "bsn",
		"1.1.1.2.2.2.3.3.3":           "bsn",
		"(111) 222 333":               "bsn",
		"111\u00a0222\u00a0333":       "bsn", // no-break spaces
		"111\u2009222\u2009333":       "bsn", // thin spaces
		"111–222–333":                 "bsn", // en dashes
		"111−222−333":                 "bsn", // minus signs
		"111·222·333":                 "bsn",
		"１１１２２２３３３":                   "bsn", // full-width
		"１１１．２２２．３３３":                 "bsn",
		"١١١٢٢٢٣٣٣":                   "bsn", // Arabic-Indic
		"𝟏𝟏𝟏𝟐𝟐𝟐𝟑𝟑𝟑":                   "bsn", // mathematical
		"①①①②②②③③③":                   "bsn",
		"¹¹¹²²²³³³":                   "bsn",
		"1\u03321\u03321\u0332222333": "bsn", // combining marks
		"11122\u200b2333":             "bsn hidden",
		"111\u00ad222\u00ad333":       "bsn hidden",
		"111\u202e222333":             "bsn hidden",
		"nr. 7, 111222333, ochtend":   "bsn",
		"op 12-01-2027 111222333":     "bsn",
		"12 111222333":                "bsn",
		"12345672":                    "bsn", // 012345672 without its nought
		"12.345.672":                  "bsn",
		"012345672":                   "bsn",
		"01.23.45.67.2":               "bsn",
		"0 12345672":                  "bsn",
		"06 111222333":                "bsn", // no telephone number: eleven digits
		"111222334":                   "",    // fails the elfproef
		"000000000":                   "",
		"1112223334":                  "", // longer runs are other numbers
		"0111222333000":               "",
		"00000099000000001000":        "", // a test OIN
		"111222\n333":                 "", // lines are apart
		"111 222, 333":                "",
		"111, 222, 333":               "",
		"111     222 333":             "",
		"111.222-333":                 "",
		"12-11-2026":                  "",
		"12345673":                    "",

		// e-mail
		"jan@voorbeeld.nl":                      "email",
		"mail naar Jan.de-Vries+x@a.b.example.": "email",
		"jan @ voorbeeld.nl":                    "email",
		"jan＠voorbeeld．nl":                      "email",
		"jan (at) voorbeeld.nl":                 "email",
		"jan[at]voorbeeld[dot]nl":               "email",
		"jan apenstaartje voorbeeld punt nl":    "email",
		"JAN@VOORBEELD.NL":                      "email",
		"josé@voorbeeld.nl":                     "email",
		"j\u200ban@voorbeeld.nl":                "email hidden",
		"jan@voorbeeld":                         "",
		"@voorbeeld.nl":                         "",
		"werkt bij het punt van de kade":        "",

		// telephone
		"0612345678":                 "phone",
		"06-12345678":                "phone",
		"06 12 34 56 78":             "phone",
		"06 1234 5678":               "phone",
		"06.12.34.56.78":             "phone",
		"06 - 123 456 78":            "phone",
		"(06) 12345678":              "phone",
		"０６－１２３４５６７８":                "phone",
		"tel:0612345678":             "phone",
		"+31612345678":               "phone",
		"+31 6 12345678":             "phone",
		"+31 (0)6 12345678":          "phone",
		"+31 (0) 78 123 4567":        "phone",
		"＋31 6 1234 5678":            "phone",
		"0031612345678":              "phone",
		"0031 6 12345678":            "phone",
		"31612345678":                "phone",
		"31 6 1234 5678":             "phone",
		"078-1234567":                "phone",
		"078 - 123 45 67":            "phone",
		"(078) 123 45 67":            "phone",
		"0781234567":                 "phone",
		"0184-123456":                "phone",
		"0184 12 34 56":              "phone",
		"088 123 4567":               "phone",
		"+32 470 12 34 56":           "phone",
		"0049 151 23456789":          "phone",
		"06 12345678 of 078-1234567": "phone",
		"06\u200b12345678":           "phone hidden",
		"0800-1234":                  "",
		"0900-1234567":               "",
		"0800 123 4567":              "",
		"06-1234567":                 "",
		"08.00-12.00 13":             "",
		"112":                        "",
		"14 078":                     "",

		"+31 612345609":     "phone", // these nine would be a BSN
		"+31 6 12 34 56 09": "phone",
		"0184 12-34.56":     "",
		"08 12 14 16 18":    "",

		// bank accounts: examples of the standard and of banks
		"NL91ABNA0417164300":           "iban",
		"NL91 ABNA 0417 1643 00":       "iban",
		"nl91 abna 0417 1643 00 graag": "iban",
		"NL91-ABNA-0417-1643-00":       "iban",
		"NL91.ABNA.0417.1643.00":       "iban",
		"ＮＬ９１ＡＢＮＡ０４１７１６４３００":           "iban",
		"rekeningNL91ABNA0417164300":   "iban",
		"DE89 3704 0044 0532 0130 00":  "phone iban", // 0532 0130 00 could be one
		"BE71 0961 2345 6769":          "iban",
		"GB29 NWBK 6016 1331 9268 19":  "iban",
		"NL92ABNA0417164300":           "", // fails the check
		"NL49ABNA0A17164300":           "", // letters where digits belong
		"XX91ABNA0417164300":           "",

		// characters
		"eerste regel\ntweede regel":   "",
		"eerste regel\r\ntweede regel": "",
		"een\ttab":                     "control",
		"een\rregel":                   "control",
		"nul\x00byte":                  "control",
		"escape \x1b[31m":              "control",
		"c1 \u0085":                    "control",
		"broken \xff":                  "control",
		"replaced \ufffd":              "control",
		"private \ue000":               "control",
		"line \u2028 separator":        "control",
		"no character \ufffe":          "control",
		"\ufeffbyte order mark":        "hidden",
		"zero\u200bwidth":              "hidden",
		"joiner\u200d":                 "hidden",
		"right\u202eleft":              "hidden",
		"isolate\u2066x\u2069":         "hidden",
		"tag\U000e0041":                "hidden",
		"filler\u3164":                 "hidden",
		"blank\u2800":                  "hidden",

		// several
		"jan@voorbeeld.nl, 06-12345678, NL91ABNA0417164300, 111222333\x00\u200b": "bsn email phone iban control hidden",
		"": "",
	} {
		if got := whats(guard.Scan("note", text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestBSNAnywhere: each position in a text, and each way to group nine digits with
// one sign.
func TestBSNAnywhere(t *testing.T) {
	const bsn = "201234567"
	signs := []string{"", " ", ".", "-", "/", "_", " - ", "\u00a0", "‑"}
	for cuts := range 1 << 8 {
		for _, sign := range signs[1:] {
			text := ""
			for i, c := range bsn {
				if i > 0 && cuts&(1<<(i-1)) != 0 {
					text += sign
				}
				text += string(c)
			}
			if got := whats(guard.Scan("note", "hij heeft "+text+" als nummer")); got != "bsn" {
				t.Errorf("%q: got %q, want a BSN", text, got)
			}
		}
	}
}

// TestNoFalseAlarms: what consulenten ordinarily write is let through.
func TestNoFalseAlarms(t *testing.T) {
	file, err := os.Open("testdata/gewoon.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var all []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		all = append(all, lines.Text())
		if got := guard.Scan("note", lines.Text()); len(got) != 0 {
			t.Errorf("%q: got %v, want nothing", lines.Text(), got)
		}
	}
	if len(all) < 50 {
		t.Fatalf("got %d lines, want the whole text", len(all))
	}
	for _, between := range []string{"\n", " "} {
		if got := guard.Scan("note", strings.Join(all, between)); len(got) != 0 {
			t.Errorf("all lines with %q between: got %v, want nothing", between, got)
		}
	}
}

// TestDatesAreNoBSN: no day of a century in any form in which people write days.
func TestDatesAreNoBSN(t *testing.T) {
	for y := 1954; y <= 2050; y += 8 {
		for m := 1; m <= 12; m++ {
			for d := 1; d <= 28; d++ {
				for _, form := range []string{"%02[3]d-%02[2]d-%[1]d", "%02[3]d %02[2]d %[1]d", "%[3]d.%[2]d.%[1]d", "%[1]d-%02[2]d-%02[3]d", "%02[3]d%02[2]d%[1]d", "%[1]d%02[2]d%02[3]d"} {
					if text := fmt.Sprintf(form, y, m, d); len(guard.Scan("note", text)) != 0 {
						t.Fatalf("%s: got %v, want nothing", text, guard.Scan("note", text))
					}
				}
			}
		}
	}
}

func TestCheck(t *testing.T) {
	fields := []guard.Field{
		{Name: "note", Text: "dossier 111222333", Max: 40},
		{Name: "guidance", Text: "vijf\u200b", Max: 4},
		{Name: "reachable", Text: "ééé", Max: 3}, // characters, not bytes
	}
	all := []guard.Finding{{"note", guard.BSN}, {"guidance", guard.Hidden}, {"guidance", guard.Long}}
	refused, used := guard.Check(fields, nil)
	if !slices.Equal(refused, all) || used != nil {
		t.Errorf("got %v and %v, want %v", refused, used, all)
	}
	refused, used = guard.Check(fields, append(all, guard.Finding{Field: "reachable", What: guard.Phone}))
	if !slices.Equal(refused, all[1:]) || !slices.Equal(used, all[:1]) {
		t.Errorf("allowed: got %v and %v, want %v refused and %v used", refused, used, all[1:], all[:1])
	}
	if refused, used = guard.Check(fields[:1], []guard.Finding{{"guidance", guard.BSN}, {"note", guard.Phone}}); len(refused) != 1 || len(used) != 0 {
		t.Errorf("allowed elsewhere: got %v and %v, want it refused", refused, used)
	}
}

// TestMessagesNameTheFieldOnly: in both languages, and nothing of the text.
func TestMessagesNameTheFieldOnly(t *testing.T) {
	const text = "jan@voorbeeld.nl, 06-12345678, NL91ABNA0417164300, 111222333\x00\u200b"
	refused, _ := guard.Check([]guard.Field{{Name: "toelichting", Text: text, Max: 1}}, nil)
	if len(refused) != 7 {
		t.Fatalf("got %v, want seven findings", refused)
	}
	seen := map[string]bool{}
	for _, f := range refused {
		for _, message := range []string{f.English(), f.Dutch()} {
			if seen[message] || !strings.Contains(message, "toelichting") {
				t.Errorf("%s: got %q, want a message of its own that names the field", f.What, message)
			}
			seen[message] = true
			for _, secret := range []string{"jan@", "1234", "NL91", "1112"} {
				if strings.Contains(message, secret) {
					t.Errorf("%s: %q repeats the input", f.What, message)
				}
			}
		}
	}
	err := guard.Refusal(refused)
	if gateway.KindOf(err) != gateway.Invalid || !strings.Contains(gateway.SafeMessage(err), refused[0].English()+"; ") {
		t.Errorf("got %v, want an invalid input with all messages", err)
	}
	if err := guard.Refusal(nil); err != nil {
		t.Errorf("got %v, want none", err)
	}
	if got := (guard.Finding{Field: "x", What: "?"}); !strings.Contains(got.Dutch(), "veld x") || !strings.Contains(got.English(), "field x") {
		t.Errorf("got %q and %q", got.Dutch(), got.English())
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range []string{"111.222.333", "+31 (0)6 12345678", "NL91 ABNA 0417 1643 00", "a@b.nl", "\xff\u202e１", "12-11-2026 08.00-12.00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := guard.Scan("note", text)
		// What is found in a text is found in it with words before and behind.
		more := guard.Scan("note", "hij zei: "+text+" \neinde")
		for _, finding := range got {
			if !slices.Contains(more, finding) {
				t.Fatalf("%q: %v is not found any more with words around it", text, finding)
			}
		}
		if strings.Contains(text, "=") {
			return
		}
		if with := guard.Scan("note", text+"=111222333="); !slices.Contains(with, guard.Finding{Field: "note", What: guard.BSN}) {
			t.Fatalf("%q hides a BSN", text)
		}
	})
}
