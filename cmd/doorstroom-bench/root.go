package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
)

// options are the flags.
type options struct {
	seconds        float64
	json, markdown bool
	dir            string
	only           []string
	profile        bool
	requests       int
	queued, offers int
}

// bench is one run.
type bench struct {
	options
	figures  figures
	progress io.Writer
}

// part is one thing that can be asked for.
type part struct{ name, what string }

func parts() []part {
	return []part{
		{"throughput", "messages per second, sustained"},
		{"latency", "how long messages take at 1,000 per second"},
		{"single", "how long one message at a time takes"},
		{"backlog", "what a message costs with a long queue"},
		{"memory", "of a new node, and of one with a long queue"},
		{"coldstart", "of a node whose database is not in the page cache"},
		{"import", "one export for every gemeente"},
		{"isolation", "what one party's flood costs another"},
	}
}

// step measures some parts at once.
type step struct {
	run    func(context.Context, *bench) error
	parts  []string
	counts bool // at its end, what became of the messages that it sent
}

func steps() []step {
	return []step{
		{live, []string{"single", "latency", "throughput"}, true},
		{fresh, []string{"memory"}, false},
		{importing, []string{"import"}, false},
		{isolating, []string{"isolation"}, true},
		{journalled, []string{"coldstart"}, false},
		{deep, []string{"backlog", "memory", "coldstart"}, true},
	}
}

func newRootCommand(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	b := &bench{progress: stderr}
	var names []string
	help := ""
	for _, p := range parts() {
		names = append(names, p.name)
		help += fmt.Sprintf("  %-12s %s\n", p.name, p.what)
	}
	root := &cobra.Command{
		Use:   "doorstroom-bench",
		Short: "Measure two nodes that exchange offers",
		Long: `Measure a leerwerkbedrijf and a gemeente that exchange offers: two nodes with
real files, mutual TLS, signatures, schemas and policy, each a process of its
own, and this program as the admin that publishes through the local API.

What can be measured:
` + help + `
docs/performance.md explains the figures. When it is interrupted, or something
cannot be measured, it shows what it has, and says what is missing. Exit code 1:
something was not measured, or a message was lost or arrived twice.`,
		Example: `  doorstroom-bench --only throughput --seconds 10 --profile
  doorstroom-bench --json > figures.json
  doorstroom-bench --dir /srv/slow-disk --only single,latency`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := b.measure(cmd.Context(), names)
			if b.figures.Machine == "" {
				return err
			}
			if cmd.Context().Err() != nil { // whatever else went wrong then is because of it
				err = cmd.Context().Err()
			}
			b.figures.Missing = b.missing()
			return errors.Join(err, b.write(stdout), b.figures.verdict())
		},
	}
	f := root.Flags()
	f.Float64Var(&b.seconds, "seconds", 60, "how long to sustain a load")
	f.BoolVar(&b.json, "json", false, "write one JSON document")
	f.BoolVar(&b.markdown, "markdown", false, "write the table of docs/performance.md")
	f.StringVar(&b.dir, "dir", "", "folder for the nodes, on the disk to measure (default: a temporary one)")
	f.StringSliceVar(&b.only, "only", nil, "measure only these: "+strings.Join(names, ", "))
	f.BoolVar(&b.profile, "profile", false, "show which packages the nodes spend their time in while they sustain a load")
	f.IntVar(&b.queued, "queued", 1_000_000, "messages in a long queue, and entries in a long journal")
	f.IntVar(&b.offers, "offers", 10_000, "offers in the import")
	f.IntVar(&b.requests, "requests-per-second", 0, "limits.requests-per-second of the nodes (default: theirs)")
	root.AddCommand(newNodeCommand(stdin, stdout, stderr), newFloodCommand(stdin, stdout))
	return root
}

// measure does the parts that are asked for.
func (b *bench) measure(ctx context.Context, names []string) error {
	for _, name := range b.only {
		if !slices.Contains(names, name) {
			return gateway.Errorf(gateway.Invalid, "there is nothing called %q to measure; there are: %s", name, strings.Join(names, ", "))
		}
	}
	parent, err := filepath.Abs(b.dir)
	if err != nil || b.dir == "" {
		parent = os.TempDir()
	}
	if b.dir, err = os.MkdirTemp(parent, "dsb-"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(b.dir)
	if err := b.measureMachine(); err != nil {
		return fmt.Errorf("measure the machine: %w", err)
	}
	for _, s := range steps() {
		if !slices.ContainsFunc(s.parts, b.wants) {
			continue
		}
		if err := s.run(ctx, b); err != nil {
			b.figures.Uncounted = s.counts
			return fmt.Errorf("%s: %w", strings.Join(s.parts, ", "), err)
		}
	}
	return nil
}

// missing names the parts that were asked for and not measured to their end.
func (b *bench) missing() []string {
	var all []string
	for _, p := range parts() {
		if b.wants(p.name) && !b.figures.has(p.name) {
			all = append(all, p.name)
		}
	}
	return all
}

func (b *bench) wants(name string) bool { return len(b.only) == 0 || slices.Contains(b.only, name) }

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// folder is a fresh one for a federation.
func (b *bench) folder(name string) string { return filepath.Join(b.dir, name) }

// trial is a run that shows that it works; its figures say little.
func (b *bench) trial() bool { return b.seconds < 5 }

// pool is how many offers change in turn.
func (b *bench) pool() int {
	if b.trial() {
		return 2 * burst
	}
	return pool
}

func (b *bench) length() time.Duration { return time.Duration(b.seconds * float64(time.Second)) }

func (b *bench) measureMachine() error {
	b.figures.Machine, b.figures.Date, b.figures.Seconds = machine(), time.Now().Format(time.DateOnly), b.seconds
	b.say("measuring the machine: %s", b.figures.Machine)
	syncs, err := syncTimes(b.dir, 300)
	if err != nil {
		return err
	}
	b.figures.Fsync, b.figures.FsyncP99 = ms(percentile(syncs, 0.5)), ms(percentile(syncs, 0.99))
	limit, cpu, err := cryptoLimit(min(2*time.Second, b.length()))
	b.figures.CryptoLimit, b.figures.CryptoCPU = limit, float64(cpu.Nanoseconds())/1000
	return err
}

// report tells what went wrong.
func report(w io.Writer, err error) {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "doorstroom-bench: interrupted")
		return
	}
	fmt.Fprintln(w, "doorstroom-bench:", err)
}
