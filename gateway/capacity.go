package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Field names one thing of an offer that a policy can show or keep back. The
// names are those of the JSON properties of a capacity message.
type Field string

const (
	FieldTitle               Field = "title"
	FieldWerksoorten         Field = "werksoorten"
	FieldTrajectsoort        Field = "trajectsoort"
	FieldDienstverband       Field = "dienstverband"
	FieldDoelgroepen         Field = "doelgroepen"
	FieldGrondslag           Field = "grondslag"
	FieldFunctionaliteit     Field = "functionaliteit"
	FieldFase                Field = "fase"
	FieldTrede               Field = "trede"
	FieldBegeleiding         Field = "begeleiding"
	FieldAddress             Field = "location.address"
	FieldPostcode            Field = "location.postcode"
	FieldGemeente            Field = "location.gemeente"
	FieldCoordinates         Field = "location.coordinates"
	FieldMaximum             Field = "places.maximum"
	FieldAvailable           Field = "places.available"
	FieldAllotments          Field = "allotments"           // own allotments only: id, places, validity
	FieldAllotmentsAvailable Field = "allotments.available" // exact for a sole owner, else a band
	FieldStatus              Field = "status"
	FieldContact             Field = "contact"
	FieldAccessibility       Field = "accessibility"
)

// Fields lists every field, in the order in which people read an offer. The id,
// the provider and the validity of an offer come with any of them.
func Fields() []Field {
	return []Field{
		FieldTitle, FieldWerksoorten, FieldTrajectsoort, FieldDienstverband, FieldDoelgroepen, FieldGrondslag,
		FieldFunctionaliteit, FieldFase, FieldTrede, FieldBegeleiding, FieldAddress, FieldPostcode, FieldGemeente,
		FieldCoordinates, FieldMaximum, FieldAvailable, FieldAllotments, FieldAllotmentsAvailable, FieldStatus,
		FieldContact, FieldAccessibility,
	}
}

// Form is how a field is shown.
type Form string

const (
	None   Form = "none"
	Public Form = "plek" // plek or geen-plek, a week late
	Banded Form = "band" // vol, enkele or ruim, sampled
	Exact  Form = "exact"
)

// Forms are the forms a field can take, widest last. Availability is personal
// in disguise: no field of an offer as a whole shows it exactly.
func (f Field) Forms() []Form {
	switch f {
	case FieldAvailable:
		return []Form{None, Public, Banded}
	case FieldAllotmentsAvailable:
		return []Form{None, Banded, Exact}
	case FieldStatus:
		return []Form{None, Banded}
	default:
		return []Form{None, Exact}
	}
}

// Wider tells whether g shows more than f.
func (f Form) Wider(g Form) bool { return g.rank() > f.rank() }

func (f Form) rank() int { return slices.Index([]Form{None, Public, Banded, Exact}, f) }

// Capacity is the data of a capacity message: a full snapshot of one offer as
// one recipient may see it, or its withdrawal.
type Capacity struct {
	Offer           string             `json:"offer"`
	Provider        OIN                `json:"provider"`
	Withdrawn       bool               `json:"withdrawn,omitempty"`
	Title           string             `json:"title,omitempty"`
	Werksoorten     []string           `json:"werksoorten,omitempty"`
	Trajectsoort    string             `json:"trajectsoort,omitempty"`
	Dienstverband   string             `json:"dienstverband,omitempty"`
	Doelgroepen     []string           `json:"doelgroepen,omitempty"`
	Grondslag       string             `json:"grondslag,omitempty"`
	Functionaliteit string             `json:"functionaliteit,omitempty"`
	Fase            Range              `json:"fase,omitzero"`
	Trede           Range              `json:"trede,omitzero"`
	Begeleiding     Begeleiding        `json:"begeleiding,omitzero"`
	Location        CapacityLocation   `json:"location,omitzero"`
	Places          []CapacityPlaces   `json:"places,omitempty"`
	Allotments      []CapacityAllotted `json:"allotments,omitempty"`
	Status          Status             `json:"status,omitempty"`
	Contact         Contact            `json:"contact,omitzero"`
	Accessibility   []string           `json:"accessibility,omitempty"`
	ValidFrom       Date               `json:"validFrom,omitempty"`
	ValidUntil      Date               `json:"validUntil,omitempty"`
}

// CapacityLocation is the part of a location that may be seen.
type CapacityLocation struct {
	Address     Address      `json:"address,omitzero"`
	Postcode    string       `json:"postcode,omitempty"`
	Gemeente    Gemeente     `json:"gemeente,omitempty"`
	Coordinates *Coordinates `json:"coordinates,omitempty"`
}

// CapacityPlaces is one dagdeel: at most one of Available and Band is present.
type CapacityPlaces struct {
	Dagdeel   Dagdeel `json:"dagdeel"`
	Maximum   *int    `json:"maximum,omitempty"`
	Available *int    `json:"available,omitempty"`
	Band      Band    `json:"band,omitempty"`
}

