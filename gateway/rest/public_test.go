package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway/rest"
)

var update = flag.Bool("update", false, "write the generated files anew")

func TestGeneratedOpenAPI(t *testing.T) {
	golden(t, "openapi.json", rest.OpenAPI)
	golden(t, "local.openapi.json", rest.LocalOpenAPI)
}

func golden(t *testing.T, file string, generate func() ([]byte, error)) {
	t.Helper()
	got, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the code; run make generate", file)
	}
}

// TestOpenAPIRules holds the description against rules of the NL GOV REST API
// Design Rules and against leftovers of the library.
func TestOpenAPIRules(t *testing.T) {
	checkOpenAPI(t, rest.OpenAPI, 7)
	checkOpenAPI(t, rest.LocalOpenAPI, 53)
}

func checkOpenAPI(t *testing.T, generate func() ([]byte, error), paths int) {
	t.Helper()
	data, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, leftover := range []string{"ErrorModel", "ErrorDetail", `schemas/"`, "$schema", `"422"`, `"null"`, "binary"} {
		if bytes.Contains(data, []byte(leftover)) {
			t.Errorf("the description contains %s", leftover)
		}
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Responses   map[string]struct {
				Headers map[string]any `json:"headers"`
			} `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) != paths {
		t.Errorf("got OpenAPI %s with %d paths, want 3.1 with %d", doc.OpenAPI, len(doc.Paths), paths)
	}
	kebab := regexp.MustCompile(`^/v1(/[a-z]+(-[a-z]+)*)+(/\{[a-z]+\})?$`)
	for path, operations := range doc.Paths {
		if !kebab.MatchString(path) {
			t.Errorf("path %s is not kebab-case below /v1", path)
		}
		for method, op := range operations {
			for status, response := range op.Responses {
				if response.Headers["API-Version"] == nil {
					t.Errorf("%s %s %s: no API-Version", method, path, status)
				}
			}
			for _, status := range []string{"200", "401", "500"} {
				if _, ok := op.Responses[status]; !ok {
					t.Errorf("%s %s: does not describe %s", method, path, status)
				}
			}
		}
	}
}

func ready(context.Context) error { return nil }

func TestPublic(t *testing.T) {
	l := &log{}
	url := local(t, rest.NewPublicHandler(ready, l.logger()))
	want, err := rest.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	a := do(t, smile, request(t, http.MethodGet, url+"/openapi.json", "", nil))
	checkHeaders(t, a.header)
	if a.status != 200 || a.body != string(want) || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("openapi.json: got %d, %v, %d bytes", a.status, a.header, len(a.body))
	}
	for _, path := range []string{"/docs/", "/openapi.json/", "/openapi.yaml", "/metrics", "/v1/register", "/docs/index.html"} {
		if a := do(t, smile, request(t, http.MethodGet, url+path, "", nil)); a.status != 404 {
			t.Errorf("%s: got %d, want 404", path, a.status)
		} else if checkProblem(t, a); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: shared with other origins", path)
		}
	}
	if a := do(t, smile, request(t, http.MethodPost, url+"/docs", "", nil)); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /docs: got %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}

// TestDocsLoadNothingFromElsewhere: the page and its policy name no other host,
// and all it names is there.
func TestDocsLoadNothingFromElsewhere(t *testing.T) {
	l := &log{}
	url := local(t, rest.NewPublicHandler(ready, l.logger()))
	page := do(t, smile, request(t, http.MethodGet, url+"/docs", "", nil))
	checkHeaders(t, page.header)
	csp := page.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "http") {
		t.Errorf("got policy %s", csp)
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(links) != 4 {
		t.Errorf("got %d links in the page, want 4", len(links))
	}
	for _, link := range links {
		if !strings.HasPrefix(link[1], "/") || strings.HasPrefix(link[1], "//") {
			t.Errorf("the page loads %s from elsewhere", link[1])
		}
		if a := do(t, smile, request(t, http.MethodGet, url+link[1], "", nil)); a.status != 200 || len(a.body) < 100 {
			t.Errorf("%s: got %d, %d bytes", link[1], a.status, len(a.body))
		}
	}
	plain := request(t, http.MethodGet, url+"/docs/swagger-ui-bundle.js", "", nil)
	plain.Header.Set("Accept-Encoding", "identity")
	if a := do(t, smile, plain); a.header.Get("Content-Encoding") != "" || !strings.Contains(a.body, "SwaggerUIBundle") {
		t.Errorf("without compression: got encoding %q, %d bytes", a.header.Get("Content-Encoding"), len(a.body))
	}
}

func TestOps(t *testing.T) {
	l := &log{}
	var notReady error
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) })
	url := local(t, rest.NewOpsHandler(func(context.Context) error { return notReady }, metrics, l.logger()))
	for path, want := range map[string]string{"/metrics": "up 1", "/health/live": "pass", "/health/ready": "pass"} {
		if a := do(t, smile, request(t, http.MethodGet, url+path, "", nil)); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: got %d %s", path, a.status, a.body)
		}
	}
	notReady = errors.New(secret)
	a := do(t, smile, request(t, http.MethodGet, url+"/health/ready", "", nil))
	if checkProblem(t, a); a.status != 503 || strings.Contains(a.body, secret) {
		t.Errorf("not ready: got %d %s", a.status, a.body)
	}
	if a := do(t, smile, request(t, http.MethodGet, url+"/health/live", "", nil)); a.status != 200 {
		t.Errorf("alive but not ready: got %d", a.status)
	}
}
