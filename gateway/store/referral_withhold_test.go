package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestStatesAreToldUnderWiderRules tells a referrer, once other rules are in force,
// the states that those of before kept from it, as far as these let them go; and
// goes through nothing where none were kept.
func TestStatesAreToldUnderWiderRules(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	id, rules := r.newReferral(t), 0
	change := func() (owed bool) {
		rules++
		must(t, r.provider.Publish(ctx, r.now, store.Publication{Correct: true, Policy: fmt.Sprint("p", rules)}))
		return get(r.provider.OwedReferrals(ctx, self))(t)
	}
	goThrough := func(under store.ReferralTerms) gateway.ReferralStatus {
		get(r.provider.ReconcileReferrals(ctx, r.now, self, r.now.Add(-time.Hour), under))(t)
		r.exchange(t)
		return get(r.referrer.FollowedReferral(ctx, id))(t).Follow.Status
	}
	if change() {
		t.Fatal("got that the referrals are gone through again, want that all was told")
	}
	narrow := terms()
	narrow.Tell = func(gateway.Referral) store.ToldState { return store.ToldState{DeniedBy: "default"} }
	r.commit(t, id, gateway.ActAccept, func(c *store.Commitment) { c.Terms = narrow })
	r.exchange(t)
	for _, one := range []struct {
		terms store.ReferralTerms
		want  gateway.ReferralStatus
	}{{narrow, gateway.Requested}, {terms(), gateway.Accepted}} {
		if !change() {
			t.Fatal("got nothing owed, want that the referrals are gone through again")
		}
		if got := goThrough(one.terms); got != one.want {
			t.Errorf("got %q, want %q", got, one.want)
		}
	}
	if r.agree(t, id); change() {
		t.Error("got that the referrals are gone through again, want that all was told")
	}
}
