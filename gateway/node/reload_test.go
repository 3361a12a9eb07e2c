package node_test

import (
	"os"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func TestReloadCallers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t)
	before, after := s.local(t), rest.NewLocalClient(s.config.Local.Socket, "nieuw-geheim")
	t.Cleanup(after.Close)
	_, err := after.Status(t.Context())
	wantError(t, err, gateway.Unauthenticated)
	s.edit(t, node.ConfigFile, s.config.Callers[0].SHA256, gateway.Hash([]byte("nieuw-geheim")))
	_, err = before.Reload(t.Context())
	must(t, err)
	if _, err := after.Status(t.Context()); err != nil {
		t.Errorf("the new token: %v", err)
	}
	_, err = before.Status(t.Context())
	wantError(t, err, gateway.Unauthenticated)
}

func TestReloadPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	_, err := n.Desk.PublishCapacity(t.Context(), gt.Everyone(), gateway.Import{Source: "test", Offers: []gateway.Offer{gt.Offer("groen")}}, false)
	must(t, err)
	if got := s.queued(t, n); got != 1 {
		t.Fatalf("got %d messages in the queue, want 1", got)
	}
	before := n.Desk.PolicyStatus().Version

	s.edit(t, node.PolicyFile, "rules:", "regels:")
	_, err = n.Desk.Reload(t.Context(), gt.Everyone())
	wantError(t, err, gateway.Invalid, "policy.yaml:")
	if got := n.Desk.PolicyStatus(); got.Version != before || got.Error == "" {
		t.Errorf("got policy %s with error %q, want the one in force and an error", got.Version, got.Error)
	}

	// Another file, named in the configuration, that shows nobody anything.
	must(t, os.WriteFile(s.file("niets.yaml"), []byte("policy: niets\nparty: \"00000099000000001000\"\ndescription: niets\nrules: []\naccept: []\n"), 0o600))
	s.edit(t, node.ConfigFile, "files: [policy.yaml]", "files: [niets.yaml]")
	status, err := n.Desk.Reload(t.Context(), gt.Everyone())
	must(t, err)
	if status.Version == before || status.Error != "" {
		t.Errorf("got policy %s with error %q, want another", status.Version, status.Error)
	}
	shown, err := n.Store.Shown(t.Context(), s.peer.OIN)
	must(t, err)
	for _, one := range shown {
		if !one.Withdrawal {
			t.Errorf("what waits for the peer is still shown: %+v", one)
		}
	}
}

// TestUnmetExpectations keep a policy from coming in force, and a node that
// starts with one shows nothing.
func TestUnmetExpectations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	_, err := n.Desk.PublishCapacity(t.Context(), gt.Everyone(), gateway.Import{Source: "test", Offers: []gateway.Offer{gt.Offer("groen")}}, false)
	must(t, err)
	before := n.Desk.PolicyStatus().Version

	must(t, os.WriteFile(s.file(node.ExpectFile), []byte("verwacht: [{naam: niemand ziet iets, aan: everyone, niets: true}]"), 0o600))
	s.edit(t, node.PolicyFile, "retention: P90D", "retention: P60D")
	_, err = n.Desk.Reload(t.Context(), gt.Everyone())
	wantError(t, err, gateway.Invalid, "policy_test.yaml:1:", "expectation not met")
	if got := n.Desk.PolicyStatus(); got.Version != before || got.Error == "" {
		t.Errorf("got policy %s with error %q, want the one in force and an error", got.Version, got.Error)
	}

	must(t, n.Stop(t.Context()))
	n = s.start(t)
	if got := n.Desk.PolicyStatus(); got.Version != "none" || !strings.Contains(got.Error, "expectation not met") {
		t.Errorf("after a start: got policy %s with error %q, want none", got.Version, got.Error)
	}
	must(t, os.Remove(s.file(node.ExpectFile)))
	_, err = n.Desk.Reload(t.Context(), gt.Everyone())
	must(t, err)
}

