package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
)

func TestTerm(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for term, want := range map[config.Term]string{
		"P7Y": "2019-03-31", "P1Y6M": "2024-10-01", "P400D": "2025-02-24",
		"": "0001-01-01", "P": "0001-01-01", "7Y": "0001-01-01", "P7": "0001-01-01", "P-7Y": "0001-01-01", "PT7H": "0001-01-01", "P1M1Y": "0001-01-01",
	} {
		if got := term.Before(now).Format(time.DateOnly); got != want {
			t.Errorf("%q: got %s, want %s", term, got, want)
		}
	}
}

func TestJournalRetentionIsAtLeastAYear(t *testing.T) {
	for term, good := range map[string]bool{"P7Y": true, "P1Y": true, "P366D": true, "P11M": false, "P30D": false, "7 years": false, "P0Y": false} {
		_, err := config.Parse("x.yaml", []byte(minimal+"\njournal:\n  retention: "+term+"\n"))
		if good != (err == nil) || !good && !strings.Contains(gateway.SafeMessage(err), "journal.retention: expected a term") {
			t.Errorf("%s: got %v, want accepted: %t", term, err, good)
		}
	}
}

func TestClosings(t *testing.T) {
	for text, want := range map[string]int{"[]": 0, "[2026-07-20/2026-08-07]": 1, `["2026-12-24/2027-01-03", 2026-07-20/2026-08-07]`: 2,
		"[2026-07-20]": -1, "[2026-07-20/2026-12-07]": -1, "[2026-08-07/2026-07-20]": -1, "[zomer]": -1, "[2026-07-20/2026-08-07/]": -1} {
		c, err := config.Parse("x.yaml", []byte(minimal+"\nclosed: "+text+"\n"))
		if want < 0 {
			if !strings.Contains(gateway.SafeMessage(err), "closed: ") || !strings.Contains(gateway.SafeMessage(err), "2026-07-20/2026-08-07") {
				t.Errorf("%s: got %v, want it refused", text, err)
			}
			continue
		}
		if closed, bad := c.Closings(); err != nil || bad != nil || len(closed) != want {
			t.Errorf("%s: got %v, %v, %v, want %d periods", text, closed, err, bad, want)
		}
	}
}

// TestRights: what may be erased without anybody, and for how long the other side may
// take to answer, is one of a few things, and said so.
func TestRights(t *testing.T) {
	for line, want := range map[string]string{
		"answer: 20 werkdagen, erase: ask":       "",
		"answer: 20 werkdagen, erase: automatic": "",
		"answer: 20 werkdagen, erase: Automatic": "rights.erase: expected ask or automatic",
		"answer: 20 werkdagen, erase: true":      "rights.erase",
		"answer: 3 maanden, erase: ask":          "rights.answer: expected a term of at most a month",
	} {
		_, err := config.Parse("x.yaml", []byte(minimal+"\nrights: {"+line+"}\n"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(gateway.SafeMessage(err), want) {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}
