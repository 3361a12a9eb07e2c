package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What is just within a limit passes, and one more is refused by its name.
func TestPeerLimitsAtTheirEdge(t *testing.T) {
	limits := testLimits()
	n := startNode(t, &exchange{}, limits)
	body := func(size int) string { // white space between the parts is JSON, too
		const start, end = `{"messages":`, `["a"]}`
		return start + strings.Repeat(" ", size-len(start)-len(end)) + end
	}
	batch := func(messages int) string {
		return `{"messages":[` + strings.TrimSuffix(strings.Repeat(`"a",`, messages), ",") + `]}`
	}
	for _, test := range []struct {
		name, body string
		header     int // bytes of a header of no meaning
		status     int
	}{
		{"body at the limit", body(int(limits.BodyBytes)), 0, http.StatusOK},
		{"body of a byte more", body(int(limits.BodyBytes) + 1), 0, http.StatusRequestEntityTooLarge},
		{"batch at the limit", batch(limits.BatchItems), 0, http.StatusOK},
		{"batch of one more", batch(limits.BatchItems + 1), 0, http.StatusRequestEntityTooLarge},
		{"header within the limit", batch(1), 15 << 10, http.StatusOK},
		{"header over the limit", batch(1), 24 << 10, http.StatusRequestHeaderFieldsTooLarge}, // net/http allows 4 KB on top
	} {
		t.Run(test.name, func(t *testing.T) {
			req := request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", strings.NewReader(test.body))
			req.Header.Set("X-Nothing", strings.Repeat("x", test.header))
			if got := do(t, smile, req).status; got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
		})
	}
}

// A body arrives whole, however long it is, and whether or not it says so.
func TestBodiesOfAnyLength(t *testing.T) {
	n := startNode(t, &exchange{}, testLimits())
	const start, end = `{"messages":`, `["a"]}`
	for _, size := range []int{20, 8<<10 - 1, 8 << 10, 8<<10 + 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100_000, 128<<10 + 1} {
		body := start + strings.Repeat(" ", size-len(start)-len(end)) + end
		for said, from := range map[string]io.Reader{"said": strings.NewReader(body), "not said": io.MultiReader(strings.NewReader(body))} {
			t.Run(fmt.Sprint(size, " ", said), func(t *testing.T) {
				req := request(t, http.MethodPost, n.party.Endpoint+"/v1/messages", "application/json", from)
				if got := do(t, smile, req).status; got != http.StatusOK {
					t.Errorf("got status %d, want %d", got, http.StatusOK)
				}
			})
		}
	}
}
