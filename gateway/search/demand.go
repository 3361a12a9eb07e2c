package search

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Criterion is one thing that is asked of a place.
type Criterion string

const (
	Werksoort        Criterion = "werksoort"
	Trajectsoort     Criterion = "trajectsoort"
	Fase             Criterion = "fase"
	Trede            Criterion = "trede"
	Doelgroep        Criterion = "doelgroep"
	Dagdeel          Criterion = "dagdeel"
	Begeleiding      Criterion = "begeleiding"
	Toegankelijkheid Criterion = "toegankelijkheid"
	Taal             Criterion = "taal"
	Datum            Criterion = "datum"
	Afstand          Criterion = "afstand"
)

// Criteria lists every criterion.
func Criteria() []Criterion {
	return []Criterion{Werksoort, Trajectsoort, Fase, Trede, Doelgroep, Dagdeel, Begeleiding, Toegankelijkheid, Taal, Datum, Afstand}
}

// criteria is a set of them: a bit for each, in the order of Criteria.
type criteria uint16

const (
	werksoort criteria = 1 << iota
	trajectsoort
	fase
	trede
	doelgroep
	dagdeel
	begeleiding
	toegankelijkheid
	taal
	datum
	afstand
)

func setOf(all ...Criterion) (set criteria) {
	for i, c := range Criteria() {
		if slices.Contains(all, c) {
			set |= 1 << i
		}
	}
	return set
}

func (s criteria) count() int { return bits.OnesCount16(uint16(s)) }

func (s criteria) list() (all []Criterion) {
	for i, c := range Criteria() {
		if s&(1<<i) != 0 {
			all = append(all, c)
		}
	}
	return all
}

// simpleDutch is the code of the list toegankelijkheid for work that needs little
// Dutch: what an offer says of language.
const simpleDutch = "eenvoudig-nederlands"

// Demand is what somebody needs. What is left empty is not asked. Doelgroepen are
// compared here, at the referrer: they are in no message and in no file.
type Demand struct {
	Werksoorten      []string           `json:"werksoorten,omitempty"` // one of these
	Trajectsoort     string             `json:"trajectsoort,omitempty"`
	Fase             int                `json:"fase,omitempty"`             // 1–3
	Trede            int                `json:"trede,omitempty"`            // 1–6
	Doelgroepen      []string           `json:"doelgroepen,omitempty"`      // to which the person belongs: one of these will do
	Dagdelen         []gateway.Dagdeel  `json:"dagdelen,omitempty"`         // all of these
	Begeleiding      string             `json:"begeleiding,omitempty"`      // kind of guidance
	Intensiteit      string             `json:"intensiteit,omitempty"`      // at least so much
	Toegankelijkheid []string           `json:"toegankelijkheid,omitempty"` // all of these
	LittleDutch      bool               `json:"littleDutch,omitempty"`      // the person speaks little Dutch
	From             gateway.Date       `json:"from,omitempty"`             // "": today
	Postcode         string             `json:"postcode,omitempty"`         // where the person lives: PC4 or PC6, of which the four digits count
	MaxKm            float64            `json:"maxKm,omitempty"`            // that the person can cycle; 0: not asked
	Gemeenten        []gateway.Gemeente `json:"gemeenten,omitempty"`        // of the person; empty: that of the postcode, else those of the party that searches
	Wishes           []Criterion        `json:"wishes,omitempty"`           // criteria that would be nice
	Demands          []Criterion        `json:"demands,omitempty"`          // criteria that must be met, also those that are wishes otherwise
	Why              bool               `json:"why,omitempty"`              // tell of what does not fit, why not
	Limit            int                `json:"limit,omitempty"`            // results of each group; 0: 20
}

const defaultLimit = 20

func (d *Demand) limit() int {
	if d.Limit == 0 {
		return defaultLimit
	}
	return d.Limit
}

// Asked is which criteria the demand has. The date counts only where it was given.
func (d *Demand) Asked() []Criterion { return d.asked().list() }

func (d *Demand) asked() (set criteria) {
	for i, asked := range [...]bool{
		len(d.Werksoorten) > 0, d.Trajectsoort != "", d.Fase != 0, d.Trede != 0, len(d.Doelgroepen) > 0, len(d.Dagdelen) > 0,
		d.Begeleiding != "" || d.Intensiteit != "", len(d.Toegankelijkheid) > 0, d.LittleDutch, d.From != "", d.Postcode != "",
	} {
		if asked {
			set |= 1 << i
		}
	}
	return set
}

