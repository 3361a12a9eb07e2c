package schema

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-json-experiment/json/jsontext"
)

// glance reads bytes once, beside the plan of their schema, and builds nothing.
// What it takes is right; nearly every message is taken. What it does not take
// may be right all the same, only unusual: parse and judge, which know what is
// wrong, have the last word. FuzzGlance holds that it takes nothing that they do
// not.
type glance struct {
	b      []byte
	at     int
	day    gateway.Date // "": codes are not looked at
	values int

	top [][]byte // where not nil: gets the members of the outermost object, by place

	// what was read last
	text    []byte // a string without its quotes
	wide    bool   // it may have other characters than ASCII
	whole   int64
	float   float64
	isWhole bool
	key     []byte // of an object in an array that is unique by it
}

// glanceAt tells whether b is one value that the plan takes.
func glanceAt(p *plan, b []byte, day gateway.Date, top [][]byte) bool {
	if p == nil {
		return false
	}
	g := glance{b: b, day: day, top: top}
	if !g.value(p, 1) {
		return false
	}
	g.space()
	return g.at == len(b)
}

func (g *glance) space() {
	for g.at < len(g.b) && (g.b[g.at] == ' ' || g.b[g.at] == '\n' || g.b[g.at] == '\t' || g.b[g.at] == '\r') {
		g.at++
	}
}

// next skips white space and gives the byte behind it without reading it; 0 at
// the end.
func (g *glance) next() byte {
	g.space()
	if g.at == len(g.b) {
		return 0
	}
	return g.b[g.at]
}

// read skips white space and reads one byte, if it is c.
func (g *glance) read(c byte) bool {
	if g.next() != c {
		return false
	}
	g.at++
	return true
}

func (g *glance) value(p *plan, depth int) bool {
	c := g.next()
	switch p.takes {
	case anything:
		return g.any(depth)
	case anyObject:
		return c == '{' && g.any(depth)
	}
	if g.values++; g.values > maxValues {
		return false
	}
	switch p.takes {
	case object:
		return c == '{' && g.object(p, depth)
	case array:
		return c == '[' && g.array(p, depth)
	case text:
		return c == '"' && g.string() && g.fits(p)
	case whole:
		return g.number() && g.isWhole && p.least <= float64(g.whole) && float64(g.whole) <= p.greatest
	case number:
		return g.number() && p.least <= g.float && g.float <= p.greatest
	case truth:
		return (c == 't' && p.node.Const != false && g.word("true")) || (c == 'f' && p.node.Const != true && g.word("false"))
	}
	return false
}

func (g *glance) word(w string) bool {
	if !bytes.HasPrefix(g.b[g.at:], []byte(w)) {
		return false
	}
	g.at += len(w)
	return true
}

// held is a value that is compared with another.
type held struct {
	whole int64
	text  []byte // nil for a number
}

func (g *glance) object(p *plan, depth int) bool {
	var seen uint64
	var values [maxHeld]held
	var key []byte
	g.at++ // {
	for empty := g.next() == '}'; !empty; {
		if g.next() != '"' || !g.string() {
			return false
		}
		m := p.member(g.text)
		if m == nil || seen&m.bit != 0 {
			return false
		}
		seen |= m.bit
		if !g.read(':') {
			return false
		}
		g.space()
		start := g.at
		if !g.value(m.plan, depth+1) {
			return false
		}
		isText := m.plan.takes == text
		switch {
		case m.held >= 0 && isText:
			values[m.held].text = g.text
		case m.held >= 0:
			values[m.held].whole = g.whole
		}
		if m == p.key {
			key = g.text
		}
		if depth == 1 && g.top != nil {
			if g.top[m.place] = g.b[start:g.at]; isText {
				g.top[m.place] = g.text
			}
		}
		if !g.read(',') {
			break
		}
	}
	g.key = key
	return g.read('}') && p.allows(seen) && p.ordered(seen, &values)
}

