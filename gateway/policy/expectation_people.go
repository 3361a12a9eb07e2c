package policy

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// expectedKind binds the kind of message about persons that an expectation is
// about; empty if it is about offers.
func (b *binder) expectedKind(r *row) string {
	if _, written := r.keys["bericht"]; !written {
		if at, written := r.keys["hoort"]; written {
			b.fail(at, say("hoort is about messages on persons: name one under bericht", "hoort gaat over berichten over personen: noem er een bij bericht"))
		}
		return ""
	}
	kinds := slices.DeleteFunc(gateway.Kinds(), func(k string) bool { return !gateway.Confidential(k) })
	if !b.oneOf(r.kind, message{"kind of message about persons", "soort bericht over personen"}, kinds) {
		return kinds[0] // there is a problem already: go on to find others
	}
	return r.kind.value
}

// givenTerm tells whether an expectation can set a term: messages about persons
// differ in other things than offers.
func (b *binder) givenTerm(kind string, t term, v text) bool {
	switch {
	case kind == "" && t == termReferral:
		b.fail(v.place, say("an offer has no referral-state: name a bericht", "een aanbod heeft geen referral-state: noem een bericht"))
	case kind != "" && t != termReferral && t != termGrondslag && t != termTrajectsoort:
		b.fail(v.place, say("messages about persons have no %s", "een bericht over een persoon heeft geen %s", t.key()))
	default:
		return true
	}
	return false
}

// hearing binds what the recipient is expected to be told of a person, and not to.
func (b *binder) hearing(r *row, e *Expectation) {
	for _, key := range []string{"ziet", "hooguit"} {
		if at, written := r.keys[key]; written {
			b.fail(at, say("%s is about offers: of a message about a person say hoort, nooit or niets",
				"%s gaat over aanbod: noem bij een bericht over een persoon hoort, nooit of niets", key))
		}
	}
	e.Told = b.personalFields(r.told, e)
	if len(r.never) == 1 && r.never[0].value == allWord {
		e.Never = gateway.PersonalFields(e.Kind)
	} else {
		e.Never = b.personalFields(r.never, e)
	}
	if at, written := r.keys["niets"]; written {
		b.literally(r.nothing, at, "niets", "true")
		e.Silent = true
	}
	if at, written := r.keys["verder"]; written {
		b.literally(r.rest, at, "verder", "niets")
		e.Only = true
		if len(r.told) == 0 {
			b.fail(at, say("verder says what is told besides hoort, which is missing", "verder gaat over wat er naast hoort meegaat, en hoort ontbreekt"))
		}
	}
	if len(r.told)+len(r.never)+len(r.shows)+len(r.atMost) == 0 && !e.Silent {
		b.fail(r.place, say("nothing is expected here: say hoort, nooit or niets", "hier wordt niets verwacht: noem hoort, nooit of niets"))
	}
}

func (b *binder) personalFields(named []text, e *Expectation) []gateway.Field {
	var known []string
	for _, f := range gateway.PersonalFields(e.Kind) {
		known = append(known, string(f))
	}
	var fields []gateway.Field
	for _, t := range named {
		if b.oneOf(t, message{"field of such a message", "veld van zo'n bericht"}, known) {
			fields = append(fields, gateway.Field(t.value))
			e.places[gateway.Field(t.value)] = t.place
		}
	}
	return fields
}
