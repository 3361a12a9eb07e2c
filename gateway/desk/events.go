package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// LastEvents is the place of the last event: what comes after it has yet to happen.
const LastEvents = "last"

const (
	eventPage = 100
	// MaxEventPage is how many events one question can ask for.
	MaxEventPage = 1000
)

// EventQuery says which events to give.
type EventQuery struct {
	After string // id of an event, or LastEvents; "": from the oldest that is kept
	Limit int    // 0: 100
	Types []string
}

// EventPage is some events, in order.
type EventPage struct {
	Events []gateway.CloudEvent `json:"events"`
	Next   string               `json:"next"` // after which to go on
	More   bool                 `json:"more,omitempty"`
}

// Events gives what happened at this node, as far as the caller may ask for that
// in another way. A page that tells of referrals is journaled; one that does not
// is not, because programs ask often. From a place that does not lead on it is a
// Conflict around a gateway.EventsGone.
func (d *Desk) Events(ctx context.Context, caller gateway.Caller, q EventQuery) (EventPage, error) {
	page := EventPage{Events: []gateway.CloudEvent{}}
	if err := caller.Authorize(gateway.OpReadEvents); err != nil {
		return page, err
	}
	types, err := gateway.ParseEventTypes(q.Types)
	if err != nil {
		return page, err
	}
	if q.Limit == 0 {
		q.Limit = eventPage
	}
	if q.Limit < 1 || q.Limit > MaxEventPage {
		return page, gateway.Errorf(gateway.Invalid, "limit is not a number from 1 to %d", MaxEventPage)
	}
	after, err := d.eventPlace(ctx, q.After)
	if err != nil {
		return page, err
	}
	found, err := d.Store.Events(ctx, after, q.Limit, func(t gateway.EventType) bool {
		return caller.May(t.Operation()) && (len(types) == 0 || slices.Contains(types, t))
	})
	if err != nil {
		return page, err
	}
	tells := false
	for _, e := range found.Events {
		page.Events = append(page.Events, gateway.NewCloudEvent(d.Self, e.String(), e.Type, e.At, e.Subject, e.Data))
		tells = tells || e.Type.Operation() == gateway.OpListReferrals
	}
	page.Next, page.More = found.Next.String(), found.More
	if tells {
		now := d.now()
		entry := d.entry(caller, string(gateway.OpReadEvents), now)
		entry.Count = len(page.Events)
		if err := d.Store.Append(ctx, now, entry); err != nil {
			return EventPage{}, fmt.Errorf("journal operation %s: %w", gateway.OpReadEvents, err)
		}
	}
	return page, nil
}

func (d *Desk) eventPlace(ctx context.Context, after string) (gateway.EventPosition, error) {
	switch after {
	case "":
		return gateway.EventPosition{}, nil
	case LastEvents:
		return d.Store.LastEvent(ctx)
	}
	return gateway.ParseEventPosition(after)
}

// NextEvent gives a channel that is closed when there are new events: to be asked
// for before Events is.
func (d *Desk) NextEvent() <-chan struct{} { return d.Store.NextEvent() }

// Webhook is how it goes with the events for one address.
type Webhook struct {
	Name      string    `json:"name"`
	Waiting   uint64    `json:"waiting"` // events that it has not taken; also of types that it does not get
	Delivered time.Time `json:"delivered,omitzero"`
	Failing   time.Time `json:"failing,omitzero"` // since when; absent: it works
	Failures  int       `json:"failures,omitempty"`
	Reason    string    `json:"reason,omitempty"` // of the last failure
	Next      time.Time `json:"next,omitzero"`    // attempt
}

// webhookLate is how long a receiver may be away without anybody being told.
const webhookLate = time.Hour

// Late tells whether somebody should look at it.
func (w Webhook) Late(now time.Time) bool {
	return !w.Failing.IsZero() && now.Sub(w.Failing) > webhookLate
}

func (d *Desk) webhooks(ctx context.Context) ([]Webhook, error) { return Webhooks(ctx, d.Store) }

// Webhooks reads how it goes with each.
func Webhooks(ctx context.Context, s *store.Store) (all []Webhook, err error) {
	known, err := s.Webhooks(ctx)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	last, err := s.LastEvent(ctx)
	for _, w := range known {
		all = append(all, Webhook{
			Name: w.Name, Waiting: last.Number - min(last.Number, w.After.Number), Delivered: w.Delivered, Failing: w.Failing,
			Failures: w.Failures, Reason: w.Reason, Next: w.Next,
		})
	}
	return all, err
}

// PostTest sends a test event to a webhook, and says why it was not taken.
func (d *Desk) PostTest(ctx context.Context, caller gateway.Caller, name string) error {
	if err := d.read(ctx, caller, gateway.OpTestWebhook); err != nil {
		return err
	}
	if d.TestWebhook == nil {
		return gateway.Errorf(gateway.NotFound, "this node has no webhooks")
	}
	return d.TestWebhook(ctx, name)
}
