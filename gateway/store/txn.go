package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
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
	values map[sharedKey][]byte     // that may have to be stored

	known  map[sharedKey]terms              // that were read
	queues map[table]*blocks[uint64, entry] // that were looked into

	answers map[table]*blocks[uint64, answer] // likewise
	slots   map[table]*blocks[string, slot]   // likewise
	rooms   *rooms                            // for rows
	random  []byte                            // for ids, drawn many at a time

	intakes       map[gateway.OIN]*intake // as they will be
	intakesBefore map[gateway.OIN]intake  // as they were, where they were known
	traced        func([16]byte) bool     // nil: no message is
	queued        []Queued                // those that are

	scanned map[gateway.OIN]bool     // whose lists of all subjects are not looked at here any more
	rows    int                      // read for such lists
	lists   map[gateway.OIN][]string // of the last capacity-state of those of whom it was needed

	unjournaled bool // Options.unjournaled
	vault       Vault
	maxEvents   int
	happened    happened
	evented     bool // it wrote events
	quota       Quota
	referrals   *index          // as it was before
	begun       map[burden]int  // what it adds to that
	changed     []ReferralFacts // of the referrals that it writes
	erased      []referralKey   // that it erases

	journaled bool        // whether journal is known
	appended  bool        // and has grown
	journal   uint64      // size of the journal
	subtrees  [64]subtree // the last known of each level of the journal's tree
	appender  journal.Appender
}

func newTxn(r reader, now time.Time, rooms *rooms) (*txn, error) {
	highest, err := getUint(r, keyHighest())
	if err != nil {
		return nil, err
	}
	return &txn{
		overlay: overlay{reader: r, changes: batch{}},
		rooms:   rooms,
		now:     later(now.UTC().Round(0), time.Unix(0, int64(highest)).UTC()),
		peers:   map[gateway.OIN]*peerRow{},
		before:  map[gateway.OIN]peerRow{},
		refs:    map[sharedKey]int{},
		values:  map[sharedKey][]byte{},
		known:   map[sharedKey]terms{},
		queues:  map[table]*blocks[uint64, entry]{},
		answers: map[table]*blocks[uint64, answer]{},
		slots:   map[table]*blocks[string, slot]{},

		intakes:       map[gateway.OIN]*intake{},
		intakesBefore: map[gateway.OIN]intake{},

		scanned: map[gateway.OIN]bool{},
		lists:   map[gateway.OIN][]string{},
		begun:   map[burden]int{},
	}, nil
}

// finish gives all that the transaction writes; nothing if nothing changed.
func (t *txn) finish() (batch, error) {
	t.flush()
	for oin, row := range t.peers {
		if *row != t.before[oin] {
			t.put(table{name: tablePeers}, []byte(oin), encodeJSON(row))
		}
	}
	for oin, now := range t.intakes {
		if before, known := t.intakesBefore[oin]; !known || *now != before {
			t.put(table{name: tableIntake}, []byte(oin), now.encode())
		}
	}
	if err := t.count(); err != nil {
		return nil, err
	}
	if err := t.writeEvents(); err != nil {
		return nil, err
	}
	if t.appended {
		t.putUint(keyJournal(), t.journal)
	}
	if !t.changes.empty() {
		t.putUint(keyHighest(), uint64(t.now.UnixNano()))
	}
	return t.changes, nil
}

// room gives an empty slice for a row of at most n bytes, which is not kept longer
// than the transaction.
func (t *txn) room(n int) []byte { return t.rooms.room(n) }

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

// sharedKey names a shared value: terms by the first half of their SHA-256, the
// data of a message as contentKey does.
type sharedKey [16]byte

// hashPart is where the hash begins in the key of the data of a message.
const hashPart = 10

// contentKey names the data of a message by when it was stored, its place among
// all that is stored, and its hash. So data is written at the end of its table, and
// lies in the order in which deliveries let go of it: by hash alone each message
// would be somewhere else in the file. The place is the size of the journal before
// its publication and the number of the message in it: all publications of one
// import, and all while the clock is set back, have the same time.
func contentKey(now time.Time, place uint64, hash [32]byte) (key sharedKey) {
	milli := uint64(now.UnixMilli())
	binary.BigEndian.PutUint16(key[0:], uint16(milli>>32))
	binary.BigEndian.PutUint32(key[2:], uint32(milli))
	binary.BigEndian.PutUint32(key[6:], uint32(place))
	copy(key[hashPart:], hash[:])
	return key
}

