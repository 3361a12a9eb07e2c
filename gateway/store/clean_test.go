package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// large is a closed database that is worth a list of free pages, and has some.
func large(t *testing.T) *testStore {
	t.Helper()
	s := open(t, store.Options{NoSync: true})
	for n := range 12 {
		var sends []store.Send
		for i := range 100 {
			sends = append(sends, capacity(peerA, fmt.Sprint("o", n, "-", i), fmt.Sprint(n, i, strings.Repeat("x", 8000))))
		}
		publish(t, s, start(), sends...)
	}
	for range 3 {
		deliver(t, s, start(), peerA, 100, gateway.Received)
	}
	must(t, s.Close())
	return s
}

func (s *testStore) openAgain(t *testing.T) {
	t.Helper()
	s.Store = get(store.Open(s.path, s.opt))(t)
}

// TestCleanEnd proves both that the pages are not visited after a clean end and
// that what is then met damaged is an error, not the end of the process.
func TestCleanEnd(t *testing.T) {
	s := large(t)
	whole, clean := get(os.ReadFile(s.path))(t), get(os.ReadFile(s.path+".clean"))(t)
	s.openAgain(t)
	s.sound(t)
	free := s.Usage().FreeBytes
	must(t, s.Append(ctx, start(), journal.Entry{Kind: "x"}))
	if now := s.Usage().FreeBytes; free < 1<<20 || now < free/2 {
		t.Errorf("free bytes: got %d and then %d, want those of what was delivered", free, now)
	}
	s.sound(t)
	must(t, s.Close())

	page, found := os.Getpagesize(), false
	for at := len(whole)/page/2*page + page; at < len(whole) && !found; at += page {
		if binary.NativeEndian.Uint64(whole[at:]) != uint64(at/page) || binary.NativeEndian.Uint16(whole[at+8:]) != 2 {
			continue // not the beginning of a page with rows
		}
		damaged := bytes.Clone(whole)
		binary.NativeEndian.PutUint16(damaged[at+8:], 0xffff)
		must(t, os.WriteFile(s.path, damaged, 0o600))
		must(t, os.WriteFile(s.path+".clean", clean, 0o600))
		opened, err := store.Open(s.path, s.opt)
		if err != nil {
			continue // it was the first of its table
		}
		s.Store = opened
		found = len(s.Check(ctx)) > 0                             // or nothing needs the page any more
		must(t, s.Append(ctx, start(), journal.Entry{Kind: "x"})) // which needs none of it
		must(t, s.Close())
		if !found {
			continue
		}
		must(t, os.WriteFile(s.path, damaged, 0o600))
		must(t, os.Remove(s.path+".clean"))
		if _, err := store.Open(s.path, s.opt); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("without the hash: got %v, want ErrCorrupt", err)
		}
	}
	if !found {
		t.Error("a damaged page was not found by check after a clean end")
	}
}

// A list of free pages that is not the one that was written is not believed.
func TestDamagedFreeList(t *testing.T) {
	s := large(t)
	whole, clean := get(os.ReadFile(s.path))(t), get(os.ReadFile(s.path+".clean"))(t)
	page := os.Getpagesize()
	list := -1
	for at := 0; at < len(whole); at += page {
		if binary.NativeEndian.Uint16(whole[at+8:]) == 0x10 && binary.NativeEndian.Uint64(whole[at:]) == uint64(at/page) {
			list = at // the last one is the newest
		}
	}
	for _, c := range []struct {
		name  string
		at    int
		clean string
		want  bool // it opens
	}{
		{"whole", -1, string(clean), true},
		{"hash gone", -1, "", true},
		{"hash damaged", -1, strings.ToUpper(string(clean)), true},
		{"first page number", list + 16, string(clean), false},
		{"a later page number", list + 16 + 8*20, string(clean), false},
		{"its kind", list + 8, string(clean), false},
	} {
		damaged := bytes.Clone(whole)
		if c.at >= 0 {
			damaged[c.at] ^= 4
		}
		must(t, os.WriteFile(s.path, damaged, 0o600))
		must(t, os.WriteFile(s.path+".clean", []byte(c.clean), 0o600))
		opened, err := store.Open(s.path, s.opt)
		if (err == nil) != c.want || err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: got %v, want it to open: %t", c.name, err, c.want)
		}
		if err == nil {
			for _, problem := range opened.Check(ctx) {
				t.Errorf("%s: %s", c.name, problem)
			}
			must(t, opened.Close())
		}
	}
}

// A page that leads back to itself would send bbolt round for ever, so that is
// looked for even after a clean end.
func TestCleanEndWithACircle(t *testing.T) {
	s := large(t)
	whole := get(os.ReadFile(s.path))(t)
	page, branches, found := os.Getpagesize(), 0, 0
	for at := 2 * page; at < len(whole); at += page {
		if binary.NativeEndian.Uint64(whole[at:]) != uint64(at/page) || binary.NativeEndian.Uint16(whole[at+8:]) != 1 {
			continue
		}
		branches++
		damaged := bytes.Clone(whole)
		last := at + 16 + 16*(int(binary.NativeEndian.Uint16(whole[at+10:]))-1)
		binary.NativeEndian.PutUint64(damaged[last+8:], uint64(at/page))
		must(t, os.WriteFile(s.path, damaged, 0o600))
		opened, err := store.Open(s.path, s.opt)
		if err == nil { // the page is an old one
			for _, problem := range opened.Check(ctx) {
				t.Errorf("page %d: %s", at/page, problem)
			}
			must(t, opened.Close())
			must(t, os.WriteFile(s.path, whole, 0o600))
			continue
		}
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("page %d: got %v, want ErrCorrupt", at/page, err)
		}
		found++
	}
	if found == 0 {
		t.Errorf("of %d pages that lead to others none was found to lead to itself", branches)
	}
}
