package witness

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	soon    = 30 * time.Second // after a start, when the last round was more than a day ago
	retry   = time.Hour        // after a round that did not reach enough witnesses
	day     = 24 * time.Hour
	substit = 3 // how many others are asked in a round in the place of those that fail
	steps   = 5 // questions to one witness in a round
)

// Start begins to ask witnesses, once a day at a time of this party's own, so
// that when it happens tells nothing of what the node does. Stop ends it.
func (w *Witness) Start(ctx context.Context) {
	ctx, w.stop = context.WithCancel(ctx)
	w.running.Go(func() { w.run(ctx) })
}

// Stop ends a round under way and waits for it.
func (w *Witness) Stop() {
	if w.stop != nil {
		w.stop()
	}
	w.running.Wait()
}

func (w *Witness) run(ctx context.Context) {
	wait := w.first(ctx)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		enough, err := w.Round(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("the journal could not be sent to its witnesses", "error", err)
		}
		wait = retry
		if err == nil && enough {
			wait = untilSlot(w.Self, time.Now())
		}
	}
}

// first is how long to wait after a start.
func (w *Witness) first(ctx context.Context) time.Duration {
	known, err := w.Store.WitnessStatuses(ctx)
	if err != nil {
		return soon
	}
	fresh := 0
	for _, k := range known {
		if k.Problem == "" && k.Incarnation == w.Store.Incarnation() && w.now().Sub(k.At) < day {
			fresh++
		}
	}
	if reg := w.Register(); reg == nil || fresh < w.needed(reg) {
		return soon
	}
	return untilSlot(w.Self, time.Now())
}

// untilSlot is how long it is until the time of the day of a party.
func untilSlot(self gateway.OIN, now time.Time) time.Duration {
	sum := sha256.Sum256([]byte("time of the day of " + string(self)))
	slot := time.Duration(binary.BigEndian.Uint32(sum[:])%uint32(day/time.Second)) * time.Second
	at := now.UTC().Truncate(day).Add(slot)
	if !at.After(now) {
		at = at.Add(day)
	}
	return at.Sub(now)
}

// needed is how many cosignatures make a checkpoint witnessed: as many as are
// wanted, or as there are other parties if these are fewer.
func (w *Witness) needed(reg *register.Register) int { return Needed(w.Wanted(), reg, w.Self) }

// Needed is how many witnesses a party's journal needs.
func Needed(wanted Wanted, reg *register.Register, self gateway.OIN) int {
	if reg == nil {
		return wanted.Number
	}
	return min(wanted.Number, len(candidates(wanted, reg, self)))
}

// candidates are the parties that may witness, those to ask first first. Without
// a list the order is another for every party and the same each day, so that the
// work is spread and a journal stays with its witnesses.
func candidates(wanted Wanted, reg *register.Register, self gateway.OIN) []gateway.Party {
	var all []gateway.Party
	for _, p := range reg.Parties() {
		if p.OIN != self && (len(wanted.Parties) == 0 || slices.Contains(wanted.Parties, p.OIN)) {
			all = append(all, p)
		}
	}
	rank := func(p gateway.Party) []byte {
		sum := sha256.Sum256([]byte(string(self) + " witnessed by " + string(p.OIN)))
		return sum[:]
	}
	slices.SortFunc(all, func(a, b gateway.Party) int {
		if len(wanted.Parties) > 0 {
			return cmp.Compare(slices.Index(wanted.Parties, a.OIN), slices.Index(wanted.Parties, b.OIN))
		}
		return bytes.Compare(rank(a), rank(b))
	})
	return all
}

// Round signs the head of the journal and sends it to witnesses until enough have
// cosigned it. It tells whether they have. A listed witness is always asked.
func (w *Witness) Round(ctx context.Context) (enough bool, err error) {
	w.round.Lock()
	defer w.round.Unlock()
	reg, wanted := w.Register(), w.Wanted()
	if reg == nil || wanted.Number == 0 {
		return true, nil // nothing to wait for
	}
	if err := w.Checkpoint(ctx); err != nil {
		return false, err
	}
	known, err := w.statuses(ctx)
	if err != nil {
		return false, err
	}
	need, got, differ, asked := w.needed(reg), 0, 0, 0
	for _, party := range candidates(wanted, reg, w.Self) {
		if len(wanted.Parties) == 0 && (got+differ >= need || asked >= need+substit) {
			break // nobody takes the place of one that holds something else
		}
		if k := known[party.OIN]; k.Problem == store.WitnessLacks && w.now().Sub(k.Tried) < day-retry {
			continue // so it does not stand in the way of another
		}
		asked++
		problem, err := w.ask(ctx, reg, party, known[party.OIN])
		if err != nil {
			return false, err
		}
		switch {
		case problem == "":
			got++
		case store.WitnessStatus{Problem: problem}.Conflict():
			differ++
		}
	}
	return got >= need, nil
}

