package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func accept(t testing.TB, s *testStore, now time.Time, in ...store.Inbound) []gateway.ReceiptItem {
	t.Helper()
	items := get(s.Accept(ctx, now, self, peerA, in))(t)
	if len(items) != len(in) {
		t.Fatalf("items: got %d, want %d", len(items), len(in))
	}
	return items
}

// outcomes writes items down as "received superseded/older …".
func outcomes(items []gateway.ReceiptItem) string {
	var all []string
	for _, i := range items {
		all = append(all, strings.TrimSuffix(string(i.Outcome)+"/"+string(i.Reason), "/"))
	}
	return strings.Join(all, " ")
}

// offers writes down what is held: "subject=title@sequence …".
func offers(t testing.TB, s *testStore) string {
	t.Helper()
	var all []string
	for _, o := range get(s.ReceivedOffers(ctx))(t) {
		all = append(all, fmt.Sprintf("%s=%s@%d", o.Subject, o.Capacity.Title, o.Sequence))
	}
	return strings.Join(all, " ")
}

func inState(sequence uint64, subjects ...string) store.Inbound {
	in := inbound(peerA, "state", sequence, "x")
	in.Message.ID = "state-" + in.Message.ID
	in.Message.Kind, in.Effect = gateway.KindCapacityState, store.Effect{State: append([]string{}, subjects...)}
	return in
}

func later(in store.Inbound, incarnation uint64) store.Inbound {
	in.Message.Incarnation = incarnation
	in.Message.ID = fmt.Sprintf("%s-%d", in.Message.ID, incarnation)
	return in
}

func TestAcceptTakesEffect(t *testing.T) {
	s := open(t, store.Options{})
	in := inbound(peerA, "o1", 5, "a")
	items := accept(t, s, start().Add(300*time.Millisecond), in)
	want := gateway.ReceiptItem{
		Sender: peerA, Recipient: self, ID: in.Message.ID, Digest: in.Digest, Outcome: gateway.Received, Received: start(),
	}
	if items[0] != want {
		t.Errorf("got %+v, want %+v", items[0], want)
	}
	got := get(s.ReceivedOffers(ctx))(t)
	if len(got) != 1 || got[0].Sender != peerA || got[0].Capacity.Title != "a" || got[0].Incarnation != 1 || got[0].Digest != in.Digest {
		t.Errorf("got %+v, want the offer", got)
	}
	entries := get(s.Journal(ctx, 0, 9))(t)
	if len(entries) != 1 || entries[0].Kind != journal.KindReceived || entries[0].Outcome != "received" {
		t.Errorf("journal: got %+v, want one received", entries)
	}
	if got := get(s.Peer(ctx, peerA))(t).LastContact; got.IsZero() {
		t.Error("receiving did not count as contact")
	}
	s.sound(t)
}

func TestADuplicateGetsTheSameItem(t *testing.T) {
	s := open(t, store.Options{})
	refused := inbound(peerA, "o2", 2, "a")
	refused.Outcome, refused.Reason = gateway.Refused, gateway.ReasonSchema
	first := accept(t, s, start(), inbound(peerA, "o1", 1, "a"), refused, inbound(peerA, "o1", 4, "b"), inbound(peerA, "o1", 3, "c"))
	if got, want := outcomes(first), "received refused/schema received superseded/older"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	refused.Outcome, refused.Reason = gateway.Received, "" // even if we would take it now
	s.reopen(t)
	for range 2 {
		again := accept(t, s, start().Add(time.Hour),
			inbound(peerA, "o1", 1, "a"), refused, inbound(peerA, "o1", 4, "b"), inbound(peerA, "o1", 3, "c"))
		if fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("got %v, want %v", again, first)
		}
	}
	if got, want := offers(t, s), "o1=b@4"; got != want {
		t.Errorf("offers: got %s, want %s", got, want)
	}
	if got := get(s.JournalSize(ctx))(t); got != 4 {
		t.Errorf("journal: got %d entries, want 4", got)
	}
	s.sound(t)
}

