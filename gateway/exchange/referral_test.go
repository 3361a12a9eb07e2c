package exchange_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/policies"
)

// referring is a federation in which Smile shows an offer to two gemeenten.
type referring struct {
	*gt.Federation
	t *testing.T
}

func newReferring(t *testing.T) referring {
	t.Helper()
	f := referring{gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505")), t}
	f.Publish(gt.Smile, gt.Offer("groen"))
	f.Settled(time.Hour)
	return f
}

func need() gateway.Need {
	return gateway.Need{
		Offer: "groen", Contact: gateway.Functional{Name: "Brughuis"}, Fits: true,
		Informed:  gateway.Informed{On: gateway.DateOf(time.Now()), How: "gesprek"},
		Grondslag: "participatiewet", Trajectsoort: "participatieplaats", Werksoorten: []string{"groen"}, Fase: 2, Trede: 3,
		Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, From: gateway.DateOf(time.Now().AddDate(0, 0, 7)), Note: "Komt graag buiten aan de slag.",
	}
}

// refer asks for a place and waits until both sides know.
func (f referring) refer(by gateway.OIN, reference string) string {
	f.t.Helper()
	asked, err := f.Node(by).Desk.Refer(f.t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Reference: reference, Need: need()})
	if err != nil {
		f.t.Fatalf("refer: %v", err)
	}
	f.wake(by)
	f.status(by, asked.Referral.ID, gateway.Requested)
	return asked.Referral.ID
}

func (f referring) wake(from gateway.OIN) {
	all := []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht}
	f.Node(from).Exchange.Wake(all)
	time.Sleep(time.Minute)
}

func (f referring) commit(c desk.ReferralCommit) {
	f.t.Helper()
	if _, err := f.Node(gt.Smile).Desk.CommitReferral(f.t.Context(), gt.Everyone(), c); err != nil {
		f.t.Fatalf("%s: %v", c.Act, err)
	}
	f.wake(gt.Smile)
}

func (f referring) read(at gateway.OIN, id string) desk.ReferralDetail {
	f.t.Helper()
	detail, err := f.Node(at).Desk.ReadReferral(f.t.Context(), gt.Everyone(), id)
	if err != nil {
		f.t.Fatalf("%s reads: %v", at, err)
	}
	return detail
}

// status holds that both sides say the same of a referral.
func (f referring) status(by gateway.OIN, id string, want gateway.ReferralStatus) {
	f.t.Helper()
	at, mine := f.read(gt.Smile, id), f.read(by, id)
	if at.Status != want || mine.Status != want || at.Number != mine.Number || mine.Asked != "" {
		f.t.Fatalf("got %q (%d) at the provider and %q (%d, open: %s) at the referrer, want %q at both",
			at.Status, at.Number, mine.Status, mine.Number, mine.Asked, want)
	}
	if !want.Final() && (at.NextStep == nil || mine.NextStep == nil || at.NextStep.Party != mine.NextStep.Party || at.NextStep.Due == "") {
		f.t.Fatalf("%q: got next steps %+v and %+v, want one owner with a term", want, at.NextStep, mine.NextStep)
	}
}

