package node_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// receiver takes the spans of one node by OTLP/HTTP.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	spans []*collector.Span // guarded by mu
	bytes bytes.Buffer      // guarded by mu; all that came in
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var data collector.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &data)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("got a request to %s that is not OTLP: %v", req.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bytes.Write(body)
		for _, one := range data.ResourceSpans {
			for _, scope := range one.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// named gives the spans of a name.
func (r *receiver) named(name string) []*collector.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.spans), func(s *collector.Span) bool { return s.Name != name })
}

const untraced = `endpoint: "" # OTLP`

func traced(r *receiver) string { return `endpoint: "` + r.URL + `" # OTLP` }

// region is one provider and two that see all it offers.
func region(t *testing.T) *gt.Federation {
	return gt.NewFederation(t,
		gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gt.Member{OIN: gt.Dordrecht, Name: "Dordrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0505"}},
		gt.Member{OIN: gt.Molenlanden, Name: "Molenlanden", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm1978"}})
}

// parents are the trace contexts of the messages that reached a party.
func parents(t *testing.T, f *gt.Federation, to gateway.OIN) (all []string) {
	t.Helper()
	for _, one := range f.Net.Wire() {
		if one.To != to {
			continue
		}
		for _, token := range one.Batch.Messages {
			_, payload, err := seal.PeekUnverified(token)
			must(t, err)
			var event struct{ TraceParent string }
			must(t, json.Unmarshal(payload, &event))
			all = append(all, event.TraceParent)
		}
	}
	return all
}

func TestTraceCrossesNodes(t *testing.T) {
	t.Parallel()
	f := region(t)
	here, there := newReceiver(t), newReceiver(t)
	f.SetConfig(gt.Smile, untraced, traced(here))
	f.SetConfig(gt.Dordrecht, untraced, traced(there))
	offer := gt.Offer("geheim-kenmerk")
	f.Publish(gt.Smile, offer)
	f.Settled(time.Minute)
	f.Stop(gt.Smile)
	f.Stop(gt.Dordrecht)

	dordrecht, molenlanden := parents(t, f, gt.Dordrecht), parents(t, f, gt.Molenlanden)
	if len(dordrecht) != 1 || len(molenlanden) != 1 || dordrecht[0] == "" || molenlanden[0] == "" {
		t.Fatalf("got the traces %q and %q, want one message each, with one", dordrecht, molenlanden)
	}
	if dordrecht[0][3:35] == molenlanden[0][3:35] || dordrecht[0][36:52] == molenlanden[0][36:52] {
		t.Errorf("two recipients of one publication got %s and %s: they can tell", dordrecht[0], molenlanden[0])
	}
	// One trace through both nodes, and links from it to what it came from.
	accepted := there.named("accept message")
	if len(accepted) != 1 {
		t.Fatalf("got %d messages accepted, want one", len(accepted))
	}
	queued := slices.DeleteFunc(here.named("queue message"), func(s *collector.Span) bool {
		return !bytes.Equal(s.TraceId, accepted[0].TraceId)
	})
	if len(queued) != 1 || !bytes.Equal(accepted[0].ParentSpanId, queued[0].SpanId) {
		t.Fatalf("got %d messages queued in the trace of the one accepted, want one, and that it is the parent", len(queued))
	}
	if got := "00-" + hex.EncodeToString(queued[0].TraceId) + "-" + hex.EncodeToString(queued[0].SpanId) + "-01"; got != dordrecht[0] {
		t.Errorf("got a trace that begins with %s, want what went with the message, %s", got, dordrecht[0])
	}
	commits := here.named("commit")
	if len(queued[0].Links) != 1 || len(commits) == 0 || !slices.ContainsFunc(commits, func(s *collector.Span) bool {
		return bytes.Equal(s.SpanId, queued[0].Links[0].SpanId) && !bytes.Equal(s.TraceId, queued[0].TraceId)
	}) {
		t.Errorf("the message is not linked to the commit that it came from, in another trace")
	}
	for name, want := range map[string]int{"publish": 1, "plan": 1, "deliver batch": 2, "deliver message": 2, "accept batch": 0} {
		if got := len(here.named(name)); got < want || (want == 0 && got > 0) {
			t.Errorf("got %d spans %q at the sender, want %d", got, name, want)
		}
	}
	for _, secret := range []string{offer.ID, offer.Title, offer.Contact.Name, f.Dir(gt.Smile)} {
		if bytes.Contains(here.bytes.Bytes(), []byte(secret)) || bytes.Contains(there.bytes.Bytes(), []byte(secret)) {
			t.Errorf("%q left the node in a trace", secret)
		}
	}
}

func TestNoTraceByDefault(t *testing.T) {
	t.Parallel()
	f := region(t)
	f.Publish(gt.Smile, gt.Offer("A-1"))
	f.Settled(time.Minute)
	if got := parents(t, f, gt.Dordrecht); len(got) != 1 || got[0] != "" {
		t.Errorf("got the traces %q, want a message without", got)
	}
	if sent, lost, dropped := f.Node(gt.Smile).Spans(); sent+lost+dropped != 0 {
		t.Errorf("got %d spans sent and %d lost, want none", sent, lost)
	}
}

// A message that was tried with a trace context is sent with it again, also by a
// node that traces no more: with other bytes it would be refused as another
// message of the same id.
func TestTracedMessageKeepsItsBytes(t *testing.T) {
	t.Parallel()
	f := region(t)
	on := traced(newReceiver(t))
	f.SetConfig(gt.Smile, untraced, on)
	f.Net.Break(gt.Fault{After: func(gateway.OIN, gateway.OIN, *gateway.Receipts) error {
		return errors.New("the answer is lost")
	}})
	f.Publish(gt.Smile, gt.Offer("A-1"))
	within(t, time.Minute, "a first attempt", func() bool { return len(parents(t, f, gt.Dordrecht)) > 0 })
	f.Stop(gt.Smile)
	f.Net.Break(gt.Fault{})
	f.SetConfig(gt.Smile, on, untraced) // starts it again
	f.Settled(time.Minute)
	got := parents(t, f, gt.Dordrecht)
	if len(got) < 2 || got[0] == "" || got[len(got)-1] != got[0] {
		t.Errorf("got the traces %q, want the same at each attempt", got)
	}
	if held := f.Received(gt.Dordrecht, gt.Smile); len(held) != 1 {
		t.Errorf("got %d offers at the recipient, want the one", len(held))
	}
	if refused := f.Node(gt.Dordrecht).Exchange.Counters().In.Refused.Load(); refused != 0 {
		t.Errorf("got %d messages refused, want none", refused)
	}
}
