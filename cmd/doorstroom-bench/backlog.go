package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	few       = 1000  // queued, to compare with
	warmUp    = 2000  // messages that are drained before the clock starts
	drained   = 20000 // of a long queue, at the most
	fewRounds = 5     // a short queue is soon empty: it is filled so often, but in a trial

	draining, another, storing = "draining them", "another party's", "the sender's store alone"
)

// depth is what one message costs with so many queued: microseconds of CPU of
// both nodes, and of time.
type depth struct {
	Queued    int     `json:"queued"`
	DrainCPU  float64 `json:"drain_cpu_us"`
	DrainTime float64 `json:"drain_us"`
	LiveCPU   float64 `json:"live_cpu_us"` // another party's, while they wait
	LiveTime  float64 `json:"live_us"`
	StoreCPU  float64 `json:"store_cpu_us"` // the sender's store alone
	StoreTime float64 `json:"store_us"`
	FileMB    float64 `json:"file_mb"`
	StartedIn float64 `json:"started_s"` // seconds until the sender listened, warm
	FirstIn   float64 `json:"first_s"`   // seconds from then until the first messages were settled
}

// backlogFigures compares a long queue with a short one.
type backlogFigures struct {
	Few        depth   `json:"few"`
	Many       depth   `json:"many"`
	DrainRatio float64 `json:"drain_ratio"` // of CPU
	LiveRatio  float64 `json:"live_ratio"`  // of CPU
	StoreRatio float64 `json:"store_ratio"` // of time
	// The same of time and of CPU; CPU is what the other programs of the machine
	// change least.
	DrainTimeRatio float64 `json:"drain_time_ratio"`
	LiveTimeRatio  float64 `json:"live_time_ratio"`
	StoreCPURatio  float64 `json:"store_cpu_ratio"`
}

// deep measures what needs a long queue: backlog, memory with it, and the start
// of a node that has drained it.
func deep(ctx context.Context, b *bench) error {
	figures := &backlogFigures{Few: depth{Queued: few}, Many: depth{Queued: b.queued}}
	if b.wants("backlog") {
		b.figures.Backlog = figures
		if err := b.shortQueue(ctx, &figures.Few); err != nil {
			return err
		}
	}
	if err := b.longQueue(ctx, &figures.Many); err != nil {
		return err
	}
	if !b.wants("backlog") {
		return nil
	}
	for _, d := range []*depth{&figures.Few, &figures.Many} {
		if err := b.liveBeside(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// compared shows some more of what was measured with a queue, and works out the
// ratios of which both sides are known.
func (b *bench) compared(d *depth, what string, cpu, time float64) {
	b.say("with %d queued, %s: %.1f µs of CPU and %.1f µs of time per message", d.Queued, what, cpu, time)
	f := b.figures.Backlog
	for _, one := range []struct {
		ratio     *float64
		many, few float64
	}{
		{&f.DrainRatio, f.Many.DrainCPU, f.Few.DrainCPU}, {&f.DrainTimeRatio, f.Many.DrainTime, f.Few.DrainTime},
		{&f.LiveRatio, f.Many.LiveCPU, f.Few.LiveCPU}, {&f.LiveTimeRatio, f.Many.LiveTime, f.Few.LiveTime},
		{&f.StoreRatio, f.Many.StoreTime, f.Few.StoreTime}, {&f.StoreCPURatio, f.Many.StoreCPU, f.Few.StoreCPU},
	} {
		if one.few > 0 {
			*one.ratio = one.many / one.few
		}
	}
}

func bigShape() shape {
	return shape{queue: bigQueue, database: bigFile, strict: true, others: []gateway.Party{{
		OIN: absentOIN, Name: "Afwezig", Kind: gateway.GemeenteKind, Endpoint: "https://127.0.0.1:9",
		Gemeenten: []gateway.GemeenteFor{{Code: absentGemeente}},
	}}}
}

// shortQueue drains a few messages, some times over.
func (b *bench) shortQueue(ctx context.Context, d *depth) error {
	var sum span
	var cpu, wall time.Duration
	rounds := fewRounds
	if b.trial() {
		rounds = 1
	}
	b.say("draining %d queued messages, %d times", few, rounds)
	for round := range rounds {
		f, err := lay(b.folder(fmt.Sprint("few-", round)), bigShape())
		if err != nil {
			return err
		}
		if err := seed(ctx, f, warmUp+few, receiverOIN, receiverGemeente); err != nil {
			return err
		}
		s, err := b.drain(ctx, f, warmUp, few, d)
		if err != nil {
			return err
		}
		sum.messages, sum.sender, sum.receiver, sum.wall = sum.messages+s.messages, sum.sender+s.sender, sum.receiver+s.receiver, sum.wall+s.wall
		if err := b.countDrained(ctx, f, warmUp+few); err != nil {
			return err
		}
		if f, err = lay(b.folder(fmt.Sprint("few-store-", round)), bigShape()); err != nil {
			return err
		}
		if err := seed(ctx, f, warmUp+few, receiverOIN, receiverGemeente); err != nil {
			return err
		}
		c, w, err := storeCost(ctx, f, warmUp, few)
		if err != nil {
			return err
		}
		cpu, wall = cpu+c, wall+w
	}
	d.DrainCPU, d.DrainTime = each(sum.total(), sum.messages), each(sum.wall, sum.messages)
	d.StoreCPU, d.StoreTime = each(cpu, rounds*few), each(wall, rounds*few)
	b.compared(d, draining, d.DrainCPU, d.DrainTime)
	b.compared(d, storing, d.StoreCPU, d.StoreTime)
	return nil
}

func each(d time.Duration, n int) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(max(1, n))
}

// longQueue makes the long queue and does with it all that is asked for.
func (b *bench) longQueue(ctx context.Context, d *depth) error {
	f, err := lay(b.folder("many"), bigShape())
	if err != nil {
		return err
	}
	b.say("queueing %d messages for one party", b.queued)
	if err := seed(ctx, f, b.queued, receiverOIN, receiverGemeente); err != nil {
		return err
	}
	if b.wants("memory") {
		b.say("starting a node with %d messages queued", b.queued)
		if b.figures.MemoryQueued, err = b.idle(ctx, f.sender); err != nil {
			return err
		}
	}
	if b.wants("backlog") {
		n := max(few, min(drained, b.queued/2-warmUp))
		b.say("draining %d of them", n)
		s, err := b.drain(ctx, f, warmUp, n, d)
		if err != nil {
			return err
		}
		d.DrainCPU, d.DrainTime = each(s.total(), s.messages), each(s.wall, s.messages)
		b.compared(d, draining, d.DrainCPU, d.DrainTime)
		if err := b.countDrained(ctx, f, 0); err != nil {
			return err
		}
		cpu, wall, err := storeCost(ctx, f, 0, n)
		if err != nil {
			return err
		}
		d.StoreCPU, d.StoreTime = each(cpu, n), each(wall, n)
		b.compared(d, storing, d.StoreCPU, d.StoreTime)
	}
	if b.wants("coldstart") {
		return b.coldDrained(ctx, f)
	}
	return nil
}

// drain starts both nodes and measures n messages of those that wait, after some
// that it does not count. The receiver is held until the sender is ready.
func (b *bench) drain(ctx context.Context, f *federation, skip, n int, d *depth) (s span, err error) {
	receiver, _, err := start(ctx, f.receiver)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, receiver.stop()) }()
	if err := receiver.freeze(); err != nil {
		return s, err
	}
	sender, took, err := start(ctx, f.sender)
	if err = errors.Join(err, receiver.thaw()); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, sender.stop()) }()
	d.StartedIn = took.Seconds()
	listens := time.Now()
	p := &pair{f: f, sender: sender, receiver: receiver}
	if _, err := sender.watch(ctx, time.Millisecond); err != nil {
		return s, err
	}
	if err := p.await(ctx, 1); err != nil {
		return s, err
	}
	d.FirstIn = time.Since(listens).Seconds()
	if err := p.await(ctx, skip); err != nil {
		return s, err
	}
	begin, err := p.moment(ctx)
	if err != nil {
		return s, err
	}
	if err := p.await(ctx, skip+n); err != nil {
		return s, err
	}
	end, err := p.moment(ctx)
	d.FileMB = mb(end.sender.FileBytes)
	b.figures.Messages += int(end.sender.Sent)
	return between(begin, end), err
}

