package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/logbook"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// exportPage is how many entries are asked of the node at once.
const exportPage = 5000

func newJournalExportCommand(a *app) *cobra.Command {
	var days dayRange
	var format, file, activities string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write entries of the journal to a file, in a form for other programs",
		Long: `Write the entries of some days to a file, the oldest first, in one of these forms:

  jsonl    one JSON object on each line, as "journal list --json" has them
  csv      a table for a spreadsheet: semicolons, UTF-8 with a byte order mark; an
           OIN, and what a spreadsheet would calculate, begins with an apostrophe
  adl      records of the Authorization Decision Log, one on each line, of the
           entries that tell of a decision
  logboek  spans of Logboek Dataverwerkingen as OTLP JSON, a request on each line

None of these holds values of fields: the journal does not. An export is entered
in the journal itself.`,
		Example: `  doorstroom journal export --format csv --from 2026-11-01 --until 2026-11-30 -o november.csv
  doorstroom journal export --format logboek -o logboek.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, until, err := days.bounds()
			if err != nil {
				return err
			}
			if file == "" {
				return usagef("give --output")
			}
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			activities = cmp.Or(activities, c.Logboek.Activities)
			n, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (n int, err error) {
				return n, fillFile(file, func(w io.Writer) error {
					write, err := entryWriter(format, activities, w)
					if err != nil {
						return err
					}
					n, err = exportTo(ctx, client, rest.JournalSearch{From: from, Until: until, Limit: exportPage}, write)
					return err
				})
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Wrote %s to %s\n", gateway.Count(n, "entry", "entries"), file)
			return nil
		},
	}
	a.nodeFlags(cmd)
	days.flags(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl, csv, adl or logboek")
	cmd.Flags().StringVarP(&file, "output", "o", "", "the file to write; it must not exist")
	cmd.Flags().StringVar(&activities, "activities", "", "what the URIs of processing activities begin with (default: logboek.activities of the configuration)")
	return cmd
}

// pageWriter writes one page of an export.
type pageWriter func(self gateway.OIN, entries []rest.JournalEntry, records []logbook.Record) error

func entryWriter(format, activities string, w io.Writer) (pageWriter, error) {
	switch format {
	case "jsonl":
		return func(_ gateway.OIN, entries []rest.JournalEntry, _ []logbook.Record) error {
			return eachLine(w, entries, func(e rest.JournalEntry) (any, bool) { return e, true })
		}, nil
	case "adl":
		return func(self gateway.OIN, _ []rest.JournalEntry, records []logbook.Record) error {
			return eachLine(w, records, func(r logbook.Record) (any, bool) { return logbook.ADL(self, r) })
		}, nil
	case "csv":
		table, err := logbook.NewCSV(w)
		return func(_ gateway.OIN, _ []rest.JournalEntry, records []logbook.Record) error {
			for _, r := range records {
				if err := table.Write(r); err != nil {
					return err
				}
			}
			return table.Close()
		}, err
	case "logboek":
		return func(self gateway.OIN, _ []rest.JournalEntry, records []logbook.Record) error {
			var spans []trace.Record
			for _, r := range records {
				spans = append(spans, logbook.Spans(activities, self, r)...)
			}
			line, err := trace.JSON(logbook.Resource(self, readVersion().Version), spans)
			if err == nil && len(spans) > 0 {
				_, err = fmt.Fprintf(w, "%s\n", line)
			}
			return err
		}, nil
	}
	return nil, usagef("--format: expected jsonl, csv, adl or logboek")
}

func eachLine[T any](w io.Writer, all []T, value func(T) (any, bool)) error {
	for _, one := range all {
		v, ok := value(one)
		if !ok {
			continue
		}
		line, err := logbook.Line(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

func exportTo(ctx context.Context, client *rest.LocalClient, s rest.JournalSearch, write pageWriter) (n int, err error) {
	for {
		page, err := client.ExportJournal(ctx, s)
		if err != nil {
			return n, err
		}
		var records []logbook.Record
		for i, e := range page.Entries {
			r := logbook.Record{Index: e.Index, Entry: entryOf(e)}
			if i < len(page.Traces) {
				_, err = hex.Decode(r.Trace[:], []byte(page.Traces[i].Trace[:min(32, len(page.Traces[i].Trace))]))
				_, err2 := hex.Decode(r.Span[:], []byte(page.Traces[i].Span[:min(16, len(page.Traces[i].Span))]))
				if err != nil || err2 != nil {
					return n, gateway.Errorf(gateway.Unavailable, "the answer of the node cannot be read; is it of the same version as this program?")
				}
			}
			records = append(records, r)
		}
		if err := write(page.Party, page.Entries, records); err != nil {
			return n, err
		}
		n += len(records)
		if s.Page = page.More; s.Page == "" {
			return n, nil
		}
	}
}

// entryOf is an entry as the node holds it.
func entryOf(e rest.JournalEntry) journal.Entry {
	return journal.Entry{
		Time: e.Time, Kind: e.Kind, Party: e.Party, Principal: e.Principal, Recipients: e.Recipients, Message: e.Message, Fields: e.Fields,
		Forms: e.Forms, Count: e.Count, Policy: e.Policy, Rule: e.Rule, Rules: e.Rules, Register: e.Register, Caller: e.Caller,
		Outcome: e.Outcome, Reason: e.Reason, Digest: e.Digest, Since: e.Since,
	}
}
