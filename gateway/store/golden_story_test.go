package store_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// fullNeed is a need that says all it can; all of it is made up.
func fullNeed(offer string) gateway.Need {
	n := need()
	n.Offer, n.Deputy, n.Werksoorten, n.Fase, n.Trede = offer, gateway.Functional{Name: "Vervanging"}, []string{"groen"}, 2, 3
	n.Begeleiding = &gateway.Begeleiding{Soort: "jobcoach", Intensiteit: "laag", Ratio: 8}
	n.Accessibility, n.Postcode, n.MaxKm = []string{"rolstoel"}, "2951", 12
	return n
}

func (g *golden) handover() *gateway.Handover {
	return &gateway.Handover{
		Name: "Aafje Voorbeeld", Phone: "0600000000", Email: "aafje@voorbeeld.example", Address: &gateway.Address{Street: "Voorbeeldstraat", Number: "1a", City: "Alblasserdam"}, Postcode: "2951",
		Reachable: "na tienen", Guidance: "werkt graag buiten", Contact: gateway.Contact{Name: "C. Onsulent"},
	}
}

// refers follows referrals to peerA through every state, by real messages.
func (g *golden) refers() {
	t := g.t
	refer := func(acts ...gateway.ReferralAct) string {
		f := get(g.referrer.AskNewReferral(ctx, g.now, self, store.NewReferral{
			Provider: peerA, Principal: peerC, Need: fullNeed("groen"), Reference: fmt.Sprint("dossier ", len(acts)), Terms: terms(),
			Basis: store.Basis{Policy: "p3", Register: 3, Day: "2026-11-02", Rules: []string{"r1"}}, Entry: g.entry("refer"),
		}))(t)
		g.exchange(t)
		for _, act := range acts {
			if slices.Contains(act.By(), gateway.ProviderSide) {
				g.commit(t, f.ID, act, func(c *store.Commitment) {
					if c.Passing = "werksoort"; act == gateway.ActEnd {
						c.Reason = "terugval"
					}
				})
			} else {
				a := store.Asking{Referral: f.ID, Act: act, Terms: terms(), Entry: g.entry("ask")}
				if act.Reasons() != "" {
					a.Reason = "overig"
				}
				if act == gateway.ActHandover {
					a.Handover = g.handover()
				}
				get(g.referrer.AskReferral(ctx, g.now, a))(t)
			}
			g.exchange(t)
		}
		return f.ID
	}
	for _, story := range goldenStories() {
		refer(story...)
	}
	open := refer(gateway.ActAccept, gateway.ActHandover)
	get(g.referrer.AskReferral(ctx, g.now, store.Asking{Referral: open, Act: gateway.ActCancel, Reason: "overig", Terms: terms()}))(t)
	g.refer(t) // both wait for peerA
	ended := refer(gateway.ActAccept, gateway.ActHandover, gateway.ActStart, gateway.ActEnd)
	n := fullNeed("groen")
	n.Follows = ended
	get(g.referrer.AskNewReferral(ctx, g.now, self, store.NewReferral{Provider: peerB, Need: n, Terms: terms()}))(t)
	handed := refer(gateway.ActAccept)
	get(g.referrer.AskReferral(ctx, g.now, store.Asking{Referral: handed, Act: gateway.ActHandover, Handover: g.handover(), Terms: terms()}))(t)
}

// goldenStories lead to every status but the first, which comes before each.
func goldenStories() [][]gateway.ReferralAct {
	const (
		accept, plan, missed, started = gateway.ActAccept, gateway.ActPlan, gateway.ActMissed, gateway.ActStart
	)
	return [][]gateway.ReferralAct{
		{}, {gateway.ActInvestigate}, {plan}, {plan, gateway.ActMet}, {plan, missed}, {plan, missed, gateway.ActReplan},
		{gateway.ActWaitlist}, {accept}, {accept, gateway.ActAskHandover}, {accept, gateway.ActHandover},
		{accept, gateway.ActHandover, started}, {accept, gateway.ActHandover, started, gateway.ActHold},
		{accept, gateway.ActHandover, started, gateway.ActHold, gateway.ActResume}, {accept, gateway.ActCancel},
		{accept, gateway.ActCancel, gateway.ActConfirm}, {gateway.ActDecline}, {gateway.ActWithdraw}, {gateway.ActError},
	}
}

