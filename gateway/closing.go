package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Closing is a stretch of days on which a party is closed, both ends included.
type Closing struct {
	From  Date `json:"from" yaml:"from"`
	Until Date `json:"until" yaml:"until"`
}

// How much a party may be closed: what others may see of it waits.
const (
	MaxClosings    = 24 // told at once
	MaxClosingDays = 62
)

// CheckClosings says what is wrong with the closing periods of a party: each has
// two days in order and not too many between them, and no two overlap.
func CheckClosings(all []Closing) error {
	if len(all) > MaxClosings {
		return Errorf(Invalid, "a party has at most %d closing periods", MaxClosings)
	}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b Closing) int { return strings.Compare(string(a.From), string(b.From)) })
	for i, c := range sorted {
		from, err := time.Parse(time.DateOnly, string(c.From))
		until, err2 := time.Parse(time.DateOnly, string(c.Until))
		switch {
		case err != nil || err2 != nil:
			return Errorf(Invalid, "a closing period has a first and a last day, such as 2026-07-20")
		case until.Before(from):
			return Errorf(Invalid, "a closing period ends before it begins")
		case until.After(from.AddDate(0, 0, MaxClosingDays-1)):
			return Errorf(Invalid, "a closing period has at most %d days", MaxClosingDays)
		case i > 0 && c.From <= sorted[i-1].Until:
			return Errorf(Invalid, "two closing periods overlap")
		}
	}
	return nil
}

// helloClosed begins the names under which a hello tells closing periods, among
// the versions of code lists as HelloApproval is: closed-01 is
// "2026-07-20.2026-08-07". They are not in the register, which older programs
// refuse as a whole for one member more, and no member of their own, for the same
// reason.
const helloClosed = "closed-"

// TellClosed puts closing periods in a hello: those that are not over on a day.
func (h *Hello) TellClosed(all []Closing, day Date) {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b Closing) int { return strings.Compare(string(a.From), string(b.From)) })
	for _, c := range sorted {
		if n := len(h.Closed()) + 1; c.Until >= day && n <= MaxClosings {
			h.CodeLists[fmt.Sprintf("%s%02d", helloClosed, n)] = string(c.From) + "." + string(c.Until)
		}
	}
}

// Closed are the closing periods that a peer tells of itself, in order. When they
// are not as CheckClosings wants them, there are none.
func (h *Hello) Closed() []Closing {
	if h == nil {
		return nil
	}
	var all []Closing
	for name, value := range h.CodeLists {
		if strings.HasPrefix(name, helloClosed) {
			from, until, _ := strings.Cut(value, ".")
			all = append(all, Closing{From: Date(from), Until: Date(until)})
		}
	}
	if CheckClosings(all) != nil {
		return nil
	}
	slices.SortFunc(all, func(a, b Closing) int { return strings.Compare(string(a.From), string(b.From)) })
	return all
}
