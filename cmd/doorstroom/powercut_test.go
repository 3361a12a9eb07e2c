package main_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	powerImages    = flag.Int("images", 600, "how many different disk images TestPowerCut rebuilds; make powercut takes more")
	powerPublishes = flag.Int("publishes", 24, "how many publishes TestPowerCut records")
	powerRecording = flag.String("recording", "", "a folder that TestPowerCut kept: cuts that again, instead of recording anew")
)

// TestPowerCut cuts the power of a sender and a receiver at moments of a
// recording: at every sync, as it is about to return and after it has, after
// every acknowledgement, and anywhere. Of each it rebuilds what may be on their
// disks, opens both databases, checks them and the journals, and holds them
// against each other and against every acknowledgement that had left.
//
// Then it does the same with a recording in which nothing is synced, and with
// syncs of the first recording left out. Each of these must lose something:
// or the test would not notice.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for many seconds")
	}
	canTrace(t)
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	dir := *powerRecording
	var r recording
	if dir == "" {
		dir = t.ArtifactDir()
		r = record(t, dir, seed, *powerPublishes, true)
	} else {
		r = reread(t, dir)
	}
	c := newPowerCut(t, r)
	c.faithful(t)
	enough := func(f cutFindings) bool { return len(f.distinct) >= *powerImages }
	found := c.run(t, seed, asRecorded, enough)
	t.Logf("seed %d: %s", seed, found)
	for _, problem := range found.problems() {
		t.Error(problem)
	}
	if t.Failed() {
		t.Logf("again with: go test ./cmd/doorstroom -run=TestPowerCut -seed=%d -images=%d -recording=%s (kept with -artifacts)", seed, *powerImages, dir)
	}
	if len(found.distinct) < *powerImages || found.acknowledged == 0 {
		t.Errorf("the run shows nothing: %s", found)
	}
	for name, omit := range map[string]omission{
		"without the sync of the pages":     func(meta bool) bool { return !meta },
		"without the sync of the meta page": func(meta bool) bool { return meta },
	} {
		t.Run(name, func(t *testing.T) {
			found := c.run(t, seed, omit, func(f cutFindings) bool { return len(f.problems()) > 0 || enough(f) })
			if t.Log(found); len(found.problems()) == 0 {
				t.Error("nothing was noticed")
			}
		})
	}
	t.Run("without syncing", func(t *testing.T) {
		unsynced := newPowerCut(t, record(t, t.ArtifactDir(), seed, *powerPublishes/2, false))
		missed := func(f cutFindings) bool { return f.messages > 0 && f.publishes > 0 }
		// Cuts go from the first event to the last: several times, if need be.
		found := unsynced.run(t, seed, asRecorded, func(f cutFindings) bool { return missed(f) || f.images > 5000 })
		if t.Log(found); !missed(found) {
			t.Error("want acknowledged publishes and messages that are lost")
		}
	})
}

// canTrace skips where strace is missing or forbidden.
func canTrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %s", out)
	}
}

// powerCut replays one recording.
type powerCut struct {
	recording
	promises []acknowledgement
	limits   []int // events around which most can go wrong: see newPowerCut
	scratch  string
	seen     map[[sha256.Size]byte]*facts
}

func newPowerCut(t *testing.T, r recording) *powerCut {
	t.Helper()
	c := &powerCut{recording: r, promises: r.acknowledgements(), scratch: filepath.Join(t.TempDir(), "image"), seen: map[[sha256.Size]byte]*facts{}}
	publishes, messages := 0, 0
	for _, p := range c.promises {
		if p.message == "" {
			publishes++
		} else {
			messages++
		}
		if p.at == 0 {
			t.Fatalf("message %s was delivered, and no answer of the receiver was seen", p.message)
		}
		c.limits = append(c.limits, p.at+1)
	}
	if publishes != len(r.States)-1 || messages == 0 {
		t.Fatalf("got %d acknowledgements of %d publishes, and of %d messages", publishes, len(r.States)-1, messages)
	}
	for i, e := range r.events {
		if strings.HasSuffix(e.name, "sync") && e.returned {
			c.limits = append(c.limits, i, i+1)
		}
	}
	slices.Sort(c.limits)
	c.limits = slices.Compact(c.limits)
	return c
}

