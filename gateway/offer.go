package gateway

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Dagdeel is a weekday and a part of the day: "ma-ochtend".
type Dagdeel string

// Dagdelen lists all 21 in the order of the week.
func Dagdelen() []Dagdeel {
	all := make([]Dagdeel, 0, 21)
	for _, day := range [...]string{"ma", "di", "wo", "do", "vr", "za", "zo"} {
		for _, part := range [...]string{"ochtend", "middag", "avond"} {
			all = append(all, Dagdeel(day+"-"+part))
		}
	}
	return all
}

// CompareDagdeel orders by the week; what is no dagdeel comes first.
func CompareDagdeel(a, b Dagdeel) int { return cmp.Compare(a.index(), b.index()) }

// Valid tells whether d is one of the 21.
func (d Dagdeel) Valid() bool { return d.index() >= 0 }

// index is the place in the week, or -1.
func (d Dagdeel) index() int {
	day, part, _ := strings.Cut(string(d), "-")
	i := slices.Index([]string{"ma", "di", "wo", "do", "vr", "za", "zo"}, day)
	j := slices.Index([]string{"ochtend", "middag", "avond"}, part)
	if i < 0 || j < 0 {
		return -1
	}
	return 3*i + j
}

// Status is what an offer says of itself, after the capacity status of FHIR
// SDOH Clinical Care.
type Status string

const (
	StatusCapacity   Status = "capacity"
	StatusNoCapacity Status = "no-capacity"
	StatusWaitlist   Status = "waitlist"
	StatusAssessment Status = "additional-assessment-required"
)

// Statuses lists every status.
func Statuses() []Status {
	return []Status{StatusCapacity, StatusNoCapacity, StatusWaitlist, StatusAssessment}
}

// Offer is what one leerwerkbedrijf offers in full, as only its own node knows
// it. What another party sees of it is a Capacity.
type Offer struct {
	ID              string      `json:"id"` // the admin's own reference, opaque
	Provider        OIN         `json:"provider"`
	Title           string      `json:"title"`
	Werksoorten     []string    `json:"werksoorten"`
	Trajectsoort    string      `json:"trajectsoort"`
	Dienstverband   string      `json:"dienstverband"`
	Doelgroepen     []string    `json:"doelgroepen,omitempty"`
	Grondslag       string      `json:"grondslag"`
	Functionaliteit string      `json:"functionaliteit"` // code list A–I
	Fase            Range       `json:"fase,omitzero"`   // 1–3
	Trede           Range       `json:"trede,omitzero"`  // 1–6
	Begeleiding     Begeleiding `json:"begeleiding,omitzero"`
	Location        Location    `json:"location"`
	Places          []Places    `json:"places"` // one per dagdeel, in the order of the week
	Allotments      []Allotment `json:"allotments,omitempty"`
	Status          Status      `json:"status,omitempty"` // empty: derived from the places
	Contact         Contact     `json:"contact,omitzero"`
	Accessibility   []string    `json:"accessibility,omitempty"`
	ValidFrom       Date        `json:"validFrom"`
	ValidUntil      Date        `json:"validUntil"`
	Updated         time.Time   `json:"updated,omitzero"` // when the admin last changed it
}

// Range is a closed range of small numbers.
type Range struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// Begeleiding is the guidance that comes with a place; Ratio is the number of
// participants per guide, 0 if unknown.
type Begeleiding struct {
	Soort       string `json:"soort"`
	Intensiteit string `json:"intensiteit,omitempty"`
	Ratio       int    `json:"ratio,omitempty"`
}

// Location is where the work is.
type Location struct {
	Address     Address      `json:"address,omitzero"`
	Postcode    string       `json:"postcode,omitempty"` // PC6, "2952AB"
	Gemeente    Gemeente     `json:"gemeente"`
	Coordinates *Coordinates `json:"coordinates,omitempty"`
}

// Address is a street address without its postcode.
type Address struct {
	Street string `json:"street"`
	Number string `json:"number"` // with additions
	City   string `json:"city"`
}

// Coordinates are ETRS89 (EPSG:4258) degrees.
type Coordinates struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Places counts the places of one dagdeel. The admin brings Maximum and
// Occupied; what is available follows.
type Places struct {
	Dagdeel  Dagdeel `json:"dagdeel"`
	Maximum  int     `json:"maximum"`
	Occupied int     `json:"occupied"`
}

