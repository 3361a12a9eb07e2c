package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// ImportStates gives the last import of every source, by source.
func (s *Store) ImportStates(ctx context.Context) ([]ImportState, error) {
	return allJSON[ImportState](ctx, s, table{name: tableImports})
}

// ImportState gives the last import of one source; false if there was none.
func (s *Store) ImportState(ctx context.Context, source string) (state ImportState, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err = getJSON(r, table{name: tableImports}, []byte(source), &state)
		return err
	})
	return state, ok, err
}

// SaveImport keeps the result of an import that published nothing, such as one
// that is held.
func (s *Store) SaveImport(ctx context.Context, now time.Time, state ImportState, entries []journal.Entry) error {
	return s.grow(ctx, now, func(t *txn) error {
		t.put(table{name: tableImports}, []byte(state.Source), encodeJSON(state))
		if state.Held != nil {
			t.event(gateway.EventImportHeld, "", gateway.EventData{Count: len(state.Held.Vanished)})
		}
		return t.record(entries...)
	})
}

func keyRegisterVersion() []byte { return []byte("register-version") } // of the one in force

// Register gives the register file that was saved last, or nil.
func (s *Store) Register(ctx context.Context) (file []byte, err error) {
	err = s.view(ctx, func(r reader) error {
		version, err := getUint(r, keyRegisterVersion())
		if err != nil {
			return err
		}
		file, err = r.get(table{name: tableRegisters}, registerKey(version))
		return err
	})
	return file, err
}

// RegisterVersion gives the register file of one version, or nil if it was never
// saved here.
func (s *Store) RegisterVersion(ctx context.Context, version uint64) (file []byte, err error) {
	err = s.view(ctx, func(r reader) error {
		file, err = r.get(table{name: tableRegisters}, registerKey(version))
		return err
	})
	return file, err
}

func registerKey(version uint64) []byte { return binary.BigEndian.AppendUint64(nil, version) }

// SaveRegister keeps a register that was verified, with those that lead up to
// it: files are consecutive versions, and version is that of the last, which is
// in force from now on. All are kept for good, for peers that missed some. A
// lower version than the one in force is a Conflict.
func (s *Store) SaveRegister(ctx context.Context, now time.Time, files [][]byte, version uint64, entry journal.Entry) error {
	return s.update(ctx, now, func(t *txn) error {
		before, err := getUint(t, keyRegisterVersion())
		if err != nil {
			return err
		}
		if version < before {
			return gateway.Errorf(gateway.Conflict, "register version %d is older than version %d, which is in force", version, before)
		}
		for i, file := range files {
			t.put(table{name: tableRegisters}, registerKey(version-uint64(len(files)-1-i)), file)
		}
		t.putUint(keyRegisterVersion(), version)
		return t.record(entry)
	})
}
