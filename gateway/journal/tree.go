package journal

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorstroom/doorstroom/gateway"
)

// Hash is a node of an RFC 6962 tree: SHA-256 with the prefix 0x00 for leaves
// and 0x01 for interior nodes (section 2.1).
type Hash [32]byte

// HashReader gives the hash of the n-th complete subtree of 2^level leaves.
// Record tells where Append's caller put it.
type HashReader func(level int, n uint64) (Hash, error)

// Record tells with which record the hash of a complete subtree is stored, and
// at which place among that record's hashes: that of the subtree's last leaf.
func Record(level int, n uint64) (record uint64, place int) {
	return (n+1)<<level - 1, level
}

// LeafHash is the hash of a leaf, at level 0.
func LeafHash(leaf []byte) Hash { return Hash(tlog.RecordHash(leaf)) }

// Append gives the hashes to store with the leaf that becomes record number
// size: its own, then those of the subtrees it completes, lowest level first.
// It reads at most log2(size) earlier hashes.
func Append(size uint64, leaf []byte, read HashReader) ([]Hash, error) {
	return appendHashes(nil, size, LeafHash(leaf), read)
}

// appendHashes appends the hashes that belong to record number size, whose leaf
// has hash h.
func appendHashes(to []Hash, size uint64, h Hash, read HashReader) ([]Hash, error) {
	if _, err := index(size); err != nil {
		return nil, err
	}
	to = append(to, h)
	for level := 0; size>>level&1 == 1; level++ { // it completes a subtree, whose left half is there
		left, err := read(level, size>>level-1)
		if err != nil {
			return nil, err
		}
		h = Hash(tlog.NodeHash(tlog.Hash(left), tlog.Hash(h)))
		to = append(to, h)
	}
	return to, nil
}

// Appender appends many entries one after another, in room that it keeps. The
// zero Appender is ready for use, by one at a time.
type Appender struct {
	leaf   []byte // after a zero byte, because RFC 6962 hashes it so
	hashes []Hash
}

// Append gives the record of an entry, with the hashes that the function Append
// gives for it. It belongs to the Appender, which overwrites it with the next.
func (a *Appender) Append(size uint64, e *Entry, read HashReader) (Stored, error) {
	a.leaf = e.AppendTo(append(a.leaf[:0], 0))
	hashes, err := appendHashes(a.hashes[:0], size, sha256.Sum256(a.leaf), read)
	if err != nil {
		return Stored{}, err
	}
	a.hashes = hashes
	return Stored{Leaf: a.leaf[1:], Hashes: hashes}, nil
}

// Root is the hash of the tree of the first size records; that of no records is
// SHA-256 of nothing.
func Root(size uint64, read HashReader) (Hash, error) {
	n, err := index(size)
	if err != nil {
		return Hash{}, err
	}
	h, err := tlog.TreeHash(n, reader(read))
	return Hash(h), err
}

// Prove gives the audit path of record i in the tree of the first size records
// (RFC 6962 section 2.1.1).
func Prove(size, i uint64, read HashReader) ([]Hash, error) {
	if i >= size || size > math.MaxInt64 {
		return nil, gateway.Errorf(gateway.Invalid, "the journal has no such record")
	}
	return own(tlog.ProveRecord(int64(size), int64(i), reader(read)))
}

// Check verifies that leaf is record i of the tree of size records with this
// root.
func Check(root Hash, size uint64, leaf []byte, i uint64, proof []Hash) error {
	if i >= size || size > math.MaxInt64 {
		return gateway.Errorf(gateway.Invalid, "the journal has no such record")
	}
	if len(proof) > bits.Len64(size) {
		return gateway.Errorf(gateway.Invalid, "the proof is too long")
	}
	err := tlog.CheckRecord(theirs(proof), int64(size), tlog.Hash(root), int64(i), tlog.RecordHash(leaf))
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the proof does not lead from the leaf to the root")
	}
	return nil
}

