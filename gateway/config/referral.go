package config

import (
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/schemas"
)

// Terms say when the next step of a referral is due, each as "status term" or,
// for one trajectsoort, "status trajectsoort term". Of what they leave out the
// table in package gateway has the term.
type Terms []string

// ReferralTerm is one of Terms. Without Trajectsoort it is for all.
type ReferralTerm struct {
	Status       gateway.ReferralStatus
	Trajectsoort string
	Term         calendar.Term
}

// Retention says how long after its end a referral is kept, where policy does not
// promise less.
type Retention struct {
	Referrals Term `yaml:"referrals" reload:"yes"`
}

// EraseAutomatic is a value of Rights.Erase.
const EraseAutomatic = "automatic"

// Rights says what is done about requests of inhabitants. Erase is "ask", or
// EraseAutomatic: to erase a referral that has ended, when its other side asks,
// needs nobody here.
type Rights struct {
	Answer string `yaml:"answer" reload:"yes"`
	Erase  string `yaml:"erase" reload:"yes"`
}

// Term is how long the other side has for an answer.
func (r Rights) Term() calendar.Term {
	term, err := calendar.ParseTerm(r.Answer)
	if err != nil {
		return calendar.Term{Count: 20, Unit: calendar.WorkingDays}
	}
	return term
}

func checkRights(d *decoder, r Rights) {
	const day = gateway.Date("2026-06-01") // a Monday with no holiday near
	month := calendar.Term{Count: 1, Unit: calendar.Months}
	term, err := calendar.ParseTerm(r.Answer)
	if due := term.Due(day, calendar.Closed{}); err != nil || due > month.Due(day, calendar.Closed{}) {
		d.failAt("rights.answer", "expected a term of at most a month, such as 20 werkdagen: that is what the law gives")
	}
	if r.Erase != "ask" && r.Erase != EraseAutomatic {
		d.failAt("rights.erase", "expected ask or automatic")
	}
}

// defaultTerms are those of the table.
func defaultTerms() Terms {
	var terms Terms
	for _, s := range gateway.ReferralStatuses() {
		if t := calendar.TermOf(s.NextStep().Term); t != (calendar.Term{}) {
			terms = append(terms, string(s)+" "+t.String())
		}
	}
	return terms
}

// All are the terms as they were checked; what cannot be read is left out.
func (t Terms) All() []ReferralTerm {
	var all []ReferralTerm
	for _, line := range t {
		if one, problem := readTerm(line); problem == "" {
			all = append(all, one)
		}
	}
	return all
}

func readTerm(line string) (one ReferralTerm, problem string) {
	words := strings.Fields(line)
	if len(words) != 3 && len(words) != 4 {
		return one, "expected a status and a term, such as wachtlijst 13 weken, or a trajectsoort between them"
	}
	one.Status = gateway.ReferralStatus(words[0])
	if one.Status.NextStep().Owner == "" {
		return one, "expected a status of a referral that has not ended, such as wachtlijst"
	}
	if len(words) == 4 {
		one.Trajectsoort = words[1]
	}
	var err error
	if one.Term, err = calendar.ParseTerm(strings.Join(words[len(words)-2:], " ")); err != nil {
		return one, gateway.SafeMessage(err)
	}
	return one, ""
}

// checkTerms also holds the first answer, and the end of an investigation, to
// what was agreed for all: they may be shorter, not longer.
func checkTerms(d *decoder, terms Terms) {
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		panic("the code lists are embedded: " + err.Error())
	}
	seen := map[ReferralTerm]bool{}
	for i, line := range terms {
		one, problem := readTerm(line)
		if problem != "" {
			d.failAt(index("terms", i), "%s", problem)
			continue
		}
		if _, ok := lists.Find("trajectsoort", one.Trajectsoort); one.Trajectsoort != "" && !ok {
			d.failAt(index("terms", i), "expected a code of code list trajectsoort after the status")
		}
		const day = gateway.Date("2026-06-01") // a Monday with no holiday near
		most := calendar.TermOf(one.Status.NextStep().Term)
		agreed := one.Status == gateway.Requested || one.Status == gateway.Investigating
		if agreed && one.Term.Due(day, calendar.Closed{}) > most.Due(day, calendar.Closed{}) {
			d.failAt(index("terms", i), "expected at most %s: that was agreed for everybody", most)
		}
		key := ReferralTerm{Status: one.Status, Trajectsoort: one.Trajectsoort}
		if seen[key] {
			d.failAt(index("terms", i), "this status has a term already; keep one")
		}
		seen[key] = true
	}
}

func checkRetention(d *decoder, r Retention) {
	if years, months, days, ok := r.Referrals.parts(); !ok || years*365+months*30+days > 366 {
		d.failAt("retention.referrals", "expected a term of at most a year, as in P90D or P3M")
	}
}
