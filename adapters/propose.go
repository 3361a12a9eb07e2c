package adapters

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// Proposal is a mapping guessed from an export, and what could not be guessed.
// ParseMapping refuses the mapping until every question whose Field is required
// has been answered in the file.
type Proposal struct {
	Mapping   Mapping
	Questions []Question
}

// Question is one thing that only the company knows.
type Question struct {
	Field      string   // where in the mapping file the answer goes, such as fields.dienstverband
	Column     string   // header it is about; empty: no column was found
	Reason     string   // Dutch
	Candidates []string // columns or codes to choose from; may be empty
}

// sampleRows is how many rows Propose looks at, and maxUnknown how many
// different unknown terms a column of codes may have before it is something
// else.
const (
	sampleRows = 500
	maxUnknown = 20
	maxTerm    = 80
)

// Propose guesses a mapping from the headers of the export at path and from
// whether its values are in the code lists. The mapping may hold terms of the
// export that are in no code list, for the company to translate; it holds
// nothing else of the rows. Errors are those of Read.
func Propose(path string, lists gateway.CodeLists) (Proposal, error) {
	sheets, err := sheet.Open(path, 0)
	if err != nil {
		return Proposal{}, err
	}
	words := loadHeaderWords()
	var best *proposer
	for _, s := range sheets {
		for i, row := range s.Rows[:min(len(s.Rows), headerRows)] {
			if s.Hidden || row.Broken != "" || row.Blank() {
				continue
			}
			h := words.recognise(row.Cells, lists)
			if best == nil || h.recognised > best.headers.recognised {
				rows := s.Rows[i+1:]
				t := table{sheet: s, header: row, rows: rows[:min(len(rows), sampleRows)], columns: indexHeader(row)}
				best = &proposer{lists: lists, headers: h, table: t, reader: newReader(t, cell.NewCodes(lists, ""), defaultSeparators)}
			}
		}
	}
	if best == nil || best.headers.recognised < 2 {
		return Proposal{}, gateway.Errorf(gateway.Invalid, "in de eerste %d regels staat geen kopregel die wij herkennen", headerRows)
	}
	best.mapping = Mapping{Full: true, Separators: defaultSeparators, Fields: map[string]Field{}}
	best.decideFields()
	best.decideFlags()
	best.decideLocation()
	best.askFields()
	best.decidePlaces()
	best.decideAllotments()
	best.askColumns()
	return Proposal{Mapping: best.mapping, Questions: best.questions}, nil
}

// proposer turns what headers seem to mean into a mapping and questions.
type proposer struct {
	lists     gateway.CodeLists
	headers   headers
	reader    reader
	table     table
	mapping   Mapping
	questions []Question
}

func (p *proposer) ask(field, column, reason string, candidates ...string) {
	p.questions = append(p.questions, Question{Field: field, Column: column, Reason: reason, Candidates: candidates})
}

// pick takes the surest header for a key and asks if two are equally sure.
func (p *proposer) pick(field, key string) string {
	guesses := p.headers.fields[key]
	if len(guesses) == 0 {
		return ""
	}
	equal := []string{}
	for _, g := range guesses {
		if g.rank == guesses[0].rank {
			equal = append(equal, g.header)
		}
	}
	if len(equal) > 1 {
		p.ask(field, "", "meer dan één kolom kan dit zijn", equal...)
		return ""
	}
	return equal[0]
}

func (p *proposer) decideFields() {
	for _, s := range specs() {
		column := p.pick("fields."+s.key, s.key)
		if column == "" {
			continue
		}
		f := Field{Column: column}
		if s.list != "" {
			known, unknown := p.terms(s, column)
			if known == 0 && len(unknown) > 0 && p.headers.fields[s.key][0].rank >= contained {
				continue // neither the header nor its values say that this is it
			}
			f.Values = p.translations(s, column, unknown)
		}
		p.mapping.Fields[s.key] = f
	}
}

// terms counts the cells of a column that are in the code list of s, and
// collects the terms that are not.
func (p *proposer) terms(s spec, column string) (known int, unknown []string) {
	src := p.table.source(Field{Column: column})
	seen := map[string]bool{}
	for _, row := range p.table.rows {
		written := src.written(row)
		if written == "" {
			continue
		}
		if _, err := p.reader.read(s, nil, written); err == nil {
			known++
			continue
		}
		parts := []string{written}
		if s.kind == codes {
			parts = strings.FieldsFunc(written, func(r rune) bool { return strings.ContainsRune(defaultSeparators, r) })
		}
		for _, part := range parts {
			part = strings.TrimSpace(part)
			if _, ok := p.reader.codes.Find(s.list, part); !ok && part != "" && !seen[cell.Normal(part)] {
				seen[cell.Normal(part)] = true
				unknown = append(unknown, part)
			}
		}
	}
	return known, unknown
}