func (s *site) queued(t *testing.T, n *node.Node) int {
	t.Helper()
	status, err := n.Store.Peer(t.Context(), s.peer.OIN)
	must(t, err)
	return status.Queued + status.Held
}

// What cannot be read leaves what is in force, and a key that a running node
// cannot take over is named.
func TestReloadConfiguration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	s.edit(t, node.ConfigFile, "vanish-offers: 3", "vanish-offers: veel")
	_, err := n.Desk.Reload(t.Context(), gt.Everyone())
	wantError(t, err, gateway.Invalid, "config.yaml:", "vanish-offers")
	if _, err := s.local(t).Status(t.Context()); err != nil {
		t.Errorf("the token no longer works: %v", err)
	}
	s.edit(t, node.ConfigFile, "vanish-offers: veel", "vanish-offers: 0")
	s.edit(t, node.ConfigFile, "connections: 1000", "connections: 500")
	_, err = n.Desk.Reload(t.Context(), gt.Everyone())
	must(t, err)
	if !strings.Contains(s.log.String(), "only after a restart") || !strings.Contains(s.log.String(), "limits.connections") {
		t.Errorf("the log does not name the key: %s", s.log)
	}
	// vanish-offers is in force: an export without its one offer is held.
	full := gateway.Import{Source: "test", Full: true, Offers: []gateway.Offer{gt.Offer("groen")}}
	_, err = n.Desk.PublishCapacity(t.Context(), gt.Everyone(), full, false)
	must(t, err)
	full.Offers = nil
	report, err := n.Desk.PublishCapacity(t.Context(), gt.Everyone(), full, false)
	must(t, err)
	if len(report.Held) != 1 {
		t.Errorf("got %+v, want the import held", report)
	}
}

func TestReloadWantsARole(t *testing.T) {
	t.Parallel()
	n := newSite(t).start(t)
	_, err := n.Desk.Reload(t.Context(), gateway.Caller{Name: "meekijker", Roles: []gateway.Role{gateway.PrivacyOfficer}})
	wantError(t, err, gateway.Denied)
}

func TestReloadRegister(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	first, err := os.ReadFile(s.config.Register.File)
	must(t, err)
	second := s.nextRegister(t, first)
	in := func(version uint64) {
		t.Helper()
		if got := n.Desk.Rules().Register.Version(); got != version {
			t.Errorf("got register version %d in force, want %d", got, version)
		}
	}
	put := func(file []byte) error {
		must(t, os.WriteFile(s.config.Register.File, file, 0o600))
		_, err := n.Desk.Reload(t.Context(), gt.Everyone())
		return err
	}
	must(t, put(second))
	in(2)
	if err := put(first); err == nil {
		t.Error("an older register: got no error")
	}
	in(2)
	if err := put([]byte("geen register")); err == nil {
		t.Error("nonsense: got no error")
	}
	in(2)
	if got := journaled(t, n, journal.KindRegisterRefused); got != 2 {
		t.Errorf("got %d refusals in the journal, want 2", got)
	}
	must(t, put(second))
	in(2)
}

// A peer, or somebody with `register install`, may bring a newer register than
// the file says. That is nobody's fault: reloading and starting go on.
func TestRegisterFileThatIsBehind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	first, err := os.ReadFile(s.config.Register.File)
	must(t, err)
	must(t, n.Desk.FetchedRegister(t.Context(), s.peer.OIN, 2, [][]byte{s.nextRegister(t, first)}))
	_, err = n.Desk.Reload(t.Context(), gt.Everyone())
	must(t, err)
	must(t, n.Stop(t.Context()))

	n = s.start(t)
	if !strings.Contains(s.log.String(), "older than the register in force") || strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("got the log %s, want a warning", s.log)
	}
	_, err = n.Desk.Reload(t.Context(), gt.Everyone())
	must(t, err)
	if got := n.Desk.Rules().Register.Version(); got != 2 {
		t.Errorf("got register version %d in force, want 2", got)
	}
	if got := journaled(t, n, journal.KindRegisterRefused); got != 0 {
		t.Errorf("got %d refusals in the journal, want none", got)
	}
}
