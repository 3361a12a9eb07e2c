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
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// Rules are what decides at one moment. They are swapped as one value, so that
// a plan never mixes the policy of one moment with the register of another.
type Rules struct {
	Register *register.Register
	Policy   *policy.Policy
	Approval string // by which rule policies come in force, to be told to others; "": nobody need agree
}

// Basis is under what a message about a person goes that policy decided on for a
// day.
func (r Rules) Basis(told policy.Told, day gateway.Date) store.Basis {
	basis := store.Basis{Policy: told.Policy, Day: day, Rules: told.Rules}
	if r.Register != nil {
		basis.Register = r.Register.Version()
	}
	return basis
}

// Publisher plans and commits what is sent. It is safe for concurrent use; its
// plans run one at a time.
type Publisher struct {
	self   gateway.OIN
	secret []byte
	store  *store.Store
	schema *schema.Validator
	rules  func() Rules
	trace  *trace.Tracer
	lists  string // versions of the code lists

	planning sync.Mutex        // held while a plan is made and committed
	taken    map[string]string // guarded by planning; what referrals took of offers when Refresh last looked
	heard    struct {          // guarded by planning; the audience of the last plan
		rules    Rules
		key      string
		audience audience
	}

	mu      sync.Mutex             // held for moments; who also plans may read without it
	planned map[gateway.OIN]string // guarded by mu; by recipient: the key of the rules its whole queue was last planned under
	all     *store.Planned         // guarded by mu; what everything was last planned under, also before the start; nil: not read yet
}

// New makes a Publisher. The secret makes subjects opaque and digests keyed;
// rules answers what is in force; a nil tracer traces nothing.
func New(self gateway.OIN, secret []byte, s *store.Store, v *schema.Validator, rules func() Rules, tracer *trace.Tracer) *Publisher {
	return &Publisher{
		self: self, secret: secret, store: s, schema: v, rules: rules, trace: tracer, lists: fmt.Sprint(v.Versions()),
		planned: map[gateway.OIN]string{},
	}
}

// Change is what an import does to the own offers.
type Change struct {
	Put    []store.OwnOffer // Publish brings their sampling up to now
	Delete []store.OwnOffer
	Import *store.ImportState
	Fresh  bool                               // the import is a full export of its source
	Over   map[string]gateway.AllotmentStatus // of offers whose export divides places otherwise now: how what was shifted ends
	Entry  journal.Entry                      // of the import itself

	// Progress, if not nil, is told now and then how many of the offers have been
	// committed with what follows from them.
	Progress func(done, total int)
}

// Result says what a plan came to.
type Result struct {
	Messages   int           `json:"messages"`
	Recipients []gateway.OIN `json:"recipients,omitempty"` // who must be woken
	Denied     []Denial      `json:"denied,omitempty"`
}

// Denial is what a rule kept from a set of recipients.
type Denial struct {
	Offers     []string      `json:"offers"`
	Rule       string        `json:"rule"`
	Recipients []gateway.OIN `json:"recipients"`
}

// Publish commits a change of own offers together with the messages it causes.
// Without a policy it commits the offers alone. It goes by the order of the
// subjects, in transactions of some hundred offers each, the last of which
// closes the import; what was committed before an error stays.
func (p *Publisher) Publish(ctx context.Context, now time.Time, c Change) (Result, error) {
	p.planning.Lock()
	defer p.planning.Unlock()
	items := make([]item, 0, len(c.Put)+len(c.Delete))
	subjects := p.namer()
	taken, err := p.readTaken(ctx, now)
	if err != nil {
		return Result{}, err
	}
	for i := range c.Put {
		if err := p.sample(ctx, now, &c.Put[i], taken); err != nil {
			return Result{}, err
		}
		items = append(items, item{OwnOffer: &c.Put[i], subject: subjects.offer(c.Put[i].Offer.ID), put: true})
	}
	for _, gone := range c.Delete {
		gone.Offer.ValidUntil = past // planned as over: withdrawn wherever it was shown
		items = append(items, item{OwnOffer: &gone, subject: subjects.offer(gone.Offer.ID), deleted: true})
	}
	plan := p.newPlan(now)
	plan.account = true
	if err := p.beginUnder(ctx, plan); err != nil {
		return Result{}, err
	}
	r := p.newRun(plan, taken, store.Publication{Journal: []journal.Entry{c.Entry}})
	if c.Progress != nil {
		r.progress = func(done int) { c.Progress(done, len(items)) }
	}
	r.last = store.Publication{Import: c.Import, Fresh: c.Fresh, ShiftsOver: c.Over}
	err = r.send(ctx, items)
	return r.result(), err
}

