package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// lives is a region of one provider and those who refer to it, of which each may be
// put back from what it was.
type lives struct {
	provider  *node
	referrers []*node
	now       time.Time
	backups   map[*node][][]byte
	silent    map[*node]map[*node]bool  // who was put back and has said hello to whom not yet
	erased    map[*node]map[string]bool // referrals
	ids       []string                  // of all referrals, in their order
	late      []underWay
	refused   int // commitments that had to wait, or did not fit
}

// underWay are messages that were sent, and that may arrive once more.
type underWay struct {
	from, to *node
	in       []store.Inbound
}

// with is what goes on between one referrer and the provider.
func (l *lives) with(referrer *node) *region {
	return &region{referrer: referrer, provider: l.provider, now: l.now}
}

func (l *lives) nodes() []*node { return append([]*node{l.provider}, l.referrers...) }

// between is what goes on between two of the nodes.
func (l *lives) between(a, b *node) *region {
	if a == l.provider {
		a = b
	}
	return l.with(a)
}

var errKilled = errors.New("killed")

// TestReferralsConvergeAfterRestores draws stories of a provider and two referrers
// that compete for its places, with accepts, waiting lists, allotments that are
// shifted, requests of inhabitants, erasures, messages that are late, lost or come
// twice, and restores of every side from any backup of before. Nothing is overbooked
// without a word, each step has one owner, and once they have greeted each other all
// know the same.
func TestReferralsConvergeAfterRestores(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		l := newLives(t, filepath.Join(dir, fmt.Sprint(runs)))
		defer func() {
			for _, n := range l.nodes() {
				_ = n.Close()
				_ = os.Remove(n.path)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"":         func(t *rapid.T) { l.sound(t) },
			"refer":    l.drawRefer,
			"commit":   l.drawCommit,
			"accept":   func(t *rapid.T) { l.drawStep(t, gateway.ActAccept) },
			"ask":      l.drawAsk,
			"shift":    l.drawShift,
			"rights":   l.drawRights,
			"answer":   l.drawAnswer,
			"erase":    l.drawErase,
			"withhold": l.drawWithhold,
			"deliver":  l.drawDelivery,
			"lose":     l.drawLoss,
			"late":     l.drawLate,
			"backup": func(t *rapid.T) {
				n := l.drawNode(t)
				l.backups[n] = append(l.backups[n], n.backup(t))
			},
			"restore": func(t *rapid.T) {
				n := l.drawNode(t)
				l.restore(t, n, l.backups[n][rapid.IntRange(0, len(l.backups[n])-1).Draw(t, "backup")])
			},
			"greet": func(t *rapid.T) { l.greet(t) },
			"days":  func(t *rapid.T) { l.pass(t, rapid.IntRange(1, 4).Draw(t, "days")) },
		})
		l.end(t)
	})
}

func newLives(t *rapid.T, path string) *lives {
	l := &lives{now: start(), backups: map[*node][][]byte{}, silent: map[*node]map[*node]bool{}, erased: map[*node]map[string]bool{}}
	open := func(oin gateway.OIN) *node {
		k := newKeys()
		n := &node{testStore: &testStore{path: path + "-" + string(oin), opt: store.Options{NoSync: true, Vault: k}}, oin: oin, keys: k}
		n.reopen(t)
		l.erased[n], l.silent[n] = map[string]bool{}, map[*node]bool{}
		return n
	}
	l.provider, l.referrers = open(peerA), []*node{open(self), open(peerB)}
	l.with(l.referrers[0]).offer(t, green(3*rapid.IntRange(1, 2).Draw(t, "places")))
	l.greet(t)
	for _, n := range l.nodes() {
		l.backups[n] = append(l.backups[n], n.backup(t))
	}
	return l
}

// end brings all that waits, lets more time go by than messages live, and looks
// whether all know the same.
func (l *lives) end(t *rapid.T) {
	l.late = nil
	for _, wait := range []time.Duration{0, 0, away, 0} {
		l.now = l.now.Add(wait)
		l.expire(t)
		l.greet(t)
		l.sound(t)
	}
	for _, n := range l.referrers {
		l.converged(t, l.with(n))
	}
	for _, n := range l.nodes() {
		l.answered(t, n)
	}
}

