package exchange

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// idle is how long a worker with nothing to do rests before it says hello
// again, by which two parties that drifted apart find out.
const idle = 6 * time.Hour

// fetchAgain is how long after a failed fetch of a register it is tried again.
const fetchAgain = time.Minute

// resendPause keeps a peer that misstates what it holds from making this node
// send everything over and over.
const resendPause = time.Hour

// oweAgain is how soon a worker looks again whether it may send a peer the state
// that it is owed.
const oweAgain = 5 * time.Minute

// reactPause is the least time between two looks at a peer's hellos.
const reactPause = 10 * time.Second

// contactPause is the least time after a failure before contact by the peer makes
// this node try again: it could reach us all the time and never answer.
const contactPause = 2 * time.Second

// Batches to one peer start so far apart that they stay below the requests that
// a node takes by default: what comes meanwhile goes in one. To a peer that says
// that it gets too many, the time doubles, and shrinks again as batches arrive;
// one that says so over and over has another trouble, and is left alone like
// others.
const (
	apart     = 6 * time.Millisecond
	paceMost  = time.Second
	paceTries = 5
)

// worker delivers to one peer, one batch at a time.
type worker struct {
	e       *Exchange
	peer    gateway.OIN
	wake    chan struct{}
	given   atomic.Uint64 // the incarnation of the peer for which all that is known of referrals was given back
	helloed atomic.Bool   // the peer said hello to us: look at what it holds
	changed atomic.Bool   // its hello says something new: what it refused may be welcome now
	unknown atomic.Bool   // it signs with a key that is not in the register here: it may have a newer one
	attempt *attempt      // under way; guarded by e.mu

	// below: used by run only
	print   fingerprint          // of what a hello would say now
	told    string               // what the last hello that arrived said of us
	toldAt  time.Time            // when
	fetched uint64               // register version last asked for, so that a bad one is not asked for again and again
	asked   time.Time            // when it was last asked for its register because of an unknown key
	failing time.Time            // when an attempt last failed
	reacted time.Time            // when its hellos were last looked at
	resent  time.Time            // when the present state was last sent again
	later   map[uint64]time.Time // sequences that the peer will take later, and when to try
	keyless map[uint64]bool      // sequences of messages about persons that wait for an encryption key of the peer
	atOnce  int                  // messages in the next batch, after one that failed; 0: gateway.MaxBatch
	again   time.Time            // when to try next after a failure, unless the peer is heard of
	sent    time.Time            // when the last batch was
	pace    time.Duration        // least time between batches: the peer said that it gets too many
	full    time.Time            // until then the peer is sent nothing that takes room: it said that it has none
	fulls   int                  // how often in a row it said so
	wrong   string               // with us, as it was last logged
	awake   bool                 // has had its first turn: a node that starts tries everybody at once
	ahead   map[uint64]sealed    // by sequence: messages signed while the last batch was under way
}

func newWorker(e *Exchange, peer gateway.OIN) *worker {
	return &worker{e: e, peer: peer, wake: make(chan struct{}, 1), later: map[uint64]time.Time{}, keyless: map[uint64]bool{}}
}

