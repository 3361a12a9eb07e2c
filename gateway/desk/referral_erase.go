package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Why a referral is erased: codes for the journal.
const (
	erasedByTerm   = "bewaartermijn"
	erasedByCaller = "op-verzoek"
)

// EraseReferral takes away all that this node has of a referral that has ended,
// before its term.
func (d *Desk) EraseReferral(ctx context.Context, caller gateway.Caller, id string) error {
	if err := caller.Authorize(gateway.OpEraseReferral); err != nil {
		return err
	}
	if len(id) != len(sampleID) {
		return gateway.Errorf(gateway.Invalid, "say the whole id of what is to be erased: it does not come back")
	}
	f, err := d.findReferral(id)
	if err != nil {
		return err
	}
	now := d.now()
	return d.Store.EraseReferral(ctx, now, f.ID, erasedByCaller, d.entry(caller, journal.KindReferralErased, now))
}

// RetentionReport tells what of referrals is kept, and until when.
type RetentionReport struct {
	Term string          `json:"term"` // by the configuration; policy may promise less
	Due  []RetentionLine `json:"due"`  // erased at the next turn, once a day
	Held []RetentionLine `json:"held"` // kept, and why
	Done []ErasureLine   `json:"done"` // lately, the last one first
}

// RetentionLine is a referral that is kept.
type RetentionLine struct {
	Referral  string       `json:"referral"`
	Side      gateway.Side `json:"side"`
	Party     gateway.OIN  `json:"party"`
	PartyName string       `json:"partyName,omitempty"`
	Status    string       `json:"status"` // in Dutch
	Ended     time.Time    `json:"ended,omitzero"`
	Until     gateway.Date `json:"until,omitempty"` // the last day on which it is kept
	Why       string       `json:"why"`             // in Dutch
}

// ErasureLine is a referral, or some of its data, that was erased. Which one it
// was is not known any more.
type ErasureLine struct {
	At        time.Time   `json:"at"`
	What      string      `json:"what"` // kind of the entry in the journal
	Party     gateway.OIN `json:"party"`
	PartyName string      `json:"partyName,omitempty"`
	Why       string      `json:"why"`
}

const reportedErasures = 1000

// RetentionReport lists what is due to be erased, what is held and why, and what
// was erased.
func (d *Desk) RetentionReport(ctx context.Context, caller gateway.Caller) (RetentionReport, error) {
	if err := d.read(ctx, caller, gateway.OpRetentionReport); err != nil {
		return RetentionReport{}, err
	}
	now := d.now()
	r := RetentionReport{Term: string(d.retention()), Due: []RetentionLine{}, Held: []RetentionLine{}, Done: []ErasureLine{}}
	for _, f := range d.Store.Referrals(nil) {
		line, due := d.kept(f, now)
		if due {
			r.Due = append(r.Due, line)
		} else {
			r.Held = append(r.Held, line)
		}
	}
	byDay := func(a, b RetentionLine) int { return cmp.Compare(cmp.Or(a.Until, "9999"), cmp.Or(b.Until, "9999")) }
	slices.SortStableFunc(r.Due, byDay)
	slices.SortStableFunc(r.Held, byDay)
	for _, kind := range []string{journal.KindReferralErased, journal.KindFieldsErased} {
		page, err := d.Store.SearchJournal(ctx, store.JournalQuery{Kind: kind, Limit: reportedErasures})
		if err != nil {
			return r, fmt.Errorf("read erasures: %w", err)
		}
		for _, e := range page.Records {
			r.Done = append(r.Done, ErasureLine{e.Time, e.Kind, e.Party, d.partyName(e.Party), e.Outcome})
		}
	}
	slices.SortStableFunc(r.Done, func(a, b ErasureLine) int { return b.At.Compare(a.At) })
	return r, nil
}

