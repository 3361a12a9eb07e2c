package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// A request for an inhabitant is a row under the hash of its id and of the side
// that it came from, encrypted under a key of its own: it outlives the referral
// that it is about, so that it can be seen that it was answered. What it says in
// so many words, and what it corrects, is in a row beside it under one key for the
// referral, which is erased with that.
const (
	tableRights     = "rights"      // hash → rightsRow, encrypted
	tableRightsText = "rights-text" // hash → rightsText, encrypted under the key of the referral
	tableRightsOf   = "rights-of"   // hash of a referral, hash → nothing
	tableRenewed    = "renewed"     // name of a key in the vault of which former ones are to be erased → when
	tableDoomed     = "doomed"      // name of a key in the vault that is to be erased → nothing
)

const (
	maxOpenRights = 20   // requests about one referral that one side can have open
	maxRights     = 5000 // requests that are kept
)

type rightsKey [sha256.Size]byte

// askedKey is that of a request by this node, takenKey of one to it.
func askedKey(request string) rightsKey { return sha256.Sum256([]byte("rights asked " + request)) }
func takenKey(party gateway.OIN, request string) rightsKey {
	return sha256.Sum256([]byte("rights taken " + string(party) + " " + request))
}

func (k rightsKey) subject() string { return hex.EncodeToString(k[:subjectBytes]) }
func (k rightsKey) name() string    { return tableRights + "/" + k.subject() }

func rightsTextName(of referralKey) string { return of.name(tableRightsText) }

// rightsRow is what is kept of a request and its answer, without their words.
type rightsRow struct {
	Request     gateway.SubjectRequest `json:"request"`             // without correction and explanation
	Party       gateway.OIN            `json:"party"`               // the other side
	Principal   gateway.OIN            `json:"principal,omitempty"` // of the referral
	Refers      bool                   `json:"refers,omitempty"`    // this node made the referral, for Principal
	Asked       bool                   `json:"asked,omitempty"`     // by this node
	At          time.Time              `json:"at"`
	Due         gateway.Date           `json:"due"` // of the answer
	Answer      *gateway.SubjectAnswer `json:"answer,omitempty"`
	Answered    time.Time              `json:"answered,omitzero"`
	Incarnation uint64                 `json:"incarnation,omitempty"` // of who signed the answer to this node's request
	Signed      string                 `json:"signed,omitempty"`      // the answer as it came, if it has no words
	Failed      string                 `json:"failed,omitempty"`      // how the message ended that never came
	Corrects    []gateway.Field        `json:"corrects,omitempty"`
	Policy      string                 `json:"policy,omitempty"` // that asks this because it is narrower
	Orphan      bool                   `json:"orphan,omitempty"` // only the answer is known
	Again       bool                   `json:"again,omitempty"`  // asked again: the other side was restored
	Digest      string                 `json:"digest,omitempty"` // of the referral, in the journal
}

// open tells whether an answer is still to come.
func (r *rightsRow) open() bool { return r.Answer == nil || !r.Answer.Result.Final() || r.Again }

// rightsText is what a request and its answer say in words.
type rightsText struct {
	Correction  gateway.Correction `json:"correction,omitzero"`
	Explanation string             `json:"explanation,omitempty"`
	Answer      string             `json:"answer,omitempty"`
	Signed      string             `json:"signed,omitempty"` // the answer as it came, with its words
}

// Rights is a request for an inhabitant, by this node or to it, with what became
// of it. What it says in words is empty once the referral was erased here.
type Rights struct {
	Request  gateway.SubjectRequest
	Party    gateway.OIN
	Asked    bool // by this node
	At       time.Time
	Due      gateway.Date
	Answer   *gateway.SubjectAnswer
	Answered time.Time
	Failed   string
	Corrects []gateway.Field
	Policy   string
	Orphan   bool
	Again    bool
	Erased   bool // the referral was erased here
}

// Open tells whether an answer is still to come.
func (r Rights) Open() bool {
	return (r.Answer == nil || !r.Answer.Result.Final() || r.Again) && r.Failed == ""
}

func (r *rightsRow) out() Rights {
	return Rights{
		Request: r.Request, Party: r.Party, Asked: r.Asked, At: r.At, Due: r.Due, Answer: r.Answer, Answered: r.Answered,
		Failed: r.Failed, Corrects: r.Corrects, Policy: r.Policy, Orphan: r.Orphan, Again: r.Again,
	}
}

// readRights reads a request; nil if there is none, or its key was erased.
func readRights(r reader, v Vault, key rightsKey) (*rightsRow, error) {
	row := &rightsRow{}
	ok, err := openNamed(r, v, tableRights, key[:], key.name(), row)
	if !ok {
		row = nil
	}
	return row, err
}

