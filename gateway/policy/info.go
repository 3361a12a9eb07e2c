package policy

import (
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// RuleInfo names an outbound rule for reports about a policy.
type RuleInfo struct {
	ID    string `json:"id"`
	File  string `json:"file"`
	Line  int    `json:"line"`
	Never bool   `json:"never"`
}

// Rules are the rules on what others may see of offers and be told of persons,
// sorted by id.
func (p *Policy) Rules() []RuleInfo {
	var all []RuleInfo
	for _, rules := range [][]rule{p.outbound.rules, p.personal} {
		for i := range rules {
			if info := rules[i].info(); !slices.Contains(all, info) { // one may be about both
				all = append(all, info)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b RuleInfo) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (r *rule) info() RuleInfo {
	return RuleInfo{ID: r.id, File: r.clause.file, Line: r.clause.line, Never: r.never}
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
	for i := range p.personal {
		all = append(all, p.personal[i].to.gemeenten...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
