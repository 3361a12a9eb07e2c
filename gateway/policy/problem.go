package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Problem is one thing wrong with, or worth knowing of, a policy file. Line and
// Column count from 1. The messages repeat terms of the policy file, which is
// the node's own, and nothing else.
type Problem struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Column     int    `json:"column"`
	Message    string `json:"message"`              // English
	Dutch      string `json:"dutch"`                // the same for the privacy officer
	Suggestion string `json:"suggestion,omitempty"` // the term that was probably meant
}

// String is the problem as compilers write it: file:line:column: message.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message+p.hint("did you mean"))
}

// InDutch is String in Dutch.
func (p Problem) InDutch() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Dutch+p.hint("bedoelt u"))
}

func (p Problem) hint(question string) string {
	if p.Suggestion == "" {
		return ""
	}
	return fmt.Sprintf(" (%s %s?)", question, p.Suggestion)
}

// Problems are all the errors of a policy that could not be loaded, in the
// order of the files and lines. As an error they are gateway.Invalid.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the error its kind and a message without terms of the files.
func (ps Problems) Unwrap() error {
	return gateway.Errorf(gateway.Invalid, "the policy has %d errors", len(ps))
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.place().compare(b.place()) })
}

func (p Problem) place() place { return place{p.File, p.Line, p.Column} }

// message is a text for both readers of a problem.
type message struct{ english, dutch string }

// say makes a message; both texts take the same arguments in the same order.
func say(english, dutch string, args ...any) message {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = clip(s)
		}
	}
	return message{fmt.Sprintf(english, args...), fmt.Sprintf(dutch, args...)}
}

func (m message) at(p place) Problem {
	return Problem{File: p.file, Line: p.line, Column: p.column, Message: m.english, Dutch: m.dutch}
}

const maxTerm = 60

var (
	mailPattern   = regexp.MustCompile(`[^\s@]@[^\s@]`)
	numberPattern = regexp.MustCompile(`\+?[0-9](?:[ .()-]{0,2}[0-9])+`)
)

// aboutPerson tells whether a term looks like the address or a number of a
// person: an e-mail address, or as many digits as a BSN, telephone or account has.
// Such a term is not repeated: problems go to logs and screens.
func aboutPerson(s string) bool {
	if mailPattern.MatchString(s) {
		return true
	}
	for _, n := range numberPattern.FindAllString(s, -1) {
		digits := 0
		for _, c := range n {
			if '0' <= c && c <= '9' {
				digits++
			}
		}
		isDate := len(n) == len("2026-11-01") && n[4] == '-' && n[7] == '-'
		if 8 <= digits && digits <= 13 && !isDate {
			return true
		}
	}
	return false
}

// clip makes a term fit to repeat: not too long to be one, and nothing that looks
// as if it is about a person.
func clip(s string) string {
	if aboutPerson(s) {
		return "***"
	}
	if r := []rune(s); len(r) > maxTerm {
		return string(r[:maxTerm]) + "…"
	}
	return s
}

// nearest gives the candidate that a mistyped term was probably meant to be, or
// "": at most a third of the letters differ, and not all. Of equals the first
// wins.
func nearest(term string, candidates []string) string {
	if len(term) > maxTerm {
		return ""
	}
	term = strings.ToLower(term)
	best, least := "", min(max(1, len(term)/3)+1, len(term))
	for _, c := range candidates {
		if d := distance(term, strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to add, drop, replace or swap with a neighbour
// (optimal string alignment).
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
