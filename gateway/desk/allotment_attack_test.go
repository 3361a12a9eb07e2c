package desk_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// sealed signs something as a test wants it.
func sealed(t *testing.T, key *seal.Key, p seal.Purpose, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	token, err := seal.Sign(key, p, b)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// asked is a good request, for a test to spoil.
func asked(by gateway.OIN, shifts ...gateway.Shift) gateway.AllotmentAsk {
	now := time.Now().UTC().Truncate(time.Second)
	return gateway.AllotmentAsk{
		ID: uuid.NewString(), Provider: gt.Smile, Asked: by, Offer: "groen", Shifts: shifts, Made: now, Until: now.Add(gateway.ShiftLife),
	}
}

// send gives a provider a letter of a party, and reads where it says the request
// stands.
func (s sharers) send(key *seal.Key, from gateway.OIN, letter gateway.AllotmentLetter) (gateway.AllotmentState, error) {
	s.t.Helper()
	letter.Issuer, letter.Time = from, time.Now().UTC()
	if letter.Audience == "" {
		letter.Audience = gt.Smile
	}
	answer, err := s.Node(gt.Smile).Desk.ReceiveAllotmentLetter(s.t.Context(), from, sealed(s.t, key, seal.AllotmentLetter, letter))
	if err != nil {
		return gateway.AllotmentState{}, err
	}
	_, payload, err := seal.PeekUnverified(answer)
	if err != nil {
		s.t.Fatal(err)
	}
	var said gateway.AllotmentLetter
	if err := json.Unmarshal(payload, &said); err != nil || said.State == nil || said.Issuer != gt.Smile || said.Audience != from {
		s.t.Fatalf("got %s, %v; want where it stands", payload, err)
	}
	return *said.State, nil
}

// What others send to have allotments shifted that they may not: nothing changes,
// and they learn nothing.
func TestShiftAttacks(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		a, dordrecht, sliedrecht := s.Key(gt.Alblasserdam), s.Key(gt.Dordrecht), s.Key(gt.Sliedrecht)
		stranger, err := seal.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		q, other := s.ask(gt.Alblasserdam, toAlblasserdam(1)), s.ask(gt.Alblasserdam, toAlblasserdam(1))
		row, _, err := s.Node(gt.Smile).Store.AllotmentRequest(t.Context(), q.ID)
		if err != nil {
			t.Fatal(err)
		}
		second, _, err := s.Node(gt.Smile).Store.AllotmentRequest(t.Context(), other.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, same, _ := seal.PeekUnverified(row.Ask)
		_, replayed, _ := seal.PeekUnverified(second.Ask)
		sign := func(key *seal.Key, payload []byte) string {
			return sealed(t, key, seal.Allotment, json.RawMessage(payload))
		}
		mine := asked(gt.Sliedrecht, gateway.Shift{From: "dordrecht", To: "alblasserdam", Dagdeel: "ma-ochtend", Places: 1})
		self := asked(gt.Dordrecht, gateway.Shift{From: "dordrecht", Dagdeel: "ma-ochtend", Places: 1})
		elsewhere := asked(gt.Alblasserdam, gateway.Shift{From: "alblasserdam", Dagdeel: "ma-ochtend", Places: 1})
		elsewhere.Provider = gt.Dordrecht
		for name, c := range map[string]struct {
			key    *seal.Key
			from   gateway.OIN
			letter gateway.AllotmentLetter
			kind   gateway.Kind // -1: it is answered as unknown
		}{
			"a letter signed by a stranger": {stranger, gt.Dordrecht, gateway.AllotmentLetter{Says: "sign", Ask: row.Ask, Signed: sign(dordrecht, same)}, gateway.Unauthenticated},
			"a forged signature":            {dordrecht, gt.Dordrecht, gateway.AllotmentLetter{Says: "sign", Ask: row.Ask, Signed: sign(stranger, same)}, gateway.Unauthenticated},
			"the asker signs for the giver": {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "sign", Ask: row.Ask, Signed: sign(a, same)}, gateway.Denied},
			"a signature of another request": {dordrecht, gt.Dordrecht, gateway.AllotmentLetter{Says: "sign", Ask: row.Ask, Signed: sign(dordrecht, replayed)},
				gateway.Denied},
			"a signature made for something else": {dordrecht, gt.Dordrecht,
				gateway.AllotmentLetter{Says: "sign", Ask: row.Ask, Signed: sealed(t, dordrecht, seal.Message, json.RawMessage(same))}, gateway.Unauthenticated},
			"who is no party signs":    {sliedrecht, gt.Sliedrecht, gateway.AllotmentLetter{Says: "sign", Ask: row.Ask, Signed: sign(sliedrecht, same)}, -1},
			"who is no party refuses":  {sliedrecht, gt.Sliedrecht, gateway.AllotmentLetter{Says: "refuse", Ask: row.Ask}, -1},
			"who is no party asks":     {sliedrecht, gt.Sliedrecht, gateway.AllotmentLetter{Says: "ask", Ask: row.Ask}, -1},
			"the giver withdraws":      {dordrecht, gt.Dordrecht, gateway.AllotmentLetter{Says: "withdraw", Ask: row.Ask}, gateway.Denied},
			"allotments of others":     {sliedrecht, gt.Sliedrecht, gateway.AllotmentLetter{Says: "ask", Ask: sealed(t, sliedrecht, seal.Allotment, mine)}, -1},
			"in the name of another":   {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "ask", Ask: sealed(t, a, seal.Allotment, self)}, -1},
			"forged by the asker":      {dordrecht, gt.Dordrecht, gateway.AllotmentLetter{Says: "ask", Ask: sealed(t, stranger, seal.Allotment, self)}, gateway.Unauthenticated},
			"to another party":         {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "ask", Ask: sealed(t, a, seal.Allotment, elsewhere)}, gateway.Invalid},
			"between others":           {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "ask", Audience: gt.Dordrecht, Ask: row.Ask}, gateway.Invalid},
			"other bytes, the same id": {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "withdraw", Ask: sealed(t, a, seal.Allotment, changed(t, same))}, -1},
			"a state that it made up": {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "ask", Ask: row.Ask, Known: sealed(t, a, seal.AllotmentLetter,
				gateway.AllotmentLetter{Issuer: gt.Smile, Audience: gt.Alblasserdam, Says: "state", Ask: row.Ask, State: &gateway.AllotmentState{
					ID: q.ID, Number: 9, Status: gateway.ShiftCommitted}})}, -2},
			"nothing known": {a, gt.Alblasserdam, gateway.AllotmentLetter{Says: "alles", Ask: row.Ask}, gateway.Invalid},
		} {
			state, err := s.send(c.key, c.from, c.letter)
			switch {
			case c.kind == -1 && (err != nil || state.Number != 0 || state.Reason != gateway.AllotmentUnknown || len(state.Givers) != 0):
				t.Errorf("%s: got %+v, %v; want it unknown", name, state, err)
			case c.kind == -2 && (err != nil || state.Status != gateway.ShiftPending):
				t.Errorf("%s: got %+v, %v; want it to wait as before", name, state, err)
			case c.kind >= 0 && (err == nil || gateway.KindOf(err) != c.kind):
				t.Errorf("%s: got %+v, %v; want kind %d", name, state, err, c.kind)
			}
		}
		s.stands(q.ID, gateway.ShiftPending, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
		if got := s.maxima(gt.Dordrecht); got != "ma-ochtend=5 ma-middag=5" {
			t.Errorf("got %s, want nothing shifted", got)
		}
		s.othersLie(q.ID, row.Ask)
	})
}

