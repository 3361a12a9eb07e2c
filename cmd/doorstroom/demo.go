package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/scenario"
)

func newDemoCommand(a *app) *cobra.Command {
	d := scenario.Demo{Out: a.stdout, Progress: a.stderr}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole region on this machine",
		Long: `Run the Drechtsteden on this machine: two leerwerkbedrijven, three gemeenten and
a GRS, each a node of its own. The companies' exports are published, and you see
who sees which fields of which offers, and what the policies kept back (in
Dutch). The nodes then keep running, for you to try things, until Ctrl-C.

All of it is made up, and gone afterwards unless you name a folder.`,
		Example: `  doorstroom demo
  doorstroom demo --dir /tmp/drechtsteden  # keep keys, policies and data there
  doorstroom demo --once                   # check the result and end`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if d.Scenario, err = scenario.Load("drechtsteden"); err != nil {
				return err
			}
			if d.Program, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			return d.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&d.Once, "once", false, "end when all has been shown and checked; it fails if a node holds what it should not")
	cmd.Flags().StringVar(&d.Dir, "dir", "", "folder for the nodes, which stays (default: one that is removed at the end)")
	return cmd
}
