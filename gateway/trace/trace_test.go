package trace_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	collector "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/doorstroom/doorstroom/gateway/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const id = "019391a2-7c11-7d5e-8a00-0123456789ab"

// receiver takes spans by OTLP/HTTP.
type receiver struct {
	*httptest.Server
	status int

	mu    sync.Mutex
	spans []*collector.Span // guarded by mu
}

func newReceiver(t *testing.T, status int) *receiver {
	r := &receiver{status: status}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var data collector.TracesData
	if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" ||
		proto.Unmarshal(body, &data) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range data.ResourceSpans {
		for _, scope := range one.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	w.WriteHeader(r.status)
}

func (r *receiver) names() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, s := range r.spans {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func open(endpoint string, percent int, log io.Writer) *trace.Tracer {
	return trace.Open(trace.Options{
		Endpoint: endpoint, Percent: percent, Secret: []byte("secret"), Party: "00000099000000001000", Version: "test",
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

func stop(t *testing.T, tr *trace.Tracer) {
	t.Helper()
	if err := tr.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// Off, which is the default, there is nothing to pay.
func TestOffCostsNothing(t *testing.T) {
	ctx := context.Background()
	for name, tr := range map[string]*trace.Tracer{"none": nil, "off": open("", 100, io.Discard)} {
		allocated := testing.AllocsPerRun(100, func() {
			within, span := tr.Start(ctx, "deliver batch")
			span.Text("peer", "00000099000000002000")
			span.Count("messages", 7)
			tr.Delivered(within, id, "received")
			tr.Accepted(within, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "received")
			tr.Queued(within, [16]byte{}, "00000099000000002000", "capacity")
			span.Name("other")
			span.End(nil)
			if within != ctx || span.Recording() || tr.Chosen([16]byte{}) {
				t.Errorf("%s: it does something", name)
			}
		})
		if allocated != 0 {
			t.Errorf("%s: got %v allocations, want none", name, allocated)
		}
		stop(t, tr)
	}
}

func TestParent(t *testing.T) {
	on := open("http://127.0.0.1:1", 100, io.Discard)
	off := open("", 0, io.Discard)
	other := trace.Open(trace.Options{Secret: []byte("another")})
	parent := on.Parent(id)
	if !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(parent) {
		t.Errorf("got %q, want a traceparent", parent)
	}
	if got := off.Parent(id); got != parent {
		t.Errorf("when off: got %q, want the same, %q", got, parent)
	}
	next := strings.Replace(id, "ab", "ac", 1)
	for what, got := range map[string]string{"another message": on.Parent(next), "another node": other.Parent(id)} {
		if got[3:35] == parent[3:35] || got[36:52] == parent[36:52] {
			t.Errorf("%s: got %q beside %q, want other ids", what, got, parent)
		}
	}
	stop(t, on)
}

func TestChosen(t *testing.T) {
	for percent, want := range map[int][2]int{0: {0, 0}, 100: {1000, 1000}, 25: {150, 350}} {
		tr := open("http://127.0.0.1:1", percent, io.Discard)
		chosen := 0
		for range 1000 {
			if tr.Chosen(uuid.Must(uuid.NewV7())) {
				chosen++
			}
		}
		if chosen < want[0] || chosen > want[1] {
			t.Errorf("%d %%: got %d of 1000, want %v", percent, chosen, want)
		}
		stop(t, tr)
	}
}

// What a peer says of sampling neither makes this node record nor keeps it from
// recording.
func TestPeersFlagCountsForNothing(t *testing.T) {
	for _, test := range []struct {
		percent int
		flag    string
		want    string
	}{{0, "01", ""}, {100, "00", "accept message, accept batch"}, {100, "01", "accept message, accept batch"}} {
		r := newReceiver(t, http.StatusOK)
		tr := open(r.URL, test.percent, io.Discard)
		ctx, span := tr.Start(t.Context(), "accept batch")
		tr.Accepted(ctx, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"+test.flag, "received")
		tr.Accepted(ctx, "00-00000000000000000000000000000000-b7ad6b7169203331-01", "received") // valid nowhere
		span.End(nil)
		stop(t, tr)
		if got := r.names(); got != test.want {
			t.Errorf("%d %% and flag %s: got %q, want %q", test.percent, test.flag, got, test.want)
		}
	}
}

// A receiver that fails loses spans and nothing else, and is told of once.
func TestReceiverThatFails(t *testing.T) {
	r := newReceiver(t, http.StatusServiceUnavailable)
	var log bytes.Buffer
	tr := open(r.URL, 100, &log)
	for range 20_000 { // more than may wait
		_, span := tr.Start(t.Context(), "publish")
		span.End(nil)
	}
	stop(t, tr)
	if sent, lost, dropped := tr.Spans(); sent != 0 || lost == 0 || lost+dropped != 20_000 {
		t.Errorf("got %d spans sent, %d lost and %d dropped, want all of 20000 lost or dropped", sent, lost, dropped)
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 1 {
		t.Errorf("got %d warnings, want one: %s", got, log.String())
	}
}

// What is more than may wait is dropped, and counted.
func TestDroppedSpansAreCounted(t *testing.T) {
	r := newReceiver(t, http.StatusOK)
	r.mu.Lock() // it does not answer
	tr := open(r.URL, 100, io.Discard)
	const ended, may = 20_000, 4096
	for range ended {
		_, span := tr.Start(t.Context(), "publish")
		span.End(nil)
	}
	if sent, lost, dropped := tr.Spans(); sent+lost != 0 || dropped != ended-may {
		t.Errorf("while it does not answer: got %d sent, %d lost and %d dropped, want %d dropped", sent, lost, dropped, ended-may)
	}
	r.mu.Unlock()
	stop(t, tr)
	if sent, lost, dropped := tr.Spans(); sent+lost+dropped != ended {
		t.Errorf("in the end: got %d sent, %d lost and %d dropped, want %d in all", sent, lost, dropped, ended)
	}
}

// A receiver that never answers does not hold up a stop for long: Stop gives up
// by itself, so that this test ends at all.
func TestReceiverThatHangs(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	tr := open(server.URL, 100, io.Discard)
	_, span := tr.Start(t.Context(), "publish")
	span.End(nil)
	stop(t, tr)
	close(hang)
	server.Close()
}
