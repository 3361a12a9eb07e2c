// Package register is the signed register of participants: which parties take
// part, where their nodes are and which keys are theirs. Use it to find a
// party or key, and to decide whether a newer register may take the place of
// the one in force.
//
// A register is a chain of versions. Each names the SHA-256 of the one before
// and carries the signatures that the one before demands, so a node that trusts
// one version can trust the next. A party's keys change only with a statement
// signed by that party's previous key, so those who sign the register cannot
// put keys of their own in a party's place. They can remove a party, and let it
// enrol anew in a later version, which everyone sees.
package register

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// ExpiryNotice is how long before the end of its validity a register warns.
const ExpiryNotice = 30 * 24 * time.Hour

// Document is what the signers sign. Times have whole seconds.
type Document struct {
	Version    uint64          `json:"version"`  // from 1, one more each time
	Previous   string          `json:"previous"` // SHA-256 of the predecessor's bytes, hex; "" for version 1
	Issued     time.Time       `json:"issued"`
	ValidUntil time.Time       `json:"validUntil"`
	GraceDays  int             `json:"graceDays"` // after ValidUntil, under alarm
	Threshold  int             `json:"threshold"` // how many of Signers must sign the successor
	Signers    []Signer        `json:"signers"`
	Parties    []gateway.Party `json:"parties"`
}

// Signer is one who signs registers: an organ such as "GRS secretariaat", not a
// person.
type Signer struct {
	Name string      `json:"name"`
	Key  gateway.Key `json:"key"`
}

// State is how far a register is on its way to the end of its validity.
type State string

const (
	Current  State = "current"
	Expiring State = "expiring" // within ExpiryNotice: warn
	Grace    State = "grace"    // over, existing parties go on under alarm
	Expired  State = "expired"  // the grace period is over too
)

// Register is one verified version. It is immutable and safe for concurrent
// use; the parties it hands out share memory with it and are read-only.
type Register struct {
	doc   Document
	file  []byte
	hash  string
	byOIN map[gateway.OIN]int // index in doc.Parties
	byKID map[string]int      // index in doc.Parties, signing keys only
}

