package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// This file is the journal's side of witnessing: what witnesses said of this
// node's journal. witnessed.go is the other side.

// Cosignature is what one witness said of one checkpoint of this node's journal.
type Cosignature struct {
	Witness     gateway.OIN `json:"witness"`
	KID         string      `json:"kid"` // of its key
	Size        uint64      `json:"size"`
	Incarnation uint64      `json:"incarnation"` // of this database, under the checkpoint
	Time        time.Time   `json:"time"`        // by the witness's clock
	At          time.Time   `json:"at"`          // received
	Line        string      `json:"line"`        // to be put under the note
}

// Why a witness did not cosign.
const (
	WitnessUnreachable  = "unreachable"  // no answer that can be used
	WitnessLacks        = "lacks"        // it is of a version that does not witness
	WitnessDenied       = "denied"       // it does not take requests of this node
	WitnessRollback     = "rollback"     // it holds a later head than this journal has
	WitnessInconsistent = "inconsistent" // it holds a head that this journal does not continue
)

// WitnessStatus is how this node stands with one witness of its journal.
type WitnessStatus struct {
	Witness     gateway.OIN `json:"witness"`
	Size        uint64      `json:"size"`        // of the checkpoint it cosigned last; 0: none
	Incarnation uint64      `json:"incarnation"` // of that checkpoint
	At          time.Time   `json:"at,omitzero"` // when
	Tried       time.Time   `json:"tried,omitzero"`
	Problem     string      `json:"problem,omitempty"` // since it last cosigned
	Since       time.Time   `json:"since,omitzero"`    // of the problem
	Theirs      uint64      `json:"theirs,omitempty"`  // size of the head it holds, if that is the problem
}

// Conflict tells whether the witness holds something else than this journal says.
func (w WitnessStatus) Conflict() bool {
	return w.Problem == WitnessRollback || w.Problem == WitnessInconsistent
}

func cosignedKey(size uint64, witness gateway.OIN) []byte {
	return append(number(size), witness...)
}

// Cosigned keeps a cosignature that was verified.
func (s *Store) Cosigned(ctx context.Context, now time.Time, c Cosignature) error {
	return s.update(ctx, now, func(t *txn) error {
		c.At = t.now
		t.put(table{name: tableCosigned}, cosignedKey(c.Size, c.Witness), encodeJSON(c))
		t.put(table{name: tableWitnesses}, []byte(c.Witness), encodeJSON(WitnessStatus{
			Witness: c.Witness, Size: c.Size, Incarnation: c.Incarnation, At: t.now, Tried: t.now,
		}))
		return nil
	})
}

// NotCosigned keeps why a witness did not cosign. One that holds something else
// is journaled when it begins to.
func (s *Store) NotCosigned(ctx context.Context, now time.Time, witness gateway.OIN, problem string, theirs uint64) error {
	return s.update(ctx, now, func(t *txn) error {
		at := table{name: tableWitnesses}
		w := WitnessStatus{Witness: witness}
		if _, err := getJSON(t, at, []byte(witness), &w); err != nil {
			return err
		}
		if w.Conflict() && problem == WitnessUnreachable {
			problem = w.Problem // that it cannot be asked now mends nothing
		}
		if problem != w.Problem {
			w.Since = t.now
		}
		begins := problem != w.Problem
		w.Tried, w.Problem, w.Theirs = t.now, problem, theirs
		t.put(at, []byte(witness), encodeJSON(w))
		if !w.Conflict() || !begins {
			return nil
		}
		return t.record(journal.Entry{Kind: journal.KindWitnessConflict, Party: witness, Count: int(theirs), Outcome: problem})
	})
}

// WitnessStatuses is how this node stands with every party that it ever asked to
// be a witness, by OIN.
func (s *Store) WitnessStatuses(ctx context.Context) ([]WitnessStatus, error) {
	return allJSON[WitnessStatus](ctx, s, table{name: tableWitnesses})
}

