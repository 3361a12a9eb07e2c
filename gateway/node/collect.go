package node

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/exchange"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// collector reads the node when it is asked, so nothing is counted twice.
type collector Node

// Describe says nothing: what a node shows depends on what it has met, and
// Metrics lists it.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every value.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	n := (*Node)(c)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s := sample{ch: ch, now: n.Store.EffectiveTime(time.Now()), known: map[string]Metric{}}
	for _, m := range Metrics() {
		s.known[m.Name] = m
	}
	n.collectBuild(s)
	n.collectCounters(s)
	n.collectRegister(s)
	n.collectRules(s)
	err := n.collectStored(ctx, s)
	s.flag("database_readable", err == nil)
	n.try("read the database for metrics", err)
}

// sample is one answer to a scrape.
type sample struct {
	ch    chan<- prometheus.Metric
	now   time.Time
	known map[string]Metric
}

func (s sample) send(name string, value float64, labels ...string) {
	m, ok := s.known["doorstroom_"+name]
	if !ok {
		panic("not in Metrics: " + name)
	}
	kind := prometheus.GaugeValue
	if m.Type == counter {
		kind = prometheus.CounterValue
	}
	s.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.Name, m.Help, m.Labels, nil), kind, value, labels...)
}

func (s sample) flag(name string, on bool, labels ...string) {
	value := 0.0
	if on {
		value = 1
	}
	s.send(name, value, labels...)
}

// at sends a moment, if there is one.
func (s sample) at(name string, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.send(name, float64(t.Unix()), labels...)
	}
}

func (n *Node) collectBuild(s sample) {
	s.send("build_info", 1, version(), runtime.Version(), strconv.Itoa(exchange.Protocol), strconv.Itoa(store.Format))
}

// version is that of the program.
func version() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		return build.Main.Version
	}
	return "unknown"
}

func (n *Node) collectCounters(s sample) {
	count := n.Exchange.Counters()
	count.In.Each(func(o gateway.Outcome, c uint64) { s.send("messages_in_total", float64(c), string(o)) })
	count.Out.Each(func(o gateway.Outcome, c uint64) { s.send("messages_out_total", float64(c), string(o)) })
	for r, c := range count.Refusals() {
		s.send("messages_refused_total", float64(c), string(r.Peer), string(r.Outcome), string(r.Reason))
	}
	sent, lost, dropped := n.trace.Spans()
	s.send("trace_spans_total", float64(sent), "taken")
	s.send("trace_spans_total", float64(lost), "lost")
	s.send("trace_spans_total", float64(dropped), "dropped")
	s.send("batches_total", float64(count.Attempts.Load()))
	s.send("batch_failures_total", float64(count.Failures.Load()))
}

// collectRegister sends what runs out: the register, and keys and certificates
// of our own.
func (n *Node) collectRegister(s sample) {
	if leaf := n.keys.tls.Leaf; leaf != nil {
		s.at("certificate_expiry_timestamp_seconds", leaf.NotAfter, "own")
	}
	if n.acme != nil {
		if until, ok := n.acme.Expiry(); ok {
			s.at("certificate_expiry_timestamp_seconds", until, "acme")
		}
	}
	reg := n.Desk.Rules().Register
	if reg == nil {
		return
	}
	s.send("register_version", float64(reg.Version()))
	s.at("register_expiry_timestamp_seconds", reg.Document().ValidUntil)
	own, _ := reg.Party(n.opt.Config.Party)
	key, listed := own.SigningKey(n.keys.signing.KID())
	s.flag("signing_key_registered", listed && key.ValidAt(s.now, 0))
	s.at("signing_key_expiry_timestamp_seconds", key.ValidUntil)
}

func (n *Node) collectRules(s sample) {
	policy := n.Desk.PolicyStatus()
	s.flag("policy_error", policy.Error != "")
	s.send("policy_warnings", float64(len(policy.Warnings)))
	s.send("clock_behind_seconds", max(0, time.Until(s.now).Seconds()))
	if at := n.meters.checkpoint.Load(); at != 0 {
		s.send("journal_checkpoint_timestamp_seconds", float64(at))
	}
	if v, ok := n.Desk.LastVerification(); ok {
		s.at("journal_verified_timestamp_seconds", v.At)
		s.flag("journal_verify_error", !v.OK)
	}
	usage := n.Store.Usage()
	s.send("database_bytes", float64(usage.FileBytes), "file")
	s.send("database_bytes", float64(usage.FreeBytes), "free")
	s.send("database_bytes", float64(usage.MaxBytes), "max")
	s.send("database_syncs_total", 2*float64(usage.Commits))
	s.flag("database_full", usage.Full)
	s.flag("database_broken", usage.Broken)
	s.send("backup_interval_seconds", n.backupEvery().Seconds())
}

