package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	self  = gateway.OIN("00000099000000001000")
	peerA = gateway.OIN("00000099000000002000")
	peerB = gateway.OIN("00000099000000003000")
)

var ctx = context.Background()

// start is when the tests begin.
func start() time.Time { return time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC) }

// testStore is a store that a test can close and open again from its file.
type testStore struct {
	*store.Store
	path string
	opt  store.Options
}

func open(t testing.TB, opt store.Options) *testStore {
	t.Helper()
	s := &testStore{path: filepath.Join(t.TempDir(), "node.db"), opt: opt}
	s.reopen(t)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *testStore) reopen(t rapid.TB) {
	t.Helper()
	if s.Store != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := store.Open(s.path, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	s.Store = opened
}

func (s *testStore) sound(t rapid.TB) {
	t.Helper()
	for _, problem := range s.Check(ctx) {
		t.Errorf("check: %s", problem)
	}
	if t.Failed() {
		t.FailNow()
	}
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get gives the value of a call that must not fail: get(call())(t).
func get[T any](value T, err error) func(rapid.TB) T {
	return func(t rapid.TB) T {
		t.Helper()
		must(t, err)
		return value
	}
}

// wantKind fails the test unless err is of a kind.
func wantKind(t rapid.TB, err error, want gateway.Kind) {
	t.Helper()
	if err == nil || gateway.KindOf(err) != want {
		t.Fatalf("got %v, want an error of kind %d", err, want)
	}
}

// capacity is a message to queue about an offer with a title.
func capacity(to gateway.OIN, offer, title string) store.Send {
	data, hash := gateway.Capacity{Offer: offer, Provider: self, Title: title, Withdrawn: title == ""}.Encode()
	return store.Send{
		Recipients: []gateway.OIN{to}, Kind: gateway.KindCapacity, Subject: offer, Data: data, Hash: hash, Withdrawal: title == "",
		Basis: store.Basis{Policy: "p1", Register: 3, Day: "2026-11-02", Rules: []string{"r1"}},
	}
}

func withdrawal(to gateway.OIN, offer string) store.Send { return capacity(to, offer, "") }

func state(to gateway.OIN) store.Send {
	data := []byte(`{"subjects":[]}`)
	return store.Send{Recipients: []gateway.OIN{to}, Kind: gateway.KindCapacityState, Subject: "state", Data: data, Hash: gateway.Hash(data)}
}

func publish(t rapid.TB, s *testStore, now time.Time, sends ...store.Send) {
	t.Helper()
	must(t, s.Publish(ctx, now, store.Publication{Sends: sends}))
}

func due(t rapid.TB, s *testStore, now time.Time, peer gateway.OIN) []store.Outgoing {
	t.Helper()
	return get(s.Due(ctx, now, peer, 100, 1<<20, nil))(t)
}

func sequences(out []store.Outgoing) (all []uint64) {
	for _, o := range out {
		all = append(all, o.Sequence)
	}
	return all
}

// digestOf stands for the digest of the signed payload of a message.
func digestOf(sequence uint64) string { return gateway.Hash(fmt.Appendf(nil, "payload %d", sequence)) }

func settlement(peer gateway.OIN, sequence uint64, outcome gateway.Outcome) store.Settlement {
	return store.Settlement{
		Sequence: sequence, Digest: digestOf(sequence), Event: gateway.EventOf(outcome),
		Item: gateway.ReceiptItem{Sender: self, Recipient: peer, ID: fmt.Sprint(sequence), Digest: digestOf(sequence), Outcome: outcome},
	}
}

// deliver attempts what is due to a peer and settles it with one outcome.
func deliver(t rapid.TB, s *testStore, now time.Time, peer gateway.OIN, limit int, outcome gateway.Outcome) []store.Outgoing {
	t.Helper()
	out := get(s.Due(ctx, now, peer, limit, 1<<20, nil))(t)
	must(t, s.BeginAttempt(ctx, now, peer, sequences(out), now.Add(time.Minute)))
	var all []store.Settlement
	for _, o := range out {
		all = append(all, settlement(peer, o.Sequence, outcome))
	}
	must(t, s.Settle(ctx, now, peer, all, "head", time.Time{}, nil))
	return out
}

func TestOpenCreatesAndKeeps(t *testing.T) {
	s := open(t, store.Options{})
	if got := s.Incarnation(); got < uint64(start().Unix()) {
		t.Errorf("incarnation: got %d, want the time of its making", got)
	}
	publish(t, s, start(), capacity(peerA, "o1", "a"))
	s.reopen(t)
	if got := len(due(t, s, start(), peerA)); got != 1 {
		t.Errorf("messages after reopening: got %d, want 1", got)
	}
	s.sound(t)
}

func TestOpenTwiceIsUnavailable(t *testing.T) {
	s := open(t, store.Options{})
	_, err := store.Open(s.path, store.Options{LockTimeout: 10 * time.Millisecond})
	wantKind(t, err, gateway.Unavailable)
}

func TestOpenRefusesALaterFormat(t *testing.T) {
	s := open(t, store.Options{})
	must(t, s.SetFormat(ctx, store.Format+1))
	must(t, s.Close())
	_, err := store.Open(s.path, store.Options{})
	if !errors.Is(err, store.ErrFormat) || !strings.Contains(gateway.SafeMessage(err), fmt.Sprint("format ", store.Format+1)) {
		t.Errorf("got %v, want ErrFormat that names the format", err)
	}
}

func TestOpenCreatesWholeOrNot(t *testing.T) {
	s := open(t, store.Options{})
	if matches := get(filepath.Glob(s.path + ".*"))(t); len(matches) > 0 {
		t.Errorf("left behind: %v", matches)
	}
	_, err := store.Open(filepath.Join(t.TempDir(), "missing", "node.db"), store.Options{})
	wantKind(t, err, gateway.Internal)
}

func TestClosedIsUnavailable(t *testing.T) {
	s := open(t, store.Options{})
	must(t, s.Close())
	wantKind(t, s.Append(ctx, start(), journal.Entry{Kind: "x"}), gateway.Unavailable)
	_, err := s.Peers(ctx)
	wantKind(t, err, gateway.Unavailable)
}

func TestEffectiveTimeNeverRunsBack(t *testing.T) {
	s := open(t, store.Options{})
	must(t, s.Append(ctx, start(), journal.Entry{Kind: "x"}))
	for range 2 {
		if got := s.EffectiveTime(start().Add(-time.Hour)); !got.Equal(start()) {
			t.Errorf("an hour back: got %v, want %v", got, start())
		}
		if got, want := s.EffectiveTime(start().Add(time.Hour)), start().Add(time.Hour); !got.Equal(want) {
			t.Errorf("an hour on: got %v, want %v", got, want)
		}
		s.reopen(t)
	}
	must(t, s.Append(ctx, start().Add(-time.Hour), journal.Entry{Kind: "y"}))
	if got := get(s.Journal(ctx, 1, 1))(t)[0].Time; !got.Equal(start()) {
		t.Errorf("time of an entry written with the clock back: got %v, want %v", got, start())
	}
}

func TestRestoredRaisesTheIncarnation(t *testing.T) {
	s := open(t, store.Options{})
	before := s.Incarnation()
	raised := get(s.Restored(ctx, start(), store.Restoration{}))(t)
	if raised <= before || s.Incarnation() != raised {
		t.Errorf("got %d and %d, want more than %d", raised, s.Incarnation(), before)
	}
	s.reopen(t)
	if got := s.Incarnation(); got != raised {
		t.Errorf("after reopening: got %d, want %d", got, raised)
	}
	if again := get(s.Restored(ctx, start(), store.Restoration{}))(t); again <= raised {
		t.Errorf("a second time: got %d, want more than %d", again, raised)
	}
	if got := get(s.Journal(ctx, 0, 9))(t); len(got) != 2 || got[0].Kind != journal.KindRestore {
		t.Errorf("journal: got %v, want two restores", got)
	}
}

func TestOwnOffers(t *testing.T) {
	s := open(t, store.Options{})
	offer := func(id string) store.OwnOffer {
		return store.OwnOffer{Offer: gateway.Offer{ID: id, Provider: self}, Source: "export", Changed: start()}
	}
	must(t, s.Publish(ctx, start(), store.Publication{
		Put: []store.OwnOffer{offer("b"), offer("a"), offer("c")}, Policy: "p1",
		Import:  &store.ImportState{Source: "export", At: start(), Offers: 3},
		Journal: []journal.Entry{{Kind: journal.KindImport, Count: 3}},
	}))
	must(t, s.Publish(ctx, start(), store.Publication{Delete: []string{"b"}}))
	got := get(s.OwnOffers(ctx))(t)
	if want := []store.OwnOffer{offer("a"), offer("c")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	one, ok, err := s.OwnOffer(ctx, "c")
	if err != nil || !ok || !reflect.DeepEqual(one, offer("c")) {
		t.Errorf("got %+v, %t and %v, want %+v", one, ok, err, offer("c"))
	}
	if _, ok, err := s.OwnOffer(ctx, "b"); err != nil || ok {
		t.Errorf("a deleted offer: got %t and %v, want false", ok, err)
	}
	if got := get(s.Policy(ctx))(t); got != "p1" {
		t.Errorf("policy: got %q, want p1", got)
	}
	if state, ok, err := s.ImportState(ctx, "export"); err != nil || !ok || state.Offers != 3 {
		t.Errorf("import: got %+v, %t and %v, want 3 offers", state, ok, err)
	}
}

func TestImportsAreKept(t *testing.T) {
	s := open(t, store.Options{})
	want := store.ImportState{
		Source: "b", At: start(), Bad: 1, Problems: []gateway.RowProblem{{Line: 2, Message: "mist een datum"}},
		Held: &store.HeldImport{At: start(), Import: gateway.Import{Source: "b", Full: true}, Vanished: []string{"o1"}},
	}
	must(t, s.SaveImport(ctx, start(), want, []journal.Entry{{Kind: journal.KindImportHeld, Count: 1}}))
	must(t, s.SaveImport(ctx, start(), store.ImportState{Source: "a"}, nil))
	got := get(s.ImportStates(ctx))(t)
	if len(got) != 2 || got[0].Source != "a" || !reflect.DeepEqual(got[1], want) {
		t.Errorf("got %+v, want a and %+v", got, want)
	}
	if _, ok, err := s.ImportState(ctx, "c"); ok || err != nil {
		t.Errorf("an unknown source: got %t and %v, want false", ok, err)
	}
}

func TestRegisterNeverGoesBack(t *testing.T) {
	s := open(t, store.Options{})
	if got := get(s.Register(ctx))(t); got != nil {
		t.Errorf("before the first: got %q, want nothing", got)
	}
	entry := journal.Entry{Kind: journal.KindRegisterInstalled}
	must(t, s.SaveRegister(ctx, start(), [][]byte{[]byte("two")}, 2, entry))
	wantKind(t, s.SaveRegister(ctx, start(), [][]byte{[]byte("one")}, 1, entry), gateway.Conflict)
	must(t, s.SaveRegister(ctx, start(), [][]byte{[]byte("three"), []byte("four")}, 4, entry))
	if got := string(get(s.Register(ctx))(t)); got != "four" {
		t.Errorf("got %q, want four", got)
	}
	for version, want := range []string{"", "", "two", "three", "four", ""} {
		if got := get(s.RegisterVersion(ctx, uint64(version)))(t); string(got) != want || (got == nil) != (want == "") {
			t.Errorf("version %d: got %q, want %q", version, got, want)
		}
	}
	if got := get(s.JournalSize(ctx))(t); got != 2 {
		t.Errorf("journal: got %d entries, want 2", got)
	}
}

func TestCorruptRecordIsNamed(t *testing.T) {
	s := open(t, store.Options{})
	must(t, s.Publish(ctx, start(), store.Publication{
		Put: []store.OwnOffer{{Offer: gateway.Offer{ID: "o1", Title: "wasserij"}}},
	}))
	must(t, s.Close())
	flip(t, s.path, "own", "o1")
	s.Store = get(store.Open(s.path, s.opt))(t)
	_, err := s.OwnOffers(ctx)
	if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(gateway.SafeMessage(err), "table own") {
		t.Errorf("got %v, want ErrCorrupt that names the table", err)
	}
	if !strings.Contains(gateway.SafeMessage(err), "restore") {
		t.Errorf("got %q, want a hint to restore", gateway.SafeMessage(err))
	}
	if got := s.Check(ctx); len(got) == 0 {
		t.Error("check: got no problem, want one")
	}
}

// flip changes one bit of a value behind the store's back.
func flip(t *testing.T, path, bucket, key string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		value := append([]byte{}, b.Get([]byte(key))...)
		value[len(value)/2] ^= 1
		return b.Put([]byte(key), value)
	}))
}

