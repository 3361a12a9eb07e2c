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
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// half puts the statement of the author alone beside a policy at Smile.
func (f twoPersons) half(t *testing.T, text, expected string) {
	t.Helper()
	doc := agreement(t, f.Federation, f.author, nil, f.list, approval.TwoPerson, text, expected)
	f.put(t, "approval.json", doc)
	f.put(t, "policy.yaml", []byte(text))
	f.put(t, "policy_test.yaml", []byte(expected))
}

// propose sends what lies on disk at Smile to Alblasserdam.
func (f twoPersons) propose(t *testing.T) (desk.Proposal, error) {
	return f.Node(gt.Smile).Desk.ProposePolicy(t.Context(), gt.Everyone(), "Alblasserdam")
}

// latest is the last proposal that a node knows of.
func (f twoPersons) latest(t *testing.T, oin gateway.OIN) desk.Proposal {
	t.Helper()
	all, err := f.Node(oin).Desk.Proposals(t.Context(), gt.Everyone())
	if err != nil || len(all) == 0 {
		t.Fatalf("got %d proposals %v, want some", len(all), err)
	}
	return all[len(all)-1]
}

// A policy is approved by a person at another party, over the network: it comes in
// force at the one, after a reload, and nowhere else; both journals tell.
func TestApprovedAtAnotherParty(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		narrow, wide, expected := showing("title"), showing("title, contact"), expecting("trede")
		f := newTwoPersons(t, narrow, expected)
		there := f.Node(gt.Alblasserdam).Desk
		theirs := there.PolicyStatus().Version
		f.half(t, wide, expected)
		for range 2 { // sent again, it is the same one
			if p, err := f.propose(t); err != nil || p.Number != 1 || !p.Out {
				t.Fatalf("got %+v %v, want proposal 1", p, err)
			}
		}
		s, err := there.Status(t.Context(), gt.Everyone())
		if err != nil || !strings.Contains(strings.Join(s.Alarms, " "), "Smile vraagt iemand hier") {
			t.Errorf("got the alarms %v %v, want that Smile asks", s.Alarms, err)
		}
		p, err := there.Proposal(t.Context(), privacyOfficer("fg"), f.latest(t, gt.Alblasserdam).Number)
		if err != nil || len(p.Content.Files) != 2 || p.Content.Before[0].Text != narrow || p.Author != "A" {
			t.Fatalf("got %+v %v, want the files and those in force", p, err)
		}
		ofKind(t, there.AnswerProposal(t.Context(), privacyOfficer("fg"), p.Number, p.Content.Signed), gateway.Denied, "signed by the author only")
		other := agreement(t, f.Federation, f.author, f.approver, f.list, approval.TwoPerson, narrow, expected)
		ofKind(t, there.AnswerProposal(t.Context(), privacyOfficer("fg"), p.Number, string(other)), gateway.Denied, "another statement")
		both, err := approval.Approve([]byte(p.Content.Signed), f.approver)
		if err != nil {
			t.Fatal(err)
		}
		f.Net.Cut(gt.Smile)
		ofKind(t, there.AnswerProposal(t.Context(), privacyOfficer("fg"), p.Number, string(both)), gateway.Unavailable, "while Smile is away")
		f.Net.Mend(gt.Smile)
		f.expect(t, "before the answer", narrow, "")
		if err := there.AnswerProposal(t.Context(), privacyOfficer("fg"), p.Number, string(both)); err != nil {
			t.Fatal(err)
		}
		ofKind(t, there.AnswerProposal(t.Context(), privacyOfficer("fg"), p.Number, ""), gateway.Conflict, "answered twice")
		f.expect(t, "before a reload", narrow, "")
		_ = f.SetPolicy(gt.Smile, wide)
		f.expect(t, "after a reload", wide, "")
		if got := there.PolicyStatus().Version; got != theirs {
			t.Errorf("got policy %.8s at Alblasserdam, want its own %.8s", got, theirs)
		}
		for oin, want := range map[gateway.OIN]string{gt.Smile: "sent approved", gt.Alblasserdam: "received approved"} {
			var got []string
			for _, r := range f.Journal(oin) {
				if r.Kind == journal.KindPolicyProposed || r.Kind == journal.KindPolicyAnswered {
					got = append(got, r.Outcome)
					if r.Policy != versionOf(wide) || r.Party == "" || r.Party == oin {
						t.Errorf("%s: got %+v, want the policy and the other party", oin, r)
					}
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: got the outcomes %v, want %s", oin, got, want)
			}
		}
	})
}

