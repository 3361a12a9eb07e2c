package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newDoctorCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the node and its machine, and say what to do",
		Long: `Examine what a node needs: its configuration, database, disks, clock, keys and
certificate, register, policy, contact with others, backups. Each line says what
it is like; below what is not in order stands what to do about it. It shows no
offers and no persons.

The node may be running or not. Of one that is not, nothing changes.

Exit codes: 0 all is in order, 3 there are warnings, 1 something is wrong.`,
		Example: "  doorstroom doctor\n  doorstroom doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := a.examine(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(a.stdout, rest.Findings{Findings: findings})
			} else {
				a.showFindings(findings)
			}
			if err != nil {
				return err
			}
			return verdict(findings)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// examine asks the node, and looks itself when that is not running.
func (a *app) examine(cmd *cobra.Command) ([]desk.Finding, error) {
	findings, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]desk.Finding, error) {
		return client.Doctor(ctx)
	})
	if gateway.KindOf(err) != gateway.Unavailable {
		return findings, err
	}
	c, err := a.loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	return node.DoctorStopped(cmd.Context(), c), nil
}

func (a *app) showFindings(findings []desk.Finding) {
	for _, f := range findings {
		fmt.Fprintf(a.stdout, "%-8s %-14s %s\n", f.Level, f.Check, clip(f.Text, 0))
		if f.Do != "" {
			fmt.Fprintf(a.stdout, "%-8s %-14s → %s\n", "", "", f.Do)
		}
	}
}

// verdict is the worst of the findings.
func verdict(findings []desk.Finding) error {
	var worst error
	for _, f := range findings {
		switch f.Level {
		case desk.LevelError:
			return errTold
		case desk.LevelWarning:
			worst = errPartly
		}
	}
	return worst
}
