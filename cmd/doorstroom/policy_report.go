package main

import (
	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/logbook"
)

func newPolicyReportCommand(a *app) *cobra.Command {
	var art30, dpia bool
	var registerFile string
	var out reportFlags
	cmd := &cobra.Command{
		Use:   "report [FILE...]",
		Short: "Make the register of processing (AVG art. 30) or the tables for a DPIA",
		Long: `Make in Dutch what the law asks to have on paper about what a policy discloses.
--art30 gives the rows of the verwerkingsregister: as controller per purpose and
basis, with data, people, recipients, retention and security; and the mandates by
which you act for others, or others for you. --dpia gives the tables that a DPIA
needs: every field with form, class, purpose, basis, recipients, retention and
risks, and what is always forbidden.

All of it follows from the policy files and the register of participants: what
nobody can get to see is not in it. What these do not say, the report names.
Each processing has the URI by which Logboek Dataverwerkingen knows it.
It reads files as policy matrix does.`,
		Example: `  doorstroom policy report --art30
  doorstroom policy report --art30 --output verwerkingsregister.csv
  doorstroom policy report --dpia --format html --output dpia.html
  doorstroom policy report --dpia concept.yaml --register register.jws --json`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := out.check(); err != nil {
				return err
			}
			in, err := a.readPolicy(cmd, files, registerFile)
			if err != nil {
				return err
			}
			m, err := audit.NewMatrix(in.policy, in.about, audit.Recipients(in.env, in.about.Day))
			if err != nil {
				return err
			}
			r := audit.NewRegisters(in.policy, in.env, m, func(name string) string { return logbook.Activity(in.activities, in.env.Self, name) })
			r.Approval = in.approval
			if art30 {
				return a.writeReport(out, audit.NewArt30(r))
			}
			return a.writeReport(out, audit.DPIA{Registers: r})
		},
	}
	a.nodeFlags(cmd)
	out.define(cmd)
	cmd.Flags().BoolVar(&art30, "art30", false, "the rows of the verwerkingsregister")
	cmd.Flags().BoolVar(&dpia, "dpia", false, "the tables for a DPIA")
	cmd.Flags().StringVar(&registerFile, "register", "", "register of participants to read the policy by")
	cmd.MarkFlagsMutuallyExclusive("art30", "dpia")
	cmd.MarkFlagsOneRequired("art30", "dpia")
	return cmd
}
