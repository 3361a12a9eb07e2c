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

func newAllotmentsCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "allotments",
		Short: "Release or swap places of allotments that are not used",
		Long: `Release or swap places of allotments that are not used. A request goes to the
leerwerkbedrijf, which commits it once every party that gives places has signed
it; until then the old allotments hold. Your own request is your signature for
what you give yourself.

What is agreed holds over the exports that still have the old allotments. It ends
when the export has other ones: then the export is right.`,
		Example: `  doorstroom allotments request groen --from sliedrecht --dagdeel di-ochtend
  doorstroom allotments list
  doorstroom allotments sign 3f0c9a12`,
	}, newAllotmentsListCommand(a), newAllotmentsRequestCommand(a), newAllotmentsSignCommand(a), newAllotmentsRefuseCommand(a),
		newAllotmentsWithdrawCommand(a))
}

func newAllotmentsListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List requests about allotments: where each stands",
		Long: `List the requests about allotments of own offers, and those that you make or are
asked to sign, the latest first. SIDE tells which you are: in, you are the
provider; uit, another is. Nobody else learns of a request.`,
		Example: `  doorstroom allotments list
  doorstroom allotments list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]desk.ShiftLine, error) {
				return client.AllotmentRequests(ctx)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.AllotmentRequests{Requests: slices.Concat([]desk.ShiftLine{}, list)})
			}
			return a.showShifts(list)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newAllotmentsRequestCommand(a *app) *cobra.Command {
	var n desk.NewShift
	var provider, from, to string
	var dagdelen, back []string
	var places int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "request OFFER",
		Short: "Ask to release places of an allotment, or to swap them with another",
		Long: `Ask the leerwerkbedrijf of an offer to move places from one allotment to another,
on each dagdeel that is named. Without --to they are nobody's: anybody may then
be placed there. Without --from they come from what is nobody's, for which the
leerwerkbedrijf signs. --back names dagdelen on which as many go the other way.

FROM and TO are allotments as offers --received shows them, or the name or OIN
of a party for its only allotment of the offer. One must be yours, and the offer
must be shown to you with its allotments.`,
		Example: `  doorstroom allotments request groen --from sliedrecht --dagdeel di-ochtend
  doorstroom allotments request groen --from alblasserdam --to Sliedrecht \
    --dagdeel ma-ochtend,ma-middag --places 2
  doorstroom allotments request groen --from Sliedrecht --to alblasserdam \
    --dagdeel di-ochtend --back do-ochtend --days 7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from == "" && to == "" || len(dagdelen) == 0 {
				return usagef("say which places: --dagdeel, and --from, --to or both")
			}
			n.Offer, n.Provider = args[0], partyOf(provider)
			for _, d := range typed[gateway.Dagdeel](dagdelen) {
				n.Shifts = append(n.Shifts, gateway.Shift{From: from, To: to, Dagdeel: d, Places: places})
			}
			for _, d := range typed[gateway.Dagdeel](back) {
				n.Shifts = append(n.Shifts, gateway.Shift{From: to, To: from, Dagdeel: d, Places: places})
			}
			return a.shift(cmd, asJSON, func(ctx context.Context, client *rest.LocalClient) (desk.ShiftLine, error) {
				return client.AskAllotment(ctx, n)
			})
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "allotment or party that gives; without it what is nobody's")
	flags.StringVar(&to, "to", "", "allotment or party that gets them; without it they are nobody's")
	flags.StringSliceVar(&dagdelen, "dagdeel", nil, "on these, such as di-ochtend")
	flags.StringSliceVar(&back, "back", nil, "on these as many the other way")
	flags.IntVar(&places, "places", 1, "so many on each")
	flags.StringVar(&provider, "provider", "", "OIN of the leerwerkbedrijf, where several have an offer of that id")
	flags.IntVar(&n.Days, "days", 0, "for which it waits for signatures; without it 14")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newAllotmentsSignCommand(a *app) *cobra.Command {
	return a.shiftCommand("sign REQUEST", "Sign for the places that you give",
		`Sign for the places that you give in a request. REQUEST is its id, or the
beginning of one. Once all who give have signed, the leerwerkbedrijf commits it;
if places were taken meanwhile it ends as in-gebruik, and nothing changes.`,
		func(ctx context.Context, client *rest.LocalClient, id string) (desk.ShiftLine, error) {
			return client.SignAllotment(ctx, id)
		})
}

