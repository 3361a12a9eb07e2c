package node

import (
	"context"

	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// openTrace is on only where the configuration names a receiver.
func (n *Node) openTrace() *trace.Tracer {
	c := n.opt.Config
	return trace.Open(trace.Options{
		Endpoint: c.Trace.Endpoint, Percent: c.Trace.Percent,
		Secret: n.keys.secret, Party: c.Party, Version: version(), Log: n.log,
	})
}

// traced lets the store choose which messages carry a trace context.
func (n *Node) traced(opt store.Options) store.Options {
	if n.opt.Config.Trace.Endpoint == "" {
		return opt
	}
	opt.Traced = n.trace.Chosen
	opt.Queued = func(ctx context.Context, messages []store.Queued) {
		for _, m := range messages {
			n.trace.Queued(ctx, m.ID, m.Recipient, m.Kind)
		}
	}
	return opt
}

// traceRequest tells of a request to the local API.
func (n *Node) traceRequest(ctx context.Context) (context.Context, func(rest.Observed)) {
	ctx, span := n.trace.Start(ctx, "local API")
	return ctx, func(seen rest.Observed) {
		if seen.Operation != "" {
			span.Name(seen.Operation)
		}
		span.Count("status", seen.Status)
		span.End(nil)
	}
}

// Spans counts those that the receiver of traces took, those that it did not, and
// those that did not get as far.
func (n *Node) Spans() (sent, lost, dropped uint64) { return n.trace.Spans() }
