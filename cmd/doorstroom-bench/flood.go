package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

const (
	floodLines  = 8    // as many requests as a node takes of one party at a time
	floodOffers = 5000 // that the valid messages are about
	floodOpen   = 100  // connections that each line keeps
)

// flood is a party of the register that asks too much of a node, with its own
// keys and over mutual TLS.
type flood struct {
	target gateway.Party
	key    *seal.Key
	tls    *tls.Config
	http   *http.Client
	data   []byte   // of a valid message
	spoilt []string // a batch of messages with the signatures of others
	noise  []string // a batch of no messages

	next  atomic.Uint64 // sequence, and incarnation of hellos
	tally floodTally
}

// floodTally is what a flood tells of itself at its end.
type floodTally struct {
	Requests atomic.Int64 // or connections, where these are the flood
	Refused  atomic.Int64 // of these, with status 429
	Failed   atomic.Int64 // of these, without an answer
}

// floodReport is the tally on the wire.
type floodReport struct {
	Requests, Refused, Failed int64
	CPU                       int64 // nanoseconds
}

// floodKind is one way to ask too much; the function does it once.
type floodKind struct {
	name, what string
	once       func(*flood, context.Context) error
}

func floodKinds() []floodKind {
	return []floodKind{
		{"valid", "valid messages", (*flood).valid},
		{"garbage", "batches of nonsense", func(f *flood, ctx context.Context) error { return f.batch(ctx, f.noise) }},
		{"signatures", "messages with bad signatures", func(f *flood, ctx context.Context) error { return f.batch(ctx, f.spoilt) }},
		{"hellos", "hellos, each another", (*flood).hello},
		{"register", "requests for the register", func(f *flood, ctx context.Context) error {
			return f.ask(ctx, http.MethodGet, "/v1/register", nil)
		}},
		{"drip", "bodies that come a byte at a time", (*flood).drip},
		{"bodies", "bodies of 8 MB", (*flood).body},
		{"connections", "connections, left open", (*flood).connect}, // last: they count for their address for a while
	}
}

// newFloodCommand is this program as a party that floods a node until its input
// ends.
func newFloodCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "flood CONFIG KIND", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds := floodKinds()
			i := slices.IndexFunc(kinds, func(k floodKind) bool { return k.name == args[1] })
			if i < 0 {
				return gateway.Errorf(gateway.Invalid, "there is no flood called %q", args[1])
			}
			f, err := newFlood(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() { // ends with the input, and so at the latest with the process
				_, _ = io.Copy(io.Discard, stdin)
				cancel()
			}()
			f.run(ctx, kinds[i])
			return json.NewEncoder(stdout).Encode(floodReport{
				f.tally.Requests.Load(), f.tally.Refused.Load(), f.tally.Failed.Load(), cpuTime(),
			})
		},
	}
}

func newFlood(configFile string) (*flood, error) {
	c, err := config.Load(configFile)
	if err != nil {
		return nil, err
	}
	pem, err := identity.ReadSecret(filepath.Join(c.Keys, "signing.pem"))
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	file, err := os.ReadFile(c.Register.File)
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	reg, err := register.Parse(file, c.Register.Anchors)
	if err != nil {
		return nil, err
	}
	own, err := identity.Load(c.Keys)
	if err != nil {
		return nil, err
	}
	f := &flood{}
	f.target, _ = reg.Party(receiverOIN)
	f.tls = identity.ClientTLS(own.TLS, func() (gateway.Party, bool) { return f.target, true }, nil)
	f.http = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: f.tls, DialContext: f.dial, MaxIdleConnsPerHost: floodLines,
	}}
	f.next.Store(uint64(time.Now().UnixNano()))
	if f.key, err = seal.ParseKey(pem); err != nil {
		return nil, err
	}
	return f, f.prepare()
}

