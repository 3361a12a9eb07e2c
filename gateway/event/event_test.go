package event_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/event"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	self   = gateway.OIN("00000099000000001000")
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	next   = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func secrets(t *testing.T, texts ...string) (all [][]byte) {
	t.Helper()
	for _, text := range texts {
		s, err := event.ParseSecret(text)
		must(t, err)
		all = append(all, s)
	}
	return all
}

// TestSign gives what the libraries of Standard Webhooks expect: the values are
// those of TestWebhookSign in github.com/standard-webhooks/standard-webhooks,
// libraries/go.
func TestSign(t *testing.T) {
	got := event.Sign(secrets(t, secret, next), "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if first, second, ok := strings.Cut(got, " "); first != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" || !ok || !strings.HasPrefix(second, "v1,") || second == first {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_%%", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		if _, err := event.ParseSecret(bad); gateway.KindOf(err) != gateway.Invalid || len(bad) > 10 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: got %v, want it refused and not repeated", bad, err)
		}
	}
}

// receiver is a program that gets events.
type receiver struct {
	t   *testing.T
	key string

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request) // guarded by mu; nil: 204
	got    []gateway.CloudEvent                         // guarded by mu; that were answered with 204
	tries  int                                          // guarded by mu
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender went away
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.key, "whsec_"))
	if err != nil {
		r.t.Error(err)
	}
	id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); !slices.Contains(strings.Fields(req.Header.Get("webhook-signature")), want) {
		r.t.Errorf("got the signatures %q, want %s among them", req.Header.Get("webhook-signature"), want)
	}
	var e gateway.CloudEvent
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id || req.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
		r.t.Errorf("got %s, %v, want a CloudEvent with id %s", body, err, id)
	}
	r.mu.Lock()
	answer := r.answer
	r.tries++
	r.mu.Unlock()
	if answer != nil {
		answer(w, req)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, e)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// ids are those that came, without those that came again.
func (r *receiver) ids() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.got {
		if !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func (r *receiver) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

// first is the first event that came.
func (r *receiver) first() (e gateway.CloudEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) > 0 {
		e = r.got[0]
	}
	return e
}

// pipes is a network in memory, in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed func()
	done   chan struct{}
}

func newPipes() *pipes {
	done := make(chan struct{})
	return &pipes{make(chan net.Conn), sync.OnceFunc(func() { close(done) }), done}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.closed(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return mine, nil
	case <-p.done:
	case <-ctx.Done():
	}
	return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
}

// world is a store, a sender and receivers, by host, in virtual time.
type world struct {
	t      *testing.T
	path   string
	opt    store.Options
	store  *store.Store
	sender *event.Sender
	nets   map[string]*pipes
}

// newWorld must be called in a bubble; close ends what runs in it.
func newWorld(t *testing.T, opt store.Options) *world {
	opt.NoSync = true
	w := &world{t: t, path: filepath.Join(t.TempDir(), "node.db"), opt: opt, nets: map[string]*pipes{}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = store.Open(w.path, w.opt)
	must(w.t, err)
	w.sender = event.New(event.Options{Self: self, Store: w.store, Log: slog.New(slog.DiscardHandler), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		return w.nets[host].dial(ctx, network, address)
	}})
}

func (w *world) receive(host string) *receiver {
	r, p := &receiver{t: w.t, key: secret}, newPipes()
	w.nets[host] = p
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(p) }()
	w.t.Cleanup(func() { _ = server.Close() })
	return r
}

func (w *world) set(names ...string) {
	w.t.Helper()
	var hooks []event.Webhook
	for _, name := range names {
		hooks = append(hooks, event.Webhook{Name: name, URL: "http://" + name + "/events", Secrets: secrets(w.t, next, secret)})
	}
	must(w.t, w.sender.Set(context.Background(), hooks))
}

func (w *world) close() {
	w.sender.Stop()
	must(w.t, w.store.Close())
}

// happen writes n events, and gives their ids.
func (w *world) happen(n int) (ids []string) {
	w.t.Helper()
	for range n {
		err := w.store.SaveImport(context.Background(), time.Now(), store.ImportState{Source: "x", Held: &store.HeldImport{Vanished: []string{"a"}}}, nil)
		must(w.t, err)
		last, err := w.store.LastEvent(context.Background())
		must(w.t, err)
		ids = append(ids, last.String())
	}
	return ids
}

func (w *world) state(name string) store.Webhook {
	w.t.Helper()
	all, err := w.store.Webhooks(context.Background())
	must(w.t, err)
	i := slices.IndexFunc(all, func(s store.Webhook) bool { return s.Name == name })
	if i < 0 {
		w.t.Fatalf("the store knows no webhook %s", name)
	}
	return all[i]
}

func want(t *testing.T, r *receiver, ids []string) {
	t.Helper()
	if got := r.ids(); !slices.Equal(got, ids) {
		t.Errorf("got %d events %v, want %d: %v", len(got), got, len(ids), ids)
	}
}

