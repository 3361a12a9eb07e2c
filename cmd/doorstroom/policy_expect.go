package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
)

// policyTestReport is what policy test --json writes.
type policyTestReport struct {
	OK       bool   `json:"ok"`
	Version  string `json:"version,omitempty"`
	Register uint64 `json:"register,omitempty"` // version by which parties were found
	audit.Expected
	Errors []policy.Problem `json:"errors"` // of files that cannot be read as policy or expectations
}

func newPolicyTestCommand(a *app) *cobra.Command {
	var registerFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test [FILE|FOLDER...]",
		Short: "Try what is expected of the policy",
		Long: `Try the expectations that lie beside policy files (those of policy.yaml in
policy_test.yaml): what one recipient sees of one offer, and what somebody never
sees, whatever the offer. The second kind is decided for all that the policy can
tell apart, not for samples. It also names the rules that no expectation covers.

Of a FOLDER all *.yaml are one policy with its expectations; without anything
named, the files of the configuration are tried. The node refuses a policy of
which an expectation does not hold.

Exit codes: 0 all expectations hold, 1 one does not, or there are none.`,
		Example: `  doorstroom policy test
  doorstroom policy test concept/ --register register.jws
  doorstroom policy test --json`,
		RunE: func(cmd *cobra.Command, names []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = c.Policy.Files
			}
			reg, err := a.findRegister(cmd, c, registerFile)
			if err != nil {
				return err
			}
			report, err := testPolicy(c, reg, names)
			if err != nil {
				return err
			}
			return a.showPolicyTest(report, asJSON)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&registerFile, "register", "", "register of participants to find parties in")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func testPolicy(c config.Config, reg *register.Register, names []string) (policyTestReport, error) {
	report := policyTestReport{Errors: []policy.Problem{}}
	env, err := policyEnv(c, reg)
	if err != nil {
		return report, err
	}
	if reg != nil {
		report.Register = reg.Version()
	}
	files, paths, err := policyFiles(names)
	if err != nil {
		return report, err
	}
	loaded, _, loadErr := policy.Load(files, env)
	expectations, readErr := policy.Expectations(files, env)
	for _, err := range []error{loadErr, readErr} {
		problems, wrong := errors.AsType[policy.Problems](err)
		if err != nil && !wrong {
			return report, err
		}
		report.Errors = append(report.Errors, withPaths(problems, paths)...)
	}
	if len(report.Errors) > 0 {
		return report, nil
	}
	report.Version, report.Expected = loaded.Version(), audit.Expect(loaded, expectations, env)
	for i := range report.Outcomes {
		o := &report.Outcomes[i]
		o.Problems, o.Expectation.File = withPaths(o.Problems, paths), paths[o.Expectation.File]
	}
	for i := range report.Uncovered {
		report.Uncovered[i].File = paths[report.Uncovered[i].File]
	}
	report.OK = len(report.Failed()) == 0 && len(report.Outcomes) > 0
	return report, nil
}

func (a *app) showPolicyTest(r policyTestReport, asJSON bool) error {
	if asJSON {
		if err := writeJSON(a.stdout, r); err != nil {
			return err
		}
	} else {
		a.writePolicyTest(r)
	}
	if !r.OK {
		return errTold
	}
	return nil
}

func (a *app) writePolicyTest(r policyTestReport) {
	for _, p := range slices.Concat(r.Errors, []policy.Problem(r.Failed())) {
		fmt.Fprintln(a.stderr, p.InDutch())
	}
	if len(r.Errors) > 0 {
		return
	}
	held, cells := 0, 0
	for _, o := range r.Outcomes {
		cells += o.Cells
		mark := "ok  "
		if o.Held {
			held++
		} else {
			mark = "FOUT"
		}
		fmt.Fprintf(a.stdout, "%s  %s (gevallen: %d)\n", mark, o.Expectation.Name, o.Cells)
	}
	for _, rule := range r.Uncovered {
		fmt.Fprintf(a.stdout, "let op: %s:%d: geen verwachting gaat over regel %s\n", rule.File, rule.Line, rule.ID)
	}
	if len(r.Outcomes) == 0 {
		fmt.Fprintf(a.stderr, "Er zijn geen verwachtingen. Zet ze naast het beleid: die van policy.yaml in %s.\n", policy.ExpectationsOf("policy.yaml"))
		return
	}
	fmt.Fprintf(a.stdout, "Verwachtingen die uitkomen: %d van %d. Gevallen: %d. Regels zonder verwachting: %d.\n",
		held, len(r.Outcomes), cells, len(r.Uncovered))
}
