package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

const glanceDay = gateway.Date("2026-11-01")

// samples are the test files of one folder, by schema.
func samples(t testing.TB, folder string) map[string][][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("../../schemas/testdata", folder, "*", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no test files in %s: %v", folder, err)
	}
	found := map[string][][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		schema := filepath.Base(filepath.Dir(name))
		found[schema] = append(found[schema], data)
	}
	return found
}

// taken holds what glance says of some bytes against parse and judge.
func taken(t interface{ Fatalf(string, ...any) }, v *Validator, name string, data []byte) bool {
	value, bad := parse(data)
	if glanceAt(&plan{takes: anything}, data, "", nil) && bad != nil {
		t.Fatalf("%s: taken for strict JSON, which it is not: %v", data, bad)
	}
	doc, ok := v.documents[name]
	if !ok || !glanceAt(doc.plan, data, glanceDay, nil) {
		return false
	}
	if bad != nil {
		t.Fatalf("%s %s: taken, but not strict JSON: %v", name, data, bad)
	}
	if found := v.judge(doc, value, glanceDay); len(found) > 0 {
		t.Fatalf("%s %s: taken, but it has %v", name, data, found)
	}
	return true
}

// TestGlanceTakesWhatIsCommon: the gain is lost, and nothing else would show it,
// where glance leaves an ordinary message to the others.
func TestGlanceTakesWhatIsCommon(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	valid := samples(t, "valid")
	for _, name := range []string{"capacity", "capacity-state", "envelope", "offer", "batch", "receipt-head", "register"} {
		for _, data := range valid[name] {
			if !taken(t, v, name, data) {
				t.Errorf("%s %s: not taken", name, data)
			}
		}
	}
	for _, data := range valid["capacity"] {
		empty := bytes.Replace(data, []byte(`"provider"`), []byte(`"location":{}, "provider"`), 1)
		if taken(t, v, "capacity", empty) {
			t.Errorf("%s: taken", empty)
		}
	}
	for _, data := range valid["envelope"] {
		got, ok := v.event(data)
		want, err := gateway.DecodeMessage(data)
		if !ok || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v %t, want %+v %v", data, got, ok, want, err)
		}
	}
}

// TestGlanceIsRight changes bytes, tokens and values of test files.
func TestGlanceIsRight(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	all := samples(t, "valid")
	for name, more := range samples(t, "invalid") {
		all[name] = append(all[name], more...)
	}
	pieces := []string{
		"", " ", ",", ":", `"`, "{", "}", "[", "]", "0", "-", "-0", "1.5", "2.0", "1e3", "01", "null", "true", "false", `""`, "{}", "[]",
		`"\u0061"`, `"\ud83d"`, `"\ud83d\ude00"`, "\xff", "é", "\x00", "\n", `\`, "\u202e", "2026-02-30", "2026-11-29", "2026-11-31", "24:00:00", ".123Z", "+01:00",
		`,"a":1`, `,"withdrawn":true`, `,"validFrom":"2026-12-31"`, `"withdrawn":false,`, `"available":1,`, `"band":"vol",`, `"maximum":10001,`,
		`"dagdeel":"ma-ochtend",`, "999999999999999999999", "0.1234567890123456789012345", "1000000000000001",
	}
	counted := map[bool]int{} // of changes that are the same in every run
	for name, files := range all {
		for _, data := range files {
			for _, piece := range pieces {
				changed := slices.Concat(data[:len(data)/2], []byte(piece), data[len(data)/2:])
				counted[taken(t, v, name, changed)]++
			}
		}
	}
	if counted[true] == 0 || counted[false] == 0 {
		t.Errorf("got %d taken and %d not, want some of both", counted[true], counted[false])
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(v.Names()).Draw(t, "schema")
		data := bytes.Clone(rapid.SampledFrom(all[name]).Draw(t, "file"))
		if rapid.Bool().Draw(t, "compact") {
			var b bytes.Buffer
			if json.Compact(&b, data) == nil {
				data = b.Bytes()
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			from := rapid.IntRange(0, len(data)).Draw(t, "from")
			to := min(len(data), from+rapid.SampledFrom([]int{0, 0, 1, 2, 12}).Draw(t, "length"))
			piece := rapid.SampledFrom(pieces).Draw(t, "piece")
			if rapid.IntRange(0, 4).Draw(t, "double") == 0 { // the same member or item twice
				piece = string(data[from:min(len(data), from+rapid.IntRange(1, 120).Draw(t, "of"))])
			}
			data = []byte(strings.Join([]string{string(data[:from]), piece, string(data[to:])}, ""))
		}
		taken(t, v, name, data)
	})
}

// FuzzGlance holds that what glance takes, parse and judge take too; and that
// what it reads of a message is what encoding/json reads.
// Every byte at every place of a string is read as by a parser: several are looked
// at at once.
func TestGlanceReadsEveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			raw := []byte(`"a text of some letters","more"`)
			raw[1+at] = byte(c)
			want, err := jsontext.NewDecoder(bytes.NewReader(raw)).ReadValue()
			g := glance{b: raw}
			if got := g.string(); got != (err == nil) {
				t.Fatalf("%q: got %v, want %v", raw, got, err)
			} else if !got {
				continue
			}
			text, err := jsontext.AppendUnquote(nil, want)
			if err != nil || g.at != len(want) || !bytes.Equal(g.text, text) {
				t.Fatalf("%q: got %q up to %d, want %q up to %d (%v)", raw, g.text, g.at, text, len(want), err)
			}
		}
	}
}

func FuzzGlance(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		for name, all := range samples(f, folder) {
			for _, data := range all {
				f.Add(name, data)
			}
		}
	}
	v, err := New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		ok := taken(t, v, name, data)
		if name == "envelope" {
			if got, ok := v.event(data); ok {
				if want, err := gateway.DecodeMessage(data); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, want %+v %v", got, want, err)
				}
			}
		}
		if ok && name == "capacity" {
			var want gateway.Capacity
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if provider, withdrawn := Capacity(data); provider != want.Provider || withdrawn != want.Withdrawn {
				t.Errorf("got %q %t, want %q %t", provider, withdrawn, want.Provider, want.Withdrawn)
			}
		}
	})
}

func TestCapacityHead(t *testing.T) {
	for object, want := range map[string]struct {
		provider  gateway.OIN
		withdrawn bool
	}{
		`{"offer":"a", "provider" : "p","withdrawn":true}`:        {"p", true},
		`{"a":{"provider":"no","withdrawn":true},"provider":"p"}`: {"p", false},
		`{"\u0070rovider":"\u0070"}`:                              {"p", false},
		`{"a":["provider","withdrawn"],"provider":1}`:             {"", false},
		`{`: {"", false}, ``: {"", false}, `[]`: {"", false}, `{"provider"`: {"", false}, `{"provider":`: {"", false}, `"provider"`: {"", false},
	} {
		if provider, withdrawn := Capacity([]byte(object)); provider != want.provider || withdrawn != want.withdrawn {
			t.Errorf("%s: got %q %t, want %q %t", object, provider, withdrawn, want.provider, want.withdrawn)
		}
	}
}
