package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Post is how a node sends letters about proposals, and enters what came back.
type Post struct {
	Send  func(ctx context.Context, to gateway.Party, letter approval.Letter) error
	Enter func(before, signed []byte) error // puts signed in the place of what it was made from; nothing if that is gone
}

// Proposal is a policy that somebody at another party is asked to approve, or that
// another party asks somebody here to approve.
type Proposal struct {
	store.PartyProposal
	Name    string             // of the party
	Content *approval.Proposal // of one that was asked for, while it is open
}

// ProposePolicy sends the policy on disk, as its author signed it, to the node of
// the party at which it is to be approved. Sent again, it is the same proposal.
func (d *Desk) ProposePolicy(ctx context.Context, caller gateway.Caller, to string) (Proposal, error) {
	if err := caller.Authorize(gateway.OpProposePolicy); err != nil {
		return Proposal{}, err
	}
	oin, err := d.findParty(to)
	if err != nil {
		return Proposal{}, err
	}
	party, ok := d.peer(oin)
	if !ok {
		return Proposal{}, gateway.Errorf(gateway.Invalid, "name another party of the register, at which somebody approves")
	}
	content, statement, err := d.proposalOnDisk(ctx)
	if err != nil {
		return Proposal{}, err
	}
	if _, err := d.openProposal(ctx, func(p store.PartyProposal) bool { return p.Out && p.ID == content.ID() && p.Party == oin }); gateway.KindOf(err) == gateway.Conflict {
		return Proposal{}, gateway.Errorf(gateway.Conflict, "what the author signed was proposed before, and answered or withdrawn: have it signed again")
	}
	letter := d.letter(oin, content.ID(), approval.Proposed)
	letter.Proposal = &content
	if err := d.post(ctx, party, letter); err != nil {
		return Proposal{}, err
	}
	entry := d.entry(caller, journal.KindPolicyProposed, d.now())
	return d.keepProposal(ctx, oin, true, content, statement, entry)
}

// proposalOnDisk is what lies ready to be approved.
func (d *Desk) proposalOnDisk(ctx context.Context) (content approval.Proposal, s approval.Statement, err error) {
	asked, err := d.Approval()
	if err != nil {
		return content, s, fmt.Errorf("read approval: %w", err)
	}
	files, err := d.PolicyFiles()
	if err != nil {
		return content, s, fmt.Errorf("read policy files: %w", err)
	}
	last, _, err := d.Store.PolicyInForce(ctx)
	if err != nil {
		return content, s, fmt.Errorf("read the policy in force: %w", err)
	}
	content = approval.Proposal{Files: texts(files), Before: texts(filesOf(last)), Approvers: string(asked.Approvers), Signed: string(asked.Signed)}
	if list := string(last.Approval.Approvers); list != content.Approvers {
		content.InForce = list
	}
	if content.Signed == "" {
		return content, s, gateway.Errorf(gateway.Denied, "nobody has signed the policy; see doorstroom policy sign")
	}
	s, err = d.readProposal(d.Self, content)
	if err == nil && (s.Number != last.Number+1 || s.Follows != last.Version || s.Incarnation != d.Store.Incarnation()) {
		err = gateway.Errorf(gateway.Denied, "what was signed does not follow the policy in force: have it signed again")
	}
	return content, s, err
}

// readProposal verifies that a proposal is what its author signed, for the party.
func (d *Desk) readProposal(party gateway.OIN, p approval.Proposal) (approval.Statement, error) {
	s, _, err := p.Read(p.Signed)
	files := filesFrom(p.Files)
	if err == nil && (s.Party != party || s.Policy != policy.VersionOf(files) || s.Expectations != policy.ExpectationsVersionOf(files)) {
		err = gateway.Errorf(gateway.Denied, "the files are not those that the author signed")
	}
	return s, err
}

func texts(files []policy.File) []approval.File {
	all := []approval.File{}
	for _, f := range files {
		all = append(all, approval.File{Name: f.Name, Text: string(f.Data)})
	}
	return all
}

func filesFrom(texts []approval.File) (files []policy.File) {
	for _, f := range texts {
		files = append(files, policy.File{Name: f.Name, Data: []byte(f.Text)})
	}
	return files
}

