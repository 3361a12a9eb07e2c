package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// newReferral refers somebody with a need that a test changes, and delivers it.
func (r *region) newReferral(t *testing.T, change ...func(*gateway.Need)) string {
	t.Helper()
	n := need()
	for _, c := range change {
		c(&n)
	}
	f := get(r.referrer.AskNewReferral(ctx, r.now, self, store.NewReferral{Provider: peerA, Need: n, Terms: terms()}))(t)
	r.exchange(t)
	return f.ID
}

func on(dagdelen ...gateway.Dagdeel) func(*gateway.Need) {
	return func(n *gateway.Need) { n.Dagdelen = dagdelen }
}

func (r *region) taken(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(get(r.provider.Taken(ctx, "groen", gateway.DateOf(r.now)))(t))
}

func wantTaken(t *testing.T, r *region, want gateway.Taken) {
	t.Helper()
	if got := r.taken(t); got != fmt.Sprint(want) {
		t.Fatalf("taken: got %s, want %v", got, want)
	}
}

// TestReferralPlaces books the own allotment first, then what is nobody's, and
// then there is no place: that of others is never touched.
func TestReferralPlaces(t *testing.T) {
	r := newRegion(t)
	var booked []string
	for i := range 10 {
		id := r.newReferral(t, on("di-ochtend"))
		got := r.commit(t, id, gateway.ActAccept)
		if want := []string{"alblasserdam", ""}[i/5]; got.Allotment != want {
			t.Errorf("place %d: got allotment %q, want %q", i, got.Allotment, want)
		}
		booked = append(booked, id)
	}
	full := r.newReferral(t, on("do-ochtend", "di-ochtend"))
	_, err := r.try(full, gateway.ActAccept)
	if !errors.Is(err, store.ErrNoPlace) || gateway.KindOf(err) != gateway.Conflict || gateway.SafeMessage(err) != "full on di-ochtend: the waiting list is the alternative" {
		t.Errorf("got %v, want ErrNoPlace that names the day", err)
	}
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 5}, "": {"di-ochtend": 5}})
	r.commit(t, booked[0], gateway.ActDecline)
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 4}, "": {"di-ochtend": 5}})
	both := r.commit(t, full, gateway.ActAccept)
	if both.Allotment != "alblasserdam" || both.Number != 2 {
		t.Errorf("got %+v, want both dagdelen in the own allotment", both)
	}
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 5, "do-ochtend": 1}, "": {"di-ochtend": 5}})
	r.exchange(t)
	r.agree(t, full)
	r.sound(t)
}

// TestReferralRefused says why a request to refer is no referral, and keeps
// nothing of it.
func TestReferralRefused(t *testing.T) {
	r := newRegion(t)
	hidden := green(15)
	hidden.ID = "verborgen"
	must(t, r.provider.Publish(ctx, r.now, store.Publication{Put: []store.OwnOffer{{Offer: hidden}}}))
	over := green(15)
	over.ID, over.ValidUntil = "verlopen", "2026-10-31"
	r.offer(t, over)
	first := r.newReferral(t)
	for name, c := range map[string]struct {
		change func(*gateway.Need)
		want   string
	}{
		"unknown": {func(n *gateway.Need) { n.Offer = "geen" }, gateway.WhyNoOffer},
		"unseen":  {func(n *gateway.Need) { n.Offer = "verborgen" }, gateway.WhyNoOffer},
		"expired": {func(n *gateway.Need) { n.Offer = "verlopen" }, gateway.WhyNoOffer},
		"dagdeel": {on("di-ochtend", "za-avond"), gateway.WhyDagdeel},
	} {
		id := r.newReferral(t, c.change)
		f := get(r.referrer.FollowedReferral(ctx, id))(t).Follow
		if f.Status != "" || f.Open != nil || f.Answer.Result != gateway.NotDone || f.Answer.Why != c.want {
			t.Errorf("%s: got %+v, want the answer %s", name, f, c.want)
		}
		_, err := r.provider.ProvidedReferral(ctx, id)
		wantKind(t, err, gateway.NotFound)
		n := need() // it can be referred again, elsewhere or better
		_, err = r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: id, Act: gateway.ActRefer, Need: &n, Terms: terms()})
		must(t, err)
		r.exchange(t)
		if got := r.agree(t, id); got.Status != gateway.Requested {
			t.Errorf("%s: got %+v, want it requested at last", name, got)
		}
	}
	if _, err := r.referrer.AskNewReferral(ctx, r.now, self, store.NewReferral{Provider: peerA, Need: func() gateway.Need {
		n := need()
		n.Follows = first
		return n
	}(), Terms: terms()}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("to follow what has not ended: got %v, want it invalid", err)
	}
	r.sound(t)
}

// TestReferralOfAnother answers whoever asks about somebody else's referral as if
// there were none.
func TestReferralOfAnother(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	in := request(peerB, id, gateway.ActWithdraw, 1)
	in.Message.Recipient = peerA
	get(r.provider.Accept(ctx, r.now, peerA, peerB, []store.Inbound{in}))(t)
	waits := due(t, r.provider.testStore, r.now, peerB)
	last := waits[len(waits)-1]
	if got := string(last.Data); last.Kind != gateway.KindReferralState || !contains(got, `"why":"onbekend"`, `"result":"refused"`) || contains(got, "groen") {
		t.Errorf("got %s, want that it is unknown and no more", got)
	}
	if got := r.agree(t, id); got.Status != gateway.Requested {
		t.Errorf("got %+v, want nothing changed", got)
	}
	state := r.agree(t, id) // and a state from a third party
	state.Number, state.Status, state.Provider = 9, gateway.Accepted, peerB
	items := get(r.referrer.Accept(ctx, r.now, self, peerB, []store.Inbound{
		about(peerB, gateway.KindReferralState, "018f0000-0000-7000-8000-000000000001", &store.ReferralEffect{State: &state}),
	}))(t)
	if items[0].Outcome != gateway.Refused || items[0].Reason != gateway.ReasonProvider {
		t.Errorf("got %+v, want it refused", items[0])
	}
	r.sound(t)
}

