package register

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/go-json-experiment/json"
)

const (
	maxParties   = 5000
	maxKeys      = 16 // signing keys of one party, past ones included
	maxPins      = 8
	maxGemeenten = 64
	maxMandates  = 64
	maxText      = 200 // runes
	maxGraceDays = 366
)

var (
	hashPattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	hostPattern  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	ipv6Pattern  = regexp.MustCompile(`^[0-9a-f:]{2,39}$`)
	kindPattern  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	phonePattern = regexp.MustCompile(`^\+?[0-9][0-9 ()-]{1,30}$`)
	emailPattern = regexp.MustCompile(`^[^@\s\pC]{1,64}@[a-zA-Z0-9.-]{1,190}$`)
)

// decode reads a document strictly: unknown and repeated members, names in
// another case and invalid UTF-8 are errors.
func decode(payload []byte) (Document, error) {
	var doc Document
	if err := json.Unmarshal(payload, &doc, json.RejectUnknownMembers(true)); err != nil {
		return Document{}, gateway.Wrap(gateway.Invalid, err, "the register is not a valid document")
	}
	return doc, nil
}

func invalid(format string, args ...any) error {
	return gateway.Errorf(gateway.Invalid, format, args...)
}

// Check says whether a document is in order by itself: sizes, forms, dates, and
// nothing claimed by two parties. It verifies no signature.
func Check(doc Document) error {
	switch {
	case doc.Version == 0:
		return invalid("the register has no version")
	case doc.Version == 1 && doc.Previous != "":
		return invalid("the first register has no predecessor")
	case doc.Version > 1 && !hashPattern.MatchString(doc.Previous):
		return invalid("the register does not name the SHA-256 of its predecessor")
	case doc.Issued.IsZero() || !doc.ValidUntil.After(doc.Issued):
		return invalid("the register must be valid until after it is issued")
	case doc.GraceDays < 0 || doc.GraceDays > maxGraceDays:
		return invalid("the grace period is 0 to %d days", maxGraceDays)
	case len(doc.Parties) > maxParties:
		return invalid("a register has at most %d parties", maxParties)
	}
	if err := checkSigners(doc.Signers, doc.Threshold); err != nil {
		return err
	}
	return checkParties(doc.Parties)
}

func checkSigners(signers []Signer, threshold int) error {
	if len(signers) == 0 || len(signers) > seal.MaxSignatures {
		return invalid("a register has 1 to %d signers", seal.MaxSignatures)
	}
	if threshold < 1 || threshold > len(signers) {
		return invalid("the threshold must lie between 1 and the number of signers")
	}
	seen := claims{}
	for i, s := range signers {
		switch {
		case !text(s.Name):
			return invalid("signer %d has no proper name", i+1)
		case seal.CheckSigningKey(s.Key) != nil || !ordered(s.Key):
			return invalid("the key of signer %d is not a valid signing key", i+1)
		case !seen.claim(s.Key.KID):
			return invalid("signer %d has the key of another signer", i+1)
		}
	}
	return nil
}

// claims are things that only one may have.
type claims map[string]bool

func (c claims) claim(s string) bool {
	if c[s] {
		return false
	}
	c[s] = true
	return true
}

func checkParties(parties []gateway.Party) error {
	known := claims{}
	for i, p := range parties {
		if _, err := gateway.ParseOIN(string(p.OIN)); err != nil {
			return gateway.Wrap(gateway.Invalid, err, "party "+strconv.Itoa(i+1)+" has no valid OIN")
		}
		if !known.claim(string(p.OIN)) {
			return invalid("party %s occurs twice", p.OIN)
		}
	}
	taken := claims{}
	for _, p := range parties {
		if problem := checkParty(p, known, taken); problem != "" {
			return invalid("party %s: %s", p.OIN, problem)
		}
	}
	return checkGemeenten(parties)
}

// checkGemeenten: a gemeente code is one party at a time. Were two parties the
// same gemeente, each would be the sole owner of what is allotted to it.
func checkGemeenten(parties []gateway.Party) error {
	held := map[gateway.Gemeente][]gateway.GemeenteFor{}
	for _, p := range parties {
		for _, g := range p.Gemeenten {
			for _, other := range held[g.Code] {
				if overlap(g, other) {
					return invalid("party %s: gemeente %s is another party's at the same time", p.OIN, g.Code)
				}
			}
			held[g.Code] = append(held[g.Code], g)
		}
	}
	return nil
}

