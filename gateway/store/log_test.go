package store_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const origin = "doorstroom.example/journal"

func logKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func signHead(c journal.Checkpoint) ([]byte, error) {
	c.Origin = origin
	return journal.Sign(c, origin, logKey())
}

func openHead(note []byte) (journal.Checkpoint, error) {
	return journal.Open(note, origin, logKey().Public().(ed25519.PublicKey))
}

func logged(t *testing.T, n int) *testStore {
	t.Helper()
	s := open(t, store.Options{})
	for i := range n {
		must(t, s.Append(ctx, start(), journal.Entry{Kind: "x", Count: 2*i + 1}, journal.Entry{Kind: "x", Count: 2*i + 2}))
	}
	return s
}

func TestJournalInPages(t *testing.T) {
	s := logged(t, 5)
	for _, c := range []struct {
		from        uint64
		limit, want int
	}{{0, 4, 4}, {4, 4, 4}, {8, 4, 2}, {10, 4, 0}, {99, 4, 0}, {0, 0, 0}, {0, -1, 0}} {
		got := get(s.Journal(ctx, c.from, c.limit))(t)
		if len(got) != c.want {
			t.Errorf("from %d, limit %d: got %d, want %d", c.from, c.limit, len(got), c.want)
		}
		for i, record := range got {
			if record.Index != c.from+uint64(i) || record.Count != int(record.Index)+1 || !record.Time.Equal(start()) {
				t.Errorf("from %d: record %d is %+v", c.from, i, record)
			}
		}
	}
}

func TestCheckpointsAndVerify(t *testing.T) {
	s := logged(t, 3)
	if got := get(s.LatestCheckpoint(ctx))(t); got != nil {
		t.Errorf("before the first: got %q, want nothing", got)
	}
	first := get(s.Checkpoint(ctx, start(), signHead))(t)
	if again := get(s.Checkpoint(ctx, start(), signHead))(t); !bytes.Equal(again, first) {
		t.Errorf("without new entries: got %s, want %s", again, first)
	}
	must(t, s.Append(ctx, start(), journal.Entry{Kind: "x"}))
	second := get(s.Checkpoint(ctx, start(), signHead))(t)
	s.reopen(t)
	if got := get(s.LatestCheckpoint(ctx))(t); !bytes.Equal(got, second) {
		t.Errorf("latest: got %s, want %s", got, second)
	}
	head := get(openHead(second))(t)
	want := store.JournalReport{Size: 7, Root: hex.EncodeToString(head.Root[:]), Checkpoints: 2}
	if got := get(s.VerifyJournal(ctx, openHead))(t); got != want || head.Size != 7 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	broken := errors.New("not ours")
	if _, err := s.VerifyJournal(ctx, func([]byte) (journal.Checkpoint, error) { return journal.Checkpoint{}, broken }); !errors.Is(err, broken) {
		t.Errorf("a note that does not open: got %v, want %v", err, broken)
	}
}

func TestVerifyALongJournal(t *testing.T) {
	s := open(t, store.Options{})
	entries := make([]journal.Entry, 2500)
	for i := range entries {
		entries[i].Kind = "x"
	}
	must(t, s.Append(ctx, start(), entries...))
	if got := get(s.VerifyJournal(ctx, nil))(t); got.Size != 2500 {
		t.Errorf("got %d, want 2500", got.Size)
	}
}

// Whoever can write the file can also make checksums that fit: the tree and the
// signed heads are what gives them away.
func TestVerifyNamesWhatWasTamperedWith(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(*bbolt.Bucket) error
		want   string
	}{
		"an entry": {func(b *bbolt.Bucket) error {
			row := bytes.Clone(b.Get(key(3)))
			return b.Put(key(3), store.Frame("journal", key(3), bytes.Replace(row[4:], []byte(`"count":4`), []byte(`"count":5`), 1)))
		}, "record 3 "},
		"its disappearance": {func(b *bbolt.Bucket) error { return b.Delete(key(2)) }, "record 2 "},
		"the last one's":    {func(b *bbolt.Bucket) error { return b.Delete(key(5)) }, "record 5 "},
		"bytes":             {func(b *bbolt.Bucket) error { return b.Put(key(1), append(bytes.Clone(b.Get(key(1))), '!')) }, "table journal"},
	} {
		s := logged(t, 3)
		get(s.Checkpoint(ctx, start(), signHead))(t)
		must(t, s.Close())
		db := get(bbolt.Open(s.path, 0o600, nil))(t)
		must(t, db.Update(func(tx *bbolt.Tx) error { return c.tamper(tx.Bucket([]byte("journal"))) }))
		must(t, db.Close())
		s.Store = get(store.Open(s.path, s.opt))(t)
		_, err := s.VerifyJournal(ctx, openHead)
		if err == nil || !strings.Contains(gateway.SafeMessage(err), c.want) {
			t.Errorf("%s: got %v, want it to name %q", name, err, c.want)
		}
		if len(s.Check(ctx)) == 0 {
			t.Errorf("%s: check found nothing", name)
		}
	}
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func TestAnEntryNeedsAKind(t *testing.T) {
	s := logged(t, 0)
	wantKind(t, s.Append(ctx, start(), journal.Entry{Count: 1}), gateway.Internal)
}

func FuzzRows(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1}, 120))
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, row []byte) {
		for name, decode := range store.Decoders() {
			encoded, err := decode(row)
			if err != nil {
				if !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("%s: got %v, want ErrCorrupt", name, err)
				}
				continue
			}
			again, err := decode(encoded)
			if err != nil || !bytes.Equal(again, encoded) {
				t.Errorf("%s: %x becomes %x and then %x (%v)", name, row, encoded, again, err)
			}
		}
	})
}
