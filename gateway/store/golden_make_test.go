package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

var writeGolden = flag.Bool("golden", false, "write the golden database of the present format to testdata")

// goldenKey is the secret of the vault of golden databases.
func goldenKey() []byte { return bytes.Repeat([]byte{9}, vault.NodeKeySize) }

// goldenFiles are those of a golden database; a format that has no vault lacks the
// last two.
func goldenFiles(format int) (db, text, keys, erased string) {
	base := fmt.Sprintf("testdata/format-%d", format)
	return base + ".db.gz", base + ".txt", base + ".keys", vault.ListPath(base + ".keys")
}

// TestMakeGolden has a node live through all that the present format can hold. With
// -golden the database that it leaves becomes that of testdata, where no format is
// ever made anew:
//
//	go test ./gateway/store -run '^TestMakeGolden$' -golden
func TestMakeGolden(t *testing.T) {
	db, text, keys, erased := goldenFiles(store.Format)
	if _, err := os.Stat(db); *writeGolden && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %s, want that there is none: golden databases are for good", db)
	}
	s := makeGolden(t)
	rows := get(s.Rows(ctx))(t)
	for _, name := range storeTables(t) {
		if rows[name] == 0 && name != "doomed" { // has rows between two steps of an erasure only
			t.Errorf("table %s is empty, want a row at least", name)
		}
	}
	want := goldenContents(t, s.Store)
	s.reopen(t)
	s.sound(t)
	if got := goldenContents(t, s.Store); got != want {
		t.Error("what is told of the database is otherwise once it is opened again")
	}
	must(t, s.Close())
	var packed bytes.Buffer
	w := get(gzip.NewWriterLevel(&packed, gzip.BestCompression))(t)
	get(w.Write(get(os.ReadFile(s.path))(t)))(t)
	must(t, w.Close())
	if packed.Len() > 220<<10 {
		t.Errorf("got %d bytes, want less than 220 KB", packed.Len())
	}
	if !*writeGolden || t.Failed() {
		return
	}
	vaultPath := s.path + ".keys"
	for name, content := range map[string][]byte{
		db: packed.Bytes(), text: []byte(want), keys: get(os.ReadFile(vaultPath))(t), erased: get(os.ReadFile(vault.ListPath(vaultPath)))(t),
	} {
		must(t, os.WriteFile(name, content, 0o644))
	}
}

// golden is a node that refers to peerA, whose own node is there too, and is
// referred to by peerB. To peerB and peerC nothing is delivered but by hand.
type golden struct {
	*region
	t *testing.T
	s *testStore
}

func makeGolden(t *testing.T) *testStore {
	path := filepath.Join(t.TempDir(), "node.db")
	v := get(vault.Open(path+".keys", goldenKey(), vault.Options{}))(t)
	n := &node{testStore: &testStore{path: path, opt: store.Options{NoSync: true, Vault: v, Traced: func(id [16]byte) bool { return id[15]&1 == 0 }, Queued: func(context.Context, []store.Queued) {}}}, oin: self}
	n.reopen(t)
	t.Cleanup(func() { _ = n.Close(); _ = v.Close() })
	r := &region{referrer: n, provider: newNode(t, peerA, store.Options{NoSync: true}), now: start()}
	r.offer(t, green(15))
	g := &golden{region: r, t: t, s: n.testStore}
	for _, chapter := range []func(){
		g.settings, g.offers, g.received, g.restored, g.deliveries, g.losses, g.refers, g.provides, g.places, g.rights, g.erases, g.troubles, g.staff,
		g.witnesses, g.closes,
	} {
		chapter()
		g.now = g.now.Add(7 * time.Minute)
		r.sound(t)
	}
	return g.s
}

func (g *golden) entry(kind string) journal.Entry {
	return journal.Entry{
		Kind: kind, Caller: "c1", Party: peerB, Rules: []string{"r1"}, Fields: []gateway.Field{"offer.title"}, Count: 2, Outcome: "x", Policy: "p1",
	}
}

// settings are registers, policies and what waits to be one.
func (g *golden) settings() {
	t, s := g.t, g.s
	must(t, s.SaveRegister(ctx, g.now, [][]byte{[]byte("register 1"), []byte("register 2")}, 2, g.entry(journal.KindRegisterInstalled)))
	must(t, s.SaveRegister(ctx, g.now, [][]byte{[]byte("register 3")}, 3, g.entry(journal.KindRegisterInstalled)))
	for _, version := range []string{"p1", "p2", "p3"} {
		get(s.EnforcePolicy(ctx, g.now, store.PolicyRecord{
			Version: version, Caller: "c1", Files: []store.PolicyFile{{Name: "policy.yaml", Data: []byte("rules of " + version)}},
			Approval: store.PolicyApproval{Mode: "two-person", Author: "a", Approver: "b", Approvers: []byte("who may"), Signed: []byte("signed"), Expectations: "e1"},
		}, g.entry("policy")))(t)
	}
	must(t, s.SetPlanned(ctx, g.now, store.Planned{Rules: "p3 3 2026-11-02", Next: g.now.Add(time.Hour)}))
	for _, peer := range []gateway.OIN{peerB, peerC} {
		get(s.SaveHello(ctx, g.now, peer, gateway.Hello{
			Issuer: peer, Audience: self, Time: g.now, Protocol: []int{1, 2}, Kinds: []string{gateway.KindCapacity, gateway.KindReferral},
			CodeLists: map[string]string{"werksoort": "2026.1"}, Register: 3, Incarnation: 7, Holds: gateway.StateDigest{Count: 1, Digest: "abc"},
		}))(t)
	}
}

