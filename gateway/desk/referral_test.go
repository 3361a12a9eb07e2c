package desk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/guard"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// consulent and coordinator are who work with referrals, each at one side.
func consulent() gateway.Caller {
	return gateway.Caller{Name: "consulent", Roles: []gateway.Role{gateway.Consulent}}
}

func coordinator() gateway.Caller {
	return gateway.Caller{Name: "coordinator", Roles: []gateway.Role{gateway.Coordinator}}
}

// referrers is a region in which Alblasserdam sees an offer of Smile.
func referrers(t *testing.T) *gt.Federation {
	t.Helper()
	f := pair(t)
	f.Publish(gt.Smile, gt.Offer("groen"))
	f.Settled(time.Hour)
	return f
}

func aNeed() gateway.Need {
	return gateway.Need{
		Offer: "groen", Fits: true, Informed: gateway.Informed{On: "2026-11-01", How: "gesprek"}, Grondslag: "participatiewet",
		Trajectsoort: "participatieplaats", Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, From: "2026-11-09", Note: "werkt graag buiten",
		Werksoorten: []string{"groen"}, Fase: 2, Postcode: "2952",
	}
}

func refer(t *testing.T, f *gt.Federation, change ...func(*desk.NewReferral)) desk.ReferralAsked {
	t.Helper()
	n := desk.NewReferral{Need: aNeed()}
	for _, c := range change {
		c(&n)
	}
	asked, err := f.Node(gt.Alblasserdam).Desk.Refer(t.Context(), consulent(), n)
	if err != nil {
		t.Fatalf("refer: %v", err)
	}
	return asked
}

// arrive waits until Smile has what Alblasserdam asked, and Alblasserdam what
// Smile answered.
func arrive(t *testing.T, f *gt.Federation, id string) {
	t.Helper()
	time.Sleep(time.Minute)
	if _, err := f.Node(gt.Smile).Store.ProvidedReferral(t.Context(), id); err != nil {
		t.Fatalf("the referral did not arrive: %v", err)
	}
}

func commit(t *testing.T, f *gt.Federation, c desk.ReferralCommit) desk.ReferralLine {
	t.Helper()
	line, err := f.Node(gt.Smile).Desk.CommitReferral(t.Context(), coordinator(), c)
	if err != nil {
		t.Fatalf("%s: %v", c.Act, err)
	}
	return line
}

// What policy does not let go is left out, and told; what is on its way has one
// owner of the next step and a day.
func TestReferLeavesOutWhatPolicyDoes(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		asked := refer(t, f, func(n *desk.NewReferral) { n.Reference = "Z-17" })
		if got, want := fmt.Sprint(asked.LeftOut), "[fase postcode]"; got != want {
			t.Errorf("left out: got %s, want %s", got, want)
		}
		kept, err := f.Node(gt.Alblasserdam).Store.FollowedReferral(t.Context(), asked.Referral.ID)
		if err != nil || kept.Need.Fase != 0 || kept.Need.Postcode != "" || kept.Need.Note == "" || kept.Need.Contact.Name != "Servicepunt" {
			t.Errorf("got the need %+v, %v; want it without fase and postcode, with a note and the own contact", kept.Need, err)
		}
		step := asked.Referral.NextStep
		if step == nil || step.Party != gt.Smile || step.Mine || step.Due != "2026-11-09" || step.Action != "Antwoord geven op de aanmelding" ||
			step.Contact.Name != "Servicepunt" {
			t.Errorf("got the next step %+v, want one of Smile within five working days", step)
		}
		time.Sleep(8 * 24 * time.Hour) // nobody answers, or Smile does and then does nothing
		late, err := f.Node(gt.Alblasserdam).Desk.ListReferrals(t.Context(), consulent(), desk.ReferralFilter{Overdue: true})
		if err != nil || len(late) != 1 || late[0].NextStep.Late != 1 || late[0].Reference != "Z-17" {
			t.Errorf("overdue: got %+v, %v; want the one, a day late", late, err)
		}
	})
}

