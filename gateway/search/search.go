// Package search finds places to work and learn that fit somebody: which of the
// offers that a party may see, how far they are to cycle, whether there is a
// place and in whose allotment, and why. It is pure. What is asked for is not
// kept and never leaves the node.
package search

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Offer is what may be seen of an offer. Others are the places of an own offer
// that are allotted to others, and Unallotted those that are to nobody: of the
// offers of other parties neither is known. Whoever searches only reads it.
type Offer struct {
	ProviderName string
	Capacity     *gateway.Capacity
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
	// Of which gemeenten the person was taken to be: for whoever counts that there
	// was no place.
	Gemeenten []gateway.Gemeente `json:"gemeenten,omitempty"`
}

// Find searches offers. The demand must have been checked. The same offers give
// the same result in whatever order they come.
func Find(m *Map, lists gateway.CodeLists, offers []Offer, d Demand) Result {
	f := finder{m: m, lists: lists, d: d, rides: map[spot]length{}}
	f.start()
	order := Groups()
	groups := make([]best, len(order))
	for i := range groups {
		groups[i] = best{limit: d.limit(), compare: compare}
	}
	rejected := best{limit: d.limit(), compare: func(a, b *match) int {
		return cmp.Or(cmp.Compare(a.failed.count(), b.failed.count()), compare(a, b))
	}}
	var one match
	for i := range offers {
		f.match(&offers[i], &one)
		if one.failed != 0 && !d.Why {
			continue
		}
		group := &groups[slices.Index(order, one.group)]
		if one.failed == 0 && f.behind(&one, group.last()) {
			group.total++
			continue
		}
		f.measure(&one)
		switch {
		case one.failed == 0:
			group.add(&one)
		case d.Why:
			rejected.add(&one)
		}
	}
	result := Result{Groups: []FoundGroup{}, Searched: len(offers), Gemeenten: f.here}
	for i, g := range order {
		result.Fitting += groups[i].total
		out := FoundGroup{Group: g, Label: g.Label(), Total: groups[i].total, Found: []Found{}}
		for _, one := range groups[i].first() {
			out.Found = append(out.Found, f.found(one))
		}
		result.Groups = append(result.Groups, out)
	}
	for _, one := range rejected.first() {
		result.Rejected = append(result.Rejected, f.rejected(one))
	}
	result.Notes = f.notes(&result)
	return result
}

// best is the first of many matches in some order, at most limit: few are ever
// kept or sorted.
type best struct {
	limit   int
	compare func(a, b *match) int
	total   int      // that were added
	kept    []*match // at most twice the limit; once it was cut, the first limit in order
	cut     bool
}

// last is the match before which another must come to be one of the first; nil if
// there are not yet enough.
func (b *best) last() *match {
	if !b.cut {
		return nil
	}
	return b.kept[b.limit-1]
}

func (b *best) add(m *match) {
	b.total++
	if last := b.last(); last != nil && b.compare(m, last) > 0 {
		return
	}
	one := *m
	if b.kept = append(b.kept, &one); len(b.kept) == 2*b.limit {
		b.kept, b.cut = b.first(), true
	}
}

// first gives the first in order.
func (b *best) first() []*match {
	slices.SortFunc(b.kept, b.compare)
	return b.kept[:min(len(b.kept), b.limit)]
}

// compare puts the better match first; it knows no ties between two offers.
func compare(a, b *match) int {
	if n := a.missed.count() - b.missed.count(); n != 0 {
		return n
	}
	if n := cmp.Compare(a.km, b.km); n != 0 {
		return n
	}
	if n := a.unknown.count() - b.unknown.count(); n != 0 {
		return n
	}
	if n := a.room - b.room; n != 0 {
		return n
	}
	if n := strings.Compare(string(a.offer.Capacity.Provider), string(b.offer.Capacity.Provider)); n != 0 {
		return n
	}
	return strings.Compare(a.offer.Capacity.Offer, b.offer.Capacity.Offer)
}

// finder is one search under way.
type finder struct {
	m     *Map
	lists gateway.CodeLists
	d     Demand
	home  place
	ways  *ways // nil if nobody asks for a distance, or home is not known
	here  []gateway.Gemeente
	hard  criteria
	asked criteria        // and the date, which always counts
	rides map[spot]length // of this search
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

// notes says what a reader must know of the whole search.
func (f *finder) notes(r *Result) (notes []string) {
	switch {
	case f.d.Postcode != "" && f.ways == nil && f.d.MaxKm > 0:
		notes = append(notes, "De postcode staat niet op de kaart van dit knooppunt: fietsafstanden zijn onbekend, "+
			"en dat iemand hoogstens "+kilometres(f.d.MaxKm)+" kan fietsen, sluit niets uit.")
	case f.d.Postcode != "" && f.ways == nil:
		notes = append(notes, "De postcode staat niet op de kaart van dit knooppunt: fietsafstanden zijn onbekend.")
	case f.ways != nil:
		notes = append(notes, "Fietsafstanden zijn een schatting, vanaf het midden van het postcodegebied.")
	}
	for _, g := range r.Groups {
		if slices.ContainsFunc(g.Found, func(one Found) bool { return one.Ride != nil && one.Ride.NoWater }) {
			return append(notes, "Waar water niet is meegerekend, kan de weg veel langer zijn: kijk op een kaart waar een brug of een pont is.")
		}
	}
	return notes
}
