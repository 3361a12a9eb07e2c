package gateway_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/doorstroom/doorstroom"

// layers is the import table of docs/architecture.md: which of our packages a
// package may import; "*" is any, "adapters/*" any adapter. A package that is
// not in it may not exist.
// The table is about what is built; tests may import what they need.
func layers() map[string][]string {
	const anything = "*"
	data := []string{"schemas", "policies"}
	low := append([]string{"gateway"}, data...)
	secured := []string{"gateway", "gateway/register", "gateway/seal", "gateway/journal", "gateway/policy", "gateway/store"}
	stores := slices.Concat(low, secured, []string{"gateway/schema", "gateway/trace"})
	published := slices.Concat(stores, []string{"gateway/publication"})
	desk := slices.Concat(published, []string{
		"gateway/approval", "gateway/audit", "gateway/config", "gateway/identity", "gateway/logbook", "gateway/calendar", "gateway/guard", "gateway/search", "gateway/disclosure",
		"gateway/membership", "gateway/witness", "gateway/retention", "gateway/event", "gateway/session",
	})
	return map[string][]string{
		"schemas":              {},
		"policies":             {},
		"gateway":              {},
		"gateway/config":       append([]string{"gateway/calendar"}, low...),
		"gateway/seal":         low,
		"gateway/identity":     low,
		"gateway/schema":       low,
		"gateway/policy":       low,
		"gateway/journal":      low,
		"gateway/calendar":     low,
		"gateway/search":       low,
		"gateway/disclosure":   low,
		"adapters":             append([]string{"adapters/*"}, low...),
		"adapters/*":           append([]string{"adapters/*"}, low...),
		"gateway/audit":        {"gateway", "gateway/policy"},
		"gateway/register":     {"gateway", "gateway/seal"},
		"gateway/approval":     {"gateway", "gateway/seal"},
		"gateway/trace":        {"gateway"},
		"gateway/guard":        {"gateway"},
		"gateway/mail":         {"gateway", "gateway/calendar"},
		"gateway/logbook":      {"gateway", "gateway/journal", "gateway/trace"},
		"gateway/store":        {"gateway", "gateway/journal"},
		"gateway/vault":        {"gateway"},
		"gateway/publication":  stores,
		"gateway/exchange":     published,
		"gateway/membership":   secured,
		"gateway/witness":      secured,
		"gateway/retention":    secured,
		"gateway/event":        {"gateway", "gateway/store"},
		"gateway/session":      secured,
		"gateway/desk":         desk,
		"gateway/feed":         desk,
		"gateway/rest":         {"gateway", "gateway/search", "gateway/desk", "gateway/feed", "gateway/exchange", "gateway/journal", "gateway/membership", "gateway/witness", "gateway/event", "gateway/session"},
		"gateway/console":      {"gateway", "gateway/desk", "gateway/feed", "gateway/session"},
		"gateway/scenario":     {anything},
		"gateway/node":         {anything},
		"gateway/gatewaytest":  {anything},
		"cmd/doorstroom":       {anything},
		"cmd/doorstroom-bench": {anything},
	}
}

// homes are the libraries that one package hides from all others; those with an
// empty home are for tests only.
func homes() map[string]string {
	return map[string]string{
		"filippo.io/age":                           "gateway/seal",
		"filippo.io/edwards25519":                  "gateway/seal",
		"github.com/caddyserver/certmagic":         "gateway/identity",
		"github.com/go-jose/go-jose/v4":            "gateway/seal",
		"github.com/santhosh-tekuri/jsonschema/v6": "gateway/schema",
		"go.etcd.io/bbolt":                         "gateway/store",
		"github.com/danielgtaylor/huma/v2":         "gateway/rest",
		"github.com/prometheus/client_golang":      "gateway/node",
		"go.opentelemetry.io":                      "gateway/trace",
		"golang.org/x/mod/sumdb/tlog":              "gateway/journal",
		"golang.org/x/mod/sumdb/note":              "gateway/journal",
		"github.com/xuri/excelize/v2":              "adapters",
		"github.com/spf13/cobra":                   "cmd",
		"github.com/cedar-policy/cedar-go":         "", // a second opinion on what policy decides
		"github.com/letsencrypt/pebble/v2":         "",
		"github.com/hdevalence/ed25519consensus":   "", // a second opinion on which signatures hold
		"github.com/rogpeppe/go-internal":          "",
		"github.com/Shopify/toxiproxy/v2":          "",
		"github.com/rs/zerolog":                    "", // what toxiproxy logs to
		"pgregory.net/rapid":                       "",
		"go.uber.org/goleak":                       "",
		"github.com/transparency-dev/merkle":       "",
		"github.com/letsencrypt/challtestsrv":      "",
	}
}

// source is one parsed Go file.
type source struct {
	file string // slash-separated, from the top of the repository
	pkg  string // its folder
	test bool
	ast  *ast.File
	fset *token.FileSet
}

