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
	Cells       int                `json:"cells"` // cases that were decided
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
		if e.Kind != "" {
			t.people()
		} else {
			t.examples()
			t.invariants()
		}
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
		for _, c := range examplesOf(t.e.Given) {
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

// invariants tries all that the policy can tell apart, for whoever the
// expectation is about, on every day from today on which something changes.
func (t *trial) invariants() {
	fields := t.bounded()
	if len(fields) == 0 {
		return
	}
	for _, to := range t.everyone() {
		days := t.days(to)
		for i, first := range days {
			var next gateway.Date
			if i+1 < len(days) {
				next = days[i+1]
			}
			if !t.walk(to, fields, first, next) {
				return
			}
		}
	}
}

// walk tries all from a day on until the recipient becomes another; false if the
// expectation failed.
func (t *trial) walk(to recipient, fields []gateway.Field, first, next gateway.Date) bool {
	s, err := policy.NewFieldScope(fields, to.on(first), first, t.p)
	if err != nil {
		t.tooMany()
		return false
	}
	for _, day := range s.Days() {
		if t.e.On != "" && day > first || next != "" && day >= next {
			break
		}
		w := walk{t: t, to: to, fields: fields, scope: s, day: day, known: map[string]bool{}}
		if !w.from(0, s.Start()) {
			return false
		}
	}
	return true
}

// tooMany fails what cannot be decided.
func (t *trial) tooMany() {
	t.fail("", fmt.Sprintf("more than %d combinations to decide; say more under bij", maxStates),
		fmt.Sprintf("meer dan %d combinaties om te beslissen; noem meer bij bij", maxStates))
}

// most is the widest form in which a field may be seen.
func (t *trial) most(f gateway.Field) gateway.Form {
	if slices.Contains(t.e.Never, f) {
		return gateway.None
	}
	return cmp.Or(t.e.AtMost[f], gateway.None)
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

// shownBy are the rules by which a field is seen, if it is.
func (t *trial) shownBy(q policy.Request, f gateway.Field) string {
	for _, x := range t.p.Explain(q).Fields {
		if x.Field == f && x.Form != gateway.None {
			return strings.Join(x.Rules, ", ")
		}
	}
	return ""
}

func inDutch(f gateway.Form) string {
	if f == gateway.None {
		return "niet"
	}
	return "als " + string(f)
}

// days are that of the expectation, or today and each later one on which the
// recipient becomes another: a mandate or gemeente of it begins or ends.
func (t *trial) days(to recipient) []gateway.Date {
	if t.e.On != "" {
		return []gateway.Date{t.e.On}
	}
	days := []gateway.Date{t.env.Today}
	for _, day := range to.days {
		if day > t.env.Today {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}
