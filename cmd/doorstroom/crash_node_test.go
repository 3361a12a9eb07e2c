package main_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// member is a node that runs as a process of its own.
type member struct {
	party  gateway.Party
	dir    string
	config config.Config
	local  *rest.LocalClient
	wrap   []string      // command that runs the process, if not as it is
	cmd    *exec.Cmd     // of the process that runs; nil: none does
	ended  chan struct{} // closed when it has ended
	kills  int
}

// place is a member that is to be laid out; empty: as it comes.
type place struct {
	folder                string
	oin                   gateway.OIN
	kind                  gateway.PartyKind
	gemeente              string
	listen, endpoint, ops string
	wrap                  []string
}

// twoMembers lays out a leerwerkbedrijf and a gemeente.
func twoMembers(t *testing.T) (sender, receiver *member) {
	t.Helper()
	all := layMembers(t,
		place{folder: "smile", oin: sends, kind: gateway.Leerwerkbedrijf},
		place{folder: "dordt", oin: receives, kind: gateway.GemeenteKind, gemeente: "gm0505"})
	return all[0], all[1]
}

// layMembers lays out nodes with a signed register of all of them.
func layMembers(t *testing.T, places ...place) (members []*member) {
	t.Helper()
	registrar, err := seal.GenerateKey()
	must(t, err)
	now, dir := time.Now(), t.TempDir()
	at := now.UTC().Truncate(time.Second)
	doc := register.New([]register.Signer{{Name: "Registerhouder", Key: registrar.Public(at)}}, 1, at)
	for _, p := range places {
		peers := cmp.Or(p.listen, gt.FreeAddress(t))
		plan := node.Plan{
			Party: p.oin, Name: p.folder, Kind: p.kind, Endpoint: "https://" + cmp.Or(p.endpoint, peers),
			Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@" + p.folder + ".example"},
			Listen:  config.Listen{Peers: peers, Ops: cmp.Or(p.ops, gt.FreeAddress(t))}, Anchors: []string{registrar.KID()},
		}
		if p.gemeente != "" {
			plan.Gemeenten = []gateway.GemeenteFor{{Code: gateway.Gemeente(p.gemeente)}}
		}
		party, err := node.Create(filepath.Join(dir, p.folder), plan, now)
		must(t, err)
		doc = register.Add(doc, party)
		members = append(members, &member{party: party, dir: filepath.Join(dir, p.folder), wrap: p.wrap})
	}
	file, err := register.Encode(doc)
	must(t, err)
	file, err = register.Sign(file, registrar)
	must(t, err)
	for _, m := range members {
		m.config, err = config.Load(m.configFile())
		must(t, err)
		must(t, os.WriteFile(m.config.Register.File, file, 0o600))
		token, err := node.ReadToken(filepath.Join(m.dir, node.TokenFile))
		must(t, err)
		m.local = rest.NewLocalClient(m.config.Local.Socket, token)
		t.Cleanup(m.end)
	}
	return members
}

func (m *member) configFile() string { return filepath.Join(m.dir, node.ConfigFile) }
func (m *member) logFile() string    { return filepath.Join(m.dir, "node.log") }

