package gateway

import (
	"slices"
	"time"
)

// Shift moves places on one dagdeel from one allotment of an offer to another; ""
// is what is nobody's: places that are released go there.
type Shift struct {
	From    string  `json:"from,omitempty"`
	To      string  `json:"to,omitempty"`
	Dagdeel Dagdeel `json:"dagdeel"`
	Places  int     `json:"places"`
}

// AllotmentRequest asks the provider of an offer to release or swap places of
// allotments that are not used. Until every party that gives places has signed it
// the old allotment holds.
type AllotmentRequest struct {
	ID     string          `json:"id"`
	Offer  string          `json:"offer"`
	Shifts []Shift         `json:"shifts"`
	Asked  OIN             `json:"asked"` // who asks
	Givers []OIN           `json:"givers"`
	Signed map[OIN]string  `json:"signed,omitempty"` // the request as each giver signed it
	Status AllotmentStatus `json:"status"`
	Made   time.Time       `json:"made"`
	Ended  time.Time       `json:"ended,omitzero"`
}

// AllotmentStatus is where an AllotmentRequest stands.
type AllotmentStatus string

const (
	ShiftPending   AllotmentStatus = "wacht-op-handtekening"
	ShiftCommitted AllotmentStatus = "vastgelegd"
	ShiftInUse     AllotmentStatus = "in-gebruik" // the places were taken before all had signed
	ShiftDropped   AllotmentStatus = "ingetrokken"
)

// Waits lists the givers that have not signed.
func (r AllotmentRequest) Waits() []OIN {
	return slices.DeleteFunc(slices.Clone(r.Givers), func(oin OIN) bool { return r.Signed[oin] != "" })
}

// Shifted is the offer with other allotments. It is refused, with Conflict, where
// an allotment does not have the places that it gives free on a day, and with
// Invalid for what names no allotment or no places.
func (o Offer) Shifted(shifts []Shift, taken Taken, day Date) (Offer, error) {
	if len(shifts) == 0 {
		return o, Errorf(Invalid, "say which places go from which allotment to which")
	}
	out := o
	out.Allotments = slices.Clone(o.Allotments)
	for i := range out.Allotments {
		out.Allotments[i].Places = slices.Clone(out.Allotments[i].Places)
	}
	for _, s := range shifts {
		switch {
		case s.From == s.To || s.Places < 1 || !s.Dagdeel.Valid():
			return o, Errorf(Invalid, "places go from one allotment to another, on a dagdeel, one at least")
		case out.Free(s.From, s.Dagdeel, taken, day) < s.Places:
			return o, Errorf(Conflict, "so many places of the allotment are not free on %s", s.Dagdeel)
		}
		if !out.shift(s.From, s.Dagdeel, -s.Places) || !out.shift(s.To, s.Dagdeel, s.Places) {
			return o, Errorf(Invalid, "an allotment is not one of the offer")
		}
	}
	return out, nil
}

// shift changes one allotment of an offer that shares nothing; false if there is
// none such.
func (o *Offer) shift(allotment string, d Dagdeel, by int) bool {
	if allotment == "" {
		return true // what is left of the maximum
	}
	i := slices.IndexFunc(o.Allotments, func(a Allotment) bool { return a.ID == allotment })
	if i < 0 {
		return false
	}
	places := &o.Allotments[i].Places
	if j := slices.IndexFunc(*places, func(p Places) bool { return p.Dagdeel == d }); j >= 0 {
		(*places)[j].Maximum += by
		return true
	}
	*places = append(*places, Places{Dagdeel: d, Maximum: by})
	slices.SortFunc(*places, func(a, b Places) int { return CompareDagdeel(a.Dagdeel, b.Dagdeel) })
	return true
}