func readRightsText(r reader, v Vault, key rightsKey, referral string) (text rightsText, err error) {
	_, err = openNamed(r, v, tableRightsText, key[:], rightsTextName(keyOf(referral)), &text)
	return text, err
}

// openNamed is openSealed for a key of another name than that of a referral.
func openNamed(r reader, v Vault, in string, key []byte, name string, to any) (bool, error) {
	sealed, err := r.get(table{name: in}, key)
	if err != nil || sealed == nil {
		return false, err
	}
	if v == nil {
		return false, errNoVault()
	}
	plain, err := v.Open(name, sealed)
	if gateway.KindOf(err) == gateway.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, readJSON(table{name: in}, plain, to)
}

func (t *txn) putNamed(in string, key []byte, name string, value any) error {
	if t.vault == nil {
		return errNoVault()
	}
	sealed, err := t.vault.Seal(name, encodeJSON(value))
	if err == nil {
		t.put(table{name: in}, key, sealed)
	}
	return err
}

// putRights writes a request, and its text if that says something and the
// referral is there.
func (t *txn) putRights(key rightsKey, row *rightsRow, text rightsText) error {
	of := keyOf(row.Request.Referral)
	t.put(table{name: tableRightsOf}, slices.Concat(of[:], key[:]), []byte{1})
	if erased, err := t.wasErased(of); err != nil {
		return err
	} else if !erased && (!text.Correction.IsZero() || text.Explanation+text.Answer != "") {
		if err := t.putNamed(tableRightsText, key[:], rightsTextName(of), text); err != nil {
			return err
		}
	}
	return t.putNamed(tableRights, key[:], key.name(), row)
}

// rightsOf gives the requests about a referral, of both sides.
func rightsOf(r reader, of referralKey) (keys []rightsKey, err error) {
	err = r.ascend(table{name: tableRightsOf}, of[:], func(k, _ []byte) (bool, error) {
		if !bytes.HasPrefix(k, of[:]) {
			return false, nil
		}
		if len(k) != len(of)+len(rightsKey{}) {
			return false, corrupt(table{name: tableRightsOf}, "a key is no pair of hashes")
		}
		keys = append(keys, rightsKey(k[len(of):]))
		return true, nil
	})
	return keys, err
}

// Rights gives all requests, those first that must be answered first, with their
// words.
func (s *Store) Rights(ctx context.Context) (all []Rights, err error) {
	if s.vault == nil {
		return nil, nil
	}
	err = s.view(ctx, func(r reader) error {
		all = nil
		return eachRights(r, s.vault, func(key rightsKey, row *rightsRow) error {
			one, of := row.out(), keyOf(row.Request.Referral)
			text, err := readRightsText(r, s.vault, key, row.Request.Referral)
			if err != nil {
				return err
			}
			one.Request.Correction, one.Request.Explanation = text.Correction, text.Explanation
			if one.Answer != nil {
				one.Answer.Explanation = text.Answer
			}
			mark, err := r.get(table{name: tableErased}, of[:])
			one.Erased = mark != nil
			all = append(all, one)
			return err
		})
	})
	slices.SortFunc(all, func(a, b Rights) int {
		return cmp.Or(order2(a.Open(), b.Open()), cmp.Compare(a.Due, b.Due), a.At.Compare(b.At), cmp.Compare(a.Request.Request, b.Request.Request))
	})
	return all, err
}