// Letters that do not fit their schemas, every one in schemas/testdata, are refused
// for that, signed as they should be or not.
func TestLettersThatDoNotFit(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		smile, key := s.Node(gt.Smile).Desk, s.Key(gt.Alblasserdam)
		allotments := func(letter json.RawMessage) error {
			_, err := smile.ReceiveAllotmentLetter(t.Context(), gt.Alblasserdam, sealed(t, key, seal.AllotmentLetter, letter))
			return err
		}
		for schema, send := range map[string]func(json.RawMessage) error{
			"allotment-letter": allotments,
			"allotment-ask": func(ask json.RawMessage) error {
				_, err := s.send(key, gt.Alblasserdam, gateway.AllotmentLetter{Says: gateway.ShiftAsk, Ask: sealed(t, key, seal.Allotment, ask)})
				return err
			},
			"policy-letter": func(letter json.RawMessage) error {
				return smile.ReceiveLetter(t.Context(), gt.Alblasserdam, sealed(t, key, seal.PolicyLetter, letter))
			},
		} {
			files, err := filepath.Glob(filepath.Join("../../schemas/testdata/invalid", schema, "*.json"))
			if err != nil || len(files) < 10 {
				t.Fatalf("found %d files of %s, %v", len(files), schema, err)
			}
			for _, file := range files {
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err = send(body); gateway.KindOf(err) != gateway.Invalid || !strings.Contains(gateway.SafeMessage(err), "the schema "+schema+":") {
					t.Errorf("%s: got %v, want that it does not fit its schema", file, err)
				}
			}
		}
	})
}

