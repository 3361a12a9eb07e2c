package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sector = 512

// disk is a folder as a power cut may leave it, by what POSIX promises and no
// more. What is written to a file waits until an fsync or fdatasync of that file
// that began after the write has returned; so does its size. A name that is
// made, changed or taken away waits until an fsync of its folder. Of what waits,
// any part may be on disk: a write in any of its sectors, a rename as a whole.
type disk struct {
	root  string
	names map[string]*inode // as programs see them, by path below root
	kept  map[string]*inode // as they are on disk
	moves []*change         // of names, that wait
	after map[string][]byte // what programs saw when a process had been killed
}

type inode struct {
	folder bool
	kept   []byte
	waits  []*change
	at     int64 // where the next write without an offset goes
}

// change is one thing that waits: names, or data at an offset, or, without data,
// a size.
type change struct {
	names    map[string]*inode // nil: goes away
	data     []byte
	offset   int64
	cuts     bool // the size is that of the file, not the least that it has
	returned bool
	killed   bool // its process ended in it, and it will not return
}

// newDisk takes over what a folder holds; after is what it will hold when
// a process that writes to it has been killed.
func newDisk(root string, files, after map[string][]byte) *disk {
	d := &disk{root: root, names: map[string]*inode{}, after: after}
	for name, content := range files {
		d.names[name] = &inode{folder: content == nil, kept: content}
	}
	d.kept = maps.Clone(d.names)
	return d
}

// readFolder gives every file below a folder; folders are nil.
func readFolder(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root || entry.Type()&^fs.ModeDir != 0 { // sockets go with the power
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		if entry.IsDir() {
			files[name] = nil
			return nil
		}
		content, err := os.ReadFile(path)
		files[name] = append([]byte{}, content...)
		return err
	})
	must(t, err)
	return files
}

func (d *disk) inside(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, d.root)
	return strings.TrimPrefix(name, "/"), ok && (name == "" || name[0] == '/')
}

// replayed remembers between the beginning and the return of calls what a sync
// will make durable.
type replayed struct {
	wrote  map[*call]*change
	covers map[*call][]*change
	omits  map[*call]bool // syncs that are taken as if they did nothing
}

func newReplayed() replayed {
	return replayed{map[*call]*change{}, map[*call][]*change{}, map[*call]bool{}}
}

// apply does one event to the disk; others may have others of the same trace.
func (d *disk) apply(e event, r replayed) error {
	if d.unknown(e.call) {
		return fmt.Errorf("%s of a file of %s is not modelled", e.name, d.root)
	}
	name, inside := d.inside(e.on)
	if !inside {
		name, inside = d.inside(e.path)
	}
	if !inside {
		return nil
	}
	switch e.name {
	case "write", "pwrite64", "ftruncate", "fallocate":
		return d.write(e, r, d.names[name])
	case "fsync", "fdatasync":
		d.sync(e, r, name)
	case "openat", "renameat", "renameat2", "unlinkat", "mkdirat":
		if e.returned && e.result >= 0 {
			return d.rename(e)
		}
	}
	return nil
}

// unknown tells whether a call that disk does not model is about its files.
func (d *disk) unknown(c *call) bool {
	switch c.name {
	case "read", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "openat", "renameat", "renameat2", "unlinkat", "mkdirat":
		return false
	case "mmap":
		if !strings.Contains(c.args, "PROT_WRITE") || !strings.Contains(c.args, "MAP_SHARED") {
			return false
		}
	}
	return strings.Contains(c.args, hexed(d.root))
}

func (d *disk) write(e event, r replayed, file *inode) error {
	if file == nil {
		return fmt.Errorf("%s: the file %s is not known", e.name, e.on)
	}
	if e.returned {
		if !e.finished {
			return nil
		}
		if e.name == "fallocate" && e.result < 0 {
			file.waits = slices.DeleteFunc(file.waits, func(c *change) bool { return c == r.wrote[e.call] })
			return nil
		}
		if e.result != int64(len(e.data)) {
			return fmt.Errorf("%s of %s gave %d: not modelled", e.name, e.on, e.result)
		}
		r.wrote[e.call].returned = true
		return nil
	}
	c := &change{data: e.data, offset: e.offset, killed: !e.finished}
	switch e.name {
	case "ftruncate":
		c.cuts = true
	case "fallocate":
		if e.flags != "0" {
			return fmt.Errorf("fallocate with mode %s is not modelled", e.flags)
		}
	case "write":
		c.offset = file.at
		file.at += int64(len(e.data))
	}
	file.waits = append(file.waits, c)
	r.wrote[e.call] = c
	return nil
}

