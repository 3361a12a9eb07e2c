package gateway_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
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

// TestOfferBytesAreThoseOfJSON: what recipients were shown, and what is stored,
// was written by encoding/json before and is compared with.
func TestOfferBytesAreThoseOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := anyOffer(t)
		got := o.Encode()
		o.Updated = time.Time{}
		if want, err := json.Marshal(o); err != nil || string(got) != string(want) {
			t.Fatalf("got %s\nwant %s, %v", got, want, err)
		}
	})
}

// TestCapacityBytesAreThoseOfJSON: other bytes would be another version of
// every offer.
func TestCapacityBytesAreThoseOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := anyOffer(t)
		s := gateway.Sampling{}.Advance(o, moments().Draw(t, "now"))
		show := gateway.Disclosure{}
		for _, f := range gateway.Fields() {
			show[f] = rapid.SampledFrom(f.Forms()).Draw(t, string(f))
		}
		c := gateway.Project(o, s, gateway.Recipient{Party: "a", Gemeenten: []gateway.Gemeente{"gm0001"}}, show)
		c.Withdrawn = rapid.Bool().Draw(t, "withdrawn")
		got, hash := c.Encode()
		if want, err := json.Marshal(c); err != nil || string(got) != string(want) || hash != gateway.Hash(want) {
			t.Fatalf("got %s\nwant %s, %v", got, want, err)
		}
	})
}

// anyOffer may be one that no admin has; any of it may be missing.
func anyOffer(t *rapid.T) gateway.Offer {
	text := func(label string) string { return texts(`[A-Za-z0-9 .@-]{0,12}`).Draw(t, label) }
	many := func(label string) []string {
		return rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(texts(`[a-z]{1,5}`), 0, 3)).Draw(t, label)
	}
	small := rapid.IntRange(-2, 12)
	places := func(label string) []gateway.Places {
		return rapid.OneOf(rapid.Just([]gateway.Places(nil)), rapid.SliceOfN(rapid.Custom(func(t *rapid.T) gateway.Places {
			return gateway.Places{
				Dagdeel: rapid.SampledFrom(gateway.Dagdelen()).Draw(t, "dagdeel"), Maximum: small.Draw(t, "maximum"), Occupied: small.Draw(t, "occupied"),
			}
		}), 0, 3)).Draw(t, label)
	}
	o := gateway.Offer{
		ID: text("id"), Provider: gateway.OIN(text("provider")), Title: text("title"), Werksoorten: many("werksoorten"),
		Trajectsoort: text("trajectsoort"), Dienstverband: text("dienstverband"), Doelgroepen: many("doelgroepen"),
		Grondslag: text("grondslag"), Functionaliteit: text("functionaliteit"),
		Fase: gateway.Range{Min: small.Draw(t, "min"), Max: small.Draw(t, "max")}, Trede: gateway.Range{Max: rapid.IntRange(0, 1).Draw(t, "trede")},
		Places: places("places"), Status: gateway.Status(text("status")), Accessibility: many("accessibility"),
		ValidFrom: gateway.Date(text("from")), ValidUntil: gateway.Date(text("until")), Updated: moments().Draw(t, "updated"),
	}
	some := func(label string) bool { return rapid.Bool().Draw(t, label) }
	if some("begeleiding") {
		o.Begeleiding = gateway.Begeleiding{Soort: text("soort"), Intensiteit: text("intensiteit"), Ratio: small.Draw(t, "ratio")}
	}
	if some("location") {
		o.Location = gateway.Location{
			Address:  gateway.Address{Street: text("street"), Number: text("number"), City: text("city")},
			Postcode: text("postcode"), Gemeente: gateway.Gemeente(text("gemeente")),
		}
	}
	if some("coordinates") {
		o.Location.Coordinates = &gateway.Coordinates{Lat: rapid.Float64().Draw(t, "lat"), Lon: rapid.Float64Range(-10, 10).Draw(t, "lon")}
	}
	if some("contact") {
		o.Contact = gateway.Contact{Name: text("name"), Role: text("role"), Phone: text("phone"), Email: text("email")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "allotments") {
		o.Allotments = append(o.Allotments, gateway.Allotment{
			ID: text("allotment"), Gemeenten: []gateway.Gemeente{"gm0001", gateway.Gemeente(text("gm"))}[:rapid.IntRange(0, 2).Draw(t, "gms")],
			Parties: []gateway.OIN{"a"}[:rapid.IntRange(0, 1).Draw(t, "parties")], Grondslag: text("grondslag"), Places: places("allotted"),
			ValidFrom: gateway.Date(text("from")), ValidUntil: gateway.Date(text("until")),
		})
	}
	return o
}

func BenchmarkOffer(b *testing.B) {
	o := gatewaytest.Offer("aanbod-000001")
	s := gateway.Sampling{}.Advance(o, time.Unix(1e9, 0))
	show := gateway.Disclosure{}
	for _, f := range gateway.Fields() {
		show[f] = f.Forms()[len(f.Forms())-1]
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.Encode()
		}
	})
	b.Run("project", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gateway.Project(o, s, gateway.Recipient{Gemeenten: []gateway.Gemeente{"gm0482"}}, show).Encode()
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(o)
		}
	})
}
