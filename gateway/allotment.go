package gateway

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Shift moves places on one dagdeel from one allotment of an offer to another; ""
// is what is nobody's: places that are released go there. In what is asked of a
// provider a party may stand for its allotment, by its OIN: others do not know the
// name of it.
type Shift struct {
	From    string  `json:"from,omitempty"`
	To      string  `json:"to,omitempty"`
	Dagdeel Dagdeel `json:"dagdeel"`
	Places  int     `json:"places"`
}

// Bounds of a request about allotments.
const (
	MaxShifts = 50
	// ShiftLife is for how long those who give may sign, if the request says nothing.
	ShiftLife = 14 * 24 * time.Hour
	// MaxShiftLife bounds what it may say.
	MaxShiftLife = 60 * 24 * time.Hour
)

// AllotmentAsk is what a provider is asked, in the bytes that the asker and every
// party that gives places sign.
type AllotmentAsk struct {
	ID       string    `json:"id"` // UUID, made by who asks
	Provider OIN       `json:"provider"`
	Asked    OIN       `json:"asked"` // who asks
	Offer    string    `json:"offer"`
	Shifts   []Shift   `json:"shifts"`
	Made     time.Time `json:"made"`
	Until    time.Time `json:"until"` // lapses after that
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// Check refuses, with Invalid, what no provider could do. Of what comes from others
// schemas/allotment-ask.v1.json judged each value before, by the same bounds; what
// values say together is judged here alone.
func (a AllotmentAsk) Check() error {
	switch {
	case !uuidPattern.MatchString(a.ID):
		return Errorf(Invalid, "the id of a request is a UUID")
	case !idPattern.MatchString(a.Offer):
		return Errorf(Invalid, "name the offer by its id")
	case len(a.Shifts) == 0 || len(a.Shifts) > MaxShifts:
		return Errorf(Invalid, "say which places go from which allotment to which, %d times at most", MaxShifts)
	case !a.Until.After(a.Made) || a.Until.Sub(a.Made) > MaxShiftLife:
		return Errorf(Invalid, "a request waits for signatures for %d days at most", int(MaxShiftLife.Hours()/24))
	}
	for _, s := range a.Shifts {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Shift) check() error {
	named := func(id string) bool { return id == "" || idPattern.MatchString(id) }
	if s.From == s.To || s.Places < 1 || s.Places > MaxPlaces || !s.Dagdeel.Valid() || !named(s.From) || !named(s.To) {
		return Errorf(Invalid, "places go from one allotment to another, on a dagdeel, one at least")
	}
	return nil
}

// AllotmentState is what the provider, who alone decides it, says of a request.
type AllotmentState struct {
	ID          string          `json:"id"`
	Number      uint64          `json:"number"` // rises with every change; 0: nothing of it is kept
	Incarnation uint64          `json:"incarnation"`
	Status      AllotmentStatus `json:"status"`
	Reason      AllotmentReason `json:"reason,omitempty"`
	By          OIN             `json:"by,omitempty"`     // who refused
	Givers      []OIN           `json:"givers,omitempty"` // who must sign
	Signed      []OIN           `json:"signed,omitempty"` // of those, who have
	Ended       time.Time       `json:"ended,omitzero"`
}

// Newer tells whether a state is from after another: a later incarnation is no
// reason to believe a lower number, it comes from before a backup.
func (s AllotmentState) Newer(than AllotmentState) bool {
	return s.Number > than.Number || s.Number == than.Number && s.Incarnation > than.Incarnation
}

// AllotmentReason says why a request was refused.
type AllotmentReason string

const (
	AllotmentUnknown AllotmentReason = "onbekend"       // no such offer, allotment or request, or one that the party may not see
	AllotmentNobody  AllotmentReason = "niemand-tekent" // nobody in the register can sign for an allotment that gives
	AllotmentLimit   AllotmentReason = "te-veel"        // the party has too many requests open
)

// What letters about allotments say.
const (
	ShiftAsk      = "ask"
	ShiftSign     = "sign"
	ShiftRefuse   = "refuse"
	ShiftWithdraw = "withdraw"
	ShiftState    = "state"
)

// AllotmentLetter is what nodes tell each other about a request. Ask and Signed
// are tokens over the same bytes, those of an AllotmentAsk.
type AllotmentLetter struct {
	Issuer   OIN             `json:"issuer"`
	Audience OIN             `json:"audience"`
	Time     time.Time       `json:"time"`
	Says     string          `json:"says"`
	Ask      string          `json:"ask"`              // signed by who asks
	Signed   string          `json:"signed,omitempty"` // by the issuer, where it says sign
	Known    string          `json:"known,omitempty"`  // the last letter of the provider: it may have lost what it said
	State    *AllotmentState `json:"state,omitempty"`  // where it says state
}

// AllotmentRequest asks the provider of an offer to release or swap places of
// allotments that are not used. Until every party that gives places has signed it
// the old allotment holds. Shifts name allotments.
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
	Until  time.Time       `json:"until,omitzero"` // lapses after that
	Ask    string          `json:"ask,omitempty"`  // as who asks signed it
	Number uint64          `json:"number"`         // rises with every change
	By     OIN             `json:"by,omitempty"`   // who refused
	Told   map[OIN]string  `json:"told,omitempty"` // what each party was last told of it
}

// AllotmentStatus is where an AllotmentRequest stands.
type AllotmentStatus string

const (
	ShiftPending   AllotmentStatus = "wacht-op-handtekening"
	ShiftCommitted AllotmentStatus = "vastgelegd"
	ShiftInUse     AllotmentStatus = "in-gebruik" // the places were taken before all had signed
	ShiftDropped   AllotmentStatus = "ingetrokken"
	ShiftRefused   AllotmentStatus = "geweigerd"
	ShiftLapsed    AllotmentStatus = "verlopen"
	ShiftAdopted   AllotmentStatus = "overgenomen" // the export shows what was committed
	ShiftReplaced  AllotmentStatus = "vervangen"   // the export has other allotments since it was committed
)

// Waits lists the givers that have not signed.
func (r AllotmentRequest) Waits() []OIN {
	return slices.DeleteFunc(slices.Clone(r.Givers), func(oin OIN) bool { return r.Signed[oin] != "" })
}

// Parties are who may know of a request: who asks and who gives.
func (r AllotmentRequest) Parties() []OIN {
	all := append([]OIN{r.Asked}, r.Givers...)
	slices.Sort(all)
	return slices.Compact(all)
}

// State is what its parties are told of a request.
func (r AllotmentRequest) State(incarnation uint64) AllotmentState {
	signed := slices.DeleteFunc(slices.Clone(r.Givers), func(oin OIN) bool { return r.Signed[oin] == "" })
	return AllotmentState{
		ID: r.ID, Number: r.Number, Incarnation: incarnation, Status: r.Status, By: r.By, Givers: r.Givers, Signed: signed, Ended: r.Ended,
	}
}

// Shifted is the offer with other allotments. It is refused, with Conflict, where
// an allotment does not have the places that it gives free on a day, and with
// Invalid for what names no allotment or no places.
func (o Offer) Shifted(shifts []Shift, taken Taken, day Date) (Offer, error) {
	if len(shifts) == 0 {
		return o, Errorf(Invalid, "say which places go from which allotment to which")
	}
	out := o
	out.Allotments = cloneAllotments(o.Allotments)
	for _, s := range shifts {
		if err := s.check(); err != nil {
			return o, err
		}
		if out.Free(s.From, s.Dagdeel, taken, day) < s.Places {
			return o, Errorf(Conflict, "so many places of the allotment are not free on %s", s.Dagdeel)
		}
		if !shiftIn(out.Allotments, s.From, s.Dagdeel, -s.Places) || !shiftIn(out.Allotments, s.To, s.Dagdeel, s.Places) {
			return o, Errorf(Invalid, "an allotment is not one of the offer")
		}
	}
	return out, nil
}

// ShiftAllotments gives allotments with shifts that were committed, whatever is
// taken of them; what they hold of people stays where it is.
func ShiftAllotments(all []Allotment, shifts []Shift) []Allotment {
	out := cloneAllotments(all)
	for _, s := range shifts {
		shiftIn(out, s.From, s.Dagdeel, -s.Places)
		shiftIn(out, s.To, s.Dagdeel, s.Places)
	}
	return out
}

func cloneAllotments(all []Allotment) []Allotment {
	out := slices.Clone(all)
	for i := range out {
		out[i].Places = slices.Clone(out[i].Places)
	}
	return out
}

// shiftIn changes one of the allotments, which share nothing; false if there is
// none such.
func shiftIn(all []Allotment, id string, d Dagdeel, by int) bool {
	if id == "" {
		return true // what is left of the maximum
	}
	i := slices.IndexFunc(all, func(a Allotment) bool { return a.ID == id })
	if i < 0 {
		return false
	}
	places := &all[i].Places
	if j := slices.IndexFunc(*places, func(p Places) bool { return p.Dagdeel == d }); j >= 0 {
		(*places)[j].Maximum += by
		return true
	}
	*places = append(*places, Places{Dagdeel: d, Maximum: by})
	slices.SortFunc(*places, func(a, b Places) int { return CompareDagdeel(a.Dagdeel, b.Dagdeel) })
	return true
}

// Division names how places are divided: for whom, until when and how many, and
// nothing of who takes them. Equal divisions have equal names, in whatever order
// an export lists them.
func Division(all []Allotment) string {
	division := cloneAllotments(all)
	for i := range division {
		a := &division[i]
		a.Places = slices.DeleteFunc(a.Places, func(p Places) bool { return p.Maximum == 0 })
		for j := range a.Places {
			a.Places[j].Occupied = 0
		}
		if len(a.Places) == 0 {
			a.Places = nil
		}
		slices.SortFunc(a.Places, func(a, b Places) int { return CompareDagdeel(a.Dagdeel, b.Dagdeel) })
		a.Gemeenten, a.Parties = slices.Clone(a.Gemeenten), slices.Clone(a.Parties)
		slices.Sort(a.Gemeenten)
		slices.Sort(a.Parties)
	}
	slices.SortFunc(division, func(a, b Allotment) int { return strings.Compare(a.ID, b.ID) })
	b, err := json.Marshal(division)
	if err != nil {
		panic("allotments are plain data: " + err.Error())
	}
	return Hash(b)
}
