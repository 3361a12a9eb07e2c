package store_test

import (
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// away is longer than messages live.
const away = 16 * 24 * time.Hour

// TestRefusalThatWasGivenUp: a referrer that was away for longer than messages live
// hears why its referral was refused, although its provider kept nothing of it, and
// is asked no more often than messages live.
func TestRefusalThatWasGivenUp(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	n := need()
	n.Offer = "hout"
	id := get(r.referrer.AskNewReferral(ctx, r.now, self, store.NewReferral{Provider: peerA, Need: n, Terms: terms()}))(t).ID
	r.deliver(t, r.referrer, r.provider)
	by := get(r.referrer.FollowedReferral(ctx, id))(t).AnswerBy
	r.pass(t, away)
	if got := r.deliver(t, r.provider, r.referrer); len(got) > 0 {
		t.Fatalf("got %v, want that the answer was given up", got)
	}
	r.reconcile(t, r.referrer)
	if got := get(r.referrer.FollowedReferral(ctx, id))(t).AnswerBy; got != by {
		t.Errorf("got an answer due on %s, want still %s: it is overdue", got, by)
	}
	r.deliver(t, r.referrer, r.provider)
	r.pass(t, time.Hour)
	if get(r.referrer.OwedReferrals(ctx, peerA))(t) {
		t.Error("it would be asked again and again")
	}
	r.greet(t)
	if got := get(r.referrer.FollowedReferral(ctx, id))(t); got.Follow.Open != nil || got.Follow.Answer.Why != gateway.WhyNoOffer {
		t.Errorf("got %+v, want it refused", got.Follow)
	}
}

// TestUnknownToWhomItWasAsked: so does who asks something for an inhabitant of a
// party that has erased the referral.
func TestUnknownToWhomItWasAsked(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	id := r.newReferral(t)
	r.commit(t, id, gateway.ActDecline)
	r.exchange(t)
	must(t, r.provider.EraseReferral(ctx, r.now, id, "bewaartermijn", entryX()))
	get(r.referrer.AskRights(ctx, r.now, store.AskedRights{
		Request: gateway.SubjectRequest{Referral: id, Act: gateway.Erase, Ground: "bezwaar", Received: "2026-11-02", AnswerBy: "2026-11-30"},
		Here:    true, Terms: terms(), Entry: entryX(),
	}))(t)
	r.deliver(t, r.referrer, r.provider)
	r.pass(t, away)
	r.greet(t)
	for _, got := range get(r.referrer.Rights(ctx))(t) {
		if got.Open() || got.Answer.Reason != gateway.SubjectUnknown {
			t.Errorf("got %+v, want it answered", got)
		}
	}
}

// TestRefusedReferralAskedAgainAfterARestore: what was refused, and is asked again
// after its provider was restored, is not told to come again until it is given up.
func TestRefusedReferralAskedAgainAfterARestore(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	backup := r.provider.backup(t)
	n := need()
	id := r.newReferral(t, func(n *gateway.Need) { n.Offer = "hout" })
	r.provider.putBack(t, backup, r.now)
	r.greet(t)
	get(r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: id, Act: gateway.ActRefer, Need: &n, Terms: terms()}))(t)
	r.exchange(t)
	if got := r.agree(t, id); got.Status != gateway.Requested {
		t.Errorf("got %q, want it referred", got.Status)
	}
}

// TestCorrectionThatWasErased: what an inhabitant asked to correct, and had erased
// since, cannot be asked again of a party that has lost it: that is said.
func TestCorrectionThatWasErased(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	r.greet(t)
	backup := r.provider.backup(t)
	ask := func(n *node, q gateway.SubjectRequest) {
		q.Referral, q.Ground, q.Received, q.AnswerBy = id, "onjuist", "2026-11-02", "2026-11-30"
		get(n.AskRights(ctx, r.now, store.AskedRights{Request: q, Terms: terms(), Entry: entryX()}))(t)
		r.exchange(t)
	}
	ask(r.referrer, gateway.SubjectRequest{Act: gateway.Rectify, Correction: gateway.Correction{Need: gateway.NeedPart{Note: corrected}}})
	ask(r.provider, gateway.SubjectRequest{Act: gateway.Erase, Fields: []gateway.Field{"need.note"}})
	for _, q := range get(r.referrer.Rights(ctx))(t) {
		if !q.Asked {
			get(r.referrer.AnswerRights(ctx, r.now, store.RightsAnswer{
				Request: q.Request.Request, Party: peerA, Terms: terms(), Entry: entryX(),
				Answer: gateway.SubjectAnswer{Result: gateway.SubjectDone, On: gateway.DateOf(r.now)},
			}))(t)
		}
	}
	r.provider.putBack(t, backup, r.now)
	r.greet(t)
	for _, q := range get(r.referrer.Rights(ctx))(t) {
		if q.Asked && (q.Open() || q.Failed != string(gateway.Withdrawn)) {
			t.Errorf("got %+v, want it withdrawn", q)
		}
	}
}

