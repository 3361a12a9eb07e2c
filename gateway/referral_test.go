package gateway_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

var update = flag.Bool("update", false, "write the generated files")

// world is a referral between two nodes: the provider's authority, the referrer's
// knowledge, and what is under way between them. Messages are never taken off the
// way when they arrive, so they come in any order, twice, late, or not at all.
type world struct {
	provider provider
	life     gateway.Life
	referrer referrer
	requests []request
	states   []sent
	ids      int

	restores     int // that may still come, of either side
	mayAlone     bool
	providers    []provider // all that the provider was, and can be put back to
	referrers    []referrer
	lostProvider bool // was ever put back
	lostReferrer bool
	alone        bool // the provider went on after a restore without hearing of its referrer
	undone       bool // and said afterwards that the referrer knew more
	wrong        error
}

type provider struct {
	gateway.Provided
	line string // all states up to this one
}

type referrer struct {
	gateway.Follow
	heard      uint64 // the incarnation of the provider that it knows of, by its hello or because it gave back to it
	recovering string // the request with which it gave back what it knows
	line       string
}

type request struct {
	gateway.ReferralRequest
	gave sent // with recover
}

type sent struct {
	incarnation uint64
	state       gateway.Referral
	line        string
}

func newWorld() world {
	f := gateway.Follow{Referral: gateway.Referral{ID: "r"}, Incarnation: 1}
	f, q, err := f.Ask(gateway.ReferralRequest{Request: "refer", Act: gateway.ActRefer})
	if err != nil {
		panic(err)
	}
	r := referrer{Follow: f, heard: 1}
	return world{
		life: gateway.Life{Incarnation: 1}, referrer: r, requests: []request{{ReferralRequest: q}},
		referrers: []referrer{r}, providers: []provider{{}},
	}
}

func (w *world) id() string { w.ids++; return fmt.Sprint("q", w.ids) }

// now is a moment at which a provider that was restored waits, unless the world
// has let that time pass.
func (w *world) now() time.Time {
	if w.alone {
		return w.life.Until()
	}
	return w.life.Restored.Add(time.Hour)
}

// take gives a request to the provider, and sends what it says of it: as
// store.takeRequest.
func (w *world) take(q request) {
	p, early := w.provider, !w.life.Restored.IsZero() && q.Incarnation != w.life.Incarnation
	unknown, ok, undone := p.Number == 0, false, gateway.ReferralStatus("")
	switch {
	case early && (q.Act == gateway.ActRecover || q.Act == gateway.ActRefer && unknown):
		return // it comes again
	case q.Act == gateway.ActRecover && p.Answer.Request == q.Request:
		return
	case q.Act == gateway.ActRecover:
		p.Provided, undone = p.TakeBack(q.ReferralRequest, &q.gave.state, q.gave.incarnation, w.life)
		if w.undone = w.undone || undone != ""; undone == "" && gateway.Point.After(gateway.Point{Incarnation: q.gave.incarnation, Number: q.gave.state.Number}, gateway.Point{Incarnation: w.provider.Incarnation, Number: w.provider.Number}) {
			p.line = q.gave.line
		}
	case unknown && q.Act != gateway.ActRefer:
		return // the referrer's node recovers it
	default:
		p.ID = "r"
		if unknown {
			p.Incarnation, q.Incarnation = w.life.Incarnation, 0
		}
		if p.Provided, ok = p.Take(q.ReferralRequest, w.life, gateway.Step{At: w.now()}); !ok {
			return
		}
	}
	w.say(p)
}

// say is what the provider has come to.
func (w *world) say(p provider) {
	if p.Number != w.provider.Number || p.Status != w.provider.Status {
		p.line += fmt.Sprintf(" %d.%d", w.life.Incarnation, p.Number)
	}
	w.provider = p
	w.states = append(slices.Clone(w.states), sent{w.life.Incarnation, p.Referral, p.line})
	w.providers = append(slices.Clone(w.providers), p)
}

// hear is what the referrer makes of a state: as store.hear.
func (w *world) hear(s sent) {
	r := &w.referrer
	switch {
	case s.incarnation < r.heard:
		return
	case r.recovering == "" && r.Restored(s.incarnation):
		w.giveBack(s.incarnation)
		return
	case r.recovering != "" && r.recovering != s.state.Answer.Request && r.Restored(s.incarnation), !r.Later(s.incarnation, s.state):
		return
	}
	if !strings.HasPrefix(s.line, r.line) && !w.undone && !(w.lostProvider && w.lostReferrer) {
		w.wrong = fmt.Errorf("the referrer knew%s and is told%s", r.line, s.line)
	}
	open, recovering := r.Open, r.recovering
	f, again := r.Hear(s.incarnation, s.state, fmt.Sprint("q", w.ids+1))
	r.Follow, r.recovering, r.line = f, "", s.line
	switch {
	case again != nil:
		w.ids++
		w.request(*again)
	case recovering != "" && f.Open != nil:
		w.reopen(f.Open)
	case open != nil && f.Open == nil && s.state.Answer.Request == open.Request && s.state.Answer.Result == gateway.Stale:
		w.reopen(open)
	}
	w.referrers = append(slices.Clone(w.referrers), *r)
}

