package seal

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-json-experiment/json"
)

const (
	// MaxDocument bounds the payload of a document with several signatures.
	MaxDocument = 4 << 20
	// MaxSignatures bounds the signatures on one document.
	MaxSignatures = 16

	maxGeneral = MaxDocument/3*4 + MaxSignatures*1024
)

// general is the JWS JSON Serialization with several signatures (RFC 7515
// §7.2.1) without unprotected headers.
type general struct {
	Payload    string      `json:"payload"`
	Signatures []signature `json:"signatures"`
}

type signature struct {
	Protected string `json:"protected"`
	Signature string `json:"signature"`
}

// SignMulti makes a document that every key has signed; without keys, one that
// waits for signatures.
func SignMulti(p Purpose, payload []byte, keys ...*Key) ([]byte, error) {
	if len(payload) == 0 || len(payload) > MaxDocument {
		return nil, gateway.Errorf(gateway.Limit, "a signed document has 1 to %d bytes", MaxDocument)
	}
	doc, err := general{Payload: encode(payload), Signatures: []signature{}}.marshal()
	for _, key := range keys {
		if err != nil {
			break
		}
		doc, err = AddSignature(doc, p, key)
	}
	return doc, err
}

// AddSignature adds one more signature to a document. Signing twice with one
// key is a Conflict. It does not verify the signatures already there.
func AddSignature(doc []byte, p Purpose, key *Key) ([]byte, error) {
	g, err := parseGeneral(doc)
	if err != nil {
		return nil, err
	}
	for i := range g.Signatures {
		t, err := g.token(i)
		if err != nil {
			return nil, err
		}
		if t.header.KID == key.KID() {
			return nil, gateway.Errorf(gateway.Conflict, "this key has signed the document already")
		}
	}
	if len(g.Signatures) == MaxSignatures {
		return nil, gateway.Errorf(gateway.Limit, "a document has at most %d signatures", MaxSignatures)
	}
	payload, err := decode(g.Payload)
	if err != nil {
		return nil, err
	}
	token, err := key.sign(p, payload)
	if err != nil {
		return nil, err
	}
	t, err := split(token, maxGeneral)
	if err != nil {
		return nil, err
	}
	g.Signatures = append(g.Signatures, signature{
		Protected: t.signed[:len(t.signed)-len(g.Payload)-1],
		Signature: encode(t.signature),
	})
	return g.marshal()
}

// OpenGeneral verifies every signature of a document as Open does and returns
// the bytes that were signed and the ids of the keys, each once. One signature
// that does not hold fails the whole; how many are enough is for the caller to
// say, also when there are none.
func OpenGeneral(doc []byte, p Purpose, lookup Lookup) (payload []byte, kids []string, err error) {
	g, err := parseGeneral(doc)
	if err != nil {
		return nil, nil, err
	}
	for i := range g.Signatures {
		t, err := g.token(i)
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(kids, t.header.KID) {
			return nil, nil, malformed("one key has signed the document twice")
		}
		if err := t.verify(p, lookup, new(Keys)); err != nil {
			return nil, nil, err
		}
		kids = append(kids, t.header.KID)
	}
	payload, err = decode(g.Payload)
	return payload, kids, err
}

// PeekGeneralUnverified reads a document that nobody has verified, to find out
// whose signatures it needs. Decide nothing else on it.
func PeekGeneralUnverified(doc []byte) (payload []byte, err error) {
	g, err := parseGeneral(doc)
	if err != nil {
		return nil, err
	}
	return decode(g.Payload)
}

func parseGeneral(doc []byte) (general, error) {
	if len(doc) > maxGeneral {
		return general{}, malformed("the signed document is too large")
	}
	var g general
	if err := json.Unmarshal(doc, &g, json.RejectUnknownMembers(true)); err != nil {
		return general{}, malformed("a signed document holds a payload and signatures with a protected header, and nothing else")
	}
	if len(g.Signatures) > MaxSignatures {
		return general{}, malformed("the document has too many signatures")
	}
	if _, err := decode(g.Payload); err != nil {
		return general{}, err
	}
	return g, nil
}

func (g general) marshal() ([]byte, error) {
	doc, err := json.Marshal(g)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the signed document could not be written")
	}
	return append(doc, '\n'), nil
}

// token is signature i as the compact JWS it would be.
func (g general) token(i int) (*parts, error) {
	s := g.Signatures[i]
	return split(s.Protected+"."+g.Payload+"."+s.Signature, maxGeneral)
}
