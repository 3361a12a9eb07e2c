package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/guard"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ReferralRequest is what a referrer asks about a referral that it made.
type ReferralRequest struct {
	Referral string              `json:"referral"` // id, or the beginning of one
	Act      gateway.ReferralAct `json:"act"`
	Reason   string              `json:"reason,omitempty"` // code, where the act needs one
}

// AskReferral asks a provider to withdraw, cancel or plan again; it decides. One
// request can be open at a time.
func (d *Desk) AskReferral(ctx context.Context, caller gateway.Caller, r ReferralRequest) (ReferralAsked, error) {
	if err := caller.Authorize(gateway.OpAskReferral); err != nil {
		return ReferralAsked{}, err
	}
	f, err := d.sideOf(r.Referral, gateway.ReferrerSide)
	if err != nil {
		return ReferralAsked{}, err
	}
	now := d.now()
	switch {
	case r.Act == gateway.ActRefer || r.Act == gateway.ActHandover || r.Act == gateway.ActRecover:
		return ReferralAsked{}, gateway.Errorf(gateway.Invalid, "that is asked otherwise: refer and hand over have a command of their own")
	case !slices.Contains(r.Act.By(), gateway.ReferrerSide):
		return ReferralAsked{}, d.notThisSide(r.Act, gateway.ReferrerSide)
	}
	if err := d.reasonFits(r.Act, r.Reason, gateway.DateOf(now)); err != nil {
		return ReferralAsked{}, err
	}
	if err := restricted(f, r.Act); err != nil {
		return ReferralAsked{}, err
	}
	told, err := d.tellAgain(ctx, f)
	if err != nil && !(r.Act.OnlyEnds() && gateway.KindOf(err) == gateway.Denied) {
		return ReferralAsked{}, err
	}
	_, err = d.Store.AskReferral(ctx, now, store.Asking{
		Referral: f.ID, Act: r.Act, Reason: r.Reason, Terms: d.ReferralTerms(d.trajectsoort(ctx, f)),
		Basis: d.Rules().Basis(told, gateway.DateOf(now)), Entry: d.entry(caller, "", now),
	})
	if err != nil {
		return ReferralAsked{}, err
	}
	return d.asked(f.ID, f.Party, gateway.Need{}, gateway.Need{}, told, nil)
}

// sideOf finds a referral, and refuses one in which this node has the other side.
func (d *Desk) sideOf(id string, side gateway.Side) (store.ReferralFacts, error) {
	f, err := d.findReferral(id)
	if err == nil && f.Side != side {
		if side == gateway.ReferrerSide {
			err = gateway.Errorf(gateway.Denied, "this node is the provider of that referral: it takes steps, and asks nothing")
		} else {
			err = gateway.Errorf(gateway.Denied, "the provider takes the steps of that referral; this node only asks")
		}
	}
	return f, err
}

func (d *Desk) notThisSide(act gateway.ReferralAct, side gateway.Side) error {
	if !slices.Contains(gateway.ReferralActs(), act) {
		return gateway.Errorf(gateway.Invalid, "there is no such act")
	}
	return gateway.Errorf(gateway.Denied, "%s is not for the %s to do", act, side)
}

// reasonFits holds a reason to the code list that its act takes one from.
func (d *Desk) reasonFits(act gateway.ReferralAct, reason string, day gateway.Date) error {
	list := act.Reasons()
	switch {
	case list == "" && reason != "":
		return gateway.Errorf(gateway.Invalid, "%s takes no reason", act)
	case list == "":
		return nil
	}
	if reason == "" || d.lists.Check(list, reason, day) != nil {
		return gateway.Errorf(gateway.Invalid, "%s needs a reason, one of: %s", act, strings.Join(d.codes(list, day), ", "))
	}
	return nil
}

