package store_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

// TestGoldenFormats opens a database of every released format, as the program of
// its day wrote it, and finds in it all that was there. The database is never
// made anew: testdata/format-N.txt says what it holds, one thing on a line.
func TestGoldenFormats(t *testing.T) {
	for format := 1; format <= store.Format; format++ {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			s := openGolden(t, format, store.Options{NoSync: true})
			for range 2 { // as migrated, and as opened again
				s.sound(t)
				report := get(s.VerifyJournal(ctx, openHead))(t)
				if report.Size == 0 || report.Checkpoints == 0 {
					t.Errorf("journal: got %+v, want entries and checkpoints", report)
				}
				compareGolden(t, s, format)
				s.reopen(t)
			}
			// And it goes on from there.
			publish(t, s, start().Add(40*24*time.Hour), capacity(peerA, "o1", "later"), withdrawal(peerB, "o1"))
			get(s.Accept(ctx, start(), self, peerA, []store.Inbound{inbound(peerA, "new", 1000, "a")}))(t)
			get(s.Checkpoint(ctx, start(), signHead))(t)
			s.sound(t)
		})
	}
}

// openGolden unpacks the database of a format and opens it.
func openGolden(t *testing.T, format int, opt store.Options) *testStore {
	t.Helper()
	s := &testStore{path: filepath.Join(t.TempDir(), "node.db"), opt: opt}
	unpackGolden(t, format, s.path)
	if format >= firstSealed {
		s.opt.Vault = goldenVault(t, format, s.path+".keys")
	}
	s.reopen(t)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// firstSealed is the first format whose golden database has a vault.
const firstSealed = 4

func goldenVault(t *testing.T, format int, path string) *vault.Vault {
	t.Helper()
	_, _, keys, erased := goldenFiles(format)
	must(t, os.WriteFile(path, get(os.ReadFile(keys))(t), 0o600))
	must(t, os.WriteFile(vault.ListPath(path), get(os.ReadFile(erased))(t), 0o600))
	v := get(vault.Open(path, goldenKey(), vault.Options{}))(t)
	t.Cleanup(func() { _ = v.Close() })
	if v.Damaged() > 0 {
		t.Errorf("got %d damaged keys, want none", v.Damaged())
	}
	return v
}

func unpackGolden(t *testing.T, format int, path string) {
	t.Helper()
	db, _, _, _ := goldenFiles(format)
	packed := get(os.Open(db))(t)
	defer func() { must(t, packed.Close()) }()
	unpacked := get(gzip.NewReader(packed))(t)
	must(t, os.WriteFile(path, get(io.ReadAll(unpacked))(t), 0o600))
}

// compareGolden compares line by line: what a line of the golden file says must
// still be so; fields that are newer may stand beside it.
func compareGolden(t *testing.T, s *testStore, format int) {
	t.Helper()
	_, text, _, _ := goldenFiles(format)
	told := contents
	if format >= firstSealed {
		told = goldenContents
	}
	want := strings.Split(string(get(os.ReadFile(text))(t)), "\n")
	got := strings.Split(told(t, s.Store), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for i := range want {
		gotWhat, gotValue, _ := strings.Cut(got[i], "\t")
		wantWhat, wantValue, _ := strings.Cut(want[i], "\t")
		if gotWhat != wantWhat || !holds(t, gotValue, wantValue) {
			t.Fatalf("line %d:\ngot  %s\nwant %s", i+1, got[i], want[i])
		}
	}
}

// holds tells whether got has all that want has.
func holds(t *testing.T, got, want string) bool {
	t.Helper()
	if got == want {
		return true
	}
	var g, w any
	if json.Unmarshal([]byte(got), &g) != nil || json.Unmarshal([]byte(want), &w) != nil {
		return false
	}
	return includes(g, w)
}

func includes(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(got, want)
	}
	g, ok := got.(map[string]any)
	for key := range w {
		ok = ok && includes(g[key], w[key])
	}
	return ok
}

// lineTo writes one thing on a line.
func lineTo(t rapid.TB, b *strings.Builder) func(string, any) {
	return func(what string, value any) {
		t.Helper()
		if raw, ok := value.([]byte); ok {
			value = string(raw)
		}
		fmt.Fprintf(b, "%s\t%s\n", what, get(json.Marshal(value))(t))
	}
}

// contents is everything that the methods of a store tell of it, one thing on a
// line.
func contents(t rapid.TB, s *store.Store) string {
	t.Helper()
	var b strings.Builder
	line := lineTo(t, &b)
	now := s.EffectiveTime(time.Time{})
	line("time", now)
	line("incarnation", s.Incarnation())
	line("policy", get(s.Policy(ctx))(t))
	for _, o := range get(s.OwnOffers(ctx))(t) {
		line("own", o)
	}
	for _, id := range []string{"o1", "o4", "never"} {
		line("gone "+id, get(s.GoneSampling(ctx, id))(t))
	}
	for _, state := range get(s.ImportStates(ctx))(t) {
		line("import", state)
	}
	for version := range uint64(6) {
		line(fmt.Sprint("register ", version), get(s.RegisterVersion(ctx, version))(t))
	}
	line("register in force", get(s.Register(ctx))(t))
	for _, peer := range []gateway.OIN{peerA, peerB, self} {
		contentsOf(t, s, peer, now, line)
	}
	for _, o := range get(s.ReceivedOffers(ctx))(t) {
		line("received", o)
	}
	for _, record := range get(s.Journal(ctx, 0, 10_000))(t) {
		if record.Kind != "migrated" && record.Kind != goldenFiller {
			line("journal", record)
		}
	}
	line("checkpoint", get(s.LatestCheckpoint(ctx))(t))
	return b.String()
}

func contentsOf(t rapid.TB, s *store.Store, peer gateway.OIN, now time.Time, line func(string, any)) {
	t.Helper()
	line("peer", get(s.Peer(ctx, peer))(t))
	for _, at := range []time.Time{now, now.Add(-gateway.Lifetime)} { // the second finds what has expired
		for _, o := range get(s.Due(ctx, at, peer, 1000, 1<<30, nil))(t) {
			line("due", struct {
				store.Outgoing
				Hash string
			}{o, gateway.Hash(o.Data)})
		}
	}
	for _, one := range get(s.Shown(ctx, peer))(t) {
		line("shown", one)
	}
	digest, settled, err := s.ShownDigest(ctx, peer)
	must(t, err)
	line(fmt.Sprint("shown digest settled ", settled), digest)
	line("holds", get(s.Holds(ctx, peer))(t))
	for _, batch := range get(s.Receipts(ctx, peer, time.Time{}, 1000))(t) {
		line("receipts", batch)
	}
}
