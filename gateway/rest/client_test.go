package rest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
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

// TestBatchOnTheWire: a batch is the JSON that encoding/json makes of it, also with
// tokens that no node makes.
func TestBatchOnTheWire(t *testing.T) {
	var body []byte
	l := &log{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body) // what is missing is seen below
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"head":"h","items":[]}`)
	})
	peer := gateway.Party{OIN: dordt, Endpoint: serve(t, h, testLimits(), l.logger())}
	for _, tokens := range [][]string{
		nil, {}, {""}, {"a"}, {"eyJ-_.AZaz09", "b.c.d"}, {"a", `"`}, {`\`}, {"<", ">", "&"}, {"\x00"}, {"é\u2028"}, {"\xff"}, {"~", "{", " "},
	} {
		batch := gateway.Batch{Messages: tokens}
		if _, err := client(t, smile, testLimits()).Send(t.Context(), peer, batch); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(batch)
		if err != nil {
			t.Fatal(err)
		}
		if string(body) != string(want) {
			t.Errorf("%q: got %s, want %s", tokens, body, want)
		}
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

// TestClientAgainstRawPeers: peers that complete the handshake, or not even
// that, and then go on for ever. The client gives up when it said it would.
func TestClientAgainstRawPeers(t *testing.T) {
	const head, chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", "Transfer-Encoding: chunked\r\n\r\n"
	// again writes the same for ever, as fast as it goes or, slowly, ten times in
	// the second that it is given.
	again := func(first, text string, slowly bool) func(net.Conn) error {
		return func(c net.Conn) error {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			_, err := io.WriteString(c, first)
			for ; err == nil; _, err = io.WriteString(c, text) {
				if slowly {
					<-tick.C
				}
			}
			return err
		}
	}
	const fast, slow = false, true
	closes := func(net.Conn) error { return nil }
	for name, test := range map[string]struct {
		plain  bool // the peer does not speak TLS
		late   bool // the deadline ends it
		answer func(net.Conn) error
	}{
		"closes after accepting":       {true, false, closes},
		"no handshake":                 {true, true, keepOpen},
		"half a record":                {true, true, func(c net.Conn) error { _, _ = c.Write([]byte{22, 3, 3, 1, 0, 2}); return keepOpen(c) }},
		"speaks HTTP without TLS":      {true, false, again(head, head, fast)},
		"closes after the request":     {false, false, closes},
		"nothing":                      {false, true, keepOpen},
		"endless headers":              {false, false, again(head, "X: y\r\n", fast)},
		"headers that drip":            {false, true, again(head, "X: y\r\n", slow)},
		"a status that drips":          {false, true, again("HTTP/1.1 200 ", "O", slow)},
		"endless body":                 {false, false, again(head+"\r\n", strings.Repeat(" ", 10_000), fast)},
		"a body that drips":            {false, true, again(head+"\r\n", " ", slow)},
		"endless chunks":               {false, false, again(head+chunked, "400\r\n"+strings.Repeat(" ", 1024)+"\r\n", fast)},
		"chunks that drip":             {false, true, again(head+chunked, "1\r\n \r\n", slow)},
		"no end of early hints":        {false, false, again("", "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", fast)},
		"no end of continue":           {false, false, again("", "HTTP/1.1 100 Continue\r\n\r\n", fast)},
		"two lengths":                  {false, false, again(head+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", " ", slow)},
		"switches to another protocol": {false, false, again("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", " ", slow)},
		"garbage":                      {false, false, again("\x00\x01\x02\xff\r\n\r\n", "x", slow)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := gateway.Party{OIN: dordt, Endpoint: raw(t, test.plain, test.answer)}
			limit := time.Minute
			if test.late {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := client(t, smile, testLimits()).Send(ctx, peer, gateway.Batch{Messages: []string{"a"}})
			if gateway.KindOf(err) != gateway.Unavailable || errors.Is(err, context.DeadlineExceeded) != test.late {
				t.Errorf("got %v, want Unavailable, because of the deadline: %t", err, test.late)
			}
		})
	}
}

// keepOpen reads until the other side has had enough.
func keepOpen(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

// raw serves connections; the answer to each ends with the error of writing it.
func raw(t *testing.T, plain bool, answer func(net.Conn) error) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !plain {
				c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate(t, dordt)}, MinVersion: tls.VersionTLS13})
			}
			serving.Go(func() {
				_, _ = c.Read(make([]byte, 1<<16)) // the request, or the start of a handshake
				_ = answer(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return "https://" + l.Addr().String()
}
