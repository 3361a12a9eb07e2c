package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// deadlines notes the deadlines of its connection when the answer begins.
type deadlines struct {
	http.ResponseWriter
	read, write             time.Time
	readThen, writeThen     time.Time
	begun, wasRead, written bool
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read, d.wasRead = t, true; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write, d.written = t, true; return nil }

func (d *deadlines) WriteHeader(status int) {
	d.begun, d.readThen, d.writeThen = true, d.read, d.write
	d.ResponseWriter.WriteHeader(status)
}

// TestUnhurried lets an import take as long as it needs, so that it does not
// happen without an answer; the body must still be there in time.
func TestUnhurried(t *testing.T) {
	_, d := deskOf(t)
	h := rest.NewLocalHandler(d, tokens, (&log{}).logger())
	for _, path := range []string{"/v1/imports", "/v1/register", "/v1/backup"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+string(gateway.Beheerder))
		w := &deadlines{ResponseWriter: httptest.NewRecorder(), write: time.Now().Add(time.Minute)}
		h.ServeHTTP(w, r)
		if !w.begun || !w.wasRead || !w.written || !w.readThen.IsZero() || !w.writeThen.IsZero() {
			t.Errorf("%s: got %+v, want an answer without deadlines", path, w)
		}
	}
}
