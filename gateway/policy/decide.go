package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// What Decision.DeniedBy says when no rule did.
const (
	byDefault = "default" // no rule allows it
	byMandate = "mandate" // the sender may not act for the principal
)

// reserved are the words of DeniedBy that name no rule: ours, and those of
// publication for an offer that policy is not asked about.
func reserved() []string { return []string{byDefault, byMandate, "expired", "invalid"} }

// Request asks whether a message about an offer may go to a recipient on a day.
type Request struct {
	Kind      string
	Offer     *gateway.Offer
	Recipient gateway.Recipient // with its mandates for Kind on Day
	Day       gateway.Date
}

// Decide says what the recipient may see of the offer. It is allowed if at least
// one field is left after every never rule. The list of offers shown,
// capacity-state, needs no rule: it holds opaque subjects only.
//
// Where several rules allow, Retention is the shortest of theirs, and Purpose
// holds their purposes, sorted, with spaces between. DeniedBy is the never rule
// that took the last field, or "default".
func (p *Policy) Decide(q Request) gateway.Decision {
	d := gateway.Decision{Policy: p.version, DeniedBy: byDefault}
	switch {
	case p.fallback:
		return d
	case q.Kind == gateway.KindCapacityState:
		if !q.Recipient.Public {
			d.Allowed, d.DeniedBy = true, ""
		}
		return d
	case q.Offer == nil:
		return d
	}
	show, never := p.match(q)
	hidden := p.hidden(never)
	withheld := p.withheld(q.Offer)
	var shown, unhidden forms
	for i := range show.all() {
		r := &p.outbound.rules[i]
		f := r.discloses(withheld)
		unhidden.or(f)
		if f = f.without(hidden); f.fields() != 0 {
			shown.or(f)
			r.account(&d)
		}
	}
	if shown.fields() == 0 {
		d.DeniedBy = p.deniedBy(never, unhidden.fields())
		return d
	}
	slices.Sort(d.Basis)
	d.Allowed, d.DeniedBy, d.Show = true, "", shown.disclosure(p.fields)
	return d
}

// Admit says whether a message of a kind may come in from the sender, in its own
// name (principal is empty, or the sender) or in that of a principal whose
// mandate it holds. The sender carries its mandates for the kind on the day.
// DeniedBy is "mandate" if it holds none of the principal, else "default".
func (p *Policy) Admit(sender gateway.Recipient, principal gateway.OIN, kind string, _ gateway.Date) gateway.Decision {
	d := gateway.Decision{Policy: p.version, DeniedBy: byDefault}
	name, acting := sender, p.inbound.own
	if principal != "" && principal != sender.Party {
		i := slices.IndexFunc(sender.ActsFor, func(r gateway.Recipient) bool { return r.Party == principal })
		if i < 0 {
			d.DeniedBy = byMandate
			return d
		}
		name, acting = sender.ActsFor[i], p.inbound.mandate
	}
	if sender.Public {
		return d
	}
	if p.fallback {
		if d.Allowed = slices.Contains(kinds(), kind); d.Allowed {
			d.DeniedBy = ""
		}
		return d
	}
	rules := p.inbound.empty()
	p.inbound.reach(rules, name)
	rules.and(acting)
	p.inbound.axes[termKind].narrow(rules, []string{kind}, false)
	for i := range rules.all() {
		d.Allowed, d.DeniedBy = true, ""
		d.Rules = append(d.Rules, p.inbound.rules[i].id)
	}
	return d
}

// match gives the show rules and the never rules that apply to a request.
func (p *Policy) match(q Request) (show, never ruleSet) {
	t := &p.outbound
	room := make(ruleSet, 3*t.words)
	show, never, one := room[:t.words], room[t.words:2*t.words], room[2*t.words:]
	p.standing(show, q, q.Recipient)
	show.and(t.own)
	for _, principal := range principals(q.Recipient) {
		clear(one)
		p.standing(one, q, principal)
		one.and(t.mandate)
		show.or(one)
	}
	t.axes[termRole].narrow(show, []string{string(q.Recipient.Kind)}, false)
	p.anyStanding(never, q)
	never.and(t.never)
	var buf [8]string
	for k := termKind; k < termRole; k++ {
		if t.axes[k] == nil {
			continue
		}
		values, silent := q.values(k, buf[:0])
		t.axes[k].narrow(show, values, silent)
		t.axes[k].narrow(never, values, silent)
	}
	t.inForce(show, q.Day)
	t.inForce(never, q.Day)
	return show, never
}

// standing adds the rules that the recipient meets in the name of a party.
func (p *Policy) standing(rules ruleSet, q Request, in gateway.Recipient) {
	p.outbound.reach(rules, in)
	var buf [8]string
	for k := termResponsible; k < terms; k++ {
		if a := p.outbound.axes[k]; a != nil {
			values, silent := p.standingValues(k, q, in, buf[:0])
			a.narrow(rules, values, silent)
		}
	}
}

