package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestTooManyCases: what can be told apart may be few states and yet more rows than
// anybody reads.
func TestTooManyCases(t *testing.T) {
	fields := slices.DeleteFunc(gateway.Fields()[:14], func(f gateway.Field) bool { return f == gateway.FieldDoelgroepen })
	var names []string
	for _, f := range fields {
		names = append(names, string(f))
	}
	e := env(t)
	of := func(conditions []string) error {
		var b strings.Builder
		fmt.Fprintf(&b, "rules:\n  - {id: s, effect: show, kinds: [capacity], to: {gemeenten: [gm0482]}, fields: {exact: [%s]}}\n", strings.Join(names, ", "))
		for i, when := range conditions {
			fmt.Fprintf(&b, "  - {id: n%d, effect: never, to: {gemeenten: [gm0482]}, when: {%s}, fields: [%s]}\n", i, when, names[i])
		}
		p := load(t, e, ruled(b.String()))
		_, err := audit.NewMatrix(p, audit.NewAbout(p, e, 1, today), audit.Recipients(e, today)[:1])
		return err
	}
	conditions := []string{"fase: [1]", "fase: [2]", "fase: [3]"}
	for _, code := range []string{"nieuw-beschut", "banenafspraak", "wsw", "ggz", "beschermd-wonen", "verslavingszorg", "wmo-dagbesteding", "jeugdzorg", "vso"} {
		conditions = append(conditions, "doelgroep: ["+code+"]")
	}
	if err := of(conditions); err != nil {
		t.Errorf("some thousands: got %v, want a matrix", err)
	}
	if err := of(append(conditions, "trajectsoort: [stage]")); gateway.KindOf(err) != gateway.Invalid || !strings.Contains(gateway.SafeMessage(err), "more than 5000 combinations") {
		t.Errorf("twice as many: got %v, want a bound", err)
	}
}

// TestReplayGoesByTheRule: a denial by one rule says nothing of the cases in which
// another denied.
func TestReplayGoesByTheRule(t *testing.T) {
	e := env(t)
	const first = `rules:
  - {id: s, effect: show, kinds: [capacity], to: {gemeenten: [gm0482]}, fields: {exact: [title]}}
  - {id: n1, effect: never, to: {gemeenten: [gm0482]}, when: {trajectsoort: [stage]}, fields: [title]}
`
	const second = `  - {id: n2, effect: never, to: {gemeenten: [gm0482]}, when: {trajectsoort: [leerwerkplek]}, fields: [title]}
`
	was, draft := load(t, e, ruled(first+second)), load(t, e, ruled(first))
	for by, same := range map[string]int{"n1": 1, "n2": 0} {
		r, err := audit.NewReplay(draft, map[string]*policy.Policy{was.Version(): was},
			[]audit.Event{{Day: today, Recipient: alblasserdam, DeniedBy: by, Policy: was.Version()}}, today, today)
		if err != nil || r.Same != same || len(r.Changes) != 1-same || r.Unknown != 0 {
			t.Errorf("denied by %s: got %+v, %v; want %d the same", by, r, err, same)
		}
	}
}
