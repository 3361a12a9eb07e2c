package node_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
)

// A disk that fails for two days is told of when that begins and when it is
// over, not every minute.
func TestTroubleIsLoggedWhenItChanges(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSite(t)
		var fails atomic.Bool
		opt := s.options()
		opt.Network = gt.NewNetwork().From(s.own.OIN)
		opt.Fault = func(at string) error {
			if fails.Load() && at == "before-commit" {
				return errors.New("the disk says no")
			}
			return nil
		}
		n, err := node.New(t.Context(), opt)
		must(t, err)
		must(t, n.Start(t.Context()))
		_, err = n.Desk.PublishCapacity(t.Context(), gt.Everyone(),
			gateway.Import{Source: "test", Offers: []gateway.Offer{gt.Offer("A-1")}}, false)
		must(t, err)
		time.Sleep(time.Minute)
		count := func(level string) int { return strings.Count(s.log.String(), "level="+level+" ") }
		if got := count("ERROR"); got != 0 {
			t.Fatalf("got %d errors before anything is wrong: %s", got, s.log)
		}

		fails.Store(true)
		tried := n.Exchange.Counters().Failures.Load()
		time.Sleep(48 * time.Hour)
		if got := n.Exchange.Counters().Failures.Load() - tried; got < 1000 {
			t.Fatalf("the peer was tried %d times, want that there was much to log", got)
		}
		got := count("ERROR")
		if n := strings.Count(s.log.String(), `msg="record failure"`); n != 1 {
			t.Errorf("got %d errors of the peer's deliveries in the log, want one", n)
		}
		// A job of every hour that has nothing to write works, unless it shares a
		// transaction with another: some of them come and go.
		if got > 96 {
			t.Errorf("got %d errors in the log of two days, want one of each thing that went wrong", got)
		}
		fails.Store(false)
		time.Sleep(2 * time.Hour)
		if after := count("ERROR"); after != got {
			t.Errorf("got %d errors more when the disk was well again", after-got)
		}
		if !strings.Contains(s.log.String(), "works again") {
			t.Error("the log does not tell that all is well again")
		}
		must(t, n.Stop(context.Background()))
		if t.Failed() {
			t.Log(s.log)
		}
	})
}
