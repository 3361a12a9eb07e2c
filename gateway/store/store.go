// Package store is every transaction of a node: its offers, what it showed to
// whom, the queue of each peer, what others sent, and the journal, in one file.
// Use it whenever something must outlive the process: a method that returned
// without an error is on disk, and a method that failed left no trace. Each
// method is one transaction with its journal entries; those that say so take
// several, each whole in itself. No handle of a transaction and no memory of
// the database leaves the package.
//
// A Store is safe for concurrent use. Every method that writes takes now and
// works with the effective time: the later of now and the highest time that was
// ever committed.
package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	quickjson "github.com/go-json-experiment/json/v1"

	"github.com/doorstroom/doorstroom/gateway"
)

// What callers may want to recognise; all come wrapped in a gateway.Error.
var (
	ErrCorrupt   = errors.New("the database is damaged")
	ErrFull      = errors.New("the database is full")          // kind Limit
	ErrQueueFull = errors.New("the queue of a party is full")  // kind Limit
	ErrClock     = errors.New("the clock ran back")            // kind Unavailable
	ErrFormat    = errors.New("the database has a new format") // kind Conflict
)

// Format is the number of the database format that this program writes.
const Format = format

const (
	format          = 4 // of the database; a newer one is refused
	defaultMaxQueue = 100_000
)

// Options bound a store. The zero value is fit for production.
type Options struct {
	MaxBytes    int64         // of the file; 0: no limit. What grows it is refused from three quarters on
	MaxQueue    int           // messages waiting per peer; 0: 100,000
	Quota       Quota         // of what is kept of one sender
	MaxEvents   int           // that are kept; 0: 100,000
	EventLife   time.Duration // how long they are; 0: 90 days
	Decoded     int64         // bytes of received offers that are kept decoded; 0: 16 MB
	LockTimeout time.Duration // how long to wait for another process; 0: a second
	NoSync      bool          // never but in tests that do not test durability

	// Vault encrypts what concerns a person. Without one there are no referrals. See
	// UseVault.
	Vault Vault

	// Committed is told of every transaction that was written, by the goroutine
	// that writes: it must not wait for anything. nil: nobody wants to know.
	Committed func(Commit)

	// Traced chooses which new messages carry a trace context, for as long as they
	// live; it is called within the transaction. Queued is told of those, with the
	// context of the call, once they are on disk. Both are nil, or neither.
	Traced func(id [16]byte) bool
	Queued func(ctx context.Context, messages []Queued)

	// Fault is for tests, nil otherwise: it is called at "before-commit" and
	// "after-commit", and its error is that of the transaction, which took no
	// effect in the first case and all of it in the second; and at "before-swap"
	// and "after-swap" of compacting.
	Fault func(point string) error
	// unreserved is for tests too: nothing is asked of the disk beforehand, as if
	// its promises were void.
	unreserved bool
	// unjournaled leaves out the journal, to measure what it costs: only the tests
	// of this package can set it.
	unjournaled bool
	// uncopied: nothing is kept of an older format or left for the next start: the
	// file is a copy itself, or is about to be replaced.
	uncopied bool
}

// Commit is one transaction on disk.
type Commit struct {
	Operations int           // that shared it
	Took       time.Duration // from its begin to its end, syncing included
}

// Usage is the size of the database.
type Usage struct {
	FileBytes int64
	FreeBytes int64  // of these, that can be written again
	MaxBytes  int64  // 0: no limit
	Commits   uint64 // since Open; each is two syncs of the file
	Full      bool   // what grows it was last refused for want of room, there or on the disk
	Broken    bool   // it is damaged, or its disk failed: only a restart, or a backup, may help
}

// Store is the one database of a node.
type Store struct {
	engine      engine
	maxQueue    int
	quota       Quota
	traced      func([16]byte) bool
	queued      func(context.Context, []Queued)
	incarnation atomic.Uint64
	life        atomic.Pointer[gateway.Life] // as in the database
	highest     atomic.Int64                 // highest committed time, Unix nanoseconds
	backingUp   atomic.Bool
	migrated    Migrated
	uncopied    bool // see Options
	unjournaled bool // likewise
	vault       Vault
	renewing    sync.Mutex // held while keys are erased under which something might be sealed meanwhile
	referrals   *index
	decoded     decoded
	scans       scans
	hellos      hellos
	full        atomic.Bool
	broken      atomic.Bool
	maxEvents   int
	eventLife   time.Duration
	eventMu     sync.Mutex
	eventNext   chan struct{} // guarded by eventMu; closed when there are new events, if somebody waits
	rooms       rooms         // of the operation that the committer is deciding: it has been written when the next begins
	reducing    sync.RWMutex  // held while leaves of the journal go, and for reading by who reads all of it
}

