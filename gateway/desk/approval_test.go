package desk_test

import (
	"context"
	"fmt"
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

// TestMoreOfPersonsWaits: who is told more of persons is a wider policy, too.
func TestMoreOfPersonsWaits(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := approving(t, "title", "one-person")
		wide := showing("title") + `  - {id: s, effect: show, kinds: [referral-state], to: {roles: [gemeente]}, fields: {exact: [date]}, purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
`
		if err := f.SetPolicy(gt.Smile, wide); err != nil {
			t.Fatal(err)
		}
		if version, problem, waits := status(f); version != versionOf(showing("title")) || !waits {
			t.Errorf("got policy %.8s, waiting %t (%s), want the narrow one and that the other waits", version, waits, problem)
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

// Others see by which rule policies come in force at a party: that in force, not
// that in its configuration.
func TestOthersSeeWhoAgrees(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newTwoPersons(t, showing("title"), expecting("trede"))
		seen := func(when, want string) {
			t.Helper()
			time.Sleep(time.Minute) // a hello goes when it says something new
			d := f.Node(gt.Alblasserdam).Desk
			s, err := d.Status(context.Background(), gt.Everyone())
			if err != nil || len(s.Peers) != 1 || s.Peers[0].Approval != want {
				t.Errorf("%s: got %+v %v, want %s", when, s.Peers, err, want)
			}
			all, err := d.Approvals(context.Background())
			if err != nil || all[gt.Smile] != want || all[gt.Alblasserdam] != "" {
				t.Errorf("%s: got %v %v, want %s, and nothing of who need not ask", when, all, err, want)
			}
			noted := len(s.Peers) == 1 && strings.Contains(strings.Join(s.Peers[0].Notes, " "), "one person who decides")
			if noted != (want == "one-person") {
				t.Errorf("%s: got the notes %v", when, s.Peers[0].Notes)
			}
		}
		seen("at first", "two-person")
		f.SetConfig(gt.Smile, "approval: two-person", "approval: one-person")
		seen("one person says so alone", "two-person")
		f.put(t, "approval.json", agreement(t, f.Federation, f.author, f.approver, f.list, approval.OnePerson, showing("title"), expecting("trede")))
		_ = f.SetPolicy(gt.Smile, showing("title"))
		seen("agreed to", "one-person")
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

// agreement is that of author and approver A and B, on a policy after the one in
// force at Smile and on what is expected of it.
func agreement(t *testing.T, f *gt.Federation, author, approver *seal.Key, list []byte, mode approval.Mode, text, expected string) []byte {
	t.Helper()
	s := f.Node(gt.Smile).Store
	last, _, err := s.PolicyInForce(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var beside []policy.File
	if expected != "" {
		beside = []policy.File{{Name: "policy_test.yaml", Data: []byte(expected)}}
	}
	doc, err := approval.Sign(approval.Statement{
		Party: gt.Smile, Policy: versionOf(text), Approval: mode, Approvers: approval.Digest(list),
		Number: last.Number + 1, Follows: last.Version, Author: "A", Issued: time.Now(),
		Expectations: policy.ExpectationsVersionOf(beside), Incarnation: s.Incarnation(),
	}, author)
	if err == nil && approver != nil {
		doc, err = approval.Approve(doc, approver)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// twoPersons is a federation whose Smile is in two-person mode since its second
// policy, with its author and approver and their list.
type twoPersons struct {
	*gt.Federation
	author, approver *seal.Key
	list             []byte
}

func newTwoPersons(t *testing.T, text, expected string) twoPersons {
	t.Helper()
	author, approver, list := signers(t)
	f := twoPersons{approving(t, "title", "none"), author, approver, list}
	f.put(t, "approvers.yaml", list)
	f.put(t, "policy.yaml", []byte(text))
	f.put(t, "policy_test.yaml", []byte(expected))
	f.agree(t, text, expected)
	f.SetConfig(gt.Smile, "approval: none", "approval: two-person")
	f.expect(t, "at first", text, "")
	return f
}

func (f twoPersons) put(t *testing.T, name string, data []byte) {
	t.Helper()
	name = filepath.Join(f.Dir(gt.Smile), name)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// agree puts the agreement on a policy beside it.
func (f twoPersons) agree(t *testing.T, text, expected string) []byte {
	t.Helper()
	doc := agreement(t, f.Federation, f.author, f.approver, f.list, approval.TwoPerson, text, expected)
	f.put(t, "approval.json", doc)
	return doc
}

func (f twoPersons) expect(t *testing.T, when, text, problem string) {
	t.Helper()
	got, said, _ := status(f.Federation)
	if got != versionOf(text) || (said == "") != (problem == "") || !strings.Contains(said, problem) {
		t.Errorf("%s: got policy %.8s with error %q, want %.8s with %q", when, got, said, versionOf(text), problem)
	}
}

// What is expected is agreed to with the policy: an author alone cannot weaken it,
// nor take it away, at a reload or a start.
func TestExpectationsNeedTwo(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		narrow, wide := showing("title"), showing("title, contact")
		strict, weak := expecting("contact"), expecting("trede")
		f := newTwoPersons(t, narrow, strict)
		records := func() int {
			all, err := f.Node(gt.Smile).Store.Policies(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		_ = f.SetPolicy(gt.Smile, narrow)
		f.expect(t, "the same again", narrow, "")
		if got := records(); got != 2 {
			t.Errorf("got %d policies, want 2", got)
		}
		f.put(t, "policy_test.yaml", []byte(weak))
		_ = f.SetPolicy(gt.Smile, narrow)
		f.expect(t, "weaker", narrow, "other expectations")
		f.Stop(gt.Smile)
		f.Start(gt.Smile)
		f.expect(t, "weaker, after a start", narrow, "other expectations")
		if err := os.Remove(filepath.Join(f.Dir(gt.Smile), "policy_test.yaml")); err != nil {
			t.Fatal(err)
		}
		_ = f.SetPolicy(gt.Smile, narrow)
		f.expect(t, "taken away", narrow, "other expectations")
		f.put(t, "policy_test.yaml", []byte(weak))
		f.agree(t, wide, strict)
		_ = f.SetPolicy(gt.Smile, wide)
		f.expect(t, "wider, agreed to with what was expected", narrow, "other expectations")
		f.agree(t, narrow, weak)
		_ = f.SetPolicy(gt.Smile, narrow)
		f.expect(t, "weaker, agreed to", narrow, "")
		f.agree(t, wide, weak)
		_ = f.SetPolicy(gt.Smile, wide)
		f.expect(t, "wider, agreed to", wide, "")
		if got := records(); got != 4 {
			t.Errorf("got %d policies, want 4: what is expected is part of what was agreed to", got)
		}
	})
}

func expecting(never string) string {
	return "verwacht:\n  - {naam: nooit, aan: gm0482, nooit: [" + never + "]}\n"
}

// What came in force by an older program, whose records do not say what was
// expected, stays in force; what is changed then needs two.
func TestExpectationsOfAnOlderRecord(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newTwoPersons(t, showing("title"), expecting("contact"))
		s := f.Node(gt.Smile).Store
		last, _, err := s.PolicyInForce(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		last.Approval.Expectations = ""
		if _, err := s.EnforcePolicy(context.Background(), time.Now(), last, journal.Entry{Kind: journal.KindPolicyLoaded}); err != nil {
			t.Fatal(err)
		}
		_ = f.SetPolicy(gt.Smile, showing("title"))
		f.expect(t, "unchanged", showing("title"), "")
		f.put(t, "policy_test.yaml", []byte(expecting("trede")))
		_ = f.SetPolicy(gt.Smile, showing("title"))
		f.expect(t, "weaker", showing("title"), "other expectations")
	})
}

// Putting back an older database brings back neither an agreement that was used
// nor one that was open, nor a policy that was in force before the one of now.
func TestAgreementsDoNotSurviveARestore(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		narrow, wide, none := showing("title"), showing("title, contact"), expecting("trede")
		for _, lost := range []bool{false, true} {
			f := newTwoPersons(t, narrow, none)
			if _, err := f.Node(gt.Smile).Desk.Backup(context.Background(), gt.Everyone()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			used := f.agree(t, wide, none)
			_ = f.SetPolicy(gt.Smile, wide)
			f.expect(t, "wider", wide, "")
			f.agree(t, narrow, none)
			_ = f.SetPolicy(gt.Smile, narrow)
			f.expect(t, "narrower", narrow, "")
			open := f.agree(t, wide, none)
			if lost {
				f.Stop(gt.Smile)
				if err := os.Remove(filepath.Join(f.Dir(gt.Smile), "data", "node.db")); err != nil {
					t.Fatal(err)
				}
			}
			restore(t, f.Federation)
			for i, doc := range [][]byte{used, open} {
				f.put(t, "approval.json", doc)
				_ = f.SetPolicy(gt.Smile, wide)
				f.expect(t, fmt.Sprintf("after a restore (%d, %t)", i, lost), narrow, "restored")
			}
			all, err := f.Node(gt.Smile).Store.Policies(context.Background())
			if err != nil || len(all) != map[bool]int{false: 4, true: 2}[lost] {
				t.Errorf("got %d policies %v (replaced database lost: %t), want those that are known", len(all), err, lost)
			}
			f.agree(t, wide, none)
			_ = f.SetPolicy(gt.Smile, wide)
			f.expect(t, "agreed to anew", wide, "")
		}
	})
}

// What waited 72 hours in a backup waits anew after a restore.
func TestWaitIsNotOverByARestore(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := approving(t, "title", "one-person")
		wide := showing("title, contact")
		_ = f.SetPolicy(gt.Smile, wide)
		if _, err := f.Node(gt.Smile).Desk.Backup(context.Background(), gt.Everyone()); err != nil {
			t.Fatal(err)
		}
		_ = f.SetPolicy(gt.Smile, showing("title"))
		time.Sleep(73 * time.Hour)
		restore(t, f)
		_ = f.SetPolicy(gt.Smile, wide)
		if got, problem, waits := status(f); got != versionOf(showing("title")) || !waits {
			t.Errorf("got policy %.8s, waiting %t (%s), want the narrow one and that the other waits", got, waits, problem)
		}
	})
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
		signed := func(text string, mode approval.Mode) []byte {
			return agreement(t, f, author, approver, list, mode, text, "")
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
