package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Restoration is what is known when a database is put back from a backup.
type Restoration struct {
	Caller string        // pseudonym of who does it
	Await  time.Duration // how long at most to wait for fresh exports before anything of the own offers is sent
	Before Remains       // of the database that is replaced
}

// Remains is what could still be read of a database that is replaced. The zero
// Remains is that of none.
type Remains struct {
	Incarnation uint64
	Highest     time.Time
	Journal     uint64            // its size
	Checkpoint  []byte            // signed last
	Size        uint64            // of the journal under Checkpoint
	Register    uint64            // version in force
	Registers   map[uint64][]byte // by version
	BreakGlass  []BreakGlass
	Policies    []PolicyRecord // that ever were in force
	Erased      []row          // referrals that were erased
	Renewed     []row          // keys of which former ones were erased
	Doomed      []row          // keys that are to be erased
}

// Awaited is what a restored node waits for: full exports of these sources,
// until then at the latest. The zero Awaited is nothing.
type Awaited struct {
	Until   time.Time `json:"until"`
	Sources []string  `json:"sources"`
}

func keyAwaited() []byte { return []byte("awaited-exports") }

func keyLife() []byte { return []byte("restored") }

// readLife is that of the database. One that a program from before this was noted put
// back counts as never restored.
func readLife(r reader) (gateway.Life, error) {
	incarnation, err := getUint(r, keyIncarnation())
	if err != nil {
		return gateway.Life{}, err
	}
	var l gateway.Life
	_, err = getJSON(r, table{name: tableMeta}, keyLife(), &l)
	if l.Incarnation != incarnation {
		l = gateway.Life{Incarnation: incarnation}
	}
	return l, err
}

// Restored makes a database that was put back from a backup fit to be used: to
// be called once, before anything is sent. It raises the incarnation, over that
// of the database that is replaced as well; every peer is owed the present
// state, which replaces whatever was queued; own offers wait until their sources
// have been heard again; no policy has waited; and policies, registers, the last checkpoint, and what tells of
// break-glass access, of the replaced database are kept. The journal tells that it lacks what came after the backup.
func (s *Store) Restored(ctx context.Context, now time.Time, from Restoration) (incarnation uint64, err error) {
	var life gateway.Life
	err = s.update(ctx, later(now, from.Before.Highest), func(t *txn) error {
		highest, err := getUint(t, keyHighest())
		if err != nil {
			return err
		}
		if incarnation, err = getUint(t, keyIncarnation()); err != nil {
			return err
		}
		incarnation = max(incarnation+1, from.Before.Incarnation+1, uint64(t.now.Unix()))
		life = gateway.Life{Incarnation: incarnation, Restored: t.now}
		t.putUint(keyIncarnation(), incarnation)
		t.event(gateway.EventRestored, "", gateway.EventData{})
		t.put(table{name: tableMeta}, keyLife(), encodeJSON(life))
		if err := eachPeer(t, func(peer gateway.OIN, _ peerRow) error {
			err := t.owe(peer)
			if err == nil {
				t.peers[peer].Referrals = true
			}
			return err
		}); err != nil {
			return err
		}
		if err := t.await(from.Await); err != nil {
			return err
		}
		if err := t.keepRegisters(from.Before); err != nil {
			return err
		}
		if err := t.keepPolicies(from.Before.Policies); err != nil {
			return err
		}
		for _, mark := range from.Before.Erased {
			t.put(table{name: tableErased}, mark.key, mark.value)
		}
		for _, mark := range from.Before.Renewed { // what the backup has may be from before
			t.put(table{name: tableRenewed}, mark.key, slices.Concat([]byte{renewalPending}, mark.value[1:]))
		}
		for _, mark := range from.Before.Doomed {
			t.put(table{name: tableDoomed}, mark.key, mark.value)
		}
		size, err := getUint(t, keyJournal())
		if err != nil {
			return err
		}
		entry := journal.Entry{Kind: journal.KindRestore, Caller: from.Caller, Count: int(size), Since: unixTime(highest), Incarnation: incarnation}
		if note := from.Before.Checkpoint; note != nil {
			t.put(table{name: tableAbandoned}, number(from.Before.Size), note)
			sum := sha256.Sum256(note)
			entry.Digest = hex.EncodeToString(sum[:])
		}
		if err := t.noteRestore(restore{Entry: size, Incarnation: incarnation}); err != nil {
			return err
		}
		if err := t.record(entry); err != nil {
			return err
		}
		return t.keepBreakGlass(from.Before.BreakGlass)
	})
	if err != nil {
		return 0, err
	}
	s.incarnation.Store(incarnation)
	s.life.Store(&life)
	return incarnation, nil
}

// unixTime is a stored time; zero for none.
func unixTime(nanoseconds uint64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanoseconds)).UTC()
}

// await notes the sources of the own offers.
func (t *txn) await(within time.Duration) error {
	t.delete(table{name: tableMeta}, keyAwaited())
	if within <= 0 {
		return nil
	}
	sources := map[string]bool{}
	err := t.ascend(table{name: tableOwn}, nil, func(key, value []byte) (bool, error) {
		own, err := decodeKnown(key, value)
		sources[own.Source] = true
		return true, err
	})
	if err != nil || len(sources) == 0 {
		return err
	}
	t.put(table{name: tableMeta}, keyAwaited(), encodeJSON(Awaited{
		Until: t.now.Add(within), Sources: slices.Sorted(maps.Keys(sources)),
	}))
	return nil
}

// keepRegisters takes over registers that are newer than the one in force: they
// were verified when they were installed.
func (t *txn) keepRegisters(before Remains) error {
	inForce, err := getUint(t, keyRegisterVersion())
	if err != nil || before.Register <= inForce {
		return err
	}
	for version, file := range before.Registers {
		if version > inForce && version <= before.Register {
			t.put(table{name: tableRegisters}, registerKey(version), file)
		}
	}
	t.putUint(keyRegisterVersion(), before.Register)
	return nil
}

// Awaiting is what the node waits for since it was restored: nothing when the
// time for it is over.
func (s *Store) Awaiting(ctx context.Context, now time.Time) (a Awaited, err error) {
	err = s.view(ctx, func(r reader) error {
		a = Awaited{}
		ok, err := getJSON(r, table{name: tableMeta}, keyAwaited(), &a)
		if ok && !s.EffectiveTime(now).Before(a.Until) {
			a = Awaited{}
		}
		return err
	})
	return a, err
}

// Fresh notes that the database has what a source says now: nothing of it needs
// to be waited for after a restore.
func (s *Store) Fresh(ctx context.Context, now time.Time, source string) error {
	return s.update(ctx, now, func(t *txn) error { return t.fresh(source) })
}

func (t *txn) fresh(source string) error {
	var a Awaited
	ok, err := getJSON(t, table{name: tableMeta}, keyAwaited(), &a)
	if err != nil || !ok {
		return err
	}
	a.Sources = slices.DeleteFunc(a.Sources, func(s string) bool { return s == source })
	if len(a.Sources) == 0 {
		t.delete(table{name: tableMeta}, keyAwaited())
		return nil
	}
	t.put(table{name: tableMeta}, keyAwaited(), encodeJSON(a))
	return nil
}
