package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be a node, as the program is.
func TestMain(m *testing.M) {
	if os.Getenv(nodeEnv) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// bench runs the program and gives what it writes.
func runBench(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"--dir", t.TempDir()}, args...)
	if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != 0 {
		t.Fatalf("doorstroom-bench %s: got exit code %d, want 0\n%s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

// TestSmoke runs all that two live nodes can be asked, shortly: nothing is lost
// or doubled, and the document has the keys that others read. It says nothing of
// speed.
func TestSmoke(t *testing.T) {
	got := document(t, runBench(t, "--json", "--seconds", "1", "--profile", "--only", "throughput,latency,single"))
	for _, key := range []string{
		"per_second", "crypto_limit_per_second", "ratio", "p50_ms", "p99_ms", "single_p99_ms", "single_bound_ms",
		"fsync_ms", "round_trip_ms", "fsyncs", "mean_batch", "message_bytes",
	} {
		if n, _ := got[key].(float64); n <= 0 {
			t.Errorf("%s: got %v, want a number above 0", key, got[key])
		}
	}
	for _, key := range []string{"lost", "duplicated"} {
		if got[key] != 0.0 {
			t.Errorf("%s: got %v, want 0", key, got[key])
		}
	}
	if rss, _ := got["rss_anon_mb"].(map[string]any); len(rss) != 2 {
		t.Errorf("rss_anon_mb: got %v, want that of both nodes", got["rss_anon_mb"])
	}
	if profile, _ := got["profile"].([]any); len(profile) == 0 {
		t.Error("profile: got nothing, want packages")
	}
	if size, _ := got["message_bytes"].(float64); size < 1100 || size > 1300 {
		t.Errorf("message_bytes: got %v, want about %d", size, messageSize)
	}
}

// TestInterrupted: who ends a run gets what was measured until then, and is told
// what is missing and what was not counted.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &trap{word: "sustaining a load", then: cancel}
	var stdout bytes.Buffer
	args := []string{"--dir", t.TempDir(), "--json", "--seconds", "1", "--only", "single,throughput,import"}
	if code := run(ctx, args, strings.NewReader(""), &stdout, stderr); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	got := document(t, stdout.String())
	if n, _ := got["single_p99_ms"].(float64); n <= 0 {
		t.Errorf("single_p99_ms: got %v, want what was measured before the interruption", got["single_p99_ms"])
	}
	if want := []any{"throughput", "import"}; !reflect.DeepEqual(got["missing"], want) {
		t.Errorf("missing: got %v, want %v", got["missing"], want)
	}
	if got["uncounted"] != true {
		t.Errorf("uncounted: got %v, want true: nothing was counted", got["uncounted"])
	}
	if !strings.HasSuffix(stderr.all.String(), "doorstroom-bench: interrupted\n") {
		t.Errorf("got %q, want it to say that it was interrupted", stderr.all.String())
	}
}

// trap calls then when a word is written.
type trap struct {
	word string
	then func()
	all  bytes.Buffer
}

func (t *trap) Write(b []byte) (int, error) {
	if strings.Contains(string(b), t.word) {
		t.then()
	}
	return t.all.Write(b)
}

// TestHalfABacklog: what is known of one side is shown without the other.
func TestHalfABacklog(t *testing.T) {
	b := bench{progress: io.Discard}
	b.figures.Backlog = &backlogFigures{Few: depth{Queued: few, DrainCPU: 100, DrainTime: 200}, Many: depth{Queued: 4000}}
	b.compared(&b.figures.Backlog.Few, draining, 100, 200)
	shown := func() string {
		var out bytes.Buffer
		if err := b.figures.markdown(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got, want := shown(), "? (? beside 100 µs)"; !strings.Contains(got, want) || strings.Contains(got, "another party") {
		t.Errorf("got %s, want %q and nothing of another party", got, want)
	}
	b.figures.Backlog.Many.DrainCPU, b.figures.Backlog.Many.DrainTime = 150, 210
	b.compared(&b.figures.Backlog.Many, draining, 150, 210)
	if got, want := shown(), "1.50 × (150 beside 100 µs)"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %q", got, want)
	}
}

func document(t *testing.T, out string) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("got no JSON document: %v\n%s", err, out)
	}
	return got
}

