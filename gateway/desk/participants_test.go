package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// TestNobodyCountsTwice: one of three places is taken by a referral. When the
// export counts the participant itself, by the code, as many are free as before;
// when it does not any more, the referral takes the place again.
func TestNobodyCountsTwice(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		smile := f.Node(gt.Smile)
		export := func(occupied int) gateway.Offer {
			offer := gt.Offer("groen")
			for i := range offer.Places {
				offer.Places[i].Maximum, offer.Places[i].Occupied = 3, occupied
			}
			offer.Allotments = nil
			return offer
		}
		publish := func(occupied int, counted map[string][]string) desk.ImportReport {
			t.Helper()
			report, err := smile.Desk.PublishCapacity(t.Context(), gt.Everyone(),
				gateway.Import{Source: "csv", Full: true, Offers: []gateway.Offer{export(occupied)}, Counted: counted}, false)
			if err != nil {
				t.Fatal(err)
			}
			return report
		}
		taken := func(when string, want int) {
			t.Helper()
			all, err := smile.Store.TakenOffers(t.Context(), gateway.DateOf(time.Now()))
			if got := all["groen"][""]["ma-ochtend"]; err != nil || got != want {
				t.Errorf("%s: got %d places taken by referrals, %v; want %d", when, got, err, want)
			}
			if problems := smile.Store.Check(t.Context()); len(problems) > 0 {
				t.Errorf("%s: %v", when, problems)
			}
		}
		publish(0, nil)
		f.Settled(time.Hour)
		id := refer(t, f).Referral.ID
		arrive(t, f, id)
		code := commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActAccept}).Pseudonym
		taken("accepted", 1)
		if report := publish(3, map[string][]string{"groen": {code}}); len(report.Short) > 0 || len(report.Problems) > 0 || report.Changed != 1 {
			t.Errorf("got %+v, want the full export taken: the referral is one of the three", report)
		}
		taken("counted", 0)
		if report := publish(3, map[string][]string{"groen": {code, "00000000"}}); len(report.Problems) != 1 || strings.Contains(report.Problems[0].Message, "00000000") {
			t.Errorf("got %v, want one code told of that is of no referral, not repeated", report.Problems)
		}
		taken("counted, nothing changed", 0)
		publish(2, map[string][]string{"groen": {}})
		taken("no longer counted", 1)
		publish(2, map[string][]string{"groen": {code}})
		publish(2, nil)
		taken("an export that does not say", 0)
		commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActDecline, Reason: "past-niet"})
		taken("declined", 0)
		_, err := smile.Desk.PublishCapacity(t.Context(), gt.Everyone(), gateway.Import{Source: "csv", Counted: map[string][]string{"hout": {code}}}, false)
		if gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("counted of an offer that is not in the import: got %v, want Invalid", err)
		}
	})
}
