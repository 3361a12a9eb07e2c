package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
)

// The pages of a bbolt file have no checksums, and bbolt believes them: on one
// that is damaged it panics, in a goroutine of its own, or goes round for ever.
// So before it may look for free pages, all that the newest meta page leads to
// is read here, by the format that bbolt's own documentation of page.go, meta.go
// and inode.go gives (version 2).

const (
	pageHeader   = 16 // id, flags, count, overflow
	pageElement  = 16
	bucketHeader = 16 // root page, sequence

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10
	leafBucket   = 0x01

	metaMagic   = 0xED0CDAED
	metaVersion = 2
)

// pages is the tree of a file, as far as it was read.
type pages struct {
	file io.ReaderAt
	size int64 // of a page
	end  uint64
	seen []uint64 // one bit for each page
	// fast leaves out pages that have rows only: what is damaged in them is found
	// when they are read, and cannot send a reader round for ever.
	fast bool

	above int      // pages that are being read, from the root on
	rooms [][]byte // for each of them
}

// checkPages reads the tree of the file: every page is what and where it says,
// none is in two places, keys rise, and nothing reaches beyond its page.
func checkPages(path string, pageSize int, fast bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkTree(file, info.Size(), int64(pageSize), fast)
	}
	return errors.Join(err, file.Close())
}

func checkTree(file io.ReaderAt, fileSize, pageSize int64, fast bool) error {
	meta, err := newestMeta(file, pageSize)
	if err != nil {
		return err
	}
	p := pages{file: file, size: pageSize, end: meta.end, fast: fast}
	if int64(p.end) < 0 || int64(p.end) > fileSize/pageSize {
		return damaged("the file is shorter than it says")
	}
	p.seen = make([]uint64, p.end/64+1)
	if err := errors.Join(p.mark(0, 1), p.mark(1, 1)); err != nil {
		return err
	}
	if _, err := p.tree(meta.root, nil, nil); err != nil {
		return err
	}
	if meta.freelist == noFreePage {
		return nil
	}
	return p.freelist(meta.freelist)
}

type metaPage struct{ root, freelist, end, transaction uint64 }

// newestMeta is the one of the two that bbolt goes by.
func newestMeta(file io.ReaderAt, pageSize int64) (newest metaPage, err error) {
	found := false
	for i := range int64(2) {
		var b [pageHeader + 64]byte
		if _, err := file.ReadAt(b[:], i*pageSize); err != nil {
			return newest, err
		}
		m := b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:56])
		if uint32At(m, 0) != metaMagic || uint32At(m, 4) != metaVersion || sum.Sum64() != uint64At(m, 56) {
			continue
		}
		one := metaPage{root: uint64At(m, 16), freelist: uint64At(m, 32), end: uint64At(m, 40), transaction: uint64At(m, 48)}
		if !found || one.transaction > newest.transaction {
			newest, found = one, true
		}
	}
	if !found {
		return newest, damaged("both meta pages are damaged")
	}
	return newest, nil
}

// read gives a page with those that it flows over into. It lends it until the next
// is read at the same depth.
func (p *pages) read(id uint64, kinds ...uint16) (page []byte, kind uint16, err error) {
	if id < 2 || id >= p.end {
		return nil, 0, damaged("page %d is outside of the file", id)
	}
	page, err = p.readSome(id, 1)
	if err != nil {
		return nil, 0, err
	}
	n := 1 + uint64(uint32At(page, 12))
	if uint64At(page, 0) != id || n > p.end-id {
		return nil, 0, damaged("page %d is not what it should be", id)
	}
	if err := p.mark(id, n); err != nil {
		return nil, 0, err
	}
	if n > 1 {
		if page, err = p.readSome(id, n); err != nil {
			return nil, 0, err
		}
	}
	kind = uint16At(page, 8)
	for _, one := range kinds {
		if kind == one {
			return page, kind, nil
		}
	}
	return nil, 0, damaged("page %d is of another kind", id)
}

func (p *pages) readSome(id, n uint64) ([]byte, error) {
	if p.above == len(p.rooms) {
		p.rooms = append(p.rooms, nil)
	}
	size := int(n) * int(p.size)
	if cap(p.rooms[p.above]) < size {
		p.rooms[p.above] = make([]byte, size)
	}
	page := p.rooms[p.above][:size]
	_, err := p.file.ReadAt(page, int64(id)*p.size)
	return page, err
}

