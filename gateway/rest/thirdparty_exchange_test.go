package rest_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// thirdParty is a whole node, which keeps what it knows in memory: that it must
// be on disk before it answers is the one thing it leaves out.
type thirdParty struct {
	oin     string
	signer  thirdSigner
	schemas thirdSchemas
	admits  func(kind string) bool // kinds of party whose capacity is taken
	changed chan struct{}          // gets something after every batch, if there is room

	mu       sync.Mutex
	register *thirdRegister
	items    map[string]thirdItem // by sender and id
	senders  map[string]*thirdSender
	sequence uint64
}

// thirdSender is what is known of one other party.
type thirdSender struct {
	held     map[string]thirdSnapshot // by subject
	state    thirdOrder               // of the last capacity-state
	listed   []string
	register uint64 // in its last hello
}

type thirdOrder struct{ incarnation, sequence uint64 }

func (a thirdOrder) compare(b thirdOrder) int {
	return cmp.Or(cmp.Compare(a.incarnation, b.incarnation), cmp.Compare(a.sequence, b.sequence))
}

type thirdSnapshot struct {
	order  thirdOrder
	digest string
	data   json.RawMessage
	gone   bool
}

// thirdItem has its members in the order of canonical JSON.
type thirdItem struct {
	Digest    string `json:"digest"`
	ID        string `json:"id"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason,omitempty"`
	Received  string `json:"received"`
	Recipient string `json:"recipient"`
	Sender    string `json:"sender"`
}

type thirdAnswer struct {
	Head  string      `json:"head"`
	Items []thirdItem `json:"items"`
}

type thirdHead struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	Size     int    `json:"size"`
	Root     string `json:"root"`
	Time     string `json:"time"`
}

type thirdEvent struct {
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Recipient   string          `json:"recipient"`
	Type        string          `json:"type"`
	DataSchema  string          `json:"dataschema"`
	Time        time.Time       `json:"time"`
	Expires     time.Time       `json:"expires"`
	Subject     string          `json:"subject"`
	Sequence    uint64          `json:"sequence,string"`
	Incarnation uint64          `json:"incarnation,string"`
	Principal   string          `json:"principal"`
	Nonce       string          `json:"nonce"`
	Padding     string          `json:"padding"`
	Data        json.RawMessage `json:"data"`
}

const thirdURN = "urn:nld:oin:"

func newThirdParty(oin string, signer thirdSigner, schemas thirdSchemas) *thirdParty {
	return &thirdParty{
		oin: oin, signer: signer, schemas: schemas, admits: func(kind string) bool { return kind == "leerwerkbedrijf" },
		changed: make(chan struct{}, 1), items: map[string]thirdItem{}, senders: map[string]*thirdSender{},
	}
}

func (p *thirdParty) sender(oin string) *thirdSender {
	if p.senders[oin] == nil {
		p.senders[oin] = &thirdSender{held: map[string]thirdSnapshot{}}
	}
	return p.senders[oin]
}

// keyOf finds the key of a peer that is good for a signature now.
func (p *thirdParty) keyOf(peer string, now time.Time) func(string) (thirdKey, error) {
	return func(kid string) (thirdKey, error) {
		party, ok := p.register.party(peer)
		if !ok {
			return thirdKey{}, thirdRefusal("party-unknown")
		}
		key, ok := party.key(kid)
		if !ok {
			for _, other := range p.register.Parties {
				if _, has := other.key(kid); has {
					return key, thirdRefusal("peer")
				}
			}
			return key, thirdRefusal("key-unknown")
		}
		if key.Compromised {
			return key, thirdRefusal("compromised")
		}
		if !key.validAt(now, 14*24*time.Hour) {
			return key, thirdRefusal("key-expired")
		}
		return key, nil
	}
}

// accept answers a batch, §5 and §6.
func (p *thirdParty) accept(peer string, tokens []string, now time.Time) thirdAnswer {
	p.mu.Lock()
	defer p.mu.Unlock()
	var answer thirdAnswer
	for _, token := range tokens {
		answer.Items = append(answer.Items, p.acceptOne(peer, token, now))
	}
	head := thirdHead{Issuer: p.oin, Audience: peer, Size: len(answer.Items), Root: thirdRoot(answer.Items), Time: thirdTime(now)}
	answer.Head = p.signer.sign(thirdReceipt, thirdJSON(head))
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return answer
}

func (p *thirdParty) acceptOne(peer, token string, now time.Time) thirdItem {
	item := thirdItem{Sender: peer, Recipient: p.oin, Received: thirdTime(now)}
	t, err := thirdSplit(token)
	if err != nil {
		return p.refused(item, peer, err)
	}
	item.Digest = thirdHash(t.payload)
	event, envelope := p.envelope(t.payload)
	item.ID = event.ID
	if _, err = t.open(thirdMessage, p.keyOf(peer, now)); err != nil {
		return p.refused(item, peer, err)
	}
	if envelope != nil {
		return p.refused(item, peer, envelope)
	}
	if event.Source != thirdURN+peer {
		return p.refused(item, peer, thirdRefusal("source"))
	}
	err = p.check(peer, event, now)
	return p.commit(item, peer, event, err)
}

