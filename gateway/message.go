package gateway

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Message kinds and their types on the wire.
const (
	KindCapacity      = "capacity"       // snapshot or withdrawal of one offer
	KindCapacityState = "capacity-state" // the list of all offers shown: what is not in it is gone

	// Kinds that concern a person travel and rest encrypted: see Confidential.
	KindReferral       = "referral"        // a referrer's request to a provider
	KindReferralState  = "referral-state"  // the provider's full current state of a referral
	KindHandover       = "handover"        // personal contact data, referrer to provider
	KindSubjectRequest = "subject-request" // rectification, erasure or restriction is asked
	KindSubjectAnswer  = "subject-answer"  // what was done about it

	typePrefix = "nl.doorstroom."
	typeSuffix = ".v1"
	schemaBase = "https://doorstroom.example/schemas/"

	// MaxLifetime bounds expires − time of a message.
	MaxLifetime = 30 * 24 * time.Hour
	// ClockSkew is how far the clocks of two parties may lie apart.
	ClockSkew = 5 * time.Minute
	// ClockLost is how far a node's time may be ahead of its clock before nobody
	// would wait for the clock to catch up.
	ClockLost = 24 * time.Hour
	// DedupeMargin is how long after its expiry a message id is remembered.
	DedupeMargin = 30 * 24 * time.Hour
)

// Message is an NL GOV CloudEvent 1.1 with the extension attributes of
// Doorstroom, as docs/protocol.md describes them.
type Message struct {
	ID          string    // UUIDv7
	Source      OIN       // who sends and signs
	Kind        string    // capacity, …
	Time        time.Time // when the message was logged
	Recipient   OIN
	Expires     time.Time // at most 30 days after Time
	Subject     string    // opaque, never personal
	Sequence    uint64    // strictly increasing per sender, recipient and subject
	Incarnation uint64    // rises when the sender is restored from a backup
	Principal   OIN       // for whom the sender acts; empty: for itself
	TraceParent string    // W3C trace context
	Data        RawJSON
	Nonce       string // of confidential kinds: see NewNonce; Encode pads what has one
}

// Event is a Message on the wire. CloudEvents integers have 32 bits, so
// sequence and incarnation travel as decimal strings.
type Event struct {
	SpecVersion     string  `json:"specversion"`
	ID              string  `json:"id"`
	Source          string  `json:"source"`
	Type            string  `json:"type"`
	Time            string  `json:"time"`
	DataSchema      string  `json:"dataschema"`
	DataContentType string  `json:"datacontenttype"`
	Recipient       string  `json:"recipient"`
	Expires         string  `json:"expires"`
	Subject         string  `json:"subject"`
	Sequence        string  `json:"sequence"`
	Incarnation     string  `json:"incarnation"`
	Principal       string  `json:"principal,omitempty"`
	TraceParent     string  `json:"traceparent,omitempty"`
	Data            RawJSON `json:"data"`
	Nonce           string  `json:"nonce,omitempty"`
	Padding         string  `json:"padding,omitempty"`
}

// Confidential tells whether messages of a kind concern a person: only the
// recipient may read them, on the way and at rest.
func Confidential(kind string) bool {
	switch kind {
	case KindReferral, KindReferralState, KindHandover, KindSubjectRequest, KindSubjectAnswer:
		return true
	}
	return false
}

// Kinds lists every kind of message.
func Kinds() []string {
	return []string{
		KindCapacity, KindCapacityState, KindReferral, KindReferralState, KindHandover, KindSubjectRequest, KindSubjectAnswer,
	}
}

// TypeOf is the CloudEvents type of a kind.
func TypeOf(kind string) string { return typePrefix + kind + typeSuffix }

// SchemaOf is the dataschema of a kind.
func SchemaOf(kind string) string { return schemaBase + kind + typeSuffix + ".json" }

// Encode writes the message as the bytes that are signed: the same message
// gives the same bytes at every attempt. Times have whole seconds, in UTC.
func (m Message) Encode() []byte {
	b := m.encode()
	if m.Nonce != "" {
		b = pad(b, m.Nonce)
	}
	return b
}

func (m Message) encode() []byte {
	if b, ok := m.appendPlain(make([]byte, 0, 640+len(m.Data))); ok {
		return b
	}
	e := Event{
		SpecVersion: "1.0", ID: m.ID, Source: m.Source.URN(), Type: TypeOf(m.Kind), Time: FormatTime(m.Time),
		DataSchema: SchemaOf(m.Kind), DataContentType: "application/json", Recipient: m.Recipient.URN(),
		Expires: FormatTime(m.Expires), Subject: m.Subject, Sequence: strconv.FormatUint(m.Sequence, 10),
		Incarnation: strconv.FormatUint(m.Incarnation, 10), TraceParent: m.TraceParent, Data: m.Data,
	}
	if m.Principal != "" {
		e.Principal = m.Principal.URN()
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic("message data is JSON that was validated: " + err.Error())
	}
	return b
}

