package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	referralOf = "4b3a1c9e-7c0e-4f7e-9d35-0a3bb1b0c001" // of another, to this node
	greenPairs = "pairs"
)

// request is a message of a referrer that asks something.
func request(from gateway.OIN, id string, act gateway.ReferralAct, seen uint64, change ...func(*gateway.ReferralRequest)) store.Inbound {
	q := &gateway.ReferralRequest{Referral: id, Request: uuid.NewString(), Act: act, Seen: seen}
	if act.Reasons() != "" {
		q.Reason = "overig"
	}
	if act == gateway.ActRefer {
		n := need()
		q.Need = &n
	}
	for _, c := range change {
		c(q)
	}
	return about(from, gateway.KindReferral, q.Request, &store.ReferralEffect{Request: q})
}

// about is a message about a referral.
func about(from gateway.OIN, kind, id string, e *store.ReferralEffect) store.Inbound {
	e.Terms = terms()
	return store.Inbound{
		Message: gateway.Message{ID: id, Source: from, Recipient: self, Kind: kind, Expires: start().Add(90 * 24 * time.Hour), Incarnation: 1},
		Digest:  gateway.Hash(fmt.Append(nil, id)), Outcome: gateway.Received, Effect: store.Effect{Referral: e},
	}
}

func acceptAll(t *testing.T, s *testStore, now time.Time, in ...store.Inbound) {
	t.Helper()
	for _, item := range get(s.Accept(ctx, now, self, in[0].Message.Source, in))(t) {
		if item.Outcome != gateway.Received {
			t.Fatalf("got %+v, want it received", item)
		}
	}
}

// referred gives a store a referral to it.
func referred(t *testing.T, s *testStore, now time.Time) {
	o := green(15)
	o.ID = greenPairs
	must(t, s.Publish(ctx, now, store.Publication{Put: []store.OwnOffer{{Offer: o}}, Sends: []store.Send{capacity(peerA, o.ID, "Groen")}}))
	acceptAll(t, s, now, request(peerA, referralOf, gateway.ActRefer, 0, func(q *gateway.ReferralRequest) { q.Need.Offer = greenPairs }))
	if got := get(s.ProvidedReferral(ctx, referralOf))(t); got.Referral.Status != gateway.Requested {
		t.Fatalf("got %+v, want it requested", got)
	}
}

func committed(t *testing.T, s *testStore, now time.Time, act gateway.ReferralAct) error {
	c := store.Commitment{Referral: referralOf, Act: act, Terms: terms()}
	if act.Reasons() != "" {
		c.Reason = "overig"
	}
	_, err := s.CommitReferral(ctx, now, c)
	return err
}

// following gives a store a referral by it.
func following(t *testing.T, s *testStore, now time.Time) gateway.Follow {
	return get(s.AskNewReferral(ctx, now, self, store.NewReferral{Provider: peerA, Need: need(), Terms: terms()}))(t)
}

// heard gives a store a referral by it, with a state.
func heard(t *testing.T, s *testStore, now time.Time, status gateway.ReferralStatus) gateway.Follow {
	f := following(t, s, now)
	r := f.Referral
	r.Number, r.Status, r.Since = 1, status, now
	if !status.Final() {
		r.Due = "2026-12-01"
	}
	r.Answer = gateway.Answer{Request: f.Open.Request, Result: gateway.Committed}
	in := about(peerA, gateway.KindReferralState, uuid.NewString(), &store.ReferralEffect{State: &r, Signed: "signed"})
	in.Message.Incarnation = max(in.Message.Incarnation, f.Incarnation)
	acceptAll(t, s, now, in)
	return get(s.FollowedReferral(ctx, f.ID))(t).Follow
}

// referralWrites are the methods of referrals, for TestFaultsInPairs.
func referralWrites() map[string]write {
	var id string
	return map[string]write{
		"AskNewReferral": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.AskNewReferral(ctx, now, self, store.NewReferral{Provider: peerA, Need: need(), Terms: terms()})
			return err
		}},
		"AskReferral": {func(t *testing.T, s *testStore, now time.Time) { id = heard(t, s, now, gateway.Requested).ID },
			func(_ *testing.T, s *testStore, now time.Time) error {
				_, err := s.AskReferral(ctx, now, store.Asking{Referral: id, Act: gateway.ActWithdraw, Reason: "overig", Terms: terms()})
				return err
			}},
		"Withhold": {func(t *testing.T, s *testStore, now time.Time) {
			get(s.AskNewReferral(ctx, now, self, store.NewReferral{Provider: peerA, Need: need(), Terms: terms()}))(t)
			id = due(t, s, now, peerA)[0].Subject
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.Withhold(ctx, now, peerA, []store.Withheld{{Kind: gateway.KindReferral, Subject: id, Rule: "default"}}, terms())
		}},
		"CommitReferral": {referred, func(t *testing.T, s *testStore, now time.Time) error {
			return committed(t, s, now, gateway.ActAccept)
		}},
		"EraseReferral": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			must(t, committed(t, s, now, gateway.ActDecline))
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.EraseReferral(ctx, now, referralOf, "bewaartermijn", entryX())
		}},
		"ProposeShift": {referred, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.ProposeShift(ctx, now, shiftOfPairs(), signers, entryX())
			return err
		}},
		"SignShift": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			id = get(s.ProposeShift(ctx, now, shiftOfPairs(), signers, entryX()))(t).ID
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.SignShift(ctx, now, id, self, "signed", entryX())
			return err
		}},
		"DropShift": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			id = get(s.ProposeShift(ctx, now, shiftOfPairs(), signers, entryX()))(t).ID
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.DropShift(ctx, now, id, gateway.ShiftDropped, self, entryX())
			return err
		}},
		"LapseShifts": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			q := shiftOfPairs()
			q.Until = now
			get(s.ProposeShift(ctx, now, q, signers, entryX()))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.LapseShifts(ctx, now.Add(time.Hour))
			return err
		}},
		"RecoverShift": {referred, func(_ *testing.T, s *testStore, now time.Time) error {
			q := shiftOfPairs()
			q.ID = referralOf
			_, err := s.RecoverShift(ctx, now, q, gateway.AllotmentState{Number: 1, Status: gateway.ShiftCommitted}, signers, entryX())
			return err
		}},
		"ToldShift": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			id = get(s.ProposeShift(ctx, now, shiftOfPairs(), signers, entryX()))(t).ID
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.ToldShift(ctx, now, id, self, "1", entryX())
		}},
		"SayShift": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.SayShift(ctx, now, heardOfPairs(), entryX())
		}},
		"HearShift": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.HearShift(ctx, now, heardOfPairs(), "", entryX())
		}},
		"ReconcileReferrals": {func(t *testing.T, s *testStore, now time.Time) {
			referred(t, s, now)
			heard(t, s, now, gateway.Accepted)
			get(s.SaveHello(ctx, now, peerA, gateway.Hello{Incarnation: 1}))(t)
			get(s.SaveHello(ctx, now, peerA, gateway.Hello{Incarnation: 2}))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.ReconcileReferrals(ctx, now, peerA, now, terms())
			return err
		}},
	}
}

func shiftOfPairs() gateway.AllotmentRequest {
	return gateway.AllotmentRequest{
		Offer: greenPairs, Asked: self, Shifts: []gateway.Shift{{From: "alblasserdam", Dagdeel: "di-ochtend", Places: 1}},
	}
}

func heardOfPairs() store.HeardShift {
	return store.HeardShift{Request: gateway.AllotmentAsk{ID: referralOf, Provider: peerA}, Ask: "token", Says: gateway.ShiftAsk, Letter: "letter"}
}
