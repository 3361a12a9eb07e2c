package desk_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/schema"
)

// sharers are a provider, two gemeenten with an allotment each, and one that has
// none of its own.
type sharers struct {
	*gt.Federation
	t *testing.T
}

func newSharers(t *testing.T) sharers {
	t.Helper()
	f := gt.NewFederation(t,
		gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}},
		gt.Member{OIN: gt.Dordrecht, Name: "Dordrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0505"}},
		gt.Member{OIN: gt.Sliedrecht, Name: "Sliedrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0610"}})
	f.Publish(gt.Smile, gt.Offer("groen"))
	f.Settled(time.Hour)
	return sharers{f, t}
}

func (s sharers) ask(oin gateway.OIN, shifts ...gateway.Shift) desk.ShiftLine {
	s.t.Helper()
	line, err := s.Node(oin).Desk.AskShift(s.t.Context(), consulent(), desk.NewShift{Offer: "groen", Shifts: shifts})
	if err != nil {
		s.t.Fatalf("ask: %v", err)
	}
	return line
}

func (s sharers) answer(oin gateway.OIN, id string, sign bool) desk.ShiftLine {
	s.t.Helper()
	line, err := s.Node(oin).Desk.AnswerShift(s.t.Context(), consulent(), id, sign)
	if err != nil {
		s.t.Fatalf("answer: %v", err)
	}
	return line
}

// line is what a node lists of a request; false if nothing.
func (s sharers) line(oin gateway.OIN, id string) (desk.ShiftLine, bool) {
	s.t.Helper()
	list, err := s.Node(oin).Desk.ListShifts(s.t.Context(), consulent())
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(l desk.ShiftLine) bool { return l.ID == id })
	if i < 0 {
		return desk.ShiftLine{}, false
	}
	return list[i], true
}

// stands fails the test unless some nodes list a request so after a while, and
// Sliedrecht knows nothing of it.
func (s sharers) stands(id string, want gateway.AllotmentStatus, oins ...gateway.OIN) {
	s.t.Helper()
	time.Sleep(time.Minute)
	for _, oin := range oins {
		if got, ok := s.line(oin, id); got.Status != want || !ok || got.Waits {
			s.t.Errorf("%s: got %+v, want it %s", oin, got, want)
		}
	}
	if got, ok := s.line(gt.Sliedrecht, id); ok {
		s.t.Errorf("got %+v at Sliedrecht, want nothing", got)
	}
}

// maxima are the places of its own allotment that a gemeente is shown.
func (s sharers) maxima(oin gateway.OIN) string {
	s.t.Helper()
	var all []string
	for _, a := range s.Received(oin, gt.Smile)["groen"].Allotments {
		for _, p := range a.Places {
			all = append(all, string(p.Dagdeel)+"="+string(rune('0'+*p.Maximum)))
		}
	}
	return strings.Join(all, " ")
}

func toAlblasserdam(places int) gateway.Shift {
	return gateway.Shift{From: "Dordrecht", To: "alblasserdam", Dagdeel: "ma-ochtend", Places: places}
}

// A gemeente asks places of another, by its name: nothing changes until the other
// has signed; then both are shown it at once, and can be booked.
func TestShiftOverTheWire(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		all := []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht}
		q := s.ask(gt.Alblasserdam, toAlblasserdam(2), gateway.Shift{From: "alblasserdam", To: "Dordrecht", Dagdeel: "ma-middag", Places: 1})
		if q.Status != gateway.ShiftPending || len(q.Givers) != 2 || !q.Givers[0].Signed || q.Givers[1].Signed || q.Mine {
			t.Errorf("got %+v, want the signature of Dordrecht missing", q)
		}
		s.stands(q.ID, gateway.ShiftPending, all...)
		status, err := s.Node(gt.Dordrecht).Desk.Status(t.Context(), gt.Everyone())
		if err != nil || !strings.Contains(strings.Join(status.Alarms, " "), "Alblasserdam vraagt") {
			t.Errorf("got the alarms %v %v, want that Alblasserdam asks", status.Alarms, err)
		}
		if got := s.maxima(gt.Alblasserdam); got != "ma-ochtend=5 ma-middag=5" {
			t.Errorf("before all signed: got %s", got)
		}
		signed := s.answer(gt.Dordrecht, q.ID[:8], true)
		if signed.Status != gateway.ShiftCommitted {
			t.Errorf("got %+v, want it committed", signed)
		}
		s.stands(q.ID, gateway.ShiftCommitted, all...)
		if a, d := s.maxima(gt.Alblasserdam), s.maxima(gt.Dordrecht); a != "ma-ochtend=7 ma-middag=4" || d != "ma-ochtend=3 ma-middag=6" {
			t.Errorf("got %s at Alblasserdam and %s at Dordrecht", a, d)
		}
		for oin, want := range map[gateway.OIN]int{gt.Smile: 1, gt.Dordrecht: 1, gt.Alblasserdam: 1} {
			n := 0
			for _, r := range s.Journal(oin) {
				if r.Kind == journal.KindAllotmentRequest && r.Outcome == string(gateway.ShiftCommitted) {
					n++
				}
			}
			if n != want {
				t.Errorf("%s: got %d entries that it was committed, want %d", oin, n, want)
			}
		}
		s.importsKeep(q.ID)
	})
}

