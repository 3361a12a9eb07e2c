package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// About says whose policy a report is about and what it was read by.
type About struct {
	Party    gateway.OIN  `json:"party"`
	Name     string       `json:"name"`
	Policy   string       `json:"policy"`             // version
	Register uint64       `json:"register,omitempty"` // version; 0 for none
	Day      gateway.Date `json:"day"`                // from which it holds, with the mandates and gemeenten of that day
	Lists    []List       `json:"codeLists"`
}

// List is a code list in its version.
type List struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Matrix is everything that a policy can show: recipients × kinds × conditions ×
// fields. With Offers it is that of real offers: the rows then name offers where
// they would name conditions.
type Matrix struct {
	About
	Offers     bool        `json:"offers"`
	Recipients []Section   `json:"recipients"`
	People     []PersonRow `json:"people,omitempty"` // whom is told what of persons; not with Offers
}

// Section is what one recipient can see.
type Section struct {
	Recipient string             `json:"recipient"` // OIN, or public
	Name      string             `json:"name"`
	Kind      gateway.PartyKind  `json:"kind,omitempty"`
	Gemeenten []gateway.Gemeente `json:"gemeenten,omitempty"`
	ActsFor   []string           `json:"actsFor,omitempty"` // names
	Always    gateway.Disclosure `json:"always,omitempty"`  // what every row of kind capacity shows at least
	Rows      []Row              `json:"rows"`
}

// Row is what the recipient sees where all conditions hold, or of the offers. No
// conditions are always.
type Row struct {
	Kind       string             `json:"kind"`
	Conditions []string           `json:"conditions,omitempty"`
	Otherwise  bool               `json:"otherwise,omitempty"` // in all cases that no other row of the recipient says
	Offers     []string           `json:"offers,omitempty"`    // ids
	Allowed    bool               `json:"allowed"`
	Show       gateway.Disclosure `json:"show,omitempty"`
	Rules      []string           `json:"rules,omitempty"`    // that allow it
	DeniedBy   []string           `json:"deniedBy,omitempty"` // "default": no rule allows it
	Purpose    []Term             `json:"purpose,omitempty"`
	Basis      []Term             `json:"basis,omitempty"`
	Retention  string             `json:"retention,omitempty"` // ISO 8601
}

// Term is a code with its Dutch label.
type Term struct {
	Code  string `json:"code"`
	Label string `json:"label"`
}

// Public names the general public as a recipient.
const Public = "public"

const publicName = "Het publiek"

// NewAbout tells of a policy and the world that reads it.
func NewAbout(p *policy.Policy, env policy.Env, register uint64, day gateway.Date) About {
	a := About{Party: env.Self, Policy: p.Version(), Register: register, Day: day}
	if self, ok := env.Lookup(env.Self); ok {
		a.Name = self.Name
	}
	for _, name := range slices.Sorted(maps.Keys(env.Lists)) {
		a.Lists = append(a.Lists, List{name, env.Lists[name].Version})
	}
	return a
}

// Recipients are all parties of the register but the policy's own, by kind and
// name, and the public last.
func Recipients(env policy.Env, day gateway.Date) []gateway.Recipient {
	parties := slices.DeleteFunc(slices.Clone(env.Parties), func(p gateway.Party) bool { return p.OIN == env.Self })
	slices.SortFunc(parties, func(a, b gateway.Party) int {
		kinds := gateway.PartyKinds()
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.OIN, b.OIN))
	})
	var all []gateway.Recipient
	for _, p := range parties {
		all = append(all, p.RecipientOn(day, gateway.KindCapacity, env.Lookup))
	}
	return append(all, gateway.Recipient{Public: true})
}

// NewMatrix is the complete table for some recipients.
func NewMatrix(p *policy.Policy, about About, recipients []gateway.Recipient) (Matrix, error) {
	m := Matrix{About: about, Recipients: []Section{}}
	for _, r := range recipients {
		s, err := policy.NewScope(r, about.Day, p)
		if err != nil {
			return Matrix{}, err
		}
		cases, err := Cases(s, ByDisclosure)
		if err != nil {
			return Matrix{}, err
		}
		var rows []Row
		for _, c := range Brief(cases, ByDisclosure([]*gateway.Decision{{}})) {
			row := newRow(p, first(c.Decisions))
			row.Otherwise = c.Otherwise
			for _, condition := range c.Conditions {
				row.Conditions = append(row.Conditions, Text(p, s, condition))
			}
			rows = append(rows, row)
		}
		m.Recipients = append(m.Recipients, newSection(p, r, rows))
	}
	var err error
	m.People, err = newPeople(p, about.Day, recipients)
	return m, err
}

