package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

const (
	streamSilence    = 4 * heartbeat // then the node is taken for gone
	firstReconnect   = time.Second
	longestReconnect = 30 * time.Second
	maxEventLine     = 1 << 20
)

func eventQuery(q desk.EventQuery) string {
	values := url.Values{}
	if q.After != "" {
		values.Set("after", q.After)
	}
	if q.Limit != 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	if len(q.Types) > 0 {
		values.Set("types", strings.Join(q.Types, ","))
	}
	return "?" + values.Encode()
}

// Events lists what happened at the node. Where what comes next is not kept any
// more, it is a Conflict around a gateway.EventsGone.
func (c *LocalClient) Events(ctx context.Context, q desk.EventQuery) (desk.EventPage, error) {
	return ask[desk.EventPage](ctx, c, http.MethodGet, pathEvents+eventQuery(q), nil)
}

// TestWebhook sends a test event to a webhook of the configuration.
func (c *LocalClient) TestWebhook(ctx context.Context, name string) error {
	_, err := ask[WebhookName](ctx, c, http.MethodPost, pathTestWebhook, WebhookName{name})
	return err
}

// FollowEvents gives each event as it happens, in order, until ctx ends or each
// fails, whose error it gives. When the connection or the node goes away it comes
// back by itself, and goes on after the last event that each was given: nothing
// is lost, and nothing comes twice. It gives up on a refusal that will not
// change; a Conflict around a gateway.EventsGone says where to begin again, once
// what was missed is read from the lists. q.Limit is of no use.
func (c *LocalClient) FollowEvents(ctx context.Context, q desk.EventQuery, each func(gateway.CloudEvent) error) error {
	wait := firstReconnect
	for {
		before := q.After
		err := c.followOnce(ctx, &q, each)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed, ok := errors.AsType[*eachError](err); ok {
			return failed.error
		}
		switch gateway.KindOf(err) {
		case gateway.Invalid, gateway.Unauthenticated, gateway.Denied, gateway.NotFound, gateway.Conflict:
			return err
		}
		if q.After != before {
			wait = firstReconnect
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, longestReconnect)
	}
}

// eachError is that of who is given the events.
type eachError struct{ error }

// followOnce reads one stream to its end, and leaves in q where to go on.
func (c *LocalClient) followOnce(ctx context.Context, q *desk.EventQuery, each func(gateway.CloudEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(streamSilence, cancel)
	defer silence.Stop()
	req, err := newRequest(ctx, http.MethodGet, "http://node"+pathEventStream+eventQuery(*q), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		return gateway.Wrap(gateway.Unavailable, err, "the node does not answer on "+c.socket)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(res.Body, maxEventLine))
		if err != nil {
			return gateway.Wrap(gateway.Unavailable, err, "the node does not answer on "+c.socket)
		}
		return c.refusal(response{res.StatusCode, typeProblem, body, res.Header.Get(headerBeginAfter)})
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEventLine)
	var id, data string
	for lines.Scan() {
		silence.Reset(streamSilence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() != "" && name == "id":
			id = value
		case lines.Text() != "" && name == "data":
			data = value
		case lines.Text() == "":
			if err := give(data, each); err != nil {
				return err
			}
			if data = ""; id != "" {
				q.After = id
			}
		}
	}
	return gateway.Wrap(gateway.Unavailable, errors.Join(lines.Err(), io.ErrUnexpectedEOF), "the stream of events ended")
}

func give(data string, each func(gateway.CloudEvent) error) error {
	if data == "" {
		return nil
	}
	var e gateway.CloudEvent
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return gateway.Wrap(gateway.Invalid, err, "an event cannot be read; is the node of the same version as this program?")
	}
	if err := each(e); err != nil {
		return &eachError{err}
	}
	return nil
}
