package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/guard"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// SubjectAsk is what somebody asks of the other side of one or more referrals, for
// the inhabitant whom they are about.
type SubjectAsk struct {
	Referrals   []string           `json:"referrals,omitempty"` // ids, or beginnings of them
	Reference   string             `json:"reference,omitempty"` // or all referrals of an own reference
	Act         gateway.SubjectAct `json:"act"`
	Ground      string             `json:"ground,omitempty"`   // code; not with lift
	Received    gateway.Date       `json:"received,omitempty"` // when the inhabitant asked; today if it is left out
	Fields      []gateway.Field    `json:"fields,omitempty"`   // with erase: which; none: all
	Correction  gateway.Correction `json:"correction,omitzero"`
	Explanation string             `json:"explanation,omitempty"`
	Override    []Override         `json:"override,omitempty"`
	Attachments
}

// SubjectAsked is what became of it: requests on their way.
type SubjectAsked struct {
	Requests []SubjectLine   `json:"requests"`
	LeftOut  []gateway.Field `json:"leftOut,omitempty"` // policy does not let these go
	Override []Override      `json:"override,omitempty"`
}

// AskSubject asks the other side of referrals to rectify, to erase, to restrict, or
// to lift a restriction. What is corrected is corrected here too, and a restriction
// holds here at once.
func (d *Desk) AskSubject(ctx context.Context, caller gateway.Caller, a SubjectAsk) (SubjectAsked, error) {
	if err := caller.Authorize(gateway.OpAskSubject); err != nil {
		return SubjectAsked{}, err
	}
	if err := a.refuse(); err != nil {
		return SubjectAsked{}, err
	}
	referrals, err := d.subjectReferrals(a)
	if err != nil {
		return SubjectAsked{}, err
	}
	day := gateway.DateOf(d.now())
	q, err := d.subjectRequest(a, day)
	if err != nil {
		return SubjectAsked{}, err
	}
	used, err := scan(subjectTexts(q), subjectMeant(), a.Override)
	if err != nil {
		return SubjectAsked{}, err
	}
	asked := SubjectAsked{Override: used}
	for i, f := range referrals {
		line, leftOut, err := d.askOne(ctx, caller, f, q, used)
		if err != nil && i > 0 {
			return asked, gateway.Wrap(gateway.KindOf(err), err, fmt.Sprintf("%d of %d were asked; then: %s", i, len(referrals), gateway.SafeMessage(err)))
		}
		if err != nil {
			return asked, err
		}
		asked.Requests = append(asked.Requests, line)
		asked.LeftOut = slices.Compact(slices.Sorted(slices.Values(slices.Concat(asked.LeftOut, leftOut))))
	}
	return asked, nil
}

