package rest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func TestPeerRoundTrips(t *testing.T) {
	ex := &exchange{}
	n := startNode(t, ex, testLimits())
	c := client(t, smile, testLimits())
	ctx := t.Context()

	batch := gateway.Batch{Messages: []string{"a", "b"}}
	want, _ := ex.Accept(ctx, smile, batch)
	if got, err := c.Send(ctx, n.party, batch); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Send: got %+v, %v; want %+v", got, err, want)
	}
	if got, err := c.Hello(ctx, n.party, "hi"); err != nil || got != "answer to hi" {
		t.Errorf("Hello: got %q, %v", got, err)
	}
	for version := range uint64(4) {
		if got, err := c.Register(ctx, n.party, version); err != nil || string(got) != fmt.Sprintf(`{"payload":"%d"}`, version) {
			t.Errorf("Register %d: got %s, %v", version, got, err)
		}
	}
	if _, err := c.Register(ctx, n.party, 4); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("an unknown version: got %v, want kind NotFound", err)
	}
	for _, peer := range ex.calls {
		if peer != smile {
			t.Errorf("the exchange heard %s, want %s", peer, smile)
		}
	}
}

const secret = "Geheim1234"

// TestBadRequests: every bad request is a problem that repeats nothing, and
// never reaches the exchange.
func TestBadRequests(t *testing.T) {
	ex := &exchange{}
	n := startNode(t, ex, testLimits())
	const post, get, js = http.MethodPost, http.MethodGet, "application/json"
	for _, test := range []struct {
		name, method, path, contentType, body string
		status                                int
		detail                                string
	}{
		{"duplicate key", post, "/v1/messages", js, `{"messages":["a"],"messages":["` + secret + `"]}`, 400, "a key stands twice"},
		{"other case", post, "/v1/messages", js, `{"Messages":["` + secret + `"]}`, 400, "unknown key"},
		{"both cases", post, "/v1/messages", js, `{"messages":["a"],"MESSAGES":["` + secret + `"]}`, 400, "unknown key"},
		{"unknown key", post, "/v1/messages", js, `{"messages":["a"],"` + secret + `":1}`, 400, "unknown key"},
		{"invalid UTF-8", post, "/v1/messages", js, "{\"messages\":[\"" + secret + "\xff\"]}", 400, "not JSON in UTF-8"},
		{"lone surrogate", post, "/v1/messages", js, `{"messages":["` + secret + `\ud800"]}`, 400, "not JSON in UTF-8"},
		{"not JSON", post, "/v1/messages", js, secret, 400, "not JSON"},
		{"trailing", post, "/v1/messages", js, `{"messages":["a"]}{"` + secret + `":1}`, 400, "not JSON"},
		{"cut off", post, "/v1/messages", js, `{"messages":["` + secret, 400, "not JSON"},
		{"wrong type", post, "/v1/messages", js, `{"messages":"` + secret + `"}`, 400, "another type"},
		{"number", post, "/v1/messages", js, `{"messages":[1e10000000]}`, 400, "another type"},
		{"list", post, "/v1/messages", js, `["` + secret + `"]`, 400, "another type"},
		{"null", post, "/v1/messages", js, `null`, 400, "messages is empty"},
		{"no messages", post, "/v1/messages", js, `{}`, 400, "messages is empty"},
		{"empty list", post, "/v1/messages", js, `{"messages":[]}`, 400, "messages is empty"},
		{"too many", post, "/v1/messages", js, `{"messages":["a","b","c","d"]}`, 413, "more messages"},
		{"empty body", post, "/v1/messages", js, ``, 400, "missing"},
		{"depth bomb", post, "/v1/messages", js, `{"messages":` + strings.Repeat("[", 400_000), 400, ""},
		{"10 MB", post, "/v1/messages", js, `{"messages":["` + strings.Repeat("x", 10e6) + `"]}`, 413, "larger"},
		{"no hello", post, "/v1/hello", js, `{"hello":""}`, 400, "hello is empty"},
		{"text", post, "/v1/messages", "text/plain", `{"messages":["a"]}`, 415, "application/json"},
		{"form", post, "/v1/messages", "multipart/form-data; boundary=x", `--x--`, 415, "application/json"},
		{"latin-1", post, "/v1/messages", "application/json; charset=iso-8859-1", `{"messages":["a"]}`, 415, "application/json"},
		{"no type", post, "/v1/messages", "", `{"messages":["a"]}`, 415, "application/json"},
		{"unknown path", get, "/v1/" + secret, "", "", 404, "nothing"},
		{"root", get, "/", "", "", 404, "nothing"},
		{"next version", post, "/v2/messages", js, `{"messages":["a"]}`, 404, "nothing"},
		{"trailing slash", post, "/v1/messages/", js, `{"messages":["a"]}`, 404, "nothing"},
		{"double slash", post, "//v1/messages", js, `{"messages":["a"]}`, 404, "nothing"},
		{"dots", post, "/v1/../v1/messages", js, `{"messages":["a"]}`, 404, "nothing"},
		{"path in capitals", post, "/v1/Messages", js, `{"messages":["a"]}`, 404, "nothing"},
		{"wrong method", get, "/v1/messages", "", "", 405, "another method"},
		{"other wrong method", http.MethodDelete, "/v1/register", "", "", 405, "another method"},
		{"unknown version", get, "/v1/register/4", "", "", 404, "no such version"},
		{"version zero", get, "/v1/register/0", "", "", 400, "whole number from 1"},
		{"version with a zero before it", get, "/v1/register/01", "", "", 400, "whole number from 1"},
		{"negative version", get, "/v1/register/-1", "", "", 400, "whole number from 1"},
		{"signed version", get, "/v1/register/+1", "", "", 400, "whole number from 1"},
		{"too large a version", get, "/v1/register/18446744073709551616", "", "", 400, "whole number from 1"},
		{"version in words", get, "/v1/register/" + secret, "", "", 400, "whole number from 1"},
		{"encoded version", get, "/v1/register/%20", "", "", 400, "whole number from 1"},
		{"no version", get, "/v1/register/", "", "", 404, "nothing"},
		{"deeper than a version", get, "/v1/register/1/2", "", "", 404, "nothing"},
		{"wrong method of a version", post, "/v1/register/1", js, "{}", 405, "another method"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := do(t, smile, request(t, test.method, n.party.Endpoint+test.path, test.contentType, strings.NewReader(test.body)))
			if a.status != test.status {
				t.Errorf("got status %d (%s), want %d", a.status, a.body, test.status)
			}
			checkProblem(t, a)
			if !strings.Contains(a.body, test.detail) {
				t.Errorf("got %s, want a problem with %q", a.body, test.detail)
			}
			if strings.Contains(a.body, secret) {
				t.Errorf("the answer repeats the input: %s", a.body)
			}
			if test.status == 405 && a.header.Get("Allow") == "" {
				t.Error("no header Allow")
			}
		})
	}
	if len(ex.calls) != 0 {
		t.Errorf("the exchange was called %d times", len(ex.calls))
	}
	if strings.Contains(n.log.String(), secret) {
		t.Errorf("the log repeats the input:\n%s", n.log)
	}
}

