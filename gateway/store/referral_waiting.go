package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// waiter is somebody on the waiting list of an offer.
type waiter struct {
	Number    uint64 `json:"number"` // of entry
	Key       []byte `json:"key"`    // the hash of the id of the referral
	Allotment string `json:"allotment,omitempty"`
}

// Waiter is a place on a waiting list: who came first is first.
type Waiter struct {
	Referral  string            `json:"referral"`
	Place     int               `json:"place"` // of its allotment, from 1
	Since     time.Time         `json:"since"`
	Allotment string            `json:"allotment,omitempty"` // for which it waits
	Dagdelen  []gateway.Dagdeel `json:"dagdelen,omitempty"`
	Passed    []Passed          `json:"passed,omitempty"` // why later ones were placed before it
}

func keyWaiting() []byte { return []byte("waiting-number") }

func readWaiters(r reader, offer string) (all []waiter, err error) {
	_, err = getJSON(r, table{name: tableWaiting}, []byte(offer), &all)
	return all, err
}

func (t *txn) putWaiters(offer string, all []waiter) {
	if len(all) == 0 {
		t.delete(table{name: tableWaiting}, []byte(offer))
		return
	}
	t.put(table{name: tableWaiting}, []byte(offer), encodeJSON(all))
}

// enterWaiting puts a referral at the end of the list for the first allotment from
// which it could have a place. Who is on it already stays where he is.
func (t *txn) enterWaiting(row *providedRow, next *gateway.Referral, terms ReferralTerms) error {
	if row.Waiting != nil {
		return nil
	}
	today := gateway.DateOf(t.now)
	offer, ok, err := t.ownOffer(next.Offer, today)
	if err != nil {
		return err
	}
	allotment := ""
	if ok {
		allotment = offer.Pools(partiesOf(next, terms), row.Need.Grondslag, begins(next, &row.Need, today))[0]
	}
	number, err := getUint(t, keyWaiting())
	if err != nil {
		return err
	}
	t.putUint(keyWaiting(), number+1)
	row.Waiting = &waiting{Number: number + 1, Since: t.now.Truncate(time.Second), Allotment: allotment}
	all, err := readWaiters(t, next.Offer)
	if err != nil {
		return err
	}
	key := keyOf(next.ID)
	t.putWaiters(next.Offer, append(all, waiter{Number: number + 1, Key: key[:], Allotment: allotment}))
	return nil
}

func (t *txn) leaveWaiting(row *providedRow) error {
	if row.Waiting == nil {
		return nil
	}
	all, err := readWaiters(t, row.Referral.Offer)
	if err != nil {
		return err
	}
	t.putWaiters(row.Referral.Offer, slices.DeleteFunc(all, func(w waiter) bool { return w.Number == row.Waiting.Number }))
	row.Waiting = nil
	return nil
}

// passOver notes with those who wait longer, and for whom these places would do,
// why they are passed over. It is ErrPassing if no reason is given.
func (t *txn) passOver(row *providedRow, next *gateway.Referral, allotment string, c *Commitment) error {
	all, err := readWaiters(t, next.Offer)
	if err != nil || len(all) == 0 {
		return err
	}
	today := gateway.DateOf(t.now)
	offer, _, err := t.ownOffer(next.Offer, today)
	if err != nil {
		return err
	}
	counts, err := readTaken(t, next.Offer)
	if err != nil {
		return err
	}
	passed, key := 0, keyOf(next.ID)
	for _, w := range all {
		if w.Allotment != allotment || string(w.Key) == string(key[:]) || row.Waiting != nil && w.Number > row.Waiting.Number {
			continue
		}
		other, err := t.provided(referralKey(w.Key))
		if err != nil {
			return err
		}
		if other == nil || !waitsFor(other, offer, allotment, counts.on(today), today) {
			continue
		}
		passed++
		if c.Passing == "" {
			continue
		}
		other.Passed = append(other.Passed, Passed{At: t.now.Truncate(time.Second), Reason: c.Passing})
		if err := t.putProvided(other); err != nil {
			return err
		}
	}
	if passed > 0 && c.Passing == "" {
		return gateway.Wrap(gateway.Conflict, ErrPassing, fmt.Sprintf("%d others have waited longer for these places: say why they are passed over", passed))
	}
	return nil
}

// waitsFor tells whether somebody who waits could have places of an allotment now.
func waitsFor(row *providedRow, offer gateway.Offer, allotment string, taken gateway.Taken, today gateway.Date) bool {
	day := begins(&row.Referral, &row.Need, today)
	return row.Reserved == nil && !slices.ContainsFunc(row.Referral.Dagdelen, func(d gateway.Dagdeel) bool {
		return offer.Free(allotment, d, taken, day) < 1
	})
}

// WaitingList gives who waits for places of an own offer, in the order of entry.
func (s *Store) WaitingList(ctx context.Context, offer string) (list []Waiter, err error) {
	err = s.view(ctx, func(r reader) error {
		list = nil
		all, err := readWaiters(r, offer)
		if err != nil {
			return err
		}
		places := map[string]int{}
		for _, w := range all {
			var row providedRow
			ok, err := openSealed(r, s.vault, tableProvided, referralKey(w.Key), &row)
			if err != nil {
				return err
			}
			if !ok || row.Waiting == nil {
				continue
			}
			places[w.Allotment]++
			list = append(list, Waiter{
				Referral: row.Referral.ID, Place: places[w.Allotment], Since: row.Waiting.Since, Allotment: w.Allotment,
				Dagdelen: row.Referral.Dagdelen, Passed: row.Passed,
			})
		}
		return nil
	})
	return list, err
}
