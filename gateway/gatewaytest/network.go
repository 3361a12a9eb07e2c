// Package gatewaytest is the kit with which whole nodes are tested: real keys,
// real databases, a real signed register, and a network in memory that can be
// cut, slowed and made to lie. It works inside a testing/synctest bubble, where
// a week of retries passes in milliseconds.
package gatewaytest

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Network connects nodes in memory. Every request passes through JSON, as on
// the wire, and is kept for tests that read the bytes.
type Network struct {
	mu    sync.Mutex
	nodes map[gateway.OIN]Peer // guarded by mu
	down  map[gateway.OIN]bool // guarded by mu
	fault Fault                // guarded by mu
	wire  []Exchanged          // guarded by mu
	asked []Asked              // guarded by mu

	watchers map[gateway.OIN]*watcher // guarded by mu; by sender
}

// Peer is who answers on the network: a node's exchange, or a test that plays a
// party.
type Peer interface {
	Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error)
	Hello(ctx context.Context, peer gateway.OIN, token string) (string, error)
	RegisterFile(ctx context.Context, version uint64) ([]byte, error)
}

// witnessing is a Peer that witnesses journals; one of an older version does not.
type witnessing interface {
	Cosign(ctx context.Context, peer gateway.OIN, request witness.Request) (witness.Answer, error)
	Heads(ctx context.Context, peer gateway.OIN) (witness.Heads, error)
}

// lettered is a Peer that takes letters about policies and allotments; one of an
// older version does not.
type lettered interface {
	ReceiveLetter(ctx context.Context, peer gateway.OIN, token string) error
	ReceiveAllotmentLetter(ctx context.Context, peer gateway.OIN, token string) (string, error)
}

// Fault decides what happens to one batch: before it arrives, or after it took
// effect and before the answer arrives. A nil error lets it pass.
type Fault struct {
	Before func(from, to gateway.OIN) error
	After  func(from, to gateway.OIN, answer *gateway.Receipts) error
	// Witness changes the answer of a witness, after it took effect.
	Witness func(from, to gateway.OIN, answer *witness.Answer) error
	// Letter says of a letter about allotments whether it is lost before it arrives,
	// or its answer is after it took effect.
	Letter func(from, to gateway.OIN) (before, after error)
	Dial   time.Duration // how long a connection takes; cut off with the request
}

// Exchanged is one batch that crossed the network.
type Exchanged struct {
	From, To gateway.OIN
	Batch    gateway.Batch
	Answer   gateway.Receipts
}

// Asked is one request for a cosignature that arrived.
type Asked struct {
	At       time.Time
	From, To gateway.OIN
	Request  witness.Request
}

// Asked is every request for a cosignature so far.
func (n *Network) Asked() []Asked {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Asked(nil), n.asked...)
}

// NewNetwork makes a network without nodes.
func NewNetwork() *Network {
	return &Network{nodes: map[gateway.OIN]Peer{}, down: map[gateway.OIN]bool{}, watchers: map[gateway.OIN]*watcher{}}
}

// Attach makes a node reachable, or unreachable with nil.
func (n *Network) Attach(oin gateway.OIN, e Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[oin] = e
}

// Cut makes a node unreachable and unable to reach others, until Mend.
func (n *Network) Cut(oin gateway.OIN) { n.set(oin, true) }

// Mend ends Cut.
func (n *Network) Mend(oin gateway.OIN) { n.set(oin, false) }

func (n *Network) set(oin gateway.OIN, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[oin] = down
}

// Break installs faults; the zero Fault removes them.
func (n *Network) Break(f Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = f
}

// Wire is every batch that arrived so far.
func (n *Network) Wire() []Exchanged {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Exchanged(nil), n.wire...)
}

// From is the sender that a node uses.
func (n *Network) From(oin gateway.OIN) node.Network { return sender{n, oin} }

type sender struct {
	net  *Network
	from gateway.OIN
}

var errDown = gateway.Errorf(gateway.Unavailable, "the peer cannot be reached")

func (s sender) peer(to gateway.OIN) (Peer, Fault, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	e := s.net.nodes[to]
	if e == nil || s.net.down[to] || s.net.down[s.from] {
		return nil, Fault{}, errDown
	}
	return e, s.net.fault, nil
}

func (n *Network) watcher(oin gateway.OIN) *watcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.watchers[oin]
	if w == nil {
		panic("nobody watches what " + string(oin) + " sends: call Watch before the node starts")
	}
	return w
}