// countDrained looks for what was lost or doubled; queued is how many there
// were, if all have been sent.
func (b *bench) countDrained(ctx context.Context, f *federation, queued int) error {
	a, err := count(ctx, f, queued, nil)
	b.figures.Lost += a.lost
	b.figures.Duplicated += a.duplicated
	return err
}

// storeCost is the CPU and the time of the sender's store for n messages, after
// some that are not counted.
func storeCost(ctx context.Context, f *federation, skip, n int) (cpu, wall time.Duration, err error) {
	err = withStore(f.sender, func(s *store.Store) error {
		if _, err := settle(ctx, s, receiverOIN, skip, gateway.MaxBatch); err != nil {
			return err
		}
		used, begin := cpuTime(), time.Now()
		got, err := settle(ctx, s, receiverOIN, n, gateway.MaxBatch)
		cpu, wall = time.Duration(cpuTime()-used), time.Since(begin)
		if err == nil && got != n {
			err = fmt.Errorf("%d messages waited, want %d", got, n)
		}
		return err
	})
	return cpu, wall, err
}

// liveBeside sustains a load to one party while messages wait for another that
// nobody answers for.
func (b *bench) liveBeside(ctx context.Context, d *depth) error {
	f, err := lay(b.folder(fmt.Sprint("beside-", d.Queued)), bigShape())
	if err != nil {
		return err
	}
	b.say("sustaining a load to one party while %d messages wait for another", d.Queued)
	if err := seed(ctx, f, d.Queued, absentOIN, absentGemeente); err != nil {
		return err
	}
	p, err := startPair(ctx, f, b.pool())
	if err != nil {
		return err
	}
	s, err := p.sustain(ctx, b.length())
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	d.LiveCPU, d.LiveTime = each(s.total(), s.messages), each(s.wall, s.messages)
	b.compared(d, another, d.LiveCPU, d.LiveTime)
	b.figures.Messages += p.admin.messages
	a, err := count(ctx, f, p.admin.messages, p.admin.versions)
	b.figures.Lost += a.lost
	b.figures.Duplicated += a.duplicated
	return err
}
