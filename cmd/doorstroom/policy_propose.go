package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newPolicyProposeCommand(a *app) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "propose",
		Short: "Send a signed policy to another party, where somebody approves it",
		Long: `Send the policy files of the configuration, as their author signed them, with the
policy in force and the list of approvers, to the node of another party. Somebody
there, who is on the list, looks at it and signs it or refuses: see policy
proposals. What was signed comes back by itself and is put beside the policy; then
policy reload puts it in force. At the other party it has no effect.`,
		Example: `  doorstroom policy propose --to "GR Sociaal"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Proposal, error) {
				return client.ProposePolicy(ctx, to)
			})
			if err == nil {
				fmt.Fprintf(a.stdout, "Proposal %d: policy %s waits at %s. See: doorstroom policy proposals\n", p.Number, short(p.Policy), clip(p.Name, 0))
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the party: its OIN, or its name or a part of it")
	_ = cmd.MarkFlagRequired("to") // fails only for a flag that does not exist
	return cmd
}

func newPolicyProposalsCommand(a *app) *cobra.Command {
	var show, diff uint64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "proposals",
		Short: "List the policies that wait to be approved, here and at other parties",
		Long: `List the policies that other parties ask somebody here to approve (FOR), and those
of this node that are to be approved elsewhere (AT), of the last 30 days. --show
writes the files of one, with what is expected of it; --diff says in Dutch what it
shows otherwise than the policy that is in force at that party, as policy diff
does.

Exit codes of --diff: 0 they decide the same, 3 they do not, 1 it failed.`,
		Example: `  doorstroom policy proposals
  doorstroom policy proposals --diff 3
  doorstroom policy approve --key fg.pem --proposal 3
  doorstroom policy refuse 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show != 0 || diff != 0 {
				return a.showProposal(cmd, max(show, diff), diff != 0, asJSON)
			}
			all, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) ([]rest.Proposal, error) {
				return client.Proposals(ctx)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, rest.Proposals{Proposals: all})
			}
			return a.listProposals(all)
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().Uint64Var(&show, "show", 0, "number of the one whose files to write")
	cmd.Flags().Uint64Var(&diff, "diff", 0, "number of the one of which to say what it changes")
	jsonFlag(cmd, &asJSON)
	cmd.MarkFlagsMutuallyExclusive("show", "diff")
	return cmd
}

func (a *app) listProposals(all []rest.Proposal) error {
	if len(all) == 0 {
		fmt.Fprintln(a.stdout, "Nothing waits to be approved, here or elsewhere.")
		return nil
	}
	var rows [][]string
	for _, p := range all {
		where := "for"
		if p.Out {
			where = "at"
		}
		rows = append(rows, []string{strconv.FormatUint(p.Number, 10), when(p.At), where, p.Name, short(p.Policy), p.Author, p.State})
	}
	return writeTable(a.stdout, []column{{"#", 0}, {"SINCE", 16}, {"", 0}, {"PARTY", 24}, {"POLICY", 0}, {"AUTHOR", 20}, {"STATE", 0}}, rows)
}

func (a *app) fetchProposal(cmd *cobra.Command, number uint64) (rest.Proposal, error) {
	p, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Proposal, error) {
		return client.Proposal(ctx, number)
	})
	if err == nil && p.Content == nil {
		err = gateway.Errorf(gateway.Unavailable, "the node gave the proposal without what is in it")
	}
	return p, err
}

func (a *app) showProposal(cmd *cobra.Command, number uint64, diff, asJSON bool) error {
	p, err := a.fetchProposal(cmd, number)
	switch {
	case err != nil:
		return err
	case diff:
		d, err := a.compare(cmd, comparison{}, rules(p.Content.Before), rules(p.Content.Files))
		if err != nil {
			return err
		}
		if asJSON {
			err = writeJSON(a.stdout, d)
		} else {
			fmt.Fprint(a.stdout, d.Text())
		}
		if err == nil && !d.Empty() {
			return errPartly
		}
		return err
	case asJSON:
		return writeJSON(a.stdout, p)
	}
	fmt.Fprintf(a.stdout, "# proposal %d, policy %s, of %s\n", p.Number, p.Policy, clip(p.Name, 0))
	for _, f := range p.Content.Files {
		fmt.Fprintf(a.stdout, "# --- %s\n", clip(f.Name, 0))
		for _, line := range lines(f.Text) {
			fmt.Fprintln(a.stdout, safeLine(line))
		}
	}
	return nil
}

