package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newJournalWitnessCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "witness",
		Short: "Send the head of the journal to its witnesses now",
		Long: `Send the head of the journal to the other parties that witness it. The node does
so by itself once a day, at a time of its own; use this before you make a proof,
or after work on the machine. It exits with 3 when too few have cosigned.`,
		Example: "  doorstroom journal witness",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Witnessed, error) {
				return client.WitnessJournal(ctx)
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(a.stdout, w)
			} else {
				a.showWitnessed(w)
				for _, by := range w.Witnesses {
					if by.Problem == "" {
						fmt.Fprintf(a.stdout, "  %s cosigned %s, %s\n", by.Witness, gateway.Count(by.Size, "entry", "entries"), when(by.At))
					} else {
						fmt.Fprintf(a.stdout, "  %s did not cosign: %s\n", by.Witness, by.Problem)
					}
				}
			}
			good := 0
			for _, by := range w.Witnesses {
				if by.Problem == "" {
					good++
				}
			}
			if err == nil && good < w.Needed {
				return errPartly
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}
