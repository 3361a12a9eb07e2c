package store_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// queueModel is what the queue of one peer must be, in plain maps.
type queueModel struct {
	sequence uint64
	live     map[uint64]*modelEntry
	subjects map[string]*modelSubject
	next     time.Time
	failures int
}

type modelEntry struct {
	subject  string
	hash     string
	withdraw bool
	state    gateway.DeliveryState
	attempts int
	expires  time.Time
}

type modelSubject struct {
	last      uint64
	end       gateway.DeliveryState // of last; "" while it is under way
	withdraw  bool
	exposed   bool
	delivered uint64
}

func newQueueModel() *queueModel {
	return &queueModel{live: map[uint64]*modelEntry{}, subjects: map[string]*modelSubject{}}
}

func (m *queueModel) sequences(states ...gateway.DeliveryState) []uint64 {
	var all []uint64
	for sequence, e := range m.live {
		if slices.Contains(states, e.state) {
			all = append(all, sequence)
		}
	}
	slices.Sort(all)
	return all
}

func (m *queueModel) publish(subject, hash string, withdraw bool, now time.Time) {
	sub := m.subjects[subject]
	if sub == nil {
		sub = &modelSubject{}
		m.subjects[subject] = sub
	}
	for sequence, e := range m.live {
		if e.subject == subject {
			m.end(sequence, gateway.Overtaken, "")
		}
	}
	if withdraw && !sub.exposed && sub.delivered == 0 { // the recipient cannot know of it
		delete(m.subjects, subject)
		return
	}
	m.subjects[subject] = sub
	m.sequence++
	m.live[m.sequence] = &modelEntry{
		subject: subject, hash: hash, withdraw: withdraw, state: gateway.Queued,
		expires: now.Truncate(time.Second).Add(gateway.Lifetime),
	}
	sub.last, sub.end, sub.withdraw = m.sequence, "", withdraw
}

// end takes an entry away and forgets its subject if nothing is to be known.
func (m *queueModel) end(sequence uint64, state gateway.DeliveryState, outcome gateway.Outcome) {
	e := m.live[sequence]
	delete(m.live, sequence)
	sub := m.subjects[e.subject]
	if sequence == sub.last {
		sub.end = state
	}
	if e.attempts > 0 && !e.withdraw {
		sub.exposed = true
	}
	if outcome == gateway.Received {
		sub.delivered, sub.exposed = sequence, true
		if e.withdraw {
			sub.delivered, sub.exposed = 0, false
		}
	}
	unseen := !sub.exposed && sub.delivered == 0
	if (sub.end == gateway.Delivered && sub.withdraw) || (sub.end == gateway.Withdrawn && unseen) {
		delete(m.subjects, e.subject)
	}
}

// back is an attempt that came to nothing.
func (m *queueModel) back(sequence uint64, state gateway.DeliveryState) {
	e := m.live[sequence]
	if e == nil {
		return
	}
	e.state = state
}

// shown writes down what Shown must say.
func (m *queueModel) shown() (lines []string) {
	for subject, sub := range m.subjects {
		state, exposed := sub.end, sub.exposed
		for sequence, e := range m.live {
			if e.subject == subject && sequence == sub.last {
				state = e.state
			}
			if e.subject == subject && e.attempts > 0 && !e.withdraw {
				exposed = true
			}
		}
		lines = append(lines, fmt.Sprintf("%s %d %s exposed %t withdrawal %t", subject, sub.last, state, exposed, sub.withdraw))
	}
	slices.Sort(lines)
	return lines
}

