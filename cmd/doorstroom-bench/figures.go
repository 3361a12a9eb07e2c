package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figures is what is measured; what was not asked for is absent. Times are in
// milliseconds unless the name says otherwise.
type figures struct {
	Date    string  `json:"date"`
	Machine string  `json:"machine"`
	Seconds float64 `json:"seconds"`

	PerSecond   float64 `json:"per_second,omitzero"`
	CryptoLimit float64 `json:"crypto_limit_per_second"`
	Ratio       float64 `json:"ratio,omitzero"`
	// Unhindered is what the cores could do per second if they never waited for
	// the disk or for other programs.
	Unhindered float64 `json:"unhindered_per_second,omitzero"`
	Stolen     float64 `json:"stolen_share,omitzero"` // of the cores, that the machine below gave to others
	CryptoCPU  float64 `json:"-"`

	P50              float64 `json:"p50_ms,omitzero"` // until stored by the receiver
	P99              float64 `json:"p99_ms,omitzero"`
	SettledP50       float64 `json:"settled_p50_ms,omitzero"` // until the sender has stored the receipt
	SettledP99       float64 `json:"settled_p99_ms,omitzero"`
	SingleP50        float64 `json:"single_p50_ms,omitzero"`
	SingleP99        float64 `json:"single_p99_ms,omitzero"`
	SingleSettledP99 float64 `json:"single_settled_p99_ms,omitzero"`
	SingleBound      float64 `json:"single_bound_ms,omitzero"` // 3 × (2 fsyncs + 1 round trip)
	Fsync            float64 `json:"fsync_ms"`
	FsyncP99         float64 `json:"fsync_p99_ms"`
	RoundTrip        float64 `json:"round_trip_ms,omitzero"`

	// Missing are the parts that were asked for and not measured to their end.
	// Uncounted: what such a part had sent is not among the lost and duplicated.
	Missing   []string `json:"missing,omitempty"`
	Uncounted bool     `json:"uncounted,omitzero"`

	Messages     int         `json:"messages"` // published in all
	Lost         int         `json:"lost"`
	Duplicated   int         `json:"duplicated"`
	Failures     int         `json:"failures"` // batches that had to be sent again
	Fsyncs       int         `json:"fsyncs,omitzero"`
	MeanBatch    float64     `json:"mean_batch,omitzero"`
	MessageBytes int         `json:"message_bytes,omitzero"`
	CPU          *perMessage `json:"cpu_us_per_message,omitempty"`
	RSS          *both       `json:"rss_anon_mb,omitempty"` // after the load

	Backlog      *backlogFigures `json:"backlog,omitempty"`
	MemoryIdle   *usedMemory     `json:"memory_idle_mb,omitempty"`   // of a new node
	MemoryQueued *usedMemory     `json:"memory_queued_mb,omitempty"` // with a long queue
	Cold         *cold           `json:"cold_start_s,omitempty"`
	Import       *importFigures  `json:"import,omitempty"`
	Isolation    *isolation      `json:"isolation,omitempty"`

	// Of both nodes: by the package that ran, and by the package of ours for
	// which it did.
	Profile     []share `json:"profile,omitempty"`
	ProfileOurs []share `json:"profile_ours,omitempty"`
}

// perMessage is CPU in microseconds.
type perMessage struct {
	Sender   float64 `json:"sender"`
	Receiver float64 `json:"receiver"`
	Admin    float64 `json:"admin"`  // this program
	Crypto   float64 `json:"crypto"` // of these, what a signature and its verification take
}

type both struct {
	Sender   float64 `json:"sender"`
	Receiver float64 `json:"receiver"`
}

