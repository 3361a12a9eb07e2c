package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
)

// start is one participant who takes a place of an allotment on a day.
type start struct {
	day       int
	allotment string
}

const days = 90

// region is an offer of 15 places in three allotments of 5, as 90 days of
// starts leave it at the end of each day.
func offerOn(day int, starts []start) gateway.Offer {
	taken := map[string]int{}
	for _, s := range starts {
		if s.day <= day {
			taken[s.allotment]++
		}
	}
	o := gateway.Offer{ID: "groen", Provider: "00000099000000001000", ValidFrom: "2026-01-01", ValidUntil: "2027-12-31"}
	total := 0
	for _, a := range []gateway.Allotment{
		{ID: "a", Gemeenten: []gateway.Gemeente{"gm0482"}},
		{ID: "b", Gemeenten: []gateway.Gemeente{"gm0505"}},
		{ID: "c", Gemeenten: []gateway.Gemeente{"gm0610", "gm0642"}},
	} {
		a.Places = []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 5, Occupied: min(5, taken[a.ID])}}
		total += min(5, taken[a.ID])
		o.Allotments = append(o.Allotments, a)
	}
	o.Places = []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 15, Occupied: total}}
	return o
}

// observed is what a recipient was sent in 90 days: the day and the bytes of
// every message. A message goes only when what it shows has changed.
func observed(starts []start, r gateway.Recipient, show gateway.Disclosure) []string {
	begin := time.Date(2026, 3, 2, 17, 0, 0, 0, gateway.Amsterdam())
	var s gateway.Sampling
	var sent []string
	last := ""
	for day := range days {
		o, now := offerOn(day, starts), begin.AddDate(0, 0, day)
		s = s.Advance(o, now)
		if _, hash := gateway.Project(o, s, r, show).Encode(); hash != last {
			last = hash
			sent = append(sent, fmt.Sprintf("%d %s", day, hash))
		}
	}
	return sent
}

// The attacker knows every other start, the bands, the times and the rules, and
// asks: on which days can this one participant have started? If that is one day
// only, or few, the messages tell it.
func candidates(starts []start, who int, r gateway.Recipient, show gateway.Disclosure) int {
	truth := observed(starts, r, show)
	fits := 0
	for day := range days {
		guess := slices.Clone(starts)
		guess[who].day = day
		if slices.Equal(observed(guess, r, show), truth) {
			fits++
		}
	}
	return fits
}

// TestNoStartDateFromBands: whoever is not the sole owner of an allotment
// cannot tell the day on which a participant started, from 90 days of messages
// and with everything else known: at least six days always fit. The sole owner,
// who placed the participant, sees the day; that is the control of the attack.
func TestNoStartDateFromBands(t *testing.T) {
	everything := gateway.Disclosure{}
	for _, f := range gateway.Fields() {
		forms := f.Forms()
		everything[f] = forms[len(forms)-1]
	}
	public := gateway.Disclosure{gateway.FieldTitle: gateway.Exact, gateway.FieldAvailable: gateway.Public}
	attackers := map[string]struct {
		r    gateway.Recipient
		show gateway.Disclosure
	}{
		"another gemeente":       {gateway.Recipient{Party: "00000099000000005000", Gemeenten: []gateway.Gemeente{"gm1978"}}, everything},
		"a member of a set":      {gateway.Recipient{Party: "00000099000000007000", Gemeenten: []gateway.Gemeente{"gm0610"}}, everything},
		"owner of another":       {gateway.Recipient{Party: "00000099000000004000", Gemeenten: []gateway.Gemeente{"gm0505"}}, everything},
		"the public":             {gateway.Recipient{Public: true}, public},
		"everybody's sole owner": {gateway.Recipient{Party: "00000099000000003000", Gemeenten: []gateway.Gemeente{"gm0482"}}, everything},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	least := map[string]int{}
	for range 2 {
		var starts []start
		for _, a := range []string{"a", "a", "a", "a", "a", "b", "b", "b", "c", "c", "c", "c"} {
			starts = append(starts, start{day: 3 + rng.IntN(days-20), allotment: a})
		}
		for name, attacker := range attackers {
			for who, s := range starts {
				if name == "owner of another" && s.allotment == "b" {
					continue // its own participants
				}
				n := candidates(starts, who, attacker.r, attacker.show)
				if old, ok := least[name]; !ok || n < old {
					least[name] = n
				}
			}
		}
	}
	for name, n := range least {
		if name == "everybody's sole owner" {
			if n != 1 {
				t.Errorf("%s: got %d days that fit, want 1: the attack does not work", name, n)
			}
			continue
		}
		if n < 6 {
			t.Errorf("%s: only %d days fit some participant's start, want at least 6", name, n)
		}
		t.Logf("%s: at least %d days fit", name, n)
	}
}

func TestSamplesAreAWeekApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		o := offerOn(0, nil)
		var s gateway.Sampling
		var last time.Time
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "wait")))
			next := s.Advance(o, now)
			if next.Current.At.Equal(s.Current.At) {
				continue
			}
			if !last.IsZero() && next.Current.At.Sub(last) < 6*24*time.Hour {
				t.Fatalf("sampled at %v and again at %v", last, next.Current.At)
			}
			if next.Previous != nil && !next.Previous.At.Equal(last) {
				t.Fatalf("the previous sample is of %v, want %v", next.Previous.At, last)
			}
			last, s = next.Current.At, next
		}
	})
}

// The fixed moment is Monday, four o'clock in the Netherlands, also when the
// clocks change.
func TestFixedMoment(t *testing.T) {
	for _, c := range []struct{ at, want string }{
		{"2026-03-02T08:00:00Z", "2026-03-09T03:00:00Z"}, // from a late Monday to the next
		{"2026-03-03T03:00:00Z", "2026-03-09T03:00:00Z"}, // exactly six days
		{"2026-03-03T03:01:00Z", "2026-03-16T03:00:00Z"}, // a minute less than six: a week later
		{"2026-03-23T03:00:00Z", "2026-03-30T02:00:00Z"}, // summer time begins on 29 March
		{"2026-10-19T02:00:00Z", "2026-10-26T03:00:00Z"}, // and ends on 25 October
	} {
		at, _ := time.Parse(time.RFC3339, c.at)
		s := gateway.Sampling{Current: gateway.Sample{At: at}}
		if got := gateway.FormatTime(s.NextSample()); got != c.want {
			t.Errorf("after %s: got %s, want %s", c.at, got, c.want)
		}
	}
}