// TestQueueFollowsTheModel does what exchange and desk do, in any order, and
// compares with the model after every step, now and then from disk.
func TestQueueFollowsTheModel(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	subjects := []string{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(t *rapid.T) {
		runs++
		s := &testStore{path: fmt.Sprintf("%s/%d.db", dir, runs), opt: store.Options{NoSync: true}}
		s.reopen(t)
		defer func() { _ = s.Close(); _ = os.Remove(s.path) }()
		m, other, now := newQueueModel(), newQueueModel(), start() // the other party's queue only grows and expires
		pick := func(t *rapid.T, states ...gateway.DeliveryState) []uint64 {
			return slices.DeleteFunc(m.sequences(states...), func(uint64) bool { return rapid.Bool().Draw(t, "leave out") })
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { compareQueue(t, s, m, now) },
			"publish": func(t *rapid.T) {
				var p store.Publication
				for range rapid.IntRange(1, 8).Draw(t, "sends") {
					send := capacity(peerA, rapid.SampledFrom(subjects).Draw(t, "offer"), rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "title"))
					if rapid.Bool().Draw(t, "for two") {
						send.Recipients = append(send.Recipients, peerB)
						other.publish(send.Subject, send.Hash, send.Withdrawal, now)
					}
					p.Sends = append(p.Sends, send)
					m.publish(send.Subject, send.Hash, send.Withdrawal, now)
				}
				must(t, s.Publish(ctx, now, p))
			},
			"publish in order": func(t *rapid.T) {
				var p store.Publication
				for _, offer := range subjects {
					if rapid.Bool().Draw(t, "leave out") {
						continue
					}
					send := capacity(peerA, offer, rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "title"))
					send.Recipients = []gateway.OIN{peerB, peerA}
					p.Sends = append(p.Sends, send)
					other.publish(send.Subject, send.Hash, send.Withdrawal, now)
					m.publish(send.Subject, send.Hash, send.Withdrawal, now)
				}
				must(t, s.Publish(ctx, now, p))
			},
			"attempt": func(t *rapid.T) {
				all := pick(t, gateway.Queued, gateway.Attempting)
				for _, sequence := range all {
					m.live[sequence].state = gateway.Attempting
					m.live[sequence].attempts++
				}
				m.next = now.Add(time.Minute)
				must(t, s.BeginAttempt(ctx, now, peerA, all, m.next))
			},
			"fail": func(t *rapid.T) {
				all := pick(t, gateway.Attempting)
				for _, sequence := range all {
					m.back(sequence, gateway.Queued)
				}
				m.next, m.failures = now.Add(time.Second), m.failures+1
				must(t, s.AttemptFailed(ctx, now, peerA, append(all, 9999), "timeout", m.next))
			},
			"settle": func(t *rapid.T) {
				var all []store.Settlement
				for _, sequence := range pick(t, gateway.Attempting) {
					outcome := rapid.SampledFrom([]gateway.Outcome{
						gateway.Received, gateway.Superseded, gateway.Refused, gateway.RetryLater, gateway.Unsupported,
					}).Draw(t, "outcome")
					all = append(all, settlement(peerA, sequence, outcome))
					switch outcome {
					case gateway.Received, gateway.Superseded:
						m.end(sequence, gateway.Delivered, outcome)
					case gateway.Refused:
						m.end(sequence, gateway.RefusedBy, outcome)
					case gateway.RetryLater:
						m.back(sequence, gateway.Queued)
					case gateway.Unsupported:
						m.back(sequence, gateway.Held)
					}
				}
				m.next, m.failures = time.Time{}, 0
				must(t, s.Settle(ctx, now, peerA, all, "head", time.Time{}, nil))
			},
			"release": func(t *rapid.T) {
				held := m.sequences(gateway.Held)
				for _, sequence := range held {
					m.back(sequence, gateway.Queued)
				}
				if len(held) > 0 {
					m.next = time.Time{}
				}
				if got := get(s.ReleaseHeld(ctx, now, peerA))(t); got != len(held) {
					t.Fatalf("released: got %d, want %d", got, len(held))
				}
			},
			"time passes": func(t *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, gateway.Lifetime / 2}).Draw(t, "time"))
				n := 0
				for _, m := range []*queueModel{m, other} {
					for sequence, e := range maps.Clone(m.live) {
						if !now.Before(e.expires) {
							m.end(sequence, gateway.Unconfirmed, "")
							n++
						}
					}
				}
				if got := get(s.Expire(ctx, now))(t); got != n {
					t.Fatalf("expired: got %d, want %d", got, n)
				}
			},
			"contact": func(t *rapid.T) {
				if m.failures > 0 {
					m.next, m.failures = time.Time{}, 0
				}
				must(t, s.Contact(ctx, now, peerA))
			},
			"reopen": func(t *rapid.T) { s.reopen(t) },
		})
	})
}

