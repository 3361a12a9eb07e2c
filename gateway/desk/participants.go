package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Who was referred and has started stands in the provider's own admin after a
// while, and its export counts the place as occupied. By the code that a referral
// shows for that, the export says so, and the referral takes no place any more.

// maxCounted is how many participants of one offer an import may count.
const maxCounted = 10_000

// checkCounted holds what an import counts to the offers that it holds.
func checkCounted(imp gateway.Import) error {
	if len(imp.Counted) == 0 {
		return nil
	}
	mentioned := mentionedIn(imp)
	for offer, codes := range imp.Counted {
		if !slices.Contains(mentioned, offer) {
			return gateway.Errorf(gateway.Invalid, "counted names an offer that is not in this import")
		}
		if len(codes) > maxCounted || slices.ContainsFunc(codes, func(c string) bool { return c == "" || len(c) > 64 }) {
			return gateway.Errorf(gateway.Invalid, "counted holds %d codes of an offer at most, of 64 characters at most", maxCounted)
		}
	}
	return nil
}

// countParticipants keeps whom an import counts itself. before its offers are
// published that is only who stays counted: what the export does not count any
// more takes a place before one is free, and what it counts now is freed after
// one is occupied. So there is never a place too many.
func (d *Desk) countParticipants(ctx context.Context, now time.Time, counted map[string][]string, before bool) error {
	if len(counted) == 0 {
		return nil
	}
	if before {
		known, err := d.Store.CountedParticipants(ctx)
		if err != nil {
			return fmt.Errorf("read whom exports count: %w", err)
		}
		counted = maps.Clone(counted)
		for offer, codes := range counted {
			counted[offer] = slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return !slices.Contains(known[offer], c) })
		}
	}
	if err := d.Store.Publish(ctx, now, store.Publication{Correct: true, Counted: counted}); err != nil {
		return fmt.Errorf("keep whom an export counts: %w", err)
	}
	if before {
		return nil
	}
	return d.refreshTaken(ctx, now)
}

// participants are the referrals whom an import counts itself, and how many of its
// codes are of none to that offer.
func (d *Desk) participants(counted map[string][]string) (found []store.ReferralFacts, unknown map[string]int) {
	unknown = map[string]int{}
	if len(counted) == 0 {
		return nil, unknown
	}
	known := map[[2]string]bool{}
	found = d.Store.Referrals(func(f store.ReferralFacts) bool {
		ok := f.Side == gateway.ProviderSide && slices.Contains(counted[f.Offer], f.Pseudonym)
		if ok {
			known[[2]string{f.Offer, f.Pseudonym}] = true
		}
		return ok
	})
	for offer, codes := range counted {
		for _, c := range codes {
			if !known[[2]string{offer, c}] {
				unknown[offer]++
			}
		}
	}
	return found, unknown
}

// takenAfter is what referrals take once an import has said whom it counts itself.
func (d *Desk) takenAfter(ctx context.Context, now time.Time, counted map[string][]string) (map[string]gateway.Taken, error) {
	taken, err := d.Store.TakenOffers(ctx, gateway.DateOf(now))
	if err != nil || len(counted) == 0 {
		return taken, err
	}
	already, err := d.Store.CountedParticipants(ctx)
	if err != nil {
		return nil, err
	}
	found, _ := d.participants(counted)
	for _, f := range found {
		if taken[f.Offer] == nil || !f.Status.Booked() || slices.Contains(already[f.Offer], f.Pseudonym) {
			continue
		}
		provided, err := d.Store.ProvidedReferral(ctx, f.ID)
		if err != nil {
			return nil, err
		}
		taken[f.Offer].Add(f.Allotment, provided.Referral.Dagdelen, -1)
	}
	return taken, nil
}

// unknownCodes are problems of an import that counts participants whom no referral
// knows: a code of another offer, or a mistake.
func (d *Desk) unknownCodes(counted map[string][]string) (problems []gateway.RowProblem) {
	_, unknown := d.participants(counted)
	for _, offer := range slices.Sorted(maps.Keys(unknown)) {
		problems = append(problems, gateway.RowProblem{Offer: offer, Warning: true, Message: fmt.Sprintf(
			"%d van de verwijscodes hoort bij geen verwijzing naar dit aanbod; controleer ze met: doorstroom referrals list", unknown[offer])})
	}
	return problems
}
