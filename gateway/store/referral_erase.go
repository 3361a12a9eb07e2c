package store

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// An erasure is done in two steps: in one transaction the rows and the messages
// that wait go, and the hash of the id is put on the list of what was erased;
// then the keys go. Whatever ends it in between, Open does the second step again.

func (t *txn) wasErased(key referralKey) (bool, error) {
	mark, err := t.get(table{name: tableErased}, key[:])
	return mark != nil, err
}

// EraseReferral takes away all that this node has of a referral, on either side:
// rows, messages that wait, handover data and their keys, so that backups and
// free pages tell nothing either. What is left is a hash, so that neither a late
// message nor a restore brings it back, and the journal, which names nobody.
// Places that are booked must be freed first: a referral that has not ended is a
// Conflict. Reason is a code.
func (s *Store) EraseReferral(ctx context.Context, now time.Time, id, reason string, entry journal.Entry) error {
	key := keyOf(id)
	err := s.update(ctx, now, func(t *txn) error {
		if erased, err := t.wasErased(key); err != nil || erased {
			return err // the keys are still to do, perhaps
		}
		provided, err := t.provided(key)
		if err != nil {
			return err
		}
		followed, err := t.followed(key)
		if err != nil {
			return err
		}
		var party gateway.OIN
		var digest string
		switch {
		case provided == nil && followed == nil:
			return errNoReferral()
		case provided != nil && !provided.Referral.Status.Final(), followed != nil && !followed.over():
			return gateway.Errorf(gateway.Conflict, "the referral has not ended")
		case provided != nil:
			party, digest = provided.Referral.Referrer, digestOf(provided.Salt, key)
		default:
			party, digest = followed.Follow.Provider, digestOf(followed.Salt, key)
		}
		if err := t.eraseReferral(key, party); err != nil {
			return err
		}
		return t.recordReferral(entry, journal.KindReferralErased, party, "", reason, digest, nil)
	})
	if err != nil {
		return err
	}
	return s.eraseKeys([]referralKey{key})
}

// over tells whether a referral, as its referrer knows it, leads to nothing more.
func (r *followedRow) over() bool {
	return r.Orphan || r.Forgotten || r.Follow.Status.Final() || r.Follow.Status == "" && r.Follow.Open == nil
}

// eraseReferral takes away the rows of a referral and what waits for a party.
func (t *txn) eraseReferral(key referralKey, party gateway.OIN) error {
	for _, in := range []string{tableProvided, tableFollowed, tableHandovers} {
		t.delete(table{name: in}, key[:])
	}
	if err := t.eraseRightsText(key); err != nil {
		return err
	}
	for _, kind := range []string{gateway.KindReferral, gateway.KindReferralState, gateway.KindHandover} {
		if party == "" { // it could not be read: what waits for anybody cannot either
			break
		}
		if err := t.unqueue(party, kind, key.subject()); err != nil {
			return err
		}
	}
	t.put(table{name: tableErased}, key[:], appendTime(nil, t.now))
	t.erased = append(t.erased, key)
	t.event(gateway.EventReferralErased, key.subject(), gateway.EventData{})
	return nil
}

// unqueue takes back the message of a kind and subject that waits, if one does.
func (t *txn) unqueue(party gateway.OIN, kind, subject string) error {
	in, key := slotOf(party, kind, subject)
	sl, ok, err := t.slot(in, key)
	if err != nil || !ok || !sl.underWay() {
		return err
	}
	if err := t.end(party, &sl, gateway.EventWithdraw); err != nil {
		return err
	}
	return t.keepSlot(in, key, kind, sl)
}

func (s *Store) eraseKeys(keys []referralKey) error {
	if len(keys) == 0 || s.vault == nil {
		return nil
	}
	var names []string
	for _, key := range keys {
		names = append(names, key.name(tableProvided), key.name(tableFollowed), key.name(tableHandovers), rightsTextName(key))
	}
	return s.vault.Erase(names...)
}

// eraseLeft erases the keys that erasures, renewals and requests that are gone have
// left, because the vault could not be written then.
func (s *Store) eraseLeft(ctx context.Context, now time.Time) error {
	var keys []referralKey
	err := s.view(ctx, func(r reader) error {
		keys = nil
		return r.ascend(table{name: tableErased}, nil, func(key, _ []byte) (bool, error) {
			keys = append(keys, referralKey(key))
			return true, nil
		})
	})
	if err == nil {
		err = s.eraseKeys(keys)
	}
	if err == nil {
		err = s.eraseRenewed(ctx, now)
	}
	if err == nil {
		err = s.eraseDoomed(ctx, now)
	}
	return err
}

// replayErasures does again, after a start or a restore, what erasures may have
// left: rows of referrals that were erased, and their keys.
func (s *Store) replayErasures(ctx context.Context) error {
	if s.vault == nil {
		return nil
	}
	var keys, back []referralKey
	err := s.view(ctx, func(r reader) error {
		keys, back = nil, nil
		return r.ascend(table{name: tableErased}, nil, func(key, _ []byte) (bool, error) {
			keys = append(keys, referralKey(key))
			for _, in := range []string{tableProvided, tableFollowed, tableHandovers} {
				if row, err := r.get(table{name: in}, key); err != nil {
					return false, err
				} else if row != nil {
					back = append(back, referralKey(key))
					break
				}
			}
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	if len(back) > 0 {
		err := s.update(ctx, time.Time{}, func(t *txn) error {
			for _, key := range back {
				if err := t.eraseAgain(key); err != nil {
					return err
				}
			}
			return t.recountPlaces()
		})
		if err != nil {
			return err
		}
	}
	return s.eraseKeys(keys)
}

// eraseAgain takes away a referral that a restore brought back. The places that it
// had are counted anew: it may not be readable any more.
func (t *txn) eraseAgain(key referralKey) error {
	var party gateway.OIN
	if row, err := t.provided(key); err != nil {
		return err
	} else if row != nil {
		party = row.Referral.Referrer
	}
	if row, err := t.followed(key); err != nil {
		return err
	} else if row != nil {
		party = row.Follow.Provider
	}
	return t.eraseReferral(key, party)
}

// recountPlaces writes the counts of places and the waiting lists as the referrals
// that can be read have them.
func (t *txn) recountPlaces() error {
	stored := map[string]*takenRow{}
	waiters := map[string]bool{}
	in := table{name: tableTaken}
	err := t.ascend(in, nil, func(key, value []byte) (bool, error) {
		row := &takenRow{}
		stored[string(key)] = row
		return true, readJSON(in, value, row)
	})
	if err != nil {
		return err
	}
	err = t.ascend(table{name: tableWaiting}, nil, func(key, _ []byte) (bool, error) {
		waiters[string(key)] = true
		return true, nil
	})
	if err != nil {
		return err
	}
	read := func(offer string) (*takenRow, error) {
		if stored[offer] == nil {
			stored[offer] = &takenRow{}
		}
		return stored[offer], nil
	}
	now, err := recount(t, t.vault, read)
	if err != nil {
		return err
	}
	for offer, row := range stored {
		row.Booked, row.Reserved = now.booked[offer], now.reserved[offer]
		t.putTaken(offer, row)
	}
	for offer := range waiters {
		all, err := readWaiters(t, offer)
		if err != nil {
			return err
		}
		t.putWaiters(offer, slices.DeleteFunc(all, func(w waiter) bool {
			_, waits := now.waiting[offer][w.Number]
			return !waits
		}))
	}
	return nil
}
