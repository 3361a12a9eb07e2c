package audit

import (
	"fmt"
	"strings"

	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Text is the difference in plain Dutch.
func (d Diff) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Van beleid %s naar beleid %s, vanaf %s\n", brief(d.Old), brief(d.New), d.Day)
	if d.Empty() {
		b.WriteString("Er verandert niets: ieder ziet hetzelfde, op dezelfde gronden.\n")
		return b.String()
	}
	for _, c := range d.Changes {
		c.write(&b)
	}
	if len(d.People) > 0 {
		b.WriteString("\nOver personen\n")
	}
	for _, c := range d.People {
		c.write(&b)
	}
	if len(d.Accept) > 0 {
		b.WriteString("\nWat wij aannemen\n")
	}
	for _, c := range d.Accept {
		verb := "nemen wij niet meer aan"
		if c.Effect == Wider {
			verb = "nemen wij nu aan"
		}
		in := ""
		if c.For != nil {
			in = " namens " + c.For.Name
		}
		fmt.Fprintf(&b, "  [%s] berichten van soort %s van %s%s %s\n", effectText(c.Effect), c.Kind, c.From.Name, in, verb)
	}
	b.WriteString("\n" + d.summary() + "\n")
	return b.String()
}

func (d Diff) summary() string {
	n := map[Effect]int{}
	count := func(c Change) {
		for _, e := range c.Effects {
			n[e]++
		}
	}
	for _, c := range d.Changes {
		count(c)
	}
	for _, c := range d.People {
		count(c.Change)
	}
	if !d.Widens() {
		return "Dit beleid toont nergens meer dan het oude."
	}
	return fmt.Sprintf("Wijzigingen die meer tonen: %d; die minder tonen: %d; met een ander doel of een andere grondslag: %d.", n[Wider], n[Narrower], n[Other])
}

func brief(version string) string { return version[:min(len(version), 12)] }

func effectText(e Effect) string {
	switch e {
	case Wider:
		return "ruimer"
	case Narrower:
		return "beperkter"
	}
	return "anders"
}

func (c Change) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", whoText(c.Recipients))
	if len(c.Conditions) > 0 {
		fmt.Fprintf(b, "  als %s\n", strings.Join(c.Conditions, "; "))
	}
	if len(c.Offers) > 0 {
		fmt.Fprintf(b, "  van aanbod %s\n", policy.And(c.Offers))
	}
	for _, f := range c.Fields {
		fmt.Fprintf(b, "  [%s] %s: was %s, wordt %s\n", effectText(f.Effect), f.Label, policy.FormText(f.Field, f.Old), policy.FormText(f.Field, f.New))
	}
	if c.Purpose != nil && len(c.Purpose.New) == 0 {
		b.WriteString("  [beperkter] daarmee is er niets meer te zien\n")
		return
	}
	whole := Other
	if len(c.Fields) > 0 {
		whole = c.Effects[0]
	}
	c.writeGrounds(b, whole)
}

func whoText(recipients []Who) string {
	var names []string
	for _, w := range recipients {
		names = append(names, w.Name)
	}
	return policy.And(names)
}

// writeGrounds tells of other purposes, bases and retention, with the effect of
// the whole.
func (c Change) writeGrounds(b *strings.Builder, whole Effect) {
	if c.Purpose != nil {
		fmt.Fprintf(b, "  [%s] doel: was %s, wordt %s\n", effectText(whole), c.Purpose.text(c.Purpose.Old), c.Purpose.text(c.Purpose.New))
	}
	if c.Basis != nil {
		fmt.Fprintf(b, "  [%s] grondslag: was %s, wordt %s\n", effectText(whole), c.Basis.text(c.Basis.Old), c.Basis.text(c.Basis.New))
	}
	if r := c.Retention; r != nil {
		fmt.Fprintf(b, "  [%s] bewaren: was %s, wordt %s\n", effectText(r.Effect), retention(r.Old), retention(r.New))
	}
}

func (t Terms) text(terms []Term) string {
	if len(terms) == 0 {
		return "geen"
	}
	var labels []string
	for _, one := range terms {
		labels = append(labels, one.Label)
	}
	return policy.And(labels)
}

func retention(r string) string {
	if r == "" {
		return "niets"
	}
	return "ten hoogste " + policy.RetentionText(r)
}
