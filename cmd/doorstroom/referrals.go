package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/guard"
)

func newReferralsCommand(a *app) *cobra.Command {
	group := &cobra.Command{
		Use:   "referrals",
		Short: "Refer people to places, and follow where each referral stands",
		Long: `Refer people to places of others, answer the referrals that others make to
yours, and see whose the next step is.

The leerwerkbedrijf decides about a referral: it takes steps with act. The
referrer asks: with refer, handover, and the acts withdraw, cancel,
ask-introduction and entered-in-error. Everything that concerns a person goes
encrypted to the other side alone.`,
		Example: `  doorstroom referrals list --open
  doorstroom referrals refer groen --need need.yaml --fits
  doorstroom referrals act 3f0c9a12 accept
  doorstroom referrals handover 3f0c9a12 --file overdracht.yaml`,
	}
	group.SetFlagErrorFunc(flagError)
	return newGroup(group, newReferralsListCommand(a), newReferralsShowCommand(a), newReferralsReferCommand(a), newReferralsActCommand(a),
		newReferralsHandoverCommand(a), newReferralsWaitingCommand(a), newReferralsImportCommand(a), newReferralsEraseCommand(a))
}

// flagError tells of an option what is wrong with it, without its value: that may be
// of a person.
func flagError(_ *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok && gateway.MeansAttachment(e.GetSpecifiedName()) {
		return usagef("--%s: %s", e.GetSpecifiedName(), gateway.NoAttachments)
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usagef("--%s takes another kind of value", e.GetFlag().Name)
	}
	return err
}

// shortReferral is as much of an id as a screen shows, and as finds it again.
func shortReferral(id string) string { return id[:min(len(id), 8)] }

// stepText is who must do what.
func stepText(s *desk.ReferralStep) string {
	if s == nil {
		return ""
	}
	who := cmp.Or(s.Name, string(s.Party))
	if s.Mine {
		who = "u"
	}
	return who + ": " + s.Action
}

// dueText is by when, and how late it is.
func dueText(s *desk.ReferralStep) string {
	switch {
	case s == nil:
		return ""
	case s.Overdue:
		return fmt.Sprintf("%s te laat (%d wd)", s.Due, s.Late)
	}
	return string(s.Due)
}

// overrides reads what --override says: "note=bsn".
func overrides(texts []string) (all []desk.Override, err error) {
	for _, text := range texts {
		field, what, ok := strings.Cut(text, "=")
		if !ok || !guard.What(what).Overridable() {
			return nil, usagef("--override is written as FIELD=WHAT, such as note=bsn; WHAT is bsn, email, phone or iban")
		}
		all = append(all, desk.Override{Field: field, What: guard.What(what)})
	}
	return all, nil
}

// tellAsked tells what became of a request to a provider.
func (a *app) tellAsked(asked desk.ReferralAsked, what string) {
	r := asked.Referral
	fmt.Fprintf(a.stdout, "%s: %s aan %s, aanbod %s.\n", shortReferral(r.ID), what, clip(cmp.Or(r.PartyName, string(r.Party)), 0), clip(r.Offer, 0))
	if r.NextStep != nil {
		fmt.Fprintf(a.stdout, "Volgende stap: %s, uiterlijk %s\n", clip(stepText(r.NextStep), 0), clip(dueText(r.NextStep), 0))
	}
	if len(asked.LeftOut) > 0 {
		fmt.Fprintf(a.stdout, "Niet meegestuurd, want uw beleid laat dat niet toe: %s\n", fieldNames(asked.LeftOut))
	}
	for _, o := range asked.Override {
		fmt.Fprintf(a.stdout, "Toegestaan en vastgelegd: %s in %s\n", o.What, clip(o.Field, 0))
	}
}

func fieldNames(fields []gateway.Field) string {
	var names []string
	for _, f := range fields {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}
