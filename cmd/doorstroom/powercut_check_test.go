package main_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// promised is what had left the nodes before a cut.
type promised struct {
	publishes int
	messages  []string
}

func (c *powerCut) before(cut int) (p promised) {
	for _, a := range c.promises {
		switch {
		case a.at >= cut:
		case a.message == "":
			p.publishes++
		default:
			p.messages = append(p.messages, a.message)
		}
	}
	return p
}

// facts are what a node finds on its disk when the power is back.
type facts struct {
	journal  []store.JournalRecord
	own      map[string]int // versions by offer
	shown    []store.Shown
	received []store.ReceivedOffer
	unsound  []string
	err      error // it does not open, or cannot be read
}

// facts opens the database of an image and reads all of it. Images that were
// seen a moment ago are not opened again.
func (c *powerCut) facts(t *testing.T, id [sha256.Size]byte, files map[string][]byte) *facts {
	t.Helper()
	if f := c.seen[id]; f != nil {
		return f
	}
	must(t, os.RemoveAll(c.scratch))
	must(t, writeFolder(c.scratch, files))
	f := &facts{own: map[string]int{}}
	if s, err := store.Open(filepath.Join(c.scratch, "node.db"), store.Options{NoSync: true}); err != nil {
		f.err = fmt.Errorf("the database does not open: %w", err)
	} else {
		f.read(t.Context(), s)
		_ = s.Close() // a broken one may not close well
	}
	if len(c.seen) > 300 {
		clear(c.seen)
	}
	c.seen[id] = f
	return f
}

func (f *facts) read(ctx context.Context, s *store.Store) {
	var errs [4]error
	var own []store.OwnOffer
	f.journal, errs[0] = s.Journal(ctx, 0, 1<<30)
	own, errs[1] = s.OwnOffers(ctx)
	f.shown, errs[2] = s.Shown(ctx, receives)
	f.received, errs[3] = s.ReceivedOffers(ctx)
	for _, o := range own {
		f.own[o.Offer.ID], _ = strconv.Atoi(strings.TrimPrefix(o.Offer.Title, titlePrefix))
	}
	f.unsound, f.err = s.Check(ctx), errors.Join(errs[:]...)
}

// pair is what both nodes find.
type pair struct {
	sender, receiver *facts
	findings
	lostPublishes, lostMessages int
	promised                    promised
	sums                        [][sha256.Size]byte // of images that might have been others
}

func (c *powerCut) open(t *testing.T, sender, receiver image) *pair {
	t.Helper()
	p := &pair{}
	for name, side := range map[string]struct {
		to **facts
		image
	}{"sender": {&p.sender, sender}, "receiver": {&p.receiver, receiver}} {
		id := sum(name, side.files)
		if side.waiting {
			p.sums = append(p.sums, id)
		}
		*side.to = c.facts(t, id, side.files)
		if err := (*side.to).err; err != nil {
			p.wrong = append(p.wrong, name+": "+err.Error())
		}
	}
	return p
}

func sum(of string, files map[string][]byte) (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(all, "%s %s %d\n%s", of, name, len(files[name]), files[name])
	}
	all.Sum(sum[:0])
	return sum
}

func writeFolder(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path, content := filepath.Join(dir, name), files[name]
		if content == nil {
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
		} else if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// compare holds what both found against each other and against what was
// promised.
func (p *pair) compare(states []map[string]int, promised promised) {
	p.promised = promised
	if p.sender.err != nil {
		p.lostPublishes = promised.publishes
	}
	if p.receiver.err != nil {
		p.lostMessages = len(promised.messages)
	}
	if p.sender.err != nil || p.receiver.err != nil {
		return
	}
	sent, received := p.sender.journal, p.receiver.journal
	f := audit(sent, received, promised.publishes, len(states)-1)
	p.messages = f.messages
	p.lost, p.doubled, p.wrong = append(p.lost, f.lost...), append(p.doubled, f.doubled...), append(p.wrong, f.wrong...)
	have := map[string]bool{}
	for _, r := range received {
		have[r.Message] = have[r.Message] || r.Kind == journal.KindReceived
	}
	for _, id := range promised.messages {
		if !have[id] {
			p.lostMessages++
			p.lost = append(p.lost, "the receiver does not have message "+id+", for which it gave a receipt")
		}
	}
	p.publishes(states)
	p.known()
	p.wrong = append(append(p.wrong, p.sender.unsound...), p.receiver.unsound...)
}

// publishes compares the sender's own offers with those after as many publishes
// as its journal has.
func (p *pair) publishes(states []map[string]int) {
	imports := 0
	for _, r := range p.sender.journal {
		if r.Kind == journal.KindImport {
			imports++
		}
	}
	p.lostPublishes = max(0, p.promised.publishes-imports)
	if imports >= len(states) || !maps.Equal(p.sender.own, states[imports]) {
		p.lost = append(p.lost, fmt.Sprintf("own offers after %d of %d publishes: got %v", imports, len(states)-1, p.sender.own))
	}
}

// known says what the receiver holds that the sender does not know to have
// sent: an attempt is on disk before the message leaves.
func (p *pair) known() {
	last := map[string]store.Shown{}
	for _, s := range p.sender.shown {
		last[s.Subject] = s
	}
	for _, o := range p.receiver.received {
		if s := last[o.Subject]; o.Sender != sends || s.Sequence < o.Sequence || !s.Exposed && !s.Withdrawal {
			p.lost = append(p.lost, fmt.Sprintf("the receiver holds sequence %d of a subject of which the sender knows %d, exposed: %t", o.Sequence, s.Sequence, s.Exposed))
		}
	}
}

// cutFindings is what all pairs of a run have shown.
type cutFindings struct {
	images, publishes, messages int // of the last two: how many were lost, at most, in one image
	acknowledged                int // messages, at most
	distinct                    map[[sha256.Size]byte]bool
	lost, doubled, wrong        []string
}

func (f *cutFindings) add(where string, p *pair) {
	if f.distinct == nil {
		f.distinct = map[[sha256.Size]byte]bool{}
	}
	for _, sum := range p.sums {
		f.distinct[sum] = true
	}
	f.images += 2
	f.publishes, f.messages = max(f.publishes, p.lostPublishes), max(f.messages, p.lostMessages)
	f.acknowledged = max(f.acknowledged, len(p.promised.messages))
	for to, from := range map[*[]string][]string{&f.lost: p.lost, &f.doubled: p.doubled, &f.wrong: p.wrong} {
		for _, problem := range from {
			*to = append(*to, where+": "+problem)
		}
	}
}

// problems are the first findings of each sort.
func (f cutFindings) problems() (all []string) {
	for _, some := range [][]string{f.lost, f.doubled, f.wrong} {
		all = append(all, some[:min(10, len(some))]...)
	}
	return all
}

func (f cutFindings) String() string {
	return fmt.Sprintf("%d images, %d of them different; up to %d messages acknowledged; lost %d (at most %d publishes and %d messages at once), doubled %d, wrong %d",
		f.images, len(f.distinct), f.acknowledged, len(f.lost), f.publishes, f.messages, len(f.doubled), len(f.wrong))
}
