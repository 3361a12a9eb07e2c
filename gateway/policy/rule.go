package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// outbound binds a rule on what others may see of an offer.
func (b *binder) outbound(d *document, c *clause) rule {
	r := b.common(c, "to")
	switch c.effect.value {
	case "show":
		b.show(&r, c, d.defaults)
	case "never":
		b.never(&r, c)
	case "":
		if _, given := c.given["effect"]; !given {
			b.missing(c, "effect")
		}
	default:
		b.oneOf(c.effect, message{"effect", "effect"}, []string{"show", "never"})
	}
	b.kinds(&r, c, slices.DeleteFunc(gateway.Kinds(), func(k string) bool { return k == gateway.KindCapacityState }))
	for t, values := range c.when {
		b.condition(&r, t, values)
	}
	r.from, r.until = b.date(c.from), b.date(c.until)
	if r.from != "" && r.until != "" && r.from > r.until {
		b.fail(c.until.place, say("until lies before from", "until ligt vóór from"))
	}
	return r
}

// inbound binds a rule on who may send this party what.
func (b *binder) inbound(c *clause) rule {
	r := b.common(c, "from")
	b.kinds(&r, c, kinds())
	b.acting(&r, c)
	if r.to.public || r.to.everyone {
		b.fail(c.to.place, say("only parties of the register send messages: name gemeenten, parties or roles",
			"alleen partijen uit het register sturen berichten: noem gemeenten, partijen of rollen"))
	}
	return r
}

// common binds what every rule has: a name and the other party.
func (b *binder) common(c *clause, who string) rule {
	r := rule{clause: c, id: c.id.value, never: c.effect.value == "never", when: map[term][]string{}}
	if _, given := c.given["id"]; !given {
		b.missing(c, "id")
	} else if c.id.value != "" {
		b.takeID(c.id, "rule")
	}
	if _, given := c.given[who]; !given {
		b.missing(c, who)
	} else {
		r.to = b.resolve(c.to, r.never)
	}
	return r
}

func (b *binder) missing(c *clause, key string) {
	b.fail(c.place, say("key %s is missing", "sleutel %s ontbreekt", key))
}

func (b *binder) kinds(r *rule, c *clause, allowed []string) {
	if _, given := c.given["kinds"]; !given && !r.never {
		b.missing(c, "kinds")
		return
	}
	for _, k := range c.kinds {
		if b.oneOf(k, message{"message kind", "berichtsoort"}, allowed) {
			r.when[termKind] = append(r.when[termKind], k.value)
		}
	}
}

func (b *binder) acting(r *rule, c *clause) {
	r.own = len(c.acting) == 0
	for _, a := range c.acting {
		b.oneOf(a, message{"value of acting", "waarde van acting"}, []string{"own", "mandate"})
		r.own = r.own || a.value == "own"
		r.mandate = r.mandate || a.value == "mandate"
	}
}

// never binds a rule that forbids. It holds for a recipient in whatever name it
// asks, so it cannot say acting or role, and it needs no grounds.
func (b *binder) never(r *rule, c *clause) {
	for _, key := range []string{"acting", "purpose", "basis", "retention", "exception"} {
		if at, given := c.given[key]; given {
			b.fail(at, say("a never rule has no %s: it binds everyone who acts for the named party and discloses nothing",
				"een never-regel heeft geen %s: hij bindt iedereen die voor de genoemde partij optreedt en toont niets", key))
		}
	}
	if role, given := c.when[termRole]; given && len(role) > 0 {
		b.fail(role[0].place, say("a never rule has no condition role: name the role under to",
			"een never-regel heeft geen voorwaarde role: noem de rol bij to"))
	}
	at, given := c.given["fields"]
	switch {
	case !given:
		b.missing(c, "fields")
	case len(c.shown) > 0:
		b.fail(at, say("a never rule lists fields without a form, or says all",
			"een never-regel noemt velden zonder vorm, of zegt all"))
	case c.all:
		r.hide = allFields
	}
	for _, t := range c.hidden {
		if i, ok := b.field(t); ok {
			r.hide |= 1 << i
		}
	}
	if r.hide.has(b.index(gateway.FieldAllotments)) {
		r.hide |= 1 << b.index(gateway.FieldAllotmentsAvailable) // it is a part of the allotments
	}
}

