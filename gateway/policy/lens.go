package policy

import (
	"fmt"
	"strings"

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
	return l
}

// Decide is Policy.Decide of an offer.
func (l *Lens) Decide(o *gateway.Offer) *gateway.Decision {
	q := l.ask
	q.Offer = o
	return l.narrow.Decide(q)
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
