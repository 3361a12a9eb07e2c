package logbook_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/logbook"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

const self = gateway.OIN("00000099000000001000")

func record(e journal.Entry) logbook.Record {
	e.Time = time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.UTC)
	return logbook.NewRecord([]byte("secret"), 7, e)
}

func published() logbook.Record {
	return record(journal.Entry{
		Kind: journal.KindPublish, Recipients: "00000099000000002000 00000099000000003000", Fields: []gateway.Field{"title", "contact.phone"},
		Count: 2, Rules: []string{"eigen toedeling", "=iedereen"}, Policy: "abc", Register: 3, Digest: "d1", Caller: "pseudonym",
	})
}

// What a spreadsheet would calculate or round is text.
func TestCSV(t *testing.T) {
	var file bytes.Buffer
	table, err := logbook.NewCSV(&file)
	if err != nil {
		t.Fatal(err)
	}
	evil := record(journal.Entry{Kind: journal.KindDenied, Rule: `=HYPERLINK("http://evil.example";"x")`, Party: self, Outcome: "-1", Reason: "+x", Message: "@m", Digest: "\tt"})
	for _, r := range []logbook.Record{published(), evil} {
		if err := table.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	text, marked := strings.CutPrefix(file.String(), "\ufeff")
	read := csv.NewReader(strings.NewReader(text))
	read.Comma = ';'
	rows, err := read.ReadAll()
	if err != nil || !marked || len(rows) != 3 {
		t.Fatalf("got %d rows, mark %t, %v; want three", len(rows), marked, err)
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("column %s: %q is a formula", rows[0][i], cell)
			}
		}
	}
	if got := rows[2][3]; got != "'"+string(self) {
		t.Errorf("got party %q, want it marked as text", got)
	}
	if got := rows[1][7]; got != "title contact.phone" {
		t.Errorf("got fields %q", got)
	}
}

// One decision for two recipients is one record with two evaluations; a denial is
// no error; entries without a decision give none.
func TestADL(t *testing.T) {
	d, ok := logbook.ADL(self, published())
	if !ok {
		t.Fatal("a publication is no decision")
	}
	got, _ := json.Marshal(d)
	var back struct {
		TraceID    string `json:"trace_id"`
		SpanID     string `json:"span_id"`
		EventName  string `json:"event_name"`
		Timestamp  int64
		Status     string
		Attributes map[string]any
		Body       struct {
			Request struct {
				Action      struct{ Name string }
				Evaluations []struct{ Subject struct{ ID string } }
			} `json:"adl.core.request"`
			Response struct {
				Evaluations []struct {
					Decision bool
					Context  struct{ Rules, Fields []string }
				}
			} `json:"adl.core.response"`
		}
	}
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if back.EventName != "adl.access_evaluations" || len(back.TraceID) != 32 || len(back.SpanID) != 16 || back.Timestamp != 1795348800005 ||
		back.Status != "Unset" || back.Body.Request.Action.Name != "read" || len(back.Body.Request.Evaluations) != 2 ||
		back.Body.Request.Evaluations[1].Subject.ID != "urn:nld:oin:00000099000000003000" ||
		!back.Body.Response.Evaluations[0].Decision || len(back.Body.Response.Evaluations[0].Context.Rules) != 2 || back.Attributes["adl.core.policies"] == nil {
		t.Errorf("got %s", got)
	}
	for name, c := range map[string]struct {
		e       journal.Entry
		is      bool
		allowed bool
	}{
		"denied":        {journal.Entry{Kind: journal.KindDenied, Recipients: string(self), Rule: "nooit"}, true, false},
		"withdrawn":     {journal.Entry{Kind: journal.KindWithdrawn, Party: self}, true, false},
		"received":      {journal.Entry{Kind: journal.KindReceived, Party: self}, true, true},
		"not admitted":  {journal.Entry{Kind: journal.KindRejected, Party: self, Reason: gateway.ReasonPolicy}, true, false},
		"an operation":  {journal.Entry{Kind: string(gateway.OpOwnOffers), Caller: "p"}, true, true},
		"bad signature": {journal.Entry{Kind: journal.KindRejected, Party: self, Reason: gateway.ReasonSignature}, false, false},
		"start":         {journal.Entry{Kind: journal.KindStart}, false, false},
		"delivered":     {journal.Entry{Kind: journal.KindDelivered, Party: self}, false, false},
	} {
		d, ok := logbook.ADL(self, record(c.e))
		if ok != c.is || ok && (d.Status != "Unset" || d.Body["adl.core.response"].(map[string]any)["decision"] != c.allowed) {
			t.Errorf("%s: got %t and %+v", name, ok, d.Body)
		}
	}
}

// A publication under two rules is two processing activities in one trace; all
// about one message is in one trace; no caller is told.
func TestSpans(t *testing.T) {
	spans := logbook.Spans("", self, published())
	if len(spans) != 2 || spans[1].Parent != spans[0].Span || spans[0].Trace != spans[1].Trace || spans[0].Span == spans[1].Span {
		t.Fatalf("got %+v", spans)
	}
	line, err := trace.JSON(logbook.Resource(self, "1"), spans)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"dpl.core.processing_activity_id","value":{"stringValue":"urn:nld:oin:00000099000000001000:verwerking:eigen%20toedeling"}`,
		`"startTimeUnixNano":"1795348800005000000"`, `"parentSpanId":"`, `"service.instance.id"`,
	} {
		if !strings.Contains(string(line), want) {
			t.Errorf("got %s, want %s", line, want)
		}
	}
	if strings.Contains(string(line), "pseudonym") {
		t.Error("a caller is told")
	}
	if strings.Contains(string(line), "data_subject") {
		t.Error("capacity is about somebody")
	}
	about := published()
	about.Subject = "4f2a"
	for _, span := range logbook.Spans("", self, about) {
		for key, want := range map[string]string{
			"dpl.core.data_subject_id": "4f2a", "dpl.core.data_subject_id_type": "urn:nld:oin:00000099000000001000:pseudoniem",
		} {
			if !slices.Contains(span.Attributes, trace.Attribute{Key: key, Text: want}) {
				t.Errorf("got %v, want %s %s", span.Attributes, key, want)
			}
		}
	}
	a, b := record(journal.Entry{Kind: journal.KindReceived, Message: "m"}), record(journal.Entry{Kind: journal.KindDelivered, Message: "m"})
	b2 := logbook.NewRecord([]byte("other"), 7, b.Entry)
	if a.Trace != b.Trace || b.Trace == b2.Trace || a.Trace == record(journal.Entry{Kind: "x", Message: "n"}).Trace {
		t.Error("the trace is not that of the message under the secret of the node")
	}
	if got := logbook.Activity("https://register.example/", self, "a b"); got != "https://register.example/a%20b" {
		t.Errorf("got %s", got)
	}
}
