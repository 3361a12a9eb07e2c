package store_test

import (
	"slices"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// bounded is a region whose nodes have quotas.
func bounded(t *testing.T, q store.Quota) *region {
	t.Helper()
	opt := store.Options{NoSync: true, Quota: q}
	r := &region{referrer: newNode(t, self, opt), provider: newNode(t, peerA, opt), now: start()}
	r.offer(t, green(15))
	return r
}

// keeps fails the test unless a node tells so much of what a party makes it keep.
func (n *node) keeps(t *testing.T, when string, of gateway.OIN, referrals, orphans int, full bool) {
	t.Helper()
	got := get(n.Peer(ctx, of))(t).Kept
	if got.Referrals != referrals || got.Orphans != orphans || got.Full != full {
		t.Errorf("%s: got %d referrals, %d orphans, full %v; want %d, %d, %v", when, got.Referrals, got.Orphans, got.Full, referrals, orphans, full)
	}
	listed := len(n.Referrals(func(f store.ReferralFacts) bool {
		return f.Party == of && (f.Side == gateway.ProviderSide && !f.Final() || f.Orphan)
	}))
	if listed != referrals+orphans {
		t.Errorf("%s: got %d listed, want %d", when, listed, referrals+orphans)
	}
}

// waits are the messages that one node has for another.
func (r *region) waits(t *testing.T, from, to *node) int {
	t.Helper()
	return len(get(from.Due(ctx, r.now, to.oin, 1000, 1<<26, nil))(t))
}

// TestReferralsAtTheQuota: a referrer that has as many referrals under way as it
// may gets no other one in, in one batch or in several, until one is over; those
// under way go on, and so do those of others.
func TestReferralsAtTheQuota(t *testing.T) {
	r := bounded(t, store.Quota{Referrals: 2})
	var ids []string
	for range 4 {
		ids = append(ids, r.refer(t).ID)
	}
	entries := get(r.provider.JournalSize(ctx))(t)
	r.deliver(t, r.referrer, r.provider) // all four in one batch
	r.provider.keeps(t, "a batch over the limit", self, 2, 0, true)
	taken := get(r.provider.JournalSize(ctx))(t) - entries
	r.deliver(t, r.referrer, r.provider)
	if got := get(r.provider.JournalSize(ctx))(t) - entries; got != taken || r.waits(t, r.referrer, r.provider) != 2 {
		t.Errorf("got %d more entries and %d that wait, want none, and two", got-taken, r.waits(t, r.referrer, r.provider))
	}

	other := &region{referrer: newNode(t, peerB, store.Options{NoSync: true}), provider: r.provider, now: r.now}
	get(other.referrer.AskNewReferral(ctx, r.now, peerB, store.NewReferral{Provider: peerA, Need: need(), Terms: terms(), Entry: journal.Entry{Kind: "refer"}}))(t)
	other.deliver(t, other.referrer, other.provider)
	r.provider.keeps(t, "another referrer", peerB, 1, 0, false)

	open := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, err := r.provider.ProvidedReferral(ctx, id)
		return err != nil
	})
	r.deliver(t, r.provider, r.referrer)
	get(r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: open[0], Act: gateway.ActWithdraw, Reason: "overig", Terms: terms()}))(t)
	r.deliver(t, r.referrer, r.provider) // with the two that wait, which come first
	r.provider.keeps(t, "one was withdrawn", self, 1, 0, false)
	r.deliver(t, r.referrer, r.provider)
	r.provider.keeps(t, "one more got in", self, 2, 0, true)

	r.provider.reopen(t)
	r.deliver(t, r.referrer, r.provider)
	r.provider.keeps(t, "after a restart", self, 2, 0, true)
	r.commit(t, open[1], gateway.ActDecline)
	r.provider.keeps(t, "one was declined", self, 1, 0, false)
	r.deliver(t, r.referrer, r.provider)
	r.provider.keeps(t, "the last got in", self, 2, 0, true)
	if got := r.waits(t, r.referrer, r.provider); got != 0 {
		t.Errorf("got %d that wait, want none", got)
	}
	r.sound(t)
}

// TestRecoveredAtTheQuota: what a provider lost is given back to it as far as
// there is room, and the rest when there is.
func TestRecoveredAtTheQuota(t *testing.T) {
	r := bounded(t, store.Quota{})
	r.greet(t)
	backup := r.provider.backup(t)
	for range 3 {
		r.newReferral(t)
	}
	r.provider.opt.Quota = store.Quota{Referrals: 2}
	r.provider.putBack(t, backup, r.now)
	r.hello(t, r.provider, r.referrer)
	get(r.referrer.ReconcileReferrals(ctx, r.now, peerA, r.now.AddDate(0, 0, -30), terms()))(t)
	for range 4 {
		r.deliver(t, r.referrer, r.provider)
		r.deliver(t, r.provider, r.referrer)
	}
	r.provider.keeps(t, "given back", self, 2, 0, true)
	if got := r.waits(t, r.referrer, r.provider); got != 1 {
		t.Errorf("got %d that wait, want one", got)
	}
	r.provider.opt.Quota = store.Quota{}
	r.provider.reopen(t)
	r.greet(t)
	r.provider.keeps(t, "the limit was raised", self, 3, 0, false)
	r.sound(t)
}

// TestOrphansAtTheQuota: a provider makes this node keep no more referrals that it
// knows nothing else of than it may; of those here later states are heard, and one
// that is erased makes room.
func TestOrphansAtTheQuota(t *testing.T) {
	r := bounded(t, store.Quota{})
	var ids []string
	for range 4 {
		ids = append(ids, r.newReferral(t))
	}
	r.referrer = newNode(t, self, store.Options{NoSync: true, Quota: store.Quota{Orphans: 2}}) // all is lost
	for _, id := range ids {
		r.commit(t, id, gateway.ActInvestigate)
	}
	r.deliver(t, r.provider, r.referrer)
	r.referrer.keeps(t, "a batch over the limit", peerA, 0, 2, true)
	r.deliver(t, r.provider, r.referrer)
	r.referrer.keeps(t, "again", peerA, 0, 2, true)

	known := r.referrer.Referrals(nil)
	r.commit(t, known[0].ID, gateway.ActAccept)
	r.deliver(t, r.provider, r.referrer)
	if got := get(r.referrer.FollowedReferral(ctx, known[0].ID))(t); got.Follow.Status != gateway.Accepted {
		t.Errorf("got %q, want the later state of one that is known", got.Follow.Status)
	}
	must(t, r.referrer.EraseReferral(ctx, r.now, known[1].ID, "bewaartermijn", entryX()))
	r.referrer.keeps(t, "one was erased", peerA, 0, 1, false)
	r.deliver(t, r.provider, r.referrer)
	r.referrer.keeps(t, "one more got in", peerA, 0, 2, true)
	r.referrer.reopen(t)
	r.referrer.keeps(t, "after a restart", peerA, 0, 2, true)
	if got := r.waits(t, r.provider, r.referrer); got != 1 {
		t.Errorf("got %d that wait, want one", got)
	}
	r.sound(t)
}
