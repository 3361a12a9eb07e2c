package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const full = "retry-later/overload"

// sizeOf is how many bytes of a snapshot count.
func sizeOf(offer, title string) int64 { return int64(len(inbound(peerA, offer, 1, title).Effect.Put)) }

// Each case begins with three subjects of peerA, a, b and c, each with a title of
// three letters, under a quota that leaves room for exactly those.
func TestQuotaAtItsEdge(t *testing.T) {
	subjects := store.Quota{Subjects: 3}
	bytes := store.Quota{Bytes: 3 * sizeOf("a", "aaa")}
	remembered := store.Quota{Remembered: 3}
	cases := map[string]struct {
		quota store.Quota
		in    []store.Inbound
		want  string
	}{
		"one subject more":            {subjects, []store.Inbound{inbound(peerA, "d", 10, "ddd")}, full},
		"a larger one of the same":    {subjects, []store.Inbound{inbound(peerA, "a", 10, "aaaaaa")}, "received"},
		"a withdrawal makes room":     {subjects, []store.Inbound{inbound(peerA, "a", 10, ""), inbound(peerA, "d", 11, "ddd")}, "received received"},
		"and no more than it took":    {subjects, []store.Inbound{inbound(peerA, "a", 10, ""), inbound(peerA, "d", 11, "d"), inbound(peerA, "e", 12, "e")}, "received received " + full},
		"so does a state":             {subjects, []store.Inbound{inState(10, "a"), inbound(peerA, "d", 11, "d"), inbound(peerA, "e", 12, "e"), inbound(peerA, "f", 13, "f")}, "received received received " + full},
		"what is late needs no room":  {subjects, []store.Inbound{inbound(peerA, "a", 0, "old")}, "superseded/older"},
		"a duplicate needs no room":   {subjects, []store.Inbound{inbound(peerA, "a", 1, "aaa")}, "received"},
		"one byte more":               {bytes, []store.Inbound{inbound(peerA, "a", 10, "aaaa")}, full},
		"as many bytes":               {bytes, []store.Inbound{inbound(peerA, "a", 10, "bbb")}, "received"},
		"one byte less":               {bytes, []store.Inbound{inbound(peerA, "a", 10, "aa"), inbound(peerA, "b", 11, "bbbb")}, "received received"},
		"bytes of a withdrawal":       {bytes, []store.Inbound{inbound(peerA, "b", 10, ""), inbound(peerA, "d", 11, "ddd")}, "received received"},
		"one more to remember":        {remembered, []store.Inbound{inbound(peerA, "a", 10, "bbb")}, full},
		"also one that is refused":    {remembered, []store.Inbound{refusal("d", 10)}, full},
		"also one that is superseded": {remembered, []store.Inbound{inbound(peerA, "a", 0, "old")}, full},
		"also a state without effect": {remembered, []store.Inbound{inState(10, "a", "b", "c")}, full},
		"withdrawals pass":            {remembered, []store.Inbound{inbound(peerA, "a", 10, "")}, "received"},
		"but not of nothing":          {remembered, []store.Inbound{inbound(peerA, "d", 10, "")}, full},
		"smaller ones pass, as many as there were": {remembered, []store.Inbound{
			inbound(peerA, "a", 10, "aa"), inbound(peerA, "b", 11, "bb"), inbound(peerA, "c", 12, "cc"), inbound(peerA, "a", 13, "a"),
		}, "received received received " + full},
		"a state that drops passes": {remembered, []store.Inbound{inState(10, "a", "b")}, "received"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := open(t, store.Options{Quota: c.quota, NoSync: true})
			begin := accept(t, s, start(), inbound(peerA, "a", 1, "aaa"), inbound(peerA, "b", 2, "bbb"), inbound(peerA, "c", 3, "ccc"))
			if got, want := outcomes(begin), "received received received"; got != want {
				t.Fatalf("up to the limit: got %s, want %s", got, want)
			}
			if !get(s.Peer(ctx, peerA))(t).Kept.Full {
				t.Error("the limit is reached and not told")
			}
			before := get(s.JournalSize(ctx))(t)
			got := outcomes(accept(t, s, start(), c.in...))
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			taken := uint64(len(c.in) - strings.Count(c.want, full))
			if strings.HasPrefix(name, "a duplicate") {
				taken = 0
			}
			if size := get(s.JournalSize(ctx))(t); size != before+taken {
				t.Errorf("journal: got %d more entries, want %d: what has no room leaves no trace", size-before, taken)
			}
			s.sound(t)
			// One sender at its limit harms no other.
			other := inbound(peerB, "x", 1, "xxx")
			if got := outcomes(get(s.Accept(ctx, start(), self, peerB, []store.Inbound{other}))(t)); got != "received" {
				t.Errorf("another sender: got %s, want received", got)
			}
		})
	}
}

