package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newBreakGlassCommand(a *app) *cobra.Command {
	var reason string
	var term time.Duration
	cmd := &cobra.Command{
		Use:   "break-glass",
		Short: "Read offers without a role for it, for a bounded time and for a reason",
		Long: `Let yourself, who are a beheerder, read what is in offers for a bounded time, to
find out what is wrong when nobody else can. It gives you nothing but reading: you
can change no policy, no offer and no journal by it.

It ends by itself. Everybody sees in status that it happened, and a privacy
officer by whom, when and why, until a privacy officer has acknowledged it. The
journal has an entry for its begin and end and for each reading, without the
reason, which is erased a year after it was acknowledged.`,
		Example: `  doorstroom break-glass --reason "Dordrecht ziet een leeg aanbod, melding 4711"
  doorstroom break-glass --reason "import telt dubbel, zie melding 4712" --for 1h
  doorstroom break-glass end`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if term < time.Minute || term%time.Minute != 0 {
				return usagef("--for is a whole number of minutes")
			}
			b, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.BreakGlass, error) {
				return client.BreakGlass(ctx, reason, int(term/time.Minute))
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Break-glass %d: you may read offers until %s. Everybody can see that.\n"+
				"When you are done: doorstroom break-glass end\n", b.Number, when(b.Until))
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; a privacy officer reads it")
	cmd.Flags().DurationVar(&term, "for", desk.BreakGlassFor, "for how long, 4h at most")
	_ = cmd.MarkFlagRequired("reason") // fails only for a flag that does not exist
	cmd.AddCommand(newBreakGlassEndCommand(a), newBreakGlassListCommand(a), newBreakGlassAcknowledgeCommand(a))
	return cmd
}

func newBreakGlassEndCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "end",
		Short:   "End your break-glass access before its time",
		Example: "  doorstroom break-glass end",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.BreakGlass, error) {
				return client.EndBreakGlass(ctx)
			})
			if err == nil {
				fmt.Fprintf(a.stdout, "Break-glass %d has ended, after %s.\n", b.Number, gateway.Count(b.Reads, "reading", "readings"))
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	return cmd
}

func newBreakGlassListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List every break-glass access: who, when, why and how much was read",
		Long: `List every break-glass access there ever was, the last one last. What was read
under it is in the journal: doorstroom journal search --outcome break-glass. Who
and why are erased a year after it was acknowledged; the rest stays.`,
		Example: "  doorstroom break-glass list\n  doorstroom break-glass list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]rest.BreakGlass, error) {
				return client.ListBreakGlass(ctx)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.BreakGlasses{BreakGlass: all})
			}
			if len(all) == 0 {
				fmt.Fprintln(a.stdout, "There never was any.")
				return nil
			}
			var rows [][]string
			for _, b := range all {
				rows = append(rows, []string{
					strconv.FormatUint(b.Number, 10), when(b.Since), when(breakGlassEnds(b)), strconv.Itoa(b.Reads), when(b.Acknowledged), b.Who, b.Reason,
				})
			}
			return writeTable(a.stdout, []column{
				{"#", 0}, {"SINCE", 16}, {"UNTIL", 16}, {"READINGS", 8}, {"ACKNOWLEDGED", 16}, {"WHO", 20}, {"WHY", 60},
			}, rows)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newBreakGlassAcknowledgeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acknowledge NUMBER",
		Short: "Mark that you have seen a break-glass access",
		Long: `Mark, as a privacy officer, that you have seen a break-glass access that is
over. It does not show in status any more, and its reason is erased after a year.
It must have been somebody else's. The journal tells that you did this.`,
		Example: "  doorstroom break-glass acknowledge 1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 63)
			if err != nil {
				return usagef("%q is not the number of a break-glass access; see break-glass list", args[0])
			}
			b, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.BreakGlass, error) {
				return client.AcknowledgeBreakGlass(ctx, number)
			})
			if err == nil {
				fmt.Fprintf(a.stdout, "Break-glass %d is acknowledged.\n", b.Number)
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	return cmd
}

func breakGlassEnds(b rest.BreakGlass) time.Time {
	if b.Ended.IsZero() {
		return b.Until
	}
	return b.Ended
}

// breakGlassText tells of one in a line; who and why are only there for those whom
// they concern.
func breakGlassText(b rest.BreakGlass, now time.Time) string {
	text := fmt.Sprintf("BREAK-GLASS %d: %s could read offers from %s to %s, and did so %s", b.Number,
		cmp.Or(b.Who, "a beheerder"), when(b.Since), when(breakGlassEnds(b)), gateway.Count(b.Reads, "time", "times"))
	if b.Ended.IsZero() && now.Before(b.Until) {
		text = fmt.Sprintf("BREAK-GLASS %d: %s can read offers since %s, until %s", b.Number, cmp.Or(b.Who, "a beheerder"), when(b.Since), when(b.Until))
	}
	if b.Reason != "" {
		text += ", because: " + b.Reason
	}
	return clip(text, 0)
}
