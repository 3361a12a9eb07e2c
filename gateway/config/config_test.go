package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
)

var update = flag.Bool("update", false, "write the generated files anew")

const examplePath = "../../config.example.yaml"

// minimal has only what has no default.
const minimal = `
party: "00000099000000001000"
name: Leerwerkbedrijf Voorbeeld
register:
  anchors: [NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs]
callers:
  - name: servicepunt
    roles: [coordinator, beheerder]
    token-sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
`

func TestGeneratedExample(t *testing.T) {
	got, err := config.New(config.Example())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(examplePath, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("config.example.yaml differs from its template; run make generate")
	}
}

// TestExampleIsTheContract holds the example against the defaults and against
// the type: what it shows is what holds, and it shows everything.
func TestExampleIsTheContract(t *testing.T) {
	got, err := config.Load(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	webhooks := "webhooks: [{name: ecd, url: \"https://ecd.voorbeeld.example/doorstroom\", types: [], secrets: [ecd.secret]}]\n"
	want, err := config.Parse(examplePath, []byte(minimal+webhooks)) // an example: without it there are none
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example shows\n%+v\nwant the defaults\n%+v", got, want)
	}
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		t.Fatal(err)
	}
	shown := keysIn("", doc.Content[0])
	for _, key := range keysOf("", reflect.TypeFor[config.Config]()) {
		if !slices.Contains(shown, key) {
			t.Errorf("the example does not show %s", key)
		}
	}
	// What everybody must read and decide stands first, and is short; the rest has
	// defaults that hardly anybody touches, and grows with what the program can do.
	first, _, found := bytes.Cut(data, []byte("# --- Seldom changed ---"))
	if lines := bytes.Count(first, []byte("\n")); !found || lines > 80 {
		t.Errorf("the example has %d lines before what is seldom changed; a small organisation dares to read 80", lines)
	}
	if lines := bytes.Count(data, []byte("\n")); lines > 130 {
		t.Errorf("the example has %d lines, want at most 130: say it in fewer", lines)
	}
}

func keysIn(prefix string, n *yaml.Node) []string {
	var keys []string
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
		return keysIn(prefix, n.Content[0])
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			key := prefix + n.Content[i].Value
			keys = append(append(keys, key), keysIn(key+".", n.Content[i+1])...)
		}
	}
	return keys
}

func keysOf(prefix string, t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		field := t.Field(i)
		key, of := prefix+field.Tag.Get("yaml"), field.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		keys = append(keys, key)
		if of.Kind() == reflect.Struct {
			keys = append(keys, keysOf(key+".", of)...)
		}
	}
	return keys
}

// Events are kept for a bounded time, and no more of them than a node can hold.
func TestEventsAreBounded(t *testing.T) {
	for text, key := range map[string]string{
		"{keep: P1D, most: 100}": "", "{keep: P1Y, most: 1000000}": "",
		"{keep: P0D}": "events.keep", "{keep: P2Y}": "events.keep", "{keep: 90d}": "events.keep", "{most: 99}": "events.most",
	} {
		_, err := config.Parse("x.yaml", []byte(minimal+"\nevents: "+text+"\n"))
		if (key == "") != (err == nil) || err != nil && !strings.Contains(gateway.SafeMessage(err), key) {
			t.Errorf("%s: got %v, want it to be about %q", text, err, key)
		}
	}
}

