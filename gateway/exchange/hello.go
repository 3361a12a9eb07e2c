package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// Hello takes a peer's hello and answers with ours. What follows from it, such
// as sending again, is the worker's.
func (e *Exchange) Hello(ctx context.Context, peer gateway.OIN, token string) (string, error) {
	leave, err := e.lanes.enter(ctx, peer)
	if err != nil {
		return "", err
	}
	defer leave()
	now := e.now()
	rules := e.Rules()
	if err := e.heard(ctx, rules, peer, token, now); err != nil {
		return "", err
	}
	e.mu.Lock()
	w := e.workers[peer]
	e.mu.Unlock()
	if w != nil {
		w.helloed.Store(true)
	}
	e.contacted(ctx, now, peer)
	done, err := e.lanes.compute(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return e.helloToken(ctx, rules, peer, now)
}

// heard verifies and keeps a peer's hello. A changed one makes the worker try
// again what was held for want of support.
func (e *Exchange) heard(ctx context.Context, rules publication.Rules, peer gateway.OIN, token string, now time.Time) error {
	payload, _, err := e.keys.Open(token, seal.Hello, e.keyOf(rules, now, peer))
	if err != nil {
		if seal.ReasonOf(err) == gateway.ReasonKeyUnknown {
			e.unknownKey(peer)
		}
		return fmt.Errorf("open hello: %w", err)
	}
	if violations, err := e.Schema.Validate("hello", payload); err != nil || len(violations) > 0 {
		return gateway.Wrap(gateway.Invalid, err, "the hello does not fit its schema")
	}
	var hello gateway.Hello
	if err := json.Unmarshal(payload, &hello); err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the hello does not fit its schema")
	}
	if hello.Issuer != peer || hello.Audience != e.Self {
		return gateway.Errorf(gateway.Invalid, "the hello is between other parties")
	}
	changed, err := e.Store.SaveHello(ctx, now, peer, hello)
	if err != nil {
		return fmt.Errorf("keep hello: %w", err)
	}
	if !slices.ContainsFunc(hello.Protocol, func(v int) bool { return slices.Contains(e.Protocols, v) }) {
		return gateway.Errorf(gateway.Conflict, "the peer speaks no version of the protocol that this node speaks")
	}
	if !changed {
		return nil
	}
	e.mu.Lock()
	if w := e.workers[peer]; w != nil {
		w.changed.Store(true)
	}
	e.mu.Unlock()
	return nil
}

// unknownKey makes the worker of a peer ask it for its register.
func (e *Exchange) unknownKey(peer gateway.OIN) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.workers[peer]; w != nil {
		w.unknown.Store(true)
		w.poke()
	}
}

// helloFor is what we tell a peer of ourselves, but for time and state.
func (e *Exchange) helloFor(rules publication.Rules, peer gateway.OIN, now time.Time) gateway.Hello {
	h := gateway.Hello{
		Issuer: e.Self, Audience: peer, Protocol: e.Protocols, Kinds: []string{},
		CodeLists: e.Schema.Versions(), Incarnation: e.Store.Incarnation(),
	}
	if rules.Approval != "" {
		h.CodeLists[gateway.HelloApproval] = rules.Approval
	}
	h.TellClosed(e.closings(), gateway.DateOf(now))
	h.CodeLists[gateway.HelloRecovered] = strconv.FormatUint(e.given(peer), 10)
	if rules.Register == nil {
		return h
	}
	h.Register = rules.Register.Version()
	day := gateway.DateOf(now)
	for _, kind := range e.kinds() {
		if r, ok := rules.Register.Recipient(peer, kind, day); ok && rules.Policy.Admit(r, "", kind, day).Allowed {
			h.Kinds = append(h.Kinds, kind)
		}
	}
	return h
}

// given is the incarnation of a peer for which all that is known of referrals was
// given back.
func (e *Exchange) given(peer gateway.OIN) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.workers[peer]; w != nil {
		return w.given.Load()
	}
	return 0
}

// kinds are the kinds of messages that can be taken here: those about persons only
// where they can be kept.
func (e *Exchange) kinds() []string {
	return slices.DeleteFunc(e.Schema.Kinds(), func(kind string) bool {
		return gateway.Confidential(kind) && !e.Store.Confides()
	})
}

func (e *Exchange) closings() []gateway.Closing {
	if e.Options.Closed == nil {
		return nil
	}
	return e.Options.Closed()
}

// fingerprint is what a hello says of us, under the rules of a day.
type fingerprint struct {
	rules  publication.Rules
	day    gateway.Date
	closed []gateway.Closing
	given  uint64
	hash   string
}

// fingerprint tells whether a hello would say something new.
func (w *worker) fingerprint(rules publication.Rules, now time.Time) string {
	day, closed, given := gateway.DateOf(now), w.e.closings(), w.given.Load()
	if w.print.hash == "" || w.print.rules != rules || w.print.day != day || w.print.given != given || !slices.Equal(w.print.closed, closed) {
		b, err := json.Marshal(w.e.helloFor(rules, w.peer, now))
		if err != nil {
			panic("a hello is plain data: " + err.Error())
		}
		w.print = fingerprint{rules, day, closed, given, gateway.Hash(b)}
	}
	return w.print.hash
}

func (e *Exchange) helloToken(ctx context.Context, rules publication.Rules, peer gateway.OIN, now time.Time) (string, error) {
	h := e.helloFor(rules, peer, now)
	h.Time = now.UTC().Truncate(time.Second)
	var err error
	if h.Holds, err = e.Store.Holds(ctx, peer); err != nil {
		return "", fmt.Errorf("digest of what is held: %w", err)
	}
	b, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("encode hello: %w", err)
	}
	token, err := seal.Sign(e.Key, seal.Hello, b)
	if err != nil {
		return "", fmt.Errorf("sign hello: %w", err)
	}
	return token, nil
}