// translations makes a table for the company to fill in. Texts too long for a
// term, or that look like a BSN, are not copied into the mapping.
func (p *proposer) translations(s spec, column string, unknown []string) map[string]string {
	field := "fields." + s.key + ".values"
	candidates := p.valid(s.list)
	if len(unknown) == 0 {
		return nil
	}
	if len(unknown) > maxUnknown {
		p.ask("fields."+s.key, column, fmt.Sprintf("meer dan %d waarden staan niet in codelijst %s; is dit de goede kolom?", maxUnknown, s.list))
		return nil
	}
	values := map[string]string{}
	for _, term := range unknown {
		if isTerm(term) {
			values[term] = ""
		}
	}
	p.ask(field, column, "er staan waarden in die codelijst "+s.list+" niet kent; schrijf achter elke waarde de code die zij betekent", candidates...)
	return values
}

// decideFlags takes a column such as "Rolstoeltoegankelijk" with ja and nee.
func (p *proposer) decideFlags() {
	p.headers.unknown = slices.DeleteFunc(p.headers.unknown, func(column string) bool {
		for _, key := range []string{"accessibility", "doelgroepen"} {
			s, _ := findSpec(key)
			code, ok := p.reader.codes.Find(s.list, column)
			if !ok || !p.onlyFlags(column) {
				continue
			}
			f := p.mapping.Fields[key]
			if f.Flags == nil {
				f.Flags = map[string]string{}
			}
			if f.Flags[code] != "" {
				continue
			}
			f.Flags[code] = column
			p.mapping.Fields[key] = f
			return true
		}
		return false
	})
}

func (p *proposer) onlyFlags(column string) bool {
	src := p.table.source(Field{Column: column})
	return !slices.ContainsFunc(p.table.rows, func(row sheet.Row) bool {
		_, err := cell.Flag(src.written(row))
		return err != nil
	})
}

func isTerm(s string) bool {
	return s != "" && len(s) <= maxTerm && !cell.LooksLikeBSN(s) && !cell.HasControls(s)
}

// valid lists the codes of a list that have no end, unless there are too many
// to choose from.
func (p *proposer) valid(list string) []string {
	var valid []string
	for _, c := range p.lists[list].Codes {
		if c.ValidUntil == "" {
			valid = append(valid, c.Code)
		}
	}
	if len(valid) > 25 {
		return nil
	}
	return valid
}

// decideLocation sorts out what "Plaats" and "Straat" mean from their values.
func (p *proposer) decideLocation() {
	fields := p.mapping.Fields
	city, hasCity := fields["location.city"]
	if _, ok := fields["location.gemeente"]; !ok && hasCity {
		s, _ := findSpec("location.gemeente")
		if known, unknown := p.terms(s, city.Column); known > 0 && len(unknown) == 0 {
			fields["location.gemeente"] = Field{Column: city.Column}
		}
	}
	address, hasAddress := fields["location.address"]
	street, hasStreet := fields["location.street"]
	_, hasNumber := fields["location.number"]
	switch {
	case hasAddress && hasStreet:
		delete(fields, "location.address")
	case hasAddress && hasNumber:
		delete(fields, "location.address")
		fields["location.street"] = address
	case hasStreet && !hasNumber:
		delete(fields, "location.street")
		fields["location.address"] = street
	}
}

// askFields asks for what is required and was not found.
func (p *proposer) askFields() {
	for _, s := range specs() {
		if _, found := p.mapping.Fields[s.key]; found || !s.required || p.asked("fields."+s.key) {
			continue
		}
		if s.list == "" {
			p.ask("fields."+s.key, "", "er is geen kolom gevonden voor: "+s.label, p.headers.unknown...)
			continue
		}
		p.ask("fields."+s.key, "", "er is geen kolom gevonden; geef een kolom, of een vaste waarde uit codelijst "+s.list, p.valid(s.list)...)
	}
}

func (p *proposer) asked(field string) bool {
	return slices.ContainsFunc(p.questions, func(q Question) bool { return q.Field == field })
}

func (p *proposer) decidePlaces() {
	p.mapping.Places.Counted.Column = p.pick("places.counted", "counted")
	if len(p.headers.perDagdeel) > 0 {
		p.decideDagdeelColumns()
		return
	}
	places := &p.mapping.Places
	places.Weekday.Column = p.pick("places.weekday", "weekday")
	places.Dagdeel.Column = p.pick("places.dagdeel", "dagdeel")
	places.Maximum.Column = p.pick("places.maximum", "maximum")
	places.Occupied = p.occupied(places.Maximum.Column, p.pick("places.occupied", "occupied"))
	if places.Dagdeel.Column == "" && places.Weekday.Column != "" { // "Dag": "maandagochtend"
		places.Dagdeel, places.Weekday = places.Weekday, Field{}
	}
	for _, f := range []struct {
		key, reason string
		field       Field
	}{
		{"places.dagdeel", "er is geen kolom met dagdelen gevonden; geef een vaste waarde, zoals: ma t/m vr ochtend en middag", places.Dagdeel},
		{"places.maximum", "er is geen kolom met het aantal plekken gevonden", places.Maximum},
		{"places.occupied", "er is geen kolom gevonden met het aantal bezette plekken; geef 0 als vaste waarde als u dat niet bijhoudt", places.Occupied},
	} {
		if !f.field.given() && !p.asked(f.key) {
			p.ask(f.key, "", f.reason, p.headers.unknown...)
		}
	}
	p.decideLayout()
}

