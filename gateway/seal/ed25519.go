package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"slices"

	"filippo.io/edwards25519"
	"github.com/doorstroom/doorstroom/gateway"
)

const (
	// together is how many signatures of one key are verified by one sum: with
	// more of them it is hardly faster, and one that is wrong costs them all.
	together = 64
	// fewest is how many it takes to be worth it.
	fewest = 8
)

// edKey is a public key with the point that it stands for.
type edKey struct {
	public ed25519.PublicKey
	point  *edwards25519.Point
}

// readEd25519 refuses what nobody can hold the private key of: a point that is
// not in its only spelling, or of small order, for which one signature fits many
// messages (go-jose refuses those too).
func readEd25519(public ed25519.PublicKey) (*edKey, error) {
	point, err := new(edwards25519.Point).SetBytes(public)
	if err != nil || !bytes.Equal(point.Bytes(), public) || isZero(new(edwards25519.Point).MultByCofactor(point)) {
		return nil, gateway.Errorf(gateway.Invalid, "the public key is no point that a private key leads to")
	}
	return &edKey{public: bytes.Clone(public), point: point}, nil
}

// signed is what was signed, and the signature.
type signed struct {
	message   string
	signature []byte
}

// holds tells whether a signature holds.
func (k *edKey) holds(s signed) bool {
	return ed25519.Verify(k.public, []byte(s.message), s.signature) || k.holdsCofactored(s)
}

// holdAll tells of each signature what holds tells of it. It never asks
// crypto/ed25519 first, so that many wrong ones are not looked at twice.
func (k *edKey) holdAll(all []signed) []bool {
	hold := make([]bool, 0, len(all))
	for some := range slices.Chunk(all, together) {
		sum := len(some) >= fewest && k.sumHolds(some)
		for _, s := range some {
			hold = append(hold, sum || k.holdsCofactored(s))
		}
	}
	return hold
}

// holdsCofactored is the equation for one signature.
func (k *edKey) holdsCofactored(one signed) bool {
	var r edwards25519.Point
	var s, c edwards25519.Scalar
	if !k.read(one, &r, &s, &c) {
		return false
	}
	sum := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(c.Negate(&c), k.point, &s)
	sum.Subtract(sum, &r)
	return isZero(sum.MultByCofactor(sum))
}

// sumHolds is the sum of the equations of all, each times a number of 128 bits that
// nobody can foresee. If one of them does not hold, the sum does not either, but
// for a chance of one in 2^128.
func (k *edKey) sumHolds(all []signed) bool {
	n := len(all)
	factors := several[edwards25519.Scalar](n + 2)
	points := append(several[edwards25519.Point](n), edwards25519.NewGeneratorPoint(), k.point)
	ofBase, ofKey := factors[n], factors[n+1]

	random := make([]byte, 16*n)
	_, _ = rand.Read(random) // never fails
	var z [32]byte           // little-endian: below 2^128
	var s, c edwards25519.Scalar
	for i, one := range all {
		if !k.read(one, points[i], &s, &c) {
			return false
		}
		copy(z[:16], random[16*i:])
		if _, err := factors[i].SetCanonicalBytes(z[:]); err != nil {
			return false
		}
		ofBase.MultiplyAdd(factors[i], &s, ofBase)
		ofKey.MultiplyAdd(factors[i], &c, ofKey)
	}
	ofBase.Negate(ofBase)
	sum := new(edwards25519.Point).VarTimeMultiScalarMult(factors, points)
	return isZero(sum.MultByCofactor(sum))
}

// several gives pointers to n zero values.
func several[T any](n int) []*T {
	values, pointers := make([]T, n), make([]*T, n)
	for i := range values {
		pointers[i] = &values[i]
	}
	return pointers
}

// read takes a signature apart into R and S, and hashes the message to k, here c;
// false if R or S is not as RFC 8032 section 5.1 writes it.
func (k *edKey) read(one signed, r *edwards25519.Point, s, c *edwards25519.Scalar) bool {
	if len(one.signature) != ed25519.SignatureSize {
		return false
	}
	first, second := one.signature[:32], one.signature[32:]
	if !isCanonical(first) {
		return false
	}
	if _, err := r.SetBytes(first); err != nil {
		return false
	}
	if _, err := s.SetCanonicalBytes(second); err != nil {
		return false
	}
	var room [4096]byte // enough for most
	hash := sha512.Sum512(append(append(append(room[:0], first...), k.public...), one.message...))
	_, err := c.SetUniformBytes(hash[:])
	return err == nil
}

// isCanonical tells whether 32 bytes that stand for a point are its only spelling,
// RFC 8032 section 5.1.3: y, little-endian, is below the prime 2^255 - 19, and an x
// of zero, which is that of y = 1 and y = -1, has no sign.
func isCanonical(point []byte) bool {
	low, high, sign := point[0], point[31]&0x7f, point[31]&0x80 != 0
	zeros, ones := true, true // between the first byte and the last
	for _, b := range point[1:31] {
		zeros, ones = zeros && b == 0, ones && b == 0xff
	}
	switch {
	case ones && high == 0x7f && low > 0xec:
		return false
	case sign && ones && high == 0x7f && low == 0xec, sign && zeros && high == 0 && low == 1:
		return false
	}
	return true
}

func isZero(p *edwards25519.Point) bool { return p.Equal(edwards25519.NewIdentityPoint()) == 1 }
