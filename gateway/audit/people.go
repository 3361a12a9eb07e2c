package audit

import (
	"fmt"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// PersonRow is what some recipients may be told of a person. What policy can tell
// apart is finite, so that the rows are all there is: whoever and whatever is in
// no row is told nothing.
type PersonRow struct {
	Kind       string          `json:"kind"`
	Recipients []string        `json:"recipients"`
	Conditions []string        `json:"conditions,omitempty"`
	Fields     []gateway.Field `json:"fields"` // beside the least that a message of the kind says
	Rules      []string        `json:"rules"`
	Purpose    []Term          `json:"purpose"`
	Basis      []Term          `json:"basis"`
	Retention  string          `json:"retention"`
}

// newPeople goes through all cases of all kinds and puts those together that get
// the same answer: first those of one recipient, then the recipients.
func newPeople(p *policy.Policy, day gateway.Date, recipients []gateway.Recipient) ([]PersonRow, error) {
	rows := []PersonRow{}
	cells, err := personCells(day, recipients, func(q policy.Personal) (row PersonRow, ok bool) {
		t := p.Tell(q)
		if !t.Allowed {
			return row, false
		}
		of := newRow(p, []*gateway.Decision{&t.Decision})
		return PersonRow{
			Kind: q.Kind, Fields: t.Fields, Rules: of.Rules, Purpose: of.Purpose, Basis: of.Basis, Retention: of.Retention,
		}, true
	}, p)
	for _, cell := range cells {
		row := cell.answer
		row.Conditions = cell.conditions
		for _, who := range cell.recipients {
			row.Recipients = append(row.Recipients, p.PartyName(gateway.OIN(who.Recipient)))
		}
		rows = append(rows, row)
	}
	return rows, err
}

// kindWord is a kind of message about a person, as people call it.
func kindWord(kind string) string {
	switch kind {
	case gateway.KindReferral:
		return "Verwijzing"
	case gateway.KindReferralState:
		return "Stand van een verwijzing"
	case gateway.KindHandover:
		return "Warme overdracht"
	case gateway.KindSubjectRequest:
		return "Verzoek van een inwoner"
	}
	return "Antwoord op een verzoek van een inwoner"
}

// leastText is what a message about a person always holds, without which it would
// say nothing.
func leastText(kind string) string {
	switch kind {
	case gateway.KindReferral:
		return "nummer van de verwijzing, aanbod, dagdelen en vanaf wanneer, grondslag, trajectsoort, dat het past, wanneer en hoe de inwoner is geïnformeerd, contactpunt van de verwijzer"
	case gateway.KindReferralState:
		return "nummer van de verwijzing, aanbod, stand, dagdelen, toedeling, wanneer de volgende stap moet"
	case gateway.KindHandover:
		return "nummer van de verwijzing, naam van de inwoner, wie overdraagt"
	case gateway.KindSubjectRequest:
		return "nummer van de verwijzing, wat de inwoner vraagt"
	}
	return "nummer van de verwijzing, wat er met het verzoek is gedaan en waarom"
}

// personRisks says what telling of a person can do to that person.
func personRisks(d Disclosed) []string {
	var all []string
	switch d.Field {
	case "":
		all = append(all, "Wie dit leest, weet dat een inwoner is verwezen. Het bericht is versleuteld voor de ontvanger alleen, noemt geen BSN, en wordt na afloop gewist.")
		if d.Kind == gateway.KindHandover {
			all = append(all, "De naam maakt herleidbaar van wie eerdere berichten waren. Zij gaat pas als de plek zeker is.")
		}
	case "note", "guidance", "begeleiding", "accessibility", "explanation":
		all = append(all, "Kan iets zeggen over gezondheid. Vrije tekst is kort en wordt nagekeken op BSN, telefoon, e-mail en rekening, niet op wat zij betekent.")
	case "postcode", "address", "maxKm":
		all = append(all, "Zegt waar iemand woont.")
	case "phone", "email", "reachable":
		all = append(all, "Maakt de inwoner bereikbaar voor wie het heeft.")
	case "reason":
		all = append(all, "De reden van een besluit blijft aan de inwoner kleven.")
	}
	return all
}

// fieldsText names what goes with a message beside the least.
func (r PersonRow) fieldsText() string {
	names := fieldLabels(r.Fields)
	if len(names) == 0 {
		return "alleen het minste dat nodig is"
	}
	return "het minste dat nodig is, en " + strings.Join(names, ", ")
}

func (r PersonRow) whenText() string {
	if len(r.Conditions) == 0 {
		return "altijd"
	}
	return strings.Join(r.Conditions, "; ")
}

const peopleNote = "Wie of wat hier niet staat, hoort niets over een persoon."

func writePeople(b *strings.Builder, rows []PersonRow) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Over personen\n%s\n", peopleNote)
	for _, r := range rows {
		fmt.Fprintf(b, "\n%s aan %s\n  wanneer: %s\n  wat: %s\n", kindWord(r.Kind), Plain(policy.And(r.Recipients)), r.whenText(), r.fieldsText())
		fmt.Fprintf(b, "  doel: %s\n  grondslag: %s\n", labels(r.Purpose), labels(r.Basis))
		fmt.Fprintf(b, "  bewaren: ten hoogste %s na afloop\n  regels: %s\n", policy.RetentionText(r.Retention), strings.Join(r.Rules, ", "))
	}
}

// peoplePart is the section of the page.
func peoplePart(rows []PersonRow) Part {
	t := Table{Caption: peopleNote, Heads: []string{"Bericht", "Aan", "Wanneer", "Wat", "Doel", "Grondslag", "Bewaren na afloop, ten hoogste", "Regels"}}
	for _, r := range rows {
		var cells []Cell
		for _, text := range []string{
			kindWord(r.Kind), policy.And(r.Recipients), r.whenText(), r.fieldsText(), labels(r.Purpose), labels(r.Basis),
			policy.RetentionText(r.Retention), strings.Join(r.Rules, ", "),
		} {
			cells = append(cells, Cell{Text: text})
		}
		t.Rows = append(t.Rows, cells)
	}
	return Part{ID: "personen", Title: "Over personen", Tables: []Table{t}}
}
