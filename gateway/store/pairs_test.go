package store_test

import (
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// write is one method that writes, on the database of testdata.
type write struct {
	first func(*testing.T, *testStore, time.Time) // what must be so before; nil: nothing
	do    func(*testing.T, *testStore, time.Time) error
}

func entryX() journal.Entry { return journal.Entry{Kind: "x"} }

func writes() map[string]write {
	all := referralWrites()
	maps.Copy(all, rightsWrites())
	maps.Copy(all, breakGlassWrites())
	maps.Copy(all, map[string]write{
		"Accept": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.Accept(ctx, now, self, peerA, []store.Inbound{inbound(peerA, "new", 1000, "a")})
			return err
		}},
		"Append": {nil, func(_ *testing.T, s *testStore, now time.Time) error { return s.Append(ctx, now, entryX()) }},
		"AttemptFailed": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.AttemptFailed(ctx, now, peerB, []uint64{3}, "timeout", now.Add(time.Hour))
		}},
		"Backup": {nil, func(t *testing.T, s *testStore, now time.Time) error {
			seal := sealing(t)
			seal.OpenCheckpoint = openHead // that of testdata
			_, err := s.Backup(ctx, now, filepath.Join(t.TempDir(), "backup"), seal)
			return err
		}},
		"BeginAttempt": {nil, func(t *testing.T, s *testStore, now time.Time) error {
			return s.BeginAttempt(ctx, now, peerA, sequences(due(t, s, now, peerA)), now.Add(time.Hour))
		}},
		"Checkpoint": {func(t *testing.T, s *testStore, now time.Time) { must(t, s.Append(ctx, now, entryX())) },
			func(_ *testing.T, s *testStore, now time.Time) error {
				_, err := s.Checkpoint(ctx, now, signHead)
				return err
			}},
		"Compact": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.Compact(ctx, now)
			return err
		}},
		"Contact": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.Contact(ctx, now.Add(time.Hour), peerB)
		}},
		"Cosigned": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.Cosigned(ctx, now, store.Cosignature{Witness: peerA, Size: 3, Line: "x"})
		}},
		"NotCosigned": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.NotCosigned(ctx, now, peerA, store.WitnessRollback, 7)
		}},
		"Witness": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.Witness(ctx, now, peerA, func(_ time.Time, held store.Held) (store.Held, []journal.Entry, error) {
				held.Heads = append(held.Heads, store.Head{Size: 3})
				return held, []journal.Entry{entryX()}, nil
			})
		}},
		"Expire": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.Expire(ctx, now.Add(15*24*time.Hour))
			return err
		}},
		"Fresh": {func(t *testing.T, s *testStore, now time.Time) {
			get(s.Restored(ctx, now, store.Restoration{Await: time.Hour}))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error { return s.Fresh(ctx, now, "export") }},
		"IndexJournal": {func(t *testing.T, s *testStore, now time.Time) {
			must(t, s.Append(ctx, now, slices.Repeat([]journal.Entry{entryX()}, 1024)...))
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.IndexJournal(ctx, now)
			return err
		}},
		"Owe": {nil, func(_ *testing.T, s *testStore, now time.Time) error { return s.Owe(ctx, now, peerA) }},
		"Publish": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.Publish(ctx, now, store.Publication{
				Put: []store.OwnOffer{{Offer: gateway.Offer{ID: "o9"}}}, Delete: []string{"o1"}, Policy: "p2",
				Sends:   []store.Send{capacity(peerA, "o9", "a"), capacity(peerB, "o9", "a"), withdrawal(peerA, "o1"), state(peerA)},
				Import:  &store.ImportState{Source: "export"},
				Journal: []journal.Entry{entryX()},
			})
		}},
		"Purge": {func(t *testing.T, s *testStore, now time.Time) {
			must(t, s.Append(ctx, now.Add(400*24*time.Hour), entryX()))
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.Purge(ctx, now.Add(400*24*time.Hour))
			return err
		}},
		"ReduceJournal": {func(t *testing.T, s *testStore, now time.Time) {
			get(s.Checkpoint(ctx, now, signHead))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.ReduceJournal(ctx, now.Add(time.Hour), now.Add(time.Minute))
			return err
		}},
		"Recover": {nil, func(_ *testing.T, s *testStore, now time.Time) error { return s.Recover(ctx, now, peerB) }},
		"ReleaseHeld": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.ReleaseHeld(ctx, now, peerA)
			return err
		}},
		"Restored": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.Restored(ctx, now, store.Restoration{Await: time.Hour})
			return err
		}},
		"SaveHello": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.SaveHello(ctx, now, peerB, gateway.Hello{Protocol: []int{2}})
			return err
		}},
		"SaveImport": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.SaveImport(ctx, now, store.ImportState{Source: "other"}, []journal.Entry{entryX()})
		}},
		"SaveRegister": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.SaveRegister(ctx, now, [][]byte{[]byte("five")}, 5, entryX())
		}},
		"EnforcePolicy": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.EnforcePolicy(ctx, now, store.PolicyRecord{Version: "p9"}, entryX())
			return err
		}},
		"ProposePolicy": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.ProposePolicy(ctx, now, store.PolicyProposal{Version: "p9"}, entryX())
		}},
		"SetPlanned": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.SetPlanned(ctx, now, store.Planned{Rules: "r", Next: now})
		}},
		"SetSent": {nil, func(_ *testing.T, s *testStore, now time.Time) error { return s.SetSent(ctx, now, 1) }},
		"Settle": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.Settle(ctx, now, peerB, []store.Settlement{settlement(peerB, 3, gateway.Received)}, "head", time.Time{}, []journal.Entry{entryX()})
		}},
	})
	return all
}

