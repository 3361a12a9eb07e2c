package scenario

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// cell is how a field looks in a snapshot; empty if it is not in it.
func cell(f gateway.Field, c gateway.Capacity) string {
	switch f {
	case gateway.FieldMaximum:
		return numbers(c.Places, func(p gateway.CapacityPlaces) *int { return p.Maximum })
	case gateway.FieldAvailable:
		return bands(c.Places)
	case gateway.FieldAllotments:
		return eachAllotment(c, func(p []gateway.CapacityPlaces) string {
			return numbers(p, func(p gateway.CapacityPlaces) *int { return p.Maximum })
		})
	case gateway.FieldAllotmentsAvailable:
		return eachAllotment(c, func(p []gateway.CapacityPlaces) string {
			return cmp.Or(numbers(p, func(p gateway.CapacityPlaces) *int { return p.Available }), bands(p))
		})
	case gateway.FieldStatus:
		return statusWord(c.Status)
	}
	if c.Form(f) != gateway.None {
		return "ja"
	}
	return ""
}

func statusWord(s gateway.Status) string {
	switch s {
	case gateway.StatusCapacity:
		return "plek"
	case gateway.StatusNoCapacity:
		return "geen plek"
	case gateway.StatusWaitlist:
		return "wachtlijst"
	case gateway.StatusAssessment:
		return "onderzoek"
	}
	return string(s)
}

// numbers is the least and the most over the dagdelen: "5" or "0–5".
func numbers(places []gateway.CapacityPlaces, of func(gateway.CapacityPlaces) *int) string {
	var all []int
	for _, p := range places {
		if n := of(p); n != nil {
			all = append(all, *n)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return span(strconv.Itoa(slices.Min(all)), strconv.Itoa(slices.Max(all)))
}

// bands is the fullest and the emptiest over the dagdelen: "vol–ruim".
func bands(places []gateway.CapacityPlaces) string {
	order := []gateway.Band{gateway.Vol, gateway.Enkele, gateway.Ruim}
	low, high := len(order), -1
	for _, p := range places {
		if i := slices.Index(order, p.Band); i >= 0 {
			low, high = min(low, i), max(high, i)
		}
	}
	if high < 0 {
		return ""
	}
	return span(string(order[low]), string(order[high]))
}

func span(low, high string) string {
	if low == high {
		return low
	}
	return low + "–" + high
}

func eachAllotment(c gateway.Capacity, text func([]gateway.CapacityPlaces) string) string {
	var all []string
	for _, a := range c.Allotments {
		if t := text(a.Places); t != "" {
			all = append(all, t)
		}
	}
	return strings.Join(all, " + ")
}
