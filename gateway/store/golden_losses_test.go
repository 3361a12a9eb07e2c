package store_test

import (
	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// losses are those of this node, which was restored a second time: peerB gives two
// referrals back, of which one finds its place taken and one was declined
// meanwhile.
func (g *golden) losses() {
	t, s := g.t, g.s
	must(t, s.Publish(ctx, g.now, store.Publication{
		Put: []store.OwnOffer{g.own("vol", 3)}, Sends: []store.Send{capacity(peerB, "vol", "Vol")},
	}))
	full, undone := g.asked("vol"), g.asked("vol")
	content := g.referrer.backup(t)
	knew := s.Incarnation()
	var states []gateway.Referral
	for _, id := range []string{full, undone} {
		g.commits(id, gateway.ActAccept)
		states = append(states, get(s.ProvidedReferral(ctx, id))(t).Referral)
	}
	g.referrer.putBack(t, content, g.now)
	g.now = g.now.Add(gateway.ConfirmWithin)
	for range 2 {
		g.commits(g.asked("vol"), gateway.ActAccept)
	}
	g.commits(undone, gateway.ActDecline)
	for i, id := range []string{full, undone} {
		in := request(peerB, id, gateway.ActRecover, states[i].Number, func(q *gateway.ReferralRequest) { n := fullNeed("vol"); q.Need = &n })
		in.Effect.Referral.Recovered, in.Effect.Referral.RecoveredIn = &states[i], knew
		acceptAll(t, s, g.now, in)
	}
	g.greet(t)
}

// troubles are those of a referrer: what never came, was forgotten, comes from a
// backup of its own, or must be given back to peerA, which is restored.
func (g *golden) troubles() {
	t, s := g.t, g.s
	get(s.AskNewReferral(ctx, g.now, self, store.NewReferral{Provider: peerC, Need: fullNeed("elders"), Terms: terms()}))(t)
	for _, o := range get(s.Due(ctx, g.now, peerC, 1000, 1<<26, nil))(t) {
		if o.Kind == gateway.KindReferral {
			must(t, s.Withhold(ctx, g.now, peerC, []store.Withheld{{Kind: o.Kind, Subject: o.Subject, Rule: "default"}}, terms()))
		}
	}
	said := func(r gateway.Referral) {
		in := about(peerA, gateway.KindReferralState, uuid.NewString(), &store.ReferralEffect{State: &r, Signed: "signed"})
		in.Message.Incarnation = g.provider.Incarnation()
		acceptAll(t, s, g.now, in)
	}
	said(gateway.Referral{
		ID: uuid.NewString(), Offer: "groen", Provider: peerA, Referrer: self, Number: 4, Status: gateway.Accepted, Since: g.now, Due: "2026-12-01",
	})
	of := func(status gateway.ReferralStatus) gateway.Referral {
		all := s.Referrals(func(f store.ReferralFacts) bool { return f.Status == status && f.Side == gateway.ReferrerSide })
		return get(s.FollowedReferral(ctx, all[0].ID))(t).Follow.Referral
	}
	forgotten := of(gateway.Investigating)
	forgotten.Status, forgotten.Number, forgotten.Due = "", forgotten.Number+1, ""
	forgotten.Answer = gateway.Answer{Request: uuid.NewString(), Result: gateway.NotDone, Why: gateway.WhyUnknown}
	said(forgotten)
	answer := s.Referrals(func(f store.ReferralFacts) bool {
		return f.Status == gateway.HandedOver && f.Side == gateway.ReferrerSide
	})[0].ID
	asked := get(s.AskRights(ctx, g.now, store.AskedRights{
		Request: gateway.SubjectRequest{Referral: answer, Act: gateway.Restrict, Ground: "bezwaar", Received: "2026-11-02", AnswerBy: "2026-11-30"},
		Here:    true, Terms: terms(), Entry: g.entry("x"),
	}))(t)
	acceptAll(t, s, g.now, about(peerA, gateway.KindSubjectAnswer, uuid.NewString(), &store.ReferralEffect{Signed: "signed", Answer: &gateway.SubjectAnswer{
		Referral: answer, Request: asked.Request.Request, Act: gateway.Restrict, Number: 1, Result: gateway.SubjectDone, On: "2026-11-03", Explanation: "gedaan",
	}}))
	content := g.provider.backup(t)
	g.commit(t, of(gateway.Requested).ID, gateway.ActAccept, func(c *store.Commitment) { c.Passing = "werksoort" })
	g.deliver(t, g.provider, g.referrer)
	g.provider.putBack(t, content, g.now)
	g.hello(t, g.provider, g.referrer)
	get(s.ReconcileReferrals(ctx, g.now, peerA, g.now.AddDate(0, -1, 0), terms()))(t)
	for _, incarnation := range []uint64{7, 8} { // and of peerB it knows that it must be gone through
		get(s.SaveHello(ctx, g.now, peerB, gateway.Hello{Protocol: []int{1}, Incarnation: incarnation}))(t)
	}
}
