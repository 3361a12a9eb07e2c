package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Event is a decision that the journal tells of: fields were sent to a recipient
// by rules, or a rule kept an offer from it.
type Event struct {
	Day       gateway.Date
	Recipient gateway.OIN
	Fields    []gateway.Field
	Rules     []string
	DeniedBy  string // of a denial
	Policy    string // version that decided
}

// Replay is what a draft would have decided otherwise. The journal holds no
// offers: of a decision it tells by which rules it was taken, so the draft is
// asked about every case in which the policy of then decides so. Where they
// differ, what the draft would have done is possible, not certain.
type Replay struct {
	Draft   string         `json:"draft"` // version
	From    gateway.Date   `json:"from"`
	Until   gateway.Date   `json:"until"`
	Events  int            `json:"events"`
	Same    int            `json:"same"`    // the draft decides the same
	Unknown int            `json:"unknown"` // of a policy that was not kept, or about a party that left the register
	Changes []ReplayChange `json:"changes"`
	Now     Diff           `json:"now"` // of the offers of today, against the policy in force
}

// ReplayChange is what some decisions about one recipient would have been.
type ReplayChange struct {
	Recipient Who           `json:"recipient"`
	Was       string        `json:"was"` // shown or denied
	Count     int           `json:"count"`
	First     gateway.Date  `json:"first"`
	Last      gateway.Date  `json:"last"`
	Certain   bool          `json:"certain"` // whatever the offer was
	Wins      []FieldChange `json:"wins,omitempty"`
	Loses     []FieldChange `json:"loses,omitempty"`
	Other     bool          `json:"other,omitempty"` // other purpose, basis or retention
}

// replayer remembers what it found out about cases.
type replayer struct {
	draft *policy.Policy
	was   map[string]*policy.Policy
	cases map[string][]pair
}

// pair is what both decide in some case.
type pair struct{ was, is *gateway.Decision }

// NewReplay asks a draft about events; was are the policies of then by version,
// read in the world of today.
func NewReplay(draft *policy.Policy, was map[string]*policy.Policy, events []Event, from, until gateway.Date) (Replay, error) {
	r := Replay{Draft: draft.Version(), From: from, Until: until, Events: len(events), Changes: []ReplayChange{}}
	p := replayer{draft, was, map[string][]pair{}}
	place := map[string]int{}
	for _, e := range events {
		pairs, err := p.find(e)
		if err != nil {
			return Replay{}, err
		}
		change, differs := p.judge(e, pairs)
		switch {
		case len(pairs) == 0:
			r.Unknown++
		case !differs:
			r.Same++
		default:
			key := encoded(change)
			i, ok := place[key]
			if !ok {
				i = len(r.Changes)
				change.First = e.Day
				place[key], r.Changes = i, append(r.Changes, change)
			}
			c := &r.Changes[i]
			c.Count++
			c.First, c.Last = min(c.First, e.Day), max(c.Last, e.Day)
		}
	}
	return r, nil
}

// find gives the cases in which the policy of then decides as the event says.
func (p *replayer) find(e Event) ([]pair, error) {
	key := fmt.Sprint(e.Day, e.Recipient, e.Policy)
	all, known := p.cases[key]
	if !known {
		was, kept := p.was[e.Policy]
		party, there := p.draft.Env().Lookup(e.Recipient)
		if kept && there {
			s, err := policy.NewScope(party.RecipientOn(e.Day, gateway.KindCapacity, p.draft.Env().Lookup), e.Day, was, p.draft)
			if err != nil {
				return nil, err
			}
			if all, err = pairsOn(s, e.Day); err != nil {
				return nil, err
			}
		}
		p.cases[key] = all
	}
	return slices.DeleteFunc(slices.Clone(all), func(one pair) bool { return !e.is(one.was) }), nil
}

