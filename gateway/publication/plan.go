package publication

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// plan is one moment's rules and recipients.
type plan struct {
	now      time.Time
	day      gateway.Date
	policy   *policy.Policy
	register uint64
	key      string // of the rules, by keyOf
	audience
	account   bool // journal denials also where nothing is sent
	everyone  bool // for all recipients: samples may be taken
	force     bool // send also what did not change
	refused   bool // send also what was refused
	full      map[gateway.OIN]bool
	mac       hash.Hash // keyed with the secret, for digest
	decisions map[*gateway.Decision]*decided
	expired   *gateway.Decision
	invalid   *gateway.Decision // a code that has expired since, for one
}

// audience is who may be sent something under some rules on some day. Plans share
// it; nothing in it changes.
type audience struct {
	recipients []gateway.Party // without ourselves, in the register's order
	seen       []gateway.Recipient
	lenses     []*policy.Lens
	classes    []int // those of the same class see the same of what is allotted to none of them
	most       int   // classes are below it
}

// audienceOf makes the audience of a moment, or gives that of the last plan.
func (p *Publisher) audienceOf(rules Rules, key string, day gateway.Date) audience {
	if rules.Register == nil {
		return audience{}
	}
	if p.heard.rules == rules && p.heard.key == key {
		return p.heard.audience
	}
	var a audience
	classes := map[string]int{}
	for _, party := range rules.Register.Parties() {
		if party.OIN == p.self {
			continue
		}
		seen := party.RecipientOn(day, gateway.KindCapacity, rules.Register.Party)
		lens := rules.Policy.For(gateway.KindCapacity, seen, day)
		class, known := classes[lens.Class()]
		if !known {
			class = len(classes)
			classes[lens.Class()] = class
		}
		a.recipients, a.seen = append(a.recipients, party), append(a.seen, seen)
		a.lenses, a.classes = append(a.lenses, lens), append(a.classes, class)
	}
	a.most = len(classes)
	p.heard.rules, p.heard.key, p.heard.audience = rules, key, a
	return a
}

// decided is what follows from a decision, whatever the offer.
type decided struct {
	key    string // equal for decisions that show the same by the same rules
	fields []gateway.Field
}

func (p *Publisher) newPlan(now time.Time) *plan {
	rules := p.rules()
	plan := &plan{
		now: now, day: gateway.DateOf(now), policy: rules.Policy, key: p.keyOf(rules, now), full: map[gateway.OIN]bool{},
		mac: hmac.New(sha256.New, p.secret), decisions: map[*gateway.Decision]*decided{},
		expired: &gateway.Decision{DeniedBy: "expired"}, invalid: &gateway.Decision{DeniedBy: "invalid", Denied: gateway.Fields()},
	}
	if rules.Register != nil {
		plan.register = rules.Register.Version()
	}
	plan.audience = p.audienceOf(rules, plan.key, plan.day)
	return plan
}

// keyOf names what a queue is planned under: the rules and code lists of a
// moment. A program that plans otherwise does so from its second day on.
func (p *Publisher) keyOf(r Rules, now time.Time) string {
	version := uint64(0)
	if r.Register != nil {
		version = r.Register.Version()
	}
	return fmt.Sprintf("%s/%d/%s/%s", r.Policy.Version(), version, gateway.DateOf(now), p.lists)
}

// only narrows the plan to one recipient.
func (pl *plan) only(peer gateway.OIN) {
	i := slices.IndexFunc(pl.recipients, func(p gateway.Party) bool { return p.OIN == peer })
	if i < 0 {
		pl.audience = audience{}
		return
	}
	pl.recipients, pl.seen = pl.recipients[i:i+1], pl.seen[i:i+1]
	pl.lenses, pl.classes = pl.lenses[i:i+1], pl.classes[i:i+1]
}

func (pl *plan) basis(rules []string) store.Basis {
	return store.Basis{Policy: pl.policy.Version(), Register: pl.register, Day: pl.day, Rules: rules}
}

// digest is the journal's keyed form of a content hash.
func (pl *plan) digest(hash string) string {
	pl.mac.Reset()
	pl.mac.Write([]byte("digest:" + hash))
	return hex.EncodeToString(pl.mac.Sum(nil)[:16])
}

// decided works out what follows from a decision once.
func (pl *plan) decided(d *gateway.Decision) *decided {
	known, ok := pl.decisions[d]
	if !ok {
		known = &decided{key: decisionKey(d), fields: FieldsIn(d.Show)}
		pl.decisions[d] = known
	}
	return known
}

// stands tells whether what was queued last still counts as shown or on its
// way. A refused snapshot stands too, unless the peer may think better of it.
func (pl *plan) stands(s gateway.DeliveryState) bool {
	return s != gateway.Withdrawn && s != gateway.Unconfirmed && (s != gateway.RefusedBy || !pl.refused)
}

// takesBack tells whether what a recipient was shown, or will be, must be
// withdrawn. The store does not send the withdrawal where nothing can have
// arrived; what waits ends in any case.
func (pl *plan) takesBack(was store.Last) bool {
	return was.Subject != "" && (!was.Withdrawal || !pl.stands(was.State) || pl.force)
}

func (pl *plan) withdrawal(o gateway.Offer, subject string, to []gateway.OIN) store.Send {
	data, hash := gateway.Capacity{Offer: o.ID, Provider: o.Provider, Withdrawn: true}.Encode()
	return store.Send{
		Recipients: to, Kind: gateway.KindCapacity, Subject: subject, Data: data, Hash: hash,
		Withdrawal: true, Basis: pl.basis(nil),
	}
}
