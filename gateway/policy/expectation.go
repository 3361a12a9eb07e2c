package policy

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/gateway"
)

// Expectation is one row of an expectations file, which lies beside a policy and
// says in the words of its readers what the policy must do. Shows is about
// offers that are as Given and silent on all else; Never and AtMost are about
// every offer that is as Given. With a Kind it is about such messages: Told about
// one that is as Given and silent on all else, Never and Silent about every one.
// gateway/audit decides whether it holds.
type Expectation struct {
	File      string                  `json:"file"`
	Line      int                     `json:"line"`
	Column    int                     `json:"column"`
	Name      string                  `json:"name"`
	To        []string                `json:"to"`                  // gemeente codes, OINs, roles, public, everyone
	ActingFor []string                `json:"actingFor,omitempty"` // gemeente codes and OINs: as holder of their mandates
	On        gateway.Date            `json:"on,omitempty"`        // empty: today, and for Never and AtMost every later day
	Given     map[string][]string     `json:"given,omitempty"`     // by condition: the values, one of which the offer has
	Shows     gateway.Disclosure      `json:"shows,omitempty"`     // fields in exactly this form; none: not
	Only      bool                    `json:"only,omitempty"`      // and no other field
	Never     []gateway.Field         `json:"never,omitempty"`
	AtMost    gateway.Disclosure      `json:"atMost,omitempty"` // fields in this form at the widest
	Kind      string                  `json:"kind,omitempty"`   // of a message about a person; empty: it is about offers
	Told      []gateway.Field         `json:"told,omitempty"`   // fields that go with such a message
	Silent    bool                    `json:"silent,omitempty"` // no such message goes at all
	places    map[gateway.Field]place // where a field is named
}

// Words of expectations.
const (
	ToPublic   = "public"
	ToEveryone = "everyone"

	notShown = "niet"
	allWord  = "all"
)

// IsExpectations tells by its name whether a file holds expectations.
func IsExpectations(name string) bool { return strings.HasSuffix(name, expectations) }

// ExpectationsOf is the name of the file that holds the expectations of a policy
// file, beside it: policy_test.yaml for policy.yaml.
func ExpectationsOf(name string) string {
	return strings.TrimSuffix(name, path.Ext(name)) + expectations
}

// Fails makes the problem that the expectation does not hold; with a field it
// stands where the field is named.
func (e Expectation) Fails(f gateway.Field, english, dutch string) Problem {
	at, ok := e.places[f]
	if !ok {
		at = place{e.File, e.Line, e.Column}
	}
	return message{"expectation not met: " + english, "verwachting komt niet uit: " + dutch}.at(at)
}

// Expectations reads those among the files that hold expectations, as strictly
// as Load reads the others. The error holds every problem: it is a Problems.
func Expectations(files []File, env Env) ([]Expectation, error) {
	files = slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !IsExpectations(f.Name) })
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var rows []row
	var problems Problems
	for _, f := range files {
		read, wrong := parseExpectations(f)
		rows = append(rows, read...)
		problems = append(problems, wrong...)
	}
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	b := &binder{env: env, fields: gateway.Fields()}
	var all []Expectation
	for i := range rows {
		all = append(all, b.expectation(&rows[i]))
	}
	if len(b.errors) > 0 {
		b.errors.sort()
		return nil, b.errors
	}
	return all, nil
}

// row is an expectation as written.
type row struct {
	place
	name, on, nothing, rest, kind text
	to, actingFor, never, told    []text
	given                         map[term][]text
	shows, atMost                 []shownField
	keys                          map[string]place // that were written
}

func parseExpectations(f File) ([]row, Problems) {
	r := &reader{file: f.Name}
	root := r.root(f.Data)
	if root == nil {
		return nil, r.problems
	}
	var rows []row
	var explained text
	r.mapping(root, keys{
		"toelichting": r.one(&explained),
		"verwacht":    func(n *yaml.Node) { r.sequence(n, func(n *yaml.Node) { rows = append(rows, r.row(n)) }) },
	})
	if len(rows) == 0 && len(r.problems) == 0 {
		r.report(root, say("this file expects nothing: key verwacht is missing or empty",
			"dit bestand verwacht niets: sleutel verwacht ontbreekt of is leeg"))
	}
	return rows, r.problems
}

func (r *reader) row(n *yaml.Node) row {
	e := row{place: r.at(n), given: map[term][]text{}, keys: map[string]place{}}
	known := keys{
		"naam":    r.one(&e.name),
		"aan":     r.many(&e.to),
		"namens":  r.many(&e.actingFor),
		"op":      r.one(&e.on),
		"bij":     func(n *yaml.Node) { r.given(n, e.given) },
		"bericht": r.one(&e.kind),
		"hoort":   r.many(&e.told),
		"ziet":    func(n *yaml.Node) { e.shows = r.sights(n) },
		"verder":  r.one(&e.rest),
		"niets":   r.one(&e.nothing),
		"nooit":   r.many(&e.never),
		"hooguit": func(n *yaml.Node) { e.atMost = r.sights(n) },
	}
	for key, read := range known {
		known[key] = func(n *yaml.Node) {
			e.keys[key] = r.at(n)
			read(n)
		}
	}
	r.mapping(n, known)
	return e
}

// offerTerms are the conditions that an expectation can set: what differs from
// offer to offer.
func offerTerms() []term {
	return []term{termTrajectsoort, termGrondslag, termDoelgroep, termFase, termLocation, termFunctionaliteit, termAllotment}
}

func (r *reader) given(n *yaml.Node, given map[term][]text) {
	known := keys{}
	for _, t := range append(offerTerms(), termReferral) {
		known[t.key()] = func(n *yaml.Node) {
			var values []text
			r.many(&values)(n)
			given[t] = values
		}
	}
	r.mapping(n, known)
}