// pass lets time go by at both nodes.
func (r *region) pass(t *testing.T, d time.Duration) {
	t.Helper()
	r.now = r.now.Add(d)
	for _, n := range []*node{r.referrer, r.provider} {
		get(n.Expire(ctx, r.now))(t)
	}
}

// reconcile has the referrer go through its referrals where that is owed.
func (r *region) reconcile(t *testing.T, n *node) {
	t.Helper()
	if !get(n.OwedReferrals(ctx, peerA))(t) {
		t.Fatal("nothing is owed")
	}
	get(n.ReconcileReferrals(ctx, r.now, peerA, r.now.Add(-30*24*time.Hour), terms()))(t)
}

// TestRecoveryThatPolicyKeepsBack: where policy no longer lets a provider that was
// restored be told what it lost, it need not wait for that, what it says from then on
// is heard, and both see that something was undone.
func TestRecoveryThatPolicyKeepsBack(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	id := r.newReferral(t)
	backup := r.provider.backup(t)
	r.commit(t, id, gateway.ActAccept)
	r.exchange(t)
	r.provider.putBack(t, backup, r.now)
	r.hello(t, r.provider, r.referrer)
	r.reconcile(t, r.referrer)
	waits := due(t, r.referrer.testStore, r.now, peerA)
	if len(waits) != 1 {
		t.Fatalf("got %d messages, want what is given back", len(waits))
	}
	must(t, r.referrer.Withhold(ctx, r.now, peerA, []store.Withheld{{Kind: waits[0].Kind, Subject: waits[0].Subject, Rule: "default"}}, terms()))
	r.greet(t)
	r.commit(t, id, gateway.ActInvestigate)
	r.exchange(t)
	if got := r.agree(t, id); got.Status != gateway.Investigating {
		t.Errorf("got %q, want the step of now", got.Status)
	}
	undone := r.referrer.Referrals(func(f store.ReferralFacts) bool { return f.Undone == gateway.Accepted && f.Failed != "" })
	if len(undone) != 1 {
		t.Errorf("got %+v, want what was undone shown", r.referrer.Referrals(nil))
	}
	r.sound(t)
}

// TestAnswerThatBothSidesLost: of a request that its maker lost with a restore only an
// answer that asks for more time is known; once its other side has lost it too, it
// stays open no longer.
func TestAnswerThatBothSidesLost(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	r.greet(t)
	asker, answerer := r.referrer.backup(t), r.provider.backup(t)
	q := get(r.referrer.AskRights(ctx, r.now, store.AskedRights{
		Request: gateway.SubjectRequest{Referral: id, Act: gateway.Restrict, Ground: "bezwaar", Received: "2026-11-02", AnswerBy: "2026-11-30"},
		Terms:   terms(), Entry: entryX(),
	}))(t)
	r.exchange(t)
	get(r.provider.AnswerRights(ctx, r.now, store.RightsAnswer{
		Request: q.Request.Request, Party: self, Terms: terms(), Entry: entryX(),
		Answer: gateway.SubjectAnswer{Result: gateway.SubjectExtended, Reason: "complex", On: gateway.DateOf(r.now), AnswerBy: "2027-01-29"},
	}))(t)
	r.referrer.putBack(t, asker, r.now)
	r.greet(t)
	if all := get(r.referrer.Rights(ctx))(t); len(all) != 1 || !all[0].Orphan || !all[0].Open() {
		t.Fatalf("got %+v, want the answer known", all)
	}
	r.provider.putBack(t, answerer, r.now)
	r.greet(t)
	for _, got := range get(r.referrer.Rights(ctx))(t) {
		if got.Open() {
			t.Errorf("got %+v, want it open no longer: nobody will answer it", got)
		}
	}
}
