package policy

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds one policy file; a large region's has some tens of kilobytes.
const maxFile = 1 << 20

// place is where something stands in a policy file.
type place struct {
	file         string
	line, column int
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.file, q.file), cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}

func (p place) String() string { return p.file + ":" + strconv.Itoa(p.line) }

// text is one scalar of a policy file, as written, with its place. Types that
// YAML guesses (a code 0363 as the number 243) play no part.
type text struct {
	value string
	place
}

// reader walks the nodes of one YAML file strictly and collects every problem.
// It knows the shape of a policy, not what the terms mean.
type reader struct {
	file     string
	problems Problems
}

// keys tells a mapping which keys it may have and what reads their values.
type keys map[string]func(*yaml.Node)

func (r *reader) at(n *yaml.Node) place { return place{r.file, max(1, n.Line), max(1, n.Column)} }

func (r *reader) report(n *yaml.Node, m message) { r.problems = append(r.problems, m.at(r.at(n))) }

// root parses the file and gives its one top-level node, or nil.
func (r *reader) root(data []byte) *yaml.Node {
	if len(data) > maxFile {
		r.report(&yaml.Node{}, say("a policy file has at most %d bytes", "een beleidsbestand heeft ten hoogste %d bytes", maxFile))
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		where, why := &yaml.Node{}, "unreadable"
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			where, why = &yaml.Node{Line: e.Mark.Line, Column: e.Mark.Column}, strings.TrimPrefix(e.Message, "yaml: ")
		}
		r.report(where, say("not YAML: %s", "geen YAML: %s", why))
		return nil
	}
	return doc.Content[0]
}

// plain tells whether a node is what it looks like: anchors, aliases and tags
// would let a file say something else than its reader sees.
func (r *reader) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || isCustomTag(n.Tag) {
		r.report(n, say("anchors, aliases and tags are not allowed; name a group instead",
			"ankers, verwijzingen en tags mogen niet; gebruik een groep"))
		return false
	}
	return true
}

func isCustomTag(tag string) bool {
	return !slices.Contains([]string{"", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp"}, tag)
}

// mapping reads a mapping whose keys are all known and occur once.
func (r *reader) mapping(n *yaml.Node, known keys) {
	r.entries(n, func(key text, value *yaml.Node) {
		read, ok := known[key.value]
		if !ok {
			p := say("unknown key %q", "onbekende sleutel %q", key.value).at(key.place)
			p.Suggestion = nearest(key.value, slices.Sorted(maps.Keys(known)))
			r.problems = append(r.problems, p)
			return
		}
		read(value)
	})
}

// entries reads a mapping with keys of the writer's own, each once.
func (r *reader) entries(n *yaml.Node, read func(key text, value *yaml.Node)) {
	if !r.plain(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.report(n, say("expected keys and values here", "hier horen sleutels met waarden te staan"))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := r.scalar(n.Content[i])
		if !ok {
			continue
		}
		if seen[key.value] {
			r.report(n.Content[i], say("key %q occurs twice", "sleutel %q staat er twee keer", key.value))
			continue
		}
		seen[key.value] = true
		read(key, n.Content[i+1])
	}
}

// sequence reads each item of a list.
func (r *reader) sequence(n *yaml.Node, read func(*yaml.Node)) {
	if !r.plain(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.report(n, say("expected a list here", "hier hoort een lijst te staan"))
		return
	}
	for _, item := range n.Content {
		read(item)
	}
}

func (r *reader) scalar(n *yaml.Node) (text, bool) {
	if !r.plain(n) {
		return text{}, false
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		r.report(n, say("expected one value here", "hier hoort één waarde te staan"))
		return text{}, false
	}
	return text{n.Value, r.at(n)}, true
}

// one reads a single value into to.
func (r *reader) one(to *text) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if t, ok := r.scalar(n); ok {
			*to = t
		}
	}
}

// many reads a list of values into to; a single value needs no brackets.
func (r *reader) many(to *[]text) func(*yaml.Node) {
	return func(n *yaml.Node) {
		read := func(item *yaml.Node) {
			if t, ok := r.scalar(item); ok {
				*to = append(*to, t)
			}
		}
		if n.Kind == yaml.ScalarNode {
			read(n)
			return
		}
		r.sequence(n, read)
		if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			r.report(n, say("an empty list names nothing; leave the key out", "een lege lijst noemt niets; laat de sleutel weg"))
		}
	}
}
