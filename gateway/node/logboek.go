package node

import (
	"context"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/logbook"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// The journal goes to the receiver that the configuration names, an entry at least
// once and in order: what was taken is written down after it was taken.
const (
	logboekBatch = 500
	logboekEvery = 10 * time.Second
	logboekWait  = 5 * time.Minute // at most, after failures
	logboekLate  = time.Hour       // then somebody is told
)

// sendJournal sends entries as they come, until ctx ends.
func (n *Node) sendJournal(ctx context.Context) {
	sender := trace.NewSender(n.opt.Config.Logboek.Endpoint)
	defer sender.Close()
	wait := logboekEvery
	for {
		more, err := n.sendEntries(ctx, sender)
		if ctx.Err() != nil {
			return
		}
		n.try("send the journal to logboek.endpoint", err)
		switch {
		case err != nil:
			n.meters.logboek.WithLabelValues("failed").Inc()
			wait = min(2*wait, logboekWait)
		case more:
			continue
		default:
			wait = logboekEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// sendEntries sends the next entries and tells whether there may be more. It
// begins with what comes after it was first called.
func (n *Node) sendEntries(ctx context.Context, sender *trace.Sender) (more bool, err error) {
	now := n.Store.EffectiveTime(time.Now())
	next, began, err := n.Store.Sent(ctx)
	if err != nil {
		return false, err
	}
	if !began {
		size, err := n.Store.JournalSize(ctx)
		if err != nil {
			return false, err
		}
		return false, n.Store.SetSent(ctx, now, size)
	}
	entries, err := n.Store.Journal(ctx, next, logboekBatch)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	c := n.opt.Config
	var spans []trace.Record
	for _, e := range entries {
		spans = append(spans, logbook.Spans(c.Logboek.Activities, c.Party, logbook.NewRecord(n.keys.secret, e.Index, e.Entry))...)
	}
	if err := sender.Send(ctx, logbook.Resource(c.Party, version()), spans); err != nil {
		return false, err
	}
	n.meters.logboek.WithLabelValues("taken").Add(float64(len(entries)))
	if err := n.Store.SetSent(ctx, now, entries[len(entries)-1].Index+1); err != nil {
		return false, fmt.Errorf("note what was sent: %w", err)
	}
	return len(entries) == logboekBatch, nil
}

// logboekAlarms says, in Dutch, that the receiver of the journal is behind.
func (n *Node) logboekAlarms(ctx context.Context, now time.Time) []string {
	if n.opt.Config.Logboek.Endpoint == "" {
		return nil
	}
	if _, since, err := n.Store.Lag(ctx); err == nil && !since.IsZero() && now.Sub(since) > logboekLate {
		return []string{"de ontvanger van het logboek (logboek.endpoint) loopt meer dan een uur achter; zie het log van de node"}
	}
	return nil
}

// logboek looks at whether the receiver of the journal takes it.
func (x *examination) logboek(ctx context.Context) {
	if x.c.Logboek.Endpoint == "" || x.store == nil {
		return
	}
	entries, since, err := x.store.Lag(ctx)
	switch {
	case err != nil: // database tells
	case since.IsZero():
		x.ok("logboek", "the receiver has taken all of the journal")
	case x.now.Sub(since) > logboekLate:
		x.warn("logboek", "look at the receiver, and in the log for why it does not take them: nothing is lost, they wait in the journal",
			"the receiver that logboek.endpoint names has not taken %s, the first of %s", gateway.Count(entries, "entry", "entries"),
			since.In(gateway.Amsterdam()).Format("2006-01-02 15:04"))
	default:
		x.ok("logboek", "%s to be sent, the first less than an hour old", gateway.Count(entries, "entry is", "entries are"))
	}
}

func (n *Node) collectLogboek(ctx context.Context, s sample) error {
	var entries uint64
	var since time.Time
	var err error
	if n.opt.Config.Logboek.Endpoint != "" {
		if entries, since, err = n.Store.Lag(ctx); err != nil {
			return err
		}
	}
	age := 0.0
	if !since.IsZero() {
		age = s.now.Sub(since).Seconds()
	}
	s.send("logboek_lag_entries", float64(entries))
	s.send("logboek_lag_seconds", age)
	return nil
}
