package node

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// heapFloor is how large, in bytes, the heap may grow before garbage is collected,
// however little of it is in use. A node uses a few megabytes; collecting each time
// these have doubled costs it a tenth of its time under load.
const heapFloor = 64 << 20

// Bounds of what Go calls GOGC: the growth, in percent of what is in use, after
// which garbage is collected. Above usual, half of heapFloor is in use and Go's
// own rule is kept.
const (
	usualGrowth = 100
	mostGrowth  = 1600
)

// spareCollections keeps to heapFloor, for this process, from now on: it looks
// after every collection. Who sets GOGC decides otherwise.
func spareCollections() {
	if os.Getenv("GOGC") == "" {
		adjust(usualGrowth)
	}
}

// adjust sets the growth and comes back after the next collection, which finds
// the marker unused.
func adjust(last int) {
	used := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(used)
	next := growth(used[0].Value.Uint64())
	if next != last {
		debug.SetGCPercent(next)
	}
	runtime.AddCleanup(new([64]byte), adjust, next)
}

func growth(live uint64) int {
	if live == 0 { // nothing has been collected yet
		return mostGrowth
	}
	return int(min(max((heapFloor-min(live, heapFloor))*100/live, usualGrowth), mostGrowth))
}
