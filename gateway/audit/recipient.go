package audit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// recipient is somebody an expectation is about, on whatever day.
type recipient struct {
	english, dutch string
	on             func(gateway.Date) gateway.Recipient
	days           []gateway.Date // on which it becomes another
}

// examined are those that an example is about. A role is a party that no rule
// names; a gemeente that is not in the register yet is one without a party.
func (t *trial) examined() []recipient {
	var all []recipient
	for _, to := range t.e.To {
		switch {
		case to == policy.ToPublic:
			all = append(all, public())
		case slices.Contains(gateway.PartyKinds(), gateway.PartyKind(to)):
			all = append(all, newcomer(gateway.PartyKind(to), ""))
		default:
			all = append(all, t.named(to)...)
		}
	}
	return t.withMandates(all)
}

// everyone are all that an invariant is about. Of a role these are the parties of
// the register and one that no rule names; of gemeenten also those that rules
// may name before they are in the register.
func (t *trial) everyone() []recipient {
	var all []recipient
	for _, to := range t.e.To {
		switch {
		case to == policy.ToPublic:
			all = append(all, public())
		case to == policy.ToEveryone:
			all = append(all, public())
			for _, kind := range gateway.PartyKinds() {
				all = append(all, t.role(kind)...)
			}
		case slices.Contains(gateway.PartyKinds(), gateway.PartyKind(to)):
			all = append(all, t.role(gateway.PartyKind(to))...)
		default:
			all = append(all, t.named(to)...)
		}
	}
	return t.withMandates(all)
}

func (t *trial) role(kind gateway.PartyKind) []recipient {
	all := []recipient{newcomer(kind, "")}
	known := map[gateway.Gemeente]bool{}
	for _, p := range t.env.Parties {
		if p.Kind == kind && p.OIN != t.env.Self {
			all = append(all, t.party(p))
			for _, g := range p.Gemeenten {
				known[g.Code] = true
			}
		}
	}
	if kind == gateway.GemeenteKind {
		for _, g := range t.p.Gemeenten() {
			if !known[g] {
				all = append(all, newcomer(kind, g))
			}
		}
	}
	return all
}

// named finds the parties with a gemeente code or an OIN.
func (t *trial) named(to string) []recipient {
	var all []recipient
	for _, p := range t.env.Parties {
		is := func(g gateway.GemeenteFor) bool { return string(g.Code) == to }
		if string(p.OIN) == to || slices.ContainsFunc(p.Gemeenten, is) {
			all = append(all, t.party(p))
		}
	}
	if len(all) == 0 {
		all = append(all, newcomer(gateway.GemeenteKind, gateway.Gemeente(to)))
	}
	return all
}

func public() recipient {
	return recipient{"the public", "het publiek", func(gateway.Date) gateway.Recipient { return gateway.Recipient{Public: true} }, nil}
}

// newcomer is a party that is in no register.
func newcomer(kind gateway.PartyKind, g gateway.Gemeente) recipient {
	r := gateway.Recipient{Party: gateway.OIN("new " + string(kind) + string(g)), Kind: kind}
	english, dutch := fmt.Sprintf("any %s", kind), fmt.Sprintf("een willekeurige partij met rol %s", kind)
	if g != "" {
		r.Gemeenten = []gateway.Gemeente{g}
		english, dutch = "gemeente "+string(g), "gemeente "+string(g)
	}
	return recipient{english, dutch, func(gateway.Date) gateway.Recipient { return r }, nil}
}

func (t *trial) party(p gateway.Party) recipient {
	find := func(oin gateway.OIN) (gateway.Party, bool) {
		if t.env.Party != nil {
			return t.env.Party(oin)
		}
		i := slices.IndexFunc(t.env.Parties, func(p gateway.Party) bool { return p.OIN == oin })
		if i < 0 {
			return gateway.Party{}, false
		}
		return t.env.Parties[i], true
	}
	r := recipient{english: p.Name, dutch: p.Name, on: func(day gateway.Date) gateway.Recipient {
		return p.RecipientOn(day, cmp.Or(t.e.Kind, gateway.KindCapacity), find)
	}}
	r.changes(p)
	for _, m := range p.Mandates {
		r.change(m.ValidFrom, m.ValidUntil)
		if principal, ok := find(m.Principal); ok {
			r.changes(principal)
		}
	}
	return r
}

func (r *recipient) changes(p gateway.Party) {
	for _, g := range p.Gemeenten {
		r.change(g.ValidFrom, g.ValidUntil)
	}
}

func (r *recipient) change(from, until gateway.Date) {
	if from != "" {
		r.days = append(r.days, from)
	}
	if until != "" {
		r.days = append(r.days, until.Next())
	}
}

// withMandates gives each recipient the mandates that the expectation names.
func (t *trial) withMandates(all []recipient) []recipient {
	for _, name := range t.e.ActingFor {
		for _, principal := range t.named(name) {
			for i, r := range all {
				all[i].english, all[i].dutch = r.english+" for "+principal.english, r.dutch+" namens "+principal.dutch
				all[i].days = slices.Concat(r.days, principal.days)
				all[i].on = func(day gateway.Date) gateway.Recipient {
					holder := r.on(day)
					holder.ActsFor = append(slices.Clone(holder.ActsFor), principal.on(day))
					return holder
				}
			}
		}
	}
	return all
}
