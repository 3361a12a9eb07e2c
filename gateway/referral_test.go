package gateway_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the generated files")

// world is a referral between two nodes: the provider's authority, the referrer's
// knowledge, and what is under way between them. Messages are never taken off the
// way when they arrive, so they come in any order, twice, late, or not at all.
type world struct {
	provider    gateway.Referral
	incarnation uint64
	referrer    gateway.Follow
	requests    []gateway.ReferralRequest
	states      []sent
	ids         int
}

type sent struct {
	incarnation uint64
	state       gateway.Referral
}

func newWorld() world {
	f := gateway.Follow{Referral: gateway.Referral{ID: "r"}}
	f, q, err := f.Ask(gateway.ReferralRequest{Request: "refer", Act: gateway.ActRefer})
	if err != nil {
		panic(err)
	}
	return world{incarnation: 1, referrer: f, requests: []gateway.ReferralRequest{q}}
}

func (w *world) id() string { w.ids++; return fmt.Sprint("q", w.ids) }

// take gives a request to the provider, and sends what it says of it.
func (w *world) take(q gateway.ReferralRequest) {
	if w.provider.Number == 0 && q.Act != gateway.ActRefer && q.Act != gateway.ActRecover {
		return // unknown: the referrer's node recovers it
	}
	if q.Act == gateway.ActRecover {
		return
	}
	w.provider.ID = "r"
	w.provider = w.provider.Take(q, gateway.Step{At: time.Unix(0, 0)})
	w.say()
}

func (w *world) say() {
	w.states = append(slices.Clone(w.states), sent{w.incarnation, w.provider})
}

func (w *world) hear(s sent) {
	f, again := w.referrer.Hear(s.incarnation, s.state, fmt.Sprint("q", w.ids+1))
	w.referrer = f
	if again != nil {
		w.ids++
		w.requests = append(slices.Clone(w.requests), *again)
	}
}

// events are all that can happen next.
func (w world) events() []func(*world) {
	var all []func(*world)
	for _, q := range w.requests {
		all = append(all, func(w *world) { w.take(q) })
	}
	for _, s := range w.states {
		all = append(all, func(w *world) { w.hear(s) })
	}
	for _, act := range w.provider.Status.Acts(gateway.ProviderSide) {
		all = append(all, func(w *world) {
			if next, err := w.provider.Commit(step(gateway.ProviderSide, act)); err == nil {
				w.provider = next
				w.say()
			}
		})
	}
	for _, act := range w.referrer.Status.Acts(gateway.ReferrerSide) {
		if act == gateway.ActRefer || w.referrer.Open != nil {
			continue
		}
		all = append(all, func(w *world) {
			s := step(gateway.ReferrerSide, act)
			if f, q, err := w.referrer.Ask(gateway.ReferralRequest{Request: w.id(), Act: act, Reason: s.Reason}); err == nil {
				w.referrer = f
				w.requests = append(slices.Clone(w.requests), q)
			}
		})
	}
	return all
}

func step(by gateway.Side, act gateway.ReferralAct) gateway.Step {
	s := gateway.Step{By: by, Act: act, At: time.Unix(0, 0)}
	if act.Reasons() != "" {
		s.Reason = "overig"
	}
	if must, _ := act.Dated(); must {
		s.Date = "2026-11-02"
	}
	return s
}

// settle is what two nodes do when they reach each other again: the referrer
// gives what the provider's backup lacks, each sends what is open or stands, and
// that until nothing is new.
func (w *world) settle() {
	for range 10 {
		if w.referrer.Number > 0 && (w.incarnation > w.referrer.Incarnation || w.provider.Number == 0) {
			w.provider = w.provider.Recover(w.referrer.Referral)
			w.say()
		}
		if w.referrer.Open != nil {
			w.take(*w.referrer.Open)
		}
		if w.provider.Number > 0 {
			w.hear(sent{w.incarnation, w.provider})
		}
		if w.referrer.Open == nil && same(w.referrer.Referral, w.provider) {
			return
		}
	}
}

