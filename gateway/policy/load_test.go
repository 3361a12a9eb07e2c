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

// TestBadPolicies loads every testdata/bad/*.yaml and compares all its problems,
// in both languages, with the golden file beside it.
func TestBadPolicies(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) < 25 {
		t.Fatalf("got %d bad policies (%v), want at least 25", len(paths), err)
	}
	e := env(t)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p, _, err := policy.Load([]policy.File{{Name: filepath.Base(path), Data: data}}, e)
			problems, ok := errors.AsType[policy.Problems](err)
			if !ok || p != nil {
				t.Fatalf("got policy %v and error %v, want no policy and Problems", p != nil, err)
			}
			if gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("kind: got %v, want Invalid", gateway.KindOf(err))
			}
			var b strings.Builder
			for _, problem := range problems {
				fmt.Fprintf(&b, "%s\n%s\n", problem, problem.InDutch())
			}
			golden(t, "bad/"+strings.TrimSuffix(filepath.Base(path), ".yaml")+".golden", b.String())
		})
	}
}

func TestLargeFile(t *testing.T) {
	data := []byte(header + strings.Repeat("# x\n", 1<<18))
	_, _, err := policy.Load([]policy.File{{Name: "p.yaml", Data: data}}, env(t))
	if want := "p.yaml:1:1: a policy file has at most 1048576 bytes"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestManyProblems reports every one of very many, without a suggestion for each.
func TestManyProblems(t *testing.T) {
	var rules strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&rules, "  - {id: r%d, effect: show, kinds: [capacity], to: {gemeenten: [gm0505-%d]}, fields: {title: exact}}\n", i, i)
	}
	_, _, err := policy.Load([]policy.File{text(rules.String())}, env(t))
	problems, _ := errors.AsType[policy.Problems](err)
	if len(problems) != 5000 || problems[0].Suggestion == "" || problems[4999].Suggestion != "" {
		t.Errorf("got %d problems", len(problems))
	}
}
