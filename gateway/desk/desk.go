// Package desk is what staff, adapters and local programs can ask of their own
// node. Every operation takes the caller, checks its role against the table in
// package gateway, and is journaled; if the journal entry cannot be written the
// operation fails. The desk also keeps what is in force: the register and the
// policy, which the rest of the node asks for through InForce.
package desk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/search"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// Options is what a desk works with. All fields are required but Wake, Trace and Map.
type Options struct {
	Self           gateway.OIN
	Secret         []byte // the node's secret: keyed pseudonyms of callers, opaque subjects
	Store          *store.Store
	Schema         *schema.Validator
	Protocols      []int                         // versions of the protocol that the node serves
	Anchors        []string                      // key ids trusted to sign version 1 of the register
	PolicyFiles    func() ([]policy.File, error) // read anew at every (re)load
	Approval       func() (ApprovalFiles, error) // read anew with PolicyFiles; nil: nobody need agree
	Reread         func(context.Context) error   // configuration and register file, before the policy is reloaded
	Vanish         func() (offers, percent int)  // how many offers, and what share, may vanish from a full export before somebody must confirm
	MaxOffers      int                           // own offers; 0: gateway.MaxShown
	OpenCheckpoint func(note []byte) (journal.Checkpoint, error)
	SignCheckpoint func(journal.Checkpoint) ([]byte, error)
	Alarms         func(ctx context.Context, now time.Time) []string // more of them for the status, in Dutch; nil: none
	JournalOrigin  string                                            // the name of the journal in its checkpoints
	JournalKey     string                                            // base64 of the Ed25519 key that signs them
	Wake           func(recipients []gateway.OIN)                    // deliver soon
	Pause          func() (resume func())                            // stops delivery, attempts under way included, until resume
	RulesChanged   func()                                            // register or policy changed: peers, hello
	KnowNewer      func() []gateway.OIN                              // who has newer messages of this node than it sends; nil: nobody is asked
	Terms          func() []config.ReferralTerm                      // when next steps are due; nil: as the table says
	Closed         func() []gateway.Closing                          // when this party is closed: its terms do not run then; nil: never
	Rights         func() config.Rights                              // terms for requests of inhabitants; nil: the default
	Retention      func() config.Term                                // how long referrals are kept after their end; nil: the default
	WriteBackup    func(context.Context) (BackupReport, error)
	BackupEvery    func() time.Duration // 0: nobody counts on backups
	Post           Post
	Allot          Allot
	Witness        func() Witness // nil: the node does not run
	Trace          *trace.Tracer
	Examine        func(context.Context) []Finding
	TestWebhook    func(ctx context.Context, name string) error // nil: there are none
	Map            *search.Map                                  // for how far places are; nil: no distance is known
	Log            *slog.Logger
}

// Desk is safe for concurrent use.
type Desk struct {
	Options
	publisher *publication.Publisher
	lists     gateway.CodeLists

	referring sync.Mutex                   // held from looking whether a referral is open to making it
	moved     chan struct{}                // see ShiftsMoved
	importing sync.Mutex                   // held from reading the own offers to committing an import
	subjectOn atomic.Pointer[string]       // the day and the policy for which subjectDaily was done
	erasedOn  atomic.Pointer[gateway.Date] // the last day on which all that was due was erased
	progress  atomic.Pointer[Progress]
	closings  atomic.Pointer[map[gateway.OIN][]gateway.Closing] // of other parties, as they last told

	changing sync.Mutex // held while the rules in force are replaced
	rules    atomic.Pointer[inForce]

	verified atomic.Pointer[Verification]
}

// inForce is one consistent set of rules and what is wrong with it.
type inForce struct {
	publication.Rules
	day         gateway.Date // for which the policy was bound to code lists and register
	warnings    policy.Problems
	record      store.PolicyRecord // of the policy in force, as kept
	waiting     *WaitingPolicy     // in the files on disk, and not yet in force
	policyError string             // why the policy files on disk could not be loaded; the policy in force is then an older one, or none
}

// New makes a desk with the stored register and without a policy: until Open
// nothing is disclosed.
func New(ctx context.Context, opt Options) (*Desk, error) {
	d := &Desk{Options: opt, lists: opt.Schema.Lists(), moved: make(chan struct{}, 1)}
	if d.Map == nil {
		d.Map = &search.Map{}
	}
	d.rules.Store(&inForce{Rules: publication.Rules{Policy: policy.DenyAll()}})
	d.publisher = publication.New(opt.Self, opt.Secret, opt.Store, opt.Schema, d.Rules, opt.Trace)
	file, err := opt.Store.Register(ctx)
	if err != nil {
		return nil, fmt.Errorf("read stored register: %w", err)
	}
	if file != nil {
		reg, err := register.Restore(file)
		if err != nil {
			return nil, fmt.Errorf("open stored register: %w", err)
		}
		d.rules.Store(&inForce{Rules: publication.Rules{Register: reg, Policy: policy.DenyAll()}})
	}
	return d, nil
}

// Open loads the policy and decides everything anew. It never fails for a bad
// policy: a node without one runs, receives and queues, discloses nothing, and
// alarms.
func (d *Desk) Open(ctx context.Context) {
	if err := d.loadPolicy(ctx, d.now(), ""); err != nil {
		d.Log.Error("policy could not be loaded: nothing is disclosed until it is mended", "error", err)
	}
	d.learnClosings(ctx)
}

// Rules are the register and policy in force; Register is nil until the first
// one has been installed.
func (d *Desk) Rules() publication.Rules { return d.rules.Load().Rules }

// Publisher is shared with the exchange, which asks it to decide again.
func (d *Desk) Publisher() *publication.Publisher { return d.publisher }

// now is the node's time: never before what has been committed.
func (d *Desk) now() time.Time { return d.Store.EffectiveTime(time.Now()) }

// entry starts the journal entry of a caller's operation.
func (d *Desk) entry(caller gateway.Caller, kind string, now time.Time) journal.Entry {
	return journal.Entry{Time: now, Kind: kind, Caller: Pseudonym(d.Secret, caller)}
}

// Pseudonym is how the journal of a node names a caller.
func Pseudonym(secret []byte, caller gateway.Caller) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("caller:" + caller.Name))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// read authorises and journals an operation that only reads; break-glass access
// counts here and nowhere else.
func (d *Desk) read(ctx context.Context, caller gateway.Caller, op gateway.Operation) error {
	now := d.now()
	entry := d.entry(caller, string(op), now)
	if err := caller.Authorize(op); err != nil {
		return d.readUnderBreakGlass(ctx, caller, op, entry, err)
	}
	if err := d.Store.Append(ctx, now, entry); err != nil {
		return fmt.Errorf("journal operation %s: %w", op, err)
	}
	return nil
}
