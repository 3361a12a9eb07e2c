package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// This file is the witness's side of witnessing: what this node saw of the
// journals of others.

// Head is a checkpoint of another party's journal that this node cosigned.
type Head struct {
	Incarnation uint64    `json:"incarnation"`
	Size        uint64    `json:"size"`
	Time        time.Time `json:"time"` // cosigned last
	Checkpoint  string    `json:"checkpoint"`
	Abandoned   bool      `json:"abandoned,omitempty"` // the journal went on from an earlier place
}

// Branch is one time that a journal went on from an earlier place than its last
// head.
type Branch struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"` // restored or begun-anew
	Entry   uint64    `json:"entry"`   // from where
	Lost    uint64    `json:"lost"`    // size of the last head before
}

// What a Branch was.
const (
	BranchRestored = "restored"
	BranchAnew     = "begun-anew"
)

// Refusal is a checkpoint that does not continue what this node witnessed.
type Refusal struct {
	At         time.Time `json:"at"`      // first
	Outcome    string    `json:"outcome"` // WitnessRollback or WitnessInconsistent
	Size       uint64    `json:"size"`
	Checkpoint string    `json:"checkpoint"`
}

// Held is what this node knows of one party's journal.
type Held struct {
	Heads    []Head // by incarnation and size; the store keeps them one by one
	Branches []Branch
	Refused  *Refusal // since the last head
}

// heldRow is Held without its heads.
type heldRow struct {
	Branches []Branch `json:"branches,omitempty"`
	Refused  *Refusal `json:"refused,omitempty"`
}

// Witness changes what is known of a party's journal. judge gets it as it is and
// gives it as it will be, with what is journaled; it may be called more than once,
// and its error leaves everything as it was.
func (s *Store) Witness(ctx context.Context, now time.Time, log gateway.OIN, judge func(now time.Time, held Held) (Held, []journal.Entry, error)) error {
	return s.grow(ctx, now, func(t *txn) error {
		before, err := readHeld(t, log)
		if err != nil {
			return err
		}
		kept := map[string][]byte{}
		for _, h := range before.Heads {
			kept[string(headKey(h))] = encodeJSON(h)
		}
		after, entries, err := judge(t.now, before)
		if err != nil {
			return err
		}
		in := table{name: tableHeads, party: log}
		for _, h := range after.Heads {
			key, value := headKey(h), encodeJSON(h)
			if !bytes.Equal(kept[string(key)], value) {
				t.put(in, key, value)
			}
			delete(kept, string(key))
		}
		for key := range kept {
			t.delete(in, []byte(key))
		}
		t.put(table{name: tableWitnessed}, []byte(log), encodeJSON(heldRow{after.Branches, after.Refused}))
		return t.record(entries...)
	})
}

func headKey(h Head) []byte {
	return binary.BigEndian.AppendUint64(number(h.Incarnation), h.Size)
}

func readHeld(r reader, log gateway.OIN) (Held, error) {
	var row heldRow
	if _, err := getJSON(r, table{name: tableWitnessed}, []byte(log), &row); err != nil {
		return Held{}, err
	}
	held := Held{Branches: row.Branches, Refused: row.Refused}
	in := table{name: tableHeads, party: log}
	err := r.ascend(in, nil, func(_, value []byte) (bool, error) {
		var h Head
		err := readJSON(in, value, &h)
		held.Heads = append(held.Heads, h)
		return true, err
	})
	return held, err
}

// Held is what this node knows of one party's journal.
func (s *Store) Held(ctx context.Context, log gateway.OIN) (held Held, err error) {
	err = s.view(ctx, func(r reader) error {
		held, err = readHeld(r, log)
		return err
	})
	return held, err
}

// Watched is what stands out in the journals of others.
type Watched struct {
	Log      gateway.OIN
	Branches []Branch
	Refused  *Refusal
}

// Watched lists the parties whose journals this node witnesses.
func (s *Store) Watched(ctx context.Context) (all []Watched, err error) {
	in := table{name: tableWitnessed}
	err = s.view(ctx, func(r reader) error {
		all = nil
		return r.ascend(in, nil, func(key, value []byte) (bool, error) {
			var row heldRow
			err := readJSON(in, value, &row)
			all = append(all, Watched{gateway.OIN(key), row.Branches, row.Refused})
			return true, err
		})
	})
	return all, err
}
