package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/schemas"
)

func newPolicyCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "policy",
		Short: "Check the policy, have it explained, put a changed one in force",
		Long: `The policy files decide who sees which fields of your offers, in which form, for
which purpose and on which legal basis. What no rule shows, nobody sees.`,
		Example: `  doorstroom policy check
  doorstroom policy test
  doorstroom policy explain --recipient gm0505 --offer A-1
  doorstroom policy matrix --format html --output matrix.html
  doorstroom policy diff concept.yaml
  doorstroom policy reload`,
	}, newPolicyCheckCommand(a), newPolicyTestCommand(a), newPolicyExplainCommand(a), newPolicyReloadCommand(a),
		newPolicyMatrixCommand(a), newPolicyReportCommand(a), newPolicyDiffCommand(a), newPolicyReplayCommand(a),
		newPolicyLogCommand(a), newPolicyAtCommand(a), newPolicyRollbackCommand(a),
		newPolicyStatusCommand(a), newPolicyKeyCommand(a), newPolicySignCommand(a), newPolicyApproveCommand(a), newPolicyProposeCommand(a), newPolicyProposalsCommand(a), newPolicyRefuseCommand(a), newPolicyWithdrawCommand(a))
}

// policyReport is what policy check --json writes.
type policyReport struct {
	OK       bool             `json:"ok"`
	Version  string           `json:"version,omitempty"`
	Register uint64           `json:"register,omitempty"` // version by which parties were checked
	Errors   []policy.Problem `json:"errors"`
	Warnings []policy.Problem `json:"warnings"`
}

func newPolicyCheckCommand(a *app) *cobra.Command {
	var registerFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE|FOLDER...]",
		Short: "Say everything that is wrong in policy files",
		Long: `Read policy files as the node does, and say in Dutch everything that is wrong in
them, with file, line and column, and which expectations do not hold. Without
FILE it reads those of the configuration; of a FOLDER, all *.yaml. What is
expected of a policy lies beside it: that of policy.yaml in policy_test.yaml. The
node goes on with the policy it has: see policy reload.

Names of parties are checked against the register of the running node, else
register.file of the configuration, else nothing; --register names another file.

Exit codes: 0 the policy can be put in force, 1 it cannot.`,
		Example: `  doorstroom policy check
  doorstroom policy check concept.yaml --register register.jws
  doorstroom policy check --json`,
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				files = c.Policy.Files
			}
			reg, err := a.findRegister(cmd, c, registerFile)
			if err != nil {
				return err
			}
			report, err := checkPolicy(c, reg, files)
			if err != nil {
				return err
			}
			return a.showPolicyReport(report, asJSON)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&registerFile, "register", "", "register of participants to check names of parties by")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// findRegister gives nil if there is none anywhere. No signature is checked:
// nothing is decided by it.
func (a *app) findRegister(cmd *cobra.Command, c config.Config, named string) (*register.Register, error) {
	if named == "" {
		running, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Register, error) {
			return client.Register(ctx)
		})
		if err == nil {
			return register.Restore([]byte(running.File))
		}
	}
	data, err := readFile(cmp.Or(named, c.Register.File))
	if named == "" && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(a.stderr, "There is no register yet: a party that a rule names by its OIN counts as unknown.")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return register.Restore(data)
}

// policyEnv is the world in which the node would read its policy today.
func policyEnv(c config.Config, reg *register.Register) (policy.Env, error) {
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return policy.Env{}, err
	}
	env := policy.Env{Self: c.Party, Lists: lists, Today: gateway.DateOf(time.Now())}
	if reg != nil {
		env.Party, env.Parties = reg.Party, reg.Parties()
	}
	return env, nil
}

// checkPolicy names files in its report as they were named to it.
func checkPolicy(c config.Config, reg *register.Register, names []string) (policyReport, error) {
	env, err := policyEnv(c, reg)
	if err != nil {
		return policyReport{}, err
	}
	var report policyReport
	if reg != nil {
		report.Register = reg.Version()
	}
	files, paths, err := policyFiles(names)
	if err != nil {
		return policyReport{}, err
	}
	loaded, warnings, err := audit.LoadExpected(files, env)
	report.Warnings = withPaths(warnings, paths)
	if problems, wrong := errors.AsType[policy.Problems](err); wrong {
		report.Errors = withPaths(problems, paths)
		return report, nil
	}
	if err != nil {
		return policyReport{}, err
	}
	report.OK, report.Version = true, loaded.Version()
	return report, nil
}

// policiesIn puts in the place of a folder the files in it: policies and what is
// expected of them.
func policiesIn(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.IsDir() {
			all = append(all, name)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(name, "*.yaml"))
		if err != nil || len(inside) == 0 {
			return nil, gateway.Errorf(gateway.NotFound, "there are no policy files *.yaml in %s", name)
		}
		all = append(all, inside...)
	}
	return all, nil
}

