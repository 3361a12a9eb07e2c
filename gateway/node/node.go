// Package node wires one node together and runs it: New opens its files, Start
// starts what runs, Stop ends it in the reverse order, Reload takes over what
// may change while it runs, and Run does all of it until the process is told to
// end. Nothing outside this package decides which part knows which.
package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/event"
	"github.com/doorstroom/doorstroom/gateway/exchange"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
	"github.com/doorstroom/doorstroom/gateway/vault"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Options is what a node is made of.
type Options struct {
	Config config.Config
	// Reread reads the configuration again for Reload; nil if it cannot change.
	Reread func() (config.Config, error)
	Log    *slog.Logger
	// Network takes the place of listeners and TLS where tests have one of
	// their own; nil in production.
	Network Network
	// Schemas and Protocols make a node of another age than this program, for
	// tests of mixed federations: its schemas with code lists, and the versions of
	// the protocol it serves. They are nil in production.
	Schemas   fs.FS
	Protocols []int
	// Fault is passed to the store: tests break commits with it.
	Fault func(point string) error
}

// Network is how a node reaches others.
type Network interface {
	exchange.Sender
	witness.Sender
	// Letter sends a letter about a proposal.
	Letter(ctx context.Context, to gateway.Party, token string) error
	// AllotmentLetter sends one about allotments, and gives the answer.
	AllotmentLetter(ctx context.Context, to gateway.Party, token string) (string, error)
}

// Node is one party's gateway. Its parts are for the commands, the scenarios
// and the tests; they are safe for concurrent use.
type Node struct {
	Store    *store.Store
	Desk     *desk.Desk
	Exchange *exchange.Exchange
	Witness  *witness.Witness
	Events   *event.Sender

	opt     Options
	log     *slog.Logger
	keys    keys
	network *network // nil with Options.Network

	meters  *meters
	trying  troubles
	trace   *trace.Tracer
	vault   *vault.Vault   // nil where nothing about persons can be kept
	started atomic.Bool    // webhooks may be at work
	acme    *identity.ACME // nil without; set by Start, before anything listens

	mu      sync.Mutex
	config  config.Config // guarded by mu; the one in force
	settled []byte        // guarded by mu; register file that needs nothing more: installed, or gone past
	running lifecycle
}

// keys are the node's own secrets.
type keys struct {
	signing *seal.Key
	reading map[string]*seal.EncryptionKey // by id: the present one and those from before it
	journal ed25519.PrivateKey
	secret  []byte
	tls     tls.Certificate
}

// databaseFile is where everything is, in the data folder.
const databaseFile = "node.db"

// Files of the keys folder.
const (
	signingKey    = "signing.pem"
	encryptionKey = "encryption.pem"
	backupKey     = "backup.key"

	encryptionKeys = "encryption*.pem" // the present one and those from before it
)

// vaultFile is where the keys of personal payloads are, in the data folder.
const vaultFile = "keys.vault"

// New opens the node's keys and database. It starts no work; Stop must be
// called also when Start never was.
func New(ctx context.Context, opt Options) (*Node, error) {
	n := &Node{opt: opt, log: opt.Log.With("party", opt.Config.Party), config: opt.Config, meters: newMeters()}
	var err error
	if n.keys, err = loadKeys(opt.Config.Keys); err != nil {
		return nil, err
	}
	n.trace = n.openTrace()
	if n.Store, err = store.Open(filepath.Join(opt.Config.Data, databaseFile), n.traced(store.Options{
		MaxBytes: int64(opt.Config.Limits.DatabaseBytes), MaxQueue: opt.Config.Limits.QueuePerPeer,
		Quota:     quotaOf(opt.Config.Limits),
		MaxEvents: opt.Config.Events.Most, EventLife: lifeOf(opt.Config.Events.Keep),
		LockTimeout: 2 * time.Second, Committed: n.meters.committed, Fault: opt.Fault,
	})); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), n.trace.Stop(ctx))
	}
	if did := n.Store.Migrated(); did.To != 0 {
		n.log.Info("the database has a new format; the file as it was is kept", "from", did.From, "to", did.To, "kept as", did.KeptAs)
	}
	if err := n.openVault(ctx); err != nil {
		return nil, errors.Join(err, n.Store.Close(), n.trace.Stop(ctx))
	}
	if err := n.assemble(ctx); err != nil {
		return nil, errors.Join(err, n.closeVault(), n.Store.Close(), n.trace.Stop(ctx))
	}
	return n, nil
}

