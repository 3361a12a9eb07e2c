package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Diff is what one policy shows otherwise than another. It is about decisions:
// order, comments and names of rules are no difference. Two policies without
// differences decide the same on every request of these recipients from the day
// on.
type Diff struct {
	Party   gateway.OIN    `json:"party"`
	Old     string         `json:"old"` // version
	New     string         `json:"new"`
	Day     gateway.Date   `json:"day"` // from which it holds
	Offers  bool           `json:"offers,omitempty"`
	Changes []Change       `json:"changes"`
	People  []PersonChange `json:"people"` // what somebody is told of persons; not with Offers
	Accept  []AcceptChange `json:"accept"`
}

// Effect says whether a change shows more. Other is a change of purpose or basis.
type Effect string

// The effects of a change.
const (
	Wider    Effect = "wider"
	Narrower Effect = "narrower"
	Other    Effect = "other"
)

// Change is what some recipients see otherwise where all conditions hold, or of
// the offers.
type Change struct {
	Recipients []Who         `json:"recipients"`
	Conditions []string      `json:"conditions,omitempty"`
	Offers     []string      `json:"offers,omitempty"` // ids
	Effects    []Effect      `json:"effects"`
	Fields     []FieldChange `json:"fields,omitempty"`
	Purpose    *Terms        `json:"purpose,omitempty"`
	Basis      *Terms        `json:"basis,omitempty"`
	Retention  *Retention    `json:"retention,omitempty"`
}

// Who is a recipient.
type Who struct {
	Recipient string `json:"recipient"` // OIN, or public
	Name      string `json:"name"`
}

// FieldChange is one field in another form.
type FieldChange struct {
	Field  gateway.Field `json:"field"`
	Label  string        `json:"label"`
	Old    gateway.Form  `json:"old"`
	New    gateway.Form  `json:"new"`
	Effect Effect        `json:"effect"`
}

// Terms are the purposes or bases of what is shown, where it is shown at all.
type Terms struct {
	Old []Term `json:"old"`
	New []Term `json:"new"`
}

// Retention is how long a recipient may keep what it is shown.
type Retention struct {
	Old    string `json:"old,omitempty"` // ISO 8601
	New    string `json:"new,omitempty"`
	Effect Effect `json:"effect"`
}

// AcceptChange is a kind of message that is taken from somebody, or no longer.
type AcceptChange struct {
	From   Who    `json:"from"`
	For    *Who   `json:"for,omitempty"` // in whose name; absent: its own
	Kind   string `json:"kind"`
	Effect Effect `json:"effect"`
}

// Empty tells whether nothing changes.
func (d Diff) Empty() bool { return len(d.Changes) == 0 && len(d.People) == 0 && len(d.Accept) == 0 }

// Widens tells whether anything is shown, or may be used, that was not: whatever
// does not only narrow. What is accepted does not count: it shows nobody anything.
func (d Diff) Widens() bool {
	widens := func(c Change) bool {
		return slices.ContainsFunc(c.Effects, func(e Effect) bool { return e != Narrower })
	}
	return slices.ContainsFunc(d.Changes, widens) ||
		slices.ContainsFunc(d.People, func(c PersonChange) bool { return widens(c.Change) })
}

// NewDiff compares two policies of one party, read in one world, for some
// recipients.
func NewDiff(old, next *policy.Policy, day gateway.Date, recipients []gateway.Recipient) (Diff, error) {
	d := newDiff(old, next, day, recipients)
	for _, r := range recipients {
		s, err := policy.NewScope(r, day, old, next)
		if err != nil {
			return Diff{}, err
		}
		cases, err := Cases(s, byChange)
		if err != nil {
			return Diff{}, err
		}
		for _, c := range cases {
			change, differs := changeOf(next, c.Decisions[0][0], c.Decisions[0][1])
			if !differs {
				continue
			}
			for _, condition := range c.Conditions {
				change.Conditions = append(change.Conditions, Text(next, s, condition))
			}
			d.add(change, whoIs(next, r))
		}
	}
	var err error
	d.People, err = newPersonChanges(old, next, day, recipients)
	d.sort()
	return d, err
}

