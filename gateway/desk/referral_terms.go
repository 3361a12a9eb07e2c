package desk

import (
	"context"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ReferralTerms is what the store needs to decide about a referral of a
// trajectsoort, "" if it is not known: by when the next step is due, who the
// parties are, and under what name an own offer is shown. It is what was in force
// when it was asked, so ask again for the next transaction.
func (d *Desk) ReferralTerms(trajectsoort string) store.ReferralTerms {
	day, reg := gateway.DateOf(d.now()), d.Rules().Register
	var terms []config.ReferralTerm
	if d.Terms != nil {
		terms = d.Terms()
	}
	return store.ReferralTerms{
		Due:     func(r gateway.Referral) gateway.Date { return dueOf(r, trajectsoort, terms, d.closedFor(r)) },
		DueIn:   func(r gateway.Referral, t string) gateway.Date { return dueOf(r, t, terms, d.closedFor(r)) },
		Subject: d.publisher.Subject,
		Tell:    func(r gateway.Referral) store.ToldState { return d.tellState(r, trajectsoort, day) },
		Recipient: func(oin gateway.OIN) gateway.Recipient {
			if reg != nil {
				if r, ok := reg.Recipient(oin, gateway.KindReferral, day); ok {
					return r
				}
			}
			return gateway.Recipient{Party: oin}
		},
	}
}

// dueOf is the last day for the next step: the date of the state, where that says
// one that is still to come and the step is then, or else the end of its term.
func dueOf(r gateway.Referral, trajectsoort string, terms []config.ReferralTerm, closed calendar.Closed) gateway.Date {
	since, step := gateway.DateOf(r.Since), r.Status.NextStep()
	if step.OnDate && r.Date >= since {
		return r.Date
	}
	return termOf(r.Status, trajectsoort, terms).Due(since, closed)
}

// closedFor is when whoever owns the next step is closed: this party by its
// configuration, another as it last told.
func (d *Desk) closedFor(r gateway.Referral) (closed calendar.Closed) {
	owner := r.Provider
	if r.Status.NextStep().Owner == gateway.ReferrerSide {
		owner = r.Referrer
	}
	told := d.closings.Load()
	switch {
	case owner == d.Self && d.Closed != nil:
		closed.Periods = d.Closed()
	case owner != d.Self && told != nil:
		closed.Periods = (*told)[owner]
	}
	return closed
}

// learnClosings reads when other parties are closed: at the start and every few
// minutes, because a term is counted within a transaction.
func (d *Desk) learnClosings(ctx context.Context) {
	all := map[gateway.OIN][]gateway.Closing{}
	err := d.Store.EachHello(ctx, func(peer gateway.OIN, hello *gateway.Hello) {
		if closed := hello.Closed(); len(closed) > 0 {
			all[peer] = closed
		}
	})
	if err != nil {
		d.Log.Error("the closing periods of other parties were not read", "error", err)
		return
	}
	d.closings.Store(&all)
}

// termOf is the term in a state: that of its trajectsoort before that of all, and
// that of the configuration before that of the table.
func termOf(status gateway.ReferralStatus, trajectsoort string, terms []config.ReferralTerm) calendar.Term {
	found := calendar.TermOf(status.NextStep().Term)
	for _, t := range terms {
		if t.Status != status {
			continue
		}
		if t.Trajectsoort == trajectsoort && trajectsoort != "" {
			return t.Term
		}
		if t.Trajectsoort == "" {
			found = t.Term
		}
	}
	return found
}

// termsOf is ReferralTerms for a referral that is known here.
func (d *Desk) termsOf(ctx context.Context, f store.ReferralFacts) (store.ReferralTerms, error) {
	if f.Side == gateway.ReferrerSide {
		followed, err := d.Store.FollowedReferral(ctx, f.ID)
		if err != nil || followed.Need == nil {
			return d.ReferralTerms(""), err
		}
		return d.ReferralTerms(followed.Need.Trajectsoort), nil
	}
	provided, err := d.Store.ProvidedReferral(ctx, f.ID)
	return d.ReferralTerms(provided.Need.Trajectsoort), err
}
