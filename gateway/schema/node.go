package schema

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-json-experiment/json"
)

// library holds the schemas by file name, as parsed.
type library map[string]map[string]any

// expand gives a copy of part of a schema in which every $ref is replaced by the
// definition it names. What stands beside the $ref replaces what the definition
// has; TestKeywordsBesideRef holds that it is never wider.
func (l library) expand(file string, part any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("references go round in circles")
	}
	switch part := part.(type) {
	case map[string]any:
		return l.expandObject(file, part, depth)
	case []any:
		items := make([]any, len(part))
		for i, item := range part {
			var err error
			if items[i], err = l.expand(file, item, depth+1); err != nil {
				return nil, err
			}
		}
		return items, nil
	default:
		return part, nil
	}
}

func (l library) expandObject(file string, part map[string]any, depth int) (any, error) {
	whole := map[string]any{}
	if ref, ok := part["$ref"].(string); ok {
		target, home, err := l.find(file, ref)
		if err != nil {
			return nil, err
		}
		expanded, err := l.expandObject(home, target, depth+1)
		if err != nil {
			return nil, err
		}
		whole = expanded.(map[string]any)
	}
	for name, value := range part {
		if name == "$ref" || name == "$defs" {
			continue
		}
		expanded, err := l.expand(file, value, depth+1)
		if err != nil {
			return nil, err
		}
		whole[name] = expanded
	}
	return whole, nil
}

// find gives the definition of "other.v1.json#/$defs/name" or "#/$defs/name",
// and the file it is in.
func (l library) find(file, ref string) (definition map[string]any, home string, err error) {
	home, name, _ := strings.Cut(ref, "#/$defs/")
	if home == "" {
		home = file
	}
	definitions, _ := l[home]["$defs"].(map[string]any)
	definition, ok := definitions[name].(map[string]any)
	if !ok {
		return nil, "", fmt.Errorf("reference to %s leads nowhere", ref)
	}
	return definition, home, nil
}

// node is an expanded schema as we read it ourselves: to say quickly whether a
// value fits (see fit.go), to know the names it has, and for its annotations.
type node struct {
	Type  string   `json:"type"`
	Enum  []string `json:"enum"`
	Const any      `json:"const"`

	Properties           map[string]*node `json:"properties"`
	PatternProperties    map[string]*node `json:"patternProperties"`
	AdditionalProperties *bool            `json:"additionalProperties"`
	PropertyNames        *node            `json:"propertyNames"`
	Required             []string         `json:"required"`
	MinProperties        int              `json:"minProperties"`
	MaxProperties        *int             `json:"maxProperties"`

	Items       *node `json:"items"`
	MinItems    int   `json:"minItems"`
	MaxItems    *int  `json:"maxItems"`
	UniqueItems bool  `json:"uniqueItems"`

	Pattern   *regexp.Regexp `json:"pattern"`
	Format    string         `json:"format"`
	MinLength int            `json:"minLength"`
	MaxLength *int           `json:"maxLength"`
	Minimum   *float64       `json:"minimum"`
	Maximum   *float64       `json:"maximum"`

	If               *node            `json:"if"`
	Then             *node            `json:"then"`
	Else             *node            `json:"else"`
	Not              *node            `json:"not"`
	DependentSchemas map[string]*node `json:"dependentSchemas"`

	Class    gateway.DataClass `json:"x-class"`
	List     string            `json:"x-codelist"`
	Shape    shape             `json:"x-shape"`
	Order    [][2]string       `json:"x-order"`
	UniqueBy string            `json:"x-unique-by"`

	Schema      string `json:"$schema"`
	ID          string `json:"$id"`
	Title       string `json:"title"`
	Description string `json:"description"`

	patterns []patternProperty // PatternProperties, compiled
}

type patternProperty struct {
	name *regexp.Regexp
	node *node
}

const (
	formatDate = "date"
	formatTime = "date-time"
)

// shape says in words what a pattern demands.
type shape struct {
	Dutch   string `json:"nl"`
	English string `json:"en"`
}

// newNode reads an expanded schema. A keyword that node does not have is an
// error, for fits would pass over it.
func newNode(expanded any) (*node, error) {
	data, err := json.Marshal(expanded)
	if err != nil {
		return nil, err
	}
	var n node
	if err := json.Unmarshal(data, &n, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	return &n, n.prepare()
}

// prepare compiles the patterns of names, and refuses what fits would judge
// otherwise than jsonschema does.
func (n *node) prepare() error {
	_, text := n.Const.(string)
	_, truth := n.Const.(bool)
	switch {
	case n.Format != "" && n.Format != formatDate && n.Format != formatTime:
		return fmt.Errorf("format %s is not known", n.Format)
	case n.Const != nil && !text && !truth:
		return errors.New("const must be a string or a boolean")
	case n.UniqueItems && (n.Items == nil || n.Items.Type != "string"):
		return errors.New("uniqueItems is for strings")
	}
	for pattern, child := range n.PatternProperties {
		name, err := regexp.Compile(pattern)
		if err != nil {
			return err
		}
		n.patterns = append(n.patterns, patternProperty{name, child})
	}
	for _, child := range n.children() {
		if err := child.prepare(); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) children() []*node {
	all := []*node{n.PropertyNames, n.Items, n.If, n.Then, n.Else, n.Not}
	for _, group := range []map[string]*node{n.Properties, n.PatternProperties, n.DependentSchemas} {
		all = slices.AppendSeq(all, maps.Values(group))
	}
	return slices.DeleteFunc(all, func(n *node) bool { return n == nil })
}

// child is the node of one token of a JSON pointer, nil where the schema knows
// nothing by that name; known tells whether the token may be repeated in a path.
func (n *node) child(token string) (child *node, known bool) {
	if n == nil {
		return nil, false
	}
	if n.Items != nil {
		return n.Items, true
	}
	if child, ok := n.Properties[token]; ok {
		return child, true
	}
	for _, child := range n.PatternProperties {
		return child, false
	}
	return nil, false
}

// locate finds the node of a location, and the location with every name that
// the schema does not have replaced by *.
func (n *node) locate(location []string) (*node, []string) {
	var path []string
	for _, token := range location {
		child, known := n.child(token)
		if !known {
			token = "*"
		}
		path = append(path, token)
		n = child
	}
	return n, path
}
