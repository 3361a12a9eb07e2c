package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

func smile() gt.Member {
	return gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf}
}

func gemeente(oin gateway.OIN, name string, code gateway.Gemeente) gt.Member {
	return gt.Member{OIN: oin, Name: name, Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{code}}
}

func region(t testing.TB) *gt.Federation {
	return gt.NewFederation(t, smile(),
		gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"),
		gemeente(gt.Dordrecht, "Dordrecht", "gm0505"),
		gemeente(gt.Molenlanden, "Molenlanden", "gm1978"),
		gt.Member{OIN: gt.GRS, Name: "GRS", Kind: gateway.GRS})
}

// Five nodes in one process, in real time and under the race detector: each
// recipient holds just what the policy shows it.
func TestEachRecipientSeesWhatPolicyAllows(t *testing.T) {
	t.Parallel()
	f := region(t)
	f.Publish(gt.Smile, gt.Occupy(gt.Offer("groen"), "alblasserdam", 2))
	f.Settled(time.Minute)
	f.Converged()

	alblasserdam := f.Received(gt.Alblasserdam, gt.Smile)["groen"]
	if got, want := len(alblasserdam.Allotments), 1; got != want {
		t.Fatalf("Alblasserdam: got %d allotments, want %d", got, want)
	}
	if free := alblasserdam.Allotments[0].Places[0].Available; free == nil || *free != 3 {
		t.Errorf("Alblasserdam, sole owner: got %v free, want 3", free)
	}
	if got, want := alblasserdam.Contact.Name, "Fictieve Contactpersoon"; got != want {
		t.Errorf("Alblasserdam: got contact %q, want %q", got, want)
	}
	molenlanden := f.Received(gt.Molenlanden, gt.Smile)["groen"]
	if molenlanden.Contact != (gateway.Contact{}) || molenlanden.Allotments != nil {
		t.Errorf("Molenlanden has no allotment: got %s", gt.Dump(molenlanden))
	}
	if got, want := molenlanden.Places[0].Band, gateway.Ruim; got != want {
		t.Errorf("Molenlanden: got band %q, want %q", got, want)
	}
	grs := f.Received(gt.GRS, gt.Smile)["groen"]
	if grs.Title == "" || grs.Location.Postcode != "" {
		t.Errorf("GRS sees the region, not the address: got %s", gt.Dump(grs))
	}
}

func TestOnlyChangedOffersAreSentAgain(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		first, second := gt.Offer("een"), gt.Offer("twee")
		f.Publish(gt.Smile, first, second)
		f.Settled(time.Hour)
		before := len(f.Net.Wire())
		report := f.Publish(gt.Smile, first, second)
		if report.Messages != 0 || report.Unchanged != 2 {
			t.Errorf("same export: got %d messages, %d unchanged, want 0 and 2", report.Messages, report.Unchanged)
		}
		second.Title = "Anders"
		if got, want := f.Publish(gt.Smile, first, second).Messages, 4; got != want {
			t.Errorf("one changed offer: got %d messages, want %d", got, want)
		}
		f.Settled(time.Hour)
		var sent int
		for _, x := range f.Net.Wire()[before:] {
			sent += len(x.Batch.Messages)
		}
		if got, want := sent, 4; got != want {
			t.Errorf("on the wire: got %d messages, want %d", got, want)
		}
	})
}

// A peer is away for a week of retries; then all arrives, in order, and what
// was overtaken meanwhile was never sent.
func TestPeerAwayForSevenDays(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		started := time.Now()
		days := 7
		if testing.Short() { // the race detector makes virtual time dear
			days = 2
		}
		var offers []gateway.Offer
		for day := range days {
			offers = append(offers, gt.Offer(fmt.Sprintf("aanbod-%d", day)))
			for i := range offers {
				offers[i].Title = fmt.Sprintf("Stand van dag %d", day)
			}
			f.Publish(gt.Smile, slices.Clone(offers)...)
			time.Sleep(24 * time.Hour)
		}
		if got := f.Node(gt.Smile).Exchange.Counters().Failures.Load(); got < uint64(days*50) {
			t.Errorf("got %d failed attempts in %d days, want hundreds", got, days)
		}
		f.Net.Mend(gt.Dordrecht)
		f.Settled(time.Hour)
		f.Converged()
		t.Logf("%v of retries", time.Since(started))
		got := f.Received(gt.Dordrecht, gt.Smile)
		if len(got) != days {
			t.Fatalf("got %d offers, want %d", len(got), days)
		}
		for id, c := range got {
			if want := fmt.Sprintf("Stand van dag %d", days-1); c.Title != want {
				t.Errorf("%s: got %q, want %q", id, c.Title, want)
			}
		}
		var last uint64
		for _, m := range crossed(t, f, gt.Dordrecht) {
			if m.Sequence <= last {
				t.Errorf("sequence %d after %d", m.Sequence, last)
			}
			last = m.Sequence
		}
		if got, want := len(crossed(t, f, gt.Dordrecht)), days; got != want {
			t.Errorf("got %d messages on the wire, want %d: one per offer", got, want)
		}
	})
}