// pairsOn lists what both policies decide in the cases of a day.
func pairsOn(s *policy.Scope, day gateway.Date) ([]pair, error) {
	cases, err := Cases(s, func(both []*gateway.Decision) string {
		return strings.Join(both[0].Rules, " ") + "/" + both[0].DeniedBy + "/" + ByDisclosure(both)
	})
	if err != nil {
		return nil, err
	}
	var all []pair
	for _, c := range cases {
		if onDay(s, c, day) {
			all = append(all, pair{c.Decisions[0][0], c.Decisions[0][1]})
		}
	}
	return all, nil
}

func onDay(s *policy.Scope, c Case, day gateway.Date) bool {
	return !slices.ContainsFunc(c.Conditions, func(one Condition) bool {
		a := &s.Aspects[one.Aspect]
		return a.Key == policy.AspectDay && !slices.ContainsFunc(one.Cases, func(i int) bool {
			return slices.ContainsFunc(a.Cases[i].Atoms, func(x policy.Atom) bool { return day.Within(x.From, x.Until) })
		})
	})
}

// is tells whether the event can be this decision.
func (e Event) is(d *gateway.Decision) bool {
	if e.DeniedBy != "" {
		return d.DeniedBy == e.DeniedBy
	}
	shown := 0
	for _, f := range e.Fields {
		if d.Show[f] != "" {
			shown++
		}
	}
	return d.Allowed && slices.Equal(d.Rules, e.Rules) && shown == len(e.Fields) && len(d.Show) == shown
}

// judge takes together what the draft decides in all those cases.
func (p *replayer) judge(e Event, pairs []pair) (ReplayChange, bool) {
	c := ReplayChange{Recipient: Who{Recipient: string(e.Recipient)}, Was: "shown", Certain: true}
	if e.DeniedBy != "" {
		c.Was = "denied"
	}
	var first string
	differs := false
	for i, one := range pairs {
		change, other := changeOf(p.draft, one.was, one.is)
		differs = differs || other
		for _, f := range change.Fields {
			to := &c.Loses
			if f.Effect == Wider {
				to = &c.Wins
			}
			if !slices.Contains(*to, f) {
				*to = append(*to, f)
			}
		}
		c.Other = c.Other || slices.Contains(change.Effects, Other) || len(change.Fields) == 0 && change.Retention != nil
		if content := change.content(); i == 0 {
			first = content
		} else if content != first {
			c.Certain = false
		}
	}
	if party, ok := p.draft.Env().Lookup(e.Recipient); ok {
		c.Recipient.Name = party.Name
	}
	return c, differs
}

// Text is the replay in plain Dutch, with what it cannot know.
func (r Replay) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Wat beleid %s anders zou hebben gedaan van %s tot en met %s\n", brief(r.Draft), r.From, r.Until)
	fmt.Fprintf(&b, "Besluiten in het journaal: %d. Hetzelfde: %d. Niet na te gaan: %d.\n", r.Events, r.Same, r.Unknown)
	for _, c := range r.Changes {
		what := "keer iets getoond"
		if c.Was == "denied" {
			what = "keer iets geweigerd"
		}
		sure := "zou zeker anders zijn"
		if !c.Certain {
			sure = "kan anders zijn, dat hangt af van het aanbod van toen"
		}
		fmt.Fprintf(&b, "\n%s: %d %s (%s tot en met %s); %s\n", c.Recipient.Name, c.Count, what, c.First, c.Last, sure)
		for _, f := range slices.Concat(c.Wins, c.Loses) {
			fmt.Fprintf(&b, "  [%s] %s: was %s, wordt %s\n", effectText(f.Effect), f.Label, policy.FormText(f.Field, f.Old), policy.FormText(f.Field, f.New))
		}
		if c.Other {
			b.WriteString("  [anders] doel, grondslag of bewaartermijn\n")
		}
	}
	b.WriteString(`
Wat dit niet weet: het journaal bewaart geen aanbod. Het kent per besluit de ontvanger,
de velden en de regels. Mandaten en gemeenten zijn die van het register van nu. Berichten
die het beleid van toen niet maakte, staan niet in het journaal; van het aanbod van nu
staat hieronder wat er verschilt.

`)
	b.WriteString(r.Now.Text())
	return b.String()
}
