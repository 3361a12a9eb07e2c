package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var errThirdJSON = errors.New("not JSON of one meaning")

// thirdParse reads JSON as the protocol has it: see its introduction. Numbers
// come out as json.Number.
func thirdParse(b []byte) (any, error) {
	if !utf8.Valid(b) || !json.Valid(b) || thirdLoneSurrogate(b) {
		return nil, errThirdJSON
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return thirdValue(dec, 1)
}

func thirdValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Number:
		if f, err := token.Float64(); err != nil || len(token) > 24 || strings.ContainsAny(token.String(), "eE") || math.Abs(f) > 1e15 {
			return nil, errThirdJSON
		}
		return token, nil
	case json.Delim:
		if depth > 32 {
			return nil, errThirdJSON
		}
		object, list := map[string]any{}, []any{}
		for dec.More() {
			name := ""
			if token == '{' {
				key, err := dec.Token()
				if err != nil {
					return nil, err
				}
				name = key.(string)
			}
			value, err := thirdValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if _, twice := object[name]; twice && token == '{' {
				return nil, errThirdJSON
			}
			object[name], list = value, append(list, value)
		}
		if _, err := dec.Token(); err != nil {
			return nil, err
		}
		if token == '{' {
			return object, nil
		}
		return list, nil
	default:
		return token, nil
	}
}

// thirdLoneSurrogate finds an escape that is half of a pair; encoding/json would
// put another character in its place.
func thirdLoneSurrogate(b []byte) bool {
	unit := func(i int) (uint64, bool) {
		if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(b[i+2:i+6]), 16, 16)
		return n & 0xfc00, err == nil
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if first, ok := unit(i); ok && first == 0xdc00 {
			return true
		} else if ok && first == 0xd800 {
			if second, ok := unit(i + 6); !ok || second != 0xdc00 {
				return true
			}
			i += 10
		}
		i++
	}
	return false
}

// thirdSchemas are the files of schemas/ and schemas/codelists/ by their names,
// and the patterns in them. They do not change.
type thirdSchemas struct {
	files    map[string]map[string]any
	patterns map[string]*regexp.Regexp
}

func thirdReadSchemas(dir string) (thirdSchemas, error) {
	s := thirdSchemas{files: map[string]map[string]any{}, patterns: map[string]*regexp.Regexp{}}
	for _, pattern := range []string{"*.json", "codelists/*.json"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return s, err
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return s, err
			}
			value, err := thirdParse(data)
			if err != nil {
				return s, err
			}
			s.files[filepath.Base(file)] = value.(map[string]any)
			s.compile(value)
		}
	}
	return s, nil
}

// compile finds the patterns in part of a schema.
func (s thirdSchemas) compile(part any) {
	switch part := part.(type) {
	case map[string]any:
		for name, value := range part {
			if pattern, ok := value.(string); ok && name == "pattern" {
				s.patterns[pattern] = regexp.MustCompile(pattern)
			}
			if properties, ok := value.(map[string]any); ok && name == "patternProperties" {
				for pattern := range properties {
					s.patterns[pattern] = regexp.MustCompile(pattern)
				}
			}
			s.compile(value)
		}
	case []any:
		for _, value := range part {
			s.compile(value)
		}
	}
}

// codeLists are the versions that a hello tells.
func (s thirdSchemas) codeLists() map[string]string {
	versions := map[string]string{}
	for _, file := range s.files {
		if _, ok := file["codes"]; ok {
			versions[file["name"].(string)] = file["version"].(string)
		}
	}
	return versions
}

// judge says what is wrong with b by a schema: "malformed", "schema", "code" or
// nothing. Codes are judged by a day, if one is given.
func (s thirdSchemas) judge(file string, b []byte, day string) string {
	value, err := thirdParse(b)
	if err != nil {
		return "malformed"
	}
	j := thirdJudge{schemas: s, day: day}
	j.check(file, s.files[file], value)
	switch {
	case j.shape:
		return "schema"
	case j.code:
		return "code"
	}
	return ""
}

// thirdJudge holds a value against a schema.
type thirdJudge struct {
	schemas     thirdSchemas
	day         string
	shape, code bool // what is wrong
}

func (j *thirdJudge) fits(file string, schema map[string]any, value any) bool {
	other := thirdJudge{schemas: j.schemas}
	other.check(file, schema, value)
	return !other.shape
}

func (j *thirdJudge) must(ok bool) { j.shape = j.shape || !ok }

func (j *thirdJudge) check(file string, schema map[string]any, value any) {
	if ref, ok := schema["$ref"].(string); ok {
		home, name, _ := strings.Cut(ref, "#/$defs/")
		if home == "" {
			home = file
		}
		j.check(home, j.schemas.files[home]["$defs"].(map[string]any)[name].(map[string]any), value)
	}
	for keyword, rule := range schema {
		j.keyword(file, schema, keyword, rule, value)
	}
	switch value := value.(type) {
	case map[string]any:
		j.object(file, schema, value)
	case []any:
		j.list(file, schema, value)
	case string:
		j.text(schema, value)
	}
}