func (d *Desk) letter(to gateway.OIN, id, says string) approval.Letter {
	return approval.Letter{Issuer: d.Self, Audience: to, Time: time.Now().UTC().Truncate(time.Second), ID: id, Says: says}
}

func (d *Desk) post(ctx context.Context, party gateway.Party, letter approval.Letter) error {
	err := d.Post.Send(ctx, party, letter)
	if gateway.KindOf(err) == gateway.NotFound && letter.Says == approval.Proposed {
		return gateway.Wrap(gateway.NotFound, err, "the node of that party is of an older program: send the files instead")
	}
	return err
}

// peer is another party of the register.
func (d *Desk) peer(oin gateway.OIN) (gateway.Party, bool) {
	reg := d.Rules().Register
	if reg == nil || oin == d.Self {
		return gateway.Party{}, false
	}
	return reg.Party(oin)
}

func (d *Desk) keepProposal(ctx context.Context, party gateway.OIN, out bool, content approval.Proposal, s approval.Statement, entry journal.Entry) (Proposal, error) {
	body, err := json.Marshal(content)
	if err != nil {
		return Proposal{}, fmt.Errorf("write proposal: %w", err)
	}
	entry.Party, entry.Policy, entry.Outcome = party, s.Policy, journal.OutcomeReceived
	if out {
		entry.Outcome = journal.OutcomeSent
	}
	kept, err := d.Store.AddProposal(ctx, entry.Time, store.PartyProposal{
		Party: party, Out: out, ID: content.ID(), Policy: s.Policy, Author: s.Author, Body: body,
	}, entry)
	return Proposal{PartyProposal: kept, Name: d.partyName(party)}, err
}

// Proposals lists those of the last 30 days, without what is in them.
func (d *Desk) Proposals(ctx context.Context, caller gateway.Caller) ([]Proposal, error) {
	if err := d.read(ctx, caller, gateway.OpListProposals); err != nil {
		return nil, err
	}
	rows, err := d.Store.PartyProposals(ctx)
	var all []Proposal
	for _, row := range rows {
		row.Body = nil
		all = append(all, Proposal{PartyProposal: row, Name: cmp.Or(d.partyName(row.Party), string(row.Party))})
	}
	return all, err
}

// Proposal gives one with what is in it.
func (d *Desk) Proposal(ctx context.Context, caller gateway.Caller, n uint64) (Proposal, error) {
	if err := d.read(ctx, caller, gateway.OpListProposals); err != nil {
		return Proposal{}, err
	}
	return d.openProposal(ctx, func(p store.PartyProposal) bool { return p.Number == n })
}

// openProposal finds an open one and reads what is in it.
func (d *Desk) openProposal(ctx context.Context, is func(store.PartyProposal) bool) (Proposal, error) {
	rows, err := d.Store.PartyProposals(ctx)
	if err != nil {
		return Proposal{}, fmt.Errorf("read proposals: %w", err)
	}
	for _, row := range rows {
		switch {
		case !is(row):
			continue
		case row.State != store.ProposalOpen:
			return Proposal{PartyProposal: row}, gateway.Errorf(gateway.Conflict, "the proposal was answered or withdrawn already")
		}
		p := Proposal{PartyProposal: row, Name: cmp.Or(d.partyName(row.Party), string(row.Party)), Content: &approval.Proposal{}}
		if err := json.Unmarshal(row.Body, p.Content); err != nil {
			return p, fmt.Errorf("read proposal: %w", err)
		}
		return p, nil
	}
	return Proposal{}, gateway.Errorf(gateway.NotFound, "there is no such proposal; see doorstroom policy proposals")
}

// AnswerProposal sends what somebody here signed, or with nothing signed that it is
// refused, to the party that asked. At this node it changes nothing but the mark.
func (d *Desk) AnswerProposal(ctx context.Context, caller gateway.Caller, n uint64, signed string) error {
	if err := caller.Authorize(gateway.OpAnswerProposal); err != nil {
		return err
	}
	p, err := d.openProposal(ctx, func(p store.PartyProposal) bool { return p.Number == n && !p.Out })
	if err != nil {
		return err
	}
	letter := d.letter(p.Party, p.ID, approval.Refused)
	if signed != "" {
		letter.Says, letter.Signed = approval.Approved, signed
		if err := p.Content.Answers(signed); err != nil {
			return err
		}
	}
	party, ok := d.peer(p.Party)
	if !ok {
		return gateway.Errorf(gateway.NotFound, "the party is not in the register any more")
	}
	if err := d.post(ctx, party, letter); err != nil {
		return err
	}
	return d.answered(ctx, p, letter.Says, d.entry(caller, "", d.now()))
}

