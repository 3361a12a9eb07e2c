package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Aspect is one thing that rules look at: a condition on the offer or the day,
// or the codes in a field that may need an exception.
type Aspect struct {
	Key    string              // as under `when`; "day", or "codes" of Field
	Field  gateway.Field       // whose codes the aspect is about; empty for the others
	List   string              // code list of the values in Groups, or ""
	Groups []Group             // values that rules treat alike
	Names  []gateway.Recipient // of an allotment: those of whom it is asked
	Cases  []Case

	find    func(Request) Atom
	several bool // an offer can hold values of several groups
	neutral int  // group that makes no difference beside others; -1: none
}

// GroupOf is the group of a value; -1 if it is in none.
func (a *Aspect) GroupOf(value string) int {
	g := slices.IndexFunc(a.Groups, func(g Group) bool { return slices.Contains(g.Values, value) })
	if g < 0 {
		g = slices.IndexFunc(a.Groups, func(g Group) bool { return g.Other })
	}
	return g
}

// Fits tells whether an offer of which the atom is so can have one of some values:
// hold it, or include it in its range. Of an allotment it tells whether all that
// is so of those in whose name the recipient asks is among them.
func (a *Aspect) Fits(atom Atom, values []string) bool {
	if a.Key == termAllotment.key() {
		among := func(g int) bool {
			return slices.ContainsFunc(a.Groups[g].Values, func(v string) bool { return slices.Contains(values, v) })
		}
		return !slices.ContainsFunc(atom.Groups, func(g int) bool { return !among(g) })
	}
	return slices.ContainsFunc(values, func(v string) bool {
		g := a.GroupOf(v)
		return slices.Contains(atom.Groups, g) || a.several && g == a.neutral && len(atom.Groups) > 0
	})
}

// Keys of aspects that are no key under `when`.
const (
	AspectDay   = "day"
	AspectCodes = "codes"
)

// Group is a set of values, or all values that no other group holds.
type Group struct {
	Values []string
	Other  bool
}

// Case is one answer that rules can tell from others. The atoms are all that
// give it.
type Case struct {
	Atoms []Atom

	accepts ruleSet    // of ways
	held    []withheld // by policy
}

// Atom is one thing that can be so. Of values: those of these groups, and of no
// other group that matters; none is an offer that does not say. Of the day: a
// period.
type Atom struct {
	Groups      []int // in Aspect.Groups, ascending
	From, Until gateway.Date
}

func (a Atom) equal(b Atom) bool {
	return a.From == b.From && a.Until == b.Until && slices.Equal(a.Groups, b.Groups)
}

// maxGroups bounds the sets of values of which an offer can hold several at once.
const maxGroups = 10

func (s *Scope) aspects(crowds [][]int) ([]Aspect, error) {
	var all []Aspect
	for _, k := range []term{termGrondslag, termTrajectsoort, termFase, termLocation, termFunctionaliteit} {
		a, err := s.offerAspect(k)
		if err != nil {
			return nil, err
		}
		all = append(all, a...)
	}
	all = append(all, s.dayAspect()...)
	for g, members := range crowds {
		all = append(all, s.allotmentAspect(g, members)...)
	}
	a, err := s.offerAspect(termDoelgroep) // what changes single fields comes last: it makes the fewest cases there
	if err != nil {
		return nil, err
	}
	all = append(all, a...)
	for _, f := range gateway.Fields() {
		if list := codedIn(f); list != "" && termOf(f) == terms {
			a, err := s.valuesAspect(Aspect{Key: AspectCodes, Field: f, List: list}, terms)
			if err != nil {
				return nil, err
			}
			all = append(all, a...)
		}
	}
	return all, nil
}

// termOf is the condition on the codes of a field; terms if there is none.
func termOf(f gateway.Field) term {
	for _, k := range []term{termTrajectsoort, termGrondslag, termDoelgroep, termFunctionaliteit} {
		if codedIn(f) == k.list() {
			return k
		}
	}
	return terms
}