// poke makes the worker look again soon; pokes do not pile up.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) run(ctx context.Context) {
	for {
		select {
		case w.e.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wait := w.turn(ctx)
		<-w.e.slots
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// turn does what is due and says when to look again. Every error here is
// temporary: the worker never gives up, messages do, by their expiry.
func (w *worker) turn(ctx context.Context) time.Duration {
	now := w.e.now()
	rules := w.e.Rules()
	party, ok := w.party(rules)
	if !ok {
		return idle
	}
	status, err := w.e.Store.Peer(ctx, w.peer)
	if err != nil {
		return w.trouble("read peer", err)
	}
	w.recognise(ctx, rules, party, now)
	if pause := w.pause(status); pause > 0 {
		return pause
	}
	if !w.awake {
		if err := w.e.Store.Recover(ctx, now, w.peer); err != nil {
			return w.trouble("recover after start", err)
		}
		w.awake = true
		if _, err := w.e.Store.ReleaseHeld(ctx, now, w.peer); err != nil { // a changed hello may not have been looked at before
			return w.trouble("release held messages", err)
		}
	}
	if err := w.gave(ctx, status, now); err != nil {
		return w.trouble("look whether all referrals were given back", err)
	}
	if err := w.greet(ctx, rules, party, now); err != nil {
		return w.failed(ctx, now, status, nil, err)
	}
	cut, end, ok := w.begin(ctx)
	if !ok {
		return idle
	}
	due, wait := w.due(cut, now)
	if len(due) == 0 {
		end()
		return wait
	}
	return w.deliver(ctx, cut, end, now, party, status, due)
}

// pause is how long to wait before the next attempt. It goes by time that passes,
// not by the clock, which stands still for the node after it was set back.
func (w *worker) pause(status store.PeerStatus) time.Duration {
	pause := max(time.Until(w.failing.Add(contactPause)), time.Until(w.sent.Add(max(apart, w.pace))))
	if w.awake && status.Failures > 0 {
		pause = max(pause, time.Until(w.again))
	}
	return pause
}

// due decides again and gives the next batch, or how long to wait for one.
func (w *worker) due(ctx context.Context, now time.Time) ([]store.Outgoing, time.Duration) {
	ready, err := w.e.Publisher.Ready(ctx, now, w.peer)
	if err != nil {
		return nil, w.trouble("decide again", err)
	}
	wait := min(max(0, w.toldAt.Add(idle).Sub(now)), w.reactIn(now))
	owed, err := w.repay(ctx, now, ready)
	if err != nil {
		return nil, w.trouble("send the present state", err)
	}
	if owed {
		wait = min(wait, oweAgain)
	}
	if !ready {
		return nil, wait
	}
	for sequence, until := range w.later {
		if !now.Before(until) {
			delete(w.later, sequence)
			continue
		}
		wait = min(wait, until.Sub(now))
	}
	if now.Before(w.full) {
		wait = min(wait, w.full.Sub(now))
	}
	if err := w.refresh(ctx, now); err != nil {
		return nil, w.trouble("plan offers again", err)
	}
	if err := w.reconcile(ctx, now); err != nil {
		return nil, w.trouble("go through referrals", err)
	}
	due, err := w.read(ctx, now, nil)
	if err != nil {
		return nil, w.trouble("read queue", err)
	}
	if due, err = w.tellAgain(ctx, now, due); err != nil {
		return nil, w.trouble("decide again about persons", err)
	}
	return due, wait
}

// read gives the first messages that may go now, after those of a batch that is
// under way.
func (w *worker) read(ctx context.Context, now time.Time, underWay []store.Outgoing) ([]store.Outgoing, error) {
	full, going := now.Before(w.full), make(map[uint64]bool, len(underWay))
	for _, o := range underWay {
		going[o.Sequence] = true
	}
	_, encrypts := w.encryptTo()
	clear(w.keyless)
	skip := func(sequence uint64, kind string, grows bool) bool {
		if !encrypts && gateway.Confidential(kind) {
			w.keyless[sequence] = true
			return true
		}
		return (full && grows) || going[sequence] || !w.later[sequence].IsZero()
	}
	return w.e.Store.Due(ctx, now, w.peer, cmp.Or(w.atOnce, gateway.MaxBatch), gateway.MaxBody/2, skip) // tokens are a third larger than payloads
}

// repay queues the present state for a peer that is owed it, in place of all
// that waited, and tells whether it still is. What a peer says does not make it
// do so more than once in resendPause.
func (w *worker) repay(ctx context.Context, now time.Time, ready bool) (owed bool, err error) {
	if owed, err = w.e.Store.Owed(ctx, w.peer); err != nil || !owed {
		return owed, err
	}
	if !ready || (!w.resent.IsZero() && now.Before(w.resent.Add(resendPause))) {
		return true, nil
	}
	w.resent = now
	w.e.Log.Info("sending the present state again", "peer", w.peer)
	return false, w.e.Publisher.Resend(ctx, now, w.peer)
}

func (w *worker) party(rules publication.Rules) (gateway.Party, bool) {
	if rules.Register == nil {
		return gateway.Party{}, false
	}
	return rules.Register.Party(w.peer)
}

// trouble is our own: the store, not the peer. It is tried again soon, and
// logged when it changes.
func (w *worker) trouble(what string, err error) time.Duration {
	if wrong := what + ": " + err.Error(); wrong != w.wrong && !errors.Is(err, context.Canceled) {
		w.wrong = wrong
		w.e.Log.Error(what, "peer", w.peer, "error", err)
	}
	return time.Minute
}

// well ends a trouble of our own: what an attempt came to was recorded.
func (w *worker) well() {
	if w.wrong != "" {
		w.wrong = ""
		w.e.Log.Info("deliveries are recorded again", "peer", w.peer)
	}
}

// deliver sends one batch. What is recorded before dialling tells, after a
// crash, what the peer may have. cut is cut off by Pause; end says that the
// bytes have gone, or will not.
func (w *worker) deliver(ctx, cut context.Context, end func(), now time.Time, party gateway.Party, status store.PeerStatus, due []store.Outgoing) time.Duration {
	defer end()
	sequences := make([]uint64, len(due))
	for i, o := range due {
		sequences[i] = o.Sequence
	}
	next := now.Add(gateway.Backoff(status.Failures+1, rand.Float64()))
	if err := w.e.Store.BeginAttempt(cut, now, w.peer, sequences, next); err != nil {
		if gateway.KindOf(err) == gateway.Conflict { // overtaken or withdrawn in this very moment
			return 0
		}
		return w.trouble("record attempt", err)
	}
	w.e.counters.Attempts.Add(1)
	w.sent = time.Now()
	batch, digests, err := w.seal(due)
	if err != nil {
		return w.trouble("seal batch", err)
	}
	ctx, span := w.e.Trace.Start(ctx, "deliver batch")
	var aside sync.WaitGroup
	aside.Go(func() { w.ahead = w.signNext(cut, now, due) })
	receipts, err := w.send(cut, party, batch, due, digests)
	aside.Wait()
	w.tell(ctx, span, due, receipts, err)
	defer span.End(err)
	if err != nil {
		return w.failed(ctx, now, status, sequences, err)
	}
	return w.settle(ctx, due, digests, receipts)
}

// settle records what the peer said. What it takes later waits on its own, with
// a growing backoff, and does not keep the rest of the queue waiting.
func (w *worker) settle(ctx context.Context, due []store.Outgoing, digests []string, r gateway.Receipts) time.Duration {
	now := w.e.now()
	settlements := make([]store.Settlement, len(due))
	entries := make([]journal.Entry, 0, len(due))
	full := false
	for i, o := range due {
		event := gateway.EventOf(r.Items[i].Outcome)
		full = full || r.Items[i].Reason == gateway.ReasonOverload
		settlements[i] = store.Settlement{Sequence: o.Sequence, Digest: digests[i], Item: r.Items[i], Event: event}
		if event == gateway.EventRetryLater {
			w.later[o.Sequence] = now.Add(gateway.Backoff(o.Attempts+1, rand.Float64()))
			continue
		}
		entries = append(entries, w.settled(now, o, r.Items[i]))
	}
	if full {
		w.fulls++
		w.full = now.Add(gateway.Backoff(w.fulls, rand.Float64()))
	} else {
		w.fulls = 0
	}
	if w.atOnce > 0 {
		w.atOnce += w.atOnce/4 + 1
	}
	if w.atOnce >= gateway.MaxBatch {
		w.atOnce = 0
	}
	w.pace -= w.pace / 256
	// The peer has answered: what it said is kept, also when the node is stopping.
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.e.Timeout)
	defer cancel()
	if err := w.e.Store.Settle(final, now, w.peer, settlements, r.Head, now, entries); err != nil {
		return w.trouble("settle", err)
	}
	w.e.counters.settled(r.Items)
	w.well()
	return 0
}

func (w *worker) settled(now time.Time, o store.Outgoing, item gateway.ReceiptItem) journal.Entry {
	kind := journal.KindDelivered
	if item.Outcome == gateway.Refused || item.Outcome == gateway.Unsupported {
		kind = journal.KindRefused
		w.e.Log.Warn("message not accepted", "peer", w.peer, "message", o.ID, "outcome", item.Outcome, "reason", item.Reason)
	}
	return journal.Entry{
		Time: now, Kind: kind, Party: w.peer, Message: o.ID, Outcome: string(item.Outcome), Reason: item.Reason,
		Rules: o.Basis.Rules, Policy: o.Basis.Policy, Register: o.Basis.Register,
	}
}

// failed records that nothing is known of the attempt, and backs off.
func (w *worker) failed(ctx context.Context, now time.Time, status store.PeerStatus, sequences []uint64, cause error) time.Duration {
	w.e.counters.Failures.Add(1)
	wait := gateway.Backoff(status.Failures+1, rand.Float64())
	switch tooMany := gateway.KindOf(cause) == gateway.Limit && status.Failures < paceTries; {
	case tooMany: // messages that wait a little longer go with fewer batches
		w.pace = min(2*max(w.pace, apart), paceMost)
		wait = w.pace
	case len(sequences) > 0: // the line may be too slow for so many
		w.atOnce = max(1, len(sequences)/2)
		fallthrough
	default:
		w.failing = time.Now()
	}
	w.again = time.Now().Add(wait)
	w.e.Log.Debug("peer not reached", "peer", w.peer, "failures", status.Failures+1, "again", wait.String(), "error", cause)
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.e.Timeout)
	defer cancel()
	reason := gateway.SafeMessage(cause)
	if err := w.e.Store.AttemptFailed(final, now, w.peer, sequences, reason, now.Add(wait)); err != nil {
		return w.trouble("record failure", err)
	}
	w.well()
	return wait
}
