package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Case is a set of choices in a scope and what is decided in all of them.
type Case struct {
	Key        string                // what decisions that count as the same have in common
	Otherwise  bool                  // everything that no other case of the list says; see Brief
	Conditions []Condition           // all must hold; of an aspect without one everything will do
	Decisions  [][]*gateway.Decision // the different ones that count as the same, each by policy of the scope
}

// Brief says the same as cases in fewer: those of one key, if there are several,
// become the last one, which holds in all other cases. last is their key; if it has
// not several, it is the key that has most.
func Brief(cases []Case, last string) []Case {
	count := map[string]int{}
	for _, c := range cases {
		count[c.Key]++
	}
	for _, c := range cases {
		if count[last] < 2 && count[c.Key] > count[last] {
			last = c.Key
		}
	}
	if count[last] < 2 {
		return cases
	}
	var brief []Case
	rest := Case{Key: last, Otherwise: true}
	for _, c := range cases {
		if c.Key == last {
			rest.Decisions = c.Decisions
		} else {
			brief = append(brief, c)
		}
	}
	return append(brief, rest)
}

// Holds tells whether a request of the scope's recipient meets the conditions of a
// case that has not Otherwise.
func (c Case) Holds(s *policy.Scope, q policy.Request) bool {
	return !slices.ContainsFunc(c.Conditions, func(one Condition) bool {
		return !slices.Contains(one.Cases, s.Find(one.Aspect, q))
	})
}

// Condition holds if one of the cases of an aspect does.
type Condition struct {
	Aspect int
	Cases  []int
}

// Bounds of what is listed for one recipient. More is a policy that nobody reads.
const (
	maxStates = 200_000
	maxCases  = 5_000
)

// Cases lists what a scope can tell apart: every request falls in exactly one. key
// says which decisions count as the same: cases in which they are, are taken
// together where that can be said in one line of conditions.
func Cases(s *policy.Scope, key func([]*gateway.Decision) string) ([]Case, error) {
	d := &diagram{scope: s, key: key, known: map[string]int{}, same: map[string]int{}}
	root, err := d.build(0, s.Start())
	if err != nil {
		return nil, err
	}
	cases, ok := d.paths(nil, root, nil)
	if !ok {
		return nil, d.tooMany(maxCases)
	}
	return cases, nil
}

// diagram is a decision diagram: below a node everything that decides the same is
// the same node.
type diagram struct {
	scope *policy.Scope
	key   func([]*gateway.Decision) string
	nodes []node
	known map[string]int // by aspect and state
	same  map[string]int // by content
}

// node is a leaf with decisions, or branches by the cases of an aspect.
type node struct {
	aspect    int
	branches  []branch
	key       string
	decisions [][]*gateway.Decision
}

type branch struct {
	cases []int
	to    int
}

func (d *diagram) tooMany(bound int) error {
	return gateway.Errorf(gateway.Invalid,
		"the rules for %s tell more than %d combinations of conditions apart: too many to list; use fewer different conditions in rules for one recipient",
		d.scope.Recipient, bound)
}

func (d *diagram) build(aspect int, at policy.State) (int, error) {
	known := strconv.Itoa(aspect) + " " + at.Key()
	if n, ok := d.known[known]; ok {
		return n, nil
	}
	if len(d.known) >= maxStates {
		return 0, d.tooMany(maxStates)
	}
	if aspect == len(d.scope.Aspects) {
		n := d.leaf(d.scope.Decide(at))
		d.known[known] = n
		return n, nil
	}
	var branches []branch
	place := map[int]int{}
	for c := range d.scope.Aspects[aspect].Cases {
		to, err := d.build(aspect+1, d.scope.Next(at, aspect, c))
		if err != nil {
			return 0, err
		}
		i, ok := place[to]
		if !ok {
			i = len(branches)
			place[to], branches = i, append(branches, branch{to: to})
		}
		branches[i].cases = append(branches[i].cases, c)
	}
	n := branches[0].to
	if len(branches) > 1 {
		n = d.intern(fmt.Sprint(aspect, branches), node{aspect: aspect, branches: branches})
	}
	d.known[known] = n
	return n, nil
}

func (d *diagram) leaf(decisions []*gateway.Decision) int {
	key := d.key(decisions)
	n := d.intern("leaf "+key, node{aspect: -1, key: key})
	for _, known := range d.nodes[n].decisions {
		if equal(known, decisions) {
			return n
		}
	}
	d.nodes[n].decisions = append(d.nodes[n].decisions, decisions)
	return n
}

func equal(a, b []*gateway.Decision) bool {
	for i := range a {
		if a[i] != b[i] && fmt.Sprint(*a[i]) != fmt.Sprint(*b[i]) {
			return false
		}
	}
	return true
}

func (d *diagram) intern(content string, made node) int {
	n, ok := d.same[content]
	if !ok {
		n = len(d.nodes)
		d.same[content], d.nodes = n, append(d.nodes, made)
	}
	return n
}

// paths appends the cases below a node; false if they are too many.
func (d *diagram) paths(cases []Case, from int, conditions []Condition) ([]Case, bool) {
	n := &d.nodes[from]
	if n.aspect < 0 {
		return append(cases, Case{Key: n.key, Conditions: slices.Clone(conditions), Decisions: n.decisions}), len(cases) < maxCases
	}
	for _, b := range n.branches {
		var ok bool
		next := append(conditions[:len(conditions):len(conditions)], Condition{Aspect: n.aspect, Cases: b.cases})
		if cases, ok = d.paths(cases, b.to, next); !ok {
			return nil, false
		}
	}
	return cases, true
}

// ByDisclosure is a key for Cases that tells decisions apart by what the recipient
// gets: fields, forms and grounds, not by which rules.
func ByDisclosure(all []*gateway.Decision) string {
	var b strings.Builder
	for _, d := range all {
		for _, f := range gateway.Fields() {
			b.WriteString(string(d.Show[f]) + ",")
		}
		fmt.Fprint(&b, d.Allowed, d.Purpose, d.Basis, d.Retention, ";")
	}
	return b.String()
}
