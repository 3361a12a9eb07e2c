// Package trace tells, with OpenTelemetry, how a message comes through the
// nodes and where time goes: publish, commit, deliver, accept. Use it where an
// operation begins and ends. It is off unless the operator names an endpoint,
// and then costs nothing.
//
// What leaves the node by it are names of operations, durations, OINs, kinds,
// outcomes and counts: never a subject, an offer or a payload. Collecting spans
// never slows or stops what they tell of: what the endpoint does not take in
// time is dropped.
//
// A message has a trace of its own, made from its id and the node's secret. So
// it is the same at every attempt, and recipients of one publication cannot
// tell from their traces that they got the same: what joins them are links,
// which stay here. Whether a node records what it does with a message of another
// is for that node alone; a sender's flag means nothing.
package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"

	"github.com/doorstroom/doorstroom/gateway"
)

const (
	maxQueue      = 4096 // spans that wait for the endpoint; more are dropped
	maxExport     = 512  // spans in one request
	exportEvery   = 2 * time.Second
	exportTimeout = 10 * time.Second
	stopWithin    = 2 * time.Second // for what still waits at a stop

	scope = "github.com/doorstroom/doorstroom" // who made a span
)

// Options is what a Tracer works with.
type Options struct {
	Endpoint string      // base URL of an OTLP/HTTP receiver; "": off
	Percent  int         // of operations and of messages that are traced
	Secret   []byte      // the node's: makes trace ids
	Party    gateway.OIN // whose node this is
	Version  string      // of the program
	Log      *slog.Logger
}

// Tracer is safe for concurrent use. One that is off, and a nil one, do nothing.
type Tracer struct {
	key      []byte
	share    uint64 // of 2^56
	provider *sdk.TracerProvider
	tracer   otel.Tracer // nil: off
	sent     atomic.Uint64
	lost     atomic.Uint64
	dropped  atomic.Uint64
	waiting  atomic.Int64 // ended, and not yet tried to send
}

// Open makes a tracer, and starts what sends spans if there is an endpoint; Stop
// ends it.
func Open(opt Options) *Tracer {
	t := &Tracer{key: keyOf(opt.Secret), share: uint64(opt.Percent) * (1 << 56) / 100}
	if opt.Endpoint == "" {
		return t
	}
	exporter := otlptrace.NewUnstarted(newClient(opt, t))
	_ = exporter.Start(context.Background()) // starts nothing but may then be stopped
	// Every option is given: the library would take it from the environment.
	t.provider = sdk.NewTracerProvider(
		sdk.WithSpanProcessor(counted{t: t, SpanProcessor: sdk.NewBatchSpanProcessor(exporter,
			sdk.WithMaxQueueSize(maxQueue), sdk.WithMaxExportBatchSize(maxExport),
			sdk.WithBatchTimeout(exportEvery), sdk.WithExportTimeout(exportTimeout))}),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "doorstroom"), attribute.String("service.instance.id", string(opt.Party)),
			attribute.String("service.version", opt.Version))),
		sdk.WithSampler(sampler{sdk.ParentBased(sdk.TraceIDRatioBased(float64(opt.Percent) / 100))}),
		sdk.WithIDGenerator(ids{}),
		sdk.WithRawSpanLimits(sdk.SpanLimits{
			AttributeValueLengthLimit: 100, AttributeCountLimit: 16, EventCountLimit: 1, LinkCountLimit: 2 * gateway.MaxBatch,
			AttributePerEventCountLimit: 4, AttributePerLinkCountLimit: 4,
		}))
	t.tracer = t.provider.Tracer(scope)
	return t
}

// Stop sends what waits, for a short time, and ends what Open started.
func (t *Tracer) Stop(ctx context.Context) error {
	if t.off() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what did not get out in time is lost, and that is all
	return nil
}

func (t *Tracer) off() bool { return t == nil || t.tracer == nil }

// Spans counts those that the endpoint took, those that it did not, and those
// that were dropped before, because too many waited.
func (t *Tracer) Spans() (sent, lost, dropped uint64) {
	if t.off() {
		return 0, 0, 0
	}
	return t.sent.Load(), t.lost.Load(), t.dropped.Load()
}

// counted lets as many spans wait as the library's queue holds. The library drops
// what is more without telling.
type counted struct {
	sdk.SpanProcessor
	t *Tracer
}

// OnEnd queues a span, or drops it.
func (c counted) OnEnd(span sdk.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if c.t.waiting.Add(1) > maxQueue {
		c.t.waiting.Add(-1)
		c.t.dropped.Add(1)
		return
	}
	c.SpanProcessor.OnEnd(span)
}

// Span is one operation under way. The zero Span does nothing.
type Span struct{ span otel.Span }

