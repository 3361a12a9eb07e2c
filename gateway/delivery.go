package gateway

import "time"

// DeliveryState is where one outgoing message stands.
type DeliveryState string

const (
	Queued      DeliveryState = "queued"
	Attempting  DeliveryState = "attempting" // recorded before dialling: the peer may have it
	Held        DeliveryState = "held"       // unsupported: waits for the peer's hello to change
	Delivered   DeliveryState = "delivered"
	RefusedBy   DeliveryState = "refused"
	Withdrawn   DeliveryState = "withdrawn"  // no longer allowed; not sent again
	Overtaken   DeliveryState = "superseded" // a newer snapshot took its place
	Unconfirmed DeliveryState = "expired-unconfirmed"
)

// Final tells whether a state is an end.
func (s DeliveryState) Final() bool {
	switch s {
	case Delivered, RefusedBy, Withdrawn, Overtaken, Unconfirmed:
		return true
	}
	return false
}

// DeliveryEvent is what can happen to an outgoing message.
type DeliveryEvent string

const (
	EventAttempt     DeliveryEvent = "attempt"
	EventFailed      DeliveryEvent = "failed"   // no answer, or one we cannot believe
	EventReceived    DeliveryEvent = "received" // also for superseded: the peer has a later one
	EventRefused     DeliveryEvent = "refused"
	EventRetryLater  DeliveryEvent = "retry-later"
	EventUnsupported DeliveryEvent = "unsupported"
	EventHello       DeliveryEvent = "hello-changed"
	EventWithdraw    DeliveryEvent = "withdraw" // policy, mandate or register no longer allows it
	EventOvertake    DeliveryEvent = "overtake" // a newer snapshot of the subject was queued
	EventExpire      DeliveryEvent = "expire"
)

// deliveryTable is the whole machine: what is not in it is an error.
func deliveryTable(s DeliveryState, e DeliveryEvent) (DeliveryState, bool) {
	switch s {
	case Queued:
		switch e {
		case EventAttempt:
			return Attempting, true
		case EventWithdraw:
			return Withdrawn, true
		case EventOvertake:
			return Overtaken, true
		case EventExpire:
			return Unconfirmed, true
		}
	case Attempting:
		switch e {
		case EventAttempt: // the last attempt was cut off by a crash
			return Attempting, true
		case EventFailed, EventRetryLater:
			return Queued, true
		case EventReceived:
			return Delivered, true
		case EventRefused:
			return RefusedBy, true
		case EventUnsupported:
			return Held, true
		case EventWithdraw:
			return Withdrawn, true
		case EventOvertake:
			return Overtaken, true
		case EventExpire:
			return Unconfirmed, true
		}
	case Held:
		switch e {
		case EventHello:
			return Queued, true
		case EventWithdraw:
			return Withdrawn, true
		case EventOvertake:
			return Overtaken, true
		case EventExpire:
			return Unconfirmed, true
		}
	}
	return s, false
}

// On is the state after an event; a transition that the table does not have is
// a Conflict.
func (s DeliveryState) On(e DeliveryEvent) (DeliveryState, error) {
	next, ok := deliveryTable(s, e)
	if !ok {
		return s, Errorf(Conflict, "a message that is %s cannot be %s", s, e)
	}
	return next, nil
}

// EventOf is what an outcome means for the sender.
func EventOf(o Outcome) DeliveryEvent {
	switch o {
	case Received, Superseded:
		return EventReceived
	case Refused:
		return EventRefused
	case Unsupported:
		return EventUnsupported
	default:
		return EventRetryLater
	}
}

const (
	firstBackoff = 2 * time.Second
	maxBackoff   = 15 * time.Minute

	// WarnAfter and AlarmAfter are the ages of an undelivered message at which
	// people are told; Lifetime is when it expires.
	WarnAfter  = 3 * 24 * time.Hour
	AlarmAfter = 9 * 24 * time.Hour
	Lifetime   = 14 * 24 * time.Hour
)

// Backoff is how long to wait after the n-th failed attempt in a row (n ≥ 1):
// doubling from two seconds to a quarter of an hour, half of it by chance.
// random lies in [0,1).
func Backoff(n int, random float64) time.Duration {
	wait := maxBackoff
	if n < 1 {
		n = 1
	}
	if n < 12 {
		wait = min(maxBackoff, firstBackoff<<(n-1))
	}
	return wait/2 + time.Duration(random*float64(wait/2))
}