// Tables. Those marked * are kept per party.
const (
	tableMeta        = "meta"        // settings and counters by name
	tableOwn         = "own"         // offer id → own offer
	tableGone        = "gone"        // offer id → Sampling of an own offer that is no longer there
	tableImports     = "imports"     // source → ImportState
	tableRegisters   = "registers"   // version → register file
	tablePolicies    = "policies"    // number → PolicyRecord
	tableProposals   = "proposals"   // "proposal" → PolicyProposal
	tableMissing     = "missing"     // month, gemeente, werksoort → MissingPlaces
	tablePeers       = "peers"       // OIN → peerRow
	tableHello       = "hello"       // OIN → helloRow
	tableOut         = "out"         // * sequence → block of messages that are queued or being attempted
	tableHeld        = "held"        // * sequence → block of messages that wait for a hello
	tableConfirmed   = "confirmed"   // * sequence → block of answers to snapshots that are the last of their subject
	tableShown       = "shown"       // * subject → block of slots of capacities
	tableLatest      = "latest"      // * kind, NUL, subject → slot of any other kind, while it is under way
	tableShared      = "shared"      // hash → payload or terms that entries and slots refer to
	tableRefs        = "refs"        // hash → how many do
	tableReceipts    = "receipts"    // * time, sequence → batch of receipts
	tableInbox       = "inbox"       // * message id → item it was answered with
	tableReceived    = "received"    // * subject → snapshot, or that it was withdrawn
	tableIntake      = "intake"      // OIN → how much is kept of that sender
	tableStates      = "states"      // * order and subjects of the last capacity-state
	tableJournal     = "journal"     // number → hashes and leaf
	tableCheckpoints = "checkpoints" // size → signed note
	tableAbandoned   = "abandoned"   // size → signed note over a journal that a restore cut off
	tableWitnesses   = "witnesses"   // OIN → how this node stands with a witness of its journal
	tableCosigned    = "cosigned"    // size, OIN → cosignature of a witness under a checkpoint
	tableWitnessed   = "witnessed"   // OIN → what else is known of a party's journal that this node witnesses
	tableHeads       = "heads"       // * incarnation, size → head of its journal that was cosigned here

	tablePartyProposals = "party-proposals"  // number → PartyProposal
	tableBreakGlass     = "break-glass"      // number → BreakGlass
	tableBreakGlassSaid = "break-glass-said" // number → by whom and why, until that is erased

	tableJournalIndex = "journal-index" // block → what its entries can be found by
)

// appendOnly tells which tables grow at their end only, but for the few terms among
// what is shared.
func appendOnly(name string) bool {
	return name == tableOut || name == tableShared || name == tableRefs || name == tableConfirmed || name == tableJournal || name == tableReceipts || name == tableInbox ||
		name == tableJournalIndex || name == tableEvents
}

func keyFormat() []byte      { return []byte("format") }
func keyIncarnation() []byte { return []byte("incarnation") }
func keyHighest() []byte     { return []byte("highest-time") }

// Open opens the database, or creates it. Another process that has it open is
// Unavailable; a damaged file gives ErrCorrupt and one of a later version
// ErrFormat.
//
// A database of an older format is brought up to date: see Migrated.
func Open(path string, opt Options) (*Store, error) { return open(path, opt, migrations()) }

