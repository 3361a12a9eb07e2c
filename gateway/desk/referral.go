package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ReferralLine is one referral in a listing: where it stands, and whose the next
// step is. Nothing in it is of the need, or of whom it is about.
type ReferralLine struct {
	ID          string                 `json:"referral"`
	Side        gateway.Side           `json:"side"` // which this node is on
	Party       gateway.OIN            `json:"party"`
	PartyName   string                 `json:"partyName,omitempty"`
	Principal   gateway.OIN            `json:"principal,omitempty"`
	Offer       string                 `json:"offer,omitempty"`
	Allotment   string                 `json:"allotment,omitempty"`
	Reference   string                 `json:"reference,omitempty"` // the referrer's own
	Status      gateway.ReferralStatus `json:"status,omitempty"`    // empty: the provider has not taken it, or not yet
	StatusLabel string                 `json:"statusLabel"`
	Number      uint64                 `json:"number"`
	Since       time.Time              `json:"since,omitzero"`
	Date        gateway.Date           `json:"date,omitempty"`
	Asked       gateway.ReferralAct    `json:"asked,omitempty"`    // by the referrer, and not answered yet
	AnswerBy    gateway.Date           `json:"answerBy,omitempty"` // to that
	Pseudonym   string                 `json:"pseudonym,omitempty"`
	Notes       []string               `json:"notes,omitempty"`    // what is out of the ordinary, in Dutch
	NextStep    *ReferralStep          `json:"nextStep,omitempty"` // nil at the end
}

// ReferralStep is what must be done next, by whom, and by when.
type ReferralStep struct {
	Party   gateway.OIN        `json:"party"`
	Name    string             `json:"name,omitempty"`
	Contact gateway.Functional `json:"contact,omitzero"`
	Deputy  gateway.Functional `json:"deputy,omitzero"`
	Mine    bool               `json:"mine,omitempty"` // it is for this node
	Action  string             `json:"action"`         // in Dutch
	Due     gateway.Date       `json:"due,omitempty"`
	Overdue bool               `json:"overdue,omitempty"`
	Late    int                `json:"late,omitempty"` // by how many working days
}

// ReferralFilter says which referrals to list; what is zero is no condition.
type ReferralFilter struct {
	Open    bool                   `json:"open,omitempty"`    // not ended
	Overdue bool                   `json:"overdue,omitempty"` // the next step, or an answer, was due before today
	Mine    bool                   `json:"mine,omitempty"`    // the next step is for this node
	Status  gateway.ReferralStatus `json:"status,omitempty"`
	Offer   string                 `json:"offer,omitempty"`
	Party   gateway.OIN            `json:"party,omitempty"`
}

// ListReferrals lists the referrals of both sides, what is due first first. Whoever
// may only list gets them without the referrer's own references.
func (d *Desk) ListReferrals(ctx context.Context, caller gateway.Caller, filter ReferralFilter) ([]ReferralLine, error) {
	if err := d.read(ctx, caller, gateway.OpListReferrals); err != nil {
		return nil, err
	}
	if filter.Status != "" && !slices.Contains(gateway.ReferralStatuses(), filter.Status) {
		return nil, gateway.Errorf(gateway.Invalid, "there is no such status; see code list verwijsstatus")
	}
	day := gateway.DateOf(d.now())
	list := []ReferralLine{}
	for _, f := range d.Store.Referrals(nil) {
		line := d.line(f, day)
		if !filter.matches(f, line) {
			continue
		}
		if !caller.May(gateway.OpReadReferral) && !caller.May(gateway.OpRefer) {
			line.Reference = ""
		}
		list = append(list, line)
	}
	slices.SortStableFunc(list, func(a, b ReferralLine) int { return cmp.Compare(dueOrLate(a), dueOrLate(b)) })
	return list, nil
}

func dueOrLate(l ReferralLine) gateway.Date {
	if l.NextStep == nil {
		return "9999-12-31"
	}
	return cmp.Or(l.NextStep.Due, "9999-12-30")
}