// Parse verifies the register that a node starts from, on the strength of keys
// the operator was told of by other means. Those who signed it must be anchors
// and signers of the register itself, at least its own threshold of them and
// more than half of the anchors, so that no single anchor can start a register
// with a lower threshold. Every version whose signers are still anchors can be
// a start, also the first. Expiry is not checked: see State.
func Parse(file []byte, anchors []string) (*Register, error) {
	r, err := Restore(file)
	if err != nil {
		return nil, err
	}
	kids, err := r.signedBy(r.doc, func(kid string) bool { return slices.Contains(anchors, kid) })
	if err != nil {
		return nil, err
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(anchors)))
	if need := max(r.doc.Threshold, len(distinct)/2+1); len(kids) < need {
		return nil, tooFew(len(kids), need)
	}
	for _, p := range r.doc.Parties {
		if err := checkOwnStatement(p, r.doc.Version == 1); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Restore reads a register that this node has verified before and kept where
// nobody else writes. It checks the document but no signature.
func Restore(file []byte) (*Register, error) {
	payload, err := seal.PeekGeneralUnverified(file)
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	doc, err := decode(payload)
	if err != nil {
		return nil, err
	}
	if err := Check(doc); err != nil {
		return nil, err
	}
	return index(doc, payload, file), nil
}

// Successor verifies file as the version after current; now is only compared
// with the dates of the file. Nothing of current changes. An expired current
// register can have a successor, an expired file never is one.
func Successor(current *Register, file []byte, now time.Time) (*Register, error) {
	return Follow(current, [][]byte{file}, now)
}

// Follow applies successors in turn, for a node that has missed some. Only the
// last must not have expired yet: the others have done their work once the next
// is verified.
func Follow(current *Register, files [][]byte, now time.Time) (*Register, error) {
	for i, file := range files {
		next, err := current.Next(file, now)
		if err != nil {
			return nil, err
		}
		if last := i == len(files)-1; last && !now.Before(next.doc.ValidUntil) {
			return nil, gateway.Errorf(gateway.Invalid, "register version %d has expired", next.doc.Version)
		}
		current = next
	}
	return current, nil
}

// Next verifies file as the version after r as Successor does, but for its
// expiry: one that has expired still leads to the version after it.
func (r *Register) Next(file []byte, now time.Time) (*Register, error) {
	next, err := Restore(file)
	if err != nil {
		return nil, err
	}
	if err := r.checkChain(next.doc, now); err != nil {
		return nil, err
	}
	kids, err := next.signedBy(r.doc, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	if len(kids) < r.doc.Threshold {
		return nil, tooFew(len(kids), r.doc.Threshold)
	}
	for _, p := range next.doc.Parties {
		if err := r.checkKeys(p, next.doc.Issued); err != nil {
			return nil, err
		}
	}
	return next, nil
}

func (r *Register) checkChain(next Document, now time.Time) error {
	switch {
	case next.Version <= r.doc.Version:
		return gateway.Errorf(gateway.Conflict, "register version %d is not newer than version %d in force", next.Version, r.doc.Version)
	case next.Version > r.doc.Version+1:
		return gateway.Errorf(gateway.Conflict, "register version %d does not follow version %d: apply those between first", next.Version, r.doc.Version)
	case next.Previous != r.hash:
		return gateway.Errorf(gateway.Conflict, "register version %d names another predecessor than the register in force", next.Version)
	case next.Issued.Before(r.doc.Issued):
		return gateway.Errorf(gateway.Invalid, "register version %d was issued before its predecessor", next.Version)
	case next.Issued.After(now.Add(gateway.ClockSkew)):
		return gateway.Errorf(gateway.Invalid, "register version %d is issued in the future", next.Version)
	}
	return nil
}

// signedBy verifies all signatures on r with the keys of authority's signers
// that trusted lets pass, and answers whose they are.
func (r *Register) signedBy(authority Document, trusted func(kid string) bool) ([]string, error) {
	_, kids, err := seal.OpenGeneral(r.file, seal.Register, func(kid string) (gateway.Key, error) {
		for _, s := range authority.Signers {
			if s.Key.KID == kid && trusted(kid) && s.Key.ValidAt(r.doc.Issued, 0) {
				return s.Key, nil
			}
		}
		return gateway.Key{}, gateway.Errorf(gateway.NotFound, "no signer with that key")
	})
	switch {
	case seal.ReasonOf(err) == gateway.ReasonKeyUnknown:
		return nil, gateway.Wrap(gateway.Unauthenticated, err, "the register is signed by an unknown signer")
	case err != nil:
		return nil, fmt.Errorf("verify register: %w", err)
	}
	return kids, nil
}

func tooFew(have, need int) error {
	return gateway.Errorf(gateway.Unauthenticated, "the register has too few signatures: %d of %d", have, need)
}

func index(doc Document, payload, file []byte) *Register {
	r := &Register{
		doc: doc, file: slices.Clone(file), hash: hashOf(payload),
		byOIN: make(map[gateway.OIN]int, len(doc.Parties)), byKID: make(map[string]int, len(doc.Parties)),
	}
	slices.SortFunc(r.doc.Parties, byOIN)
	for i, p := range r.doc.Parties {
		r.byOIN[p.OIN] = i
		for _, k := range p.SigningKeys {
			r.byKID[k.KID] = i
		}
	}
	return r
}

func byOIN(a, b gateway.Party) int { return strings.Compare(string(a.OIN), string(b.OIN)) }

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Version is the number of this version, from 1.
func (r *Register) Version() uint64 { return r.doc.Version }

// Hash is the SHA-256, in hex, of the signed bytes: what a successor names.
func (r *Register) Hash() string { return r.hash }

// Bytes is the signed file, a copy.
func (r *Register) Bytes() []byte { return slices.Clone(r.file) }

// SameAs tells whether file holds the same document, whoever has signed it.
func (r *Register) SameAs(file []byte) bool {
	payload, err := seal.PeekGeneralUnverified(file)
	return err == nil && hashOf(payload) == r.hash
}

// Party finds a party.
func (r *Register) Party(oin gateway.OIN) (gateway.Party, bool) {
	i, ok := r.byOIN[oin]
	if !ok {
		return gateway.Party{}, false
	}
	return r.doc.Parties[i], true
}

// SigningKey finds a signing key, valid or not, and the one party it is of.
func (r *Register) SigningKey(kid string) (gateway.Key, gateway.Party, bool) {
	i, ok := r.byKID[kid]
	if !ok {
		return gateway.Key{}, gateway.Party{}, false
	}
	key, ok := r.doc.Parties[i].SigningKey(kid)
	return key, r.doc.Parties[i], ok
}

// Parties is all parties in the order of their OINs.
func (r *Register) Parties() []gateway.Party { return slices.Clone(r.doc.Parties) }

// Recipient is a party as policy sees it on a day for one message kind.
func (r *Register) Recipient(oin gateway.OIN, kind string, day gateway.Date) (gateway.Recipient, bool) {
	p, ok := r.Party(oin)
	if !ok {
		return gateway.Recipient{}, false
	}
	return p.RecipientOn(day, kind, r.Party), true
}

// Document is what was signed. Its slices are copies, but what the parties
// themselves hold is shared and read-only.
func (r *Register) Document() Document {
	doc := r.doc
	doc.Signers = slices.Clone(doc.Signers)
	doc.Parties = slices.Clone(doc.Parties)
	return doc
}

// State says how far the register is on its way to the end of its validity.
func (r *Register) State(now time.Time) State {
	switch {
	case now.Before(r.doc.ValidUntil.Add(-ExpiryNotice)):
		return Current
	case now.Before(r.doc.ValidUntil):
		return Expiring
	case now.Before(r.doc.ValidUntil.AddDate(0, 0, r.doc.GraceDays)):
		return Grace
	default:
		return Expired
	}
}
