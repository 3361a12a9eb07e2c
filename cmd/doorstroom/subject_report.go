package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newSubjectReportCommand(a *app) *cobra.Command {
	var q desk.SubjectQuestion
	var out reportFlags
	cmd := &cobra.Command{
		Use:   "report [REFERRAL...]",
		Short: "Make for an inhabitant the report of all that is kept of him",
		Long: `Gather all that this node keeps of an inhabitant (AVG art. 15) as a document in
plain Dutch to give to him: the data, what went to whom and when, by which rules
and why that was allowed, and until when it is kept. Name the referrals, or with
--name a name as it stands in what was handed over.

A name can be that of somebody else. So by name it is asked twice: first this
command says how many referrals bear it; look whether all are of the same person,
then give that number with --confirm. The journal says that it was asked, by
whom, and of how many: never the name.`,
		Example: `  doorstroom subject report 3f0c9a12 --output inwoner.html
  doorstroom subject report --name "Kim Verzinsel"
  doorstroom subject report --name "Kim Verzinsel" --confirm 2 --format text`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			q.Referrals = args
			report, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (audit.Subject, error) {
				return client.ReportSubject(ctx, q)
			})
			if err != nil {
				return err
			}
			return a.writeReport(out, report)
		},
	}
	a.nodeFlags(cmd)
	out.define(cmd)
	cmd.Flags().StringVar(&q.Name, "name", "", "name, or a part of one, in what was handed over")
	cmd.Flags().IntVar(&q.Confirm, "confirm", 0, "with --name: how many referrals it found before")
	return cmd
}
