package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// entryOf makes entries in which everything that can be searched for occurs.
func entryOf(n int) journal.Entry {
	policy := strings.Repeat(fmt.Sprint(n/700%3), 64)
	oin := func(i int) gateway.OIN { return gateway.OIN(fmt.Sprintf("000000990000%08d", i)) }
	message := fmt.Sprintf("0190aaaa-bbbb-7ccc-8ddd-%012d", n/4)
	switch n % 4 {
	case 0:
		return journal.Entry{
			Kind: journal.KindPublish, Fields: []gateway.Field{"title", gateway.Field(fmt.Sprint("f", n%9))}, Count: 2,
			Rules: []string{fmt.Sprint("rule ", n%5), "all"}, Policy: policy, Recipients: string(oin(n%7) + " " + oin(7+n%11)),
		}
	case 1:
		return journal.Entry{Kind: journal.KindDenied, Rule: fmt.Sprint("rule ", n%5), Policy: policy, Recipients: string(oin(n % 7))}
	case 2:
		return journal.Entry{Kind: journal.KindDelivered, Party: oin(n % 342), Message: message, Outcome: "received", Rules: []string{"all"}, Policy: policy}
	default:
		return journal.Entry{Kind: journal.KindRejected, Party: oin(n % 13), Principal: oin(n % 17), Message: message, Outcome: "refused", Reason: "schema"}
	}
}

// fillJournal appends n entries, some at a time, every batch an hour later.
func fillJournal(t testing.TB, s *testStore, n int) {
	t.Helper()
	for done, batch := 0, 0; done < n; batch++ {
		var entries []journal.Entry
		for range min(n-done, 517) {
			entries = append(entries, entryOf(done))
			done++
		}
		must(t, s.Append(ctx, start().Add(time.Duration(batch)*time.Hour), entries...))
	}
}

// bySight finds what a query finds by reading everything.
func bySight(all []store.JournalRecord, q store.JournalQuery) (found []uint64) {
	for _, r := range all {
		is := func(want string, got ...string) bool { return want == "" || slices.Contains(got, want) }
		if is(string(q.Party), append(strings.Split(r.Recipients, " "), string(r.Party), string(r.Principal))...) &&
			is(q.Rule, append(r.Rules, r.Rule)...) && is(q.Kind, r.Kind) && is(q.Outcome, r.Outcome, string(r.Reason)) &&
			is(q.Message, r.Message) && (q.Policy == "" || strings.HasPrefix(r.Policy, q.Policy)) &&
			(q.Field == "" || slices.Contains(r.Fields, q.Field)) &&
			(q.From.IsZero() || !r.Time.Before(q.From)) && (q.Until.IsZero() || r.Time.Before(q.Until)) {
			found = append(found, r.Index)
		}
	}
	if !q.Oldest {
		slices.Reverse(found)
	}
	return found
}

// inPages asks for all pages of a search.
func inPages(t testing.TB, s *testStore, q store.JournalQuery) (found []uint64) {
	for {
		page := get(s.SearchJournal(ctx, q))(t)
		for _, r := range page.Records {
			found = append(found, r.Index)
		}
		if len(page.Records) > q.Limit {
			t.Fatalf("got %d records on a page, want at most %d", len(page.Records), q.Limit)
		}
		if !page.More {
			return found
		}
		q.Next = &page.Next
	}
}

// A search finds what reading everything finds, in the same order, on pages of
// any size, whether all, some or nothing is in the index.
func TestSearchFindsWhatReadingFinds(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	fillJournal(t, s, 2500)
	if n := get(s.IndexJournal(ctx, start()))(t); n != 2 {
		t.Fatalf("got %d blocks in the index, want 2", n)
	}
	fillJournal(t, s, 1200) // one more block is full, and not in it
	all := get(s.Journal(ctx, 0, 5000))(t)
	if len(all) != 3700 {
		t.Fatalf("got %d entries, want 3700", len(all))
	}
	rapid.Check(t, func(r *rapid.T) {
		at := entryOf(rapid.IntRange(0, 2499).Draw(r, "like"))
		q := store.JournalQuery{Limit: rapid.SampledFrom([]int{1, 30, 100, 5000}).Draw(r, "limit"), Oldest: rapid.Bool().Draw(r, "oldest")}
		if q.Limit == 1 {
			q.Message = at.Message // else it takes long
		}
		some := func(name string, set func()) {
			if rapid.IntRange(0, 3).Draw(r, name) == 0 {
				set()
			}
		}
		some("party", func() { q.Party = gateway.OIN(strings.Split(string(at.Party)+at.Recipients, " ")[0]) })
		some("field", func() { q.Field = "f3" })
		some("rule", func() { q.Rule = strings.Join(append(at.Rules, at.Rule)[:1], "") })
		some("kind", func() { q.Kind = at.Kind })
		some("outcome", func() { q.Outcome = rapid.SampledFrom([]string{"received", "schema", "never"}).Draw(r, "is") })
		some("policy", func() { q.Policy = strings.Repeat("1", store.PolicyPrefix) })
		some("from", func() { q.From = start().Add(2 * time.Hour) })
		some("until", func() { q.Until = start().Add(4*time.Hour + time.Minute) })
		want, got := bySight(all, q), inPages(t, s, q)
		if !slices.Equal(got, want) {
			r.Fatalf("%+v: got %d entries %v, want %d %v", q, len(got), got[:min(9, len(got))], len(want), want[:min(9, len(want))])
		}
	})
}

func TestSearchRefusesAShortPolicy(t *testing.T) {
	s := open(t, store.Options{NoSync: true})
	if _, err := s.SearchJournal(ctx, store.JournalQuery{Policy: "abc", Limit: 1}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("got %v, want Invalid", err)
	}
}

// BenchmarkSearch searches a million entries.
func BenchmarkSearch(b *testing.B) {
	s := open(b, store.Options{NoSync: true})
	for done := 0; done < 1_000_000; {
		var entries []journal.Entry
		for range 10_000 {
			entries = append(entries, entryOf(done))
			done++
		}
		must(b, s.Append(ctx, start().Add(time.Duration(done)*time.Second), entries...))
	}
	began := time.Now()
	get(s.IndexJournal(ctx, start()))(b)
	b.Logf("%.1f µs to index an entry", time.Since(began).Seconds())
	for name, q := range map[string]store.JournalQuery{
		"rare":       {Message: "0190aaaa-bbbb-7ccc-8ddd-000000000777"},
		"never":      {Kind: journal.KindDelivered, Field: "f3"},
		"party":      {Party: "00000099000000000300"},
		"everything": {Party: "00000099000000000003", Rule: "all", Kind: journal.KindPublish, Policy: strings.Repeat("2", 64)},
		"period":     {Kind: journal.KindDenied, From: start().Add(30_000 * time.Second), Until: start().Add(90_000 * time.Second)},
		"oldest":     {Field: "title", Oldest: true},
	} {
		q.Limit = 100
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				get(s.SearchJournal(ctx, q))(b)
			}
		})
	}
}
