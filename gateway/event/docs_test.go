package event_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/event"
)

// TestDocument holds the page for integrators to the program: the request that it
// shows is one that this program makes, and it names every type.
func TestDocument(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "docs", "integrations.md"))
	must(t, err)
	text := string(file)
	at := time.Date(2026, 11, 16, 9, 30, 0, 0, time.UTC)
	body, err := json.Marshal(gateway.NewCloudEvent(self, "1795000000-42", gateway.EventReferralAnswered, at, "5f3c2a9be0d14c6f8a7b9c0d1e2f3a4b", gateway.EventData{
		Referral: "4b3a1c9e-7c0e-4f7e-9d35-0a3bb1b0c001", Side: gateway.ReferrerSide, Party: "00000099000000002000", Number: 4,
		Status: "kennismaking-gepland", Owner: "00000099000000002000", Due: "2026-11-30", Answer: gateway.Committed,
	}))
	must(t, err)
	for _, want := range []string{
		"secret `" + secret + "`",
		"webhook-id: 1795000000-42\n", "webhook-timestamp: " + strconv.FormatInt(at.Unix(), 10) + "\n",
		"webhook-signature: " + event.Sign(secrets(t, secret), "1795000000-42", at, body) + "\n",
		"\n\n" + string(body) + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the example lacks %q", want)
		}
	}
	for _, kind := range append(gateway.EventTypes(), gateway.EventsMissed, gateway.EventTest) {
		if !strings.Contains(text, "| `"+kind.Name()+"` |") {
			t.Errorf("the table of types lacks %s", kind.Name())
		}
	}
}
