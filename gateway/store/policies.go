package store

import (
	"bytes"
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway/journal"
)

// PolicyFile is one file of a policy as it was in force.
type PolicyFile struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// PolicyApproval is by which rules a policy came in force, and who agreed.
// Approvers and Signed are the bytes of the files that prove it.
type PolicyApproval struct {
	Mode      string `json:"mode,omitempty"`
	Author    string `json:"author,omitempty"`
	Approver  string `json:"approver,omitempty"`
	Approvers []byte `json:"approvers,omitempty"`
	Signed    []byte `json:"signed,omitempty"`

	Expectations string `json:"expectations,omitempty"` // version of those that were agreed to with it
}

// PolicyRecord is one policy that came in force. All are kept; the last one is in
// force, though a node that could not load it discloses nothing.
type PolicyRecord struct {
	Number   uint64         `json:"number"` // from 1, without gaps
	Version  string         `json:"version"`
	Since    time.Time      `json:"since"`
	Caller   string         `json:"caller,omitempty"` // pseudonym of who had it loaded; "": the node itself
	Files    []PolicyFile   `json:"files"`
	Approval PolicyApproval `json:"approval,omitzero"`
}

// Same tells whether putting next in force after r changes nothing.
func (r PolicyRecord) Same(next PolicyRecord) bool {
	return r.Version == next.Version && r.Approval.Mode == next.Approval.Mode && r.Approval.Expectations == next.Approval.Expectations &&
		bytes.Equal(r.Approval.Approvers, next.Approval.Approvers)
}

// PolicyProposal is a policy that waits until it may come in force.
type PolicyProposal struct {
	Version string    `json:"version"`
	Mode    string    `json:"mode,omitempty"`
	Since   time.Time `json:"since"` // when the node first saw it
	Until   time.Time `json:"until"`
}

func keyPolicyNumber() []byte { return []byte("policy-number") } // of the policy in force

func keyProposal() []byte { return []byte("proposal") }

// EnforcePolicy journals that a policy is in force from now on and keeps it,
// unless it is the one that already was; Number and Since of record are filled
// in. What waited to come in force waits no more.
func (s *Store) EnforcePolicy(ctx context.Context, now time.Time, record PolicyRecord, entry journal.Entry) (PolicyRecord, error) {
	kept := record
	err := s.update(ctx, now, func(t *txn) error {
		last, _, err := lastPolicy(t)
		if err != nil {
			return err
		}
		t.delete(table{name: tableProposals}, keyProposal())
		if kept = last; last.Number == 0 || !last.Same(record) {
			kept = record
			kept.Number, kept.Since = last.Number+1, t.now
			t.put(table{name: tablePolicies}, number(kept.Number), encodeJSON(kept))
			t.putUint(keyPolicyNumber(), kept.Number)
		}
		return t.record(entry)
	})
	return kept, err
}

// PolicyInForce is the policy that came in force last; false if there never was one.
func (s *Store) PolicyInForce(ctx context.Context) (record PolicyRecord, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		record, ok, err = lastPolicy(r)
		return err
	})
	return record, ok, err
}

func lastPolicy(r reader) (record PolicyRecord, ok bool, err error) {
	last, err := getUint(r, keyPolicyNumber())
	if err != nil || last == 0 {
		return record, false, err
	}
	ok, err = getJSON(r, table{name: tablePolicies}, number(last), &record)
	if err == nil && !ok {
		err = corrupt(table{name: tablePolicies}, "the policy in force is missing")
	}
	return record, ok, err
}

// Policies gives every policy that ever was in force, the first one first.
func (s *Store) Policies(ctx context.Context) ([]PolicyRecord, error) {
	return allJSON[PolicyRecord](ctx, s, table{name: tablePolicies})
}

// ProposePolicy keeps a policy that waits in the place of the one that waited.
func (s *Store) ProposePolicy(ctx context.Context, now time.Time, proposal PolicyProposal, entry journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error {
		t.put(table{name: tableProposals}, keyProposal(), encodeJSON(proposal))
		return t.record(entry)
	})
}

// Proposal is the policy that waits; false if none does.
func (s *Store) Proposal(ctx context.Context) (proposal PolicyProposal, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err = getJSON(r, table{name: tableProposals}, keyProposal(), &proposal)
		return err
	})
	return proposal, ok, err
}

// keepPolicies takes over the policies that came in force after the backup: an
// older and perhaps wider one does not come back by a restore, nor what was agreed
// to then. It does so only where the one history goes on from the other. Whatever
// waited, waits anew.
func (t *txn) keepPolicies(before []PolicyRecord) error {
	t.delete(table{name: tableProposals}, keyProposal())
	last, _, err := lastPolicy(t)
	if err != nil {
		return err
	}
	for i, r := range before {
		if r.Number != uint64(i+1) || r.Number == last.Number && (r.Version != last.Version || !r.Since.Equal(last.Since)) {
			return nil
		}
	}
	for _, r := range before[min(last.Number, uint64(len(before))):] {
		t.put(table{name: tablePolicies}, number(r.Number), encodeJSON(r))
		t.putUint(keyPolicyNumber(), r.Number)
	}
	return nil
}
