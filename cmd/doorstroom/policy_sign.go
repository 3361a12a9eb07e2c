package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

func newPolicyKeyCommand(a *app) *cobra.Command {
	p := approval.Person{}
	var may []string
	var list string
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key for a person who signs or approves policies",
		Long: `Make a key for a person in FILE, which only its owner can read, and write the
entry of that person in the list of approvers. Each person makes the key at a
computer of their own and sends the entry, which is not secret. With --add it is
put in that list; a list that is in force changes only as a policy does, when two
persons sign it.`,
		Example: `  doorstroom policy key fg.pem --name "F. de Boer" --function "privacy officer" --may approve
  doorstroom policy key auteur.pem --name "A. Yilmaz" --may sign --add approvers.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, what := range may {
				p.Sign, p.Approve = p.Sign || what == "sign", p.Approve || what == "approve"
				if what != "sign" && what != "approve" {
					return usagef("--may is sign, approve or both")
				}
			}
			key, err := seal.GenerateKey()
			if err != nil {
				return err
			}
			p.Key = key.Public(time.Now())
			entry, err := p.Entry()
			if err != nil {
				return err
			}
			if err := identity.WriteSecret(args[0], key.PEM()); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Made the key %s in %s: keep it secret.\n", key.KID(), args[0])
			if list != "" {
				fmt.Fprintf(a.stdout, "Added %s to %s.\n", p.Name, list)
				return addPerson(list, entry)
			}
			fmt.Fprintf(a.stdout, "Put this in the list of approvers:\n\napprovers:\n%s", entry)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.Name, "name", "", "name of the person, as it stands in policy log")
	flags.StringVar(&p.Function, "function", "", "what the person is, such as privacy officer")
	flags.StringVar(&p.Party, "party", "", "of which other party, if not of this one")
	flags.StringSliceVar(&may, "may", []string{"sign", "approve"}, "what the person may: sign (as author), approve, or both")
	flags.StringVar(&list, "add", "", "list of approvers to put the entry in; it is made if there is none")
	_ = cmd.MarkFlagRequired("name") // fails only for a flag that does not exist
	return cmd
}

func addPerson(list, entry string) error {
	data, err := os.ReadFile(list)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		data = []byte("approvers:\n")
	case err != nil:
		return fileError("read", list, err)
	}
	data = append([]byte(strings.TrimRight(string(data), "\n")+"\n"), entry...)
	if _, err := approval.ParsePersons(data); err != nil {
		return err
	}
	return writeFile(list, data, true)
}

func newPolicySignCommand(a *app) *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign a changed policy as its author, for another to approve",
		Long: `Sign the policy files of the configuration as their author. The signature is for
these files, what is expected of them (the _test.yaml files beside them), this
list of approvers and the place after the policy that is in force now: it can be
used once, within 30 days, and not after the database was restored. The running
node says what is in force.

Then another person approves: see policy approve. That takes files only, which
you can send: the policy files with what is expected of them, the list of
approvers and the signatures.`,
		Example: `  doorstroom policy sign --key auteur.pem`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			after, err := ask(a, cmd, fetchPlace)
			if err != nil {
				return err
			}
			signed, err := a.signPolicy(cmd, c, after, keyFile)
			if err != nil {
				return err
			}
			if err := writeFile(c.Policy.Signatures, signed, true); err != nil {
				return err
			}
			path := relative(c.Policy.Signatures)
			fmt.Fprintf(a.stdout, "Wrote %s.\nNext, by another person: doorstroom policy approve --key THEIR-KEY\n", path)
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&keyFile, "key", "", "your key; see policy key")
	_ = cmd.MarkFlagRequired("key") // fails only for a flag that does not exist
	return cmd
}

// place is where in the history of the node a policy would come.
type place struct {
	last        rest.PolicyInForce // zero: there is none yet
	incarnation uint64
}

func fetchPlace(ctx context.Context, client *rest.LocalClient) (place, error) {
	all, err := client.Policies(ctx)
	if err != nil {
		return place{}, err
	}
	var p place
	if len(all) > 0 {
		p.last = all[len(all)-1]
	}
	status, err := client.Status(ctx)
	p.incarnation = status.Incarnation
	return p, err
}

// signPolicy makes the statement of the author for a place.
func (a *app) signPolicy(cmd *cobra.Command, c config.Config, after place, keyFile string) ([]byte, error) {
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	last := after.last
	mode := approval.Mode(c.Policy.Approval)
	if approval.Stricter(mode, approval.Mode(last.Approval)) != approval.TwoPerson {
		return nil, gateway.Errorf(gateway.Conflict, "nobody need sign: policy.approval is %s", mode)
	}
	list, err := os.ReadFile(c.Policy.Approvers)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && mode != approval.TwoPerson) {
		return nil, fileError("read", c.Policy.Approvers, err)
	}
	inForce := list
	if approval.Mode(last.Approval) == approval.TwoPerson {
		inForce = []byte(last.Approvers)
	}
	persons, err := approval.ParsePersons(inForce)
	if err != nil {
		return nil, err
	}
	author, err := approval.ByKey(persons, key.KID())
	if err != nil {
		return nil, err
	}
	if !author.Sign {
		return nil, gateway.Errorf(gateway.Denied, "%s may approve policies, not sign them as author", author.Name)
	}
	version, err := a.soundPolicy(cmd, c)
	if err != nil {
		return nil, err
	}
	files, _, err := policyFiles(c.Policy.Files)
	if err != nil {
		return nil, err
	}
	s := approval.Statement{
		Party: c.Party, Policy: version, Approval: mode, Approvers: approval.Digest(list),
		Number: last.Number + 1, Follows: last.Version, Author: author.Name, Issued: time.Now(),
		Expectations: policy.ExpectationsVersionOf(files), Incarnation: after.incarnation,
	}
	a.tellStatement(s)
	return approval.Sign(s, key)
}

// soundPolicy gives the version of files that can be loaded.
func (a *app) soundPolicy(cmd *cobra.Command, c config.Config) (string, error) {
	reg, err := a.findRegister(cmd, c, "")
	if err != nil {
		return "", err
	}
	report, err := checkPolicy(c, reg, c.Policy.Files)
	if err == nil && !report.OK {
		err = a.showPolicyReport(report, false)
	}
	return report.Version, err
}

func (a *app) tellStatement(s approval.Statement) {
	fmt.Fprintf(a.stdout, "policy    %s of party %s, number %d\n", short(s.Policy), s.Party, s.Number)
	fmt.Fprintf(a.stdout, "follows   %s\n", cmp.Or(short(s.Follows), "no other policy"))
	fmt.Fprintf(a.stdout, "expected  %s\n", cmp.Or(short(s.Expectations), "nothing"))
	fmt.Fprintf(a.stdout, "list      %s of who may sign and approve; policy.approval is %s\n", short(s.Approvers), s.Approval)
	fmt.Fprintf(a.stdout, "author    %s\n", s.Author)
}

// approvalFiles are what an approver has before them.
type approvalFiles struct {
	key, signatures string
	lists, policy   []string
}

func newPolicyApproveCommand(a *app) *cobra.Command {
	var f approvalFiles
	var proposal uint64
	cmd := &cobra.Command{
		Use:   "approve [FILE...]",
		Short: "Approve a policy that another has signed",
		Long: `Add your signature to a policy that its author has signed. FILE are the policy
files; they, and the _test.yaml files beside them that say what is expected, must
be exactly those that were signed. Read them first, and what changes: policy diff
shows it.

You need no node: the author sends you the policy files, the list of approvers
and the signatures, and you send the signatures back. Without FILE and flags this
takes the files of the configuration. With --proposal it is about what another
party's node sent to yours: see policy proposals. When the list itself changes,
give the new list and the one in force, each with --approvers, the new one first.`,
		Example: `  doorstroom policy approve --key fg.pem
  doorstroom policy approve --key fg.pem --proposal 3
  doorstroom policy approve --key fg.pem --signatures a.json --approvers list.yaml policy.yaml`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if f.policy = files; proposal != 0 {
				return a.approveProposal(cmd, proposal, f.key)
			}
			if len(files) == 0 || len(f.lists) == 0 || f.signatures == "" {
				c, err := a.loadConfig(cmd)
				if err != nil {
					return err
				}
				f.fill(c.Policy)
			}
			return a.approve(f)
		},
	}
	a.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.Uint64Var(&proposal, "proposal", 0, "number of a proposal of another party at your node; what you sign is sent back")
	flags.StringVar(&f.key, "key", "", "your key; see policy key")
	flags.StringVar(&f.signatures, "signatures", "", "what the author signed; your signature is added to it (default: policy.signatures of the configuration)")
	cmd.MarkFlagsMutuallyExclusive("proposal", "signatures")
	flags.StringSliceVar(&f.lists, "approvers", nil, "list of who may sign and approve (default: policy.approvers of the configuration)")
	_ = cmd.MarkFlagRequired("key") // fails only for a flag that does not exist
	return cmd
}

// fill takes from the configuration what was not named.
func (f *approvalFiles) fill(c config.Policy) {
	f.signatures = cmp.Or(f.signatures, c.Signatures)
	if len(f.policy) == 0 {
		f.policy = c.Files
	}
	if len(f.lists) == 0 {
		f.lists = []string{c.Approvers}
	}
}

// persons reads the lists; the first is the one that the policy goes with.
func (f approvalFiles) persons() (all []approval.Person, digest string, err error) {
	for i, path := range f.lists {
		data, err := readFile(path)
		if err != nil {
			return nil, "", err
		}
		if i == 0 {
			digest = approval.Digest(data)
		}
		some, err := approval.ParsePersons(data)
		if err != nil {
			return nil, "", err
		}
		for _, p := range some {
			if _, err := approval.ByKey(all, p.Key.KID); err != nil {
				all = append(all, p)
			}
		}
	}
	return all, digest, nil
}

// mayApprove finds the person whose key it is, who may approve what another signed.
func mayApprove(persons []approval.Person, key *seal.Key, s approval.Statement) (approval.Person, error) {
	you, err := approval.ByKey(persons, key.KID())
	switch {
	case err != nil:
		return you, err
	case you.Name == s.Author:
		return you, gateway.Errorf(gateway.Denied, "you are the author: another person approves")
	case !you.Approve:
		return you, gateway.Errorf(gateway.Denied, "%s may sign policies as author, not approve them", you.Name)
	}
	return you, nil
}

func (a *app) approve(f approvalFiles) error {
	key, err := readKey(f.key)
	if err != nil {
		return err
	}
	persons, digest, err := f.persons()
	if err != nil {
		return err
	}
	files, _, err := policyFiles(f.policy)
	if err != nil {
		return err
	}
	signed, err := readFile(f.signatures)
	if err != nil {
		return err
	}
	s, _, err := approval.Read(signed, persons)
	if err != nil {
		return err
	}
	you, err := mayApprove(persons, key, s)
	switch {
	case err != nil:
		return err
	case s.Policy != policy.VersionOf(files):
		return gateway.Errorf(gateway.Denied, "these files are not the policy that was signed")
	case s.Expectations != policy.ExpectationsVersionOf(files):
		return gateway.Errorf(gateway.Denied, "what is expected beside these files is not what was signed: ask the author for the _test.yaml files too")
	case s.Approvers != digest:
		return gateway.Errorf(gateway.Denied, "this list of approvers is not the one that was signed with the policy")
	}
	both, err := approval.Approve(signed, key)
	if err != nil {
		return err
	}
	if err := writeFile(f.signatures, both, true); err != nil {
		return err
	}
	a.tellStatement(s)
	fmt.Fprintf(a.stdout, "approver  %s\n%s has both signatures now. Next, at the node: doorstroom policy reload\n", you.Name, relative(f.signatures))
	return nil
}