// start starts the process, which is the test binary under another name (see
// TestMain); ready waits until it answers.
func (m *member) start(t *testing.T) {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	log, err := os.OpenFile(m.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer log.Close() // the process has it too
	cmd, ended := exec.Command(program, "run", "--config", m.configFile()), make(chan struct{})
	cmd.Args[0], cmd.Stderr = "doorstroom", log
	if len(m.wrap) > 0 {
		command := append(slices.Clone(m.wrap), "doorstroom", "run", "--config", m.configFile())
		cmd = exec.Command(command[0], command[1:]...)
		cmd.Stderr = log
	}
	must(t, cmd.Start())
	m.cmd, m.ended = cmd, ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
}

func (m *member) ready(t *testing.T) {
	t.Helper()
	within(t, 2*time.Minute, m.party.Name+" answers", func() bool {
		select {
		case <-m.ended:
			t.Fatalf("%s ended by itself: %s\n%s", m.party.Name, m.cmd.ProcessState, m.lastLines(t))
		default:
		}
		status, err := m.local.Status(t.Context())
		return err == nil && status.Register.Version > 0
	})
}

// kill ends the process as a power cut would, as far as the process can tell.
func (m *member) kill(t *testing.T) {
	t.Helper()
	must(t, m.cmd.Process.Kill())
	<-m.ended
	if m.cmd.ProcessState.Exited() {
		t.Fatalf("%s ended by itself: %s\n%s", m.party.Name, m.cmd.ProcessState, m.lastLines(t))
	}
	m.cmd = nil
	m.kills++
}

// stop ends the process in good order.
func (m *member) stop(t *testing.T) {
	t.Helper()
	must(t, m.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-m.ended:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not stop\n%s", m.party.Name, m.lastLines(t))
	}
	if !m.cmd.ProcessState.Success() {
		t.Errorf("%s did not stop well: %s\n%s", m.party.Name, m.cmd.ProcessState, m.lastLines(t))
	}
	m.cmd = nil
}

// end is for a test that failed half-way.
func (m *member) end() {
	m.local.Close()
	if m.cmd != nil {
		_ = m.cmd.Process.Kill() // it may have ended already
		<-m.ended
	}
}

func (m *member) lastLines(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(m.logFile())
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// complaints are lines in a node's log that no crash excuses.
func (m *member) complaints(t *testing.T) (found []string) {
	t.Helper()
	log, err := os.ReadFile(m.logFile())
	must(t, err)
	for line := range bytes.Lines(log) {
		for _, sign := range []string{"level=ERROR", "panic", "DATA RACE"} {
			if bytes.Contains(line, []byte(sign)) {
				found = append(found, fmt.Sprintf("log of %s: %s", m.party.Name, bytes.TrimSpace(line)))
				break
			}
		}
	}
	return found
}

// database is that of a node which no longer runs.
type database struct {
	*store.Store
	party gateway.Party
}

func (m *member) open(t *testing.T) database {
	t.Helper()
	s, err := store.Open(filepath.Join(m.config.Data, "node.db"), store.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return database{s, m.party}
}

func (d database) journal(t *testing.T) []store.JournalRecord {
	t.Helper()
	records, err := d.Journal(t.Context(), 0, 1<<30)
	must(t, err)
	return records
}

func (d database) own(t *testing.T) map[string]int {
	t.Helper()
	offers, err := d.OwnOffers(t.Context())
	must(t, err)
	own := map[string]int{}
	for _, o := range offers {
		own[o.Offer.ID] = versionOf(t, o.Offer.Title)
	}
	return own
}

func (d database) unsound(t *testing.T) (problems []string) {
	t.Helper()
	for _, p := range d.Check(t.Context()) {
		problems = append(problems, fmt.Sprintf("database of %s: %s", d.party.Name, p))
	}
	if _, err := d.VerifyJournal(t.Context(), nil); err != nil {
		problems = append(problems, fmt.Sprintf("journal of %s: %v", d.party.Name, err))
	}
	return problems
}

// agree holds what the receiver has against what the sender shows it, and both
// against what must be shown in the end.
func agree(t *testing.T, sender, receiver database, versions map[string]int, contact bool) (lost []string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	shown, settled, err := sender.ShownDigest(ctx, receiver.party.OIN)
	must(t, err)
	holds, err := receiver.Holds(ctx, sender.party.OIN)
	must(t, err)
	if !settled || shown != holds {
		lost = append(lost, fmt.Sprintf("the sender shows %+v (settled: %t) and the receiver holds %+v", shown, settled, holds))
	}
	hashes := map[string]string{}
	all, err := sender.Shown(ctx, receiver.party.OIN)
	must(t, err)
	for _, s := range all {
		if !s.Withdrawal {
			hashes[s.Subject] = s.Hash
		}
	}
	received, err := receiver.ReceivedOffers(ctx)
	must(t, err)
	if len(received) != len(versions) {
		lost = append(lost, fmt.Sprintf("the receiver holds %d offers, want %d", len(received), len(versions)))
	}
	for _, r := range received {
		c := r.Capacity
		if _, hash := c.Encode(); hash != hashes[r.Subject] {
			lost = append(lost, fmt.Sprintf("offer %s: the receiver holds something else than it was shown", c.Offer))
		}
		if got, want := versionOf(t, c.Title), versions[c.Offer]; got != want {
			lost = append(lost, fmt.Sprintf("offer %s: the receiver holds version %d, want %d (0 is none)", c.Offer, got, want))
		}
		if got := c.Contact != (gateway.Contact{}); got != contact {
			lost = append(lost, fmt.Sprintf("offer %s: the receiver sees a contact: %t, want %t", c.Offer, got, contact))
		}
	}
	return lost
}
