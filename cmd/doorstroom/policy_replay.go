package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newPolicyReplayCommand(a *app) *cobra.Command {
	var asJSON bool
	var days int
	cmd := &cobra.Command{
		Use:   "replay DRAFT",
		Short: "Say in Dutch what a draft would have decided otherwise lately",
		Long: `Say what a draft (a policy file, or a folder of them) would have shown or refused
otherwise in the last 30 days, by the journal of the running node and the policies
that it keeps, and what it shows otherwise of its own offers of today.

The journal holds no offers: where what the draft would have done depends on the
offer of then, this says so.

Exit codes: 0 nothing would be otherwise, 3 something would or may be.`,
		Example: "  doorstroom policy replay concept.yaml\n  doorstroom policy replay concept.yaml --days 7 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := filesAt(args[0])
			if err != nil {
				return err
			}
			replay, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.PolicyReplay, error) {
				return client.ReplayPolicy(ctx, rest.Draft{Files: fileTexts(files), Days: days})
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(a.stdout, replay)
			} else {
				fmt.Fprint(a.stdout, replay.Text())
			}
			if err == nil && (len(replay.Changes) > 0 || !replay.Now.Empty()) {
				return errPartly
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().IntVar(&days, "days", 30, "how many days back")
	jsonFlag(cmd, &asJSON)
	return cmd
}
