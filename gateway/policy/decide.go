package policy

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

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
//
// Decisions are shared; see gateway.Decision.
func (p *Policy) Decide(q Request) *gateway.Decision {
	switch {
	case p.fallback:
		return p.shows.fallback
	case q.Kind == gateway.KindCapacityState && !q.Recipient.Public:
		return p.shows.open
	case q.Kind == gateway.KindCapacityState || q.Offer == nil:
		return p.shows.fallback
	}
	var room [4 * someWords]uint64
	show, never := p.match(&q, p.outbound.room(room[:]))
	return p.judge(show, never, p.withheld(q.Offer, p.maySee(show)), nil)
}

// judge decides by the rules that apply. It drops from show those that add
// nothing. last, where there is one, remembers the last decision that allowed.
func (p *Policy) judge(show, never ruleSet, withheld withheld, last *atomic.Pointer[allowed]) *gateway.Decision {
	hidden := p.hidden(never)
	var shown, unhidden forms
	for i := range show.all() {
		f := p.outbound.rules[i].discloses(withheld)
		unhidden.or(f)
		if f = f.without(hidden); f.fields() == 0 {
			show.set(i, false)
			continue
		}
		shown.or(f)
	}
	if shown.fields() == 0 {
		return p.deniedBy(never, unhidden.fields())
	}
	if last == nil {
		return p.find(show, shown)
	}
	if l := last.Load(); l != nil && l.shown == shown && slices.Equal(l.rules, show) {
		return l.decision
	}
	d := p.find(show, shown)
	last.Store(&allowed{slices.Clone(show), shown, d})
	return d
}

// find gives the decision by which rules of outbound allow.
func (p *Policy) find(show ruleSet, shown forms) *gateway.Decision {
	if p.numbers == nil {
		return p.shows.find(&p.outbound, show, show, shown, p.fields)
	}
	var room [someWords]uint64
	whole := ruleSet(room[:min(p.all, someWords)])
	if p.all > someWords {
		whole = make(ruleSet, p.all)
	}
	for i := range show.all() {
		whole.set(p.numbers[i], true)
	}
	return p.shows.find(&p.outbound, show, whole, shown, p.fields)
}

// Admit says whether a message of a kind may come in from the sender, in its own
// name (principal is empty, or the sender) or in that of a principal whose
// mandate it holds. The sender carries its mandates for the kind on the day.
// DeniedBy is "mandate" if it holds none of the principal, else "default".
//
// Decisions are shared; see gateway.Decision.
func (p *Policy) Admit(sender gateway.Recipient, principal gateway.OIN, kind string, _ gateway.Date) *gateway.Decision {
	name, acting := &sender, p.inbound.own
	if principal != "" && principal != sender.Party {
		i := slices.IndexFunc(sender.ActsFor, func(r gateway.Recipient) bool { return r.Party == principal })
		if i < 0 {
			return p.admits.mandate
		}
		name, acting = &sender.ActsFor[i], p.inbound.mandate
	}
	switch {
	case sender.Public:
		return p.admits.fallback
	case p.fallback && slices.Contains(kinds(), kind) && !gateway.Confidential(kind):
		return p.admits.open
	case p.fallback:
		return p.admits.fallback
	}
	var room [4 * someWords]uint64
	rules := ruleSet(p.inbound.room(room[:])[:p.inbound.words])
	p.inbound.reach(rules, name)
	rules.and(acting)
	p.inbound.axes[termKind].narrow(rules, []string{kind}, false)
	if rules.empty() {
		return p.admits.fallback
	}
	return p.admits.find(&p.inbound, rules, rules, forms{}, nil)
}

// match gives the show rules and the never rules that apply to a request. They
// lie in room, which is four sets long and empty. What is asked of the message
// comes first: it leaves few rules for which the names in which the recipient
// asks must be looked at.
func (p *Policy) match(q *Request, room []uint64) (show, never ruleSet) {
	t := &p.outbound
	n := t.words
	show, never = room[:n:n], room[n:2*n:2*n]
	open, one := ruleSet(room[2*n:3*n:3*n]), ruleSet(room[3*n:])
	t.reachAny(open, &q.Recipient)
	p.narrow(open, termKind, termRole, q, nil)
	t.inForce(open, q.Day)
	if open.empty() {
		return show, never
	}

	acts := principals(&q.Recipient)
	if len(acts) == 0 {
		show.or(open) // which its only name reaches
	} else {
		t.reach(show, &q.Recipient)
	}
	p.standing(show, open, t.own, q, &q.Recipient)
	for i := range acts {
		clear(one)
		t.reach(one, &acts[i])
		p.standing(one, open, t.mandate, q, &acts[i])
		show.or(one)
	}
	p.narrow(show, termRole, termRole+1, q, &q.Recipient)

	copy(never, open)
	never.and(t.never)
	p.narrowAny(never, q)
	return show, never
}