// prepare makes what is the same in every request.
func (f *flood) prepare() error {
	o := newOffer("overlast", receiverGemeente, 1)
	o.Provider = flooderOIN
	shown := gateway.Project(o, gateway.Sampling{}.Advance(o, time.Now()), gateway.Recipient{}, gateway.Disclosure{gateway.FieldTitle: gateway.Exact})
	shown.Title += strings.Repeat(" en in de wijk", 10)
	f.data, _ = shown.Encode()
	for range gateway.MaxBatch {
		good, err := f.message()
		if err != nil {
			return err
		}
		other, err := f.message()
		if err != nil {
			return err
		}
		f.spoilt = append(f.spoilt, good[:strings.LastIndexByte(good, '.')]+other[strings.LastIndexByte(other, '.'):])
		noise := make([]byte, len(good))
		for i := range noise {
			noise[i] = byte('a' + rand.IntN(26))
		}
		f.noise = append(f.noise, string(noise))
	}
	return nil
}

// run floods until the context ends.
func (f *flood) run(ctx context.Context, kind floodKind) {
	var lines sync.WaitGroup
	for range floodLines {
		lines.Go(func() {
			for ctx.Err() == nil {
				f.tally.Requests.Add(1)
				if err := kind.once(f, ctx); err != nil && ctx.Err() == nil {
					f.tally.Failed.Add(1)
				}
			}
		})
	}
	lines.Wait()
}

// dial comes from an address of its own where the machine has more of them, as
// another party would.
func (f *flood) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if runtime.GOOS == "linux" {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	}
	return d.DialContext(ctx, network, address)
}

func (f *flood) ask(ctx context.Context, method, path string, body any) error {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = strings.NewReader(string(data))
	}
	req, err := http.NewRequestWithContext(ctx, method, f.target.Endpoint+path, content)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusTooManyRequests {
		f.tally.Refused.Add(1)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func (f *flood) batch(ctx context.Context, messages []string) error {
	return f.ask(ctx, http.MethodPost, "/v1/messages", gateway.Batch{Messages: messages})
}

func (f *flood) message() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	now, sequence := time.Now().UTC().Truncate(time.Second), f.next.Add(1)
	return seal.Sign(f.key, seal.Message, gateway.Message{
		ID: id.String(), Source: flooderOIN, Kind: gateway.KindCapacity, Time: now, Recipient: receiverOIN,
		Expires: now.Add(gateway.Lifetime), Subject: fmt.Sprintf("overlast%016d", sequence%floodOffers),
		Sequence: sequence, Incarnation: 1, Data: f.data,
	}.Encode())
}

func (f *flood) valid(ctx context.Context) error {
	var messages []string
	for range gateway.MaxBatch {
		m, err := f.message()
		if err != nil {
			return err
		}
		messages = append(messages, m)
	}
	return f.batch(ctx, messages)
}

func (f *flood) body(ctx context.Context) error {
	return f.batch(ctx, []string{strings.Repeat("a", gateway.MaxBody-100)})
}

func (f *flood) hello(ctx context.Context) error {
	b, err := json.Marshal(gateway.Hello{
		Issuer: flooderOIN, Audience: receiverOIN, Time: time.Now().UTC().Truncate(time.Second), Protocol: []int{1},
		Kinds: []string{gateway.KindCapacity}, CodeLists: map[string]string{}, Register: 1, Incarnation: f.next.Add(1),
		Holds: gateway.StateDigest{Count: 1, Digest: gateway.Hash(f.data)},
	})
	if err != nil {
		return err
	}
	token, err := seal.Sign(f.key, seal.Hello, b)
	if err != nil {
		return err
	}
	return f.ask(ctx, http.MethodPost, "/v1/hello", map[string]string{"hello": token})
}

// open makes a connection and begins a request on it.
func (f *flood) open(ctx context.Context, request string) (net.Conn, error) {
	inner, err := f.dial(ctx, "tcp", strings.TrimPrefix(f.target.Endpoint, "https://"))
	if err != nil {
		return nil, err
	}
	c := f.tls.Clone()
	c.ServerName = "127.0.0.1"
	conn := tls.Client(inner, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		inner.Close()
		return nil, err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connect makes many connections, asks something on each, and leaves them open.
func (f *flood) connect(ctx context.Context) error {
	for i := range floodOpen {
		conn, err := f.open(ctx, "GET /v1/register HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil {
			return err
		}
		defer conn.Close() // all together, when there are as many as one line keeps
		if i > 0 {
			f.tally.Requests.Add(1)
		}
	}
	return nil
}

// drip sends a body that never ends.
func (f *flood) drip(ctx context.Context) error {
	conn, err := f.open(ctx, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		if _, err := io.WriteString(conn, " "); err != nil {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