func (filter ReferralFilter) matches(f store.ReferralFacts, l ReferralLine) bool {
	return (!filter.Open || l.NextStep != nil) &&
		(!filter.Overdue || l.NextStep != nil && l.NextStep.Overdue) &&
		(!filter.Mine || l.NextStep != nil && l.NextStep.Mine) &&
		(filter.Status == "" || f.Status == filter.Status) &&
		(filter.Offer == "" || f.Offer == filter.Offer) &&
		(filter.Party == "" || f.Party == filter.Party)
}

// line is what is told of a referral on a day.
func (d *Desk) line(f store.ReferralFacts, day gateway.Date) ReferralLine {
	l := ReferralLine{
		ID: f.ID, Side: f.Side, Party: f.Party, PartyName: d.partyName(f.Party), Principal: f.Principal, Offer: f.Offer,
		Allotment: f.Allotment, Reference: f.Reference, Status: f.Status, StatusLabel: d.statusLabel(f), Number: f.Number,
		Since: f.Since, Date: f.Date, Asked: f.Open, AnswerBy: f.AnswerBy, Notes: d.referralNotes(f),
	}
	if f.Side == gateway.ProviderSide && f.Status.Booked() {
		l.Pseudonym = f.Pseudonym
	}
	l.NextStep = d.nextStep(f, day)
	return l
}

func (d *Desk) statusLabel(f store.ReferralFacts) string {
	switch {
	case d.awaits(f):
		return d.lists.Label("verwijsstatus", string(f.Status)) + " (teruggezet)"
	case f.Status != "":
		return d.lists.Label("verwijsstatus", string(f.Status))
	case f.Open != "":
		return "Verstuurd, nog geen antwoord"
	}
	return "Niet aangenomen"
}

// awaits tells whether nothing may become of a referral now: this node was put back
// from a backup, and asks the referrer what it knows.
func (d *Desk) awaits(f store.ReferralFacts) bool { return d.now().Before(f.Awaits) }

// referralNotes are what somebody must know who works with a referral.
func (d *Desk) referralNotes(f store.ReferralFacts) (notes []string) {
	add := func(is bool, text string) {
		if is {
			notes = append(notes, text)
		}
	}
	add(f.Restricted, "beperkt op verzoek van de inwoner: de gegevens worden bewaard en niet gebruikt")
	add(f.Conflict, "na herstel van een back-up waren de plekken al vergeven: maak plaats, of overleg met de verwijzer")
	add(f.Orphan, "alleen de stand is hier bekend, na herstel van een back-up: bel het leerwerkbedrijf")
	add(f.Forgotten, "het leerwerkbedrijf kent deze verwijzing niet meer: bel het, of meld opnieuw aan")
	add(f.Recovering, "het leerwerkbedrijf krijgt terug wat het na herstel van een back-up kwijt was")
	add(d.awaits(f), "teruggezet uit een back-up: de node van de verwijzer zegt eerst wat er daarna gebeurde, tot uiterlijk "+f.Awaits.In(gateway.Amsterdam()).Format("2006-01-02 15:04")+"; tot dan verandert hier niets")
	undone := d.lists.Label("verwijsstatus", string(f.Undone))
	add(f.Undone != "" && f.Side == gateway.ProviderSide,
		"na herstel van een back-up ging het hier verder zonder te weten dat de stand al '"+undone+"' was, zoals de verwijzer en de inwoner hoorden: overleg met de verwijzer")
	add(f.Undone != "" && f.Side == gateway.ReferrerSide,
		"na herstel van een back-up ging het leerwerkbedrijf verder zonder te weten dat de stand al '"+undone+"' was: overleg met het leerwerkbedrijf")
	return notes
}