// Send delivers a batch.
func (s sender) Send(ctx context.Context, to gateway.Party, batch gateway.Batch) (gateway.Receipts, error) {
	e, fault, err := s.peer(to.OIN)
	if err != nil {
		return gateway.Receipts{}, err
	}
	s.net.watcher(s.from).batch(to.OIN, batch)
	if fault.Dial > 0 {
		select {
		case <-time.After(fault.Dial):
		case <-ctx.Done():
			return gateway.Receipts{}, ctx.Err()
		}
	}
	if fault.Before != nil {
		if err := fault.Before(s.from, to.OIN); err != nil {
			return gateway.Receipts{}, err
		}
	}
	answer, err := e.Accept(ctx, s.from, batch)
	if err != nil {
		return gateway.Receipts{}, gateway.Wrap(gateway.Unavailable, err, "the peer answers with an error")
	}
	answer = throughJSON(answer)
	s.net.mu.Lock()
	s.net.wire = append(s.net.wire, Exchanged{From: s.from, To: to.OIN, Batch: batch, Answer: answer})
	s.net.mu.Unlock()
	if fault.After != nil {
		if err := fault.After(s.from, to.OIN, &answer); err != nil {
			return gateway.Receipts{}, err
		}
	}
	return answer, nil
}

// Hello delivers a hello.
func (s sender) Hello(ctx context.Context, to gateway.Party, token string) (string, error) {
	e, _, err := s.peer(to.OIN)
	if err != nil {
		return "", err
	}
	return e.Hello(ctx, s.from, token)
}

// Register fetches a version of the register from the peer.
func (s sender) Register(ctx context.Context, to gateway.Party, version uint64) ([]byte, error) {
	e, _, err := s.peer(to.OIN)
	if err != nil {
		return nil, err
	}
	return e.RegisterFile(ctx, version)
}

// Witness asks the peer to cosign.
func (s sender) Witness(ctx context.Context, to gateway.Party, request witness.Request) (witness.Answer, error) {
	w, err := s.witness(to.OIN)
	if err != nil {
		return witness.Answer{}, err
	}
	s.net.mu.Lock()
	s.net.asked = append(s.net.asked, Asked{time.Now(), s.from, to.OIN, request})
	lie := s.net.fault.Witness
	s.net.mu.Unlock()
	answer, err := w.Cosign(ctx, s.from, throughJSON(request))
	answer = throughJSON(answer)
	if err == nil && lie != nil {
		err = lie(s.from, to.OIN, &answer)
	}
	return answer, err
}

// Letter delivers a letter about a policy.
func (s sender) Letter(ctx context.Context, to gateway.Party, token string) error {
	e, _, err := s.peer(to.OIN)
	if err != nil {
		return err
	}
	l, ok := e.(lettered)
	if !ok {
		return gateway.Errorf(gateway.NotFound, "the peer answered status 404")
	}
	return l.ReceiveLetter(ctx, s.from, token)
}

// AllotmentLetter delivers a letter about allotments.
func (s sender) AllotmentLetter(ctx context.Context, to gateway.Party, token string) (string, error) {
	e, fault, err := s.peer(to.OIN)
	if err != nil {
		return "", err
	}
	l, ok := e.(lettered)
	if !ok {
		return "", gateway.Errorf(gateway.NotFound, "the peer answered status 404")
	}
	if fault.Letter == nil {
		return l.ReceiveAllotmentLetter(ctx, s.from, token)
	}
	before, after := fault.Letter(s.from, to.OIN)
	if before != nil {
		return "", before
	}
	answer, err := l.ReceiveAllotmentLetter(ctx, s.from, token)
	if after != nil {
		return "", after
	}
	return answer, err
}

// Heads asks the peer what it witnessed.
func (s sender) Heads(ctx context.Context, to gateway.Party) (witness.Heads, error) {
	w, err := s.witness(to.OIN)
	if err != nil {
		return witness.Heads{}, err
	}
	heads, err := w.Heads(ctx, s.from)
	return throughJSON(heads), err
}

func (s sender) witness(to gateway.OIN) (witnessing, error) {
	e, _, err := s.peer(to)
	if err != nil {
		return nil, err
	}
	w, ok := e.(witnessing)
	if !ok {
		return nil, gateway.Errorf(gateway.NotFound, "the peer answered status 404")
	}
	return w, nil
}

func throughJSON[T any](r T) T {
	b, err := json.Marshal(r)
	if err != nil {
		panic("what goes over the wire is plain data: " + err.Error())
	}
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		panic("what goes over the wire is plain data: " + err.Error())
	}
	return out
}