// TestReferralFromRequestToStart: an inhabitant is referred, accepted, handed over
// warmly, starts, and moves on; both sides always know whose step it is, and
// nobody else learns of it.
func TestReferralFromRequestToStart(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.refer(gt.Alblasserdam, "K-2026-17")
		got := f.read(gt.Smile, id)
		if got.Need == nil || got.Need.Note == "" || got.Need.Trede != 0 || got.Reference != "" {
			t.Errorf("got need %+v, want what policy lets go: a note, no trede, no reference", got.Need)
		}
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		f.status(gt.Alblasserdam, id, gateway.Accepted)
		if got := f.read(gt.Smile, id); got.Allotment != "alblasserdam" {
			t.Errorf("got allotment %q, want Alblasserdam's", got.Allotment)
		}
		shown := f.Received(gt.Alblasserdam, gt.Smile)["groen"]
		if free := shown.Allotments[0].Places[0].Available; free == nil || *free != 4 {
			t.Errorf("got %v places free in its own allotment, want 4 of 5", free)
		}
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAskHandover})
		_, err := f.Node(gt.Alblasserdam).Desk.HandOver(t.Context(), gt.Everyone(), desk.NewHandover{Referral: id, Handover: gateway.Handover{
			Name: "Kim Verzinsel", Phone: "06 12345678", Postcode: "2952AB", Contact: gateway.Contact{Name: "Robin Verzonnen"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		f.wake(gt.Alblasserdam)
		f.status(gt.Alblasserdam, id, gateway.HandedOver)
		if got := f.read(gt.Smile, id).Handover; got == nil || got.Name != "Kim Verzinsel" || got.Phone == "" || got.Postcode != "" {
			t.Errorf("got handover %+v, want a name and a number, and no postcode: policy names none", got)
		}
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActStart, Date: gateway.DateOf(time.Now())})
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActEnd, Reason: "uitstroom-betaald-werk"})
		f.status(gt.Alblasserdam, id, gateway.Ended)
		for _, one := range f.Net.Wire() {
			for _, token := range one.Batch.Messages {
				if strings.Contains(token, id) {
					t.Error("the id of the referral can be read on the wire")
				}
			}
		}
		if list, err := f.Node(gt.Dordrecht).Desk.ListReferrals(t.Context(), gt.Everyone(), desk.ReferralFilter{}); err != nil || len(list) != 0 {
			t.Errorf("Dordrecht: got %v, %v, want nothing", list, err)
		}
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht} {
			f.Stop(oin)
			searchFor(t, f.Dir(oin), []byte("Kim Verzinsel"), []byte("12345678"), []byte("K-2026-17"), []byte(id))
		}
	})
}

// TestNarrowedPolicyWithholdsReferrals: what waits for a provider that is away is
// decided again before it goes.
func TestNarrowedPolicyWithholdsReferrals(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		f.Net.Break(gt.Fault{Before: func(from, to gateway.OIN) error {
			if to == gt.Smile {
				return gateway.Errorf(gateway.Unavailable, "away")
			}
			return nil
		}})
		asked, err := f.Node(gt.Alblasserdam).Desk.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Need: need()})
		if err != nil {
			t.Fatal(err)
		}
		f.wake(gt.Alblasserdam)
		file, _, err := policies.Template("gemeente", string(gt.Alblasserdam), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetPolicy(gt.Alblasserdam, strings.Replace(string(file), ", note]", "]", 1)); err != nil {
			t.Fatal(err)
		}
		f.Net.Break(gt.Fault{})
		time.Sleep(2 * time.Hour)
		if list, err := f.Node(gt.Smile).Desk.ListReferrals(t.Context(), gt.Everyone(), desk.ReferralFilter{}); err != nil || len(list) != 0 {
			t.Errorf("Smile: got %v, %v, want nothing: the note may not go any more", list, err)
		}
		mine := f.read(gt.Alblasserdam, asked.Referral.ID)
		if mine.Asked != "" || mine.Status != "" {
			t.Errorf("got %+v, want a request that is no longer open", mine.ReferralLine)
		}
	})
}

// TestNarrowedPolicyLetsGoWhatOnlyEnds: who may be told nothing more of persons is
// still told that a referral is over.
func TestNarrowedPolicyLetsGoWhatOnlyEnds(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		d := f.Node(gt.Alblasserdam).Desk
		asked, err := d.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Need: need()})
		if err != nil {
			t.Fatal(err)
		}
		f.wake(gt.Alblasserdam)
		if err := f.SetPolicy(gt.Alblasserdam, "policy: niets\nparty: \""+string(gt.Alblasserdam)+"\"\n"+`accept:
  - {id: alles, from: {roles: [leerwerkbedrijf]}, kinds: [capacity, capacity-state, referral-state]}
`); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Need: need()}); gateway.KindOf(err) != gateway.Denied {
			t.Errorf("got %v, want that nobody is referred any more", err)
		}
		if _, err := d.AskReferral(t.Context(), gt.Everyone(), desk.ReferralRequest{Referral: asked.Referral.ID, Act: gateway.ActWithdraw, Reason: "overig"}); err != nil {
			t.Fatal(err)
		}
		f.wake(gt.Alblasserdam)
		f.wake(gt.Smile)
		for _, oin := range []gateway.OIN{gt.Alblasserdam, gt.Smile} {
			if got := f.read(oin, asked.Referral.ID); got.Status != gateway.WithdrawnByRef {
				t.Errorf("%s: got %q, want it withdrawn", oin, got.Status)
			}
		}
	})
}

