package policy

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// Two guards keep the classes bijzonder and strafrechtelijk in. A show rule that
// names such a field, or such a code in a condition, does not load without its
// exception. And a field that holds codes is as sensitive as the codes of the
// offer at hand: a rule discloses it only if it has the exception for the class
// of each of them. The field is then shown as a whole or not at all: with some
// codes left out it would say something untrue.

// sensitiveField is a field in which an offer may hold codes of those classes.
type sensitiveField struct {
	place   int // in gateway.Fields
	field   gateway.Field
	classes map[string]gateway.DataClass // by code
}

// withheld are an offer's fields that need an exception to be shown.
type withheld struct{ special, criminal fieldSet }

// sensitiveFields leaves out the fields whose lists hold plain codes only. A
// list that is not there holds nobody knows what.
func sensitiveFields(lists gateway.CodeLists) []sensitiveField {
	var fields []sensitiveField
	for i, f := range gateway.Fields() {
		list := codedIn(f)
		if list == "" {
			continue
		}
		s := sensitiveField{place: i, field: f, classes: map[string]gateway.DataClass{}}
		for _, c := range lists[list].Codes {
			s.classes[c.Code] = c.Class
		}
		if len(s.classes) == 0 || slices.ContainsFunc(lists[list].Codes, func(c gateway.Code) bool { return needsException(c.Class) }) {
			fields = append(fields, s)
		}
	}
	return fields
}

func needsException(c gateway.DataClass) bool { return c != gateway.Gewoon && c != gateway.Persoon }

// withheld looks at the codes of the offer in those of the fields that may hold
// sensitive ones. A code that its list does not know counts as both classes.
func (p *Policy) withheld(o *gateway.Offer, fields fieldSet) withheld {
	var w withheld
	var buf [8]string
	for i := range p.sensitive {
		s := &p.sensitive[i]
		if !fields.has(s.place) {
			continue
		}
		for _, code := range codes(s.field, o, buf[:0]) {
			switch s.classes[code] {
			case gateway.Gewoon, gateway.Persoon:
			case gateway.Bijzonder:
				w.special |= 1 << s.place
			case gateway.Strafrechtelijk:
				w.criminal |= 1 << s.place
			default:
				w.special |= 1 << s.place
				w.criminal |= 1 << s.place
			}
		}
	}
	return w
}

// discloses are the forms that the rule gives of an offer with such codes.
func (r *rule) discloses(w withheld) forms {
	var hidden fieldSet
	if !r.special {
		hidden |= w.special
	}
	if !r.criminal {
		hidden |= w.criminal
	}
	return r.show.without(hidden)
}
