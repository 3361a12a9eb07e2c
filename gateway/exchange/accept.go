package exchange

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// Accept takes a batch that a peer sent over mutual TLS and answers with one
// receipt item per message, in the order of the batch, under one signature. It
// answers only after everything it says is on disk. One bad message never
// stops the others.
func (e *Exchange) Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	if len(batch.Messages) == 0 || len(batch.Messages) > gateway.MaxBatch {
		return gateway.Receipts{}, gateway.Errorf(gateway.Invalid, "a batch has 1 to %d messages", gateway.MaxBatch)
	}
	ctx, span := e.Trace.Start(ctx, "accept batch")
	receipts, err := e.accept(ctx, span, peer, batch)
	span.End(err)
	return receipts, err
}

func (e *Exchange) accept(ctx context.Context, span trace.Span, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	leave, err := e.lanes.enter(ctx, peer)
	if err != nil {
		return gateway.Receipts{}, err
	}
	defer leave()
	now := e.now()
	all, err := e.inspectAll(ctx, now, peer, batch)
	if err != nil {
		return gateway.Receipts{}, err
	}
	items := make([]gateway.ReceiptItem, len(all))
	inbound := make([]store.Inbound, 0, len(all))
	position := make([]int, 0, len(all)) // in the batch, of each inbound
	for i, seen := range all {
		if !seen.attributed {
			items[i] = e.item(now, peer, seen)
			e.strangers.add(peer, seen.in.Reason)
			continue
		}
		inbound = append(inbound, seen.in)
		position = append(position, i)
	}
	stored, err := e.Store.Accept(ctx, now, e.Self, peer, inbound)
	if err != nil {
		return gateway.Receipts{}, fmt.Errorf("accept batch: %w", err)
	}
	for j, item := range stored {
		items[position[j]] = item
		if item.Reason != inbound[j].Reason && (item.Reason == gateway.ReasonOverload || item.Reason == gateway.ReasonIDReused) {
			e.strangers.add(peer, item.Reason) // leaves no trace of its own
		}
		if inbound[j].Message.TraceParent != "" {
			e.Trace.Accepted(ctx, inbound[j].Message.TraceParent, string(item.Outcome))
		}
	}
	if slices.ContainsFunc(inbound, func(in store.Inbound) bool { return in.Effect.Referral != nil }) {
		e.moved.Store(true)
	}
	span.Text("peer", string(peer))
	span.Count("messages", len(items))
	e.counters.accepted(peer, items)
	e.contacted(ctx, now, peer)
	return e.receipts(now, peer, items)
}

