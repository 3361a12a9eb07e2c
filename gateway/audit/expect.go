package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Outcome is what became of one expectation.
type Outcome struct {
	Expectation policy.Expectation `json:"expectation"`
	Held        bool               `json:"held"`
	Cells       int                `json:"cells"` // requests that were decided
	Problems    []policy.Problem   `json:"problems,omitempty"`
}

// Expected is what became of all of them, and the rules that none of them
// covers: those that could be taken out without any expectation noticing that
// they did something it is about.
type Expected struct {
	Outcomes  []Outcome         `json:"outcomes"`
	Uncovered []policy.RuleInfo `json:"uncovered"`
}

// Failed are the problems of the expectations that do not hold.
func (x Expected) Failed() policy.Problems {
	var all policy.Problems
	for _, o := range x.Outcomes {
		all = append(all, o.Problems...)
	}
	return all
}

// LoadExpected is policy.Load, and refuses a policy whose expectations, which are
// among the files, cannot be read or do not hold. The error is a policy.Problems.
func LoadExpected(files []policy.File, env policy.Env) (*policy.Policy, []policy.Problem, error) {
	p, warnings, err := policy.Load(files, env)
	if err != nil {
		return nil, nil, err
	}
	expectations, err := policy.Expectations(files, env)
	if err != nil {
		return nil, nil, err
	}
	if failed := Expect(p, expectations, env).Failed(); len(failed) > 0 {
		return nil, nil, failed
	}
	return p, warnings, nil
}

// Expect decides each expectation: what is expected of one offer by that offer,
// and what is expected of every offer by all that the policy can tell apart.
// env is that of the policy.
func Expect(p *policy.Policy, expectations []policy.Expectation, env policy.Env) Expected {
	var x Expected
	covered := map[string]bool{}
	for _, e := range expectations {
		t := trial{p: p, env: env, e: e, covered: covered}
		t.examples()
		t.invariants()
		x.Outcomes = append(x.Outcomes, Outcome{Expectation: e, Held: len(t.problems) == 0, Cells: t.cells, Problems: t.problems})
	}
	for _, r := range p.Rules() {
		if !covered[r.ID] {
			x.Uncovered = append(x.Uncovered, r)
		}
	}
	return x
}

// trial is one expectation under way.
type trial struct {
	p        *policy.Policy
	env      policy.Env
	e        policy.Expectation
	covered  map[string]bool // rules, by id
	cells    int
	problems []policy.Problem
}

func (t *trial) fail(f gateway.Field, english, dutch string) {
	t.problems = append(t.problems, t.e.Fails(f, english, dutch))
}

// examples tries each offer that the expectation describes, in full.
func (t *trial) examples() {
	if len(t.e.Shows) == 0 {
		return
	}
	day := cmp.Or(t.e.On, t.env.Today)
	for _, to := range t.examined() {
		r := to.on(day)
		for _, c := range conditionsOf(t.e.Given, policy.Asked{}, false, t.env) {
			q := policy.Request{Kind: gateway.KindCapacity, Offer: c.offer(r), Recipient: r, Day: day}
			t.cells++
			if !t.example(to, c, q) {
				return
			}
		}
	}
}

// example compares one decision with what is expected.
func (t *trial) example(to recipient, c condition, q policy.Request) bool {
	x := t.p.Explain(q)
	ok := true
	for _, f := range x.Fields {
		want, named := t.e.Shows[f.Field]
		if !named && t.e.Only {
			want = gateway.None
		}
		if (named || t.e.Only) && f.Form != want {
			ok = false
			t.fail(f.Field, fmt.Sprintf("%s sees %s as %s, not as %s%s", to.english, f.Field, f.Form, want, c.suffix()),
				strings.TrimSpace(fmt.Sprintf("%s ziet veld %s %s in plaats van %s%s: %s. %s",
					to.dutch, f.Field, inDutch(f.Form), inDutch(want), c.suffix(), f.Reason, f.Needs)))
			continue
		}
		if want != "" {
			t.cover(f.Rules...)
		}
	}
	return ok
}

func (t *trial) cover(ids ...string) {
	for _, id := range ids {
		t.covered[id] = true
	}
}

// maxCells bounds what one expectation may cost. What is not decided has failed.
const maxCells = 2_000_000

