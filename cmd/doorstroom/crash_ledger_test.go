package main_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ledger is what the sender must have, by what it acknowledged: every offer
// with the version that its title says.
type ledger struct {
	acknowledged map[string]int
	inFlight     map[string]int // what it may have instead, if the call that was cut off took effect; nil: none was
}

// compare says what an own offer should have been, and takes over what is.
func (l *ledger) compare(own map[string]int) (lost []string) {
	if !maps.Equal(own, l.acknowledged) && (l.inFlight == nil || !maps.Equal(own, l.inFlight)) {
		for _, id := range slices.Sorted(maps.Keys(union(own, l.acknowledged, l.inFlight))) {
			if want := l.acknowledged[id]; own[id] != want && own[id] != l.inFlight[id] {
				lost = append(lost, fmt.Sprintf("offer %s: the sender has version %d and acknowledged %d (0 is none)", id, own[id], want))
			}
		}
		if lost == nil {
			lost = append(lost, "a publish that was cut off took effect in part")
		}
	}
	l.acknowledged, l.inFlight = own, nil
	return lost
}

func union(all ...map[string]int) map[string]int {
	u := map[string]int{}
	for _, m := range all {
		maps.Copy(u, m)
	}
	return u
}

// goneBack says which offer is older than it was seen before, and remembers
// what is seen now.
func goneBack(seen, now map[string]int) (problems []string) {
	for id, version := range now {
		if version < seen[id] {
			problems = append(problems, fmt.Sprintf("offer %s: the receiver has version %d and had %d", id, version, seen[id]))
		}
		seen[id] = max(version, seen[id])
	}
	return problems
}

// findings is what was wrong in a run.
type findings struct {
	messages             int // that took effect at the receiver
	lost, doubled, wrong []string
}

// audit holds the journals of both sides against each other: what the receiver
// confirmed it has, every message took effect once and in the order in which it
// was queued, nothing was refused, and every acknowledged publish was journaled.
func audit(sender, receiver []store.JournalRecord, acknowledged, attempted int) (f findings) {
	applied, confirmed, imports := map[string]int{}, map[string]int{}, 0
	var latest int64
	for _, r := range receiver {
		switch {
		case r.Kind == journal.KindReceived && r.Outcome == string(gateway.Received):
			applied[r.Message]++
			at := queuedAt(r.Message)
			if at < latest {
				f.wrong = append(f.wrong, fmt.Sprintf("message %s took effect after one that was queued later", r.Message))
			}
			latest = max(at, latest)
		case r.Kind == journal.KindRejected:
			f.wrong = append(f.wrong, fmt.Sprintf("the receiver refused message %s: %s", r.Message, r.Reason))
		}
	}
	for _, r := range sender {
		switch {
		case r.Kind == journal.KindImport:
			imports++
		case r.Kind == journal.KindDelivered:
			confirmed[r.Message]++
			if r.Outcome == string(gateway.Received) && applied[r.Message] == 0 {
				f.lost = append(f.lost, fmt.Sprintf("message %s was confirmed and never took effect", r.Message))
			}
		case r.Kind == journal.KindRefused:
			f.wrong = append(f.wrong, fmt.Sprintf("the sender was refused message %s: %s", r.Message, r.Reason))
		}
	}
	for id, n := range applied {
		if n > 1 {
			f.doubled = append(f.doubled, fmt.Sprintf("message %s took effect %d times", id, n))
		}
	}
	for id, n := range confirmed {
		if n > 1 {
			f.doubled = append(f.doubled, fmt.Sprintf("message %s was settled %d times", id, n))
		}
	}
	if imports < acknowledged {
		f.lost = append(f.lost, fmt.Sprintf("%d publishes were acknowledged and %d journaled", acknowledged, imports))
	}
	if imports > attempted {
		f.doubled = append(f.doubled, fmt.Sprintf("%d publishes were attempted and %d journaled", attempted, imports))
	}
	f.messages = len(applied)
	return f
}

// queuedAt is the time in a UUIDv7, which a message gets together with its
// sequence.
func queuedAt(id string) int64 {
	u, err := uuid.Parse(id)
	if err != nil {
		return -1
	}
	seconds, nanos := u.Time().UnixTime()
	return seconds*1e9 + nanos
}

