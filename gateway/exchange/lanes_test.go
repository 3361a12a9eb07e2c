package exchange_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/exchange"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// One peer asks a hundred times at once, another then asks once: it is served
// second, not last. This is what one peer's flood costs another, in turns.
func TestFloodersTurnIsOneOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := exchange.NewLanes(1)
		var mu sync.Mutex
		var order []gateway.OIN
		var all sync.WaitGroup
		ask := func(peer gateway.OIN) {
			all.Go(func() {
				leave, err := l.Enter(t.Context(), peer)
				if err != nil {
					t.Error(err)
					return
				}
				defer leave()
				done, err := l.Compute(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer done()
				mu.Lock()
				order = append(order, peer)
				mu.Unlock()
				time.Sleep(time.Second) // the work
			})
			synctest.Wait()
		}
		for range 100 {
			ask(gt.Smile)
		}
		ask(gt.Dordrecht)
		ask(gt.Alblasserdam)
		all.Wait()
		if a, b := slices.Index(order, gt.Dordrecht), slices.Index(order, gt.Alblasserdam); a != 1 || b > 3 {
			t.Errorf("the others came as number %d and %d of %d, want 1 and at most 3", a, b, len(order))
		}
	})
}

// Who gives up waiting harms nobody, and leaves nothing behind.
func TestWhoGivesUpLeavesTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := exchange.NewLanes(1)
		leave, err := l.Enter(t.Context(), gt.Smile)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Enter(short, gt.Smile); gateway.KindOf(err) != gateway.Unavailable {
			t.Errorf("got %v, want kind Unavailable", err)
		}
		if other, err := l.Enter(t.Context(), gt.Dordrecht); err != nil {
			t.Errorf("another peer: got %v", err)
		} else {
			other()
		}
		leave()
		if leave, err = l.Enter(t.Context(), gt.Smile); err != nil {
			t.Errorf("afterwards: got %v", err)
		} else {
			leave()
		}
	})
}

// A peer that says another hello each time, as fast as it can, does not make this
// node plan, compare and try again each time.
func TestHelloStormIsLookedAtNowAndThen(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		hellos, answers := 0, 0
		h.f.Net.Attach(gt.Smile, counting{answers: &answers})
		storm := time.Now().Add(20 * time.Second)
		for ; time.Now().Before(storm); hellos++ {
			if _, err := h.node.Hello(context.Background(), gt.Smile, h.hello(uint64(hellos+1))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if answers > 20 { // 10 in theory: a first look, and a register asked for, come on top
			t.Errorf("%d hellos in 20 seconds made the node call %d times, want no more than one a second", hellos, answers)
		}
	})
}

// hello is one from Smile that says something new.
func (h *hostile) hello(incarnation uint64) string {
	b, err := json.Marshal(gateway.Hello{
		Issuer: gt.Smile, Audience: gt.Alblasserdam, Time: time.Now().UTC().Truncate(time.Second), Protocol: []int{1},
		Kinds: []string{"capacity"}, CodeLists: map[string]string{}, Register: 1, Incarnation: incarnation,
		Holds: gateway.StateDigest{Count: 1, Digest: gateway.Hash([]byte("what you never sent"))},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := seal.Sign(h.key, seal.Hello, b)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// counting is a peer that answers nothing and counts how often it is asked.
type counting struct{ answers *int }

func (c counting) Accept(context.Context, gateway.OIN, gateway.Batch) (gateway.Receipts, error) {
	*c.answers++
	return gateway.Receipts{}, gateway.Errorf(gateway.Unavailable, "away")
}

func (c counting) Hello(context.Context, gateway.OIN, string) (string, error) {
	*c.answers++
	return "", gateway.Errorf(gateway.Unavailable, "away")
}

func (c counting) RegisterFile(context.Context, uint64) ([]byte, error) {
	*c.answers++
	return []byte(strings.Repeat("x", 10)), nil
}
