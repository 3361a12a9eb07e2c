package exchange_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/policies"
)

// named fails the test unless all entries of some kinds name policy and rules.
func named(t *testing.T, at string, entries []store.JournalRecord, kinds ...string) {
	t.Helper()
	n := 0
	for _, r := range entries {
		if !slices.Contains(kinds, r.Kind) {
			continue
		}
		if n++; r.Policy == "" || len(r.Rules) == 0 || r.Register == 0 {
			t.Errorf("%s: %s %s: got policy %q, rules %v, register %d; want all named", at, r.Kind, r.Outcome, r.Policy, r.Rules, r.Register)
		}
	}
	if n == 0 {
		t.Errorf("%s: no entries of %v", at, kinds)
	}
}

// TestMessagesAboutPersonsNameTheirRules: in the journal of its sender each message
// about a person names the policy and the rules that let it go: when it was made,
// and those of the moment when it went.
func TestMessagesAboutPersonsNameTheirRules(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := f.refer(gt.Alblasserdam, "K-1")
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActAccept})
		if _, err := f.Node(gt.Alblasserdam).Desk.HandOver(t.Context(), gt.Everyone(), desk.NewHandover{Referral: id, Handover: gateway.Handover{
			Name: "Kim Verzinsel", Contact: gateway.Contact{Name: "Robin Verzonnen"},
		}}); err != nil {
			t.Fatal(err)
		}
		f.wake(gt.Alblasserdam)
		unknown := asked(unknownReferral, "entered-in-error", 1, nil)
		f.send(gt.Alblasserdam, gt.Smile, gateway.KindReferral, unknown)
		named(t, "Smile", f.Journal(gt.Smile), journal.KindReferralTaken, journal.KindReferralCommitted)
		named(t, "Alblasserdam", f.Journal(gt.Alblasserdam), journal.KindReferralAsked)
		f.delivered(gt.Smile, gt.Alblasserdam, 4)
		f.delivered(gt.Alblasserdam, gt.Smile, 2)

		before := f.Node(gt.Smile).Desk.Rules().Policy.Version()
		f.Net.Cut(gt.Alblasserdam)
		f.commit(desk.ReferralCommit{Referral: id, Act: gateway.ActStart, Date: gateway.DateOf(time.Now())})
		file, _, err := policies.Template("leerwerkbedrijf", string(gt.Smile), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetPolicy(gt.Smile, strings.Replace(string(file), "\ndescription: ", "\ndescription: Herschreven. ", 1)); err != nil {
			t.Fatal(err)
		}
		after := f.Node(gt.Smile).Desk.Rules().Policy.Version()
		f.Net.Mend(gt.Alblasserdam)
		time.Sleep(2 * time.Hour)
		f.status(gt.Alblasserdam, id, gateway.Started)
		all := f.delivered(gt.Smile, gt.Alblasserdam, 5)
		made := slices.DeleteFunc(f.Journal(gt.Smile), func(r store.JournalRecord) bool { return r.Kind != journal.KindReferralCommitted })
		if got := made[len(made)-1].Policy; got != before {
			t.Errorf("made under %s, want the policy of then, %s", got, before)
		}
		if got := all[len(all)-1].Policy; got != after || after == before {
			t.Errorf("went under %s, want the policy of the moment, %s (before: %s)", got, after, before)
		}
	})
}

// delivered are the entries of messages about persons from one to the other that
// arrived: so many at least, and each with its rules.
func (f referring) delivered(from, to gateway.OIN, least int) (found []store.JournalRecord) {
	f.t.Helper()
	ids := map[string]bool{}
	_, items := onTheWire(f.Federation, from, to)
	for _, item := range items {
		ids[item.ID] = opened(item)
	}
	for _, r := range f.Journal(from) {
		if r.Kind == journal.KindDelivered && ids[r.Message] {
			found = append(found, r)
		}
	}
	if len(found) < least {
		f.t.Errorf("%s: got %d messages about persons that arrived, want %d", from, len(found), least)
	}
	named(f.t, string(from), found, journal.KindDelivered)
	return found
}
