package policy

import (
	"encoding/binary"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// Scope is all that policies can tell apart about capacity messages for one
// recipient from one day on. Each Aspect is something that a rule which can reach
// this recipient looks at, with the finitely many cases in which the rules
// answer differently; every request falls in exactly one case of each. Use it to
// list what somebody can see in general, where Decide says it of one offer: begin
// with Start, choose a case of each aspect in turn with Next, and Decide. It is
// read-only once made.
//
// Two names in which a recipient asks may share a gemeente: then some choices of
// cases meet in no real offer. None is missing.
type Scope struct {
	Recipient gateway.Recipient // with its mandates, as on the day it was made for
	Day       gateway.Date
	Aspects   []Aspect

	policies []*Policy
	about    fieldSet            // only rules about these are looked at
	names    []gateway.Recipient // the recipient, then those for whom it acts
	ways     []way
	last     []int // by way: the last aspect that can exclude it
	start    State
}

// way is one way in which a rule can apply to the recipient. A rule applies if
// one of its ways passes every aspect.
type way struct {
	policy, rule int
	r            *rule
	performed    map[gateway.Gemeente][]string
	names        []int // in Scope.names: in which it asks
	crowd        int   // in Scope.crowds, of which the rule asks for an allotment; -1 if it does not
}

// State is how far a request has been told apart: the ways that are left, and
// the fields whose codes need an exception.
type State struct {
	ways ruleSet
	held []withheld // by policy
}

// NewScope looks at one policy, or at several together, to compare them.
func NewScope(to gateway.Recipient, day gateway.Date, policies ...*Policy) (*Scope, error) {
	return newScope(allFields, to, day, policies)
}

// NewFieldScope looks at those rules of a policy that show or forbid one of some
// fields: what it decides is right of these, and says nothing of others.
func NewFieldScope(fields []gateway.Field, to gateway.Recipient, day gateway.Date, p *Policy) (*Scope, error) {
	var about fieldSet
	for i, f := range gateway.Fields() {
		if slices.Contains(fields, f) {
			about |= 1 << i
		}
	}
	return newScope(about, to, day, []*Policy{p})
}

func newScope(about fieldSet, to gateway.Recipient, day gateway.Date, policies []*Policy) (*Scope, error) {
	s := &Scope{Recipient: to, Day: day, policies: policies, about: about, names: allNames(to)}
	crowds := s.findWays()
	s.start = State{ways: make(ruleSet, (len(s.ways)+63)/64), held: make([]withheld, len(policies))}
	for i := range s.ways {
		s.start.ways.set(i, true)
	}
	all, err := s.aspects(crowds)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if len(a.Cases) > 1 {
			s.Aspects = append(s.Aspects, a)
		} else { // nothing to tell apart, but it may exclude
			s.start = s.start.with(a.Cases[0])
		}
	}
	for i := range s.ways {
		s.last = append(s.last, s.lastOf(i))
	}
	return s, nil
}

// findWays lists in which ways each rule can apply, and gives the crowds: the
// names that all rules treat alike where they ask for an allotment.
func (s *Scope) findWays() [][]int {
	type candidate struct {
		way
		asks bool
	}
	var found []candidate
	for i, p := range s.policies {
		for j := range p.outbound.rules {
			r := &p.outbound.rules[j]
			if (r.show.fields()|r.hide)&s.about == 0 {
				continue
			}
			if names := s.standing(p, j, r); len(names) > 0 {
				_, asks := r.when[termAllotment]
				found = append(found, candidate{way{policy: i, rule: j, r: r, performed: p.performed, names: names, crowd: -1}, asks})
			}
		}
	}
	crowds := [][]int{}
	byProfile := map[string]int{}
	crowdOf := make([]int, len(s.names))
	for n := range s.names {
		profile := []byte{0}
		if n == 0 {
			profile[0] = 1 // the recipient itself is a case of its own, to read
		}
		for _, c := range found {
			if c.asks {
				profile = append(profile, c.profile(s, n)...)
			}
		}
		g, ok := byProfile[string(profile)]
		if !ok {
			g = len(crowds)
			byProfile[string(profile)], crowds = g, append(crowds, nil)
		}
		crowdOf[n], crowds[g] = g, append(crowds[g], n)
	}
	for _, c := range found {
		if !c.asks {
			s.ways = append(s.ways, c.way)
			continue
		}
		for g, members := range crowds {
			if w := c.way; slices.Contains(w.names, members[0]) {
				w.crowd = g
				if !w.r.never { // a never rule meets each term in whichever name
					w.names = members
				}
				s.ways = append(s.ways, w)
			}
		}
	}
	return crowds
}

// profile says how a way treats one of the names.
func (w *way) profile(s *Scope, n int) []byte {
	text := []byte{'-'}
	if slices.Contains(w.names, n) {
		text[0] = '+'
	}
	if codes, asks := w.r.when[termFunctionaliteit]; asks && !w.r.never {
		for _, f := range codes {
			if w.performs(s, f, n) {
				text = append(append(text, f...), ',')
			}
		}
	}
	return append(text, ';')
}

// performs tells whether the way's party performs a functionaliteit for one of
// the names.
func (w *way) performs(s *Scope, f string, names ...int) bool {
	return slices.ContainsFunc(names, func(n int) bool {
		return slices.ContainsFunc(s.names[n].Gemeenten, func(g gateway.Gemeente) bool {
			return slices.Contains(w.performed[g], f)
		})
	})
}