// Available is never negative, also when an admin counts more people than
// places.
func (p Places) Available() int { return max(0, p.Maximum-p.Occupied) }

// Allotment reserves places per dagdeel for a set of gemeenten or parties
// during a period.
type Allotment struct {
	ID         string     `json:"id"`
	Gemeenten  []Gemeente `json:"gemeenten,omitempty"`
	Parties    []OIN      `json:"parties,omitempty"`
	Grondslag  string     `json:"grondslag,omitempty"` // allotted for one law only
	Places     []Places   `json:"places"`
	ValidFrom  Date       `json:"validFrom,omitempty"`
	ValidUntil Date       `json:"validUntil,omitempty"`
}

// Names tells whether the allotment names the recipient, by party or by one of
// its gemeenten.
func (a Allotment) Names(r Recipient) bool {
	if slices.Contains(a.Parties, r.Party) {
		return true
	}
	return slices.ContainsFunc(r.Gemeenten, func(g Gemeente) bool { return slices.Contains(a.Gemeenten, g) })
}

// SoleOwner tells whether the recipient is the only one the allotment names.
// Only a sole owner may see how many of the allotted places are taken: a set of
// owners would see each other's starts.
func (a Allotment) SoleOwner(r Recipient) bool {
	return len(a.Gemeenten)+len(a.Parties) == 1 && a.Names(r)
}

// Contact is the fixed contact person of an offer.
type Contact struct {
	Name  string `json:"name"`
	Role  string `json:"role,omitempty"`
	Phone string `json:"phone,omitempty"`
	Email string `json:"email,omitempty"`
}

// limits of one offer; schemas/capacity.v1.json states the same numbers.
const (
	MaxPlaces     = 10000 // per dagdeel
	MaxAllotments = 400
	maxText       = 200
)

var (
	idPattern       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	postcodePattern = regexp.MustCompile(`^[1-9][0-9]{3}[A-Z]{2}$`)
)

// Problem is one thing wrong with an offer: Field is the JSON name, Message is
// Dutch and repeats no value.
type Problem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Check gives everything that is wrong with the offer on a day; an offer with
// problems is never published.
func (o Offer) Check(lists CodeLists, day Date) []Problem {
	var c checker
	c.require("id", idPattern.MatchString(o.ID), "moet 1–64 letters, cijfers, punten of streepjes zijn")
	c.require("title", o.Title != "" && len(o.Title) <= maxText, "moet 1–200 tekens zijn")
	c.require("werksoorten", len(o.Werksoorten) > 0, "moet ten minste één werksoort noemen")
	c.codes(lists, day, "werksoorten", "werksoort", o.Werksoorten...)
	c.codes(lists, day, "trajectsoort", "trajectsoort", o.Trajectsoort)
	c.codes(lists, day, "dienstverband", "dienstverband", o.Dienstverband)
	c.codes(lists, day, "doelgroepen", "doelgroep", o.Doelgroepen...)
	c.codes(lists, day, "grondslag", "grondslag", o.Grondslag)
	c.codes(lists, day, "functionaliteit", "functionaliteit", o.Functionaliteit)
	c.codes(lists, day, "accessibility", "toegankelijkheid", o.Accessibility...)
	c.codes(lists, day, "location.gemeente", "gemeente", string(o.Location.Gemeente))
	c.require("fase", o.Fase.within(1, 3), "moet tussen 1 en 3 liggen, laagste eerst")
	c.require("trede", o.Trede.within(1, 6), "moet tussen 1 en 6 liggen, laagste eerst")
	if o.Begeleiding != (Begeleiding{}) {
		c.codes(lists, day, "begeleiding.soort", "begeleiding", o.Begeleiding.Soort)
		if o.Begeleiding.Intensiteit != "" {
			c.codes(lists, day, "begeleiding.intensiteit", "intensiteit", o.Begeleiding.Intensiteit)
		}
		c.require("begeleiding.ratio", o.Begeleiding.Ratio >= 0 && o.Begeleiding.Ratio <= 100, "moet tussen 0 en 100 liggen")
	}
	c.require("location.postcode", o.Location.Postcode == "" || postcodePattern.MatchString(o.Location.Postcode),
		"moet vier cijfers en twee hoofdletters zijn, zoals 2952AB")
	if p := o.Location.Coordinates; p != nil {
		c.require("location.coordinates", p.Lat >= 50 && p.Lat <= 54 && p.Lon >= 3 && p.Lon <= 8, "ligt niet in Nederland")
	}
	c.require("status", o.Status == "" || slices.Contains(Statuses(), o.Status), "is geen bekende status")
	c.require("validUntil", o.ValidFrom != "" && o.ValidUntil != "" && o.ValidFrom <= o.ValidUntil,
		"moet een datum zijn, niet vóór validFrom")
	c.places("places", o.Places)
	c.allotments(o, lists, day)
	return c.problems
}

