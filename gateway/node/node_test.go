package node_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// TestMain lets more tests run at once than there are processors: they wait, in
// real time, for files to come to rest.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// site is the folder of one node, with listeners on this machine and one other
// party in its register that is never reached.
type site struct {
	dir       string
	peerDir   string
	own, peer gateway.Party
	registrar *seal.Key
	config    config.Config
	log       *logs
}

// newSite lays out a node. Each change is made in its configuration file: old
// text, new text.
func newSite(t *testing.T, changes ...[2]string) *site {
	t.Helper()
	registrar, err := seal.GenerateKey()
	must(t, err)
	dir := t.TempDir()
	s := &site{dir: filepath.Join(dir, "smile"), peerDir: filepath.Join(dir, "peer"), registrar: registrar, log: &logs{}}
	contact := gateway.Functional{Name: "Servicepunt", Email: "servicepunt@smile.example"}
	s.own, err = node.Create(s.dir, node.Plan{
		Party: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf, Endpoint: "https://127.0.0.1:1", Contact: contact,
		Listen:  config.Listen{Peers: gt.FreeAddress(t), Public: gt.FreeAddress(t), Ops: gt.FreeAddress(t)},
		Anchors: []string{registrar.KID()},
	}, time.Now())
	must(t, err)
	s.peer, err = node.Create(s.peerDir, node.Plan{
		Party: gt.Dordrecht, Name: "Dordrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.GemeenteFor{{Code: "gm0505"}},
		Endpoint: "https://127.0.0.1:1", Contact: contact, Anchors: []string{registrar.KID()},
	}, time.Now())
	must(t, err)
	for _, change := range changes {
		s.edit(t, node.ConfigFile, change[0], change[1])
	}
	s.load(t)
	must(t, os.WriteFile(s.config.Register.File, s.firstRegister(t), 0o600))
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

func (s *site) load(t *testing.T) {
	t.Helper()
	var err error
	s.config, err = config.Load(s.file(node.ConfigFile))
	must(t, err)
}

// edit changes text that a file must contain.
func (s *site) edit(t *testing.T, name, old, new string) {
	t.Helper()
	text, err := os.ReadFile(s.file(name))
	must(t, err)
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %q", name, old)
	}
	must(t, os.WriteFile(s.file(name), bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o600))
}

func (s *site) firstRegister(t *testing.T) []byte {
	t.Helper()
	now := time.Now()
	doc := register.New([]register.Signer{{Name: "Registerhouder", Key: s.registrar.Public(now.UTC().Truncate(time.Second))}}, 1, now)
	return s.sign(t, register.Add(register.Add(doc, s.own), s.peer))
}

// nextRegister is a successor of a register without the other party.
func (s *site) nextRegister(t *testing.T, file []byte) []byte {
	t.Helper()
	current, err := register.Restore(file)
	must(t, err)
	return s.sign(t, register.Remove(register.NextOf(current, time.Now()), s.peer.OIN))
}

func (s *site) sign(t *testing.T, doc register.Document) []byte {
	t.Helper()
	file, err := register.Encode(doc)
	must(t, err)
	file, err = register.Sign(file, s.registrar)
	must(t, err)
	return file
}

func (s *site) options() node.Options {
	return node.Options{
		Config: s.config, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Reread: func() (config.Config, error) { return config.Load(s.file(node.ConfigFile)) },
	}
}

// open is a node that has not been started.
func (s *site) open(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.New(t.Context(), s.options())
	must(t, err)
	t.Cleanup(func() { must(t, n.Stop(context.Background())) })
	return n
}

func (s *site) start(t *testing.T) *node.Node {
	t.Helper()
	n := s.open(t)
	must(t, n.Start(t.Context()))
	return n
}

// local is a client with the token of the file in the folder.
func (s *site) local(t *testing.T) *rest.LocalClient {
	t.Helper()
	token, err := node.ReadToken(s.file(node.TokenFile))
	must(t, err)
	client := rest.NewLocalClient(s.config.Local.Socket, token)
	t.Cleanup(client.Close)
	return client
}

// journaled counts the entries of a kind.
func journaled(t *testing.T, n *node.Node, kind string) (count int) {
	t.Helper()
	records, err := n.Store.Journal(t.Context(), 0, 1_000_000)
	must(t, err)
	for _, r := range records {
		if r.Kind == kind {
			count++
		}
	}
	return count
}

