package publication

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// What is available is what neither others, by the export, nor referrals take. An
// offer is stored as the admin brought it; what referrals take is counted in when
// it is sampled and planned.

// readTaken reads what referrals take of the own offers on a day.
func (p *Publisher) readTaken(ctx context.Context, now time.Time) (map[string]gateway.Taken, error) {
	taken, err := p.store.TakenOffers(ctx, gateway.DateOf(now))
	if err != nil {
		return nil, fmt.Errorf("read what referrals take: %w", err)
	}
	return taken, nil
}

// Refresh plans the offers again of which referrals take other places than when it
// was last called: booked or freed ones, and reservations that lapsed. It is cheap
// when there are none.
func (p *Publisher) Refresh(ctx context.Context, now time.Time) (Result, error) {
	p.planning.Lock()
	defer p.planning.Unlock()
	return p.refresh(ctx, now)
}

// Redivide has change commit other allotments of an own offer, while nothing is
// planned, and shows them at once.
func (p *Publisher) Redivide(ctx context.Context, now time.Time, offer string, change func() error) (Result, error) {
	p.planning.Lock()
	defer p.planning.Unlock()
	if err := change(); err != nil {
		return Result{}, err
	}
	return p.refresh(ctx, now, offer)
}

// refresh plans some offers, and those of which referrals take other places.
func (p *Publisher) refresh(ctx context.Context, now time.Time, moved ...string) (Result, error) {
	taken, err := p.readTaken(ctx, now)
	if err != nil {
		return Result{}, err
	}
	prints := map[string]string{}
	for id, places := range taken {
		prints[id] = fmt.Sprint(places)
	}
	known := maps.Clone(prints)
	maps.Copy(known, p.taken)
	for id := range known {
		if prints[id] != p.taken[id] {
			moved = append(moved, id)
		}
	}
	if len(moved) == 0 {
		return Result{}, nil
	}
	slices.Sort(moved)
	moved = slices.Compact(moved)
	var items []item
	names := p.namer()
	for _, id := range moved {
		o, ok, err := p.store.OwnOffer(ctx, id)
		if err != nil {
			return Result{}, fmt.Errorf("read own offer: %w", err)
		}
		if ok {
			items = append(items, item{OwnOffer: &o, subject: names.offer(id)})
		}
	}
	plan := p.newPlan(now)
	if err := p.beginUnder(ctx, plan); err != nil {
		return Result{}, err
	}
	r := p.newRun(plan, taken, store.Publication{Correct: true})
	if err := r.send(ctx, items); err != nil {
		return r.result(), err
	}
	p.taken = prints
	return r.result(), nil
}
