package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

// Letters is what the peer API asks of a node about policies that are to be
// approved at another party, and about allotments; nil: this node takes none.
type Letters interface {
	ReceiveLetter(ctx context.Context, peer gateway.OIN, token string) error
	// ReceiveAllotmentLetter takes one about allotments, and may answer with one.
	ReceiveAllotmentLetter(ctx context.Context, peer gateway.OIN, token string) (string, error)
}

// LetterToken carries a letter: a compact JWS.
type LetterToken struct {
	Letter string `json:"letter"`
}

func letterRoutes(a api, letters Letters) {
	post(a, huma.Operation{
		OperationID: "sendPolicyLetter",
		Path:        pathLetters,
		Summary:     "Propose a policy to be approved here, or answer such a proposal",
		Description: "Nothing in it comes in force here. A policy that is proposed waits for a person who signs it for the party that " +
			"proposed it; what was signed goes back the same way.",
		Tags: []string{"policy"},
	}, []int{http.StatusNotFound}, func(ctx context.Context, in LetterToken) (Nothing, error) {
		if letters == nil {
			return Nothing{}, gateway.Errorf(gateway.NotFound, "this node takes no letters")
		}
		return Nothing{}, letters.ReceiveLetter(ctx, peerIn(ctx), in.Letter)
	})
}

// LetterAnswer carries the letter of a provider about allotments that answers one;
// there is none to what a provider says by itself.
type LetterAnswer struct {
	Letter string `json:"letter,omitempty"`
}

func allotmentLetterRoutes(a api, letters Letters) {
	post(a, huma.Operation{
		OperationID: "sendAllotmentLetter",
		Path:        pathAllotmentLetters,
		Summary:     "Ask to release or swap places of allotments, sign or refuse that, or tell where it stands",
		Description: "A request goes to the provider of the offer, who answers with where it stands and tells the other parties of it. " +
			"It is committed once every party that gives places has signed it.",
		Tags: []string{"allotments"},
	}, []int{http.StatusForbidden, http.StatusNotFound}, func(ctx context.Context, in LetterToken) (LetterAnswer, error) {
		if letters == nil {
			return LetterAnswer{}, gateway.Errorf(gateway.NotFound, "this node takes no letters")
		}
		answer, err := letters.ReceiveAllotmentLetter(ctx, peerIn(ctx), in.Letter)
		return LetterAnswer{answer}, err
	})
}

// AllotmentLetter sends a letter about allotments, and gives the answer. NotFound:
// the peer takes none.
func (c *PeerClient) AllotmentLetter(ctx context.Context, peer gateway.Party, token string) (string, error) {
	var answer LetterAnswer
	err := c.post(ctx, peer, pathAllotmentLetters, LetterToken{token}, &answer)
	return answer.Letter, err
}

// Letter sends a letter. NotFound: the peer takes none, or knows of no such
// proposal.
func (c *PeerClient) Letter(ctx context.Context, peer gateway.Party, token string) error {
	var answer Nothing
	return c.post(ctx, peer, pathLetters, LetterToken{token}, &answer)
}

// Recipient names a party: its OIN, or its name or a part of it.
type Recipient struct {
	To string `json:"to"`
}

// ProposalNumber names a proposal.
type ProposalNumber struct {
	Number uint64 `json:"number"`
}

// ProposalAnswer is what somebody signed for another party; nothing signed: it is
// refused.
type ProposalAnswer struct {
	Number uint64 `json:"number"`
	Signed string `json:"signed,omitempty"`
}

// Proposals is a list in an object, so that something can be added beside it.
type Proposals struct {
	Proposals []Proposal `json:"proposals"`
}

func proposalOut(p desk.Proposal) Proposal {
	out := Proposal{
		Number: p.Number, Party: p.Party, Name: p.Name, Out: p.Out, Policy: p.Policy, Author: p.Author, At: p.At, State: p.State, Answered: p.Answered,
	}
	if c := p.Content; c != nil {
		out.Content = &ProposalContent{Approvers: c.Approvers, InForce: c.InForce, Signed: c.Signed}
		for _, f := range c.Files {
			out.Content.Files = append(out.Content.Files, PolicyFile(f))
		}
		for _, f := range c.Before {
			out.Content.Before = append(out.Content.Before, PolicyFile(f))
		}
	}
	return out
}

func proposalRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "proposePolicy", Path: pathPropose, Summary: "Send the policy on disk, as its author signed it, to be approved at another party",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in Recipient) (Proposal, error) {
		p, err := d.ProposePolicy(ctx, callerIn(ctx), in.To)
		return proposalOut(p), err
	})
	post(a, huma.Operation{
		OperationID: "withdrawProposal", Path: pathWithdraw, Summary: "Take back a policy that was proposed",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in ProposalNumber) (ProposalNumber, error) {
		return in, d.WithdrawProposal(ctx, callerIn(ctx), in.Number)
	})
	get(a, huma.Operation{
		OperationID: "listProposals", Path: pathProposals, Summary: "Policies that wait to be approved, here and at other parties",
	}, nil, func(ctx context.Context, _ noInput) (output[Proposals], error) {
		all, err := d.Proposals(ctx, callerIn(ctx))
		out := Proposals{Proposals: make([]Proposal, 0, len(all))}
		for _, p := range all {
			out.Proposals = append(out.Proposals, proposalOut(p))
		}
		return output[Proposals]{out}, err
	})
	post(a, huma.Operation{
		OperationID: "showProposal", Path: pathProposal, Summary: "One of these, with its files",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in ProposalNumber) (Proposal, error) {
		p, err := d.Proposal(ctx, callerIn(ctx), in.Number)
		return proposalOut(p), err
	})
	post(a, huma.Operation{
		OperationID: "answerProposal", Path: pathAnswer, Summary: "Send what one signed for another party, or that one refuses",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in ProposalAnswer) (ProposalNumber, error) {
		return ProposalNumber{in.Number}, d.AnswerProposal(ctx, callerIn(ctx), in.Number, in.Signed)
	})
}

// ProposePolicy sends the policy on disk to another party, to be approved there.
func (c *LocalClient) ProposePolicy(ctx context.Context, to string) (Proposal, error) {
	return ask[Proposal](ctx, c, http.MethodPost, pathPropose, Recipient{to})
}

// WithdrawProposal takes it back.
func (c *LocalClient) WithdrawProposal(ctx context.Context, number uint64) error {
	_, err := ask[ProposalNumber](ctx, c, http.MethodPost, pathWithdraw, ProposalNumber{number})
	return err
}

// Proposals are the policies that wait to be approved, here and elsewhere.
func (c *LocalClient) Proposals(ctx context.Context) ([]Proposal, error) {
	list, err := ask[Proposals](ctx, c, http.MethodGet, pathProposals, nil)
	return list.Proposals, err
}

// Proposal is one of these with its files.
func (c *LocalClient) Proposal(ctx context.Context, number uint64) (Proposal, error) {
	return ask[Proposal](ctx, c, http.MethodPost, pathProposal, ProposalNumber{number})
}

// AnswerProposal sends what somebody here signed; nothing signed refuses it.
func (c *LocalClient) AnswerProposal(ctx context.Context, number uint64, signed string) error {
	_, err := ask[ProposalNumber](ctx, c, http.MethodPost, pathAnswer, ProposalAnswer{number, signed})
	return err
}
