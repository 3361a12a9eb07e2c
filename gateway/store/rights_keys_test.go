package store_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// opens tells whether any key opens what was sealed.
func (k *keys) opens(sealed string) bool {
	k.mu.Lock()
	names := slices.Collect(maps.Keys(k.all))
	k.mu.Unlock()
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := k.Open(name, []byte(sealed))
		return err == nil
	})
}

// rowsOf are the rows of some tables.
func rowsOf(t *testing.T, n *node, tables ...string) (rows []string) {
	t.Helper()
	for at, value := range get(n.Everything(ctx))(t) {
		if name, _, _ := strings.Cut(at, "/"); slices.Contains(tables, name) {
			rows = append(rows, value)
		}
	}
	if len(rows) < len(tables) {
		t.Fatalf("got %d rows of %v, want some of each", len(rows), tables)
	}
	return rows
}

// erasing is a method that erases keys, and the tables of which it must leave no
// row of before readable.
type erasing struct {
	first  func(*testing.T, *node, time.Time)
	do     func(*testing.T, *node, time.Time) error
	tables []string
}

func rectified(phone string) func(*gateway.SubjectRequest) {
	return func(q *gateway.SubjectRequest) {
		q.Ground, q.Correction = "onjuist", gateway.Correction{Need: gateway.NeedPart{Note: phone}}
	}
}

func erasings() map[string]erasing {
	var in store.Inbound
	var id string
	asked := func(act gateway.SubjectAct, ended bool, change ...func(*gateway.SubjectRequest)) func(*testing.T, *node, time.Time) {
		return func(t *testing.T, n *node, now time.Time) {
			referred(t, n.testStore, now)
			before := asks(peerA, referralOf, gateway.Rectify, rectified("bel 0612345678"))
			acceptAll(t, n.testStore, now, before)
			get(n.AnswerRights(ctx, now, answers(before, gateway.SubjectDone)))(t)
			if ended {
				must(t, committed(t, n.testStore, now, gateway.ActDecline))
			}
			in = asks(peerA, referralOf, act, change...)
			acceptAll(t, n.testStore, now, in)
		}
	}
	answer := func(_ *testing.T, n *node, now time.Time) error {
		_, err := n.AnswerRights(ctx, now, answers(in, gateway.SubjectDone))
		return err
	}
	return map[string]erasing{
		"a referral at its term": {asked(gateway.Restrict, true), func(_ *testing.T, n *node, now time.Time) error {
			return n.EraseReferral(ctx, now, referralOf, "bewaartermijn", entryX())
		}, []string{"provided", "rights-text"}},
		"all": {asked(gateway.Erase, true), answer, []string{"provided", "rights-text"}},
		"a field": {asked(gateway.Erase, false, func(q *gateway.SubjectRequest) { q.Fields = []gateway.Field{"need.note"} }),
			answer, []string{"provided", "rights-text"}},
		"corrected": {asked(gateway.Rectify, false, rectified("bel 0687654321")), answer, []string{"provided"}},
		"corrected by this node": {func(t *testing.T, n *node, now time.Time) { id = heard(t, n.testStore, now, gateway.Requested).ID },
			func(_ *testing.T, n *node, now time.Time) error {
				_, err := n.AskRights(ctx, now, store.AskedRights{
					Request: gateway.SubjectRequest{
						Referral: id, Act: gateway.Rectify, Ground: "onjuist", Received: "2026-11-02", AnswerBy: "2026-11-30",
						Correction: gateway.Correction{Need: gateway.NeedPart{Note: "Komt met de bus."}},
					},
					Here: true, Terms: terms(), Entry: entryX(),
				})
				return err
			}, []string{"followed"}},
		"a spent request": {func(t *testing.T, n *node, now time.Time) {
			asked(gateway.Erase, true)(t, n, now)
			get(n.AnswerRights(ctx, now, answers(in, gateway.SubjectDone)))(t)
			must(t, n.Withhold(ctx, now, peerA, answersWaiting(t, n, now), terms()))
		}, func(_ *testing.T, n *node, now time.Time) error {
			_, err := n.EraseSpentRights(ctx, now, now.Add(time.Hour))
			return err
		}, []string{"rights"}},
	}
}

func answersWaiting(t *testing.T, n *node, now time.Time) (all []store.Withheld) {
	for _, o := range due(t, n.testStore, now, peerA) {
		if o.Kind == gateway.KindSubjectAnswer {
			all = append(all, store.Withheld{Kind: o.Kind, Subject: o.Subject})
		}
	}
	return all
}

// TestKeysGoAfterACrash: whatever ends an erasure or a correction after its
// transaction and before the keys are erased, no key is left that opens what was
// there: once the store is opened again, once an older backup is put back, or, if
// the process goes on, at the next turn.
func TestKeysGoAfterACrash(t *testing.T) {
	killed := errors.New("killed")
	for name, op := range erasings() {
		for after, recover := range map[string]func(*testing.T, *node, []byte, time.Time){
			"opened again": func(t *testing.T, n *node, _ []byte, _ time.Time) { n.reopen(t) },
			"put back": func(t *testing.T, n *node, backup []byte, now time.Time) {
				n.putBack(t, backup, now)
				n.reopen(t) // as its node does, once the restore is done
			},
			"next turn": func(t *testing.T, n *node, _ []byte, now time.Time) {
				get(n.EraseSpentRights(ctx, now, time.Time{}))(t)
			},
		} {
			n := newNode(t, self, store.Options{NoSync: true})
			now := start()
			op.first(t, n, now)
			backup, before := n.backup(t), rowsOf(t, n, op.tables...)
			n.keys.dies = killed
			if err := op.do(t, n, now); !errors.Is(err, killed) {
				t.Errorf("%s: got %v, want that it was killed", name, err)
			}
			n.keys.dies = nil
			if !slices.ContainsFunc(before, n.keys.opens) {
				t.Fatalf("%s: nothing that was there can be read although it was killed: this test shows nothing", name)
			}
			recover(t, n, backup, now)
			if i := slices.IndexFunc(before, n.keys.opens); i >= 0 {
				t.Errorf("%s, %s: row %d of before can still be read", name, after, i)
			}
			n.sound(t)
		}
	}
}