// standing keeps of the rules that reach a party those of open and of acting that
// the recipient meets in its name.
func (p *Policy) standing(rules, open, acting ruleSet, q *Request, in *gateway.Recipient) {
	rules.and(open)
	rules.and(acting)
	p.narrow(rules, termResponsible, terms, q, in)
}

// narrow keeps the rules whose terms from first up to end accept the request,
// asked in the name of a party. A term that none of the rules sets costs nothing.
func (p *Policy) narrow(rules ruleSet, first, end term, q *Request, in *gateway.Recipient) {
	var buf [8]string
	for k := first; k < end; k++ {
		if a := p.outbound.axes[k]; a.asked(rules) {
			values, silent := p.values(k, q, in, buf[:0])
			a.narrow(rules, values, silent)
		}
	}
}

// narrowAny keeps the rules that the recipient meets in any name at all, each
// term in whichever name: what is forbidden to one is forbidden to all who act
// for it, through however many mandates.
func (p *Policy) narrowAny(rules ruleSet, q *Request) {
	var buf [8]string
	for k := termResponsible; k < terms; k++ {
		if a := p.outbound.axes[k]; a.asked(rules) {
			values, silent := p.anyValues(k, q, &q.Recipient, buf[:0])
			a.narrow(rules, values, silent)
		}
	}
}

func (p *Policy) anyValues(k term, q *Request, in *gateway.Recipient, to []string) (values []string, silent bool) {
	values, silent = p.values(k, q, in, to)
	for i := range principals(in) {
		values, _ = p.anyValues(k, q, &in.ActsFor[i], values)
	}
	return values, silent
}

// inForce drops the rules whose dates do not hold the day.
func (t *table) inForce(rules ruleSet, day gateway.Date) {
	for w, dated := range t.dated {
		for left := rules[w] & dated; left != 0; left &= left - 1 {
			i := w*64 + bits.TrailingZeros64(left)
			if r := &t.rules[i]; !day.Within(r.from, r.until) {
				rules.set(i, false)
			}
		}
	}
}

// principals are those for whom a recipient may act; the public acts for nobody.
func principals(r *gateway.Recipient) []gateway.Recipient {
	if r.Public {
		return nil
	}
	return r.ActsFor
}

// values appends the request's values on a term, and tells whether the offer is
// silent on it. in is the name in which the recipient asks, for the terms about
// that.
func (p *Policy) values(k term, q *Request, in *gateway.Recipient, to []string) (values []string, silent bool) {
	switch k {
	case termKind:
		return append(to, q.Kind), false
	case termRole:
		return append(to, string(in.Kind)), false
	case termResponsible:
		for _, g := range in.Gemeenten {
			to = append(to, string(g))
		}
		return to, false
	case termFunctionaliteit:
		f := q.Offer.Functionaliteit
		if f == "" {
			return to, true
		}
		if slices.ContainsFunc(in.Gemeenten, func(g gateway.Gemeente) bool { return slices.Contains(p.performed[g], f) }) {
			to = append(to, f)
		}
		return to, false
	case termAllotment:
		return allotmentValues(q, in, to), false
	}
	values = k.offerValues(q.Offer, to)
	return values, len(values) == 0
}

func allotmentValues(q *Request, in *gateway.Recipient, to []string) []string {
	own, sole := false, false
	for _, a := range q.Offer.Allotments {
		if q.Day.Within(a.ValidFrom, a.ValidUntil) && a.Names(*in) {
			own, sole = true, sole || a.SoleOwner(*in)
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

// maySee are the fields that any of the rules shows.
func (p *Policy) maySee(show ruleSet) fieldSet {
	var all forms
	for i := range show.all() {
		all.or(p.outbound.rules[i].show)
	}
	return all.fields()
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
func (p *Policy) deniedBy(never ruleSet, allowed fieldSet) *gateway.Decision {
	first := p.shows.fallback
	for i := range never.all() {
		switch r := &p.outbound.rules[i]; {
		case r.hide == allFields:
			return p.shows.denied[p.number(i)]
		case r.hide&allowed != 0 && first == p.shows.fallback:
			first = p.shows.denied[p.number(i)]
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