// order2 puts what is before what is not.
func order2(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func eachRights(r reader, v Vault, visit func(rightsKey, *rightsRow) error) error {
	return r.ascend(table{name: tableRights}, nil, func(k, _ []byte) (bool, error) {
		if len(k) != len(rightsKey{}) {
			return false, corrupt(table{name: tableRights}, "a key is no hash")
		}
		row, err := readRights(r, v, rightsKey(k))
		if err != nil || row == nil {
			return err == nil, err
		}
		return true, visit(rightsKey(k), row)
	})
}

// sides is where a referral is known here, on which side, and with whom.
type sides struct {
	provided *providedRow
	followed *followedRow
}

func (t *txn) sides(key referralKey) (s sides, err error) {
	if s.provided, err = t.provided(key); err != nil || s.provided != nil {
		return s, err
	}
	s.followed, err = t.followed(key)
	return s, err
}

func (s sides) none() bool { return s.provided == nil && s.followed == nil }

// with is the other side, and for whom the referrer acts.
func (s sides) with() (party, principal gateway.OIN) {
	if s.provided != nil {
		return s.provided.Referral.Referrer, s.provided.Referral.Principal
	}
	return s.followed.Follow.Provider, s.followed.Follow.Principal
}

func (s sides) digest(key referralKey) string {
	if s.provided != nil {
		return digestOf(s.provided.Salt, key)
	}
	return digestOf(s.followed.Salt, key)
}

func (s sides) over() bool {
	return s.provided != nil && s.provided.Referral.Status.Final() || s.followed != nil && s.followed.over()
}

// AskedRights is a request to the other side of a referral; its id is filled in.
type AskedRights struct {
	Request gateway.SubjectRequest
	Policy  string // the policy that asks it because it is narrower; "" if somebody asks
	// Here says what is done at once on this side too: what is corrected is
	// corrected, and a restriction holds or ends. What is to be erased stays until
	// it is erased here.
	Here  bool
	Terms ReferralTerms
	Basis Basis
	Entry journal.Entry
}

// AskRights keeps a request to the other side of a referral and queues it.
// Conflict: the same is open already.
func (s *Store) AskRights(ctx context.Context, now time.Time, a AskedRights) (asked Rights, err error) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	of := keyOf(a.Request.Referral)
	if a.Here && a.Request.Act == gateway.Rectify {
		if err := s.renew(ctx, now, of); err != nil {
			return asked, err
		}
	}
	err = s.grow(ctx, now, func(t *txn) error {
		at, err := t.sides(of)
		if err != nil {
			return err
		}
		if at.none() {
			return errNoReferral()
		}
		q := a.Request
		q.Request = formatID(t.newID())
		if err := t.roomForRights(of, q); err != nil {
			return err
		}
		row := &rightsRow{
			Request: q, Asked: true, At: t.now, Due: q.AnswerBy, Policy: a.Policy, Corrects: q.Correction.Fields(), Digest: at.digest(of),
		}
		row.Party, row.Principal = at.with()
		row.Refers = at.followed != nil
		row.Request.Correction, row.Request.Explanation = gateway.Correction{}, ""
		key := askedKey(q.Request)
		if err := t.putRights(key, row, rightsText{Correction: q.Correction, Explanation: q.Explanation}); err != nil {
			return err
		}
		if a.Here && q.Act != gateway.Erase {
			if err := t.apply(of, at, key, q, q.Correction.Fields(), a.Terms); err != nil {
				return err
			}
		}
		asked = row.out()
		if err := t.queueRights(key, row, gateway.KindSubjectRequest, q, a.Basis); err != nil {
			return err
		}
		return t.recordRights(a.Entry, journal.KindRightsAsked, row, string(q.Act), slices.Concat(q.Fields, row.Corrects))
	})
	if err != nil {
		return asked, err
	}
	return asked, s.eraseRenewed(ctx, now)
}

// roomForRights refuses what is asked already, and too much.
func (t *txn) roomForRights(of referralKey, q gateway.SubjectRequest) error {
	keys, err := rightsOf(t, of)
	if err != nil {
		return err
	}
	open := 0
	for _, key := range keys {
		row, err := readRights(t, t.vault, key)
		if err != nil {
			return err
		}
		if row == nil || !row.Asked || !row.open() || row.Failed != "" {
			continue
		}
		open++
		same := row.Request.Act == q.Act && row.Request.Ground == q.Ground && slices.Equal(row.Request.Fields, q.Fields)
		if same && q.Act != gateway.Rectify {
			return gateway.Errorf(gateway.Conflict, "the same was asked already and is not answered yet; see doorstroom subject list")
		}
	}
	if open >= maxOpenRights {
		return gateway.Errorf(gateway.Limit, "%d requests about this referral are open already", open)
	}
	return t.roomForOne()
}

func (t *txn) roomForOne() error {
	n := 0
	err := t.ascend(table{name: tableRights}, nil, func(_, _ []byte) (bool, error) {
		n++
		return n < maxRights, nil
	})
	if err == nil && n >= maxRights {
		err = gateway.Errorf(gateway.Limit, "this node keeps %d requests of inhabitants, which is the most it takes", n)
	}
	return err
}

// queueRights queues a request, or an answer, for the other side.
func (t *txn) queueRights(key rightsKey, row *rightsRow, kind string, value any, basis Basis) error {
	return t.queueSealed(queuedReferral{to: row.Party, principal: row.sender(), kind: kind, subject: key.subject(), value: value, basis: basis})
}

// sender is for whom this node acts: only a referrer acts for somebody.
func (r *rightsRow) sender() gateway.OIN {
	if r.Refers {
		return r.Principal
	}
	return ""
}

func (t *txn) recordRights(e journal.Entry, kind string, row *rightsRow, outcome string, fields []gateway.Field) error {
	if row.Policy != "" {
		e.Policy = row.Policy
	}
	return t.recordReferral(e, kind, row.Party, row.Principal, outcome, row.Digest, fields)
}
