package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// journalPage is how many entries are asked of the node at once.
const journalPage = 1000

func newJournalCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "journal",
		Short: "Read and verify the record of what the node disclosed and did",
		Long: `The journal tells what the node disclosed, refused, received and was told to
do, by which rule and policy version. It holds no values: names of fields, codes,
counts and keyed digests only.`,
		Example: "  doorstroom journal list\n  doorstroom journal verify",
	}, newJournalListCommand(a), newJournalSearchCommand(a), newJournalArchiveCommand(a), newJournalExportCommand(a),
		newJournalVerifyCommand(a), newJournalProofCommand(a), newJournalCheckProofCommand(a), newJournalWitnessCommand(a))
}

// journalFilter is which entries to list.
type journalFilter struct {
	from        uint64
	last        bool // those at the end, instead of those after from
	limit       int
	party, kind string
}

func (f journalFilter) fits(e rest.JournalEntry) bool {
	party := f.party == "" || string(e.Party) == f.party || string(e.Principal) == f.party ||
		strings.Contains(" "+e.Recipients+" ", " "+f.party+" ")
	return party && (f.kind == "" || e.Kind == f.kind)
}

func newJournalListCommand(a *app) *cobra.Command {
	var f journalFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List entries of the journal",
		Long: `List the last entries of the journal, or with --from those after a number. Reading
the journal is entered in it too.`,
		Example: `  doorstroom journal list
  doorstroom journal list --from 0 --limit 20
  doorstroom journal list --kind denied --party 00000099000000002000 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 1 {
				return usagef("--limit must be at least 1")
			}
			if f.party != "" {
				if _, err := gateway.ParseOIN(f.party); err != nil {
					return usagef("--party: %s", gateway.SafeMessage(err))
				}
			}
			f.last = !cmd.Flags().Changed("from")
			entries, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]rest.JournalEntry, error) {
				return f.fetch(ctx, client)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.Journal{Entries: entries})
			}
			return a.showJournal(entries)
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.Uint64Var(&f.from, "from", 0, "number of the first entry to list, counted from 0 (default: the last entries)")
	flags.IntVar(&f.limit, "limit", 100, "how many entries at most")
	flags.StringVar(&f.party, "party", "", "only entries about the party with this OIN")
	flags.StringVar(&f.kind, "kind", "", "only entries of this kind, such as publish, denied, received")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// fetch reads page after page until there are enough entries that fit.
func (f journalFilter) fetch(ctx context.Context, client *rest.LocalClient) ([]rest.JournalEntry, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	end := status.JournalSize // what reading itself adds is not listed
	from := f.from
	if f.last && f.party == "" && f.kind == "" {
		from = end - min(end, uint64(f.limit))
	}
	var found []rest.JournalEntry
	for from < end && (f.last || len(found) < f.limit) {
		page, err := client.Journal(ctx, from, int(min(journalPage, end-from)))
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if f.fits(e) {
				found = append(found, e)
			}
		}
		from = page[len(page)-1].Index + 1
	}
	if len(found) <= f.limit {
		return found, nil
	}
	if f.last {
		return found[len(found)-f.limit:], nil
	}
	return found[:f.limit], nil
}

func (a *app) showJournal(entries []rest.JournalEntry) error {
	if len(entries) == 0 {
		fmt.Fprintln(a.stdout, "There are no such entries.")
		return nil
	}
	var rows [][]string
	for _, e := range entries {
		rows = append(rows, []string{strconv.FormatUint(e.Index, 10), when(e.Time), e.Kind, journalParty(e), journalDetail(e)})
	}
	return writeTable(a.stdout, []column{{"#", 0}, {"TIME", 16}, {"KIND", 20}, {"PARTY", 24}, {"WHAT", 36}}, rows)
}

func journalParty(e rest.JournalEntry) string {
	if n := len(strings.Fields(e.Recipients)); e.Party == "" && n > 1 {
		return fmt.Sprintf("%d recipients", n)
	}
	return string(e.Party) + e.Recipients
}

// journalDetail is what there is room for; the rest is in --json.
func journalDetail(e rest.JournalEntry) string {
	var parts []string
	if e.Count > 0 {
		parts = append(parts, strconv.Itoa(e.Count))
	}
	parts = append(parts, nonEmpty(e.Outcome, string(e.Reason))...)
	if n := len(e.Fields); n > 0 {
		parts = append(parts, gateway.Count(n, "field", "fields"))
	}
	if e.Register > 0 {
		parts = append(parts, fmt.Sprintf("register %d", e.Register))
	}
	parts = append(parts, nonEmpty(e.Rule, strings.Join(e.Rules, " "))...)
	if e.Policy != "" && len(parts) == 0 {
		parts = append(parts, "policy "+short(e.Policy))
	}
	return strings.Join(parts, ", ")
}
