package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func TestTable(t *testing.T) {
	var b strings.Builder
	columns := []column{{"ID", 0}, {"TITLE", 8}, {"LAST", 4}}
	rows := [][]string{
		{"A-1-with-a-long-id", "Groen in de wijk", "x"},
		{"A-2", "", ""},
		{"A-3", "\x1b[31mrood\n", "é"},
	}
	if err := layTable(&b, columns, rows, true); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"ID                  TITLE     LAST\n" +
		"A-1-with-a-long-id  Groen i…  x\n" +
		"A-2                 –         –\n" +
		"A-3                 ·[31mro…  é\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	b.Reset()
	if err := writeTable(&b, columns, rows); err != nil {
		t.Fatal(err)
	}
	want = "" +
		"ID                  TITLE             LAST\n" +
		"A-1-with-a-long-id  Groen in de wijk  x\n" +
		"A-2                 –                 –\n" +
		"A-3                 ·[31mrood·        é\n"
	if got := b.String(); got != want {
		t.Errorf("for a program: got\n%s\nwant\n%s", got, want)
	}
}

func TestNameless(t *testing.T) {
	for _, test := range []struct {
		version uint64
		want    string
	}{{0, "no register has been installed yet"}, {2, "not in the register"}} {
		if got := nameless(rest.Status{Register: desk.RegisterStatus{Version: test.version}}); got != test.want {
			t.Errorf("register version %d: got %q, want %q", test.version, got, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	utc := time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC)
	if got, want := when(utc), "2026-07-02 00:30"; got != want {
		t.Errorf("for people: got %s, want %s", got, want)
	}
	if got, want := when(time.Time{}), "–"; got != want {
		t.Errorf("no time: got %s, want %s", got, want)
	}
	var b strings.Builder
	err := writeJSON(&b, struct {
		At   time.Time `json:"at"`
		None time.Time `json:"none,omitzero"`
		List []string  `json:"list"`
		Zero int       `json:"zero,omitempty"`
	}{At: utc.In(gateway.Amsterdam())})
	want := "{\n  \"at\": \"2026-07-01T22:30:00Z\",\n  \"list\": []\n}\n"
	if got := b.String(); err != nil || got != want {
		t.Errorf("for programs: got %s (%v), want %s", got, err, want)
	}
}

func TestExitCodes(t *testing.T) {
	internal := errors.New("secret detail")
	for _, test := range []struct {
		err  error
		code int
		text string
	}{
		{usagef("wrong"), exitUsage, "doorstroom: wrong; see doorstroom --help\n"},
		{errPartly, exitPartly, ""},
		{errTold, exitFailed, ""},
		{internal, exitFailed, "doorstroom: internal error; --verbose shows the cause\n"},
		{gateway.Errorf(gateway.Invalid, "bad"), exitFailed, "doorstroom: bad\n"},
		{gateway.Errorf(gateway.NotFound, "gone"), exitFailed, "doorstroom: gone\n"},
		{gateway.Errorf(gateway.Unavailable, "away"), exitUnavailable, "doorstroom: away\n"},
		{gateway.Errorf(gateway.Denied, "no"), exitDenied, "doorstroom: no\n"},
		{gateway.Errorf(gateway.Unauthenticated, "who"), exitDenied, "doorstroom: who\n"},
		{gateway.Errorf(gateway.Invalid, "f:1: a\nf:2: b"), exitFailed, "f:1: a\nf:2: b\n"},
		{errors.Join(gateway.Errorf(gateway.Invalid, "one"), gateway.Wrap(gateway.Internal, internal, "two")), exitFailed, "doorstroom: one\ndoorstroom: two\n"},
		{fmt.Errorf("read x: %w", gateway.Wrap(gateway.Limit, internal, "large")), exitFailed, "doorstroom: large\n"},
	} {
		var b strings.Builder
		a := &app{stderr: &b, ran: true}
		if got := a.report(newRootCommand(a), test.err); got != test.code || b.String() != test.text {
			t.Errorf("%v: got %d and %q, want %d and %q", test.err, got, b.String(), test.code, test.text)
		}
	}
	var b strings.Builder
	a := &app{stderr: &b, ran: true}
	root := newRootCommand(a)
	a.verbose = true
	a.report(root, gateway.Wrap(gateway.Invalid, internal, "bad"))
	if got, want := b.String(), "doorstroom: bad\ncause: secret detail\n"; got != want {
		t.Errorf("verbose: got %q, want %q", got, want)
	}
}

func TestYours(t *testing.T) {
	number := func(n int) gateway.CapacityPlaces { return gateway.CapacityPlaces{Available: &n} }
	band := func(b gateway.Band) gateway.CapacityPlaces { return gateway.CapacityPlaces{Band: b} }
	for _, test := range []struct {
		places [][]gateway.CapacityPlaces
		want   string
	}{
		{nil, ""},
		{[][]gateway.CapacityPlaces{{number(2), number(0)}}, "0–2"},
		{[][]gateway.CapacityPlaces{{number(3)}, {band(gateway.Ruim), band(gateway.Vol)}}, "3 + vol–ruim"},
		{[][]gateway.CapacityPlaces{{{}}}, ""},
	} {
		var allotments []gateway.CapacityAllotted
		for _, p := range test.places {
			allotments = append(allotments, gateway.CapacityAllotted{Places: p})
		}
		if got := yours(allotments); got != test.want {
			t.Errorf("%v: got %q, want %q", test.places, got, test.want)
		}
	}
}

func TestJournalFilter(t *testing.T) {
	entry := rest.JournalEntry{Kind: "publish", Recipients: "00000099000000001000 00000099000000002000"}
	for _, test := range []struct {
		f    journalFilter
		want bool
	}{
		{journalFilter{}, true},
		{journalFilter{party: "00000099000000002000"}, true},
		{journalFilter{party: "00000099000000003000"}, false},
		{journalFilter{kind: "publish", party: "00000099000000001000"}, true},
		{journalFilter{kind: "denied"}, false},
	} {
		if got := test.f.fits(entry); got != test.want {
			t.Errorf("%+v: got %t, want %t", test.f, got, test.want)
		}
	}
}

func TestNextTry(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		peer rest.Peer
		want string
	}{
		{rest.Peer{NextAttempt: now.Add(time.Hour)}, ""},
		{rest.Peer{Queued: 1}, "now"},
		{rest.Peer{Queued: 1, NextAttempt: now.Add(-time.Second)}, "now"},
		{rest.Peer{Failures: 2, NextAttempt: now.Add(time.Hour)}, "2026-07-01 15:00"},
	} {
		if got := nextTry(test.peer, now); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.peer, got, test.want)
		}
	}
}