func same(a, b gateway.Referral) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// check is what must hold once all has settled.
func (w world) check() error {
	if !same(w.referrer.Referral, w.provider) || w.referrer.Open != nil {
		return fmt.Errorf("they disagree: referrer %q (%d, open: %v), provider %q (%d)",
			w.referrer.Status, w.referrer.Number, w.referrer.Open, w.provider.Status, w.provider.Number)
	}
	if owner := w.provider.Status.NextStep().Owner; (owner == "") != w.provider.Status.Final() {
		return fmt.Errorf("state %q: owner %q", w.provider.Status, owner)
	}
	return nil
}

// TestReferralConverges goes through every order of up to 8 events at two nodes,
// with loss, repetition and delay of every message, and settles after each.
func TestReferralConverges(t *testing.T) {
	depth := 8
	if testing.Short() {
		depth = 6
	}
	seen := map[string]bool{}
	worlds := []world{newWorld()}
	looked := 0
	for range depth {
		var next []world
		for _, w := range worlds {
			for _, event := range w.events() {
				x := w
				event(&x)
				key := fmt.Sprint(x.provider, x.referrer.Referral, x.referrer.Open, x.requests, x.states, x.referrer.Incarnation)
				if seen[key] {
					continue
				}
				seen[key] = true
				end := x
				end.settle()
				if err := end.check(); err != nil {
					t.Fatalf("after %s: %v", key, err)
				}
				looked++
				next = append(next, x)
			}
		}
		worlds = next
	}
	if looked < 1000 {
		t.Errorf("looked at %d worlds, want many", looked)
	}
	t.Logf("%d worlds", looked)
}

// TestReferralConvergesAfterRestores draws long stories in which either side goes
// back to a backup now and then.
func TestReferralConvergesAfterRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		provider, referrer := w.provider, w.referrer
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			switch rapid.IntRange(0, 19).Draw(t, "what") {
			case 0:
				provider = w.provider
			case 1:
				referrer = w.referrer
			case 2:
				w.provider = provider
				w.incarnation++
				w.settle()
			case 3:
				w.referrer = referrer
			default:
				if all := w.events(); len(all) > 0 {
					all[rapid.IntRange(0, len(all)-1).Draw(t, "event")](&w)
				}
			}
		}
		w.settle()
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestReferralTable holds the table to what it promises as a whole.
func TestReferralTable(t *testing.T) {
	reached := map[gateway.ReferralStatus]bool{}
	illegal := 0
	for _, s := range append(gateway.ReferralStatuses(), "") {
		step := s.NextStep()
		if s != "" && (step == (gateway.NextStep{})) != s.Final() {
			t.Errorf("%q: got next step %v, want one exactly if it is no end", s, step)
		}
		if s != "" && !s.Final() && len(s.Acts(step.Owner)) == 0 {
			t.Errorf("%q: its owner, the %s, can do nothing", s, step.Owner)
		}
		for _, a := range gateway.ReferralActs() {
			to, ok := s.Next(a)
			if ok {
				reached[to] = true
				if s.Final() {
					t.Errorf("%q is an end, but %s leads on to %q", s, a, to)
				}
				continue
			}
			for _, by := range a.By() {
				illegal++
				refused(t, s, by, a)
			}
		}
	}
	for _, s := range gateway.ReferralStatuses() {
		if !reached[s] {
			t.Errorf("nothing leads to %q", s)
		}
	}
	if illegal < 60 {
		t.Errorf("got %d transitions that are refused, want at least 60", illegal)
	}
}

// refused tries an act that the table does not have, on both sides.
func refused(t *testing.T, s gateway.ReferralStatus, by gateway.Side, a gateway.ReferralAct) {
	t.Helper()
	r := gateway.Referral{ID: "r", Status: s, Number: 3}
	try := step(by, a)
	try.Seen = 3
	next, err := r.Commit(try)
	if gateway.KindOf(err) != gateway.Conflict || !same(next, r) {
		t.Errorf("%s by the %s in %q: got %v and %v, want a conflict and nothing changed", a, by, s, next, err)
	}
	if by != gateway.ReferrerSide {
		return
	}
	answered := r.Take(gateway.ReferralRequest{Request: "q", Act: a, Seen: 3, Reason: try.Reason}, try)
	if answered.Status != s || answered.Answer.Result != gateway.NotDone || answered.Answer.Why != gateway.WhyNotNow {
		t.Errorf("request %s in %q: got %v, want that it is refused", a, s, answered)
	}
	f := gateway.Follow{Referral: r}
	if _, _, err := f.Ask(gateway.ReferralRequest{Request: "q", Act: a, Reason: try.Reason}); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("asking %s in %q: got %v, want a conflict", a, s, err)
	}
}