// assemble makes desk and exchange, which know of each other only through the
// functions given here.
func (n *Node) assemble(ctx context.Context) error {
	protocols := []int{exchange.Protocol}
	if n.opt.Protocols != nil {
		protocols = n.opt.Protocols
	}
	validator, err := schema.New()
	if n.opt.Schemas != nil {
		validator, err = schema.Load(n.opt.Schemas)
	}
	if err != nil {
		return fmt.Errorf("compile schemas: %w", err)
	}
	c := n.opt.Config
	places, err := mapOf(c)
	if err != nil {
		return err
	}
	n.Desk, err = desk.New(ctx, desk.Options{
		Map:  places,
		Self: c.Party, Secret: n.keys.secret, Store: n.Store, Schema: validator, Protocols: protocols,
		Anchors: c.Register.Anchors, PolicyFiles: n.policyFiles, Approval: n.approvalFiles,
		Reread: n.reread, Vanish: n.vanish, MaxOffers: c.Limits.Offers,
		OpenCheckpoint: n.openCheckpoint, SignCheckpoint: n.signCheckpoint,
		Alarms:        n.logboekAlarms,
		JournalOrigin: n.origin(), JournalKey: base64.StdEncoding.EncodeToString(n.keys.journal.Public().(ed25519.PublicKey)),
		Wake:         func(peers []gateway.OIN) { n.Exchange.Wake(peers) },
		Pause:        func() func() { return n.Exchange.Pause() },
		RulesChanged: func() { n.Exchange.RulesChanged() },
		KnowNewer:    func() []gateway.OIN { return n.Exchange.Counters().KnowNewer() },
		Trace:        n.trace,
		Rights:       n.rights,
		Witness:      func() desk.Witness { return n.Witness },
		Terms:        n.terms, Closed: n.closed, Retention: n.retention,
		TestWebhook: n.testWebhook,
		Post:        desk.Post{Send: n.sendLetter, Enter: n.enterApproval},
		Allot:       desk.Allot{Send: n.sendAllotmentLetter, Sign: n.signAllotment},
		WriteBackup: n.writeBackup, BackupEvery: n.backupEvery, Examine: n.examine,
		Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("open desk: %w", err)
	}
	sender := n.opt.Network
	if sender == nil {
		if n.network, err = newNetwork(n); err != nil {
			return err
		}
		sender = n.network.client
	}
	n.Exchange = exchange.New(exchange.Options{
		Self: c.Party, Key: n.keys.signing, Store: n.Store, Schema: validator, Protocols: protocols,
		Encryption: func(kid string) *seal.EncryptionKey { return n.keys.reading[kid] },
		Tell:       n.Desk.TellAgain,
		Publisher:  n.Desk.Publisher(), Rules: n.Desk.Rules, FetchedRegister: n.Desk.FetchedRegister,
		Referrals: n.Desk.ReferralTerms,
		Sender:    sender, Sent: n.meters.sent, Trace: n.trace, Log: n.log,
		Closed:     n.closed,
		KeyOverlap: keyOverlap, Timeout: c.Delivery.Timeout, Parallel: c.Delivery.Parallel,
	})
	n.Witness = witness.New(witness.Options{
		Self: c.Party, Key: n.keys.signing, Store: n.Store, Register: func() *register.Register { return n.Desk.Rules().Register },
		Checkpoint: n.Desk.Checkpoint, Wanted: n.witnesses, Sender: sender, Log: n.log, Overlap: keyOverlap,
	})
	n.Events = event.New(event.Options{Self: c.Party, Store: n.Store, Log: n.log})
	n.Desk.Open(ctx)
	return nil
}

// keyOverlap is how long a rotated key of another party stays good.
const keyOverlap = 14 * 24 * time.Hour

// witnesses are those that the configuration in force asks for.
func (n *Node) witnesses() witness.Wanted {
	n.mu.Lock()
	defer n.mu.Unlock()
	return witness.Wanted(n.config.Witnesses)
}

// terms are those of the configuration in force.
func (n *Node) terms() []config.ReferralTerm {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config.Terms.All()
}

func (n *Node) retention() config.Term {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config.Retention.Referrals
}

// closed is when the configuration in force says that this party is closed.
func (n *Node) closed() []gateway.Closing {
	n.mu.Lock()
	defer n.mu.Unlock()
	closed, err := n.config.Closings()
	if err != nil { // as config.Load does not let through
		return nil
	}
	return closed
}

// lifeOf is a term as a length of time, for what need not be exact to the day.
func lifeOf(t config.Term) time.Duration {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return t.After(start).Sub(start)
}

func quotaOf(l config.Limits) store.Quota {
	return store.Quota{
		Subjects: l.SubjectsPerPeer, Bytes: int64(l.BytesPerPeer), Remembered: l.RememberedPerPeer,
		Referrals: l.ReferralsPerPeer, Orphans: l.OrphansPerPeer,
	}
}

func loadKeys(dir string) (keys, error) {
	var k keys
	pem, err := identity.ReadSecret(filepath.Join(dir, signingKey))
	if err != nil {
		return k, fmt.Errorf("read signing key: %w", err)
	}
	if k.signing, err = seal.ParseKey(pem); err != nil {
		return k, fmt.Errorf("parse signing key: %w", err)
	}
	own, err := identity.Load(dir)
	if err != nil {
		return k, fmt.Errorf("load identity: %w", err)
	}
	k.tls, k.secret = own.TLS, own.Node
	seed, err := hkdf.Key(sha256.New, k.secret, nil, "journal checkpoint key", ed25519.SeedSize)
	if err != nil {
		return k, fmt.Errorf("derive journal key: %w", err)
	}
	k.journal = ed25519.NewKeyFromSeed(seed)
	k.reading, err = loadEncryptionKeys(dir)
	return k, err
}

// loadEncryptionKeys reads the private key to which others encrypt, and those from
// before it, which are kept beside it under names such as encryption-2026.pem: what
// is under way was encrypted to the key of then. A node from before there was one
// has none.
func loadEncryptionKeys(dir string) (map[string]*seal.EncryptionKey, error) {
	names, err := filepath.Glob(filepath.Join(dir, encryptionKeys))
	if err != nil {
		return nil, fmt.Errorf("find encryption keys: %w", err)
	}
	all := map[string]*seal.EncryptionKey{}
	for _, name := range names {
		pem, err := identity.ReadSecret(name)
		if err != nil {
			return nil, fmt.Errorf("read encryption key: %w", err)
		}
		key, err := seal.ParseEncryptionKey(pem)
		if err != nil {
			return nil, gateway.Wrap(gateway.Invalid, err, name+" does not hold an encryption key: "+gateway.SafeMessage(err))
		}
		all[key.KID()] = key
	}
	return all, nil
}

// policyFiles reads the files that the configuration in force names, and the
// expectations that lie beside them.
func (n *Node) policyFiles() ([]policy.File, error) {
	n.mu.Lock()
	names := n.config.Policy.Files
	n.mu.Unlock()
	var files []policy.File
	for _, name := range PolicyPaths(names) {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, gateway.Wrap(gateway.NotFound, err, "cannot read policy file "+name)
		}
		files = append(files, policy.File{Name: filepath.Base(name), Data: data})
	}
	return files, nil
}

