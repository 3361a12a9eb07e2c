// Package witness lets parties keep each other's journals honest, by the rules of
// C2SP tlog-witness. At a fixed time of the day a node sends the newest checkpoint
// of its journal to its witnesses, with a proof that it continues the one they
// hold; they verify it, write it down, and only then cosign it. So whoever owns a
// node cannot rewrite what its witnesses have cosigned without their noticing.
//
// Use New once for a node: Cosign and Heads answer other parties, Round asks them.
package witness

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Origin names the journal of a party, and its keys under a checkpoint.
func Origin(party gateway.OIN) string { return "doorstroom.example/journal/" + string(party) }

// Name names a party as a witness, and its keys under a cosignature.
func Name(party gateway.OIN) string { return "doorstroom.example/witness/" + string(party) }

// Request asks a witness to cosign a checkpoint. Proof leads from the head over
// Old entries that the witness holds; it is empty when Old is 0.
type Request struct {
	Old        uint64        `json:"old"`
	Proof      [][]byte      `json:"proof"`
	Checkpoint string        `json:"checkpoint"`
	Restore    *RestoreProof `json:"restore,omitempty"`
}

// RestoreProof shows the entry of the journal that tells of a restore, after which the
// journal may be shorter than the head that the witness holds.
type RestoreProof struct {
	Entry uint64   `json:"entry"`
	Leaf  []byte   `json:"leaf"`
	Path  [][]byte `json:"path"` // to the root of the checkpoint
}

// What a witness answers.
const (
	Cosigned     = "cosigned"
	Conflict     = "conflict"                // Old is not the size of the head from which the proof must lead: Size is
	Rollback     = store.WitnessRollback     // the checkpoint is older than the head
	Inconsistent = store.WitnessInconsistent // the checkpoint does not continue the head
)

// Answer is what a witness says. Size and Incarnation are those of the head from
// which a proof must lead; after Cosigned, of the checkpoint itself.
type Answer struct {
	Outcome     string `json:"outcome"`
	Size        uint64 `json:"size"`
	Incarnation uint64 `json:"incarnation"`
	Cosignature string `json:"cosignature,omitempty"` // a line to put under the note
}

// Head is one checkpoint that a witness cosigned.
type Head = store.Head

// Heads is what a witness holds of the journal of who asks.
type Heads struct {
	Heads []Head `json:"heads"`
}

// Sender asks other parties. Its errors are of kind NotFound when a peer is of a
// version that does not witness.
type Sender interface {
	Witness(ctx context.Context, peer gateway.Party, request Request) (Answer, error)
	Heads(ctx context.Context, peer gateway.Party) (Heads, error)
}

// Wanted is how many witnesses a journal needs, and who they are; without Parties
// they are chosen.
type Wanted struct {
	Number  int
	Parties []gateway.OIN
}

// Options is what a Witness works with; all fields are required.
type Options struct {
	Self       gateway.OIN
	Key        *seal.Key
	Store      *store.Store
	Register   func() *register.Register // in force; nil before the first
	Checkpoint func(ctx context.Context) error
	Wanted     func() Wanted
	Sender     Sender
	Log        *slog.Logger
	Overlap    time.Duration // how long a rotated key stays good
}

// Witness is a node's part in witnessing. It is safe for concurrent use.
type Witness struct {
	Options

	round   sync.Mutex // held by the round under way
	running sync.WaitGroup
	stop    context.CancelFunc // set by Start
}

// New makes a Witness; it starts nothing.
func New(opt Options) *Witness { return &Witness{Options: opt} }

func (w *Witness) now() time.Time { return w.Store.EffectiveTime(time.Now()) }

// Cosign answers a party that asks for a cosignature on its journal.
func (w *Witness) Cosign(ctx context.Context, peer gateway.OIN, request Request) (Answer, error) {
	key, ok := w.Key.Ed25519()
	if !ok {
		return Answer{}, gateway.Errorf(gateway.NotFound, "this node cannot cosign: its signing key is not Ed25519")
	}
	reg := w.Register()
	if reg == nil {
		return Answer{}, gateway.Errorf(gateway.Unavailable, "this node has no register yet")
	}
	party, ok := reg.Party(peer)
	if !ok {
		return Answer{}, gateway.Errorf(gateway.Denied, "the party is not in the register")
	}
	claim, err := w.open(party, request)
	if err != nil {
		return Answer{}, err
	}
	var v verdict
	if err := w.Store.Witness(ctx, w.now(), peer, func(now time.Time, held store.Held) (store.Held, []journal.Entry, error) {
		v = judge(now, peer, held, claim)
		return v.held, v.entries, v.err
	}); err != nil {
		return Answer{}, err
	}
	if v.answer.Outcome != Cosigned {
		if v.answer.Outcome != Conflict {
			w.Log.Error("a journal does not continue what this node witnessed", "of", peer, "outcome", v.answer.Outcome, "held", v.answer.Size, "claimed", claim.checkpoint.Size)
		}
		return v.answer, nil
	}
	v.answer.Cosignature, err = journal.Cosign([]byte(request.Checkpoint), Name(w.Self), key, v.at)
	return v.answer, err
}