// TestImportBelowWhatIsTaken: an export that leaves fewer places than referrals
// take is held, and names the offer.
func TestImportBelowWhatIsTaken(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.refer(gt.Alblasserdam, "K-1")
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		imp := func(maximum int) gateway.Import {
			o := gt.Offer("groen")
			o.Allotments[0].Places[0].Maximum = maximum
			return gateway.Import{Source: "test", Offers: []gateway.Offer{o}}
		}
		smile := f.Node(gt.Smile).Desk
		held, err := smile.PublishCapacity(t.Context(), gt.Everyone(), imp(0), false)
		if err != nil || len(held.Short) != 1 || len(held.Held) != 1 || held.Short[0] != "groen" || !strings.Contains(held.Text(), "bezet zijn bij groen") {
			t.Errorf("got %+v, %v, want that it is held for groen", held, err)
		}
		if taken, err := smile.PublishCapacity(t.Context(), gt.Everyone(), imp(1), false); err != nil || len(taken.Held) != 0 {
			t.Errorf("as many places as are taken: got %+v, %v, want that it is taken", taken, err)
		}
	})
}

// TestCancellationCrosses: a cancellation that crosses another step is asked again
// of the new state, and ends with what the provider says of it.
func TestCancellationCrosses(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.refer(gt.Alblasserdam, "K-1")
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		f.Net.Break(gt.Fault{Before: func(_, _ gateway.OIN) error { return gateway.Errorf(gateway.Unavailable, "away") }})
		_, err := f.Node(gt.Alblasserdam).Desk.AskReferral(t.Context(), gt.Everyone(), desk.ReferralRequest{Referral: id, Act: gateway.ActCancel, Reason: "verhuisd"})
		if err != nil {
			t.Fatal(err)
		}
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAskHandover})
		f.Net.Break(gt.Fault{})
		time.Sleep(2 * time.Hour)
		f.status(gt.Alblasserdam, id, gateway.CancelAsked)
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActConfirm})
		f.status(gt.Alblasserdam, id, gateway.Cancelled)
		shown := f.Received(gt.Alblasserdam, gt.Smile)["groen"]
		if free := shown.Allotments[0].Places[0].Available; free == nil || *free != 5 {
			t.Errorf("got %v places free after the cancellation, want all 5", free)
		}
	})
}

