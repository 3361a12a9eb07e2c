package schema_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/schemas"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// oracle compiles the schemas as another implementer would: nothing expanded, no
// code of ours in between.
func oracle(t testing.TB) func(name string) *jsonschema.Schema {
	t.Helper()
	files, err := fs.Glob(schemas.FS(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, file := range files {
		data, err := fs.ReadFile(schemas.FS(), file)
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("https://doorstroom.example/schemas/"+file, plain(t, data)); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) *jsonschema.Schema {
		s, err := compiler.Compile("https://doorstroom.example/schemas/" + name + ".v1.json")
		if err != nil {
			t.Fatalf("compile %s: %v", name, err)
		}
		return s
	}
}

func plain(t testing.TB, data []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// ours are the violations of rules that JSON Schema cannot state.
func ours(code string) bool {
	switch code {
	case "order", "repeated", "whole", "code-unknown", "code-expired":
		return true
	}
	return false
}

// Each valid file, with a random part of it replaced by a random other thing, is
// judged as jsonschema judges it by the plain schemas.
func TestFitsAgrees(t *testing.T) {
	v, schemaOf := newValidator(t), oracle(t)
	compiled := map[string]*jsonschema.Schema{}
	originals := map[string][]any{}
	for file, name := range files(t, "valid") {
		compiled[name] = schemaOf(name)
		originals[name] = append(originals[name], plain(t, read(t, file)))
	}
	refused, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(v.Names()).Draw(t, "schema")
		data, err := json.Marshal(mutate(t, rapid.SampledFrom(originals[name]).Draw(t, "file")))
		if err != nil {
			t.Fatal(err)
		}
		var value any
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		want := compiled[name].Validate(value) == nil
		violations, err := v.Validate(name, data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		got := true
		for _, violation := range violations {
			got = got && ours(violation.Code)
		}
		if got != want {
			t.Fatalf("%s %s: got ok %v %v, jsonschema says %v", name, data, got, violations, want)
		}
		if want {
			accepted++
		} else {
			refused++
		}
	})
	if refused == 0 || accepted == 0 {
		t.Errorf("got %d refused and %d accepted, want some of both", refused, accepted)
	}
}

// mutate copies a value and, on the way down, may put something else somewhere.
func mutate(t *rapid.T, value any) any {
	if rapid.IntRange(0, 40).Draw(t, "replace") == 0 {
		return rapid.SampledFrom([]any{
			nil, true, false, "", "a", "ma-ochtend", "2026-02-30", "2026-01-01", "received", "00000099000000001000", strings.Repeat("x", 201),
			json.Number("0"), json.Number("-1"), json.Number("1.5"), json.Number("2.0"), json.Number("52"), json.Number("10001"),
			[]any{}, []any{"a", "a"}, map[string]any{}, map[string]any{"a": "b"},
		}).Draw(t, "other")
	}
	switch value := value.(type) {
	case map[string]any:
		members := map[string]any{}
		for _, name := range sorted(value) {
			switch rapid.IntRange(0, 60).Draw(t, "name") {
			case 0: // left out
			case 1:
				members[rapid.SampledFrom([]string{"withdrawn", "available", "band", "Offer", "x", "validFrom", "reason"}).Draw(t, "renamed")] = value[name]
			default:
				members[name] = mutate(t, value[name])
			}
		}
		return members
	case []any:
		items := []any{}
		for _, item := range value {
			items = append(items, mutate(t, item))
		}
		return items
	}
	return value
}

func sorted(members map[string]any) []string {
	var names []string
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// FuzzValidate holds that no input makes a schema panic, that whatever is said
// of it is bounded and made of our own words, and that what the validator takes
// is what an independent reading of the schema takes.
func FuzzValidate(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		for file, name := range files(f, folder) {
			f.Add(name, read(f, file))
		}
	}
	v, schemaOf := newValidator(f), oracle(f)
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		violations, err := v.Validate(name, data)
		if gateway.KindOf(err) == gateway.NotFound {
			return
		}
		checkWords(t, violations, data)
		reason, found := v.Message(name, data, today)
		checkWords(t, found, data)
		if (reason == "") && (err != nil || len(violations) > 0) {
			t.Errorf("Message takes what Validate refuses: %v %v", violations, err)
		}
		if err == nil && len(violations) == 0 && schemaOf(name).Validate(plain(t, data)) != nil {
			t.Errorf("Validate takes what jsonschema refuses")
		}
	})
}

// FuzzEnvelope holds that what the envelope takes can be read, and is read as it
// was written.
func FuzzEnvelope(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		for file, name := range files(f, folder) {
			if name == "envelope" {
				f.Add(read(f, file))
			}
		}
	}
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, reason, violations := v.Envelope(data)
		checkWords(t, violations, data)
		if reason != "" {
			if len(violations) == 0 {
				t.Errorf("got reason %s without a violation", reason)
			}
			return
		}
		if slices.ContainsFunc(violations, func(v schema.Violation) bool { return v.Code == "event" }) {
			t.Errorf("the envelope schema takes what DecodeMessage refuses")
		}
		if strings.Contains(m.Kind, ".") {
			return // a newer version, which this one does not write
		}
		again, reason, _ := v.Envelope(m.Encode())
		if reason != "" || again.ID != m.ID || again.Source != m.Source || again.Sequence != m.Sequence || again.Subject != m.Subject {
			t.Errorf("got %q %+v after encoding, want %+v", reason, again, m)
		}
	})
}

// checkWords looks for a long piece of the input in what is said of it.
func checkWords(t *testing.T, violations []schema.Violation, data []byte) {
	t.Helper()
	const marker = "zq7" // FuzzValidate's inputs are free to contain it; our words do not
	if len(violations) > 100 {
		t.Errorf("got %d violations, want at most 100", len(violations))
	}
	for _, v := range violations {
		if v.Code == "" || v.Dutch == "" || v.English == "" {
			t.Errorf("got %+v, want a code and both languages", v)
		}
		if bytes.Contains(data, []byte(marker)) && strings.Contains(v.Path+v.Dutch+v.English, marker) {
			t.Errorf("got %+v, which repeats the input", v)
		}
	}
}
