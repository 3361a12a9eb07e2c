package exchange

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// each does work for 0 to n-1 on all cores and returns when all is done. What
// panics, panics here.
func each(n int, work func(int)) {
	onCores(n, n/4, work) // a few are done sooner than shared out
}

const (
	// largestShare bounds what is worked on at once by one core: more is neither
	// faster to verify nor easier to share out.
	largestShare = 64
	// smallestShare is where verifying together begins to be worth more than another core.
	smallestShare = 8
)

// eachShare is each, for what is done sooner for several at once: it splits 0 to
// n-1 in shares of about equal size.
func eachShare(n int, work func(from, to int)) {
	shares := max(1, min(runtime.GOMAXPROCS(0), n/smallestShare), (n+largestShare-1)/largestShare)
	onCores(shares, shares, func(i int) { work(i*n/shares, (i+1)*n/shares) })
}

func onCores(n, most int, work func(int)) {
	workers := min(runtime.GOMAXPROCS(0), most)
	var next atomic.Int64
	var panicked atomic.Value
	some := func() {
		defer func() {
			if caught := recover(); caught != nil {
				panicked.Store(fmt.Errorf("panic: %v\n%s", caught, debug.Stack()))
			}
		}()
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			work(int(i))
		}
	}
	var others sync.WaitGroup
	for range workers - 1 {
		others.Go(some)
	}
	some()
	others.Wait()
	if caught := panicked.Load(); caught != nil {
		panic(caught)
	}
}
