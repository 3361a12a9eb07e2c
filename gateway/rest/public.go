package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

//go:embed openapi.json
var openAPIFile []byte

//go:embed docs/index.html docs/start.js docs/*.gz
var docsFiles embed.FS

// docsPolicy lets the documentation page run its own script and nothing else;
// Swagger UI sets styles on elements and draws icons from data.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Ready says why a node cannot serve at this moment, or nil.
type Ready func(context.Context) error

// NewPublicHandler is what a node shows to anyone: the description of the peer
// API, a page to read it on, and whether the node is there.
func NewPublicHandler(ready Ready, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	health(mux, ready, log)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", typeOpenAPI)
		_, _ = w.Write(openAPIFile) // an error means that the client has gone
	})
	docs(mux, "/docs", "index.html", "text/html; charset=utf-8")
	docs(mux, "/docs/start.js", "start.js", "text/javascript; charset=utf-8")
	docs(mux, "/docs/swagger-ui.css", "swagger-ui.css.gz", "text/css; charset=utf-8")
	docs(mux, "/docs/swagger-ui-bundle.js", "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8")
	return frame(log, routes(mux))
}

// NewOpsHandler is what a node shows to those who watch it: metrics and health.
func NewOpsHandler(ready Ready, metrics http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	health(mux, ready, log)
	mux.Handle("GET /metrics", metrics)
	return frame(log, routes(mux))
}

func health(mux *http.ServeMux, ready Ready, log *slog.Logger) {
	pass := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", typeJSON)
		_, _ = io.WriteString(w, `{"status":"pass"}`+"\n")
	}
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { pass(w) })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			err = gateway.Wrap(gateway.Unavailable, err, "not ready")
			writeProblem(w, problemOf(r.Context(), log, err))
			return
		}
		pass(w)
	})
}

// docs serves one file of the documentation page. What is stored compressed
// goes out so to every browser, and is unpacked for who cannot.
func docs(mux *http.ServeMux, path, file, contentType string) {
	data, err := docsFiles.ReadFile("docs/" + file)
	if err != nil {
		panic("the documentation page is compiled in: " + err.Error())
	}
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		w.Header().Set("Content-Type", contentType)
		var body io.Reader = bytes.NewReader(data)
		if strings.HasSuffix(file, ".gz") {
			w.Header().Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				w.Header().Set("Content-Encoding", "gzip")
			} else if unpacked, err := gzip.NewReader(body); err != nil {
				panic("the documentation page is compressed: " + err.Error())
			} else {
				body = unpacked
			}
		}
		_, _ = io.Copy(w, body) // an error means that the client has gone
	})
}
