package policy

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// table is a list of rules in closed form: for every value of every term, the
// set of rules that accept it. To match a request is to intersect the sets of
// its values. What a policy can tell apart is therefore finite and written down
// here: the values that some rule names, and one for all others.
type table struct {
	rules     []rule
	words     int // of a ruleSet
	parties   map[gateway.OIN]ruleSet
	gemeenten map[gateway.Gemeente]ruleSet
	roles     map[gateway.PartyKind]ruleSet
	public    ruleSet
	everyone  ruleSet
	own       ruleSet      // show rules for who asks in its own name
	mandate   ruleSet      // show rules for who asks in a principal's name
	never     ruleSet      // rules that forbid
	dated     ruleSet      // rules that hold from or until a day
	axes      [terms]*axis // nil: no rule sets the term
}

// axis is one term over all rules. Every set holds the rules that do not set the
// term, which accept whatever comes.
type axis struct {
	free   ruleSet            // these alone
	silent ruleSet            // and those that forbid: they also accept silence
	named  map[string]ruleSet // and those that name the value
}

func compile(rules []rule) table {
	t := table{
		rules: rules, words: (len(rules) + 63) / 64, parties: map[gateway.OIN]ruleSet{},
		gemeenten: map[gateway.Gemeente]ruleSet{}, roles: map[gateway.PartyKind]ruleSet{},
	}
	for _, set := range []*ruleSet{&t.public, &t.everyone, &t.own, &t.mandate, &t.never, &t.dated} {
		*set = t.none()
	}
	for i, r := range rules {
		if r.void {
			continue
		}
		t.addNames(i, r.to)
		t.own.set(i, r.own && !r.never)
		t.mandate.set(i, r.mandate && !r.never)
		t.never.set(i, r.never)
		t.dated.set(i, r.from != "" || r.until != "")
	}
	for k := range terms {
		if slices.ContainsFunc(rules, func(r rule) bool { return r.when[k] != nil }) {
			t.axes[k] = t.axis(k)
		}
	}
	return t
}

func (t *table) none() ruleSet { return make(ruleSet, t.words) }

// someWords is as many as most policies have: 512 rules.
const someWords = 8

// room is for four sets: some, which is on the caller's stack, if it is enough.
func (t *table) room(some []uint64) []uint64 {
	if 4*t.words <= len(some) {
		return some[:4*t.words]
	}
	return make([]uint64, 4*t.words)
}

func (t *table) addNames(i int, n names) {
	for _, p := range n.parties {
		put(t, t.parties, p, i)
	}
	for _, g := range n.gemeenten {
		put(t, t.gemeenten, g, i)
	}
	for _, k := range n.roles {
		put(t, t.roles, k, i)
	}
	t.public.set(i, n.public)
	t.everyone.set(i, n.everyone)
}

func put[K comparable](t *table, in map[K]ruleSet, key K, i int) {
	if in[key] == nil {
		in[key] = t.none()
	}
	in[key].set(i, true)
}

func (t *table) axis(k term) *axis {
	a := &axis{free: t.none(), silent: t.none(), named: map[string]ruleSet{}}
	for i, r := range t.rules {
		values, set := r.when[k]
		a.free.set(i, !set)
		for _, v := range values {
			put(t, a.named, v, i)
		}
	}
	a.silent.or(a.free)
	a.silent.or(t.never)
	for _, s := range a.named {
		s.or(a.free)
	}
	return a
}

// asked tells whether any of the rules sets the term.
func (a *axis) asked(rules ruleSet) bool {
	if a == nil {
		return false
	}
	for i, w := range rules {
		if w&^a.free[i] != 0 {
			return true
		}
	}
	return false
}

// narrow keeps the rules that accept one of the values. silent means that the
// offer does not say: then there are none.
func (a *axis) narrow(rules ruleSet, values []string, silent bool) {
	if a == nil {
		return
	}
	if silent {
		rules.and(a.silent)
		return
	}
	var room [8]ruleSet
	accepting := room[:0]
	for _, v := range values {
		if s, ok := a.named[v]; ok {
			accepting = append(accepting, s)
		}
	}
	switch len(accepting) {
	case 0:
		rules.and(a.free)
	case 1:
		rules.and(accepting[0])
	default:
		for i := range rules {
			var accepted uint64
			for _, s := range accepting {
				accepted |= s[i]
			}
			rules[i] &= accepted
		}
	}
}

// accepts is narrow for one rule, to explain it.
func (a *axis) accepts(rule int, values []string, silent bool) bool {
	return a == nil || a.free.has(rule) || silent && a.silent.has(rule) ||
		slices.ContainsFunc(values, func(v string) bool { return a.named[v] != nil && a.named[v].has(rule) })
}

// reach adds to rules those that name the party.
func (t *table) reach(rules ruleSet, r *gateway.Recipient) {
	if r.Public {
		rules.or(t.public)
		rules.or(t.everyone)
		return
	}
	rules.or(t.everyone)
	rules.or(t.parties[r.Party])
	rules.or(t.roles[r.Kind])
	for _, g := range r.Gemeenten {
		rules.or(t.gemeenten[g])
	}
}

// reachAny adds those that name the party or anybody it acts for.
func (t *table) reachAny(rules ruleSet, r *gateway.Recipient) {
	t.reach(rules, r)
	for i := range principals(r) {
		t.reachAny(rules, &r.ActsFor[i])
	}
}
