package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s := open(b, store.Options{})
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := s.Append(ctx, start(), journal.Entry{Kind: "x", Count: 1}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkAccept and BenchmarkSettle report the time of one message.
func BenchmarkAccept(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, store.Options{})
			title := strings.Repeat("x", 900)
			for n := 0; n < b.N; n += size {
				b.StopTimer()
				var batch []store.Inbound
				for i := range size {
					batch = append(batch, inbound(peerA, fmt.Sprint("offer-", (n+i)%10_000), uint64(n+i+1), title))
				}
				b.StartTimer()
				if _, err := s.Accept(ctx, start(), self, peerA, batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSettle(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, store.Options{})
			fill(b, s, b.N, strings.Repeat("x", 900))
			b.ResetTimer()
			for n := 0; n < b.N; n += size {
				deliver(b, s, start(), peerA, size, gateway.Received)
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	s := open(b, store.Options{MaxQueue: 1 << 30})
	b.ResetTimer()
	fill(b, s, b.N, "title")
}

// fill queues n messages, a thousand a time.
func fill(b *testing.B, s *testStore, n int, title string) {
	b.Helper()
	for done := 0; done < n; done += 1000 {
		var sends []store.Send
		for i := range min(1000, n-done) {
			sends = append(sends, capacity(peerA, fmt.Sprintf("offer-%08d", done+i), fmt.Sprint(done+i, title)))
		}
		if err := s.Publish(ctx, start(), store.Publication{Sends: sends}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublishShared queues the same payload for many recipients.
func BenchmarkPublishShared(b *testing.B) {
	s := open(b, store.Options{MaxQueue: 1 << 30})
	const recipients = 342
	for n := 0; n < b.N; n += 10 * recipients {
		var sends []store.Send
		for offer := range 10 {
			one := capacity("", fmt.Sprintf("offer-%08d", n+offer), strings.Repeat("x", 900))
			one.Recipients = nil
			for r := range recipients {
				one.Recipients = append(one.Recipients, gateway.OIN(fmt.Sprintf("000000990000%08d", r)))
			}
			sends = append(sends, one)
		}
		if err := s.Publish(ctx, start(), store.Publication{Sends: sends}); err != nil {
			b.Fatal(err)
		}
	}
}

func inbound(from gateway.OIN, offer string, sequence uint64, title string) store.Inbound {
	data, _ := gateway.Capacity{Offer: offer, Provider: from, Title: title, Withdrawn: title == ""}.Encode()
	m := gateway.Message{
		ID: fmt.Sprintf("0190aaaa-bbbb-7ccc-8ddd-%012d", sequence), Source: from, Kind: gateway.KindCapacity,
		Time: start(), Expires: start().Add(14 * 24 * time.Hour), Recipient: self, Subject: offer, Sequence: sequence, Incarnation: 1, Data: data,
	}
	in := store.Inbound{
		Message: m, Digest: gateway.Hash(m.Encode()), Outcome: gateway.Received,
		Entry:  journal.Entry{Kind: journal.KindReceived, Party: from, Message: m.ID},
		Effect: store.Effect{Subject: offer, Put: data},
	}
	if title == "" {
		in.Effect = store.Effect{Subject: offer, Drop: true}
	}
	return in
}
