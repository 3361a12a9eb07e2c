package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// What callers may want to recognise; both are of kind Conflict.
var (
	ErrNoPlace = errors.New("no place is free")          // the waiting list is the alternative
	ErrPassing = errors.New("others have waited longer") // a reason is needed
)

// takenRow counts what referrals take of one own offer. It names nobody.
type takenRow struct {
	Booked   gateway.Taken                  `json:"booked,omitempty"`   // without those that the export counts
	Reserved map[gateway.Date]gateway.Taken `json:"reserved,omitempty"` // by the last day of it
	Counted  []string                       `json:"counted,omitempty"`  // pseudonyms that the export counts, sorted
	Over     bool                           `json:"over,omitempty"`     // the offer was changed to fewer places than are taken
}

func readTaken(r reader, offer string) (*takenRow, error) {
	row := &takenRow{}
	_, err := getJSON(r, table{name: tableTaken}, []byte(offer), row)
	if row.Booked == nil {
		row.Booked = gateway.Taken{}
	}
	if row.Reserved == nil {
		row.Reserved = map[gateway.Date]gateway.Taken{}
	}
	return row, err
}

// putTaken writes the counts of an offer, without reservations that have lapsed. A
// row of which nothing is left stays: after a crash it says that what is shown of
// the offer may still count what is gone.
func (t *txn) putTaken(offer string, row *takenRow) {
	for until, reserved := range row.Reserved {
		if until < gateway.DateOf(t.now) || len(reserved) == 0 {
			delete(row.Reserved, until)
		}
	}
	t.put(table{name: tableTaken}, []byte(offer), encodeJSON(row))
}

// on is all that is taken on a day: reservations lapse by themselves.
func (row *takenRow) on(day gateway.Date) gateway.Taken {
	all := gateway.Taken{}
	all.AddAll(row.Booked)
	for until, reserved := range row.Reserved {
		if day <= until {
			all.AddAll(reserved)
		}
	}
	return all
}

// counts tells whether the export says that it counts a referral itself.
func (row *takenRow) counts(id string) bool {
	_, found := slices.BinarySearch(row.Counted, ReferralPseudonym(id))
	return found
}

// Taken counts the places that referrals take of an own offer: bookings, and
// reservations that have not lapsed, but not those of whom the export says that
// it counts them. What is available is what Offer.With of it leaves.
func (s *Store) Taken(ctx context.Context, offer string, day gateway.Date) (taken gateway.Taken, err error) {
	err = s.view(ctx, func(r reader) error {
		row, err := readTaken(r, offer)
		taken = row.on(day)
		return err
	})
	return taken, err
}

// TakenOffers is Taken of all own offers of which something is taken.
func (s *Store) TakenOffers(ctx context.Context, day gateway.Date) (all map[string]gateway.Taken, err error) {
	err = s.view(ctx, func(r reader) error {
		all = map[string]gateway.Taken{}
		in := table{name: tableTaken}
		return r.ascend(in, nil, func(key, value []byte) (bool, error) {
			var row takenRow
			if err := readJSON(in, value, &row); err != nil {
				return false, err
			}
			all[string(key)] = row.on(day)
			return true, nil
		})
	})
	return all, err
}

// CountedParticipants are those of referrals whom the exports of own offers count
// themselves, by offer, by pseudonym.
func (s *Store) CountedParticipants(ctx context.Context) (all map[string][]string, err error) {
	err = s.view(ctx, func(r reader) error {
		all = map[string][]string{}
		in := table{name: tableTaken}
		return r.ascend(in, nil, func(key, value []byte) (bool, error) {
			var row takenRow
			if err := readJSON(in, value, &row); err != nil {
				return false, err
			}
			if len(row.Counted) > 0 {
				all[string(key)] = row.Counted
			}
			return true, nil
		})
	})
	return all, err
}

// book counts a referral's places in or out.
func (t *txn) book(r *gateway.Referral, by int) error {
	row, err := readTaken(t, r.Offer)
	if err != nil {
		return err
	}
	if !row.counts(r.ID) {
		row.Booked.Add(r.Allotment, r.Dagdelen, by)
	}
	t.putTaken(r.Offer, row)
	return nil
}

