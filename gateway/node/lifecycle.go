package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// stopWithin bounds the whole of Stop.
const stopWithin = 20 * time.Second

// lifecycle is a stack of named things to stop, last started first.
type lifecycle struct {
	mu    sync.Mutex
	steps []step // guarded by mu
}

type step struct {
	name string
	stop func(context.Context) error
}

func (l *lifecycle) push(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

func (l *lifecycle) unwind(ctx context.Context) error {
	l.mu.Lock()
	steps := l.steps
	l.steps = nil
	l.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		if err := steps[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
		}
	}
	return errors.Join(errs...)
}

// Start installs the register file, opens the listeners and starts delivering.
// If it fails, Stop still has to be called.
func (n *Node) Start(ctx context.Context) error {
	now := n.Store.EffectiveTime(time.Now())
	if err := n.Store.Append(ctx, now, journal.Entry{Time: now, Kind: journal.KindStart}); err != nil {
		return fmt.Errorf("journal start: %w", err)
	}
	n.running.push("journal", func(ctx context.Context) error {
		now := n.Store.EffectiveTime(time.Now())
		err := n.Store.Append(ctx, now, journal.Entry{Time: now, Kind: journal.KindStop})
		return errors.Join(err, n.Desk.Checkpoint(ctx))
	})
	n.checkpoint(ctx)
	n.passOldRegister()
	if err := n.installRegisterFile(ctx); err != nil {
		n.log.Error("the register file was not installed", "error", err)
	}
	if n.network != nil {
		if err := n.network.listen(ctx); err != nil {
			return err
		}
	}
	n.Exchange.Start(context.WithoutCancel(ctx))
	n.running.push("exchange", func(context.Context) error { n.Exchange.Stop(); return nil })
	n.Witness.Start(context.WithoutCancel(ctx))
	n.running.push("witnesses", func(context.Context) error { n.Witness.Stop(); return nil })
	n.started.Store(true)
	n.setWebhooks(ctx)
	n.running.push("webhooks", func(context.Context) error { n.started.Store(false); n.Events.Stop(); return nil })
	n.background("clock", n.clock)
	n.background("backups", n.backups)
	n.background("mail", n.mails)
	n.background("allotments", n.allotments)
	if n.opt.Config.Logboek.Endpoint != "" {
		n.background("logboek", n.sendJournal)
	}
	if n.opt.Config.Drop.Folder != "" {
		n.background("drop folder", n.watchDrop)
	}
	return nil
}

// background runs f until Stop, which waits for it.
func (n *Node) background(name string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	n.running.push(name, func(within context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-within.Done():
			return within.Err()
		}
	})
}

// Stop ends everything and closes the database. It may be called more than
// once and at any point after New.
func (n *Node) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return errors.Join(n.running.unwind(ctx), n.Store.Close(), n.closeVault(), n.trace.Stop(ctx))
}

// Run runs the node until ctx ends or the process is told to: SIGINT and
// SIGTERM stop it, SIGHUP reloads. ready is called once everything listens.
func Run(ctx context.Context, opt Options, ready func(*Node)) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	spareCollections()
	n, err := New(ctx, opt)
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return errors.Join(err, n.Stop(ctx))
	}
	ready(n)
	for {
		select {
		case <-ctx.Done():
			return n.Stop(ctx)
		case <-hup:
			if _, err := n.Desk.Reload(ctx, operator); err != nil {
				n.log.Error("reload", "error", err)
			}
		}
	}
}

