package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// rule is a clause whose terms have been checked against the register and the
// code lists of one day.
type rule struct {
	clause    *clause
	id        string
	never     bool
	void      bool // a term it cannot do without has no meaning today: it matches nothing
	to        names
	own       bool // matches a recipient in its own name
	mandate   bool // matches a recipient in the name of a principal
	when      map[term][]string
	from      gateway.Date
	until     gateway.Date
	show      forms
	hide      fieldSet
	told      []gateway.Field // of a person: shown, or hidden
	purpose   string
	basis     []string
	retention string
	special   bool // has an exception for class bijzonder
	criminal  bool // has an exception for class strafrechtelijk
}

// names are recipients, resolved.
type names struct {
	parties          []gateway.OIN
	gemeenten        []gateway.Gemeente
	roles            []gateway.PartyKind
	public, everyone bool
}

// bound is what a policy decides with, before it is compiled.
type bound struct {
	rules     []rule
	accept    []rule
	personal  []rule
	performed map[gateway.Gemeente][]string // functionaliteiten this party performs
}

// binder checks the terms of documents and collects every problem.
type binder struct {
	env    Env
	rebind bool // the files were good once: what the world has dropped since is a warning
	errors Problems
	warns  Problems
	groups map[string]recipients
	ids    map[string]place
	fields []gateway.Field
}

func bind(docs []document, env Env, rebind bool) (bound, *binder) {
	b := &binder{env: env, rebind: rebind, groups: map[string]recipients{}, ids: map[string]place{}, fields: gateway.Fields()}
	for _, d := range docs {
		b.header(d)
		for _, g := range d.groups {
			b.group(g)
		}
	}
	out := bound{performed: map[gateway.Gemeente][]string{}}
	for i := range docs {
		d := &docs[i]
		b.relations(d, out.performed)
		for j := range d.rules {
			if c := &d.rules[j]; personalKinds(c) {
				out.personal = append(out.personal, b.people(d, c))
			} else {
				out.rules = append(out.rules, b.outbound(d, c))
			}
		}
		for j := range d.accept {
			out.accept = append(out.accept, b.inbound(&d.accept[j]))
		}
	}
	b.idle(out)
	byID := func(a, b rule) int { return strings.Compare(a.id, b.id) }
	slices.SortStableFunc(out.rules, byID)
	slices.SortStableFunc(out.accept, byID)
	out.personal = foldAll(out.rules, out.personal)
	slices.SortStableFunc(out.personal, byID)
	b.errors.sort()
	b.warns.sort()
	return out, b
}

func (b *binder) fail(p place, m message) { b.errors = append(b.errors, m.at(p)) }

func (b *binder) warn(p place, m message) { b.warns = append(b.warns, m.at(p)) }

// unknown reports a term that nothing in the world answers to. That is an error
// in a file that is being loaded, and a warning when the world has changed.
func (b *binder) unknown(p place, m message, suggestion string) {
	if b.rebind {
		b.warn(p, message{m.english + " any more; it matches nothing", m.dutch + "; dit telt niet meer mee"})
		return
	}
	problem := m.at(p)
	problem.Suggestion = suggestion
	b.errors = append(b.errors, problem)
}

// maxListed is the most terms that a problem lists in full.
const maxListed = 9

// oneOf checks a term of a fixed vocabulary.
func (b *binder) oneOf(t text, what message, vocabulary []string) bool {
	if slices.Contains(vocabulary, t.value) {
		return true
	}
	m := message{
		english: fmt.Sprintf("unknown %s %q", what.english, clip(t.value)),
		dutch:   fmt.Sprintf("%s %q bestaat niet", what.dutch, clip(t.value)),
	}
	if len(vocabulary) <= maxListed {
		m.english += ": it is one of " + strings.Join(vocabulary, ", ")
		m.dutch += ": kies uit " + strings.Join(vocabulary, ", ")
	}
	p := m.at(t.place)
	p.Suggestion = nearest(t.value, vocabulary)
	b.errors = append(b.errors, p)
	return false
}

