package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// api is one huma API without huma's package variables: those are for the whole
// process, and five nodes may live in one. Handlers return Problems, bodies are
// decoded here, and the OpenAPI document is corrected where a variable would
// have been set.
type api struct {
	huma.API
	log *slog.Logger
}

// newAPI makes an API on mux. The title, description and security of the
// document are the caller's.
func newAPI(mux *http.ServeMux, log *slog.Logger, doc *huma.OpenAPI) api {
	doc.OpenAPI = "3.1.0"
	doc.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	return api{humago.New(mux, huma.Config{
		OpenAPI: doc,
		// The key json is for every type that ends in +json.
		Formats:       map[string]huma.Format{typeJSON: strictFormat(), "json": strictFormat()},
		DefaultFormat: typeJSON,
	}), log}
}

// schemaName tells types of different packages apart: policy.Problem is
// PolicyProblem; those of the domain and of this package keep their names.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if pkg := path.Base(t.PkgPath()); t.Name() != "" && pkg != "gateway" && pkg != "rest" {
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

// rawInput takes the body as the bytes that came in.
type rawInput struct {
	RawBody []byte `contentType:"application/json"`
}

type noInput struct{}

type output[T any] struct {
	Body T
}

// post registers an operation with a JSON body. refusals are the statuses, next
// to 400 and those of every operation, that it documents.
func post[In, Out any](a api, op huma.Operation, refusals []int, do func(context.Context, In) (Out, error)) {
	op.Method = http.MethodPost
	op.SkipValidateBody = true
	a.document(&op, append([]int{
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
	}, refusals...))
	huma.Register(a.API, op, func(ctx context.Context, in *rawInput) (*output[Out], error) {
		var body In
		if err := decodeJSON(in.RawBody, &body); err != nil {
			return nil, problemOf(ctx, a.log, err)
		}
		out, err := do(ctx, body)
		if err != nil {
			return nil, problemOf(ctx, a.log, err)
		}
		return &output[Out]{out}, nil
	})
	// huma describes a raw body as a binary string.
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[In](), true, "")
	a.OpenAPI().Paths[op.Path].Post.RequestBody.Content[typeJSON].Schema = schema
}

// get registers an operation without a body. In holds only text parameters.
func get[In, Out any](a api, op huma.Operation, refusals []int, do func(context.Context, In) (Out, error)) {
	op.Method = http.MethodGet
	a.document(&op, refusals)
	huma.Register(a.API, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := do(ctx, *in)
		if err != nil {
			return nil, problemOf(ctx, a.log, err)
		}
		return &out, nil
	})
}

// document describes the refusals of an operation.
func (a api) document(op *huma.Operation, refusals []int) {
	op.Responses = map[string]*huma.Response{}
	for _, status := range append([]int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable,
	}, refusals...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content: map[string]*huma.MediaType{
				typeProblem: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}},
			},
		}
	}
}

// openAPI is the finished document. descriptions are by schema and property.
func (a api) openAPI(descriptions map[string]map[string]string) ([]byte, error) {
	doc := a.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	// huma registers its own error model with every operation; we have another.
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for _, s := range schemas {
		notNullable(s)
	}
	for name, properties := range descriptions {
		for property, text := range properties {
			if schemas[name] == nil || schemas[name].Properties[property] == nil {
				return nil, fmt.Errorf("the API has no %s.%s to describe", name, property)
			}
			describe(schemas[name], property, text)
		}
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op == nil {
				continue
			}
			for _, response := range op.Responses {
				response.Headers = map[string]*huma.Param{
					"API-Version": {Description: "version of this API", Schema: &huma.Schema{Type: huma.TypeString}},
				}
			}
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("indent the OpenAPI document: %w", err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

// describe keeps the description beside a reference, where OpenAPI 3.1 allows
// it but huma writes the reference only.
func describe(s *huma.Schema, property, text string) {
	p := s.Properties[property]
	if p.Ref != "" {
		s.Properties[property] = &huma.Schema{AllOf: []*huma.Schema{p}, Description: text}
		return
	}
	p.Description = text
}

// notNullable takes back that a Go slice can be nil: on the wire it is a list.
func notNullable(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	notNullable(s.Items)
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok { // of a map
		notNullable(values)
	}
	for _, p := range s.Properties {
		notNullable(p)
	}
}
