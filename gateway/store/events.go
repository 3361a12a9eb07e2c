package store

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// The log of events is for programs of the own organisation: what happened, in
// order, and never what it was about. An event is written in the transaction that
// it tells of. What names a referral is encrypted under the key of that referral,
// and so goes with it when it is erased.

const (
	tableEvents   = "events"   // number → eventRow
	tableWebhooks = "webhooks" // name → Webhook

	defaultMaxEvents = 100_000
	defaultEventLife = 90 * 24 * time.Hour

	offersInEvent = 20 // that are named
)

// Event is one event of the log.
type Event struct {
	gateway.EventPosition
	Type    gateway.EventType
	At      time.Time
	Subject string
	Data    gateway.EventData
}

// EventPage is some events, in order.
type EventPage struct {
	Events []Event
	Next   gateway.EventPosition // after which to go on
	More   bool                  // there may be more now
}

type eventRow struct {
	Incarnation uint64             `json:"incarnation"`
	At          time.Time          `json:"at"`
	Type        gateway.EventType  `json:"type"`
	Subject     string             `json:"subject,omitempty"`
	Data        *gateway.EventData `json:"data,omitempty"` // nil: Sealed, under the key of the row of Subject in a table
	Sealed      []byte             `json:"sealed,omitempty"`
	In          string             `json:"in,omitempty"`
}

// eventLog is which events are kept: First to Last; none if First is the greater.
type eventLog struct {
	First uint64                `json:"first"`
	Last  uint64                `json:"last"`
	Gone  gateway.EventPosition `json:"gone"` // the last that was let go of
}

func keyEvents() []byte { return []byte("events") }

func readEventLog(r reader) (eventLog, error) {
	log := eventLog{First: 1}
	_, err := getJSON(r, table{name: tableMeta}, keyEvents(), &log)
	return log, err
}

// undelivered are messages that share what is told of them.
type undelivered struct {
	party gateway.OIN
	kind  string
	state gateway.DeliveryState
}

// happened are the events of one transaction.
type happened struct {
	rows   []eventRow
	failed map[undelivered]int
	offers map[gateway.OIN]map[string]bool // of others, that changed
}

// event notes what names no referral.
func (t *txn) event(kind gateway.EventType, subject string, data gateway.EventData) {
	t.happened.rows = append(t.happened.rows, eventRow{Type: kind, Subject: subject, Data: &data})
}

// referralEvent notes what happened to a referral whose row is in a table.
func (t *txn) referralEvent(kind gateway.EventType, in string, key referralKey, data gateway.EventData) error {
	if t.vault == nil {
		return errNoVault()
	}
	sealed, err := t.vault.Seal(key.name(in), encodeJSON(data))
	if err != nil {
		return err
	}
	t.happened.rows = append(t.happened.rows, eventRow{Type: kind, Subject: key.subject(), Sealed: sealed, In: in})
	return nil
}

// eventData is what is told of a referral, on either side.
func (f ReferralFacts) eventData(self gateway.OIN) gateway.EventData {
	data := gateway.EventData{
		Referral: f.ID, Side: f.Side, Party: f.Party, Principal: f.Principal, Number: f.Number, Status: f.Status, Due: f.Due, Asked: f.Open,
	}
	owner := f.Owner()
	switch {
	case f.Forgotten, f.Status == "" && f.Open == "":
		owner = f.Side
	case f.Open != "":
		owner, data.Due = gateway.ProviderSide, f.AnswerBy
	}
	switch {
	case f.Final():
	case owner == f.Side:
		data.Owner = self
	default:
		data.Owner = f.Party
	}
	return data
}

// providedChanged tells of the state that a provider committed.
func (t *txn) providedChanged(row *providedRow, before gateway.Referral, act gateway.ReferralAct) error {
	r := row.Referral
	kind := gateway.EventReferralChanged
	switch {
	case r.Number == before.Number:
		return nil
	case before.Status == "" && act == gateway.ActRefer:
		kind = gateway.EventReferralReceived
	case act == gateway.ActHandover && r.Answer.Result == gateway.Committed:
		kind = gateway.EventHandoverReceived
	}
	return t.referralEvent(kind, tableProvided, keyOf(r.ID), row.facts().eventData(r.Provider))
}

// followedChanged tells a referrer of the state that it heard.
func (t *txn) followedChanged(row *followedRow, before gateway.Follow, forgotten bool) error {
	f := row.Follow
	if f.Number == before.Number && f.Incarnation == before.Incarnation && row.Forgotten == forgotten {
		return nil
	}
	data := row.facts().eventData(f.Referrer)
	if open := before.Open; open != nil && f.Answer.Request == open.Request {
		data.Answer = f.Answer.Result
	}
	return t.referralEvent(gateway.EventReferralAnswered, tableFollowed, keyOf(f.ID), data)
}

