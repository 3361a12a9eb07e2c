package rest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// TestClientAgainstBadPeers: whatever a peer answers, the client ends in time,
// in bounded memory, and says that nothing is known of the effect.
func TestClientAgainstBadPeers(t *testing.T) {
	var redirected atomic.Bool
	elsewhere := local(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { redirected.Store(true) }))
	answering := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const good = `{"head":"h","items":[]}`
	for name, handler := range map[string]http.HandlerFunc{
		"garbage":       answering(200, "application/json", "\x00\x01"+secret),
		"HTML":          answering(200, "text/html", "<html>"),
		"wrong type":    answering(200, "text/plain", good),
		"no type":       answering(200, "", good),
		"unknown key":   answering(200, "application/json", `{"head":"h","items":[],"`+secret+`":1}`),
		"duplicate key": answering(200, "application/json", `{"head":"h","head":"i","items":[]}`),
		"other case":    answering(200, "application/json", `{"Head":"h","items":[]}`),
		"wrong shape":   answering(200, "application/json", `{"head":1,"items":[]}`),
		"bad time":      answering(200, "application/json", `{"head":"h","items":[{"received":"yesterday"}]}`),
		"empty":         answering(200, "application/json", ""),
		"201":           answering(201, "application/json", good),
		"204":           answering(204, "", ""),
		"500":           answering(500, "application/problem+json", `{"detail":"`+secret+`"}`),
		"502 of proxy":  answering(502, "text/html", "<html>bad gateway"),
		"404 of proxy":  answering(404, "text/html", "<html>not found"),
		"418":           answering(418, "application/problem+json", `{}`),
		"huge":          answering(200, "application/json", `{"head":"`+strings.Repeat("x", 5e6)+`"}`),
		"huge problem":  answering(400, "application/problem+json", `{"detail":"`+strings.Repeat("x", 5e6)+`"}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		},
		"half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"head":`)
		},
		"cut":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"large header": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1e6)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := &log{}
			peer := gateway.Party{OIN: dordt, Endpoint: serve(t, handler, testLimits(), l.logger())}
			receipts, err := client(t, smile, testLimits()).Send(t.Context(), peer, gateway.Batch{Messages: []string{"a"}})
			if got := gateway.KindOf(err); err == nil || got != gateway.Unavailable {
				t.Errorf("got %+v, %v; want an error of kind Unavailable", receipts, err)
			}
			if strings.Contains(gateway.SafeMessage(err), secret) {
				t.Errorf("the message repeats what the peer wrote: %s", gateway.SafeMessage(err))
			}
		})
	}
	if redirected.Load() {
		t.Error("the client followed a redirect")
	}
}

func TestClientAgainstHangingPeer(t *testing.T) {
	l := &log{}
	hang := make(chan struct{})
	defer close(hang)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang })
	peer := gateway.Party{OIN: dordt, Endpoint: serve(t, h, testLimits(), l.logger())}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := client(t, smile, testLimits()).Send(ctx, peer, gateway.Batch{Messages: []string{"a"}})
	if gateway.KindOf(err) != gateway.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want Unavailable because of the deadline", err)
	}
}

func TestClientWithoutPeer(t *testing.T) {
	c := client(t, smile, testLimits())
	for endpoint, want := range map[string]gateway.Kind{
		"https://127.0.0.1:1": gateway.Unavailable,
		"http://127.0.0.1:1":  gateway.Unavailable,
		"":                    gateway.Unavailable,
		"https://[":           gateway.Invalid,
	} {
		_, err := c.Send(t.Context(), gateway.Party{OIN: dordt, Endpoint: endpoint}, gateway.Batch{})
		if got := gateway.KindOf(err); err == nil || got != want {
			t.Errorf("%q: got %v, want kind %d", endpoint, err, want)
		}
		if _, err := c.Register(t.Context(), gateway.Party{OIN: dordt, Endpoint: endpoint}, 0); err == nil {
			t.Errorf("%q: got a register", endpoint)
		}
	}
}

// TestClientFollowsTheRegister: a peer that moves is called at its new address.
func TestClientFollowsTheRegister(t *testing.T) {
	first, second := &exchange{}, &exchange{}
	a, b := startNode(t, first, testLimits()), startNode(t, second, testLimits())
	c := client(t, smile, testLimits())
	for _, endpoint := range []string{a.party.Endpoint, a.party.Endpoint + "/", b.party.Endpoint} {
		if _, err := c.Hello(t.Context(), gateway.Party{OIN: dordt, Endpoint: endpoint}, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if len(first.calls) != 2 || len(second.calls) != 1 {
		t.Errorf("got %d and %d calls, want 2 and 1", len(first.calls), len(second.calls))
	}
}