// Witnessed is how far the journal is beyond rewriting unnoticed.
type Witnessed struct {
	Size  uint64    // entries that as many witnesses as asked for have cosigned; 0: none
	At    time.Time // when the last of these did
	Tail  uint64    // entries after them
	Since time.Time // time of the first of those; zero without any
}

// Age is how long the oldest entry that is not witnessed has been there.
func (w Witnessed) Age(now time.Time) time.Duration {
	if w.Since.IsZero() {
		return 0
	}
	return max(0, now.Sub(w.Since))
}

// Witnessed tells how much of the journal at least k of these witnesses have
// cosigned. With k 0 nothing is.
func (s *Store) Witnessed(ctx context.Context, k int, counts func(gateway.OIN) bool) (found Witnessed, err error) {
	err = s.view(ctx, func(r reader) error {
		found = Witnessed{}
		size, err := getUint(r, keyJournal())
		if err != nil {
			return err
		}
		var all []WitnessStatus
		if err := r.ascend(table{name: tableWitnesses}, nil, func(_, value []byte) (bool, error) {
			var w WitnessStatus
			err := readJSON(table{name: tableWitnesses}, value, &w)
			if w.Size > 0 && w.Size <= size && counts(w.Witness) {
				all = append(all, w)
			}
			return true, err
		}); err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b WitnessStatus) int { return cmp.Compare(b.Size, a.Size) })
		if k > 0 && len(all) >= k {
			found.Size, found.At = all[k-1].Size, all[k-1].At
		}
		found.Tail = size - found.Size
		reduced, err := getUint(r, keyReduced())
		if err != nil {
			return err
		}
		return eachStored(r, max(found.Size, reduced), 1, func(_ uint64, stored journal.Stored) error {
			if len(stored.Leaf) == 0 {
				return nil // past its term
			}
			e, err := journal.Decode(stored.Leaf)
			found.Since = e.Time
			return err
		})
	})
	return found, err
}

// restore is one time that the database was put back from a backup.
type restore struct {
	Entry       uint64 `json:"entry"` // of the journal
	Incarnation uint64 `json:"incarnation"`
}

func keyRestores() []byte { return []byte("restores") }

func (t *txn) noteRestore(one restore) error {
	var all []restore
	if _, err := getJSON(t, table{name: tableMeta}, keyRestores(), &all); err != nil {
		return err
	}
	t.put(table{name: tableMeta}, keyRestores(), encodeJSON(append(all, one)))
	return nil
}

// Extension is what a witness needs to go from a head that it holds to the last
// checkpoint.
type Extension struct {
	Old        uint64 // size of the head
	Size       uint64
	Checkpoint []byte
	Proof      []journal.Hash // of consistency; none from 0

	// The entry that tells of the first restore after the head, if there was one.
	Restored bool
	Entry    uint64
	Leaf     []byte
	Path     []journal.Hash // of inclusion
}

// Extension leads from a head over old entries of a database of that incarnation
// to the last checkpoint. If the database was restored since, it starts from a
// head of before, or from none. An old that lies beyond the checkpoint is a
// Conflict.
func (s *Store) Extension(ctx context.Context, old, incarnation uint64) (e Extension, err error) {
	err = s.view(ctx, func(r reader) error {
		e = Extension{Old: old}
		if e.Size, err = getUint(r, keyCheckpoint()); err != nil {
			return err
		}
		if e.Checkpoint, err = r.get(table{name: tableCheckpoints}, number(e.Size)); err != nil {
			return err
		}
		if e.Size == 0 || e.Checkpoint == nil {
			return gateway.Errorf(gateway.NotFound, "no head of the journal has been signed yet")
		}
		if err := e.passRestores(r, incarnation); err != nil {
			return err
		}
		if e.Old > e.Size {
			return gateway.Errorf(gateway.Conflict, "the journal is shorter than the head that a witness holds")
		}
		if e.Old > 0 {
			e.Proof, err = journal.ProveConsistency(e.Old, e.Size, hashReader(r))
		}
		return err
	})
	return e, err
}

