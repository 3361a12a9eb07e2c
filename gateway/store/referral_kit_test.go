package store_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// keys is a vault in memory: it outlives the databases of a test.
type keys struct {
	mu     sync.Mutex
	all    map[string][]byte
	former map[string][][]byte // of before Renew
	dies   error               // instead of erasing, as if the process were killed just before
}

func newKeys() *keys { return &keys{all: map[string][]byte{}, former: map[string][][]byte{}} }

func (k *keys) aead(name string, fresh bool) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.all[name]
	if !ok {
		if !fresh {
			return nil, gateway.Errorf(gateway.NotFound, "the key was erased")
		}
		key = make([]byte, 32)
		_, _ = rand.Read(key)
		k.all[name] = key
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (k *keys) Seal(name string, plain []byte) ([]byte, error) {
	aead, err := k.aead(name, true)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

func (k *keys) Sync() error { return nil }

func (k *keys) Open(name string, sealed []byte) ([]byte, error) {
	aead, err := k.aead(name, false)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, gateway.Errorf(gateway.Internal, "too short")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(name))
	if err == nil {
		return plain, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.former[name] {
		block, _ := aes.NewCipher(key)
		gcm, _ := cipher.NewGCM(block)
		if plain, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], []byte(name)); err == nil {
			return plain, nil
		}
	}
	return nil, gateway.Errorf(gateway.NotFound, "it was erased in part")
}

func (k *keys) Renew(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.all[name]; ok {
		k.former[name] = append(k.former[name], key)
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh)
		k.all[name] = fresh
	}
	return nil
}

func (k *keys) EraseFormer(names ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.ContainsFunc(names, func(name string) bool { return k.former[name] != nil }) && k.dies != nil {
		return k.dies
	}
	for _, name := range names {
		delete(k.former, name)
	}
	return nil
}

func (k *keys) Erase(names ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.ContainsFunc(names, func(name string) bool { return k.all[name] != nil }) && k.dies != nil {
		return k.dies
	}
	for _, name := range names {
		delete(k.all, name)
		delete(k.former, name)
	}
	return nil
}

// copy is a backup of the keys.
func (k *keys) copy() *keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := newKeys()
	for name, key := range k.all {
		c.all[name] = bytes.Clone(key)
	}
	return c
}

func (k *keys) restore(from *keys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = from.copy().all
}

const alblasserdam = gateway.Gemeente("gm0482")

// dueIn3 counts plain days, which is enough here.
func dueIn3(r gateway.Referral) gateway.Date { return gateway.DateOf(r.Since.Add(72 * time.Hour)) }

func terms() store.ReferralTerms {
	gemeenten := map[gateway.OIN][]gateway.Gemeente{self: {alblasserdam}, peerB: {"gm0610"}}
	return store.ReferralTerms{Due: dueIn3, Recipient: func(oin gateway.OIN) gateway.Recipient {
		return gateway.Recipient{Party: oin, Gemeenten: gemeenten[oin]}
	}}
}

// node is one party with its store.
type node struct {
	*testStore
	oin  gateway.OIN
	keys *keys
}

// region is a referrer and a provider with a network between them that a test
// operates by hand.
type region struct {
	referrer, provider *node
	now                time.Time
}

func newRegion(t testing.TB) *region {
	t.Helper()
	r := &region{
		referrer: newNode(t, self, store.Options{NoSync: true}), provider: newNode(t, peerA, store.Options{NoSync: true}), now: start(),
	}
	r.offer(t, green(15))
	return r
}

