package audit

import (
	"fmt"
	"io"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Art30 is the verwerkingsregister as a report; as JSON it is Registers without
// what belongs to the DPIA.
type Art30 struct{ Registers }

// DPIA is the tables of a DPIA as a report; as JSON it is Registers.
type DPIA struct{ Registers }

// NewArt30 leaves out the tables of the DPIA.
func NewArt30(r Registers) Art30 {
	r.Disclosed, r.Prohibited = nil, nil
	return Art30{r}
}

// approval tells who decides on a change of the policy.
func (r Registers) approval() []Fact {
	words := map[string]string{
		"none":       "door wie het beleid laadt, meteen; niemand anders hoeft het ermee eens te zijn",
		"one-person": "door één persoon; wat meer toont, gaat pas na 72 uur gelden",
		"two-person": "door een schrijver en een ander, die allebei tekenen",
	}
	if words[r.Approval] == "" {
		return nil
	}
	return []Fact{{"Wijzigen", words[r.Approval]}}
}

// measures are what the program does by itself, whoever runs it.
const measures = "Versleuteld en wederzijds aangetoond verkeer (mTLS) tussen partijen uit een ondertekend register. Elk bericht is ondertekend. " +
	"Elke verstrekking en elke weigering staat in een journaal dat niet ongemerkt te wijzigen is. Toegang per rol. Reservekopieën zijn versleuteld. " +
	"Hoe vol het is, alleen als band of plek, op een vast moment. " +
	"Berichten over personen zijn ook nog voor de ontvanger alleen versleuteld, en worden na afloop gewist."

// notSaid is what the law asks and neither policy nor register tells.
const notSaid = "Niet uit beleid of register af te leiden, vul zelf aan: de functionaris gegevensbescherming, doorgifte buiten de EER, en maatregelen buiten dit programma."

func (a Art30) document() Document {
	d := Document{
		Title: "Register van verwerkingsactiviteiten (AVG art. 30)", Facts: a.facts(),
		Notes: []string{
			"Gemaakt uit het beleid en het register van deelnemers. Wat niemand te zien kan krijgen, staat er niet in.",
			notSaid,
		},
	}
	if a.Contact != "" {
		d.Facts = append(d.Facts, Fact{"Contact", a.Contact})
	}
	d.Facts = append(d.Facts, a.approval()...)
	d.Sections = append(d.Sections, Part{ID: "verstrekken", Title: "Als verantwoordelijke (art. 30 lid 1): wat wij verstrekken", Tables: []Table{a.activities()}})
	if len(a.Received) > 0 {
		d.Sections = append(d.Sections, Part{ID: "ontvangen", Title: "Als verantwoordelijke (art. 30 lid 1): wat wij van anderen ontvangen", Tables: []Table{a.received()}})
	}
	if len(a.ActedFor) > 0 {
		d.Sections = append(d.Sections, Part{ID: "voor-ons", Title: "Wie voor ons optreedt", Tables: []Table{acting("Mandaten die wij gaven", "Wie", a.ActedFor)}})
	}
	if len(a.Mandates) > 0 {
		d.Sections = append(d.Sections, Part{
			ID: "verwerker", Title: "Voor anderen (art. 30 lid 2, tenzij de grondslag delegatie is)",
			Tables: []Table{acting("Mandaten die wij hebben", "Voor wie", a.Mandates)},
		})
	}
	return d
}

func (a Art30) activities() Table {
	t := Table{Caption: "Verwerkingen: per doel en grondslag", Heads: []string{
		"Doel", "Grondslag", "Gegevens en betrokkenen", "Ontvangers", "Bewaren, ten hoogste", "Beveiliging", "Regels", "In het logboek",
	}}
	for _, one := range a.Activities {
		var data []string
		for _, d := range one.Data {
			data = append(data, d.text())
		}
		t.Rows = append(t.Rows, cells(one.Purpose.Label, labels(one.Basis), strings.Join(data, "\n"), strings.Join(one.Recipients, "\n"),
			retentions(one.Retention), measures, strings.Join(one.Rules, ", "), strings.Join(one.Logged, "\n")))
	}
	return t
}

func (d ClassData) text() string {
	if d.Kind == "" {
		return fmt.Sprintf("%s (%s): %s", d.Class, d.Subjects, fieldNames(d.Fields))
	}
	all := append([]string{leastText(d.Kind)}, fieldLabels(d.Fields)...)
	return fmt.Sprintf("%s (%s), %s: %s", d.Class, d.Subjects, strings.ToLower(kindWord(d.Kind)), strings.Join(all, ", "))
}

func (a Art30) received() Table {
	t := Table{Caption: "Wat wij aannemen", Heads: []string{"Regel", "Omschrijving", "Van wie", "Berichten", "Doel, grondslag en bewaren", "Beveiliging", "In het logboek"}}
	for _, r := range a.Received {
		t.Rows = append(t.Rows, cells(r.Rule, r.Description, r.From, strings.Join(r.Kinds, ", "), "volgens het beleid van de afzender", measures, r.Logged))
	}
	return t
}

func acting(caption, head string, all []ActingFor) Table {
	t := Table{Caption: caption, Heads: []string{head, "Grondslag in het register", "Berichten", "Van", "Tot en met", "Beveiliging"}}
	for _, m := range all {
		t.Rows = append(t.Rows, cells(m.Party, m.Basis, strings.Join(m.Kinds, ", "), string(m.ValidFrom), string(m.ValidUntil), measures))
	}
	return t
}

func (d DPIA) document() Document {
	doc := Document{
		Title: "Gegevens voor een DPIA (AVG art. 35)", Facts: append(d.facts(), d.approval()...), Legend: legend(),
		Notes: []string{
			"Gemaakt uit het beleid en het register van deelnemers: wat wie kan zien, waarvoor, en wat daar het risico van is voor zover het beleid dat laat zien.",
			"Of de verwerking nodig en evenredig is, weegt u zelf. De voorwaarden per ontvanger staan in: doorstroom policy matrix",
		},
	}
	shown := Table{Caption: "Wat getoond kan worden", Heads: []string{
		"Gegeven", "Vorm", "Klasse", "Doel", "Grondslag", "Ontvangers", "Bewaren, ten hoogste", "Risico's", "Regels",
	}}
	for _, one := range d.Disclosed {
		row := cells(one.label(), formWord(one.Form), string(one.Class), one.Purpose.Label, labels(one.Basis),
			strings.Join(one.Recipients, "\n"), retentions(one.Retention), strings.Join(one.Risks, "\n"), strings.Join(one.Rules, ", "))
		row[1].Class = formWord(one.Form)
		shown.Rows = append(shown.Rows, row)
	}
	doc.Sections = append(doc.Sections, Part{ID: "getoond", Title: "Verstrekkingen", Tables: []Table{shown}})
	if len(d.Prohibited) > 0 {
		never := Table{Caption: "Wat altijd verboden is, ook als een andere regel het toestaat", Heads: []string{"Regel", "Omschrijving", "Aan wie niet", "Wat niet"}}
		for _, one := range d.Prohibited {
			never.Rows = append(never.Rows, cells(one.Rule, one.Description, one.To, one.what()))
		}
		doc.Sections = append(doc.Sections, Part{ID: "verboden", Title: "Beperkingen", Tables: []Table{never}})
	}
	doc.Sections = append(doc.Sections, Part{ID: "maatregelen", Title: "Maatregelen van het programma", Facts: []Fact{{"Beveiliging", measures}}})
	return doc
}

func (d Disclosed) label() string {
	switch {
	case d.Kind == "":
		return policy.FieldLabel(d.Field)
	case d.Field == "":
		return kindWord(d.Kind) + ": " + leastText(d.Kind)
	}
	return kindWord(d.Kind) + ": " + policy.FieldLabel(d.Field)
}

// what names what may not be told.
func (p Prohibited) what() string {
	if len(p.Kinds) == 0 {
		return fieldNames(p.Fields)
	}
	var kinds []string
	for _, k := range p.Kinds {
		kinds = append(kinds, kindWord(k))
	}
	fields := fieldLabels(p.Fields)
	if len(fields) == 0 {
		fields = []string{"alles"}
	}
	return policy.And(kinds) + ": " + strings.Join(fields, ", ")
}

func cells(texts ...string) []Cell {
	row := make([]Cell, len(texts))
	for i, text := range texts {
		row[i].Text = text
	}
	return row
}

func fieldNames(fields []gateway.Field) string {
	if len(fields) == len(gateway.Fields()) {
		return "alles"
	}
	var names []string
	for _, f := range gateway.Fields() {
		for _, one := range fields {
			if one == f {
				names = append(names, policy.FieldLabel(f))
			}
		}
	}
	return strings.Join(names, ", ")
}

// fieldLabels are the Dutch names of fields, in their order.
func fieldLabels(fields []gateway.Field) (labels []string) {
	for _, f := range fields {
		labels = append(labels, policy.FieldLabel(f))
	}
	return labels
}

func retentions(all []string) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, policy.RetentionText(r))
	}
	return strings.Join(texts, " of ")
}

// Text writes the report for a terminal.
func (a Art30) Text(w io.Writer) error { return a.document().Text(w) }

// HTML writes the report as a page.
func (a Art30) HTML(w io.Writer) error { return a.document().HTML(w) }

// CSV writes one line for each row of each table.
func (a Art30) CSV(w io.Writer) error { return a.document().CSV(w) }

// Text writes the report for a terminal.
func (d DPIA) Text(w io.Writer) error { return d.document().Text(w) }

// HTML writes the report as a page.
func (d DPIA) HTML(w io.Writer) error { return d.document().HTML(w) }

// CSV writes one line for each row of each table.
func (d DPIA) CSV(w io.Writer) error { return d.document().CSV(w) }
