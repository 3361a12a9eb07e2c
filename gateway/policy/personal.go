package policy

import (
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Rules on messages about a person are few and are asked rarely, so they are a
// list that is gone through, apart from the tables about offers.

// Personal asks whether a message about a person may go to a recipient on a day.
type Personal struct {
	Kind         string
	Recipient    gateway.Recipient // with its mandates for Kind on Day
	Day          gateway.Date
	Status       gateway.ReferralStatus // of the referral that it is about, as last known; "" before there is one
	Grondslag    string
	Trajectsoort string
	Classes      []gateway.DataClass // of the doelgroepen, where an offer is for none but those of special classes
}

// Classes are the classes of special doelgroepen for which an offer is there: who
// is referred to it is known to belong to one of them. They are nil if the offer
// is also for others, or names none.
func Classes(doelgroepen []string, lists gateway.CodeLists) []gateway.DataClass {
	var classes []gateway.DataClass
	for _, d := range doelgroepen {
		c, _ := lists.Find("doelgroep", d)
		if !needsException(c.Class) {
			return nil
		}
		if !slices.Contains(classes, c.Class) {
			classes = append(classes, c.Class)
		}
	}
	return classes
}

// Told is what policy says of one message about a person: the fields of
// gateway.PersonalFields that may go with it, and why.
type Told struct {
	gateway.Decision
	Fields []gateway.Field
}

// Tell decides by deny by default, as Decide does for offers: a message goes if a
// show rule matches and no never rule takes everything. A never rule about all
// fields that names no kinds forbids messages about persons, too.
func (p *Policy) Tell(q Personal) Told {
	t := Told{Decision: gateway.Decision{Policy: p.version, DeniedBy: byDefault}}
	if p.fallback {
		return t
	}
	q = q.settled()
	var hidden []gateway.Field
	for i := range p.personal {
		r := &p.personal[i]
		if r.void || !r.about(q) {
			continue
		}
		switch {
		case !r.never:
			t.account(r)
		case r.hide == allFields:
			return Told{Decision: gateway.Decision{Policy: p.version, DeniedBy: r.id}}
		default:
			hidden = append(hidden, r.told...)
		}
	}
	if !t.Allowed {
		return t
	}
	t.Fields = slices.DeleteFunc(gateway.PersonalFields(q.Kind), func(f gateway.Field) bool {
		return !slices.Contains(t.Fields, f) || slices.Contains(hidden, f)
	})
	return t
}

// settled leaves out the classes where they tell nothing new. A referral tells to
// what offer somebody may come, a handover who that is; every other message goes
// to who has both already. Of somebody of a special class it may be asked all the
// more that something is erased.
func (q Personal) settled() Personal {
	if q.Kind != gateway.KindReferral && q.Kind != gateway.KindHandover {
		q.Classes = nil
	}
	return q
}

func (t *Told) account(r *rule) {
	t.Allowed, t.DeniedBy = true, ""
	t.Fields = append(t.Fields, r.told...)
	r.account(&t.Decision)
}

// about tells whether a rule matches.
func (r *rule) about(q Personal) bool {
	return r.says(termKind, q.Kind) && r.says(termReferral, string(q.Status)) && r.says(termGrondslag, q.Grondslag) &&
		r.says(termTrajectsoort, q.Trajectsoort) && q.Day.Within(r.from, r.until) &&
		!slices.ContainsFunc(q.Classes, func(c gateway.DataClass) bool { return !r.excepts(c) }) && r.named(q.Recipient)
}

// says tells whether a rule on persons holds for a value of a term. A never rule
// also holds for what the request does not say.
func (r *rule) says(k term, value string) bool {
	values, set := r.when[k]
	return !set || slices.Contains(values, value) || r.never && value == ""
}

// excepts tells whether a rule holds for offers to none but doelgroepen of a
// class.
func (r *rule) excepts(c gateway.DataClass) bool {
	return r.never || (c != gateway.Bijzonder || r.special) && (c != gateway.Strafrechtelijk || r.criminal)
}

// named tells whether a rule is for a recipient, in its own name or another's.
func (r *rule) named(to gateway.Recipient) bool {
	return (r.own || r.never) && r.to.reaches(to) || (r.mandate || r.never) && slices.ContainsFunc(to.ActsFor, r.to.reaches)
}

// reaches tells whether names are those of a party.
func (n names) reaches(r gateway.Recipient) bool {
	if r.Public {
		return n.public || n.everyone
	}
	return n.everyone || slices.Contains(n.parties, r.Party) || slices.Contains(n.roles, r.Kind) ||
		slices.ContainsFunc(r.Gemeenten, func(g gateway.Gemeente) bool { return slices.Contains(n.gemeenten, g) })
}

// personalKinds are the kinds that a clause names, if they are about persons.
func personalKinds(c *clause) bool {
	return slices.ContainsFunc(c.kinds, func(k text) bool { return gateway.Confidential(k.value) })
}

// people binds a rule on what others may be told of a person.
func (b *binder) people(d *document, c *clause) rule {
	r := b.common(c, "to")
	b.kinds(&r, c, slices.DeleteFunc(gateway.Kinds(), func(k string) bool { return !gateway.Confidential(k) }))
	if !r.never {
		b.oneOf(c.effect, message{"effect", "effect"}, []string{"show", "never"})
		b.acting(&r, c)
		b.exception(&r, c)
		b.grounds(&r, c, d.defaults)
	}
	if r.to.public || r.to.everyone && !r.never {
		b.fail(c.to.place, say("nobody but a party that is named is told of a person",
			"over een persoon hoort alleen een genoemde partij iets"))
	}
	b.tells(&r, c)
	for t, values := range c.when {
		if t != termReferral && t != termGrondslag && t != termTrajectsoort {
			b.fail(c.place, say("a rule on referrals has no condition %s", "een regel over verwijzingen heeft geen voorwaarde %s", t.key()))
			continue
		}
		b.condition(&r, t, values)
	}
	r.from, r.until = b.date(c.from), b.date(c.until)
	if !r.never && slices.Contains(r.when[termKind], gateway.KindHandover) {
		b.afterAcceptance(&r, c)
	}
	return r
}

// tells binds the fields of a rule on persons, each of a kind that it names.
func (b *binder) tells(r *rule, c *clause) {
	if c.all {
		r.hide = allFields
		return
	}
	if _, given := c.given["fields"]; !given {
		b.missing(c, "fields")
	}
	var known []string
	for _, k := range r.when[termKind] {
		for _, f := range gateway.PersonalFields(k) {
			known = append(known, string(f))
		}
	}
	named := c.hidden
	for _, s := range c.shown {
		named = append(named, s.field)
		if s.form.value != string(gateway.Exact) {
			b.fail(s.form.place, say("a field of a referral is shown as exact, or not at all",
				"een veld van een verwijzing wordt exact getoond, of niet"))
		}
	}
	for _, f := range named {
		if b.oneOf(f, message{"field", "veld"}, known) {
			r.told = append(r.told, gateway.Field(f.value))
		}
	}
}

// afterAcceptance holds that contact details go only once a place is certain.
func (b *binder) afterAcceptance(r *rule, c *clause) {
	var allowed []string
	for _, s := range gateway.HandoverStates() {
		allowed = append(allowed, string(s))
	}
	states, given := r.when[termReferral]
	if !given {
		b.fail(c.place, say("a handover needs the condition referral-state, with states after acceptance: %s",
			"een overdracht vraagt de voorwaarde referral-state, met standen na de acceptatie: %s", strings.Join(allowed, ", ")))
	}
	for _, s := range states {
		if !slices.Contains(allowed, s) {
			b.fail(c.place, say("nothing is handed over in the state %q: a place is not certain, or no longer",
				"in de stand %q wordt niets overgedragen: er is (nog) geen zekere plek", s))
		}
	}
}

// foldAll adds the never rules about everything that name no kind.
func foldAll(rules, personal []rule) []rule {
	for _, r := range rules {
		if _, kinds := r.when[termKind]; r.never && r.hide == allFields && !kinds {
			personal = append(personal, r)
		}
	}
	return personal
}

// TellsOf tells whether any rule allows messages of a kind that is about persons.
func (p *Policy) TellsOf(kind string) bool {
	return slices.ContainsFunc(p.personal, func(r rule) bool { return !r.never && slices.Contains(r.when[termKind], kind) })
}

// PersonalCodes are all that rules on persons can tell apart of what a message
// says on grondslag and trajectsoort: the codes that they name.
func (p *Policy) PersonalCodes() (grondslag, trajectsoort []string) {
	for i := range p.personal {
		grondslag = append(grondslag, p.personal[i].when[termGrondslag]...)
		trajectsoort = append(trajectsoort, p.personal[i].when[termTrajectsoort]...)
	}
	slices.Sort(grondslag)
	slices.Sort(trajectsoort)
	return slices.Compact(grondslag), slices.Compact(trajectsoort)
}

// PersonalDays are the days from which on other rules on persons hold, from a day
// on, which is the first of them.
func (p *Policy) PersonalDays(from gateway.Date) []gateway.Date {
	days := []gateway.Date{from}
	for i := range p.personal {
		r := &p.personal[i]
		if r.from > from {
			days = append(days, r.from)
		}
		if r.until >= from {
			days = append(days, r.until.Next())
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// TellsBy are the rules on persons that match a question and are about one of some
// fields, also where what they say makes no difference.
func (p *Policy) TellsBy(q Personal, fields []gateway.Field) []RuleInfo {
	var all []RuleInfo
	for i := range p.personal {
		r := &p.personal[i]
		about := r.hide == allFields || slices.ContainsFunc(r.told, func(f gateway.Field) bool { return slices.Contains(fields, f) })
		if about && !r.void && r.about(q) {
			all = append(all, r.info())
		}
	}
	return all
}
