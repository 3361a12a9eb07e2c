package policy_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// This file has policies decided by another engine that others wrote: Cedar. A
// show rule is a permit, a never rule a forbid, a field in a form an action. What
// Cedar has no words for (a rule that looks at any of several names, or at what
// of an offer needs an exception) is worked out for it per request.

// writeCedar writes a rule in Cedar's language.
func (r refRule) writeCedar(b *strings.Builder) {
	if r.never {
		fmt.Fprintf(b, "@id(%q)\nforbid (principal, action%s, resource)\nwhen { %s };\n", r.id, actions(r.hidden()), r.cedarConditions())
		return
	}
	acting := r.acting
	if len(acting) == 0 {
		acting = []string{"own"}
	}
	conditions := r.cedarConditions() + fmt.Sprintf(" && [%s].contains(context.acting)", list(acting))
	for _, f := range slices.Sorted(maps.Keys(r.fields)) {
		unless := ""
		if f == gateway.FieldDoelgroepen {
			unless = " unless { resource.needs.containsAny([" + list(r.lacks()) + "]) }"
		}
		fmt.Fprintf(b, "@id(%q)\npermit (principal, action == Action::%q, resource)\nwhen { %s }%s;\n", r.id, action(f, r.fields[f]), conditions, unless)
	}
}

func action(f gateway.Field, form gateway.Form) string { return string(f) + "/" + string(form) }

// actions limits a forbid to the forms of fields; nil are all fields.
func actions(fields []gateway.Field) string {
	if fields == nil {
		return ""
	}
	var all []string
	for _, f := range fields {
		for _, form := range f.Forms()[1:] {
			all = append(all, fmt.Sprintf("Action::%q", action(f, form)))
		}
	}
	return " in [" + strings.Join(all, ", ") + "]"
}

func (r refRule) hidden() []gateway.Field {
	if slices.Contains(r.hide, gateway.FieldAllotments) && !slices.Contains(r.hide, gateway.FieldAllotmentsAvailable) {
		return append(slices.Clone(r.hide), gateway.FieldAllotmentsAvailable)
	}
	return r.hide
}

// lacks are the exceptions that the rule does not have.
func (r refRule) lacks() []string {
	return slices.DeleteFunc([]string{"uavg-30-1", "uavg-33"}, func(e string) bool { return slices.Contains(r.exceptions, e) })
}

func (r refRule) cedarConditions() string {
	who := "principal"
	if r.never { // whoever it acts for is forbidden, too
		who = "context.names"
	}
	var to []string
	add := func(attribute, values string) {
		if values != "" {
			to = append(to, fmt.Sprintf("%s.%s.containsAny([%s])", who, attribute, values))
		}
	}
	add("gemeenten", list(r.to.gemeenten))
	add("parties", list(r.to.parties))
	add("kinds", list(r.to.roles))
	if r.to.public {
		to = append(to, "resource.public")
	}
	if r.to.everyone {
		to = append(to, "true")
	}
	all := []string{"(" + strings.Join(to, " || ") + ")"}
	if r.from != "" {
		all = append(all, fmt.Sprintf("context.day >= %d", number(r.from)))
	}
	if r.until != "" {
		all = append(all, fmt.Sprintf("context.day <= %d", number(r.until)))
	}
	for _, key := range slices.Sorted(maps.Keys(r.when)) {
		all = append(all, r.cedarCondition(key, who))
	}
	return strings.Join(all, " && ")
}

func (r refRule) cedarCondition(key, who string) string {
	values := "[" + list(r.when[key]) + "]"
	switch key {
	case "role":
		return "resource.role.containsAny(" + values + ")"
	case "responsible-gemeente":
		return who + ".gemeenten.containsAny(" + values + ")"
	case "allotment":
		return who + ".allotment.containsAny(" + values + ")"
	case "functionaliteit":
		met := who + ".functionaliteit.containsAny(" + values + ")"
		if r.never {
			return "(resource.functionaliteit.isEmpty() || " + met + ")"
		}
		return met
	}
	attribute := "resource." + strings.ReplaceAll(key, "-", "_")
	met := attribute + ".containsAny(" + values + ")"
	if r.never {
		return "(" + attribute + ".isEmpty() || " + met + ")"
	}
	return met
}

