package adapters

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Encode writes the mapping as a commented YAML file. ParseMapping reads it back
// to the same mapping if nothing is missing; what is missing is marked
// "nog invullen" and refused by ParseMapping.
func (m Mapping) Encode() []byte {
	var w mappingWriter
	w.line(0, "# Koppeling: welke kolom van uw export hoort bij welk gegeven van Doorstroom.")
	w.line(0, "# Schrijf de naam van een kolom zoals die in de kopregel staat. Voor wat uw administratie niet")
	w.line(0, "# bijhoudt, geeft u een vaste waarde: default. Met values vertaalt u uw eigen woorden.")
	w.blank()
	w.line(0, "# per-dagdeel: regels met hetzelfde kenmerk zijn één aanbod; per-aanbod: elke regel is een aanbod.")
	w.line(0, "layout: "+string(m.Layout))
	w.line(0, "# true: de export bevat al het aanbod; wat er niet meer in staat, wordt ingetrokken.")
	w.line(0, fmt.Sprintf("full: %t", m.Full))
	if m.Sheet != "" {
		w.line(0, "# Het werkblad in Excel.")
		w.line(0, "sheet: "+quote(m.Sheet))
	}
	w.line(0, "# Tekens tussen meerdere waarden in één cel.")
	w.line(0, "separators: "+quote(m.Separators))
	w.blank()
	w.line(0, "fields:")
	for _, s := range specs() {
		f, given := m.Fields[s.key]
		if given || s.required {
			comment := s.label
			if s.list != "" {
				comment += " (codelijst " + s.list + ")"
			}
			w.field(1, s.key, f, comment, s.required)
		}
	}
	w.blank()
	w.places(m.Places)
	w.allotments(m.Allotments)
	return []byte(w.String())
}

// quote writes a YAML double-quoted scalar, of which a JSON string is one.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("a string is JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

type mappingWriter struct{ strings.Builder }

func (w *mappingWriter) line(depth int, s string) {
	w.WriteString(strings.Repeat("  ", depth) + s + "\n")
}

func (w *mappingWriter) blank() { w.WriteString("\n") }

// field writes a field in the shortest form that says everything.
func (w *mappingWriter) field(depth int, key string, f Field, comment string, required bool) {
	if required && !f.given() {
		comment += "; nog invullen"
	}
	if comment != "" {
		comment = " # " + comment
	}
	if f.Default == "" && len(f.Values)+len(f.Flags) == 0 && (f.Column != "" || !required) {
		w.line(depth, key+": "+quote(f.Column)+comment)
		return
	}
	w.line(depth, key+":"+comment)
	if f.Column != "" {
		w.line(depth+1, "column: "+quote(f.Column))
	}
	if f.Default != "" || !f.given() {
		w.line(depth+1, "default: "+quote(f.Default))
	}
	w.table(depth+1, "values", f.Values)
	w.table(depth+1, "flags", f.Flags)
}

func (w *mappingWriter) table(depth int, key string, entries map[string]string) {
	if len(entries) == 0 {
		return
	}
	w.line(depth, key+":")
	for _, from := range slices.Sorted(maps.Keys(entries)) {
		line := quote(from) + ": " + quote(entries[from])
		if entries[from] == "" {
			line += " # nog invullen"
		}
		w.line(depth+1, line)
	}
}

func (w *mappingWriter) places(p Places) {
	w.line(0, "# Het aantal plekken (maximum) en hoeveel daarvan bezet zijn, per dagdeel.")
	w.line(0, "places:")
	if len(p.Columns) == 0 {
		if p.Weekday.given() {
			w.field(1, "weekday", p.Weekday, "de dag, als die een eigen kolom heeft", false)
		}
		w.field(1, "dagdeel", p.Dagdeel, "bijvoorbeeld: ma t/m vr ochtend en middag", true)
		w.field(1, "maximum", p.Maximum, "", true)
		w.field(1, "occupied", p.Occupied, "bezet", true)
		w.counted(p)
		return
	}
	w.counted(p)
	w.line(1, "columns:")
	for _, c := range p.Columns {
		w.line(2, "- dagdeel: "+string(c.Dagdeel))
		w.field(3, "maximum", c.Maximum, "", true)
		w.field(3, "occupied", c.Occupied, "", true)
	}
}

func (w *mappingWriter) counted(p Places) {
	if p.Counted.given() {
		w.field(1, "counted", p.Counted, "codes van verwezen deelnemers die al bij bezet zijn geteld", false)
	}
}

func (w *mappingWriter) allotments(allotments []Allotment) {
	if len(allotments) == 0 {
		return
	}
	w.blank()
	w.line(0, "# Plekken die voor gemeenten of partijen zijn gereserveerd; het aantal geldt voor elk dagdeel van de regel.")
	w.line(0, "allotments:")
	for _, a := range allotments {
		w.line(1, "- id: "+quote(a.ID))
		if len(a.Gemeenten) > 0 || len(a.Parties) == 0 {
			comment := ""
			if len(a.Gemeenten) == 0 {
				comment = " # nog invullen, bijvoorbeeld [\"gm0482\"]"
			}
			w.line(2, "gemeenten: "+list(a.Gemeenten)+comment)
		}
		if len(a.Parties) > 0 {
			w.line(2, "parties: "+list(a.Parties))
		}
		w.field(2, "maximum", a.Maximum, "", true)
		w.field(2, "occupied", a.Occupied, "", true)
		for _, e := range []struct{ key, value string }{
			{"grondslag", a.Grondslag}, {"validFrom", string(a.ValidFrom)}, {"validUntil", string(a.ValidUntil)},
		} {
			if e.value != "" {
				w.line(2, e.key+": "+quote(e.value))
			}
		}
	}
}

func list[T ~string](items []T) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = quote(string(item))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
