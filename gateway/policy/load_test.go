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
	if err != nil || len(paths) < 60 {
		t.Fatalf("got %d bad policies (%v), want at least 60", len(paths), err)
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

// TestProblemsEchoNobody puts what looks like a person at every place of a policy
// and of expectations where a term can stand: no problem repeats it.
func TestProblemsEchoNobody(t *testing.T) {
	persons := []string{"jan.jansen@example.nl", "999994426", "9999.94.426", "+31 (0)78 1234567", "078-1234567", "NL91 TEST 0417 1643 00"}
	templates := []string{
		"policy: x\nparty: \"%s\"\nrules: []\n", "policy: \"%s\"\nparty: \"00000099000000001000\"\nrules: []\n", "\"%s\": x\n",
		"- \"%s\"\n", header + "  - {id: \"%s\"}\n", header + "  - {id: a, effect: \"%s\"}\n", header + "  - {id: a, \"%s\": b}\n",
		header + "  - {id: a, effect: show, kinds: [\"%s\"], to: {gemeenten: [\"%[1]s\"], parties: [\"%[1]s\"], roles: [\"%[1]s\"], groups: [\"%[1]s\"]}, " +
			"acting: [\"%[1]s\"], exception: [\"%[1]s\"], purpose: \"%[1]s\", basis: {avg: \"%[1]s\", wet: \"%[1]s\"}, retention: \"%[1]s\", " +
			"when: {trajectsoort: [\"%[1]s\"], fase: [\"%[1]s\"], allotment: [\"%[1]s\"], from: \"%[1]s\"}, fields: {title: \"%[1]s\", \"%[1]s\": exact}}\n",
		"verwacht: [{naam: \"%s\", aan: [\"%[1]s\"], namens: [\"%[1]s\"], op: \"%[1]s\", bij: {fase: \"%[1]s\", grondslag: \"%[1]s\"}, " +
			"ziet: {title: \"%[1]s\", \"%[1]s\": exact}, verder: \"%[1]s\", niets: \"%[1]s\", nooit: [\"%[1]s\"]}]\n",
	}
	for _, person := range persons {
		for _, template := range templates {
			data := []byte(fmt.Sprintf(template, person))
			_, _, err := policy.Load([]policy.File{{Name: "p.yaml", Data: data}}, env(t))
			_, expectErr := policy.Expectations([]policy.File{{Name: "p_test.yaml", Data: data}}, env(t))
			for _, err := range []error{err, expectErr} {
				problems, _ := errors.AsType[policy.Problems](err)
				for _, p := range problems {
					if said := p.String() + p.InDutch(); strings.Contains(said, person) {
						t.Errorf("%s repeats %s", said, person)
					}
				}
			}
		}
	}
}
