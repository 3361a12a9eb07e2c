package exchange_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
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
			searchFor(t, f.Dir(oin), []byte("Kim"), []byte("12345678"), []byte(words), []byte(id))
		}
		time.Sleep(time.Minute)
	})
}