// safeLine is a line that others wrote, which cannot steer a terminal.
func safeLine(line string) string {
	if line == "" {
		return ""
	}
	return clip(line, 0)
}

// rules are the files without what is expected of them.
func rules(texts []rest.PolicyFile) (files []policy.File) {
	for _, f := range texts {
		if !policy.IsExpectations(f.Name) {
			files = append(files, policy.File{Name: f.Name, Data: []byte(f.Text)})
		}
	}
	return files
}

// approveProposal signs what the node of another party sent, and sends that back.
func (a *app) approveProposal(cmd *cobra.Command, number uint64, keyFile string) error {
	key, err := readKey(keyFile)
	if err != nil {
		return err
	}
	p, err := a.fetchProposal(cmd, number)
	if err != nil {
		return err
	}
	if p.Out {
		return gateway.Errorf(gateway.Invalid, "that is a proposal of this node: it is approved at the other party")
	}
	content := approval.Proposal{Approvers: p.Content.Approvers, InForce: p.Content.InForce, Signed: p.Content.Signed}
	s, _, err := content.Read(content.Signed)
	if err != nil {
		return err
	}
	files := proposedFiles(p.Content.Files)
	if s.Party != p.Party || s.Policy != policy.VersionOf(files) || s.Expectations != policy.ExpectationsVersionOf(files) {
		return gateway.Errorf(gateway.Denied, "these files are not the policy that was signed")
	}
	persons, err := content.Persons()
	if err != nil {
		return err
	}
	you, err := mayApprove(persons, key, s)
	if err != nil {
		return err
	}
	both, err := approval.Approve([]byte(content.Signed), key)
	if err != nil {
		return err
	}
	if _, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (struct{}, error) {
		return struct{}{}, client.AnswerProposal(ctx, number, string(both))
	}); err != nil {
		return err
	}
	a.tellStatement(s)
	fmt.Fprintf(a.stdout, "approver  %s\n%s has both signatures now, and can put the policy in force.\n", you.Name, clip(p.Name, 0))
	return nil
}

func proposedFiles(texts []rest.PolicyFile) (files []policy.File) {
	for _, f := range texts {
		files = append(files, policy.File{Name: f.Name, Data: []byte(f.Text)})
	}
	return files
}

func newPolicyRefuseCommand(a *app) *cobra.Command {
	return a.proposalCommand("refuse NUMBER", "Refuse a policy that another party proposed",
		"  doorstroom policy refuse 3", "is refused; its party knows.",
		func(ctx context.Context, client *rest.LocalClient, number uint64) error {
			return client.AnswerProposal(ctx, number, "")
		})
}

func newPolicyWithdrawCommand(a *app) *cobra.Command {
	return a.proposalCommand("withdraw NUMBER", "Take back a policy that you proposed to another party",
		"  doorstroom policy withdraw 2", "is withdrawn; the other party knows.",
		func(ctx context.Context, client *rest.LocalClient, number uint64) error {
			return client.WithdrawProposal(ctx, number)
		})
}

// proposalCommand does one thing to a proposal and says so.
func (a *app) proposalCommand(use, title, example, said string, do func(context.Context, *rest.LocalClient, uint64) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: title, Example: example, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 63)
			if err != nil {
				return usagef("%q is not the number of a proposal; see policy proposals", args[0])
			}
			_, err = ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (struct{}, error) {
				return struct{}{}, do(ctx, client, number)
			})
			if err == nil {
				fmt.Fprintf(a.stdout, "Proposal %d %s\n", number, said)
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	return cmd
}
