package policy

import (
	"slices"
	"sync"

	"github.com/doorstroom/doorstroom/gateway"
)

// A policy makes each distinct decision once and hands out the same value ever
// after. That costs a look-up where building it cost four allocations, and a
// caller that plans for hundreds of recipients compares two pointers instead of
// all that is in them.

// maxDecisions bounds what is kept. Real policies make some hundreds.
const maxDecisions = 4096

// decisions are the decisions of one list of rules. Those that allow are made
// when they first occur.
type decisions struct {
	fallback *gateway.Decision   // "default"
	mandate  *gateway.Decision   // "mandate"
	open     *gateway.Decision   // allowed without a rule
	denied   []*gateway.Decision // by the number of the rule that denied

	mu      sync.RWMutex
	kept    int                  // guarded by mu
	allowed map[uint64][]allowed // by hash; guarded by mu
}

// allowed is a decision and what it follows from.
type allowed struct {
	rules    ruleSet
	shown    forms
	decision *gateway.Decision
}

func newDecisions(version string, rules []rule) *decisions {
	denied := func(by string, hidden fieldSet) *gateway.Decision {
		return &gateway.Decision{Policy: version, DeniedBy: by, Denied: hidden.names()}
	}
	d := &decisions{
		fallback: denied(byDefault, allFields), mandate: denied(byMandate, 0), open: &gateway.Decision{Policy: version, Allowed: true},
		allowed: map[uint64][]allowed{},
	}
	for _, r := range rules {
		d.denied = append(d.denied, denied(r.id, r.hide))
	}
	return d
}

// find gives the decision by which rules of t allow, and show in these forms;
// whole are the same rules by their numbers in the list. It keeps neither.
func (d *decisions) find(t *table, rules, whole ruleSet, shown forms, fields []gateway.Field) *gateway.Decision {
	key := whole.hash(shown)
	d.mu.RLock()
	found := lookUp(d.allowed[key], whole, shown)
	d.mu.RUnlock()
	if found != nil {
		return found
	}
	made := t.allow(rules, shown, fields)
	made.Policy = d.open.Policy
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := lookUp(d.allowed[key], whole, shown); found != nil {
		return found // another goroutine was first
	}
	if d.kept == maxDecisions {
		clear(d.allowed)
		d.kept = 0
	}
	d.allowed[key] = append(d.allowed[key], allowed{slices.Clone(whole), shown, made})
	d.kept++
	return made
}

func lookUp(list []allowed, rules ruleSet, shown forms) *gateway.Decision {
	for i := range list {
		if list[i].shown == shown && slices.Equal(list[i].rules, rules) {
			return list[i].decision
		}
	}
	return nil
}

// allow builds a decision by which rules allow.
func (t *table) allow(rules ruleSet, shown forms, fields []gateway.Field) *gateway.Decision {
	d := &gateway.Decision{Allowed: true}
	for i := range rules.all() {
		t.rules[i].account(d)
	}
	slices.Sort(d.Basis)
	if shown.fields() != 0 {
		d.Show = shown.disclosure(fields)
	}
	return d
}

// hash mixes a set of rules and forms; equal ones have equal hashes.
func (s ruleSet) hash(f forms) uint64 {
	const prime = 0x9e3779b97f4a7c15
	h := uint64(f.plek)<<32 | uint64(f.band)
	h = (h ^ uint64(f.exact)<<16) * prime
	for _, w := range s {
		h = (h ^ h>>29 ^ w) * prime
	}
	return h
}
