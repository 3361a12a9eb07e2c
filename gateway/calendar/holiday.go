package calendar

import (
	"cmp"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Holidays says which public holidays count. All parties of a region should use
// the same, or they disagree by a day on what is due. The zero value is the default.
//
// Always: Nieuwjaarsdag, Tweede Paasdag, Koningsdag, Hemelvaartsdag, Tweede
// Pinksterdag and both days of Kerst, as article 3 of the Algemene termijnenwet
// names them. That law has also 5 May of every year and Goede Vrijdag, which most
// collective agreements do not: 5 May is a day off in lustrum years only
// (rijksoverheid.nl leaves it to employer and agreement). The Cao Gemeenten has
// it every year since 2024 (article 6.6): a region of gemeenten sets EveryYear.
type Holidays struct {
	Bevrijdingsdag Bevrijdingsdag
	GoedeVrijdag   bool
}

// Bevrijdingsdag says in which years nobody works on 5 May.
type Bevrijdingsdag string

const (
	Lustrum   Bevrijdingsdag = "" // years that 5 divides: 2025, 2030
	EveryYear Bevrijdingsdag = "every-year"
	NoYear    Bevrijdingsdag = "never"
)

// Holiday is a public holiday with its Dutch name.
type Holiday struct {
	Day  gateway.Date
	Name string
}

// Of lists the holidays of a year that count, in order of day, those in a weekend
// included. Koningsdag is that of King Willem-Alexander: right from 2014.
func (h Holidays) Of(year int) []Holiday {
	var all []Holiday
	for _, f := range h.feasts(year) {
		all = append(all, Holiday{Day: dateOf(f.day), Name: f.name})
	}
	slices.SortFunc(all, func(a, b Holiday) int { return cmp.Compare(a.Day, b.Day) })
	return all
}

type feast struct {
	day  int
	name string
}

func (h Holidays) feasts(year int) []feast {
	easter := easter(year)
	king := number(year, time.April, 27)
	if timeOf(king).Weekday() == time.Sunday {
		king--
	}
	all := []feast{
		{number(year, time.January, 1), "Nieuwjaarsdag"},
		{easter, "Eerste Paasdag"},
		{easter + 1, "Tweede Paasdag"},
		{king, "Koningsdag"},
		{easter + 39, "Hemelvaartsdag"},
		{easter + 49, "Eerste Pinksterdag"},
		{easter + 50, "Tweede Pinksterdag"},
		{number(year, time.December, 25), "Eerste Kerstdag"},
		{number(year, time.December, 26), "Tweede Kerstdag"},
	}
	if h.GoedeVrijdag {
		all = append(all, feast{easter - 2, "Goede Vrijdag"})
	}
	if h.Bevrijdingsdag == EveryYear || h.Bevrijdingsdag == Lustrum && year%5 == 0 {
		all = append(all, feast{number(year, time.May, 5), "Bevrijdingsdag"})
	}
	return all
}

func (h Holidays) days(year int) map[int]bool {
	days := map[int]bool{}
	for _, f := range h.feasts(year) {
		days[f.day] = true
	}
	return days
}

// easter is Easter Sunday of the Gregorian calendar, by the canon of 1582: the
// Sunday after the full moon of the church on or after 21 March.
func easter(year int) int {
	golden := year % 19
	century := year / 100
	// Age of the moon, corrected for the leap days that were left out and for the
	// drift of 19 years against 235 months (8 days in 25 centuries).
	epact := (century - century/4 - (8*century+13)/25 + 19*golden + 15) % 30
	full := epact // days after 21 March
	if epact == 29 || epact == 28 && golden > 10 {
		full-- // never later than 18 April, and no two equal in one cycle
	}
	moon := number(year, time.March, 21) + full
	return moon + 7 - int(timeOf(moon).Weekday()) // the Sunday strictly after it
}
