package policy

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// RuleInfo names an outbound rule for reports about a policy.
type RuleInfo struct {
	ID    string `json:"id"`
	File  string `json:"file"`
	Line  int    `json:"line"`
	Never bool   `json:"never"`
}

// Rules are the outbound rules, sorted by id.
func (p *Policy) Rules() []RuleInfo {
	var all []RuleInfo
	for i := range p.outbound.rules {
		all = append(all, p.outbound.rules[i].info())
	}
	return all
}

func (r *rule) info() RuleInfo {
	return RuleInfo{ID: r.id, File: r.clause.file, Line: r.clause.line, Never: r.never}
}

// Asked is what the rules that can ever matter to one recipient ask of an offer
// and of the day. Offers that do not differ on it are decided alike, so it is
// all that an exact answer about every offer has to try.
type Asked struct {
	Values map[string][]string // by condition: what the rules name, sorted
	Days   []gateway.Date      // from which on some rule holds or no longer holds, sorted
	Rules  []RuleInfo          // that matter
}

// Asks looks at the rules that show or hide one of the fields, and that name the
// recipient or somebody it acts for.
func (p *Policy) Asks(kind string, r gateway.Recipient, fields []gateway.Field) Asked {
	a := Asked{Values: map[string][]string{}}
	if p.fallback {
		return a
	}
	var about fieldSet
	for i, f := range p.fields {
		if slices.Contains(fields, f) {
			about |= 1 << i
		}
	}
	t := &p.outbound
	open := t.none()
	t.reachAny(open, &r)
	for i := range open.all() {
		rule := &t.rules[i]
		role := []string{string(r.Kind)}
		if (rule.show.fields()|rule.hide)&about == 0 || !t.axes[termKind].accepts(i, []string{kind}, false) ||
			!rule.never && !t.axes[termRole].accepts(i, role, false) {
			continue
		}
		a.Rules = append(a.Rules, rule.info())
		for _, k := range offerTerms() {
			a.Values[k.key()] = append(a.Values[k.key()], rule.when[k]...)
		}
		a.Days = append(a.Days, rule.from)
		if rule.until != "" {
			a.Days = append(a.Days, rule.until.Next())
		}
	}
	for key, values := range a.Values {
		slices.Sort(values)
		a.Values[key] = slices.Compact(values)
	}
	slices.Sort(a.Days)
	a.Days = slices.DeleteFunc(slices.Compact(a.Days), func(d gateway.Date) bool { return d == "" })
	return a
}

// Applying are the ids of the rules that match a request, sorted: those that show
// and those that forbid, also where what they say makes no difference.
func (p *Policy) Applying(q Request) []string {
	if p.fallback || q.Offer == nil {
		return nil
	}
	var room [4 * someWords]uint64
	show, never := p.match(&q, p.outbound.room(room[:]))
	show.or(never)
	var ids []string
	for i := range show.all() {
		ids = append(ids, p.outbound.rules[i].id)
	}
	return ids
}

// Gemeenten are the gemeenten that rules and relations name, sorted: a gemeente
// that is none of them is decided about as any other.
func (p *Policy) Gemeenten() []gateway.Gemeente {
	var all []gateway.Gemeente
	for g := range p.outbound.gemeenten {
		all = append(all, g)
	}
	for g := range p.performed {
		all = append(all, g)
	}
	if a := p.outbound.axes[termResponsible]; a != nil {
		for g := range a.named {
			all = append(all, gateway.Gemeente(g))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
