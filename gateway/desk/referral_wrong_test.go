package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// What a referrer cannot ask about a referral: each error says where and why, and
// nothing of the person; the referral stays as it is.
func TestAskRefuses(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		d, ctx := f.Node(gt.Alblasserdam).Desk, t.Context()
		id, open := refer(t, f).Referral.ID, refer(t, f).Referral.ID
		arrive(t, f, open)
		commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		time.Sleep(time.Minute)
		f.Net.Cut(gt.Smile)
		if _, err := d.AskReferral(ctx, consulent(), desk.ReferralRequest{Referral: open, Act: gateway.ActWithdraw, Reason: "verhuisd"}); err != nil {
			t.Fatal(err)
		}
		const unknown = "3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11"
		ask := func(id string, act gateway.ReferralAct, reason string) func() error {
			return func() error {
				_, err := d.AskReferral(ctx, consulent(), desk.ReferralRequest{Referral: id, Act: act, Reason: reason})
				return err
			}
		}
		hand := func(id string, change func(*desk.NewHandover)) func() error {
			return func() error {
				n := aHandover(id)
				change(&n)
				_, err := d.HandOver(ctx, consulent(), n)
				return err
			}
		}
		for name, c := range map[string]struct {
			do   func() error
			kind gateway.Kind
			says string
		}{
			"unknown":            {ask(unknown, gateway.ActWithdraw, "overig"), gateway.NotFound, "referral"},
			"no id":              {ask("", gateway.ActWithdraw, "overig"), gateway.NotFound, "referral"},
			"a second":           {ask(open, gateway.ActError, ""), gateway.Conflict, "a request is open (withdraw)"},
			"the same again":     {ask(open, gateway.ActWithdraw, "verhuisd"), gateway.Conflict, "a request is open (withdraw)"},
			"not in this state":  {ask(id, gateway.ActWithdraw, "overig"), gateway.Conflict, "withdraw is not possible"},
			"no such act":        {ask(id, "opheffen", ""), gateway.Invalid, "act"},
			"no such reason":     {ask(id, gateway.ActCancel, "Jansen ziek"), gateway.Invalid, "one of:"},
			"of the provider":    {ask(id, gateway.ActAccept, ""), gateway.Denied, "accept"},
			"hand over unknown":  {hand(unknown, func(*desk.NewHandover) {}), gateway.NotFound, "referral"},
			"with an attachment": {hand(id, func(n *desk.NewHandover) { n.Attachments.Attachments = []byte(`"Jansen.pdf"`) }), gateway.Invalid, "attachments are not supported"},
			"oversize guidance": {hand(id, func(n *desk.NewHandover) { n.Handover.Guidance = strings.Repeat("Jansen ", 200) }), gateway.Invalid,
				"guidance"},
			"oversize name":   {hand(id, func(n *desk.NewHandover) { n.Handover.Name = strings.Repeat("Jansen ", 200) }), gateway.Invalid, "name"},
			"BSN in guidance": {hand(id, func(n *desk.NewHandover) { n.Handover.Guidance = "Jansen 111222333" }), gateway.Invalid, "guidance"},
			"no name":         {hand(id, func(n *desk.NewHandover) { n.Handover.Name = "" }), gateway.Invalid, "name"},
		} {
			err := c.do()
			if gateway.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %v, want kind %v that says %q", name, err, c.kind, c.says)
			}
			for _, secret := range []string{"Jansen", "111222333", "opheffen"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error repeats %q", name, secret)
				}
			}
		}
		f.Net.Mend(gt.Smile)
		time.Sleep(2 * time.Hour)
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			for _, r := range f.Node(oin).Store.Referrals(nil) {
				if want := map[string]gateway.ReferralStatus{id: gateway.Accepted, open: gateway.WithdrawnByRef}[r.ID]; r.Status != want || r.Open != "" {
					t.Errorf("%s: got %q (open: %q), want %q", oin, r.Status, r.Open, want)
				}
			}
		}
	})
}

// A dagdeel that the offer lacks, said by the provider itself for who named none.
func TestAcceptOnDagdeelThatIsNotThere(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := referrers(t)
		id := refer(t, f, func(n *desk.NewReferral) { n.Need.CallFirst = true }).Referral.ID
		arrive(t, f, id)
		for name, c := range map[string]struct {
			dagdelen []gateway.Dagdeel
			kind     gateway.Kind
			says     string
		}{
			"lacking": {[]gateway.Dagdeel{"ma-ochtend", "zo-avond"}, gateway.Conflict, "no places on zo-avond"},
			"none":    {nil, gateway.Invalid, "dagdelen"},
			"no such": {[]gateway.Dagdeel{"altijd"}, gateway.Invalid, "ma-ochtend"},
		} {
			_, err := f.Node(gt.Smile).Desk.CommitReferral(t.Context(), coordinator(), desk.ReferralCommit{
				Referral: id, Act: gateway.ActAccept, Dagdelen: c.dagdelen,
			})
			if gateway.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %v, want kind %v that says %q", name, err, c.kind, c.says)
			}
		}
		line := commit(t, f, desk.ReferralCommit{Referral: id, Act: gateway.ActAccept, Dagdelen: []gateway.Dagdeel{"ma-ochtend"}})
		if line.Status != gateway.Accepted {
			t.Errorf("got %+v, want it accepted after all", line)
		}
	})
}
