package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func enforced(t *testing.T, s *testStore, now time.Time, record store.PolicyRecord) store.PolicyRecord {
	t.Helper()
	kept, err := s.EnforcePolicy(context.Background(), now, record, journal.Entry{Time: now, Kind: journal.KindPolicyLoaded, Policy: record.Version})
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// What is in force again is journaled again and kept once; what differs in
// content or in how it was approved is another.
func TestPoliciesAreKept(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t, store.Options{})
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if _, ok, err := s.PolicyInForce(ctx); ok || err != nil {
		t.Fatalf("got %t %v, want none in force", ok, err)
	}
	one := store.PolicyRecord{Version: "p1", Caller: "a", Files: []store.PolicyFile{{Name: "a.yaml", Data: []byte("a")}}}
	approved := one
	approved.Approval = store.PolicyApproval{Mode: "two-person", Author: "A", Approver: "B", Approvers: []byte("x")}
	two := store.PolicyRecord{Version: "p2"}
	for i, step := range []struct {
		record store.PolicyRecord
		number uint64
	}{{one, 1}, {one, 1}, {two, 2}, {one, 3}, {approved, 4}, {approved, 4}} {
		at := now.Add(time.Duration(i) * time.Hour)
		if got := enforced(t, s, at, step.record); got.Number != step.number {
			t.Errorf("step %d: got number %d, want %d", i, got.Number, step.number)
		}
	}
	last, ok, err := s.PolicyInForce(ctx)
	if err != nil || !ok || last.Number != 4 || !last.Since.Equal(now.Add(4*time.Hour)) || string(last.Files[0].Data) != "a" {
		t.Errorf("got %+v %t %v, want the fourth, of four hours later", last, ok, err)
	}
	all, err := s.Policies(ctx)
	if err != nil || len(all) != 4 || all[1].Version != "p2" {
		t.Errorf("got %d policies (%v), want 4 in order", len(all), err)
	}
	if size, _ := s.JournalSize(ctx); size != 6 {
		t.Errorf("got %d entries, want 6", size)
	}
}

// A proposal waits until another takes its place or a policy comes in force.
func TestProposalWaits(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t, store.Options{})
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	propose := func(version string) {
		t.Helper()
		if err := s.ProposePolicy(ctx, now, store.PolicyProposal{Version: version, Since: now, Until: now.Add(time.Hour)}, journal.Entry{Time: now, Kind: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	propose("p1")
	propose("p2")
	if got, ok, err := s.Proposal(ctx); !ok || err != nil || got.Version != "p2" || !got.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v %t %v, want p2", got, ok, err)
	}
	enforced(t, s, now, store.PolicyRecord{Version: "p3"})
	if got, ok, err := s.Proposal(ctx); ok || err != nil {
		t.Errorf("got %+v %v, want none", got, err)
	}
}
