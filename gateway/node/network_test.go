package node_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// get asks once, on a connection of its own.
func get(t *testing.T, url string, c *tls.Config) (status int, body string, err error) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// certificate is the TLS key pair in a folder of keys.
func certificate(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	keys, err := identity.Load(dir)
	must(t, err)
	return keys.TLS
}

func TestPeerListener(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t)
	strange := filepath.Join(t.TempDir(), "keys")
	must(t, identity.Create(strange, gt.Molenlanden, "Molenlanden", time.Now()))
	self := func() (gateway.Party, bool) { return s.own, true }
	as := func(dir string) *tls.Config { return identity.ClientTLS(certificate(t, dir), self, nil) }
	nobody := as(s.peerDir + "/data/keys")
	nobody.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	old := as(s.peerDir + "/data/keys")
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11

	url := "https://" + s.config.Listen.Peers + "/v1/register"
	for name, c := range map[string]*tls.Config{"no certificate": nobody, "a stranger": as(strange), "TLS 1.1": old} {
		if status, _, err := get(t, url, c); err == nil {
			t.Errorf("%s: got status %d, want that there is no connection", name, status)
		}
	}
	if status, body, err := get(t, "http://"+s.config.Listen.Peers+"/v1/register", nil); err == nil && status != http.StatusBadRequest {
		t.Errorf("without TLS: got status %d and %q, want 400", status, body)
	}
	file, err := os.ReadFile(s.config.Register.File)
	must(t, err)
	status, body, err := get(t, url, as(s.peerDir+"/data/keys"))
	if err != nil || status != http.StatusOK || body != string(file) {
		t.Errorf("a party: got status %d, %d bytes and %v; want the register", status, len(body), err)
	}
}

// A party that is taken out of the register is refused on the connection that
// it has.
func TestPeerThatLeavesTheRegister(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: identity.ClientTLS(certificate(t, s.peerDir+"/data/keys"), func() (gateway.Party, bool) { return s.own, true }, nil),
	}}
	defer client.CloseIdleConnections()
	ask := func() int {
		res, err := client.Get("https://" + s.config.Listen.Peers + "/v1/register")
		must(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		must(t, err)
		must(t, res.Body.Close())
		return res.StatusCode
	}
	if got := ask(); got != http.StatusOK {
		t.Fatalf("got status %d, want 200", got)
	}
	file, err := os.ReadFile(s.config.Register.File)
	must(t, err)
	_, err = n.Desk.InstallRegister(t.Context(), gt.Everyone(), s.nextRegister(t, file))
	must(t, err)
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("got status %d, want 401", got)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file, err := os.ReadFile(s.config.Register.File)
	must(t, err)
	must(t, os.Remove(s.config.Register.File))
	n := s.start(t)
	want := func(when, address, path string, status int) {
		t.Helper()
		if got, body, err := get(t, "http://"+address+path, nil); err != nil || got != status {
			t.Errorf("%s, %s: got status %d, %v and %q; want %d", when, path, got, err, body, status)
		}
	}
	for _, address := range []string{s.config.Listen.Ops, s.config.Listen.Public} {
		want("without a register", address, "/health/live", http.StatusOK)
		want("without a register", address, "/health/ready", http.StatusServiceUnavailable)
	}
	_, err = n.Desk.InstallRegister(t.Context(), gt.Everyone(), file)
	must(t, err)
	for _, address := range []string{s.config.Listen.Ops, s.config.Listen.Public} {
		want("with one", address, "/health/ready", http.StatusOK)
	}
	want("metrics are not for everybody", s.config.Listen.Public, "/metrics", http.StatusNotFound)
	want("nor is what peers ask", s.config.Listen.Public, "/v1/register", http.StatusNotFound)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.start(t)
	offer := gt.Offer("geheim-kenmerk")
	_, err := n.Desk.PublishCapacity(t.Context(), gt.Everyone(), gateway.Import{Source: "test", Offers: []gateway.Offer{offer}}, false)
	must(t, err)
	within(t, time.Minute, "a first failure", func() bool { return n.Exchange.Counters().Failures.Load() > 0 })
	peer := `{peer="` + string(s.peer.OIN) + `"}`
	metrics := s.metrics(t)
	for _, want := range []string{
		"doorstroom_queue_messages" + peer + " 1\n", "doorstroom_held_messages" + peer + " 0\n",
		"doorstroom_policy_error 0\n", `doorstroom_messages_in_total{outcome="received"} 0` + "\n",
		"doorstroom_register_expiry_timestamp_seconds ", `doorstroom_database_bytes{use="file"} `, "doorstroom_journal_entries ",
		"go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q among the metrics", want)
		}
	}
	for _, never := range []string{offer.ID, offer.Title, offer.Contact.Name, offer.Contact.Email} {
		if strings.Contains(metrics, never) {
			t.Errorf("%q is among the metrics", never)
		}
	}
	s.edit(t, node.PolicyFile, "rules:", "regels:")
	if _, err := n.Desk.Reload(t.Context(), gt.Everyone()); err == nil {
		t.Error("got no error of a wrong policy")
	}
	if !strings.Contains(s.metrics(t), "doorstroom_policy_error 1\n") {
		t.Error("the metrics do not tell of the wrong policy")
	}
}

func (s *site) metrics(t *testing.T) string {
	t.Helper()
	status, body, err := get(t, "http://"+s.config.Listen.Ops+"/metrics", nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("metrics: got status %d and %v, want 200", status, err)
	}
	return body
}

func TestLocalAPIWantsAToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t)
	for _, token := range []string{"", "beheer", strings.Repeat("0", 64)} {
		client := rest.NewLocalClient(s.config.Local.Socket, token)
		_, err := client.Status(t.Context())
		wantError(t, err, gateway.Unauthenticated)
		client.Close()
	}
}
