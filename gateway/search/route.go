package search

import (
	"cmp"
	"math"
	"slices"
)

const (
	// detour is how much longer a cyclist's way is than the straight line, where no
	// water lies between. 1.2 to 1.4 is usual for Dutch towns.
	detour = 1.3
	// cornerKm is how far from a bend of the water its corner is passed.
	cornerKm = 0.15
	// kmPerMinute makes minutes of waiting and sailing comparable with cycling: 15 km/h.
	kmPerMinute = 0.25
)

// segment is a straight piece of water that nobody cycles across.
type segment struct {
	a, b                   point
	minX, maxX, minY, maxY float64
}

func newSegment(a, b point) segment {
	return segment{a, b, min(a.x, b.x), max(a.x, b.x), min(a.y, b.y), max(a.y, b.y)}
}

// side is positive if r lies left of the line from p to q.
func side(p, q, r point) float64 { return (q.x-p.x)*(r.y-p.y) - (q.y-p.y)*(r.x-p.x) }

// blocks tells whether the leg from p to q meets the water; touching is meeting.
func (s *segment) blocks(p, q point) bool {
	if max(p.x, q.x) < s.minX || min(p.x, q.x) > s.maxX || max(p.y, q.y) < s.minY || min(p.y, q.y) > s.maxY {
		return false
	}
	return side(p, q, s.a)*side(p, q, s.b) <= 0 && side(s.a, s.b, p)*side(s.a, s.b, q) <= 0
}

// net is where a way can bend: the two ends of every crossing, and the outer
// corners of the water. It does not change after it was made.
type net struct {
	water     []segment
	crossings []crossing
	nodes     []point // first the two ends of each crossing, in their order
	legs      [][]leg // by node
}

// leg is a way to a node without a bend.
type leg struct {
	to  int
	km  float64
	via int // index of the crossing it goes over, or -1
}

// crossing is a way over the water from one bank to the other.
type crossing struct {
	name  string
	ferry bool
	km    float64 // that it is worth, with waiting
	ends  [2]point
}

func newNet(water []segment, crossings []crossing) *net {
	n := &net{water: water, crossings: crossings}
	for _, c := range crossings {
		n.nodes = append(n.nodes, c.ends[0], c.ends[1])
	}
	n.nodes = append(n.nodes, corners(water)...)
	n.legs = make([][]leg, len(n.nodes))
	for i, p := range n.nodes {
		for j, q := range n.nodes[:i] {
			if n.clear(p, q) {
				n.join(i, j, p.to(q)*detour, -1)
			}
		}
	}
	for i, c := range crossings {
		n.join(2*i, 2*i+1, c.km, i)
	}
	return n
}

func (n *net) join(i, j int, km float64, via int) {
	n.legs[i] = append(n.legs[i], leg{j, km, via})
	n.legs[j] = append(n.legs[j], leg{i, km, via})
}

func (n *net) clear(p, q point) bool {
	for i := range n.water {
		if n.water[i].blocks(p, q) {
			return false
		}
	}
	return true
}

// corners are the points past which a way bends: at each bend of the water, on
// the side where there is more than half a turn of land. The ends of a line have
// none: the water goes on there.
func corners(water []segment) (all []point) {
	around := map[point][]float64{} // the directions of the water from a bend
	var order []point
	add := func(from, to point) {
		if around[from] == nil {
			order = append(order, from)
		}
		around[from] = append(around[from], math.Atan2(to.y-from.y, to.x-from.x))
	}
	for _, s := range water {
		add(s.a, s.b)
		add(s.b, s.a)
	}
	for _, bend := range order {
		angles := around[bend]
		if len(angles) < 2 {
			continue
		}
		slices.Sort(angles)
		for i, angle := range angles {
			next := angles[(i+1)%len(angles)]
			if i+1 == len(angles) {
				next += 2 * math.Pi
			}
			if next-angle > math.Pi {
				middle := (angle + next) / 2
				all = append(all, point{bend.x + cornerKm*math.Cos(middle), bend.y + cornerKm*math.Sin(middle)})
			}
		}
	}
	return all
}

// ways are the shortest ways from one point to everywhere. One goroutine uses them.
type ways struct {
	*net
	home    point
	km      []float64 // to each node; +Inf if there is no way
	from    []leg     // how each node was reached: leg.to is the node before it, or -1 for home
	scratch []float64 // of to
	blocker int       // the water that was last found in the way: mostly it is in the way of the next leg too
}

// from finds the shortest ways, by Dijkstra's method on a small dense net.
func (n *net) from(home point) *ways {
	w := &ways{net: n, home: home, km: make([]float64, len(n.nodes)), from: make([]leg, len(n.nodes)), scratch: make([]float64, len(n.nodes))}
	for i, p := range n.nodes {
		w.km[i], w.from[i] = math.Inf(1), leg{to: -1, via: -1}
		if n.clear(home, p) {
			w.km[i] = home.to(p) * detour
		}
	}
	done := make([]bool, len(n.nodes))
	for range n.nodes {
		at := -1
		for i := range n.nodes {
			if !done[i] && (at < 0 || w.km[i] < w.km[at]) {
				at = i
			}
		}
		done[at] = true
		for _, l := range n.legs[at] {
			if km := w.km[at] + l.km; km < w.km[l.to] {
				w.km[l.to], w.from[l.to] = km, leg{to: at, km: l.km, via: l.via}
			}
		}
	}
	return w
}

// to gives the length of the way to a point, and the last node on it, or -1 if
// there is no bend in it. The length is +Inf if there is no way.
func (w *ways) to(p point) (km float64, last int) {
	if w.open(w.home, p) {
		return w.home.to(p) * detour, -1
	}
	if len(w.nodes) == 0 {
		return math.Inf(1), -1
	}
	all, best := w.scratch, 0
	for i, q := range w.nodes {
		all[i] = w.km[i] + q.to(p)*detour
		if all[i] < all[best] {
			best = i
		}
	}
	for !math.IsInf(all[best], 1) {
		if w.open(w.nodes[best], p) { // every other way is longer
			return all[best], best
		}
		all[best] = math.Inf(1)
		for i := range all {
			if all[i] < all[best] {
				best = i
			}
		}
	}
	return math.Inf(1), -1
}

// open is clear, faster for legs that lie together.
func (w *ways) open(p, q point) bool {
	if len(w.water) > 0 && w.water[w.blocker].blocks(p, q) {
		return false
	}
	for i := range w.water {
		if w.water[i].blocks(p, q) {
			w.blocker = i
			return false
		}
	}
	return true
}

// over names the crossings on the way to a node, in order.
func (w *ways) over(last int) (all []crossing) {
	for i := last; i >= 0; i = w.from[i].to {
		if via := w.from[i].via; via >= 0 {
			all = append(all, w.crossings[via])
		}
	}
	slices.Reverse(all)
	return slices.CompactFunc(all, func(a, b crossing) bool { return cmp.Compare(a.name, b.name) == 0 })
}
