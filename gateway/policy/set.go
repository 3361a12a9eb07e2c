package policy

import (
	"iter"
	"math/bits"

	"github.com/doorstroom/doorstroom/gateway"
)

// ruleSet is a set of rules by their number in the policy.
type ruleSet []uint64

func (s ruleSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// set puts rule i in or leaves it out.
func (s ruleSet) set(i int, in bool) {
	s[i/64] &^= 1 << (i % 64)
	if in {
		s[i/64] |= 1 << (i % 64)
	}
}

func (s ruleSet) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// or adds the rules of o; nil is the empty set.
func (s ruleSet) or(o ruleSet) {
	for i := range o {
		s[i] |= o[i]
	}
}

// and keeps the rules that are also in o.
func (s ruleSet) and(o ruleSet) {
	for i := range s {
		s[i] &= o[i]
	}
}

// all gives the numbers, lowest first.
func (s ruleSet) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(i*64 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// fieldSet is a set of fields by their place in gateway.Fields.
type fieldSet uint32

const allFields = ^fieldSet(0)

func (s fieldSet) has(field int) bool { return s&(1<<field) != 0 }

// names are the fields, in the order in which people read them.
func (s fieldSet) names() []gateway.Field {
	var names []gateway.Field
	for i, f := range gateway.Fields() {
		if s.has(i) {
			names = append(names, f)
		}
	}
	return names
}

// forms is a disclosure in closed form: the fields shown in each form. Union is
// or; the widest form counts.
type forms struct{ plek, band, exact fieldSet }

func (f *forms) add(field int, form gateway.Form) {
	switch form {
	case gateway.Public:
		f.plek |= 1 << field
	case gateway.Banded:
		f.band |= 1 << field
	case gateway.Exact:
		f.exact |= 1 << field
	}
}

func (f *forms) or(g forms) {
	f.plek |= g.plek
	f.band |= g.band
	f.exact |= g.exact
}

func (f forms) without(hidden fieldSet) forms {
	return forms{f.plek &^ hidden, f.band &^ hidden, f.exact &^ hidden}
}

func (f forms) fields() fieldSet { return f.plek | f.band | f.exact }

// form is the widest form of a field.
func (f forms) form(field int) gateway.Form {
	switch bit := fieldSet(1) << field; {
	case f.exact&bit != 0:
		return gateway.Exact
	case f.band&bit != 0:
		return gateway.Banded
	case f.plek&bit != 0:
		return gateway.Public
	}
	return gateway.None
}

func (f forms) disclosure(names []gateway.Field) gateway.Disclosure {
	show := make(gateway.Disclosure, bits.OnesCount32(uint32(f.fields())))
	for i, name := range names {
		if form := f.form(i); form != gateway.None {
			show[name] = form
		}
	}
	return show
}
