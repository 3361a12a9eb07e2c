package schema_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/schema"
)

var update = flag.Bool("update", false, "write the expected texts of schemas/testdata/invalid")

const (
	testdata = "../../schemas/testdata"
	today    = gateway.Date("2026-11-01")
)

func newValidator(t testing.TB) *schema.Validator {
	t.Helper()
	v, err := schema.New()
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return v
}

// files gives the test files of valid or invalid, each with the schema it is for.
func files(t testing.TB, folder string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(testdata, folder, "*", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no test files in %s: %v", folder, err)
	}
	found := map[string]string{}
	for _, name := range names {
		found[name] = filepath.Base(filepath.Dir(name))
	}
	return found
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// judge asks the validator as its callers do: data of a kind with the codes of
// today, an envelope as a message, all else by its schema.
func judge(v *schema.Validator, name string, data []byte) (gateway.Reason, []schema.Violation) {
	switch {
	case name == "envelope":
		_, reason, violations := v.Envelope(data)
		return reason, violations
	case slices.Contains(gateway.Kinds(), name):
		return v.Message(name, data, today)
	}
	violations, err := v.Validate(name, data)
	switch {
	case err != nil:
		return gateway.ReasonMalformed, violations
	case len(violations) > 0:
		return gateway.ReasonSchema, violations
	}
	return "", nil
}

func TestValidFiles(t *testing.T) {
	v := newValidator(t)
	seen := map[string]bool{}
	for file, name := range files(t, "valid") {
		seen[name] = true
		if reason, violations := judge(v, name, read(t, file)); reason != "" || len(violations) > 0 {
			t.Errorf("%s: got %q %v, want no reason", file, reason, violations)
		}
	}
	for _, name := range v.Names() {
		if !seen[name] {
			t.Errorf("schema %s has no valid test file", name)
		}
	}
}

// The examples of docs/protocol.md are what it says they are: before each block of
// them stand the names of their schemas.
func TestExamplesOfTheProtocol(t *testing.T) {
	v := newValidator(t)
	text := string(read(t, "../../docs/protocol.md"))
	blocks := regexp.MustCompile("<!-- ([a-z, -]+) -->\n```json\n([^`]*)```").FindAllStringSubmatch(text, -1)
	if want := strings.Count(text, "```json"); len(blocks) != want || want < 2 {
		t.Fatalf("got %d blocks with the names of their schemas, want all %d", len(blocks), want)
	}
	for _, block := range blocks {
		dec := json.NewDecoder(strings.NewReader(block[2]))
		for _, name := range strings.Split(block[1], ", ") {
			var example json.RawMessage
			if err := dec.Decode(&example); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if reason, violations := judge(v, name, example); reason != "" {
				t.Errorf("%s: got %q %v, want it in order", name, reason, violations)
			}
		}
		if dec.More() {
			t.Errorf("%s: there are more examples than names", block[1])
		}
	}
}

// What the sealed vectors of messages about persons hold is in order, but where
// only its size is the point; there is one at least of each kind.
func TestEncryptedVectorsFit(t *testing.T) {
	v := newValidator(t)
	var all struct {
		Tokens []struct{ Name, Inner string }
	}
	if err := json.Unmarshal(read(t, filepath.Join(testdata, "vectors", "encrypted.json")), &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, token := range all.Tokens {
		parts := strings.Split(token.Inner, ".")
		if len(parts) != 3 || strings.Contains(token.Name, "padded") {
			continue
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		m, reason, violations := v.Envelope(payload)
		if reason == "" {
			reason, violations = v.Message(m.Kind, m.Data, today)
		}
		if reason != "" || m.Nonce == "" || len(payload) != 4096 {
			t.Errorf("%s: got %q %v, %d bytes, want it in order and padded", token.Name, reason, violations, len(payload))
		}
		seen[m.Kind] = true
	}
	for _, kind := range gateway.Kinds() {
		if gateway.Confidential(kind) != seen[kind] {
			t.Errorf("%s: got a vector %v, want one of each kind about persons", kind, seen[kind])
		}
	}
}

func TestInvalidFiles(t *testing.T) {
	v := newValidator(t)
	for file, name := range files(t, "invalid") {
		reason, violations := judge(v, name, read(t, file))
		if reason == "" {
			t.Errorf("%s: got no reason, want one", file)
		}
		got := describe(reason, violations)
		golden := strings.TrimSuffix(file, ".json") + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if want := string(read(t, golden)); got != want {
			t.Errorf("%s: got\n%swant\n%s", file, got, want)
		}
	}
}

func describe(reason gateway.Reason, violations []schema.Violation) string {
	text := fmt.Sprintf("reason: %s\n", reason)
	for _, v := range violations {
		text += fmt.Sprintf("%s %s\n  %s\n  %s\n", v.Path, v.Code, v.Dutch, v.English)
	}
	return text
}

// Every value of an invalid file that is not a word of ours must be absent from
// what is said of it.
func TestViolationsDoNotEcho(t *testing.T) {
	v := newValidator(t)
	for _, secret := range []string{"Jan is ziek", "secret-remark", "ruimtevaart", "javascript", "Jan Jansen", "ma-nacht", "gm9999"} {
		found := false
		for file, name := range files(t, "invalid") {
			data := read(t, file)
			if !bytes.Contains(data, []byte(secret)) {
				continue
			}
			found = true
			if reason, violations := judge(v, name, data); strings.Contains(describe(reason, violations), secret) {
				t.Errorf("%s: the violations repeat %q", file, secret)
			}
		}
		if !found {
			t.Errorf("no invalid file contains %q, so this test proves nothing", secret)
		}
	}
}

func TestMessageReasons(t *testing.T) {
	v := newValidator(t)
	full := read(t, testdata+"/valid/capacity/full.json")
	for _, c := range []struct {
		name, kind string
		data       []byte
		day        gateway.Date
		want       gateway.Reason
	}{
		{"valid", gateway.KindCapacity, full, today, ""},
		{"unknown kind", "bedtime-story", full, today, gateway.ReasonType},
		{"newer version", "capacity.v2", full, today, gateway.ReasonType},
		{"a schema that is no kind", "envelope", full, today, gateway.ReasonType},
		{"not JSON", gateway.KindCapacity, []byte("x"), today, gateway.ReasonMalformed},
		{"nothing", gateway.KindCapacity, nil, today, gateway.ReasonMalformed},
		{"other kind's data", gateway.KindCapacityState, full, today, gateway.ReasonSchema},
		{"codes not valid yet", gateway.KindCapacity, full, "2014-12-31", gateway.ReasonCode},
	} {
		if got, violations := v.Message(c.kind, c.data, c.day); got != c.want {
			t.Errorf("%s: got %q %v, want %q", c.name, got, violations, c.want)
		}
	}
}

func TestExpiredCodeIsNamedUnknownOneIsNot(t *testing.T) {
	v := newValidator(t)
	_, expired := v.Message("capacity", read(t, testdata+"/invalid/capacity/expired-code.json"), today)
	_, unknown := v.Message("capacity", read(t, testdata+"/invalid/capacity/unknown-code.json"), today)
	if len(expired) != 2 || !strings.Contains(expired[0].Dutch, "wwb") || !strings.Contains(expired[0].Dutch, "grondslag") {
		t.Errorf("got %v, want violations that name list grondslag and code wwb", expired)
	}
	if len(unknown) != 3 || !strings.Contains(unknown[2].Dutch, "codelijst werksoort") || strings.Contains(unknown[2].Dutch, "ruimtevaart") {
		t.Errorf("got %v, want violations that name list werksoort and not the code", unknown)
	}
	// The law that has expired was in force on its last day.
	data := bytes.ReplaceAll(read(t, testdata+"/valid/capacity/least.json"), []byte(`"provider"`), []byte(`"grondslag": "wwb", "provider"`))
	if reason, violations := v.Message("capacity", data, "2014-12-31"); reason != "" {
		t.Errorf("got %q %v on the last day of validity, want no reason", reason, violations)
	}
	if reason, _ := v.Message("capacity", data, "2015-01-01"); reason != gateway.ReasonCode {
		t.Errorf("got %q on the day after, want %q", reason, gateway.ReasonCode)
	}
}

func TestEnvelopeReadsTheMessage(t *testing.T) {
	v := newValidator(t)
	m, reason, violations := v.Envelope(read(t, testdata+"/valid/envelope/for-a-principal.json"))
	if reason != "" {
		t.Fatalf("got %q %v, want no reason", reason, violations)
	}
	if m.Source != "00000099000000003000" || m.Principal != "00000099000000001000" || m.Kind != "capacity" || m.Sequence != 12 || len(m.Data) == 0 {
		t.Errorf("got %+v, want the attributes of the file", m)
	}
	if _, reason, _ := v.Envelope(m.Encode()); reason != "" {
		t.Errorf("got %q for a message as Encode writes it, want no reason", reason)
	}
	m, reason, _ = v.Envelope(read(t, testdata+"/valid/envelope/newer-version.json"))
	if reason != "" || m.Kind != "capacity.v2" || m.ID == "" || m.Source == "" || m.Recipient == "" {
		t.Errorf("got %q %+v, want a message of kind capacity.v2 that can be answered", reason, m)
	}
}

func TestValidateUnknownSchema(t *testing.T) {
	v := newValidator(t)
	for _, name := range []string{"", "common", "capacity.v1", "Capacity", "../capacity"} {
		if _, err := v.Validate(name, []byte("{}")); gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("Validate(%q): got %v, want NotFound", name, err)
		}
	}
}

func TestStrictBounds(t *testing.T) {
	v := newValidator(t)
	deep := func(open, shut string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) }
	for _, c := range []struct {
		name, in string
		ok       bool
	}{
		{"32 arrays", deep("[", "]", 32), true},
		{"33 arrays", deep("[", "]", 33), false},
		{"32 objects", deep(`{"a":`, "}", 32), true},
		{"33 objects", deep(`{"a":`, "}", 33), false},
		{"a bomb of arrays", strings.Repeat("[", 1_000_000), false},
		{"a bomb of objects", strings.Repeat(`{"a":`, 200_000), false},
		{"249,999 items", "[" + strings.Repeat("0,", 249_998) + "0]", true},
		{"250,000 items", "[" + strings.Repeat("0,", 249_999) + "0]", false},
		{"1e15", "1000000000000000", true},
		{"more than 1e15", "1000000000000001", false},
		{"less than -1e15", "-1000000000000001", false},
		{"1e15 and a bit", "1000000000000000.5", false},
		{"19 digits", "9999999999999999999", false},
		{"small exponent", "1e2", false},
		{"large exponent", "1e10000000", false},
		{"negative exponent", "1E-10000000", false},
		{"24 characters", "0." + strings.Repeat("1", 22), true},
		{"25 characters", "0." + strings.Repeat("1", 23), false},
		{"leading zero", "01", false},
		{"plus", "+1", false},
		{"infinity", "Infinity", false},
		{"same name twice, one escaped", `{"a":1,"\u0061":2}`, false},
		{"same name in two objects", `[{"a":1},{"a":1}]`, true},
		{"names that differ in case", `{"a":1,"A":2}`, true},
		{"surrogate pair", `"\ud83d\ude00"`, true},
		{"half a surrogate pair", `"\ud83d"`, false},
		{"overlong UTF-8", "\"\xc0\xaf\"", false},
		{"raw control character", "\"\n\"", false},
		{"white space around", " \r\n\t{} \r\n\t", true},
		{"two values", "{}{}", false},
		{"a NUL behind", "{}\x00", false},
		{"nothing", "", false},
		{"white space", "  ", false},
	} {
		err := v.Strict([]byte(c.in))
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v, want ok %v", c.name, err, c.ok)
		}
		if err != nil && gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got kind %v, want Invalid", c.name, gateway.KindOf(err))
		}
	}
}