func number(d gateway.Date) int64 {
	n, err := strconv.ParseInt(strings.ReplaceAll(string(d), "-", ""), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (p refPolicy) cedar(t rapid.TB) *cedar.PolicySet {
	t.Helper()
	var b strings.Builder
	for _, r := range p {
		r.writeCedar(&b)
	}
	set, err := cedar.NewPolicySetFromBytes("generated.cedar", []byte(b.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return set
}

func set[T ~string](values ...T) cedar.Value {
	var all []cedar.Value
	for _, v := range values {
		if v != "" {
			all = append(all, cedar.String(v))
		}
	}
	return cedar.NewSet(all...)
}

// names describes those in whose name somebody asks, together.
func cedarNames(q policy.Request, names ...gateway.Recipient) cedar.Record {
	var parties []gateway.OIN
	var kinds []gateway.PartyKind
	var gemeenten []gateway.Gemeente
	var functionaliteit, allotment []string
	for _, n := range names {
		parties, kinds, gemeenten = append(parties, n.Party), append(kinds, n.Kind), append(gemeenten, n.Gemeenten...)
		for _, g := range n.Gemeenten {
			if slices.Contains(refRelations()[g], q.Offer.Functionaliteit) {
				functionaliteit = append(functionaliteit, q.Offer.Functionaliteit)
			}
		}
		state := "none"
		for _, a := range q.Offer.Allotments {
			if (a.ValidFrom == "" || a.ValidFrom <= q.Day) && (a.ValidUntil == "" || q.Day <= a.ValidUntil) && a.Names(n) {
				state = "own"
				if a.SoleOwner(n) {
					allotment = append(allotment, "sole")
				}
			}
		}
		allotment = append(allotment, state)
	}
	return cedar.NewRecord(cedar.RecordMap{
		"parties": set(parties...), "kinds": set(kinds...), "gemeenten": set(gemeenten...),
		"functionaliteit": set(functionaliteit...), "allotment": set(allotment...),
	})
}

func cedarOffer(q policy.Request) cedar.Record {
	o := q.Offer
	var fases, needs []string
	for f := max(1, o.Fase.Min); f <= o.Fase.Max; f++ {
		fases = append(fases, strconv.Itoa(f))
	}
	for _, code := range o.Doelgroepen {
		if code == "ggz" || code == "onbekend" {
			needs = append(needs, "uavg-30-1")
		}
		if code == "gedetineerden" || code == "onbekend" {
			needs = append(needs, "uavg-33")
		}
	}
	return cedar.NewRecord(cedar.RecordMap{
		"trajectsoort": set(o.Trajectsoort), "grondslag": set(o.Grondslag), "functionaliteit": set(o.Functionaliteit),
		"location_gemeente": set(o.Location.Gemeente), "doelgroep": set(o.Doelgroepen...), "fase": set(fases...),
		"referral_state": set[string](), "needs": set(needs...),
		"public": cedar.Boolean(q.Recipient.Public), "role": set(q.Recipient.Kind),
	})
}

// cedarRequest is a request in one name, as Cedar has it.
type cedarRequest struct {
	entities cedar.EntityMap
	ask      cedar.Request
}

func newCedarRequest(q policy.Request, acting string, name gateway.Recipient) cedarRequest {
	who, offer := cedar.NewEntityUID("Name", "n"), cedar.NewEntityUID("Offer", "o")
	return cedarRequest{
		entities: cedar.EntityMap{who: {UID: who, Attributes: cedarNames(q, name)}, offer: {UID: offer, Attributes: cedarOffer(q)}},
		ask: cedar.Request{Principal: who, Resource: offer, Context: cedar.NewRecord(cedar.RecordMap{
			"acting": cedar.String(acting), "day": cedar.Long(number(q.Day)), "names": cedarNames(q, chain(q.Recipient)...),
		})},
	}
}

func (r cedarRequest) allows(t rapid.TB, p *cedar.PolicySet, f gateway.Field, form gateway.Form) bool {
	r.ask.Action = cedar.NewEntityUID("Action", cedar.String(action(f, form)))
	decision, d := cedar.Authorize(p, r.entities, r.ask)
	if len(d.Errors) > 0 {
		t.Fatalf("cedar: %v", d.Errors)
	}
	return decision == cedar.Allow
}

// cedarDecides asks Cedar for each form of each field, in each name.
func cedarDecides(t rapid.TB, p *cedar.PolicySet, q policy.Request) gateway.Disclosure {
	t.Helper()
	names := []cedarRequest{newCedarRequest(q, "own", q.Recipient)}
	if !q.Recipient.Public {
		for _, principal := range q.Recipient.ActsFor {
			names = append(names, newCedarRequest(q, "mandate", principal))
		}
	}
	show := gateway.Disclosure{}
	for _, n := range names {
		for _, f := range vocabulary() {
			for _, form := range f.Forms()[1:] { // widest last
				if (show[f] == "" || show[f].Wider(form)) && n.allows(t, p, f, form) {
					show[f] = form
				}
			}
		}
	}
	return show
}

// TestCedarDecidesTheSame has drawn policies decided by both, on drawn requests:
// some ten thousand, and a million in `make oracle`.
func TestCedarDecidesTheSame(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 8)
		loaded, other := p.load(t, e), p.cedar(t)
		for range 100 {
			q := drawRequest(t)
			got, want := loaded.Decide(q).Show, cedarDecides(t, other, q)
			if !maps.Equal(got, want) {
				t.Fatalf("got %v, Cedar says %v\n%s\n%s", got, want, p.yaml(), other.MarshalCedar())
			}
		}
	})
}

// TestCedarOnEveryCell compares drawn policies in all that their rules can tell
// apart: of each condition that a rule sets every value that the drawn rules can
// name, another, and silence; for all sorts of recipients, before, in and after
// the days of rules.
func TestCedarOnEveryCell(t *testing.T) {
	e := env(t)
	cells := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 3)
		offers := everyOffer(p)
		if len(offers) > 200 {
			t.Skip("too many cells for this test")
		}
		loaded, other := p.load(t, e), p.cedar(t)
		holder := drawRecipient(t, 1)
		for _, to := range []gateway.Recipient{
			{Public: true}, {Party: alblasserdam, Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}},
			{Party: grs, Kind: gateway.GRS, Gemeenten: []gateway.Gemeente{"gm0505"}}, holder,
		} {
			for _, day := range []gateway.Date{"2026-10-31", "2026-11-30", "2026-12-01"} {
				for _, o := range offers {
					cells++
					q := policy.Request{Kind: gateway.KindCapacity, Offer: o, Recipient: to, Day: day}
					if got, want := loaded.Decide(q).Show, cedarDecides(t, other, q); !maps.Equal(got, want) {
						t.Fatalf("%+v of %+v on %s: got %v, Cedar says %v\n%s", to, o, day, got, want, p.yaml())
					}
				}
			}
		}
	})
	t.Logf("%d cells", cells)
	if cells < 1000 {
		t.Errorf("got %d cells: most policies were passed over", cells)
	}
}