func compareQueue(t *rapid.T, s *testStore, m *queueModel, now time.Time) {
	s.sound(t)
	want, out := m.sequences(gateway.Queued, gateway.Attempting), due(t, s, now, peerA)
	if got := sequences(out); !slices.Equal(got, want) {
		t.Fatalf("due: got %v, want %v", got, want)
	}
	for _, o := range out {
		e := m.live[o.Sequence]
		if o.State != e.state || o.Attempts != e.attempts || gateway.Hash(o.Data) != e.hash || o.Withdrawal != e.withdraw || !o.Expires.Equal(e.expires) {
			t.Fatalf("message %d: got %+v, want %+v", o.Sequence, o, e)
		}
	}
	status := get(s.Peer(ctx, peerA))(t)
	queued, held := len(m.sequences(gateway.Queued, gateway.Attempting)), len(m.sequences(gateway.Held))
	if status.Queued != queued || status.Held != held || status.Failures != m.failures || !status.NextAttempt.Equal(m.next) {
		t.Fatalf("peer: got %+v, want %d queued, %d held, %d failures, next %v", status, queued, held, m.failures, m.next)
	}
	var shown []string
	for _, one := range get(s.Shown(ctx, peerA))(t) {
		shown = append(shown, fmt.Sprintf("%s %d %s exposed %t withdrawal %t", one.Subject, one.Sequence, one.State, one.Exposed, one.Withdrawal))
	}
	if want := m.shown(); !slices.Equal(shown, want) {
		t.Fatalf("shown: got %q, want %q", shown, want)
	}
	compareLast(t, s)
	delivered := 0
	for _, sub := range m.subjects {
		if sub.delivered > 0 {
			delivered++
		}
	}
	if d, settled, err := s.ShownDigest(ctx, peerA); err != nil || d.Count != delivered || settled != (queued == 0) {
		t.Fatalf("digest: got %d, %t and %v, want %d", d.Count, settled, err, delivered)
	}
}

// compareLast holds Last, read in two ways, to Shown.
func compareLast(t *rapid.T, s *testStore) {
	shown, subjects := get(s.Shown(ctx, peerA))(t), []string{"0"}
	for _, one := range shown {
		subjects = append(subjects, one.Subject, one.Subject+"-")
	}
	last := get(s.Last(ctx, []gateway.OIN{peerA}, subjects))(t)[0]
	if len(shown) == 0 && last != nil {
		t.Fatalf("last: got %v, want nothing", last)
	}
	last = slices.DeleteFunc(slices.Clone(last), func(l store.Last) bool { return l.Subject == "" })
	var after []store.Last
	for page := get(s.LastAfter(ctx, peerA, "", 2))(t); len(page) > 0; page = get(s.LastAfter(ctx, peerA, page[len(page)-1].Subject, 2))(t) {
		after = append(after, page...)
	}
	if !slices.Equal(last, after) || len(last) != len(shown) {
		t.Fatalf("last: got %v, after: got %v, want %v", last, after, shown)
	}
	for i, one := range shown {
		state := one.State
		if !state.Final() || state == gateway.Delivered && !one.Withdrawal {
			state = ""
		}
		if l := last[i]; l.Subject != one.Subject || fmt.Sprintf("%x", l.Hash) != one.Hash || l.Withdrawal != one.Withdrawal || l.State != state {
			t.Fatalf("last: got %+v, want %+v", l, one)
		}
	}
}