// nextStep gives a referral that has not ended exactly one owner of its next step.
func (d *Desk) nextStep(f store.ReferralFacts, day gateway.Date) *ReferralStep {
	if f.Final() {
		return nil
	}
	step := ReferralStep{Party: f.Party, Due: f.Due, Action: d.lists.Label("vervolgstap", f.Status.NextStep().Action)}
	switch {
	case d.awaits(f):
		step.Due, step.Action = gateway.DateOf(f.Awaits), "Zeggen wat er na de back-up gebeurde (doet de node zelf)"
	case f.Forgotten || f.Status == "" && f.Open == "":
		step.Party, step.Due, step.Action = d.Self, "", "Opnieuw aanmelden, of de verwijzing wissen"
	case f.Open != "": // the provider must answer, whosever the step was
		if step.Action = "Antwoord geven op het verzoek"; f.Open == gateway.ActRefer {
			step.Action = d.lists.Label("vervolgstap", gateway.Requested.NextStep().Action)
		}
		step.Due = f.AnswerBy
		if f.Owner() == gateway.ProviderSide && f.Due != "" && f.Due < f.AnswerBy {
			step.Due = f.Due
		}
	case f.Owner() == f.Side:
		step.Party = d.Self
	}
	step.Mine, step.Name = step.Party == d.Self, d.partyName(step.Party)
	if reg := d.Rules().Register; reg != nil {
		if p, ok := reg.Party(step.Party); ok {
			step.Contact, step.Deputy = p.Contact, p.Deputy
		}
	}
	if step.Overdue = step.Due != "" && step.Due < day; step.Overdue {
		step.Late = calendar.WorkingDaysBetween(step.Due, day, calendar.Closed{})
	}
	return &step
}

const leastPrefix = 6 // of an id, that may stand for it

// findReferral knows a referral by its id, or by the beginning of one.
func (d *Desk) findReferral(id string) (store.ReferralFacts, error) {
	all := d.Store.Referrals(func(f store.ReferralFacts) bool {
		return f.ID == id || len(id) >= leastPrefix && strings.HasPrefix(f.ID, id)
	})
	switch {
	case len(all) == 0:
		return store.ReferralFacts{}, gateway.Errorf(gateway.NotFound, "this node knows no such referral; see doorstroom referrals list")
	case len(all) > 1:
		return store.ReferralFacts{}, gateway.Errorf(gateway.Invalid, "the ids of %d referrals begin so: give more of it", len(all))
	}
	return all[0], nil
}

