package witness

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
)

// ProofFormat is that of Proof.
const ProofFormat = "doorstroom-journal-proof/1"

// Proof shows that an entry stands in a party's journal, to whoever has the
// register: no node and no network is needed. Keys is for people; what counts is
// what the register says.
type Proof struct {
	Format     string      `json:"format"`
	Party      gateway.OIN `json:"party"`      // whose journal
	Entry      uint64      `json:"entry"`      // number, from 0
	Leaf       []byte      `json:"leaf"`       // the entry as it was written; base64
	Path       [][]byte    `json:"path"`       // RFC 6962 inclusion proof; base64
	Checkpoint string      `json:"checkpoint"` // C2SP signed note with the cosignatures of witnesses
	Keys       []ProofKey  `json:"keys"`
}

// ProofKey is a key under the checkpoint of a Proof.
type ProofKey struct {
	Party gateway.OIN `json:"party"`
	KID   string      `json:"kid"`
	Time  time.Time   `json:"time,omitzero"` // of a cosignature
}

// Checked is what a Proof shows.
type Checked struct {
	Entry     journal.Entry
	Size      uint64 // entries of the journal when it was signed
	KID       string // of the key of the journal's own party
	Witnesses []ProofKey
}

// Prove makes the proof of an entry of this node's journal.
func (w *Witness) Prove(ctx context.Context, entry uint64) (Proof, error) {
	reg := w.Register()
	if reg == nil {
		return Proof{}, gateway.Errorf(gateway.NotFound, "there is no register yet, so nobody could verify a proof")
	}
	found, err := w.Store.ProveEntry(ctx, entry, w.needed(reg))
	if err != nil {
		return Proof{}, err
	}
	note := string(found.Checkpoint)
	for _, c := range found.Cosignatures {
		note += c.Line
	}
	p := Proof{Format: ProofFormat, Party: w.Self, Entry: entry, Leaf: found.Leaf, Path: raw(found.Path), Checkpoint: note}
	checked, err := CheckProof(p, reg)
	if err != nil {
		return Proof{}, gateway.Wrap(gateway.Conflict, err, "the proof does not verify: the key of this node may not be in the register, or the journal was changed; see doorstroom journal verify")
	}
	p.Keys = append([]ProofKey{{Party: w.Self, KID: checked.KID}}, checked.Witnesses...)
	return p, nil
}

// CheckProof verifies a proof by the register alone.
func CheckProof(p Proof, reg *register.Register) (Checked, error) {
	if p.Format != ProofFormat {
		return Checked{}, gateway.Errorf(gateway.Invalid, "this is no proof of the form %s", ProofFormat)
	}
	if _, ok := reg.Party(p.Party); !ok {
		return Checked{}, gateway.Errorf(gateway.Invalid, "the register does not know the party whose journal it is")
	}
	by, of, kids := signatories(reg, p.Party)
	c, signed, err := journal.OpenBy([]byte(p.Checkpoint), by)
	if err != nil {
		return Checked{}, err
	}
	if c.Origin != Origin(p.Party) {
		return Checked{}, gateway.Errorf(gateway.Invalid, "the checkpoint is of another journal")
	}
	path, err := hashes(p.Path)
	if err != nil {
		return Checked{}, err
	}
	if err := journal.Check(c.Root, c.Size, p.Leaf, p.Entry, path); err != nil {
		return Checked{}, err
	}
	checked := Checked{Size: c.Size}
	if checked.Entry, err = journal.Decode(p.Leaf); err != nil {
		return Checked{}, err
	}
	seen := map[gateway.OIN]bool{}
	for _, s := range signed {
		oin := of[s.Signatory]
		switch {
		case !by[s.Signatory].Witness:
			checked.KID = kids[s.Signatory]
		case !seen[oin]:
			seen[oin] = true
			checked.Witnesses = append(checked.Witnesses, ProofKey{oin, kids[s.Signatory], s.Time})
		}
	}
	if checked.KID == "" {
		return Checked{}, gateway.Errorf(gateway.Invalid, "the checkpoint is not signed by the party whose journal it is")
	}
	return checked, nil
}
