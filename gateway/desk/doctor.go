package desk

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Levels of findings.
const (
	LevelOK      = "ok"
	LevelWarning = "warning" // it works, but will not stay so, or not as well as it should
	LevelError   = "error"   // somebody must do something now
)

// Finding is one thing that was examined: what it is like, and what to do about
// it. It names no offer and no person.
type Finding struct {
	Check string `json:"check"`
	Level string `json:"level"` // ok, warning, error
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"`
}

// Doctor examines the node and the machine it runs on.
func (d *Desk) Doctor(ctx context.Context, caller gateway.Caller) ([]Finding, error) {
	if err := d.read(ctx, caller, gateway.OpDoctor); err != nil {
		return nil, err
	}
	return d.Examine(ctx), nil
}

// TryPolicy reads the policy files without putting them in force.
func (d *Desk) TryPolicy(now time.Time) (policy.Problems, error) {
	tried, err := d.readPolicy(d.Rules().Register, now)
	if err != nil {
		return nil, err
	}
	return tried.warnings, nil
}

// Peers joins the register with what is known of contact.
func (d *Desk) Peers(ctx context.Context) ([]Peer, error) {
	known, err := d.Store.Peers(ctx)
	return d.peers(known, d.now()), err
}

// Approvals are by which rule the policies of the parties of the register come in
// force, this one included, as far as they tell; who need ask nobody tells nothing.
func (d *Desk) Approvals(ctx context.Context) (map[gateway.OIN]string, error) {
	peers, err := d.Peers(ctx)
	all := map[gateway.OIN]string{}
	for _, p := range peers {
		if p.Approval != "" {
			all[p.OIN] = p.Approval
		}
	}
	if own := d.Rules().Approval; own != "" {
		all[d.Self] = own
	}
	return all, err
}
