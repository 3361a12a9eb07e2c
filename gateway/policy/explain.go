package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Explanation tells a privacy officer why a decision is what it is, in plain
// Dutch (B1). It holds terms of the policy and names of fields, never a value of
// the offer. Text puts it in sentences.
type Explanation struct {
	Decision  *gateway.Decision  `json:"-"`
	Allowed   bool               `json:"allowed"`
	DeniedBy  string             `json:"deniedBy,omitempty"`
	Policy    string             `json:"policy"` // version
	Kind      string             `json:"kind"`
	Offer     string             `json:"offer,omitempty"` // id
	Day       gateway.Date       `json:"day"`
	Recipient string             `json:"recipient"`
	Purpose   []string           `json:"purpose,omitempty"`
	Basis     []string           `json:"basis,omitempty"`
	Retention string             `json:"retention,omitempty"`
	Fields    []FieldExplanation `json:"fields,omitempty"`
	Rules     []RuleExplanation  `json:"rules,omitempty"`
	Note      string             `json:"note,omitempty"` // when no rule decides
}

// FieldExplanation says in which form a field is shown and by which rules; or
// why it is not, and what would have to change.
type FieldExplanation struct {
	Field  gateway.Field `json:"field"`
	Label  string        `json:"label"`
	Form   gateway.Form  `json:"form"`
	Rules  []string      `json:"rules,omitempty"` // that show it so, or that forbid it
	Reason string        `json:"reason"`
	Needs  string        `json:"needs,omitempty"`
}

// RuleExplanation says whether a rule applies to the request, and if not, all
// that it asks and the request does not have.
type RuleExplanation struct {
	ID          string   `json:"id"`
	Effect      string   `json:"effect"`
	Place       string   `json:"place"` // file:line
	Description string   `json:"description,omitempty"`
	Applies     bool     `json:"applies"`
	Because     []string `json:"because,omitempty"`
}

// Explain decides and tells why.
func (p *Policy) Explain(q Request) Explanation {
	d := p.Decide(q)
	x := Explanation{
		Decision: d, Allowed: d.Allowed, DeniedBy: d.DeniedBy, Policy: d.Policy, Kind: q.Kind, Day: q.Day,
		Recipient: p.recipientName(q.Recipient),
	}
	if q.Offer != nil {
		x.Offer = q.Offer.ID
	}
	if x.Note = p.note(q); x.Note != "" {
		return x
	}
	x.Purpose, x.Basis, x.Retention = p.purposes(d), p.bases(d), retentionText(d.Retention)
	e := p.explainer(q)
	for i := range p.outbound.rules {
		x.Rules = append(x.Rules, e.rule(i))
	}
	for i := range p.fields {
		x.Fields = append(x.Fields, e.field(i, d))
	}
	return x
}

// note explains a decision that no rule takes.
func (p *Policy) note(q Request) string {
	switch {
	case p.fallback:
		return "Er is geen geldig beleid geladen. Dan wordt niets getoond, tot het beleid hersteld is."
	case q.Kind == gateway.KindCapacityState && !q.Recipient.Public:
		return "Dit bericht noemt alleen kenmerken die niets over het aanbod zeggen. Daarvoor is geen regel nodig."
	case q.Kind == gateway.KindCapacityState || q.Offer == nil:
		return "Zonder aanbod valt er niets te tonen."
	}
	return ""
}

// explainer looks at one request rule by rule; decisions are Decide's.
type explainer struct {
	p        *Policy
	q        Request
	unmet    [][]string // by rule: what it asks and the request does not have
	withheld withheld
}

func (p *Policy) explainer(q Request) *explainer {
	e := &explainer{p: p, q: q, withheld: p.withheld(q.Offer, allFields)}
	for i := range p.outbound.rules {
		e.unmet = append(e.unmet, e.reasons(i))
	}
	return e
}

// reasons lists what a rule asks and the request does not have.
func (e *explainer) reasons(i int) []string {
	r, t := &e.p.outbound.rules[i], &e.p.outbound
	var all []string
	add := func(met bool, reason func() string) {
		if !met {
			all = append(all, reason())
		}
	}
	add(!r.void, func() string {
		return "een code waar de regel op steunt, is vandaag niet geldig of vraagt nu om een uitzondering"
	})
	add(e.q.Day.Within(r.from, r.until), func() string { return periodText(r) })
	for k := termKind; k < termRole; k++ {
		values, silent := e.p.values(k, &e.q, nil, nil)
		add(t.axes[k].accepts(i, values, silent), func() string { return e.p.termText(k, r, silent) })
	}
	if r.never {
		return append(all, e.standingReasons(i, allNames(e.q.Recipient)...)...)
	}
	role := []string{string(e.q.Recipient.Kind)}
	add(t.axes[termRole].accepts(i, role, false), func() string { return e.p.termText(termRole, r, false) })
	return append(all, e.nearestStanding(i)...)
}

// nearestStanding gives the reasons of the name in which the recipient comes
// closest to a show rule.
func (e *explainer) nearestStanding(i int) []string {
	r := &e.p.outbound.rules[i]
	var tries [][]string
	if r.own {
		tries = append(tries, e.standingReasons(i, e.q.Recipient))
	}
	if r.mandate {
		for _, principal := range principals(&e.q.Recipient) {
			tries = append(tries, e.standingReasons(i, principal))
		}
	}
	if len(tries) == 0 {
		return []string{"de regel geldt alleen voor wie namens een ander optreedt, en deze ontvanger heeft geen mandaat"}
	}
	return slices.MinFunc(tries, func(a, b []string) int { return cmp.Compare(len(a), len(b)) })
}

