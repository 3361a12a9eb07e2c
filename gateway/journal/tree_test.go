package journal_test

import (
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway/journal"
)

// kept is a journal as a store keeps it.
type kept []journal.Stored

func (k kept) read(level int, n uint64) (journal.Hash, error) {
	record, place := journal.Record(level, n)
	if record >= uint64(len(k)) || place >= len(k[record].Hashes) {
		return journal.Hash{}, fmt.Errorf("no hash %d of record %d", place, record)
	}
	return k[record].Hashes[place], nil
}

func keep(t rapid.TB, leaves [][]byte) kept {
	t.Helper()
	var k kept
	for i, leaf := range leaves {
		hashes, err := journal.Append(uint64(i), leaf, k.read)
		if err != nil {
			t.Fatal(err)
		}
		k = append(k, journal.Stored{Leaf: leaf, Hashes: hashes})
	}
	return k
}

func (k kept) all() iter.Seq2[journal.Stored, error] {
	return func(yield func(journal.Stored, error) bool) {
		for _, one := range k {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func (k kept) root(t rapid.TB, size int) journal.Hash {
	t.Helper()
	root, err := journal.Root(uint64(size), k.read)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// oracle is the root of the same leaves by another implementation.
func oracle(t rapid.TB, leaves [][]byte) []byte {
	t.Helper()
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := f.NewEmptyRange(0)
	for _, leaf := range leaves {
		if err := r.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(leaves) == 0 {
		return rfc6962.DefaultHasher.EmptyRoot()
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func someLeaves(n int) [][]byte {
	var leaves [][]byte
	for i := range n {
		leaves = append(leaves, fmt.Appendf(nil, "leaf %d", i))
	}
	return leaves
}

func raw(hashes []journal.Hash) [][]byte {
	var all [][]byte
	for _, h := range hashes {
		all = append(all, h[:])
	}
	return all
}

func TestRootIsThatOfRFC6962(t *testing.T) {
	empty := journal.TreeRoot(nil)
	if got, want := hex.EncodeToString(empty[:]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; got != want {
		t.Errorf("root of nothing: got %s, want %s", got, want)
	}
	for n := range 70 {
		leaves := someLeaves(n)
		k := keep(t, leaves)
		if got, want := k.root(t, n), oracle(t, leaves); !slices.Equal(got[:], want) {
			t.Errorf("root of %d leaves: got %x, want %x", n, got, want)
		}
		if got, want := journal.TreeRoot(leaves), k.root(t, n); got != [32]byte(want) {
			t.Errorf("TreeRoot of %d leaves: got %x, want %x", n, got, want)
		}
	}
}

func TestAppenderIsAppend(t *testing.T) {
	var a journal.Appender
	var k kept
	for i := range 300 {
		e := journal.Entry{Time: time.Unix(int64(i), 0), Kind: journal.KindStart, Rule: strings.Repeat("r", i%50), Count: i}
		if i%7 == 0 {
			e.Rule += "<" // not written the short way
		}
		want, err := journal.Append(uint64(i), e.Encode(), k.read)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Append(uint64(i), &e, k.read)
		if err != nil || string(got.Leaf) != string(e.Encode()) || !slices.Equal(got.Hashes, want) {
			t.Fatalf("%d: got %s %x (%v), want %s %x", i, got.Leaf, got.Hashes, err, e.Encode(), want)
		}
		k = append(k, journal.Stored{Leaf: e.Encode(), Hashes: want})
	}
	if _, err := a.Append(1, &journal.Entry{Kind: journal.KindStart}, kept{}.read); err == nil {
		t.Error("a hash that is missing: got none, want an error")
	}
}

func TestInclusionAgreesWithTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "n")
		i := rapid.IntRange(0, n-1).Draw(t, "i")
		leaves := someLeaves(n)
		k := keep(t, leaves)
		root := k.root(t, n)
		path, err := journal.Prove(uint64(n), uint64(i), k.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), uint64(n), rfc6962.DefaultHasher.HashLeaf(leaves[i]), raw(path), root[:]); err != nil {
			t.Fatalf("the oracle refuses our proof: %v", err)
		}
		if err := journal.Check(root, uint64(n), leaves[i], uint64(i), path); err != nil {
			t.Fatalf("we refuse our proof: %v", err)
		}
		small, err := journal.TreeProof(leaves, i)
		if err != nil || !slices.Equal(small, path) {
			t.Fatalf("TreeProof: got %x and %v, want %x", small, err, path)
		}
		if err := journal.CheckTree(root, leaves[i], i, n, small); err != nil {
			t.Fatalf("CheckTree: %v", err)
		}
	})
}

func TestInclusionRefusesWhatIsNotThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		i := rapid.IntRange(0, n-1).Draw(t, "i")
		leaves := someLeaves(n)
		root := journal.TreeRoot(leaves)
		path, err := journal.TreeProof(leaves, i)
		if err != nil {
			t.Fatal(err)
		}
		if journal.CheckTree(root, []byte("other"), i, n, path) == nil {
			t.Fatal("another leaf was accepted")
		}
		if j := rapid.IntRange(-2, n+2).Draw(t, "j"); j != i && journal.CheckTree(root, leaves[i], j, n, path) == nil {
			t.Fatalf("leaf %d was accepted as leaf %d", i, j)
		}
		if journal.CheckTree(root, leaves[i], i, n, append(path, journal.Hash{})) == nil {
			t.Fatal("a longer proof was accepted")
		}
		if len(path) > 0 {
			if journal.CheckTree(root, leaves[i], i, n, path[:len(path)-1]) == nil {
				t.Fatal("a shorter proof was accepted")
			}
			path[rapid.IntRange(0, len(path)-1).Draw(t, "at")][0] ^= 1
			if journal.CheckTree(root, leaves[i], i, n, path) == nil {
				t.Fatal("a changed proof was accepted")
			}
		}
	})
}

func TestConsistencyAgreesWithTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "n")
		old := rapid.IntRange(1, n).Draw(t, "old")
		k := keep(t, someLeaves(n))
		oldRoot, root := k.root(t, old), k.root(t, n)
		path, err := journal.ProveConsistency(uint64(old), uint64(n), k.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), uint64(n), raw(path), oldRoot[:], root[:]); err != nil {
			t.Fatalf("the oracle refuses our proof: %v", err)
		}
		if err := journal.CheckConsistency(oldRoot, uint64(old), root, uint64(n), path); err != nil {
			t.Fatalf("we refuse our proof: %v", err)
		}
		other := keep(t, append([][]byte{[]byte("rewritten")}, someLeaves(n)[1:]...)).root(t, old)
		if journal.CheckConsistency(other, uint64(old), root, uint64(n), path) == nil {
			t.Fatal("a rewritten beginning was accepted")
		}
	})
}

func TestSizesThatCannotBe(t *testing.T) {
	k := keep(t, someLeaves(3))
	root := k.root(t, 3)
	huge := uint64(1) << 63
	for name, err := range map[string]error{
		"prove past the end":      second(journal.Prove(3, 3, k.read)),
		"prove in a huge tree":    second(journal.Prove(huge, 0, k.read)),
		"append to a huge tree":   second(journal.Append(huge, nil, k.read)),
		"root of a huge tree":     second(journal.Root(huge, k.read)),
		"root of missing records": second(journal.Root(9, k.read)),
		"check past the end":      journal.Check(root, 3, nil, 3, nil),
		"check in a huge tree":    journal.Check(root, huge, nil, 3, nil),
		"a long proof":            journal.Check(root, 3, nil, 2, make([]journal.Hash, 1000)),
		"consistency from 0":      second(journal.ProveConsistency(0, 3, k.read)),
		"consistency back":        second(journal.ProveConsistency(3, 2, k.read)),
		"check consistency back":  journal.CheckConsistency(root, 3, root, 2, nil),
		"small tree":              second(journal.TreeProof(someLeaves(2), 2)),
		"small tree, negative":    second(journal.TreeProof(someLeaves(2), -1)),
	} {
		if err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }
