package store

import (
	"context"
	"sync/atomic"

	"github.com/doorstroom/doorstroom/gateway"
)

// decoded is what the rows of all received offers were decoded into when they were
// last read, in their order. Nobody tells it of changes: every reader reads the
// rows of its own view, and takes from here only what was decoded from the same
// row, as its place, times and digest say. So it cannot be wrong, whatever was
// written, taken back, restored or rolled back meanwhile, and whoever reads an
// older view: at worst it helps less.
//
// A list that is here is never changed, nor what is in it.
type decoded struct {
	max  int64 // bytes of the rows that are kept
	last atomic.Pointer[[]*decodedOffer]
}

// defaultDecoded is enough for some 16,000 offers of 1 KB.
const defaultDecoded = 16 << 20

type decodedOffer struct {
	head  string // of the row it was decoded from, all but the data: see snapshot
	size  int    // of that row
	offer ReceivedOffer
}

func (d *decoded) list() []*decodedOffer {
	if last := d.last.Load(); last != nil {
		return *last
	}
	return nil
}

// SharedOffers is ReceivedOffers for those who ask often: rows that have not
// changed since they were last read are not decoded again. What it gives is shared
// with all other callers and is to be read only.
func (s *Store) SharedOffers(ctx context.Context) (all []*ReceivedOffer, err error) {
	var kept []*decodedOffer
	err = s.view(ctx, func(r reader) error {
		before, room := s.decoded.list(), s.decoded.max
		all, kept = make([]*ReceivedOffer, 0, len(before)), make([]*decodedOffer, 0, len(before))
		return eachPartyTable(r, tableReceived, func(in table) error {
			return r.pass(in, func(subject, value []byte) (err error) {
				for len(before) > 0 && !before[0].of(in.party, subject) && before[0].comesBefore(in.party, subject) {
					before = before[1:]
				}
				var one *decodedOffer
				if len(before) > 0 && before[0].of(in.party, subject) && before[0].from(value) {
					one = before[0]
				} else if one, err = decodeReceived(in, subject, value); one == nil || err != nil {
					return err
				}
				if all = append(all, &one.offer); int64(one.size) <= room {
					room -= int64(one.size)
					kept = append(kept, one)
				}
				return nil
			})
		})
	})
	if err != nil {
		return nil, err
	}
	s.decoded.last.Store(&kept)
	return all, nil
}

func (o *decodedOffer) of(sender gateway.OIN, subject []byte) bool {
	return o.offer.Subject == string(subject) && o.offer.Sender == sender
}

func (o *decodedOffer) comesBefore(sender gateway.OIN, subject []byte) bool {
	return o.offer.Sender < sender || o.offer.Sender == sender && o.offer.Subject < string(subject)
}

// from tells whether a row of the same subject is the one this was decoded from.
func (o *decodedOffer) from(row []byte) bool {
	return o.size == len(row) && len(o.head) <= len(row) && o.head == string(row[:len(o.head)])
}

// decodeReceived reads a row; nil if it only says that its subject is gone.
func decodeReceived(in table, subject, row []byte) (*decodedOffer, error) {
	held, err := decodeSnapshot(in, row)
	if err != nil || held.gone() {
		return nil, err
	}
	o := &decodedOffer{head: string(row[:len(row)-len(held.data)]), size: len(row), offer: ReceivedOffer{
		Sender: in.party, Subject: string(subject), Sequence: held.order.sequence, Incarnation: held.order.incarnation,
		Digest: held.digest, Received: held.received,
	}}
	return o, readJSON(in, held.data, &o.offer.Capacity)
}
