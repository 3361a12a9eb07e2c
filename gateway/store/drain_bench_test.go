package store_test

import (
	"fmt"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// BenchmarkDrain reports what the store takes for one message of a long queue:
// to read a batch, to record the attempt and to settle it, and the pages that it
// writes, which other programs do not change. All were published at one time, as
// those of an import are. An iteration is a batch.
func BenchmarkDrain(b *testing.B) {
	for _, queued := range []int{1_000, 200_000} {
		b.Run(fmt.Sprint(queued), func(b *testing.B) {
			s := open(b, store.Options{MaxQueue: 1 << 30})
			next := 0
			for next < max(queued, (b.N+1)*gateway.MaxBatch) {
				must(b, s.Publish(ctx, start(), journaled(opaque(peerB, &next, 1000))))
			}
			before := s.PagesWritten()
			b.ResetTimer()
			for range b.N {
				settleBatch(b, s, peerB, gateway.MaxBatch)
			}
			n := float64(b.N * gateway.MaxBatch)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/message")
			b.ReportMetric(float64(s.PagesWritten()-before)/n, "pages/message")
		})
	}
}