// sample brings the sampling of an offer up to now; one that was deleted not long
// ago goes on with its own.
func (p *Publisher) sample(ctx context.Context, now time.Time, o *store.OwnOffer, taken map[string]gateway.Taken) (err error) {
	if o.Sampling.Current.At.IsZero() {
		if o.Sampling, err = p.store.GoneSampling(ctx, o.Offer.ID); err != nil {
			return fmt.Errorf("read earlier sampling: %w", err)
		}
	}
	o.Sampling = o.Sampling.Advance(o.Offer.With(taken[o.Offer.ID]), now)
	return nil
}

// past ends an offer's validity for good.
const past = gateway.Date("0001-01-01")

// Renew brings everything in step with the moment: samples that are due, offers
// that have expired, rules that changed. account tells whether disclosures and
// denials are journaled: under a new policy or register they are, on an ordinary
// day only what is sent is.
func (p *Publisher) Renew(ctx context.Context, now time.Time, account bool) (Result, error) {
	p.planning.Lock()
	defer p.planning.Unlock()
	if err := p.remember(ctx); err != nil {
		return Result{}, err
	}
	if !account && !p.due(now) {
		return Result{}, nil
	}
	plan := p.newPlan(now)
	plan.account, plan.everyone = account, true
	return p.replan(ctx, plan)
}

// remember takes over what was planned before the start: a node that starts
// again under the same rules on the same day has nothing to decide anew.
func (p *Publisher) remember(ctx context.Context) error {
	if p.all != nil {
		return nil
	}
	all, err := p.store.Planned(ctx)
	if err != nil {
		return fmt.Errorf("read what was planned: %w", err)
	}
	p.note(func() { p.all = &all })
	return nil
}

// note changes what is remembered of plans.
func (p *Publisher) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// beginUnder notes, before a plan under other rules than the last begins, that
// nothing is certain: if it ends halfway and the rules change back, they are not
// those that all was planned under.
func (p *Publisher) beginUnder(ctx context.Context, plan *plan) error {
	if err := p.remember(ctx); err != nil {
		return err
	}
	p.note(func() {
		for _, party := range plan.recipients {
			if p.plannedUnder(party.OIN) != plan.key {
				p.planned[party.OIN] = ""
			}
		}
	})
	if p.all.Rules == "" || p.all.Rules == plan.key {
		return nil
	}
	if err := p.store.SetPlanned(ctx, plan.now, store.Planned{}); err != nil {
		return fmt.Errorf("note that rules change: %w", err)
	}
	p.note(func() { p.all = &store.Planned{} })
	return nil
}

// plannedUnder is the key of the rules that the queue of a peer was planned
// under. The caller holds mu or planning.
func (p *Publisher) plannedUnder(peer gateway.OIN) string {
	if key, known := p.planned[peer]; known {
		return key
	}
	return p.all.Rules
}

// isPlanned tells whether the whole queue of a peer was planned under the rules
// with this key, and nothing else has begun since.
func (p *Publisher) isPlanned(peer gateway.OIN, key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all != nil && p.plannedUnder(peer) == key
}

// due tells whether the moment changes anything: the rules or the day are not
// those of the last plan, or a sample is to be taken.
func (p *Publisher) due(now time.Time) bool {
	return !now.Before(p.all.Next) || p.all.Rules != p.keyOf(p.rules(), now)
}

