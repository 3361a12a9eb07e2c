package policy

import (
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// ExplainPersonal decides as Tell does, and says why in the way of Explain.
func (p *Policy) ExplainPersonal(q Personal) Explanation {
	t := p.Tell(q)
	x := Explanation{
		Decision: &t.Decision, Allowed: t.Allowed, DeniedBy: t.DeniedBy, Policy: t.Policy, Kind: q.Kind, Day: q.Day,
		Recipient: p.recipientName(q.Recipient), Retention: retentionText(t.Retention), Purpose: p.purposes(&t.Decision), Basis: p.bases(&t.Decision),
	}
	if x.Note = p.note(Request{Kind: q.Kind, Offer: &gateway.Offer{}}); x.Note != "" {
		return x
	}
	if x.Allowed {
		x.Note = "Het minste waarzonder het bericht niets zegt, gaat altijd mee: de velden hieronder komen daarbij."
	}
	q = q.settled()
	unmet := make([][]string, len(p.personal))
	for i := range p.personal {
		r := &p.personal[i]
		unmet[i] = p.unmet(r, q)
		x.Rules = append(x.Rules, RuleExplanation{
			ID: r.id, Effect: r.clause.effect.value, Place: r.clause.place.String(), Description: r.clause.description.value,
			Applies: len(unmet[i]) == 0, Because: unmet[i],
		})
	}
	for _, f := range gateway.PersonalFields(q.Kind) {
		x.Fields = append(x.Fields, p.explainField(q.Kind, f, t, unmet))
	}
	return x
}

// unmet lists what a rule on persons asks and a message does not have: nothing
// where about tells that it matches.
func (p *Policy) unmet(r *rule, q Personal) []string {
	var all []string
	add := func(met bool, reason string) {
		if !met {
			all = append(all, reason)
		}
	}
	add(!r.void, "een code waar de regel op steunt, is vandaag niet geldig")
	if !q.Day.Within(r.from, r.until) {
		all = append(all, periodText(r))
	}
	for _, one := range []struct {
		term
		value, word string
	}{
		{termKind, q.Kind, ""}, {termReferral, string(q.Status), ""},
		{termGrondslag, q.Grondslag, "grondslag"}, {termTrajectsoort, q.Trajectsoort, "trajectsoort"},
	} {
		switch {
		case r.says(one.term, one.value):
		case one.word == "":
			all = append(all, p.termText(one.term, r, false))
		case one.value == "":
			all = append(all, "de verwijzing zegt niets over "+one.word)
		default:
			all = append(all, "de "+one.word+" van de verwijzing is een andere dan de regel noemt")
		}
	}
	for _, c := range q.Classes {
		add(r.excepts(c), "het aanbod is er alleen voor doelgroepen van klasse "+string(c)+", en de regel noemt daarvoor geen uitzondering")
	}
	add(r.named(q.Recipient), p.toText(r))
	return all
}

// explainField says why a field goes with a message about a person, or not, and
// what would have to change.
func (p *Policy) explainField(kind string, f gateway.Field, t Told, unmet [][]string) FieldExplanation {
	x := FieldExplanation{Field: f, Label: fieldLabel(f), Form: gateway.None}
	var shown, forbidden, near []string
	for i := range p.personal {
		r := &p.personal[i]
		switch names, applies := slices.Contains(r.told, f), len(unmet[i]) == 0; {
		case r.never && applies && (names || r.hide == allFields):
			forbidden = append(forbidden, r.id)
		case r.never || !names:
		case applies:
			shown = append(shown, r.id)
		case len(near) < maxHints && slices.Contains(r.when[termKind], kind):
			near = append(near, "Regel "+r.id+" zou dit tonen, maar geldt hier niet: "+strings.Join(unmet[i], "; ")+".")
		}
	}
	switch {
	case slices.Contains(t.Fields, f):
		x.Form, x.Rules, x.Reason = gateway.Exact, shown, "gaat mee, volgens regel "+and(shown)
		return x
	case len(forbidden) > 0:
		x.Rules, x.Reason = forbidden, "verboden door regel "+and(forbidden)
		near = []string{"Regel " + and(forbidden) + " moet vervallen, of hier niet meer gelden."}
	default:
		x.Reason = "geen regel die hier geldt, toont dit"
	}
	if len(near) == 0 {
		near = []string{"Er is een nieuwe regel nodig: geen enkele regel toont dit."}
	}
	x.Needs = strings.Join(near, " ")
	return x
}
