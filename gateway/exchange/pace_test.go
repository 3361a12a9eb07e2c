package exchange_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// strict is a peer that takes so many requests per second.
type strict struct {
	gt.Peer
	most int

	mu             sync.Mutex
	second         time.Time
	inIt           int
	tried, refused int
}

func (s *strict) Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	if s.tooMany() {
		return gateway.Receipts{}, gateway.Errorf(gateway.Limit, "more requests than this node accepts of one party")
	}
	return s.Peer.Accept(ctx, peer, batch)
}

func (s *strict) tooMany() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now().Truncate(time.Second); now != s.second {
		s.second, s.inIt = now, 0
	}
	s.inIt++
	s.tried++
	if s.inIt > s.most {
		s.refused++
	}
	return s.inIt > s.most
}

// A party that publishes much faster than a peer takes requests sends more at
// once, instead of being silent for long or asking in vain all the time.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Settled(time.Hour)
		peer := &strict{Peer: f.Node(gt.Alblasserdam).Exchange, most: 20}
		f.Net.Attach(gt.Alblasserdam, peer)
		offer := gt.Offer("aanbod")
		for i := range 600 {
			offer.Title = fmt.Sprint("Versie ", i)
			f.Publish(gt.Smile, offer)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		if got := f.Received(gt.Alblasserdam, gt.Smile)["aanbod"].Title; got != "Versie 599" {
			t.Errorf("got %q three seconds later, want the last version", got)
		}
		if peer.refused == 0 || peer.refused > peer.tried/3 {
			t.Errorf("got %d of %d requests refused, want some, but not many", peer.refused, peer.tried)
		}
		f.Converged()
	})
}
