package schema

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/go-json-experiment/json"
)

// node is what we use of one schema besides judging: the names it knows, and
// the annotations. After resolve a node has no $ref.
type node struct {
	Ref               string           `json:"$ref"`
	Type              string           `json:"type"`
	Properties        map[string]*node `json:"properties"`
	PatternProperties map[string]*node `json:"patternProperties"`
	Items             *node            `json:"items"`
	Defs              map[string]*node `json:"$defs"`

	Class    gateway.DataClass `json:"x-class"`
	List     string            `json:"x-codelist"`
	Shape    shape             `json:"x-shape"`
	Order    [][2]string       `json:"x-order"`
	UniqueBy string            `json:"x-unique-by"`
}

// shape says in words what a pattern demands.
type shape struct {
	Dutch   string `json:"nl"`
	English string `json:"en"`
}

// forest holds the schemas by file name, as read.
type forest map[string]*node

func (f forest) add(file string, data []byte) error {
	var n node
	if err := json.Unmarshal(data, &n); err != nil {
		return err
	}
	f[file] = &n
	return nil
}

// resolve gives a copy of n in which each $ref is replaced by what it refers to,
// with the annotations beside the $ref on top.
func (f forest) resolve(file string, n *node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("references go round in circles")
	}
	whole := *n
	whole.Defs = nil
	if n.Ref != "" {
		target, home, err := f.target(file, n.Ref)
		if err != nil {
			return nil, err
		}
		if target, err = f.resolve(home, target, depth+1); err != nil {
			return nil, err
		}
		whole = target.under(n)
	}
	var err error
	if whole.Properties, err = f.resolveAll(file, whole.Properties, depth); err != nil {
		return nil, err
	}
	if whole.PatternProperties, err = f.resolveAll(file, whole.PatternProperties, depth); err != nil {
		return nil, err
	}
	if whole.Items != nil {
		if whole.Items, err = f.resolve(file, whole.Items, depth+1); err != nil {
			return nil, err
		}
	}
	return &whole, nil
}

func (f forest) resolveAll(file string, nodes map[string]*node, depth int) (map[string]*node, error) {
	nodes = maps.Clone(nodes)
	for name, n := range nodes {
		resolved, err := f.resolve(file, n, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		nodes[name] = resolved
	}
	return nodes, nil
}

// target finds "other.v1.json#/$defs/name" or "#/$defs/name".
func (f forest) target(file, ref string) (n *node, home string, err error) {
	home, name, ok := strings.Cut(ref, "#/$defs/")
	if home == "" {
		home = file
	}
	if ok && f[home] != nil && f[home].Defs[name] != nil {
		return f[home].Defs[name], home, nil
	}
	return nil, "", fmt.Errorf("reference to %s leads nowhere", ref)
}

// under is n with the annotations of the schema that refers to it.
func (n *node) under(referrer *node) node {
	whole := *n
	if referrer.Class != "" {
		whole.Class = referrer.Class
	}
	if referrer.List != "" {
		whole.List = referrer.List
	}
	return whole
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
