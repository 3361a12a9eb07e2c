package policy

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/doorstroom/doorstroom/gateway"
)

// Lens is a policy as one recipient meets it on one day, for messages of one
// kind: of the rules it has only those that can apply. It decides what the policy
// does, with the same shared decisions, in a fraction of the time. It is safe for
// concurrent use.
type Lens struct {
	narrow Policy
	ask    Request
	class  string
	open   ruleSet // of narrow: those that hold for the kind of message and the recipient's role
	names  []standing
	last   atomic.Pointer[allowed] // most offers are decided as the one before
}

// standing is a name in which the recipient asks, and the show rules that reach
// it and whose conditions on the recipient it meets.
type standing struct {
	in    *gateway.Recipient
	rules ruleSet
}

// For makes a Lens. It takes some microseconds: keep it for as long as policy,
// register and day stay the same.
func (p *Policy) For(kind string, to gateway.Recipient, day gateway.Date) *Lens {
	l := &Lens{narrow: *p, ask: Request{Kind: kind, Recipient: to, Day: day}}
	if p.fallback {
		return l
	}
	t := &p.outbound
	reached := t.none()
	t.reachAny(reached, &to)
	t.axes[termKind].narrow(reached, []string{kind}, false)
	t.inForce(reached, day)
	var rules []rule
	for i := range reached.all() {
		rules = append(rules, t.rules[i])
		l.narrow.numbers = append(l.narrow.numbers, i)
	}
	l.narrow.outbound = compile(rules)
	l.narrow.all = t.words
	l.class = classOf(&l.narrow, &to)
	l.stand()
	return l
}

// stand works out what does not depend on an offer.
func (l *Lens) stand() {
	p, r := &l.narrow, &l.ask.Recipient
	t := &p.outbound
	l.open = t.none()
	t.reachAny(l.open, r)
	l.name(r, t.own)
	for i := range principals(r) {
		l.name(&r.ActsFor[i], t.mandate)
	}
	for _, n := range l.names {
		p.narrow(n.rules, termRole, termRole+1, &l.ask, r)
	}
}

func (l *Lens) name(in *gateway.Recipient, acting ruleSet) {
	t := &l.narrow.outbound
	n := standing{in, t.none()}
	t.reach(n.rules, in)
	n.rules.and(acting)
	l.narrow.narrow(n.rules, termResponsible, termResponsible+1, &l.ask, in)
	l.names = append(l.names, n)
}

// Decide is Policy.Decide of an offer.
func (l *Lens) Decide(o *gateway.Offer) *gateway.Decision {
	p, q := &l.narrow, l.ask
	q.Offer = o
	if p.fallback || q.Kind != gateway.KindCapacity || o == nil {
		return p.Decide(q)
	}
	var room [4 * someWords]uint64
	show, never := l.match(&q, p.outbound.room(room[:]))
	return p.judge(show, never, p.withheld(o, p.maySee(show)), &l.last)
}

// match is Policy.match for one recipient.
func (l *Lens) match(q *Request, room []uint64) (show, never ruleSet) {
	p := &l.narrow
	n := p.outbound.words
	show, never = room[:n:n], room[n:2*n:2*n]
	open, one := ruleSet(room[2*n:3*n:3*n]), ruleSet(room[3*n:])
	copy(open, l.open)
	p.narrow(open, termTrajectsoort, termRole, q, nil)
	for i := range l.names {
		copy(one, l.names[i].rules)
		one.and(open)
		p.narrow(one, termFunctionaliteit, terms, q, l.names[i].in)
		show.or(one)
	}
	copy(never, open)
	never.and(p.outbound.never)
	p.narrowAny(never, q)
	return show, never
}

// Class is the same for recipients whom no rule tells apart: whatever is decided
// for one is decided for all of them, about offers that are allotted to none of
// them.
func (l *Lens) Class() string { return l.class }

// classOf names all that a decision can depend on but the offer.
func classOf(p *Policy, to *gateway.Recipient) string {
	var b strings.Builder
	fmt.Fprint(&b, p.numbers, to.Public)
	if len(to.ActsFor) > 0 { // asks in several names, which the rules reach each by itself
		identify(&b, to)
		return b.String()
	}
	asks := func(k term) bool { return p.outbound.axes[k] != nil }
	if asks(termRole) {
		fmt.Fprint(&b, " ", to.Kind)
	}
	if asks(termResponsible) || asks(termFunctionaliteit) {
		fmt.Fprint(&b, " ", to.Gemeenten)
	}
	return b.String()
}

func identify(b *strings.Builder, r *gateway.Recipient) {
	fmt.Fprint(b, "(", r.Party, r.Kind, r.Gemeenten)
	for i := range r.ActsFor {
		identify(b, &r.ActsFor[i])
	}
	b.WriteString(")")
}
