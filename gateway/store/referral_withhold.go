package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Withheld is a message about a person that waits for a party, and that policy no
// longer lets go as it is.
type Withheld struct {
	Kind    string
	Subject string
	Rule    string // that forbids it, or "default"
	Policy  string // version
}

// Withhold takes messages out of the queue of a party that policy no longer
// allows. A referrer's request is no longer open then: its staff decide what now.
// Of a provider's state what is still allowed is queued again.
func (s *Store) Withhold(ctx context.Context, now time.Time, party gateway.OIN, all []Withheld, terms ReferralTerms) error {
	return s.update(ctx, now, func(t *txn) error {
		for _, w := range all {
			if err := t.unqueue(party, w.Kind, w.Subject); err != nil {
				return err
			}
			err := t.record(journal.Entry{
				Kind: journal.KindWithdrawn, Party: party, Policy: w.Policy, Rules: []string{w.Rule}, Outcome: w.Kind,
			})
			if err != nil {
				return err
			}
			if w.Kind == gateway.KindReferralState {
				err = t.restate(w.Subject, terms)
			} else {
				err = t.letterEnded(party, w.Kind, w.Subject, gateway.Withdrawn)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// rulesChanged has the referrals gone through again with those from whom the rules of
// before kept states.
func (t *txn) rulesChanged() error {
	return eachPeer(t, func(oin gateway.OIN, known peerRow) error {
		if !known.Untold {
			return nil
		}
		row, err := t.peer(oin)
		if err == nil {
			row.Untold, row.Referrals = false, true
		}
		return err
	})
}

// restate queues the state of a referral as policy allows it now.
func (t *txn) restate(subject string, terms ReferralTerms) error {
	key, ok, err := t.bySubject(tableProvided, subject)
	if err != nil || !ok {
		return err
	}
	row, err := t.provided(key)
	if err != nil || row == nil {
		return err
	}
	_, err = t.sendState(row.Referral, terms)
	return err
}