// provides has peerB refer to this node.
func (g *golden) provides() {
	t, s := g.t, g.s
	must(t, s.Publish(ctx, g.now, store.Publication{
		Put: []store.OwnOffer{g.own("groen", 9), g.own("klein", 3)}, Sends: []store.Send{capacity(peerB, "groen", "Groen"), capacity(peerB, "klein", "Klein")},
	}))
	for i, story := range [][]gateway.ReferralAct{
		{}, {gateway.ActInvestigate}, {gateway.ActPlan}, {gateway.ActPlan, gateway.ActMet}, {gateway.ActPlan, gateway.ActMissed},
		{gateway.ActAccept}, {gateway.ActAccept, gateway.ActAskHandover}, {gateway.ActDecline}, {gateway.ActError},
	} {
		id := g.asked("groen")
		for _, act := range story {
			g.commits(id, act, func(c *store.Commitment) { c.Reserve = act == gateway.ActPlan && i == 2 })
		}
	}
	id := g.asked("groen")
	g.commits(id, gateway.ActAccept)
	h := g.handover()
	h.Referral, h.Request, h.Seen = id, uuid.NewString(), 2
	acceptAll(t, s, g.now, about(peerB, gateway.KindHandover, h.Request, &store.ReferralEffect{Handover: h}))
	g.commits(id, gateway.ActStart)
	must(t, s.Publish(ctx, g.now, store.Publication{Counted: map[string][]string{"groen": {store.ReferralPseudonym(id), "zzzzzzzz"}}}))
}

// asked is a referral of peerB's to this node.
func (g *golden) asked(offer string) string {
	id := uuid.NewString()
	acceptAll(g.t, g.s, g.now, request(peerB, id, gateway.ActRefer, 0, func(q *gateway.ReferralRequest) { n := fullNeed(offer); q.Need = &n }))
	return id
}

// commits a step of this node's.
func (g *golden) commits(id string, act gateway.ReferralAct, more ...func(*store.Commitment)) {
	g.t.Helper()
	here := &region{provider: g.referrer, now: g.now}
	here.commit(g.t, id, act, more...)
}

// places fill up: there is a waiting list, somebody is passed, and allotments are
// shifted, asked for, refused and heard of.
func (g *golden) places() {
	t, s := g.t, g.s
	for range 2 {
		g.commits(g.asked("klein"), gateway.ActAccept)
	}
	first, second := g.asked("klein"), g.asked("klein")
	g.commits(first, gateway.ActWaitlist)
	g.commits(second, gateway.ActWaitlist)
	g.commits(g.asked("klein"), gateway.ActWaitlist)
	propose := func(offer string, shift gateway.Shift) gateway.AllotmentRequest {
		return get(s.ProposeShift(ctx, g.now, gateway.AllotmentRequest{
			Offer: offer, Asked: peerB, Ask: "asked", Shifts: []gateway.Shift{shift}, Until: g.now.Add(gateway.ShiftLife),
		}, signers, g.entry("x")))(t)
	}
	release := gateway.Shift{From: "alblasserdam", To: "sliedrecht", Dagdeel: "di-ochtend", Places: 1}
	get(s.SignShift(ctx, g.now, propose("klein", release).ID, self, "signed", g.entry("x")))(t)
	g.commits(second, gateway.ActAccept, func(c *store.Commitment) { c.Passing = "werksoort" })
	get(s.DropShift(ctx, g.now, propose("groen", release).ID, gateway.ShiftRefused, peerB, g.entry("x")))(t)
	waits := propose("groen", release)
	must(t, s.ToldShift(ctx, g.now, waits.ID, peerB, "1", g.entry("x")))
	ask := gateway.AllotmentAsk{
		ID: uuid.NewString(), Provider: peerA, Asked: self, Offer: "groen", Shifts: []gateway.Shift{release}, Made: g.now, Until: g.now.Add(time.Hour),
	}
	must(t, s.SayShift(ctx, g.now, store.HeardShift{Request: ask, Ask: "token", Says: gateway.ShiftSign, Signed: "signed"}, g.entry("x")))
	must(t, s.HearShift(ctx, g.now, store.HeardShift{Request: ask, Letter: "letter", State: gateway.AllotmentState{
		ID: ask.ID, Number: 2, Incarnation: 7, Status: gateway.ShiftPending, Signed: []gateway.OIN{peerB},
	}}, "", g.entry("x")))
}

// rights are requests of inhabitants in both directions, open and answered.
func (g *golden) rights() {
	t, s := g.t, g.s
	id := g.asked("groen")
	for i, act := range []gateway.SubjectAct{gateway.Erase, gateway.Restrict, gateway.Rectify} {
		in := asks(peerB, id, act, func(q *gateway.SubjectRequest) {
			q.Explanation = "op verzoek"
			switch act {
			case gateway.Erase:
				q.Fields = []gateway.Field{"need.note"}
			case gateway.Rectify:
				q.Correction = gateway.Correction{Need: gateway.NeedPart{Note: "Komt met de bus.", MaxKm: 7}}
			}
		})
		acceptAll(t, s, g.now, in)
		if i < 2 {
			get(s.AnswerRights(ctx, g.now, answers(in, gateway.SubjectDone, func(a *store.RightsAnswer) { a.Answer.Explanation = "gedaan" })))(t)
		}
	}
	followed := s.Referrals(func(f store.ReferralFacts) bool { return f.Side == gateway.ReferrerSide && f.Status == gateway.Started })
	get(s.AskRights(ctx, g.now, store.AskedRights{
		Request: gateway.SubjectRequest{
			Referral: followed[0].ID, Act: gateway.Rectify, Ground: "onjuist", Received: "2026-11-02", AnswerBy: "2026-11-30", Explanation: "verhuisd",
			Correction: gateway.Correction{Handover: gateway.HandoverPart{Name: "Aafje Ander", Phone: "0600000001"}},
		},
		Policy: "p3", Here: true, Terms: terms(), Entry: g.entry("x"),
	}))(t)
}