// Events go to https addresses, or to this machine, and are signed.
func TestWebhooks(t *testing.T) {
	for text, key := range map[string]string{
		`{name: ecd, url: "https://ecd.example/x?y=z", secrets: [a]}`:                                                  "",
		`{name: ecd, url: "http://127.0.0.1:8080/", types: [referral-received], secrets: [a, b]}`:                      "",
		`{name: ecd, url: "http://[::1]:8080/", types: [nl.doorstroom.referral-received.v1], secrets: [a]}`:            "",
		`{name: ecd, url: "http://localhost/", secrets: [a]}`:                                                          "",
		`{name: ecd, url: "http://ecd.example/", secrets: [a]}`:                                                        "url",
		`{name: ecd, url: "http://10.0.0.1/", secrets: [a]}`:                                                           "url",
		`{name: ecd, url: "https://a:b@ecd.example/", secrets: [a]}`:                                                   "url",
		`{name: ecd, url: "ftp://ecd.example/", secrets: [a]}`:                                                         "url",
		`{name: ecd, url: "https:///x", secrets: [a]}`:                                                                 "url",
		`{name: ecd, secrets: [a]}`:                                                                                    "url",
		`{name: "E C D", url: "https://ecd.example/", secrets: [a]}`:                                                   "name",
		`{name: ecd, url: "https://ecd.example/", secrets: [a]}, {name: ecd, url: "https://b.example/", secrets: [a]}`: "name",
		`{name: ecd, url: "https://ecd.example/", secrets: []}`:                                                        "secrets",
		`{name: ecd, url: "https://ecd.example/", secrets: [a, b, c]}`:                                                 "secrets",
		`{name: ecd, url: "https://ecd.example/", types: [referral], secrets: [a]}`:                                    "types",
	} {
		c, err := config.Parse("/etc/x.yaml", []byte(minimal+"\nwebhooks: ["+text+"]\n"))
		if (key == "") != (err == nil) || err != nil && !strings.Contains(gateway.SafeMessage(err), "."+key) {
			t.Errorf("%s: got %v, want it to be about %q", text, err, key)
		}
		if err == nil && c.Webhooks[0].Secrets[0] != "/etc/a" {
			t.Errorf("got %q, want the path of the secret from the folder of the file", c.Webhooks[0].Secrets)
		}
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "node.yaml")
	file := minimal + "data: d\ndrop: {folder: /srv/in, mapping: map.yaml}\npolicy: {files: [a.yaml, /etc/b.yaml]}\n"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct{ what, got, want string }{
		{"data", c.Data, filepath.Join(dir, "d")},
		{"keys", c.Keys, filepath.Join(dir, "d/keys")},
		{"local.socket", c.Local.Socket, filepath.Join(dir, "d/node.sock")},
		{"register.file", c.Register.File, filepath.Join(dir, "register.jws")},
		{"drop.folder", c.Drop.Folder, "/srv/in"},
		{"drop.mapping", c.Drop.Mapping, filepath.Join(dir, "map.yaml")},
		{"policy.files", strings.Join(c.Policy.Files, " "), filepath.Join(dir, "a.yaml") + " /etc/b.yaml"},
	} {
		if p.got != p.want {
			t.Errorf("%s: got %s, want %s", p.what, p.got, p.want)
		}
	}
	if got := config.Default().Policy.Files[0]; got != "policy.yaml" {
		t.Errorf("loading changed the defaults: policy.files is %s", got)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if got := gateway.KindOf(err); got != gateway.NotFound {
		t.Errorf("got kind %v, want NotFound", got)
	}
}

// TestAllErrorsAtOnce gives one file with everything wrong that can be wrong.
func TestAllErrorsAtOnce(t *testing.T) {
	const file = `party: "123"
name: ""
unknown: 1
register:
  anchors: []
  fil: register.jws
listen:
  peers: nowhere
  ops: 127.0.0.1:99999
drop:
  folder: in
  poll: often
capacity:
  vanish-percent: 101
callers:
  - name: a
    roles: [koning]
    token-sha256: ABC
  - name: a
    token-sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  - name: b
    roles: [program]
    token-sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
tls:
  anchors: one.pem
  acme:
    directory: http://acme.example
limits:
  database-bytes: 1 mega
  queue-per-peer: many
  queue-per-peer: 5
  connections: 0
  header-timeout: 1ms
log:
  level: loud
  format:
`
	_, err := config.Parse("x.yaml", []byte(file))
	if got := gateway.KindOf(err); got != gateway.Invalid {
		t.Fatalf("got kind %v (%v), want Invalid", got, err)
	}
	got := strings.Split(gateway.SafeMessage(err), "\n")
	want := []string{
		"x.yaml:1: party: an OIN has 20 positions",
		"x.yaml:2: name: missing",
		"x.yaml:3: unknown: unknown key; here can stand: party, name,",
		"x.yaml:5: register.anchors: missing",
		"x.yaml:6: register.fil: unknown key; here can stand: file, anchors",
		"x.yaml:8: listen.peers: expected an address with a port",
		"x.yaml:9: listen.ops: expected an address with a port",
		"x.yaml:10: drop.mapping: missing",
		"x.yaml:12: drop.poll: expected a length of time",
		"x.yaml:14: capacity.vanish-percent: expected a number from 0 to 100",
		"x.yaml:17: callers[0].roles[0]: expected one of: coordinator,",
		"x.yaml:18: callers[0].token-sha256: expected the SHA-256",
		"x.yaml:19: callers[1].name: another caller has this name",
		"x.yaml:19: callers[1].roles: missing",
		"x.yaml:23: callers[2].token-sha256: another caller has this token",
		"x.yaml:25: tls.anchors: expected a list",
		"x.yaml:27: tls.acme.directory: expected the https address",
		"x.yaml:26: tls.acme.domain: missing",
		"x.yaml:26: tls.acme.email: missing",
		"x.yaml:29: limits.database-bytes: expected a size",
		"x.yaml:30: limits.queue-per-peer: expected a whole number",
		"x.yaml:31: limits.queue-per-peer: this key stands here twice",
		"x.yaml:32: limits.connections: expected a number from 1",
		"x.yaml:33: limits.header-timeout: expected at least 1s",
		"x.yaml:35: log.level: expected one of: debug",
		"x.yaml:36: log.format: expected a text",
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, w) }) {
			t.Errorf("no error starts with %q", w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d errors, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

func TestNotYAML(t *testing.T) {
	for name, file := range map[string]string{
		"empty":     "",
		"text":      "hello",
		"list":      "- a\n- b",
		"tab":       "party:\n\tx: 1",
		"open":      "party: [",
		"alias":     "party: &a x\nname: *a\n",
		"two":       minimal + "---\n" + minimal,
		"bomb":      "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\n",
		"null":      "party: null",
		"number":    "party: 99000000001000",
		"not utf-8": "name: \xff\xfe\xfa",
	} {
		_, err := config.Parse("x.yaml", []byte(file))
		if got := gateway.KindOf(err); err == nil || got != gateway.Invalid {
			t.Errorf("%s: got %v, want an error of kind Invalid", name, err)
		} else if !strings.HasPrefix(gateway.SafeMessage(err), "x.yaml:") {
			t.Errorf("%s: got %q, want the file and line first", name, gateway.SafeMessage(err))
		}
	}
}

// TestOINWithoutQuotes: a number with leading zeros stays the text it is.
func TestOINWithoutQuotes(t *testing.T) {
	c, err := config.Parse("x.yaml", []byte(strings.ReplaceAll(minimal, `"00000099000000001000"`, "00000099000000001000")))
	if err != nil {
		t.Fatal(err)
	}
	if c.Party != "00000099000000001000" {
		t.Errorf("got party %s", c.Party)
	}
}

func TestDiff(t *testing.T) {
	old, err := config.Parse("x.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Diff(old, old); len(got) != 0 {
		t.Errorf("got %v, want no difference with itself", got)
	}
	changed := old
	changed.Callers = nil
	changed.Policy.Files = []string{"other"}
	changed.Capacity.VanishPercent = 1
	changed.Log.Level = "debug"
	if got := config.Diff(old, changed); len(got) != 0 {
		t.Errorf("got %v, want none: these reload", got)
	}
	changed.Listen.Peers = ":1"
	changed.Limits.ReadTimeout = time.Hour
	changed.TLS.ACME.Roots = []string{"root.pem"}
	want := []string{"listen.peers", "tls.acme.roots", "limits.read-timeout"}
	if got := config.Diff(old, changed); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNew: whatever name somebody gives their organisation, init writes a file
// that is read back the same.
func TestNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		initial := config.Example()
		initial.Name = rapid.StringMatching(`[^\x00-\x1f\x7f-\x9f]{0,20}[a-z"'#:\\]`).Draw(t, "name")
		initial.Peers = "[::1]:8443"
		file, err := config.New(initial)
		if err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse("x.yaml", file)
		if err != nil {
			t.Fatal(err)
		}
		if c.Name != initial.Name || c.Listen.Peers != initial.Peers {
			t.Fatalf("got %q at %s, want %q at %s", c.Name, c.Listen.Peers, initial.Name, initial.Peers)
		}
	})
	initial := config.Example()
	initial.Anchors = nil
	file, err := config.New(initial)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse("x.yaml", file); !strings.HasSuffix(gateway.SafeMessage(err), "register.anchors: missing: list the ids of the keys that sign the register") {
		t.Errorf("without anchors: got %v, want only that they are missing", err)
	}
	if _, err := config.New(config.Initial{Name: "nobody"}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("without a party: got %v, want Invalid", err)
	}
}

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]config.Bytes{"0B": 0, "7B": 7, "500kB": 500e3, "1MB": 1e6, "4 GB": 4e9} {
		if got, err := config.ParseBytes(in); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "1", "MB", "-1MB", "1.5MB", "1mb", "99999999999GB", "1TB"} {
		if got, err := config.ParseBytes(in); err == nil {
			t.Errorf("%s: got %d, want an error", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("{? [a]: b, <<: {c: d}}"))
	f.Add([]byte("callers: [{roles: {a: b}}]\nlimits: []\ndrop: x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("x.yaml", data)
		if err != nil {
			if gateway.KindOf(err) != gateway.Invalid {
				t.Fatalf("got %v, want an error of kind Invalid", err)
			}
			return
		}
		if _, err := gateway.ParseOIN(string(c.Party)); err != nil || !filepath.IsAbs(c.Data) || c.Limits.Connections < 1 {
			t.Fatalf("accepted %+v", c)
		}
	})
}
