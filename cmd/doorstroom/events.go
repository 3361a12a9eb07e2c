package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newEventsCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "events",
		Short: "See what happened at this node, as programs can follow it",
		Example: `  doorstroom events list
  doorstroom events follow --json`,
	}, newEventsListCommand(a), newEventsFollowCommand(a), newEventsTestCommand(a))
}

// eventTypes is the help of what types there are.
func eventTypes() string {
	var names []string
	for _, t := range gateway.EventTypes() {
		names = append(names, "  "+t.Name())
	}
	return strings.Join(names, "\n")
}

func newEventsListCommand(a *app) *cobra.Command {
	var q desk.EventQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what happened, oldest first",
		Long: `List events: referrals that came in, changed or were answered, messages that
did not arrive, imports that are held, offers of others that changed, requests to
release or swap places of allotments. An event has ids, codes and dates only, and
you see those of which you may ask in another way. With --after you get what came
after an event. Types are:

` + eventTypes(),
		Example: `  doorstroom events list
  doorstroom events list --type referral-received --type referral-answered
  doorstroom events list --after 1795000000-42 --limit 1000 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (desk.EventPage, error) {
				return client.Events(ctx, q)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, page)
			}
			return a.showEvents(page)
		},
	}
	a.nodeFlags(cmd)
	eventFlags(cmd, &q)
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "how many events at most")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func eventFlags(cmd *cobra.Command, q *desk.EventQuery) {
	cmd.Flags().StringVar(&q.After, "after", "", "only what came after this event, an id; or last, for what has yet to happen")
	cmd.Flags().StringSliceVar(&q.Types, "type", nil, "only events of this type; may be given more than once")
}

func (a *app) showEvents(page desk.EventPage) error {
	if len(page.Events) == 0 {
		fmt.Fprintln(a.stdout, "There are none.")
		return nil
	}
	var rows [][]string
	for _, e := range page.Events {
		rows = append(rows, eventRow(e))
	}
	if err := writeTable(a.stdout, []column{{"ID", 0}, {"AT", 0}, {"TYPE", 0}, {"ABOUT", 0}, {"PARTY", 0}, {"WHAT", 60}}, rows); err != nil {
		return err
	}
	if page.More {
		fmt.Fprintf(a.stdout, "There are more: doorstroom events list --after %s\n", page.Next)
	}
	return nil
}

func eventRow(e gateway.CloudEvent) []string {
	d := e.Data
	what := []string{string(d.Status), string(d.RequestStatus), string(d.State), d.Kind, string(d.Answer)}
	if d.Asked != "" {
		what = append(what, "asked: "+string(d.Asked))
	}
	if d.Owner != "" {
		what = append(what, strings.TrimSuffix("next step: "+string(d.Owner)+" by "+string(d.Due), " by "))
	}
	if d.Count > 0 {
		what = append(what, strconv.Itoa(d.Count)+"×")
	}
	var said []string
	for _, part := range what {
		if part != "" {
			said = append(said, part)
		}
	}
	return []string{e.ID, when(e.Time), e.Type.Name(), shortReferral(cmp.Or(d.Referral, d.Request)), string(d.Party), strings.Join(said, ", ")}
}

func newEventsFollowCommand(a *app) *cobra.Command {
	var q desk.EventQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "follow",
		Short: "Write what happens as it happens, until you interrupt it",
		Long: `Write each event as it happens. When the node stops or the connection breaks it
comes back by itself and goes on where it was. Begin again with --after and the
last id that you have, and you miss nothing. When events were missed because they
are not kept any more, it says so, and goes on with the oldest that is: what was
missed is in the lists.`,
		Example: `  doorstroom events follow
  doorstroom events follow --after last --json
  doorstroom events follow --after 1795000000-42 --type referral-received`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.follow(ctx, client, q, asJSON)
		},
	}
	a.nodeFlags(cmd)
	eventFlags(cmd, &q)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write each event as one line of JSON, with times in UTC")
	return cmd
}

func (a *app) follow(ctx context.Context, client *rest.LocalClient, q desk.EventQuery, asJSON bool) error {
	write := func(e gateway.CloudEvent) error {
		if !asJSON {
			_, err := fmt.Fprintln(a.stdout, strings.Join(eventRow(e), "  "))
			return err
		}
		line, err := json.Marshal(e)
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "%s\n", line)
		}
		return err
	}
	for {
		err := client.FollowEvents(ctx, q, write)
		gone, ok := errors.AsType[*gateway.EventsGone](err)
		if !ok {
			if ctx.Err() != nil {
				return nil // interrupted, as it should be
			}
			return err
		}
		fmt.Fprintln(a.stderr, "doorstroom: "+gateway.SafeMessage(err))
		q.After = gone.Begin.String()
	}
}

func newEventsTestCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test-webhook NAME",
		Short: "Send a test event to a webhook, and see whether it is taken",
		Long: `Send an event of the type webhook-test to a webhook of the configuration, signed
as the others are. It comes beside what waits for the webhook, and says nothing of
anybody. When it is not taken you hear why; what the receiver answers beside its
status is not shown or kept.`,
		Example: `  doorstroom events test-webhook ecd`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (string, error) {
				return args[0], client.TestWebhook(ctx, args[0])
			})
			if err == nil {
				fmt.Fprintln(a.stdout, "The webhook took it.")
			}
			return err
		},
	}
	a.nodeFlags(cmd)
	return cmd
}
