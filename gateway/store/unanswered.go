package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// unanswered has those parties gone through again that have not answered something
// in time. Their answer may have been given up before it came: one to what they
// refused, or know nothing of, they have not kept. What was asked is asked again at
// most once in the time that messages live.
func (s *Store) unanswered(ctx context.Context, now time.Time) error {
	now = s.EffectiveTime(now)
	late := map[gateway.OIN]bool{}
	for _, f := range s.Referrals(func(f ReferralFacts) bool {
		return f.Side == gateway.ReferrerSide && f.Open != "" && f.AnswerBy != "" && f.AnswerBy < gateway.DateOf(now)
	}) {
		late[f.Party] = true
	}
	err := s.view(ctx, func(r reader) error {
		if err := s.rightsUnanswered(r, now, late); err != nil {
			return err
		}
		for party := range late {
			row, err := readPeer(r, party)
			if err != nil {
				return err
			}
			if row.Referrals || now.Before(row.Reconciled.Add(gateway.Lifetime)) {
				delete(late, party)
			}
		}
		return nil
	})
	if err != nil || len(late) == 0 {
		return err
	}
	return s.update(ctx, now, func(t *txn) error {
		for party := range late {
			row, err := t.peer(party)
			if err != nil {
				return err
			}
			row.Referrals = true
		}
		return nil
	})
}

// rightsUnanswered adds the parties whose answer to what was asked for an inhabitant
// is still to come.
func (s *Store) rightsUnanswered(r reader, now time.Time, late map[gateway.OIN]bool) error {
	if s.vault == nil {
		return nil
	}
	return eachRights(r, s.vault, func(_ rightsKey, row *rightsRow) error {
		if row.Asked && row.open() && row.Failed == "" && !now.Before(row.At.Add(gateway.Lifetime)) {
			late[row.Party] = true
		}
		return nil
	})
}
