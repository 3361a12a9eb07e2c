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
	"github.com/doorstroom/doorstroom/gateway/guard"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// SubjectLine is a request for an inhabitant in a listing, with what became of it.
// Nothing of what it says in words is in it.
type SubjectLine struct {
	Request   string                `json:"request"`
	Referral  string                `json:"referral"`
	Asked     bool                  `json:"asked"` // by this node; false: of it
	Party     gateway.OIN           `json:"party"`
	PartyName string                `json:"partyName,omitempty"`
	Act       gateway.SubjectAct    `json:"act"`
	What      string                `json:"what"` // in Dutch
	Ground    string                `json:"ground,omitempty"`
	Why       string                `json:"why,omitempty"` // the ground, in Dutch
	Fields    []gateway.Field       `json:"fields,omitempty"`
	Received  gateway.Date          `json:"received,omitempty"`
	Due       gateway.Date          `json:"due,omitempty"` // of the answer
	Open      bool                  `json:"open"`
	Mine      bool                  `json:"mine,omitempty"` // the answer is for this node to give
	Overdue   bool                  `json:"overdue,omitempty"`
	Late      int                   `json:"late,omitempty"` // by how many working days
	Result    gateway.SubjectResult `json:"result,omitempty"`
	Reason    string                `json:"reason,omitempty"`
	Outcome   string                `json:"outcome"` // in Dutch
	Answered  time.Time             `json:"answered,omitzero"`
	Policy    string                `json:"policy,omitempty"` // that asks this because it is narrower
	Notes     []string              `json:"notes,omitempty"`
}

// SubjectDetail is a request with its words.
type SubjectDetail struct {
	SubjectLine
	Correction  gateway.Correction `json:"correction,omitzero"`
	Explanation string             `json:"explanation,omitempty"`
	Answer      string             `json:"answer,omitempty"` // the explanation of it
}

// ListSubject lists requests for inhabitants, by this node and of it; what must be
// answered first comes first.
func (d *Desk) ListSubject(ctx context.Context, caller gateway.Caller) ([]SubjectLine, error) {
	if err := d.read(ctx, caller, gateway.OpListSubject); err != nil {
		return nil, err
	}
	all, err := d.Store.Rights(ctx)
	if err != nil {
		return nil, fmt.Errorf("read requests of inhabitants: %w", err)
	}
	day, list := gateway.DateOf(d.now()), []SubjectLine{}
	for _, r := range all {
		list = append(list, d.subjectLine(r, day))
	}
	return list, nil
}

// ReadSubject opens one request, with what it says.
func (d *Desk) ReadSubject(ctx context.Context, caller gateway.Caller, request string) (SubjectDetail, error) {
	if err := d.read(ctx, caller, gateway.OpReadSubject); err != nil {
		return SubjectDetail{}, err
	}
	r, err := d.findSubject(ctx, request, nil)
	if err != nil {
		return SubjectDetail{}, err
	}
	detail := SubjectDetail{
		SubjectLine: d.subjectLine(r, gateway.DateOf(d.now())), Correction: r.Request.Correction, Explanation: r.Request.Explanation,
	}
	if r.Answer != nil {
		detail.Answer = r.Answer.Explanation
	}
	return detail, nil
}

// findSubject knows a request by its id, or by a part of one: its end, because the
// beginning is a time.
func (d *Desk) findSubject(ctx context.Context, id string, match func(store.Rights) bool) (found store.Rights, err error) {
	all, err := d.Store.Rights(ctx)
	if err != nil {
		return found, fmt.Errorf("read requests of inhabitants: %w", err)
	}
	n := 0
	for _, r := range all {
		named := r.Request.Request == id || len(id) >= leastPrefix && strings.HasSuffix(r.Request.Request, id)
		if named && (match == nil || match(r)) {
			found = r
			n++
		}
	}
	switch {
	case n == 0:
		return found, gateway.Errorf(gateway.NotFound, "this node knows no such request; see doorstroom subject list")
	case n > 1:
		return found, gateway.Errorf(gateway.Invalid, "the ids of %d requests end so: give more of it", n)
	}
	return found, nil
}