// Refused or withdrawn is the end of it on both sides, and what was replaced on
// disk meanwhile stays.
func TestProposalsEnd(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		wide, expected := showing("title, contact"), expecting("trede")
		f := newTwoPersons(t, showing("title"), expected)
		here, there := f.Node(gt.Smile).Desk, f.Node(gt.Alblasserdam).Desk
		states := func(when, want string) {
			t.Helper()
			if a, b := f.latest(t, gt.Smile).State, f.latest(t, gt.Alblasserdam).State; a != want || b != want {
				t.Errorf("%s: got %s and %s, want %s", when, a, b, want)
			}
		}
		sent := func() uint64 {
			t.Helper()
			time.Sleep(time.Second) // so that the author signs another statement
			f.half(t, wide, expected)
			if _, err := f.propose(t); err != nil {
				t.Fatal(err)
			}
			states("sent", "open")
			return f.latest(t, gt.Alblasserdam).Number
		}
		if err := there.AnswerProposal(t.Context(), privacyOfficer("fg"), sent(), ""); err != nil {
			t.Fatal(err)
		}
		states("refused", approval.Refused)
		_, err := f.propose(t)
		ofKind(t, err, gateway.Conflict, "what was refused, again")

		number := sent()
		p, err := there.Proposal(t.Context(), privacyOfficer("fg"), number)
		if err != nil {
			t.Fatal(err)
		}
		both, err := approval.Approve([]byte(p.Content.Signed), f.approver)
		if err != nil {
			t.Fatal(err)
		}
		f.Net.Cut(gt.Alblasserdam)
		own := f.latest(t, gt.Smile).Number
		ofKind(t, here.WithdrawProposal(t.Context(), gt.Everyone(), own), gateway.Unavailable, "withdrawn while they are away")
		f.Net.Mend(gt.Alblasserdam)
		ofKind(t, there.AnswerProposal(t.Context(), privacyOfficer("fg"), number, string(both)), gateway.Conflict, "approved after it was withdrawn")
		if err := here.WithdrawProposal(t.Context(), gt.Everyone(), own); err != nil {
			t.Fatal(err)
		}
		states("withdrawn", approval.Withdrawn)

		number = sent()
		if p, err = there.Proposal(t.Context(), privacyOfficer("fg"), number); err != nil {
			t.Fatal(err)
		}
		if both, err = approval.Approve([]byte(p.Content.Signed), f.approver); err != nil {
			t.Fatal(err)
		}
		f.put(t, "approval.json", []byte("{}"))
		if err := there.AnswerProposal(t.Context(), privacyOfficer("fg"), number, string(both)); err != nil {
			t.Fatal(err)
		}
		if now, err := os.ReadFile(filepath.Join(f.Dir(gt.Smile), "approval.json")); err != nil || string(now) != "{}" {
			t.Errorf("got %s %v, want what was put there meanwhile", now, err)
		}
		states("approved", approval.Approved)
	})
}

// What is not signed for these files, or not sent by whom it says, is refused; what
// is kept of one party is bounded, and gone after 30 days.
func TestBadProposals(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		wide, expected := showing("title, contact"), expecting("trede")
		f := newTwoPersons(t, showing("title"), expected)
		there := f.Node(gt.Alblasserdam)
		f.half(t, wide, expected)
		f.put(t, "policy.yaml", []byte(showing("title, trede")))
		_, err := f.propose(t)
		ofKind(t, err, gateway.Denied, "other files than were signed")
		_, err = f.Node(gt.Smile).Desk.ProposePolicy(t.Context(), gt.Everyone(), string(gt.Smile))
		ofKind(t, err, gateway.Invalid, "to oneself")
		f.put(t, "policy.yaml", []byte(wide))
		if _, err = f.propose(t); err != nil {
			t.Fatal(err)
		}
		p, err := there.Desk.Proposal(t.Context(), gt.Everyone(), 1)
		if err != nil {
			t.Fatal(err)
		}
		receive := func(when string, by gateway.OIN, change func(*approval.Letter), want gateway.Kind) {
			t.Helper()
			content := *p.Content
			l := approval.Letter{Issuer: gt.Smile, Audience: gt.Alblasserdam, Time: time.Now(), ID: p.ID, Says: approval.Proposed, Proposal: &content}
			change(&l)
			token, err := l.Seal(f.Key(by))
			if err == nil {
				err = there.Desk.ReceiveLetter(t.Context(), gt.Smile, token)
			}
			ofKind(t, err, want, when)
		}
		receive("a key of another", gt.Alblasserdam, func(*approval.Letter) {}, gateway.Unauthenticated)
		receive("for another", gt.Smile, func(l *approval.Letter) { l.Audience = gt.Dordrecht }, gateway.Invalid)
		receive("another id", gt.Smile, func(l *approval.Letter) { l.ID = strings.Repeat("0", 32) }, gateway.Invalid)
		receive("nothing known", gt.Smile, func(l *approval.Letter) { l.Says = "ordered" }, gateway.Invalid)
		receive("other files", gt.Smile, func(l *approval.Letter) { l.Proposal.Files = p.Content.Before }, gateway.Denied)
		receive("other expectations", gt.Smile, func(l *approval.Letter) { l.Proposal.Files = p.Content.Files[:1] }, gateway.Denied)
		receive("another list", gt.Smile, func(l *approval.Letter) { l.Proposal.Approvers += "\n" }, gateway.Denied)
		receive("too large", gt.Smile, func(l *approval.Letter) {
			l.Proposal.Files[0].Text += strings.Repeat("#", approval.MaxLetter)
		}, gateway.Limit)
		receive("an answer to nothing", gt.Smile, func(l *approval.Letter) {
			l.Says, l.Proposal = approval.Refused, nil
		}, gateway.NotFound)

		var last error
		for range 25 {
			time.Sleep(time.Second) // each is another statement
			f.half(t, wide, expected)
			_, last = f.propose(t)
		}
		ofKind(t, last, gateway.Limit, "the 26th")
		if _, err := there.Store.Purge(context.Background(), time.Now().Add(31*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if all, err := there.Desk.Proposals(t.Context(), gt.Everyone()); err != nil || len(all) != 0 {
			t.Errorf("after 30 days: got %d proposals %v, want none", len(all), err)
		}
	})
}
