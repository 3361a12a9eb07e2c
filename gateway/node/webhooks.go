package node

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/event"
	"github.com/doorstroom/doorstroom/gateway/identity"
)

// setWebhooks puts those of the configuration in force to work; one whose secret
// cannot be read waits until it can, and keeps its place.
func (n *Node) setWebhooks(ctx context.Context) {
	if !n.started.Load() {
		return
	}
	n.mu.Lock()
	configured := n.config.Webhooks
	n.mu.Unlock()
	var hooks []event.Webhook
	var unread error
	for _, c := range configured {
		hook, err := webhookOf(c)
		if err != nil {
			unread = fmt.Errorf("webhook %s: %w", c.Name, err)
		}
		hooks = append(hooks, hook)
	}
	n.try("read the secrets of webhooks", unread)
	n.try("begin with webhooks", n.Events.Set(ctx, hooks))
}

// webhookOf reads the secrets of a webhook. Without them it is not at work.
func webhookOf(c config.Webhook) (event.Webhook, error) {
	hook := event.Webhook{Name: c.Name, URL: c.URL}
	var err error
	if hook.Types, err = gateway.ParseEventTypes(c.Types); err != nil {
		return hook, err
	}
	var secrets [][]byte
	for _, file := range c.Secrets {
		text, err := identity.ReadSecret(file)
		if err != nil {
			return hook, err
		}
		secret, err := event.ParseSecret(string(text))
		if err != nil {
			return hook, err
		}
		secrets = append(secrets, secret)
	}
	hook.Secrets = secrets
	return hook, nil
}

func (n *Node) testWebhook(ctx context.Context, name string) error {
	err := n.Events.Test(ctx, name, "test-"+uuid.NewString())
	if gateway.KindOf(err) == gateway.Unavailable { // the receiver is, not this node
		return gateway.Errorf(gateway.Conflict, "the webhook did not take it: %s", gateway.SafeMessage(err))
	}
	return err
}

// webhooks looks at those of the configuration.
func (x *examination) webhooks(ctx context.Context) {
	if len(x.c.Webhooks) == 0 || x.store == nil {
		return
	}
	known, err := desk.Webhooks(ctx, x.store)
	if err != nil {
		return // database tells
	}
	states := map[string]desk.Webhook{}
	for _, w := range known {
		states[w.Name] = w
	}
	good := 0
	for _, c := range x.c.Webhooks {
		_, err := webhookOf(c)
		state := states[c.Name]
		switch {
		case err != nil:
			x.fail("webhooks", "make the file with the secret, then reload; see docs/integrations.md",
				"%s gets nothing: %s", c.Name, gateway.SafeMessage(err))
		case !state.Failing.IsZero():
			x.warn("webhooks", "look at the receiver, then: doorstroom events test-webhook "+c.Name+"; nothing is lost for as long as events.keep says",
				"%s has not taken events since %s: %s; %s wait", c.Name, minute(state.Failing), state.Reason, gateway.Count(state.Waiting, "event", "events"))
		default:
			good++
		}
	}
	if good > 0 {
		x.ok("webhooks", "%s events", gateway.Count(good, "webhook takes", "webhooks take"))
	}
}

func (n *Node) collectWebhooks(ctx context.Context, s sample) error {
	known, err := desk.Webhooks(ctx, n.Store)
	for _, w := range known {
		failing := time.Duration(0)
		if !w.Failing.IsZero() {
			failing = s.now.Sub(w.Failing)
		}
		s.send("webhook_failing_seconds", failing.Seconds(), w.Name)
		s.send("webhook_waiting_events", float64(w.Waiting), w.Name)
	}
	return err
}
