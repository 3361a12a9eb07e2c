package rest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

type thirdHello struct {
	Issuer      string            `json:"issuer"`
	Audience    string            `json:"audience"`
	Time        string            `json:"time"`
	Protocol    []int             `json:"protocol"`
	Kinds       []string          `json:"kinds"`
	CodeLists   map[string]string `json:"codeLists"`
	Register    uint64            `json:"register"`
	Incarnation uint64            `json:"incarnation"`
	Holds       thirdDigest       `json:"holds"`
}

// hello is what this program tells a peer.
func (p *thirdParty) hello(peer string, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signer.sign(thirdHelloType, thirdJSON(thirdHello{
		Issuer: p.oin, Audience: peer, Time: thirdTime(now), Protocol: []int{1}, Kinds: []string{"capacity", "capacity-state"},
		CodeLists: p.schemas.codeLists(), Register: p.register.Version, Incarnation: 1, Holds: p.sender(peer).holds(),
	}))
}

// heard verifies the hello of a peer. The status is that of HTTP.
func (p *thirdParty) heard(peer, token string, now time.Time) (h thirdHello, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := thirdSplit(token)
	if err != nil {
		return h, http.StatusBadRequest
	}
	payload, err := t.open(thirdHelloType, p.keyOf(peer, now))
	if err != nil {
		return h, http.StatusUnauthorized
	}
	if p.schemas.judge("hello.v1.json", payload, "") != "" || json.Unmarshal(payload, &h) != nil || h.Issuer != peer || h.Audience != p.oin {
		return h, http.StatusBadRequest
	}
	if !slices.Contains(h.Protocol, 1) {
		return h, http.StatusConflict
	}
	p.sender(peer).register = h.Register
	return h, http.StatusOK
}

// ServeHTTP is the peer API.
func (p *thirdParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("API-Version", "1.0.0")
	peer, err := p.peerOf(r.TLS)
	if err != nil {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 8_000_000))
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	var in struct {
		Messages []string `json:"messages"`
		Hello    string   `json:"hello"`
	}
	if _, err := thirdParse(body); err != nil || json.Unmarshal(body, &in) != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/messages":
		_, err = w.Write(thirdJSON(p.accept(peer, in.Messages, time.Now())))
	case "POST /v1/hello":
		_, status := p.heard(peer, in.Hello, time.Now())
		w.WriteHeader(status)
		_, err = w.Write(thirdJSON(map[string]string{"hello": p.hello(peer, time.Now())}))
	default:
		http.NotFound(w, r)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

func thirdPin(c *x509.Certificate) string { return thirdHash(c.RawSubjectPublicKeyInfo) }

// peerOf is the party whose pin the certificate of a connection has.
func (p *thirdParty) peerOf(state *tls.ConnectionState) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, party := range p.register.Parties {
		if slices.Contains(party.TLSPins, thirdPin(state.PeerCertificates[0])) {
			return party.OIN, nil
		}
	}
	return "", errors.New("not a party")
}

// serve answers peers until the context ends.
func (p *thirdParty) serve(ctx context.Context, listener net.Listener, own tls.Certificate) error {
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // connections that are cut off are the peer's to try again
	defer stop()
	err := server.Serve(tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
		VerifyConnection: func(s tls.ConnectionState) error { _, err := p.peerOf(&s); return err },
	}))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// thirdClient calls the API of one peer.
type thirdClient struct {
	endpoint string
	http     *http.Client
	paths    map[string]string // method and path by operation, from openapi.json
}

// thirdReadAPI learns methods and paths from a description of the API.
func thirdReadAPI(openAPI []byte) (map[string]string, error) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for path, methods := range doc.Paths {
		for method, operation := range methods {
			paths[operation.OperationID] = strings.ToUpper(method) + " " + path
		}
	}
	return paths, nil
}

// client connects to a party of the register, by its pins. protocols are those
// that it offers for what comes over TLS.
func (p *thirdParty) client(peer string, own tls.Certificate, paths map[string]string, protocols ...string) (*thirdClient, error) {
	party, ok := p.register.party(peer)
	if !ok {
		return nil, errors.New("not a party")
	}
	return &thirdClient{endpoint: party.Endpoint, paths: paths, http: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{ForceAttemptHTTP2: slices.Contains(protocols, "h2"), TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS13, NextProtos: protocols,
			InsecureSkipVerify: true, // the pin is what counts
			VerifyConnection: func(s tls.ConnectionState) error {
				if !slices.Contains(party.TLSPins, thirdPin(s.PeerCertificates[0])) {
					return errors.New("another server")
				}
				return nil
			},
		}},
	}}, nil
}