func newNode(t testing.TB, oin gateway.OIN, opt store.Options) *node {
	t.Helper()
	k := newKeys()
	opt.Vault = k
	n := &node{testStore: &testStore{path: filepath.Join(t.TempDir(), string(oin)+".db"), opt: opt}, oin: oin, keys: k}
	n.reopen(t)
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// green is an offer with places on two dagdelen: a third of them for
// Alblasserdam, a third for Sliedrecht, and a third nobody's.
func green(places int) gateway.Offer {
	on := func(n int) []gateway.Places {
		return []gateway.Places{{Dagdeel: "di-ochtend", Maximum: n}, {Dagdeel: "do-ochtend", Maximum: n}}
	}
	return gateway.Offer{
		ID: "groen", Provider: peerA, Title: "Groen", Places: on(places), ValidFrom: "2026-01-01", ValidUntil: "2027-12-31",
		Allotments: []gateway.Allotment{
			{ID: "alblasserdam", Gemeenten: []gateway.Gemeente{alblasserdam}, Places: on(places / 3)},
			{ID: "sliedrecht", Gemeenten: []gateway.Gemeente{"gm0610"}, Places: on(places / 3)},
		},
	}
}

// offer has the provider offer something, and show it to both referrers.
func (r *region) offer(t rapid.TB, o gateway.Offer) {
	t.Helper()
	must(t, r.provider.Publish(ctx, r.now, store.Publication{
		Put:   []store.OwnOffer{{Offer: o, Source: "export"}},
		Sends: []store.Send{capacity(self, o.ID, o.Title), capacity(peerB, o.ID, o.Title)},
	}))
}

func need() gateway.Need {
	return gateway.Need{
		Offer: "groen", Contact: gateway.Functional{Name: "Servicepunt"}, Fits: true, Informed: gateway.Informed{On: "2026-11-01", How: "gesprek"},
		Grondslag: "participatiewet", Trajectsoort: "participatieplaats", Dagdelen: []gateway.Dagdeel{"di-ochtend"}, From: "2026-11-02",
		Note: "werkt graag buiten",
	}
}

func (r *region) refer(t rapid.TB) gateway.Follow {
	t.Helper()
	return get(r.referrer.AskNewReferral(ctx, r.now, r.referrer.oin, store.NewReferral{
		Provider: peerA, Need: need(), Reference: "dossier 7", Terms: terms(), Entry: journal.Entry{Kind: "refer", Caller: "c1"},
	}))(t)
}

func (r *region) commit(t rapid.TB, id string, act gateway.ReferralAct, more ...func(*store.Commitment)) gateway.Referral {
	t.Helper()
	return get(r.try(id, act, more...))(t)
}

func (r *region) try(id string, act gateway.ReferralAct, more ...func(*store.Commitment)) (gateway.Referral, error) {
	c := store.Commitment{Referral: id, Act: act, Terms: terms(), Entry: journal.Entry{Kind: "commit", Caller: "c2"}}
	if act.Reasons() != "" {
		c.Reason = "overig"
	}
	if must, _ := act.Dated(); must {
		c.Date = gateway.DateOf(r.now.Add(48 * time.Hour))
	}
	for _, change := range more {
		change(&c)
	}
	return r.provider.CommitReferral(ctx, r.now, c)
}

// signed stands for a state as its provider signed it.
type signed struct {
	Incarnation uint64
	State       gateway.Referral
}

// signedDigest is that of a message as it is signed: another when its sender was restored
// since, although its id is the same.
func signedDigest(from *node, o store.Outgoing) string {
	return gateway.Hash(fmt.Appendf(nil, "%d %s %s", from.Incarnation(), o.Nonce, o.Data))
}

// inboundOf is the message that a recipient makes of what waits at a sender.
func inboundOf(t rapid.TB, from *node, to gateway.OIN, o store.Outgoing) store.Inbound {
	t.Helper()
	in := store.Inbound{
		Message: gateway.Message{
			ID: o.ID, Source: from.oin, Recipient: to, Kind: o.Kind, Time: o.Time, Expires: o.Expires, Subject: o.Subject,
			Sequence: o.Sequence, Incarnation: from.Incarnation(), Principal: o.Principal, Data: o.Data,
		},
		Digest: signedDigest(from, o), Outcome: gateway.Received, Entry: journal.Entry{Kind: journal.KindReceived, Party: from.oin, Message: o.ID},
	}
	effect := &store.ReferralEffect{Terms: terms()}
	var err error
	switch o.Kind {
	case gateway.KindReferral:
		effect.Request = &gateway.ReferralRequest{}
		err = json.Unmarshal(o.Data, effect.Request)
		if effect.Request.State != "" {
			var s signed
			must(t, json.Unmarshal([]byte(effect.Request.State), &s))
			effect.Recovered, effect.RecoveredIn = &s.State, s.Incarnation
		}
	case gateway.KindReferralState:
		effect.State = &gateway.Referral{}
		err = json.Unmarshal(o.Data, effect.State)
		effect.Signed = string(get(json.Marshal(signed{from.Incarnation(), *effect.State}))(t))
	case gateway.KindHandover:
		effect.Handover = &gateway.Handover{}
		err = json.Unmarshal(o.Data, effect.Handover)
	case gateway.KindSubjectRequest:
		effect.Rights = &gateway.SubjectRequest{}
		err = json.Unmarshal(o.Data, effect.Rights)
	case gateway.KindSubjectAnswer:
		effect.Answer = &gateway.SubjectAnswer{}
		err = json.Unmarshal(o.Data, effect.Answer)
		effect.Signed = string(o.Data)
	default:
		return in
	}
	must(t, err)
	in.Effect.Referral = effect
	return in
}

// deliver brings all that waits at one node to the other, and gives its kinds. As its
// exchange does, a node that owes it goes through its referrals first.
func (r *region) deliver(t rapid.TB, from, to *node) (kinds []string) {
	t.Helper()
	r.goThrough(t, from, to)
	waits := get(from.Due(ctx, r.now, to.oin, 1000, 1<<26, nil))(t)
	if len(waits) == 0 {
		return nil
	}
	must(t, from.BeginAttempt(ctx, r.now, to.oin, sequences(waits), r.now.Add(time.Minute)))
	var in []store.Inbound
	for _, o := range waits {
		in = append(in, inboundOf(t, from, to.oin, o))
		kinds = append(kinds, o.Kind)
	}
	items := get(to.Accept(ctx, r.now, to.oin, from.oin, in))(t)
	var settled []store.Settlement
	for i, o := range waits {
		settled = append(settled, store.Settlement{Sequence: o.Sequence, Digest: in[i].Digest, Item: items[i], Event: gateway.EventOf(items[i].Outcome)})
	}
	must(t, from.Settle(ctx, r.now, to.oin, settled, "head", time.Time{}, nil))
	return kinds
}

// exchange brings messages to and fro until none waits.
func (r *region) exchange(t rapid.TB) {
	t.Helper()
	for range 20 {
		if len(r.deliver(t, r.referrer, r.provider))+len(r.deliver(t, r.provider, r.referrer)) == 0 {
			return
		}
	}
	t.Fatal("the two nodes never stop")
}

func (r *region) sound(t rapid.TB) {
	t.Helper()
	r.referrer.sound(t)
	r.provider.sound(t)
}

// agree fails the test unless both sides know the same of a referral.
func (r *region) agree(t rapid.TB, id string) gateway.Referral {
	t.Helper()
	provided := get(r.provider.ProvidedReferral(ctx, id))(t)
	followed := get(r.referrer.FollowedReferral(ctx, id))(t)
	if got, want := fmt.Sprint(followed.Follow.Referral), fmt.Sprint(provided.Referral); got != want {
		t.Fatalf("the referrer knows %s\nthe provider says   %s", got, want)
	}
	return provided.Referral
}
