package event

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	postTimeout  = 10 * time.Second
	drainAnswer  = 4 << 10 // what is read of an answer, so that the connection can be used again
	pageSize     = 100
	saveEvery    = time.Second // at most; what was taken since comes again after a crash
	saveWithin   = 5 * time.Second
	longestPause = time.Hour   // more than gateway.Backoff gives
	storeAgain   = time.Minute // after the database could not be read or written

	typeCloudEvent = "application/cloudevents+json; charset=utf-8"
)

// Webhook is one address that gets events.
type Webhook struct {
	Name    string
	URL     string              // https, or http to this machine: config holds it to that
	Types   []gateway.EventType // empty: all
	Secrets [][]byte            // none: it keeps its place, and is not at work
}

// Options of a Sender. All are required but Dial.
type Options struct {
	Self  gateway.OIN
	Store *store.Store
	Log   *slog.Logger
	// Dial takes the place of the network where tests have one of their own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Sender posts events to webhooks. Each has a goroutine of its own, so that none
// waits for another, and nothing else waits for any. Its methods may be called at
// the same time.
type Sender struct {
	Options
	client *http.Client

	mu    sync.Mutex
	hooks []Webhook          // guarded by mu
	stop  context.CancelFunc // guarded by mu; ends those that run
	done  *sync.WaitGroup    // guarded by mu; of those that run
}

// New makes a Sender that sends nothing until Set.
func New(opt Options) *Sender {
	if opt.Dial == nil {
		opt.Dial = (&net.Dialer{Timeout: postTimeout}).DialContext
	}
	return &Sender{Options: opt, stop: func() {}, done: &sync.WaitGroup{}, client: &http.Client{
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            opt.Dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    postTimeout,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConnsPerHost:    1,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true,
		},
	}}
}

// Set ends what runs, and begins with these webhooks: each where it was, a new one
// with what happens from now on. It waits for what runs, which an answer that does
// not come cannot hold up.
func (s *Sender) Set(ctx context.Context, hooks []Webhook) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	var names []string
	for _, h := range hooks {
		names = append(names, h.Name)
	}
	states, err := s.Store.SetWebhooks(ctx, time.Now(), names)
	if err != nil {
		return err
	}
	s.hooks = slices.Clone(hooks)
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, h := range s.hooks {
		if len(h.Secrets) == 0 {
			continue
		}
		i := slices.IndexFunc(states, func(w store.Webhook) bool { return w.Name == h.Name })
		one := &sending{s, h, states[i], states[i], time.Time{}}
		s.done.Go(func() { one.run(ctx) })
	}
	return nil
}

// end is called with mu held.
func (s *Sender) end() {
	s.stop()
	s.done.Wait()
	s.hooks = nil
	s.client.CloseIdleConnections()
}

// Stop ends everything, and keeps how far each webhook is.
func (s *Sender) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// Test posts an event of the type webhook-test to a webhook, and says why it was
// not taken. It comes beside the others.
func (s *Sender) Test(ctx context.Context, name, id string) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.hooks, func(h Webhook) bool { return h.Name == name })
	var hook Webhook
	if i >= 0 {
		hook = s.hooks[i]
	}
	s.mu.Unlock()
	if i < 0 || len(hook.Secrets) == 0 {
		return gateway.Errorf(gateway.NotFound, "no webhook of this name is at work: see webhooks in the configuration, and doorstroom doctor")
	}
	now := time.Now()
	return s.post(ctx, hook, gateway.NewCloudEvent(s.Self, id, gateway.EventTest, now, "", gateway.EventData{}), now)
}

// post sends one event. Its error has a fixed text: nothing of what the receiver
// says goes anywhere.
func (s *Sender) post(ctx context.Context, hook Webhook, e gateway.CloudEvent, now time.Time) error {
	body, err := json.Marshal(e)
	if err != nil {
		return gateway.Wrap(gateway.Internal, err, "the event cannot be written")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the address of the webhook is not an address")
	}
	req.Header.Set("Content-Type", typeCloudEvent)
	req.Header.Set("User-Agent", "doorstroom")
	req.Header.Set(headerID, e.ID)
	req.Header.Set(headerTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(headerSignature, Sign(hook.Secrets, e.ID, now, body))
	res, err := s.client.Do(req)
	if err != nil {
		return gateway.Wrap(gateway.Unavailable, errors.New("the request failed"), reasonOf(err)) // err has the address
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, drainAnswer) // what it says is of no use
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return gateway.Errorf(gateway.Unavailable, "it answers with a redirect (%d), which is not followed: configure the address that it points to", res.StatusCode)
	}
	return gateway.Errorf(gateway.Unavailable, "it answers with status %d", res.StatusCode)
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "it does not answer in time"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted by this machine"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name cannot be found"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "it cannot be reached"
	}
	return "its answer cannot be read"
}

