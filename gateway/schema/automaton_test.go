package schema

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/schemas"
)

// patterns are those of all schemas, and some that try what ours do not.
func patterns(t testing.TB) []string {
	t.Helper()
	found := map[string]bool{}
	files, err := fs.Glob(schemas.FS(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	var visit func(part any)
	visit = func(part any) {
		switch part := part.(type) {
		case map[string]any:
			if pattern, ok := part["pattern"].(string); ok {
				found[pattern] = true
			}
			for _, inner := range part {
				visit(inner)
			}
		case []any:
			for _, inner := range part {
				visit(inner)
			}
		}
	}
	for _, file := range files {
		data, err := fs.ReadFile(schemas.FS(), file)
		if err != nil {
			t.Fatal(err)
		}
		value, bad := parse(data)
		if bad != nil {
			t.Fatal(bad)
		}
		visit(value)
	}
	if len(found) < 20 {
		t.Fatalf("got %d patterns, want all of them", len(found))
	}
	all := []string{`^$`, `^a*$`, `^(a|ab)(c|bcd)*$`, `^(?i)gm[a-c]{2,3}$`, `^[^a]{2}.?$`, `^(a*)*b$`, `^\d+(\.\d+)?$`, `^x{0,5}y{3}$`}
	for pattern := range found {
		all = append(all, pattern)
	}
	return all
}

// TestAutomatonIsThePattern asks both of strings that match, strings that nearly
// do, and strings made of the pattern's own bytes.
func TestAutomatonIsThePattern(t *testing.T) {
	for _, pattern := range patterns(t) {
		t.Run(pattern, func(t *testing.T) {
			slow, quick := regexp.MustCompile(pattern), newAutomaton(pattern)
			if quick == nil {
				t.Fatal("got no automaton")
			}
			matched, others := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				s := rapid.OneOf(rapid.StringMatching(pattern), rapid.StringOf(rapid.SampledFrom([]rune(pattern+"09azAZ \n")))).Draw(t, "text")
				if s != "" && rapid.Bool().Draw(t, "change") {
					i := rapid.IntRange(0, len(s)-1).Draw(t, "at")
					s = s[:i] + rapid.SampledFrom([]string{"", "0", "9", "a", "-", ".", "\n", s[i:], s[:i+1]}).Draw(t, "by") + s[i+1:]
				}
				s = strings.Map(func(r rune) rune { // it is for ASCII only; a letter fits wherever such a rune would
					if r > 127 {
						return 'a'
					}
					return r
				}, s)
				want := slow.MatchString(s)
				if got := quick.matches([]byte(s)); got != want {
					t.Fatalf("%q: got %t, want %t", s, got, want)
				}
				if want {
					matched++
				} else {
					others++
				}
			})
			if matched == 0 || others == 0 && !strings.Contains(pattern, "[^\x00") {
				t.Errorf("got %d strings that match and %d that do not, want both", matched, others)
			}
		})
	}
}

// TestAutomatonKnowsItsLimits is not made for what it would get wrong.
func TestAutomatonKnowsItsLimits(t *testing.T) {
	for _, pattern := range []string{`a`, `^a`, `a$`, `^a|b$`, `(?m)^a$`, `^a\b$`, `^(^a)$`, `^[a-z]{300}$`, `(`} {
		if newAutomaton(pattern) != nil {
			t.Errorf("%s: got an automaton, want none", pattern)
		}
	}
}
