package audit

import (
	"fmt"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Cells are the cells of the matrix for one recipient, to find that of a real
// offer. They come from what the rules can tell apart, not from deciding the
// offer: use them to hold what was sent against the table that people read. They
// are read-only.
type Cells struct {
	to    gateway.Recipient
	scope *policy.Scope
	cases []Case
}

// NewCells lists the cells for a recipient, as it is on the day, of that day and
// later.
func NewCells(p *policy.Policy, to gateway.Recipient, day gateway.Date) (*Cells, error) {
	s, err := policy.NewScope(to, day, p)
	if err != nil {
		return nil, err
	}
	cases, err := Cases(s, ByDisclosure)
	if err != nil {
		return nil, err
	}
	return &Cells{to, s, cases}, nil
}

// Of is what the cell of an offer shows on a day; nil if that is nothing.
func (c *Cells) Of(o *gateway.Offer, day gateway.Date) gateway.Disclosure {
	q := policy.Request{Kind: gateway.KindCapacity, Offer: o, Recipient: c.to, Day: day}
	for _, one := range c.cases {
		if one.Holds(c.scope, q) {
			return one.Decisions[0][0].Show
		}
	}
	return nil
}

// Widest is what any of the cells shows: each field in its widest form.
func (c *Cells) Widest() gateway.Disclosure {
	all := gateway.Disclosure{}
	for _, one := range c.cases {
		for f, form := range one.Decisions[0][0].Show {
			if known, ok := all[f]; !ok || known.Wider(form) {
				all[f] = form
			}
		}
	}
	return all
}

// Outside says what a snapshot holds that its cell does not show, by the names of
// fields and forms; nothing if it stays within.
func Outside(snapshot gateway.Capacity, show gateway.Disclosure) []string {
	if snapshot.Withdrawn {
		show = nil // which says no more than that the offer is gone
	} else if len(show) == 0 {
		return []string{"the offer itself"}
	}
	var beyond []string
	for _, f := range gateway.Fields() {
		most, shown := show[f]
		if !shown {
			most = gateway.None
		}
		if form := snapshot.Form(f); most.Wider(form) {
			beyond = append(beyond, fmt.Sprintf("%s as %s, at most %s", f, form, most))
		}
	}
	return beyond
}

// OutsideOwn says which allotments a snapshot of an offer holds that are not the
// recipient's, and of which it counts free places though others own them too.
func OutsideOwn(snapshot gateway.Capacity, o *gateway.Offer, to gateway.Recipient) []string {
	var beyond []string
	for _, held := range snapshot.Allotments {
		i := slices.IndexFunc(o.Allotments, func(a gateway.Allotment) bool { return a.ID == held.ID && a.Names(to) })
		counts := slices.ContainsFunc(held.Places, func(p gateway.CapacityPlaces) bool { return p.Available != nil })
		switch {
		case i < 0:
			beyond = append(beyond, "an allotment of others")
		case counts && !o.Allotments[i].SoleOwner(to):
			beyond = append(beyond, "exact numbers of a shared allotment")
		}
	}
	return beyond
}
