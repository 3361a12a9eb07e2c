package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/schemas"
)

func newAdapterCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "adapter",
		Short:   "Connect the node to your administration",
		Long:    "Connect the node to the exports of your administration.",
		Example: "  doorstroom adapter map aanbod.csv",
	}, newAdapterMapCommand(a))
}

func newAdapterMapCommand(a *app) *cobra.Command {
	var output string
	var force bool
	cmd := &cobra.Command{
		Use:   "map FILE",
		Short: "Propose which column of an export is what",
		Long: `Propose a mapping from the headers of an export: which column is what. On a
terminal it asks what it cannot guess: answer with a number, the name of a column
or a fixed value, or leave it open. What stays open is in the file as comments,
for you to fill in. In the file stands nothing of the rows but terms that are in
no code list.

Exit codes: 0 the mapping is complete, 3 questions are open.`,
		Example: `  doorstroom adapter map aanbod.csv
  doorstroom adapter map aanbod.xlsx -o koppeling.yaml --force`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if output == "" {
				output = siblingMapping(args[0])
			}
			return a.mapExport(args[0], output, force)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "where to write the mapping (default: <name>.mapping.yaml beside the export)")
	cmd.Flags().BoolVar(&force, "force", false, "replace a mapping that is there already")
	return cmd
}

func (a *app) mapExport(export, output string, force bool) error {
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return err
	}
	proposal, err := adapters.Propose(export, lists)
	if err != nil {
		return err
	}
	open := proposal.Questions
	if isTerminal(a.stdin) {
		headers, err := headersOf(export)
		if err != nil {
			return err
		}
		i := interview{in: newLines(a.stdin), out: a.stdout, headers: headers, mapping: &proposal.Mapping}
		if open, err = i.ask(open); err != nil {
			return err
		}
	}
	file := withQuestions(proposal.Mapping.Encode(), open)
	if err := writeFile(output, file, force); err != nil {
		if gateway.KindOf(err) == gateway.Conflict {
			return gateway.Wrap(gateway.Conflict, err, fmt.Sprintf("there is a file %s already: name another with -o, or say --force", output))
		}
		return err
	}
	fmt.Fprintf(a.stdout, "Wrote %s.\n", output)
	_, err = adapters.ParseMapping(output, file)
	if err != nil {
		fmt.Fprintln(a.stdout, "Vul nog in:")
		fmt.Fprintln(a.stdout, gateway.SafeMessage(err))
	}
	for _, q := range open {
		fmt.Fprintln(a.stdout, describe(q))
	}
	if err != nil || len(answerable(open)) > 0 {
		return errPartly
	}
	fmt.Fprintf(a.stdout, "Try it: doorstroom publish --dry-run %s\n", export)
	return nil
}

// answerable leaves out remarks, which ask for nothing in the file.
func answerable(questions []adapters.Question) []adapters.Question {
	var all []adapters.Question
	for _, q := range questions {
		if q.Field != "" {
			all = append(all, q)
		}
	}
	return all
}

// withQuestions puts what is open at the top of the file.
func withQuestions(file []byte, open []adapters.Question) []byte {
	if len(open) == 0 {
		return file
	}
	var b bytes.Buffer
	b.WriteString("# Nog te bekijken:\n")
	for _, q := range open {
		fmt.Fprintf(&b, "# - %s\n", describe(q))
	}
	b.WriteString("\n")
	b.Write(file)
	return b.Bytes()
}

// describe is a question on one line.
func describe(q adapters.Question) string {
	text := q.Reason
	if q.Column != "" {
		text = "kolom " + q.Column + ": " + text
	}
	if q.Field != "" {
		text = q.Field + ": " + text
	}
	if len(q.Candidates) > 0 {
		text += " (" + strings.Join(q.Candidates, ", ") + ")"
	}
	return clip(text, 0)
}
