package rest

import (
	"bytes"
	"context"
	"crypto/tls"
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
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// PeerOptions is what a PeerClient works with. TLS and Limits are required.
type PeerOptions struct {
	// TLS is the configuration for connections to a peer: own certificate, and
	// how the peer's is checked against the register.
	TLS    func(peer gateway.Party) *tls.Config
	Limits Limits
	// Timeout of one request; the context of a call may make it shorter.
	Timeout time.Duration
	// Dial makes connections; nil for TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// PeerClient calls the peer API of other nodes. It is safe for concurrent use.
// It follows no redirects, uses no proxy, and reads bounded answers strictly.
// Its errors are gateway.Errors: Unavailable when nothing is known of the
// effect, otherwise the kind that the peer's problem stands for. What a peer
// wrote is kept for the log, never in the Message.
type PeerClient struct {
	opt PeerOptions

	mu    sync.Mutex
	peers map[gateway.OIN]*peerLink // guarded by mu
}

// peerLink is the transport to one peer as the register described it.
type peerLink struct {
	endpoint string
	pins     []string
	http     *http.Client
}

// NewPeerClient makes a client; it starts nothing.
func NewPeerClient(opt PeerOptions) *PeerClient {
	return &PeerClient{opt: opt, peers: map[gateway.OIN]*peerLink{}}
}

// Send delivers a batch.
func (c *PeerClient) Send(ctx context.Context, peer gateway.Party, batch gateway.Batch) (gateway.Receipts, error) {
	var receipts gateway.Receipts
	body, err := encodeBatch(batch)
	if err != nil {
		return receipts, err
	}
	err = c.post(ctx, peer, pathMessages, body, &receipts)
	return receipts, err
}

// Hello exchanges hello.
func (c *PeerClient) Hello(ctx context.Context, peer gateway.Party, token string) (string, error) {
	var answer HelloToken
	err := c.post(ctx, peer, pathHello, HelloToken{token}, &answer)
	return answer.Hello, err
}

// Register fetches the signed register of a version, 0 being the one that the
// peer has in force; the caller verifies it.
func (c *PeerClient) Register(ctx context.Context, peer gateway.Party, version uint64) ([]byte, error) {
	path := pathRegister
	if version != 0 {
		path += "/" + strconv.FormatUint(version, 10)
	}
	return c.ask(ctx, peer, http.MethodGet, path, nil, typeJOSE)
}

// Close closes connections that are not in use.
func (c *PeerClient) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, link := range c.peers {
		link.http.CloseIdleConnections()
	}
}

func (c *PeerClient) post(ctx context.Context, peer gateway.Party, path string, body, answer any) error {
	data, err := c.ask(ctx, peer, http.MethodPost, path, body, typeJSON)
	if err != nil {
		return err
	}
	if err := decodeJSON(data, answer); err != nil {
		return gateway.Wrap(gateway.Unavailable, err, "the answer of the peer cannot be read")
	}
	return nil
}

// ask does one request and gives the body of a good answer of the wanted type.
func (c *PeerClient) ask(ctx context.Context, peer gateway.Party, method, path string, body any, want string) ([]byte, error) {
	req, err := newRequest(ctx, method, endpoint(peer)+path, body)
	if err != nil {
		return nil, err
	}
	res, err := exchange(c.link(peer).http, req, c.opt.Limits.BodyBytes)
	if err != nil {
		return nil, gateway.Wrap(gateway.Unavailable, err, "no answer of the peer")
	}
	if res.status != http.StatusOK {
		return nil, peerRefusal(res)
	}
	if res.contentType != want {
		return nil, gateway.Errorf(gateway.Unavailable, "the answer of the peer is not %s", want)
	}
	return res.body, nil
}

// peerRefusal is the error for any status but 200. Only a problem of a kind that
// nodes answer means something; all else may come from anything that stands in
// between, and says nothing of the effect.
func peerRefusal(res response) error {
	text := fmt.Sprintf("the peer answered status %d", res.status)
	p, kind, ok := res.problem()
	if !ok {
		return gateway.Errorf(gateway.Unavailable, "%s", text)
	}
	if kind == gateway.Internal {
		kind = gateway.Unavailable // its fault, not ours
	}
	return gateway.Wrap(kind, p, text)
}

func endpoint(peer gateway.Party) string { return strings.TrimSuffix(peer.Endpoint, "/") }

// link is the transport to a peer. When the register gives the peer another
// address or other pins, connections made under the old ones are not used again.
func (c *PeerClient) link(peer gateway.Party) *peerLink {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.peers[peer.OIN]
	if old != nil && old.endpoint == peer.Endpoint && slices.Equal(old.pins, peer.TLSPins) {
		return old
	}
	if old != nil {
		old.http.CloseIdleConnections()
	}
	link := &peerLink{peer.Endpoint, slices.Clone(peer.TLSPins), c.newHTTP(peer)}
	c.peers[peer.OIN] = link
	return link
}

func (c *PeerClient) newHTTP(peer gateway.Party) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Timeout:       c.opt.Timeout,
		CheckRedirect: noRedirect,
		Transport: &http.Transport{
			TLSClientConfig:        c.opt.TLS(peer),
			DialContext:            c.opt.Dial,
			Protocols:              protocols,
			TLSHandshakeTimeout:    c.opt.Limits.HeaderTimeout,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        c.opt.Limits.IdleTimeout / 2, // before the peer closes
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true,
		},
	}
}