func (s *Scope) offerAspect(k term) ([]Aspect, error) {
	a := Aspect{Key: k.key(), List: k.list()}
	for _, f := range gateway.Fields() {
		if termOf(f) == k {
			a.Field = f
		}
	}
	return s.valuesAspect(a, k)
}

// valuesAspect is about codes: k is the condition on them, terms for none. It
// gives no aspect where nothing looks at them.
func (s *Scope) valuesAspect(a Aspect, k term) ([]Aspect, error) {
	asked := map[string]bool{} // values that may matter
	for i := range s.ways {
		for _, v := range s.ways[i].r.when[k] {
			asked[v] = true
		}
	}
	sensitive := s.sensitive(a.Field)
	for _, list := range sensitive {
		if list != nil {
			for code := range list.classes {
				asked[code] = true
			}
		}
	}
	if len(asked) == 0 && !slices.ContainsFunc(sensitive, func(f *sensitiveField) bool { return f != nil }) && !s.asks(k) {
		return nil, nil
	}
	if k == termFase {
		for _, v := range k.values() {
			a.Groups = append(a.Groups, Group{Values: []string{v}})
		}
	} else {
		a.Groups = append(s.alike(k, slices.Sorted(maps.Keys(asked)), sensitive), Group{Other: true})
	}
	return s.cases(a, k, sensitive)
}

// alike groups values that get the same answers.
func (s *Scope) alike(k term, values []string, sensitive []*sensitiveField) []Group {
	var groups []Group
	bySignature := map[string]int{}
	for _, v := range values {
		signature := s.answer(k, []string{v}, sensitive).signature()
		g, ok := bySignature[signature]
		if !ok {
			g = len(groups)
			bySignature[signature], groups = g, append(groups, Group{})
		}
		groups[g].Values = append(groups[g].Values, v)
	}
	return groups
}

// noCode stands for every code that no rule and no list of a sensitive field
// names. No code is written so.
const noCode = "\x00"

func (g Group) value() string {
	if g.Other {
		return noCode
	}
	return g.Values[0]
}

// cases finds the answers to all that an offer can say.
func (s *Scope) cases(a Aspect, k term, sensitive []*sensitiveField) ([]Aspect, error) {
	a.several = k == termDoelgroep || k == terms && severalCodes(a.Field)
	a.neutral = slices.IndexFunc(a.Groups, func(g Group) bool { return s.neutral(k, g.value(), sensitive) })
	if a.several && len(a.Groups) > maxGroups {
		return nil, gateway.Errorf(gateway.Invalid,
			"the rules for %s tell more than %d sets of codes of %s apart: too many to list every combination", s.Recipient, maxGroups, a.Key)
	}
	for _, atom := range a.atoms(k == termFase) {
		var values []string
		for _, g := range atom.Groups {
			values = append(values, a.Groups[g].value())
		}
		c := s.answer(k, values, sensitive)
		c.Atoms = []Atom{atom}
		a.add(c)
	}
	a.find = func(q Request) Atom { return a.atomOf(offerCodes(k, a.Field, q.Offer)) }
	return []Aspect{a}, nil
}

// atoms is all that an offer can say: nothing, a range of groups, any set of
// them, or one. A group that makes no difference beside others stands alone.
func (a *Aspect) atoms(ranges bool) []Atom {
	atoms := []Atom{{}}
	switch {
	case ranges:
		for from := range a.Groups {
			for to := from; to < len(a.Groups); to++ {
				var all []int
				for g := from; g <= to; g++ {
					all = append(all, g)
				}
				atoms = append(atoms, Atom{Groups: all})
			}
		}
	case a.several:
		for set := 1; set < 1<<len(a.Groups); set++ {
			if a.neutral >= 0 && set&(1<<a.neutral) != 0 && set != 1<<a.neutral {
				continue
			}
			var all []int
			for g := range a.Groups {
				if set&(1<<g) != 0 {
					all = append(all, g)
				}
			}
			atoms = append(atoms, Atom{Groups: all})
		}
	default:
		for g := range a.Groups {
			atoms = append(atoms, Atom{Groups: []int{g}})
		}
	}
	return atoms
}