// reserve counts a reservation in or out.
func (t *txn) reserve(offer string, r *Reservation, by int) error {
	row, err := readTaken(t, offer)
	if err != nil {
		return err
	}
	if r.Until < gateway.DateOf(t.now) {
		return nil // it has lapsed, and is not counted
	}
	if row.Reserved[r.Until] == nil {
		row.Reserved[r.Until] = gateway.Taken{}
	}
	row.Reserved[r.Until].Add(r.Allotment, r.Dagdelen, by)
	t.putTaken(offer, row)
	return nil
}

// ownOffer reads an own offer that is in force on a day; false if there is none.
func (t *txn) ownOffer(id string, day gateway.Date) (gateway.Offer, bool, error) {
	value, err := t.get(table{name: tableOwn}, []byte(id))
	if err != nil || value == nil {
		return gateway.Offer{}, false, err
	}
	own, err := decodeOwn([]byte(id), value)
	return own.Offer, err == nil && !own.Offer.Expired(day), err
}

// partiesOf are those for whom an allotment may be: for whom is referred, then who
// refers.
func partiesOf(r *gateway.Referral, terms ReferralTerms) (all []gateway.Recipient) {
	for _, oin := range []gateway.OIN{r.Principal, r.Referrer} {
		if oin == "" {
			continue
		}
		if terms.Recipient == nil {
			all = append(all, gateway.Recipient{Party: oin})
		} else {
			all = append(all, terms.Recipient(oin))
		}
	}
	return all
}

// begins is the day from which a place is needed.
func begins(r *gateway.Referral, need *gateway.Need, today gateway.Date) gateway.Date {
	if r.Status == gateway.Accepted && r.Date > today {
		return r.Date
	}
	return max(today, need.From)
}

// lacking are the dagdelen on which an offer has no places at all.
func lacking(offer gateway.Offer, all []gateway.Dagdeel) string {
	var names []string
	for _, d := range all {
		if !offer.Has([]gateway.Dagdeel{d}) {
			names = append(names, string(d))
		}
	}
	return strings.Join(names, ", ")
}

// fit finds where the places for a referral are free. It is ErrNoPlace if they
// are nowhere.
func (t *txn) fit(row *providedRow, r *gateway.Referral, terms ReferralTerms) (allotment string, err error) {
	today := gateway.DateOf(t.now)
	offer, ok, err := t.ownOffer(r.Offer, today)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", gateway.Errorf(gateway.Conflict, "the offer is not there any more, or has expired")
	case len(r.Dagdelen) == 0:
		return "", gateway.Errorf(gateway.Invalid, "say on which dagdelen: the referral names none")
	case !offer.Has(r.Dagdelen):
		return "", gateway.Errorf(gateway.Conflict, "the offer has no places on %s", lacking(offer, r.Dagdelen))
	}
	counts, err := readTaken(t, r.Offer)
	if err != nil {
		return "", err
	}
	taken, day := counts.on(today), begins(r, &row.Need, today)
	allotment, ok = offer.Fit(partiesOf(r, terms), row.Need.Grondslag, r.Dagdelen, taken, day)
	if !ok {
		return "", noPlace(offer, r.Dagdelen, offer.Pools(partiesOf(r, terms), row.Need.Grondslag, day), taken, day)
	}
	return allotment, nil
}

// noPlace names the dagdelen that are full.
func noPlace(offer gateway.Offer, dagdelen []gateway.Dagdeel, pools []string, taken gateway.Taken, day gateway.Date) error {
	var full []string
	for _, d := range dagdelen {
		if !slices.ContainsFunc(pools, func(id string) bool { return offer.Free(id, d, taken, day) > 0 }) {
			full = append(full, string(d))
		}
	}
	message := "no allotment has all dagdelen free: the waiting list is the alternative"
	if len(full) > 0 {
		message = fmt.Sprintf("full on %s: the waiting list is the alternative", strings.Join(full, ", "))
	}
	return gateway.Wrap(gateway.Conflict, ErrNoPlace, message)
}

