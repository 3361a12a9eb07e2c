package trace

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	collector "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Record is a span of something that is over, told from a record of it and not
// measured. Records are never sampled and never dropped: who sends them keeps
// them until they were taken.
type Record struct {
	Trace      [16]byte
	Span       [8]byte
	Parent     [8]byte // zero: none
	Name       string
	At         time.Time
	Attributes []Attribute
}

// Attribute is one thing that a Record tells.
type Attribute struct{ Key, Text string }

// IDs are the trace and the span of whatever has this name: the same for ever,
// and without the secret of the node they tell nothing of it. Those of a message
// by its id are the ones that it carries itself where it is traced.
func IDs(secret []byte, name string) (trace [16]byte, span [8]byte) {
	return idsOf(keyOf(secret), name)
}

func keyOf(secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("trace ids"))
	return mac.Sum(nil)
}

func idsOf(key []byte, name string) (trace [16]byte, span [8]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	sum := mac.Sum(nil)
	return [16]byte(sum), [8]byte(sum[16:])
}

func attributes(all []Attribute) (out []*common.KeyValue) {
	for _, a := range all {
		out = append(out, &common.KeyValue{Key: a.Key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: a.Text}}})
	}
	return out
}

func recorded(resource []Attribute, records []Record) []*collector.ResourceSpans {
	spans := make([]*collector.Span, 0, len(records))
	for i := range records {
		r := &records[i]
		at := uint64(r.At.UnixMilli()) * uint64(time.Millisecond)
		span := &collector.Span{
			TraceId: r.Trace[:], SpanId: r.Span[:], Name: r.Name, Kind: collector.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: at, EndTimeUnixNano: at, Attributes: attributes(r.Attributes), Status: &collector.Status{},
		}
		if r.Parent != ([8]byte{}) {
			span.ParentSpanId = r.Parent[:]
		}
		spans = append(spans, span)
	}
	return []*collector.ResourceSpans{{
		Resource:   &resources.Resource{Attributes: attributes(resource)},
		ScopeSpans: []*collector.ScopeSpans{{Scope: &common.InstrumentationScope{Name: scope}, Spans: spans}},
	}}
}

// JSON writes records in the JSON of OTLP, on one line.
func JSON(resource []Attribute, records []Record) ([]byte, error) {
	raw, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(&collector.TracesData{ResourceSpans: recorded(resource, records)})
	if err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	if err := hexIDs(tree); err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// hexIDs writes ids as OTLP does: in hex, and not in base64 as the JSON of
// protobuf does with bytes.
func hexIDs(v any) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := hexIDs(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, item := range v {
			text, ok := item.(string)
			if !ok || (name != "traceId" && name != "spanId" && name != "parentSpanId") {
				if err := hexIDs(item); err != nil {
					return err
				}
				continue
			}
			id, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return fmt.Errorf("encode an id: %w", err)
			}
			v[name] = hex.EncodeToString(id)
		}
	}
	return nil
}

// Sender sends records by OTLP/HTTP. It is safe for concurrent use.
type Sender struct {
	url  string
	http *http.Client
}

// NewSender makes a sender for a receiver with this base URL.
func NewSender(endpoint string) *Sender {
	return &Sender{strings.TrimSuffix(endpoint, "/") + "/v1/traces", newHTTP()}
}

// Send gives no error once the receiver has taken all records.
func (s *Sender) Send(ctx context.Context, resource []Attribute, records []Record) error {
	answer, err := post(ctx, s.http, s.url, recorded(resource, records))
	if err == nil && refused(answer) {
		return fmt.Errorf("the endpoint did not take all spans")
	}
	return err
}

// refused tells whether a receiver that took a request says that it did not take
// some of the spans: rejected_spans (1) of partial_success (1) of its answer.
func refused(answer []byte) bool {
	refused := false
	eachField(answer, 1, func(partial []byte) {
		if text, n := protowire.ConsumeBytes(partial); n >= 0 {
			eachField(text, 1, func(count []byte) {
				rejected, n := protowire.ConsumeVarint(count)
				refused = refused || n >= 0 && rejected > 0
			})
		}
	})
	return refused
}

func eachField(message []byte, want protowire.Number, visit func(value []byte)) {
	for len(message) > 0 {
		number, _, tag := protowire.ConsumeTag(message)
		_, _, all := protowire.ConsumeField(message)
		if tag < 0 || all < 0 {
			return
		}
		if number == want {
			visit(message[tag:all])
		}
		message = message[all:]
	}
}

// Close closes the connection.
func (s *Sender) Close() { s.http.CloseIdleConnections() }

func newHTTP() *http.Client {
	return &http.Client{
		Timeout:       exportTimeout,
		Transport:     &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 10 * exportEvery, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func post(ctx context.Context, client *http.Client, url string, spans []*collector.ResourceSpans) (answer []byte, err error) {
	// On the wire the request of the service is this message.
	body, err := proto.Marshal(&collector.TracesData{ResourceSpans: spans})
	if err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("send spans: %w", err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the endpoint answered status %d", res.StatusCode)
	}
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return answer, nil
}
