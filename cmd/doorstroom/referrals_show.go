package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/schemas"
)

func codeLists() (gateway.CodeLists, error) { return gateway.LoadCodeLists(schemas.FS()) }

func statusOf(lists gateway.CodeLists, text string) gateway.ReferralStatus {
	return gateway.ReferralStatus(codeOf(lists, "verwijsstatus", text))
}

func partyOf(text string) gateway.OIN { return gateway.OIN(text) }

func sideText(r desk.ReferralLine) string {
	if r.Side == gateway.ReferrerSide {
		return "uit"
	}
	return "in"
}

func newReferralsShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show REFERRAL",
		Short: "Show one referral, with its need and what was handed over",
		Long: `Show all that this node has of one referral. REFERRAL is its id, or the
beginning of one. That you looked is entered in the journal.`,
		Example: `  doorstroom referrals show 3f0c9a12
  doorstroom referrals show 3f0c9a12 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			detail, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.ReferralDetail, error) {
				return client.Referral(ctx, args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, detail)
			}
			return a.showReferral(detail)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// told writes a line for what is there.
func (a *app) told(name, value string) {
	if value != "" {
		fmt.Fprintf(a.stdout, "%-22s %s\n", name, clip(value, 0))
	}
}

func (a *app) showReferral(r desk.ReferralDetail) error {
	lists, err := codeLists()
	if err != nil {
		return err
	}
	a.told("Verwijzing", r.ID)
	a.told("Vervolg op", r.Follows)
	if r.Side == gateway.ReferrerSide {
		a.told("Aan", cmp.Or(r.PartyName, string(r.Party)))
	} else {
		a.told("Van", cmp.Or(r.PartyName, string(r.Party)))
	}
	a.told("Namens", string(r.Principal))
	a.told("Aanbod", r.Offer)
	a.told("Eigen kenmerk", r.Reference)
	a.told("Status", statusLine(r))
	a.told("Reden", reasonText(lists, r.Status, r.Reason))
	a.told("Datum", string(r.Date))
	a.told("Dagdelen", dagdeelText(r.Dagdelen))
	a.told("Toedeling", r.Allotment)
	if s := r.Reserved; s != nil {
		a.told("Gereserveerd", fmt.Sprintf("%s, tot en met %s", dagdeelText(s.Dagdelen), s.Until))
	}
	if !r.Waiting.IsZero() {
		a.told("Op de wachtlijst sinds", when(r.Waiting))
	}
	for _, p := range r.Passed {
		a.told("Overgeslagen", when(p.At)+": "+p.Reason)
	}
	if r.Answer.Why != "" {
		a.told("Antwoord", lists.Label("antwoordreden", r.Answer.Why))
	}
	a.told("Verzoek open", string(r.Asked))
	if s := r.NextStep; s != nil {
		a.told("Volgende stap", stepText(s))
		a.told("Uiterlijk", dueText(s))
		a.told("Contact", functionalText(s.Contact))
		a.told("Vervanger", functionalText(s.Deputy))
	}
	a.told("U kunt nu", actNames(r.May))
	a.told("In uw export", r.Pseudonym)
	for _, n := range r.Notes {
		a.told("Let op", n)
	}
	a.showNeed(lists, r.Need)
	a.showHandover(r.Handover)
	return nil
}

func statusLine(r desk.ReferralDetail) string {
	if r.Since.IsZero() {
		return r.StatusLabel
	}
	return fmt.Sprintf("%s, sinds %s (stand %d)", r.StatusLabel, when(r.Since), r.Number)
}

func reasonText(lists gateway.CodeLists, status gateway.ReferralStatus, reason string) string {
	if reason == "" {
		return ""
	}
	return lists.Label(status.Reasons(), reason)
}

func (a *app) showNeed(lists gateway.CodeLists, n *gateway.Need) {
	if n == nil {
		return
	}
	fmt.Fprintln(a.stdout, "\nWat gevraagd is:")
	if n.CallFirst {
		a.told("  EERST BELLEN", functionalText(n.Contact))
		a.told("  Vervanger", functionalText(n.Deputy))
		return
	}
	a.told("  Contact", functionalText(n.Contact))
	a.told("  Vervanger", functionalText(n.Deputy))
	a.told("  Trajectsoort", lists.Label("trajectsoort", n.Trajectsoort))
	a.told("  Grondslag", lists.Label("grondslag", n.Grondslag))
	a.told("  Werksoorten", labels(lists, "werksoort", n.Werksoorten))
	a.told("  Dagdelen", dagdeelText(n.Dagdelen))
	a.told("  Fase", numberText(n.Fase))
	a.told("  Trede", numberText(n.Trede))
	if b := n.Begeleiding; b != nil {
		a.told("  Begeleiding", strings.TrimSpace(lists.Label("begeleiding", b.Soort)+" "+lists.Label("intensiteit", b.Intensiteit)))
	}
	a.told("  Toegankelijkheid", labels(lists, "toegankelijkheid", n.Accessibility))
	a.told("  Vanaf", string(n.From))
	a.told("  Postcodegebied", n.Postcode)
	a.told("  Fietsafstand (km)", numberText(n.MaxKm))
	a.told("  Toelichting", n.Note)
	a.told("  Inwoner geïnformeerd", strings.TrimSpace(string(n.Informed.On)+" "+lists.Label("informatiewijze", n.Informed.How)))
}

func (a *app) showHandover(h *gateway.Handover) {
	if h == nil {
		return
	}
	fmt.Fprintln(a.stdout, "\nOverdracht:")
	a.told("  Naam", h.Name)
	a.told("  Telefoon", h.Phone)
	a.told("  E-mail", h.Email)
	if h.Address != nil {
		a.told("  Adres", strings.Join([]string{h.Address.Street, h.Address.Number, h.Address.City}, " "))
	}
	a.told("  Postcode", h.Postcode)
	a.told("  Bereikbaar", h.Reachable)
	for i, line := range lines(h.Guidance) {
		if i == 0 {
			a.told("  Begeleiding", line)
		} else {
			a.told("", line)
		}
	}
	a.told("  Overgedragen door", strings.TrimSpace(h.Contact.Name+" "+h.Contact.Phone))
}

func functionalText(f gateway.Functional) string {
	var parts []string
	for _, p := range []string{f.Name, f.Phone, f.Email} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func dagdeelText(all []gateway.Dagdeel) string {
	var names []string
	for _, g := range all {
		names = append(names, string(g))
	}
	return strings.Join(names, ", ")
}

func actNames(acts []gateway.ReferralAct) string {
	var names []string
	for _, act := range acts {
		names = append(names, string(act))
	}
	return strings.Join(names, ", ")
}
