package publication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	// readAtOnce bounds what is read into memory: offers, or subjects of one peer.
	readAtOnce = 5000
	// What one transaction queues: so many messages, of so much data. More offers
	// than maxOffers in one do not make it cheaper.
	maxQueued = 80_000
	maxData   = 16 << 20
	maxOffers = 1000
)

// item is an offer to plan, and what becomes of it here. Offers are large: items,
// which are sorted, only point to them.
type item struct {
	*store.OwnOffer
	subject string
	put     bool // it is stored
	deleted bool
}

// with is the item with the places that referrals take of its offer.
func (i item) with(taken map[string]gateway.Taken) *item {
	if places := taken[i.Offer.ID]; len(places) > 0 {
		own := *i.OwnOffer
		own.Offer = own.Offer.With(places)
		i.OwnOffer = &own
	}
	return &i
}

// run carries out a plan: it plans some offers while those before are being
// committed, in order. It is used by one goroutine.
type run struct {
	p        *Publisher
	plan     *plan
	progress func(done int)    // nil: nobody asks
	next     store.Publication // what the next commit starts with
	last     store.Publication // Import, Fresh and ShiftsOver of the last commit
	correct  bool
	taken    map[string]gateway.Taken // by referrals, of offers
	pending  *commit                  // under way; nil if none

	done     int // offers committed
	messages int
	woken    map[gateway.OIN]bool
	denied   map[string]*Denial // by rule and set of recipients
}

// commit is one transaction.
type commit struct {
	pub     store.Publication
	offers  int
	refused []gateway.OIN // whose queue is full; belongs to the store until it has ended
	ended   chan error
}

// newRun makes a run. What first holds is part of its first transaction; Correct
// is so for all.
func (p *Publisher) newRun(plan *plan, taken map[string]gateway.Taken, first store.Publication) *run {
	return &run{
		p: p, plan: plan, taken: taken, next: first, correct: first.Correct,
		woken: map[gateway.OIN]bool{}, denied: map[string]*Denial{},
	}
}

func (r *run) result() Result {
	result := Result{Messages: r.messages}
	for _, party := range r.plan.recipients {
		if r.woken[party.OIN] {
			result.Recipients = append(result.Recipients, party.OIN)
		}
	}
	for _, d := range r.denied {
		slices.Sort(d.Offers)
		result.Denied = append(result.Denied, *d)
	}
	slices.SortFunc(result.Denied, func(a, b Denial) int {
		return cmp.Or(slices.Compare(a.Offers, b.Offers), strings.Compare(a.Rule, b.Rule), slices.Compare(a.Recipients, b.Recipients))
	})
	return result
}

// send plans items and commits them with what must be sent of them. When it
// returns nothing is under way.
func (r *run) send(ctx context.Context, items []item) error {
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.subject, b.subject) })
	size := min(maxOffers, max(1, maxQueued/max(1, len(r.plan.recipients))))
	left := len(items)
	if left == 0 && r.last.Import != nil {
		r.next.Import, r.next.Fresh, r.next.ShiftsOver = r.last.Import, r.last.Fresh, r.last.ShiftsOver
		return errors.Join(r.start(ctx, &commit{pub: r.next, ended: make(chan error, 1)}), r.wait())
	}
	for part := range slices.Chunk(items, size) {
		shown, err := r.shown(ctx, part)
		if err != nil {
			return errors.Join(err, r.wait())
		}
		for first := 0; first < len(part); {
			_, span := r.p.trace.Start(ctx, "plan")
			c := r.planSome(part, first, shown)
			span.Count("offers", c.offers)
			span.Count("messages", len(c.pub.Sends))
			err := c.pub.Prepare() // while what was planned before is being committed
			if span.End(err); err != nil {
				return errors.Join(fmt.Errorf("prepare publication: %w", err), r.wait())
			}
			first += c.offers
			if left -= c.offers; left == 0 {
				c.pub.Import, c.pub.Fresh, c.pub.ShiftsOver = r.last.Import, r.last.Fresh, r.last.ShiftsOver
			}
			if err := r.start(ctx, c); err != nil {
				return err
			}
		}
	}
	return r.wait()
}

