package journal_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"pgregory.net/rapid"
)

func TestEntryRoundTrip(t *testing.T) {
	want := journal.Entry{
		Time: time.Date(2026, 11, 2, 9, 0, 0, 5, time.UTC), Kind: journal.KindDenied, Party: "00000099000000001000",
		Principal: "00000099000000002000", Recipients: "00000099000000001000 00000099000000002000", Message: "m",
		Fields: []gateway.Field{gateway.FieldTitle}, Forms: gateway.Disclosure{gateway.FieldAvailable: gateway.Banded},
		Count: 3, Policy: "p", Rule: "r", Rules: []string{"a", "b"}, Register: 7, Caller: "c", Outcome: "received",
		Reason: gateway.ReasonOlder, Digest: "d", Since: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), Incarnation: 9,
	}
	if missing := zeroFields(want); len(missing) > 0 {
		t.Fatalf("the test does not fill %v", missing)
	}
	got, err := journal.Decode(want.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func zeroFields(e journal.Entry) (names []string) {
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

func TestEntryIsCompactAndInUTC(t *testing.T) {
	local := time.FixedZone("", 3600)
	e := journal.Entry{Time: time.Date(2026, 11, 2, 10, 0, 0, 0, local), Kind: journal.KindStart}
	if got, want := string(e.Encode()), `{"time":"2026-11-02T09:00:00Z","kind":"start"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An entry has no field for anything that could be personal: whoever adds one
// must look at this list, and at the comment of Entry, first.
func TestEntryFieldsAreKnown(t *testing.T) {
	want := "time,kind,party,principal,recipients,message,fields,forms,count,policy,rule,rules,register,caller,outcome,reason,digest,since,incarnation"
	var names []string
	for i := range reflect.TypeFor[journal.Entry]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[journal.Entry]().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	if got := strings.Join(names, ","); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, bad := range []string{"", "{", `[]`, `{"kind":1}`} {
		if _, err := journal.Decode([]byte(bad)); err == nil {
			t.Errorf("Decode(%q): got no error, want one", bad)
		}
	}
}

// TestEntryBytesAreThoseOfJSON: another reader of the journal computes the same
// leaves.
func TestEntryBytesAreThoseOfJSON(t *testing.T) {
	texts := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[a-z0-9 .:-]{1,20}`), rapid.StringMatching(`[a-z0-9 .:-]{1,20}`),
		rapid.SampledFrom([]string{`"`, `\`, "é", "<", "\n", "\u2028", "\xff", "a&b", "\x7f"}))
	rapid.Check(t, func(t *rapid.T) {
		// Most entries have a few of these; each is drawn in its own turn.
		draw := func(name string) string {
			if rapid.IntRange(0, 3).Draw(t, name+" there") > 0 {
				return ""
			}
			return texts.Draw(t, name)
		}
		e := journal.Entry{
			Time: time.Unix(rapid.Int64Range(-1e9, 5e9).Draw(t, "time"), rapid.SampledFrom([]int64{0, 5, 120_000_000}).Draw(t, "nanoseconds")).UTC(),
			Kind: draw("kind"), Party: gateway.OIN(draw("party")), Principal: gateway.OIN(draw("principal")), Recipients: draw("recipients"),
			Message: draw("message"), Count: rapid.SampledFrom([]int{0, 1, -1, 1 << 40}).Draw(t, "count"), Policy: draw("policy"), Rule: draw("rule"),
			Register: rapid.SampledFrom([]uint64{0, 7, 1 << 63}).Draw(t, "register"), Caller: draw("caller"), Outcome: draw("outcome"),
			Reason: gateway.Reason(draw("reason")), Digest: draw("digest"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "rules") {
			e.Rules = append(e.Rules, draw("rule"))
			e.Fields = append(e.Fields, gateway.Field(draw("field")))
		}
		switch rapid.IntRange(0, 9).Draw(t, "special") {
		case 0:
			e.Forms = gateway.Disclosure{gateway.FieldAvailable: gateway.Banded}
		case 1:
			e.Since = e.Time.Add(-time.Hour)
		case 2:
			e.Time = time.Time{}
		}
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Encode(); string(got) != string(want) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// Every byte, at every place of a text, is as encoding/json writes it; and what
// needs no escaping never goes by it.
func TestEveryByteIsEscapedAsJSONDoes(t *testing.T) {
	for c := range 256 {
		for at := range 18 {
			text := []byte("a plain text of 18")
			text[at] = byte(c)
			e := journal.Entry{Time: time.Unix(1, 0).UTC(), Kind: string(text[:at+1]), Rule: string(text)}
			want, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Encode(); string(got) != string(want) {
				t.Fatalf("got %s, want %s", got, want)
			}
			if plain := c >= ' ' && c <= '~' && !strings.ContainsRune(`"&<>\`, rune(c)); plain {
				room := make([]byte, 0, 512)
				if got := testing.AllocsPerRun(1, func() { e.AppendTo(room) }); got != 0 {
					t.Fatalf("%q: got %v allocations, want none", text, got)
				}
			}
		}
	}
}
