package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	collector "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
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
		http: &http.Client{
			Timeout:       exportTimeout,
			Transport:     &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 10 * exportEvery, MaxResponseHeaderBytes: 16 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
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
	err := c.upload(ctx, spans)
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

func (c *client) upload(ctx context.Context, spans []*collector.ResourceSpans) error {
	// On the wire the request of the service is this message.
	body, err := proto.Marshal(&collector.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer res.Body.Close()
	_, err = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the endpoint answered status %d", res.StatusCode)
	}
	if err != nil && err != io.EOF {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
