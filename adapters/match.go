package adapters

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/doorstroom/doorstroom/gateway"
)

// normal is the form in which headers and terms are compared: composed, lower
// case, single spaces.
func normal(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(norm.NFC.String(s)), " "))
}

// matcher finds codes by what an admin calls them.
type matcher struct {
	lists gateway.CodeLists
	day   gateway.Date
	terms map[string]map[string]string // list → normal term → code; "" if two codes share it
}

func newMatcher(lists gateway.CodeLists, day gateway.Date) matcher {
	return matcher{lists: lists, day: day, terms: map[string]map[string]string{}}
}

// find gives the code of list that term stands for: as its code, else as its
// label, else as an alias. A term that two valid codes share stands for neither.
func (m matcher) find(list, term string) (string, bool) {
	terms, ok := m.terms[list]
	if !ok {
		terms = m.index(m.lists[list].Codes)
		m.terms[list] = terms
	}
	c := terms[normal(term)]
	return c, c != ""
}

// index enters the codes that are valid before those that are not, so that a
// name passes to its successor; within each, codes before labels before aliases.
func (m matcher) index(codes []gateway.Code) map[string]string {
	terms := map[string]string{}
	for _, valid := range []bool{true, false} {
		for _, names := range []func(gateway.Code) []string{
			func(c gateway.Code) []string { return []string{c.Code} },
			func(c gateway.Code) []string { return []string{c.Label} },
			func(c gateway.Code) []string { return c.Aliases },
		} {
			level := map[string]string{}
			for _, c := range codes {
				if (m.day == "" || m.day.Within(c.ValidFrom, c.ValidUntil)) != valid {
					continue
				}
				for _, name := range names(c) {
					name = normal(name)
					if other, taken := level[name]; taken && other != c.Code {
						level[name] = ""
					} else {
						level[name] = c.Code
					}
				}
			}
			for name, code := range level {
				if _, known := terms[name]; !known {
					terms[name] = code
				}
			}
		}
	}
	return terms
}

// findAll reads a cell with several terms. Terms themselves contain separators
// ("Horeca/catering"), so the cell is first tried whole, then split by the first
// separator, and what is not found by the next.
func (m matcher) findAll(list, cell, separators string) ([]string, bool) {
	if code, ok := m.find(list, cell); ok {
		return []string{code}, true
	}
	for i, sep := range separators {
		if !strings.ContainsRune(cell, sep) {
			continue
		}
		var found []string
		for _, part := range strings.Split(cell, string(sep)) {
			if strings.TrimSpace(part) == "" {
				continue
			}
			codes, ok := m.findAll(list, part, separators[i+len(string(sep)):])
			if !ok {
				return nil, false
			}
			found = append(found, codes...)
		}
		return found, len(found) > 0
	}
	return nil, false
}