// everyOffer varies what the rules ask of an offer.
func everyOffer(p refPolicy) []*gateway.Offer {
	offers := []gateway.Offer{{}}
	vary := func(key string, set ...func(*gateway.Offer)) {
		if !slices.ContainsFunc(p, func(r refRule) bool { return r.when[key] != nil }) {
			return
		}
		var next []gateway.Offer
		for _, o := range offers {
			for _, s := range set {
				changed := o
				s(&changed)
				next = append(next, changed)
			}
		}
		offers = next
	}
	values := func(set func(*gateway.Offer, string), values ...string) (all []func(*gateway.Offer)) {
		for _, v := range values {
			all = append(all, func(o *gateway.Offer) { set(o, v) })
		}
		return all
	}
	vary("trajectsoort", values(func(o *gateway.Offer, v string) { o.Trajectsoort = v }, "", "leerwerkplek", "stage", "wsw")...)
	vary("grondslag", values(func(o *gateway.Offer, v string) { o.Grondslag = v }, "", "participatiewet", "wmo-2015", "wsw")...)
	vary("functionaliteit", values(func(o *gateway.Offer, v string) { o.Functionaliteit = v }, "", "A", "I", "G")...)
	vary("location-gemeente", values(func(o *gateway.Offer, v string) { o.Location.Gemeente = gateway.Gemeente(v) }, "", "gm0482", "gm0505", "gm0014")...)
	vary("doelgroep", values(func(o *gateway.Offer, v string) { o.Doelgroepen = strings.Fields(v) },
		"", "entree", "pro", "ggz", "gedetineerden", "vso", "entree ggz", "ggz gedetineerden")...)
	vary("fase", values(func(o *gateway.Offer, v string) { o.Fase.Min, o.Fase.Max = int(v[0]-'0'), int(v[1]-'0') },
		"00", "11", "22", "33", "12", "23", "13")...)
	vary("allotment", values(func(o *gateway.Offer, v string) {
		for _, g := range strings.Fields(v) {
			a := gateway.Allotment{}
			for _, code := range strings.Split(g, "+") {
				a.Gemeenten = append(a.Gemeenten, gateway.Gemeente(code))
			}
			o.Allotments = append(o.Allotments, a)
		}
	}, "", "gm0482", "gm0505", "gm0482+gm0505", "gm0482 gm0505")...)
	all := make([]*gateway.Offer, len(offers))
	for i := range offers {
		all[i] = &offers[i]
	}
	return all
}
