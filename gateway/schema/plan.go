package schema

import (
	"math"
	"reflect"

	"github.com/doorstroom/doorstroom/gateway"
)

// plan is a node as glance reads it: all that is known beforehand is worked out,
// and sets of names are bits.
type plan struct {
	node  *node
	takes what

	members map[string]*member // of an object, by name
	named   [64][]*member      // the same, by place of the name; see member
	needs   uint64             // members that must be there
	when    uint64             // if all these are there,
	only    uint64             // no others may be;
	orElse  uint64             // if not, these must be
	apart   [][2]uint64        // if one is there, the others may not be
	order   [][2]*member       // the first is not greater than the second
	key     *member            // by which the array around the object is unique

	items *plan // of an array

	enum  map[string]bool         // of a string
	codes map[string]gateway.Code // its code list
	match *automaton              // its pattern

	least, greatest float64 // of a number
}

type member struct {
	name  string
	plan  *plan
	place int
	bit   uint64 // 1 << place
	held  int    // its place among the values that are compared, or -1
}

// what kind of value a plan takes.
type what int

const (
	nothing what = iota
	anything
	anyObject
	object
	array
	text
	whole
	number
	truth
)

// maxHeld bounds the members of one object that are compared with others.
const maxHeld = 8

// planner makes plans; patterns and code lists are shared between them.
type planner struct {
	codes   map[string]map[string]gateway.Code
	matches map[string]*automaton
}

// plan is nil for a node with a keyword, or a use of one, that glance does not
// know. A document with such a node is judged without glance, which costs time
// and nothing else.
func (p *planner) plan(n *node) *plan {
	made := &plan{node: n, least: math.Inf(-1), greatest: math.Inf(1)}
	ok := false
	switch {
	case n.Not != nil:
		made.takes, ok = nothing, n.Not.empty()
	case n.Type == "object":
		ok = p.object(made)
	case n.Type == "array":
		if made.takes = array; n.Items != nil {
			made.items = p.plan(n.Items)
		}
		ok = made.items != nil && n.Const == nil && n.Enum == nil && (n.UniqueBy == "" || p.unique(made))
	case n.Type == "string":
		ok = p.text(made)
	case n.Type == "integer", n.Type == "number":
		if made.takes = number; n.Type == "integer" {
			made.takes = whole
		}
		if n.Minimum != nil {
			made.least = *n.Minimum
		}
		if n.Maximum != nil {
			made.greatest = *n.Maximum
		}
		ok = n.Const == nil && n.Enum == nil
	case n.Type == "boolean":
		made.takes, ok = truth, n.Enum == nil
	}
	if _, text := n.Const.(string); !ok || text && n.Type != "string" || n.Type != "object" && n.conditional() {
		return nil
	}
	return made
}

// empty tells whether the schema is {}.
func (n *node) empty() bool { return reflect.DeepEqual(*n, node{}) }

func (n *node) conditional() bool {
	return n.If != nil || n.Then != nil || n.Else != nil || n.DependentSchemas != nil || n.PropertyNames != nil || n.patterns != nil
}

func (p *planner) text(made *plan) bool {
	n := made.node
	made.takes = text
	if n.Enum != nil {
		made.enum = map[string]bool{}
		for _, value := range n.Enum {
			made.enum[value] = true
		}
	} else if n.List != "" {
		made.codes = p.codes[n.List]
	}
	if n.Pattern != nil {
		pattern := n.Pattern.String()
		if _, known := p.matches[pattern]; !known {
			p.matches[pattern] = newAutomaton(pattern)
		}
		made.match = p.matches[pattern]
	}
	_, constant := n.Const.(string)
	return (constant || n.Const == nil) && (n.List == "" || n.Enum != nil || made.codes != nil)
}

