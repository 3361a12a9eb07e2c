package desk

import (
	"context"
	"fmt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// PolicyDiff and PolicyFile are what Diff tells, and what of.
type (
	PolicyDiff = audit.Diff
	PolicyFile = policy.File
)

// Diff tells what two policies show otherwise of the own offers today. Neither
// need be in force.
func (d *Desk) Diff(ctx context.Context, caller gateway.Caller, old, next []policy.File) (audit.Diff, error) {
	if err := d.read(ctx, caller, gateway.OpDiffPolicy); err != nil {
		return audit.Diff{}, err
	}
	env := d.policyEnv(d.Rules().Register, d.now())
	was, _, err := policy.Restore(old, env)
	if err != nil {
		return audit.Diff{}, gateway.Wrap(gateway.Invalid, err, "the old policy cannot be read; see doorstroom policy check")
	}
	is, _, err := policy.Load(next, env)
	if err != nil {
		return audit.Diff{}, gateway.Wrap(gateway.Invalid, err, "the new policy cannot be read; see doorstroom policy check")
	}
	offers, err := d.currentOffers(ctx, env.Today)
	if err != nil {
		return audit.Diff{}, err
	}
	return audit.NewOffersDiff(was, is, env.Today, audit.Recipients(env, env.Today), offers), nil
}

// currentOffers are the own offers that have not expired.
func (d *Desk) currentOffers(ctx context.Context, day gateway.Date) ([]gateway.Offer, error) {
	own, err := d.Store.OwnOffers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read own offers: %w", err)
	}
	var offers []gateway.Offer
	for _, o := range own {
		if !o.Offer.Expired(day) {
			offers = append(offers, o.Offer)
		}
	}
	return offers, nil
}