// glassBroken has somebody read what their role does not give.
func glassBroken(t *testing.T, s *testStore, now time.Time) store.BreakGlass {
	return get(s.OpenBreakGlass(ctx, now, store.BreakGlass{
		Caller: "c1", Name: "A. Test", Reason: "storing", Key: []byte("k"), Since: now, Until: now.Add(time.Hour),
	}, entryX()))(t)
}

func breakGlassWrites() map[string]write {
	first := func(t *testing.T, s *testStore, now time.Time) { glassBroken(t, s, now) }
	return map[string]write{
		"OpenBreakGlass": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.OpenBreakGlass(ctx, now, store.BreakGlass{Caller: "c1", Name: "A. Test", Reason: "storing", Since: now, Until: now.Add(time.Hour)}, entryX())
			return err
		}},
		"UnderBreakGlass": {first, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.UnderBreakGlass(ctx, now, "c1", entryX())
		}},
		"EndBreakGlass": {first, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.EndBreakGlass(ctx, now, "c1", entryX())
			return err
		}},
		"BreakGlassOver": {first, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.BreakGlassOver(ctx, now.Add(2*time.Hour))
		}},
		"AcknowledgeBreakGlass": {func(t *testing.T, s *testStore, now time.Time) {
			glassBroken(t, s, now)
			get(s.EndBreakGlass(ctx, now, "c1", entryX()))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.AcknowledgeBreakGlass(ctx, now, 1, entryX())
			return err
		}},
		"AddProposal": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.AddProposal(ctx, now, store.PartyProposal{Party: peerA, ID: "p", Body: []byte("{}")}, entryX())
			return err
		}},
		"AnswerProposal": {func(t *testing.T, s *testStore, now time.Time) {
			get(s.AddProposal(ctx, now, store.PartyProposal{Party: peerA, ID: "p", Body: []byte("{}")}, entryX()))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.AnswerProposal(ctx, now, 1, "refused", entryX())
		}},
		"SetWebhooks": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			_, err := s.SetWebhooks(ctx, now, []string{"ecd"})
			return err
		}},
		"SaveWebhook": {func(t *testing.T, s *testStore, now time.Time) {
			get(s.SetWebhooks(ctx, now, []string{"ecd"}))(t)
		}, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.SaveWebhook(ctx, now, store.Webhook{Name: "ecd", After: gateway.EventPosition{Incarnation: 1, Number: 2}})
		}},
		"CountMissing": {nil, func(_ *testing.T, s *testStore, now time.Time) error {
			return s.CountMissing(ctx, now, alblasserdam, []string{"groen"}, entryX())
		}},
	}
}

// Every method that writes fails once before its transaction takes effect and
// once after: in the first case nothing has changed, in the second all of it
// has, and both are what is in the file.
func TestFaultsInPairs(t *testing.T) {
	for name, w := range writes() {
		for _, at := range []string{"before-commit", "after-commit"} {
			var armed atomic.Bool
			broken := errors.New("power cut")
			s := openGolden(t, 1, store.Options{NoSync: true, Vault: newKeys(), Fault: func(point string) error {
				if armed.Load() && point == at {
					return broken
				}
				return nil
			}})
			now := s.EffectiveTime(time.Time{})
			if w.first != nil {
				w.first(t, s, now)
			}
			before := get(s.Everything(ctx))(t)
			armed.Store(true)
			if err := w.do(t, s, now); !errors.Is(err, broken) {
				t.Errorf("%s %s: got %v, want the fault", name, at, err)
			}
			armed.Store(false)
			after := get(s.Everything(ctx))(t)
			if changed := !maps.Equal(before, after); changed != (at == "after-commit") {
				t.Errorf("%s %s: changed: %t", name, at, changed)
			}
			s.reopen(t)
			if !maps.Equal(after, get(s.Everything(ctx))(t)) {
				t.Errorf("%s %s: what was read is not what is in the file", name, at)
			}
			for _, problem := range s.Check(ctx) {
				t.Errorf("%s %s: %s", name, at, problem)
			}
			must(t, s.Append(ctx, now, entryX()))
			s.sound(t)
		}
	}
}

// Of all methods that are told the time, those that write stand in the table.
func TestFaultsInPairsKnowsAllWrites(t *testing.T) {
	reads := []string{"Archive", "Awaiting", "Due", "EffectiveTime", "GivenBack"}
	var want []string
	typ := reflect.TypeFor[*store.Store]()
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		takesTime := false
		for in := range m.Type.NumIn() {
			takesTime = takesTime || m.Type.In(in) == reflect.TypeFor[time.Time]()
		}
		if takesTime && !slices.Contains(reads, m.Name) && !strings.HasPrefix(m.Name, "Receipts") {
			want = append(want, m.Name)
		}
	}
	if got := slices.Sorted(maps.Keys(writes())); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