// approvalFiles reads the files by which others agree, as far as they are there.
func (n *Node) approvalFiles() (desk.ApprovalFiles, error) {
	n.mu.Lock()
	c := n.config.Policy
	n.mu.Unlock()
	files := desk.ApprovalFiles{Mode: approval.Mode(c.Approval)}
	for path, to := range map[string]*[]byte{c.Approvers: &files.Approvers, c.Signatures: &files.Signed} {
		data, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return desk.ApprovalFiles{}, gateway.Wrap(gateway.NotFound, err, "cannot read "+path)
		}
		*to = data
	}
	return files, nil
}

// PolicyPaths adds to the paths of policy files those of the expectations that
// lie beside them.
func PolicyPaths(names []string) []string {
	all := slices.Clone(names)
	for _, name := range names {
		beside := policy.ExpectationsOf(name)
		if _, err := os.Stat(beside); errors.Is(err, fs.ErrNotExist) || policy.IsExpectations(name) || slices.Contains(all, beside) {
			continue
		}
		all = append(all, beside)
	}
	return all
}

func (n *Node) vanish() (offers, percent int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config.Capacity.VanishOffers, n.config.Capacity.VanishPercent
}

// origin is the name under which the node signs its journal.
func (n *Node) origin() string { return originOf(n.opt.Config) }

