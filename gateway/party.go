package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// OIN is an organisatie-identificatienummer: 20 positions, eight of prefix,
// eight or nine of number, and zeros (OIN-Stelsel 2.2.2, "opbouw van het OIN").
type OIN string

const (
	oinURN     = "urn:nld:oin:"
	testPrefix = "00000099"
)

var oinPattern = regexp.MustCompile(`^000000[0-9]{2}[0-9A-Z]{12}$`)

// ParseOIN checks the form of an OIN. Absence from the public OIN register
// says nothing, so nothing is looked up.
func ParseOIN(s string) (OIN, error) {
	if !oinPattern.MatchString(s) {
		return "", Errorf(Invalid, "an OIN has 20 positions and starts with 000000")
	}
	return OIN(s), nil
}

// ParseURN reads the form used for a message's source and recipient.
func ParseURN(s string) (OIN, error) {
	rest, ok := strings.CutPrefix(s, oinURN)
	if !ok {
		return "", Errorf(Invalid, "a party is written as %s followed by its OIN", oinURN)
	}
	return ParseOIN(rest)
}

// URN is the OIN as NL GOV CloudEvents 1.1 writes a source.
func (o OIN) URN() string { return oinURN + string(o) }

// IsTest tells whether this is a test OIN (prefix 99), the only kind that
// examples and tests use.
func (o OIN) IsTest() bool { return strings.HasPrefix(string(o), testPrefix) }

// Gemeente is a TOOI gemeente code such as "gm0482".
type Gemeente string

var gemeentePattern = regexp.MustCompile(`^gm[0-9]{4}$`)

// ParseGemeente checks the form of a gemeente code; whether it exists on a date
// is for the code list "gemeente".
func ParseGemeente(s string) (Gemeente, error) {
	if !gemeentePattern.MatchString(s) {
		return "", Errorf(Invalid, "a gemeente code is written as gm and four digits, such as gm0482")
	}
	return Gemeente(s), nil
}

// PartyKind is the part a party plays in the region.
type PartyKind string

const (
	Leerwerkbedrijf PartyKind = "leerwerkbedrijf" // offers places
	GemeenteKind    PartyKind = "gemeente"        // refers inhabitants, buys and reserves places
	GRS             PartyKind = "grs"             // regional social service body
	Verwijzer       PartyKind = "verwijzer"       // UWV, GON-partij, school: refers on its own grondslag
)

// PartyKinds lists every kind, in the order people expect.
func PartyKinds() []PartyKind {
	return []PartyKind{Leerwerkbedrijf, GemeenteKind, GRS, Verwijzer}
}

// Party is one participant as the signed register describes it. It is a value:
// nothing may change it after the register has been parsed.
type Party struct {
	OIN          OIN           `json:"oin"`
	Name         string        `json:"name"`
	Kind         PartyKind     `json:"kind"`
	Gemeenten    []GemeenteFor `json:"gemeenten,omitempty"`    // codes this party is, with validity
	Endpoint     string        `json:"endpoint"`               // base URL of the peer API, https
	SigningKeys  []Key         `json:"signingKeys"`            // current and past
	Encryption   *Key          `json:"encryptionKey,omitzero"` // ECDH-ES, P-256
	TLSPins      []string      `json:"tlsPins,omitempty"`      // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
	Contact      Functional    `json:"contact"`
	Deputy       Functional    `json:"deputy,omitzero"`
	Mandates     []Mandate     `json:"mandates,omitempty"` // whom this party may act for
	KeyStatement string        `json:"keyStatement"`       // compact JWS by the previous key (or itself, the first time) over the keys above
}

// GemeenteFor is a gemeente code with its validity; gemeenten merge.
type GemeenteFor struct {
	Code       Gemeente `json:"code"`
	ValidFrom  Date     `json:"validFrom,omitempty"`
	ValidUntil Date     `json:"validUntil,omitempty"`
}

// Key is a public key with its validity. JWK is the RFC 7517 form; its kid is
// the RFC 7638 thumbprint.
type Key struct {
	KID         string    `json:"kid"`
	JWK         RawJSON   `json:"jwk"`
	ValidFrom   time.Time `json:"validFrom"`
	ValidUntil  time.Time `json:"validUntil,omitzero"`
	Compromised bool      `json:"compromised,omitempty"` // refused at once, whatever its validity
}

// ValidAt tells whether a new message signed with this key may be received at t.
// After ordinary rotation a key stays good for overlap; a compromised one never.
func (k Key) ValidAt(t time.Time, overlap time.Duration) bool {
	if k.Compromised || t.Before(k.ValidFrom) {
		return false
	}
	return k.ValidUntil.IsZero() || t.Before(k.ValidUntil.Add(overlap))
}

// Functional is a function within an organisation, not a person: a name such as
// "Servicepunt", a telephone number and an e-mail address that outlive a job.
type Functional struct {
	Name  string `json:"name"`
	Phone string `json:"phone,omitempty"`
	Email string `json:"email,omitempty"`
}

// Mandate says that the party that carries it may act for Principal in messages
// of the named kinds; Basis names the act (delegatie, mandaat, dienstverlening).
type Mandate struct {
	Principal  OIN      `json:"principal"`
	Kinds      []string `json:"kinds"`
	Basis      string   `json:"basis"`
	ValidFrom  Date     `json:"validFrom,omitempty"`
	ValidUntil Date     `json:"validUntil,omitempty"`
}

// GemeentenOn are the gemeente codes that this party is on a day.
func (p Party) GemeentenOn(day Date) []Gemeente {
	var codes []Gemeente
	for _, g := range p.Gemeenten {
		if day.Within(g.ValidFrom, g.ValidUntil) {
			codes = append(codes, g.Code)
		}
	}
	return codes
}

// SigningKey finds a signing key by its id, valid or not.
func (p Party) SigningKey(kid string) (Key, bool) {
	for _, k := range p.SigningKeys {
		if k.KID == kid {
			return k, true
		}
	}
	return Key{}, false
}

// Recipient is a party as policy sees it on one day: who it is and whom it acts
// for. The zero value with Public set is the general public.
type Recipient struct {
	Party     OIN
	Kind      PartyKind
	Gemeenten []Gemeente // own codes valid that day
	ActsFor   []Recipient
	Public    bool
}

// RecipientOn is the party as policy sees it on a day for one message kind;
// lookup finds the principals of its mandates.
func (p Party) RecipientOn(day Date, kind string, lookup func(OIN) (Party, bool)) Recipient {
	r := Recipient{Party: p.OIN, Kind: p.Kind, Gemeenten: p.GemeentenOn(day)}
	for _, m := range p.Mandates {
		if !day.Within(m.ValidFrom, m.ValidUntil) || !slices.Contains(m.Kinds, kind) {
			continue
		}
		if principal, ok := lookup(m.Principal); ok {
			r.ActsFor = append(r.ActsFor, Recipient{
				Party: principal.OIN, Kind: principal.Kind, Gemeenten: principal.GemeentenOn(day),
			})
		}
	}
	return r
}

func (r Recipient) String() string {
	if r.Public {
		return "public"
	}
	return fmt.Sprintf("%s %s", r.Kind, r.Party)
}
