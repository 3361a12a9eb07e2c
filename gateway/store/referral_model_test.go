package store_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// modelReferral is what must be known of a referral to an offer with places for
// Alblasserdam and places that are nobody's.
type modelReferral struct {
	id        string
	status    gateway.ReferralStatus
	number    uint64
	dagdelen  []gateway.Dagdeel
	allotment string // of its places, or for which it waits
	reserved  string // the allotment; only until lapses
	lapses    gateway.Date
	waits     int // order of entry; 0: not
	passed    int
}

// referralModel follows both sides: every message arrives at once.
type referralModel struct {
	each    int // places of each pool on each dagdeel
	all     []*modelReferral
	entered int
}

func (m *referralModel) taken(today gateway.Date) gateway.Taken {
	taken := gateway.Taken{}
	for _, r := range m.all {
		if r.status.Booked() {
			taken.Add(r.allotment, r.dagdelen, 1)
		}
		if r.lapses != "" && today <= r.lapses {
			taken.Add(r.reserved, r.dagdelen, 1)
		}
	}
	return taken
}

func (m *referralModel) fits(allotment string, dagdelen []gateway.Dagdeel, today gateway.Date) bool {
	taken := m.taken(today)
	return !slices.ContainsFunc(dagdelen, func(d gateway.Dagdeel) bool { return taken[allotment][d] >= m.each })
}

// place finds a pool with room, and those who have waited longer for it.
func (m *referralModel) place(r *modelReferral, today gateway.Date) (pool string, ok bool, before []*modelReferral) {
	for _, pool := range []string{"alblasserdam", ""} {
		if !m.fits(pool, r.dagdelen, today) {
			continue
		}
		for _, other := range m.all {
			longer := other.waits > 0 && (r.waits == 0 || other.waits < r.waits)
			if other != r && longer && pool == "alblasserdam" && other.lapses == "" && m.fits(pool, other.dagdelen, today) {
				before = append(before, other)
			}
		}
		return pool, true, before
	}
	return "", false, nil
}

// commit is what the provider's step must do: the error it must give, or nil.
func (m *referralModel) commit(r *modelReferral, c store.Commitment, today gateway.Date) error {
	next, err := gateway.Referral{Status: r.status, Number: r.number}.Commit(gateway.Step{
		By: gateway.ProviderSide, Act: c.Act, Reason: c.Reason, Date: c.Date,
	})
	if err != nil {
		return err
	}
	kept, promised := *r, r.lapses != "" && today <= r.lapses
	if r.lapses != "" && next.Status != gateway.IntroHeld {
		r.reserved, r.lapses = "", ""
	}
	needs := next.Status == gateway.Accepted || c.Reserve
	if c.Reserve && next.Status != gateway.IntroPlanned {
		*r = kept
		return gateway.Errorf(gateway.Invalid, "")
	}
	if needs {
		pool, ok, before := m.place(r, today)
		if !ok {
			*r = kept
			return gateway.Wrap(gateway.Conflict, store.ErrNoPlace, "")
		}
		if next.Status == gateway.Accepted && promised {
			before = nil
		}
		if len(before) > 0 && c.Passing == "" {
			*r = kept
			return gateway.Wrap(gateway.Conflict, store.ErrPassing, "")
		}
		for _, other := range before {
			other.passed++
		}
		if c.Reserve {
			r.reserved, r.lapses = pool, c.Date
		} else {
			r.allotment = pool
		}
	}
	m.move(r, next)
	return nil
}

// move is what follows from a state alone.
func (m *referralModel) move(r *modelReferral, next gateway.Referral) {
	if r.status != next.Status && next.Status != gateway.IntroHeld && next.Status != gateway.IntroPlanned {
		r.reserved, r.lapses = "", ""
	}
	if r.status.Booked() && !next.Status.Booked() {
		r.allotment = ""
	}
	if r.waits > 0 && (next.Status.Booked() || next.Status.Final()) {
		r.waits = 0
	}
	if next.Status == gateway.Waitlisted && r.waits == 0 {
		m.entered++
		r.waits = m.entered
	}
	r.status, r.number = next.Status, next.Number
}

// sameError compares kinds, and what callers may want to recognise.
func sameError(got, want error) bool {
	if (got == nil) != (want == nil) {
		return false
	}
	for _, known := range []error{store.ErrNoPlace, store.ErrPassing} {
		if errors.Is(got, known) != errors.Is(want, known) {
			return false
		}
	}
	return want == nil || gateway.KindOf(got) == gateway.KindOf(want)
}

// TestReferralsFollowTheModel draws stories of both sides, with days that pass and
// restarts.
func TestReferralsFollowTheModel(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		m := &referralModel{each: rapid.IntRange(1, 3).Draw(t, "places")}
		r := &region{now: start()}
		for oin, to := range map[gateway.OIN]**node{self: &r.referrer, peerA: &r.provider} {
			k := newKeys()
			*to = &node{testStore: &testStore{path: filepath.Join(dir, fmt.Sprintf("%s-%d.db", oin, runs)), opt: store.Options{NoSync: true, Vault: k}}, oin: oin, keys: k}
			(*to).reopen(t)
			defer func() { _ = (*to).Close(); _ = os.Remove((*to).path) }()
		}
		r.offer(t, green(3*m.each))
		t.Repeat(map[string]func(*rapid.T){
			"":       func(t *rapid.T) { r.compare(t, m) },
			"refer":  func(t *rapid.T) { r.drawReferral(t, m) },
			"commit": func(t *rapid.T) { r.drawCommit(t, m) },
			"ask":    func(t *rapid.T) { r.drawAsk(t, m) },
			"days":   func(t *rapid.T) { r.now = r.now.AddDate(0, 0, rapid.IntRange(1, 3).Draw(t, "days")) },
			"reopen": func(t *rapid.T) {
				r.provider.reopen(t)
				r.referrer.reopen(t)
				r.sound(t)
			},
		})
		r.sound(t)
	})
}

