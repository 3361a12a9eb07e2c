package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// FuzzLoad reads hostile files. What loads must decide and explain; what does
// not must say where, in both languages, in valid text of bounded length.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, "testdata/smile.yaml", "testdata/binnenbaan.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(strings.Repeat("[", 20000)))
	f.Add([]byte("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"))
	e := env(f)
	q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(f, grs, today), Day: today}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _, err := policy.Load([]policy.File{{Name: "f.yaml", Data: data}}, e)
		if err != nil {
			checkProblems(t, err, "f.yaml", data)
			return
		}
		d := p.Decide(q)
		if x := p.Explain(q); x.Allowed != d.Allowed || !utf8.ValidString(x.Text()) {
			t.Errorf("got explanation %t for decision %t", x.Allowed, d.Allowed)
		}
		if again, _ := p.Rebind(e); again.Decide(q).Allowed != d.Allowed {
			t.Error("the same world decides otherwise")
		}
		p.Admit(q.Recipient, drechtwerk, gateway.KindCapacity, today)
	})
}

func checkProblems(t *testing.T, err error, file string, data []byte) {
	problems, ok := errors.AsType[policy.Problems](err)
	if !ok || len(problems) == 0 {
		t.Fatalf("got error %v, want Problems", err)
	}
	lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") +
		strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 2
	for _, p := range problems {
		if p.File != file || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" || p.Dutch == "" {
			t.Errorf("got problem %+v in %d lines", p, lines)
		}
		if s := p.String() + p.InDutch(); !utf8.ValidString(s) || len(s) > 4000 {
			t.Errorf("got %d bytes of message", len(s))
		}
	}
}
