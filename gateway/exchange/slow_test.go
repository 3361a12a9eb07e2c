package exchange_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// slowLine is a peer behind a line over which only so many messages arrive
// before the sender gives up.
type slowLine struct {
	gt.Peer
	most                   int64
	gaveUp, tried, largest atomic.Int64
}

func (s *slowLine) Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	s.tried.Add(1)
	n := int64(len(batch.Messages))
	if n > s.most {
		s.gaveUp.Add(1)
		<-ctx.Done()
		return gateway.Receipts{}, ctx.Err()
	}
	s.largest.Store(max(n, s.largest.Load()))
	return s.Peer.Accept(ctx, peer, batch)
}

// A batch that does not arrive in time would not the next time either: fewer
// messages go at once, and more again when that works.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Settled(time.Hour)
		line := &slowLine{Peer: f.Node(gt.Alblasserdam).Exchange, most: 5}
		f.Net.Attach(gt.Alblasserdam, line)
		var offers []gateway.Offer
		for i := range 60 {
			offers = append(offers, gt.Offer(fmt.Sprint("aanbod-", i)))
		}
		f.Publish(gt.Smile, offers...)
		f.Settled(24 * time.Hour)
		f.Converged()
		if got := line.gaveUp.Load(); got < 3 || got > 30 || line.largest.Load() < 3 {
			t.Errorf("got %d of %d batches given up, at most %d messages arrived at once; want some given up, and 3 to 5 at once",
				got, line.tried.Load(), line.largest.Load())
		}
		f.Net.Attach(gt.Alblasserdam, f.Node(gt.Alblasserdam).Exchange)
		for range 20 {
			for i := range offers {
				offers[i] = gt.Occupy(offers[i], "alblasserdam", 1+offers[i].Places[0].Occupied%2)
				offers[i].Title += "."
			}
			f.Publish(gt.Smile, offers...)
			f.Settled(time.Hour)
		}
		wire := f.Net.Wire()
		if got := len(wire[len(wire)-1].Batch.Messages); got != len(offers) {
			t.Errorf("once the line is fast: got %d messages in the last batch, want %d", got, len(offers))
		}
	})
}
