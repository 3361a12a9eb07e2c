package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/scenario"
)

func newDemoCommand(a *app) *cobra.Command {
	d := scenario.Demo{Out: a.stdout, Progress: a.stderr}
	name := scenario.Names()[0]
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole region on this machine",
		Long: `Run a region on this machine, each party a node of its own. The companies'
exports are published, and you see who sees which fields of which offers, and
what the policies kept back (in Dutch); then what a privacy officer finds out: all
that a policy can show, what a proposal would change, what was denied, and that a
changed copy of the journal is found. The nodes keep running, for you to try
things, until Ctrl-C. There are three regions:

  drechtsteden  two leerwerkbedrijven, three gemeenten and a GRS
  groningen     the Instroomportaal of iederz: 100 places per dagdeel, of which 20
                for two parties for Wmo
  zoetermeer    De Binnenbaan, one company that is another one for each of three
                gemeenten

All of it is made up, and gone afterwards unless you name a folder.`,
		Example: `  doorstroom demo
  doorstroom demo --scenario zoetermeer
  doorstroom demo --dir /tmp/drechtsteden  # keep keys, policies and data there
  doorstroom demo --once                   # check the result and end`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if d.Scenario, err = scenario.Load(name); err != nil {
				return err
			}
			if d.Program, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			return d.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&name, "scenario", name, "which region: "+strings.Join(scenario.Names(), ", "))
	cmd.Flags().BoolVar(&d.Once, "once", false, "end when all has been shown and checked; it fails if a node holds what it should not, or the people referred do not get where they should")
	cmd.Flags().StringVar(&d.Dir, "dir", "", "folder for the nodes, which stays (default: one that is removed at the end)")
	return cmd
}