func TestADuplicateWithinABatch(t *testing.T) {
	s := open(t, store.Options{})
	in := inbound(peerA, "o1", 1, "a")
	if got, want := outcomes(accept(t, s, start(), in, in)), "received received"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := get(s.JournalSize(ctx))(t); got != 1 {
		t.Errorf("journal: got %d entries, want 1", got)
	}
}

func TestAnotherBodyUnderTheSameIDIsRefused(t *testing.T) {
	s := open(t, store.Options{})
	first, other := inbound(peerA, "o1", 1, "a"), inbound(peerA, "o1", 2, "b")
	other.Message.ID = first.Message.ID
	if got, want := outcomes(accept(t, s, start(), first, other, first)), "received refused/id-reused received"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := offers(t, s), "o1=a@1"; got != want {
		t.Errorf("offers: got %s, want %s", got, want)
	}
	if got := get(s.JournalSize(ctx))(t); got != 1 { // the exchange counts attempts: there can be no end of them
		t.Errorf("journal: got %d entries, want 1", got)
	}
	// The same id of another sender is another message.
	foreign := inbound(peerB, "o1", 1, "c")
	if got, want := outcomes(accept(t, s, start(), foreign)), "received"; got != want {
		t.Errorf("another sender: got %s, want %s", got, want)
	}
}

func TestWhatMustComeAgainIsForgotten(t *testing.T) {
	for _, outcome := range []gateway.Outcome{gateway.RetryLater, gateway.Unsupported} {
		s := open(t, store.Options{})
		in := inbound(peerA, "o1", 1, "a")
		in.Outcome, in.Reason = outcome, gateway.ReasonOverload
		if got := accept(t, s, start(), in)[0].Outcome; got != outcome {
			t.Errorf("got %s, want %s", got, outcome)
		}
		if got, want := outcomes(accept(t, s, start(), inbound(peerA, "o1", 1, "a"))), "received"; got != want {
			t.Errorf("again after %s: got %s, want %s", outcome, got, want)
		}
		s.sound(t)
	}
}

func TestOrderIsBySequenceNotByArrival(t *testing.T) {
	s := open(t, store.Options{})
	got := outcomes(accept(t, s, start(),
		inbound(peerA, "o1", 5, "five"), inbound(peerA, "o1", 4, "four"), inbound(peerA, "o2", 3, "three"),
		inbound(peerA, "o1", 7, ""), inbound(peerA, "o1", 6, "six")))
	if want := "received superseded/older received received superseded/older"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := offers(t, s), "o2=three@3"; got != want {
		t.Errorf("offers: got %s, want %s: a withdrawn offer must not come back", got, want)
	}
	s.sound(t)
}

func TestAHigherIncarnationWins(t *testing.T) {
	s := open(t, store.Options{})
	got := outcomes(accept(t, s, start(),
		inbound(peerA, "o1", 50, "old life"), later(inbound(peerA, "o1", 2, "new life"), 2), inbound(peerA, "o1", 60, "late")))
	if want := "received received superseded/incarnation"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := offers(t, s), "o1=new life@2"; got != want {
		t.Errorf("offers: got %s, want %s", got, want)
	}
}

func TestCapacityStateDropsWhatIsAbsent(t *testing.T) {
	s := open(t, store.Options{})
	accept(t, s, start(), inbound(peerA, "o1", 1, "a"), inbound(peerA, "o2", 2, "b"), inbound(peerA, "o3", 9, "later"), inbound(peerB, "o2", 1, "x"))
	if got, want := outcomes(accept(t, s, start(), inState(5, "o4", "o1"))), "received"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if got, want := offers(t, s), "o1=a@1 o3=later@9 o2=x@1"; got != want {
		t.Errorf("offers: got %s, want %s", got, want)
	}
	// Late ones from before the state: only what it names may still come in.
	got := outcomes(accept(t, s, start(), inbound(peerA, "o5", 4, "gone"), inbound(peerA, "o4", 3, "named"), inState(4)))
	if want := "superseded/older received superseded/older"; got != want {
		t.Errorf("late ones: got %s, want %s", got, want)
	}
	accept(t, s, start(), later(inState(1), 2))
	if got, want := offers(t, s), "o2=x@1"; got != want {
		t.Errorf("after an empty state of a new life: got %s, want %s", got, want)
	}
	s.sound(t)
}

