package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Registers are what the law asks a party to have on paper about its policy: the
// rows of the verwerkingsregister (AVG art. 30) and the tables that a DPIA
// needs. All of it follows from the matrix, so from what can really be seen,
// and from the register of participants.
type Registers struct {
	About
	Contact    string       `json:"contact,omitempty"`  // of the party, as in the register
	Approval   string       `json:"approval,omitempty"` // by which rule a changed policy comes in force: none, one-person, two-person
	Activities []Activity   `json:"activities"`
	Received   []Received   `json:"received,omitempty"`
	Mandates   []ActingFor  `json:"mandates,omitempty"`   // this party for others
	ActedFor   []ActingFor  `json:"actedFor,omitempty"`   // others for this party
	Disclosed  []Disclosed  `json:"disclosed,omitempty"`  // of the DPIA
	Prohibited []Prohibited `json:"prohibited,omitempty"` // of the DPIA
}

// Activity is one processing: everything that is disclosed for one purpose on one
// basis.
type Activity struct {
	Purpose    Term        `json:"purpose"`
	Basis      []Term      `json:"basis"`
	Data       []ClassData `json:"data"`
	Recipients []string    `json:"recipients"`
	Retention  []string    `json:"retention"` // ISO 8601, shortest first
	Rules      []string    `json:"rules"`
	Logged     []string    `json:"logged"` // as what each rule stands in Logboek Dataverwerkingen: URIs
}

// ClassData are the fields of one data class, with whom they tell about.
type ClassData struct {
	Class    gateway.DataClass `json:"class"`
	Kind     string            `json:"kind,omitempty"` // of messages about persons, which hold the least of it as well
	Fields   []gateway.Field   `json:"fields"`
	Subjects string            `json:"subjects"`
}

// Received is what this party takes in.
type Received struct {
	Rule        string   `json:"rule"`
	Description string   `json:"description,omitempty"`
	From        string   `json:"from"`
	Kinds       []string `json:"kinds"`
	Logged      string   `json:"logged"` // as what it stands in Logboek Dataverwerkingen: a URI
}

// ActingFor is a mandate of the register, from the side of one of the two.
type ActingFor struct {
	Party      string       `json:"party"` // the other one
	Basis      string       `json:"basis"` // as the register says
	Kinds      []string     `json:"kinds"`
	ValidFrom  gateway.Date `json:"validFrom,omitempty"`
	ValidUntil gateway.Date `json:"validUntil,omitempty"`
}

// Disclosed is one field in one form for one purpose: a row of the DPIA.
type Disclosed struct {
	Kind       string            `json:"kind,omitempty"` // of messages about persons; with an empty field: the least of it
	Field      gateway.Field     `json:"field"`
	Form       gateway.Form      `json:"form"`
	Class      gateway.DataClass `json:"class"`
	Purpose    Term              `json:"purpose"`
	Basis      []Term            `json:"basis"`
	Recipients []string          `json:"recipients"`
	Retention  []string          `json:"retention"`
	Rules      []string          `json:"rules"`
	Risks      []string          `json:"risks"` // Dutch
}

// Prohibited is what a never rule takes away, whatever else is allowed.
type Prohibited struct {
	Rule        string          `json:"rule"`
	Description string          `json:"description,omitempty"`
	To          string          `json:"to"`
	Kinds       []string        `json:"kinds,omitempty"` // of messages about persons; none: it is about offers
	Fields      []gateway.Field `json:"fields"`
}

// NewRegisters makes the registers from the matrix of all recipients. p and env
// are those of the matrix. logged gives the URI under which Logboek
// Dataverwerkingen knows a rule.
func NewRegisters(p *policy.Policy, env policy.Env, m Matrix, logged func(name string) string) Registers {
	r := Registers{About: m.About, Activities: []Activity{}}
	g := gatherer{p: p, rules: map[string]policy.Grounds{}, activities: map[string]*Activity{}, disclosed: map[string]*Disclosed{}}
	for _, rule := range p.Grounds() {
		g.rules[rule.ID] = rule
		if rule.Never {
			r.Prohibited = append(r.Prohibited, Prohibited{rule.ID, rule.Description, rule.To, rule.Kinds, slices.Concat(rule.Hide, rule.Told)})
		}
	}
	for _, s := range m.Recipients {
		for _, row := range s.Rows {
			g.row(s.heading(), row)
		}
	}
	headings := map[string]string{} // of parties, by their names
	for _, s := range m.Recipients {
		headings[p.PartyName(gateway.OIN(s.Recipient))] = s.heading()
	}
	for _, row := range m.People {
		row.Recipients = slices.Clone(row.Recipients)
		for i, name := range row.Recipients {
			row.Recipients[i] = cmp.Or(headings[name], name)
		}
		g.people(row)
	}
	for _, key := range slices.Sorted(maps.Keys(g.activities)) {
		a := *g.activities[key]
		for _, rule := range a.Rules {
			a.Logged = append(a.Logged, logged(rule))
		}
		r.Activities = append(r.Activities, a)
	}
	for _, key := range slices.Sorted(maps.Keys(g.disclosed)) {
		d := *g.disclosed[key]
		d.Risks = risks(d)
		r.Disclosed = append(r.Disclosed, d)
	}
	for _, a := range p.Accepts() {
		r.Received = append(r.Received, Received{a.ID, a.Description, a.From, a.Kinds, logged(a.ID)})
	}
	r.mandates(p, env)
	return r
}

