package gateway

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Outcome is what a recipient says of one message: that it was received
// intact, or why not. Whether the business agrees is a later message.
type Outcome string

const (
	Received    Outcome = "received"
	Superseded  Outcome = "superseded"  // a later snapshot of the subject is already here
	Refused     Outcome = "refused"     // for good: sending it again will not help
	RetryLater  Outcome = "retry-later" // temporary
	Unsupported Outcome = "unsupported" // newer than the recipient knows: held until its hello changes
)

// Reason is a code from the one table of reasons in docs/protocol.md.
type Reason string

const (
	ReasonSignature    Reason = "signature"     // no valid signature by a key of the register
	ReasonKeyUnknown   Reason = "key-unknown"   // key not in the recipient's register version
	ReasonKeyExpired   Reason = "key-expired"   // key not valid at receipt
	ReasonCompromised  Reason = "compromised"   // key was reported as compromised
	ReasonPartyUnknown Reason = "party-unknown" // sender not in the recipient's register version
	ReasonSource       Reason = "source"        // source is not the signer
	ReasonPeer         Reason = "peer"          // source is not the TLS peer
	ReasonRecipient    Reason = "recipient"     // addressed to another party
	ReasonExpired      Reason = "expired"
	ReasonLifetime     Reason = "lifetime"  // expires more than 30 days after time, or not after it
	ReasonFuture       Reason = "future"    // time lies in the future by more than the skew
	ReasonMalformed    Reason = "malformed" // not strict JSON, too deep, too long
	ReasonSchema       Reason = "schema"    // does not fit the schema of its type
	ReasonCode         Reason = "code"      // unknown or expired code of a code list
	ReasonType         Reason = "type"      // message type unknown to the recipient
	ReasonIDReused     Reason = "id-reused" // same id, other payload
	ReasonPolicy       Reason = "policy"    // the recipient's policy does not admit it
	ReasonMandate      Reason = "mandate"   // the sender may not act for the principal
	ReasonProvider     Reason = "provider"  // an offer of another provider than the sender
	ReasonOverload     Reason = "overload"  // the recipient is full or busy
	ReasonOlder        Reason = "older"     // a later snapshot is here
	ReasonIncarnation  Reason = "incarnation"
	ReasonUnreadable   Reason = "unreadable"   // encrypted to a key that the recipient does not have, or it does not decrypt
	ReasonConfidential Reason = "confidential" // about a person and not encrypted as such messages are, or the other way round
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		ReasonSignature, ReasonKeyUnknown, ReasonKeyExpired, ReasonCompromised, ReasonPartyUnknown, ReasonSource,
		ReasonPeer, ReasonRecipient, ReasonExpired, ReasonLifetime, ReasonFuture, ReasonMalformed, ReasonSchema,
		ReasonCode, ReasonType, ReasonIDReused, ReasonPolicy, ReasonMandate, ReasonProvider, ReasonOverload,
		ReasonOlder, ReasonIncarnation, ReasonUnreadable, ReasonConfidential,
	}
}

// WellFormed tells whether an item of another party holds nothing but codes of
// this protocol: only then may it enter a journal or a log.
func (i ReceiptItem) WellFormed() bool {
	outcomes := []Outcome{Received, Superseded, Refused, RetryLater, Unsupported}
	return slices.Contains(outcomes, i.Outcome) && (i.Reason == "" || slices.Contains(Reasons(), i.Reason))
}

// ReceiptItem is the recipient's statement on one message. It is stored, and a
// duplicate gets the same item again.
type ReceiptItem struct {
	Digest    string    `json:"digest"` // SHA-256 of the signed payload bytes, hex
	ID        string    `json:"id"`
	Outcome   Outcome   `json:"outcome"`
	Reason    Reason    `json:"reason,omitempty"`
	Received  time.Time `json:"received"` // when it was first received
	Recipient OIN       `json:"recipient"`
	Sender    OIN       `json:"sender"`
}

// Encode is the leaf of the receipt tree: the item in canonical JSON (RFC 8785),
// which for these members is their alphabetical order and no white space.
func (i ReceiptItem) Encode() []byte {
	i.Received = i.Received.UTC().Truncate(time.Second)
	if AsItIs([]byte(i.Digest)) && AsItIs([]byte(i.ID)) && AsItIs([]byte(i.Outcome)) && AsItIs([]byte(i.Reason)) &&
		AsItIs([]byte(i.Recipient)) && AsItIs([]byte(i.Sender)) && i.Received.Year() > 0 && i.Received.Year() < 10_000 {
		return i.appendPlain(make([]byte, 0, 320))
	}
	b, err := json.Marshal(i)
	if err != nil {
		panic("a receipt item is plain data: " + err.Error())
	}
	return b
}

