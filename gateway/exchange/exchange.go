// Package exchange moves messages between nodes: Accept is the inbound
// pipeline, Deliver the outbound loop, Hello what two nodes tell each other at
// start and on change. Nothing else knows the order of the inbound steps.
//
// The promise: nothing lost, nothing twice. A message is validated, committed
// durably, and only then answered with a signed receipt item; the same message
// again gets the same item and has no second effect. An attempt is recorded
// before dialling, so after a crash it is known what the peer may have.
package exchange

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// Sender dials a peer. It has no state of its own worth keeping: every call is
// one request, and any error means that nothing is known of its effect.
type Sender interface {
	Send(ctx context.Context, peer gateway.Party, batch gateway.Batch) (gateway.Receipts, error)
	Hello(ctx context.Context, peer gateway.Party, token string) (string, error)
	Register(ctx context.Context, peer gateway.Party, version uint64) ([]byte, error)
}

// Protocol is the version of docs/protocol.md that this program speaks.
const Protocol = 1

// Options is what an exchange works with; all fields are required but Trace and Closed.
type Options struct {
	Self gateway.OIN
	Key  *seal.Key
	// Referrals are the terms under which a message about a referral of a
	// trajectsoort, "" if it does not say, takes effect; nil: none is taken.
	Referrals func(trajectsoort string) store.ReferralTerms
	// Tell says what policy in force lets a peer be told of a person in a message
	// that waits for it, and by which rule not; nil: everything.
	Tell func(ctx context.Context, peer gateway.OIN, kind string, data []byte) (policy.Told, error)
	// Encryption finds an own private key, present or past, to read what was
	// encrypted to this node; nil for one that it does not have.
	Encryption func(kid string) *seal.EncryptionKey
	Store      *store.Store
	Schema     *schema.Validator
	Protocols  []int // versions of the protocol that are served
	Publisher  *publication.Publisher
	Rules      func() publication.Rules
	Closed     func() []gateway.Closing // when this party is closed; hellos tell it
	// FetchedRegister verifies the registers that a peer gave, from version first
	// on, and installs the last.
	FetchedRegister func(ctx context.Context, from gateway.OIN, first uint64, files [][]byte) error
	Sender          Sender
	Sent            func(took time.Duration, err error) // told of every batch that was sent, with or without an answer
	Trace           *trace.Tracer
	Log             *slog.Logger

	KeyOverlap time.Duration // how long a rotated key stays good
	Timeout    time.Duration // of one request to a peer
	Parallel   int           // peers that are sent to at the same time
}

// Exchange is safe for concurrent use. Start runs one worker per peer.
type Exchange struct {
	Options

	keys        seal.Keys // of peers
	strangers   strangers
	unjournaled bool // the last that were counted; used by flushStrangers only
	counters    Counters
	moved       atomic.Bool // messages about referrals came in since offers were last planned for what they take
	lanes       *lanes
	slots       chan struct{} // one per peer that may be dialled at the same time

	mu      sync.Mutex
	workers map[gateway.OIN]*worker // guarded by mu
	paused  int                     // guarded by mu; while it is not 0 no attempt begins
	closed  bool                    // guarded by mu; no worker starts after Stop
	running sync.WaitGroup
	ctx     context.Context // of the workers; set by Start, ended by Stop
	stop    context.CancelFunc
}

// New makes an exchange; it starts nothing.
func New(opt Options) *Exchange {
	return &Exchange{Options: opt, lanes: newLanes(runtime.GOMAXPROCS(0)), slots: make(chan struct{}, opt.Parallel), workers: map[gateway.OIN]*worker{}}
}

// Start begins delivering to every party of the register. Workers outlive ctx's
// cancellation only until Stop returns.
func (e *Exchange) Start(ctx context.Context) {
	e.mu.Lock()
	e.ctx, e.stop = context.WithCancel(ctx)
	e.mu.Unlock()
	e.moved.Store(true) // what a crash left to be shown
	e.running.Go(func() { e.flushStrangers(e.ctx) })
	e.RulesChanged()
}

// Stop ends all workers and waits for them: an attempt under way is finished or
// cut off, and either way recorded.
func (e *Exchange) Stop() {
	e.mu.Lock()
	e.closed = true
	stop := e.stop
	e.mu.Unlock()
	if stop != nil {
		stop()
	}
	e.running.Wait()
}

