package rest

import (
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Proposal is a policy that somebody at another party is asked to approve (out), or
// that another party asks somebody here to approve.
type Proposal struct {
	Number   uint64           `json:"number"`
	Party    gateway.OIN      `json:"party"`
	Name     string           `json:"name"`
	Out      bool             `json:"out"`
	Policy   string           `json:"policy"` // its version
	Author   string           `json:"author"`
	At       time.Time        `json:"at"`
	State    string           `json:"state"` // open, approved, refused or withdrawn
	Answered time.Time        `json:"answered,omitzero"`
	Content  *ProposalContent `json:"content,omitempty"` // while it is open
}

// ProposalContent is all that an approver must have before them.
type ProposalContent struct {
	Files     []PolicyFile `json:"files"`
	Before    []PolicyFile `json:"before"`            // of the policy in force
	Approvers string       `json:"approvers"`         // the list that goes with it
	InForce   string       `json:"inForce,omitempty"` // the list in force, if that is another
	Signed    string       `json:"signed"`            // by the author
}