// Ready makes sure that all that waits for a peer was planned under the rules
// in force now, and tells whether it may be sent: without a policy nothing can
// be decided, so nothing is; and after a restore what others hold is newer than
// what this node knows, until its sources have been heard again. It is cheap
// when the plan is not new.
func (p *Publisher) Ready(ctx context.Context, now time.Time, peer gateway.OIN) (bool, error) {
	rules := p.rules()
	if !rules.Policy.Loaded() {
		return false, nil
	}
	awaited, err := p.store.Awaiting(ctx, now)
	if err != nil {
		return false, fmt.Errorf("read what is waited for since a restore: %w", err)
	}
	if len(awaited.Sources) > 0 {
		return false, nil
	}
	if p.isPlanned(peer, p.keyOf(rules, now)) { // no need to wait for a long import
		return true, nil
	}
	p.planning.Lock()
	defer p.planning.Unlock()
	if err := p.remember(ctx); err != nil {
		return false, err
	}
	plan := p.newPlan(now)
	if p.isPlanned(peer, plan.key) {
		return true, nil
	}
	plan.only(peer)
	if _, err := p.replan(ctx, plan); err != nil {
		return false, fmt.Errorf("decide again for %s: %w", peer, err)
	}
	return true, nil
}

// Reconsider sends what a peer refused once more, when it has said that it now
// knows other rules, codes or kinds than when it refused.
func (p *Publisher) Reconsider(ctx context.Context, now time.Time, peer gateway.OIN) error {
	p.planning.Lock()
	defer p.planning.Unlock()
	plan := p.newPlan(now)
	plan.only(peer)
	plan.refused = true
	if _, err := p.replan(ctx, plan); err != nil {
		return fmt.Errorf("reconsider what %s refused: %w", peer, err)
	}
	return nil
}

// Resend queues everything a peer may see once more, followed by the list of
// it, from which the peer learns what to drop. It replaces whatever was queued
// for the peer, which then is no longer owed the present state. A peer that was
// never shown anything, and says that it holds nothing, gets no list: most take
// none of a party that offers nothing.
func (p *Publisher) Resend(ctx context.Context, now time.Time, peer gateway.OIN) error {
	p.planning.Lock()
	defer p.planning.Unlock()
	plan := p.newPlan(now)
	if !plan.policy.Loaded() {
		return nil
	}
	plan.only(peer)
	plan.force = true
	if _, err := p.replan(ctx, plan); err != nil {
		return fmt.Errorf("send the present state to %s again: %w", peer, err)
	}
	return p.sendState(ctx, plan, peer)
}

