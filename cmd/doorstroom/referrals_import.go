package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/adapters/aanmelding"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// importedReferrals is what became of a file of referrals.
type importedReferrals struct {
	Made     []string             `json:"made"`    // ids
	Skipped  int                  `json:"skipped"` // made before, from the same reference to the same offer
	Ready    int                  `json:"ready"`   // rows that can be read
	Problems []gateway.RowProblem `json:"problems,omitempty"`
}

func newReferralsImportCommand(a *app) *cobra.Command {
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Refer from an export of your own system, one referral per row",
		Long: `Refer from a CSV file or a workbook, one referral per row. The first row has the
headers; kenmerk and aanbod must be there, the others as you have them:
` + importColumns() + `
Each row stands by itself: one with a problem is told, with line and column, and
makes no referral; the others are made. A kenmerk of which there is a referral
to that aanbod already is skipped, so that the same file can be given again.`,
		Example: `  doorstroom referrals import verwijzingen.csv --dry-run
  doorstroom referrals import verwijzingen.csv --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lists, err := codeLists()
			if err != nil {
				return err
			}
			rows, problems, err := aanmelding.Read(args[0], lists, gateway.DateOf(time.Now()))
			if err != nil {
				return err
			}
			done := importedReferrals{Made: []string{}, Ready: len(rows), Problems: problems}
			if !dryRun {
				_, err = ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (struct{}, error) {
					return struct{}{}, referAll(ctx, client, filepath.Base(args[0]), rows, &done)
				})
			}
			return cmp.Or(err, a.tellImported(done, dryRun, asJSON))
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only read the file, without asking the node")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func importColumns() string {
	var b strings.Builder
	for _, c := range aanmelding.Columns() {
		fmt.Fprintf(&b, "  %-18s %s\n", c.Header, c.Meaning)
	}
	return b.String()
}

// referAll makes the referrals that there are not yet. What the node refuses is a
// problem of its row; when the node does not answer, or refuses this caller,
// nothing more is tried.
func referAll(ctx context.Context, client *rest.LocalClient, file string, rows []aanmelding.Row, done *importedReferrals) error {
	list, err := client.Referrals(ctx, desk.ReferralFilter{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, r := range list {
		if r.Side == gateway.ReferrerSide {
			known[r.Reference+"\n"+r.Offer] = true
		}
	}
	for _, row := range rows {
		if known[row.Reference+"\n"+row.Need.Offer] {
			done.Skipped++
			continue
		}
		asked, err := client.Refer(ctx, desk.NewReferral{Provider: row.Provider, Principal: row.Principal, Reference: row.Reference, Need: row.Need})
		switch gateway.KindOf(err) {
		case gateway.Unavailable, gateway.Unauthenticated, gateway.Limit:
			return err
		}
		if err != nil {
			for line := range strings.Lines(gateway.SafeMessage(err)) {
				done.Problems = append(done.Problems, gateway.RowProblem{File: file, Line: row.Line, Message: strings.TrimSpace(line)})
			}
			continue
		}
		done.Made = append(done.Made, asked.Referral.ID)
	}
	return nil
}

func (a *app) tellImported(done importedReferrals, dryRun, asJSON bool) error {
	if asJSON {
		if err := writeJSON(a.stdout, done); err != nil {
			return err
		}
	} else {
		if dryRun {
			fmt.Fprintf(a.stdout, "%s te lezen; er is niets aangemeld.\n", gateway.Count(done.Ready, "regel is", "regels zijn"))
		} else {
			fmt.Fprintf(a.stdout, "Aangemeld: %d. Overgeslagen, want al aangemeld: %d.\n", len(done.Made), done.Skipped)
		}
		for _, p := range done.Problems {
			fmt.Fprintln(a.stdout, p.Text())
		}
	}
	if len(done.Problems) > 0 {
		return errPartly
	}
	return nil
}
