package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/gateway"
)

// decoder fills a Config from a YAML tree and remembers where each key stands,
// so that later checks can name the line too. It does not use the library's own
// decoding into structs: that stops at some errors and speaks of Go types.
type decoder struct {
	lines    map[string]int // by key, such as limits.connections or callers[0].roles
	problems []problem
	broken   bool // not even a tree: further checks would only confuse
}

func decode(data []byte, into *Config) *decoder {
	d := &decoder{lines: map[string]int{}}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		d.broken = true
		line, text := 1, "this is not YAML"
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			line, text = max(1, e.Mark.Line), "this is not YAML: "+e.Message
		}
		d.fail(line, "", "%s", text)
		return d
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode {
		root = doc.Content[0]
	}
	d.value("", root, reflect.ValueOf(into).Elem())
	return d
}

func (d *decoder) fail(line int, key, format string, args ...any) {
	d.problems = append(d.problems, problem{line, key, fmt.Sprintf(format, args...)})
}

// failAt reports a key by where it stands, or its nearest parent where the file
// leaves it out.
func (d *decoder) failAt(key, format string, args ...any) {
	at := key
	for d.lines[at] == 0 && at != "" {
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
	d.fail(max(1, d.lines[at]), key, format, args...)
}

func (d *decoder) err(path string) error { return problemsError(path, d.problems) }

func (d *decoder) value(key string, n *yaml.Node, v reflect.Value) {
	d.lines[key] = n.Line
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(n.Line, key, "write the value itself: anchors (&) and aliases (*) are not read")
		return
	}
	switch v.Interface().(type) {
	case time.Duration:
		d.duration(key, n, v)
		return
	case Bytes:
		d.bytes(key, n, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(key, n, v)
	case reflect.Slice:
		d.sequence(key, n, v)
	case reflect.Int:
		d.integer(key, n, v)
	default:
		if text, ok := d.scalar(key, n, "a text"); ok {
			v.SetString(text)
		}
	}
}

func (d *decoder) mapping(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n.Line, key, "expected keys with values below each other, each as key: value")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		child := strings.TrimPrefix(key+"."+name.Value, ".")
		field, known := fieldOf(v, name.Value)
		switch {
		case seen[name.Value]:
			d.fail(name.Line, child, "this key stands here twice; keep one")
		case !known:
			d.fail(name.Line, child, "unknown key; here can stand: %s", strings.Join(keysOf(v.Type()), ", "))
		default:
			d.value(child, value, field)
			d.lines[child] = name.Line
		}
		seen[name.Value] = true
	}
}

func (d *decoder) sequence(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n.Line, key, "expected a list, such as [a, b], or [] for none")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", key, i), item, list.Index(i))
	}
	if len(n.Content) == 0 {
		list = reflect.Zero(v.Type()) // [] is the same as leaving the key out
	}
	v.Set(list)
}

// scalar gives the text as it is written: an OIN must not become a number.
func (d *decoder) scalar(key string, n *yaml.Node, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		d.fail(n.Line, key, "expected %s; leave the key out to have its default", want)
		return "", false
	}
	return n.Value, true
}

func (d *decoder) integer(key string, n *yaml.Node, v reflect.Value) {
	const want = "a whole number, such as 100"
	text, ok := d.scalar(key, n, want)
	if !ok {
		return
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		d.fail(n.Line, key, "expected %s", want)
		return
	}
	v.SetInt(int64(number))
}

func (d *decoder) duration(key string, n *yaml.Node, v reflect.Value) {
	const want = "a length of time, such as 30s, 5m or 1h"
	text, ok := d.scalar(key, n, want)
	if !ok {
		return
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		d.fail(n.Line, key, "expected %s", want)
		return
	}
	v.SetInt(int64(length))
}

func (d *decoder) bytes(key string, n *yaml.Node, v reflect.Value) {
	const want = "a size, such as 500kB, 1MB or 4GB"
	text, ok := d.scalar(key, n, want)
	if !ok {
		return
	}
	size, err := ParseBytes(text)
	if err != nil {
		d.fail(n.Line, key, "expected %s", want)
		return
	}
	v.SetInt(int64(size))
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	i := slices.Index(keysOf(v.Type()), key)
	if i < 0 {
		return reflect.Value{}, false
	}
	return v.Field(i), true
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("yaml"))
	}
	return keys
}

// Bytes is a size, written with a decimal unit: 1MB is 1,000,000 bytes.
type Bytes int64

// ParseBytes reads a whole number with the unit B, kB, MB or GB.
func ParseBytes(s string) (Bytes, error) {
	for _, unit := range []struct {
		name string
		size int64
	}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 32)
		if err != nil {
			break
		}
		return Bytes(int64(n) * unit.size), nil
	}
	return 0, gateway.Errorf(gateway.Invalid, "a size is written as a whole number with kB, MB or GB")
}
