package audit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// formWord is a form as the report and the page for writers of policies say it.
func formWord(f gateway.Form) string {
	if f == "" || f == gateway.None {
		return "geen"
	}
	return string(f)
}

// legend explains the forms.
func legend() []Fact {
	return []Fact{
		{"exact", "zoals het is"},
		{"band", "vol, enkele of ruim, zoals bij de laatste peiling (maandag)"},
		{"plek", "wel of geen plek, een peiling later"},
		{"geen", "niet te zien"},
	}
}

func (a About) facts() []Fact {
	facts := []Fact{{"Partij", strings.TrimSpace(a.Name + " (" + string(a.Party) + ")")}, {"Versie van het beleid", a.Policy}}
	if a.Register > 0 {
		facts = append(facts, Fact{"Versie van het register", fmt.Sprint(a.Register)})
	}
	return append(facts, Fact{"Geldt vanaf", string(a.Day)}, Fact{"Codelijsten", a.listsText()})
}

// listsText names the code lists by version.
func (a About) listsText() string {
	byVersion := map[string][]string{}
	for _, l := range a.Lists {
		byVersion[l.Version] = append(byVersion[l.Version], l.Name)
	}
	var texts []string
	for _, v := range slices.Sorted(maps.Keys(byVersion)) {
		if len(byVersion) == 1 {
			return fmt.Sprintf("alle %d van %s", len(a.Lists), v)
		}
		texts = append(texts, v+": "+strings.Join(byVersion[v], ", "))
	}
	return strings.Join(texts, "; ")
}

func (m Matrix) notes() []string {
	if m.Offers {
		return []string{"Dit is wat elke ontvanger vandaag van elk aanbod ziet. Elk aanbod staat bij een ontvanger precies één keer."}
	}
	return []string{
		"Dit is alles wat dit beleid kan tonen, voor elk aanbod dat er is of nog komt. Elk aanbod valt bij een ontvanger in precies één rij.",
		"Mandaten, gemeenten en codes zijn die van deze dag. Twee partijen kunnen dezelfde gemeente zijn: dan kan een rij staan voor iets dat niet voorkomt.",
	}
}

func (m Matrix) title() string {
	if m.Offers {
		return "Wie ziet wat van ons aanbod?"
	}
	return "Wie kan wat zien?"
}

// heading names a recipient.
func (s Section) heading() string {
	if s.Recipient == Public {
		return s.Name
	}
	var gemeenten string
	for _, g := range s.Gemeenten {
		gemeenten += " " + string(g)
	}
	return fmt.Sprintf("%s (%s%s, %s)", s.Name, s.Kind, gemeenten, s.Recipient)
}

// when says for what a row holds.
func (r Row) when() string {
	switch {
	case len(r.Offers) > 0:
		return "aanbod " + strings.Join(r.Offers, ", ")
	case r.Otherwise:
		return "in alle andere gevallen"
	case len(r.Conditions) == 0:
		return "altijd"
	}
	return strings.Join(r.Conditions, "; ")
}

func (r Row) deniedText() string {
	var by []string
	for _, id := range r.DeniedBy {
		switch id {
		case "default":
			by = append(by, "geen regel staat dit toe")
		case expired:
			by = append(by, "de laatste dag van het aanbod is voorbij")
		default:
			by = append(by, "regel "+id+" verbiedt dit")
		}
	}
	return strings.Join(by, "; ")
}

func labels(terms []Term) string {
	var all []string
	for _, t := range terms {
		all = append(all, t.Label)
	}
	return strings.Join(all, "; ")
}

// listText says what is sent of the list of offers shown.
func (r Row) listText() string {
	if r.Allowed {
		return "Lijst van getoond aanbod (capacity-state): altijd; alleen kenmerken die niets over het aanbod zeggen"
	}
	return "Lijst van getoond aanbod (capacity-state): niet"
}

// Text writes the matrix for a terminal: by recipient and row, fields by form.
func (m Matrix) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", m.title())
	writeFacts(&b, "", m.facts())
	b.WriteString("\n")
	for _, n := range m.notes() {
		fmt.Fprintln(&b, n)
	}
	writeFacts(&b, "- ", legend())
	for _, s := range m.Recipients {
		s.text(&b)
	}
	writePeople(&b, m.People)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write matrix: %w", err)
	}
	return nil
}

func (s Section) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n", Plain(s.heading()))
	if len(s.ActsFor) > 0 {
		fmt.Fprintf(b, "Treedt op voor %s.\n", Plain(policy.And(s.ActsFor)))
	}
	if len(s.capacity()) > 1 && len(s.Always) > 0 {
		b.WriteString("\nIn elk geval\n")
		writeForms(b, s.Always)
	}
	for _, r := range s.Rows {
		if r.Kind == gateway.KindCapacityState {
			fmt.Fprintf(b, "\n%s\n", r.listText())
			continue
		}
		when := []rune(Plain(r.when()))
		fmt.Fprintf(b, "\n%s%s\n", strings.ToUpper(string(when[:1])), string(when[1:]))
		if !r.Allowed {
			fmt.Fprintf(b, "  niets: %s\n", r.deniedText())
			continue
		}
		writeForms(b, r.Show)
		fmt.Fprintf(b, "  doel: %s\n  grondslag: %s\n", labels(r.Purpose), labels(r.Basis))
		fmt.Fprintf(b, "  bewaren: ten hoogste %s\n  regels: %s\n", policy.RetentionText(r.Retention), strings.Join(r.Rules, ", "))
	}
}