func (p *Publisher) sendState(ctx context.Context, plan *plan, peer gateway.OIN) error {
	state, ever := gateway.CapacityState{Subjects: []string{}}, false
	err := p.eachLast(ctx, peer, func(shown []store.Last) error {
		ever = true
		for _, s := range shown {
			if !s.Withdrawal && s.State != gateway.Withdrawn {
				state.Subjects = append(state.Subjects, s.Subject)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	status, err := p.store.Peer(ctx, peer)
	if err != nil {
		return fmt.Errorf("read peer: %w", err)
	}
	pub := store.Publication{Repays: peer}
	if holdsNothing := status.Hello != nil && status.Hello.Holds.Count == 0; ever || !holdsNothing {
		send, err := stateOf(plan, peer, p.namer().of("state"), state)
		if err != nil {
			return err
		}
		pub.Sends = []store.Send{send}
	}
	if err := p.store.Publish(ctx, plan.now, pub); err != nil {
		return fmt.Errorf("queue state: %w", err)
	}
	return nil
}

func stateOf(plan *plan, peer gateway.OIN, subject string, state gateway.CapacityState) (store.Send, error) {
	data, err := json.Marshal(state)
	if err != nil {
		return store.Send{}, fmt.Errorf("encode state: %w", err)
	}
	return store.Send{
		Recipients: []gateway.OIN{peer}, Kind: gateway.KindCapacityState, Subject: subject,
		Data: data, Hash: gateway.Hash(data), Basis: plan.basis(nil),
	}, nil
}

// eachLast visits what was last queued for a peer, some subjects at a time.
func (p *Publisher) eachLast(ctx context.Context, peer gateway.OIN, visit func([]store.Last) error) error {
	for after := ""; ; {
		some, err := p.store.LastAfter(ctx, peer, after, readAtOnce)
		if err != nil {
			return fmt.Errorf("read what was shown: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
		if err := visit(some); err != nil {
			return err
		}
		after = some[len(some)-1].Subject
	}
}

// replan compares every own offer, and every subject that was shown and is no
// longer an offer, with what the plan's recipients were shown. Samples are taken
// only in a plan for everyone: nobody sees them before the others.
func (p *Publisher) replan(ctx context.Context, plan *plan) (_ Result, err error) {
	ctx, span := p.trace.Start(ctx, "decide again")
	defer func() { span.End(err) }()
	if err := p.beginUnder(ctx, plan); err != nil {
		return Result{}, err
	}
	taken, err := p.readTaken(ctx, plan.now)
	if err != nil {
		return Result{}, err
	}
	r := p.newRun(plan, taken, store.Publication{Correct: true})
	own, next, err := p.replanOffers(ctx, r)
	if err == nil {
		err = p.takeBackOrphans(ctx, r, own)
	}
	if err != nil {
		return r.result(), err
	}
	p.note(func() {
		if plan.everyone {
			p.all = &store.Planned{Rules: plan.key, Next: next}
		}
		for _, party := range plan.recipients {
			if !plan.full[party.OIN] {
				p.planned[party.OIN] = plan.key
			}
		}
	})
	if plan.everyone && len(plan.full) == 0 {
		if err = p.store.SetPlanned(ctx, plan.now, *p.all); err != nil {
			err = fmt.Errorf("note what was planned: %w", err)
		}
	}
	return r.result(), err
}

// replanOffers goes through the own offers, and gives their subjects and when
// the next sample is due.
func (p *Publisher) replanOffers(ctx context.Context, r *run) (own *subjects, next time.Time, err error) {
	next = r.plan.now.AddDate(0, 0, 1) // at the latest: an offer may be added without a plan
	own = &subjects{}
	names := p.namer()
	for after := ""; ; {
		offers, err := p.store.OwnOffersAfter(ctx, after, readAtOnce)
		if err != nil {
			return nil, next, fmt.Errorf("read own offers: %w", err)
		}
		if len(offers) == 0 {
			return own, next, nil
		}
		after = offers[len(offers)-1].Offer.ID
		items := make([]item, len(offers))
		for i := range offers {
			o := &offers[i]
			items[i] = item{OwnOffer: o, subject: names.offer(o.Offer.ID)}
			own.add(items[i].subject)
			if r.plan.everyone {
				before := o.Sampling.Current.At
				o.Sampling = o.Sampling.Advance(o.Offer.With(r.taken[o.Offer.ID]), r.plan.now)
				items[i].put = o.Sampling.Current.At != before
			}
			if due := o.Sampling.NextSample(); due.Before(next) {
				next = due
			}
		}
		if err := r.send(ctx, items); err != nil {
			return nil, next, err
		}
	}
}

// takeBackOrphans withdraws what recipients were shown, or will be, of offers
// that are gone: deleted while the recipient was not in the register, or whose
// withdrawal expired.
func (p *Publisher) takeBackOrphans(ctx context.Context, r *run, own *subjects) error {
	if !r.plan.policy.Loaded() {
		return nil
	}
	own.sort()
	for _, party := range r.plan.recipients {
		err := p.eachLast(ctx, party.OIN, func(shown []store.Last) error {
			pub := store.Publication{Correct: true}
			for _, last := range shown {
				if own.has(last.Subject) || !r.plan.takesBack(last) {
					continue
				}
				// The offer's own id is forgotten; recipients go by the subject.
				gone := gateway.Offer{ID: last.Subject, Provider: p.self}
				pub.Sends = append(pub.Sends, r.plan.withdrawal(gone, last.Subject, []gateway.OIN{party.OIN}))
			}
			if len(pub.Sends) == 0 {
				return nil
			}
			r.note(pub.Sends)
			if err := p.store.Publish(ctx, r.plan.now, pub); err != nil {
				return fmt.Errorf("take back offers that are gone: %w", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Subject is the opaque name of an offer in messages.
func (p *Publisher) Subject(offer string) string { return p.namer().offer(offer) }

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
