package exchange_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/policies"
)

// handedOver is a referral of Alblasserdam's that was accepted and handed over.
func (f referring) handedOver() string {
	f.t.Helper()
	id := f.refer(gt.Alblasserdam, "K-2026-17")
	f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
	f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAskHandover})
	_, err := f.Node(gt.Alblasserdam).Desk.HandOver(f.t.Context(), gt.Everyone(), desk.NewHandover{Referral: id, Handover: gateway.Handover{
		Name: "Kim Verzinsel", Phone: "06 12345678", Contact: gateway.Contact{Name: "Robin Verzonnen"},
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.wake(gt.Alblasserdam)
	f.status(gt.Alblasserdam, id, gateway.HandedOver)
	return id
}

func (f referring) ended(id string) {
	f.t.Helper()
	f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActStart, Date: gateway.DateOf(time.Now())})
	f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActEnd, Reason: "overig"})
}

func (f referring) ask(at gateway.OIN, a desk.SubjectAsk) desk.SubjectAsked {
	f.t.Helper()
	asked, err := f.Node(at).Desk.AskSubject(f.t.Context(), gt.Everyone(), a)
	if err != nil {
		f.t.Fatalf("ask %s: %v", a.Act, err)
	}
	f.wake(at)
	return asked
}

func (f referring) answer(at gateway.OIN, a desk.SubjectReply) {
	f.t.Helper()
	if _, err := f.Node(at).Desk.AnswerSubject(f.t.Context(), gt.Everyone(), a); err != nil {
		f.t.Fatalf("answer %s: %v", a.Result, err)
	}
	f.wake(at)
}

// request is the only one that a node knows.
func (f referring) request(at gateway.OIN) desk.SubjectLine {
	f.t.Helper()
	list, err := f.Node(at).Desk.ListSubject(f.t.Context(), gt.Everyone())
	if err != nil || len(list) != 1 {
		f.t.Fatalf("%s: got %+v, %v, want one request", at, list, err)
	}
	return list[0]
}

// TestErasureIsAskedAndDone: what an inhabitant asks of the gemeente is done at the
// provider, once somebody there says so, and nothing is found there afterwards.
func TestErasureIsAskedAndDone(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.handedOver()
		const words = "Kim wil hier niets meer van terugvinden"
		f.ask(gt.Alblasserdam, desk.SubjectAsk{Referrals: []string{id}, Act: gateway.Erase, Ground: "niet-meer-nodig", Explanation: words})
		there, mine := f.request(gt.Smile), f.request(gt.Alblasserdam)
		if !there.Mine || there.Request != mine.Request || there.Due != mine.Due || !mine.Open || mine.Mine {
			t.Fatalf("got %+v at the provider and %+v at the gemeente, want one request for the provider to answer", there, mine)
		}
		for oin, want := range map[gateway.OIN][2]int{gt.Smile: {0, 1}, gt.Alblasserdam: {1, 0}} {
			late := gateway.DateOf(time.Now().AddDate(0, 2, 0))
			c, err := f.Node(oin).Desk.SubjectCounts(t.Context(), late)
			if got := [2]int{c.Asked.Late, c.Received.Late}; err != nil || got != want || min(c.Asked.DaysLeft, c.Received.DaysLeft) >= 0 {
				t.Errorf("%s after two months: got %+v, %v, want %v late, and no days left", oin, c, err, want)
			}
		}
		detail, err := f.Node(gt.Smile).Desk.ReadSubject(t.Context(), gt.Everyone(), there.Request)
		if err != nil || detail.Explanation != words {
			t.Errorf("got %+v, %v, want what was said", detail, err)
		}
		_, err = f.Node(gt.Smile).Desk.AnswerSubject(t.Context(), gt.Everyone(), desk.SubjectReply{Request: there.Request, Result: gateway.SubjectDone})
		if gateway.KindOf(err) != gateway.Conflict {
			t.Errorf("erased while it goes on: got %v, want Conflict", err)
		}
		f.ended(id)
		f.answer(gt.Smile, desk.SubjectReply{Request: there.Request, Result: gateway.SubjectDone, Explanation: "Alles is gewist."})
		if got := f.request(gt.Alblasserdam); got.Open || got.Result != gateway.SubjectDone || got.Outcome != "Gewist" {
			t.Errorf("got %+v at the gemeente, want it erased", got)
		}
		if detail, err := f.Node(gt.Alblasserdam).Desk.ReadSubject(t.Context(), gt.Everyone(), mine.Request); err != nil || detail.Answer != "Alles is gewist." {
			t.Errorf("got %+v, %v, want the explanation", detail, err)
		}
		if _, err := f.Node(gt.Smile).Desk.ReadReferral(t.Context(), gt.Everyone(), id); gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("got %v, want nothing of it at the provider", err)
		}
		for _, one := range f.Net.Wire() {
			for _, token := range one.Batch.Messages {
				if strings.Contains(token, id) {
					t.Error("the id of the referral can be read on the wire")
				}
			}
		}
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			f.Stop(oin)
			searchFor(t, f.Dir(oin), []byte("Kim Verzinsel"), []byte("12345678"), []byte(words), []byte(id))
		}
		time.Sleep(time.Minute)
	})
}

