// Package rest is the HTTP of a node: the peer API that other nodes call over
// mTLS, the local API for programs and the command line on the same machine,
// the public description of the peer API, and the clients of the first two, so
// that each shape on the wire is written once.
//
// It follows the NL GOV REST API Design Rules 2.1.0: problems are RFC 9457,
// every answer names its API-Version, wrong input is 400 with all errors
// together. Routing and the OpenAPI document are huma's; reading and decoding
// of bodies is ours, because huma's own decoding accepts keys in another case,
// lets the last of two equal keys win, and repeats values in its errors.
package rest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// Version is the version of both APIs, in the header API-Version of every
// answer. Its major number is in the path.
const Version = "1.0.0"

const (
	pathMessages = "/v1/messages"
	pathHello    = "/v1/hello"
	pathRegister = "/v1/register"
	pathVersion  = "/v1/register/{version}"
	pathWitness  = "/v1/witness"
	pathLetters  = "/v1/policy-letters"

	pathAllotmentLetters = "/v1/allotment-letters"

	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeJOSE    = "application/jose+json"
	typeOpenAPI = "application/openapi+json"
)

// Limits bound what one peer, and all peers together, can make a node spend.
// Every field must be positive.
type Limits struct {
	BodyBytes         int64         // of one request, and of one answer that a client reads
	BatchItems        int           // messages in one batch
	Connections       int           // of all peers together
	RequestsPerPeer   int           // at the same time
	RequestsPerSecond int           // of one peer, and as many at once after silence
	HeaderTimeout     time.Duration // from the start of a connection or request to the end of its header
	ReadTimeout       time.Duration // of a whole request; writing the answer may take as long again
	IdleTimeout       time.Duration // between requests
}

const maxHeaderBytes = 16 << 10

// NewServer makes the server for a handler of this package. It speaks HTTP/1.1
// only: one request at a time on a connection, so that a limit on requests is
// one on connections. The caller serves on a listener from Listen and shuts the
// server down.
func NewServer(h http.Handler, limits Limits, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.HeaderTimeout,
		ReadTimeout:       limits.ReadTimeout,
		WriteTimeout:      2 * limits.ReadTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// Failed handshakes of strangers: of use when looking for a fault, noise otherwise.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	track(server)
	stopping := make(chan struct{})
	server.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.Background(), stoppingKey{}, (<-chan struct{})(stopping))
	}
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	return server
}

// Limit bounds how many connections of a listener are open at the same time, and
// how many of these are of one address. TLS goes around it, not in it: a
// handshake counts too.
func (l Limits) Limit(inner net.Listener) net.Listener {
	most := max(1, l.Connections/shareOfAddress)
	return netutil.LimitListener(&perAddress{Listener: inner, most: most, open: map[string]int{}}, l.Connections)
}