// NewOffersDiff compares what two policies show of real offers on the day.
func NewOffersDiff(old, next *policy.Policy, day gateway.Date, recipients []gateway.Recipient, offers []gateway.Offer) Diff {
	d := newDiff(old, next, day, recipients)
	d.Offers = true
	for _, r := range recipients {
		first := len(d.Changes)
		was, is := old.For(gateway.KindCapacity, r, day), next.For(gateway.KindCapacity, r, day)
		for i := range offers {
			if change, differs := changeOf(next, was.Decide(&offers[i]), is.Decide(&offers[i])); differs {
				gather(&d, first, change, whoIs(next, r), offers[i].ID)
			}
		}
	}
	d.merge()
	d.sort()
	return d
}

// gather adds an offer to the change of this recipient that is the same.
func gather(d *Diff, first int, change Change, who Who, offer string) {
	for i := range d.Changes[first:] {
		if c := &d.Changes[first+i]; c.same(change) {
			c.Offers = append(c.Offers, offer)
			return
		}
	}
	change.Recipients, change.Offers = []Who{who}, []string{offer}
	d.Changes = append(d.Changes, change)
}

func newDiff(old, next *policy.Policy, day gateway.Date, recipients []gateway.Recipient) Diff {
	d := Diff{Party: next.Env().Self, Old: old.Version(), New: next.Version(), Day: day, Changes: []Change{}, People: []PersonChange{}, Accept: []AcceptChange{}}
	for _, r := range recipients {
		if !r.Public {
			d.Accept = append(d.Accept, accepts(old, next, day, r)...)
		}
	}
	return d
}

func accepts(old, next *policy.Policy, day gateway.Date, from gateway.Recipient) []AcceptChange {
	var all []AcceptChange
	names := append([]gateway.Recipient{from}, from.ActsFor...)
	for i, in := range names {
		for _, kind := range gateway.Kinds() {
			was, is := old.Admit(from, in.Party, kind, day).Allowed, next.Admit(from, in.Party, kind, day).Allowed
			if was == is {
				continue
			}
			change := AcceptChange{From: whoIs(next, from), Kind: kind, Effect: Narrower}
			if is {
				change.Effect = Wider
			}
			if i > 0 {
				principal := whoIs(next, in)
				change.For = &principal
			}
			all = append(all, change)
		}
	}
	return all
}

// Newcomers are the parties that the register does not have yet and that a policy
// tells from others: one of each kind, and one for each gemeente that a policy
// names. Their OIN is empty. Whom they might act for is not known.
func Newcomers(day gateway.Date, policies ...*policy.Policy) []gateway.Recipient {
	var all []gateway.Recipient
	for _, kind := range gateway.PartyKinds() {
		all = append(all, gateway.Recipient{Kind: kind})
	}
	known := map[gateway.Gemeente]bool{}
	for _, p := range policies {
		for _, party := range p.Env().Parties {
			for _, g := range party.GemeentenOn(day) {
				known[g] = true
			}
		}
		for _, g := range p.Gemeenten() {
			if !known[g] {
				known[g] = true
				all = append(all, gateway.Recipient{Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{g}})
			}
		}
	}
	return all
}

func whoIs(p *policy.Policy, r gateway.Recipient) Who {
	switch {
	case r.Public:
		return Who{Public, PartyName(p, r)}
	case r.Party == "" && len(r.Gemeenten) > 0:
		return Who{string(r.Gemeenten[0]), "een nieuwe partij voor gemeente " + p.Label("gemeente", string(r.Gemeenten[0]))}
	case r.Party == "":
		return Who{"new " + string(r.Kind), "een nieuwe partij van soort " + string(r.Kind)}
	}
	return Who{string(r.Party), PartyName(p, r)}
}

// byChange is a key for Cases that tells pairs of decisions apart by their
// difference.
func byChange(pair []*gateway.Decision) string {
	old, next := pair[0], pair[1]
	var b strings.Builder
	for _, f := range gateway.Fields() {
		if old.Show[f] != next.Show[f] {
			fmt.Fprint(&b, f, old.Show[f], ">", next.Show[f], ",")
		}
	}
	if old.Purpose != next.Purpose || !slices.Equal(old.Basis, next.Basis) || old.Retention != next.Retention {
		fmt.Fprint(&b, old.Purpose, old.Basis, old.Retention, ">", next.Purpose, next.Basis, next.Retention)
	}
	return b.String()
}