func TestManyViolationsAreBounded(t *testing.T) {
	v := newValidator(t)
	data := []byte(`{"subjects":[` + strings.Repeat(`" ",`, 5_000) + `" "]}`)
	violations, err := v.Validate("capacity-state", data)
	if err != nil || len(violations) != 100 {
		t.Errorf("got %d violations and error %v, want 100", len(violations), err)
	}
}

// A list holds all that a sender may show, and such a message is not too large.
func TestListAtItsEdge(t *testing.T) {
	v := newValidator(t)
	for n, want := range map[int]bool{gateway.MaxShown: true, gateway.MaxShown + 1: false} {
		state := gateway.CapacityState{Subjects: make([]string, n)}
		for i := range state.Subjects {
			state.Subjects[i] = fmt.Sprintf("abcdefghijklmnopqrst%06d", i)
		}
		data, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		violations, err := v.Validate("capacity-state", data)
		if err != nil || (len(violations) == 0) != want {
			t.Errorf("%d subjects: got %v, %v, want that they fit: %v", n, violations, err, want)
		}
		if limit := int(1e6 / 2); len(data) > limit {
			t.Errorf("%d subjects are %d bytes, want far less than a message may have", n, len(data))
		}
	}
}

// What a domain value encodes to must fit its schema: the nodes of this
// repository are to understand each other.
func TestProjectionFitsSchema(t *testing.T) {
	v := newValidator(t)
	offer := gateway.Offer{
		ID: "werkcafe", Provider: "00000099000000001000", Title: "Werkcafé", Werksoorten: []string{"horeca"},
		Trajectsoort: "participatieplaats", Dienstverband: "geen", Grondslag: "participatiewet", Functionaliteit: "G",
		Location: gateway.Location{Gemeente: "gm0482"}, ValidFrom: "2026-01-01", ValidUntil: "2026-12-31",
		Places:     []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 15, Occupied: 12}},
		Allotments: []gateway.Allotment{{ID: "a", Gemeenten: []gateway.Gemeente{"gm0482"}, Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 5, Occupied: 6}}}},
	}
	if problems := offer.Check(v.Lists(), today); len(problems) > 0 {
		t.Fatalf("the offer of this test has problems: %v", problems)
	}
	recipient := gateway.Recipient{Party: "00000099000000002000", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}}
	sampling := gateway.Sampling{}.Advance(offer, time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	show := gateway.Disclosure{}
	for _, f := range gateway.Fields() {
		forms := f.Forms()
		show[f] = forms[len(forms)-1]
		data, _ := gateway.Project(offer, sampling, recipient, show).Encode()
		if reason, violations := v.Message("capacity", data, today); reason != "" {
			t.Errorf("up to field %s: got %q %v, want no reason", f, reason, violations)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	v := newValidator(t)
	good := read(t, testdata+"/valid/capacity/full.json")
	bad := read(t, testdata+"/invalid/capacity/unknown-code-and-schema.json")
	_, want := v.Message("capacity", bad, today)
	var wg sync.WaitGroup
	failures := make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if reason, _ := v.Message("capacity", good, today); reason != "" {
					failures <- errors.New("a valid message was refused")
					return
				}
				if _, got := v.Message("capacity", bad, today); !slices.Equal(got, want) {
					failures <- fmt.Errorf("got %v, want %v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
}

func BenchmarkCapacity(b *testing.B) {
	v := newValidator(b)
	data := bytes.Join(bytes.Fields(read(b, testdata+"/valid/capacity/full.json")), nil)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if reason, violations := v.Message("capacity", data, today); reason != "" {
			b.Fatal(reason, violations)
		}
	}
}

func BenchmarkEnvelope(b *testing.B) {
	v := newValidator(b)
	m, _, _ := v.Envelope(read(b, testdata+"/valid/envelope/capacity.json"))
	m.Data = bytes.Join(bytes.Fields(read(b, testdata+"/valid/capacity/full.json")), nil)
	data := m.Encode()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, reason, violations := v.Envelope(data); reason != "" {
			b.Fatal(reason, violations)
		}
	}
}

func BenchmarkStrict(b *testing.B) {
	v := newValidator(b)
	data := bytes.Join(bytes.Fields(read(b, testdata+"/valid/capacity/full.json")), nil)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Strict(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newValidator(b)
	}
}