// crossed is every message that reached a recipient, as the bytes said.
func crossed(t *testing.T, f *gt.Federation, to gateway.OIN) []gateway.Message {
	t.Helper()
	var messages []gateway.Message
	for _, x := range f.Net.Wire() {
		if x.To != to {
			continue
		}
		for _, token := range x.Batch.Messages {
			m, err := gateway.DecodeMessage(payload(t, token))
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m)
		}
	}
	return messages
}

func payload(t *testing.T, token string) []byte {
	t.Helper()
	_, b, err := seal.PeekUnverified(token)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const showContact = `
policy: test
party: "00000099000000001000"
description: toont alles met contactpersoon
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
rules:
  - id: alles
    description: alles
    effect: show
    kinds: [capacity]
    to: {roles: [gemeente]}
    fields: {exact: [title, werksoorten, contact]}
accept: []
`

// hideContact is showContact without the contact.
func hideContact() string { return strings.Replace(showContact, ", contact]", "]", 1) }

// The policy is narrowed while a message waits: the removed field never crosses
// the wire, and whoever had it gets a correction.
func TestNarrowedPolicyNeverSendsWhatWaits(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		if err := f.SetPolicy(gt.Smile, showContact); err != nil {
			t.Fatal(err)
		}
		f.Net.Cut(gt.Dordrecht)
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(time.Hour)
		if err := f.SetPolicy(gt.Smile, hideContact()); err != nil {
			t.Fatal(err)
		}
		f.Net.Mend(gt.Dordrecht)
		f.Settled(time.Hour)
		f.Converged()
		for _, x := range f.Net.Wire() {
			for _, token := range x.Batch.Messages {
				if x.To == gt.Dordrecht && bytes.Contains(payload(t, token), []byte("Fictieve")) {
					t.Error("the contact crossed the wire to a peer that was away when the policy was narrowed")
				}
			}
		}
		for _, oin := range []gateway.OIN{gt.Alblasserdam, gt.Dordrecht} {
			c, ok := f.Received(oin, gt.Smile)["groen"]
			if !ok || c.Title == "" || c.Contact != (gateway.Contact{}) {
				t.Errorf("%s: got %s, want the offer without contact", oin, gt.Dump(c))
			}
		}
	})
}

// A rule is taken away altogether: who has the offer, or may have it, gets a
// withdrawal, and nothing else.
func TestOfferTakenAwayByPolicy(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		if err := f.SetPolicy(gt.Smile, showContact); err != nil {
			t.Fatal(err)
		}
		f.Net.Cut(gt.Dordrecht)
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(time.Hour)
		if err := f.SetPolicy(gt.Smile, strings.Replace(showContact, "roles: [gemeente]", "gemeenten: [gm1978]", 1)); err != nil {
			t.Fatal(err)
		}
		f.Net.Mend(gt.Dordrecht)
		f.Settled(time.Hour)
		f.Converged()
		if got := f.Received(gt.Alblasserdam, gt.Smile); len(got) != 0 {
			t.Errorf("Alblasserdam still holds %s", gt.Dump(got))
		}
		if got := len(f.Received(gt.Molenlanden, gt.Smile)); got != 1 {
			t.Errorf("Molenlanden holds %d offers, want 1", got)
		}
		for _, m := range crossed(t, f, gt.Dordrecht) { // what may have arrived is taken back, and that is all
			if !bytes.Contains(m.Data, []byte(`"withdrawn":true`)) || bytes.Contains(m.Data, []byte("title")) {
				t.Errorf("Dordrecht got %s, want at most a withdrawal", m.Data)
			}
		}
		if n := count(f, gt.Smile, journal.KindDenied); n == 0 {
			t.Error("no denial in the journal")
		}
	})
}

func count(f *gt.Federation, oin gateway.OIN, kind string) int {
	n := 0
	for _, r := range f.Journal(oin) {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

func TestFailingPolicyKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		before := f.Node(gt.Smile).Desk.PolicyStatus().Version
		err := f.SetPolicy(gt.Smile, strings.Replace(showContact, "werksoorten", "werksorten", 1))
		if err == nil || !strings.Contains(err.Error(), "werksoorten") {
			t.Errorf("got %v, want an error that suggests werksoorten", err)
		}
		status := f.Node(gt.Smile).Desk.PolicyStatus()
		if status.Version != before || status.Error == "" {
			t.Errorf("got version %s and error %q, want the old version and the reason", status.Version, status.Error)
		}
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		if len(f.Received(gt.Alblasserdam, gt.Smile)) != 1 {
			t.Error("the old policy no longer works")
		}
	})
}

