package main_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

var crashReferrals = flag.Int("referrals", 1, "how many referrals TestCrashReferral takes from request to end; make crash takes 25")

// crashedReferral is one referral between two processes that are killed in every
// step of it.
type crashedReferral struct {
	rng                *rand.Rand
	provider, referrer *member
	id, reference      string
	repeated           int // calls that were cut off and had no effect
}

// TestCrashReferral takes referrals from request to end, and kills the provider,
// the referrer or both at a random moment in every step: what was acknowledged is
// there at once, both come to the same state, and each act, booking and handover
// is there once.
func TestCrashReferral(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for many seconds")
	}
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	c := &crashedReferral{rng: rand.New(rand.NewPCG(seed, 3))}
	c.provider, c.referrer = twoMembers(t)
	c.restart(t, c.provider, c.referrer)
	_, err := c.provider.local.Publish(t.Context(), gateway.Import{Source: "test", Offers: []gateway.Offer{gt.Offer("groen")}}, true)
	must(t, err)
	within(t, 2*time.Minute, "the offer is shown", func() bool { return c.free(t) == 5 })
	for n := range *crashReferrals {
		c.reference = fmt.Sprint("K-", n)
		c.story(t)
	}
	c.provider.stop(t)
	c.referrer.stop(t)
	c.audit(t)
	t.Logf("%d referrals; killed provider %d and referrer %d times; %d calls were cut off without effect",
		*crashReferrals, c.provider.kills, c.referrer.kills, c.repeated)
}

func (c *crashedReferral) restart(t *testing.T, members ...*member) {
	t.Helper()
	(&crash{}).restart(t, members...)
}

// story is one referral.
func (c *crashedReferral) story(t *testing.T) {
	t.Helper()
	today := gateway.DateOf(time.Now())
	c.id = ""
	c.step(t, c.referrer, gateway.Requested, func(ctx context.Context) error {
		asked, err := c.referrer.local.Refer(ctx, desk.NewReferral{Provider: sends, Reference: c.reference, Need: gateway.Need{
			Offer: "groen", Contact: gateway.Functional{Name: "Servicepunt"}, Fits: true,
			Informed:  gateway.Informed{On: today, How: "gesprek"},
			Grondslag: "participatiewet", Trajectsoort: "participatieplaats", Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, From: today,
		}})
		c.id = asked.Referral.ID
		return err
	})
	c.commits(t, gateway.Investigating, desk.ReferralCommit{Act: gateway.ActInvestigate})
	c.commits(t, gateway.IntroPlanned, desk.ReferralCommit{Act: gateway.ActPlan, Date: today.Next(), Reserve: true})
	c.commits(t, gateway.IntroHeld, desk.ReferralCommit{Act: gateway.ActMet})
	c.commits(t, gateway.Accepted, desk.ReferralCommit{Act: gateway.ActAccept})
	c.commits(t, gateway.HandoverAsked, desk.ReferralCommit{Act: gateway.ActAskHandover})
	c.step(t, c.referrer, gateway.HandedOver, func(ctx context.Context) error {
		_, err := c.referrer.local.HandOver(ctx, desk.NewHandover{Referral: c.id, Handover: gateway.Handover{
			Name: "Kim Verzinsel " + c.reference, Contact: gateway.Contact{Name: "Robin Verzonnen"},
		}})
		return err
	})
	if h := c.read(t, c.provider).Handover; h == nil || h.Name != "Kim Verzinsel "+c.reference {
		t.Errorf("got handover %+v, want the one that was sent", h)
	}
	c.commits(t, gateway.Started, desk.ReferralCommit{Act: gateway.ActStart, Date: today})
	within(t, 2*time.Minute, "one place is taken", func() bool { return c.free(t) == 4 })
	c.commits(t, gateway.Ended, desk.ReferralCommit{Act: gateway.ActEnd, Reason: "uitstroom-betaald-werk"})
	within(t, 2*time.Minute, "all places are free", func() bool { return c.free(t) == 5 })
}

func (c *crashedReferral) commits(t *testing.T, want gateway.ReferralStatus, step desk.ReferralCommit) {
	t.Helper()
	c.step(t, c.provider, want, func(ctx context.Context) error {
		step.Referral = c.id
		_, err := c.provider.local.CommitReferral(ctx, step)
		return err
	})
}

