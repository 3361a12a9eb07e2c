package rest

import (
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

// Shapes of the local API. What the desk already tells in a shape of its own
// (desk.ImportReport, desk.PolicyStatus, desk.ReceivedOffer) goes out as it is.

// Publication asks to publish one export of the admin; Confirm publishes also when
// so much would vanish that it would be held.
type Publication struct {
	Import  gateway.Import `json:"import"`
	Confirm bool           `json:"confirm"`
}

// Nothing is the body of a request that says all by its path.
type Nothing struct{}

// Source names an export.
type Source struct {
	Source string `json:"source"`
}

// OwnOffer is what this node offers and how it came here.
type OwnOffer struct {
	Offer    gateway.Offer    `json:"offer"`
	Sampling gateway.Sampling `json:"sampling"` // what others see of availability
	Source   string           `json:"source"`
	Problem  string           `json:"problem,omitempty"` // Dutch: the last import had a bad row for it
	Changed  time.Time        `json:"changed"`
}

// OwnOffers and ReceivedOffers are lists in an object, so that something can be
// added beside them.
type OwnOffers struct {
	Offers []OwnOffer `json:"offers"`
}

// ReceivedOffers is what others offer this node.
type ReceivedOffers struct {
	Offers []desk.ReceivedOffer `json:"offers"`
}

// Status is how the node stands; it holds no payloads.
type Status struct {
	Party              gateway.OIN         `json:"party"`
	Name               string              `json:"name,omitempty"`
	Time               time.Time           `json:"time"`
	ClockBehindSeconds int                 `json:"clockBehindSeconds,omitempty"`
	Incarnation        uint64              `json:"incarnation"`
	Register           desk.RegisterStatus `json:"register"`
	Policy             desk.PolicyStatus   `json:"policy"`
	Offers             int                 `json:"offers"`
	Imports            []ImportStatus      `json:"imports"`
	Importing          *desk.Progress      `json:"importing,omitempty"` // under way
	Peers              []Peer              `json:"peers"`
	JournalSize        uint64              `json:"journalSize"`
	Witnessed          Witnessed           `json:"witnessed"`         // how far the journal is beyond rewriting unnoticed
	Alarms             []string            `json:"alarms"`            // Dutch
	Backup             *Backup             `json:"backup,omitempty"`  // the last good one
	Awaited            *Awaited            `json:"awaited,omitempty"` // after a restore: until then nothing of the own offers goes out
	Referrals          desk.ReferralCounts `json:"referrals"`
	Webhooks           []desk.Webhook      `json:"webhooks,omitempty"` // how it goes with the events for each
	BreakGlass         []BreakGlass        `json:"breakGlass"`         // open, or not acknowledged by a privacy officer yet
}

// Awaited is what a restored node waits for: full exports of these sources.
type Awaited struct {
	Until   time.Time `json:"until"`
	Sources []string  `json:"sources"`
}

// Backup is one backup that was made and verified.
type Backup struct {
	File          string    `json:"file"`
	At            time.Time `json:"at"`
	Bytes         int64     `json:"bytes"`
	DatabaseBytes int64     `json:"databaseBytes"` // compacted
	JournalSize   uint64    `json:"journalSize"`
	JournalRoot   string    `json:"journalRoot"` // hex
	Seconds       float64   `json:"seconds"`     // that it took
}

// Findings is what an examination of the node found.
type Findings struct {
	Findings []desk.Finding `json:"findings"`
}

// BackupOf is a backup as the API tells of it.
func BackupOf(r desk.BackupReport) Backup {
	return Backup{r.Path, r.At, r.Bytes, r.Database, r.Journal, r.Root, r.Took.Seconds()}
}

// ImportStatus is the result of the last import of one source.
type ImportStatus struct {
	Source    string    `json:"source"`
	At        time.Time `json:"at"`
	Offers    int       `json:"offers"`
	Changed   int       `json:"changed"`
	Withdrawn int       `json:"withdrawn"`
	Bad       int       `json:"bad"`
	Held      []string  `json:"held,omitempty"` // ids that would vanish; waits for confirmation
}

// Peer is one other party, how contact with it stands, and what waits for it.
type Peer struct {
	OIN         gateway.OIN       `json:"oin"`
	Name        string            `json:"name"`
	Kind        gateway.PartyKind `json:"kind,omitempty"`
	LastContact time.Time         `json:"lastContact,omitzero"` // last success in either direction
	LastAttempt time.Time         `json:"lastAttempt,omitzero"`
	NextAttempt time.Time         `json:"nextAttempt,omitzero"` // absent: when there is something to send
	Failures    int               `json:"failures"`             // in a row
	Reason      string            `json:"reason,omitempty"`     // of the last failure
	Queued      int               `json:"queued"`
	Held        int               `json:"held"`
	Oldest      time.Time         `json:"oldest,omitzero"`    // of all that waits
	Kept        Kept              `json:"kept"`               // of what it sent
	Approval    string            `json:"approval,omitempty"` // by its own word, as in Register
	Notes       []string          `json:"notes,omitempty"`    // what to know of it, and what it cannot take now and why
}

// Kept is how much of what one party sent is kept here, against limits.
type Kept struct {
	Offers     int   `json:"offers"`
	Bytes      int64 `json:"bytes"`      // of those offers
	Remembered int   `json:"remembered"` // messages whose answer is kept, and offers that are gone
	Referrals  int   `json:"referrals"`  // of it to this node that are not over
	Orphans    int   `json:"orphans"`    // referrals of which nothing is known here but what it says
	Full       bool  `json:"full"`       // one of the limits is reached: what takes more room must wait
}

func statusOut(s desk.Status) Status {
	out := Status{
		Party: s.Party, Name: s.Name, Time: s.Time, ClockBehindSeconds: int(s.ClockBehind.Seconds()), Incarnation: s.Incarnation,
		Register: s.Register, Policy: s.Policy, Offers: s.Offers, JournalSize: s.Journal, Witnessed: WitnessedOf(s.Witnessed), Importing: s.Importing,
		Imports: []ImportStatus{}, Peers: []Peer{}, Alarms: append([]string{}, s.Alarms...), BreakGlass: breakGlassesOut(s.BreakGlass),
		Referrals: s.Referrals, Webhooks: s.Webhooks,
	}
	if s.Backup != nil {
		last := BackupOf(*s.Backup)
		out.Backup = &last
	}
	if len(s.Awaited.Sources) > 0 {
		out.Awaited = &Awaited{s.Awaited.Until, s.Awaited.Sources}
	}
	for _, i := range s.Imports {
		status := ImportStatus{Source: i.Source, At: i.At, Offers: i.Offers, Changed: i.Changed, Withdrawn: i.Withdrawn, Bad: i.Bad}
		if i.Held != nil {
			status.Held = i.Held.Vanished
		}
		out.Imports = append(out.Imports, status)
	}
	for _, p := range s.Peers {
		out.Peers = append(out.Peers, Peer{
			OIN: p.OIN, Name: p.Name, Kind: p.Kind, LastContact: p.LastContact, LastAttempt: p.LastAttempt, NextAttempt: p.NextAttempt,
			Failures: p.Failures, Reason: p.Reason, Queued: p.Queued, Held: p.Held, Oldest: p.Oldest,
			Kept: Kept{p.Kept.Subjects, p.Kept.Bytes, p.Kept.Remembered, p.Kept.Referrals, p.Kept.Orphans, p.Kept.Full}, Approval: p.Approval, Notes: p.Notes,
		})
	}
	return out
}

// Register is the register of participants in force. File is the signed file
// itself, and all that counts: the rest is for reading.
type Register struct {
	Version    uint64          `json:"version"`
	Hash       string          `json:"hash"`
	Issued     time.Time       `json:"issued"`
	ValidUntil time.Time       `json:"validUntil"`
	Threshold  int             `json:"threshold"`
	Signers    []string        `json:"signers"`
	Parties    []gateway.Party `json:"parties"`
	File       string          `json:"file"`

	// Approvals are by which rule the policies of parties come in force: one-person
	// (what widens waits 72 hours) or two-person. They are not part of the register:
	// each is what that party tells itself. Where nobody need agree, or the program
	// is older, there is none.
	Approvals map[gateway.OIN]string `json:"approvals,omitempty"`
}

// RegisterFile carries a signed register.
type RegisterFile struct {
	File string `json:"file"`
}

// Explanation answers a desk.Question in plain Dutch, and as data.
type Explanation struct {
	Text   string          `json:"text"`
	Detail gateway.RawJSON `json:"detail"`
}

// Whom names a recipient as in Question; empty is everybody.
type Whom struct {
	Recipient string `json:"recipient,omitempty"`
}

// OfferMatrix is a matrix of real offers, in the shape that policy matrix --json
// writes.
type OfferMatrix struct {
	Matrix gateway.RawJSON `json:"matrix"`
}

// JournalEntry is one entry with its place, counted from 0.
type JournalEntry struct {
	Index      uint64             `json:"index"`
	Time       time.Time          `json:"time"`
	Kind       string             `json:"kind"`
	Party      gateway.OIN        `json:"party,omitempty"`
	Principal  gateway.OIN        `json:"principal,omitempty"`
	Recipients string             `json:"recipients,omitempty"` // OINs, separated by one space
	Message    string             `json:"message,omitempty"`
	Fields     []gateway.Field    `json:"fields,omitempty"`
	Forms      gateway.Disclosure `json:"forms,omitempty"`
	Count      int                `json:"count,omitempty"`
	Policy     string             `json:"policy,omitempty"`
	Rule       string             `json:"rule,omitempty"`
	Rules      []string           `json:"rules,omitempty"`
	Register   uint64             `json:"register,omitempty"`
	Caller     string             `json:"caller,omitempty"`
	Outcome    string             `json:"outcome,omitempty"`
	Reason     gateway.Reason     `json:"reason,omitempty"`
	Digest     string             `json:"digest,omitempty"`
	Since      time.Time          `json:"since,omitzero"` // of a restore: nothing is known from then until its time
}

// Journal is a part of the journal, in order.
type Journal struct {
	Entries []JournalEntry `json:"entries"`
}

// JournalReport is the result of recomputing the whole journal.
type JournalReport struct {
	Size        uint64 `json:"size"`
	Root        string `json:"root"`        // hex
	Checkpoints int    `json:"checkpoints"` // signed heads that fit
	Reduced     uint64 `json:"reduced"`     // of the oldest entries only hashes are left

	Witnessed Witnessed `json:"witnessed"`
}