func originOf(c config.Config) string { return witness.Origin(c.Party) }

// signCheckpoint signs with the node's own journal key, which never changes, and
// for others with the key that the register gives.
func (n *Node) signCheckpoint(c journal.Checkpoint) ([]byte, error) {
	c.Origin, c.Incarnation = n.origin(), n.Store.Incarnation()
	if registered, ok := n.keys.signing.Ed25519(); ok {
		return journal.Sign(c, n.origin(), n.keys.journal, registered)
	}
	return journal.Sign(c, n.origin(), n.keys.journal)
}

func (n *Node) openCheckpoint(note []byte) (journal.Checkpoint, error) {
	return n.keys.openCheckpoint(n.origin())(note)
}

func (k keys) openCheckpoint(origin string) func(note []byte) (journal.Checkpoint, error) {
	return func(note []byte) (journal.Checkpoint, error) {
		return journal.Open(note, origin, k.journal.Public().(ed25519.PublicKey))
	}
}

// reread is the desk's: it runs before the policy files are read again.
func (n *Node) reread(ctx context.Context) error {
	if n.opt.Reread != nil {
		next, err := n.opt.Reread()
		if err != nil {
			return fmt.Errorf("the configuration in force stays: %w", err)
		}
		n.mu.Lock()
		stale := config.Diff(n.config, next)
		n.config = next
		n.mu.Unlock()
		if len(stale) > 0 {
			n.log.Warn("these keys take effect only after a restart", "keys", stale)
		}
		n.setWebhooks(ctx)
	}
	return n.installRegisterFile(ctx)
}

// installRegisterFile puts the configured register file in force where it is
// new. A node without one waits for `doorstroom register install`. A file that
// has not changed since it was in force is passed over: a peer may have brought
// a newer register.
func (n *Node) installRegisterFile(ctx context.Context) error {
	file, err := os.ReadFile(n.opt.Config.Register.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read register file: %w", err)
	}
	n.mu.Lock()
	known := bytes.Equal(file, n.settled)
	n.mu.Unlock()
	if known {
		return nil
	}
	if current := n.Desk.Rules().Register; current == nil || !current.SameAs(file) {
		if _, err := n.Desk.InstallRegister(ctx, operator, file); err != nil {
			return err
		}
	}
	n.settle(file)
	return nil
}

// passOldRegister is for a node that starts with the file of a register that it
// has gone past: what is in force stays, and that is no error.
func (n *Node) passOldRegister() {
	file, err := os.ReadFile(n.opt.Config.Register.File)
	current := n.Desk.Rules().Register
	if err != nil || current == nil {
		return
	}
	if old, err := register.Restore(file); err == nil && old.Version() < current.Version() {
		n.log.Warn("the register file is older than the register in force, which stays", "file", old.Version(), "in force", current.Version())
		n.settle(file)
	}
}

func (n *Node) settle(file []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled = file
}

// operator is who the node itself acts as: the person who started the process
// or sent it a signal, and so owns its files.
var operator = gateway.Caller{Name: "operator", Roles: []gateway.Role{gateway.Beheerder, gateway.Program}}

func (n *Node) rights() config.Rights {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config.Rights
}
