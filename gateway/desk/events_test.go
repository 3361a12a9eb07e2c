package desk_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Of what happened everybody sees what they may ask for in another way, and
// whoever is told of referrals is journaled.
func TestEventsByRole(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		asked := refer(t, f)
		arrive(t, f, asked.Referral.ID)
		d, s := f.Node(gt.Alblasserdam).Desk, f.Node(gt.Alblasserdam).Store
		if err := s.SaveImport(t.Context(), time.Now(), store.ImportState{Source: "x", Held: &store.HeldImport{Vanished: []string{"a"}}}, nil); err != nil {
			t.Fatal(err)
		}
		commit(t, f, desk.ReferralCommit{Referral: asked.Referral.ID, Act: gateway.ActAccept})
		time.Sleep(time.Minute)
		for _, role := range gateway.Roles() {
			size, err := s.JournalSize(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			caller := gateway.Caller{Name: "iemand", Roles: []gateway.Role{role}}
			page, err := d.Events(t.Context(), caller, desk.EventQuery{})
			if err != nil {
				t.Fatal(err)
			}
			var got []gateway.EventType
			for _, e := range page.Events {
				got = append(got, e.Type)
			}
			for _, kind := range []gateway.EventType{gateway.EventReferralAnswered, gateway.EventOffersChanged, gateway.EventImportHeld} {
				if has, may := slices.Contains(got, kind), caller.May(kind.Operation()); has != may {
					t.Errorf("%s: got %t for %s, want %t", role, has, kind, may)
				}
			}
			after, err := s.JournalSize(t.Context())
			if want := caller.May(gateway.OpListReferrals); err != nil || (after > size) != want {
				t.Errorf("%s: journaled: %t, want %t", role, after > size, want)
			}
		}
	})
}

// Events hold nothing of the need, of whom it is about, or of what was typed.
func TestEventsAreImpersonal(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		asked := refer(t, f, func(n *desk.NewReferral) { n.Reference = "Z-17-geheim" })
		arrive(t, f, asked.Referral.ID)
		commit(t, f, desk.ReferralCommit{Referral: asked.Referral.ID, Act: gateway.ActAccept})
		commit(t, f, desk.ReferralCommit{Referral: asked.Referral.ID, Act: gateway.ActAskHandover})
		time.Sleep(time.Minute)
		_, err := f.Node(gt.Alblasserdam).Desk.HandOver(t.Context(), consulent(), desk.NewHandover{
			Referral: asked.Referral.ID, Handover: gateway.Handover{Name: "Testpersoon Geheim", Phone: "06 12345678", Guidance: "rustig beginnen"},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		need, all := aNeed(), ""
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			page, err := f.Node(oin).Desk.Events(t.Context(), gateway.Caller{Name: "x", Roles: gateway.Roles()}, desk.EventQuery{})
			if err != nil || len(page.Events) < 3 {
				t.Fatalf("got %d events, %v", len(page.Events), err)
			}
			all += gt.Dump(page)
			fitsSchema(t, page.Events)
		}
		if !strings.Contains(all, asked.Referral.ID) || !strings.Contains(all, "handover-received") {
			t.Fatalf("got %s, want the referral and its handover told", all)
		}
		for _, secret := range []string{"Z-17-geheim", "Testpersoon", "12345678", "rustig", need.Note, need.Postcode, need.Trajectsoort, "groen", "Servicepunt"} {
			if secret != "groen" && strings.Contains(all, secret) || secret == "groen" && strings.Contains(all, `"groen"`) {
				t.Errorf("the events tell of %q", secret)
			}
		}
	})
}

// fitsSchema fails the test unless what events tell fits their schema.
func fitsSchema(t *testing.T, events []gateway.CloudEvent) {
	t.Helper()
	v, err := schema.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		data, err := json.Marshal(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		if wrong, err := v.Validate("event", data); err != nil || len(wrong) > 0 || !strings.HasSuffix(e.DataSchema, "/event.v1.json") {
			t.Errorf("%s: got %+v, %v for %s under %s", e.Type, wrong, err, data, e.DataSchema)
		}
	}
}
