// Package policy decides what each recipient may see of an offer, and who may
// send this party what, from files that a privacy officer can read. Use it
// wherever something is about to leave or enter a node: Load the files, Decide
// or Admit, and Explain a decision in plain Dutch. It is pure: no I/O, no clock.
//
// A policy is deny by default. Every show rule that matches adds its fields, the
// widest form of a field counts, and then every never rule that matches takes
// its fields away again, whatever the order of the rules. policies/README.md
// describes the file format for its writers.
//
// Where an offer is silent on something that a rule asks for, a show rule does
// not match and a never rule does: to show takes certainty, to forbid does not.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Env is the world in which a policy is read: whose node it is, the register in
// force, the code lists and the day. Load and Rebind keep it; nothing may change
// it afterwards.
type Env struct {
	Self    gateway.OIN
	Party   func(gateway.OIN) (gateway.Party, bool) // the register in force; nil: look in Parties
	Parties []gateway.Party                         // the same parties, to suggest one that was meant
	Lists   gateway.CodeLists
	Class   func(gateway.Field) gateway.DataClass // nil: as in schemas/capacity.v1.json
	Today   gateway.Date
}

func (e Env) party(oin gateway.OIN) (gateway.Party, bool) {
	if e.Party != nil {
		return e.Party(oin)
	}
	if i := slices.IndexFunc(e.Parties, func(p gateway.Party) bool { return p.OIN == oin }); i >= 0 {
		return e.Parties[i], true
	}
	return gateway.Party{}, false
}

// File is one policy file, by its name in the policy directory.
type File struct {
	Name string
	Data []byte
}

// Policy is a policy that was loaded. What it decides never changes, and any
// number of goroutines may use it.
type Policy struct {
	version   string
	docs      []document
	env       Env
	outbound  table
	inbound   table
	personal  []rule     // on messages about a person, by id
	shows     *decisions // of outbound
	admits    *decisions // of inbound
	performed map[gateway.Gemeente][]string
	fields    []gateway.Field // gateway.Fields, whose places are the bits of a fieldSet
	sensitive []sensitiveField
	fallback  bool // DenyAll

	// Of a Lens: the number of each rule of outbound in the whole policy, and how
	// many words a set of those takes. Nil: outbound is the whole.
	numbers []int
	all     int
}

// number is that of a rule of outbound in the whole policy.
func (p *Policy) number(rule int) int {
	if p.numbers == nil {
		return rule
	}
	return p.numbers[rule]
}

const noVersion = "none"

// expectations of a policy lie beside it and are no part of it.
const expectations = "_test.yaml"

// Load reads all files of one party's policy. It gives warnings about rules that
// are right but match nobody today. The error holds every problem of every file:
// it is a Problems. Files that end in _test.yaml are left out. No files are a
// policy that allows nothing.
func Load(files []File, env Env) (*Policy, []Problem, error) {
	return load(files, env, false)
}

// Restore loads files that were a policy once, in the world of now: what the
// world has dropped since is a warning, as for Rebind.
func Restore(files []File, env Env) (*Policy, []Problem, error) { return load(files, env, true) }

func load(files []File, env Env, again bool) (*Policy, []Problem, error) {
	files = ordered(files)
	var docs []document
	var problems Problems
	for _, f := range files {
		d, wrong := parse(f)
		docs = append(docs, d)
		problems = append(problems, wrong...)
	}
	if len(problems) > 0 { // terms of a file with another shape than it seems would only confuse
		problems.sort()
		return nil, nil, problems
	}
	out, b := bind(docs, env, again)
	if len(b.errors) > 0 {
		return nil, nil, b.errors
	}
	return build(version(files), docs, env, out), b.warns, nil
}

// Rebind reads the same files again in a new world: after a change of register
// or code lists, and when the day changes. What the world has dropped since,
// such as a party that left, is a warning; a show rule no longer matches by it,
// a never rule still forbids.
func (p *Policy) Rebind(env Env) (*Policy, []Problem) {
	if p.fallback {
		return p, nil
	}
	out, b := bind(p.docs, env, true)
	return build(p.version, p.docs, env, out), b.warns
}

// DenyAll is for a node whose policy cannot be loaded: it discloses nothing, and
// admits every kind of message that is about no person, so that nothing is lost;
// what is about a person waits at its sender.
func DenyAll() *Policy {
	return &Policy{
		version: noVersion, fallback: true, shows: newDecisions(noVersion, nil), admits: newDecisions(noVersion, nil),
	}
}

// Loaded tells whether this is a policy from files, and not DenyAll.
func (p *Policy) Loaded() bool { return !p.fallback }

// Version identifies the files byte for byte: the SHA-256 in hex of what
// `sha256sum *.yaml` prints for them in the order of their names (LC_ALL=C). It
// is "none" for DenyAll.
func (p *Policy) Version() string { return p.version }

// VersionOf is the version that a policy of these files has.
func VersionOf(files []File) string { return version(ordered(files)) }

// ExpectationsVersionOf is the version of what is expected of a policy of these
// files: as VersionOf, of the files that hold expectations; "" if there are none.
func ExpectationsVersionOf(files []File) string {
	files = slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !IsExpectations(f.Name) })
	if len(files) == 0 {
		return ""
	}
	return version(sortedByName(files))
}

// ordered are the files that count, by name.
func ordered(files []File) []File {
	return sortedByName(slices.DeleteFunc(slices.Clone(files), func(f File) bool { return IsExpectations(f.Name) }))
}

func sortedByName(files []File) []File {
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

func version(files []File) string {
	sums := sha256.New()
	for _, f := range files {
		fmt.Fprintf(sums, "%x  %s\n", sha256.Sum256(f.Data), f.Name)
	}
	return hex.EncodeToString(sums.Sum(nil))
}

func build(version string, docs []document, env Env, b bound) *Policy {
	return &Policy{
		version: version, docs: docs, env: env, outbound: compile(b.rules), inbound: compile(b.accept),
		shows: newDecisions(version, b.rules), admits: newDecisions(version, b.accept),
		personal: b.personal, performed: b.performed, fields: gateway.Fields(), sensitive: sensitiveFields(env.Lists),
	}
}

// Days is the length of a retention such as P90D, to compare two of them; 0 of
// none.
func Days(retention string) int { return days(retention) }

// PartyOf is the party whose policy files say they are; "" if they do not say.
func PartyOf(files []File) gateway.OIN {
	for _, f := range ordered(files) {
		if d, _ := parse(f); d.party.value != "" {
			return gateway.OIN(d.party.value)
		}
	}
	return ""
}