// decideLayout looks whether references come back, and whether the dagdelen can
// be read.
func (p *proposer) decideLayout() {
	id := p.table.source(Field{Column: p.mapping.Fields[keyID].Column})
	weekday, dagdeel := p.table.source(p.mapping.Places.Weekday), p.table.source(p.mapping.Places.Dagdeel)
	seen := map[string]bool{}
	again, several := false, false
	values := map[string]string{}
	for _, row := range p.table.rows {
		if ref := id.written(row); ref != "" {
			again = again || seen[ref]
			seen[ref] = true
		}
		written := dagdeel.written(row)
		found, ok := cell.Dagdelen(weekday.written(row) + " " + written)
		several = several || len(found) > 1
		if !ok && isTerm(written) {
			values[written] = ""
		}
	}
	p.mapping.Layout = PerDagdeel
	if !again && (several || dagdeel.column == "") {
		p.mapping.Layout = PerAanbod
	}
	if len(values) > 0 && len(values) <= maxUnknown {
		p.mapping.Places.Dagdeel.Values = values
		p.ask("places.dagdeel.values", dagdeel.column, "deze dagdelen herkennen wij niet; schrijf bijvoorbeeld: ma t/m vr ochtend en middag")
	}
}

func (p *proposer) decideDagdeelColumns() {
	p.mapping.Layout = PerAanbod
	for _, d := range slices.SortedFunc(maps.Keys(p.headers.perDagdeel), gateway.CompareDagdeel) {
		found := p.headers.perDagdeel[d]
		at := fmt.Sprintf("places.columns.%d", len(p.mapping.Places.Columns)+1)
		if found.maximum == "" {
			p.ask(at+".maximum", found.occupied, "bij deze kolom is geen kolom met het aantal plekken gevonden", p.headers.unknown...)
		}
		if found.occupied == "" {
			p.ask(at+".occupied", found.maximum, "bij deze kolom is geen kolom met bezette plekken gevonden; geef 0 als vaste waarde als u dat niet bijhoudt", p.headers.unknown...)
		}
		p.mapping.Places.Columns = append(p.mapping.Places.Columns, DagdeelColumn{
			Dagdeel: d, Maximum: Field{Column: found.maximum}, Occupied: p.occupied(found.maximum, found.occupied),
		})
	}
}

// occupied lets an empty cell count as 0 where the admin leaves it empty beside
// a maximum.
func (p *proposer) occupied(maximum, column string) Field {
	f := Field{Column: column}
	of, src := p.table.source(Field{Column: maximum}), p.table.source(f)
	if column != "" && slices.ContainsFunc(p.table.rows, func(row sheet.Row) bool { return of.written(row) != "" && src.written(row) == "" }) {
		f.Default = "0"
	}
	return f
}

func (p *proposer) decideAllotments() {
	for _, whom := range p.headers.whom {
		found := p.headers.allotted[whom]
		a := Allotment{
			ID:      strings.ReplaceAll(whom, " ", "-"),
			Maximum: Field{Column: found.maximum}, Occupied: p.occupied(found.maximum, found.occupied),
		}
		at := fmt.Sprintf("allotments.%d", len(p.mapping.Allotments)+1)
		if g, ok := findGemeente(p.lists, whom); ok {
			a.Gemeenten = []gateway.Gemeente{g}
		} else {
			p.ask(at+".gemeenten", cmp.Or(found.maximum, found.occupied), "voor welke gemeenten of partijen is deze toedeling? Geef hun codes, zoals gm0482")
		}
		if found.maximum == "" {
			p.ask(at+".maximum", found.occupied, "bij deze kolom is geen kolom met het toegekende aantal gevonden", p.headers.unknown...)
		}
		if found.occupied == "" {
			p.ask(at+".occupied", found.maximum, "bij deze kolom is geen kolom met bezette plekken gevonden; geef 0 als vaste waarde als u dat niet bijhoudt", p.headers.unknown...)
		}
		p.mapping.Allotments = append(p.mapping.Allotments, a)
	}
}

// askColumns points at columns that do not belong in the export.
func (p *proposer) askColumns() {
	for _, column := range p.headers.personal {
		p.ask("", column, "deze kolom lijkt over personen te gaan; Doorstroom leest haar niet. Laat haar liever weg uit de export")
	}
}
