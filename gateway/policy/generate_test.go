package policy_test

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

func some[T comparable](t *rapid.T, label string, least int, from ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, len(from), rapid.ID[T]).Draw(t, label)
}

func oneOf[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func chance(t *rapid.T, label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }

// drawPolicy makes up to most rules, named so that no two are alike.
func drawPolicy(t *rapid.T, most int) refPolicy {
	var p refPolicy
	for i := range rapid.IntRange(0, most).Draw(t, "rules") {
		p = append(p, drawRule(t, fmt.Sprintf("r%d", i), chance(t, "never")))
	}
	return p
}

func drawRule(t *rapid.T, id string, never bool) refRule {
	r := refRule{id: id, never: never, when: map[string][]string{}}
	r.to = drawSet(t)
	if never && chance(t, "everyone") {
		r.to = refSet{everyone: true}
	}
	if chance(t, "dated") {
		r.from, r.until = "2026-11-01", oneOf[gateway.Date](t, "until", "", "2026-11-30")
	}
	if !never && !r.to.public && rapid.Bool().Draw(t, "exception") {
		r.exceptions = some(t, "exceptions", 1, "uavg-30-1", "uavg-33")
	}
	drawConditions(t, &r)
	if never {
		if !chance(t, "all") {
			r.hide = some(t, "hide", 1, vocabulary()...)
		}
		return r
	}
	r.acting = some(t, "acting", 0, "own", "mandate")
	r.fields = drawFields(t, r)
	return r
}

func drawSet(t *rapid.T) refSet {
	s := refSet{
		gemeenten: some[gateway.Gemeente](t, "gemeenten", 0, "gm0482", "gm0505"),
		parties:   some(t, "parties", 0, alblasserdam, grs),
		roles:     some(t, "roles", 0, gateway.GemeenteKind, gateway.Verwijzer),
	}
	s.public = len(s.gemeenten)+len(s.parties)+len(s.roles) == 0 || chance(t, "public")
	return s
}

func drawConditions(t *rapid.T, r *refRule) {
	add := func(key string, values ...string) {
		if chance(t, key) {
			r.when[key] = some(t, key, 1, values...)
		}
	}
	add("trajectsoort", "leerwerkplek", "stage")
	add("grondslag", "participatiewet", "wmo-2015")
	add("fase", "1", "2", "3")
	add("location-gemeente", "gm0482", "gm0505")
	add("responsible-gemeente", "gm0482", "gm0505")
	add("functionaliteit", "A", "I")
	add("allotment", "own", "sole", "none")
	if chance(t, "referral") {
		add("referral-state", "gestart")
	}
	if r.never || len(r.exceptions) == 2 {
		add("doelgroep", "entree", "ggz", "gedetineerden")
	} else {
		add("doelgroep", "entree", "pro")
	}
	if !r.never {
		add("role", "gemeente", "grs")
	}
}

func vocabulary() []gateway.Field {
	return []gateway.Field{
		gateway.FieldTitle, gateway.FieldAvailable, gateway.FieldStatus, gateway.FieldContact,
		gateway.FieldAllotments, gateway.FieldAllotmentsAvailable, gateway.FieldDoelgroepen,
	}
}

// drawFields gives fields that the rule may show.
func drawFields(t *rapid.T, r refRule) map[gateway.Field]gateway.Form {
	fields := map[gateway.Field]gateway.Form{gateway.FieldTitle: gateway.Exact}
	if rapid.Bool().Draw(t, "more") {
		fields = map[gateway.Field]gateway.Form{gateway.FieldContact: gateway.Exact}
	}
	if r.to.public {
		if rapid.Bool().Draw(t, "plek") {
			fields[gateway.FieldAvailable] = gateway.Public
		}
		return fields
	}
	for _, f := range some(t, "fields", 0, gateway.FieldAvailable, gateway.FieldStatus, gateway.FieldAllotments) {
		forms := f.Forms()[1:]
		fields[f] = oneOf(t, "form", forms...)
	}
	if fields[gateway.FieldAllotments] != "" && rapid.Bool().Draw(t, "allotted") {
		fields[gateway.FieldAllotmentsAvailable] = oneOf(t, "form", gateway.Banded, gateway.Exact)
	}
	for _, e := range r.exceptions {
		if e == "uavg-30-1" {
			fields[gateway.FieldDoelgroepen] = gateway.Exact
		}
	}
	return fields
}

func drawRequest(t *rapid.T) policy.Request {
	return policy.Request{
		Kind: gateway.KindCapacity, Offer: drawOffer(t), Recipient: drawRecipient(t, 2),
		Day: oneOf[gateway.Date](t, "day", "2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01"),
	}
}

func drawRecipient(t *rapid.T, depth int) gateway.Recipient {
	if depth == 2 && chance(t, "public") {
		return gateway.Recipient{Public: true}
	}
	r := gateway.Recipient{
		Party:     oneOf(t, "party", alblasserdam, dordrecht, grs, uwv),
		Kind:      oneOf(t, "kind", gateway.PartyKinds()...),
		Gemeenten: some[gateway.Gemeente](t, "gemeenten", 0, "gm0482", "gm0505", "gm1978"),
	}
	if depth > 0 {
		for range rapid.IntRange(0, depth).Draw(t, "principals") {
			r.ActsFor = append(r.ActsFor, drawRecipient(t, depth-1))
		}
	}
	return r
}

func drawOffer(t *rapid.T) *gateway.Offer {
	o := &gateway.Offer{
		Trajectsoort:    oneOf(t, "trajectsoort", "", "leerwerkplek", "stage"),
		Grondslag:       oneOf(t, "grondslag", "", "participatiewet", "wmo-2015"),
		Doelgroepen:     some(t, "doelgroepen", 0, "entree", "ggz", "gedetineerden", "onbekend"),
		Functionaliteit: oneOf(t, "functionaliteit", "", "A", "G", "I"),
		Fase:            oneOf(t, "fase", gateway.Range{}, gateway.Range{Min: 1, Max: 1}, gateway.Range{Min: 2, Max: 3}),
		Location:        gateway.Location{Gemeente: oneOf[gateway.Gemeente](t, "location", "", "gm0482", "gm0505")},
	}
	for range rapid.IntRange(0, 2).Draw(t, "allotments") {
		o.Allotments = append(o.Allotments, gateway.Allotment{
			Gemeenten: some[gateway.Gemeente](t, "allotted", 0, "gm0482", "gm0505"),
			Parties:   some(t, "allotted", 0, grs),
			ValidFrom: oneOf[gateway.Date](t, "from", "", "2026-11-15"),
		})
	}
	return o
}
