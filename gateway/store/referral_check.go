package store

import (
	"fmt"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// recounted is what the rows of referrals say of places and waiting lists.
type recounted struct {
	booked   map[string]gateway.Taken                  // by offer
	reserved map[string]map[gateway.Date]gateway.Taken // by offer and last day
	waiting  map[string]map[uint64]referralKey         // by offer and number
	conflict map[string]bool                           // offers of which a referral was adopted in conflict
	sealed   int                                       // rows that cannot be read: their keys were erased
}

// recount goes through all referrals of the provider's side. counted gives the
// counts of an offer as they are stored.
func recount(r reader, v Vault, counted func(offer string) (*takenRow, error)) (*recounted, error) {
	c := &recounted{
		booked: map[string]gateway.Taken{}, reserved: map[string]map[gateway.Date]gateway.Taken{},
		waiting: map[string]map[uint64]referralKey{}, conflict: map[string]bool{},
	}
	err := eachKey(r, tableProvided, func(key referralKey) error {
		var row providedRow
		ok, err := openSealed(r, v, tableProvided, key, &row)
		if err != nil {
			return err
		}
		if !ok {
			c.sealed++
			return nil
		}
		return c.add(key, &row, counted)
	})
	return c, err
}

func (c *recounted) add(key referralKey, row *providedRow, counted func(offer string) (*takenRow, error)) error {
	offer := row.Referral.Offer
	if row.Conflict {
		c.conflict[offer] = true
	}
	if row.Referral.Status.Booked() {
		stored, err := counted(offer)
		if err != nil {
			return err
		}
		if c.booked[offer] == nil {
			c.booked[offer] = gateway.Taken{}
		}
		if !stored.counts(row.Referral.ID) {
			c.booked[offer].Add(row.Referral.Allotment, row.Referral.Dagdelen, 1)
		}
	}
	if held := row.Reserved; held != nil {
		if c.reserved[offer] == nil {
			c.reserved[offer] = map[gateway.Date]gateway.Taken{}
		}
		if c.reserved[offer][held.Until] == nil {
			c.reserved[offer][held.Until] = gateway.Taken{}
		}
		c.reserved[offer][held.Until].Add(held.Allotment, held.Dagdelen, 1)
	}
	if row.Waiting != nil {
		if c.waiting[offer] == nil {
			c.waiting[offer] = map[uint64]referralKey{}
		}
		c.waiting[offer][row.Waiting.Number] = key
	}
	return nil
}

// referrals checks the counts of places and the waiting lists against the rows of
// the referrals, that nothing is overbooked but what is marked so, that what is
// under way has an owner and a date, and that what was erased is not there.
func (c *checkup) referrals() error {
	if err := c.erased(); err != nil || c.vault == nil {
		return err
	}
	read := func(offer string) (*takenRow, error) { return readTaken(c.r, offer) }
	want, err := recount(c.r, c.vault, read)
	if err != nil {
		return err
	}
	offers := map[string]bool{}
	for offer := range want.booked {
		offers[offer] = true
	}
	for offer := range want.reserved {
		offers[offer] = true
	}
	for offer := range want.waiting {
		offers[offer] = true
	}
	for _, in := range []string{tableTaken, tableWaiting} {
		err := c.r.ascend(table{name: in}, nil, func(key, _ []byte) (bool, error) {
			offers[string(key)] = true
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	for offer := range offers {
		if err := c.taken(offer, want); err != nil {
			return err
		}
		if err := c.waiting(offer, want); err != nil {
			return err
		}
	}
	return c.steps()
}

// taken checks the counts of one offer.
func (c *checkup) taken(offer string, want *recounted) error {
	got, err := readTaken(c.r, offer)
	if err != nil {
		return err
	}
	if want.sealed == 0 && fmt.Sprint(got.Booked) != fmt.Sprint(orNone(want.booked[offer])) {
		c.fail("an offer: referrals book %v and the count says %v", want.booked[offer], got.Booked)
	}
	today := gateway.DateOf(c.highest)
	for until, reserved := range want.reserved[offer] {
		if until >= today && want.sealed == 0 && fmt.Sprint(got.Reserved[until]) != fmt.Sprint(reserved) {
			c.fail("an offer: referrals reserve %v and the count says %v", reserved, got.Reserved[until])
		}
	}
	for until, reserved := range got.Reserved {
		if until >= today && want.sealed == 0 && len(reserved) > 0 && len(want.reserved[offer][until]) == 0 {
			c.fail("an offer: the count says that %v is reserved, and no referral does", reserved)
		}
	}
	value, err := c.r.get(table{name: tableOwn}, []byte(offer))
	if err != nil || value == nil {
		return err
	}
	own, err := decodeOwn([]byte(offer), value)
	if err != nil {
		return err
	}
	if short := own.Offer.Short(got.on(today)); len(short) > 0 && !got.Over && !want.conflict[offer] {
		c.fail("an offer: more places are booked than there are on %v", short)
	}
	return nil
}

func orNone(t gateway.Taken) gateway.Taken {
	if t == nil {
		return gateway.Taken{}
	}
	return t
}

// waiting checks the waiting list of one offer.
func (c *checkup) waiting(offer string, want *recounted) error {
	all, err := readWaiters(c.r, offer)
	if err != nil || want.sealed > 0 {
		return err
	}
	if !slices.IsSortedFunc(all, func(a, b waiter) int { return int(a.Number) - int(b.Number) }) {
		c.fail("an offer: its waiting list is not in the order of entry")
	}
	for _, w := range all {
		if key, ok := want.waiting[offer][w.Number]; !ok || string(key[:]) != string(w.Key) {
			c.fail("an offer: somebody on its waiting list does not wait")
		}
	}
	if len(all) != len(want.waiting[offer]) {
		c.fail("an offer: %d wait and its list has %d", len(want.waiting[offer]), len(all))
	}
	return nil
}

// steps checks that every referral that has not ended has an owner and a date.
func (c *checkup) steps() error {
	err := eachProvided(c.r, c.vault, func(key referralKey, row *providedRow) error {
		r := row.Referral
		if keyOf(r.ID) != key {
			c.fail("a referral stands under the hash of another")
		}
		if !r.Status.Final() && (r.Status.NextStep().Owner == "" || r.Due == "") {
			c.fail("a referral %s has no owner of its next step, or no date", r.Status)
		}
		if r.Status.Final() && r.Due != "" {
			c.fail("a referral %s is due", r.Status)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachFollowed(c.r, c.vault, func(key referralKey, row *followedRow) error {
		if keyOf(row.Follow.ID) != key {
			c.fail("a referral stands under the hash of another")
		}
		if row.Follow.Open != nil && row.AnswerBy == "" {
			c.fail("a request is open without a date for its answer")
		}
		if row.Follow.Status != "" && row.Follow.Status.Final() && row.Follow.Open != nil {
			c.fail("a request is open in a referral that is %s", row.Follow.Status)
		}
		return nil
	})
}

// erased checks that nothing is left of what was erased.
func (c *checkup) erased() error {
	return c.r.ascend(table{name: tableErased}, nil, func(key, _ []byte) (bool, error) {
		for _, in := range []string{tableProvided, tableFollowed, tableHandovers} {
			row, err := c.r.get(table{name: in}, key)
			if err != nil {
				return false, err
			}
			if row != nil {
				c.fail("a referral that was erased is in table %s", in)
			}
		}
		return true, nil
	})
}
