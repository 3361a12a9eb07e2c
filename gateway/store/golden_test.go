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
)

// TestGoldenFormats opens a database of every released format, as the program of
// its day wrote it, and finds in it all that was there. The database is never
// made anew: testdata/format-N.txt says what it holds, one thing on a line.
func TestGoldenFormats(t *testing.T) {
	for _, format := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			s := openGolden(t, format, store.Options{})
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
	s.reopen(t)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func unpackGolden(t *testing.T, format int, path string) {
	t.Helper()
	packed := get(os.Open(fmt.Sprintf("testdata/format-%d.db.gz", format)))(t)
	defer func() { must(t, packed.Close()) }()
	unpacked := get(gzip.NewReader(packed))(t)
	must(t, os.WriteFile(path, get(io.ReadAll(unpacked))(t), 0o600))
}

// compareGolden compares line by line: what a line of the golden file says must
// still be so; fields that are newer may stand beside it.
func compareGolden(t *testing.T, s *testStore, format int) {
	t.Helper()
	want := strings.Split(string(get(os.ReadFile(fmt.Sprintf("testdata/format-%d.txt", format)))(t)), "\n")
	got := strings.Split(contents(t, s.Store), "\n")
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

// contents is everything that the methods of a store tell of it, one thing on a
// line.
func contents(t rapid.TB, s *store.Store) string {
	t.Helper()
	var b strings.Builder
	line := func(what string, value any) {
		if raw, ok := value.([]byte); ok {
			value = string(raw)
		}
		fmt.Fprintf(&b, "%s\t%s\n", what, get(json.Marshal(value))(t))
	}
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
	for _, record := range get(s.Journal(ctx, 0, 1_000))(t) {
		if record.Kind != "migrated" {
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
