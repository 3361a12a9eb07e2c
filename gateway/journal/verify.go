package journal

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// Stored is one record as it was kept: the leaf and the hashes that Append gave
// for it. A record that is past its term has no leaf.
type Stored struct {
	Leaf   []byte
	Hashes []Hash
}

// Mismatch is the first place where a journal does not fit itself or what was
// signed about it.
type Mismatch struct {
	Record     uint64 // the first record that does not fit, counted from 0
	Checkpoint uint64 // size of the checkpoint that shows it, or 0: the stored hashes do
	Problem    string
}

func (m *Mismatch) Error() string { return m.Problem }

// Verify recomputes the whole tree from the leaves of the first size records
// and compares it with the hashes stored with them and with every checkpoint.
// It reads the records once and keeps no more than log2(size) hashes. A journal
// that does not fit gives an Invalid error around a *Mismatch; an error of
// records is returned as it is.
func Verify(size uint64, records iter.Seq2[Stored, error], checkpoints []Checkpoint) (Hash, error) {
	checkpoints = slices.Clone(checkpoints)
	slices.SortFunc(checkpoints, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	v := verification{checkpoints: checkpoints}
	if err := v.compareCheckpoints(); err != nil {
		return Hash{}, err
	}
	for record, err := range records {
		if err != nil {
			return Hash{}, err
		}
		if v.size == size {
			return Hash{}, misfit(size, 0, "the journal has more than the %d records it counts", size)
		}
		if err := v.add(record); err != nil {
			return Hash{}, err
		}
	}
	if v.size < size {
		return Hash{}, misfit(v.size, 0, "record %d and later are missing", v.size)
	}
	if len(v.checkpoints) > 0 {
		signed := v.checkpoints[0].Size
		return Hash{}, misfit(size, signed, "records were cut off: %d were signed, %d are left", signed, size)
	}
	if err := v.accounted(); err != nil {
		return Hash{}, err
	}
	return Root(size, v.edge.read)
}

// verification is the state of one pass over the records.
type verification struct {
	size        uint64
	edge        edge
	good        uint64       // size of the last checkpoint that fits
	checkpoints []Checkpoint // those not yet compared, ascending
	lost        reductions
}

func (v *verification) add(record Stored) error {
	hashes, err := v.hashes(record)
	if err != nil {
		return err
	}
	if !slices.Equal(hashes, record.Hashes) {
		return misfit(v.size, 0, "record %d does not fit its stored hashes", v.size)
	}
	v.edge.add(hashes)
	v.size++
	return v.compareCheckpoints()
}

// hashes are those that belong to the leaf of the next record, or to the hash of
// it where the leaf is past its term.
func (v *verification) hashes(record Stored) ([]Hash, error) {
	if len(record.Leaf) == 0 {
		return v.reduced(record)
	}
	if err := v.tells(record.Leaf); err != nil {
		return nil, err
	}
	return Append(v.size, record.Leaf, v.edge.read)
}

func (v *verification) compareCheckpoints() error {
	for len(v.checkpoints) > 0 && v.checkpoints[0].Size == v.size {
		root, err := Root(v.size, v.edge.read)
		if err != nil {
			return err
		}
		if root != v.checkpoints[0].Root {
			return misfit(v.good, v.size, "a record from %d up to %d was changed after the checkpoint over %d was signed",
				v.good, v.size-min(v.size, 1), v.size)
		}
		v.good = v.size
		v.checkpoints = v.checkpoints[1:]
	}
	return nil
}

// edge holds, by level, the last complete subtree: all that appending and the
// root ever read.
type edge []Hash

func (e edge) read(level int, _ uint64) (Hash, error) {
	if level >= len(e) {
		return Hash{}, fmt.Errorf("no complete subtree of level %d yet", level)
	}
	return e[level], nil
}

func (e *edge) add(hashes []Hash) {
	for level, h := range hashes {
		if level == len(*e) {
			*e = append(*e, h)
		} else {
			(*e)[level] = h
		}
	}
}

func misfit(record, checkpoint uint64, format string, args ...any) error {
	m := &Mismatch{Record: record, Checkpoint: checkpoint, Problem: fmt.Sprintf(format, args...)}
	return gateway.Wrap(gateway.Invalid, m, "the journal does not verify: "+m.Problem)
}
