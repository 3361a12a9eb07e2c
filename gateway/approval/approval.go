// Package approval says when a policy may come in force: at once, after two
// persons have signed it, or, where one person runs a party, after others had
// the time to object. Use it to make and verify the statement that author and
// approver sign. It is pure: no I/O, no clock.
//
// A statement names the version of the policy and of what is expected of it, the
// list of persons that goes with it, and the place in the history of the node that
// it is for. So what was agreed once cannot be used again, nor for anything else,
// also when an older database was put back, and who may agree is changed only by
// those who may agree already.
package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// Mode is by which rule a policy comes in force, from the least strict to the
// strictest.
type Mode string

// The modes, as configuration names them.
const (
	None      Mode = "none"
	OnePerson Mode = "one-person" // what widens it waits
	TwoPerson Mode = "two-person" // an author and an approver sign it
)

// Wait is how long what one person widens waits.
const Wait = 72 * time.Hour

// validity is how long a statement can be used: nobody should be surprised by
// what was agreed long ago.
const validity = 30 * 24 * time.Hour

// Modes lists them, the least strict first.
func Modes() []Mode { return []Mode{None, OnePerson, TwoPerson} }

// Stricter is the stricter of two modes: to leave a mode takes what it asks.
// Empty is None.
func Stricter(a, b Mode) Mode {
	all := Modes()
	return all[max(0, slices.Index(all, a), slices.Index(all, b))]
}

// Statement is what author and approver sign.
type Statement struct {
	Party     gateway.OIN `json:"party"`
	Policy    string      `json:"policy"`            // its version
	Approval  Mode        `json:"approval"`          // that is configured with it
	Approvers string      `json:"approvers"`         // Digest of the list of persons that is configured with it
	Number    uint64      `json:"number"`            // that it gets in the history of the node
	Follows   string      `json:"follows,omitempty"` // version of the one before it

	Expectations string `json:"expectations,omitempty"` // their version; "" if there are none
	Incarnation  uint64 `json:"incarnation"`            // of the node's database: a restore begins another

	Author string    `json:"author"` // name on the list
	Issued time.Time `json:"issued"`
}

// Digest names a list of persons by its bytes.
func Digest(approvers []byte) string {
	sum := sha256.Sum256(approvers)
	return hex.EncodeToString(sum[:])
}

// Sign makes the statement with the signature of its author.
func Sign(s Statement, key *seal.Key) ([]byte, error) {
	s.Issued = s.Issued.UTC().Truncate(time.Second)
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the statement could not be written")
	}
	return seal.SignMulti(seal.PolicyApproval, payload, key)
}

// Approve adds the signature of another.
func Approve(signed []byte, key *seal.Key) ([]byte, error) {
	return seal.AddSignature(signed, seal.PolicyApproval, key)
}

// PeekUnverified reads what a file says that may have been signed by anyone.
func PeekUnverified(signed []byte) (Statement, error) {
	payload, err := seal.PeekGeneralUnverified(signed)
	if err != nil {
		return Statement{}, err
	}
	return parse(payload)
}

func parse(payload []byte) (Statement, error) {
	var s Statement
	if err := json.Unmarshal(payload, &s, json.RejectUnknownMembers(true)); err != nil {
		return Statement{}, gateway.Errorf(gateway.Invalid, "the file is not an approval of a policy")
	}
	return s, nil
}

// Agreed is who agreed.
type Agreed struct {
	Author   string
	Approver string // "": nobody yet
}

// Read verifies the signatures by a list of persons and gives the statement and
// who signed it. Whether that is enough, and for what, Verify says.
func Read(signed []byte, persons []Person) (Statement, Agreed, error) {
	lookup := func(kid string) (gateway.Key, error) {
		if p, ok := find(persons, kid); ok {
			return p.Key, nil
		}
		return gateway.Key{}, gateway.Errorf(gateway.Denied, "somebody signed who is not on the list of approvers")
	}
	payload, kids, err := seal.OpenGeneral(signed, seal.PolicyApproval, lookup)
	if err != nil {
		return Statement{}, Agreed{}, gateway.Wrap(gateway.Denied, err, "the approval is not signed by persons on the list of approvers")
	}
	s, err := parse(payload)
	if err != nil {
		return Statement{}, Agreed{}, err
	}
	agreed, err := who(s, kids, persons)
	return s, agreed, err
}

// who finds the author among those who signed, and another who may approve.
func who(s Statement, kids []string, persons []Person) (Agreed, error) {
	var agreed Agreed
	for _, kid := range kids {
		p, _ := find(persons, kid)
		switch {
		case p.Name == s.Author && !p.Sign:
			return Agreed{}, gateway.Errorf(gateway.Denied, "the author may approve policies, not sign them")
		case p.Name == s.Author:
			agreed.Author = p.Name
		case p.Approve:
			agreed.Approver = p.Name
		}
	}
	if agreed.Author == "" {
		return Agreed{}, gateway.Errorf(gateway.Denied, "the author has not signed the policy; see doorstroom policy sign")
	}
	return agreed, nil
}

// Verify says who agreed to exactly what is wanted, now: want holds what the
// statement must say, author and moment left out. Everything else is Denied.
func Verify(signed []byte, want Statement, persons []Person, now time.Time) (Agreed, error) {
	if len(signed) == 0 {
		return Agreed{}, gateway.Errorf(gateway.Denied, "nobody has signed the policy; see doorstroom policy sign")
	}
	s, agreed, err := Read(signed, persons)
	if err != nil {
		return Agreed{}, err
	}
	if err := s.matches(want); err != nil {
		return Agreed{}, err
	}
	switch {
	case agreed.Approver == "":
		return Agreed{}, gateway.Errorf(gateway.Denied, "nobody beside the author has approved the policy; see doorstroom policy approve")
	case s.Issued.After(now.Add(gateway.ClockSkew)):
		return Agreed{}, gateway.Errorf(gateway.Denied, "the approval is from the future: look at the clocks")
	case now.Sub(s.Issued) > validity:
		return Agreed{}, gateway.Errorf(gateway.Denied, "the approval is more than 30 days old: have it signed again")
	}
	return agreed, nil
}

func (s Statement) matches(want Statement) error {
	switch {
	case s.Party != want.Party:
		return gateway.Errorf(gateway.Denied, "the approval is for another party")
	case s.Policy != want.Policy:
		return gateway.Errorf(gateway.Denied, "the approval is for another version of the policy")
	case s.Expectations != want.Expectations:
		return gateway.Errorf(gateway.Denied, "the approval is for other expectations than those beside the policy")
	case s.Incarnation != want.Incarnation:
		return gateway.Errorf(gateway.Denied, "the approval is from before the database was restored, or by an older program: have it signed again")
	case s.Number != want.Number || s.Follows != want.Follows:
		return gateway.Errorf(gateway.Denied, "the approval was for another moment: it follows another policy than the one in force")
	case s.Approvers != want.Approvers:
		return gateway.Errorf(gateway.Denied, "the approval goes with another list of approvers")
	case s.Approval != want.Approval:
		return gateway.Errorf(gateway.Denied, "the approval goes with another value of policy.approval")
	}
	return nil
}
