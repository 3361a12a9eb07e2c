package policy_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

const firstDay = gateway.Date("2026-11-01")

func diff(t rapid.TB, old, next *policy.Policy, recipients ...gateway.Recipient) audit.Diff {
	t.Helper()
	d, err := audit.NewDiff(old, next, firstDay, recipients)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// alter makes another policy of one: a rule less, more, or otherwise.
func alter(t *rapid.T, p refPolicy) refPolicy {
	next := slices.Clone(p)
	if len(next) > 0 && rapid.Bool().Draw(t, "less") {
		i := rapid.IntRange(0, len(next)-1).Draw(t, "which")
		next = slices.Delete(next, i, i+1)
	}
	if len(next) == 0 || rapid.Bool().Draw(t, "more") {
		next = append(next, drawRule(t, "extra", chance(t, "never")))
	}
	return next
}

// offersApart visits the offers that rules can tell apart for somebody who acts
// for nobody. What no rule asks for stays empty.
func offersApart(r gateway.Recipient, rules refPolicy, visit func(*gateway.Offer) bool) {
	asked := func(key string, values ...string) []string {
		if slices.ContainsFunc(rules, func(r refRule) bool { return r.when[key] != nil }) {
			return values
		}
		return values[:1]
	}
	var offers []gateway.Offer
	codes := []string{"entree", "ggz", "gedetineerden", "pro", "onbekend"}
	for set := range 1 << len(codes) {
		var o gateway.Offer
		for i, c := range codes {
			if set&(1<<i) != 0 {
				o.Doelgroepen = append(o.Doelgroepen, c)
			}
		}
		offers = append(offers, o)
	}
	each := func(values []string, set func(*gateway.Offer, string)) {
		var more []gateway.Offer
		for _, o := range offers {
			for _, v := range values {
				set(&o, v)
				more = append(more, o)
			}
		}
		offers = more
	}
	each(asked("trajectsoort", "", "leerwerkplek", "stage", "onbekend"), func(o *gateway.Offer, v string) { o.Trajectsoort = v })
	each(asked("grondslag", "", "participatiewet", "wmo-2015", "onbekend"), func(o *gateway.Offer, v string) { o.Grondslag = v })
	each(asked("functionaliteit", "", "A", "G", "I"), func(o *gateway.Offer, v string) { o.Functionaliteit = v })
	each(asked("location-gemeente", "", "gm0482", "gm0505", "gm1978"), func(o *gateway.Offer, v string) { o.Location.Gemeente = gateway.Gemeente(v) })
	each(asked("fase", "", "1-1", "2-2", "3-3", "1-2", "2-3", "1-3"), func(o *gateway.Offer, v string) {
		o.Fase = gateway.Range{}
		if v != "" {
			o.Fase = gateway.Range{Min: int(v[0] - '0'), Max: int(v[2] - '0')}
		}
	})
	each(asked("allotment", "none", "shared", "sole"), func(o *gateway.Offer, v string) {
		o.Allotments = map[string][]gateway.Allotment{
			"shared": {{Parties: []gateway.OIN{r.Party, "00000099000000009999"}}}, "sole": {{Parties: []gateway.OIN{r.Party}}},
		}[v]
	})
	for i := range offers {
		if !visit(&offers[i]) {
			return
		}
	}
}

func sameDecision(a, b *gateway.Decision) bool {
	return a == b || a.Allowed == b.Allowed && maps.Equal(a.Show, b.Show) && a.Purpose == b.Purpose && slices.Equal(a.Basis, b.Basis) && a.Retention == b.Retention
}

// A diff is empty exactly if no request is decided otherwise, and it widens
// exactly if some request is shown more.
func TestDiffIsDecide(t *testing.T) {
	e := env(t)
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 3)
		other := alter(t, p)
		old, next := p.load(t, e), other.load(t, e)
		r := drawRecipient(t, 0)
		d := diff(t, old, next, r)
		differs, widens := false, false
		offersApart(r, append(slices.Clone(p), other...), func(o *gateway.Offer) bool {
			for _, day := range []gateway.Date{firstDay, "2026-12-01"} {
				q := policy.Request{Kind: gateway.KindCapacity, Offer: o, Recipient: r, Day: day}
				was, is := old.Decide(q), next.Decide(q)
				differs = differs || !sameDecision(was, is)
				widens = widens || !within(is.Show, was.Show)
			}
			return !widens && !(differs && d.Widens())
		})
		if got := len(d.Changes) > 0; got != differs {
			t.Fatalf("got changes %t, want %t\n%s\n%s", got, differs, d.Text(), p.yaml())
		}
		if widens && !d.Widens() {
			t.Fatalf("shows more and does not say so\n%s", d.Text())
		}
		if differs {
			changed++
		}
	})
	if changed == 0 {
		t.Error("no pair of policies differed")
	}
}

// Whatever a random request is decided otherwise, for whoever acts for whomever,
// is in the diff.
func TestDiffMissesNothing(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 6)
		old, next := p.load(t, e), alter(t, p).load(t, e)
		q := drawRequest(t)
		q.Day = max(q.Day, firstDay)
		if was, is := old.Decide(q), next.Decide(q); !sameDecision(was, is) && len(diff(t, old, next, q.Recipient).Changes) == 0 {
			t.Fatalf("got no change, and %v becomes %v", was.Show, is.Show)
		}
	})
}

// Another order, other names of rules and a rule written twice are no difference.
func TestDiffOfTheSameIsEmpty(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 6)
		next := refPolicy(rapid.Permutation(p).Draw(t, "order"))
		for i := range next {
			next[i].id = "anders-" + next[i].id
		}
		if len(next) > 0 {
			twice := next[0]
			twice.id = "nogmaals"
			next = append(next, twice)
		}
		if d := diff(t, p.load(t, e), next.load(t, e), drawRecipient(t, 2)); !d.Empty() || d.Widens() {
			t.Fatalf("got %s\n%s", d.Text(), p.yaml())
		}
	})
}
