package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// allEvents reads the whole log, some at a time.
func allEvents(t rapid.TB, s *store.Store, after gateway.EventPosition) (all []store.Event) {
	t.Helper()
	for more := true; more; {
		page := get(s.Events(ctx, after, 7, nil))(t)
		all, after, more = append(all, page.Events...), page.Next, page.More
	}
	return all
}

func typesOf(events []store.Event) (types []string) {
	for _, e := range events {
		types = append(types, e.Type.Name())
	}
	return types
}

// TestEventsOfReferral tells both sides what happened, in order, and whose the
// next step is.
func TestEventsOfReferral(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	r.commit(t, id, gateway.ActAccept)
	r.commit(t, id, gateway.ActAskHandover)
	r.exchange(t)
	get(r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: id, Act: gateway.ActHandover, Handover: &gateway.Handover{Name: "A. Test"}, Terms: terms()}))(t)
	r.exchange(t)
	provider, referrer := allEvents(t, r.provider.Store, gateway.EventPosition{}), allEvents(t, r.referrer.Store, gateway.EventPosition{})
	if got, want := typesOf(provider), []string{"referral-received", "referral-changed", "referral-changed", "handover-received"}; !slices.Equal(got, want) {
		t.Errorf("provider: got %v, want %v", got, want)
	}
	first := provider[0].Data
	if first.Referral != id || first.Side != gateway.ProviderSide || first.Party != self || first.Status != gateway.Requested || first.Owner != peerA || first.Due == "" {
		t.Errorf("got %+v, want the referral that came in, and that the next step is the provider's", first)
	}
	last := referrer[len(referrer)-1]
	if last.Type != gateway.EventReferralAnswered || last.Data.Status != gateway.HandedOver || last.Data.Answer != gateway.Committed || last.Data.Owner != peerA {
		t.Errorf("got %+v, want the answer to the handover", last)
	}
	for i, e := range provider {
		if e.Number != uint64(i+1) || e.Incarnation != r.provider.Incarnation() || e.Subject != provider[0].Subject || e.Subject == "" {
			t.Errorf("got %+v, want number %d of one subject", e, i+1)
		}
	}
	r.sound(t)
}

// TestEventsOfErased leaves nothing of a referral that was erased but that it was.
func TestEventsOfErased(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	subject := allEvents(t, r.provider.Store, gateway.EventPosition{})[0].Subject
	r.commit(t, id, gateway.ActDecline)
	r.exchange(t)
	for _, n := range []*node{r.provider, r.referrer} {
		must(t, n.EraseReferral(ctx, r.now, id, "bewaartermijn", entryX()))
		events := allEvents(t, n.Store, gateway.EventPosition{})
		if len(events) != 1 || events[0].Type != gateway.EventReferralErased || events[0].Subject != subject || events[0].Data.Referral != "" {
			t.Errorf("got %+v, want only that the referral was erased, under its subject", events)
		}
		must(t, n.Close())
		if bytes.Contains(get(os.ReadFile(n.path))(t), []byte(id)) {
			t.Errorf("%s: the id of a referral that was erased is in the file", n.oin)
		}
		n.reopen(t)
	}
	r.sound(t)
}