// sending is one webhook at work. One goroutine has it.
type sending struct {
	*Sender
	hook  Webhook
	state store.Webhook
	saved store.Webhook
	at    time.Time // when it was saved
}

// run sends until ctx ends, and then keeps how far it is.
func (w *sending) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.once(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error("the events of a webhook cannot be read or noted", "webhook", w.hook.Name, "error", err)
			wait(ctx, nil, storeAgain)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	if err := w.save(ctx); err != nil {
		w.Log.Error("how far a webhook is was not noted: some events come again", "webhook", w.hook.Name, "error", err)
	}
}

// once sends what is next, if its time has come, and waits for more. Its error is
// of the store.
func (w *sending) once(ctx context.Context) error {
	if pause := time.Until(w.state.Next); pause > 0 && pause <= longestPause { // else the clock was wrong when it was noted
		wait(ctx, nil, pause)
		return nil
	}
	next := w.Store.NextEvent()
	page, err := w.Store.Events(ctx, w.state.After, pageSize, func(t gateway.EventType) bool {
		return gateway.Caller{Roles: []gateway.Role{gateway.Program}}.May(t.Operation()) &&
			(len(w.hook.Types) == 0 || slices.Contains(w.hook.Types, t))
	})
	if gone, ok := errors.AsType[*gateway.EventsGone](err); ok {
		return w.missed(ctx, gone.Begin)
	}
	if err != nil {
		return err
	}
	for _, e := range page.Events {
		event := gateway.NewCloudEvent(w.Self, e.String(), e.Type, e.At, e.Subject, e.Data)
		if !w.deliver(ctx, event, e.EventPosition) {
			return w.save(ctx)
		}
		if time.Since(w.at) >= saveEvery {
			if err := w.save(ctx); err != nil {
				return err
			}
		}
	}
	w.state.After = page.Next
	if page.More {
		return nil
	}
	if w.state == w.saved {
		wait(ctx, next, 0)
		return nil
	}
	if left := saveEvery - time.Since(w.at); left > 0 { // many may come one by one
		wait(ctx, next, left)
		return nil
	}
	return w.save(ctx)
}

// missed tells the receiver that events are not kept any more, and goes on with
// the oldest that is.
func (w *sending) missed(ctx context.Context, begin gateway.EventPosition) error {
	w.deliver(ctx, gateway.MissedEvents(w.Self, w.state.After, begin, time.Now()), begin)
	return w.save(ctx)
}

// deliver posts an event, and notes how that went; only once it was taken is the
// webhook at its place.
func (w *sending) deliver(ctx context.Context, e gateway.CloudEvent, at gateway.EventPosition) bool {
	now := time.Now()
	err := w.post(ctx, w.hook, e, now)
	if ctx.Err() != nil && err != nil {
		return false // that it was cut off says nothing of the receiver
	}
	now = time.Now().UTC().Truncate(time.Second)
	if err != nil {
		if w.state.Failures++; w.state.Failures == 1 {
			w.state.Failing = now
			w.Log.Warn("a webhook does not take events", "webhook", w.hook.Name, "reason", gateway.SafeMessage(err))
		}
		w.state.Reason, w.state.Next = gateway.SafeMessage(err), now.Add(gateway.Backoff(w.state.Failures, rand.Float64()))
		return false
	}
	if w.state.Failures > 0 {
		w.Log.Info("a webhook takes events again", "webhook", w.hook.Name)
	}
	w.state = store.Webhook{Name: w.state.Name, After: at, Delivered: now}
	return true
}

func (w *sending) save(ctx context.Context) error {
	if w.state == w.saved {
		return nil
	}
	err := w.Store.SaveWebhook(ctx, time.Now(), w.state)
	if err == nil {
		w.saved, w.at = w.state, time.Now()
	}
	return err
}

// wait waits until ctx ends, something happens, or for so long; 0 is forever.
func wait(ctx context.Context, next <-chan struct{}, long time.Duration) {
	var over <-chan time.Time
	if long > 0 {
		timer := time.NewTimer(long)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-next:
	case <-over:
	}
}
