package gateway

import "slices"

// Taken counts the places of one offer that referrals take, by allotment ("": of
// those that are nobody's) and dagdeel. What the export counts itself is not in it.
type Taken map[string]map[Dagdeel]int

// Add counts one person more, or less, on some dagdelen of an allotment.
func (t Taken) Add(allotment string, dagdelen []Dagdeel, by int) {
	for _, d := range dagdelen {
		if t[allotment] == nil {
			t[allotment] = map[Dagdeel]int{}
		}
		if t[allotment][d] += by; t[allotment][d] == 0 {
			delete(t[allotment], d)
		}
		if len(t[allotment]) == 0 {
			delete(t, allotment)
		}
	}
}

// AddAll counts all that is in other.
func (t Taken) AddAll(other Taken) {
	for allotment, counts := range other {
		for d, n := range counts {
			t.Add(allotment, []Dagdeel{d}, n)
		}
	}
}

// on counts what is taken of a dagdeel: of all, or of one allotment. What was
// taken of an allotment that is not in force counts as of nobody's.
func (t Taken) on(d Dagdeel, of func(allotment string) bool) (n int) {
	for allotment, counts := range t {
		if of(allotment) {
			n += counts[d]
		}
	}
	return n
}

// Has tells whether the offer has places on all of some dagdelen, taken or not.
func (o Offer) Has(dagdelen []Dagdeel) bool {
	return !slices.ContainsFunc(dagdelen, func(d Dagdeel) bool { return placesOf(o.Places, d).Maximum == 0 })
}

// Free is how many places of an allotment ("": of nobody's) are free on a
// dagdeel, on a day: below zero if more are taken than there are. It is never
// more than the offer as a whole has free.
func (o Offer) Free(allotment string, d Dagdeel, taken Taken, day Date) int {
	all := placesOf(o.Places, d)
	pool, valid := all, map[string]bool{}
	for _, a := range o.Allotments {
		if !day.Within(a.ValidFrom, a.ValidUntil) {
			continue
		}
		valid[a.ID] = true
		own := placesOf(a.Places, d)
		if a.ID == allotment {
			return min(own.Maximum-own.Occupied-taken[a.ID][d], o.freeOfAll(d, taken))
		}
		pool.Maximum -= own.Maximum
		pool.Occupied -= own.Occupied
	}
	if allotment != "" {
		return 0 // not in force
	}
	nobodys := taken.on(d, func(id string) bool { return !valid[id] })
	return min(pool.Maximum-max(0, pool.Occupied)-nobodys, o.freeOfAll(d, taken))
}

func (o Offer) freeOfAll(d Dagdeel, taken Taken) int {
	all := placesOf(o.Places, d)
	return all.Maximum - all.Occupied - taken.on(d, func(string) bool { return true })
}

// Fit finds where somebody can be placed on all of some dagdelen, on a day: in
// the first allotment of one of the parties that refer him, for whom the first
// counts first, that is for his grondslag or for any, or else among the places
// that are nobody's ("").
func (o Offer) Fit(parties []Recipient, grondslag string, dagdelen []Dagdeel, taken Taken, day Date) (allotment string, ok bool) {
	for _, id := range o.Pools(parties, grondslag, day) {
		if o.fits(id, dagdelen, taken, day) {
			return id, true
		}
	}
	return "", false
}

func (o Offer) fits(allotment string, dagdelen []Dagdeel, taken Taken, day Date) bool {
	return !slices.ContainsFunc(dagdelen, func(d Dagdeel) bool { return o.Free(allotment, d, taken, day) < 1 })
}

// Pools are the allotments in which Fit looks, in that order; the last is "".
func (o Offer) Pools(parties []Recipient, grondslag string, day Date) []string {
	var ids []string
	for _, r := range parties {
		for _, a := range o.Allotments {
			mine := a.Names(r) && (a.Grondslag == "" || a.Grondslag == grondslag) && day.Within(a.ValidFrom, a.ValidUntil)
			if mine && !slices.Contains(ids, a.ID) {
				ids = append(ids, a.ID)
			}
		}
	}
	return append(ids, "")
}

// With is the offer with what is taken counted as occupied: what others may see
// of its places follows from that. It shares nothing that it changes.
func (o Offer) With(taken Taken) Offer {
	if len(taken) == 0 {
		return o
	}
	o.Places = slices.Clone(o.Places)
	for i := range o.Places {
		o.Places[i].Occupied += taken.on(o.Places[i].Dagdeel, func(string) bool { return true })
	}
	o.Allotments = slices.Clone(o.Allotments)
	for i := range o.Allotments {
		a := &o.Allotments[i]
		a.Places = slices.Clone(a.Places)
		for j := range a.Places {
			a.Places[j].Occupied += taken[a.ID][a.Places[j].Dagdeel]
		}
	}
	return o
}

// Short lists the dagdelen on which referrals take more places than the offer, or
// one of its allotments, has at most, in the order of the week. An allotment that
// is gone, or not in force any more, is no reason: what was taken of it is of
// nobody's then.
func (o Offer) Short(taken Taken) []Dagdeel {
	var short []Dagdeel
	for _, d := range Dagdelen() {
		over := taken.on(d, func(string) bool { return true }) > placesOf(o.Places, d).Maximum
		for _, a := range o.Allotments {
			over = over || taken[a.ID][d] > placesOf(a.Places, d).Maximum
		}
		if over {
			short = append(short, d)
		}
	}
	return short
}

// Lowers tells whether an offer that takes the place of before has fewer places
// somewhere than are taken there, by referrals or by others, and fewer than
// before: an import that brings it is held. before is the zero Offer if there was
// none.
func (o Offer) Lowers(before Offer, taken Taken) bool {
	if len(taken) == 0 {
		return false
	}
	if len(o.Short(taken)) > 0 {
		return true
	}
	now := o.With(taken)
	for _, p := range now.Places {
		if p.Maximum < p.Occupied && p.Maximum < placesOf(before.Places, p.Dagdeel).Maximum {
			return true
		}
	}
	for _, a := range now.Allotments {
		for _, p := range a.Places {
			if p.Maximum < p.Occupied && p.Maximum < placesOf(allotmentOf(before, a.ID).Places, p.Dagdeel).Maximum {
				return true
			}
		}
	}
	return false
}

func allotmentOf(o Offer, id string) Allotment {
	if i := slices.IndexFunc(o.Allotments, func(a Allotment) bool { return a.ID == id }); i >= 0 {
		return o.Allotments[i]
	}
	return Allotment{}
}

func placesOf(all []Places, d Dagdeel) Places {
	if i := slices.IndexFunc(all, func(p Places) bool { return p.Dagdeel == d }); i >= 0 {
		return all[i]
	}
	return Places{Dagdeel: d}
}
