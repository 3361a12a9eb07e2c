// Package search finds places to work and learn that fit somebody: which of the
// offers that a party may see, how far they are to cycle, whether there is a
// place and in whose allotment, and why. It is pure. What is asked for is not
// kept and never leaves the node.
package search

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Offer is what may be seen of an offer. Others are the places of an own offer
// that are allotted to others, and Unallotted those that are to nobody: of the
// offers of other parties neither is known.
type Offer struct {
	ProviderName string
	Capacity     gateway.Capacity
	Own          bool
	Others       []gateway.CapacityAllotted
	Unallotted   []gateway.CapacityPlaces
}

// Group is a kind of place. A result is in one group.
type Group string

const (
	Allotted   Group = "eigen-toewijzing"   // a place in an allotment of one's own
	AllottedTo Group = "andere-toewijzing"  // one's own is full, or one has none, and others have places in theirs
	Free       Group = "vrije-plekken"      // a place outside allotments
	Unknown    Group = "plek-onbekend"      // it fits; whether there is a place is not shown
	Waiting    Group = "wachtlijst"         // it fits and is full
	Elsewhere  Group = "andere-gemeenten"   // a place outside one's own allotments, in another gemeente
	maxLimit         = 1000                 // results of a group, and rejected offers
	noGemeente       = gateway.Gemeente("") // not known
)

// Groups lists every group in the order of a report.
func Groups() []Group { return []Group{Allotted, AllottedTo, Free, Elsewhere, Unknown, Waiting} }

// Label is the Dutch name of a group.
func (g Group) Label() string {
	switch g {
	case Allotted:
		return "Binnen uw toewijzing"
	case AllottedTo:
		return "Binnen andere toewijzingen"
	case Free:
		return "Vrije plekken"
	case Elsewhere:
		return "Plekken in andere gemeenten"
	case Unknown:
		return "Past, maar of er plek is, is onbekend"
	case Waiting:
		return "Vol of wachtlijst"
	}
	return string(g)
}

// Found is one offer that fits.
type Found struct {
	Provider     gateway.OIN      `json:"provider"`
	ProviderName string           `json:"providerName,omitempty"`
	Offer        string           `json:"offer"`
	Title        string           `json:"title,omitempty"`
	Own          bool             `json:"own,omitempty"`
	Gemeente     gateway.Gemeente `json:"gemeente,omitempty"`
	Ride         *Ride            `json:"ride,omitempty"` // absent: not asked, or not known
	Missed       int              `json:"missed"`         // wishes that it does not meet
	Unknown      []Criterion      `json:"unknown,omitempty"`
	Text         string           `json:"text"` // why it fits, in Dutch
}

// Rejected is one offer that does not fit.
type Rejected struct {
	Provider     gateway.OIN `json:"provider"`
	ProviderName string      `json:"providerName,omitempty"`
	Offer        string      `json:"offer"`
	Title        string      `json:"title,omitempty"`
	Failed       []Criterion `json:"failed"`
	Text         string      `json:"text"` // why not, in Dutch
}

// FoundGroup is the results of one group, the best first: those that miss the
// fewest wishes, of these the nearest, of these those of which least is unknown.
type FoundGroup struct {
	Group Group   `json:"group"`
	Label string  `json:"label"`
	Total int     `json:"total"` // also those beyond the limit
	Found []Found `json:"found"`
}

// Result is what a search found.
type Result struct {
	Groups   []FoundGroup `json:"groups"`  // all of them, in the order of Groups
	Fitting  int          `json:"fitting"` // offers
	Searched int          `json:"searched"`
	Rejected []Rejected   `json:"rejected,omitempty"` // if it was asked, those that nearly fit first
	Notes    []string     `json:"notes,omitempty"`    // what to know of this search, in Dutch
}

