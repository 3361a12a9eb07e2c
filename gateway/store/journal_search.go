package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// JournalQuery says which entries to find: those to which everything applies that
// is given.
type JournalQuery struct {
	Party   gateway.OIN   // the counterparty, for whom it acts, or a recipient
	Field   gateway.Field // was shown
	Rule    string        // allowed or denied
	Kind    string
	Outcome string // or the reason of one
	Message string
	Digest  string    // of a referral, while its salt is kept; there is no index by it
	Policy  string    // a version, or at least the first PolicyPrefix characters of it
	From    time.Time // at or after this
	Until   time.Time // before this

	Oldest bool // the oldest first; else the newest
	Limit  int
	// Next goes on where a page ended: its JournalPage.Next. Absent: from the
	// beginning.
	Next *uint64
}

// JournalPage is a part of what was found.
type JournalPage struct {
	Records []JournalRecord
	Next    uint64 // where to go on, if there is More
	More    bool   // there may be more
	Reduced uint64 // so many of the oldest entries are only hashes now: nothing is found there
}

func (q *JournalQuery) terms() (all []term) {
	add := func(dimension byte, value string) {
		if value != "" {
			all = append(all, termOf(dimension, value))
		}
	}
	add(byParty, string(q.Party))
	add(byField, string(q.Field))
	add(byRule, q.Rule)
	add(byKind, q.Kind)
	add(byOutcome, q.Outcome)
	add(byMessage, q.Message)
	add(byPolicy, q.Policy[:min(PolicyPrefix, len(q.Policy))])
	return all
}

// fits compares all but the period.
func (q *JournalQuery) fits(e *journal.Entry) bool {
	is := func(want string, got ...string) bool { return want == "" || slices.Contains(got, want) }
	return is(q.Kind, e.Kind) && is(q.Message, e.Message) && is(q.Digest, e.Digest) && is(q.Outcome, e.Outcome, string(e.Reason)) &&
		(is(q.Rule, e.Rule) || slices.Contains(e.Rules, q.Rule)) && strings.HasPrefix(e.Policy, q.Policy) &&
		(q.Field == "" || slices.Contains(e.Fields, q.Field)) &&
		(is(string(q.Party), string(e.Party), string(e.Principal)) || slices.Contains(strings.Fields(e.Recipients), string(q.Party)))
}

// SearchJournal finds entries by the index, and by reading them where there is
// none yet.
func (s *Store) SearchJournal(ctx context.Context, q JournalQuery) (page JournalPage, err error) {
	if q.Policy != "" && len(q.Policy) < PolicyPrefix {
		return JournalPage{}, gateway.Errorf(gateway.Invalid, "give at least the first %d characters of the version of a policy", PolicyPrefix)
	}
	err = s.view(ctx, func(r reader) error {
		page = JournalPage{}
		f := search{ctx: ctx, r: r, q: &q, terms: q.terms(), page: &page}
		return f.run()
	})
	if err != nil {
		return JournalPage{}, err
	}
	return page, nil
}

// search is one search under way: over the entries from low up to high, block by
// block.
type search struct {
	ctx       context.Context
	r         reader
	q         *JournalQuery
	terms     []term
	page      *JournalPage
	low, high uint64
	indexed   uint64 // blocks
}

func (f *search) run() (err error) {
	if f.high, err = getUint(f.r, keyJournal()); err != nil {
		return err
	}
	if f.page.Reduced, err = getUint(f.r, keyReduced()); err != nil {
		return err
	}
	if f.indexed, err = getUint(f.r, keyIndexed()); err != nil {
		return err
	}
	f.low = f.page.Reduced
	if err := f.period(); err != nil {
		return err
	}
	if next := f.q.Next; next != nil && f.q.Oldest {
		f.low = max(f.low, *next)
	} else if next != nil {
		f.high = min(f.high, *next)
	}
	for f.low < f.high && !f.page.More {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		if err := f.block(); err != nil {
			return err
		}
	}
	return nil
}

// period narrows the search to its period. The time of entries never falls.
func (f *search) period() (err error) {
	low, high := f.low, f.high
	if !f.q.From.IsZero() {
		if f.low, err = firstAt(f.r, low, high, f.q.From); err != nil {
			return err
		}
	}
	if !f.q.Until.IsZero() {
		f.high, err = firstAt(f.r, low, high, f.q.Until)
	}
	return err
}

// readAtOnce is how many entries are read of which nothing is known.
const readAtOnce = 64

// block looks through the last, or first, block of what is left, and takes it off.
func (f *search) block() error {
	at := f.low / indexBlock
	if !f.q.Oldest {
		at = (f.high - 1) / indexBlock
	}
	from, until := max(f.low, at*indexBlock), min(f.high, (at+1)*indexBlock)
	where, known, err := f.candidates(at)
	var found []JournalRecord
	switch {
	case err != nil:
	case known:
		found, err = f.look(from, until, &where)
	default:
		if f.q.Oldest {
			until = min(until, from+readAtOnce)
		} else {
			from = max(from, until-min(until, readAtOnce))
		}
		found, err = f.read(from, until)
	}
	if err != nil {
		return err
	}
	f.take(found)
	if f.q.Oldest {
		f.low = until
	} else {
		f.high = from
	}
	return nil
}

func (f *search) read(from, until uint64) (found []JournalRecord, err error) {
	err = eachEntry(f.r, from, int(until-from), func(i uint64, e *journal.Entry) (bool, error) {
		if f.q.fits(e) {
			found = append(found, JournalRecord{i, *e})
		}
		return true, nil
	})
	return found, err
}

// look reads the entries of some places, until there are more than the page takes.
func (f *search) look(from, until uint64, where *places) (found []JournalRecord, err error) {
	for n := range until - from {
		i := from + n
		if !f.q.Oldest {
			i = until - 1 - n
		}
		if !where.has(int(i % indexBlock)) {
			continue
		}
		e, ok, err := entryAt(f.r, i)
		if err != nil {
			return nil, err
		}
		if ok && f.q.fits(&e) {
			found = append(found, JournalRecord{i, e})
		}
		if len(f.page.Records)+len(found) > f.q.Limit {
			break
		}
	}
	return found, nil
}

// take adds what was found in a block to the page, in its order, up to its limit.
func (f *search) take(found []JournalRecord) {
	slices.SortFunc(found, func(a, b JournalRecord) int {
		if (a.Index < b.Index) == f.q.Oldest {
			return -1
		}
		return 1
	})
	room := f.q.Limit - len(f.page.Records)
	if len(found) > room {
		f.page.More, f.page.Next = true, found[room].Index
		if !f.q.Oldest {
			f.page.Next++
		}
		found = found[:room]
	}
	f.page.Records = append(f.page.Records, found...)
}

// candidates gives the entries of a block that may fit; false if all may, or if
// nothing is known of the block.
func (f *search) candidates(block uint64) (all places, known bool, err error) {
	if block >= f.indexed || len(f.terms) == 0 {
		return all, false, nil
	}
	row, err := f.r.get(table{name: tableJournalIndex}, number(block))
	if err != nil || row == nil {
		return all, false, err
	}
	for i, t := range f.terms {
		at, err := lookUp(row, t)
		if err != nil {
			return all, false, err
		}
		if i == 0 {
			all = at
		} else {
			all.and(&at)
		}
	}
	return all, true, nil
}
