package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Archive describes the part of the journal that can be archived: from the first
// entry that is not past its term to the last checkpoint before a moment, or, if
// there is any there, to the last that a witness cosigned. Its checkpoints come
// with their cosignatures. Nothing to archive is NotFound.
func (s *Store) Archive(ctx context.Context, until time.Time) (a journal.Archive, err error) {
	err = s.view(ctx, func(r reader) error {
		a = journal.Archive{}
		if a.From, err = getUint(r, keyReduced()); err != nil {
			return err
		}
		size, err := getUint(r, keyJournal())
		if err != nil {
			return err
		}
		end, err := firstAt(r, a.From, size, until)
		if err != nil {
			return err
		}
		if err := archiveNotes(r, &a, end); err != nil {
			return err
		}
		a.Edge, err = journal.EdgeOf(a.From, hashReader(r))
		return err
	})
	return a, err
}

// archiveNotes takes the checkpoints after From and up to an entry.
func archiveNotes(r reader, a *journal.Archive, end uint64) error {
	cosigned := map[uint64]string{}
	var witnessed uint64
	in := table{name: tableCosigned}
	err := r.ascend(in, number(a.From+1), func(_, value []byte) (bool, error) {
		var c Cosignature
		err := readJSON(in, value, &c)
		if c.Size > end {
			return false, err
		}
		witnessed = c.Size
		cosigned[c.Size] += c.Line
		return true, err
	})
	if err != nil {
		return err
	}
	if witnessed > 0 {
		end = witnessed
	}
	return r.ascend(table{name: tableCheckpoints}, number(a.From+1), func(key, note []byte) (bool, error) {
		size := sequenceOf(key)
		if size > end {
			return false, nil
		}
		a.Size = size
		a.Notes = append(a.Notes, string(note)+cosigned[size])
		return true, nil
	})
}

// Leaves gives the leaves of some entries, in order, as they are in the tree; an
// entry that is past its term ends them with NotFound.
func (s *Store) Leaves(ctx context.Context, from uint64, limit int) (all [][]byte, err error) {
	err = s.view(ctx, func(r reader) error {
		all = nil
		return eachStored(r, from, limit, func(_ uint64, stored journal.Stored) error {
			if len(stored.Leaf) == 0 {
				return gateway.Errorf(gateway.NotFound, "these entries are past their term: only their hashes are left")
			}
			all = append(all, stored.Leaf)
			return nil
		})
	})
	return all, err
}