// erases what has ended, on both sides.
func (g *golden) erases() {
	for _, f := range g.s.Referrals(func(f store.ReferralFacts) bool {
		return f.Status == gateway.Declined || f.Status == gateway.EnteredInError
	}) {
		must(g.t, g.s.EraseReferral(ctx, g.now, f.ID, "bewaartermijn", g.entry("x")))
	}
}

// staff read what they otherwise may not, propose policies and follow events.
func (g *golden) staff() {
	t, s := g.t, g.s
	open := func(caller string) store.BreakGlass {
		return get(s.OpenBreakGlass(ctx, g.now, store.BreakGlass{
			Caller: caller, Name: "B. Eheerder", Reason: "storing", Key: []byte("key"), Since: g.now, Until: g.now.Add(time.Hour),
		}, g.entry("x")))(t)
	}
	first := open("c1")
	must(t, s.UnderBreakGlass(ctx, g.now, "c1", g.entry("read")))
	get(s.EndBreakGlass(ctx, g.now, "c1", g.entry("x")))(t)
	acknowledges := g.entry("x")
	acknowledges.Caller = "c9"
	get(s.AcknowledgeBreakGlass(ctx, g.now, first.Number, acknowledges))(t)
	open("c2")
	must(t, s.ProposePolicy(ctx, g.now, store.PolicyProposal{Version: "p4", Mode: "two-person", Since: g.now, Until: g.now.Add(time.Hour)}, g.entry("x")))
	for _, p := range []store.PartyProposal{
		{Party: peerB, ID: "in", Policy: "p9", Author: "a", Body: []byte("{}")}, {Party: peerC, Out: true, ID: "out", Policy: "p4", Author: "b", Body: []byte("{}")},
	} {
		get(s.AddProposal(ctx, g.now, p, g.entry("x")))(t)
	}
	must(t, s.AnswerProposal(ctx, g.now, 1, "refused", g.entry("x")))
	get(s.SetWebhooks(ctx, g.now, []string{"ecd", "hr"}))(t)
	page := get(s.Events(ctx, gateway.EventPosition{}, 5, nil))(t)
	must(t, s.SaveWebhook(ctx, g.now, store.Webhook{
		Name: "ecd", After: page.Next, Delivered: g.now, Failing: g.now, Failures: 3, Reason: "timeout", Next: g.now.Add(time.Minute),
	}))
	for _, gemeente := range []gateway.Gemeente{alblasserdam, "gm0610", alblasserdam} {
		must(t, s.CountMissing(ctx, g.now, gemeente, []string{"groen", "techniek"}, g.entry("x")))
	}
}

// witnesses of this journal, and journals that this node witnesses.
func (g *golden) witnesses() {
	t, s := g.t, g.s
	head := get(openHead(get(s.Checkpoint(ctx, g.now, signHead))(t)))(t)
	must(t, s.Cosigned(ctx, g.now, store.Cosignature{
		Witness: peerB, KID: "k1", Size: head.Size, Incarnation: s.Incarnation(), Time: g.now, Line: "cosigned",
	}))
	must(t, s.NotCosigned(ctx, g.now, peerC, store.WitnessRollback, head.Size+9))
	must(t, s.Witness(ctx, g.now, peerB, func(_ time.Time, held store.Held) (store.Held, []journal.Entry, error) {
		held.Heads = []store.Head{{Incarnation: 6, Size: 3, Time: g.now, Checkpoint: "three", Abandoned: true}, {Incarnation: 7, Size: 2, Time: g.now, Checkpoint: "two"}}
		held.Branches = []store.Branch{{At: g.now, Outcome: store.BranchRestored, Entry: 1, Lost: 3}}
		held.Refused = &store.Refusal{At: g.now, Outcome: store.WitnessInconsistent, Size: 4, Checkpoint: "four"}
		return held, []journal.Entry{g.entry("witnessed")}, nil
	}))
}

// closes fills a block of the journal, so that it has an index, and packs the file.
func (g *golden) closes() {
	t, s := g.t, g.s
	must(t, s.SetSent(ctx, g.now, 5))
	missing := 1024 - int(get(s.JournalSize(ctx))(t))
	must(t, s.Append(ctx, g.now, slices.Repeat([]journal.Entry{{Kind: goldenFiller}}, missing)...))
	get(s.IndexJournal(ctx, g.now))(t)
	get(s.Checkpoint(ctx, g.now, signHead))(t)
	get(s.Compact(ctx, g.now))(t)
}

// goldenFiller is the kind of entries that fill the journal, which the text of a
// golden database leaves out.
const goldenFiller = "filler"
