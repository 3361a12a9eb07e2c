package journal

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorstroom/doorstroom/gateway"
)

// Checkpoint is the head of a log as C2SP tlog-checkpoint describes it: whose
// log, how many records, and the root over them.
type Checkpoint struct {
	Origin string // such as "doorstroom/00000099000000001000/journal"
	Size   uint64
	Root   Hash
}

// text is the body of the note: origin, size, root in base64, one line each.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// maxNote bounds what Open reads.
const maxNote = 16 << 10

// Sign writes the checkpoint as a C2SP signed note with one Ed25519 signature
// under the key name, which holds neither spaces nor plus signs.
func Sign(c Checkpoint, name string, key ed25519.PrivateKey) ([]byte, error) {
	if c.Origin == "" || strings.Contains(c.Origin, "\n") {
		return nil, gateway.Errorf(gateway.Invalid, "the origin of a checkpoint is one line")
	}
	if len(key) != ed25519.PrivateKeySize {
		return nil, gateway.Errorf(gateway.Invalid, "a checkpoint is signed with an Ed25519 key")
	}
	v, err := verifier(name, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer{v, key})
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the checkpoint cannot be signed")
	}
	return signed, nil
}

// Open verifies that the note carries a signature by the named key and reads
// its checkpoint. Signatures by other keys, such as those of witnesses, and
// extension lines are ignored, as C2SP asks.
func Open(signed []byte, name string, key ed25519.PublicKey) (Checkpoint, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, gateway.Errorf(gateway.Invalid, "the checkpoint is too long")
	}
	v, err := verifier(name, key)
	if err != nil {
		return Checkpoint{}, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, gateway.Wrap(gateway.Invalid, err, "the checkpoint has no valid signature by its key")
	}
	c, err := parse(n.Text)
	if err != nil {
		return Checkpoint{}, gateway.Wrap(gateway.Invalid, err, "the signed note is not a checkpoint")
	}
	return c, nil
}

func parse(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || slices.Contains(lines[:len(lines)-1], "") {
		return Checkpoint{}, errors.New("a checkpoint has at least three lines and no empty one")
	}
	c := Checkpoint{Origin: lines[0]}
	var err error
	if c.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil || strconv.FormatUint(c.Size, 10) != lines[1] {
		return Checkpoint{}, errors.New("the second line is not a size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return Checkpoint{}, errors.New("the third line is not a root")
	}
	c.Root = Hash(root)
	return c, nil
}

// signer is a note.Signer over a private key as Go holds it.
type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

func verifier(name string, key ed25519.PublicKey) (note.Verifier, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, gateway.Errorf(gateway.Invalid, "a checkpoint is verified with an Ed25519 key")
	}
	encoded, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "the name of a checkpoint's key holds no spaces or plus signs")
	}
	v, err := note.NewVerifier(encoded)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "the name of a checkpoint's key holds no spaces or plus signs")
	}
	return v, nil
}