// TestSmokeDeep runs the rest on a small scale.
func TestSmokeDeep(t *testing.T) {
	if testing.Short() {
		t.Skip("starts some twenty nodes")
	}
	got := document(t, runBench(t, "--json", "--seconds", "1", "--queued", "4100", "--offers", "5", "--only", "backlog,memory,coldstart,import"))
	if got["lost"] != 0.0 || got["duplicated"] != 0.0 {
		t.Errorf("lost and duplicated: got %v and %v, want 0", got["lost"], got["duplicated"])
	}
	want := map[string][]string{
		"backlog":          {"drain_ratio", "live_ratio", "store_ratio"},
		"memory_idle_mb":   {"end", "peak"},
		"memory_queued_mb": {"end", "peak"},
		"cold_start_s":     {"journal_open", "drained_open", "journal_clean", "journal_killed", "drained_clean", "drained_killed"},
		"import":           {"seconds", "peak_rss_anon_mb"},
	}
	for group, keys := range want {
		figures, _ := got[group].(map[string]any)
		for _, key := range keys {
			if n, _ := figures[key].(float64); n <= 0 {
				t.Errorf("%s.%s: got %v, want a number above 0", group, key, figures[key])
			}
		}
	}
}

// TestSmokeIsolation: each flood reaches the node, and the other party is served
// beside it.
func TestSmokeIsolation(t *testing.T) {
	if testing.Short() {
		t.Skip("starts some ten processes")
	}
	got := document(t, runBench(t, "--json", "--seconds", "0.5", "--only", "isolation"))
	if got["lost"] != 0.0 || got["duplicated"] != 0.0 {
		t.Errorf("lost and duplicated: got %v and %v, want 0", got["lost"], got["duplicated"])
	}
	found, _ := got["isolation"].(map[string]any)
	if len(found) != 9 {
		t.Errorf("isolation: got %d, want eight floods and none", len(found))
	}
	for name, figures := range found {
		one, _ := figures.(map[string]any)
		if n, _ := one["settled_p99_ms"].(float64); n <= 0 { // it was served
			t.Errorf("%s.settled_p99_ms: got %v, want a number above 0", name, one["settled_p99_ms"])
		}
		// A busy machine may not settle one import in so short a time.
		if n, ok := one["per_second"].(float64); !ok || n < 0 {
			t.Errorf("%s.per_second: got %v, want a number", name, one["per_second"])
		}
		if n, _ := one["flood_per_second"].(float64); n <= 0 && name != "alone" {
			t.Errorf("%s: the flood asked nothing", name)
		}
	}
}

func TestUnknownPart(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--only", "speed"}, nil, io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), "there are: throughput") {
		t.Errorf("got exit code %d and %q, want 1 and the list of parts", code, stderr.String())
	}
}

func TestArrivals(t *testing.T) {
	begin := time.Unix(1000, 0)
	mark := func(after time.Duration, n uint64) stats {
		return stats{Mark: true, At: begin.Add(after).UnixNano(), Sent: n}
	}
	all := []due{{begin, 2}, {begin.Add(10 * time.Millisecond), 1}}
	marks := []stats{mark(0, 0), mark(4*time.Millisecond, 1), mark(25*time.Millisecond, 3)}
	got, err := arrivals(all, marks, func(s stats) uint64 { return s.Sent })
	want := []time.Duration{4 * time.Millisecond, 15 * time.Millisecond, 25 * time.Millisecond}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := arrivals(append(all, due{begin, 1}), marks, func(s stats) uint64 { return s.Sent }); err == nil {
		t.Error("got no error for a message that never arrived")
	}
}

func TestPackageOf(t *testing.T) {
	for _, test := range []struct{ function, want string }{
		{"github.com/doorstroom/doorstroom/gateway/store.(*Store).Publish", "github.com/doorstroom/doorstroom/gateway/store"},
		{"encoding/json.Marshal", "encoding/json"},
		{"runtime.mallocgc", "runtime"},
		{"slices.SortFunc[go.shape.[]github.com/a/b.C]", "slices"},
		{"memeqbody", "memeqbody"},
		{"", "(unknown)"},
	} {
		if got := packageOf(test.function); got != test.want {
			t.Errorf("%q: got %q, want %q", test.function, got, test.want)
		}
	}
}

// TestCountNotices: the count finds what was lost, and what is old.
func TestCountNotices(t *testing.T) {
	f, err := lay(t.TempDir(), shape{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := startPair(t.Context(), f, 20)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	versions := p.admin.versions
	a, err := count(t.Context(), f, 20, versions)
	if err != nil || a.lost != 0 || a.duplicated != 0 || a.received != 20 || a.delivered != 20 {
		t.Errorf("got %+v, %v, want 20 received and delivered, none lost", a, err)
	}
	if a, err = count(t.Context(), f, 21, versions); err != nil || a.lost != 1 {
		t.Errorf("with one more published: got %+v, %v, want 1 lost", a, err)
	}
	versions["aanbod-0000003"]++
	if a, err = count(t.Context(), f, 20, versions); err != nil || a.lost != 1 {
		t.Errorf("with a version that did not arrive: got %+v, %v, want 1 lost", a, err)
	}
}
