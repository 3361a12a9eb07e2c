package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// check says what types cannot: which values make sense, and which belong
// together.
func check(d *decoder, c Config) {
	if c.Party == "" {
		d.failAt("party", "missing: give the OIN of this organisation")
	} else if _, err := gateway.ParseOIN(string(c.Party)); err != nil {
		d.failAt("party", "%s", gateway.SafeMessage(err))
	}
	required(d, "name", c.Name, "the name of this organisation")
	required(d, "data", c.Data, "the folder for the node's data")
	required(d, "register.file", c.Register.File, "the signed register of participants")
	if len(c.Register.Anchors) == 0 {
		d.failAt("register.anchors", "missing: list the ids of the keys that sign the register")
	}
	for i, kid := range c.Register.Anchors {
		required(d, index("register.anchors", i), kid, "a key id")
	}
	address(d, "listen.peers", c.Listen.Peers, true)
	address(d, "listen.public", c.Listen.Public, false)
	address(d, "listen.ops", c.Listen.Ops, false)
	checkDrop(d, c.Drop)
	checkCallers(d, c.Callers)
	if _, err := c.Closings(); err != nil {
		d.failAt("closed", "%s; expected periods such as 2026-07-20/2026-08-07", gateway.SafeMessage(err))
	}
	checkACME(d, c.TLS.ACME)
	checkBackup(d, c.Backup)
	checkWitnesses(d, c)
	checkNumbers(d, c)
	checkTrace(d, c.Trace)
	checkMail(d, c.Mail)
	oneOf(d, "policy.approval", c.Policy.Approval, "none", "one-person", "two-person")
	checkJournal(d, c.Journal)
	checkTerms(d, c.Terms)
	checkRetention(d, c.Retention)
	checkRights(d, c.Rights)
	checkLogboek(d, c.Logboek)
	checkEvents(d, c.Events)
	checkWebhooks(d, c.Webhooks)
	oneOf(d, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(d, "log.format", c.Log.Format, "text", "json")
}

func required(d *decoder, key, value, what string) {
	if strings.TrimSpace(value) == "" {
		d.failAt(key, "missing: give %s", what)
	}
}

func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

func oneOf(d *decoder, key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		d.failAt(key, "expected one of: %s", strings.Join(allowed, ", "))
	}
}

func address(d *decoder, key, value string, needed bool) {
	if value == "" && !needed {
		return
	}
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		d.failAt(key, "expected an address with a port, such as 127.0.0.1:8443 or :8443")
	}
}

func checkDrop(d *decoder, drop Drop) {
	if drop.Folder != "" {
		required(d, "drop.mapping", drop.Mapping,
			"the mapping file that `doorstroom adapter map` made, or leave drop.folder empty")
		required(d, "drop.source", drop.Source, "a name for this export")
	}
	atLeast(d, "drop.poll", drop.Poll, time.Second, "1s")
}

// An age public key of the kind that backups use.
const (
	agePublicKey = 62
	bech32       = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
)

func checkBackup(d *decoder, b Backup) {
	if b.Every != 0 {
		atLeast(d, "backup.every", b.Every, 5*time.Minute, "5m, or 0s for none by itself")
	}
	between(d, "backup.keep", b.Keep, 1, 10_000)
	for i, r := range b.Recipients {
		if !strings.HasPrefix(r, "age1") || len(r) != agePublicKey || strings.Trim(r[len("age1"):], bech32) != "" {
			d.failAt(index("backup.recipients", i), "expected an age public key: age1 and 58 characters more")
		}
	}
}

func checkWitnesses(d *decoder, c Config) {
	w := c.Witnesses
	between(d, "witnesses.number", w.Number, 0, 10)
	seen := map[gateway.OIN]bool{c.Party: true}
	for i, oin := range w.Parties {
		if _, err := gateway.ParseOIN(string(oin)); err != nil {
			d.failAt(index("witnesses.parties", i), "expected an OIN of 20 digits, in quotes")
		} else if seen[oin] {
			d.failAt(index("witnesses.parties", i), "expected another party than this one, and each once")
		}
		seen[oin] = true
	}
	if n := len(w.Parties); n > 0 && n < w.Number {
		d.failAt("witnesses.parties", "expected at least as many parties as witnesses.number says, or none to have them chosen")
	}
}

func checkCallers(d *decoder, callers []Caller) {
	names, tokens := map[string]bool{}, map[string]bool{}
	for i, c := range callers {
		key := index("callers", i)
		required(d, key+".name", c.Name, "a name for this person or program")
		if names[c.Name] {
			d.failAt(key+".name", "another caller has this name; each needs its own")
		}
		if len(c.Roles) == 0 {
			d.failAt(key+".roles", "missing: give at least one of: %s", roles())
		}
		for j, r := range c.Roles {
			if !slices.Contains(gateway.Roles(), r) {
				d.failAt(index(key+".roles", j), "expected one of: %s", roles())
			}
		}
		sum, err := hex.DecodeString(c.SHA256)
		if err != nil || len(sum) != 32 || strings.ToLower(c.SHA256) != c.SHA256 {
			d.failAt(key+".token-sha256", "expected the SHA-256 of the token as 64 lower-case hex digits")
		} else if tokens[c.SHA256] {
			d.failAt(key+".token-sha256", "another caller has this token; each needs its own")
		}
		names[c.Name], tokens[c.SHA256] = true, true
	}
}