func overlap(a, b gateway.GemeenteFor) bool {
	before := func(until, from gateway.Date) bool { return until != "" && from != "" && until < from }
	return !before(a.ValidUntil, b.ValidFrom) && !before(b.ValidUntil, a.ValidFrom)
}

func checkParty(p gateway.Party, known, taken claims) string {
	switch {
	case !text(p.Name):
		return "the name is missing or too long"
	case !slices.Contains(gateway.PartyKinds(), p.Kind):
		return "the kind is unknown"
	case !endpoint(p.Endpoint):
		return "the endpoint must be https with a host and perhaps a port, and nothing else"
	case !reachable(p.Contact):
		return "the contact needs a name, and a telephone number or an e-mail address"
	case p.Deputy != gateway.Functional{} && !reachable(p.Deputy):
		return "the deputy needs a name, and a telephone number or an e-mail address"
	}
	if problem := checkPartyKeys(p, taken); problem != "" {
		return problem
	}
	if len(p.Gemeenten) > maxGemeenten || len(p.Mandates) > maxMandates {
		return "too many gemeenten or mandates"
	}
	for _, g := range p.Gemeenten {
		if _, err := gateway.ParseGemeente(string(g.Code)); err != nil || !period(g.ValidFrom, g.ValidUntil) {
			return "a gemeente code or its dates are not in order"
		}
	}
	for _, m := range p.Mandates {
		switch {
		case !known[string(m.Principal)] || m.Principal == p.OIN:
			return "a mandate must name another party of the register"
		case len(m.Kinds) == 0 || len(m.Kinds) > maxMandates || !all(m.Kinds, kindPattern):
			return "a mandate must name message kinds"
		case !text(m.Basis) || !period(m.ValidFrom, m.ValidUntil):
			return "the basis or the dates of a mandate are not in order"
		}
	}
	return ""
}

func checkPartyKeys(p gateway.Party, taken claims) string {
	if len(p.SigningKeys) == 0 || len(p.SigningKeys) > maxKeys || len(p.TLSPins) > maxPins {
		return "there are too few or too many keys"
	}
	for _, k := range p.SigningKeys {
		switch {
		case seal.CheckSigningKey(k) != nil:
			return "a signing key is not valid"
		case !ordered(k):
			return "the dates of a signing key are not in order"
		case !taken.claim(k.KID):
			return "a key occurs twice in the register"
		}
	}
	if k := p.Encryption; k != nil {
		switch {
		case seal.CheckEncryptionKey(*k) != nil:
			return "the encryption key is not valid"
		case !ordered(*k):
			return "the dates of the encryption key are not in order"
		case !taken.claim(k.KID):
			return "a key occurs twice in the register"
		}
	}
	for _, pin := range p.TLSPins {
		if !hashPattern.MatchString(pin) {
			return "a TLS pin is a SHA-256 in lower-case hex"
		}
		if !taken.claim(pin) {
			return "a TLS pin occurs twice in the register"
		}
	}
	return ""
}

func ordered(k gateway.Key) bool {
	return !k.ValidFrom.IsZero() && (k.ValidUntil.IsZero() || k.ValidUntil.After(k.ValidFrom)) &&
		whole(k.ValidFrom) && whole(k.ValidUntil)
}

// whole seconds only, as a key statement writes them.
func whole(t time.Time) bool { return t.Nanosecond() == 0 }

// endpoint tells whether s is the only spelling of an https origin.
func endpoint(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || s != "https://"+u.Host {
		return false
	}
	host := u.Hostname()
	if !hostPattern.MatchString(host) && !ipv6Pattern.MatchString(host) {
		return false
	}
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0 && strconv.FormatUint(port, 10) == u.Port()
}

func reachable(f gateway.Functional) bool {
	return text(f.Name) && (f.Phone != "" || f.Email != "") &&
		(f.Phone == "" || phonePattern.MatchString(f.Phone)) &&
		(f.Email == "" || emailPattern.MatchString(f.Email))
}

// text is something to read on one line.
func text(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && utf8.RuneCountInString(s) <= maxText &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func period(from, until gateway.Date) bool {
	for _, d := range []gateway.Date{from, until} {
		if _, err := gateway.ParseDate(string(d)); d != "" && err != nil {
			return false
		}
	}
	return from == "" || until == "" || from <= until
}

func all(values []string, pattern *regexp.Regexp) bool {
	return !slices.ContainsFunc(values, func(s string) bool { return !pattern.MatchString(s) })
}