// policies are what the load changes between. Only the first shows all offers
// with their contact; the last shows half of them.
func policies() []string {
	const rules = `policy: crash
party: "` + string(sends) + `"
description: wisselt tijdens de proef
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
rules:
  - id: aanbod
    description: aanbod
    effect: show
    kinds: [capacity]
    to: {roles: [gemeente]}
    fields: {exact: [title, werksoorten, contact]}
accept: []
`
	return []string{
		rules,
		strings.Replace(rules, ", contact]", "]", 1),
		strings.Replace(rules, "    fields:", "    when: {trajectsoort: [leerwerkplek]}\n    fields:", 1),
	}
}

const offers = 60

// load publishes changing offers and changes the policy, one call at a time.
type load struct {
	ledger
	rng                     *rand.Rand
	local                   *rest.LocalClient
	policyFile              string
	policy                  int // of policies, as it stands on disk
	version                 int // last given out
	attempted, acknowledged int // publishes
}

// run goes on until stop is closed or a call fails.
func (l *load) run(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		err := l.publish(ctx)
		if err == nil && l.rng.IntN(20) == 0 {
			l.policy = (l.policy + 1) % len(policies())
			if err = l.writePolicy(); err == nil {
				_, err = l.local.Reload(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (l *load) writePolicy() error { return replaceFile(l.policyFile, []byte(policies()[l.policy])) }

func (l *load) publish(ctx context.Context) error {
	imp, after := l.next()
	l.attempted++
	l.inFlight = after
	if _, err := l.local.Publish(ctx, imp, true); err != nil {
		return err
	}
	l.acknowledged++
	l.ledger = ledger{acknowledged: after}
	return nil
}

// next is an import and what it leaves: a few new versions, or an export of
// nearly all offers that withdraws the rest.
func (l *load) next() (gateway.Import, map[string]int) {
	imp, after := gateway.Import{Source: "crash"}, maps.Clone(l.ledger.acknowledged)
	if imp.Full = l.rng.IntN(8) == 0; imp.Full {
		after = map[string]int{}
	}
	changes := 1 + l.rng.IntN(8)
	for _, n := range l.rng.Perm(offers) {
		id := fmt.Sprintf("plek-%02d", n)
		version, exists := l.ledger.acknowledged[id]
		switch {
		case changes > 0:
			changes--
			l.version++
			version = l.version
		case !imp.Full || !exists || l.rng.IntN(6) == 0:
			continue
		}
		after[id] = version
		imp.Offers = append(imp.Offers, offer(id, version))
	}
	return imp, after
}

// offer is a version of an offer: its title says which, and so does the number
// of places that are taken.
func offer(id string, version int) gateway.Offer {
	o := gt.Occupy(gt.Offer(id), "dordrecht", version%6)
	o.Title = titlePrefix + strconv.Itoa(version)
	if half(id) {
		o.Trajectsoort = "leerwerkplek"
	}
	return o
}

// half tells which offers the last policy shows.
func half(id string) bool { return strings.IndexByte("02468", id[len(id)-1]) >= 0 }

const titlePrefix = "Versie "

func versionOf(t *testing.T, title string) int {
	t.Helper()
	digits, ok := strings.CutPrefix(title, titlePrefix)
	version, err := strconv.Atoi(digits)
	if !ok || err != nil {
		t.Errorf("an offer with a title that nobody published: %q", title)
	}
	return version
}

// expected is what the receiver must hold in the end: versions by offer, and
// whether they come with their contact.
func (l *load) expected() (versions map[string]int, contact bool) {
	versions = maps.Clone(l.ledger.acknowledged)
	if l.policy == 2 {
		maps.DeleteFunc(versions, func(id string, _ int) bool { return !half(id) })
	}
	return versions, l.policy != 1
}

// TestCrashNotices shows that every finding of TestCrash can come about.
func TestCrashNotices(t *testing.T) {
	first, second := "019a0000-0000-7000-8000-000000000001", "019a0000-0001-7000-8000-000000000002"
	entry := func(kind, message string, outcome gateway.Outcome) store.JournalRecord {
		return store.JournalRecord{Entry: journal.Entry{Kind: kind, Message: message, Outcome: string(outcome)}}
	}
	sound := func() (sender, receiver []store.JournalRecord) {
		sender = []store.JournalRecord{
			entry(journal.KindImport, "", ""), entry(journal.KindDelivered, first, gateway.Received),
			entry(journal.KindImport, "", ""), entry(journal.KindDelivered, second, gateway.Received),
		}
		receiver = []store.JournalRecord{
			entry(journal.KindReceived, first, gateway.Received), entry(journal.KindReceived, second, gateway.Received),
		}
		return sender, receiver
	}
	s, r := sound()
	if f := audit(s, r, 2, 3); f.messages != 2 || len(f.lost)+len(f.doubled)+len(f.wrong) != 0 {
		t.Errorf("a sound history: got %+v, want two messages and nothing found", f)
	}
	for name, test := range map[string]struct {
		tamper func(sender, receiver *[]store.JournalRecord)
		want   findings
	}{
		"an effect is missing": {
			func(_, r *[]store.JournalRecord) { *r = (*r)[:1] },
			findings{lost: []string{"message " + second + " was confirmed and never took effect"}},
		},
		"a publish is missing": {
			func(s, _ *[]store.JournalRecord) { *s = (*s)[1:] },
			findings{lost: []string{"2 publishes were acknowledged and 1 journaled"}},
		},
		"a publish too many": {
			func(s, _ *[]store.JournalRecord) { *s = append(*s, (*s)[0], (*s)[0]) },
			findings{doubled: []string{"3 publishes were attempted and 4 journaled"}},
		},
		"an effect came twice": {
			func(_, r *[]store.JournalRecord) { *r = append(*r, (*r)[1]) },
			findings{doubled: []string{"message " + second + " took effect 2 times"}},
		},
		"a message was settled twice": {
			func(s, _ *[]store.JournalRecord) { *s = append(*s, (*s)[3]) },
			findings{doubled: []string{"message " + second + " was settled 2 times"}},
		},
		"the order went back": {
			func(_, r *[]store.JournalRecord) { slices.Reverse(*r) },
			findings{wrong: []string{"message " + first + " took effect after one that was queued later"}},
		},
		"a message was refused": {
			func(s, r *[]store.JournalRecord) {
				(*s)[3].Kind, (*s)[3].Reason = journal.KindRefused, gateway.ReasonIDReused
				(*r)[1].Kind, (*r)[1].Reason = journal.KindRejected, gateway.ReasonIDReused
			},
			findings{wrong: []string{
				"the receiver refused message " + second + ": id-reused", "the sender was refused message " + second + ": id-reused",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := sound()
			test.tamper(&s, &r)
			got := audit(s, r, 2, 3)
			got.messages = 0
			if gt.Dump([][]string{got.lost, got.doubled, got.wrong}) != gt.Dump([][]string{test.want.lost, test.want.doubled, test.want.wrong}) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestLedgerNotices: a publish that was acknowledged and is not there, or was
// cut off and is there in part, is found; what is there counts from then on.
func TestLedgerNotices(t *testing.T) {
	for name, test := range map[string]struct {
		own  map[string]int
		lost int
	}{
		"as acknowledged":      {map[string]int{"a": 1, "b": 2}, 0},
		"as cut off":           {map[string]int{"a": 3, "c": 4}, 0},
		"cut off and in part":  {map[string]int{"a": 3, "b": 2}, 1},
		"an offer is missing":  {map[string]int{"a": 1}, 1},
		"an older version":     {map[string]int{"a": 1, "b": 1}, 1},
		"nothing is there":     {map[string]int{}, 1},
		"an offer of nobody":   {map[string]int{"a": 1, "b": 2, "d": 9}, 1},
		"a version of nobody":  {map[string]int{"a": 7, "b": 2}, 1},
		"withdrawn is present": {map[string]int{"a": 3, "b": 2, "c": 4}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger{acknowledged: map[string]int{"a": 1, "b": 2}, inFlight: map[string]int{"a": 3, "c": 4}}
			if got := l.compare(test.own); len(got) != test.lost {
				t.Errorf("got %q, want %d findings", got, test.lost)
			}
			if got := l.compare(test.own); len(got) != 0 {
				t.Errorf("the second time: got %q, want none", got)
			}
		})
	}
	seen := map[string]int{"a": 2, "b": 2}
	if got := goneBack(seen, map[string]int{"a": 1, "c": 3}); len(got) != 1 || seen["a"] != 2 || seen["c"] != 3 {
		t.Errorf("got %q and %v, want that a went back", got, seen)
	}
}
