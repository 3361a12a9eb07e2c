package calendar_test

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"pgregory.net/rapid"
)

func TestHolidays(t *testing.T) {
	file, err := os.Open("testdata/holidays.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	want := map[string][]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := lines.Text(); line != "" && line[0] != '#' {
			want[line[:4]] = append(want[line[:4]], line)
		}
	}
	for year := 2024; year <= 2030; year++ {
		var got []string
		for _, h := range (calendar.Holidays{GoedeVrijdag: true}).Of(year) {
			if h.Name == "Goede Vrijdag" {
				h.Name = "(Goede Vrijdag)"
			}
			got = append(got, string(h.Day)+" "+h.Name)
		}
		lines := want[time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Format("2006")]
		if strings.Join(got, "\n") != strings.Join(lines, "\n") {
			t.Errorf("%d:\ngot  %s\nwant %s", year, strings.Join(got, ", "), strings.Join(lines, ", "))
		}
	}
}

// TestEaster compares with another algorithm, the anonymous one of 1876 that
// Butcher's Ecclesiastical Calendar gives, over every year of the Gregorian
// calendar that a Date can write.
func TestEaster(t *testing.T) {
	for y := 1583; y <= 9998; y++ {
		a, b, c := y%19, y/100, y%100
		h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
		l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
		n := h + l - 7*((a+11*h+22*l)/451) + 114
		want := gateway.Date(time.Date(y, time.Month(n/31), n%31+1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
		for _, f := range (calendar.Holidays{}).Of(y) {
			if f.Name == "Eerste Paasdag" && f.Day != want {
				t.Fatalf("Easter %d: got %s, want %s", y, f.Day, want)
			}
		}
	}
}

func TestIsWorkingDay(t *testing.T) {
	summer := []gateway.Closing{{From: "2026-07-20", Until: "2026-08-07"}}
	for _, test := range []struct {
		day    gateway.Date
		closed calendar.Closed
		want   bool
	}{
		{"2026-11-23", calendar.Closed{}, true},
		{"2026-11-22", calendar.Closed{}, false}, // Sunday
		{"2026-11-21", calendar.Closed{}, false}, // Saturday
		{"2026-04-27", calendar.Closed{}, false}, // Koningsdag
		{"2025-04-28", calendar.Closed{}, true},  // the day after a Koningsdag that was moved to Saturday
		{"2026-04-03", calendar.Closed{}, true},  // Goede Vrijdag
		{"2026-04-03", calendar.Closed{Holidays: calendar.Holidays{GoedeVrijdag: true}}, false},
		{"2025-05-05", calendar.Closed{}, false},
		{"2026-05-05", calendar.Closed{}, true},
		{"2026-05-05", calendar.Closed{Holidays: calendar.Holidays{Bevrijdingsdag: calendar.EveryYear}}, false},
		{"2025-05-05", calendar.Closed{Holidays: calendar.Holidays{Bevrijdingsdag: calendar.NoYear}}, true},
		{"2026-12-24", calendar.Closed{}, true},
		{"2026-07-17", calendar.Closed{Periods: summer}, true},
		{"2026-07-20", calendar.Closed{Periods: summer}, false},
		{"2026-08-07", calendar.Closed{Periods: summer}, false},
		{"2026-08-10", calendar.Closed{Periods: summer}, true},
		{"2026-08-06", calendar.Closed{Periods: []gateway.Closing{{From: "2026-08-07", Until: "2026-08-05"}, {From: "2026-08-01"}, {Until: "2026-09-01"}}}, true},
		{"", calendar.Closed{}, false},
		{"2026-02-30", calendar.Closed{}, false},
		{"0000-05-01", calendar.Closed{}, false},
	} {
		if got := calendar.IsWorkingDay(test.day, test.closed); got != test.want {
			t.Errorf("%s %+v: got %t, want %t", test.day, test.closed, got, test.want)
		}
	}
}

func TestAddWorkingDays(t *testing.T) {
	summer := calendar.Closed{Periods: []gateway.Closing{{From: "2026-07-20", Until: "2026-08-07"}}}
	forever := calendar.Closed{Periods: []gateway.Closing{{From: "2020-01-01", Until: "9999-12-31"}}}
	for _, test := range []struct {
		from   gateway.Date
		n      int
		closed calendar.Closed
		want   gateway.Date
	}{
		{"2026-11-23", 5, calendar.Closed{}, "2026-11-30"}, // Monday to Monday
		{"2026-11-21", 5, calendar.Closed{}, "2026-11-27"}, // what comes on Saturday has the whole week
		{"2026-11-21", 0, calendar.Closed{}, "2026-11-21"},
		{"2026-12-23", 5, calendar.Closed{}, "2026-12-31"}, // Kerst on Friday and Saturday
		{"2026-12-31", 1, calendar.Closed{}, "2027-01-04"}, // Nieuwjaarsdag on Friday
		{"2026-04-02", 2, calendar.Closed{}, "2026-04-07"}, // Pasen
		{"2026-07-16", 5, summer, "2026-08-13"},
		{"2026-11-30", -5, calendar.Closed{}, "2026-11-23"},
		{"2026-08-10", -1, summer, "2026-07-17"},
		{"2026-11-23", 1, forever, "2027-02-18"}, // sixty days later the clock goes on
		{"9999-12-30", 9, calendar.Closed{}, "9999-12-31"},
		{"0001-01-03", -9, calendar.Closed{}, "0001-01-01"},
		{"", 1, calendar.Closed{}, ""},
		{"morgen", 1, calendar.Closed{}, ""},
	} {
		if got := calendar.AddWorkingDays(test.from, test.n, test.closed); got != test.want {
			t.Errorf("%s %+d: got %s, want %s", test.from, test.n, got, test.want)
		}
	}
}

func day(t *rapid.T, label string) gateway.Date {
	d := rapid.IntRange(0, 20000).Draw(t, label)
	return gateway.Date(time.Date(2000, 1, 1+d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
}

func closed(t *rapid.T, around gateway.Date) calendar.Closed {
	c := calendar.Closed{Holidays: calendar.Holidays{
		Bevrijdingsdag: rapid.SampledFrom([]calendar.Bevrijdingsdag{calendar.Lustrum, calendar.EveryYear, calendar.NoYear}).Draw(t, "bevrijdingsdag"),
		GoedeVrijdag:   rapid.Bool().Draw(t, "goede vrijdag"),
	}}
	start, _ := time.Parse(time.DateOnly, string(around))
	for range rapid.IntRange(0, 4).Draw(t, "periods") {
		from := start.AddDate(0, 0, rapid.IntRange(-60, 60).Draw(t, "from"))
		until := from.AddDate(0, 0, rapid.IntRange(0, 120).Draw(t, "length"))
		c.Periods = append(c.Periods, gateway.Closing{From: gateway.DateOf(from), Until: gateway.DateOf(until)})
	}
	return c
}

// TestCountsAreMonotoneAndInverse: later begins never end earlier, more days never
// end earlier, counting undoes adding, and what is counted lies on working days.
func TestCountsAreMonotoneAndInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := day(t, "from")
		c := closed(t, from)
		n := rapid.IntRange(-80, 80).Draw(t, "n")
		end := calendar.AddWorkingDays(from, n, c)
		if got := calendar.WorkingDaysBetween(from, end, c); got != n {
			t.Fatalf("from %s to %s: got %d days, want %d", from, end, got, n)
		}
		if later := calendar.AddWorkingDays(from.Next(), n, c); n >= 0 && later < end {
			t.Fatalf("%d days from %s end on %s, from the next day on %s", n, from, end, later)
		}
		if more := calendar.AddWorkingDays(from, n+1, c); more <= end && n >= 0 {
			t.Fatalf("%d days from %s end on %s, one more on %s", n, from, end, more)
		}
		if total(c) <= calendar.MaxPause && n != 0 && !calendar.IsWorkingDay(end, c) {
			t.Fatalf("%d days from %s end on %s, when nobody works", n, from, end)
		}
	})
}

func total(c calendar.Closed) int {
	n := 0
	for _, p := range c.Periods {
		for d := p.From; d <= p.Until; d = d.Next() {
			n++
		}
	}
	return n
}

// TestCountIsOneByOne compares with the obvious way: look at every day.
func TestCountIsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := day(t, "from")
		c := closed(t, from)
		if total(c) > calendar.MaxPause {
			c.Periods = nil
		}
		to, want := from, 0
		for range rapid.IntRange(0, 100).Draw(t, "days") {
			to = to.Next()
			if calendar.IsWorkingDay(to, c) {
				want++
			}
		}
		if got := calendar.WorkingDaysBetween(from, to, c); got != want {
			t.Fatalf("%s to %s: got %d, want %d", from, to, got, want)
		}
	})
}

