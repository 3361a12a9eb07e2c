package store_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// eightYears is a journal with one entry a day and a checkpoint a week, of which
// what is past seven years is reduced every day.
func eightYears(t *testing.T) (*testStore, time.Time) {
	t.Helper()
	s := open(t, store.Options{NoSync: true})
	now := start()
	for day := range 8 * 365 {
		now = now.Add(24 * time.Hour)
		must(t, s.Append(ctx, now, entryOf(day)))
		if day%7 == 0 {
			get(s.Checkpoint(ctx, now, signHead))(t)
		}
		if day%100 == 0 {
			get(s.IndexJournal(ctx, now))(t)
			get(s.ReduceJournal(ctx, now, now.AddDate(-7, 0, 0)))(t)
		}
	}
	return s, now
}

// After eight years the first is gone but for its hashes; what is left verifies,
// is proved by its checkpoints, and is found.
func TestReduceJournal(t *testing.T) {
	s, now := eightYears(t)
	get(s.ReduceJournal(ctx, now, now.AddDate(-7, 0, 0)))(t)
	reduced := get(s.Reduced(ctx))(t)
	if reduced < 360 || reduced > 370 {
		t.Errorf("got %d entries reduced, want those of a year", reduced)
	}
	if got := get(s.ReduceJournal(ctx, now, now.AddDate(-7, 0, 0)))(t); got != 0 {
		t.Errorf("once more: got %d, want 0", got)
	}
	report := get(s.VerifyJournal(ctx, openHead))(t)
	if report.Reduced != reduced || report.Checkpoints < 400 {
		t.Errorf("got %+v, want %d reduced", report, reduced)
	}
	all := get(s.Journal(ctx, 0, 5000))(t)
	if all[0].Index != reduced || all[0].Time.Before(now.AddDate(-7, 0, 0)) {
		t.Errorf("the first entry is %d of %v, want %d, not older than seven years", all[0].Index, all[0].Time, reduced)
	}
	page := get(s.SearchJournal(ctx, store.JournalQuery{Kind: journal.KindDenied, Oldest: true, Limit: 1, From: start()}))(t)
	if len(page.Records) != 1 || page.Records[0].Index < reduced || page.Reduced != reduced {
		t.Errorf("got %+v, want one entry after %d", page, reduced)
	}
	for _, r := range get(s.Journal(ctx, 0, 5000))(t) {
		if r.Kind == journal.KindReduced && r.Since.AddDate(7, 0, 0).After(r.Time.Add(time.Second)) {
			t.Errorf("entry %d reduced what is younger than seven years: %v", r.Index, r.Since)
		}
	}
	must(t, s.Close()) // the plaintext is not in the table any more
	db := get(bbolt.Open(s.path, 0o600, &bbolt.Options{ReadOnly: true}))(t)
	must(t, db.View(func(tx *bbolt.Tx) error {
		if row := tx.Bucket([]byte("journal")).Get(key(3)); bytes.Contains(row, []byte("kind")) {
			t.Errorf("entry 3 is still there: %s", row)
		}
		return nil
	}))
	must(t, db.Close())
	s.Store = get(store.Open(s.path, s.opt))(t)
	s.sound(t)
}

// Nothing goes that no checkpoint covers, nor while the clock is behind.
func TestReduceJournalWaits(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	must(t, s.Append(ctx, start(), entryOf(0), entryOf(1)))
	get(s.Checkpoint(ctx, start(), signHead))(t)
	must(t, s.Append(ctx, start(), entryOf(2)))
	later := start().AddDate(9, 0, 0)
	must(t, s.Append(ctx, later, entryOf(3)))
	if _, err := s.ReduceJournal(ctx, start(), start().AddDate(5, 0, 0)); !errors.Is(err, store.ErrClock) {
		t.Errorf("with a clock that ran back: got %v, want ErrClock", err)
	}
	if got := get(s.ReduceJournal(ctx, later, start().AddDate(5, 0, 0)))(t); got != 2 {
		t.Errorf("got %d entries reduced, want the two that a checkpoint covers", got)
	}
}

// A leaf that is gone without an entry that says so is named, and so is one among
// those that are there.
func TestVerifyNamesLostLeaves(t *testing.T) {
	for _, c := range []struct {
		reduced bool // the first sixty, by entry 60
		lost    []uint64
		want    string
	}{
		{false, []uint64{3}, "record 3 has lost its leaf"},
		{false, []uint64{0, 1}, "the leaves of the records from 0 up to 1 are gone"},
		{true, []uint64{61}, "record 61 has lost its leaf"},
		{true, []uint64{60}, "the leaves of the records from 0 up to 60 are gone"},
	} {
		s := open(t, store.Options{NoSync: true})
		fillJournal(t, s, 60)
		get(s.Checkpoint(ctx, start(), signHead))(t)
		if c.reduced {
			get(s.ReduceJournal(ctx, start().Add(time.Hour), start().Add(time.Minute)))(t)
			must(t, s.Append(ctx, start().Add(time.Hour), entryX(), entryX()))
		}
		must(t, s.Close())
		db := get(bbolt.Open(s.path, 0o600, nil))(t)
		must(t, db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("journal"))
			for _, i := range c.lost {
				row := bytes.Clone(b.Get(key(i)))[4:]
				if err := b.Put(key(i), store.Frame("journal", key(i), row[:1+32*int(row[0])])); err != nil {
					return err
				}
			}
			return nil
		}))
		must(t, db.Close())
		s.Store = get(store.Open(s.path, s.opt))(t)
		_, err := s.VerifyJournal(ctx, openHead)
		if err == nil || !strings.Contains(gateway.SafeMessage(err), c.want) {
			t.Errorf("%v: got %v, want it to name %q", c.lost, err, c.want)
		}
	}
}

