package witness_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// history is a node that was witnessed twice and has a tail since: entries
// [0, first), [first, second) and from there on.
type history struct {
	f             *gt.Federation
	first, second uint64
	witnesses     []gateway.OIN
	copied        []byte // the database as it was at first, of a node that was stopped
}

func twoDays(t *testing.T) history {
	t.Helper()
	h := history{f: three(t)}
	pass(time.Minute)
	h.f.Stop(gt.Smile)
	var err error
	if h.copied, err = os.ReadFile(filepath.Join(h.f.Dir(gt.Smile), "data", "node.db")); err != nil {
		t.Fatal(err)
	}
	h.f.Start(gt.Smile)
	for i := range 5 {
		h.f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(fmt.Sprint("dag1-", i)))
	}
	h.first = h.witnessed(t)
	for i := range 5 {
		h.f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(fmt.Sprint("dag2-", i)))
	}
	pass(2 * time.Minute)
	h.second = h.witnessed(t)
	for oin := range statuses(t, h.f, gt.Smile) {
		h.witnesses = append(h.witnesses, oin)
	}
	h.f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("staart"))
	pass(time.Minute)
	return h
}

// witnessed has the journal cosigned and gives the size that was.
func (h history) witnessed(t *testing.T) uint64 {
	t.Helper()
	pass(2 * time.Minute)
	if !round(t, h.f, gt.Smile) {
		t.Fatal("too few witnesses")
	}
	state, err := h.f.Node(gt.Smile).Witness.State(context.Background())
	if err != nil || state.Size == 0 {
		t.Fatalf("got %+v and %v, want a witnessed size", state, err)
	}
	return state.Size
}

func (h history) compare(t *testing.T) []witness.Comparison {
	t.Helper()
	all, err := h.f.Node(gt.Smile).Witness.Compare(context.Background(), nil)
	if err != nil || len(all) != 2 {
		t.Fatalf("compare: got %d witnesses and %v, want 2", len(all), err)
	}
	return all
}

func alarms(t *testing.T, f *gt.Federation, oin gateway.OIN) string {
	t.Helper()
	status, err := f.Node(oin).Desk.Status(context.Background(), gt.Everyone())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(status.Alarms, "; ")
}

func kinds(f *gt.Federation, oin gateway.OIN, kind string) (n int) {
	for _, r := range f.Journal(oin) {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// Root rewrites the journal so that it fits itself: the witnesses name the
// entries, and at the next daily round both sides alarm and journal it.
func TestForgedJournalIsFoundByWitnesses(t *testing.T) {
	other := journal.Entry{Time: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Kind: "other"}.Encode()
	backdated := func(leaf []byte) []byte {
		e, err := journal.Decode(leaf)
		if err != nil {
			panic(err)
		}
		e.Time = e.Time.Add(-24 * time.Hour)
		return e.Encode()
	}
	for name, c := range map[string]struct {
		change  func(h history, l [][]byte) [][]byte
		early   bool   // before first
		outcome string // of the comparison
	}{
		"changed":    {func(_ history, l [][]byte) [][]byte { l[3] = other; return l }, true, witness.Differs},
		"deleted":    {func(_ history, l [][]byte) [][]byte { return slices.Delete(l, 3, 4) }, true, witness.Differs},
		"inserted":   {func(_ history, l [][]byte) [][]byte { return slices.Insert(l, 3, other) }, true, witness.Differs},
		"reordered":  {func(h history, l [][]byte) [][]byte { l[h.first], l[h.first+1] = l[h.first+1], l[h.first]; return l }, false, witness.Differs},
		"clock back": {func(h history, l [][]byte) [][]byte { l[h.first] = backdated(l[h.first]); return l }, false, witness.Differs},
		"truncated":  {func(h history, l [][]byte) [][]byte { return l[:h.first] }, false, witness.CutOff},
		"forked": {func(h history, l [][]byte) [][]byte {
			for i := h.first; i < uint64(len(l)); i++ {
				l[i] = other
			}
			return append(l, other)
		}, false, witness.Differs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				h := twoDays(t)
				h.f.Stop(gt.Smile)
				newForger(t, h.f, gt.Smile).rewrite(func(l [][]byte) [][]byte { return c.change(h, l) })
				h.f.Start(gt.Smile)
				if report, err := h.f.Node(gt.Smile).Desk.VerifyJournal(context.Background(), gt.Everyone()); err != nil {
					t.Fatalf("the forgery does not fit itself: %+v, %v", report, err)
				}
				switch {
				case c.early:
					h.found(t, c.outcome, 3, 0, h.first)
				case c.outcome == witness.CutOff:
					h.found(t, c.outcome, h.second-1, h.first, h.second)
				default:
					h.found(t, c.outcome, h.first, h.first, h.second)
				}
				h.alarmed(t)
			})
		})
	}
}

