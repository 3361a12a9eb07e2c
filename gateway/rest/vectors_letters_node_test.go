package rest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// TestLetterVectors: a real node answers every letter as its vector says. Those
// that leave nothing behind share a node.
func TestLetterVectors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	configs := map[gateway.OIN]config.Config{
		vSmile: filesOf(t, w, vSmile, "smile", gateway.Leerwerkbedrijf), vAlblasserdam: recipientFiles(t, w),
	}
	together := map[gateway.OIN][]letterVector{}
	for _, v := range readVectors[letterVector](t, "letters.json") {
		if last := v.Steps[0]; len(v.Steps) == 1 && (last.Status != http.StatusOK || last.State != nil && last.State.Number == 0) {
			together[v.Recipient] = append(together[v.Recipient], v)
			continue
		}
		atRecipient(t, configs[v.Recipient], vectorTime(), func(t *testing.T, n *recipient) { checkLetters(t, n, v.Recipient, v) })
	}
	for oin, all := range together {
		atRecipient(t, configs[oin], vectorTime(), func(t *testing.T, n *recipient) { checkLetters(t, n, oin, all...) })
	}
}

func checkLetters(t *testing.T, n *recipient, oin gateway.OIN, all ...letterVector) {
	t.Helper()
	if oin == vSmile {
		what := gateway.Import{Source: "test", Full: true, Offers: []gateway.Offer{gatewaytest.Offer("groen")}}
		if _, err := n.Desk.PublishCapacity(context.Background(), gatewaytest.Everyone(), what, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range all {
		for i, step := range v.Steps {
			n.sleep(t, step.At)
			status, state := n.letter(t, step)
			synctest.Wait()
			if got, want := string(thirdJSON(state)), string(thirdJSON(step.State)); status != step.Status || got != want {
				t.Errorf("%s: step %d: got %d %s, want %d %s", v.Name, i, status, got, step.Status, want)
			}
		}
	}
}

// letter posts one as the peer of a step.
func (r *recipient) letter(t *testing.T, step letterStep) (status int, state *thirdShiftState) {
	t.Helper()
	h := rest.NewPeerHandler(r.Exchange, r.Witness, r.Desk, func(*tls.ConnectionState) (gateway.OIN, error) { return step.Peer, nil },
		testLimits(), slog.New(slog.DiscardHandler))
	req := httptest.NewRequest(http.MethodPost, "/v1/allotment-letters", bytes.NewReader(thirdJSON(rest.LetterToken{Letter: step.Letter})))
	req.Header.Set("Content-Type", "application/json")
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	var answer rest.LetterAnswer
	if res.Code != http.StatusOK {
		return res.Code, nil
	}
	if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Letter == "" {
		return res.Code, nil
	}
	payload, err := base64urlBytes(strings.Split(answer.Letter, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var letter struct{ State *thirdShiftState }
	if err := json.Unmarshal(payload, &letter); err != nil {
		t.Fatal(err)
	}
	return res.Code, letter.State
}
