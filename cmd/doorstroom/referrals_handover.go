package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newReferralsHandoverCommand(a *app) *cobra.Command {
	var n desk.NewHandover
	var over []string
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "handover REFERRAL",
		Short: "Give the provider what guidance must know, once a place is certain",
		Long: `Hand a person over to the provider, once a referral is accepted. Flags, or a YAML
or JSON file with --file; a flag goes before the file. Keys of the file are name,
phone, email, address {street, number, city}, postcode, reachable, guidance and
contact {name, role, phone, email}, which is who hands over.

Your policy says which of these may go; what may not is left out, and told. No
BSN, no diagnosis, nothing of criminal matters. The data is encrypted to the
provider alone, and erased on both sides some time after the end.`,
		Example: `  doorstroom referrals handover 3f0c9a12 --file overdracht.yaml
  doorstroom referrals handover 3f0c9a12 --name "A. Voorbeeld" --phone 0612345678 \
    --contact "B. Verwijzer"`,
		Args: cobra.ExactArgs(1),
	}
	var flagged desk.NewHandover
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		n.Referral = args[0]
		if path != "" {
			if err := readInput(path, &n.Handover); err != nil {
				return err
			}
		}
		h := &n.Handover
		put(&h.Name, flagged.Handover.Name)
		put(&h.Phone, flagged.Handover.Phone)
		put(&h.Email, flagged.Handover.Email)
		put(&h.Reachable, flagged.Handover.Reachable)
		put(&h.Guidance, flagged.Handover.Guidance)
		put(&h.Contact.Name, flagged.Handover.Contact.Name)
		if n.Override, err = overrides(over); err != nil {
			return err
		}
		asked, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.ReferralAsked, error) {
			return client.HandOver(ctx, n)
		})
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(a.stdout, asked)
		}
		a.tellAsked(asked, "warm overgedragen")
		return nil
	}
	a.nodeFlags(cmd)
	flags, h := cmd.Flags(), &flagged.Handover
	flags.StringVar(&path, "file", "", "YAML or JSON file with what is handed over")
	flags.StringVar(&h.Name, "name", "", "of the person")
	flags.StringVar(&h.Phone, "phone", "", "of the person")
	flags.StringVar(&h.Email, "email", "", "of the person")
	flags.StringVar(&h.Reachable, "reachable", "", "when and how the person is best reached")
	flags.StringVar(&h.Guidance, "guidance", "", "what guidance must know to begin")
	flags.StringVar(&h.Contact.Name, "contact", "", "who hands over")
	flags.StringSliceVar(&over, "override", nil, "what only looks like personal data, such as guidance=bsn")
	jsonFlag(cmd, &asJSON)
	return cmd
}