// show binds a rule that discloses.
func (b *binder) show(r *rule, c *clause, defaults grounds) {
	b.acting(r, c)
	b.exception(r, c)
	if c.to.everyone {
		b.fail(c.to.place, say("everyone is for never rules only: name who may see this",
			"everyone is alleen voor never-regels: noem wie dit mag zien"))
	}
	at, given := c.given["fields"]
	if !given {
		b.missing(c, "fields")
	} else if len(c.hidden) > 0 || c.all {
		b.fail(at, say("a show rule names each field with its form", "een show-regel noemt elk veld met zijn vorm"))
	}
	for _, s := range c.shown {
		b.shown(r, s)
	}
	if available := b.index(gateway.FieldAllotmentsAvailable); r.show.form(available) != gateway.None &&
		r.show.form(b.index(gateway.FieldAllotments)) == gateway.None {
		b.fail(at, say("allotments.available is a part of allotments: show allotments too",
			"allotments.available is een deel van allotments: toon ook allotments"))
	}
	b.grounds(r, c, defaults)
}

// shown binds one field in one form.
func (b *binder) shown(r *rule, s shownField) {
	i, ok := b.field(s.field)
	if !ok {
		return
	}
	f, form := b.fields[i], gateway.Form(s.form.value)
	var allowed []string
	for _, other := range f.Forms() {
		if other != gateway.None {
			allowed = append(allowed, string(other))
		}
	}
	switch {
	case r.show.form(i) != gateway.None:
		b.fail(s.field.place, say("field %q occurs twice in this rule", "veld %q staat twee keer in deze regel", s.field.value))
	case !slices.Contains(allowed, s.form.value):
		p := say("field %q cannot be shown as %q, only as %v", "veld %q kan niet worden getoond als %q, alleen als %v",
			s.field.value, s.form.value, allowed).at(s.form.place)
		p.Suggestion = nearest(s.form.value, allowed)
		b.errors = append(b.errors, p)
	case r.to.public && publicForm(f) == gateway.None:
		b.fail(s.field.place, say("the public may not see field %q", "het publiek mag veld %q niet zien", s.field.value))
	case r.to.public && publicForm(f).Wider(form):
		b.fail(s.field.place, say("the public may see field %q as %s at most", "het publiek mag veld %q ten hoogste zien als %s",
			s.field.value, string(publicForm(f))))
	default:
		r.show.add(i, form)
		b.classified(r, s.field, b.class(f), say("field %q", "veld %q", s.field.value))
	}
}

// publicForm is the widest form in which the public may see a field. What
// follows from how many people are in, it sees as plek or geen-plek.
func publicForm(f gateway.Field) gateway.Form {
	switch f {
	case gateway.FieldAvailable:
		return gateway.Public
	case gateway.FieldStatus, gateway.FieldAllotments, gateway.FieldAllotmentsAvailable:
		return gateway.None
	}
	return gateway.Exact
}

func (b *binder) class(f gateway.Field) gateway.DataClass {
	switch {
	case b.env.Class != nil:
		return b.env.Class(f)
	case f == gateway.FieldContact:
		return gateway.Persoon
	case f == gateway.FieldDoelgroepen:
		return gateway.Bijzonder
	}
	return gateway.Gewoon
}

// classified holds a rule that discloses something of the two special classes
// against its exception.
func (b *binder) classified(r *rule, t text, class gateway.DataClass, what message) {
	special := needsException(class) && class != gateway.Strafrechtelijk
	criminal := needsException(class) && class != gateway.Bijzonder
	if (!special || r.special) && (!criminal || r.criminal) {
		return
	}
	m := message{
		english: fmt.Sprintf("%s is of class %s: the rule must name its exception", what.english, class),
		dutch:   fmt.Sprintf("%s is van klasse %s: de regel moet zijn uitzondering noemen", what.dutch, class),
	}
	if b.rebind {
		b.warn(t.place, m)
		r.void = true
		return
	}
	b.fail(t.place, m)
}