// open verifies that the checkpoint is signed by a key of the party whose journal
// it is of.
func (w *Witness) open(party gateway.Party, request Request) (claim, error) {
	var by []journal.Signatory
	for _, k := range party.SigningKeys {
		if public, ok := seal.Ed25519(k); ok && k.ValidAt(w.now(), w.Overlap) {
			by = append(by, journal.Signatory{Name: Origin(party.OIN), Key: public})
		}
	}
	c, _, err := journal.OpenBy([]byte(request.Checkpoint), by)
	if err != nil {
		return claim{}, gateway.Wrap(gateway.Denied, err, "the checkpoint is not signed by a key that the register gives for this party")
	}
	if c.Origin != Origin(party.OIN) || c.Size == 0 {
		return claim{}, gateway.Errorf(gateway.Invalid, "the checkpoint is not of the journal of this party")
	}
	if request.Old > c.Size {
		return claim{}, gateway.Errorf(gateway.Invalid, "old is larger than the checkpoint")
	}
	one := claim{checkpoint: c, note: request.Checkpoint, old: request.Old}
	if one.proof, err = hashes(request.Proof); err != nil {
		return claim{}, err
	}
	if request.Restore != nil {
		return one, one.openRestore(*request.Restore)
	}
	return one, nil
}

// openRestore verifies that the entry of the restore stands in the journal.
func (c *claim) openRestore(r RestoreProof) error {
	path, err := hashes(r.Path)
	if err != nil {
		return err
	}
	if err := journal.Check(c.checkpoint.Root, c.checkpoint.Size, r.Leaf, r.Entry, path); err != nil {
		return err
	}
	e, err := journal.Decode(r.Leaf)
	if err != nil || e.Kind != journal.KindRestore || uint64(e.Count) != r.Entry || e.Incarnation > c.checkpoint.Incarnation {
		return gateway.Errorf(gateway.Invalid, "the entry does not tell of a restore at its place")
	}
	c.restored, c.entry, c.restoredAs = true, r.Entry, e.Incarnation
	return nil
}

// maxProof is how many hashes a proof has at most (C2SP tlog-witness).
const maxProof = 63

func hashes(raw [][]byte) ([]journal.Hash, error) {
	if len(raw) > maxProof {
		return nil, gateway.Errorf(gateway.Invalid, "the proof is too long")
	}
	all := make([]journal.Hash, 0, len(raw))
	for _, h := range raw {
		if len(h) != len(journal.Hash{}) {
			return nil, gateway.Errorf(gateway.Invalid, "a hash has 32 bytes")
		}
		all = append(all, journal.Hash(h))
	}
	return all, nil
}

func raw(hashes []journal.Hash) [][]byte {
	all := make([][]byte, 0, len(hashes))
	for _, h := range hashes {
		all = append(all, h[:])
	}
	return all
}

// Heads is what this node holds of the journal of a party that asks.
func (w *Witness) Heads(ctx context.Context, peer gateway.OIN) (Heads, error) {
	held, err := w.Store.Held(ctx, peer)
	return Heads{append([]Head{}, held.Heads...)}, err
}

// signatories are the keys under a checkpoint of a party's journal and its
// cosignatures, old keys included: each with whose it is.
func signatories(reg *register.Register, log gateway.OIN) (by []journal.Signatory, of []gateway.OIN, kids []string) {
	add := func(p gateway.Party, name string, witness bool) {
		for _, k := range p.SigningKeys {
			if public, ok := seal.Ed25519(k); ok && !k.Compromised {
				by = append(by, journal.Signatory{Name: name, Key: ed25519.PublicKey(public), Witness: witness})
				of, kids = append(of, p.OIN), append(kids, k.KID)
			}
		}
	}
	for _, p := range reg.Parties() {
		if p.OIN == log {
			add(p, Origin(p.OIN), false)
		} else {
			add(p, Name(p.OIN), true)
		}
	}
	return by, of, kids
}
