package config

import (
	"regexp"
	"strconv"
	"time"
)

// Term is a length of time as ISO 8601 writes it, in years, months and days: P7Y,
// P1Y6M, P400D.
type Term string

func (t Term) parts() (years, months, days int, ok bool) {
	m := regexp.MustCompile(`^P(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,5})D)?$`).FindStringSubmatch(string(t))
	if m == nil || len(t) < 3 {
		return 0, 0, 0, false
	}
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // "" is none
		return n
	}
	return number(m[1]), number(m[2]), number(m[3]), true
}

// Before is the moment that lies so long before another. A Term that cannot be
// read is no moment at all: the zero time.
func (t Term) Before(now time.Time) time.Time {
	years, months, days, ok := t.parts()
	if !ok {
		return time.Time{}
	}
	return now.AddDate(-years, -months, -days)
}

// After is the moment that lies so long after another. A Term that cannot be read
// never ends: the zero time.
func (t Term) After(start time.Time) time.Time {
	years, months, days, ok := t.parts()
	if !ok {
		return time.Time{}
	}
	return start.AddDate(years, months, days)
}

func checkJournal(d *decoder, j Journal) {
	const want = "expected a term of at least a year, as in P7Y or P1Y6M"
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if at := j.Retention.Before(now); at.IsZero() || at.After(now.AddDate(-1, 0, 0)) {
		d.failAt("journal.retention", want)
	}
}
