package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Text is the explanation in plain Dutch.
func (x Explanation) Text() string {
	var b strings.Builder
	switch {
	case gateway.Confidential(x.Kind):
		fmt.Fprintf(&b, "Wat hoort %s over een persoon, in een bericht van soort %s, op %s?\n\n", x.Recipient, x.Kind, x.Day)
	case x.Offer != "":
		fmt.Fprintf(&b, "Wat ziet %s van aanbod %s op %s?\n\n", x.Recipient, x.Offer, x.Day)
	default:
		fmt.Fprintf(&b, "Wat ziet %s van dit bericht op %s?\n\n", x.Recipient, x.Day)
	}
	fmt.Fprintf(&b, "Besluit: %s.\n", x.verdict())
	if x.Note != "" {
		fmt.Fprintf(&b, "%s\n", x.Note)
	}
	if x.Allowed && len(x.Fields) > 0 {
		fmt.Fprintf(&b, "Doel: %s.\n", strings.Join(x.Purpose, "; "))
		fmt.Fprintf(&b, "Grondslag: %s.\n", strings.Join(x.Basis, "; "))
		fmt.Fprintf(&b, "Bewaren: ten hoogste %s.\n", x.Retention)
	}
	x.writeFields(&b, "Wel te zien", func(f FieldExplanation) bool { return f.Form != gateway.None }, reason)
	x.writeFields(&b, "Niet te zien (geen)", func(f FieldExplanation) bool { return f.Form == gateway.None }, reason)
	x.writeRules(&b)
	x.writeFields(&b, "Wat moet er veranderen om meer te tonen?", func(f FieldExplanation) bool { return f.Needs != "" },
		func(f FieldExplanation) string { return f.Needs })
	fmt.Fprintf(&b, "\nVersie van het beleid: %s\n", x.Policy)
	return b.String()
}

func reason(f FieldExplanation) string { return f.Reason }

func (x Explanation) verdict() string {
	switch {
	case x.Allowed:
		return "dit mag"
	case x.DeniedBy == byDefault:
		return "dit mag niet; geen enkele regel staat het toe"
	default:
		return "dit mag niet; regel " + x.DeniedBy + " verbiedt het"
	}
}

// writeFields lists the fields of which about holds; those of which the same is
// to be said share a line.
func (x Explanation) writeFields(b *strings.Builder, heading string, about func(FieldExplanation) bool, say func(FieldExplanation) string) {
	var said []string
	labels := map[string][]string{}
	for _, f := range x.Fields {
		if !about(f) {
			continue
		}
		text := say(f)
		if labels[text] == nil {
			said = append(said, text)
		}
		labels[text] = append(labels[text], f.Label)
	}
	if len(said) > 0 {
		fmt.Fprintf(b, "\n%s\n", heading)
	}
	for _, text := range said {
		fmt.Fprintf(b, "- %s: %s\n", strings.Join(labels[text], ", "), text)
	}
}

func (x Explanation) writeRules(b *strings.Builder) {
	heading := "\nRegels die hier gelden\n"
	for _, r := range x.Rules {
		if !r.Applies {
			continue
		}
		b.WriteString(heading)
		heading = ""
		effect := "toont"
		if r.Effect == "never" {
			effect = "verbiedt"
		}
		fmt.Fprintf(b, "- %s (%s, %s)", r.ID, effect, r.Place)
		if r.Description != "" {
			fmt.Fprintf(b, ": %s", r.Description)
		}
		b.WriteString("\n")
	}
}

func formText(f gateway.Field, form gateway.Form) string {
	switch {
	case f == gateway.FieldStatus:
		return "zoals bij de laatste peiling"
	case f == gateway.FieldAllotmentsAvailable && form == gateway.Exact:
		return "precies als de toedeling voor deze ontvanger alleen is, anders vol, enkele of ruim"
	case form == gateway.Public:
		return "wel of geen plek, een peiling later"
	case form == gateway.Banded:
		return "vol, enkele of ruim"
	}
	return "zoals het is"
}

// fieldLabel is the title of the field in the schemas, as far as it has one of its
// own.
func fieldLabel(f gateway.Field) string {
	for _, part := range []string{"need.", "handover."} { // as requests of inhabitants name them
		if name, ok := strings.CutPrefix(string(f), part); ok {
			return fieldLabel(gateway.Field(name))
		}
	}
	switch f {
	case gateway.KindHandover:
		return "alles van de warme overdracht"
	case "maxKm":
		return "fietsafstand"
	case "note", "explanation":
		return "toelichting"
	case "reason":
		return "reden"
	case "date":
		return "datum"
	case "phone":
		return "telefoon"
	case "email":
		return "e-mail"
	case "address":
		return "adres"
	case "reachable":
		return "bereikbaarheid"
	case "guidance":
		return "begeleiding"
	case "name":
		return "naam"
	case "from":
		return "vanaf"
	case "informed":
		return "wanneer en hoe geïnformeerd"
	case "offer":
		return "aanbod"
	case "fits":
		return "past bij de plek"
	case "callFirst":
		return "eerst bellen"
	case "deputy":
		return "vervanger"
	case gateway.FieldTitle:
		return "titel"
	case gateway.FieldTrajectsoort:
		return "soort traject"
	case gateway.FieldGrondslag:
		return "wettelijke grondslag"
	case gateway.FieldAddress:
		return "adres"
	case gateway.FieldPostcode:
		return "postcode"
	case gateway.FieldGemeente:
		return "gemeente van de locatie"
	case gateway.FieldCoordinates:
		return "coördinaten"
	case gateway.FieldMaximum:
		return "aantal plekken"
	case gateway.FieldAvailable:
		return "vrije plekken"
	case gateway.FieldAllotments:
		return "eigen toedelingen"
	case gateway.FieldAllotmentsAvailable:
		return "vrije plekken in eigen toedelingen"
	case gateway.FieldContact:
		return "contactpersoon"
	case gateway.FieldAccessibility:
		return "toegankelijkheid"
	}
	return string(f) // the field's name is the Dutch word
}