func (p *pages) mark(id, n uint64) error {
	for ; n > 0; id, n = id+1, n-1 {
		if p.seen[id/64]&(1<<(id%64)) != 0 {
			return damaged("page %d is in two places", id)
		}
		p.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

// tree reads a page and all below it, whose keys are not below least and, unless
// limit is nil, below limit. It tells whether the page has rows only.
func (p *pages) tree(id uint64, least, limit []byte) (rows bool, err error) {
	page, kind, err := p.read(id, pageBranch, pageLeaf)
	if err != nil {
		return false, err
	}
	p.above++
	defer func() { p.above-- }()
	if kind == pageLeaf {
		return p.leaf(id, page, least, limit)
	}
	return false, p.branch(id, page, least, limit)
}

func (p *pages) branch(id uint64, page, least, limit []byte) error {
	count := int(uint16At(page, 10))
	if count == 0 || pageHeader+count*pageElement > len(page) {
		return damaged("page %d has no room for what it counts", id)
	}
	key := func(i int) ([]byte, error) {
		at := pageHeader + i*pageElement
		return part(id, page[at:], uint32At(page, at), uint32At(page, at+4))
	}
	rows := false // the first child has only rows, and so have all
	for i := range count {
		from, err := key(i)
		to := limit
		if err == nil && i+1 < count {
			to, err = key(i + 1)
		}
		if err != nil {
			return err
		}
		if bytes.Compare(from, least) < 0 || to != nil && bytes.Compare(from, to) >= 0 {
			return damaged("the keys of page %d are out of order", id)
		}
		child := uint64At(page, pageHeader+i*pageElement+8)
		if p.fast && rows {
			err = p.pass(child)
		} else {
			rows, err = p.tree(child, from, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pass marks a page without reading it.
func (p *pages) pass(id uint64) error {
	if id < 2 || id >= p.end {
		return damaged("page %d is outside of the file", id)
	}
	return p.mark(id, 1)
}

// leaf reads the keys of a page and the buckets among its values. It tells
// whether there are none.
func (p *pages) leaf(id uint64, page, least, limit []byte) (rows bool, err error) {
	count := int(uint16At(page, 10))
	if pageHeader+count*pageElement > len(page) {
		return false, damaged("page %d has no room for what it counts", id)
	}
	rows = true
	for i := range count {
		at := pageHeader + i*pageElement
		flags, offset, keySize, valueSize := uint32At(page, at), uint32At(page, at+4), uint32At(page, at+8), uint32At(page, at+12)
		key, err := part(id, page[at:], offset, keySize)
		if err != nil {
			return false, err
		}
		after, err := part(id, page[at:], offset+keySize, valueSize)
		if err != nil {
			return false, err
		}
		if order := bytes.Compare(key, least); order < 0 || i > 0 && order == 0 || limit != nil && bytes.Compare(key, limit) >= 0 {
			return false, damaged("the keys of page %d are out of order", id)
		}
		if least = key; flags&leafBucket != 0 {
			rows = false
			if err := p.bucket(id, after); err != nil {
				return false, err
			}
		}
	}
	return rows, nil
}

// bucket reads what a bucket has: pages of its own, or one within the value.
func (p *pages) bucket(id uint64, value []byte) error {
	if len(value) < bucketHeader {
		return damaged("page %d has a bucket that is too short", id)
	}
	if root := uint64At(value, 0); root != 0 {
		_, err := p.tree(root, nil, nil)
		return err
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || uint16At(inline, 8) != pageLeaf {
		return damaged("page %d has a bucket that is too short", id)
	}
	_, err := p.leaf(id, inline, nil, nil)
	return err
}

// freelist reads the list that a new file has, and one that was left clean: what
// it says is free must be so.
func (p *pages) freelist(id uint64) error {
	page, _, err := p.read(id, pageFreelist)
	if err != nil {
		return err
	}
	count, at := uint64(uint16At(page, 10)), pageHeader
	if count == math.MaxUint16 {
		count, at = uint64At(page, at), at+8
	}
	if count > uint64(len(page)-at)/8 {
		return damaged("page %d has no room for what it counts", id)
	}
	for ; count > 0; count, at = count-1, at+8 {
		free := uint64At(page, at)
		if free < 2 || free >= p.end {
			return damaged("page %d is outside of the file", free)
		}
		if err := p.mark(free, 1); err != nil {
			return err
		}
	}
	return nil
}

func part(id uint64, b []byte, offset, size uint32) ([]byte, error) {
	if end := uint64(offset) + uint64(size); end > uint64(len(b)) {
		return nil, damaged("something in page %d reaches beyond it", id)
	}
	return b[offset : offset+size], nil
}

func damaged(format string, args ...any) error {
	return corrupt(table{name: "file"}, fmt.Sprintf(format, args...))
}

// bbolt writes in the order of the machine.
func uint16At(b []byte, at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
func uint32At(b []byte, at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
func uint64At(b []byte, at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