// sync makes durable, when it returns, what had returned when it began.
func (d *disk) sync(e event, r replayed, name string) {
	file := d.names[name]
	folder := name == "" || file != nil && file.folder
	if !e.returned {
		waits := d.moves
		if !folder {
			waits = file.waits
		}
		for _, c := range waits {
			if c.returned && (!folder || c.in(name)) {
				r.covers[e.call] = append(r.covers[e.call], c)
			}
		}
		return
	}
	if e.result != 0 || e.skipped || r.omits[e.call] {
		return
	}
	done := func(c *change) bool { return slices.Contains(r.covers[e.call], c) }
	for _, c := range r.covers[e.call] {
		if folder {
			c.rename(d.kept)
		} else {
			file.kept = c.write(file.kept, nil)
		}
	}
	if folder {
		d.moves = slices.DeleteFunc(d.moves, done)
	} else {
		file.waits = slices.DeleteFunc(file.waits, done)
	}
}

func (d *disk) rename(e event) error {
	name, inside := d.inside(e.path)
	if !inside {
		return nil
	}
	c := &change{names: map[string]*inode{}, returned: true}
	switch e.name {
	case "openat":
		if strings.Contains(e.flags, "O_APPEND") || strings.Contains(e.flags, "O_TMPFILE") {
			return fmt.Errorf("opening %s with %s is not modelled", e.path, e.flags)
		}
		if file := d.names[name]; file != nil && !file.folder {
			file.resolve(d.after[name])
			file.at = 0
			if strings.Contains(e.flags, "O_TRUNC") {
				file.waits = append(file.waits, &change{cuts: true, returned: true})
			}
		}
		if d.names[name] != nil || !strings.Contains(e.flags, "O_CREAT") {
			return nil
		}
		c.names[name] = &inode{}
	case "mkdirat":
		c.names[name] = &inode{folder: true}
	case "unlinkat":
		c.names[name] = nil
	default:
		from, inside := d.inside(e.from)
		if !inside || d.names[from] == nil {
			return fmt.Errorf("a file comes in from outside: %s", e.from)
		}
		c.names[name], c.names[from] = d.names[from], nil
	}
	c.rename(d.names)
	d.moves = append(d.moves, c)
	return nil
}

// resolve settles what became of writes in which a process was killed: the next
// one that opens the file finds them, or not, or in part.
func (i *inode) resolve(seen []byte) {
	for _, c := range i.waits {
		if c.killed && !c.returned && int64(len(seen)) >= c.offset+int64(len(c.data)) {
			c.data, c.returned = seen[c.offset:][:len(c.data)], true
		}
	}
}

func (c *change) rename(names map[string]*inode) {
	for name, file := range c.names {
		if file == nil {
			delete(names, name)
		} else {
			names[name] = file
		}
	}
}

// in tells whether the names are in a folder; "" is the root.
func (c *change) in(folder string) bool {
	for name := range c.names {
		if strings.TrimPrefix(filepath.Dir(name), ".") == folder {
			return true
		}
	}
	return false
}

// write does the change to the content of a file: all of it, or the sectors
// that survive says.
func (c *change) write(content []byte, survives func() bool) []byte {
	grow := func(size int64) {
		if more := size - int64(len(content)); more > 0 {
			content = append(content, make([]byte, more)...)
		}
	}
	if c.data == nil {
		if c.cuts && c.offset < int64(len(content)) {
			return content[:c.offset]
		}
		grow(c.offset)
		return content
	}
	for from := 0; from < len(c.data); {
		at := c.offset + int64(from)
		to := min(len(c.data), from+sector-int(at%sector))
		if survives == nil || survives() {
			grow(c.offset + int64(to))
			copy(content[at:], c.data[from:to])
		}
		from = to
	}
	return content
}

// image is a folder after a power cut.
type image struct {
	files   map[string][]byte
	waiting bool // something else might have been in it
}

func (d *disk) cut(rng *rand.Rand, how survival) image {
	return image{d.image(rng, how), d.waiting()}
}

// waiting tells whether a power cut could take anything away.
func (d *disk) waiting() bool {
	for _, file := range d.names {
		if len(file.waits) > 0 {
			return true
		}
	}
	return len(d.moves) > 0
}

// survival is which of what waits a power cut leaves.
type survival int

const (
	nothing    survival = iota // what waits was in memory only
	everything                 // what waits got to the disk in time
	latest                     // the disk did the last first
	one                        // all but one
	some                       // any of them
	torn                       // any sectors
	prefix                     // as many as there was time for, the last in part
)

// survivals are all, those that leave more to chance more often.
func survivals() []survival {
	return []survival{nothing, everything, latest, one, one, some, some, some, torn, torn, torn, prefix, prefix}
}

func (s survival) String() string {
	return []string{"nothing", "everything", "latest", "one", "some", "torn", "prefix"}[s]
}

