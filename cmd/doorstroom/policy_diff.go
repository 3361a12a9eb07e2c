package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// comparison is what policy diff was asked.
type comparison struct {
	register       string
	offers, asJSON bool
}

func newPolicyDiffCommand(a *app) *cobra.Command {
	var c comparison
	cmd := &cobra.Command{
		Use:   "diff [OLD] NEW",
		Short: "Say in Dutch what one policy shows otherwise than another",
		Long: `Compare two policies by what they decide: who gains or loses which field, in which
form, under which conditions, and whether that is wider (ruimer) or narrower
(beperkter); which purposes, bases and retentions change; and from whom messages
are taken. It is exact: every case that the policies tell apart is looked at, for
every party of the register, the public, and parties that may join. Order,
comments, and names of rules are no difference.

OLD and NEW are policy files or folders with such files. Without OLD it compares
with the policy that is in force at the running node. --offers compares what is
shown of the node's own offers today; the running node does that.

A configuration is needed only without OLD and with --offers: who is asked to
approve a policy at another party has files only. The register is the one that
--register names, else that of the running node or of the configuration.

Exit codes: 0 they decide the same, 3 they do not, 1 it failed.`,
		Example: `  doorstroom policy diff concept.yaml
  doorstroom policy diff concept.yaml --offers
  doorstroom policy diff policy.yaml concept.yaml --register register.jws --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, next, err := a.bothPolicies(cmd, args)
			if err != nil {
				return err
			}
			diff, err := a.compare(cmd, c, old, next)
			if err != nil {
				return err
			}
			if c.asJSON {
				err = writeJSON(a.stdout, diff)
			} else {
				fmt.Fprint(a.stdout, diff.Text())
			}
			if err == nil && !diff.Empty() {
				return errPartly
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&c.register, "register", "", "register of participants to compare for")
	cmd.Flags().BoolVar(&c.offers, "offers", false, "compare what is shown of the node's own offers today")
	jsonFlag(cmd, &c.asJSON)
	cmd.MarkFlagsMutuallyExclusive("offers", "register")
	return cmd
}

// bothPolicies reads what was named; without OLD that in force.
func (a *app) bothPolicies(cmd *cobra.Command, args []string) (old, next []policy.File, err error) {
	if next, err = filesAt(args[len(args)-1]); err != nil {
		return nil, nil, err
	}
	if len(args) == 2 {
		old, err = filesAt(args[0])
		return old, next, err
	}
	all, err := ask(a, cmd, fetchPolicies)
	if err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, gateway.Errorf(gateway.NotFound, "no policy has been in force yet: name the old one too")
	}
	for _, f := range all[len(all)-1].Files {
		old = append(old, policy.File{Name: f.Name, Data: []byte(f.Text)})
	}
	return old, next, nil
}

// filesAt reads one policy file, or all in a folder, without what is expected of
// them.
func filesAt(path string) ([]policy.File, error) {
	files, _, err := policyFiles([]string{path})
	return slices.DeleteFunc(files, func(f policy.File) bool { return policy.IsExpectations(f.Name) }), err
}

func (a *app) compare(cmd *cobra.Command, c comparison, old, next []policy.File) (audit.Diff, error) {
	if c.offers {
		return ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (audit.Diff, error) {
			return client.DiffPolicy(ctx, rest.TwoPolicies{Old: fileTexts(old), New: fileTexts(next)})
		})
	}
	env, err := a.worldOf(cmd, c.register, next)
	if err != nil {
		return audit.Diff{}, err
	}
	was, _, err := policy.Restore(old, env)
	if err != nil {
		return audit.Diff{}, inDutchOf("het oude beleid", err)
	}
	is, _, err := policy.Load(next, env)
	if err != nil {
		return audit.Diff{}, inDutchOf("het nieuwe beleid", err)
	}
	recipients := slices.Concat(audit.Recipients(env, env.Today), audit.Newcomers(env.Today, was, is))
	return audit.NewDiff(was, is, env.Today, recipients)
}

// worldOf is the world in which policies are compared. Without a configuration
// they are those of the party that the new one names.
func (a *app) worldOf(cmd *cobra.Command, registerFile string, next []policy.File) (policy.Env, error) {
	c, err := a.loadConfig(cmd)
	if gateway.KindOf(err) == gateway.NotFound && !cmd.Flags().Changed("config") {
		c, err = config.Default(), nil
	}
	if err != nil {
		return policy.Env{}, err
	}
	c.Party = cmp.Or(policy.PartyOf(next), c.Party)
	var reg *register.Register
	if reg, err = a.findRegister(cmd, c, registerFile); err != nil {
		return policy.Env{}, err
	}
	return policyEnv(c, reg)
}

func fileTexts(files []policy.File) []rest.PolicyFile {
	var texts []rest.PolicyFile
	for _, f := range files {
		texts = append(texts, rest.PolicyFile{Name: f.Name, Text: string(f.Data)})
	}
	return texts
}

// inDutchOf says what is wrong in one of two policies.
func inDutchOf(which string, err error) error {
	problems, ok := errors.AsType[policy.Problems](err)
	if !ok {
		return err
	}
	text := which + " is niet in orde:"
	for _, p := range problems {
		text += "\n" + p.InDutch()
	}
	return gateway.Wrap(gateway.Invalid, err, text)
}