// allows looks at which members of an object are there.
func (p *plan) allows(seen uint64) bool {
	count := bits.OnesCount64(seen)
	if seen&p.needs != p.needs || count < p.node.MinProperties || p.node.MaxProperties != nil && count > *p.node.MaxProperties {
		return false
	}
	for _, pair := range p.apart {
		if seen&pair[0] != 0 && seen&pair[1] != 0 {
			return false
		}
	}
	if p.node.If == nil {
		return true
	}
	if seen&p.when == p.when {
		return seen&^p.only == 0
	}
	return seen&p.orElse == p.orElse
}

// ordered compares the members of which one may not be greater than the other.
func (p *plan) ordered(seen uint64, values *[maxHeld]held) bool {
	for _, pair := range p.order {
		a, b := &values[pair[0].held], &values[pair[1].held]
		both := pair[0].bit | pair[1].bit
		if seen&both == both && (a.whole > b.whole || bytes.Compare(a.text, b.text) > 0) {
			return false
		}
	}
	return true
}

// maxApart bounds the items that are held against each other; longer lists are
// for parse and judge.
const maxApart = 32

func (g *glance) array(p *plan, depth int) bool {
	var room [maxApart][]byte
	earlier := room[:0]
	count := 0
	g.at++ // [
	for empty := g.next() == ']'; !empty; {
		if !g.value(p.items, depth+1) {
			return false
		}
		count++
		key := g.key
		if p.node.UniqueItems {
			key = g.text
		} else if p.node.UniqueBy == "" {
			key = nil
		}
		if key != nil {
			if len(earlier) == maxApart || slices.ContainsFunc(earlier, func(other []byte) bool { return bytes.Equal(key, other) }) {
				return false
			}
			earlier = append(earlier, key)
		}
		if !g.read(',') {
			break
		}
	}
	return g.read(']') && count >= p.node.MinItems && (p.node.MaxItems == nil || count <= *p.node.MaxItems)
}

// string reads a string into g.text.
func (g *glance) string() bool {
	start := g.at + 1
	escaped, wide := false, false
	i := start
	for i+8 <= len(g.b) && ordinary(binary.LittleEndian.Uint64(g.b[i:])) {
		i += 8
	}
	for ; i < len(g.b); i++ {
		switch c := g.b[i]; {
		case '\\' < c && c < utf8.RuneSelf: // most are small letters
		case c == '"':
			g.at = i + 1
			g.text = g.b[start:i:i]
			if g.wide = wide || escaped; escaped {
				var err error
				g.text, err = jsontext.AppendUnquote(make([]byte, 0, i-start), g.b[start-1:g.at])
				return err == nil
			}
			return !wide || utf8.Valid(g.text)
		case c == '\\':
			escaped = true
			i++ // whatever is escaped is not the end
		case c < ' ':
			return false
		case c >= utf8.RuneSelf:
			wide = true
		}
	}
	return false
}

// ordinary tells whether eight bytes within a string are ASCII and neither its end
// nor a reason to look closer. false says nothing.
func ordinary(eight uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := eight^'"'*each, eight^'\\'*each
	return (eight|(eight-' '*each)|(quote-each)&^quote|(backslash-each)&^backslash)&high == 0
}

// fits holds the string that was read last against its plan.
func (g *glance) fits(p *plan) bool {
	n := p.node
	if p.enum != nil && !p.enum[string(g.text)] {
		return false
	}
	if want, ok := n.Const.(string); ok && want != string(g.text) {
		return false
	}
	length := len(g.text)
	if g.wide {
		length = utf8.RuneCount(g.text)
	}
	ascii := length == len(g.text)
	if length < n.MinLength || n.MaxLength != nil && length > *n.MaxLength {
		return false
	}
	switch {
	case n.Pattern == nil:
	case ascii && p.match != nil:
		if !p.match.matches(g.text) {
			return false
		}
	case !n.Pattern.Match(g.text):
		return false
	}
	if n.Format != "" && !formed(n.Format, g.text) {
		return false
	}
	if p.codes == nil || g.day == "" {
		return true
	}
	code, known := p.codes[string(g.text)]
	return known && g.day.Within(code.ValidFrom, code.ValidUntil)
}

