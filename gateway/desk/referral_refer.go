package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// NewReferral is what staff or a program of a referrer asks for somebody.
type NewReferral struct {
	Provider  gateway.OIN  `json:"provider,omitempty"`  // of the offer; may be left out where one provider only has an offer of that id
	Principal gateway.OIN  `json:"principal,omitempty"` // for whom this node acts
	Reference string       `json:"reference,omitempty"` // the own one: it stays here
	Need      gateway.Need `json:"need"`
	Override  []Override   `json:"override,omitempty"` // what only looks like personal data
	Attachments
}

// Attachments are read to be refused with a reason.
type Attachments struct {
	Attachments gateway.RawJSON `json:"attachments,omitempty"` // not supported
}

func (a Attachments) refuse() error {
	if len(a.Attachments) == 0 {
		return nil
	}
	return gateway.Errorf(gateway.Invalid, gateway.NoAttachments)
}

// ReferralAsked is what became of a request to a provider: it is on its way.
type ReferralAsked struct {
	Referral ReferralLine    `json:"referral"`
	LeftOut  []gateway.Field `json:"leftOut,omitempty"`  // policy does not let these fields go
	Rules    []string        `json:"rules,omitempty"`    // of policy, that let the others go
	Override []Override      `json:"override,omitempty"` // that were needed
}

// Refer asks a provider for a place. The offer must be one that its provider
// shows this party today; the need must fit it, and hold nothing that policy does
// not let go.
func (d *Desk) Refer(ctx context.Context, caller gateway.Caller, n NewReferral) (ReferralAsked, error) {
	if err := caller.Authorize(gateway.OpRefer); err != nil {
		return ReferralAsked{}, err
	}
	if err := n.refuse(); err != nil {
		return ReferralAsked{}, err
	}
	now := d.now()
	day := gateway.DateOf(now)
	if err := d.followUp(ctx, &n); err != nil {
		return ReferralAsked{}, err
	}
	offer, err := d.offerToRefer(ctx, n)
	if err != nil {
		return ReferralAsked{}, err
	}
	if n.Need.Contact == (gateway.Functional{}) {
		n.Need.Contact, n.Need.Deputy = d.ownContact()
	}
	if n.Need, err = d.checkNeed(n.Need, offer.Capacity, day); err != nil {
		return ReferralAsked{}, err
	}
	used, err := scanNeed(n.Need, n.Reference, n.Override)
	if err != nil {
		return ReferralAsked{}, err
	}
	told, err := d.tellReferral(n, offer, day)
	if err != nil {
		return ReferralAsked{}, err
	}
	need := n.Need.Without(told.Fields)
	if err := d.valid(gateway.KindReferral, request(need), day); err != nil {
		return ReferralAsked{}, err
	}
	d.referring.Lock()
	defer d.referring.Unlock()
	if err := d.notOpen(n, offer.Sender); err != nil {
		return ReferralAsked{}, err
	}
	if err := d.journalOverrides(ctx, caller, offer.Sender, used); err != nil {
		return ReferralAsked{}, err
	}
	follow, err := d.Store.AskNewReferral(ctx, now, d.Self, store.NewReferral{
		Provider: offer.Sender, Principal: n.Principal, Need: need, Reference: n.Reference,
		Terms: d.ReferralTerms(need.Trajectsoort), Basis: d.Rules().Basis(told, day), Entry: d.entry(caller, "", now),
	})
	if err != nil {
		return ReferralAsked{}, err
	}
	return d.asked(follow.ID, offer.Sender, n.Need, need, told, used)
}

func (d *Desk) asked(id string, provider gateway.OIN, before, after gateway.Need, told policy.Told, used []Override) (ReferralAsked, error) {
	d.Wake([]gateway.OIN{provider})
	f, err := d.findReferral(id)
	if err != nil {
		return ReferralAsked{}, err
	}
	return ReferralAsked{
		Referral: d.line(f, gateway.DateOf(d.now())), LeftOut: leftOut(gateway.KindReferral, before, after), Rules: told.Rules, Override: used,
	}, nil
}

// leftOut are the fields that a policy can name and that one value has and the
// other has not.
func leftOut(kind string, before, after any) (fields []gateway.Field) {
	had, has := members(before), members(after)
	for _, f := range gateway.PersonalFields(kind) {
		if had[string(f)] && !has[string(f)] {
			fields = append(fields, f)
		}
	}
	return fields
}

