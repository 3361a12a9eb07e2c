package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
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
			fails := 1
			for ; ; fails += step() {
				d := newDay(t)
				if !d.liveWith(t, point, fails) {
					break
				}
				d.liveAgain(t)
				if t.Failed() {
					t.Fatalf("with a fault at commit %d", fails)
				}
			}
			if fails < 10 {
				t.Errorf("the last commit that failed is before %d, want at least 10", fails)
			}
		})
	}
}

// step leaves commits out where the race detector makes each slow.
func step() int {
	if testing.Short() {
		return 5
	}
	return 1
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
	status, err := n.Desk.Reload(t.Context(), gt.Everyone())
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

// The same for two nodes that exchange: whichever commit fails, on whichever
// side, before or after it takes effect, in the end the receiver holds exactly
// what the sender shows it, and no message took effect twice.
func TestEveryCommitOfAnExchangeFailsOnce(t *testing.T) {
	t.Parallel()
	for _, side := range []gateway.OIN{gt.Smile, gt.Dordrecht} {
		for _, point := range []string{"before-commit", "after-commit"} {
			t.Run(string(side)+" "+point, func(t *testing.T) {
				t.Parallel()
				fails := 1
				for more := true; more; fails += step() {
					gt.Bubble(t, func(t *testing.T) {
						t.Cleanup(func() {
							if t.Failed() {
								t.Logf("with a fault at commit %d", fails)
							}
						})
						more = exchangeWithFault(t, side, point, int64(fails))
					})
				}
				if fails < 10 {
					t.Errorf("the last commit that failed is before %d, want at least 10", fails)
				}
			})
		}
	}
}

// exchangeWithFault tells whether there were so many commits.
func exchangeWithFault(t *testing.T, side gateway.OIN, point string, fails int64) bool {
	t.Helper()
	var count atomic.Int64
	net := gt.NewNetwork()
	s := newSite(t)
	register, err := os.ReadFile(s.config.Register.File)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.peerDir, filepath.Base(s.config.Register.File)), register, 0o600))
	start := func(dir string, oin gateway.OIN) *node.Node {
		opt := s.options()
		opt.Reread = func() (config.Config, error) { return config.Load(filepath.Join(dir, node.ConfigFile)) }
		opt.Config, err = opt.Reread()
		must(t, err)
		opt.Network = net.From(oin)
		opt.Fault = func(at string) error {
			if oin == side && at == point && count.Add(1) == fails {
				return errors.New("the disk says no")
			}
			return nil
		}
		n, err := node.New(t.Context(), opt)
		if err != nil {
			n, err = node.New(t.Context(), opt)
		}
		must(t, err)
		t.Cleanup(func() { _ = n.Stop(context.Background()) }) // it may be this that fails
		net.Watch(t, oin, n.Exchange.Options)
		if err := n.Start(t.Context()); err != nil {
			must(t, n.Start(t.Context()))
		}
		if n.Desk.PolicyStatus().Error != "" || n.Desk.Rules().Register == nil { // it alarms: somebody acts
			_, err := n.Desk.Reload(t.Context(), gt.Everyone())
			must(t, err)
		}
		net.Attach(oin, n.Exchange)
		return n
	}
	sender, receiver := start(s.dir, gt.Smile), start(s.peerDir, gt.Dordrecht)
	changed := gt.Offer("twee")
	changed.Title = "Gewijzigd"
	for _, offers := range [][]gateway.Offer{
		{gt.Offer("een"), gt.Offer("twee"), gt.Offer("drie")}, {changed, gt.Offer("drie")},
	} {
		imp := gateway.Import{Source: "test", Full: true, Offers: offers}
		if _, err := sender.Desk.PublishCapacity(t.Context(), gt.Everyone(), imp, true); err != nil {
			_, err = sender.Desk.PublishCapacity(t.Context(), gt.Everyone(), imp, true)
			must(t, err)
		}
		time.Sleep(13 * time.Hour) // at the latest a worker looks again after six
	}
	more := count.Load() >= fails
	shown, settled, err := sender.Store.ShownDigest(t.Context(), gt.Dordrecht)
	must(t, err)
	holds, err := receiver.Store.Holds(t.Context(), gt.Smile)
	must(t, err)
	if !settled || shown != holds || shown.Count != 2 {
		t.Errorf("the sender shows %+v (settled: %t), the receiver holds %+v; want the same two offers", shown, settled, holds)
	}
	received, err := receiver.Store.ReceivedOffers(t.Context())
	must(t, err)
	for _, o := range received {
		if o.Capacity.Offer == "twee" && o.Capacity.Title != "Gewijzigd" {
			t.Errorf("got title %q, want the changed one", o.Capacity.Title)
		}
	}
	applied := map[string]int{}
	records, err := receiver.Store.Journal(t.Context(), 0, 1_000_000)
	must(t, err)
	for _, r := range records {
		if r.Kind == journal.KindReceived && r.Outcome == string(gateway.Received) {
			if applied[r.Message]++; applied[r.Message] > 1 {
				t.Errorf("message %s took effect twice", r.Message)
			}
		}
	}
	for _, n := range []*node.Node{sender, receiver} {
		if problems := n.Store.Check(t.Context()); len(problems) > 0 {
			t.Errorf("a database: %v", problems)
		}
	}
	return more
}
