package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// PolicyStatus tells which policy is in force and what is wrong with it.
type PolicyStatus struct {
	Version  string          `json:"version"`
	Warnings policy.Problems `json:"warnings,omitempty"`
	Error    string          `json:"error,omitempty"` // why the files on disk are not the policy in force

	Number   uint64         `json:"number,omitempty"` // in the history of the node
	Since    time.Time      `json:"since,omitzero"`
	Approval string         `json:"approval"` // by which it came in force: none, one-person or two-person
	Author   string         `json:"author,omitempty"`
	Approver string         `json:"approver,omitempty"`
	Waiting  *WaitingPolicy `json:"waiting,omitempty"` // the policy on disk, while it waits
}

// Reload reads configuration, register file and policy files again. What cannot
// be loaded leaves what is in force, and the error says why. After a new policy
// everything that is shown or waits is decided again before this returns.
func (d *Desk) Reload(ctx context.Context, caller gateway.Caller) (PolicyStatus, error) {
	if err := caller.Authorize(gateway.OpReload); err != nil {
		return PolicyStatus{}, err
	}
	now := d.now()
	entry := d.entry(caller, string(gateway.OpReload), now)
	if err := d.Store.Append(ctx, now, entry); err != nil {
		return PolicyStatus{}, fmt.Errorf("journal reload: %w", err)
	}
	err := errors.Join(d.Reread(ctx), d.loadPolicy(ctx, now, entry.Caller))
	return d.PolicyStatus(), err
}

// PolicyStatus needs no caller: it names no offer and no recipient.
func (d *Desk) PolicyStatus() PolicyStatus {
	f := d.rules.Load()
	s := PolicyStatus{
		Version: f.Policy.Version(), Warnings: f.warnings, Error: f.policyError, Waiting: f.waiting,
		Approval: string(approval.Stricter(approval.Mode(f.record.Approval.Mode), approval.None)),
	}
	if f.Policy.Loaded() {
		s.Number, s.Since = f.record.Number, f.record.Since
		s.Author, s.Approver = f.record.Approval.Author, f.record.Approval.Approver
	}
	return s
}

// loadPolicy puts the policy files on disk in force; caller is the pseudonym of
// who asked for it, "" for the node itself.
func (d *Desk) loadPolicy(ctx context.Context, now time.Time, caller string) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	old := d.rules.Load()
	next, err := d.admitPolicy(ctx, old.Register, now)
	if err != nil {
		return d.stay(ctx, now, old, err)
	}
	next.record.Caller = cmp.Or(next.record.Caller, caller)
	err = d.enforce(ctx, now, next, journal.Entry{Time: now, Kind: journal.KindPolicyLoaded, Policy: next.Policy.Version()})
	if err != nil && d.rules.Load() == old {
		d.notLoaded(old, err)
	}
	return err
}

// notLoaded keeps the rules in force and tells why they are not those of the
// files. The caller holds d.changing.
func (d *Desk) notLoaded(old *inForce, err error) {
	failed := *old
	failed.policyError, failed.waiting = err.Error(), nil
	d.rules.Store(&failed)
}

// readPolicy reads the policy files on disk under a register.
func (d *Desk) readPolicy(reg *register.Register, now time.Time) (*inForce, error) {
	files, err := d.PolicyFiles()
	if err != nil {
		return nil, fmt.Errorf("read policy files: %w", err)
	}
	loaded, warnings, err := audit.LoadExpected(files, d.policyEnv(reg, now))
	if err != nil {
		return nil, err
	}
	return &inForce{
		Rules: publication.Rules{Register: reg, Policy: loaded}, warnings: warnings, day: gateway.DateOf(now),
		record: recordOf(loaded, files),
	}, nil
}

func (d *Desk) policyEnv(reg *register.Register, now time.Time) policy.Env {
	env := policy.Env{Self: d.Self, Lists: d.lists, Class: d.Schema.Class, Today: gateway.DateOf(now)}
	env.Party = func(gateway.OIN) (gateway.Party, bool) { return gateway.Party{}, false }
	if reg != nil {
		env.Party, env.Parties = reg.Party, reg.Parties()
	}
	return env
}

