package gatewaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/exchange"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Member is one party of a federation under test.
type Member struct {
	OIN       gateway.OIN
	Name      string
	Kind      gateway.PartyKind
	Gemeenten []gateway.Gemeente
	ActsFor   []gateway.OIN
	Policy    string // YAML; empty: the template of its kind
}

// Federation is a set of nodes with one register, on one network.
type Federation struct {
	Net       *Network
	Registrar *seal.Key
	Register  []byte

	t       testing.TB
	log     *slog.Logger
	dirs    map[gateway.OIN]string
	parties map[gateway.OIN]gateway.Party
	nodes   map[gateway.OIN]*node.Node
	ages    map[gateway.OIN]Age
}

// Age makes a node of another age than the program under test; what is nil is
// that of the program.
type Age struct {
	Schemas   fs.FS
	Protocols []int
}

// SetAge restarts a node as one of another age; the zero Age is the present.
func (f *Federation) SetAge(oin gateway.OIN, age Age) {
	f.t.Helper()
	f.Stop(oin)
	f.ages[oin] = age
	f.Start(oin)
}

// NewFederation makes and starts a node for every member. All are stopped at
// the end of the test, and checked.
func NewFederation(t testing.TB, members ...Member) *Federation {
	t.Helper()
	key, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	f := &Federation{
		Net: NewNetwork(), Registrar: key, t: t, log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		dirs: map[gateway.OIN]string{}, parties: map[gateway.OIN]gateway.Party{}, nodes: map[gateway.OIN]*node.Node{},
		ages: map[gateway.OIN]Age{},
	}
	if os.Getenv("DOORSTROOM_TEST_LOG") != "" {
		f.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, m := range members {
		f.create(m)
	}
	f.Register = f.firstRegister()
	for _, m := range members {
		f.write(m.OIN, "register.jws", f.Register)
	}
	for _, m := range members {
		f.Start(m.OIN)
	}
	t.Cleanup(f.close)
	return f
}

func (f *Federation) create(m Member) {
	f.t.Helper()
	dir := filepath.Join(f.t.TempDir(), string(m.OIN)[12:])
	plan := node.Plan{
		Party: m.OIN, Name: m.Name, Kind: m.Kind, Endpoint: "https://" + strings.ToLower(m.Name) + ".example:8443",
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@" + strings.ToLower(m.Name) + ".example"},
		Anchors: []string{f.Registrar.KID()},
	}
	for _, code := range m.Gemeenten {
		plan.Gemeenten = append(plan.Gemeenten, gateway.GemeenteFor{Code: code})
	}
	party, err := node.Create(dir, plan, time.Now())
	if err != nil {
		f.t.Fatalf("create node of %s: %v", m.Name, err)
	}
	for _, principal := range m.ActsFor {
		party.Mandates = append(party.Mandates, gateway.Mandate{
			Principal: principal, Kinds: []string{gateway.KindCapacity, gateway.KindReferral, gateway.KindHandover}, Basis: "mandaat",
		})
	}
	f.dirs[m.OIN], f.parties[m.OIN] = dir, party
	f.changeConfig(m.OIN, "every: 24h", "every: 0s") // in weeks of virtual time that would be all a test does
	if m.Policy != "" {
		f.write(m.OIN, node.PolicyFile, []byte(m.Policy))
	}
}

func (f *Federation) firstRegister() []byte {
	f.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	doc := register.New([]register.Signer{{Name: "Registerhouder", Key: f.Registrar.Public(now)}}, 1, now)
	for _, p := range f.parties {
		doc = register.Add(doc, p)
	}
	return f.sign(doc)
}

func (f *Federation) sign(doc register.Document) []byte {
	f.t.Helper()
	file, err := register.Encode(doc)
	if err != nil {
		f.t.Fatalf("encode register: %v", err)
	}
	if file, err = register.Sign(file, f.Registrar); err != nil {
		f.t.Fatalf("sign register: %v", err)
	}
	return file
}

// NextRegister signs a successor of the register with the change applied.
func (f *Federation) NextRegister(change func(*register.Document)) []byte {
	f.t.Helper()
	current, err := register.Restore(f.Register)
	if err != nil {
		f.t.Fatalf("open register: %v", err)
	}
	doc := register.NextOf(current, time.Now())
	change(&doc)
	f.Register = f.sign(doc)
	return f.Register
}

func (f *Federation) write(oin gateway.OIN, name string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dirs[oin], name), content, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// Dir is the folder of a node.
func (f *Federation) Dir(oin gateway.OIN) string { return f.dirs[oin] }

// Party is a party as it was first entered in the register.
func (f *Federation) Party(oin gateway.OIN) gateway.Party { return f.parties[oin] }

// Key is the signing key of a node, for tests that play it.
func (f *Federation) Key(oin gateway.OIN) *seal.Key {
	f.t.Helper()
	pem, err := os.ReadFile(filepath.Join(f.dirs[oin], "data", "keys", "signing.pem"))
	if err != nil {
		f.t.Fatal(err)
	}
	key, err := seal.ParseKey(pem)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

// Start starts a node that was stopped, or for the first time.
func (f *Federation) Start(oin gateway.OIN) *node.Node {
	f.t.Helper()
	path := filepath.Join(f.dirs[oin], node.ConfigFile)
	c, err := config.Load(path)
	if err != nil {
		f.t.Fatalf("load configuration: %v", err)
	}
	opt := node.Options{
		Config: c, Log: f.log, Network: f.Net.From(oin),
		Reread:  func() (config.Config, error) { return config.Load(path) },
		Schemas: f.ages[oin].Schemas, Protocols: f.ages[oin].Protocols,
	}
	n, err := node.New(context.Background(), opt)
	if err != nil {
		f.t.Fatalf("open node: %v", err)
	}
	f.Net.Watch(f.t, oin, n.Exchange.Options)
	if err := n.Start(context.Background()); err != nil {
		f.t.Fatalf("start node: %v", err)
	}
	f.nodes[oin] = n
	if f.ages[oin].Protocols != nil {
		f.Net.Attach(oin, n.Exchange) // from before journals were witnessed
	} else {
		f.Net.Attach(oin, whole{n.Exchange, n.Witness, n.Desk})
	}
	return n
}

// whole is a node as others meet it.
type whole struct {
	*exchange.Exchange
	*witness.Witness
	lettered
}

// Stop stops a node; its files stay.
func (f *Federation) Stop(oin gateway.OIN) {
	f.t.Helper()
	f.Net.Attach(oin, nil)
	if n := f.nodes[oin]; n != nil {
		delete(f.nodes, oin)
		if err := n.Stop(context.Background()); err != nil {
			f.t.Errorf("stop node: %v", err)
		}
	}
}

// LeaveAttempting puts the database of a stopped node in the state that a crash
// leaves between the record of an attempt and its answer.
func (f *Federation) LeaveAttempting(oin, peer gateway.OIN) {
	f.t.Helper()
	ctx, now := context.Background(), time.Now()
	s, err := store.Open(filepath.Join(f.dirs[oin], "data", "node.db"), store.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := s.Contact(ctx, now, peer); err != nil {
		f.t.Fatal(err)
	}
	due, err := s.Due(ctx, now, peer, 100, 1<<20, nil)
	if err != nil || len(due) == 0 {
		f.t.Fatalf("nothing to attempt: %v", err)
	}
	var sequences []uint64
	for _, o := range due {
		sequences = append(sequences, o.Sequence)
	}
	if err := s.BeginAttempt(ctx, now, peer, sequences, now); err != nil {
		f.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// Node is a running node.
func (f *Federation) Node(oin gateway.OIN) *node.Node { return f.nodes[oin] }

func (f *Federation) close() {
	for oin := range f.nodes {
		if problems := f.nodes[oin].Store.Check(context.Background()); len(problems) > 0 {
			f.t.Errorf("invariants of %s: %v", oin, problems)
		}
		f.Stop(oin)
	}
}

// Everyone is a caller with every role.
func Everyone() gateway.Caller { return gateway.Caller{Name: "test", Roles: gateway.Roles()} }

// Publish imports offers as a full export of the source "test".
func (f *Federation) Publish(oin gateway.OIN, offers ...gateway.Offer) desk.ImportReport {
	f.t.Helper()
	for i := range offers {
		offers[i].Provider = oin
	}
	report, err := f.nodes[oin].Desk.PublishCapacity(context.Background(), Everyone(),
		gateway.Import{Source: "test", Full: true, Offers: offers}, true)
	if err != nil {
		f.t.Fatalf("publish: %v", err)
	}
	return report
}

// SetConfig changes a line of a node's configuration and restarts it.
func (f *Federation) SetConfig(oin gateway.OIN, old, line string) {
	f.t.Helper()
	f.changeConfig(oin, old, line)
	f.Stop(oin)
	f.Start(oin)
}

func (f *Federation) changeConfig(oin gateway.OIN, old, line string) {
	f.t.Helper()
	path := filepath.Join(f.dirs[oin], node.ConfigFile)
	file, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(file), old) {
		f.t.Fatalf("no %q in the configuration: %v", old, err)
	}
	f.write(oin, node.ConfigFile, []byte(strings.Replace(string(file), old, line, 1)))
}

// SetPolicy writes a policy and reloads it.
func (f *Federation) SetPolicy(oin gateway.OIN, policy string) error {
	f.t.Helper()
	f.write(oin, node.PolicyFile, []byte(policy))
	_, err := f.nodes[oin].Desk.Reload(context.Background(), Everyone())
	return err
}

// Received is what a node holds of a sender, by offer id.
func (f *Federation) Received(oin, sender gateway.OIN) map[string]gateway.Capacity {
	f.t.Helper()
	offers, err := f.nodes[oin].Store.ReceivedOffers(context.Background())
	if err != nil {
		f.t.Fatalf("received offers: %v", err)
	}
	got := map[string]gateway.Capacity{}
	for _, o := range offers {
		if o.Sender == sender {
			got[o.Capacity.Offer] = o.Capacity
		}
	}
	return got
}

// Settled waits until nothing waits anywhere, at most for so long.
func (f *Federation) Settled(within time.Duration) {
	f.t.Helper()
	deadline := time.Now().Add(within)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, max(20*time.Millisecond, within/100)) {
		waiting := f.waiting()
		if waiting == "" {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("still waiting after %v: %s", within, waiting)
		}
		time.Sleep(pause)
	}
}

func (f *Federation) waiting() string {
	var waiting []string
	for oin, n := range f.nodes {
		peers, err := n.Store.Peers(context.Background())
		if err != nil {
			f.t.Fatalf("peers: %v", err)
		}
		for _, p := range peers {
			if p.Queued > 0 {
				waiting = append(waiting, fmt.Sprintf("%s→%s %d (%s)", oin, p.OIN, p.Queued, p.Reason))
			}
		}
	}
	slices.Sort(waiting)
	return strings.Join(waiting, ", ")
}

// Converged checks that every node holds exactly what every other shows it.
func (f *Federation) Converged() {
	f.t.Helper()
	ctx := context.Background()
	for from, a := range f.nodes {
		for to, b := range f.nodes {
			if from == to {
				continue
			}
			shown, _, err := a.Store.ShownDigest(ctx, to)
			if err != nil {
				f.t.Fatalf("shown digest: %v", err)
			}
			holds, err := b.Store.Holds(ctx, from)
			if err != nil {
				f.t.Fatalf("holds: %v", err)
			}
			if shown != holds {
				f.t.Errorf("%s shows %s %d offers, which holds %d others", from, to, shown.Count, holds.Count)
			}
		}
	}
}

// Journal is a node's whole journal.
func (f *Federation) Journal(oin gateway.OIN) []store.JournalRecord {
	f.t.Helper()
	records, err := f.nodes[oin].Store.Journal(context.Background(), 0, 1_000_000)
	if err != nil {
		f.t.Fatalf("journal: %v", err)
	}
	return records
}

// Dump is a value as indented JSON, for comparing and for messages.
func Dump(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}
