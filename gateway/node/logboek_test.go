package node_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/logbook"
)

// logbookReceiver is a receiver that sometimes fails.
type logbookReceiver struct {
	mu      sync.Mutex
	answer  func(http.ResponseWriter)
	asked   int
	indexes []string // of the entries, as they came
	spans   map[string]bool
	wrong   []string
}

func (r *logbookReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var data collector.TracesData
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := proto.Unmarshal(body, &data); err != nil || req.URL.Path != "/v1/traces" {
		r.wrong = append(r.wrong, req.URL.Path)
	}
	for _, resource := range data.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				activity := false
				for _, a := range span.Attributes {
					activity = activity || a.Key == "dpl.core.processing_activity_id"
					if a.Key == "doorstroom.journal.index" {
						r.indexes = append(r.indexes, a.Value.GetStringValue())
					}
				}
				if !activity {
					r.wrong = append(r.wrong, span.Name)
				}
				r.spans[string(span.SpanId)] = true
			}
		}
	}
	r.asked++
	if r.answer != nil {
		r.answer(w)
	}
}

func (r *logbookReceiver) set(answer func(http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *logbookReceiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// taken waits until the receiver has taken the journal up to an entry.
func taken(t *testing.T, f *gt.Federation, next uint64) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		sent, _, err := f.Node(gt.Smile).Store.Sent(t.Context())
		must(t, err)
		if sent >= next {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the receiver has taken the journal up to %d, want %d", sent, next)
		}
	}
}

// New entries reach the receiver, all of them and in order, through failures and
// restarts; what came twice has the same spans.
func TestJournalIsSent(t *testing.T) {
	t.Parallel()
	r := &logbookReceiver{spans: map[string]bool{}}
	server := httptest.NewServer(r)
	defer server.Close()
	f := region(t)
	before := len(f.Journal(gt.Smile))
	f.SetConfig(gt.Smile, `logboek: {endpoint: ""`, `logboek: {endpoint: "`+server.URL+`"`)
	taken(t, f, uint64(before)) // where it begins
	f.Publish(gt.Smile, gt.Offer("geheim-kenmerk"))
	restart := func(answer func(http.ResponseWriter)) {
		r.set(answer)
		f.Stop(gt.Smile)
		f.Start(gt.Smile)
	}
	for name, answer := range map[string]func(http.ResponseWriter){
		"unavailable":      func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"all but one span": func(w http.ResponseWriter) { _, _ = w.Write([]byte{0x0a, 0x02, 0x08, 0x01}) },
		"no answer":        func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		before, _, err := f.Node(gt.Smile).Store.Sent(t.Context())
		must(t, err)
		asked := r.requests()
		restart(answer)
		for until := time.Now().Add(time.Minute); r.requests() == asked; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s: nothing was sent", name)
			}
		}
		f.Stop(gt.Smile) // waits for what is under way
		s := f.Start(gt.Smile).Store
		sent, _, err := s.Sent(t.Context())
		must(t, err)
		entries, since, err := s.Lag(t.Context())
		must(t, err)
		if sent != before || entries == 0 || since.IsZero() {
			t.Errorf("%s: got %d taken and a lag of %d since %v, want still %d and a lag", name, sent, entries, since, before)
		}
	}
	restart(nil)
	size := uint64(len(f.Journal(gt.Smile)))
	taken(t, f, size)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := uint64(before) + 1; i < size; i++ { // the restart for the configuration may come before or after the beginning
		if !slices.Contains(r.indexes, strconv.FormatUint(i, 10)) && i > first(r) {
			t.Errorf("entry %d was never sent", i)
		}
	}
	if len(r.wrong) > 0 || len(r.spans) >= len(r.indexes) {
		t.Errorf("wrong: %v; %d spans came in %d times: want some twice", r.wrong, len(r.spans), len(r.indexes))
	}
	if entries, _, err := f.Node(gt.Smile).Store.Lag(t.Context()); err != nil || entries > 2 {
		t.Errorf("got a lag of %d at the end (%v)", entries, err)
	}
}

