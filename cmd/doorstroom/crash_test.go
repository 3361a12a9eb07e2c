package main_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
)

var (
	crashCycles = flag.Int("cycles", 6, "how many times TestCrash kills; make crash takes 200")
	crashSeed   = flag.Uint64("seed", 0, "of TestCrash and TestPowerCut; 0 takes one from the clock")
)

// TestCrash runs two nodes as processes over real TLS, under load, and kills
// them at random moments. What was acknowledged must be there in the end, once.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for many seconds")
	}
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	c := newCrash(t, seed)
	for cycle := range *crashCycles {
		c.cycle(t, cycle)
	}
	c.settle(t)
	f := c.findings(t)
	t.Logf("%d cycles: %d of %d publishes acknowledged; killed sender %d and receiver %d times; %d messages; lost %d, doubled %d",
		*crashCycles, c.load.acknowledged, c.load.attempted, c.sender.kills, c.receiver.kills, f.messages, len(f.lost), len(f.doubled))
	for _, problem := range append(append(f.lost, f.doubled...), f.wrong...) {
		t.Error(problem)
	}
	if f.messages == 0 || c.load.acknowledged == 0 || c.sender.kills == 0 || c.receiver.kills == 0 {
		t.Error("the run shows nothing: want messages, and kills on both sides")
	}
	if t.Failed() {
		t.Logf("again with: go test ./cmd/doorstroom -run=TestCrash -cycles=%d -seed=%d", *crashCycles, seed)
	}
}

// crash is one run: a sender under load, a receiver, and who kills them.
type crash struct {
	rng              *rand.Rand
	sender, receiver *member
	load             *load
	seen             map[string]int // offer → highest version that the receiver was seen to hold
	lost, wrong      []string       // found on the way
}

func newCrash(t *testing.T, seed uint64) *crash {
	t.Helper()
	c := &crash{rng: rand.New(rand.NewPCG(seed, 1)), seen: map[string]int{}}
	c.sender, c.receiver = twoMembers(t)
	c.load = &load{
		rng: rand.New(rand.NewPCG(seed, 2)), local: c.sender.local, policyFile: filepath.Join(c.sender.dir, node.PolicyFile),
		ledger: ledger{acknowledged: map[string]int{}},
	}
	if err := c.load.writePolicy(); err != nil {
		t.Fatal(err)
	}
	c.restart(t, c.sender, c.receiver)
	return c
}

// cycle publishes, kills one node or both at a random moment, and starts them
// again; sometimes kills them once more while they start.
func (c *crash) cycle(t *testing.T, number int) {
	t.Helper()
	victims := [][]*member{{c.sender}, {c.receiver}, {c.sender, c.receiver}}[number%3]
	stop, ended := make(chan struct{}), make(chan error, 1)
	finish := sync.OnceValue(func() error { close(stop); return <-ended })
	defer finish() // should the test fail before
	go func() { ended <- c.load.run(t.Context(), stop) }()

	c.pause()
	for _, m := range victims {
		m.kill(t)
	}
	if victims[0] == c.sender {
		if err := finish(); gateway.KindOf(err) != gateway.Unavailable && err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
	if c.rng.IntN(4) == 0 {
		for _, m := range victims {
			m.start(t)
		}
		c.pause()
		for _, m := range victims {
			m.kill(t)
		}
	}
	c.restart(t, victims...)
	if err := finish(); err != nil && victims[0] != c.sender {
		t.Fatalf("publish: %v", err)
	}
	c.look(t)
}

func (c *crash) pause() { time.Sleep(time.Duration(5+c.rng.IntN(396)) * time.Millisecond) }

func (c *crash) restart(t *testing.T, members ...*member) {
	t.Helper()
	for _, m := range members {
		m.start(t)
	}
	for _, m := range members {
		m.ready(t)
	}
}

// look compares what the nodes show of themselves with what went before. Done
// after every crash: a lost publish would be covered by the next one.
func (c *crash) look(t *testing.T) {
	t.Helper()
	own, err := c.sender.local.OwnOffers(t.Context())
	if err != nil {
		t.Fatalf("own offers: %v", err)
	}
	holds := map[string]int{}
	for _, o := range own {
		holds[o.Offer.ID] = versionOf(t, o.Offer.Title)
	}
	c.lost = append(c.lost, c.load.compare(holds)...)
	received, err := c.receiver.local.ReceivedOffers(t.Context())
	if err != nil {
		t.Fatalf("received offers: %v", err)
	}
	now := map[string]int{}
	for _, o := range received {
		now[o.Capacity.Offer] = versionOf(t, o.Capacity.Title)
	}
	c.wrong = append(c.wrong, goneBack(c.seen, now)...)
}

// settle publishes once more, waits until nothing is under way and stops both
// nodes in good order.
func (c *crash) settle(t *testing.T) {
	t.Helper()
	must(t, c.load.publish(t.Context()))
	if _, err := c.sender.local.Reload(t.Context()); err != nil {
		t.Fatalf("reload: %v", err)
	}
	within(t, 2*time.Minute, "nothing waits for the receiver", func() bool {
		status, err := c.sender.local.Status(t.Context())
		if err != nil {
			t.Fatalf("status: %v", err)
		}
		for _, p := range status.Peers {
			if p.OIN == c.receiver.party.OIN {
				return p.Queued+p.Held == 0
			}
		}
		return false
	})
	c.look(t)
	c.sender.stop(t)
	c.receiver.stop(t)
}

// findings opens both databases and holds them against the ledger and each
// other.
func (c *crash) findings(t *testing.T) findings {
	t.Helper()
	sender, receiver := c.sender.open(t), c.receiver.open(t)
	f := audit(sender.journal(t), receiver.journal(t), c.load.acknowledged, c.load.attempted)
	f.lost, f.wrong = append(f.lost, c.lost...), append(f.wrong, c.wrong...)
	f.lost = append(f.lost, c.load.compare(sender.own(t))...)
	versions, contact := c.load.expected()
	f.lost = append(f.lost, agree(t, sender, receiver, versions, contact)...)
	f.wrong = append(f.wrong, sender.unsound(t)...)
	f.wrong = append(f.wrong, receiver.unsound(t)...)
	for _, m := range []*member{c.sender, c.receiver} {
		f.wrong = append(f.wrong, m.complaints(t)...)
	}
	return f
}

// within waits for something that must happen.
func within(t *testing.T, limit time.Duration, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// The parties of the run.
const (
	sends    = gt.Smile
	receives = gt.Dordrecht
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// replaceFile changes a file as a whole, so that whoever reads it at that
// moment finds the old one or the new one.
func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
