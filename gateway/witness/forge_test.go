package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// forger is root on the machine of a node, with its keys and all the time in the
// world: what it leaves fits itself, down to the last checksum and signature.
type forger struct {
	t       testing.TB
	party   gateway.OIN
	path    string
	journal ed25519.PrivateKey
	f       *gt.Federation
}

func newForger(t testing.TB, f *gt.Federation, oin gateway.OIN) forger {
	t.Helper()
	data := filepath.Join(f.Dir(oin), "data")
	own, err := identity.Load(filepath.Join(data, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := hkdf.Key(sha256.New, own.Node, nil, "journal checkpoint key", ed25519.SeedSize)
	if err != nil {
		t.Fatal(err)
	}
	return forger{t, oin, filepath.Join(data, "node.db"), ed25519.NewKeyFromSeed(seed), f}
}

// frame is a value as the database keeps it: after a checksum.
func frame(table string, key, value []byte) []byte {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	seed := crc32.Checksum([]byte(table+"/"), castagnoli)
	sum := crc32.Update(crc32.Update(seed, castagnoli, key), castagnoli, value) ^ uint32(len(key))
	return append(binary.BigEndian.AppendUint32(nil, sum), value...)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func (f forger) update(change func(tx *bbolt.Tx) error) {
	f.t.Helper()
	db, err := bbolt.Open(f.path, 0o600, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := db.Update(change); err != nil {
		f.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// rewrite makes another journal of the leaves, with all hashes, and signs anew
// every checkpoint that it is long enough for.
func (f forger) rewrite(change func(leaves [][]byte) [][]byte) {
	f.t.Helper()
	f.update(func(tx *bbolt.Tx) error {
		rows := tx.Bucket([]byte("journal"))
		var leaves [][]byte
		if err := rows.ForEach(func(_, v []byte) error {
			leaves = append(leaves, bytes.Clone(v[5+32*int(v[4]):]))
			return nil
		}); err != nil {
			return err
		}
		before := len(leaves)
		leaves = change(leaves)
		var stored [][]journal.Hash
		read := func(level int, n uint64) (journal.Hash, error) {
			record, place := journal.Record(level, n)
			return stored[record][place], nil
		}
		for i, leaf := range leaves {
			hashes, err := journal.Append(uint64(i), leaf, read)
			if err != nil {
				return err
			}
			stored = append(stored, hashes)
			value := []byte{byte(len(hashes))}
			for _, h := range hashes {
				value = append(value, h[:]...)
			}
			key := number(uint64(i))
			if err := rows.Put(key, frame("journal", key, append(value, leaf...))); err != nil {
				return err
			}
		}
		for i := len(leaves); i < before; i++ {
			if err := rows.Delete(number(uint64(i))); err != nil {
				return err
			}
		}
		if err := putMeta(tx, "journal-size", uint64(len(leaves))); err != nil {
			return err
		}
		return f.signAgain(tx, uint64(len(leaves)), read)
	})
}

func putMeta(tx *bbolt.Tx, name string, n uint64) error {
	return tx.Bucket([]byte("meta")).Put([]byte(name), frame("meta", []byte(name), binary.AppendUvarint(nil, n)))
}

func (f forger) signAgain(tx *bbolt.Tx, size uint64, read journal.HashReader) error {
	heads := tx.Bucket([]byte("checkpoints"))
	var sizes []uint64
	var incarnation uint64
	if err := heads.ForEach(func(k, v []byte) error {
		sizes = append(sizes, binary.BigEndian.Uint64(k))
		c, err := journal.ReadHead(v[4:])
		incarnation = c.Incarnation
		return err
	}); err != nil {
		return err
	}
	last := uint64(0)
	for _, n := range sizes {
		if n > size {
			if err := heads.Delete(number(n)); err != nil {
				return err
			}
			continue
		}
		root, err := journal.Root(n, read)
		if err != nil {
			return err
		}
		last = n
		if err := heads.Put(number(n), frame("checkpoints", number(n), f.sign(n, root, incarnation))); err != nil {
			return err
		}
	}
	return putMeta(tx, "checkpoint-size", last)
}

func (f forger) sign(n uint64, root journal.Hash, incarnation uint64) []byte {
	registered, ok := f.f.Key(f.party).Ed25519()
	if !ok {
		f.t.Fatal("no Ed25519 key")
	}
	name := witness.Origin(f.party)
	note, err := journal.Sign(journal.Checkpoint{Origin: name, Size: n, Root: root, Incarnation: incarnation}, name, f.journal, registered)
	if err != nil {
		f.t.Fatal(err)
	}
	return note
}