func TestInterview(t *testing.T) {
	for _, test := range []struct {
		field, answer string
		answered      bool
		got           func(adapters.Mapping) string
		want          string
	}{
		{"fields.title", "Naam", true, func(m adapters.Mapping) string { return m.Fields["title"].Column }, "Naam"},
		{"fields.grondslag", "wmo-2015", true, func(m adapters.Mapping) string { return m.Fields["grondslag"].Default }, "wmo-2015"},
		{"places.weekday", "Naam", true, func(m adapters.Mapping) string { return m.Places.Weekday.Column }, "Naam"},
		{"places.dagdeel", "ma ochtend", true, func(m adapters.Mapping) string { return m.Places.Dagdeel.Default }, "ma ochtend"},
		{"places.maximum", "Naam", true, func(m adapters.Mapping) string { return m.Places.Maximum.Column }, "Naam"},
		{"places.columns.1.occupied", "0", true, func(m adapters.Mapping) string { return m.Places.Columns[0].Occupied.Default }, "0"},
		{"places.columns.1.maximum", "Naam", true, func(m adapters.Mapping) string { return m.Places.Columns[0].Maximum.Column }, "Naam"},
		{"places.columns.2.maximum", "Naam", false, nil, ""},
		{"allotments.1.gemeenten", "gm0482, 00000099000000002000", true, func(m adapters.Mapping) string {
			return fmt.Sprint(m.Allotments[0].Gemeenten, m.Allotments[0].Parties)
		}, "[gm0482] [00000099000000002000]"},
		{"allotments.1.gemeenten", "Dordrecht", false, nil, ""},
		{"allotments.1.maximum", "5", true, func(m adapters.Mapping) string { return m.Allotments[0].Maximum.Default }, "5"},
		{"allotments.0.maximum", "5", false, nil, ""},
		{"nonsense", "5", false, nil, ""},
	} {
		m := adapters.Mapping{
			Fields: map[string]adapters.Field{}, Allotments: []adapters.Allotment{{}},
			Places: adapters.Places{Columns: []adapters.DagdeelColumn{{}}},
		}
		i := interview{
			in: newLines(strings.NewReader(test.answer + "\n")), out: &strings.Builder{},
			headers: map[string]bool{"Naam": true}, mapping: &m,
		}
		open, err := i.ask([]adapters.Question{{Field: test.field, Reason: "waar?"}})
		if err != nil || (len(open) == 0) != test.answered {
			t.Errorf("%s: got %d open (%v), want answered %t", test.field, len(open), err, test.answered)
			continue
		}
		if test.answered && test.got(m) != test.want {
			t.Errorf("%s: got %q, want %q", test.field, test.got(m), test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := output(t, "version", "--json")
	if code != exitOK || !strings.Contains(stdout, `"protocol": 1`) {
		t.Errorf("got %d and %s, want the protocol", code, stdout)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if code, _, stderr := output(t, "init", dir, "--party", "00000099000000001000", "--name", "N", "--kind", "grs",
		"--endpoint", "https://n.example", "--phone", "000", "--anchor", "x"); code != exitOK {
		t.Fatal(stderr)
	}
	var out, errs strings.Builder
	code := run(ctx, []string{"run", "--config", dir + "/config.yaml"}, strings.NewReader(""), &out, &errs)
	if got, want := errs.String(), "doorstroom: interrupted\n"; code != exitFailed || got != want {
		t.Errorf("got exit code %d and %q, want %q", code, got, want)
	}
}
