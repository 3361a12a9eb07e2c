package journal

import (
	"strconv"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
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
	l.b = append(append(append(l.b, '"'), value...), '"')
	l.plain = l.plain && gateway.AsItIs([]byte(value))
}

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