// TestRestrictionAndCorrection: while a restriction holds nothing of the person is
// shown on either side, and only what ends the referral can be done; what is
// corrected takes the place of what was there on both.
func TestRestrictionAndCorrection(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.handedOver()
		f.ask(gt.Alblasserdam, desk.SubjectAsk{Referrals: []string{id}, Act: gateway.Restrict, Ground: "juistheid-betwist"})
		request := f.request(gt.Smile).Request
		f.answer(gt.Smile, desk.SubjectReply{Request: request, Result: gateway.SubjectDone})
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			if got := f.read(oin, id); got.Need != nil || got.Handover != nil || len(got.Notes) == 0 {
				t.Errorf("%s: got need %v, handover %v, notes %v, want only that it is restricted", oin, got.Need, got.Handover, got.Notes)
			}
		}
		_, err := f.Node(gt.Smile).Desk.CommitReferral(t.Context(), gt.Everyone(), desk.ReferralCommit{
			Referral: id, Act: gateway.ActStart, Date: gateway.DateOf(time.Now()),
		})
		if gateway.KindOf(err) != gateway.Conflict {
			t.Errorf("a step under restriction: got %v, want Conflict", err)
		}
		f.ask(gt.Alblasserdam, desk.SubjectAsk{Referrals: []string{id}, Act: gateway.Lift})
		f.answerOpen(gt.Smile, gateway.SubjectDone)
		f.ask(gt.Alblasserdam, desk.SubjectAsk{
			Referrals: []string{id}, Act: gateway.Rectify, Ground: "onjuist",
			Correction: gateway.Correction{Need: gateway.NeedPart{Note: "Komt met de bus."}, Handover: gateway.HandoverPart{Phone: "06 87654321", Address: &gateway.Address{Street: "Laan", Number: "1", City: "Hier"}}},
		})
		f.answerOpen(gt.Smile, gateway.SubjectDone)
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			got := f.read(oin, id)
			if got.Need == nil || got.Need.Note != "Komt met de bus." || got.Handover == nil || got.Handover.Phone != "06 87654321" || got.Handover.Name != "Kim Verzinsel" || got.Handover.Address != nil {
				t.Errorf("%s: got %+v and %+v, want what policy lets go corrected and the rest as it was", oin, got.Need, got.Handover)
			}
		}
	})
}

// answerOpen answers the only request that a node must answer.
func (f referring) answerOpen(at gateway.OIN, result gateway.SubjectResult) {
	f.t.Helper()
	list, err := f.Node(at).Desk.ListSubject(f.t.Context(), gt.Everyone())
	if err != nil || len(list) == 0 || !list[0].Mine {
		f.t.Fatalf("%s: got %+v, %v, want a request to answer", at, list, err)
	}
	f.answer(at, desk.SubjectReply{Request: list[0].Request, Result: result})
}

// TestNarrowedPolicyAsksToErase: what policy no longer lets a provider have is asked
// back from it, once.
func TestNarrowedPolicyAsksToErase(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.handedOver()
		file, _, err := policies.Template("gemeente", string(gt.Alblasserdam), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetPolicy(gt.Alblasserdam, strings.Replace(string(file), ", note]", "]", 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		got := f.request(gt.Smile)
		if got.Act != gateway.Erase || got.Ground != "beleid" || len(got.Fields) != 1 || got.Fields[0] != "need.note" {
			t.Fatalf("got %+v, want the note asked back, once", got)
		}
		f.answer(gt.Smile, desk.SubjectReply{Request: got.Request, Result: gateway.SubjectDone})
		if detail := f.read(gt.Smile, id); detail.Need == nil || detail.Need.Note != "" || detail.Handover == nil {
			t.Errorf("got need %+v and handover %v, want no note, and the rest", detail.Need, detail.Handover)
		}
	})
}

// TestStrangersAreToldNothing: who asks about a referral of somebody else hears the
// same as about one that never was.
func TestStrangersAreToldNothing(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.handedOver()
		_, err := f.Node(gt.Dordrecht).Desk.AskSubject(t.Context(), gt.Everyone(), desk.SubjectAsk{Referrals: []string{id}, Act: gateway.Erase, Ground: "bezwaar"})
		if gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("about a referral of Alblasserdam's: got %v, want NotFound", err)
		}
		for name, a := range map[string]desk.SubjectAsk{
			"no referral":       {Act: gateway.Erase, Ground: "bezwaar"},
			"no ground":         {Referrals: []string{id}, Act: gateway.Erase},
			"unknown ground":    {Referrals: []string{id}, Act: gateway.Erase, Ground: "zomaar"},
			"nothing corrected": {Referrals: []string{id}, Act: gateway.Rectify, Ground: "onjuist"},
			"unknown field":     {Referrals: []string{id}, Act: gateway.Erase, Ground: "bezwaar", Fields: []gateway.Field{"need.offer"}},
			"in the future":     {Referrals: []string{id}, Act: gateway.Erase, Ground: "bezwaar", Received: "2999-01-01"},
			"oversize":          {Referrals: []string{id}, Act: gateway.Erase, Ground: "bezwaar", Explanation: strings.Repeat("a b ", 300)},
			"a BSN": {Referrals: []string{id}, Act: gateway.Rectify, Ground: "onjuist",
				Correction: gateway.Correction{Handover: gateway.HandoverPart{Guidance: "nummer 111222333"}}},
		} {
			if _, err := f.Node(gt.Alblasserdam).Desk.AskSubject(t.Context(), gt.Everyone(), a); gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("%s: got %v, want Invalid", name, err)
			}
		}
	})
}

