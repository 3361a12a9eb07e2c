package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// PolicyRecord is one policy that came in force.
type PolicyRecord = store.PolicyRecord

// recordOf is a policy as the store keeps it.
func recordOf(p *policy.Policy, files []policy.File) store.PolicyRecord {
	r := store.PolicyRecord{Version: p.Version()}
	for _, f := range files {
		r.Files = append(r.Files, store.PolicyFile{Name: f.Name, Data: f.Data})
	}
	return r
}

func filesOf(r store.PolicyRecord) []policy.File {
	var files []policy.File
	for _, f := range r.Files {
		files = append(files, policy.File{Name: f.Name, Data: f.Data})
	}
	return files
}

// keep journals that rules are in force and keeps their policy; without one only
// the entry is written.
func (d *Desk) keep(ctx context.Context, now time.Time, rules *inForce, entry journal.Entry) error {
	if !rules.Policy.Loaded() {
		return d.Store.Append(ctx, now, entry)
	}
	var err error
	rules.record, err = d.Store.EnforcePolicy(ctx, now, rules.record, entry)
	return err
}

// PolicyLog gives every policy that was ever in force, the first one first.
func (d *Desk) PolicyLog(ctx context.Context, caller gateway.Caller) ([]store.PolicyRecord, error) {
	if err := d.read(ctx, caller, gateway.OpPolicyHistory); err != nil {
		return nil, err
	}
	return d.Store.Policies(ctx)
}

// PolicyRollback journals that an earlier policy is being taken out, and gives
// it: the one whose version begins so, or for "" the one before the present one.
// Putting its files back and in force is a reload like any other.
func (d *Desk) PolicyRollback(ctx context.Context, caller gateway.Caller, version string) (store.PolicyRecord, error) {
	if err := caller.Authorize(gateway.OpPolicyRollback); err != nil {
		return store.PolicyRecord{}, err
	}
	all, err := d.Store.Policies(ctx)
	if err != nil {
		return store.PolicyRecord{}, fmt.Errorf("read policies: %w", err)
	}
	record, err := earlier(all, version)
	if err != nil {
		return store.PolicyRecord{}, err
	}
	now := d.now()
	entry := d.entry(caller, string(gateway.OpPolicyRollback), now)
	entry.Policy = record.Version
	if err := d.Store.Append(ctx, now, entry); err != nil {
		return store.PolicyRecord{}, fmt.Errorf("journal rollback: %w", err)
	}
	return record, nil
}

// earlier finds the last policy whose version begins with version, or for "" the
// last that differs from the present one.
func earlier(all []store.PolicyRecord, version string) (found store.PolicyRecord, err error) {
	for _, r := range all {
		switch {
		case version == "" && r.Version == all[len(all)-1].Version, !strings.HasPrefix(r.Version, version):
		case version != "" && found.Version != "" && found.Version != r.Version:
			return found, gateway.Errorf(gateway.Invalid, "more than one policy has a version that begins so: give more of it")
		default:
			found = r
		}
	}
	if found.Version == "" {
		return found, gateway.Errorf(gateway.NotFound, "there is no such earlier policy; see doorstroom policy log")
	}
	return found, nil
}
