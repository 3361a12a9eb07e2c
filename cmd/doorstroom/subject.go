package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newSubjectCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "subject",
		Short: "Rights of inhabitants: rectify, erase, restrict, and report",
		Long: `What an inhabitant may ask under the AVG. When he asks it of you, the other side
of his referrals has his data too: rectify, erase, restrict and lift ask it there,
encrypted, with a day by which to answer. Somebody there answers, with answer: it
is done, or not and why. Overdue answers show in list, in status and in the
daily mail.

What you correct is corrected here too, and a restriction holds here at once.
To erase here as well: doorstroom referrals erase.`,
		Example: `  doorstroom subject erase 3f0c9a12 --ground niet-meer-nodig
  doorstroom subject list
  doorstroom subject answer 1a2b3c4d done
  doorstroom subject report 3f0c9a12 --output inwoner.html`,
	}, newSubjectListCommand(a), newSubjectShowCommand(a), newSubjectRectifyCommand(a), newSubjectEraseCommand(a),
		newSubjectRestrictCommand(a), newSubjectLiftCommand(a), newSubjectAnswerCommand(a), newSubjectReportCommand(a))
}

// shortRequest is as much of the id of a request as a screen shows: its end, for
// the beginning is a time.
func shortRequest(id string) string { return id[max(0, len(id)-8):] }

func newSubjectListCommand(a *app) *cobra.Command {
	var open, overdue, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List requests of inhabitants, and what became of them",
		Long: `List what you asked of others for inhabitants (uit), and what others asked of you
(in), first what must be answered first. A request is named by its id, or by the
end of one, as it stands here.`,
		Example: `  doorstroom subject list --open
  doorstroom subject list --overdue --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]desk.SubjectLine, error) {
				return client.Subject(ctx)
			})
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(l desk.SubjectLine) bool { return open && !l.Open || overdue && !l.Overdue })
			if asJSON {
				return writeJSON(a.stdout, rest.SubjectRequests{Requests: slices.Concat([]desk.SubjectLine{}, list)})
			}
			return a.showSubject(list)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().BoolVar(&open, "open", false, "only those that are not answered")
	cmd.Flags().BoolVar(&overdue, "overdue", false, "only those of which the answer was due before today")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showSubject(list []desk.SubjectLine) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "There are none.")
		return nil
	}
	var rows [][]string
	for _, l := range list {
		rows = append(rows, []string{
			shortRequest(l.Request), subjectSide(l), cmp.Or(l.PartyName, string(l.Party)), shortReferral(l.Referral), l.What, subjectDue(l), l.Outcome,
		})
	}
	if err := writeTable(a.stdout, []column{
		{"ID", 0}, {"SIDE", 0}, {"WITH", 16}, {"REFERRAL", 0}, {"WHAT", 30}, {"DUE", 0}, {"OUTCOME", 60},
	}, rows); err != nil {
		return err
	}
	for _, l := range list {
		for _, note := range l.Notes {
			fmt.Fprintf(a.stdout, "%s: %s\n", shortRequest(l.Request), note)
		}
	}
	return nil
}

func subjectSide(l desk.SubjectLine) string {
	if l.Asked {
		return "uit"
	}
	return "in"
}

func subjectDue(l desk.SubjectLine) string {
	switch {
	case !l.Open:
		return ""
	case l.Overdue:
		return fmt.Sprintf("%s te laat (%d wd)", l.Due, l.Late)
	}
	return string(l.Due)
}

func newSubjectShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show REQUEST",
		Short: "Show one request, with what it says",
		Long: `Show one request and its answer, with their words. That you looked is entered
in the journal.`,
		Example: `  doorstroom subject show 1a2b3c4d
  doorstroom subject show 1a2b3c4d --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			detail, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.SubjectDetail, error) {
				return client.ReadSubject(ctx, args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, detail)
			}
			a.tellSubject(detail)
			return nil
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) tellSubject(d desk.SubjectDetail) {
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(a.stdout, "%-14s %s\n", what+":", clip(text, 0))
		}
	}
	line("Verzoek", d.What)
	line("Verwijzing", d.Referral)
	line("Met", cmp.Or(d.PartyName, string(d.Party)))
	line("Grond", d.Why)
	line("Gevraagd op", string(d.Received))
	line("Uiterlijk", subjectDue(d.SubjectLine))
	line("Velden", fieldNames(d.Fields))
	line("Toelichting", d.Explanation)
	for _, part := range []struct {
		name string
		of   any
	}{{"need", d.Correction.Need}, {"handover", d.Correction.Handover}} {
		for _, f := range members(part.of) {
			line("Wordt", part.name+"."+f)
		}
	}
	line("Stand", d.Outcome)
	line("Uitleg", d.Answer)
	line("Let op", strings.Join(d.Notes, "; "))
}

// asking are the flags of all commands that ask something.
type asking struct {
	ask      desk.SubjectAsk
	received string
	fields   []string
	over     []string
	asJSON   bool
}

// askCommand makes a command that asks; prepare reads what it has of its own.
func (a *app) askCommand(cmd *cobra.Command, act gateway.SubjectAct, prepare func(*asking) error) (*cobra.Command, *asking) {
	in := &asking{}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if (len(args) == 0) == (in.ask.Reference == "") {
			return usagef("name one or more referrals, or --reference")
		}
		lists, err := codeLists()
		if err != nil {
			return err
		}
		in.ask.Act, in.ask.Referrals, in.ask.Received = act, args, gateway.Date(in.received)
		in.ask.Ground, in.ask.Fields = codeOf(lists, "verzoekgrond", in.ask.Ground), typed[gateway.Field](in.fields)
		if in.ask.Override, err = overrides(in.over); err != nil {
			return err
		}
		if prepare != nil {
			if err := prepare(in); err != nil {
				return err
			}
		}
		asked, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.SubjectAsked, error) {
			return client.AskSubject(ctx, in.ask)
		})
		if err != nil {
			return err
		}
		if in.asJSON {
			return writeJSON(a.stdout, asked)
		}
		a.tellSubjectAsked(asked)
		return nil
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&in.ask.Reference, "reference", "", "all referrals of this reference of yours")
	flags.StringVar(&in.received, "received", "", "day on which the inhabitant asked; today if not given")
	flags.StringVar(&in.ask.Explanation, "explanation", "", "what the other side must know to answer")
	flags.StringSliceVar(&in.over, "override", nil, "what only looks like personal data, such as explanation=bsn")
	jsonFlag(cmd, &in.asJSON)
	return cmd, in
}

func (a *app) tellSubjectAsked(asked desk.SubjectAsked) {
	for _, l := range asked.Requests {
		fmt.Fprintf(a.stdout, "%s: %s, gevraagd aan %s over verwijzing %s; antwoord uiterlijk %s.\n", shortRequest(l.Request), l.What,
			clip(cmp.Or(l.PartyName, string(l.Party)), 0), shortReferral(l.Referral), l.Due)
	}
	if len(asked.LeftOut) > 0 {
		fmt.Fprintf(a.stdout, "Niet meegestuurd, want uw beleid laat dat niet toe: %s\n", fieldNames(asked.LeftOut))
	}
	for _, o := range asked.Override {
		fmt.Fprintf(a.stdout, "Toegestaan en vastgelegd: %s in %s\n", o.What, clip(o.Field, 0))
	}
}
