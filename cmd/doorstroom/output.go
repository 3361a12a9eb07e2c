package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/doorstroom/doorstroom/gateway"
)

// writeJSON writes v as one document. Times are in UTC wherever the node is,
// and an empty list is [].
func writeJSON(w io.Writer, v any) error {
	utc := json.MarshalFunc(func(t time.Time) ([]byte, error) { return json.Marshal(t.UTC()) })
	if err := json.MarshalWrite(w, v, json.WithMarshalers(utc), json.Deterministic(true),
		jsonv1.OmitEmptyWithLegacySemantics(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// column is a head and how many characters of a cell there is room for on a
// screen; 0 is for ids, which are of no use in part.
type column struct {
	head string
	max  int
}

// writeTable writes rows in columns. Only for a screen are cells shortened: a
// program must find in them what it looks for.
func writeTable(w io.Writer, columns []column, rows [][]string) error {
	return layTable(w, columns, rows, isTerminal(w))
}

func layTable(w io.Writer, columns []column, rows [][]string, shorten bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	fmt.Fprintln(t, strings.Join(heads, "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, text := range row {
			limit := columns[i].max
			if !shorten {
				limit = 0
			}
			cells[i] = clip(text, limit)
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t "))
	}
	return t.Flush()
}

// clip shortens a text to a cell of a table; 0 is no limit. What others wrote cannot steer a
// terminal from there.
func clip(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
	if runes := []rune(text); limit > 0 && len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	if text == "" {
		return "–"
	}
	return text
}

// when is a time as people in the Netherlands read it.
func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(gateway.Amsterdam()).Format("2006-01-02 15:04")
}

// short is enough of a hash to compare on a screen.
func short(hash string) string { return hash[:min(len(hash), 12)] }

// lines are the lines of a text, without an empty one at the end.
func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
