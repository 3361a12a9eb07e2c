package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newReferralsActCommand(a *app) *cobra.Command {
	var c desk.ReferralCommit
	var date string
	var dagdelen []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "act REFERRAL ACT",
		Short: "Take a step in a referral, or ask the provider for one",
		Long: `Take a step in a referral to you, or ask one in a referral of yours. REFERRAL is
its id, or the beginning of one; show tells what is possible now.

As leerwerkbedrijf:
  investigate           you look into it, which may take weeks
  plan-introduction     with --date; --reserve holds the places until then
  introduction-held     it took place
  introduction-missed   the person did not come
  accept                books all dagdelen at once, from --date on if given;
                        where there is no place it says so, and nothing changes
  waitlist              on the waiting list
  decline               with --reason (afwijsreden)
  ask-handover          ask the referrer for what guidance must know
  start                 with --date
  hold, resume          hold with --reason (onderbrekingsreden)
  end                   with --reason (uitkomst): doorstroom, terugval, …
  confirm-cancellation  what the referrer asked; or end, if it was over already
As referrer, which the provider answers:
  withdraw              before a place is promised, with --reason (intrekreden)
  cancel                after, with --reason (intrekreden)
  ask-introduction      another one, after one that was missed
Either side:
  entered-in-error      it never should have been`,
		Example: `  doorstroom referrals act 3f0c9a12 plan-introduction --date 2026-12-01 --reserve
  doorstroom referrals act 3f0c9a12 accept
  doorstroom referrals act 3f0c9a12 decline --reason geen-plek
  doorstroom referrals act 3f0c9a12 accept --passing "wacht op dinsdag, deze plek is op maandag"
  doorstroom referrals act 3f0c9a12 withdraw --reason andere-plek`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Referral, c.Act = args[0], gateway.ReferralAct(args[1])
			c.Date, c.Dagdelen = gateway.Date(date), typed[gateway.Dagdeel](dagdelen)
			if err := possibleAct(c.Act); err != nil {
				return err
			}
			lists, err := codeLists()
			if err != nil {
				return err
			}
			c.Reason = codeOf(lists, c.Act.Reasons(), c.Reason)
			return a.act(cmd, c, asJSON)
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.Reason, "reason", "", "why, a code or its Dutch name")
	flags.StringVar(&date, "date", "", "of the introduction, the start, or the end of a hold")
	flags.StringSliceVar(&dagdelen, "dagdeel", nil, "with accept, where the referral names none")
	flags.BoolVar(&c.Reserve, "reserve", false, "with plan-introduction: hold the places until then")
	flags.StringVar(&c.Passing, "passing", "", "why those who wait longer are passed over")
	flags.Uint64Var(&c.Seen, "seen", 0, "number of the state that you looked at; refused if it is older")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func possibleAct(act gateway.ReferralAct) error {
	if act == gateway.ActRefer || act == gateway.ActHandover {
		return usagef("%s has a command of its own", act)
	}
	if !slices.Contains(gateway.ReferralActs(), act) || act == gateway.ActRecover {
		return usagef("there is no act %q", act)
	}
	return nil
}

// act takes a step or asks for one, as this node's side of the referral is.
func (a *app) act(cmd *cobra.Command, c desk.ReferralCommit, asJSON bool) error {
	asks := false
	line, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.ReferralLine, error) {
		var err error
		if asks, err = asksFor(ctx, client, c); err != nil {
			return desk.ReferralLine{}, err
		}
		if !asks {
			return client.CommitReferral(ctx, c)
		}
		asked, err := client.AskReferral(ctx, desk.ReferralRequest{Referral: c.Referral, Act: c.Act, Reason: c.Reason})
		return asked.Referral, err
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		return writeJSON(a.stdout, line)
	case asks:
		a.tellAsked(desk.ReferralAsked{Referral: line}, string(c.Act)+" gevraagd")
		return nil
	}
	fmt.Fprintf(a.stdout, "%s: %s (stand %d).\n", shortReferral(line.ID), line.StatusLabel, line.Number)
	if line.Allotment != "" {
		fmt.Fprintf(a.stdout, "Toedeling: %s\n", clip(line.Allotment, 0))
	}
	if line.NextStep != nil {
		fmt.Fprintf(a.stdout, "Volgende stap: %s, uiterlijk %s\n", clip(stepText(line.NextStep), 0), clip(dueText(line.NextStep), 0))
	}
	return nil
}

// asksFor tells whether an act is asked of the provider. What both sides can do
// depends on which this node is.
func asksFor(ctx context.Context, client *rest.LocalClient, c desk.ReferralCommit) (bool, error) {
	by := c.Act.By()
	if len(by) == 1 {
		return by[0] == gateway.ReferrerSide, nil
	}
	list, err := client.Referrals(ctx, desk.ReferralFilter{})
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(list, func(r desk.ReferralLine) bool { return strings.HasPrefix(r.ID, c.Referral) })
	return i >= 0 && list[i].Side == gateway.ReferrerSide, nil
}

func newReferralsWaitingCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "waiting OFFER",
		Short: "List who waits for places of an offer, in order",
		Long: `List who waits for places of an own offer: who came first is first. Each waits
for the places of one allotment, or for those that are nobody's. Below somebody
stand the reasons for which later ones were placed before.`,
		Example: `  doorstroom referrals waiting groen
  doorstroom referrals waiting groen --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]desk.Waiter, error) {
				return client.WaitingList(ctx, args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.WaitingList{Waiting: slices.Concat([]desk.Waiter{}, list)})
			}
			return a.showWaiting(list)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showWaiting(list []desk.Waiter) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "Nobody waits.")
		return nil
	}
	var rows [][]string
	for _, w := range list {
		rows = append(rows, []string{
			fmt.Sprint(w.Place), shortReferral(w.Referral), cmp.Or(w.PartyName, string(w.Party)), when(w.Since), w.Allotment, dagdeelText(w.Dagdelen),
		})
		for _, p := range w.Passed {
			rows = append(rows, []string{"", "", "overgeslagen", when(p.At), p.Reason, ""})
		}
	}
	return writeTable(a.stdout, []column{{"#", 0}, {"ID", 0}, {"FROM", 16}, {"SINCE", 16}, {"ALLOTMENT", 40}, {"DAGDELEN", 30}}, rows)
}

func newReferralsEraseCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "erase REFERRAL",
		Short: "Erase a referral that has ended, before its term",
		Long: `Erase all that this node has of a referral that has ended, handover included, for
good: backups cannot bring it back. REFERRAL is the whole id. The other side
keeps what it has until its own term.`,
		Example: `  doorstroom referrals erase 3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (struct{}, error) {
				return struct{}{}, client.EraseReferral(ctx, args[0])
			})
			if err == nil {
				fmt.Fprintln(a.stdout, "Erased.")
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	return cmd
}
