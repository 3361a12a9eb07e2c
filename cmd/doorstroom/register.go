package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newRegisterCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "register",
		Short: "Show, make, sign, verify and install the register of participants",
		Long: `The register says who takes part, where their nodes are and which keys are
theirs. It is a file that one or more registrars sign; every version names the
one before it. The registrar works on files: init, add, sign, verify. The
participants install what they get.`,
		Example: `  doorstroom register init --signer-key registrar.pem --name "GRS secretariaat"
  doorstroom register add --register register.jws party.json
  doorstroom register sign --key registrar.pem register.jws
  doorstroom register verify --anchor KEY-ID register.jws
  doorstroom register install register.jws
  doorstroom register show`,
	},
		newRegisterShowCommand(a), newRegisterKeyCommand(a), newRegisterInitCommand(a), newRegisterAddCommand(a),
		newRegisterRemoveCommand(a), newRegisterRenewCommand(a), newRegisterSignCommand(a), newRegisterVerifyCommand(a),
		newRegisterInstallCommand(a))
}

func newRegisterShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show a register: parties, keys, validity, signatures",
		Long: `Show the register in force in the running node, or the one in FILE. Of a file no
signature is verified here: see register verify. The running node adds how changes
of a party's policy are approved, as that party tells it.`,
		Example: `  doorstroom register show
  doorstroom register show register.jws --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				file, err := readFile(args[0])
				if err != nil {
					return err
				}
				return a.showRegister(file, nil, asJSON)
			}
			reg, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Register, error) {
				return client.Register(ctx)
			})
			if err != nil {
				return err
			}
			return a.showRegister([]byte(reg.File), reg.Approvals, asJSON)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newRegisterInstallCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "install FILE",
		Short: "Put a signed register in force in the running node",
		Long: `Put a signed register in force in the running node: the first by the key ids in
register.anchors of the configuration, every next one as the successor of the
one in force. The node fetches new versions from other nodes too.`,
		Example: "  doorstroom register install register-2.jws",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := readFile(args[0])
			if err != nil {
				return err
			}
			installed, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Register, error) {
				return client.InstallRegister(ctx, file)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return a.showRegister([]byte(installed.File), installed.Approvals, true)
			}
			fmt.Fprintf(a.stdout, "In force: register version %d with %s, valid until %s.\n",
				installed.Version, gateway.Count(len(installed.Parties), "party", "parties"), when(installed.ValidUntil))
			return nil
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newRegisterVerifyCommand(a *app) *cobra.Command {
	var anchors []string
	var previous string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify the signatures on a register",
		Long: `Verify a register as a node does: by the ids of the keys that you trust to sign
it, or with --previous as the successor of a register you trust. Without either,
the ids are register.anchors of the configuration.

Exit codes: 0 it holds, 1 it does not.`,
		Example: `  doorstroom register verify --anchor KEY-ID register.jws
  doorstroom register verify --previous register.jws register-2.jws`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := readFile(args[0])
			if err != nil {
				return err
			}
			if previous != "" {
				err = verifySuccessor(previous, file)
			} else {
				err = a.verifyByAnchors(cmd, anchors, file)
			}
			if err != nil {
				return err
			}
			if !asJSON {
				fmt.Fprintln(a.stdout, "The register holds.")
			}
			return a.showRegister(file, nil, asJSON)
		},
	}
	a.configFlags(cmd)
	cmd.Flags().StringSliceVar(&anchors, "anchor", nil, "id of a key that you trust; more than once if there are more")
	cmd.Flags().StringVar(&previous, "previous", "", "register that you trust and that this one follows")
	cmd.MarkFlagsMutuallyExclusive("anchor", "previous")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) verifyByAnchors(cmd *cobra.Command, anchors []string, file []byte) error {
	if len(anchors) == 0 {
		c, err := a.loadConfig(cmd)
		if err != nil {
			return usagef("name the keys that you trust with --anchor, or a register that you trust with --previous")
		}
		anchors = c.Register.Anchors
	}
	_, err := register.Parse(file, anchors)
	return err
}