// TestEventsOfDeliveries tells of what does not arrive once for each transaction.
func TestEventsOfDeliveries(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	var sends []store.Send
	for i := range 30 {
		sends = append(sends, capacity(peerA, fmt.Sprintf("o%02d", i), "x"))
	}
	must(t, s.Publish(ctx, start(), store.Publication{Sends: sends}))
	waits := due(t, s, start(), peerA)
	must(t, s.BeginAttempt(ctx, start(), peerA, sequences(waits), start()))
	var settled []store.Settlement
	for i, o := range waits {
		outcome := []gateway.Outcome{gateway.Refused, gateway.Unsupported, gateway.Received}[i%3]
		settled = append(settled, settlement(peerA, o.Sequence, outcome))
	}
	must(t, s.Settle(ctx, start(), peerA, settled, "head", time.Time{}, nil))
	get(s.Expire(ctx, start().Add(20*24*time.Hour)))(t)
	var got []string
	for _, e := range allEvents(t, s.Store, gateway.EventPosition{}) {
		got = append(got, fmt.Sprint(e.Type.Name(), " ", e.Data.Kind, " ", e.Data.State, " ", e.Data.Count))
	}
	want := []string{"not-delivered capacity held 10", "not-delivered capacity refused 10", "not-delivered capacity expired-unconfirmed 10"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEventsOfOffers names the party, and the first few of its offers.
func TestEventsOfOffers(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	var in []store.Inbound
	for i := range 30 {
		in = append(in, inbound(peerA, fmt.Sprintf("o%02d", i), uint64(i+1), "x"))
	}
	get(s.Accept(ctx, start(), self, peerA, in))(t)
	get(s.Accept(ctx, start(), self, peerA, in))(t) // once more: nothing happens
	events := allEvents(t, s.Store, gateway.EventPosition{})
	if len(events) != 1 || events[0].Type != gateway.EventOffersChanged || events[0].Data.Party != peerA || events[0].Data.Count != 30 || len(events[0].Data.Offers) != 20 {
		t.Errorf("got %+v, want one event of 30 offers with 20 of them named", events)
	}
	must(t, s.SaveImport(ctx, start(), store.ImportState{Source: "export", Held: &store.HeldImport{Vanished: []string{"a", "b"}}}, nil))
	if all := allEvents(t, s.Store, events[0].EventPosition); len(all) != 1 || all[0].Type != gateway.EventImportHeld || all[0].Data.Count != 2 {
		t.Errorf("got %+v, want that an import is held", all)
	}
}

func goneOf(t rapid.TB, err error) gateway.EventPosition {
	t.Helper()
	gone, ok := errors.AsType[*gateway.EventsGone](err)
	if !ok || gateway.KindOf(err) != gateway.Conflict {
		t.Fatalf("got %v, want that events are gone", err)
	}
	return gone.Begin
}

// happen writes n events.
func happen(t rapid.TB, s *store.Store, now time.Time, n int) {
	t.Helper()
	for range n {
		must(t, s.SaveImport(ctx, now, store.ImportState{Source: "export", Held: &store.HeldImport{Vanished: []string{"a"}}}, nil))
	}
}

// TestEventsAreBounded keeps the last few, for a while; whoever is behind hears
// where to go on.
func TestEventsAreBounded(t *testing.T) {
	s := open(t, store.Options{NoSync: true, MaxEvents: 10, EventLife: time.Hour})
	happen(t, s.Store, start(), 25)
	all := allEvents(t, s.Store, gateway.EventPosition{})
	if len(all) != 10 || all[0].Number != 16 || all[9].Number != 25 {
		t.Fatalf("got %d events from %v, want the last 10", len(all), all[0])
	}
	place := func(n uint64) gateway.EventPosition {
		return gateway.EventPosition{Incarnation: s.Incarnation(), Number: n}
	}
	_, err := s.Events(ctx, place(14), 5, nil)
	if begin := goneOf(t, err); begin != place(15) || len(allEvents(t, s.Store, begin)) != 10 {
		t.Errorf("got %v, want to go on after 15", begin)
	}
	if got := allEvents(t, s.Store, place(15)); len(got) != 10 {
		t.Errorf("got %d events, want all that are kept: none was missed", len(got))
	}
	_, err = s.Events(ctx, place(26), 5, nil)
	goneOf(t, err)
	later := start().Add(2 * time.Hour)
	happen(t, s.Store, later, 1)
	get(s.Purge(ctx, later))(t)
	if all := allEvents(t, s.Store, gateway.EventPosition{}); len(all) != 1 || all[0].Number != 26 {
		t.Errorf("got %+v, want only the one that is young", all)
	}
	get(s.Purge(ctx, later.Add(2*time.Hour)))(t)
	if last := get(s.LastEvent(ctx))(t); last != place(26) || len(allEvents(t, s.Store, last)) != 0 {
		t.Errorf("got %v, want to know the place of the last also when it is gone", last)
	}
	s.sound(t)
}

// TestEventsAfterRestore never takes a place for that of another event: what came
// after the backup is missed, and said to be.
func TestEventsAfterRestore(t *testing.T) {
	n := newNode(t, self, store.Options{NoSync: true, MaxEvents: 10})
	happen(t, n.Store, start(), 5)
	seen := allEvents(t, n.Store, gateway.EventPosition{})
	backup := n.backup(t)
	happen(t, n.Store, start(), 3)
	lost := allEvents(t, n.Store, gateway.EventPosition{})
	n.putBack(t, backup, start().Add(time.Hour))
	happen(t, n.Store, start().Add(time.Hour), 4)
	if got := typesOf(allEvents(t, n.Store, seen[4].EventPosition)); len(got) != 5 || got[0] != "restored" {
		t.Errorf("got %v, want a reader from before the backup to hear of the restore, and go on", got)
	}
	for _, e := range lost[5:] {
		_, err := n.Events(ctx, e.EventPosition, 5, nil)
		if begin := goneOf(t, err); begin != seen[4].EventPosition {
			t.Errorf("after %v: got %v, want to go on where both have the same, at %v", e.EventPosition, begin, seen[4].EventPosition)
		}
	}
	ids := map[string]bool{}
	for _, e := range append(lost, allEvents(t, n.Store, seen[4].EventPosition)...) {
		if ids[e.EventPosition.String()] {
			t.Errorf("two events have the id %s", e.EventPosition)
		}
		ids[e.EventPosition.String()] = true
	}
	happen(t, n.Store, start().Add(time.Hour), 10) // the backup's are gone
	_, err := n.Events(ctx, lost[7].EventPosition, 5, nil)
	if begin := goneOf(t, err); len(allEvents(t, n.Store, begin)) != 10 {
		t.Errorf("got %v, want to go on from the oldest that is kept", begin)
	}
	n.sound(t)
}

// TestNextEvent wakes whoever waits, and nobody for what is no event.
func TestNextEvent(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	next := s.NextEvent()
	must(t, s.Append(ctx, start(), entryX()))
	select {
	case <-next:
		t.Error("an entry of the journal is no event")
	default:
	}
	happen(t, s.Store, start(), 1)
	select {
	case <-next:
	default:
		t.Error("nobody was woken")
	}
}

// TestWebhooksKept starts a new one at the end, and forgets one that is not
// configured any more.
func TestWebhooksKept(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	happen(t, s.Store, start(), 3)
	all := get(s.SetWebhooks(ctx, start(), []string{"a", "b"}))(t)
	if len(all) != 2 || all[0].After.Number != 3 {
		t.Fatalf("got %+v, want two that start after event 3", all)
	}
	all[0].After.Number, all[0].Failures = 1, 4
	must(t, s.SaveWebhook(ctx, start(), all[0]))
	happen(t, s.Store, start(), 1)
	s.reopen(t)
	get(s.SetWebhooks(ctx, start(), []string{"a"}))(t)
	must(t, s.SaveWebhook(ctx, start(), all[1])) // a late word of one that is gone
	if got := get(s.Webhooks(ctx))(t); len(got) != 1 || got[0] != all[0] {
		t.Errorf("got %+v, want %+v only", got, all[0])
	}
}
