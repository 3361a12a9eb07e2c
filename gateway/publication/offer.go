package publication

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// offerPlan is the plan of one offer: its distinct views, who is denied it by
// which rule, and from whom it is taken back.
type offerPlan struct {
	p    *Publisher
	plan *plan
	*item
	relations relations
	met       []met // by class of recipients
	views     []*view
	denied    []denied
	takenBack []gateway.OIN
}

// view is one distinct projection: recipients who may see the same get the same
// bytes.
type view struct {
	key        string // of the decision
	relation   string
	data       []byte
	hash       string
	sum        [sha256.Size]byte // hash, not as text
	reason     gateway.Reason    // why it may not be sent at all; empty if it may
	decision   *gateway.Decision
	recipients []gateway.OIN // who must be sent it
}

// met is how the policy met some recipients.
type met struct {
	decision *gateway.Decision // nil: not yet
	view     *view             // of what is allowed
}

// denied is whom a rule keeps the offer from.
type denied struct {
	rule       string
	fields     []gateway.Field // that it keeps back
	recipients []gateway.OIN
	set        []byte // of their places in the plan, a bit each
}

func (p *Publisher) newOfferPlan(plan *plan, of *item) *offerPlan {
	return &offerPlan{p: p, plan: plan, item: of, relations: relationsOf(&of.Offer)}
}

// decide goes through all recipients; was tells what each was last shown.
func (o *offerPlan) decide(was func(recipient int) store.Last) {
	o.met = make([]met, o.plan.most)
	over := o.Offer.Expired(o.plan.day)
	for i, party := range o.plan.recipients {
		m := met{decision: o.plan.expired}
		if !over {
			m = o.meets(i)
		}
		last := was(i)
		switch {
		case !m.decision.Allowed:
			o.deny(m.decision, i)
			if o.plan.takesBack(last) {
				o.takenBack = append(o.takenBack, party.OIN)
			}
		case last.Subject == "" || last.Hash != m.view.sum || last.Withdrawal || o.plan.force || !o.plan.stands(last.State):
			m.view.recipients = append(m.view.recipients, party.OIN)
		}
	}
	slices.SortFunc(o.denied, func(a, b denied) int { return strings.Compare(a.rule, b.rule) })
}

// meets decides about a recipient, once for those of a class to whom nothing is
// allotted.
func (o *offerPlan) meets(recipient int) met {
	to := &o.plan.seen[recipient]
	relation := o.relations.of(*to)
	known := &met{}
	if relation == "" {
		known = &o.met[o.plan.classes[recipient]]
	}
	if known.decision != nil {
		return *known
	}
	known.decision = o.plan.lenses[recipient].Decide(&o.Offer)
	if known.decision.Allowed {
		if known.view = o.view(*to, relation, known.decision); known.view.reason != "" {
			known.decision = o.plan.invalid
		}
	}
	return *known
}

func (o *offerPlan) deny(by *gateway.Decision, recipient int) {
	if by == o.plan.expired {
		return
	}
	i := slices.IndexFunc(o.denied, func(d denied) bool { return d.rule == by.DeniedBy })
	if i < 0 {
		i = len(o.denied)
		o.denied = append(o.denied, denied{rule: by.DeniedBy, fields: by.Denied, set: make([]byte, (len(o.plan.recipients)+7)/8)})
	}
	o.denied[i].recipients = append(o.denied[i].recipients, o.plan.recipients[recipient].OIN)
	o.denied[i].set[recipient/8] |= 1 << (recipient % 8)
}

// view finds or makes the projection for a recipient. Recipients share one when
// they see the same fields in the same forms by the same rules, and stand in the
// same relation to every allotment.
func (o *offerPlan) view(r gateway.Recipient, relation string, d *gateway.Decision) *view {
	key := o.plan.decided(d).key
	if i := slices.IndexFunc(o.views, func(v *view) bool { return v.key == key && v.relation == relation }); i >= 0 {
		return o.views[i]
	}
	v := o.newView(r, d)
	v.key, v.relation = key, relation
	o.views = append(o.views, v)
	return v
}

func (o *offerPlan) newView(r gateway.Recipient, d *gateway.Decision) *view {
	v := &view{decision: d}
	v.data, v.hash = gateway.Project(o.Offer, o.Sampling, r, d.Show).Encode()
	_, _ = hex.Decode(v.sum[:], []byte(v.hash))
	v.reason, _ = o.p.schema.Message(gateway.KindCapacity, v.data, o.plan.day)
	return v
}

