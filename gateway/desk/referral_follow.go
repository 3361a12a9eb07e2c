package desk

import (
	"context"
	"reflect"

	"github.com/doorstroom/doorstroom/gateway"
)

// followUp fills in what is not said again of somebody who goes on to another
// place, or falls back, from the referral that this one follows: whom to call and
// the own reference. What guidance somebody needs and where he can go is filled in
// under the same law only: what was told under one is not for another. When and
// how he was informed is asked anew.
func (d *Desk) followUp(ctx context.Context, n *NewReferral) error {
	if n.Need.Follows == "" {
		return nil
	}
	f, err := d.sideOf(n.Need.Follows, gateway.ReferrerSide)
	if err != nil {
		if gateway.KindOf(err) == gateway.NotFound {
			return gateway.Errorf(gateway.Invalid, "there is no referral to follow of that id")
		}
		return err
	}
	n.Need.Follows = f.ID
	before, err := d.Store.FollowedReferral(ctx, f.ID)
	if err != nil || before.Need == nil {
		return err
	}
	again(&n.Reference, before.Reference)
	if n.Principal == "" {
		n.Principal = before.Follow.Principal
	}
	need, was := &n.Need, before.Need
	if need.Contact == (gateway.Functional{}) {
		need.Contact, need.Deputy = was.Contact, was.Deputy
	}
	if need.Grondslag != "" && need.Grondslag != was.Grondslag || need.CallFirst {
		return nil
	}
	need.Grondslag = was.Grondslag
	again(&need.Werksoorten, was.Werksoorten)
	again(&need.Fase, was.Fase)
	again(&need.Trede, was.Trede)
	again(&need.Begeleiding, was.Begeleiding)
	again(&need.Accessibility, was.Accessibility)
	again(&need.Postcode, was.Postcode)
	again(&need.MaxKm, was.MaxKm)
	return nil
}

// again gives a value that is not there the one of before.
func again[T any](to *T, before T) {
	if reflect.ValueOf(to).Elem().IsZero() {
		*to = before
	}
}
