package witness_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// log is a journal in memory, of whatever its owner likes.
type log [][]byte

// logOf has n entries; from the place where it differs on they are other ones.
func logOf(n, differs int) log {
	var l log
	for i := range n {
		e := journal.Entry{Time: time.Date(2026, 11, 2, 9, 0, i, 0, time.UTC), Kind: journal.KindStart}
		if i >= differs {
			e.Kind = journal.KindStop
		}
		l = append(l, e.Encode())
	}
	return l
}

func (l log) read(t *testing.T) journal.HashReader {
	t.Helper()
	var stored [][]journal.Hash
	read := func(level int, n uint64) (journal.Hash, error) {
		record, place := journal.Record(level, n)
		return stored[record][place], nil
	}
	for i, leaf := range l {
		hashes, err := journal.Append(uint64(i), leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes)
	}
	return read
}

// claim asks for a cosignature on all of a log, with the proof from an earlier size
// of it.
type claim struct {
	log         log
	old         uint64
	incarnation uint64
	proof       [][]byte              // nil: the right one
	origin      string                // "": the party's own
	key         *seal.Key             // nil: the party's own
	restore     *witness.RestoreProof // Path is filled in
}

// judge is one witness with a party that asks it.
type judge struct {
	t       *testing.T
	witness *witness.Witness
	store   *store.Store
	key     *seal.Key // of the party
	old     *seal.Key // that it had until a year ago
	fails   atomic.Bool
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	j := &judge{t: t, key: newKey(t), old: newKey(t)}
	own, registrar := newKey(t), newKey(t)
	doc := register.New([]register.Signer{{Name: "Registerhouder", Key: registrar.Public(now)}}, 1, now)
	expired := j.old.Public(now.AddDate(-2, 0, 0))
	expired.ValidUntil = now.AddDate(-1, 0, 0)
	doc = register.Add(doc, newParty(t, gt.Smile, j.key, now, expired))
	doc = register.Add(doc, newParty(t, gt.Dordrecht, own, now))
	file, err := register.Encode(doc)
	if err == nil {
		file, err = register.Sign(file, registrar)
	}
	if err != nil {
		t.Fatal(err)
	}
	reg, err := register.Parse(file, []string{registrar.KID()})
	if err != nil {
		t.Fatal(err)
	}
	j.store, err = store.Open(filepath.Join(t.TempDir(), "node.db"), store.Options{NoSync: true, Fault: func(at string) error {
		if j.fails.Load() && at == "before-commit" {
			return errors.New("the disk says no")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.store.Close() })
	j.witness = witness.New(witness.Options{
		Self: gt.Dordrecht, Key: own, Store: j.store, Register: func() *register.Register { return reg }, Log: slog.New(slog.DiscardHandler), Overlap: time.Hour,
	})
	return j
}

func newKey(t *testing.T) *seal.Key {
	t.Helper()
	key, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newParty(t *testing.T, oin gateway.OIN, key *seal.Key, now time.Time, more ...gateway.Key) gateway.Party {
	t.Helper()
	encryption, err := seal.GenerateEncryptionKey()
	if err != nil {
		t.Fatal(err)
	}
	public := encryption.Public(now)
	p := gateway.Party{
		OIN: oin, Name: "Partij " + string(oin), Kind: gateway.Leerwerkbedrijf, Endpoint: "https://node.example:8443",
		SigningKeys: append([]gateway.Key{key.Public(now)}, more...), Encryption: &public, TLSPins: []string{fmt.Sprintf("%064s", oin)},
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@partij.example"},
	}
	if p.KeyStatement, err = register.MakeKeyStatement(p, key); err != nil {
		t.Fatal(err)
	}
	return p
}

func (j *judge) ask(c claim) (witness.Answer, error) {
	j.t.Helper()
	read, size := c.log.read(j.t), uint64(len(c.log))
	root, err := journal.Root(size, read)
	if err != nil {
		j.t.Fatal(err)
	}
	head := journal.Checkpoint{Origin: witness.Origin(gt.Smile), Size: size, Root: root, Incarnation: max(1, c.incarnation)}
	if c.origin != "" {
		head.Origin = c.origin
	}
	key := j.key
	if c.key != nil {
		key = c.key
	}
	signer, _ := key.Ed25519()
	signed, err := journal.Sign(head, witness.Origin(gt.Smile), signer)
	if err != nil {
		j.t.Fatal(err)
	}
	request := witness.Request{Old: c.old, Proof: c.proof, Checkpoint: string(signed), Restore: c.restore}
	if c.proof == nil && c.old > 0 && c.old <= size {
		proof, err := journal.ProveConsistency(c.old, size, read)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, h := range proof {
			request.Proof = append(request.Proof, h[:])
		}
	}
	if c.restore != nil && c.restore.Path == nil {
		path, err := journal.Prove(size, c.restore.Entry, read)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, h := range path {
			c.restore.Path = append(c.restore.Path, h[:])
		}
	}
	return j.witness.Cosign(context.Background(), gt.Smile, request)
}

func (j *judge) held() store.Held {
	j.t.Helper()
	held, err := j.store.Held(context.Background(), gt.Smile)
	if err != nil {
		j.t.Fatal(err)
	}
	return held
}

// TestWitnessRules: after a head over five entries, each claim gets the outcome
// that the rules give it; and what is not cosigned has not become the head.
func TestWitnessRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claim claim
		want  string       // outcome
		kind  gateway.Kind // of the error, if that is the answer
	}{
		"the same again":                      {claim{log: logOf(5, 9), old: 5}, witness.Cosigned, 0},
		"more":                                {claim{log: logOf(8, 9), old: 5}, witness.Cosigned, 0},
		"as many, another root":               {claim{log: logOf(5, 3), old: 5}, witness.Inconsistent, 0},
		"more, rewritten":                     {claim{log: logOf(8, 3), old: 5}, witness.Inconsistent, 0},
		"more, without proof":                 {claim{log: logOf(8, 9), old: 5, proof: [][]byte{}}, witness.Inconsistent, 0},
		"from nothing":                        {claim{log: logOf(8, 3)}, witness.Conflict, 0},
		"from another size":                   {claim{log: logOf(8, 9), old: 4}, witness.Conflict, 0},
		"fewer":                               {claim{log: logOf(4, 9), old: 4}, witness.Rollback, 0},
		"an earlier life of the database":     {claim{log: logOf(8, 9), old: 5, incarnation: 1}, witness.Rollback, 0},
		"a later one, without a restore":      {claim{log: logOf(8, 9), old: 5, incarnation: 3}, witness.Conflict, 0},
		"old larger than the checkpoint":      {claim{log: logOf(8, 9), old: 9}, "", gateway.Invalid},
		"nothing":                             {claim{log: log{}}, "", gateway.Invalid},
		"of another journal":                  {claim{log: logOf(8, 9), old: 5, origin: witness.Origin(gt.GRS)}, "", gateway.Invalid},
		"a hash that is too short":            {claim{log: logOf(8, 9), old: 5, proof: [][]byte{{1, 2}}}, "", gateway.Invalid},
		"a proof that is too long":            {claim{log: logOf(8, 9), old: 5, proof: make([][]byte, 64)}, "", gateway.Invalid},
		"by a stranger":                       {claim{log: logOf(8, 9), old: 5, key: newKey(t)}, "", gateway.Denied},
		"by a key that is over":               {claim{log: logOf(8, 9), old: 5}, "", gateway.Denied},
		"a restore, at another entry":         {claim{log: logOf(4, 9), incarnation: 3, restore: restoreAt(2, 3, 3)}, "", gateway.Invalid},
		"a restore, of another life":          {claim{log: logOf(4, 9), incarnation: 3, restore: restoreAt(2, 2, 4)}, "", gateway.Invalid},
		"a restore that is not in it":         {claim{log: logOf(4, 9), incarnation: 3, restore: &witness.RestoreProof{Entry: 2, Leaf: restoreAt(2, 2, 3).Leaf, Path: [][]byte{}}}, "", gateway.Invalid},
		"something else than a restore":       {claim{log: logOf(4, 9), incarnation: 3, restore: &witness.RestoreProof{Entry: 2, Leaf: logOf(4, 9)[2]}}, "", gateway.Invalid},
		"a restore, from after the head":      {claim{log: logOf(5, 9), old: 5, incarnation: 3, restore: restoreAt(5, 5, 3)}, witness.Cosigned, 0},
		"a restore that was told of before":   {claim{log: logOf(4, 9), incarnation: 3, restore: restoreAt(2, 2, 2)}, witness.Conflict, 0},
		"a restore, and the past rewritten":   {claim{log: logOf(6, 3), old: 5, incarnation: 3, restore: restoreAt(6, 6, 3)}, witness.Inconsistent, 0},
		"a restore from before all that held": {claim{log: logOf(4, 9), incarnation: 3, restore: restoreAt(2, 2, 3)}, witness.Cosigned, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				j := newJudge(t)
				if answer, err := j.ask(claim{log: logOf(5, 9), incarnation: 2}); err != nil || answer.Outcome != witness.Cosigned {
					t.Fatalf("the first head: got %+v, %v", answer, err)
				}
				time.Sleep(time.Hour)
				before := j.held().Heads
				ask := c.claim
				if ask.incarnation == 0 {
					ask.incarnation = 2
				}
				if name == "by a key that is over" {
					ask.key = j.old
				}
				if r := ask.restore; r != nil && string(r.Leaf) != string(logOf(4, 9)[2]) && len(r.Path) == 0 && r.Path == nil {
					copied := *r
					ask.restore = &copied
					ask.log = append(append(log{}, ask.log[:min(int(r.Entry), len(ask.log))]...), r.Leaf)
				}
				answer, err := j.ask(ask)
				if c.kind != 0 {
					if gateway.KindOf(err) != c.kind || err == nil {
						t.Errorf("got %+v, %v; want an error of kind %v", answer, err, c.kind)
					}
				} else if err != nil || answer.Outcome != c.want || (answer.Cosignature != "") != (c.want == witness.Cosigned) {
					t.Errorf("got %+v, %v; want %s", answer, err, c.want)
				}
				if after := j.held().Heads; c.want != witness.Cosigned && !reflect.DeepEqual(after, before) {
					t.Errorf("what was not cosigned changed the heads: got %+v, want %+v", after, before)
				}
			})
		})
	}
}