func TestOverdue(t *testing.T) {
	for _, test := range []struct {
		due  gateway.Date
		now  string
		want bool
	}{
		{"2026-07-01", "2026-07-01T21:59:59Z", false}, // summer: 23:59:59 in the Netherlands
		{"2026-07-01", "2026-07-01T22:00:00Z", true},
		{"2026-12-01", "2026-12-01T22:59:59Z", false},
		{"2026-12-01", "2026-12-01T23:00:00Z", true},
		{"", "2026-12-01T23:00:00Z", false},
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := calendar.Overdue(test.due, now); got != test.want {
			t.Errorf("%s at %s: got %t, want %t", test.due, test.now, got, test.want)
		}
	}
}

func FuzzWorkingDays(f *testing.F) {
	f.Add("2026-11-22", 5, "2026-12-24", "2027-01-02")
	f.Add("", -5, "", "9999-12-31")
	f.Add("9999-12-31", 400, "0001-01-01", "9999-12-31")
	f.Fuzz(func(t *testing.T, from string, n int, a, b string) {
		n %= 1000
		c := calendar.Closed{Periods: []gateway.Closing{{From: gateway.Date(a), Until: gateway.Date(b)}}}
		got := calendar.AddWorkingDays(gateway.Date(from), n, c)
		if _, err := gateway.ParseDate(from); err == nil && from >= "0001-01-01" {
			if _, err := gateway.ParseDate(string(got)); err != nil {
				t.Fatalf("%q %d: got %q, want a day", from, n, got)
			}
		} else if got != "" {
			t.Fatalf("%q: got %q, want none", from, got)
		}
	})
}
