package exchange_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// eager does something while it has the first full batch.
type eager struct {
	gt.Peer
	meanwhile func()

	once  sync.Once
	mu    sync.Mutex
	sizes []int // of batches; guarded by mu
}

func (e *eager) Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	e.mu.Lock()
	e.sizes = append(e.sizes, len(batch.Messages))
	e.mu.Unlock()
	receipts, err := e.Peer.Accept(ctx, peer, batch)
	if len(batch.Messages) == gateway.MaxBatch {
		e.once.Do(func() {
			time.Sleep(time.Second) // the sender signs the next meanwhile
			e.meanwhile()
		})
	}
	return receipts, err
}

// A batch that was signed while another was under way is only as good as what
// waits when its turn comes: an offer that changed meanwhile goes once, as it is.
func TestSignedAhead(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Settled(time.Hour)
		offers := make([]gateway.Offer, 2*gateway.MaxBatch)
		for i := range offers {
			offers[i] = gt.Offer(fmt.Sprintf("aanbod-%04d", i))
		}
		changed := 0 // one that is not in the first batch
		peer := &eager{Peer: f.Node(gt.Alblasserdam).Exchange, meanwhile: func() {
			received := f.Received(gt.Alblasserdam, gt.Smile)
			changed = slices.IndexFunc(offers, func(o gateway.Offer) bool { return received[o.ID].Title == "" })
			offers[changed].Title = "Intussen gewijzigd"
			f.Publish(gt.Smile, offers...)
		}}
		f.Net.Attach(gt.Alblasserdam, peer)
		f.Publish(gt.Smile, offers...)
		f.Settled(time.Hour)
		peer.mu.Lock()
		defer peer.mu.Unlock()
		total := 0
		for _, size := range peer.sizes {
			total += size
		}
		if total != len(offers) {
			t.Errorf("got %d messages in batches of %d, want %d", total, peer.sizes, len(offers))
		}
		if got := f.Received(gt.Alblasserdam, gt.Smile)[offers[changed].ID].Title; got != offers[changed].Title {
			t.Errorf("got %q, want the offer as it was when its batch began", got)
		}
		f.Converged()
	})
}
