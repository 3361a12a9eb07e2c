package schema

import (
	"fmt"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Violation is one thing that is wrong. Path is a JSON pointer (RFC 6901) into
// the input, in which a name that the schema does not have is *. Code is stable,
// for programs. Nothing in it repeats the input, but for a code of a code list
// that is known and not valid.
type Violation struct {
	Path    string `json:"path"`
	Code    string `json:"code"`
	Dutch   string `json:"dutch"`
	English string `json:"english"`

	list string // of the code that is wrong
}

// List is the code list in which a code is unknown or not valid; "" for what is
// wrong otherwise.
func (v Violation) List() string { return v.list }

func (v Violation) String() string { return v.Path + ": " + v.English }

const (
	codeUnknown = "code-unknown"
	codeExpired = "code-expired"
)

func (v Violation) ofCode() bool { return v.Code == codeUnknown || v.Code == codeExpired }

func (v Violation) malformed() error {
	return gateway.Errorf(gateway.Invalid, "the input is not strict JSON: %s", v.English)
}

func mismatch() Violation {
	return Violation{Path: "/dataschema", Code: "mismatch", Dutch: "hoort niet bij het berichttype", English: "does not belong to the message type"}
}

func undecodable(err error) Violation {
	return Violation{Code: "event", Dutch: "is geen bericht", English: gateway.SafeMessage(err)}
}

// pathOf writes a JSON pointer. The names of our schemas need no escaping.
func pathOf(tokens []string) string {
	if len(tokens) == 0 {
		return ""
	}
	return "/" + strings.Join(tokens, "/")
}

// appendFailures renders the leaves of what jsonschema found.
func appendFailures(found []Violation, root *node, e *jsonschema.ValidationError) []Violation {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			found = appendFailures(found, root, cause)
		}
		return found
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, at(root, e, name, "required", "ontbreekt", "is missing"))
		}
		return found
	case *kind.AdditionalProperties:
		return append(found, unknownNames(root, e, k.Properties)...)
	case *kind.PropertyNames:
		return append(found, at(root, e, k.Property, "not-allowed", "mag hier niet staan", "must not be here"))
	}
	n, path := root.locate(e.InstanceLocation)
	code, dutch, english := render(n, e.ErrorKind)
	return append(found, Violation{Path: pathOf(path), Code: code, Dutch: dutch, English: english})
}

// at makes a violation of a member of the object in which e was found.
func at(root *node, e *jsonschema.ValidationError, name, code, dutch, english string) Violation {
	_, path := root.locate(append(e.InstanceLocation[:len(e.InstanceLocation):len(e.InstanceLocation)], name))
	return Violation{Path: pathOf(path), Code: code, Dutch: dutch, English: english}
}

// unknownNames speaks of one violation for all unknown names of an object, and
// of one for each that is a known name in other capitals: a reader that does not
// mind capitals would take it for that property.
func unknownNames(root *node, e *jsonschema.ValidationError, names []string) []Violation {
	var found []Violation
	n, path := root.locate(e.InstanceLocation)
	unknown := 0
	for _, name := range names {
		known, ok := folded(n, name)
		if !ok {
			unknown++
			continue
		}
		found = append(found, Violation{Path: pathOf(path) + "/" + known, Code: "name-case",
			Dutch: "de naam van dit veld is met andere hoofdletters geschreven", English: "the name of this property is written in other capitals"})
	}
	if unknown > 0 {
		found = append(found, Violation{Path: pathOf(path) + "/*", Code: "unknown",
			Dutch: fmt.Sprintf("%d onbekende velden", unknown), English: fmt.Sprintf("%d unknown properties", unknown)})
	}
	return found
}

func folded(n *node, name string) (string, bool) {
	if n == nil {
		return "", false
	}
	for known := range n.Properties {
		if strings.EqualFold(known, name) {
			return known, true
		}
	}
	return "", false
}

// render puts one failure in words. It shows what the schema wants, never what
// the input has.
func render(n *node, failure jsonschema.ErrorKind) (code, dutch, english string) {
	switch k := failure.(type) {
	case *kind.Type:
		return "type", "moet " + types(k.Want, dutchType) + " zijn", "must be " + types(k.Want, englishType)
	case *kind.Const:
		return "const", fmt.Sprintf("moet %v zijn", k.Want), fmt.Sprintf("must be %v", k.Want)
	case *kind.Enum:
		return "enum", "moet een van deze waarden zijn: " + values(k.Want), "must be one of: " + values(k.Want)
	case *kind.Pattern, *kind.Format:
		if n == nil || n.Shape.Dutch == "" {
			return "form", "heeft niet de juiste vorm", "does not have the right form"
		}
		return "form", "moet zijn: " + n.Shape.Dutch, "must be " + n.Shape.English
	case *kind.MinLength:
		return "min-length", fmt.Sprintf("moet ten minste %d tekens lang zijn", k.Want), fmt.Sprintf("must be at least %d characters long", k.Want)
	case *kind.MaxLength:
		return "max-length", fmt.Sprintf("mag ten hoogste %d tekens lang zijn", k.Want), fmt.Sprintf("must be at most %d characters long", k.Want)
	case *kind.MinItems:
		return "min-items", fmt.Sprintf("moet ten minste %d onderdelen hebben", k.Want), fmt.Sprintf("must have at least %d items", k.Want)
	case *kind.MaxItems:
		return "max-items", fmt.Sprintf("mag ten hoogste %d onderdelen hebben", k.Want), fmt.Sprintf("must have at most %d items", k.Want)
	case *kind.MinProperties:
		return "min-properties", fmt.Sprintf("moet ten minste %d velden hebben", k.Want), fmt.Sprintf("must have at least %d properties", k.Want)
	case *kind.MaxProperties:
		return "max-properties", fmt.Sprintf("mag ten hoogste %d velden hebben", k.Want), fmt.Sprintf("must have at most %d properties", k.Want)
	case *kind.Minimum:
		return "minimum", "moet ten minste " + k.Want.RatString() + " zijn", "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		return "maximum", "mag ten hoogste " + k.Want.RatString() + " zijn", "must be at most " + k.Want.RatString()
	case *kind.UniqueItems:
		return "unique", "mag niets dubbel noemen", "must not name anything twice"
	case *kind.FalseSchema, *kind.Not:
		return "not-allowed", "mag hier niet staan", "must not be here"
	default:
		return "schema", "voldoet niet aan het schema", "does not fit the schema"
	}
}

func types(names []string, name func(string) string) string {
	var words []string
	for _, n := range names {
		words = append(words, name(n))
	}
	return strings.Join(words, " / ")
}

func dutchType(name string) string {
	switch name {
	case "object":
		return "een object"
	case "array":
		return "een lijst"
	case "string":
		return "een tekst"
	case "integer":
		return "een geheel getal"
	case "number":
		return "een getal"
	case "boolean":
		return "waar of onwaar"
	default:
		return "leeg (null)"
	}
}

func englishType(name string) string {
	switch name {
	case "object", "array", "integer":
		return "an " + name
	case "null":
		return name
	default:
		return "a " + name
	}
}

func values(want []any) string {
	var words []string
	for _, w := range want {
		words = append(words, fmt.Sprint(w))
	}
	return strings.Join(words, ", ")
}
