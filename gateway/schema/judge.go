package schema

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const maxViolations = 100

// judge gives all that is wrong with a value: what its schema says, what the
// schema's annotations say, and on a day (not "") the codes.
func (v *Validator) judge(doc document, value any, day gateway.Date) []Violation {
	c := checker{codes: v.codes, day: day}
	c.check(doc.root, value)
	found := c.found
	if !doc.root.fits(value) {
		found = append(found, doc.failures(value)...)
	}
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Code, b.Code), cmp.Compare(a.English, b.English))
	})
	found = slices.Compact(found)
	return found[:min(len(found), maxViolations)]
}

// failures is what jsonschema finds. It takes its time: fits goes before it.
func (d document) failures(value any) []Violation {
	err := d.compiled.Validate(value)
	if err == nil {
		return nil
	}
	failed, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		panic("jsonschema promises a ValidationError: " + err.Error())
	}
	return appendFailures(nil, d.root, failed)
}

// checker walks a value beside its schema for what JSON Schema cannot say. It
// passes over whatever has the wrong type: that is for the schema.
type checker struct {
	codes map[string]map[string]gateway.Code
	day   gateway.Date
	path  []string // known names, * and indexes
	found []Violation
}

func (c *checker) check(n *node, value any) {
	switch value := value.(type) {
	case map[string]any:
		c.object(n, value)
	case []any:
		c.array(n, value)
	case string:
		if n.List != "" && n.Enum == nil && c.day != "" {
			c.code(n.List, value)
		}
	case float64:
		if n.Type == "integer" && value == float64(int64(value)) {
			c.add("whole", "moet zonder cijfers achter de komma geschreven worden", "must be written without a fraction")
		}
	}
}

func (c *checker) object(n *node, members map[string]any) {
	for name, value := range members {
		child, known := n.child(name)
		if child == nil {
			continue
		}
		if !known {
			name = "*"
		}
		c.enter(name)
		c.check(child, value)
		c.leave()
	}
	for _, pair := range n.Order {
		if greater(members[pair[0]], members[pair[1]]) {
			c.enter(pair[0])
			c.add("order", "mag niet groter of later zijn dan "+pair[1], "must not be greater or later than "+pair[1])
			c.leave()
		}
	}
}

func (c *checker) array(n *node, items []any) {
	if n.Items == nil {
		return
	}
	for i, item := range items {
		c.enter(strconv.Itoa(i))
		c.check(n.Items, item)
		c.leave()
	}
	if n.UniqueBy != "" {
		c.unique(n.UniqueBy, items)
	}
}

func (c *checker) unique(name string, items []any) {
	seen := map[string]bool{}
	for i, item := range items {
		members, _ := item.(map[string]any)
		key, ok := members[name].(string)
		if ok && seen[key] {
			c.enter(strconv.Itoa(i))
			c.enter(name)
			c.add("repeated", "mag maar één keer voorkomen", "may occur only once")
			c.leave()
			c.leave()
		}
		seen[key] = seen[key] || ok
	}
}

func (c *checker) enter(token string) { c.path = append(c.path, token) }
func (c *checker) leave()             { c.path = c.path[:len(c.path)-1] }

func (c *checker) add(code, dutch, english string) {
	c.found = append(c.found, Violation{Path: pathOf(c.path), Code: code, Dutch: dutch, English: english})
}

// greater compares two whole numbers or two dates; anything else is in order.
func greater(a, b any) bool {
	switch a := a.(type) {
	case int64:
		b, ok := b.(int64)
		return ok && a > b
	case string:
		b, ok := b.(string)
		return ok && a > b
	}
	return false
}

func (c *checker) code(list, code string) {
	known, ok := c.codes[list][code]
	before := len(c.found)
	switch {
	case !ok:
		c.add(codeUnknown, "onbekende code in codelijst "+list, "unknown code in code list "+list)
	case !c.day.Within(known.ValidFrom, known.ValidUntil):
		c.add(codeExpired, "code "+code+" van codelijst "+list+" is niet geldig op "+string(c.day),
			"code "+code+" of code list "+list+" is not valid on "+string(c.day))
	}
	for i := range c.found[before:] {
		c.found[before+i].list = list
	}
}
