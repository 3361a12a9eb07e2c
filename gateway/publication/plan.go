package publication

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// plan is one moment's rules and recipients.
type plan struct {
	now        time.Time
	day        gateway.Date
	policy     *policy.Policy
	register   uint64
	key        string          // of the rules, by keyOf
	recipients []gateway.Party // without ourselves, in the register's order
	seen       []gateway.Recipient
	account    bool // journal denials also where nothing is sent
	everyone   bool // for all recipients: samples may be taken
	force      bool // send also what did not change
	refused    bool // send also what was refused
	full       map[gateway.OIN]bool
}

func (p *Publisher) newPlan(now time.Time) *plan {
	rules := p.rules()
	plan := &plan{
		now: now, day: gateway.DateOf(now), policy: rules.Policy, key: keyOf(rules, now), full: map[gateway.OIN]bool{},
	}
	if rules.Register != nil {
		plan.register = rules.Register.Version()
		for _, party := range rules.Register.Parties() {
			if party.OIN == p.self {
				continue
			}
			plan.recipients = append(plan.recipients, party)
			plan.seen = append(plan.seen, party.RecipientOn(plan.day, gateway.KindCapacity, rules.Register.Party))
		}
	}
	return plan
}

// keyOf names the rules of a moment: what a queue was planned under.
func keyOf(r Rules, now time.Time) string {
	version := uint64(0)
	if r.Register != nil {
		version = r.Register.Version()
	}
	return fmt.Sprintf("%s/%d/%s", r.Policy.Version(), version, gateway.DateOf(now))
}

// only narrows the plan to one recipient.
func (pl *plan) only(peer gateway.OIN) {
	i := slices.IndexFunc(pl.recipients, func(p gateway.Party) bool { return p.OIN == peer })
	if i < 0 {
		pl.recipients, pl.seen = nil, nil
		return
	}
	pl.recipients, pl.seen = pl.recipients[i:i+1], pl.seen[i:i+1]
}

func (pl *plan) basis(rules []string) store.Basis {
	return store.Basis{Policy: pl.policy.Version(), Register: pl.register, Day: pl.day, Rules: rules}
}

// view is one distinct projection: recipients who may see the same get the same
// bytes.
type view struct {
	data       []byte
	hash       string
	reason     gateway.Reason // why it may not be sent at all; empty if it may
	decision   *gateway.Decision
	recipients []gateway.OIN
}

// planOffer adds to pub what must be sent of one offer.
func (p *Publisher) planOffer(plan *plan, own store.OwnOffer, shown shownBy, pub *store.Publication) Result {
	if !plan.policy.Loaded() {
		return Result{} // nothing can be decided: nothing is sent, and nothing taken back
	}
	subject := p.Subject(own.Offer.ID)
	views := map[string]*view{}
	denied := map[string][]gateway.OIN{}
	var result Result
	for i, party := range plan.recipients {
		was, known := shown[party.OIN][subject]
		decision := &gateway.Decision{DeniedBy: "expired"}
		if !own.Offer.Expired(plan.day) {
			decision = plan.policy.Decide(policy.Request{
				Kind: gateway.KindCapacity, Offer: &own.Offer, Recipient: plan.seen[i], Day: plan.day,
			})
		}
		var v *view
		if decision.Allowed {
			if v = p.view(plan, views, own, plan.seen[i], decision); v.reason != "" {
				decision = &gateway.Decision{DeniedBy: "invalid"} // a code that has expired since, for one
			}
		}
		if !decision.Allowed {
			denied[decision.DeniedBy] = append(denied[decision.DeniedBy], party.OIN)
			if p.takeBack(plan, own.Offer, party.OIN, subject, was, known, pub) {
				result.Messages++
				result.Recipients = append(result.Recipients, party.OIN)
			}
			continue
		}
		if known && was.Hash == v.hash && !was.Withdrawal && !plan.force && plan.stands(was.State) {
			continue
		}
		v.recipients = append(v.recipients, party.OIN)
		pub.Sends = append(pub.Sends, store.Send{
			Recipient: party.OIN, Kind: gateway.KindCapacity, Subject: subject,
			Data: v.data, Hash: v.hash, Basis: plan.basis(decision.Rules),
		})
		result.Messages++
		result.Recipients = append(result.Recipients, party.OIN)
	}
	for rule, oins := range denied {
		if rule != "expired" {
			result.Denied = append(result.Denied, Denial{Offer: own.Offer.ID, Rule: rule, Recipients: oins})
		}
	}
	slices.SortFunc(result.Denied, func(a, b Denial) int { return strings.Compare(a.Rule, b.Rule) })
	denials := result.Denied
	if !plan.account {
		denials = nil
	}
	pub.Journal = append(pub.Journal, p.account(plan, views, denials, subject)...)
	return result
}

