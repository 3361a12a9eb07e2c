package node_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ecd is a program that gets events; while it is broken it takes none.
type ecd struct {
	mu     sync.Mutex
	broken bool     // guarded by mu
	ids    []string // guarded by mu; that it took
}

func (e *ecd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var got gateway.CloudEvent
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || e.broken {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	e.ids = append(e.ids, got.ID)
}

func (e *ecd) breakDown(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = on
}

// wait waits until some event was taken, and gives all.
func (e *ecd) wait(t *testing.T, last string) []string {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		e.mu.Lock()
		ids := slices.Clone(e.ids)
		e.mu.Unlock()
		if slices.Contains(ids, last) {
			return slices.Compact(ids)
		}
	}
	t.Fatalf("event %s did not come", last)
	return nil
}

// A webhook of the configuration gets what happens, also what happened while it
// was away or the node was restarted; when it fails for long, status, doctor and
// metrics tell, and its own test does too.
func TestWebhookOfNode(t *testing.T) {
	t.Parallel()
	e := &ecd{}
	server := httptest.NewServer(e)
	defer server.Close()
	f := region(t)
	secret := filepath.Join(f.Dir(gt.Smile), "ecd.secret")
	f.SetConfig(gt.Smile, "webhooks: []", `webhooks: [{name: ecd, url: "`+server.URL+`", secrets: [ecd.secret]}]`)
	told := func() string {
		t.Helper()
		findings, err := f.Node(gt.Smile).Desk.Doctor(t.Context(), gt.Everyone())
		must(t, err)
		for _, found := range findings {
			if found.Check == "webhooks" {
				return found.Level + " " + found.Text
			}
		}
		return ""
	}
	happen := func() string {
		t.Helper()
		s := f.Node(gt.Smile).Store
		must(t, s.SaveImport(t.Context(), time.Now(), store.ImportState{Source: "x", Held: &store.HeldImport{Vanished: []string{"a"}}}, nil))
		last, err := s.LastEvent(t.Context())
		must(t, err)
		return last.String()
	}
	want := []string{happen()} // waits for the secret
	if got := told(); !strings.HasPrefix(got, desk.LevelError) || !strings.Contains(got, "there is no file") {
		t.Errorf("without a secret: got %q, want that it is said", got)
	}
	if err := f.Node(gt.Smile).Desk.PostTest(t.Context(), gt.Everyone(), "ecd"); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("without a secret: got %v, want that it is not at work", err)
	}
	must(t, os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600))
	_, err := f.Node(gt.Smile).Desk.Reload(t.Context(), gt.Everyone())
	must(t, err)
	want = append(want, happen(), happen())
	if got := e.wait(t, want[2]); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	e.breakDown(true)
	want = append(want, happen())
	if err := f.Node(gt.Smile).Desk.PostTest(t.Context(), gt.Everyone(), "ecd"); gateway.KindOf(err) != gateway.Conflict || !strings.Contains(gateway.SafeMessage(err), "502") {
		t.Errorf("got %v, want the status that it answers with", err)
	}
	for told() == "" || strings.HasPrefix(told(), desk.LevelOK) {
		time.Sleep(10 * time.Millisecond) // until the failure is noted
	}
	later := time.Now().Add(2 * time.Hour) // time passes for the node
	must(t, f.Node(gt.Smile).Store.Append(t.Context(), later, journal.Entry{Time: later, Kind: journal.KindStart}))
	status, err := f.Node(gt.Smile).Desk.Status(t.Context(), gt.Everyone())
	must(t, err)
	if !slices.ContainsFunc(status.Alarms, func(a string) bool { return strings.Contains(a, "webhook ecd") }) || len(status.Webhooks) != 1 || status.Webhooks[0].Waiting != 1 {
		t.Errorf("got alarms %q and %+v, want one about the webhook", status.Alarms, status.Webhooks)
	}
	if got := told(); !strings.HasPrefix(got, desk.LevelWarning) || !strings.Contains(got, "502") {
		t.Errorf("got %q, want a warning that says why", got)
	}
	f.Stop(gt.Smile)
	e.breakDown(false)
	f.Start(gt.Smile)
	want = append(want, happen())
	if got := e.wait(t, want[4]); !slices.Equal(got, want) {
		t.Errorf("after a restart: got %v, want %v", got, want)
	}
	must(t, f.Node(gt.Smile).Desk.PostTest(t.Context(), gt.Everyone(), "ecd"))
	for !strings.HasPrefix(told(), desk.LevelOK) {
		time.Sleep(10 * time.Millisecond)
	}
}
