package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// PolicyDiff and PolicyFile are what Diff tells, and what of.
type (
	PolicyDiff = audit.Diff
	PolicyFile = policy.File
)

// Diff tells what two policies show otherwise of the own offers today. Neither
// need be in force.
func (d *Desk) Diff(ctx context.Context, caller gateway.Caller, old, next []policy.File) (audit.Diff, error) {
	if err := d.read(ctx, caller, gateway.OpDiffPolicy); err != nil {
		return audit.Diff{}, err
	}
	env := d.policyEnv(d.Rules().Register, d.now())
	was, _, err := policy.Restore(old, env)
	if err != nil {
		return audit.Diff{}, gateway.Wrap(gateway.Invalid, err, "the old policy cannot be read; see doorstroom policy check")
	}
	is, _, err := policy.Load(next, env)
	if err != nil {
		return audit.Diff{}, gateway.Wrap(gateway.Invalid, err, "the new policy cannot be read; see doorstroom policy check")
	}
	offers, err := d.currentOffers(ctx, env.Today)
	if err != nil {
		return audit.Diff{}, err
	}
	return audit.NewOffersDiff(was, is, env.Today, audit.Recipients(env, env.Today), offers), nil
}

// currentOffers are the own offers that have not expired.
func (d *Desk) currentOffers(ctx context.Context, day gateway.Date) ([]gateway.Offer, error) {
	own, err := d.Store.OwnOffers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read own offers: %w", err)
	}
	var offers []gateway.Offer
	for _, o := range own {
		if !o.Offer.Expired(day) {
			offers = append(offers, o.Offer)
		}
	}
	return offers, nil
}

// PolicyReplay is what Replay tells.
type PolicyReplay = audit.Replay

// replayPage is how many entries of the journal are read at once.
const replayPage = 1000

// Replay tells what a draft would have decided otherwise in the last days, as far
// as the journal knows, and of the own offers of today.
func (d *Desk) Replay(ctx context.Context, caller gateway.Caller, draft []policy.File, days int) (audit.Replay, error) {
	if err := d.read(ctx, caller, gateway.OpReplayPolicy); err != nil {
		return audit.Replay{}, err
	}
	now := d.now()
	env := d.policyEnv(d.Rules().Register, now)
	is, _, err := policy.Load(draft, env)
	if err != nil {
		return audit.Replay{}, gateway.Wrap(gateway.Invalid, err, "the draft cannot be read; see doorstroom policy check")
	}
	records, err := d.Store.Policies(ctx)
	if err != nil {
		return audit.Replay{}, fmt.Errorf("read policies: %w", err)
	}
	was := map[string]*policy.Policy{}
	for _, r := range records {
		if p, _, err := policy.Restore(filesOf(r), env); err == nil {
			was[r.Version] = p
		}
	}
	since := now.AddDate(0, 0, -days)
	events, err := d.decidedSince(ctx, since)
	if err != nil {
		return audit.Replay{}, err
	}
	replay, err := audit.NewReplay(is, was, events, gateway.DateOf(since), env.Today)
	if err != nil {
		return audit.Replay{}, err
	}
	offers, err := d.currentOffers(ctx, env.Today)
	if err != nil {
		return audit.Replay{}, err
	}
	replay.Now = audit.NewOffersDiff(d.Rules().Policy, is, env.Today, audit.Recipients(env, env.Today), offers)
	return replay, nil
}

// decidedSince reads what was shown and denied from the end of the journal back.
func (d *Desk) decidedSince(ctx context.Context, since time.Time) ([]audit.Event, error) {
	end, err := d.Store.JournalSize(ctx)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var events []audit.Event
	for more := true; more && end > 0; {
		from := end - min(end, replayPage)
		page, err := d.Store.Journal(ctx, from, int(end-from))
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		for _, r := range page {
			if r.Time.Before(since) {
				more = false
				continue
			}
			events = append(events, eventsOf(r.Entry)...)
		}
		end = from
	}
	return events, nil
}

// eventsOf is an entry as decisions of policy, one for each recipient.
func eventsOf(e journal.Entry) (events []audit.Event) {
	if e.Kind != journal.KindPublish && e.Kind != journal.KindDenied || e.Rule == "expired" || e.Rule == "invalid" {
		return nil
	}
	for oin := range strings.FieldsSeq(e.Recipients) {
		events = append(events, audit.Event{
			Day: gateway.DateOf(e.Time), Recipient: gateway.OIN(oin), Fields: e.Fields, Rules: e.Rules, DeniedBy: e.Rule, Policy: e.Policy,
		})
	}
	return events
}