// has tells whether a part was measured to its end.
func (f figures) has(part string) bool {
	switch part {
	case "throughput":
		return f.PerSecond > 0
	case "latency":
		return f.P99 > 0
	case "single":
		return f.SingleP99 > 0
	case "backlog":
		return f.Backlog != nil && f.Backlog.DrainRatio > 0 && f.Backlog.LiveRatio > 0 && f.Backlog.StoreRatio > 0
	case "memory":
		return f.MemoryIdle != nil && f.MemoryQueued != nil
	case "coldstart":
		return f.Cold != nil && f.Cold.JournalKilled > 0 && f.Cold.DrainedKilled > 0
	case "import":
		return f.Import != nil
	case "isolation":
		return f.Isolation != nil
	}
	return false
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// verdict is an error where the promise was broken; slowness is none.
func (f figures) verdict() error {
	if f.Lost+f.Duplicated > 0 {
		return fmt.Errorf("%d messages were lost and %d arrived twice", f.Lost, f.Duplicated)
	}
	return nil
}

func (b *bench) write(w io.Writer) error {
	if b.json {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(b.figures)
	}
	if b.markdown {
		return b.figures.markdown(w)
	}
	return b.figures.table(w)
}

// row is one line of the table; a value of "" was not measured.
type row struct{ figure, value, bar string }

// rows are all figures beside what is to be reached.
func (f figures) rows() []row {
	number := func(v float64, digits int, unit string) string {
		if v == 0 {
			return ""
		}
		return strings.TrimSpace(group(v, digits) + " " + unit)
	}
	rows := []row{
		{"messages per second, sustained", number(f.PerSecond, 0, ""), "≥ 6,000"},
		{"raw Ed25519 sign + verify per second, all cores", number(f.CryptoLimit, 0, ""), ""},
		{"ratio of the two", number(f.Ratio, 2, ""), "as near to 1 as can be"},
		{"p50 at 1,000 per second, stored", number(f.P50, 1, "ms"), ""},
		{"p99 at 1,000 per second, stored", number(f.P99, 1, "ms"), "≤ 50 ms"},
		{"p99 at 1,000 per second, settled", number(f.SettledP99, 1, "ms"), ""},
		{"one at a time, p50, stored", number(f.SingleP50, 2, "ms"), ""},
		{"one at a time, p99, stored", number(f.SingleP99, 2, "ms"), number(f.SingleBound, 2, "ms")},
		{"one at a time, p99, settled", number(f.SingleSettledP99, 2, "ms"), ""},
		{"fsync, p50 and p99", number(f.Fsync, 3, "ms") + ", " + number(f.FsyncP99, 3, "ms"), ""},
		{"round trip between idle nodes, p50", number(f.RoundTrip, 2, "ms"), ""},
	}
	if f.Messages > 0 {
		rows = append(rows,
			row{"messages", group(float64(f.Messages), 0), ""},
			row{"lost, doubled", fmt.Sprint(f.Lost, ", ", f.Duplicated), "0, 0"},
			row{"batches that had to be sent again", fmt.Sprint(f.Failures), ""},
		)
	}
	if f.Uncounted {
		rows = append(rows, row{"lost, doubled, in what was broken off", "not counted", "0, 0"})
	}
	rows = append(rows,
		row{"messages in a batch, mean", number(f.MeanBatch, 0, ""), ""},
		row{"fsyncs under the sustained load", number(float64(f.Fsyncs), 0, ""), ""},
		row{"bytes of a message, mean", number(float64(f.MessageBytes), 0, ""), "about 1,200"},
	)
	if c := f.CPU; c != nil {
		rows = append(rows, row{"CPU per message: sender, receiver, admin", fmt.Sprintf("%.0f, %.0f, %.0f µs", c.Sender, c.Receiver, c.Admin), ""},
			row{"of these for a signature and its verification", fmt.Sprintf("%.0f µs", c.Crypto), ""},
			row{"messages per second at that cost, if the cores never waited", number(f.Unhindered, 0, ""), ""},
			row{"of the cores, given to other machines meanwhile", number(100*f.Stolen, 0, "%"), ""})
	}
	if r := f.RSS; r != nil {
		rows = append(rows, row{"anonymous memory after it: sender, receiver", fmt.Sprintf("%.0f, %.0f MB", r.Sender, r.Receiver), ""})
	}
	rows = slices.Concat(rows, f.backlogRows(), f.otherRows(), f.Isolation.rows())
	return append(rows, row{"not measured", strings.Join(f.Missing, ", "), ""})
}

func (f figures) backlogRows() []row {
	b := f.Backlog
	if b == nil {
		return nil
	}
	name := func(what string) string {
		return what + ": " + group(float64(b.Many.Queued), 0) + " beside " + group(few, 0) + " queued"
	}
	pair := func(ratio, many, few float64, digits int) string {
		switch {
		case ratio > 0:
			return fmt.Sprintf("%.2f × (%.*f beside %.*f µs)", ratio, digits, many, digits, few)
		case few > 0:
			return fmt.Sprintf("? (? beside %.*f µs)", digits, few)
		case many > 0:
			return fmt.Sprintf("? (%.*f µs beside ?)", digits, many)
		}
		return ""
	}
	started := ""
	if b.Many.StartedIn > 0 {
		started = fmt.Sprintf("%.1f, %.1f s", b.Many.StartedIn, b.Many.FirstIn)
	}
	return []row{
		{name("draining, CPU of both nodes per message"), pair(b.DrainRatio, b.Many.DrainCPU, b.Few.DrainCPU, 0), "≤ 1.2 ×"},
		{name("draining, time per message"), pair(b.DrainTimeRatio, b.Many.DrainTime, b.Few.DrainTime, 0), "≤ 1.2 ×"},
		{name("another party, CPU of both nodes per message"), pair(b.LiveRatio, b.Many.LiveCPU, b.Few.LiveCPU, 0), "≤ 1.2 ×"},
		{name("another party, time per message"), pair(b.LiveTimeRatio, b.Many.LiveTime, b.Few.LiveTime, 0), "≤ 1.2 ×"},
		{name("the sender's store alone, time per message"), pair(b.StoreRatio, b.Many.StoreTime, b.Few.StoreTime, 1), "≤ 1.6 ×"},
		{name("the sender's store alone, CPU per message"), pair(b.StoreCPURatio, b.Many.StoreCPU, b.Few.StoreCPU, 1), ""},
		{"start of a node with " + group(float64(b.Many.Queued), 0) + " queued, warm: until it listens, and from then until the first are settled", started, ""},
	}
}

func (f figures) otherRows() []row {
	var rows []row
	memory := func(what string, m *usedMemory, bar string) {
		if m != nil {
			rows = append(rows, row{"anonymous memory " + what, fmt.Sprintf("%.0f MB (at most %.0f)", m.End, m.Peak), bar})
		}
	}
	memory("of a new node, idle", f.MemoryIdle, "≤ 40 MB")
	memory("with a long queue, idle", f.MemoryQueued, "≤ 150 MB")
	if c := f.Cold; c != nil {
		rows = append(rows,
			row{"cold start, long journal: store alone, after a stop, after a kill", fmt.Sprintf("%.2f, %.2f, %.2f s", c.JournalOpen, c.JournalClean, c.JournalKilled), "≤ 2 s"},
			row{"cold start, drained queue: store alone, after a stop, after a kill", fmt.Sprintf("%.2f, %.2f, %.2f s", c.DrainedOpen, c.DrainedClean, c.DrainedKilled), "≤ 5 s"})
	}
	if i := f.Import; i != nil {
		rows = append(rows,
			row{fmt.Sprintf("import of %s offers for %d gemeenten: %s messages queued", group(float64(i.Offers), 0), i.Recipients, group(float64(i.Messages), 0)), fmt.Sprintf("%.1f s (CPU %.1f s)", i.Seconds, i.CPU), "< 10 s"},
			row{"anonymous memory during it, at most", fmt.Sprintf("%.0f MB", i.PeakMB), "bounded"})
	}
	return rows
}

// least is the share of a package that is worth a line.
const least = 1.0

type titled struct {
	title  string
	shares []share
}

func (f figures) profiles() []titled {
	if len(f.Profile) == 0 {
		return nil
	}
	return []titled{
		{"CPU of both nodes by the package that ran", f.Profile},
		{"CPU of both nodes by the package of ours for which it ran", f.ProfileOurs},
	}
}

func (f figures) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range f.rows() {
		if r.value != "" {
			fmt.Fprintf(t, "%s\t%s\t%s\n", r.figure, r.value, r.bar)
		}
	}
	for _, p := range f.profiles() {
		fmt.Fprintf(t, "\n%s\n", p.title)
		for _, s := range p.shares {
			if s.Percent >= least {
				fmt.Fprintf(t, "  %s\t%.1f %%\n", s.Package, s.Percent)
			}
		}
	}
	return t.Flush()
}

func (f figures) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s; sustained for %.0f s.\n\n| figure | measured | to reach |\n|---|---|---|\n", f.Date, f.Machine, f.Seconds)
	for _, r := range f.rows() {
		if r.value != "" {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.figure, r.value, r.bar)
		}
	}
	for _, p := range f.profiles() {
		fmt.Fprintf(&b, "\n| %s | share |\n|---|---|\n", p.title)
		for _, s := range p.shares {
			if s.Percent >= least {
				fmt.Fprintf(&b, "| `%s` | %.1f %% |\n", s.Package, s.Percent)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// group writes a number with commas between thousands.
func group(v float64, digits int) string {
	whole, fraction, point := strings.Cut(fmt.Sprintf("%.*f", digits, math.Abs(v)), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if v < 0 {
		whole = "-" + whole
	}
	if point {
		whole += "." + fraction
	}
	return whole
}