// clock does what only time brings about: samples, expiry, dates in rules,
// checkpoints, purging. Dates and the fixed moment of samples are minutes wide;
// the rest can wait an hour.
func (n *Node) clock(ctx context.Context) {
	tick := time.NewTicker(5 * time.Minute)
	defer tick.Stop()
	var hour time.Time
	alarmed := false
	last := readClock(time.Now())
	for {
		alarmed = n.compareClock(ctx, alarmed)
		n.try("write the database", writable(n.Store.Usage()))
		now := readClock(time.Now())
		n.leapt(ctx, last, now)
		last = now
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := n.Store.EffectiveTime(time.Now())
		n.try("renew what is shown", n.Desk.Renew(ctx))
		_, err := n.Store.IndexJournal(ctx, at)
		n.try("index the journal", err)
		if at.Sub(hour) < time.Hour {
			continue
		}
		hour = at
		expired, err := n.Store.Expire(ctx, at)
		n.meters.expired.Add(float64(expired))
		n.try("expire messages", err)
		n.checkpoint(ctx)
		if _, err = n.Store.Purge(ctx, time.Now()); !errors.Is(err, store.ErrClock) { // which compareClock tells
			n.try("purge", err)
		}
		n.reduceJournal(ctx)
		n.compact(ctx)
	}
}

// writable says why the database takes nothing, or nothing new.
func writable(u store.Usage) error {
	switch {
	case u.Broken:
		return errors.New("it is damaged or its disk failed: look at the disk and restart, or put back the last backup")
	case u.Full:
		return errors.New("it is full, or its disk is: nothing new is taken until there is room")
	}
	return nil
}

// checkpoint signs the head of the journal.
func (n *Node) checkpoint(ctx context.Context) {
	err := n.Desk.Checkpoint(ctx)
	if err == nil {
		n.meters.checkpoint.Store(n.Store.EffectiveTime(time.Now()).Unix())
	}
	n.try("sign checkpoint", err)
}

// compact gives the disk back what the database has long emptied.
func (n *Node) compact(ctx context.Context) {
	if !n.Store.Usage().Wasteful() {
		return
	}
	did, err := n.Store.Compact(ctx, n.Store.EffectiveTime(time.Now()))
	n.try("compact the database", err)
	if err != nil {
		n.meters.compactions.WithLabelValues("failed").Inc()
		return
	}
	n.meters.compactions.WithLabelValues("done").Inc()
	n.log.Info("the database was compacted", "from", did.Before, "to", did.After, "took", did.Took.Round(time.Millisecond).String())
}

// compareClock journals, once each time, that the clock was set back: from then
// on the node goes by the time of its last transaction, and purges nothing.
func (n *Node) compareClock(ctx context.Context, alarmed bool) bool {
	wall := time.Now()
	now := n.Store.EffectiveTime(wall)
	behind := now.Sub(wall)
	if behind > gateway.ClockSkew && !alarmed {
		n.log.Error("the clock of this computer was set back; nothing is purged until it is right", "behind", behind.Round(time.Second).String())
		n.try("journal clock alarm", n.Store.Append(ctx, now, journal.Entry{Time: now, Kind: journal.KindClockAlarm}))
	}
	return behind > gateway.ClockSkew
}

// reading is a clock as it was read, and the time that did not jump with it.
type reading struct{ wall, steady time.Time }

func readClock(now time.Time) reading { return reading{wall: now.Round(0), steady: now} }

// ahead is by how much the clock went on more than time did between two
// readings; less than the skew is nothing.
func (r reading) ahead(last reading) time.Duration {
	by := r.wall.Sub(last.wall) - r.steady.Sub(last.steady)
	if by <= gateway.ClockSkew {
		return 0
	}
	return by
}

// leapt journals that the clock went ahead: what others then say of times to
// come, and what expires, is otherwise hard to explain afterwards. A computer
// that was asleep looks the same.
func (n *Node) leapt(ctx context.Context, last, now reading) {
	by := now.ahead(last)
	if by == 0 {
		return
	}
	n.log.Warn("the clock went ahead: it was set, or this computer slept", "by", by.Round(time.Second).String())
	at := n.Store.EffectiveTime(now.wall)
	n.try("journal clock leap", n.Store.Append(ctx, at, journal.Entry{Time: at, Kind: journal.KindClockLeap}))
}

// try notes how something in the background went: call it after every try.
func (n *Node) try(what string, err error) { n.trying.report(n.log, what, err) }
