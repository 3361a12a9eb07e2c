package gateway

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// EventType says what happened at this node, for programs of its own
// organisation. It is a CloudEvents type.
type EventType string

const (
	EventReferralReceived EventType = "nl.doorstroom.referral-received.v1" // to this node
	EventReferralChanged  EventType = "nl.doorstroom.referral-changed.v1"  // one to this node, by this node
	EventReferralAnswered EventType = "nl.doorstroom.referral-answered.v1" // one by this node, by its provider
	EventReferralFailed   EventType = "nl.doorstroom.referral-failed.v1"   // a request of this node that did not reach its provider
	EventHandoverReceived EventType = "nl.doorstroom.handover-received.v1"
	EventReferralErased   EventType = "nl.doorstroom.referral-erased.v1"
	EventNotDelivered     EventType = "nl.doorstroom.not-delivered.v1" // a message was refused, is held, or was given up
	EventImportHeld       EventType = "nl.doorstroom.import-held.v1"
	EventOffersChanged    EventType = "nl.doorstroom.offers-changed.v1" // of another party

	// About a request to release or swap places of allotments, at its provider and at
	// who asks or gives.
	EventAllotmentProposed  EventType = "nl.doorstroom.allotment-proposed.v1"
	EventAllotmentSigned    EventType = "nl.doorstroom.allotment-signed.v1" // by one more, and others have yet to
	EventAllotmentCommitted EventType = "nl.doorstroom.allotment-committed.v1"
	EventAllotmentEnded     EventType = "nl.doorstroom.allotment-ended.v1" // without being in force, or no longer

	EventRestored EventType = "nl.doorstroom.restored.v1"      // the database was put back from a backup
	EventsMissed  EventType = "nl.doorstroom.events-missed.v1" // older ones are not kept any more
	EventTest     EventType = "nl.doorstroom.webhook-test.v1"
)

// EventTypes lists every type that is kept. EventsMissed and EventTest are made
// for one reader and never kept.
func EventTypes() []EventType {
	return []EventType{
		EventReferralReceived, EventReferralChanged, EventReferralAnswered, EventReferralFailed, EventHandoverReceived,
		EventReferralErased, EventNotDelivered, EventImportHeld, EventOffersChanged,
		EventAllotmentProposed, EventAllotmentSigned, EventAllotmentCommitted, EventAllotmentEnded, EventRestored,
	}
}

// EventSchema is the dataschema of every event.
const EventSchema = schemaBase + "event.v1.json"

// Operation is what somebody must be allowed to ask in order to see events of a
// type: an event tells nothing that the operation would not.
func (t EventType) Operation() Operation {
	switch t {
	case EventReferralReceived, EventReferralChanged, EventReferralAnswered, EventReferralFailed, EventHandoverReceived, EventReferralErased:
		return OpListReferrals
	case EventOffersChanged:
		return OpReceivedOffers
	case EventAllotmentProposed, EventAllotmentSigned, EventAllotmentCommitted, EventAllotmentEnded:
		return OpListAllotments
	}
	return OpStatus
}

// EventData is what an event tells: ids, codes, dates and numbers, and nothing of
// a person. Which of it there is depends on the type; whoever wants to know more
// asks for it.
type EventData struct {
	Referral      string          `json:"referral,omitempty"`
	Side          Side            `json:"side,omitempty"`  // of this node in the referral
	Party         OIN             `json:"party,omitempty"` // the other one
	Principal     OIN             `json:"principal,omitempty"`
	Number        uint64          `json:"number,omitempty"` // of the state
	Status        ReferralStatus  `json:"status,omitempty"`
	Owner         OIN             `json:"owner,omitempty"` // whose the next step is
	Due           Date            `json:"due,omitempty"`   // of the next step
	Asked         ReferralAct     `json:"asked,omitempty"` // by this node, and not answered yet
	Answer        AnswerResult    `json:"answer,omitempty"`
	Kind          string          `json:"kind,omitempty"`  // of messages
	State         DeliveryState   `json:"state,omitempty"` // of those messages
	Count         int             `json:"count,omitempty"`
	Offers        []string        `json:"offers,omitempty"`        // subjects of offers of Party, the first few of Count
	Request       string          `json:"request,omitempty"`       // about allotments
	Offer         string          `json:"offer,omitempty"`         // whose allotments that is about
	RequestStatus AllotmentStatus `json:"requestStatus,omitempty"` // where that request stands; Count have yet to sign it
	After         string          `json:"after,omitempty"`         // what was missed lies between these
	Until         string          `json:"until,omitempty"`
}

