package desk_test

import (
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// TestFollowUp: somebody goes on from Wmo dagbesteding to a participatieplaats at
// another provider, and to another place of the first. Whom to call and the
// reference are taken over; what was told under one law only under that law; and
// no provider learns the number of another's referral.
func TestFollowUp(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t,
			gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
			gt.Member{OIN: gt.Drechtwerk, Name: "Drechtwerk", Kind: gateway.Leerwerkbedrijf},
			gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
		for oin, id := range map[gateway.OIN]string{gt.Smile: "groen", gt.Drechtwerk: "hout"} {
			offer := gt.Offer(id)
			offer.Provider = oin
			if oin == gt.Smile {
				offer.Grondslag = "wmo-2015"
			}
			f.Publish(oin, offer)
		}
		f.Settled(time.Hour)
		mine := f.Node(gt.Alblasserdam)
		first := refer(t, f, func(n *desk.NewReferral) {
			n.Reference, n.Need.Grondslag, n.Need.Contact = "K-17", "wmo-2015", gateway.Functional{Name: "Brughuis", Phone: "078 000 00 00"}
			n.Need.Accessibility = []string{"rolstoel"}
		}).Referral.ID
		arrive(t, f, first)
		follow := func(offer, grondslag string) (desk.ReferralAsked, error) {
			return mine.Desk.Refer(t.Context(), consulent(), desk.NewReferral{Need: gateway.Need{
				Follows: first[:8], Offer: offer, Fits: true, Informed: gateway.Informed{On: "2026-11-01", How: "gesprek"}, Grondslag: grondslag,
				Trajectsoort: "participatieplaats", Dagdelen: []gateway.Dagdeel{"ma-middag"}, From: "2026-11-09",
			}})
		}
		if _, err := follow("hout", "participatiewet"); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("after what has not ended: got %v, want Invalid", err)
		}
		commit(t, f, desk.ReferralCommit{Referral: first, Act: gateway.ActAccept})
		time.Sleep(time.Minute)
		if _, err := mine.Desk.HandOver(t.Context(), consulent(), aHandover(first)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		commit(t, f, desk.ReferralCommit{Referral: first, Act: gateway.ActStart, Date: "2026-11-09"})
		commit(t, f, desk.ReferralCommit{Referral: first, Act: gateway.ActEnd, Reason: "doorstroom"})
		time.Sleep(time.Minute)
		for _, test := range []struct {
			offer, grondslag string
			at               gateway.OIN
			told, same       bool // the number of the first; what was told under its law
		}{
			{"hout", "participatiewet", gt.Drechtwerk, false, false},
			{"groen", "wmo-2015", gt.Smile, true, true},
		} {
			asked, err := follow(test.offer, test.grondslag)
			if err != nil {
				t.Fatalf("%s: %v", test.offer, err)
			}
			id := asked.Referral.ID
			time.Sleep(time.Minute)
			provided, err := f.Node(test.at).Store.ProvidedReferral(t.Context(), id)
			if err != nil || (provided.Need.Follows == first) != test.told || (provided.Referral.Follows == first) != test.told {
				t.Errorf("%s: the provider has %+v, %v; want the number of the first told: %t", test.offer, provided.Need, err, test.told)
			}
			if n := provided.Need; n.Contact.Name != "Brughuis" || (len(n.Accessibility) > 0) != test.same || len(n.Werksoorten) > 0 != test.same || n.Note != "" {
				t.Errorf("%s: the provider has %+v, want the contact, and the rest only under the same law: %t", test.offer, n, test.same)
			}
			detail, err := mine.Desk.ReadReferral(t.Context(), consulent(), id)
			if err != nil || detail.Follows != first || detail.Reference != "K-17" || detail.Status != gateway.Requested {
				t.Errorf("%s: got %+v, %v; want that it is known here what it follows", test.offer, detail, err)
			}
		}
	})
}