// found wants every witness to name a range with the entry in it, which lies
// between two heads.
func (h history) found(t *testing.T, outcome string, entry, from, to uint64) {
	t.Helper()
	for _, got := range h.compare(t) {
		if got.Outcome != outcome || got.From > entry || got.To <= entry || got.From < from || got.To > to {
			t.Errorf("got %+v, want %s of entry %d within [%d, %d)", got, outcome, entry, from, to)
		}
	}
}

// alarmed has the node meet its witnesses.
func (h history) alarmed(t *testing.T) {
	t.Helper()
	pass(2 * time.Minute)
	if round(t, h.f, gt.Smile) {
		t.Error("the witnesses cosigned")
	}
	if got := alarms(t, h.f, gt.Smile); !strings.Contains(got, "past er niet meer bij") {
		t.Errorf("the node: got alarms %q, want one of its journal", got)
	}
	if kinds(h.f, gt.Smile, journal.KindWitnessConflict) == 0 {
		t.Error("the node did not journal it")
	}
	for _, w := range h.witnesses {
		if held(t, h.f, w, gt.Smile).Refused == nil {
			continue // an older copy knows better than to ask
		}
		if got := alarms(t, h.f, w); !strings.Contains(got, "het journaal van Smile past niet") {
			t.Errorf("%s: got alarms %q, want one of the journal of Smile", w, got)
		}
		if got := kinds(h.f, w, journal.KindWitnessRefused); got != 1 {
			t.Errorf("%s: got %d entries of the refusal, want one", w, got)
		}
	}
}

// What came after the last head that was cosigned could be rewritten: the report
// says from where.
func TestForgedTailIsUnwitnessed(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := twoDays(t)
		state, err := h.f.Node(gt.Smile).Witness.State(context.Background())
		if err != nil || state.Tail == 0 || state.Age(time.Now()) <= 0 {
			t.Fatalf("got %+v, %v, want a tail with an age", state, err)
		}
		h.f.Stop(gt.Smile)
		newForger(t, h.f, gt.Smile).rewrite(func(l [][]byte) [][]byte { return l[:len(l)-1] })
		h.f.Start(gt.Smile)
		for _, got := range h.compare(t) {
			if got.Outcome != witness.Agrees || got.Size != state.Size || state.Size != h.second {
				t.Errorf("got %+v, want agreement on the first %d entries", got, h.second)
			}
		}
	})
}

// A signed head is replaced by another: the node itself finds it.
func TestReplacedCheckpointIsFoundByTheFileAlone(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := twoDays(t)
		h.f.Stop(gt.Smile)
		forge := newForger(t, h.f, gt.Smile)
		forge.update(func(tx *bbolt.Tx) error {
			key := number(h.second)
			note := forge.sign(h.second, journal.LeafHash([]byte("other")), 1)
			return tx.Bucket([]byte("checkpoints")).Put(key, frame("checkpoints", key, note))
		})
		h.f.Start(gt.Smile)
		_, err := h.f.Node(gt.Smile).Desk.VerifyJournal(context.Background(), gt.Everyone())
		if want := fmt.Sprintf("up to %d was changed after the checkpoint over %d", h.second-1, h.second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		for _, got := range h.compare(t) {
			if got.Outcome != witness.Agrees {
				t.Errorf("got %+v, want agreement: the entries are as they were", got)
			}
		}
	})
}

// The whole database is replaced by an older one by hand. Its node is told at the
// next round, and by verify at once; also when it has grown since.
func TestOldCopyIsFoundByWitnesses(t *testing.T) {
	for name, grown := range map[string]int{"as it was": 0, "grown since": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				h := twoDays(t)
				h.f.Stop(gt.Smile)
				if err := os.WriteFile(filepath.Join(h.f.Dir(gt.Smile), "data", "node.db"), h.copied, 0o600); err != nil {
					t.Fatal(err)
				}
				h.f.Start(gt.Smile)
				for i := range grown {
					h.f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(fmt.Sprint("opnieuw-", i)))
				}
				for _, got := range h.compare(t) {
					want := witness.CutOff
					if grown > 0 {
						want = witness.Differs
					}
					if got.Outcome != want || got.To > h.second || got.From > h.second {
						t.Errorf("got %+v, want %s within the first %d", got, want, h.second)
					}
				}
				h.alarmed(t)
			})
		})
	}
}