// changeOf tells two decisions about one message apart; false if they are the
// same but for the rules that they follow from.
func changeOf(p *policy.Policy, old, next *gateway.Decision) (Change, bool) {
	if old == next || byChange([]*gateway.Decision{old, next}) == "" {
		return Change{}, false
	}
	var c Change
	for _, f := range gateway.Fields() {
		was, is := cmp.Or(old.Show[f], gateway.None), cmp.Or(next.Show[f], gateway.None)
		if was != is {
			effect := Narrower
			if was.Wider(is) {
				effect = Wider
			}
			c.Fields = append(c.Fields, FieldChange{Field: f, Label: policy.FieldLabel(f), Old: was, New: is, Effect: effect})
			c.effect(effect)
		}
	}
	c.groundsOf(p, old, next)
	return c, true
}

// groundsOf notes other purposes, bases and retention.
func (c *Change) groundsOf(p *policy.Policy, old, next *gateway.Decision) {
	both := old.Allowed && next.Allowed
	if old.Purpose != next.Purpose {
		c.Purpose = &Terms{purposes(p, old), purposes(p, next)}
	}
	if !slices.Equal(old.Basis, next.Basis) {
		c.Basis = &Terms{bases(p, old), bases(p, next)}
	}
	if both && (c.Purpose != nil || c.Basis != nil) {
		c.effect(Other)
	}
	if old.Retention != next.Retention {
		c.Retention = &Retention{Old: old.Retention, New: next.Retention, Effect: longer(old, next)}
		c.effect(c.Retention.Effect)
	}
}

// longer is the effect of another retention.
func longer(old, next *gateway.Decision) Effect {
	switch was, is := policy.Days(old.Retention), policy.Days(next.Retention); {
	case is > was:
		return Wider
	case is < was:
		return Narrower
	}
	return Other // the same number of days, counted otherwise
}

func (c *Change) effect(e Effect) {
	if !slices.Contains(c.Effects, e) {
		c.Effects = append(c.Effects, e)
	}
}

func purposes(p *policy.Policy, d *gateway.Decision) []Term {
	all := []Term{}
	for _, code := range strings.Fields(d.Purpose) {
		all = append(all, Term{code, p.Env().Lists.Label("doel", code)})
	}
	return all
}

func bases(p *policy.Policy, d *gateway.Decision) []Term {
	all := []Term{}
	for _, code := range d.Basis {
		all = append(all, Term{code, basisLabel(p.Env().Lists, code)})
	}
	return all
}

// same tells whether two changes say the same of whatever they are about.
func (c Change) same(o Change) bool { return c.content() == o.content() }

func (c Change) content() string {
	c.Recipients, c.Conditions, c.Offers = nil, nil, nil
	return encoded(c)
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a change is plain data: " + err.Error())
	}
	return string(b)
}

// add adds a change of one recipient.
func (d *Diff) add(c Change, who Who) {
	for i := range d.Changes {
		if o := &d.Changes[i]; slices.Equal(o.Conditions, c.Conditions) && o.same(c) {
			o.Recipients = append(o.Recipients, who)
			return
		}
	}
	c.Recipients = []Who{who}
	d.Changes = append(d.Changes, c)
}

// merge takes together what several recipients see otherwise of the same offers.
func (d *Diff) merge() {
	var merged []Change
	place := map[string]int{}
	for _, c := range d.Changes {
		key := c.content() + encoded(c.Offers)
		i, ok := place[key]
		if !ok {
			place[key], merged = len(merged), append(merged, c)
			continue
		}
		merged[i].Recipients = append(merged[i].Recipients, c.Recipients...)
	}
	d.Changes = append([]Change{}, merged...)
}

// sort puts what widens first.
func (d *Diff) sort() {
	slices.SortStableFunc(d.Changes, func(a, b Change) int { return cmp.Compare(a.rank(), b.rank()) })
	slices.SortStableFunc(d.People, func(a, b PersonChange) int { return cmp.Compare(a.rank(), b.rank()) })
	slices.SortStableFunc(d.Accept, func(a, b AcceptChange) int { return strings.Compare(string(b.Effect), string(a.Effect)) })
}

func (c Change) rank() int {
	for i, e := range []Effect{Wider, Other, Narrower} {
		if slices.Contains(c.Effects, e) {
			return i
		}
	}
	return 3
}
