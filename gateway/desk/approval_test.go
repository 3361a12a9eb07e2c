package desk_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

func showing(fields string) string {
	return `policy: p
party: "` + string(gt.Smile) + `"
rules:
  - {id: a, effect: show, kinds: [capacity], to: {roles: [gemeente]}, fields: {exact: [` + fields + `]}, purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
`
}

// approving is a pair whose leerwerkbedrijf has a policy and a rule of approval.
func approving(t *testing.T, fields, mode string) *gt.Federation {
	t.Helper()
	f := gt.NewFederation(t,
		gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf, Policy: showing(fields)},
		gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
	_ = os.Remove(filepath.Join(f.Dir(gt.Smile), "policy_test.yaml")) // expectations of the template, if there are any
	f.SetConfig(gt.Smile, "approval: none", "approval: "+mode)
	return f
}

func status(f *gt.Federation) (version, error string, waiting bool) {
	s := f.Node(gt.Smile).Desk.PolicyStatus()
	return s.Version, s.Error, s.Waiting != nil
}

func versionOf(text string) string {
	return policy.VersionOf([]policy.File{{Name: "policy.yaml", Data: []byte(text)}})
}

// sees tells whether Alblasserdam holds the contact of the offer.
func sees(f *gt.Federation) bool {
	f.Settled(time.Hour)
	return f.Received(gt.Alblasserdam, gt.Smile)["groen"].Contact != gateway.Contact{}
}

// One person: what widens waits 72 hours, over a restart too, and anew when the
// files change; what narrows counts at once, and takes the place of what waited.
func TestOnePersonWaits(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := approving(t, "title", "one-person")
		narrow, wide := versionOf(showing("title")), versionOf(showing("title, contact"))
		f.Publish(gt.Smile, gt.Offer("groen"))
		expect := func(when, version string, waiting bool) {
			t.Helper()
			if got, problem, waits := status(f); got != version || waits != waiting || problem != "" {
				t.Errorf("%s: got policy %.8s waiting %t (%s), want %.8s waiting %t", when, got, waits, problem, version, waiting)
			}
			if got, want := sees(f), version == wide; got != want {
				t.Errorf("%s: got contact shown %t, want %t", when, got, want)
			}
		}
		expect("at first", narrow, false)
		set := func(fields string) {
			t.Helper()
			if err := f.SetPolicy(gt.Smile, showing(fields)); err != nil {
				t.Fatal(err)
			}
		}
		set("title, contact")
		expect("wider", narrow, true)
		time.Sleep(48 * time.Hour)
		f.Stop(gt.Smile)
		f.Start(gt.Smile)
		expect("after a restart", narrow, true)
		set("title, contact, trede")
		time.Sleep(48 * time.Hour)
		expect("other files wait anew", narrow, true)
		set("title")
		expect("back", narrow, false)
		set("title, contact")
		time.Sleep(71 * time.Hour)
		expect("just before", narrow, true)
		time.Sleep(61 * time.Minute)
		expect("after 72 hours", wide, false)
		set("title")
		expect("narrower", narrow, false)
		if got := len(kinds(f, journal.KindPolicyWaits)); got != 3 {
			t.Errorf("got %d entries of what waits, want 3", got)
		}
	})
}

func kinds(f *gt.Federation, kind string) (found []journal.Entry) {
	for _, r := range f.Journal(gt.Smile) {
		if r.Kind == kind {
			found = append(found, r.Entry)
		}
	}
	return found
}

// Leaving the rule of one person widens too: it waits.
func TestOnePersonCannotLeaveAtOnce(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := approving(t, "title", "one-person")
		f.SetConfig(gt.Smile, "approval: one-person", "approval: none")
		if err := f.SetPolicy(gt.Smile, showing("title, contact")); err != nil {
			t.Fatal(err)
		}
		if got, _, waits := status(f); got != versionOf(showing("title")) || !waits {
			t.Errorf("got policy %.8s, waiting %t, want the old one", got, waits)
		}
	})
}

