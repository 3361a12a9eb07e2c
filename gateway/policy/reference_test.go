package policy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// This file holds a second evaluator, written from the description of the
// semantics and as slow and plain as can be, and a generator of policies,
// offers and recipients from a small vocabulary in which everything meets.

type refRule struct {
	id         string
	never      bool
	to         refSet
	acting     []string
	when       map[string][]string
	from       gateway.Date
	until      gateway.Date
	fields     map[gateway.Field]gateway.Form // of a show rule
	hide       []gateway.Field                // of a never rule; nil: all
	exceptions []string
}

type refSet struct {
	gemeenten        []gateway.Gemeente
	parties          []gateway.OIN
	roles            []gateway.PartyKind
	public, everyone bool
}

type refPolicy []refRule

// refRelations are what the policies of this file perform.
func refRelations() map[gateway.Gemeente][]string {
	return map[gateway.Gemeente][]string{"gm0482": {"A", "I"}, "gm0505": {"I"}}
}

func (s refSet) has(r gateway.Recipient) bool {
	if s.everyone || r.Public {
		return s.everyone || s.public
	}
	for _, g := range r.Gemeenten {
		if slices.Contains(s.gemeenten, g) {
			return true
		}
	}
	return slices.Contains(s.parties, r.Party) || slices.Contains(s.roles, r.Kind)
}

// meets says whether a condition holds for a name. A fact of the offer that is
// not stated counts against a show rule and for a never rule.
func (r refRule) meets(key string, q policy.Request, name gateway.Recipient) bool {
	asked, stated, holds := r.when[key], true, false
	has := func(v string) bool { return slices.Contains(asked, v) }
	o := q.Offer
	switch key {
	case "trajectsoort":
		stated, holds = o.Trajectsoort != "", has(o.Trajectsoort)
	case "grondslag":
		stated, holds = o.Grondslag != "", has(o.Grondslag)
	case "location-gemeente":
		stated, holds = o.Location.Gemeente != "", has(string(o.Location.Gemeente))
	case "doelgroep":
		stated, holds = len(o.Doelgroepen) > 0, slices.ContainsFunc(o.Doelgroepen, has)
	case "fase":
		stated = o.Fase.Min != 0
		for f := o.Fase.Min; f <= o.Fase.Max; f++ {
			holds = holds || has(fmt.Sprint(f))
		}
	case "referral-state":
		stated = false
	case "role":
		return has(string(q.Recipient.Kind))
	case "responsible-gemeente":
		return slices.ContainsFunc(name.Gemeenten, func(g gateway.Gemeente) bool { return has(string(g)) })
	case "functionaliteit":
		stated = o.Functionaliteit != ""
		for _, g := range name.Gemeenten {
			holds = holds || has(o.Functionaliteit) && slices.Contains(refRelations()[g], o.Functionaliteit)
		}
	case "allotment":
		own, sole := false, false
		for _, a := range o.Allotments {
			if (a.ValidFrom == "" || a.ValidFrom <= q.Day) && (a.ValidUntil == "" || q.Day <= a.ValidUntil) {
				own = own || a.Names(name)
				sole = sole || a.SoleOwner(name)
			}
		}
		return has("none") && !own || has("own") && own || has("sole") && sole
	}
	if !stated {
		return r.never
	}
	return holds
}

func (r refRule) matches(q policy.Request) bool {
	if r.from != "" && q.Day < r.from || r.until != "" && q.Day > r.until {
		return false
	}
	if r.never {
		return r.binds(q)
	}
	var names []gateway.Recipient
	if len(r.acting) == 0 || slices.Contains(r.acting, "own") {
		names = append(names, q.Recipient)
	}
	if slices.Contains(r.acting, "mandate") && !q.Recipient.Public {
		names = append(names, q.Recipient.ActsFor...)
	}
	for _, name := range names {
		ok := r.to.has(name)
		for key := range r.when {
			ok = ok && r.meets(key, q, name)
		}
		if ok {
			return true
		}
	}
	return false
}

// binds: each part of a never rule may hold for any name the recipient has.
func (r refRule) binds(q policy.Request) bool {
	names := chain(q.Recipient)
	ok := slices.ContainsFunc(names, r.to.has)
	for key := range r.when {
		ok = ok && slices.ContainsFunc(names, func(n gateway.Recipient) bool { return r.meets(key, q, n) })
	}
	return ok
}

func chain(r gateway.Recipient) []gateway.Recipient {
	names := []gateway.Recipient{r}
	if !r.Public {
		for _, p := range r.ActsFor {
			names = append(names, chain(p)...)
		}
	}
	return names
}