// A node whose policy cannot load at start receives, discloses nothing, and
// alarms; mending the file and reloading makes up for it.
func TestNodeWithoutPolicyDisclosesNothing(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Stop(gt.Smile)
		if err := os.WriteFile(filepath.Join(f.Dir(gt.Smile), "policy.yaml"), []byte("policy: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.Start(gt.Smile)
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(48 * time.Hour)
		status, err := f.Node(gt.Smile).Desk.Status(context.Background(), gt.Everyone())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(status.Alarms, " "), "beleid") {
			t.Errorf("got alarms %v, want one on the policy", status.Alarms)
		}
		if got := len(crossed(t, f, gt.Alblasserdam)); got != 0 {
			t.Errorf("got %d messages on the wire, want none", got)
		}
		if err := f.SetPolicy(gt.Smile, showContact); err != nil {
			t.Fatal(err)
		}
		f.Settled(time.Hour)
		if len(f.Received(gt.Alblasserdam, gt.Smile)) != 1 {
			t.Error("nothing was sent after the policy was mended")
		}
	})
}

// Every answer is lost, or arrives after the effect: nothing is lost, nothing
// happens twice, and the same item comes back each time.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		var lost atomic.Int32
		f.Net.Break(gt.Fault{
			Before: func(_, to gateway.OIN) error {
				if lost.Add(1)%3 == 0 {
					return errors.New("connection refused")
				}
				return nil
			},
			After: func(_, to gateway.OIN, _ *gateway.Receipts) error {
				if lost.Load() < 40 {
					return errors.New("connection reset")
				}
				return nil
			},
		})
		for i := range 5 {
			f.Publish(gt.Smile, gt.Offer("groen"), gt.Offer(fmt.Sprintf("extra-%d", i)))
			time.Sleep(time.Minute)
		}
		f.Settled(12 * time.Hour)
		f.Converged()
		items := map[string]gateway.ReceiptItem{}
		for _, x := range f.Net.Wire() {
			for _, item := range x.Answer.Items {
				if old, again := items[item.ID]; again && old != item {
					t.Errorf("message %s: got another item the second time", item.ID)
				}
				items[item.ID] = item
			}
		}
		seen := map[string]int{}
		for _, r := range f.Journal(gt.Alblasserdam) {
			if r.Kind == journal.KindReceived && r.Outcome == string(gateway.Received) {
				if seen[r.Message]++; seen[r.Message] > 1 {
					t.Errorf("message %s took effect %d times", r.Message, seen[r.Message])
				}
			}
		}
	})
}

// A peer that lies in its receipts is not believed: every message stays queued
// until an honest answer comes.
func TestLyingReceipts(t *testing.T) {
	t.Parallel()
	lies := map[string]func(*gateway.Receipts){
		"empty":          func(r *gateway.Receipts) { *r = gateway.Receipts{} },
		"no items":       func(r *gateway.Receipts) { r.Items = nil },
		"garbage head":   func(r *gateway.Receipts) { r.Head = "garbage" },
		"other outcome":  func(r *gateway.Receipts) { r.Items[0].Outcome = gateway.Refused },
		"other digest":   func(r *gateway.Receipts) { r.Items[0].Digest = gateway.Hash([]byte("x")) },
		"other message":  func(r *gateway.Receipts) { r.Items[0].ID = "01890a5d-ac96-774b-bcce-b302099a8057" },
		"item too many":  func(r *gateway.Receipts) { r.Items = append(r.Items, r.Items[0]) },
		"truncated head": func(r *gateway.Receipts) { r.Head = r.Head[:len(r.Head)-4] },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
				var honest atomic.Bool
				f.Net.Break(gt.Fault{After: func(_, _ gateway.OIN, r *gateway.Receipts) error {
					if !honest.Load() {
						lie(r)
					}
					return nil
				}})
				f.Publish(gt.Smile, gt.Offer("groen"))
				time.Sleep(time.Hour)
				peer, err := f.Node(gt.Smile).Store.Peer(context.Background(), gt.Alblasserdam)
				if err != nil {
					t.Fatal(err)
				}
				if peer.Queued != 1 || peer.Failures == 0 {
					t.Errorf("got %d queued after %d failures, want the message to wait", peer.Queued, peer.Failures)
				}
				honest.Store(true)
				f.Settled(time.Hour)
				f.Converged()
			})
		})
	}
}