func newAllotmentsRefuseCommand(a *app) *cobra.Command {
	return a.shiftCommand("refuse REQUEST", "Refuse to give the places",
		`Refuse to give the places of a request, or, as the leerwerkbedrijf, refuse it.
That ends it. REQUEST is its id, or the beginning of one.`,
		func(ctx context.Context, client *rest.LocalClient, id string) (desk.ShiftLine, error) {
			return client.RefuseAllotment(ctx, id)
		})
}

func newAllotmentsWithdrawCommand(a *app) *cobra.Command {
	return a.shiftCommand("withdraw REQUEST", "Take back a request of yours",
		`Take back a request of yours that was not committed. REQUEST is its id, or the
beginning of one. To undo one that was, ask for the reverse.`,
		func(ctx context.Context, client *rest.LocalClient, id string) (desk.ShiftLine, error) {
			return client.WithdrawAllotment(ctx, id)
		})
}

// shiftCommand does one thing to a request about allotments and says where it
// stands then.
func (a *app) shiftCommand(use, title, long string, do func(context.Context, *rest.LocalClient, string) (desk.ShiftLine, error)) *cobra.Command {
	var asJSON bool
	name, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: title, Long: long,
		Example: "  doorstroom allotments " + name + " 3f0c9a12\n  doorstroom allotments " + name + " 3f0c9a12 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.shift(cmd, asJSON, func(ctx context.Context, client *rest.LocalClient) (desk.ShiftLine, error) {
				return do(ctx, client, args[0])
			})
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) shift(cmd *cobra.Command, asJSON bool, do func(context.Context, *rest.LocalClient) (desk.ShiftLine, error)) error {
	line, err := ask(a, cmd, do)
	switch {
	case err != nil:
		return err
	case asJSON:
		return writeJSON(a.stdout, line)
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", shortReferral(line.ID), shiftStatus(line))
	return nil
}

func (a *app) showShifts(list []desk.ShiftLine) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "There are none.")
		return nil
	}
	var rows [][]string
	for _, l := range list {
		rows = append(rows, []string{
			shortReferral(l.ID), l.Side, cmp.Or(l.ProviderName, string(l.Provider)), l.Offer, cmp.Or(l.AskedName, string(l.Asked)), shiftText(l), shiftStatus(l),
		})
	}
	return writeTable(a.stdout, []column{{"ID", 0}, {"SIDE", 0}, {"PROVIDER", 16}, {"OFFER", 14}, {"ASKED BY", 16}, {"PLACES", 44}, {"STATUS", 60}}, rows)
}

// shiftText is what moves, with a dash for what is nobody's.
func shiftText(l desk.ShiftLine) string {
	var all []string
	for _, s := range l.Shifts {
		all = append(all, fmt.Sprintf("%d op %s: %s → %s", s.Places, s.Dagdeel, cmp.Or(s.From, "-"), cmp.Or(s.To, "-")))
	}
	return strings.Join(all, "; ")
}

func shiftStatus(l desk.ShiftLine) string {
	text := cmp.Or(string(l.Status), "onderweg")
	var waits []string
	for _, g := range l.Givers {
		if !g.Signed {
			waits = append(waits, cmp.Or(g.Name, string(g.Party)))
		}
	}
	switch {
	case l.Reason != "":
		text += ": " + string(l.Reason)
	case l.Status == gateway.ShiftPending && len(waits) > 0:
		text += " van " + strings.Join(waits, ", ") + ", tot " + when(l.Until)
	}
	if l.Waits && l.Status != "" {
		text += " (uw antwoord is onderweg)"
	}
	return text
}
