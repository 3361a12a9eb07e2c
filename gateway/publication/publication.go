// Package publication keeps what every recipient is shown in step with the
// offers, the policy, the register and the calendar. It is the one place that
// turns an offer into messages: publishing, reloading a policy, a new register,
// a new day and a peer that lost its data all end in the same plan, compared
// with what the recipient was shown before. Only differences are sent.
//
// The exchange asks Ready before every attempt, so that what waits in a queue
// is decided again under the rules in force, not those of the day it was queued.
package publication

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// chunk bounds the work of one transaction: offers whose messages are planned
// and committed together.
const chunk = 200

// Rules are what decides at one moment. They are swapped as one value, so that
// a plan never mixes the policy of one moment with the register of another.
type Rules struct {
	Register *register.Register
	Policy   *policy.Policy
}

// Publisher plans and commits what is sent. It is safe for concurrent use; its
// plans run one at a time.
type Publisher struct {
	self   gateway.OIN
	secret []byte
	store  *store.Store
	schema *schema.Validator
	rules  func() Rules

	mu      sync.Mutex             // held while a plan is made and committed
	planned map[gateway.OIN]string // by recipient: the key of the rules its whole queue was last planned under
	next    time.Time              // when the first sample of any offer is due; zero: not known yet
}

// New makes a Publisher. The secret makes subjects opaque and digests keyed;
// rules answers what is in force.
func New(self gateway.OIN, secret []byte, s *store.Store, v *schema.Validator, rules func() Rules) *Publisher {
	return &Publisher{
		self: self, secret: secret, store: s, schema: v, rules: rules,
		planned: map[gateway.OIN]string{},
	}
}

// Change is what an import does to the own offers.
type Change struct {
	Put    []store.OwnOffer
	Delete []store.OwnOffer
	Import *store.ImportState
	Entry  journal.Entry // of the import itself
}

// Result says what a plan came to.
type Result struct {
	Messages   int           `json:"messages"`
	Recipients []gateway.OIN `json:"recipients,omitempty"` // who must be woken
	Denied     []Denial      `json:"denied,omitempty"`
}

// Denial is one offer that a rule kept from a set of recipients.
type Denial struct {
	Offer      string        `json:"offer"`
	Rule       string        `json:"rule"`
	Recipients []gateway.OIN `json:"recipients"`
}

func (r *Result) add(o Result) {
	r.Messages += o.Messages
	r.Denied = append(r.Denied, o.Denied...)
	for _, oin := range o.Recipients {
		if !slices.Contains(r.Recipients, oin) {
			r.Recipients = append(r.Recipients, oin)
		}
	}
}

// Publish commits a change of own offers together with the messages it causes.
func (p *Publisher) Publish(ctx context.Context, now time.Time, c Change) (Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var total Result
	offers := slices.Clone(c.Put)
	for i := range offers {
		if offers[i].Sampling.Current.At.IsZero() {
			var err error
			if offers[i].Sampling, err = p.store.GoneSampling(ctx, offers[i].Offer.ID); err != nil {
				return Result{}, fmt.Errorf("read earlier sampling: %w", err)
			}
		}
		offers[i].Sampling = offers[i].Sampling.Advance(offers[i].Offer, now)
	}
	for _, gone := range c.Delete {
		gone.Offer.ValidUntil = past // planned as over: withdrawn wherever it was shown
		offers = append(offers, gone)
	}
	plan := p.newPlan(now)
	plan.account = true
	deleted := map[string]bool{}
	for _, gone := range c.Delete {
		deleted[gone.Offer.ID] = true
	}
	shown, err := p.shown(ctx, plan.recipients)
	if err != nil {
		return Result{}, err
	}
	first := true
	for part := range slices.Chunk(offers, chunk) {
		pub := store.Publication{}
		for _, o := range part {
			if deleted[o.Offer.ID] {
				pub.Delete = append(pub.Delete, o.Offer.ID)
				continue
			}
			pub.Put = append(pub.Put, o)
		}
		if first {
			pub.Journal = append(pub.Journal, c.Entry)
		}
		result, err := p.commit(ctx, plan, part, shown, pub)
		if err != nil {
			return total, err
		}
		total.add(result)
		first = false
	}
	last := store.Publication{Import: c.Import}
	if first {
		last.Journal = []journal.Entry{c.Entry}
	}
	if err := p.store.Publish(ctx, now, last); err != nil {
		return total, fmt.Errorf("close import: %w", err)
	}
	return total, nil
}

// past ends an offer's validity for good.
const past = gateway.Date("0001-01-01")

// Renew brings everything in step with the moment: samples that are due, offers
// that have expired, rules that changed. account tells whether denials are
// journaled: after a change of rules they are, on an ordinary day they are not.
func (p *Publisher) Renew(ctx context.Context, now time.Time, account bool) (Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	plan := p.newPlan(now)
	plan.account = account
	if !account && !p.due(plan) {
		return Result{}, nil
	}
	result, err := p.replan(ctx, plan)
	if err != nil {
		return result, err
	}
	for _, r := range plan.recipients {
		p.planned[r.OIN] = plan.key
	}
	return result, nil
}

// due tells whether the moment changes anything: the rules or the day are not
// those of the last plan, or a sample is to be taken.
func (p *Publisher) due(plan *plan) bool {
	if p.next.IsZero() || !plan.now.Before(p.next) {
		return true
	}
	return slices.ContainsFunc(plan.recipients, func(r gateway.Party) bool { return p.planned[r.OIN] != plan.key })
}