func (w *Witness) statuses(ctx context.Context) (map[gateway.OIN]store.WitnessStatus, error) {
	all, err := w.Store.WitnessStatuses(ctx)
	known := map[gateway.OIN]store.WitnessStatus{}
	for _, k := range all {
		known[k.Witness] = k
	}
	return known, err
}

// ask brings one witness from the head that it holds to the last checkpoint. Its
// error is of this node; what is wrong at the witness is kept, and given back.
func (w *Witness) ask(ctx context.Context, reg *register.Register, party gateway.Party, known store.WitnessStatus) (problem string, err error) {
	old, incarnation := known.Size, known.Incarnation
	for range steps {
		ext, err := w.Store.Extension(ctx, old, incarnation)
		if gateway.KindOf(err) == gateway.Conflict {
			return w.failed(ctx, party, store.WitnessRollback, old)
		}
		if err != nil {
			return "", err
		}
		answer, err := w.Sender.Witness(ctx, party, requestOf(ext))
		if err != nil {
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			return w.failed(ctx, party, problemOf(err), 0)
		}
		switch answer.Outcome {
		case Cosigned:
			return w.take(ctx, reg, party, ext, answer)
		case Rollback, Inconsistent:
			return w.failed(ctx, party, answer.Outcome, answer.Size)
		}
		if answer.Incarnation > w.Store.Incarnation() {
			return w.failed(ctx, party, store.WitnessRollback, answer.Size)
		}
		old, incarnation = answer.Size, answer.Incarnation
	}
	return w.failed(ctx, party, store.WitnessUnreachable, 0)
}

func requestOf(ext store.Extension) Request {
	request := Request{Old: ext.Old, Proof: raw(ext.Proof), Checkpoint: string(ext.Checkpoint)}
	if ext.Restored {
		request.Restore = &RestoreProof{Entry: ext.Entry, Leaf: ext.Leaf, Path: raw(ext.Path)}
	}
	return request
}

func problemOf(err error) string {
	switch gateway.KindOf(err) {
	case gateway.NotFound:
		return store.WitnessLacks
	case gateway.Denied, gateway.Invalid, gateway.Unauthenticated:
		return store.WitnessDenied
	}
	return store.WitnessUnreachable
}

func (w *Witness) failed(ctx context.Context, party gateway.Party, problem string, theirs uint64) (string, error) {
	switch problem {
	case store.WitnessRollback, store.WitnessInconsistent:
		w.Log.Error("a witness holds something else of the journal of this node", "witness", party.OIN, "problem", problem, "entries", theirs)
	default:
		w.Log.Debug("a witness did not cosign", "witness", party.OIN, "problem", problem)
	}
	return problem, w.Store.NotCosigned(ctx, w.now(), party.OIN, problem, theirs)
}

// take verifies a cosignature and keeps it.
func (w *Witness) take(ctx context.Context, reg *register.Register, party gateway.Party, ext store.Extension, answer Answer) (problem string, err error) {
	by, of, kids := signatories(reg, w.Self)
	c, signed, err := journal.OpenBy(append(bytes.Clone(ext.Checkpoint), answer.Cosignature...), by)
	if err != nil {
		return w.failed(ctx, party, store.WitnessDenied, 0)
	}
	for _, s := range signed {
		if by[s.Signatory].Witness && of[s.Signatory] == party.OIN {
			return "", w.Store.Cosigned(ctx, w.now(), store.Cosignature{
				Witness: party.OIN, KID: kids[s.Signatory], Size: c.Size, Incarnation: c.Incarnation, Time: s.Time, Line: answer.Cosignature,
			})
		}
	}
	return w.failed(ctx, party, store.WitnessDenied, 0)
}