// The bad input of a referral, each with what the error must say.
func TestReferRefuses(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		expired := gt.Offer("voorbij")
		expired.ValidUntil = "2026-11-02"
		f.Publish(gt.Smile, gt.Offer("groen"), expired)
		f.Settled(time.Hour)
		time.Sleep(24 * time.Hour)
		refer(t, f, func(n *desk.NewReferral) { n.Reference = "al-open" })
		need := func(change func(*gateway.Need)) func(*desk.NewReferral) {
			return func(n *desk.NewReferral) { change(&n.Need) }
		}
		for name, test := range map[string]struct {
			change func(*desk.NewReferral)
			kind   gateway.Kind
			says   string
		}{
			"unseen offer":     {need(func(n *gateway.Need) { n.Offer = "onbekend" }), gateway.NotFound, "offer"},
			"other provider":   {func(n *desk.NewReferral) { n.Provider = gt.Dordrecht }, gateway.NotFound, "offer"},
			"expired offer":    {need(func(n *gateway.Need) { n.Offer = "voorbij" }), gateway.NotFound, ""},
			"not informed":     {need(func(n *gateway.Need) { n.Informed = gateway.Informed{} }), gateway.Invalid, "informed"},
			"informed to come": {need(func(n *gateway.Need) { n.Informed.On = "2026-11-04" }), gateway.Invalid, "informed"},
			"informed long ago": {need(func(n *gateway.Need) { n.Informed.On = "2025-11-02" }), gateway.Invalid,
				"informed"},
			"informed somehow": {need(func(n *gateway.Need) { n.Informed.How = "rook" }), gateway.Invalid, "informed"},
			"no fit":           {need(func(n *gateway.Need) { n.Fits = false }), gateway.Invalid, "fits"},
			"far past":         {need(func(n *gateway.Need) { n.From = "1926-11-09" }), gateway.Invalid, "from"},
			"far future":       {need(func(n *gateway.Need) { n.From = "2126-11-09" }), gateway.Invalid, "from"},
			"no date":          {need(func(n *gateway.Need) { n.From = "morgen" }), gateway.Invalid, "from"},
			"no dagdelen":      {need(func(n *gateway.Need) { n.Dagdelen = nil }), gateway.Invalid, "dagdelen"},
			"lacking dagdeel":  {need(func(n *gateway.Need) { n.Dagdelen = []gateway.Dagdeel{"zo-avond"} }), gateway.Invalid, "zo-avond"},
			"no dagdeel":       {need(func(n *gateway.Need) { n.Dagdelen = []gateway.Dagdeel{"altijd"} }), gateway.Invalid, "dagdelen"},
			"trajectsoort":     {need(func(n *gateway.Need) { n.Trajectsoort = "wsw" }), gateway.Invalid, "trajectsoort"},
			"grondslag":        {need(func(n *gateway.Need) { n.Grondslag = "wmo" }), gateway.Invalid, "grondslag"},
			"werksoort":        {need(func(n *gateway.Need) { n.Werksoorten = []string{"vliegen"} }), gateway.Invalid, "werksoort"},
			"oversize note":    {need(func(n *gateway.Need) { n.Note = strings.Repeat("x", 201) }), gateway.Invalid, "note"},
			"BSN in note":      {need(func(n *gateway.Need) { n.Note = "bsn 111222333" }), gateway.Invalid, "note"},
			"phone in note":    {need(func(n *gateway.Need) { n.Note = "bel 0612345678" }), gateway.Invalid, "note"},
			"hidden in note":   {need(func(n *gateway.Need) { n.Note = "a\u200bb" }), gateway.Invalid, "note"},
			"BSN in contact": {need(func(n *gateway.Need) { n.Contact = gateway.Functional{Name: "111222333"} }), gateway.Invalid,
				"contact.name"},
			"BSN as reference": {func(n *desk.NewReferral) { n.Reference = "111222333" }, gateway.Invalid, "reference"},
			"no mandate":       {func(n *desk.NewReferral) { n.Principal = gt.Dordrecht }, gateway.Denied, "mandate"},
			"attachments":      {func(n *desk.NewReferral) { n.Attachments.Attachments = []byte(`["a"]`) }, gateway.Invalid, "attachments"},
			"open already":     {func(n *desk.NewReferral) { n.Reference = "al-open" }, gateway.Conflict, "open already"},
			"follows nothing": {need(func(n *gateway.Need) { n.Follows = "3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11" }), gateway.Invalid,
				"follow"},
		} {
			n := desk.NewReferral{Need: aNeed()}
			test.change(&n)
			_, err := f.Node(gt.Alblasserdam).Desk.Refer(t.Context(), consulent(), n)
			if gateway.KindOf(err) != test.kind || err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: got %v, want kind %v that says %q", name, err, test.kind, test.says)
			}
			for _, value := range []string{"111222333", "0612345678", "rook", "vliegen"} {
				if err != nil && strings.Contains(err.Error(), value) {
					t.Errorf("%s: the error repeats %q", name, value)
				}
			}
		}
		if list := f.Node(gt.Alblasserdam).Store.Referrals(nil); len(list) != 1 {
			t.Errorf("got %d referrals, want the one that was good", len(list))
		}
	})
}