func TestBothSidesDigestTheSame(t *testing.T) {
	sender, recipient := open(t, store.Options{}), open(t, store.Options{})
	exchange := func() {
		out := due(t, sender, start(), self)
		must(t, sender.BeginAttempt(ctx, start(), self, sequences(out), start()))
		var settlements []store.Settlement
		for _, o := range out {
			title := "x"
			if o.Withdrawal {
				title = ""
			}
			in := inbound(peerA, o.Subject, o.Sequence, title)
			item := accept(t, recipient, start(), in)[0]
			settlements = append(settlements, store.Settlement{
				Sequence: o.Sequence, Digest: in.Digest, Item: item, Event: gateway.EventOf(item.Outcome),
			})
		}
		must(t, sender.Settle(ctx, start(), self, settlements, "", time.Time{}, nil))
	}
	same := func(count int) {
		t.Helper()
		shown, settled, err := sender.ShownDigest(ctx, self)
		if err != nil || !settled || shown.Count != count {
			t.Errorf("shown: got %+v, %t and %v, want %d, settled", shown, settled, err, count)
		}
		if holds := get(recipient.Holds(ctx, peerA))(t); holds != shown {
			t.Errorf("got %+v, want %+v", holds, shown)
		}
	}
	same(0)
	publish(t, sender, start(), capacity(self, "b", "1"), capacity(self, "a", "1"), capacity(self, "c", "1"))
	if _, settled, _ := sender.ShownDigest(ctx, self); settled {
		t.Error("settled with messages queued")
	}
	exchange()
	same(3)
	publish(t, sender, start(), withdrawal(self, "b"), capacity(self, "a", "2"))
	exchange()
	same(2)
}

