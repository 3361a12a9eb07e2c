package rest

import (
	"net/http"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

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
		u = &usage{tokens: rate, at: now}
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

// perPeer refuses what a peer asks too often or too much at once.
func perPeer(limits Limits, next http.Handler) http.Handler {
	l := newLimiter(limits)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := peerIn(r.Context())
		if !l.connected(r.Context(), peer) || !l.begin(peer, time.Now()) {
			observedIn(r.Context()).Limited = true
			w.Header().Set("Connection", "close")
			writeProblem(w, newProblem(http.StatusTooManyRequests, "more requests than this node accepts of one party"))
			return
		}
		defer l.end(peer)
		next.ServeHTTP(w, r)
	})
}
