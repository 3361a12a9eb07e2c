package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestScopeIsDecide walks from random requests to their cases: what the cases
// decide must be what the request is decided, of one policy and of two together.
func TestScopeIsDecide(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		one, two := drawPolicy(t, 8), drawPolicy(t, 8)
		a, b := one.load(t, e), two.load(t, e)
		to := drawRecipient(t, 2)
		s, err := policy.NewScope(to, "2026-10-31", a, b)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			q := drawRequest(t)
			q.Recipient = to
			at := s.Start()
			for i := range s.Aspects {
				c := s.Find(i, q)
				if c < 0 {
					t.Fatalf("%s: the request falls in no case\n%s", s.Aspects[i].Key, one.yaml())
				}
				at = s.Next(at, i, c)
			}
			for i, got := range s.Decide(at) {
				want := []*policy.Policy{a, b}[i].Decide(q)
				if got != want {
					t.Fatalf("got %+v, want %+v\n%s\n%s", *got, *want, one.yaml(), two.yaml())
				}
			}
		}
	})
}

// TestScopeHasEveryAspect makes sure that the test above meets all there is.
func TestScopeHasEveryAspect(t *testing.T) {
	p := refPolicy{{
		id: "all", to: refSet{roles: []gateway.PartyKind{gateway.GRS}}, acting: []string{"own", "mandate"}, from: "2026-12-01",
		exceptions: []string{"uavg-30-1"}, fields: map[gateway.Field]gateway.Form{gateway.FieldDoelgroepen: gateway.Exact},
		when: map[string][]string{
			"trajectsoort": {"stage"}, "grondslag": {"wmo-2015"}, "doelgroep": {"entree"}, "fase": {"1"}, "location-gemeente": {"gm0482"},
			"functionaliteit": {"A"}, "allotment": {"own"},
		},
	}}
	s, err := policy.NewScope(gateway.Recipient{Party: grs, Kind: gateway.GRS, Gemeenten: []gateway.Gemeente{"gm0482"}}, today, p.load(t, env(t)))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]int{}
	for _, a := range s.Aspects {
		cases[a.Key] = len(a.Cases)
	}
	// of doelgroep: entree or not, with and without codes of the two special classes
	want := map[string]int{
		"trajectsoort": 2, "grondslag": 2, "doelgroep": 8, "fase": 2, "location-gemeente": 2, "functionaliteit": 2, "allotment": 2, "day": 2,
	}
	for key, n := range want {
		if cases[key] != n {
			t.Errorf("%s: got %d cases, want %d", key, cases[key], n)
		}
	}
	if len(cases) != len(want) {
		t.Errorf("got %v, want %v", cases, want)
	}
}
