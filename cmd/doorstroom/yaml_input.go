package main

import (
	"encoding/json"
	"errors"

	strict "github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/gateway"
)

// readInput reads a YAML or JSON file that somebody wrote by hand into a value of
// the local API. What it does not know it refuses, by line and without repeating
// a value.
func readInput(path string, into any) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		line := 1
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			line = max(1, e.Mark.Line)
		}
		return gateway.Errorf(gateway.Invalid, "%s:%d: this is not YAML", path, line)
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode {
		root = doc.Content[0]
	}
	value, err := plainInput(path, root)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, path+" cannot be read")
	}
	if err := strict.Unmarshal(raw, into, strict.RejectUnknownMembers(true)); err != nil {
		where := ""
		if e, ok := errors.AsType[*strict.SemanticError](err); ok {
			where = string(e.JSONPointer)
		}
		return gateway.Wrap(gateway.Invalid, err, path+": "+where+": this key is not known here, or its value is of another kind; see doorstroom referrals refer --help")
	}
	return nil
}

// plainInput is a node as JSON has it; a date stays as it is written.
func plainInput(path string, n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return nil, gateway.Errorf(gateway.Invalid, "%s:%d: write the value itself: anchors and aliases are not read", path, n.Line)
	}
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			value, err := plainInput(path, item)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.MappingNode:
		return plainMapping(path, n)
	}
	switch n.ShortTag() {
	case "!!int":
		return json.Number(n.Value), nil
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE", nil
	case "!!null":
		return nil, gateway.Errorf(gateway.Invalid, "%s:%d: leave out what you do not want to say", path, n.Line)
	}
	return n.Value, nil
}

func plainMapping(path string, n *yaml.Node) (any, error) {
	fields := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if gateway.MeansAttachment(name.Value) {
			return nil, gateway.Errorf(gateway.Invalid, "%s:%d: %s", path, name.Line, gateway.NoAttachments)
		}
		if _, twice := fields[name.Value]; twice {
			return nil, gateway.Errorf(gateway.Invalid, "%s:%d: a key stands here twice", path, name.Line)
		}
		value, err := plainInput(path, n.Content[i+1])
		if err != nil {
			return nil, err
		}
		fields[name.Value] = value
	}
	return fields, nil
}
