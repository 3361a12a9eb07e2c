package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func begin(t *testing.T, s *testStore, peer gateway.OIN, sequences ...uint64) {
	t.Helper()
	must(t, s.BeginAttempt(ctx, start(), peer, sequences, start()))
}

func settle(t *testing.T, s *testStore, peer gateway.OIN, all ...store.Settlement) {
	t.Helper()
	must(t, s.Settle(ctx, start(), peer, all, "head", time.Time{}, nil))
}

func shownOf(t *testing.T, s *testStore, peer gateway.OIN, subject string) (store.Shown, bool) {
	t.Helper()
	all := get(s.Shown(ctx, peer))(t)
	i := slices.IndexFunc(all, func(one store.Shown) bool { return one.Subject == subject })
	if i < 0 {
		return store.Shown{}, false
	}
	return all[i], true
}

// Messages of one publication keep each its own terms, however few they differ in,
// and however many there are.
func TestTermsOfOnePublication(t *testing.T) {
	s := open(t, store.Options{})
	var p store.Publication
	for i := range 24 {
		one := capacity(peerA, fmt.Sprintf("o%02d", i), "a")
		switch i % 8 {
		case 1:
			one.Principal = peerB
		case 2:
			one.Basis.Policy = "p2"
		case 3:
			one.Basis.Register = 4
		case 4:
			one.Basis.Day = "2026-11-03"
		case 5:
			one.Basis.Rules = []string{"r1", "r2"}
		case 6:
			one.Basis.Rules = []string{"r2"}
		case 7:
			one = state(peerA)
			one.Subject = fmt.Sprintf("state %d", i)
		}
		p.Sends = append(p.Sends, one)
	}
	must(t, p.Prepare())
	must(t, s.Publish(ctx, start(), p))
	out := due(t, s, start(), peerA)
	if len(out) != len(p.Sends) {
		t.Fatalf("got %d messages, want %d", len(out), len(p.Sends))
	}
	for i, send := range p.Sends {
		if o := out[i]; o.Kind != send.Kind || o.Principal != send.Principal || !reflect.DeepEqual(o.Basis, send.Basis) {
			t.Errorf("message %d: got %s for %q under %+v, want %s for %q under %+v", i, o.Kind, o.Principal, o.Basis, send.Kind, send.Principal, send.Basis)
		}
	}
	s.sound(t)
}

func TestPublishQueuesInOrder(t *testing.T) {
	s := open(t, store.Options{})
	sends := []store.Send{capacity(peerA, "o1", "a"), capacity(peerB, "o1", "a"), capacity(peerA, "o2", "b"), state(peerA)}
	sends[2].Principal = peerB
	now := start().Add(300 * time.Millisecond)
	publish(t, s, now, sends...)
	out := due(t, s, now, peerA)
	if got, want := fmt.Sprint(sequences(out)), "[1 2 3]"; got != want {
		t.Fatalf("sequences: got %s, want %s", got, want)
	}
	for i, send := range []store.Send{sends[0], sends[2], sends[3]} {
		want := store.Outgoing{
			Sequence: uint64(i + 1), ID: out[i].ID, Kind: send.Kind, Subject: send.Subject, Principal: send.Principal,
			Time: start(), Expires: start().Add(gateway.Lifetime), Data: send.Data, State: gateway.Queued,
			Basis: send.Basis,
		}
		if !reflect.DeepEqual(out[i], want) {
			t.Errorf("got %+v, want %+v", out[i], want)
		}
	}
	ids := map[string]bool{}
	for _, o := range append(out, due(t, s, now, peerB)...) {
		if ids[o.ID] || o.ID[14] != '7' || len(o.ID) != 36 {
			t.Errorf("id %s: want a UUIDv7 of its own", o.ID)
		}
		ids[o.ID] = true
	}
	rows := get(s.Rows(ctx))(t)
	if rows["shared"] != 3+3 { // payloads and terms
		t.Errorf("shared values: got %d, want three payloads and three terms", rows["shared"])
	}
	s.sound(t)
}

func TestPublishRefusesAWrongHash(t *testing.T) {
	s := open(t, store.Options{})
	send := capacity(peerA, "o1", "a")
	send.Hash = gateway.Hash([]byte("other"))
	wantKind(t, s.Publish(ctx, start(), store.Publication{Sends: []store.Send{send}}), gateway.Internal)
	s.sound(t)
}