// code tells whether a code has a meaning today, and reports if not.
func (b *binder) code(list string, t text) bool {
	c, known := b.env.Lists.Find(list, t.value)
	switch {
	case !known:
		m, meant := say("code %q is not in code list %s", "code %q staat niet in codelijst %s", t.value, list), b.nearestCode(list, t.value)
		if valid := b.validCodes(list); meant == "" && len(valid) <= maxListed && !b.rebind {
			m.english += ": it is one of " + strings.Join(valid, ", ")
			m.dutch += ": kies uit " + strings.Join(valid, ", ")
		}
		b.unknown(t.place, m, meant)
		return false
	case !b.env.Today.Within(c.ValidFrom, c.ValidUntil):
		b.warn(t.place, say("code %q of code list %s is not valid today and matches nothing",
			"code %q van codelijst %s is vandaag niet geldig en telt niet mee", t.value, list))
		return false
	}
	return true
}

// validCodes are the codes of a list that have a meaning today.
func (b *binder) validCodes(list string) []string {
	var codes []string
	for _, c := range b.env.Lists[list].Codes {
		if b.env.Today.Within(c.ValidFrom, c.ValidUntil) {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// maxSuggested is the number of problems after which suggestions, which take
// time, help nobody any more.
const maxSuggested = 100

// nearestCode looks among codes, labels and aliases: who writes the name of a
// gemeente is told its code.
func (b *binder) nearestCode(list, term string) string {
	if len(b.errors) > maxSuggested {
		return ""
	}
	var candidates []string
	meant := map[string]string{}
	for _, c := range b.env.Lists[list].Codes {
		if !b.env.Today.Within(c.ValidFrom, c.ValidUntil) {
			continue
		}
		for _, name := range append([]string{c.Code, c.Label}, c.Aliases...) {
			if _, taken := meant[name]; !taken {
				candidates = append(candidates, name)
				meant[name] = c.Code
			}
		}
	}
	code := meant[nearest(term, candidates)]
	if label := b.env.Lists.Label(list, code); code != "" && label != code {
		return fmt.Sprintf("%s, %s", code, label)
	}
	return code
}

func (b *binder) party(t text) bool {
	if _, ok := b.env.party(gateway.OIN(t.value)); ok {
		return true
	}
	if _, err := gateway.ParseOIN(t.value); err != nil {
		b.fail(t.place, say("%q is not an OIN: 20 positions that start with 000000",
			"%q is geen OIN: 20 posities, te beginnen met 000000", t.value))
		return false
	}
	var oins []string
	byOIN := map[string]string{}
	for _, p := range b.env.Parties {
		oins = append(oins, string(p.OIN))
		byOIN[string(p.OIN)] = fmt.Sprintf("%s, %s", p.OIN, p.Name)
	}
	b.unknown(t.place, say("party %q is not in the register", "partij %q staat niet in het register", t.value), byOIN[nearest(t.value, oins)])
	return false
}

func (b *binder) header(d document) {
	if d.name.value == "" {
		b.fail(d.place, say("the policy has no name: key policy is missing", "het beleid heeft geen naam: sleutel policy ontbreekt"))
	}
	switch {
	case d.party.value == "":
		b.fail(d.place, say("key party is missing: whose policy is this", "sleutel party ontbreekt: van wie is dit beleid"))
	case d.party.value != string(b.env.Self) && !b.rebind:
		p := say("this is the policy of party %q, not of this node", "dit is het beleid van partij %q, niet van dit knooppunt",
			d.party.value).at(d.party.place)
		p.Suggestion = string(b.env.Self)
		b.errors = append(b.errors, p)
	}
}

func (b *binder) group(g group) {
	if g.set.everyone || g.set.public || len(g.set.groups) > 0 {
		b.fail(g.set.place, say("a group names gemeenten, parties and roles only",
			"een groep noemt alleen gemeenten, partijen en rollen"))
	}
	if !b.takeID(g.name, "group") {
		return
	}
	b.groups[g.name.value] = g.set
	b.resolve(g.set, false) // reports what is wrong with the group, once
}

// resolve gives the recipients that have a meaning today; keep also gives those
// that no longer have one. Terms of a group are reported where the group stands.
func (b *binder) resolve(set recipients, keep bool) names {
	n := names{public: set.public, everyone: set.everyone}
	b.resolveInto(&n, set, keep)
	for _, g := range set.groups {
		members, ok := b.groups[g.value]
		if !ok {
			p := say("unknown group %q", "onbekende groep %q", g.value).at(g.place)
			p.Suggestion = nearest(g.value, slices.Sorted(maps.Keys(b.groups)))
			b.errors = append(b.errors, p)
			continue
		}
		quiet := binder{env: b.env, rebind: b.rebind}
		quiet.resolveInto(&n, members, keep)
	}
	if !n.public && !n.everyone && len(set.gemeenten)+len(set.parties)+len(set.roles)+len(set.groups) == 0 {
		b.fail(set.place, say("nobody is named here", "hier wordt niemand genoemd"))
	}
	return n
}

func (b *binder) resolveInto(n *names, set recipients, keep bool) {
	for _, g := range set.gemeenten {
		if b.code("gemeente", g) || keep {
			n.gemeenten = append(n.gemeenten, gateway.Gemeente(g.value))
		}
	}
	for _, p := range set.parties {
		if b.party(p) || keep {
			n.parties = append(n.parties, gateway.OIN(p.value))
		}
	}
	for _, r := range set.roles {
		if b.oneOf(r, message{"role", "rol"}, roles()) {
			n.roles = append(n.roles, gateway.PartyKind(r.value))
		}
	}
}

func (b *binder) relations(d *document, performed map[gateway.Gemeente][]string) {
	for _, rel := range d.relations {
		if rel.gemeente.value == "" || len(rel.functionaliteiten) == 0 {
			b.fail(rel.place, say("a relation names a gemeente and functionaliteiten",
				"een relatie noemt een gemeente en functionaliteiten"))
			continue
		}
		g := gateway.Gemeente(rel.gemeente.value)
		if _, twice := performed[g]; twice {
			b.fail(rel.gemeente.place, say("gemeente %q has two relations", "gemeente %q heeft twee relaties", rel.gemeente.value))
		}
		b.code("gemeente", rel.gemeente)
		if rel.model.value != "" {
			b.oneOf(rel.model, message{"model", "model"}, models())
		}
		performed[g] = []string{}
		for _, f := range rel.functionaliteiten {
			if b.code("functionaliteit", f) {
				performed[g] = append(performed[g], f.value)
			}
		}
	}
}

// groundsList is the code list of the bases and exceptions of AVG and UAVG.
const groundsList = "avg-grondslag"

var (
	idPattern        = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	retentionPattern = regexp.MustCompile(`^P[1-9][0-9]{0,3}[DWMY]$`)

	specialPattern  = regexp.MustCompile(`^(avg-9|uavg-(2[2-9]|30))(-|$)`)
	criminalPattern = regexp.MustCompile(`^(avg-10|uavg-3[1-3])(-|$)`)
)

// takeID checks a name of the writer's own and that it is used once.
func (b *binder) takeID(id text, what string) bool {
	if !idPattern.MatchString(id.value) || len(id.value) > maxTerm {
		b.fail(id.place, say("a name is at most 60 small letters, digits and single hyphens",
			"een naam is ten hoogste 60 kleine letters, cijfers en losse streepjes"))
		return false
	}
	if slices.Contains(reserved(), id.value) {
		b.fail(id.place, say("the name %q has a meaning of its own in decisions", "de naam %q heeft in besluiten een eigen betekenis", id.value))
		return false
	}
	key := what + " " + id.value
	if first, taken := b.ids[key]; taken {
		b.fail(id.place, say("the name %q is already used at %s", "de naam %q is al gebruikt op %s", id.value, first.String()))
		return false
	}
	b.ids[key] = id.place
	return true
}

// idle warns of rules that are right but match nothing.
func (b *binder) idle(out bound) {
	for _, r := range out.rules {
		if r.until != "" && r.until < b.env.Today {
			b.warn(r.clause.until.place, say("this rule ended before today", "deze regel is al afgelopen"))
		}
		if _, ok := r.when[termReferral]; ok && !r.never {
			b.warn(r.clause.place, say("an offer has no referral state: this rule matches nothing",
				"een aanbod heeft geen verwijsstatus: deze regel geldt nergens voor"))
		}
		if codes, ok := r.when[termFunctionaliteit]; ok && !r.never && !performsAny(out.performed, codes) {
			b.warn(r.clause.place, say("no relation has one of these functionaliteiten: this rule matches nobody",
				"geen relatie heeft een van deze functionaliteiten: deze regel geldt voor niemand"))
		}
	}
}

func performsAny(performed map[gateway.Gemeente][]string, codes []string) bool {
	for _, fs := range performed {
		if slices.ContainsFunc(fs, func(f string) bool { return slices.Contains(codes, f) }) {
			return true
		}
	}
	return false
}
