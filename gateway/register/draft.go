package register

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

const (
	defaultValidity  = 1 // years
	defaultGraceDays = 90
)

// New drafts the first register, valid for a year, without parties.
func New(signers []Signer, threshold int, now time.Time) Document {
	now = now.UTC().Truncate(time.Second)
	return Document{
		Version: 1, Issued: now, ValidUntil: now.AddDate(defaultValidity, 0, 0),
		GraceDays: defaultGraceDays, Threshold: threshold, Signers: slices.Clone(signers),
	}
}

// NextOf drafts the successor of current, valid for a year from now, with the
// same signers and parties.
func NextOf(current *Register, now time.Time) Document {
	doc := current.Document()
	doc.Version++
	doc.Previous = current.Hash()
	doc.Issued = now.UTC().Truncate(time.Second)
	doc.ValidUntil = doc.Issued.AddDate(defaultValidity, 0, 0)
	return doc
}

// Add puts a party in a draft, in the place of the party with the same OIN. The
// draft given is not changed.
func Add(doc Document, party gateway.Party) Document {
	doc = Remove(doc, party.OIN)
	doc.Parties = append(doc.Parties, party)
	slices.SortFunc(doc.Parties, byOIN)
	return doc
}

// Remove takes a party out of a draft. The draft given is not changed.
func Remove(doc Document, oin gateway.OIN) Document {
	doc.Parties = slices.DeleteFunc(slices.Clone(doc.Parties), func(p gateway.Party) bool { return p.OIN == oin })
	return doc
}

// Encode writes a draft as a file that waits for signatures. A document that
// Check refuses is refused here too.
func Encode(doc Document) ([]byte, error) {
	if err := Check(doc); err != nil {
		return nil, err
	}
	doc.Issued, doc.ValidUntil = doc.Issued.UTC(), doc.ValidUntil.UTC()
	payload, err := json.Marshal(doc)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "the register could not be written")
	}
	return seal.SignMulti(seal.Register, payload)
}

// Sign adds a signature to a file of Encode or of Sign. Whether it counts is
// for those who read the file: Parse and Successor say.
func Sign(file []byte, key *seal.Key) ([]byte, error) {
	if _, err := Restore(file); err != nil {
		return nil, err
	}
	return seal.AddSignature(file, seal.Register, key)
}