// enforce journals new rules, swaps them in, and decides everything again. The
// caller holds d.changing.
func (d *Desk) enforce(ctx context.Context, now time.Time, rules *inForce, entry journal.Entry) error {
	if err := d.keep(ctx, now, rules, entry); err != nil {
		return fmt.Errorf("journal new rules: %w", err)
	}
	rules.Approval = rules.record.Approval.Mode
	account, err := d.newRules(ctx, rules)
	if err != nil {
		return err
	}
	// Nothing decided under the old rules may leave once this has returned: an
	// attempt that is just dialling would.
	resume := d.Pause()
	defer resume()
	d.rules.Store(rules)
	defer d.RulesChanged() // when all is noted that the workers look at
	result, err := d.publisher.Renew(ctx, now, account)
	d.wake(result)
	if err != nil {
		return fmt.Errorf("decide again under new rules: %w", err)
	}
	if !account {
		return nil
	}
	if err := d.Store.Publish(ctx, now, store.Publication{Correct: true, Policy: rulesID(rules)}); err != nil {
		return fmt.Errorf("note which rules were accounted for: %w", err)
	}
	return nil
}

// newRules tells whether these rules have not been accounted for in the journal
// yet. A node that starts again under the rules of yesterday has nothing new to
// account for.
func (d *Desk) newRules(ctx context.Context, rules *inForce) (bool, error) {
	known, err := d.Store.Policy(ctx)
	if err != nil {
		return false, fmt.Errorf("read which rules were accounted for: %w", err)
	}
	return known != rulesID(rules), nil
}

func rulesID(rules *inForce) string {
	if rules.Register == nil {
		return rules.Policy.Version()
	}
	return rules.Policy.Version() + "/" + rules.Register.Hash()
}

// newDay binds the policy to the code lists and register of a new day: codes
// and parties expire.
func (d *Desk) newDay(now time.Time) {
	d.changing.Lock()
	defer d.changing.Unlock()
	old := d.rules.Load()
	if day := gateway.DateOf(now); old.day != day {
		next := *old
		next.day = day
		next.Policy, next.warnings = old.Policy.Rebind(d.policyEnv(old.Register, now))
		d.rules.Store(&next)
	}
}

// ShowRegister is the signed register in force.
func (d *Desk) ShowRegister(ctx context.Context, caller gateway.Caller) (*register.Register, error) {
	if err := d.read(ctx, caller, gateway.OpShowRegister); err != nil {
		return nil, err
	}
	reg := d.Rules().Register
	if reg == nil {
		return nil, gateway.Errorf(gateway.NotFound, "no register has been installed yet")
	}
	return reg, nil
}

// InstallRegister puts a signed register in force: the first by the configured
// anchors, every next one as the successor of the one in force.
func (d *Desk) InstallRegister(ctx context.Context, caller gateway.Caller, file []byte) (*register.Register, error) {
	if err := caller.Authorize(gateway.OpChangeRegister); err != nil {
		return nil, err
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	now := d.now()
	entry := d.entry(caller, journal.KindRegisterInstalled, now)
	return d.install(ctx, now, [][]byte{file}, entry)
}

// FetchedRegister installs the last of some successors that a peer gave, which
// are those from version first on. They are as much verified as one installed by
// hand, and refused without harm. Versions that another peer brought meanwhile
// are passed over.
func (d *Desk) FetchedRegister(ctx context.Context, from gateway.OIN, first uint64, files [][]byte) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if reg := d.Rules().Register; reg != nil && reg.Version() >= first {
		files = files[min(reg.Version()-first+1, uint64(len(files))):]
	}
	if len(files) == 0 {
		return nil
	}
	now := d.now()
	_, err := d.install(ctx, now, files, journal.Entry{Time: now, Kind: journal.KindRegisterInstalled, Party: from})
	return err
}

// install puts the last of consecutive versions in force and keeps all of them:
// those between may have expired, and are no rules to decide anything under.
// The caller holds d.changing.
func (d *Desk) install(ctx context.Context, now time.Time, files [][]byte, entry journal.Entry) (*register.Register, error) {
	old := d.rules.Load()
	next, err := d.verifyRegister(old.Register, files, now)
	if err != nil {
		refused := entry
		refused.Kind = journal.KindRegisterRefused
		return nil, errors.Join(err, d.Store.Append(ctx, now, refused))
	}
	if old.Register != nil && next.Hash() == old.Register.Hash() {
		return old.Register, nil
	}
	entry.Register = next.Version()
	if err := d.Store.SaveRegister(ctx, now, files, next.Version(), entry); err != nil {
		return nil, fmt.Errorf("store register: %w", err)
	}
	rules := &inForce{
		Rules: publication.Rules{Register: next, Policy: old.Policy}, policyError: old.policyError, day: gateway.DateOf(now),
		record: old.record, waiting: old.waiting,
	}
	if err := d.rebind(ctx, rules, now); err != nil {
		d.Log.Error("policy could not be loaded under the new register", "error", err)
	}
	return next, d.enforce(ctx, now, rules, journal.Entry{
		Time: now, Kind: journal.KindPolicyLoaded, Policy: rules.Policy.Version(), Register: next.Version(),
	})
}

