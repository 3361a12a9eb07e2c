package rest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// happen has n events happen at a node.
func happen(t *testing.T, s *store.Store, n int) {
	t.Helper()
	for range n {
		err := s.SaveImport(context.Background(), time.Now(), store.ImportState{Source: "x", Held: &store.HeldImport{Vanished: []string{"a"}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestEventsOverTheWire pages, filters, and says where to begin again.
func TestEventsOverTheWire(t *testing.T) {
	f, d := deskOf(t)
	s := f.Node(gatewaytest.Smile).Store
	happen(t, s, 5)
	c := as(t, socket(t, d, tokens), gateway.Program)
	var all []gateway.CloudEvent
	for q := (desk.EventQuery{Limit: 2}); ; {
		page, err := c.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Events...)
		if q.After = page.Next; !page.More {
			break
		}
	}
	if len(all) != 5 || all[0].Source != gatewaytest.Smile.URN()+":systeem:doorstroom" || all[0].Type != gateway.EventImportHeld || all[0].Data.Count != 1 {
		t.Errorf("got %+v, want five events of held imports", all)
	}
	if page, err := c.Events(t.Context(), desk.EventQuery{Types: []string{"offers-changed"}}); err != nil || len(page.Events) != 0 {
		t.Errorf("got %+v, %v, want none of another type", page, err)
	}
	last, err := c.Events(t.Context(), desk.EventQuery{After: desk.LastEvents})
	if err != nil || last.Next != all[4].ID {
		t.Errorf("got %+v, %v, want the place of the last", last, err)
	}
	_, err = c.Events(t.Context(), desk.EventQuery{After: "1-4"})
	if gone, ok := errors.AsType[*gateway.EventsGone](err); !ok || gone.Begin != (gateway.EventPosition{Incarnation: s.Incarnation()}) {
		t.Errorf("got %v, want to begin at the beginning", err)
	}
	for _, q := range []desk.EventQuery{{After: "x"}, {After: "1"}, {Limit: 1001}, {Limit: -1}, {Types: []string{"x"}}} {
		if _, err := c.Events(t.Context(), q); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%+v: got %v, want Invalid", q, err)
		}
	}
}

// TestFollowEvents gives every event once, in order, also when the server goes
// away and comes back in between.
func TestFollowEvents(t *testing.T) {
	f, d := deskOf(t)
	s := f.Node(gatewaytest.Smile).Store
	path := filepath.Join(t.TempDir(), "s")
	serve := func() (stop func()) {
		l := &log{}
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		server := rest.NewServer(rest.NewLocalHandler(d, tokens, l.logger()), testLimits(), l.logger())
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := server.Shutdown(ctx); err != nil { // a stream that stays open would hold it up
				t.Errorf("shutdown: %v", err)
			}
			<-done
		}
	}
	stop := serve()
	happen(t, s, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- as(t, path, gateway.Program).FollowEvents(ctx, desk.EventQuery{}, func(e gateway.CloudEvent) error {
			got <- e.ID
			return nil
		})
	}()
	want := func(from, to int) {
		t.Helper()
		for n := from; n <= to; n++ {
			if id := <-got; id != (gateway.EventPosition{Incarnation: s.Incarnation(), Number: uint64(n)}).String() {
				t.Fatalf("got %s, want event %d", id, n)
			}
		}
	}
	want(1, 2)
	happen(t, s, 3)
	want(3, 5)
	stop()
	happen(t, s, 250) // more than a page
	stop = serve()
	want(6, 255)
	happen(t, s, 10)
	want(256, 265)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	stop()
	if len(got) != 0 {
		t.Errorf("%d events came twice", len(got))
	}
}

// TestFollowEventsGivesUp tells what will not change, and what each says.
func TestFollowEventsGivesUp(t *testing.T) {
	f, d := deskOf(t)
	happen(t, f.Node(gatewaytest.Smile).Store, 1)
	path, failed := socket(t, d, tokens), errors.New("x")
	each := func(gateway.CloudEvent) error { return failed }
	if err := as(t, path, gateway.Program).FollowEvents(t.Context(), desk.EventQuery{}, each); !errors.Is(err, failed) {
		t.Errorf("got %v, want the error of each", err)
	}
	if err := as(t, path, "nobody").FollowEvents(t.Context(), desk.EventQuery{}, each); gateway.KindOf(err) != gateway.Unauthenticated {
		t.Errorf("got %v, want Unauthenticated", err)
	}
	err := as(t, path, gateway.Program).FollowEvents(t.Context(), desk.EventQuery{After: "1-7"}, each)
	if _, ok := errors.AsType[*gateway.EventsGone](err); !ok {
		t.Errorf("got %v, want that events are gone", err)
	}
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

// stream opens a stream as a role; what it says is for the test to read.
func (p *pipes) stream(t *testing.T, role gateway.Role) net.Conn {
	t.Helper()
	mine, theirs := net.Pipe()
	p.conns <- theirs
	if _, err := fmt.Fprintf(mine, "GET /v1/events/stream HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer %s\r\n\r\n", role); err != nil {
		t.Fatal(err)
	}
	return mine
}

// TestEventStreamBounds says something to who is silent, ends the streams of who
// may not be there any more or reads nothing, and opens no more than some.
func TestEventStreamBounds(t *testing.T) {
	gatewaytest.Bubble(t, func(t *testing.T) {
		f, d := deskOf(t)
		happen(t, f.Node(gatewaytest.Smile).Store, 200)
		l, p := &log{}, newPipes()
		var mu sync.Mutex
		callers := tokens()
		server := rest.NewServer(rest.NewLocalHandler(d, func() []rest.LocalCaller {
			mu.Lock()
			defer mu.Unlock()
			return callers
		}, l.logger()), testLimits(), l.logger())
		done := make(chan error, 1)
		go func() { done <- server.Serve(p) }()

		slow := p.stream(t, gateway.Program) // reads nothing
		reading := p.stream(t, gateway.Consulent)
		said := make(chan string)
		go func() {
			var all []byte
			res, err := http.ReadResponse(bufio.NewReader(reading), nil)
			if err == nil {
				all, err = io.ReadAll(res.Body)
			}
			if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("got %+v, %v, want a stream", res, err)
			}
			said <- string(all)
		}()
		time.Sleep(time.Minute)
		if rest, err := io.ReadAll(slow); err != nil || strings.Count(string(rest), "data:") > 150 {
			t.Errorf("got %d events and %v, want the stream of who reads nothing ended", strings.Count(string(rest), "data:"), err)
		}
		var more []net.Conn
		for range 3 {
			conn := p.stream(t, gateway.Consulent)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			more = append(more, conn)
		}
		synctest.Wait()
		one := p.stream(t, gateway.Consulent)
		if res, err := http.ReadResponse(bufio.NewReader(one), nil); err != nil || res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("got %+v, %v, want one stream too many refused", res, err)
		}
		mu.Lock()
		callers = nil
		mu.Unlock()
		time.Sleep(20 * time.Second)
		all := <-said
		if n := strings.Count(all, "data:"); n != 200 || strings.Count(all, ": alive") < 3 {
			t.Errorf("got %d events and %q", n, all[max(0, len(all)-200):])
		}
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
		for _, conn := range append(more, one, slow, reading) {
			_ = conn.Close()
		}
	})
}
