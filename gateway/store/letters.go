package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Bounds of what is kept of proposals of one party, and for how long: what was
// signed counts for 30 days.
const (
	maxProposals     = 200
	maxOpenProposals = 20
	proposalLife     = 30 * 24 * time.Hour
)

// States of a proposal that are no answer.
const ProposalOpen = "open"

// PartyProposal is a policy that somebody at another party is asked to approve
// (Out), or that another party asks somebody here to approve.
type PartyProposal struct {
	Number   uint64      `json:"number"` // from 1
	Party    gateway.OIN `json:"party"`
	Out      bool        `json:"out"`
	ID       string      `json:"id"`
	Policy   string      `json:"policy"` // its version
	Author   string      `json:"author"`
	At       time.Time   `json:"at"`
	State    string      `json:"state"` // ProposalOpen, or how it was answered
	Answered time.Time   `json:"answered,omitzero"`
	Body     []byte      `json:"body,omitempty"` // while it is open
}

func keyProposalNumber() []byte { return []byte("party-proposal-number") } // of the last

// AddProposal keeps a proposal and fills in its number; one that is known and
// open is given as it is. Conflict: it is known, and answered. Limit: the party has too many.
func (s *Store) AddProposal(ctx context.Context, now time.Time, p PartyProposal, entry journal.Entry) (PartyProposal, error) {
	added := p
	err := s.grow(ctx, now, func(t *txn) error {
		rows, err := allRows[PartyProposal](t, table{name: tablePartyProposals})
		if err != nil {
			return err
		}
		all, open := 0, 0
		for _, row := range rows {
			if row.Party != p.Party || row.Out != p.Out {
				continue
			}
			if row.ID == p.ID {
				if added = row; row.State != ProposalOpen {
					return gateway.Errorf(gateway.Conflict, "the proposal was answered or withdrawn already")
				}
				return nil
			}
			if all++; row.State == ProposalOpen {
				open++
			}
		}
		if all >= maxProposals || open >= maxOpenProposals {
			return gateway.Errorf(gateway.Limit, "there are too many proposals already: answer or withdraw some")
		}
		last, err := getUint(t, keyProposalNumber())
		if err != nil {
			return err
		}
		added = p
		added.Number, added.At, added.State = last+1, t.now, ProposalOpen
		t.putUint(keyProposalNumber(), added.Number)
		t.put(table{name: tablePartyProposals}, number(added.Number), encodeJSON(added))
		return t.record(entry)
	})
	return added, err
}

// AnswerProposal notes how an open proposal was answered, and lets go of what was
// in it. The same answer again changes nothing; another is a Conflict.
func (s *Store) AnswerProposal(ctx context.Context, now time.Time, n uint64, state string, entry journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error {
		var p PartyProposal
		ok, err := getJSON(t, table{name: tablePartyProposals}, number(n), &p)
		switch {
		case err != nil:
			return err
		case !ok:
			return gateway.Errorf(gateway.NotFound, "there is no such proposal; see doorstroom policy proposals")
		case p.State == state:
			return nil
		case p.State != ProposalOpen:
			return gateway.Errorf(gateway.Conflict, "the proposal was answered or withdrawn already")
		}
		p.State, p.Answered, p.Body = state, t.now, nil
		t.put(table{name: tablePartyProposals}, number(n), encodeJSON(p))
		return t.record(entry)
	})
}

// PartyProposals gives all that are kept, the first one first.
func (s *Store) PartyProposals(ctx context.Context) ([]PartyProposal, error) {
	return allJSON[PartyProposal](ctx, s, table{name: tablePartyProposals})
}
