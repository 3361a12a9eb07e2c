package policy_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestEqualDecisionsAreOne asks much of one policy in any order, again and from
// many goroutines: what is decided the same is one value, and nothing else is.
func TestEqualDecisionsAreOne(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 8).load(t, e)
		requests := make([]policy.Request, 20)
		for i := range requests {
			requests[i] = drawRequest(t)
		}
		got := make([][]*gateway.Decision, 4)
		var asking sync.WaitGroup
		for g := range got {
			asking.Go(func() {
				for _, q := range requests {
					got[g] = append(got[g], p.Decide(q))
				}
			})
		}
		asking.Wait()
		for g := range got {
			for i, d := range got[g] {
				for j, other := range got[0] {
					if (d == other) != reflect.DeepEqual(d, other) {
						t.Fatalf("requests %d and %d: got %p %+v and %p %+v", i, j, d, *d, other, *other)
					}
				}
			}
		}
	})
}

// TestMoreDecisionsThanAreKept goes twice through all subsets of fourteen rules:
// 16,384 decisions, four times what is kept.
func TestMoreDecisionsThanAreKept(t *testing.T) {
	var rules strings.Builder
	e := env(t)
	names := e.Lists["doelgroep"].Codes[:14]
	for i, c := range names {
		fmt.Fprintf(&rules, "  - {id: r%02d, effect: show, kinds: [capacity], to: {roles: [gemeente]}, when: {doelgroep: [%s]}, exception: [uavg-30-1, uavg-33], fields: {title: exact}}\n",
			i, c.Code)
	}
	p := load(t, e, text(rules.String()))
	q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, dordrecht, today), Day: today}
	for round := range 2 {
		for subset := range 1 << len(names) {
			q.Offer.Doelgroepen = nil
			var want []string
			for i, c := range names {
				if subset&(1<<i) != 0 {
					q.Offer.Doelgroepen = append(q.Offer.Doelgroepen, c.Code)
					want = append(want, fmt.Sprintf("r%02d", i))
				}
			}
			if got := p.Decide(q); !reflect.DeepEqual(got.Rules, want) {
				t.Fatalf("round %d: got %v, want %v", round, got.Rules, want)
			}
		}
	}
}

// TestAdmitSharesDecisions also for the three that name no rule.
func TestAdmitSharesDecisions(t *testing.T) {
	p := load(t, env(t), file(t, "smile.yaml"), file(t, "binnenbaan.yaml"))
	for _, from := range []gateway.OIN{drechtwerk, dordrecht, grs} {
		for _, principal := range []gateway.OIN{"", alblasserdam, uwv} {
			for _, kind := range []string{gateway.KindCapacity, gateway.KindCapacityState, "referral"} {
				sender := recipient(t, from, today)
				if a, b := p.Admit(sender, principal, kind, today), p.Admit(sender, principal, kind, today); a != b {
					t.Errorf("%s for %q, %s: got %p, then %p", from, principal, kind, a, b)
				}
			}
		}
	}
}

// TestDecideAllocatesNothing once it has decided the same before.
func TestDecideAllocatesNothing(t *testing.T) {
	p := load(t, env(t), file(t, "smile.yaml"))
	for _, to := range []gateway.OIN{alblasserdam, grs, uwv, ""} {
		q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, to, today), Day: today}
		if got := testing.AllocsPerRun(100, func() { p.Decide(q) }); got != 0 {
			t.Errorf("%q: got %v allocations, want none", to, got)
		}
	}
}