func TestWaitingSnapshotsCoalesce(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"), capacity(peerA, "o2", "a"), capacity(peerA, "o1", "b"))
	publish(t, s, start(), capacity(peerA, "o1", "c"))
	out := due(t, s, start(), peerA)
	if got, want := fmt.Sprint(sequences(out)), "[2 4]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := get(s.Peer(ctx, peerA))(t).Queued; got != 2 {
		t.Errorf("queued: got %d, want 2", got)
	}
	if shown, _ := shownOf(t, s, peerA, "o1"); shown.Exposed || shown.Sequence != 4 || shown.State != gateway.Queued {
		t.Errorf("got %+v, want sequence 4, queued, not exposed", shown)
	}
	s.sound(t)
}

// A wide snapshot was being sent when the process died; meanwhile policy got
// narrower. It must not be sent again.
func TestWhatIsBeingAttemptedIsOvertakenToo(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "wide"), capacity(peerA, "o2", "a"))
	begin(t, s, peerA, 1, 2)
	publish(t, s, start(), capacity(peerA, "o1", "narrow"))
	if got, want := fmt.Sprint(sequences(due(t, s, start(), peerA))), "[2 3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if shown, _ := shownOf(t, s, peerA, "o1"); !shown.Exposed || shown.State != gateway.Queued {
		t.Errorf("got %+v, want it queued and exposed: the peer may have seen the first", shown)
	}
	// The attempt was in flight after all: what it says of the first is past.
	settle(t, s, peerA, settlement(peerA, 1, gateway.Received), settlement(peerA, 2, gateway.Received))
	if got, want := fmt.Sprint(sequences(due(t, s, start(), peerA))), "[3]"; got != want {
		t.Errorf("after the receipts: got %s, want %s", got, want)
	}
	s.sound(t)
}

func TestBeginAttemptOfWhatIsGoneIsConflict(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "wide"), capacity(peerA, "o2", "a"))
	publish(t, s, start(), capacity(peerA, "o1", "narrow"))
	wantKind(t, s.BeginAttempt(ctx, start(), peerA, []uint64{1, 2}, start()), gateway.Conflict)
	for _, o := range due(t, s, start(), peerA) {
		if o.Attempts != 0 || o.State != gateway.Queued {
			t.Errorf("message %d after a refused attempt: got %d attempts, %s", o.Sequence, o.Attempts, o.State)
		}
	}
	s.sound(t)
}

func TestAttemptIsRecordedBeforeDialling(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	next := start().Add(time.Minute)
	must(t, s.BeginAttempt(ctx, start(), peerA, []uint64{1}, next))
	s.reopen(t) // the process died while it was sending
	if got := get(s.Peer(ctx, peerA))(t); !got.LastAttempt.Equal(start()) || !got.NextAttempt.Equal(next) {
		t.Errorf("got %+v, want the attempt and the next one", got)
	}
	out := due(t, s, next, peerA)
	if len(out) != 1 || out[0].State != gateway.Attempting || out[0].Attempts != 1 {
		t.Errorf("got %+v, want the attempting message once more", out)
	}
	if shown, _ := shownOf(t, s, peerA, "o1"); !shown.Exposed {
		t.Error("got not exposed, want exposed")
	}
	must(t, s.BeginAttempt(ctx, next, peerA, []uint64{1}, next))
	s.sound(t)
}

func TestFailuresCountUntilContact(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	for range 2 {
		begin(t, s, peerA, 1)
		must(t, s.AttemptFailed(ctx, start(), peerA, []uint64{1}, "timeout", start().Add(time.Hour)))
	}
	got := get(s.Peer(ctx, peerA))(t)
	if got.Failures != 2 || got.Reason != "timeout" || !got.NextAttempt.Equal(start().Add(time.Hour)) || !got.Oldest.Equal(start()) {
		t.Errorf("got %+v, want two failures by timeout and an hour to wait", got)
	}
	must(t, s.Contact(ctx, start(), peerA))
	got = get(s.Peer(ctx, peerA))(t)
	if got.Failures != 0 || got.Reason != "" || !got.NextAttempt.IsZero() || !got.LastContact.Equal(start()) {
		t.Errorf("after contact: got %+v, want no failures and nothing to wait for", got)
	}
	if out := due(t, s, start(), peerA); len(out) != 1 || out[0].Attempts != 2 {
		t.Errorf("got %+v, want the message after two attempts", out)
	}
}