// CapacityAllotted is an allotment of the recipient's own.
type CapacityAllotted struct {
	ID         string           `json:"id"`
	Grondslag  string           `json:"grondslag,omitempty"`
	Places     []CapacityPlaces `json:"places"`
	ValidFrom  Date             `json:"validFrom,omitempty"`
	ValidUntil Date             `json:"validUntil,omitempty"`
}

// Disclosure is what a decision lets one recipient see.
type Disclosure map[Field]Form

// Project makes the snapshot that a recipient may see: the offer's fields in
// the forms of the disclosure, and nothing else. It contains no time, so equal
// views of different moments are equal bytes. It refers to what the offer holds.
func Project(o Offer, s Sampling, r Recipient, show Disclosure) Capacity {
	c := Capacity{Offer: o.ID, Provider: o.Provider, ValidFrom: o.ValidFrom, ValidUntil: o.ValidUntil}
	shown := func(f Field) bool { return show[f] != "" && show[f] != None }
	set(&c.Title, o.Title, shown(FieldTitle))
	set(&c.Werksoorten, o.Werksoorten, shown(FieldWerksoorten))
	set(&c.Trajectsoort, o.Trajectsoort, shown(FieldTrajectsoort))
	set(&c.Dienstverband, o.Dienstverband, shown(FieldDienstverband))
	set(&c.Doelgroepen, o.Doelgroepen, shown(FieldDoelgroepen))
	set(&c.Grondslag, o.Grondslag, shown(FieldGrondslag))
	set(&c.Functionaliteit, o.Functionaliteit, shown(FieldFunctionaliteit))
	set(&c.Fase, o.Fase, shown(FieldFase))
	set(&c.Trede, o.Trede, shown(FieldTrede))
	set(&c.Begeleiding, o.Begeleiding, shown(FieldBegeleiding))
	set(&c.Location.Address, o.Location.Address, shown(FieldAddress))
	set(&c.Location.Postcode, o.Location.Postcode, shown(FieldPostcode))
	set(&c.Location.Gemeente, o.Location.Gemeente, shown(FieldGemeente))
	set(&c.Location.Coordinates, o.Location.Coordinates, shown(FieldCoordinates))
	set(&c.Contact, o.Contact, shown(FieldContact))
	set(&c.Accessibility, o.Accessibility, shown(FieldAccessibility))
	set(&c.Status, s.Current.Status, shown(FieldStatus))
	c.Places = projectPlaces(o.Places, shown(FieldMaximum), show[FieldAvailable], s)
	if shown(FieldAllotments) {
		c.Allotments = projectAllotments(o, s, r, show[FieldAllotmentsAvailable])
	}
	return c
}

func set[T any](to *T, value T, ok bool) {
	if ok {
		*to = value
	}
}

func projectPlaces(places []Places, maximum bool, form Form, s Sampling) []CapacityPlaces {
	if !maximum && (form == "" || form == None) {
		return nil
	}
	sample := &s.Current
	if form == Public {
		sample = s.Previous
	}
	if len(places) == 0 {
		return nil
	}
	shown := make([]CapacityPlaces, 0, len(places))
	for i := range places {
		p := &places[i]
		c := CapacityPlaces{Dagdeel: p.Dagdeel}
		if maximum {
			c.Maximum = &p.Maximum
		}
		if sample != nil {
			if free, ok := sample.Places[p.Dagdeel]; ok {
				c.Band = bandIn(form, free, p.Maximum)
			}
		}
		shown = append(shown, c)
	}
	return shown
}

func bandIn(form Form, free, maximum int) Band {
	switch form {
	case Public:
		return PublicBand(free)
	case Banded:
		return BandOf(free, maximum)
	}
	return ""
}

// projectAllotments shows a recipient its own allotments only. The exact number
// of free places is for a sole owner; whoever shares sees the sampled band.
func projectAllotments(o Offer, s Sampling, r Recipient, form Form) []CapacityAllotted {
	var shown []CapacityAllotted
	for _, a := range o.Allotments {
		if !a.Names(r) {
			continue
		}
		c := CapacityAllotted{ID: a.ID, Grondslag: a.Grondslag, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil}
		for i := range a.Places {
			p := &a.Places[i]
			cp := CapacityPlaces{Dagdeel: p.Dagdeel, Maximum: &p.Maximum}
			free, sampled := s.Current.Allotments[a.ID][p.Dagdeel]
			switch {
			case form == Exact && a.SoleOwner(r):
				exact := p.Available()
				cp.Available = &exact
			case (form == Exact || form == Banded) && sampled:
				cp.Band = BandOf(free, p.Maximum)
			}
			c.Places = append(c.Places, cp)
		}
		shown = append(shown, c)
	}
	return shown
}

// Expired tells whether the offer's last day is over: it is then never shown as
// available, whatever it says.
func (c Capacity) Expired(day Date) bool { return c.ValidUntil != "" && day > c.ValidUntil }

// Hash is SHA-256 in lower-case hex, as everywhere in messages and journal.
func Hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
