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
	if p.x < s.minX && q.x < s.minX || p.x > s.maxX && q.x > s.maxX || p.y < s.minY && q.y < s.minY || p.y > s.maxY && q.y > s.maxY {
		return false
	}
	return side(p, q, s.a)*side(p, q, s.b) <= 0 && side(s.a, s.b, p)*side(s.a, s.b, q) <= 0
}

// columns is water by how far east it lies, so that a leg is compared with what is
// near it only: for each kilometre from west on the pieces that touch it.
type columns struct {
	west   int
	pieces [][]segment
}

func newColumns(water []segment) (c columns) {
	if len(water) == 0 {
		return c
	}
	c.west = math.MaxInt
	east := math.MinInt
	for i := range water {
		c.west, east = min(c.west, int(water[i].minX)), max(east, int(water[i].maxX))
	}
	c.pieces = make([][]segment, east-c.west+1)
	for _, s := range water {
		for x := int(s.minX); x <= int(s.maxX); x++ {
			c.pieces[x-c.west] = append(c.pieces[x-c.west], s)
		}
	}
	return c
}

// between gives a piece of water that the leg from p to q meets, nil if it meets none.
func (c *columns) between(p, q point) *segment {
	from, to := max(int(min(p.x, q.x))-c.west, 0), min(int(max(p.x, q.x))-c.west, len(c.pieces)-1)
	for x := from; x <= to; x++ {
		for i := range c.pieces[x] {
			if s := &c.pieces[x][i]; s.blocks(p, q) {
				return s
			}
		}
	}
	return nil
}

// net is where a way can bend: the two ends of every crossing, and the outer
// corners of the water. It does not change after it was made.
type net struct {
	water     columns
	crossings []crossing
	nodes     []point // first the two ends of each crossing, in their order
	legs      [][]leg // by node
	areas     []area  // where water is known
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
	n := &net{water: newColumns(water), crossings: crossings}
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

func (n *net) clear(p, q point) bool { return n.water.between(p, q) == nil }

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
	km      []float64      // to each node; +Inf if there is no way
	from    []leg          // how each node was reached: leg.to is the node before it, or -1 for home
	stops   []stop         // the nodes to which there is a way, the nearest first
	guesses map[cell]*stop // the last stop of the last way to a point there: mostly it is that of the next one too
}

// cell is a square kilometre.
type cell struct{ x, y int }

func cellOf(p point) cell { return cell{int(p.x), int(p.y)} }

// stop is a node as the last bend of a way.
type stop struct {
	point
	km   float64
	node int
}

// from finds the shortest ways, by Dijkstra's method on a small dense net.
func (n *net) from(home point) *ways {
	w := &ways{net: n, home: home, km: make([]float64, len(n.nodes)), from: make([]leg, len(n.nodes)), guesses: map[cell]*stop{}}
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
	for i, p := range n.nodes {
		if !math.IsInf(w.km[i], 1) {
			w.stops = append(w.stops, stop{point: p, km: w.km[i], node: i})
		}
	}
	slices.SortStableFunc(w.stops, func(a, b stop) int { return cmp.Compare(a.km, b.km) })
	return w
}

// to gives the length of the way to a point, and the last node on it, or -1 if
// there is no bend in it. The length is +Inf if there is no way.
func (w *ways) to(p point) (km float64, last int) {
	if w.clear(w.home, p) {
		return w.home.to(p) * detour, -1
	}
	km, last = math.Inf(1), -1
	here := cellOf(p)
	if s := w.guesses[here]; s != nil && w.clear(s.point, p) {
		km, last = s.km+s.to(p)*detour, s.node
	}
	for i := range w.stops {
		s := &w.stops[i]
		left := km - s.km
		if left <= 0 { // nor can those that follow be nearer
			break
		}
		dx, dy := p.x-s.x, p.y-s.y
		if (dx*dx+dy*dy)*(detour*detour) < left*left && w.clear(s.point, p) {
			km, last = s.km+s.to(p)*detour, s.node
			w.guesses[here] = s
		}
	}
	return km, last
}

// some gives the length of a way to a point that is quickly found and may not be
// the shortest; +Inf if none is.
func (w *ways) some(p point) (km float64) {
	if w.clear(w.home, p) {
		return w.home.to(p) * detour
	}
	if s := w.guesses[cellOf(p)]; s != nil && w.clear(s.point, p) {
		return s.km + s.to(p)*detour
	}
	return math.Inf(1)
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
