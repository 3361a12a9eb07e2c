package exchange

import (
	"context"
	"sync"

	"github.com/doorstroom/doorstroom/gateway"
)

// lanes share the processors among peers. A peer has one lane: of what it sends,
// one request is worked on at a time, in the order of arrival. The lanes that
// have work take turns, in the order in which they asked: since none can ask
// twice, a peer with a flood of requests gets no more turns than one with a few.
type lanes struct {
	turns chan struct{} // as many as may compute at the same time; who waits for one is served first come, first served

	mu   sync.Mutex
	lane map[gateway.OIN]chan struct{} // guarded by mu; holds one token while somebody is in it
}

func newLanes(turns int) *lanes {
	return &lanes{turns: make(chan struct{}, turns), lane: map[gateway.OIN]chan struct{}{}}
}

// enter waits until the peer's lane is free; leave must be called. There are as
// many lanes as there were ever parties in the register.
func (l *lanes) enter(ctx context.Context, peer gateway.OIN) (leave func(), err error) {
	l.mu.Lock()
	lane := l.lane[peer]
	if lane == nil {
		lane = make(chan struct{}, 1)
		l.lane[peer] = lane
	}
	l.mu.Unlock()
	return take(ctx, lane)
}

// compute waits for a turn on a processor, for who is in a lane; done must be
// called, and before waiting for anything else, such as a disk.
func (l *lanes) compute(ctx context.Context) (done func(), err error) { return take(ctx, l.turns) }

func take(ctx context.Context, tokens chan struct{}) (give func(), err error) {
	select {
	case tokens <- struct{}{}:
		return func() { <-tokens }, nil
	case <-ctx.Done():
		return nil, gateway.Wrap(gateway.Unavailable, ctx.Err(), "this node is busy with the party's other requests")
	}
}