func TestStateDigestIsAsDocumented(t *testing.T) {
	s := open(t, store.Options{})
	b, a := inbound(peerA, "b", 12, "x"), inbound(peerA, "a", 3, "y")
	accept(t, s, start(), b, a)
	want := gateway.StateDigest{Count: 2, Digest: gateway.Hash([]byte("a 3 " + a.Digest + "\nb 12 " + b.Digest + "\n"))}
	if got := get(s.Holds(ctx, peerA))(t); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAcceptChecksWhatItIsGiven(t *testing.T) {
	s := open(t, store.Options{})
	for name, spoil := range map[string]func(*store.Inbound){
		"no digest":        func(in *store.Inbound) { in.Digest = "" },
		"upper-case":       func(in *store.Inbound) { in.Digest = strings.ToUpper(in.Digest) },
		"no id":            func(in *store.Inbound) { in.Message.ID = "" },
		"no source":        func(in *store.Inbound) { in.Message.Source = "" },
		"endless id":       func(in *store.Inbound) { in.Message.ID = strings.Repeat("x", 5000) },
		"no subject":       func(in *store.Inbound) { in.Effect.Subject = "" },
		"endless subjects": func(in *store.Inbound) { in.Effect.Subject = strings.Repeat("x", 5000) },
	} {
		in := inbound(peerA, "o1", 1, "a")
		spoil(&in)
		if _, err := s.Accept(ctx, start(), self, peerA, []store.Inbound{inbound(peerA, "o2", 2, "b"), in}); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	if got := offers(t, s); got != "" {
		t.Errorf("offers of refused batches: got %s, want none", got)
	}
}

func TestIDsDoNotCollide(t *testing.T) {
	s := open(t, store.Options{})
	uuid := "0190aaaa-bbbb-7ccc-8ddd-000000000001"
	raw := "\x01\x90\xaa\xaa\xbb\xbb\x7c\xcc\x8d\xdd\x00\x00\x00\x00\x00\x01"
	for i, id := range []string{uuid, strings.ToUpper(uuid), "{" + uuid + "}", "urn:uuid:" + uuid, strings.ReplaceAll(uuid, "-", ""), raw, "ffffffff-ffff-ffff-ffff-ffffffffffff"} {
		in := inbound(peerA, "o1", uint64(i+1), fmt.Sprint(i))
		in.Message.ID = id
		if got := outcomes(accept(t, s, start(), in)); got != "received" {
			t.Errorf("id %q: got %s, want received", id, got)
		}
	}
}

func TestPurge(t *testing.T) {
	s := open(t, store.Options{})
	in := inbound(peerA, "o1", 1, "a")
	endless := inbound(peerA, "o3", 3, "a")
	endless.Message.Expires = start().AddDate(500, 0, 0)
	endless.Outcome, endless.Reason = gateway.Refused, gateway.ReasonLifetime
	accept(t, s, start(), in, inbound(peerA, "o2", 2, ""), endless)
	publish(t, s, start(), capacity(peerA, "mine", "a"))
	deliver(t, s, start(), peerA, 10, gateway.Received)
	rows := func() string {
		n := get(s.Rows(ctx))(t)
		return fmt.Sprint("inbox ", n["inbox"], " received ", n["received"], " receipts ", n["receipts"])
	}
	for _, c := range []struct {
		after  time.Duration
		purged int
		rows   string
	}{
		{29 * 24 * time.Hour, 0, "inbox 3 received 2 receipts 1"},
		{31 * 24 * time.Hour, 1, "inbox 3 received 2 receipts 0"},
		{14*24*time.Hour + gateway.DedupeMargin, 0, "inbox 3 received 2 receipts 0"},
		{14*24*time.Hour + gateway.DedupeMargin + time.Second, 2, "inbox 1 received 2 receipts 0"},
		{62 * 24 * time.Hour, 2, "inbox 0 received 1 receipts 0"},
	} {
		if got := get(s.Purge(ctx, start().Add(c.after)))(t); got != c.purged || rows() != c.rows {
			t.Errorf("after %v: got %d purged, %s; want %d, %s", c.after, got, rows(), c.purged, c.rows)
		}
		s.sound(t)
	}
	if got, want := offers(t, s), "o1=a@1"; got != want {
		t.Errorf("offers: got %s, want %s: what is held stays", got, want)
	}
}

func TestPurgeInSeveralTransactions(t *testing.T) {
	s := open(t, store.Options{})
	var batch []store.Inbound
	for i := range 2500 {
		batch = append(batch, inbound(peerA, "o1", uint64(i+1), "a"))
	}
	accept(t, s, start(), batch...)
	if got := get(s.Purge(ctx, start().AddDate(1, 0, 0)))(t); got != 2500 {
		t.Errorf("got %d, want 2500", got)
	}
}

func TestPurgeWaitsForTheClock(t *testing.T) {
	s := open(t, store.Options{})
	accept(t, s, start(), inbound(peerA, "o1", 1, "a"))
	must(t, s.Append(ctx, start().AddDate(1, 0, 0), journal.Entry{Kind: "x"})) // the clock jumped on …
	now := start().AddDate(0, 11, 0)                                           // … and is back
	got, err := s.Purge(ctx, now)
	if got != 0 || !errors.Is(err, store.ErrClock) || gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("got %d and %v, want ErrClock", got, err)
	}
	if got := get(s.Rows(ctx))(t)["inbox"]; got != 1 {
		t.Errorf("remembered messages: got %d, want 1", got)
	}
	if got := get(s.Purge(ctx, start().AddDate(1, 0, 0).Add(-4*time.Minute)))(t); got != 1 {
		t.Errorf("four minutes back: got %d purged, want 1", got)
	}
}
