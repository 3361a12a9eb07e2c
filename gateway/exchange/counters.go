package exchange

import (
	"sync/atomic"

	"github.com/doorstroom/doorstroom/gateway"
)

// Counters count since start; the node shows them as metrics.
type Counters struct {
	Accepted, Superseded, Refused, RetryLater, Unsupported atomic.Uint64 // inbound messages by outcome
	Sent, Attempts, Failures                               atomic.Uint64 // outbound: messages settled, batches tried, batches failed
}

// Counters are updated while the exchange runs.
func (e *Exchange) Counters() *Counters { return &e.counters }

func (e *Exchange) count(items []gateway.ReceiptItem) {
	for _, item := range items {
		switch item.Outcome {
		case gateway.Received:
			e.counters.Accepted.Add(1)
		case gateway.Superseded:
			e.counters.Superseded.Add(1)
		case gateway.Refused:
			e.counters.Refused.Add(1)
		case gateway.RetryLater:
			e.counters.RetryLater.Add(1)
		case gateway.Unsupported:
			e.counters.Unsupported.Add(1)
		}
	}
}
