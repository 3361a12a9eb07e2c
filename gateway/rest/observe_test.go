package rest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func TestObserve(t *testing.T) {
	l := &log{}
	limits := testLimits()
	limits.RequestsPerSecond = 3
	var seen []rest.Observed
	who := smile
	h := rest.Observe(rest.NewPeerHandler(&exchange{}, nil, nil, func(*tls.ConnectionState) (gateway.OIN, error) {
		if who == stranger {
			return "", gateway.Errorf(gateway.Unauthenticated, "not in the register")
		}
		return who, nil
	}, limits, l.logger()), func(ctx context.Context) (context.Context, func(rest.Observed)) {
		return ctx, func(o rest.Observed) { seen = append(seen, o) }
	})
	ask := func(as gateway.OIN, method, path string) {
		who = as
		r := httptest.NewRequest(method, path, bytes.NewReader([]byte("{}")))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	ask(smile, http.MethodGet, "/v1/register")
	ask(smile, http.MethodGet, "/v1/register/9")
	ask(smile, http.MethodPost, "/v1/nothing/of/"+string(dordt))
	ask(smile, http.MethodGet, "/v1/register") // the fourth at once
	ask(stranger, http.MethodGet, "/v1/register")
	ask(dordt, http.MethodPost, "/v1/messages")
	want := []rest.Observed{
		{Peer: smile, Operation: "GET /v1/register", Status: 200},
		{Peer: smile, Operation: "GET /v1/register/{version}", Status: 404},
		{Peer: smile, Status: 404},
		{Peer: smile, Status: 429, Limited: true},
		{Status: 401},
		{Peer: dordt, Operation: "POST /v1/messages", Status: 400},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %+v, want %+v", seen, want)
	}
}

// A slow body is still cut off when somebody looks on: that needs the
// connection below.
func TestObservedSlowBody(t *testing.T) {
	l := &log{}
	limits := testLimits()
	limits.ReadTimeout = 50 * time.Millisecond
	statuses := make(chan int, 1)
	address := serve(t, rest.Observe(rest.NewPeerHandler(&exchange{}, nil, nil, peerOf, limits, l.logger()),
		func(ctx context.Context) (context.Context, func(rest.Observed)) {
			return ctx, func(o rest.Observed) { statuses <- o.Status }
		}), testLimits(), l.logger())
	conn, err := tls.Dial("tcp", address[len("https://"):], clientTLS(t, smile))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	if got := <-statuses; got != http.StatusRequestTimeout {
		t.Errorf("got status %d, want 408", got)
	}
}
