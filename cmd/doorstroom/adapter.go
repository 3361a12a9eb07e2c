package main

import (
	"bytes"
	"cmp"
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
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "map FILE",
		Short: "Propose which column of an export is what",
		Long: `Propose a mapping from the headers of an export: which column is what. On a
terminal it asks what it cannot guess: answer with a number, the name of a column
or a fixed value, or leave it open. What stays open is in the file as comments,
for you to fill in. In the file stands nothing of the rows but terms that are in
no code list. With --json it asks nothing and lists what is open.

Exit codes: 0 the mapping is complete, 3 questions are open.`,
		Example: `  doorstroom adapter map aanbod.csv
  doorstroom adapter map aanbod.xlsx -o koppeling.yaml --force
  doorstroom adapter map aanbod.csv --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if output == "" {
				output = siblingMapping(args[0])
			}
			return a.mapExport(args[0], output, force, asJSON)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "where to write the mapping (default: <name>.mapping.yaml beside the export)")
	cmd.Flags().BoolVar(&force, "force", false, "replace a mapping that is there already")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) mapExport(export, output string, force, asJSON bool) error {
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return err
	}
	proposal, err := adapters.Propose(export, lists)
	if err != nil {
		return err
	}
	open := proposal.Questions
	if isTerminal(a.stdin) && !asJSON {
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
	_, wrong := adapters.ParseMapping(output, file)
	report := newMappingReport(output, open, wrong)
	if asJSON {
		err = writeJSON(a.stdout, report)
	} else {
		a.showMappingReport(report, export)
	}
	if err == nil && !report.Complete {
		return errPartly
	}
	return err
}

func (a *app) showMappingReport(r mappingReport, export string) {
	fmt.Fprintf(a.stdout, "Wrote %s.\n", r.Mapping)
	if !r.Complete {
		fmt.Fprintln(a.stdout, "Vul nog in:")
	}
	for _, q := range r.Open {
		fmt.Fprintln(a.stdout, q.text())
	}
	for _, q := range r.Remarks {
		fmt.Fprintln(a.stdout, q.text())
	}
	if r.Complete {
		fmt.Fprintf(a.stdout, "Try it: doorstroom publish --dry-run %s\n", export)
	}
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

// mappingReport is what adapter map --json writes.
type mappingReport struct {
	Mapping  string         `json:"mapping"` // the file that was written
	Complete bool           `json:"complete"`
	Open     []openQuestion `json:"open"`
	Remarks  []openQuestion `json:"remarks"` // these ask for nothing in the file
}

// openQuestion is one thing to fill in, where, and what can be filled in.
type openQuestion struct {
	Place      string   `json:"place,omitempty"` // file:line:column of the mapping
	Field      string   `json:"field,omitempty"`
	Column     string   `json:"column,omitempty"` // of the export
	Reason     string   `json:"reason"`           // Dutch
	Candidates []string `json:"candidates,omitempty"`
}

func (q openQuestion) text() string {
	text := describe(adapters.Question{Field: q.Field, Column: q.Column, Reason: q.Reason, Candidates: q.Candidates})
	if q.Place != "" {
		text = q.Place + ": " + text
	}
	return text
}

// newMappingReport joins what is open with what makes the file that was written
// unfit: mostly these are the same, in other words, and then the question says
// more and the fault says where.
func newMappingReport(file string, open []adapters.Question, wrong error) mappingReport {
	r := mappingReport{Mapping: file}
	for _, q := range open {
		view := openQuestion{Field: q.Field, Column: q.Column, Reason: q.Reason, Candidates: q.Candidates}
		if q.Field == "" {
			r.Remarks = append(r.Remarks, view)
		} else {
			r.Open = append(r.Open, view)
		}
	}
	if wrong != nil {
		for _, fault := range lines(gateway.SafeMessage(wrong)) {
			r.place(fault)
		}
	}
	r.Complete = len(r.Open) == 0
	return r
}

// place puts a fault, file:line:column: field: text, with the question about its
// field, or makes it one of its own.
func (r *mappingReport) place(fault string) {
	at, text, _ := strings.Cut(strings.TrimPrefix(fault, r.Mapping), ": ")
	field, reason, ok := strings.Cut(text, ": ")
	if !ok {
		r.Open = append(r.Open, openQuestion{Reason: fault})
		return
	}
	at = r.Mapping + at
	for i, q := range r.Open {
		if field == q.Field || strings.HasPrefix(field, q.Field+".") {
			r.Open[i].Place = cmp.Or(q.Place, at)
			return
		}
	}
	r.Open = append(r.Open, openQuestion{Place: at, Field: field, Reason: reason})
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
