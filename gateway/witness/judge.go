package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	maxHeads    = 400         // of one journal: more than a year of days
	maxBranches = 100         // likewise
	pause       = time.Minute // between two heads of one journal
	again       = 24 * time.Hour
)

// claim is a request whose signature was verified: what a party says of its own
// journal, and how it proves it.
type claim struct {
	checkpoint journal.Checkpoint
	note       string
	old        uint64
	proof      []journal.Hash

	restored   bool // the journal has an entry that tells of a restore
	entry      uint64
	restoredAs uint64 // the incarnation from then on
}

// verdict is what a witness makes of a claim.
type verdict struct {
	answer  Answer
	at      time.Time
	held    store.Held
	entries []journal.Entry
	err     error
}

// judge holds a claim against what is held of the party's journal. It is pure.
func judge(now time.Time, log gateway.OIN, held store.Held, c claim) verdict {
	v := verdict{at: now, held: held}
	last, any := latest(held.Heads)
	v.answer.Size, v.answer.Incarnation = last.Size, last.Incarnation
	switch {
	case !any:
		v.extend(c, store.Head{})
	case c.checkpoint.Incarnation < last.Incarnation,
		c.checkpoint.Incarnation == last.Incarnation && c.checkpoint.Size < last.Size:
		v.refuse(log, c, Rollback)
	case c.checkpoint.Incarnation > last.Incarnation:
		v.branch(log, c, last)
	case c.checkpoint.Size > last.Size && now.Sub(last.Time) < pause && now.After(last.Time):
		v.err = gateway.Errorf(gateway.Limit, "this node cosigned a checkpoint of this journal a moment ago")
	default:
		v.extend(c, last)
	}
	if v.answer.Outcome == Inconsistent {
		v.refuse(log, c, Inconsistent)
	}
	return v
}

// latest is the head from which a journal must go on.
func latest(heads []store.Head) (last store.Head, any bool) {
	for _, h := range heads {
		if !h.Abandoned {
			last, any = h, true // they ascend, and those that are left do so by size too
		}
	}
	return last, any
}

// extend takes the checkpoint if the proof leads to it from the head.
func (v *verdict) extend(c claim, from store.Head) {
	if c.old != from.Size {
		v.answer.Outcome, v.answer.Size = Conflict, from.Size
		return
	}
	if !continues(c, from) {
		v.answer.Outcome = Inconsistent
		return
	}
	next := store.Head{Incarnation: c.checkpoint.Incarnation, Size: c.checkpoint.Size, Time: v.at, Checkpoint: c.note}
	heads := slices.DeleteFunc(slices.Clone(v.held.Heads), func(h store.Head) bool {
		return h.Incarnation == next.Incarnation && h.Size == next.Size
	})
	heads = append(heads, next)
	if n := len(heads) - maxHeads; n > 0 {
		heads = heads[n:]
	}
	v.held.Heads, v.held.Refused = heads, nil
	v.answer = Answer{Outcome: Cosigned, Size: next.Size, Incarnation: next.Incarnation}
}

func continues(c claim, from store.Head) bool {
	if from.Size == 0 {
		return len(c.proof) == 0
	}
	before, err := journal.ReadHead([]byte(from.Checkpoint))
	if err != nil {
		return false
	}
	return journal.CheckConsistency(before.Root, before.Size, c.checkpoint.Root, c.checkpoint.Size, c.proof) == nil
}

// branch is for a database that was put back from a backup, or begun anew. Up to
// the entry that tells so it must continue what is held of it.
func (v *verdict) branch(log gateway.OIN, c claim, last store.Head) {
	if c.restored && c.restoredAs <= last.Incarnation {
		v.answer.Outcome = Conflict // this restore is known: there was a later one
		return
	}
	if !c.restored && c.old != 0 {
		v.answer.Outcome = Conflict
		return
	}
	var from store.Head
	heads := slices.Clone(v.held.Heads)
	for i, h := range heads {
		if h.Abandoned {
			continue
		}
		if c.restored && h.Size <= c.entry {
			from = h
			continue
		}
		heads[i].Abandoned = true
	}
	lost := v.held
	v.held.Heads = heads
	v.extend(c, from)
	if v.answer.Outcome != Cosigned {
		v.held = lost
		return
	}
	one := store.Branch{At: v.at, Outcome: store.BranchAnew, Entry: c.entry, Lost: last.Size}
	if c.restored {
		one.Outcome = store.BranchRestored
	}
	v.held.Branches = append(slices.Clone(lost.Branches), one)
	if n := len(v.held.Branches) - maxBranches; n > 0 {
		v.held.Branches = v.held.Branches[n:]
	}
	v.entries = append(v.entries, journal.Entry{
		Kind: journal.KindWitnessRestored, Party: log, Count: int(c.entry), Outcome: one.Outcome, Digest: digest(last.Checkpoint),
	})
}

// refuse keeps the first checkpoint that shows it, and journals it once a day.
func (v *verdict) refuse(log gateway.OIN, c claim, outcome string) {
	v.answer.Outcome = outcome
	known := v.held.Refused
	if known != nil && known.Outcome == outcome && v.at.Sub(known.At) < again {
		return
	}
	v.held.Refused = &store.Refusal{At: v.at, Outcome: outcome, Size: c.checkpoint.Size, Checkpoint: c.note}
	v.entries = append(v.entries, journal.Entry{
		Kind: journal.KindWitnessRefused, Party: log, Count: int(c.checkpoint.Size), Outcome: outcome, Digest: digest(c.note),
	})
}

func digest(note string) string {
	sum := sha256.Sum256([]byte(note))
	return hex.EncodeToString(sum[:])
}