// stands tells whether what was queued last still counts as shown or on its
// way. A refused snapshot stands too, unless the peer may think better of it.
func (pl *plan) stands(s gateway.DeliveryState) bool {
	return s != gateway.Withdrawn && s != gateway.Unconfirmed && (s != gateway.RefusedBy || !pl.refused)
}

// takeBack plans the withdrawal of what a recipient was shown, or will be. The
// store does not send it where nothing can have arrived; what waits ends in any
// case.
func (p *Publisher) takeBack(plan *plan, o gateway.Offer, to gateway.OIN, subject string, was store.Shown, known bool, pub *store.Publication) bool {
	if !known || (was.Withdrawal && plan.stands(was.State) && !plan.force) {
		return false
	}
	data, hash := gateway.Capacity{Offer: o.ID, Provider: o.Provider, Withdrawn: true}.Encode()
	pub.Sends = append(pub.Sends, store.Send{
		Recipient: to, Kind: gateway.KindCapacity, Subject: subject, Data: data, Hash: hash,
		Withdrawal: true, Basis: plan.basis(nil),
	})
	return true
}

// view finds or makes the projection for a recipient. Recipients share one when
// they see the same fields in the same forms by the same rules, and stand in the
// same relation to every allotment.
func (p *Publisher) view(plan *plan, views map[string]*view, own store.OwnOffer, r gateway.Recipient, d *gateway.Decision) *view {
	key := viewKey(own.Offer, r, d)
	if v, ok := views[key]; ok {
		return v
	}
	data, hash := gateway.Project(own.Offer, own.Sampling, r, d.Show).Encode()
	reason, _ := p.schema.Message(gateway.KindCapacity, data, plan.day)
	v := &view{data: data, hash: hash, reason: reason, decision: d}
	views[key] = v
	return v
}

func viewKey(o gateway.Offer, r gateway.Recipient, d *gateway.Decision) string {
	var b strings.Builder
	for _, rule := range d.Rules { // shown by other rules is accounted for apart
		b.WriteString(rule)
		b.WriteByte(',')
	}
	for _, f := range gateway.Fields() {
		b.WriteString(string(d.Show[f]))
		b.WriteByte(',')
	}
	for _, a := range o.Allotments {
		switch {
		case a.SoleOwner(r):
			b.WriteByte('s')
		case a.Names(r):
			b.WriteByte('n')
		default:
			b.WriteByte('-')
		}
	}
	return b.String()
}

// account writes one entry per distinct projection that is sent and one per rule
// that denied; they hold names of fields and keyed digests, no values.
func (p *Publisher) account(plan *plan, views map[string]*view, denied []Denial, subject string) []journal.Entry {
	var entries []journal.Entry
	for _, v := range views {
		if len(v.recipients) == 0 {
			continue
		}
		entries = append(entries, journal.Entry{
			Time: plan.now, Kind: journal.KindPublish, Fields: FieldsIn(v.decision.Show), Count: len(v.recipients),
			Rules: v.decision.Rules, Policy: plan.policy.Version(), Register: plan.register,
			Digest: p.digest(v.hash), Recipients: set(v.recipients),
		})
	}
	slices.SortFunc(entries, func(a, b journal.Entry) int { return strings.Compare(a.Digest, b.Digest) })
	for _, d := range denied {
		entries = append(entries, journal.Entry{
			Time: plan.now, Kind: journal.KindDenied, Count: len(d.Recipients), Rule: d.Rule,
			Policy: plan.policy.Version(), Register: plan.register,
			Digest: p.digest(subject), Recipients: set(d.Recipients),
		})
	}
	return entries
}

// set writes recipients in ascending order; plans go through the register in
// its order, which is that of the OINs.
func set(oins []gateway.OIN) string {
	parts := make([]string, len(oins))
	for i, oin := range oins {
		parts[i] = string(oin)
	}
	return strings.Join(parts, " ")
}
