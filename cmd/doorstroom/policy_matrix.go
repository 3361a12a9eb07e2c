package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newPolicyMatrixCommand(a *app) *cobra.Command {
	var recipient, registerFile string
	var offers bool
	var out reportFlags
	cmd := &cobra.Command{
		Use:   "matrix [FILE...]",
		Short: "Show in one table everything that anybody can see, and under which conditions",
		Long: `Show in Dutch, for each party of the register and the public, which fields of an
offer they can see in which form, under which conditions, by which rules, for
which purpose, on which legal basis and for how long. The table is complete:
every offer that there is or can be falls in exactly one row of each recipient.

It reads policy files as policy check does: without FILE those of the
configuration, which need not be in force yet. With --offers the running node
answers instead, with the policy in force and its own offers of today.

The CSV is separated by semicolons; a text in it that looks like a formula has a
quote before it. The HTML is one page to keep, mail or print.`,
		Example: `  doorstroom policy matrix
  doorstroom policy matrix concept.yaml --register register.jws --recipient gm0505
  doorstroom policy matrix --format html --output matrix.html
  doorstroom policy matrix --offers --format csv --output aanbod.csv`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if offers && len(files) > 0 {
				return usagef("--offers is about the policy in force: name no FILE")
			}
			var m audit.Matrix
			var err error
			if offers {
				m, err = a.offerMatrix(cmd, recipient)
			} else {
				m, err = a.fileMatrix(cmd, files, registerFile, recipient)
			}
			if err != nil {
				return err
			}
			return a.writeReport(out, m)
		},
	}
	a.nodeFlags(cmd)
	out.define(cmd)
	cmd.Flags().StringVar(&recipient, "recipient", "", "only this recipient: gemeente code, OIN or public")
	cmd.Flags().StringVar(&registerFile, "register", "", "register of participants to read the policy by")
	cmd.Flags().BoolVar(&offers, "offers", false, "the own offers of the running node instead of all conditions")
	return cmd
}

func (a *app) offerMatrix(cmd *cobra.Command, recipient string) (audit.Matrix, error) {
	var m audit.Matrix
	answer, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.OfferMatrix, error) {
		return client.OfferMatrix(ctx, recipient)
	})
	if err == nil {
		err = json.Unmarshal(answer.Matrix, &m)
	}
	return m, err
}

func (a *app) fileMatrix(cmd *cobra.Command, files []string, registerFile, recipient string) (audit.Matrix, error) {
	in, err := a.readPolicy(cmd, files, registerFile)
	if err != nil {
		return audit.Matrix{}, err
	}
	recipients := audit.Recipients(in.env, in.about.Day)
	if recipient != "" {
		recipients = slices.DeleteFunc(recipients, func(r gateway.Recipient) bool {
			return string(r.Party) != recipient && !slices.Contains(r.Gemeenten, gateway.Gemeente(recipient)) &&
				(recipient != audit.Public || !r.Public)
		})
	}
	if len(recipients) == 0 {
		return audit.Matrix{}, gateway.Errorf(gateway.NotFound,
			"no other party of the register has that OIN or gemeente code; see doorstroom register show")
	}
	return audit.NewMatrix(in.policy, in.about, recipients)
}

// policyInput is a policy from files, loaded for a report.
type policyInput struct {
	policy *policy.Policy
	env    policy.Env
	about  audit.About

	activities string // what URIs of processing activities begin with; empty: the default
	approval   string // policy.approval of the configuration
}

// readPolicy loads policy files for a report. What is wrong in them it tells as
// policy check does.
func (a *app) readPolicy(cmd *cobra.Command, files []string, registerFile string) (policyInput, error) {
	c, err := a.loadConfig(cmd)
	if err != nil {
		return policyInput{}, err
	}
	if len(files) == 0 {
		files = c.Policy.Files
	}
	reg, err := a.findRegister(cmd, c, registerFile)
	if err != nil {
		return policyInput{}, err
	}
	env, err := policyEnv(c, reg)
	if err != nil {
		return policyInput{}, err
	}
	read, paths, err := policyFiles(files)
	if err != nil {
		return policyInput{}, err
	}
	p, _, err := policy.Load(read, env) // its expectations may fail: this shows why
	if problems, wrong := errors.AsType[policy.Problems](err); wrong {
		return policyInput{}, a.showPolicyReport(policyReport{Errors: withPaths(problems, paths)}, false)
	}
	if err != nil {
		return policyInput{}, err
	}
	var version uint64
	if reg != nil {
		version = reg.Version()
	}
	about := audit.NewAbout(p, env, version, env.Today)
	about.Name = cmp.Or(about.Name, c.Name)
	return policyInput{policy: p, env: env, about: about, activities: c.Logboek.Activities, approval: c.Policy.Approval}, nil
}

// report is what can be written in each format; as JSON it is written as it is.
type report interface {
	Text(io.Writer) error
	CSV(io.Writer) error
	HTML(io.Writer) error
}

// reportFlags say in which format a report is written, and where.
type reportFlags struct {
	format, output string
	json           bool
}

func (f *reportFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "format", "", "text, csv, json or html (default: by the name of --output, else text)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write, instead of to the screen; one of that name is replaced")
	cmd.Flags().BoolVar(&f.json, "json", false, "the same as --format json")
	cmd.MarkFlagsMutuallyExclusive("format", "json")
}

func (f *reportFlags) check() error {
	if f.json {
		f.format = "json"
	}
	if f.format == "" {
		f.format = map[string]string{".csv": "csv", ".json": "json", ".html": "html"}[strings.ToLower(filepath.Ext(f.output))]
	}
	f.format = cmp.Or(f.format, "text")
	if !slices.Contains([]string{"text", "csv", "json", "html"}, f.format) {
		return usagef("--format: it is one of text, csv, json, html")
	}
	return nil
}

// writeReport writes a file as a whole or not at all.
func (a *app) writeReport(f reportFlags, r report) error {
	var b bytes.Buffer
	err := map[string]func() error{
		"text": func() error { return r.Text(&b) },
		"csv":  func() error { return r.CSV(&b) },
		"json": func() error { return writeJSON(&b, r) },
		"html": func() error { return r.HTML(&b) },
	}[f.format]()
	if err != nil {
		return err
	}
	if f.output == "" {
		_, err := a.stdout.Write(b.Bytes())
		return err
	}
	if err := writeFile(f.output, b.Bytes(), true); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "Wrote %s\n", f.output)
	return nil
}
