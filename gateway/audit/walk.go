package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// walk goes through all that a policy can tell apart for one recipient on one day,
// as far as it is as the expectation says.
type walk struct {
	t      *trial
	to     recipient
	fields []gateway.Field // that the expectation bounds
	scope  *policy.Scope
	day    gateway.Date
	path   []int           // the case of each aspect so far
	known  map[string]bool // what was looked at, by aspect and state
}

// from looks at everything after the first aspects; false if the expectation
// failed.
func (w *walk) from(aspect int, at policy.State) bool {
	key := strconv.Itoa(aspect) + " " + at.Key()
	if w.known[key] {
		return true
	}
	if len(w.known) >= maxStates {
		w.t.tooMany()
		return false
	}
	w.known[key] = true
	if aspect == len(w.scope.Aspects) {
		w.t.cells++
		return w.holds(at)
	}
	for c := range w.scope.Aspects[aspect].Cases {
		if !w.allows(aspect, c) {
			continue
		}
		w.path = append(w.path[:aspect], c)
		if !w.from(aspect+1, w.scope.Next(at, aspect, c)) {
			return false
		}
	}
	return true
}

// allows tells whether a case of an aspect can be, given what the expectation says
// and the day.
func (w *walk) allows(aspect, c int) bool {
	return slices.ContainsFunc(w.scope.Aspects[aspect].Cases[c].Atoms, func(atom policy.Atom) bool { return w.fits(aspect, atom) })
}

func (w *walk) fits(aspect int, atom policy.Atom) bool {
	a := &w.scope.Aspects[aspect]
	if a.Key == policy.AspectDay {
		return w.day.Within(atom.From, atom.Until)
	}
	given := w.t.e.Given[a.Key]
	return len(given) == 0 || a.Fits(atom, given)
}

// holds tells whether nothing is seen that may not be, and notes which rules made
// that so: one that forbids what may not be seen, and one that shows what may be,
// up to a form.
func (w *walk) holds(at policy.State) bool {
	d := w.scope.Decide(at)[0]
	var seen []gateway.Field
	for _, f := range w.fields {
		if form, shown := d.Show[f]; shown && w.t.most(f).Wider(form) {
			seen = append(seen, f)
		}
	}
	if len(seen) > 0 {
		w.fail(d, seen)
		return false
	}
	for _, r := range w.scope.Applying(at) {
		if r.Never || len(w.t.e.AtMost) > 0 {
			w.t.cover(r.ID)
		}
	}
	return true
}

// fail tells who sees what, by an offer of which it is so.
func (w *walk) fail(d *gateway.Decision, seen []gateway.Field) {
	t, c := w.t, w.condition()
	q := policy.Request{Kind: gateway.KindCapacity, Offer: c.offer(w.scope.Recipient), Recipient: w.scope.Recipient, Day: w.day}
	when := c.suffix()
	if w.day != t.env.Today {
		when += " [" + string(w.day) + "]"
	}
	if len(t.e.Never) == len(gateway.Fields()) { // of somebody who sees nothing at all, one line says enough
		rules := strings.Join(d.Rules, ", ")
		t.fail("", fmt.Sprintf("%s sees fields %v%s, by rule %s", w.to.english, seen, when, rules),
			fmt.Sprintf("%s ziet velden %v%s, volgens regel %s", w.to.dutch, seen, when, rules))
		return
	}
	for _, f := range seen {
		rules := cmp.Or(t.shownBy(q, f), strings.Join(d.Rules, ", "))
		t.fail(f, fmt.Sprintf("%s sees %s as %s%s, by rule %s", w.to.english, f, d.Show[f], when, rules),
			fmt.Sprintf("%s ziet veld %s %s%s, volgens regel %s", w.to.dutch, f, inDutch(d.Show[f]), when, rules))
	}
}

// condition is an offer that is so as the path says: of each aspect the least that
// puts it in its case.
func (w *walk) condition() condition {
	var c condition
	for i, chosen := range w.path {
		a := &w.scope.Aspects[i]
		var least *policy.Atom
		for j := range a.Cases[chosen].Atoms {
			if atom := &a.Cases[chosen].Atoms[j]; w.fits(i, *atom) && (least == nil || len(atom.Groups) < len(least.Groups)) {
				least = atom
			}
		}
		switch {
		case a.Key == policy.AspectDay || a.Key == policy.AspectCodes: // codes only withhold
		case a.Key == keyAllotment:
			c.allot(a, *least)
		default:
			c.set(a.Key, w.values(a, *least))
		}
	}
	for _, key := range conditionKeys() { // what no rule asks
		if given := w.t.e.Given[key]; len(given) > 0 && !slices.Contains(c.asked, key) {
			c.set(key, given[:1])
		}
	}
	slices.SortFunc(c.asked, func(a, b string) int {
		return cmp.Compare(slices.Index(conditionKeys(), a), slices.Index(conditionKeys(), b))
	})
	return c
}

// values are such as an atom is about, given ones if they can be.
func (w *walk) values(a *policy.Aspect, atom policy.Atom) []string {
	given := w.t.e.Given[a.Key]
	var values []string
	for _, g := range atom.Groups {
		i := slices.IndexFunc(given, func(v string) bool { return a.GroupOf(v) == g })
		switch group := a.Groups[g]; {
		case i >= 0:
			values = append(values, given[i])
		case group.Other:
			values = append(values, w.another(a))
		default:
			values = append(values, group.Values[0])
		}
	}
	if len(given) > 0 && !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(given, v) }) {
		values = append(values, given[0]) // one that makes no difference beside the others
	}
	return values
}

// another is a code of today that no group names.
func (w *walk) another(a *policy.Aspect) string {
	for _, code := range w.t.env.Lists[a.List].Codes {
		if a.Groups[a.GroupOf(code.Code)].Other && w.day.Within(code.ValidFrom, code.ValidUntil) {
			return code.Code
		}
	}
	return ""
}
