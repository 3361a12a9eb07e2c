package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/search"
	"github.com/doorstroom/doorstroom/schemas"
)

func newPlacesCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "places",
		Short: "Find places that fit somebody, and count where there was none",
		Example: `  doorstroom places search --werksoort groen --dagdeel di-ochtend --postcode 2952 --max-km 10
  doorstroom places none --werksoort groen --gemeente Alblasserdam
  doorstroom places missing`,
	}, newPlacesSearchCommand(a), newPlacesNoneCommand(a), newPlacesMissingCommand(a))
}

func newPlacesSearchCommand(a *app) *cobra.Command {
	var d search.Demand
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Find places that fit somebody, ranked and explained",
		Long: `Find the offers that fit, of those that this node may see and of its own: the
best first, each with why, in groups: within your allotment, within those of
others, free places, places in other gemeenten, those of which nobody tells
whether there is a place, and those that are full.

What is asked for must be met, but for begeleiding and taal, which are wishes;
--wish and --demand change that. What an offer does not show is unknown: it is
not assumed and excludes nothing. Codes can be written as in the code list or
as their Dutch name. Distances to cycle are estimates over bridges and ferries.

Nothing of what is asked is kept or sent: the journal has the names of the
fields and how many offers fit.`,
		Example: `  doorstroom places search --werksoort groen --dagdeel di-ochtend --postcode 2952 --max-km 10
  doorstroom places search --werksoort groen,hout --trede 3 --wish werksoort --why
  doorstroom places search --trajectsoort leerwerkplek --from 2027-01-04 --json`,
		Args: cobra.NoArgs,
	}
	codes := demandFlags(cmd.Flags(), &d)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := codes(); err != nil {
			return err
		}
		result, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (search.Result, error) {
			return client.SearchPlaces(ctx, d)
		})
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(a.stdout, result)
		}
		a.showPlaces(result, d)
		return nil
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// demandFlags gives the function that puts what the flags say in d, to be called
// once they have been read.
func demandFlags(flags *pflag.FlagSet, d *search.Demand) func() error {
	var dagdelen, wishes, demands, gemeenten []string
	var from string
	flags.StringSliceVar(&d.Werksoorten, "werksoort", nil, "one of these werksoorten")
	flags.StringVar(&d.Trajectsoort, "trajectsoort", "", "kind of placement, such as leerwerkplek")
	flags.IntVar(&d.Fase, "fase", 0, "fase, 1 to 3")
	flags.IntVar(&d.Trede, "trede", 0, "rung of the participation ladder, 1 to 6")
	flags.StringSliceVar(&d.Doelgroepen, "doelgroep", nil, "the person belongs to these; compared here only")
	flags.StringSliceVar(&dagdelen, "dagdeel", nil, "on all of these, such as di-ochtend")
	flags.StringVar(&d.Begeleiding, "begeleiding", "", "kind of guidance, such as jobcoach")
	flags.StringVar(&d.Intensiteit, "intensiteit", "", "at least so much guidance: laag, midden or hoog")
	flags.StringSliceVar(&d.Toegankelijkheid, "toegankelijkheid", nil, "all of these, such as rolstoel")
	flags.BoolVar(&d.LittleDutch, "weinig-nederlands", false, "the person speaks little Dutch")
	flags.StringVar(&from, "from", "", "from this day on, such as 2027-01-04; without it today")
	flags.StringVar(&d.Postcode, "postcode", "", "where the person lives; only the four digits count")
	flags.Float64Var(&d.MaxKm, "max-km", 0, "kilometres that the person can cycle")
	flags.StringSliceVar(&gemeenten, "gemeente", nil, "of the person; without it that of the postcode, or your own")
	flags.StringSliceVar(&wishes, "wish", nil, "criteria that would be nice, of those asked for, such as werksoort")
	flags.StringSliceVar(&demands, "demand", nil, "criteria that must be met, of those asked for: begeleiding, taal")
	flags.BoolVar(&d.Why, "why", false, "tell of what does not fit, why not")
	flags.IntVar(&d.Limit, "limit", 20, "how many offers at most of each group, up to 1000")
	return func() error {
		lists, err := gateway.LoadCodeLists(schemas.FS())
		if err != nil {
			return err
		}
		named(lists, "werksoort", d.Werksoorten)
		named(lists, "doelgroep", d.Doelgroepen)
		named(lists, "toegankelijkheid", d.Toegankelijkheid)
		named(lists, "gemeente", gemeenten)
		d.Trajectsoort = codeOf(lists, "trajectsoort", d.Trajectsoort)
		d.Begeleiding = codeOf(lists, "begeleiding", d.Begeleiding)
		d.Intensiteit = codeOf(lists, "intensiteit", d.Intensiteit)
		d.From = gateway.Date(from)
		d.Dagdelen, d.Gemeenten = typed[gateway.Dagdeel](dagdelen), typed[gateway.Gemeente](gemeenten)
		d.Wishes, d.Demands = typed[search.Criterion](wishes), typed[search.Criterion](demands)
		return nil
	}
}

func typed[T ~string](texts []string) (all []T) {
	for _, text := range texts {
		all = append(all, T(text))
	}
	return all
}

func named(lists gateway.CodeLists, list string, texts []string) {
	for i, text := range texts {
		texts[i] = codeOf(lists, list, text)
	}
}

