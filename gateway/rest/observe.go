package rest

import (
	"context"
	"net/http"

	"github.com/doorstroom/doorstroom/gateway"
)

// Observed is what is told of one request once it has been answered: nothing
// that stands in it.
type Observed struct {
	Peer      gateway.OIN // who asked, if it is a party of the register
	Operation string      // method and pattern of the path, such as "POST /v1/messages"; "" for a request that was refused before
	Status    int         // HTTP
	Limited   bool        // refused because this peer asks too much
}

// Observe tells of every request to a handler of this package. begin is called
// before anything of a request is read and may add to its context; what it
// gives is called when the answer has been written.
func Observe(next http.Handler, begin func(context.Context) (context.Context, func(Observed))) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &Observed{Status: http.StatusOK}
		ctx, end := begin(r.Context())
		defer func() { end(*seen) }()
		next.ServeHTTP(&observedWriter{w, seen, false}, r.WithContext(context.WithValue(ctx, observedKey{}, seen)))
	})
}

type observedKey struct{}

// observedIn is where a handler notes what it learns; nobody may be looking.
func observedIn(ctx context.Context) *Observed {
	if seen, ok := ctx.Value(observedKey{}).(*Observed); ok {
		return seen
	}
	return new(Observed)
}

// observedWriter notes the status of an answer.
type observedWriter struct {
	http.ResponseWriter
	seen  *Observed
	wrote bool
}

// WriteHeader notes the first final status.
func (w *observedWriter) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK {
		w.seen.Status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write without WriteHeader is a 200.
func (w *observedWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *observedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