// inspectAll inspects a batch in one turn of its peer.
func (e *Exchange) inspectAll(ctx context.Context, now time.Time, peer gateway.OIN, batch gateway.Batch) ([]inspected, error) {
	done, err := e.lanes.compute(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	door := e.door(e.Rules(), now, peer)
	all := make([]inspected, len(batch.Messages))
	eachShare(len(all), func(from, to int) { door.inspectSome(batch.Messages[from:to], all[from:to]) })
	return all, nil
}

// inspected is one message after all checks that need no transaction.
type inspected struct {
	in         store.Inbound
	attributed bool // signed by the peer's key and with a well-formed envelope: its id can be believed
}

// door is what the messages of one batch are held against.
type door struct {
	*Exchange
	rules publication.Rules
	now   time.Time
	day   gateway.Date
	peer  gateway.OIN
	key   seal.Lookup
	known bool                         // the peer is a party of the register
	sends map[string]gateway.Recipient // the peer as policy sees it, by kind
}

func (e *Exchange) door(rules publication.Rules, now time.Time, peer gateway.OIN) *door {
	d := &door{
		Exchange: e, rules: rules, now: now, day: gateway.DateOf(now), peer: peer,
		key: e.keyOf(rules, now, peer), sends: map[string]gateway.Recipient{},
	}
	if rules.Register == nil {
		return d
	}
	for _, kind := range e.kinds() {
		d.sends[kind], d.known = rules.Register.Recipient(peer, kind, d.day)
	}
	return d
}

// serves tells whether a kind can be taken here.
func (e *door) serves(kind string) bool {
	_, ok := e.sends[kind]
	return ok
}

// inspectSome opens several tokens together, and inspects each.
func (e *door) inspectSome(tokens []string, seen []inspected) {
	signed, outer, failed := make([]string, len(tokens)), make([]*seal.Outer, len(tokens)), make([]error, len(tokens))
	for i, token := range tokens {
		signed[i], outer[i], failed[i] = e.uncover(token)
	}
	for i, opened := range e.keys.OpenAll(signed, seal.Message, e.key) {
		if err := cmp.Or(failed[i], opened.Err); err != nil {
			seen[i] = e.unattributed(e.rules, e.peer, tokens[i], seal.ReasonOf(err))
			continue
		}
		seen[i] = e.inspect(tokens[i], signed[i], outer[i], opened.Payload)
	}
}

// inspect is the inbound pipeline from the signature, which is good, up to the
// transaction, in its only order.
func (e *door) inspect(token, signed string, outer *seal.Outer, payload []byte) inspected {
	rules, now, peer := e.rules, e.now, e.peer
	m, reason, _ := e.Schema.Envelope(payload)
	if reason != "" {
		return e.unattributed(rules, peer, token, reason)
	}
	if outer != nil && !outer.Of(m) {
		return e.unattributed(rules, peer, token, gateway.ReasonConfidential)
	}
	seen := inspected{in: store.Inbound{Message: m, Digest: gateway.Hash(payload), Outcome: gateway.Received}}
	if m.Source != peer {
		return e.unattributed(rules, peer, token, gateway.ReasonSource)
	}
	seen.attributed = true
	wait := func(outcome gateway.Outcome, reason gateway.Reason) inspected { // it may come again and again: counted, not entered each time
		seen.in.Outcome, seen.in.Reason = outcome, reason
		e.strangers.add(peer, reason)
		return seen
	}
	refuse := func(reason gateway.Reason) inspected {
		if outcome := e.outcome(rules, peer, reason); outcome != gateway.Refused {
			return wait(outcome, reason)
		}
		seen.in.Outcome, seen.in.Reason = gateway.Refused, reason
		seen.in.Entry = e.entry(rules, now, seen.in)
		return seen
	}
	if m.Recipient != e.Self {
		return refuse(gateway.ReasonRecipient)
	}
	if reason := m.Lifetime(now); reason != "" {
		return refuse(reason)
	}
	if reason := e.covered(m, len(payload), outer != nil); reason != "" {
		return refuse(reason)
	}
	if reason, wrong := e.Schema.Message(m.Kind, m.Data, e.day); reason != "" {
		if reason == gateway.ReasonCode && e.knowsNewer(peer, wrong) {
			return wait(gateway.Unsupported, reason)
		}
		return refuse(reason)
	}
	sender := e.sends[m.Kind]
	if !e.known {
		return refuse(gateway.ReasonPartyUnknown)
	}
	if m.Principal != "" && !actsFor(sender, m.Principal) {
		return refuse(gateway.ReasonMandate)
	}
	decision := rules.Policy.Admit(sender, m.Principal, m.Kind, e.day)
	if !decision.Allowed {
		return refuse(gateway.ReasonPolicy)
	}
	if seen.in.Effect, reason = e.effect(m, signed); reason != "" {
		return refuse(reason)
	}
	seen.in.Entry = e.entry(rules, now, seen.in)
	seen.in.Entry.Rules = decision.Rules
	return seen
}

// effect is what an admitted message does to the state.
func (e *door) effect(m gateway.Message, signed string) (store.Effect, gateway.Reason) {
	switch m.Kind {
	case gateway.KindCapacity:
		provider, withdrawn := schema.Capacity(m.Data)
		if provider != m.Source && provider != m.Principal {
			return store.Effect{}, gateway.ReasonProvider
		}
		if withdrawn {
			return store.Effect{Subject: m.Subject, Drop: true}, ""
		}
		return store.Effect{Subject: m.Subject, Put: m.Data}, ""
	case gateway.KindCapacityState:
		var s gateway.CapacityState
		if err := json.Unmarshal(m.Data, &s); err != nil {
			return store.Effect{}, gateway.ReasonSchema
		}
		return store.Effect{Subject: m.Subject, State: s.Subjects}, ""
	}
	if gateway.Confidential(m.Kind) {
		return e.referralEffect(m, signed)
	}
	return store.Effect{}, gateway.ReasonType
}

func actsFor(sender gateway.Recipient, principal gateway.OIN) bool {
	for _, p := range sender.ActsFor {
		if p.Party == principal {
			return true
		}
	}
	return false
}

// keyOf finds the key by which a peer may sign now. A key of another party is
// not a key of this peer, whatever the register says of it.
func (e *Exchange) keyOf(rules publication.Rules, now time.Time, peer gateway.OIN) func(string) (gateway.Key, error) {
	return func(kid string) (gateway.Key, error) {
		if rules.Register == nil {
			return gateway.Key{}, noKey(gateway.ReasonPartyUnknown)
		}
		party, ok := rules.Register.Party(peer)
		if !ok {
			return gateway.Key{}, noKey(gateway.ReasonPartyUnknown)
		}
		key, ok := party.SigningKey(kid)
		_, owner, owned := rules.Register.SigningKey(kid)
		switch {
		case !ok && owned && owner.OIN != peer:
			return gateway.Key{}, noKey(gateway.ReasonPeer)
		case !ok:
			return gateway.Key{}, noKey(gateway.ReasonKeyUnknown)
		case key.Compromised:
			return gateway.Key{}, noKey(gateway.ReasonCompromised)
		case !key.ValidAt(now, e.KeyOverlap):
			return gateway.Key{}, noKey(gateway.ReasonKeyExpired)
		}
		return key, nil
	}
}

func noKey(reason gateway.Reason) error {
	return &seal.Failure{Reason: reason, Err: gateway.Errorf(gateway.Unauthenticated, "no key of the peer is good for this signature: %s", reason)}
}

// outcome of a refusal: what a newer register may mend is temporary, and what
// a newer version of this node may understand is held by the sender.
func (e *Exchange) outcome(rules publication.Rules, peer gateway.OIN, reason gateway.Reason) gateway.Outcome {
	switch reason {
	case gateway.ReasonKeyUnknown, gateway.ReasonPartyUnknown, gateway.ReasonMandate:
		if e.peerIsAhead(rules, peer) {
			return gateway.RetryLater
		}
		return gateway.Refused
	case gateway.ReasonFuture, gateway.ReasonOverload, gateway.ReasonUnreadable:
		return gateway.RetryLater
	case gateway.ReasonType, gateway.ReasonPolicy:
		return gateway.Unsupported
	}
	return gateway.Refused
}

// knowsNewer tells whether the peer's last hello named a newer version than ours
// of every code list in which a code is wrong: then it is ours that is behind,
// and the peer holds the message until our hello says otherwise.
func (e *Exchange) knowsNewer(peer gateway.OIN, wrong []schema.Violation) bool {
	status, err := e.Store.Peer(context.Background(), peer)
	if err != nil || status.Hello == nil {
		return false
	}
	ours := e.Schema.Versions()
	return !slices.ContainsFunc(wrong, func(v schema.Violation) bool {
		return !gateway.Newer(status.Hello.CodeLists[v.List()], ours[v.List()])
	})
}

// peerIsAhead tells whether the peer's last hello named a register version that
// we do not have yet; its worker is then told to fetch it.
func (e *Exchange) peerIsAhead(rules publication.Rules, peer gateway.OIN) bool {
	status, err := e.Store.Peer(context.Background(), peer)
	if err != nil || status.Hello == nil {
		return false
	}
	ahead := rules.Register == nil || status.Hello.Register > rules.Register.Version()
	if ahead {
		e.Wake([]gateway.OIN{peer})
	}
	return ahead
}

// unattributed is for what cannot be believed to come from a message of this
// peer: it is answered, so that the sender can act, and counted, but leaves no
// state behind by which a stranger could block a message id. Of what was encrypted
// the answer repeats nothing: the peer may not be who encrypted it.
func (e *Exchange) unattributed(rules publication.Rules, peer gateway.OIN, token string, reason gateway.Reason) inspected {
	var seen inspected
	if seal.IsEncrypted(token) && reason == gateway.ReasonPeer {
		reason = gateway.ReasonSignature // whose it is is not the peer's to know
	}
	seen.in.Outcome, seen.in.Reason = e.outcome(rules, peer, reason), reason
	if _, payload, err := seal.PeekUnverified(token); err == nil {
		seen.in.Digest = gateway.Hash(payload)
		if m, reason, _ := e.Schema.Envelope(payload); reason == "" {
			seen.in.Message.ID = m.ID
		}
	}
	return seen
}

func (e *Exchange) item(now time.Time, peer gateway.OIN, seen inspected) gateway.ReceiptItem {
	return gateway.ReceiptItem{
		Sender: peer, Recipient: e.Self, ID: seen.in.Message.ID, Digest: seen.in.Digest,
		Outcome: seen.in.Outcome, Reason: seen.in.Reason, Received: now.UTC().Truncate(time.Second),
	}
}

// entry accounts for one inbound message.
func (e *Exchange) entry(rules publication.Rules, now time.Time, in store.Inbound) journal.Entry {
	entry := journal.Entry{
		Time: now, Kind: journal.KindReceived, Party: in.Message.Source, Message: in.Message.ID,
		Outcome: string(in.Outcome), Reason: in.Reason, Policy: rules.Policy.Version(),
	}
	if rules.Register != nil {
		entry.Register = rules.Register.Version()
	}
	if in.Outcome != gateway.Received {
		entry.Kind = journal.KindRejected
	}
	return entry
}

// receipts signs a batch of items.
func (e *Exchange) receipts(now time.Time, audience gateway.OIN, items []gateway.ReceiptItem) (gateway.Receipts, error) {
	head, err := json.Marshal(gateway.ReceiptHead{
		Issuer: e.Self, Audience: audience, Size: len(items), Root: rootOf(items), Time: now.UTC().Truncate(time.Second),
	})
	if err != nil {
		return gateway.Receipts{}, fmt.Errorf("encode receipt: %w", err)
	}
	token, err := seal.Sign(e.Key, seal.Receipt, head)
	if err != nil {
		return gateway.Receipts{}, fmt.Errorf("sign receipt: %w", err)
	}
	return gateway.Receipts{Head: token, Items: items}, nil
}

// rootOf is the RFC 6962 tree head over the items, in hex.
func rootOf(items []gateway.ReceiptItem) string {
	leaves := make([][]byte, len(items))
	for i, item := range items {
		leaves[i] = item.Encode()
	}
	root := journal.TreeRoot(leaves)
	return fmt.Sprintf("%x", root[:])
}

// RegisterFile is the signed register of a version, 0 being the one in force,
// for peers that are behind.
func (e *Exchange) RegisterFile(ctx context.Context, version uint64) ([]byte, error) {
	reg := e.Rules().Register
	if reg == nil {
		return nil, gateway.Errorf(gateway.NotFound, "this node has no register yet")
	}
	if version == 0 || version == reg.Version() {
		return reg.Bytes(), nil
	}
	file, err := e.Store.RegisterVersion(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("read register version %d: %w", version, err)
	}
	if file == nil {
		return nil, gateway.Errorf(gateway.NotFound, "this node does not have that version of the register")
	}
	return file, nil
}

// contacted notes that a peer reached us: whoever reaches us can probably be
// reached, so its backoff ends.
func (e *Exchange) contacted(ctx context.Context, now time.Time, peer gateway.OIN) {
	if err := e.Store.Contact(ctx, now, peer); err != nil {
		e.Log.Warn("note contact", "peer", peer, "error", err)
	}
	e.Wake([]gateway.OIN{peer})
}