func contains(s string, all ...string) bool {
	return !slices.ContainsFunc(all, func(one string) bool { return !strings.Contains(s, one) })
}

// TestReferralReservation keeps places until the introduction and no longer.
func TestReferralReservation(t *testing.T) {
	r := newRegion(t)
	reserve := func(c *store.Commitment) { c.Reserve = true }
	id := r.newReferral(t)
	r.commit(t, id, gateway.ActPlan, reserve) // the day after tomorrow
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 1}})
	r.commit(t, id, gateway.ActPlan, reserve, func(c *store.Commitment) { c.Date = "2026-11-20" })
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 1}})
	r.commit(t, id, gateway.ActMet)
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 1}})
	r.sound(t)
	r.now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	wantTaken(t, r, gateway.Taken{})
	r.commit(t, id, gateway.ActAccept)
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 1}})
	other := r.newReferral(t)
	r.commit(t, other, gateway.ActPlan, reserve)
	r.commit(t, other, gateway.ActMissed)
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 1}})
	r.exchange(t)
	r.agree(t, id)
	r.sound(t)
}

// TestWaitingList keeps the order of entry, and asks why somebody is passed over.
func TestWaitingList(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(3)) // one of each, and one of nobody's
	placed := []string{r.newReferral(t), r.newReferral(t)}
	for _, id := range placed {
		r.commit(t, id, gateway.ActAccept)
	}
	first, second, third := r.newReferral(t, on("di-ochtend", "do-ochtend")), r.newReferral(t), r.newReferral(t)
	for _, id := range []string{first, second} {
		if _, err := r.try(id, gateway.ActAccept); !errors.Is(err, store.ErrNoPlace) {
			t.Fatalf("got %v, want no place", err)
		}
		r.commit(t, id, gateway.ActWaitlist)
	}
	list := get(r.provider.WaitingList(ctx, "groen"))(t)
	if len(list) != 2 || list[0].Referral != first || list[0].Place != 1 || list[1].Place != 2 || list[0].Allotment != "alblasserdam" {
		t.Fatalf("got %+v, want both in order", list)
	}
	r.commit(t, placed[0], gateway.ActDecline) // a place in the allotment
	for _, id := range []string{second, third} {
		if _, err := r.try(id, gateway.ActAccept); !errors.Is(err, store.ErrPassing) {
			t.Fatalf("got %v, want that others are passed over", err)
		}
	}
	r.commit(t, second, gateway.ActAccept, func(c *store.Commitment) { c.Passing = "werksoort" })
	list = get(r.provider.WaitingList(ctx, "groen"))(t)
	if len(list) != 1 || list[0].Referral != first || len(list[0].Passed) != 1 || list[0].Passed[0].Reason != "werksoort" {
		t.Errorf("got %+v, want it explained", list)
	}
	r.commit(t, second, gateway.ActDecline)
	r.commit(t, first, gateway.ActAccept) // who is first passes nobody
	if list = get(r.provider.WaitingList(ctx, "groen"))(t); len(list) != 0 {
		t.Errorf("got %+v, want nobody", list)
	}
	r.sound(t)
}

// TestCountedByTheExport takes no place twice when the export counts a participant
// itself.
func TestCountedByTheExport(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	pseudonym := store.ReferralPseudonym(id)
	count := func(all ...string) {
		t.Helper()
		must(t, r.provider.Publish(ctx, r.now, store.Publication{Counted: map[string][]string{"groen": all}}))
		r.sound(t)
	}
	r.commit(t, id, gateway.ActAccept)
	count(pseudonym, "zzzzzzzz")
	wantTaken(t, r, gateway.Taken{})
	count()
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 1}})
	count(pseudonym)
	r.commit(t, id, gateway.ActDecline)
	wantTaken(t, r, gateway.Taken{})
	count()
	wantTaken(t, r, gateway.Taken{})
	early := r.newReferral(t)
	count(store.ReferralPseudonym(early))
	r.commit(t, early, gateway.ActAccept)
	wantTaken(t, r, gateway.Taken{})
	r.sound(t)
}

// TestFewerPlacesThanAreTaken marks what an import did, so that it is no damage.
func TestFewerPlacesThanAreTaken(t *testing.T) {
	r := newRegion(t)
	for range 6 {
		r.commit(t, r.newReferral(t), gateway.ActAccept)
	}
	taken := get(r.provider.Taken(ctx, "groen", "2026-11-02"))(t)
	if small, same := green(3), green(15); !small.Lowers(same, taken) || same.Lowers(same, taken) {
		t.Errorf("got %t and %t, want that fewer places are held and the same are not", small.Lowers(same, taken), same.Lowers(same, taken))
	}
	r.offer(t, green(3))
	r.sound(t)
	if _, err := r.try(r.newReferral(t), gateway.ActAccept); !errors.Is(err, store.ErrNoPlace) {
		t.Errorf("got %v, want no place", err)
	}
	r.offer(t, green(30))
	r.commit(t, r.newReferral(t), gateway.ActAccept)
	r.sound(t)
}
