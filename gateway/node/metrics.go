package node

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Metric describes one metric of a node. Its labels are OINs of the register,
// names that the operator gave, and fixed words: never anything of an offer.
type Metric struct {
	Name, Type, Help string
	Labels           []string
}

// Types of metrics.
const (
	gauge     = "gauge"
	counter   = "counter"
	histogram = "histogram"
)

// Metrics lists every metric that a node shows beside those of the Go runtime
// and the process. docs/monitoring.md is made from it.
func Metrics() []Metric {
	const p = "peer"
	return []Metric{
		{"doorstroom_build_info", gauge, "1; the labels say which program this is and what it speaks.", []string{"version", "go", "protocol", "format"}},
		{"doorstroom_database_readable", gauge, "1 if the database could be read for these metrics; 0: metrics that come from it are missing.", nil},
		{"doorstroom_policy_error", gauge, "1 if the policy files on disk cannot be loaded; the policy in force is then an older one, or none.", nil},
		{"doorstroom_policy_warnings", gauge, "Warnings about the policy in force, such as a party that has left the register.", nil},
		{"doorstroom_clock_behind_seconds", gauge, "How far the clock of this computer is behind the last transaction.", nil},

		{"doorstroom_messages_in_total", counter, "Messages of others since start, by what they were answered.", []string{"outcome"}},
		{"doorstroom_messages_refused_total", counter, "Messages of others since start that were not taken, by sender, outcome and reason code.", []string{p, "outcome", "reason"}},
		{"doorstroom_messages_out_total", counter, "Own messages since start, by what their recipient answered.", []string{"outcome"}},
		{"doorstroom_messages_expired_total", counter, "Own messages since start that were given up because nobody confirmed them in time.", nil},
		{"doorstroom_batches_total", counter, "Batches tried since start.", nil},
		{"doorstroom_batch_failures_total", counter, "Batches, hellos and fetches of a register since start that failed.", nil},
		{"doorstroom_delivery_duration_seconds", histogram, "From dialling a peer with a batch to its answer, or to giving up.", []string{"outcome"}},

		{"doorstroom_queue_messages", gauge, "Messages that wait for a peer.", []string{p}},
		{"doorstroom_held_messages", gauge, "Messages held until a peer supports them.", []string{p}},
		{"doorstroom_received_offers", gauge, "Offers of a peer that are kept here; limits.subjects-per-peer bounds them.", []string{p}},
		{"doorstroom_received_bytes", gauge, "Bytes of the offers of a peer that are kept here; limits.bytes-per-peer bounds them.", []string{p}},
		{"doorstroom_remembered_messages", gauge, "Messages of a peer whose answer is kept, and offers of it that are gone; limits.remembered-per-peer bounds them.", []string{p}},
		{"doorstroom_quota_reached", gauge, "1 if a peer has reached one of these limits: what takes more room must wait.", []string{p}},
		{"doorstroom_queue_oldest_seconds", gauge, "Age of the oldest message that waits or is held; 0: none.", []string{p}},
		{"doorstroom_peer_failures", gauge, "Failed attempts in a row.", []string{p}},
		{"doorstroom_peer_last_contact_timestamp_seconds", gauge, "Last success in either direction; missing if there never was one.", []string{p}},
		{"doorstroom_peer_next_attempt_timestamp_seconds", gauge, "When a peer that failed is tried again; missing if nothing keeps it waiting.", []string{p}},
		{"doorstroom_peer_knows_newer", gauge, "1 if a peer disregarded what was sent to it in the last day because it knows newer messages of this node.", []string{p}},

		{"doorstroom_peer_request_duration_seconds", histogram, "Requests of peers, until the answer was written.", []string{"operation", "status"}},
		{"doorstroom_peer_requests_refused_total", counter, "Requests of peers since start that were not served: rate, large, slow, malformed, identity, full, unavailable or failed.", []string{p, "reason"}},

		{"doorstroom_journal_entries", gauge, "Entries of the journal. It only grows: if it falls, another database is in place.", nil},
		{"doorstroom_journal_checkpoint_timestamp_seconds", gauge, "When the head of the journal was last signed, or found signed already.", nil},
		{"doorstroom_journal_verified_timestamp_seconds", gauge, "When somebody last had the journal recomputed; missing if not since start.", nil},
		{"doorstroom_journal_verify_error", gauge, "1 if the journal did not fit its hashes and checkpoints when last recomputed.", nil},

		{"doorstroom_break_glass_open", gauge, "How many persons may read offers by break-glass access now.", nil},
		{"doorstroom_break_glass_unacknowledged", gauge, "How often break-glass access was opened without a privacy officer having acknowledged it yet.", nil},

		{"doorstroom_referrals_open", gauge, "Referrals of both sides that have not ended.", nil},
		{"doorstroom_referrals_own_step", gauge, "Of these, how many have a next step that is for this node.", nil},
		{"doorstroom_referrals_overdue", gauge, "Of these, how many have a next step, or an answer, that was due before today.", nil},
		{"doorstroom_referrals_late", gauge, "Of these, how many are overdue by more than 5 working days.", nil},
		{"doorstroom_referrals_awaited", gauge, "Of these, how many were put back from a backup and wait for the nodes of their referrers to say what they know.", nil},

		{"doorstroom_rights_open", gauge, "Requests for inhabitants that have no answer: of other parties (received) and of this node (asked).", []string{"direction"}},
		{"doorstroom_rights_late", gauge, "Of these, how many had to be answered before today.", []string{"direction"}},
		{"doorstroom_rights_left_seconds", gauge, "Until the day by which the first of these must be answered, in whole days, below 0 if it is past; 31 days if none must be sooner.", []string{"direction"}},

		{"doorstroom_logboek_entries_total", counter, "Entries of the journal since start that the receiver of logboek.endpoint took (taken), and tries that failed (failed).", []string{"outcome"}},
		{"doorstroom_logboek_lag_entries", gauge, "Entries of the journal that the receiver of logboek.endpoint has not taken yet.", nil},
		{"doorstroom_logboek_lag_seconds", gauge, "Age of the oldest of these; 0: none.", nil},

		{"doorstroom_webhook_failing_seconds", gauge, "How long a webhook has not taken events; 0: it does.", []string{"webhook"}},
		{"doorstroom_webhook_waiting_events", gauge, "Events that a webhook has not taken; also of types that it does not get.", []string{"webhook"}},

		{"doorstroom_journal_unwitnessed_entries", gauge, "Entries of the journal that fewer other parties than wanted have cosigned: they could be rewritten unnoticed.", nil},
		{"doorstroom_journal_unwitnessed_seconds", gauge, "Age of the oldest of these entries; 0 if there are none.", nil},
		{"doorstroom_journal_witness_conflict", gauge, "1 if a witness holds a head of this journal that the journal does not continue.", []string{p}},
		{"doorstroom_witnessed_journal_refused", gauge, "1 if the journal of a peer does not continue what this node witnessed of it.", []string{p}},

		{"doorstroom_database_bytes", gauge, "Size of the database: file, of that free to be written again, and the most it may become (max, 0: no limit).", []string{"use"}},
		{"doorstroom_database_commit_duration_seconds", histogram, "Transactions that were written, syncing included.", nil},
		{"doorstroom_database_operations_total", counter, "Operations since start that were written; several share a transaction.", nil},

		{"doorstroom_database_syncs_total", counter, "Syncs of the database file since start: two for each transaction.", nil},
		{"doorstroom_database_full", gauge, "1 if something new was last refused because the database or its disk is full.", nil},
		{"doorstroom_database_broken", gauge, "1 if the database is damaged, or its disk failed while it was written.", nil},

		{"doorstroom_database_compactions_total", counter, "How often since start the database gave back room to the disk, and how often that failed.", []string{"outcome"}},

		{"doorstroom_backup_interval_seconds", gauge, "How often a backup is to be made; 0: nobody counts on backups.", nil},
		{"doorstroom_backup_last_timestamp_seconds", gauge, "When the last good backup was made; missing if there is none.", nil},
		{"doorstroom_backup_bytes", gauge, "Size of the last good backup.", nil},
		{"doorstroom_backup_duration_seconds", gauge, "How long it took to make and verify.", nil},

		{"doorstroom_trace_spans_total", counter, "Spans since start that the receiver of traces took (taken), that it did not (lost), and that were not sent, because too many waited (dropped).", []string{"outcome"}},

		{"doorstroom_register_version", gauge, "Version of the register in force.", nil},
		{"doorstroom_register_expiry_timestamp_seconds", gauge, "When the register in force expires.", nil},
		{"doorstroom_signing_key_registered", gauge, "1 if the register in force lists the key with which this node signs, and it is valid now.", nil},
		{"doorstroom_signing_key_expiry_timestamp_seconds", gauge, "When that key expires by the register; missing if it does not.", nil},
		{"doorstroom_certificate_expiry_timestamp_seconds", gauge, "When a certificate of this node expires: its own, or the one from the ACME server.", []string{"certificate"}},

		{"doorstroom_import_last_timestamp_seconds", gauge, "When an export of the admin was last taken, by source.", []string{"source"}},
		{"doorstroom_import_offers", gauge, "Good offers in that export.", []string{"source"}},
		{"doorstroom_import_bad_offers", gauge, "Offers in that export that could not be read or published.", []string{"source"}},
		{"doorstroom_import_held", gauge, "1 if an export waits for somebody to confirm or drop it.", []string{"source"}},
	}
}