// standing gives the names in which the recipient meets what does not depend on
// an offer or a day.
func (s *Scope) standing(p *Policy, rule int, r *rule) []int {
	kinds, asks := r.when[termKind]
	_, referral := r.when[termReferral]
	if r.void || asks && !slices.Contains(kinds, gateway.KindCapacity) || referral && !r.never {
		return nil
	}
	if roles, asks := r.when[termRole]; asks && !slices.Contains(roles, string(s.Recipient.Kind)) {
		return nil
	}
	t := &p.outbound
	named := func(n int) bool {
		reached := t.none()
		t.reach(reached, &s.names[n])
		return reached.has(rule)
	}
	responsible := func(n int) bool {
		gemeenten, asks := r.when[termResponsible]
		return !asks || slices.ContainsFunc(s.names[n].Gemeenten, func(g gateway.Gemeente) bool {
			return slices.Contains(gemeenten, string(g))
		})
	}
	all := make([]int, len(s.names))
	for n := range all {
		all[n] = n
	}
	if r.never {
		if slices.ContainsFunc(all, named) && slices.ContainsFunc(all, responsible) {
			return all
		}
		return nil
	}
	return slices.DeleteFunc(all, func(n int) bool {
		return !named(n) || !responsible(n) || n == 0 && !r.own || n > 0 && (!r.mandate || !s.direct(n))
	})
}

// direct tells whether a name is that of a principal of the recipient's own:
// the names below it in the order of allNames are not.
func (s *Scope) direct(n int) bool {
	next := 1
	for _, p := range principals(&s.Recipient) {
		if n == next {
			return true
		}
		next += len(allNames(p))
	}
	return false
}

// Days are those from which on other rules hold, the first of them Day.
func (s *Scope) Days() []gateway.Date {
	days := []gateway.Date{s.Day}
	for _, a := range s.Aspects {
		if a.Key != AspectDay {
			continue
		}
		for _, c := range a.Cases {
			for _, atom := range c.Atoms {
				days = append(days, atom.From)
			}
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// Start is the state in which nothing has been said.
func (s *Scope) Start() State { return s.start }

// Next says of a state which case of an aspect holds.
func (s *Scope) Next(from State, aspect, c int) State {
	to := from.with(s.Aspects[aspect].Cases[c])
	for i := range to.ways.all() {
		if w := &s.ways[i]; w.crowd >= 0 && to.ways.has(i) && s.last[i] <= aspect {
			for j := range s.ways { // this way passes whatever comes: no other is needed
				if o := &s.ways[j]; j != i && o.policy == w.policy && o.rule == w.rule {
					to.ways.set(j, false)
				}
			}
		}
	}
	s.forget(&to)
	return to
}

// lastOf gives the last aspect that can exclude a way.
func (s *Scope) lastOf(way int) int {
	for i, a := range slices.Backward(s.Aspects) {
		if slices.ContainsFunc(a.Cases, func(c Case) bool { return !c.accepts.has(way) }) {
			return i
		}
	}
	return -1
}

// forget drops what is known of fields that nothing shows any more, or nothing
// but with the exception that their codes need.
func (s *Scope) forget(of *State) {
	for i := range s.policies {
		var special, criminal fieldSet
		for j := range of.ways.all() {
			if w := &s.ways[j]; w.policy == i {
				shown := w.r.show.fields()
				if !w.r.special {
					special |= shown
				}
				if !w.r.criminal {
					criminal |= shown
				}
			}
		}
		of.held[i].special &= special
		of.held[i].criminal &= criminal
	}
}

func (from State) with(c Case) State {
	to := State{ways: slices.Clone(from.ways), held: slices.Clone(from.held)}
	to.ways.and(c.accepts)
	for i, h := range c.held {
		to.held[i].special |= h.special
		to.held[i].criminal |= h.criminal
	}
	return to
}

// Applying are the rules that apply once every aspect has been said, also where
// what they say makes no difference.
func (s *Scope) Applying(at State) []RuleInfo {
	var all []RuleInfo
	for i := range at.ways.all() {
		if info := s.ways[i].r.info(); !slices.Contains(all, info) {
			all = append(all, info)
		}
	}
	return all
}

// Key is the same for states that are the same.
func (from State) Key() string {
	key := make([]byte, 0, 8*(len(from.ways)+len(from.held)))
	for _, w := range from.ways {
		key = binary.LittleEndian.AppendUint64(key, w)
	}
	for _, h := range from.held {
		key = binary.LittleEndian.AppendUint64(key, uint64(h.special)<<32|uint64(h.criminal))
	}
	return string(key)
}

// Decide gives the decision of each policy once every aspect has been said. It is
// the one that Decide of the policy gives for every request in these cases.
func (s *Scope) Decide(at State) []*gateway.Decision {
	all := make([]*gateway.Decision, len(s.policies))
	for i, p := range s.policies {
		if p.fallback {
			all[i] = p.shows.fallback
			continue
		}
		show, never := p.outbound.none(), p.outbound.none()
		for j := range at.ways.all() {
			switch w := &s.ways[j]; {
			case w.policy != i:
			case w.r.never:
				never.set(w.rule, true)
			default:
				show.set(w.rule, true)
			}
		}
		all[i] = p.judge(show, never, at.held[i], nil)
	}
	return all
}
