// Package calendar knows on which days people work: Dutch public holidays, the
// closing periods of a party, and terms counted in working days or weeks. Use it
// wherever something is due. It is pure: the day of today is an argument, and
// all days are those of the Netherlands (gateway.Date, gateway.DateOf).
package calendar

import (
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Closed says when nobody works, beside Saturdays and Sundays. The zero value is
// the public holidays with Bevrijdingsdag in lustrum years, and no closing periods.
type Closed struct {
	Holidays Holidays
	Periods  []gateway.Closing // one without both ends, or that ends before it begins, is no day at all
}

// MaxPause is how many days one count steps over because a party is closed that
// would otherwise be working days: twelve weeks. Those beyond count as if it were
// open: nobody stops a clock for good by saying that he is closed.
const MaxPause = 60

// The first and the last day that a gateway.Date can write. A count that would
// go further ends there.
const (
	firstDate = gateway.Date("0001-01-01")
	lastDate  = gateway.Date("9999-12-31")
)

// IsWorkingDay tells whether people work on a day. A day that is not one, such
// as the empty Date, is no working day.
func IsWorkingDay(day gateway.Date, c Closed) bool {
	d, ok := numberOf(day)
	return ok && !c.free(d) && !within(d, c.periods())
}

// AddWorkingDays is the n-th working day after from, or before it when n is
// negative; n = 0 is from itself, whatever day that is. The day on which
// something arrives is thus not counted. A from that is no day gives the empty Date.
func AddWorkingDays(from gateway.Date, n int, c Closed) gateway.Date {
	d, ok := numberOf(from)
	if !ok {
		return ""
	}
	w := walk(d, n < 0, c)
	for range max(n, -n) {
		if !w.next() {
			break
		}
	}
	return dateOf(w.day)
}

// WorkingDaysBetween counts the working days after from until and with to; it is
// negative when to lies before from. It undoes AddWorkingDays:
// WorkingDaysBetween(d, AddWorkingDays(d, n, c), c) is n. With a from or to that
// is no day it is 0.
func WorkingDaysBetween(from, to gateway.Date, c Closed) int {
	a, okA := numberOf(from)
	b, okB := numberOf(to)
	if !okA || !okB {
		return 0
	}
	w, n := walk(a, b < a, c), 0
	for w.next() && (w.day-b)*w.step <= 0 {
		n++
	}
	return n * w.step
}

// FirstWorkingDay is day itself when people work then, and otherwise the first
// working day after it.
func FirstWorkingDay(day gateway.Date, c Closed) gateway.Date {
	if IsWorkingDay(day, c) {
		return day
	}
	return AddWorkingDays(day, 1, c)
}

// Overdue tells whether a day by which something had to be done is over at now.
// What has no such day is never overdue.
func Overdue(due gateway.Date, now time.Time) bool {
	return due != "" && gateway.DateOf(now) > due
}

// walker goes from working day to working day.
type walker struct {
	day, step   int
	pause       int // closed days that may still be stepped over
	first, last int
	closed      Closed
	periods     [][2]int
	year        int
	holidays    map[int]bool // of that year
}

func walk(from int, back bool, c Closed) *walker {
	first, _ := numberOf(firstDate)
	last, _ := numberOf(lastDate)
	w := &walker{day: from, step: 1, pause: MaxPause, first: first, last: last, closed: c, periods: c.periods()}
	if back {
		w.step = -1
	}
	return w
}

// next goes to the next working day; false, at the last day there is, when there
// is none.
func (w *walker) next() bool {
	for w.day != w.end() {
		w.day += w.step
		if weekend(w.day) || w.holiday(w.day) {
			continue
		}
		if w.pause == 0 || !within(w.day, w.periods) {
			return true
		}
		w.pause--
	}
	return false
}

func (w *walker) end() int {
	if w.step < 0 {
		return w.first
	}
	return w.last
}

func (w *walker) holiday(d int) bool {
	if y := timeOf(d).Year(); w.holidays == nil || y != w.year {
		w.year, w.holidays = y, w.closed.Holidays.days(y)
	}
	return w.holidays[d]
}

// free tells whether a day is in a weekend or a holiday.
func (c Closed) free(d int) bool {
	return weekend(d) || c.Holidays.days(timeOf(d).Year())[d]
}

func (c Closed) periods() [][2]int {
	var all [][2]int
	for _, p := range c.Periods {
		from, ok1 := numberOf(p.From)
		until, ok2 := numberOf(p.Until)
		if ok1 && ok2 && from <= until {
			all = append(all, [2]int{from, until})
		}
	}
	return all
}

func within(d int, periods [][2]int) bool {
	for _, p := range periods {
		if p[0] <= d && d <= p[1] {
			return true
		}
	}
	return false
}

// Days are counted from 1970-01-01, a Thursday. A civil day has no time zone.

const secondsPerDay = 24 * 60 * 60

func numberOf(day gateway.Date) (int, bool) {
	t, err := time.Parse(time.DateOnly, string(day))
	if err != nil || day < firstDate {
		return 0, false
	}
	return int(t.Unix() / secondsPerDay), true
}

func number(year int, month time.Month, day int) int {
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

func timeOf(d int) time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

func dateOf(d int) gateway.Date { return gateway.Date(timeOf(d).Format(time.DateOnly)) }

func weekend(d int) bool {
	day := timeOf(d).Weekday()
	return day == time.Saturday || day == time.Sunday
}
