package audit_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	smile        = gateway.OIN("00000099000000001000")
	alblasserdam = gateway.OIN("00000099000000002001")
	papendrecht  = gateway.OIN("00000099000000002003")
	molenlanden  = gateway.OIN("00000099000000002004")
	uwv          = gateway.OIN("00000099000000004001")
)

func parties() []gateway.Party {
	gemeente := func(oin gateway.OIN, name string, code gateway.Gemeente) gateway.Party {
		return gateway.Party{OIN: oin, Name: name, Kind: gateway.GemeenteKind, Gemeenten: []gateway.GemeenteFor{{Code: code}}}
	}
	capacity := []string{gateway.KindCapacity}
	return []gateway.Party{
		{OIN: smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gemeente(alblasserdam, "Alblasserdam", "gm0482"),
		gemeente(papendrecht, "Papendrecht", "gm0590"),
		gemeente(molenlanden, "Molenlanden", "gm1978"),
		{OIN: grs, Name: "GR Sociaal", Kind: gateway.GRS, Mandates: []gateway.Mandate{
			{Principal: alblasserdam, Kinds: capacity, Basis: "mandaat"}, {Principal: molenlanden, Kinds: capacity, Basis: "dienstverlening"},
		}},
		{OIN: uwv, Name: "UWV", Kind: gateway.Verwijzer},
	}
}

func env(t testing.TB) policy.Env {
	t.Helper()
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	return policy.Env{Self: smile, Parties: parties(), Lists: lists, Today: today}
}

func load(t testing.TB, e policy.Env, data []byte) *policy.Policy {
	t.Helper()
	p, _, err := policy.Load([]policy.File{{Name: "klein.yaml", Data: data}}, e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// small is the policy of the golden files.
func small(t testing.TB, e policy.Env) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("testdata/klein.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return load(t, e, data)
}

func matrix(t testing.TB, e policy.Env, p *policy.Policy) audit.Matrix {
	t.Helper()
	m, err := audit.NewMatrix(p, audit.NewAbout(p, e, 3, today), audit.Recipients(e, today))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func written(t testing.TB, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// golden compares got with a file, or writes it under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