// movePlaces books, reserves and frees what the step from the state of row to
// next needs, and puts row on or takes it off the waiting list.
func (t *txn) movePlaces(row *providedRow, next *gateway.Referral, c *Commitment) error {
	if c.Reserve && next.Status != gateway.IntroPlanned {
		return gateway.Errorf(gateway.Invalid, "places are reserved for an introduction only")
	}
	before := row.Referral
	promised := row.Reserved != nil && gateway.DateOf(t.now) <= row.Reserved.Until
	if err := t.dropReservation(row, next); err != nil {
		return err
	}
	if before.Status.Booked() && !next.Status.Booked() {
		if err := t.book(&before, -1); err != nil {
			return err
		}
		next.Allotment, row.Conflict = "", false
	}
	if next.Status == gateway.Accepted && !before.Status.Booked() {
		allotment, err := t.fit(row, next, c.Terms)
		if err != nil {
			return err
		}
		if !promised {
			if err := t.passOver(row, next, allotment, c); err != nil {
				return err
			}
		}
		next.Allotment = allotment
		if err := t.book(next, 1); err != nil {
			return err
		}
	}
	if row.Waiting != nil && (next.Status.Booked() || next.Status.Final()) {
		if err := t.leaveWaiting(row); err != nil {
			return err
		}
	}
	if next.Status == gateway.Waitlisted {
		return t.enterWaiting(row, next, c.Terms)
	}
	return t.reserveFor(row, next, c)
}

// dropReservation frees what was reserved, unless the introduction that it is for
// is still what happens.
func (t *txn) dropReservation(row *providedRow, next *gateway.Referral) error {
	if row.Reserved == nil || next.Status == gateway.IntroHeld {
		return nil
	}
	reserved := row.Reserved
	row.Reserved = nil
	return t.reserve(row.Referral.Offer, reserved, -1)
}

// reserveFor reserves places until the introduction, if that is asked.
func (t *txn) reserveFor(row *providedRow, next *gateway.Referral, c *Commitment) error {
	if !c.Reserve {
		return nil
	}
	allotment, err := t.fit(row, next, c.Terms)
	if err != nil {
		return err
	}
	if err := t.passOver(row, next, allotment, c); err != nil {
		return err
	}
	row.Reserved = &Reservation{Allotment: allotment, Dagdelen: next.Dagdelen, Until: next.Date}
	return t.reserve(next.Offer, row.Reserved, 1)
}

// offersChanged brings what is counted of own offers in step with a publication:
// whom their export counts itself, and which have fewer places now than are taken.
func (t *txn) offersChanged(put []OwnOffer, counted map[string][]string, find func(offer, pseudonym string) string) error {
	for offer, pseudonyms := range counted {
		if err := t.setCounted(offer, pseudonyms, find); err != nil {
			return err
		}
	}
	if len(put) == 0 {
		return nil
	}
	rows := map[string]*takenRow{}
	in := table{name: tableTaken}
	err := t.ascend(in, nil, func(key, value []byte) (bool, error) {
		row := &takenRow{}
		rows[string(key)] = row
		return true, readJSON(in, value, row)
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	today := gateway.DateOf(t.now)
	for i := range put {
		offer := &put[i].Offer
		row := rows[offer.ID]
		if row == nil {
			continue
		}
		if over := len(offer.Short(row.on(today))) > 0; over != row.Over {
			row.Over = over
			t.putTaken(offer.ID, row)
		}
	}
	return nil
}

// setCounted keeps whom the export of an offer counts, and counts them no more, or
// again.
func (t *txn) setCounted(offer string, pseudonyms []string, find func(offer, pseudonym string) string) error {
	row, err := readTaken(t, offer)
	if err != nil {
		return err
	}
	before := row.Counted
	row.Counted = slices.Compact(slices.Sorted(slices.Values(pseudonyms)))
	for _, side := range []struct {
		some, others []string
		by           int
	}{{before, row.Counted, 1}, {row.Counted, before, -1}} {
		for _, pseudonym := range side.some {
			if _, stays := slices.BinarySearch(side.others, pseudonym); stays {
				continue
			}
			id := find(offer, pseudonym)
			if id == "" {
				continue
			}
			one, err := t.provided(keyOf(id))
			if err != nil {
				return err
			}
			if one != nil && one.Referral.Status.Booked() {
				row.Booked.Add(one.Referral.Allotment, one.Referral.Dagdelen, side.by)
			}
		}
	}
	t.putTaken(offer, row)
	return nil
}