func TestContactIsCheap(t *testing.T) {
	commits := 0
	s := open(t, store.Options{Fault: func(string) error { commits++; return nil }})
	must(t, s.Contact(ctx, start(), peerA))
	before := commits
	for i := range 59 {
		must(t, s.Contact(ctx, start().Add(time.Duration(i)*time.Second), peerA))
	}
	if commits != before {
		t.Errorf("transactions in a minute: got %d, want none", commits-before)
	}
	must(t, s.Contact(ctx, start().Add(2*time.Minute), peerA))
	if got := get(s.Peer(ctx, peerA))(t).LastContact; !got.Equal(start().Add(2 * time.Minute)) {
		t.Errorf("last contact: got %v, want two minutes later", got)
	}
}

func TestSettleByOutcome(t *testing.T) {
	for _, c := range []struct {
		outcome gateway.Outcome
		state   gateway.DeliveryState
		waits   bool
		shown   bool // counts in the digest of what was shown
	}{
		{gateway.Received, gateway.Delivered, false, true},
		{gateway.Superseded, gateway.Delivered, false, false},
		{gateway.Refused, gateway.RefusedBy, false, false},
		{gateway.RetryLater, gateway.Queued, true, false},
		{gateway.Unsupported, gateway.Held, false, false},
	} {
		s := open(t, store.Options{})
		publish(t, s, start(), capacity(peerA, "o1", "a"))
		deliver(t, s, start(), peerA, 10, c.outcome)
		shown, _ := shownOf(t, s, peerA, "o1")
		if shown.State != c.state || !shown.Exposed {
			t.Errorf("%s: got %+v, want %s and exposed", c.outcome, shown, c.state)
		}
		if got := len(due(t, s, start(), peerA)) == 1; got != c.waits {
			t.Errorf("%s: waits: got %t, want %t", c.outcome, got, c.waits)
		}
		if d, _, _ := s.ShownDigest(ctx, peerA); (d.Count == 1) != c.shown {
			t.Errorf("%s: shown: got %d, want %t", c.outcome, d.Count, c.shown)
		}
		if c.state.Final() && shown.Digest != digestOf(1) {
			t.Errorf("%s: digest: got %s, want %s", c.outcome, shown.Digest, digestOf(1))
		}
		s.sound(t)
		// The same receipts once more change nothing.
		if c.state.Final() {
			settle(t, s, peerA, settlement(peerA, 1, gateway.Refused))
			if again, _ := shownOf(t, s, peerA, "o1"); !reflect.DeepEqual(again, shown) {
				t.Errorf("%s: after the same receipt: got %+v, want %+v", c.outcome, again, shown)
			}
		}
	}
}

func TestSettleOfWhatWasNeverAttemptedIsConflict(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	err := s.Settle(ctx, start(), peerA, []store.Settlement{settlement(peerA, 1, gateway.Received)}, "head", start(), nil)
	wantKind(t, err, gateway.Conflict)
	if got := len(due(t, s, start(), peerA)); got != 1 {
		t.Errorf("messages: got %d, want 1", got)
	}
	s.sound(t)
}

