package rest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	ourNode "github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// encounter is a real node of Smile and a third party's of Drechtwerk, in one
// register, over mutual TLS on loopback.
type encounter struct {
	t      *testing.T
	node   *ourNode.Node
	third  *thirdParty
	client *thirdClient
	cert   tls.Certificate // of the third party
	paths  map[string]string
}

// thirdWaits bounds what takes milliseconds.
const thirdWaits = time.Minute

func meet(t *testing.T) *encounter {
	t.Helper()
	listener := loopback(t)
	signer, cert := thirdIdentity(t)
	schemas, err := thirdReadSchemas("../../schemas")
	if err != nil {
		t.Fatal(err)
	}
	m := &encounter{t: t, cert: cert, third: newThirdParty(string(vDrechtwerk), signer, schemas)}
	registrar, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	peers, public := gatewaytest.FreeAddress(t), gatewaytest.FreeAddress(t)
	smile, err := ourNode.Create(dir, ourNode.Plan{
		Party: vSmile, Name: "Smile", Kind: gateway.Leerwerkbedrijf, Endpoint: "https://" + peers,
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@smile.example"},
		Listen:  config.Listen{Peers: peers, Public: public}, Anchors: []string{registrar.KID()},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file := signedRegister(t, registrar, smile, m.enrol("https://"+listener.Addr().String()))
	if err := os.WriteFile(filepath.Join(dir, "register.jws"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if m.third.register, err = thirdFirstRegister(schemas, file, []string{registrar.KID()}); err != nil {
		t.Fatal(err)
	}
	m.serve(listener)
	m.start(dir)
	if m.paths, err = thirdReadAPI(get(t, "http://"+public+"/openapi.json")); err != nil {
		t.Fatal(err)
	}
	if m.client, err = m.third.client(string(vSmile), cert, m.paths); err != nil {
		t.Fatal(err)
	}
	return m
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// thirdIdentity is a signing key and a self-signed certificate.
func thirdIdentity(t *testing.T) (thirdSigner, tls.Certificate) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Drechtwerk"},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return newThirdSigner(private, now), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// enrol is what the third party gives the registrar, who reads it as JSON.
func (m *encounter) enrol(endpoint string) gateway.Party {
	m.t.Helper()
	entry := thirdEntry{
		OIN: m.third.oin, Endpoint: endpoint, SigningKeys: []thirdKey{m.third.signer.public}, TLSPins: []string{thirdPin(m.cert.Leaf)},
	}
	raw := thirdJSON(map[string]any{
		"oin": entry.OIN, "name": "Drechtwerk", "kind": "leerwerkbedrijf", "endpoint": endpoint, "tlsPins": entry.TLSPins,
		"signingKeys": []any{map[string]any{
			"kid": m.third.signer.public.KID, "jwk": m.third.signer.public.JWK, "validFrom": thirdTime(m.third.signer.public.ValidFrom),
		}},
		"contact":      map[string]string{"name": "Servicepunt", "email": "servicepunt@drechtwerk.example"},
		"keyStatement": m.third.signer.sign(thirdKeys, entry.statement("")),
	})
	var party gateway.Party
	if err := json.Unmarshal(raw, &party); err != nil {
		m.t.Fatal(err)
	}
	return party
}

func signedRegister(t *testing.T, registrar *seal.Key, parties ...gateway.Party) []byte {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	doc := register.New([]register.Signer{{Name: "Registerhouder", Key: registrar.Public(now)}}, 1, now)
	for _, p := range parties {
		doc = register.Add(doc, p)
	}
	file, err := register.Encode(doc)
	if err != nil {
		t.Fatal(err)
	}
	if file, err = register.Sign(file, registrar); err != nil {
		t.Fatal(err)
	}
	return file
}

func (m *encounter) serve(listener net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.third.serve(ctx, listener, m.cert) }()
	m.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Error(err)
		}
	})
}

func (m *encounter) start(dir string) {
	m.t.Helper()
	c, err := config.Load(filepath.Join(dir, ourNode.ConfigFile))
	if err != nil {
		m.t.Fatal(err)
	}
	c.Listen.Ops = ""
	if m.node, err = ourNode.New(context.Background(), ourNode.Options{Config: c, Log: slog.New(slog.DiscardHandler)}); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := m.node.Stop(context.Background()); err != nil {
			m.t.Error(err)
		}
	})
	if err := m.node.Start(context.Background()); err != nil {
		m.t.Fatal(err)
	}
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	c := &http.Client{Timeout: thirdWaits}
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v", url, res.StatusCode, err)
	}
	return body
}

