package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// What a letter says of a proposal.
const (
	Proposed  = "proposed"
	Approved  = "approved"
	Refused   = "refused"
	Withdrawn = "withdrawn"
)

// MaxLetter bounds a letter, in bytes.
const MaxLetter = 512 << 10

// Letter is what the nodes of two parties tell each other about a policy that
// somebody at the one is asked to approve for the other. It changes nothing at
// either: what counts is the statement in it, signed by persons.
type Letter struct {
	Issuer   gateway.OIN `json:"issuer"`
	Audience gateway.OIN `json:"audience"`
	Time     time.Time   `json:"time"`
	ID       string      `json:"id"` // of the proposal
	Says     string      `json:"says"`
	Proposal *Proposal   `json:"proposal,omitempty"` // where it says proposed
	Signed   string      `json:"signed,omitempty"`   // by both, where it says approved
}

// Proposal is all that an approver must have before them.
type Proposal struct {
	Files     []File `json:"files"`             // of the policy, with what is expected of it
	Before    []File `json:"before"`            // of the policy in force
	Approvers string `json:"approvers"`         // the list that goes with it
	InForce   string `json:"inForce,omitempty"` // the list in force, if that is another
	Signed    string `json:"signed"`            // by the author
}

// File is one file of a policy.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// ID names the proposal: the same one has the same name.
func (p Proposal) ID() string {
	sum := sha256.Sum256([]byte(p.Signed))
	return hex.EncodeToString(sum[:16])
}

// Persons are all on the lists of the proposal.
func (p Proposal) Persons() ([]Person, error) {
	persons, err := ParsePersons([]byte(p.Approvers))
	if err != nil || p.InForce == "" {
		return persons, err
	}
	inForce, err := ParsePersons([]byte(p.InForce))
	for _, one := range inForce {
		if _, listed := find(persons, one.Key.KID); !listed {
			persons = append(persons, one)
		}
	}
	return persons, err
}

// Read verifies a statement by the lists of the proposal: its own, or the one that
// came back with more signatures.
func (p Proposal) Read(signed string) (Statement, Agreed, error) {
	persons, err := p.Persons()
	if err != nil {
		return Statement{}, Agreed{}, err
	}
	s, agreed, err := Read([]byte(signed), persons)
	if err == nil && s.Approvers != Digest([]byte(p.Approvers)) {
		err = gateway.Errorf(gateway.Denied, "the list of approvers is not the one that was signed with the policy")
	}
	return s, agreed, err
}

// Answers tells whether what came back is the statement of the proposal with the
// signature of an approver.
func (p Proposal) Answers(signed string) error {
	asked, _, err := p.Read(p.Signed)
	if err != nil {
		return err
	}
	said, agreed, err := p.Read(signed)
	switch {
	case err != nil:
		return err
	case said != asked:
		return gateway.Errorf(gateway.Denied, "the approval is of something else than was proposed")
	case agreed.Approver == "":
		return gateway.Errorf(gateway.Denied, "nobody beside the author has approved the policy; see doorstroom policy approve")
	}
	return nil
}

// Seal signs a letter with the key of the node that sends it.
func (l Letter) Seal(key *seal.Key) (string, error) {
	payload, err := json.Marshal(l)
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the letter could not be written")
	}
	if len(payload) > MaxLetter {
		return "", gateway.Errorf(gateway.Limit, "the policy with the one in force is larger than %d bytes: send the files", MaxLetter)
	}
	return seal.Sign(key, seal.PolicyLetter, payload)
}

// OpenLetter verifies a letter and reads it. fits judges its bytes by the schema of
// such letters (schemas/policy-letter.v1.json), which says what each may hold.
func OpenLetter(token string, keyOf func(kid string) (gateway.Key, error), fits func(payload []byte) error) (Letter, error) {
	var l Letter
	if len(token) > MaxLetter/3*4+2048 {
		return l, gateway.Errorf(gateway.Limit, "the letter is too large")
	}
	payload, _, err := seal.Open(token, seal.PolicyLetter, keyOf)
	if err != nil {
		return l, err
	}
	if err := fits(payload); err != nil {
		return l, err
	}
	if err := json.Unmarshal(payload, &l, json.RejectUnknownMembers(true)); err != nil {
		return l, gateway.Wrap(gateway.Invalid, err, "the letter cannot be read")
	}
	if l.Proposal != nil && l.Proposal.ID() != l.ID {
		return l, gateway.Errorf(gateway.Invalid, "the letter has the id of another proposal")
	}
	return l, nil
}
