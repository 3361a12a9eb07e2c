package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Text says a condition in plain Dutch. Labels are those of p.
func Text(p *policy.Policy, s *policy.Scope, c Condition) string {
	a := &s.Aspects[c.Aspect]
	var atoms, all []policy.Atom
	for i, one := range a.Cases {
		all = append(all, one.Atoms...)
		if slices.Contains(c.Cases, i) {
			atoms = append(atoms, one.Atoms...)
		}
	}
	switch a.Key {
	case policy.AspectDay:
		return "dag: " + periodText(atoms, s.Day)
	case "allotment":
		return allotmentText(p, a, s.Recipient, atoms)
	}
	silent := func(x policy.Atom) bool { return len(x.Groups) == 0 }
	w := words{p: p, aspect: a, said: slices.DeleteFunc(slices.Clone(atoms), silent), all: slices.DeleteFunc(all, silent)}
	return label(a) + ": " + w.text(slices.ContainsFunc(atoms, silent))
}

func label(a *policy.Aspect) string {
	switch a.Key {
	case policy.AspectCodes:
		return "codes in " + policy.FieldLabel(a.Field)
	case "location-gemeente":
		return "gemeente van de locatie"
	}
	return a.Key
}

func periodText(atoms []policy.Atom, first gateway.Date) string {
	sorted := slices.Clone(atoms)
	slices.SortFunc(sorted, func(a, b policy.Atom) int { return strings.Compare(string(a.From), string(b.From)) })
	var texts []string
	for _, a := range sorted {
		switch {
		case a.Until == "":
			texts = append(texts, "vanaf "+string(a.From))
		case a.From == first:
			texts = append(texts, "tot en met "+string(a.Until))
		default:
			texts = append(texts, fmt.Sprintf("van %s tot en met %s", a.From, a.Until))
		}
	}
	return policy.Or(texts)
}

// allotmentText says which of the names have an allotment in the offer. The groups
// of the aspect are: none, shared, alone.
func allotmentText(p *policy.Policy, a *policy.Aspect, to gateway.Recipient, atoms []policy.Atom) string {
	const none, shared, sole = 0, 1, 2
	has := func(groups ...int) bool {
		return slices.ContainsFunc(atoms, func(x policy.Atom) bool { return slices.Equal(x.Groups, groups) })
	}
	if len(a.Names) == 1 {
		label := "eigen toedeling"
		if a.Names[0].Party != to.Party {
			label = "toedeling voor " + PartyName(p, a.Names[0])
		}
		return label + ": " + map[[3]bool]string{
			{true, false, false}: "geen", {false, true, true}: "ja",
			{false, false, true}: "ja, een voor deze partij alleen",
			{false, true, false}: "ja, maar geen voor deze partij alleen",
			{true, true, false}:  "geen voor deze partij alleen",
			{true, false, true}:  "geen, of een voor deze partij alleen",
		}[[3]bool{has(none), has(shared), has(sole)}]
	}
	var names []string
	for _, n := range a.Names {
		names = append(names, PartyName(p, n))
	}
	return "toedeling voor " + policy.Or(names) + ": " + crowdText(a, atoms)
}

// crowdText says which states occur among several names.
func crowdText(a *policy.Aspect, atoms []policy.Atom) string {
	const none, sole = 0, 2
	is := func(of func(policy.Atom) bool) bool {
		for _, c := range a.Cases {
			for _, x := range c.Atoms {
				if of(x) != slices.ContainsFunc(atoms, func(y policy.Atom) bool { return slices.Equal(x.Groups, y.Groups) }) {
					return false
				}
			}
		}
		return true
	}
	with := func(g int) func(policy.Atom) bool {
		return func(x policy.Atom) bool { return slices.Contains(x.Groups, g) }
	}
	no := func(of func(policy.Atom) bool) func(policy.Atom) bool {
		return func(x policy.Atom) bool { return !of(x) }
	}
	onlyNone := func(x policy.Atom) bool { return slices.Equal(x.Groups, []int{none}) }
	switch {
	case is(onlyNone):
		return "geen van hen"
	case is(no(onlyNone)):
		return "ten minste een van hen"
	case is(no(with(none))):
		return "elk van hen"
	case is(with(none)):
		return "niet elk van hen"
	case is(with(sole)):
		return "ten minste een van hen voor zich alleen"
	case is(no(with(sole))):
		return "geen van hen voor zich alleen"
	}
	states := []string{"sommige geen", "sommige samen met anderen", "sommige voor zich alleen"}
	var texts []string
	for _, x := range atoms {
		var each []string
		for _, g := range x.Groups {
			each = append(each, states[g])
		}
		texts = append(texts, policy.And(each))
	}
	return strings.Join(texts, "; of ")
}

// words says which values an offer has: said of all that it can have. Silence
// is said apart.
type words struct {
	p         *policy.Policy
	aspect    *policy.Aspect
	said, all []policy.Atom
}

func (w *words) text(silent bool) string {
	const notGiven = "niet ingevuld"
	switch {
	case len(w.said) == 0:
		return notGiven
	case len(w.said) == len(w.all):
		return "ingevuld" // silence is not meant, or there would be no condition
	}
	text, positive := w.values()
	switch {
	case silent:
		return text + ", of " + notGiven
	case !positive:
		return text + ", wel ingevuld"
	}
	return text
}