// meters count what is told, not asked.
type meters struct {
	registry    *prometheus.Registry
	requests    *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	deliveries  *prometheus.HistogramVec
	commits     prometheus.Histogram
	operations  prometheus.Counter
	expired     prometheus.Counter
	compactions *prometheus.CounterVec
	logboek     *prometheus.CounterVec
	checkpoint  atomic.Int64 // Unix time of the last
}

func newMeters() *meters {
	help := map[string]Metric{}
	for _, m := range Metrics() {
		help[m.Name] = m
	}
	timing := func(name string, buckets []float64) (prometheus.HistogramOpts, []string) {
		return prometheus.HistogramOpts{Name: name, Help: help[name].Help, Buckets: buckets}, help[name].Labels
	}
	counting := func(name string) (prometheus.CounterOpts, []string) {
		return prometheus.CounterOpts{Name: name, Help: help[name].Help}, help[name].Labels
	}
	m := &meters{registry: prometheus.NewRegistry()}
	m.requests = prometheus.NewHistogramVec(timing("doorstroom_peer_request_duration_seconds", seconds()))
	m.refused = prometheus.NewCounterVec(counting("doorstroom_peer_requests_refused_total"))
	m.deliveries = prometheus.NewHistogramVec(timing("doorstroom_delivery_duration_seconds", seconds()))
	commits, _ := timing("doorstroom_database_commit_duration_seconds", seconds())
	m.commits = prometheus.NewHistogram(commits)
	operations, _ := counting("doorstroom_database_operations_total")
	m.operations = prometheus.NewCounter(operations)
	expired, _ := counting("doorstroom_messages_expired_total")
	m.expired = prometheus.NewCounter(expired)
	m.compactions = prometheus.NewCounterVec(counting("doorstroom_database_compactions_total"))
	m.logboek = prometheus.NewCounterVec(counting("doorstroom_logboek_entries_total"))
	for _, outcome := range []string{"taken", "failed"} {
		m.logboek.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"done", "failed"} {
		m.compactions.WithLabelValues(outcome)
	}
	for _, outcome := range []string{answered, unanswered} {
		m.deliveries.WithLabelValues(outcome) // there from the start, so that a rise from nothing is seen
	}
	m.registry.MustRegister(m.requests, m.refused, m.deliveries, m.commits, m.operations, m.expired, m.compactions, m.logboek,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// seconds are the buckets of all durations: an fsync takes one of the first, a
// batch to a slow peer one of the last.
func seconds() []float64 {
	return []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}
}

// handler is that of /metrics.
func (n *Node) handler() http.Handler {
	n.meters.registry.MustRegister((*collector)(n))
	return promhttp.HandlerFor(n.meters.registry, promhttp.HandlerOpts{})
}

// Outcomes of a delivery.
const (
	answered   = "answered"
	unanswered = "unanswered"
)

// sent is told of every batch.
func (m *meters) sent(took time.Duration, err error) {
	outcome := answered
	if err != nil {
		outcome = unanswered
	}
	m.deliveries.WithLabelValues(outcome).Observe(took.Seconds())
}

// committed is told of every transaction.
func (m *meters) committed(c store.Commit) {
	m.commits.Observe(c.Took.Seconds())
	m.operations.Add(float64(c.Operations))
}

// request is told of every request of a peer.
func (m *meters) request(ctx context.Context) (context.Context, func(rest.Observed)) {
	began := time.Now()
	return ctx, func(seen rest.Observed) {
		operation := seen.Operation
		if operation == "" {
			operation = "none"
		}
		m.requests.WithLabelValues(operation, strconv.Itoa(seen.Status)).Observe(time.Since(began).Seconds())
		if reason := refusal(seen); reason != "" {
			peer := string(seen.Peer)
			if peer == "" {
				peer = "unknown"
			}
			m.refused.WithLabelValues(peer, reason).Inc()
		}
	}
}

// refusal says why a request was not served; "" if it was.
func refusal(seen rest.Observed) string {
	switch {
	case seen.Limited:
		return "rate"
	case seen.Status < 400:
		return ""
	}
	switch seen.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "identity"
	case http.StatusRequestTimeout:
		return "slow"
	case http.StatusRequestEntityTooLarge:
		return "large"
	case http.StatusTooManyRequests:
		return "full"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	if seen.Status >= 500 {
		return "failed"
	}
	return "malformed"
}
