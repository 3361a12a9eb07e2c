package audit_test

import (
	"testing"

	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/policies"
)

// TestTemplatesCanBeRead: of no template that we ship is the matrix longer than
// a person reads.
func TestTemplatesCanBeRead(t *testing.T) {
	const most = 6 // rows of one recipient
	gemeenten := []string{"gm0482", "gm0590", "gm1978"}
	e := env(t)
	for _, name := range append(policies.Models(), "leerwerkbedrijf", "gemeente", "grs", "verwijzer") {
		n, err := policies.Gemeenten(name)
		if err != nil {
			t.Fatal(err)
		}
		if n < 0 {
			n = len(gemeenten)
		}
		data, _, err := policies.Template(name, string(smile), gemeenten[:n])
		if err != nil {
			t.Fatal(err)
		}
		p := load(t, e, data)
		m := matrix(t, e, p)
		for _, s := range m.Recipients {
			if len(s.Rows) > most {
				t.Errorf("%s: got %d rows for %s, want %d at most\n%s", name, len(s.Rows), s.Name, most, written(t, audit.Matrix{Recipients: []audit.Section{s}}.Text))
			}
		}
	}
}
