package schema

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDepth       = 32
	maxValues      = 250_000 // a few bytes of input can cost a hundred of memory
	maxNumber      = 1e15    // every whole number below it is exact in a float64
	maxNumberChars = 24
)

// parse reads one strict JSON value in a single pass. Whole numbers come out as
// int64, others as float64; the rest is as encoding/json gives it.
func parse(b []byte) (any, *Violation) {
	// A bytes.Buffer is read in place, without a copy of the input.
	p := parser{dec: jsontext.NewDecoder(bytes.NewBuffer(b))}
	value, err := p.value(1)
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, p.describe(err, b)
	}
	return value, nil
}

var (
	errDepth    = errors.New("too deep")
	errNumber   = errors.New("number out of bounds")
	errValues   = errors.New("too many values")
	errTrailing = errors.New("data behind the value")
)

type parser struct {
	dec    *jsontext.Decoder
	values int
}

func (p *parser) value(depth int) (any, error) {
	if p.values++; p.values > maxValues {
		return nil, errValues
	}
	kind := p.dec.PeekKind()
	if kind == '0' {
		return p.number()
	}
	token, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth && (kind == '{' || kind == '[') {
		return nil, errDepth
	}
	switch kind {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return token.String(), nil
	case 't', 'f':
		return kind == 't', nil
	default:
		return nil, nil // null: all else is an error of ReadToken
	}
}

func (p *parser) object(depth int) (any, error) {
	members := map[string]any{}
	for p.dec.PeekKind() != '}' {
		name, err := p.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String() // before the next read makes the token invalid
		if members[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.ReadToken()
	return members, err
}

func (p *parser) array(depth int) (any, error) {
	items := []any{}
	for p.dec.PeekKind() != ']' {
		item, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := p.dec.ReadToken()
	return items, err
}

// number refuses exponents altogether: nothing here needs them, and 1e10000000
// would make the arithmetic of a schema take minutes.
func (p *parser) number() (any, error) {
	raw, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if len(raw) > maxNumberChars || bytes.ContainsAny(raw, "eE") {
		return nil, errNumber
	}
	if !bytes.ContainsRune(raw, '.') {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n > maxNumber || n < -maxNumber {
			return nil, errNumber
		}
		return n, nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f > maxNumber || f < -maxNumber {
		return nil, errNumber
	}
	return f, nil
}

func (p *parser) end() error {
	switch _, err := p.dec.ReadToken(); err {
	case io.EOF:
		return nil
	default:
		return errTrailing
	}
}

// describe says what is wrong and at which byte, but not with what.
func (p *parser) describe(err error, b []byte) *Violation {
	at := p.dec.InputOffset()
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = syntax.ByteOffset
	}
	v := Violation{}
	switch {
	case errors.Is(err, errDepth):
		v = Violation{Code: "json-depth", Dutch: "meer dan 32 niveaus diep", English: "nested deeper than 32 levels"}
	case errors.Is(err, errNumber):
		v = Violation{Code: "json-number", Dutch: "een getal is te groot, te lang of met een exponent geschreven", English: "a number is too large, too long or written with an exponent"}
	case errors.Is(err, errValues):
		v = Violation{Code: "json-size", Dutch: "meer dan 250.000 waarden", English: "more than 250,000 values"}
	case errors.Is(err, errTrailing):
		v = Violation{Code: "json-trailing", Dutch: "er staat nog iets achter de JSON", English: "there is something behind the JSON value"}
	case errors.Is(err, jsontext.ErrDuplicateName):
		v = Violation{Code: "json-duplicate", Dutch: "een veld staat er twee keer", English: "a property occurs twice"}
	case !utf8.Valid(b):
		v = Violation{Code: "json-utf8", Dutch: "geen geldige UTF-8", English: "not valid UTF-8"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		v = Violation{Code: "json-syntax", Dutch: "de JSON houdt te vroeg op", English: "the JSON ends too early"}
	default:
		v = Violation{Code: "json-syntax", Dutch: "geen geldige JSON", English: "not valid JSON"}
	}
	position := strconv.FormatInt(at, 10)
	v.Dutch += " (byte " + position + ")"
	v.English += " (byte " + position + ")"
	return &v
}
