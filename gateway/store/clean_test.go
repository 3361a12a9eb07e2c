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

	damaged, page := bytes.Clone(whole), os.Getpagesize()
	for at := 0; at < len(damaged); at += page { // also those that are free by now
		if id := binary.NativeEndian.Uint64(damaged[at:]); id == uint64(at/page) && bytes.Contains(damaged[at:at+page], []byte("o1-1")) {
			binary.NativeEndian.PutUint16(damaged[at+8:], 0xffff) // what kind of page it is
		}
	}
	must(t, os.WriteFile(s.path, damaged, 0o600))
	must(t, os.WriteFile(s.path+".clean", clean, 0o600))
	s.openAgain(t)
	if problems := s.Check(ctx); len(problems) == 0 {
		t.Error("a damaged page: check found nothing")
	}
	must(t, s.Append(ctx, start(), journal.Entry{Kind: "x"})) // which needs none of it
	must(t, s.Close())

	must(t, os.WriteFile(s.path, damaged, 0o600))
	must(t, os.Remove(s.path+".clean"))
	_, err := store.Open(s.path, s.opt)
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("without the hash: got %v, want ErrCorrupt", err)
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