// restoreAt is an entry at a place that tells of a restore.
func restoreAt(entry uint64, count int, incarnation uint64) *witness.RestoreProof {
	e := journal.Entry{Time: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC), Kind: journal.KindRestore, Count: count, Incarnation: incarnation}
	return &witness.RestoreProof{Entry: entry, Leaf: e.Encode()}
}

// TestNoCosignatureWithoutWritingDown: a head that could not be kept is not
// cosigned, and may be claimed again.
func TestNoCosignatureWithoutWritingDown(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		j := newJudge(t)
		j.fails.Store(true)
		if answer, err := j.ask(claim{log: logOf(5, 9)}); err == nil || answer.Cosignature != "" {
			t.Errorf("got %+v, %v; want an error and no cosignature", answer, err)
		}
		if held := j.held(); len(held.Heads) > 0 {
			t.Errorf("got heads %+v, want none", held.Heads)
		}
		j.fails.Store(false)
		if answer, err := j.ask(claim{log: logOf(5, 9)}); err != nil || answer.Outcome != witness.Cosigned {
			t.Errorf("again: got %+v, %v", answer, err)
		}
	})
}

// TestHeadsAtMostOnceAMinute bounds what a party can make a witness write.
func TestHeadsAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		j := newJudge(t)
		for i, wait := range []time.Duration{0, time.Second, 2 * time.Minute} {
			time.Sleep(wait)
			ask := claim{log: logOf(5+i, 99)}
			if i > 0 {
				ask.old = 5
			}
			if _, err := j.ask(ask); (gateway.KindOf(err) == gateway.Limit) != (wait == time.Second) {
				t.Errorf("after %v: got %v, want it refused only after a second", wait, err)
			}
		}
	})
}