// withholds says whether the offer's codes keep the field in this rule.
func (r refRule) withholds(f gateway.Field, o *gateway.Offer) bool {
	if f != gateway.FieldDoelgroepen {
		return false
	}
	for _, code := range o.Doelgroepen {
		special := code == "ggz" && !slices.Contains(r.exceptions, "uavg-30-1")
		criminal := code == "gedetineerden" && !slices.Contains(r.exceptions, "uavg-33")
		if special || criminal || code == "onbekend" && len(r.exceptions) < 2 {
			return true
		}
	}
	return false
}

// decide is the reference for Decide.
func (p refPolicy) decide(q policy.Request) (show gateway.Disclosure, rules []string, deniedBy string) {
	sorted := slices.Clone(p)
	slices.SortFunc(sorted, func(a, b refRule) int { return strings.Compare(a.id, b.id) })
	show, offered := gateway.Disclosure{}, map[gateway.Field]bool{}
	for _, r := range sorted {
		if r.never || !r.matches(q) {
			continue
		}
		contributes := false
		for f, form := range r.fields {
			if r.withholds(f, q.Offer) {
				continue
			}
			offered[f] = true
			if p.forbids(f, q) {
				continue
			}
			contributes = true
			if show[f] == "" || show[f].Wider(form) {
				show[f] = form
			}
		}
		if contributes {
			rules = append(rules, r.id)
		}
	}
	if len(show) > 0 {
		return show, rules, ""
	}
	deniedBy = "default"
	for _, r := range slices.Backward(sorted) {
		if r.never && r.hide != nil && r.matches(q) && slices.ContainsFunc(slices.Collect(maps.Keys(offered)), r.hides) {
			deniedBy = r.id
		}
	}
	for _, r := range slices.Backward(sorted) {
		if r.never && r.hide == nil && r.matches(q) {
			deniedBy = r.id
		}
	}
	return nil, nil, deniedBy
}

func (p refPolicy) forbids(f gateway.Field, q policy.Request) bool {
	return slices.ContainsFunc(p, func(r refRule) bool { return r.never && r.hides(f) && r.matches(q) })
}

func (r refRule) hides(f gateway.Field) bool {
	return r.hide == nil || slices.Contains(r.hide, f) ||
		f == gateway.FieldAllotmentsAvailable && slices.Contains(r.hide, gateway.FieldAllotments)
}

// yaml writes the policy as a privacy officer would.
func (p refPolicy) yaml() []byte {
	var b strings.Builder
	b.WriteString("policy: generated\nparty: \"00000099000000001000\"\n")
	b.WriteString("defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e}, retention: P90D}\n")
	b.WriteString("relations:\n")
	for _, g := range slices.Sorted(maps.Keys(refRelations())) {
		fmt.Fprintf(&b, "  - {gemeente: %s, functionaliteiten: [%s]}\n", g, list(refRelations()[g]))
	}
	b.WriteString("rules:\n")
	for _, r := range p {
		r.write(&b)
	}
	if len(p) == 0 {
		b.WriteString("  []\n")
	}
	return []byte(b.String())
}

func (r refRule) write(b *strings.Builder) {
	fmt.Fprintf(b, "  - id: %s\n", r.id)
	if r.to.everyone {
		b.WriteString("    to: everyone\n")
	} else {
		b.WriteString("    to:\n")
		for key, values := range map[string]string{
			"gemeenten": list(r.to.gemeenten), "parties": list(r.to.parties), "roles": list(r.to.roles),
		} {
			if values != "" {
				fmt.Fprintf(b, "      %s: [%s]\n", key, values)
			}
		}
		if r.to.public {
			b.WriteString("      public: true\n")
		}
	}
	if len(r.when) > 0 || r.from != "" || r.until != "" {
		b.WriteString("    when:\n")
		for key, values := range r.when {
			fmt.Fprintf(b, "      %s: [%s]\n", key, list(values))
		}
		for key, date := range map[string]gateway.Date{"from": r.from, "until": r.until} {
			if date != "" {
				fmt.Fprintf(b, "      %s: %s\n", key, date)
			}
		}
	}
	if r.never {
		b.WriteString("    effect: never\n")
		if r.hide == nil {
			b.WriteString("    fields: all\n")
			return
		}
		fmt.Fprintf(b, "    fields: [%s]\n", list(r.hide))
		return
	}
	b.WriteString("    effect: show\n    kinds: [capacity]\n    fields:\n")
	for f, form := range r.fields {
		fmt.Fprintf(b, "      %s: %s\n", f, form)
	}
	if len(r.acting) > 0 {
		fmt.Fprintf(b, "    acting: [%s]\n", list(r.acting))
	}
	if len(r.exceptions) > 0 {
		fmt.Fprintf(b, "    exception: [%s]\n", list(r.exceptions))
	}
}

func list[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprintf("%q", string(v))
	}
	return strings.Join(words, ", ")
}

func (p refPolicy) load(t rapid.TB, e policy.Env) *policy.Policy {
	t.Helper()
	data := p.yaml()
	loaded, _, err := policy.Load([]policy.File{{Name: "generated.yaml", Data: data}}, e)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return loaded
}
