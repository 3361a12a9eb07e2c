package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// ProvidedReferral is all that the provider's node has of a referral, but for the
// handover data.
type ProvidedReferral struct {
	Referral gateway.Referral
	Need     gateway.Need
	Reserved *Reservation // places for an introduction
	Waiting  bool
	Since    time.Time // on the waiting list
	Passed   []Passed
	Conflict bool // its places were taken when it was recovered after a restore
	Digest   string
}

// FollowedReferral is all that the referrer's node has of a referral, but for the
// handover data.
type FollowedReferral struct {
	Follow     gateway.Follow
	Need       *gateway.Need // nil of an orphan
	Reference  string
	After      string // the referral that it follows
	AnswerBy   gateway.Date
	Recovering bool
	Orphan     bool
	Forgotten  bool
	Failed     string
	Digest     string
}

// ProvidedReferral opens a referral to this node. Digest is that of its entries in
// the journal.
func (s *Store) ProvidedReferral(ctx context.Context, id string) (p ProvidedReferral, err error) {
	key := keyOf(id)
	err = s.view(ctx, func(r reader) error {
		var row providedRow
		ok, err := openSealed(r, s.vault, tableProvided, key, &row)
		if err == nil && !ok {
			err = errNoReferral()
		}
		if err != nil {
			return err
		}
		p = ProvidedReferral{
			Referral: row.Referral, Need: row.Need, Reserved: row.Reserved, Passed: row.Passed, Conflict: row.Conflict,
			Digest: digestOf(row.Salt, key),
		}
		if row.Waiting != nil {
			p.Waiting, p.Since = true, row.Waiting.Since
		}
		return nil
	})
	return p, err
}

// FollowedReferral opens a referral by this node. Digest is that of its entries in
// the journal.
func (s *Store) FollowedReferral(ctx context.Context, id string) (f FollowedReferral, err error) {
	key := keyOf(id)
	err = s.view(ctx, func(r reader) error {
		var row followedRow
		ok, err := openSealed(r, s.vault, tableFollowed, key, &row)
		if err == nil && !ok {
			err = errNoReferral()
		}
		f = FollowedReferral{
			Follow: row.Follow, Need: row.Need, Reference: row.Reference, After: row.After, AnswerBy: row.AnswerBy,
			Recovering: row.Recovering != "", Orphan: row.Orphan, Forgotten: row.Forgotten, Failed: row.Failed,
			Digest: digestOf(row.Salt, key),
		}
		return err
	})
	return f, err
}

// Handover opens the handover data that came, or went, with a referral; NotFound
// if there are none.
func (s *Store) Handover(ctx context.Context, id string) (h gateway.Handover, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err := openSealed(r, s.vault, tableHandovers, keyOf(id), &h)
		if err == nil && !ok {
			err = gateway.Errorf(gateway.NotFound, "there are no handover data of this referral")
		}
		return err
	})
	return h, err
}
