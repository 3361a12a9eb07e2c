package search

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// match is one offer against the demand.
type match struct {
	offer *Offer
	length
	failed  criteria // that must be met, and are not
	missed  criteria // wishes that are not met
	unknown criteria // of which the offer shows nothing
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

// match fills in m, but for how far it is. Of an offer that fails already it does
// not look at the places, unless somebody wants to know everything.
func (f *finder) match(o *Offer, m *match) {
	c, d := o.Capacity, &f.d
	*m = match{offer: o, length: nowhere()}
	f.judge(m, werksoort, oneOf(c.Werksoorten, d.Werksoorten))
	f.judge(m, trajectsoort, same(c.Trajectsoort, d.Trajectsoort))
	f.judge(m, fase, within(c.Fase, d.Fase))
	f.judge(m, trede, within(c.Trede, d.Trede))
	f.judge(m, doelgroep, oneOf(c.Doelgroepen, d.Doelgroepen))
	f.judge(m, toegankelijkheid, allOf(c.Accessibility, d.Toegankelijkheid))
	f.judge(m, taal, contains(c.Accessibility, simpleDutch))
	f.judge(m, datum, f.starts(c))
	if f.asked&begeleiding != 0 {
		f.judge(m, begeleiding, f.guidance(c.Begeleiding))
	}
	if c.Expired(d.From) || c.Withdrawn { // whatever is wished
		m.failed |= datum
	}
	if m.failed != 0 && !d.Why {
		return
	}
	seats := f.seatsOf(o)
	f.judge(m, dagdeel, seats.offered)
	if m.failed != 0 && !d.Why {
		return
	}
	m.group, m.room = seats.group(o)
	if len(f.here) > 0 && (m.group == Free || m.group == AllottedTo) {
		if g := f.gemeente(c); g != noGemeente && !slices.Contains(f.here, g) {
			m.group = Elsewhere
		}
	}
}

func (f *finder) judge(m *match, one criteria, v verdict) {
	switch {
	case v == fits || f.asked&one == 0:
	case v == unshown:
		m.unknown |= one
	case f.hard&one != 0:
		m.failed |= one
	default:
		m.missed |= one
	}
}

func same(shown, asked string) verdict {
	switch shown {
	case "":
		return unshown
	case asked:
		return fits
	}
	return fails
}

func contains(shown []string, asked string) verdict {
	switch {
	case len(shown) == 0:
		return unshown
	case slices.Contains(shown, asked):
		return fits
	}
	return fails
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

// gemeente is where the work is, if that can be known.
func (f *finder) gemeente(c *gateway.Capacity) gateway.Gemeente {
	if c.Location.Gemeente != noGemeente || c.Location.Postcode == "" {
		return c.Location.Gemeente
	}
	return f.m.Gemeente(c.Location.Postcode)
}