// rebind compiles the policy in force against the register of rules: who left
// is a warning there. A node without a policy, because its first register was
// missing for one, tries its files again.
func (d *Desk) rebind(ctx context.Context, rules *inForce, now time.Time) error {
	rules.Policy, rules.warnings = rules.Policy.Rebind(d.policyEnv(rules.Register, now))
	if rules.policyError == "" {
		return nil
	}
	loaded, err := d.admitPolicy(ctx, rules.Register, now)
	if err != nil {
		rules.policyError = err.Error()
		return err
	}
	*rules = *loaded
	return nil
}

func (d *Desk) verifyRegister(current *register.Register, files [][]byte, now time.Time) (*register.Register, error) {
	if current == nil {
		first, err := register.Parse(files[0], d.Anchors)
		if err != nil {
			return nil, err
		}
		return register.Follow(first, files[1:], now)
	}
	if len(files) == 1 && current.SameAs(files[0]) {
		return current, nil
	}
	return register.Follow(current, files, now)
}

// Question asks what a recipient sees of an offer, or hears of a person, and why.
type Question struct {
	Recipient    string                 `json:"recipient"`              // an OIN, a gemeente code or "public"
	Offer        string                 `json:"offer,omitempty"`        // of this node
	Kind         string                 `json:"kind,omitempty"`         // of a message about a person, in place of an offer
	State        gateway.ReferralStatus `json:"state,omitempty"`        // of the referral; code list verwijsstatus
	Grondslag    string                 `json:"grondslag,omitempty"`    // of the referral
	Trajectsoort string                 `json:"trajectsoort,omitempty"` // of the referral
}

// Explain tells, in plain Dutch, what a recipient sees of an offer or hears of a
// person, and why.
func (d *Desk) Explain(ctx context.Context, caller gateway.Caller, q Question) (policy.Explanation, error) {
	if err := d.read(ctx, caller, gateway.OpExplainPolicy); err != nil {
		return policy.Explanation{}, err
	}
	if q.Kind != "" {
		return d.explainPersonal(q)
	}
	own, ok, err := d.Store.OwnOffer(ctx, q.Offer)
	if err != nil {
		return policy.Explanation{}, fmt.Errorf("read offer: %w", err)
	}
	if !ok {
		return policy.Explanation{}, gateway.Errorf(gateway.NotFound, "no offer of this node has that id; see doorstroom offers")
	}
	rules := d.Rules()
	day := gateway.DateOf(d.now())
	to, err := findRecipient(rules.Register, q.Recipient, gateway.KindCapacity, day)
	if err != nil {
		return policy.Explanation{}, err
	}
	return rules.Policy.Explain(policy.Request{Kind: gateway.KindCapacity, Offer: &own.Offer, Recipient: to, Day: day}), nil
}

func (d *Desk) explainPersonal(q Question) (policy.Explanation, error) {
	rules, day := d.Rules(), gateway.DateOf(d.now())
	if !gateway.Confidential(q.Kind) || q.Offer != "" {
		return policy.Explanation{}, gateway.Errorf(gateway.Invalid, "name an offer, or a kind of message about a person: %s",
			strings.Join(slices.DeleteFunc(gateway.Kinds(), func(k string) bool { return !gateway.Confidential(k) }), ", "))
	}
	lists := rules.Policy.Env().Lists
	for _, given := range []struct{ list, code string }{
		{"verwijsstatus", string(q.State)}, {"grondslag", q.Grondslag}, {"trajectsoort", q.Trajectsoort},
	} {
		if given.code != "" {
			if err := lists.Check(given.list, given.code, day); err != nil {
				return policy.Explanation{}, err
			}
		}
	}
	to, err := findRecipient(rules.Register, q.Recipient, q.Kind, day)
	if err != nil {
		return policy.Explanation{}, err
	}
	return rules.Policy.ExplainPersonal(policy.Personal{
		Kind: q.Kind, Recipient: to, Day: day, Status: q.State, Grondslag: q.Grondslag, Trajectsoort: q.Trajectsoort,
	}), nil
}

// findRecipient understands an OIN, a gemeente code, or "public".
func findRecipient(reg *register.Register, name, kind string, day gateway.Date) (gateway.Recipient, error) {
	if name == "public" {
		return gateway.Recipient{Public: true}, nil
	}
	if reg != nil {
		for _, p := range reg.Parties() {
			r := p.RecipientOn(day, kind, reg.Party)
			if string(p.OIN) == name || slices.Contains(r.Gemeenten, gateway.Gemeente(name)) {
				return r, nil
			}
		}
	}
	return gateway.Recipient{}, gateway.Errorf(gateway.NotFound, "no party of the register has that OIN or gemeente code; see doorstroom register show")
}
