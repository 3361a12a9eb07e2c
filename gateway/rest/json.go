package rest

import (
	stdjson "encoding/json"
	"errors"
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorstroom/doorstroom/gateway"
)

// decodeJSON reads JSON as one party can mean it and another cannot read it
// differently: no key twice, none in another case, none unknown, valid UTF-8
// (I-JSON, RFC 7493). The errors say where, and repeat nothing.
func decodeJSON(data []byte, into any) error {
	err := json.Unmarshal(data, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	// A semantic error can carry a syntactic cause; the cause tells more.
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(e, jsontext.ErrDuplicateName) {
			return invalidAt(e.ByteOffset, "a key stands twice in one object")
		}
		return invalidAt(e.ByteOffset, "this is not JSON in UTF-8")
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			if gateway.MeansAttachment(e.JSONPointer.LastToken()) {
				return invalidAt(e.ByteOffset, gateway.NoAttachments)
			}
			return invalidAt(e.ByteOffset, "unknown key; keys are read exactly as the API describes them")
		}
		return invalidAt(e.ByteOffset, "a value has another type than the API describes")
	}
	return gateway.Errorf(gateway.Invalid, "the JSON does not fit the description of the API")
}

// invalidAt leaves out the cause: it quotes the input, and the log keeps nothing
// of that either.
func invalidAt(offset int64, text string) error {
	return gateway.Errorf(gateway.Invalid, "byte %d of the body: %s", offset, text)
}

// strictFormat is the only format of our APIs. Bodies of requests do not come
// here, but no way around decodeJSON may exist.
func strictFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			enc := stdjson.NewEncoder(w)
			enc.SetEscapeHTML(false)
			return enc.Encode(v)
		},
		Unmarshal: decodeJSON,
	}
}
