package journal

import (
	"encoding/binary"
	"strconv"
	"time"
)

// plain appends the bytes that encoding/json gives, without its reflection, for an
// entry in which no text needs escaping and that has neither forms nor an earlier
// time. Nearly all are such.
func (e *Entry) plain(to []byte) (leaf []byte, ok bool) {
	at := e.Time.UTC()
	if year := at.Year(); e.Forms != nil || !e.Since.IsZero() || e.Incarnation != 0 || e.Time.IsZero() || year < 0 || year > 9999 {
		return nil, false
	}
	l := line{b: to, plain: true}
	l.b = at.AppendFormat(append(l.b, `{"time":"`...), time.RFC3339Nano)
	l.b = append(l.b, `","kind":`...)
	l.quote(e.Kind)
	l.text("party", string(e.Party))
	l.text("principal", string(e.Principal))
	l.text("recipients", e.Recipients)
	l.text("message", e.Message)
	list(&l, "fields", e.Fields)
	if e.Count != 0 {
		l.b = strconv.AppendInt(l.name("count"), int64(e.Count), 10)
	}
	l.text("policy", e.Policy)
	l.text("rule", e.Rule)
	list(&l, "rules", e.Rules)
	if e.Register != 0 {
		l.b = strconv.AppendUint(l.name("register"), e.Register, 10)
	}
	l.text("caller", e.Caller)
	l.text("outcome", e.Outcome)
	l.text("reason", string(e.Reason))
	l.text("digest", e.Digest)
	return append(l.b, '}'), l.plain
}

// line is an entry that is being written; plain is false as soon as a text would
// have to be escaped.
type line struct {
	b     []byte
	plain bool
}

func (l *line) name(name string) []byte {
	return append(append(append(l.b, `,"`...), name...), `":`...)
}

func (l *line) text(name, value string) {
	if value != "" {
		l.b = l.name(name)
		l.quote(value)
	}
}

func (l *line) quote(value string) {
	start := len(l.b) + 1
	l.b = append(append(append(l.b, '"'), value...), '"')
	rest := l.b[start : len(l.b)-1]
	for ; len(rest) >= 8; rest = rest[8:] {
		if escapes(binary.LittleEndian.Uint64(rest)) {
			l.plain = false
		}
	}
	last := uint64(allSpaces)
	for _, c := range rest {
		last = last<<8 | uint64(c)
	}
	if escapes(last) {
		l.plain = false
	}
}

const (
	allOnes   = 0x0101010101010101
	allHigh   = 0x8080808080808080
	allSpaces = ' ' * allOnes
)

// escapes tells, of eight bytes at once, whether encoding/json may write one of them
// otherwise: entries are some hundreds of bytes, each of which is looked at. The
// bytes are ", &, <, >, \, those below space and those above ~.
func escapes(eight uint64) bool {
	const quoteOrAnd, lessOrMore, backslash = '&' * allOnes, '>' * allOnes, '\\' * allOnes // " and & differ in one bit, < and > too
	found := eight | (eight + allOnes) | (eight - allSpaces)
	found |= zeros(eight|'\x04'*allOnes^quoteOrAnd) | zeros(eight|'\x02'*allOnes^lessOrMore) | zeros(eight^backslash)
	return found&allHigh != 0
}

// zeros has the high bit of a byte set where a byte is zero, and perhaps in those
// above that one.
func zeros(eight uint64) uint64 { return (eight - allOnes) &^ eight }

func list[T ~string](l *line, name string, values []T) {
	if len(values) == 0 {
		return
	}
	l.b = append(l.name(name), '[')
	for i, value := range values {
		if i > 0 {
			l.b = append(l.b, ',')
		}
		l.quote(string(value))
	}
	l.b = append(l.b, ']')
}
