package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	pool   = 5000            // offers that change in turn
	burst  = 500             // offers in one import
	window = 2000            // messages under way, at which the admin waits; with burst, fewer than pool
	stuck  = 3 * time.Minute // without a single message
)

// pair is the two nodes of a federation that run.
type pair struct {
	f                *federation
	sender, receiver *process
	admin            *admin
}

// startPair starts both nodes and publishes a pool of offers, which arrive.
func startPair(ctx context.Context, f *federation, offers int) (*pair, error) {
	receiver, _, err := start(ctx, f.receiver)
	if err != nil {
		return nil, err
	}
	sender, _, err := start(ctx, f.sender)
	if err != nil {
		return nil, errors.Join(err, receiver.stop())
	}
	p := &pair{f: f, sender: sender, receiver: receiver, admin: newAdmin(sender.local, receiverGemeente, offers)}
	if err := p.fill(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// window leaves so few under way that no offer is published again before it has
// arrived: the newer version would overtake it.
func (p *pair) window() int { return max(0, min(window, p.admin.pool-burst)) }

func (p *pair) fill(ctx context.Context) error {
	if _, err := p.sender.watch(ctx, 5*time.Millisecond); err != nil {
		return err
	}
	for p.admin.messages < p.admin.pool {
		if err := p.admin.publish(ctx, min(burst, p.admin.pool)); err != nil {
			return err
		}
		if err := p.await(ctx, p.admin.messages-p.window()); err != nil {
			return err
		}
	}
	return p.await(ctx, p.admin.messages)
}

// await waits until the sender has receipts for so many messages since it
// started; the sender is watched. It gives up when nothing moves any more.
func (p *pair) await(ctx context.Context, messages int) error {
	for {
		seen := int(p.sender.told().Sent)
		if seen >= messages {
			return nil
		}
		moves, cancel := context.WithTimeoutCause(ctx, stuck,
			fmt.Errorf("for %s no message was settled: %d of %d", stuck, seen, messages))
		err := p.sender.await(moves, func(s stats) bool { return int(s.Sent) > seen })
		cause := context.Cause(moves)
		cancel()
		if err != nil && cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
	}
}

func (p *pair) stop() error { return errors.Join(p.sender.stop(), p.receiver.stop()) }

// span is what happened between two moments.
type span struct {
	wall                    time.Duration
	messages                int // settled
	accepted                int
	batches, failures       int
	commits                 int           // of both
	sender, receiver, admin time.Duration // CPU
	stolen                  time.Duration // of all cores together
}

// total is the CPU of both nodes.
func (s span) total() time.Duration { return s.sender + s.receiver }

// moment is how things stand.
type moment struct {
	at               time.Time
	sender, receiver stats
	admin            int64
	stolen           time.Duration
}

func (p *pair) moment(ctx context.Context) (m moment, err error) {
	m.at, m.admin, m.stolen = time.Now(), cpuTime(), stolen()
	if m.sender, err = p.sender.stats(ctx); err != nil {
		return m, err
	}
	m.receiver, err = p.receiver.stats(ctx)
	return m, err
}

func between(a, b moment) span {
	return span{
		wall: b.at.Sub(a.at), messages: int(b.sender.Sent - a.sender.Sent), accepted: int(b.receiver.Accepted - a.receiver.Accepted),
		batches: int(b.sender.Attempts - a.sender.Attempts), failures: int(b.sender.Failures - a.sender.Failures),
		commits: int(b.sender.Commits - a.sender.Commits + b.receiver.Commits - a.receiver.Commits),
		sender:  time.Duration(b.sender.CPU - a.sender.CPU), receiver: time.Duration(b.receiver.CPU - a.receiver.CPU),
		admin: time.Duration(b.admin - a.admin), stolen: b.stolen - a.stolen,
	}
}

// sustain publishes for as long as d and keeps a bounded number of messages
// under way: the queue neither runs empty nor grows.
func (p *pair) sustain(ctx context.Context, d time.Duration) (span, error) {
	if _, err := p.sender.watch(ctx, 5*time.Millisecond); err != nil {
		return span{}, err
	}
	begin, err := p.moment(ctx)
	if err != nil {
		return span{}, err
	}
	for time.Since(begin.at) < d {
		if err := p.await(ctx, p.admin.messages-p.window()); err != nil {
			return span{}, err
		}
		if err := p.admin.publish(ctx, min(burst, p.admin.pool)); err != nil {
			return span{}, err
		}
	}
	end, err := p.moment(ctx)
	if err != nil {
		return span{}, err
	}
	return between(begin, end), p.await(ctx, p.admin.messages)
}