// allNames are all in whose name a recipient may ask.
func allNames(r gateway.Recipient) []gateway.Recipient {
	all := []gateway.Recipient{r}
	for _, principal := range principals(&r) {
		all = append(all, allNames(principal)...)
	}
	return all
}

// standingReasons lists what a rule asks of the recipient and none of the names
// has.
func (e *explainer) standingReasons(i int, names ...gateway.Recipient) []string {
	r, t := &e.p.outbound.rules[i], &e.p.outbound
	var reasons []string
	reached := t.none()
	for j := range names {
		t.reach(reached, &names[j])
	}
	if !r.void && !reached.has(i) {
		reasons = append(reasons, e.p.toText(r))
	}
	for k := termResponsible; k < terms; k++ {
		var values []string
		silent := false
		for j := range names {
			values, silent = e.p.values(k, &e.q, &names[j], values)
		}
		if !t.axes[k].accepts(i, values, silent) {
			reasons = append(reasons, e.p.termText(k, r, silent))
		}
	}
	return reasons
}

func (e *explainer) rule(i int) RuleExplanation {
	r := &e.p.outbound.rules[i]
	return RuleExplanation{
		ID: r.id, Effect: r.clause.effect.value, Place: r.clause.place.String(), Description: r.clause.description.value,
		Applies: len(e.unmet[i]) == 0, Because: e.unmet[i],
	}
}

// field explains one field of the decision.
func (e *explainer) field(i int, d *gateway.Decision) FieldExplanation {
	name := e.p.fields[i]
	f := FieldExplanation{Field: name, Label: fieldLabel(name), Form: gateway.None}
	if form, shown := d.Show[name]; shown {
		f.Form, f.Rules = form, e.which(func(r *rule) bool { return r.discloses(e.withheld).form(i) == form })
		f.Reason = string(form) + " (" + formText(name, form) + "), volgens regel " + and(f.Rules)
		return f
	}
	f.Needs = strings.Join(e.needs(i), " ")
	switch f.Rules = e.forbids(i); {
	case len(f.Rules) > 0:
		f.Reason = "verboden door regel " + and(f.Rules)
	case len(e.which(func(r *rule) bool { return r.show.fields().has(i) })) > 0:
		f.Reason = "het aanbod noemt hier codes waarvoor geen regel een uitzondering heeft"
	default:
		f.Reason = "geen regel die hier geldt, toont dit"
	}
	return f
}

// which are the rules that apply and of which is holds.
func (e *explainer) which(is func(*rule) bool) []string {
	var ids []string
	for j := range e.p.outbound.rules {
		if r := &e.p.outbound.rules[j]; len(e.unmet[j]) == 0 && is(r) {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// forbids are the never rules that apply and take a field.
func (e *explainer) forbids(field int) []string {
	return e.which(func(r *rule) bool { return r.hide.has(field) })
}

// maxHints bounds how many rules are named that come close to showing a field.
const maxHints = 3

// needs says what would have to change for a field to be shown.
func (e *explainer) needs(field int) []string {
	var needs []string
	for j := range e.p.outbound.rules {
		if r := &e.p.outbound.rules[j]; len(e.unmet[j]) == 0 && r.hide.has(field) {
			needs = append(needs, "Regel "+r.id+" moet vervallen, of niet meer gelden voor "+r.boundTo()+".")
		}
	}
	var near []int
	for j, r := range e.p.outbound.rules {
		if r.show.fields().has(field) {
			near = append(near, j)
		}
	}
	if len(near) == 0 {
		return append(needs, "Er is een nieuwe regel nodig: geen enkele regel toont dit.")
	}
	slices.SortStableFunc(near, func(a, b int) int { return cmp.Compare(len(e.unmet[a]), len(e.unmet[b])) })
	for n, j := range near {
		r := &e.p.outbound.rules[j]
		if n == maxHints || len(e.unmet[j]) > len(e.unmet[near[0]]) {
			break
		}
		switch {
		case len(e.unmet[j]) > 0:
			needs = append(needs, "Regel "+r.id+" zou dit tonen, maar geldt hier niet: "+strings.Join(e.unmet[j], "; ")+".")
		case !r.discloses(e.withheld).fields().has(field):
			needs = append(needs, "Regel "+r.id+" moet een uitzondering noemen voor codes van klasse "+and(e.lacks(r, field))+" in dit aanbod.")
		}
	}
	return needs
}

// lacks are the classes of the offer's codes in a field for which a rule has no
// exception.
func (e *explainer) lacks(r *rule, field int) []string {
	var classes []string
	if e.withheld.special.has(field) && !r.special {
		classes = append(classes, string(gateway.Bijzonder))
	}
	if e.withheld.criminal.has(field) && !r.criminal {
		classes = append(classes, string(gateway.Strafrechtelijk))
	}
	return classes
}

// boundTo says what a never rule that applies looks at.
func (r *rule) boundTo() string {
	_, days := r.clause.given["when"]
	switch {
	case len(r.when) > 0 && r.clause.to.everyone:
		return "aanbod als dit"
	case len(r.when) > 0:
		return "deze ontvanger of voor aanbod als dit"
	case days:
		return "deze ontvanger of deze dag"
	}
	return "deze ontvanger"
}