// step has one side act while one or both are killed, and waits until both have
// come to a state.
func (c *crashedReferral) step(t *testing.T, by *member, want gateway.ReferralStatus, act func(context.Context) error) {
	t.Helper()
	victims := [][]*member{{c.provider}, {c.referrer}, {c.provider, c.referrer}}[c.rng.IntN(3)]
	pause := time.Duration(c.rng.IntN(25_000)) * time.Microsecond
	acted := make(chan error, 1)
	go func() { acted <- act(t.Context()) }()
	time.Sleep(pause)
	for _, m := range victims {
		m.kill(t)
	}
	err := <-acted
	c.restart(t, victims...)
	switch is := c.took(t, by, want); {
	case err == nil && !is:
		t.Fatalf("%s: it was acknowledged and is not there", want)
	case err != nil && gateway.KindOf(err) != gateway.Unavailable:
		t.Fatalf("%s: %v", want, err)
	case !is:
		c.repeated++
		must(t, act(t.Context()))
	}
	within(t, 2*time.Minute, "both know "+string(want), func() bool {
		at, mine := c.find(t, c.provider), c.find(t, c.referrer)
		return at != nil && mine != nil && at.Status == want && mine.Status == want && at.Number == mine.Number && mine.Asked == ""
	})
}

// took tells whether an act that was perhaps cut off is there at its node: the
// state, or the request for it.
func (c *crashedReferral) took(t *testing.T, by *member, want gateway.ReferralStatus) bool {
	t.Helper()
	line := c.find(t, by)
	if line != nil && c.id == "" {
		c.id = line.ID
	}
	return line != nil && (line.Status == want || line.Asked != "")
}

// find lists the present referral at a node; nil if it is not there.
func (c *crashedReferral) find(t *testing.T, at *member) *desk.ReferralLine {
	t.Helper()
	list, err := at.local.Referrals(t.Context(), desk.ReferralFilter{})
	must(t, err)
	for _, line := range list {
		if line.Reference == c.reference || line.ID == c.id && c.id != "" {
			c.id = line.ID
			return &line
		}
	}
	return nil
}

func (c *crashedReferral) read(t *testing.T, at *member) desk.ReferralDetail {
	t.Helper()
	detail, err := at.local.Referral(t.Context(), c.id)
	must(t, err)
	return detail
}

// free is how many places the referrer sees in its own allotment; -1 if none.
func (c *crashedReferral) free(t *testing.T) int {
	t.Helper()
	received, err := c.referrer.local.ReceivedOffers(t.Context())
	must(t, err)
	for _, o := range received {
		for _, a := range o.Capacity.Allotments {
			if available := a.Places[0].Available; available != nil {
				return *available
			}
		}
	}
	return -1
}

// audit counts in both journals.
func (c *crashedReferral) audit(t *testing.T) {
	t.Helper()
	type act struct{ kind, outcome string }
	provider, referrer := c.provider.open(t), c.referrer.open(t)
	got := map[string]map[act]int{}
	for name, d := range map[string]database{"provider": provider, "referrer": referrer} {
		got[name] = map[act]int{}
		for _, r := range d.journal(t) {
			got[name][act{r.Entry.Kind, r.Entry.Outcome}]++
		}
		for _, problem := range d.unsound(t) {
			t.Error(problem)
		}
	}
	once := func(at, kind string, acts ...gateway.ReferralAct) {
		for _, a := range acts {
			if n := got[at][act{kind, string(a)}]; n != *crashReferrals {
				t.Errorf("%s: got %d entries %s %s, want %d", at, n, kind, a, *crashReferrals)
			}
		}
	}
	once("provider", journal.KindReferralCommitted, gateway.ActInvestigate, gateway.ActPlan, gateway.ActMet, gateway.ActAccept,
		gateway.ActAskHandover, gateway.ActStart, gateway.ActEnd)
	once("provider", journal.KindReferralTaken, gateway.ActRefer, gateway.ActHandover)
	once("referrer", journal.KindReferralAsked, gateway.ActRefer, gateway.ActHandover)
	for _, m := range []*member{c.provider, c.referrer} {
		for _, problem := range m.complaints(t) {
			t.Error(problem)
		}
	}
}