// ProveConsistency gives the proof that the tree of the first old records is a
// beginning of that of the first size records, 0 < old ≤ size (RFC 6962 section
// 2.1.2).
func ProveConsistency(old, size uint64, read HashReader) ([]Hash, error) {
	if old == 0 || old > size || size > math.MaxInt64 {
		return nil, gateway.Errorf(gateway.Invalid, "the journal has no such sizes")
	}
	return own(tlog.ProveTree(int64(size), int64(old), reader(read)))
}

// CheckConsistency verifies a proof of ProveConsistency.
func CheckConsistency(oldRoot Hash, old uint64, root Hash, size uint64, proof []Hash) error {
	if old == 0 || old > size || size > math.MaxInt64 {
		return gateway.Errorf(gateway.Invalid, "the journal has no such sizes")
	}
	err := tlog.CheckTree(theirs(proof), int64(size), tlog.Hash(root), int64(old), tlog.Hash(oldRoot))
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the later tree does not begin with the earlier one")
	}
	return nil
}

// TreeRoot is the root over a few leaves held in memory, such as the items of a
// batch of receipts.
func TreeRoot(leaves [][]byte) [32]byte {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	level := make([]tlog.Hash, len(leaves))
	for i, leaf := range leaves {
		level[i] = tlog.RecordHash(leaf)
	}
	for len(level) > 1 { // a node without a neighbour goes up as it is
		above := level[:0]
		for i := 0; i < len(level); i += 2 {
			if i+1 == len(level) {
				above = append(above, level[i])
			} else {
				above = append(above, tlog.NodeHash(level[i], level[i+1]))
			}
		}
		level = above
	}
	return level[0]
}

// TreeProof is the audit path of leaf i among leaves.
func TreeProof(leaves [][]byte, i int) ([]Hash, error) {
	if i < 0 || i >= len(leaves) {
		return nil, gateway.Errorf(gateway.Invalid, "the tree has no such leaf")
	}
	t := newMemory(leaves)
	return Prove(uint64(len(leaves)), uint64(i), t.read)
}

// CheckTree verifies that leaf is number i of the n leaves under root.
func CheckTree(root [32]byte, leaf []byte, i, n int, proof []Hash) error {
	if i < 0 || i >= n {
		return gateway.Errorf(gateway.Invalid, "the tree has no such leaf")
	}
	return Check(root, uint64(n), leaf, uint64(i), proof)
}

// memory holds the hashes of every record of a small tree.
type memory [][]Hash

func newMemory(leaves [][]byte) memory {
	t := make(memory, 0, len(leaves))
	for i, leaf := range leaves {
		hashes, err := Append(uint64(i), leaf, t.read)
		if err != nil {
			panic("all hashes are in memory: " + err.Error())
		}
		t = append(t, hashes)
	}
	return t
}

func (t memory) read(level int, n uint64) (Hash, error) {
	record, place := Record(level, n)
	if record >= uint64(len(t)) || place >= len(t[record]) {
		return Hash{}, fmt.Errorf("no hash at level %d, number %d", level, n)
	}
	return t[record][place], nil
}

func index(size uint64) (int64, error) {
	if size > math.MaxInt64 {
		return 0, gateway.Errorf(gateway.Invalid, "the journal cannot be that long")
	}
	return int64(size), nil
}

func reader(read HashReader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			h, err := read(level, uint64(n))
			if err != nil {
				return nil, err
			}
			hashes[i] = tlog.Hash(h)
		}
		return hashes, nil
	})
}

func own[S ~[]tlog.Hash](hashes S, err error) ([]Hash, error) {
	if err != nil {
		return nil, err
	}
	converted := make([]Hash, len(hashes))
	for i, h := range hashes {
		converted[i] = Hash(h)
	}
	return converted, nil
}

func theirs(hashes []Hash) []tlog.Hash {
	converted := make([]tlog.Hash, len(hashes))
	for i, h := range hashes {
		converted[i] = tlog.Hash(h)
	}
	return converted
}