// passRestores fills in the restore that cut off the most of what the head
// covers.
func (e *Extension) passRestores(r reader, incarnation uint64) error {
	var all []restore
	if _, err := getJSON(r, table{name: tableMeta}, keyRestores(), &all); err != nil {
		return err
	}
	for _, one := range all {
		if one.Incarnation > incarnation && one.Entry < e.Size && (!e.Restored || one.Entry < e.Entry) {
			e.Restored, e.Entry = true, one.Entry
		}
	}
	if !e.Restored {
		return nil
	}
	if e.Old > e.Entry {
		e.Old = 0 // the witness says which head of before it holds
	}
	if err := eachStored(r, e.Entry, 1, func(_ uint64, stored journal.Stored) error {
		e.Leaf = stored.Leaf
		return nil
	}); err != nil {
		return err
	}
	var err error
	e.Path, err = journal.Prove(e.Size, e.Entry, hashReader(r))
	return err
}

// EntryProof is what shows that an entry stands in the journal.
type EntryProof struct {
	Entry        uint64
	Leaf         []byte
	Size         uint64 // of the journal under the checkpoint
	Path         []journal.Hash
	Checkpoint   []byte
	Cosignatures []Cosignature
}

// ProveEntry proves an entry by the first checkpoint after it with as many
// cosignatures as wanted, or by the one with the most.
func (s *Store) ProveEntry(ctx context.Context, entry uint64, wanted int) (p EntryProof, err error) {
	err = s.view(ctx, func(r reader) error {
		p = EntryProof{Entry: entry}
		if err := p.findCheckpoint(r, wanted); err != nil {
			return err
		}
		if p.Checkpoint == nil {
			return gateway.Errorf(gateway.NotFound, "no head of the journal covers this entry yet: heads are signed every hour")
		}
		if err := eachStored(r, entry, 1, func(i uint64, stored journal.Stored) error {
			if i == entry {
				p.Leaf = stored.Leaf
			}
			return nil
		}); err != nil {
			return err
		}
		if len(p.Leaf) == 0 {
			return gateway.Errorf(gateway.NotFound, "the journal has no such entry, or only its hash: entries past their term are in an archive")
		}
		p.Path, err = journal.Prove(p.Size, entry, hashReader(r))
		return err
	})
	return p, err
}

func (p *EntryProof) findCheckpoint(r reader, wanted int) error {
	best := map[uint64][]Cosignature{}
	in := table{name: tableCosigned}
	if err := r.ascend(in, number(p.Entry+1), func(key, value []byte) (bool, error) {
		var c Cosignature
		if err := readJSON(in, value, &c); err != nil {
			return false, err
		}
		best[c.Size] = append(best[c.Size], c)
		if len(best[c.Size]) > len(p.Cosignatures) {
			p.Size, p.Cosignatures = c.Size, best[c.Size]
		}
		return len(p.Cosignatures) < wanted, nil
	}); err != nil {
		return err
	}
	if p.Size == 0 { // not cosigned: the first that was signed
		return r.ascend(table{name: tableCheckpoints}, number(p.Entry+1), func(key, note []byte) (bool, error) {
			p.Size, p.Checkpoint = binary.BigEndian.Uint64(key), note
			return false, nil
		})
	}
	var err error
	p.Checkpoint, err = r.get(table{name: tableCheckpoints}, number(p.Size))
	return err
}

// RootAt is the root over the first n entries by the stored hashes, and the size
// of the journal; if that is less than n there is no root.
func (s *Store) RootAt(ctx context.Context, n uint64) (root journal.Hash, size uint64, err error) {
	err = s.view(ctx, func(r reader) error {
		if size, err = getUint(r, keyJournal()); err != nil || n > size {
			return err
		}
		root, err = journal.Root(n, hashReader(r))
		return err
	})
	return root, size, err
}
