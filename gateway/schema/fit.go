package schema

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// fits gives the same judgement as jsonschema, for the keywords that our schemas
// use, in a fraction of the time: nearly every message fits, and needs no
// explanation of what is wrong. TestFitsAgrees and FuzzValidate hold the two
// against each other.
func (n *node) fits(value any) bool {
	if n.Const != nil && value != n.Const {
		return false
	}
	var ok bool
	switch value := value.(type) {
	case map[string]any:
		ok = n.is("object") && n.fitsObject(value)
	case []any:
		ok = n.is("array") && n.fitsArray(value)
	case string:
		ok = n.is("string") && n.fitsString(value)
	case int64:
		ok = (n.is("integer") || n.is("number")) && n.between(float64(value))
	case float64:
		ok = (n.is("number") || n.Type == "integer" && value == math.Trunc(value)) && n.between(value)
	case bool:
		ok = n.is("boolean")
	case nil:
		ok = n.is("null")
	}
	_, text := value.(string)
	return ok && (n.Enum == nil || text) && n.fitsConditions(value)
}

func (n *node) is(name string) bool { return n.Type == "" || n.Type == name }

func (n *node) fitsObject(members map[string]any) bool {
	if len(members) < n.MinProperties || n.MaxProperties != nil && len(members) > *n.MaxProperties {
		return false
	}
	for _, name := range n.Required {
		if _, ok := members[name]; !ok {
			return false
		}
	}
	for name, value := range members {
		if n.PropertyNames != nil && !n.PropertyNames.fits(name) {
			return false
		}
		if !n.fitsMember(name, value) {
			return false
		}
	}
	return true
}

func (n *node) fitsMember(name string, value any) bool {
	child, known := n.Properties[name]
	if known && !child.fits(value) {
		return false
	}
	for _, p := range n.patterns {
		if p.name.MatchString(name) {
			known = true
			if !p.node.fits(value) {
				return false
			}
		}
	}
	return known || n.AdditionalProperties == nil || *n.AdditionalProperties
}

func (n *node) fitsArray(items []any) bool {
	if len(items) < n.MinItems || n.MaxItems != nil && len(items) > *n.MaxItems {
		return false
	}
	for _, item := range items {
		if n.Items != nil && !n.Items.fits(item) {
			return false
		}
	}
	return !n.UniqueItems || distinct(items)
}

// distinct is for strings: supported sees to that.
func distinct(items []any) bool {
	seen := make(map[any]bool, len(items))
	for _, item := range items {
		if seen[item] {
			return false
		}
		seen[item] = true
	}
	return true
}

func (n *node) fitsString(s string) bool {
	if n.Enum != nil && !slices.Contains(n.Enum, s) {
		return false
	}
	if n.MinLength > 0 || n.MaxLength != nil {
		length := utf8.RuneCountInString(s)
		if length < n.MinLength || n.MaxLength != nil && length > *n.MaxLength {
			return false
		}
	}
	if n.Pattern != nil && !n.Pattern.MatchString(s) {
		return false
	}
	switch n.Format {
	case formatDate:
		_, err := time.Parse(time.DateOnly, s)
		return err == nil
	case formatTime:
		_, err := time.Parse(time.RFC3339, s)
		return err == nil
	}
	return true
}

func (n *node) between(f float64) bool {
	return (n.Minimum == nil || f >= *n.Minimum) && (n.Maximum == nil || f <= *n.Maximum)
}

func (n *node) fitsConditions(value any) bool {
	if n.Not != nil && n.Not.fits(value) {
		return false
	}
	if members, ok := value.(map[string]any); ok {
		for name, dependent := range n.DependentSchemas {
			if _, ok := members[name]; ok && !dependent.fits(value) {
				return false
			}
		}
	}
	if n.If == nil {
		return true
	}
	branch := n.Else
	if n.If.fits(value) {
		branch = n.Then
	}
	return branch == nil || branch.fits(value)
}
