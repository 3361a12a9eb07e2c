package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newRetentionCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "retention",
		Short:   "See how long personal data of referrals is kept",
		Example: "  doorstroom retention report",
	}, newRetentionReportCommand(a))
}

func newRetentionReportCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: "List what is due to be erased, what is held and why, and what was erased",
		Long: `List the referrals that this node keeps, and those that it erased. A referral is
kept for retention.referrals of the configuration after its end, or for as long
as the policy says of what came from the other side, if that is shorter. What
is due the node erases by itself, once a day: rows, waiting messages and keys,
so that no backup can bring it back.`,
		Example: `  doorstroom retention report
  doorstroom retention report --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.RetentionReport, error) {
				return client.RetentionReport(ctx)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, report)
			}
			return a.showRetention(report)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showRetention(r desk.RetentionReport) error {
	fmt.Fprintf(a.stdout, "Bewaartermijn: %s na het einde, of korter als het beleid dat zegt.\n", r.Term)
	for _, part := range []struct {
		title string
		lines []desk.RetentionLine
	}{{"Te wissen", r.Due}, {"Bewaard", r.Held}} {
		fmt.Fprintf(a.stdout, "\n%s: %d\n", part.title, len(part.lines))
		if len(part.lines) == 0 {
			continue
		}
		var rows [][]string
		for _, l := range part.lines {
			ended := ""
			if !l.Ended.IsZero() {
				ended = string(gateway.DateOf(l.Ended))
			}
			rows = append(rows, []string{shortReferral(l.Referral), cmp.Or(l.PartyName, string(l.Party)), l.Status, ended, string(l.Until), l.Why})
		}
		if err := writeTable(a.stdout, []column{{"ID", 0}, {"WITH", 16}, {"STATUS", 24}, {"ENDED", 0}, {"UNTIL", 0}, {"WHY", 50}}, rows); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stdout, "\nGewist: %d\n", len(r.Done))
	var rows [][]string
	for _, l := range r.Done {
		rows = append(rows, []string{when(l.At), cmp.Or(l.PartyName, string(l.Party)), l.What, l.Why})
	}
	if len(rows) == 0 {
		return nil
	}
	return writeTable(a.stdout, []column{{"AT", 0}, {"WITH", 16}, {"WHAT", 0}, {"WHY", 30}}, rows)
}
