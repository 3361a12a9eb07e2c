package schema

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// automaton is a pattern as a table, for strings of ASCII: one step per byte,
// where package regexp takes a microsecond per string.
type automaton struct {
	next [][utf8.RuneSelf]uint16 // by state and byte; state 0 never matches again
	ends []bool                  // by state: a string may end here
}

// maxStates bounds the table of one pattern; ours need at most a hundred.
const maxStates = 256

// newAutomaton is nil for a pattern that it cannot hold: one that does not span
// the whole string from ^ to $, or looks around.
func newAutomaton(pattern string) *automaton {
	whole, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || whole.Op != syntax.OpConcat || len(whole.Sub) < 2 ||
		whole.Sub[0].Op != syntax.OpBeginText || whole.Sub[len(whole.Sub)-1].Op != syntax.OpEndText {
		return nil
	}
	whole.Sub = whole.Sub[1 : len(whole.Sub)-1]
	program, err := syntax.Compile(whole.Simplify())
	if err != nil {
		return nil
	}
	b := builder{program: program, states: map[string]uint16{"": 0}, a: &automaton{}}
	b.a.next, b.a.ends = append(b.a.next, [utf8.RuneSelf]uint16{}), append(b.a.ends, false)
	b.state([]uint32{uint32(program.Start)})
	if b.failed {
		return nil
	}
	return b.a
}

// matches expects a string of ASCII.
func (a *automaton) matches(s []byte) bool {
	state := uint16(1)
	for _, c := range s {
		if state = a.next[state][c&(utf8.RuneSelf-1)]; state == 0 {
			return false
		}
	}
	return a.ends[state]
}

// builder makes one state of the automaton for each set of instructions at which
// the program of the pattern can be.
type builder struct {
	program *syntax.Prog
	states  map[string]uint16 // by the set
	a       *automaton
	failed  bool
}

// state gives the number of the state for what can be reached from some
// instructions without reading, and makes it and all after it if it is new.
func (b *builder) state(from []uint32) uint16 {
	at, end := b.closure(from)
	var key strings.Builder
	for _, pc := range at {
		key.WriteRune(rune(pc) + 1)
	}
	if end {
		key.WriteRune(0)
	}
	if state, known := b.states[key.String()]; known {
		return state
	}
	state := uint16(len(b.a.next))
	if state == maxStates {
		b.failed = true
	}
	if b.failed {
		return 0
	}
	b.states[key.String()] = state
	b.a.next, b.a.ends = append(b.a.next, [utf8.RuneSelf]uint16{}), append(b.a.ends, end)
	for c := range rune(utf8.RuneSelf) {
		var after []uint32
		for _, pc := range at {
			if in := &b.program.Inst[pc]; in.MatchRune(c) {
				after = append(after, in.Out)
			}
		}
		next := b.state(after) // may move b.a.next
		b.a.next[state][c] = next
	}
	return state
}

// closure gives the reading instructions that can be reached, in order, and
// whether the pattern can end.
func (b *builder) closure(from []uint32) (reading []uint32, end bool) {
	seen := map[uint32]bool{}
	for len(from) > 0 {
		pc := from[len(from)-1]
		from = from[:len(from)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := b.program.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			from = append(from, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			from = append(from, in.Out)
		case syntax.InstEmptyWidth:
			b.failed = true
		case syntax.InstMatch:
			end = true
		case syntax.InstFail:
		default:
			reading = append(reading, pc)
		}
	}
	slices.Sort(reading)
	return reading, end
}