// TestStaleRequest says what becomes of a request that crosses another state.
func TestStaleRequest(t *testing.T) {
	w := newWorld()
	w.settle()
	w.provider, _ = w.provider.Commit(step(gateway.ProviderSide, gateway.ActAccept))
	w.hear(sent{1, w.provider})
	f, cancel, err := w.referrer.Ask(gateway.ReferralRequest{Request: "c", Act: gateway.ActCancel, Reason: "overig"})
	if err != nil {
		t.Fatal(err)
	}
	w.referrer = f
	w.provider, _ = w.provider.Commit(step(gateway.ProviderSide, gateway.ActAskHandover)) // crosses it
	w.provider = w.provider.Take(cancel, gateway.Step{At: time.Unix(0, 0)})
	if w.provider.Answer != (gateway.Answer{Request: "c", Result: gateway.Stale}) || w.provider.Status != gateway.HandoverAsked {
		t.Errorf("got %v, want that the request is stale", w.provider)
	}
	f, again := w.referrer.Hear(1, w.provider, "c2")
	if again == nil || again.Act != gateway.ActCancel || again.Seen != w.provider.Number || again.Reason != "overig" {
		t.Fatalf("got %v, want the cancellation asked again of the new state", again)
	}
	w.provider = w.provider.Take(*again, gateway.Step{At: time.Unix(0, 0)})
	twice := w.provider.Take(*again, gateway.Step{At: time.Unix(9, 0)})
	if w.provider.Status != gateway.CancelAsked || !same(twice, w.provider) {
		t.Errorf("got %v, then %v, want it committed once", w.provider, twice)
	}
	w.provider, _ = w.provider.Commit(step(gateway.ProviderSide, gateway.ActEnd)) // completed anyway
	if f, again = f.Hear(1, w.provider, "c3"); again != nil || f.Open != nil || f.Status != gateway.Ended {
		t.Errorf("got %v and %v, want the end and nothing open", f, again)
	}
}

// TestGeneratedReferralStates holds that docs/protocol.md has the states that the table
// has; -update writes them.
func TestGeneratedReferralStates(t *testing.T) {
	const path, begin, end = "../docs/protocol.md", "gateway/referral_table.go; a test compares them -->\n", "<!-- /states -->"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(doc), begin)
	had, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s does not say where the states are", path)
	}
	want := stateTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if had != want {
		t.Errorf("%s has other states than the code; run make generate", path)
	}
}

func stateTable() string {
	var b strings.Builder
	b.WriteString("\n| state | whose step, within | acts → next state |\n|---|---|---|\n")
	for _, s := range append([]gateway.ReferralStatus{""}, gateway.ReferralStatuses()...) {
		var acts []string
		for _, a := range gateway.ReferralActs() {
			to, ok := s.Next(a)
			if !ok {
				continue
			}
			name := string(a)
			if slices.Contains(a.By(), gateway.ReferrerSide) {
				name = "*" + name + "*"
			}
			acts = append(acts, fmt.Sprintf("%s → %s", name, to))
		}
		name, step := "`"+string(s)+"`", s.NextStep()
		whose := "–"
		switch {
		case s == "":
			name = "(none)"
		case step.OnDate:
			whose = fmt.Sprintf("%s, on the date of the state, else %s", step.Owner, inTime(step.Term))
		case !s.Final():
			whose = fmt.Sprintf("%s, %s", step.Owner, inTime(step.Term))
		}
		if len(acts) == 0 {
			acts = []string{"an end"}
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, whose, strings.Join(acts, "; "))
	}
	b.WriteString("\n")
	return b.String()
}

func inTime(t gateway.Term) string {
	if t.Weeks > 0 {
		return fmt.Sprintf("%d weeks", t.Weeks)
	}
	return fmt.Sprintf("%d working days", t.WorkingDays)
}