// omission says which syncs of a database are left out: meta tells whether it is
// the one after the page that makes a transaction count.
type omission func(meta bool) bool

func asRecorded(bool) bool { return false }

// moments are n cuts, each the number of events that come before it: of every
// four, three are around syncs and acknowledgements.
func (c *powerCut) moments(rng *rand.Rand, n int) (all []int) {
	for i, at := range rng.Perm(n) {
		if i%4 == 0 {
			all = append(all, rng.IntN(len(c.events)+1))
		} else {
			all = append(all, c.limits[at%len(c.limits)])
		}
	}
	slices.Sort(all)
	return all
}

// run rebuilds images in pairs, one of each node, until it has shown enough.
func (c *powerCut) run(t *testing.T, seed uint64, omit omission, enough func(cutFindings) bool) (found cutFindings) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	for range 50 {
		r := c.replay()
		for _, cut := range c.moments(rng, 500) {
			must(t, r.until(cut, omit))
			if !r.sender.waiting() && !r.receiver.waiting() && rng.IntN(8) > 0 {
				continue // little can go wrong
			}
			how := [2]survival{survivals()[rng.IntN(len(survivals()))], survivals()[rng.IntN(len(survivals()))]}
			p := c.open(t, r.sender.cut(rng, how[0]), r.receiver.cut(rng, how[1]))
			p.compare(c.States, c.before(cut))
			found.add(fmt.Sprintf("cut %d of %d, sender: %s, receiver: %s", cut, len(c.events), how[0], how[1]), p)
			if enough(found) {
				return found
			}
		}
	}
	return found
}

// replay is two disks on their way through a recording.
type replay struct {
	replayed
	sender, receiver *disk
	events           []event // that come
	done             int
	meta             map[string]bool // by file: the last write was of a meta page
}

func (c *powerCut) replay() *replay {
	return &replay{
		replayed: newReplayed(), events: c.events, meta: map[string]bool{},
		sender: newDisk(c.Sender.Root, c.Sender.Start, c.Sender.Killed), receiver: newDisk(c.Receiver.Root, c.Receiver.Start, c.Receiver.Killed),
	}
}

func (r *replay) until(cut int, omit omission) error {
	for ; r.done < cut; r.done++ {
		e := r.events[r.done]
		switch {
		case e.returned:
		case e.name == "pwrite64":
			r.meta[e.on] = e.offset < 2*int64(os.Getpagesize()) // bbolt has two, in front
		case e.name == "fdatasync" && strings.HasSuffix(e.on, ".db"):
			r.omits[e.call] = omit(r.meta[e.on])
		}
		if err := errors.Join(r.sender.apply(e, r.replayed), r.receiver.apply(e, r.replayed)); err != nil {
			return fmt.Errorf("event %d: %w", r.done, err)
		}
	}
	return nil
}

// faithful holds the model against the kernel: after all events, with
// all that waits, the model has what the folders had.
func (c *powerCut) faithful(t *testing.T) {
	t.Helper()
	r := c.replay()
	must(t, r.until(len(c.events), asRecorded))
	for _, side := range []struct {
		disk *disk
		want map[string][]byte
	}{{r.sender, c.Sender.End}, {r.receiver, c.Receiver.End}} {
		got := side.disk.image(nil, everything)
		if !maps.EqualFunc(got, side.want, bytes.Equal) {
			t.Errorf("the model of %s has %v, want what the folder has: %v", side.disk.root, sizes(got), sizes(side.want))
		}
	}
}

func sizes(files map[string][]byte) map[string]int {
	all := map[string]int{}
	for name, content := range files {
		all[name] = len(content)
	}
	return all
}