func members(value any) map[string]bool {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("plain data can be encoded: " + err.Error())
	}
	var all map[string]json.RawMessage
	_ = json.Unmarshal(raw, &all) // it was just written
	names := map[string]bool{}
	for name := range all {
		names[name] = true
	}
	return names
}

// offerToRefer finds the received offer that a referral names.
func (d *Desk) offerToRefer(ctx context.Context, n NewReferral) (ReceivedOffer, error) {
	if err := d.actsFor(n.Principal); err != nil {
		return ReceivedOffer{}, err
	}
	all, err := d.receivedOffersOf(ctx, n.Provider, n.Need.Offer)
	if err != nil {
		return ReceivedOffer{}, err
	}
	all = slices.DeleteFunc(all, func(o ReceivedOffer) bool { return o.Capacity.Withdrawn })
	switch {
	case len(all) == 0:
		return ReceivedOffer{}, gateway.Errorf(gateway.NotFound, "nobody shows this node an offer of that id; see doorstroom offers --received")
	case len(all) > 1:
		return ReceivedOffer{}, gateway.Errorf(gateway.Invalid, "%d providers have an offer of that id: name the provider", len(all))
	case all[0].Expired:
		return ReceivedOffer{}, gateway.Errorf(gateway.Invalid, "the offer has expired: its last day is over")
	}
	return all[0], nil
}

// actsFor checks that this party may refer in the name of another; "" is itself.
func (d *Desk) actsFor(principal gateway.OIN) error {
	reg := d.Rules().Register
	if reg == nil {
		return gateway.Errorf(gateway.Conflict, "no register has been installed yet")
	}
	if principal == "" || principal == d.Self {
		return nil
	}
	me, _ := reg.Recipient(d.Self, gateway.KindReferral, gateway.DateOf(d.now()))
	if !slices.ContainsFunc(me.ActsFor, func(r gateway.Recipient) bool { return r.Party == principal }) {
		return gateway.Errorf(gateway.Denied, "the register gives this party no mandate to refer for that one today")
	}
	return nil
}

func (d *Desk) ownContact() (contact, deputy gateway.Functional) {
	if reg := d.Rules().Register; reg != nil {
		if me, ok := reg.Party(d.Self); ok {
			return me.Contact, me.Deputy
		}
	}
	return gateway.Functional{}, gateway.Functional{}
}

// How far away dates may be, in days.
const (
	informedBefore = 365
	fromBefore     = 31
	fromAfter      = 366
)

