package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Vault encrypts what concerns a person, each thing under a key of its own that
// can be erased. It is safe for concurrent use. vault.Vault is one.
type Vault interface {
	// Seal makes the key if there is none of that name yet.
	Seal(name string, plain []byte) ([]byte, error)
	// Sync puts the keys on disk that Seal made: before what was sealed is.
	Sync() error
	// Renew makes another key under a name that has one, on disk when it returns.
	// What was sealed before opens until EraseFormer.
	Renew(name string) error
	// EraseFormer takes the keys of before Renew away for good.
	EraseFormer(names ...string) error
	// Open gives NotFound when the key was erased.
	Open(name string, sealed []byte) ([]byte, error)
	// Erase takes keys away for good. Of some there may be none.
	Erase(names ...string) error
}

// ReferralTerms are what the store must be told to decide about referrals. The
// functions are pure: they are called within the transaction, perhaps more than
// once.
type ReferralTerms struct {
	Due       func(gateway.Referral) gateway.Date // of the next step; not asked of an end
	Recipient func(gateway.OIN) gateway.Recipient // a party with its gemeenten that day
	Subject   func(offer string) string           // under which an own offer is shown; nil: its id
	// DueIn is Due for a trajectsoort, which the store knows of every referral that
	// it has; nil: Due is for all.
	DueIn func(r gateway.Referral, trajectsoort string) gateway.Date
	// Tell is what of a state its referrer may be told, and by which rules. Nil: all.
	Tell func(gateway.Referral) ToldState
}

// ToldState is as much of a state as policy lets its referrer know.
type ToldState struct {
	Referral gateway.Referral
	Basis    Basis
	DeniedBy string // the rule by which nothing goes; "": it goes
}

func (t ReferralTerms) tell(r gateway.Referral) ToldState {
	if t.Tell == nil {
		return ToldState{Referral: r}
	}
	return t.Tell(r)
}

// explain names in a journal entry under what a state went, or did not.
func (s ToldState) explain(e *journal.Entry) {
	s.Basis.explain(e)
	e.Rule = s.DeniedBy
}

func (t ReferralTerms) due(r gateway.Referral, need *gateway.Need) (gateway.Date, error) {
	switch {
	case t.DueIn != nil && need != nil:
		return t.DueIn(r, need.Trajectsoort), nil
	case t.Due == nil:
		return "", gateway.Errorf(gateway.Internal, "nobody says when a referral is due")
	}
	return t.Due(r), nil
}

// Everything that is known of a referral is one row under the hash of its id,
// encrypted under its own key in the vault: once that is erased nothing of it can
// be read, in free pages and backups neither. Messages about it that wait are
// encrypted under the same key, handover data under another.
const (
	tableProvided  = "provided"  // hash of id → providedRow of a referral to this node, encrypted
	tableFollowed  = "followed"  // hash of id → followedRow of a referral by this node, encrypted
	tableHandovers = "handovers" // hash of id → gateway.Handover that came or went, encrypted
	tableTaken     = "taken"     // own offer id → takenRow: counts only
	tableWaiting   = "waiting"   // own offer id → waiters, in order: hashes only
	tableErased    = "erased"    // hash of id → when a referral was erased
)

// referralKey is what a referral is known by where it may be seen.
type referralKey [sha256.Size]byte

func keyOf(id string) referralKey { return sha256.Sum256([]byte("referral:" + id)) }

const subjectBytes = 16

// subject is that of messages about the referral: opaque, as its id is random.
func (k referralKey) subject() string { return hex.EncodeToString(k[:subjectBytes]) }

// name is that of the vault's key for the row of a table.
func (k referralKey) name(in string) string { return in + "/" + k.subject() }

// pseudonymText is for people: without letters that look like digits.
var pseudonymText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const pseudonymBytes = 5

// ReferralPseudonym is by what an export may say that it counts the participant
// of a referral: eight characters that say nothing of him.
func ReferralPseudonym(id string) string {
	key := keyOf(id)
	return pseudonymText.EncodeToString(key[subjectBytes:][:pseudonymBytes])
}

// providedRow is all that the provider, the authority, knows of a referral.
type providedRow struct {
	Referral gateway.Referral `json:"referral"`
	Need     gateway.Need     `json:"need"`
	Salt     []byte           `json:"salt"`     // of its digest in the journal
	Revision uint64           `json:"revision"` // rises with every change of the row
	Reserved *Reservation     `json:"reserved,omitempty"`
	Waiting  *waiting         `json:"waiting,omitempty"`
	Passed   []Passed         `json:"passed,omitempty"`
	Conflict bool             `json:"conflict,omitempty"` // adopted after a restore, and its places were not free

	Restricted *restriction `json:"restricted,omitempty"` // at the wish of the inhabitant

	// See gateway.Provided.
	Incarnation uint64        `json:"incarnation,omitempty"`
	Base        gateway.Point `json:"base,omitzero"`
	// Undone is the state that the referrer knew of a referral with which this node
	// went on after a restore, without it. Staff end that by what they do next.
	Undone gateway.ReferralStatus `json:"undone,omitempty"`
}

