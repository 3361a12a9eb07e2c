package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

func some(t *rapid.T, least int, from ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, len(from), rapid.ID[string]).Draw(t, "some")
}

// vocabulary are values of each condition: those that drawn rules name, and for
// offers others as well.
func vocabulary() map[string][]string {
	return map[string][]string{
		"trajectsoort": {"stage", "leerwerkplek"}, "grondslag": {"participatiewet", "wmo-2015"}, "doelgroep": {"entree", "pro"},
		"fase": {"1", "2", "3"}, "location-gemeente": {"gm0482", "gm0505"}, "functionaliteit": {"A", "I"}, "allotment": {"own", "sole", "none"},
	}
}

func drawWhen(t *rapid.T) string {
	var parts []string
	for _, key := range []string{"trajectsoort", "grondslag", "doelgroep", "fase", "location-gemeente", "functionaliteit", "allotment"} {
		if rapid.IntRange(0, 3).Draw(t, key) == 0 {
			parts = append(parts, fmt.Sprintf("%s: [%s]", key, strings.Join(some(t, 1, vocabulary()[key]...), ", ")))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func drawRules(t *rapid.T) string {
	var b strings.Builder
	b.WriteString(rules[:strings.Index(rules, "rules:")] + "rules:\n")
	for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
		to := rapid.SampledFrom([]string{"{gemeenten: [gm0505]}", "{gemeenten: [gm0603]}", "{roles: [gemeente, grs]}"}).Draw(t, "to")
		if rapid.Bool().Draw(t, "never") {
			fmt.Fprintf(&b, "  - {id: r%d, effect: never, to: %s, when: %s, fields: [trede]}\n", i, to, drawWhen(t))
			continue
		}
		acting := rapid.SampledFrom([]string{"own", "mandate", "own, mandate"}).Draw(t, "acting")
		fmt.Fprintf(&b, "  - {id: r%d, effect: show, kinds: [capacity], acting: [%s], to: %s, when: %s, fields: {trede: exact, allotments: exact, allotments.available: band}}\n",
			i, acting, to, drawWhen(t))
	}
	return b.String()
}

func drawOffer(t *rapid.T) *gateway.Offer {
	one := func(values ...string) string { return rapid.SampledFrom(values).Draw(t, "value") }
	o := &gateway.Offer{
		Trajectsoort: one("stage", "leerwerkplek", "wsw"), Grondslag: one("participatiewet", "wmo-2015", "jeugdwet"),
		Functionaliteit: one("A", "G", "I"), Location: gateway.Location{Gemeente: gateway.Gemeente(one("gm0482", "gm0505", "gm0014"))},
		Doelgroepen: some(t, 0, "entree", "pro", "vso", "ggz"),
	}
	if o.Fase.Min = rapid.IntRange(0, 3).Draw(t, "fase"); o.Fase.Min > 0 {
		o.Fase.Max = rapid.IntRange(o.Fase.Min, 3).Draw(t, "fase")
	}
	for range rapid.IntRange(0, 2).Draw(t, "allotments") {
		var a gateway.Allotment
		for _, g := range some(t, 0, "gm0505", "gm0603") {
			a.Gemeenten = append(a.Gemeenten, gateway.Gemeente(g))
		}
		for _, p := range some(t, 0, string(grs), string(dordt)) {
			a.Parties = append(a.Parties, gateway.OIN(p))
		}
		o.Allotments = append(o.Allotments, a)
	}
	return o
}

// fits tells whether an offer is as given, to a recipient in the name of one.
func fits(o *gateway.Offer, given map[string][]string, r gateway.Recipient) bool {
	for key, values := range given {
		has := func(v string) bool { return slices.Contains(values, v) }
		ok := false
		switch key {
		case "trajectsoort":
			ok = has(o.Trajectsoort)
		case "grondslag":
			ok = has(o.Grondslag)
		case "functionaliteit":
			ok = has(o.Functionaliteit)
		case "location-gemeente":
			ok = has(string(o.Location.Gemeente))
		case "doelgroep":
			ok = slices.ContainsFunc(o.Doelgroepen, has)
		case "fase":
			for f := max(1, o.Fase.Min); f <= o.Fase.Max; f++ {
				ok = ok || has(fmt.Sprint(f))
			}
		case "allotment":
			own := slices.ContainsFunc(o.Allotments, func(a gateway.Allotment) bool { return a.Names(r) })
			sole := slices.ContainsFunc(o.Allotments, func(a gateway.Allotment) bool { return a.SoleOwner(r) })
			ok = has("none") && !own || has("own") && own || has("sole") && sole
		}
		if !ok {
			return false
		}
	}
	return true
}

// TestInvariantsAreExact looks for an offer that shows what an invariant that
// holds says is never shown. That one that does not hold is right is shown by
// the offer that it found, which was decided as any other.
func TestInvariantsAreExact(t *testing.T) {
	env := world(t)
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		data := drawRules(t)
		p, _, err := policy.Load([]policy.File{{Name: "p.yaml", Data: []byte(data)}}, env)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		field := rapid.SampledFrom([]gateway.Field{gateway.FieldTrede, gateway.FieldAllotmentsAvailable}).Draw(t, "field")
		for _, oin := range []gateway.OIN{rijswijk, dordt, grs} {
			e := policy.Expectation{Name: "x", To: []string{string(oin)}, On: today, Never: []gateway.Field{field}, Given: map[string][]string{}}
			for _, key := range []string{"trajectsoort", "grondslag", "functionaliteit", "location-gemeente", "doelgroep", "fase"} {
				if rapid.IntRange(0, 4).Draw(t, "given") == 0 {
					e.Given[key] = some(t, 1, vocabulary()[key]...)
				}
			}
			if oin != grs && rapid.IntRange(0, 2).Draw(t, "given") == 0 { // for whom there is one name only
				e.Given["allotment"] = some(t, 1, vocabulary()["allotment"]...)
			}
			if len(audit.Expect(p, []policy.Expectation{e}, env).Failed()) > 0 {
				continue
			}
			held++
			party := env.Parties[slices.IndexFunc(env.Parties, func(p gateway.Party) bool { return p.OIN == oin })]
			r := party.RecipientOn(today, gateway.KindCapacity, func(oin gateway.OIN) (gateway.Party, bool) {
				i := slices.IndexFunc(env.Parties, func(p gateway.Party) bool { return p.OIN == oin })
				return env.Parties[i], true
			})
			for range 20 {
				o := drawOffer(t)
				if !fits(o, e.Given, r) {
					continue
				}
				d := p.Decide(policy.Request{Kind: gateway.KindCapacity, Offer: o, Recipient: r, Day: today})
				if d.Show[field] != "" {
					t.Fatalf("%s is never shown %s given %v, but is of %+v\n%s", oin, field, e.Given, o, data)
				}
			}
		}
	})
	if held == 0 {
		t.Error("no invariant held: nothing was tried")
	}
}
