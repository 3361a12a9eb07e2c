package store_test

import (
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// known are the referrals that one node knows and that fit, in their order.
func (l *lives) known(n *node, fit func(store.ReferralFacts) bool) []string {
	known := map[string]bool{}
	for _, f := range n.Referrals(fit) {
		known[f.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(l.ids), func(id string) bool { return !known[id] })
}

// drawKnown is a referral that one node knows.
func (l *lives) drawKnown(t *rapid.T, n *node, fit func(store.ReferralFacts) bool) string {
	all := l.known(n, fit)
	if len(all) == 0 {
		t.Skip("none yet")
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "referral")]
}

// may fails the test unless an error is an answer to somebody who asks.
func (l *lives) may(t *rapid.T, err error) {
	if err == nil {
		return
	}
	l.refused++
	switch gateway.KindOf(err) {
	case gateway.Conflict, gateway.Denied, gateway.Invalid, gateway.NotFound, gateway.Limit:
	default:
		t.Fatalf("got %v, want none, or one that says why not", err)
	}
}

func (l *lives) drawReferrer(t *rapid.T) *node {
	return l.referrers[rapid.IntRange(0, len(l.referrers)-1).Draw(t, "referrer")]
}

// drawRefer makes a referral, some after one that ended so.
func (l *lives) drawRefer(t *rapid.T) {
	n, needs := l.drawReferrer(t), need()
	ended := l.known(n, func(f store.ReferralFacts) bool { return f.Status == gateway.Ended })
	if len(ended) > 0 && rapid.Bool().Draw(t, "follows") {
		needs.Follows = ended[rapid.IntRange(0, len(ended)-1).Draw(t, "before")]
	}
	f, err := n.AskNewReferral(ctx, l.now, n.oin, store.NewReferral{Provider: peerA, Need: needs, Terms: terms(), Entry: entryX()})
	if l.may(t, err); err == nil {
		l.ids = append(l.ids, f.ID)
	}
}

func (l *lives) drawCommit(t *rapid.T) {
	l.drawStep(t, rapid.SampledFrom(gateway.ReferralActs()).Draw(t, "act"))
}

func (l *lives) drawStep(t *rapid.T, act gateway.ReferralAct) {
	id := l.drawKnown(t, l.provider, nil)
	reserve := act == gateway.ActPlan && rapid.Bool().Draw(t, "reserve")
	passing := rapid.SampledFrom([]string{"", "werksoort"}).Draw(t, "passing")
	goesOn := act == gateway.ActEnd && rapid.Bool().Draw(t, "goes on elsewhere")
	_, err := l.with(nil).try(id, act, func(c *store.Commitment) {
		if c.Reserve, c.Passing = reserve, passing; goesOn {
			c.Reason = "doorstroom"
		}
	})
	l.may(t, err)
}

func (l *lives) drawAsk(t *rapid.T) {
	n := l.drawReferrer(t)
	acts := []gateway.ReferralAct{
		gateway.ActRefer, gateway.ActReplan, gateway.ActHandover, gateway.ActWithdraw, gateway.ActCancel, gateway.ActError,
	}
	l.may(t, l.ask(n, l.drawKnown(t, n, nil), rapid.SampledFrom(acts).Draw(t, "act")))
}

func (l *lives) ask(n *node, id string, act gateway.ReferralAct) error {
	a := store.Asking{Referral: id, Act: act, Terms: terms()}
	if act.Reasons() != "" {
		a.Reason = "overig"
	}
	switch act {
	case gateway.ActHandover:
		a.Handover = &gateway.Handover{Name: "A. Test", Phone: "0612345678"}
	case gateway.ActRefer:
		needs := need()
		a.Need = &needs
	}
	_, err := n.AskReferral(ctx, l.now, a)
	return err
}

// drawShift releases or swaps a place, signed by who gives it.
func (l *lives) drawShift(t *rapid.T) {
	pools := []string{"alblasserdam", "sliedrecht", ""}
	shift := gateway.Shift{
		From: rapid.SampledFrom(pools[:2]).Draw(t, "from"), To: rapid.SampledFrom(pools).Draw(t, "to"), Dagdeel: "di-ochtend", Places: 1,
	}
	if shift.From == shift.To {
		shift.To = ""
	}
	q, err := l.provider.ProposeShift(ctx, l.now, gateway.AllotmentRequest{Offer: "groen", Shifts: []gateway.Shift{shift}, Asked: self}, signers, entryX())
	if l.may(t, err); err != nil {
		return
	}
	_, err = l.provider.SignShift(ctx, l.now, q.ID, q.Givers[0], "signed", entryX())
	l.may(t, err)
}

// drawRights has an inhabitant ask something of either side.
func (l *lives) drawRights(t *rapid.T) {
	n := l.drawNode(t)
	q := gateway.SubjectRequest{
		Referral: l.drawKnown(t, n, nil), Act: rapid.SampledFrom(gateway.SubjectActs()).Draw(t, "right"),
		Ground: "bezwaar", Received: gateway.DateOf(l.now), AnswerBy: gateway.DateOf(l.now.AddDate(0, 0, 28)),
	}
	switch q.Act {
	case gateway.Rectify:
		q.Ground, q.Correction = "onjuist", gateway.Correction{Need: gateway.NeedPart{Note: corrected}}
	case gateway.Erase:
		q.Fields = rapid.SampledFrom([][]gateway.Field{nil, {"need.note"}, {"handover"}, {"handover.phone"}}).Draw(t, "fields")
	case gateway.Lift:
		q.Ground = ""
	}
	_, err := n.AskRights(ctx, l.now, store.AskedRights{Request: q, Here: rapid.Bool().Draw(t, "here too"), Terms: terms(), Entry: entryX()})
	l.may(t, err)
}

// drawAnswer has a side answer, and now and then die before the keys are erased.
func (l *lives) drawAnswer(t *rapid.T) {
	n := l.drawNode(t)
	open := slices.DeleteFunc(get(n.Rights(ctx))(t), func(r store.Rights) bool { return r.Asked || !r.Open() })
	if len(open) == 0 {
		t.Skip("nothing is asked")
	}
	r := open[rapid.IntRange(0, len(open)-1).Draw(t, "request")]
	a := gateway.SubjectAnswer{Result: rapid.SampledFrom(gateway.SubjectResults()).Draw(t, "result"), On: gateway.DateOf(l.now)}
	switch a.Result {
	case gateway.SubjectPartly:
		a.Reason, a.Fields = "wettelijke-plicht", []gateway.Field{"need.note"}
	case gateway.SubjectRefused:
		a.Reason = "wettelijke-plicht"
	case gateway.SubjectExtended:
		a.Reason, a.AnswerBy = "complex", gateway.DateOf(l.now.AddDate(0, 0, 60))
	}
	err := l.dying(t, n, func() error {
		_, err := n.AnswerRights(ctx, l.now, store.RightsAnswer{Request: r.Request.Request, Party: r.Party, Terms: terms(), Entry: entryX(), Answer: a})
		return err
	})
	if err == nil && a.Result == gateway.SubjectDone && r.Request.Act == gateway.Erase && len(r.Request.Fields) == 0 {
		l.erased[n][r.Request.Referral] = true
	}
}

// drawErase has a side erase at the end of its term what has ended.
func (l *lives) drawErase(t *rapid.T) {
	n := l.drawNode(t)
	id := l.drawKnown(t, n, store.ReferralFacts.Final)
	err := l.dying(t, n, func() error { return n.EraseReferral(ctx, l.now, id, "bewaartermijn", entryX()) })
	if err == nil {
		l.erased[n][id] = true
	}
}

// dying does something at a node that may die before keys are erased, and is started
// again then. No error tells that it was done.
func (l *lives) dying(t *rapid.T, n *node, do func() error) error {
	if rapid.Bool().Draw(t, "dies") {
		n.keys.dies = errKilled
	}
	err := do()
	n.keys.dies = nil
	if errors.Is(err, errKilled) {
		n.reopen(t)
		return nil
	}
	l.may(t, err)
	return err
}

// drawWithhold has policy keep back a message that waits.
func (l *lives) drawWithhold(t *rapid.T) {
	from, to := l.drawWay(t)
	l.ready(t, from, to)
	var waits []store.Withheld
	for _, o := range get(from.Due(ctx, l.now, to.oin, 100, 1<<26, nil))(t) {
		if gateway.Confidential(o.Kind) {
			waits = append(waits, store.Withheld{Kind: o.Kind, Subject: o.Subject, Rule: "default"})
		}
	}
	if len(waits) == 0 {
		t.Skip("nothing waits")
	}
	one := waits[rapid.IntRange(0, len(waits)-1).Draw(t, "message")]
	must(t, from.Withhold(ctx, l.now, to.oin, []store.Withheld{one}, terms()))
}
