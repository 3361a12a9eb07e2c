package gateway

import (
	"encoding/binary"
	"math/bits"
)

// AsItIs tells whether encoding/json writes a text, put between quotes, as it is:
// then who writes JSON by hand may, too. The text is ASCII without control
// characters, and has none of ", &, <, > and \. It is looked at eight bytes at a
// time: everything that is written here is, more than once.
func AsItIs(text []byte) bool {
	for ; len(text) >= 8; text = text[8:] {
		if escapes(binary.LittleEndian.Uint64(text)) {
			return false
		}
	}
	last := uint64(allSpaces)
	for _, c := range text {
		last = last<<8 | uint64(c)
	}
	return !escapes(last)
}

const (
	allOnes   = 0x0101010101010101
	allHigh   = 0x8080808080808080
	allSpaces = ' ' * allOnes
)

// escapes tells whether one of eight bytes is ", &, <, > or \, below space or above ~.
func escapes(eight uint64) bool {
	const quoteOrAnd, lessOrMore, backslash = '&' * allOnes, '>' * allOnes, '\\' * allOnes // " and & differ in one bit, < and > too
	found := eight | (eight + allOnes) | (eight - allSpaces)
	found |= zeros(eight|'\x04'*allOnes^quoteOrAnd) | zeros(eight|'\x02'*allOnes^lessOrMore) | zeros(eight^backslash)
	return found&allHigh != 0
}

// zeros has the high bit of a byte set where a byte is zero, and perhaps in those
// above that one.
func zeros(eight uint64) uint64 { return (eight - allOnes) &^ eight }

// settled tells whether encoding/json writes an object of valid JSON as it is:
// without white space, and with nothing in it that HTML or JavaScript could trip
// over. The sign of those in UTF-8 is looked for, not themselves.
func settled(data []byte) bool {
	if len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return false
	}
	within := false // a text
	for i := 0; i < len(data); {
		if i+8 <= len(data) {
			if eight := binary.LittleEndian.Uint64(data[i:]); !special(eight) {
				within = within != (quotes(eight)%2 == 1)
				i += 8
				continue
			}
		}
		for end := min(i+8, len(data)); i < end; i++ {
			switch data[i] {
			case '"':
				within = !within
			case '\\':
				i++ // whatever is escaped ends no text
			case '<', '>', '&', 0xe2:
				return false
			case ' ', '\t', '\n', '\r':
				if !within {
					return false
				}
			}
		}
	}
	return true
}

// special tells whether one of eight bytes is more to settled than a quote or
// nothing, or may be: &, <, > or \, a space or what comes before it, or no ASCII.
func special(eight uint64) bool {
	found := eight | (eight - '!'*allOnes)
	found |= zeros(eight^'&'*allOnes) | zeros(eight|'\x02'*allOnes^'>'*allOnes) | zeros(eight^'\\'*allOnes)
	return found&allHigh != 0
}

// quotes counts the quotes among eight bytes of ASCII.
func quotes(eight uint64) int {
	return 8 - bits.OnesCount64((eight^'"'*allOnes+^uint64(allHigh))&allHigh)
}
