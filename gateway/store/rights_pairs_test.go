package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// asks is a request for an inhabitant to this node.
func asks(from gateway.OIN, referral string, act gateway.SubjectAct, change ...func(*gateway.SubjectRequest)) store.Inbound {
	q := &gateway.SubjectRequest{
		Referral: referral, Request: uuid.NewString(), Act: act, Received: "2026-11-02", AnswerBy: "2026-11-30", Ground: "bezwaar",
	}
	for _, c := range change {
		c(q)
	}
	return about(from, gateway.KindSubjectRequest, q.Request, &store.ReferralEffect{Rights: q})
}

// answers is what this node says to it.
func answers(in store.Inbound, result gateway.SubjectResult, change ...func(*store.RightsAnswer)) store.RightsAnswer {
	a := store.RightsAnswer{
		Request: in.Effect.Referral.Rights.Request, Party: in.Message.Source, Terms: terms(), Entry: entryX(),
		Answer: gateway.SubjectAnswer{Result: result, On: "2026-11-03"},
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

// rightsWrites are the methods of requests of inhabitants, for TestFaultsInPairs.
func rightsWrites() map[string]write {
	var in store.Inbound
	var id string
	return map[string]write{
		"AskRights": {func(t *testing.T, s *testStore, now time.Time) { id = heard(t, s, now, gateway.Requested).ID },
			func(_ *testing.T, s *testStore, now time.Time) error {
				_, err := s.AskRights(ctx, now, store.AskedRights{
					Request: gateway.SubjectRequest{
						Referral: id, Act: gateway.Rectify, Ground: "onjuist", Received: "2026-11-02", AnswerBy: "2026-11-30",
						Correction: gateway.Correction{Need: gateway.NeedPart{Note: "Komt met de bus."}},
					},
					Here: true, Terms: terms(), Entry: entryX(),
				})
				return err
			}},
		"AnswerRights": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			in = asks(peerA, referralOf, gateway.Erase, func(q *gateway.SubjectRequest) { q.Fields = []gateway.Field{"need.note"} })
			acceptAll(t, s, now, in)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.AnswerRights(ctx, now, answers(in, gateway.SubjectDone))
			return err
		}},
		"EraseSpentRights": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			must(t, committed(t, s, now, gateway.ActDecline))
			in = asks(peerA, referralOf, gateway.Erase)
			acceptAll(t, s, now, in)
			get(s.AnswerRights(ctx, now, answers(in, gateway.SubjectDone)))(t)
			must(t, s.Withhold(ctx, now, peerA, []store.Withheld{{Kind: gateway.KindSubjectAnswer, Subject: waitsFor(t, s, now, gateway.KindSubjectAnswer)}}, terms()))
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.EraseSpentRights(ctx, now, now.Add(time.Hour))
			return err
		}},
	}
}

// waitsFor is the subject of the only message of a kind that waits for a peer.
func waitsFor(t *testing.T, s *testStore, now time.Time, kind string) string {
	t.Helper()
	for _, o := range due(t, s, now, peerA) {
		if o.Kind == kind {
			return o.Subject
		}
	}
	t.Fatalf("no message of kind %s waits", kind)
	return ""
}