func (d *Desk) subjectLine(r store.Rights, day gateway.Date) SubjectLine {
	q := r.Request
	l := SubjectLine{
		Request: q.Request, Referral: q.Referral, Asked: r.Asked, Party: r.Party, PartyName: d.partyName(r.Party), Act: q.Act,
		What: actText(q.Act), Ground: q.Ground, Why: d.lists.Label("verzoekgrond", q.Ground), Fields: slices.Concat(q.Fields, r.Corrects),
		Received: q.Received, Due: r.Due, Open: r.Open(), Policy: r.Policy, Answered: r.Answered,
	}
	if a := r.Answer; a != nil {
		l.Result, l.Reason = a.Result, a.Reason
	}
	l.Mine = l.Open && !r.Asked
	if l.Overdue = l.Open && r.Due != "" && r.Due < day; l.Overdue {
		l.Late = calendar.WorkingDaysBetween(r.Due, day, calendar.Closed{})
	}
	l.Outcome = d.subjectOutcome(r)
	if r.Orphan {
		l.Notes = append(l.Notes, "alleen het antwoord is hier bekend, na herstel van een back-up")
	}
	if r.Again {
		l.Notes = append(l.Notes, "opnieuw gevraagd, want de andere kant is hersteld van een back-up")
	}
	if r.Erased {
		l.Notes = append(l.Notes, "deze verwijzing is hier gewist")
	}
	return l
}

func actText(a gateway.SubjectAct) string {
	switch a {
	case gateway.Rectify:
		return "Gegevens verbeteren"
	case gateway.Erase:
		return "Gegevens wissen"
	case gateway.Restrict:
		return "Gebruik van gegevens beperken"
	}
	return "Beperking opheffen"
}

func (d *Desk) subjectOutcome(r store.Rights) string {
	switch {
	case r.Failed == string(gateway.Withdrawn):
		return "Niet verstuurd: uw beleid laat het niet toe"
	case r.Failed != "":
		return "Niet aangenomen door de andere kant"
	case r.Answer == nil:
		return "Nog geen antwoord"
	}
	text := resultText(r.Answer.Result, r.Request.Act)
	if r.Answer.Reason != "" {
		text += ": " + d.lists.Label("verzoekreden", r.Answer.Reason)
	}
	return text
}

func resultText(r gateway.SubjectResult, act gateway.SubjectAct) string {
	switch {
	case r == gateway.SubjectDone && act == gateway.Erase:
		return "Gewist"
	case r == gateway.SubjectDone:
		return "Uitgevoerd"
	case r == gateway.SubjectPartly:
		return "Voor een deel uitgevoerd"
	case r == gateway.SubjectExtended:
		return "Later"
	}
	return "Geweigerd"
}

// SubjectReply answers a request of another party.
type SubjectReply struct {
	Request     string                `json:"request"` // id, or the end of one
	Result      gateway.SubjectResult `json:"result"`
	Reason      string                `json:"reason,omitempty"`   // code; not with done
	Fields      []gateway.Field       `json:"fields,omitempty"`   // with partly: which
	AnswerBy    gateway.Date          `json:"answerBy,omitempty"` // with extended
	Explanation string                `json:"explanation,omitempty"`
	Override    []Override            `json:"override,omitempty"`
}

// AnswerSubject does what is asked, or says why not, and answers.
func (d *Desk) AnswerSubject(ctx context.Context, caller gateway.Caller, a SubjectReply) (SubjectLine, error) {
	if err := caller.Authorize(gateway.OpAnswerSubject); err != nil {
		return SubjectLine{}, err
	}
	r, err := d.findSubject(ctx, a.Request, func(r store.Rights) bool { return !r.Asked })
	if err != nil {
		return SubjectLine{}, err
	}
	now := d.now()
	if err := d.checkReply(r, &a, gateway.DateOf(now)); err != nil {
		return SubjectLine{}, err
	}
	used, err := scan([]guard.Field{{Name: "explanation", Text: a.Explanation, Max: mostGuidance}}, nil, a.Override)
	if err != nil {
		return SubjectLine{}, err
	}
	if err := d.journalOverrides(ctx, caller, r.Party, used); err != nil {
		return SubjectLine{}, err
	}
	return d.reply(ctx, r, a, d.entry(caller, "", now), now)
}

// extensions are the reasons for a longer term.
func extensions() []string { return []string{"ingewikkeld", "veel-verzoeken"} }

