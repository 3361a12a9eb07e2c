package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newReferralsReferCommand(a *app) *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "refer OFFER",
		Short: "Ask a place for somebody",
		Long: `Ask the provider of an offer that you received for a place. You compare the
person with the offer, doelgroep included, and say with --fits that it fits:
which doelgroep somebody belongs to is not sent. Nobody is referred without
having been told: say when and how with --informed and --how.

The need comes from flags, from a YAML or JSON file with --need, or from both;
a flag goes before the file. Keys of the file are those of show --json: grondslag,
trajectsoort, werksoorten, dagdelen, fase, trede, begeleiding, accessibility,
from, postcode (four digits), maxKm, note, informed {on, how}, fits, contact
{name, phone, email}, deputy. Without contact it is yours in the register. Names,
numbers and health do not belong in it: contact details follow with handover.
What your policy does not let go is left out, and told. Attachments are not
supported.

After doorstroom or terugval, --follows takes over whom to call and your
reference, and under the same grondslag also werksoorten, fase, trede,
begeleiding, accessibility and how far somebody can go. Another provider is not
told which referral it follows.

When safety is at stake, --call-first sends nothing but whom to call.

What looks like a BSN, e-mail address, telephone number or bank account in a
field that is not for it is refused. If it is something else, say so with
--override note=bsn: that is entered in the journal, without the text.`,
		Example: `  doorstroom referrals refer groen --need need.yaml --fits
  doorstroom referrals refer groen --grondslag participatiewet --trajectsoort participatieplaats \
    --dagdeel di-ochtend --from 2027-01-04 --informed 2026-11-20 --how gesprek --fits \
    --reference Z-2026-17
  doorstroom referrals refer hout --follows 3f0c9a12 --trajectsoort werkervaringsplaats \
    --dagdeel wo-middag --from 2027-06-01 --informed 2027-05-20 --how gesprek --fits
  doorstroom referrals refer groen --call-first`,
		Args: cobra.ExactArgs(1),
	}
	var given desk.NewReferral
	apply := needFlags(cmd.Flags(), &given)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n := desk.NewReferral{}
		if file != "" {
			if err := readInput(file, &n.Need); err != nil {
				return err
			}
		}
		if err := apply(&n); err != nil {
			return err
		}
		n.Need.Offer = args[0]
		asked, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.ReferralAsked, error) {
			return client.Refer(ctx, n)
		})
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(a.stdout, asked)
		}
		a.tellAsked(asked, "aangemeld")
		return nil
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&file, "need", "", "YAML or JSON file with the need")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// needFlags gives the function that puts what the flags say over what a file said,
// to be called once they have been read.
func needFlags(flags *pflag.FlagSet, given *desk.NewReferral) func(*desk.NewReferral) error {
	n := &given.Need
	var provider, principal, from, on, soort, intensiteit string
	var dagdelen, over []string
	flags.StringVar(&provider, "provider", "", "OIN of the provider, where several have an offer of that id")
	flags.StringVar(&principal, "for", "", "OIN of the party for which you refer, if not your own")
	flags.StringVar(&given.Reference, "reference", "", "your own reference; it stays in this node")
	flags.StringVar(&n.Grondslag, "grondslag", "", "law on which the referral is based")
	flags.StringVar(&n.Trajectsoort, "trajectsoort", "", "kind of placement")
	flags.StringSliceVar(&n.Werksoorten, "werksoort", nil, "werksoorten that fit")
	flags.StringSliceVar(&dagdelen, "dagdeel", nil, "all that are asked, such as di-ochtend")
	flags.IntVar(&n.Fase, "fase", 0, "fase, 1 to 3")
	flags.IntVar(&n.Trede, "trede", 0, "rung of the participation ladder, 1 to 6")
	flags.StringVar(&soort, "begeleiding", "", "kind of guidance that is needed")
	flags.StringVar(&intensiteit, "intensiteit", "", "how much of it: laag, midden or hoog")
	flags.StringSliceVar(&n.Accessibility, "toegankelijkheid", nil, "all that is needed, such as rolstoel")
	flags.StringVar(&from, "from", "", "from when the person can come")
	flags.StringVar(&n.Postcode, "postcode", "", "the four digits of where the person lives")
	flags.IntVar(&n.MaxKm, "max-km", 0, "kilometres that the person can cycle")
	flags.StringVar(&n.Note, "note", "", "a few words, without names, numbers or health")
	flags.StringVar(&n.Follows, "follows", "", "id of the referral after which this one comes; what you do not say again is taken from it")
	flags.StringVar(&on, "informed", "", "day on which the person was told of this referral")
	flags.StringVar(&n.Informed.How, "how", "", "how: gesprek, telefonisch, brief, digitaal or vertegenwoordiger")
	flags.BoolVar(&n.Fits, "fits", false, "you held the person against the offer, and it fits")
	flags.BoolVar(&n.CallFirst, "call-first", false, "safety is at stake: send only whom to call")
	flags.StringSliceVar(&over, "override", nil, "what only looks like personal data, such as note=bsn")
	return func(to *desk.NewReferral) error {
		lists, err := codeLists()
		if err != nil {
			return err
		}
		to.Provider, to.Principal, to.Reference = partyOf(provider), partyOf(principal), given.Reference
		if to.Override, err = overrides(over); err != nil {
			return err
		}
		n.From, n.Informed.On, n.Dagdelen = gateway.Date(from), gateway.Date(on), typed[gateway.Dagdeel](dagdelen)
		if soort != "" || intensiteit != "" {
			n.Begeleiding = &gateway.Begeleiding{Soort: codeOf(lists, "begeleiding", soort), Intensiteit: codeOf(lists, "intensiteit", intensiteit)}
		}
		overlay(&to.Need, *n)
		codesOfNeed(lists, &to.Need)
		return nil
	}
}

// overlay puts what over says over need.
func overlay(need *gateway.Need, over gateway.Need) {
	put(&need.Grondslag, over.Grondslag)
	put(&need.Trajectsoort, over.Trajectsoort)
	put(&need.Fase, over.Fase)
	put(&need.Trede, over.Trede)
	put(&need.Begeleiding, over.Begeleiding)
	put(&need.From, over.From)
	put(&need.Postcode, over.Postcode)
	put(&need.MaxKm, over.MaxKm)
	put(&need.Note, over.Note)
	put(&need.Follows, over.Follows)
	put(&need.Informed.On, over.Informed.On)
	put(&need.Informed.How, over.Informed.How)
	put(&need.Fits, over.Fits)
	put(&need.CallFirst, over.CallFirst)
	for to, from := range map[*[]string][]string{&need.Werksoorten: over.Werksoorten, &need.Accessibility: over.Accessibility} {
		if len(from) > 0 {
			*to = from
		}
	}
	if len(over.Dagdelen) > 0 {
		need.Dagdelen = over.Dagdelen
	}
}

func put[T comparable](to *T, value T) {
	var none T
	if value != none {
		*to = value
	}
}

// codesOfNeed understands Dutch names where codes are meant.
func codesOfNeed(lists gateway.CodeLists, n *gateway.Need) {
	named(lists, "werksoort", n.Werksoorten)
	named(lists, "toegankelijkheid", n.Accessibility)
	n.Grondslag = codeOf(lists, "grondslag", n.Grondslag)
	n.Trajectsoort = codeOf(lists, "trajectsoort", n.Trajectsoort)
	n.Informed.How = codeOf(lists, "informatiewijze", n.Informed.How)
}