func (w *world) reopen(open *gateway.ReferralRequest) {
	w.referrer.Open = nil
	if f, q, err := w.referrer.Ask(gateway.ReferralRequest{Request: w.id(), Act: open.Act, Reason: open.Reason}); err == nil {
		w.referrer.Follow = f
		w.request(q)
	}
}

func (w *world) request(q gateway.ReferralRequest) {
	w.requests = append(slices.Clone(w.requests), request{ReferralRequest: q})
}

func (w *world) giveBack(incarnation uint64) {
	r := &w.referrer
	r.recovering, r.heard = w.id(), max(r.heard, incarnation)
	w.requests = append(slices.Clone(w.requests), request{gateway.ReferralRequest{
		Referral: "r", Request: r.recovering, Act: gateway.ActRecover, Seen: r.Number, Incarnation: incarnation, State: "signed",
	}, sent{r.Incarnation, r.Referral, r.line}})
}

// learn is what the referrer does when the provider says hello: as
// store.ReconcileReferrals.
func (w *world) learn() {
	r := &w.referrer
	r.heard = w.life.Incarnation
	switch {
	case r.Restored(r.heard):
		w.giveBack(r.heard)
	case r.Open != nil && r.Incarnation < r.heard:
		open := *r.Open
		r.Incarnation, open.Incarnation = r.heard, r.heard
		r.Open = &open
		w.request(open)
	}
}