// anyStanding adds the rules that the recipient meets in any name at all, each
// term in whichever name: what is forbidden to one is forbidden to all who act
// for it, through however many mandates.
func (p *Policy) anyStanding(rules ruleSet, q Request) {
	p.outbound.reachAny(rules, q.Recipient)
	var buf [8]string
	for k := termResponsible; k < terms; k++ {
		if a := p.outbound.axes[k]; a != nil {
			values, silent := p.anyValues(k, q, q.Recipient, buf[:0])
			a.narrow(rules, values, silent)
		}
	}
}

func (p *Policy) anyValues(k term, q Request, in gateway.Recipient, to []string) (values []string, silent bool) {
	values, silent = p.standingValues(k, q, in, to)
	for _, principal := range principals(in) {
		values, _ = p.anyValues(k, q, principal, values)
	}
	return values, silent
}

// inForce drops the rules whose dates do not hold the day.
func (t *table) inForce(rules ruleSet, day gateway.Date) {
	for i := range rules.all() {
		if r := &t.rules[i]; !day.Within(r.from, r.until) {
			rules.set(i, false)
		}
	}
}

// principals are those for whom a recipient may act; the public acts for nobody.
func principals(r gateway.Recipient) []gateway.Recipient {
	if r.Public {
		return nil
	}
	return r.ActsFor
}

// values appends the request's values on a term about the message, and tells
// whether the offer is silent on it.
func (q Request) values(k term, to []string) (values []string, silent bool) {
	if k == termKind {
		return append(to, q.Kind), false
	}
	values = k.offerValues(q.Offer, to)
	return values, len(values) == 0
}

// standingValues is values for the terms about the name in which the recipient
// asks.
func (p *Policy) standingValues(k term, q Request, in gateway.Recipient, to []string) (values []string, silent bool) {
	switch k {
	case termResponsible:
		for _, g := range in.Gemeenten {
			to = append(to, string(g))
		}
	case termFunctionaliteit:
		f := q.Offer.Functionaliteit
		if f == "" {
			return to, true
		}
		if slices.ContainsFunc(in.Gemeenten, func(g gateway.Gemeente) bool { return slices.Contains(p.performed[g], f) }) {
			to = append(to, f)
		}
	case termAllotment:
		return allotmentValues(q, in, to), false
	}
	return to, false
}

func allotmentValues(q Request, in gateway.Recipient, to []string) []string {
	own, sole := false, false
	for _, a := range q.Offer.Allotments {
		if q.Day.Within(a.ValidFrom, a.ValidUntil) {
			own, sole = own || a.Names(in), sole || a.SoleOwner(in)
		}
	}
	if !own {
		return append(to, allotmentNone)
	}
	if sole {
		to = append(to, allotmentSole)
	}
	return append(to, allotmentOwn)
}

// hidden are the fields that never rules take away.
func (p *Policy) hidden(never ruleSet) fieldSet {
	var hidden fieldSet
	for i := range never.all() {
		hidden |= p.outbound.rules[i].hide
	}
	return hidden
}

// deniedBy names the rule to account a denial to: the first that forbids the
// whole offer, else the first that took a field that was allowed.
func (p *Policy) deniedBy(never ruleSet, allowed fieldSet) string {
	first := byDefault
	for i := range never.all() {
		switch r := &p.outbound.rules[i]; {
		case r.hide == allFields:
			return r.id
		case r.hide&allowed != 0 && first == byDefault:
			first = r.id
		}
	}
	return first
}

// account notes a rule that allowed, and on which grounds.
func (r *rule) account(d *gateway.Decision) {
	d.Rules = append(d.Rules, r.id)
	for _, b := range r.basis {
		if !slices.Contains(d.Basis, b) {
			d.Basis = append(d.Basis, b)
		}
	}
	switch {
	case d.Purpose == "":
		d.Purpose = r.purpose
	case d.Purpose != r.purpose:
		all := append(strings.Fields(d.Purpose), r.purpose)
		slices.Sort(all)
		d.Purpose = strings.Join(slices.Compact(all), " ")
	}
	if d.Retention == "" || days(r.retention) < days(d.Retention) {
		d.Retention = r.retention
	}
}

// days is the length of a retention such as P90D, to compare two of them.
func days(retention string) int {
	if len(retention) < 3 {
		return 0
	}
	last := len(retention) - 1
	n, _ := strconv.Atoi(retention[1:last]) // its form was checked when it was loaded
	switch retention[last] {
	case 'W':
		return 7 * n
	case 'M':
		return 30 * n
	case 'Y':
		return 365 * n
	}
	return n
}
