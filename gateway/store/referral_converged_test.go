package store_test

import (
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// converged fails the test unless a referrer and the provider know the same of every
// referral between them, with nothing open.
func (l *lives) converged(t *rapid.T, r *region) {
	provided := map[string]store.ReferralFacts{}
	for _, f := range r.provider.Referrals(func(f store.ReferralFacts) bool { return f.Party == r.referrer.oin }) {
		provided[f.ID] = f
		if !f.Awaits.IsZero() {
			t.Fatalf("got %+v, want that nothing is awaited any more", f)
		}
	}
	for _, f := range r.referrer.Referrals(nil) {
		p, ok := provided[f.ID]
		delete(provided, f.ID)
		switch {
		case !ok && (f.Orphan || f.Forgotten || f.Failed != "" || f.Status == "" && f.Open == ""):
			continue // both lost it, or it was told that there is none: there is nothing to give back
		case f.Open != "" || f.Recovering:
			t.Fatalf("got %+v, want nothing open", f)
		case !ok && l.erased[r.provider][f.ID]:
			l.forgets(t, r, f)
			continue
		case !ok:
			t.Fatalf("the provider does not know %+v", f)
		}
		r.agree(t, f.ID)
		if f.Status != p.Status || f.Owner() != p.Owner() || !f.Final() && f.Owner() == "" {
			t.Fatalf("got %+v and %+v, want one owner of the next step", f, p)
		}
	}
	for id, f := range provided {
		if !l.erased[r.referrer][id] {
			t.Fatalf("the referrer does not know %+v", f)
		}
	}
}

// forgets fails the test unless a referrer that asks anything about a referral that
// its provider has erased hears that there is none.
func (l *lives) forgets(t *rapid.T, r *region, f store.ReferralFacts) {
	if f.Final() {
		return
	}
	must(t, l.ask(r.referrer, f.ID, gateway.ActError))
	r.exchange(t)
	if got := get(r.referrer.FollowedReferral(ctx, f.ID))(t); !got.Forgotten {
		t.Fatalf("got %+v, want it forgotten", got)
	}
}

// answered fails the test unless what a node asked for inhabitants is answered, or
// waits for somebody at the other side.
func (l *lives) answered(t *rapid.T, n *node) {
	waiting := map[string]bool{}
	for _, other := range l.nodes() {
		for _, r := range get(other.Rights(ctx))(t) {
			if !r.Asked && r.Open() && r.Party == n.oin {
				waiting[r.Request.Request] = true
			}
		}
	}
	for _, r := range get(n.Rights(ctx))(t) {
		if r.Asked && r.Open() && !waiting[r.Request.Request] {
			t.Fatalf("got %+v, want it answered, or waiting for an answer at the other side", r)
		}
	}
}