// codes are those of a list on a day.
func (d *Desk) codes(list string, day gateway.Date) (codes []string) {
	for _, c := range d.lists[list].Codes {
		if day.Within(c.ValidFrom, c.ValidUntil) {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

func (d *Desk) trajectsoort(ctx context.Context, f store.ReferralFacts) string {
	need, _, err := d.needOf(ctx, f)
	if err != nil || need == nil {
		return "" // the term of all, then
	}
	return need.Trajectsoort
}

// needOf gives the need of a referral, nil of an orphan, and the digest of its
// entries in the journal.
func (d *Desk) needOf(ctx context.Context, f store.ReferralFacts) (need *gateway.Need, digest string, err error) {
	if f.Side == gateway.ReferrerSide {
		followed, err := d.Store.FollowedReferral(ctx, f.ID)
		return followed.Need, followed.Digest, err
	}
	provided, err := d.Store.ProvidedReferral(ctx, f.ID)
	return &provided.Need, provided.Digest, err
}

// tellAgain asks policy about one more message of the referrer's.
func (d *Desk) tellAgain(ctx context.Context, f store.ReferralFacts) (policy.Told, error) {
	q, err := d.personal(ctx, gateway.KindReferral, f)
	if err != nil {
		return policy.Told{}, err
	}
	return d.tell(q, f.Party)
}

// personal is the question to policy about a message in a referral as it stands.
func (d *Desk) personal(ctx context.Context, kind string, f store.ReferralFacts) (policy.Personal, error) {
	need, _, err := d.needOf(ctx, f)
	if err != nil {
		return policy.Personal{}, fmt.Errorf("read referral: %w", err)
	}
	q := policy.Personal{Kind: kind, Day: gateway.DateOf(d.now()), Status: f.Status}
	if need != nil {
		q.Grondslag, q.Trajectsoort = need.Grondslag, need.Trajectsoort
	}
	if f.Side != gateway.ReferrerSide { // the offer is its own, and its referrer knows it
		return q, nil
	}
	all, err := d.receivedOffersOf(ctx, f.Party, f.Offer)
	if err != nil {
		return q, err
	}
	for _, o := range all {
		q.Classes = policy.Classes(o.Capacity.Doelgroepen, d.lists)
	}
	return q, nil
}

// NewHandover is what a referrer tells of a person once a place is certain.
type NewHandover struct {
	Referral string           `json:"referral"` // id, or the beginning of one
	Handover gateway.Handover `json:"handover"`
	Override []Override       `json:"override,omitempty"`
	Attachments
}

// HandOver gives the provider what guidance needs to know, as far as policy lets
// it go in the state of the referral.
func (d *Desk) HandOver(ctx context.Context, caller gateway.Caller, n NewHandover) (ReferralAsked, error) {
	if err := caller.Authorize(gateway.OpHandOver); err != nil {
		return ReferralAsked{}, err
	}
	if err := n.refuse(); err != nil {
		return ReferralAsked{}, err
	}
	f, err := d.sideOf(n.Referral, gateway.ReferrerSide)
	if err != nil {
		return ReferralAsked{}, err
	}
	now := d.now()
	day := gateway.DateOf(now)
	if _, ok := f.Status.Next(gateway.ActHandover); !ok {
		return ReferralAsked{}, gateway.Errorf(gateway.Conflict, "nothing is handed over in the state %q: a place is not certain, or no longer", f.Status)
	}
	if err := restricted(f, gateway.ActHandover); err != nil {
		return ReferralAsked{}, err
	}
	used, err := scanHandover(n.Handover, n.Override)
	if err != nil {
		return ReferralAsked{}, err
	}
	q, err := d.personal(ctx, gateway.KindHandover, f)
	if err != nil {
		return ReferralAsked{}, err
	}
	told, err := d.tell(q, f.Party)
	if err != nil {
		return ReferralAsked{}, err
	}
	handover := n.Handover.Without(told.Fields)
	handover.Referral, handover.Request, handover.Seen = sampleID, sampleRequest, f.Number
	if err := d.valid(gateway.KindHandover, handover, day); err != nil {
		return ReferralAsked{}, err
	}
	if err := d.journalOverrides(ctx, caller, f.Party, used); err != nil {
		return ReferralAsked{}, err
	}
	_, err = d.Store.AskReferral(ctx, now, store.Asking{
		Referral: f.ID, Act: gateway.ActHandover, Handover: &handover, Terms: d.ReferralTerms(q.Trajectsoort),
		Basis: d.Rules().Basis(told, day), Entry: d.entry(caller, "", now),
	})
	if err != nil {
		return ReferralAsked{}, err
	}
	asked, err := d.asked(f.ID, f.Party, gateway.Need{}, gateway.Need{}, told, used)
	asked.LeftOut = leftOut(gateway.KindHandover, n.Handover, handover)
	return asked, err
}

// ReferralCommit is a step of the provider's in a referral.
type ReferralCommit struct {
	Referral string              `json:"referral"`       // id, or the beginning of one
	Seen     uint64              `json:"seen,omitempty"` // the number of the state that was looked at; 0: not said
	Act      gateway.ReferralAct `json:"act"`
	Reason   string              `json:"reason,omitempty"`   // code, where the act needs one
	Date     gateway.Date        `json:"date,omitempty"`     // of the introduction, the start, or the end of a hold
	Dagdelen []gateway.Dagdeel   `json:"dagdelen,omitempty"` // with accept, where the referral names none
	Reserve  bool                `json:"reserve,omitempty"`  // with plan-introduction: hold the places until then
	Passing  string              `json:"passing,omitempty"`  // why those who wait longer are passed over
}

// CommitReferral takes a step in a referral to this node. Accepting books all its
// dagdelen at once; where that is not possible nothing changes, and the error says
// where there is no place and what can be done instead.
func (d *Desk) CommitReferral(ctx context.Context, caller gateway.Caller, c ReferralCommit) (ReferralLine, error) {
	if err := caller.Authorize(gateway.OpCommitReferral); err != nil {
		return ReferralLine{}, err
	}
	f, err := d.sideOf(c.Referral, gateway.ProviderSide)
	if err != nil {
		return ReferralLine{}, err
	}
	now := d.now()
	if err := d.checkCommit(c, gateway.DateOf(now)); err != nil {
		return ReferralLine{}, err
	}
	if err := restricted(f, c.Act); err != nil {
		return ReferralLine{}, err
	}
	terms, err := d.termsOf(ctx, f)
	if err != nil {
		return ReferralLine{}, fmt.Errorf("read referral: %w", err)
	}
	_, err = d.Store.CommitReferral(ctx, now, store.Commitment{
		Referral: f.ID, Seen: c.Seen, Act: c.Act, Reason: c.Reason, Date: c.Date, Dagdelen: c.Dagdelen, Reserve: c.Reserve,
		Passing: c.Passing, Terms: terms, Entry: d.entry(caller, "", now),
	})
	switch {
	case errors.Is(err, store.ErrNoPlace):
		return ReferralLine{}, d.full(ctx, f, c, err)
	case errors.Is(err, store.ErrPassing):
		return ReferralLine{}, gateway.Wrap(gateway.Conflict, err, "op deze plekken wachten anderen langer (doorstroom referrals waiting "+f.Offer+
			"); geef met --passing de reden waarom zij nu niet aan de beurt zijn")
	case err != nil:
		return ReferralLine{}, err
	}
	d.Wake([]gateway.OIN{f.Party})
	if err := d.refreshTaken(ctx, now); err != nil {
		d.Log.Error("the places of offers were not shown again after a step in a referral", "error", err)
	}
	if f, err = d.findReferral(f.ID); err != nil {
		return ReferralLine{}, err
	}
	return d.line(f, gateway.DateOf(now)), nil
}

// How far from today a step can be dated, in days.
const (
	stepBefore = 366
	stepAfter  = 2 * 366
)

func (d *Desk) checkCommit(c ReferralCommit, day gateway.Date) error {
	must, may := c.Act.Dated()
	switch {
	case !slices.Contains(c.Act.By(), gateway.ProviderSide) || !slices.Contains(gateway.ReferralActs(), c.Act):
		return d.notThisSide(c.Act, gateway.ProviderSide)
	case c.Date == "" && must:
		return gateway.Errorf(gateway.Invalid, "%s needs a date", c.Act)
	case c.Date != "" && !may:
		return gateway.Errorf(gateway.Invalid, "%s has no date", c.Act)
	case c.Reserve && c.Act != gateway.ActPlan:
		return gateway.Errorf(gateway.Invalid, "places are reserved for an introduction only")
	case len(c.Dagdelen) > 0 && c.Act != gateway.ActAccept:
		return gateway.Errorf(gateway.Invalid, "dagdelen are said with accept only")
	case slices.ContainsFunc(c.Dagdelen, func(g gateway.Dagdeel) bool { return !g.Valid() }):
		return gateway.Errorf(gateway.Invalid, "a dagdeel is written as ma-ochtend")
	}
	if c.Date != "" {
		if _, err := gateway.ParseDate(string(c.Date)); err != nil {
			return err
		}
		if c.Date < day.AddDays(-stepBefore) || c.Date > day.AddDays(stepAfter) {
			return gateway.Errorf(gateway.Invalid, "the date is more than a year ago, or more than two years away")
		}
		if c.Act == gateway.ActPlan && c.Date < day {
			return gateway.Errorf(gateway.Invalid, "an introduction is planned for today or later")
		}
	}
	if err := d.reasonFits(c.Act, c.Reason, day); err != nil {
		return err
	}
	_, err := scan([]guard.Field{{Name: "passing", Text: c.Passing, Max: mostLine}}, nil, nil)
	return err
}

// full says, in Dutch, where there is no place, and that the waiting list is the
// alternative.
func (d *Desk) full(ctx context.Context, f store.ReferralFacts, c ReferralCommit, cause error) error {
	provided, err := d.Store.ProvidedReferral(ctx, f.ID)
	if err != nil {
		return errors.Join(cause, err)
	}
	own, ok, err := d.Store.OwnOffer(ctx, f.Offer)
	if err != nil || !ok {
		return errors.Join(cause, err)
	}
	today := gateway.DateOf(d.now())
	taken, err := d.Store.Taken(ctx, f.Offer, today)
	if err != nil {
		return errors.Join(cause, err)
	}
	dagdelen, day := provided.Referral.Dagdelen, max(today, provided.Need.From, c.Date)
	if len(dagdelen) == 0 {
		dagdelen = c.Dagdelen
	}
	terms := d.ReferralTerms("")
	var parties []gateway.Recipient
	for _, oin := range []gateway.OIN{f.Principal, f.Party} {
		if oin != "" {
			parties = append(parties, terms.Recipient(oin))
		}
	}
	pools := own.Offer.Pools(parties, provided.Need.Grondslag, day)
	var without []string
	for _, g := range dagdelen {
		if !slices.ContainsFunc(pools, func(id string) bool { return own.Offer.Free(id, g, taken, day) > 0 }) {
			without = append(without, string(g))
		}
	}
	return gateway.Wrap(gateway.Conflict, cause, fullText(without, pools)+"; zet op de wachtlijst met: doorstroom referrals act "+shortID(f.ID)+" waitlist")
}

func fullText(dagdelen, pools []string) string {
	where := "in toedeling " + pools[0]
	switch {
	case pools[0] == "":
		where = "buiten de toedelingen"
	case len(pools) > 1:
		where += ", en ook niet daarbuiten"
	}
	if len(dagdelen) == 0 {
		return "Vol: nergens zijn alle gevraagde dagdelen samen vrij"
	}
	return "Vol: op " + strings.Join(dagdelen, ", ") + " is geen plek " + where
}

const shownPrefix = 8

// shortID is enough of an id to find a referral by, as a rule.
func shortID(id string) string { return id[:min(len(id), shownPrefix)] }
