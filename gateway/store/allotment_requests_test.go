package store_test

import (
	"errors"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// signers are the parties that a test has sign for an allotment.
func signers(a gateway.Allotment) []gateway.OIN {
	return map[string][]gateway.OIN{"alblasserdam": {self}, "sliedrecht": {peerB}}[a.ID]
}

func (r *region) shift(t *testing.T, shifts ...gateway.Shift) gateway.AllotmentRequest {
	t.Helper()
	return get(r.provider.ProposeShift(ctx, r.now, gateway.AllotmentRequest{Offer: "groen", Shifts: shifts, Asked: self}, signers, entryX()))(t)
}

// TestShiftOfAllotments moves places when all who give some have signed, not
// before, and keeps them moved until the export says otherwise.
func TestShiftOfAllotments(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(3))
	for range 2 {
		r.commit(t, r.newReferral(t), gateway.ActAccept)
	}
	waits := r.newReferral(t)
	swap := r.shift(t, gateway.Shift{From: "sliedrecht", To: "alblasserdam", Dagdeel: "di-ochtend", Places: 1},
		gateway.Shift{From: "alblasserdam", To: "sliedrecht", Dagdeel: "do-ochtend", Places: 1})
	if got := swap.Waits(); len(got) != 2 || swap.Status != gateway.ShiftPending {
		t.Fatalf("got %+v, want two signatures missing", swap)
	}
	_, err := r.provider.SignShift(ctx, r.now, swap.ID, peerC, "x", entryX())
	wantKind(t, err, gateway.Denied)
	get(r.provider.SignShift(ctx, r.now, swap.ID, peerB, "signed by b", entryX()))(t)
	if _, err := r.try(waits, gateway.ActAccept); !errors.Is(err, store.ErrNoPlace) {
		t.Errorf("before all have signed: got %v, want no place", err)
	}
	done := get(r.provider.SignShift(ctx, r.now, swap.ID, self, "signed by a", entryX()))(t)
	if done.Status != gateway.ShiftCommitted || done.Ended.IsZero() {
		t.Fatalf("got %+v, want it committed", done)
	}
	if got := r.commit(t, waits, gateway.ActAccept); got.Allotment != "alblasserdam" {
		t.Errorf("got %+v, want the place that was given", got)
	}
	r.offer(t, green(3)) // the export says what it said
	if got := get(r.provider.Shifted(ctx, []gateway.Offer{green(3)}))(t); got[0].Allotments[0].Places[0].Maximum != 2 {
		t.Errorf("got %+v, want the allotments as shifted", got[0].Allotments)
	}
	own, _, err := r.provider.OwnOffer(ctx, "groen")
	must(t, err)
	if got := own.Offer.Allotments[0].Places; got[0].Maximum != 2 || got[1].Maximum != 0 {
		t.Errorf("got %+v, want two on tuesday and none on thursday", got)
	}
	r.provider.reopen(t)
	r.sound(t)
	r.offer(t, green(6)) // the admin's own word
	if own, _, err = r.provider.OwnOffer(ctx, "groen"); err != nil || own.Offer.Allotments[0].Places[0].Maximum != 2 || own.Offer.Allotments[0].Places[1].Maximum != 2 {
		t.Errorf("got %+v and %v, want what the export says", own.Offer.Allotments, err)
	}
	if got := get(r.provider.Shifted(ctx, []gateway.Offer{green(3)}))(t); got[0].Allotments[0].Places[0].Maximum != 1 {
		t.Errorf("got %+v, want the shift forgotten", got[0].Allotments)
	}
	r.sound(t)
}

// TestShiftOfWhatIsTaken ends a request whose places were taken before all had
// signed.
func TestShiftOfWhatIsTaken(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(3))
	release := gateway.Shift{From: "alblasserdam", Dagdeel: "di-ochtend", Places: 1}
	late, dropped := r.shift(t, release), r.shift(t, release)
	if got := get(r.provider.DropShift(ctx, r.now, dropped.ID, entryX()))(t); got.Status != gateway.ShiftDropped {
		t.Errorf("got %+v, want it dropped", got)
	}
	r.commit(t, r.newReferral(t), gateway.ActAccept)
	if got := get(r.provider.SignShift(ctx, r.now, late.ID, self, "signed", entryX()))(t); got.Status != gateway.ShiftInUse {
		t.Errorf("got %+v, want that the place is in use", got)
	}
	_, err := r.provider.SignShift(ctx, r.now, dropped.ID, self, "signed", entryX())
	wantKind(t, err, gateway.Conflict)
	for name, c := range map[string]struct {
		shift gateway.Shift
		want  gateway.Kind
	}{
		"not free":      {release, gateway.Conflict},
		"nowhere":       {gateway.Shift{From: "geen", Dagdeel: "di-ochtend", Places: 1}, gateway.Conflict},
		"to nowhere":    {gateway.Shift{From: "sliedrecht", To: "geen", Dagdeel: "di-ochtend", Places: 1}, gateway.Invalid},
		"none":          {gateway.Shift{From: "sliedrecht", Dagdeel: "di-ochtend"}, gateway.Invalid},
		"to itself":     {gateway.Shift{From: "sliedrecht", To: "sliedrecht", Dagdeel: "di-ochtend", Places: 1}, gateway.Invalid},
		"other dagdeel": {gateway.Shift{From: "sliedrecht", Dagdeel: "za-avond", Places: 1}, gateway.Conflict},
	} {
		_, err := r.provider.ProposeShift(ctx, r.now, gateway.AllotmentRequest{Offer: "groen", Shifts: []gateway.Shift{c.shift}}, signers, entryX())
		if gateway.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want kind %d", name, err, c.want)
		}
	}
	if got := get(r.provider.AllotmentRequests(ctx))(t); len(got) != 2 {
		t.Errorf("got %+v, want both requests", got)
	}
	r.sound(t)
}
