package exchange

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

func TestEachDoesEverythingOnce(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 100, 1000} {
		done := make([]atomic.Int32, n)
		each(n, func(i int) { done[i].Add(1) })
		for i := range done {
			if got := done[i].Load(); got != 1 {
				t.Errorf("%d of %d: got %d times, want once", i, n, got)
			}
		}
	}
}

func TestEachShareIsInOneShare(t *testing.T) {
	for _, n := range []int{1, 3, 7, 8, 15, 16, 64, 65, 100, 500, 1000} {
		done := make([]atomic.Int32, n)
		var largest atomic.Int64
		eachShare(n, func(from, to int) {
			for i := from; i < to; i++ {
				done[i].Add(1)
			}
			for was := largest.Load(); int64(to-from) > was && !largest.CompareAndSwap(was, int64(to-from)); was = largest.Load() {
			}
			if to-from < min(n, smallestShare) {
				t.Errorf("%d: got a share of %d, want %d at least", n, to-from, min(n, smallestShare))
			}
		})
		for i := range done {
			if got := done[i].Load(); got != 1 {
				t.Errorf("%d of %d: got %d times, want once", i, n, got)
			}
		}
		if largest.Load() > largestShare {
			t.Errorf("%d: got a share of %d, want %d at most", n, largest.Load(), largestShare)
		}
	}
}

// A message that makes the node panic costs its sender a refused request, not
// the node its life.
func TestEachPanicsWhereItWasCalled(t *testing.T) {
	for _, n := range []int{1, 100} {
		for _, bad := range []int{0, n - 1} {
			caught := func() (caught any) {
				defer func() { caught = recover() }()
				each(n, func(i int) {
					if i == bad {
						panic("poison")
					}
				})
				return nil
			}()
			if got := fmt.Sprint(caught); !strings.Contains(got, "poison") {
				t.Errorf("%d of %d: got %q, want the panic", bad, n, got)
			}
		}
	}
}
