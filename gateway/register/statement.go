package register

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// statement is what a party signs about itself. The ids are RFC 7638
// thumbprints, so they stand for the keys. The endpoint is part of it because
// the host name is the identity of a server that shows a web certificate.
// Whether a key is compromised is not: others must be able to say so at once.
// Members are in alphabetical order and values are ASCII: the encoding is that
// of RFC 8785.
type statement struct {
	Encryption  string         `json:"encryptionKey"` // "" for none
	Endpoint    string         `json:"endpoint"`
	OIN         gateway.OIN    `json:"oin"`
	Previous    string         `json:"previous"` // SHA-256 of the statement before this, hex; "" for the first
	SigningKeys []statementKey `json:"signingKeys"`
	TLSPins     []string       `json:"tlsPins"`
}

type statementKey struct {
	KID        string `json:"kid"`
	ValidFrom  string `json:"validFrom"`
	ValidUntil string `json:"validUntil"` // "" for no end
}

// statementOf is the canonical statement about the keys in p.
func statementOf(p gateway.Party, previous string) []byte {
	s := statement{
		Endpoint: p.Endpoint, OIN: p.OIN, Previous: previous,
		SigningKeys: []statementKey{}, TLSPins: append([]string{}, p.TLSPins...),
	}
	if p.Encryption != nil {
		s.Encryption = p.Encryption.KID
	}
	for _, k := range p.SigningKeys {
		key := statementKey{KID: k.KID, ValidFrom: gateway.FormatTime(k.ValidFrom)}
		if !k.ValidUntil.IsZero() {
			key.ValidUntil = gateway.FormatTime(k.ValidUntil)
		}
		s.SigningKeys = append(s.SigningKeys, key)
	}
	slices.SortFunc(s.SigningKeys, func(a, b statementKey) int { return strings.Compare(a.KID, b.KID) })
	slices.Sort(s.TLSPins)
	b, err := json.Marshal(s)
	if err != nil {
		panic("a key statement is plain data: " + err.Error())
	}
	return b
}

// MakeKeyStatement signs the keys, TLS pins and endpoint in party, to be put in
// its KeyStatement. The first time, by is one of these keys; later it is a key
// of the party in the register in force, which must stay listed. What party
// holds as KeyStatement must be the one in force: the new one names it, so that
// an old statement cannot come back.
func MakeKeyStatement(party gateway.Party, by *seal.Key) (string, error) {
	token, err := seal.Sign(by, seal.KeyStatement, statementOf(party, hashOfStatement(party.KeyStatement)))
	if err != nil {
		return "", fmt.Errorf("sign key statement: %w", err)
	}
	return token, nil
}

func hashOfStatement(token string) string {
	if token == "" {
		return ""
	}
	return hashOf([]byte(token))
}

// checkKeys says whether p may follow what r holds of the same party.
func (r *Register) checkKeys(p gateway.Party, issued time.Time) error {
	before, known := r.Party(p.OIN)
	if !known {
		return checkOwnStatement(p, true)
	}
	if name := revived(before, p); name != "" {
		return invalid("party %s: %s was reported as compromised and cannot come back", p.OIN, name)
	}
	if p.KeyStatement == before.KeyStatement {
		if !bytes.Equal(statementOf(p, ""), statementOf(before, "")) {
			return unproven(p, nil, "keys, pins or endpoint changed without a statement by the party")
		}
		return nil
	}
	payload, kid, err := seal.Open(p.KeyStatement, seal.KeyStatement, func(kid string) (gateway.Key, error) {
		if k, ok := before.SigningKey(kid); ok && k.ValidAt(issued, 0) {
			return k, nil
		}
		return gateway.Key{}, gateway.Errorf(gateway.NotFound, "not a valid key of the party in the register in force")
	})
	if err != nil {
		return unproven(p, err, "the key statement is not signed by a previous key of the party")
	}
	if _, listed := p.SigningKey(kid); !listed {
		return unproven(p, nil, "the key that signed the key statement must stay listed")
	}
	if !bytes.Equal(payload, statementOf(p, hashOfStatement(before.KeyStatement))) {
		return unproven(p, nil, "the key statement is not about these keys, or does not follow the one in force")
	}
	return nil
}

// checkOwnStatement verifies a statement without knowing the one before, by the
// party's own keys. A key that was compromised since may have made it.
func checkOwnStatement(p gateway.Party, first bool) error {
	payload, _, err := seal.Open(p.KeyStatement, seal.KeyStatement, func(kid string) (gateway.Key, error) {
		k, ok := p.SigningKey(kid)
		if !ok {
			return gateway.Key{}, gateway.Errorf(gateway.NotFound, "not a key of the party")
		}
		k.Compromised = k.Compromised && first
		return k, nil
	})
	if err != nil {
		return unproven(p, err, "the key statement is not signed by a key of the party")
	}
	var s statement
	if err := json.Unmarshal(payload, &s); err != nil {
		return unproven(p, err, "the key statement is not a statement")
	}
	if (first && s.Previous != "") || !bytes.Equal(payload, statementOf(p, s.Previous)) {
		return unproven(p, nil, "the key statement is not about these keys")
	}
	return nil
}

func unproven(p gateway.Party, err error, message string) error {
	return gateway.Wrap(gateway.Unauthenticated, err, fmt.Sprintf("party %s: %s", p.OIN, message))
}

// revived names a kind of key that was compromised before and is not after.
func revived(before, after gateway.Party) string {
	for _, k := range before.SigningKeys {
		if now, ok := after.SigningKey(k.KID); ok && k.Compromised && !now.Compromised {
			return "a signing key"
		}
	}
	b, a := before.Encryption, after.Encryption
	if b != nil && a != nil && b.KID == a.KID && b.Compromised && !a.Compromised {
		return "the encryption key"
	}
	return ""
}