// notDelivered counts a message that does not come to its party, or not yet.
func (t *txn) notDelivered(party gateway.OIN, kind string, state gateway.DeliveryState) {
	if t.happened.failed == nil {
		t.happened.failed = map[undelivered]int{}
	}
	t.happened.failed[undelivered{party, kind, state}]++
}

// offerChanged notes that an offer of another party changed or is gone.
func (t *txn) offerChanged(party gateway.OIN, subject string) {
	if t.happened.offers == nil {
		t.happened.offers = map[gateway.OIN]map[string]bool{}
	}
	if t.happened.offers[party] == nil {
		t.happened.offers[party] = map[string]bool{}
	}
	t.happened.offers[party][subject] = true
}

// all are the events as they are written: what came in numbers is told once.
func (h *happened) all() []eventRow {
	rows := slices.Clone(h.rows)
	for _, u := range slices.SortedFunc(maps.Keys(h.failed), func(a, b undelivered) int {
		return cmp.Or(cmp.Compare(a.party, b.party), cmp.Compare(a.kind, b.kind), cmp.Compare(a.state, b.state))
	}) {
		rows = append(rows, eventRow{Type: gateway.EventNotDelivered, Data: &gateway.EventData{
			Party: u.party, Kind: u.kind, State: u.state, Count: h.failed[u],
		}})
	}
	for _, party := range slices.Sorted(maps.Keys(h.offers)) {
		offers := slices.Sorted(maps.Keys(h.offers[party]))
		rows = append(rows, eventRow{Type: gateway.EventOffersChanged, Data: &gateway.EventData{
			Party: party, Count: len(offers), Offers: offers[:min(len(offers), offersInEvent)],
		}})
	}
	return rows
}

// writeEvents appends what happened, and lets go of the oldest beyond what is
// kept.
func (t *txn) writeEvents() error {
	rows := t.happened.all()
	if len(rows) == 0 {
		return nil
	}
	t.evented = true
	log, err := readEventLog(t)
	if err != nil {
		return err
	}
	incarnation, err := getUint(t, keyIncarnation())
	if err != nil {
		return err
	}
	for _, row := range rows {
		log.Last++
		row.At, row.Incarnation = t.now, incarnation
		t.put(table{name: tableEvents}, number(log.Last), encodeJSON(row))
	}
	return t.trimEvents(&log, func(n uint64, _ eventRow) bool { return log.Last-n >= uint64(t.maxEvents) })
}

// trimEvents deletes the oldest events as long as they are over, and writes log.
func (t *txn) trimEvents(log *eventLog, over func(n uint64, row eventRow) bool) error {
	in := table{name: tableEvents}
	for deleted := 0; log.First <= log.Last && deleted < rowsPerWrite; deleted++ {
		var row eventRow
		if _, err := getJSON(t, in, number(log.First), &row); err != nil {
			return err
		}
		if !over(log.First, row) {
			break
		}
		t.delete(in, number(log.First))
		log.Gone = gateway.EventPosition{Incarnation: row.Incarnation, Number: log.First}
		log.First++
	}
	t.put(table{name: tableMeta}, keyEvents(), encodeJSON(log))
	return nil
}

// purgeEvents lets go of events that are older than they are kept.
func (s *Store) purgeEvents(ctx context.Context, now time.Time) error {
	over := func(_ uint64, row eventRow) bool { return now.Sub(row.At) > s.eventLife }
	for more := true; more; {
		more = false
		err := s.view(ctx, func(r reader) error {
			log, err := readEventLog(r)
			if err != nil || log.First > log.Last {
				return err
			}
			var row eventRow
			_, err = getJSON(r, table{name: tableEvents}, number(log.First), &row)
			more = over(log.First, row)
			return err
		})
		if err != nil || !more {
			return err
		}
		if err := s.update(ctx, now, func(t *txn) error {
			log, err := readEventLog(t)
			if err != nil {
				return err
			}
			return t.trimEvents(&log, over)
		}); err != nil {
			return err
		}
	}
	return nil
}

// NextEvent gives a channel that is closed once there are events that were not
// there when it was called. Ask for it before reading.
func (s *Store) NextEvent() <-chan struct{} {
	s.eventMu.Lock()
	defer s.eventMu.Unlock()
	if s.eventNext == nil {
		s.eventNext = make(chan struct{})
	}
	return s.eventNext
}

func (s *Store) tellEvents() {
	s.eventMu.Lock()
	defer s.eventMu.Unlock()
	if s.eventNext != nil {
		close(s.eventNext)
		s.eventNext = nil
	}
}

// LastEvent is the place of the last event.
func (s *Store) LastEvent(ctx context.Context) (at gateway.EventPosition, err error) {
	err = s.view(ctx, func(r reader) error {
		at, err = lastEvent(r)
		return err
	})
	return at, err
}

func lastEvent(r reader) (gateway.EventPosition, error) {
	log, err := readEventLog(r)
	switch {
	case err != nil:
		return gateway.EventPosition{}, err
	case log.First > log.Last:
		return log.before(r)
	}
	return eventAt(r, log.Last)
}

