package gatewaytest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// noting is a test whose errors do not fail this one.
type noting struct {
	testing.TB
	mu     sync.Mutex
	errors []string // guarded by mu
}

func (n *noting) Errorf(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.errors = append(n.errors, fmt.Sprintf(format, args...))
}

func (n *noting) noted() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.errors, "\n")
}

// TestWatchSeesLeaks: a projection that lets out more than the decision is played
// by putting what it would make in the outbox. Whoever watches must see each, and
// nothing in what is honest.
func TestWatchSeesLeaks(t *testing.T) {
	t.Parallel()
	members := []gt.Member{
		{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}},
		{OIN: gt.Molenlanden, Name: "Molenlanden", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm1978"}},
		{OIN: gt.GRS, Name: "GRS", Kind: gateway.GRS},
	}
	five := 5
	for name, leak := range map[string]struct {
		to   gateway.OIN
		data func(honest gateway.Capacity, o gateway.Offer) []byte
		want string
	}{
		"nothing": {gt.Molenlanden, func(c gateway.Capacity, _ gateway.Offer) []byte {
			c.Title += "." // so that it is another message
			return encoded(c)
		}, ""},
		"a field": {gt.Molenlanden, func(c gateway.Capacity, o gateway.Offer) []byte {
			c.Contact = o.Contact
			return encoded(c)
		}, "contact as exact, at most none"},
		"a form": {gt.Molenlanden, func(c gateway.Capacity, _ gateway.Offer) []byte {
			c.Places = []gateway.CapacityPlaces{{Dagdeel: "ma-ochtend", Maximum: &five, Available: &five}}
			return encoded(c)
		}, "places.available as exact, at most band"},
		"the address, to one who sees the region": {gt.GRS, func(c gateway.Capacity, o gateway.Offer) []byte {
			c.Location.Postcode = o.Location.Postcode
			return encoded(c)
		}, "location.postcode as exact, at most none"},
		"an allotment of another": {gt.Alblasserdam, func(c gateway.Capacity, o gateway.Offer) []byte {
			c.Allotments = append(c.Allotments, gateway.CapacityAllotted{ID: "dordrecht"})
			return encoded(c)
		}, "an allotment of others"},
		"what it sees of other offers only": {gt.Alblasserdam, func(c gateway.Capacity, o gateway.Offer) []byte {
			c.Contact = o.Contact
			return encoded(c)
		}, "contact as exact, at most none"},
		"a withdrawal that tells": {gt.Molenlanden, func(c gateway.Capacity, o gateway.Offer) []byte {
			return encoded(gateway.Capacity{Offer: c.Offer, Provider: c.Provider, Withdrawn: true, Title: o.Title})
		}, "title as exact, at most none"},
		"what no schema has": {gt.Molenlanden, func(c gateway.Capacity, o gateway.Offer) []byte {
			return []byte(strings.Replace(string(encoded(c)), "{", `{"client":"1",`, 1))
		}, `unknown field "client"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				n := &noting{TB: t}
				f := gt.NewFederation(n, members...)
				o := gt.Offer("groen")
				if name == "what it sees of other offers only" {
					o.Allotments = o.Allotments[1:] // not for Alblasserdam
				}
				f.Publish(gt.Smile, o)
				f.Settled(time.Hour)
				if got := n.noted(); got != "" {
					t.Fatalf("before anything leaks: got %s", got)
				}
				data := leak.data(f.Received(leak.to, gt.Smile)["groen"], o)
				smuggle(t, f, leak.to, "groen", data)
				time.Sleep(time.Hour)
				if got := f.Received(gt.Molenlanden, gt.Smile)["groen"].Title; name == "nothing" && got != o.Title+"." {
					t.Fatalf("got title %q, want that of the message that was put in the outbox", got)
				}
				switch got := n.noted(); {
				case leak.want == "" && got != "":
					t.Errorf("got %s, want nothing", got)
				case !strings.Contains(got, leak.want):
					t.Errorf("got %q, want %q", got, leak.want)
				}
			})
		})
	}
}

func encoded(c gateway.Capacity) []byte {
	data, _ := c.Encode()
	return data
}

// smuggle queues data about an offer past all decisions.
func smuggle(t *testing.T, f *gt.Federation, to gateway.OIN, offer string, data []byte) {
	t.Helper()
	n := f.Node(gt.Smile)
	rules := n.Desk.Rules()
	err := n.Store.Publish(context.Background(), time.Now(), store.Publication{Sends: []store.Send{{
		Recipients: []gateway.OIN{to}, Kind: gateway.KindCapacity, Subject: n.Exchange.Publisher.Subject(offer), Data: data, Hash: gateway.Hash(data),
		Basis: store.Basis{Policy: rules.Policy.Version(), Register: rules.Register.Version(), Day: gateway.DateOf(time.Now())},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	n.Exchange.Wake([]gateway.OIN{to})
}

// TestWatchSeesOtherRules: what is in force at the sender counts, not what the
// message was decided by.
func TestWatchSeesOtherRules(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		n := &noting{TB: t}
		f := gt.NewFederation(n,
			gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
			gt.Member{OIN: gt.Molenlanden, Name: "Molenlanden", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm1978"}})
		f.Settled(time.Hour)
		tampered := f.Node(gt.Smile).Exchange.Options
		honest := tampered.Rules
		tampered.Rules = func() publication.Rules {
			rules := honest()
			rules.Policy = f.Node(gt.Molenlanden).Desk.Rules().Policy // which shows nothing
			return rules
		}
		f.Net.Watch(n, gt.Smile, tampered)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		if got, want := n.noted(), "the offer itself"; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
