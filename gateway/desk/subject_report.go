package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// SubjectQuestion asks for all that is kept of an inhabitant: by referral, or by a
// name in what was handed over. The name stays in this request: neither journal nor
// log gets it.
type SubjectQuestion struct {
	Referrals []string `json:"referrals,omitempty"` // ids, or beginnings of them
	Name      string   `json:"name,omitempty"`      // or a part of one, three letters at least
	// Confirm is the number of referrals that a first question by name was told of:
	// a name can be that of somebody else.
	Confirm int `json:"confirm,omitempty"`
}

// SubjectReport is the answer.
type SubjectReport = audit.Subject

// ReportSubject gathers what this node keeps of an inhabitant: the data, what went
// to whom and when, by which rules of the policy of then, and until when it is
// kept. By name it is asked twice: first it is a Conflict that says how many
// referrals bear it.
func (d *Desk) ReportSubject(ctx context.Context, caller gateway.Caller, q SubjectQuestion) (audit.Subject, error) {
	if err := caller.Authorize(gateway.OpReportSubject); err != nil {
		return audit.Subject{}, err
	}
	found, err := d.subjectFound(ctx, q)
	if err != nil {
		return audit.Subject{}, err
	}
	now := d.now()
	entry := d.entry(caller, string(gateway.OpReportSubject), now)
	entry.Count, entry.Outcome = len(found), "by-referral"
	if q.Name != "" {
		entry.Outcome = "by-name"
		if q.Confirm != len(found) || q.Confirm == 0 {
			entry.Outcome = "by-name-unconfirmed"
		}
	}
	if err := d.Store.Append(ctx, now, entry); err != nil {
		return audit.Subject{}, fmt.Errorf("journal operation %s: %w", gateway.OpReportSubject, err)
	}
	switch {
	case entry.Outcome == "by-name-unconfirmed" && len(found) == 0:
		return audit.Subject{}, gateway.Errorf(gateway.NotFound, "no handover that is kept here bears that name; before a handover a referral bears none")
	case entry.Outcome == "by-name-unconfirmed" && len(found) == 1:
		return audit.Subject{}, gateway.Errorf(gateway.Conflict, "1 referral bears that name: look whether it is of the person you mean, then ask again and confirm 1")
	case entry.Outcome == "by-name-unconfirmed":
		return audit.Subject{}, gateway.Errorf(gateway.Conflict, "%d referrals bear that name: look whether all are of the same person, then ask again and confirm %d", len(found), len(found))
	}
	contact, _ := d.ownContact()
	report := audit.Subject{
		Party: cmp.Or(d.partyName(d.Self), string(d.Self)), Day: gateway.DateOf(now), Referrals: []audit.SubjectReferral{},
		Contact: strings.Join(slices.DeleteFunc([]string{contact.Name, contact.Phone, contact.Email}, func(s string) bool { return s == "" }), ", "),
	}
	grounds, err := d.groundsThen(ctx)
	if err != nil {
		return audit.Subject{}, err
	}
	for _, f := range found {
		one, err := d.subjectReferral(ctx, f, grounds)
		if err != nil {
			return audit.Subject{}, err
		}
		report.Referrals = append(report.Referrals, one)
	}
	return report, nil
}

// leastName is how much of a name must be given.
const leastName = 3

