package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"
)

// live measures a pair of nodes that run: throughput, latency and single, as far
// as they are asked for, and then counts what arrived.
func live(ctx context.Context, b *bench) (err error) {
	f, err := lay(b.folder("live"), shape{requests: b.requests})
	if err != nil {
		return err
	}
	b.say("starting two nodes and publishing %d offers", b.pool())
	p, err := startPair(ctx, f, b.pool())
	if err != nil {
		return err
	}
	err = b.measureLive(ctx, p)
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	b.say("counting what arrived")
	a, err := count(ctx, f, p.admin.messages, p.admin.versions)
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	b.figures.Messages += a.published
	b.figures.Lost += a.lost
	b.figures.Duplicated += a.duplicated
	b.figures.MessageBytes = a.messageBytes
	return nil
}

func (b *bench) measureLive(ctx context.Context, p *pair) error {
	begin, err := p.moment(ctx)
	if err != nil {
		return err
	}
	if b.wants("single") {
		if err := b.measureSingle(ctx, p); err != nil {
			return err
		}
	}
	if b.wants("latency") {
		b.say("offering %d messages per second for %s", offered, b.length())
		d, err := p.offer(ctx, b.length())
		if err != nil {
			return err
		}
		b.figures.P50, b.figures.P99 = ms(percentile(d.stored, 0.5)), ms(percentile(d.stored, 0.99))
		b.figures.SettledP50, b.figures.SettledP99 = ms(percentile(d.settled, 0.5)), ms(percentile(d.settled, 0.99))
	}
	if b.wants("throughput") {
		if err := b.measureThroughput(ctx, p); err != nil {
			return err
		}
	}
	end, err := p.moment(ctx)
	if err != nil {
		return err
	}
	b.figures.Failures += between(begin, end).failures
	return b.measureRSS(p)
}

func (b *bench) measureSingle(ctx context.Context, p *pair) error {
	trips, err := tripTimes(ctx, p.f, 40)
	if err != nil {
		return err
	}
	n := max(20, int(b.length()/4/singleGap))
	b.say("publishing %d offers, one at a time", n)
	d, err := p.single(ctx, n)
	if err != nil {
		return err
	}
	b.figures.RoundTrip = ms(percentile(trips, 0.5))
	b.figures.SingleP50, b.figures.SingleP99 = ms(percentile(d.stored, 0.5)), ms(percentile(d.stored, 0.99))
	b.figures.SingleSettledP99 = ms(percentile(d.settled, 0.99))
	b.figures.SingleBound = 3 * (2*b.figures.Fsync + b.figures.RoundTrip)
	return nil
}

func (b *bench) measureThroughput(ctx context.Context, p *pair) error {
	b.say("sustaining a load for %s", b.length())
	profiles := []string{filepath.Join(b.dir, "sender.pprof"), filepath.Join(b.dir, "receiver.pprof")}
	toggle := func(names ...string) error {
		for i, n := range []*process{p.sender, p.receiver} {
			if _, err := n.tell(ctx, "profile "+names[i]); b.profile && err != nil {
				return err
			}
		}
		return nil
	}
	if b.profile {
		if err := toggle(profiles...); err != nil {
			return err
		}
	}
	s, err := p.sustain(ctx, b.length())
	if err != nil {
		return err
	}
	if b.profile {
		if err := toggle("", ""); err != nil {
			return err
		}
		if b.figures.Profile, b.figures.ProfileOurs, err = byPackage(profiles...); err != nil {
			return err
		}
	}
	b.figures.PerSecond = float64(s.accepted) / s.wall.Seconds()
	b.figures.Ratio = b.figures.PerSecond / b.figures.CryptoLimit
	b.figures.Fsyncs, b.figures.MeanBatch = 2*s.commits, float64(s.messages)/max(1, float64(s.batches))
	per := func(cpu time.Duration) float64 { return float64(cpu.Microseconds()) / max(1, float64(s.messages)) }
	b.figures.CPU = &perMessage{Sender: per(s.sender), Receiver: per(s.receiver), Admin: per(s.admin), Crypto: b.figures.CryptoCPU}
	b.figures.Stolen = s.stolen.Seconds() / s.wall.Seconds() / float64(runtime.NumCPU())
	if all := per(s.total() + s.admin); all > 0 {
		b.figures.Unhindered = float64(runtime.GOMAXPROCS(0)) * 1e6 / all
	}
	return nil
}

// measureRSS keeps the most that was seen of each node.
func (b *bench) measureRSS(p *pair) error {
	sender, err := p.sender.rssAnon()
	if err != nil {
		return err
	}
	receiver, err := p.receiver.rssAnon()
	if err != nil {
		return err
	}
	b.figures.RSS = &both{mb(sender), mb(receiver)}
	return nil
}