func (p *planner) object(made *plan) bool {
	n := made.node
	made.takes = object
	if free := (node{Type: "object", Class: n.Class, Title: n.Title, Description: n.Description}); reflect.DeepEqual(*n, free) {
		made.takes = anyObject
		return true
	}
	if n.AdditionalProperties == nil || *n.AdditionalProperties || n.patterns != nil || n.PropertyNames != nil ||
		len(n.Properties) > 64 || n.Const != nil || n.Enum != nil {
		return false
	}
	made.members = map[string]*member{}
	for name, child := range n.Properties {
		m := &member{name: name, plan: p.plan(child), place: len(made.members), bit: 1 << len(made.members), held: -1}
		if m.plan == nil {
			return false
		}
		made.members[name] = m
		at := placeOf(name)
		made.named[at] = append(made.named[at], m)
	}
	var ok [4]bool
	made.needs, ok[0] = made.set(n.Required)
	ok[1] = made.condition()
	ok[2] = made.dependents()
	ok[3] = made.compared()
	return ok == [4]bool{true, true, true, true}
}

// placeOf is where a name is looked for: names of one object seldom have both
// length and first byte in common.
func placeOf[T string | []byte](name T) int {
	if len(name) == 0 {
		return 0
	}
	return (5*len(name) + int(name[0])) % 64
}

// member finds the member of an object by its name, or nil: faster than a map does.
func (p *plan) member(name []byte) *member {
	for _, m := range p.named[placeOf(name)] {
		if m.name == string(name) {
			return m
		}
	}
	return nil
}

// set gives names as bits; it is false if the object has no such member.
func (p *plan) set(names []string) (bits uint64, ok bool) {
	for _, name := range names {
		m := p.members[name]
		if m == nil {
			return 0, false
		}
		bits |= m.bit
	}
	return bits, true
}

// condition reads: if these are there, there are only those, else there are
// these.
func (p *plan) condition() bool {
	n := p.node
	p.only = ^uint64(0)
	if n.If == nil {
		return n.Then == nil && n.Else == nil
	}
	ok := true
	see := func(part *node, like node, names []string, bits *uint64) {
		set, known := p.set(names)
		ok = ok && known && reflect.DeepEqual(*part, like)
		*bits = set
	}
	see(n.If, node{Required: n.If.Required}, n.If.Required, &p.when)
	if n.Then != nil {
		if n.Then.PropertyNames == nil {
			return false
		}
		names := n.Then.PropertyNames.Enum
		see(n.Then, node{PropertyNames: &node{Enum: names}}, names, &p.only)
	}
	if n.Else != nil {
		see(n.Else, node{Required: n.Else.Required}, n.Else.Required, &p.orElse)
	}
	return ok
}

// dependents reads: if this is there, those are not.
func (p *plan) dependents() bool {
	for name, then := range p.node.DependentSchemas {
		var others []string
		for other, never := range then.Properties {
			if !reflect.DeepEqual(*never, node{Not: &node{}}) {
				return false
			}
			others = append(others, other)
		}
		one, known := p.set([]string{name})
		rest, knownToo := p.set(others)
		if !known || !knownToo || !reflect.DeepEqual(*then, node{Properties: then.Properties}) {
			return false
		}
		p.apart = append(p.apart, [2]uint64{one, rest})
	}
	return true
}

// compared finds the members of which one may not be greater than the other.
func (p *plan) compared() bool {
	count := 0
	for _, pair := range p.node.Order {
		var two [2]*member
		for i, name := range pair {
			m := p.members[name]
			if m == nil || m.plan.takes != whole && m.plan.takes != text {
				return false
			}
			if m.held < 0 {
				m.held = count
				count++
			}
			two[i] = m
		}
		if two[0].plan.takes != two[1].plan.takes || count > maxHeld {
			return false
		}
		p.order = append(p.order, two)
	}
	return true
}

// unique finds the member by which the objects of an array are told apart.
func (p *planner) unique(made *plan) bool {
	m := made.items.members[made.node.UniqueBy]
	if made.items.takes != object || m == nil || m.plan.takes != text {
		return false
	}
	made.items.key = m
	return true
}