func (d *Desk) subjectFound(ctx context.Context, q SubjectQuestion) (found []store.ReferralFacts, err error) {
	name := strings.ToLower(strings.Join(strings.Fields(q.Name), " "))
	switch {
	case (len(q.Referrals) == 0) == (name == ""):
		return nil, gateway.Errorf(gateway.Invalid, "name referrals, or a name")
	case name != "" && utf8.RuneCountInString(name) < leastName:
		return nil, gateway.Errorf(gateway.Invalid, "give at least %d letters of the name", leastName)
	}
	for _, id := range q.Referrals {
		f, err := d.findReferral(id)
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	if name == "" {
		return found, nil
	}
	for _, f := range d.Store.Referrals(nil) {
		h, err := d.Store.Handover(ctx, f.ID)
		if err != nil && gateway.KindOf(err) != gateway.NotFound {
			return nil, fmt.Errorf("read handover: %w", err)
		}
		if err == nil && strings.Contains(strings.ToLower(strings.Join(strings.Fields(h.Name), " ")), name) {
			found = append(found, f)
		}
	}
	return found, nil
}

func (d *Desk) subjectReferral(ctx context.Context, f store.ReferralFacts, grounds map[string]map[string]policy.Grounds) (audit.SubjectReferral, error) {
	day := gateway.DateOf(d.now())
	one := audit.SubjectReferral{
		Referral: f.ID, Other: cmp.Or(d.partyName(f.Party), string(f.Party)), Referrer: f.Side == gateway.ReferrerSide, Offer: f.Offer,
		Status: d.line(f, day).StatusLabel, Since: f.Since, Reference: f.Reference, Restrict: f.Restricted,
		Data: []audit.SubjectData{}, History: []audit.SubjectEvent{}, Grounds: []audit.SubjectGround{},
	}
	if f.Principal != "" {
		one.For = cmp.Or(d.partyName(f.Principal), string(f.Principal))
	}
	one.Kept = policy.RetentionText(string(d.retention())) + " na het einde"
	if f.Final() {
		until, why := d.keptUntil(f)
		one.Kept = "tot " + string(gateway.DateOf(until)) + " (" + why + ")"
	}
	need, digest, err := d.needOf(ctx, f)
	if err != nil {
		return one, err
	}
	if need != nil {
		one.Data = append(one.Data, d.subjectData("aanmelding", *need)...)
	}
	switch h, err := d.Store.Handover(ctx, f.ID); {
	case err == nil:
		one.Data = append(one.Data, d.subjectData("warme overdracht", h)...)
	case gateway.KindOf(err) != gateway.NotFound:
		return one, fmt.Errorf("read handover: %w", err)
	}
	return one, d.subjectHistory(ctx, &one, digest, grounds)
}

// subjectData are the members of a message, as people call them.
func (d *Desk) subjectData(in string, message any) (all []audit.SubjectData) {
	raw, err := json.Marshal(message)
	if err != nil {
		panic("plain data can be encoded: " + err.Error())
	}
	values := map[string]any{}
	_ = json.Unmarshal(raw, &values) // it was just written
	lists := map[string]string{"grondslag": "grondslag", "trajectsoort": "trajectsoort", "werksoorten": "werksoort", "dagdelen": "dagdeel", "accessibility": "toegankelijkheid"}
	for _, key := range []string{
		"name", "phone", "email", "address", "postcode", "reachable", "guidance", "offer", "grondslag", "trajectsoort", "werksoorten", "dagdelen", "from",
		"fase", "trede", "begeleiding", "accessibility", "maxKm", "note", "informed", "fits", "callFirst", "contact", "deputy",
	} {
		if v, ok := values[key]; ok {
			all = append(all, audit.SubjectData{
				In: in, Label: policy.FieldLabel(gateway.Field(key)), Value: d.plain(v, lists[key]),
			})
		}
	}
	return all
}

// plain is a value in words; codes of a list by their label.
func (d *Desk) plain(v any, list string) string {
	switch v := v.(type) {
	case string:
		if list != "" {
			return d.lists.Label(list, v)
		}
		return v
	case bool:
		if v {
			return "ja"
		}
		return "nee"
	case float64:
		return fmt.Sprint(v)
	case []any:
		var parts []string
		for _, one := range v {
			parts = append(parts, d.plain(one, list))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		var parts []string
		for _, key := range []string{"on", "how", "name", "role", "phone", "email", "street", "number", "city", "soort", "intensiteit", "ratio"} {
			if one, ok := v[key]; ok {
				parts = append(parts, d.plain(one, map[string]string{"how": "informatiewijze", "soort": "begeleiding", "intensiteit": "intensiteit"}[key]))
			}
		}
		return strings.Join(parts, ", ")
	}
	return ""
}

// subjectHistory is what the journal has about a referral, the oldest first, and
// the rules by which something went. Entries that were reduced to hashes are not
// among them.
func (d *Desk) subjectHistory(ctx context.Context, one *audit.SubjectReferral, digest string, grounds map[string]map[string]policy.Grounds) error {
	q := store.JournalQuery{Digest: digest, Oldest: true, Limit: ExportLimit}
	seen := map[string]bool{}
	for {
		page, err := d.Store.SearchJournal(ctx, q)
		if err != nil {
			return fmt.Errorf("search the journal: %w", err)
		}
		for _, r := range page.Records {
			one.History = append(one.History, audit.SubjectEvent{
				At: r.Time, What: d.historyText(r.Entry), Party: cmp.Or(d.partyName(r.Party), string(r.Party)), Fields: r.Fields, Rules: r.Rules, Policy: r.Policy,
			})
			for _, id := range r.Rules {
				g, known := grounds[r.Policy][id]
				if key := r.Policy + " " + id; known && !seen[key] {
					seen[key] = true
					one.Grounds = append(one.Grounds, audit.NewSubjectGround(d.lists, r.Policy, g))
				}
			}
		}
		if !page.More {
			return nil
		}
		q.Next = &page.Next
	}
}

// groundsThen are the rules of every policy that was in force, by version and id.
func (d *Desk) groundsThen(ctx context.Context) (map[string]map[string]policy.Grounds, error) {
	records, err := d.Store.Policies(ctx)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	all, env := map[string]map[string]policy.Grounds{}, d.policyEnv(d.Rules().Register, d.now())
	for _, r := range records {
		then, _, err := policy.Restore(filesOf(r), env)
		if err != nil || all[r.Version] != nil {
			continue // its rules are named all the same
		}
		all[r.Version] = map[string]policy.Grounds{}
		for _, g := range then.Grounds() {
			all[r.Version][g.ID] = g
		}
	}
	return all, nil
}