// kept tells why a referral is kept, and whether it need not be any more.
func (d *Desk) kept(f store.ReferralFacts, now time.Time) (line RetentionLine, due bool) {
	line = RetentionLine{
		Referral: f.ID, Side: f.Side, Party: f.Party, PartyName: d.partyName(f.Party), Status: d.statusLabel(f),
	}
	switch {
	case f.Status == "" && (f.Open != "" || f.Since.IsZero()):
		line.Why = "nog geen antwoord"
		return line, false
	case f.Status != "" && !f.Final() && f.Orphan:
		line.Why = "alleen de stand is hier bekend, en die loopt nog"
		return line, false
	case f.Status != "" && !f.Final():
		line.Why = "loopt nog"
		return line, false
	}
	line.Ended = f.Since
	if f.Restricted {
		line.Why = "beperkt op verzoek van de inwoner: wordt bewaard tot de beperking is opgeheven"
		return line, false
	}
	until, why := d.keptUntil(f)
	line.Until, line.Why = gateway.DateOf(until), why
	return line, gateway.DateOf(now) > line.Until
}

func (d *Desk) retention() config.Term {
	if d.Retention == nil {
		return config.Default().Retention.Referrals
	}
	return d.Retention()
}

// keptUntil is the end of the shorter of two terms: that of the configuration, and
// that which policy has for what came from the other side.
func (d *Desk) keptUntil(f store.ReferralFacts) (until time.Time, why string) {
	until, why = d.retention().After(f.Since), "bewaartermijn na het einde, uit de configuratie"
	rules, kind := d.Rules(), gateway.KindReferral
	if f.Side == gateway.ReferrerSide {
		kind = gateway.KindReferralState
	}
	if rules.Register == nil {
		return until, why
	}
	day := gateway.DateOf(d.now())
	sender, ok := rules.Register.Recipient(f.Party, kind, day)
	if !ok {
		return until, why
	}
	promised := config.Term(rules.Policy.Admit(sender, f.Principal, kind, day).Retention)
	if at := promised.After(f.Since); !at.IsZero() && at.Before(until) {
		return at, "bewaartermijn na het einde, uit het beleid"
	}
	return until, why
}

// eraseDue erases what need not be kept any more, once a day. While the clock is
// set back nothing is.
func (d *Desk) eraseDue(ctx context.Context, now time.Time) error {
	day := gateway.DateOf(now)
	if last := d.erasedOn.Load(); last != nil && *last == day || d.clockIsRight() != nil {
		return nil
	}
	for _, f := range d.Store.Referrals(nil) {
		if _, due := d.kept(f, now); !due {
			continue
		}
		err := d.Store.EraseReferral(ctx, now, f.ID, erasedByTerm, journal.Entry{Time: now, Kind: journal.KindReferralErased})
		if err != nil && gateway.KindOf(err) != gateway.NotFound {
			return fmt.Errorf("erase a referral: %w", err)
		}
	}
	if _, err := d.Store.EraseSpentRights(ctx, now, d.retention().Before(now)); err != nil {
		return fmt.Errorf("erase what is left of requests of inhabitants: %w", err)
	}
	d.erasedOn.Store(&day)
	return nil
}

// ReferralCounts are how many referrals there are: nothing of any one of them.
type ReferralCounts struct {
	Open    int `json:"open"`    // not ended
	Overdue int `json:"overdue"` // of these, the next step was due before today
	Mine    int `json:"mine"`    // of these, the next step is for this node
	Late    int `json:"late"`    // of these, overdue by more than LateAfter working days
	OurLate int `json:"ourLate"` // overdue, and the next step is for this node
	Awaited int `json:"awaited"` // put back from a backup: their referrers must say first what they know
}

// LateAfter is how many working days a step may be overdue before the node warns.
const LateAfter = 5

// ReferralCounts counts on a day.
func (d *Desk) ReferralCounts(day gateway.Date) (c ReferralCounts) {
	for _, f := range d.Store.Referrals(nil) {
		step := d.nextStep(f, day)
		if step == nil {
			continue
		}
		c.Open++
		if d.awaits(f) {
			c.Awaited++
		}
		if step.Mine {
			c.Mine++
		}
		if step.Overdue {
			c.Overdue++
		}
		if step.Overdue && step.Mine {
			c.OurLate++
		}
		if step.Late > LateAfter {
			c.Late++
		}
	}
	return c
}
