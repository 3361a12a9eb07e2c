package store_test

import (
	"testing"

	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// BenchmarkMillionEntries: what a proof of an entry, an extension for a witness
// and verifying cost in a journal of a million entries.
func BenchmarkMillionEntries(b *testing.B) {
	s := open(b, store.Options{NoSync: true})
	entries := make([]journal.Entry, 1000)
	for i := range entries {
		entries[i] = journal.Entry{Kind: journal.KindPublish, Recipients: string(peerA), Count: i, Policy: "p", Rules: []string{"a"}}
	}
	for range 1000 {
		if err := s.Append(ctx, start(), entries...); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := s.Checkpoint(ctx, start(), signHead); err != nil {
		b.Fatal(err)
	}
	b.Run("proof", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.ProveEntry(ctx, uint64(i*7919)%1_000_000, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("extension", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.Extension(ctx, uint64(1+i*7919)%1_000_000, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.VerifyJournal(ctx, openHead); err != nil {
				b.Fatal(err)
			}
		}
	})
}