// mandates reads the register of participants.
func (r *Registers) mandates(p *policy.Policy, env policy.Env) {
	for _, party := range env.Parties {
		if party.OIN == env.Self {
			c := party.Contact
			r.Contact = strings.Join(slices.DeleteFunc([]string{c.Name, c.Phone, c.Email}, func(s string) bool { return s == "" }), ", ")
		}
		for _, m := range party.Mandates {
			if m.ValidUntil != "" && m.ValidUntil < r.Day {
				continue
			}
			a := ActingFor{Basis: m.Basis, Kinds: m.Kinds, ValidFrom: m.ValidFrom, ValidUntil: m.ValidUntil}
			switch env.Self {
			case party.OIN:
				a.Party = p.PartyName(m.Principal)
				r.Mandates = append(r.Mandates, a)
			case m.Principal:
				a.Party = p.PartyName(party.OIN)
				r.ActedFor = append(r.ActedFor, a)
			}
		}
	}
}

// gatherer goes through the rows of a matrix.
type gatherer struct {
	p          *policy.Policy
	rules      map[string]policy.Grounds
	activities map[string]*Activity  // by purpose and basis
	disclosed  map[string]*Disclosed // by field, form, purpose and basis
}

// row notes what each rule of a row discloses there: of its fields those that
// no never rule took.
func (g *gatherer) row(recipient string, row Row) {
	for _, id := range row.Rules {
		rule, shown := g.rules[id], false
		key := rule.Purpose + " " + strings.Join(rule.Basis, " ")
		for i, f := range gateway.Fields() {
			if rule.Show[f] == "" || row.Show[f] == "" {
				continue
			}
			shown = true
			g.activity(key, rule).add(g.p.Class(f), f)
			place := string(rune('a'+i)) + " " + string(rule.Show[f]) + " " + key
			g.disclose(place, rule, recipient, Disclosed{Field: f, Form: rule.Show[f], Class: g.p.Class(f)})
		}
		if shown {
			g.active(key, rule, recipient)
		}
	}
}

// people notes what each rule of a row lets go of persons: the least of it, and of
// its fields those that no never rule took.
func (g *gatherer) people(row PersonRow) {
	for _, id := range row.Rules {
		rule := g.rules[id]
		key := rule.Purpose + " " + strings.Join(rule.Basis, " ")
		fields := slices.DeleteFunc(slices.Clone(row.Fields), func(f gateway.Field) bool { return !slices.Contains(rule.Told, f) })
		g.activity(key, rule).addPeople(row.Kind, fields)
		for _, recipient := range row.Recipients {
			g.active(key, rule, recipient)
			for i, f := range append([]gateway.Field{""}, fields...) {
				place := "~" + row.Kind + " " + string(rune('a'+i)) + string(f) + " " + key
				g.disclose(place, rule, recipient, Disclosed{Kind: row.Kind, Field: f, Form: gateway.Exact, Class: gateway.Persoon})
			}
		}
	}
}

// disclose notes a disclosure to a recipient by a rule.
func (g *gatherer) disclose(place string, rule policy.Grounds, recipient string, what Disclosed) {
	d := g.disclosed[place]
	if d == nil {
		d = &what
		d.Purpose, d.Basis = g.purpose(rule), g.basis(rule)
		g.disclosed[place] = d
	}
	d.Recipients, d.Rules = with(d.Recipients, recipient), with(d.Rules, rule.ID)
	d.Retention = withRetention(d.Retention, rule.Retention)
}

func (g *gatherer) active(key string, rule policy.Grounds, recipient string) {
	a := g.activity(key, rule)
	a.Recipients, a.Rules = with(a.Recipients, recipient), with(a.Rules, rule.ID)
	a.Retention = withRetention(a.Retention, rule.Retention)
}

func (g *gatherer) purpose(rule policy.Grounds) Term {
	return Term{rule.Purpose, g.p.Env().Lists.Label("doel", rule.Purpose)}
}

