package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// members are the fields of a value that say something, with what they say.
func members(value any) (texts []string) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("plain data can be encoded: " + err.Error())
	}
	var all map[string]json.RawMessage
	_ = json.Unmarshal(raw, &all) // it was just written
	for _, name := range slices.Sorted(maps.Keys(all)) {
		texts = append(texts, name+" = "+string(all[name]))
	}
	return texts
}

func newSubjectRectifyCommand(a *app) *cobra.Command {
	var path string
	var c gateway.Correction
	cmd, in := a.askCommand(&cobra.Command{
		Use:   "rectify REFERRAL...",
		Short: "Ask the other side to correct what it was told",
		Long: `Say what is right, with flags or in a YAML or JSON file with --file; a flag goes
before the file. The file has two parts, need and handover, with the fields of
referrals refer and referrals handover. What you do not name stays as it is. The
former values are erased, here at once and there when the request is answered.

Your policy says which fields may go; what may not is left out, and told.`,
		Example: `  doorstroom subject rectify 3f0c9a12 --ground onjuist --phone 0687654321
  doorstroom subject rectify --reference Z-2026-17 --ground onvolledig --file verbetering.yaml`,
	}, gateway.Rectify, func(in *asking) error {
		if path != "" {
			if err := readInput(path, &in.ask.Correction); err != nil {
				return err
			}
		}
		n, h := &in.ask.Correction.Need, &in.ask.Correction.Handover
		put(&n.Note, c.Need.Note)
		put(&n.Postcode, c.Need.Postcode)
		put(&h.Name, c.Handover.Name)
		put(&h.Phone, c.Handover.Phone)
		put(&h.Email, c.Handover.Email)
		put(&h.Reachable, c.Handover.Reachable)
		put(&h.Guidance, c.Handover.Guidance)
		return nil
	})
	flags := cmd.Flags()
	groundFlag(cmd, in, "onjuist or onvolledig")
	flags.StringVar(&path, "file", "", "YAML or JSON file with what is right")
	flags.StringVar(&c.Need.Note, "note", "", "of the referral")
	flags.StringVar(&c.Need.Postcode, "postcode", "", "of the referral: four digits")
	flags.StringVar(&c.Handover.Name, "name", "", "of the person, as it was handed over")
	flags.StringVar(&c.Handover.Phone, "phone", "", "of the person")
	flags.StringVar(&c.Handover.Email, "email", "", "of the person")
	flags.StringVar(&c.Handover.Reachable, "reachable", "", "when and how the person is best reached")
	flags.StringVar(&c.Handover.Guidance, "guidance", "", "what guidance must know")
	return cmd
}

func groundFlag(cmd *cobra.Command, in *asking, which string) {
	cmd.Flags().StringVar(&in.ask.Ground, "ground", "", "why, a code of verzoekgrond: "+which)
}

func newSubjectEraseCommand(a *app) *cobra.Command {
	cmd, in := a.askCommand(&cobra.Command{
		Use:   "erase REFERRAL...",
		Short: "Ask the other side to erase what it was told",
		Long: `Ask the other side to erase all that it has of a referral, or, with --field, a
part of it: handover for all that was handed over, or a field such as
handover.phone or need.note. Of a referral that has not ended the other side can
erase parts only.

Nothing is erased here: doorstroom referrals erase does that. The request and
its answer stay, without their words.`,
		Example: `  doorstroom subject erase 3f0c9a12 --ground niet-meer-nodig
  doorstroom subject erase 3f0c9a12 --ground bezwaar --field handover.address --field need.note
  doorstroom subject erase --reference Z-2026-17 --ground bezwaar --received 2026-11-20`,
	}, gateway.Erase, nil)
	groundFlag(cmd, in, "niet-meer-nodig, toestemming-ingetrokken, bezwaar, onrechtmatig or wettelijke-plicht")
	cmd.Flags().StringSliceVar(&in.fields, "field", nil, "what to erase, if not all")
	return cmd
}

func newSubjectRestrictCommand(a *app) *cobra.Command {
	cmd, in := a.askCommand(&cobra.Command{
		Use:   "restrict REFERRAL...",
		Short: "Ask the other side to keep what it was told, and not to use it",
		Long: `Ask the other side to keep the data and not to use it, until you lift that. Here
it holds at once: need and handover data are not shown, only steps that end the
referral are possible, and it is not erased at its term.`,
		Example: `  doorstroom subject restrict 3f0c9a12 --ground juistheid-betwist`,
	}, gateway.Restrict, nil)
	groundFlag(cmd, in, "juistheid-betwist, liever-beperken, rechtsvordering or bezwaar-loopt")
	return cmd
}

func newSubjectLiftCommand(a *app) *cobra.Command {
	cmd, _ := a.askCommand(&cobra.Command{
		Use:   "lift REFERRAL...",
		Short: "Lift a restriction, here and at the other side",
		Long: `Lift a restriction. Tell the inhabitant before you do: the law asks that
(AVG art. 18(3)).`,
		Example: `  doorstroom subject lift 3f0c9a12`,
	}, gateway.Lift, nil)
	return cmd
}

func newSubjectAnswerCommand(a *app) *cobra.Command {
	var r desk.SubjectReply
	var fields, over []string
	var until string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "answer REQUEST RESULT",
		Short: "Do what is asked of you for an inhabitant, or say why not",
		Long: `Answer a request of the other side of a referral. RESULT is:
  done      it is done now: erased, corrected, restricted, or lifted
  partly    done for the fields that --field names; --reason says why not the rest
  refused   --reason says why not, a code of verzoekreden
  extended  later: --until says when, at most three months after the inhabitant
            asked, and --reason why: ingewikkeld or veel-verzoeken

What is erased does not come back, also not from a backup. All of a referral can
be erased once it has ended; what was handed over, and single fields, before.
The answer is signed: it is your statement of what was erased.`,
		Example: `  doorstroom subject answer 1a2b3c4d done
  doorstroom subject answer 1a2b3c4d partly --field handover --reason nog-nodig
  doorstroom subject answer 1a2b3c4d refused --reason wettelijke-plicht \
    --explanation "Vijf jaar bewaarplicht."
  doorstroom subject answer 1a2b3c4d extended --until 2027-01-20 --reason ingewikkeld`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			r.Request, r.Result = args[0], gateway.SubjectResult(args[1])
			if !slices.Contains(gateway.SubjectResults(), r.Result) {
				return usagef("there is no result %q: done, partly, refused or extended", args[1])
			}
			lists, err := codeLists()
			if err != nil {
				return err
			}
			r.Reason, r.Fields, r.AnswerBy = codeOf(lists, "verzoekreden", r.Reason), typed[gateway.Field](fields), gateway.Date(until)
			if r.Override, err = overrides(over); err != nil {
				return err
			}
			line, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.SubjectLine, error) {
				return client.AnswerSubject(ctx, r)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, line)
			}
			fmt.Fprintf(a.stdout, "%s: %s. %s.\n", shortRequest(line.Request), line.What, line.Outcome)
			return nil
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.Reason, "reason", "", "why not, or why later: a code of verzoekreden, or its Dutch name")
	flags.StringSliceVar(&fields, "field", nil, "with partly: what is done")
	flags.StringVar(&until, "until", "", "with extended: the last day")
	flags.StringVar(&r.Explanation, "explanation", "", "in your own words")
	flags.StringSliceVar(&over, "override", nil, "what only looks like personal data, such as explanation=bsn")
	jsonFlag(cmd, &asJSON)
	return cmd
}
