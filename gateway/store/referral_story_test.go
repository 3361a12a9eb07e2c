package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// lives is a region of which either side may be put back from what it was.
type lives struct {
	*region
	backups map[*node][][]byte
	ids     []string // of all referrals, in their order
	refused int      // commitments that had to wait, or did not fit
}

// TestReferralsConvergeAfterRestores draws stories of both sides with accepts,
// waiting lists, allotments that are shifted, requests of inhabitants, messages
// that are late, and restores of either side from any backup of before. Nothing is
// overbooked without a word, each step has one owner, and once the two have greeted
// each other both know the same.
func TestReferralsConvergeAfterRestores(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		l := &lives{region: &region{now: start()}, backups: map[*node][][]byte{}}
		for oin, to := range map[gateway.OIN]**node{self: &l.referrer, peerA: &l.provider} {
			k := newKeys()
			*to = &node{testStore: &testStore{path: filepath.Join(dir, fmt.Sprintf("%s-%d.db", oin, runs)), opt: store.Options{NoSync: true, Vault: k}}, oin: oin, keys: k}
			(*to).reopen(t)
			defer func() { _ = (*to).Close(); _ = os.Remove((*to).path) }()
		}
		l.offer(t, green(3*rapid.IntRange(1, 2).Draw(t, "places")))
		l.greet(t)
		for _, n := range []*node{l.referrer, l.provider} {
			l.backups[n] = append(l.backups[n], n.backup(t))
		}
		t.Repeat(map[string]func(*rapid.T){
			"":        func(t *rapid.T) { l.sound(t) },
			"refer":   func(t *rapid.T) { l.ids = append(l.ids, l.refer(t).ID) },
			"commit":  l.drawCommit,
			"accept":  func(t *rapid.T) { l.drawStep(t, gateway.ActAccept) },
			"ask":     l.drawAsk,
			"shift":   l.drawShift,
			"rights":  l.drawRights,
			"deliver": l.drawDelivery,
			"backup": func(t *rapid.T) {
				n := l.drawSide(t)
				l.backups[n] = append(l.backups[n], n.backup(t))
			},
			"restore": func(t *rapid.T) {
				n := l.drawSide(t)
				n.putBack(t, l.backups[n][rapid.IntRange(0, len(l.backups[n])-1).Draw(t, "backup")], l.now)
			},
			"greet": func(t *rapid.T) { l.greet(t) },
			"days":  func(t *rapid.T) { l.pass(t, rapid.IntRange(1, 4).Draw(t, "days")) },
		})
		for range 2 {
			l.expire(t)
			l.greet(t)
		}
		l.converged(t)
	})
}

// pass lets days go by, in all less than those after which nobody goes through what
// has ended.
func (l *lives) pass(t *rapid.T, days int) {
	if l.now.Before(start().AddDate(0, 0, 20)) {
		l.now = l.now.AddDate(0, 0, days)
		l.expire(t)
	}
}

// expire is the hourly work of both nodes: it ends messages that waited too long,
// also those of a backup that was put back.
func (l *lives) expire(t *rapid.T) {
	l.now = l.now.Add(time.Hour)
	for _, n := range []*node{l.referrer, l.provider} {
		get(n.Expire(ctx, l.now))(t)
	}
}

func (l *lives) drawSide(t *rapid.T) *node {
	if rapid.Bool().Draw(t, "provider") {
		return l.provider
	}
	return l.referrer
}

// drawDelivery brings what waits to the other side, or not yet.
func (l *lives) drawDelivery(t *rapid.T) {
	if rapid.Bool().Draw(t, "to the provider") {
		l.deliver(t, l.referrer, l.provider)
	} else {
		l.deliver(t, l.provider, l.referrer)
	}
}