func (r *region) drawReferral(t *rapid.T, m *referralModel) {
	n := need()
	days := [][]gateway.Dagdeel{{"di-ochtend"}, {"do-ochtend"}, {"di-ochtend", "do-ochtend"}}
	n.Dagdelen = rapid.SampledFrom(days).Draw(t, "dagdelen")
	f := get(r.referrer.AskNewReferral(ctx, r.now, self, store.NewReferral{Provider: peerA, Need: n, Terms: terms()}))(t)
	r.exchange(t)
	m.all = append(m.all, &modelReferral{id: f.ID, status: gateway.Requested, number: 1, dagdelen: n.Dagdelen})
}

func (r *region) drawCommit(t *rapid.T, m *referralModel) {
	if len(m.all) == 0 {
		t.Skip("none yet")
	}
	one := rapid.SampledFrom(m.all).Draw(t, "referral")
	acts := one.status.Acts(gateway.ProviderSide)
	if len(acts) == 0 || rapid.IntRange(0, 9).Draw(t, "any act") == 0 {
		acts = gateway.ReferralActs()
	}
	c := store.Commitment{Referral: one.id, Act: rapid.SampledFrom(acts).Draw(t, "act"), Terms: terms()}
	if c.Act.Reasons() != "" {
		c.Reason = "overig"
	}
	if must, _ := c.Act.Dated(); must {
		c.Date = gateway.DateOf(r.now.AddDate(0, 0, rapid.IntRange(1, 4).Draw(t, "date")))
	}
	c.Reserve = (c.Act == gateway.ActPlan || c.Act == gateway.ActWaitlist) && rapid.Bool().Draw(t, "reserve")
	c.Passing = rapid.SampledFrom([]string{"", "werksoort"}).Draw(t, "passing")
	if c.Act == gateway.ActWaitlist && c.Reserve {
		c.Reserve = rapid.IntRange(0, 4).Draw(t, "wrongly") == 0
	}
	want := m.commit(one, c, gateway.DateOf(r.now))
	_, got := r.provider.CommitReferral(ctx, r.now, c)
	if !sameError(got, want) {
		t.Fatalf("%s in %q: got %v, want %v", c.Act, one.status, got, want)
	}
	r.exchange(t)
}

func (r *region) drawAsk(t *rapid.T, m *referralModel) {
	if len(m.all) == 0 {
		t.Skip("none yet")
	}
	one := rapid.SampledFrom(m.all).Draw(t, "referral")
	acts := []gateway.ReferralAct{gateway.ActReplan, gateway.ActHandover, gateway.ActWithdraw, gateway.ActCancel, gateway.ActError}
	a := store.Asking{Referral: one.id, Act: rapid.SampledFrom(acts).Draw(t, "act"), Terms: terms()}
	if a.Act.Reasons() != "" {
		a.Reason = "overig"
	}
	if a.Act == gateway.ActHandover {
		a.Handover = &gateway.Handover{Name: "A. Test"}
	}
	_, err := r.referrer.AskReferral(ctx, r.now, a)
	if _, may := one.status.Next(a.Act); !may {
		wantKind(t, err, gateway.Conflict)
		return
	}
	must(t, err)
	r.exchange(t)
	next, err := gateway.Referral{Status: one.status, Number: one.number}.Commit(gateway.Step{
		By: gateway.ReferrerSide, Act: a.Act, Reason: a.Reason, Seen: one.number,
	})
	must(t, err)
	m.move(one, next)
}

// compare holds both sides against the model.
func (r *region) compare(t *rapid.T, m *referralModel) {
	today := gateway.DateOf(r.now)
	if got, want := fmt.Sprint(get(r.provider.Taken(ctx, "groen", today))(t)), fmt.Sprint(m.taken(today)); got != want {
		t.Fatalf("taken: got %s, want %s", got, want)
	}
	waiting := map[int]string{}
	for _, one := range m.all {
		got := r.agree(t, one.id)
		want := gateway.Referral{Status: one.status, Number: one.number, Allotment: one.allotment, Dagdelen: one.dagdelen}
		if got.Status != want.Status || got.Number != want.Number || got.Allotment != want.Allotment || !slices.Equal(got.Dagdelen, want.Dagdelen) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if one.waits > 0 {
			waiting[one.waits] = fmt.Sprint(one.id, one.passed)
		}
	}
	var want, got []string
	for _, n := range slices.Sorted(maps.Keys(waiting)) {
		want = append(want, waiting[n])
	}
	for _, w := range get(r.provider.WaitingList(ctx, "groen"))(t) {
		got = append(got, fmt.Sprint(w.Referral, len(w.Passed)))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("waiting: got %v, want %v", got, want)
	}
	listed := r.provider.Referrals(nil)
	if len(listed) != len(m.all) {
		t.Fatalf("listed: got %d, want %d", len(listed), len(m.all))
	}
	for _, f := range listed {
		i := slices.IndexFunc(m.all, func(one *modelReferral) bool { return one.id == f.ID })
		if i < 0 || m.all[i].status != f.Status || m.all[i].number != f.Number || !f.Final() && f.Due == "" {
			t.Fatalf("listed: got %+v, want what the model has", f)
		}
	}
}