// codeOf understands a code, its label and its other spellings. What it does not
// know it gives back, for the node to refuse.
func codeOf(lists gateway.CodeLists, list, text string) string {
	if _, ok := lists.Find(list, text); ok {
		return text
	}
	for _, c := range lists[list].Codes {
		for _, spelling := range slices.Concat(c.Aliases, []string{c.Code, c.Label}) {
			if strings.EqualFold(spelling, text) {
				return c.Code
			}
		}
	}
	return text
}

func (a *app) showPlaces(result search.Result, d search.Demand) {
	fmt.Fprintf(a.stdout, "Offers that fit: %d of %d.\n", result.Fitting, result.Searched)
	for _, g := range result.Groups {
		if g.Total == 0 {
			continue
		}
		fmt.Fprintf(a.stdout, "\n%s (%d):\n", g.Label, g.Total)
		for _, f := range g.Found {
			a.showPlace(f.ProviderName, string(f.Provider), f.Offer, f.Title, f.Text)
		}
		if more := g.Total - len(g.Found); more > 0 {
			fmt.Fprintf(a.stdout, "  and %d more: see --limit\n", more)
		}
	}
	if len(result.Rejected) > 0 {
		fmt.Fprintln(a.stdout, "\nPast niet:")
	}
	for _, r := range result.Rejected {
		a.showPlace(r.ProviderName, string(r.Provider), r.Offer, r.Title, r.Text)
	}
	for _, note := range result.Notes {
		fmt.Fprintf(a.stdout, "\n%s\n", note)
	}
	if !anyPlace(result) {
		fmt.Fprintf(a.stdout, "\nIf there is no fitting place, count that:\n  %s\n", noneCommand(result, d))
	}
}

// anyPlace tells whether one of the offers that fit may have a place.
func anyPlace(result search.Result) bool {
	return slices.ContainsFunc(result.Groups, func(g search.FoundGroup) bool { return g.Total > 0 && g.Group != search.Waiting })
}

// noneCommand is the command that counts that a search found nothing.
func noneCommand(result search.Result, d search.Demand) string {
	werksoorten, gemeente := "...", "..."
	if len(d.Werksoorten) > 0 {
		werksoorten = strings.Join(d.Werksoorten, ",")
	}
	if len(result.Gemeenten) == 1 {
		gemeente = string(result.Gemeenten[0])
	}
	return "doorstroom places none --werksoort " + werksoorten + " --gemeente " + gemeente
}

func (a *app) showPlace(name, oin, offer, title, text string) {
	if name == "" {
		name = oin
	}
	fmt.Fprintf(a.stdout, "  %s, %s (%s)\n", clip(name, 0), clip(title, 0), clip(offer, 0))
	if text != "" {
		fmt.Fprintf(a.stdout, "    %s\n", clip(text, 0))
	}
}

func newPlacesNoneCommand(a *app) *cobra.Command {
	var none desk.NoPlace
	var gemeente string
	cmd := &cobra.Command{
		Use:   "none",
		Short: "Count that no fitting place was found (geen passende plek)",
		Long: `Count that there was no fitting place for somebody, so that the region sees
which kinds of work are missing. Only werksoort, gemeente and month are kept,
as a count: nothing of the person or of the search.`,
		Example: `  doorstroom places none --werksoort groen --gemeente gm0482`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lists, err := gateway.LoadCodeLists(schemas.FS())
			if err != nil {
				return err
			}
			named(lists, "werksoort", none.Werksoorten)
			none.Gemeente = gateway.Gemeente(codeOf(lists, "gemeente", gemeente))
			_, err = ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (struct{}, error) {
				return struct{}{}, client.ReportMissing(ctx, none)
			})
			if err == nil {
				fmt.Fprintln(a.stdout, "Counted.")
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringSliceVar(&none.Werksoorten, "werksoort", nil, "werksoorten that would have fitted; each is counted")
	cmd.Flags().StringVar(&gemeente, "gemeente", "", "of the person")
	return cmd
}

func newPlacesMissingCommand(a *app) *cobra.Command {
	var from, until string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "missing",
		Short: "List how often no fitting place was found, by month",
		Long: `List how often no fitting place was found, by month, gemeente and werksoort, as
counted with doorstroom places none. The counts are for use inside your own
organisation: small ones may tell of persons.`,
		Example: `  doorstroom places missing
  doorstroom places missing --from 2026-01 --until 2026-12 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]desk.MissingPlaces, error) {
				return client.MissingPlaces(ctx, from, until)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.MissingPlaces{Missing: slices.Concat([]desk.MissingPlaces{}, all)})
			}
			return a.showMissing(all)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "first month, such as 2026-01")
	cmd.Flags().StringVar(&until, "until", "", "last month")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showMissing(all []desk.MissingPlaces) error {
	if len(all) == 0 {
		fmt.Fprintln(a.stdout, "Nothing was counted.")
		return nil
	}
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return err
	}
	var rows [][]string
	for _, m := range all {
		rows = append(rows, []string{
			m.Month, lists.Label("gemeente", string(m.Gemeente)), lists.Label("werksoort", m.Werksoort), strconv.Itoa(m.Count),
		})
	}
	return writeTable(a.stdout, []column{{"MONTH", 0}, {"GEMEENTE", 24}, {"WERKSOORT", 30}, {"TIMES", 0}}, rows)
}