func TestCommitted(t *testing.T) {
	var told []store.Commit
	broken := errors.New("no")
	fail := false
	s := open(t, store.Options{Committed: func(c store.Commit) { told = append(told, c) }, Fault: func(string) error {
		if fail {
			return broken
		}
		return nil
	}})
	told = nil // of making the database
	if err := s.Append(ctx, start(), journal.Entry{Kind: journal.KindStart}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Journal(ctx, 0, 1); err != nil {
		t.Fatal(err)
	}
	fail = true
	if err := s.Append(ctx, start(), journal.Entry{Kind: journal.KindStart}); !errors.Is(err, broken) {
		t.Fatalf("got %v, want the fault", err)
	}
	if len(told) != 1 || told[0].Operations != 1 || told[0].Took <= 0 {
		t.Errorf("got %+v, want to be told of the one transaction that was written", told)
	}
}

func TestUsageTellsOfDamage(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	must(t, s.Append(ctx, start(), journal.Entry{Kind: journal.KindStart}))
	if s.Usage().Broken {
		t.Fatal("a good database is told of as broken")
	}
	must(t, s.Close())
	flip(t, s.path, "meta", "journal-size")
	s.Store = get(store.Open(s.path, s.opt))(t)
	if err := s.Append(ctx, start(), journal.Entry{Kind: journal.KindStop}); !errors.Is(err, store.ErrCorrupt) || !s.Usage().Broken {
		t.Errorf("got %v and %+v, want that it is damaged", err, s.Usage())
	}
}

// A hello that was read once is not taken for the one that came after it.
func TestHelloIsTheLast(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	for register := range uint64(3) {
		for _, peer := range []gateway.OIN{peerA, peerB} {
			get(s.SaveHello(ctx, start(), peer, gateway.Hello{Issuer: peer, Register: register, CodeLists: map[string]string{"a": "1"}}))(t)
		}
		for range 2 {
			if got := get(s.Peer(ctx, peerA))(t).Hello; got == nil || got.Issuer != peerA || got.Register != register {
				t.Errorf("got %+v, want that of register %d", got, register)
			}
			var seen []gateway.OIN
			must(t, s.EachHello(ctx, func(peer gateway.OIN, hello *gateway.Hello) {
				if seen = append(seen, peer); hello.Issuer != peer || hello.Register != register {
					t.Errorf("got %+v, want that of %s and register %d", hello, peer, register)
				}
			}))
			if !slices.Equal(seen, []gateway.OIN{peerA, peerB}) {
				t.Errorf("got %v, want both", seen)
			}
		}
	}
}
