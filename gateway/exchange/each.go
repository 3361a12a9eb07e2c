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
	workers := min(runtime.GOMAXPROCS(0), n/4) // a few are done sooner than shared out
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
