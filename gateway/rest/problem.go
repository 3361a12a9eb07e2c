package rest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
)

// Problem is an error on the wire, as RFC 9457 describes it. It never repeats a
// value of the request.
type Problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Instance string   `json:"instance,omitempty"`
	Errors   []Detail `json:"errors,omitempty"`

	beginAfter string // with 410 of events: after which they go on
}

// Detail is one of several things wrong with one request.
type Detail struct {
	Detail string `json:"detail"`
}

// Error, GetStatus, ContentType and GetHeaders make a Problem what huma expects
// of an error.
func (p *Problem) Error() string { return strconv.Itoa(p.Status) + " " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is application/problem+json.
func (p *Problem) ContentType(string) string { return typeProblem }

// GetHeaders says when to come back, and where to begin then.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	if p.beginAfter != "" {
		h.Set(headerBeginAfter, p.beginAfter)
	}
	return h
}

// statuses is the one table of kinds and HTTP statuses. The first row of a kind
// is what a server answers; a client reads all.
func statuses() []struct {
	kind   gateway.Kind
	status int
} {
	return []struct {
		kind   gateway.Kind
		status int
	}{
		{gateway.Internal, http.StatusInternalServerError},
		{gateway.Invalid, http.StatusBadRequest},
		{gateway.Invalid, http.StatusMethodNotAllowed},
		{gateway.Invalid, http.StatusUnsupportedMediaType},
		{gateway.Unauthenticated, http.StatusUnauthorized},
		{gateway.Denied, http.StatusForbidden},
		{gateway.NotFound, http.StatusNotFound},
		{gateway.Conflict, http.StatusConflict},
		{gateway.Conflict, http.StatusGone},
		{gateway.Limit, http.StatusTooManyRequests},
		{gateway.Limit, http.StatusRequestEntityTooLarge},
		{gateway.Unavailable, http.StatusServiceUnavailable},
		{gateway.Unavailable, http.StatusRequestTimeout},
	}
}

func statusOf(kind gateway.Kind) int {
	for _, row := range statuses() {
		if row.kind == kind {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

func kindOf(status int) (gateway.Kind, bool) {
	for _, row := range statuses() {
		if row.status == status {
			return row.kind, true
		}
	}
	return gateway.Internal, false
}

func newProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// problemOf is what may be told of err. What is our own fault goes to the log
// under a reference, and only the reference goes out.
func problemOf(ctx context.Context, log *slog.Logger, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	kind := gateway.KindOf(err)
	if kind == gateway.Internal && ctx.Err() != nil {
		return newProblem(statusOf(gateway.Unavailable), "the request was given up")
	}
	if kind == gateway.Internal {
		reference := uuid.NewString()
		log.ErrorContext(ctx, "request failed", "reference", reference, "error", err)
		p := newProblem(statusOf(kind), "internal error; the log of this node tells more under this reference")
		p.Instance = "urn:uuid:" + reference
		return p
	}
	log.DebugContext(ctx, "request refused", "error", err)
	p := newProblem(statusOf(kind), gateway.SafeMessage(err))
	if all := details(err); len(all) > 1 {
		p.Detail = strconv.Itoa(len(all)) + " errors"
		p.Errors = all
	}
	return p
}

// details are the messages of all errors that were joined into one, or the
// lines of one message.
func details(err error) []Detail {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Detail
		for _, e := range joined.Unwrap() {
			all = append(all, details(e)...)
		}
		return all
	}
	var all []Detail
	for line := range strings.Lines(gateway.SafeMessage(err)) {
		all = append(all, Detail{strings.TrimSuffix(line, "\n")})
	}
	return all
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", typeProblem)
	w.WriteHeader(p.Status)
	// An error here means that the client has gone.
	_ = json.NewEncoder(w).Encode(p)
}
