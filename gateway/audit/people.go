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

	cases [4]uint64 // by aspect: a bit for each case for which it holds
}

// other stands for every code that no rule names, silence for a message that
// says nothing on a term.
const (
	other   = "*"
	silence = ""
)

// aspects are what a message about a person can differ in, with all cases: the
// state of its referral, grondslag, trajectsoort, and the classes of the offer.
type aspects [4][]string

func personAspects(p *policy.Policy, kind string) aspects {
	grondslagen, trajectsoorten := p.PersonalCodes()
	states := []string{silence}
	if kind != gateway.KindReferral {
		states = nil
		for _, s := range gateway.ReferralStatuses() {
			states = append(states, string(s))
		}
	}
	return aspects{
		states, append(grondslagen, other, silence), append(trajectsoorten, other, silence),
		{"", "bijzonder", "strafrechtelijk", "bijzonder strafrechtelijk"},
	}
}

// newPeople goes through all cases of all kinds and puts those together that get
// the same answer: first those of one recipient, then the recipients.
func newPeople(p *policy.Policy, day gateway.Date, recipients []gateway.Recipient) []PersonRow {
	rows := []PersonRow{}
	for _, kind := range gateway.Kinds() {
		if !gateway.Confidential(kind) || !p.TellsOf(kind) {
			continue
		}
		all := personAspects(p, kind)
		var cells []PersonRow
		for _, r := range recipients {
			if r.Public {
				continue
			}
			var own []PersonRow
			all.each(func(at [4]int) {
				if row, ok := told(p, kind, day, r.Party, all, at); ok {
					for i, n := range at {
						row.cases[i] = 1 << n
					}
					own = append(own, row)
				}
			})
			for i := len(all) - 1; i >= 0; i-- {
				own = merge(own, i)
			}
			cells = append(cells, own...)
		}
		for _, row := range merge(cells, len(all)) {
			row.describe(p, all)
			rows = append(rows, row)
		}
	}
	return rows
}

// each calls f for every choice of one case of each aspect.
func (a aspects) each(f func([4]int)) {
	for i := range a[0] {
		for j := range a[1] {
			for k := range a[2] {
				for l := range a[3] {
					f([4]int{i, j, k, l})
				}
			}
		}
	}
}

func told(p *policy.Policy, kind string, day gateway.Date, to gateway.OIN, all aspects, at [4]int) (PersonRow, bool) {
	party, _ := p.Env().Lookup(to)
	q := policy.Personal{
		Kind: kind, Recipient: party.RecipientOn(day, kind, p.Env().Lookup), Day: day,
		Status: gateway.ReferralStatus(all[0][at[0]]), Grondslag: all[1][at[1]], Trajectsoort: all[2][at[2]],
	}
	for _, class := range strings.Fields(all[3][at[3]]) {
		q.Classes = append(q.Classes, gateway.DataClass(class))
	}
	t := p.Tell(q)
	if !t.Allowed {
		return PersonRow{}, false
	}
	row := newRow(p, []*gateway.Decision{&t.Decision})
	return PersonRow{
		Kind: kind, Recipients: []string{p.PartyName(to)}, Fields: t.Fields, Rules: row.Rules, Purpose: row.Purpose,
		Basis: row.Basis, Retention: row.Retention,
	}, true
}

// merge puts rows together that differ in one aspect only; after the last come
// the recipients.
func merge(rows []PersonRow, aspect int) []PersonRow {
	var merged []PersonRow
	at := map[string]int{}
	for _, row := range rows {
		cases, who := row.cases, fmt.Sprint(row.Recipients)
		if aspect < len(cases) {
			cases[aspect] = 0
		} else {
			who = ""
		}
		key := fmt.Sprint(who, cases, row.Fields, row.Rules, row.Retention, row.Purpose, row.Basis)
		i, known := at[key]
		switch {
		case !known:
			at[key] = len(merged)
			merged = append(merged, row)
		case aspect < len(cases):
			merged[i].cases[aspect] |= row.cases[aspect]
		default:
			merged[i].Recipients = append(merged[i].Recipients, row.Recipients...)
		}
	}
	return merged
}

// describe says in Dutch for what a row holds.
func (r *PersonRow) describe(p *policy.Policy, all aspects) {
	for i, about := range [...]struct{ list, word string }{
		{"verwijsstatus", "stand"}, {"grondslag", "grondslag"}, {"trajectsoort", "trajectsoort"},
	} {
		var labels []string
		for n, value := range all[i] {
			switch {
			case r.cases[i]>>n&1 == 0:
			case value == other:
				labels = append(labels, "een andere")
			case value == silence:
				labels = append(labels, "niet genoemd")
			default:
				labels = append(labels, p.Env().Lists.Label(about.list, value))
			}
		}
		if len(labels) < len(all[i]) {
			r.Conditions = append(r.Conditions, about.word+": "+policy.Or(labels))
		}
	}
	if text := classText(r.cases[3]); text != "" {
		r.Conditions = append(r.Conditions, text)
	}
}

// classText says to what offers a referral may be; the bits are those of aspects.
func classText(classes uint64) string {
	switch classes {
	case 0b1111:
		return ""
	case 0b0001:
		return "niet naar aanbod dat alleen voor doelgroepen van klasse bijzonder of strafrechtelijk is"
	case 0b0011:
		return "niet naar aanbod dat alleen voor doelgroepen van klasse strafrechtelijk is"
	case 0b0101:
		return "niet naar aanbod dat alleen voor doelgroepen van klasse bijzonder is"
	}
	return "naar aanbod dat alleen voor doelgroepen van klasse bijzonder of strafrechtelijk is"
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

// personField is a field as people call it.
func personField(f gateway.Field) string {
	words := map[gateway.Field]string{
		"accessibility": "toegankelijkheid", "postcode": "postcode", "maxKm": "fietsafstand", "note": "toelichting", "reason": "reden",
		"date": "datum", "phone": "telefoon", "email": "e-mail", "address": "adres", "reachable": "bereikbaarheid",
		"guidance": "begeleiding", "explanation": "toelichting",
	}
	if word, ok := words[f]; ok {
		return word
	}
	return policy.FieldLabel(f)
}

// fieldsText names what goes with a message beside the least.
func (r PersonRow) fieldsText() string {
	var names []string
	for _, f := range r.Fields {
		names = append(names, personField(f))
	}
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
