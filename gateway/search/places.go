package search

import (
	"github.com/doorstroom/doorstroom/gateway"
)

// level is how many places are free of those that are asked about.
type level int

const (
	absent   level = iota // there are none on one of the dagdelen
	full                  // none is free on one of them
	hidden                // it is not shown
	some                  // at least one is free on all of them
	plenty                // ruim
	noNumber = -1
)

// free is a level, with the number of places where it may be known.
type free struct {
	level  level
	number int // noNumber: not known
}

// seats is what is known of the places of one offer on the dagdelen that are
// asked for, or on any if none are.
type seats struct {
	offered   verdict // whether there is work on all of them
	own       free    // the best of one's own allotments
	grondslag string  // for which that is, if for one only
	others    free    // of others, which only the provider knows
	rest      free    // outside allotments, which only the provider knows
	all       free    // together
	status    gateway.Status
}

func (f *finder) seatsOf(o *Offer) seats {
	c := o.Capacity
	s := seats{all: f.freeIn(c.Places), rest: f.freeIn(o.Unallotted), status: c.Status}
	for i := range c.Allotments {
		if a := &c.Allotments[i]; f.d.From.Within(a.ValidFrom, a.ValidUntil) {
			if got := f.freeIn(a.Places); got.better(s.own) {
				s.own, s.grondslag = got, a.Grondslag
			}
		}
	}
	for i := range o.Others {
		if a := &o.Others[i]; f.d.From.Within(a.ValidFrom, a.ValidUntil) {
			if got := f.freeIn(a.Places); got.better(s.others) {
				s.others = got
			}
		}
	}
	switch {
	case s.all.level == absent && len(c.Places) > 0:
		s.offered = fails
	case s.all.level == absent && s.own.level == absent:
		s.offered = unshown
	}
	if s.all.level <= hidden && s.all.level != full {
		s.all.level = byStatus(c.Status, len(f.d.Dagdelen) > 0)
	}
	return s
}

// byStatus is what is known of the places of an offer that shows only how it
// stands as a whole.
func byStatus(status gateway.Status, onDagdelen bool) level {
	switch {
	case status == gateway.StatusNoCapacity || status == gateway.StatusWaitlist:
		return full
	case status == gateway.StatusCapacity && !onDagdelen:
		return some
	}
	return hidden
}

func (a free) better(b free) bool {
	return a.level > b.level || a.level == b.level && a.number > b.number
}

// freeIn is the least over the dagdelen that are asked for; if none are, the best.
func (f *finder) freeIn(places []gateway.CapacityPlaces) free {
	if len(places) == 0 {
		return free{absent, noNumber}
	}
	if len(f.d.Dagdelen) == 0 {
		best := free{absent, noNumber}
		for i := range places {
			if got := freeOn(&places[i]); got.better(best) {
				best = got
			}
		}
		return best
	}
	least := free{plenty, gateway.MaxPlaces}
	for _, dagdeel := range f.d.Dagdelen {
		got := free{absent, noNumber}
		for i := range places {
			if places[i].Dagdeel == dagdeel {
				got = freeOn(&places[i])
			}
		}
		if least.better(got) {
			least = got
		}
	}
	return least
}

func freeOn(p *gateway.CapacityPlaces) free {
	switch {
	case p.Maximum != nil && *p.Maximum == 0:
		return free{absent, noNumber}
	case p.Available != nil && *p.Available > 0:
		return free{some, *p.Available}
	case p.Available != nil:
		return free{full, 0}
	}
	switch p.Band {
	case gateway.Vol, gateway.GeenPlek:
		return free{full, noNumber}
	case gateway.Enkele, gateway.Plek:
		return free{some, noNumber}
	case gateway.Ruim:
		return free{plenty, noNumber}
	}
	return free{hidden, noNumber}
}

// group tells where the place is, and how good the chance of it.
func (s *seats) group(o *Offer) (Group, int) {
	room := func(l level) int { return int(plenty - l) }
	switch {
	case s.own.level >= some:
		return Allotted, room(s.own.level)
	case o.Own && s.rest.level >= some:
		return Free, room(s.rest.level)
	case o.Own && s.others.level >= some:
		return AllottedTo, room(s.others.level)
	case o.Own, s.all.level == full || s.status == gateway.StatusWaitlist:
		return Waiting, room(full)
	case s.all.level >= some && s.own.level == full:
		return AllottedTo, room(s.all.level)
	case s.all.level >= some:
		return Free, room(s.all.level)
	case s.own.level == full:
		return Waiting, room(full)
	}
	return Unknown, room(hidden)
}