func (m *encounter) publish(offers ...gateway.Offer) {
	m.t.Helper()
	_, err := m.node.Desk.PublishCapacity(context.Background(), gatewaytest.Everyone(),
		gateway.Import{Source: "test", Full: true, Offers: offers}, true)
	if err != nil {
		m.t.Fatalf("publish: %v", err)
	}
}

// thirdHolds waits until the third party holds exactly this of Smile.
func (m *encounter) thirdHolds(want map[string]string) {
	m.t.Helper()
	deadline := time.After(thirdWaits)
	for !maps.Equal(m.third.data(string(vSmile)), want) {
		select {
		case <-m.third.changed:
		case <-deadline:
			m.t.Fatalf("the third party holds %v, want %v", m.third.data(string(vSmile)), want)
		}
	}
}

// nodeHolds are the titles of what the real node holds of the third party.
func (m *encounter) nodeHolds() map[string]string {
	m.t.Helper()
	offers, err := m.node.Store.ReceivedOffers(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	held := map[string]string{}
	for _, o := range offers {
		held[o.Capacity.Offer] = o.Capacity.Title
	}
	return held
}

// TestThirdParty: who has only the protocol, the description of the API, the
// schemas and the vectors can take part.
func TestThirdParty(t *testing.T) {
	t.Parallel()
	m := meet(t)

	// It receives what the policy shows a leerwerkbedrijf, and nothing else.
	m.publish(gatewaytest.Offer("groen"))
	shown := map[string]string{"groen": `{"offer":"groen","provider":"00000099000000001000","title":"Groen in de wijk","werksoorten":["groen"],` +
		`"location":{"gemeente":"gm0482"},"validFrom":"2000-01-01","validUntil":"2099-12-31"}`}
	m.thirdHolds(shown)

	// It loses everything, and says so: the real node sends it again.
	m.third.forget()
	h, err := m.third.greet(m.client, string(vSmile))
	if err != nil {
		t.Fatalf("hello: %v", err)
	}
	if h.Register != 1 || !slices.Contains(h.Kinds, "capacity") || h.Holds.Count != 0 || h.Holds.Digest != thirdHash(nil) {
		t.Errorf("got the hello %+v", h)
	}
	m.thirdHolds(shown)

	m.publish() // nothing any more
	m.thirdHolds(map[string]string{})

	m.sends()
	m.fetchesRegister()
}

// sends: the third party publishes to the real node, and believes its receipts.
func (m *encounter) sends() {
	t := m.t
	t.Helper()
	to := string(vSmile)
	offer := func(id, title string) json.RawMessage {
		return json.RawMessage(`{"offer":"` + id + `","provider":"` + m.third.oin + `","title":"` + title + `","validFrom":"2000-01-01","validUntil":"2099-12-31"}`)
	}
	good := m.third.event(to, "hout", offer("hout", "Hout"), nil)
	other := m.third.event(to, "metaal", offer("metaal", "Metaal"), func(e map[string]any) { e["recipient"] = thirdURN + string(vDordrecht) })
	coffee := m.third.event(to, "koffie", offer("koffie", "Koffie"), func(e map[string]any) { e["naam"] = "x" })
	items, answer, err := m.third.send(m.client, to, good, other, coffee)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	var got []string
	for _, item := range items {
		got = append(got, strings.TrimSpace(item.Outcome+" "+item.Reason))
	}
	if want := []string{"received", "refused recipient", "refused schema"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := m.nodeHolds(); !maps.Equal(got, map[string]string{"hout": "Hout"}) {
		t.Errorf("the real node holds %v", got)
	}

	// One item is enough for who has the head: here with the other two as its path.
	first, second, third := thirdLeaf(thirdJSON(items[0])), thirdLeaf(thirdJSON(items[1])), thirdLeaf(thirdJSON(items[2]))
	path := []string{hex.EncodeToString(second), hex.EncodeToString(third)}
	if !thirdProves(headOf(t, answer).Root, thirdJSON(items[0]), 0, 3, path) || thirdProves(headOf(t, answer).Root, thirdJSON(items[1]), 0, 3, path) {
		t.Errorf("the audit path of %x does not prove the item, or another too", first)
	}

	again, _, err := m.third.send(m.client, to, good)
	if err != nil || again[0] != items[0] {
		t.Errorf("a duplicate: got %+v, %v; want %+v", again, err, items[0])
	}
	newer := m.third.event(to, "hout", offer("hout", "Hout en meubels"), nil)
	if items, _, err := m.third.send(m.client, to, newer, good); err != nil || items[0].Outcome != "received" || items[1] != again[0] {
		t.Errorf("a newer snapshot and the old one again: got %+v, %v", items, err)
	}
	if got := m.nodeHolds(); !maps.Equal(got, map[string]string{"hout": "Hout en meubels"}) {
		t.Errorf("the real node holds %v", got)
	}
	h, err := m.third.greet(m.client, to)
	token, splitErr := thirdSplit(newer)
	if err != nil || splitErr != nil {
		t.Fatalf("hello: %v %v", err, splitErr)
	}
	if want := (thirdDigest{1, thirdHash([]byte("hout 4 " + thirdHash(token.payload) + "\n"))}); h.Holds != want {
		t.Errorf("the real node says it holds %+v, want %+v", h.Holds, want)
	}
}

// headOf reads what was signed; send has verified it.
func headOf(t *testing.T, answer thirdAnswer) (head thirdHead) {
	t.Helper()
	token, err := thirdSplit(answer.Head)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(token.payload, &head); err != nil {
		t.Fatal(err)
	}
	return head
}

// fetchesRegister: the register that the real node gives, also by its version, is
// the one both have; wrong requests are problems.
func (m *encounter) fetchesRegister() {
	t := m.t
	t.Helper()
	for _, version := range []string{"1", "2"} {
		m.client.paths["version "+version] = strings.ReplaceAll(m.client.paths["getRegisterVersion"], "{version}", version)
	}
	for _, operation := range []string{"getRegister", "version 1"} {
		status, file, err := m.client.call(operation, nil, "application/jose+json")
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %v", operation, status, err)
		}
		if got, err := thirdReadRegister(m.third.schemas, file, m.third.register); err != nil || got.hash != m.third.register.hash {
			t.Errorf("%s: another register: %v", operation, err)
		}
	}
	if status, _, err := m.client.call("version 2", nil, "application/jose+json"); err != nil || status != http.StatusNotFound {
		t.Errorf("a version that is not there: got %d %v, want 404", status, err)
	}
	for operation, body := range map[string]any{
		"sendMessages": map[string]any{"messages": []string{}}, "exchangeHello": map[string]string{"hello": "hallo"},
	} {
		status, answer, err := m.client.call(operation, body, "application/json")
		var problem struct{ Status int }
		if err != nil || status != http.StatusBadRequest || json.Unmarshal(answer, &problem) != nil || problem.Status != status {
			t.Errorf("%s: got %d %s, %v; want a problem with status 400", operation, status, answer, err)
		}
	}
}

// TestThirdPartyTLS: who is not pinned does not get in, and who offers HTTP/2
// first gets HTTP/1.1.
func TestThirdPartyTLS(t *testing.T) {
	t.Parallel()
	m := meet(t)
	_, stranger := thirdIdentity(t)
	for name, own := range map[string]tls.Certificate{"a stranger": stranger, "nobody": {}} {
		c, err := m.third.client(string(vSmile), own, m.paths)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, err := c.call("getRegister", nil, "application/jose+json"); err == nil {
			t.Errorf("%s got an answer: %d", name, status)
		}
	}
	c, err := m.third.client(string(vSmile), m.cert, m.paths, "h2", "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.third.greet(c, string(vSmile)); err != nil {
		t.Errorf("a client that knows HTTP/2 too: %v", err)
	}
}
