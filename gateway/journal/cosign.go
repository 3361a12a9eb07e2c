package journal

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorstroom/doorstroom/gateway"
)

// algCosignature is the signature type of an Ed25519 cosignature in C2SP
// tlog-cosignature.
const algCosignature = 0x04

// Cosign gives the line by which a witness says that at that time the checkpoint
// in the signed note was the largest it knew of its log, and that it continues
// all before it: a C2SP cosignature/v1 under the name of the witness. What the
// note says must have been verified.
func Cosign(signed []byte, name string, key crypto.Signer, at time.Time) (string, error) {
	public, err := publicOf(key)
	if err != nil {
		return "", err
	}
	if _, err := verifier(name, public); err != nil { // the name
		return "", err
	}
	text, err := body(signed)
	if err != nil || at.Unix() < 0 {
		return "", gateway.Wrap(gateway.Invalid, err, "this is no signed note, or its time cannot be")
	}
	signature, err := key.Sign(nil, cosigned(text, uint64(at.Unix())), crypto.Hash(0))
	if err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the checkpoint cannot be cosigned")
	}
	c := cosigner{name, public}
	raw := binary.BigEndian.AppendUint32(nil, c.KeyHash())
	raw = binary.BigEndian.AppendUint64(raw, uint64(at.Unix()))
	return "\u2014 " + name + " " + base64.StdEncoding.EncodeToString(append(raw, signature...)) + "\n", nil
}

// body is the text of a signed note, with its last line feed.
func body(signed []byte) ([]byte, error) {
	end := bytes.LastIndex(signed, []byte("\n\n"))
	if end < 0 || len(signed) > maxNote {
		return nil, gateway.Errorf(gateway.Invalid, "this is no signed note")
	}
	return signed[:end+1], nil
}

func cosigned(text []byte, at uint64) []byte {
	message := strconv.AppendUint([]byte("cosignature/v1\ntime "), at, 10)
	return append(append(message, '\n'), text...)
}

// cosigner is a note.Verifier of the cosignatures of one key.
type cosigner struct {
	name string
	key  ed25519.PublicKey
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append(append([]byte(c.name+"\n"), algCosignature), c.key...))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	return at <= math.MaxInt64 && ed25519.Verify(c.key, cosigned(text, at), signature[8:])
}

// Signatory is a key by which a note may be signed.
type Signatory struct {
	Name    string
	Key     ed25519.PublicKey
	Witness bool // it cosigns
}

// Signed is one signature that was verified.
type Signed struct {
	Signatory int       // its place in the list
	Time      time.Time // of a cosignature
}

// OpenBy verifies the signatures on a note by any of the signatories and reads
// its checkpoint. One by another key is passed over; a false one by any of these
// is an error, and so is a note with none.
func OpenBy(signed []byte, by []Signatory) (Checkpoint, []Signed, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, nil, gateway.Errorf(gateway.Invalid, "the checkpoint is too long")
	}
	var verifiers []note.Verifier
	place := map[[2]any]int{}
	for i, s := range by {
		v, err := verifier(s.Name, s.Key)
		if err != nil {
			return Checkpoint{}, nil, err
		}
		if s.Witness {
			v = cosigner{s.Name, s.Key}
		}
		id := [2]any{v.Name(), v.KeyHash()}
		if _, twice := place[id]; twice {
			continue
		}
		place[id] = i
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return Checkpoint{}, nil, gateway.Wrap(gateway.Invalid, err, "the checkpoint has no valid signature by a known key")
	}
	c, err := parse(n.Text)
	if err != nil {
		return Checkpoint{}, nil, gateway.Wrap(gateway.Invalid, err, "the signed note is not a checkpoint")
	}
	var found []Signed
	for _, s := range n.Sigs {
		one := Signed{Signatory: place[[2]any{s.Name, s.Hash}]}
		if by[one.Signatory].Witness {
			raw, err := base64.StdEncoding.DecodeString(s.Base64)
			if err != nil {
				return Checkpoint{}, nil, gateway.Wrap(gateway.Invalid, err, "a signature is not base64")
			}
			one.Time = time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()
		}
		found = append(found, one)
	}
	return c, found, nil
}

// ReadHead reads the checkpoint in a note that was verified before it was kept.
func ReadHead(signed []byte) (Checkpoint, error) {
	text, err := body(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := parse(string(text))
	if err != nil {
		return Checkpoint{}, gateway.Wrap(gateway.Internal, err, "a kept checkpoint cannot be read")
	}
	return c, nil
}