// RulesChanged starts workers for new parties and makes every worker look
// again: at its hello, and at what waits.
func (e *Exchange) RulesChanged() {
	reg := e.Rules().Register
	if reg == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.ctx == nil {
		return
	}
	for _, party := range reg.Parties() {
		if party.OIN == e.Self || e.workers[party.OIN] != nil {
			continue
		}
		w := newWorker(e, party.OIN)
		e.workers[party.OIN] = w
		e.running.Go(func() { w.run(e.ctx) })
	}
	for _, w := range e.workers {
		w.poke()
	}
}

// Pause cuts off the attempts under way, waits until they have ended, and lets
// none begin until resume is called. What was cut off is tried again. When new
// rules are put in force in between, nothing decided under the old ones leaves
// after that: not even what was just dialling.
func (e *Exchange) Pause() (resume func()) {
	e.mu.Lock()
	e.paused++
	var ended []chan struct{}
	for _, w := range e.workers {
		if w.attempt != nil {
			w.attempt.cancel()
			ended = append(ended, w.attempt.ended)
		}
	}
	e.mu.Unlock()
	for _, c := range ended {
		<-c
	}
	return func() {
		e.mu.Lock()
		e.paused--
		e.mu.Unlock()
		e.RulesChanged()
	}
}

// attempt is one worker's time between deciding what may be sent and having sent
// it.
type attempt struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// begin enters the time in which a worker decides and sends; it is false while
// paused, and the worker is poked when that is over. end must be called.
func (w *worker) begin(ctx context.Context) (cut context.Context, end func(), ok bool) {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	if w.e.paused > 0 {
		return ctx, func() {}, false
	}
	cut, cancel := context.WithCancel(ctx)
	now := &attempt{cancel: cancel, ended: make(chan struct{})}
	w.attempt = now
	return cut, func() {
		cancel()
		w.e.mu.Lock()
		w.attempt = nil
		w.e.mu.Unlock()
		close(now.ended)
	}, true
}

// Wake makes the workers of some peers look at their queues now.
func (e *Exchange) Wake(peers []gateway.OIN) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range peers {
		if w := e.workers[p]; w != nil {
			w.poke()
		}
	}
}

// now is the node's time: never before what has been committed.
func (e *Exchange) now() time.Time { return e.Store.EffectiveTime(time.Now()) }

// strangers counts refusals of things that could not be attributed to a
// message, and refusals for now, by peer and reason: a flood of them is one
// journal entry a minute.
type strangers struct {
	mu    sync.Mutex
	count map[stranger]int // guarded by mu
}

type stranger struct {
	peer   gateway.OIN
	reason gateway.Reason
}

func (s *strangers) add(peer gateway.OIN, reason gateway.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == nil {
		s.count = map[stranger]int{}
	}
	s.count[stranger{peer, reason}]++
}

func (s *strangers) take() map[stranger]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.count
	s.count = nil
	return taken
}

func (s *strangers) giveBack(taken map[stranger]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one, n := range s.count {
		taken[one] += n
	}
	s.count = taken
}

func (e *Exchange) flushStrangers(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.journalStrangers(ctx)
		case <-ctx.Done():
			final, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			e.journalStrangers(final)
			return
		}
	}
}

func (e *Exchange) journalStrangers(ctx context.Context) {
	taken := e.strangers.take()
	if len(taken) == 0 {
		return
	}
	now := e.now()
	var entries []journal.Entry
	for _, s := range slices.SortedFunc(maps.Keys(taken), compareStrangers) {
		entries = append(entries, journal.Entry{
			Time: now, Kind: journal.KindRejected, Party: s.peer, Reason: s.reason, Count: taken[s],
		})
	}
	err := e.Store.Append(ctx, now, entries...)
	if err != nil {
		e.strangers.giveBack(taken)
	}
	if failed := err != nil; failed != e.unjournaled {
		e.unjournaled = failed
		if failed {
			e.Log.Error("refusals cannot be journaled; they are kept", "error", err)
		} else {
			e.Log.Info("refusals are journaled again")
		}
	}
}

func compareStrangers(a, b stranger) int {
	return cmp.Or(cmp.Compare(a.peer, b.peer), cmp.Compare(a.reason, b.reason))
}
