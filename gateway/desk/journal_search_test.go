package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

func officer() gateway.Caller {
	return gateway.Caller{Name: "FG", Roles: []gateway.Role{gateway.PrivacyOfficer}}
}

// Who was shown a field is found by it; a search is one entry whatever its pages,
// and nobody goes on with a page of another search or caller.
func TestSearchJournal(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Smile).Desk
		for i := range 5 {
			f.Publish(gt.Smile, slices.Repeat([]gateway.Offer{gt.Offer(fmt.Sprint("offer-", i))}, 1)...)
			f.Settled(time.Hour)
		}
		s := desk.JournalSearch{Party: "alblas", Field: "title", Kind: journal.KindPublish, Limit: 2}
		var all []uint64
		var first string
		for {
			found, err := d.SearchJournal(ctx, officer(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range found.Records {
				if !slices.Contains(r.Fields, "title") || !strings.Contains(r.Recipients, string(gt.Alblasserdam)) {
					t.Errorf("found %s", gt.Dump(r))
				}
				all = append(all, r.Index)
			}
			if s.Page = found.More; s.Page == "" {
				break
			}
			if first == "" {
				first = found.More
			}
		}
		if len(all) != 5 || !slices.IsSortedFunc(all, func(a, b uint64) int { return int(b) - int(a) }) {
			t.Errorf("got entries %v, want five, the newest first", all)
		}
		searches := 0
		for _, r := range f.Journal(gt.Smile) {
			if r.Kind == string(gateway.OpSearchJournal) {
				searches++
				r.Entry = journal.Entry{Time: r.Time, Kind: r.Kind, Caller: r.Caller}
				if got, want := gt.Dump(r), gt.Dump(f.Journal(gt.Smile)[r.Index]); got != want || r.Caller == "" {
					t.Errorf("got entry %s, want only who and when", want)
				}
			}
		}
		if searches != 1 {
			t.Errorf("got %d entries of the search, want 1", searches)
		}
		other := officer()
		other.Name = "Beheerder"
		for name, try := range map[string]struct {
			caller gateway.Caller
			s      desk.JournalSearch
		}{
			"another caller": {other, desk.JournalSearch{Party: "alblas", Field: "title", Kind: journal.KindPublish, Limit: 2, Page: first}},
			"another search": {officer(), desk.JournalSearch{Kind: journal.KindPublish, Limit: 2, Page: first}},
			"a made-up page": {officer(), desk.JournalSearch{Limit: 2, Page: "1-2-000000000000000000000000"}},
			"no page":        {officer(), desk.JournalSearch{Limit: 2, Page: "next"}},
			"no limit":       {officer(), desk.JournalSearch{}},
			"too much":       {officer(), desk.JournalSearch{Limit: desk.SearchLimit + 1}},
			"a short policy": {officer(), desk.JournalSearch{Policy: "abc", Limit: 1}},
		} {
			if _, err := d.SearchJournal(ctx, try.caller, try.s); gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("%s: got %v, want Invalid", name, err)
			}
		}
		if _, err := d.SearchJournal(ctx, officer(), desk.JournalSearch{Party: "Nergenshuizen", Limit: 1}); gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("an unknown name: got %v, want NotFound", err)
		}
	})
}

// An export has everything from before it, the oldest first, and nothing else.
func TestExportJournal(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		before := f.Journal(gt.Smile)
		s := desk.JournalSearch{Limit: 3}
		got := []desk.JournalRecord{}
		traces := map[string]bool{}
		for {
			found, err := f.Node(gt.Smile).Desk.ExportJournal(context.Background(), officer(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range found.Records {
				got = append(got, desk.JournalRecord{Index: r.Index, Entry: r.Entry})
				traces[fmt.Sprintf("%x", r.Span)] = true
			}
			if s.Page = found.More; s.Page == "" {
				break
			}
		}
		if gt.Dump(got) != gt.Dump(before) || len(traces) != len(before) {
			t.Errorf("got %d entries, want the %d from before", len(got), len(before))
		}
		if after := f.Journal(gt.Smile); len(after) != len(before)+1 || after[len(before)].Kind != string(gateway.OpExportJournal) {
			t.Errorf("got %d entries after, want one more, of the export", len(after))
		}
	})
}