// changed is a request with one place more.
func changed(t *testing.T, payload []byte) gateway.AllotmentAsk {
	t.Helper()
	var ask gateway.AllotmentAsk
	if err := json.Unmarshal(payload, &ask); err != nil {
		t.Fatal(err)
	}
	ask.Shifts[0].Places++
	return ask
}

// othersLie has others than the provider say that a request was committed.
func (s sharers) othersLie(id, ask string) {
	s.t.Helper()
	state := &gateway.AllotmentState{ID: id, Number: 99, Status: gateway.ShiftCommitted}
	token := sealed(s.t, s.Key(gt.Dordrecht), seal.AllotmentLetter, gateway.AllotmentLetter{
		Issuer: gt.Dordrecht, Audience: gt.Alblasserdam, Time: time.Now().UTC(), Says: gateway.ShiftState, Ask: ask, State: state,
	})
	_, err := s.Node(gt.Alblasserdam).Desk.ReceiveAllotmentLetter(s.t.Context(), gt.Dordrecht, token)
	ofKind(s.t, err, gateway.Denied, "a state of who is not the provider")
	s.stands(id, gateway.ShiftPending, gt.Alblasserdam)
}

// A giver that has left the register, or lost its key, signs nothing; nor does
// anybody sign for an allotment that names who is not there.
func TestShiftByTheRegister(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		shared, err := s.Node(gt.Sliedrecht).Desk.AskShift(t.Context(), consulent(), desk.NewShift{
			Offer: "groen", Shifts: []gateway.Shift{{From: "overig", Dagdeel: "ma-ochtend", Places: 1}},
		})
		if err != nil || shared.Status != gateway.ShiftRefused || shared.Reason != gateway.AllotmentNobody {
			t.Errorf("got %+v, %v; want that nobody can sign for all five", shared, err)
		}
		q := s.ask(gt.Alblasserdam, toAlblasserdam(1))
		time.Sleep(time.Minute)
		file := s.NextRegister(func(doc *register.Document) {
			for i := range doc.Parties {
				if doc.Parties[i].OIN == gt.Dordrecht {
					doc.Parties[i].SigningKeys[0].Compromised = true
				}
			}
		})
		if _, err := s.Node(gt.Smile).Desk.InstallRegister(t.Context(), gt.Everyone(), file); err != nil {
			t.Fatal(err)
		}
		_, err = s.Node(gt.Dordrecht).Desk.AnswerShift(t.Context(), consulent(), q.ID, true)
		ofKind(t, err, gateway.Unauthenticated, "signed with a key that is compromised")
		time.Sleep(time.Hour)
		if got, _ := s.line(gt.Smile, q.ID); got.Status != gateway.ShiftPending {
			t.Errorf("got %+v, want it to wait: the key is compromised", got)
		}
	})
}

