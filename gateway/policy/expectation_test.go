package policy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestBadExpectations reads every testdata/bad-expectations/*.yaml and compares
// all its problems, in both languages, with the golden file beside it.
func TestBadExpectations(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad-expectations/*.yaml")
	if err != nil || len(paths) < 15 {
		t.Fatalf("got %d bad files (%v), want at least 15", len(paths), err)
	}
	e := env(t)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = policy.Expectations([]policy.File{{Name: name + "_test.yaml", Data: data}}, e)
			problems, ok := errors.AsType[policy.Problems](err)
			if !ok || gateway.KindOf(err) != gateway.Invalid {
				t.Fatalf("got error %v of kind %v, want Problems", err, gateway.KindOf(err))
			}
			var b strings.Builder
			for _, problem := range problems {
				fmt.Fprintf(&b, "%s\n%s\n", problem, problem.InDutch())
			}
			golden(t, "bad-expectations/"+name+".golden", b.String())
		})
	}
}

// TestExpectationsAreNoPolicy reads each kind of file for what it is.
func TestExpectationsAreNoPolicy(t *testing.T) {
	files := []policy.File{text("  []\n"), {Name: "p_test.yaml", Data: []byte("verwacht: [{naam: a, aan: public, niets: true}]")}}
	if load(t, env(t), files...).Version() != load(t, env(t), files[0]).Version() {
		t.Error("the version depends on expectations")
	}
	got, err := policy.Expectations(files, env(t))
	if err != nil || len(got) != 1 || got[0].Name != "a" || len(got[0].Never) != len(gateway.Fields()) {
		t.Errorf("got %+v and %v, want that nothing is seen", got, err)
	}
	if got := policy.ExpectationsOf("a/policy.yaml"); got != "a/policy_test.yaml" {
		t.Errorf("got %s", got)
	}
}

// FuzzExpectations reads hostile files: they are read, or said to be wrong where.
func FuzzExpectations(f *testing.F) {
	paths, err := filepath.Glob("testdata/bad-expectations/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	e := env(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := policy.Expectations([]policy.File{{Name: "f_test.yaml", Data: data}}, e); err != nil {
			checkProblems(t, err, "f_test.yaml", data)
		}
	})
}
