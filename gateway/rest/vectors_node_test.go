package rest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	ourNode "github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// recipientFiles lays out the folder of Alblasserdam with the key and register
// of the vectors.
func recipientFiles(t *testing.T, w *world) config.Config {
	t.Helper()
	return filesOf(t, w, vAlblasserdam, "alblasserdam", gateway.GemeenteKind)
}

// filesOf does that for a party whose keys have a name.
func filesOf(t *testing.T, w *world, oin gateway.OIN, name string, kind gateway.PartyKind) config.Config {
	t.Helper()
	dir := t.TempDir()
	plan := ourNode.Plan{
		Party: oin, Name: name, Kind: kind, Endpoint: "https://" + name + ".example:8443",
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@" + name + ".example"},
		Anchors: []string{w.keys["registrar-1"].kid, w.keys["registrar-2"].kid, w.keys["registrar-3"].kid},
	}
	if _, err := ourNode.Create(dir, plan, day("2026-11-01")); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{
		"data/keys/signing.pem": w.keys[name].pem, "register.jws": w.register,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, ourNode.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recipient is a node of Alblasserdam that can reach nobody.
type recipient struct {
	*ourNode.Node
	config config.Config
}

// atRecipient runs a test in virtual time with a new recipient that starts at a
// moment.
func atRecipient(t *testing.T, c config.Config, at time.Time, test func(*testing.T, *recipient)) {
	t.Helper()
	c.Data = t.TempDir()
	gatewaytest.Bubble(t, func(t *testing.T) {
		until(at)
		r := &recipient{config: c}
		r.start(t)
		defer func() { r.stop(t) }()
		test(t, r)
	})
}

func (r *recipient) start(t *testing.T) {
	t.Helper()
	var err error
	r.Node, err = ourNode.New(context.Background(), ourNode.Options{
		Config: r.config, Log: slog.New(slog.DiscardHandler), Network: gatewaytest.NewNetwork().From(vAlblasserdam),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		t.Error(err)
	}
	synctest.Wait() // it has tried to say hello to everybody
}

func (r *recipient) stop(t *testing.T) {
	t.Helper()
	if problems := r.Store.Check(context.Background()); len(problems) > 0 {
		t.Errorf("invariants: %v", problems)
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// sleep is off until a moment: what it knows then comes from its disk.
func (r *recipient) sleep(t *testing.T, moment time.Time) {
	t.Helper()
	if time.Now().Before(moment) {
		r.stop(t)
		until(moment)
		r.start(t)
	}
}

// until waits in virtual time.
func until(at time.Time) { time.Sleep(time.Until(at)) }

// TestMessageVectors: a real node answers every vector as it says. Vectors that
// leave nothing behind share a node, which then holds nothing all along.
func TestMessageVectors(t *testing.T) {
	c := recipientFiles(t, newWorld(t))
	var traceless []messageVector
	for _, v := range readVectors[messageVector](t, "messages.json") {
		if isTraceless(v) {
			traceless = append(traceless, v)
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			atRecipient(t, c, v.Steps[0].At, func(t *testing.T, n *recipient) { checkMessages(t, n, v) })
		})
	}
	t.Run("traceless", func(t *testing.T) {
		t.Parallel()
		atRecipient(t, c, vectorTime(), func(t *testing.T, n *recipient) {
			for _, v := range traceless {
				checkMessages(t, n, v)
			}
		})
	})
}

// isTraceless tells whether nothing of a vector takes effect.
func isTraceless(v messageVector) bool {
	return len(v.Steps) == 1 && !slices.ContainsFunc(v.Steps[0].Items, func(i gateway.ReceiptItem) bool {
		return i.Outcome == gateway.Received || i.Outcome == gateway.Superseded
	})
}

func checkMessages(t *testing.T, n *recipient, v messageVector) {
	t.Helper()
	ctx := context.Background()
	for i, step := range v.Steps {
		n.sleep(t, step.At)
		if step.Hello != "" {
			if _, err := n.Exchange.Hello(ctx, step.Peer, step.Hello); err != nil {
				t.Fatalf("%s: step %d: hello: %v", v.Name, i, err)
			}
			synctest.Wait() // the node looks at what the hello says
			continue
		}
		answer, err := n.Exchange.Accept(ctx, step.Peer, gateway.Batch{Messages: step.Messages})
		if err != nil {
			t.Fatalf("%s: step %d: %v", v.Name, i, err)
		}
		if !slices.Equal(answer.Items, step.Items) {
			t.Errorf("%s: step %d: got %s, want %s", v.Name, i, gatewaytest.Dump(answer.Items), gatewaytest.Dump(step.Items))
		}
	}
	if got, err := n.Store.Holds(ctx, v.Steps[0].Peer); err != nil || got != v.Holds {
		t.Errorf("%s: holds: got %+v, %v; want %+v", v.Name, got, err, v.Holds)
	}
}

// TestHelloVectors goes through the peer API, for the status. The recipient
// shows nothing to anybody, so no hello changes its answer to the next.
func TestHelloVectors(t *testing.T) {
	t.Parallel()
	atRecipient(t, recipientFiles(t, newWorld(t)), vectorTime(), func(t *testing.T, n *recipient) {
		for _, v := range readVectors[helloVector](t, "hellos.json") {
			h := rest.NewPeerHandler(n.Exchange, n.Witness, n.Desk, func(*tls.ConnectionState) (gateway.OIN, error) { return v.Peer, nil },
				testLimits(), slog.New(slog.DiscardHandler))
			body, err := json.Marshal(rest.HelloToken{Hello: v.Hello})
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequest(http.MethodPost, "/v1/hello", bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			res := httptest.NewRecorder()
			h.ServeHTTP(res, req)
			var answer rest.HelloToken
			if err := json.Unmarshal(res.Body.Bytes(), &answer); res.Code == http.StatusOK && err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			got, want := helloIn(t, answer.Hello), helloIn(t, v.Answer)
			want.Incarnation = got.Incarnation            // each database has its own
			delete(got.CodeLists, gateway.HelloRecovered) // needs no hello that had it before
			if res.Code != v.Status || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got status %d and %+v, want %d and %+v", v.Name, res.Code, got, v.Status, want)
			}
		}
	})
}

// helloIn is what a hello of Alblasserdam says; none says nothing.
func helloIn(t *testing.T, token string) (h gateway.Hello) {
	t.Helper()
	if token == "" {
		return h
	}
	payload, _, err := seal.Open(token, seal.Hello, func(string) (gateway.Key, error) {
		return newTestKey(t, "alblasserdam", "EdDSA").seal().Public(vectorTime()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestReceiptVectors: a node answers the batch of every vector that is to be
// believed with exactly the receipts in it. That those not to be believed are
// not, the tests of exchange and of the third party show.
func TestReceiptVectors(t *testing.T) {
	c := recipientFiles(t, newWorld(t))
	for _, v := range readVectors[receiptVector](t, "receipts.json") {
		if !v.Believed {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			atRecipient(t, c, v.At, func(t *testing.T, n *recipient) {
				got, err := n.Exchange.Accept(context.Background(), vSmile, gateway.Batch{Messages: v.Sent})
				if err != nil {
					t.Fatal(err)
				}
				if got.Head != v.Answer.Head || !slices.Equal(got.Items, v.Answer.Items) {
					t.Errorf("got %s, want %s", gatewaytest.Dump(got), gatewaytest.Dump(v.Answer))
				}
			})
		})
	}
}

func TestRegisterVectors(t *testing.T) {
	w := newWorld(t)
	anchors := []string{w.keys["registrar-1"].kid, w.keys["registrar-2"].kid, w.keys["registrar-3"].kid}
	first, err := register.Parse(w.register, anchors)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range readVectors[registerVector](t, "registers.json") {
		if v.First {
			_, err = register.Parse([]byte(v.File), anchors)
		} else {
			_, err = register.Successor(first, []byte(v.File), v.At)
		}
		if (err == nil) != v.Accepted {
			t.Errorf("%s: got %v, want accepted %v", v.Name, err, v.Accepted)
		}
	}
}
