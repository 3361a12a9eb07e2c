package audit

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"
)

// Document is a report to read, print or open in a spreadsheet: a heading, what it
// was made from, and tables in sections. It is the shape that every report takes
// before it is written as text, CSV or HTML.
type Document struct {
	Title    string
	Facts    []Fact
	Notes    []string // how to read it
	Legend   []Fact
	Sections []Part
}

// Fact is a name with its value.
type Fact struct{ Name, Value string }

// Part is a section of a document.
type Part struct {
	ID     string // unique in the document
	Title  string
	Facts  []Fact
	Tables []Table
}

// Table has a head for each column; the first cell of a row is the head of it.
type Table struct {
	Caption string
	Heads   []string
	Rows    [][]Cell
}

// Cell is a text; Class is one of the classes in the style of document.html: a
// form of a field, or empty. The text says the same as the class.
type Cell struct{ Text, Class string }

//go:embed document.html
var page string

// HTML writes the document as one page that needs nothing else: no script, no
// other file. Texts are escaped.
func (d Document) HTML(w io.Writer) error {
	t, err := template.New("document").Parse(page)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	if err := t.Execute(w, d); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// Text writes the document for a terminal.
func (d Document) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", Plain(d.Title))
	writeFacts(&b, "", d.Facts)
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "%s\n", Plain(n))
	}
	if len(d.Legend) > 0 {
		b.WriteString("\n")
		writeFacts(&b, "", d.Legend)
	}
	for _, s := range d.Sections {
		title := Plain(s.Title)
		fmt.Fprintf(&b, "\n%s\n%s\n", title, strings.Repeat("-", len([]rune(title))))
		writeFacts(&b, "", s.Facts)
		for _, t := range s.Tables {
			t.text(&b)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func writeFacts(b *strings.Builder, indent string, facts []Fact) {
	for _, f := range facts {
		fmt.Fprintf(b, "%s%s: %s\n", indent, Plain(f.Name), Plain(f.Value))
	}
}

func (t Table) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", Plain(t.Caption))
	for _, row := range t.Rows {
		fmt.Fprintf(b, "- %s\n", Plain(row[0].Text))
		for i, c := range row[1:] {
			if c.Text != "" {
				fmt.Fprintf(b, "    %s: %s\n", Plain(t.Heads[i+1]), Plain(oneLine(c.Text)))
			}
		}
	}
}

// oneLine puts the lines of a cell behind each other.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, ".\n", ". "), "\n", "; ")
}

// CSV writes the tables below each other: a line of heads, then the rows, each
// with the section it stands in.
func (d Document) CSV(w io.Writer) error {
	var rows [][]string
	for _, s := range d.Sections {
		for _, t := range s.Tables {
			if len(rows) > 0 {
				rows = append(rows, []string{""})
			}
			rows = append(rows, append([]string{"onderdeel"}, t.Heads...))
			for _, row := range t.Rows {
				line := []string{s.Title}
				for _, c := range row {
					line = append(line, c.Text)
				}
				rows = append(rows, line)
			}
		}
	}
	return writeCSV(w, rows)
}

// Plain takes from a text what could steer a terminal.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
}

// writeCSV writes rows for a spreadsheet: separated by semicolons, as programs
// that are set to Dutch expect, and with no cell that such a program would take
// for a formula.
func writeCSV(w io.Writer, rows [][]string) error {
	c := csv.NewWriter(w)
	c.Comma, c.UseCRLF = ';', true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = NoFormula(cell)
		}
		if err := c.Write(safe); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// NoFormula puts a quote before a cell that begins as a formula does: that says
// "this is text" to a spreadsheet (OWASP, CSV injection).
func NoFormula(cell string) string {
	start := strings.TrimLeftFunc(cell, unicode.IsSpace)
	if start != "" && strings.ContainsAny(start[:1], "=+-@|%") || cell != "" && strings.ContainsAny(cell[:1], "\t\r\n") ||
		strings.ContainsAny(firstRune(start), "＝＋－＠") {
		return "'" + cell
	}
	return cell
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}
