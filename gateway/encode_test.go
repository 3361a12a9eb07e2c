package gateway_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
)

// texts are mostly such as messages hold, and sometimes not.
func texts(usual string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 12).Draw(t, "unusual") > 0 {
			return rapid.StringMatching(usual).Draw(t, "text")
		}
		return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, `\`, "<", "é", "\u2028", "\x7f", "\x00", "\xff", "a&b"})).Draw(t, "other")
	})
}

func moments() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		return at.In(time.FixedZone("", rapid.IntRange(-3600, 7200).Draw(t, "zone")))
	})
}

// TestMessageBytesAreThoseOfJSON: a message sent again, also by another version
// of a node, must have the bytes of the first time.
func TestMessageBytesAreThoseOfJSON(t *testing.T) {
	data := rapid.SampledFrom([]string{
		`{}`, `{"a":1}`, `{"title":"Werkcafé \"Groen\" \\ 1.5"}`, `{"a":{"b":[1,2,{"c":null}]},"d":"e f"}`, `{ "a":1}`, `{"a":"<b> & c"}`,
		`{"a":"€"}`, "{\"a\":\"\u2028\"}", "{\"a\":\n1}", `{"a":"\u003c"}`, `{"a\\":" "}`, `{"a":"\\" }`, `{"\"":"\\"}`, `[1, 2]`, `1`, `"a b"`, `{"a":1} `, ``,
	})
	rapid.Check(t, func(t *rapid.T) {
		m := gateway.Message{
			ID: texts(`[0-9a-f-]{36}`).Draw(t, "id"), Source: gateway.OIN(texts(`[0-9]{20}`).Draw(t, "source")),
			Kind: texts(`capacity(-state)?`).Draw(t, "kind"), Time: moments().Draw(t, "time"),
			Recipient: gateway.OIN(texts(`[0-9]{20}`).Draw(t, "recipient")), Expires: moments().Draw(t, "expires"),
			Subject: texts(`[a-z2-7]{24}`).Draw(t, "subject"), Sequence: rapid.Uint64().Draw(t, "sequence"),
			Incarnation: rapid.Uint64().Draw(t, "incarnation"), Principal: gateway.OIN(texts(`([0-9]{20})?`).Draw(t, "principal")),
			TraceParent: texts(`(00-[0-9a-f]{32}-[0-9a-f]{16}-01)?`).Draw(t, "traceparent"),
		}
		if d := data.Draw(t, "data"); d != "" {
			m.Data = gateway.RawJSON(d)
		}
		e := gateway.Event{
			SpecVersion: "1.0", ID: m.ID, Source: m.Source.URN(), Type: gateway.TypeOf(m.Kind), Time: gateway.FormatTime(m.Time),
			DataSchema: gateway.SchemaOf(m.Kind), DataContentType: "application/json", Recipient: m.Recipient.URN(),
			Expires: gateway.FormatTime(m.Expires), Subject: m.Subject, Sequence: strconv.FormatUint(m.Sequence, 10),
			Incarnation: strconv.FormatUint(m.Incarnation, 10), TraceParent: m.TraceParent, Data: m.Data,
		}
		if m.Principal != "" {
			e.Principal = m.Principal.URN()
		}
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Encode(); string(got) != string(want) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// TestReceiptBytesAreThoseOfJSON: they are the leaves of a tree that is signed.
func TestReceiptBytesAreThoseOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := gateway.ReceiptItem{
			Digest: texts(`[0-9a-f]{64}`).Draw(t, "digest"), ID: texts(`([0-9a-f-]{36})?`).Draw(t, "id"),
			Outcome:   gateway.Outcome(texts(`received|refused|retry-later`).Draw(t, "outcome")),
			Reason:    gateway.Reason(texts(`(schema|expired)?`).Draw(t, "reason")),
			Received:  moments().Draw(t, "received"),
			Recipient: gateway.OIN(texts(`[0-9]{20}`).Draw(t, "recipient")), Sender: gateway.OIN(texts(`[0-9]{20}`).Draw(t, "sender")),
		}
		whole := i
		whole.Received = i.Received.UTC().Truncate(time.Second)
		want, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		if got := i.Encode(); string(got) != string(want) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

func BenchmarkMessageEncode(b *testing.B) {
	m := gateway.Message{
		ID: "01936c8e-7c00-7000-8000-000000000001", Source: "00000099000000001000", Kind: gateway.KindCapacity, Time: time.Unix(1e9, 0),
		Recipient: "00000099000000002000", Expires: time.Unix(1e9+1e6, 0), Subject: "abcdefghijklmnopqrstuvwx", Sequence: 1, Incarnation: 2,
		Data: gateway.RawJSON(`{"offer":"a","provider":"00000099000000001000","validFrom":"2026-01-01","validUntil":"2026-12-31"}`),
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Encode()
	}
}