// formed tells whether a date or a time exists. The plainest forms, up to the
// 28th, are read here; package time allocates.
func formed(format string, s []byte) bool {
	const date, moment = "0000-00-00", "0000-00-00T00:00:00Z"
	if format == formatDate && alike(s, date) && existing(s) {
		return true
	}
	if format == formatTime && alike(s, moment) && existing(s) &&
		pair(s[11:]) <= 23 && pair(s[14:]) <= 59 && pair(s[17:]) <= 59 {
		return true
	}
	layout := time.DateOnly
	if format == formatTime {
		layout = time.RFC3339
	}
	_, err := time.Parse(layout, string(s))
	return err == nil
}

// alike tells whether s has digits where form has zeros, and else is form.
func alike(s []byte, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i, c := range s {
		if digit := '0' <= c && c <= '9'; form[i] == '0' && !digit || form[i] != '0' && c != form[i] {
			return false
		}
	}
	return true
}

// existing is true for the first 28 days of each month.
func existing(date []byte) bool {
	month, day := pair(date[5:]), pair(date[8:])
	return 1 <= month && month <= 12 && 1 <= day && day <= 28
}

func pair(s []byte) int { return 10*int(s[0]-'0') + int(s[1]-'0') }

// number reads a number into g.whole or g.float.
func (g *glance) number() bool {
	start := g.at
	if g.at < len(g.b) && g.b[g.at] == '-' {
		g.at++
	}
	first := g.at
	n := int64(0)
	for ; g.at < len(g.b) && '0' <= g.b[g.at] && g.b[g.at] <= '9'; g.at++ {
		if n = 10*n + int64(g.b[g.at]-'0'); n > maxNumber {
			return false
		}
	}
	if digits := g.at - first; digits == 0 || digits > 1 && g.b[first] == '0' {
		return false
	}
	g.isWhole = true
	if g.at < len(g.b) && g.b[g.at] == '.' {
		return g.fraction(start)
	}
	if first > start {
		n = -n
	}
	g.whole, g.float = n, float64(n)
	return true
}

// fraction reads on at the point of a number that begins at start.
func (g *glance) fraction(start int) bool {
	point := g.at
	for g.at++; g.at < len(g.b) && '0' <= g.b[g.at] && g.b[g.at] <= '9'; g.at++ {
	}
	if g.at == point+1 || g.at-start > maxNumberChars {
		return false
	}
	var err error
	g.isWhole = false
	g.float, err = strconv.ParseFloat(string(g.b[start:g.at]), 64)
	return err == nil && -maxNumber <= g.float && g.float <= maxNumber
}

// any reads a value of which nothing is known, strictly.
func (g *glance) any(depth int) bool {
	if g.values++; g.values > maxValues {
		return false
	}
	switch c := g.next(); c {
	case '{', '[':
		if depth > maxDepth {
			return false
		}
		if c == '{' {
			return g.anyMembers(depth)
		}
		g.at++
		for empty := g.next() == ']'; !empty; {
			if !g.any(depth + 1) {
				return false
			}
			if !g.read(',') {
				break
			}
		}
		return g.read(']')
	case '"':
		return g.string()
	case 't':
		return g.word("true")
	case 'f':
		return g.word("false")
	case 'n':
		return g.word("null")
	default:
		return g.number()
	}
}

func (g *glance) anyMembers(depth int) bool {
	var room [maxApart][]byte
	names := room[:0]
	g.at++ // {
	for empty := g.next() == '}'; !empty; {
		if g.next() != '"' || !g.string() || len(names) == maxApart {
			return false
		}
		for _, other := range names {
			if bytes.Equal(g.text, other) {
				return false
			}
		}
		names = append(names, g.text)
		if !g.read(':') || !g.any(depth+1) {
			return false
		}
		if !g.read(',') {
			break
		}
	}
	return g.read('}')
}

// each visits the members of the outermost object; g.text is the value of one
// that is text.
func (g *glance) each(visit func(name []byte, text bool)) {
	if !g.read('{') {
		return
	}
	for g.next() == '"' && g.string() {
		name := g.text
		if !g.read(':') {
			return
		}
		text := g.next() == '"'
		if !g.any(1) {
			return
		}
		visit(name, text)
		if !g.read(',') {
			return
		}
	}
}