// Ready makes sure that all that waits for a peer was planned under the rules
// in force now. It is cheap when it was.
func (p *Publisher) Ready(ctx context.Context, now time.Time, peer gateway.OIN) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	plan := p.newPlan(now)
	if p.planned[peer] == plan.key {
		return nil
	}
	plan.only(peer)
	if _, err := p.replan(ctx, plan); err != nil {
		return fmt.Errorf("decide again for %s: %w", peer, err)
	}
	p.planned[peer] = plan.key
	return nil
}

// Resend queues everything a peer may see once more, followed by the list of
// it, from which the peer learns what to drop.
func (p *Publisher) Resend(ctx context.Context, now time.Time, peer gateway.OIN) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	plan := p.newPlan(now)
	plan.only(peer)
	plan.force = true
	if _, err := p.replan(ctx, plan); err != nil {
		return fmt.Errorf("send the present state to %s again: %w", peer, err)
	}
	return p.sendState(ctx, plan, peer)
}

func (p *Publisher) sendState(ctx context.Context, plan *plan, peer gateway.OIN) error {
	shown, err := p.store.Shown(ctx, peer)
	if err != nil {
		return fmt.Errorf("read what was shown: %w", err)
	}
	state := gateway.CapacityState{Subjects: []string{}}
	for _, s := range shown {
		if s.Subject != p.subject("state") && !s.Withdrawal && s.State != gateway.Withdrawn {
			state.Subjects = append(state.Subjects, s.Subject)
		}
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	send := store.Send{
		Recipient: peer, Kind: gateway.KindCapacityState, Subject: p.subject("state"),
		Data: data, Hash: gateway.Hash(data), Basis: plan.basis(nil),
	}
	if err := p.store.Publish(ctx, plan.now, store.Publication{Sends: []store.Send{send}}); err != nil {
		return fmt.Errorf("queue state: %w", err)
	}
	return nil
}

// replan compares every own offer with what the plan's recipients were shown.
func (p *Publisher) replan(ctx context.Context, plan *plan) (Result, error) {
	offers, err := p.store.OwnOffers(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("read own offers: %w", err)
	}
	shown, err := p.shown(ctx, plan.recipients)
	if err != nil {
		return Result{}, err
	}
	p.next = plan.now.AddDate(0, 0, 1) // at the latest: an offer may be added without a plan
	var total Result
	for part := range slices.Chunk(offers, chunk) {
		pub := store.Publication{}
		for i := range part {
			if next := part[i].Sampling.Advance(part[i].Offer, plan.now); next.Current.At != part[i].Sampling.Current.At {
				part[i].Sampling = next
				pub.Put = append(pub.Put, part[i])
			}
			if due := part[i].Sampling.NextSample(); due.Before(p.next) {
				p.next = due
			}
		}
		result, err := p.commit(ctx, plan, part, shown, pub)
		if err != nil {
			return total, err
		}
		total.add(result)
	}
	return total, nil
}

// commit plans a part of the offers and writes offers, messages and journal in
// one transaction.
func (p *Publisher) commit(ctx context.Context, plan *plan, part []store.OwnOffer, shown shownBy, pub store.Publication) (Result, error) {
	var result Result
	for _, o := range part {
		result.add(p.planOffer(plan, o, shown, &pub))
	}
	if len(pub.Put)+len(pub.Delete)+len(pub.Sends)+len(pub.Journal) == 0 {
		return result, nil
	}
	if err := p.store.Publish(ctx, plan.now, pub); err != nil {
		return Result{}, fmt.Errorf("commit publication: %w", err)
	}
	return result, nil
}

type shownBy map[gateway.OIN]map[string]store.Shown

func (p *Publisher) shown(ctx context.Context, recipients []gateway.Party) (shownBy, error) {
	if len(recipients) != 1 {
		shown, err := p.store.ShownAll(ctx)
		if err != nil {
			return nil, fmt.Errorf("read what was shown: %w", err)
		}
		return shown, nil
	}
	list, err := p.store.Shown(ctx, recipients[0].OIN)
	if err != nil {
		return nil, fmt.Errorf("read what was shown: %w", err)
	}
	bySubject := map[string]store.Shown{}
	for _, s := range list {
		bySubject[s.Subject] = s
	}
	return shownBy{recipients[0].OIN: bySubject}, nil
}

// Subject is the opaque name of an offer in messages.
func (p *Publisher) Subject(offer string) string { return p.subject("offer:" + offer) }

func (p *Publisher) subject(of string) string {
	mac := hmac.New(sha256.New, p.secret)
	mac.Write([]byte("subject:" + of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)[:15]))
}

// digest is the journal's keyed form of a content hash.
func (p *Publisher) digest(hash string) string {
	mac := hmac.New(sha256.New, p.secret)
	mac.Write([]byte("digest:" + hash))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// FieldsIn are the names of the fields that a snapshot shows.
func FieldsIn(d gateway.Disclosure) []gateway.Field {
	var fields []gateway.Field
	for _, f := range slices.Sorted(maps.Keys(d)) {
		if d[f] != gateway.None {
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, func(a, b gateway.Field) int {
		all := gateway.Fields()
		return cmp.Compare(slices.Index(all, a), slices.Index(all, b))
	})
	return fields
}