func (j *thirdJudge) keyword(file string, schema map[string]any, keyword string, rule, value any) {
	switch keyword {
	case "type":
		j.must(thirdIs(rule.(string), value))
	case "const":
		j.must(rule == value)
	case "enum":
		j.must(slices.Contains(rule.([]any), value))
	case "not":
		j.must(!j.fits(file, rule.(map[string]any), value))
	case "if":
		branch := "else"
		if j.fits(file, rule.(map[string]any), value) {
			branch = "then"
		}
		if next, ok := schema[branch].(map[string]any); ok {
			j.check(file, next, value)
		}
	case "minimum", "maximum":
		n, ok := value.(json.Number)
		low, high := rule, any(n)
		if keyword == "maximum" {
			low, high = high, low
		}
		j.must(!ok || thirdNumber(low) <= thirdNumber(high))
	}
}

func thirdNumber(v any) float64 {
	f, err := v.(json.Number).Float64()
	if err != nil {
		panic("a number that was parsed: " + err.Error())
	}
	return f
}

func thirdIs(name string, value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case json.Number:
		return name == "number" || name == "integer" && !strings.Contains(value.String(), ".")
	}
	return name == "null"
}

// thirdBound is a keyword whose value is a number.
func thirdBound(schema map[string]any, keyword string, otherwise int) int {
	if n, ok := schema[keyword]; ok {
		return int(thirdNumber(n))
	}
	return otherwise
}

func (j *thirdJudge) object(file string, schema map[string]any, object map[string]any) {
	j.must(len(object) >= thirdBound(schema, "minProperties", 0) && len(object) <= thirdBound(schema, "maxProperties", len(object)))
	required, _ := schema["required"].([]any)
	for _, name := range required {
		_, ok := object[name.(string)]
		j.must(ok)
	}
	properties, _ := schema["properties"].(map[string]any)
	patterns, _ := schema["patternProperties"].(map[string]any)
	dependent, _ := schema["dependentSchemas"].(map[string]any)
	for name, value := range object {
		property, known := properties[name]
		if known {
			j.check(file, property.(map[string]any), value)
		}
		for pattern, property := range patterns {
			if j.schemas.patterns[pattern].MatchString(name) {
				known = true
				j.check(file, property.(map[string]any), value)
			}
		}
		j.must(known || schema["additionalProperties"] != false)
		if names, ok := schema["propertyNames"].(map[string]any); ok {
			j.check(file, names, name)
		}
		if more, ok := dependent[name].(map[string]any); ok {
			j.check(file, more, object)
		}
	}
	order, _ := schema["x-order"].([]any)
	for _, pair := range order {
		a, b := object[pair.([]any)[0].(string)], object[pair.([]any)[1].(string)]
		if reflect.TypeOf(a) != reflect.TypeOf(b) {
			continue
		}
		switch a := a.(type) {
		case string:
			j.must(a <= b.(string))
		case json.Number:
			j.must(thirdNumber(a) <= thirdNumber(b))
		}
	}
}

func (j *thirdJudge) list(file string, schema map[string]any, list []any) {
	j.must(len(list) >= thirdBound(schema, "minItems", 0) && len(list) <= thirdBound(schema, "maxItems", len(list)))
	by, _ := schema["x-unique-by"].(string)
	var seen []any
	for _, item := range list {
		if items, ok := schema["items"].(map[string]any); ok {
			j.check(file, items, item)
		}
		key := item
		if object, ok := item.(map[string]any); ok && by != "" {
			key = object[by]
		}
		if by != "" || schema["uniqueItems"] == true {
			j.must(!slices.ContainsFunc(seen, func(v any) bool { return reflect.DeepEqual(v, key) }))
			seen = append(seen, key)
		}
	}
}

func (j *thirdJudge) text(schema map[string]any, text string) {
	length := utf8.RuneCountInString(text)
	j.must(length >= thirdBound(schema, "minLength", 0) && length <= thirdBound(schema, "maxLength", length))
	if pattern, ok := schema["pattern"].(string); ok {
		j.must(j.schemas.patterns[pattern].MatchString(text))
	}
	layout := map[any]string{"date": time.DateOnly, "date-time": time.RFC3339}[schema["format"]]
	if layout != "" {
		_, err := time.Parse(layout, text)
		j.must(err == nil)
	}
	if list, ok := schema["x-codelist"].(string); ok && j.day != "" {
		j.code = j.code || !j.schemas.valid(list, text, j.day)
	}
}

// valid tells whether a code is in its list on a day.
func (s thirdSchemas) valid(list, code, day string) bool {
	for _, c := range s.files[list+".json"]["codes"].([]any) {
		c := c.(map[string]any)
		from, _ := c["validFrom"].(string)
		until, _ := c["validUntil"].(string)
		if c["code"] == code {
			return from <= day && (until == "" || day <= until)
		}
	}
	return false
}
