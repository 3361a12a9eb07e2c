package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

const watchEvery = 2 * time.Second

func newStatusCommand(a *app) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the node stands: other parties, queues, alarms",
		Long: `Show how the node stands: what somebody should do something about, the register
and policy in force, the last imports, and for each other party when there was
contact, how many messages wait for it, since when, and when the node tries
again.`,
		Example: `  doorstroom status
  doorstroom status --watch
  doorstroom status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return a.watchStatus(cmd)
			}
			status, err := ask(a, cmd, fetchStatus)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, status)
			}
			return writeStatus(a.stdout, status)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "show it anew every two seconds, until Ctrl-C")
	jsonFlag(cmd, &asJSON)
	cmd.MarkFlagsMutuallyExclusive("watch", "json")
	return cmd
}

func fetchStatus(ctx context.Context, client *rest.LocalClient) (rest.Status, error) {
	return client.Status(ctx)
}

// watchStatus goes on when the node is away for a moment: then that is what
// there is to see.
func (a *app) watchStatus(cmd *cobra.Command) error {
	client, _, err := a.client(cmd)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		status, err := client.Status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if isTerminal(a.stdout) {
			fmt.Fprint(a.stdout, "\x1b[H\x1b[2J") // to the top left, and clear
		}
		if err != nil {
			fmt.Fprintln(a.stdout, messages(err)[0])
		} else if err := writeStatus(a.stdout, status); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			fmt.Fprintln(a.stdout)
		}
	}
}

// isTerminal tells whether a person is at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a character device too
	return err != nil || !os.SameFile(info, null)
}

func writeStatus(w io.Writer, s rest.Status) error {
	for _, b := range s.BreakGlass {
		fmt.Fprintln(w, breakGlassText(b, s.Time))
	}
	fmt.Fprintf(w, "%s (%s), %s\n", clip(cmp.Or(s.Name, nameless(s)), 0), s.Party, when(s.Time))
	for _, alarm := range s.Alarms {
		fmt.Fprintf(w, "ALARM     %s\n", clip(alarm, 0))
	}
	if s.Register.Version == 0 {
		fmt.Fprintln(w, "register  none; see doorstroom register install --help")
	} else {
		fmt.Fprintf(w, "register  version %d, %s, valid until %s\n", s.Register.Version, s.Register.State, when(s.Register.ValidUntil))
	}
	fmt.Fprintf(w, "policy    version %s\n", short(s.Policy.Version))
	writeWaiting(w, s.Policy)
	for _, p := range s.Policy.Warnings {
		fmt.Fprintf(w, "          let op: %s\n", p.InDutch())
	}
	fmt.Fprintf(w, "offers    %d\n", s.Offers)
	if r := s.Referrals; r.Open > 0 {
		fmt.Fprintf(w, "referrals %d open; waiting for you: %d, overdue: %d\n", r.Open, r.Mine, r.Overdue)
		if r.Awaited > 0 {
			fmt.Fprintf(w, "          %d were put back from a backup and wait for the nodes of their referrers; see doorstroom referrals list\n", r.Awaited)
		}
	}
	for _, i := range s.Imports {
		fmt.Fprintf(w, "import    %s of %s: %s, %d changed, %d withdrawn, %d bad\n",
			clip(i.Source, 0), when(i.At), gateway.Count(i.Offers, "offer", "offers"), i.Changed, i.Withdrawn, i.Bad)
		if len(i.Held) > 0 {
			fmt.Fprintf(w, "          held: %s would vanish; see doorstroom publish --help\n", gateway.Count(len(i.Held), "offer", "offers"))
		}
	}
	if p := s.Importing; p != nil {
		fmt.Fprintf(w, "          under way, of %s: %d of %d changed offers\n", clip(p.Source, 0), p.Done, p.Total)
	}
	for _, h := range s.Webhooks {
		if h.Failing.IsZero() {
			fmt.Fprintf(w, "webhook   %s, last took an event %s\n", clip(h.Name, 0), when(h.Delivered))
		} else {
			fmt.Fprintf(w, "webhook   %s takes nothing since %s: %s; %d wait\n", clip(h.Name, 0), when(h.Failing), clip(h.Reason, 0), h.Waiting)
		}
	}
	if s.Backup != nil {
		fmt.Fprintf(w, "backup    %s, %s\n", when(s.Backup.At), clip(s.Backup.File, 0))
	}
	fmt.Fprintf(w, "journal   %s\n          %s\n\n", gateway.Count(s.JournalSize, "entry", "entries"), witnessedText(s.Witnessed))
	if len(s.Peers) == 0 {
		fmt.Fprintln(w, "No other parties are known.")
		return nil
	}
	if err := writePeers(w, s.Peers, s.Time); err != nil {
		return err
	}
	for _, p := range s.Peers {
		for _, note := range p.Notes {
			fmt.Fprintf(w, "note      %s\n", clip(note, 0))
		}
	}
	return nil
}

// nameless is why a node has no name: names are those of the register.
func nameless(s rest.Status) string {
	if s.Register.Version == 0 {
		return "no register has been installed yet"
	}
	return "not in the register"
}

func writePeers(w io.Writer, peers []rest.Peer, now time.Time) error {
	var rows [][]string
	for _, p := range peers {
		rows = append(rows, []string{
			p.Name, when(p.LastContact), strconv.Itoa(p.Queued), strconv.Itoa(p.Held), when(p.Oldest), nextTry(p, now), failures(p),
		})
	}
	columns := []column{{"PARTY", 22}, {"LAST CONTACT", 16}, {"QUEUED", 7}, {"HELD", 5}, {"OLDEST", 16}, {"NEXT TRY", 16}}
	if slices.ContainsFunc(peers, func(p rest.Peer) bool { return p.Failures > 0 }) {
		columns = append(columns, column{"FAILED", 60})
	} else {
		for i := range rows {
			rows[i] = rows[i][:len(columns)]
		}
	}
	return writeTable(w, columns, rows)
}

// nextTry is of interest when something waits, or when the peer was away.
func nextTry(p rest.Peer, now time.Time) string {
	switch {
	case p.Queued == 0 && p.Failures == 0:
		return ""
	case p.NextAttempt.After(now):
		return when(p.NextAttempt)
	}
	return "now"
}

// failures is how often in a row, and why.
func failures(p rest.Peer) string {
	if p.Failures == 0 {
		return ""
	}
	return fmt.Sprintf("%d× %s", p.Failures, p.Reason)
}
