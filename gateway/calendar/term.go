package calendar

import (
	"regexp"
	"strconv"

	"github.com/doorstroom/doorstroom/gateway"
)

// Unit is what a term is counted in.
type Unit int

const (
	WorkingDays Unit = iota + 1
	Days
	Weeks
	Months
)

// MaxCount is the largest number in a term.
const MaxCount = 999

// Term is how long somebody has for something: "5 werkdagen", "8 weken". The
// zero Term is none.
type Term struct {
	Count int
	Unit  Unit
}

type unitName struct {
	unit     Unit
	one, all string // Dutch, as written
	iso      string // ISO 8601, which has no working days
}

func unitNames() []unitName {
	return []unitName{
		{WorkingDays, "werkdag", "werkdagen", ""},
		{Days, "dag", "dagen", "D"},
		{Weeks, "week", "weken", "W"},
		{Months, "maand", "maanden", "M"},
	}
}

// ParseTerm reads "5 werkdagen", "1 week", "14 dagen" or "2 maanden", or the ISO
// 8601 form of those that have one: P8W, P14D, P2M.
func ParseTerm(s string) (Term, error) {
	if m := regexp.MustCompile(`^([1-9][0-9]{0,2}) ([a-z]+)$`).FindStringSubmatch(s); m != nil {
		for _, u := range unitNames() {
			if m[2] == u.one || m[2] == u.all {
				return term(m[1], u.unit), nil
			}
		}
	}
	if m := regexp.MustCompile(`^P([1-9][0-9]{0,2})([DWM])$`).FindStringSubmatch(s); m != nil {
		for _, u := range unitNames() {
			if m[2] == u.iso {
				return term(m[1], u.unit), nil
			}
		}
	}
	return Term{}, gateway.Errorf(gateway.Invalid, "a term is written as 5 werkdagen, 8 weken, 14 dagen or 2 maanden, or as P8W, P14D or P2M")
}

// TermOf is a term of the state table of referrals: working days, or else weeks.
func TermOf(t gateway.Term) Term {
	switch {
	case t.WorkingDays > 0:
		return Term{Count: t.WorkingDays, Unit: WorkingDays}
	case t.Weeks > 0:
		return Term{Count: t.Weeks, Unit: Weeks}
	}
	return Term{}
}

func term(digits string, unit Unit) Term {
	n, _ := strconv.Atoi(digits) // three digits at most
	return Term{Count: n, Unit: unit}
}

// String is the term in Dutch, as ParseTerm reads it; empty for the zero Term
// and for what is no term.
func (t Term) String() string {
	for _, u := range unitNames() {
		if u.unit != t.Unit || t.Count < 1 || t.Count > MaxCount {
			continue
		}
		name := u.all
		if t.Count == 1 {
			name = u.one
		}
		return strconv.Itoa(t.Count) + " " + name
	}
	return ""
}

// MarshalText writes a term as String does.
func (t Term) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a term as ParseTerm does; empty text is the zero Term.
func (t *Term) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*t = Term{}
		return nil
	}
	read, err := ParseTerm(string(text))
	if err != nil {
		return err
	}
	*t = read
	return nil
}

// Due is the last day of a term that begins on a day, which itself is not
// counted.
//
// Working days step over weekends, holidays and closing periods. Days, weeks and
// months go by the calendar, a month ending on the last day where there is no
// such day; when they end in a weekend or on a holiday the next day that is
// neither is the last, as article 1 of the Algemene termijnenwet has it. Closing
// periods do not lengthen these: "at most 8 weeks" is a promise to somebody who waits.
//
// The zero Term has no last day, and neither has one that begins on no day.
func (t Term) Due(from gateway.Date, c Closed) gateway.Date {
	d, ok := numberOf(from)
	if !ok || t.String() == "" {
		return ""
	}
	switch t.Unit {
	case WorkingDays:
		return AddWorkingDays(from, t.Count, c)
	case Days:
		d += t.Count
	case Weeks:
		d += 7 * t.Count
	case Months:
		d = addMonths(d, t.Count)
	}
	if last, _ := numberOf(lastDate); d > last {
		return lastDate
	}
	return FirstWorkingDay(dateOf(d), Closed{Holidays: c.Holidays})
}

func addMonths(d, n int) int {
	year, month, day := timeOf(d).Date()
	first := timeOf(number(year, month, 1)).AddDate(0, n, 0)
	length := first.AddDate(0, 1, -1).Day()
	return number(first.Year(), first.Month(), min(day, length))
}
