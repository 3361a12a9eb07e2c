package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

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
	places := func() []gateway.Places {
		t.Helper()
		own, _, err := r.provider.OwnOffer(ctx, "groen")
		must(t, err)
		return own.Offer.Allotments[0].Places
	}
	busy := green(3)
	busy.Allotments[0].Places[0].Occupied, busy.Places[0].Occupied = 1, 1 // which divides nothing otherwise
	for _, export := range []gateway.Offer{green(3), busy} {
		r.offer(t, export)
		shifted, over, err := r.provider.Shifted(ctx, []gateway.Offer{export})
		if got := shifted[0].Allotments[0].Places; err != nil || len(over) != 0 || got[0].Maximum != 2 || got[0].Occupied != export.Places[0].Occupied {
			t.Errorf("got %+v, %v and %v, want the allotments as shifted", got, over, err)
		}
		if got := places(); got[0].Maximum != 2 || got[1].Maximum != 0 || got[0].Occupied != export.Places[0].Occupied {
			t.Errorf("got %+v, want two on tuesday and none on thursday", got)
		}
	}
	r.provider.reopen(t)
	r.sound(t)
	r.offer(t, green(6)) // the admin's own word
	if got := places(); got[0].Maximum != 2 || got[1].Maximum != 2 {
		t.Errorf("got %+v, want what the export says", got)
	}
	if got := get(r.provider.AllotmentRequests(ctx))(t); got[0].Status != gateway.ShiftReplaced || got[0].Number != done.Number+1 {
		t.Errorf("got %+v, want it told that the export replaced it", got[0])
	}
	if got, over, err := r.provider.Shifted(ctx, []gateway.Offer{green(3)}); err != nil || len(over) != 0 || got[0].Allotments[0].Places[0].Maximum != 1 {
		t.Errorf("got %+v, want the shift forgotten", got[0].Allotments)
	}
	r.sound(t)
}

// release is a place of Alblasserdam's that becomes nobody's, on tuesday.
func release() gateway.Shift {
	return gateway.Shift{From: "alblasserdam", Dagdeel: "di-ochtend", Places: 1}
}

// released has a place of Alblasserdam's released.
func (r *region) released(t *testing.T) gateway.AllotmentRequest {
	t.Helper()
	done := get(r.provider.SignShift(ctx, r.now, r.shift(t, release()).ID, self, "signed", entryX()))(t)
	if done.Status != gateway.ShiftCommitted {
		t.Fatalf("got %+v, want it committed", done)
	}
	return done
}

// TestShiftIsAdopted ends what was shifted when the export shows the same, and
// counts it once.
func TestShiftIsAdopted(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(6))
	first := r.released(t)
	second := r.released(t) // over the first
	export := green(6)
	export.Allotments[0].Places = []gateway.Places{{Dagdeel: "do-ochtend", Maximum: 2}} // in whatever form
	shifted, over, err := r.provider.Shifted(ctx, []gateway.Offer{export})
	if err != nil || over["groen"] != gateway.ShiftAdopted || len(shifted[0].Allotments[0].Places) != 1 {
		t.Fatalf("got %+v, %v and %v, want it adopted", shifted[0].Allotments, over, err)
	}
	must(t, r.provider.Publish(ctx, r.now, store.Publication{Put: []store.OwnOffer{{Offer: shifted[0]}}, ShiftsOver: over}))
	for _, q := range get(r.provider.AllotmentRequests(ctx))(t) {
		if q.Status != gateway.ShiftAdopted || q.ID != first.ID && q.ID != second.ID {
			t.Errorf("got %+v, want it adopted", q)
		}
	}
	r.offer(t, green(6))
	if own, _, err := r.provider.OwnOffer(ctx, "groen"); err != nil || own.Offer.Allotments[0].Places[0].Maximum != 2 {
		t.Errorf("got %+v and %v, want the export's word after that", own.Offer.Allotments, err)
	}
	r.released(t)
	must(t, r.provider.Publish(ctx, r.now, store.Publication{Delete: []string{"groen"}}))
	for _, q := range get(r.provider.AllotmentRequests(ctx))(t) {
		if q.Status == gateway.ShiftCommitted {
			t.Errorf("the offer is gone: got %+v, want it replaced", q)
		}
	}
	r.sound(t)
}