// offerCodes is what an offer says on a condition or in a field.
func offerCodes(k term, f gateway.Field, o *gateway.Offer) []string {
	if k == termFase || k == termLocation {
		return k.offerValues(o, nil)
	}
	return codes(f, o, nil)
}

// atomOf is the atom of values.
func (a *Aspect) atomOf(values []string) Atom {
	var found Atom
	for _, v := range values {
		if g := a.GroupOf(v); g >= 0 && !slices.Contains(found.Groups, g) {
			found.Groups = append(found.Groups, g)
		}
	}
	slices.Sort(found.Groups)
	if i := slices.Index(found.Groups, a.neutral); a.several && i >= 0 && len(found.Groups) > 1 {
		found.Groups = slices.Delete(found.Groups, i, i+1)
	}
	return found
}

// severalCodes tells whether an offer can hold more than one code in a field.
func severalCodes(f gateway.Field) bool {
	switch f {
	case gateway.FieldWerksoorten, gateway.FieldDoelgroepen, gateway.FieldAccessibility:
		return true
	}
	return false
}

// sensitive finds, by policy, what it knows of a field in which codes may need an
// exception, if a rule may show it to this recipient.
func (s *Scope) sensitive(f gateway.Field) []*sensitiveField {
	found := make([]*sensitiveField, len(s.policies))
	for i, p := range s.policies {
		for j := range p.sensitive {
			shows := func(w way) bool { return w.policy == i && w.r.show.fields().has(p.sensitive[j].place) }
			if p.sensitive[j].field == f && slices.ContainsFunc(s.ways, shows) {
				found[i] = &p.sensitive[j]
			}
		}
	}
	return found
}

// asks tells whether any way sets a condition.
func (s *Scope) asks(k term) bool {
	return slices.ContainsFunc(s.ways, func(w way) bool { return w.r.when[k] != nil })
}

// neutral tells whether a value changes nothing: no rule asks for it and it
// needs no exception.
func (s *Scope) neutral(k term, value string, sensitive []*sensitiveField) bool {
	for i := range s.ways {
		if slices.Contains(s.ways[i].r.when[k], value) {
			return false
		}
	}
	return !slices.ContainsFunc(sensitive, func(f *sensitiveField) bool { return f != nil && f.needs(value) != withheld{} })
}

// needs are the fields that are withheld when an offer holds a code in this one.
func (f *sensitiveField) needs(code string) withheld {
	switch bit := fieldSet(1) << f.place; f.classes[code] {
	case gateway.Gewoon, gateway.Persoon:
		return withheld{}
	case gateway.Bijzonder:
		return withheld{special: bit}
	case gateway.Strafrechtelijk:
		return withheld{criminal: bit}
	default:
		return withheld{special: bit, criminal: bit}
	}
}

// answer is what all ways say to values of a condition; none is silence.
func (s *Scope) answer(k term, values []string, sensitive []*sensitiveField) Case {
	c := Case{accepts: make(ruleSet, len(s.start.ways)), held: make([]withheld, len(s.policies))}
	for i := range s.ways {
		w := &s.ways[i]
		asked, asks := w.r.when[k]
		c.accepts.set(i, !asks || len(values) == 0 && w.r.never || slices.ContainsFunc(values, func(v string) bool {
			return slices.Contains(asked, v) && (k != termFunctionaliteit || w.performs(s, v, w.names...))
		}))
	}
	for i, f := range sensitive {
		for _, v := range values {
			if f != nil {
				n := f.needs(v)
				c.held[i].special |= n.special
				c.held[i].criminal |= n.criminal
			}
		}
	}
	return c
}

func (c Case) signature() string { return State{c.accepts, c.held}.Key() }

// add puts an atom in the case that answers as it does.
func (a *Aspect) add(c Case) {
	for i := range a.Cases {
		if a.Cases[i].signature() == c.signature() {
			a.Cases[i].Atoms = append(a.Cases[i].Atoms, c.Atoms...)
			return
		}
	}
	a.Cases = append(a.Cases, c)
}