// hard is the criteria that an offer must meet. Guidance and language are wishes,
// because both can often be arranged.
func (d *Demand) hard() criteria {
	all := setOf(Criteria()...)
	return all&^(setOf(d.Wishes...)|begeleiding|taal) | setOf(d.Demands...)
}

// Check gives what is wrong with the demand on a day, without repeating what is
// in it.
func (d *Demand) Check(lists gateway.CodeLists, day gateway.Date) error {
	if err := d.checkCodes(lists, day); err != nil {
		return err
	}
	_, postcode := pc4Of(d.Postcode)
	switch {
	case d.Fase < 0 || d.Fase > 3:
		return gateway.Errorf(gateway.Invalid, "the fase is a number from 1 to 3")
	case d.Trede < 0 || d.Trede > 6:
		return gateway.Errorf(gateway.Invalid, "the trede is a number from 1 to 6")
	case d.Postcode != "" && !postcode:
		return gateway.Errorf(gateway.Invalid, "the postcode is four digits, such as 2952, or four digits and two letters")
	case !(d.MaxKm >= 0 && d.MaxKm <= 500): // also what is not a number
		return gateway.Errorf(gateway.Invalid, "the distance to cycle is a number of kilometres from 0 to 500")
	case d.MaxKm > 0 && d.Postcode == "":
		return gateway.Errorf(gateway.Invalid, "a distance to cycle needs the postcode of where the person lives")
	case d.Limit < 0 || d.Limit > maxLimit:
		return gateway.Errorf(gateway.Invalid, "the limit is a number from 1 to %d", maxLimit)
	}
	for _, c := range slices.Concat(d.Wishes, d.Demands) {
		if !slices.Contains(Criteria(), c) {
			return gateway.Errorf(gateway.Invalid, "a criterion is one of %v", Criteria())
		}
		if slices.Contains(d.Wishes, c) && slices.Contains(d.Demands, c) {
			return gateway.Errorf(gateway.Invalid, "the criterion %s is both a wish and a demand", c)
		}
		if c == Afstand && d.MaxKm == 0 {
			return gateway.Errorf(gateway.Invalid, "the criterion %s is a wish or a demand only with how far the person can cycle, and from which postcode", c)
		}
		if c != Datum && d.asked()&setOf(c) == 0 { // there is always a date
			return gateway.Errorf(gateway.Invalid, "the criterion %s is a wish or a demand, but nothing is asked for of it", c)
		}
	}
	if d.From != "" {
		if _, err := gateway.ParseDate(string(d.From)); err != nil {
			return err
		}
		if d.From < day {
			return gateway.Errorf(gateway.Invalid, "the day from which a place is needed is past")
		}
	}
	return nil
}

const maxAsked = 50 // of each list

func (d *Demand) checkCodes(lists gateway.CodeLists, day gateway.Date) error {
	gemeenten := make([]string, 0, len(d.Gemeenten))
	for _, g := range d.Gemeenten {
		gemeenten = append(gemeenten, string(g))
	}
	for _, asked := range []struct {
		list  string
		codes []string
	}{
		{"werksoort", d.Werksoorten}, {"trajectsoort", given(d.Trajectsoort)}, {"doelgroep", d.Doelgroepen},
		{"begeleiding", given(d.Begeleiding)}, {"intensiteit", given(d.Intensiteit)}, {"toegankelijkheid", d.Toegankelijkheid},
		{"gemeente", gemeenten},
	} {
		if len(asked.codes) > maxAsked {
			return gateway.Errorf(gateway.Limit, "a search names at most %d codes of a list", maxAsked)
		}
		for _, code := range asked.codes {
			if lists.Check(asked.list, code, day) != nil {
				return gateway.Errorf(gateway.Invalid, "code list %s has no such code, or not any more%s", asked.list, codesOf(lists, asked.list, day))
			}
		}
	}
	for i, dagdeel := range d.Dagdelen {
		if !dagdeel.Valid() || slices.Contains(d.Dagdelen[:i], dagdeel) {
			return gateway.Errorf(gateway.Invalid, "a dagdeel is a day and a part of it, such as di-ochtend, and is named once")
		}
	}
	return nil
}

// codesOf tells which codes there are on a day, but of long lists.
func codesOf(lists gateway.CodeLists, list string, day gateway.Date) string {
	var all []string
	for _, c := range lists[list].Codes {
		if day.Within(c.ValidFrom, c.ValidUntil) {
			all = append(all, c.Code)
		}
	}
	if len(all) > 30 {
		return ""
	}
	return "; it has " + strings.Join(all, ", ")
}

func given(code string) []string {
	if code == "" {
		return nil
	}
	return []string{code}
}
