package gateway

import "time"

// Referral is where one referral stands, as the provider's node, the only
// authority over it, says. It is what a referral-state message carries, whole:
// any later state repairs the loss of an earlier one. It says nothing of whom it
// is about; what a provider needs to know is in a Need, and in a Handover later.
type Referral struct {
	ID        string         `json:"referral"` // random, made by the referrer for this; no reference of any admin
	Follows   string         `json:"follows,omitempty"`
	Offer     string         `json:"offer,omitempty"`
	Provider  OIN            `json:"provider"`
	Referrer  OIN            `json:"referrer"`
	Principal OIN            `json:"principal,omitempty"` // for whom the referrer acts
	Number    uint64         `json:"number"`              // rises by 1 with each state and each answer, from 1
	Status    ReferralStatus `json:"status,omitempty"`    // empty: there is no referral, only the answer
	Since     time.Time      `json:"since"`               // when this state was committed
	Reason    string         `json:"reason,omitempty"`    // of the code list that the act asks for
	Date      Date           `json:"date,omitempty"`      // of what the state is about: introduction, start, end of a hold
	Dagdelen  []Dagdeel      `json:"dagdelen,omitempty"`  // asked for; booked from "geaccepteerd" on
	Allotment string         `json:"allotment,omitempty"` // from which they are booked; "": from the places that are nobody's
	Due       Date           `json:"due,omitempty"`       // of the next step; empty in a final state
	Answer    Answer         `json:"answer,omitzero"`     // to the last request
}

// Answer is what became of a request.
type Answer struct {
	Request string       `json:"request"` // its id
	Result  AnswerResult `json:"result"`
	Why     string       `json:"why,omitempty"` // code list antwoordreden, of a refusal
}

// AnswerResult is one of three.
type AnswerResult string

const (
	Committed AnswerResult = "committed"
	Stale     AnswerResult = "stale"   // it was made without knowing of a later state
	NotDone   AnswerResult = "refused" // for the reason that comes with it
)

// Why a provider does not do what it is asked; code list antwoordreden.
const (
	WhyNotNow  = "nu-niet"        // the table does not allow it in this state
	WhyNoOffer = "aanbod"         // unknown, expired, or not shown to the referrer
	WhyDagdeel = "dagdeel"        // the offer has none on a dagdeel that was asked
	WhyUnknown = "onbekend"       // no such referral of this referrer
	WhyFull    = "vol"            // no place; the waiting list is the alternative
	WhyOpen    = "al-aangemeld"   // a referral with this id stands already
	WhyFollows = "niet-te-volgen" // what it says to follow is none that ended so
	WhyDate    = "datum"          // a date lies too far back, or too far ahead
)

// ReferralRequest is what a referrer asks of a provider about one referral. Seen
// is the number of the last state it knew, and Incarnation that of the provider's
// database which committed it. In what begins a referral or recovers one it is the
// incarnation of the provider that the referrer knows of. A provider that is not
// known to read it is sent none.
type ReferralRequest struct {
	Referral string      `json:"referral"`
	Request  string      `json:"request"` // UUIDv7; the same at every try
	Act      ReferralAct `json:"act"`
	Seen     uint64      `json:"seen"`

	Incarnation uint64 `json:"incarnation,omitempty"`

	Reason string `json:"reason,omitempty"`
	Need   *Need  `json:"need,omitempty"`  // with refer and recover
	State  string `json:"state,omitempty"` // with recover: the last state as its provider signed it
}

