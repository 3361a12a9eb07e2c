package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// interview asks a person, in Dutch, what could not be guessed of a mapping,
// and puts the answers in it.
type interview struct {
	in      *bufio.Reader
	out     io.Writer
	headers map[string]bool // what stands at the top of the export
	mapping *adapters.Mapping
}

func newLines(in io.Reader) *bufio.Reader { return bufio.NewReader(in) }

// headerRows is how many rows may stand above the headers.
const headerRows = 20

// headersOf is every text near the top of an export: an answer that is one of
// these is the name of a column, anything else a fixed value.
func headersOf(export string) (map[string]bool, error) {
	sheets, err := sheet.Open(export, 0)
	if err != nil {
		return nil, err
	}
	headers := map[string]bool{}
	for _, s := range sheets {
		for _, row := range s.Rows[:min(len(s.Rows), headerRows)] {
			for _, cell := range row.Cells {
				headers[strings.TrimSpace(cell)] = true
			}
		}
	}
	return headers, nil
}

// ask goes through the questions and gives back those that stay open.
func (i interview) ask(questions []adapters.Question) (open []adapters.Question, err error) {
	for n, q := range questions {
		fmt.Fprintf(i.out, "\n%s\n", describe(adapters.Question{Field: q.Field, Column: q.Column, Reason: q.Reason}))
		answered, err := i.one(q)
		if errors.Is(err, io.EOF) {
			return append(open, questions[n:]...), nil
		}
		if err != nil {
			return nil, err
		}
		if !answered {
			open = append(open, q)
		}
	}
	return open, nil
}

// one asks one question; io.EOF means that nobody answers any more.
func (i interview) one(q adapters.Question) (answered bool, err error) {
	if q.Field == "" {
		return false, nil // a remark
	}
	if values, ok := i.values(q.Field); ok {
		return i.translate(values, q.Candidates)
	}
	answer, err := i.read("", q.Candidates)
	if err != nil || answer == "" {
		return false, err
	}
	return i.put(q.Field, answer), nil
}

// translate asks for the meaning of each term of the export.
func (i interview) translate(values map[string]string, candidates []string) (bool, error) {
	all := true
	for _, term := range slices.Sorted(maps.Keys(values)) {
		if values[term] != "" {
			continue
		}
		answer, err := i.read(term, candidates)
		for err == nil && answer != "" && len(candidates) > 0 && !slices.Contains(candidates, answer) {
			fmt.Fprintln(i.out, "Kies een van deze codes, of hun nummer.")
			answer, err = i.read(term, candidates)
		}
		if err != nil {
			return false, err
		}
		values[term] = answer
		all = all && answer != ""
	}
	return all, nil
}

// read shows the choices and reads one line; a number is a choice.
func (i interview) read(term string, candidates []string) (string, error) {
	for n, c := range candidates {
		fmt.Fprintf(i.out, "  %2d  %s\n", n+1, clip(c, 0))
	}
	prompt := "antwoord (leeg: later)"
	if term != "" {
		prompt = clip(term, 60) + " betekent (leeg: later)"
	}
	fmt.Fprintf(i.out, "%s: ", prompt)
	line, err := i.in.ReadString('\n')
	if err != nil && line == "" {
		return "", cmp.Or(err, io.EOF)
	}
	answer := strings.TrimSpace(line)
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(candidates) {
		return candidates[n-1], nil
	}
	return answer, nil
}

// values finds the table of translations that a question is about.
func (i interview) values(path string) (map[string]string, bool) {
	name, ok := strings.CutSuffix(path, ".values")
	if !ok {
		return nil, false
	}
	if name == "places.dagdeel" {
		return i.mapping.Places.Dagdeel.Values, true
	}
	key, ok := strings.CutPrefix(name, "fields.")
	return i.mapping.Fields[key].Values, ok
}

// put fills in an answer. False: it has no place of its own in the mapping.
func (i interview) put(path, answer string) bool {
	if key, ok := strings.CutPrefix(path, "fields."); ok {
		f := i.mapping.Fields[key]
		i.fill(&f, answer)
		i.mapping.Fields[key] = f
		return true
	}
	places := &i.mapping.Places
	switch parts := strings.Split(path, "."); {
	case path == "places.weekday":
		i.fill(&places.Weekday, answer)
	case path == "places.dagdeel":
		i.fill(&places.Dagdeel, answer)
	case path == "places.maximum":
		i.fill(&places.Maximum, answer)
	case path == "places.occupied":
		i.fill(&places.Occupied, answer)
	case len(parts) == 4 && parts[0] == "places" && parts[1] == "columns":
		n, ok := index(parts[2], len(places.Columns))
		return ok && i.number(&places.Columns[n].Maximum, &places.Columns[n].Occupied, parts[3], answer)
	case len(parts) == 3 && parts[0] == "allotments":
		n, ok := index(parts[1], len(i.mapping.Allotments))
		return ok && i.allotment(&i.mapping.Allotments[n], parts[2], answer)
	default:
		return false
	}
	return true
}

func (i interview) fill(f *adapters.Field, answer string) {
	if i.headers[answer] {
		f.Column = answer
	} else {
		f.Default = answer
	}
}

func (i interview) number(maximum, occupied *adapters.Field, which, answer string) bool {
	switch which {
	case "maximum":
		i.fill(maximum, answer)
	case "occupied":
		i.fill(occupied, answer)
	default:
		return false
	}
	return true
}

// allotment takes gemeenten as codes with commas or spaces between them.
func (i interview) allotment(a *adapters.Allotment, which, answer string) bool {
	if which != "gemeenten" {
		return i.number(&a.Maximum, &a.Occupied, which, answer)
	}
	var gemeenten []gateway.Gemeente
	var parties []gateway.OIN
	for _, code := range strings.FieldsFunc(answer, func(r rune) bool { return r == ',' || r == ' ' }) {
		if g, err := gateway.ParseGemeente(code); err == nil {
			gemeenten = append(gemeenten, g)
		} else if oin, err := gateway.ParseOIN(code); err == nil {
			parties = append(parties, oin)
		} else {
			return false
		}
	}
	a.Gemeenten, a.Parties = gemeenten, parties
	return len(gemeenten)+len(parties) > 0
}

// index reads a place in a list, counted from 1.
func index(text string, length int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n - 1, err == nil && n >= 1 && n <= length
}