// What only looks like personal data passes when somebody says so, and the journal
// knows who and where, not what.
func TestOverrideIsJournaled(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		asked := refer(t, f, func(n *desk.NewReferral) {
			n.Need.Note, n.Override = "kast 111222333", []desk.Override{{Field: "note", What: guard.BSN}, {Field: "note", What: guard.Phone}}
		})
		if len(asked.Override) != 1 || asked.Override[0].What != guard.BSN {
			t.Errorf("got the overrides %v, want the one that was needed", asked.Override)
		}
		entries := slices.DeleteFunc(f.Journal(gt.Alblasserdam), func(r store.JournalRecord) bool { return r.Kind != journal.KindOverride })
		if len(entries) != 1 || entries[0].Caller == "" || entries[0].Outcome != "bsn" || fmt.Sprint(entries[0].Fields) != "[note]" {
			t.Errorf("got the entries %+v, want one of field note", entries)
		}
		if strings.Contains(gt.Dump(f.Journal(gt.Alblasserdam)), "111222333") {
			t.Error("the journal has what was overridden")
		}
	})
}

// When safety is at stake nothing goes but whom to call.
func TestCallFirstSaysNothingElse(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		asked := refer(t, f, func(n *desk.NewReferral) { n.Need.CallFirst = true })
		kept, err := f.Node(gt.Alblasserdam).Store.FollowedReferral(t.Context(), asked.Referral.ID)
		if err != nil {
			t.Fatal(err)
		}
		var said map[string]any
		raw, _ := json.Marshal(kept.Need)
		if err := json.Unmarshal(raw, &said); err != nil {
			t.Fatal(err)
		}
		for name := range said {
			if !slices.Contains([]string{"offer", "callFirst", "contact", "deputy"}, name) {
				t.Errorf("the need has %s, want nothing but whom to call", name)
			}
		}
	})
}

// A policy without a rule for referrals lets none go, and the error names why.
func TestReferDeniedByPolicy(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		err := f.SetPolicy(gt.Alblasserdam, `policy: niets
party: "`+string(gt.Alblasserdam)+`"
description: Wij verwijzen niemand.
rules:
  - id: niemand
    description: Over personen gaat niets de deur uit.
    effect: never
    to: everyone
    kinds: [referral, handover]
    fields: all
accept:
  - id: aanbod
    description: Aanbod van leerwerkbedrijven.
    from: {roles: [leerwerkbedrijf]}
    kinds: [capacity, capacity-state]
`)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Node(gt.Alblasserdam).Desk.Refer(t.Context(), consulent(), desk.NewReferral{Need: aNeed()})
		if gateway.KindOf(err) != gateway.Denied || !strings.Contains(err.Error(), "niemand") {
			t.Errorf("got %v, want Denied by rule niemand", err)
		}
	})
}

