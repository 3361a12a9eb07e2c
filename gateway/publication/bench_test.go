package publication_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway/store"
)

// BenchmarkImport publishes offers to 342 gemeenten that see each in 20 different
// ways, and then changes them all. It reports the cost of one message in an
// outbox, and the most memory that was in use. An iteration is one offer: the
// large import is -benchtime=10000x.
func BenchmarkImport(b *testing.B) {
	for _, name := range []string{"first", "changed"} {
		b.Run(name, func(b *testing.B) {
			r := newRegion(b, 342, 20, store.Options{MaxQueue: 1 << 30})
			if name == "changed" {
				get(r.Publish(ctx, start(), change(offers(b.N, "Groen"))))(b)
			}
			put := offers(b.N, "Groen in de wijk")
			peak := watchHeap(b)
			b.ResetTimer()
			result := get(r.Publish(ctx, start(), change(put)))(b)
			b.StopTimer()
			if want := 342 * b.N; result.Messages != want {
				b.Fatalf("messages: got %d, want %d", result.Messages, want)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(result.Messages), "ns/message")
			b.ReportMetric(float64(peak()>>20), "heap-MB")
		})
	}
}

// watchHeap looks at the heap now and then until the function it gives is called.
func watchHeap(b *testing.B) (peak func() uint64) {
	var highest atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			highest.Store(max(highest.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(stop); <-done; return highest.Load() }
}