func checkProblem(t *testing.T, a answer) rest.Problem {
	t.Helper()
	checkHeaders(t, a.header)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got type %s, want application/problem+json", got)
	}
	var p rest.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("got %s: %v", a.body, err)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || p.Status != a.status {
		t.Errorf("got %+v with status %d, want type, title, detail and the same status", p, a.status)
	}
	return p
}

// TestGoodAnswersHaveTheHeadersToo, and are plain JSON whatever is asked for.
func TestGoodAnswersHaveTheHeadersToo(t *testing.T) {
	n := startNode(t, &exchange{}, testLimits())
	req := request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json; charset=UTF-8", strings.NewReader(`{"messages":["a"]}`))
	req.Header.Set("Accept", "text/html")
	a := do(t, smile, req)
	checkHeaders(t, a.header)
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || strings.Contains(a.body, "$schema") {
		t.Errorf("got %d %v %s", a.status, a.header, a.body)
	}
	if got := do(t, smile, request(t, http.MethodGet, n.party.Endpoint+"/v1/register", "", nil)); got.header.Get("Content-Type") != "application/jose+json" {
		t.Errorf("got register as %s", got.header.Get("Content-Type"))
	}
}

func TestStranger(t *testing.T) {
	ex := &exchange{}
	n := startNode(t, ex, testLimits())
	for _, path := range []string{"/v1/register", "/v1/messages", "/"} {
		a := do(t, stranger, request(t, http.MethodGet, n.party.Endpoint+path, "", nil))
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", path, a.status)
		}
		checkProblem(t, a)
	}
	_, err := client(t, stranger, testLimits()).Send(t.Context(), n.party, gateway.Batch{Messages: []string{"a"}})
	if got := gateway.KindOf(err); got != gateway.Unauthenticated {
		t.Errorf("got %v, want kind Unauthenticated", err)
	}
}