// exception binds the ground on which a rule may disclose what is otherwise
// forbidden: AVG art. 9(2) or UAVG art. 22–30 for class bijzonder, UAVG art.
// 31–33 for class strafrechtelijk.
func (b *binder) exception(r *rule, c *clause) {
	for _, e := range c.exceptions {
		if !b.code(groundsList, e) {
			r.void = true
			continue
		}
		special, criminal := specialPattern.MatchString(e.value), criminalPattern.MatchString(e.value)
		if !special && !criminal {
			b.fail(e.place, say("code %q is no exception of AVG art. 9 or 10", "code %q is geen uitzondering van AVG art. 9 of 10", e.value))
		}
		r.special, r.criminal = r.special || special, r.criminal || criminal
	}
	if at, given := c.given["exception"]; given && c.to.public {
		b.fail(at, say("no exception covers the public", "geen uitzondering geldt voor het publiek"))
	}
}

// grounds binds purpose, basis and retention: the rule's own, else the file's.
func (b *binder) grounds(r *rule, c *clause, defaults grounds) {
	g := c.grounds
	for _, own := range []struct{ to, from *text }{
		{&g.purpose, &defaults.purpose}, {&g.retention, &defaults.retention},
	} {
		if own.to.value == "" {
			*own.to = *own.from
		}
	}
	if g.avg.value == "" && g.wet.value == "" {
		g.avg, g.wet = defaults.avg, defaults.wet
	}
	r.purpose = b.ground(r, c, "purpose", "doel", g.purpose)
	r.basis = []string{b.ground(r, c, "basis.avg", groundsList, g.avg)}
	if specialPattern.MatchString(g.avg.value) || criminalPattern.MatchString(g.avg.value) {
		b.fail(g.avg.place, say("code %q is an exception, not a basis: name it under exception",
			"code %q is een uitzondering, geen grondslag: noem haar bij exception", g.avg.value))
	}
	if g.wet.value != "" {
		r.basis = append(r.basis, b.ground(r, c, "basis.wet", "grondslag", g.wet))
	}
	for _, e := range c.exceptions {
		r.basis = append(r.basis, e.value)
	}
	switch {
	case g.retention.value == "":
		b.missing(c, "retention")
	case !retentionPattern.MatchString(g.retention.value):
		b.fail(g.retention.place, say("a retention is written as P90D, P12W, P6M or P2Y", "een bewaartermijn is P90D, P12W, P6M of P2Y"))
	}
	r.retention = g.retention.value
}

func (b *binder) ground(r *rule, c *clause, key, list string, t text) string {
	if t.value == "" {
		b.missing(c, key)
	} else if !b.code(list, t) {
		r.void = true // nothing is disclosed on a ground that is no more
	}
	return t.value
}

// condition binds one term under when. A never rule keeps codes that are no
// longer valid: forgetting them would forbid less.
func (b *binder) condition(r *rule, t term, values []text) {
	bound := []string{}
	for _, v := range values {
		ok := false
		if list := t.list(); list != "" {
			ok = b.code(list, v) || r.never
		} else {
			ok = b.oneOf(v, say("value of %s", "waarde van %s", t.key()), t.values())
		}
		if !ok {
			continue
		}
		bound = append(bound, v.value)
		if c, found := b.env.Lists.Find(t.list(), v.value); found && !r.never {
			b.classified(r, v, c.Class, say("code %q", "code %q", v.value))
		}
	}
	r.when[t] = bound
}

func (b *binder) date(t text) gateway.Date {
	if t.value == "" {
		return ""
	}
	d, err := gateway.ParseDate(t.value)
	if err != nil {
		b.fail(t.place, say("%q is not a date such as 2026-11-01", "%q is geen datum zoals 2026-11-01", t.value))
	}
	return d
}

func (b *binder) field(t text) (int, bool) {
	if i := b.index(gateway.Field(t.value)); i >= 0 {
		return i, true
	}
	var known, parts []string
	whole := map[string]string{}
	for _, f := range b.fields {
		known = append(known, string(f))
		for _, part := range append(strings.Split(string(f), "."), fieldLabel(f)) {
			if whole[part] == "" {
				parts = append(parts, part)
				whole[part] = string(f)
			}
		}
	}
	b.oneOf(t, message{"field", "veld"}, known)
	if p := &b.errors[len(b.errors)-1]; p.Suggestion == "" { // contact.name for contact, locatie for location.address
		part, _, _ := strings.Cut(t.value, ".")
		p.Suggestion = whole[nearest(part, parts)]
	}
	return 0, false
}

func (b *binder) index(f gateway.Field) int { return slices.Index(b.fields, f) }