// envelope reads the attributes of a payload.
func (p *thirdParty) envelope(payload []byte) (thirdEvent, error) {
	var e thirdEvent
	if reason := p.schemas.judge("envelope.v1.json", payload, ""); reason != "" {
		return e, thirdRefusal(reason)
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return thirdEvent{}, thirdRefusal("schema")
	}
	if e.DataSchema != "https://doorstroom.example/schemas/"+strings.TrimPrefix(e.Type, "nl.doorstroom.")+".json" {
		return thirdEvent{}, thirdRefusal("schema")
	}
	return e, nil
}

// check is what comes between the source and the transaction.
func (p *thirdParty) check(peer string, e thirdEvent, now time.Time) error {
	const skew = 5 * time.Minute
	switch {
	case e.Recipient != thirdURN+p.oin:
		return thirdRefusal("recipient")
	case e.Expires.Sub(e.Time) > 30*24*time.Hour || !e.Expires.After(e.Time):
		return thirdRefusal("lifetime")
	case now.After(e.Expires.Add(skew)):
		return thirdRefusal("expired")
	case e.Time.After(now.Add(skew)):
		return thirdRefusal("future")
	}
	kind, ok := strings.CutSuffix(strings.TrimPrefix(e.Type, "nl.doorstroom."), ".v1")
	about := slices.Contains([]string{"referral", "handover", "referral-state", "subject-request", "subject-answer"}, kind)
	switch {
	case !ok || !about && kind != "capacity" && kind != "capacity-state":
		return thirdRefusal("type")
	case about || e.Nonce != "" || e.Padding != "": // this program has no key to decrypt with: what comes is not encrypted
		return thirdRefusal("confidential")
	}
	day := thirdDay(now)
	if reason := p.schemas.judge(kind+".v1.json", e.Data, day); reason != "" {
		return thirdRefusal(reason)
	}
	party, _ := p.register.party(peer)
	acts := party
	if principal := strings.TrimPrefix(e.Principal, thirdURN); principal != "" {
		if acts, ok = p.register.party(principal); !ok || !party.mayActFor(principal, kind, day) {
			return thirdRefusal("mandate")
		}
	}
	if !p.admits(acts.Kind) {
		return thirdRefusal("policy")
	}
	var data struct{ Provider string }
	if err := json.Unmarshal(e.Data, &data); err != nil || kind == "capacity" && data.Provider != peer && data.Provider != acts.OIN {
		return thirdRefusal("provider")
	}
	return nil
}

// thirdDay is the calendar day in the Netherlands.
func thirdDay(now time.Time) string {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic("the time zones of this machine: " + err.Error())
	}
	return now.In(amsterdam).Format(time.DateOnly)
}

func (p thirdEntry) mayActFor(principal, kind, day string) bool {
	for _, m := range p.Mandates {
		if m.Principal == principal && slices.Contains(m.Kinds, kind) && m.ValidFrom <= day && (m.ValidUntil == "" || day <= m.ValidUntil) {
			return true
		}
	}
	return false
}

// refused puts a reason and its outcome in an item.
func (p *thirdParty) refused(item thirdItem, peer string, err error) thirdItem {
	var reason thirdRefusal
	if !errors.As(err, &reason) {
		reason = "malformed"
	}
	item.Outcome, item.Reason = "refused", string(reason)
	switch reason {
	case "future":
		item.Outcome = "retry-later"
	case "type", "policy":
		item.Outcome = "unsupported"
	case "key-unknown", "party-unknown", "mandate":
		if p.sender(peer).register > p.register.Version {
			item.Outcome = "retry-later"
		}
	}
	return item
}

// commit stands for the transaction.
func (p *thirdParty) commit(item thirdItem, peer string, e thirdEvent, refusal error) thirdItem {
	key := peer + " " + e.ID
	if first, known := p.items[key]; known {
		if first.Digest == item.Digest {
			return first
		}
		return p.refused(item, peer, thirdRefusal("id-reused"))
	}
	if refusal != nil {
		item = p.refused(item, peer, refusal)
	} else {
		item.Outcome, item.Reason = p.sender(peer).apply(e, item.Digest)
	}
	if item.Outcome == "received" || item.Outcome == "superseded" || item.Outcome == "refused" {
		p.items[key] = item
	}
	return item
}