func open(path string, opt Options, steps []migration) (*Store, error) {
	e, err := openBolt(path, opt)
	if err != nil {
		return nil, err
	}
	s := &Store{
		engine: e, maxQueue: opt.MaxQueue, quota: opt.Quota.withDefaults(), traced: opt.Traced, queued: opt.Queued,
		uncopied: opt.uncopied, unjournaled: opt.unjournaled, vault: opt.Vault, referrals: newIndex(),
	}
	if s.maxQueue <= 0 {
		s.maxQueue = defaultMaxQueue
	}
	s.maxEvents, s.eventLife = cmp.Or(opt.MaxEvents, defaultMaxEvents), cmp.Or(opt.EventLife, defaultEventLife)
	s.decoded.max = cmp.Or(opt.Decoded, defaultDecoded)
	err = removeLeftovers(path)
	if err == nil {
		err = s.prepare(context.Background(), steps)
	}
	if err == nil {
		err = s.useVault(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return s, nil
}

// UseVault is for a vault that can only be opened once the database is, and
// locked: it is to be called before anything else, and does what Open with it
// does.
func (s *Store) UseVault(ctx context.Context, v Vault) error {
	s.vault = v
	return s.useVault(ctx)
}

// useVault finishes what erasures have left, and reads what may be read.
func (s *Store) useVault(ctx context.Context) error {
	err := s.replayErasures(ctx)
	if err == nil {
		err = s.replayRenewals(ctx)
	}
	if err == nil && s.vault != nil {
		_, err = s.eraseMarked(ctx)
	}
	if err == nil {
		err = s.loadReferrals(ctx)
	}
	return err
}

// Confides tells whether the store can keep what is about persons.
func (s *Store) Confides() bool { return s.vault != nil }

// Close waits for the transaction under way and closes the file. Whatever is
// called later is Unavailable.
func (s *Store) Close() error { return s.engine.close() }

// Incarnation is the Unix time at which the database was made, and rises with
// every restore. So a node that lost its database is not taken for an older
// self by its peers.
func (s *Store) Incarnation() uint64 { return s.incarnation.Load() }

// EffectiveTime is the later of now and the highest committed time, in UTC.
func (s *Store) EffectiveTime(now time.Time) time.Time {
	return later(now.UTC().Round(0), time.Unix(0, s.highest.Load()).UTC())
}

// Usage is the size of the database now.
func (s *Store) Usage() Usage {
	u := s.engine.usage()
	u.Full, u.Broken = s.full.Load(), s.broken.Load()
	return u
}

// view runs read on one consistent state.
func (s *Store) view(ctx context.Context, read func(reader) error) error {
	return s.engine.view(ctx, read)
}

// update runs decide in a transaction, which may happen more than once: decide
// sets what it returns to its caller anew each time.
func (s *Store) update(ctx context.Context, now time.Time, decide func(*txn) error) error {
	return s.write(ctx, now, false, decide)
}

// grow is update for what a nearly full database refuses.
func (s *Store) grow(ctx context.Context, now time.Time, decide func(*txn) error) error {
	return s.write(ctx, now, true, decide)
}

func (s *Store) write(ctx context.Context, now time.Time, grows bool, decide func(*txn) error) error {
	var committed time.Time
	changed := false
	var t *txn
	err := s.engine.update(ctx, grows, func(r reader) (batch, error) {
		var err error
		s.rooms.clear()
		if t, err = newTxn(r, now, &s.rooms); err != nil {
			return nil, err
		}
		t.unjournaled = s.unjournaled
		t.vault, t.maxEvents = s.vault, s.maxEvents
		t.quota, t.referrals = s.quota, s.referrals
		if err := decide(t); err != nil {
			return nil, err
		}
		if s.vault != nil {
			if err := s.vault.Sync(); err != nil {
				return nil, err
			}
		}
		committed = t.now
		changes, err := t.finish()
		changed = len(changes) > 0
		return changes, err
	})
	s.note(grows && changed, err)
	if t != nil {
		s.noteReferrals(t.changed, t.erased, err)
		if t.evented {
			s.tellEvents() // also where nobody knows whether they were written
		}
	}
	if err != nil {
		return err
	}
	for at := s.highest.Load(); committed.UnixNano() > at && !s.highest.CompareAndSwap(at, committed.UnixNano()); {
		at = s.highest.Load()
	}
	return nil
}

// note keeps what Usage tells of the last writes. There is room again once
// something that grows the database was written.
func (s *Store) note(grew bool, err error) {
	switch {
	case err == nil && grew:
		s.full.Store(false)
	case errors.Is(err, ErrFull):
		s.full.Store(true)
	case errors.Is(err, errBroken), errors.Is(err, ErrCorrupt):
		s.broken.Store(true)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func getUint(r reader, key []byte) (uint64, error) {
	value, err := r.get(table{name: tableMeta}, key)
	if err != nil || value == nil {
		return 0, err
	}
	n, size := binary.Uvarint(value)
	if size != len(value) {
		return 0, corrupt(table{name: tableMeta}, "a number cannot be read")
	}
	return n, nil
}

// getJSON fills to; it tells whether the key is there.
func getJSON(r reader, t table, key []byte, to any) (bool, error) {
	value, err := r.get(t, key)
	if err != nil || value == nil {
		return false, err
	}
	return true, readJSON(t, value, to)
}

// readJSON reads as encoding/json does, in half the time.
func readJSON(t table, value []byte, to any) error {
	if err := quickjson.Unmarshal(value, to); err != nil {
		return corrupt(t, err.Error())
	}
	return nil
}

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a stored value is plain data: " + err.Error())
	}
	return b
}

// allJSON reads a whole table of JSON values, in the order of their keys.
func allJSON[T any](ctx context.Context, s *Store, t table) ([]T, error) {
	var all []T
	err := s.view(ctx, func(r reader) (err error) {
		all, err = allRows[T](r, t)
		return err
	})
	return all, err
}

func allRows[T any](r reader, t table) (all []T, err error) {
	err = r.ascend(t, nil, func(_, value []byte) (bool, error) {
		var one T
		if err := readJSON(t, value, &one); err != nil {
			return false, err
		}
		all = append(all, one)
		return true, nil
	})
	return all, err
}

func corrupt(t table, problem string) error {
	name := t.name
	if t.party != "" {
		name += "/" + string(t.party)
	}
	return gateway.Wrap(gateway.Internal, fmt.Errorf("%w: table %s: %s", ErrCorrupt, name, problem),
		"the database is damaged in table "+name+": stop the node and put back the last backup with doorstroom restore")
}

func fullError(err error) error {
	return gateway.Wrap(gateway.Limit, errors.Join(ErrFull, err), "the database has reached its maximum size")
}

func errClosed() error { return gateway.Errorf(gateway.Unavailable, "the database is closed") }
