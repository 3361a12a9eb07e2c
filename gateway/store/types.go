package store

import (
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Basis is under what a message was decided.
type Basis struct {
	Policy   string       `json:"policy,omitempty"`
	Register uint64       `json:"register,omitempty"`
	Day      gateway.Date `json:"day,omitempty"`
	Rules    []string     `json:"rules,omitempty"`
}

// explain names in a journal entry under what it was decided.
func (b Basis) explain(e *journal.Entry) {
	e.Policy, e.Rules, e.Register = b.Policy, b.Rules, b.Register
}

// Send is one message to queue for each of its recipients. Data is stored once,
// however many they are; Hash is its gateway.Hash. A large publication is
// stored fastest when its sends ascend by subject.
type Send struct {
	Recipients []gateway.OIN
	Principal  gateway.OIN // for whom this node acts; empty: for itself
	Kind       string
	Subject    string
	Data       []byte
	Hash       string
	Withdrawal bool // the recipient has nothing of the subject after this
	Basis      Basis
}

// Publication is one change of what this node offers with everything that
// follows from it; Publish stores all of it or nothing.
type Publication struct {
	Correct   bool // nothing new is offered: goes also when the database is nearly full
	Undecided bool // Put and Delete come without Sends, because nothing could be decided
	// Full is told of every recipient whose queue has no room for what it is not
	// shown yet; nil makes that an error. It is called within the transaction and
	// may be called more than once.
	Full   func(gateway.OIN)
	Put    []OwnOffer
	Delete []string // ids of own offers
	Sends  []Send   // queued in this order for each recipient
	Import *ImportState
	// Counted says of own offers, by id, which participants of referrals their
	// export counts itself, by pseudonym. Offers that are not named stay as they
	// are.
	Counted map[string][]string
	// ShiftsOver says of own offers, by id, how what requests shifted of their
	// allotments ends: Shifted gives it.
	ShiftsOver map[string]gateway.AllotmentStatus

	Fresh   bool        // Import is of a full export: what its source says is known again after a restore
	Repays  gateway.OIN // is no longer owed the present state: Sends has the last of it
	Policy  string      // the rules that the journal now accounts for, if they changed
	Journal []journal.Entry

	prepared *messages // of Sends, by Prepare
}

// Shown is what one recipient last was, or will be, shown of one subject.
type Shown struct {
	Subject    string
	Hash       string // of the data last queued
	Sequence   uint64 // of the message last queued
	ID         string
	Digest     string // of the signed payload; known once the peer has answered
	Withdrawal bool
	Exposed    bool                  // some snapshot may have reached the peer and no withdrawal was confirmed since
	State      gateway.DeliveryState // of the message last queued
	Basis      Basis
}

// Last is what the next publication must know of the message that was last
// queued for one recipient about one subject.
type Last struct {
	Subject    string
	Hash       [32]byte // of its data
	Withdrawal bool
	State      gateway.DeliveryState // its end; "" while it is under way, and of a snapshot that the peer took
}

// Outgoing is one message that waits for a peer.
type Outgoing struct {
	Sequence   uint64
	ID         string
	Kind       string
	Subject    string
	Principal  gateway.OIN
	Time       time.Time // whole seconds
	Expires    time.Time
	Data       []byte
	Nonce      string // of a message about a person; see gateway.Message
	Attempts   int
	State      gateway.DeliveryState
	Withdrawal bool
	Traced     bool // it carries a trace context, at every attempt
	Basis      Basis
}

// Queued is a new message that carries a trace context.
type Queued struct {
	ID        [16]byte
	Recipient gateway.OIN
	Kind      string
}

// Settlement is what a peer's receipt says of one message of a batch.
type Settlement struct {
	Sequence uint64
	Digest   string // of the signed payload, hex
	Item     gateway.ReceiptItem
	Event    gateway.DeliveryEvent
}

// Inbound is one verified message and what was decided of it before the store
// looks at duplicates and order. Entry is journaled with the final outcome and
// reason filled in, unless its Kind is empty.
type Inbound struct {
	Message gateway.Message
	Digest  string // SHA-256 of the signed payload bytes, hex
	Outcome gateway.Outcome
	Reason  gateway.Reason
	Entry   journal.Entry
	Effect  Effect
}

// Effect is what a received message does to what this node holds of its sender.
type Effect struct {
	Subject string
	Put     []byte   // the capacity, as received: replaces the snapshot of Subject
	Drop    bool     // Subject is withdrawn
	State   []string // not nil: drop every older subject that is not in it

	Referral *ReferralEffect // of a message about a referral; nothing else then
}

// ReceivedOffer is the current snapshot of one offer of another party.
type ReceivedOffer struct {
	Sender      gateway.OIN
	Subject     string
	Capacity    gateway.Capacity
	Sequence    uint64
	Incarnation uint64
	Digest      string
	Received    time.Time
}

// PeerStatus is how the exchange with one party goes. It holds no payloads.
type PeerStatus struct {
	OIN         gateway.OIN
	LastContact time.Time // last success in either direction
	LastAttempt time.Time
	NextAttempt time.Time // zero: as soon as there is something to send
	Failures    int       // in a row
	Reason      string    // of the last failure
	Queued      int       // waiting or being attempted
	Held        int
	// Confidential is how many of those that are queued or held are about persons.
	Confidential int
	Oldest       time.Time      // of all that waits or is held
	Later        gateway.Reason // why it takes some of what waits only later, by its last receipts
	Kept         Kept           // of what it sent
	Hello        *gateway.Hello // last seen; to be read only
	HelloAt      time.Time
}

// Kept is how much of what one party sent is kept here.
type Kept struct {
	Subjects   int   // current snapshots
	Bytes      int64 // of those snapshots
	Remembered int   // messages whose answer is kept, and subjects that are gone
	Referrals  int   // of it to this node that are not over
	Orphans    int   // of which this node knows nothing but what it says
	Full       bool  // one of these has reached the Quota
}

// ImportState is the result of the last import of one source.
type ImportState struct {
	Source    string               `json:"source"`
	At        time.Time            `json:"at"`
	Offers    int                  `json:"offers"`
	Changed   int                  `json:"changed"`
	Withdrawn int                  `json:"withdrawn"`
	Bad       int                  `json:"bad"`
	Problems  []gateway.RowProblem `json:"problems,omitempty"`
	Taken     []string             `json:"taken,omitempty"` // digests of the last exports
	Held      *HeldImport          `json:"held,omitempty"`
}

// HeldImport is a batch that would make too many offers vanish and waits for
// confirmation.
type HeldImport struct {
	At       time.Time      `json:"at"`
	Import   gateway.Import `json:"import"`
	Vanished []string       `json:"vanished"` // ids of the offers that it would withdraw
}

// JournalRecord is an entry with its place in the journal, counted from 0.
type JournalRecord struct {
	Index uint64
	journal.Entry
}

// JournalReport is the result of recomputing the journal.
type JournalReport struct {
	Size        uint64
	Root        string // hex
	Checkpoints int    // signed heads that fit
	Reduced     uint64 // of the oldest entries only hashes are left
}
