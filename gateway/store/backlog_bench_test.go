package store_test

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// BenchmarkBacklog reports what the store takes for one message, from Publish to
// Settle, while a thousand and while a million messages wait: for the same peer
// (drain), and for another one that is not there (live). Divide the second by
// the first. An iteration is a batch of 1,000 messages.
func BenchmarkBacklog(b *testing.B) {
	for _, kind := range []string{"drain", "live"} {
		for _, queued := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/queued=%d", kind, queued), func(b *testing.B) { backlog(b, kind, queued) })
		}
	}
}

func backlog(b *testing.B, kind string, queued int) {
	const batch = 1000
	s := open(b, store.Options{MaxQueue: 1 << 30})
	next := 0
	for next < queued {
		publish(b, s, start(), opaque(peerB, &next, min(50_000, queued))...)
	}
	to := peerA
	if kind == "drain" {
		to = peerB
	}
	for b.Loop() {
		publish(b, s, start(), opaque(to, &next, batch)...)
		settleBatch(b, s, to, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(batch*b.N), "ns/message")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc>>20), "heap-MB")
}

// opaque are n messages about subjects as a publication makes them: in their
// order, which is not that of the offers.
func opaque(to gateway.OIN, next *int, n int) []store.Send {
	sends := make([]store.Send, n)
	for i := range sends {
		offer := fmt.Sprint("offer-", *next)
		*next++
		sends[i] = capacity(to, offer, strings.Repeat("x", 900))
		sends[i].Subject = fmt.Sprintf("%x", sha256.Sum256([]byte(offer)))[:24]
	}
	slices.SortFunc(sends, func(a, b store.Send) int { return strings.Compare(a.Subject, b.Subject) })
	return sends
}

// settleBatch does what a delivery does, but for sending.
func settleBatch(b testing.TB, s *testStore, to gateway.OIN, n int) {
	b.Helper()
	out := get(s.Due(ctx, start(), to, n, 4<<20, nil))(b)
	must(b, s.BeginAttempt(ctx, start(), to, sequences(out), start().Add(time.Minute)))
	var all []store.Settlement
	var entries []journal.Entry
	for _, o := range out {
		all = append(all, settlement(to, o.Sequence, gateway.Received))
		entries = append(entries, journal.Entry{
			Kind: journal.KindDelivered, Party: to, Message: o.ID, Outcome: "received", Rules: o.Basis.Rules, Policy: o.Basis.Policy,
		})
	}
	must(b, s.Settle(ctx, start(), to, all, "head", time.Time{}, entries))
}