// invariants tries all that the policy can tell apart, for whoever the
// expectation is about, on every day from today on which something changes.
func (t *trial) invariants() {
	fields := t.bounded()
	if len(fields) == 0 {
		return
	}
	for _, to := range t.everyone() {
		for _, day := range t.days(to, fields) {
			r := to.on(day)
			asked := t.p.Asks(gateway.KindCapacity, r, fields)
			unseen := slices.DeleteFunc(asked.Rules, func(r policy.RuleInfo) bool { return t.covered[r.ID] })
			conditions := conditionsOf(t.e.Given, asked, true, t.env)
			if t.cells += len(conditions); len(conditions) == 0 || t.cells > maxCells {
				t.fail("", fmt.Sprintf("more than %d combinations to decide; say more under bij", maxCells),
					fmt.Sprintf("meer dan %d combinaties om te beslissen; noem meer bij bij", maxCells))
				return
			}
			for _, c := range conditions {
				q := policy.Request{Kind: gateway.KindCapacity, Offer: c.offer(r), Recipient: r, Day: day}
				if !t.holds(to, c, q, fields) {
					return
				}
				unseen = t.note(q, unseen)
			}
		}
	}
}

// bounded are the fields that Never and AtMost are about.
func (t *trial) bounded() []gateway.Field {
	var fields []gateway.Field
	for _, f := range gateway.Fields() {
		if _, limited := t.e.AtMost[f]; limited || slices.Contains(t.e.Never, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

// note covers the rules that matter to the expectation and apply here: a rule
// that forbids what may not be seen, and one that shows what may be, up to a form.
func (t *trial) note(q policy.Request, unseen []policy.RuleInfo) []policy.RuleInfo {
	if len(unseen) == 0 {
		return nil
	}
	applying := t.p.Applying(q)
	return slices.DeleteFunc(unseen, func(r policy.RuleInfo) bool {
		if !slices.Contains(applying, r.ID) || !r.Never && len(t.e.AtMost) == 0 {
			return false
		}
		t.cover(r.ID)
		return true
	})
}

// holds tells whether nothing is seen that may not be.
func (t *trial) holds(to recipient, c condition, q policy.Request, fields []gateway.Field) bool {
	d := t.p.Decide(q)
	var seen []gateway.Field
	for _, f := range fields {
		most := cmp.Or(t.e.AtMost[f], gateway.None)
		if slices.Contains(t.e.Never, f) {
			most = gateway.None
		}
		if form, shown := d.Show[f]; shown && most.Wider(form) {
			seen = append(seen, f)
		}
	}
	if len(seen) == 0 {
		return true
	}
	when := c.suffix()
	if q.Day != t.env.Today {
		when += " [" + string(q.Day) + "]"
	}
	if len(t.e.Never) == len(gateway.Fields()) { // of somebody who sees nothing at all, one line says enough
		t.fail("", fmt.Sprintf("%s sees fields %v%s, by rule %s", to.english, seen, when, strings.Join(d.Rules, ", ")),
			fmt.Sprintf("%s ziet velden %v%s, volgens regel %s", to.dutch, seen, when, strings.Join(d.Rules, ", ")))
		return false
	}
	for _, f := range seen {
		rules := strings.Join(t.shownBy(q, f), ", ")
		t.fail(f, fmt.Sprintf("%s sees %s as %s%s, by rule %s", to.english, f, d.Show[f], when, rules),
			fmt.Sprintf("%s ziet veld %s %s%s, volgens regel %s", to.dutch, f, inDutch(d.Show[f]), when, rules))
	}
	return false
}

// shownBy are the rules by which a field is seen.
func (t *trial) shownBy(q policy.Request, f gateway.Field) []string {
	for _, x := range t.p.Explain(q).Fields {
		if x.Field == f {
			return x.Rules
		}
	}
	return nil
}

func inDutch(f gateway.Form) string {
	if f == gateway.None {
		return "niet"
	}
	return "als " + string(f)
}

// days are those on which the answer may differ: that of the expectation, or
// today and each later one on which a rule, mandate or gemeente begins or ends.
func (t *trial) days(to recipient, fields []gateway.Field) []gateway.Date {
	if t.e.On != "" {
		return []gateway.Date{t.e.On}
	}
	days := []gateway.Date{t.env.Today}
	later := slices.Clone(to.days)
	for _, day := range append([]gateway.Date{t.env.Today}, to.days...) {
		later = append(later, t.p.Asks(gateway.KindCapacity, to.on(day), fields).Days...)
	}
	slices.Sort(later)
	for _, day := range slices.Compact(later) {
		if day > t.env.Today {
			days = append(days, day)
		}
	}
	return days
}
