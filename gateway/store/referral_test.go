package store_test

import (
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestReferralBothSides follows one referral from request to start.
func TestReferralBothSides(t *testing.T) {
	r := newRegion(t)
	f := r.refer(t)
	if f.Open == nil || f.Open.Act != gateway.ActRefer || f.Number != 0 {
		t.Fatalf("got %+v, want an open request", f)
	}
	r.exchange(t)
	if got := r.agree(t, f.ID); got.Status != gateway.Requested || got.Due != "2026-11-05" || got.Answer.Result != gateway.Committed {
		t.Fatalf("got %+v, want it requested", got)
	}
	accepted := r.commit(t, f.ID, gateway.ActAccept)
	if accepted.Allotment != "alblasserdam" || accepted.Number != 2 {
		t.Errorf("got %+v, want a place of the own allotment", accepted)
	}
	r.exchange(t)
	r.agree(t, f.ID)
	taken := get(r.provider.Taken(ctx, "groen", "2026-11-02"))(t)
	if taken["alblasserdam"]["di-ochtend"] != 1 || len(taken) != 1 {
		t.Errorf("taken: got %v, want one place", taken)
	}
	r.sound(t)
}

// TestDueByTrajectsoort knows the term of a trajectsoort also where a message does
// not say which it is.
func TestDueByTrajectsoort(t *testing.T) {
	s := newNode(t, self, store.Options{NoSync: true}).testStore
	now := start()
	referred(t, s, now)
	cancel := request(peerA, referralOf, gateway.ActCancel, 2)
	cancel.Effect.Referral.Terms.DueIn = func(r gateway.Referral, trajectsoort string) gateway.Date {
		if trajectsoort == need().Trajectsoort && r.Status == gateway.CancelAsked {
			return "2026-12-24"
		}
		return ""
	}
	must(t, committed(t, s, now, gateway.ActAccept))
	acceptAll(t, s, now, cancel)
	if got := get(s.ProvidedReferral(ctx, referralOf))(t).Referral; got.Due != "2026-12-24" {
		t.Errorf("got %+v, want it due by the term of its trajectsoort", got)
	}
	s.sound(t)
}

// TestListingsNeverGoBack has the writer of an earlier change come after that of a
// later one.
func TestListingsNeverGoBack(t *testing.T) {
	if got := store.IndexIn(1, 3, 2); got != 3 {
		t.Errorf("got %d, want the later change", got)
	}
}
