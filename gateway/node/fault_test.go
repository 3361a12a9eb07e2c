package node_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
)

// Every commit of a day in the life of a node fails once: in one run before it
// takes effect, in another after. What was answered without an error is there
// when the node starts again, the database is sound, and doing the same once
// more ends as it would have without the fault.
func TestEveryCommitFailsOnce(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"before-commit", "after-commit"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			commits := 0
			for fails := 1; ; fails++ {
				d := newDay(t)
				if !d.liveWith(t, point, fails) {
					break
				}
				commits++
				d.liveAgain(t)
				if t.Failed() {
					t.Fatalf("with a fault at commit %d", fails)
				}
			}
			if commits < 10 {
				t.Errorf("got %d commits that failed, want at least 10", commits)
			}
		})
	}
}

// day is a node that publishes, gets another policy and the next register.
type day struct {
	*site
	second []byte // the next register
	policy string // version of the policy at the end
	offers, register,
	policyLoaded bool // answered without an error
}

func newDay(t *testing.T) *day {
	t.Helper()
	d := &day{site: newSite(t)}
	first, err := os.ReadFile(d.config.Register.File)
	must(t, err)
	d.second = d.nextRegister(t, first)
	return d
}

// liveWith lives the day with a fault at one commit; false if there were not so
// many.
func (d *day) liveWith(t *testing.T, point string, fails int) bool {
	t.Helper()
	var count atomic.Int64
	opt := d.options()
	opt.Network = gt.NewNetwork().From(d.own.OIN)
	opt.Fault = func(at string) error {
		if at == point && count.Add(1) == int64(fails) {
			return errors.New("the disk says no")
		}
		return nil
	}
	n, err := node.New(t.Context(), opt)
	if err == nil {
		if err := n.Start(t.Context()); err == nil {
			if status := n.Desk.PolicyStatus(); n.Desk.Rules().Policy.Version() == "none" && status.Error == "" {
				t.Error("the node discloses nothing and does not tell")
			}
			d.live(t, n)
			if count.Load() >= int64(fails) { // the disk is well again
				d.live(t, n)
				d.wantAll(t)
			}
		}
		_ = n.Stop(context.Background()) // it may be this that fails
	}
	return count.Load() >= int64(fails)
}

// live does what is done in a day, each thing whatever became of the others.
func (d *day) live(t *testing.T, n *node.Node) {
	t.Helper()
	_, err := n.Desk.PublishCapacity(t.Context(), gt.Everyone(), gateway.Import{
		Source: "test", Full: true, Offers: []gateway.Offer{gt.Offer("een"), gt.Offer("twee")},
	}, true)
	d.offers = err == nil
	text, err := os.ReadFile(d.file(node.PolicyFile))
	must(t, err)
	must(t, os.WriteFile(d.file(node.PolicyFile), append(text, "# een ander beleid\n"...), 0o600))
	status, err := n.Reload(t.Context(), gt.Everyone())
	d.policyLoaded, d.policy = err == nil, status.Version
	_, err = n.Desk.InstallRegister(t.Context(), gt.Everyone(), d.second)
	d.register = err == nil
}

func (d *day) liveAgain(t *testing.T) {
	t.Helper()
	opt := d.options()
	opt.Network = gt.NewNetwork().From(d.own.OIN)
	n, err := node.New(t.Context(), opt)
	must(t, err)
	defer func() { must(t, n.Stop(context.Background())) }()
	own, err := n.Store.OwnOffers(t.Context())
	must(t, err)
	if d.offers && len(own) != 2 {
		t.Errorf("the publication was answered; got %d offers, want 2", len(own))
	}
	reg := n.Desk.Rules().Register
	if d.register && (reg == nil || reg.Version() != 2) {
		t.Errorf("the register was answered; got %+v, want version 2", reg)
	}
	must(t, n.Start(t.Context()))
	if got := n.Desk.PolicyStatus(); d.policyLoaded && got.Version != d.policy {
		t.Errorf("the policy was answered; got version %s, want %s", got.Version, d.policy)
	}
	d.live(t, n)
	d.wantAll(t)
	if own, err = n.Store.OwnOffers(t.Context()); err != nil || len(own) != 2 {
		t.Errorf("got %d offers and %v, want 2", len(own), err)
	}
	if got := n.Desk.Rules().Register.Version(); got != 2 {
		t.Errorf("got register version %d, want 2", got)
	}
	if problems := n.Store.Check(t.Context()); len(problems) > 0 {
		t.Errorf("the database: %v", problems)
	}
}

func (d *day) wantAll(t *testing.T) {
	t.Helper()
	if !d.offers || !d.policyLoaded || !d.register {
		t.Errorf("the second time: offers %t, policy %t, register %t; want all", d.offers, d.policyLoaded, d.register)
	}
}
