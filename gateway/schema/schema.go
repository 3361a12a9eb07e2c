// Package schema says whether bytes are a proper message, receipt, register or
// offer: strict JSON, then the JSON Schema, then what a schema cannot say, then
// the code lists. Use it wherever bytes come in from outside, before anything
// else looks at them, and on what goes out, before it is signed.
//
// The schemas and code lists themselves are data in the package schemas. Besides
// JSON Schema 2020-12 they use five annotations, which common.v1.json explains:
// x-class, x-codelist, x-shape, x-order and x-unique-by.
//
// What is wrong is said in Dutch and English, all of it together, and never by
// repeating a value or a name from the input.
package schema

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/schemas"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	base       = "https://doorstroom.example/schemas/"
	version    = ".v1"
	typePrefix = "nl.doorstroom."
)

// Validator holds the compiled schemas and the code lists. It is read-only after
// New and safe for concurrent use.
type Validator struct {
	lists     gateway.CodeLists
	codes     map[string]map[string]gateway.Code
	documents map[string]document
}

// document is one schema in three forms: compiled, which judges, as a tree of
// properties, which knows their annotations, and as a plan, which is quick.
type document struct {
	compiled *jsonschema.Schema
	root     *node
	plan     *plan // nil if glance cannot do this schema
}

// New is Load of the embedded schemas and code lists, which a process compiles once:
// a Validator never changes. It fails only when these do not fit together, which
// the tests of this package exclude.
func New() (*Validator, error) { return embedded() }

var embedded = sync.OnceValues(func() (*Validator, error) { return Load(schemas.FS()) })

// Load compiles every schema and loads every code list of fsys, which is laid
// out as schemas.FS. Tests of nodes of different age use it.
func Load(fsys fs.FS) (*Validator, error) {
	lists, err := gateway.LoadCodeLists(fsys)
	if err != nil {
		return nil, fmt.Errorf("load code lists: %w", err)
	}
	v := &Validator{lists: lists, codes: map[string]map[string]gateway.Code{}, documents: map[string]document{}}
	for name, list := range lists {
		v.codes[name] = map[string]gateway.Code{}
		for _, c := range list.Codes {
			v.codes[name][c.Code] = c
		}
	}
	if err := v.compile(fsys); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *Validator) compile(fsys fs.FS) error {
	files, err := fs.Glob(fsys, "*.json")
	if err != nil {
		return fmt.Errorf("find schemas: %w", err)
	}
	library := library{}
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return fmt.Errorf("read schema: %w", err)
		}
		value, bad := parse(data)
		if bad != nil {
			return fmt.Errorf("parse schema %s: %s", file, bad.English)
		}
		library[file], _ = value.(map[string]any)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(jsonschema.SchemeURLLoader{}) // nothing is ever fetched
	planner := planner{codes: v.codes, matches: map[string]*automaton{}}
	for _, file := range files {
		if _, ok := library[file]["type"]; !ok {
			continue // definitions for other schemas
		}
		doc, err := library.compile(compiler, file)
		if err != nil {
			return fmt.Errorf("compile schema %s: %w", file, err)
		}
		doc.plan = planner.plan(doc.root)
		v.documents[strings.TrimSuffix(file, version+".json")] = doc
	}
	return nil
}

func (l library) compile(compiler *jsonschema.Compiler, file string) (document, error) {
	whole, err := l.expand(file, l[file], 0)
	if err != nil {
		return document{}, err
	}
	root, err := newNode(whole)
	if err != nil {
		return document{}, err
	}
	if err := compiler.AddResource(base+file, whole); err != nil {
		return document{}, err
	}
	compiled, err := compiler.Compile(base + file)
	return document{compiled: compiled, root: root}, err
}

// Lists are the code lists. The caller does not change them.
func (v *Validator) Lists() gateway.CodeLists { return v.lists }

// Versions gives the version of each code list by its name, as a hello tells it.
func (v *Validator) Versions() map[string]string {
	versions := make(map[string]string, len(v.lists))
	for name, list := range v.lists {
		versions[name] = list.Version
	}
	return versions
}

// Kinds are the message kinds that a node can serve.
func (v *Validator) Kinds() []string {
	return slices.DeleteFunc(gateway.Kinds(), func(kind string) bool {
		return !v.judges(kind)
	})
}

// judges tells whether the schema of a message kind is here.
func (v *Validator) judges(kind string) bool {
	_, known := v.documents[kind]
	return known && slices.Contains(gateway.Kinds(), kind)
}

// Names are the schemas that Validate knows, in alphabetical order.
func (v *Validator) Names() []string { return slices.Sorted(maps.Keys(v.documents)) }

// Strict says whether b is one JSON value as RFC 7493 (I-JSON) has it: valid
// UTF-8, no name twice in an object, nothing behind it. Beyond that it is at most
// 32 levels deep and 250,000 values large, and its numbers lie within ±1e15 and
// are written in at most 24 characters without an exponent. The error is of kind
// Invalid and repeats nothing of b.
func (v *Validator) Strict(b []byte) error {
	if glanceAt(&plan{takes: anything}, b, "", nil) {
		return nil
	}
	if _, bad := parse(b); bad != nil {
		return bad.malformed()
	}
	return nil
}