// TestProviderOfReferralsRestored: a place that was promised after the backup stays
// promised; meanwhile nothing becomes of what the backup has, and once each
// referrer has said what it knows all goes on by itself.
func TestProviderOfReferralsRestored(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		promised, quiet := f.refer(gt.Alblasserdam, "K-1"), f.refer(gt.Dordrecht, "K-2")
		backUp(t, f.Federation, gt.Smile)
		f.commit(desk.ReferralCommit{Referral: promised, Act: gateway.ActAccept})
		lost := f.refer(gt.Alblasserdam, "K-3")
		f.commit(desk.ReferralCommit{Referral: lost, Act: gateway.ActInvestigate})
		f.Stop(gt.Smile)
		restore(t, f.Federation, gt.Smile, 0)
		f.Net.Break(gt.Fault{Before: func(_, _ gateway.OIN) error { return gateway.Errorf(gateway.Unavailable, "away") }})
		f.Start(gt.Smile)
		for _, id := range []string{promised, quiet} {
			got := f.read(gt.Smile, id)
			if !strings.Contains(got.StatusLabel, "teruggezet") || got.NextStep.Mine || len(got.May) > 0 || len(got.Notes) != 1 {
				t.Errorf("got %+v, want that it waits for its referrer", got)
			}
			_, err := f.Node(gt.Smile).Desk.CommitReferral(t.Context(), gt.Everyone(), desk.ReferralCommit{Referral: id, Act: gateway.ActDecline, Reason: "geen-plek"})
			if gateway.KindOf(err) != gateway.Conflict {
				t.Errorf("got %v, want a conflict", err)
			}
		}
		if got := f.Node(gt.Smile).Desk.ReferralCounts(gateway.DateOf(time.Now())); got.Awaited != 2 {
			t.Errorf("got %+v, want two that wait", got)
		}
		f.Net.Break(gt.Fault{})
		time.Sleep(2 * time.Hour)
		f.status(gt.Alblasserdam, promised, gateway.Accepted)
		f.status(gt.Alblasserdam, lost, gateway.Investigating)
		f.status(gt.Dordrecht, quiet, gateway.Requested)
		if got := f.Node(gt.Smile).Desk.ReferralCounts(gateway.DateOf(time.Now())); got.Awaited != 0 {
			t.Errorf("got %+v, want none that waits", got)
		}
		f.commit(desk.ReferralCommit{Referral: quiet, Act: gateway.ActAccept})
		f.status(gt.Dordrecht, quiet, gateway.Accepted)
	})
}

// TestProviderRestoredWithoutItsReferrer goes on after three days, also with what a
// referrer that was restored itself has forgotten.
func TestProviderRestoredWithoutItsReferrer(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		backUp(t, f.Federation, gt.Alblasserdam)
		backUp(t, f.Federation, gt.Dordrecht)
		forgotten, alone := f.refer(gt.Alblasserdam, "K-1"), f.refer(gt.Dordrecht, "K-2")
		backUp(t, f.Federation, gt.Smile)
		f.commit(desk.ReferralCommit{Referral: alone, Act: gateway.ActAccept})
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			f.Stop(oin)
			restore(t, f.Federation, oin, 0)
		}
		f.Stop(gt.Dordrecht)
		f.Start(gt.Smile)
		f.Start(gt.Alblasserdam)
		time.Sleep(2 * time.Hour)
		f.commit(desk.ReferralCommit{Referral: forgotten, Act: gateway.ActAccept}) // it has nothing more to say
		decline := desk.ReferralCommit{Referral: alone, Act: gateway.ActDecline, Reason: "geen-plek"}
		if _, err := f.Node(gt.Smile).Desk.CommitReferral(t.Context(), gt.Everyone(), decline); gateway.KindOf(err) != gateway.Conflict {
			t.Fatalf("got %v, want a conflict: Dordrecht is away", err)
		}
		time.Sleep(gateway.ConfirmWithin)
		f.commit(decline)
		f.Start(gt.Dordrecht)
		time.Sleep(2 * time.Hour)
		f.status(gt.Dordrecht, alone, gateway.Declined)
		for _, oin := range []gateway.OIN{gt.Smile, gt.Dordrecht} {
			if notes := f.read(oin, alone).Notes; len(notes) != 1 || !strings.Contains(notes[0], "Geaccepteerd") {
				t.Errorf("%s: got notes %q, want what was undone", oin, notes)
			}
		}
	})
}