// Need is the least that a provider needs in order to say whether there is a
// place. Which doelgroep somebody belongs to is not in it: the referrer compares
// that with the offer, and says that it fits.
type Need struct {
	Offer         string       `json:"offer"`
	CallFirst     bool         `json:"callFirst,omitempty"` // safety is at stake: nothing else is said but whom to call
	Contact       Functional   `json:"contact"`             // of the referrer
	Deputy        Functional   `json:"deputy,omitzero"`
	Fits          bool         `json:"fits,omitempty"`
	Informed      Informed     `json:"informed,omitzero"`
	Grondslag     string       `json:"grondslag,omitempty"`
	Trajectsoort  string       `json:"trajectsoort,omitempty"`
	Werksoorten   []string     `json:"werksoorten,omitempty"`
	Dagdelen      []Dagdeel    `json:"dagdelen,omitempty"`
	Fase          int          `json:"fase,omitempty"`
	Trede         int          `json:"trede,omitempty"`
	Begeleiding   *Begeleiding `json:"begeleiding,omitempty"`
	Accessibility []string     `json:"accessibility,omitempty"`
	From          Date         `json:"from,omitempty"`
	Postcode      string       `json:"postcode,omitempty"` // four digits
	MaxKm         int          `json:"maxKm,omitempty"`
	Follows       string       `json:"follows,omitempty"` // the referral after which this one comes
	Note          string       `json:"note,omitempty"`
}

// How far from the day on which a provider hears of them dates of a need may lie, in
// days: more than its referrer may say, for messages come late and clocks differ.
const (
	needWithin    = 2 * 366
	informedAhead = 1
)

// InReach tells whether the dates of a need that came in can be meant.
func (n Need) InReach(day Date) bool {
	first := day.AddDays(-needWithin)
	return (n.Informed.On == "" || n.Informed.On.Within(first, day.AddDays(informedAhead))) &&
		(n.From == "" || n.From.Within(first, day.AddDays(needWithin)))
}

// Informed says when and how the inhabitant was told of the referral.
type Informed struct {
	On  Date   `json:"on"`
	How string `json:"how"` // code list informatiewijze
}

// Handover is what guidance needs to know of a person, once a place is certain.
type Handover struct {
	Referral string `json:"referral"`
	Request  string `json:"request"`
	Seen     uint64 `json:"seen"`

	Incarnation uint64 `json:"incarnation,omitempty"` // as in a ReferralRequest

	Name      string   `json:"name"`
	Phone     string   `json:"phone,omitempty"`
	Email     string   `json:"email,omitempty"`
	Address   *Address `json:"address,omitempty"`
	Postcode  string   `json:"postcode,omitempty"`
	Reachable string   `json:"reachable,omitempty"` // when and how somebody is best reached
	Guidance  string   `json:"guidance,omitempty"`
	Contact   Contact  `json:"contact"` // who hands over, a person
}

// Booked tells whether a referral takes places in a state.
func (s ReferralStatus) Booked() bool {
	switch s {
	case Accepted, HandoverAsked, HandedOver, Started, OnHold, Resumed, CancelAsked:
		return true
	}
	return false
}

// Reasons is the code list from which a state has its reason, or "".
func (s ReferralStatus) Reasons() string {
	switch s {
	case Declined:
		return ActDecline.Reasons()
	case WithdrawnByRef, CancelAsked:
		return ActCancel.Reasons()
	case OnHold:
		return ActHold.Reasons()
	case Ended:
		return ActEnd.Reasons()
	}
	return ""
}

// stepWithin is how far the date of a step may lie from when it was committed, in
// days; a provider dates its own steps closer.
const stepWithin = 3 * 366

// InReach tells whether the date of a state that came in can be meant.
func (r Referral) InReach() bool {
	since := DateOf(r.Since)
	return r.Date == "" || r.Date.Within(since.AddDays(-stepWithin), since.AddDays(stepWithin))
}

// Check holds a state that came in to what a schema cannot say: its reason, where
// policy let it go with it, is of the code list of its status.
func (r Referral) Check(lists CodeLists, day Date) error {
	list := r.Status.Reasons()
	switch {
	case r.Reason == "":
		return nil
	case list == "":
		return Errorf(Invalid, "a referral %s has no reason", r.Status)
	}
	return lists.Check(list, r.Reason, day)
}

// Check holds a request that came in to what a schema cannot say: a reason where
// its act needs one.
func (q ReferralRequest) Check() error {
	if (q.Reason != "") != (q.Act.Reasons() != "") {
		return Errorf(Invalid, "%s needs a reason of the code list %s, and nothing else takes one", q.Act, q.Act.Reasons())
	}
	return nil
}
