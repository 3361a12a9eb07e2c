package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/schemas"
)

// offersList is what offers --json writes; a part that was not asked for is
// absent.
type offersList struct {
	Mine     *[]rest.OwnOffer      `json:"mine,omitempty"`
	Received *[]desk.ReceivedOffer `json:"received,omitempty"`
}

func newOffersCommand(a *app) *cobra.Command {
	var mine, received, asJSON bool
	cmd := &cobra.Command{
		Use:   "offers",
		Short: "List what you offer and what others offer you",
		Long: `List what this node offers, and what others let it see of theirs.

PLACES and FREE are the least and the most over the dagdelen. Of others you see
bands (vol, enkele, ruim) instead of numbers; YOURS is what is free of the
places that are allotted to you. Everything else of an offer is in --json.`,
		Example: `  doorstroom offers
  doorstroom offers --mine
  doorstroom offers --received --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (offersList, error) {
				return fetchOffers(ctx, client, mine || !received, received || !mine)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, list)
			}
			return a.showOffers(list)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().BoolVar(&mine, "mine", false, "only what this node offers")
	cmd.Flags().BoolVar(&received, "received", false, "only what others offer")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func fetchOffers(ctx context.Context, client *rest.LocalClient, mine, received bool) (offersList, error) {
	var list offersList
	if mine {
		offers, err := client.OwnOffers(ctx)
		if err != nil {
			return list, err
		}
		list.Mine = &offers
	}
	if received {
		offers, err := client.ReceivedOffers(ctx)
		if err != nil {
			return list, err
		}
		list.Received = &offers
	}
	return list, nil
}

func (a *app) showOffers(list offersList) error {
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return err
	}
	if list.Mine != nil {
		if err := a.showOwn(lists, *list.Mine); err != nil {
			return err
		}
	}
	if list.Received != nil {
		if list.Mine != nil {
			fmt.Fprintln(a.stdout)
		}
		return a.showReceived(lists, *list.Received)
	}
	return nil
}

func (a *app) showOwn(lists gateway.CodeLists, offers []rest.OwnOffer) error {
	if len(offers) == 0 {
		fmt.Fprintln(a.stdout, "This node offers nothing.")
		return nil
	}
	fmt.Fprintln(a.stdout, "What this node offers:")
	var rows [][]string
	for _, o := range offers {
		var maximum, free []int
		for _, p := range o.Offer.Places {
			maximum, free = append(maximum, p.Maximum), append(free, p.Available())
		}
		rows = append(rows, []string{
			o.Offer.ID, o.Offer.Title, labels(lists, "werksoort", o.Offer.Werksoorten),
			lists.Label("gemeente", string(o.Offer.Location.Gemeente)), span(maximum), span(free), string(o.Offer.ValidUntil),
		})
	}
	if err := writeTable(a.stdout, []column{
		{"OFFER", 0}, {"TITLE", 26}, {"WERKSOORT", 18}, {"GEMEENTE", 14}, {"PLACES", 6}, {"FREE", 6}, {"UNTIL", 10},
	}, rows); err != nil {
		return err
	}
	for _, o := range offers {
		if o.Problem != "" {
			fmt.Fprintf(a.stdout, "%s: the last good version stays, because in the last import it had an error: %s\n", o.Offer.ID, clip(o.Problem, 0))
		}
	}
	return nil
}

func (a *app) showReceived(lists gateway.CodeLists, offers []desk.ReceivedOffer) error {
	if len(offers) == 0 {
		fmt.Fprintln(a.stdout, "Nobody offers this node anything.")
		return nil
	}
	fmt.Fprintln(a.stdout, "What others offer:")
	var rows [][]string
	for _, o := range offers {
		c := o.Capacity
		free := bands(c.Places)
		if o.Expired {
			free = "verlopen"
		}
		from := o.SenderName
		if from == "" {
			from = string(o.Sender)
		}
		rows = append(rows, []string{
			from, c.Offer, c.Title, labels(lists, "werksoort", c.Werksoorten),
			lists.Label("gemeente", string(c.Location.Gemeente)), maxima(c.Places), free, yours(c.Allotments),
		})
	}
	return writeTable(a.stdout, []column{
		{"FROM", 14}, {"OFFER", 0}, {"TITLE", 18}, {"WERKSOORT", 13}, {"GEMEENTE", 12}, {"PLACES", 6}, {"FREE", 11}, {"YOURS", 8},
	}, rows)
}

func labels(lists gateway.CodeLists, list string, codes []string) string {
	var all []string
	for _, c := range codes {
		all = append(all, lists.Label(list, c))
	}
	return strings.Join(all, ", ")
}

// span is the least and the most: "5" or "0–5".
func span(numbers []int) string {
	if len(numbers) == 0 {
		return ""
	}
	low, high := slices.Min(numbers), slices.Max(numbers)
	if low == high {
		return strconv.Itoa(low)
	}
	return fmt.Sprintf("%d–%d", low, high)
}

func maxima(places []gateway.CapacityPlaces) string {
	var numbers []int
	for _, p := range places {
		if p.Maximum != nil {
			numbers = append(numbers, *p.Maximum)
		}
	}
	return span(numbers)
}

// bands is the fullest and the emptiest over the dagdelen.
func bands(places []gateway.CapacityPlaces) string {
	order := []gateway.Band{gateway.Vol, gateway.Enkele, gateway.Ruim}
	var found []int
	for _, p := range places {
		if i := slices.Index(order, p.Band); i >= 0 {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return ""
	}
	low, high := order[slices.Min(found)], order[slices.Max(found)]
	if low == high {
		return string(low)
	}
	return string(low) + "–" + string(high)
}

// yours is what is free of own allotments: numbers for a sole owner, else bands.
func yours(allotments []gateway.CapacityAllotted) string {
	var all []string
	for _, a := range allotments {
		var numbers []int
		for _, p := range a.Places {
			if p.Available != nil {
				numbers = append(numbers, *p.Available)
			}
		}
		text := span(numbers)
		if text == "" {
			text = bands(a.Places)
		}
		if text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, " + ")
}