// pass lets days go by, in all less than those after which nobody goes through what
// has ended.
func (l *lives) pass(t *rapid.T, days int) {
	if l.now.Before(start().AddDate(0, 0, 20)) {
		l.now = l.now.AddDate(0, 0, days)
		l.expire(t)
	}
}

// expire is the hourly work of all nodes: it ends messages that waited too long,
// also those of a backup that was put back.
func (l *lives) expire(t *rapid.T) {
	l.now = l.now.Add(time.Hour)
	for _, n := range l.nodes() {
		get(n.Expire(ctx, l.now))(t)
	}
}

func (l *lives) sound(t *rapid.T) {
	for _, n := range l.nodes() {
		n.sound(t)
	}
}

func (l *lives) greet(t *rapid.T) {
	for _, n := range l.referrers {
		clear(l.silent[n])
		l.with(n).greet(t)
	}
	clear(l.silent[l.provider])
	for _, n := range l.referrers { // what one frees the provider may tell the other
		l.with(n).exchange(t)
	}
}

// restore puts a node back and starts it. It says hello before anything else goes.
func (l *lives) restore(t *rapid.T, n *node, backup []byte) {
	n.putBack(t, backup, l.now)
	n.reopen(t)
	for _, other := range l.nodes() {
		if other != n && (n == l.provider || other == l.provider) {
			l.silent[n][other] = true
		}
	}
}

// ready does what a node does before it sends anything: after a restore it says
// hello, and is told hello, and it goes through its referrals where that is owed.
func (l *lives) ready(t *rapid.T, from, to *node) {
	r := l.between(from, to)
	if l.silent[from][to] {
		delete(l.silent[from], to)
		r.hello(t, from, to)
		r.hello(t, to, from)
	}
	r.goThrough(t, from, to)
}

// drawWay is from one node to another.
func (l *lives) drawWay(t *rapid.T) (from, to *node) {
	from, to = l.referrers[rapid.IntRange(0, len(l.referrers)-1).Draw(t, "referrer")], l.provider
	if rapid.Bool().Draw(t, "from the provider") {
		from, to = to, from
	}
	return from, to
}

func (l *lives) drawNode(t *rapid.T) *node {
	all := l.nodes()
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "node")]
}

// drawDelivery brings what waits to the other side.
func (l *lives) drawDelivery(t *rapid.T) {
	from, to := l.drawWay(t)
	l.ready(t, from, to)
	l.between(from, to).deliver(t, from, to)
}

// drawLoss sends some of what waits, and the sender hears nothing: it does not
// arrive, it does now and the receipts are lost, or it does later.
func (l *lives) drawLoss(t *rapid.T) {
	from, to := l.drawWay(t)
	l.ready(t, from, to)
	waits := get(from.Due(ctx, l.now, to.oin, rapid.IntRange(1, 3).Draw(t, "messages"), 1<<26, nil))(t)
	if len(waits) == 0 {
		t.Skip("nothing waits")
	}
	must(t, from.BeginAttempt(ctx, l.now, to.oin, sequences(waits), l.now.Add(time.Minute)))
	u := underWay{from: from, to: to}
	for _, o := range waits {
		u.in = append(u.in, inboundOf(t, from, to.oin, o))
	}
	if rapid.Bool().Draw(t, "arrives") {
		l.arrive(t, u)
	}
	if rapid.Bool().Draw(t, "comes late") {
		l.late = append(l.late, u)
	}
	must(t, from.AttemptFailed(ctx, l.now, to.oin, sequences(waits), "timeout", l.now.Add(time.Minute)))
}

// drawLate brings what was sent before, whatever has come since.
func (l *lives) drawLate(t *rapid.T) {
	if len(l.late) == 0 {
		t.Skip("nothing is under way")
	}
	l.arrive(t, l.late[rapid.IntRange(0, len(l.late)-1).Draw(t, "batch")])
}

func (l *lives) arrive(t *rapid.T, u underWay) {
	var in []store.Inbound
	for _, one := range u.in {
		if l.now.Before(one.Message.Expires) { // others are refused before they come so far
			in = append(in, one)
		}
	}
	get(u.to.Accept(ctx, l.now, u.to.oin, u.from.oin, in))(t)
}