func (s source) imports() []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic("the parser accepted this import: " + err.Error())
		}
		paths = append(paths, p)
	}
	return paths
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); base != ".." && (strings.HasPrefix(base, ".") || base == "testdata" || isModule(name)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		s := source{file: strings.TrimPrefix(filepath.ToSlash(name), "../"), fset: token.NewFileSet()}
		s.pkg, s.test = path.Dir(s.file), strings.HasSuffix(s.file, "_test.go")
		s.ast, err = parser.ParseFile(s.fset, name, nil, parser.SkipObjectResolution)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isModule tells whether a folder below the top is a module of its own.
func isModule(dir string) bool {
	if dir == ".." {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func TestLayering(t *testing.T) {
	found := sources(t)
	if len(found) < 15 {
		t.Fatalf("found only %d Go files: the test looks in the wrong place", len(found))
	}
	for _, s := range found {
		for _, complaint := range slices.Concat(misplaced(s), misimported(s), misbehaved(s)) {
			t.Errorf("%s: %s", s.file, complaint)
		}
	}
}

// allowed finds the row of a package.
func allowed(pkg string) ([]string, bool) {
	table := layers()
	for pattern, may := range table {
		if matches(pattern, pkg) {
			return may, true
		}
	}
	return nil, false
}

func matches(pattern, pkg string) bool {
	ok, err := path.Match(pattern, pkg)
	return ok && err == nil
}

func misplaced(s source) []string {
	var complaints []string
	for dir := range strings.SplitSeq(s.pkg, "/") {
		if slices.Contains([]string{"internal", "pkg", "types", "util", "utils", "common", "helpers", "src"}, dir) {
			complaints = append(complaints, fmt.Sprintf("a folder %s says nothing about what is in it", dir))
		}
	}
	if _, ok := allowed(s.pkg); !ok {
		complaints = append(complaints, fmt.Sprintf("package %s is not in the import table; draw it in docs/architecture.md first", s.pkg))
	}
	return complaints
}

func misimported(s source) []string {
	if s.test {
		return nil
	}
	var complaints []string
	may, _ := allowed(s.pkg)
	for _, imported := range s.imports() {
		if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
			if !slices.ContainsFunc(may, func(pattern string) bool { return pattern == "*" || matches(pattern, ours) }) {
				complaints = append(complaints, fmt.Sprintf("package %s may not import %s", s.pkg, ours))
			}
			continue
		}
		if s.pkg == "gateway" && strings.Contains(strings.Split(imported, "/")[0], ".") {
			complaints = append(complaints, "the domain imports the standard library only, not "+imported)
		}
		if home, ok := homeOf(imported); ok && !within(s.pkg, home) && s.pkg != "gateway/gatewaytest" {
			complaints = append(complaints, fmt.Sprintf("%s has its home in %q", imported, home))
		}
	}
	return complaints
}

// homeOf is the only package that may import a library.
func homeOf(imported string) (string, bool) {
	for library, home := range homes() {
		if within(imported, library) {
			return home, true
		}
	}
	return "", false
}

func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

// realTime are the tests, beside those of real processes in cmd, that wait for
// something that virtual time cannot drive.
func realTime() []string {
	return []string{
		"gateway/identity/acme_test.go", // an ACME server on real sockets
		"gateway/store/bolt_test.go",    // goroutines that meet in a real fsync
	}
}

// misbehaved finds what no file does: init functions, default registries, and
// tests that wait for wall-clock time. Files with synctest sleep in virtual time.
func misbehaved(s source) []string {
	var complaints []string
	virtual := slices.ContainsFunc(s.imports(), func(path string) bool {
		return path == "testing/synctest" || path == module+"/gateway/gatewaytest" // whose tests run in a bubble
	})
	mayWait := !s.test || within(s.pkg, "cmd") || virtual || slices.Contains(realTime(), s.file)
	at := func(n ast.Node, text string) {
		complaints = append(complaints, fmt.Sprintf("line %d: %s", s.fset.Position(n.Pos()).Line, text))
	}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				at(n, "no init functions")
			}
		case *ast.SelectorExpr:
			switch name := selector(n); {
			case name == "time.Sleep" && !mayWait:
				at(n, "tests do not sleep; use testing/synctest, or wait for what must happen")
			case slices.Contains([]string{"http.DefaultServeMux", "http.DefaultClient", "prometheus.DefaultRegisterer", "prometheus.MustRegister"}, name):
				at(n, "no default registries: "+name)
			}
		}
		return true
	})
	return complaints
}

func selector(e *ast.SelectorExpr) string {
	if x, ok := e.X.(*ast.Ident); ok {
		return x.Name + "." + e.Sel.Name
	}
	return ""
}

// TestLayeringNotices shows that each rule can fail.
func TestLayeringNotices(t *testing.T) {
	for _, test := range []struct{ file, text, want string }{
		{"gateway/util/x.go", "package util", "says nothing"},
		{"gateway/nonsense/x.go", "package nonsense", "not in the import table"},
		{"adapters/csv/deep/x.go", "package deep", "not in the import table"},
		{"gateway/seal/x.go", `package seal; import _ "` + module + `/gateway/store"`, "may not import gateway/store"},
		{"gateway/exchange/x.go", `package exchange; import _ "` + module + `/gateway/desk"`, "may not import gateway/desk"},
		{"gateway/x.go", `package gateway; import _ "github.com/google/uuid"`, "standard library only"},
		{"gateway/desk/x.go", `package desk; import _ "go.etcd.io/bbolt"`, `home in "gateway/store"`},
		{"gateway/register/x.go", `package register; import _ "github.com/go-jose/go-jose/v4/jwt"`, `home in "gateway/seal"`},
		{"gateway/desk/x.go", `package desk; import _ "pgregory.net/rapid"`, `home in ""`},
		{"gateway/seal/x.go", "package seal; func init() {}", "no init functions"},
		{"gateway/seal/x_test.go", `package seal; import "time"; func f() { time.Sleep(1) }`, "do not sleep"},
		{"gateway/rest/x.go", `package rest; import "net/http"; var c = http.DefaultClient`, "no default registries"},
	} {
		s := source{file: test.file, pkg: path.Dir(test.file), test: strings.HasSuffix(test.file, "_test.go"), fset: token.NewFileSet()}
		var err error
		if s.ast, err = parser.ParseFile(s.fset, test.file, test.text, parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(slices.Concat(misplaced(s), misimported(s), misbehaved(s)), "; ")
		if !strings.Contains(got, test.want) {
			t.Errorf("%s %q: got %q, want a complaint with %q", test.file, test.text, got, test.want)
		}
	}
}