// termText says that a request lacks what a rule asks on one term.
func (p *Policy) termText(k term, r *rule, silent bool) string {
	asked := r.when[k]
	labels := make([]string, len(asked))
	for i, v := range asked {
		labels[i] = p.label(cmp.Or(k.list(), map[term]string{termReferral: "verwijsstatus"}[k]), v)
	}
	list := or(labels)
	switch {
	case len(asked) == 0:
		return "geen van de codes die de regel noemt, is vandaag geldig"
	case k == termKind:
		return "de regel gaat over berichten van soort " + list
	case k == termRole:
		return "de ontvanger is zelf geen " + list
	case k == termResponsible:
		return "de ontvanger vraagt dit niet voor gemeente " + list
	case k == termReferral:
		return "de regel gaat over verwijzingen in de stand " + list
	case silent:
		return "het aanbod zegt niets over " + termLabel(k)
	case k == termFunctionaliteit:
		return "wij verrichten de functionaliteit van dit aanbod niet voor de gemeente van de ontvanger, of de regel noemt haar niet"
	case k == termAllotment:
		return allotmentText(asked)
	}
	return "de " + termLabel(k) + " van het aanbod is niet " + list
}

func termLabel(k term) string {
	switch k {
	case termTrajectsoort:
		return "trajectsoort"
	case termLocation:
		return "gemeente"
	}
	return k.key()
}

func allotmentText(asked []string) string {
	switch {
	case slices.Contains(asked, allotmentOwn):
		return "de ontvanger heeft op die dag geen toedeling in dit aanbod"
	case slices.Contains(asked, allotmentSole):
		return "de ontvanger heeft op die dag geen toedeling voor zichzelf alleen in dit aanbod"
	}
	return "de ontvanger heeft op die dag een toedeling in dit aanbod"
}

// toText says that a rule does not name the recipient.
func (p *Policy) toText(r *rule) string { return "de regel is voor " + p.whom(r) }

// whom lists those whom a rule names.
func (p *Policy) whom(r *rule) string {
	var who []string
	set := r.clause.to
	for _, g := range set.groups {
		who = append(who, "groep "+g.value)
	}
	for _, g := range set.gemeenten {
		who = append(who, "gemeente "+p.label("gemeente", g.value))
	}
	for _, oin := range set.parties {
		who = append(who, p.partyName(gateway.OIN(oin.value)))
	}
	for _, k := range set.roles {
		who = append(who, "elke "+k.value)
	}
	if set.public {
		who = append(who, "het publiek")
	}
	if set.everyone {
		who = append(who, "iedereen")
	}
	return or(who)
}

func periodText(r *rule) string {
	switch {
	case r.until == "":
		return fmt.Sprintf("de regel geldt vanaf %s", r.from)
	case r.from == "":
		return fmt.Sprintf("de regel geldt tot en met %s", r.until)
	}
	return fmt.Sprintf("de regel geldt van %s tot en met %s", r.from, r.until)
}

func (p *Policy) recipientName(r gateway.Recipient) string {
	if r.Public {
		return "het publiek"
	}
	name := p.partyName(r.Party)
	for _, principal := range r.ActsFor {
		name += ", ook namens " + p.partyName(principal.Party)
	}
	return name
}

func (p *Policy) partyName(oin gateway.OIN) string {
	if party, ok := p.env.party(oin); ok {
		return fmt.Sprintf("%s (%s)", party.Name, oin)
	}
	return "partij " + string(oin)
}

// label is a code with its Dutch label.
func (p *Policy) label(list, code string) string {
	if label := p.env.Lists.Label(list, code); label != code {
		return fmt.Sprintf("%s (%s)", label, code)
	}
	return code
}

func (p *Policy) purposes(d *gateway.Decision) []string {
	var texts []string
	for _, code := range strings.Fields(d.Purpose) {
		texts = append(texts, p.label("doel", code))
	}
	return texts
}

func (p *Policy) bases(d *gateway.Decision) []string {
	var texts []string
	for _, code := range d.Basis {
		list := groundsList
		if _, ok := p.env.Lists.Find(list, code); !ok {
			list = "grondslag"
		}
		texts = append(texts, p.label(list, code))
	}
	return texts
}

func retentionText(retention string) string {
	if retention == "" {
		return ""
	}
	last := len(retention) - 1
	n, unit := retention[1:last], map[byte][2]string{
		'D': {"dag", "dagen"}, 'W': {"week", "weken"}, 'M': {"maand", "maanden"}, 'Y': {"jaar", "jaar"},
	}[retention[last]]
	if n == "1" {
		return n + " " + unit[0]
	}
	return n + " " + unit[1]
}

func or(words []string) string  { return enumerate(words, " of ") }
func and(words []string) string { return enumerate(words, " en ") }

func enumerate(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + last + words[n]
}
