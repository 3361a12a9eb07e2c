package desk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/logbook"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// JournalRecord is an entry with its place in the journal.
type JournalRecord = store.JournalRecord

// JournalSearch is which entries to find, as in store.JournalQuery, and on which
// page.
type JournalSearch struct {
	Party               string // an OIN, or the name of a party or a part of it
	Field               gateway.Field
	Rule, Kind, Outcome string
	Message, Policy     string
	From, Until         time.Time
	Oldest              bool
	Limit               int
	Page                string // JournalFound.More of the page before; "" for the first
}

func (s JournalSearch) query() store.JournalQuery {
	return store.JournalQuery{
		Field: s.Field, Rule: s.Rule, Kind: s.Kind, Outcome: s.Outcome, Message: s.Message, Policy: s.Policy,
		From: s.From, Until: s.Until, Oldest: s.Oldest, Limit: s.Limit,
	}
}

// JournalFound is one page of what was found.
type JournalFound struct {
	Records []JournalRecord
	More    string // names the next page; "" if this is the last
	Reduced uint64 // so many of the oldest entries are only hashes now
}

// Bounds of a page.
const (
	SearchLimit = 1000
	ExportLimit = 10_000
)

// SearchJournal finds entries. A search is one entry itself, however many pages
// of it are asked for; what was looked for is not in it.
func (d *Desk) SearchJournal(ctx context.Context, caller gateway.Caller, s JournalSearch) (JournalFound, error) {
	return d.findInJournal(ctx, caller, gateway.OpSearchJournal, s, SearchLimit)
}

// ExportJournal is SearchJournal for taking entries away: on larger pages, the
// oldest first, and entered as an export.
func (d *Desk) ExportJournal(ctx context.Context, caller gateway.Caller, s JournalSearch) (JournalExport, error) {
	s.Oldest = true
	found, err := d.findInJournal(ctx, caller, gateway.OpExportJournal, s, ExportLimit)
	if err != nil {
		return JournalExport{}, err
	}
	out := JournalExport{Party: d.Self, More: found.More, Reduced: found.Reduced}
	for _, r := range found.Records {
		out.Records = append(out.Records, logbook.NewRecord(d.Secret, r.Index, r.Entry))
	}
	return out, nil
}

// JournalExport is one page of entries with their traces.
type JournalExport struct {
	Party   gateway.OIN
	Records []logbook.Record
	More    string
	Reduced uint64
}

func (d *Desk) findInJournal(ctx context.Context, caller gateway.Caller, op gateway.Operation, s JournalSearch, most int) (JournalFound, error) {
	if err := caller.Authorize(op); err != nil {
		return JournalFound{}, err
	}
	if s.Limit < 1 || s.Limit > most {
		return JournalFound{}, gateway.Errorf(gateway.Invalid, "the limit is a number from 1 to %d", most)
	}
	var err error
	q := s.query()
	if q.Party, err = d.findParty(s.Party); err != nil {
		return JournalFound{}, err
	}
	from, end, err := d.searchFrom(ctx, caller, op, q, s.Page)
	if err != nil {
		return JournalFound{}, err
	}
	q.Next = from
	// What has no index yet would be read entry by entry, at every search.
	if _, err := d.Store.IndexJournal(ctx, d.now()); err != nil {
		return JournalFound{}, fmt.Errorf("index the journal: %w", err)
	}
	page, err := d.Store.SearchJournal(ctx, q)
	if err != nil {
		return JournalFound{}, fmt.Errorf("search the journal: %w", err)
	}
	out := JournalFound{Reduced: page.Reduced}
	for _, r := range page.Records {
		if r.Index < end { // what came after the search began is not in it
			out.Records = append(out.Records, r)
		}
	}
	if page.More && page.Next < end {
		out.More = d.pageName(caller, op, q, page.Next, end)
	}
	return out, nil
}

// searchFrom tells where a page begins and which entries the search is about. The
// first page is journaled; every other shows that it belongs to such a one.
func (d *Desk) searchFrom(ctx context.Context, caller gateway.Caller, op gateway.Operation, q store.JournalQuery, page string) (from *uint64, end uint64, err error) {
	if page != "" {
		next, end, ok := parsePage(page)
		if !ok || !hmac.Equal([]byte(d.pageName(caller, op, q, next, end)), []byte(page)) {
			return nil, 0, gateway.Errorf(gateway.Invalid, "this page is of another search: begin again without a page")
		}
		return &next, end, nil
	}
	if end, err = d.Store.JournalSize(ctx); err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	now := d.now()
	if err := d.Store.Append(ctx, now, d.entry(caller, string(op), now)); err != nil {
		return nil, 0, fmt.Errorf("journal operation %s: %w", op, err)
	}
	if q.Oldest {
		return nil, end, nil
	}
	return &end, end, nil
}

// pageName names a page of one search of one caller, so that nobody can make it up.
func (d *Desk) pageName(caller gateway.Caller, op gateway.Operation, q store.JournalQuery, next, end uint64) string {
	mac := hmac.New(sha256.New, d.Secret)
	fmt.Fprintf(mac, "page:%q %s %d %d %q %q %q %q %q %q %q %d %d %t", caller.Name, op, next, end, q.Party, q.Field, q.Rule,
		q.Kind, q.Outcome, q.Message, q.Policy, unix(q.From), unix(q.Until), q.Oldest)
	return fmt.Sprintf("%d-%d-%s", next, end, hex.EncodeToString(mac.Sum(nil)[:12]))
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func parsePage(name string) (next, end uint64, ok bool) {
	parts := strings.Split(name, "-")
	if len(parts) != 3 {
		return 0, 0, false
	}
	next, err := strconv.ParseUint(parts[0], 10, 63)
	end, err2 := strconv.ParseUint(parts[1], 10, 63)
	return next, end, err == nil && err2 == nil
}

// findParty understands an OIN, also of a party that has left, and the name of a
// party of the register or a part of it that only one has.
func (d *Desk) findParty(name string) (gateway.OIN, error) {
	if name == "" {
		return "", nil
	}
	if oin, err := gateway.ParseOIN(name); err == nil {
		return oin, nil
	}
	var found []gateway.OIN
	if reg := d.Rules().Register; reg != nil {
		for _, p := range reg.Parties() {
			if strings.EqualFold(p.Name, name) {
				return p.OIN, nil
			}
			if strings.Contains(strings.ToLower(p.Name), strings.ToLower(name)) {
				found = append(found, p.OIN)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", gateway.Errorf(gateway.NotFound, "no party of the register has that name; give its OIN if it has left")
	case 1:
		return found[0], nil
	}
	return "", gateway.Errorf(gateway.Invalid, "%d parties have that in their name; give more of it, or an OIN", len(found))
}
