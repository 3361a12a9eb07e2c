package journal_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

func TestEntryRoundTrip(t *testing.T) {
	want := journal.Entry{
		Time: time.Date(2026, 11, 2, 9, 0, 0, 5, time.UTC), Kind: journal.KindDenied, Party: "00000099000000001000",
		Principal: "00000099000000002000", Recipients: "00000099000000001000 00000099000000002000", Message: "m",
		Fields: []gateway.Field{gateway.FieldTitle}, Forms: gateway.Disclosure{gateway.FieldAvailable: gateway.Banded},
		Count: 3, Policy: "p", Rule: "r", Rules: []string{"a", "b"}, Register: 7, Caller: "c", Outcome: "received",
		Reason: gateway.ReasonOlder, Digest: "d", Since: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC),
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
	want := "time,kind,party,principal,recipients,message,fields,forms,count,policy,rule,rules,register,caller,outcome,reason,digest,since"
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