// A clock that runs back lengthens the wait; it does not shorten it.
func TestProposalByEffectiveTime(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := approving(t, "title", "one-person")
		if err := f.SetPolicy(gt.Smile, showing("title, contact")); err != nil {
			t.Fatal(err)
		}
		proposal, ok, err := f.Node(gt.Smile).Store.Proposal(context.Background())
		if err != nil || !ok || proposal.Until.Sub(proposal.Since) != approval.Wait {
			t.Fatalf("got %+v %t %v, want one that waits 72 hours", proposal, ok, err)
		}
		if now := f.Node(gt.Smile).Store.EffectiveTime(proposal.Since.Add(-24 * time.Hour)); now.Before(proposal.Since) {
			t.Errorf("got %s as the time of a clock set back, want no earlier than %s", now, proposal.Since)
		}
	})
}

// signers are an author and an approver, and their list.
func signers(t *testing.T) (author, approver *seal.Key, list []byte) {
	t.Helper()
	text := "approvers:\n"
	keys := map[string]*seal.Key{}
	for _, p := range []approval.Person{{Name: "A", Sign: true}, {Name: "B", Approve: true}} {
		key, err := seal.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		keys[p.Name], p.Key = key, key.Public(time.Now())
		entry, err := p.Entry()
		if err != nil {
			t.Fatal(err)
		}
		text += entry
	}
	return keys["A"], keys["B"], []byte(text)
}

// Two persons: an unsigned, half signed, reused or rolled back policy stays out,
// at a reload, a start and a new register.
func TestTwoPersons(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		author, approver, list := signers(t)
		f := gt.NewFederation(t,
			gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf, Policy: showing("title")},
			gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
		write := func(name string, data []byte) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(f.Dir(gt.Smile), name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		narrow, wide := showing("title"), showing("title, contact")
		// signed is the agreement on a policy after the one in force.
		signed := func(text string, mode approval.Mode) []byte {
			t.Helper()
			last, _, err := f.Node(gt.Smile).Store.PolicyInForce(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			doc, err := approval.Sign(approval.Statement{
				Party: gt.Smile, Policy: versionOf(text), Approval: mode, Approvers: approval.Digest(list),
				Number: last.Number + 1, Follows: last.Version, Author: "A", Issued: time.Now(),
			}, author)
			if err == nil {
				doc, err = approval.Approve(doc, approver)
			}
			if err != nil {
				t.Fatal(err)
			}
			return doc
		}
		expect := func(when, text, problem string) {
			t.Helper()
			got, said, _ := status(f)
			if got != versionOf(text) || (said == "") != (problem == "") || !strings.Contains(said, problem) {
				t.Errorf("%s: got policy %.8s with error %q, want %.8s with %q", when, got, said, versionOf(text), problem)
			}
		}
		write("approvers.yaml", list)
		write("approval.json", signed(narrow, approval.TwoPerson))
		f.SetConfig(gt.Smile, "approval: none", "approval: two-person")
		expect("the first agreement", narrow, "")

		reload := func(text string) { _ = f.SetPolicy(gt.Smile, text) } // whether it counts is in the status
		reload(wide)
		expect("unsigned", narrow, "another version")
		f.Stop(gt.Smile)
		f.Start(gt.Smile)
		expect("unsigned, after a start", narrow, "another version")
		if _, err := f.Node(gt.Smile).Desk.InstallRegister(context.Background(), gt.Everyone(), f.NextRegister(func(*register.Document) {})); err != nil {
			t.Fatal(err)
		}
		expect("unsigned, under a new register", narrow, "another version")

		old := signed(wide, approval.TwoPerson)
		write("approval.json", old)
		reload(wide)
		expect("signed", wide, "")
		write("approval.json", signed(narrow, approval.TwoPerson))
		reload(narrow)
		expect("signed again", narrow, "")
		write("approval.json", old)
		reload(wide)
		expect("an old agreement again", narrow, "another moment")
		late := signed(wide, approval.TwoPerson)
		time.Sleep(31 * 24 * time.Hour)
		write("approval.json", late)
		reload(wide)
		expect("too late", narrow, "30 days old")

		f.SetConfig(gt.Smile, "approval: two-person", "approval: none")
		expect("switched off by one", narrow, "another value")
		write("approval.json", signed(wide, approval.None))
		reload(wide)
		expect("switched off by two", wide, "")
		reload(narrow)
		expect("nobody need agree any more", narrow, "")
	})
}