// TestErrors: the kind of an error is the status on the wire and the kind at
// the other end.
func TestErrors(t *testing.T) {
	var fail error
	ex := &exchange{accept: func(context.Context, gateway.OIN, gateway.Batch) (gateway.Receipts, error) {
		return gateway.Receipts{}, fail
	}}
	n := startNode(t, ex, testLimits())
	c := client(t, smile, testLimits())
	for _, test := range []struct {
		kind   gateway.Kind
		status int
		seen   gateway.Kind
	}{
		{gateway.Invalid, 400, gateway.Invalid},
		{gateway.Unauthenticated, 401, gateway.Unauthenticated},
		{gateway.Denied, 403, gateway.Denied},
		{gateway.NotFound, 404, gateway.NotFound},
		{gateway.Conflict, 409, gateway.Conflict},
		{gateway.Limit, 429, gateway.Limit},
		{gateway.Unavailable, 503, gateway.Unavailable},
		{gateway.Internal, 500, gateway.Unavailable},
	} {
		fail = fmt.Errorf("accept: %w", gateway.Wrap(test.kind, errors.New(secret), "safe words"))
		a := do(t, smile, request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", strings.NewReader(`{"messages":["a"]}`)))
		p := checkProblem(t, a)
		if a.status != test.status || strings.Contains(a.body, secret) {
			t.Errorf("kind %d: got %d %s, want status %d", test.kind, a.status, a.body, test.status)
		}
		if safe := strings.Contains(p.Detail, "safe words"); safe != (test.kind != gateway.Internal) {
			t.Errorf("kind %d: got detail %q", test.kind, p.Detail)
		}
		if again := a.header.Get("Retry-After") != ""; again != (test.status == 429 || test.status == 503) {
			t.Errorf("kind %d: got Retry-After %q", test.kind, a.header.Get("Retry-After"))
		}
		if _, err := c.Send(t.Context(), n.party, gateway.Batch{Messages: []string{"a"}}); gateway.KindOf(err) != test.seen {
			t.Errorf("kind %d: the client has %v (kind %d), want kind %d", test.kind, err, gateway.KindOf(err), test.seen)
		}
	}
}

// TestInternalErrorsHaveAReference that leads to the log, and tell nothing else.
func TestInternalErrorsHaveAReference(t *testing.T) {
	for name, accept := range map[string]func() error{
		"error": func() error { return errors.New(secret) },
		"panic": func() error { panic(secret) },
	} {
		ex := &exchange{accept: func(context.Context, gateway.OIN, gateway.Batch) (gateway.Receipts, error) {
			return gateway.Receipts{}, accept()
		}}
		n := startNode(t, ex, testLimits())
		a := do(t, smile, request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", strings.NewReader(`{"messages":["a"]}`)))
		p := checkProblem(t, a)
		reference, ok := strings.CutPrefix(p.Instance, "urn:uuid:")
		if a.status != 500 || strings.Contains(a.body, secret) || !ok {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
		if logged := n.log.String(); !strings.Contains(logged, reference) || !strings.Contains(logged, secret) {
			t.Errorf("%s: the log has not the reference and the error:\n%s", name, logged)
		}
	}
}

func TestAllErrorsTogether(t *testing.T) {
	ex := &exchange{accept: func(context.Context, gateway.OIN, gateway.Batch) (gateway.Receipts, error) {
		return gateway.Receipts{}, gateway.Errorf(gateway.Invalid, "line 1: one\nline 2: two")
	}}
	n := startNode(t, ex, testLimits())
	a := do(t, smile, request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", strings.NewReader(`{"messages":["a"]}`)))
	want := []rest.Detail{{Detail: "line 1: one"}, {Detail: "line 2: two"}}
	if p := checkProblem(t, a); a.status != 400 || !reflect.DeepEqual(p.Errors, want) {
		t.Errorf("got %d %s, want the errors %v", a.status, a.body, want)
	}
}

// slowBody gives its start and then nothing until the test ends.
func slowBody(t *testing.T) io.Reader {
	r, w := io.Pipe()
	go func() { _, _ = io.WriteString(w, `{"messages":`) }()
	t.Cleanup(func() { w.Close() })
	return r
}

func TestSlowBody(t *testing.T) {
	limits := testLimits()
	limits.ReadTimeout = time.Second
	ex := &exchange{}
	n := startNode(t, ex, limits)
	a := do(t, smile, request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", slowBody(t)))
	if a.status != http.StatusRequestTimeout {
		t.Errorf("got %d %s, want 408", a.status, a.body)
	}
	checkProblem(t, a)
	if len(ex.calls) != 0 {
		t.Error("the exchange was called")
	}
}

// TestOnePeerNeverSlowsAnother: one sends as much at once as it may and more. Of
// its bodies two are in memory, the others wait at its side, and only that one
// is refused.
func TestOnePeerNeverSlowsAnother(t *testing.T) {
	limits := testLimits()
	release := make(chan struct{})
	entered := make(chan struct{}, limits.RequestsPerPeer)
	var running, most atomic.Int32
	ex := &exchange{accept: func(_ context.Context, peer gateway.OIN, _ gateway.Batch) (gateway.Receipts, error) {
		if peer == smile {
			now := running.Add(1)
			defer running.Add(-1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			entered <- struct{}{}
			<-release
		}
		return gateway.Receipts{Head: "h", Items: []gateway.ReceiptItem{}}, nil
	}}
	n := startNode(t, ex, limits)
	batch := gateway.Batch{Messages: []string{"a"}}
	slow := client(t, smile, limits)
	done := make(chan error)
	for range limits.RequestsPerPeer + 1 {
		go func() {
			_, err := slow.Send(context.Background(), n.party, batch)
			done <- err
		}()
	}
	if err := <-done; gateway.KindOf(err) != gateway.Limit { // the others cannot end yet
		t.Errorf("one request too many: got %v, want kind Limit", err)
	}
	if _, err := client(t, dordt, limits).Send(t.Context(), n.party, batch); err != nil {
		t.Errorf("another peer: got %v", err)
	}
	for range 2 {
		<-entered
	}
	close(release)
	for range limits.RequestsPerPeer {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := most.Load(); got != 2 {
		t.Errorf("got %d bodies of one peer at a time, want 2", got)
	}
	if _, err := slow.Send(t.Context(), n.party, batch); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}

// A peer whose bodies never end does not wait for itself without end.
func TestBodiesThatNeverEnd(t *testing.T) {
	limits := testLimits()
	limits.ReadTimeout = time.Second
	n := startNode(t, &exchange{}, limits)
	statuses := make(chan int, 2)
	for range cap(statuses) {
		req := request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", slowBody(t))
		go func() { statuses <- do(t, smile, req).status }()
	}
	for range cap(statuses) {
		if got := <-statuses; got != http.StatusRequestTimeout {
			t.Errorf("got status %d, want 408", got)
		}
	}
	if _, err := client(t, smile, limits).Send(t.Context(), n.party, gateway.Batch{Messages: []string{"a"}}); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}

func TestRate(t *testing.T) {
	limits := testLimits()
	limits.RequestsPerSecond = 1 // on a slow machine, too, requests come faster
	n := startNode(t, &exchange{}, limits)
	c := client(t, smile, limits)
	var refused error
	begin := time.Now()
	for i := 0; i < 20 && refused == nil; i++ {
		_, refused = c.Register(t.Context(), n.party, 0)
	}
	if gateway.KindOf(refused) != gateway.Limit || refused == nil {
		t.Errorf("20 requests at once: got %v, want kind Limit", refused)
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("the refusal came after %s, want it to take a second", took)
	}
	if _, err := client(t, dordt, limits).Register(t.Context(), n.party, 0); err != nil {
		t.Errorf("another peer: got %v", err)
	}
}

// FuzzBody: no body makes the peer API fail, or answer anything but receipts
// for exactly the messages that every reader finds in it.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"messages":["a"]}`, `{"messages":["a"],"messages":["b"]}`, `{"Messages":["a"]}`, "{\"messages\":[\"\xff\"]}",
		`{"messages":[1e10000000]}`, `{"messages":null}`, `[[[[[[`, `{"messages":["\ud800"]}`, ` {"messages" : [ "\u0061" ] } `, `{"messages":["a"]}x`,
	} {
		f.Add([]byte(seed))
	}
	l := &log{}
	f.Fuzz(func(t *testing.T, body []byte) {
		var accepted gateway.Batch
		ex := &exchange{accept: func(_ context.Context, _ gateway.OIN, b gateway.Batch) (gateway.Receipts, error) {
			accepted = b
			return gateway.Receipts{}, nil
		}}
		trust := func(*tls.ConnectionState) (gateway.OIN, error) { return smile, nil }
		r := httptest.NewRequest(http.MethodPost, "/v1/messages", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		rest.NewPeerHandler(ex, nil, nil, trust, testLimits(), l.logger()).ServeHTTP(w, r)
		switch w.Code {
		case 400, 413:
			checkProblem(t, answer{w.Code, w.Header(), w.Body.String()})
		case 200:
			var lenient map[string][]string
			if err := json.Unmarshal(body, &lenient); err != nil {
				t.Fatalf("accepted what encoding/json does not: %v", err)
			}
			if len(lenient) != 1 || !slices.Equal(lenient["messages"], accepted.Messages) {
				t.Fatalf("accepted %q, encoding/json reads %q", accepted.Messages, lenient)
			}
		default:
			t.Fatalf("got status %d: %s", w.Code, w.Body)
		}
	})
}