func (g *gatherer) basis(rule policy.Grounds) []Term {
	var terms []Term
	for _, code := range rule.Basis {
		terms = append(terms, Term{code, basisLabel(g.p.Env().Lists, code)})
	}
	return terms
}

func (g *gatherer) activity(key string, rule policy.Grounds) *Activity {
	a := g.activities[key]
	if a == nil {
		a = &Activity{Purpose: g.purpose(rule), Basis: g.basis(rule)}
		g.activities[key] = a
	}
	return a
}

// add notes a field. Fields that follow from how many people are in tell about
// others than those that describe the offer.
func (a *Activity) add(class gateway.DataClass, f gateway.Field) {
	about := subjects(class, f)
	i := slices.IndexFunc(a.Data, func(d ClassData) bool { return d.Class == class && d.Subjects == about })
	if i < 0 {
		i = len(a.Data)
		a.Data = append(a.Data, ClassData{Class: class, Subjects: about})
	}
	if !slices.Contains(a.Data[i].Fields, f) {
		a.Data[i].Fields = append(a.Data[i].Fields, f)
	}
}

// addPeople notes fields of a kind of message about persons.
func (a *Activity) addPeople(kind string, fields []gateway.Field) {
	i := slices.IndexFunc(a.Data, func(d ClassData) bool { return d.Kind == kind })
	if i < 0 {
		i = len(a.Data)
		a.Data = append(a.Data, ClassData{Class: gateway.Persoon, Kind: kind, Subjects: "inwoners die worden verwezen"})
	}
	for _, f := range fields {
		if !slices.Contains(a.Data[i].Fields, f) {
			a.Data[i].Fields = append(a.Data[i].Fields, f)
		}
	}
}

func with(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

func withRetention(all []string, one string) []string {
	all = with(all, one)
	slices.SortFunc(all, func(a, b string) int {
		switch {
		case policy.ShorterRetention(a, b):
			return -1
		case policy.ShorterRetention(b, a):
			return 1
		}
		return strings.Compare(a, b)
	})
	return all
}

// occupancy tells whether a field follows from how many people are in.
func occupancy(f gateway.Field) bool {
	return f == gateway.FieldAvailable || f == gateway.FieldAllotmentsAvailable || f == gateway.FieldStatus
}

// subjects says about whom a field tells.
func subjects(class gateway.DataClass, f gateway.Field) string {
	switch {
	case class == gateway.Persoon:
		return "contactpersonen van de aanbieder"
	case class != gateway.Gewoon:
		return "inwoners voor wie de plek bedoeld is, als groep"
	case occupancy(f):
		return "deelnemers, indirect: uit de bezetting kan iets over een van hen volgen"
	}
	return "niemand: gegevens over het aanbod"
}

// longRetention is longer than reports of this kind need without a reason.
const longRetention = "P1Y"

// risks says what a disclosure can do to people, as far as the policy shows it.
func risks(d Disclosed) []string {
	var all []string
	if d.Kind != "" {
		all = personRisks(d)
	}
	if d.Class == gateway.Bijzonder || d.Class == gateway.Strafrechtelijk {
		all = append(all, "De doelgroep kan iets zeggen over gezondheid of straf. De regel steunt daarvoor op: "+exceptions(d.Basis)+".")
	}
	if d.Class == gateway.Persoon && d.Kind == "" {
		all = append(all, "Gegevens van een medewerker bij naam. Gebruik een functie of servicepunt als dat kan.")
	}
	switch {
	case d.Kind != "":
	case d.Field == gateway.FieldAllotmentsAvailable && d.Form == gateway.Exact:
		all = append(all, "Wie als enige een toedeling heeft, ziet precies wanneer daarin een plek vrijkomt of bezet raakt. Anderen zien een band.")
	case occupancy(d.Field):
		all = append(all, "Uit verandering kan volgen wanneer iemand begint of stopt. Daarom geen aantallen, en een peiling per week.")
	}
	if slices.Contains(d.Recipients, (Section{Recipient: Public, Name: publicName}).heading()) {
		all = append(all, "Openbaar: wat eenmaal gezien is, is niet terug te halen.")
	}
	if last := d.Retention[len(d.Retention)-1]; policy.ShorterRetention(longRetention, last) {
		all = append(all, "De ontvanger mag dit langer dan een jaar bewaren.")
	}
	return all
}

func exceptions(basis []Term) string {
	var names []string
	for _, b := range basis {
		if strings.HasPrefix(b.Label, "Uitzondering") {
			names = append(names, b.Label)
		}
	}
	return strings.Join(names, "; ")
}