func TestReceiptsAreKeptInTheOrderOfTheBatch(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"), capacity(peerA, "o2", "a"))
	begin(t, s, peerA, 1, 2)
	entry := journal.Entry{Kind: journal.KindDelivered, Party: peerA, Count: 2}
	all := []store.Settlement{settlement(peerA, 1, gateway.Received), settlement(peerA, 2, gateway.RetryLater)}
	must(t, s.Settle(ctx, start(), peerA, all, "the head", start(), []journal.Entry{entry}))
	got := get(s.Receipts(ctx, peerA, start(), 10))(t)
	want := []gateway.Receipts{{Head: "the head", Items: []gateway.ReceiptItem{all[0].Item, all[1].Item}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := get(s.Receipts(ctx, peerA, start().Add(time.Second), 10))(t); len(got) != 0 {
		t.Errorf("later: got %+v, want none", got)
	}
	if got := get(s.JournalSize(ctx))(t); got != 1 {
		t.Errorf("journal: got %d entries, want 1", got)
	}
}

func TestAConfirmedWithdrawalLeavesNothing(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	deliver(t, s, start(), peerA, 10, gateway.Received)
	publish(t, s, start(), withdrawal(peerA, "o1"))
	if shown, _ := shownOf(t, s, peerA, "o1"); !shown.Exposed || !shown.Withdrawal {
		t.Errorf("before it is confirmed: got %+v, want an exposed withdrawal", shown)
	}
	deliver(t, s, start(), peerA, 10, gateway.Received)
	if shown, ok := shownOf(t, s, peerA, "o1"); ok {
		t.Errorf("got %+v, want nothing", shown)
	}
	if rows := get(s.Rows(ctx))(t); rows["shown"]+rows["out"]+rows["shared"]+rows["refs"] != 0 {
		t.Errorf("rows left: %v", rows)
	}
	s.sound(t)
}

// A withdrawal is sent only to who may have seen something; what waits ends in
// any case.
func TestWithdrawal(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "attempted", "a"), capacity(peerA, "waiting", "a"), capacity(peerA, "held", "a"))
	begin(t, s, peerA, 1, 3)
	settle(t, s, peerA, settlement(peerA, 3, gateway.Unsupported))
	publish(t, s, start(), withdrawal(peerA, "attempted"), withdrawal(peerA, "waiting"), withdrawal(peerA, "held"),
		withdrawal(peerA, "never"), withdrawal(peerB, "waiting"))
	if got, want := fmt.Sprint(sequences(due(t, s, start(), peerA))), "[4 5]"; got != want {
		t.Errorf("due: got %s, want %s: the attempted and the held", got, want)
	}
	for _, subject := range []string{"attempted", "held"} {
		if shown, ok := shownOf(t, s, peerA, subject); !ok || !shown.Withdrawal || !shown.Exposed {
			t.Errorf("%s: got %+v, want an exposed withdrawal", subject, shown)
		}
	}
	for _, subject := range []string{"waiting", "never"} {
		if shown, ok := shownOf(t, s, peerA, subject); ok {
			t.Errorf("%s: got %+v, want nothing", subject, shown)
		}
	}
	if got := get(s.Peer(ctx, peerB))(t); got.Queued != 0 {
		t.Errorf("a peer that never saw anything: got %+v, want nothing queued", got)
	}
	if got := get(s.Journal(ctx, 0, 9))(t); len(got) == 0 || got[len(got)-1].Kind != journal.KindWithdrawn {
		t.Errorf("journal: got %v, want the withdrawal of what waited", got)
	}
	s.sound(t)
}

func TestHeldWaitsForHello(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"), capacity(peerA, "o2", "a"))
	deliver(t, s, start(), peerA, 10, gateway.Unsupported)
	publish(t, s, start(), capacity(peerA, "o1", "b"), capacity(peerA, "o3", "a"))
	if got, want := fmt.Sprint(sequences(due(t, s, start(), peerA))), "[3 4]"; got != want {
		t.Errorf("due: got %s, want %s", got, want)
	}
	if got := get(s.Peer(ctx, peerA))(t); got.Held != 1 || got.Queued != 2 {
		t.Errorf("got %+v, want one held, two queued", got)
	}
	if _, settled, _ := s.ShownDigest(ctx, peerA); settled {
		t.Error("settled with a message held")
	}
	s.sound(t)
	if got := get(s.ReleaseHeld(ctx, start(), peerA))(t); got != 1 {
		t.Errorf("released: got %d, want 1", got)
	}
	if got, want := fmt.Sprint(sequences(due(t, s, start(), peerA))), "[2 3 4]"; got != want {
		t.Errorf("due: got %s, want %s", got, want)
	}
	s.sound(t)
}

func TestExpire(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerA, "o1", "a"), capacity(peerA, "o2", "a"), capacity(peerB, "o1", "a"))
	begin(t, s, peerA, 1, 2)
	settle(t, s, peerA, settlement(peerA, 2, gateway.Unsupported))
	publish(t, s, start().Add(time.Hour), capacity(peerA, "o3", "a"))
	over := start().Add(gateway.Lifetime)
	if got := get(s.Expire(ctx, over.Add(-time.Second)))(t); got != 0 {
		t.Errorf("before: got %d, want 0", got)
	}
	if got, want := fmt.Sprint(sequences(due(t, s, over, peerA))), "[3]"; got != want {
		t.Errorf("due when the first has expired: got %s, want %s", got, want)
	}
	if got := get(s.Expire(ctx, over))(t); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
	if shown, _ := shownOf(t, s, peerA, "o1"); shown.State != gateway.Unconfirmed || !shown.Exposed {
		t.Errorf("got %+v, want expired-unconfirmed and exposed", shown)
	}
	if shown, ok := shownOf(t, s, peerB, "o1"); !ok || shown.State != gateway.Unconfirmed || shown.Exposed {
		t.Errorf("got %+v, want expired-unconfirmed, not exposed", shown)
	}
	entries := get(s.Journal(ctx, 0, 9))(t)
	if len(entries) != 3 || entries[0].Kind != journal.KindExpired || entries[0].Message == "" {
		t.Errorf("journal: got %+v, want three expired messages", entries)
	}
	s.sound(t)
}

