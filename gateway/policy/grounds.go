package policy

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// Grounds are what a rule says on why and for how long, for reports.
type Grounds struct {
	RuleInfo
	Description string
	Show        gateway.Disclosure // of a show rule, before never rules and exceptions
	Hide        []gateway.Field    // of a never rule
	Kinds       []string           // of a rule on persons: of messages
	Told        []gateway.Field    // of a rule on persons: what goes, or may not
	Purpose     string             // code
	Basis       []string           // codes, with exceptions
	Retention   string
	To          string // whom it names, in Dutch
}

// Grounds are those of the rules on what others may see of offers, sorted by id,
// then of those on what they may be told of persons.
func (p *Policy) Grounds() []Grounds {
	var all []Grounds
	for i := range p.outbound.rules {
		r := &p.outbound.rules[i]
		g := p.groundsOf(r)
		if r.never {
			for j, f := range p.fields {
				if r.hide.has(j) {
					g.Hide = append(g.Hide, f)
				}
			}
		} else {
			g.Show = r.show.disclosure(p.fields)
		}
		all = append(all, g)
	}
	for i := range p.personal {
		r := &p.personal[i]
		if _, about := r.when[termKind]; !about {
			continue // about offers too: it is among those
		}
		g := p.groundsOf(r)
		g.Kinds, g.Told = slices.Clone(r.when[termKind]), slices.Clone(r.told)
		all = append(all, g)
	}
	return all
}

func (p *Policy) groundsOf(r *rule) Grounds {
	return Grounds{
		RuleInfo: r.info(), Description: r.clause.description.value, Purpose: r.purpose, Basis: slices.Clone(r.basis),
		Retention: r.retention, To: p.whom(r),
	}
}

// Accept is a rule on who may send this party what, for reports.
type Accept struct {
	ID          string
	Description string
	Kinds       []string
	From        string // whom it names, in Dutch
}

// Accepts are the inbound rules, sorted by id.
func (p *Policy) Accepts() []Accept {
	var all []Accept
	for i := range p.inbound.rules {
		r := &p.inbound.rules[i]
		all = append(all, Accept{r.id, r.clause.description.value, slices.Clone(r.when[termKind]), p.whom(r)})
	}
	return all
}

// Class is how sensitive a field is.
func (p *Policy) Class(f gateway.Field) gateway.DataClass {
	b := binder{env: p.env}
	return b.class(f)
}

// ShorterRetention tells whether a is shorter than b, both as P90D.
func ShorterRetention(a, b string) bool { return days(a) < days(b) }