// Two gemeenten and a provider ask, sign, refuse and withdraw 200 times at random,
// while letters and answers get lost and nodes are restarted: they end with the
// same, and places are neither made nor lost.
func TestShiftsInAnyOrder(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		r := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		faults := rand.New(rand.NewPCG(3, 4)) // guarded by mu
		s.Net.Break(gt.Fault{Letter: func(_, _ gateway.OIN) (before, after error) {
			lost := gateway.Errorf(gateway.Unavailable, "lost")
			mu.Lock()
			defer mu.Unlock()
			switch faults.IntN(4) {
			case 0:
				return lost, nil
			case 1:
				return nil, lost
			}
			return nil, nil
		}})
		nodes := []gateway.OIN{gt.Alblasserdam, gt.Dordrecht, gt.Smile}
		places := []string{"alblasserdam", "dordrecht", "", "Dordrecht", "Alblasserdam"}
		for range 200 {
			oin := nodes[r.IntN(3)]
			d := s.Node(oin).Desk
			list, err := d.ListShifts(t.Context(), consulent())
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 || r.IntN(3) == 0 {
				_, _ = d.AskShift(t.Context(), consulent(), desk.NewShift{Offer: "groen", Shifts: []gateway.Shift{
					{From: places[r.IntN(5)], To: places[r.IntN(5)], Dagdeel: "ma-ochtend", Places: 1 + r.IntN(2)},
				}})
			} else if id := list[r.IntN(len(list))].ID; r.IntN(6) == 0 {
				_, _ = d.WithdrawShift(t.Context(), consulent(), id)
			} else {
				_, _ = d.AnswerShift(t.Context(), consulent(), id, r.IntN(4) > 0)
			}
			if r.IntN(40) == 0 {
				s.Stop(oin)
				s.Start(oin)
			}
			time.Sleep(time.Duration(r.IntN(120)) * time.Second)
		}
		s.Net.Break(gt.Fault{})
		time.Sleep(time.Hour)
		s.agree(nodes...)
	})
}

// agree fails the test unless nodes list what they share alike, and the provider
// has as many places as it had.
func (s sharers) agree(oins ...gateway.OIN) {
	s.t.Helper()
	s.Settled(time.Hour)
	at, committed := map[string]desk.ShiftLine{}, 0
	rows, err := s.Node(gt.Smile).Store.AllotmentRequests(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range rows {
		at[row.ID], _ = s.line(gt.Smile, row.ID)
		if row.Status == gateway.ShiftCommitted {
			committed++
		}
		for _, oin := range row.Parties() {
			if got, ok := s.line(oin, row.ID); !ok || got.Status != row.Status || got.Waits {
				s.t.Errorf("%s: got %+v, want it %s", oin, got, row.Status)
			}
		}
	}
	if committed < 5 {
		s.t.Errorf("got %d committed, want some", committed)
	}
	for _, oin := range oins {
		list, err := s.Node(oin).Desk.ListShifts(s.t.Context(), consulent())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, l := range list {
			if l.Side == "uit" && l.Status != gateway.ShiftRefused && at[l.ID].Status != l.Status {
				s.t.Errorf("%s: got %+v, which the provider does not know so", oin, l)
			}
		}
	}
	own, _, err := s.Node(gt.Smile).Store.OwnOffer(s.t.Context(), "groen")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range []gateway.Dagdeel{"ma-ochtend", "ma-middag"} {
		sum := own.Offer.Free("", d, nil, gateway.DateOf(time.Now()))
		for _, a := range own.Offer.Allotments {
			free := own.Offer.Free(a.ID, d, nil, gateway.DateOf(time.Now()))
			if sum += free; free < 0 {
				s.t.Errorf("got %d places of %s on %s", free, a.ID, d)
			}
		}
		if sum != 15 {
			s.t.Errorf("got %d places on %s, want 15", sum, d)
		}
	}
	s.Converged()
}

// Whichever side is put back to before a request: the others tell it, and what was
// committed is in force again, also when its time is long over.
func TestShiftAfterARestore(t *testing.T) {
	t.Parallel()
	for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht} {
		for _, late := range []bool{false, true} {
			if late && oin != gt.Smile {
				continue
			}
			t.Run(fmt.Sprint(oin, late), func(t *testing.T) {
				t.Parallel()
				gt.Bubble(t, func(t *testing.T) { shiftAfterARestore(t, oin, late) })
			})
		}
	}
}

