package trace

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	collector "go.opentelemetry.io/proto/otlp/trace/v1"
)

// client sends spans by OTLP/HTTP: protobuf in a POST. The library's own client
// does the same with gRPC compiled in, nine megabytes of it, and takes addresses
// and headers from the environment. This one tries once: what is late is of no
// use, and what fails is counted.
type client struct {
	url    string
	http   *http.Client
	log    *slog.Logger
	spans  *Tracer
	failed atomic.Bool // the last time: logged when it changes
}

func newClient(opt Options, t *Tracer) *client {
	return &client{
		url: strings.TrimSuffix(opt.Endpoint, "/") + "/v1/traces", log: opt.Log, spans: t,
		http: newHTTP(),
	}
}

// Start has nothing to do.
func (c *client) Start(context.Context) error { return nil }

// Stop closes the connection.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces never gives an error: the library would write it to a global
// place.
func (c *client) UploadTraces(ctx context.Context, spans []*collector.ResourceSpans) error {
	count := uint64(0)
	for _, r := range spans {
		for _, s := range r.ScopeSpans {
			count += uint64(len(s.Spans))
		}
	}
	_, err := post(ctx, c.http, c.url, spans)
	c.spans.waiting.Add(-int64(count))
	if err == nil {
		c.spans.sent.Add(count)
	} else {
		c.spans.lost.Add(count)
	}
	switch before := c.failed.Swap(err != nil); {
	case err != nil && !before:
		c.log.Warn("traces are not taken by the endpoint and are dropped", "error", err)
	case err == nil && before:
		c.log.Info("traces are taken again by the endpoint")
	}
	return nil
}
