package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newReferralsListCommand(a *app) *cobra.Command {
	var filter desk.ReferralFilter
	var status, party string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List referrals: where each stands, and whose the next step is",
		Long: `List the referrals that this node made and those that others made to it, what
is due first first. SIDE tells which you are: uit, you referred; in, you are
referred to. Nothing here is of the need, or of whom a referral is about; show
has that. A referral can be named by its id or by the beginning of one.

STEP is who must do what next; te laat (3 wd) is three working days too late.`,
		Example: `  doorstroom referrals list --open
  doorstroom referrals list --overdue
  doorstroom referrals list --mine --json
  doorstroom referrals list --status wachtlijst --offer groen`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lists, err := codeLists()
			if err != nil {
				return err
			}
			filter.Status, filter.Party = statusOf(lists, status), partyOf(party)
			list, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]desk.ReferralLine, error) {
				return client.Referrals(ctx, filter)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.Referrals{Referrals: slices.Concat([]desk.ReferralLine{}, list)})
			}
			return a.showReferrals(list)
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&filter.Open, "open", false, "only those that have not ended")
	flags.BoolVar(&filter.Overdue, "overdue", false, "only those of which the next step was due before today")
	flags.BoolVar(&filter.Mine, "mine", false, "only those of which the next step is yours")
	flags.StringVar(&status, "status", "", "only those with this status, such as wachtlijst")
	flags.StringVar(&filter.Offer, "offer", "", "only those to this offer")
	flags.StringVar(&party, "party", "", "only those with this other side, an OIN")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showReferrals(list []desk.ReferralLine) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "There are none.")
		return nil
	}
	var rows [][]string
	for _, r := range list {
		rows = append(rows, []string{
			shortReferral(r.ID), sideText(r), cmp.Or(r.PartyName, string(r.Party)), r.Offer, r.Reference, r.StatusLabel,
			stepText(r.NextStep), dueText(r.NextStep),
		})
	}
	if err := writeTable(a.stdout, []column{
		{"ID", 0}, {"SIDE", 0}, {"WITH", 16}, {"OFFER", 14}, {"REFERENCE", 12}, {"STATUS", 22}, {"STEP", 40}, {"DUE", 0},
	}, rows); err != nil {
		return err
	}
	for _, r := range list {
		for _, note := range r.Notes {
			fmt.Fprintf(a.stdout, "%s: %s\n", shortReferral(r.ID), note)
		}
	}
	return nil
}
