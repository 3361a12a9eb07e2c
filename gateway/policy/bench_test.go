package policy_test

import (
	"fmt"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// manyRules are 500, of which two apply to Dordrecht's request.
func manyRules(b *testing.B, e policy.Env) (refPolicy, policy.Request) {
	b.Helper()
	var rules refPolicy
	for i, l := 0, e.Lists["gemeente"].Codes; i < 498; i++ {
		rules = append(rules, refRule{
			id: fmt.Sprintf("r%d", i), to: refSet{gemeenten: []gateway.Gemeente{gateway.Gemeente(l[i%len(l)].Code)}},
			when:   map[string][]string{"trajectsoort": {"stage"}, "grondslag": {"participatiewet"}, "allotment": {"own"}},
			fields: map[gateway.Field]gateway.Form{gateway.FieldTitle: gateway.Exact},
		})
	}
	rules = append(rules,
		refRule{id: "show", to: refSet{roles: []gateway.PartyKind{gateway.GemeenteKind}}, fields: map[gateway.Field]gateway.Form{
			gateway.FieldTitle: gateway.Exact, gateway.FieldAvailable: gateway.Banded, gateway.FieldContact: gateway.Exact,
		}},
		refRule{id: "never", never: true, to: refSet{everyone: true}, hide: []gateway.Field{gateway.FieldContact}},
	)
	return rules, policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(b, dordrecht, today), Day: today}
}

// BenchmarkDecide decides on every field under 500 rules, of which two apply;
// Cedar, under the same rules, on one field.
func BenchmarkDecide(b *testing.B) {
	e := env(b)
	rules, q := manyRules(b, e)
	p := rules.load(b, e)
	b.Run("policy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Decide(q)
		}
	})
	b.Run("lens", func(b *testing.B) {
		l := p.For(q.Kind, q.Recipient, q.Day)
		b.ReportAllocs()
		for b.Loop() {
			l.Decide(q.Offer)
		}
	})
	b.Run("cedar, one field", func(b *testing.B) {
		other, ask := rules.cedar(b), newCedarRequest(q, "own", q.Recipient)
		b.ReportAllocs()
		for b.Loop() {
			ask.allows(b, other, gateway.FieldTitle, gateway.Exact)
		}
	})
	b.Run("making a lens", func(b *testing.B) {
		for b.Loop() {
			p.For(q.Kind, q.Recipient, q.Day)
		}
	})
}

// BenchmarkLoad reads the policy of one leerwerkbedrijf.
func BenchmarkLoad(b *testing.B) {
	e, f := env(b), file(b, "smile.yaml")
	for b.Loop() {
		load(b, e, f)
	}
}