// EventPosition is the place of an event in the log of a node: numbers rise by
// one. After a restore they go on from the backup under a higher incarnation, so
// a position is of one event only.
type EventPosition struct{ Incarnation, Number uint64 }

// String is also the id of the event.
func (p EventPosition) String() string {
	return strconv.FormatUint(p.Incarnation, 10) + "-" + strconv.FormatUint(p.Number, 10)
}

// ParseEventPosition reads what String wrote.
func ParseEventPosition(text string) (EventPosition, error) {
	before, after, ok := strings.Cut(text, "-")
	incarnation, err1 := strconv.ParseUint(before, 10, 63)
	number, err2 := strconv.ParseUint(after, 10, 63)
	p := EventPosition{incarnation, number}
	if !ok || err1 != nil || err2 != nil || p.String() != text {
		return EventPosition{}, Errorf(Invalid, "a place in the events is the id of an event, such as 1795000000-42")
	}
	return p, nil
}

// CloudEvent is an event as programs get it: NL GOV CloudEvents, in the JSON format.
type CloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            EventType `json:"type"`
	Time            time.Time `json:"time"`
	Subject         string    `json:"subject,omitempty"` // of a referral: opaque, and the same for all of its events
	DataSchema      string    `json:"dataschema"`
	DataContentType string    `json:"datacontenttype"`
	Data            EventData `json:"data"`
}

// NewCloudEvent makes an event of a node; id is unique among all of it.
func NewCloudEvent(node OIN, id string, t EventType, at time.Time, subject string, data EventData) CloudEvent {
	return CloudEvent{
		SpecVersion: "1.0", ID: id, Source: node.URN() + ":systeem:doorstroom", Type: t, Time: at.UTC().Truncate(time.Millisecond),
		Subject: subject, DataSchema: EventSchema, DataContentType: "application/json", Data: data,
	}
}

// MissedEvents tells a reader that what lies between two places of the log is not
// kept any more: what it missed it finds in the lists.
func MissedEvents(node OIN, after, until EventPosition, now time.Time) CloudEvent {
	return NewCloudEvent(node, until.String()+"-missed", EventsMissed, now, "", EventData{After: after.String(), Until: until.String()})
}

// ParseEventTypes reads types as people write them: whole, or without
// nl.doorstroom. and .v1. None are all.
func ParseEventTypes(names []string) ([]EventType, error) {
	var types []EventType
	for _, name := range names {
		t := EventType(name)
		if !strings.HasPrefix(name, typePrefix) {
			t = EventType(TypeOf(name))
		}
		if !slices.Contains(EventTypes(), t) {
			return nil, Errorf(Invalid, "there is no such type of event; there are: %s", eventNames())
		}
		types = append(types, t)
	}
	return types, nil
}

// Name is a type as people write it.
func (t EventType) Name() string {
	return strings.TrimSuffix(strings.TrimPrefix(string(t), typePrefix), typeSuffix)
}

func eventNames() string {
	var names []string
	for _, t := range EventTypes() {
		names = append(names, t.Name())
	}
	return strings.Join(names, ", ")
}

// EventsGone is why a reader of events cannot go on from where it was: what comes
// next is not kept any more, or came after the backup that was put back since.
// What it missed is in the lists.
type EventsGone struct{ Begin EventPosition }

func (*EventsGone) Error() string { return "events were missed" }