// sights reads forms as a rule has them, and niet.
func (r *reader) sights(n *yaml.Node) []shownField {
	return r.forms(n, func(s string) bool { return isForm(s) || s == notShown })
}

// expectation binds one row.
func (b *binder) expectation(r *row) Expectation {
	e := Expectation{
		File: r.file, Line: r.line, Column: r.column, Name: r.name.value, On: b.date(r.on),
		Given: map[string][]string{}, places: map[gateway.Field]place{},
	}
	for _, key := range []string{"naam", "aan"} {
		if _, written := r.keys[key]; !written {
			b.fail(r.place, say("key %s is missing", "sleutel %s ontbreekt", key))
		}
	}
	for _, t := range r.to {
		e.To = append(e.To, b.expected(t, len(r.shows)+len(r.told) > 0))
	}
	for _, t := range r.actingFor {
		e.ActingFor = append(e.ActingFor, b.named(t))
	}
	e.Kind = b.expectedKind(r)
	for t, values := range r.given {
		for _, v := range values {
			if b.givenTerm(e.Kind, t, v) {
				e.Given[t.key()] = append(e.Given[t.key()], b.givenValue(t, v))
			}
		}
	}
	if e.Kind != "" {
		b.hearing(r, &e)
	} else {
		b.sights(r, &e)
	}
	return e
}

// sights binds what the recipient is expected to see, and not to.
func (b *binder) sights(r *row, e *Expectation) {
	if len(r.shows) > 0 {
		e.Shows = b.expectedForms(r.shows, e)
	}
	if len(r.atMost) > 0 {
		e.AtMost = b.expectedForms(r.atMost, e)
	}
	e.Never = b.neverFields(r.never, e)
	if at, written := r.keys["niets"]; written {
		b.literally(r.nothing, at, "niets", "true")
		e.Never = gateway.Fields()
	}
	if at, written := r.keys["verder"]; written {
		b.literally(r.rest, at, "verder", "niets")
		e.Only = true
		if len(r.shows) == 0 {
			b.fail(at, say("verder says what is shown besides ziet, which is missing", "verder gaat over wat er naast ziet te zien is, en ziet ontbreekt"))
		}
	}
	if len(r.shows)+len(r.atMost)+len(r.never)+len(r.told) == 0 && r.nothing.value == "" {
		b.fail(r.place, say("nothing is expected here: say ziet, nooit, hooguit or niets", "hier wordt niets verwacht: noem ziet, nooit, hooguit of niets"))
	}
}

func (b *binder) literally(t text, at place, key, word string) {
	if t.value != word {
		p := say("%s is %s or left out", "%s is %s of staat er niet", key, word).at(at)
		p.Suggestion = word
		b.errors = append(b.errors, p)
	}
}

func (b *binder) neverFields(fields []text, e *Expectation) []gateway.Field {
	var never []gateway.Field
	for _, t := range fields {
		if t.value == allWord && len(fields) == 1 {
			return gateway.Fields()
		}
		if i, ok := b.field(t); ok {
			never = append(never, b.fields[i])
			e.places[b.fields[i]] = t.place
		}
	}
	return never
}

func (b *binder) expectedForms(shown []shownField, e *Expectation) gateway.Disclosure {
	forms := gateway.Disclosure{}
	for _, s := range shown {
		i, ok := b.field(s.field)
		if !ok {
			continue
		}
		f, form := b.fields[i], gateway.Form(s.form.value)
		if s.form.value == notShown {
			form = gateway.None
		}
		var allowed []string
		for _, other := range f.Forms() {
			if other != gateway.None {
				allowed = append(allowed, string(other))
			}
		}
		allowed = append(allowed, notShown)
		_, twice := forms[f]
		switch {
		case twice:
			b.fail(s.field.place, say("field %q occurs twice here", "veld %q staat hier twee keer", s.field.value))
		case !slices.Contains(allowed, s.form.value):
			p := say("field %q cannot be shown as %q, only as %v", "veld %q kan niet worden getoond als %q, alleen als %v",
				s.field.value, s.form.value, allowed).at(s.form.place)
			p.Suggestion = nearest(s.form.value, allowed)
			b.errors = append(b.errors, p)
		default:
			forms[f] = form
			e.places[f] = s.field.place
		}
	}
	return forms
}

// expected binds who an expectation is about.
func (b *binder) expected(t text, concrete bool) string {
	switch {
	case t.value == ToPublic || slices.Contains(roles(), t.value):
		return t.value
	case t.value == ToEveryone && concrete:
		b.fail(t.place, say("everyone is for nooit, hooguit and niets: ziet is about one recipient",
			"everyone is voor nooit, hooguit en niets: ziet gaat over één ontvanger"))
		return t.value
	case t.value == ToEveryone:
		return t.value
	}
	return b.named(t)
}

// named binds a gemeente code or an OIN.
func (b *binder) named(t text) string {
	switch {
	case strings.HasPrefix(t.value, "0000"):
		b.party(t)
	case strings.HasPrefix(t.value, "gm") && len(t.value) == len("gm0000"):
		b.code("gemeente", t)
	default:
		p := say("%q is no gemeente code, OIN or role", "%q is geen gemeentecode, OIN of rol", t.value).at(t.place)
		p.Suggestion = nearest(t.value, append(roles(), ToPublic, ToEveryone))
		if p.Suggestion == "" {
			p.Suggestion = b.nearestCode("gemeente", t.value)
		}
		b.errors = append(b.errors, p)
	}
	return t.value
}

func (b *binder) givenValue(t term, v text) string {
	if list := t.list(); list != "" {
		b.code(list, v)
		return v.value
	}
	b.oneOf(v, say("value of %s", "waarde van %s", t.key()), t.values())
	return v.value
}
