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