func decisionKey(d *gateway.Decision) string {
	var b strings.Builder
	for _, rule := range d.Rules { // shown by other rules is accounted for apart
		b.WriteString(rule)
		b.WriteByte(',')
	}
	for _, f := range gateway.Fields() {
		b.WriteString(string(d.Show[f]))
		b.WriteByte(',')
	}
	return b.String()
}

// send appends the messages to queue of the views that are sent.
func (o *offerPlan) send(sends []store.Send, sent []*view) []store.Send {
	for _, v := range sent {
		sends = append(sends, store.Send{
			Recipients: v.recipients, Kind: gateway.KindCapacity, Subject: o.subject,
			Data: v.data, Hash: v.hash, Basis: o.plan.basis(v.decision.Rules),
		})
	}
	if len(o.takenBack) > 0 {
		sends = append(sends, o.plan.withdrawal(o.Offer, o.subject, o.takenBack))
	}
	return sends
}

// sent are the views that somebody must be sent, in an order of their own.
func (o *offerPlan) sent() []*view {
	var all []*view
	for _, v := range o.views {
		if len(v.recipients) > 0 {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b *view) int {
		return cmp.Or(strings.Compare(a.hash, b.hash), slices.Compare(a.decision.Rules, b.decision.Rules))
	})
	return all
}

// entries appends one entry per distinct projection that is sent and, if the plan
// accounts for denials, one per rule that denied; they hold names of fields and
// keyed digests, no values.
func (o *offerPlan) entries(entries []journal.Entry, sent []*view) []journal.Entry {
	for _, v := range sent {
		entries = append(entries, journal.Entry{
			Time: o.plan.now, Kind: journal.KindPublish, Fields: o.plan.decided(v.decision).fields, Count: len(v.recipients),
			Rules: v.decision.Rules, Policy: o.plan.policy.Version(), Register: o.plan.register,
			Digest: o.plan.digest(v.hash), Recipients: set(v.recipients),
		})
	}
	if !o.plan.account {
		return entries
	}
	for _, d := range o.denied {
		entries = append(entries, journal.Entry{
			Time: o.plan.now, Kind: journal.KindDenied, Fields: d.fields, Count: len(d.recipients), Rule: d.rule,
			Policy: o.plan.policy.Version(), Register: o.plan.register,
			Digest: o.plan.digest(o.subject), Recipients: set(d.recipients),
		})
	}
	return entries
}

// set writes recipients in ascending order; plans go through the register in
// its order, which is that of the OINs.
func set(oins []gateway.OIN) string {
	if len(oins) == 1 {
		return string(oins[0])
	}
	parts := make([]string, len(oins))
	for i, oin := range oins {
		parts[i] = string(oin)
	}
	return strings.Join(parts, " ")
}

// relations tells in which relation recipients stand to the allotments of an
// offer: most are named in none of them.
type relations struct {
	allotments []gateway.Allotment
	gemeenten  map[gateway.Gemeente]bool // named in any
	parties    map[gateway.OIN]bool
}

func relationsOf(o *gateway.Offer) relations {
	if len(o.Allotments) == 0 {
		return relations{}
	}
	r := relations{allotments: o.Allotments, gemeenten: map[gateway.Gemeente]bool{}, parties: map[gateway.OIN]bool{}}
	for _, a := range o.Allotments {
		for _, g := range a.Gemeenten {
			r.gemeenten[g] = true
		}
		for _, p := range a.Parties {
			r.parties[p] = true
		}
	}
	return r
}

// of is equal for recipients in the same relation to every allotment.
func (r relations) of(to gateway.Recipient) string {
	named := func(g gateway.Gemeente) bool { return r.gemeenten[g] }
	if len(r.allotments) == 0 || !r.parties[to.Party] && !slices.ContainsFunc(to.Gemeenten, named) {
		return ""
	}
	b := make([]byte, len(r.allotments))
	for i, a := range r.allotments {
		switch {
		case a.SoleOwner(to):
			b[i] = 's'
		case a.Names(to):
			b[i] = 'n'
		default:
			b[i] = '-'
		}
	}
	return string(b)
}