// own is an offer of this node with a sample.
func (g *golden) own(id string, places int) store.OwnOffer {
	o := green(places)
	o.ID, o.Provider, o.Updated = id, self, g.now
	sample := gateway.Sample{
		At: g.now, Status: "ruim", Places: map[gateway.Dagdeel]int{"di-ochtend": places}, Allotments: map[string]map[gateway.Dagdeel]int{"alblasserdam": {"di-ochtend": 1}},
	}
	return store.OwnOffer{Offer: o, Source: "export", Problem: "rij 4: mist een datum", Changed: g.now, Sampling: gateway.Sampling{Current: sample, Previous: &sample}}
}

// offers are own ones, published and gone, and imports.
func (g *golden) offers() {
	t, s := g.t, g.s
	p := store.Publication{Import: &store.ImportState{Source: "export", At: g.now, Offers: 8, Changed: 8, Taken: []string{"d1"}}, Policy: "p3", Journal: []journal.Entry{g.entry(journal.KindImport)}}
	for i := range 8 {
		o := g.own(fmt.Sprint("o", i), 15)
		p.Put = append(p.Put, o)
		for _, peer := range []gateway.OIN{peerA, peerB, peerC} {
			p.Sends = append(p.Sends, capacity(peer, o.Offer.ID, o.Offer.Title))
		}
	}
	must(t, s.Publish(ctx, g.now, p))
	must(t, s.Publish(ctx, g.now, store.Publication{Delete: []string{"o4"}, Sends: []store.Send{withdrawal(peerB, "o4"), withdrawal(peerC, "o4"), state(peerC)}}))
	must(t, s.SaveImport(ctx, g.now, store.ImportState{
		Source: "held", At: g.now, Bad: 1, Problems: []gateway.RowProblem{{Line: 2, Message: "mist een datum"}},
		Held: &store.HeldImport{At: g.now, Import: gateway.Import{Source: "held", Full: true}, Vanished: []string{"o1"}},
	}, []journal.Entry{g.entry(journal.KindImportHeld)}))
}

// received are messages of others, of every outcome.
func (g *golden) received() {
	t, s := g.t, g.s
	refused, unsupported := inbound(peerB, "o2", 2, "b"), inbound(peerB, "o3", 3, "c")
	refused.Outcome, refused.Reason = gateway.Refused, gateway.ReasonSchema
	unsupported.Outcome, unsupported.Reason = gateway.Unsupported, gateway.ReasonSchema
	subjects := inbound(peerC, "state", 9, "x")
	subjects.Message.Kind, subjects.Effect = gateway.KindCapacityState, store.Effect{State: []string{"o1", "o2"}}
	for _, in := range [][]store.Inbound{
		{inbound(peerB, "o1", 1, "wasserij"), refused, unsupported, inbound(peerB, "o5", 5, "groen"), inbound(peerB, "o5", 6, ""), inbound(peerB, "o1", 4, "was")},
		{inbound(peerC, "o1", 7, "hout"), inbound(peerC, "o8", 8, "metaal"), subjects},
	} {
		get(s.Accept(ctx, g.now, self, in[0].Message.Source, in))(t)
	}
	get(s.Checkpoint(ctx, g.now, signHead))(t)
}

// restored is put back from a backup once, and has made up for it with peerA.
func (g *golden) restored() {
	t := g.t
	sealed := sealing(t)
	sealed.OpenCheckpoint = openHead
	get(g.s.Backup(ctx, g.now, filepath.Join(t.TempDir(), "backup"), sealed))(t)
	content := g.referrer.backup(t)
	must(t, g.s.Append(ctx, g.now, g.entry("lost")))
	get(g.s.Checkpoint(ctx, g.now, signHead))(t)
	g.now = g.now.Add(time.Hour)
	g.referrer.putBack(t, content, g.now)
	g.greet(t)
}

// deliveries end in every way there is, and some do not.
func (g *golden) deliveries() {
	t, s := g.t, g.s
	var all []store.Send
	for i := range 8 {
		all = append(all, capacity(peerB, fmt.Sprint("o", i), "groen, later"), capacity(peerC, fmt.Sprint("o", i), "groen, later"))
	}
	publish(t, s, g.now, all...)
	deliver(t, s, g.now, peerB, 3, gateway.Received)
	deliver(t, s, g.now, peerB, 1, gateway.Refused)
	deliver(t, s, g.now, peerB, 1, gateway.Superseded)
	deliver(t, s, g.now, peerB, 2, gateway.Unsupported)
	deliver(t, s, g.now, peerB, 1, gateway.RetryLater)
	waits := due(t, s, g.now, peerC)
	must(t, s.BeginAttempt(ctx, g.now, peerC, sequences(waits[:3]), g.now.Add(time.Minute)))
	must(t, s.AttemptFailed(ctx, g.now, peerC, sequences(waits[:2]), "timeout", g.now.Add(time.Hour)))
	must(t, s.Owe(ctx, g.now, peerC))
}
