package node_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// Break-glass access stands in the metrics and among the findings of the doctor,
// without whose and why, until it is acknowledged.
func TestBreakGlassIsMeasuredAndFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	expect := func(when, open, unacknowledged, level string) {
		t.Helper()
		text := s.metrics(t)
		for _, want := range []string{"doorstroom_break_glass_open " + open, "doorstroom_break_glass_unacknowledged " + unacknowledged} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("%s: no %s among the metrics", when, want)
			}
		}
		found, err := n.Desk.Doctor(t.Context(), gt.Everyone())
		must(t, err)
		if got := levels(found)["break-glass"]; got != level {
			t.Errorf("%s: got the level %q, want %q", when, got, level)
		}
		if said, err := json.Marshal(found); err != nil || strings.Contains(text+string(said), "Verzonnen") {
			t.Errorf("%s: metrics or findings say who or why (%v)", when, err)
		}
	}
	expect("at first", "0", "0", desk.LevelOK)
	caller := gateway.Caller{Name: "B. Verzonnen", Roles: []gateway.Role{gateway.Beheerder}}
	_, err := n.Desk.BreakGlass(t.Context(), caller, "een Verzonnen reden", time.Hour)
	must(t, err)
	expect("open", "1", "1", desk.LevelWarning)
	_, err = n.Desk.EndBreakGlass(t.Context(), caller)
	must(t, err)
	expect("ended", "0", "1", desk.LevelWarning)
	_, err = n.Desk.AcknowledgeBreakGlass(t.Context(), gt.Everyone(), 1)
	must(t, err)
	expect("acknowledged", "0", "0", desk.LevelOK)
}
