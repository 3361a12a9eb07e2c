package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// personCell is an answer about messages of one kind, with all recipients and
// conditions for which it is the same.
type personCell[T any] struct {
	answer     T
	recipients []Who
	conditions []string // Dutch

	key   string         // the answer, to compare
	cases [nAspect]cases // by aspect
}

// cases has a '1' for each case of an aspect for which an answer holds, and a '0'
// for the others.
type cases string

func (c cases) has(i int) bool { return c[i] == '1' }

func (c cases) and(o cases) cases {
	both := []byte(c)
	for i := range both {
		both[i] = max(both[i], o[i])
	}
	return cases(both)
}

// What a message about a person can differ in, beside its recipient.
const (
	aspectState = iota // of its referral
	aspectGrondslag
	aspectTrajectsoort
	aspectClasses // of an offer for none but special doelgroepen
	aspectPeriod  // by its first day
	nAspect
)

// other stands for every code that no rule names, silence for a message that
// says nothing on a term.
const (
	other   = "*"
	silence = ""
)

// aspects are the cases of each aspect that policies can tell apart.
type aspects [nAspect][]string

func personAspects(kind string, day gateway.Date, policies []*policy.Policy) aspects {
	var a aspects
	a[aspectState] = []string{silence}
	if kind != gateway.KindReferral {
		a[aspectState] = nil
		for _, s := range gateway.ReferralStatuses() {
			a[aspectState] = append(a[aspectState], string(s))
		}
	}
	for _, p := range policies {
		grondslag, trajectsoort := p.PersonalCodes()
		a[aspectGrondslag] = append(a[aspectGrondslag], grondslag...)
		a[aspectTrajectsoort] = append(a[aspectTrajectsoort], trajectsoort...)
		for _, from := range p.PersonalDays(day) {
			a[aspectPeriod] = append(a[aspectPeriod], string(from))
		}
	}
	for i := range a {
		if i == aspectGrondslag || i == aspectTrajectsoort || i == aspectPeriod {
			slices.Sort(a[i])
			a[i] = slices.Compact(a[i])
		}
	}
	a[aspectGrondslag] = append(a[aspectGrondslag], other, silence)
	a[aspectTrajectsoort] = append(a[aspectTrajectsoort], other, silence)
	a[aspectClasses] = []string{"", "bijzonder", "strafrechtelijk", "bijzonder strafrechtelijk"}
	return a
}

// personCells asks for an answer in every case that the policies can tell apart,
// of every kind of message about persons and every recipient, from a day on. It
// puts those together that are the same; cases without an answer are left out.
func personCells[T any](day gateway.Date, recipients []gateway.Recipient, answer func(policy.Personal) (T, bool), policies ...*policy.Policy) ([]personCell[T], error) {
	var found []personCell[T]
	for _, kind := range gateway.Kinds() {
		if !gateway.Confidential(kind) || !slices.ContainsFunc(policies, func(p *policy.Policy) bool { return p.TellsOf(kind) }) {
			continue
		}
		all := personAspects(kind, day, policies)
		if all.size() > maxStates {
			return nil, gateway.Errorf(gateway.Invalid, "rules on persons name more than %d combinations of days, grondslagen and trajectsoorten", maxStates)
		}
		var cells []personCell[T]
		for _, r := range recipients {
			if r.Public {
				continue
			}
			own := cellsOf(kind, all, r, answer, policies[len(policies)-1])
			for i := range all {
				own = merge(own, nAspect-1-i)
			}
			cells = append(cells, own...)
		}
		for _, cell := range merge(cells, nAspect) {
			cell.describe(policies[len(policies)-1], all)
			found = append(found, cell)
		}
	}
	return found, nil
}

// cellsOf asks every case of one kind for one recipient.
func cellsOf[T any](kind string, all aspects, to gateway.Recipient, answer func(policy.Personal) (T, bool), p *policy.Policy) []personCell[T] {
	var cells []personCell[T]
	who, env := []Who{whoIs(p, to)}, p.Env()
	on := map[gateway.Date]gateway.Recipient{}
	for _, first := range all[aspectPeriod] {
		day := gateway.Date(first)
		on[day] = to
		if party, known := env.Lookup(to.Party); known {
			on[day] = party.RecipientOn(day, kind, env.Lookup)
		}
	}
	all.each(kind, func(q policy.Personal, at [nAspect]int) bool {
		q.Recipient = on[q.Day]
		if given, ok := answer(q); ok {
			cells = append(cells, personCell[T]{answer: given, recipients: who, key: encoded(given), cases: all.one(at)})
		}
		return true
	})
	return cells
}