func archived(t *testing.T, s *testStore, until time.Time) []byte {
	t.Helper()
	a := get(s.Archive(ctx, until))(t)
	var file bytes.Buffer
	must(t, a.WriteHead(&file))
	for from := a.From; from < a.Size; from += 100 {
		for _, leaf := range get(s.Leaves(ctx, from, int(min(100, a.Size-from))))(t) {
			must(t, journal.WriteRecord(&file, leaf))
		}
	}
	return file.Bytes()
}

func readArchive(file []byte) (n int, err error) {
	err = journal.ReadArchive(bytes.NewReader(file), func(a journal.Archive) (all []journal.Checkpoint, err error) {
		for _, note := range a.Notes {
			c, err := openHead([]byte(note))
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		return all, nil
	}, func(uint64, []byte) error { n++; return nil })
	return n, err
}

// An archive of a year verifies alone, also when what came before is only hashes,
// and whatever is changed in it is named.
func TestArchive(t *testing.T) {
	s, now := eightYears(t)
	reduced := get(s.Reduced(ctx))(t)
	until := now.AddDate(-6, 0, 0)
	a := get(s.Archive(ctx, until))(t)
	if a.From != reduced || a.Size < reduced+300 || a.Size > reduced+600 {
		t.Errorf("got an archive of %d up to %d, want a year from %d", a.From, a.Size, reduced)
	}
	file := archived(t, s, until)
	if n, err := readArchive(file); err != nil || n != int(a.Size-a.From) {
		t.Fatalf("got %d entries and %v, want %d", n, err, a.Size-a.From)
	}
	at := a.From + 50
	lines := bytes.SplitAfter(file, []byte("\n"))
	head := slices.IndexFunc(lines, func(l []byte) bool { return bytes.HasPrefix(l, []byte("record ")) })
	line := func(i int) []byte { return lines[head+i] }
	replace := func(i int, with ...[]byte) []byte {
		return slices.Concat(slices.Concat(lines[:head+i]...), slices.Concat(with...), slices.Concat(lines[head+i+1:]...))
	}
	changed := bytes.Replace(line(50), []byte(`"kind":"`), []byte(`"kind":"x`), 1)
	leaf := bytes.SplitN(bytes.TrimSuffix(changed, []byte("\n")), []byte(" "), 3)[2]
	var rewritten bytes.Buffer
	must(t, journal.WriteRecord(&rewritten, leaf))
	notes := slices.Concat(lines[:head]...)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"changed":           {replace(50, changed), fmt.Sprintf("record %d ", at)},
		"and its hash":      {replace(50, rewritten.Bytes()), "was changed after the checkpoint"},
		"deleted":           {replace(50), "was changed after"},
		"inserted":          {replace(50, line(50), line(50)), "was changed after"},
		"swapped":           {replace(50, line(51), line(50)), "was changed after"},
		"cut off":           {slices.Concat(lines[:len(lines)-3]...), "later are missing"},
		"no records":        {notes, "and later are missing"},
		"one more":          {slices.Concat(file, line(3)), "more than the"},
		"no checkpoints":    {slices.Concat(lines[0], slices.Concat(lines[head:]...)), "no checkpoint over all"},
		"another edge":      {bytes.Replace(file, []byte(`"edge":["`), []byte(`"edge":["00`), 1), "not an archive"},
		"another place":     {bytes.Replace(file, fmt.Appendf(nil, `"from":%d`, a.From), fmt.Appendf(nil, `"from":%d`, a.From+1), 1), "changed after"},
		"another file":      {[]byte("hello\n"), "not an archive"},
		"nothing":           {nil, "not an archive"},
		"another signature": {bytes.Replace(file, []byte("\\n\\n\u2014 "), []byte("\\n\\n\u2014 x"), 1), "no valid signature"},
	} {
		if bytes.Equal(c.file, file) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := readArchive(c.file); err == nil || !strings.Contains(gateway.SafeMessage(err), c.want) {
			t.Errorf("%s: got %v, want it to say %q", name, err, c.want)
		}
	}
}

// Where witnesses cosigned, an archive ends with what they cosigned last.
func TestArchiveEndsWitnessed(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	for i := range 5 {
		must(t, s.Append(ctx, start(), entryOf(i)))
		note := get(s.Checkpoint(ctx, start(), signHead))(t)
		if i == 2 {
			key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
			line := get(journal.Cosign(note, "witness.example", key, start()))(t)
			must(t, s.Cosigned(ctx, start(), store.Cosignature{Witness: peerA, Size: 3, Line: line}))
		}
	}
	a := get(s.Archive(ctx, start().Add(time.Hour)))(t)
	if a.Size != 3 || !strings.Contains(a.Notes[2], "witness.example") || strings.Contains(a.Notes[1], "witness.example") {
		t.Errorf("got an archive of %d entries with %q, want three and the cosignature", a.Size, a.Notes)
	}
	if n, err := readArchive(archived(t, s, start().Add(time.Hour))); err != nil || n != 3 {
		t.Errorf("got %d entries and %v, want 3", n, err)
	}
}