// checkNeed holds a need to the offer, as far as that is shown. Of one to call
// about first nothing else goes.
func (d *Desk) checkNeed(need gateway.Need, offer gateway.Capacity, day gateway.Date) (gateway.Need, error) {
	if need.CallFirst {
		return gateway.Need{Offer: need.Offer, CallFirst: true, Contact: need.Contact, Deputy: need.Deputy}, nil
	}
	var wrong []string
	refuse := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	refuse(!need.Fits, "fits: say that the person was held against the offer, and fits")
	d.checkDates(need, offer, day, refuse)
	checkFit(need, offer, refuse)
	if len(wrong) > 0 {
		return need, gateway.Errorf(gateway.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return need, nil
}

func (d *Desk) checkDates(need gateway.Need, offer gateway.Capacity, day gateway.Date, refuse func(bool, string, ...any)) {
	on, from := need.Informed.On, need.From
	refuse(on == "" || need.Informed.How == "", "informed: say when and how the person was told of this referral; nobody is referred without")
	refuse(on > day, "informed: the day lies in the future")
	refuse(on != "" && on < day.AddDays(-informedBefore), "informed: that is more than a year ago; tell the person again")
	refuse(from == "", "from: say from when the person can come")
	refuse(from != "" && from < day.AddDays(-fromBefore), "from: the day is more than a month ago")
	refuse(from > day.AddDays(fromAfter), "from: the day is more than a year away")
	refuse(offer.ValidUntil != "" && from > offer.ValidUntil, "from: the offer has ended by then")
}

func checkFit(need gateway.Need, offer gateway.Capacity, refuse func(bool, string, ...any)) {
	refuse(offer.Trajectsoort != "" && need.Trajectsoort != offer.Trajectsoort,
		"trajectsoort: the offer is for %s", offer.Trajectsoort)
	refuse(offer.Grondslag != "" && need.Grondslag != offer.Grondslag && !allottedFor(offer, need.Grondslag),
		"grondslag: the offer is for %s", offer.Grondslag)
	refuse(len(need.Dagdelen) == 0, "dagdelen: say on which dagdelen the person can come")
	refuse(slices.ContainsFunc(need.Dagdelen, func(g gateway.Dagdeel) bool { return !g.Valid() }), "dagdelen: a dagdeel is written as ma-ochtend")
	if len(offer.Places) == 0 {
		return
	}
	for _, g := range need.Dagdelen {
		has := slices.ContainsFunc(offer.Places, func(p gateway.CapacityPlaces) bool {
			return p.Dagdeel == g && (p.Maximum == nil || *p.Maximum > 0)
		})
		refuse(g.Valid() && !has, "dagdelen: the offer has no places on %s", g)
	}
}

// allottedFor tells whether an allotment of this party is for a grondslag.
func allottedFor(offer gateway.Capacity, grondslag string) bool {
	return grondslag != "" && slices.ContainsFunc(offer.Allotments, func(a gateway.CapacityAllotted) bool { return a.Grondslag == grondslag })
}

// tellReferral asks policy whether this may go to that provider.
func (d *Desk) tellReferral(n NewReferral, offer ReceivedOffer, day gateway.Date) (policy.Told, error) {
	return d.tell(policy.Personal{
		Kind: gateway.KindReferral, Day: day, Grondslag: n.Need.Grondslag, Trajectsoort: n.Need.Trajectsoort,
		Classes: policy.Classes(offer.Capacity.Doelgroepen, d.lists),
	}, offer.Sender)
}

// tell asks policy about a message about a person; Denied names the rule.
func (d *Desk) tell(q policy.Personal, to gateway.OIN) (policy.Told, error) {
	told, err := d.ask(q, to)
	if err == nil && !told.Allowed {
		err = gateway.Errorf(gateway.Denied, "the policy of this node does not let it go: rule %s", told.DeniedBy)
	}
	return told, err
}

// ask gives what the policy in force says, whatever it says; a party that is not
// in the register is a Conflict.
func (d *Desk) ask(q policy.Personal, to gateway.OIN) (policy.Told, error) {
	rules := d.Rules()
	if rules.Register == nil {
		return policy.Told{}, gateway.Errorf(gateway.Conflict, "no register has been installed yet")
	}
	recipient, ok := rules.Register.Recipient(to, q.Kind, q.Day)
	if !ok {
		return policy.Told{}, gateway.Errorf(gateway.Conflict, "the provider is not in the register any more")
	}
	q.Recipient = recipient
	return rules.Policy.Tell(q), nil
}

// Ids that stand for those that the store makes, so that what they belong to can
// be held against the schema before.
const (
	sampleID      = "00000000-0000-4000-8000-000000000000"
	sampleRequest = "00000000-0000-7000-8000-000000000000"
)

func request(need gateway.Need) gateway.ReferralRequest {
	return gateway.ReferralRequest{Referral: sampleID, Request: sampleRequest, Act: gateway.ActRefer, Need: &need}
}

// valid holds a message to its schema and code lists before it is queued.
func (d *Desk) valid(kind string, value any, day gateway.Date) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	reason, violations := d.Schema.Message(kind, data, day)
	if reason == "" {
		return nil
	}
	var wrong []string
	for _, v := range violations {
		wrong = append(wrong, strings.TrimPrefix(strings.TrimPrefix(v.String(), "/need"), "/"))
	}
	if len(wrong) == 0 {
		return gateway.Errorf(gateway.Unavailable, "this node does not know messages of this kind")
	}
	return gateway.Errorf(gateway.Invalid, "%s", strings.Join(wrong, "\n"))
}

// notOpen refuses a second referral of the same own reference to the same offer.
// The caller holds d.referring until the referral was made.
func (d *Desk) notOpen(n NewReferral, provider gateway.OIN) error {
	same := d.Store.Referrals(func(f store.ReferralFacts) bool {
		return n.Reference != "" && f.Side == gateway.ReferrerSide && f.Reference == n.Reference && f.Offer == n.Need.Offer &&
			f.Party == provider && !f.Final()
	})
	if len(same) > 0 {
		return gateway.Errorf(gateway.Conflict, "a referral of this reference to this offer is open already: %s", same[0].ID)
	}
	return nil
}
