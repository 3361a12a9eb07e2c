package node_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/event"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

var update = flag.Bool("update", false, "write the generated files anew")

func docs(name string) string { return filepath.Join("..", "..", "docs", filepath.FromSlash(name)) }

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	return string(text)
}

// rules is a Prometheus rule file.
type rules struct {
	Groups []struct {
		Name  string
		Rules []alert
	}
}

type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations struct {
		Summary     string
		Description string
		Runbook     string `yaml:"runbook_url"`
	}
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file rules
	must(t, yaml.Load([]byte(read(t, docs("monitoring/alerts.yaml"))), &file, yaml.WithKnownFields()))
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// TestGeneratedMonitoring: docs/monitoring.md has every metric and every alert.
func TestGeneratedMonitoring(t *testing.T) {
	t.Parallel()
	var metrics, alerts strings.Builder
	metrics.WriteString("| metric | type | labels | what it says |\n|---|---|---|---|\n")
	for _, m := range node.Metrics() {
		labels := ""
		for i, l := range m.Labels {
			labels += strings.Repeat(", ", min(i, 1)) + "`" + l + "`"
		}
		fmt.Fprintf(&metrics, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, m.Help)
	}
	alerts.WriteString("| alert | severity | when | what it means, and what to do |\n|---|---|---|---|\n")
	for _, a := range readAlerts(t) {
		when := "`" + strings.ReplaceAll(a.Expr, "|", "\\|") + "`"
		if a.For != "" {
			when += " for " + a.For
		}
		_, section, _ := strings.Cut(a.Annotations.Runbook, "#")
		fmt.Fprintf(&alerts, "| %s | %s | %s | %s [more](operators.md#%s) |\n",
			a.Alert, a.Labels["severity"], when, a.Annotations.Description, section)
	}
	text := read(t, docs("monitoring.md"))
	want := between(t, between(t, text, "metrics", metrics.String()), "alerts", alerts.String())
	if *update {
		must(t, os.WriteFile(docs("monitoring.md"), []byte(want), 0o644))
		return
	}
	if text != want {
		t.Error("docs/monitoring.md differs from the code or the rules; run make generate")
	}
}

// between replaces what stands between a mark and its end.
func between(t *testing.T, text, mark, content string) string {
	t.Helper()
	part := regexp.MustCompile(`(?s)(<!-- ` + mark + `: [^\n]* -->\n).*?(<!-- end -->)`)
	if !part.MatchString(text) {
		t.Fatalf("no mark %s in the document", mark)
	}
	return part.ReplaceAllStringFunc(text, func(old string) string {
		head, _, _ := strings.Cut(old, "\n")
		return head + "\n" + content + "<!-- end -->"
	})
}

// inExpression finds the metrics that an expression names.
func inExpression(expr string) []string {
	var names []string
	for _, name := range regexp.MustCompile(`\b(?:doorstroom|go|process)_[a-z_]+`).FindAllString(expr, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && typeOf(base) == "histogram" {
				name = base
			}
		}
		names = append(names, name)
	}
	return names
}

// typeOf is the type of a metric; "" if there is none of that name.
func typeOf(name string) string {
	switch name {
	case "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds", "go_goroutines":
		return "gauge"
	case "process_cpu_seconds_total":
		return "counter"
	}
	for _, m := range node.Metrics() {
		if m.Name == name {
			return m.Type
		}
	}
	return ""
}

// sections are the anchors of a document's headings.
func sections(t *testing.T, name string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, head := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(read(t, docs(name)), -1) {
		found[strings.ReplaceAll(strings.ToLower(regexp.MustCompile(`[^\w -]`).ReplaceAllString(head[1], "")), " ", "-")] = true
	}
	return found
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	const runbook = "https://github.com/doorstroom/doorstroom/blob/main/docs/operators.md#"
	alerts := readAlerts(t)
	if len(alerts) < 20 {
		t.Fatalf("got %d alerts, want them all", len(alerts))
	}
	tested := read(t, docs("monitoring/alerts_test.yaml"))
	known := sections(t, "operators.md")
	for _, a := range alerts {
		if a.Alert == "" || a.Annotations.Summary == "" || a.Annotations.Description == "" {
			t.Errorf("%s: wants a name, a summary and a description", a.Alert)
		}
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: got severity %q, want critical or warning", a.Alert, s)
		}
		section, ok := strings.CutPrefix(a.Annotations.Runbook, runbook)
		if !ok || !known[section] {
			t.Errorf("%s: got runbook %q, want a section of operators.md", a.Alert, a.Annotations.Runbook)
		}
		names := inExpression(a.Expr)
		if len(names) == 0 && !strings.HasPrefix(a.Expr, "up{") {
			t.Errorf("%s: its expression names no metric of a node", a.Alert)
		}
		for _, name := range names {
			if typeOf(name) == "" {
				t.Errorf("%s: there is no metric %s", a.Alert, name)
			}
		}
		if !strings.Contains(tested, `ALERTS{alertname="`+a.Alert+`"`) {
			t.Errorf("%s: alerts_test.yaml does not show that it fires", a.Alert)
		}
	}
}

// TestAlertsSeeWrongNames shows that a metric that is not there is found.
func TestAlertsSeeWrongNames(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		"doorstroom_queue_messages > 0":                               true,
		"rate(doorstroom_delivery_duration_seconds_bucket[5m])":       true,
		"doorstroom_queue_messages_count":                             false,
		"sum by (peer) (doorstroom_queue_mesages)":                    false,
		"go_goroutines / process_open_fds and process_nonsense_total": false,
	} {
		got := !slices.ContainsFunc(inExpression(expr), func(name string) bool { return typeOf(name) == "" })
		if got != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
}