// within waits for something that must happen.
func within(t *testing.T, limit time.Duration, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !happened(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError wants an error of a kind whose message has all the words.
func wantError(t *testing.T, err error, kind gateway.Kind, words ...string) {
	t.Helper()
	if err == nil || gateway.KindOf(err) != kind {
		t.Errorf("got error %v of kind %v, want kind %v", err, gateway.KindOf(err), kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(gateway.SafeMessage(err), w) {
			t.Errorf("got message %q, want it to say %q", gateway.SafeMessage(err), w)
		}
	}
}

// logs is what a node logs.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestCreate(t *testing.T) {
	t.Parallel()
	plan := node.Plan{
		Party: gt.Smile, Name: "Smile", Kind: gateway.Verwijzer, Endpoint: "https://smile.example",
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@smile.example"}, Anchors: []string{"anchor"},
	}
	dir := filepath.Join(t.TempDir(), "smile")
	for name, wrong := range map[string]node.Plan{
		"kind":  {Party: gt.Smile, Name: "Smile", Kind: "club", Anchors: []string{"anchor"}},
		"party": {Party: "123", Name: "Smile", Kind: gateway.Verwijzer, Anchors: []string{"anchor"}},
		"name":  {Party: gt.Smile, Kind: gateway.Verwijzer, Anchors: []string{"anchor"}},
	} {
		if _, err := node.Create(dir, wrong, time.Now()); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("wrong %s: got %v, want Invalid", name, err)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("wrong %s: something was left behind", name)
		}
	}
	_, err := node.Create(dir, plan, time.Now())
	must(t, err)
	if _, err := config.Load(filepath.Join(dir, node.ConfigFile)); err != nil {
		t.Errorf("the configuration cannot be loaded: %v", err)
	}
	if policy, err := os.ReadFile(filepath.Join(dir, node.PolicyFile)); err != nil || !bytes.Contains(policy, []byte("policy: verwijzer")) {
		t.Errorf("got policy %.30q and %v, want that of a verwijzer", policy, err)
	}
	before := listing(t, dir)
	_, err = node.Create(dir, plan, time.Now())
	wantError(t, err, gateway.Conflict, "a node in this folder")
	if after := listing(t, dir); after != before {
		t.Errorf("got %s, want it untouched: %s", after, before)
	}
}

// listing is the names and contents of a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %s\n", path, gateway.Hash(content))
		return err
	}))
	return b.String()
}

// A clock that was set back is told in the status as long as it is, and
// journaled once each time.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		n := gt.NewFederation(t, gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf}).Node(gt.Smile)
		for times := range 2 {
			ahead := time.Now().Add(3 * time.Hour)
			must(t, n.Store.Append(t.Context(), ahead, journal.Entry{Time: ahead, Kind: journal.KindStart}))
			time.Sleep(time.Hour)
			status, err := n.Desk.Status(t.Context(), gt.Everyone())
			must(t, err)
			if status.ClockBehind != 2*time.Hour || !strings.Contains(strings.Join(status.Alarms, "\n"), "klok") {
				t.Errorf("got %v behind with alarms %q, want two hours and an alarm", status.ClockBehind, status.Alarms)
			}
			if _, err := n.Store.Purge(t.Context(), time.Now()); gateway.KindOf(err) != gateway.Unavailable {
				t.Errorf("purge: got %v, want that it waits for the clock", err)
			}
			time.Sleep(3 * time.Hour)
			status, err = n.Desk.Status(t.Context(), gt.Everyone())
			must(t, err)
			if status.ClockBehind != 0 {
				t.Errorf("got %v behind, want that the clock is right again", status.ClockBehind)
			}
			if got := journaled(t, n, journal.KindClockAlarm); got != times+1 {
				t.Errorf("got %d alarms in the journal, want %d", got, times+1)
			}
		}
	})
}

// A node whose clock was once ahead says what to do about it.
func TestClockThatWasAhead(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		n := gt.NewFederation(t, gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf}).Node(gt.Smile)
		for _, c := range []struct {
			ahead time.Duration
			alarm string
			do    string
		}{
			{gateway.ClockLost, "teruggezet", "set the clock right"},
			{gateway.ClockLost + time.Hour, "ver voor op de klok", "--trust-clock"},
		} {
			ahead := time.Now().Add(c.ahead)
			must(t, n.Store.Append(t.Context(), ahead, journal.Entry{Time: ahead, Kind: journal.KindStart}))
			status, err := n.Desk.Status(t.Context(), gt.Everyone())
			must(t, err)
			if got := strings.Join(status.Alarms, "; "); !strings.Contains(got, c.alarm) {
				t.Errorf("%v ahead: got alarms %q, want %q", c.ahead, got, c.alarm)
			}
			findings, err := n.Desk.Doctor(t.Context(), gt.Everyone())
			must(t, err)
			for _, f := range findings {
				if f.Check == "clock" && (f.Level != desk.LevelError || !strings.Contains(f.Do, c.do)) {
					t.Errorf("%v ahead: got %+v, want %q", c.ahead, f, c.do)
				}
			}
		}
	})
}

func TestClockThatIsRight(t *testing.T) {
	t.Parallel()
	n := newSite(t).start(t)
	status, err := n.Desk.Status(t.Context(), gt.Everyone())
	must(t, err)
	if status.ClockBehind != 0 || len(status.Alarms) != 0 || journaled(t, n, journal.KindClockAlarm) != 0 {
		t.Errorf("got %v behind with alarms %q, want none", status.ClockBehind, status.Alarms)
	}
}