// subjectReferrals are those that somebody asks about.
func (d *Desk) subjectReferrals(a SubjectAsk) (all []store.ReferralFacts, err error) {
	if (len(a.Referrals) == 0) == (a.Reference == "") {
		return nil, gateway.Errorf(gateway.Invalid, "name referrals, or your own reference of them")
	}
	if a.Reference != "" {
		all = d.Store.Referrals(func(f store.ReferralFacts) bool { return f.Reference == a.Reference })
		if len(all) == 0 {
			err = gateway.Errorf(gateway.NotFound, "this node knows no referral of that reference")
		}
		return all, err
	}
	for _, id := range a.Referrals {
		f, err := d.findReferral(id)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

const askedBefore = 366 // days: how long ago an inhabitant can have asked

// subjectRequest holds what is asked to what is possible.
func (d *Desk) subjectRequest(a SubjectAsk, day gateway.Date) (gateway.SubjectRequest, error) {
	q := gateway.SubjectRequest{
		Act: a.Act, Received: a.Received, Ground: a.Ground, Fields: a.Fields, Correction: a.Correction, Explanation: a.Explanation,
	}
	if q.Received == "" {
		q.Received = day
	}
	if _, err := gateway.ParseDate(string(q.Received)); err != nil {
		return q, err
	}
	if q.Received > day || q.Received < day.AddDays(-askedBefore) {
		return q, gateway.Errorf(gateway.Invalid, "received: the day lies in the future, or more than a year ago")
	}
	if err := q.Check(); err != nil {
		return q, err
	}
	if q.Ground != "" && d.lists.Check("verzoekgrond", q.Ground, day) != nil {
		return q, gateway.Errorf(gateway.Invalid, "the ground is one of: %s", strings.Join(d.codes("verzoekgrond", day), ", "))
	}
	q.AnswerBy = max(day, d.rightsTerm().Due(q.Received, calendar.Closed{}))
	return q, nil
}

// rightsTerm is how long the other side has for an answer.
func (d *Desk) rightsTerm() calendar.Term {
	if d.Rights == nil {
		return config.Default().Rights.Term()
	}
	return d.Rights().Term()
}

// askOne asks about one referral.
func (d *Desk) askOne(ctx context.Context, caller gateway.Caller, f store.ReferralFacts, q gateway.SubjectRequest, used []Override) (SubjectLine, []gateway.Field, error) {
	if f.Orphan || f.Forgotten {
		return SubjectLine{}, nil, gateway.Errorf(gateway.Conflict, "of this referral the two sides do not know the same: ask the other side by telephone")
	}
	now := d.now()
	day := gateway.DateOf(now)
	told, err := d.tellSubject(ctx, f, gateway.KindSubjectRequest, day)
	if err != nil {
		return SubjectLine{}, nil, err
	}
	q.Referral, q.Request = f.ID, sampleRequest
	leftOut, err := limit(&q, told.Fields)
	if err != nil {
		return SubjectLine{}, nil, err
	}
	if err := d.valid(gateway.KindSubjectRequest, q, day); err != nil {
		return SubjectLine{}, nil, err
	}
	if err := d.journalOverrides(ctx, caller, f.Party, used); err != nil {
		return SubjectLine{}, nil, err
	}
	terms, err := d.termsOf(ctx, f)
	if err != nil {
		return SubjectLine{}, nil, fmt.Errorf("read referral: %w", err)
	}
	entry := d.entry(caller, "", now)
	entry.Rules, entry.Policy = told.Rules, told.Policy
	asked, err := d.Store.AskRights(ctx, now, store.AskedRights{
		Request: q, Here: true, Terms: terms, Basis: d.Rules().Basis(told, day), Entry: entry,
	})
	if err != nil {
		return SubjectLine{}, nil, err
	}
	d.Wake([]gateway.OIN{f.Party})
	return d.subjectLine(asked, day), leftOut, nil
}

// limit takes out of a request what policy does not let go, and names it.
func limit(q *gateway.SubjectRequest, allowed []gateway.Field) (leftOut []gateway.Field, err error) {
	if q.Explanation != "" && !slices.Contains(allowed, "explanation") {
		q.Explanation, leftOut = "", []gateway.Field{"explanation"}
	}
	var hidden []gateway.Field
	for _, f := range q.Correction.Fields() {
		if !slices.Contains(allowed, f) {
			hidden = append(hidden, f)
		}
	}
	if len(hidden) > 0 {
		if q.Correction = q.Correction.Without(hidden); q.Correction.IsZero() {
			return nil, gateway.Errorf(gateway.Denied, "the policy of this node lets none of what is corrected go to that party; ask for erasure instead")
		}
	}
	return append(leftOut, hidden...), nil
}

// tellSubject asks policy whether a request or an answer may go to the other side
// of a referral. Beside the fields of the message it names those of a correction.
func (d *Desk) tellSubject(ctx context.Context, f store.ReferralFacts, kind string, day gateway.Date) (policy.Told, error) {
	q, err := d.personal(ctx, kind, f)
	if err != nil {
		return policy.Told{}, err
	}
	q.Day = day
	told, err := d.tell(q, f.Party)
	if err != nil {
		return told, err
	}
	told.Fields = append(told.Fields, d.toldNow(q, f)...)
	return told, nil
}

// toldNow are the fields of need and handover that policy lets the other side of a
// referral have now, in whatever state.
func (d *Desk) toldNow(q policy.Personal, f store.ReferralFacts) (fields []gateway.Field) {
	if f.Side != gateway.ReferrerSide { // a provider corrects what it was told by telling its referrer, who knows best
		return nil
	}
	q.Kind, q.Status = gateway.KindReferral, ""
	if told := d.told(q, f.Party); told.Allowed {
		for _, field := range told.Fields {
			fields = append(fields, "need."+field)
		}
	}
	q.Kind = gateway.KindHandover
	for _, status := range gateway.HandoverStates() {
		q.Status = status
		told := d.told(q, f.Party)
		if !told.Allowed {
			continue
		}
		fields = append(fields, gateway.KindHandover, gateway.KindHandover+".name")
		for _, field := range told.Fields {
			fields = append(fields, gateway.KindHandover+"."+field)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// tellSubjectAgain is TellAgain for a request or an answer that waits.
func (d *Desk) tellSubjectAgain(q policy.Personal, peer gateway.OIN, about []store.ReferralFacts) policy.Told {
	told := d.told(q, peer)
	if told.Allowed && len(about) > 0 {
		told.Fields = append(told.Fields, d.toldNow(q, about[0])...)
	}
	return told
}

// subjectTexts are the texts of a request.
func subjectTexts(q gateway.SubjectRequest) []guard.Field {
	n, h := q.Correction.Need, q.Correction.Handover
	fields := []guard.Field{
		{Name: "explanation", Text: q.Explanation, Max: mostGuidance}, {Name: "need.note", Text: n.Note, Max: mostLine},
		{Name: "handover.name", Text: h.Name, Max: mostLine}, {Name: "handover.phone", Text: h.Phone, Max: mostPhone},
		{Name: "handover.email", Text: h.Email}, {Name: "handover.reachable", Text: h.Reachable, Max: mostLine},
		{Name: "handover.guidance", Text: h.Guidance, Max: mostGuidance},
	}
	if a := h.Address; a != nil {
		fields = append(fields, guard.Field{Name: "handover.address.street", Text: a.Street, Max: mostLine},
			guard.Field{Name: "handover.address.number", Text: a.Number, Max: mostLine}, guard.Field{Name: "handover.address.city", Text: a.City, Max: mostLine})
	}
	return fields
}

func subjectMeant() []Override {
	return []Override{{Field: "handover.phone", What: guard.Phone}, {Field: "handover.email", What: guard.Email}}
}
