package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// sharing is one step on a dagdeel of which places are for a, for b and nobody's:
// somebody of a party is accepted, or a place is shifted.
type sharing struct {
	accept   string // a or b
	from, to string // else
}

// pools are what a model knows of the places: how many, and how many are taken.
type pools struct{ free, taken map[string]int }

func (p pools) with(change func(pools)) pools {
	out := pools{map[string]int{}, map[string]int{}}
	for _, id := range []string{"a", "b", ""} {
		out.free[id], out.taken[id] = p.free[id], p.taken[id]
	}
	change(out)
	return out
}

// sharingModel is what the places are with one step at a time. An accept gives the
// pool of which a place is taken, or "full"; a shift gives where it ends.
func sharingModel(each int) porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			return pools{}.with(func(p pools) { p.free["a"], p.free["b"], p.free[""] = each, each, each })
		},
		Equal: func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) },
		Step: func(state, input, output any) (bool, any) {
			p, in, out := state.(pools), input.(sharing), output.(string)
			if in.accept == "" {
				if p.free[in.from] == 0 {
					return out == string(gateway.ShiftInUse), p
				}
				return out == string(gateway.ShiftCommitted), p.with(func(p pools) { p.free[in.from]--; p.free[in.to]++ })
			}
			for _, pool := range []string{in.accept, ""} {
				if p.free[pool] > 0 {
					return out == pool, p.with(func(p pools) { p.free[pool]--; p.taken[pool]++ })
				}
			}
			return out == "full", p
		},
	}
}

// TestShiftsBesideAccepts has places shifted to and fro while people are accepted,
// in 200 random orders: there is an order of steps that explains all answers, and
// no place is made, lost or taken twice.
func TestShiftsBesideAccepts(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() { // the race detector sees in one order what it sees in many
		seeds = 40
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 7))
		const each = 3
		s := newNode(t, self, store.Options{NoSync: true}).testStore
		places := func(n int) []gateway.Places { return []gateway.Places{{Dagdeel: "di-ochtend", Maximum: n}} }
		who := map[string]gateway.OIN{"a": peerA, "b": peerB}
		o := gateway.Offer{ID: "groen", Provider: self, Title: "Groen", ValidUntil: "2027-12-31", Places: places(3 * each)}
		var sends []store.Send
		for _, id := range []string{"a", "b"} {
			o.Allotments = append(o.Allotments, gateway.Allotment{ID: id, Parties: []gateway.OIN{who[id]}, Places: places(each)})
			sends = append(sends, capacity(who[id], o.ID, o.Title))
		}
		must(t, s.Publish(ctx, start(), store.Publication{Put: []store.OwnOffer{{Offer: o}}, Sends: sends}))
		steps := sharingSteps(t, s, r, who)
		h := &sharings{}
		var wg sync.WaitGroup
		for client := range 4 {
			mine := steps[client*len(steps)/4 : (client+1)*len(steps)/4]
			wg.Go(func() {
				for _, step := range mine {
					h.do(client, step.in, func() string { return step.do() })
				}
			})
		}
		wg.Wait()
		if got := porcupine.CheckOperationsTimeout(sharingModel(each), h.all, time.Minute); got != porcupine.Ok {
			t.Fatalf("seed %d: got %s, want that some order explains\n%+v", seed, got, h.all)
		}
		own, _, err := s.OwnOffer(ctx, "groen")
		must(t, err)
		taken, sum := get(s.Taken(ctx, "groen", "2026-11-02"))(t), 0
		for _, id := range []string{"a", "b", ""} {
			free := own.Offer.Free(id, "di-ochtend", taken, "2026-11-02")
			if sum += free + taken[id]["di-ochtend"]; free < 0 {
				t.Errorf("seed %d: %d places of %q are free", seed, free, id)
			}
		}
		if sum != 3*each {
			t.Errorf("seed %d: got %d places, want %d", seed, sum, 3*each)
		}
		s.sound(t)
	}
}

// sharings is a history, as history is for placing.
type sharings struct{ history }

func (h *sharings) do(client int, in sharing, step func() string) {
	call := h.clock.Add(1)
	out := step()
	done := h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: done})
}

type sharingStep struct {
	in sharing
	do func() string
}

// sharingSteps makes accepts and shifts in random order, ready to be done.
func sharingSteps(t *testing.T, s *testStore, r *rand.Rand, who map[string]gateway.OIN) (steps []sharingStep) {
	t.Helper()
	for range 10 {
		party := []string{"a", "b"}[r.IntN(2)]
		id := uuid.NewString()
		acceptAll(t, s, start(), request(who[party], id, gateway.ActRefer, 0, func(q *gateway.ReferralRequest) { q.Need.Dagdelen = []gateway.Dagdeel{"di-ochtend"} }))
		steps = append(steps, sharingStep{sharing{accept: party}, func() string {
			if !tryAccept(t, s, id) {
				return "full"
			}
			row, err := s.ProvidedReferral(ctx, id)
			if err != nil {
				t.Error(err)
			}
			return row.Referral.Allotment
		}})
	}
	signs := func(gateway.Allotment) []gateway.OIN { return []gateway.OIN{peerC} }
	for range 8 {
		ids := []string{"a", "b", ""}
		from := r.IntN(3)
		in := sharing{from: ids[from], to: ids[(from+1+r.IntN(2))%3]}
		q := get(s.ProposeShift(ctx, start(), gateway.AllotmentRequest{
			Offer: "groen", Asked: peerC, Shifts: []gateway.Shift{{From: in.from, To: in.to, Dagdeel: "di-ochtend", Places: 1}},
		}, signs, entryX()))(t)
		steps = append(steps, sharingStep{in, func() string {
			done, err := s.SignShift(ctx, start(), q.ID, peerC, "signed", entryX())
			if err != nil {
				t.Error(err)
			}
			return string(done.Status)
		}})
	}
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return slices.Clip(steps)
}
