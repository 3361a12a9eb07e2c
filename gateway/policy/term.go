package policy

import (
	"github.com/doorstroom/doorstroom/gateway"
)

// term is one condition that a rule can set. The list is closed, and each term
// has finitely many values that a policy can tell apart: those its rules name,
// and all others.
type term int

const (
	termKind term = iota // the rule's own key kinds

	// These look at the offer.
	termTrajectsoort
	termGrondslag
	termDoelgroep
	termFase
	termLocation
	termReferral

	// This looks at the recipient itself.
	termRole

	// These look at the party in whose name the recipient sees the offer: itself
	// or the principal of a mandate.
	termResponsible
	termFunctionaliteit
	termAllotment

	terms // how many there are
)

// key is the term's name under `when`.
func (t term) key() string {
	switch t {
	case termTrajectsoort:
		return "trajectsoort"
	case termGrondslag:
		return "grondslag"
	case termDoelgroep:
		return "doelgroep"
	case termFase:
		return "fase"
	case termLocation:
		return "location-gemeente"
	case termReferral:
		return "referral-state"
	case termRole:
		return "role"
	case termResponsible:
		return "responsible-gemeente"
	case termFunctionaliteit:
		return "functionaliteit"
	case termAllotment:
		return "allotment"
	}
	return ""
}

// list is the code list that holds the term's values, or "".
func (t term) list() string {
	switch t {
	case termTrajectsoort, termGrondslag, termDoelgroep, termFunctionaliteit:
		return t.key()
	case termLocation, termResponsible:
		return "gemeente"
	}
	return ""
}

// values are the values of a term that has no code list.
func (t term) values() []string {
	switch t {
	case termFase:
		return []string{"1", "2", "3"}
	case termRole:
		return roles()
	case termAllotment:
		return []string{allotmentOwn, allotmentSole, allotmentNone}
	case termReferral:
		return referralStates()
	}
	return nil
}

// Values of the term allotment: what the offer has allotted, on the day, to the
// party in whose name the recipient sees it.
const (
	allotmentNone = "none"
	allotmentOwn  = "own"  // at least one allotment names it
	allotmentSole = "sole" // at least one allotment names it and nobody else
)

func roles() []string {
	var names []string
	for _, k := range gateway.PartyKinds() {
		names = append(names, string(k))
	}
	return names
}

func referralStates() []string {
	var names []string
	for _, s := range gateway.ReferralStatuses() {
		names = append(names, string(s))
	}
	return names
}

// models are the ways in which a gemeente organises its social infrastructure.
func models() []string {
	return []string{"wsw", "beschut", "geintegreerd", "gecombineerd", "partieel", "gemengd", "social-firm"}
}

// kinds are the message kinds that an accept rule can name.
func kinds() []string { return gateway.Kinds() }

// offerValues appends what the offer says on a term about offers; nothing if it
// is silent.
func (t term) offerValues(o *gateway.Offer, values []string) []string {
	one := ""
	switch t {
	case termTrajectsoort:
		one = o.Trajectsoort
	case termGrondslag:
		one = o.Grondslag
	case termLocation:
		one = string(o.Location.Gemeente)
	case termDoelgroep:
		return append(values, o.Doelgroepen...)
	case termFase:
		for i, name := range [...]string{"1", "2", "3"} {
			if o.Fase != (gateway.Range{}) && o.Fase.Min <= i+1 && i+1 <= o.Fase.Max {
				values = append(values, name)
			}
		}
	}
	if one != "" {
		values = append(values, one)
	}
	return values
}

// codedIn is the code list of a field that holds codes, or "".
func codedIn(f gateway.Field) string {
	switch f {
	case gateway.FieldWerksoorten:
		return "werksoort"
	case gateway.FieldTrajectsoort:
		return "trajectsoort"
	case gateway.FieldDienstverband:
		return "dienstverband"
	case gateway.FieldDoelgroepen:
		return "doelgroep"
	case gateway.FieldGrondslag:
		return "grondslag"
	case gateway.FieldFunctionaliteit:
		return "functionaliteit"
	case gateway.FieldAccessibility:
		return "toegankelijkheid"
	case gateway.FieldBegeleiding:
		return "begeleiding"
	}
	return ""
}

// codes appends the offer's codes in a field that holds codes.
func codes(f gateway.Field, o *gateway.Offer, to []string) []string {
	one := ""
	switch f {
	case gateway.FieldWerksoorten:
		return append(to, o.Werksoorten...)
	case gateway.FieldDoelgroepen:
		return append(to, o.Doelgroepen...)
	case gateway.FieldAccessibility:
		return append(to, o.Accessibility...)
	case gateway.FieldTrajectsoort:
		one = o.Trajectsoort
	case gateway.FieldDienstverband:
		one = o.Dienstverband
	case gateway.FieldGrondslag:
		one = o.Grondslag
	case gateway.FieldFunctionaliteit:
		one = o.Functionaliteit
	case gateway.FieldBegeleiding:
		one = o.Begeleiding.Soort
	}
	if one != "" {
		to = append(to, one)
	}
	return to
}