// TestShiftLapses ends a request that waited too long, also where the last
// signature comes before anybody looked.
func TestShiftLapses(t *testing.T) {
	r := newRegion(t)
	ask := func() string {
		return get(r.provider.ProposeShift(ctx, r.now, gateway.AllotmentRequest{
			Offer: "groen", Shifts: []gateway.Shift{release()}, Asked: self, Until: r.now.Add(gateway.ShiftLife),
		}, signers, entryX()))(t).ID
	}
	late, forgotten := ask(), ask()
	if n := get(r.provider.LapseShifts(ctx, r.now.Add(gateway.ShiftLife)))(t); n != 0 {
		t.Errorf("got %d lapsed on the last day, want none", n)
	}
	r.now = r.now.Add(gateway.ShiftLife + time.Second)
	if got := get(r.provider.SignShift(ctx, r.now, late, self, "signed", entryX()))(t); got.Status != gateway.ShiftLapsed {
		t.Errorf("got %+v, want it lapsed", got)
	}
	if n := get(r.provider.LapseShifts(ctx, r.now))(t); n != 1 {
		t.Errorf("got %d lapsed, want the other one", n)
	}
	if got, _, err := r.provider.AllotmentRequest(ctx, forgotten); err != nil || got.Status != gateway.ShiftLapsed {
		t.Errorf("got %+v and %v, want it lapsed", got, err)
	}
	r.now = r.now.AddDate(0, 0, 91)
	must(t, r.provider.Append(ctx, r.now, entryX()))
	get(r.provider.Purge(ctx, r.now))(t)
	if got := get(r.provider.AllotmentRequests(ctx))(t); len(got) != 0 {
		t.Errorf("got %+v, want them forgotten", got)
	}
}

// TestShiftIsRecovered gives a provider back what it said before it was restored.
func TestShiftIsRecovered(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(3))
	ask := gateway.AllotmentRequest{ID: uuid.NewString(), Offer: "groen", Shifts: []gateway.Shift{release()}, Asked: self}
	said := gateway.AllotmentState{ID: ask.ID, Number: 2, Status: gateway.ShiftCommitted, Ended: r.now}
	for range 2 {
		got := get(r.provider.RecoverShift(ctx, r.now, ask, said, signers, entryX()))(t)
		if got.Status != gateway.ShiftCommitted || got.Number != 3 {
			t.Fatalf("got %+v, want it committed again, after what was said", got)
		}
	}
	if own, _, err := r.provider.OwnOffer(ctx, "groen"); err != nil || own.Offer.Allotments[0].Places[0].Maximum != 0 {
		t.Errorf("got %+v and %v, want the place released", own.Offer.Allotments, err)
	}
	taken := ask
	taken.ID, said.ID = uuid.NewString(), uuid.NewString()
	if got := get(r.provider.RecoverShift(ctx, r.now, taken, said, signers, entryX()))(t); got.Status != gateway.ShiftInUse {
		t.Errorf("got %+v, want that the place is in use", got)
	}
	waits := ask
	waits.ID = uuid.NewString()
	got := get(r.provider.RecoverShift(ctx, r.now, waits, gateway.AllotmentState{Number: 1, Status: gateway.ShiftPending}, signers, entryX()))(t)
	if got.Status != gateway.ShiftPending || len(got.Waits()) != 1 || got.Number != 2 {
		t.Errorf("got %+v, want it waiting for a signature again", got)
	}
	r.sound(t)
}

