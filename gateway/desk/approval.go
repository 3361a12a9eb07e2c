package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ApprovalFiles are by which rule policies come in force, who may agree, and
// what they have signed; nil where there is no such file.
type ApprovalFiles struct {
	Mode      approval.Mode
	Approvers []byte
	Signed    []byte
}

// WaitingPolicy is the policy on disk while it may not come in force yet.
type WaitingPolicy struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
}

// unapproved is why a policy is not in force that others must agree to.
type unapproved struct{ error }

func (u unapproved) Error() string { return gateway.SafeMessage(u.error) }

func (u unapproved) Unwrap() error { return u.error }

// waits is why a policy is not in force yet.
type waits struct{ WaitingPolicy }

func (w *waits) Error() string { return "the policy waits until " + w.Until.Format(time.RFC3339) }

// admitPolicy is readPolicy for what may come in force now. Whoever puts a policy
// in force asks here.
func (d *Desk) admitPolicy(ctx context.Context, reg *register.Register, now time.Time) (*inForce, error) {
	next, err := d.readPolicy(reg, now)
	if err != nil {
		return nil, err
	}
	var asked ApprovalFiles
	if d.Approval != nil {
		if asked, err = d.Approval(); err != nil {
			return nil, fmt.Errorf("read approval: %w", err)
		}
	}
	if asked.Mode != approval.None {
		next.record.Approval.Mode = string(asked.Mode)
	}
	if asked.Mode == approval.TwoPerson {
		next.record.Approval.Approvers = asked.Approvers
		next.record.Approval.Expectations = expectationsOf(next.record)
	}
	last, known, err := d.Store.PolicyInForce(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the policy in force: %w", err)
	}
	if known && unchanged(last, next.record) {
		next.record = last
		return next, nil
	}
	switch approval.Stricter(approval.Mode(last.Approval.Mode), asked.Mode) {
	case approval.TwoPerson:
		return next, d.agreed(next, last, asked, now)
	case approval.OnePerson:
		if known {
			return next, d.wait(ctx, next, last, now)
		}
	}
	return next, nil
}

// unchanged tells whether next is the policy in force, with all that was agreed to.
// A record of an older program does not say what was expected; its files do.
func unchanged(last, next store.PolicyRecord) bool {
	if approval.Mode(last.Approval.Mode) == approval.TwoPerson && last.Approval.Expectations == "" {
		last.Approval.Expectations = expectationsOf(last)
	}
	return last.Same(next)
}

func expectationsOf(r store.PolicyRecord) string { return policy.ExpectationsVersionOf(filesOf(r)) }

// agreed verifies that two persons signed what is new, by the list of those who
// may that is in force, or by the new list where there was none.
func (d *Desk) agreed(next *inForce, last store.PolicyRecord, asked ApprovalFiles, now time.Time) error {
	list := asked.Approvers
	if approval.Mode(last.Approval.Mode) == approval.TwoPerson {
		list = last.Approval.Approvers
	}
	persons, err := approval.ParsePersons(list)
	if err == nil && asked.Mode == approval.TwoPerson {
		_, err = approval.ParsePersons(asked.Approvers) // a list that nobody can use would lock everybody out
	}
	if err != nil {
		return unapproved{err}
	}
	who, err := approval.Verify(asked.Signed, approval.Statement{
		Party: d.Self, Policy: next.record.Version, Approval: approval.Stricter(asked.Mode, approval.None),
		Approvers: approval.Digest(asked.Approvers), Number: last.Number + 1, Follows: last.Version,
		Expectations: expectationsOf(next.record), Incarnation: d.Store.Incarnation(),
	}, persons, now)
	if err != nil {
		return unapproved{err}
	}
	next.record.Approval.Author, next.record.Approval.Approver, next.record.Approval.Signed = who.Author, who.Approver, asked.Signed
	return nil
}

