package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// everybody are all who ever cosigned.
const everybody = "all"

func newJournalVerifyCommand(a *app) *cobra.Command {
	var asJSON bool
	var against []string
	var file, archive, key string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Recompute the journal and compare it with its signed heads",
		Long: `Recompute the whole journal from its entries and compare it with every head
that the node signed. If an entry was changed, added or cut off after a head was
signed, this fails and says where.

Whoever owns the machine has the key of the node too, and could sign new heads
over a new journal. Other parties have cosigned the old ones: with --against the
node asks them what they hold, and names the entries that differ.

With --archive it verifies a file that "doorstroom journal archive" wrote, and
needs no node.

--file looks at a copy of a database, with the keys of the configuration. No node
needs to run.`,
		Example: `  doorstroom journal verify
  doorstroom journal verify --against all
  doorstroom journal verify --against 00000099000000002000,00000099000000003000 --json
  doorstroom journal verify --file /mnt/copy/node.db
  doorstroom journal verify --archive journal-2026.archive`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parties, err := parseParties(against)
			switch {
			case err != nil:
				return err
			case archive != "":
				return a.showArchive(archive, key, asJSON)
			case file != "":
				return a.verifyFile(cmd, file, asJSON)
			case len(against) > 0:
				return a.verifyAgainst(cmd, parties, asJSON)
			}
			report, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.JournalReport, error) {
				return client.VerifyJournal(ctx)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, report)
			}
			a.showJournalReport(report)
			a.showWitnessed(report.Witnessed)
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringSliceVar(&against, "against", nil, "compare with what these parties (OINs, or all) have witnessed")
	cmd.Flags().StringVar(&file, "file", "", "verify this copy of a database, without a node")
	cmd.Flags().StringVar(&archive, "archive", "", "verify this archive instead of the journal of the node")
	cmd.Flags().StringVar(&key, "key", "", "the key that must have signed the archive")
	cmd.MarkFlagsMutuallyExclusive("against", "file", "archive")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func parseParties(texts []string) (parties []gateway.OIN, err error) {
	if len(texts) == 1 && texts[0] == everybody {
		return nil, nil
	}
	for _, text := range texts {
		oin, err := gateway.ParseOIN(text)
		if err != nil {
			return nil, usagef("--against: %s", gateway.SafeMessage(err))
		}
		parties = append(parties, oin)
	}
	return parties, nil
}

func (a *app) verifyFile(cmd *cobra.Command, file string, asJSON bool) error {
	c, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	report, err := node.VerifyFile(cmd.Context(), c, file)
	if err != nil {
		return err
	}
	out := rest.JournalReport{Size: report.Size, Root: report.Root, Checkpoints: report.Checkpoints, Reduced: report.Reduced, Witnessed: rest.WitnessedOf(report.Witnessed)}
	if asJSON {
		return writeJSON(a.stdout, out)
	}
	a.showJournalReport(out)
	a.showWitnessed(out.Witnessed)
	return nil
}

func (a *app) verifyAgainst(cmd *cobra.Command, parties []gateway.OIN, asJSON bool) error {
	r, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Against, error) {
		return client.CompareJournal(ctx, parties)
	})
	if err != nil {
		return err
	}
	bad := r.Problem != ""
	for _, w := range r.Compared {
		bad = bad || w.Conflict()
	}
	if asJSON {
		if err := writeJSON(a.stdout, r); err != nil {
			return err
		}
	} else {
		a.showAgainst(r)
	}
	if bad {
		return errTold
	}
	return nil
}

func (a *app) showAgainst(r rest.Against) {
	if r.Problem != "" {
		fmt.Fprintf(a.stdout, "FAULT     %s\n", r.Problem)
	} else {
		a.showJournalReport(r.JournalReport)
	}
	for _, w := range r.Compared {
		fmt.Fprintf(a.stdout, "%s %s (%s): %s\n", faultOrOK(w), clip(w.Name, 0), w.Witness, compared(w))
	}
	if len(r.Compared) == 0 {
		fmt.Fprintln(a.stdout, "Nobody has witnessed this journal yet: see doorstroom status.")
	}
	a.showWitnessed(r.Witnessed)
}

func faultOrOK(c witness.Comparison) string {
	switch {
	case c.Conflict():
		return "FAULT    "
	case c.Outcome == witness.Agrees:
		return "agrees   "
	}
	return "unknown  "
}

// compared says in words what a witness holds.
func compared(c witness.Comparison) string {
	switch c.Outcome {
	case witness.Agrees:
		text := fmt.Sprintf("the first %s as it cosigned them last, %s (%s)", gateway.Count(c.Size, "entry is", "entries are"), when(c.Time), gateway.Count(c.Heads, "head", "heads"))
		if c.Given > 0 {
			text += fmt.Sprintf("; %s of before a restore", gateway.Count(c.Given, "head", "heads"))
		}
		return text
	case witness.Differs:
		return fmt.Sprintf("an entry from %d up to %d was changed, added, moved or left out since it cosigned them", c.From, c.To-1)
	case witness.CutOff:
		return fmt.Sprintf("it cosigned entries %d up to %d, which are not there: this database is an older copy, or was cut off", c.From, c.To-1)
	case witness.HoldsNone:
		return "it holds nothing of this journal"
	case witness.Unsigned:
		return "it shows heads that this node never signed"
	case witness.NotInForce:
		return "the register knows no such other party"
	}
	return "no answer, or it does not witness journals"
}

func (a *app) showJournalReport(r rest.JournalReport) {
	fmt.Fprintf(a.stdout, "The journal verifies: %s, %s.\nRoot: %s\n", gateway.Count(r.Size, "entry", "entries"), gateway.Count(r.Checkpoints, "signed head", "signed heads"), r.Root)
	if r.Reduced > 0 {
		fmt.Fprintf(a.stdout, "Of the %d oldest entries, which are past their term, only hashes are left.\n", r.Reduced)
	}
}

// showWitnessed tells how far the journal is beyond rewriting unnoticed.
func (a *app) showWitnessed(w rest.Witnessed) {
	fmt.Fprintln(a.stdout, witnessedText(w))
}

func witnessedText(w rest.Witnessed) string {
	switch {
	case w.Needed == 0:
		return "Witnessed: nothing; no witnesses are asked, or there is no other party."
	case w.Size == 0:
		return fmt.Sprintf("Witnessed: nothing yet; %s must cosign. All entries (%d) could still be rewritten unnoticed.",
			gateway.Count(w.Needed, "witness", "witnesses"), w.Unwitnessed)
	}
	text := fmt.Sprintf("Witnessed: the first %s, by %s, %s.", gateway.Count(w.Size, "entry", "entries"), gateway.Count(w.Needed, "party", "parties"), when(w.At))
	if w.Unwitnessed == 0 {
		return text
	}
	return text + fmt.Sprintf(" The %s after them, since %s, not yet.", gateway.Count(w.Unwitnessed, "entry", "entries"), when(w.Since))
}
