package search

import (
	"math"

	"github.com/doorstroom/doorstroom/gateway"
)

// length is a way as far as ranking needs it.
type length struct {
	km   float64 // +Inf: not known
	last int     // node of the net
	off  float64
}

func nowhere() length { return length{km: math.Inf(1), last: -1} }

// spot is where an offer is, so that offers in one place share one way: its
// coordinates, or else its postcode and 0.
type spot struct{ a, b float64 }

func spotOf(l *gateway.CapacityLocation) spot {
	if c := l.Coordinates; c != nil && inNetherlands(*c) {
		return spot{c.Lat, c.Lon}
	}
	pc4, _ := pc4Of(l.Postcode)
	return spot{float64(pc4), 0}
}

// at is where an offer is; false if nobody asks how far, or that cannot be known.
func (f *finder) at(c *gateway.Capacity) (place, bool) {
	if f.ways == nil {
		return place{}, false
	}
	return f.m.find(Spot{Postcode: c.Location.Postcode, Coordinates: c.Location.Coordinates})
}

// measure judges how far an offer is. What is too far in a straight line has no
// need of a way, unless somebody wants to know everything.
func (f *finder) measure(m *match) {
	p, ok := f.at(m.offer.Capacity)
	if !ok {
		f.judge(m, afstand, unshown)
		return
	}
	straight := f.home.to(p.point) * detour
	if f.tooFar(straight) && f.hard&afstand != 0 && !f.d.Why {
		m.failed |= afstand
		return
	}
	key := spotOf(&m.offer.Capacity.Location)
	way, known := f.rides[key]
	if !known {
		way.km, way.last = f.ways.to(p.point)
		way.off = f.home.offKm + p.offKm
		f.rides[key] = way
	}
	m.length = way
	switch {
	case f.tooFar(straight): // also if no way is known
		f.judge(m, afstand, fails)
	case math.IsInf(m.km, 1):
		f.judge(m, afstand, unshown)
	case f.tooFar(m.km):
		f.judge(m, afstand, fails)
	}
}

// tooFar compares a distance as it is told.
func (f *finder) tooFar(km float64) bool { return f.d.MaxKm > 0 && tenths(km) > f.d.MaxKm }

// behind tells that an offer fits and comes after last, whatever way leads there.
// It saves finding that way; where it cannot tell it says no.
func (f *finder) behind(m, last *match) bool {
	if last == nil || m.missed.count() < last.missed.count() {
		return false
	}
	p, ok := f.at(m.offer.Capacity)
	if !ok {
		return false
	}
	straight := f.home.to(p.point) * detour
	if m.missed.count() == last.missed.count() && straight <= last.km {
		return false
	}
	return f.d.MaxKm == 0 || f.hard&afstand == 0 || !f.tooFar(f.ways.some(p.point))
}
