package desk_test

import (
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestHistoryInDutch: an inhabitant reads no codes of the protocol.
func TestHistoryInDutch(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		d := referrers(t).Node(gt.Smile).Desk
		codes := map[string][]string{
			journal.KindReferralErased: {"bewaartermijn", "op-verzoek", store.ErasedForSubject},
			journal.KindFieldsErased:   {store.ErasedForSubject},
		}
		add := func(code string, kinds ...string) {
			for _, kind := range kinds {
				codes[kind] = append(codes[kind], code)
			}
		}
		for _, act := range gateway.ReferralActs() {
			add(string(act), journal.KindReferralAsked, journal.KindReferralTaken, journal.KindReferralCommitted)
		}
		for _, code := range []string{
			string(gateway.Committed), string(gateway.Stale), string(gateway.NotDone), gateway.WhyNotNow, gateway.WhyNoOffer, gateway.WhyDagdeel,
			gateway.WhyUnknown, gateway.WhyFull, gateway.WhyOpen, gateway.WhyFollows, gateway.WhyDate,
		} {
			add(code, journal.KindReferralTaken)
		}
		for _, status := range gateway.ReferralStatuses() {
			add(string(status), journal.KindReferralHeard)
		}
		for _, act := range gateway.SubjectActs() {
			add(string(act), journal.KindRightsAsked, journal.KindRightsTaken)
		}
		for _, result := range gateway.SubjectResults() {
			add(string(result), journal.KindRightsAnswered, journal.KindRightsHeard)
		}
		plain := []string{"geaccepteerd", "afgewezen", "gestart", "hervat", "onderbroken", "teruggetrokken", "beëindigd", "aangemeld", "overgedragen", "geannuleerd"}
		for kind, all := range codes {
			for _, code := range all {
				text := desk.HistoryText(d, journal.Entry{Kind: kind, Outcome: code})
				what, outcome, _ := strings.Cut(text, ": ")
				if what == kind || outcome == "" || strings.Contains(outcome, "-") || outcome == code && !strings.Contains(strings.Join(plain, " "), code) {
					t.Errorf("%s of %s: got %q, want plain Dutch", code, kind, text)
				}
			}
		}
	})
}
