package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// messageSize is that of a payload, about; the smoke test compares.
const messageSize = 1200

// cryptoLimit is how many messages per second all cores could sign and verify if
// they did nothing else, and what one takes of a core.
func cryptoLimit(d time.Duration) (perSecond float64, cpu time.Duration, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, 0, err
	}
	message := make([]byte, messageSize)
	rand.Read(message)
	var n, bad atomic.Int64
	var wg sync.WaitGroup
	used, begin := cpuTime(), time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(begin) < d {
				if !ed25519.Verify(public, message, ed25519.Sign(private, message)) {
					bad.Add(1)
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if bad.Load() > 0 {
		return 0, 0, errors.New("a signature did not verify")
	}
	return float64(n.Load()) / time.Since(begin).Seconds(), time.Duration((cpuTime() - used) / n.Load()), nil
}

// userHertz is the unit of /proc/stat, as Linux shows it to programs on all that
// Go runs on (proc(5), sysconf(3)).
const userHertz = 100

// stolen is the time that the machine below has not given to the cores of a
// virtual one when they had work, of all together since the start (proc(5),
// /proc/stat); 0 where the system does not tell.
func stolen() time.Duration {
	all, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(all), "\n")
	fields := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0
	}
	ticks, err := strconv.ParseInt(fields[8], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ticks) * time.Second / userHertz
}

// syncTimes writes a page to a file and syncs it, again and again.
func syncTimes(dir string, n int) (times []time.Duration, err error) {
	file, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	page := make([]byte, 4096)
	for i := range 64 { // as in a database, pages that are there are written anew
		if _, err := file.WriteAt(page, int64(i)*4096); err != nil {
			return nil, err
		}
	}
	for i := range n + 1 {
		page[0] = byte(i)
		begin := time.Now()
		if _, err := file.WriteAt(page, int64(i*7%64)*4096); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		if i > 0 { // the first also writes the size
			times = append(times, time.Since(begin))
		}
	}
	slices.Sort(times)
	return times, nil
}

// tripTimes asks the receiver for the register over the sender's mutual TLS: a
// request that reads nothing from disk.
func tripTimes(ctx context.Context, f *federation, n int) ([]time.Duration, error) {
	own, err := identity.Load(f.sender.config.Keys)
	if err != nil {
		return nil, err
	}
	peer := f.receiver.party
	client := rest.NewPeerClient(rest.PeerOptions{
		TLS: func(gateway.Party) *tls.Config {
			return identity.ClientTLS(own.TLS, func() (gateway.Party, bool) { return peer, true }, nil)
		},
		Limits:  rest.Limits{BodyBytes: gateway.MaxBody, HeaderTimeout: time.Second, IdleTimeout: time.Minute},
		Timeout: 10 * time.Second,
	})
	defer client.Close()
	var times []time.Duration
	for i := range n + 1 {
		begin := time.Now()
		if _, err := client.Register(ctx, peer, 0); err != nil {
			return nil, fmt.Errorf("ask the receiver: %w", err)
		}
		if i > 0 { // the first also made the connection
			times = append(times, time.Since(begin))
		}
	}
	slices.Sort(times)
	return times, sleep(ctx, time.Second) // the receiver's limit of requests recovers
}

// machine is what the figures were measured on.
func machine() string {
	name := "unknown processor"
	if file, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(file)) {
			if _, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(line, "model name") {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s, %s, %s/%s", runtime.GOMAXPROCS(0), name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