// TestReferringForAnother: a GRS refers for a gemeente whose mandate it has; the
// provider answers in its own name, and the referral says for whom it is.
func TestReferringForAnother(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		policy, _, err := policies.Template("gemeente", string(gt.GRS), nil)
		if err != nil {
			t.Fatal(err)
		}
		f := referring{gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"),
			gt.Member{OIN: gt.GRS, Name: "GRS", Kind: gateway.GRS, ActsFor: []gateway.OIN{gt.Alblasserdam}, Policy: string(policy)}), t}
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		asked, err := f.Node(gt.GRS).Desk.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Principal: gt.Alblasserdam, Need: need()})
		if err != nil {
			t.Fatal(err)
		}
		id := asked.Referral.ID
		f.wake(gt.GRS)
		f.status(gt.GRS, id, gateway.Requested)
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		f.status(gt.GRS, id, gateway.Accepted)
		if _, err := f.Node(gt.GRS).Desk.HandOver(t.Context(), gt.Everyone(), desk.NewHandover{
			Referral: id, Handover: gateway.Handover{Name: "Kim Verzinsel", Contact: gateway.Contact{Name: "B. Verwijzer"}},
		}); err != nil {
			t.Fatal(err)
		}
		f.wake(gt.GRS)
		f.status(gt.GRS, id, gateway.HandedOver)
		for _, oin := range []gateway.OIN{gt.Smile, gt.GRS} {
			if got := f.read(oin, id); got.Principal != gt.Alblasserdam || got.Party == gt.Alblasserdam {
				t.Errorf("%s: got %+v, want it for Alblasserdam, by another", oin, got.ReferralLine)
			}
		}
		if list, err := f.Node(gt.Alblasserdam).Desk.ListReferrals(t.Context(), gt.Everyone(), desk.ReferralFilter{}); err != nil || len(list) > 0 {
			t.Errorf("Alblasserdam: got %v, %v, want nothing: it did not refer", list, err)
		}
	})
}

// TestTermsStandStillWhileTheOtherIsClosed: the days on which the referrer is
// closed do not count for what it must do, and those of the provider do not for
// when the referrer misses its answer.
func TestTermsStandStillWhileTheOtherIsClosed(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		asks := func(reference string) (handover, answer gateway.Date) {
			id := f.refer(gt.Alblasserdam, reference)
			f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
			f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAskHandover})
			asked, err := f.Node(gt.Alblasserdam).Desk.AskReferral(t.Context(), gt.Everyone(), desk.ReferralRequest{Referral: id, Act: gateway.ActCancel, Reason: "overig"})
			if err != nil {
				t.Fatal(err)
			}
			return f.read(gt.Smile, id).NextStep.Due, asked.Referral.AnswerBy
		}
		handover, answer := asks("K-1")
		for _, oin := range []gateway.OIN{gt.Alblasserdam, gt.Smile} {
			f.SetConfig(oin, "closed: []", "closed: ["+string(gateway.DateOf(time.Now()))+"/"+string(gateway.DateOf(time.Now().AddDate(0, 0, 13)))+"]")
		}
		time.Sleep(25 * time.Hour) // hellos tell it
		later, laterAnswer := asks("K-2")
		const least = 7 * 24 * time.Hour
		for name, pair := range map[string][2]gateway.Date{"the handover": {handover, later}, "the answer": {answer, laterAnswer}} {
			was, err1 := time.Parse(time.DateOnly, string(pair[0]))
			is, err2 := time.Parse(time.DateOnly, string(pair[1]))
			if err1 != nil || err2 != nil || is.Sub(was) < least {
				t.Errorf("%s is due on %q, and with two closed weeks on %q", name, pair[0], pair[1])
			}
		}
	})
}

// TestTermsStandStillWhileClosed: the days on which the provider is closed do not
// count for what it must do.
func TestTermsStandStillWhileClosed(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		open := f.read(gt.Smile, f.refer(gt.Alblasserdam, "K-1"))
		until := gateway.DateOf(time.Now().AddDate(0, 0, 13))
		f.SetConfig(gt.Smile, "closed: []", "closed: ["+string(gateway.DateOf(time.Now()))+"/"+string(until)+"]")
		time.Sleep(time.Minute)
		closed := f.read(gt.Smile, f.refer(gt.Alblasserdam, "K-2"))
		if open.NextStep.Due >= closed.NextStep.Due || closed.NextStep.Due <= until {
			t.Errorf("got %s while open and %s while closed until %s", open.NextStep.Due, closed.NextStep.Due, until)
		}
		day := open.NextStep.Due.Next() // for Smile's daily mail: both wait for it, one too long
		if got := f.Node(gt.Smile).Desk.ReferralCounts(day); got.Mine != 2 || got.OurLate != 1 {
			t.Errorf("got %+v on %s, want two to do, of which one is overdue", got, day)
		}
	})
}