func refusal(offer string, sequence uint64) store.Inbound {
	in := inbound(peerA, offer, sequence, "x")
	in.Outcome, in.Reason = gateway.Refused, gateway.ReasonSchema
	return in
}

// A list makes the writer read all that its sender has here. Who has much must
// wait before the next, and only that sender; who has less need not.
func TestListsOfMuchAreLookedAtNowAndThen(t *testing.T) {
	const many = 10_000
	s := open(t, store.Options{NoSync: true, Quota: store.Quota{Remembered: many + 1}})
	keep := func(sequence uint64) store.Inbound { // nothing of it is older than what is held
		return later(inState(sequence), 0)
	}
	var half []string
	for from := 1; from < many; from += 1111 {
		var batch []store.Inbound
		for i := range min(1111, many-from) {
			batch = append(batch, inbound(peerA, fmt.Sprintf("%06d", from+i), uint64(from+i), "x"))
			half = append(half, fmt.Sprintf("%06d", 2*(from+i)))
		}
		accept(t, s, start(), batch...)
	}
	steps := []struct {
		name  string
		after time.Duration
		in    []store.Inbound
		want  string
	}{
		{"less than much", 0, []store.Inbound{keep(1)}, "received"},
		{"one more, and then much", 0, []store.Inbound{inbound(peerA, "more", many, "x")}, "received"},
		{"no room, but looked at once", 0, []store.Inbound{keep(2), keep(3)}, full + " " + full},
		{"too soon", time.Second - 1, []store.Inbound{inState(many+1, half...)}, full},
		{"a withdrawal need not wait", 0, []store.Inbound{inbound(peerA, "more", many+2, "")}, "received"},
		{"soon enough", time.Second, []store.Inbound{inState(many+3, half...)}, "received"},
	}
	for _, step := range steps {
		if got := outcomes(accept(t, s, start().Add(step.after), step.in...)); got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	if got := len(get(s.ReceivedOffers(ctx))(t)); got != many/2-1 {
		t.Errorf("after a list of half: got %d offers, want %d", got, many/2-1)
	}
}

// What had no room is welcome, under the same id, when there is some.
func TestQuotaLeavesNoTrace(t *testing.T) {
	s := open(t, store.Options{Quota: store.Quota{Subjects: 1}})
	waits := inbound(peerA, "b", 2, "bbb")
	if got, want := outcomes(accept(t, s, start(), inbound(peerA, "a", 1, "aaa"), waits)), "received "+full; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	s.reopen(t)
	if got, want := outcomes(accept(t, s, start(), inbound(peerA, "a", 3, ""), waits)), "received received"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is remembered is forgotten in time, and counts no longer.
func TestPurgeFreesTheQuota(t *testing.T) {
	s := open(t, store.Options{Quota: store.Quota{Remembered: 4}})
	accept(t, s, start(), inbound(peerA, "a", 1, "aaa"), inbound(peerA, "a", 2, ""), inbound(peerA, "b", 3, "bbb"))
	if got := get(s.Peer(ctx, peerA))(t).Kept; got.Remembered != 4 || got.Subjects != 1 {
		t.Fatalf("got %+v, want three answers, one subject that is gone and one that is not", got)
	}
	if got := outcomes(accept(t, s, start(), inbound(peerA, "c", 4, "ccc"))); got != full {
		t.Errorf("at the limit: got %s, want %s", got, full)
	}
	later := start().Add(gateway.MaxLifetime + gateway.DedupeMargin + time.Hour)
	if _, err := s.Purge(ctx, later); err != nil {
		t.Fatal(err)
	}
	if got := get(s.Peer(ctx, peerA))(t).Kept; got.Remembered != 0 || got.Subjects != 1 {
		t.Errorf("after the purge: got %+v, want the one subject", got)
	}
	if got := outcomes(accept(t, s, later, inbound(peerA, "c", 4, "ccc"))); got != "received" {
		t.Errorf("after the purge: got %s, want received", got)
	}
	s.sound(t)
}

// A database from before there were quotas is counted when a sender first comes.
func TestQuotaOfAnOldDatabase(t *testing.T) {
	s := open(t, store.Options{Quota: store.Quota{Subjects: 2}})
	accept(t, s, start(), inbound(peerA, "a", 1, "aaa"), inbound(peerA, "b", 2, "bbb"))
	must(t, s.ForgetIntake(ctx))
	if _, err := s.Purge(ctx, start().Add(gateway.Lifetime+gateway.DedupeMargin+time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.sound(t)
	if got, want := outcomes(accept(t, s, start(), inbound(peerA, "c", 3, "ccc"), inbound(peerA, "a", 4, ""))), full+" received"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.sound(t)
}

// A count that is wrong is found.
func TestCheckCountsTheIntake(t *testing.T) {
	s := open(t, store.Options{})
	accept(t, s, start(), inbound(peerA, "a", 1, "aaa"))
	must(t, s.SetIntake(ctx, peerA, 2, 0, 1))
	if got := strings.Join(s.Check(ctx), "; "); !strings.Contains(got, "the count says") {
		t.Errorf("got %q, want that the count is wrong", got)
	}
}

// A database that is nearly full takes what shrinks it, and asks for the rest
// later: message by message, not with an error for all.
func TestNearlyFullTakesWhatShrinks(t *testing.T) {
	s := open(t, store.Options{MaxBytes: 4 << 20, NoSync: true})
	title := strings.Repeat("x", 4000)
	n := uint64(0)
	for outcome := "received"; outcome == "received"; {
		if n++; n > 10_000 {
			t.Fatal("the database is never full")
		}
		outcome = outcomes(accept(t, s, start(), inbound(peerA, fmt.Sprint("o", n), n, title)))
	}
	got := outcomes(accept(t, s, start(), inbound(peerA, "new", n+1, title), inbound(peerA, "o1", n+2, ""), inbound(peerA, "o2", n+3, title)))
	if want := full + " received " + full; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.sound(t)
}

// A sender that shows as many offers as it may replaces all of them before it
// withdraws one: there is room for that by default, and for no more.
func TestQuotaHasRoomToReplaceAll(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	const all = 2 * gateway.MaxShown
	for from := 0; from < all; from += 2000 {
		var some []store.Inbound
		for i := from; i < from+2000; i++ {
			some = append(some, inbound(peerA, fmt.Sprintf("offer-%05d", i), uint64(1+i), "aaa"))
		}
		if got, want := outcomes(accept(t, s, start(), some...)), strings.Repeat("received ", 1999)+"received"; got != want {
			t.Fatalf("from %d on: got %.100s, want all received", from, got)
		}
	}
	if got := outcomes(accept(t, s, start(), inbound(peerA, "one-more", all+1, "aaa"))); got != full {
		t.Errorf("one more: got %s, want %s", got, full)
	}
	shown := make([]string, gateway.MaxShown)
	for i := range shown {
		shown[i] = fmt.Sprintf("offer-%05d", i)
	}
	if got := outcomes(accept(t, s, start(), inState(all+2, shown...))); got != "received" {
		t.Errorf("a list of as many as may be: got %s", got)
	}
	if kept := get(s.Peer(ctx, peerA))(t).Kept; kept.Subjects != gateway.MaxShown || kept.Full {
		t.Errorf("after it: got %+v, want %d subjects", kept, gateway.MaxShown)
	}
}