// collectStored sends what is asked of the database.
func (n *Node) collectStored(ctx context.Context, s sample) error {
	size, err := n.Store.JournalSize(ctx)
	if err != nil {
		return err
	}
	s.send("journal_entries", float64(size))
	if err := n.collectWitnessed(ctx, s); err != nil {
		return err
	}
	if err := n.collectBreakGlass(ctx, s); err != nil {
		return err
	}
	count := n.Desk.ReferralCounts(gateway.DateOf(s.now))
	s.send("referrals_open", float64(count.Open))
	s.send("referrals_own_step", float64(count.Mine))
	s.send("referrals_overdue", float64(count.Overdue))
	s.send("referrals_late", float64(count.Late))
	s.send("referrals_awaited", float64(count.Awaited))
	rights, err := n.Desk.SubjectCounts(ctx, gateway.DateOf(s.now))
	if err != nil {
		return err
	}
	for direction, one := range map[string]desk.SubjectCount{"asked": rights.Asked, "received": rights.Received} {
		s.send("rights_open", float64(one.Open), direction)
		s.send("rights_late", float64(one.Late), direction)
		s.send("rights_left_seconds", float64(one.DaysLeft*24*60*60), direction)
	}
	backup, ok, err := n.Store.LastBackup(ctx)
	if err != nil {
		return err
	}
	if ok {
		s.at("backup_last_timestamp_seconds", backup.At)
		s.send("backup_bytes", float64(backup.Bytes))
		s.send("backup_duration_seconds", backup.Took.Seconds())
	}
	imports, err := n.Store.ImportStates(ctx)
	if err != nil {
		return err
	}
	for _, i := range imports {
		s.at("import_last_timestamp_seconds", i.At, i.Source)
		s.send("import_offers", float64(i.Offers), i.Source)
		s.send("import_bad_offers", float64(i.Bad), i.Source)
		s.flag("import_held", i.Held != nil, i.Source)
	}
	peers, err := n.Store.Peers(ctx)
	if err != nil {
		return err
	}
	n.collectPeers(s, peers)
	if err := n.collectWebhooks(ctx, s); err != nil {
		return err
	}
	return n.collectLogboek(ctx, s)
}

func (n *Node) collectBreakGlass(ctx context.Context, s sample) error {
	shown, err := n.Desk.BreakGlassToShow(ctx)
	if err != nil {
		return err
	}
	open := 0
	for _, b := range shown {
		if b.Open(s.now) {
			open++
		}
	}
	s.send("break_glass_open", float64(open))
	s.send("break_glass_unacknowledged", float64(len(shown)))
	return nil
}

// collectWitnessed tells how far the journal is beyond rewriting unnoticed, and of
// the parties of the register whose journal or heads do not fit.
func (n *Node) collectWitnessed(ctx context.Context, s sample) error {
	state, err := n.Witness.State(ctx)
	if err != nil {
		return err
	}
	s.send("journal_unwitnessed_entries", float64(state.Tail))
	s.send("journal_unwitnessed_seconds", state.Age(s.now).Seconds())
	watched, err := n.Store.Watched(ctx)
	reg := n.Desk.Rules().Register
	if err != nil || reg == nil {
		return err
	}
	for _, party := range reg.Parties() {
		if party.OIN == n.opt.Config.Party {
			continue
		}
		s.flag("journal_witness_conflict", slices.ContainsFunc(state.Statuses, func(w store.WitnessStatus) bool {
			return w.Witness == party.OIN && w.Conflict()
		}), string(party.OIN))
		s.flag("witnessed_journal_refused", slices.ContainsFunc(watched, func(w store.Watched) bool {
			return w.Log == party.OIN && w.Refused != nil
		}), string(party.OIN))
	}
	return nil
}

// collectPeers tells of the parties of the register, and of no others: a party
// that left would stay among the metrics for good.
func (n *Node) collectPeers(s sample, known []store.PeerStatus) {
	reg := n.Desk.Rules().Register
	if reg == nil {
		return
	}
	newer := n.Exchange.Counters().KnowNewer()
	for _, party := range reg.Parties() {
		if party.OIN == n.opt.Config.Party {
			continue
		}
		var p store.PeerStatus
		if i := slices.IndexFunc(known, func(p store.PeerStatus) bool { return p.OIN == party.OIN }); i >= 0 {
			p = known[i]
		}
		peer, oldest := string(party.OIN), 0.0
		if !p.Oldest.IsZero() {
			oldest = s.now.Sub(p.Oldest).Seconds()
		}
		s.send("queue_messages", float64(p.Queued), peer)
		s.send("held_messages", float64(p.Held), peer)
		s.send("received_offers", float64(p.Kept.Subjects), peer)
		s.send("received_bytes", float64(p.Kept.Bytes), peer)
		s.send("remembered_messages", float64(p.Kept.Remembered), peer)
		s.flag("quota_reached", p.Kept.Full, peer)
		s.send("queue_oldest_seconds", oldest, peer)
		s.send("peer_failures", float64(p.Failures), peer)
		s.flag("peer_knows_newer", slices.Contains(newer, party.OIN), peer)
		s.at("peer_last_contact_timestamp_seconds", p.LastContact, peer)
		if p.NextAttempt.After(s.now) {
			s.at("peer_next_attempt_timestamp_seconds", p.NextAttempt, peer)
		}
	}
}
