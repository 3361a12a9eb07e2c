package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	offered   = 1000                   // messages per second
	perImport = 10                     // of them in one import
	watchTick = 200 * time.Microsecond // how exactly arrivals are timed
	singleGap = 40 * time.Millisecond  // from one to the next: within the limit of requests per second
)

// delays are how long messages took, sorted.
type delays struct {
	stored  []time.Duration // until the receiver had committed them
	settled []time.Duration // until the sender had committed the receipt
}

// offer publishes at fixed times, whatever becomes of it, and times each message
// from the moment it was due: a node that stalls is charged for all that waits.
func (p *pair) offer(ctx context.Context, d time.Duration) (delays, error) {
	return p.timed(ctx, func() ([]due, error) { return p.offering(ctx, d) })
}

func (p *pair) offering(ctx context.Context, d time.Duration) ([]due, error) {
	var all []due
	every := time.Second * perImport / offered
	begin := time.Now()
	for at := begin; at.Before(begin.Add(d)); at = at.Add(every) {
		if err := sleep(ctx, time.Until(at)); err != nil {
			return nil, err
		}
		if err := p.admin.publish(ctx, perImport); err != nil {
			return nil, err
		}
		all = append(all, due{at, perImport})
		if time.Since(begin) > 3*d+time.Second { // it cannot keep up, and the figures say so
			break
		}
	}
	return all, nil
}

// single publishes one offer at a time: the next when the last has arrived.
func (p *pair) single(ctx context.Context, n int) (delays, error) {
	return p.timed(ctx, func() ([]due, error) {
		var all []due
		for range n {
			at := time.Now()
			if err := p.admin.publish(ctx, 1); err != nil {
				return nil, err
			}
			all = append(all, due{at, 1})
			if err := p.await(ctx, p.admin.messages); err != nil {
				return nil, err
			}
			if err := sleep(ctx, time.Until(at.Add(singleGap))); err != nil {
				return nil, err
			}
		}
		return all, nil
	})
}

// due is when some messages were to be published.
type due struct {
	at       time.Time
	messages int
}

// timed watches both nodes closely while load publishes. Messages to one peer
// arrive in the order in which they are published, so that counting them tells
// which has arrived.
func (p *pair) timed(ctx context.Context, load func() ([]due, error)) (delays, error) {
	var d delays
	before, err := p.moment(ctx)
	if err != nil {
		return d, err
	}
	for _, n := range []*process{p.sender, p.receiver} {
		if _, err := n.watch(ctx, watchTick); err != nil {
			return d, err
		}
	}
	all, err := load()
	if err != nil {
		return d, err
	}
	if err := p.await(ctx, p.admin.messages); err != nil {
		return d, err
	}
	sent, err := p.sender.watch(ctx, 0)
	if err != nil {
		return d, err
	}
	accepted, err := p.receiver.watch(ctx, 0)
	if err != nil {
		return d, err
	}
	d.stored, err = arrivals(all, accepted, func(s stats) uint64 { return s.Accepted - before.receiver.Accepted })
	if err != nil {
		return d, err
	}
	d.settled, err = arrivals(all, sent, func(s stats) uint64 { return s.Sent - before.sender.Sent })
	return d, err
}

// arrivals gives the delay of every message: the k-th has arrived at the first
// mark that counts k.
func arrivals(all []due, marks []stats, count func(stats) uint64) ([]time.Duration, error) {
	var delays []time.Duration
	k, i := uint64(0), 0
	for _, d := range all {
		for range d.messages {
			k++
			for i < len(marks) && count(marks[i]) < k {
				i++
			}
			if i == len(marks) {
				return nil, fmt.Errorf("message %d was not seen to arrive", k)
			}
			delays = append(delays, time.Duration(marks[i].At-d.at.UnixNano()))
		}
	}
	slices.Sort(delays)
	return delays, nil
}

// percentile is the delay that a share of all do not exceed.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
