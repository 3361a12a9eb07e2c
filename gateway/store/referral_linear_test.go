package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const peerC = gateway.OIN("00000099000000004000")

// placing is one step that takes or frees a place.
type placing struct {
	allotment string
	dagdeel   gateway.Dagdeel
	free      bool
}

// placesModel is what five places of an allotment on a dagdeel are, alone.
func placesModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[string][]porcupine.Operation{}
			for _, op := range history {
				in := op.Input.(placing)
				key := in.allotment + string(in.dagdeel)
				parts[key] = append(parts[key], op)
			}
			var all [][]porcupine.Operation
			for _, part := range parts {
				all = append(all, part)
			}
			return all
		},
		Init: func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			taken, placed := state.(int), output.(bool)
			switch {
			case input.(placing).free:
				return taken > 0, taken - 1
			case placed:
				return taken < 5, taken + 1
			}
			return taken >= 5, taken
		},
	}
}

// history is what happened, in the order of a counter that all share.
type history struct {
	clock atomic.Int64
	mu    sync.Mutex
	all   []porcupine.Operation
}

func (h *history) do(client int, in placing, step func() bool) bool {
	call := h.clock.Add(1)
	out := step()
	done := h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: done})
	return out
}

// TestConcurrentAccepts has 200 accept at once for 15 places that are allotted
// 5/5/5: in each allotment, on each dagdeel, as many have a place as ask for one,
// or five; and there is an order in which all that was answered is right, also
// while places come free in between.
func TestConcurrentAccepts(t *testing.T) {
	for _, freeing := range []bool{false, true} {
		t.Run(fmt.Sprintf("freeing=%t", freeing), func(t *testing.T) {
			s := newNode(t, self, store.Options{NoSync: true}).testStore
			who := map[gateway.OIN]string{peerA: "a", peerB: "b", peerC: "c"}
			demand := crowd(t, s, who)
			var h history
			var wg sync.WaitGroup
			clients := 0
			for id, in := range demand {
				clients++
				client := clients
				wg.Go(func() {
					placed := h.do(client, in, func() bool { return tryAccept(t, s, id) })
					if placed && freeing {
						in.free = true
						h.do(client, in, func() bool {
							_, err := s.CommitReferral(ctx, start(), store.Commitment{Referral: id, Act: gateway.ActDecline, Reason: "overig", Terms: terms()})
							return err == nil
						})
					}
				})
			}
			wg.Wait()
			if got := porcupine.CheckOperationsTimeout(placesModel(), h.all, time.Minute); got != porcupine.Ok {
				t.Errorf("got %s, want that some order explains all answers", got)
			}
			s.sound(t)
			for _, f := range s.Referrals(nil) { // listings are as late as the rows
				if row := get(s.ProvidedReferral(ctx, f.ID))(t).Referral; row.Status != f.Status || row.Number != f.Number {
					t.Errorf("listed: got %+v, want %+v", f, row)
				}
			}
			if !freeing {
				wantFair(t, s, demand)
			}
		})
	}
}

// crowd refers 200 people to an offer with five places per party and dagdeel.
func crowd(t *testing.T, s *testStore, who map[gateway.OIN]string) map[string]placing {
	t.Helper()
	dagdelen := []gateway.Dagdeel{"di-ochtend", "do-ochtend"}
	o := gateway.Offer{ID: "groen", Provider: self, Title: "Groen", ValidUntil: "2027-12-31"}
	var sends []store.Send
	var five []gateway.Places
	for _, d := range dagdelen {
		o.Places = append(o.Places, gateway.Places{Dagdeel: d, Maximum: 15})
		five = append(five, gateway.Places{Dagdeel: d, Maximum: 5})
	}
	for oin, id := range who {
		o.Allotments = append(o.Allotments, gateway.Allotment{ID: id, Parties: []gateway.OIN{oin}, Places: five})
		sends = append(sends, capacity(oin, o.ID, o.Title))
	}
	must(t, s.Publish(ctx, start(), store.Publication{Put: []store.OwnOffer{{Offer: o}}, Sends: sends}))
	shares := map[gateway.OIN]int{peerA: 120, peerB: 77, peerC: 3}
	demand := map[string]placing{}
	for oin, n := range shares {
		var in []store.Inbound
		for i := range n {
			id, d := uuid.NewString(), dagdelen[i%2]
			in = append(in, request(oin, id, gateway.ActRefer, 0, func(q *gateway.ReferralRequest) { q.Need.Dagdelen = []gateway.Dagdeel{d} }))
			demand[id] = placing{allotment: who[oin], dagdeel: d}
		}
		acceptAll(t, s, start(), in...)
	}
	return demand
}

func tryAccept(t *testing.T, s *testStore, id string) bool {
	_, err := s.CommitReferral(ctx, start(), store.Commitment{Referral: id, Act: gateway.ActAccept, Terms: terms()})
	if err != nil && !errors.Is(err, store.ErrNoPlace) {
		t.Errorf("got %v, want a place or ErrNoPlace", err)
	}
	return err == nil
}

// wantFair compares what was taken with min(demand, 5).
func wantFair(t *testing.T, s *testStore, demand map[string]placing) {
	t.Helper()
	want := gateway.Taken{}
	for _, in := range demand {
		if want[in.allotment][in.dagdeel] < 5 {
			want.Add(in.allotment, []gateway.Dagdeel{in.dagdeel}, 1)
		}
	}
	if got := get(s.Taken(ctx, "groen", "2026-11-02"))(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("taken: got %v, want %v", got, want)
	}
}

// TestPlacesModelRefuses knows a history with a place too many.
func TestPlacesModelRefuses(t *testing.T) {
	var h history
	for i := range 6 {
		h.do(i, placing{allotment: "a"}, func() bool { return true })
	}
	if porcupine.CheckOperations(placesModel(), h.all) {
		t.Error("got that six people have five places, want that refused")
	}
}