// Start begins an operation within that of ctx, if any. End must be called.
func (t *Tracer) Start(ctx context.Context, name string) (context.Context, Span) {
	if t.off() {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, Span{span}
}

// Recording tells whether anything becomes of this span.
func (s Span) Recording() bool { return s.span != nil && s.span.IsRecording() }

// Name changes the name, for who knows it only at the end.
func (s Span) Name(name string) {
	if s.Recording() {
		s.span.SetName(name)
	}
}

// Text and Count note what an operation was about: an OIN, a kind, an outcome
// or a number, and never anything of an offer.
func (s Span) Text(key, value string) {
	if s.Recording() {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Count is Text for numbers.
func (s Span) Count(key string, n int) {
	if s.Recording() {
		s.span.SetAttributes(attribute.Int(key, n))
	}
}

// End ends the operation. Of an error only the kind is told: texts are for the
// log of this node.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, kindName(gateway.KindOf(err)))
	}
	s.span.End()
}

func kindName(k gateway.Kind) string {
	names := [...]string{"internal", "invalid", "unauthenticated", "denied", "not found", "conflict", "limit", "unavailable"}
	return names[min(max(int(k), 0), len(names)-1)]
}

// Chosen tells whether a new message is to carry a trace context.
func (t *Tracer) Chosen(id [16]byte) bool {
	if t.off() {
		return false
	}
	// The last 56 bits of a UUIDv7 are random.
	return binary.BigEndian.Uint64(id[8:])&(1<<56-1) < t.share
}

// Parent is the traceparent (W3C Trace Context) of an own message that was
// chosen. It is the same for ever, also where tracing is off by now: the same
// message must have the same bytes.
func (t *Tracer) Parent(id string) string {
	own := t.contextOf(id)
	return "00-" + own.TraceID().String() + "-" + own.SpanID().String() + "-01"
}

// contextOf is where the trace of an own message begins.
func (t *Tracer) contextOf(id string) otel.SpanContext {
	trace, span := idsOf(t.key, id)
	return otel.NewSpanContext(otel.SpanContextConfig{TraceID: trace, SpanID: span, TraceFlags: otel.FlagsSampled})
}

// Queued begins the trace of an own message that was chosen, and links it to the
// operation of ctx, from which it came.
func (t *Tracer) Queued(ctx context.Context, id [16]byte, recipient gateway.OIN, kind string) {
	if t.off() {
		return
	}
	own := t.contextOf(uuid.UUID(id).String())
	root := context.WithValue(context.Background(), wanted{}, own)
	_, span := t.tracer.Start(root, "queue message", otel.WithLinks(linkTo(ctx)...), otel.WithSpanKind(otel.SpanKindProducer),
		otel.WithAttributes(attribute.String("recipient", string(recipient)), attribute.String("kind", kind)))
	span.End()
}

// Delivered tells, in the trace of an own message, what became of an attempt. It
// links it to the operation of ctx, the batch, and the other way round.
func (t *Tracer) Delivered(ctx context.Context, id string, outcome string) {
	if t.off() {
		return
	}
	t.message(ctx, t.contextOf(id), "deliver message", otel.SpanKindClient, outcome)
}

// Accepted tells, in the trace that a message came with, what was decided of it;
// that of the batch in ctx says whether it is recorded.
func (t *Tracer) Accepted(ctx context.Context, parent, outcome string) {
	batch := otel.SpanContextFromContext(ctx)
	if t.off() || !batch.IsSampled() {
		return
	}
	remote, ok := parse(parent)
	if !ok {
		return
	}
	t.message(ctx, remote, "accept message", otel.SpanKindConsumer, outcome)
}

// message records one span in the trace of a message, as long as that of the
// batch so far.
func (t *Tracer) message(ctx context.Context, in otel.SpanContext, name string, kind otel.SpanKind, outcome string) {
	began := time.Now()
	if batch, ok := otel.SpanFromContext(ctx).(sdk.ReadOnlySpan); ok {
		began = batch.StartTime()
	}
	_, span := t.tracer.Start(otel.ContextWithRemoteSpanContext(context.Background(), in), name,
		otel.WithLinks(linkTo(ctx)...), otel.WithSpanKind(kind), otel.WithTimestamp(began),
		otel.WithAttributes(attribute.String("outcome", outcome)))
	span.End()
	otel.SpanFromContext(ctx).AddLink(otel.Link{SpanContext: span.SpanContext()})
}

func linkTo(ctx context.Context) []otel.Link {
	if here := otel.SpanContextFromContext(ctx); here.IsSampled() {
		return []otel.Link{{SpanContext: here}}
	}
	return nil
}

// parse reads a traceparent. What it says of sampling is not ours to follow: who
// calls has decided already.
func parse(parent string) (otel.SpanContext, bool) {
	if len(parent) != 55 || parent[:3] != "00-" || parent[35] != '-' || parent[52] != '-' {
		return otel.SpanContext{}, false
	}
	var trace otel.TraceID
	var span otel.SpanID
	_, err := hex.Decode(trace[:], []byte(parent[3:35]))
	_, err2 := hex.Decode(span[:], []byte(parent[36:52]))
	in := otel.NewSpanContext(otel.SpanContextConfig{TraceID: trace, SpanID: span, TraceFlags: otel.FlagsSampled, Remote: true})
	return in, err == nil && err2 == nil && in.IsValid()
}

// wanted is the key, in a context, of the ids that a new trace must have.
type wanted struct{}

// sampler records a trace whose ids were given: it was chosen before.
type sampler struct{ sdk.Sampler }

// ShouldSample is that of the sampler within for all other spans.
func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if p.ParentContext.Value(wanted{}) != nil {
		return sdk.SamplingResult{Decision: sdk.RecordAndSample}
	}
	return s.Sampler.ShouldSample(p)
}

// ids makes random ids, or takes those that are wanted.
type ids struct{}

// NewIDs is for the first span of a trace.
func (ids) NewIDs(ctx context.Context) (otel.TraceID, otel.SpanID) {
	if own, ok := ctx.Value(wanted{}).(otel.SpanContext); ok {
		return own.TraceID(), own.SpanID()
	}
	id := uuid.New()
	return otel.TraceID(id), ids{}.NewSpanID(ctx, otel.TraceID(id))
}

// NewSpanID is for every other.
func (ids) NewSpanID(context.Context, otel.TraceID) otel.SpanID {
	id := uuid.New()
	return otel.SpanID(id[:8])
}