// image is what is on disk after a power cut now.
func (d *disk) image(rng *rand.Rand, how survival) map[string][]byte {
	names := maps.Clone(d.kept)
	for i, survives := range how.choose(rng, len(d.moves)) {
		if survives != gone {
			d.moves[i].rename(names)
		}
	}
	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		file := names[name]
		if parent := filepath.Dir(name); parent != "." && (names[parent] == nil || !names[parent].folder) {
			continue
		}
		if file.folder {
			files[name] = nil
			continue
		}
		content := append([]byte{}, file.kept...)
		for i, survives := range how.choose(rng, len(file.waits)) {
			switch survives {
			case whole:
				content = file.waits[i].write(content, nil)
			case part:
				content = file.waits[i].write(content, func() bool { return rng.IntN(2) == 0 })
			}
		}
		files[name] = content
	}
	return files
}

type fate int

const (
	gone fate = iota
	whole
	part
)

func (s survival) choose(rng *rand.Rand, n int) []fate {
	fates := make([]fate, n)
	if n == 0 || s == nothing {
		return fates
	}
	pick := 0
	if rng != nil {
		pick = rng.IntN(n)
	}
	for i := range fates {
		switch {
		case s == everything, s == latest && i >= pick, s == one && i != pick, s == prefix && i < pick,
			s == some && rng.IntN(2) == 0:
			fates[i] = whole
		case s == torn, s == prefix && i == pick:
			fates[i] = part
		}
	}
	return fates
}

// TestPowerCutDisk shows by hand-written calls what may and what must be on the
// disk.
func TestPowerCutDisk(t *testing.T) {
	write := func(at int64, text string) *call {
		return &call{name: "pwrite64", on: "/d/f", data: []byte(text), offset: at, result: int64(len(text)), finished: true}
	}
	create := &call{name: "openat", path: "/d/f", on: "/d/f", flags: "O_RDWR|O_CREAT"}
	sync, folder := &call{name: "fdatasync", on: "/d/f"}, &call{name: "fsync", on: "/d"}
	swap := &call{name: "renameat", from: "/d/f", path: "/d/g"}
	skipped := &call{name: "fdatasync", on: "/d/f", skipped: true}
	first, second := write(0, "one"), write(3, "two")
	cut := &call{name: "ftruncate", on: "/d/f", offset: 1, finished: true}
	room := &call{name: "fallocate", on: "/d/f", offset: 4, flags: "0", finished: true}
	long := write(0, strings.Repeat("x", sector)+"y")
	all := func(calls ...*call) (events []event) {
		for _, c := range calls {
			events = append(events, event{c, false}, event{c, true})
		}
		return events
	}
	for name, test := range map[string]struct {
		events []event
		want   []string // every image that may be
	}{
		"a name waits for its folder": {all(create, first, sync), []string{"-", "one"}},
		"a write waits for a sync":    {all(create, folder, first, second), []string{"", "one", "onetwo", "\x00\x00\x00two"}},
		"a sync keeps":                {all(create, folder, first, sync, second), []string{"one", "onetwo"}},
		"a skipped sync does not":     {all(create, folder, first, skipped), []string{"", "one"}},
		"a sync that has not returned": {
			append(all(create, folder, first), event{sync, false}), []string{"", "one"},
		},
		"a write that began before a sync and returned after it": {
			slices.Concat(all(create, folder), []event{{first, false}}, all(sync), []event{{first, true}}), []string{"", "one"},
		},
		"a rename is whole": {all(create, folder, first, sync, swap), []string{"one", "g:one"}},
		"a file is cut":     {all(create, folder, first, sync, cut), []string{"o", "one"}},
		"a file gets room":  {all(create, folder, first, sync, room), []string{"one", "one\x00"}},
		"sectors tear": {
			all(create, folder, long), []string{"", strings.Repeat("x", sector), strings.Repeat("x", sector) + "y", strings.Repeat("\x00", sector) + "y"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, r, rng, got := newDisk("/d", nil, nil), newReplayed(), rand.New(rand.NewPCG(1, 1)), map[string]bool{}
			for _, e := range test.events {
				must(t, d.apply(e, r))
			}
			for range 500 {
				for _, how := range survivals() {
					image := d.image(rng, how)
					text := "-"
					if content, ok := image["g"]; ok {
						text = "g:" + string(content)
					}
					if content, ok := image["f"]; ok {
						text = string(content)
					}
					got[text] = true
				}
			}
			slices.Sort(test.want)
			if got := slices.Sorted(maps.Keys(got)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	d := newDisk("/d", nil, nil)
	if err := d.apply(event{&call{name: "writev", args: "7<" + hexed("/d/f") + ">"}, false}, newReplayed()); err == nil {
		t.Error("a call that is not modelled: want an error")
	}
	if !bytes.Equal(newDisk("/d", map[string][]byte{"k": []byte("v")}, nil).image(nil, everything)["k"], []byte("v")) {
		t.Error("what was there before is gone")
	}
}