func (r *providedRow) provided() gateway.Provided {
	return gateway.Provided{Referral: r.Referral, Incarnation: r.Incarnation, Base: r.Base}
}

// stands takes over what a referral is in a life, but for its state, which keep
// writes.
func (r *providedRow) stands(p gateway.Provided) gateway.Referral {
	r.Incarnation, r.Base = p.Incarnation, p.Base
	return p.Referral
}

// Reservation is of places for an introduction. It lapses after its date.
type Reservation struct {
	Allotment string            `json:"allotment,omitempty"`
	Dagdelen  []gateway.Dagdeel `json:"dagdelen"`
	Until     gateway.Date      `json:"until"`
}

// waiting is a place on the waiting list of an offer.
type waiting struct {
	Number    uint64    `json:"number"` // of entry, over all offers
	Since     time.Time `json:"since"`
	Allotment string    `json:"allotment,omitempty"`
}

// Passed is why a later one was placed before somebody on the waiting list.
type Passed struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// followedRow is all that the referrer knows of a referral.
type followedRow struct {
	Follow     gateway.Follow `json:"follow"`
	Need       *gateway.Need  `json:"need,omitempty"`      // nil of an orphan
	Reference  string         `json:"reference,omitempty"` // the referrer's own: never leaves its node
	After      string         `json:"after,omitempty"`     // the referral that this one follows, also where the provider is not to know
	Salt       []byte         `json:"salt"`
	Revision   uint64         `json:"revision"`
	Signed     string         `json:"signed,omitempty"`   // the last state as its provider signed it
	AnswerBy   gateway.Date   `json:"answerBy,omitempty"` // to the open request
	Recovering string         `json:"recovering,omitempty"`
	Gave       uint64         `json:"gave,omitempty"`       // the incarnation to which it was last given back: older ones are heard no more
	Orphan     bool           `json:"orphan,omitempty"`     // its request is unknown here: a backup was put back
	Forgotten  bool           `json:"forgotten,omitempty"`  // its provider says that it knows none such
	Restricted *restriction   `json:"restricted,omitempty"` // at the wish of the inhabitant
	Failed     string         `json:"failed,omitempty"`     // how the last request ended that never came to its provider

	Undone gateway.ReferralStatus `json:"undone,omitempty"` // its provider was restored and went on without it: where it stood here
}

func newSalt() []byte {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return salt
}

// digestOf links the entries of one referral in the journal, for as long as its
// salt is there.
func digestOf(salt []byte, key referralKey) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write(key[:])
	return hex.EncodeToString(mac.Sum(nil))
}

func errNoVault() error {
	return gateway.Errorf(gateway.Unavailable, "this node has no vault: it keeps nothing that concerns a person")
}

// openSealed reads an encrypted row into to; false if there is none, or its key
// was erased.
func openSealed(r reader, v Vault, in string, key referralKey, to any) (bool, error) {
	sealed, err := r.get(table{name: in}, key[:])
	if err != nil || sealed == nil {
		return false, err
	}
	if v == nil {
		return false, errNoVault()
	}
	plain, err := v.Open(key.name(in), sealed)
	if gateway.KindOf(err) == gateway.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, readJSON(table{name: in}, plain, to)
}

func (t *txn) putSealed(in string, key referralKey, value any) error {
	if t.vault == nil {
		return errNoVault()
	}
	sealed, err := t.vault.Seal(key.name(in), encodeJSON(value))
	if err == nil {
		t.put(table{name: in}, key[:], sealed)
	}
	return err
}

// provided reads a referral of the provider's side; nil if there is none.
func (t *txn) provided(key referralKey) (*providedRow, error) {
	row := &providedRow{}
	ok, err := openSealed(t, t.vault, tableProvided, key, row)
	if !ok {
		row = nil
	}
	return row, err
}

func (t *txn) putProvided(row *providedRow) error {
	row.Revision++
	key := keyOf(row.Referral.ID)
	t.note(row.facts())
	return t.putSealed(tableProvided, key, row)
}

// followed reads a referral of the referrer's side; nil if there is none.
func (t *txn) followed(key referralKey) (*followedRow, error) {
	row := &followedRow{}
	ok, err := openSealed(t, t.vault, tableFollowed, key, row)
	if !ok {
		row = nil
	}
	return row, err
}

func (t *txn) putFollowed(row *followedRow) error {
	row.Revision++
	key := keyOf(row.Follow.ID)
	t.note(row.facts())
	return t.putSealed(tableFollowed, key, row)
}

// note keeps for the index what is written of a referral.
func (t *txn) note(f ReferralFacts) {
	t.changed = append(t.changed, f)
	if b, weighs := f.burden(); weighs && f.revision == 1 {
		t.begun[b]++
	}
}

// hasRoom tells whether a party may make this node keep one more referral.
func (t *txn) hasRoom(side gateway.Side, party gateway.OIN) bool {
	b := burden{side, party}
	return t.quota.takes(b, t.referrals.weight(b)+t.begun[b])
}