// ReferralDetail is all that this node has of one referral.
type ReferralDetail struct {
	ReferralLine
	Follows  string                `json:"follows,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	Dagdelen []gateway.Dagdeel     `json:"dagdelen,omitempty"`
	Answer   gateway.Answer        `json:"answer,omitzero"` // to the last request
	Need     *gateway.Need         `json:"need,omitempty"`
	Handover *gateway.Handover     `json:"handover,omitempty"`
	Reserved *ReservedPlaces       `json:"reserved,omitempty"`
	Waiting  time.Time             `json:"waiting,omitzero"` // on the waiting list since
	Passed   []PassedOver          `json:"passed,omitempty"`
	May      []gateway.ReferralAct `json:"may,omitempty"` // what this side can do now
}

// ReservedPlaces are held for an introduction, and lapse after the last day.
type ReservedPlaces struct {
	Allotment string            `json:"allotment,omitempty"`
	Dagdelen  []gateway.Dagdeel `json:"dagdelen"`
	Until     gateway.Date      `json:"until"`
}

// PassedOver is why a later one was placed before somebody on a waiting list.
type PassedOver struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// ReadReferral opens one referral, with its need and its handover data.
func (d *Desk) ReadReferral(ctx context.Context, caller gateway.Caller, id string) (ReferralDetail, error) {
	if err := caller.Authorize(gateway.OpReadReferral); err != nil {
		return ReferralDetail{}, err
	}
	f, err := d.findReferral(id)
	if err != nil {
		return ReferralDetail{}, err
	}
	now := d.now()
	detail := ReferralDetail{ReferralLine: d.line(f, gateway.DateOf(now))}
	digest, err := d.fillReferral(ctx, &detail, f)
	if err != nil {
		return ReferralDetail{}, err
	}
	if f.Restricted {
		detail.Need, detail.Reason, detail.May = nil, "", onlyEnding(f, detail.May)
	}
	entry := d.entry(caller, string(gateway.OpReadReferral), now)
	entry.Party, entry.Principal, entry.Digest = f.Party, f.Principal, digest
	switch h, err := d.Store.Handover(ctx, f.ID); {
	case err == nil && f.Restricted:
	case err == nil:
		detail.Handover = &h
		entry.Fields = []gateway.Field{gateway.KindHandover}
	case gateway.KindOf(err) != gateway.NotFound:
		return ReferralDetail{}, fmt.Errorf("read handover: %w", err)
	}
	if err := d.Store.Append(ctx, now, entry); err != nil {
		return ReferralDetail{}, fmt.Errorf("journal operation %s: %w", gateway.OpReadReferral, err)
	}
	return detail, nil
}

func (d *Desk) fillReferral(ctx context.Context, detail *ReferralDetail, f store.ReferralFacts) (digest string, err error) {
	var r gateway.Referral
	if f.Side == gateway.ReferrerSide {
		followed, err := d.Store.FollowedReferral(ctx, f.ID)
		if err != nil {
			return "", fmt.Errorf("read referral: %w", err)
		}
		if r, detail.Need, digest = followed.Follow.Referral, followed.Need, followed.Digest; followed.Follow.Open == nil && !f.Orphan {
			detail.May = r.Status.Acts(gateway.ReferrerSide)
		}
		detail.Follows = followed.After
	} else {
		provided, err := d.Store.ProvidedReferral(ctx, f.ID)
		if err != nil {
			return "", fmt.Errorf("read referral: %w", err)
		}
		r, detail.Need, digest = provided.Referral, &provided.Need, provided.Digest
		if detail.Passed = passedOut(provided.Passed); !d.awaits(f) {
			detail.May = r.Status.Acts(gateway.ProviderSide)
		}
		if provided.Waiting {
			detail.Waiting = provided.Since
		}
		if p := provided.Reserved; p != nil {
			detail.Reserved = &ReservedPlaces{Allotment: p.Allotment, Dagdelen: p.Dagdelen, Until: p.Until}
		}
	}
	detail.Reason, detail.Dagdelen, detail.Answer = r.Reason, r.Dagdelen, r.Answer
	detail.Follows = cmp.Or(detail.Follows, r.Follows)
	return digest, nil
}

func passedOut(all []store.Passed) (out []PassedOver) {
	for _, p := range all {
		out = append(out, PassedOver(p))
	}
	return out
}

// Waiter is somebody on the waiting list of an own offer: who came first is first.
type Waiter struct {
	Referral  string            `json:"referral"`
	Party     gateway.OIN       `json:"party"`
	PartyName string            `json:"partyName,omitempty"`
	Place     int               `json:"place"` // of its allotment, from 1
	Since     time.Time         `json:"since"`
	Allotment string            `json:"allotment,omitempty"`
	Dagdelen  []gateway.Dagdeel `json:"dagdelen,omitempty"`
	Passed    []PassedOver      `json:"passed,omitempty"` // why later ones were placed before it
}

// WaitingList is who waits for an own offer, in order.
func (d *Desk) WaitingList(ctx context.Context, caller gateway.Caller, offer string) ([]Waiter, error) {
	if err := d.read(ctx, caller, gateway.OpWaitingList); err != nil {
		return nil, err
	}
	if _, ok, err := d.Store.OwnOffer(ctx, offer); err != nil || !ok {
		return nil, cmp.Or(err, gateway.Errorf(gateway.NotFound, "no offer of this node has that id; see doorstroom offers"))
	}
	all, err := d.Store.WaitingList(ctx, offer)
	if err != nil {
		return nil, fmt.Errorf("read waiting list: %w", err)
	}
	list := make([]Waiter, 0, len(all))
	for _, w := range all {
		waiter := Waiter{
			Referral: w.Referral, Place: w.Place, Since: w.Since, Allotment: w.Allotment, Dagdelen: w.Dagdelen, Passed: passedOut(w.Passed),
		}
		if f, err := d.findReferral(w.Referral); err == nil {
			waiter.Party, waiter.PartyName = f.Party, d.partyName(f.Party)
		}
		list = append(list, waiter)
	}
	return list, nil
}
