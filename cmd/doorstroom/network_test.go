package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// region is a leerwerkbedrijf and gemeenten, each a process, with real TLS
// between them.
type region struct {
	sender    *member
	gemeenten map[string]*member // by name
	load      *load              // for its ledger
}

// newRegion gives a request so much time.
func newRegion(t *testing.T, patience time.Duration, sender place, gemeenten ...place) *region {
	t.Helper()
	for i := range gemeenten {
		gemeenten[i].oin = gateway.OIN(fmt.Sprintf("000000990000001%05d", i))
		gemeenten[i].kind, gemeenten[i].gemeente = gateway.GemeenteKind, []string{"gm0505", "gm0482", "gm1978", "gm0610", "gm0590", "gm0642", "gm0523"}[i]
	}
	sender.folder, sender.oin, sender.kind = "smile", sends, gateway.Leerwerkbedrijf
	members := layMembers(t, append([]place{sender}, gemeenten...)...)
	r := &region{sender: members[0], gemeenten: map[string]*member{}}
	for _, m := range members[1:] {
		r.gemeenten[m.party.Name] = m
	}
	name := r.sender.configFile()
	content, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, bytes.Replace(content, []byte("timeout: 30s"), []byte("timeout: "+patience.String()), 1), 0o600))
	r.load = &load{
		local: r.sender.local, policyFile: filepath.Join(r.sender.dir, node.PolicyFile),
		ledger: ledger{acknowledged: map[string]int{}},
	}
	must(t, r.load.writePolicy())
	for _, m := range members {
		m.start(t)
	}
	for _, m := range members {
		m.ready(t)
	}
	return r
}

// publish gives every offer a new version, and each gemeente as many messages.
func (r *region) publish(t *testing.T) {
	t.Helper()
	l := r.load
	l.version++
	imp, after := gateway.Import{Source: "network"}, map[string]int{}
	for i := range 4 {
		id := fmt.Sprintf("plek-%02d", i)
		imp.Offers, after[id] = append(imp.Offers, offer(id, l.version)), l.version
	}
	l.attempted++
	_, err := l.local.Publish(t.Context(), imp, true)
	must(t, err)
	l.acknowledged++
	l.ledger.acknowledged = after
}

// waits is how many messages wait for each gemeente.
func (r *region) waits(t *testing.T) map[string]int {
	t.Helper()
	status, err := r.sender.local.Status(t.Context())
	must(t, err)
	waits := map[string]int{}
	for name, m := range r.gemeenten {
		for _, p := range status.Peers {
			if p.OIN == m.party.OIN {
				waits[name] = p.Queued + p.Held
			}
		}
	}
	return waits
}

// served waits until nothing waits for a gemeente, and it has the last version
// of every offer.
func (r *region) served(t *testing.T, name string) {
	t.Helper()
	within(t, 2*time.Minute, name+" has all", func() bool {
		if r.waits(t)[name] > 0 {
			return false
		}
		offers, err := r.gemeenten[name].local.ReceivedOffers(t.Context())
		must(t, err)
		has := map[string]int{}
		for _, o := range offers {
			has[o.Capacity.Offer] = versionOf(t, o.Capacity.Title)
		}
		return maps.Equal(has, r.load.ledger.acknowledged)
	})
}

// settle stops all nodes and looks in all databases: nothing lost, nothing
// twice.
func (r *region) settle(t *testing.T) {
	t.Helper()
	r.sender.stop(t)
	sender := r.sender.open(t)
	for name, m := range r.gemeenten {
		m.stop(t)
		receiver := m.open(t)
		f := audit(about(sender.journal(t), m.party.OIN), receiver.journal(t), r.load.acknowledged, r.load.attempted)
		f.lost = append(f.lost, agree(t, sender, receiver, r.load.ledger.acknowledged, true)...)
		f.wrong = append(append(f.wrong, receiver.unsound(t)...), m.complaints(t)...)
		t.Logf("%s: %d messages; lost %d, doubled %d", name, f.messages, len(f.lost), len(f.doubled))
		for _, problem := range append(append(f.lost, f.doubled...), f.wrong...) {
			t.Errorf("%s: %s", name, problem)
		}
		if f.messages == 0 {
			t.Errorf("%s got nothing", name)
		}
	}
	for _, problem := range append(sender.unsound(t), r.sender.complaints(t)...) {
		t.Error(problem)
	}
}

// about leaves out what a journal says of other parties.
func about(all []store.JournalRecord, party gateway.OIN) (some []store.JournalRecord) {
	for _, r := range all {
		if r.Kind == journal.KindImport || r.Party == party {
			some = append(some, r)
		}
	}
	return some
}

// toxics are the bad lines of TestBadLines, in the words of toxiproxy, and
// whether messages can get through.
func toxics() map[string]struct {
	toxic string
	open  bool
} {
	type line = struct {
		toxic string
		open  bool
	}
	return map[string]line{
		"late":    {`{"type": "latency", "attributes": {"latency": 500, "jitter": 200}}`, true},
		"narrow":  {`{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 1}}`, true},
		"sliced":  {`{"type": "slicer", "stream": "upstream", "attributes": {"average_size": 50, "size_variation": 40, "delay": 500}}`, true},
		"cut off": {`{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 7000}}`, true}, // in the middle of a batch
		"reset":   {`{"type": "reset_peer", "attributes": {"timeout": 0}}`, false},
		"stalled": {`{"type": "timeout", "attributes": {"timeout": 0}}`, false},
	}
}

// TestBadLines puts a bad line before each gemeente but one. That one gets all
// it is sent while others get nothing; over lines that let something through all
// arrives in the end, and over the others once they are good again.
func TestBadLines(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for many seconds")
	}
	places, proxies := []place{{folder: "healthy"}}, map[string]*toxiproxy.Proxy{}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.New(io.Discard))
	for name := range toxics() {
		at := place{folder: strings.ReplaceAll(name, " ", ""), listen: gt.FreeAddress(t)}
		proxies[name] = toxiproxy.NewProxy(server, name, gt.FreeAddress(t), at.listen)
		must(t, proxies[name].Start())
		t.Cleanup(proxies[name].Stop)
		at.endpoint = proxies[name].Listen
		places = append(places, at)
	}
	r := newRegion(t, 8*time.Second, place{}, places...)
	named := func(name string) string { return strings.ReplaceAll(name, " ", "") }
	r.publish(t)
	for _, at := range places {
		r.served(t, at.folder)
	}
	for name, line := range toxics() {
		_, err := proxies[name].Toxics.AddToxicJson(strings.NewReader(line.toxic[:1] + `"name": "line",` + line.toxic[1:]))
		must(t, err)
	}
	for range 3 {
		r.publish(t)
		r.served(t, "healthy")
		waits := r.waits(t)
		t.Logf("the healthy one has all; waiting for the others: %v", waits)
		for name, line := range toxics() {
			if !line.open && waits[named(name)] == 0 {
				t.Errorf("nothing waits for %s, over whose line nothing can go: the test shows nothing", name)
			}
		}
	}
	for name, line := range toxics() {
		if !line.open {
			must(t, proxies[name].Toxics.RemoveToxic(context.WithoutCancel(t.Context()), "line"))
		}
	}
	for _, at := range places {
		r.served(t, at.folder)
	}
	r.settle(t)
}