// size is the number of choices.
func (a aspects) size() int {
	n := 1
	for _, cases := range a {
		n *= len(cases)
	}
	return n
}

// each asks of every choice of one case of each aspect, until f says no; false if
// it did.
func (a aspects) each(kind string, f func(q policy.Personal, at [nAspect]int) bool) bool {
	var at [nAspect]int
	for {
		q := policy.Personal{
			Kind: kind, Status: gateway.ReferralStatus(a[aspectState][at[aspectState]]), Grondslag: a[aspectGrondslag][at[aspectGrondslag]],
			Trajectsoort: a[aspectTrajectsoort][at[aspectTrajectsoort]], Day: gateway.Date(a[aspectPeriod][at[aspectPeriod]]),
		}
		for _, class := range strings.Fields(a[aspectClasses][at[aspectClasses]]) {
			q.Classes = append(q.Classes, gateway.DataClass(class))
		}
		if !f(q, at) {
			return false
		}
		i := nAspect - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < len(a[i]) {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return true
		}
	}
}

// one is the choice of one case of each aspect.
func (a aspects) one(at [nAspect]int) (one [nAspect]cases) {
	for i, n := range at {
		text := []byte(strings.Repeat("0", len(a[i])))
		text[n] = '1'
		one[i] = cases(text)
	}
	return one
}

// merge puts cells together that differ in one aspect only; after the last come
// the recipients.
func merge[T any](cells []personCell[T], aspect int) []personCell[T] {
	var merged []personCell[T]
	at := map[string]int{}
	for _, cell := range cells {
		same, who := cell.cases, fmt.Sprint(cell.recipients)
		if aspect < nAspect {
			same[aspect] = ""
		} else {
			who = ""
		}
		key := fmt.Sprint(who, same, cell.key)
		i, known := at[key]
		switch {
		case !known:
			at[key] = len(merged)
			merged = append(merged, cell)
		case aspect < nAspect:
			merged[i].cases[aspect] = merged[i].cases[aspect].and(cell.cases[aspect])
		default:
			merged[i].recipients = slices.Concat(merged[i].recipients, cell.recipients)
		}
	}
	return merged
}

// describe says in Dutch for what a cell holds.
func (c *personCell[T]) describe(p *policy.Policy, all aspects) {
	for i, about := range [...]struct{ list, word string }{
		{"verwijsstatus", "stand"}, {"grondslag", "grondslag"}, {"trajectsoort", "trajectsoort"},
	} {
		var labels []string
		for n, value := range all[i] {
			switch {
			case !c.cases[i].has(n):
			case value == other:
				labels = append(labels, "een andere")
			case value == silence:
				labels = append(labels, "niet genoemd")
			default:
				labels = append(labels, p.Env().Lists.Label(about.list, value))
			}
		}
		if len(labels) < len(all[i]) {
			c.conditions = append(c.conditions, about.word+": "+policy.Or(labels))
		}
	}
	if text := classText(c.cases[aspectClasses]); text != "" {
		c.conditions = append(c.conditions, text)
	}
	if text := spanText(c.cases[aspectPeriod], all[aspectPeriod]); text != "" {
		c.conditions = append(c.conditions, text)
	}
}

// classText says to what offers a referral may be; the cases are those of aspects.
func classText(classes cases) string {
	switch classes {
	case "1111":
		return ""
	case "1000":
		return "niet naar aanbod dat alleen voor doelgroepen van klasse bijzonder of strafrechtelijk is"
	case "1100":
		return "niet naar aanbod dat alleen voor doelgroepen van klasse strafrechtelijk is"
	case "1010":
		return "niet naar aanbod dat alleen voor doelgroepen van klasse bijzonder is"
	}
	var only []string
	for i, text := range []string{"niet voor zulke doelgroepen", "klasse bijzonder", "klasse strafrechtelijk", "beide klassen"} {
		if classes.has(i) {
			only = append(only, text)
		}
	}
	return "naar aanbod dat alleen voor bijzondere doelgroepen is: " + policy.Or(only)
}

// spanText says on which days a cell holds; firsts are the first days of all
// periods.
func spanText(periods cases, firsts []string) string {
	var spans []string
	for i := 0; i < len(firsts); i++ {
		if !periods.has(i) {
			continue
		}
		var parts []string
		if i > 0 {
			parts = append(parts, "vanaf "+firsts[i])
		}
		for i++; i < len(firsts) && periods.has(i); i++ {
		}
		if i < len(firsts) {
			parts = append(parts, "vóór "+firsts[i])
		}
		if len(parts) == 0 {
			return ""
		}
		spans = append(spans, strings.Join(parts, " en "))
	}
	return policy.Or(spans)
}
