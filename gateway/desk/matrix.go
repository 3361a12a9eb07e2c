package desk

import (
	"context"
	"fmt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
)

// OfferMatrix tells which fields of each own offer everybody sees today under the
// policy in force, or one recipient, named as for Explain. It names fields and
// forms, never a value of an offer.
func (d *Desk) OfferMatrix(ctx context.Context, caller gateway.Caller, recipient string) (audit.Matrix, error) {
	if err := d.read(ctx, caller, gateway.OpExplainPolicy); err != nil {
		return audit.Matrix{}, err
	}
	rules, day := d.Rules(), gateway.DateOf(d.now())
	env := d.policyEnv(rules.Register, d.now())
	recipients := audit.Recipients(env, day)
	if recipient != "" {
		one, err := findRecipient(rules.Register, recipient, gateway.KindCapacity, day)
		if err != nil {
			return audit.Matrix{}, err
		}
		recipients = []gateway.Recipient{one}
	}
	own, err := d.Store.OwnOffers(ctx)
	if err != nil {
		return audit.Matrix{}, fmt.Errorf("read offers: %w", err)
	}
	offers := make([]gateway.Offer, len(own))
	for i := range own {
		offers[i] = own[i].Offer
	}
	var register uint64
	if rules.Register != nil {
		register = rules.Register.Version()
	}
	return audit.NewOffers(rules.Policy, audit.NewAbout(rules.Policy, env, register, day), recipients, offers), nil
}