// TestOperatorsNameMetrics: what the handbook says of metrics is about those
// that there are.
func TestOperatorsNameMetrics(t *testing.T) {
	t.Parallel()
	for _, name := range regexp.MustCompile("`(doorstroom_[a-z_]+)`").FindAllStringSubmatch(read(t, docs("operators.md")), -1) {
		if typeOf(name[1]) == "" {
			t.Errorf("operators.md: there is no metric %s", name[1])
		}
	}
}

// dashboard is what of a Grafana dashboard can be wrong here.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []struct {
		ID          int
		Type, Title string
		Description string
		Datasource  source
		Targets     []struct {
			Expr       string
			Datasource source
		}
	}
}

type source struct{ UID string }

type variable struct {
	Name, Type string
	Definition string
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	var d dashboard
	must(t, json.Unmarshal([]byte(read(t, docs("monitoring/dashboard.json"))), &d))
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 39 || len(d.Panels) < 20 {
		t.Fatalf("got %q, %q, schema %d and %d panels, want a dashboard", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" {
		t.Errorf("got the variables %+v, want the data source first", v)
	}
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if seen[p.ID] {
			t.Errorf("%s: its id is that of another panel", p.Title)
		}
		seen[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s: wants a title, a description, something to ask and the data source of the variable", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: its data source is fixed: %q", p.Title, target.Datasource.UID)
			}
			if !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%s: %s asks all nodes", p.Title, target.Expr)
			}
			names := inExpression(target.Expr)
			for _, name := range names {
				if typeOf(name) == "" {
					t.Errorf("%s: there is no metric %s", p.Title, name)
				}
			}
			if len(names) == 0 && !strings.HasPrefix(target.Expr, "ALERTS{") {
				t.Errorf("%s: %s names no metric of a node", p.Title, target.Expr)
			}
		}
	}
}

// TestMetricsOfAWorkingNode: a node that has met all there is to meet shows
// every metric of the list, and no other, under names that Prometheus likes.
func TestMetricsOfAWorkingNode(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.expireOwnKey(t, time.Now().AddDate(1, 0, 0))
	n := s.start(t)
	_, err := n.Desk.PublishCapacity(t.Context(), gt.Everyone(),
		gateway.Import{Source: "test", Offers: []gateway.Offer{gt.Offer("A-1")}}, false)
	must(t, err)
	must(t, n.Events.Set(t.Context(), []event.Webhook{{Name: "ecd"}}))
	_, err = n.Desk.VerifyJournal(t.Context(), gt.Everyone())
	must(t, err)
	_, err = n.Desk.Backup(t.Context(), gt.Everyone())
	must(t, err)
	_, err = n.Exchange.Accept(t.Context(), s.peer.OIN, gateway.Batch{Messages: []string{"no message"}})
	must(t, err)
	status, _, err := get(t, "https://"+s.config.Listen.Peers+"/v1/nothing", identity.ClientTLS(
		certificate(t, s.peerDir+"/data/keys"), func() (gateway.Party, bool) { return s.own, true }, nil))
	if err != nil || status != http.StatusNotFound {
		t.Fatalf("got status %d and %v, want 404", status, err)
	}
	peer := `{peer="` + string(s.peer.OIN)
	text := ""
	within(t, time.Minute, "an attempt to come", func() bool {
		text = s.metrics(t)
		return strings.Contains(text, "doorstroom_peer_next_attempt_timestamp_seconds"+peer)
	})
	for _, want := range []string{
		`doorstroom_messages_refused_total{outcome="refused",` + peer[1:] + `",reason="malformed"} 1`,
		"doorstroom_peer_requests_refused_total" + peer + `",reason="malformed"} 1`,
		"doorstroom_signing_key_registered 1", "doorstroom_database_readable 1", "doorstroom_journal_verify_error 0",
		`doorstroom_import_offers{source="test"} 1`, `doorstroom_certificate_expiry_timestamp_seconds{certificate="own"} `,
		"doorstroom_clock_behind_seconds 0", "doorstroom_backup_interval_seconds 86400", "doorstroom_database_full 0", `doorstroom_delivery_duration_seconds_count{outcome="unanswered"} `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
	shown := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# (HELP|TYPE) (doorstroom_\S+) (.*)$`).FindAllStringSubmatch(text, -1) {
		shown[line[1]+" "+line[2]] = line[3]
	}
	listed := map[string]string{}
	for _, m := range node.Metrics() {
		listed["HELP "+m.Name], listed["TYPE "+m.Name] = m.Help, m.Type
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if shown[name] != listed[name] {
			t.Errorf("%s: got %q, want %q", name, shown[name], listed[name])
		}
		delete(shown, name)
	}
	if len(shown) > 0 {
		t.Errorf("got metrics that are not listed: %v", shown)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	must(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "doorstroom_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// expireOwnKey gives the signing key of the node an end in the register.
func (s *site) expireOwnKey(t *testing.T, until time.Time) {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.config.Keys, "signing.pem"))
	must(t, err)
	key, err := seal.ParseKey(pem)
	must(t, err)
	s.own.SigningKeys[0].ValidUntil = until.UTC().Truncate(time.Second)
	s.own.KeyStatement = ""
	s.own.KeyStatement, err = register.MakeKeyStatement(s.own, key)
	must(t, err)
	must(t, os.WriteFile(s.config.Register.File, s.firstRegister(t), 0o600))
}