// TestErasureIsAutomatic: with rights.erase: automatic what has ended is erased when
// its other side asks, without anybody; with ask, its default, somebody answers.
func TestErasureIsAutomatic(t *testing.T) {
	for how, automatic := range map[string]bool{"automatic": true, "ask": false} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				f := newReferring(t)
				f.SetConfig(gt.Smile, "erase: ask", "erase: "+how)
				goesOn, id := f.refer(gt.Alblasserdam, "K-2026-18"), f.handedOver()
				f.ended(id)
				f.ask(gt.Alblasserdam, desk.SubjectAsk{Referrals: []string{id, goesOn}, Act: gateway.Erase, Ground: "niet-meer-nodig"})
				time.Sleep(48 * time.Hour)
				if _, err := f.Node(gt.Smile).Desk.ReadReferral(t.Context(), gt.Everyone(), id); (gateway.KindOf(err) == gateway.NotFound) != automatic {
					t.Errorf("what has ended: got %v, want it erased: %t", err, automatic)
				}
				f.read(gt.Smile, goesOn)
				list, err := f.Node(gt.Alblasserdam).Desk.ListSubject(t.Context(), gt.Everyone())
				if err != nil || len(list) != 2 {
					t.Fatalf("got %+v, %v, want two requests", list, err)
				}
				for _, l := range list {
					if done := l.Result == gateway.SubjectDone; done != (automatic && l.Referral == id) || l.Open == done {
						t.Errorf("got %+v, want only what has ended answered, and that %t", l, automatic)
					}
				}
			})
		})
	}
}

// TestRequestWaitsForThePeersUpgrade: a party whose program does not know requests
// of inhabitants yet gets them once it does. Until then who asked sees that it is
// open, until when, and for what it waits.
func TestRequestWaitsForThePeersUpgrade(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.handedOver()
		older := copyOf(t)
		delete(older, "subject-request.v1.json")
		delete(older, "subject-answer.v1.json")
		f.SetAge(gt.Smile, gt.Age{Schemas: older})
		f.Settled(time.Hour)
		f.ask(gt.Alblasserdam, desk.SubjectAsk{Referrals: []string{id}, Act: gateway.Restrict, Ground: "juistheid-betwist"})
		time.Sleep(time.Hour)
		if got := f.request(gt.Alblasserdam); !got.Open || got.Due == "" || got.Overdue || got.Outcome != "Nog geen antwoord" {
			t.Errorf("got %+v, want it open, with its term", got)
		}
		if got, want := notesOf(f.Federation, gt.Alblasserdam, gt.Smile), "subject-request"; !strings.Contains(got, want) || !strings.HasSuffix(got, ": 1 message waits") {
			t.Errorf("got %q, want that it takes no %s, and that one waits", got, want)
		}
		if list, err := f.Node(gt.Smile).Desk.ListSubject(t.Context(), gt.Everyone()); err != nil || len(list) != 0 {
			t.Errorf("at the older: got %+v, %v, want nothing", list, err)
		}
		f.SetAge(gt.Smile, gt.Age{})
		time.Sleep(time.Hour)
		f.answerOpen(gt.Smile, gateway.SubjectDone)
		if got := f.request(gt.Alblasserdam); got.Open || got.Result != gateway.SubjectDone {
			t.Errorf("after the upgrade: got %+v, want it answered", got)
		}
		if got := notesOf(f.Federation, gt.Alblasserdam, gt.Smile); got != "" {
			t.Errorf("after the upgrade: got note %q, want none", got)
		}
	})
}
