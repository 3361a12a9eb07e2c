package cell

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/doorstroom/doorstroom/gateway"
)

// Normal is the form in which headers and terms are compared: composed, lower
// case, single spaces.
func Normal(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(norm.NFC.String(s)), " "))
}

// Codes finds codes by what an admin calls them. It is not safe for concurrent
// use.
type Codes struct {
	lists gateway.CodeLists
	day   gateway.Date
	terms map[string]map[string]string // list → normal term → code; "" if two codes share it
}

// NewCodes prefers the codes that are valid on day; with an empty day all are
// equal. The lists are not changed.
func NewCodes(lists gateway.CodeLists, day gateway.Date) *Codes {
	return &Codes{lists: lists, day: day, terms: map[string]map[string]string{}}
}

// Find gives the code of list that term stands for: as its code, else as its
// label, else as an alias, else as its label without what is in brackets at the
// end. Hyphens count as spaces. A term that two codes share stands for neither.
func (c *Codes) Find(list, term string) (code string, ok bool) {
	terms, indexed := c.terms[list]
	if !indexed {
		terms = c.index(c.lists[list].Codes)
		c.terms[list] = terms
	}
	code = terms[termForm(term)]
	return code, code != ""
}

func termForm(s string) string { return Normal(strings.ReplaceAll(s, "-", " ")) }

var bracketsAtEnd = regexp.MustCompile(` *\([^()]*\)$`)

// index enters the codes that are valid before those that are not, so that a
// name passes to its successor; within each, codes before labels before aliases.
func (c *Codes) index(codes []gateway.Code) map[string]string {
	terms := map[string]string{}
	for _, valid := range []bool{true, false} {
		for _, names := range []func(gateway.Code) []string{
			func(c gateway.Code) []string { return []string{c.Code} },
			func(c gateway.Code) []string { return []string{c.Label} },
			func(c gateway.Code) []string { return c.Aliases },
			func(c gateway.Code) []string { return []string{bracketsAtEnd.ReplaceAllString(c.Label, "")} },
		} {
			level := map[string]string{}
			for _, code := range codes {
				if (c.day == "" || c.day.Within(code.ValidFrom, code.ValidUntil)) != valid {
					continue
				}
				for _, name := range names(code) {
					name = termForm(name)
					if other, taken := level[name]; taken && other != code.Code {
						level[name] = ""
					} else {
						level[name] = code.Code
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

// FindAll reads a cell with several terms. Terms themselves contain separators
// ("Horeca/catering"), so the cell is first tried whole, then split by the first
// separator, and what is not found by the next. Translations are from normal
// terms.
func (c *Codes) FindAll(list string, translations map[string]string, cell, separators string) ([]string, bool) {
	if to, ok := translations[Normal(cell)]; ok {
		cell = to
	}
	if code, ok := c.Find(list, cell); ok {
		return []string{code}, true
	}
	for i, sep := range separators {
		if !strings.ContainsRune(cell, sep) {
			continue
		}
		var found []string
		for part := range strings.SplitSeq(cell, string(sep)) {
			if strings.TrimSpace(part) == "" {
				continue
			}
			codes, ok := c.FindAll(list, translations, part, separators[i+len(string(sep)):])
			if !ok {
				return nil, false
			}
			for _, code := range codes {
				if !slices.Contains(found, code) {
					found = append(found, code)
				}
			}
		}
		return found, len(found) > 0
	}
	return nil, false
}
