package gateway

import (
	"encoding/json"
	"sync"
	"time"
	_ "time/tzdata" // the Dutch calendar must not depend on the machine
)

// RawJSON is JSON kept as the bytes that came in.
type RawJSON = json.RawMessage

// Date is a calendar day in the Netherlands, written 2026-11-01. The empty Date
// means "no bound". Dates compare as strings.
type Date string

// ParseDate reads a day written as 2006-01-02.
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", Errorf(Invalid, "a date is written as 2026-11-01")
	}
	return Date(s), nil
}

var amsterdam = sync.OnceValue(func() *time.Location {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic("time zone data is compiled in: " + err.Error())
	}
	return loc
})

// Amsterdam is the time zone of every Date and of the fixed moment at which
// availability bands are evaluated.
func Amsterdam() *time.Location { return amsterdam() }

// DateOf is the day it is in the Netherlands at t.
func DateOf(t time.Time) Date { return Date(t.In(amsterdam()).Format(time.DateOnly)) }

// Within tells whether d lies in [from, until]; an empty bound is open.
func (d Date) Within(from, until Date) bool {
	return (from == "" || d >= from) && (until == "" || d <= until)
}

// Next is the day after d.
func (d Date) Next() Date { return d.AddDays(1) }

// AddDays is the day n days after d; "" if d is no date.
func (d Date) AddDays(n int) Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return ""
	}
	return Date(t.AddDate(0, 0, n).Format(time.DateOnly))
}
