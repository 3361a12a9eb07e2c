package search

import (
	"cmp"
	"math"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// PlainFind is Find in the plain way: every offer is judged in full, every way is
// found by looking at every node and all water, and all that fits is sorted.
func PlainFind(m *Map, lists gateway.CodeLists, offers []Offer, d Demand) Result {
	all := d
	all.Why = true // leave nothing out
	f := finder{m: m, lists: lists, d: all, rides: map[spot]length{}}
	f.start()
	var fitting, rejected []*match
	for i := range offers {
		one := new(match)
		f.match(&offers[i], one)
		if p, ok := f.at(offers[i].Capacity); ok {
			one.km, one.last = f.ways.plainTo(p.point)
			one.off = f.home.offKm + p.offKm
			straight := f.home.to(p.point) * detour
			switch far := func(km float64) bool { return d.MaxKm > 0 && math.Round(km*10)/10 > d.MaxKm }; {
			case far(straight) || !math.IsInf(one.km, 1) && far(one.km):
				f.judge(one, afstand, fails)
			case math.IsInf(one.km, 1):
				f.judge(one, afstand, unshown)
			}
		} else {
			f.judge(one, afstand, unshown)
		}
		if one.failed == 0 {
			fitting = append(fitting, one)
		} else if d.Why {
			rejected = append(rejected, one)
		}
	}
	result := Result{Groups: []FoundGroup{}, Fitting: len(fitting), Searched: len(offers), Gemeenten: f.here}
	slices.SortFunc(fitting, compare)
	for _, g := range Groups() {
		out := FoundGroup{Group: g, Label: g.Label(), Found: []Found{}}
		for _, one := range fitting {
			if one.group != g {
				continue
			}
			if out.Total++; out.Total <= d.limit() {
				out.Found = append(out.Found, f.found(one))
			}
		}
		result.Groups = append(result.Groups, out)
	}
	slices.SortFunc(rejected, func(a, b *match) int {
		return cmp.Or(cmp.Compare(a.failed.count(), b.failed.count()), compare(a, b))
	})
	for _, one := range rejected[:min(len(rejected), d.limit())] {
		result.Rejected = append(result.Rejected, f.rejected(one))
	}
	result.Notes = f.notes(&result)
	return result
}

func (w *ways) plainTo(p point) (km float64, last int) {
	open := func(a, b point) bool {
		for _, pieces := range w.water.pieces {
			for i := range pieces {
				if s := &pieces[i]; side(a, b, s.a)*side(a, b, s.b) <= 0 && side(s.a, s.b, a)*side(s.a, s.b, b) <= 0 {
					return false
				}
			}
		}
		return true
	}
	if open(w.home, p) {
		return w.home.to(p) * detour, -1
	}
	km, last = math.Inf(1), -1
	for i, q := range w.nodes {
		if all := w.km[i] + q.to(p)*detour; all < km && open(q, p) {
			km, last = all, i
		}
	}
	return km, last
}