// before is the place before the oldest event. It is never the zero place, which
// moves on when the oldest go.
func (log eventLog) before(r reader) (gateway.EventPosition, error) {
	if log.Gone != (gateway.EventPosition{}) {
		return log.Gone, nil
	}
	incarnation, err := getUint(r, keyIncarnation())
	return gateway.EventPosition{Incarnation: incarnation}, err
}

// Events gives the events after a place that match, at most limit; the zero place
// is before the oldest. What was told of a referral that has been erased is left
// out. Of a page of which nothing matches there may be more: go on after Next.
// From a place that does not lead on it gives a Conflict around a
// gateway.EventsGone.
func (s *Store) Events(ctx context.Context, after gateway.EventPosition, limit int, match func(gateway.EventType) bool) (page EventPage, err error) {
	err = s.view(ctx, func(r reader) error {
		log, err := readEventLog(r)
		if err != nil {
			return err
		}
		if after == (gateway.EventPosition{}) {
			if after, err = log.before(r); err != nil {
				return err
			}
		}
		if err := leadsOn(r, log, after); err != nil {
			return err
		}
		page = EventPage{Next: after}
		rows := 0
		return r.ascend(table{name: tableEvents}, number(after.Number+1), func(key, value []byte) (bool, error) {
			if page.More = len(page.Events) == limit || rows == rowsPerRead; page.More {
				return false, nil
			}
			rows++
			var row eventRow
			if err := readJSON(table{name: tableEvents}, value, &row); err != nil {
				return false, err
			}
			page.Next = gateway.EventPosition{Incarnation: row.Incarnation, Number: sequenceOf(key)}
			if match != nil && !match(row.Type) {
				return true, nil
			}
			if data, ok := s.openEvent(row); ok {
				page.Events = append(page.Events, Event{page.Next, row.Type, row.At, row.Subject, data})
			}
			return true, nil
		})
	})
	return page, err
}

// openEvent gives what an event tells; false where that was erased. An event that
// cannot be read for another reason is passed over too: it only says where to
// look, and nothing must stop at it.
func (s *Store) openEvent(row eventRow) (data gateway.EventData, ok bool) {
	if row.Data != nil {
		return *row.Data, true
	}
	if s.vault == nil {
		return data, false
	}
	plain, err := s.vault.Open(row.In+"/"+row.Subject, row.Sealed)
	if err == nil {
		err = json.Unmarshal(plain, &data)
	}
	return data, err == nil
}

// leadsOn tells whether all that came after a place is there.
func leadsOn(r reader, log eventLog, after gateway.EventPosition) error {
	if after.Number == 0 && log.Gone.Number == 0 {
		return nil
	}
	if after.Number < log.Gone.Number {
		return eventsGone(log.Gone, "what came next is not kept any more")
	}
	at := log.Gone
	if after.Number > log.Gone.Number && after.Number <= log.Last {
		var err error
		if at, err = eventAt(r, after.Number); err != nil {
			return err
		}
	}
	if at == after {
		return nil
	}
	// It is of a database that has been replaced by a backup: what both had ends
	// where the first incarnation after it begins.
	var failed error
	first := sort.Search(int(log.Last+1-log.First), func(i int) bool {
		at, err := eventAt(r, log.First+uint64(i))
		failed = cmp.Or(failed, err)
		return at.Incarnation > after.Incarnation
	})
	if failed != nil {
		return failed
	}
	begin, err := log.before(r)
	if first > 0 {
		begin, err = eventAt(r, log.First+uint64(first)-1)
	}
	if err != nil {
		return err
	}
	return eventsGone(begin, "it is of no event of this database, which may have been put back from a backup")
}

func eventAt(r reader, n uint64) (gateway.EventPosition, error) {
	var row eventRow
	_, err := getJSON(r, table{name: tableEvents}, number(n), &row)
	return gateway.EventPosition{Incarnation: row.Incarnation, Number: n}, err
}

func eventsGone(begin gateway.EventPosition, why string) error {
	return gateway.Wrap(gateway.Conflict, &gateway.EventsGone{Begin: begin},
		"the events cannot go on from this place: "+why+"; read what you missed from the lists, and go on after "+begin.String())
}

// events must follow each other, and be as many as is noted.
func (c *checkup) events() error {
	log, err := readEventLog(c.r)
	if err != nil {
		return err
	}
	next, before := log.First, log.Gone.Incarnation
	err = c.r.ascend(table{name: tableEvents}, nil, func(key, value []byte) (bool, error) {
		var row eventRow
		if err := readJSON(table{name: tableEvents}, value, &row); err != nil {
			return false, err
		}
		if sequenceOf(key) != next || row.Incarnation < before {
			c.fail("event %d does not follow the one before it", sequenceOf(key))
		}
		next, before = sequenceOf(key)+1, row.Incarnation
		return true, nil
	})
	if err == nil && (next != log.Last+1 || log.First != log.Gone.Number+1) {
		c.fail("the events are not those that are noted")
	}
	return err
}