// checkReply holds an answer to its request.
func (d *Desk) checkReply(r store.Rights, a *SubjectReply, day gateway.Date) error {
	answer := gateway.SubjectAnswer{Result: a.Result, Reason: a.Reason, Fields: a.Fields, AnswerBy: a.AnswerBy}
	if err := answer.Check(); err != nil {
		return err
	}
	later := a.Result == gateway.SubjectExtended
	if a.Reason != "" {
		reasons := slices.DeleteFunc(d.codes("verzoekreden", day), func(code string) bool {
			return code == gateway.SubjectUnknown || slices.Contains(extensions(), code) != later
		})
		if !slices.Contains(reasons, a.Reason) {
			return gateway.Errorf(gateway.Invalid, "%s needs a reason, one of: %s", a.Result, strings.Join(reasons, ", "))
		}
	}
	asked := slices.Concat(r.Request.Fields, r.Corrects)
	switch {
	case a.Result == gateway.SubjectPartly && (r.Request.Act == gateway.Restrict || r.Request.Act == gateway.Lift):
		return gateway.Errorf(gateway.Invalid, "a restriction holds for all of a referral, or not")
	case a.Result == gateway.SubjectPartly && len(asked) > 0 &&
		slices.ContainsFunc(a.Fields, func(f gateway.Field) bool {
			return !slices.Contains(asked, f) && !slices.Contains(asked, gateway.KindHandover)
		}):
		return gateway.Errorf(gateway.Invalid, "a field that is named was not asked about")
	case !later:
		return nil
	}
	if _, err := gateway.ParseDate(string(a.AnswerBy)); err != nil {
		return err
	}
	most := calendar.Term{Count: 1 + gateway.SubjectExtension, Unit: calendar.Months}.Due(cmp.Or(r.Request.Received, gateway.DateOf(r.At)), calendar.Closed{})
	if a.AnswerBy <= day || a.AnswerBy > most {
		return gateway.Errorf(gateway.Invalid, "a longer term ends after today, and at most three months after the inhabitant asked: on %s", most)
	}
	return nil
}

// reply asks policy, and answers.
func (d *Desk) reply(ctx context.Context, r store.Rights, a SubjectReply, entry journal.Entry, now time.Time) (SubjectLine, error) {
	day := gateway.DateOf(now)
	f, known := d.referralWith(r.Request.Referral, r.Party)
	told, err := d.tellAnswer(ctx, f, known, r.Party, day)
	if err != nil {
		return SubjectLine{}, err
	}
	if !slices.Contains(told.Fields, "explanation") {
		a.Explanation = ""
	}
	answer := gateway.SubjectAnswer{
		Referral: r.Request.Referral, Request: r.Request.Request, Act: r.Request.Act, Number: 1,
		Result: a.Result, On: day, Reason: a.Reason, Fields: a.Fields, AnswerBy: a.AnswerBy, Explanation: a.Explanation,
	}
	if err := d.valid(gateway.KindSubjectAnswer, answer, day); err != nil {
		return SubjectLine{}, err
	}
	terms := d.ReferralTerms("")
	if known {
		if terms, err = d.termsOf(ctx, f); err != nil {
			return SubjectLine{}, fmt.Errorf("read referral: %w", err)
		}
	}
	entry.Rules, entry.Policy = told.Rules, told.Policy
	answered, err := d.Store.AnswerRights(ctx, now, store.RightsAnswer{
		Request: r.Request.Request, Party: r.Party, Answer: answer, Terms: terms, Basis: d.Rules().Basis(told, day), Entry: entry,
	})
	if err != nil {
		return SubjectLine{}, err
	}
	d.Wake([]gateway.OIN{r.Party})
	return d.subjectLine(answered, day), nil
}

// tellAnswer asks policy whether an answer may go, also about what was erased.
func (d *Desk) tellAnswer(ctx context.Context, f store.ReferralFacts, known bool, party gateway.OIN, day gateway.Date) (policy.Told, error) {
	if known {
		return d.tellSubject(ctx, f, gateway.KindSubjectAnswer, day)
	}
	return d.tell(policy.Personal{Kind: gateway.KindSubjectAnswer, Day: day}, party)
}

func (d *Desk) referralWith(id string, party gateway.OIN) (store.ReferralFacts, bool) {
	all := d.Store.Referrals(func(f store.ReferralFacts) bool { return f.ID == id && f.Party == party })
	if len(all) == 0 {
		return store.ReferralFacts{}, false
	}
	return all[0], true
}
