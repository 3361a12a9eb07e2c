package node

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is the handler of /metrics. Labels are OINs and outcomes, never
// anything of an offer.
func (n *Node) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), (*collector)(n))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// collector reads the node when it is asked, so nothing is counted twice.
type collector Node

var (
	descIn       = desc("messages_in_total", "Messages received since start, by outcome.", "outcome")
	descSent     = desc("messages_out_total", "Messages settled by peers since start.")
	descAttempts = desc("batches_total", "Batches tried since start.")
	descFailures = desc("batch_failures_total", "Batches, hellos and fetches that failed since start.")
	descQueued   = desc("queue_messages", "Messages that wait for a peer.", "peer")
	descHeld     = desc("held_messages", "Messages held until a peer supports them.", "peer")
	descOldest   = desc("queue_oldest_seconds", "Age of the oldest message that waits for a peer.", "peer")
	descFailing  = desc("peer_failures", "Failed attempts in a row.", "peer")
	descJournal  = desc("journal_entries", "Entries of the journal.")
	descPolicy   = desc("policy_error", "1 if the policy files on disk cannot be loaded.")
	descRegister = desc("register_expiry_timestamp_seconds", "When the register in force expires.")
	descDatabase = desc("database_bytes", "Size of the database, by use.", "use")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("doorstroom_"+name, help, labels, nil)
}

// Describe sends every description.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descIn, descSent, descAttempts, descFailures, descQueued, descHeld, descOldest, descFailing,
		descJournal, descPolicy, descRegister, descDatabase,
	} {
		ch <- d
	}
}

// Collect sends every value.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	n := (*Node)(c)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count := n.Exchange.Counters()
	counter(descIn, count.Accepted.Load(), "received")
	counter(descIn, count.Superseded.Load(), "superseded")
	counter(descIn, count.Refused.Load(), "refused")
	counter(descIn, count.RetryLater.Load(), "retry-later")
	counter(descIn, count.Unsupported.Load(), "unsupported")
	counter(descSent, count.Sent.Load())
	counter(descAttempts, count.Attempts.Load())
	counter(descFailures, count.Failures.Load())
	n.collectPeers(ctx, gauge)
	if size, err := n.Store.JournalSize(ctx); err == nil {
		gauge(descJournal, float64(size))
	}
	failed := 0.0
	if n.Desk.PolicyStatus().Error != "" {
		failed = 1
	}
	gauge(descPolicy, failed)
	if reg := n.Desk.Rules().Register; reg != nil {
		gauge(descRegister, float64(reg.Document().ValidUntil.Unix()))
	}
	usage := n.Store.Usage()
	gauge(descDatabase, float64(usage.FileBytes), "file")
	gauge(descDatabase, float64(usage.FreeBytes), "free")
}

func (n *Node) collectPeers(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	peers, err := n.Store.Peers(ctx)
	if err != nil {
		n.log.Error("collect metrics", "error", err)
		return
	}
	now := n.Store.EffectiveTime(time.Now())
	for _, p := range peers {
		peer := string(p.OIN)
		gauge(descQueued, float64(p.Queued), peer)
		gauge(descHeld, float64(p.Held), peer)
		gauge(descFailing, float64(p.Failures), peer)
		oldest := 0.0
		if !p.Oldest.IsZero() {
			oldest = now.Sub(p.Oldest).Seconds()
		}
		gauge(descOldest, oldest, peer)
	}
}
