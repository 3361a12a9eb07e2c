package store

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Webhook is how far the events are that go to one address, and how that goes.
type Webhook struct {
	Name      string                `json:"name"`
	After     gateway.EventPosition `json:"after"` // all up to this one were taken
	Delivered time.Time             `json:"delivered,omitzero"`
	Failing   time.Time             `json:"failing,omitzero"` // since when; zero: it works
	Failures  int                   `json:"failures,omitempty"`
	Reason    string                `json:"reason,omitempty"` // of the last failure: a fixed text
	Next      time.Time             `json:"next,omitzero"`    // attempt
}

// SetWebhooks keeps the webhooks of these names, and forgets all others. One that
// is new gets what happens from now on.
func (s *Store) SetWebhooks(ctx context.Context, now time.Time, names []string) (all []Webhook, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		in := table{name: tableWebhooks}
		known, err := allRows[Webhook](t, in)
		if err != nil {
			return err
		}
		for _, w := range known {
			if !slices.Contains(names, w.Name) {
				t.delete(in, []byte(w.Name))
			}
		}
		last, err := lastEvent(t)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !slices.ContainsFunc(known, func(w Webhook) bool { return w.Name == name }) {
				t.put(in, []byte(name), encodeJSON(Webhook{Name: name, After: last}))
			}
		}
		all, err = allRows[Webhook](t, in)
		return err
	})
	return all, err
}

// SaveWebhook keeps how far a webhook is. One that was forgotten stays so.
func (s *Store) SaveWebhook(ctx context.Context, now time.Time, w Webhook) error {
	return s.update(ctx, now, func(t *txn) error {
		in := table{name: tableWebhooks}
		stored, err := t.get(in, []byte(w.Name))
		if err == nil && stored != nil {
			t.put(in, []byte(w.Name), encodeJSON(w))
		}
		return err
	})
}

// Webhooks lists what is known of each.
func (s *Store) Webhooks(ctx context.Context) ([]Webhook, error) {
	return allJSON[Webhook](ctx, s, table{name: tableWebhooks})
}