// appendPlain writes an item in which no text needs escaping, which is so for all
// but a stranger's.
func (i ReceiptItem) appendPlain(b []byte) []byte {
	b = append(append(b, `{"digest":"`...), i.Digest...)
	b = append(append(b, `","id":"`...), i.ID...)
	b = append(append(b, `","outcome":"`...), i.Outcome...)
	if i.Reason != "" {
		b = append(append(b, `","reason":"`...), i.Reason...)
	}
	b = i.Received.AppendFormat(append(b, `","received":"`...), time.RFC3339)
	b = append(append(b, `","recipient":"`...), i.Recipient...)
	b = append(append(b, `","sender":"`...), i.Sender...)
	return append(b, `"}`...)
}

// ReceiptHead is what a recipient signs for a batch: the RFC 6962 root over
// the items, so that one item with its path can be verified alone.
type ReceiptHead struct {
	Issuer   OIN       `json:"issuer"`
	Audience OIN       `json:"audience"`
	Size     int       `json:"size"`
	Root     string    `json:"root"` // hex
	Time     time.Time `json:"time"`
}

// Receipts is the answer to a batch of messages, in the order of the batch.
type Receipts struct {
	Head  string        `json:"head"` // compact JWS over a ReceiptHead
	Items []ReceiptItem `json:"items"`
}

// What one request may hold is the protocol's, the same for all: a node that
// took less would never be reached by one that sends more.
const (
	MaxBatch = 500 // messages
	MaxBody  = 8e6 // bytes of a request or answer
)

// Batch is a request of the peer API: compact JWS, one per message.
type Batch struct {
	Messages []string `json:"messages"`
}

// Hello is what a node tells a peer at start and on change. It travels as a
// compact JWS, and the answer is the other's.
type Hello struct {
	Issuer      OIN               `json:"issuer"`
	Audience    OIN               `json:"audience"`
	Time        time.Time         `json:"time"`
	Protocol    []int             `json:"protocol"`  // versions served
	Kinds       []string          `json:"kinds"`     // message types served
	CodeLists   map[string]string `json:"codeLists"` // name → version
	Register    uint64            `json:"register"`  // version in force
	Incarnation uint64            `json:"incarnation"`
	Holds       StateDigest       `json:"holds"` // what the issuer holds of the audience
}

// HelloApproval is the name under which a hello tells, among the versions of code
// lists, by which rule the policies of its issuer come in force. The members of a
// hello are fixed, and a name that is not known there means nothing to who reads it.
const HelloApproval = "approval"

// Approval is by which rule the policies of the issuer come in force: one-person or
// two-person; "" if nobody need agree, or it is of an older program.
func (h *Hello) Approval() string {
	if h == nil {
		return ""
	}
	return h.CodeLists[HelloApproval]
}

// HelloRecovered is the name under which a hello tells, among the versions of code
// lists as HelloApproval is, of which incarnation of its audience the issuer has
// given back all that it knows of referrals; 0 if of none. Whoever has the name
// reads an incarnation in requests about referrals.
const HelloRecovered = "recovered"

// Recovered is the incarnation that HelloRecovered tells; known is false of a party
// that does not know the name.
func (h *Hello) Recovered() (incarnation uint64, known bool) {
	if h == nil {
		return 0, false
	}
	text, known := h.CodeLists[HelloRecovered]
	incarnation, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, known
	}
	return incarnation, known
}

// StateDigest is a digest over (subject, sequence, payload SHA-256) of all
// current snapshots, in the order of the subjects.
type StateDigest struct {
	Count  int    `json:"count"`
	Digest string `json:"digest"`
}

// MaxShown is how many offers a sender may show one recipient: so many subjects
// fit the list of them all, without which the two cannot get back in step.
const MaxShown = 10_000

// CapacityState is the data of a capacity-state message: the subjects of every
// offer that the sender shows this recipient. The recipient drops what is
// absent and older.
type CapacityState struct {
	Subjects []string `json:"subjects"`
}