// values finds the shortest way to say which values; positive tells whether it
// excludes silence.
func (w *words) values() (text string, positive bool) {
	if !w.several() {
		return w.oneValue()
	}
	if with, without, ok := w.product(w.said); ok {
		switch {
		case len(with) == 0:
			return "zonder " + policy.Or(without), false
		case len(without) == 0:
			return policy.And(with), true
		}
		return policy.And(with) + ", zonder " + policy.Or(without), true
	}
	rest := slices.DeleteFunc(slices.Clone(w.all), func(x policy.Atom) bool { return has(w.said, x) })
	if with, without, ok := w.product(rest); ok && len(with) == 0 {
		return policy.Or(without), true
	} else if ok && len(without) == 0 {
		return "niet tegelijk " + policy.And(with), false
	}
	var each []string
	for _, x := range w.said {
		each = append(each, policy.And(w.names(x.Groups)))
	}
	return strings.Join(each, "; of "), true
}

// oneValue is for an aspect of which an offer has one value.
func (w *words) oneValue() (text string, positive bool) {
	var in, out []int
	other := false
	for g := range w.aspect.Groups {
		if !has(w.said, policy.Atom{Groups: []int{g}}) {
			out = append(out, g)
			continue
		}
		in = append(in, g)
		other = other || w.aspect.Groups[g].Other
	}
	if other {
		return "niet " + policy.Or(w.names(out)), false
	}
	return policy.Or(w.names(in)), true
}

// product tells whether atoms are exactly those with some groups and without
// others.
func (w *words) product(atoms []policy.Atom) (with, without []string, ok bool) {
	var have, lack []int
	for g := range w.aspect.Groups {
		if w.alone(g) {
			continue // says no more than that the others are absent
		}
		n := 0
		for _, x := range atoms {
			if slices.Contains(x.Groups, g) {
				n++
			}
		}
		switch {
		case n == len(atoms):
			have = append(have, g)
		case n == 0:
			lack = append(lack, g)
		}
	}
	n := 0
	for _, x := range w.all {
		fits := !slices.ContainsFunc(have, func(g int) bool { return !slices.Contains(x.Groups, g) }) &&
			!slices.ContainsFunc(lack, func(g int) bool { return slices.Contains(x.Groups, g) })
		if fits {
			n++
		}
	}
	return w.names(have), w.names(lack), n == len(atoms)
}

// several tells whether an offer can have values of several groups at once.
func (w *words) several() bool {
	return slices.ContainsFunc(w.all, func(x policy.Atom) bool { return len(x.Groups) > 1 })
}

// alone tells whether a group never occurs beside another.
func (w *words) alone(g int) bool {
	return !slices.ContainsFunc(w.all, func(x policy.Atom) bool { return len(x.Groups) > 1 && slices.Contains(x.Groups, g) })
}

func has(atoms []policy.Atom, x policy.Atom) bool {
	return slices.ContainsFunc(atoms, func(y policy.Atom) bool { return slices.Equal(x.Groups, y.Groups) })
}

func (w *words) names(groups []int) []string {
	var names []string
	for _, g := range groups {
		names = append(names, w.group(w.aspect.Groups[g]))
	}
	return names
}

// maxNamed is how many codes of a group are named one by one.
const maxNamed = 6

func (w *words) group(g policy.Group) string {
	if g.Other && w.complete() {
		return "een code die niet in de lijst staat"
	}
	if g.Other {
		return "een andere waarde"
	}
	if class, all := w.class(g); class != "" && len(g.Values) > 1 {
		if all {
			return "een code van klasse " + string(class)
		}
		return "een andere code van klasse " + string(class)
	}
	var labels []string
	for i, v := range g.Values {
		if i == maxNamed && len(g.Values) > maxNamed+1 {
			labels = append(labels, fmt.Sprintf("een van %d andere codes", len(g.Values)-maxNamed))
			break
		}
		labels = append(labels, w.p.Label(w.aspect.List, v))
	}
	return policy.Or(labels)
}

// complete tells whether the other groups hold every code of the list.
func (w *words) complete() bool {
	return w.aspect.List != "" && !slices.ContainsFunc(w.p.Env().Lists[w.aspect.List].Codes, func(c gateway.Code) bool {
		return !slices.ContainsFunc(w.aspect.Groups, func(g policy.Group) bool { return slices.Contains(g.Values, c.Code) })
	})
}

// class is the class that the codes of a group share where codes of several
// classes occur, and tells whether they are all of it.
func (w *words) class(g policy.Group) (gateway.DataClass, bool) {
	list := w.p.Env().Lists[w.aspect.List]
	classes := map[gateway.DataClass]int{}
	for _, c := range list.Codes {
		classes[c.Class]++
	}
	first, ok := w.p.Env().Lists.Find(w.aspect.List, g.Values[0])
	if !ok || len(classes) == 1 {
		return "", false
	}
	for _, v := range g.Values {
		if c, ok := w.p.Env().Lists.Find(w.aspect.List, v); !ok || c.Class != first.Class {
			return "", false
		}
	}
	return first.Class, classes[first.Class] == len(g.Values)
}
