package gateway

import (
	"encoding/base64"
	"slices"
)

// Messages of confidential kinds have one of three sizes, so that their length
// tells next to nothing, and hold a nonce of 16 random bytes, so that nobody can
// guess a payload and find that its digest is the same. The nonce is drawn once,
// when the message is queued, and kept with it: the same message has the same
// bytes at every attempt.

const (
	// LargestPadded is the largest size.
	LargestPadded = 64 << 10
	// MaxConfidential is how large the data of a confidential message may be: with
	// any envelope it fits the largest size.
	MaxConfidential = 60_000

	nonceBytes = 16
)

// PaddedSizes are those that the bytes of a confidential message may have.
func PaddedSizes() []int { return []int{4 << 10, 16 << 10, LargestPadded} }

// NonceOf writes 16 random bytes as the nonce of a message.
func NonceOf(random [nonceBytes]byte) string { return base64.RawURLEncoding.EncodeToString(random[:]) }

// Padded tells whether the bytes of a message, which has size of them, are those
// of a confidential one.
func (m Message) Padded(size int) bool {
	return m.Nonce != "" && slices.Contains(PaddedSizes(), size)
}

// pad adds nonce and padding to an encoded event. What is larger than the
// largest size stays as large as it is; nobody takes it.
func pad(event []byte, nonce string) []byte {
	b := append(event[:len(event)-1], `,"nonce":"`...)
	b = append(append(b, nonce...), `","padding":"`...)
	const end = `"}`
	for _, size := range PaddedSizes() {
		if missing := size - len(b) - len(end); missing >= 0 {
			b = slices.Grow(b, missing+len(end))
			for range missing {
				b = append(b, '0')
			}
			break
		}
	}
	return append(b, end...)
}
