// Package journal is the tamper-evident record of what a node disclosed,
// refused, received and was told to do. It holds the form of an entry and the
// RFC 6962 tree over all entries, and is pure: the caller stores entries and
// hashes and hands them back through a HashReader. Use it from the store, which
// writes an entry in the same transaction as what it tells, and wherever a
// proof, a checkpoint or the root over the items of a receipt is checked.
package journal

import (
	"encoding/json"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Entry is one line of the journal. No field ever holds the value of a field of
// an offer or person, an admin's reference, a search query or free text: names,
// counts, codes and keyed digests only, so that the journal may be kept and
// shown when what it tells about has been erased.
type Entry struct {
	Time time.Time `json:"time,omitzero"` // effective time of the transaction, UTC
	Kind string    `json:"kind"`          // one of the constants below, or a caller's operation

	Party      gateway.OIN        `json:"party,omitempty"`      // the counterparty
	Principal  gateway.OIN        `json:"principal,omitempty"`  // for whom the counterparty or this node acts
	Recipients string             `json:"recipients,omitempty"` // compact set: OINs in ascending order, separated by one space
	Message    string             `json:"message,omitempty"`    // message id
	Fields     []gateway.Field    `json:"fields,omitempty"`     // names only, of what was shown or denied, or asked for in a search
	Forms      gateway.Disclosure `json:"forms,omitempty"`      // where the form is narrower than exact
	Count      int                `json:"count,omitempty"`      // of whatever Kind counts: offers, messages, refusals

	Policy   string   `json:"policy,omitempty"`   // version of the policy that decided
	Rule     string   `json:"rule,omitempty"`     // the rule that denied
	Rules    []string `json:"rules,omitempty"`    // the rules that allowed
	Register uint64   `json:"register,omitempty"` // version of the register in force

	Caller  string         `json:"caller,omitempty"`  // keyed pseudonym, never a name
	Outcome string         `json:"outcome,omitempty"` // an outcome, state or result from a closed list
	Reason  gateway.Reason `json:"reason,omitempty"`  // code of the table of reasons
	Digest  string         `json:"digest,omitempty"`  // keyed digest of the payload; its key can be erased
	Since   time.Time      `json:"since,omitzero"`    // of a restore: what happened from then until Time is not in this journal

	Incarnation uint64 `json:"incarnation,omitempty"` // of a restore: that of the database from then on
}

// Kinds of entries that a node writes by itself. An operation of a caller is
// entered under its own name, a gateway.Operation.
const (
	KindImport              = "import"      // an export of the admin was taken in
	KindImportHeld          = "import-held" // too many offers would vanish: it asks first
	KindPublish             = "publish"     // offers were disclosed to Recipients
	KindDenied              = "denied"      // policy kept an offer from Recipients
	KindDelivered           = "delivered"   // a peer confirmed messages
	KindRefused             = "refused"     // a peer refused a message for good
	KindWithdrawn           = "withdrawn"   // no longer allowed: not sent
	KindExpired             = "expired"     // given up unconfirmed
	KindReceived            = "received"    // a message of a peer took effect, or was superseded
	KindRejected            = "rejected"    // a message or request of a peer was refused
	KindPolicyLoaded        = "policy-loaded"
	KindPolicyFailed        = "policy-failed" // the old policy stays, or nothing is disclosed
	KindPolicyWaits         = "policy-waits"  // what it widens takes effect later
	KindRegisterInstalled   = "register-installed"
	KindRegisterRefused     = "register-refused"
	KindStart               = "start"
	KindStop                = "stop"
	KindRestore             = "restore"              // from a backup of Since with Count entries; Digest is that of the last checkpoint from after it, if known
	KindMigrated            = "migrated"             // the database has format Count now
	KindCompacted           = "compacted"            // the database takes Count bytes less
	KindWitnessRefused      = "witness-refused"      // Party's journal, of Count entries by its own word, does not continue what this node witnessed; Digest is that of its checkpoint
	KindWitnessRestored     = "witness-restored"     // Party's journal goes on from a restore at entry Count, or was begun anew; Digest is that of the checkpoint that was witnessed last before
	KindWitnessConflict     = "witness-conflict"     // Party, a witness, holds a head over Count entries that this journal does not continue
	KindReferralTaken       = "referral-taken"       // a request of Party about a referral came in; Outcome is the act, or why not
	KindReferralCommitted   = "referral-committed"   // a step of the provider in a referral; Outcome is the act
	KindReferralAsked       = "referral-asked"       // a request to Party about a referral was queued; Outcome is the act
	KindReferralHeard       = "referral-heard"       // Party said where a referral stands; Outcome is its status
	KindReferralErased      = "referral-erased"      // all that was kept of a referral with Party; Outcome is why
	KindOverride            = "guard-override"       // somebody said that what looked like personal data in Fields is none; Outcome is what it looked like
	KindReferralsReconciled = "referrals-reconciled" // Count messages were queued to get in step with Party again
	KindAllotmentRequest    = "allotment-request"    // a request to shift places between allotments was made, signed by Party, committed or ended; Outcome is where it stands
	KindAllotmentTold       = "allotment-told"       // Party was told where such a request stands, which is Outcome
	KindClockAlarm          = "clock-alarm"          // the clock ran back by more than the skew
	KindClockLeap           = "clock-leap"           // it went ahead by more than the skew, or the computer slept
)

// Encode gives the leaf of the tree: the entry as JSON with its time in UTC.
func (e Entry) Encode() []byte { return e.AppendTo(make([]byte, 0, 512)) }

// AppendTo appends what Encode gives.
func (e *Entry) AppendTo(to []byte) []byte {
	if b, ok := e.plain(to); ok {
		return b
	}
	in := *e
	in.Time = e.Time.UTC()
	b, err := json.Marshal(in)
	if err != nil {
		panic("a journal entry is plain data: " + err.Error())
	}
	return append(to, b...)
}

// Decode reads what Encode wrote.
func Decode(leaf []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(leaf, &e); err != nil {
		return Entry{}, gateway.Wrap(gateway.Internal, err, "a journal entry cannot be read")
	}
	return e, nil
}