// Find searches offers. The demand must have been checked. The same offers give
// the same result in whatever order they come.
func Find(m *Map, lists gateway.CodeLists, offers []Offer, d Demand) Result {
	f := finder{m: m, lists: lists, d: d, rides: map[string]length{}}
	f.start()
	all := make([]match, len(offers))
	var fitting, rejected []*match
	for i := range offers {
		one := &all[i]
		f.match(&offers[i], one)
		switch {
		case one.failed == 0:
			fitting = append(fitting, one)
		case d.Why:
			rejected = append(rejected, one)
		}
	}
	result := Result{Groups: []FoundGroup{}, Fitting: len(fitting), Searched: len(offers), Notes: f.notes()}
	slices.SortFunc(fitting, compare)
	for _, g := range Groups() {
		result.Groups = append(result.Groups, f.group(g, fitting))
	}
	slices.SortFunc(rejected, func(a, b *match) int {
		return cmp.Or(cmp.Compare(a.failed.count(), b.failed.count()), compare(a, b))
	})
	for _, one := range rejected[:min(len(rejected), d.limit())] {
		result.Rejected = append(result.Rejected, f.rejected(one))
	}
	return result
}

func (f *finder) group(g Group, fitting []*match) FoundGroup {
	out := FoundGroup{Group: g, Label: g.Label(), Found: []Found{}}
	for _, one := range fitting {
		if one.group != g {
			continue
		}
		if out.Total++; out.Total <= f.d.limit() {
			out.Found = append(out.Found, f.found(one))
		}
	}
	return out
}

// compare puts the better match first; it knows no ties between two offers.
func compare(a, b *match) int {
	if n := cmp.Compare(a.missed.count(), b.missed.count()); n != 0 {
		return n
	}
	if n := cmp.Compare(a.km, b.km); n != 0 {
		return n
	}
	if n := cmp.Compare(a.unknown.count(), b.unknown.count()); n != 0 {
		return n
	}
	if n := cmp.Compare(a.room, b.room); n != 0 {
		return n
	}
	if n := strings.Compare(string(a.offer.Capacity.Provider), string(b.offer.Capacity.Provider)); n != 0 {
		return n
	}
	return strings.Compare(a.offer.Capacity.Offer, b.offer.Capacity.Offer)
}

// length is a way as far as ranking needs it.
type length struct {
	km   float64
	last int // node of the net
	off  float64
}

func nowhere() length { return length{km: math.Inf(1), last: -1} }

// finder is one search under way.
type finder struct {
	m     *Map
	lists gateway.CodeLists
	d     Demand
	home  place
	ways  *ways // nil if nobody asks for a distance, or home is not known
	here  []gateway.Gemeente
	hard  criteria
	asked criteria          // and the date, which always counts
	rides map[string]length // by spot, of this search
}

func (f *finder) start() {
	f.here, f.hard, f.asked = f.m.Here(f.d), f.d.hard(), f.d.asked()|datum
	if f.d.Postcode == "" {
		return
	}
	home, ok := f.m.find(Spot{Postcode: f.d.Postcode})
	if !ok {
		return
	}
	f.home, f.ways = home, f.m.net.from(home.point)
}

// ride gives the way to an offer; km is +Inf if it is not known.
func (f *finder) ride(c *gateway.Capacity) length {
	if f.ways == nil {
		return nowhere()
	}
	var key [24]byte
	name := spotKey(key[:0], &c.Location)
	if known, ok := f.rides[string(name)]; ok {
		return known
	}
	way := nowhere()
	if p, ok := f.m.find(Spot{Postcode: c.Location.Postcode, Coordinates: c.Location.Coordinates}); ok {
		way.km, way.last = f.ways.to(p.point)
		way.off = f.home.offKm + p.offKm
	}
	f.rides[string(name)] = way
	return way
}

// notes says what a reader must know of the whole search.
func (f *finder) notes() (notes []string) {
	if f.d.Postcode != "" && f.ways == nil {
		notes = append(notes, "De postcode staat niet op de kaart van dit knooppunt: fietsafstanden zijn onbekend.")
	}
	if f.ways != nil {
		notes = append(notes, "Fietsafstanden zijn een schatting, vanaf het midden van het postcodegebied.")
	}
	return notes
}