// A receiver that is away for a day, whatever it does meanwhile, gets everything
// in order when it is back, and keeps nothing from another.
func TestWebhookThatIsAway(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"fails":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Jansen", http.StatusInternalServerError) },
		"is gone": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
		"stalls":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://ecd/elsewhere", http.StatusTemporaryRedirect)
		},
		"drips": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		},
		"speaks garbage": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(conn, "\x00\x01 garbage\n\n")
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, store.Options{})
				ecd, other := w.receive("ecd"), w.receive("other")
				ecd.set(answer)
				w.happen(3) // before there was a webhook
				w.set("ecd", "other")
				all := w.happen(40)
				time.Sleep(time.Minute)
				want(t, other, all)
				all = append(all, w.happen(60)...)
				time.Sleep(24 * time.Hour)
				s := w.state("ecd")
				underWay := ecd.tried() - s.Failures // the last may wait for its answer still
				if len(ecd.ids()) != 0 || time.Since(s.Failing).Round(time.Minute) != 24*time.Hour+time.Minute || s.Reason == "" || strings.Contains(s.Reason, "Jansen") || underWay < 0 || underWay > 1 {
					t.Errorf("got %+v after %d tries, want it failing for a day, and a reason of our own", s, ecd.tried())
				}
				if n := ecd.tried(); n < 24*4 || n > 24*16 {
					t.Errorf("got %d tries in a day, want four to sixteen an hour", n)
				}
				ecd.set(nil)
				time.Sleep(20 * time.Minute)
				want(t, ecd, all)
				want(t, other, all)
				if s := w.state("ecd"); s.Failures != 0 || !s.Failing.IsZero() || s.Reason != "" || s.Delivered.IsZero() {
					t.Errorf("got %+v, want it well", s)
				}
				w.close()
			})
		})
	}
}

// A node that is killed loses nothing: what was taken and not noted comes again.
func TestWebhookAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Options{})
		ecd := w.receive("ecd")
		w.set("ecd")
		all := w.happen(5)
		time.Sleep(time.Minute)
		before := ecd.tried()
		ecd.set(func(rw http.ResponseWriter, _ *http.Request) {
			if ecd.tried() >= before+3 {
				ecd.set(nil)
			}
			rw.WriteHeader(http.StatusBadGateway)
		})
		all = append(all, w.happen(7)...)
		for range 50 { // killed every few moments
			time.Sleep(300 * time.Millisecond)
			content, err := os.ReadFile(w.path)
			must(t, err)
			w.close()
			must(t, os.WriteFile(w.path, content, 0o600))
			w.open()
			w.set("ecd")
			all = append(all, w.happen(1)...)
		}
		time.Sleep(time.Minute)
		want(t, ecd, all)
		w.close()
	})
}

// Whoever was away for longer than events are kept hears that it missed some.
func TestWebhookThatMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Options{MaxEvents: 10})
		ecd := w.receive("ecd")
		ecd.set(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) })
		w.set("ecd")
		all := w.happen(30)
		time.Sleep(time.Hour)
		ecd.set(nil)
		time.Sleep(time.Hour)
		first := ecd.first()
		if first.Type != gateway.EventsMissed || first.Data.Until != all[19] {
			t.Errorf("got %+v, want to hear of what was missed up to %s", first, all[19])
		}
		want(t, ecd, append([]string{first.ID}, all[20:]...))
		w.close()
	})
}

// TestWebhooksChange begins and ends webhooks while others go on, sends only the
// types that are asked for, and leaves nothing running.
func TestWebhooksChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Options{})
		ecd, other := w.receive("ecd"), w.receive("other")
		w.set("ecd")
		all := w.happen(3)
		time.Sleep(time.Second)
		w.set("ecd", "other")
		all = append(all, w.happen(3)...)
		time.Sleep(2 * time.Second)
		want(t, ecd, all)
		want(t, other, all[3:])
		must(t, w.sender.Set(context.Background(), []event.Webhook{{
			Name: "other", URL: "http://other/", Types: []gateway.EventType{gateway.EventReferralReceived}, Secrets: secrets(t, secret),
		}}))
		w.happen(3)
		time.Sleep(time.Minute)
		want(t, ecd, all)
		want(t, other, all[3:])
		if last, _ := w.store.LastEvent(context.Background()); w.state("other").After != last {
			t.Errorf("got %v, want it past what it did not ask for", w.state("other").After)
		}
		w.close()
	})
}

// TestTestOfWebhook tells the operator how it went, in words of our own.
func TestTestOfWebhook(t *testing.T) {
	r := &receiver{t: t, key: secret}
	server := httptest.NewServer(r)
	defer server.Close()
	s, err := store.Open(filepath.Join(t.TempDir(), "node.db"), store.Options{NoSync: true})
	must(t, err)
	defer s.Close()
	sender := event.New(event.Options{Self: self, Store: s, Log: slog.New(slog.DiscardHandler)})
	defer sender.Stop()
	closed := httptest.NewServer(r)
	closed.Close()
	secure := httptest.NewTLSServer(r)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	defer secure.Close()
	hooks := []event.Webhook{{Name: "ecd", URL: server.URL}, {Name: "away", URL: closed.URL}, {Name: "untrusted", URL: secure.URL}}
	for i := range hooks {
		hooks[i].Secrets = secrets(t, secret)
	}
	must(t, sender.Set(t.Context(), hooks))
	must(t, sender.Test(t.Context(), "ecd", "test-1"))
	if got := r.ids(); len(got) != 1 || r.first().Type != gateway.EventTest {
		t.Errorf("got %v, want the test", got)
	}
	r.set(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Jansen", http.StatusTeapot) })
	for name, says := range map[string]string{"ecd": "status 418", "away": "cannot be reached", "untrusted": "not trusted", "none": "no webhook of this name"} {
		err := sender.Test(t.Context(), name, "test-2")
		if err == nil || !strings.Contains(gateway.SafeMessage(err), says) || strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "Jansen") {
			t.Errorf("%s: got %v, want it to say %q", name, err, says)
		}
	}
}