// dayAspect is about the periods in which the same rules hold.
func (s *Scope) dayAspect() []Aspect {
	starts := []gateway.Date{s.Day}
	for i := range s.ways {
		if r := s.ways[i].r; r.from > s.Day {
			starts = append(starts, r.from)
		}
		if next := s.ways[i].r.until.Next(); next > s.Day {
			starts = append(starts, next)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	a := Aspect{Key: AspectDay}
	for i, from := range starts {
		atom := Atom{From: from}
		if i+1 < len(starts) {
			atom.Until = dayBefore(starts[i+1])
		}
		c := Case{Atoms: []Atom{atom}, accepts: make(ruleSet, len(s.start.ways))}
		for i := range s.ways {
			c.accepts.set(i, from.Within(s.ways[i].r.from, s.ways[i].r.until))
		}
		a.add(c)
	}
	a.find = func(q Request) Atom {
		for _, c := range a.Cases {
			for _, atom := range c.Atoms {
				if q.Day.Within(atom.From, atom.Until) {
					return atom
				}
			}
		}
		return Atom{}
	}
	return []Aspect{a}
}

func dayBefore(d gateway.Date) gateway.Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return ""
	}
	return gateway.Date(t.AddDate(0, 0, -1).Format(time.DateOnly))
}

// States of a name where an allotment is asked: the groups of that aspect.
const (
	stateNone   = iota
	stateShared // it has allotments, none for itself alone
	stateSole
)

func allotmentGroups() []Group {
	return []Group{{Values: []string{allotmentNone}}, {Values: []string{allotmentOwn}}, {Values: []string{allotmentOwn, allotmentSole}}}
}

// allotmentAspect is about what the offer has allotted to a crowd: which of the
// three states occur among its members.
func (s *Scope) allotmentAspect(crowd int, members []int) []Aspect {
	if !slices.ContainsFunc(s.ways, func(w way) bool { return w.crowd == crowd }) {
		return nil
	}
	a := Aspect{Key: termAllotment.key(), Groups: allotmentGroups()}
	for _, n := range members {
		a.Names = append(a.Names, s.names[n])
	}
	for set := 1; set < 1<<len(a.Groups); set++ {
		var atom Atom
		for g := range a.Groups {
			if set&(1<<g) != 0 {
				atom.Groups = append(atom.Groups, g)
			}
		}
		if len(atom.Groups) > len(members) || s.Recipient.Public && set != 1<<stateNone {
			continue
		}
		c := Case{Atoms: []Atom{atom}, accepts: make(ruleSet, len(s.start.ways))}
		for i := range s.ways {
			asked := s.ways[i].r.when[termAllotment]
			c.accepts.set(i, s.ways[i].crowd != crowd || slices.ContainsFunc(atom.Groups, func(g int) bool {
				return slices.ContainsFunc(a.Groups[g].Values, func(v string) bool { return slices.Contains(asked, v) })
			}))
		}
		a.add(c)
	}
	a.find = func(q Request) Atom {
		var found Atom
		for i := range a.Names {
			state := stateNone
			if values := allotmentValues(&q, &a.Names[i], nil); slices.Contains(values, allotmentSole) {
				state = stateSole
			} else if slices.Contains(values, allotmentOwn) {
				state = stateShared
			}
			found.Groups = append(found.Groups, state)
		}
		slices.Sort(found.Groups)
		found.Groups = slices.Compact(found.Groups)
		return found
	}
	return []Aspect{a}
}

// Find gives the case of an aspect in which a request of this recipient falls;
// -1 for a day before the scope's.
func (s *Scope) Find(aspect int, q Request) int {
	atom := s.Aspects[aspect].find(q)
	return slices.IndexFunc(s.Aspects[aspect].Cases, func(c Case) bool { return slices.ContainsFunc(c.Atoms, atom.equal) })
}
