package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Messages about offers are decided again when rules change (publication). Those
// about persons are few, and are each decided again before every attempt: policy,
// mandates and the state of the referral may all have changed since they were
// queued.

// tellAgain gives the messages that may still go as they are, each with the policy and
// the rules that let it go now, and takes the others out of the queue. What only ends
// a referral goes whatever the rules are: it names none then.
func (w *worker) tellAgain(ctx context.Context, now time.Time, due []store.Outgoing) ([]store.Outgoing, error) {
	if w.e.Tell == nil {
		return due, nil
	}
	var withheld []store.Withheld
	for i := range due {
		o := &due[i]
		if !gateway.Confidential(o.Kind) {
			continue
		}
		told, err := w.e.Tell(ctx, w.peer, o.Kind, o.Data)
		if err != nil {
			return nil, err
		}
		o.Basis = w.e.Rules().Basis(told, gateway.DateOf(now))
		if by := overTold(*o, told); by != "" {
			withheld = append(withheld, store.Withheld{Kind: o.Kind, Subject: o.Subject, Rule: by, Policy: told.Policy})
		}
	}
	if len(withheld) == 0 {
		return due, nil
	}
	if err := w.e.Store.Withhold(ctx, now, w.peer, withheld, w.e.Referrals("")); err != nil {
		return nil, fmt.Errorf("withhold: %w", err)
	}
	w.e.Log.Warn("policy no longer lets messages about persons go: they were withdrawn", "peer", w.peer, "messages", len(withheld))
	return slices.DeleteFunc(due, func(o store.Outgoing) bool {
		return slices.ContainsFunc(withheld, func(h store.Withheld) bool { return h.Kind == o.Kind && h.Subject == o.Subject })
	}), nil
}

// overTold names the rule by which a message may not go as it is; "" if it may.
func overTold(o store.Outgoing, told policy.Told) string {
	said := map[string]json.RawMessage{}
	if err := json.Unmarshal(o.Data, &said); err != nil {
		return "default"
	}
	var act gateway.ReferralAct
	if o.Kind == gateway.KindReferral && json.Unmarshal(said["act"], &act) == nil && act.OnlyEnds() {
		return ""
	}
	if !told.Allowed {
		return told.DeniedBy
	}
	if need, ok := said["need"]; ok && o.Kind == gateway.KindReferral {
		if err := json.Unmarshal(need, &said); err != nil {
			return "default"
		}
	} else if o.Kind == gateway.KindReferral {
		return "" // a step in a referral that is there tells nothing more
	}
	if o.Kind == gateway.KindSubjectRequest && overCorrected(o, told.Fields) {
		return "default"
	}
	for _, f := range gateway.PersonalFields(o.Kind) {
		if _, ok := said[string(f)]; ok && !slices.Contains(told.Fields, f) {
			return "default"
		}
	}
	return ""
}

// remembersEnded is how long after its end a referral is still told of to a party
// that was restored, or gave up on messages.
const remembersEnded = 30 * 24 * time.Hour

// gave sees whether all that is known of referrals was given back to a peer that
// was restored: the next hello says so.
func (w *worker) gave(ctx context.Context, status store.PeerStatus, now time.Time) error {
	if status.Hello == nil || status.Hello.Incarnation == w.given.Load() {
		return nil
	}
	given, err := w.e.Store.GivenBack(ctx, w.peer, now.Add(-remembersEnded))
	if err == nil {
		w.given.Store(given)
	}
	return err
}

// reconcile goes through the referrals with the peer again where one of the two
// was restored, or messages were given up.
func (w *worker) reconcile(ctx context.Context, now time.Time) error {
	owed, err := w.e.Store.OwedReferrals(ctx, w.peer)
	if err != nil || !owed || w.e.Referrals == nil {
		return err
	}
	n, err := w.e.Store.ReconcileReferrals(ctx, now, w.peer, now.Add(-remembersEnded), w.e.Referrals(""))
	if err != nil {
		return fmt.Errorf("go through referrals again: %w", err)
	}
	w.e.Log.Info("the referrals with a party were gone through again", "peer", w.peer, "messages", n)
	w.poke() // perhaps there is nothing to give back: then that is said
	return nil
}

// refresh shows the places that messages about referrals have freed or booked.
func (w *worker) refresh(ctx context.Context, now time.Time) error {
	if !w.e.moved.Swap(false) {
		return nil
	}
	result, err := w.e.Publisher.Refresh(ctx, now)
	if err != nil {
		w.e.moved.Store(true)
		return err
	}
	w.e.Wake(result.Recipients)
	return nil
}