func (r Range) within(low, high int) bool {
	return r == (Range{}) || (low <= r.Min && r.Min <= r.Max && r.Max <= high)
}

type checker struct{ problems []Problem }

func (c *checker) require(field string, ok bool, message string) {
	if !ok {
		c.problems = append(c.problems, Problem{Field: field, Message: message})
	}
}

func (c *checker) codes(lists CodeLists, day Date, field, list string, codes ...string) {
	for _, code := range codes {
		if lists.Check(list, code, day) != nil {
			c.require(field, false, "noemt een code die niet (meer) in codelijst "+list+" staat")
		}
	}
}

func (c *checker) places(field string, places []Places) {
	c.require(field, len(places) > 0, "moet ten minste één dagdeel hebben")
	for i, p := range places {
		c.require(field, p.Dagdeel.Valid(), "noemt een onbekend dagdeel")
		twice := slices.ContainsFunc(places[:i], func(other Places) bool { return other.Dagdeel == p.Dagdeel })
		c.require(field, !twice, "noemt een dagdeel twee keer")
		if p.Maximum < 0 || p.Maximum > MaxPlaces {
			c.require(field, false, fmt.Sprintf("maximum moet tussen 0 en %d liggen", MaxPlaces))
		}
		c.require(field, p.Occupied >= 0, "bezet mag niet negatief zijn")
	}
}

func (c *checker) allotments(o Offer, lists CodeLists, day Date) {
	if len(o.Allotments) > MaxAllotments {
		c.require("allotments", false, fmt.Sprintf("ten hoogste %d toedelingen", MaxAllotments))
	}
	seen := make(map[string]bool, len(o.Allotments))
	for _, a := range o.Allotments {
		c.require("allotments", idPattern.MatchString(a.ID) && !seen[a.ID], "elke toedeling heeft een eigen id")
		seen[a.ID] = true
		c.require("allotments", len(a.Gemeenten)+len(a.Parties) > 0, "een toedeling noemt gemeenten of partijen")
		for _, g := range a.Gemeenten {
			c.codes(lists, day, "allotments", "gemeente", string(g))
		}
		if a.Grondslag != "" {
			c.codes(lists, day, "allotments", "grondslag", a.Grondslag)
		}
		c.require("allotments", a.ValidFrom == "" || a.ValidUntil == "" || a.ValidFrom <= a.ValidUntil, "geldigheid loopt achteruit")
		c.places("allotments", a.Places)
	}
	if d, ok := o.overallotted(); ok {
		c.require("allotments", false, "samen meer dan het maximum op "+string(d))
	}
}

// overallotted finds a dagdeel on which, on some date, more is allotted than
// there are places. Sums change only where a validity begins, so those are the
// only dates to look at.
func (o Offer) overallotted() (Dagdeel, bool) {
	var maximum [22]int // by place in the week; what is no dagdeel, and refused for that, comes first
	for _, p := range o.Places {
		maximum[p.Dagdeel.index()+1] = p.Maximum
	}
	starts := []Date{o.ValidFrom}
	for _, a := range o.Allotments {
		if !slices.Contains(starts, a.ValidFrom) {
			starts = append(starts, a.ValidFrom)
		}
	}
	for _, day := range starts {
		var sum [22]int
		for _, a := range o.Allotments {
			if !day.Within(a.ValidFrom, a.ValidUntil) {
				continue
			}
			for _, p := range a.Places {
				i := p.Dagdeel.index() + 1
				if sum[i] += p.Maximum; sum[i] > maximum[i] {
					return p.Dagdeel, true
				}
			}
		}
	}
	return "", false
}

// Expired tells whether the offer's last day is over.
func (o Offer) Expired(day Date) bool { return o.ValidUntil != "" && day > o.ValidUntil }

// statusNow is the status the admin gave, or the one that follows from the
// places.
func (o Offer) statusNow() Status {
	if o.Status != "" {
		return o.Status
	}
	if slices.ContainsFunc(o.Places, func(p Places) bool { return p.Available() > 0 }) {
		return StatusCapacity
	}
	return StatusNoCapacity
}
