package config

import (
	"net"
	"net/url"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// Events says how long what happened is kept for programs that read it, and how
// much of it.
type Events struct {
	Keep Term `yaml:"keep"`
	Most int  `yaml:"most"`
}

// Webhook is an address that gets events, of some types or, without any, of all.
// Secrets are files with the secrets under which they are signed: two while the
// receiver goes from one to the next.
type Webhook struct {
	Name    string   `yaml:"name"`
	URL     string   `yaml:"url"`
	Types   []string `yaml:"types"`
	Secrets []string `yaml:"secrets" path:"yes"`
}

const maxWebhooks = 10

func checkEvents(d *decoder, e Events) {
	if years, months, days, ok := e.Keep.parts(); !ok || years*365+months*30+days < 1 || years*365+months*30+days > 366 {
		d.failAt("events.keep", "expected a term from a day to a year, as in P90D")
	}
	between(d, "events.most", e.Most, 100, 1_000_000)
}

func checkWebhooks(d *decoder, all []Webhook) {
	names := map[string]bool{}
	if len(all) > maxWebhooks {
		d.failAt("webhooks", "expected at most %d of them", maxWebhooks)
	}
	for i, w := range all {
		key := index("webhooks", i)
		if w.Name == "" || len(w.Name) > 32 || strings.Trim(w.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || names[w.Name] {
			d.failAt(key+".name", "expected a name of its own: at most 32 small letters, digits and hyphens")
		}
		names[w.Name] = true
		if !isReceiver(w.URL) {
			d.failAt(key+".url", "expected an address that begins with https://, without a password in it; http:// only for this machine, as in http://127.0.0.1:8080/")
		}
		if _, err := gateway.ParseEventTypes(w.Types); err != nil {
			d.failAt(key+".types", "%s", gateway.SafeMessage(err))
		}
		if len(w.Secrets) < 1 || len(w.Secrets) > 2 {
			d.failAt(key+".secrets", "expected the file with the secret, or two while the receiver goes from one to the next")
		}
	}
}

// isReceiver tells whether events may go to an address.
func isReceiver(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && here
}