// What a policy kept from a referrer it hears as soon as another lets it go.
func TestStateThatPolicyKeptIsToldLater(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		id := refer(t, f).Referral.ID
		arrive(t, f, id)
		wide, err := os.ReadFile(filepath.Join(f.Dir(gt.Smile), "policy.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		narrow := strings.Replace(string(wide), "\naccept:", `
  - id: niets-over-verwijzingen
    description: Over verwijzingen zeggen wij niets.
    effect: never
    kinds: [referral-state]
    to: everyone
    fields: all

accept:`, 1)
		if err := f.SetPolicy(gt.Smile, narrow); err != nil {
			t.Fatal(err)
		}
		commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		known := func() gateway.ReferralStatus {
			time.Sleep(10 * time.Minute)
			followed, err := f.Node(gt.Alblasserdam).Store.FollowedReferral(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return followed.Follow.Status
		}
		if got := known(); got != gateway.Requested {
			t.Fatalf("got %q, want that the acceptance is kept from it", got)
		}
		if err := f.SetPolicy(gt.Smile, string(wide)); err != nil {
			t.Fatal(err)
		}
		if got := known(); got != gateway.Accepted {
			t.Errorf("got %q, want %q", got, gateway.Accepted)
		}
	})
}

// From aanmelding to handover over two nodes: each side may do what is its own,
// what is full says where, and what ended is erased in time.
func TestReferralThroughTheDesk(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			f.SetConfig(oin, "referrals: P90D", "referrals: P5D")
		}
		ctx, alblasserdam, smile := context.Background(), f.Node(gt.Alblasserdam).Desk, f.Node(gt.Smile).Desk
		id := refer(t, f).Referral.ID
		arrive(t, f, id)
		if _, err := alblasserdam.CommitReferral(ctx, coordinator(), desk.ReferralCommit{Referral: id, Act: gateway.ActAccept}); gateway.KindOf(err) != gateway.Denied {
			t.Errorf("the referrer accepts: got %v, want Denied", err)
		}
		if _, err := smile.AskReferral(ctx, consulent(), desk.ReferralRequest{Referral: id, Act: gateway.ActWithdraw, Reason: "werk"}); gateway.KindOf(err) != gateway.Denied {
			t.Errorf("the provider withdraws: got %v, want Denied", err)
		}
		if _, err := alblasserdam.HandOver(ctx, consulent(), aHandover(id)); gateway.KindOf(err) != gateway.Conflict {
			t.Errorf("a handover before a place is certain: got %v, want Conflict", err)
		}
		line := commit(t, f, desk.ReferralCommit{Referral: id[:8], Act: gateway.ActAccept})
		if line.Status != gateway.Accepted || line.Allotment != "alblasserdam" || !line.NextStep.Mine || line.Pseudonym == "" {
			t.Errorf("got %+v, want it accepted in the allotment of Alblasserdam", line)
		}
		time.Sleep(time.Minute)
		if list, err := alblasserdam.ListReferrals(ctx, consulent(), desk.ReferralFilter{Open: true}); err != nil || len(list) != 1 || list[0].Status != gateway.Accepted || list[0].Asked != "" {
			t.Fatalf("Alblasserdam lists %+v, %v; want it accepted", list, err)
		}
		asked, err := alblasserdam.HandOver(ctx, consulent(), aHandover(id))
		if err != nil || fmt.Sprint(asked.LeftOut) != "[postcode]" {
			t.Fatalf("hand over: got %+v, %v; want postcode left out", asked.LeftOut, err)
		}
		time.Sleep(time.Minute)
		detail, err := smile.ReadReferral(ctx, coordinator(), id)
		if err != nil || detail.Handover == nil || detail.Handover.Name != "A. Voorbeeld" || detail.Handover.Postcode != "" || detail.Need.Note == "" {
			t.Fatalf("Smile reads %+v, %v; want the handover without postcode", detail.Handover, err)
		}
		commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActStart, Date: "2026-11-09"})
		commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActEnd, Reason: "uitstroom-betaald-werk"})
		time.Sleep(4 * 24 * time.Hour)
		if got := len(f.Node(gt.Smile).Store.Referrals(nil)); got != 1 {
			t.Errorf("after 4 days: got %d referrals at Smile, want 1", got)
		}
		time.Sleep(3 * 24 * time.Hour)
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			report, err := f.Node(oin).Desk.RetentionReport(ctx, consulent())
			if err != nil || len(report.Due)+len(report.Held) != 0 || len(report.Done) != 1 || report.Done[0].Why != "bewaartermijn" {
				t.Errorf("after 7 days, at %s: got %+v, %v; want it erased", oin, report, err)
			}
		}
	})
}

func aHandover(id string) desk.NewHandover {
	return desk.NewHandover{Referral: id, Handover: gateway.Handover{
		Name: "A. Voorbeeld", Phone: "06 1234 5678", Postcode: "2952AA", Guidance: "begint liever rustig", Contact: gateway.Contact{Name: "B. Verwijzer"},
	}}
}

// No place: the error says where, in Dutch, and the waiting list is fair: who is
// passed over is told why.
func TestFullAndWaiting(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		offer := gt.Offer("groen")
		for i := range offer.Places {
			offer.Places[i].Maximum = 1
		}
		offer.Allotments = offer.Allotments[:1]
		for i := range offer.Allotments[0].Places {
			offer.Allotments[0].Places[i].Maximum = 1
		}
		f.Publish(gt.Smile, offer)
		f.Settled(time.Hour)
		var ids []string
		for range 3 {
			ids = append(ids, refer(t, f).Referral.ID)
			arrive(t, f, ids[len(ids)-1])
		}
		smile := f.Node(gt.Smile).Desk
		commit(t, f, desk.ReferralCommit{Referral: ids[0], Act: gateway.ActAccept})
		_, err := smile.CommitReferral(t.Context(), coordinator(), desk.ReferralCommit{Referral: ids[1], Act: gateway.ActAccept})
		want := "Vol: op ma-ochtend is geen plek in toedeling alblasserdam, en ook niet daarbuiten; zet op de wachtlijst met: doorstroom referrals act " + ids[1][:8] + " waitlist"
		if gateway.KindOf(err) != gateway.Conflict || gateway.SafeMessage(err) != want {
			t.Errorf("accept without a place: got %v, want %s", err, want)
		}
		commit(t, f, desk.ReferralCommit{Referral: ids[1], Act: gateway.ActWaitlist})
		commit(t, f, desk.ReferralCommit{Referral: ids[0], Act: gateway.ActDecline, Reason: "past-niet"})
		late := desk.ReferralCommit{Referral: ids[2], Act: gateway.ActAccept}
		if _, err := smile.CommitReferral(t.Context(), coordinator(), late); gateway.KindOf(err) != gateway.Conflict || !strings.Contains(gateway.SafeMessage(err), "--passing") {
			t.Errorf("accept before who waits: got %v, want a reason to be asked", err)
		}
		late.Passing = "begint een maand eerder"
		commit(t, f, late)
		list, err := smile.WaitingList(t.Context(), coordinator(), "groen")
		if err != nil || len(list) != 1 || list[0].Referral != ids[1] || list[0].Place != 1 || len(list[0].Passed) != 1 || list[0].Passed[0].Reason != late.Passing {
			t.Errorf("got the waiting list %+v, %v; want the second, passed over once", list, err)
		}
	})
}

// Steps of the provider that cannot be.
func TestCommitRefuses(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		id := refer(t, f).Referral.ID
		arrive(t, f, id)
		for name, test := range map[string]struct {
			c    desk.ReferralCommit
			kind gateway.Kind
		}{
			"unknown referral":   {desk.ReferralCommit{Referral: "3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11", Act: gateway.ActAccept}, gateway.NotFound},
			"no act":             {desk.ReferralCommit{Referral: id, Act: "dansen"}, gateway.Invalid},
			"the referrer's":     {desk.ReferralCommit{Referral: id, Act: gateway.ActWithdraw, Reason: "werk"}, gateway.Denied},
			"not now":            {desk.ReferralCommit{Referral: id, Act: gateway.ActResume}, gateway.Conflict},
			"no reason":          {desk.ReferralCommit{Referral: id, Act: gateway.ActDecline}, gateway.Invalid},
			"no such reason":     {desk.ReferralCommit{Referral: id, Act: gateway.ActDecline, Reason: "zomaar"}, gateway.Invalid},
			"a reason too much":  {desk.ReferralCommit{Referral: id, Act: gateway.ActAccept, Reason: "werk"}, gateway.Invalid},
			"no date":            {desk.ReferralCommit{Referral: id, Act: gateway.ActPlan}, gateway.Invalid},
			"a date in the past": {desk.ReferralCommit{Referral: id, Act: gateway.ActPlan, Date: "2026-10-01"}, gateway.Invalid},
			"the far future":     {desk.ReferralCommit{Referral: id, Act: gateway.ActAccept, Date: "2099-01-01"}, gateway.Invalid},
			"a date too much":    {desk.ReferralCommit{Referral: id, Act: gateway.ActInvestigate, Date: "2026-11-09"}, gateway.Invalid},
			"an old state":       {desk.ReferralCommit{Referral: id, Act: gateway.ActAccept, Seen: 99}, gateway.Conflict},
			"BSN in passing":     {desk.ReferralCommit{Referral: id, Act: gateway.ActAccept, Passing: "111222333"}, gateway.Invalid},
			"reserve of nothing": {desk.ReferralCommit{Referral: id, Act: gateway.ActAccept, Reserve: true}, gateway.Invalid},
		} {
			if _, err := f.Node(gt.Smile).Desk.CommitReferral(t.Context(), coordinator(), test.c); gateway.KindOf(err) != test.kind || err == nil {
				t.Errorf("%s: got %v, want kind %v", name, err, test.kind)
			}
		}
		if p, err := f.Node(gt.Smile).Store.ProvidedReferral(t.Context(), id); err != nil || p.Referral.Number != 1 {
			t.Errorf("got state %d, %v; want that nothing has changed", p.Referral.Number, err)
		}
	})
}
