package store_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// inboxModel is what a recipient must hold: the latest message of each subject
// by (incarnation, sequence), whatever the order of arrival.
type inboxModel struct {
	answered map[string]string // id → digest and outcome of the first time
	latest   map[string]modelSnapshot
	state    place
	listed   []string
	entries  int
}

type place struct{ incarnation, sequence uint64 }

type modelSnapshot struct {
	at    place
	title string // "" is gone
}

func (p place) after(q place) bool {
	return p.incarnation > q.incarnation || (p.incarnation == q.incarnation && p.sequence > q.sequence)
}

func (m *inboxModel) accept(in store.Inbound, title string, stated *bool) string {
	at := place{in.Message.Incarnation, in.Message.Sequence}
	if first, ok := m.answered[in.Message.ID]; ok {
		digest, outcome, _ := strings.Cut(first, " ")
		if digest != in.Digest {
			return "refused/id-reused"
		}
		return outcome
	}
	outcome := m.order(in, title, at, stated)
	if outcome == full && in.Outcome == gateway.Received {
		return outcome
	}
	if !strings.HasPrefix(outcome, "retry-later") {
		m.answered[in.Message.ID] = in.Digest + " " + outcome
	}
	m.entries++
	return outcome
}

func (m *inboxModel) order(in store.Inbound, title string, at place, stated *bool) string {
	superseded := func(by place) string {
		if at.incarnation < by.incarnation {
			return "superseded/incarnation"
		}
		return "superseded/older"
	}
	if in.Outcome != gateway.Received {
		return string(in.Outcome) + "/" + string(in.Reason)
	}
	if in.Message.Kind == gateway.KindCapacityState {
		if !at.after(m.state) {
			return superseded(m.state)
		}
		if *stated {
			return full
		}
		*stated = true
		for subject, held := range m.latest {
			if held.title != "" && at.after(held.at) && !slices.Contains(in.Effect.State, subject) {
				m.latest[subject] = modelSnapshot{at: at}
			}
		}
		m.state, m.listed = at, in.Effect.State
		return "received"
	}
	subject := in.Effect.Subject
	if held, ok := m.latest[subject]; ok && !at.after(held.at) {
		return superseded(held.at)
	}
	if m.state.after(at) && !slices.Contains(m.listed, subject) {
		return superseded(m.state)
	}
	m.latest[subject] = modelSnapshot{at: at, title: title}
	return "received"
}

func (m *inboxModel) offers() string {
	var all []string
	for _, subject := range slices.Sorted(maps.Keys(m.latest)) {
		if held := m.latest[subject]; held.title != "" {
			all = append(all, fmt.Sprintf("%s=%s@%d", subject, held.title, held.at.sequence))
		}
	}
	return strings.Join(all, " ")
}

// TestInboxFollowsTheModel sends messages out of order, twice, under ids of
// others and across restarts, in batches.
func TestInboxFollowsTheModel(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		s := &testStore{path: fmt.Sprintf("%s/%d.db", dir, runs), opt: store.Options{NoSync: true}}
		s.reopen(t)
		defer func() { _ = s.Close(); _ = os.Remove(s.path) }()
		m := &inboxModel{answered: map[string]string{}, latest: map[string]modelSnapshot{}}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				var all []string
				for _, o := range get(s.ReceivedOffers(ctx))(t) {
					all = append(all, fmt.Sprintf("%s=%s@%d", o.Subject, o.Capacity.Title, o.Sequence))
				}
				if got, want := strings.Join(all, " "), m.offers(); got != want {
					t.Fatalf("offers: got %s, want %s", got, want)
				}
				if got := get(s.JournalSize(ctx))(t); got != uint64(m.entries) {
					t.Fatalf("journal: got %d entries, want %d", got, m.entries)
				}
			},
			"accept": func(t *rapid.T) {
				var batch []store.Inbound
				var want []string
				stated := false // one list in a batch takes effect
				for range rapid.IntRange(1, 5).Draw(t, "messages") {
					in, title := drawInbound(t)
					batch = append(batch, in)
					want = append(want, m.accept(in, title, &stated))
				}
				items := get(s.Accept(ctx, start(), self, peerA, batch))(t)
				if got := outcomes(items); got != strings.Join(want, " ") {
					t.Fatalf("outcomes: got %s, want %s", got, want)
				}
			},
			"reopen": func(t *rapid.T) {
				s.reopen(t)
				s.sound(t)
			},
		})
		s.sound(t)
	})
}

func drawInbound(t *rapid.T) (in store.Inbound, title string) {
	sequence := rapid.Uint64Range(1, 12).Draw(t, "sequence")
	title = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "title")
	subjects := []string{"a", "b", "c"}
	in = inbound(peerA, rapid.SampledFrom(subjects).Draw(t, "subject"), sequence, title)
	in.Message.ID = fmt.Sprintf("%s %d", in.Message.ID, rapid.IntRange(1, 3).Draw(t, "id"))
	in.Message.Incarnation = rapid.SampledFrom([]uint64{1, 1, 1, 2}).Draw(t, "incarnation")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		in.Message.Kind = gateway.KindCapacityState
		in.Effect = store.Effect{State: append([]string{}, rapid.SliceOfDistinct(rapid.SampledFrom(subjects), rapid.ID).Draw(t, "list")...)}
	case 1:
		in.Outcome, in.Reason = gateway.Refused, gateway.ReasonPolicy
	case 2:
		in.Outcome, in.Reason = gateway.RetryLater, gateway.ReasonOverload
	}
	in.Digest = gateway.Hash(fmt.Append(nil, in.Message.Kind, in.Message.Encode(), in.Effect))
	return in, title
}