// expired is what publication says of an offer whose last day is over: it is
// withdrawn from everybody, without a question to policy.
const expired = "expired"

// NewOffers is the table of real offers, as they are on the day.
func NewOffers(p *policy.Policy, about About, recipients []gateway.Recipient, offers []gateway.Offer) Matrix {
	m := Matrix{About: about, Offers: true, Recipients: []Section{}}
	over := &gateway.Decision{Policy: p.Version(), DeniedBy: expired}
	for _, r := range recipients {
		var decisions []*gateway.Decision
		ids := map[*gateway.Decision][]string{}
		lens := p.For(gateway.KindCapacity, r, about.Day)
		for i := range offers {
			d := over
			if !offers[i].Expired(about.Day) {
				d = lens.Decide(&offers[i])
			}
			if ids[d] == nil {
				decisions = append(decisions, d)
			}
			ids[d] = append(ids[d], offers[i].ID)
		}
		rows := []Row{}
		for _, d := range decisions {
			row := newRow(p, []*gateway.Decision{d})
			row.Offers = ids[d]
			rows = append(rows, row)
		}
		m.Recipients = append(m.Recipients, newSection(p, r, rows))
	}
	return m
}

func first(all [][]*gateway.Decision) []*gateway.Decision {
	var ds []*gateway.Decision
	for _, one := range all {
		ds = append(ds, one[0])
	}
	return ds
}

// newRow is the row of decisions that show the same on the same grounds.
func newRow(p *policy.Policy, same []*gateway.Decision) Row {
	d := same[0]
	row := Row{Kind: gateway.KindCapacity, Allowed: d.Allowed, Show: d.Show, Retention: d.Retention}
	for _, code := range strings.Fields(d.Purpose) {
		row.Purpose = append(row.Purpose, Term{code, p.Env().Lists.Label("doel", code)})
	}
	for _, code := range d.Basis {
		row.Basis = append(row.Basis, Term{code, basisLabel(p.Env().Lists, code)})
	}
	for _, d := range same {
		row.Rules = append(row.Rules, d.Rules...)
		if d.DeniedBy != "" {
			row.DeniedBy = append(row.DeniedBy, d.DeniedBy)
		}
	}
	row.Rules, row.DeniedBy = sorted(row.Rules), sorted(row.DeniedBy)
	return row
}

// basisLabel is the label of a ground, which stands in one of two code lists.
func basisLabel(lists gateway.CodeLists, code string) string {
	if c, ok := lists.Find("avg-grondslag", code); ok {
		return c.Label
	}
	return lists.Label("grondslag", code)
}

func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

// newSection adds to the rows of offers that of the list of them, which decides
// without a rule.
func newSection(p *policy.Policy, r gateway.Recipient, rows []Row) Section {
	s := Section{Recipient: string(r.Party), Kind: r.Kind, Gemeenten: r.Gemeenten, Name: PartyName(p, r), Rows: rows}
	for _, principal := range r.ActsFor {
		s.ActsFor = append(s.ActsFor, p.PartyName(principal.Party))
	}
	if r.Public {
		s.Recipient = Public
	}
	if len(rows) > 0 {
		s.Always = maps.Clone(rows[0].Show)
	}
	for _, row := range rows {
		for f, form := range s.Always {
			switch other := row.Show[f]; {
			case other == "":
				delete(s.Always, f)
			case other.Wider(form):
				s.Always[f] = other
			}
		}
	}
	state := p.Decide(policy.Request{Kind: gateway.KindCapacityState, Recipient: r})
	list := Row{Kind: gateway.KindCapacityState, Allowed: state.Allowed}
	if !state.Allowed {
		list.DeniedBy = []string{state.DeniedBy}
	}
	s.Rows = append(s.Rows, list)
	return s
}

// PartyName is the name of a recipient, without those for whom it acts.
func PartyName(p *policy.Policy, r gateway.Recipient) string {
	if r.Public {
		return publicName
	}
	if party, ok := p.Env().Lookup(r.Party); ok {
		return party.Name
	}
	return "partij " + string(r.Party)
}
