package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Unreserved has the store find out that the disk is full while it writes.
func Unreserved(opt Options) Options {
	opt.unreserved = true
	return opt
}

// Unjournaled has the store leave out its journal.
func Unjournaled(opt Options) Options {
	opt.unjournaled = true
	return opt
}

// Txn is what a migration works with.
type Txn struct{ t *txn }

func (t Txn) Put(name, key, value string) { t.t.put(table{name: name}, []byte(key), []byte(value)) }

func (t Txn) Get(name, key string) (string, error) {
	value, err := t.t.get(table{name: name}, []byte(key))
	return string(value), err
}

// OpenWith opens a database as a program with these migrations does.
func OpenWith(path string, opt Options, steps ...func(Txn) error) (*Store, error) {
	var all []migration
	for _, step := range steps {
		all = append(all, func(t *txn) error { return step(Txn{t}) })
	}
	return open(path, opt, all)
}

// Formats is how many formats there are migrations to, and from.
func Formats() int { return len(migrations()) + 1 }

// Remains is what a restore reads of a database before it replaces it.
func (s *Store) Remains(ctx context.Context) (found Remains, err error) {
	err = s.view(ctx, func(r reader) error {
		found, err = readRemains(r)
		return err
	})
	return found, err
}

// Everything is every row of every table.
func (s *Store) Everything(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	err := s.view(ctx, func(r reader) error {
		tables, err := r.tables()
		for _, in := range tables {
			err = errors.Join(err, r.ascend(in, nil, func(key, value []byte) (bool, error) {
				all[fmt.Sprintf("%s/%s/%q", in.name, in.party, key)] = string(value)
				return true, nil
			}))
		}
		return err
	})
	return all, err
}

// Row reads one row of any table.
func (s *Store) Row(ctx context.Context, name, key string) (value string, err error) {
	err = s.view(ctx, func(r reader) error {
		raw, err := r.get(table{name: name}, []byte(key))
		value = string(raw)
		return err
	})
	return value, err
}

// SetFormat lets a test have a database of another version.
func (s *Store) SetFormat(ctx context.Context, version uint64) error {
	return s.engine.update(ctx, false, func(r reader) (batch, error) {
		t := txn{overlay: overlay{reader: r, changes: batch{}}}
		t.putUint(keyFormat(), version)
		return t.changes, nil
	})
}

// Rows gives the number of rows of each table name.
func (s *Store) Rows(ctx context.Context) (map[string]int, error) {
	rows := map[string]int{}
	err := s.view(ctx, func(r reader) error {
		tables, err := r.tables()
		if err != nil {
			return err
		}
		for _, in := range tables {
			err := r.ascend(in, nil, func(_, _ []byte) (bool, error) {
				rows[in.name]++
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

// Frame puts a fitting checksum before a value.
func Frame(name string, key, value []byte) []byte {
	return appendFrame(nil, table{name: name}.seed(), key, value)
}

// Decoders reads each kind of compact row and writes it again.
func Decoders() map[string]func([]byte) ([]byte, error) {
	in := table{name: "fuzz"}
	return map[string]func([]byte) ([]byte, error){
		"entry": func(b []byte) ([]byte, error) { e, err := decodeEntry(in, b); return e.encode(), err },
		"block": func(b []byte) ([]byte, error) {
			all, err := messageCodec().decodeBlock(in, number(1000), b, nil)
			return messageCodec().encodeBlock(nil, all), err
		},
		"answers": func(b []byte) ([]byte, error) {
			all, err := answerCodec().decodeBlock(in, number(1000), b, nil)
			return answerCodec().encodeBlock(nil, all), err
		},
		"slots": func(b []byte) ([]byte, error) {
			all, err := slotCodec().decodeBlock(in, []byte("o7"), b, nil)
			return slotCodec().encodeBlock(nil, all), err
		},
		"slot":     func(b []byte) ([]byte, error) { s, err := decodeSlot(in, b); return s.encode(), err },
		"item":     func(b []byte) ([]byte, error) { i, err := decodeItem(in, b); return i.appendTo(nil), err },
		"snapshot": func(b []byte) ([]byte, error) { s, err := decodeSnapshot(in, b); return s.appendTo(nil), err },
		"own":      func(b []byte) ([]byte, error) { o, err := decodeOwn(nil, b); return encodeOwn(&o), err },
		"stored":   func(b []byte) ([]byte, error) { s, err := decodeStored(b); return encodeStored(s), err },
	}
}

// ForgetIntake leaves a database as one from before there were quotas.
func (s *Store) ForgetIntake(ctx context.Context) error {
	in := table{name: tableIntake}
	return s.engine.update(ctx, false, func(r reader) (batch, error) {
		o := overlay{reader: r, changes: batch{}}
		return o.changes, r.ascend(in, nil, func(key, _ []byte) (bool, error) {
			o.delete(in, key)
			return true, nil
		})
	})
}

// SetIntake counts wrongly.
func (s *Store) SetIntake(ctx context.Context, sender gateway.OIN, subjects int, bytes int64, remembered int) error {
	return s.engine.update(ctx, false, func(r reader) (batch, error) {
		o := overlay{reader: r, changes: batch{}}
		o.put(table{name: tableIntake}, []byte(sender), (&intake{subjects, bytes, remembered}).encode())
		return o.changes, nil
	})
}

func (s *Store) SetMeta(ctx context.Context, key string, value []byte) error {
	return s.update(ctx, time.Time{}, func(t *txn) error {
		t.put(table{name: tableMeta}, []byte(key), value)
		return nil
	})
}

// PutOwnAsJSON stores an own offer as it was before there were compact rows.
func (s *Store) PutOwnAsJSON(ctx context.Context, o OwnOffer) error {
	return s.update(ctx, time.Time{}, func(t *txn) error {
		t.put(table{name: tableOwn}, []byte(o.Offer.ID), encodeJSON(o))
		return nil
	})
}

// CompactedSize is what a backup expects of its copies.
func CompactedSize(used int64) int64 { return compactedSize(used) }

// PagesWritten counts the pages that were written since the database was opened.
func (s *Store) PagesWritten() int64 {
	stats := s.engine.(*boltEngine).file.db.Stats().TxStats
	return stats.GetPageAlloc() / int64(os.Getpagesize())
}

// SealedName is that of the vault's key of a referral to a node.
func SealedName(id string) string { return keyOf(id).name(tableProvided) }

// IndexIn puts facts of one referral into an index in the order of these revisions
// and gives the number that it lists.
func IndexIn(revisions ...uint64) (number uint64) {
	x := newIndex()
	for _, revision := range revisions {
		x.put([]ReferralFacts{{Side: gateway.ProviderSide, Number: revision, revision: revision}})
	}
	return x.all[indexKey{side: gateway.ProviderSide}].Number
}
