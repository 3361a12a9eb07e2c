package desk

import (
	"context"
	"encoding/json"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// TellAgain is what the policy of now lets a party be told by a message about a
// person that waits for it.
func (d *Desk) TellAgain(ctx context.Context, peer gateway.OIN, kind string, data []byte) (policy.Told, error) {
	var about struct {
		Referral string `json:"referral"`
		Status   string `json:"status"`
	}
	if err := json.Unmarshal(data, &about); err != nil {
		return policy.Told{}, gateway.Wrap(gateway.Internal, err, "a message about a person is not what it was")
	}
	day := gateway.DateOf(d.now())
	q := policy.Personal{Kind: kind, Day: day}
	all := d.Store.Referrals(func(f store.ReferralFacts) bool { return f.ID == about.Referral && f.Party == peer })
	if len(all) > 0 {
		var err error
		if q, err = d.personal(ctx, kind, all[0]); err != nil {
			return policy.Told{}, err
		}
	}
	if kind == gateway.KindSubjectRequest || kind == gateway.KindSubjectAnswer {
		return d.tellSubjectAgain(q, peer, all), nil
	}
	if kind == gateway.KindReferralState {
		q.Status = gateway.ReferralStatus(about.Status)
	}
	return d.told(q, peer), nil
}

// told asks the policy in force; nothing is allowed to a party that is gone.
func (d *Desk) told(q policy.Personal, to gateway.OIN) policy.Told {
	told, err := d.ask(q, to)
	if err != nil {
		return policy.Told{Decision: gateway.Decision{DeniedBy: "default", Policy: d.Rules().Policy.Version()}}
	}
	return told
}

// tellState is as much of a state as policy lets its referrer know.
func (d *Desk) tellState(r gateway.Referral, trajectsoort string, day gateway.Date) store.ToldState {
	told := d.told(policy.Personal{Kind: gateway.KindReferralState, Day: day, Status: r.Status, Trajectsoort: trajectsoort}, r.Referrer)
	return store.ToldState{Referral: r.Without(told.Fields), Basis: d.Rules().Basis(told, day), DeniedBy: told.DeniedBy}
}