// An offer that disappears from one export and is back in the next keeps its
// sampling: coming back is no way to see how it stands today.
func TestReturningOfferIsNotSampledAnew(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		time.Sleep(24 * time.Hour)
		f.Publish(gt.Smile)
		f.Settled(time.Hour)
		full := gt.Offer("groen")
		for i := range full.Places {
			full.Places[i].Occupied = full.Places[i].Maximum
		}
		f.Publish(gt.Smile, full)
		f.Settled(time.Hour)
		if got, want := f.Received(gt.Molenlanden, gt.Smile)["groen"].Places[0].Band, gateway.Ruim; got != want {
			t.Errorf("a day after the sample: got band %q, want %q", got, want)
		}
	})
}

func TestFullExportWithdrawsAndHolds(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		var offers []gateway.Offer
		for i := range 10 {
			offers = append(offers, gt.Offer(fmt.Sprintf("aanbod-%d", i)))
		}
		f.Publish(gt.Smile, offers...)
		publish := func(confirm bool, offers ...gateway.Offer) (held, withdrawn int) {
			report, err := f.Node(gt.Smile).Desk.PublishCapacity(context.Background(), gt.Everyone(),
				gateway.Import{Source: "test", Full: true, Offers: offers}, confirm)
			if err != nil {
				t.Fatal(err)
			}
			return len(report.Held), len(report.Withdrawn)
		}
		if held, gone := publish(false, offers[:7]...); held != 0 || gone != 3 {
			t.Errorf("3 of 10 vanish: got %d held, %d withdrawn, want 0 and 3", held, gone)
		}
		if held, gone := publish(false, offers[:3]...); held != 4 || gone != 0 {
			t.Errorf("4 of 7 vanish: got %d held, %d withdrawn, want 4 and 0", held, gone)
		}
		f.Settled(time.Hour)
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 7 {
			t.Errorf("while held: got %d offers at Alblasserdam, want 7", got)
		}
		report, err := f.Node(gt.Smile).Desk.ConfirmImport(context.Background(), gt.Everyone(), "test")
		if err != nil || len(report.Withdrawn) != 4 {
			t.Errorf("confirmed: got %d withdrawn and %v, want 4", len(report.Withdrawn), err)
		}
		f.Settled(time.Hour)
		f.Converged()
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 3 {
			t.Errorf("after confirmation: got %d offers at Alblasserdam, want 3", got)
		}
	})
}

func TestExpiredOfferIsWithdrawn(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		o := gt.Offer("groen")
		o.ValidUntil = gateway.DateOf(time.Now().AddDate(0, 0, 1))
		f.Publish(gt.Smile, o)
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		time.Sleep(72 * time.Hour)
		if got := f.Received(gt.Alblasserdam, gt.Smile); len(got) != 0 {
			t.Errorf("an expired offer is still held: %s", gt.Dump(got))
		}
		offers, err := f.Node(gt.Dordrecht).Desk.ReceivedOffers(context.Background(), gt.Everyone())
		if err != nil {
			t.Fatal(err)
		}
		if len(offers) != 1 || !offers[0].Expired || offers[0].Capacity.Places != nil || offers[0].Capacity.Status != "" {
			t.Errorf("cut off from its sender, an expired offer shows as available: %s", gt.Dump(offers))
		}
		f.Net.Mend(gt.Dordrecht)
	})
}

// A new party joins by a new register that the nodes learn from each other.
func TestRegisterTravels(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		next := f.NextRegister(func(d *register.Document) { *d = register.Remove(*d, gt.Molenlanden) })
		if _, err := f.Node(gt.GRS).Desk.InstallRegister(context.Background(), gt.Everyone(), next); err != nil {
			t.Fatal(err)
		}
		time.Sleep(13 * time.Hour)
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht} {
			if got := f.Node(oin).Desk.Rules().Register.Version(); got != 2 {
				t.Errorf("%s has register version %d, want 2", oin, got)
			}
		}
	})
}

// Stopping at any moment and starting again loses nothing.
func TestRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		for i := range 10 {
			o := gt.Offer("groen")
			o.Title = fmt.Sprintf("Versie %d", i)
			f.Publish(gt.Smile, o, gt.Offer(fmt.Sprintf("aanbod-%d", i)))
			time.Sleep(time.Duration(i) * time.Millisecond)
			for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
				if i%2 == 0 || oin == gt.Smile {
					f.Stop(oin)
					f.Start(oin)
				}
			}
		}
		f.Settled(24 * time.Hour)
		f.Converged()
		if got, want := f.Received(gt.Alblasserdam, gt.Smile)["groen"].Title, "Versie 9"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		synctest.Wait()
	})
}