func roles() string {
	var names []string
	for _, r := range gateway.Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

func checkACME(d *decoder, a ACME) {
	if a.Directory == "" {
		return
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		d.failAt("tls.acme.directory", "expected the https address of the directory of the authority")
	}
	required(d, "tls.acme.domain", a.Domain, "the host name for which to ask certificates")
	// Without an address the ACME library would ask for one on the terminal.
	required(d, "tls.acme.email", a.Email, "an address at which the authority can warn you")
}

func checkTrace(d *decoder, t Trace) {
	between(d, "trace.percent", t.Percent, 0, 100)
	receiver(d, "trace.endpoint", t.Endpoint)
}

func checkMail(d *decoder, m Mail) {
	if t, err := time.Parse("15:04", m.At); err != nil || t.Format("15:04") != m.At {
		d.failAt("mail.at", "expected a time of day in quotes, such as \"08:30\"")
	}
	if m.Server == "" {
		return
	}
	if host, _, err := net.SplitHostPort(m.Server); err != nil || host == "" {
		d.failAt("mail.server", "expected a host and a port, such as mail.example.nl:587")
	}
	mailbox(d, "mail.from", m.From)
	if len(m.To) == 0 {
		d.failAt("mail.to", "missing: give at least one address")
	}
	for i, to := range m.To {
		mailbox(d, index("mail.to", i), to)
	}
	if (m.User == "") != (m.Password == "") {
		d.failAt("mail.password", "give both a user and the file with the password, or neither")
	}
}

// mailbox checks one address, without a name before it.
func mailbox(d *decoder, key, s string) {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		d.failAt(key, "expected one e-mail address, such as doorstroom@example.nl")
	}
}

func checkLogboek(d *decoder, l Logboek) {
	receiver(d, "logboek.endpoint", l.Endpoint)
	if u, err := url.Parse(l.Activities); err != nil || l.Activities != "" && u.Scheme == "" {
		d.failAt("logboek.activities", "expected the beginning of a URI, such as https://register.example.nl/verwerkingen/")
	}
}

// receiver checks the base address of an OTLP/HTTP receiver; "" is none.
func receiver(d *decoder, key, endpoint string) {
	if endpoint == "" {
		return
	}
	if u, err := url.Parse(endpoint); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		d.failAt(key, "expected the address of an OTLP/HTTP receiver, such as http://127.0.0.1:4318")
	}
}

func checkNumbers(d *decoder, c Config) {
	l := c.Limits
	between(d, "capacity.vanish-offers", c.Capacity.VanishOffers, 0, 1_000_000)
	between(d, "capacity.vanish-percent", c.Capacity.VanishPercent, 0, 100)
	between(d, "delivery.parallel", c.Delivery.Parallel, 1, 1000)
	between(d, "limits.connections", l.Connections, 1, 1_000_000)
	between(d, "limits.connections-per-peer", l.ConnectionsPerPeer, 1, 10_000)
	between(d, "limits.requests-per-second", l.RequestsPerSecond, 1, 100_000)
	between(d, "limits.queue-per-peer", l.QueuePerPeer, 100, 10_000_000)
	between(d, "limits.offers", l.Offers, 1, 10_000_000)
	between(d, "limits.subjects-per-peer", l.SubjectsPerPeer, 1, 10_000_000)
	between(d, "limits.remembered-per-peer", l.RememberedPerPeer, 100, 100_000_000)
	between(d, "limits.referrals-per-peer", l.ReferralsPerPeer, 1, 1_000_000)
	between(d, "limits.orphans-per-peer", l.OrphansPerPeer, 1, 1_000_000)
	if l.BytesPerPeer < 2e6 {
		d.failAt("limits.bytes-per-peer", "expected a size of at least 2MB")
	}
	if l.DatabaseBytes < 10e6 {
		d.failAt("limits.database-bytes", "expected a size of at least 10MB")
	}
	atLeast(d, "delivery.timeout", c.Delivery.Timeout, time.Second, "1s")
	atLeast(d, "limits.header-timeout", l.HeaderTimeout, time.Second, "1s")
	atLeast(d, "limits.read-timeout", l.ReadTimeout, time.Second, "1s")
	atLeast(d, "limits.idle-timeout", l.IdleTimeout, time.Second, "1s")
}

func between(d *decoder, key string, value, low, high int) {
	if value < low || value > high {
		d.failAt(key, "expected a number from %d to %d", low, high)
	}
}

func atLeast(d *decoder, key string, value, low time.Duration, written string) {
	if value < low {
		d.failAt(key, "expected at least %s", written)
	}
}