// appendPlain writes a message in which no text needs escaping and the data has
// the form in which encoding/json writes it, which is nearly every one. The bytes
// are the same.
func (m Message) appendPlain(b []byte) (_ []byte, ok bool) {
	for _, text := range [...]string{m.ID, string(m.Source), m.Kind, string(m.Recipient), m.Subject, string(m.Principal), m.TraceParent} {
		if !AsItIs([]byte(text)) {
			return nil, false
		}
	}
	if !settled(m.Data) {
		return nil, false
	}
	b = append(append(b, `{"specversion":"1.0","id":"`...), m.ID...)
	b = append(append(append(b, `","source":"`...), oinURN...), m.Source...)
	b = append(append(append(append(b, `","type":"`...), typePrefix...), m.Kind...), typeSuffix...)
	b = m.Time.UTC().Truncate(time.Second).AppendFormat(append(b, `","time":"`...), time.RFC3339)
	b = append(append(append(append(b, `","dataschema":"`...), schemaBase...), m.Kind...), typeSuffix...)
	b = append(append(append(b, `.json","datacontenttype":"application/json","recipient":"`...), oinURN...), m.Recipient...)
	b = m.Expires.UTC().Truncate(time.Second).AppendFormat(append(b, `","expires":"`...), time.RFC3339)
	b = append(append(b, `","subject":"`...), m.Subject...)
	b = strconv.AppendUint(append(b, `","sequence":"`...), m.Sequence, 10)
	b = strconv.AppendUint(append(b, `","incarnation":"`...), m.Incarnation, 10)
	if m.Principal != "" {
		b = append(append(append(b, `","principal":"`...), oinURN...), m.Principal...)
	}
	if m.TraceParent != "" {
		b = append(append(b, `","traceparent":"`...), m.TraceParent...)
	}
	b = append(append(b, `","data":`...), m.Data...)
	return append(b, '}'), true
}

// DecodeMessage reads an event that has passed the envelope schema. It checks
// what a schema cannot say: parties, and that the lifetime is at most 30 days.
func DecodeMessage(b []byte) (Message, error) {
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		return Message{}, Wrap(Invalid, err, "the message is not a CloudEvent")
	}
	return e.Message()
}

// Message reads an event as DecodeMessage does. It keeps Data, and does not look
// at the attributes that are the same for all messages.
func (e Event) Message() (Message, error) {
	m := Message{ID: e.ID, Subject: e.Subject, TraceParent: e.TraceParent, Data: e.Data, Nonce: e.Nonce}
	var err error
	if m.Source, err = ParseURN(e.Source); err != nil {
		return Message{}, Wrap(Invalid, err, "source is not a party")
	}
	if m.Recipient, err = ParseURN(e.Recipient); err != nil {
		return Message{}, Wrap(Invalid, err, "recipient is not a party")
	}
	if e.Principal != "" {
		if m.Principal, err = ParseURN(e.Principal); err != nil {
			return Message{}, Wrap(Invalid, err, "principal is not a party")
		}
	}
	if m.Kind, err = kindOf(e.Type, e.DataSchema); err != nil {
		return Message{}, err
	}
	if m.Time, err = time.Parse(time.RFC3339, e.Time); err != nil {
		return Message{}, Wrap(Invalid, err, "time is not an RFC 3339 time")
	}
	if m.Expires, err = time.Parse(time.RFC3339, e.Expires); err != nil {
		return Message{}, Wrap(Invalid, err, "expires is not an RFC 3339 time")
	}
	if m.Sequence, err = strconv.ParseUint(e.Sequence, 10, 63); err != nil {
		return Message{}, Wrap(Invalid, err, "sequence is not a decimal number")
	}
	if m.Incarnation, err = strconv.ParseUint(e.Incarnation, 10, 63); err != nil {
		return Message{}, Wrap(Invalid, err, "incarnation is not a decimal number")
	}
	return m, nil
}

func kindOf(typ, dataschema string) (string, error) {
	if len(typ) <= len(typePrefix)+len(typeSuffix) || typ[:len(typePrefix)] != typePrefix {
		return "", Errorf(Invalid, "unknown message type")
	}
	kind, current := strings.CutSuffix(typ[len(typePrefix):], typeSuffix)
	if !current {
		return kind, nil // a later version: its schema is not ours to know
	}
	if dataschema != SchemaOf(kind) {
		return "", Errorf(Invalid, "dataschema does not belong to the message type")
	}
	return kind, nil
}

// Lifetime checks expires against time and now. It answers the reason code of
// the refusal, or "".
func (m Message) Lifetime(now time.Time) Reason {
	switch {
	case m.Expires.Sub(m.Time) > MaxLifetime || !m.Expires.After(m.Time):
		return ReasonLifetime
	case now.After(m.Expires.Add(ClockSkew)):
		return ReasonExpired
	case m.Time.After(now.Add(ClockSkew)):
		return ReasonFuture
	}
	return ""
}

// FormatTime writes a time as messages do: RFC 3339, UTC, whole seconds.
func FormatTime(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