// A restore is no alarm: it is journaled on both sides, the witnesses keep what
// was cut off, and what was witnessed before the backup still stands.
func TestRestoreIsWitnessed(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		h := history{f: f}
		f.Publish(gt.Smile, gt.Offer("een"))
		h.first = h.witnessed(t)
		if _, err := f.Node(gt.Smile).Desk.Backup(context.Background(), gt.Everyone()); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(fmt.Sprint("na-", i)))
		}
		h.second = h.witnessed(t)
		for range 2 { // a second restore of the same backup before anybody heard of the first
			h.restore(t)
		}
		pass(time.Hour)
		for by, s := range statuses(t, f, gt.Smile) {
			if s.Problem != "" || s.Incarnation != f.Node(gt.Smile).Store.Incarnation() {
				t.Errorf("witness %s: got %+v, want a cosignature of the restored journal", by, s)
			}
			know := held(t, f, by, gt.Smile)
			if len(know.Branches) != 1 || know.Branches[0].Outcome != store.BranchRestored || know.Branches[0].Lost != h.second || know.Refused != nil {
				t.Errorf("%s: got %+v and %+v, want one restore from %d entries", by, know.Branches, know.Refused, h.second)
			}
			if kinds(f, by, journal.KindWitnessRestored) != 1 {
				t.Errorf("%s did not journal the restore", by)
			}
			if got := alarms(t, f, by); strings.Contains(got, "journaal") {
				t.Errorf("%s: got alarms %q, want none of journals", by, got)
			}
		}
		if got := alarms(t, f, gt.Smile); strings.Contains(got, "journaal") {
			t.Errorf("the node: got alarms %q, want none of its journal", got)
		}
		for _, c := range h.compare(t) {
			if c.Outcome != witness.Agrees || c.Given == 0 {
				t.Errorf("got %+v, want agreement and heads of before the restore", c)
			}
		}
		// What was witnessed before the backup is still beyond rewriting.
		f.Stop(gt.Smile)
		newForger(t, f, gt.Smile).rewrite(func(l [][]byte) [][]byte {
			l[2] = bytes.Replace(l[2], []byte(`"kind":"`), []byte(`"kind":"x`), 1)
			return l
		})
		f.Start(gt.Smile)
		h.found(t, witness.Differs, 2, 0, h.first)
	})
}

// restore puts the newest backup in the place of Smile's database.
func (h history) restore(t *testing.T) {
	t.Helper()
	h.f.Stop(gt.Smile)
	c, err := config.Load(filepath.Join(h.f.Dir(gt.Smile), node.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Restore(context.Background(), c, node.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	h.f.Start(gt.Smile)
}

// A restore as cover: the owner restores, and then rewrites what lies before the
// backup. The witnesses refuse the branch.
func TestRestoreIsNoCoverForRewriting(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		h := history{f: f}
		f.Publish(gt.Smile, gt.Offer("een"))
		h.first = h.witnessed(t)
		if _, err := f.Node(gt.Smile).Desk.Backup(context.Background(), gt.Everyone()); err != nil {
			t.Fatal(err)
		}
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		h.second = h.witnessed(t)
		f.Net.Cut(gt.Smile)
		h.restore(t)
		f.Stop(gt.Smile)
		newForger(t, f, gt.Smile).rewrite(func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte(`"kind":"`), []byte(`"kind":"x`), 1)
			return l
		})
		f.Net.Mend(gt.Smile)
		f.Start(gt.Smile)
		pass(time.Hour)
		all := statuses(t, f, gt.Smile)
		if len(all) != 2 {
			t.Errorf("got %d witnesses, want 2: another must not take the place of one that refuses", len(all))
		}
		for by, s := range all {
			if s.Problem != store.WitnessInconsistent {
				t.Errorf("witness %s: got %+v, want it to refuse", by, s)
			}
			if know := held(t, f, by, gt.Smile); know.Refused == nil || len(know.Branches) != 0 {
				t.Errorf("%s: got %+v and %+v, want a refusal and no branch", by, know.Refused, know.Branches)
			}
		}
	})
}

// A database that was lost and begun anew is believed, but shows.
func TestJournalBegunAnewShows(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := twoDays(t)
		h.f.Stop(gt.Smile)
		if err := os.Remove(filepath.Join(h.f.Dir(gt.Smile), "data", "node.db")); err != nil {
			t.Fatal(err)
		}
		h.f.Start(gt.Smile)
		pass(time.Hour)
		for _, w := range h.witnesses {
			know := held(t, h.f, w, gt.Smile)
			if len(know.Branches) != 1 || know.Branches[0].Outcome != store.BranchAnew || know.Branches[0].Lost < h.second {
				t.Errorf("%s: got %+v, want a journal begun anew after %d entries", w, know.Branches, h.second)
			}
			if got := alarms(t, h.f, w); !strings.Contains(got, "Smile is met een nieuw, leeg journaal begonnen") {
				t.Errorf("%s: got alarms %q, want one of it", w, got)
			}
		}
	})
}
