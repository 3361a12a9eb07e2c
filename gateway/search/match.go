package search

import (
	"math"
	"slices"
	"strconv"

	"github.com/doorstroom/doorstroom/gateway"
)

// match is one offer against the demand.
type match struct {
	offer *Offer
	length
	failed  criteria // that must be met, and are not
	missed  criteria // wishes that are not met
	unknown criteria // of which the offer shows nothing
	seats   seats
	group   Group
	room    int // how sure and how many places are free: 0 is best
}

// verdict is what an offer says of one criterion.
type verdict int

const (
	fits verdict = iota
	fails
	unshown // policy does not show it, or the provider did not tell: nobody assumes it
)

func (f *finder) match(o *Offer) match {
	c := &o.Capacity
	m := match{offer: o, length: nowhere(), seats: f.seatsOf(o)}
	judge := func(criterion Criterion, asked bool, v verdict) {
		switch {
		case !asked || v == fits:
		case v == unshown:
			m.unknown.add(criterion)
		case f.hard.has(criterion):
			m.failed.add(criterion)
		default:
			m.missed.add(criterion)
		}
	}
	d := &f.d
	judge(Werksoort, len(d.Werksoorten) > 0, oneOf(c.Werksoorten, d.Werksoorten))
	judge(Trajectsoort, d.Trajectsoort != "", oneOf(given(c.Trajectsoort), given(d.Trajectsoort)))
	judge(Fase, d.Fase != 0, within(c.Fase, d.Fase))
	judge(Trede, d.Trede != 0, within(c.Trede, d.Trede))
	judge(Doelgroep, len(d.Doelgroepen) > 0, oneOf(c.Doelgroepen, d.Doelgroepen))
	judge(Dagdeel, len(d.Dagdelen) > 0, m.seats.offered)
	judge(Begeleiding, d.Begeleiding != "" || d.Intensiteit != "", f.guidance(c.Begeleiding))
	judge(Toegankelijkheid, len(d.Toegankelijkheid) > 0, allOf(c.Accessibility, d.Toegankelijkheid))
	judge(Taal, d.LittleDutch, allOf(c.Accessibility, []string{simpleDutch}))
	judge(Datum, true, f.starts(c))
	if c.Expired(d.From) || c.Withdrawn {
		m.failed.add(Datum)
	}
	if m.failed != 0 && !d.Why {
		return m
	}
	m.length = f.ride(c)
	judge(Afstand, d.Postcode != "", f.reach(m.km))
	m.group, m.room = m.seats.group(o)
	if g := f.gemeente(c); (m.group == Free || m.group == AllottedTo) && g != noGemeente && len(f.here) > 0 && !slices.Contains(f.here, g) {
		m.group = Elsewhere
	}
	return m
}

func oneOf(shown, asked []string) verdict {
	if len(shown) == 0 {
		return unshown
	}
	for _, code := range asked {
		if slices.Contains(shown, code) {
			return fits
		}
	}
	return fails
}

func allOf(shown, asked []string) verdict {
	if len(shown) == 0 {
		return unshown
	}
	for _, code := range asked {
		if !slices.Contains(shown, code) {
			return fails
		}
	}
	return fits
}

func within(r gateway.Range, n int) verdict {
	switch {
	case r == gateway.Range{}:
		return unshown
	case r.Min <= n && n <= r.Max:
		return fits
	}
	return fails
}

// guidance compares the kind, and whether there is at least so much of it.
func (f *finder) guidance(b gateway.Begeleiding) verdict {
	if f.d.Begeleiding != "" && b.Soort != "" && b.Soort != f.d.Begeleiding {
		return fails
	}
	intensities := []string{"laag", "midden", "hoog"} // of the code list, the least first
	got, want := slices.Index(intensities, b.Intensiteit), slices.Index(intensities, f.d.Intensiteit)
	switch {
	case want >= 0 && got >= 0 && got < want:
		return fails
	case f.d.Begeleiding != "" && b.Soort == "" || f.d.Intensiteit != "" && (got < 0 || want < 0):
		return unshown
	}
	return fits
}

func (f *finder) starts(c *gateway.Capacity) verdict {
	if f.d.From.Within(c.ValidFrom, c.ValidUntil) {
		return fits
	}
	return fails
}

func (f *finder) reach(km float64) verdict {
	switch {
	case math.IsInf(km, 1):
		return unshown
	case f.d.MaxKm > 0 && tenths(km) > f.d.MaxKm: // as it is told
		return fails
	}
	return fits
}

// gemeente is where the work is, if that can be known.
func (f *finder) gemeente(c *gateway.Capacity) gateway.Gemeente {
	if c.Location.Gemeente != noGemeente || c.Location.Postcode == "" {
		return c.Location.Gemeente
	}
	return f.m.Gemeente(c.Location.Postcode)
}

// spotKey names where an offer is, so that offers in one place share one way.
func spotKey(to []byte, l *gateway.CapacityLocation) []byte {
	if p := l.Coordinates; p != nil {
		to = strconv.AppendInt(to, int64(math.Round(p.Lat*1e5)), 36)
		to = append(to, '/')
		return strconv.AppendInt(to, int64(math.Round(p.Lon*1e5)), 36)
	}
	return append(to, l.Postcode...)
}
