package exchange

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Counters count since start; the node shows them as metrics.
type Counters struct {
	In, Out            Outcomes      // messages: what we said of those of others, and they of ours
	Attempts, Failures atomic.Uint64 // batches tried; batches, hellos and fetches that failed

	mu       sync.Mutex
	refusals map[Refusal]uint64        // guarded by mu
	newer    map[gateway.OIN]time.Time // guarded by mu: when a peer last said that it knows newer
}

// Outcomes counts messages by what their recipient said of them.
type Outcomes struct {
	Received, Superseded, Refused, RetryLater, Unsupported atomic.Uint64
}

// Each visits every count.
func (o *Outcomes) Each(visit func(gateway.Outcome, uint64)) {
	for _, outcome := range []gateway.Outcome{
		gateway.Received, gateway.Superseded, gateway.Refused, gateway.RetryLater, gateway.Unsupported,
	} {
		visit(outcome, o.of(outcome).Load())
	}
}

func (o *Outcomes) of(outcome gateway.Outcome) *atomic.Uint64 {
	switch outcome {
	case gateway.Received:
		return &o.Received
	case gateway.Superseded:
		return &o.Superseded
	case gateway.RetryLater:
		return &o.RetryLater
	case gateway.Unsupported:
		return &o.Unsupported
	}
	return &o.Refused
}

// Refusal is why a message of a peer was not taken.
type Refusal struct {
	Peer    gateway.OIN
	Outcome gateway.Outcome
	Reason  gateway.Reason
}

// Refusals counts the messages of others that were not taken. There are as many
// as peers times reasons at the most: only parties of the register get here.
func (c *Counters) Refusals() map[Refusal]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.refusals)
}

// Counters are updated while the exchange runs.
func (e *Exchange) Counters() *Counters { return &e.counters }

func (c *Counters) accepted(peer gateway.OIN, items []gateway.ReceiptItem) {
	for _, item := range items {
		c.In.of(item.Outcome).Add(1)
		if item.Outcome == gateway.Received || item.Outcome == gateway.Superseded {
			continue
		}
		c.mu.Lock()
		if c.refusals == nil {
			c.refusals = map[Refusal]uint64{}
		}
		c.refusals[Refusal{peer, item.Outcome, item.Reason}]++
		c.mu.Unlock()
	}
}

func (c *Counters) settled(items []gateway.ReceiptItem) {
	for _, item := range items {
		c.Out.of(item.Outcome).Add(1)
		if item.Outcome != gateway.Superseded {
			continue
		}
		c.mu.Lock()
		if c.newer == nil {
			c.newer = map[gateway.OIN]time.Time{}
		}
		c.newer[item.Recipient] = time.Now()
		c.mu.Unlock()
	}
}

// newerFor is how long it is told that a peer knows newer. As long as it goes on
// the peer is sent the present state every resendPause, and says so again.
const newerFor = 24 * time.Hour

// KnowNewer are the peers that not long ago had newer messages of this node than
// those it sent. This node sends in order, and a restored one is known by its
// incarnation: so the database is an older copy, or another one is in use too.
func (c *Counters) KnowNewer() (peers []gateway.OIN) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for peer, at := range c.newer {
		if time.Since(at) < newerFor {
			peers = append(peers, peer)
		}
	}
	slices.Sort(peers)
	return peers
}