// shown reads what the plan's recipients were last shown of some offers.
func (r *run) shown(ctx context.Context, part []item) ([][]store.Last, error) {
	recipients := make([]gateway.OIN, len(r.plan.recipients))
	for i, party := range r.plan.recipients {
		recipients[i] = party.OIN
	}
	subjects := make([]string, len(part))
	for i := range part {
		subjects[i] = part[i].subject
	}
	last, err := r.p.store.Last(ctx, recipients, subjects)
	if err != nil {
		return nil, fmt.Errorf("read what was shown: %w", err)
	}
	return last, nil
}

// planSome plans offers from the first on, until there is enough data for one
// transaction.
func (r *run) planSome(part []item, first int, last [][]store.Last) *commit {
	c := &commit{pub: r.next, ended: make(chan error, 1)}
	r.next = store.Publication{Correct: r.correct}
	for data := 0; data < maxData && first+c.offers < len(part); c.offers++ {
		at := first + c.offers
		switch one := &part[at]; {
		case one.deleted:
			c.pub.Delete = append(c.pub.Delete, one.Offer.ID)
		case one.put:
			if c.pub.Put == nil {
				c.pub.Put = make([]store.OwnOffer, 0, len(part)-at)
			}
			c.pub.Put = append(c.pub.Put, *one.OwnOffer)
		}
		if !r.plan.policy.Loaded() {
			c.pub.Undecided = true
			continue // nothing is sent, and nothing taken back
		}
		o := r.p.newOfferPlan(r.plan, part[at].with(r.taken))
		o.decide(func(recipient int) store.Last {
			if last[recipient] == nil {
				return store.Last{}
			}
			return last[recipient][at]
		})
		r.noteDenied(o)
		sent, before := o.sent(), len(c.pub.Sends)
		c.pub.Sends = o.send(c.pub.Sends, sent)
		for i := before; i < len(c.pub.Sends); i++ {
			data += len(c.pub.Sends[i].Data)
		}
		c.pub.Journal = o.entries(c.pub.Journal, sent)
	}
	return c
}

// noteDenied puts offers together that one rule keeps from the same recipients.
func (r *run) noteDenied(o *offerPlan) {
	for _, d := range o.denied {
		key := d.rule + "\x00" + string(d.set)
		if r.denied[key] == nil {
			r.denied[key] = &Denial{Rule: d.rule, Recipients: d.recipients}
		}
		r.denied[key].Offers = append(r.denied[key].Offers, o.Offer.ID)
	}
}

// start waits for the commit under way and begins the next, which wait ends.
func (r *run) start(ctx context.Context, c *commit) error {
	if err := r.wait(); err != nil {
		return err
	}
	r.pending = c
	if len(c.pub.Put)+len(c.pub.Delete)+len(c.pub.Sends)+len(c.pub.Journal) == 0 && c.pub.Import == nil {
		c.ended <- nil
		return nil
	}
	c.pub.Full = func(oin gateway.OIN) { c.refused = append(c.refused, oin) }
	go func() {
		ctx, span := r.p.trace.Start(ctx, "commit")
		err := r.p.store.Publish(ctx, r.plan.now, c.pub)
		span.End(err)
		c.ended <- err
	}()
	return nil
}

// wait ends the commit under way.
func (r *run) wait() error {
	c := r.pending
	if c == nil {
		return nil
	}
	r.pending = nil
	err := <-c.ended
	for _, oin := range c.refused {
		r.plan.full[oin] = true
		r.p.note(func() { r.p.planned[oin] = "" }) // planned again, and more queued, as its queue drains
	}
	if err != nil {
		return fmt.Errorf("commit publication: %w", err)
	}
	r.done += c.offers
	r.note(c.pub.Sends)
	if r.progress != nil {
		r.progress(r.done)
	}
	return nil
}

// note counts messages that are queued and remembers for whom.
func (r *run) note(sends []store.Send) {
	for _, send := range sends {
		r.messages += len(send.Recipients)
		for _, to := range send.Recipients {
			r.woken[to] = true
		}
	}
}