// noRedirect gives the redirect itself as the answer, which then is an error:
// whoever answers for a peer is in the register.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// encoded is a body that was written already.
type encoded []byte

// encodeBatch writes a batch as encoding/json does, which takes ten times as long
// to look at every byte of it. Tokens have no byte that must be escaped.
func encodeBatch(batch gateway.Batch) (encoded, error) {
	if batch.Messages == nil {
		return json.Marshal(batch)
	}
	size := 32
	for _, token := range batch.Messages {
		size += len(token) + 3
		if !gateway.AsItIs([]byte(token)) {
			return json.Marshal(batch) // whatever it is, it is none of ours
		}
	}
	b := append(make([]byte, 0, size), `{"messages":[`...)
	for i, token := range batch.Messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), token...), '"')
	}
	return append(b, "]}"...), nil
}

func newRequest(ctx context.Context, method, url string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		data, written := body.(encoded)
		if !written {
			var err error
			if data, err = json.Marshal(body); err != nil {
				return nil, fmt.Errorf("write request: %w", err)
			}
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "the address to call is not an address")
	}
	if body != nil {
		req.Header.Set("Content-Type", typeJSON)
	}
	return req, nil
}

// maxDetail bounds what one answer can add to the log.
const maxDetail = 1000

// response is an answer that was read to its end.
type response struct {
	status      int
	contentType string
	body        []byte
	beginAfter  string // of an answer about events
}

// problem reads an answer as a problem of one of our servers.
func (r response) problem() (*Problem, gateway.Kind, bool) {
	kind, known := kindOf(r.status)
	var p Problem
	if r.contentType != typeProblem || !known || json.Unmarshal(r.body, &p) != nil {
		return nil, gateway.Internal, false
	}
	p.Detail = p.Detail[:min(len(p.Detail), maxDetail)] // it goes to the log
	return &p, kind, true
}

// exchange does one request and reads at most limit bytes of the answer; more
// is an error.
func exchange(client *http.Client, req *http.Request, limit int64) (response, error) {
	res, err := client.Do(req)
	if err != nil {
		return response{}, fmt.Errorf("call: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols { // its body is the connection, and knows no deadline
		return response{}, errors.New("the answer is another protocol")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return response{}, fmt.Errorf("read the answer: %w", err)
	}
	if int64(len(body)) > limit {
		return response{}, fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	contentType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		contentType = "" // as if there were none
	}
	return response{res.StatusCode, contentType, body, res.Header.Get(headerBeginAfter)}, nil
}