// wait lets at once what only narrows; anything else when it has been on disk
// for long enough.
func (d *Desk) wait(ctx context.Context, next *inForce, last store.PolicyRecord, now time.Time) error {
	env := d.policyEnv(next.Register, now)
	old, _, err := policy.Restore(filesOf(last), env)
	if err != nil {
		return fmt.Errorf("read the policy in force: %w", err)
	}
	sameMode := last.Approval.Mode == next.record.Approval.Mode || last.Approval.Mode == ""
	if sameMode && !widens(old, next.Policy, env) {
		return nil
	}
	seen, ok, err := d.Store.Proposal(ctx)
	if err != nil {
		return fmt.Errorf("read the policy that waits: %w", err)
	}
	if !ok || seen.Version != next.record.Version || seen.Mode != next.record.Approval.Mode {
		seen = store.PolicyProposal{Version: next.record.Version, Mode: next.record.Approval.Mode, Since: now, Until: now.Add(approval.Wait)}
		entry := journal.Entry{Time: now, Kind: journal.KindPolicyWaits, Policy: seen.Version}
		if err := d.Store.ProposePolicy(ctx, now, seen, entry); err != nil {
			return fmt.Errorf("journal the policy that waits: %w", err)
		}
	}
	if now.Before(seen.Until) {
		return &waits{WaitingPolicy{Version: seen.Version, Since: seen.Since, Until: seen.Until}}
	}
	return nil
}

// widens tells whether somebody may be shown more, also somebody who is not in
// the register yet. What cannot be told apart counts as wider.
func widens(old, next *policy.Policy, env policy.Env) bool {
	recipients := slices.Concat(audit.Recipients(env, env.Today), audit.Newcomers(env.Today, old, next))
	d, err := audit.NewDiff(old, next, env.Today, recipients)
	return err != nil || d.Widens()
}

// stay keeps the policy in force where that on disk may not take its place. After
// a start that is the one that the store kept. The caller holds d.changing.
func (d *Desk) stay(ctx context.Context, now time.Time, old *inForce, reason error) error {
	w, waiting := errors.AsType[*waits](reason)
	if _, refused := errors.AsType[unapproved](reason); (waiting || refused) && !old.Policy.Loaded() {
		kept, err := d.keptPolicy(ctx, old.Register, now)
		if err == nil && kept != nil {
			entry := journal.Entry{Time: now, Kind: journal.KindPolicyLoaded, Policy: kept.Policy.Version()}
			if err = d.enforce(ctx, now, kept, entry); err == nil {
				old = d.rules.Load()
			}
		}
		if err != nil {
			d.Log.Error("the policy that was in force could not be put back", "error", err)
		}
	}
	if waiting {
		stays := *old
		stays.policyError, stays.waiting = "", &w.WaitingPolicy
		d.rules.Store(&stays)
		return nil
	}
	d.notLoaded(old, reason)
	journalErr := d.Store.Append(ctx, now, journal.Entry{Time: now, Kind: journal.KindPolicyFailed, Policy: old.Policy.Version()})
	return errors.Join(gateway.Errorf(gateway.Invalid, "the policy was not loaded; the one in force stays: %s", reason), journalErr)
}

// keptPolicy is the policy that came in force last; nil if there is none.
func (d *Desk) keptPolicy(ctx context.Context, reg *register.Register, now time.Time) (*inForce, error) {
	last, known, err := d.Store.PolicyInForce(ctx)
	if err != nil || !known {
		return nil, err
	}
	loaded, warnings, err := policy.Restore(filesOf(last), d.policyEnv(reg, now))
	if err != nil {
		return nil, err
	}
	return &inForce{
		Rules: publication.Rules{Register: reg, Policy: loaded}, warnings: warnings, day: gateway.DateOf(now), record: last,
	}, nil
}

// waited puts the policy that waited in force when it has waited long enough.
func (d *Desk) waited(ctx context.Context, now time.Time) error {
	if w := d.rules.Load().waiting; w == nil || now.Before(w.Until) {
		return nil
	}
	return d.loadPolicy(ctx, now, "")
}