// given is that the referrer says, with its hello, that it has nothing more to give
// back.
func (w *world) given() {
	if r := w.referrer; w.provider.Number > 0 && r.heard == w.life.Incarnation && !(r.Number > 0 && r.Status != "" && r.Incarnation < r.heard) {
		w.provider.Provided = w.provider.GoOn(w.life)
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
	if !w.provider.Awaits(w.life, w.now()) {
		for _, act := range w.provider.Status.Acts(gateway.ProviderSide) {
			all = append(all, func(w *world) { w.commit(act) })
		}
	}
	for _, act := range w.referrer.Status.Acts(gateway.ReferrerSide) {
		if act != gateway.ActRefer && w.referrer.Open == nil {
			all = append(all, func(w *world) { w.ask(act) })
		}
	}
	if w.referrer.heard < w.life.Incarnation {
		all = append(all, (*world).learn)
	} else if w.provider.Number > 0 && w.provider.Doubtful(w.life) {
		all = append(all, (*world).given)
	}
	if w.mayAlone && w.provider.Awaits(w.life, w.now()) {
		all = append(all, func(w *world) { w.alone = true })
	}
	if w.restores > 0 {
		all = append(all, w.putBack()...)
	}
	return all
}

func (w *world) commit(act gateway.ReferralAct) {
	p := w.provider
	p.Provided = p.GoOn(w.life)
	if next, err := p.Commit(step(gateway.ProviderSide, act)); err == nil {
		p.Referral = next
		w.say(p)
	}
}

func (w *world) ask(act gateway.ReferralAct) {
	f, q, err := w.referrer.Ask(gateway.ReferralRequest{Request: w.id(), Act: act, Reason: step(gateway.ReferrerSide, act).Reason})
	if err != nil {
		return
	}
	w.referrer.Follow = f
	w.referrers = append(slices.Clone(w.referrers), w.referrer)
	if w.referrer.recovering == "" { // else it waits for what comes of that
		w.request(q)
	}
}

// putBack are the restores of either side, to anything that it was before.
func (w world) putBack() (all []func(*world)) {
	for _, p := range w.providers {
		all = append(all, func(w *world) {
			w.restores--
			w.provider, w.alone, w.lostProvider = p, false, true
			w.life = gateway.Life{Incarnation: w.life.Incarnation + 1, Restored: time.Unix(1000, 0)}
		})
	}
	for _, r := range w.referrers {
		all = append(all, func(w *world) {
			w.restores--
			w.referrer, w.lostReferrer = r, true
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

// settle is what two nodes do when they reach each other again: they say hello,
// and send what is open or stands, until nothing is new.
func (w *world) settle() {
	for range 10 {
		if w.referrer.heard < w.life.Incarnation {
			w.learn()
		}
		if w.provider.Number == 0 && w.referrer.Number > 0 && w.referrer.recovering == "" { // it says that it knows nothing
			w.giveBack(w.life.Incarnation)
		}
		for _, q := range slices.Clone(w.requests) {
			if q.Request == w.referrer.recovering || w.referrer.recovering == "" && w.referrer.Open != nil && q.Request == w.referrer.Open.Request && q.Incarnation == w.referrer.Open.Incarnation {
				w.take(q)
			}
		}
		if w.provider.Number > 0 {
			w.hear(sent{w.life.Incarnation, w.provider.Referral, w.provider.line})
		}
		w.given()
		if w.referrer.Open == nil && same(w.referrer.Referral, w.provider.Referral) && !(w.provider.Number > 0 && w.provider.Doubtful(w.life)) {
			return
		}
	}
}

func same(a, b gateway.Referral) bool {
	a.Since, b.Since = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

// check is what must hold once all has settled.
func (w world) check() error {
	r, p := w.referrer, w.provider
	switch owner := p.Status.NextStep().Owner; {
	case w.wrong != nil:
		return w.wrong
	case !same(r.Referral, p.Referral) || r.Open != nil || r.recovering != "":
		return fmt.Errorf("they disagree: referrer %q (%d, open: %v, recovering: %s), provider %q (%d)", r.Status, r.Number, r.Open, r.recovering, p.Status, p.Number)
	case p.Number > 0 && p.Doubtful(w.life):
		return errors.New("the provider still waits")
	case (owner == "") != p.Status.Final():
		return fmt.Errorf("state %q: owner %q", p.Status, owner)
	case w.undone && !w.mayAlone && !w.lostReferrer:
		return errors.New("what the referrer knew was undone although the provider had waited")
	}
	return nil
}

// text is all that makes a world another.
func (w world) text() []byte {
	b := make([]byte, 0, 1024)
	add := func(numbers ...uint64) {
		for _, n := range numbers {
			b = append(strconv.AppendUint(b, n, 10), ',')
		}
	}
	say := func(r gateway.Referral) {
		b = append(append(append(append(b, r.Status...), r.Answer.Request...), r.Answer.Result...), r.Answer.Why...)
		add(r.Number)
	}
	say(w.provider.Referral)
	b = append(b, w.provider.line...)
	add(w.provider.Incarnation, w.provider.Base.Incarnation, w.provider.Base.Number, w.life.Incarnation)
	say(w.referrer.Referral)
	b = append(append(b, w.referrer.line...), w.referrer.recovering...)
	add(w.referrer.Incarnation, w.referrer.heard)
	if open := w.referrer.Open; open != nil {
		b = append(append(b, open.Request...), open.Act...)
		add(open.Seen, open.Incarnation)
	}
	for _, q := range w.requests {
		b = append(append(b, q.Request...), q.Act...)
		add(q.Seen, q.Incarnation, q.gave.incarnation, q.gave.state.Number)
	}
	for _, s := range w.states {
		say(s.state)
		b = append(b, s.line...)
		add(s.incarnation)
	}
	return fmt.Append(b, w.restores, w.alone, w.undone, w.lostProvider, w.lostReferrer)
}

// explore goes through every order of some events from a world on, settles after
// each, and gives how many worlds there were.
func explore(t *testing.T, start world, depth int) (looked int) {
	t.Helper()
	seen := map[[sha256.Size]byte]bool{}
	worlds := []world{start}
	for range depth {
		var next []world
		for _, w := range worlds {
			for _, event := range w.events() {
				x := w
				event(&x)
				key := sha256.Sum256(x.text())
				if seen[key] {
					continue
				}
				seen[key] = true
				end := x
				end.settle()
				if err := end.check(); err != nil {
					t.Fatalf("after %s: %v", x.text(), err)
				}
				looked++
				next = append(next, x)
			}
		}
		worlds = next
	}
	return looked
}

// TestReferralConverges goes through every order of up to 8 events at two nodes,
// with loss, repetition and delay of every message.
func TestReferralConverges(t *testing.T) {
	depth := 8
	if testing.Short() {
		depth = 6
	}
	if looked := explore(t, newWorld(), depth); looked < 1000 {
		t.Errorf("looked at %d worlds, want many", looked)
	} else {
		t.Logf("%d worlds", looked)
	}
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
	answered := r.Take(gateway.ReferralRequest{Request: "q", Act: a, Seen: 3, Reason: try.Reason}, 1, try)
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
	w.provider.Referral, _ = w.provider.Commit(step(gateway.ProviderSide, gateway.ActAccept))
	w.hear(sent{1, w.provider.Referral, "later"})
	f, cancel, err := w.referrer.Ask(gateway.ReferralRequest{Request: "c", Act: gateway.ActCancel, Reason: "overig"})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := w.provider.Commit(step(gateway.ProviderSide, gateway.ActAskHandover)) // crosses it
	p = p.Take(cancel, 1, gateway.Step{At: time.Unix(0, 0)})
	if p.Answer != (gateway.Answer{Request: "c", Result: gateway.Stale}) || p.Status != gateway.HandoverAsked {
		t.Errorf("got %v, want that the request is stale", p)
	}
	f, again := f.Hear(1, p, "c2")
	if again == nil || again.Act != gateway.ActCancel || again.Seen != p.Number || again.Reason != "overig" {
		t.Fatalf("got %v, want the cancellation asked again of the new state", again)
	}
	p = p.Take(*again, 1, gateway.Step{At: time.Unix(0, 0)})
	twice := p.Take(*again, 1, gateway.Step{At: time.Unix(9, 0)})
	if p.Status != gateway.CancelAsked || !same(twice, p) {
		t.Errorf("got %v, then %v, want it committed once", p, twice)
	}
	p, _ = p.Commit(step(gateway.ProviderSide, gateway.ActEnd)) // completed anyway
	if f, again = f.Hear(1, p, "c3"); again != nil || f.Open != nil || f.Status != gateway.Ended {
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
