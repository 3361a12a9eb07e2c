package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

const (
	pathEvents      = "/v1/events"
	pathEventStream = "/v1/events/stream"
	pathTestWebhook = "/v1/webhooks/test"

	typeEventStream  = "text/event-stream"
	lastEventID      = "Last-Event-ID"
	headerBeginAfter = "Events-Begin-After" // with 410: after which event to begin again

	// A stream says something so often, so that both sides notice that the other
	// has gone; a reader that takes nothing for as long as streamPatience is one.
	heartbeat      = 15 * time.Second
	streamPatience = 10 * time.Second

	streamsPerCaller = 4
	maxStreams       = 32
)

// eventsInput is text that is read here: huma's errors for parameters repeat them.
type eventsInput struct {
	After string `query:"after" doc:"id of the event after which to begin, or last; without it the oldest that is kept"`
	Limit string `query:"limit" doc:"how many events at most; 100 without it"`
	Types string `query:"types" doc:"only of these types, with commas between; all without it"`
}

func (in eventsInput) parse() (desk.EventQuery, error) {
	q := desk.EventQuery{After: in.After}
	if in.Types != "" {
		q.Types = strings.Split(in.Types, ",")
	}
	if in.Limit != "" {
		var err error
		if q.Limit, err = strconv.Atoi(in.Limit); err != nil || q.Limit < 1 {
			return q, gateway.Errorf(gateway.Invalid, "limit is not a number from 1 to %d", desk.MaxEventPage)
		}
	}
	return q, nil
}

type streamInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"id of the last event that arrived; goes before after"`
	After       string `query:"after" doc:"as in listEvents"`
	Types       string `query:"types" doc:"as in listEvents"`
}

// WebhookName names a webhook of the configuration.
type WebhookName struct {
	Name string `json:"name"`
}

// eventRoutes are the list and the stream. stays tells of the request of a stream
// whether its caller may still be there.
func eventRoutes(a api, d *desk.Desk, stays func(*http.Request) bool) {
	get(a, huma.Operation{
		OperationID: "listEvents", Path: pathEvents, Summary: "What happened at this node",
		Description: "CloudEvents with ids, codes and dates only: what they are about is to be asked for. " +
			"Each caller gets what its roles may ask for. When what came next is not kept any more the answer is 410, and its header " + headerBeginAfter + " says where to begin again.",
	}, []int{http.StatusBadRequest, http.StatusGone}, func(ctx context.Context, in eventsInput) (output[desk.EventPage], error) {
		q, err := in.parse()
		if err != nil {
			return output[desk.EventPage]{}, err
		}
		page, err := d.Events(ctx, callerIn(ctx), q)
		return output[desk.EventPage]{page}, gone(err)
	})
	post(a, huma.Operation{
		OperationID: "testWebhook", Path: pathTestWebhook, Summary: "Send a test event to a webhook",
		Description: "It was taken, or the problem says why not.",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in WebhookName) (WebhookName, error) {
		return in, d.PostTest(ctx, callerIn(ctx), in.Name)
	})
	op := huma.Operation{
		OperationID: "streamEvents", Method: http.MethodGet, Path: pathEventStream, Summary: "What happens at this node, as it happens",
		Description: "Server-Sent Events, each with a CloudEvent as data. It goes on after the header " + lastEventID + ", or after.",
	}
	a.document(&op, []int{http.StatusBadRequest, http.StatusGone})
	op.Responses["200"] = &huma.Response{
		Description: "the events", Content: map[string]*huma.MediaType{typeEventStream: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	s := &streams{desk: d, stays: stays, open: map[string]int{}}
	huma.Register(a.API, op, func(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
		stream, err := s.begin(ctx, *in)
		if err != nil {
			return nil, problemOf(ctx, a.log, gone(err))
		}
		return &huma.StreamResponse{Body: stream}, nil
	})
}

// gone makes a problem of what EventsGone says.
func gone(err error) error {
	e, ok := errors.AsType[*gateway.EventsGone](err)
	if !ok {
		return err
	}
	p := newProblem(http.StatusGone, gateway.SafeMessage(err))
	p.beginAfter = e.Begin.String()
	return p
}

// streams are those that are open.
type streams struct {
	desk  *desk.Desk
	stays func(*http.Request) bool

	mu   sync.Mutex
	open map[string]int // guarded by mu; by name of the caller
	all  int            // guarded by mu
}

func (s *streams) enter(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[name] >= streamsPerCaller || s.all >= maxStreams {
		return false
	}
	s.open[name]++
	s.all++
	return true
}

func (s *streams) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.open[name]--; s.open[name] == 0 {
		delete(s.open, name)
	}
}

// begin reads the first events, so that what is wrong with the question is said
// as a problem, and gives what writes the stream.
func (s *streams) begin(ctx context.Context, in streamInput) (func(huma.Context), error) {
	q, err := eventsInput{After: in.After, Types: in.Types}.parse()
	if err != nil {
		return nil, err
	}
	if in.LastEventID != "" {
		q.After = in.LastEventID
	}
	next := s.desk.NextEvent()
	page, err := s.desk.Events(ctx, callerIn(ctx), q)
	if err != nil {
		return nil, err
	}
	return func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		name := callerIn(r.Context()).Name
		if !s.enter(name) {
			writeProblem(w, newProblem(http.StatusTooManyRequests, "more streams of events than this node keeps open at the same time"))
			return
		}
		defer s.leave(name)
		// Whatever ends a stream, its reader comes back with the last id that it has.
		_ = s.write(r, w, q, page, next)
	}, nil
}

// write writes events until the reader has gone or takes nothing, the caller may
// not be there any more, or the server stops.
func (s *streams) write(r *http.Request, w http.ResponseWriter, q desk.EventQuery, page desk.EventPage, next <-chan struct{}) error {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeEventStream)
	stopping := stoppingIn(r.Context())
	beat := time.NewTimer(heartbeat)
	defer beat.Stop()
	// Of the last write, after the last wait, too: that is the end of the body.
	defer func() { _ = control.SetWriteDeadline(time.Now().Add(streamPatience)) }()
	for {
		if err := control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil {
			return err
		}
		if err := writePage(w, page); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		if !page.More {
			beat.Reset(heartbeat)
			select {
			case <-next:
			case <-beat.C:
			case <-stopping:
				return nil
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}
		if !s.stays(r) {
			return nil
		}
		var err error
		next, q.After = s.desk.NextEvent(), page.Next
		if page, err = s.desk.Events(r.Context(), callerIn(r.Context()), q); err != nil {
			return err
		}
	}
}

// writePage ends with the place to go on from: a reader that gets none of the
// types that it asked for need not read the others again.
func writePage(w http.ResponseWriter, page desk.EventPage) error {
	for _, e := range page.Events {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Type, data); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, ": alive\nid: %s\n\n", page.Next)
	return err
}

type stoppingKey struct{}

// stoppingIn is closed when the server of a request is shut down; nil where that
// was not made by NewServer.
func stoppingIn(ctx context.Context) <-chan struct{} {
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopping
}