func TestQueueLimit(t *testing.T) {
	s := open(t, store.Options{MaxQueue: 2})
	publish(t, s, start(), capacity(peerA, "o1", "a"), capacity(peerA, "o2", "a"))
	err := s.Publish(ctx, start(), store.Publication{Sends: []store.Send{capacity(peerB, "o3", "a"), capacity(peerA, "o3", "a")}})
	wantKind(t, err, gateway.Limit)
	if !errors.Is(err, store.ErrQueueFull) {
		t.Errorf("got %v, want ErrQueueFull", err)
	}
	if got := len(due(t, s, start(), peerB)); got != 0 {
		t.Errorf("another recipient of the refused publication: got %d messages, want 0", got)
	}
	publish(t, s, start(), capacity(peerA, "o1", "newer"), withdrawal(peerA, "o3"), state(peerA))
	s.sound(t)
}

func TestDueIsBounded(t *testing.T) {
	s := open(t, store.Options{})
	for i := range 5 {
		publish(t, s, start(), capacity(peerA, fmt.Sprint("o", i), "title"))
	}
	size := len(due(t, s, start(), peerA)[0].Data)
	for _, c := range []struct{ limit, bytes, want int }{{2, 1 << 20, 2}, {9, 3 * size, 3}, {9, 3*size - 1, 2}, {9, 1, 1}} {
		if got := len(get(s.Due(ctx, start(), peerA, c.limit, c.bytes, nil))(t)); got != c.want {
			t.Errorf("limit %d, %d bytes: got %d, want %d", c.limit, c.bytes, got, c.want)
		}
	}
}

func TestLastAndPeers(t *testing.T) {
	s := open(t, store.Options{})
	publish(t, s, start(), capacity(peerB, "o1", "a"), capacity(peerA, "o2", "b"), capacity(peerA, "o1", "a"))
	all := get(s.Last(ctx, []gateway.OIN{peerB, self, peerA}, []string{"o0", "o1", "o2", "o3"}))(t)
	var got []string
	for i, row := range all {
		for _, last := range row {
			got = append(got, fmt.Sprint(i, last.Subject))
		}
	}
	if want := "0 0o1 0 0 2 2o1 2o2 2"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
	peers := get(s.Peers(ctx))(t)
	if len(peers) != 2 || peers[0].OIN != peerA || peers[0].Queued != 2 || peers[1].OIN != peerB {
		t.Errorf("got %+v, want both peers in order", peers)
	}
	if got := get(s.Peer(ctx, self))(t); !reflect.DeepEqual(got, store.PeerStatus{OIN: self}) {
		t.Errorf("a party never met: got %+v, want nothing", got)
	}
}

func TestHello(t *testing.T) {
	s := open(t, store.Options{})
	hello := gateway.Hello{
		Issuer: peerA, Audience: self, Time: start(), Protocol: []int{1}, Kinds: []string{"capacity"},
		CodeLists: map[string]string{"fase": "1"}, Register: 2, Incarnation: 1,
	}
	change := func(edit func(*gateway.Hello)) gateway.Hello {
		h := hello
		edit(&h)
		return h
	}
	for i, c := range []struct {
		hello gateway.Hello
		want  bool
	}{
		{hello, true},
		{hello, false},
		{change(func(h *gateway.Hello) { h.Time = start().Add(time.Hour); h.Holds.Count = 3 }), false},
		{change(func(h *gateway.Hello) { h.Kinds = []string{"capacity", "referral"} }), true},
		{hello, true},
		{change(func(h *gateway.Hello) { h.Protocol = []int{1, 2} }), true},
		{change(func(h *gateway.Hello) { h.Protocol = []int{1, 2}; h.Incarnation = 2 }), true},
		{change(func(h *gateway.Hello) { h.Incarnation = 2; h.Register = 3 }), true},
		{change(func(h *gateway.Hello) { h.CodeLists = map[string]string{"fase": "2"} }), true},
	} {
		if got := get(s.SaveHello(ctx, start(), peerA, c.hello))(t); got != c.want {
			t.Errorf("hello %d: changed: got %t, want %t", i, got, c.want)
		}
		if status := get(s.Peer(ctx, peerA))(t); !reflect.DeepEqual(*status.Hello, c.hello) || !status.HelloAt.Equal(start()) {
			t.Errorf("hello %d: got %+v, want %+v", i, status.Hello, c.hello)
		}
	}
}
