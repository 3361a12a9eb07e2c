package adapters

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
	"golang.org/x/text/unicode/norm"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/gateway"
)

//go:embed headers.yaml
var headersYAML []byte

// headerWords is headers.yaml.
type headerWords struct {
	Fields   map[string][]string `yaml:"fields"`
	Weekday  []string            `yaml:"weekday"`
	Dagdeel  []string            `yaml:"dagdeel"`
	Maximum  []string            `yaml:"maximum"`
	Occupied []string            `yaml:"occupied"`
	Counted  []string            `yaml:"counted"`
	Allotted []string            `yaml:"allotted"`
	Filler   []string            `yaml:"filler"`
	Personal []string            `yaml:"personal"`
}

func loadHeaderWords() headerWords {
	var w headerWords
	if err := yaml.Load(headersYAML, &w, yaml.WithKnownFields()); err != nil {
		panic("headers.yaml is part of the program: " + err.Error())
	}
	return w
}

// guess is a header that may mean a field; the lower the rank the surer.
type guess struct {
	header string
	rank   int
}

// contained is the rank of a header that holds a known name among other words.
const contained = 1000

// pair is the columns of a maximum and of what is occupied of it.
type pair struct{ maximum, occupied string }

// headers is what a row of headers seems to mean.
type headers struct {
	fields     map[string][]guess // by key of spec, or weekday, dagdeel, maximum, occupied
	perDagdeel map[gateway.Dagdeel]pair
	allotted   map[string]pair // by whom, in simple form
	whom       []string        // keys of allotted, in the order of the columns
	personal   []string
	unknown    []string
	recognised int
}

// recognise tells what each header of a row seems to mean.
func (w headerWords) recognise(row []string, lists gateway.CodeLists) headers {
	h := headers{fields: map[string][]guess{}, perDagdeel: map[gateway.Dagdeel]pair{}, allotted: map[string]pair{}}
	for _, header := range row {
		simple := simplify(header)
		if simple == "" {
			continue
		}
		key, rank := w.field(simple)
		switch {
		case rank < contained:
			h.fields[key] = append(h.fields[key], guess{header, rank})
		case w.ofDagdeel(&h, header, simple), w.ofAllotment(&h, header, simple, lists):
		case containsAny(simple, w.Personal):
			h.personal = append(h.personal, header)
			continue
		case key != "":
			h.fields[key] = append(h.fields[key], guess{header, rank})
		default:
			h.unknown = append(h.unknown, header)
			continue
		}
		h.recognised++
	}
	for _, guesses := range h.fields {
		slices.SortStableFunc(guesses, func(a, b guess) int { return a.rank - b.rank })
	}
	return h
}

// simplify is how headers are compared: lower case, without accents, and every
// other mark a space.
func simplify(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return ' '
	}, norm.NFD.String(s))), " ")
}

// field finds the field that a header names, or that its longest known words
// name.
func (w headerWords) field(simple string) (key string, rank int) {
	rank = 2 * contained
	try := func(candidate string, names []string) {
		for i, name := range names {
			r := 2 * contained
			if name == simple {
				r = i
			} else if containsAny(simple, []string{name}) {
				r = 2*contained - 1 - len(name)
			}
			if r < rank {
				key, rank = candidate, r
			}
		}
	}
	for _, s := range specs() {
		try(s.key, w.Fields[s.key])
	}
	try("weekday", w.Weekday)
	try("dagdeel", w.Dagdeel)
	try("maximum", w.Maximum)
	try("occupied", w.Occupied)
	try("counted", w.Counted)
	return key, rank
}

// ofDagdeel takes a header such as "ma ochtend" or "bezet ma ochtend".
func (w headerWords) ofDagdeel(h *headers, header, simple string) bool {
	rest := without(simple, w.Maximum, w.Occupied, w.Filler)
	found, ok := cell.Dagdelen(rest)
	if !ok || len(found) != 1 {
		return false
	}
	p, ok := h.perDagdeel[found[0]].with(header, containsAny(simple, w.Occupied))
	h.perDagdeel[found[0]] = p
	return ok
}

// ofAllotment takes a header such as "Toegekend Dordrecht", "bezet Dordrecht" or
// "Dordrecht".
func (w headerWords) ofAllotment(h *headers, header, simple string, lists gateway.CodeLists) bool {
	whom := without(simple, w.Allotted, w.Maximum, w.Occupied, w.Filler)
	_, gemeente := findGemeente(lists, whom)
	before, known := h.allotted[whom]
	if whom == "" || !gemeente && !known && !containsAny(simple, w.Allotted) {
		return false
	}
	if !known {
		h.whom = append(h.whom, whom)
	}
	p, ok := before.with(header, containsAny(simple, w.Occupied))
	h.allotted[whom] = p
	return ok
}

// with sets the half that a header is; false if it was there already.
func (p pair) with(header string, occupied bool) (pair, bool) {
	half := &p.maximum
	if occupied {
		half = &p.occupied
	}
	if *half != "" {
		return p, false
	}
	*half = header
	return p, true
}

// findGemeente finds a gemeente by its simple name.
func findGemeente(lists gateway.CodeLists, simple string) (gateway.Gemeente, bool) {
	for _, c := range lists["gemeente"].Codes {
		if c.ValidUntil != "" {
			continue
		}
		for _, name := range append([]string{c.Code, c.Label}, c.Aliases...) {
			if simplify(name) == simple {
				return gateway.Gemeente(c.Code), true
			}
		}
	}
	return "", false
}

// containsAny tells whether text holds one of the names as whole words.
func containsAny(text string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(" "+text+" ", " "+name+" ") })
}

// without drops every word that the names are made of.
func without(text string, names ...[]string) string {
	drop := map[string]bool{}
	for _, list := range names {
		for _, name := range list {
			for _, word := range strings.Fields(name) {
				drop[word] = true
			}
		}
	}
	return strings.Join(slices.DeleteFunc(strings.Fields(text), func(word string) bool { return drop[word] }), " ")
}
