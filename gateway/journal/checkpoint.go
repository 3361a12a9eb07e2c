package journal

import (
	"crypto"
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
	// Incarnation is that of the database, which rises when it is put back from a
	// backup; 0 is not told. It is an extension line.
	Incarnation uint64
}

// incarnationLine begins the extension line with the incarnation.
const incarnationLine = "incarnation "

// text is the body of the note: origin, size, root in base64, one line each.
func (c Checkpoint) text() string {
	text := c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
	if c.Incarnation > 0 {
		text += incarnationLine + strconv.FormatUint(c.Incarnation, 10) + "\n"
	}
	return text
}

// maxNote bounds what Open reads.
const maxNote = 16 << 10

// Sign writes the checkpoint as a C2SP signed note with an Ed25519 signature by
// each of the keys under the key name, which holds neither spaces nor plus signs.
func Sign(c Checkpoint, name string, keys ...crypto.Signer) ([]byte, error) {
	if c.Origin == "" || strings.Contains(c.Origin, "\n") {
		return nil, gateway.Errorf(gateway.Invalid, "the origin of a checkpoint is one line")
	}
	if len(keys) == 0 {
		return nil, gateway.Errorf(gateway.Invalid, "a checkpoint is signed with an Ed25519 key")
	}
	var signers []note.Signer
	for _, key := range keys {
		one, err := newSigner(name, key)
		if err != nil {
			return nil, err
		}
		signers = append(signers, one)
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, signers...)
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
	for _, line := range lines[3 : len(lines)-1] {
		text, ok := strings.CutPrefix(line, incarnationLine)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil || n == 0 || c.Incarnation != 0 || strconv.FormatUint(n, 10) != text {
			return c, errors.New("the incarnation is one number")
		}
		c.Incarnation = n
	}
	return c, nil
}

// signer is a note.Signer over a private key as Go holds it.
type signer struct {
	note.Verifier
	key crypto.Signer
}

func newSigner(name string, key crypto.Signer) (note.Signer, error) {
	public, err := publicOf(key)
	if err != nil {
		return nil, err
	}
	v, err := verifier(name, public)
	return signer{v, key}, err
}

func publicOf(key crypto.Signer) (ed25519.PublicKey, error) {
	if private, ok := key.(ed25519.PrivateKey); !ok || len(private) == ed25519.PrivateKeySize {
		if public, ok := key.Public().(ed25519.PublicKey); ok {
			return public, nil
		}
	}
	return nil, gateway.Errorf(gateway.Invalid, "a checkpoint is signed with an Ed25519 key")
}

func (s signer) Sign(msg []byte) ([]byte, error) { return s.key.Sign(nil, msg, crypto.Hash(0)) }

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