// fits tells whether a value has this key. Data was once named by its hash
// alone, as terms are.
func (k sharedKey) fits(hash [32]byte) bool {
	return bytes.Equal(k[:], hash[:len(k)]) || bytes.HasPrefix(hash[:], k[hashPart:])
}

// share makes n more references to a value, which is stored once.
func (t *txn) share(key sharedKey, value []byte, n int) {
	if n == 0 {
		return
	}
	t.refs[key] += n
	t.values[key] = value
}

// release takes one reference away; with the last one finish deletes the value.
func (t *txn) release(key sharedKey) { t.refs[key]-- }

// count writes the numbers of references, and the values that are new.
func (t *txn) count() error {
	order := slices.SortedFunc(maps.Keys(t.refs), func(a, b sharedKey) int { return bytes.Compare(a[:], b[:]) })
	keys := make([][]byte, len(order))
	for i := range order {
		keys[i] = order[i][:]
	}
	values, refs := table{name: tableShared}, table{name: tableRefs}
	return t.each(refs, keys, func(i int, stored []byte) error {
		before, _ := binary.Uvarint(stored)
		after := int64(before) + int64(t.refs[order[i]])
		switch {
		case after < 0:
			return corrupt(refs, "more references released than made")
		case after == int64(before):
			return nil
		case after == 0:
			t.delete(values, keys[i])
			t.delete(refs, keys[i])
			return nil
		case before == 0:
			t.put(values, keys[i], t.values[order[i]])
		}
		t.put(refs, keys[i], binary.AppendUvarint(nil, uint64(after)))
		return nil
	})
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

// termsOf is readTerms, once per transaction.
func (t *txn) termsOf(key sharedKey) (terms, error) {
	if known, ok := t.known[key]; ok {
		return known, nil
	}
	read, err := readTerms(t, key)
	t.known[key] = read
	return read, err
}

func keyJournal() []byte { return []byte("journal-size") }

// journalSize is that with what the transaction has appended.
func (t *txn) journalSize() (uint64, error) {
	if t.journaled {
		return t.journal, nil
	}
	size, err := getUint(t, keyJournal())
	t.journaled, t.journal = err == nil, size
	return size, err
}

// record appends entries to the journal, with the time of the transaction.
func (t *txn) record(entries ...journal.Entry) error {
	if len(entries) == 0 || t.unjournaled {
		return nil
	}
	if _, err := t.journalSize(); err != nil {
		return err
	}
	read := journal.HashReader(t.subtree)
	rows := t.changes.rows(table{name: tableJournal})
	rows.grow(len(entries))
	for _, e := range entries {
		if e.Kind == "" {
			return gateway.Errorf(gateway.Internal, "a journal entry without kind")
		}
		e.Time = t.now
		stored, err := t.appender.Append(t.journal, &e, read)
		if err != nil {
			return fmt.Errorf("append to the journal: %w", err)
		}
		for level, h := range stored.Hashes {
			t.subtrees[level] = subtree{n: (t.journal + 1) >> level, hash: h}
		}
		key := binary.BigEndian.AppendUint64(t.room(8), t.journal)
		rows.set(key, appendStored(t.room(sizeOfStored(stored)), stored))
		t.journal, t.appended = t.journal+1, true
	}
	return nil
}

// subtree is the hash of a complete subtree of the journal, by its number
// counted from 1; 0 is none.
type subtree struct {
	n    uint64
	hash journal.Hash
}

// subtree is a journal.HashReader that keeps what it finds.
func (t *txn) subtree(level int, n uint64) (journal.Hash, error) {
	if known := t.subtrees[level]; known.n == n+1 {
		return known.hash, nil
	}
	h, err := hashReader(t)(level, n)
	if err == nil {
		t.subtrees[level] = subtree{n + 1, h}
	}
	return h, err
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
