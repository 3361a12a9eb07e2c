package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// frame puts around a handler what every answer of a node has: the headers of
// the API Design Rules, and a problem instead of a cut connection when a
// handler panics.
func frame(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		defer func() {
			caught := recover()
			if caught == nil {
				return
			}
			if caught == http.ErrAbortHandler {
				panic(caught)
			}
			// The header may be out already; then the answer is cut off and the peer sends again.
			writeProblem(w, problemOf(context.WithoutCancel(r.Context()), log, fmt.Errorf("panic in handler: %v", caught)))
		}()
		next.ServeHTTP(w, r)
	})
}

func setHeaders(h http.Header) {
	h.Set("API-Version", Version)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// routes is a ServeMux whose refusals are problems: 404 also for a path with a
// trailing slash, which the mux would redirect, and 405 with Allow.
func routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/") || path.Clean(r.URL.Path) != r.URL.Path {
			writeProblem(w, newProblem(http.StatusNotFound, "there is nothing at this path"))
			return
		}
		if _, pattern := mux.Handler(r); pattern != "" {
			observedIn(r.Context()).Operation = pattern
			mux.ServeHTTP(w, r)
			return
		}
		if allowed := methods(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, newProblem(http.StatusMethodNotAllowed, "this path has another method; see the header Allow"))
			return
		}
		writeProblem(w, newProblem(http.StatusNotFound, "there is nothing at this path"))
	})
}

// methods lists by which methods a path can be called.
func methods(mux *http.ServeMux, r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		other := *r
		other.Method = method
		if _, pattern := mux.Handler(&other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// mostSpare is the largest room of a body that is kept for another.
const mostSpare = 2 << 20

// bodies reads the body of a request before the API sees it, so that a slow or
// large one fails here, in one way. It bounds how long and how much. The body is
// lent to the API until it has answered.
func bodies(limits Limits, next http.Handler) http.Handler {
	var spare sync.Pool // of *[]byte
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != typeJSON ||
			(params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8")) {
			writeProblem(w, newProblem(http.StatusUnsupportedMediaType, "the body must be application/json"))
			return
		}
		room, ok := spare.Get().(*[]byte)
		if !ok {
			room = new(make([]byte, 0, firstRoom))
		}
		body, problem := readBody(w, r, limits, *room)
		if problem != nil {
			w.Header().Set("Connection", "close") // what is left of the body will not be read
			writeProblem(w, problem)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
		if cap(body) <= mostSpare {
			*room = body[:0]
			spare.Put(room)
		}
	})
}

// drain is how much of a body that is too large is read after all: the sender
// hears why only when it has sent what it meant to.
const drain = 16 << 20

func readBody(w http.ResponseWriter, r *http.Request, limits Limits, room []byte) ([]byte, *Problem) {
	// Servers that were not made by NewServer may have no deadline of their own;
	// an error means that this kind of connection has none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limits.ReadTimeout))
	body, err := readAll(room, io.LimitReader(r.Body, limits.BodyBytes+1), r.ContentLength)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, newProblem(http.StatusRequestTimeout, "the body took too long")
	}
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "the body ended before it was complete")
	}
	if int64(len(body)) > limits.BodyBytes {
		_, _ = io.CopyN(io.Discard, r.Body, drain) // an error changes nothing: it was too large
		return nil, newProblem(http.StatusRequestEntityTooLarge, "the body is larger than this node accepts")
	}
	if len(body) == 0 {
		return nil, newProblem(http.StatusBadRequest, "the body is missing")
	}
	return body, nil
}

// firstRoom is what a body gets before any of it is there.
const firstRoom = 8 << 10

// readAll is io.ReadAll into body, which is empty but has room, for a body that
// says how long it is, or -1. It takes more room only as the body comes, so that
// who says much and sends little costs little.
func readAll(body []byte, from io.Reader, length int64) ([]byte, error) {
	for {
		if len(body) == cap(body) {
			more := int64(3 * len(body)) // four times as much, or all there will be
			if length >= int64(len(body)) {
				more = min(more, length-int64(len(body))+1)
			}
			body = slices.Grow(body, int(more))
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
}
