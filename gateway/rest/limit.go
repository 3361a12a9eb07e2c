package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// bodiesPerPeer is how many bodies of one peer are in memory. A node sends one
// batch at a time, and now and then a hello beside it.
const bodiesPerPeer = 2

// refusalPause is how long a request that is one too many waits for its answer.
// Each refusal costs a connection, whose handshake is dearer than the request:
// answered at once, a flood would get as many as it likes.
const refusalPause = time.Second

// limiter bounds what each peer asks, so that one never slows another. It keeps
// a few words per peer that ever called; only parties of the register do.
type limiter struct {
	limits Limits

	mu    sync.Mutex
	peers map[gateway.OIN]*usage // guarded by mu

	connections map[gateway.OIN]int // guarded by mu; open ones on which the peer has asked something
}

// usage is a token bucket and a count of requests under way.
type usage struct {
	running int
	tokens  float64
	at      time.Time // when tokens was right
	bodies  chan struct{}
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, peers: map[gateway.OIN]*usage{}, connections: map[gateway.OIN]int{}}
}

// begin asks leave for one request of a peer; after true, end must follow.
func (l *limiter) begin(peer gateway.OIN, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := float64(l.limits.RequestsPerSecond)
	u := l.peers[peer]
	if u == nil {
		u = &usage{tokens: rate, at: now, bodies: make(chan struct{}, bodiesPerPeer)}
		l.peers[peer] = u
	}
	u.tokens = min(rate, u.tokens+rate*now.Sub(u.at).Seconds())
	u.at = now
	if u.tokens < 1 || u.running >= l.limits.RequestsPerPeer {
		return false
	}
	u.tokens--
	u.running++
	return true
}

func (l *limiter) end(peer gateway.OIN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers[peer].running--
}

// body waits until the peer may send one more body; after true, free must follow
// when nothing of it is kept any more. Until then nothing of it is read, so that
// it waits at the peer's side. begin must have given leave.
func (l *limiter) body(ctx context.Context, peer gateway.OIN) (free func(), ok bool) {
	l.mu.Lock()
	bodies := l.peers[peer].bodies
	l.mu.Unlock()
	wait, cancel := context.WithTimeout(ctx, l.limits.ReadTimeout)
	defer cancel()
	select {
	case bodies <- struct{}{}:
		return func() { <-bodies }, true
	case <-wait.Done():
		return nil, false
	}
}

// perPeer refuses what a peer asks too often or too much at once.
func perPeer(limits Limits, next http.Handler) http.Handler {
	l := newLimiter(limits)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := peerIn(r.Context())
		refuse := func() {
			select {
			case <-time.After(refusalPause):
			case <-r.Context().Done():
			}
			observedIn(r.Context()).Limited = true
			w.Header().Set("Connection", "close")
			writeProblem(w, newProblem(http.StatusTooManyRequests, "more requests than this node accepts of one party"))
		}
		if !l.connected(r.Context(), peer) || !l.begin(peer, time.Now()) {
			refuse()
			return
		}
		defer l.end(peer)
		if r.Method == http.MethodPost {
			free, ok := l.body(r.Context(), peer)
			if !ok {
				refuse()
				return
			}
			defer free()
		}
		next.ServeHTTP(w, r)
	})
}
