package policy

import (
	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/gateway"
)

// document is one policy file as written: its shape is right, its terms are
// not checked yet.
type document struct {
	place
	name, party, description text
	defaults                 grounds
	groups                   []group
	relations                []relation
	rules                    []clause // outbound
	accept                   []clause // inbound
}

// grounds say why something may be disclosed, and for how long.
type grounds struct{ purpose, avg, wet, retention text }

// group is a named set of recipients.
type group struct {
	name text
	set  recipients
}

// recipients is a set of parties: each of its terms adds to it.
type recipients struct {
	place
	groups, gemeenten, parties, roles []text
	public, everyone                  bool
}

// relation says which functionaliteiten this party performs for a gemeente.
type relation struct {
	place
	gemeente, model   text
	functionaliteiten []text
}

// clause is a rule as written. An accept rule has the same keys, fewer of them.
type clause struct {
	place
	id, effect, description text
	kinds, acting           []text
	to                      recipients
	when                    map[term][]text
	from, until             text
	shown                   []shownField // of a show rule
	hidden                  []text       // of a never rule; or
	all                     bool
	grounds
	exceptions []text
	given      map[string]place // the keys that were written
}

// shownField is one field in one form.
type shownField struct{ field, form text }

// parse reads the shape of one policy file.
func parse(f File) (document, Problems) {
	r := &reader{file: f.Name}
	root := r.root(f.Data)
	if root == nil {
		return document{}, r.problems
	}
	d := document{place: r.at(root)}
	r.mapping(root, keys{
		"policy":      r.one(&d.name),
		"party":       r.one(&d.party),
		"description": r.one(&d.description),
		"defaults":    func(n *yaml.Node) { r.mapping(n, r.groundsKeys(&d.defaults)) },
		"groups": func(n *yaml.Node) {
			r.entries(n, func(name text, n *yaml.Node) { d.groups = append(d.groups, group{name, r.recipients(n)}) })
		},
		"relations": func(n *yaml.Node) {
			r.sequence(n, func(n *yaml.Node) { d.relations = append(d.relations, r.relation(n)) })
		},
		"rules": func(n *yaml.Node) { r.sequence(n, func(n *yaml.Node) { d.rules = append(d.rules, r.clause(n, "to")) }) },
		"accept": func(n *yaml.Node) {
			r.sequence(n, func(n *yaml.Node) { d.accept = append(d.accept, r.clause(n, "from")) })
		},
	})
	return d, r.problems
}

func (r *reader) groundsKeys(to *grounds) keys {
	return keys{
		"purpose":   r.one(&to.purpose),
		"basis":     func(n *yaml.Node) { r.mapping(n, keys{"avg": r.one(&to.avg), "wet": r.one(&to.wet)}) },
		"retention": r.one(&to.retention),
	}
}

func (r *reader) recipients(n *yaml.Node) recipients {
	set := recipients{place: r.at(n)}
	if n.Kind == yaml.ScalarNode && n.Value == "everyone" && r.plain(n) {
		set.everyone = true
		return set
	}
	r.mapping(n, keys{
		"groups":    r.many(&set.groups),
		"gemeenten": r.many(&set.gemeenten),
		"parties":   r.many(&set.parties),
		"roles":     r.many(&set.roles),
		"public": func(n *yaml.Node) {
			if t, ok := r.scalar(n); ok && t.value != "true" {
				r.report(n, say("public is true or left out", "public is true of staat er niet"))
			}
			set.public = true
		},
	})
	return set
}

func (r *reader) relation(n *yaml.Node) relation {
	rel := relation{place: r.at(n)}
	r.mapping(n, keys{
		"gemeente":          r.one(&rel.gemeente),
		"model":             r.one(&rel.model),
		"functionaliteiten": r.many(&rel.functionaliteiten),
	})
	return rel
}

// clause reads a rule; who is the key that names the other party.
func (r *reader) clause(n *yaml.Node, who string) clause {
	c := clause{place: r.at(n), when: map[term][]text{}, given: map[string]place{}}
	known := keys{
		"id":          r.one(&c.id),
		"description": r.one(&c.description),
		"kinds":       r.many(&c.kinds),
		"acting":      r.many(&c.acting),
		who:           func(n *yaml.Node) { c.to = r.recipients(n) },
	}
	if who == "to" {
		known["effect"] = r.one(&c.effect)
		known["when"] = func(n *yaml.Node) { r.when(n, &c) }
		known["fields"] = func(n *yaml.Node) { r.fields(n, &c) }
		known["exception"] = r.many(&c.exceptions)
		for key, read := range r.groundsKeys(&c.grounds) {
			known[key] = read
		}
	}
	for key, read := range known {
		known[key] = func(n *yaml.Node) {
			c.given[key] = r.at(n)
			read(n)
		}
	}
	r.mapping(n, known)
	return c
}

func (r *reader) when(n *yaml.Node, c *clause) {
	known := keys{"from": r.one(&c.from), "until": r.one(&c.until)}
	for t := range terms {
		if t.key() == "" {
			continue
		}
		known[t.key()] = func(n *yaml.Node) {
			var values []text
			r.many(&values)(n)
			c.when[t] = values
		}
	}
	r.mapping(n, known)
}

// fields reads what a rule shows or hides. A show rule maps fields to forms, or
// a form to a list of fields, which reads better when there are many; a never
// rule lists fields or says all.
func (r *reader) fields(n *yaml.Node, c *clause) {
	if n.Kind != yaml.MappingNode {
		r.many(&c.hidden)(n)
		if len(c.hidden) == 1 && c.hidden[0].value == "all" {
			c.hidden, c.all = nil, true
		}
		return
	}
	c.shown = r.forms(n, isForm)
}

// forms reads fields with their form, or a form with its fields.
func (r *reader) forms(n *yaml.Node, isForm func(string) bool) []shownField {
	var shown []shownField
	r.entries(n, func(key text, n *yaml.Node) {
		if isForm(key.value) {
			var fields []text
			r.many(&fields)(n)
			for _, f := range fields {
				shown = append(shown, shownField{field: f, form: key})
			}
			return
		}
		if form, ok := r.scalar(n); ok {
			shown = append(shown, shownField{field: key, form: form})
		}
	})
	return shown
}

func isForm(s string) bool {
	switch gateway.Form(s) {
	case gateway.Public, gateway.Banded, gateway.Exact:
		return true
	}
	return false
}