// policyFiles reads files, or those in folders, and the expectations beside them,
// under the names that the node gives them: the version is over these. paths tells
// where each is.
func policyFiles(names []string) (files []policy.File, paths map[string]string, err error) {
	paths = map[string]string{}
	if names, err = policiesIn(names); err != nil {
		return nil, nil, err
	}
	for _, name := range node.PolicyPaths(names) {
		data, err := readFile(name)
		if err != nil {
			return nil, nil, err
		}
		base := filepath.Base(name)
		if other, taken := paths[base]; taken {
			return nil, nil, usagef("%s and %s have the same name", other, name)
		}
		paths[base] = relative(name)
		files = append(files, policy.File{Name: base, Data: data})
	}
	return files, paths, nil
}

// relative shortens a path below the current folder.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

func withPaths(problems []policy.Problem, paths map[string]string) []policy.Problem {
	var all []policy.Problem
	for _, p := range problems {
		p.File = cmp.Or(paths[p.File], p.File)
		all = append(all, p)
	}
	return all
}

func (a *app) showPolicyReport(r policyReport, asJSON bool) error {
	var err error
	if asJSON {
		err = writeJSON(a.stdout, r)
	} else {
		for _, p := range r.Errors {
			fmt.Fprintln(a.stderr, p.InDutch())
		}
		for _, p := range r.Warnings {
			fmt.Fprintln(a.stdout, "let op:", p.InDutch())
		}
		if r.OK {
			fmt.Fprintf(a.stdout, "Het beleid is in orde. Versie: %s\n", r.Version)
		}
	}
	if err == nil && !r.OK {
		return errTold
	}
	return err
}

func newPolicyExplainCommand(a *app) *cobra.Command {
	var q desk.Question
	var state string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Explain in Dutch what somebody sees of an offer or hears of a person, and why",
		Long: `Explain, in plain Dutch, which fields of an offer a recipient sees in which form,
by which rules, and why not the others. With --kind: which fields of a message
about a person it gets, in a referral that is as --state, --grondslag and
--trajectsoort say. The running node answers, with the policy and register in
force.`,
		Example: `  doorstroom policy explain --recipient gm0505 --offer A-1
  doorstroom policy explain --recipient 00000099000000002000 --offer A-1 --json
  doorstroom policy explain --recipient public --offer A-1
  doorstroom policy explain --recipient 00000099000000001000 --kind handover --state geaccepteerd`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.State = gateway.ReferralStatus(state)
			explanation, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Explanation, error) {
				return client.Explain(ctx, q)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, explanation.Detail)
			}
			fmt.Fprint(a.stdout, explanation.Text)
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&q.Recipient, "recipient", "", "gemeente code, OIN or public")
	cmd.Flags().StringVar(&q.Offer, "offer", "", "id of one of your offers; see doorstroom offers")
	cmd.Flags().StringVar(&q.Kind, "kind", "", "message about a person: referral, referral-state, handover, subject-request or subject-answer")
	cmd.Flags().StringVar(&state, "state", "", "with --kind: state of the referral, such as geaccepteerd")
	cmd.Flags().StringVar(&q.Grondslag, "grondslag", "", "with --kind: grondslag of the referral, such as wmo-2015")
	cmd.Flags().StringVar(&q.Trajectsoort, "trajectsoort", "", "with --kind: trajectsoort of the referral, such as leerwerkplek")
	jsonFlag(cmd, &asJSON)
	_ = cmd.MarkFlagRequired("recipient") // fails only for a flag that does not exist
	cmd.MarkFlagsOneRequired("offer", "kind")
	cmd.MarkFlagsMutuallyExclusive("offer", "kind")
	return cmd
}

func newPolicyReloadCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Put the policy files on disk in force",
		Long: `Make the node read its configuration, register file and policy files again, as
SIGHUP does. What cannot be read leaves what is in force as it was. When this
returns, everything that is shown or waits has been decided again.`,
		Example: "  doorstroom policy reload\n  doorstroom policy reload --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reload(cmd, asJSON)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// reload makes the node read its files again, and tells what is in force.
func (a *app) reload(cmd *cobra.Command, asJSON bool) error {
	status, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.PolicyStatus, error) {
		return client.Reload(ctx)
	})
	if gateway.KindOf(err) == gateway.Invalid {
		return a.inDutch(cmd, err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(a.stdout, status)
	}
	for _, p := range status.Warnings {
		fmt.Fprintln(a.stdout, "let op:", p.InDutch())
	}
	fmt.Fprintf(a.stdout, "In force: policy %s\n", status.Version)
	writeWaiting(a.stdout, status)
	return nil
}

// inDutch says of what is wrong in policy files the same as policy check does:
// who mends them has one text to look for.
func (a *app) inDutch(cmd *cobra.Command, refusal error) error {
	c, err := a.loadConfig(cmd)
	if err != nil {
		return refusal // which tells of the configuration
	}
	reg, err := a.findRegister(cmd, c, "")
	if err != nil {
		return refusal
	}
	report, err := checkPolicy(c, reg, c.Policy.Files)
	if err != nil {
		return refusal
	}
	message := gateway.SafeMessage(refusal)
	for _, p := range report.Errors {
		said := p
		said.File = filepath.Base(p.File)
		message = strings.ReplaceAll(message, ": "+said.String(), ":\n"+said.String())
		message = strings.ReplaceAll(message, said.String(), p.InDutch())
	}
	return gateway.Wrap(gateway.Invalid, errors.Unwrap(refusal), message)
}
