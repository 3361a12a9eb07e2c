package desk_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// TestSubjectReport: each side gives an inhabitant what it has, and why that was
// allowed; by name only when it is confirmed of how many, and the journal never
// has the name.
func TestSubjectReport(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		id := refer(t, f, func(n *desk.NewReferral) { n.Reference = "Z-2026-17" }).Referral.ID
		other := refer(t, f, func(n *desk.NewReferral) { n.Reference = "Z-2026-18" }).Referral.ID
		arrive(t, f, id)
		commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		time.Sleep(time.Minute)
		mine, smile := f.Node(gt.Alblasserdam).Desk, f.Node(gt.Smile).Desk
		if _, err := mine.HandOver(t.Context(), consulent(), aHandover(id)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		officer := gateway.Caller{Name: "fg", Roles: []gateway.Role{gateway.PrivacyOfficer}}
		_, err := smile.ReportSubject(t.Context(), officer, desk.SubjectQuestion{Name: "a.  voorbeeld"})
		if gateway.KindOf(err) != gateway.Conflict || !strings.Contains(err.Error(), "1 referral bears") || strings.Contains(err.Error(), "oorbeeld") {
			t.Errorf("by name, not confirmed: got %v, want how many to confirm", err)
		}
		for name, q := range map[string]desk.SubjectQuestion{
			"nobody": {Name: "niemand hier"}, "another number": {Name: "Voorbeeld", Confirm: 2}, "two letters": {Name: "Vo"}, "neither": {},
			"both": {Name: "Voorbeeld", Referrals: []string{id}}, "unknown": {Referrals: []string{"ffffffff"}},
		} {
			if report, err := smile.ReportSubject(t.Context(), officer, q); err == nil {
				t.Errorf("%s: got %+v, want an error", name, report)
			}
		}
		for oin, q := range map[gateway.OIN]desk.SubjectQuestion{
			gt.Smile: {Name: "Voorbeeld", Confirm: 1}, gt.Alblasserdam: {Referrals: []string{id[:8]}},
		} {
			report, err := f.Node(oin).Desk.ReportSubject(t.Context(), officer, q)
			if err != nil || len(report.Referrals) != 1 || report.Referrals[0].Referral != id {
				t.Fatalf("%s: got %+v, %v; want the one referral", oin, report, err)
			}
			var text, page bytes.Buffer
			if err := report.Text(&text); err != nil {
				t.Fatal(err)
			}
			if err := report.HTML(&page); err != nil {
				t.Fatal(err)
			}
			wants := []string{
				"Uw gegevens in Doorstroom", "A. Voorbeeld", "06 1234 5678", "werkt graag buiten", "Participatieplaats", "Autoriteit Persoonsgegevens",
				"Stand: Overgedragen", "90 dagen na het einde",
			}
			if oin == gt.Alblasserdam {
				wants = append(wants, "Wij hebben u verwezen naar Smile", "Ons eigen kenmerk: Z-2026-17", "wij vroegen: warme overdracht", "warme-overdracht",
					"Inwoners naar een passende plek leiden", "90 dagen")
			} else {
				wants = append(wants, "Alblasserdam heeft u naar ons verwezen", "wij legden vast: geaccepteerd")
			}
			for _, want := range wants {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%s: got\n%s\nwant it to say %q", oin, text.String(), want)
				}
			}
			if strings.Contains(text.String(), other) || strings.Contains(text.String(), "Z-2026-18") || !strings.Contains(page.String(), "A. Voorbeeld") {
				t.Errorf("%s: got another's referral in it, or no page", oin)
			}
			if dump := fmt.Sprint(f.Journal(oin)); strings.Contains(dump, "oorbeeld") || !strings.Contains(dump, "report-subject") {
				t.Errorf("%s: the journal has the name, or not the question", oin)
			}
		}
	})
}