// capacity are the rows about offers.
func (s Section) capacity() []Row {
	return slices.DeleteFunc(slices.Clone(s.Rows), func(r Row) bool { return r.Kind != gateway.KindCapacity })
}

func writeForms(b *strings.Builder, show gateway.Disclosure) {
	for _, form := range []gateway.Form{gateway.Exact, gateway.Banded, gateway.Public} {
		var names []string
		for _, f := range gateway.Fields() {
			if show[f] == form {
				names = append(names, policy.FieldLabel(f))
			}
		}
		if len(names) > 0 {
			fmt.Fprintf(b, "  %s: %s\n", form, strings.Join(names, ", "))
		}
	}
}

// CSV writes one line for each field of each row, also of those not shown.
func (m Matrix) CSV(w io.Writer) error {
	rows := [][]string{{
		"ontvanger", "oin", "soort", "berichtsoort", "rij", "voorwaarden", "aanbod", "veld", "vorm", "doel", "grondslag",
		"bewaartermijn", "regels", "geweigerd door", "beleid",
	}}
	for _, s := range m.Recipients {
		for i, r := range s.Rows {
			conditions := ""
			if len(r.Offers) == 0 {
				conditions = r.when()
			}
			line := func(field, form string) []string {
				return []string{
					s.Name, s.Recipient, string(s.Kind), r.Kind, fmt.Sprint(i + 1), conditions, strings.Join(r.Offers, ", "), field, form,
					codesOf(r.Purpose), codesOf(r.Basis), r.Retention, strings.Join(r.Rules, " "), strings.Join(r.DeniedBy, " "), m.Policy,
				}
			}
			if r.Kind == gateway.KindCapacityState {
				rows = append(rows, line("", ""))
				continue
			}
			for _, f := range gateway.Fields() {
				rows = append(rows, line(string(f), formWord(r.Show[f])))
			}
		}
	}
	for i, r := range m.People {
		for _, f := range append([]gateway.Field{""}, r.Fields...) {
			rows = append(rows, []string{
				strings.Join(r.Recipients, ", "), "", "", r.Kind, fmt.Sprint(i + 1), r.whenText(), "", string(f), formWord(gateway.Exact),
				codesOf(r.Purpose), codesOf(r.Basis), r.Retention, strings.Join(r.Rules, " "), "", m.Policy,
			})
		}
	}
	return writeCSV(w, rows)
}

func codesOf(terms []Term) string {
	var all []string
	for _, t := range terms {
		all = append(all, t.Code)
	}
	return strings.Join(all, " ")
}

// HTML writes the matrix as a page: a section for each recipient.
func (m Matrix) HTML(w io.Writer) error {
	d := Document{Title: m.title(), Facts: m.facts(), Notes: m.notes(), Legend: legend()}
	for i, s := range m.Recipients {
		d.Sections = append(d.Sections, s.part(fmt.Sprintf("ontvanger-%d", i+1)))
	}
	if len(m.People) > 0 {
		d.Sections = append(d.Sections, peoplePart(m.People))
	}
	return d.HTML(w)
}

// maxColumns is how many rows of a matrix stand beside each other on a page.
const maxColumns = 4

func (s Section) part(id string) Part {
	p := Part{ID: id, Title: s.heading()}
	if len(s.ActsFor) > 0 {
		p.Facts = append(p.Facts, Fact{"Treedt op voor", policy.And(s.ActsFor)})
	}
	for _, r := range s.Rows {
		if r.Kind == gateway.KindCapacityState {
			name, value, _ := strings.Cut(r.listText(), ": ")
			p.Facts = append(p.Facts, Fact{name, value})
		}
	}
	rows := s.capacity()
	if len(rows) > 1 && len(s.Always) > 0 {
		rows = slices.Insert(rows, 0, Row{Conditions: []string{"in elk geval"}, Allowed: true, Show: s.Always})
	}
	tables := slices.Collect(slices.Chunk(rows, maxColumns))
	for i, chunk := range tables {
		caption := "Wat " + s.Name + " ziet"
		if len(tables) > 1 {
			caption += fmt.Sprintf(" (%d van %d)", i+1, len(tables))
		}
		p.Tables = append(p.Tables, fieldTable(caption, chunk))
	}
	return p
}

// fieldTable has a line for each field, then one for each ground.
func fieldTable(caption string, rows []Row) Table {
	t := Table{Caption: caption, Heads: []string{"Veld"}}
	for _, r := range rows {
		t.Heads = append(t.Heads, strings.ReplaceAll(r.when(), "; ", "\n"))
	}
	line := func(head string, cell func(Row) Cell) {
		cells := []Cell{{Text: head}}
		some := false
		for _, r := range rows {
			c := cell(r)
			cells, some = append(cells, c), some || c.Text != ""
		}
		if some {
			t.Rows = append(t.Rows, cells)
		}
	}
	for _, f := range gateway.Fields() {
		line(policy.FieldLabel(f), func(r Row) Cell {
			word := formWord(r.Show[f])
			return Cell{Text: word, Class: word}
		})
	}
	line("Doel", func(r Row) Cell { return Cell{Text: labels(r.Purpose)} })
	line("Grondslag", func(r Row) Cell { return Cell{Text: labels(r.Basis)} })
	line("Bewaren, ten hoogste", func(r Row) Cell { return Cell{Text: policy.RetentionText(r.Retention)} })
	line("Regels", func(r Row) Cell { return Cell{Text: strings.Join(r.Rules, ", ")} })
	line("Geweigerd", func(r Row) Cell { return Cell{Text: r.deniedText()} })
	return t
}