// queuedReferral is a message about a referral that is to be queued.
type queuedReferral struct {
	to, principal gateway.OIN
	kind          string
	subject       string
	value         any
	basis         Basis
}

// queueSealed queues a message about a referral, encrypted. It takes the place of
// an older one of its kind that waits.
func (t *txn) queueSealed(m queuedReferral) error {
	if t.vault == nil {
		return errNoVault()
	}
	data := encodeJSON(m.value)
	if len(data) > gateway.MaxConfidential {
		return gateway.Errorf(gateway.Limit, "a message about a person has at most %d bytes", gateway.MaxConfidential)
	}
	nonce := make([]byte, nonceSize, nonceSize+len(data))
	_, _ = rand.Read(nonce) // never fails
	sealed, err := t.vault.Seal(sealedUnder(m.kind, m.subject), append(nonce, data...))
	if err != nil {
		return err
	}
	all, err := prepare([]Send{{
		Recipients: []gateway.OIN{m.to}, Principal: m.principal, Kind: m.kind, Subject: m.subject, Data: sealed,
		Hash: gateway.Hash(sealed), Basis: m.basis,
	}})
	if err != nil {
		return err
	}
	_, err = t.enqueue(all, 0) // what is no capacity always fits
	return err
}

// subjectNone begins the subject of an answer about what is no referral here. No
// such referral has a key: these answers have one together.
const subjectNone = "none-"

// nonceSize is that of the nonce of a message about a person, which is kept before
// its data: so every attempt has the same bytes. See gateway.Message.
const nonceSize = 16

// sealedUnder names the vault's key of a message that waits; "" for kinds that
// are not encrypted. It is that of the row, or of the handover data.
func sealedUnder(kind, subject string) string {
	if strings.HasPrefix(subject, subjectNone) {
		subject = subjectNone
	}
	switch kind {
	case gateway.KindReferral:
		return tableFollowed + "/" + subject
	case gateway.KindReferralState:
		return tableProvided + "/" + subject
	case gateway.KindHandover:
		return tableHandovers + "/" + subject
	}
	if gateway.Confidential(kind) {
		return kind + "/" + subject
	}
	return ""
}

// openQueued gives the data of a message that waits, and its nonce if it is about
// a person; no data if their key was erased.
func openQueued(v Vault, kind, subject string, stored []byte) (data []byte, nonce string, err error) {
	name := sealedUnder(kind, subject)
	if name == "" {
		return stored, "", nil
	}
	if v == nil {
		return nil, "", errNoVault()
	}
	plain, err := v.Open(name, stored)
	if gateway.KindOf(err) == gateway.NotFound {
		return nil, "", nil
	}
	if err == nil && len(plain) < nonceSize {
		err = corrupt(table{name: tableShared}, "a message about a person is too short")
	}
	if err != nil {
		return nil, "", err
	}
	return plain[nonceSize:], gateway.NonceOf([nonceSize]byte(plain)), nil
}

// fieldsOf names what a need says.
func fieldsOf(n *gateway.Need) (fields []gateway.Field) {
	add := func(name string, said bool) {
		if said {
			fields = append(fields, gateway.Field(name))
		}
	}
	if n == nil {
		return nil
	}
	add("accessibility", len(n.Accessibility) > 0)
	add("begeleiding", n.Begeleiding != nil)
	add("callFirst", n.CallFirst)
	add("contact", true)
	add("dagdelen", len(n.Dagdelen) > 0)
	add("deputy", n.Deputy != gateway.Functional{})
	add("fase", n.Fase != 0)
	add("fits", n.Fits)
	add("follows", n.Follows != "")
	add("from", n.From != "")
	add("grondslag", n.Grondslag != "")
	add("informed", n.Informed != gateway.Informed{})
	add("maxKm", n.MaxKm != 0)
	add("note", n.Note != "")
	add("offer", true)
	add("postcode", n.Postcode != "")
	add("trajectsoort", n.Trajectsoort != "")
	add("trede", n.Trede != 0)
	add("werksoorten", len(n.Werksoorten) > 0)
	return fields
}

// handoverFields names what a handover says.
func handoverFields(h *gateway.Handover) []gateway.Field {
	fields := []gateway.Field{"contact", "name"}
	for name, said := range map[gateway.Field]bool{
		"phone": h.Phone != "", "email": h.Email != "", "address": h.Address != nil, "postcode": h.Postcode != "",
		"reachable": h.Reachable != "", "guidance": h.Guidance != "",
	} {
		if said {
			fields = append(fields, name)
		}
	}
	slices.Sort(fields)
	return fields
}

// recordReferral journals what was done to a referral. Entry says by whom.
func (t *txn) recordReferral(e journal.Entry, kind string, party, principal gateway.OIN, outcome, digest string, fields []gateway.Field) error {
	if e.Kind == "" {
		e.Kind = kind
	}
	e.Party, e.Principal, e.Outcome, e.Digest, e.Fields = party, principal, outcome, digest, fields
	return t.record(e)
}

// freshID is a new random id of a referral: nothing of the moment is in it.
func freshID() string { return uuid.NewString() }