// call does one operation. The answer is of the content type wanted, or a
// problem.
func (c *thirdClient) call(operation string, body any, want string) (status int, answer []byte, err error) {
	method, path, ok := strings.Cut(c.paths[operation], " ")
	if !ok {
		return 0, nil, errors.New("the description has no operation " + operation)
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(thirdJSON(body))
	}
	req, err := http.NewRequest(method, c.endpoint+path, content)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(res.Body, 8_000_000)); err != nil {
		return 0, nil, err
	}
	if res.StatusCode != http.StatusOK {
		want = "application/problem+json"
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != want {
		return res.StatusCode, answer, fmt.Errorf("the answer is %q, not %s", kind, want)
	}
	if res.Header.Get("API-Version") == "" {
		return res.StatusCode, answer, errors.New("no API-Version")
	}
	return res.StatusCode, answer, nil
}

// send delivers tokens and verifies the receipts.
func (p *thirdParty) send(c *thirdClient, peer string, tokens ...string) ([]thirdItem, thirdAnswer, error) {
	status, body, err := c.call("sendMessages", map[string]any{"messages": tokens}, "application/json")
	if err != nil || status != http.StatusOK {
		return nil, thirdAnswer{}, fmt.Errorf("status %d: %s: %w", status, body, err)
	}
	if reason := p.schemas.judge("receipts.v1.json", body, ""); reason != "" {
		return nil, thirdAnswer{}, thirdRefusal(reason)
	}
	var answer thirdAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, answer, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return answer.Items, answer, p.believe(peer, tokens, answer, time.Now())
}

// greet says hello and verifies the answer.
func (p *thirdParty) greet(c *thirdClient, peer string) (thirdHello, error) {
	status, body, err := c.call("exchangeHello", map[string]string{"hello": p.hello(peer, time.Now())}, "application/json")
	if err != nil || status != http.StatusOK {
		return thirdHello{}, fmt.Errorf("status %d: %s: %w", status, body, err)
	}
	var answer struct{ Hello string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return thirdHello{}, err
	}
	h, status := p.heard(peer, answer.Hello, time.Now())
	if status != http.StatusOK {
		return h, fmt.Errorf("the answer is no hello: %d", status)
	}
	return h, nil
}

// event makes a message of the kind capacity to a peer; change may spoil it.
func (p *thirdParty) event(peer, subject string, data json.RawMessage, change func(map[string]any)) string {
	p.mu.Lock()
	p.sequence++
	sequence := p.sequence
	p.mu.Unlock()
	now := time.Now().UTC()
	e := map[string]any{
		"specversion": "1.0", "id": thirdUUID(now), "source": thirdURN + p.oin, "recipient": thirdURN + peer,
		"type": "nl.doorstroom.capacity.v1", "dataschema": "https://doorstroom.example/schemas/capacity.v1.json",
		"datacontenttype": "application/json", "time": thirdTime(now), "expires": thirdTime(now.AddDate(0, 0, 14)),
		"subject": subject, "sequence": strconv.FormatUint(sequence, 10), "incarnation": "1", "data": data,
	}
	if change != nil {
		change(e)
	}
	return p.signer.sign(thirdMessage, thirdJSON(e))
}

// thirdUUID is a UUIDv7, RFC 9562 §5.7.
func thirdUUID(now time.Time) string {
	b := make([]byte, 16)
	rand.Read(b)
	for i, ms := 5, now.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		b[i] = byte(ms)
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// data is what is held of a sender, by offer.
func (p *thirdParty) data(sender string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := map[string]string{}
	for _, s := range p.sender(sender).held {
		var d struct{ Offer string }
		if !s.gone && json.Unmarshal(s.data, &d) == nil {
			held[d.Offer] = string(s.data)
		}
	}
	return held
}

// forget loses everything, as after a fire.
func (p *thirdParty) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.items, p.senders = map[string]thirdItem{}, map[string]*thirdSender{}
}