// TestShiftIsHeard keeps what a provider said last, whatever the order in which it
// comes, and knows when there is something to say again.
func TestShiftIsHeard(t *testing.T) {
	n := newNode(t, self, store.Options{NoSync: true})
	ask := gateway.AllotmentAsk{ID: uuid.NewString(), Provider: peerA, Asked: self, Offer: "groen", Shifts: []gateway.Shift{release()}, Until: start()}
	said := func(number, incarnation uint64, status gateway.AllotmentStatus) store.HeardShift {
		return store.HeardShift{Request: ask, Letter: fmt.Sprint(number, incarnation), State: gateway.AllotmentState{
			ID: ask.ID, Number: number, Incarnation: incarnation, Status: status,
		}}
	}
	must(t, n.SayShift(ctx, start(), store.HeardShift{Request: ask, Ask: "token", Says: gateway.ShiftAsk}, entryX()))
	for i, step := range []struct {
		hears   store.HeardShift
		answers string
		number  uint64
		sent    bool
	}{
		{said(2, 1, gateway.ShiftPending), "", 2, false},
		{said(1, 1, gateway.ShiftPending), gateway.ShiftAsk, 2, false},
		{said(2, 1, gateway.ShiftPending), gateway.ShiftAsk, 2, true},
		{said(3, 1, gateway.ShiftCommitted), "", 3, true},
		{said(0, 2, gateway.ShiftRefused), "", 3, false}, // it was restored, and has lost it
		{said(0, 2, gateway.ShiftRefused), gateway.ShiftAsk, 3, false},
		{said(4, 2, gateway.ShiftCommitted), gateway.ShiftAsk, 4, true},
	} {
		must(t, n.HearShift(ctx, start(), step.hears, step.answers, entryX()))
		got := get(n.HeardShifts(ctx))(t)[0]
		if got.State.Number != step.number || got.Sent != step.sent || got.Ask != "token" {
			t.Errorf("step %d: got number %d, sent %t; want %d and %t", i, got.State.Number, got.Sent, step.number, step.sent)
		}
	}
	n.sound(t)
}

// TestShiftOfWhatIsTaken ends a request whose places were taken before all had
// signed.
func TestShiftOfWhatIsTaken(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(3))
	late, dropped := r.shift(t, release()), r.shift(t, release())
	for range 2 {
		got := get(r.provider.DropShift(ctx, r.now, dropped.ID, gateway.ShiftRefused, peerB, entryX()))(t)
		if got.Status != gateway.ShiftRefused || got.By != peerB || got.Number != 2 {
			t.Errorf("got %+v, want it refused once", got)
		}
	}
	r.commit(t, r.newReferral(t), gateway.ActAccept)
	if got := get(r.provider.SignShift(ctx, r.now, late.ID, self, "signed", entryX()))(t); got.Status != gateway.ShiftInUse {
		t.Errorf("got %+v, want that the place is in use", got)
	}
	_, err := r.provider.SignShift(ctx, r.now, dropped.ID, self, "signed", entryX())
	wantKind(t, err, gateway.Conflict)
	_, err = r.provider.DropShift(ctx, r.now, late.ID, gateway.ShiftDropped, self, entryX())
	wantKind(t, err, gateway.Conflict)
	for name, c := range map[string]struct {
		shift gateway.Shift
		want  gateway.Kind
	}{
		"nowhere":    {gateway.Shift{From: "geen", Dagdeel: "di-ochtend", Places: 1}, gateway.NotFound},
		"to nowhere": {gateway.Shift{From: "sliedrecht", To: "geen", Dagdeel: "di-ochtend", Places: 1}, gateway.NotFound},
		"nobody's":   {gateway.Shift{To: "sliedrecht", Dagdeel: "di-ochtend", Places: 1}, gateway.Conflict}, // here nobody signs for it
	} {
		_, err := r.provider.ProposeShift(ctx, r.now, gateway.AllotmentRequest{Offer: "groen", Shifts: []gateway.Shift{c.shift}}, signers, entryX())
		if gateway.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want kind %d", name, err, c.want)
		}
	}
	own, _, err := r.provider.OwnOffer(ctx, "groen")
	must(t, err)
	for name, s := range map[string]gateway.Shift{
		"none":      {From: "sliedrecht", Dagdeel: "di-ochtend"},
		"to itself": {From: "sliedrecht", To: "sliedrecht", Dagdeel: "di-ochtend", Places: 1},
		"never":     {From: "sliedrecht", Dagdeel: "altijd", Places: 1},
	} {
		if _, err := own.Offer.Shifted([]gateway.Shift{s}, nil, gateway.DateOf(r.now)); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: got %v, want it invalid", name, err)
		}
	}
	for range 20 {
		r.shift(t, release())
	}
	_, err = r.provider.ProposeShift(ctx, r.now, gateway.AllotmentRequest{Offer: "groen", Shifts: []gateway.Shift{release()}, Asked: self}, signers, entryX())
	wantKind(t, err, gateway.Limit)
	r.sound(t)
}
