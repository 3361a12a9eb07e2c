package adapters_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/adapters"
)

// TestProposeCounted: a column of that name is found, and no other.
func TestProposeCounted(t *testing.T) {
	rows := strings.Split(testdata(t, "per-dagdeel.csv"), "\n")
	plain := proposal(t, "a.csv", []byte(strings.Join(rows, "\n")))
	rows[0] = strings.TrimRight(rows[0], "\r") + ";Verwijscodes"
	for i := range rows[1:] {
		if rows[i+1] != "" {
			rows[i+1] = strings.TrimRight(rows[i+1], "\r") + ";"
		}
	}
	contains(t, proposal(t, "a.csv", []byte(strings.Join(rows, "\n"))), `  counted: "Verwijscodes"`)
	if strings.Contains(plain, "counted") {
		t.Errorf("got\n%s\nwant no such column", plain)
	}
}

// TestCounted reads whom of referrals an export counts: of each offer the codes of
// all its rows, none where its cells are empty, and nothing where there is no such
// column.
func TestCounted(t *testing.T) {
	text := testdata(t, "per-dagdeel.yaml")
	with := strings.Replace(text, "places:\n", "places:\n  counted: Verwijscodes\n", 1)
	if with == text {
		t.Fatal("the mapping has no places")
	}
	rows := strings.Split(strings.TrimSpace(testdata(t, "per-dagdeel.csv")), "\n")
	for name, test := range map[string]struct {
		mapping       string
		codes         []string // by row
		want, problem string
	}{
		"two rows of one offer": {with, []string{"k3m0q1zz", "K3M0Q1ZZ, 00ab12cd"}, "map[WW-001:[00ab12cd k3m0q1zz] WW-002:[]]", ""},
		"none":                  {with, nil, "map[WW-001:[] WW-002:[]]", ""},
		"no column":             {text, nil, "map[]", ""},
		"a name":                {with, []string{"A. Voorbeeld"}, "map[WW-002:[]]", "verwijscode"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := append([]string{}, rows[:4]...)
			for i := range lines {
				cell := "Verwijscodes"
				if i > 0 {
					cell = ""
				}
				if i > 0 && i <= len(test.codes) {
					cell = test.codes[i-1]
				}
				if test.mapping == with {
					lines[i] = strings.TrimSuffix(lines[i], "\r") + ";" + cell
				}
			}
			path := filepath.Join(t.TempDir(), "export.csv")
			must(t, os.WriteFile(path, []byte(strings.Join(lines, "\r\n")+"\r\n"), 0o600))
			imp, err := adapters.Read(t.Context(), path, options(t, mapping(t, test.mapping)))
			must(t, err)
			if got := fmt.Sprint(imp.Counted); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			found := ""
			for _, p := range imp.Problems {
				if !p.Warning {
					found += p.Message
				}
			}
			if test.problem == "" && found != "" || !strings.Contains(found, test.problem) || strings.Contains(found, "Voorbeeld") {
				t.Errorf("got problems %q, want one about %q that repeats nothing", found, test.problem)
			}
		})
	}
}
