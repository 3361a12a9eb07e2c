package policy_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestMatrixIsDecide finds, for random requests under random policies, the one
// row of the matrix they fall in: it must show exactly what Decide does. It lies
// here, and not with the matrix, for the generators.
func TestMatrixIsDecide(t *testing.T) {
	const day = gateway.Date("2026-10-31")
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawPolicy(t, 8)
		p := drawn.load(t, e)
		to := drawRecipient(t, 2)
		m, err := audit.NewMatrix(p, audit.NewAbout(p, e, 1, day), []gateway.Recipient{to})
		if err != nil {
			t.Skip(err)
		}
		s, err := policy.NewScope(to, day, p)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := audit.Cases(s, audit.ByDisclosure)
		if err != nil {
			t.Fatal(err)
		}
		all := cases
		cases = audit.Brief(cases, audit.ByDisclosure([]*gateway.Decision{{}}))
		said := map[string]bool{}
		for _, row := range m.Recipients[0].Rows {
			text := fmt.Sprint(row.Kind, row.Conditions, row.Otherwise)
			if said[text] {
				t.Fatalf("two rows say %s\n%s", text, drawn.yaml())
			}
			said[text] = true
		}
		for range 10 {
			q := drawRequest(t)
			q.Recipient = to
			want := p.Decide(q)
			var rows []int
			for i, c := range cases {
				if c.Holds(s, q) && !c.Otherwise {
					rows = append(rows, i)
				}
			}
			if last := len(cases) - 1; len(rows) == 0 && cases[last].Otherwise {
				rows = append(rows, last)
			}
			if n := count(all, func(c audit.Case) bool { return c.Holds(s, q) }); n != 1 {
				t.Fatalf("the request falls in %d cases, want 1\n%s", n, drawn.yaml())
			}
			if len(rows) != 1 {
				t.Fatalf("the request falls in %d rows, want 1\n%s", len(rows), drawn.yaml())
			}
			row := m.Recipients[0].Rows[rows[0]]
			if !maps.Equal(row.Show, want.Show) || row.Allowed != want.Allowed || row.Retention != want.Retention {
				t.Fatalf("got %+v, want %+v\n%s", row, *want, drawn.yaml())
			}
			for _, rule := range want.Rules {
				if !slices.Contains(row.Rules, rule) {
					t.Fatalf("got rules %v, want %v among them\n%s", row.Rules, want.Rules, drawn.yaml())
				}
			}
			if want.DeniedBy != "" && !slices.Contains(row.DeniedBy, want.DeniedBy) {
				t.Fatalf("got denied by %v, want %s among them\n%s", row.DeniedBy, want.DeniedBy, drawn.yaml())
			}
		}
	})
}

func count[T any](all []T, is func(T) bool) int {
	n := 0
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	return n
}
