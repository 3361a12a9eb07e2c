package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// txn is one transaction as the methods of the store see it: it reads its own
// writes and gathers what is written once at its end, such as the row of a peer
// and the number of references to a payload.
type txn struct {
	overlay
	now    time.Time                // effective, UTC
	peers  map[gateway.OIN]*peerRow // as they will be
	before map[gateway.OIN]peerRow  // as they were
	refs   map[sharedKey]int        // change in the number of references

	journaled bool   // whether journal is known
	journal   uint64 // size of the journal
}

func newTxn(r reader, now time.Time) (*txn, error) {
	highest, err := getUint(r, keyHighest())
	if err != nil {
		return nil, err
	}
	return &txn{
		overlay: overlay{reader: r, changes: batch{}},
		now:     later(now.UTC().Round(0), time.Unix(0, int64(highest)).UTC()),
		peers:   map[gateway.OIN]*peerRow{},
		before:  map[gateway.OIN]peerRow{},
		refs:    map[sharedKey]int{},
	}, nil
}

// finish gives all that the transaction writes; nothing if nothing changed.
func (t *txn) finish() (batch, error) {
	for oin, row := range t.peers {
		if *row != t.before[oin] {
			t.put(table{name: tablePeers}, []byte(oin), encodeJSON(row))
		}
	}
	for key, change := range t.refs {
		if err := t.count(key, change); err != nil {
			return nil, err
		}
	}
	if t.journaled {
		t.putUint(keyJournal(), t.journal)
	}
	if len(t.changes) > 0 {
		t.putUint(keyHighest(), uint64(t.now.UnixNano()))
	}
	return t.changes, nil
}

func (t *txn) putUint(key []byte, n uint64) {
	t.put(table{name: tableMeta}, key, binary.AppendUvarint(nil, n))
}

// peer is the row of a party, to be read and changed; finish writes it.
func (t *txn) peer(oin gateway.OIN) (*peerRow, error) {
	if row := t.peers[oin]; row != nil {
		return row, nil
	}
	if oin == "" {
		return nil, gateway.Errorf(gateway.Internal, "a peer without OIN")
	}
	row := &peerRow{}
	if _, err := getJSON(t, table{name: tablePeers}, []byte(oin), row); err != nil {
		return nil, err
	}
	t.peers[oin], t.before[oin] = row, *row
	return row, nil
}

// sharedKey is the first half of the SHA-256 of a shared value.
type sharedKey [16]byte

// share makes one more reference to a value, which is stored once.
func (t *txn) share(key sharedKey, value []byte) error {
	if _, known := t.refs[key]; !known {
		stored, err := t.get(table{name: tableRefs}, key[:])
		if err != nil {
			return err
		}
		if stored == nil {
			t.put(table{name: tableShared}, key[:], value)
		}
	}
	t.refs[key]++
	return nil
}

// release takes one reference away; with the last one finish deletes the value.
func (t *txn) release(key sharedKey) { t.refs[key]-- }

func (t *txn) count(key sharedKey, change int) error {
	if change == 0 && t.changes[table{name: tableShared}][string(key[:])] == nil {
		return nil
	}
	stored, err := t.get(table{name: tableRefs}, key[:])
	if err != nil {
		return err
	}
	refs, _ := binary.Uvarint(stored)
	switch n := int64(refs) + int64(change); {
	case n < 0:
		return corrupt(table{name: tableRefs}, "more references released than made")
	case n == 0:
		t.delete(table{name: tableRefs}, key[:])
		t.delete(table{name: tableShared}, key[:])
	default:
		t.put(table{name: tableRefs}, key[:], binary.AppendUvarint(nil, uint64(n)))
	}
	return nil
}

// shared reads a value that something refers to.
func shared(r reader, key sharedKey) ([]byte, error) {
	value, err := r.get(table{name: tableShared}, key[:])
	if err == nil && value == nil {
		return nil, corrupt(table{name: tableShared}, "a value is missing")
	}
	return value, err
}

// terms is what many queued messages have in common.
type terms struct {
	Kind      string      `json:"kind"`
	Principal gateway.OIN `json:"principal,omitempty"`
	Basis     Basis       `json:"basis,omitzero"`
}

func readTerms(r reader, key sharedKey) (terms, error) {
	value, err := shared(r, key)
	if err != nil {
		return terms{}, err
	}
	var all terms
	return all, readJSON(table{name: tableShared}, value, &all)
}

func keyJournal() []byte { return []byte("journal-size") }

// record appends entries to the journal, with the time of the transaction.
func (t *txn) record(entries ...journal.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if !t.journaled {
		size, err := getUint(t, keyJournal())
		if err != nil {
			return err
		}
		t.journaled, t.journal = true, size
	}
	for _, e := range entries {
		if e.Kind == "" {
			return gateway.Errorf(gateway.Internal, "a journal entry without kind")
		}
		e.Time = t.now
		leaf := e.Encode()
		hashes, err := journal.Append(t.journal, leaf, hashReader(t))
		if err != nil {
			return fmt.Errorf("append to the journal: %w", err)
		}
		t.put(table{name: tableJournal}, number(t.journal), encodeStored(journal.Stored{Leaf: leaf, Hashes: hashes}))
		t.journal++
	}
	return nil
}

// hashReader finds the hash of a complete subtree with its last record.
func hashReader(r reader) journal.HashReader {
	return func(level int, n uint64) (journal.Hash, error) {
		i, place := journal.Record(level, n)
		value, err := r.get(table{name: tableJournal}, number(i))
		if err != nil {
			return journal.Hash{}, err
		}
		stored, err := decodeStored(value)
		if err != nil {
			return journal.Hash{}, err
		}
		if place >= len(stored.Hashes) {
			return journal.Hash{}, corrupt(table{name: tableJournal}, "a hash is missing")
		}
		return stored.Hashes[place], nil
	}
}