// drawKnown is a referral that one side knows.
func (l *lives) drawKnown(t *rapid.T, n *node) string {
	known := map[string]bool{}
	for _, f := range n.Referrals(nil) {
		known[f.ID] = true
	}
	all := slices.DeleteFunc(slices.Clone(l.ids), func(id string) bool { return !known[id] })
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

func (l *lives) drawCommit(t *rapid.T) {
	l.drawStep(t, rapid.SampledFrom(gateway.ReferralActs()).Draw(t, "act"))
}

func (l *lives) drawStep(t *rapid.T, act gateway.ReferralAct) {
	id := l.drawKnown(t, l.provider)
	reserve := act == gateway.ActPlan && rapid.Bool().Draw(t, "reserve")
	passing := rapid.SampledFrom([]string{"", "werksoort"}).Draw(t, "passing")
	_, err := l.try(id, act, func(c *store.Commitment) { c.Reserve, c.Passing = reserve, passing })
	l.may(t, err)
}

func (l *lives) drawAsk(t *rapid.T) {
	acts := []gateway.ReferralAct{gateway.ActReplan, gateway.ActHandover, gateway.ActWithdraw, gateway.ActCancel, gateway.ActError}
	a := store.Asking{Referral: l.drawKnown(t, l.referrer), Act: rapid.SampledFrom(acts).Draw(t, "act"), Terms: terms()}
	if a.Act.Reasons() != "" {
		a.Reason = "overig"
	}
	if a.Act == gateway.ActHandover {
		a.Handover = &gateway.Handover{Name: "A. Test"}
	}
	_, err := l.referrer.AskReferral(ctx, l.now, a)
	l.may(t, err)
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

// drawRights has an inhabitant ask something of the provider, or it answer.
func (l *lives) drawRights(t *rapid.T) {
	if rapid.Bool().Draw(t, "ask") {
		_, err := l.referrer.AskRights(ctx, l.now, store.AskedRights{
			Request: gateway.SubjectRequest{
				Referral: l.drawKnown(t, l.referrer), Act: rapid.SampledFrom([]gateway.SubjectAct{gateway.Erase, gateway.Restrict}).Draw(t, "right"),
				Ground: "bezwaar", Fields: nil, Received: gateway.DateOf(l.now), AnswerBy: gateway.DateOf(l.now.AddDate(0, 0, 28)),
			},
			Here: true, Terms: terms(), Entry: entryX(),
		})
		l.may(t, err)
		return
	}
	for _, r := range get(l.provider.Rights(ctx))(t) {
		if !r.Asked && r.Open() {
			_, err := l.provider.AnswerRights(ctx, l.now, store.RightsAnswer{
				Request: r.Request.Request, Party: r.Party, Terms: terms(), Entry: entryX(),
				Answer: gateway.SubjectAnswer{Result: gateway.SubjectRefused, Reason: "wettelijke-plicht", On: gateway.DateOf(l.now)},
			})
			l.may(t, err)
			return
		}
	}
}

// converged fails the test unless both sides know the same of every referral, with
// nothing open.
func (l *lives) converged(t *rapid.T) {
	l.sound(t)
	provided := map[string]store.ReferralFacts{}
	for _, f := range l.provider.Referrals(nil) {
		provided[f.ID] = f
		if !f.Awaits.IsZero() {
			t.Fatalf("got %+v, want that nothing is awaited any more", f)
		}
	}
	for _, f := range l.referrer.Referrals(nil) {
		p, ok := provided[f.ID]
		delete(provided, f.ID)
		switch {
		case !ok && (f.Orphan || f.Forgotten || f.Failed != "" || f.Status == "" && f.Open == ""):
			continue // both lost it, or it was told that there is none: there is nothing to give back
		case !ok:
			t.Fatalf("the provider does not know %+v", f)
		case f.Open != "" || f.Recovering:
			t.Fatalf("got %+v, want nothing open", f)
		}
		l.agree(t, f.ID)
		if f.Status != p.Status || f.Owner() != p.Owner() || !f.Final() && f.Owner() == "" {
			t.Fatalf("got %+v and %+v, want one owner of the next step", f, p)
		}
	}
	if len(provided) > 0 {
		t.Fatalf("the referrer does not know %v", provided)
	}
	heard := map[string]bool{}
	for _, r := range get(l.provider.Rights(ctx))(t) {
		heard[r.Request.Request] = !r.Asked
	}
	for _, r := range get(l.referrer.Rights(ctx))(t) {
		if r.Asked && r.Open() && !heard[r.Request.Request] {
			t.Fatalf("the provider was never asked %+v", r.Request)
		}
	}
}
