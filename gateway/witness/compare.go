package witness

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// What came of comparing this node's journal with the heads of a witness.
const (
	Agrees     = "agrees"
	Differs    = "differs"     // an entry from From up to To was changed, added, left out or moved since the witness saw them
	CutOff     = "cut-off"     // entries From up to To, which the witness saw, are not there
	HoldsNone  = "none"        // the witness holds nothing of this journal
	Unsigned   = "unsigned"    // the witness shows heads that this party never signed
	NoAnswer   = "no-answer"   // it cannot be reached, or does not witness
	NotInForce = "not-a-party" // the register does not know it
)

// Comparison is what one witness holds of this node's journal.
type Comparison struct {
	Witness gateway.OIN `json:"witness"`
	Name    string      `json:"name,omitempty"`
	Outcome string      `json:"outcome"`
	Heads   int         `json:"heads"`         // that fit the journal
	Size    uint64      `json:"size"`          // of the largest that fits
	Time    time.Time   `json:"time,omitzero"` // when the witness cosigned that
	From    uint64      `json:"from"`          // first entry that may be wrong
	To      uint64      `json:"to"`            // and the first after those
	Given   int         `json:"abandoned"`     // heads of before a restore, that the journal did not go on from
}

// Compare asks witnesses what they hold of this node's journal and compares it
// with the hashes of the journal. Without parties it asks all that ever cosigned.
func (w *Witness) Compare(ctx context.Context, parties []gateway.OIN) ([]Comparison, error) {
	reg := w.Register()
	if reg == nil {
		return nil, gateway.Errorf(gateway.NotFound, "there is no register yet, so no other party is known")
	}
	if len(parties) == 0 {
		known, err := w.Store.WitnessStatuses(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range known {
			if k.Size > 0 || k.Conflict() {
				parties = append(parties, k.Witness)
			}
		}
	}
	by, _, _ := signatories(reg, w.Self)
	by = slices.DeleteFunc(by, func(s journal.Signatory) bool { return s.Witness })
	var all []Comparison
	for _, oin := range parties {
		c := Comparison{Witness: oin, Outcome: NotInForce}
		if party, ok := reg.Party(oin); ok && oin != w.Self {
			c.Name = party.Name
			heads, err := w.Sender.Heads(ctx, party)
			if err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				c.Outcome = NoAnswer
			} else if err := w.compare(ctx, &c, heads.Heads, by); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// compare fills in what the heads of one witness tell.
func (w *Witness) compare(ctx context.Context, c *Comparison, heads []Head, by []journal.Signatory) error {
	c.Outcome = HoldsNone
	for _, h := range heads {
		signed, _, err := journal.OpenBy([]byte(h.Checkpoint), by)
		if err != nil || signed.Origin != Origin(w.Self) || signed.Size != h.Size || signed.Incarnation != h.Incarnation {
			c.Outcome = Unsigned
			return nil
		}
		if h.Abandoned {
			c.Given++
			continue
		}
		root, size, err := w.Store.RootAt(ctx, signed.Size)
		if err != nil {
			return err
		}
		if signed.Size > size || signed.Incarnation > w.Store.Incarnation() {
			c.Outcome, c.From, c.To = CutOff, min(size, signed.Size), max(size, signed.Size)
			if signed.Size <= size { // of a later life of this database
				c.From, c.To = c.Size, signed.Size
			}
			return nil
		}
		if root != signed.Root {
			c.Outcome, c.From, c.To = Differs, c.Size, signed.Size
			return nil
		}
		c.Outcome, c.Size, c.Time = Agrees, signed.Size, h.Time
		c.Heads++
	}
	return nil
}

// Conflict tells whether the witness shows that the journal is not what it was.
func (c Comparison) Conflict() bool { return c.Outcome == Differs || c.Outcome == CutOff }

// State is how far a journal is witnessed.
type State struct {
	store.Witnessed
	Needed   int // witnesses
	Statuses []store.WitnessStatus
}

// State is how far this node's journal is witnessed now.
func (w *Witness) State(ctx context.Context) (State, error) {
	reg := w.Register()
	s := State{Needed: Needed(w.Wanted(), reg, w.Self)}
	var err error
	s.Witnessed, err = w.Store.Witnessed(ctx, s.Needed, func(oin gateway.OIN) bool {
		if reg == nil {
			return false
		}
		_, ok := reg.Party(oin)
		return ok
	})
	if err == nil {
		s.Statuses, err = w.Store.WitnessStatuses(ctx)
	}
	return s, err
}
