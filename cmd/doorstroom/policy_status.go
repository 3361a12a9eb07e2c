package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/desk"
)

func newPolicyStatusCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which policy is in force, who agreed, and what waits",
		Long: `Show which policy is in force at the running node, since when and by whose
agreement; and of the files on disk why they are not in force, or from when they
will be.`,
		Example: "  doorstroom policy status\n  doorstroom policy status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := ask(a, cmd, fetchStatus)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, status.Policy)
			}
			writePolicyStatus(a.stdout, status.Policy)
			return nil
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func writePolicyStatus(w io.Writer, p desk.PolicyStatus) {
	if p.Number == 0 {
		fmt.Fprintln(w, "in force  no policy: nothing is disclosed")
	} else {
		fmt.Fprintf(w, "in force  policy %s, number %d, since %s\n", p.Version, p.Number, when(p.Since))
	}
	fmt.Fprintf(w, "approval  %s\n", p.Approval)
	if p.Author != "" {
		fmt.Fprintf(w, "agreed    author %s, approver %s\n", clip(p.Author, 0), clip(p.Approver, 0))
	}
	writeWaiting(w, p)
	if p.Error != "" {
		fmt.Fprintf(w, "on disk   not in force: %s\n", p.Error)
	}
}

// writeWaiting tells of a policy that is not in force yet.
func writeWaiting(w io.Writer, p desk.PolicyStatus) {
	if p.Waiting != nil {
		fmt.Fprintf(w, "waiting   policy %s, in force from %s: it shows more than the present one\n", short(p.Waiting.Version), when(p.Waiting.Until))
	}
}
