package exchange

import (
	"context"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/register"
)

// greet says hello when it has not been said yet, when what we would say has
// changed, or when it was long ago; and looks at what the peer said.
func (w *worker) greet(ctx context.Context, rules publication.Rules, party gateway.Party, now time.Time) error {
	if err := w.react(ctx, rules, party, now); err != nil {
		return err
	}
	fingerprint := w.fingerprint(rules, now)
	if fingerprint == w.told && now.Before(w.toldAt.Add(idle)) {
		return nil
	}
	token, err := w.e.helloToken(ctx, rules, w.peer, now)
	if err != nil {
		return err
	}
	request, cancel := context.WithTimeout(ctx, w.e.Timeout)
	answer, err := w.e.Sender.Hello(request, party, token)
	cancel()
	if err != nil {
		return err
	}
	if err := w.e.heard(ctx, rules, w.peer, answer, now); err != nil {
		return err
	}
	w.told, w.toldAt = fingerprint, now
	if err := w.reconsider(ctx, now); err != nil {
		return err
	}
	differs, err := w.compare(ctx, rules, party)
	if err != nil || !differs {
		return err
	}
	if again := w.resent.Add(resendPause); now.Before(again) {
		w.toldAt = again.Add(-idle) // say hello again then
		return nil
	}
	w.e.Log.Info("peer holds another state than it was sent", "peer", w.peer)
	return w.e.Store.Owe(ctx, now, w.peer)
}

// react looks at what the peer has said of itself since, but not more often than
// a node has reason to say something: comparing and planning again read all that
// is shown, and a peer could ask for that without end.
func (w *worker) react(ctx context.Context, rules publication.Rules, party gateway.Party, now time.Time) error {
	if w.reactIn(now) > 0 {
		return nil
	}
	if w.helloed.Swap(false) {
		w.reacted = now
		differs, err := w.compare(ctx, rules, party)
		if err != nil {
			return err
		}
		if differs { // but its hello may be older than our last batch: ask again
			w.toldAt = time.Time{}
		}
	}
	if w.changed.Load() {
		w.reacted = now
	}
	return w.reconsider(ctx, now)
}

// reactIn is how long the peer's hello still has to wait; a long time if there is
// none to look at.
func (w *worker) reactIn(now time.Time) time.Duration {
	if !w.helloed.Load() && !w.changed.Load() {
		return idle
	}
	return max(0, w.reacted.Add(reactPause).Sub(now))
}

// reconsider queues what the peer held off or refused, once its hello says
// something new.
func (w *worker) reconsider(ctx context.Context, now time.Time) error {
	if !w.changed.Swap(false) {
		return nil
	}
	if _, err := w.e.Store.ReleaseHeld(ctx, now, w.peer); err != nil {
		return fmt.Errorf("release held messages: %w", err)
	}
	return w.e.Publisher.Reconsider(ctx, now, w.peer)
}

// compare looks at the peer's last hello: a newer register is fetched, and it
// answers whether the peer holds another state than it was sent. While anything
// is under way that cannot be told, and the answer is no. What the peer holds off,
// for want of support or room, is no reason to wait: it has not taken effect.
func (w *worker) compare(ctx context.Context, rules publication.Rules, party gateway.Party) (differs bool, err error) {
	status, err := w.e.Store.Peer(ctx, w.peer)
	if err != nil || status.Hello == nil {
		return false, err
	}
	w.catchUp(ctx, party, rules.Register, status.Hello.Register)
	shown, settled, err := w.e.Store.ShownDigest(ctx, w.peer)
	if err != nil {
		return false, fmt.Errorf("digest of what was shown: %w", err)
	}
	if !settled {
		underWay, err := w.e.Store.UnderWay(ctx, w.peer, func(sequence uint64) bool { return !w.later[sequence].IsZero() || w.keyless[sequence] })
		if err != nil || underWay {
			return false, err
		}
	}
	return shown != status.Hello.Holds, nil
}

// catchUp fetches the registers up to the version that a peer has, if it is
// ahead and that was not done before.
func (w *worker) catchUp(ctx context.Context, party gateway.Party, current *register.Register, version uint64) {
	if current.Version() >= version || w.fetched == version {
		return
	}
	if err := w.fetchRegister(ctx, party, current, version); err != nil {
		w.e.Log.Debug("register not fetched", "peer", w.peer, "error", err)
		w.toldAt = w.e.now().Add(fetchAgain - idle) // say hello again then, and try again
		return
	}
	w.fetched = version
}

// recognise is for a peer that signs with a key that the register here does not
// have: it asks the peer, whom TLS has identified, for its register, which
// verifies itself. Without this, two parties of which one has a new key would
// never hear of it: the hello that names the new register is signed with it.
func (w *worker) recognise(ctx context.Context, rules publication.Rules, party gateway.Party, now time.Time) {
	if !w.unknown.Swap(false) || now.Before(w.asked.Add(fetchAgain)) {
		return
	}
	w.asked = now
	file, err := w.fetchVersion(ctx, party, 0)
	if err != nil {
		w.e.Log.Debug("register not fetched", "peer", w.peer, "error", err)
		return
	}
	offered, err := register.Restore(file) // read only: catchUp verifies
	if err != nil {
		w.e.Log.Warn("register offered by peer was refused", "peer", w.peer, "error", err)
		return
	}
	w.catchUp(ctx, party, rules.Register, offered.Version())
}

// fetchRegister asks a peer for all registers after current up to version. Each
// is verified before the next is asked for, so that no peer can go on for ever.
// One that does not verify is refused and journaled, and harms nothing: messages
// go on under the old one.
func (w *worker) fetchRegister(ctx context.Context, party gateway.Party, current *register.Register, version uint64) error {
	first := current.Version() + 1
	var files [][]byte
	for next := first; next <= version; next++ {
		file, err := w.fetchVersion(ctx, party, next)
		if gateway.KindOf(err) == gateway.NotFound {
			w.e.Log.Warn("peer does not have a register that was missed here", "peer", w.peer, "version", next)
			break
		}
		if err != nil {
			return err
		}
		files = append(files, file)
		if current, err = current.Next(file, w.e.now()); err != nil {
			break // the desk finds the same
		}
	}
	if err := w.e.FetchedRegister(ctx, w.peer, first, files); err != nil {
		w.e.Log.Warn("register offered by peer was refused", "peer", w.peer, "error", err)
	}
	return nil
}

// fetchVersion asks for one register, and again after a second when it was one
// too many for the peer's limit of requests per second.
func (w *worker) fetchVersion(ctx context.Context, party gateway.Party, version uint64) ([]byte, error) {
	for again := true; ; again = false {
		request, cancel := context.WithTimeout(ctx, w.e.Timeout)
		file, err := w.e.Sender.Register(request, party, version)
		cancel()
		if !again || gateway.KindOf(err) != gateway.Limit {
			return file, err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
