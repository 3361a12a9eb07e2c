package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// dayRange is two days as people write them, both included; "" is open.
type dayRange struct{ from, until string }

func (p *dayRange) flags(flags *pflag.FlagSet) {
	flags.StringVar(&p.from, "from", "", "from the beginning of this day on, such as 2026-11-01")
	flags.StringVar(&p.until, "until", "", "until the end of this day")
}

// bounds are the moments at which the first day begins and the last one ends, in
// the Netherlands.
func (p dayRange) bounds() (from, until time.Time, err error) {
	if p.from != "" {
		if from, err = beginning("--from", p.from, 0); err != nil {
			return from, until, err
		}
	}
	if p.until != "" {
		until, err = beginning("--until", p.until, 1)
	}
	return from, until, err
}

func beginning(flag, text string, days int) (time.Time, error) {
	if _, err := gateway.ParseDate(text); err != nil {
		return time.Time{}, usagef("%s: %s", flag, gateway.SafeMessage(err))
	}
	day, err := time.ParseInLocation(time.DateOnly, text, gateway.Amsterdam())
	return day.AddDate(0, 0, days), err
}

func newJournalSearchCommand(a *app) *cobra.Command {
	var s rest.JournalSearch
	var days dayRange
	var field string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Find entries of the journal: who saw a field, what a rule refused",
		Long: `Find the entries to which everything applies that is given, the newest first.
The entries publish and denied tell who was shown what, and who was not: an
entry publish with --field says who was shown that field, and when it was
queued for them. Days are those in the Netherlands.

A search is entered in the journal once, and without what was looked for.
Entries older than the term of journal.retention are only hashes: nothing is
found there.`,
		Example: `  doorstroom journal search --field contact.phone --kind publish
  doorstroom journal search --party Rijswijk --from 2026-11-01 --until 2026-11-30
  doorstroom journal search --kind denied --rule "nooit trede" --json
  doorstroom journal search --message 0190aaaa-bbbb-7ccc-8ddd-000000000001`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s.Field = gateway.Field(field)
			if s.From, s.Until, err = days.bounds(); err != nil {
				return err
			}
			found, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.JournalFound, error) {
				return client.SearchJournal(ctx, s)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, found)
			}
			return a.showFound(found)
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&s.Party, "party", "", "about this party: its OIN, or its name or a part of it")
	flags.StringVar(&field, "field", "", "in which this field was shown")
	flags.StringVar(&s.Rule, "rule", "", "decided by this rule")
	flags.StringVar(&s.Kind, "kind", "", "of this kind, such as publish, denied, received")
	flags.StringVar(&s.Outcome, "outcome", "", "with this outcome or reason, such as refused, schema")
	flags.StringVar(&s.Message, "message", "", "about the message with this id")
	flags.StringVar(&s.Policy, "policy", "", "decided under this version of the policy: all of it, or its first 12 characters")
	days.flags(flags)
	flags.IntVar(&s.Limit, "limit", 100, "how many entries at most on a page, up to 1000")
	flags.StringVar(&s.Page, "page", "", "the page that the one before named; all else as for that one")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showFound(found rest.JournalFound) error {
	if err := a.showJournal(found.Entries); err != nil {
		return err
	}
	if found.More != "" {
		fmt.Fprintf(a.stdout, "There is more: the same search with --page %s\n", found.More)
	}
	if found.Reduced > 0 {
		fmt.Fprintf(a.stdout, "The %d oldest entries are past their term and only hashes now.\n", found.Reduced)
	}
	return nil
}