func first(r *logbookReceiver) uint64 {
	i, _ := strconv.ParseUint(r.indexes[0], 10, 64)
	return i
}

// What the spans call an activity is what the verwerkingsregister calls it: all
// that is shown and taken in can be found there.
func TestActivitiesAreThoseOfTheRegister(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		const prefix = "https://register.example/"
		for _, oin := range []gateway.OIN{gt.Smile, gt.Dordrecht} {
			rules, day := f.Node(oin).Desk.Rules(), gateway.DateOf(time.Now())
			env := rules.Policy.Env()
			m, err := audit.NewMatrix(rules.Policy, audit.NewAbout(rules.Policy, env, 1, day), audit.Recipients(env, day))
			must(t, err)
			registered := map[string]bool{}
			all := audit.NewRegisters(rules.Policy, env, m, func(name string) string { return logbook.Activity(prefix, oin, name) })
			for _, a := range all.Activities {
				for _, uri := range a.Logged {
					registered[uri] = true
				}
			}
			for _, r := range all.Received {
				registered[r.Logged] = true
			}
			found := 0
			for _, e := range f.Journal(oin) {
				if !slices.Contains([]string{journal.KindPublish, journal.KindDelivered, journal.KindReceived}, e.Kind) || len(e.Rules) == 0 && e.Kind != journal.KindReceived {
					continue
				}
				for _, span := range logbook.Spans(prefix, oin, logbook.NewRecord(nil, e.Index, e.Entry)) {
					for _, a := range span.Attributes {
						if a.Key == "dpl.core.processing_activity_id" && !registered[a.Text] {
							t.Errorf("%s: %s of entry %d is not in the register", oin, a.Text, e.Index)
						}
					}
					found++
				}
			}
			if found == 0 {
				t.Errorf("%s: no entry was looked at", oin)
			}
		}
	})
}

// A receiver that takes nothing shows after an hour: in status, in the findings of
// doctor and in a metric; and no more when it has caught up.
func TestReceiverThatLagsShows(t *testing.T) {
	t.Parallel()
	r := &logbookReceiver{spans: map[string]bool{}}
	server := httptest.NewServer(r)
	defer server.Close()
	f := region(t)
	f.SetConfig(gt.Smile, `logboek: {endpoint: ""`, `logboek: {endpoint: "`+server.URL+`"`)
	taken(t, f, uint64(len(f.Journal(gt.Smile))-2)) // where it begins
	told := func() string {
		t.Helper()
		findings, err := f.Node(gt.Smile).Desk.Doctor(t.Context(), gt.Everyone())
		must(t, err)
		for _, found := range findings {
			if found.Check == "logboek" {
				return found.Level + " " + found.Text
			}
		}
		return ""
	}
	if got := told(); !strings.HasPrefix(got, desk.LevelOK) {
		t.Errorf("got %q, want that it is in order", got)
	}
	r.set(func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	now := time.Now()
	must(t, f.Node(gt.Smile).Store.Append(t.Context(), now, journal.Entry{Time: now, Kind: journal.KindStart}))
	must(t, f.Node(gt.Smile).Store.SetSent(t.Context(), now.Add(2*time.Hour), uint64(len(f.Journal(gt.Smile))-1))) // time passes for the node
	if got := told(); !strings.HasPrefix(got, desk.LevelWarning) || !strings.Contains(got, "has not taken 1 entry") && !strings.Contains(got, "entries, the first of") {
		t.Errorf("two hours later: got %q, want a warning that says how many", got)
	}
	status, err := f.Node(gt.Smile).Desk.Status(t.Context(), gt.Everyone())
	must(t, err)
	if !slices.ContainsFunc(status.Alarms, func(a string) bool { return strings.Contains(a, "logboek.endpoint") }) {
		t.Errorf("got alarms %q, want one about the receiver", status.Alarms)
	}
	r.set(nil)
	f.Stop(gt.Smile)
	f.Start(gt.Smile)
	taken(t, f, uint64(len(f.Journal(gt.Smile))-1))
	if got := told(); !strings.HasPrefix(got, desk.LevelOK) {
		t.Errorf("caught up: got %q, want that it is in order", got)
	}
}
