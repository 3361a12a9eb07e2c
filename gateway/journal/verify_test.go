package journal_test

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway/journal"
)

func mismatch(t rapid.TB, err error) *journal.Mismatch {
	t.Helper()
	m, ok := errors.AsType[*journal.Mismatch](err)
	if !ok {
		t.Fatalf("got %v, want a mismatch", err)
	}
	return m
}

func (k kept) checkpoints(t rapid.TB, sizes ...int) (all []journal.Checkpoint) {
	t.Helper()
	for _, size := range sizes {
		all = append(all, journal.Checkpoint{Origin: "o", Size: uint64(size), Root: k.root(t, size)})
	}
	return all
}

func TestVerifyAcceptsWhatWasAppended(t *testing.T) {
	for n := range 40 {
		k := keep(t, someLeaves(n))
		got, err := journal.Verify(uint64(n), k.all(), k.checkpoints(t, n, n/2, 0))
		if err != nil || got != k.root(t, n) {
			t.Errorf("%d records: got %x and %v, want %x", n, got, err, k.root(t, n))
		}
	}
}

func TestVerifyNamesTheFirstChangedRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "n")
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		k := keep(t, someLeaves(n))
		if rapid.Bool().Draw(t, "leaf") {
			k[at].Leaf = append(slices.Clone(k[at].Leaf), '!')
		} else {
			place := rapid.IntRange(0, len(k[at].Hashes)-1).Draw(t, "place")
			k[at].Hashes[place][3] ^= 4
		}
		_, err := journal.Verify(uint64(n), k.all(), nil)
		if got := mismatch(t, err).Record; got != uint64(at) {
			t.Fatalf("got record %d, want %d", got, at)
		}
	})
}

// Whoever can write the file can also write hashes that fit: only what was
// signed before gives them away.
func TestVerifyFindsARewrittenHistory(t *testing.T) {
	honest := keep(t, someLeaves(30))
	signed := honest.checkpoints(t, 10, 20, 30)
	leaves := someLeaves(30)
	leaves[14] = []byte("rewritten")
	_, err := journal.Verify(30, keep(t, leaves).all(), signed)
	m := mismatch(t, err)
	if m.Record != 10 || m.Checkpoint != 20 {
		t.Errorf("got record %d and checkpoint %d, want 10 and 20", m.Record, m.Checkpoint)
	}
}

func TestVerifyFindsWhatIsMissing(t *testing.T) {
	k := keep(t, someLeaves(8))
	for name, c := range map[string]struct {
		size    uint64
		records kept
		signed  []journal.Checkpoint
		record  uint64
	}{
		"the end is missing":       {8, k[:6], nil, 6},
		"a record is missing":      {7, slices.Concat(k[:3], k[4:]), nil, 3},
		"more than counted":        {6, k, nil, 6},
		"fewer than signed":        {6, k[:6], k.checkpoints(t, 8), 6},
		"all gone, but signed":     {0, nil, k.checkpoints(t, 8), 0},
		"two records were swapped": {8, slices.Concat(k[:2], kept{k[3], k[2]}, k[4:]), nil, 2},
	} {
		_, err := journal.Verify(c.size, c.records.all(), c.signed)
		if got := mismatch(t, err).Record; got != c.record {
			t.Errorf("%s: got record %d (%v), want %d", name, got, err, c.record)
		}
	}
}

func TestVerifyPassesErrorsOn(t *testing.T) {
	broken := errors.New("disk")
	var failing iter.Seq2[journal.Stored, error] = func(yield func(journal.Stored, error) bool) {
		yield(journal.Stored{}, broken)
	}
	if _, err := journal.Verify(1, failing, nil); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