// importsKeep imports the same, with other people in it, and then another division.
func (s sharers) importsKeep(id string) {
	s.t.Helper()
	if r := s.Publish(gt.Smile, gt.Offer("groen")); r.Unchanged != 1 || len(r.Replaced) != 0 {
		s.t.Errorf("got %+v, want that the same export changes nothing", r)
	}
	s.Publish(gt.Smile, gt.Occupy(gt.Offer("groen"), "alblasserdam", 1))
	s.Settled(time.Hour)
	if got := s.maxima(gt.Alblasserdam); got != "ma-ochtend=7 ma-middag=4" {
		s.t.Errorf("after another export of the same division: got %s", got)
	}
	other := gt.Offer("groen")
	other.Allotments[0].Places[0].Maximum, other.Allotments[1].Places[0].Maximum = 6, 4
	r := s.Publish(gt.Smile, other)
	if len(r.Replaced) != 1 || !strings.Contains(r.Text(), "LET OP") {
		s.t.Errorf("got %+v, want it told", r)
	}
	s.stands(id, gateway.ShiftReplaced, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
	if got := s.maxima(gt.Alblasserdam); got != "ma-ochtend=6 ma-middag=5" {
		s.t.Errorf("after another division: got %s", got)
	}
}

// What a gemeente releases itself is released at once; what is nobody's the
// provider gives; and either is refused, withdrawn or lapses.
func TestShiftsEnd(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		ctx := t.Context()
		free := s.ask(gt.Dordrecht, gateway.Shift{From: "dordrecht", Dagdeel: "ma-ochtend", Places: 1})
		if free.Status != gateway.ShiftCommitted {
			t.Errorf("got %+v, want it committed: nobody else gives", free)
		}
		more := s.ask(gt.Alblasserdam, gateway.Shift{To: "alblasserdam", Dagdeel: "ma-ochtend", Places: 1})
		if in, ok := s.line(gt.Smile, more.ID); !ok || !in.Mine || more.Status != gateway.ShiftPending {
			t.Errorf("got %+v, want that it waits for the provider", in)
		}
		if got := s.answer(gt.Smile, more.ID, true); got.Status != gateway.ShiftCommitted {
			t.Errorf("got %+v, want it committed", got)
		}
		s.stands(more.ID, gateway.ShiftCommitted, gt.Smile, gt.Alblasserdam)
		if a, d := s.maxima(gt.Alblasserdam), s.maxima(gt.Dordrecht); a != "ma-ochtend=6 ma-middag=5" || d != "ma-ochtend=4 ma-middag=5" {
			t.Errorf("got %s at Alblasserdam and %s at Dordrecht", a, d)
		}
		refused := s.ask(gt.Alblasserdam, toAlblasserdam(1))
		withdrawn, lapsed := s.ask(gt.Alblasserdam, toAlblasserdam(1)), s.ask(gt.Alblasserdam, toAlblasserdam(1))
		byProvider := s.ask(gt.Alblasserdam, toAlblasserdam(1))
		time.Sleep(time.Minute)
		s.answer(gt.Dordrecht, refused.ID, false)
		s.answer(gt.Smile, byProvider.ID, false)
		_, err := s.Node(gt.Dordrecht).Desk.WithdrawShift(ctx, consulent(), withdrawn.ID)
		ofKind(t, err, gateway.Denied, "withdrawn by who gives")
		if _, err := s.Node(gt.Alblasserdam).Desk.WithdrawShift(ctx, consulent(), withdrawn.ID); err != nil {
			t.Error(err)
		}
		s.stands(refused.ID, gateway.ShiftRefused, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
		s.stands(byProvider.ID, gateway.ShiftRefused, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
		s.stands(withdrawn.ID, gateway.ShiftDropped, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
		_, err = s.Node(gt.Dordrecht).Desk.AnswerShift(ctx, consulent(), withdrawn.ID, true)
		ofKind(t, err, gateway.Conflict, "signed after it ended")
		if got, _ := s.line(gt.Alblasserdam, refused.ID); got.By != gt.Dordrecht {
			t.Errorf("got %+v, want that Dordrecht refused", got)
		}
		time.Sleep(15 * 24 * time.Hour)
		s.stands(lapsed.ID, gateway.ShiftLapsed, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
	})
}

// What is said while somebody is away arrives when they are back.
func TestShiftWaitsForPeers(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		s.Net.Cut(gt.Smile)
		q := s.ask(gt.Alblasserdam, toAlblasserdam(1))
		if q.Status != "" || !q.Waits {
			t.Errorf("got %+v, want it on its way", q)
		}
		time.Sleep(time.Hour)
		s.Net.Mend(gt.Smile)
		s.Net.Cut(gt.Dordrecht)
		time.Sleep(time.Hour)
		s.stands(q.ID, gateway.ShiftPending, gt.Smile, gt.Alblasserdam)
		s.Net.Mend(gt.Dordrecht)
		time.Sleep(time.Hour)
		s.Net.Cut(gt.Smile)
		if got := s.answer(gt.Dordrecht, q.ID, true); got.Status != gateway.ShiftPending || !got.Waits || got.Mine {
			t.Errorf("got %+v, want the signature on its way", got)
		}
		s.Stop(gt.Dordrecht)
		s.Net.Mend(gt.Smile)
		s.Start(gt.Dordrecht)
		time.Sleep(time.Hour)
		s.stands(q.ID, gateway.ShiftCommitted, gt.Smile, gt.Alblasserdam, gt.Dordrecht)
	})
}

// The programs of each party hear of a request what there is to know: once, without
// who typed it, and nobody else does.
func TestShiftEvents(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		s := newSharers(t)
		at := s.ask(gt.Dordrecht, gateway.Shift{From: "dordrecht", Dagdeel: "ma-ochtend", Places: 1})
		committed := s.ask(gt.Alblasserdam, toAlblasserdam(1), gateway.Shift{Dagdeel: "ma-ochtend", To: "alblasserdam", Places: 1})
		time.Sleep(time.Minute)
		s.answer(gt.Dordrecht, committed.ID, true)
		time.Sleep(time.Minute)
		s.answer(gt.Smile, committed.ID, true)
		refused := s.ask(gt.Alblasserdam, toAlblasserdam(1))
		lapsed, err := s.Node(gt.Alblasserdam).Desk.AskShift(t.Context(), consulent(), desk.NewShift{
			Offer: "groen", Shifts: []gateway.Shift{toAlblasserdam(1)}, Days: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.answer(gt.Dordrecht, refused.ID, false)
		time.Sleep(25 * time.Hour)
		for id, want := range map[string]string{
			committed.ID: "proposed:wacht-op-handtekening:2 signed:wacht-op-handtekening:1 committed:vastgelegd:0",
			refused.ID:   "proposed:wacht-op-handtekening:1 ended:geweigerd:1",
			lapsed.ID:    "proposed:wacht-op-handtekening:1 ended:verlopen:1",
			at.ID:        "proposed:vastgelegd:0 committed:vastgelegd:0",
		} {
			parties := []gateway.OIN{gt.Smile, gt.Dordrecht, gt.Alblasserdam}
			if id == at.ID {
				parties = parties[:2]
			}
			for _, oin := range parties {
				if got := s.shiftEvents(oin, id); got != want {
					t.Errorf("%s: got %s, want %s", oin, got, want)
				}
			}
			if got := s.shiftEvents(gt.Sliedrecht, id); got != "" {
				t.Errorf("Sliedrecht: got %s, want nothing", got)
			}
		}
		for _, role := range gateway.Roles() {
			caller := gateway.Caller{Name: "iemand", Roles: []gateway.Role{role}}
			page, err := s.Node(gt.Smile).Desk.Events(t.Context(), caller, desk.EventQuery{})
			has := slices.ContainsFunc(page.Events, func(e gateway.CloudEvent) bool { return e.Data.Request != "" })
			if may := caller.May(gateway.OpListAllotments); err != nil || has != may {
				t.Errorf("%s: got %t, %v, want %t", role, has, err, may)
			}
		}
	})
}

// shiftEvents are those of one request at a node, each as it fits the schema.
func (s sharers) shiftEvents(oin gateway.OIN, id string) string {
	s.t.Helper()
	valid, err := schema.New()
	if err != nil {
		s.t.Fatal(err)
	}
	page, err := s.Node(oin).Desk.Events(s.t.Context(), gt.Everyone(), desk.EventQuery{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, e := range page.Events {
		if e.Data.Request != id {
			continue
		}
		all = append(all, fmt.Sprintf("%s:%s:%d", strings.TrimPrefix(e.Type.Name(), "allotment-"), e.Data.RequestStatus, e.Data.Count))
		raw, err := json.Marshal(e.Data)
		if err != nil {
			s.t.Fatal(err)
		}
		if wrong, err := valid.Validate("event", raw); err != nil || len(wrong) > 0 || e.Subject != id || e.Data.Offer != "groen" {
			s.t.Errorf("got %s, %v %v; want an event that fits its schema", raw, wrong, err)
		}
	}
	return strings.Join(all, " ")
}
