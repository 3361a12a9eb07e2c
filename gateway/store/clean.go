package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"sync"
)

// Starting. While the node runs, the list of free pages is not written: that
// would cost more than all the rest of a transaction on a file that was once
// large. Without it every page in use has to be visited at the start. So a clean
// end writes it once, and beside the file a hash of it: a list that was damaged
// would have pages in use overwritten. After a crash the file is read from its
// beginning to its end first, because visiting pages one by one takes a seek for
// each. What that takes is in docs/performance.md: after a kill, of a file of 3 GB,
// a third is reading it, a third checking its pages, and a third bbolt's own visit.

// cleanAbove is the size from which the list of free pages is written at the
// end; less is visited in no time.
const cleanAbove = 8 << 20

func cleanFile(path string) string { return path + ".clean" }

// leaveClean writes the list of free pages, as well as it goes: it only makes
// the next start faster.
func (f *dbFile) leaveClean(path string) {
	tx, err := f.db.Begin(true)
	if err != nil {
		return
	}
	if tx.Size() < cleanAbove {
		_ = tx.Rollback()
		return
	}
	f.db.NoFreelistSync = false
	if err := tx.Commit(); err != nil {
		return
	}
	if hash, err := freeHash(path); err == nil && hash != "" {
		_ = os.WriteFile(cleanFile(path), []byte(hash), 0o600)
	}
}

// leftClean tells whether the list of free pages in the file is the one that
// was written at a clean end.
func leftClean(path string) (bool, error) {
	hash, err := freeHash(path)
	if err != nil || hash == "" {
		return false, err
	}
	want, err := os.ReadFile(cleanFile(path))
	return err == nil && string(want) == hash, nil
}

// Where things are in the first two pages of a bbolt file, which say what is in
// force: after a header of 16 bytes magic, version, page size, flags, root and
// its sequence, page of the free list, number of pages, transaction, checksum.
// The header of any page ends with how many more pages belong to it.
const (
	metaFree     = 16 + 4*4 + 2*8
	metaTx       = metaFree + 2*8
	pageOverflow = 12
	noFreePage   = ^uint64(0)
)

// freeHash is the hash of the page that is in force and of the list of free
// pages that it names; "" if it names none. What it reads may be damaged.
func freeHash(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	page := int64(os.Getpagesize())
	heads := make([]byte, 2*page)
	if _, err := io.ReadFull(file, heads); err != nil {
		return "", ignoreEOF(err)
	}
	head := heads[:page]
	if binary.NativeEndian.Uint64(heads[page+metaTx:]) > binary.NativeEndian.Uint64(head[metaTx:]) {
		head = heads[page:]
	}
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	at := binary.NativeEndian.Uint64(head[metaFree:])
	if at == noFreePage || at < 2 || at >= uint64(info.Size()/page) {
		return "", nil
	}
	first := make([]byte, page)
	if _, err := file.ReadAt(first, int64(at)*page); err != nil {
		return "", ignoreEOF(err)
	}
	more := int64(binary.NativeEndian.Uint32(first[pageOverflow:]))
	sum := sha256.New()
	sum.Write(head)
	_, err = io.Copy(sum, io.NewSectionReader(file, int64(at)*page, (1+more)*page))
	return hex.EncodeToString(sum.Sum(nil)), err
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// readers is how many parts of the file are read at once: a disk gives more to
// several than to one.
const readers = 4

// readAhead brings the file into memory, as far as there is room.
func readAhead(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	var failed [readers]error
	part := info.Size()/readers + 1
	for i := range failed {
		all.Go(func() {
			from := io.NewSectionReader(file, int64(i)*part, part)
			_, failed[i] = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{from}, make([]byte, 256<<10))
		})
	}
	all.Wait()
	return errors.Join(failed[:]...)
}
