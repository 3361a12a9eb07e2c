package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// sealShift signs a letter about allotments.
func (d *Desk) sealShift(letter gateway.AllotmentLetter) (string, error) {
	letter.Issuer, letter.Time = d.Self, time.Now().UTC().Truncate(time.Second)
	payload, err := json.Marshal(letter)
	if err != nil {
		return "", fmt.Errorf("write letter: %w", err)
	}
	return d.Allot.Sign(seal.AllotmentLetter, payload)
}

// postShift sends what this node says of a request to its provider, and takes the
// answer.
func (d *Desk) postShift(ctx context.Context, h store.HeardShift) error {
	party, ok := d.peer(h.Request.Provider)
	if !ok {
		return gateway.Errorf(gateway.Unavailable, "the provider is not in the register")
	}
	token, err := d.sealShift(gateway.AllotmentLetter{Audience: party.OIN, Says: h.Says, Ask: h.Ask, Signed: h.Signed, Known: h.Letter})
	if err != nil {
		return err
	}
	answer, err := d.Allot.Send(ctx, party, token)
	if err != nil {
		return err
	}
	letter, ask, err := d.openShiftLetter(party, answer)
	if err != nil || letter.State == nil || ask.ID != h.Request.ID {
		return gateway.Wrap(gateway.Unavailable, err, "the answer of the provider cannot be used")
	}
	if err := d.hearShift(ctx, party, letter, ask, answer, h.Says); err != nil {
		return err
	}
	if letter.State.Number == 0 && h.State.Number > 0 {
		return gateway.Errorf(gateway.Unavailable, "the provider has lost the request, and not yet heard it again of who asked")
	}
	return nil
}

// hearShift takes where a request stands from its provider. answers is what this
// node said to that, "" if it comes by itself.
func (d *Desk) hearShift(ctx context.Context, provider gateway.Party, letter gateway.AllotmentLetter, ask gateway.AllotmentAsk, token, answers string) error {
	known, err := d.heardShift(ctx, ask.ID)
	switch {
	case err != nil:
		return err
	case ask.Provider != provider.OIN:
		return gateway.Errorf(gateway.Denied, "that is not for this party to say")
	case known != nil && !samePayload(known.Ask, letter.Ask):
		return gateway.Errorf(gateway.Denied, "the request is another one")
	}
	heard := store.HeardShift{Request: ask, Ask: letter.Ask, State: *letter.State, Letter: token}
	if known == nil {
		if err := d.signedBy(ask.Asked, letter.Ask, letter.Ask); err != nil {
			return err
		}
		if ask.Asked == d.Self {
			heard.Says = gateway.ShiftAsk // before this node was restored
		}
	}
	if err := d.Store.HearShift(ctx, d.now(), heard, answers, journal.Entry{}); err != nil {
		return err
	}
	if answers == "" {
		d.shiftsMoved() // it may say less than it said
	}
	return nil
}

func (d *Desk) heardShift(ctx context.Context, id string) (*store.HeardShift, error) {
	all, err := d.Store.HeardShifts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	for i := range all {
		if all[i].Request.ID == id {
			return &all[i], nil
		}
	}
	return nil, nil
}

// ShiftsMoved is told when there may be something to tell others about allotments.
func (d *Desk) ShiftsMoved() <-chan struct{} { return d.moved }

func (d *Desk) shiftsMoved() {
	select {
	case d.moved <- struct{}{}:
	default:
	}
}

// TellShifts ends the requests about allotments that have waited too long, tells
// the parties of those to this node where they stand, and the providers of others
// what this node says of them. It says whether something is left to tell.
func (d *Desk) TellShifts(ctx context.Context) (left bool, err error) {
	if _, err := d.Store.LapseShifts(ctx, d.now()); err != nil {
		return false, fmt.Errorf("end requests about allotments: %w", err)
	}
	rows, err := d.Store.AllotmentRequests(ctx)
	if err != nil {
		return false, fmt.Errorf("read requests: %w", err)
	}
	heard, err := d.Store.HeardShifts(ctx)
	if err != nil {
		return false, fmt.Errorf("read requests: %w", err)
	}
	var failed []error
	away := map[gateway.OIN]bool{} // one that does not answer is tried once
	try := func(party gateway.OIN, tell func() error) {
		if away[party] {
			return
		}
		if err := tell(); err != nil {
			away[party] = gateway.KindOf(err) == gateway.Unavailable
			failed = append(failed, err)
		}
	}
	for _, row := range rows {
		for _, oin := range row.Parties() {
			if key := d.tellingKey(ctx, row, oin); oin != d.Self && row.Told[oin] != key {
				try(oin, func() error { return d.tellShift(ctx, row, oin, key) })
			}
		}
	}
	for _, h := range heard {
		if !h.Sent && h.Says != "" {
			try(h.Request.Provider, func() error { return d.postShift(ctx, h) })
		} else if d.restoredSince(ctx, h) {
			try(h.Request.Provider, func() error { return d.postShift(ctx, h) })
		}
	}
	return len(failed) > 0, errors.Join(failed...)
}

// tellingKey names what a party is to be told: the same again once its node has
// been restored, and once this one has: it may have said more since, which that party
// then says again.
func (d *Desk) tellingKey(ctx context.Context, row gateway.AllotmentRequest, oin gateway.OIN) string {
	return fmt.Sprintf("%d/%d/%d", row.Number, d.incarnationOf(ctx, oin), d.Store.Incarnation())
}

// incarnationOf is that of a peer, as its last hello says; 0 before the first.
func (d *Desk) incarnationOf(ctx context.Context, oin gateway.OIN) uint64 {
	status, err := d.Store.Peer(ctx, oin)
	if err != nil || status.Hello == nil {
		return 0
	}
	return status.Hello.Incarnation
}

// restoredSince tells whether the provider of a request was restored since it last
// said something of it.
func (d *Desk) restoredSince(ctx context.Context, h store.HeardShift) bool {
	stands := h.State.Status == gateway.ShiftPending || h.State.Status == gateway.ShiftCommitted
	return stands && h.Says != "" && d.incarnationOf(ctx, h.Request.Provider) > h.State.Incarnation
}

func (d *Desk) tellShift(ctx context.Context, row gateway.AllotmentRequest, oin gateway.OIN, key string) error {
	party, ok := d.peer(oin)
	if !ok {
		return nil // until it is in the register again
	}
	state := row.State(d.Store.Incarnation())
	token, err := d.sealShift(gateway.AllotmentLetter{Audience: oin, Says: gateway.ShiftState, Ask: row.Ask, State: &state})
	if err != nil {
		return err
	}
	if _, err := d.Allot.Send(ctx, party, token); err != nil {
		return err
	}
	return d.Store.ToldShift(ctx, d.now(), row.ID, oin, key, journal.Entry{})
}

// shiftAlarms tell of requests about allotments that wait for this node.
func (d *Desk) shiftAlarms(ctx context.Context) (alarms []string, err error) {
	rows, err := d.Store.AllotmentRequests(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := d.Store.HeardShifts(ctx)
	if err != nil {
		return nil, err
	}
	waits := func(l ShiftLine) {
		if l.Mine {
			alarms = append(alarms, fmt.Sprintf("%s vraagt of plekken van een toedeling van %s vrij mogen; zie doorstroom allotments list",
				cmp.Or(l.AskedName, string(l.Asked)), l.Offer))
		}
	}
	for _, row := range rows {
		waits(d.shiftIn(row))
	}
	for _, h := range heard {
		waits(d.shiftOut(h))
	}
	return alarms, nil
}
