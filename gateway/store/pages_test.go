package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/doorstroom/doorstroom/gateway/store"
)

// TestDamagedPages opens files of which something in a page is not true. Each is
// a named error or sound: no panic, and no end that never comes.
func TestDamagedPages(t *testing.T) {
	const header = 16
	path, file := manyPages(t)
	size := os.Getpagesize()
	at := func(b []byte, page uint64) []byte { return b[int(page)*size:][:size] }
	pagesOf := func(kind uint16) (ids []uint64) { // that the last transaction wrote, most likely
		for id := uint64(2); int(id+1)*size <= len(file); id++ {
			page := at(file, id)
			if binary.NativeEndian.Uint64(page) == id && binary.NativeEndian.Uint16(page[8:]) == kind && binary.NativeEndian.Uint16(page[10:]) > 1 {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for name, test := range map[string]struct {
		kind   uint16
		damage func(page []byte, id uint64)
	}{
		"flows over the end":         {2, func(p []byte, _ uint64) { binary.NativeEndian.PutUint32(p[12:], 0xFFFFFFF0) }},
		"is of no kind":              {2, func(p []byte, _ uint64) { binary.NativeEndian.PutUint16(p[8:], 0) }},
		"is another page":            {2, func(p []byte, id uint64) { binary.NativeEndian.PutUint64(p, id+1) }},
		"counts too much":            {2, func(p []byte, _ uint64) { binary.NativeEndian.PutUint16(p[10:], 0xFFFE) }},
		"has a key beyond it":        {2, func(p []byte, _ uint64) { binary.NativeEndian.PutUint32(p[header+8:], 0xFFFFFFFF) }},
		"has a value beyond it":      {2, func(p []byte, _ uint64) { binary.NativeEndian.PutUint32(p[header+12:], 1<<20) }},
		"has keys in another order":  {2, func(p []byte, _ uint64) { copy(p[header+16:header+32], p[header:header+16]) }},
		"leads to itself":            {1, func(p []byte, id uint64) { binary.NativeEndian.PutUint64(p[header+8:], id) }},
		"leads to one page twice":    {1, func(p []byte, _ uint64) { copy(p[header+16+8:header+32], p[header+8:header+16]) }},
		"leads out of the file":      {1, func(p []byte, _ uint64) { binary.NativeEndian.PutUint64(p[header+8:], 1<<40) }},
		"leads to a meta page":       {1, func(p []byte, _ uint64) { binary.NativeEndian.PutUint64(p[header+8:], 1) }},
		"leads nowhere":              {1, func(p []byte, _ uint64) { binary.NativeEndian.PutUint16(p[10:], 0) }},
		"has a branch key beyond it": {1, func(p []byte, _ uint64) { binary.NativeEndian.PutUint32(p[header:], 0xFFFFFFFF) }},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := append([]byte{}, file...)
			for _, id := range pagesOf(test.kind) {
				test.damage(at(damaged, id), id)
			}
			if err := openImage(t, path, damaged); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("got %v, want that the file is damaged", err)
			}
		})
	}
	// A file grows by more than it needs: what is cut off may never have been used.
	end := (pagesOf(2)[len(pagesOf(2))-1] + 1) * uint64(size)
	for cut := range 40 {
		if err := openImage(t, path, file[:int(end)*cut/40]); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%d of 40 parts of the file: got %v, want that it is damaged", cut, err)
		}
	}
}

// TestFlippedBits flips one bit at a time in what the pages say of themselves,
// and some anywhere.
func TestFlippedBits(t *testing.T) {
	path, file := manyPages(t)
	rng := rand.New(rand.NewPCG(1, 1))
	size, noticed := os.Getpagesize(), 0
	for i := range 600 {
		at := rng.IntN(len(file))
		if i%3 > 0 {
			at = at/size*size + rng.IntN(128)
		}
		damaged := append([]byte{}, file...)
		damaged[at] ^= 1 << rng.IntN(8)
		switch err := openImage(t, path, damaged); {
		case errors.Is(err, store.ErrCorrupt):
			noticed++
		case err != nil:
			t.Errorf("a bit of byte %d of %d: got %v, want that the file is damaged, or nothing", at, len(file), err)
		}
	}
	if noticed < 40 {
		t.Errorf("got %d damaged files of 600, want more: the rest are in pages that are free", noticed)
	}
}

// manyPages is a database with pages of all kinds.
func manyPages(t *testing.T) (path string, file []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "node.db")
	s := get(store.Open(path, store.Options{NoSync: true}))(t)
	for i := range 60 {
		must(t, step(s, i, func(string, ...any) {}))
	}
	must(t, s.Close())
	return path, get(os.ReadFile(path))(t)
}

// openImage opens a file and reads all of it.
func openImage(t *testing.T, path string, file []byte) error {
	t.Helper()
	must(t, os.WriteFile(path, file, 0o600))
	s, err := store.Open(path, store.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer s.Close()
	if problems := s.Check(ctx); len(problems) > 0 {
		return fmt.Errorf("%w: %v", store.ErrCorrupt, problems)
	}
	return nil
}
