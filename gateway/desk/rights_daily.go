package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ends tells whether an act leads out of a referral: a restriction lets nothing else
// be done with it.
func ends(status gateway.ReferralStatus, act gateway.ReferralAct) bool {
	next, ok := status.Next(act)
	return ok && (next.Final() || next == gateway.CancelAsked)
}

func restricted(f store.ReferralFacts, act gateway.ReferralAct) error {
	if f.Restricted && !ends(f.Status, act) {
		return gateway.Errorf(gateway.Conflict, "beperkt op verzoek van de inwoner: met deze verwijzing kan alleen iets dat haar beëindigt; zie doorstroom subject list")
	}
	return nil
}

func onlyEnding(f store.ReferralFacts, acts []gateway.ReferralAct) []gateway.ReferralAct {
	return slices.DeleteFunc(slices.Clone(acts), func(a gateway.ReferralAct) bool { return !ends(f.Status, a) })
}

// SubjectCounts are how many requests of inhabitants there are: nothing of any one.
type SubjectCounts struct {
	Open    int `json:"open"`    // not answered
	Overdue int `json:"overdue"` // of these, the answer was due before today
	Mine    int `json:"mine"`    // of these, the answer is for this node to give
	OurLate int `json:"ourLate"` // overdue, and the answer is for this node to give

	Asked    SubjectCount `json:"-"` // by this node
	Received SubjectCount `json:"-"`
}

// SubjectCount is of those in one direction.
type SubjectCount struct {
	Open, Late int
	DaysLeft   int // until the first must be answered, at most gateway.SubjectMonth
}

// SubjectCounts counts on a day.
func (d *Desk) SubjectCounts(ctx context.Context, day gateway.Date) (c SubjectCounts, err error) {
	all, err := d.Store.Rights(ctx)
	if err != nil {
		return c, fmt.Errorf("read requests of inhabitants: %w", err)
	}
	c.Asked.DaysLeft, c.Received.DaysLeft = gateway.SubjectMonth, gateway.SubjectMonth
	for _, r := range all {
		l := d.subjectLine(r, day)
		if !l.Open {
			continue
		}
		one := &c.Received
		if l.Asked {
			one = &c.Asked
		}
		one.add(l, day)
		c.Open++
		if l.Mine {
			c.Mine++
		}
		if l.Overdue {
			c.Overdue++
		}
		if l.Overdue && l.Mine {
			c.OurLate++
		}
	}
	return c, nil
}

func (c *SubjectCount) add(l SubjectLine, day gateway.Date) {
	c.Open++
	if l.Overdue {
		c.Late++
	}
	due, err := time.Parse(time.DateOnly, string(l.Due))
	today, err2 := time.Parse(time.DateOnly, string(day))
	if err == nil && err2 == nil {
		c.DaysLeft = min(c.DaysLeft, int(due.Sub(today)/(24*time.Hour)))
	}
}

// subjectAlarms tell how many answers to requests of inhabitants are overdue.
func (d *Desk) subjectAlarms(ctx context.Context, day gateway.Date) ([]string, error) {
	c, err := d.SubjectCounts(ctx, day)
	if err != nil || c.Overdue == 0 {
		return nil, err
	}
	return []string{fmt.Sprintf("verzoeken van inwoners waarop het antwoord te laat is: %d, waarvan %d van u (doorstroom subject list --overdue)", c.Overdue, c.OurLate)}, nil
}

// subjectDaily does what needs nobody, once for each policy and day: it asks others
// to erase what policy no longer lets them have, and erases what may be erased
// without asking anybody. While the clock is set back it does nothing.
func (d *Desk) subjectDaily(ctx context.Context, now time.Time) error {
	day := gateway.DateOf(now)
	at := string(day) + " " + d.Rules().Policy.Version()
	if last := d.subjectOn.Load(); last != nil && *last == at || d.clockIsRight() != nil || !d.Rules().Policy.Loaded() {
		return nil
	}
	if !d.Store.Confides() {
		return nil
	}
	err := errors.Join(d.askNarrowed(ctx, now), d.eraseAutomatically(ctx, now))
	if err == nil {
		d.subjectOn.Store(&at)
	}
	return err
}

