package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// people decides an expectation about messages on persons: what is told by one
// message that is as given, and what may not be told by any.
func (t *trial) people() {
	if len(t.e.Told) > 0 {
		t.told()
	}
	if len(t.e.Never) > 0 || t.e.Silent {
		t.untold()
	}
}

// told tries each message that the expectation describes: silent on the rest.
func (t *trial) told() {
	one := t.asGiven(aspects{{silence}, {silence}, {silence}, {""}, {string(cmp.Or(t.e.On, t.env.Today))}})
	for _, to := range t.examined() {
		one.each(t.e.Kind, func(q policy.Personal, _ [nAspect]int) bool {
			q.Recipient = to.on(q.Day)
			t.cells++
			return t.hears(to, q)
		})
	}
}

// hears compares one answer with what is expected.
func (t *trial) hears(to recipient, q policy.Personal) bool {
	x := t.p.ExplainPersonal(q)
	if !x.Allowed {
		t.fail("", fmt.Sprintf("%s is told nothing%s", to.english, t.about(q)), fmt.Sprintf("%s hoort niets%s: %s", to.dutch, t.about(q), whyNot(x)))
		return false
	}
	ok := true
	var by []string
	for _, f := range x.Fields {
		switch goes, wanted := f.Form == gateway.Exact, slices.Contains(t.e.Told, f.Field); {
		case wanted && !goes:
			ok = false
			t.fail(f.Field, fmt.Sprintf("%s is not told %s%s", to.english, f.Field, t.about(q)),
				fmt.Sprintf("%s hoort veld %s niet%s: %s. %s", to.dutch, f.Field, t.about(q), f.Reason, f.Needs))
		case goes && !wanted && t.e.Only:
			ok = false
			t.fail(f.Field, fmt.Sprintf("%s is told %s%s", to.english, f.Field, t.about(q)),
				fmt.Sprintf("%s hoort veld %s%s: %s", to.dutch, f.Field, t.about(q), f.Reason))
		case wanted || t.e.Only:
			by = append(by, f.Rules...)
		}
	}
	if ok {
		t.cover(by...)
	}
	return ok
}

// whyNot says what keeps a message from going.
func whyNot(x policy.Explanation) string {
	if x.DeniedBy != "default" {
		return "regel " + x.DeniedBy + " verbiedt het"
	}
	var near []string
	for _, r := range x.Rules {
		if r.Effect == "show" && !slices.ContainsFunc(r.Because, func(s string) bool { return strings.HasPrefix(s, "de regel gaat over berichten") }) {
			near = append(near, "regel "+r.ID+" geldt hier niet: "+strings.Join(r.Because, "; "))
		}
	}
	if len(near) == 0 {
		return "geen enkele regel toont zo'n bericht"
	}
	return strings.Join(near, ". ")
}

// untold tries all that the policy can tell apart, for whoever the expectation is
// about, from today on.
func (t *trial) untold() {
	fields := t.e.Never
	if t.e.Silent {
		fields = gateway.PersonalFields(t.e.Kind)
	}
	for _, to := range t.everyone() {
		all := personAspects(t.e.Kind, t.env.Today, []*policy.Policy{t.p})
		for _, day := range t.days(to) {
			all[aspectPeriod] = append(all[aspectPeriod], string(day))
		}
		if t.e.On != "" {
			all[aspectPeriod] = []string{string(t.e.On)}
		}
		slices.Reverse(all[aspectGrondslag]) // silence first: it is the shortest to tell of
		slices.Reverse(all[aspectTrajectsoort])
		slices.Sort(all[aspectPeriod])
		all[aspectPeriod] = slices.Compact(all[aspectPeriod])
		if all = t.asGiven(all); all.size() > maxStates {
			t.tooMany()
			return
		}
		if !all.each(t.e.Kind, func(q policy.Personal, _ [nAspect]int) bool {
			q.Recipient = to.on(q.Day)
			t.cells++
			return t.hearsNot(to, q, fields)
		}) {
			return
		}
	}
}

// hearsNot tells whether nothing is told that may not be, and notes which rules
// made that so.
func (t *trial) hearsNot(to recipient, q policy.Personal, fields []gateway.Field) bool {
	told := t.p.Tell(q)
	if told.Allowed && t.e.Silent {
		rules := strings.Join(told.Rules, ", ")
		t.fail("", fmt.Sprintf("%s is told of a person%s, by rule %s", to.english, t.about(q), rules),
			fmt.Sprintf("%s hoort van een persoon%s, volgens regel %s", to.dutch, t.about(q), rules))
		return false
	}
	ok := true
	for _, f := range told.Fields {
		if slices.Contains(t.e.Never, f) {
			ok = false
			rules := strings.Join(told.Rules, ", ")
			t.fail(f, fmt.Sprintf("%s is told %s%s, by rule %s", to.english, f, t.about(q), rules),
				fmt.Sprintf("%s hoort veld %s%s, volgens regel %s", to.dutch, f, t.about(q), rules))
		}
	}
	for _, r := range t.p.TellsBy(q, fields) {
		if ok && r.Never {
			t.cover(r.ID)
		}
	}
	return ok
}

// asGiven leaves those cases of aspects that the expectation gives, where it gives
// any.
func (t *trial) asGiven(all aspects) aspects {
	for i, key := range map[int]string{aspectState: keyReferral, aspectGrondslag: keyGrondslag, aspectTrajectsoort: keyTrajectsoort} {
		if given := t.e.Given[key]; len(given) > 0 {
			all[i] = given
		}
	}
	return all
}

// about says of what message an answer is, for a sentence about it.
func (t *trial) about(q policy.Personal) string {
	parts := []string{q.Kind}
	for _, said := range []struct{ key, value string }{
		{keyReferral, string(q.Status)}, {keyGrondslag, q.Grondslag}, {keyTrajectsoort, q.Trajectsoort},
	} {
		if said.value != silence && said.value != other {
			parts = append(parts, said.key+" "+said.value)
		}
	}
	for _, c := range q.Classes {
		parts = append(parts, "klasse "+string(c))
	}
	text := " (" + strings.Join(parts, ", ") + ")"
	if q.Day != t.env.Today {
		text += " [" + string(q.Day) + "]"
	}
	return text
}