// apply lets a message take effect, unless it comes late.
func (s *thirdSender) apply(e thirdEvent, digest string) (outcome, reason string) {
	at := thirdOrder{e.Incarnation, e.Sequence}
	late := func(than thirdOrder) (string, string) {
		if at.incarnation < than.incarnation {
			return "superseded", "incarnation"
		}
		return "superseded", "older"
	}
	if strings.HasPrefix(e.Type, "nl.doorstroom.capacity-state.") {
		if at.compare(s.state) <= 0 {
			return late(s.state)
		}
		s.drop(at, e.Data)
		return "received", ""
	}
	if held, ok := s.held[e.Subject]; ok && at.compare(held.order) <= 0 {
		return late(held.order)
	}
	if at.compare(s.state) < 0 && !slices.Contains(s.listed, e.Subject) {
		return late(s.state)
	}
	var data struct{ Withdrawn bool }
	if err := json.Unmarshal(e.Data, &data); err != nil {
		panic("data that fits its schema: " + err.Error())
	}
	s.held[e.Subject] = thirdSnapshot{order: at, digest: digest, data: e.Data, gone: data.Withdrawn}
	return "received", ""
}

func (s *thirdSender) drop(at thirdOrder, data json.RawMessage) {
	var list struct{ Subjects []string }
	if err := json.Unmarshal(data, &list); err != nil {
		panic("data that fits its schema: " + err.Error())
	}
	s.state, s.listed = at, list.Subjects
	for subject, held := range s.held {
		if held.order.compare(at) < 0 && !slices.Contains(list.Subjects, subject) {
			s.held[subject] = thirdSnapshot{order: at, gone: true}
		}
	}
}

// thirdDigest is what a hello says of what is held.
type thirdDigest struct {
	Count  int    `json:"count"`
	Digest string `json:"digest"`
}

func (s *thirdSender) holds() thirdDigest {
	var text strings.Builder
	count := 0
	for _, subject := range slices.Sorted(maps.Keys(s.held)) {
		if held := s.held[subject]; !held.gone {
			count++
			fmt.Fprintf(&text, "%s %d %s\n", subject, held.order.sequence, held.digest)
		}
	}
	return thirdDigest{count, thirdHash([]byte(text.String()))}
}

// thirdRoot is the RFC 6962 tree head over items.
func thirdRoot(items []thirdItem) string {
	leaves := make([][]byte, len(items))
	for i, item := range items {
		leaves[i] = thirdLeaf(thirdJSON(item))
	}
	return hex.EncodeToString(thirdTree(leaves))
}

func thirdLeaf(b []byte) []byte { return thirdSum([]byte{0}, b) }

func thirdSum(parts ...[]byte) []byte {
	sum := sha256.Sum256(slices.Concat(parts...))
	return sum[:]
}

func thirdTree(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		return thirdSum()
	case 1:
		return leaves[0]
	}
	k := 1 // the largest power of two below the number of leaves
	for 2*k < len(leaves) {
		k *= 2
	}
	return thirdSum([]byte{1}, thirdTree(leaves[:k]), thirdTree(leaves[k:]))
}

// thirdProves tells whether an audit path leads from a leaf to the root.
func thirdProves(root string, leaf []byte, index, size int, path []string) bool {
	hash, last := thirdLeaf(leaf), size-1
	for _, step := range path {
		sibling, err := hex.DecodeString(step)
		if err != nil || last == 0 {
			return false
		}
		if index%2 == 1 || index == last {
			hash = thirdSum([]byte{1}, sibling, hash)
			for index%2 == 0 {
				index, last = index/2, last/2
			}
		} else {
			hash = thirdSum([]byte{1}, hash, sibling)
		}
		index, last = index/2, last/2
	}
	return last == 0 && hex.EncodeToString(hash) == root
}

// believe verifies the answer of a peer to the tokens sent, as a whole.
func (p *thirdParty) believe(peer string, sent []string, answer thirdAnswer, now time.Time) error {
	t, err := thirdSplit(answer.Head)
	if err != nil {
		return err
	}
	payload, err := t.open(thirdReceipt, p.keyOf(peer, now))
	if err != nil {
		return err
	}
	if reason := p.schemas.judge("receipt-head.v1.json", payload, ""); reason != "" {
		return thirdRefusal(reason)
	}
	var head thirdHead
	if err := json.Unmarshal(payload, &head); err != nil {
		return err
	}
	if head.Issuer != peer || head.Audience != p.oin || head.Size != len(sent) || len(answer.Items) != len(sent) || head.Root != thirdRoot(answer.Items) {
		return errors.New("not the head of these items")
	}
	for i, item := range answer.Items {
		t, err := thirdSplit(sent[i])
		if err != nil {
			return err
		}
		event, _ := p.envelope(t.payload) // of what is no event, the peer cannot name the id
		if item.Digest != thirdHash(t.payload) || item.Sender != p.oin || item.Recipient != peer ||
			item.ID != event.ID && (item.ID != "" || item.Outcome != "refused") {
			return errors.New("an item of another message, at " + strconv.Itoa(i))
		}
	}
	return nil
}
