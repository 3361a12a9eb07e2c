package scenario

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
)

// Widths for a terminal of 100 columns and five recipients.
const (
	textWidth  = 98
	labelWidth = 34
	titleWidth = 46
	cellWidth  = 13
	unseen     = "–"
)

// Report writes for people, in Dutch, who sees which fields of which offers in
// which form, and what the policies kept back. What is seen is read from
// Capacity, not from what a policy says.
func Report(w io.Writer, views []View) {
	writeOffers(w, views)
	writeDenials(w, views)
}

func writeOffers(w io.Writer, views []View) {
	fmt.Fprintf(w, "Wie ziet wat?  ja: zoals het is; vol, enkele, ruim: een band; getal: exact; %s: niet\n", unseen)
	provider := ""
	for _, group := range byOffer(views) {
		first := group[0]
		if provider != first.Provider.Name {
			provider = first.Provider.Name
			fmt.Fprintf(w, "\n%s\n", underline("Aanbod van "+provider))
		}
		var names []string
		for _, v := range group {
			names = append(names, v.Recipient.Name)
		}
		fmt.Fprintln(w)
		writeRow(w, first.Offer.ID+" "+first.Offer.Title, names)
		for _, r := range fieldRows(group) {
			writeRow(w, "  "+strings.Join(r.labels, ", "), r.cells)
		}
	}
}

func underline(s string) string { return s + "\n" + strings.Repeat("=", utf8.RuneCountInString(s)) }

// byOffer splits views, which are in the order of the offers.
func byOffer(views []View) [][]View {
	var groups [][]View
	for i, v := range views {
		if i == 0 || v.Provider.OIN != views[i-1].Provider.OIN || v.Offer.ID != views[i-1].Offer.ID {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], v)
	}
	return groups
}

// fieldRow is fields that look the same for every recipient.
type fieldRow struct {
	labels, cells []string
}

// fieldRows leaves out what nobody sees.
func fieldRows(views []View) []fieldRow {
	var rows []fieldRow
	for i, f := range gateway.Fields() {
		var cells []string
		for _, v := range views {
			cells = append(cells, cmp.Or(cell(f, v.Capacity), unseen))
		}
		if !slices.ContainsFunc(cells, func(c string) bool { return c != unseen }) {
			continue
		}
		same := slices.IndexFunc(rows, func(r fieldRow) bool { return slices.Equal(r.cells, cells) })
		if same < 0 {
			rows = append(rows, fieldRow{cells: cells})
			same = len(rows) - 1
		}
		rows[same].labels = append(rows[same].labels, cmp.Or(shortLabel(f), views[0].Fields[i].Label))
	}
	return rows
}

// shortLabel is for a field whose label is too long for the table.
func shortLabel(f gateway.Field) string {
	switch f {
	case gateway.FieldTrajectsoort:
		return "traject"
	case gateway.FieldGrondslag:
		return "wet"
	case gateway.FieldGemeente:
		return "gemeente"
	case gateway.FieldMaximum:
		return "plekken"
	case gateway.FieldAvailable:
		return "vrije plekken"
	case gateway.FieldAllotments:
		return "eigen toedeling"
	case gateway.FieldAllotmentsAvailable:
		return "vrij in eigen toedeling"
	case gateway.FieldContact:
		return "contact"
	}
	return ""
}

// writeRow writes a label, over more lines where it is long, and its cells
// beside the first.
func writeRow(w io.Writer, label string, cells []string) {
	lines := strings.Split(wrap(label, labelWidth-2, "    "), "\n")
	fmt.Fprint(w, pad(lines[0], labelWidth))
	for i, c := range cells {
		if i < len(cells)-1 {
			c = pad(c, cellWidth)
		}
		fmt.Fprint(w, c)
	}
	fmt.Fprintln(w)
	for _, line := range lines[1:] {
		fmt.Fprintln(w, line)
	}
}

// pad fills a column; what is too long for it is cut.
func pad(s string, width int) string {
	if n := utf8.RuneCountInString(s); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return string([]rune(s)[:width-2]) + "… "
}

// wrap breaks at spaces; indent goes before every line but the first.
func wrap(s string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.SplitAfter(s, " ") {
		n := utf8.RuneCountInString(strings.TrimRight(word, " "))
		if i > 0 && column+n > width {
			b.WriteString("\n" + indent)
			column = len(indent)
		}
		b.WriteString(word)
		column += utf8.RuneCountInString(word)
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

// writeDenials writes which offers the policies kept from whom, and which fields
// no recipient may ever see of those that it was shown.
func writeDenials(w io.Writer, views []View) {
	fmt.Fprintf(w, "\n%s\n\n", underline("Aanbod dat het beleid achterhield"))
	line := func(offer, recipient, why string) {
		fmt.Fprintln(w, pad(offer, titleWidth)+pad(recipient, cellWidth+1)+why)
	}
	line("Aanbod", "Niet voor", "Waarom")
	for _, v := range views {
		if !v.Decision.Allowed {
			line(v.Offer.ID+" "+v.Offer.Title, v.Recipient.Name, ruleName(v.Decision.DeniedBy))
		}
	}
	fmt.Fprintf(w, "\n%s\n\n", underline("Velden die het beleid nooit toont"))
	for _, f := range forbiddenFields(views) {
		line := fmt.Sprintf("%s, regel %s: %s; nooit naar %s (%s)",
			f.provider, f.rule, strings.Join(f.labels, ", "), strings.Join(f.recipients, ", "), strings.Join(f.offers, ", "))
		fmt.Fprintln(w, wrap(line, textWidth, "  "))
	}
}

func ruleName(id string) string {
	if id == "default" {
		return "geen regel staat het toe"
	}
	return "regel " + id
}

// forbidden is what one never rule takes from offers that are shown otherwise.
type forbidden struct {
	provider, rule             string
	labels, offers, recipients []string
}

func forbiddenFields(views []View) []forbidden {
	var all []forbidden
	for _, v := range views {
		if !v.Decision.Allowed {
			continue
		}
		for _, f := range v.Fields {
			if f.Form != gateway.None {
				continue
			}
			for _, rule := range f.Rules {
				i := slices.IndexFunc(all, func(x forbidden) bool { return x.provider == v.Provider.Name && x.rule == rule })
				if i < 0 {
					all = append(all, forbidden{provider: v.Provider.Name, rule: rule})
					i = len(all) - 1
				}
				addOnce(&all[i].labels, f.Label)
				addOnce(&all[i].offers, v.Offer.ID)
				addOnce(&all[i].recipients, v.Recipient.Name)
			}
		}
	}
	return all
}

func addOnce(list *[]string, s string) {
	if !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}