// putBack restores a node from its last backup.
func (s sharers) putBack(oin gateway.OIN) {
	s.t.Helper()
	s.Stop(oin)
	c, err := config.Load(filepath.Join(s.Dir(oin), node.ConfigFile))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := node.Restore(s.t.Context(), c, node.RestoreOptions{Await: time.Hour}); err != nil {
		s.t.Fatal(err)
	}
	s.Start(oin)
}

// A provider that is put back to before a request was withdrawn, or refused, takes no
// signature for it any more.
func TestShiftThatEndedBeforeARestore(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		withdrawn, refused := s.ask(gt.Alblasserdam, toAlblasserdam(1)), s.ask(gt.Alblasserdam, toAlblasserdam(1))
		time.Sleep(time.Minute)
		if _, err := s.Node(gt.Smile).Desk.Backup(t.Context(), gt.Everyone()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Node(gt.Alblasserdam).Desk.WithdrawShift(t.Context(), consulent(), withdrawn.ID); err != nil {
			t.Fatal(err)
		}
		s.answer(gt.Dordrecht, refused.ID, false)
		time.Sleep(time.Minute)
		s.putBack(gt.Smile)
		time.Sleep(24 * time.Hour)
		all := []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht}
		s.stands(withdrawn.ID, gateway.ShiftDropped, all...)
		s.stands(refused.ID, gateway.ShiftRefused, all...)
	})
}

func shiftAfterARestore(t *testing.T, oin gateway.OIN, late bool) {
	s := newSharers(t)
	if _, err := s.Node(oin).Desk.Backup(t.Context(), gt.Everyone()); err != nil {
		t.Fatal(err)
	}
	q, waits := s.ask(gt.Alblasserdam, toAlblasserdam(2)), s.ask(gt.Alblasserdam, toAlblasserdam(1))
	time.Sleep(time.Minute)
	s.answer(gt.Dordrecht, q.ID, true)
	all := []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht}
	s.stands(q.ID, gateway.ShiftCommitted, all...)
	if late {
		time.Sleep(gateway.ShiftLife + time.Hour)
	}
	s.putBack(oin)
	time.Sleep(24 * time.Hour)
	s.stands(q.ID, gateway.ShiftCommitted, all...)
	if !late { // what has ended nobody tells a provider that forgot it
		s.stands(waits.ID, gateway.ShiftPending, all...)
	}
	s.Publish(gt.Smile, gt.Offer("groen"))
	s.Settled(time.Hour)
	if a, d := s.maxima(gt.Alblasserdam), s.maxima(gt.Dordrecht); a != "ma-ochtend=7 ma-middag=5" || d != "ma-ochtend=3 ma-middag=5" {
		t.Errorf("got %s at Alblasserdam and %s at Dordrecht", a, d)
	}
	if !late {
		s.answer(gt.Dordrecht, waits.ID, true)
		s.stands(waits.ID, gateway.ShiftCommitted, all...)
	}
}
