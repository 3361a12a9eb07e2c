package calendar_test

import (
	"encoding/json"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"pgregory.net/rapid"
)

func TestParseTerm(t *testing.T) {
	for text, want := range map[string]string{
		"5 werkdagen": "5 werkdagen", "1 werkdag": "1 werkdag", "1 werkdagen": "1 werkdag",
		"8 weken": "8 weken", "P8W": "8 weken", "1 week": "1 week", "P14D": "14 dagen", "1 dag": "1 dag",
		"2 maanden": "2 maanden", "P1M": "1 maand", "999 dagen": "999 dagen",
		"": "", "0 weken": "", "-1 week": "", "05 werkdagen": "", "1000 dagen": "", "5": "", "werkdagen": "",
		"5  werkdagen": "", " 5 werkdagen": "", "5 Werkdagen": "", "5 jaar": "", "P1Y": "", "P0D": "", "P8W2D": "", "PT8H": "", "p8w": "", "５ weken": "",
		"5 ": "", "P5": "",
	} {
		got, err := calendar.ParseTerm(text)
		if got.String() != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
		if err != nil && gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%q: got %v, want invalid", text, err)
		}
	}
}

func TestTermDue(t *testing.T) {
	summer := calendar.Closed{Periods: []gateway.Closing{{From: "2026-07-20", Until: "2026-08-07"}}}
	for _, test := range []struct {
		term   string
		from   gateway.Date
		closed calendar.Closed
		want   gateway.Date
	}{
		{"5 werkdagen", "2026-07-16", summer, "2026-08-13"},
		{"8 weken", "2026-11-23", calendar.Closed{}, "2027-01-18"},
		{"8 weken", "2026-05-29", summer, "2026-07-24"},           // being closed does not lengthen it
		{"1 week", "2026-12-18", calendar.Closed{}, "2026-12-28"}, // Kerst, then a weekend
		{"8 weken", "2026-11-21", calendar.Closed{}, "2027-01-18"},
		{"14 dagen", "2026-11-22", calendar.Closed{}, "2026-12-07"}, // a Sunday
		{"1 maand", "2026-12-31", calendar.Closed{}, "2027-02-01"},  // 31 January is a Sunday
		{"1 maand", "2028-01-31", calendar.Closed{}, "2028-02-29"},
		{"2 maanden", "2026-12-31", calendar.Closed{}, "2027-03-01"}, // 28 February is a Sunday
		{"999 maanden", "9990-01-01", calendar.Closed{}, "9999-12-31"},
		{"8 weken", "", calendar.Closed{}, ""},
		{"8 weken", "2026-02-31", calendar.Closed{}, ""},
	} {
		term, err := calendar.ParseTerm(test.term)
		if err != nil {
			t.Fatal(err)
		}
		if got := term.Due(test.from, test.closed); got != test.want {
			t.Errorf("%s from %s: got %s, want %s", test.term, test.from, got, test.want)
		}
	}
	for _, none := range []calendar.Term{{}, {Count: 5}, {Unit: calendar.Weeks}, {Count: -1, Unit: calendar.Days}, {Count: 1000, Unit: calendar.Days}, {Count: 1, Unit: 9}} {
		if got := none.Due("2026-11-23", calendar.Closed{}); got != "" {
			t.Errorf("%+v: got %s, want no day", none, got)
		}
	}
}

// TestTermsEndOnWorkingDays, and never before they would by the calendar.
func TestTermsEndOnWorkingDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := day(t, "from")
		unit := rapid.SampledFrom([]calendar.Unit{calendar.WorkingDays, calendar.Days, calendar.Weeks, calendar.Months}).Draw(t, "unit")
		term := calendar.Term{Count: rapid.IntRange(1, 90).Draw(t, "count"), Unit: unit}
		due := term.Due(from, calendar.Closed{})
		if !calendar.IsWorkingDay(due, calendar.Closed{}) {
			t.Fatalf("%s from %s ends on %s, when nobody works", term, from, due)
		}
		if due <= from || term.Due(from.Next(), calendar.Closed{}) < due {
			t.Fatalf("%s from %s ends on %s; from the next day on %s", term, from, due, term.Due(from.Next(), calendar.Closed{}))
		}
		again, err := calendar.ParseTerm(term.String())
		if err != nil || again != term {
			t.Fatalf("%q: got %+v, %v, want %+v", term.String(), again, err, term)
		}
	})
}

// TestTermsOfTheStateTable: what somebody must do has a last day, and what is
// over has none.
func TestTermsOfTheStateTable(t *testing.T) {
	for _, status := range gateway.ReferralStatuses() {
		due := calendar.TermOf(status.NextStep().Term).Due("2026-11-23", calendar.Closed{})
		if (due == "") != status.Final() {
			t.Errorf("%s: due %q", status, due)
		}
	}
	for status, want := range map[gateway.ReferralStatus]gateway.Date{gateway.Requested: "2026-11-30", gateway.Investigating: "2027-01-18"} {
		if got := calendar.TermOf(status.NextStep().Term).Due("2026-11-23", calendar.Closed{}); got != want {
			t.Errorf("%s: got %s, want %s", status, got, want)
		}
	}
}

func TestTermAsJSON(t *testing.T) {
	var got struct{ Term, None calendar.Term }
	if err := json.Unmarshal([]byte(`{"Term":"P8W","None":""}`), &got); err != nil || got.Term != (calendar.Term{Count: 8, Unit: calendar.Weeks}) || got.None != (calendar.Term{}) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if text, err := json.Marshal(got); err != nil || string(text) != `{"Term":"8 weken","None":""}` {
		t.Errorf("got %s, %v", text, err)
	}
	if err := json.Unmarshal([]byte(`{"Term":"ooit"}`), &got); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
}

func FuzzTerm(f *testing.F) {
	f.Add("5 werkdagen", "2026-11-22")
	f.Add("P999M", "9999-12-31")
	f.Fuzz(func(t *testing.T, text, from string) {
		term, err := calendar.ParseTerm(text)
		if (err == nil) != (term.String() != "") {
			t.Fatalf("%q: got %+v and %v", text, term, err)
		}
		if due := term.Due(gateway.Date(from), calendar.Closed{}); due != "" {
			if _, err := gateway.ParseDate(string(due)); err != nil || due < gateway.Date(from) {
				t.Fatalf("%q from %q: got %q", text, from, due)
			}
		}
	})
}
