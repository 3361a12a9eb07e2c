package adapters

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// headerRows is how far down a header is looked for: sheets often begin with a
// title and a date.
const headerRows = 20

// table is the sheet, and the row in it, in which the mapped headers were found.
type table struct {
	sheet   sheet.Sheet
	header  sheet.Row
	rows    []sheet.Row    // below the header
	columns map[string]int // normal header → index in Cells
}

// findTable takes the first visible sheet, or the named one, with a row that
// holds every column of the mapping.
func findTable(sheets []sheet.Sheet, m Mapping) (table, error) {
	wanted := m.columns()
	var nearest *table
	most := -1
	for _, s := range sheets {
		if s.Hidden && m.Sheet == "" || m.Sheet != "" && cell.Normal(m.Sheet) != cell.Normal(s.Name) {
			continue
		}
		for i, row := range s.Rows[:min(len(s.Rows), headerRows)] {
			if row.Broken != "" || row.Blank() {
				continue
			}
			t := table{sheet: s, header: row, rows: s.Rows[i+1:], columns: indexHeader(row)}
			found := len(wanted) - len(t.missing(wanted))
			if found == len(wanted) {
				return t, t.usable(wanted)
			}
			if found > most {
				nearest, most = &t, found
			}
		}
	}
	if nearest == nil {
		return table{}, gateway.Errorf(gateway.Invalid, "het bestand is leeg of het werkblad is er niet")
	}
	return table{}, gateway.Errorf(gateway.Invalid, "regel %d: deze kolommen uit de koppeling ontbreken: %s",
		nearest.header.Line, strings.Join(nearest.missing(wanted), ", "))
}

func indexHeader(row sheet.Row) map[string]int {
	columns := map[string]int{}
	for i, header := range row.Cells {
		if name := cell.Normal(header); name != "" {
			if _, again := columns[name]; !again {
				columns[name] = i
			}
		}
	}
	return columns
}

func (t table) missing(wanted []string) []string {
	var missing []string
	for _, c := range wanted {
		if _, ok := t.columns[cell.Normal(c)]; !ok {
			missing = append(missing, c)
		}
	}
	return missing
}

// usable refuses a mapped column that the header has twice, and a header
// without rows: an export that has become empty by mistake would withdraw
// everything.
func (t table) usable(wanted []string) error {
	times := map[string]int{}
	for _, header := range t.header.Cells {
		times[cell.Normal(header)]++
	}
	var twice []string
	for _, c := range wanted {
		if times[cell.Normal(c)] > 1 {
			twice = append(twice, c)
		}
	}
	if len(twice) > 0 {
		return gateway.Errorf(gateway.Invalid, "regel %d: deze kolommen staan er meer dan één keer: %s",
			t.header.Line, strings.Join(twice, ", "))
	}
	for _, row := range t.rows {
		if !row.Blank() {
			return nil
		}
	}
	return gateway.Errorf(gateway.Invalid, "het bestand heeft alleen een kopregel en geen aanbod")
}

// source is where one value comes from: a Field of the mapping, tied to this
// table.
type source struct {
	column   string // header; empty: a constant
	index    int
	fallback string
	values   map[string]string // by normal cell
	flags    []flag
}

type flag struct {
	code   string
	column string
	index  int
}

func (t table) source(f Field) source {
	s := source{column: f.Column, index: -1, fallback: f.Default, values: map[string]string{}}
	if f.Column != "" {
		s.index = t.columns[cell.Normal(f.Column)]
	}
	for from, to := range f.Values {
		s.values[cell.Normal(from)] = to
	}
	for _, code := range slices.Sorted(maps.Keys(f.Flags)) {
		s.flags = append(s.flags, flag{code: code, column: f.Flags[code], index: t.columns[cell.Normal(f.Flags[code])]})
	}
	return s
}

// written is what stands in the row, without spaces around it.
func (s source) written(row sheet.Row) string { return cellAt(row, s.index) }

// value is what the row means: what is written, translated, or else the
// constant.
func (s source) value(row sheet.Row) string {
	written := s.written(row)
	if written == "" {
		return s.fallback
	}
	if len(s.values) > 0 {
		if to, ok := s.values[cell.Normal(written)]; ok {
			return to
		}
	}
	return written
}

func cellAt(row sheet.Row, index int) string {
	if index < 0 || index >= len(row.Cells) {
		return ""
	}
	return strings.TrimSpace(row.Cells[index])
}

// ragged tells, in Dutch, that a CSV row has not as many cells as the header.
// Empty cells too many do no harm.
func (t table) ragged(row sheet.Row) string {
	switch {
	case t.sheet.Excel:
		return ""
	case len(row.Cells) > t.header.Width:
		return fmt.Sprintf("de regel heeft meer dan %d kolommen; staat er een scheidingsteken of aanhalingsteken te veel?", t.header.Width)
	case row.Width < len(t.header.Cells):
		return fmt.Sprintf("de regel heeft maar %d van de %d kolommen", row.Width, len(t.header.Cells))
	}
	return ""
}