// Validate judges b by the schema of that name ("capacity", "envelope", …),
// code lists apart: these depend on a day, see Message. The violations come in
// the order of their paths, at most 100 of them. If b is not strict JSON there is
// one violation and an error of kind Invalid; a schema that does not exist is
// NotFound.
func (v *Validator) Validate(name string, b []byte) ([]Violation, error) {
	doc, ok := v.documents[name]
	if !ok {
		return nil, gateway.Errorf(gateway.NotFound, "there is no such schema")
	}
	if glanceAt(doc.plan, b, "", nil) {
		return nil, nil
	}
	value, bad := parse(b)
	if bad != nil {
		return []Violation{*bad}, bad.malformed()
	}
	return v.judge(doc, value, ""), nil
}

// Message judges the data of a message of a kind on a day: its schema and its
// codes. The reason is empty when all is well, and otherwise ReasonType for a
// kind we do not know, ReasonMalformed for what is not strict JSON, ReasonCode
// when only codes are wrong, and ReasonSchema for all else.
func (v *Validator) Message(kind string, data []byte, day gateway.Date) (gateway.Reason, []Violation) {
	if !v.judges(kind) {
		return gateway.ReasonType, nil
	}
	if glanceAt(v.documents[kind].plan, data, day, nil) {
		return "", nil
	}
	value, bad := parse(data)
	if bad != nil {
		return gateway.ReasonMalformed, []Violation{*bad}
	}
	violations := v.judge(v.documents[kind], value, day)
	if len(violations) == 0 {
		return "", nil
	}
	if slices.ContainsFunc(violations, func(v Violation) bool { return !v.ofCode() }) {
		return gateway.ReasonSchema, violations
	}
	return gateway.ReasonCode, violations
}

// Envelope judges and reads the bytes of a message, but for its data, which is
// for Message. The reason is empty, ReasonMalformed or ReasonSchema. A type of a
// newer version than ours is in order here; its Kind carries the version
// ("capacity.v2"), and Message answers it with ReasonType.
//
// The Data of the message is a part of b.
func (v *Validator) Envelope(b []byte) (gateway.Message, gateway.Reason, []Violation) {
	if m, ok := v.event(b); ok {
		return m, "", nil
	}
	value, bad := parse(b)
	if bad != nil {
		return gateway.Message{}, gateway.ReasonMalformed, []Violation{*bad}
	}
	if violations := v.judge(v.documents["envelope"], value, ""); len(violations) > 0 {
		return gateway.Message{}, gateway.ReasonSchema, violations
	}
	event := value.(map[string]any)
	if event["dataschema"] != schemaOf(event["type"].(string)) {
		return gateway.Message{}, gateway.ReasonSchema, []Violation{mismatch()}
	}
	m, err := gateway.DecodeMessage(b)
	if err != nil {
		return gateway.Message{}, gateway.ReasonSchema, []Violation{undecodable(err)}
	}
	return m, "", nil
}

func schemaOf(typ string) string { return base + strings.TrimPrefix(typ, typePrefix) + ".json" }

// event reads a message that glance takes.
func (v *Validator) event(b []byte) (gateway.Message, bool) {
	var room [24][]byte
	p := v.documents["envelope"].plan
	if p == nil || len(p.members) > len(room) || !glanceAt(p, b, "", room[:]) {
		return gateway.Message{}, false
	}
	part := func(name string) string { return string(room[p.members[name].place]) }
	typ, dataSchema := part("type"), part("dataschema")
	if dataSchema != schemaOf(typ) {
		return gateway.Message{}, false
	}
	m, err := gateway.Event{
		ID: part("id"), Source: part("source"), Type: typ, Time: part("time"), DataSchema: dataSchema,
		Recipient: part("recipient"), Expires: part("expires"), Subject: part("subject"), Sequence: part("sequence"),
		Incarnation: part("incarnation"), Principal: part("principal"), TraceParent: part("traceparent"),
		Nonce: part("nonce"), Data: room[p.members["data"].place],
	}.Message()
	return m, err == nil
}

// Capacity reads of the data of a capacity, which Message found in order, whose
// offer it is and whether it is withdrawn. It is for those who need no more.
func Capacity(data []byte) (provider gateway.OIN, withdrawn bool) {
	g := glance{b: data}
	g.each(func(name []byte, text bool) {
		switch string(name) {
		case "provider":
			if text {
				provider = gateway.OIN(g.text)
			}
		case "withdrawn": // it can only be true
			withdrawn = true
		}
	})
	return provider, withdrawn
}

// Class is how sensitive a field of an offer is. A field that the schema does
// not have is taken for the worst.
func (v *Validator) Class(field gateway.Field) gateway.DataClass {
	name := string(field)
	if field == gateway.FieldAllotmentsAvailable {
		name = "allotments.places.available"
	}
	n := v.documents[gateway.KindCapacity].root
	for _, part := range strings.Split(name, ".") {
		if n.Items != nil {
			n = n.Items
		}
		next, ok := n.Properties[part]
		if !ok {
			return gateway.Bijzonder
		}
		n = next
	}
	return n.Class
}
