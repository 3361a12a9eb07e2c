package search

import "errors"

// area is a rectangle of the map in which all water was looked at that has no
// bridge every few hundred metres. Outside of these a way can meet water that the
// map does not know.
type area struct {
	name string
	ring [4]point // counterclockwise
}

// areas is a set of them: a bit for each, in the order of the file.
type areas uint64

const maxAreas = 64

func areaOf(row []string) (area, error) {
	southWest, err := pointOf(row[1], row[2])
	northEast, err2 := pointOf(row[3], row[4])
	southEast, _ := pointOf(row[1], row[4])
	northWest, _ := pointOf(row[3], row[2])
	if err := errors.Join(err, err2); err != nil {
		return area{}, err
	}
	if southWest.x >= northEast.x || southWest.y >= northEast.y {
		return area{}, errors.New("an area has its south and west before its north and east")
	}
	return area{row[0], [4]point{southWest, southEast, northEast, northWest}}, nil
}

func (a *area) has(p point) bool {
	for i, corner := range a.ring {
		if side(corner, a.ring[(i+1)%len(a.ring)], p) < 0 {
			return false
		}
	}
	return true
}

// around gives the areas that a point is in.
func (n *net) around(p point) (set areas) {
	for i := range n.areas {
		if n.areas[i].has(p) {
			set |= 1 << i
		}
	}
	return set
}

// waterKnown tells whether a way from home over the node last to p stays in one
// area: these have no hollows, so that no leg leaves them.
func (w *ways) waterKnown(last int, p point) bool {
	set := w.around(w.home) & w.around(p)
	for i := last; i >= 0; i = w.from[i].to {
		set &= w.around(w.nodes[i])
	}
	return set != 0
}
