package store_test

import (
	"crypto/ed25519"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// cpu is what this process has used of the processors.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkJournalShare sends messages through two nodes' stores, with and without
// a journal in turn: publishing, delivering and settling at the one, accepting at
// the other, with the entries that a node makes. It reports the CPU and the pages
// of a message, how much of them the journal is, and what signing and verifying a
// message of that size costs in the same run: with it, docs/performance.md says how
// much that is of the whole exchange.
func BenchmarkJournalShare(b *testing.B) {
	with, without := newTwo(b, store.Options{}), newTwo(b, store.Unjournaled(store.Options{}))
	for _, t := range []*two{with, without, without, with} { // rows to change, and warm caches
		t.exchange(b, 2)
	}
	with.used, without.used, with.pages, without.pages = 0, 0, 0, 0
	messages := 0
	var signing time.Duration
	for b.Loop() {
		for _, t := range []*two{with, without, without, with} { // so that what grows harms both alike
			t.exchange(b, 1)
		}
		messages += 2 * batchOfShare
		signing += signAndVerify(b)
	}
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(messages) }
	b.ReportMetric(per(with.used), "µs/message")
	b.ReportMetric(per(without.used), "µs-unjournaled/message")
	b.ReportMetric(100*(1-float64(without.used)/float64(with.used)), "%-of-store-CPU")
	b.ReportMetric(float64(with.pages)/float64(messages), "pages/message")
	b.ReportMetric(100*(1-float64(without.pages)/float64(with.pages)), "%-of-pages")
	b.ReportMetric(float64(signing.Microseconds())/float64(messages/2), "µs-to-sign-and-verify/message")
	b.ReportMetric(0, "ns/op")
}

const batchOfShare = gateway.MaxBatch

// two are the stores of a sender and a recipient.
type two struct {
	from, to *testStore
	sequence int
	used     time.Duration
	pages    int64
}

func newTwo(b *testing.B, opt store.Options) *two {
	return &two{from: open(b, opt), to: open(b, opt)}
}

// exchange brings so many batches from one to the other.
func (t *two) exchange(b *testing.B, batches int) {
	b.Helper()
	for range batches {
		in := make([]store.Inbound, batchOfShare)
		var pub store.Publication
		for i := range in {
			t.sequence++
			offer := fmt.Sprintf("offer-%04d", i)
			title := fmt.Sprint(t.sequence, strings.Repeat("x", 900))
			in[i] = inbound(peerA, offer, uint64(t.sequence), title)
			in[i].Entry = journal.Entry{
				Kind: journal.KindReceived, Party: peerA, Message: in[i].Message.ID, Outcome: string(gateway.Received), Policy: policyOfShare, Register: 3,
			}
			pub.Sends = append(pub.Sends, capacity(peerA, offer, title))
			pub.Journal = append(pub.Journal, journal.Entry{
				Kind: journal.KindPublish, Fields: gateway.Fields()[:12], Count: 1, Rules: []string{"toedeling-eigen-gemeente"}, Policy: policyOfShare, Register: 3,
				Digest: strings.Repeat("d", 32), Recipients: string(peerA),
			})
		}
		runtime.GC()
		before, pages := cpu(b), t.from.PagesWritten()+t.to.PagesWritten()
		must(b, t.from.Publish(ctx, start(), pub))
		t.settle(b)
		_, err := t.to.Accept(ctx, start(), self, peerA, in)
		must(b, err)
		runtime.GC() // what was thrown away is part of the cost
		t.used += cpu(b) - before
		t.pages += t.from.PagesWritten() + t.to.PagesWritten() - pages
	}
}

func (t *two) settle(b *testing.B) {
	b.Helper()
	out := get(t.from.Due(ctx, start(), peerA, batchOfShare, 4<<20, nil))(b)
	if len(out) != batchOfShare {
		b.Fatalf("got %d messages, want %d", len(out), batchOfShare)
	}
	must(b, t.from.BeginAttempt(ctx, start(), peerA, sequences(out), start().Add(time.Minute)))
	var all []store.Settlement
	var entries []journal.Entry
	for _, o := range out {
		all = append(all, settlement(peerA, o.Sequence, gateway.Received))
		entries = append(entries, journal.Entry{
			Kind: journal.KindDelivered, Party: peerA, Message: o.ID, Outcome: string(gateway.Received), Rules: []string{"toedeling-eigen-gemeente"},
			Policy: policyOfShare, Register: 3,
		})
	}
	must(b, t.from.Settle(ctx, start(), peerA, all, "head", time.Time{}, entries))
}

const policyOfShare = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// signAndVerify is the CPU of doing so with a batch of messages.
func signAndVerify(b *testing.B) time.Duration {
	b.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	must(b, err)
	message := make([]byte, 1200)
	before := cpu(b)
	for range batchOfShare {
		if !ed25519.Verify(public, message, ed25519.Sign(private, message)) {
			b.Fatal("a signature does not verify")
		}
	}
	return cpu(b) - before
}