func (d *Desk) answered(ctx context.Context, p Proposal, says string, entry journal.Entry) error {
	entry.Kind, entry.Party, entry.Policy, entry.Outcome = journal.KindPolicyAnswered, p.Party, p.Policy, says
	return d.Store.AnswerProposal(ctx, entry.Time, p.Number, says, entry)
}

// WithdrawProposal takes back what was proposed: what is signed after that is not
// entered. It counts also when the other party cannot be told now.
func (d *Desk) WithdrawProposal(ctx context.Context, caller gateway.Caller, n uint64) error {
	if err := caller.Authorize(gateway.OpProposePolicy); err != nil {
		return err
	}
	p, err := d.openProposal(ctx, func(p store.PartyProposal) bool { return p.Number == n && p.Out })
	if err != nil && p.State != approval.Withdrawn { // to tell them again
		return err
	}
	if err := d.answered(ctx, p, approval.Withdrawn, d.entry(caller, "", d.now())); err != nil {
		return err
	}
	party, ok := d.peer(p.Party)
	if !ok {
		return nil
	}
	if err := d.post(ctx, party, d.letter(p.Party, p.ID, approval.Withdrawn)); err != nil {
		return gateway.Wrap(gateway.KindOf(err), err, "it is withdrawn here, but the other party could not be told; try again to tell it")
	}
	return nil
}

// ReceiveLetter takes a letter of the node of a peer. Nothing of it comes in force
// here: a proposal waits for somebody who signs for the other, and what comes back
// signed is put where the next reload judges it as any other.
func (d *Desk) ReceiveLetter(ctx context.Context, peer gateway.OIN, token string) error {
	party, ok := d.peer(peer)
	if !ok {
		return gateway.Errorf(gateway.Unauthenticated, "the party is not in the register")
	}
	now := d.now()
	letter, err := approval.OpenLetter(token, keyNow(party, now), func(payload []byte) error { return d.fitsSchema(schemaPolicyLetter, payload) })
	if err != nil {
		return err
	}
	if letter.Issuer != peer || letter.Audience != d.Self {
		return gateway.Errorf(gateway.Invalid, "the letter is between other parties")
	}
	entry := journal.Entry{Time: now, Kind: journal.KindPolicyProposed}
	if letter.Says == approval.Proposed {
		s, err := d.readProposal(peer, *letter.Proposal)
		if err == nil {
			_, err = d.keepProposal(ctx, peer, false, *letter.Proposal, s, entry)
		}
		return err
	}
	return d.receiveAnswer(ctx, peer, letter, entry)
}

func (d *Desk) receiveAnswer(ctx context.Context, peer gateway.OIN, letter approval.Letter, entry journal.Entry) error {
	out := letter.Says != approval.Withdrawn
	p, err := d.openProposal(ctx, func(p store.PartyProposal) bool { return p.Party == peer && p.Out == out && p.ID == letter.ID })
	if p.State == letter.Says {
		return nil // it came before
	}
	if err != nil {
		return err
	}
	if letter.Says == approval.Approved {
		if err := p.Content.Answers(letter.Signed); err != nil {
			return err
		}
		if err := d.Post.Enter([]byte(p.Content.Signed), []byte(letter.Signed)); err != nil {
			return fmt.Errorf("enter the approval: %w", err)
		}
	}
	return d.answered(ctx, p, letter.Says, entry)
}

// proposalAlarms tell of what others ask somebody here to approve.
func (d *Desk) proposalAlarms(ctx context.Context) (alarms []string, err error) {
	rows, err := d.Store.PartyProposals(ctx)
	for _, p := range rows {
		if !p.Out && p.State == store.ProposalOpen {
			alarms = append(alarms, fmt.Sprintf("%s vraagt iemand hier een gewijzigd beleid goed te keuren; zie doorstroom policy proposals --show %d",
				cmp.Or(d.partyName(p.Party), string(p.Party)), p.Number))
		}
	}
	return alarms, err
}