// eraseAutomatically answers what the configuration says that needs nobody: all of
// a referral that has ended is to be erased.
func (d *Desk) eraseAutomatically(ctx context.Context, now time.Time) error {
	if d.Rights == nil || d.Rights().Erase != config.EraseAutomatic {
		return nil
	}
	all, err := d.Store.Rights(ctx)
	if err != nil {
		return fmt.Errorf("read requests of inhabitants: %w", err)
	}
	for _, r := range all {
		f, known := d.referralWith(r.Request.Referral, r.Party)
		if r.Asked || !r.Open() || r.Request.Act != gateway.Erase || len(r.Request.Fields) > 0 || !known || !f.Final() || f.Restricted {
			continue
		}
		_, err := d.reply(ctx, r, SubjectReply{Request: r.Request.Request, Result: gateway.SubjectDone}, journal.Entry{Time: now}, now)
		if err != nil && gateway.KindOf(err) != gateway.Denied && gateway.KindOf(err) != gateway.Conflict {
			return fmt.Errorf("erase what an inhabitant asks: %w", err)
		}
	}
	return nil
}

// askNarrowed asks the providers of referrals to erase the fields that they were
// told and that policy does not let them have now; each field of a referral once.
func (d *Desk) askNarrowed(ctx context.Context, now time.Time) error {
	all, err := d.Store.Rights(ctx)
	if err != nil {
		return fmt.Errorf("read requests of inhabitants: %w", err)
	}
	asked := map[string][]gateway.Field{}
	for _, r := range all {
		if r.Asked && r.Policy != "" {
			asked[r.Request.Referral] = append(asked[r.Request.Referral], r.Request.Fields...)
		}
	}
	for _, f := range d.Store.Referrals(func(f store.ReferralFacts) bool {
		return f.Side == gateway.ReferrerSide && f.Number > 0 && !f.Orphan && !f.Forgotten
	}) {
		fields, err := d.narrowed(ctx, f)
		if err != nil {
			return err
		}
		fields = slices.DeleteFunc(fields, func(g gateway.Field) bool { return slices.Contains(asked[f.ID], g) })
		if len(fields) == 0 {
			continue
		}
		if err := d.askToErase(ctx, f, fields, now); err != nil {
			return err
		}
	}
	return nil
}

// narrowed are the fields that the provider of a referral was told, and that policy
// does not let it have now.
func (d *Desk) narrowed(ctx context.Context, f store.ReferralFacts) (fields []gateway.Field, err error) {
	followed, err := d.Store.FollowedReferral(ctx, f.ID)
	if gateway.KindOf(err) == gateway.NotFound {
		return nil, nil
	}
	if err != nil || followed.Need == nil {
		return nil, err
	}
	q, err := d.personal(ctx, gateway.KindReferral, f)
	if err != nil {
		return nil, err
	}
	told := gateway.Correction{Need: followed.Need.Part()}
	switch h, err := d.Store.Handover(ctx, f.ID); {
	case err == nil:
		told.Handover = h.Part()
	case gateway.KindOf(err) != gateway.NotFound:
		return nil, err
	}
	allowed := d.toldNow(q, f)
	return slices.DeleteFunc(told.Fields(), func(g gateway.Field) bool { return slices.Contains(allowed, g) }), nil
}

// askToErase asks for what policy has made narrower. Where policy does not let even
// that go, the log says so.
func (d *Desk) askToErase(ctx context.Context, f store.ReferralFacts, fields []gateway.Field, now time.Time) error {
	day := gateway.DateOf(now)
	told, err := d.tellSubject(ctx, f, gateway.KindSubjectRequest, day)
	if err != nil {
		d.Log.Warn("policy no longer lets a party have what it was told of somebody, and lets nobody ask it to erase that", "party", f.Party)
		return nil
	}
	terms, err := d.termsOf(ctx, f)
	if err != nil {
		return fmt.Errorf("read referral: %w", err)
	}
	_, err = d.Store.AskRights(ctx, now, store.AskedRights{
		Request: gateway.SubjectRequest{
			Referral: f.ID, Act: gateway.Erase, Ground: "beleid", Received: day, Fields: fields,
			AnswerBy: d.rightsTerm().Due(day, calendar.Closed{}),
		},
		Policy: told.Policy, Terms: terms, Basis: d.Rules().Basis(told, day), Entry: journal.Entry{Rules: told.Rules},
	})
	if err != nil && gateway.KindOf(err) != gateway.Conflict {
		return fmt.Errorf("ask to erase what policy no longer lets go: %w", err)
	}
	d.Wake([]gateway.OIN{f.Party})
	return nil
}
